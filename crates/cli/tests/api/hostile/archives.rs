//! Archives that are none, too much, or made to reach outside.

use std::io::{self, Read};

use flate2::Compression;
use flate2::read::GzEncoder;
use serde_json::json;
use tar::EntryType;

use super::Watched;
use crate::archive::{Archive, Entry, files, gzip};
use crate::form::with_archive;
use crate::http::Reply;

/// Posts an archive to a request that would show what came of it.
fn upload(watched: &Watched, archive: &[u8]) -> Reply {
    let config = json!({"commands": ["find . -mindepth 1 | sort"], "save": false});
    watched.server.post(&with_archive(&config.to_string(), archive))
}

/// Bytes of an archive, compressed, of one file of this many zeros without writing them out.
fn bomb(size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    let plain = io::Cursor::new(header.as_bytes().to_vec()).chain(io::repeat(0).take(size + 1024));
    let mut compressed = Vec::new();
    GzEncoder::new(plain, Compression::fast()).read_to_end(&mut compressed).unwrap();
    compressed
}

#[test]
fn what_is_no_archive_is_refused() {
    let Some(watched) = Watched::start(&[]) else { return };
    let good = files(&[("a", "content of a file")]);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&good[..]).read_to_end(&mut plain).unwrap();
    let mut broken_sum = plain.clone();
    broken_sum[0] ^= 1;
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for (what, bytes) in [
        ("nothing", vec![]),
        ("text", b"this is no archive".to_vec()),
        ("zeros", vec![0; 4096]),
        ("a plain tar", plain.clone()),
        ("a bzip2 header", b"BZh91AY&SY".to_vec()),
        ("a zip header", b"PK\x03\x04".to_vec()),
        ("gzip of text", gzip(b"this is no tar archive, however long it may be")),
        ("gzip of noise", gzip(&[0x5a; 2048])),
        ("half a gzip", good[..good.len() / 2].to_vec()),
        ("a gzip without its end", good[..good.len() - 8].to_vec()),
        ("a gzip with a flipped bit", flipped),
        ("half a tar", gzip(&plain[..520])),
        ("a wrong checksum", gzip(&broken_sum)),
    ] {
        let reply = upload(&watched, &bytes);
        assert_eq!(reply.status, 400, "{what}: {reply:?}");
        let text = reply.text();
        assert!(text.starts_with("The environment could not be unpacked: ") && text.len() > 45, "{what}: {text}");
    }
    watched.is_unharmed("what is no archive");
}

#[test]
fn archives_write_nothing_outside() {
    let Some(watched) = Watched::start(&[]) else { return };
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::fs::set_permissions(outside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(&victim, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let (place, victim_name) = (outside.path().to_str().unwrap(), victim.to_str().unwrap());
    let absolute = format!("{place}/new");
    let up = format!("{}{place}/new", "../".repeat(12).trim_end_matches('/'));
    let inside_up = format!("d/{}{place}/new", "../".repeat(12).trim_end_matches('/'));
    for (what, archive) in [
        ("an absolute name", Archive::new().file(&absolute, b"x")),
        ("two dots", Archive::new().file(&up, b"x")),
        ("two dots inside", Archive::new().directory("d/", 0o755).file(&inside_up, b"x")),
        ("a name of a parent", Archive::new().file("../x", b"x")),
        ("a link and a file through it", Archive::new().link("l", EntryType::Symlink, place).file("l/new", b"x")),
        ("a link and a file over it", Archive::new().link("l", EntryType::Symlink, victim_name).file("l", b"x")),
        ("a link to a parent", Archive::new().link("l", EntryType::Symlink, "../../..").file("l/tmp/new", b"x")),
        (
            "links behind links",
            Archive::new()
                .link("a", EntryType::Symlink, ".")
                .link("a/b", EntryType::Symlink, "..")
                .file("b/../../tmp/new", b"x"),
        ),
        ("a hard link out", Archive::new().link("l", EntryType::Link, victim_name).file("l", b"x")),
        (
            "a hard link through a link",
            Archive::new().link("d", EntryType::Symlink, place).link("l", EntryType::Link, "d/victim").file("l", b"x"),
        ),
        (
            "a directory over a link",
            Archive::new().link("d", EntryType::Symlink, place).directory("d/", 0o777).file("d/new", b"x"),
        ),
    ] {
        let reply = upload(&watched, &archive.finish());
        assert!([200, 400].contains(&reply.status), "{what}: {reply:?}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched", "{what}");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1, "{what}");
        if reply.status == 400 {
            assert!(reply.text().starts_with("The environment could not be unpacked: "), "{what}: {reply:?}");
        }
    }
    watched.is_unharmed("archives that reach outside");
}

#[test]
fn devices_are_never_made() {
    let Some(watched) = Watched::start(&[]) else { return };
    for kind in [EntryType::Char, EntryType::Block] {
        let archive = Archive::new().entry(Entry { name: "device", kind, mode: 0o666, ..Entry::default() }).finish();
        let config = json!({"commands": ["test ! -c device && test ! -b device"]});
        let reply = watched.server.post(&with_archive(&config.to_string(), &archive));
        match reply.status {
            200 => assert_eq!(reply.json()["status"], 0, "{reply:?}"),
            status => assert_eq!(status, 400, "{reply:?}"),
        }
    }
    // Inside, a program cannot make one, either.
    let answer =
        watched.server.execute(&json!({"commands": ["-mknod d c 1 5", "-mknod b b 7 0", "test ! -e d -a ! -e b"]}));
    assert_eq!(answer["status"], 0, "{answer}");
    watched.is_unharmed("devices");
}

#[test]
fn bombs_do_not_go_off() {
    let Some(watched) = Watched::start(&["execute.max_unpacked=32M"]) else { return };
    let mut sparse = tar::Header::new_gnu();
    sparse.set_path("sparse").unwrap();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_size(0);
    sparse.set_mode(0o644);
    {
        let fields = sparse.as_gnu_mut().unwrap();
        // One empty piece at the end of 10 GB of nothing.
        fields.realsize[..12].copy_from_slice(b"112402762000");
        fields.sparse[0].offset[..12].copy_from_slice(b"112402762000");
        fields.sparse[0].numbytes[..12].copy_from_slice(b"000000000000");
    }
    sparse.set_cksum();
    let sparse = gzip(&[sparse.as_bytes().as_slice(), &[0; 1024]].concat());
    let many = (0..100_000).fold(Archive::new(), |archive, number| archive.file(&format!("f{number}"), b"")).finish();
    let deep = files(&[(&"d/".repeat(48), "x")]);
    for (what, archive, words) in [
        ("100 MB of zeros", bomb(100 << 20), &["large", "bytes", "more", "fit"][..]),
        ("a sparse file of 10 GB", sparse, &["large", "bytes", "more", "fit"]),
        ("100,000 entries", many, &["entries", "files", "many", "more"]),
    ] {
        let reply = upload(&watched, &archive);
        assert_eq!(reply.status, 400, "{what}: {reply:?}");
        assert!(words.iter().any(|word| reply.text().contains(word)), "{what}: {}", reply.text());
        watched.is_unharmed(what);
    }
    assert!([200, 400].contains(&upload(&watched, &deep).status));
    watched.is_unharmed("deep directories");
}

#[test]
fn what_does_not_fit_is_told() {
    let Some(watched) = Watched::start(&["execute.max_upload=1M", "execute.sandbox.disk=4M"]) else { return };
    let mut noise = vec![0; 2 << 20];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    let archive = Archive::new().file("noise", &noise).finish();
    upload(&watched, &archive).refuses(413, "The uploaded files are larger than 1048576 bytes");
    watched.is_unharmed("a large upload");
    let reply = upload(&watched, &bomb(5 << 20));
    assert_eq!(reply.status, 400, "{reply:?}");
    watched.is_unharmed("more than the disk holds");
}

#[test]
fn what_is_too_large_to_save_is_told() {
    let Some(watched) = Watched::start(&["execute.max_saved=64K"]) else { return };
    let config = json!({"commands": ["head -c 1000000 /dev/urandom > f"], "save": true});
    let reply = watched.server.ask(&config);
    reply.refuses(413, "The environment to save is larger than 65536 bytes");
    watched.is_unharmed("a large environment");
}
