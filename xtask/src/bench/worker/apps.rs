//! The apps that are measured, and the files that they and the worker need.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cargo::root;

/// The toolkit that apps are written with, and the version that was current when this was written.
const TOOLKIT: &str = "vumigo_v02@0.3.2";

/// What apps get of modules, as operators write it.
const CONTEXT: &str =
    "{require: function(m) { return ['vumigo_v02'].indexOf(m) >= 0 ? require(m) : null; }, Buffer: Buffer}";

/// What is said to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answers at once what it hears.
    Echo,
    /// Written with the toolkit.
    Toolkit,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Toolkit => "toolkit",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Echo => include_str!("apps/echo.js"),
            Self::Toolkit => include_str!("apps/toolkit.js"),
        }
    }

    /// What a user says at this turn of a conversation that goes round and round, and what the answer begins with.
    pub(super) fn turn(self, number: usize) -> Turn {
        match self {
            Self::Echo => Turn { event: None, says: Some("hello"), hears: "hello" },
            // The session goes on and on.
            Self::Toolkit if number == 0 => Turn { event: Some("new"), says: None, hears: "What is your name?" },
            Self::Toolkit if number % 2 == 1 => {
                Turn { event: Some("resume"), says: Some("Ada"), hears: "Hello Ada, what next?" }
            }
            Self::Toolkit => Turn { event: Some("resume"), says: Some("1"), hears: "What is your name?" },
        }
    }
}

/// One message of a user and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) event: Option<&'static str>,
    pub(super) says: Option<&'static str>,
    pub(super) hears: &'static str,
}

/// What runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    QuickJs,
    Node,
    /// A process serves many messages.
    NodeAgain,
}

impl Engine {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::QuickJs => "quickjs",
            Self::Node => "node",
            Self::NodeAgain => "node_again",
        }
    }

    fn settings(self) -> &'static str {
        match self {
            Self::QuickJs => "engine = \"quickjs\"\n",
            Self::Node => "engine = \"node\"\n",
            Self::NodeAgain => "engine = \"node\"\nmessages_per_process = 1000\n",
        }
    }
}

/// Where the keys and values of apps are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Store {
    /// A Redis at this port.
    Redis(u16),
    /// The worker's own files.
    Embedded,
}

/// A directory with apps, configuration, and the toolkit.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
}

impl Place {
    /// In the target directory, where the toolkit is kept from run to run.
    ///
    /// # Errors
    ///
    /// Files cannot be written, or npm cannot fetch the toolkit.
    pub(super) fn prepare() -> Result<Self> {
        let directory = root().join("target/bench-worker");
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let directory = directory.canonicalize()?;
        let place = Self { directory };
        for (name, text) in [
            ("echo.js", Kind::Echo.text()),
            ("toolkit.js", Kind::Toolkit.text()),
            ("floor.js", include_str!("apps/floor.js")),
            ("config.json", "{\"name\": \"bench\"}\n"),
            // What says to npm that this is the place.
            ("package.json", "{\"private\": true}\n"),
        ] {
            fs::write(place.file(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        if !place.file("node_modules/vumigo_v02/package.json").exists() {
            eprintln!("fetching {TOOLKIT} ...");
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", TOOLKIT]);
            npm.current_dir(&place.directory).stdout(Stdio::null());
            ensure!(npm.status().context("cannot start npm")?.success(), "npm cannot install {TOOLKIT}");
        }
        Ok(place)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A configuration file of the worker with these apps, by their transports' names.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(super) fn configure(
        &self,
        head: &str,
        apps: &[(String, Kind, Engine)],
        store: Store,
        users: usize,
        into: &Path,
    ) -> Result<PathBuf> {
        let mut text = head.to_owned();
        for (name, kind, engine) in apps {
            let quoted = |file: PathBuf| json!(file.to_string_lossy());
            let (app, config) = (quoted(self.file(&format!("{}.js", kind.name()))), quoted(self.file("config.json")));
            // Twice, so that the next message of each is there when it is needed.
            let prefetch = (2 * users).max(20);
            write!(text, "\n[apps.{name}]\njavascript_file = {app}\nprefetch = {prefetch}\n{}", engine.settings())?;
            if *kind == Kind::Toolkit {
                let store = match store {
                    Store::Redis(port) => format!("store = \"redis\"\nport = {port}\nkey_prefix = \"bench\"\n"),
                    Store::Embedded => "store = \"embedded\"\n".to_owned(),
                };
                write!(
                    text,
                    "app_context = {}\n[apps.{name}.resources.config.keys]\nconfig = {config}\n[apps.{name}.resources.kv]\n\
                     keys_per_user_hard = 1000000\n{store}",
                    json!(CONTEXT)
                )?;
            }
        }
        let file = into.join("worker.toml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

/// A message of a user, as a transport publishes it.
pub(crate) fn message(transport: &str, id: &str, user: &str, event: Option<&str>, content: Option<&str>) -> Value {
    json!({
        "message_version": "20110921", "message_type": "user_message", "timestamp": "2026-11-20 16:01:35.766753",
        "message_id": id, "to_addr": "*120*1#", "from_addr": user, "in_reply_to": null, "session_event": event,
        "content": content, "transport_name": transport, "transport_type": "ussd", "transport_metadata": {},
        "helper_metadata": {}, "routing_metadata": {}, "group": null, "provider": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_go_round() {
        let heard: Vec<_> = (0..5).map(|turn| Kind::Toolkit.turn(turn).hears).collect();
        let (name, menu) = ("What is your name?", "Hello Ada, what next?");
        assert_eq!(heard, [name, menu, name, menu, name]);
    }
}
