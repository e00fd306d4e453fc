//! Tokens, and what an answer says besides its resources.

use std::time::Duration;

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::FalconX;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Transport};
use crate::secret::Secret;
use crate::vendors::loose;

/// How long a token lasts where the server does not say: 30 minutes, the vendor says.
const LASTS: u64 = 1799;
/// A token is renewed so long before its end: a request takes its time, and clocks run differently.
const BEFORE_ITS_END: u64 = 60;
/// No token is held for longer, whatever the server says.
const LONGEST: u64 = 24 * 3600;

/// A token, while it lasts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    token: Secret,
    until: Instant,
}

async fn log_in(transport: Transport, id: String, secret: Secret) -> Result<Open> {
    let form = vec![("client_id".to_owned(), id), ("client_secret".to_owned(), secret.reveal().to_owned())];
    // A token more does no harm.
    let call = Call::post(Step::LogIn, ["oauth2", "token"], Body::Form(form)).harmless();
    let asked = Instant::now();
    let answer = transport.send(call.header(header::ACCEPT, "application/json")).await?;
    if !answer.status().is_success() {
        return Err(refused(&transport, Step::LogIn, answer).await);
    }
    let answer: Value = answer.json().await?;
    let malformed = || transport.error(Step::LogIn, ErrorKind::Malformed("no `access_token`".to_owned()));
    let token = answer["access_token"].as_str().filter(|token| !token.is_empty()).ok_or_else(malformed)?;
    let lasts = answer["expires_in"].as_u64().unwrap_or(LASTS).min(LONGEST);
    let token = Secret::new(token);
    transport.keep_secret(token.clone());
    Ok(Open { token, until: asked + Duration::from_secs(lasts.saturating_sub(BEFORE_ITS_END)) })
}

impl FalconX {
    /// Sends with a token. One that is not taken is replaced once; the request has not been looked at then, and is sent again whatever it does.
    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        let step = call.step();
        let mut renewed = false;
        loop {
            let log_in = log_in(self.transport.clone(), self.client_id.clone(), self.secret.clone());
            let open = self.session.get(&self.transport, |open| open.until > Instant::now(), log_in).await?;
            let call = call.clone().header(header::AUTHORIZATION, &format!("Bearer {}", open.token.reveal()));
            let answer = self.transport.send(call).await?;
            match answer.status() {
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    self.session.forget(&open).await;
                }
                status if status.is_success() => return Ok(answer),
                _ => return Err(refused(&self.transport, step, answer).await),
            }
        }
    }
}

/// An answer that is no success. Who asks the wrong cloud is redirected, and told which is the right one.
async fn refused(transport: &Transport, step: Step, answer: Answer) -> crate::Error {
    let region = answer.headers().get("x-cs-region").and_then(|region| region.to_str().ok()).map(str::to_owned);
    let redirected = answer.status().is_redirection();
    let error = answer.into_error_as(words, |body, kind| Meta::read(body).judge(kind)).await;
    match (error.kind, region) {
        (ErrorKind::Status { status, message, retry_after }, Some(region)) if redirected => {
            let message = format!("{message} This client belongs to the cloud {region}.");
            transport.error(step, ErrorKind::Status { status, message, retry_after })
        }
        (kind, _) => transport.error(step, kind),
    }
}

/// How many submissions may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FalconXQuota {
    /// All in a month.
    pub total: u64,
    /// Those that have been made.
    pub used: u64,
    /// Those that are being analysed.
    pub in_progress: u64,
}

/// What an answer says besides its resources.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default, deserialize_with = "loose::section")]
    meta: Inner,
    #[serde(default, deserialize_with = "loose::list")]
    errors: Vec<Fault>,
}

#[derive(Debug, Default, Deserialize)]
struct Inner {
    #[serde(default, deserialize_with = "loose::object")]
    quota: Option<Numbers>,
}

#[derive(Debug, Default, Deserialize)]
struct Numbers {
    total: Option<u64>,
    used: Option<u64>,
    in_progress: Option<u64>,
}

/// One of the errors.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    #[serde(default, deserialize_with = "loose::number")]
    code: Option<f64>,
    #[serde(default, deserialize_with = "loose::text")]
    message: Option<String>,
}

impl Meta {
    pub(super) fn read(body: &Value) -> Self {
        Self::deserialize(body).unwrap_or_default()
    }

    pub(super) fn quota(&self) -> Option<FalconXQuota> {
        let quota = self.meta.quota.as_ref()?;
        Some(FalconXQuota { total: quota.total?, used: quota.used?, in_progress: quota.in_progress.unwrap_or(0) })
    }

    /// What is wrong with an answer of success, if it has errors.
    pub(super) fn fault(&self) -> Option<ErrorKind> {
        let said = said(&self.errors)?;
        let codes: [u16; 16] = [400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 423, 429, 500, 502, 503, 504];
        let code =
            self.errors.iter().find_map(|fault| codes.into_iter().find(|code| fault.code == Some(f64::from(*code))));
        Some(match code {
            Some(status) => self.judge(ErrorKind::of_status(status, said, None)),
            None => self.judge(ErrorKind::Status { status: 200, message: said, retry_after: None }),
        })
    }

    /// What is refused once the quota is used up is refused for that.
    fn judge(&self, kind: ErrorKind) -> ErrorKind {
        let used_up = self.quota().is_some_and(|quota| quota.used >= quota.total);
        match kind {
            ErrorKind::Status { message, retry_after, .. } if used_up => ErrorKind::Quota { message, retry_after },
            ErrorKind::Forbidden(message) if used_up => ErrorKind::Quota { message, retry_after: None },
            other => other,
        }
    }
}

fn said(errors: &[Fault]) -> Option<String> {
    let texts: Vec<String> = errors
        .iter()
        .map(|fault| match (&fault.message, fault.code) {
            (Some(message), _) => message.clone(),
            (None, Some(code)) => format!("code {code}"),
            (None, None) => "an error without words".to_owned(),
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// What an error says.
fn words(body: &Value) -> Option<String> {
    said(&Meta::read(body).errors)
}
