use proptest::prelude::*;

use super::super::problem::Writing;
use super::*;

fn read(text: &str) -> Result<Node, Problem> {
    parse(text, &Place::new(Writing::File("w.yaml".into())), &mut NoFiles, &mut Vec::new())
}

/// The tree as JSON, for comparisons.
fn json(text: &str) -> serde_json::Value {
    read(text).unwrap_or_else(|problem| panic!("{text}: {problem}")).to_json()
}

#[test]
fn documents_mean_what_pyyaml_makes_of_them() {
    use serde_json::json;
    // As printed by yaml.safe_load of PyYAML 6.
    let cases = [
        ("", json!(null)),
        ("# only words\n", json!(null)),
        ("--- {a: 1}\n...\n", json!({"a": 1})),
        ("a: yes\nb: 'yes'\nc: \"no\"\nd: No", json!({"a": true, "b": "yes", "c": "no", "d": false})),
        ("on: off", json!({"on": false})),
        ("a: 010\nb: 0x10\nc: 1_000", json!({"a": 8, "b": 16, "c": 1000})),
        ("a: 1e3\nb: 1.0e+3", json!({"a": "1e3", "b": 1000.0})),
        ("a:\nb: ~\nc: ''", json!({"a": null, "b": null, "c": ""})),
        ("a: !!str 12\nb: !!int '12'\nc: !!float 3\nd: ! 12", json!({"a": "12", "b": 12, "c": 3.0, "d": 12})),
        ("a: |\n  one\n  two\nb: >-\n  one\n  two", json!({"a": "one\ntwo\n", "b": "one two"})),
        ("a: &x [1, 2]\nb: *x", json!({"a": [1, 2], "b": [1, 2]})),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", json!({"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}})),
        (
            "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}",
            json!({"a": {"k": 1}, "b": {"k": 2, "m": 3}, "c": {"k": 1, "m": 3}}),
        ),
        ("a: {'<<': 1}", json!({"a": {"<<": 1}})),
        ("k: 1\nk: 2", json!({"k": 2})),
        ("url: http://example.org:80/#a\nb: a # words", json!({"url": "http://example.org:80/#a", "b": "a"})),
        ("\u{feff}a: é", json!({"a": "é"})),
    ];
    for (text, expected) in cases {
        assert_eq!(json(text), expected, "{text}");
    }
}

#[test]
fn what_is_refused_is_named_with_its_line() {
    let cases = [
        ("a: 1\nb: !!python/object:os.system x", "w.yaml:2: the tag !!python/object:os.system means nothing here"),
        ("a: !other x", "w.yaml:1: the tag !other means nothing here"),
        ("a: !other [x]", "w.yaml:1: the tag !other means nothing here"),
        ("a: !!int x", "w.yaml:1: \"x\" is no !!int"),
        ("a: 1\n--- \nb: 2", "w.yaml:2: a second document; a configuration is one document"),
        ("[1, 2]: 3", "w.yaml:1: a key that is a list or a table"),
        ("a: &x [*x]", "w.yaml:1: an alias of what is no value, or contains it"),
        ("a: 1\n<<: 2", "w.yaml:2: <<: only tables can be merged"),
        ("a: !include b.yaml", "w.yaml:1: !include b.yaml: no file can be included here"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).expect_err(text).to_string(), expected, "{text}");
    }
    for text in ["a: [1", "a: 'x", "a: b: c", "{", "a: *nothing", "%YAML"] {
        let problem = read(text).expect_err(text).to_string();
        assert!(problem.starts_with("w.yaml:") && problem.contains(": not YAML: "), "{text}: {problem}");
    }
}

#[test]
fn a_key_that_is_there_twice_is_pointed_out() {
    let mut warnings = Vec::new();
    let file = Place::new(Writing::File("w.yaml".into()));
    parse("a: 1\nb: 2\na: 3", &file, &mut NoFiles, &mut warnings).expect("valid");
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["w.yaml:3: a: set again, over the value at w.yaml:1"]);
}

#[test]
fn what_grows_without_end_is_refused() {
    // Each line is ten times the one before: 10^9 values in all.
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for line in 1..9 {
        let aliases = vec![format!("*a{}", line - 1); 10].join(", ");
        text.push_str(&format!("a{line}: &a{line} [{aliases}]\n"));
    }
    let problem = read(&text).expect_err("too much").to_string();
    assert!(problem.ends_with(": more than 100000 values"), "{problem}");
    let problem = read(&"[".repeat(60)).expect_err("too deep").to_string();
    assert!(read(&"[".repeat(100_000)).is_err() && read(&"- ".repeat(100_000)).is_err());
    assert_eq!(problem, "w.yaml:1: more than 50 lists and tables within one another");
}

#[test]
fn files_include_files() {
    let place = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).expect("written");
    std::fs::create_dir(place.path().join("inner")).expect("made");
    write("inner/rlimits.yaml", "RLIMIT_CPU: !include cpu.yaml");
    write("inner/cpu.yaml", "[1, 2]");
    write("self.yaml", "a: !include inner/../self.yaml");
    write("latin", "\u{e9}");
    std::fs::write(place.path().join("latin"), b"\xe9").expect("written");
    write("wrong.yaml", "\n\na: [");
    let read = |text: &str| {
        write("w.yaml", text);
        let mut files = Files::default();
        let path = place.path().join("w.yaml");
        let text = files.read(&path)?;
        parse(&text, &Place::new(Writing::File(path)), &mut files, &mut Vec::new())
            .map_err(|problem| problem.to_string())
    };
    let read_whole = read("a: !include inner/rlimits.yaml\nb: !include inner/cpu.yaml").expect("valid");
    assert_eq!(read_whole.to_json(), serde_json::json!({"a": {"RLIMIT_CPU": [1, 2]}, "b": [1, 2]}));
    let cases = [
        ("a: !include self.yaml", "self.yaml:1: !include inner/../self.yaml: it includes itself"),
        ("a: !include w.yaml", "w.yaml:1: !include w.yaml: it includes itself"),
        ("a: !include none.yaml", "w.yaml:1: !include none.yaml: No such file or directory (os error 2)"),
        ("a: !include latin", "w.yaml:1: !include latin: not UTF-8 text"),
        ("a: !include inner", "w.yaml:1: !include inner: not a regular file"),
        ("a: !include /dev/zero", "w.yaml:1: !include /dev/zero: not a regular file"),
    ];
    for (text, expected) in cases {
        let problem = read(text).expect_err(text);
        let expected = format!("{}/{expected}", place.path().display());
        assert_eq!(problem, expected);
    }
    assert!(read("a: !include wrong.yaml").expect_err("wrong").contains("wrong.yaml:"));
    let many: String = (0..70).map(|number| format!("a{number}: !include inner/cpu.yaml\n")).collect();
    assert!(read(&many).expect_err("many").ends_with("more than 64 files"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn nothing_that_looks_like_yaml_panics(text in "[-a&*!<:?|>%@`'\"{}\\[\\],#~ \n\t0-9]{0,60}") {
        let _ = read(&text);
    }
}
