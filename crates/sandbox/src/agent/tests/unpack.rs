//! Honest archives.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

#[test]
fn an_upload_over_an_environment_is_their_merge() {
    let place = Place::new();
    let before = fs::metadata(place.work()).unwrap().mode();
    assert_eq!(place.unpack(&second_environment()), Ok(Done { entries: 8, bytes: 27 }));
    assert_eq!(place.unpack(&first_environment()), Ok(Done { entries: 6, bytes: 22 }));
    assert_eq!(
        place.names(),
        [
            "dir",
            "dir/file1.txt",
            "dir/file2.txt",
            "dir/file3.txt",
            "dir2",
            "dir2/file2.txt",
            "file1.txt",
            "file2.txt",
            "file3.txt"
        ]
    );
    assert_eq!(place.read("file3.txt"), "both1\n");
    assert_eq!(place.read("dir/file3.txt"), "both1\n");
    assert_eq!(place.read("dir/file2.txt"), "env2\n");
    let after = fs::metadata(place.work()).unwrap().mode();
    assert_eq!(after, before, "the root's member does not count");
}

#[test]
fn modes_and_times_are_kept_and_special_bits_are_not() {
    let place = Place::new();
    let bytes = archive(&[
        Raw::file("d/late", "x").mode(0o6755),
        Raw::directory("d").mode(0o1555),
        Raw::file("secret", "").mode(0o4000),
        Raw::pax(&[("mtime", b"-1.75")]),
        Raw::symlink("link", "/nowhere"),
        Raw::new(b'6', "fifo").mode(0o622),
        Raw::directory("locked").mode(0),
        Raw::file("locked/in", "in"),
    ]);
    place.unpack(&bytes).unwrap();
    if is_bound_by_modes() {
        assert!(fs::read_dir(place.work().join("locked")).is_err());
    }
    let mode = |name: &str| fs::symlink_metadata(place.work().join(name)).unwrap().mode() & 0o7777;
    let modes = ["d/late", "d", "secret", "fifo", "locked"].map(mode);
    assert_eq!(modes, [0o755, 0o555, 0, 0o622, 0]);
    for name in ["secret", "locked"] {
        fs::set_permissions(place.work().join(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let tree = place.tree();
    for (name, node) in &tree {
        let expected = if name == b"link" { (-2, 250_000_000) } else { (MTIME, 0) };
        assert_eq!(node.mtime, expected, "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(tree[&b"link"[..]].thing, Thing::Symlink(b"/nowhere".to_vec()));
    assert_eq!(tree[&b"locked/in"[..]].thing, Thing::File(b"in".to_vec()));
}

#[test]
fn a_later_archive_may_add_to_closed_directories() {
    let place = Place::new();
    let closed = |mode| {
        archive(&[
            Raw::directory("a/b/c").mode(mode),
            Raw::directory("a/b").mode(mode),
            Raw::directory("a").mode(mode),
            Raw::file("a/b/c/old", "old"),
        ])
    };
    place.unpack(&closed(0)).unwrap();
    place.unpack(&archive(&[Raw::file("a/b/c/new", "new")])).unwrap();
    let a = place.work().join("a");
    assert_eq!(fs::metadata(&a).unwrap().mode() & 0o777, 0, "given back");
    place.unpack(&closed(0o755)).unwrap();
    assert_eq!(place.names(), ["a", "a/b", "a/b/c", "a/b/c/new", "a/b/c/old"]);
}

#[test]
fn what_is_there_is_replaced() {
    let file = || Raw::file("x", "new");
    let directory = || Raw::directory("x/");
    let new = Thing::File(b"new".to_vec());
    let old: [&[Raw]; 5] = [
        &[Raw::file("x", "old and longer")],
        &[Raw::directory("x"), Raw::file("x/y/z", "")],
        &[Raw::symlink("x", "other")],
        &[Raw::symlink("x", "/nowhere")],
        &[Raw::new(b'6', "x")],
    ];
    for (index, old) in old.iter().enumerate() {
        for (upload, thing) in [
            (vec![file()], new.clone()),
            (vec![directory()], Thing::Directory),
            (vec![Raw::symlink("x", "t")], Thing::Symlink(b"t".to_vec())),
            (vec![Raw::new(b'6', "x")], Thing::Fifo),
            (vec![Raw::file("a", "new"), Raw::hard_link("x", "a")], new.clone()),
            // In the same archive, the last one counts.
            (vec![directory(), Raw::file("x/y", ""), file()], new.clone()),
            (vec![file(), directory()], Thing::Directory),
        ] {
            let place = Place::new();
            place.unpack(&archive(&[&[Raw::file("other", "kept")], *old].concat())).unwrap();
            place.unpack(&archive(&upload)).unwrap();
            let tree = place.tree();
            assert_eq!(tree[&b"x"[..]].thing, thing, "old {index}");
            assert_eq!(tree[&b"other"[..]].thing, Thing::File(b"kept".to_vec()), "old {index}");
            let merged = index == 1 && thing == Thing::Directory && upload.len() == 1;
            assert_eq!(tree.contains_key(&b"x/y/z"[..]), merged, "old {index}");
        }
    }
}

#[test]
fn a_replaced_directory_does_not_keep_its_mode() {
    let place = Place::new();
    let bytes = archive(&[
        Raw::directory("x").mode(0),
        Raw::directory("x/y").mode(0),
        Raw::file("x", ""),
        Raw::file("x/y/z", ""),
    ]);
    place.unpack(&bytes).unwrap();
    assert_eq!(place.tree()[&b"x"[..]].mode & 0o700, 0o700);
    assert_eq!(place.tree()[&b"x/y"[..]].mode & 0o700, 0o700);
}

#[test]
fn hard_links_are_links() {
    let place = Place::new();
    let bytes = archive(&[
        Raw::file("d/a", "one"),
        Raw::hard_link("b", "./d//a"),
        Raw::hard_link("b", "b"),
        Raw::symlink("s", "nowhere"),
        Raw::hard_link("t", "s"),
    ]);
    place.unpack(&bytes).unwrap();
    let tree = place.tree();
    for name in ["d/a", "b", "s", "t"] {
        assert_eq!(tree[name.as_bytes()].links, 2, "{name}");
    }
    // Replacing one name leaves the other.
    place.unpack(&archive(&[Raw::file("b", "two")])).unwrap();
    assert_eq!((place.read("b"), place.read("d/a")), ("two".into(), "one".into()));
}

#[test]
fn links_that_stay_inside_are_followed() {
    let place = Place::new();
    let bytes = archive(&[
        Raw::directory("d/e"),
        Raw::symlink("d/up", "../f"),
        Raw::directory("f"),
        Raw::file("d/up/x", "through"),
    ]);
    place.unpack(&bytes).unwrap();
    assert_eq!(place.read("f/x"), "through");
    assert_eq!(place.tree()[&b"d/up"[..]].thing, Thing::Symlink(b"../f".to_vec()));
}

#[test]
fn names_are_bytes() {
    let names: [&[u8]; 5] = [b"new\nline", b"'\"", b"$(touch x)", b"\xff\xfe", b"-rf *"];
    let place = Place::new();
    place.unpack(&archive(&names.map(|name| Raw::file(name, name)))).unwrap();
    let tree = place.tree();
    assert_eq!(tree.len(), names.len());
    for name in names {
        assert_eq!(tree[name].thing, Thing::File(name.to_vec()));
    }
}

#[test]
fn long_names_of_every_format() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    gnu.append_data(&mut header.clone(), &long, &b"gnu"[..]).unwrap();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    gnu.append_link(&mut header, "link", &long).unwrap();
    let place = Place::new();
    place.unpack(&compress(&gnu.into_inner().unwrap())).unwrap();
    assert_eq!(place.read(&long), "gnu");
    assert_eq!(place.tree()[&b"link"[..]].thing, Thing::Symlink(long.clone().into_bytes()));

    let pax = archive(&[
        Raw::new(b'g', "global").content("15 path=ignored\n".replace("15", "16")),
        Raw::pax(&[("path", long.as_bytes()), ("comment", b"none")]),
        Raw::file("short", "pax"),
        Raw::file("plain", "plain"),
    ]);
    place.unpack(&pax).unwrap();
    assert_eq!((place.read(&long), place.read("plain")), ("pax".into(), "plain".into()));
    assert!(!place.work().join("short").exists());
}

#[test]
fn sparse_files_of_every_format() {
    let mut expected = vec![0; 6000];
    expected[1000..1003].copy_from_slice(b"abc");
    expected[4000..4002].copy_from_slice(b"de");
    let mut old = Raw::new(b'S', "old").content("abcde");
    let bytes = old.header.as_mut_bytes();
    bytes[257..265].copy_from_slice(b"ustar  \0");
    for (index, number) in [1000, 3, 4000, 2].into_iter().enumerate() {
        let field = 386 + 12 * index;
        bytes[field..field + 12].copy_from_slice(format!("{number:011o}\0").as_bytes());
    }
    bytes[483..495].copy_from_slice(format!("{:011o}\0", 6000).as_bytes());
    let mut with_map = b"2\n1000\n3\n4000\n2\n".to_vec();
    with_map.resize(512, 0);
    with_map.extend_from_slice(b"abcde");
    let all = archive(&[
        old,
        Raw::pax(&[
            ("GNU.sparse.size", b"6000"),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.offset", b"1000"),
            ("GNU.sparse.numbytes", b"3"),
            ("GNU.sparse.offset", b"4000"),
            ("GNU.sparse.numbytes", b"2"),
        ]),
        Raw::file("pax00", "abcde"),
        Raw::pax(&[("GNU.sparse.name", b"pax01"), ("GNU.sparse.size", b"6000"), ("GNU.sparse.map", b"1000,3,4000,2")]),
        Raw::file("GNUSparseFile.0/pax01", "abcde"),
        Raw::pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"pax10"),
            ("path", b"GNUSparseFile.0/pax10"),
            ("GNU.sparse.realsize", b"6000"),
        ]),
        Raw::file("x", with_map),
        Raw::file("after", "after"),
    ]);
    let place = Place::new();
    assert_eq!(place.unpack(&all), Ok(Done { entries: 5, bytes: 24_005 }));
    let tree = place.tree();
    assert_eq!(place.names(), ["after", "old", "pax00", "pax01", "pax10"]);
    for name in ["old", "pax00", "pax01", "pax10"] {
        assert!(tree[name.as_bytes()].thing == Thing::File(expected.clone()), "{name}");
        let mut output = Vec::new();
        let mut reader = std::io::Cursor::new(&all);
        let found = crate::agent::find_member(&mut reader, name, &LIMITS).unwrap();
        found.write_to(&mut output).unwrap();
        assert!(output == expected, "{name}");
    }
}

#[test]
fn archives_may_end_without_a_mark_and_come_in_parts() {
    let members = [Raw::file("a", "a"), Raw::file("b", "b")];
    let bytes = plain(&members);
    let without_end = &bytes[..bytes.len() - 1024];
    let (first, second) = bytes.split_at(700);
    for archive in [
        compress(without_end),
        [compress(first), compress(second)].concat(),
        [compress(&bytes), compress(b"trailing")].concat(),
        [compress(&bytes), vec![0; 10_000]].concat(),
    ] {
        let place = Place::new();
        assert_eq!(place.unpack(&archive), Ok(Done { entries: 2, bytes: 2 }));
        assert_eq!(place.names(), ["a", "b"]);
    }
    assert_eq!(Place::new().unpack(&compress(&[0; 10_240])), Ok(Done { entries: 0, bytes: 0 }));
}

#[test]
fn old_kinds_of_files() {
    let unix7 = Raw::new(0, "old").content("old");
    let mut directory = Raw::new(0, "olddir/");
    directory.header.as_mut_bytes()[257..265].fill(0);
    let place = Place::new();
    let sized = Raw::directory("sized").size(4096);
    place.unpack(&archive(&[unix7, directory, Raw::new(b'7', "c").content("c"), sized])).unwrap();
    assert_eq!(place.names(), ["c", "old", "olddir", "sized"]);
    assert_eq!(place.tree()[&b"olddir"[..]].thing, Thing::Directory);
}

#[test]
fn what_was_made_before_counts_as_inside() {
    // Not by an archive: by a program, in an earlier run.
    let place = Place::new();
    symlink("/", place.work().join("root")).unwrap();
    symlink("../beside", place.work().join("beside")).unwrap();
    symlink("loop", place.work().join("loop")).unwrap();
    let members = ["root", "beside", "loop"].map(|name| Raw::file(format!("{name}/deep/x"), "x"));
    place.unpack(&archive(&members)).unwrap();
    for name in ["root", "beside", "loop"] {
        assert_eq!(place.read(&format!("{name}/deep/x")), "x");
        assert_eq!(place.tree()[name.as_bytes()].thing, Thing::Directory);
    }
}
