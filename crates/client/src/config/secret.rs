//! Where secrets come from: not from the command line, and best not from the configuration itself.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::AsyncReadExt as _;

use super::problem::{list, nearest, shown};
use super::reader::{expected, texts};
use crate::secret::Secret;

/// Bytes of a secret, at most: a key, not a file that was named by mistake.
const MAX_BYTES: u64 = 64 << 10;
/// For a command, which may ask somebody for a password first.
const COMMAND_TIME: Duration = Duration::from_secs(120);
/// Others than the owner and the group may read it.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In the configuration itself, for all to see who may read that.
    Literal(Secret),
    /// In an environment variable.
    Variable(String),
    /// In a file, without the line end at its end.
    File {
        /// The file.
        path: PathBuf,
        /// That others can read it is meant so, as with secrets that are mounted into a container.
        shared: bool,
    },
    /// What a command writes to its standard output; the program and its arguments, no shell.
    Command(Vec<String>),
}

impl SecretSource {
    /// Reads where a secret is: text, or a table with one of `env`, `file`, `command`.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text.trim().is_empty() => Err("it is empty".to_owned()),
            Value::String(text) => Ok(Self::Literal(Secret::new(text))),
            Value::Object(table) => Self::of_table(table),
            // The value is not shown: it may be the secret.
            Value::Number(_) => Err("found a number, expected text in quotes".to_owned()),
            other => Err(expected(other, WANTED)),
        }
    }

    fn of_table(table: &Map<String, Value>) -> Result<Self, String> {
        const KEYS: [&str; 4] = ["env", "file", "command", "shared"];
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let near = nearest(key, KEYS).map_or_else(|| list(KEYS), str::to_owned);
            return Err(format!("there is no '{}' of a secret (did you mean {near}?)", shown(key)));
        }
        let text = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(other) => Err(format!("{key}: {}", expected(other, "text in quotes"))),
        };
        let shared = match table.get("shared") {
            None => false,
            Some(Value::Bool(shared)) if table.contains_key("file") => *shared,
            Some(other) => return Err(format!("shared: {}", expected(other, "true or false, beside `file`"))),
        };
        match (text("env")?, text("file")?, table.get("command")) {
            (Some(variable), None, None) => Ok(Self::Variable(variable)),
            (None, Some(path), None) => Ok(Self::File { path: path.into(), shared }),
            (None, None, Some(command)) => match texts(command) {
                Ok(words) if !words.is_empty() && command.is_array() => Ok(Self::Command(words)),
                _ => Err("command: expected a list, the program first: [\"pass\", \"show\", \"vmray\"]".to_owned()),
            },
            _ => Err(format!("expected {WANTED}")),
        }
    }

    /// Where it is, without what it is.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Literal(_) => "in the configuration, hidden".to_owned(),
            Self::Variable(name) => format!("environment variable {name}"),
            Self::File { path, .. } => format!("file {}", path.display()),
            Self::Command(words) => format!("output of {}", words.first().map_or("", String::as_str)),
        }
    }

    /// Gets it.
    ///
    /// # Errors
    /// It is not there, is empty or of several lines; the file can be read by others; the command fails or takes too long.
    pub async fn fetch(&self) -> Result<Secret, String> {
        let secret = match self {
            Self::Literal(secret) => secret.clone(),
            Self::Variable(name) => match std::env::var(name) {
                Ok(text) => Secret::new(&text),
                Err(std::env::VarError::NotPresent) => {
                    return Err(format!("the environment variable {name} is not set"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(format!("the environment variable {name} is not text"));
                }
            },
            Self::File { path, shared } => {
                let (path, shared) = (home(path), *shared);
                let read = tokio::task::spawn_blocking(move || of_file(&path, shared)).await;
                read.map_err(|_| "the file cannot be read".to_owned())??
            }
            Self::Command(words) => of_command(words).await?,
        };
        let text = secret.reveal();
        if text.is_empty() {
            return Err(format!("it is empty ({})", self.describe()));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("it has several lines, or control characters ({})", self.describe()));
        }
        Ok(secret)
    }
}

const WANTED: &str = "text, { env = \"VARIABLE\" }, { file = \"PATH\" } or { command = [\"PROGRAM\", \"ARGUMENT\"] }";

/// `~/x` in the home directory.
pub(super) fn home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

/// The bytes of a regular file, bounded.
pub(super) fn bytes_of(path: &Path, limit: u64) -> Result<(Vec<u8>, std::fs::Metadata), String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    // Before it is opened: to open a pipe is to wait for who writes it.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(format!("{} is no regular file", path.display()));
    }
    let file = OpenOptions::new().read(true).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > limit {
        return Err(format!("{} is larger than {limit} bytes", path.display()));
    }
    Ok((bytes, metadata))
}

fn of_file(path: &Path, shared: bool) -> Result<Secret, String> {
    let (bytes, metadata) = bytes_of(path, MAX_BYTES)?;
    if !shared && metadata.permissions().mode() & READABLE_BY_OTHERS != 0 {
        return Err(format!(
            "{} can be read by everybody on this machine: `chmod 600` it, or say `shared = true` beside `file` if that is meant",
            path.display()
        ));
    }
    text_of(bytes).ok_or_else(|| format!("{} is not UTF-8 text", path.display()))
}

fn text_of(bytes: Vec<u8>) -> Option<Secret> {
    String::from_utf8(bytes).ok().map(|text| Secret::new(&text))
}

/// What a command writes. Its standard error is ours: what it asks for or complains of is for the one who waits.
async fn of_command(words: &[String]) -> Result<Secret, String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
    let output = child.stdout.take().ok_or("no output")?;
    let reading = async {
        let mut bytes = Vec::new();
        output.take(MAX_BYTES + 1).read_to_end(&mut bytes).await.map(|_| bytes)
    };
    let whole = async {
        let bytes = reading.await.map_err(|error| format!("cannot read what {program} writes: {error}"))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("{program} writes more than {MAX_BYTES} bytes"));
        }
        let status = child.wait().await.map_err(|error| format!("cannot wait for {program}: {error}"))?;
        if status.success() { Ok(bytes) } else { Err(format!("{program} failed: {status}")) }
    };
    let bytes = tokio::time::timeout(COMMAND_TIME, whole)
        .await
        .map_err(|_| format!("{program} has not ended after {} s", COMMAND_TIME.as_secs()))??;
    text_of(bytes).ok_or_else(|| format!("what {program} writes is not UTF-8 text"))
}
