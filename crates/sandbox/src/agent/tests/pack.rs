//! Packing, checked against the `tar` crate's reader.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use flate2::read::GzDecoder;
use rustix::fs::{FileType, Mode, OFlags};

use super::*;

/// Name, kind, content or target.
fn list(bytes: &[u8]) -> Vec<(Vec<u8>, u8, Vec<u8>)> {
    let mut members = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(bytes)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if let Some(link) = entry.link_name_bytes() {
            content = link.into_owned();
        }
        members.push((entry.path_bytes().into_owned(), entry.header().entry_type().as_byte(), content));
    }
    members
}

fn make_fifo(place: &Place, name: &str) {
    rustix::fs::mknodat(File::open(place.work()).unwrap(), name, FileType::Fifo, Mode::from_raw_mode(0o644), 0)
        .unwrap();
}

#[test]
fn everything_is_packed_in_order_but_the_root() {
    let place = Place::new();
    let work = place.work();
    fs::create_dir_all(work.join("b/empty")).unwrap();
    fs::write(work.join("b/.hidden"), "hidden").unwrap();
    fs::write(work.join("a"), "a").unwrap();
    fs::write(work.join("b.txt"), "b").unwrap();
    fs::hard_link(work.join("a"), work.join("c")).unwrap();
    symlink("../nowhere", work.join("s")).unwrap();
    make_fifo(&place, "f");
    let _socket = UnixListener::bind(work.join("socket")).unwrap();
    let members = list(&place.pack().unwrap());
    let expected: [(&str, u8, &str); 8] = [
        ("a", b'0', "a"),
        ("b/", b'5', ""),
        ("b/.hidden", b'0', "hidden"),
        ("b/empty/", b'5', ""),
        ("b.txt", b'0', "b"),
        ("c", b'1', "a"),
        ("f", b'6', ""),
        ("s", b'2', "../nowhere"),
    ];
    assert_eq!(members, expected.map(|(name, kind, content)| (name.into(), kind, content.into())));
    assert_eq!(Done { entries: 8, bytes: 8 }, {
        let directory = File::open(&work).unwrap();
        crate::agent::pack(directory.as_fd(), std::io::sink(), 9).unwrap()
    });
}

#[test]
fn attributes_are_stored_but_no_special_bits() {
    let place = Place::new();
    let file = File::create(place.work().join("file")).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o6751)).unwrap();
    let mtime = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
    file.set_modified(mtime).unwrap();
    let bytes = place.pack().unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(&*bytes));
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let records: Vec<_> = entry
        .pax_extensions()
        .unwrap()
        .unwrap()
        .map(|record| {
            let record = record.unwrap();
            (record.key().unwrap().to_owned(), record.value().unwrap().to_owned())
        })
        .collect();
    assert_eq!(records, [("mtime".to_owned(), "1000000000.000000005".to_owned())]);
    let header = entry.header();
    assert_eq!(header.mode().unwrap(), 0o751);
    assert_eq!(header.mtime().unwrap(), 1_000_000_000);
    assert_eq!(header.uid().unwrap(), u64::from(rustix::process::geteuid().as_raw()));
    assert!(header.as_ustar().is_some());
}

#[test]
fn names_of_any_length_and_encoding_survive() {
    let component = "n".repeat(120);
    let names: Vec<Vec<u8>> = vec![
        b"exactly".iter().copied().cycle().take(100).collect(),
        b"l".repeat(101),
        format!("{component}/{component}/{component}").into_bytes(),
        "déjà vu".into(),
        "é".repeat(80).into_bytes(),
        b"\xff\xfe".to_vec(),
        b"\xff".repeat(200),
        b"new\nline".to_vec(),
    ];
    let place = Place::new();
    for name in &names {
        let file = place.work().join(path(name));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, name).unwrap();
        let mut link = name.clone();
        link.truncate(100);
        link.push(b'@');
        symlink(path(name), place.work().join(path(&link))).unwrap();
    }
    let before = place.tree();
    let bytes = place.pack().unwrap();
    let by_tar: Vec<_> = list(&bytes)
        .into_iter()
        .map(|(name, ..)| name.strip_suffix(b"/").map(<[u8]>::to_vec).unwrap_or(name))
        .collect();
    for name in before.keys() {
        assert!(by_tar.contains(name), "{}", String::from_utf8_lossy(name));
    }
    let other = Place::new();
    other.unpack(&bytes).unwrap();
    assert_eq!(other.tree(), before);
}

#[test]
fn closed_files_and_directories_are_packed_with_their_modes() {
    let place = Place::new();
    let closed = place.work().join("closed");
    fs::create_dir_all(closed.join("below")).unwrap();
    fs::write(closed.join("below/file"), "content").unwrap();
    fs::write(closed.join("file"), "content").unwrap();
    for name in ["below/file", "below", "file", ""] {
        fs::set_permissions(closed.join(name), fs::Permissions::from_mode(0o0)).unwrap();
    }
    let bytes = place.pack().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&closed), 0, "given back");
    let mut modes = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(&*bytes)).entries().unwrap() {
        let entry = entry.unwrap();
        modes.push((entry.size(), entry.header().mode().unwrap()));
    }
    assert_eq!(modes, [(0, 0), (0, 0), (7, 0), (7, 0)]);
    let other = Place::new();
    other.unpack(&bytes).unwrap();
    assert_eq!(mode(&other.work().join("closed")), 0);
    for place in [&place, &other] {
        for name in ["closed", "closed/below"] {
            let path = place.work().join(name);
            assert_eq!(mode(&path), 0);
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert_eq!(mode(&place.work().join("closed/below/file")), 0);
    }
}

#[test]
fn trees_without_end_are_refused() {
    let place = Place::new();
    let mut here = OwnedFd::from(File::open(place.work()).unwrap());
    let levels = 100_000;
    for _ in 0..levels {
        rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "d", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    assert!(matches!(refusal(place.pack()), Refusal::PathTooLong(_)));
    // The upload of a file in its place removes all of it.
    place.unpack(&archive(&[Raw::file("d", "")])).unwrap();
    assert_eq!(place.names(), ["d"]);
}

#[test]
fn the_deepest_tree_that_fits_survives() {
    let place = Place::new();
    let deepest = "d/".repeat(2047);
    let root = OwnedFd::from(File::open(place.work()).unwrap());
    for level in 1..=2047 {
        rustix::fs::mkdirat(&root, &deepest[..2 * level - 1], Mode::RWXU).unwrap();
    }
    fs::write(place.work().join("z"), "last").unwrap();
    let bytes = place.pack().unwrap();
    let other = Place::new();
    let limits = ArchiveLimits { max_entries: 2048, ..LIMITS };
    assert_eq!(other.unpack_within(&bytes, limits), Ok(Done { entries: 2048, bytes: 4 }));
    assert_eq!(other.read("z"), "last");
    for place in [place, other] {
        place.unpack(&archive(&[Raw::file("d", "")])).unwrap();
    }
}

#[test]
fn sparse_files_become_plain_data() {
    let place = Place::new();
    let file = File::create(place.work().join("sparse")).unwrap();
    file.set_len(5 << 20).unwrap();
    let bytes = place.pack().unwrap();
    assert!(bytes.len() < 100_000);
    let members = list(&bytes);
    assert_eq!(members[0].2.len(), 5 << 20);
}

#[test]
fn a_receiver_that_is_gone_is_a_failure() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(rustix::io::Errno::PIPE.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let place = Place::new();
    let directory = File::open(place.work()).unwrap();
    let result = crate::agent::pack(directory.as_fd(), Gone, 6);
    let errno = rustix::io::Errno::PIPE.raw_os_error();
    assert!(matches!(result, Err(Problem::Failed { errno: number, .. }) if number == errno));
}
