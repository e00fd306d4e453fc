//! Steps that outlive a power failure, and where blocking work is done.

use std::fs::File;
use std::path::Path;

use crate::StoreError;

/// Makes the names in a directory durable. (A file's own `fsync` does not: see NOTES in `fsync(2)`.)
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(StoreError::file("sync", path))
}

/// Does blocking work on a thread that may block. The work is done to its end even if nobody waits for it any more.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    settled(tokio::task::spawn_blocking(work).await)
}

/// The result of blocking work. A panic in it goes on here.
pub(crate) fn settled<T>(result: Result<Result<T, StoreError>, tokio::task::JoinError>) -> Result<T, StoreError> {
    match result {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Stopped),
        },
    }
}
