//! What is wrong with a configuration, in words for who wrote it.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, as `sandbox.lab.address`.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.problem)?;
        match &self.hint {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Why a configured sandbox cannot be used. Texts hold no secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// All that is wrong, and not only the first of it.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
    /// No sandbox has this name.
    #[error("there is no sandbox '{name}'{}", .hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// A name that is nearly the same, or all that there are.
        hint: Option<String>,
    },
    /// It is there, and of another sort than what is wanted.
    #[error("'{name}' is of the vendor {vendor}, which {problem}")]
    OtherSort {
        /// The name that was asked for.
        name: String,
        /// Its vendor.
        vendor: &'static str,
        /// What it is not.
        problem: &'static str,
    },
    /// A secret or a certificate cannot be had.
    #[error("sandbox.{sandbox}.{key}: {problem}")]
    Secret {
        /// The sandbox.
        sandbox: String,
        /// The key of the setting.
        key: String,
        /// Why.
        problem: String,
    },
    /// It belongs to somebody else, and nobody has said that samples may be sent there.
    #[error(
        "'{sandbox}' is at {host}, a cloud of its vendor: what is sent there leaves this organisation and cannot be taken back"
    )]
    Public {
        /// The sandbox.
        sandbox: String,
        /// Where it is.
        host: String,
    },
    /// The vendor's client does not take the settings.
    #[error(transparent)]
    Client(#[from] crate::Error),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The candidate nearest to a name, if one is near enough to be worth mentioning: at most a third of its letters wrong.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distances =
        candidates.into_iter().map(|candidate| (strsim::osa_distance(&name, &candidate.to_lowercase()), candidate));
    let near = distances.filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1));
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// A list for people.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// A text from the configuration in an error: not longer than a line, and nothing that steers a terminal.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let plain: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().count() > MOST { format!("{plain}…") } else { plain }
}
