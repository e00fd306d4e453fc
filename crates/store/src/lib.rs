//! Records and blobs of belljar.
//!
//! Embedded engines only, for now: a directory that this process alone holds ([`DataDirectory`]), files named by what is in
//! them ([`Blobs`]) and a table of saved working directories ([`Environments`]). What is acknowledged is on the disk: a process
//! that is killed at any moment loses nothing that it had promised, and leaves nothing that it had not.

mod blobs;
mod database;
mod directory;
mod durable;
mod environment;
mod error;
mod identifier;
mod owner;
mod pins;
mod writer;

pub use blobs::{Blobs, StoredBlob};
pub use directory::DataDirectory;
pub use environment::{Environment, Environments, Swept};
pub use error::StoreError;
pub use identifier::{BlobId, EnvironmentId, InvalidId};
pub use owner::hand_over;
pub use writer::BlobWriter;
