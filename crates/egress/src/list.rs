//! The allow-list: hosts and ports that may be reached.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::guard::special;
use crate::host::{Host, HostError, HostName, parse_port};

/// Hosts and ports that may be reached; nothing else may.
///
/// What a name is resolved to must be a public address. An address that is not, is reached only where an entry names it, or a network
/// that it is in, in numbers: then as itself and as what a name on the list is resolved to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Allowlist(Vec<Entry>);

/// One entry: `pypi.org:443`, `*.debian.org:80,443`, `example.org:8000-8010`, `192.0.2.1:22`, `10.1.0.0/16:5432`, `[2001:db8::1]:443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    hosts: Hosts,
    ports: Vec<RangeInclusive<u16>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// One name.
    Name(HostName),
    /// All names below a domain, at any depth.
    Below(HostName),
    /// All addresses that begin with the same bits; all bits are one address.
    Network(IpAddr, u8),
}

/// Why a text is no entry of an allow-list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// There is no port.
    #[error("it names no port: write {0}:443, for example")]
    NoPort(String),
    /// A URL.
    #[error("it is a URL; write HOST:PORT, such as {0}")]
    Url(String),
    /// The host is none.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A star somewhere else than before the first dot.
    #[error("a star stands for the parts before a domain, as in *.example.org, and for nothing else")]
    Star,
    /// A name that means the sandbox itself.
    #[error("inside a sandbox, 'localhost' is the sandbox; this machine is 127.0.0.1")]
    Localhost,
    /// Not ports.
    #[error("'{0}' is no port (1 to 65535), no range such as 8000-8010, and no list of both")]
    Ports(String),
    /// Not a network.
    #[error("'{0}' is no network: an address, a slash, and the number of its first bits; all others are zero")]
    Network(String),
    /// There is no host behind such an address.
    #[error("{0} is {1}; there is no host to reach")]
    NoHost(IpAddr, crate::Special),
}

impl Entry {
    fn has_port(&self, port: u16) -> bool {
        self.ports.iter().any(|range| range.contains(&port))
    }

    fn permits_name(&self, name: &HostName) -> bool {
        match &self.hosts {
            Hosts::Name(own) => own == name,
            Hosts::Below(domain) => name.is_below(domain),
            Hosts::Network(..) => false,
        }
    }

    fn permits_address(&self, address: IpAddr) -> bool {
        match self.hosts {
            Hosts::Network(network, bits) => {
                network.is_ipv4() == address.is_ipv4() && first_bits(address, bits) == first_bits(network, bits)
            }
            Hosts::Name(_) | Hosts::Below(_) => false,
        }
    }
}

/// The first bits of an address, as a number.
fn first_bits(address: IpAddr, bits: u8) -> u128 {
    let shift = u32::from(width(address).saturating_sub(bits));
    let number = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    number.checked_shr(shift).unwrap_or(0)
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Allowlist {
    /// A list of these entries.
    #[must_use]
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Whether nothing may be reached.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether a connection to this name and port may be asked for.
    #[must_use]
    pub fn permits_name(&self, name: &HostName, port: u16) -> bool {
        self.0.iter().any(|entry| entry.has_port(port) && entry.permits_name(name))
    }

    /// Whether this very address is named, alone or with its network.
    #[must_use]
    pub fn permits_address(&self, address: IpAddr, port: u16) -> bool {
        self.0.iter().any(|entry| entry.has_port(port) && entry.permits_address(address))
            && special(address).is_none_or(super::guard::Special::may_be_a_host)
    }

    /// Names without a star, each once, with all ports that may be reached there.
    pub(crate) fn exact_names(&self) -> Vec<(HostName, Vec<RangeInclusive<u16>>)> {
        let mut names: Vec<_> = self
            .0
            .iter()
            .filter_map(|entry| match &entry.hosts {
                Hosts::Name(name) => Some(name.clone()),
                Hosts::Below(_) | Hosts::Network(..) => None,
            })
            .collect();
        names.sort();
        names.dedup();
        let ports = |name: &HostName| {
            let entries = self.0.iter().filter(|entry| entry.permits_name(name));
            entries.flat_map(|entry| entry.ports.iter().cloned()).collect()
        };
        names.into_iter().map(|name| (name.clone(), ports(&name))).collect()
    }

    /// Single addresses with their ports.
    pub(crate) fn exact_addresses(&self) -> impl Iterator<Item = (IpAddr, &[RangeInclusive<u16>])> {
        self.0.iter().filter_map(|entry| match entry.hosts {
            Hosts::Network(address, bits) if bits == width(address) => Some((address, entry.ports.as_slice())),
            Hosts::Network(..) | Hosts::Name(_) | Hosts::Below(_) => None,
        })
    }
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let port = if text.starts_with("http://") { 80 } else { 443 };
            return Err(EntryError::Url(if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") }));
        }
        // The colons of an IPv6 address are in brackets.
        let after_host = text.find(']').unwrap_or(0);
        let colon = text.get(after_host..).and_then(|rest| rest.find(':')).map(|colon| after_host + colon);
        let (host, ports) = match colon {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        };
        let hosts = parse_hosts(host)?;
        match ports.strip_prefix(':') {
            Some(ports) => Ok(Self { hosts, ports: parse_ports(ports)? }),
            None => Err(EntryError::NoPort(host.to_owned())),
        }
    }
}

fn parse_hosts(text: &str) -> Result<Hosts, EntryError> {
    if let Some(domain) = text.strip_prefix("*.") {
        return match Host::parse(domain)? {
            Host::Name(domain) => Ok(Hosts::Below(domain)),
            Host::Address(_) => Err(EntryError::Star),
        };
    }
    if text.contains('*') {
        return Err(EntryError::Star);
    }
    if let Some((address, bits)) = text.split_once('/') {
        let network = || EntryError::Network(text.to_owned());
        let Ok(Host::Address(address)) = Host::parse(address) else { return Err(network()) };
        let bits = if bits == "0" { Some(0) } else { parse_port(bits) };
        let bits = bits.and_then(|bits| u8::try_from(bits).ok()).filter(|bits| *bits <= width(address));
        let bits = bits.ok_or_else(network)?;
        let rest = u32::from(width(address) - bits);
        let whole = first_bits(address, width(address));
        // More bits than a network has are a mistake in one of the two.
        return if first_bits(address, bits).checked_shl(rest).unwrap_or(0) == whole {
            Ok(Hosts::Network(address, bits))
        } else {
            Err(network())
        };
    }
    match Host::parse(text)? {
        Host::Name(name) if name.as_str() == "localhost" => Err(EntryError::Localhost),
        Host::Name(name) => Ok(Hosts::Name(name)),
        Host::Address(address) => match special(address).filter(|special| !special.may_be_a_host()) {
            Some(special) => Err(EntryError::NoHost(address, special)),
            None => Ok(Hosts::Network(address, width(address))),
        },
    }
}

fn parse_ports(text: &str) -> Result<Vec<RangeInclusive<u16>>, EntryError> {
    let wrong = || EntryError::Ports(text.to_owned());
    let one = |part: &str| match part.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (parse_port(first)?, parse_port(last)?);
            (first <= last).then_some(first..=last)
        }
        None => parse_port(part).map(|port| port..=port),
    };
    text.split(',').map(|part| one(part).ok_or_else(wrong)).collect()
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::Name(name) => write!(formatter, "{name}")?,
            Hosts::Below(domain) => write!(formatter, "*.{domain}")?,
            Hosts::Network(address, bits) => {
                write!(formatter, "{}", Host::Address(*address))?;
                if *bits != width(*address) {
                    write!(formatter, "/{bits}")?;
                }
            }
        }
        for (index, range) in self.ports.iter().enumerate() {
            formatter.write_str(if index == 0 { ":" } else { "," })?;
            write!(formatter, "{}", range.start())?;
            if range.start() != range.end() {
                write!(formatter, "-{}", range.end())?;
            }
        }
        Ok(())
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format_args!("'{}': {error}", text.escape_debug())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Allowlist {
        Allowlist(entries.iter().map(|entry| entry.parse().unwrap()).collect())
    }

    #[test]
    fn entries_are_read_and_written() {
        for (text, canonical) in [
            ("pypi.org:443", "pypi.org:443"),
            ("PyPI.org.:443", "pypi.org:443"),
            ("*.debian.org:80,443", "*.debian.org:80,443"),
            ("example.org:8000-8010,22", "example.org:8000-8010,22"),
            ("192.0.2.1:22", "192.0.2.1:22"),
            ("127.0.0.1:5432", "127.0.0.1:5432"),
            ("10.1.0.0/16:5432", "10.1.0.0/16:5432"),
            ("0.0.0.0/0:443", "0.0.0.0/0:443"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[fd00::]/8:443", "[fd00::]/8:443"),
        ] {
            let entry: Entry = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(entry.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(entry));
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, message) in [
            ("pypi.org", "it names no port: write pypi.org:443, for example"),
            ("https://pypi.org/simple", "it is a URL; write HOST:PORT, such as pypi.org:443"),
            ("http://pypi.org", "it is a URL; write HOST:PORT, such as pypi.org:80"),
            ("pypi.org:", "'' is no port (1 to 65535), no range such as 8000-8010, and no list of both"),
            ("pypi.org:443,", "'443,' is no port (1 to 65535), no range such as 8000-8010, and no list of both"),
            ("pypi.org:0", "'0' is no port (1 to 65535), no range such as 8000-8010, and no list of both"),
            ("pypi.org:9-8", "'9-8' is no port (1 to 65535), no range such as 8000-8010, and no list of both"),
            ("pypi.org:https", "'https' is no port (1 to 65535), no range such as 8000-8010, and no list of both"),
            (":443", "the name of the host is empty"),
            ("*:443", "a star stands for the parts before a domain, as in *.example.org, and for nothing else"),
            ("a.*.org:443", "a star stands for the parts before a domain, as in *.example.org, and for nothing else"),
            (
                "*.10.0.0.1:443",
                "a star stands for the parts before a domain, as in *.example.org, and for nothing else",
            ),
            ("bücher.example:443", "a name with other letters than a to z is written in its ASCII form (xn--...)"),
            ("127.1:80", "an address is written as four decimal numbers without leading zeros"),
            ("me@example.org:80", "'@' is in no name of a host"),
            ("localhost:80", "inside a sandbox, 'localhost' is the sandbox; this machine is 127.0.0.1"),
            ("0.0.0.0:80", "0.0.0.0 is an unspecified address; there is no host to reach"),
            ("224.0.0.1:80", "224.0.0.1 is a multicast address; there is no host to reach"),
            (
                "10.1.2.3/16:80",
                "'10.1.2.3/16' is no network: an address, a slash, and the number of its first bits; all others are zero",
            ),
            (
                "10.0.0.0/33:80",
                "'10.0.0.0/33' is no network: an address, a slash, and the number of its first bits; all others are zero",
            ),
        ] {
            let error = text.parse::<Entry>().expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn nothing_is_permitted_that_is_not_named() {
        let list =
            list(&["pypi.org:443", "*.debian.org:80,443", "10.1.0.0/16:5432", "93.184.216.34:1-1023", "0.0.0.0/0:7"]);
        for (host, port, permitted) in [
            ("pypi.org", 443, true),
            ("pypi.org", 80, false),
            ("files.pypi.org", 443, false),
            ("deb.debian.org", 80, true),
            ("a.b.debian.org", 443, true),
            ("debian.org", 443, false),
            ("evildebian.org", 443, false),
            ("10.1.2.3", 5432, true),
            ("10.1.2.3", 5433, false),
            ("10.2.0.0", 5432, false),
            ("93.184.216.34", 22, true),
            ("93.184.216.34", 1024, false),
            ("93.184.216.35", 22, false),
            ("[::ffff:93.184.216.34]", 22, false),
            ("8.8.8.8", 7, true),
            ("[2606::1]", 7, false),
            ("0.0.0.0", 7, false),
            ("255.255.255.255", 7, false),
            ("224.0.0.1", 7, false),
        ] {
            let found = match Host::parse(host).unwrap() {
                Host::Name(name) => list.permits_name(&name, port),
                Host::Address(address) => list.permits_address(address, port),
            };
            assert_eq!(found, permitted, "{host}:{port}");
        }
        assert!(Allowlist::default().is_empty());
    }
}
