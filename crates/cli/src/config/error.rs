//! What is wrong with a configuration, in words for the one who wrote it.

use std::io;
use std::path::PathBuf;

use belljar_client::config::Problem;

use super::Origin;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is not text.
    #[error("{}: not UTF-8 text", path.display())]
    NotUtf8 { path: PathBuf },
    /// The file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    /// There is no such setting.
    #[error("{origin}: there is no setting '{key}'")]
    UnknownKey { origin: Origin, key: String, suggestion: Suggestion },
    /// There is no setting for such a variable.
    #[error("environment variable {variable}: there is no such setting")]
    UnknownVariable { variable: String, suggestion: Option<String> },
    /// The variable is not text.
    #[error("environment variable {variable}: not UTF-8 text")]
    VariableNotUtf8 { variable: String },
    /// The value does not fit the setting.
    #[error("{origin}: {key}: {problem}")]
    Value { origin: Origin, key: String, problem: String },
    /// Sandboxes of others are not described rightly: all that is wrong, with its places.
    #[error("{}", lines(.0))]
    Sandboxes(Vec<(Origin, Problem)>),
    /// The defaults do not fit themselves: a mistake of ours.
    #[error("the default settings are inconsistent: {0}")]
    Defaults(String),
}

fn lines(problems: &[(Origin, Problem)]) -> String {
    let lines: Vec<String> = problems.iter().map(|(origin, problem)| format!("{origin}: {problem}")).collect();
    lines.join("\n")
}

/// What a key that does not exist was perhaps meant to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Suggestion {
    /// This one.
    Key(String),
    /// One of these, which are all there are in its table.
    OneOf(Vec<String>),
}

impl ConfigError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { suggestion: Suggestion::Key(key), .. } => Some(format!("did you mean '{key}'?")),
            Self::UnknownKey { suggestion: Suggestion::OneOf(keys), .. } if !keys.is_empty() => {
                Some(format!("the settings there are: {}", keys.join(", ")))
            }
            Self::UnknownVariable { suggestion: Some(variable), .. } => Some(format!("did you mean {variable}?")),
            Self::UnknownVariable { .. } => Some("`belljar config show` prints all settings".to_owned()),
            _ => None,
        }
    }
}
