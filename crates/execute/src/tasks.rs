//! What a service does in the background.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use belljar_sandbox::{Command, TakeError};
use belljar_store::DataDirectory;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::error::StartError;
use crate::libraries::{self, Libraries, PROBE, PROBE_TIMEOUT};
use crate::service::Inner;

/// Why there is no list of software.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoListing {
    #[error("no sandbox became free")]
    Busy,
    #[error("{0}")]
    Failed(String),
}

/// Begins all background tasks. Each ends when `stopping` is cancelled.
pub(crate) fn spawn_all(inner: &Arc<Inner>, tasks: &TaskTracker, stopping: &CancellationToken) {
    let spawn = |task: fn(Arc<Inner>) -> Task| {
        let (task, stopping) = (task(inner.clone()), stopping.clone());
        tasks.spawn(async move { stopping.run_until_cancelled(task).await });
    };
    spawn(|inner| Box::pin(async move { sweep(&inner).await }));
    spawn(|inner| Box::pin(async move { update_libraries(&inner).await }));
    spawn(|inner| Box::pin(async move { inner.sampler.run(inner.machine.clone()).await }));
    spawn(|inner| Box::pin(async move { inner.listing.run(|| list_libraries(&inner)).await }));
}

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Removes expired environments, at the start and then at each interval.
async fn sweep(inner: &Inner) {
    loop {
        match inner.environments.sweep(Timestamp::now()).await {
            Ok(swept) if swept == Default::default() => {}
            Ok(swept) => tracing::info!(?swept, "expired environments were removed"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "expired environments could not be removed");
            }
        }
        tokio::time::sleep(inner.settings.sweep_interval).await;
    }
}

/// Updates external libraries, at the start and then at each interval.
async fn update_libraries(inner: &Inner) {
    let settings = &inner.settings.libraries;
    if settings.external.is_empty() {
        return;
    }
    loop {
        let updates = libraries::update_all(&inner.libraries, settings).await;
        *inner.updates.lock().unwrap_or_else(PoisonError::into_inner) = updates;
        tokio::time::sleep(settings.refresh_interval).await;
    }
}

/// Lists the software that programs find, in a sandbox like theirs.
async fn list_libraries(inner: &Inner) -> Result<Libraries, NoListing> {
    let mut sandbox = inner.pool.take(inner.settings.wait_for_sandbox).await.map_err(|error| match error {
        TakeError::Busy => NoListing::Busy,
        error => NoListing::Failed(error.to_string()),
    })?;
    let command = Command::shell(PROBE).wall_time(PROBE_TIMEOUT);
    let outcome = sandbox.run(command).await.map_err(|error| NoListing::Failed(error.to_string()))?;
    Libraries::parse(&outcome.stdout).ok_or_else(|| {
        let complaint: String = String::from_utf8_lossy(&outcome.stderr).chars().take(200).collect();
        NoListing::Failed(format!("the list of software is incomplete: {:?}, {complaint:?}", outcome.end))
    })
}

/// The directory shown at `/utils/libs`, made where it is missing. The one in the data directory, which is nobody else's, is
/// opened to all who can get there: programs in sandboxes, which are somebody else.
pub(crate) fn library_directory(data: &DataDirectory, settings: &Settings) -> Result<PathBuf, StartError> {
    let ours = settings.libraries.directory.is_none();
    let path = settings.libraries.directory.clone().unwrap_or_else(|| data.libraries());
    let prepared = DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&path)
        .and_then(|()| if ours { fs::set_permissions(&path, Permissions::from_mode(0o755)) } else { Ok(()) })
        // Not resolved: what a link in a place of somebody else leads to is for the launcher to see, and to refuse.
        .and_then(|()| std::path::absolute(&path));
    prepared.map_err(|source| StartError::Libraries { path, source })
}
