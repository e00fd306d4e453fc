//! What can go wrong with a store, and what to do about it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use crate::BlobId;

/// A step of a store that failed.
///
/// The text names the step, the path and, where it is known, what to do; the cause is the [`source`](Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {step} `{}`{}", path.display(), advice(source))]
    File {
        /// What was being done, as a verb.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another process uses the data directory.
    #[error(
        "`{}` is in use by {}: stop that process, or choose another directory with --data-dir",
        path.display(),
        holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The process that holds it, if it left its number (its own view of it: another one in another container).
        holder: Option<u32>,
    },
    /// The directory holds something else: what is in it could be lost.
    #[error(
        "`{}` is not empty and no data directory of belljar: choose an empty or a new directory with --data-dir",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to somebody else than who is to use it.
    #[error("`{}` {why}", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is, and what to do.
        why: String,
    },
    /// A newer version has changed the tables: this one could misread them.
    #[error(
        "`{}` was made by a newer belljar (schema {found}, this one knows {known}): run that version, or restore a backup",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The database refused.
    #[error("cannot {step} in `{}`{advice}", path.display())]
    Database {
        /// What was being done, as a verb.
        step: &'static str,
        /// The database.
        path: PathBuf,
        /// What to do about it, with a colon before it; empty if that is not known.
        advice: &'static str,
        /// Its answer.
        source: Box<dyn Error + Send + Sync>,
    },
    /// More bytes than the writer was allowed to take.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The file of a blob is not there: it expired and was swept since it was looked up, or somebody removed it.
    #[error("blob {blob} is gone")]
    Missing {
        /// The blob.
        blob: BlobId,
    },
    /// The file of a blob has another size than was saved: it was changed from outside, or the disk is failing.
    #[error("blob {blob} is damaged: {found} bytes instead of {expected}; restore it from a backup and check the disk")]
    Damaged {
        /// The blob.
        blob: BlobId,
        /// Its size in bytes.
        found: u64,
        /// The size in bytes that was saved.
        expected: u64,
    },
    /// A write of this blob failed or was given up before: bytes are missing.
    #[error("an earlier write of this blob was not completed: begin it again")]
    Interrupted,
    /// The runtime stopped before the work was begun; nothing was saved.
    #[error("the store is shutting down")]
    Stopped,
}

impl StoreError {
    /// For `map_err`: the system's answer to a step on a path.
    pub(crate) fn file(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { step, path, source }
    }
}

/// What to do about the errors of a file system that have one usual cause.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => ": free space on its file system, or move the data directory to a larger one",
        io::ErrorKind::QuotaExceeded => ": raise the quota of this user, or shorten the lifetime of environments",
        io::ErrorKind::PermissionDenied => {
            ": give its directory to the user that belljar runs as, or choose another with --data-dir"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ": mount its file system writable, or choose another directory with --data-dir"
        }
        io::ErrorKind::NotADirectory => ": a part of this path is a file; choose another directory with --data-dir",
        _ => "",
    }
}
