//! What of the caller's files a command sees, and what becomes of what it writes.

use std::fs;
use std::path::Path;

use crate::support::{Done, call_in, has_program, has_sandboxes};

/// A directory that holds `x.py` and `deep/y.txt`.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("x.py"), "print('here')\n").expect("written");
    fs::create_dir(place.path().join("deep")).expect("created");
    fs::write(place.path().join("deep/y.txt"), "deep\n").expect("written");
    place
}

fn call(directory: &Path, arguments: &[&str]) -> Done {
    call_in(directory, ["run"].iter().chain(arguments), "")
}

#[test]
fn by_default_nothing_is_visible_and_the_hint_says_what_to_do() {
    if !has_sandboxes() || !has_program("python3") {
        return;
    }
    let place = place();
    let done = call(place.path(), &["python3", "x.py"]);
    assert_eq!(done.code, Some(2), "python's own: {done:?}");
    assert!(done.stderr.ends_with("hint: 'x.py' is not visible in the sandbox; add --dir .\n"), "{done:?}");
    let done = call(place.path(), &["--dir", ".", "python3", "x.py"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "here\n", ""));
    let whole = place.path().join("x.py");
    assert_eq!(call(place.path(), &["test", "-e", whole.to_str().expect("text")]).code, Some(1));
}

#[test]
fn no_hint_where_none_helps() {
    if !has_sandboxes() {
        return;
    }
    let place = place();
    let cases: [&[&str]; 4] = [
        // It is visible.
        &["--dir", ".", "sh", "-c", "exit 1", "x.py"],
        // It succeeds.
        &["echo", "x.py"],
        // It is there for nobody.
        &["cat", "z.py"],
        // The limit is the reason.
        &["--wall-time", "100ms", "sh", "-c", "sleep 10", "x.py"],
    ];
    for arguments in cases {
        let done = call(place.path(), arguments);
        assert!(!done.stderr.contains("hint:"), "{arguments:?} {done:?}");
    }
}

#[test]
fn writing_is_refused_discarded_or_kept() {
    if !has_sandboxes() {
        return;
    }
    // Access, whether the command can write, whether the caller sees it afterwards.
    for (access, writes, keeps) in
        [("", false, false), (":ro", false, false), (":cow", true, false), (":rw", true, true)]
    {
        let place = place();
        let directory = format!("{}{access}", place.path().display());
        let script = "echo new > new.txt && echo more >> x.py && rm deep/y.txt && cat new.txt && tail -n 1 x.py";
        let done = call(place.path(), &["--dir", &directory, "sh", "-c", script]);
        let stdout = if writes { "new\nmore\n" } else { "" };
        assert_eq!((done.code == Some(0), done.stdout.as_str()), (writes, stdout), "{access} {done:?}");
        assert_eq!(place.path().join("new.txt").exists(), keeps, "{access}");
        assert_eq!(place.path().join("deep/y.txt").exists(), !keeps, "{access}");
        let text = fs::read_to_string(place.path().join("x.py")).expect("text");
        assert_eq!(text.ends_with("more\n"), keeps, "{access}");
    }
}

#[test]
fn the_command_starts_where_the_caller_is_or_where_it_is_told() {
    if !has_sandboxes() {
        return;
    }
    let (here, other) = (place(), place());
    let root = here.path().canonicalize().expect("it is there");
    let deep = root.join("deep");
    let [root_text, deep_text, other_text] = [&root, &deep, &other.path().canonicalize().expect("it is there")]
        .map(|path| path.to_str().expect("text").to_owned());
    let cases: [(&Path, &[&str], &str); 6] = [
        (&root, &[], "/home/student"),
        (&root, &["--dir", "."], &root_text),
        (&deep, &["--dir", &root_text], &deep_text),
        (&deep, &["--dir", &other_text, "--dir", &root_text], &deep_text),
        (&root, &["--dir", &other_text], &other_text),
        (&root, &["--dir", ".", "--workdir", "/tmp"], "/tmp"),
    ];
    for (directory, arguments, expected) in cases {
        let line: Vec<&str> = arguments.iter().copied().chain(["pwd"]).collect();
        let done = call(directory, &line);
        assert_eq!(done.stdout.trim_end(), expected, "{line:?} {done:?}");
    }
}

#[test]
fn a_single_file_and_a_writable_part_of_something_read_only() {
    if !has_sandboxes() {
        return;
    }
    let place = place();
    let root = place.path().canonicalize().expect("it is there");
    let file = root.join("x.py");
    let file = file.to_str().expect("text");
    let done = call(&root, &["--dir", file, "cat", file]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "print('here')\n"), "{done:?}");
    let done = call(&root, &["--dir", "deep:rw", "--dir", ".", "sh", "-c", "echo z > deep/z.txt; echo z > z.txt"]);
    assert_ne!(done.code, Some(0), "{done:?}");
    assert!(root.join("deep/z.txt").exists() && !root.join("z.txt").exists());
}
