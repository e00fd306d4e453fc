//! Reads tables key by key, so that all that is wrong is told at once and not only the first.

use std::time::Duration;

use serde_json::{Map, Value};

use super::problem::{Problem, list, nearest, shown};

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'a> {
    path: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Table<'a> {
    pub(super) fn new(path: String, table: Map<String, Value>, problems: &'a mut Vec<Problem>) -> Self {
        Self { path, left: table, known: Vec::new(), problems }
    }

    /// The value of a key, read by `read`, which says what would be right when it is something else.
    pub(super) fn take<T>(&mut self, key: &'static str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        self.known.push(key);
        let value = self.left.remove(key)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong(key, problem);
                None
            }
        }
    }

    pub(super) fn wrong(&mut self, key: &str, problem: impl Into<String>) {
        self.problems.push(Problem::new(format!("{}.{key}", self.path), problem));
    }

    /// Whether a key was there, right or wrong, or is.
    pub(super) fn has(&self, key: &str) -> bool {
        let path = format!("{}.{key}", self.path);
        self.left.contains_key(key) || self.problems.iter().any(|problem| problem.key == path)
    }

    /// What nobody asked for is a mistake.
    pub(super) fn finish(self, whose: &str) {
        for key in self.left.keys() {
            let problem = Problem::new(format!("{}.{}", self.path, shown(key)), "there is no such setting");
            let hint = match nearest(key, self.known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("the settings of {whose} are: {}", list(self.known.iter().copied())),
            };
            self.problems.push(problem.hint(hint));
        }
    }
}

/// What a value is, for people.
fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the truth value {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

pub(super) fn expected(value: &Value, what: &str) -> String {
    format!("found {}, expected {what}", found(value))
}

pub(super) fn text(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        Some(_) => Err("it is empty".to_owned()),
        None => Err(expected(value, "text in quotes")),
    }
}

/// Text, or a number as text: names that happen to be numbers.
pub(super) fn text_or_number(value: &Value) -> Result<String, String> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        _ => text(value),
    }
}

/// True or false; as text, too, because variables of the environment have no types.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) => text.parse().map_err(|_| expected(value, "true or false")),
        _ => Err(expected(value, "true or false")),
    }
}

/// A whole number of some range; as text, too.
pub(super) fn number(from: u64, to: u64) -> impl Fn(&Value) -> Result<u64, String> {
    move |value| match value.as_u64().or_else(|| value.as_str()?.parse().ok()) {
        Some(number) if (from..=to).contains(&number) => Ok(number),
        _ => Err(expected(value, &format!("a whole number from {from} to {to}"))),
    }
}

/// Texts, or one of them.
pub(super) fn texts(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::String(_) => Ok(vec![text(value)?]),
        _ => Err(expected(value, "a list of texts")),
    }
}

/// A time: seconds, or text with a unit.
pub(super) fn time(value: &Value) -> Result<Duration, String> {
    let what = "a time such as \"10s\", or a number of seconds";
    let time = match value {
        Value::Number(number) => number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        Value::String(text) => scaled(text, &TIMES).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        _ => None,
    };
    match time {
        Some(time) if time > LONGEST => Err("it is more than 30 days".to_owned()),
        Some(time) if !time.is_zero() => Ok(time),
        Some(_) => Err("a time of nothing leaves no time for anything".to_owned()),
        None => Err(expected(value, what)),
    }
}

/// Longer times are mistakes, and the clock of timers has an end.
const LONGEST: Duration = Duration::from_secs(30 * 86400);

/// A number of bytes, or text with a unit of 1024.
pub(super) fn size(value: &Value) -> Result<u64, String> {
    let bytes = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => scaled(text, &SIZES).and_then(whole),
        _ => None,
    };
    match bytes {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(expected(value, "a size such as \"256M\", or a number of bytes")),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within what a double holds exactly")]
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (0.0..=EXACT).contains(&number).then_some(number as u64)
}

const TIMES: [(&str, f64); 8] =
    [("ms", 0.001), ("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0), ("sec", 1.0), ("", 1.0)];
const SIZES: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("K", 1024.0),
    ("M", 1_048_576.0),
    ("G", 1_073_741_824.0),
    ("T", 1_099_511_627_776.0),
    ("", 1.0),
];

/// A number with a unit.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_and_sizes_are_read_as_people_write_them() {
        for (value, milliseconds) in [
            (json!(10), Some(10_000)),
            (json!(0.5), Some(500)),
            (json!("500ms"), Some(500)),
            (json!("1.5 min"), Some(90_000)),
            (json!("2h"), Some(7_200_000)),
            (json!("1d"), Some(86_400_000)),
            (json!("7"), Some(7_000)),
            (json!(0), None),
            (json!(-1), None),
            (json!("1e9"), None),
            (json!("31d"), None),
            (json!("s"), None),
            (json!("5 apples"), None),
            (json!(true), None),
            (json!(["1s"]), None),
        ] {
            assert_eq!(time(&value).ok().map(|time| time.as_millis()), milliseconds, "{value}");
        }
        for (value, bytes) in [
            (json!(1), Some(1)),
            (json!("1K"), Some(1024)),
            (json!("1.5M"), Some(1_572_864)),
            (json!("2 GiB"), Some(2 << 30)),
            (json!("1MB"), None),
            (json!(0), None),
            (json!("99999999999999T"), None),
        ] {
            assert_eq!(size(&value).ok(), bytes, "{value}");
        }
    }
}
