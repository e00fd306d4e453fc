//! Names and addresses as they are written in lists and requests: one spelling of each, and nothing that could be read in two ways.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name of a host in its one spelling: lower case, ASCII, without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// What a connection is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name, which has to be resolved.
    Name(HostName),
    /// An address.
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is there.
    #[error("the name of the host is empty")]
    Empty,
    /// Longer than the DNS allows.
    #[error("a name has at most 253 characters")]
    TooLong,
    /// Letters beyond ASCII, which different programs would encode in different ways.
    #[error("a name with other letters than a to z is written in its ASCII form (xn--...)")]
    NotAscii,
    /// Something that is in no name: user information, paths, spaces, control characters.
    #[error("'{}' is in no name of a host", .0.escape_debug())]
    Character(char),
    /// A part between dots is empty, longer than 63, or begins or ends with a hyphen.
    #[error("each part of a name between the dots has 1 to 63 characters, and a hyphen neither first nor last")]
    Label,
    /// Such as `0x7f.1`, `127.1`, `2130706433` or `0177.0.0.1`: some programs read it as an address.
    #[error("an address is written as four decimal numbers without leading zeros")]
    LooksLikeAddress,
    /// Not an IPv6 address; a zone (`%eth0`) is none either.
    #[error("what is in brackets is no IPv6 address")]
    NotV6,
}

impl HostName {
    /// Reads a name. Upper case and one dot at the end are understood.
    ///
    /// # Errors
    /// What is not a name, or can be read as an address.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(HostError::Empty);
        }
        if !name.is_ascii() {
            return Err(HostError::NotAscii);
        }
        let allowed = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if let Some(other) = name.chars().find(|letter| !allowed(letter)) {
            return Err(HostError::Character(other));
        }
        if name.len() > 253 {
            return Err(HostError::TooLong);
        }
        let is_label =
            |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
        if !name.split('.').all(is_label) {
            return Err(HostError::Label);
        }
        // The rule of browsers: who reads any of these as an address, reads all of them so that end in a number.
        let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits(&last) || last.strip_prefix("0x").is_some_and(hexadecimal) {
            return Err(HostError::LooksLikeAddress);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is below `domain`: `a.b.example.org` is below `example.org`, which is not below itself.
    #[must_use]
    pub fn is_below(&self, domain: &Self) -> bool {
        self.0.strip_suffix(&domain.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl Host {
    /// Reads a host as it stands in a URL: a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let inside = rest.strip_suffix(']').ok_or(HostError::NotV6)?;
            return inside
                .parse::<Ipv6Addr>()
                .map(|address| Self::Address(address.into()))
                .map_err(|_| HostError::NotV6);
        }
        match text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Self::Address(address.into())),
            Err(_) => HostName::parse(text).map(Self::Name),
        }
    }
}

/// Reads `HOST:PORT`, or `HOST` where a default port is known.
///
/// # Errors
/// What [`Host::parse`] says; for a port that is none, the character that does not belong there.
pub(crate) fn parse_authority(text: &str, default_port: Option<u16>) -> Result<(Host, u16), HostError> {
    let after_host = if text.starts_with('[') { text.find(']').map_or(text.len(), |end| end + 1) } else { 0 };
    let (host, port) = match text.get(after_host..).and_then(|rest| rest.find(':')) {
        Some(colon) => (text.get(..after_host + colon).unwrap_or_default(), text.get(after_host + colon + 1..)),
        None => (text, None),
    };
    // The host first: its problem is the more telling one.
    let host = Host::parse(host)?;
    let port = match port {
        Some(port) => parse_port(port).ok_or(HostError::Character(':'))?,
        None => default_port.ok_or(HostError::Empty)?,
    };
    Ok((host, port))
}

/// A port in decimal digits, without a sign or a leading zero; never 0.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(formatter),
            Self::Address(IpAddr::V4(address)) => address.fmt(formatter),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let name = |text: &str| Ok(Host::Name(HostName(text.to_owned())));
        let address = |text: &str| Ok(Host::Address(text.parse().unwrap()));
        for (text, expected) in [
            ("example.org", name("example.org")),
            ("EXAMPLE.Org.", name("example.org")),
            ("xn--bcher-kva.example", name("xn--bcher-kva.example")),
            ("_dmarc.example.org", name("_dmarc.example.org")),
            ("1e100.net", name("1e100.net")),
            ("0x.example", name("0x.example")),
            ("93.184.216.34", address("93.184.216.34")),
            ("[2001:db8::1]", address("2001:db8::1")),
            ("[::ffff:10.0.0.1]", address("::ffff:10.0.0.1")),
            ("", Err(HostError::Empty)),
            (".", Err(HostError::Empty)),
            ("example.org..", Err(HostError::Label)),
            (".example.org", Err(HostError::Label)),
            ("a..b", Err(HostError::Label)),
            ("-a.example", Err(HostError::Label)),
            ("a-.example", Err(HostError::Label)),
            ("bücher.example", Err(HostError::NotAscii)),
            ("example\u{3002}org", Err(HostError::NotAscii)),
            ("user@example.org", Err(HostError::Character('@'))),
            ("example.org/", Err(HostError::Character('/'))),
            ("example.org\r\nx", Err(HostError::Character('\r'))),
            ("example.org\0.evil.org", Err(HostError::Character('\0'))),
            ("exa mple", Err(HostError::Character(' '))),
            ("exa%6dple.org", Err(HostError::Character('%'))),
            ("*.example.org", Err(HostError::Character('*'))),
            ("::1", Err(HostError::Character(':'))),
            ("2130706433", Err(HostError::LooksLikeAddress)),
            ("0x7f000001", Err(HostError::LooksLikeAddress)),
            ("0x7f.1", Err(HostError::LooksLikeAddress)),
            ("017700000001", Err(HostError::LooksLikeAddress)),
            ("0177.0.0.1", Err(HostError::LooksLikeAddress)),
            ("127.1", Err(HostError::LooksLikeAddress)),
            ("127.0.0.01", Err(HostError::LooksLikeAddress)),
            ("127.0.0.1.", Err(HostError::LooksLikeAddress)),
            ("127.0.0.0x1", Err(HostError::LooksLikeAddress)),
            ("256.1.1.1", Err(HostError::LooksLikeAddress)),
            ("example.0X", Err(HostError::LooksLikeAddress)),
            ("[fe80::1%eth0]", Err(HostError::NotV6)),
            ("[127.0.0.1]", Err(HostError::NotV6)),
            ("[::1", Err(HostError::NotV6)),
        ] {
            assert_eq!(Host::parse(text), expected, "{text:?}");
        }
        assert_eq!(HostName::parse(&["a"; 127].join(".")).map(|name| name.0.len()), Ok(253));
        assert_eq!(HostName::parse(&["a"; 128].join(".")), Err(HostError::TooLong));
        assert_eq!(HostName::parse(&format!("{}.example", "a".repeat(64))), Err(HostError::Label));
    }

    #[test]
    fn hosts_have_ports() {
        for (text, default, expected) in [
            ("example.org:443", None, Some(("example.org", 443))),
            ("example.org", Some(80), Some(("example.org", 80))),
            ("[2001:db8::1]:443", None, Some(("[2001:db8::1]", 443))),
            ("[2001:db8::1]", Some(80), Some(("[2001:db8::1]", 80))),
            ("example.org", None, None),
            ("example.org:", Some(80), None),
            ("example.org:0", Some(80), None),
            ("example.org:080", Some(80), None),
            ("example.org:+80", Some(80), None),
            ("example.org:65536", Some(80), None),
            ("example.org:80:80", Some(80), None),
            ("example.org: 80", Some(80), None),
            ("::1:80", Some(80), None),
            ("[::1]80", Some(80), None),
            ("[::1]x:80", Some(80), None),
            (":80", None, None),
        ] {
            let found = parse_authority(text, default).ok().map(|(host, port)| (host.to_string(), port));
            assert_eq!(found, expected.map(|(host, port)| (host.to_owned(), port)), "{text:?}");
        }
    }

    #[test]
    fn below_is_below() {
        let name = |text| HostName::parse(text).unwrap();
        for (inner, outer, below) in [
            ("a.example.org", "example.org", true),
            ("a.b.example.org", "example.org", true),
            ("example.org", "example.org", false),
            ("badexample.org", "example.org", false),
            ("example.org.evil.net", "example.org", false),
        ] {
            assert_eq!(name(inner).is_below(&name(outer)), below, "{inner} {outer}");
        }
    }

    proptest! {
        /// What is taken for a name is none of an address to anybody, and reads the same a second time.
        #[test]
        fn a_name_is_stable(text in "[ -~é]{0,30}|[0-9a-fx.]{1,20}") {
            if let Ok(name) = HostName::parse(&text) {
                prop_assert_eq!(HostName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().parse::<IpAddr>().is_err());
                let last = name.as_str().rsplit('.').next().unwrap().as_bytes()[0];
                prop_assert!(!last.is_ascii_digit() || name.as_str().bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.'));
            }
        }
    }
}
