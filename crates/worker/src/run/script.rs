//! The text of an app written in JavaScript.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::config::Source;
use crate::engine::EngineError;
use crate::protocol::{Command, Fields};

/// Bytes of an app's text, at most: 32 MiB, a hundred times the largest known.
pub const MAX_SCRIPT_BYTES: u64 = 32 << 20;

/// An app's text and its context. A file is read anew when it has changed, so that saving it puts it into use.
pub struct Script {
    source: Source,
    app_context: Option<String>,
    read: Mutex<Option<(Stamp, Text)>>,
}

/// A text at one moment. Clones share it; whether two are the same is whether they were read at once.
#[derive(Debug, Clone)]
pub struct Text(Arc<str>);

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Script").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Text {
    /// Whether this is the other one, not only one that says the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// It.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Script {
    /// Of an app. Reads nothing yet.
    #[must_use]
    pub fn new(source: &Source, app_context: Option<&str>) -> Self {
        let read = match source {
            Source::Inline(text) => Some((Stamp { changed: None, length: 0, inode: 0 }, Text(text.as_str().into()))),
            Source::File(_) => None,
        };
        Self { source: source.clone(), app_context: app_context.map(str::to_owned), read: Mutex::new(read) }
    }

    /// The file that it is in.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::Inline(_) => None,
            Source::File(path) => Some(path),
        }
    }

    /// What it says now.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or is not UTF-8.
    pub async fn text(&self) -> Result<Text, EngineError> {
        let Source::File(path) = &self.source else {
            return self.known(None).ok_or_else(|| EngineError::App("there is no text".to_owned()));
        };
        let unreadable = |error: std::io::Error| EngineError::App(format!("cannot read '{}': {error}", path.display()));
        let stamp = Stamp::of(path).await.map_err(unreadable)?;
        if let Some(text) = self.known(Some(stamp)) {
            return Ok(text);
        }
        if stamp.length > MAX_SCRIPT_BYTES {
            let problem = format!("'{}' is larger than {MAX_SCRIPT_BYTES} bytes", path.display());
            return Err(EngineError::App(problem));
        }
        let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
        let text = Text(text.into());
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, text.clone()));
        Ok(text)
    }

    /// The command `initialize` for such a text.
    #[must_use]
    pub fn initialize(&self, text: &Text) -> Command {
        let fields = [("javascript", text.as_str().into()), ("app_context", self.app_context.clone().into())];
        Command::new("initialize", Fields::from_iter(fields.map(|(name, value)| (name.to_owned(), value))))
    }

    fn known(&self, stamp: Option<Stamp>) -> Option<Text> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.as_ref().filter(|(of, _)| stamp.is_none_or(|stamp| stamp == *of)).map(|(_, text)| text.clone())
    }
}

impl Stamp {
    async fn of(path: &PathBuf) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let metadata = tokio::fs::metadata(path).await?;
        Ok(Self { changed: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_anew_when_it_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.js");
        let script = Script::new(&Source::File(path.clone()), None);
        assert!(matches!(script.text().await, Err(EngineError::App(problem)) if problem.contains("app.js")));
        std::fs::write(&path, "1").unwrap();
        let first = script.text().await.unwrap();
        assert!(script.text().await.unwrap().is(&first));
        // As editors save, and as deployments do.
        let beside = directory.path().join("new");
        std::fs::write(&beside, "2").unwrap();
        std::fs::rename(&beside, &path).unwrap();
        let second = script.text().await.unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
        let line = script.initialize(&second);
        assert_eq!((line.cmd.as_str(), line.fields["javascript"].as_str()), ("initialize", Some("2")));
        assert!(line.fields["app_context"].is_null());
    }
}
