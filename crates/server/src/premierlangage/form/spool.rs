//! An upload on its way into a file.

use std::fs::File;
use std::io;

use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

/// Bytes that are collected before they are handed to the thread that writes: handing over costs more than writing a few.
const COLLECTED: usize = 256 * 1024;

/// A temporary file that is being filled. Dropped unfinished, its bytes are gone.
pub(super) struct Spool {
    file: tokio::fs::File,
    collected: Vec<u8>,
}

impl Spool {
    /// Fills this empty file.
    pub(super) fn new(file: File) -> Self {
        Self { file: file.into(), collected: Vec::new() }
    }

    /// Adds bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.collected.extend_from_slice(bytes);
        if self.collected.len() >= COLLECTED {
            self.file.write_all(&self.collected).await?;
            self.collected.clear();
        }
        Ok(())
    }

    /// The file, complete and positioned at its start.
    pub(super) async fn finish(mut self) -> io::Result<File> {
        self.file.write_all(&self.collected).await?;
        // Seeking waits for the writes that are under way, and tells how they went.
        self.file.rewind().await?;
        Ok(self.file.into_std().await)
    }
}
