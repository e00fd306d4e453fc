//! What became of it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How the whole ended: with the first command that failed and was not ignored. A result that was asked for and cannot be given comes before that.
    pub status: Status,
    /// The commands that were started, in order.
    #[serde(rename = "execution")]
    pub commands: Vec<Executed>,
    /// From the unpacking to the result, on the server's clock.
    #[serde(with = "as_seconds")]
    pub total_time: Duration,
    /// The id of the environment, where one was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Until when it is kept, as the server writes it: see [`Outcome::expires`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire: Option<String>,
    /// The text of the file that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

impl Outcome {
    /// Until when the environment is kept; nothing where none was saved, or the server writes something else than a time. A time without an
    /// offset, as releases before 3.0.3 write it, is taken for UTC.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let text = self.expire.as_deref()?.trim();
        let without_offset =
            || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        text.parse().ok().or_else(without_offset)
    }

    /// The standard output of the command that was started last.
    #[must_use]
    pub fn last_output(&self) -> &str {
        self.commands.last().map_or("", |command| &command.stdout)
    }

    /// The standard error of the command that was started last.
    #[must_use]
    pub fn last_errors(&self) -> &str {
        self.commands.last().map_or("", |command| &command.stderr)
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Its text, without the hyphen that ignores its failure.
    pub command: String,
    /// How it ended.
    pub exit_code: Status,
    /// Its standard output, without white space around it. Empty when it was out of time.
    #[serde(default)]
    pub stdout: String,
    /// Its standard error, likewise; or what the server says about it.
    #[serde(default)]
    pub stderr: String,
    /// How long it took, on the server's clock.
    #[serde(with = "as_seconds")]
    pub time: Duration,
}

/// How a command, or all of them, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0: well, or every failure was ignored.
    Success,
    /// A command exited with this code, 1 to 255; 128 and more after a signal.
    Exit(i64),
    /// -1: it could not be executed, or what it wrote is no UTF-8.
    Unknown,
    /// -2: it was out of time.
    Timeout,
    /// -3: there is no file where the result should be. How the commands ended, the last one says.
    ResultNotFound,
    /// -4: that file is no UTF-8.
    ResultNotUtf8,
    /// Any other negative number.
    Other(i64),
}

impl Status {
    /// Of the protocol's number.
    #[must_use]
    pub const fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Success,
            1.. => Self::Exit(code),
            -1 => Self::Unknown,
            -2 => Self::Timeout,
            -3 => Self::ResultNotFound,
            -4 => Self::ResultNotUtf8,
            _ => Self::Other(code),
        }
    }

    /// The protocol's number.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Success => 0,
            Self::Exit(code) | Self::Other(code) => code,
            Self::Unknown => -1,
            Self::Timeout => -2,
            Self::ResultNotFound => -3,
            Self::ResultNotUtf8 => -4,
        }
    }

    /// Whether all went well.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => formatter.write_str("success"),
            Self::Exit(code) => write!(formatter, "exit code {code}"),
            Self::Unknown => formatter.write_str("it could not be executed, or what it wrote is no UTF-8"),
            Self::Timeout => formatter.write_str("out of time"),
            Self::ResultNotFound => formatter.write_str("there is no result"),
            Self::ResultNotUtf8 => formatter.write_str("the result is no UTF-8"),
            Self::Other(code) => write!(formatter, "status {code}"),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.code())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self::from_code)
    }
}

/// Seconds as a number. A clock that was set back meanwhile makes negative ones: no time.
mod as_seconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if seconds <= 0.0 {
            return Ok(Duration::ZERO);
        }
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"status": -3, "execution": [{"command": "wc", "exit_code": 7, "stdout": "a", "stderr": "b", "time": 0.5,
        "new": []}], "total_time": 1.25, "environment": "39a843f6-0f46-4f90-b2af-b7724106f954", "expire": "2026-11-21T15:53:08.415288+00:00",
        "result": "42\n", "newer": {}}"#;

    #[test]
    fn an_outcome_is_read_and_written_as_it_came() {
        let outcome: Outcome = serde_json::from_str(WHOLE).expect("an outcome");
        assert_eq!(outcome.status, Status::ResultNotFound);
        assert_eq!(outcome.commands[0].exit_code, Status::Exit(7));
        assert_eq!(outcome.total_time, Duration::from_millis(1250));
        assert_eq!((outcome.last_output(), outcome.last_errors()), ("a", "b"));
        let mut written: serde_json::Value = serde_json::from_str(WHOLE).expect("JSON");
        written.as_object_mut().expect("an object").remove("newer");
        written["execution"][0].as_object_mut().expect("an object").remove("new");
        assert_eq!(serde_json::to_value(&outcome).expect("JSON"), written);
        let least = r#"{"status": 0, "execution": [], "total_time": -0.1, "result": null}"#;
        let least: Outcome = serde_json::from_str(least).expect("an outcome");
        assert_eq!((least.total_time, least.result, least.commands.len()), (Duration::ZERO, None, 0));
    }

    #[test]
    fn what_is_no_outcome_is_none() {
        for text in [
            "{}",
            r#"{"status": null, "execution": [], "total_time": 0}"#,
            r#"{"status": "0", "execution": [], "total_time": 0}"#,
            r#"{"status": 0.5, "execution": [], "total_time": 0}"#,
            r#"{"status": 0, "total_time": 0}"#,
            r#"{"status": 0, "execution": [{"command": "x", "time": 1}], "total_time": 0}"#,
            r#"{"status": 0, "execution": [], "total_time": 1e300}"#,
            r#"{"status": 99999999999999999999, "execution": [], "total_time": 0}"#,
        ] {
            assert!(serde_json::from_str::<Outcome>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_number_is_a_status() {
        for code in [0, 1, 137, 255, -1, -2, -3, -4, -5, i64::MIN, i64::MAX] {
            assert_eq!(Status::from_code(code).code(), code);
        }
    }

    #[test]
    fn the_end_of_an_environment_is_read_in_all_its_forms() {
        let at = |text: &str| Some(text.parse::<Timestamp>().expect("a time"));
        for (text, expected) in [
            ("2026-11-21T15:53:08.415288+00:00", at("2026-11-21T15:53:08.415288Z")),
            ("2026-11-21T15:53:08+00:00", at("2026-11-21T15:53:08Z")),
            ("2026-11-21T17:53:08+02:00", at("2026-11-21T15:53:08Z")),
            ("2026-11-21T15:53:08.415288", at("2026-11-21T15:53:08.415288Z")),
            ("2026-11-21T15:53:08", at("2026-11-21T15:53:08Z")),
            ("20190705T130535Z", at("2019-07-05T13:05:35Z")),
            ("tomorrow", None),
            ("", None),
        ] {
            let outcome = Outcome {
                status: Status::Success,
                commands: Vec::new(),
                total_time: Duration::ZERO,
                environment: None,
                expire: Some(text.to_owned()),
                result: None,
            };
            assert_eq!(outcome.expires(), expected, "{text}");
        }
    }
}
