//! JavaScript apps in Node, by a runner script of our own.
//!
//! Processes are started ahead of need, and have loaded the app when their message comes. One that was started for an older text of
//! the app is not used. What is ahead of need is started one after the other, so that the start of many does not hold up those that
//! serve messages; an app that does not get through with its loading is not left to that for ever.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use belljar_sandbox::{Launcher, Policy};
use rustix::io::ioctl_fionread;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::process::{Plan, places};
use super::sandboxed::{Places, Sandboxed, Started};
use super::shown::Shown;
use super::{Engine, EngineError, Process};
use crate::bus::Boxed;
use crate::config::{App, JavaScriptEngine, Program};
use crate::run::{Script, Text};

/// The script that is an app's surroundings in Node.
const RUNNER: &str = include_str!("node/runner.js");
/// How often it is looked whether a process has loaded the app.
const LOADED_CHECK: Duration = Duration::from_millis(10);

/// Node processes, each for one message or, with `messages_per_process`, for several.
pub struct NodeEngine {
    shared: Arc<Shared>,
    refill: JoinHandle<()>,
}

struct Shared {
    sandboxed: Sandboxed,
    script: Script,
    ready: Mutex<VecDeque<Ready>>,
    most_ready: usize,
    /// For a process to read the app, and to load it.
    patience: Duration,
    /// Whether the runner script is ours, which takes no notice of an empty line.
    own_runner: bool,
    started: AtomicU64,
    wanted: Notify,
}

/// A process that waits for its message.
struct Ready {
    number: u64,
    started: Started,
    /// What it has loaded.
    text: Text,
}

impl fmt::Debug for NodeEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NodeEngine").field("script", &self.shared.script).finish_non_exhaustive()
    }
}

impl NodeEngine {
    /// For an app in JavaScript. Begins to start processes ahead; to be called within a tokio runtime.
    ///
    /// # Errors
    /// Node is not there, a limit has no such name, or the app is not for Node.
    pub fn new(launcher: &Launcher, app: &App) -> Result<Self, EngineError> {
        let Program::JavaScript { source, app_context, engine, .. } = &app.program else { return Err(not_for_node()) };
        let plan = plan(app)?;
        let most_ready = usize::from(app.prestart);
        let Places { kept, more } = places(app);
        let shared = Arc::new(Shared {
            sandboxed: Sandboxed::new(launcher, plan.policy, Places { kept: kept + most_ready, more }, plan.launch)?,
            script: Script::new(source, app_context.as_deref()),
            ready: Mutex::default(),
            most_ready,
            patience: app.timeout,
            own_runner: !matches!(engine, JavaScriptEngine::Node { args, .. } if !args.is_empty()),
            started: AtomicU64::new(0),
            wanted: Notify::new(),
        });
        shared.wanted.notify_one();
        let refill = tokio::spawn(Arc::clone(&shared).refill());
        Ok(Self { shared, refill })
    }

    /// The policy of the sandboxes of such an app: for a charter.
    ///
    /// # Errors
    /// As [`NodeEngine::new`].
    pub fn policy(app: &App) -> Result<Policy, EngineError> {
        plan(app).map(|plan| plan.policy)
    }

    /// Processes that wait for a message.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.shared.lock().iter().filter(|ready| ready.started.control.lives()).count()
    }
}

impl Engine for NodeEngine {
    fn process(&self) -> Boxed<'_, Result<Process, EngineError>> {
        Box::pin(async {
            let text = self.shared.script.text().await?;
            let ready = self.shared.take(&text);
            self.shared.wanted.notify_one();
            let started = match ready {
                Some(started) => started,
                None => self.shared.start(&text).await?,
            };
            Ok(started.into())
        })
    }

    fn reload(&self) -> Boxed<'_, Result<(), EngineError>> {
        Box::pin(async {
            self.shared.script.text().await?;
            self.shared.lock().clear();
            self.shared.wanted.notify_one();
            Ok(())
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            self.refill.abort();
            self.shared.lock().clear();
            self.shared.sandboxed.close().await;
        })
    }

    fn memory(&self) -> Option<u64> {
        None
    }

    fn wants_initialize(&self) -> bool {
        // They have been told already.
        false
    }

    fn serves_again(&self) -> bool {
        true
    }
}

impl Drop for NodeEngine {
    fn drop(&mut self) {
        self.refill.abort();
    }
}

impl Shared {
    /// A process that has loaded this text and still lives; the longest-waiting one, which is the most likely to be through with it.
    fn take(&self, text: &Text) -> Option<Started> {
        let mut ready = self.lock();
        while let Some(first) = ready.pop_front() {
            if first.text.is(text) && first.started.control.lives() {
                return Some(first.started);
            }
        }
        None
    }

    /// Starts a process and tells it the app.
    async fn start(&self, text: &Text) -> Result<Started, EngineError> {
        let mut started = self.sandboxed.start().await?;
        let line = self.script.initialize(text).to_line();
        // It may be longer than what a pipe takes before Node reads. One that has ended by now tells so by itself.
        match tokio::time::timeout(self.patience, started.stdin.write_all(&line)).await {
            Ok(_) => Ok(started),
            Err(_) => Err(EngineError::App("Node does not read what it is told".to_owned())),
        }
    }

    /// Keeps as many processes ready as there should be. One that ends while it waits is replaced when the next message has come: an
    /// app that cannot be loaded is not tried for ever.
    async fn refill(self: Arc<Self>) {
        loop {
            self.wanted.notified().await;
            while self.lock().len() < self.most_ready {
                let Ok(text) = self.script.text().await else { break };
                let started = match self.start(&text).await {
                    Ok(started) => started,
                    Err(error) => {
                        tracing::warn!(%error, "no Node process could be started ahead of need");
                        break;
                    }
                };
                let number = self.started.fetch_add(1, Ordering::Relaxed);
                self.lock().push_back(Ready { number, started, text });
                if !self.loaded(number).await {
                    tracing::warn!(patience = ?self.patience, "an app that was to be ready for messages does not finish loading");
                    break;
                }
            }
        }
    }

    /// Waits until a process has loaded the app, or is gone, or serves a message; ends it when that takes too long, and says false.
    ///
    /// A process that loads an app reads nothing. So first the app must be read, then an empty line, which nobody minds.
    async fn loaded(&self, number: u64) -> bool {
        let deadline = Instant::now() + self.patience;
        let mut app_is_read = false;
        loop {
            tokio::time::sleep(LOADED_CHECK).await;
            let mut ready = self.lock();
            let Some(place) = ready.iter().position(|ready| ready.number == number) else { return true };
            let started = &ready[place].started;
            if !started.control.lives() {
                return true;
            }
            if ioctl_fionread(&started.stdin).is_ok_and(|unread| unread == 0) {
                if app_is_read || !self.own_runner {
                    return true;
                }
                app_is_read = started.stdin.try_write(b"\n").is_ok();
            }
            if Instant::now() > deadline {
                ready.remove(place);
                return false;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How Node is started for an app.
fn plan(app: &App) -> Result<Plan, EngineError> {
    let Program::JavaScript { source, engine, node_modules, .. } = &app.program else { return Err(not_for_node()) };
    let (executable, args) = match engine {
        JavaScriptEngine::Node { executable, args } => (executable, args.as_slice()),
        JavaScriptEngine::Auto { node: Some(executable) } => (executable, &[][..]),
        JavaScriptEngine::Auto { node: None } | JavaScriptEngine::QuickJs => return Err(not_for_node()),
    };
    let mut shown = Shown::default();
    node_modules.iter().for_each(|directory| shown.add(directory));
    let file = match source {
        crate::config::Source::Inline(_) => None,
        crate::config::Source::File(path) => Some(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
    };
    // Of the app's own directory only the modules: its neighbours may be configurations with passwords.
    for directory in file.iter().flat_map(|file| file.ancestors().skip(1)) {
        shown.add(&directory.join("node_modules"));
    }
    let args = if args.is_empty() {
        let place = file.or_else(|| app.path.as_ref().map(|directory| directory.join("app.js")));
        own_runner(place.as_deref(), node_modules)
    } else {
        args.iter().map(OsString::from).collect()
    };
    Plan::new(app, executable, args, shown)
}

/// The arguments that make Node run our script.
fn own_runner(app: Option<&Path>, node_modules: &[PathBuf]) -> Vec<OsString> {
    let surroundings = json!({ "app": app, "modules": node_modules }).to_string();
    ["-e", RUNNER, "--", &surroundings].map(OsString::from).into()
}

fn not_for_node() -> EngineError {
    EngineError::App("the app is not for Node".to_owned())
}
