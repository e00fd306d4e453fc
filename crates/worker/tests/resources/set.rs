//! The resources of an app, as its configuration says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use belljar_worker::config::{App, KvStore, Program, ResourceConfig};
use belljar_worker::resource::{Resources, Shared};

use super::*;

fn app(name: &str, resources: Vec<(&str, ResourceConfig)>) -> App {
    let program = Program::Executable { executable: "/bin/true".into(), args: Vec::new() };
    let mut app = App::new(name, program);
    app.resources = resources.into_iter().map(|(name, config)| (name.to_owned(), config)).collect();
    app
}

fn kv(file: PathBuf, hard: i64) -> ResourceConfig {
    ResourceConfig::Kv { store: KvStore::Embedded { file }, hard, soft: hard }
}

fn http(allow_private: &str) -> ResourceConfig {
    let allow_private = vec![allow_private.to_owned()];
    ResourceConfig::Http { timeout: Duration::from_secs(1), data_limit: 1, allow_private }
}

#[tokio::test]
async fn each_has_the_name_that_the_configuration_gives_it() {
    // 11, 47-49: a resource is found by its name, and its options are its own.
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kv.db");
    let outbound = ResourceConfig::Outbound { allowed_helper_metadata: vec!["a".to_owned()], endpoints: Vec::new() };
    let app = app(
        "app",
        vec![
            ("db", kv(file.clone(), 1)),
            ("more", kv(file, 2)),
            ("foo", ResourceConfig::Log),
            ("out", outbound),
            ("m", ResourceConfig::Metrics { prefix: "p".to_owned() }),
            ("files", ResourceConfig::Config { keys: BTreeMap::new() }),
            ("js", ResourceConfig::Js),
            ("http", http("10.0.0.0/8:80")),
        ],
    );
    let shared = Shared::default();
    let resources = Resources::open(&app, &shared).await.expect("resources");
    let run = Run::new(Profile::Strict, "sandbox1");
    for (name, command, fields, answer) in [
        ("foo", "info", json!({"msg": "hi"}), Answer::success()),
        ("out", "send_to", json!({"content": "", "to_addr": "1", "helper_metadata": {"a": 1}}), Answer::success()),
        ("m", "fire", json!({"metric": "a", "value": 1, "agg": "sum"}), Answer::success()),
        ("files", "get", json!({"key": "a"}), failure("Configuration key u'a' not found")),
        ("js", "done", json!({}), Answer::Silence),
        ("http", "get", json!({}), failure("No URL given")),
        // Both are the same store, with limits of their own.
        ("db", "set", json!({"key": "a", "value": 1}), Answer::success()),
        ("more", "get", json!({"key": "a"}), Answer::with("value", 1)),
        ("db", "set", json!({"key": "b", "value": 1}), failure("Too many keys")),
        // What belongs to one is unknown to another.
        ("db", "info", json!({"msg": "hi"}), Answer::Unknown),
        ("foo", "get", json!({"key": "a"}), Answer::Unknown),
        ("js", "exit", json!({}), Answer::Unknown),
    ] {
        let resource = resources.get(name).expect("a resource");
        assert_eq!(run.ask(resource, command, fields).await, answer, "{name}.{command}");
    }
    for name in ["kv", "log", "", "DB", "fallback"] {
        assert!(resources.get(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    for (config, says) in
        [(kv("/proc/nowhere/kv.db".into(), 1), "/proc/nowhere/kv.db"), (http("no such entry!"), "no such entry!")]
    {
        let error =
            Resources::open(&app("shop", vec![("thing", config)]), &Shared::default()).await.expect_err("refused");
        let text = error.to_string();
        assert!(text.starts_with("resource `thing` of app `shop`: ") && text.contains(says), "{text}");
    }
}
