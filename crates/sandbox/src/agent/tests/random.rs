//! Any tree, and any bytes.

use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Planned {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
    Fifo,
    /// Another name of the file planned before it, if any.
    Again,
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'.'), Just(b'\n'), Just(0xff), Just(b' ')], 1..4),
        1 => vec(1_u8.., 1..40),
        1 => vec(Just(b'n'), 90..160),
    ]
    .prop_map(|mut name| {
        for byte in &mut name {
            if *byte == b'/' {
                *byte = b'_';
            }
        }
        if name == b"." || name == b".." {
            name.push(b'x');
        }
        name
    })
}

fn planned() -> impl Strategy<Value = (Planned, u32, i64, u32)> {
    let thing = prop_oneof![
        4 => vec(any::<u8>(), 0..2000).prop_map(Planned::File),
        2 => Just(Planned::Directory),
        2 => vec(1_u8.., 1..300).prop_map(Planned::Symlink),
        1 => Just(Planned::Fifo),
        1 => Just(Planned::Again),
    ];
    // What std can set, and the owner can read afterwards.
    (thing, 0..0o1000_u32, 0..5_000_000_000_i64, 0..1_000_000_000_u32)
}

fn build(root: &Path, plan: &std::collections::BTreeMap<Vec<Vec<u8>>, (Planned, u32, i64, u32)>) {
    let mut last_file = None;
    let mut directories = Vec::new();
    for (components, (planned, mode, seconds, nanoseconds)) in plan {
        let name = root.join(path(&components.join(&b'/')));
        // A file may stand where a directory should.
        if name.exists() || fs::create_dir_all(name.parent().unwrap()).is_err() {
            continue;
        }
        match planned {
            Planned::File(content) => {
                fs::write(&name, content).unwrap();
                last_file = Some(name.clone());
            }
            Planned::Directory => fs::create_dir(&name).unwrap(),
            Planned::Symlink(target) => symlink(path(target), &name).unwrap(),
            Planned::Fifo => {
                let mode = rustix::fs::Mode::RWXU;
                rustix::fs::mknodat(rustix::fs::CWD, &name, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            }
            Planned::Again => {
                if let Some(file) = &last_file {
                    fs::hard_link(file, &name).unwrap();
                }
                continue;
            }
        }
        if !matches!(planned, Planned::Symlink(_)) {
            let kept = if matches!(planned, Planned::Directory) { 0o700 } else { 0o400 };
            fs::set_permissions(&name, fs::Permissions::from_mode(mode | kept)).unwrap();
        }
        directories.push((name, *seconds, *nanoseconds));
    }
    for (name, seconds, nanoseconds) in directories {
        let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(rustix::fs::CWD, &name, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Members with names from a small set, so that they meet.
fn raw() -> impl Strategy<Value = Raw> {
    let name = || {
        prop_oneof![
            10 => vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just(".")], 1..4).prop_map(|parts| parts.join("/")),
            1 => Just("..".to_owned()),
            1 => Just("/a".to_owned()),
        ]
    };
    let target = prop_oneof![
        name(),
        Just("../beside".to_owned()),
        Just("../../canary".to_owned()),
        Just("/".to_owned()),
        Just("a/../..".to_owned()),
    ];
    let kind =
        prop_oneof![Just(b'0'), Just(b'1'), Just(b'2'), Just(b'5'), Just(b'6'), Just(b'S'), Just(b'x'), any::<u8>()];
    (kind, name(), target, vec(any::<u8>(), 0..600), 0..0o10000_u32).prop_map(|(kind, name, target, content, mode)| {
        let member = Raw::link(kind, name, target).mode(mode);
        if matches!(kind, b'1' | b'2' | b'5' | b'6') { member } else { member.content(content) }
    })
}

/// Everything that reads archives, on these bytes.
fn read_all_ways(bytes: &[u8]) {
    let place = Place::new();
    let _ = place.unpack(bytes);
    for name in ["a", "a/b", ""] {
        if let Ok(found) = crate::agent::find_member(&mut Cursor::new(bytes), name, &LIMITS) {
            let _ = found.write_to(&mut std::io::sink());
        }
    }
    // What was unpacked can be packed, and that be unpacked.
    let packed = place.pack().expect("a tree that was unpacked");
    Place::new().unpack(&packed).expect("an archive of our own");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_survives(plan in btree_map(vec(component(), 1..4), planned(), 0..30)) {
        let place = Place::new();
        build(&place.work(), &plan);
        let before = place.tree();
        let bytes = place.pack().unwrap();
        prop_assert!(place.tree() == before, "packing changes nothing");
        let other = Place::new();
        other.unpack(&bytes).unwrap();
        prop_assert_eq!(other.tree(), before);
        prop_assert!(other.pack().unwrap() == bytes, "the same tree gives the same archive");
        // Once more, over itself.
        other.unpack(&bytes).unwrap();
        prop_assert!(other.pack().unwrap() == bytes, "an archive over itself changes nothing");
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..2000)) {
        read_all_ways(&bytes);
        read_all_ways(&[&[0x1f, 0x8b, 8, 0][..], &bytes].concat());
        read_all_ways(&compress(&bytes));
    }

    #[test]
    fn random_members_do_no_harm(members in vec(raw(), 0..12)) {
        read_all_ways(&archive(&members));
    }

    #[test]
    fn changed_archives_do_no_harm(
        members in vec(raw(), 1..6),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        repair in any::<bool>(),
    ) {
        let mut bytes = plain(&members);
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if repair {
            // Valid checksums, so that the changes are looked at.
            for block in bytes.chunks_exact_mut(512) {
                let header = tar::Header::from_byte_slice(block);
                if header.as_ustar().is_some() {
                    let mut header = header.clone();
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
        }
        read_all_ways(&compress(&bytes));
        let mut compressed = compress(&plain(&members));
        for (place, byte) in &changes {
            let place = place.index(compressed.len());
            compressed[place] = *byte;
        }
        read_all_ways(&compressed);
    }
}
