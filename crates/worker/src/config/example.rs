//! The app that runs where nobody configured one.

use std::path::Path;

use super::{App, JavaScriptEngine, KvStore, Program, ResourceConfig, Source, Worker};

/// The text of the example app: a guest book that uses keys and values, sessions and the log, and no library.
pub const EXAMPLE_APP: &str = include_str!("../../examples/guestbook.js");

/// A worker with [`EXAMPLE_APP`] as its only app, which keeps its keys and values in a file in `data_dir`.
#[must_use]
pub fn example(data_dir: &Path) -> Worker {
    let program = Program::JavaScript {
        source: Source::Inline(EXAMPLE_APP.to_owned()),
        app_context: None,
        engine: JavaScriptEngine::Auto { node: super::node::find() },
        node_modules: Vec::new(),
    };
    let store = KvStore::Embedded { file: data_dir.join("guestbook.db") };
    let resources = [
        ("js", ResourceConfig::Js),
        ("log", ResourceConfig::Log),
        ("kv", ResourceConfig::Kv { store, hard: 1000, soft: 800 }),
        ("outbound", ResourceConfig::Outbound { allowed_helper_metadata: Vec::new(), endpoints: Vec::new() }),
    ];
    let mut app = App::new("guestbook", program);
    app.sandbox_id = Some("guestbook".to_owned());
    app.logging_resource = Some("log".to_owned());
    app.resources = resources.into_iter().map(|(name, resource)| (name.to_owned(), resource)).collect();
    Worker::new(vec![app], data_dir.to_owned())
}
