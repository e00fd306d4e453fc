//! Images from registries.
//!
//! Everything that a registry sends is bounded and has its digest checked before it is used; layers then go the way of all layers.
//! Only reading requests are made, so each may be made again.

mod challenge;
mod client;
mod credentials;
mod error;
mod reference;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use belljar_sandbox::Launcher;
use client::{RETRIES, Registry, next_chunk, pause};

pub use challenge::Challenge;
pub use credentials::Credentials;
pub use error::RegistryError;
pub use reference::{InvalidReference, Reference};

use crate::digest::Hasher;
use crate::import::{Blobs, Document, Import, ImportOptions, Progress, Watcher, resolve, verify};
use crate::oci::{Descriptor, INDEX_TYPES, MANIFEST_TYPES};
use crate::record::Image;
use crate::store::Incoming;
use crate::{Digest, ImageError, Images};

/// How a registry is asked.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// As for any import. Without a name the image is called after where it comes from.
    pub import: ImportOptions,
    /// Who we are.
    pub credentials: Option<Credentials>,
    /// Without encryption: for registries of this machine only.
    pub plain_http: bool,
}

impl Images {
    /// Pulls an image from a registry. Inside a runtime.
    ///
    /// # Errors
    ///
    /// The registry does not give it, and those of [`Images::import`]. Nothing is changed then.
    pub async fn pull(
        &self,
        launcher: &Launcher,
        reference: &Reference,
        options: PullOptions,
        watch: Watcher<'_>,
    ) -> Result<Image, ImageError> {
        let PullOptions { import, credentials, plain_http } = options;
        let registry = Registry::new(reference, credentials, plain_http)?;
        let import = Import::begin(self, launcher, import, watch)?;
        let first = registry.first_document().await?;
        let (manifest, _) = resolve(&registry, first, None).await?;
        import.manifest(&registry, &manifest, reference.name()).await
    }
}

impl Registry {
    /// What a reference stands for: a manifest or an index.
    async fn first_document(&self) -> Result<Vec<u8>, ImageError> {
        let version = self.reference.version();
        let (path, what) = (format!("manifests/{version}"), Document::Manifest.name());
        let (bytes, said) = self.read(&path, &manifest_types(), what, Document::Manifest.limit()).await?;
        // For a tag the registry's own word is all there is; it should at least be what it sends.
        let expected = self.reference.digest().or_else(|| said?.parse().ok());
        match expected.filter(|expected| *expected != Digest::of(&bytes)) {
            Some(expected) => Err(ImageError::Mismatch { what: what.to_owned(), expected, found: Digest::of(&bytes) }),
            None => Ok(bytes),
        }
    }

    /// Appends to a file what of a blob is not in it yet.
    async fn append(
        &self,
        entry: &Descriptor,
        file: &mut File,
        hasher: &mut Hasher,
        progress: &Progress<'_>,
    ) -> Result<(), ImageError> {
        let what = || progress.what();
        let mut response = self.get(&format!("blobs/{}", entry.digest), "*/*", hasher.count()).await?;
        if response.status() != reqwest::StatusCode::PARTIAL_CONTENT {
            // From the beginning, whatever we asked for.
            let begin = |file: &mut File| file.set_len(0).and_then(|()| file.rewind());
            begin(file).map_err(ImageError::file("write", "incoming"))?;
            *hasher = Hasher::default();
        }
        while let Some(chunk) = next_chunk(&mut response).await? {
            if hasher.count().saturating_add(chunk.len() as u64) > entry.size {
                return Err(RegistryError::TooLong { what: what(), limit: entry.size }.into());
            }
            // A page cache takes it: no thread of its own for each piece.
            file.write_all(&chunk).map_err(ImageError::file("write", "incoming"))?;
            hasher.add(&chunk);
            progress.fetched(hasher.count(), entry.size);
        }
        match hasher.count() {
            bytes if bytes < entry.size => {
                Err(RegistryError::Incomplete { what: what(), bytes, total: entry.size }.into())
            }
            _ => Ok(()),
        }
    }
}

impl Blobs for Registry {
    async fn document(&self, entry: &Descriptor, document: Document) -> Result<Vec<u8>, ImageError> {
        let what = document.name();
        let (path, accept) = match document {
            Document::Manifest => (format!("manifests/{}", entry.digest), manifest_types()),
            Document::Configuration => (format!("blobs/{}", entry.digest), "*/*".to_owned()),
        };
        let (bytes, _) = self.read(&path, &accept, what, document.limit()).await?;
        verify(what, entry, Digest::of(&bytes), bytes.len() as u64)?;
        Ok(bytes)
    }

    async fn layer(&self, entry: &Descriptor, incoming: &Incoming, progress: Progress<'_>) -> Result<File, ImageError> {
        let mut file = incoming.file()?;
        let mut hasher = Hasher::default();
        let mut attempt = 0;
        while let Err(error) = self.append(entry, &mut file, &mut hasher, &progress).await {
            let may_pass = matches!(&error, ImageError::Registry(error) if error.may_pass());
            if !may_pass || attempt >= RETRIES {
                return Err(error);
            }
            pause(attempt, None).await;
            attempt += 1;
        }
        let (digest, bytes) = hasher.finish();
        verify(&progress.what(), entry, digest, bytes)?;
        file.seek(SeekFrom::Start(0)).map_err(ImageError::file("read", "incoming"))?;
        Ok(file)
    }
}

/// The kinds of manifests and indexes that are understood, as a header says it.
fn manifest_types() -> String {
    let all: Vec<&str> = MANIFEST_TYPES.into_iter().chain(INDEX_TYPES).collect();
    all.join(", ")
}
