//! Why a registry did not give what it was asked for.

use crate::pull::Reference;

/// Why a registry did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Without encryption only registries of this machine are asked.
    #[error("the registry '{0}' is not on this machine, so it is not asked without encryption")]
    NotLoopback(String),
    /// It cannot be reached, or broke off.
    #[error("the registry '{host}' cannot be reached, or broke off")]
    Unreachable {
        /// The host that was asked, which may be another one than the registry.
        host: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// No encrypted connection can be made by us.
    #[error("cannot prepare connections to registries")]
    Client(#[source] reqwest::Error),
    /// It wants to know who we are, and does not let whoever we are have it.
    #[error("{}", unauthorized(reference, *known))]
    Unauthorized {
        /// What was asked for.
        reference: Box<Reference>,
        /// Whether it was told a name and a password.
        known: bool,
    },
    /// It asks for credentials in a way that we do not know.
    #[error("the registry asks for a kind of authentication that belljar does not know: {0}")]
    Authentication(String),
    /// There is no such thing.
    #[error("the registry has no {0}")]
    NotFound(String),
    /// It answered something else.
    #[error("the registry answered {status} when asked for {what}")]
    Status {
        /// What was asked for.
        what: String,
        /// The status.
        status: u16,
    },
    /// It sent us elsewhere, where we do not go.
    #[error("the registry sends us to '{0}', where we do not go: {1}")]
    Redirect(String, &'static str),
    /// It sent fewer bytes than it should.
    #[error("{what} broke off after {bytes} of {total} bytes")]
    Incomplete {
        /// What was sent.
        what: String,
        /// Bytes that came.
        bytes: u64,
        /// Bytes that should have come.
        total: u64,
    },
    /// It sent more bytes than it should.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// What was sent.
        what: String,
        /// The bound.
        limit: u64,
    },
}

impl RegistryError {
    /// Whether asking again may help: all requests only read.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Incomplete { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

fn unauthorized(reference: &Reference, known: bool) -> String {
    let what = format!("the registry does not give us {reference}");
    if known {
        format!("{what}: not to this user, or there is no such image")
    } else {
        format!(
            "{what} without credentials, or there is no such image: set BELLJAR_REGISTRY_USERNAME and BELLJAR_REGISTRY_PASSWORD, or \
             use docker login"
        )
    }
}
