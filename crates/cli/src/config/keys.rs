//! Which keys a type of settings has, as its own `Deserialize` tells them.
//!
//! Serialized defaults would not do: they leave out what is absent by default. So the type is asked to read a table that holds a
//! single key, whose value asks back: a table of settings names its fields then, anything else is a value.

use std::cell::Cell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// All keys of `T` such as `server.listen`, in the order of their declaration.
pub(crate) fn keys_of<T: DeserializeOwned>() -> Vec<String> {
    let mut keys = Vec::new();
    collect::<T>(&mut Vec::new(), &mut keys);
    keys
}

fn collect<T: DeserializeOwned>(path: &mut Vec<&'static str>, keys: &mut Vec<String>) {
    match fields_at::<T>(path) {
        Some(fields) => {
            for field in fields {
                path.push(field);
                collect::<T>(path, keys);
                path.pop();
            }
        }
        None => keys.push(path.join(".")),
    }
}

/// The fields of the table at `path`; none when there is a value.
fn fields_at<T: DeserializeOwned>(path: &[&'static str]) -> Option<&'static [&'static str]> {
    let found = Cell::new(None);
    // It always fails, because no question is a value.
    let _ = T::deserialize(Question { path, found: &found });
    found.get()
}

#[derive(Clone, Copy)]
struct Question<'a> {
    path: &'a [&'static str],
    found: &'a Cell<Option<&'static [&'static str]>>,
}

impl<'de> Deserializer<'de> for Question<'_> {
    type Error = Asked;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Asked> {
        match self.path.split_first() {
            Some((key, rest)) => visitor.visit_map(OneKey { key: Some(key), value: Question { path: rest, ..self } }),
            None => {
                self.found.set(Some(fields));
                Err(Asked)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Asked> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Asked> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Asked> {
        Err(Asked)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// A table with one key.
struct OneKey<'a> {
    key: Option<&'static str>,
    value: Question<'a>,
}

impl<'de> MapAccess<'de> for OneKey<'_> {
    type Error = Asked;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Asked> {
        self.key.take().map(|key| seed.deserialize(StrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Asked> {
        seed.deserialize(self.value)
    }
}

/// The question was asked; there is nothing more to read.
#[derive(Debug)]
struct Asked;

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value here")
    }
}

impl std::error::Error for Asked {}

impl serde::de::Error for Asked {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use belljar_sandbox::units::{ByteSize, duration, optional_duration};
    use serde::Deserialize;

    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        zebra: ByteSize,
        #[serde(with = "duration")]
        time: Duration,
        #[serde(with = "optional_duration")]
        pause: Option<Duration>,
        inner: Inner,
        maybe: Option<Inner>,
        list: Vec<Inner>,
        free: BTreeMap<String, u32>,
        choice: Choice,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        text: Option<String>,
        switch: bool,
    }

    #[derive(Default, Deserialize)]
    enum Choice {
        #[default]
        One,
    }

    #[test]
    fn every_value_has_a_key_even_if_absent_by_default() {
        let expected = [
            "zebra",
            "time",
            "pause",
            "inner.text",
            "inner.switch",
            "maybe.text",
            "maybe.switch",
            "list",
            "free",
            "choice",
        ];
        assert_eq!(keys_of::<Outer>(), expected);
    }
}
