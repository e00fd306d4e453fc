//! Pulling from a registry, honest or not.

use std::fs;

use serde_json::{Value, json};

use super::Caller;
use super::archive::{Image, Layer, digest};
use super::registry::{Registry, Trouble};
use crate::support::Done;

fn pull(caller: &Caller, registry: &Registry, version: &str, more: &[&str]) -> Done {
    let reference = registry.reference(version);
    caller.call(["image", "pull", "--plain-http", &reference].into_iter().chain(more.iter().copied()))
}

fn image() -> (Layer, Layer, Image) {
    let lower = Layer::new().with_programs().directory("etc").file("etc/issue", "pulled\n");
    let upper = Layer::new().file("upper", vec![7; 300_000]);
    let image = Image::of(&[&lower, &upper]);
    (lower, upper, image)
}

/// A small image, for what does not have to run.
fn small() -> Image {
    Image::of(&[&Layer::new().file("x", (0..=255).cycle().take(200_000).collect::<Vec<u8>>())])
}

#[test]
fn an_image_is_pulled_once_and_runs() {
    for caller in Caller::all() {
        let registry = Registry::start();
        let (_, _, image) = image();
        let by_digest = registry.put(&image, "1");
        let done = pull(&caller, &registry, ":1", &["--json"]);
        assert_eq!(done.code, Some(0), "{}: {done:?}", caller.name());
        let pulled: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(pulled["name"], registry.reference(":1"));
        assert_eq!(pulled["id"], digest(&image.documents().1));
        assert_eq!(caller.say(&registry.reference(":1"), "cat /etc/issue"), "pulled\n");
        registry.asked();
        let done = pull(&caller, &registry, &format!("@{by_digest}"), &["by-digest"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let paths: Vec<String> = registry.asked().into_iter().map(|asked| asked.path).collect();
        assert_eq!(paths.len(), 2, "the manifest and the configuration; the layers are there: {paths:?}");
        assert_eq!(caller.stored()[0].len(), 2);
    }
}

#[test]
fn the_image_for_this_machine_is_taken() {
    for caller in Caller::all() {
        let registry = Registry::start();
        let (ours, mut other) = (small(), small());
        other.config["architecture"] = json!("arm64");
        registry.put(&ours, "ours");
        registry.put(&other, "other");
        let entries = [Registry::entry(&other, "linux/arm64"), Registry::entry(&ours, "linux/amd64")];
        registry.file("manifests/all", json!({"schemaVersion": 2, "manifests": entries}).to_string().as_bytes());
        registry
            .file("manifests/others", json!({"schemaVersion": 2, "manifests": entries[..1]}).to_string().as_bytes());
        let done = pull(&caller, &registry, ":all", &["x", "--json"]);
        let pulled: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(pulled["id"], digest(&ours.documents().1));
        for (version, said) in [
            (":others", "the image is for linux/arm64, not for linux/amd64"),
            (":other", "the image is for linux/arm64, not for linux/amd64"),
            (":nothing", "the registry has no manifests/nothing of team/x"),
        ] {
            let done = pull(&caller, &registry, version, &["y"]);
            assert_eq!(done.code, Some(1), "{done:?}");
            assert!(done.stderr.contains(said), "{done:?}");
        }
        assert_eq!(caller.stored()[1], ["x:latest.json"]);
    }
}

#[test]
fn who_we_are_is_told_to_the_registry_and_nobody_else() {
    for caller in Caller::all() {
        let (registry, storage) = (Registry::start(), Registry::start());
        let image = small();
        registry.put(&image, "1");
        let blob = format!("blobs/{}", digest(&image.blobs[0]));
        storage.file(&blob, &image.blobs[0]);
        registry.trouble(&blob, [Trouble::Redirect(format!("http://{}/v2/team/x/{blob}", storage.address))]);
        // "me:secret"
        let basic = "Basic bWU6c2VjcmV0";
        registry.ask_for_token(Some(basic), "the-token");
        let done = pull(&caller, &registry, ":1", &["x"]);
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains("without credentials") && done.stderr.contains("docker login"), "{done:?}");

        let reference = registry.reference(":1");
        let mut command = caller.command(["image", "pull", "--plain-http", &reference, "x"]);
        command.env("BELLJAR_REGISTRY_USERNAME", "me").env("BELLJAR_REGISTRY_PASSWORD", "wrong");
        let done: Done = command.output().expect("it starts").into();
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains("not to this user") && !done.stderr.contains("wrong"), "{done:?}");

        let logins = json!({"auths": {registry.address.to_string(): {"auth": "bWU6c2VjcmV0"}}});
        caller.write("config.json", logins.to_string().as_bytes());
        let mut command = caller.command(["image", "pull", "--plain-http", &reference, "x"]);
        registry.asked();
        let done: Done = command.env("DOCKER_CONFIG", caller.path("")).output().expect("it starts").into();
        assert_eq!(done.code, Some(0), "{done:?}");
        for asked in registry.asked() {
            let expected = match asked.path.starts_with("/token?") {
                true => Some(basic),
                false => asked.authorization.is_some().then_some("Bearer the-token"),
            };
            assert_eq!(asked.authorization.as_deref(), expected, "{asked:?}");
        }
        let elsewhere = storage.asked();
        assert!(elsewhere.iter().all(|asked| asked.authorization.is_none()) && elsewhere.len() == 1, "{elsewhere:?}");
    }
}

#[test]
fn anybody_may_get_a_token() {
    for caller in Caller::all() {
        let registry = Registry::start();
        registry.put(&small(), "1");
        registry.ask_for_token(None, "for-all");
        let done = pull(&caller, &registry, ":1", &["x"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let asked = registry.asked();
        let token = asked.iter().find(|asked| asked.path.starts_with("/token?")).expect("a token was asked for");
        assert_eq!(token.path, "/token?scope=repository%3Ateam%2Fx%3Apull&service=test");
        assert_eq!(token.authorization, None);
    }
}

#[test]
fn what_breaks_off_is_asked_for_again() {
    for caller in Caller::all() {
        let registry = Registry::start();
        let image = small();
        let manifest = registry.put(&image, "1");
        let blob = format!("blobs/{}", digest(&image.blobs[0]));
        registry.trouble("manifests/1", [Trouble::Status(503), Trouble::Status(429), Trouble::Cut(10)]);
        // The second time it begins anew, whatever was asked for.
        registry.trouble(&blob, [Trouble::Cut(50), Trouble::Status(500), Trouble::Cut(70)]);
        let done = pull(&caller, &registry, ":1", &["x"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let ranges: Vec<Option<String>> =
            registry.asked().into_iter().filter(|asked| asked.path.ends_with(&blob)).map(|asked| asked.range).collect();
        let from = |byte: &str| Some(format!("bytes={byte}-"));
        assert_eq!(ranges, [None, from("50"), from("50"), from("70")], "only what is missing");
        // What stays broken is given up.
        registry.trouble(&format!("manifests/{manifest}"), vec![Trouble::Status(502); 20]);
        registry.asked();
        let done = pull(&caller, &registry, &format!("@{manifest}"), &["y"]);
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains("the registry answered 502"), "{done:?}");
        assert_eq!(registry.asked().len(), 5);
        assert_eq!(caller.stored()[2], Vec::<String>::new());
    }
}

#[test]
fn what_is_not_what_it_should_be_is_refused() {
    for caller in Caller::all() {
        let registry = Registry::start();
        let image = small();
        let (manifest, config) = image.documents();
        let by_digest = format!("@{}", registry.put(&image, "1"));
        let (manifest_path, config_path) =
            (format!("manifests/{}", digest(&manifest)), format!("blobs/{}", digest(&config)));
        let layer_path = format!("blobs/{}", digest(&image.blobs[0]));
        let changed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[20] ^= 1;
            Trouble::Instead(bytes)
        };
        let longer = |bytes: &[u8]| Trouble::Instead([bytes, b"more"].concat());
        let elsewhere = |target: &str| Trouble::Redirect(target.to_owned());
        let cases: Vec<(&str, Trouble, &str)> = vec![
            (&manifest_path, changed(&manifest), "the manifest should be sha256:"),
            (&config_path, changed(&config), "the configuration should be sha256:"),
            (&layer_path, changed(&image.blobs[0]), "layer 1 of 1 should be sha256:"),
            (&layer_path, longer(&image.blobs[0]), "layer 1 of 1 is longer than"),
            (&manifest_path, Trouble::Instead(vec![b' '; 5 << 20]), "the manifest is longer than 4194304 bytes"),
            (&config_path, Trouble::Instead(vec![b' '; 5 << 20]), "the configuration is longer than 4194304 bytes"),
            (&layer_path, Trouble::Instead(Vec::new()), "broke off after 0 of"),
            // Nobody goes there.
            (&layer_path, elsewhere("http://192.0.2.1/x?signature=secret"), "'http://192.0.2.1/x', where we do not go"),
            (&layer_path, elsewhere("file:///etc/passwd"), "where we do not go"),
            (&layer_path, elsewhere(&format!("http://{}/v2/team/x/{layer_path}", registry.address)), "again and again"),
        ];
        for (path, trouble, said) in cases {
            registry.trouble(path, vec![trouble; 10]);
            let done = pull(&caller, &registry, &by_digest, &["x"]);
            assert_eq!(done.code, Some(1), "{said}: {done:?}");
            assert!(done.stderr.contains(said) && !done.stderr.contains("secret"), "{said}: {done:?}");
            assert_eq!(caller.stored(), [const { Vec::<String>::new() }; 3], "{said}");
            registry.trouble(path, []);
        }
    }
}

#[test]
fn without_encryption_only_this_machine_is_asked() {
    for caller in Caller::all() {
        for (reference, said) in [
            ("192.0.2.1:5000/x", "is not on this machine, so it is not asked without encryption"),
            ("localhost.example/x", "is not on this machine"),
            ("debian:13", "there is no default registry"),
            ("registry.example/UPPER", "names no image of a registry"),
        ] {
            let done = caller.call(["image", "pull", "--plain-http", reference]);
            assert_eq!(done.code, Some(2), "{done:?}");
            assert!(done.stderr.contains(said), "{done:?}");
        }
        // A registry without encryption is not taken for one with.
        let registry = Registry::start();
        registry.put(&small(), "1");
        let done = caller.call(["image", "pull", &registry.reference(":1"), "x", "--max-files", "1"]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains("cannot be reached"), "{done:?}");
        assert!(!fs::exists(caller.images().join("names/x:latest.json")).expect("known"));
    }
}
