//! From an app's configuration to what serves it.

use std::fmt;
use std::sync::Arc;

use belljar_sandbox::Launcher;

use super::Deployment;
use crate::config::{App, JavaScriptEngine, Program};
use crate::engine::quickjs::QuickJs;
use crate::engine::{Engine, EngineError, NodeEngine, ProcessEngine};
use crate::resource::{ResourceError, Resources, Shared};
use crate::run::Runner;

/// Makes deployments of apps, with what those of one worker have in common. Clones share it.
#[derive(Debug, Clone)]
pub struct Assembly {
    launcher: Launcher,
    shared: Shared,
}

/// What runs an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// A program of the app's own.
    Executable,
    /// Node, and why not QuickJS, where that was tried.
    Node {
        /// What QuickJS lacks for this app.
        because: Option<String>,
    },
    /// QuickJS.
    QuickJs,
}

impl fmt::Display for Chosen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Executable => "a program of its own",
            Self::Node { .. } => "Node",
            Self::QuickJs => "QuickJS",
        })
    }
}

/// Why an app cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// One of its resources.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// What runs it.
    #[error("app `{app}`: {source}")]
    Engine {
        /// Its name.
        app: String,
        /// What is wrong.
        source: EngineError,
    },
    /// Neither engine for JavaScript.
    #[error("app `{app}` does not load on QuickJS, and there is no Node: {why}")]
    NoEngine {
        /// Its name.
        app: String,
        /// What QuickJS says.
        why: String,
    },
}

impl Assembly {
    /// With this launcher, and these connections, files and counters of resources.
    #[must_use]
    pub const fn new(launcher: Launcher, shared: Shared) -> Self {
        Self { launcher, shared }
    }

    /// Loads an app, and opens its resources.
    ///
    /// # Errors
    /// It cannot be loaded, or a resource cannot be opened. A Redis or a broker that is not there is no error.
    pub async fn deployment(&self, app: App) -> Result<(Deployment, Chosen), AssemblyError> {
        let resources = Resources::open(&app, &self.shared).await?;
        let (engine, chosen) = self.engine(&app).await?;
        let runner = Runner::new(Arc::new(app.clone()), engine, resources);
        Ok((Deployment { app, handler: Box::new(runner) }, chosen))
    }

    async fn engine(&self, app: &App) -> Result<(Arc<dyn Engine>, Chosen), AssemblyError> {
        let failed = |source| AssemblyError::Engine { app: app.name.clone(), source };
        let Program::JavaScript { engine, .. } = &app.program else {
            let engine = ProcessEngine::new(&self.launcher, app).map_err(failed)?;
            return Ok((Arc::new(engine), Chosen::Executable));
        };
        match engine {
            JavaScriptEngine::QuickJs => {
                let engine = QuickJs::start(&self.launcher, app).await.map_err(failed)?;
                Ok((Arc::new(engine), Chosen::QuickJs))
            }
            JavaScriptEngine::Node { .. } => {
                let engine = self.node(app).map_err(failed)?;
                Ok((engine, Chosen::Node { because: None }))
            }
            JavaScriptEngine::Auto { node } => match (QuickJs::start(&self.launcher, app).await, node) {
                (Ok(engine), _) => Ok((Arc::new(engine), Chosen::QuickJs)),
                (Err(EngineError::App(why)), Some(_)) => {
                    let engine = self.node(app).map_err(failed)?;
                    Ok((engine, Chosen::Node { because: Some(why) }))
                }
                (Err(EngineError::App(why)), None) => Err(AssemblyError::NoEngine { app: app.name.clone(), why }),
                (Err(error), _) => Err(failed(error)),
            },
        }
    }

    fn node(&self, app: &App) -> Result<Arc<dyn Engine>, EngineError> {
        Ok(Arc::new(NodeEngine::new(&self.launcher, app)?))
    }
}
