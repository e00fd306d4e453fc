//! Files named by what is in them.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::directory::{empty_directory, make_directory};
use crate::durable::{on_blocking_thread, sync_directory};
use crate::pins::{Condemned, Pin, Pins};
use crate::writer::BlobWriter;
use crate::{BlobId, StoreError};

/// Where files are before they have their name. In the same file system, so that giving it is one `rename`.
const INCOMING: &str = "incoming";

/// Blobs in a directory: immutable, each under the SHA-256 of its bytes, equal ones stored once.
///
/// The blob `abcd…` is the file `ab/cd…`, read-only. A file that has its name is complete and durable. Copies of this value are
/// the same store.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    incoming: PathBuf,
    pins: Arc<Pins>,
    /// The data directory is ours as long as somebody can write here.
    _lock: File,
}

impl Blobs {
    pub(crate) fn open(root: PathBuf, lock: File) -> Result<Self, StoreError> {
        make_directory(&root)?;
        let incoming = root.join(INCOMING);
        make_directory(&incoming)?;
        empty_directory(&incoming)?;
        // All of them now: no save has to make one, and make that durable, on its way.
        for first in 0..=u8::MAX {
            let path = root.join(format!("{first:02x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::file("make directory", &path)(error));
                }
                _ => {}
            }
        }
        sync_directory(&root)?;
        tempfile::tempfile_in(&incoming).map_err(StoreError::file("write to", &incoming))?;
        Ok(Self(Arc::new(Shared { root, incoming, pins: Arc::default(), _lock: lock })))
    }

    /// Starts a blob of at most `limit` bytes.
    #[must_use]
    pub fn writer(&self, limit: u64) -> BlobWriter {
        BlobWriter::new(self.clone(), limit)
    }

    /// Opens a blob for reading. It stays readable when it is removed meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is none, [`StoreError::File`] if it cannot be read.
    pub async fn open_blob(&self, blob: &BlobId) -> Result<File, StoreError> {
        let (path, blob) = (self.path(blob), *blob);
        on_blocking_thread(move || File::open(&path).map_err(|error| missing_or("open", path, blob, error))).await
    }

    /// Size of a blob in bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is none, [`StoreError::File`] if it cannot be looked at.
    pub async fn size(&self, blob: &BlobId) -> Result<u64, StoreError> {
        let (path, blob) = (self.path(blob), *blob);
        on_blocking_thread(move || match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(missing_or("look at", path, blob, error)),
        })
        .await
    }

    /// Removes a blob, and says whether it was there. One that is being saved at this moment stays.
    ///
    /// Whether a record names it is for the caller to know: [`Environments`](crate::Environments) removes its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] if it cannot be removed.
    pub async fn remove(&self, blob: &BlobId) -> Result<bool, StoreError> {
        Ok(self.remove_condemned(self.0.pins.condemn(vec![*blob])).await? > 0)
    }

    /// Removes condemned blobs, and counts those that were there.
    pub(crate) async fn remove_condemned(&self, mut condemned: Condemned) -> Result<u64, StoreError> {
        if condemned.blobs().is_empty() {
            return Ok(0);
        }
        let blobs = self.clone();
        on_blocking_thread(move || {
            let mut unnamed = Vec::new();
            let result = condemned.execute(|blob| {
                // Savers wait for this step, and to free the blocks of a large file takes long: only its name goes now.
                let to = blobs.0.incoming.join(format!("{blob}.removed"));
                match fs::rename(blobs.path(blob), &to) {
                    Ok(()) => unnamed.push(to),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                    Err(error) => return Err(error),
                }
                Ok(true)
            });
            for path in unnamed {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(StoreError::file("remove", &path)(error));
                    }
                    _ => {}
                }
            }
            result.map_err(|(blob, error)| StoreError::file("remove", &blobs.path(&blob))(error))
        })
        .await
    }

    /// All blobs, with the time when each was written. Blocking.
    pub(crate) fn scan(&self, mut found: impl FnMut(BlobId, Timestamp)) -> Result<(), StoreError> {
        for first in 0..=u8::MAX {
            let first = format!("{first:02x}");
            let directory = self.0.root.join(&first);
            let entries = fs::read_dir(&directory).map_err(StoreError::file("list", &directory))?;
            for entry in entries {
                let entry = entry.map_err(StoreError::file("list", &directory))?;
                let name = entry.file_name();
                let Some(blob) = name.to_str().and_then(|rest| format!("{first}{rest}").parse().ok()) else {
                    tracing::warn!(path = %entry.path().display(), "a file among the blobs is none of ours: left alone");
                    continue;
                };
                let written = entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .map_err(StoreError::file("look at", &entry.path()))?;
                found(blob, Timestamp::try_from(written).unwrap_or(Timestamp::MIN));
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        let (first, rest) = name.split_at(2);
        self.0.root.join(first).join(rest)
    }

    pub(crate) fn incoming(&self) -> &PathBuf {
        &self.0.incoming
    }

    pub(crate) fn pins(&self) -> &Arc<Pins> {
        &self.0.pins
    }
}

fn missing_or(step: &'static str, path: PathBuf, blob: BlobId, source: io::Error) -> StoreError {
    if source.kind() == io::ErrorKind::NotFound {
        StoreError::Missing { blob }
    } else {
        StoreError::File { step, path, source }
    }
}

/// A blob that is durable, and is kept from being swept while this value lives: time to name it in a record.
#[derive(Debug)]
pub struct StoredBlob {
    pin: Pin,
    size: u64,
}

impl StoredBlob {
    pub(crate) const fn new(pin: Pin, size: u64) -> Self {
        Self { pin, size }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> BlobId {
        *self.pin.blob()
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn is_of(&self, blobs: &Blobs) -> bool {
        self.pin.is_of(blobs.pins())
    }

    /// A durable record names it now.
    pub(crate) fn release_named(self) {
        self.pin.release_named();
    }
}
