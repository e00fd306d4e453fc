//! Importing, running, listing, removing.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::Caller;
use super::archive::{Image, Layer, digest, gzip};
use crate::support::wait_for;

/// Something to run, with a file that upper layers change.
fn base() -> Layer {
    Layer::new()
        .with_programs()
        .directory("etc")
        .file("etc/issue", "base\n")
        .file("gone/file", "base\n")
        .directory("data")
}

#[test]
fn every_kind_of_source_is_an_image() {
    for caller in Caller::all() {
        let layer = base();
        let image = Image::of(&[&layer]);
        let zstd = zstd::encode_all(image.archive().as_slice(), 1).expect("memory");
        for (what, bytes) in [
            ("an OCI archive", image.archive()),
            ("the same with gzip", gzip(&image.archive())),
            ("the same with zstd", zstd),
            ("docker save", image.saved(&[&layer])),
            ("a root directory", layer.tar()),
            ("the same with gzip", gzip(&layer.tar())),
            ("the same with zstd", zstd::encode_all(layer.tar().as_slice(), 1).expect("memory")),
        ] {
            let imported = caller.import(&bytes, "x");
            assert_eq!(imported["layers"], json!([digest(&layer.tar())]), "{what}");
            assert_eq!(caller.say("x", "cat /etc/issue"), "base\n", "{what}");
            // The layer is the same one, whatever it came in.
            let [layers, names, incoming] = caller.stored();
            assert_eq!((layers.len(), names.len(), incoming.len()), (1, 1, 0), "{what}");
        }
        let directory = caller.path("layout");
        image.write_to(&directory);
        let done = caller.call(["image", "import", directory.to_str().expect("text")]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.starts_with("test:1: 1 layer, "), "called as it calls itself: {done:?}");
    }
}

#[test]
fn layers_cover_and_hide_one_another() {
    for caller in Caller::all() {
        let base = base();
        let changes = Layer::new()
            .file("etc/issue", "changed\n")
            .file("etc/new", "new\n")
            .file("gone/.wh.file", "")
            .file("usr/.wh.nothing", "");
        let opaque = Layer::new().file("etc/.wh..wh..opq", "").file("etc/last", "last\n").directory("gone");
        caller.import(&Image::of(&[&base, &changes]).archive(), "two");
        assert_eq!(caller.say("two", "cat /etc/issue /etc/new; ls /gone"), "changed\nnew\n");
        caller.import(&Image::of(&[&base, &changes, &opaque]).archive(), "three");
        // Our own host name and hosts are on top of all.
        assert_eq!(caller.say("three", "ls /etc /gone"), "/etc:\nhostname\nhosts\nlast\n\n/gone:\n");
        assert_eq!(caller.say("two", "cat /etc/issue"), "changed\n", "the other image is as it was");
        assert_eq!(caller.stored()[0].len(), 3, "layers are shared");
        // A layer that comes twice, as empty ones do, and one that hides everything.
        let empty = Layer::new();
        let all = Layer::new().file(".wh..wh..opq", "").with_programs().file("only", "");
        caller.import(&Image::of(&[&empty, &base, &empty, &all, &empty]).archive(), "all");
        assert_eq!(caller.say("all", "ls -d /only /gone 2>/dev/null || true"), "/only\n");
    }
}

#[test]
fn many_layers_are_one_root_directory() {
    for caller in Caller::all() {
        let base = base();
        let upper: Vec<Layer> = (1..64)
            .map(|number| Layer::new().file("etc/issue", format!("{number}\n")).file(&format!("data/{number}"), ""))
            .collect();
        let layers: Vec<&Layer> = [&base].into_iter().chain(&upper).collect();
        caller.import(&Image::of(&layers).archive(), "many");
        assert_eq!(
            caller.say("many", "cat /etc/issue; ls /data | { n=0; while read x; do n=$((n+1)); done; echo $n; }"),
            "63\n63\n"
        );
        let one_more = Layer::new().file("x", "");
        let layers: Vec<&Layer> = layers.into_iter().chain([&one_more]).collect();
        let said = caller.refused(&Image::of(&layers).archive());
        assert!(said.contains("the number of layers, 65, is above the limit of 64"), "{said}");
    }
}

#[test]
fn an_image_is_all_there_is_and_cannot_be_changed() {
    for caller in Caller::all() {
        caller.import(&base().tar(), "x");
        // Nothing of the host: not its root directory, nor a mount of it.
        assert_eq!(caller.say("x", "ls /.."), caller.say("x", "ls /"));
        let mounts = caller.say("x", "while read a b c root place rest; do echo $place; done < /proc/self/mountinfo");
        for place in mounts.lines() {
            let known = ["/", "/tmp", "/var/tmp", "/run", "/home/student"].contains(&place);
            assert!(known || place.starts_with("/proc") || place.starts_with("/dev"), "{place}: {mounts}");
        }
        assert_eq!(caller.say("x", "cd; echo mine > file; cat file; echo t > /tmp/t; cat /tmp/t"), "mine\nt\n");
        let script = "for f in /etc/issue /new /usr/new; do (echo x > $f) 2>/dev/null && echo written $f; done; true";
        assert_eq!(caller.say("x", script), "");
    }
}

#[test]
fn root_inside_writes_to_a_copy_of_its_own() {
    for caller in Caller::all() {
        caller.import(&base().tar(), "x");
        let as_root = |script: &str| caller.run("x", &["--user", "root", "--", "sh", "-c", script]);
        let script = "id -u; echo changed > /etc/issue; echo new > /new; rm -r /gone; ls -d /gone /new; cat /etc/issue; \
                      ls /proc/self/fd > /dev/null && echo t > /tmp/t && ls /..";
        let done = as_root(script);
        assert!(done.stdout.starts_with("0\n/new\nchanged\n"), "{done:?}");
        assert!(!done.stdout.contains("boot"), "nothing of the host: {done:?}");
        let done = as_root("ls -d /new; cat /etc/issue /gone/file");
        assert_eq!(done.stdout, "base\nbase\n", "all is as it was: {done:?}");
        // The limits on files hold for all of it.
        let done = caller.run("x", &["--user", "root", "--disk", "1M", "--", "sh", "-c", "cat /dev/zero > /zeros"]);
        assert_eq!(done.code, Some(245), "{done:?}");
    }
}

#[test]
fn the_images_own_words_count_until_an_option_says_otherwise() {
    for caller in Caller::all() {
        let layer = base()
            .file("etc/passwd", "root:x:0:0:::\nweb:x:33:34:web::\n")
            .file("etc/group", "root:x:0:\nstaff:x:50:\n")
            .directory("srv/web");
        let mut image = Image::of(&[&layer]);
        image.config["config"] = json!({
            "Env": ["FLAVOUR=image", "LANG=fr_FR.UTF-8"],
            "Entrypoint": ["sh", "-c"],
            "Cmd": ["echo $FLAVOUR $LANG $HOME; id -u; id -g; pwd"],
            "WorkingDir": "/srv/web",
            "User": "web:staff",
        });
        caller.import(&image.archive(), "x");
        let done = caller.run("x", &[]);
        assert_eq!(done.stdout, "image fr_FR.UTF-8 /home/student\n33\n50\n/srv/web\n", "{done:?}");
        let done = caller
            .run("x", &["-e", "FLAVOUR=mine", "--user", "7:8", "--workdir", "/etc", "--", "echo $FLAVOUR; id -u; pwd"]);
        assert_eq!(done.stdout, "mine\n7\n/etc\n", "{done:?}");
        image.config["config"] = json!({"User": "nobody-here"});
        caller.import(&image.archive(), "x");
        let done = caller.run("x", &["id"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("wants to run as 'nobody-here'"), "{done:?}");
        assert_eq!(caller.run("x", &["--user", "9", "id", "-u"]).stdout, "9\n");
        let done = caller.run("x", &["--user", "9"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("there is no program to run"), "{done:?}");
    }
}

#[test]
fn what_there_is_is_listed_shown_and_removed() {
    for caller in Caller::all() {
        let done = caller.call(["image", "list"]);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(0), "There are no images yet: see belljar image import --help.\n")
        );
        let (lower, upper) = (base(), Layer::new().file("upper", ""));
        caller.import(&Image::of(&[&lower]).archive(), "one");
        caller.import(&Image::of(&[&lower, &upper]).archive(), "team/two:v2");
        let listed: Value = serde_json::from_str(&caller.call(["image", "list", "--json"]).stdout).expect("JSON");
        let names: Vec<&Value> = listed.as_array().expect("a list").iter().map(|image| &image["name"]).collect();
        assert_eq!(names, ["one:latest", "team/two:v2"]);
        let shown: Value = serde_json::from_str(&caller.call(["image", "show", "one", "--json"]).stdout).expect("JSON");
        assert_eq!(shown, listed[0]);
        assert!(caller.call(["image", "show", "team/two:v2"]).stdout.contains("\nlayer "));
        for arguments in [
            &["image", "show", "three"][..],
            &["image", "remove", "three"],
            &["run", "--rootfs", "image:three", "true"],
        ] {
            let done = caller.call(arguments.iter().copied());
            assert_eq!(done.code, Some(2), "{done:?}");
            let said = "belljar: error: there is no image 'three:latest'; there are one:latest, team/two:v2\n";
            assert_eq!(done.stderr, said);
        }
        assert_eq!(caller.call(["image", "remove", "one"]).code, Some(0));
        assert_eq!(caller.stored()[0].len(), 2, "the other image needs both layers");
        assert_eq!(caller.say("team/two:v2", "cat /etc/issue"), "base\n");
        assert_eq!(caller.call(["image", "remove", "team/two:v2"]).code, Some(0));
        assert_eq!(caller.stored(), [const { Vec::<String>::new() }; 3]);
    }
}

#[test]
fn a_running_sandbox_keeps_its_layers() {
    for caller in Caller::all() {
        caller.import(&base().tar(), "x");
        let script = "echo started; read line; cat /etc/issue";
        let mut child = caller
            .command(["run", "--rootfs", "image:x", "--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdout = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).expect("it comes");
        assert_eq!(line, "started\n");
        let done = caller.call(["image", "remove", "x"]);
        assert_eq!(done.code, Some(0));
        assert!(done.stderr.contains("1 of its layers are in use"), "{done:?}");
        assert_eq!(caller.stored()[0].len(), 1);
        child.stdin.take().expect("it is piped").write_all(b"\n").expect("it reads");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut rest).expect("text");
        assert_eq!(rest, "base\n", "{}", caller.name());
        assert!(child.wait().expect("it ends").success());
        // The next change takes it away.
        caller.import(&Layer::new().file("x", "").tar(), "other");
        assert_eq!(caller.stored()[0], [digest(&Layer::new().file("x", "").tar())[7..].to_owned()]);
    }
}

#[test]
fn a_killed_import_leaves_nothing_that_stays() {
    for caller in Caller::all() {
        let tar = base().tar();
        let mut child = caller.command(["image", "import", "-", "x"]).stdin(Stdio::piped()).spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(&tar[..tar.len() / 2]).expect("it reads");
        wait_for("something is on its way", || !caller.stored()[2].is_empty());
        // The launcher and the sandboxes go with it.
        child.kill().expect("killed");
        child.wait().expect("reaped");
        let [layers, names, incoming] = caller.stored();
        assert_eq!((layers.len(), names.len(), incoming.len()), (0, 0, 1), "{}", caller.name());
        drop(stdin);
        wait_for("the rest is swept", || {
            caller.import(&Layer::new().file("x", "").tar(), "other");
            caller.stored()[2].is_empty()
        });
        // An import that breaks off by itself leaves nothing at all.
        let said = caller.refused(&tar[..tar.len() / 2]);
        assert!(said.contains("it ends too early"), "{said}");
    }
}

#[test]
fn a_directory_of_something_else_is_not_touched() {
    for caller in Caller::all() {
        fs::create_dir(caller.path("data")).expect("made");
        fs::write(caller.path("data/precious"), "").expect("written");
        fs::set_permissions(caller.path("data"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("opened");
        let done = caller.feed(["image", "import", "-", "x"], &base().tar());
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("no data directory of belljar"), "{done:?}");
        assert!(!caller.images().exists());
    }
}

#[test]
fn root_uses_no_images_that_others_could_change() {
    for caller in Caller::all() {
        caller.import(&base().tar(), "x");
        let images = caller.images();
        fs::write(images.join("names/broken:1.json"), "{").expect("written");
        let done = caller.call(["image", "list"]);
        assert_eq!(done.code, Some(1), "{done:?}");
        let path = images.join("names/broken:1.json");
        assert!(done.stderr.contains(&format!("the record `{}`", path.display())), "by its name: {done:?}");
        assert_eq!(caller.call(["image", "remove", "broken:1"]).code, Some(0), "{}", caller.name());
        if caller.is_root() {
            let commands: [&[&str]; 3] =
                [&["image", "list"], &["image", "remove", "x"], &["run", "--rootfs", "image:x", "true"]];
            let moved = caller.path("data/moved");
            std::os::unix::fs::chown(&images, Some(1234), None).expect("given away");
            for command in commands {
                let done = caller.call(command.iter().copied());
                assert!(done.code != Some(0) && done.stderr.contains("belongs to user 1234"), "{done:?}");
            }
            std::os::unix::fs::chown(&images, Some(0), None).expect("taken back");
            fs::rename(&images, &moved).expect("renamed");
            std::os::unix::fs::symlink(&moved, &images).expect("linked");
            for command in commands {
                assert_ne!(caller.call(command.iter().copied()).code, Some(0), "through a link");
            }
            fs::remove_file(&images).expect("removed");
            fs::rename(&moved, &images).expect("renamed");
        }
        assert_eq!(caller.say("x", "cat /etc/issue"), "base\n");
    }
}
