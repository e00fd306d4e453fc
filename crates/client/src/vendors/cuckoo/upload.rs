//! What submissions to Cuckoo and CAPE have in common.

use std::time::Duration;

use serde_json::Value;

use crate::http::Part;
use crate::sandbox::{Options, Submission};
use crate::vendors::loose;

/// What became of several uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uploads {
    /// Those that were taken.
    pub submissions: Vec<Submission>,
    /// What was said of the others.
    pub errors: Vec<String>,
}

impl Uploads {
    /// Problems that are kept, at most.
    pub(in crate::vendors) const MAX_ERRORS: usize = 1000;

    pub(in crate::vendors) fn of(ids: &Value, errors: &Value) -> Self {
        let members = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let said = |problem: Value| match problem {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Self {
            submissions: members(ids).iter().filter_map(number).map(Submission::new).collect(),
            errors: members(errors).into_iter().map(said).take(Self::MAX_ERRORS).collect(),
        }
    }

    /// As one submission, where at least one was taken.
    pub(in crate::vendors) fn together(self) -> Option<Submission> {
        let mut all = self.submissions.into_iter();
        let mut first = all.next()?;
        first.more = all.map(|submission| submission.id).filter(|id| *id != first.id).collect();
        Some(first)
    }
}

/// The number of a task: nothing else is asked for in the name of one, because CAPE's `1-400` are many.
pub(in crate::vendors) fn number(value: &Value) -> Option<String> {
    loose::id(value).filter(|id| is_number(id))
}

/// Whether this is the number of one task.
pub(in crate::vendors) fn is_number(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|digit| digit.is_ascii_digit())
}

/// Options with the archive's password among them.
///
/// # Errors
/// The password has a comma, which ends an option.
pub(in crate::vendors) fn option_fields(options: &Options) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut list = options.vendor.get("options").cloned().unwrap_or_default();
    if let Some(password) = &options.archive_password {
        let password = password.reveal();
        if password.contains(',') {
            return Err("a password with a comma cannot be told: options are a list with commas".to_owned());
        }
        let comma = if list.is_empty() { "" } else { "," };
        list = format!("{list}{comma}password={password}");
    }
    let others = options.vendor.iter().filter(|(name, _)| *name != "options");
    parts.extend(others.map(|(name, value)| Part::field(name, value)));
    parts.extend((!list.is_empty()).then(|| Part::field("options", list)));
    parts.extend(options.analysis_time.map(|time| Part::field("timeout", seconds(time))));
    parts.extend(options.environment.as_ref().map(|machine| Part::field("machine", machine)));
    Ok(parts)
}

/// Whole seconds, upwards: 0 would be the server's default.
fn seconds(time: Duration) -> String {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).to_string()
}
