//! Saved working directories.

use jiff::Timestamp;

use crate::{BlobId, EnvironmentId};

/// A saved working directory: an immutable archive that lives until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub id: EnvironmentId,
    /// The archive. Environments with the same bytes share it.
    pub blob: BlobId,
    /// Size of the archive in bytes.
    pub size: u64,
    /// When it was saved, in whole microseconds.
    pub created: Timestamp,
    /// From this moment on it is gone, whether or not its bytes have been removed.
    pub expires: Timestamp,
}
