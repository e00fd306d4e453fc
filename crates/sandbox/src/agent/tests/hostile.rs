//! Archives that mean harm. Each test also looks whether anything changed beside the work directory.

use super::*;

#[test]
fn names_that_point_outside_are_refused() {
    for name in ["/tmp/x", "//x", "../x", "a/../../x", "a/..", "..", "./../x", "beside/../../canary"] {
        for member in [
            Raw::file(name, "x"),
            Raw::directory(name),
            Raw::symlink(name, "x"),
            Raw::hard_link(name, "x"),
            Raw::new(b'6', name),
        ] {
            let place = Place::new();
            let result = place.unpack(&archive(&[Raw::file("before", ""), member]));
            assert_eq!(refusal(result), Refusal::PathOutside(name.into()));
            assert_eq!(place.names(), ["before"]);
        }
    }
    let long = format!("../{}x", "d/".repeat(100));
    let place = Place::new();
    let result = place.unpack(&archive(&[Raw::pax(&[("path", long.as_bytes())]), Raw::file("a", "")]));
    assert_eq!(refusal(result), Refusal::PathOutside(long));
}

#[test]
fn hard_links_that_point_outside_are_refused() {
    for target in ["../canary", "/etc/passwd", "a/../../canary"] {
        let result = Place::new().unpack(&archive(&[Raw::directory("a"), Raw::hard_link("x", target)]));
        assert_eq!(refusal(result), Refusal::PathOutside(target.into()));
    }
    // Through a link, or to what is no file.
    for target in ["out/canary", "out/deep/canary", "missing", "d", ".", "x/inside"] {
        let place = Place::new();
        let result = place.unpack(&archive(&[
            Raw::symlink("out", "../beside"),
            Raw::directory("d"),
            Raw::file("x/inside", ""),
            Raw::hard_link("x", target),
        ]));
        assert!(matches!(refusal(result), Refusal::NotAnArchive(_)), "{target}");
    }
}

#[test]
fn nothing_is_written_through_links() {
    let beside = |place: &Place| place.around.path().join("beside").into_os_string().into_vec();
    let outside = ["..", "../beside", "../beside/deep", "../missing", ".", "loop", "../work/../beside"];
    for target in outside.map(|target| target.as_bytes().to_vec()).into_iter().chain([beside(&Place::new())]) {
        let place = Place::new();
        let bytes = archive(&[
            Raw::symlink("loop", "loop"),
            Raw::symlink("l", &target),
            Raw::file("l/canary", "dead"),
            Raw::file("l/deep/canary", "dead"),
            Raw::symlink("f", [&target[..], b"/canary"].concat()),
            Raw::file("f", "dead"),
            Raw::symlink("g", "../canary"),
            Raw::new(b'6', "g"),
            Raw::symlink("h", "../beside"),
            Raw::directory("h").mode(0o777),
        ]);
        place.unpack(&bytes).unwrap();
        assert_eq!(place.read("f"), "dead");
        assert_eq!(place.read("l/canary"), "dead");
        assert_eq!(place.tree()[&b"h"[..]].thing, Thing::Directory);
    }
    // Two links, each of which stays inside, that leave together.
    let place = Place::new();
    let bytes = archive(&[
        Raw::directory("a/b"),
        Raw::symlink("a/b/up", "../.."),
        Raw::symlink("out", "a/b/up/../beside"),
        Raw::file("out/canary", "dead"),
        Raw::file("a/b/up/../x", ""),
    ]);
    assert_eq!(refusal(place.unpack(&bytes)), Refusal::PathOutside("a/b/up/../x".into()));
    assert_eq!(place.read("out/canary"), "dead");
}

#[test]
fn a_link_put_in_place_of_a_used_directory_is_not_passed() {
    let place = Place::new();
    let bytes = archive(&[
        Raw::file("d/x", "1"),
        Raw::symlink("d", "../beside"),
        Raw::file("d/canary", "2"),
        Raw::file("e/f/x", "3"),
        Raw::symlink("e", "../beside"),
        Raw::file("e/deep/canary", "4"),
        Raw::directory("k/deep").mode(0),
        Raw::symlink("k", "../beside"),
    ]);
    place.unpack(&bytes).unwrap();
    assert_eq!(place.names(), ["d", "d/canary", "e", "e/deep", "e/deep/canary", "k"]);
}

#[test]
fn devices_and_unknown_kinds_are_refused() {
    for kind in [b'3', b'4', b'M', b'N', b'?', b'D', 0xff] {
        let result = Place::new().unpack(&archive(&[Raw::new(kind, "dev")]));
        assert_eq!(refusal(result), Refusal::UnsupportedMember("dev".into()), "{kind}");
    }
}

#[test]
fn counts_and_sizes_are_bounded() {
    let limits = ArchiveLimits { max_entries: 5000, max_bytes: 1000 };
    let place = Place::new();
    let many: Vec<_> = (0..100_000).map(|index| Raw::file(format!("{}/f{index}", index % 7), "")).collect();
    let result = place.unpack_within(&archive(&many), limits);
    assert_eq!(refusal(result), Refusal::TooManyEntries(5000));
    assert_eq!(place.names().len(), 5007);

    // Headers that make no member count too, and so do members for the root.
    for endless in [Raw::pax(&[]), Raw::new(b'L', "././@LongLink").content("n"), Raw::directory("/")] {
        let result = Place::new().unpack_within(&archive(&vec![endless; 21_000]), limits);
        assert_eq!(refusal(result), Refusal::TooManyEntries(5000));
    }

    let bytes = archive(&[Raw::file("a", [b'a'; 600]), Raw::file("b", [b'b'; 401])]);
    assert_eq!(refusal(Place::new().unpack_within(&bytes, limits)), Refusal::TooManyBytes(1000));
    let bytes = archive(&[Raw::file("a", [b'a'; 600]), Raw::file("b", [b'b'; 400])]);
    assert_eq!(Place::new().unpack_within(&bytes, limits).map(|done| done.bytes), Ok(1000));
}

#[test]
fn announced_sizes_are_refused_before_they_are_read() {
    let ten_gigabytes = 10_u64 << 30;
    let mut old_sparse = Raw::new(b'S', "s");
    let bytes = old_sparse.header.as_mut_bytes();
    bytes[257..265].copy_from_slice(b"ustar  \0");
    bytes[483..495].copy_from_slice(format!("{ten_gigabytes:012o}").as_bytes());
    let text = ten_gigabytes.to_string();
    let cases: [&[Raw]; 5] = [
        &[old_sparse],
        &[Raw::pax(&[("GNU.sparse.size", text.as_bytes()), ("GNU.sparse.map", b"0,0")]), Raw::file("s", "")],
        &[Raw::pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", text.as_bytes())]), Raw::file("s", "0\n")],
        &[Raw::pax(&[("size", text.as_bytes())]), Raw::file("s", "")],
        &[Raw::file("s", "").size(ten_gigabytes)],
    ];
    for (index, members) in cases.iter().enumerate() {
        let place = Place::new();
        let refused = refusal(place.unpack(&archive(members)));
        assert_eq!(refused, Refusal::TooManyBytes(LIMITS.max_bytes), "case {index}");
        assert_eq!(place.names(), [""; 0], "case {index}");
    }
}

/// Compresses this many zeros a thousandfold.
fn bomb(start: &[u8], zeros: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(start).unwrap();
    for _ in 0..zeros >> 20 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn bombs_stop_at_the_limit() {
    let member = Raw::file("bomb", "").size(256 << 20).bytes();
    let result = Place::new().unpack(&bomb(&member, 256 << 20));
    assert_eq!(refusal(result), Refusal::TooManyBytes(LIMITS.max_bytes));
    // Zeros without end behind the archive are not read.
    let place = Place::new();
    assert_eq!(place.unpack(&bomb(&Raw::file("a", "").bytes(), 256 << 20)).map(|done| done.entries), Ok(1));
    // Nor is a name of any length.
    let name = Raw::new(b'L', "././@LongLink").size(256 << 20).bytes();
    assert!(matches!(refusal(Place::new().unpack(&bomb(&name, 256 << 20))), Refusal::NotAnArchive(_)));
}

#[test]
fn maps_of_sparse_files_must_be_sound() {
    for (map, stored) in
        [("0,5,3,2", "aaaaaaa"), ("0,5", "aaaaaa"), ("8,5", "aaaaa"), ("18446744073709551615,5", "aaaaa")]
    {
        let result = Place::new().unpack(&archive(&[
            Raw::pax(&[("GNU.sparse.size", b"10"), ("GNU.sparse.map", map.as_bytes())]),
            Raw::file("s", stored),
        ]));
        assert!(matches!(refusal(result), Refusal::NotAnArchive(_)), "{map}");
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    let whole = plain(&[Raw::file("a", "content")]);
    let mut damaged = whole.clone();
    damaged[10] = b'!';
    for (what, bytes) in [
        ("nothing", vec![]),
        ("text", b"hello".to_vec()),
        ("uncompressed", whole.clone()),
        ("bzip2", b"BZh91AY&SY".to_vec()),
        ("empty gzip", compress(b"")),
        ("compressed text", compress(&b"hello ".repeat(1000))),
        ("short compressed text", compress(b"hello")),
        ("damaged header", compress(&damaged)),
        ("cut header", compress(&whole[..100])),
        ("cut content", compress(&whole[..515])),
        ("cut padding", compress(&whole[..700])),
    ] {
        let place = Place::new();
        assert!(matches!(refusal(place.unpack(&bytes)), Refusal::NotAnArchive(_)), "{what}");
    }
    let compressed = compress(&whole);
    for cut in 0..compressed.len() {
        let result = Place::new().unpack(&compressed[..cut]);
        assert!(matches!(refusal(result), Refusal::NotAnArchive(_)), "cut at {cut}");
    }
}

#[test]
fn long_paths_are_refused() {
    for (path, fits) in [("d/".repeat(2047), true), ("d/".repeat(2049), false), ("n".repeat(256), false)] {
        let place = Place::new();
        let result = place.unpack(&archive(&[Raw::pax(&[("path", path.as_bytes())]), Raw::directory("x")]));
        assert_eq!(result.is_ok(), fits, "{path}");
        if !fits {
            assert!(matches!(refusal(result), Refusal::PathTooLong(_)));
        }
    }
}
