//! Writing a blob, piece by piece.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::blobs::{Blobs, StoredBlob};
use crate::durable::{on_blocking_thread, settled, sync_directory};
use crate::{BlobId, StoreError};

/// Bytes that are gathered in memory before they are handed to a thread that writes: a smaller blob is one hop, and a larger
/// one takes twice this at most.
const PIECE: usize = 256 * 1024;

/// A blob that is being written. Dropped before it is [finished](Self::finish), it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    limit: u64,
    size: u64,
    buffer: Vec<u8>,
    /// What is on the disk so far, if anything.
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Memory,
    /// A piece is on its way. The next one is gathered meanwhile.
    Writing(JoinHandle<Result<Spilled, StoreError>>),
    /// A piece is missing: this can be no blob any more.
    Broken,
}

#[derive(Debug)]
struct Spilled {
    file: NamedTempFile,
    hasher: Sha256,
    /// An empty buffer, to be filled again.
    buffer: Vec<u8>,
}

impl BlobWriter {
    pub(crate) const fn new(blobs: Blobs, limit: u64) -> Self {
        Self { blobs, limit, size: 0, buffer: Vec::new(), stage: Stage::Memory }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes. If this is dropped before it is done, the writer is of no use any more and says so.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] if that is more than the limit, [`StoreError::File`] if the disk refuses,
    /// [`StoreError::Interrupted`] after an earlier failure.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        // Kept above the limit: `finish` must fail, too, for who does not look at this result.
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.check()?;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == PIECE {
                self.spill().await?;
            }
        }
        Ok(())
    }

    /// Makes the blob durable under its name.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn finish(mut self) -> Result<StoredBlob, StoreError> {
        self.check()?;
        let spilled = self.written().await?;
        let Self { blobs, size, buffer, .. } = self;
        on_blocking_thread(move || seal(&blobs, spilled, &buffer, size)).await
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.size > self.limit {
            return Err(StoreError::TooLarge { limit: self.limit });
        }
        match self.stage {
            Stage::Broken => Err(StoreError::Interrupted),
            _ => Ok(()),
        }
    }
}

impl BlobWriter {
    /// Hands the buffer to a thread that writes, once that is done with the one before.
    async fn spill(&mut self) -> Result<(), StoreError> {
        let mut spilled = self.written().await?;
        let spare = spilled.as_mut().map(|spilled| mem::take(&mut spilled.buffer));
        let buffer = mem::replace(&mut self.buffer, spare.unwrap_or_default());
        let blobs = self.blobs.clone();
        self.stage = Stage::Writing(spawn_blocking(move || {
            let mut spilled = spilled.map_or_else(|| Spilled::new(blobs.incoming()), Ok)?;
            spilled.append(&buffer)?;
            spilled.buffer = buffer;
            spilled.buffer.clear();
            Ok(spilled)
        }));
        Ok(())
    }

    /// What was spilled, once it is on the disk. If this is dropped or fails, the writer is broken.
    async fn written(&mut self) -> Result<Option<Spilled>, StoreError> {
        match mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Memory => Ok(None),
            Stage::Writing(piece) => settled(piece.await).map(Some),
            Stage::Broken => Err(StoreError::Interrupted),
        }
    }
}

impl Spilled {
    fn new(incoming: &Path) -> Result<Self, StoreError> {
        let file = tempfile::Builder::new()
            // A blob never changes: not even by the mistake of a process of this user.
            .permissions(Permissions::from_mode(0o400))
            .tempfile_in(incoming)
            .map_err(StoreError::file("make a file in", incoming))?;
        Ok(Self { file, hasher: Sha256::new(), buffer: Vec::new() })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        let written = self.file.as_file_mut().write_all(bytes);
        written.map_err(StoreError::file("write to", self.file.path()))
    }
}

/// Writes what is left, names the file, and makes both durable; in this order, so that a file that has its name is complete
/// whenever the power fails.
fn seal(blobs: &Blobs, spilled: Option<Spilled>, rest: &[u8], size: u64) -> Result<StoredBlob, StoreError> {
    let digest = match &spilled {
        Some(spilled) => spilled.hasher.clone().chain_update(rest).finalize(),
        None => Sha256::digest(rest),
    };
    let blob = BlobId::from_digest(digest.into());
    // Before looking: a file that is there must not be swept between now and its record.
    let pin = blobs.pins().pin(blob);
    let path = blobs.path(&blob);
    let stored = match fs::metadata(&path) {
        // Damaged from outside if the size differs: replaced.
        Ok(metadata) => metadata.len() == size,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(StoreError::file("look at", &path)(error)),
    };
    if !stored {
        let mut spilled = spilled.map_or_else(|| Spilled::new(blobs.incoming()), Ok)?;
        spilled.append(rest)?;
        let file = spilled.file;
        file.as_file().sync_all().map_err(StoreError::file("sync", file.path()))?;
        // Two writers of the same bytes may both come here: the second replaces equal bytes.
        file.persist(&path).map_err(|error| StoreError::file("name", &path)(error.error))?;
    }
    // Even if the file was there: who has just named it may not have come to this line yet.
    if let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    Ok(StoredBlob::new(pin, size))
}
