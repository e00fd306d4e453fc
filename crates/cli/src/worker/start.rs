//! What comes before the first message.

use anyhow::anyhow;
use belljar_sandbox::Launcher;
use belljar_worker::config::App;
use belljar_worker::resource::Shared;
use belljar_worker::service::{Assembly, AssemblyError, Chosen, Deployment};
use tracing::info;

use crate::exit::ExitCode;
use crate::failure::Failure;

/// An app that can be served.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) deployment: Deployment,
    pub(super) engine: Chosen,
}

/// What makes apps ready.
#[derive(Debug)]
pub(super) struct Workshop {
    assembly: Assembly,
}

impl Workshop {
    pub(super) fn new(launcher: Launcher, shared: Shared) -> Self {
        Self { assembly: Assembly::new(launcher, shared) }
    }

    /// Makes an app ready, and says what it runs on.
    ///
    /// # Errors
    /// It cannot be served.
    pub(super) async fn prepare(&self, app: App) -> Result<Prepared, Failure> {
        let (deployment, engine) = self.assembly.deployment(app).await.map_err(because)?;
        let app = &deployment.app;
        let Chosen::Node { because: Some(why) } = &engine else {
            return Ok(Prepared { deployment, engine });
        };
        info!(app = app.name, why, "The app runs on Node, as it does not load on QuickJS.");
        Ok(Prepared { deployment, engine })
    }
}

fn because(error: AssemblyError) -> Failure {
    match &error {
        AssemblyError::NoEngine { .. } => {
            Failure::from(anyhow!(error)).hint("install Node, or say where it is with `engine` in the configuration")
        }
        AssemblyError::Engine { source: belljar_worker::engine::EngineError::Sandbox(_), .. } => {
            Failure::new(ExitCode::SetupFailed, error).hint("`belljar doctor` tells what is missing")
        }
        _ => Failure::from(anyhow!(error)),
    }
}
