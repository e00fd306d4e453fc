//! Who is what: the processes of a server that was started as root, with only what each of them needs.
//!
//! - The *server* speaks with strangers. It ends up as a user without any right ([`restrict_self`]).
//! - The *keeper* and its *launchers* make sandboxes, which takes root. They keep four capabilities, and grant no sandbox that is not
//!   in the *charter* that the server handed over before it read the first request ([`Charter`]).

mod charter;
mod keeper;
mod pin;
mod server;
mod standing;

pub use charter::{Charter, Grant};
pub(crate) use charter::{Granted, Sealed};
pub use keeper::Kept;
pub(crate) use keeper::{Keeper, keep_if_asked};
pub use server::{Restriction, restrict_self, set_home, with_files_as};
pub use standing::{Standing, capability_name};

/// The users of the host that sandboxes are mapped to; none of them may be anybody else.
pub const SANDBOX_USERS: std::ops::Range<u32> = crate::launch::HOST_USERS;

/// Why a process could not give up what it has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// A step failed.
    #[error("cannot give up privileges: {step}")]
    Step {
        /// The step.
        step: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// All steps succeeded, and something is still there.
    #[error("privileges are left that were given up: {0}")]
    Left(String),
}
