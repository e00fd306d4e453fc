//! Python 2's way of showing values: texts of vxsandbox that its users may search for in their logs contain it.

use std::fmt::Write as _;

use serde_json::Value;

/// `repr` of what came as JSON: every string is a `unicode` there.
#[must_use]
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => repr_unicode(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("{}: {}", repr_unicode(name), repr(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// `repr` of a `unicode`: `u'...'`.
#[must_use]
pub fn repr_unicode(text: &str) -> String {
    // The other kind of quotes only where that saves escaping.
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = format!("u{quote}");
    for sign in text.chars() {
        // Writing into a string does not fail.
        let _ = match sign {
            '\\' => shown.write_str("\\\\"),
            '\n' => shown.write_str("\\n"),
            '\r' => shown.write_str("\\r"),
            '\t' => shown.write_str("\\t"),
            _ if sign == quote => write!(shown, "\\{sign}"),
            ' '..='~' => shown.write_char(sign),
            '\0'..='\u{ff}' => write!(shown, "\\x{:02x}", u32::from(sign)),
            '\u{100}'..='\u{ffff}' => write!(shown, "\\u{:04x}", u32::from(sign)),
            _ => write!(shown, "\\U{:08x}", u32::from(sign)),
        };
    }
    shown.push(quote);
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_as_python_shows_them() {
        for (value, shown) in [
            (json!({"a": [1, true, null, "é"]}), r"{u'a': [1, True, None, u'\xe9']}"),
            (json!("it's"), r#"u"it's""#),
            (json!("it's \"so\""), r#"u'it\'s "so"'"#),
            (json!("a\\b\n\u{7f}\u{20ac}\u{1f600}"), r"u'a\\b\n\x7f\u20ac\U0001f600'"),
            (json!([]), "[]"),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(repr(&value), shown);
        }
    }
}
