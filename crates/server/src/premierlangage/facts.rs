//! Facts about the machine and its software, under the keys of the protocol. A real caller reads every one of them.

use std::collections::BTreeMap;

use belljar_execute::{DiskRates, Libraries, Specifications, Usage};

use super::pyjson::{Text, Value};

/// The release of the protocol that is spoken.
const SANDBOX_VERSION: &str = "3.0.3";

/// What stands where the other server tells the version of its container engine: ours is built in.
const ENGINE_VERSION: &str = concat!("belljar ", env!("CARGO_PKG_VERSION"));

/// `GET /specifications/`.
pub(super) fn specifications(facts: &Specifications) -> Value {
    let (host, sandbox) = (&facts.host, &facts.sandbox);
    // One limit for all block devices, under the name that is no device's.
    let rate = || {
        let limits = sandbox.io_bytes_per_second.iter().map(|limit| (Text::from("all"), Value::from(*limit)));
        Value::Object(limits.collect())
    };
    let none = || Value::Object(Vec::new());
    Value::object([
        (
            "host",
            Value::object([
                (
                    "cpu",
                    Value::object([
                        ("core", host.physical_cores.map_or(Value::Null, |cores| Value::from(i32::from(cores)))),
                        ("logical", Value::from(i32::from(host.logical_cpus))),
                        ("freq_min", Value::from(host.min_frequency_mhz)),
                        ("freq_max", Value::from(host.max_frequency_mhz)),
                    ]),
                ),
                (
                    "memory",
                    Value::object([
                        ("ram", Value::from(host.memory_bytes)),
                        ("swap", Value::from(host.swap_bytes)),
                        ("storage", by_device(&host.storage_bytes, |bytes| *bytes)),
                    ]),
                ),
                ("docker_version", Value::from(ENGINE_VERSION)),
                ("sandbox_version", Value::from(SANDBOX_VERSION)),
            ]),
        ),
        (
            "container",
            Value::object([
                ("count", Value::from(i32::from(sandbox.count))),
                (
                    "cpu",
                    Value::object([
                        ("count", Value::from(i32::from(sandbox.cpus))),
                        ("period", Value::from(i32::from(sandbox.cpu_period_us))),
                        ("shares", Value::from(i32::from(sandbox.cpu_shares))),
                        ("quota", Value::from(i32::from(sandbox.cpu_quota_us))),
                    ]),
                ),
                (
                    "memory",
                    Value::object([
                        ("ram", Value::from(sandbox.memory_bytes)),
                        ("swap", Value::from(sandbox.swap_bytes)),
                        ("storage", Value::from(sandbox.storage_bytes)),
                    ]),
                ),
                (
                    "io",
                    Value::object([
                        ("read_iops", none()),
                        ("read_bps", rate()),
                        ("write_iops", none()),
                        ("write_bps", rate()),
                    ]),
                ),
                ("process", Value::from(i32::from(sandbox.processes))),
                ("working_dir_device", Value::from(sandbox.work_directory_device)),
            ]),
        ),
    ])
}

/// `GET /usages/`.
pub(super) fn usages(facts: &Usage) -> Value {
    let host = &facts.host;
    let rates = |of: fn(&DiskRates) -> u64| by_device(&host.disks, of);
    Value::object([
        (
            "cpu",
            Value::object([
                ("frequency", Value::from(host.cpu_frequency_mhz)),
                ("usage", Value::from(host.cpu_busy)),
                ("usage_avg", Value::Array(host.load_per_cpu.map(Value::from).to_vec())),
            ]),
        ),
        (
            "memory",
            Value::object([
                ("ram", Value::from(host.memory_bytes)),
                ("swap", Value::from(host.swap_bytes)),
                ("storage", by_device(&host.storage_bytes, |bytes| *bytes)),
            ]),
        ),
        (
            "io",
            Value::object([
                ("read_iops", rates(|disk| disk.reads)),
                ("read_bps", rates(|disk| disk.read_bytes)),
                ("write_iops", rates(|disk| disk.writes)),
                ("write_bps", rates(|disk| disk.written_bytes)),
            ]),
        ),
        (
            "network",
            Value::object([
                ("sent_bytes", Value::from(host.network.sent_bytes)),
                ("received_bytes", Value::from(host.network.received_bytes)),
                ("sent_packets", Value::from(host.network.sent_packets)),
                ("received_packets", Value::from(host.network.received_packets)),
            ]),
        ),
        ("process", Value::from(i32::from(host.processes))),
        ("container", Value::from(i32::from(facts.sandboxes_taken))),
    ])
}

/// `GET /libraries/`.
pub(super) fn libraries(found: &Libraries) -> Value {
    let versions = |list: &BTreeMap<String, String>| {
        let members = list.iter().map(|(name, version)| (Text::from(name.as_str()), Value::from(version.as_str())));
        Value::Object(members.collect())
    };
    Value::object([
        (
            "libraries",
            Value::object([
                ("system", versions(&found.system)),
                ("python", versions(&found.python)),
                ("perl", versions(&found.perl)),
                ("c", versions(&found.c)),
            ]),
        ),
        ("bin", Value::Array(found.executables.iter().map(|name| Value::from(name.as_str())).collect())),
    ])
}

fn by_device<T>(devices: &BTreeMap<String, T>, number: impl Fn(&T) -> u64) -> Value {
    let members = devices.iter().map(|(device, of)| (Text::from(device.as_str()), Value::from(number(of))));
    Value::Object(members.collect())
}
