//! What errors need to know of a call, and what they must not say.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::time::{Instant, timeout, timeout_at};

use super::pace::Pace;
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::sandbox::Vendor;
use crate::secret::Secret;

/// Letters of a text that an error quotes.
const MAX_SAID: usize = 1000;

/// What errors need to know, and what they must not say.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) step: Step,
    /// When the call must be over.
    pub(super) end: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) vendor: Vendor,
    pub(super) secrets: Vec<Secret>,
    /// Secrets that the server has given, the newest last.
    pub(super) given: RwLock<VecDeque<Secret>>,
    pub(super) pace: Pace,
}

impl Context {
    pub(super) fn max_answer_bytes(&self) -> u64 {
        self.shared.settings.max_answer_bytes
    }

    /// An error. Whoever made its text may have quoted the server: secrets are taken out here, and no more is kept than somebody reads.
    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        let kind = kind.saying(|text| self.said(text));
        Error { sandbox: self.shared.settings.name.clone(), vendor: self.shared.vendor, step: self.step, kind }
    }

    /// The server has been silent for too long.
    pub(super) fn silent(&self) -> Error {
        self.error(ErrorKind::TimedOut { limit: "read", after: self.shared.settings.read_timeout })
    }

    /// Waits for something of the server, as long as it may be silent.
    pub(super) async fn heard<T>(&self, next: impl Future<Output = T>) -> Result<T> {
        timeout(self.shared.settings.read_timeout, next).await.map_err(|_| self.silent())
    }

    /// Keeps a part of the call to the time of the whole.
    pub(super) async fn in_time<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        let (Some(end), Some(after)) = (self.end, self.shared.settings.total_timeout) else { return part.await };
        match timeout_at(end, part).await {
            Ok(done) => done,
            Err(_) => Err(self.error(ErrorKind::TimedOut { limit: "total", after })),
        }
    }

    /// A text without secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        let given = self.shared.given.read().unwrap_or_else(PoisonError::into_inner);
        self.shared.secrets.iter().chain(&*given).fold(text.to_owned(), |text, secret| secret.hide_in(&text))
    }

    /// A server's words, without secrets and as far as somebody reads them.
    pub(super) fn said(&self, text: &str) -> String {
        let mut said = self.hide(text);
        if let Some((end, _)) = said.char_indices().nth(MAX_SAID) {
            said.truncate(end);
            said.push('…');
        }
        said
    }

    /// Bytes without secrets; nothing where there are none in them.
    pub(super) fn hide_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(bytes);
        let hidden = self.hide(&text);
        (hidden != text).then(|| hidden.into_bytes())
    }

    /// The beginning of an answer, on one line.
    pub(super) fn shown(&self, body: &[u8], most: usize) -> String {
        let text = String::from_utf8_lossy(body);
        let line = self.hide(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        match line.char_indices().nth(most) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    pub(super) fn transport(&self, error: &reqwest::Error, sent: bool) -> Error {
        let settings = &self.shared.settings;
        if error.is_timeout() {
            let (limit, after) = match error.is_connect() {
                true => ("connect", settings.connect_timeout),
                false => ("read", settings.read_timeout),
            };
            return self.error(ErrorKind::TimedOut { limit, after });
        }
        let mut reason = String::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(inner) = cause {
            // The innermost says what happened; those around it say that something did.
            reason = inner.to_string();
            cause = inner.source();
        }
        let reason = if reason.is_empty() { "the connection broke".to_owned() } else { self.hide(&reason) };
        self.error(ErrorKind::Transport { reason, sent: sent && !error.is_connect() })
    }
}
