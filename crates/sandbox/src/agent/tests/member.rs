//! Single files out of archives.

use std::io::Cursor;

use super::*;
use crate::agent::find_member;

fn extract(bytes: &[u8], name: &str) -> Result<Vec<u8>, Refusal> {
    let mut reader = Cursor::new(bytes);
    // From any position.
    reader.set_position(7);
    let found = match find_member(&mut reader, name, &LIMITS) {
        Ok(found) => found,
        Err(Problem::Refused(refusal)) => return Err(refusal),
        Err(failed) => panic!("{failed}"),
    };
    let size = found.size();
    let mut output = Vec::new();
    found.write_to(&mut output).unwrap();
    assert_eq!(output.len() as u64, size);
    Ok(output)
}

#[test]
fn names_are_compared_literally() {
    let bytes = archive(&[
        Raw::directory("/"),
        Raw::file("./a.txt", "a"),
        Raw::directory("./dir/"),
        Raw::file("dir//b.txt", "b"),
        Raw::file("/abs", "never"),
        Raw::file("../out", "never"),
        Raw::new(b'6', "fifo"),
        Raw::new(b'3', "dev"),
        Raw::file("twice", "old"),
        Raw::file("twice", "new"),
        Raw::file("trailing/", "file with a slash"),
    ]);
    for (name, expected) in [
        ("a.txt", Ok("a")),
        ("dir/b.txt", Ok("b")),
        ("twice", Ok("new")),
        ("./a.txt", Err(Refusal::NotFound)),
        ("/a.txt", Err(Refusal::NotFound)),
        ("../a.txt", Err(Refusal::NotFound)),
        ("dir/../a.txt", Err(Refusal::NotFound)),
        ("a.txt/", Err(Refusal::NotFound)),
        ("dir//b.txt", Err(Refusal::NotFound)),
        ("dir/", Err(Refusal::NotFound)),
        ("A.TXT", Err(Refusal::NotFound)),
        ("", Err(Refusal::NotFound)),
        ("/", Err(Refusal::NotFound)),
        (".", Err(Refusal::NotFound)),
        ("/abs", Err(Refusal::NotFound)),
        ("abs", Err(Refusal::NotFound)),
        ("../out", Err(Refusal::NotFound)),
        ("out", Err(Refusal::NotFound)),
        ("a.txt\0", Err(Refusal::NotFound)),
        ("dir", Err(Refusal::NotAFile)),
        ("fifo", Err(Refusal::NotAFile)),
        ("dev", Err(Refusal::NotAFile)),
        ("trailing", Ok("file with a slash")),
    ] {
        assert_eq!(extract(&bytes, name), expected.map(Vec::from), "{name:?}");
    }
}

#[test]
fn links_are_resolved_inside_of_the_archive() {
    let bytes = archive(&[
        Raw::file("a", "first"),
        Raw::hard_link("hard", "./a"),
        Raw::file("a", "second"),
        Raw::file("d/a", "below"),
        Raw::directory("d"),
        Raw::symlink("d/up", "../a"),
        Raw::symlink("d/same", "a"),
        Raw::symlink("to-link", "d/same"),
        Raw::symlink("to-hard", "hard"),
        Raw::symlink("to-directory", "d"),
        Raw::symlink("to-root", "d/.."),
        Raw::symlink("dangling", "missing"),
        Raw::symlink("absolute", "/a"),
        Raw::symlink("outside", "../a"),
        Raw::symlink("self", "self"),
        Raw::symlink("ping", "pong"),
        Raw::symlink("pong", "ping"),
        Raw::hard_link("hard-self", "hard-self"),
        Raw::hard_link("hard-outside", "../a"),
        Raw::hard_link("hard-later", "later"),
        Raw::file("later", ""),
    ]);
    for (name, expected) in [
        ("hard", Ok("first")),
        ("to-hard", Ok("first")),
        ("a", Ok("second")),
        ("d/up", Ok("second")),
        ("d/same", Ok("below")),
        ("to-link", Ok("below")),
        ("to-directory", Err(Refusal::NotAFile)),
        ("to-root", Err(Refusal::NotAFile)),
        ("dangling", Err(Refusal::NotFound)),
        ("absolute", Err(Refusal::NotFound)),
        ("outside", Err(Refusal::NotFound)),
        ("self", Err(Refusal::NotFound)),
        ("ping", Err(Refusal::NotFound)),
        ("hard-self", Err(Refusal::NotFound)),
        ("hard-outside", Err(Refusal::NotFound)),
        ("hard-later", Err(Refusal::NotFound)),
    ] {
        assert_eq!(extract(&bytes, name), expected.map(Vec::from), "{name:?}");
    }
}

#[test]
fn large_files_are_found_too() {
    let large: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
    let bytes = archive(&[Raw::file("large", "other"), Raw::file("large", &large), Raw::file("small", "s")]);
    assert!(extract(&bytes, "large") == Ok(large));
}

#[test]
fn limits_and_damage_are_refused() {
    let bytes = archive(&[Raw::file("a", "a"), Raw::file("big", "").size(1 << 40)]);
    assert_eq!(extract(&bytes, "a"), Err(Refusal::TooManyBytes(LIMITS.max_bytes)));
    assert!(matches!(extract(b"nothing", "a"), Err(Refusal::NotAnArchive(_))));
    let bytes = archive(&[Raw::file("a", "a")]);
    let cut = &bytes[..bytes.len() - 1];
    assert!(matches!(extract(cut, "a"), Err(Refusal::NotAnArchive(_))));
}
