//! What is unpacked, merged, saved and downloaded: section 3.

use flate2::read::GzDecoder;
use serde_json::json;
use std::io::Read;
use tar::EntryType;

use crate::archive::{Archive, Entry, contents, expected, files, gzip, members};
use crate::server::{has_program, shared};

#[test]
fn a_saved_archive_is_what_the_protocol_says() {
    let Some(server) = shared() else { return };
    let command = "mkdir -p .hidden/empty d; echo 1 > .dot; echo x > d/run; chmod 750 d/run; ln -s d/run link; ln -s nowhere dangling; \
                   ln d/run hard; mkfifo pipe; touch \"$(printf 'n\\303\\251')\"; mkdir -p \"$(printf 'l%.0s' {1..120})\"";
    let answer = server.execute(&json!({"commands": [command], "save": true}));
    assert_eq!(answer["status"], 0, "{answer}");
    let archive = server.download(answer["environment"].as_str().expect("an id"));
    let members = members(&archive);
    let long = "l".repeat(120);
    let mut names: Vec<&str> = members.iter().map(|member| member.name.trim_end_matches('/')).collect();
    names.sort_unstable();
    let mut all =
        vec![".dot", ".hidden", ".hidden/empty", "d", "d/run", "dangling", "hard", "link", "n\u{e9}", "pipe", &long];
    all.sort_unstable();
    assert_eq!(names, all, "relative, with entries for directories, without one for the root or anything of ours");
    let member =
        |name: &str| members.iter().find(|member| member.name.trim_end_matches('/') == name).expect("it is there");
    assert_eq!((member("link").kind, member("link").target.as_str()), (EntryType::Symlink, "d/run"));
    assert_eq!(member("dangling").target, "nowhere");
    assert_eq!(member("pipe").kind, EntryType::Fifo);
    let linked = [member("d/run"), member("hard")];
    assert!(linked.iter().any(|member| member.kind == EntryType::Link), "hard links are kept as links");
    assert!(linked.iter().any(|member| member.content == b"x\n" && member.mode & 0o777 == 0o750));
    // And once more, from there.
    let again = server.execute(&json!({
        "commands": ["cat link hard .dot; test -p pipe && test -L dangling && test -x d/run && ls -d .hidden/empty", "stat -c %h hard"],
        "environment": answer["environment"],
    }));
    assert_eq!(again["execution"][0]["stdout"], "x\nx\n1\n.hidden/empty", "{again}");
    assert_eq!(again["execution"][1]["stdout"], "2");
}

#[test]
fn modes_are_kept_and_never_lock_the_working_directory() {
    let Some(server) = shared() else { return };
    let archive = Archive::new()
        .entry(Entry { name: "/", kind: EntryType::Directory, mode: 0o700, ..Entry::default() })
        .entry(Entry { name: "./", kind: EntryType::Directory, mode: 0o000, uid: 4242, ..Entry::default() })
        .entry(Entry { name: "run", mode: 0o755, content: b"#!/bin/sh\necho ran\n", ..Entry::default() })
        .entry(Entry { name: "secret", mode: 0o600, uid: 0, content: b"mine", ..Entry::default() })
        .entry(Entry { name: "readonly", mode: 0o444, uid: 99999, ..Entry::default() })
        .entry(Entry { name: "suid", mode: 0o6755, ..Entry::default() })
        .finish();
    let commands = json!(["./run", "cat secret; touch new; stat -c '%a %u' run secret readonly; stat -c %u ."]);
    let answer = server.execute_with(&json!({"commands": commands, "save": true}), &archive);
    assert_eq!(answer["execution"][0]["stdout"], "ran", "{answer}");
    let lines: Vec<&str> = answer["execution"][1]["stdout"].as_str().expect("text").lines().collect();
    assert_eq!(lines, ["mine755 1000", "600 1000", "444 1000", "1000"]);
}

#[test]
fn archives_of_all_makers_are_understood() {
    let Some(server) = shared() else { return };
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let huge = format!("{}/x", "long/".repeat(40));
    // GNU and PAX, as `tar`'s builder and `tar(1)` write them.
    let mut gnu = tar::Builder::new(Vec::new());
    for name in [long.as_str(), huge.as_str()] {
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        gnu.append_data(&mut header, name, &b"gnu"[..]).unwrap();
    }
    let gnu = gzip(&gnu.into_inner().unwrap());
    let answer = server.execute_with(&json!({"commands": [format!("cat {long} {huge}")]}), &gnu);
    assert_eq!(answer["execution"][0]["stdout"], "gnugnu");
    if !has_program("tar") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for name in ["a.txt", &long] {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "content").unwrap();
    }
    for format in ["gnu", "oldgnu", "pax", "ustar", "v7"] {
        if format == "v7" {
            std::fs::remove_dir_all(place.path().join("d".repeat(90))).unwrap();
        }
        let made = std::process::Command::new("tar")
            .args(["--create", "--gzip", "--format", format, "--directory"])
            .arg(place.path())
            .arg(".")
            .output()
            .unwrap();
        assert!(made.status.success(), "{format}: {}", String::from_utf8_lossy(&made.stderr));
        let answer = server.execute_with(&json!({"commands": ["cat a.txt; find . -type f | wc -l"]}), &made.stdout);
        let count = if format == "v7" { 1 } else { 2 };
        assert_eq!(answer["execution"][0]["stdout"], format!("content{count}"), "{format}");
    }
}

#[test]
fn names_are_compared_as_they_are_meant() {
    let Some(server) = shared() else { return };
    let saved = server.save(&files(&[("a.txt", "saved\n"), ("d/b.txt", "saved\n"), ("kept.txt", "saved\n")]));
    // As `tar czf x.tgz .` has them.
    for upload in [
        files(&[("./a.txt", "upload\n"), ("./d/b.txt", "upload\n")]),
        files(&[("a.txt", "upload\n"), ("d//b.txt", "upload\n")]),
        files(&[("d/../a.txt", "x"), ("a.txt", "upload\n"), ("./d/./b.txt", "upload\n")]),
    ] {
        let config = json!({"commands": ["true"], "environment": saved, "save": true});
        let reply = server.post(&crate::form::with_archive(&config.to_string(), &upload));
        if reply.status == 400 {
            assert!(reply.text().contains(".."), "{reply:?}");
            continue;
        }
        let merged = server.download(reply.json()["environment"].as_str().expect("an id"));
        let all = [("a.txt", "upload\n"), ("d", ""), ("d/b.txt", "upload\n"), ("kept.txt", "saved\n")];
        assert_eq!(contents(&merged), expected(&all));
    }
}

#[test]
fn uploads_replace_whatever_is_in_their_way() {
    let Some(server) = shared() else { return };
    let base = Archive::new()
        .link("link", EntryType::Symlink, "target")
        .file("target", b"saved\n")
        .file("file", b"saved\n")
        .link("dangling", EntryType::Symlink, "nowhere")
        .file("readonly", b"saved\n")
        .finish();
    let saved = server.save(&base);
    let upload = Archive::new().file("link", b"upload\n").file("file", b"upload\n").file("new", b"upload\n").finish();
    let config = json!({"commands": ["cat link file new target; readlink dangling"], "environment": saved});
    let answer = server.execute_with(&config, &upload);
    assert_eq!(answer["execution"][0]["stdout"], "upload\nupload\nupload\nsaved\nnowhere", "{answer}");
}

#[test]
fn files_are_found_behind_links_and_only_files() {
    let Some(server) = shared() else { return };
    let archive = Archive::new()
        .directory("d/", 0o755)
        .file("d/file", b"content\n")
        .link("soft", EntryType::Symlink, "d/file")
        .link("d/up", EntryType::Symlink, "../soft")
        .link("hard", EntryType::Link, "d/file")
        .link("dangling", EntryType::Symlink, "nowhere")
        .link("host", EntryType::Symlink, "/etc/hostname")
        .link("loop", EntryType::Symlink, "loop")
        .entry(Entry { name: "pipe", kind: EntryType::Fifo, ..Entry::default() })
        .file("empty", b"")
        .finish();
    let id = server.save(&archive);
    for name in ["d/file", "soft", "d/up", "hard"] {
        assert_eq!(server.get(&format!("/files/{id}/{name}/")).text(), "content\n", "{name}");
        assert_eq!(server.head(&format!("/files/{id}/{name}/")).header("content-length"), Some("8"), "{name}");
    }
    let empty = server.head(&format!("/files/{id}/empty/"));
    assert_eq!((empty.status, empty.header("content-length")), (200, Some("0")));
    for name in ["d", "dangling", "host", "loop", "pipe"] {
        let expected = format!("The file '{name}' could not be found in environment '{id}'");
        server.get(&format!("/files/{id}/{name}/")).refuses(404, &expected);
        assert_eq!(server.head(&format!("/files/{id}/{name}/")).status, 404, "{name}");
    }
}

#[test]
fn a_download_is_one_gzip_stream_of_one_archive() {
    let Some(server) = shared() else { return };
    let id = server.save(&files(&[("a", "1")]));
    let archive = server.download(&id);
    assert_eq!(archive[..2], [0x1f, 0x8b]);
    let mut plain = Vec::new();
    GzDecoder::new(&archive[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain.len() % 512, 0);
    assert!(plain.ends_with(&[0; 1024]), "it is ended as tar wants it");
}
