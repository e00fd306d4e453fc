//! Files as configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::{Resource, shown};
use crate::bus::Boxed;
use crate::config::Profile;
use crate::protocol::{Answer, Fields};
use crate::python;
use crate::run::RunContext;

/// Bytes of a file, at most.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// For reading one file: a file system that does not answer must not keep an app waiting.
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// `get`: the text of the file that the configuration names for a key, read anew at each call.
#[derive(Debug, Clone, Default)]
pub struct Files {
    keys: BTreeMap<String, PathBuf>,
}

impl Files {
    /// With these files by their keys.
    #[must_use]
    pub const fn new(keys: BTreeMap<String, PathBuf>) -> Self {
        Self { keys }
    }

    async fn get(&self, profile: Profile, key: Option<&Value>) -> Answer {
        if let (Profile::Strict, Some(value @ (Value::Array(_) | Value::Object(_)))) = (profile, key) {
            return Answer::failure(format!("unhashable type: '{}'", python::type_name(value)));
        }
        let Some(path) = key.and_then(Value::as_str).and_then(|key| self.keys.get(key)) else {
            return Answer::failure(format!("Configuration key {} not found", shown(profile, key)));
        };
        // The path is the operator's, not the app's, but vxsandbox tells it, and apps' authors look for it in their logs.
        let failed = |why: &str| match profile {
            Profile::Belljar => Answer::failure(format!("Cannot read file '{}': {why}", path.display())),
            Profile::Strict => Answer::failure(format!("Cannot read file '{}'", path.display())),
        };
        match timeout(READ_TIMEOUT, read(path)).await {
            Err(_) => failed("the file system does not answer"),
            Ok(Err(error)) => failed(&error.to_string()),
            Ok(Ok(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => Answer::with("value", text),
                Err(error) => failed(&python::decode_error(error.as_bytes(), error.utf8_error())),
            },
        }
    }
}

async fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: that alone waits for a writer if it is a pipe.
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

impl Resource for Files {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move {
            match command {
                "get" => self.get(run.profile, fields.get("key")).await,
                _ => Answer::Unknown,
            }
        })
    }
}
