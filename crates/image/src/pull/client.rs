//! A registry, as far as pulling needs it (OCI distribution specification 1.1, "Pulling").

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use crate::pull::challenge::Challenge;
use crate::pull::reference::is_loopback;
use crate::pull::{Credentials, Reference, RegistryError};

/// Redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// Times that a request is made again.
pub(super) const RETRIES: u32 = 4;
/// How long to wait before the first of them; twice as long before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest that a registry may have us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Time until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Time in which at least one byte comes.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer with a token.
const MAX_TOKEN_BYTES: u64 = 256 << 10;

/// A registry that is asked for one repository.
#[derive(Debug)]
pub(super) struct Registry {
    client: Client,
    pub(super) reference: Reference,
    base: Url,
    plain: bool,
    credentials: Option<Credentials>,
    /// What goes with each request to the registry itself, and nowhere else.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Registry {
    pub(super) fn new(
        reference: &Reference,
        credentials: Option<Credentials>,
        plain: bool,
    ) -> Result<Self, RegistryError> {
        if plain && !reference.is_loopback() {
            return Err(RegistryError::NotLoopback(reference.registry().to_owned()));
        }
        // One implementation for the whole program; a second try finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("belljar/", env!("CARGO_PKG_VERSION")));
        if plain {
            client = client.no_proxy();
        }
        let scheme = if plain { "http" } else { "https" };
        let base = format!("{scheme}://{}/", reference.registry());
        Ok(Self {
            client: client.build().map_err(RegistryError::Client)?,
            reference: reference.clone(),
            base: base.parse().map_err(|_| RegistryError::NotFound(base))?,
            plain,
            credentials,
            authorization: Mutex::default(),
        })
    }

    /// Asks for something of the repository, such as `blobs/DIGEST`, from a byte on; again after a failure that may pass.
    pub(super) async fn get(&self, path: &str, accept: &str, from: u64) -> Result<Response, RegistryError> {
        again_and_again(async || self.get_once(path, accept, from).await).await
    }

    /// All of something small, and the digest that the registry says it has.
    pub(super) async fn read(
        &self,
        path: &str,
        accept: &str,
        what: &str,
        limit: u64,
    ) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        let read = async || {
            let response = self.get_once(path, accept, 0).await?;
            let said = response.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok());
            let said = said.map(str::to_owned);
            let bytes = read_all(what, response, limit).await.map_err(|error| (error, None))?;
            Ok((bytes, said))
        };
        again_and_again(read).await
    }

    async fn get_once(
        &self,
        path: &str,
        accept: &str,
        from: u64,
    ) -> Result<Response, (RegistryError, Option<Duration>)> {
        let plain = |error| (error, None);
        let mut response = self.follow(path, accept, from).await.map_err(plain)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.authorize(response.headers()).await.map_err(plain)?;
            response = self.follow(path, accept, from).await.map_err(plain)?;
        }
        let what = || format!("{path} of {}", self.reference.repository());
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(plain(RegistryError::Unauthorized {
                reference: Box::new(self.reference.clone()),
                known: self.credentials.is_some(),
            })),
            StatusCode::NOT_FOUND => Err(plain(RegistryError::NotFound(what()))),
            status => {
                let error = RegistryError::Status { what: what(), status: status.as_u16() };
                Err((error, wait_of(response.headers())))
            }
        }
    }

    /// Follows redirects, with credentials for the registry alone.
    async fn follow(&self, path: &str, accept: &str, from: u64) -> Result<Response, RegistryError> {
        let path = format!("v2/{}/{path}", self.reference.repository());
        let mut url = self.base.join(&path).map_err(|_| RegistryError::NotFound(path))?;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone()).header(ACCEPT, accept);
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if url.origin() == self.base.origin() {
                let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
                request =
                    authorization.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value));
            }
            let response = send(request, &url).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok()).unwrap_or_default();
            let target = url.join(target).map_err(|_| RegistryError::Redirect(shown(target), "that is no address"))?;
            self.check(&target)?;
            url = target;
        }
        Err(RegistryError::Redirect(shown(url.as_str()), "it does so again and again"))
    }

    /// Whether we go there: encrypted, or in this machine where the registry itself is.
    fn check(&self, url: &Url) -> Result<(), RegistryError> {
        let refuse = |why| Err(RegistryError::Redirect(shown(url.as_str()), why));
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.plain && url.host_str().is_some_and(is_loopback) => Ok(()),
            "http" => refuse("it is not encrypted"),
            _ => refuse("that is no address of the web"),
        }
    }

    /// Does what a registry asks for that does not know us.
    async fn authorize(&self, headers: &HeaderMap) -> Result<(), RegistryError> {
        let offers: Vec<&str> =
            headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        let Some(challenge) = offers.iter().find_map(|offer| Challenge::parse(offer)) else {
            return Err(RegistryError::Authentication(shown(&offers.join(", "))));
        };
        let unauthorized = || RegistryError::Unauthorized {
            reference: Box::new(self.reference.clone()),
            known: self.credentials.is_some(),
        };
        let value = match challenge {
            Challenge::Basic => {
                let credentials = self.credentials.as_ref().ok_or_else(unauthorized)?;
                let request = self.client.get(self.base.clone());
                let request = request.basic_auth(&credentials.username, Some(&credentials.password)).build();
                request.ok().and_then(|request| request.headers().get(AUTHORIZATION).cloned())
            }
            Challenge::Bearer { realm, service, scope } => {
                let token = self.token(&realm, service, scope).await?.ok_or_else(unauthorized)?;
                HeaderValue::from_str(&format!("Bearer {token}")).ok()
            }
        };
        let mut value = value.ok_or_else(unauthorized)?;
        // Neither in logs nor in compressed headers.
        value.set_sensitive(true);
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }

    /// A token that lets us read the repository; nothing when it is not given.
    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<Option<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let mut url: Url = realm.parse().map_err(|_| RegistryError::Redirect(shown(realm), "that is no address"))?;
        self.check(&url)?;
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.reference.repository()));
        url.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = &service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let mut request = self.client.get(url.clone());
        if let Some(Credentials { username, password }) = &self.credentials {
            request = request.basic_auth(username, Some(password));
        }
        let response = send(request, &url).await?;
        match response.status() {
            status if status.is_success() => {}
            status if status.is_server_error() => {
                return Err(RegistryError::Status { what: "a token".to_owned(), status: status.as_u16() });
            }
            _ => return Ok(None),
        }
        let bytes = read_all("the answer with a token", response, MAX_TOKEN_BYTES).await?;
        let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
        Ok(answer.and_then(|answer| answer.token.or(answer.access_token)))
    }
}

/// Does something that only reads until it works, or fails in a way that does not pass, or too often.
async fn again_and_again<T>(
    once: impl AsyncFn() -> Result<T, (RegistryError, Option<Duration>)>,
) -> Result<T, RegistryError> {
    let mut attempt = 0;
    loop {
        match once().await {
            Err((error, wait)) if error.may_pass() && attempt < RETRIES => {
                pause(attempt, wait).await;
                attempt += 1;
            }
            result => return result.map_err(|(error, _)| error),
        }
    }
}

/// Waits before another attempt: as the registry says, else longer each time.
pub(super) async fn pause(attempt: u32, wait: Option<Duration>) {
    let own = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt));
    tokio::time::sleep(wait.unwrap_or(own).min(LONGEST_WAIT)).await;
}

/// All of an answer, up to a bound.
async fn read_all(what: &str, mut response: Response, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut response).await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(RegistryError::TooLong { what: what.to_owned(), limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The next bytes of an answer.
pub(super) async fn next_chunk(
    response: &mut Response,
) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>>, RegistryError> {
    let host = response.url().host_str().unwrap_or_default().to_owned();
    response.chunk().await.map_err(|source| RegistryError::Unreachable { host, source: source.without_url() })
}

async fn send(request: RequestBuilder, url: &Url) -> Result<Response, RegistryError> {
    let host = || url.host_str().unwrap_or_default().to_owned();
    // Addresses of storage hold signatures.
    request.send().await.map_err(|source| RegistryError::Unreachable { host: host(), source: source.without_url() })
}

fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A stranger's words, for a message: short, in one line, and without what follows a question mark.
fn shown(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    text.chars().take(200).flat_map(char::escape_debug).collect()
}
