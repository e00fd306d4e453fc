//! One app's engine: its zygote, processes made ahead, and what happens when the app's file changes.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use belljar_sandbox::Launcher;
use tokio::sync::Mutex;

use super::fresh::Extent;
use super::handle::{Handle, Loading, system};
use super::settings::{OPEN_FILES, QuickJsSettings, own_program};
use super::wire::Load;
use crate::bus::Boxed;
use crate::config::{App, Program, Source};
use crate::engine::{Engine, EngineError, Process};

/// What is added to the reasons why an app cannot be loaded.
const ELSEWHERE: &str = "(loading it into QuickJS; if it needs what there is only in Node, set `engine = \"node\"`)";
/// Bytes of an app's file, at most.
const MAX_SOURCE: u64 = 16 << 20;
/// A file that is written to is read when nobody has written for so long: half of it may be an app, too, but not this one.
const SETTLED: Duration = Duration::from_millis(200);
/// So far a file server's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(5);
/// Times to wait for that, at most.
const SETTLING: u32 = 10;

/// What is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuickJsApp {
    /// Its name, for the log.
    pub name: String,
    /// The app.
    pub source: Source,
    /// An expression whose members become its globals.
    pub app_context: Option<String>,
    /// Directories of modules. Shown inside by the same paths.
    pub node_modules: Vec<PathBuf>,
    /// `TZ` of its environment: the time zone that dates are local in. The machine's if absent, as for any program.
    pub time_zone: Option<String>,
}

/// The engine of one app.
#[derive(Debug)]
pub struct QuickJs {
    launcher: Launcher,
    app: QuickJsApp,
    settings: QuickJsSettings,
    state: Mutex<State>,
    /// Bytes of the zygote's memory.
    memory: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
struct State {
    loaded: Loaded,
    /// Processes that wait for their first line.
    ahead: VecDeque<Process>,
    closed: bool,
}

/// What was made of which text.
#[derive(Debug)]
struct Loaded {
    text: Arc<str>,
    stamp: Option<Stamp>,
    /// What of it can be loaded ahead.
    extent: Extent,
    /// The zygote, or why there is none.
    zygote: Result<Arc<Handle>, String>,
}

/// What tells whether a file has changed without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let metadata = std::fs::metadata(path)?;
        Ok(Self { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
    }
}

impl QuickJs {
    /// Loads an app, as its configuration says.
    ///
    /// # Errors
    /// [`EngineError::App`] when it cannot be loaded: with its stack, or what it lacks here, and what else could run it.
    pub async fn start(launcher: &Launcher, app: &App) -> Result<Self, EngineError> {
        let Program::JavaScript { source, app_context, node_modules, .. } = &app.program else {
            return Err(EngineError::App("the app is not JavaScript".to_owned()));
        };
        let quickjs = QuickJsApp {
            name: app.name.clone(),
            source: source.clone(),
            app_context: app_context.clone(),
            node_modules: module_directories(node_modules, source),
            time_zone: app.env.get("TZ").cloned(),
        };
        Self::load_app(launcher.clone(), quickjs, QuickJsSettings::of(app)).await
    }

    /// As [`QuickJs::start`], with limits of one's own.
    ///
    /// # Errors
    /// Likewise.
    pub async fn load_app(launcher: Launcher, app: QuickJsApp, settings: QuickJsSettings) -> Result<Self, EngineError> {
        let (text, stamp) = read(&app.source).await?;
        let loaded = Loaded { text, stamp, extent: Extent::App, zygote: Err(String::new()) };
        let state = Mutex::new(State { loaded, ahead: VecDeque::new(), closed: false });
        let engine = Self { launcher, app, settings, state, memory: 0.into() };
        let mut state = engine.state.lock().await;
        engine.load(&mut state).await?;
        engine.make_ahead(&mut state).await?;
        drop(state);
        Ok(engine)
    }

    /// How much of the app is loaded ahead, rather than for each message.
    pub async fn extent(&self) -> Extent {
        self.state.lock().await.loaded.extent
    }

    /// Makes a zygote of the text that is there.
    async fn load(&self, state: &mut State) -> Result<(), EngineError> {
        let State { loaded, ahead, .. } = state;
        ahead.clear();
        let program = own_program().map_err(|error| system("finding our own program", error))?;
        let policy = self.settings.policy(&program, &self.app.node_modules, self.app.time_zone.as_deref());
        let handle = loop {
            let load = Load {
                source: loaded.text.to_string(),
                app_context: self.app.app_context.clone(),
                modules: self.app.node_modules.clone(),
                memory: usize::try_from(self.settings.load_memory).unwrap_or(usize::MAX),
                message_memory: usize::try_from(self.settings.message_memory).unwrap_or(usize::MAX),
                load_ms: u64::try_from(self.settings.load_time.as_millis()).unwrap_or(u64::MAX),
                cpu_seconds: self.settings.cpu_time.as_secs().max(1),
                open_files: OPEN_FILES.into(),
                extent: loaded.extent,
            };
            match Handle::start(&self.launcher, &policy, &load, self.settings.processes).await {
                Ok(Loading::Ready(handle)) => break handle,
                Ok(Loading::Less(extent)) => {
                    let who = if extent == Extent::Engine { "a library" } else { "the app" };
                    tracing::warn!(
                        app = self.app.name,
                        "{who} asks for the time or for random numbers while it loads: it is loaded anew for each message, which takes longer"
                    );
                    loaded.extent = extent;
                }
                Err(EngineError::App(text)) => {
                    let text = format!("{text}\n{ELSEWHERE}");
                    loaded.zygote = Err(text.clone());
                    return Err(EngineError::App(text));
                }
                Err(error) => return Err(error),
            }
        };
        self.memory.store(handle.memory(), std::sync::atomic::Ordering::Relaxed);
        loaded.zygote = Ok(handle);
        Ok(())
    }

    /// Loads the file anew. One that cannot be read or loaded is told of once, and the app stays as it was until the file changes again:
    /// messages must not suffer from what somebody is in the middle of.
    async fn exchange(&self, state: &mut State, path: &Path) -> Result<(), EngineError> {
        settle(path, state.loaded.stamp).await;
        let (text, stamp) = match read(&self.app.source).await {
            Ok(read) => read,
            Err(error) => return self.keep(state, Stamp::of(path).ok(), error),
        };
        if text == state.loaded.text {
            state.loaded.stamp = stamp;
            return Ok(());
        }
        tracing::info!(app = self.app.name, file = %path.display(), "the app has changed, and is loaded anew");
        let new = Loaded { text, stamp, extent: Extent::App, zygote: Err(String::new()) };
        let old = std::mem::replace(&mut state.loaded, new);
        let Err(error) = self.load(state).await else { return Ok(()) };
        if matches!(error, EngineError::App(_)) {
            state.loaded = old;
            return self.keep(state, stamp, error);
        }
        // Nothing that the file could do about; it is loaded at the next try.
        state.loaded = old;
        Err(error)
    }

    /// Goes on with what is loaded, if anything is, although the file is another.
    fn keep(&self, state: &mut State, stamp: Option<Stamp>, error: EngineError) -> Result<(), EngineError> {
        state.loaded.stamp = stamp;
        if state.loaded.zygote.is_err() {
            return Err(error);
        }
        tracing::error!(app = self.app.name, %error, "the app's file cannot be used; the app stays as it was before");
        Ok(())
    }

    /// Makes sure that the zygote is there, and that it is of the app as it is now.
    async fn refresh(&self, state: &mut State) -> Result<(), EngineError> {
        if let Source::File(path) = &self.app.source
            && Stamp::of(path).ok() != state.loaded.stamp
        {
            self.exchange(state, path).await?;
        }
        match &state.loaded.zygote {
            Ok(zygote) if zygote.is_there() => Ok(()),
            Ok(_) => {
                tracing::warn!(app = self.app.name, "the process that the app was loaded in is gone; another is made");
                self.load(state).await
            }
            // Nothing of ours: it will not get better before it changes.
            Err(text) if !text.is_empty() => Err(EngineError::App(text.clone())),
            Err(_) => self.load(state).await,
        }
    }

    async fn make_ahead(&self, state: &mut State) -> Result<(), EngineError> {
        let Ok(zygote) = &state.loaded.zygote else { return Ok(()) };
        while state.ahead.len() < usize::try_from(self.settings.ahead).unwrap_or(0) {
            let Some(made) = zygote.fork_if_room().await else { return Ok(()) };
            state.ahead.push_back(made?);
        }
        Ok(())
    }
}

impl Engine for QuickJs {
    fn process(&self) -> Boxed<'_, Result<Process, EngineError>> {
        Box::pin(async {
            let mut state = self.state.lock().await;
            if state.closed {
                return Err(system("making a process", io::ErrorKind::BrokenPipe.into()));
            }
            self.refresh(&mut state).await?;
            if let Some(process) = state.ahead.pop_front() {
                // What goes wrong here goes wrong for the next one, too, and is told then.
                let _ = self.make_ahead(&mut state).await;
                return Ok(process);
            }
            let zygote = state.loaded.zygote.as_ref().map(Arc::clone).map_err(|text| EngineError::App(text.clone()))?;
            // It may have to wait for room, which others need not.
            drop(state);
            zygote.fork().await
        })
    }

    fn reload(&self) -> Boxed<'_, Result<(), EngineError>> {
        Box::pin(async {
            let (text, stamp) = read(&self.app.source).await?;
            let mut state = self.state.lock().await;
            state.loaded = Loaded { text, stamp, extent: Extent::App, zygote: Err(String::new()) };
            self.load(&mut state).await
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            let mut state = self.state.lock().await;
            state.closed = true;
            state.ahead.clear();
            if let Ok(zygote) = &state.loaded.zygote {
                zygote.ended().await;
            }
        })
    }

    fn memory(&self) -> Option<u64> {
        Some(self.memory.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn wants_initialize(&self) -> bool {
        false
    }
}

/// The directories of modules that an app finds: those of its configuration, and, as Node has it, those beside and above its file.
fn module_directories(configured: &[PathBuf], source: &Source) -> Vec<PathBuf> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut directories: Vec<PathBuf> = configured.iter().map(|path| absolute(path)).collect();
    if let Source::File(path) = source {
        let beside = absolute(path);
        for directory in beside.ancestors().skip(1).map(|above| above.join("node_modules")) {
            if directory.is_dir() && !directories.contains(&directory) {
                directories.push(directory);
            }
        }
    }
    directories
}

/// Waits until nobody writes to a file any more. One that was put in the place of another is complete.
async fn settle(path: &Path, former: Option<Stamp>) {
    for _ in 0..SETTLING {
        let Ok(stamp) = Stamp::of(path) else { return };
        // A moment that is still to come is one of a clock that is ahead a little, or of a date that somebody has set.
        let age = stamp.modified.map_or(SETTLED, |modified| match modified.elapsed() {
            Ok(age) => age,
            Err(ahead) if ahead.duration() < AHEAD => Duration::ZERO,
            Err(_) => SETTLED,
        });
        if age >= SETTLED || former.is_none_or(|former| former.inode != stamp.inode) {
            return;
        }
        tokio::time::sleep(SETTLED.saturating_sub(age)).await;
    }
}

/// The text of an app. A file's stamp is taken before it is read: what changes meanwhile is read again.
async fn read(source: &Source) -> Result<(Arc<str>, Option<Stamp>), EngineError> {
    match source {
        Source::Inline(text) => Ok((text.as_str().into(), None)),
        Source::File(path) => {
            let failed = |error: io::Error| EngineError::App(format!("cannot read '{}': {error}", path.display()));
            let stamp = Stamp::of(path).map_err(failed)?;
            if stamp.length > MAX_SOURCE {
                return Err(failed(io::Error::other(format!("more than {MAX_SOURCE} bytes"))));
            }
            let text = tokio::fs::read_to_string(path).await.map_err(failed)?;
            Ok((text.into(), Some(stamp)))
        }
    }
}
