//! Behaviours 22 to 28: what a request starts from.

use serde_json::{Value, json};

use crate::archive::{E1, E1_OVER_E2, contents, e1, e2, expected};
use crate::server::{Server, shared};

/// What the request finds in its directory, and the archive that is saved of it.
fn start(server: &Server, base: Option<&str>, upload: Option<&[u8]>) -> (String, Vec<u8>) {
    let mut config = json!({"commands": ["true"], "save": true});
    if let Some(base) = base {
        config["environment"] = json!(base);
    }
    let answer = match upload {
        Some(upload) => server.execute_with(&config, upload),
        None => server.execute(&config),
    };
    let id = answer["environment"].as_str().expect("an id").to_owned();
    let archive = server.download(&id);
    (id, archive)
}

#[test]
fn b22_nothing_and_nothing_is_an_empty_directory() {
    let Some(server) = shared() else { return };
    assert_eq!(contents(&start(&server, None, None).1), expected(&[]));
    let answer = server.execute(&json!({"commands": ["find . -mindepth 1"], "environment": Value::Null}));
    assert_eq!(answer["execution"][0]["stdout"], "");
}

#[test]
fn b23_b25_b26_one_archive_alone_is_unpacked_as_it_is() {
    let Some(server) = shared() else { return };
    let (id, of_upload) = start(&server, None, Some(&e1()));
    assert_eq!(contents(&of_upload), expected(&E1));
    let (other, of_base) = start(&server, Some(&id), None);
    assert_ne!(id, other);
    assert_eq!(contents(&of_base), expected(&E1));
    assert_eq!(server.download(&id), of_upload, "the first is left as it was");
}

#[test]
fn b24_b27_the_upload_wins_over_the_environment() {
    let Some(server) = shared() else { return };
    let base = server.save(&e2());
    let (_, merged) = start(&server, Some(&base), Some(&e1()));
    assert_eq!(contents(&merged), expected(&E1_OVER_E2));
}

#[test]
fn b28_an_unknown_environment_is_not_found_whatever_is_uploaded() {
    let Some(server) = shared() else { return };
    let config = json!({"commands": 5, "environment": "5d0bd0ba-0b40-4e0c-a7ba-c2bd3b9b5d1a"}).to_string();
    let form = crate::form::with_archive(&config, &e1());
    server.post(&form).refuses(404, "No environment with UUID '5d0bd0ba-0b40-4e0c-a7ba-c2bd3b9b5d1a' found");
}
