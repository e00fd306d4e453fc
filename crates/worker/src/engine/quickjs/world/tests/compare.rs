//! Each line of `snippets/` is an expression that is evaluated here and by Node; both must show the same.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::stage::Stage;
use super::{is_installed, skip};

/// What a value looks like, all that can be told of it, in either engine.
const SHOW: &str = include_str!("show.js");

const RANDOM: &str = include_str!("random.js");

const SNIPPETS: [(&str, &str); 10] = [
    ("assert", include_str!("snippets/assert.txt")),
    ("buffer", include_str!("snippets/buffer.txt")),
    ("crypto", include_str!("snippets/crypto.txt")),
    ("events", include_str!("snippets/events.txt")),
    ("globals", include_str!("snippets/globals.txt")),
    ("locale", include_str!("snippets/locale.txt")),
    ("path", include_str!("snippets/path.txt")),
    ("querystring", include_str!("snippets/querystring.txt")),
    ("url", include_str!("snippets/url.txt")),
    ("util", include_str!("snippets/util.txt")),
];

fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("// ")).collect()
}

/// A program that prints a JSON list of strings, one for each line.
fn program(lines: &[&str]) -> String {
    let list = serde_json::to_string(lines).unwrap();
    format!(
        "(async () => {{ const show = {SHOW}; const all = []; for (const line of {list}) all.push(await show(line, require)); return JSON.stringify(all); }})()"
    )
}

#[test]
fn built_in_modules_do_what_nodes_do() {
    if !is_installed("node") {
        return skip("built_in_modules_do_what_nodes_do", "node is not installed");
    }
    let mut different = Vec::new();
    for (name, text) in SNIPPETS {
        let lines = lines(text);
        let program = program(&lines);
        let ours: Vec<String> = serde_json::from_str(&Stage::new(&[]).evaluate(&program).unwrap()).unwrap();
        let theirs: Vec<String> = serde_json::from_str(&node(&program)).unwrap();
        assert_eq!(ours.len(), lines.len());
        for ((line, ours), theirs) in lines.iter().zip(&ours).zip(&theirs) {
            if ours != theirs {
                different.push(format!("{name}: {line}\n    ours: {ours}\n    node: {theirs}"));
            }
        }
    }
    assert!(different.is_empty(), "{} differ\n{}", different.len(), different.join("\n"));
}

/// Seeds that were never seen to differ; the first is the usual one, more can be given in `BELLJAR_TEST_SEEDS`.
#[test]
fn built_in_modules_do_what_nodes_do_with_made_up_inputs() {
    const INPUTS: u32 = 150;
    if !is_installed("node") {
        return skip("built_in_modules_do_what_nodes_do_with_made_up_inputs", "node is not installed");
    }
    let seeds = std::env::var("BELLJAR_TEST_SEEDS").unwrap_or_default();
    for seed in std::iter::once("7").chain(seeds.split_whitespace()) {
        let program = format!("({RANDOM})(require, {seed}, {INPUTS})");
        let ours: Vec<String> = serde_json::from_str(&Stage::new(&[]).evaluate(&program).unwrap()).unwrap();
        let theirs: Vec<String> = serde_json::from_str(&node(&program)).unwrap();
        assert_eq!(ours.len(), theirs.len());
        let different: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
        assert!(different.is_empty(), "seed {seed}: {} of {} differ: {different:#?}", different.len(), ours.len());
    }
}

pub(super) fn node(program: &str) -> String {
    let mut child = Command::new("node")
        .args(["--no-deprecation", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{program}.then((text) => process.stdout.write(text));").as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
