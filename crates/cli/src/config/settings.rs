//! All that can be set, in one tree.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use belljar_execute::settings::InvalidSetting;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All settings: those of `belljar serve`, and the sandboxes of others that `belljar submit` and the like ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Directory that holds the database and the saved environments; created when it is not there. The default is
    /// `/var/lib/belljar` for root, else `$XDG_DATA_HOME/belljar` or `~/.local/share/belljar`.
    pub(crate) data_dir: PathBuf,
    /// Sandboxes of others, each a table `[sandbox.NAME]` of its own: see [sandboxes.md](sandboxes.md). A variable such as
    /// `BELLJAR_SANDBOX_NAME_KEY` sets one value of a sandbox that the file has.
    pub(crate) sandbox: BTreeMap<String, Value>,
    /// What is written to the log.
    pub(crate) log: LogSettings,
    /// The execution service: its sandboxes, saved environments and libraries.
    pub(crate) execute: belljar_execute::Settings,
    /// The HTTP server.
    pub(crate) server: belljar_server::Settings,
}

/// What is written to the log, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSettings {
    /// `text` for people, `json` for programs: one object per line.
    pub(crate) format: LogFormat,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`) or a list such as `info,belljar_sandbox=debug`.
    /// The variable `BELLJAR_LOG` sets it too.
    pub(crate) filter: String,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Default for Settings {
    /// The defaults for root.
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/belljar"),
            log: LogSettings::default(),
            execute: belljar_execute::Settings::default(),
            server: belljar_server::Settings::default(),
            sandbox: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The defaults for the user who runs this process with this environment.
    pub(crate) fn for_caller(environment: &[(OsString, OsString)]) -> Self {
        let data_dir = data_directory(rustix::process::geteuid().is_root(), |name| {
            environment.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.clone())
        });
        Self { data_dir, ..Self::default() }
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// The key of the first value that makes no sense, and why.
    pub(crate) fn validate(&self) -> Result<(), (String, String)> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(("data_dir".to_owned(), "the path is empty".to_owned()));
        }
        self.log
            .filter
            .parse::<tracing_subscriber::EnvFilter>()
            .map_err(|error| ("log.filter".to_owned(), error.to_string()))?;
        let in_table =
            |table: &str, error: InvalidSetting| (format!("{table}.{}", error.key), error.problem.to_owned());
        self.execute.validate().map_err(|error| in_table("execute", error))?;
        self.server.validate().map_err(|error| in_table("server", error))
    }
}

/// Where data lives by default (XDG Base Directory Specification, which has relative paths ignored).
fn data_directory(is_root: bool, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match (is_root, absolute("XDG_DATA_HOME"), absolute("HOME")) {
        (false, Some(data), _) => data.join("belljar"),
        (false, None, Some(home)) => home.join(".local/share/belljar"),
        _ => Path::new("/var/lib/belljar").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lives_where_the_user_may_write() {
        type Case<'a> = (bool, &'a [(&'a str, &'a str)], &'a str);
        let cases: [Case<'_>; 6] = [
            (true, &[("HOME", "/root"), ("XDG_DATA_HOME", "/data")], "/var/lib/belljar"),
            (false, &[("HOME", "/home/a")], "/home/a/.local/share/belljar"),
            (false, &[("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")], "/data/belljar"),
            (false, &[("HOME", "/home/a"), ("XDG_DATA_HOME", "data")], "/home/a/.local/share/belljar"),
            (false, &[("HOME", "/home/a"), ("XDG_DATA_HOME", "")], "/home/a/.local/share/belljar"),
            (false, &[], "/var/lib/belljar"),
        ];
        for (is_root, variables, expected) in cases {
            let found = data_directory(is_root, |name| {
                variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value))
            });
            assert_eq!(found, Path::new(expected), "{is_root} {variables:?}");
        }
    }
}
