//! What an operator can set about the HTTP side.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use belljar_execute::settings::InvalidSetting;
use belljar_sandbox::units::duration;
use serde::{Deserialize, Serialize};

use crate::keys::{ApiKeys, KeyError};
use crate::tls::{Tls, TlsError};

/// Settings of the HTTP server. Times are written as `10s`; unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on. Default `127.0.0.1:7000`, where clients of the PremierLangage sandbox look for it.
    pub listen: SocketAddr,
    /// The user that the server becomes when root starts it, by name or number, once it listens and has read its files; only the
    /// process that makes sandboxes stays root, with few capabilities. Default: the user `belljar` if there is one, else the number
    /// 99700, which is nobody's. `root` stays root: then whoever takes the server over has the machine. Only root can become another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Listen to other machines although no API key is set. Default no.
    pub allow_unauthenticated: bool,
    /// SHA-256 digests of API keys, as `sha256:` and 64 hexadecimal digits. Default none.
    pub api_keys: Vec<String>,
    /// A file of API keys, one per line: a digest as above, or the key itself. Empty lines and those that begin with `#` are
    /// skipped. Default none. Without any key, everybody who can connect is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_keys_file: Option<PathBuf>,
    /// Certificate and key. When absent, connections are not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// Connections at the same time, idle ones included; for more, those that have been idle for longest are closed, and when none
    /// is idle they wait. Each takes three descriptors at most: where fewer may be open, it is lowered. 1 to 65536, default 1024.
    pub max_connections: usize,
    /// Time for the TLS handshake. Default 10 s.
    #[serde(with = "duration")]
    pub handshake_timeout: Duration,
    /// Time from the connection, or from the answer before, until the headers of a request are complete: also how long an idle
    /// connection is kept. Default 30 s.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// Longest wait for the next bytes of a request's body. Default 20 s.
    #[serde(with = "duration")]
    pub body_idle_timeout: Duration,
    /// Time for the whole body of a request. Default 5 min.
    #[serde(with = "duration")]
    pub body_timeout: Duration,
    /// Longest wait for a client that does not take the bytes of an answer. Default 30 s.
    #[serde(with = "duration")]
    pub write_timeout: Duration,
    /// Time that running requests have to finish when the server is told to stop. Default 30 s.
    #[serde(with = "duration")]
    pub grace_period: Duration,
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file of the certificate and the intermediate ones that lead to a known authority, in that order.
    pub certificate: PathBuf,
    /// PEM file of the private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7000),
            user: None,
            allow_unauthenticated: false,
            api_keys: Vec::new(),
            api_keys_file: None,
            tls: None,
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(30),
            grace_period: Duration::from_secs(30),
        }
    }
}

/// No timer of this server may run longer: beyond it a typing error is likelier than an intention. One day.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Settings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        if !(1..=65_536).contains(&self.max_connections) {
            return Err(InvalidSetting { key: "max_connections", problem: "must be from 1 to 65536" });
        }
        for (key, time) in [
            ("handshake_timeout", self.handshake_timeout),
            ("header_timeout", self.header_timeout),
            ("body_idle_timeout", self.body_idle_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
        ] {
            if time.is_zero() || time > LONGEST {
                return Err(InvalidSetting { key, problem: "must be more than nothing and at most one day" });
            }
        }
        if self.grace_period > LONGEST {
            return Err(InvalidSetting { key: "grace_period", problem: "must be at most one day" });
        }
        Ok(())
    }

    /// Reads the files that are named, and checks everything.
    ///
    /// # Errors
    ///
    /// When a setting is out of range, a file cannot be read or used, or the address is one that others can reach and neither
    /// keys nor the permission to do without them are given.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        self.validate()?;
        let mut keys = ApiKeys::from_digests(&self.api_keys)?;
        if let Some(path) = &self.api_keys_file {
            keys.add_file(path)?;
        }
        check_listen(self.listen, !keys.is_empty(), self.allow_unauthenticated)?;
        let tls = self.tls.as_ref().map(|tls| Tls::load(&tls.certificate, &tls.key)).transpose()?;
        Ok(Config {
            keys,
            tls,
            max_connections: self.max_connections,
            handshake_timeout: self.handshake_timeout,
            header_timeout: self.header_timeout,
            body_idle_timeout: self.body_idle_timeout,
            body_timeout: self.body_timeout,
            write_timeout: self.write_timeout,
            grace_period: self.grace_period,
        })
    }
}

/// Settings with their files read: what the server runs with.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) keys: ApiKeys,
    pub(crate) tls: Option<Tls>,
    pub(crate) max_connections: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_timeout: Duration,
    pub(crate) body_idle_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) grace_period: Duration,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is open to others.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Why an address is not listened on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "other machines can reach {address}, and without an API key each of them may run programs here: set `server.api_keys_file`, \
     listen on 127.0.0.1, or allow it in words with --allow-unauthenticated"
)]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
}

/// Refuses to serve other machines without keys, unless that was allowed in words.
///
/// # Errors
///
/// When `address` is not a loopback address, no keys are present and nobody has allowed it.
pub fn check_listen(address: SocketAddr, keys_present: bool, allow_unauthenticated: bool) -> Result<(), ListenError> {
    // An IPv4 address may also be written as an IPv6 one.
    let local = address.ip().to_canonical().is_loopback();
    if local || keys_present || allow_unauthenticated {
        return Ok(());
    }
    Err(ListenError { address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_served_by_accident() {
        for (address, keys, allowed, served) in [
            ("127.0.0.1:7000", false, false, true),
            ("127.9.9.9:1", false, false, true),
            ("[::1]:7000", false, false, true),
            ("[::ffff:127.0.0.1]:7000", false, false, true),
            ("0.0.0.0:7000", false, false, false),
            ("[::]:7000", false, false, false),
            ("192.0.2.1:7000", false, false, false),
            ("[::ffff:192.0.2.1]:7000", false, false, false),
            ("0.0.0.0:7000", true, false, true),
            ("0.0.0.0:7000", false, true, true),
        ] {
            let checked = check_listen(address.parse().unwrap(), keys, allowed);
            assert_eq!(checked.is_ok(), served, "{address} {keys} {allowed}");
        }
        let open = Settings { listen: "0.0.0.0:1".parse().unwrap(), ..Settings::default() };
        assert!(matches!(open.resolve(), Err(ConfigError::Listen(_))));
    }

    #[test]
    fn settings_have_ranges() {
        assert_eq!(Settings::default().validate(), Ok(()));
        for (settings, key) in [
            (Settings { max_connections: 0, ..Settings::default() }, "max_connections"),
            (Settings { header_timeout: Duration::ZERO, ..Settings::default() }, "header_timeout"),
            (Settings { write_timeout: Duration::MAX, ..Settings::default() }, "write_timeout"),
            (Settings { grace_period: Duration::MAX, ..Settings::default() }, "grace_period"),
        ] {
            assert_eq!(settings.validate().unwrap_err().key, key);
        }
    }
}
