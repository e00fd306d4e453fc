//! The resource limits of a process as vxsandbox has them: by a shell that sets them and becomes the program.
//!
//! They come on top of what the sandbox limits for all processes together, and can only be lower.

use std::collections::BTreeMap;
use std::ffi::OsString;

use belljar_sandbox::Policy;
use rustix::process::{Resource, getrlimit};

use super::EngineError;

/// One limit that can be set.
struct Known {
    name: &'static str,
    /// The option of `ulimit`.
    option: char,
    /// Bytes, or whatever it counts, in one of the option's units.
    unit: i64,
    /// vxsandbox's default.
    default: i64,
    resource: Resource,
}

const KIB: i64 = 1 << 10;
const MIB: i64 = 1 << 20;

/// In the order of the kernel's numbers. Core dumps are not here: every sandbox has them off, whatever is asked for.
const KNOWN: [Known; 8] = [
    Known { name: "RLIMIT_CPU", option: 't', unit: 1, default: 60, resource: Resource::Cpu },
    Known { name: "RLIMIT_FSIZE", option: 'f', unit: KIB, default: MIB, resource: Resource::Fsize },
    Known { name: "RLIMIT_DATA", option: 'd', unit: KIB, default: 64 * MIB, resource: Resource::Data },
    Known { name: "RLIMIT_STACK", option: 's', unit: KIB, default: MIB, resource: Resource::Stack },
    Known { name: "RLIMIT_RSS", option: 'm', unit: KIB, default: 10 * MIB, resource: Resource::Rss },
    Known { name: "RLIMIT_NOFILE", option: 'n', unit: 1, default: 15, resource: Resource::Nofile },
    Known { name: "RLIMIT_MEMLOCK", option: 'l', unit: KIB, default: 64 * KIB, resource: Resource::Memlock },
    Known { name: "RLIMIT_AS", option: 'v', unit: KIB, default: 196 * MIB, resource: Resource::As },
];

/// The one that is accepted and has no effect.
const CORE: &str = "RLIMIT_CORE";

/// Limits of a process: soft and hard, by the kernel's names; a negative number is no limit of ours.
pub(super) type Limits = BTreeMap<String, (i64, i64)>;

/// vxsandbox's own limits, with these instead of some of them.
pub(super) fn with_defaults(configured: &Limits) -> Limits {
    let defaults = KNOWN.iter().map(|known| (known.name.to_owned(), (known.default, known.default)));
    defaults.chain(configured.iter().map(|(name, limits)| (name.clone(), *limits))).collect()
}

/// Makes room in a policy for limits that are above its own, where a limit of one process is all that there is.
pub(super) fn make_room(limits: &Limits, policy: &mut Policy) {
    let asked = |name: &str| limits.get(name).map(|(soft, hard)| u64::try_from(*soft.max(hard)).unwrap_or(0));
    let all = &mut policy.limits;
    if let Some(files) = asked("RLIMIT_NOFILE") {
        all.open_files = all.open_files.max(u32::try_from(files).unwrap_or(u32::MAX));
    }
    if let Some(bytes) = asked("RLIMIT_STACK") {
        all.stack = all.stack.max(bytes);
    }
}

/// A program with its arguments, behind a shell that sets these limits; just as it is when there are none.
///
/// # Errors
/// A name is none of a limit.
pub(super) fn behind(
    limits: &Limits,
    policy: &Policy,
    program: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, EngineError> {
    let ceilings = |known: &Known| ceiling(known, policy);
    let Some(script) = script(limits, ceilings)? else { return Ok(program.into_iter().collect()) };
    let shell = ["/bin/bash", "-e", "-c", &script, "--"].map(OsString::from);
    Ok(shell.into_iter().chain(program).collect())
}

/// What the shell does; nothing when there is no limit to set.
fn script(limits: &Limits, ceiling: impl Fn(&Known) -> Option<i64>) -> Result<Option<String>, EngineError> {
    let known = |name: &String| name == CORE || KNOWN.iter().any(|known| known.name == name);
    if let Some(name) = limits.keys().find(|name| !known(name)) {
        return Err(EngineError::App(format!("Unknown resource limit key '{name}'")));
    }
    let mut lines = Vec::new();
    for known in &KNOWN {
        if let Some(&(soft, hard)) = limits.get(known.name) {
            let most = ceiling(known);
            for (kind, wish) in [('S', soft), ('H', hard)] {
                lines.push(format!("ulimit -{kind}{} {}", known.option, value(wish, most, known.unit)));
            }
        }
    }
    let script = || format!("#!/bin/bash\n\n# Set resource limits.\n{}\n\nexec \"$@\"\n", lines.join("\n"));
    Ok((!lines.is_empty()).then(script))
}

/// What `ulimit` is told: the wish, or what there is at most.
fn value(wish: i64, most: Option<i64>, unit: i64) -> String {
    let value = match most {
        Some(most) if wish < 0 || most < wish => most,
        None if wish < 0 => return "unlimited".to_owned(),
        _ => wish,
    };
    (value / unit).to_string()
}

/// What a process in such a sandbox has at most, before the shell.
fn ceiling(known: &Known, policy: &Policy) -> Option<i64> {
    let limits = &policy.limits;
    let of_policy = match known.resource {
        Resource::Cpu => Some(limits.cpu_time.as_secs()),
        Resource::Fsize => Some(limits.file_size),
        Resource::Stack => Some(limits.stack),
        Resource::Nofile => Some(limits.open_files.into()),
        Resource::Memlock => Some(64 << 10),
        _ => None,
    };
    // What this process may not have, nobody that it starts may.
    let of_machine = getrlimit(known.resource).maximum;
    let least = [of_policy, of_machine].into_iter().flatten().min();
    least.map(|least| i64::try_from(least).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: &[(&str, i64, i64)]) -> Limits {
        all.iter().map(|&(name, soft, hard)| (name.to_owned(), (soft, hard))).collect()
    }

    /// Lines 30, 31, 33 and 34 of the peer's tests.
    #[test]
    fn the_shell_sets_each_limit_in_its_unit() {
        let none = |_: &Known| None;
        assert_eq!(script(&Limits::new(), none).unwrap(), None);
        assert_eq!(script(&limits(&[("RLIMIT_CORE", 1, 1)]), none).unwrap(), None);
        let text = script(&limits(&[("RLIMIT_NOFILE", 15, 15), ("RLIMIT_CPU", 40, 60)]), none).unwrap().unwrap();
        let lines = "#!/bin/bash\n\n# Set resource limits.\nulimit -St 40\nulimit -Ht 60\nulimit -Sn 15\nulimit -Hn 15\n\nexec \"$@\"\n";
        assert_eq!(text, lines);
        for (wish, most, unit, told) in [
            (-1, None, 1, "unlimited"),
            (-1, Some(20), 1, "20"),
            (30, Some(20), 1, "20"),
            (10, Some(20), 1, "10"),
            (2048, None, 1024, "2"),
            (100, None, 1024, "0"),
            (2047, Some(4096), 1024, "1"),
        ] {
            assert_eq!(value(wish, most, unit), told, "{wish} of {most:?}");
        }
        assert!(script(&limits(&[("RLIMIT_NPROC", 1, 1)]), none).is_err());
    }

    /// Line 32 of the peer's tests.
    #[test]
    fn the_program_follows_the_shell_as_it_is() {
        let program = || ["/x", "a b", "$HOME"].map(OsString::from);
        let policy = Policy::default();
        assert_eq!(behind(&Limits::new(), &policy, program()).unwrap(), program());
        let argv = behind(&limits(&[("RLIMIT_CPU", 1, 1)]), &policy, program()).unwrap();
        assert_eq!(argv[..3], ["/bin/bash", "-e", "-c"]);
        assert_eq!(argv[4..], ["--", "/x", "a b", "$HOME"]);
    }

    #[test]
    fn configured_limits_replace_defaults() {
        let all = with_defaults(&limits(&[("RLIMIT_AS", -1, -1)]));
        assert_eq!((all["RLIMIT_AS"], all["RLIMIT_NOFILE"], all.len()), ((-1, -1), (15, 15), 8));
    }
}
