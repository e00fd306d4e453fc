//! The reader, the writer and the printer beside the ones they stand in for.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Value, read, write};
use crate::premierlangage::pyrepr;

const PYTHON: &str = "/usr/bin/python3";

/// Reads a line of hexadecimal UTF-8, answers with a line of hexadecimal UTF-8.
const ORACLE: &str = r#"
import json, sys, unicodedata
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
for line in sys.stdin:
    kind, _, text = line.rstrip("\n").partition(" ")
    text = bytes.fromhex(text).decode()
    if kind == "json":
        try:
            value = json.loads(text)
            answer = "ok\n" + repr(value) + "\n" + str(value) + "\n" + json.dumps(value)
            # Characters unknown to this version of Python may be printable in newer tables.
            if any(unicodedata.category(c) == "Cn" for c in json.dumps(value, ensure_ascii=False)):
                answer = "unknown"
        except json.JSONDecodeError as error:
            answer = "error\n" + str(error)
    elif kind == "strip":
        answer = text.strip()
    elif kind == "printable":
        answer = "".join("?10"[0 if unicodedata.category(c) == "Cn" else 1 if c.isprintable() else 2] for c in text)
    answer = answer.encode("utf-8", "backslashreplace")
    sys.stdout.write(answer.hex() + "\n")
    sys.stdout.flush()
"#;

struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// `None`, with the reason on standard error, on a machine without it, and with one whose words differ.
    fn start() -> Option<Self> {
        let version = Command::new(PYTHON).args(["-c", "import sys; print(sys.version_info < (3, 13))"]).output();
        match version {
            Ok(output) if output.stdout.starts_with(b"True") => {}
            Ok(_) => {
                eprintln!("skipped: Python 3.13 words some errors anew");
                return None;
            }
            Err(error) => {
                eprintln!("skipped: no {PYTHON}: {error}");
                return None;
            }
        }
        let mut child =
            Command::new(PYTHON).args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, input, output })
    }

    fn ask(&mut self, kind: &str, text: &str) -> String {
        let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.input, "{kind} {hexadecimal}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let bytes = line.trim_end().as_bytes().chunks(2);
        let bytes = bytes.map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()).collect();
        String::from_utf8(bytes).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the oracle says of a JSON text, said by us.
fn ours(text: &str) -> String {
    match read(text) {
        Ok(value) => format!("ok\n{}\n{}\n{}", pyrepr::repr(&value), backslashed(&value), write(&value)),
        Err(error) => format!("error\n{error}"),
    }
}

/// `str(value)` with lone surrogates as the oracle sends them.
fn backslashed(value: &Value) -> String {
    let text = pyrepr::str(value);
    text.code_points()
        .map(|point| match point {
            Ok(character) => character.to_string(),
            Err(surrogate) => format!("\\u{surrogate:04x}"),
        })
        .collect()
}

#[test]
fn table_agrees() {
    let Some(mut python) = Python::start() else {
        return;
    };
    let cases = [
        "",
        " ",
        "\n",
        "null",
        "nul",
        "nulll",
        "true",
        "True",
        "false",
        "NaN",
        "-NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "Infinit",
        "-Infinit",
        "+1",
        "0",
        "-0",
        "-",
        "01",
        "-01",
        "1.",
        "1.e5",
        ".5",
        "1e",
        "1e+",
        "1E5",
        "1e-5",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1",
        "-0.0",
        "1.50",
        "1e15",
        "1e16",
        "123456789012345678",
        "1.7976931348623157e308",
        "5e-324",
        "0.0001",
        "0.00001",
        "9007199254740993",
        "9007199254740993.0",
        "123456789012345678901234567890123",
        "[",
        "[]",
        "[ ]",
        "[1",
        "[1,",
        "[1,]",
        "[1 ,2 ]",
        "[,]",
        "[1 2]",
        "]",
        "{",
        "{}",
        "{ }",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{1:2}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "\"",
        "\"\\",
        "\"\\\"",
        "\"a",
        "\"\\u",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u1234",
        "\"\\u1234\"",
        "\"\\u12G4\"",
        "\"\\u 123\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\\u\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud83d\\ud83d\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\n\"",
        "\"\\ud83d\\uZZZZ\"",
        "\"\\ud83d\\ude00",
        "\"\\ud83d\\ude0",
        "\"\\b\\f\\n\\r\\t\\/\\\\\"",
        "\"\\x41\"",
        "\"\\'\"",
        "\"\t\"",
        "\"\n\"",
        "\"\u{7f}\u{80}\u{a0}é€😀\"",
        "\"'\"",
        "[\"'\"]",
        "[\"\\\"\"]",
        "[\"'\\\"\"]",
        "[\"\\ud800\"]",
        "{\"'\":[null,{\"b\":NaN}]}",
        "\u{feff}{}",
        " \u{feff}{}",
        "{}\u{feff}",
        "\u{a0}1",
        "\u{b}1",
        "1\u{c}",
        "{\"é\n\":1}",
        "{\n\"é\":\n\nx}",
        "\r\n[\r\nx]",
        "[1]]",
        "1 2",
        "٣",
        "[\"😀\" x]",
    ];
    for text in cases {
        assert_eq!(ours(text), python.ask("json", text), "{text:?}");
    }
}

/// Text that is nearly JSON: written from a value, then changed in a few places.
fn nearly_json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-Infinity".to_owned()),
        Just("NaN".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("NaN is not written like that", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        (-20i32..20, any::<u32>()).prop_map(|(exponent, digits)| format!("{digits}.{digits}e{exponent}")),
        "[\\PC'\"\\\\ -~]{0,6}".prop_map(|text| write(&Value::from(text))),
        "(\\\\u[dD][89a-f][0-9a-f]{2}|\\\\u[0-9a-f]{4}|\\\\[nrtbf/\"\\\\]|[a-zé'😀]){0,5}"
            .prop_map(|text| format!("\"{text}\"")),
    ];
    let json = scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(("[ab'é]{0,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":\n{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let change = (any::<prop::sample::Index>(), 0..4u8, "[]\\[{}\",:\\\\u0-9eE.+\\- \n\tdé😀\u{1}-]");
    (json, prop::collection::vec(change, 0..3)).prop_map(|(json, changes)| {
        let mut characters: Vec<char> = json.chars().collect();
        for (index, kind, replacement) in changes {
            let at = index.index(characters.len() + 1);
            match kind {
                0 => characters.truncate(at),
                1 if at < characters.len() => drop(characters.remove(at)),
                2 if at < characters.len() => characters.splice(at..=at, replacement.chars()).for_each(drop),
                _ => characters.splice(at..at, replacement.chars()).for_each(drop),
            }
        }
        characters.into_iter().collect()
    })
}

#[test]
fn nearly_json_agrees() {
    let Some(python) = Python::start() else {
        return;
    };
    let python = std::cell::RefCell::new(python);
    let mut runner = TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    runner
        .run(&nearly_json(), |text| {
            let theirs = python.borrow_mut().ask("json", &text);
            prop_assume!(theirs != "unknown");
            prop_assert_eq!(ours(&text), theirs);
            Ok(())
        })
        .unwrap();
}

#[test]
fn difficult_floats_agree() {
    let Some(mut python) = Python::start() else {
        return;
    };
    // Powers of two, where the gaps to the two neighbours differ, and their neighbours; powers of ten; ties.
    let powers = (0..0x7ff_u64).flat_map(|exponent| [0, 1, 2].map(|offset| (exponent << 52) + offset));
    let below = (1..0x7ff_u64).map(|exponent| (exponent << 52) - 1);
    let binary = powers.chain(below).map(f64::from_bits);
    let decimal = (-330..309).filter_map(|exponent| format!("1e{exponent}").parse().ok());
    let ties = (0..200_u32).map(|step| 1_126_576_131_126_576.0 + 0.25 + f64::from(step) * 0.5);
    let numbers = binary.chain(decimal).chain(ties).flat_map(|number| [number, -number]);
    let list: Vec<_> = numbers.map(|number| format!("{number:e}")).collect();
    for numbers in list.chunks(500) {
        // Not integers to the reader: each has an exponent.
        let text = format!("[{}]", numbers.join(","));
        assert_eq!(ours(&text), python.ask("json", &text));
    }
}

#[test]
fn every_character_agrees() {
    let Some(mut python) = Python::start() else {
        return;
    };
    let characters: Vec<char> = ('\u{80}'..=char::MAX).collect();
    for block in characters.chunks(8192) {
        let text: String = block.iter().collect();
        let answer = python.ask("printable", &text);
        for (character, known) in block.iter().zip(answer.chars()) {
            let printed = pyrepr::repr(&Value::Array(vec![Value::from(character.to_string())]));
            let printable = printed == format!("['{character}']");
            assert!(known == '?' || printable == (known == '1'), "{character:?} {known}");
        }
    }
    for character in '\0'..'\u{3100}' {
        let stripped = python.ask("strip", &format!("{character}a")).chars().count() == 1;
        assert_eq!(pyrepr::is_whitespace(character), stripped, "{character:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,40}|[\\[\\]{}\",:\\\\u0-9deE.+\\-]{0,40}") {
        if let Ok(value) = read(&text) {
            let _ = pyrepr::repr(&value);
            let written = write(&value);
            prop_assert!(written.is_ascii());
            // NaN is not equal to itself, so the texts are compared.
            prop_assert_eq!(write(&read(&written).unwrap()), written);
        }
    }
}
