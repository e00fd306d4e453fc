//! The app that runs where nobody configured one.

use std::path::Path;

use super::problem::{Place, Writing};
use super::tree::{Node, Value};

/// The name of the example app.
pub(super) const NAME: &str = "guestbook";

/// The text of the example app: a guest book that uses keys and values, sessions and the log, and no library.
pub const EXAMPLE_APP: &str = include_str!("../../examples/guestbook.js");

/// Its table, as it would be in a file: settings of the worker hold for it as for any other app. It keeps its keys and values in
/// `data_dir`.
pub(super) fn table(data_dir: &Path) -> Node {
    let place = Place::new(Writing::Flag("--console".to_owned()));
    let mut table = Node::empty(place.clone());
    let mut set = |path: &[&str], value: Value| table.set(path, Node::new(value, place.clone()));
    set(&["javascript"], Value::Text(EXAMPLE_APP.to_owned()));
    set(&["resources", "kv", "file"], Value::Text(data_dir.join("guestbook.db").to_string_lossy().into_owned()));
    set(&["resources", "kv", "keys_per_user_hard"], Value::Integer(1000));
    table
}
