//! Which layers this machine has, tried out by making a sandbox.

use serde::Serialize;

use crate::cgroup::Controller;
use crate::error::SandboxError;
use crate::launch::Launch;
use crate::launcher::end_alone;
use crate::layer::{Enforcement, Layer, Strictness};
use crate::policy::{Policy, Preset, Reuse};

/// What the doctor says of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The layer.
    pub layer: Layer,
    /// Its state in a sandbox that was made for the purpose.
    #[serde(flatten)]
    pub enforcement: Enforcement,
    /// How the default policy asks for it.
    pub strictness: Strictness,
    /// What to do about it, when something is to be done.
    pub advice: Option<String>,
}

/// Makes a sandbox in which every layer is best effort, and tells what came of each.
///
/// # Errors
/// Not even that sandbox could be made; the process must have a single thread.
pub fn doctor() -> Result<Vec<Finding>, SandboxError> {
    let wanted = Policy::preset(Preset::Standard);
    let mut policy = wanted.clone();
    policy.layers.clear();
    policy.default_strictness = Strictness::BestEffort;
    // A bandwidth that nothing reaches, so that the layer is tried.
    policy.limits.io_bytes_per_second = 1 << 40;
    let mut launch = Launch::new();
    let made = launch.make(&policy, Reuse::AfterReset)?;
    let findings = made.layers.iter().map(|report| {
        let (layer, enforcement) = (report.layer, report.enforcement.clone());
        let advice = match enforcement {
            Enforcement::Missing(_) | Enforcement::Weakened(_) => Some(advice(layer, &launch)),
            Enforcement::Enforced | Enforcement::Off => None,
        };
        Finding { layer, enforcement, strictness: wanted.strictness(layer), advice }
    });
    let findings = findings.collect();
    end_alone(made.pid, &made.pidfd, made.group);
    Ok(findings)
}

fn advice(layer: Layer, launch: &Launch) -> String {
    let group = |controller: Controller| match launch.availability(controller) {
        Err(reason) => format!(
            "{reason}. Run belljar as root, or under systemd with Delegate=yes (packaging/belljar.service), or with \
             'systemd-run --user --scope -p Delegate=yes'"
        ),
        Ok(()) => "the group exists but did not take its limit; see the log".to_owned(),
    };
    match layer {
        Layer::UserNamespace => {
            "allow them: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and \
                                 (Ubuntu) kernel.apparmor_restrict_unprivileged_userns=0; or run belljar as root"
                .to_owned()
        }
        Layer::PidNamespace
        | Layer::MountNamespace
        | Layer::NetworkNamespace
        | Layer::IpcNamespace
        | Layer::UtsNamespace => {
            "run belljar outside of a container, or in one that may make namespaces (see packaging/Dockerfile)"
                .to_owned()
        }
        Layer::CgroupNamespace => "needs Linux 4.6".to_owned(),
        Layer::TimeNamespace => {
            "needs Linux 5.6 with CONFIG_TIME_NS; programs then see when the host was started".to_owned()
        }
        Layer::PrivateProc => "in a container, /proc of the container must not be masked (docker run --security-opt \
                               systempaths=unconfined)"
            .to_owned(),
        Layer::MemoryLimit => group(Controller::Memory),
        Layer::ProcessLimit => group(Controller::Pids),
        Layer::CpuAccounting => group(Controller::Cpuacct),
        Layer::IoLimit => group(Controller::Io),
        Layer::ResourceLimits => "raise belljar's own hard limits (LimitNOFILE= and so on)".to_owned(),
        Layer::Privileges => "run belljar with CAP_SETPCAP or unprivileged".to_owned(),
        Layer::Landlock => "needs Linux 5.13 with 'landlock' in the lsm= list of the kernel command line".to_owned(),
        Layer::Seccomp => "needs CONFIG_SECCOMP_FILTER".to_owned(),
    }
}
