//! What Python 2 says of values that do not fit, for reasons in its wording.

use serde_json::Value;

pub(super) use crate::python::type_name;
use crate::python::{repr, repr_unicode};

/// What a value says that has no method or member of this name.
pub(super) fn no_attribute(value: &Value, name: &str) -> String {
    format!("'{}' object has no attribute '{name}'", type_name(value))
}

/// What a dictionary says that has no such key, and is asked for what came as JSON.
pub(super) fn no_key(key: &Value) -> String {
    match key {
        Value::Array(_) | Value::Object(_) => format!("unhashable type: '{}'", type_name(key)),
        _ => repr(key),
    }
}

/// `repr` of a byte string: the text, in UTF-8.
pub(super) fn repr_bytes(text: &str) -> String {
    let mut shown = repr_unicode(&text.bytes().map(char::from).collect::<String>());
    // What is left of a `unicode` whose characters are bytes, without its `u`.
    shown.remove(0);
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_python_shows_them() {
        for (text, shown) in [("FOO", "'FOO'"), ("", "''"), ("it's", "\"it's\""), ("æ\n", "'\\xc3\\xa6\\n'")] {
            assert_eq!(repr_bytes(text), shown);
        }
        for (key, said) in
            [(json!("FOO"), "u'FOO'"), (json!(null), "None"), (json!(1), "1"), (json!([]), "unhashable type: 'list'")]
        {
            assert_eq!(no_key(&key), said);
        }
    }
}
