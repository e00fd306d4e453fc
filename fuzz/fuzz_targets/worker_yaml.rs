//! Throws anything at the reader of vxsandbox's configuration files.
#![no_main]

use belljar_worker::config::tree::{Node, Value};
use belljar_worker::config::yaml::{NoFiles, parse};
use belljar_worker::config::{Place, Writing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let file = Place::new(Writing::File("fuzz.yaml".into()));
    if let Ok(tree) = parse(text, &file, &mut NoFiles, &mut Vec::new()) {
        // However much aliases stand for, and however deep it goes, there is an end.
        assert!(size(&tree, 0) <= 200_000);
        // What is shown of a value in messages is never long.
        assert!(tree.shown().len() < 1000);
    }
});

/// Values in a tree.
fn size(node: &Node, depth: usize) -> usize {
    assert!(depth <= 50);
    match &node.value {
        Value::List(items) => items.iter().map(|item| size(item, depth + 1)).sum::<usize>() + 1,
        Value::Table(entries) => entries.iter().map(|(_, item)| size(item, depth + 1)).sum::<usize>() + 1,
        _ => 1,
    }
}
