//! What to tell the caller of a command that failed, when it failed perhaps because a file is not there inside.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use belljar_sandbox::{Policy, Rootfs};

/// What `Rootfs::Host` shows of the host under the same name.
const HOST_VIEW: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"];

/// What is there in every sandbox, as one of its own: a name below is the sandbox's business, whatever the caller has there.
const PRIVATE: [&str; 3] = ["/proc", "/dev", "/sys"];

/// The hint for a command that failed, if there is one.
///
/// Looks for an argument that names an existing file of the caller's which the sandbox did not show.
pub(crate) fn hint(
    policy: &Policy,
    argv: &[OsString],
    caller_directory: &Path,
    path_variable: &OsStr,
) -> Option<String> {
    let program = argv.first()?;
    if !program.as_bytes().contains(&b'/') {
        if let Some(hint) = hint_about_program(policy, program, path_variable) {
            return Some(hint);
        }
    } else if let Some(hint) = hint_about_argument(policy, program, caller_directory) {
        return Some(hint);
    }
    argv.iter().skip(1).find_map(|argument| hint_about_argument(policy, argument, caller_directory))
}

/// The argument itself, or what follows the `=` of an option.
fn hint_about_argument(policy: &Policy, argument: &OsStr, caller_directory: &Path) -> Option<String> {
    let bytes = argument.as_bytes();
    let name = match bytes.iter().position(|byte| *byte == b'=') {
        Some(equals) if bytes.starts_with(b"-") => &bytes[equals + 1..],
        _ => bytes,
    };
    let name = Path::new(OsStr::from_bytes(name));
    let found = caller_directory.join(name);
    if name.as_os_str().is_empty() || found.symlink_metadata().is_err() || is_visible(policy, &found) {
        return None;
    }
    let shown = directory_to_show(&found, caller_directory)?;
    Some(format!("'{}' is not visible in the sandbox; add --dir {}", name.display(), shown.display()))
}

/// A program that the caller's `PATH` knows and the sandbox does not show.
fn hint_about_program(policy: &Policy, program: &OsStr, path_variable: &OsStr) -> Option<String> {
    let mut found =
        std::env::split_paths(path_variable).map(|directory| directory.join(program)).filter(|path| path.is_file());
    let first = found.next()?;
    if is_visible(policy, &first) || found.any(|other| is_visible(policy, &other)) {
        return None;
    }
    let directory = directory_to_show(&first, Path::new("/"))?;
    Some(format!(
        "'{}' is {}, which is not visible in the sandbox; add --dir {} and name it by its whole path",
        program.display(),
        first.display(),
        directory.display(),
    ))
}

fn is_visible(policy: &Policy, path: &Path) -> bool {
    let path = resolved(path);
    let of_sandbox = PRIVATE.iter().any(|private| path.starts_with(private));
    let by_rootfs = match &policy.rootfs {
        // What programs an image has is not known, and the host's are no help to it.
        Rootfs::Host | Rootfs::Layers(_) => HOST_VIEW.iter().any(|shown| path.starts_with(shown)),
        // Whatever is there under this name is the rootfs's own.
        Rootfs::Directory(root) => path.strip_prefix("/").is_ok_and(|rest| root.join(rest).exists()),
    };
    let by_mount = policy.mounts.iter().any(|mount| path.starts_with(&mount.source) || path.starts_with(&mount.target));
    of_sandbox || by_rootfs || by_mount
}

/// The path with `..` and symbolic links of its directories resolved.
fn resolved(path: &Path) -> PathBuf {
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
    }
}

/// What to name in `--dir`: the current directory when the file is below it, else the directory that the file is in. Never the
/// root directory, which cannot be shown.
fn directory_to_show(found: &Path, caller_directory: &Path) -> Option<PathBuf> {
    let found = resolved(found);
    if caller_directory.parent().is_some() && found.starts_with(caller_directory) {
        return Some(PathBuf::from(Component::CurDir.as_os_str()));
    }
    let directory = if found.is_dir() { found.as_path() } else { found.parent()? };
    directory.parent().is_some().then(|| directory.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use belljar_sandbox::{Access, Mount};

    use super::*;

    #[test]
    fn hints_name_what_is_there_and_not_shown() {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().canonicalize().expect("it is there");
        let here = root.join("here");
        fs::create_dir_all(here.join("src")).expect("created");
        fs::create_dir(root.join("bin")).expect("created");
        for file in ["here/x.py", "here/src/a.c", "other.txt", "bin/tool", "bin/true"] {
            fs::write(root.join(file), "").expect("written");
        }
        let other = root.join("other.txt");
        let root_text = root.display();
        let path = OsString::from(format!("{root_text}/bin:/usr/bin:/bin"));
        let told = |policy: &Policy, argv: &[&str]| {
            let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
            hint(policy, &argv, &here, &path)
        };
        let policy = Policy::default();
        let dot = |name: &str| Some(format!("'{name}' is not visible in the sandbox; add --dir ."));
        let cases: [(&[&str], Option<String>); 12] = [
            (&["python3", "x.py"], dot("x.py")),
            (&["python3", "./x.py"], dot("./x.py")),
            (&["./x.py"], dot("./x.py")),
            (&["gcc", "-O2", "src/a.c"], dot("src/a.c")),
            (&["ls", "src"], dot("src")),
            (&["ls", "."], dot(".")),
            (
                &["tool", "--input=x.py"],
                Some(format!(
                    "'tool' is {root_text}/bin/tool, which is not visible in the sandbox; add --dir {root_text}/bin and name it by its whole path"
                )),
            ),
            (&["cat", "--input=x.py"], dot("x.py")),
            (
                &["cat", other.to_str().expect("text")],
                Some(format!("'{}' is not visible in the sandbox; add --dir {root_text}", other.display())),
            ),
            (&["cat", "missing.txt"], None),
            (&["cat", "/etc/passwd", "/proc/self/status"], None),
            // The sandbox has another `true`, further on in the PATH.
            (&["true", ""], None),
        ];
        for (argv, expected) in cases {
            assert_eq!(told(&policy, argv), expected, "{argv:?}");
        }
        let shown = Mount { source: here.clone(), target: here.clone(), access: Access::ReadOnly };
        let policy = Policy { mounts: vec![shown], ..policy };
        assert_eq!(told(&policy, &["python3", "x.py"]), None, "it is shown");
    }
}
