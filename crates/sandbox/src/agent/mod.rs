//! What belljar itself does *inside* a sandbox: unpack and pack archives, read results.
//!
//! Hostile bytes are parsed here and nowhere else. The code runs in a forked child of the sandbox's first process, as the
//! sandbox's user, under its filters and limits, in the work directory; it is single-threaded and holds no secret.
//! Its descriptors: 0 is the input (an archive), 1 the output (an archive, or a file's bytes), 2 takes one [`Report`] as JSON.
//! The report is written and descriptor 2 closed *before* any byte of a file's content goes to descriptor 1, so that the
//! receiver knows the size first.

mod archive;
mod content;
mod decompress;
mod gzip;
mod header;
mod layer;
mod member;
mod name;
mod pack;
mod pax;
mod perform;
mod problem;
mod sparse;
mod tree;
mod unpack;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use content::{copy_file, open_result};
pub use decompress::decompress;
pub use layer::{UnpackedLayer, unpack_layer};
pub use member::{FoundMember, find_member};
pub use name::MAX_PATH_BYTES;
pub use pack::pack;
pub use perform::perform;
pub use problem::Problem;
pub use tree::remove_tree;
pub use unpack::unpack;

/// What the agent is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Unpack the gzip-compressed tar on descriptor 0 into the work directory, over what is there.
    Unpack(ArchiveLimits),
    /// Unpack the tar on descriptor 0, which is not compressed, into the work directory as a layer of an image.
    UnpackLayer(ArchiveLimits),
    /// Write what is on descriptor 0, compressed with gzip, zstd or nothing, to descriptor 1 as it was before.
    Decompress {
        /// Streams that are longer are refused.
        max_bytes: u64,
    },
    /// Pack the contents of the work directory as gzip-compressed tar to descriptor 1.
    Pack {
        /// Compression level, 0 to 9.
        level: u32,
    },
    /// Write the file at this path below the work directory to descriptor 1.
    Read {
        /// Path relative to the work directory.
        path: String,
        /// Files larger than this many bytes are refused.
        max_bytes: u64,
    },
    /// Write one member of the gzip-compressed tar on descriptor 0 to descriptor 1.
    Member {
        /// The member's name, compared literally.
        path: String,
        /// Limits of the archive; a member is bounded by `max_bytes`.
        limits: ArchiveLimits,
    },
}

/// Bounds of an archive that is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveLimits {
    /// Members at most.
    pub max_entries: u64,
    /// Bytes at most, all members together, unpacked.
    pub max_bytes: u64,
}

/// What was done with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Members unpacked or packed.
    pub entries: u64,
    /// Bytes of file content, uncompressed.
    pub bytes: u64,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Done. For a file: its bytes follow on descriptor 1.
    Done {
        /// Members unpacked or packed; 1 for a file.
        entries: u64,
        /// Bytes of file content.
        bytes: u64,
    },
    /// A layer is unpacked.
    Layer {
        /// Members unpacked.
        entries: u64,
        /// Bytes of file content.
        bytes: u64,
        /// Members passed over: devices, and what is of an unknown kind.
        skipped: u64,
        /// Nothing of the layers below shows through.
        opaque: bool,
    },
    /// Not done, because of what was asked or sent.
    Refused(Refusal),
    /// Not done, because of the system (no space, no memory, ...).
    Failed {
        /// What was being done, such as `writing dir/file`.
        step: String,
        /// The system's error number.
        errno: i32,
    },
}

/// Why the agent refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The bytes are not a gzip-compressed tar, or end too early.
    #[error("not a gzip-compressed tar archive: {0}")]
    NotAnArchive(String),
    /// A member's name or a hard link's target is absolute or climbs out.
    #[error("archive member '{0}' points outside of the working directory")]
    PathOutside(String),
    /// A path is longer than [`MAX_PATH_BYTES`], or a part of it longer than a file's name may be.
    #[error("the path '{0}' is too long")]
    PathTooLong(String),
    /// A member is a device or of an unknown kind.
    #[error("archive member '{0}' is not a file, directory, link or FIFO")]
    UnsupportedMember(String),
    /// A name that begins with `.wh.` where it cannot hide anything of the layers below.
    #[error("archive member '{0}' is no whiteout that makes sense")]
    BadWhiteout(String),
    /// More members than allowed.
    #[error("the archive has more than {0} members")]
    TooManyEntries(u64),
    /// More bytes than allowed.
    #[error("the archive holds more than {0} bytes unpacked")]
    TooManyBytes(u64),
    /// No such file, a dangling link, a link that leaves the work directory, or no permission.
    #[error("there is no readable file at this path")]
    NotFound,
    /// A directory, FIFO, socket or device.
    #[error("the path is not a regular file")]
    NotAFile,
    /// A file above the limit.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
}
