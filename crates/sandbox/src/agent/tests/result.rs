//! Reading one file of the work directory.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;
use crate::agent::{copy_file, open_result};

#[test]
fn only_regular_files_below_are_opened() {
    let place = Place::new();
    let work = place.work();
    fs::create_dir_all(work.join("dir/sub")).unwrap();
    fs::write(work.join("file"), "12345").unwrap();
    fs::write(work.join("dir/file"), "").unwrap();
    fs::write(work.join("unreadable"), "x").unwrap();
    fs::set_permissions(work.join("unreadable"), Permissions::from_mode(0o0)).unwrap();
    fs::create_dir(work.join("closed")).unwrap();
    fs::write(work.join("closed/file"), "x").unwrap();
    fs::set_permissions(work.join("closed"), Permissions::from_mode(0o0)).unwrap();
    rustix::fs::mknodat(File::open(&work).unwrap(), "fifo", rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let _socket = UnixListener::bind(work.join("socket")).unwrap();
    for (name, target) in [
        ("link", "dir/../file"),
        ("to-directory", "dir"),
        ("to-fifo", "fifo"),
        ("out", "../canary"),
        ("absolute", "/etc/passwd"),
        ("proc", "/proc/self/mem"),
        ("loop", "loop"),
        ("dangling", "missing"),
        ("parent", ".."),
    ] {
        symlink(target, work.join(name)).unwrap();
    }
    let mut cases = vec![
        ("file", Ok(5)),
        ("dir/file", Ok(0)),
        ("./file", Ok(5)),
        ("dir/../file", Ok(5)),
        ("link", Ok(5)),
        ("dir", Err(Refusal::NotAFile)),
        (".", Err(Refusal::NotAFile)),
        ("dir/", Err(Refusal::NotAFile)),
        ("to-directory", Err(Refusal::NotAFile)),
        ("fifo", Err(Refusal::NotAFile)),
        ("to-fifo", Err(Refusal::NotAFile)),
        ("socket", Err(Refusal::NotAFile)),
        ("missing", Err(Refusal::NotFound)),
        ("file/", Err(Refusal::NotFound)),
        ("file/x", Err(Refusal::NotFound)),
        ("", Err(Refusal::NotFound)),
        ("file\0", Err(Refusal::NotFound)),
        ("\0", Err(Refusal::NotFound)),
        ("..", Err(Refusal::NotFound)),
        ("../canary", Err(Refusal::NotFound)),
        ("dir/../../canary", Err(Refusal::NotFound)),
        ("/etc/passwd", Err(Refusal::NotFound)),
        ("/", Err(Refusal::NotFound)),
        ("out", Err(Refusal::NotFound)),
        ("absolute", Err(Refusal::NotFound)),
        ("proc", Err(Refusal::NotFound)),
        ("parent/canary", Err(Refusal::NotFound)),
        ("loop", Err(Refusal::NotFound)),
        ("dangling", Err(Refusal::NotFound)),
    ];
    let long = "x".repeat(5000);
    cases.push((&long, Err(Refusal::NotFound)));
    if is_bound_by_modes() {
        cases.push(("unreadable", Err(Refusal::NotFound)));
        cases.push(("closed/file", Err(Refusal::NotFound)));
    }
    let directory = File::open(&work).unwrap();
    for (path, expected) in cases {
        let result = open_result(directory.as_fd(), path, 1000).map(|(_, size)| size);
        assert_eq!(result, expected.map_err(Problem::Refused), "{path:?}");
    }
    let limit = |max| open_result(directory.as_fd(), "file", max).map(|(_, size)| size);
    assert_eq!(limit(5), Ok(5));
    assert_eq!(limit(4), Err(Refusal::TooLarge(4).into()));
    fs::set_permissions(work.join("closed"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_size_is_what_was_promised() {
    let place = Place::new();
    let path = place.work().join("file");
    fs::write(&path, "12345").unwrap();
    for (size, expected) in [(5, "12345"), (3, "123"), (8, "12345\0\0\0"), (0, "")] {
        let mut output = Vec::new();
        copy_file(&File::open(&path).unwrap(), size, &mut output).unwrap();
        assert_eq!(output, expected.as_bytes());
    }
    let mut output = Vec::new();
    copy_file(&File::open(&path).unwrap(), 100_000, &mut output).unwrap();
    assert_eq!(output.len(), 100_000);
}
