//! Logging in to the web interface, as a browser does.
//!
//! The server says where its login page is. Login and password go there only if that is the sandbox's own host (on any port: installations
//! have it on port 3334), or the one that the account names, and not without encryption where the sandbox has it.

use std::time::Duration;

use http::header;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cookies::Jar;
use super::{Ui, get, wire};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Transport};
use crate::sandbox::Vendor;
use crate::secret::Secret;

/// A token is renewed when it is older: servers let it live for ten minutes.
const RENEW_AFTER: Duration = Duration::from_secs(8 * 60);
/// Redirections that are followed one after another.
const MAX_REDIRECTIONS: usize = 10;

/// Who logs in to the web interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login.
    pub login: String,
    /// The password.
    pub password: Secret,
    /// It is an account of the directory (LDAP); false by default: one of the product's own.
    pub ldap: bool,
    /// The host of the login page, where it is another than the sandbox's; none by default.
    pub login_host: Option<String>,
}

/// Somebody who is logged in.
#[derive(Debug)]
pub(super) struct Session {
    fingerprint: String,
    jar: Jar,
    token: Secret,
    since: Instant,
}

/// What a request is sent with.
#[derive(Debug)]
pub(super) struct Pass {
    token: Secret,
    cookies: Option<Secret>,
}

impl Pass {
    pub(super) fn apply(&self, call: Call) -> Call {
        let call = call
            .header(header::AUTHORIZATION, &format!("Bearer {}", self.token.reveal()))
            .header(header::CONTENT_TYPE, "application/json");
        match &self.cookies {
            Some(cookies) => call.header(header::COOKIE, cookies.reveal()),
            None => call,
        }
    }
}

impl Ui<'_> {
    /// Logs in where nobody is, and renews what is old. One at a time: others wait, and use what came of it.
    pub(super) async fn pass(&self, step: Step) -> Result<Pass> {
        let base = self.base(step)?;
        let mut held = self.pt.session.lock().await;
        let renewed = match held.take() {
            Some(session) if session.since.elapsed() < RENEW_AFTER => Some(session),
            Some(mut session) => match self.fetch_token(&mut session, &base).await {
                Ok(()) => Some(session),
                Err(error) if matches!(error.kind, ErrorKind::Unauthenticated(_) | ErrorKind::Forbidden(_)) => None,
                Err(error) => {
                    *held = Some(session);
                    return Err(error);
                }
            },
            None => None,
        };
        let session = match renewed {
            Some(session) => session,
            None => self.log_in(&base).await?,
        };
        let cookies = session.jar.header(host(&base), "/api/ui/", base.scheme() == "https");
        let pass = Pass { token: session.token.clone(), cookies: cookies.as_deref().map(Secret::new) };
        *held = Some(session);
        Ok(pass)
    }

    /// The session is over, unless there is another one already.
    pub(super) async fn forget(&self, pass: &Pass) {
        let mut held = self.pt.session.lock().await;
        if held.as_ref().is_some_and(|session| session.token == pass.token) {
            *held = None;
        }
    }

    fn base(&self, step: Step) -> Result<Url> {
        Url::parse(&self.pt.settings.http.address).map_err(|error| self.pt.invalid(step, error.to_string()))
    }

    async fn log_in(&self, base: &Url) -> Result<Session> {
        let fingerprint = uuid::Uuid::new_v4().simple().to_string();
        let mut session = Session { fingerprint, jar: Jar::default(), token: Secret::new(""), since: Instant::now() };
        let call = get(Step::LogIn, &["auth", "authorize"]).query("fingerprint", &*session.fingerprint);
        let answer = self.pt.checked(call).await?;
        session.jar.keep(host(base), "/api/ui/auth/authorize", answer.headers());
        let data: Value = self.pt.opened(Step::LogIn, answer).await?;
        let location = data["location"].as_str().and_then(|location| Url::parse(location).ok());
        let location =
            location.ok_or_else(|| self.pt.malformed(Step::LogIn, "`location` of the login page is no address"))?;

        let Ok(page) = location.join("/ui/login") else {
            return Err(self.pt.malformed(Step::LogIn, "there can be no login page at `location`"));
        };
        let body = json!({
            "username": self.account.login, "password": self.account.password.reveal(),
            "authType": u8::from(self.account.ldap), "rememberLogin": true,
        });
        let (answer, _) = self.visit(&mut session, base, page, Some(body)).await?;
        if answer.status() != 200 {
            return Err(answer.into_error(wire::words).await);
        }
        let (answer, _) = self.visit(&mut session, base, location, None).await?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            return Err(answer.into_error(wire::words).await);
        }
        self.fetch_token(&mut session, base).await?;
        Ok(session)
    }

    /// Asks for a page, or sends it something once, and goes where it leads: only to the sandbox's own hosts, and never sends anything there.
    async fn visit(&self, session: &mut Session, base: &Url, url: Url, body: Option<Value>) -> Result<(Answer, Url)> {
        let (mut url, mut body) = (url, body);
        for _ in 0..=MAX_REDIRECTIONS {
            self.check_place(base, &url)?;
            let mut settings = self.pt.settings.http.clone();
            settings.address = url.origin().ascii_serialization();
            let secrets = vec![self.account.password.clone()];
            let transport = Transport::new(settings, Vendor::Pt, secrets)?;
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            let target = format!("{}{query}", url.path().trim_start_matches('/'));
            let sent = body.take();
            let call = match &sent {
                Some(body) => Call::post(Step::LogIn, ["ui", "login"], Body::Json(body.clone())),
                None => Call::located(Step::LogIn, &target),
            };
            let call = match session.jar.header(host(&url), url.path(), url.scheme() == "https") {
                Some(cookies) => call.header(header::COOKIE, &cookies),
                None => call,
            };
            let answer = transport.send(call).await?;
            session.jar.keep(host(&url), url.path(), answer.headers());
            // To send the password once more is what 307 and 308 would mean.
            let leads_on = matches!(answer.status().as_u16(), 301..=303)
                || (sent.is_none() && matches!(answer.status().as_u16(), 307 | 308));
            let location = answer.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
            match location.and_then(|location| url.join(location).ok()).filter(|_| leads_on) {
                Some(next) => url = next,
                None => return Ok((answer, url)),
            }
        }
        Err(self.pt.malformed(Step::LogIn, "the login page leads on and on"))
    }

    /// Whether login, password and cookies may go there.
    fn check_place(&self, base: &Url, url: &Url) -> Result<()> {
        let own = [Some(host(base)), self.account.login_host.as_deref()];
        let problem = if !own.contains(&Some(host(url))) {
            format!("it is at {}, which is not the sandbox's host: set `login_host` if that is right", host(url))
        } else if url.scheme() != "https" && (url.scheme() != "http" || base.scheme() == "https") {
            format!("it is at {}://, and the sandbox at {}://", url.scheme(), base.scheme())
        } else if !url.username().is_empty() || url.password().is_some() {
            "its address has a login in it".to_owned()
        } else {
            return Ok(());
        };
        Err(self.pt.malformed(Step::LogIn, format!("the password is not sent to the login page: {problem}")))
    }

    /// Fetches a token, for the first time or anew.
    async fn fetch_token(&self, session: &mut Session, base: &Url) -> Result<()> {
        let body = Body::Json(json!({"fingerprint": session.fingerprint}));
        let call = Call::post(Step::LogIn, ["api", "ui", "auth", "token"], body).harmless();
        let call = match session.jar.header(host(base), "/api/ui/auth/token", base.scheme() == "https") {
            Some(cookies) => call.header(header::COOKIE, &cookies),
            None => call,
        };
        let call = match session.token.reveal() {
            "" => call,
            old => call.header(header::AUTHORIZATION, &format!("Bearer {old}")),
        };
        let asked = Instant::now();
        let answer = self.pt.checked(call).await?;
        session.jar.keep(host(base), "/api/ui/auth/token", answer.headers());
        let wire::Tidy(answer) = answer.json::<wire::Tidy<Value>>().await?;
        if let Some(kind) = wire::Envelope::of(&answer).and_then(|envelope| envelope.error()) {
            return Err(self.pt.error(Step::LogIn, kind));
        }
        // Products before 5.0 have no envelope here.
        let token = answer["data"]["accessToken"].as_str().or_else(|| answer["accessToken"].as_str());
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(self.pt.malformed(Step::LogIn, "there is no `accessToken` in it"));
        };
        session.token = Secret::new(token);
        session.since = asked;
        for value in session.jar.values().take(4) {
            self.pt.transport.keep_secret(Secret::new(value));
        }
        self.pt.transport.keep_secret(session.token.clone());
        Ok(())
    }
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}
