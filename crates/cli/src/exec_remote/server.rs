//! Which server is asked, and what is said when it does not do it.

use std::io::{self, Read as _};

use anyhow::{Context, anyhow};
use belljar_client::config::{ConfigError, Entry, Sandboxes, SecretSource};
use belljar_client::execution::{Execution, ExecutionSettings, Reason};
use belljar_client::{Error, ErrorKind, Secret};

use crate::args::{SecretPlace, ServerArgs};
use crate::ask::{load, plain};
use crate::exit::ExitCode;
use crate::failure::Failure;

/// What an execution server is called in configurations.
const PRODUCT: &str = "premierlangage";
/// Bytes of a key on standard input, at most.
const MAX_KEY: u64 = 64 << 10;

/// The client of the server that is meant. Nothing is sent.
///
/// # Errors
///
/// No server is meant, or one that is none; the configuration cannot be read; the key cannot be had.
pub(super) async fn open(args: &ServerArgs) -> Result<Execution, Failure> {
    let mut settings = match &args.to {
        Some(address) if address.contains("://") => ExecutionSettings::new(without_password(address), address),
        name => {
            let loaded = load(&args.sources)?;
            ExecutionSettings::of(configured(&loaded.sandboxes, name.as_deref())?.given().await?)
        }
    };
    if let Some(place) = &args.key {
        settings.key = Some(key(place).await?);
    }
    settings.http.total_timeout = args.timeout.or(settings.http.total_timeout);
    settings.http.connect_timeout = args.connect_timeout.unwrap_or(settings.http.connect_timeout);
    settings.http.read_timeout = args.read_timeout.unwrap_or(settings.http.read_timeout);
    let opened = Execution::new(settings).map_err(Failure::usage);
    opened.map_err(|failure| failure.hint("an address is, for example, --to http://127.0.0.1:7000"))
}

/// The configured server of this name, or the only one.
fn configured<'a>(sandboxes: &'a Sandboxes, name: Option<&str>) -> Result<&'a Entry, Failure> {
    sandboxes.of_product(name, PRODUCT).map_err(|error| {
        let failure = |text: String| Failure::usage(anyhow!(text));
        match (name, &error) {
            (None, ConfigError::Unknown { hint: Some(hint), .. }) => failure(format!("which server? {hint}")).hint(
                "name one with --to http://127.0.0.1:7000, or once and for all: belljar sandboxes add lab premierlangage --address URL",
            ),
            // What has a port and no scheme is no name.
            (Some(name), ConfigError::Unknown { .. }) if name.contains([':', '/']) => {
                failure(format!("'{}' is neither an address nor the name of a server", plain(name)))
                    .hint(format!("an address begins with http:// or https://: --to http://{}", plain(name)))
            }
            (_, ConfigError::OtherSort { name, vendor, .. }) => {
                failure(format!("'{name}' is of the vendor {vendor}, which executes nothing for others"))
                    .hint("samples are sent there with belljar submit; for commands, name a server with vendor = \"premierlangage\"")
            }
            _ => error.into(),
        }
    })
}

async fn key(place: &SecretPlace) -> Result<Secret, Failure> {
    let source = match place {
        SecretPlace::Variable(name) => SecretSource::Variable(name.clone()),
        SecretPlace::File(path) => SecretSource::File { path: path.into(), shared: false },
        SecretPlace::Stdin => {
            let mut text = String::new();
            io::stdin()
                .lock()
                .take(MAX_KEY)
                .read_to_string(&mut text)
                .context("--key stdin")
                .map_err(Failure::usage)?;
            SecretSource::Literal(Secret::new(text.trim()))
        }
    };
    source.fetch().await.map_err(|problem| Failure::usage(anyhow!("--key: {problem}")))
}

/// An address as it may be shown.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// How an error of the client ends the program.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(super) fn failure(error: Error) -> Failure {
    let code = match error.kind {
        ErrorKind::Invalid(_) | ErrorKind::Sample(_) => ExitCode::Usage,
        ErrorKind::Sink(_) => ExitCode::Failure,
        _ => ExitCode::SetupFailed,
    };
    let hint = hint(&error);
    // What a server says is shown, and steers no terminal.
    let failure = Failure::new(code, anyhow!(plain(&error.to_string())));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What can be done about it.
fn hint(error: &Error) -> Option<&'static str> {
    Some(match &error.kind {
        ErrorKind::Transport { sent: false, .. } | ErrorKind::TimedOut { limit: "connect", .. } => {
            "is a server running there? one is started with: belljar serve --listen ADDRESS:PORT"
        }
        ErrorKind::Transport { .. } => "the commands may have run; what was saved, if anything, expires by itself",
        ErrorKind::TimedOut { limit: "total", .. } => "--timeout gives it more time; the commands may still be running",
        ErrorKind::TimedOut { .. } => "--read-timeout gives it more time; the commands may still be running",
        ErrorKind::Malformed(_) => "is that the address of an execution server?",
        ErrorKind::Http(error) => match error.reason() {
            Reason::NotFound if error.message().starts_with("No environment") => {
                "environments expire, a day after they were saved unless the server is set otherwise"
            }
            Reason::NotFound if error.message().starts_with("The file") => {
                "paths are relative to the directory that the commands ran in, without ./ before them"
            }
            Reason::NotThisProtocol | Reason::Redirected | Reason::NotFound | Reason::MethodNotAllowed => {
                "is that the address of an execution server?"
            }
            Reason::Unauthenticated | Reason::Forbidden => {
                "the key is told with --key env:VARIABLE or --key file:PATH, or as `key` in the configuration"
            }
            Reason::Overloaded => "try again later, or let the server have more sandboxes (execute.pool_size)",
            Reason::TooLarge => "send less, or let the server take more (execute.max_upload, execute.max_saved)",
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (address, shown) in [
            ("http://127.0.0.1:7000", "http://127.0.0.1:7000"),
            ("https://me:p%40ss@host/base/", "https://host/base/"),
            ("https://me:p@ss@host", "https://host"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
