//! From what was asked for and what happened to what was enforced.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;

use belljar_sys::Errno;
use belljar_sys::init::{Counter, Counters};

use crate::cgroup::{self, Controller, Version};
use crate::error::SandboxError;
use crate::layer::{Enforcement, Layer, LayerReport, Strictness};
use crate::machine::Machine;
use crate::policy::{Network, Policy, Reuse};

type Enforced = BTreeMap<Controller, Result<Version, String>>;

/// Layer by layer, what is in force.
///
/// # Errors
/// [`SandboxError::Missing`] for the first layer that the policy requires and that is not wholly there.
pub(crate) fn layers(
    policy: &Policy,
    machine: &Machine,
    enforced: Option<&Enforced>,
    missing: u64,
    errno: Errno,
) -> Result<Vec<LayerReport>, SandboxError> {
    let mut reports = Vec::with_capacity(Layer::ALL.len());
    for layer in Layer::ALL {
        let enforcement = enforcement(layer, policy, machine, enforced, missing, errno);
        if policy.strictness(layer) == Strictness::Required
            && let Enforcement::Missing(reason) | Enforcement::Weakened(reason) = &enforcement
        {
            return Err(SandboxError::Missing { layer, reason: reason.clone() });
        }
        reports.push(LayerReport { layer, enforcement });
    }
    Ok(reports)
}

fn enforcement(
    layer: Layer,
    policy: &Policy,
    machine: &Machine,
    enforced: Option<&Enforced>,
    missing: u64,
    errno: Errno,
) -> Enforcement {
    if policy.strictness(layer) == Strictness::Off {
        return Enforcement::Off;
    }
    let by_group = |controller, weaker: &str| match enforced.and_then(|enforced| enforced.get(&controller)) {
        Some(Ok(_)) => Enforcement::Enforced,
        Some(Err(reason)) => Enforcement::Weakened(format!("{weaker}: {reason}")),
        None => Enforcement::Weakened(format!("{weaker}: no control group")),
    };
    match layer {
        Layer::NetworkNamespace if policy.network == Network::Host => Enforcement::Off,
        Layer::IoLimit if policy.limits.io_bytes_per_second == 0 => Enforcement::Off,
        Layer::TimeNamespace if !machine.time_namespace => {
            Enforcement::Missing("this kernel has no time namespaces (Linux 5.6)".to_owned())
        }
        Layer::Landlock if machine.landlock_version == 0 => {
            Enforcement::Missing("this kernel has no Landlock, or it is not switched on (lsm=landlock)".to_owned())
        }
        _ if missing & (1 << (layer as u8)) != 0 => {
            Enforcement::Missing(std::io::Error::from_raw_os_error(errno.0).to_string())
        }
        Layer::MemoryLimit => by_group(Controller::Memory, "each process by itself (RLIMIT_DATA)"),
        Layer::ProcessLimit => by_group(Controller::Pids, "by user namespace (RLIMIT_NPROC)"),
        Layer::CpuAccounting => by_group(Controller::Cpuacct, "by asking each process in turn"),
        Layer::IoLimit => match enforced.and_then(|enforced| enforced.get(&Controller::Io)) {
            Some(Ok(_)) => Enforcement::Enforced,
            Some(Err(reason)) => Enforcement::Missing(reason.clone()),
            None => Enforcement::Missing("no control group".to_owned()),
        },
        _ => Enforcement::Enforced,
    }
}

/// The counters as the init takes them; the descriptors stay ours.
///
/// A peak that cannot be started anew (version 2 before Linux 6.12) would tell of earlier runs, so it counts only where there are none.
pub(crate) fn counters(counters: &cgroup::Counters, reuse: Reuse) -> Counters {
    let convert = |counter: &Option<cgroup::Counter>| {
        counter.as_ref().map_or(Counter::NONE, |counter| Counter {
            file: counter.file.as_raw_fd(),
            key: counter.key,
            unit: counter.unit,
        })
    };
    Counters {
        cpu: convert(&counters.cpu_time),
        memory_peak: if counters.memory_peak_reset.is_some() || reuse == Reuse::Never {
            convert(&counters.memory_peak)
        } else {
            Counter::NONE
        },
        oom_kills: convert(&counters.oom_kills),
        processes: convert(&counters.processes_current),
        process_refusals: convert(&counters.processes_refused),
    }
}
