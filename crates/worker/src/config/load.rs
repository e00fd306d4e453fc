//! From files, variables and flags to a worker.

use std::ffi::OsString;
use std::path::PathBuf;

use super::problem::{Problem, Problems};
use super::{Secret, Worker, example};

/// All that may say something about a worker: the command line and the environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--vumi-config`.
    pub vumi_config: Option<PathBuf>,
    /// `--worker-class`.
    pub worker_class: Option<String>,
    /// `--set-option`, each `key:value`.
    pub options: Vec<String>,
    /// `--set`: keys such as `worker.defaults.timeout`, and their values.
    pub settings: Vec<(String, String)>,
    /// Flags that set what `--set` can set, too: the flag, the key, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// `--password`.
    pub password: Option<Secret>,
    /// Flags that were given and mean nothing to us.
    pub unused: Vec<&'static str>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The example app is meant where there is no configuration; it keeps its data here.
    pub example: Option<PathBuf>,
    /// Directory of data, if nothing says which.
    pub data_dir: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The worker.
    pub worker: Worker,
    /// What is probably not meant so.
    pub warnings: Vec<Problem>,
}

/// Reads everything and checks it. May be called again, to find out what changed.
///
/// # Errors
///
/// All that is wrong, not only the first.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    match &sources.example {
        Some(directory) => Ok(Loaded { worker: example(directory), warnings: Vec::new() }),
        None => Err(Problems(vec![no_configuration()])),
    }
}

fn no_configuration() -> Problem {
    Problem {
        place: None,
        key: String::new(),
        text: "there is no configuration".to_owned(),
        hint: Some("name one with --config FILE, or try `belljar worker --console`".to_owned()),
    }
}
