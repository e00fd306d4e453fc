//! Commands that need no shell. Starting one costs as much as everything else about a short command, and a shell that is given one
//! plain command does nothing with it but execute it.
//!
//! So does GNU make, for the same reason. Whatever is not plain beyond doubt goes to the shell, and so does a program that cannot be
//! executed: what the shell says about it is what the caller gets.

/// Words that mean something to bash itself: reserved words and builtins of bash 5.2 (`bash(1)`). All others name programs.
const OF_THE_SHELL: &[&str] = &[
    ".",
    ":",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
];

/// Variables by which a caller tells bash to do something before or besides the command, or to be another shell.
const TO_THE_SHELL: &[&str] = &["ENV", "IFS", "OLDPWD", "POSIXLY_CORRECT", "PS4", "PWD", "SHELLOPTS", "SHLVL", "_"];

/// The words of a command that a shell would only execute; none when it may do anything else.
pub(crate) fn words<'a>(script: &'a str, variables: &[(String, String)]) -> Option<Vec<&'a str>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" \t_-./:@%+,=".contains(&byte);
    let for_shell = |name: &str| name.starts_with("BASH") || TO_THE_SHELL.contains(&name);
    if !script.bytes().all(plain) || variables.iter().any(|(name, _)| for_shell(name)) {
        return None;
    }
    let words: Vec<&str> = script.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let program = *words.first()?;
    // A word with `=` may be an assignment.
    (!program.contains('=') && OF_THE_SHELL.binary_search(&program).is_err()).then_some(words)
}

/// What bash adds to the environment of a program that it executes instead of itself. (It also sets `_`, to the program's path.)
pub(crate) fn variables(work_directory: &str) -> [(&'static str, &str); 2] {
    [("PWD", work_directory), ("SHLVL", "0")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_commands_do_without_a_shell() {
        let whole = |script| words(script, &[]).map(|words| words.join("|"));
        for (script, expected) in [
            ("/bin/true", Some("/bin/true")),
            ("python3 x.py --n=3", Some("python3|x.py|--n=3")),
            ("  ls\t -l  /tmp ", Some("ls|-l|/tmp")),
            ("./a.out", Some("./a.out")),
            ("g++ -std=c++17 a.cpp", Some("g++|-std=c++17|a.cpp")),
            ("", None),
            ("   ", None),
            ("true", None),
            ("echo a", None),
            ("time ls", None),
            ("A=1 ls", None),
            ("./a=b", None),
            ("ls *", None),
            ("ls ~", None),
            ("ls $HOME", None),
            ("ls; ls", None),
            ("ls\nls", None),
            ("ls 'a'", None),
            ("ls {a,b}", None),
            ("ls a\\ b", None),
            ("ls #x", None),
            ("ls > x", None),
            ("ls &", None),
            ("! ls", None),
            ("[ -f x ]", None),
            ("ls \u{e9}", None),
            ("ls \0", None),
        ] {
            assert_eq!(whole(script).as_deref(), expected, "{script:?}");
        }
    }

    #[test]
    fn variables_can_ask_for_the_shell() {
        let with = |name: &str| words("ls", &[(name.to_owned(), "x".to_owned())]).is_some();
        for (name, direct) in
            [("A", true), ("PATH", true), ("BASH_ENV", false), ("BASH_FUNC_ls%%", false), ("IFS", false)]
        {
            assert_eq!(with(name), direct, "{name}");
        }
    }

    #[test]
    fn the_words_of_the_shell_are_sorted() {
        assert!(OF_THE_SHELL.is_sorted());
    }

    /// The list is the shell's own.
    #[test]
    fn the_words_of_the_shell_are_all_of_them() {
        let output = std::process::Command::new("bash").args(["-c", "compgen -k; compgen -b"]).output().unwrap();
        for word in String::from_utf8(output.stdout).unwrap().lines() {
            let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&byte));
            assert!(!plain || OF_THE_SHELL.contains(&word), "{word}");
        }
    }
}
