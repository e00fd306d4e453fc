//! Images of belljar: root directories for sandboxes, from OCI images and archives.
//!
//! An image is a list of layers and a few words about how it wants to be run. Layers are directories on the disk, each stored once
//! under the SHA-256 of the tar that it came in; [`Images`] keeps them below a data directory, for any number of processes at once.
//! What strangers packed is decompressed and unpacked inside sandboxes; outside, only JSON is read, with limits.

mod digest;
mod error;
mod files;
mod import;
pub mod limits;
mod name;
mod oci;
mod pull;
mod record;
mod store;
mod unpack;

#[doc(hidden)]
pub use oci::understand;

pub use digest::{Digest, InvalidDigest};
pub use error::{ImageError, Refused};
pub use import::{Event, ImportOptions, Watcher};
pub use limits::ImportLimits;
pub use name::{ImageName, InvalidName, InvalidRootfs, RootfsChoice};
pub use oci::PLATFORM;
pub use pull::{Challenge, Credentials, InvalidReference, PullOptions, Reference, RegistryError};
pub use record::{Image, ImageConfig};
pub use store::{Images, OpenImage, Removed};
