//! How a sandbox is reached.

use std::fmt;
use std::time::Duration;

use super::address::without_password;
use crate::secret::Secret;

/// How a sandbox is reached. Its `Debug` shows no secrets.
#[derive(Clone)]
pub struct Settings {
    /// Its name in errors and tables.
    pub name: String,
    /// Where it is: with or without a slash at the end, a path is kept. A user and a password in it are sent as basic authentication.
    pub address: String,
    /// Time for a connection. 10 s by default.
    pub connect_timeout: Duration,
    /// Time without a byte from the server, while it does not take any of an upload either. 60 s by default.
    pub read_timeout: Duration,
    /// Time of a whole call, retries, the upload and an answer that is read whole included, and of a download what comes before its first
    /// byte; none by default, because samples are of any size.
    pub total_timeout: Option<Duration>,
    /// Tries of a request that may be sent again. 3 by default.
    pub tries: u32,
    /// Requests at once. 8 by default.
    pub concurrency: usize,
    /// Requests in a minute; no limit by default.
    pub per_minute: Option<u32>,
    /// A proxy: `http://`, `https://` or `socks5h://`. Variables of the environment are not looked at.
    pub proxy: Option<Secret>,
    /// Certificates that are trusted besides the system's, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// Whether the server's certificate is checked. True by default.
    pub verify: bool,
    /// Bytes of an answer that is read whole. 256 MiB by default: reports are large.
    pub max_answer_bytes: u64,
    /// The user agent. `belljar-client/VERSION` by default.
    pub user_agent: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("name", &self.name)
            .field("address", &without_password(&self.address))
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The defaults, for a sandbox of this name at this address.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            total_timeout: None,
            tries: 3,
            concurrency: 8,
            per_minute: None,
            proxy: None,
            authorities: Vec::new(),
            verify: true,
            max_answer_bytes: 256 << 20,
            user_agent: concat!("belljar-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Settings {
    /// The client for these settings; what is wrong with them otherwise.
    pub(super) fn client(&self) -> std::result::Result<reqwest::Client, String> {
        let address = reqwest::Url::parse(&self.address).map_err(|error| format!("the address is none: {error}"))?;
        if !matches!(address.scheme(), "http" | "https") {
            return Err(format!("the address begins with {}://, not with http:// or https://", address.scheme()));
        }
        // Who installed one before has chosen.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder()
            .user_agent(&self.user_agent)
            // The time between two bytes is kept by the transport: the library's counts an upload as silence.
            .connect_timeout(self.connect_timeout)
            // A redirected upload is an upload to somebody else, and a redirected key is lost.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_certs(!self.verify);
        if let Some(proxy) = &self.proxy {
            client = client
                .proxy(reqwest::Proxy::all(proxy.reveal()).map_err(|error| format!("the proxy is none: {error}"))?);
        }
        for pem in &self.authorities {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| format!("a certificate is none: {error}"))?;
            client = client.tls_certs_merge(certificates);
        }
        client.build().map_err(|error| format!("no client can be made: {error}"))
    }
}
