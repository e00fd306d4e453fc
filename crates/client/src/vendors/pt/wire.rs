//! How PT Sandbox wraps what it says.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::ErrorKind;
use crate::vendors::loose;

/// Errors of one answer that are told.
const MAX_TOLD: usize = 5;

/// JSON without what is nothing: `null` is the same as absent, and `3.0` the same as `3`.
pub(super) struct Tidy<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Tidy<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        tidy(&mut value);
        serde_json::from_value(value).map(Self).map_err(D::Error::custom)
    }
}

/// The parser bounds how deep values are in one another, and so this.
pub(super) fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => {
            items.retain(|value| !value.is_null());
            items.iter_mut().for_each(tidy);
        }
        Value::Number(number) if number.is_f64() => {
            /// Whole numbers up to here are the same in both forms (2^53).
            const EXACT: f64 = 9_007_199_254_740_992.0;
            #[expect(clippy::cast_possible_truncation, reason = "a whole number that fits")]
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT).map(|x| x as i64);
            if let Some(whole) = whole {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// What most answers are wrapped in. What else is beside it is passed over as it comes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(deserialize_with = "tidied")]
    pub(super) data: Option<Value>,
    #[serde(deserialize_with = "loose::list")]
    errors: Vec<Problem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type", deserialize_with = "loose::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    message: Option<String>,
}

fn tidied<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let mut value = Value::deserialize(deserializer)?;
    tidy(&mut value);
    Ok(Some(value).filter(|value| !value.is_null()))
}

impl Envelope {
    /// One that holds errors, of an answer that may be none at all.
    pub(super) fn of(answer: &Value) -> Option<Self> {
        let errors = answer.get("errors").filter(|errors| errors.is_array())?;
        serde_json::from_value(serde_json::json!({"errors": errors})).ok()
    }

    /// The error that is in it, although the status was a success.
    pub(super) fn error(&self) -> Option<ErrorKind> {
        let first = self.errors.first()?;
        let message = self.told();
        Some(match first.kind.as_deref().unwrap_or_default() {
            kind if kind.contains("NotFound") => ErrorKind::NotFound(message),
            kind if kind.contains("Unauthorized") => ErrorKind::Unauthenticated(message),
            kind if kind.contains("Forbidden") => ErrorKind::Forbidden(message),
            kind if kind.contains("TooMany") || kind.contains("Limit") || kind.contains("Quota") => {
                ErrorKind::Quota { message, retry_after: None }
            }
            kind if kind.contains("TooLarge") => ErrorKind::Refused(message),
            _ => ErrorKind::Status { status: 200, message, retry_after: None },
        })
    }

    fn told(&self) -> String {
        let told = self.errors.iter().take(MAX_TOLD).map(|problem| match (&problem.kind, &problem.message) {
            (Some(kind), Some(message)) => format!("{kind}: {message}"),
            (one, other) => one.clone().or(other.clone()).unwrap_or_default(),
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// What an answer that is an error says.
pub(super) fn words(answer: &Value) -> Option<String> {
    let told = Envelope::of(answer)?.told();
    (!told.is_empty()).then_some(told)
}

/// An object of an answer: members that are missing have their default, others than these are kept.
macro_rules! model {
    ($($(#[$meta:meta])* $name:ident { $($(#[$member_meta:meta])* $member:ident: $type:ty,)* })+) => {$(
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        $(#[$meta])*
        pub struct $name {
            $($(#[$member_meta])* pub $member: $type,)*
            /// What else came.
            #[serde(flatten)]
            pub others: serde_json::Map<String, serde_json::Value>,
        }
    )+};
}
pub(super) use model;
