//! Layers of images: whiteouts, and what is dropped.

use std::os::unix::fs::MetadataExt;

use super::super::layer::{UnpackedLayer, unpack_layer};
use super::*;

fn unpack(place: &Place, members: &[Raw]) -> Result<UnpackedLayer, Problem> {
    let directory = File::open(place.work()).unwrap();
    let result = unpack_layer(plain(members).as_slice(), directory.as_fd(), &LIMITS);
    assert_eq!(Place::look_around(place.around.path()), place.canary, "outside of the layer");
    result
}

fn is_whiteout(place: &Place, name: &str) -> bool {
    let metadata = fs::symlink_metadata(place.work().join(name)).unwrap();
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

fn is_opaque(place: &Place, name: &str) -> bool {
    let mut value = [0_u8; 8];
    let path = place.work().join(name);
    let read = rustix::fs::lgetxattr(&path, "user.overlay.opaque", &mut value);
    matches!(read, Ok(1)) && value[0] == b'y'
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    let place = Place::new();
    let done = unpack(
        &place,
        &[
            Raw::directory("./"),
            Raw::directory("./etc"),
            Raw::file("./etc/.wh.gone", ""),
            Raw::directory("var"),
            Raw::file("var/.wh..wh..opq", ""),
            Raw::file("var/new", "new"),
            // Without a member for the directory.
            Raw::file("deep/er/.wh.gone", ""),
            Raw::file("all/.wh..wh..opq", ""),
            Raw::file(".wh..wh.plnk", ""),
        ],
    );
    let done = done.unwrap();
    assert_eq!((done.done.entries, done.skipped, done.opaque), (9, 1, false));
    assert!(is_whiteout(&place, "etc/gone") && is_whiteout(&place, "deep/er/gone"));
    assert!(is_opaque(&place, "var") && is_opaque(&place, "all"));
    assert!(!is_opaque(&place, "etc") && !is_opaque(&place, "deep"));
    assert_eq!(place.names(), ["all", "deep", "deep/er", "deep/er/gone", "etc", "etc/gone", "var", "var/new"]);
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_of_their_own_layer() {
    // In both orders.
    let members = [
        [Raw::file("file", "kept"), Raw::file(".wh.file", "")],
        [Raw::file("dir/file", "kept"), Raw::file(".wh.dir", "")],
        [Raw::symlink("link", "file"), Raw::file(".wh.link", "")],
    ];
    for reversed in [false, true] {
        let place = Place::new();
        for mut pair in members.clone() {
            if reversed {
                pair.reverse();
            }
            unpack(&place, &pair).unwrap();
        }
        assert_eq!(place.names(), ["dir", "dir/file", "file", "link"]);
        assert_eq!((place.read("file"), place.read("dir/file")), ("kept".to_owned(), "kept".to_owned()));
        assert!(is_opaque(&place, "dir"), "reversed: {reversed}");
    }
    // A directory's own member over a whiteout.
    let place = Place::new();
    unpack(&place, &[Raw::file(".wh.dir", ""), Raw::directory("dir")]).unwrap();
    assert!(is_opaque(&place, "dir"));
}

#[test]
fn a_layer_can_hide_all_that_is_below() {
    let place = Place::new();
    let done = unpack(&place, &[Raw::file(".wh..wh..opq", ""), Raw::file("new", "")]).unwrap();
    assert!(done.opaque);
    assert_eq!(place.names(), ["new"]);
}

#[test]
fn whiteouts_that_point_out_or_mean_nothing_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh...", ".wh.a/b", "a/.wh.b/.wh..wh..opq"] {
        let place = Place::new();
        let refused = refusal(unpack(&place, &[Raw::file(name, "")]));
        assert!(matches!(refused, Refusal::BadWhiteout(_)), "{name}: {refused:?}");
    }
    for name in ["../.wh.canary", "/.wh.canary", "a/../../.wh.canary"] {
        let place = Place::new();
        let refused = refusal(unpack(&place, &[Raw::file(name, "")]));
        assert!(matches!(refused, Refusal::PathOutside(_)), "{name}: {refused:?}");
    }
    // Through a link that leads out: the link is replaced, nothing outside is hidden.
    let place = Place::new();
    unpack(&place, &[Raw::symlink("out", ".."), Raw::file("out/.wh.canary", "")]).unwrap();
    assert!(is_whiteout(&place, "out/canary"));
}

#[test]
fn devices_special_bits_and_attributes_are_dropped() {
    let place = Place::new();
    let done = unpack(
        &place,
        &[
            Raw::new(b'3', "dev/sda"),
            Raw::new(b'4', "dev/loop0"),
            // What overlayfs takes for a whiteout.
            Raw::new(b'3', "etc"),
            Raw::new(b'9', "unknown").content("content"),
            Raw::file("setuid", "x").mode(0o6755),
            Raw::directory("sticky").mode(0o1777),
            Raw::pax(&[
                ("SCHILY.xattr.security.capability", b"\x01\0\0\x02"),
                ("SCHILY.xattr.user.overlay.opaque", b"y"),
                ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
            ]),
            Raw::directory("attributes"),
        ],
    );
    let done = done.unwrap();
    assert_eq!((done.done.entries, done.skipped), (7, 4));
    assert_eq!(place.names(), ["attributes", "setuid", "sticky"]);
    let mode = |name: &str| fs::symlink_metadata(place.work().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("setuid"), mode("sticky")), (0o755, 0o777));
    let mut names = [0_u8; 256];
    assert_eq!(rustix::fs::llistxattr(place.work().join("attributes"), &mut names), Ok(0));
}

#[test]
fn hostile_names_and_links_stay_inside() {
    let deep = "d/".repeat(100_000);
    let outside: &[(&str, Vec<Raw>)] = &[
        ("up", vec![Raw::file("../x", "")]),
        ("absolute", vec![Raw::file("/etc/passwd", "")]),
        ("hard link out", vec![Raw::hard_link("l", "../canary")]),
        ("absolute hard link", vec![Raw::hard_link("l", "/etc/passwd")]),
        ("hard link through a link", vec![Raw::symlink("s", ".."), Raw::hard_link("l", "s/canary")]),
        ("too deep", vec![Raw::pax(&[("path", deep.as_bytes())]), Raw::file("x", "")]),
        ("too large", vec![Raw::file("x", "").size(11 << 20)]),
        ("too many", (0..1001).map(|number| Raw::file(format!("f{number}"), "")).collect()),
    ];
    for (what, members) in outside {
        let place = Place::new();
        let result = unpack(&place, members);
        assert!(matches!(result, Err(Problem::Refused(_))), "{what}: {result:?}");
    }
    let place = Place::new();
    unpack(
        &place,
        &[
            Raw::symlink("out", "../beside"),
            Raw::file("out/file", "inside"),
            Raw::symlink("etc", "/etc"),
            Raw::file("etc/passwd", "inside"),
            Raw::file("new\nline", "x"),
            Raw::file("twice", "first"),
            Raw::file("twice", "second"),
        ],
    )
    .unwrap();
    assert_eq!(place.names(), ["etc", "etc/passwd", "new\nline", "out", "out/file", "twice"]);
    assert_eq!((place.read("etc/passwd"), place.read("twice")), ("inside".to_owned(), "second".to_owned()));
}
