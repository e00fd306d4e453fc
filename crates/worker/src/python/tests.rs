//! What is expected here is what Python 2.7.18 printed.

use serde_json::{Value, json};

use super::*;

#[test]
fn values_look_as_python_shows_them() {
    for (value, shown, texted) in [
        (json!({"a": [1, true, null, "é"]}), r"{u'a': [1, True, None, u'\xe9']}", r"{u'a': [1, True, None, u'\xe9']}"),
        (json!("it's"), r#"u"it's""#, "it's"),
        (json!("it's \"so\""), r#"u'it\'s "so"'"#, "it's \"so\""),
        (json!("a\\b\n\u{7f}\u{20ac}\u{1f600}"), r"u'a\\b\n\x7f\u20ac\U0001f600'", "a\\b\n\u{7f}\u{20ac}\u{1f600}"),
        (json!([]), "[]", "[]"),
        (json!(u64::MAX), "18446744073709551615L", "18446744073709551615"),
        (json!([u64::MAX]), "[18446744073709551615L]", "[18446744073709551615L]"),
        (json!([1.123_456_789_012_345_6]), "[1.1234567890123457]", "[1.1234567890123457]"),
        (Value::Null, "None", "None"),
        (json!(false), "False", "False"),
    ] {
        assert_eq!(repr(&value), shown);
        assert_eq!(text(&value), texted);
    }
}

#[test]
fn floats_look_as_python_shows_them() {
    for (float, shown, texted) in [
        (0.0, "0.0", "0.0"),
        (-0.0, "-0.0", "-0.0"),
        (1.0, "1.0", "1.0"),
        (1.5, "1.5", "1.5"),
        (100.0, "100.0", "100.0"),
        (1e15, "1000000000000000.0", "1e+15"),
        (123456789012345678.0, "1.2345678901234568e+17", "1.23456789012e+17"),
        (1e16, "1e+16", "1e+16"),
        (1e22, "1e+22", "1e+22"),
        (0.1, "0.1", "0.1"),
        (1e-4, "0.0001", "0.0001"),
        (1e-5, "1e-05", "1e-05"),
        (1.5e-7, "1.5e-07", "1.5e-07"),
        (1.1234567890123456, "1.1234567890123457", "1.12345678901"),
        (1e10, "10000000000.0", "10000000000.0"),
        (1e11, "100000000000.0", "1e+11"),
        (12345678901.5, "12345678901.5", "12345678901.5"),
        (1e100, "1e+100", "1e+100"),
        (-2.5e-300, "-2.5e-300", "-2.5e-300"),
        (5e-324, "5e-324", "4.94065645841e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308", "1.79769313486e+308"),
        (99999999999.95, "99999999999.95", "99999999999.9"),
        (999999999999.5, "999999999999.5", "1e+12"),
        (0.00012345678901234, "0.00012345678901234", "0.000123456789012"),
    ] {
        assert_eq!(repr_float(float), shown);
        assert_eq!(text(&json!(float)), texted);
    }
    for (float, shown) in [(f64::NAN, "nan"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        assert_eq!(repr_float(float), shown);
    }
}

#[test]
fn floats_are_read_as_python_reads_them() {
    for (value, read) in [
        (json!(2), Some(2.0)),
        (json!("2"), Some(2.0)),
        (json!(true), Some(1.0)),
        (json!(" 2\n"), Some(2.0)),
        (json!("\u{a0}1\u{1c}"), Some(1.0)),
        (json!("1."), Some(1.0)),
        (json!(".5"), Some(0.5)),
        (json!("+1e3"), Some(1000.0)),
        (json!("1e400"), Some(f64::INFINITY)),
        (json!("-Infinity"), Some(f64::NEG_INFINITY)),
        (json!("inf"), Some(f64::INFINITY)),
        (json!("infinit"), None),
        (json!("0x10"), None),
        (json!("1_0"), None),
        (json!("1L"), None),
        (json!("12e"), None),
        (json!("1\u{0}"), None),
        (json!(""), None),
        (json!("  "), None),
        (json!("abc"), None),
        (Value::Null, None),
        (json!({}), None),
        (json!([1]), None),
    ] {
        assert_eq!(float(&value), read, "{value}");
    }
    for text in ["nan", "+NaN", " -nan "] {
        assert!(float(&json!(text)).is_some_and(f64::is_nan), "{text}");
    }
}

#[test]
fn json_that_cannot_be_read_gets_pythons_words() {
    for (text, error) in [
        ("", "No JSON object could be decoded"),
        (" ", "No JSON object could be decoded"),
        ("abc", "No JSON object could be decoded"),
        ("{", "Expecting object: line 1 column 1 (char 0)"),
        ("[1", "Expecting object: line 1 column 2 (char 1)"),
        ("1 2", "Extra data: line 1 column 3 - line 1 column 4 (char 2 - 3)"),
        (r#"{"a":1}x"#, "Extra data: line 1 column 8 - line 1 column 9 (char 7 - 8)"),
        (r#""abc"#, "Unterminated string starting at: line 1 column 1 (char 0)"),
        ("\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)"),
        ("nan", "No JSON object could be decoded"),
        ("NaN", ""),
        ("-Infinity", ""),
        ("01", "Extra data: line 1 column 2 - line 1 column 3 (char 1 - 2)"),
        ("1.", "Extra data: line 1 column 2 - line 1 column 3 (char 1 - 2)"),
        ("-", "No JSON object could be decoded"),
        ("[1,]", "No JSON object could be decoded"),
        (r#"{"a":1,}"#, "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)"),
        ("{a:1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (r#""\x""#, r#"Invalid \escape: line 1 column 2 (char 1)"#),
        (r#""\u12""#, r#"Invalid \uXXXX escape: line 1 column 3 (char 2)"#),
        ("tru", "No JSON object could be decoded"),
        (r#"{"a" 1}"#, "Expecting ':' delimiter: line 1 column 6 (char 5)"),
        (r#"{"a":}"#, "No JSON object could be decoded"),
        ("[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)"),
        (" 1 ", ""),
        ("1\n2", "Extra data: line 2 column 1 - line 2 column 2 (char 2 - 3)"),
        (r#"{"a":1 "b"}"#, "Expecting ',' delimiter: line 1 column 8 (char 7)"),
        (r#""\ud800""#, ""),
        ("\u{feff}1", "No JSON object could be decoded"),
        ("- 1", "No JSON object could be decoded"),
        (".5", "No JSON object could be decoded"),
        (r#""\"#, "Unterminated string starting at: line 1 column 1 (char 0)"),
        ("[", "Expecting object: line 1 column 1 (char 0)"),
        (r#"{""#, "end is out of bounds"),
        (r#"{"a""#, "Expecting ':' delimiter: line 1 column 5 (char 4)"),
        (r#"{"a":1,"#, "Expecting object: line 1 column 7 (char 6)"),
        ("\u{e9}", "No JSON object could be decoded"),
        ("[[[[", "Expecting object: line 1 column 4 (char 3)"),
        (r#"{"a":1,"a":2}"#, ""),
        ("-0", ""),
        ("1e", "Extra data: line 1 column 2 - line 1 column 3 (char 1 - 2)"),
        ("1e+", "Extra data: line 1 column 2 - line 1 column 4 (char 1 - 3)"),
        ("\"a\"b\nc d", "Extra data: line 1 column 4 - line 2 column 4 (char 3 - 8)"),
        ("{\"a\":\"b\u{1}\"}", "Invalid control character at: line 1 column 8 (char 7)"),
        ("[]]", "Extra data: line 1 column 3 - line 1 column 4 (char 2 - 3)"),
        ("[1,\n2,\n}", "No JSON object could be decoded"),
        (r#""\u00zz""#, r#"Invalid \uXXXX escape: line 1 column 3 (char 2)"#),
        (r#""\ud800\uzzzz""#, r#"Invalid \uXXXX escape: line 1 column 9 (char 8)"#),
        (r#""\u1234"#, r#"Invalid \uXXXX escape: line 1 column 3 (char 2)"#),
        ("\"\u{e9}\" x", "Extra data: line 1 column 5 - line 1 column 6 (char 4 - 5)"),
        (r#"{"a":"#, "No JSON object could be decoded"),
        (r#"{"a":1"#, "Expecting object: line 1 column 6 (char 5)"),
        ("[1,", "Expecting object: line 1 column 3 (char 2)"),
        (r#"""#, "end is out of bounds"),
        ("[ ", "Expecting object: line 1 column 2 (char 1)"),
        ("{ ", "Expecting object: line 1 column 2 (char 1)"),
        ("[1 ", "Expecting object: line 1 column 3 (char 2)"),
        (r#"{"a":1 "#, "Expecting object: line 1 column 7 (char 6)"),
        (r#""abc\"#, "Unterminated string starting at: line 1 column 1 (char 0)"),
        (r#""\u123""#, r#"Invalid \uXXXX escape: line 1 column 3 (char 2)"#),
        (r#""\u1234""#, ""),
        ("[nul]", "No JSON object could be decoded"),
        ("-Infinit", "No JSON object could be decoded"),
        ("[-]", "No JSON object could be decoded"),
        (r#"{"a" :1 , "b": [ ] }"#, ""),
        ("{}\n\n x", "Extra data: line 3 column 2 - line 3 column 3 (char 5 - 6)"),
        ("1.5e3.2", "Extra data: line 1 column 6 - line 1 column 8 (char 5 - 7)"),
    ] {
        assert_eq!(json_error(text).unwrap_or_default(), error, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(json_error(&deep).as_deref(), Some("maximum recursion depth exceeded"));
}

#[test]
fn bytes_that_are_no_text_get_pythons_words() {
    for (bytes, error) in [
        (&b"\"\xff\""[..], "'utf8' codec can't decode byte 0xff in position 1: invalid start byte"),
        (b"\xc3\"", "'utf8' codec can't decode byte 0xc3 in position 0: invalid continuation byte"),
        (b"a\xc3", "'utf8' codec can't decode byte 0xc3 in position 1: unexpected end of data"),
    ] {
        assert_eq!(decode_error(bytes, str::from_utf8(bytes).unwrap_err()), error);
    }
}

#[test]
fn numbers_are_equal_as_in_python() {
    for (value, is_one, is_zero) in [
        (json!(1), true, false),
        (json!(1.0), true, false),
        (json!(true), true, false),
        (json!(false), false, true),
        (json!(0), false, true),
        (json!(1.5), false, false),
        (json!("1"), false, false),
        (Value::Null, false, false),
    ] {
        assert_eq!((equals(&value, 1), equals(&value, 0)), (is_one, is_zero), "{value}");
    }
}
