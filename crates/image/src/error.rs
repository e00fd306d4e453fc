//! Why an image could not be imported, found or removed.

use std::io;
use std::path::{Path, PathBuf};

use belljar_sandbox::{AgentError, SandboxError};

use crate::{Digest, ImageName};

/// Why something with images was not done. The text names what is wrong; causes are the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file system refused.
    #[error("cannot {step} `{}`", path.display())]
    File {
        /// What was being done, as a verb.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory holds something else.
    #[error(
        "`{}` is not empty and no data directory of belljar: choose an empty or a new directory with --data-dir",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else could change the images that root is to use.
    #[error(
        "`{}` belongs to user {user} or can be changed by others: root keeps images where nobody else can change them; \
         chown -R root, chmod go-w",
        path.display()
    )]
    NotRoots {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        user: u32,
    },
    /// There is no image of this name.
    #[error("there is no image '{name}'; {}", known_images(known))]
    Unknown {
        /// The name.
        name: ImageName,
        /// Those that there are.
        known: Vec<ImageName>,
    },
    /// A record of ours cannot be read: somebody changed it, or a newer version wrote it.
    #[error("the record `{}` of an image cannot be read: {problem}", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// What was given is no image that can be used.
    #[error("{0}")]
    NotAnImage(String),
    /// A document of the image is damaged.
    #[error("{what} of the image is damaged")]
    Json {
        /// Which one.
        what: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Something is above a bound of [`crate::limits`].
    #[error("{what} is above the limit of {limit}")]
    TooLarge {
        /// What, with its unit.
        what: String,
        /// The bound.
        limit: u64,
    },
    /// Bytes are not those that the image names.
    #[error("{what} should be {expected}, but is {found}: it was damaged, or changed on the way")]
    Mismatch {
        /// What was compared.
        what: String,
        /// What the image says.
        expected: Digest,
        /// What was there.
        found: Digest,
    },
    /// An image for other machines.
    #[error("the image is for {}, not for {}", found.join(", "), crate::PLATFORM)]
    Platform {
        /// What it is for.
        found: Vec<String>,
    },
    /// An archive with several images.
    #[error("there are several images in it: choose one with --select: {}", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// Nothing says what the image is to be called.
    #[error("the image has no name in itself: say how to call it, such as 'belljar image import FILE NAME'")]
    Nameless,
    /// A layer or an archive is refused, or cannot be unpacked.
    #[error("{what} cannot be unpacked")]
    Unpack {
        /// Which one.
        what: String,
        /// Why.
        #[source]
        source: Refused,
    },
    /// A registry did not give what it was asked for.
    #[error(transparent)]
    Registry(#[from] crate::RegistryError),
    /// No sandbox could be made to unpack in.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The image cannot be run as it says, because of its user.
    #[error("the image wants to run as '{0}', which is no user from 0 to 65535 that it has; choose one with --user")]
    NoSuchUser(String),
    /// A task of ours was cancelled: the runtime is shutting down.
    #[error("stopped")]
    Stopped,
}

/// Why the agent did not do its part, with the system's own words where there are any.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl From<AgentError> for Refused {
    fn from(error: AgentError) -> Self {
        Self(match error {
            AgentError::Failed { step, errno } if errno != 0 => {
                format!("{step}: {}", io::Error::from_raw_os_error(errno))
            }
            AgentError::Sink(source) => format!("{}: {source}", "cannot hand the bytes on"),
            error => error.to_string(),
        })
    }
}

impl ImageError {
    /// For `map_err`: what failed, at which path.
    pub(crate) fn file(step: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { step, path: named(path.as_ref()), source }
    }

    /// A record at a path that is not as it should be.
    pub(crate) fn record(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Record { path: named(path.as_ref()), problem: problem.into() }
    }

    /// The same as [`ImageError::file`] for errors of rustix.
    pub(crate) fn errno(step: &'static str, path: impl AsRef<Path>) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::File { step, path: named(path.as_ref()), source: errno.into() }
    }
}

/// A path by its name, where we go by an open directory.
fn named(path: &Path) -> PathBuf {
    let mut components = path.components();
    let held: PathBuf = components.by_ref().take("/proc/PID/fd/NUMBER".split('/').count()).collect();
    let found = held.starts_with("/proc").then(|| std::fs::read_link(&held).ok()).flatten();
    found.map_or_else(|| path.to_owned(), |found| found.join(components.as_path()))
}

fn known_images(known: &[ImageName]) -> String {
    match known {
        [] => "there is none yet: see belljar image import --help".to_owned(),
        known => {
            let names: Vec<&str> = known.iter().map(ImageName::as_str).collect();
            format!("there {} {}", if names.len() == 1 { "is" } else { "are" }, names.join(", "))
        }
    }
}
