//! Sessions of an appliance: opened when one is needed, shared, renewed, given back.

use base64::Engine as _;
use http::{HeaderName, header};
use serde_json::Value;

use super::{FireEye, FireEyeVersion};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Transport};
use crate::secret::Secret;

/// Carries the session's token, both ways.
const TOKEN: HeaderName = HeaderName::from_static("x-feapi-token");
/// Bytes of an answer that is an error although its status is 200, at most.
const MAX_FAULT: usize = 4 << 10;

/// An open session.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    token: Secret,
    /// In whose routes it was opened.
    pub(super) version: FireEyeVersion,
}

/// What is sent to log in.
pub(super) fn basic(user: &str, password: &Secret) -> Secret {
    let pair = format!("{user}:{}", password.reveal());
    Secret::new(&base64::engine::general_purpose::STANDARD.encode(pair))
}

/// Logs in, by the first version that the appliance has.
async fn log_in(transport: Transport, basic: Secret, versions: Vec<FireEyeVersion>) -> Result<Open> {
    let mut versions = versions.into_iter().peekable();
    while let Some(version) = versions.next() {
        let call = Call::post(Step::LogIn, ["wsapis", version.name(), "auth", "login"], Body::Empty)
            .header(header::AUTHORIZATION, &format!("Basic {}", basic.reveal()))
            .header(header::ACCEPT, "application/json");
        let answer = transport.send(call).await?;
        let status = answer.status();
        if status == 404 && versions.peek().is_some() {
            continue;
        }
        if !status.is_success() {
            let error = answer.into_error(words).await;
            return Err(match error.kind {
                ErrorKind::Status { status: 503, message, retry_after } => {
                    let message = format!("the API is switched off, or the appliance is busy: {message}");
                    transport.error(Step::LogIn, ErrorKind::Status { status: 503, message, retry_after })
                }
                _ => error,
            });
        }
        let token = answer.headers().get(TOKEN).and_then(|token| token.to_str().ok()).unwrap_or_default();
        if token.is_empty() {
            return Err(transport.error(Step::LogIn, ErrorKind::Malformed("no header X-FeApi-Token".to_owned())));
        }
        let token = Secret::new(token);
        transport.keep_secret(token.clone());
        return Ok(Open { token, version });
    }
    Err(transport.error(Step::LogIn, ErrorKind::Invalid("no version is allowed".to_owned())))
}

/// Gives a session back. One that is not known any more is none.
pub(super) async fn log_out(transport: Transport, open: Open) -> Result<()> {
    let call = Call::post(Step::Other("logging out"), ["wsapis", open.version.name(), "auth", "logout"], Body::Empty)
        .header(TOKEN, open.token.reveal())
        .header(header::ACCEPT, "application/json");
    let answer = transport.send(call).await?;
    match answer.status().as_u16() {
        200..=299 | 401 => Ok(()),
        _ => Err(answer.into_error(words).await),
    }
}

impl FireEye {
    pub(super) async fn open(&self) -> Result<Open> {
        let versions = self.version.map_or_else(|| FireEyeVersion::ALL.to_vec(), |version| vec![version]);
        self.session.get(&self.transport, |_| true, log_in(self.transport.clone(), self.basic.clone(), versions)).await
    }

    /// Sends what is made for the session's version, within a session. One that has expired is replaced, once; the request has not been looked
    /// at then, and is sent again whatever it does. Anything but success is an error, in the appliance's words.
    pub(super) async fn send(&self, step: Step, make: impl Fn(FireEyeVersion) -> Result<Call>) -> Result<Answer> {
        let mut renewed = false;
        loop {
            let open = self.open().await?;
            let mut answer = self.transport.send(make(open.version)?.header(TOKEN, open.token.reveal())).await?;
            let fault = fault(&mut answer).await?;
            let expired = answer.status() == 401 || fault.as_ref().is_some_and(|fault| fault.0 == 401);
            if expired && !renewed {
                renewed = true;
                if self.session.forget(&open).await {
                    // It may be the user's rights that are missing, and not the session: then it is there still and counts.
                    let _ = log_out(self.transport.clone(), open).await;
                }
                continue;
            }
            return match fault {
                Some((status, said)) => Err(self.transport.error(step, ErrorKind::of_status(status, said, None))),
                None if answer.status().is_success() => Ok(answer),
                None => Err(answer.into_error(words).await),
            };
        }
    }

    /// Gives the session back, if there is one: an appliance has 100, and counts each until it has been idle for long. A later call opens a new
    /// one. A client that is dropped without it does the same in the background, where there is a tokio runtime.
    ///
    /// # Errors
    /// The appliance says no: the session stays.
    pub async fn log_out(&self) -> Result<()> {
        self.session.end(|open| log_out(self.transport.clone(), open)).await
    }
}

impl Drop for FireEye {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.session.is_idle() {
            return;
        }
        let (session, transport) = (self.session.clone(), self.transport.clone());
        // Also a session that is being opened at this moment.
        runtime.spawn(async move { session.end(|open| log_out(transport, open)).await });
    }
}

/// The status and the words of an answer that is an error, although its status is 200.
async fn fault(answer: &mut Answer) -> Result<Option<(u16, String)>> {
    if !answer.status().is_success() {
        return Ok(None);
    }
    let start = answer.peek(MAX_FAULT).await?;
    let start = start.trim_ascii();
    if start.starts_with(b"<") {
        return Ok(fault_in_xml(&String::from_utf8_lossy(&start[..start.len().min(MAX_FAULT)])));
    }
    // Whatever is longer than what has been read is no JSON yet, and no error.
    let Ok(body) = serde_json::from_slice::<Value>(start) else { return Ok(None) };
    let status = &body["fireeyeapis"]["httpStatus"];
    let status = status.as_u64().or_else(|| status.as_str()?.trim().parse().ok());
    let status = status.and_then(|status| u16::try_from(status).ok()).filter(|status| *status >= 300);
    Ok(status.map(|status| (status, words(&body).unwrap_or_default())))
}

fn fault_in_xml(text: &str) -> Option<(u16, String)> {
    let within = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0.trim().to_owned())
    };
    let status = text.contains("<fireeyeapis").then(|| within("httpStatus"))??.parse().ok()?;
    let said = within("message").or_else(|| within("description")).unwrap_or_default();
    (status >= 300).then_some((status, said))
}

/// What an error says.
pub(super) fn words(body: &Value) -> Option<String> {
    let fault = &body["fireeyeapis"];
    let said: Vec<&str> = ["message", "description"].iter().filter_map(|name| fault[name].as_str()).collect();
    if said.is_empty() { body["message"].as_str().map(str::to_owned) } else { Some(said.join(": ")) }
}
