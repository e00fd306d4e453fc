//! What the sandboxes of this job allow, and how that is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belljar_image::{ImageError, Images, OpenImage, RootfsChoice};
use belljar_sandbox::{Access, Mount, Policy, Rootfs};

use crate::Settings;
use crate::facts::{SandboxSpecifications, within_16_bits};
use crate::libraries::PROBE_TIMEOUT;

/// Where programs find external libraries. Callers know this place: it is the PremierLangage sandbox's.
const LIBRARIES: &str = "/utils/libs";
/// What `dpkg-query` reads.
const PACKAGES: &str = "/var/lib/dpkg";
/// The period that CPU quotas are told in: the PremierLangage sandbox's own default, small enough for 16 bits.
const TOLD_CPU_PERIOD_US: i16 = 1000;
/// The kernel's default weight, which sandboxes have against each other.
const CPU_SHARES: i16 = 1024;

/// What the policy takes from the machine.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The directory of external libraries, absolute.
    pub(crate) libraries: PathBuf,
    /// The locale of programs.
    pub(crate) locale: &'static str,
    /// Logical CPUs.
    pub(crate) cpus: u32,
    /// Whether programs see this machine's, and it has Debian's list of installed packages.
    pub(crate) packages: bool,
    /// What programs find.
    pub(crate) rootfs: Rootfs,
    /// Variables of an image.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Surroundings {
    pub(crate) async fn of_this_machine(libraries: PathBuf, cpus: u32, root: &Root) -> Self {
        let host = matches!(root, Root::Host);
        Self {
            libraries,
            // What locales another system has is not known; this one comes with every C library.
            locale: if host { locale().await } else { best_locale("") },
            cpus,
            packages: host && Path::new(PACKAGES).is_dir(),
            rootfs: match root {
                Root::Host => Rootfs::Host,
                Root::Directory(path) => Rootfs::Directory(path.clone()),
                Root::Image(image) => image.rootfs(),
            },
            variables: match root {
                Root::Image(image) => image.image().config.environment.clone(),
                Root::Host | Root::Directory(_) => BTreeMap::new(),
            },
        }
    }
}

/// The root directory of all sandboxes, kept for as long as there are any.
#[derive(Debug)]
pub(crate) enum Root {
    /// This machine's programs.
    Host,
    /// A directory.
    Directory(PathBuf),
    /// An image, whose layers stay as long as this does.
    Image(Box<OpenImage>),
}

impl Root {
    /// Opens what the setting names, in this data directory.
    pub(crate) fn open(choice: &RootfsChoice, data_directory: &Path) -> Result<Self, ImageError> {
        match choice {
            RootfsChoice::Host => Ok(Self::Host),
            RootfsChoice::Directory(path) => Ok(Self::Directory(path.clone())),
            RootfsChoice::Image(name) => Images::of(data_directory).open(name).map(Box::new).map(Self::Image),
        }
    }
}

/// The policy of every sandbox.
pub(crate) fn policy(settings: &Settings, surroundings: &Surroundings) -> Policy {
    let mut policy = Policy::preset(settings.sandbox.preset);
    policy.work_directory = "/home/student".into();
    policy.rootfs = surroundings.rootfs.clone();
    // Each command names its own limit; this bounds them all, and the list of software takes longer than a student may.
    let wall_time = settings.timeout.max(PROBE_TIMEOUT);
    policy.limits = settings.sandbox.limits(wall_time, surroundings.cpus);
    let show = |source: &Path, target: &str| Mount {
        source: source.to_owned(),
        target: target.into(),
        access: Access::ReadOnly,
    };
    policy.mounts.push(show(&surroundings.libraries, LIBRARIES));
    if surroundings.packages {
        policy.mounts.push(show(Path::new(PACKAGES), PACKAGES));
    }
    for name in ["LANG", "LC_ALL"] {
        policy.environment.insert(name.to_owned(), surroundings.locale.to_owned());
    }
    policy.environment.extend(surroundings.variables.clone());
    for name in ["PATH", "PYTHONPATH"] {
        let own = policy.environment.get(name).cloned().unwrap_or_default();
        policy.environment.insert(name.to_owned(), format!("{LIBRARIES}/:{own}"));
    }
    policy.warm = settings.sandbox.warm();
    policy
}

/// What a sandbox may use, for people.
pub(crate) fn specifications(policy: &Policy, count: usize, cpus: u32) -> SandboxSpecifications {
    let limits = &policy.limits;
    let per_cent = limits.cpu_percent;
    SandboxSpecifications {
        count: within_16_bits(count),
        cpus: within_16_bits(if per_cent == 0 { cpus } else { per_cent.div_ceil(100).min(cpus) }),
        cpu_period_us: TOLD_CPU_PERIOD_US,
        cpu_quota_us: within_16_bits(u64::from(per_cent) * u64::from(TOLD_CPU_PERIOD_US.unsigned_abs()) / 100),
        cpu_shares: CPU_SHARES,
        memory_bytes: limits.memory,
        swap_bytes: limits.swap,
        storage_bytes: limits.disk,
        io_bytes_per_second: (limits.io_bytes_per_second > 0).then_some(limits.io_bytes_per_second),
        processes: within_16_bits(limits.processes),
        // The writable layer is in memory, and gone with the sandbox.
        work_directory_device: "tmpfs",
    }
}

/// American English, as the PremierLangage sandbox has, where the machine knows it; else the locale that every C library has,
/// also in UTF-8.
async fn locale() -> &'static str {
    let list = tokio::process::Command::new("locale").arg("-a").kill_on_drop(true).output();
    match tokio::time::timeout(Duration::from_secs(5), list).await {
        Ok(Ok(output)) => best_locale(&String::from_utf8_lossy(&output.stdout)),
        // Without the program there are no other locales either, as with musl.
        _ => best_locale(""),
    }
}

fn best_locale(known: &str) -> &'static str {
    let is_american = |name: &str| name.eq_ignore_ascii_case("en_US.utf8") || name.eq_ignore_ascii_case("en_US.UTF-8");
    if known.lines().map(str::trim).any(is_american) { "en_US.UTF-8" } else { "C.UTF-8" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(packages: bool) -> Surroundings {
        Surroundings {
            libraries: "/data/libraries".into(),
            locale: "C.UTF-8",
            cpus: 4,
            packages,
            rootfs: Rootfs::Host,
            variables: BTreeMap::new(),
        }
    }

    #[test]
    fn programs_find_the_external_libraries() {
        let policy = policy(&Settings::default(), &surroundings(false));
        let mount = Mount { source: "/data/libraries".into(), target: "/utils/libs".into(), access: Access::ReadOnly };
        assert_eq!(policy.mounts, [mount]);
        assert!(policy.environment["PATH"].starts_with("/utils/libs/:/usr/"));
        assert_eq!(policy.environment["PYTHONPATH"], "/utils/libs/:");
        assert_eq!(policy.environment["LC_ALL"], "C.UTF-8");
        assert_eq!(policy.work_directory, Path::new("/home/student"));
    }

    #[test]
    fn an_image_brings_its_variables() {
        let mut surroundings = surroundings(false);
        surroundings.rootfs = Rootfs::Layers(vec!["/data/layer".into()]);
        surroundings.variables =
            [("PATH", "/opt/bin"), ("LANG", "fr_FR")].map(|(name, value)| (name.into(), value.into())).into();
        let policy = policy(&Settings::default(), &surroundings);
        assert_eq!(policy.rootfs, surroundings.rootfs);
        let variables = ["PATH", "LANG", "LC_ALL", "HOME"].map(|name| policy.environment[name].as_str());
        assert_eq!(variables, ["/utils/libs/:/opt/bin", "fr_FR", "C.UTF-8", "/home/student"]);
    }

    #[test]
    fn the_list_of_packages_is_shown_where_there_is_one() {
        let policy = policy(&Settings::default(), &surroundings(true));
        assert_eq!(policy.mounts[1].target, Path::new("/var/lib/dpkg"));
        assert_eq!(policy.mounts[1].access, Access::ReadOnly);
    }

    #[test]
    fn the_wall_clock_limit_is_above_that_of_any_command() {
        let mut settings = Settings::default();
        for seconds in [1, 3600] {
            settings.timeout = Duration::from_secs(seconds);
            let limits = policy(&settings, &surroundings(false)).limits;
            assert!(limits.wall_time >= settings.timeout && limits.wall_time >= PROBE_TIMEOUT);
            assert_eq!(limits.cpu_time, limits.wall_time * 4);
        }
    }

    #[test]
    fn what_is_told_fits_16_bits() {
        let mut settings = Settings::default();
        let told = |settings: &Settings| specifications(&policy(settings, &surroundings(false)), 20, 4);
        let unlimited = told(&settings);
        assert_eq!((unlimited.count, unlimited.cpus, unlimited.cpu_quota_us), (20, 4, 0));
        assert_eq!(unlimited.io_bytes_per_second, None);
        settings.sandbox.cpu_percent = 150;
        settings.sandbox.processes = 100_000;
        let limited = told(&settings);
        assert_eq!((limited.cpus, limited.cpu_period_us, limited.cpu_quota_us), (2, 1000, 1500));
        assert_eq!(limited.processes, i16::MAX);
        settings.sandbox.cpu_percent = u32::MAX;
        assert_eq!((told(&settings).cpus, told(&settings).cpu_quota_us), (4, i16::MAX));
    }

    #[test]
    fn the_locale_is_one_that_exists() {
        for (known, locale) in [
            ("C\nC.utf8\nPOSIX\n", "C.UTF-8"),
            ("C\nen_US.utf8\nfr_FR.utf8\n", "en_US.UTF-8"),
            ("en_US\nen_US.iso88591\n", "C.UTF-8"),
            ("", "C.UTF-8"),
        ] {
            assert_eq!(best_locale(known), locale);
        }
    }
}
