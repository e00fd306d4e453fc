//! Values of types that differ from server to server. What is not wanted is passed over as it is read, and not held.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Members of a list that are kept; those after them are passed over.
const MAX_MEMBERS: usize = 100_000;

/// A number, or a text that is one; whatever else comes is none.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    })
}

/// A text, or a number as text; whatever else comes, and an empty text, is none.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(id(&Value::deserialize(deserializer)?))
}

/// As [`text`], with an empty one for none.
pub(super) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer).map(Option::unwrap_or_default)
}

/// A list of what [`text`] takes.
pub(super) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values: Vec<Value> = list(deserializer)?;
    Ok(values.iter().filter_map(id).collect())
}

/// An id: a text, or a number as text.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// True or false, as such, as 0 and 1, or as text; whatever else comes is neither.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Some(flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    })
}

/// Something; whatever else comes is nothing.
pub(super) fn maybe<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Whether a server's words are about a quota, where neither a status nor a code says so.
pub(super) fn says_quota(words: &str) -> bool {
    words.to_ascii_lowercase().contains("quota")
}

/// A member of an object, or null.
pub(super) fn member(value: Value, name: &str) -> Value {
    match value {
        Value::Object(mut members) => members.remove(name).unwrap_or_default(),
        _ => Value::Null,
    }
}

/// A list; whatever else comes is an empty one, and members of it that are something else are left out.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Loose::<List<T>>(PhantomData)).map(|list| list.0)
}

/// An object; whatever else comes is an empty one. It is held whole while it is read, so that any problem within it makes it an empty one too.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// An object of which most is not wanted; whatever else comes is an empty one. Its members must themselves take whatever comes.
pub(super) fn section<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Loose::<Section<T>>(PhantomData)).map(|section| section.0)
}

/// A list, or one object in place of a list of one, as servers have it that make JSON of XML; nothing where it is something else.
pub(super) fn many<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    deserializer.deserialize_any(Loose::<Many<T>>(PhantomData)).map(|many| many.0)
}

/// An object's members by their names; whatever else comes has none. They themselves must take whatever comes; one that is no object is an empty
/// one.
pub(super) fn members<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    deserializer.deserialize_any(Loose::<Members<T>>(PhantomData)).map(|members| members.0)
}

/// A list, or the values of an object whose names do not matter; whatever else comes is an empty one, and members that are something else are left
/// out.
pub(super) fn values<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Loose::<Values<T>>(PhantomData)).map(|values| values.0.0)
}

/// The first member of a list, as [`section`] reads it, or what is in place of the list, if that is an object; the others are passed over.
pub(super) fn first<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Loose::<First<T>>(PhantomData)).map(|first| first.0)
}

/// Something that is empty where what comes is of another type.
trait Taken: Default {
    fn of_sequence<'de, A: SeqAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn of_map<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: DeserializeOwned> Taken for List<T> {
    fn of_sequence<'de, A: SeqAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MAX_MEMBERS {
            match members.next_element::<Value>()? {
                Some(member) => kept.extend(serde_json::from_value(member).ok()),
                None => return Ok(Self(kept)),
            }
        }
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(kept))
    }
}

struct Many<T>(Option<Vec<T>>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: DeserializeOwned> Taken for Many<T> {
    fn of_sequence<'de, A: SeqAccess<'de>>(members: A) -> Result<Self, A::Error> {
        List::of_sequence(members).map(|list| Self(Some(list.0)))
    }

    fn of_map<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        let one = Value::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Self(Some(serde_json::from_value(one).into_iter().collect())))
    }
}

struct Values<T>(List<T>);

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self(List::default())
    }
}

impl<T: DeserializeOwned> Taken for Values<T> {
    fn of_sequence<'de, A: SeqAccess<'de>>(members: A) -> Result<Self, A::Error> {
        List::of_sequence(members).map(Self)
    }

    fn of_map<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MAX_MEMBERS {
            match members.next_entry::<IgnoredAny, Value>()? {
                Some((_, member)) => kept.extend(serde_json::from_value(member).ok()),
                None => return Ok(Self(List(kept))),
            }
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self(List(kept)))
    }
}

struct First<T>(Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: DeserializeOwned + Default> Taken for First<T> {
    fn of_sequence<'de, A: SeqAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let first = members.next_element::<Section<T>>()?.map(|section| section.0);
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(first))
    }

    fn of_map<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(|one| Self(Some(one)))
    }
}

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        section(deserializer).map(Self)
    }
}

#[derive(Default)]
struct Section<T>(T);

impl<T: DeserializeOwned + Default> Taken for Section<T> {
    fn of_map<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Self)
    }
}

struct Members<T>(BTreeMap<String, T>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: DeserializeOwned + Default> Taken for Members<T> {
    fn of_map<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut kept = BTreeMap::new();
        while kept.len() < MAX_MEMBERS {
            let Some(name) = members.next_key()? else { return Ok(Self(kept)) };
            kept.insert(name, members.next_value::<Member<T>>()?.0);
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self(kept))
    }
}

/// One of [`members`].
struct Member<T>(T);

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        section(deserializer).map(Self)
    }
}

struct Loose<T>(PhantomData<T>);

impl<'de, T: Taken> Visitor<'de> for Loose<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::of_sequence(members)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::of_map(members)
    }
}

/// A number of 0 to 100 as such.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits, and NaN to 0")]
pub(super) fn percent(number: f64) -> u8 {
    number.clamp(0.0, 100.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Outer {
        #[serde(default, deserialize_with = "list")]
        many: Vec<u8>,
        #[serde(default, deserialize_with = "section")]
        inner: Inner,
        #[serde(default, deserialize_with = "text")]
        name: Option<String>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Inner {
        #[serde(default, deserialize_with = "list")]
        many: Vec<u8>,
    }

    #[test]
    fn whatever_comes_is_read() {
        for other in ["null", "true", "-1", "1", "1.5", "\"x\"", "[]", "{}", "[[1], {}]", "{\"a\": [{}]}"] {
            let text = format!(r#"{{"many": {other}, "inner": {other}, "rest": {other}}}"#);
            assert_eq!(serde_json::from_str::<Outer>(&text).expect(other), Outer::default());
        }
        let text = r#"{"name": 7, "many": [1, "x", 300, 2], "inner": {"other": [1], "many": [3]}}"#;
        let expected = Outer { many: vec![1, 2], inner: Inner { many: vec![3] }, name: Some("7".to_owned()) };
        assert_eq!(serde_json::from_str::<Outer>(text).expect("JSON"), expected);
        assert_eq!(serde_json::from_reader::<_, Outer>(text.as_bytes()).expect("JSON"), expected);
        assert!(serde_json::from_str::<Outer>(r#"{"many": [1, "#).is_err());
    }

    #[test]
    fn names_of_members_do_not_matter() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Rows(#[serde(deserialize_with = "values")] Vec<u8>);
        for (text, expected) in
            [(r#"{"a": 1, "b": "x", "c": 2}"#, &[1, 2][..]), (r#"[1, "x", 2]"#, &[1, 2]), ("5", &[]), ("null", &[])]
        {
            assert_eq!(serde_json::from_str::<Rows>(text).expect(text).0, expected);
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let text = format!("{{\"many\": [{}1]}}", "1,".repeat(MAX_MEMBERS + 10));
        assert_eq!(serde_json::from_str::<Outer>(&text).expect("JSON").many.len(), MAX_MEMBERS);
    }
}
