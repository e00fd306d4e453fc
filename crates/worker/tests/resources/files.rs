use std::collections::BTreeMap;
use std::path::Path;

use belljar_worker::resource::{Files, MAX_FILE_BYTES};

use super::*;

fn files(directory: &Path) -> Files {
    let names = ["plain", "empty", "missing", "latin", "large", "largest", "pipe", "directory"];
    let keys =
        names.map(|name| (name.to_owned(), if name == "directory" { directory.into() } else { directory.join(name) }));
    Files::new(BTreeMap::from(keys))
}

#[tokio::test]
async fn files_are_read_at_each_call() {
    // 62.
    let directory = tempfile::tempdir().expect("a directory");
    let files = files(directory.path());
    let run = Run::new(Profile::Strict, "sandbox1");
    for text in ["{\"foo\": 1}\n", "é\r\n\u{0}", ""] {
        std::fs::write(directory.path().join("plain"), text).expect("write");
        assert_eq!(run.ask(&files, "get", json!({"key": "plain"})).await, Answer::with("value", text));
    }
    let largest = usize::try_from(MAX_FILE_BYTES).expect("fits");
    std::fs::write(directory.path().join("largest"), vec![b'a'; largest]).expect("write");
    let answer = run.ask(&files, "get", json!({"key": "largest"})).await;
    assert!(matches!(answer, Answer::Success(fields) if fields["value"].as_str().map(str::len) == Some(largest)));
}

#[tokio::test]
async fn what_cannot_be_read_has_a_reason_at_once() {
    // 63, 64, W12.
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("latin"), b"caf\xe9").expect("write");
    std::fs::write(at("large"), vec![b'a'; usize::try_from(MAX_FILE_BYTES).expect("fits") + 1]).expect("write");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).expect("a pipe");
    let files = files(directory.path());
    for (key, strict, belljar) in [
        (json!("nothing"), "Configuration key u'nothing' not found", "Configuration key \"nothing\" not found"),
        (json!(null), "Configuration key None not found", "Configuration key null not found"),
        (json!(5), "Configuration key 5 not found", "Configuration key 5 not found"),
        (json!([]), "unhashable type: 'list'", "Configuration key [] not found"),
        (json!("missing"), "Cannot read file '{}'", "Cannot read file '{}': No such file or directory (os error 2)"),
        (
            json!("latin"),
            "Cannot read file '{}'",
            "Cannot read file '{}': 'utf8' codec can't decode byte 0xe9 in position 3: unexpected end of data",
        ),
        (json!("large"), "Cannot read file '{}'", "Cannot read file '{}': it has more than 4194304 bytes"),
        (json!("pipe"), "Cannot read file '{}'", "Cannot read file '{}': it is no file"),
        (json!("directory"), "Cannot read file '{}'", "Cannot read file '{}': it is no file"),
    ] {
        let path = match key.as_str() {
            Some("directory") => directory.path().to_owned(),
            name => at(name.unwrap_or_default()),
        };
        for (profile, reason) in [(Profile::Strict, strict), (Profile::Belljar, belljar)] {
            let run = Run::new(profile, "sandbox1");
            let expected = failure(&reason.replace("{}", &path.display().to_string()));
            assert_eq!(run.ask(&files, "get", json!({"key": key})).await, expected, "{key}");
        }
    }
    let run = Run::new(Profile::Strict, "sandbox1");
    assert_eq!(run.ask(&files, "get", json!({})).await, failure("Configuration key None not found"));
    assert_eq!(run.ask(&files, "set", json!({"key": "plain"})).await, Answer::Unknown);
}
