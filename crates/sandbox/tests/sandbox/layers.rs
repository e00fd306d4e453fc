//! What a sandbox says of its layers is true: each is probed from within, and where it is safe also without it.

use belljar_sandbox::{Enforcement, Layer, Network, Policy, Preset, Strictness};

use crate::bench::{Bench, Cell, enforcement, text};

/// What a probe writes when the layer is there.
const THERE: &str = "there\n";

/// A layer and a shell script that writes `there` or something else. `$HOST` is the host's name of the namespace.
const PROBES: &[(Layer, &str)] = &[
    (
        Layer::UserNamespace,
        "[ \"$(readlink /proc/self/ns/user)\" != \"$HOST_user\" ] && ! grep -q 4294967295 /proc/self/uid_map && echo there",
    ),
    (
        Layer::PidNamespace,
        "[ \"$(readlink /proc/self/ns/pid)\" != \"$HOST_pid\" ] && [ $$ -lt 50 ] && ! kill -0 $PPID_OF_TEST 2>/dev/null && echo there",
    ),
    (
        Layer::MountNamespace,
        "[ \"$(readlink /proc/self/ns/mnt)\" != \"$HOST_mnt\" ] && ! grep -q ' / / .* - ext4' /proc/self/mountinfo && echo there",
    ),
    (
        Layer::NetworkNamespace,
        "[ \"$(readlink /proc/self/ns/net)\" != \"$HOST_net\" ] && [ $(tail -n +3 /proc/net/dev | wc -l) = 1 ] && echo there",
    ),
    (Layer::IpcNamespace, "[ \"$(readlink /proc/self/ns/ipc)\" != \"$HOST_ipc\" ] && echo there"),
    (
        Layer::UtsNamespace,
        "[ \"$(readlink /proc/self/ns/uts)\" != \"$HOST_uts\" ] && [ $(uname -n) = belljar ] && echo there",
    ),
    (Layer::CgroupNamespace, "[ \"$(readlink /proc/self/ns/cgroup)\" != \"$HOST_cgroup\" ] && echo there"),
    // The clock says how long the sandbox is there, not the host.
    (
        Layer::TimeNamespace,
        "[ \"$(readlink /proc/self/ns/time)\" != \"$HOST_time\" ] && read -r up _ < /proc/uptime && [ $(( ${up%.*} + 60 )) -lt ${HOST_UPTIME} ] && echo there",
    ),
    (
        Layer::PrivateProc,
        "[ ! -e /proc/1 ] && [ ! -s /proc/kcore ] && [ -z \"$(head -c 1 /proc/keys 2>/dev/null)\" ] && ! echo x 2>/dev/null > /proc/sys/kernel/core_pattern && echo there",
    ),
    (
        Layer::ResourceLimits,
        "[ $(ulimit -n) = 1024 ] && [ $(ulimit -Hn) = 1024 ] && [ $(ulimit -c) = 0 ] && [ $(ulimit -Hs) = 65536 ] && echo there",
    ),
    (
        Layer::Privileges,
        "[ \"$(grep -c -e '^Cap.*:.0000000000000000$' -e '^NoNewPrivs:.1$' /proc/self/status)\" = 6 ] && echo there",
    ),
    // File modes would allow it: these files of ours belong to us.
    (Layer::Landlock, "! sh -c 'echo x > /proc/self/comm' 2>/dev/null && echo there"),
    (Layer::Seccomp, "grep -q '^Seccomp:.2$' /proc/self/status && ! unshare -r true 2>/dev/null && echo there"),
];

async fn probe(cell: &mut Cell, layer: Layer, script: &str) -> String {
    let namespaces = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"];
    let mut prelude = String::new();
    for name in namespaces {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        prelude += &format!("HOST_{name}='{}'; ", link.display());
    }
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    prelude += &format!("HOST_UPTIME={}; PPID_OF_TEST={}; ", uptime.split('.').next().unwrap(), std::process::id());
    let outcome = cell.shell(&format!("{prelude}{script}")).await;
    let said = text(&outcome.stdout);
    if said == THERE { said } else { format!("{layer:?}: {said}{}", text(&outcome.stderr)) }
}

pub(crate) async fn every_enforced_layer_is_there(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    for (layer, script) in PROBES {
        match enforcement(&cell, *layer) {
            Enforcement::Enforced => assert_eq!(probe(&mut cell, *layer, script).await, THERE, "{layer:?}"),
            other => assert!(!matches!(other, Enforcement::Off), "{layer:?}: {other:?}"),
        }
    }
    // Renewed, it is no weaker, and not after its spawner was killed either.
    cell.next().await;
    cell.shell("kill -9 -1").await;
    for (layer, script) in PROBES {
        if enforcement(&cell, *layer) == Enforcement::Enforced {
            assert_eq!(probe(&mut cell, *layer, script).await, THERE, "{layer:?}");
        }
    }
    cell.close().await;
}

pub(crate) async fn layers_switched_off_are_off(bench: &Bench) {
    // What is safe to be without for the length of a probe.
    let safe = [
        Layer::NetworkNamespace,
        Layer::IpcNamespace,
        Layer::UtsNamespace,
        Layer::CgroupNamespace,
        Layer::TimeNamespace,
        Layer::ResourceLimits,
        Layer::Landlock,
        Layer::Seccomp,
    ];
    for layer in safe {
        let mut policy = Policy::default();
        policy.layers.insert(layer, Strictness::Off);
        if layer == Layer::NetworkNamespace {
            policy.network = Network::Host;
        }
        let mut cell = bench.cell(policy).await;
        assert_eq!(enforcement(&cell, layer), Enforcement::Off);
        for (probed, script) in PROBES {
            let said = probe(&mut cell, *probed, script).await;
            if *probed == layer {
                assert_ne!(said, THERE, "{layer:?} is off, and the probe does not see it");
            } else if enforcement(&cell, *probed) == Enforcement::Enforced {
                assert_eq!(said, THERE, "without {layer:?}");
            }
        }
        cell.close().await;
    }
}

pub(crate) async fn everything_is_enforced_here(bench: &Bench) {
    let mut policy = Policy::preset(Preset::Strict);
    policy.limits.io_bytes_per_second = 1 << 30;
    let mut cell = bench.cell(policy).await;
    for report in cell.layers() {
        assert!(report.enforcement == Enforcement::Enforced || report.layer == Layer::IoLimit, "{report:?}");
    }
    assert_eq!(cell.say("echo works").await, "works\n");
    cell.close().await;
}
