//! Who would be what if whoever asks started a server.

use std::fmt;

use belljar_sandbox::privileges::{Charter, Grant, Kept, Standing};
use belljar_sandbox::{Launcher, Policy, Reuse};
use serde::Serialize;

use super::account::{self, Account, Choice};

/// The processes of `belljar serve`, as this user on this machine would have them.
#[derive(Debug, Serialize)]
#[serde(tag = "privileges", rename_all = "snake_case")]
pub(crate) enum Outlook {
    /// The server becomes nobody; what makes sandboxes was started and asked what it is.
    Separated {
        server: Somebody,
        #[serde(flatten)]
        kept: Kept,
    },
    /// All of it is this user.
    OneUser { server: Standing },
    /// It would not start.
    Impossible { reason: String },
}

/// Whom the server becomes, without capabilities.
#[derive(Debug, Serialize)]
pub(crate) struct Somebody {
    user: u32,
    group: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Tries it out, without settings.
pub(crate) fn outlook() -> Outlook {
    let found = || {
        let choice = account::choose(None).map_err(|failure| failure.reason())?;
        let Choice::Become(Account { user, group, name, .. }) = choice else {
            return Ok(Outlook::OneUser { server: Standing::of_self().map_err(|error| error.to_string())? });
        };
        let grants = vec![Grant { policy: Policy::default(), reuse: Reuse::AfterReset }];
        let started = Launcher::start_sealed(&Charter { grants, sandboxes: 1 });
        let (_, kept) = started.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        Ok(Outlook::Separated { server: Somebody { user, group, name }, kept })
    };
    found().unwrap_or_else(|reason| Outlook::Impossible { reason })
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Separated { server, kept } => {
                let name = server.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
                let besides: Vec<_> = kept
                    .keeper
                    .capabilities
                    .iter()
                    .filter(|capability| !kept.launcher.capabilities.contains(capability))
                    .map(String::as_str)
                    .collect();
                write!(
                    f,
                    "`belljar serve` runs as user {}{name} with no capability; its launcher as root with {}, its keeper with {} besides.",
                    server.user,
                    kept.launcher.capabilities.join(" "),
                    besides.join(" ")
                )
            }
            Self::OneUser { server } => write!(f, "`belljar serve` and its launcher run as one: {server}."),
            Self::Impossible { reason } => write!(f, "`belljar serve` does not start here: {reason}."),
        }
    }
}
