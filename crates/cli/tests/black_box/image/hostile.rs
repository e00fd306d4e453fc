//! Images that somebody made to do harm, or that are just broken.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::json;

use super::Caller;
use super::archive::{Image, Layer, digest, gzip};

#[test]
fn layers_that_reach_out_are_refused_without_a_trace() {
    for caller in Caller::all() {
        let outside = caller.write("canary", b"alive");
        let absolute = outside.to_str().expect("text").to_owned();
        let deep = "d/".repeat(100_000);
        let cases: Vec<(&str, Layer, &str)> = vec![
            ("up", Layer::new().file("../../../canary", "x"), "points outside"),
            ("up later", Layer::new().file("a/../../x", "x"), "points outside"),
            ("absolute", Layer::new().file("/canary", "x"), "points outside"),
            ("hard link out", Layer::new().hard_link("l", "../../../canary"), "points outside"),
            ("hard link to the host", Layer::new().hard_link("l", "etc/passwd"), "has no file"),
            ("hard link through a link", Layer::new().symlink("s", "/etc").hard_link("l", "s/passwd"), "has no file"),
            ("whiteout out", Layer::new().file("../../.wh.canary", ""), "points outside"),
            ("whiteout of nothing", Layer::new().file(".wh.", ""), "no whiteout"),
            ("whiteout of the parent", Layer::new().file("a/.wh...", ""), "no whiteout"),
            ("below a whiteout", Layer::new().file(".wh.a/b", ""), "no whiteout"),
            ("too deep", Layer::new().extended(&[("path", &deep)], "x", b""), "is too long"),
            (
                "a sparse file of an exabyte",
                Layer::new().extended(
                    &[("GNU.sparse.size", "1152921504606846976"), ("GNU.sparse.map", "0,0")],
                    "x",
                    b"",
                ),
                "more than",
            ),
        ];
        for (what, layer, why) in cases {
            for bytes in [Image::of(&[&layer]).archive(), layer.tar(), gzip(&layer.tar())] {
                let said = caller.refused(&bytes);
                assert!(said.contains(why), "{what}: {said}");
            }
        }
        assert_eq!(fs::read(&absolute).expect("it is there"), b"alive");
    }
}

#[test]
fn what_could_give_privileges_is_dropped() {
    for caller in Caller::all() {
        let layer = Layer::new()
            .with_programs()
            .file_of_mode("setuid", 0o6755, "#!/bin/sh\n")
            .device("dev/mem")
            .device("whiteout-like")
            .symlink("etc", "/etc")
            .file("etc/passwd", "inside\n")
            .symlink("up", "../../../..")
            .file("up/file", "inside\n")
            .file("new\nline", "")
            .file("twice", "first")
            .file("twice", "second\n")
            .extended(
                &[("SCHILY.xattr.security.capability", "x"), ("SCHILY.xattr.user.overlay.opaque", "y")],
                "caps",
                b"",
            );
        caller.import(&layer.tar(), "x");
        let root = caller.images().join("layers").join(&digest(&layer.tar())[7..]).join("tree");
        let mut left = vec![root.clone()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(&directory).expect("listed") {
                let path = entry.expect("an entry").path();
                let metadata = fs::symlink_metadata(&path).expect("it is there");
                let kind = metadata.file_type();
                assert!(!kind.is_char_device() && !kind.is_block_device(), "{}", path.display());
                assert_eq!(metadata.mode() & 0o7000 & !0o1000, 0, "{}", path.display());
                assert_owner(&path, metadata.uid());
                if kind.is_dir() {
                    left.push(path);
                }
            }
        }
        let script = "cat /twice /up/file; stat -c %a /setuid; ls -d /dev/mem /whiteout-like 2>/dev/null; ls /dev/null";
        assert_eq!(caller.say("x", script), "second\ninside\n755\n/dev/null\n");
    }
}

/// As root: nobody at all.
fn assert_owner(path: &Path, uid: u32) {
    let expected = if rustix::process::geteuid().is_root() {
        [0xb000_0000, 64123]
    } else {
        [rustix::process::geteuid().as_raw(); 2]
    };
    assert!(expected.contains(&uid), "{} belongs to {uid}", path.display());
}

#[test]
fn places_of_ours_are_ours_whatever_a_layer_puts_there() {
    for caller in Caller::all() {
        let layer = Layer::new()
            .with_programs()
            .symlink("proc", "etc")
            .symlink("tmp", "/etc")
            .symlink("run", "/nowhere")
            .file("home", "a file")
            .file("dev/null", "a file")
            .symlink("var", "..")
            .directory("etc");
        caller.import(&layer.tar(), "x");
        let script = "echo x > /tmp/x; ls /etc; cat /dev/null; cd; pwd; ls -d /proc/self /run /var/tmp";
        assert_eq!(caller.say("x", script), "hostname\nhosts\n/home/student\n/proc/self\n/run\n/var/tmp\n");
    }
}

#[test]
fn bombs_stop_at_their_limits() {
    for caller in Caller::all() {
        let import = |limit: [&str; 2], bytes: &[u8]| {
            let done = caller.feed(["image", "import", "-", "x", limit[0], limit[1]], bytes);
            assert_eq!(done.code, Some(1), "{done:?}");
            assert_eq!(caller.stored()[0].len() + caller.stored()[2].len(), 0);
            done.stderr
        };
        let zeros = Layer::new().file("zeros", vec![0; 8 << 20]);
        for bytes in [zeros.tar(), gzip(&zeros.tar()), zstd::encode_all(zeros.tar().as_slice(), 1).expect("memory")] {
            let said = import(["--max-size", "4M"], &bytes);
            assert!(said.contains("more than 4194304 bytes"), "{said}");
        }
        // Zeros behind the archive, which nobody would unpack.
        let trailing = gzip(&[Layer::new().file("x", "").tar(), vec![0; 8 << 20]].concat());
        assert!(import(["--max-size", "4M"], &trailing).contains("more than 4194304 bytes"));
        let many = (0..101).fold(Layer::new(), |layer, number| layer.file(&format!("f{number}"), ""));
        let said = import(["--max-files", "100"], &many.tar());
        assert!(said.contains("more than 100 members"), "{said}");
        // All layers together.
        let halves = ["a", "b"].map(|name| Layer::new().file(name, vec![0; 3 << 20]));
        let said = import(["--max-size", "4M"], &Image::of(&[&halves[0], &halves[1]]).archive());
        assert!(said.contains("bytes"), "{said}");
    }
}

#[test]
fn digests_sizes_and_platforms_are_checked() {
    for caller in Caller::all() {
        let layer = Layer::new().file("x", "x");
        let image = || Image::of(&[&layer]);
        let other = digest(b"something else");
        let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();

        let mut changed = image();
        changed.config["rootfs"]["diff_ids"] = json!([other]);
        cases.push(("layer 1 of 1 should be", changed.archive()));
        let mut changed = image();
        changed.manifest["layers"][0]["digest"] = json!(other);
        cases.push(("is not in it", changed.archive()));
        let mut changed = image();
        changed.manifest["layers"][0]["size"] = json!(1);
        cases.push(("bytes, but the image says 1", changed.archive()));
        let mut changed = image();
        changed.manifest["layers"][0]["digest"] = json!("sha256:../../../../etc/passwd");
        cases.push(("the manifest of the image is damaged", changed.archive()));
        let mut changed = image();
        changed.config["rootfs"]["diff_ids"] = json!([]);
        cases.push(("has 1 layers, but its configuration names 0", changed.archive()));
        let mut changed = image();
        changed.config["architecture"] = json!("arm64");
        cases.push(("the image is for linux/arm64, not for linux/amd64", changed.archive()));
        let mut changed = image();
        changed.manifest["layers"][0]["size"] = json!(1_u64 << 50);
        cases.push(("is above the limit of 17179869184", changed.archive()));

        // A blob that is a link, a directory, something else than it says.
        let replaced = |replace: &dyn Fn(Layer, &str, &[u8]) -> Layer| {
            let blob = format!("blobs/sha256/{}", &digest(&image().blobs[0])[7..]);
            let files = image().files();
            let with = |archive: Layer, (name, bytes): &(String, Vec<u8>)| match name == &blob {
                true => replace(archive, name, bytes),
                false => archive.file(name, bytes),
            };
            files.iter().fold(Layer::new(), with).tar()
        };
        cases.push(("cannot be read", replaced(&|archive, name, _| archive.symlink(name, "/etc/passwd"))));
        cases.push(("not a regular file", replaced(&|archive, name, _| archive.directory(name))));
        cases.push(("layer 1 of 1 should be", replaced(&|archive, name, _| archive.file(name, "changed"))));
        for (why, bytes) in cases {
            let said = caller.refused(&bytes);
            assert!(said.contains(why), "{why}: {said}");
        }
        for bytes in [&b""[..], b"hello", b"BZh91AY&SY", &[0xff; 5000]] {
            let said = caller.refused(bytes);
            assert!(said.contains("the archive cannot be unpacked"), "{said}");
        }
    }
}

#[test]
fn a_layer_cannot_pass_for_another() {
    for caller in Caller::all() {
        let (good, evil) = (Layer::new().file("x", "good"), Layer::new().file("x", "evil"));
        let mut image = Image::of(&[&evil]);
        image.config["rootfs"]["diff_ids"] = json!([digest(&good.tar())]);
        let said = caller.refused(&image.archive());
        assert!(said.contains("should be"), "{said}");
        let imported = caller.import(&Image::of(&[&good]).archive(), "good");
        let hex = imported["layers"][0].as_str().expect("a digest")[7..].to_owned();
        let file = caller.images().join("layers").join(hex).join("tree/x");
        assert_eq!(fs::read(file).expect("readable"), b"good");
    }
}
