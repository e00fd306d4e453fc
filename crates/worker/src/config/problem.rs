//! What is wrong with a configuration, in words for the one who wrote it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    writing: Arc<Writing>,
    line: Option<usize>,
}

/// What a value was written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writing {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag on the command line, with its dashes.
    Flag(String),
}

impl Place {
    /// In something, as a whole.
    #[must_use]
    pub fn new(writing: Writing) -> Self {
        Self { writing: Arc::new(writing), line: None }
    }

    /// A line of the same file, counted from 1.
    #[must_use]
    pub fn at_line(&self, line: usize) -> Self {
        Self { writing: Arc::clone(&self.writing), line: Some(line) }
    }

    /// What it was written in.
    #[must_use]
    pub fn writing(&self) -> &Writing {
        &self.writing
    }

    /// The file, if it was written in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self.writing.as_ref() {
            Writing::File(path) => Some(path),
            Writing::Variable(_) | Writing::Flag(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.writing.as_ref(), self.line) {
            (Writing::File(path), Some(line)) => write!(formatter, "{}:{line}", path.display()),
            (Writing::File(path), None) => write!(formatter, "{}", path.display()),
            (Writing::Variable(name), _) => write!(formatter, "environment variable {name}"),
            (Writing::Flag(flag), _) => write!(formatter, "flag {flag}"),
        }
    }
}

/// One thing that is wrong, or at least not what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, if it is about something that was written.
    pub place: Option<Place>,
    /// The key, such as `sandbox.kv.cls`. Empty where it is about a whole file.
    pub key: String,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    /// In one line; the hint is not in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.text)
    }
}

/// All that is wrong with a configuration, in the order in which it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// Why it cannot be used. Never empty.
    pub errors: Vec<Problem>,
    /// What is probably not meant so, and may be behind the errors.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Problems {
    /// The errors, one line each.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.errors.iter().enumerate() {
            write!(formatter, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
