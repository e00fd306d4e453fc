//! Which commands are for a warm interpreter.
//!
//! The answer is "no" whenever it is not certain that nobody could tell the difference. What only the sandbox's inside can tell (which
//! files are there) is left to the fork itself, which declines then.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::command::Command;
use crate::policy::{Policy, Warm};

/// A command as a warm interpreter gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ForWarm {
    /// Its arguments, the interpreter's name first.
    pub(crate) arguments: Vec<OsString>,
    /// It was the only command of a shell's script.
    pub(crate) via_shell: bool,
}

/// Variables that an interpreter, its libraries or the C library look at before a program runs: names, and beginnings of names.
const READ_AT_START: &[&str] = &["HOME", "LANG", "LANGUAGE", "TZ", "TZDIR"];
const READ_AT_START_BEGINNINGS: &[&str] =
    &["PYTHON", "LC_", "LD_", "GLIBC_", "MALLOC_", "OMP_", "GOTO_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "NPY_"];
/// Variables that change what a shell does with a script, or that it changes itself in ways of its own.
const READ_BY_SHELL: &[&str] =
    &["ENV", "IFS", "OLDPWD", "POSIXLY_CORRECT", "PWD", "SHELLOPTS", "SHLVL", "_", "PS4", "CDPATH"];
const READ_BY_SHELL_BEGINNINGS: &[&str] = &["BASH"];

/// The command for the policy's warm interpreter, if it is one for it.
pub(crate) fn command_for(policy: &Policy, command: &Command) -> Option<ForWarm> {
    let warm = policy.warm.as_ref()?;
    let (arguments, via_shell) = match &command.argv[..] {
        [shell, option, script] if shell == "bash" && option == "-c" => (plain_words(script.as_bytes())?, true),
        arguments => (arguments.to_vec(), false),
    };
    let known = |name: &OsStr| {
        let name = name.to_str()?;
        policy.environment.get(name).map(OsStr::new)
    };
    let surprising = |name: &OsStr, value: &OsStr| {
        is_any_of(name, READ_AT_START, READ_AT_START_BEGINNINGS) && known(name) != Some(value)
    };
    if command.environment.iter().any(|(name, value)| surprising(name, value)) {
        return None;
    }
    let names = || {
        let own = command.environment.iter().map(|(name, _)| name.as_os_str());
        own.chain(policy.environment.keys().map(OsStr::new))
    };
    if via_shell && names().any(|name| is_any_of(name, READ_BY_SHELL, READ_BY_SHELL_BEGINNINGS)) {
        return None;
    }
    if relative_search(&policy.environment) && command.directory.as_ref().is_some_and(|at| *at != policy.work_directory)
    {
        return None;
    }
    is_for(warm, &arguments).then_some(ForWarm { arguments, via_shell })
}

/// Whether the interpreter's module path depends on the directory that it is started in.
fn relative_search(environment: &BTreeMap<String, String>) -> bool {
    environment.get("PYTHONPATH").is_some_and(|path| path.split(':').any(|entry| !entry.starts_with('/')))
}

fn is_any_of(name: &OsStr, names: &[&str], beginnings: &[&str]) -> bool {
    let bytes = name.as_bytes();
    names.iter().any(|known| bytes == known.as_bytes())
        || beginnings.iter().any(|beginning| bytes.starts_with(beginning.as_bytes()))
}

/// The interpreter by its path or by its bare name, with no option of its own but the one that says what to run.
fn is_for(warm: &Warm, arguments: &[OsString]) -> bool {
    let Some((name, rest)) = arguments.split_first() else { return false };
    if name != warm.program.as_os_str() && Some(name.as_os_str()) != warm.program.file_name() {
        return false;
    }
    match rest {
        [] => true,
        [option, _, ..] if option == "-c" || option == "-m" => true,
        [file, ..] => file == "-" || !(file.is_empty() || file.as_bytes().starts_with(b"-")),
    }
}

/// The words of a shell's script that is one simple command without anything that a shell would expand or interpret.
fn plain_words(script: &[u8]) -> Option<Vec<OsString>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = script.trim_ascii().iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' | b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        end if end == byte => break,
                        b'$' | b'`' | b'\\' if byte == b'"' => return None,
                        inner => word.push(inner),
                    }
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/' | b':' | b',' | b'@' | b'%' | b'+' => {
                word.get_or_insert_default().push(byte);
            }
            // An assignment, were it in the first word.
            b'=' if !words.is_empty() => word.get_or_insert_default().push(byte),
            _ => return None,
        }
    }
    words.extend(word);
    Some(words.into_iter().map(OsString::from_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let warm = Warm { program: "/usr/bin/python3".into(), imports: Vec::new() };
        Policy { warm: Some(warm), ..Policy::default() }
    }

    #[test]
    fn scripts_are_taken_apart_only_where_a_shell_would_do_the_same() {
        for (script, words) in [
            ("python3 x.py", Some(&["python3", "x.py"][..])),
            ("  python3\t-c  'print(\"$a\")' \n", Some(&["python3", "-c", "print(\"$a\")"])),
            ("python3 -c \"print('a b')\" --x=1", Some(&["python3", "-c", "print('a b')", "--x=1"])),
            ("python3 a'b'\"c\" '' \"\"", Some(&["python3", "abc", "", ""])),
            ("python3 -c 'a\nb'", Some(&["python3", "-c", "a\nb"])),
            ("", Some(&[])),
            ("python3 -c \"$X\"", None),
            ("python3 -c \"\\n\"", None),
            ("python3 -c 'x", None),
            ("A=1 python3 x.py", None),
            ("python3 x.py > out", None),
            ("python3 x.py; ls", None),
            ("python3 x.py\nls", None),
            ("python3 x.py && ls", None),
            ("python3 *.py", None),
            ("python3 ~/x.py", None),
            ("python3 {a,b}", None),
            ("python3 x.py # no", None),
            ("python3 x\\ y", None),
            ("python3 é", None),
            ("(python3)", None),
            ("!python3", None),
        ] {
            let expected = words.map(|words| words.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(plain_words(script.as_bytes()), expected, "{script:?}");
        }
    }

    #[test]
    fn only_what_nobody_could_tell_apart_is_for_a_warm_interpreter() {
        for (argv, expected) in [
            (&["python3"][..], true),
            (&["python3", "x.py", "-u"], true),
            (&["/usr/bin/python3", "-c", "1"], true),
            (&["python3", "-m", "json.tool"], true),
            (&["python3", "-"], true),
            (&["bash", "-c", "python3 x.py"], true),
            (&["python3", "-c"], false),
            (&["python3", "-u", "x.py"], false),
            (&["python3", "-I"], false),
            (&["python3", ""], false),
            (&["python", "x.py"], false),
            (&["./python3", "x.py"], false),
            (&["bash", "-c", "python3 -V"], false),
            (&["bash", "-c", "ls"], false),
            (&["bash", "-lc", "python3 x.py"], false),
            (&["sh", "-c", "python3 x.py"], false),
        ] {
            assert_eq!(command_for(&policy(), &Command::new(argv)).is_some(), expected, "{argv:?}");
        }
        assert_eq!(command_for(&Policy::default(), &Command::new(["python3"])), None, "there is none");
    }

    #[test]
    fn variables_that_are_read_at_the_start_must_be_the_policys() {
        for (name, value, direct, by_shell) in [
            ("X", "1", true, true),
            ("PYTHONHASHSEED", "0", false, false),
            ("LC_ALL", "C.UTF-8", true, true),
            ("LC_ALL", "C", false, false),
            ("HOME", "/tmp", false, false),
            ("LD_PRELOAD", "x.so", false, false),
            ("BASH_ENV", "x", true, false),
            ("BASH_FUNC_python3%%", "() { :; }", true, false),
            ("SHLVL", "3", true, false),
        ] {
            let variable = [(OsString::from(name), OsString::from(value))];
            let plain = Command::new(["python3", "x.py"]).environment(variable.clone());
            let shell = Command::shell("python3 x.py").environment(variable);
            assert_eq!(command_for(&policy(), &plain).is_some(), direct, "{name}");
            assert_eq!(command_for(&policy(), &shell).is_some(), by_shell, "{name}");
        }
    }
}
