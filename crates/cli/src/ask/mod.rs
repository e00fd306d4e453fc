//! Sandboxes of others: what the commands have in common that ask them.

mod add;
mod artifacts;
mod board;
mod one;
mod pt;
mod samples;
mod sandboxes;
mod submit;

use std::env;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context;
use belljar_client::config::ConfigError;
use belljar_client::{ErrorKind, Fault};
use serde_json::{Value, json};

use crate::args::{SandboxSources, Sources};
use crate::config::{self, Loaded, LogSettings, Origin};
use crate::exit::ExitCode;
use crate::failure::{Failure, advise, say};
use crate::serve::logging;

pub(crate) use artifacts::artifacts;
pub(crate) use one::{delete, report, status, verdict};
pub(crate) use pt::pt;
pub(crate) use sandboxes::sandboxes;
pub(crate) use submit::submit;

/// Reads the configuration, and starts to log what it says, from warnings on unless it says otherwise.
///
/// # Errors
///
/// The configuration cannot be read, or something in it is wrong.
pub(crate) fn load(sources: &SandboxSources) -> Result<Loaded, Failure> {
    let mut sources = Sources::from(sources);
    if sources.config.is_none() {
        sources.config = config::file_of_user(|name| env::var_os(name)).filter(|path| path.exists());
    }
    let loaded = config::load(&sources, env::vars_os())?;
    let log = loaded.settings.log.clone();
    let filter = if loaded.origin("log.filter") == Origin::Default { "warn".to_owned() } else { log.filter };
    logging::start(&LogSettings { filter, ..log });
    warn_of_open_file(&loaded);
    Ok(loaded)
}

/// A file with secrets in it that everybody can read is worth a line each time.
fn warn_of_open_file(loaded: &Loaded) {
    const READABLE_BY_OTHERS: u32 = 0o004;
    for (origin, warning) in loaded.warnings() {
        let Origin::File { path, .. } = &origin else { continue };
        let open = path.metadata().is_ok_and(|file| file.permissions().mode() & READABLE_BY_OTHERS != 0);
        if open && warning.problem.contains("secret") {
            say(format_args!("warning: {origin}: {}, in a file that everybody on this machine can read", warning.key));
            advise(
                "chmod 600 the file, or say where the secret is: { env = \"VARIABLE\" }, { file = \"PATH\" }, { command = [...] }",
            );
            return;
        }
    }
}

/// Does something with sandboxes to its end, unless a signal comes.
///
/// # Errors
///
/// Whatever the work fails with; that a signal came.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let result = runtime.block_on(async {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context("cannot wait for signals")?;
        tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(ExitCode::Signal(2), anyhow::anyhow!("interrupted"))),
            _ = terminated.recv() => Err(Failure::new(ExitCode::Signal(15), anyhow::anyhow!("terminated"))),
        }
    });
    // A server that does not answer must not keep the process.
    runtime.shutdown_background();
    result
}

/// A text of somebody else's, on one line, without anything that would steer the terminal it is shown on or turn its letters round.
pub(crate) fn plain(text: &str) -> String {
    // Marks that change the direction of what follows (Unicode Standard Annex 9).
    let turns =
        |sign: char| matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |sign: char| {
        if sign.is_control() || turns(sign) { sign.escape_default().to_string() } else { sign.to_string() }
    };
    text.chars().map(shown).collect()
}

/// An error, for programs.
pub(crate) fn error_as_json(error: &belljar_client::Error) -> Value {
    let kind = match &error.kind {
        ErrorKind::Unsupported(_) => "unsupported",
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Sample(_) => "sample",
        ErrorKind::Transport { .. } => "transport",
        ErrorKind::TimedOut { .. } => "timed_out",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::Forbidden(_) => "forbidden",
        ErrorKind::NotFound(_) => "not_found",
        ErrorKind::NotReady(_) => "not_ready",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::Refused(_) => "refused",
        ErrorKind::Duplicate(_) => "duplicate",
        ErrorKind::AnalysisFailed(_) => "analysis_failed",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::TooLarge { .. } => "too_large",
        ErrorKind::Sink(_) => "sink",
        _ => "status",
    };
    let fault = match error.fault() {
        Fault::Caller => "caller",
        Fault::Network => "network",
        Fault::Sandbox => "sandbox",
    };
    json!({
        "message": error.to_string(),
        "kind": kind,
        "step": error.step.to_string(),
        "fault": fault,
        "retryable": error.is_retryable(),
        "retry_after": error.retry_after().map(|time| time.as_secs_f64()),
    })
}

/// How errors of sandboxes end the program.
impl From<belljar_client::Error> for Failure {
    fn from(error: belljar_client::Error) -> Self {
        let (code, hint) = match &error.kind {
            ErrorKind::Unsupported(_) | ErrorKind::Invalid(_) => (ExitCode::Usage, None),
            ErrorKind::NotReady(_) => (ExitCode::NotFinished, Some("--wait waits for its end")),
            ErrorKind::Unauthenticated(_) => (ExitCode::Failure, Some("`belljar sandboxes test` tries the key")),
            _ if error.is_retryable() => (ExitCode::Failure, Some("it may succeed later")),
            _ => (ExitCode::Failure, None),
        };
        // Texts of servers must not steer the terminal.
        let failure = Self::new(code, anyhow::anyhow!("{}", plain(&error.to_string())));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// How errors of the configuration of sandboxes end the program.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::Unknown { .. } => Some("`belljar sandboxes list` shows what is configured".to_owned()),
            ConfigError::Public { sandbox, .. } => {
                Some(format!("if that is meant: --public, or `public = true` in [sandbox.{sandbox}]"))
            }
            _ => None,
        };
        let failure = Self::usage(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_does_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2J\n\u{202e}é"), "a\\u{1b}[2J\\n\\u{202e}é");
    }
}
