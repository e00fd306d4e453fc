//! The list of installed software, as a script inside a sandbox tells it.

use std::collections::BTreeMap;
use std::time::Duration;

/// The script; run by `bash -c`.
pub(crate) const PROBE: &str = include_str!("probe.sh");
/// Time for the script. It reads thousands of small files, on a machine that may be busy.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// Characters of a name or a version that are kept at most: a real caller stores them in columns of this width.
const LONGEST: usize = 64;
/// Entries of each kind that are kept at most. A large installation has a tenth of it.
const MOST: usize = 50_000;
/// What stands for a version that nobody knows.
const UNKNOWN: &str = "?";

/// The software that programs find in a sandbox. Versions are `?` where they are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Libraries {
    /// Debian packages and their versions.
    pub system: BTreeMap<String, String>,
    /// Python distributions and their versions.
    pub python: BTreeMap<String, String>,
    /// Perl modules and their versions.
    pub perl: BTreeMap<String, String>,
    /// Shared libraries: the name before `.so` and the version after it.
    pub c: BTreeMap<String, String>,
    /// Names of the programs in all directories of `PATH`, sorted; twice what is in two of them.
    pub executables: Vec<String>,
}

impl Libraries {
    /// Reads the script's output, taking nothing for granted: lines of another form are skipped, and what is long or much is
    /// cut. Nothing, if the end is missing.
    pub(crate) fn parse(output: &[u8]) -> Option<Self> {
        let output = String::from_utf8_lossy(output);
        let mut libraries = Self::default();
        let mut complete = false;
        for line in output.lines() {
            let mut fields = line.split('\t');
            let (Some(kind), Some(name), Some(version), None) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            complete = kind == "end";
            // A shortened name would be another name; a shortened version is still of use.
            let length = name.chars().count();
            if length == 0 || length > LONGEST || line.chars().any(|c| c.is_control() && c != '\t') {
                continue;
            }
            let version: String = version.chars().take(LONGEST).collect();
            match kind {
                "installed" => add(&mut libraries.system, name, version),
                "python" => add(&mut libraries.python, name, version),
                "perl" => add(&mut libraries.perl, name, version),
                "c" => {
                    if let Some((name, version)) = name.split_once(".so") {
                        add(&mut libraries.c, name, version.trim_start_matches('.').to_owned());
                    }
                }
                "bin" if libraries.executables.len() < MOST => libraries.executables.push(name.to_owned()),
                _ => {}
            }
        }
        libraries.executables.sort();
        complete.then_some(libraries)
    }
}

/// The first version counts, if it is one: the script names what programs find first.
fn add(to: &mut BTreeMap<String, String>, name: &str, version: String) {
    if let Some(known) = to.get_mut(name) {
        if known == UNKNOWN && !version.is_empty() {
            *known = version;
        }
    } else if to.len() < MOST {
        let version = if version.is_empty() { UNKNOWN.to_owned() } else { version };
        to.insert(name.to_owned(), version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.into_iter().map(|(name, version)| (name.to_owned(), version.to_owned())).collect()
    }

    #[test]
    fn each_kind_has_its_place() {
        let output = "installed\tbash\t5.2.15-2\nconfig-files\told\t1\npython\tsympy\t1.10.1\npython\tsympy\t1.9\n\
            perl\tCarp\t1.50\nperl\tOdd\t\nc\tlibz.so.1\t\nc\tlibz.so\t\nc\tlibm.so\t\nc\tlibm.so.6\t\nc\tliba-2.so\t\n\
            bin\tgcc\t\nbin\tawk\t\nbin\tawk\t\nend\t\t\n";
        let libraries = Libraries::parse(output.as_bytes()).unwrap();
        assert_eq!(libraries.system, map([("bash", "5.2.15-2")]));
        assert_eq!(libraries.python, map([("sympy", "1.10.1")]));
        assert_eq!(libraries.perl, map([("Carp", "1.50"), ("Odd", "?")]));
        assert_eq!(libraries.c, map([("liba-2", "?"), ("libm", "6"), ("libz", "1")]));
        assert_eq!(libraries.executables, ["awk", "awk", "gcc"]);
    }

    #[test]
    fn hostile_lines_are_skipped_or_cut() {
        let (long, longest) = ("x".repeat(65), "é".repeat(64));
        let output = format!(
            "bin\t{long}\t\nbin\t{longest}\t\nbin\tbad\u{1b}[2J\t\nbin\ttoo\tmany\tfields\nbin\nbin\t\t\nnoise\nunknown\tkind\t1\n\
             python\tp\t{}\nend\t\t\n",
            "9".repeat(100)
        );
        let libraries = Libraries::parse(output.as_bytes()).unwrap();
        assert_eq!(libraries.executables, [longest]);
        assert_eq!(libraries.python["p"].len(), 64);
        let many: String = (0..MOST + 10).map(|i| format!("bin\t{i}\t\npython\t{i}\t1\n")).collect();
        let libraries = Libraries::parse((many + "end\t\t\n").as_bytes()).unwrap();
        assert_eq!((libraries.executables.len(), libraries.python.len()), (MOST, MOST));
        assert!(Libraries::parse(b"bin\t\xff\xfe\t\nend\t\t\n").is_some());
    }

    #[test]
    fn half_a_list_is_none() {
        for output in ["", "bin\tawk\t\n", "end\t\t\nbin\tawk\t\n"] {
            assert_eq!(Libraries::parse(output.as_bytes()), None);
        }
    }

    /// On the host: inside of a sandbox, see the behaviour tests.
    #[test]
    fn the_script_lists_what_is_here() {
        let output = std::process::Command::new("bash").args(["-c", PROBE]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let libraries = Libraries::parse(&output.stdout).unwrap();
        assert!(libraries.executables.binary_search(&"bash".to_owned()).is_ok());
        assert!(libraries.c.contains_key("libc"), "{:?}", libraries.c);
    }
}
