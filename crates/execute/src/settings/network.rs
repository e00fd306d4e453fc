//! Settings of what programs may reach of the network.

use std::time::Duration;

use belljar_egress::{Allowlist, Limits, Rules, TooManyDoors};
use belljar_sandbox::Bridge;
use belljar_sandbox::units::{ByteSize, duration};
use serde::{Deserialize, Serialize};

use super::InvalidSetting;

/// What programs may reach of the network, and how much of it each request may use. Peer: `network_disabled` of
/// `DOCKER_PARAMETERS`, everything or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Nothing, what `allow` names, or everything that the host reaches.
    pub access: Access,
    /// Hosts and ports that may be reached, with `access = "allow"`: `pypi.org:443`, `*.debian.org:80,443` for all names below a
    /// domain, `example.org:8000-8010`. What a name stands for must be a public address; others are reached only where they, or
    /// their network, are named in numbers: `10.1.2.3:5432`, `10.1.0.0/16:5432`. At most 126 pairs of a name without a star and
    /// a port. Default none.
    pub allow: Allowlist,
    /// Connections of one request at the same time; what comes on top waits. Default 64.
    pub connections: usize,
    /// Connections that one request begins in a second; what comes on top waits. Default 50.
    pub connections_per_second: u32,
    /// Bytes per second of one request in each direction; 0 is no limit, the default.
    pub bytes_per_second: ByteSize,
    /// Bytes that one request may send. Default 256M.
    pub sent: ByteSize,
    /// Bytes that one request may receive. Default 1G.
    pub received: ByteSize,
    /// Time to resolve a name and to connect to what it means. Default 10 s.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// Time for which a connection may be silent. Default one minute.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
}

/// What of the network is reachable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing but a loopback interface of each sandbox's own.
    #[default]
    None,
    /// What `allow` names, through a proxy.
    Allow,
    /// Everything that the host reaches, this server and services that trust the host included.
    Host,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            access: Access::None,
            allow: Allowlist::default(),
            connections: limits.connections,
            connections_per_second: limits.connections_per_second,
            bytes_per_second: ByteSize::from_bytes(limits.bytes_per_second),
            sent: ByteSize::from_bytes(limits.sent),
            received: ByteSize::from_bytes(limits.received),
            connect_timeout: limits.connect_timeout,
            idle_timeout: limits.idle_timeout,
        }
    }
}

impl NetworkSettings {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let broken = |key, problem| Err(InvalidSetting { key, problem });
        match self.access {
            Access::Allow if self.allow.is_empty() => {
                return broken("network.allow", "must name something with `network.access = \"allow\"`");
            }
            Access::None | Access::Host if !self.allow.is_empty() => {
                return broken("network.allow", "means nothing without `network.access = \"allow\"`");
            }
            _ => {}
        }
        if !(1..=1024).contains(&self.connections) {
            return broken("network.connections", "must be from 1 to 1024");
        }
        if self.connections_per_second == 0 {
            return broken("network.connections_per_second", "must be more than 0");
        }
        match self.rules() {
            Ok(_) => Ok(()),
            Err(TooManyDoors { .. }) => {
                broken("network.allow", "names more than 126 pairs of a name without a star and a port")
            }
        }
    }

    /// The rules of an allow-list; none with other kinds of access.
    ///
    /// # Errors
    ///
    /// The list is too long.
    pub fn rules(&self) -> Result<Option<Rules>, TooManyDoors> {
        if self.access != Access::Allow {
            return Ok(None);
        }
        let limits = Limits {
            connections: self.connections,
            connections_per_second: self.connections_per_second,
            bytes_per_second: self.bytes_per_second.bytes(),
            sent: self.sent.bytes(),
            received: self.received.bytes(),
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            ..Limits::default()
        };
        Rules::new(self.allow.clone(), limits, Bridge::MOST_LISTENERS).map(Some)
    }

    /// Descriptors that the network of one sandbox takes of the server, at most: its sockets, which are there twice while it is
    /// used, and both ends of each connection.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let listeners = self.rules().ok().flatten().map(|rules| rules.listen().len());
        listeners.map_or(0, |listeners| 2 * (listeners + self.connections))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_must_make_sense() {
        for (toml, problem) in [
            (r#"{"access": "allow", "allow": ["pypi.org:443"]}"#, None),
            (r#"{"access": "none"}"#, None),
            (r#"{"access": "host"}"#, None),
            (r#"{"access": "allow"}"#, Some("network.allow")),
            (r#"{"allow": ["pypi.org:443"]}"#, Some("network.allow")),
            (r#"{"access": "host", "allow": ["pypi.org:443"]}"#, Some("network.allow")),
            (r#"{"access": "allow", "allow": ["pypi.org:1-127"]}"#, Some("network.allow")),
            (r#"{"connections": 0}"#, Some("network.connections")),
            (r#"{"connections_per_second": 0}"#, Some("network.connections_per_second")),
        ] {
            let settings: NetworkSettings = serde_json::from_str(toml).unwrap();
            assert_eq!(settings.validate().err().map(|error| error.key), problem, "{toml}");
        }
        let error = serde_json::from_str::<NetworkSettings>(r#"{"allow": ["pypi.org"]}"#).unwrap_err().to_string();
        assert!(error.contains("'pypi.org': it names no port: write pypi.org:443, for example"), "{error}");
    }
}
