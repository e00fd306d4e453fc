//! Gives messages to processes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::drive::{Course, Drive, EXIT_GRACE};
use super::kept::{Keep, Kept, Owner};
use super::report::{Outcome, RunReport, STDERR_TAIL_BYTES, end_of};
use super::{RunContext, Script};
use crate::config::{App, Program, ResourceConfig};
use crate::engine::{Engine, EngineError, MAX_PROCESSES};
use crate::message::{Kind, Message};
use crate::protocol::{Command, Fields};
use crate::resource::{Level, Resources};

/// The name that a JavaScript app's `js` resource has unless the configuration says otherwise.
const JS: &str = "js";

/// What all runs of an app have in common.
pub(super) struct Setting {
    pub(super) app: Arc<App>,
    pub(super) resources: Resources,
    /// The names under which `done` ends a run.
    js: BTreeSet<String>,
}

impl Setting {
    pub(super) fn is_js(&self, resource: &str) -> bool {
        self.js.contains(resource)
    }

    /// Says something about the app, where the app's owner reads: through the resource that the configuration names, else in the
    /// worker's own log.
    pub(super) async fn log(&self, context: &RunContext, level: Level, text: String) {
        let resource = self.app.logging_resource.as_deref().and_then(|name| self.resources.get(name));
        if let Some(resource) = resource {
            let fields = [("msg", text.into()), ("level", level.number().into())];
            let fields = Fields::from_iter(fields.map(|(name, value)| (name.to_owned(), value)));
            resource.handle(context, "log", &fields).await;
        } else {
            context.log.write(level, &text);
        }
    }
}

/// Gives the messages of one app to its processes, and talks to them until each is through. Runs wait for one another only
/// for processes that serve again, of which there are [`MAX_PROCESSES`].
pub struct Runner {
    setting: Setting,
    engine: Arc<dyn Engine>,
    script: Option<Arc<Script>>,
    kept: Keep,
    /// Turns of runs whose processes serve again: who would have to wait for a process anyway waits for one that is kept.
    turns: Option<Semaphore>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Runner").field("app", &self.setting.app.name).finish_non_exhaustive()
    }
}

impl Runner {
    /// For an app, with its engine and its resources.
    #[must_use]
    pub fn new(app: Arc<App>, engine: Arc<dyn Engine>, resources: Resources) -> Self {
        let named = |(name, config): (&String, &ResourceConfig)| (*config == ResourceConfig::Js).then(|| name.clone());
        let mut js: BTreeSet<_> = app.resources.iter().filter_map(named).collect();
        let script = match &app.program {
            Program::Executable { .. } => None,
            Program::JavaScript { source, app_context, .. } => {
                if js.is_empty() {
                    js.insert(JS.to_owned());
                }
                Some(Arc::new(Script::new(source, app_context.as_deref())))
            }
        };
        let serving = app.prefetch.saturating_mul(2).clamp(1, MAX_PROCESSES);
        let again = app.messages_per_process > 1 && engine.serves_again();
        let turns = again.then(|| Semaphore::new(usize::from(serving)));
        Self { setting: Setting { app, resources, js }, engine, script, kept: Keep::default(), turns }
    }

    /// Gives a message to a process, and says what became of it, once everything that the app had asked for is answered, and what it
    /// had published is confirmed or refused. Takes no longer than the app's `timeout` and the named graces of this module, besides
    /// waiting for a process. Dropped, it ends the process.
    pub async fn run(&self, context: RunContext, message: &Message) -> RunReport {
        let owner = Owner { sandbox_id: context.sandbox_id.clone(), kind: message.kind() };
        let _turn = match &self.turns {
            // Never closed. Those who have a turn end in bounded time.
            Some(turns) => turns.acquire().await.ok(),
            None => None,
        };
        let mut report = match self.process(&owner).await {
            Ok((kept, first)) => self.converse(&context, message, owner, kept, first).await,
            Err(error) => {
                self.setting.log(&context, Level::Error, error.to_string()).await;
                RunReport::without_process(&error)
            }
        };
        report.confirmed = context.confirmed().await;
        report.published = context.published();
        report.log(&context.log);
        report
    }

    /// The engine that makes its processes.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Processes that wait for another message (`messages_per_process`).
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.count()
    }

    /// Ends the processes that wait for another message, and then the engine. Runs that go on are not affected by the former.
    pub async fn close(&self) {
        for mut kept in self.kept.all() {
            let exit = Command::new("exit", Fields::new()).to_line();
            let ended = async {
                if kept.process.stdin.write_all(&exit).await.is_ok() && kept.process.stdin.flush().await.is_ok() {
                    kept.process.control.ended().await;
                }
            };
            // Dropped after that, it is killed.
            let _ = tokio::time::timeout(EXIT_GRACE, ended).await;
        }
        self.engine.close().await;
    }

    /// A process, and what it has to hear before its message.
    async fn process(&self, owner: &Owner) -> Result<(Kept, Vec<u8>), EngineError> {
        let known = if self.setting.app.messages_per_process > 1 { self.kept.take(owner) } else { None };
        let wants = known.is_some() || self.engine.wants_initialize();
        let first = match &self.script {
            Some(script) if wants => script.initialize(&script.text().await?).to_line(),
            _ => Vec::new(),
        };
        let kept = match known {
            Some(kept) => kept,
            None => Kept::new(self.engine.process().await?, 0),
        };
        Ok((kept, first))
    }

    async fn converse(
        &self,
        context: &RunContext,
        message: &Message,
        owner: Owner,
        kept: Kept,
        mut first: Vec<u8>,
    ) -> RunReport {
        let Kept { mut process, served, .. } = kept;
        let served = served.saturating_add(1);
        let cmd = match message.kind() {
            Kind::UserMessage => "inbound-message",
            Kind::Event => "inbound-event",
        };
        let fields = Fields::from_iter([("msg".to_owned(), message.fields().clone().into())]);
        first.extend(Command::new(cmd, fields).to_line());
        let keep = served < self.setting.app.messages_per_process && self.engine.serves_again();

        let started = Instant::now();
        let course = Drive::new(&self.setting, context, &first, keep).talk(&mut process).await;
        let Course { outcome, requests, received, stderr, reusable } = course;
        let wall = started.elapsed();
        let usage = process.control.usage();
        if keep && reusable && outcome == Outcome::Done {
            self.kept.put(owner, Kept::new(process, served));
        } else {
            drop(process);
        }
        let stderr = stderr.unwrap_or_default();
        if !stderr.is_empty() {
            self.setting.log(context, Level::Error, stderr.clone()).await;
        }
        RunReport {
            outcome,
            wall,
            usage,
            requests,
            received,
            published: 0,
            stderr: end_of(&stderr, STDERR_TAIL_BYTES).to_owned(),
            confirmed: Ok(()),
        }
    }
}
