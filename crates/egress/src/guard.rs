//! Which addresses are out there for everybody, and which lead to somewhere that only this machine's place in the network reaches.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not one of the public internet. Ranges: the IANA registries of special-purpose addresses (RFC 6890 and those
/// that it names).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `10/8`, `172.16/12`, `192.168/16` (RFC 1918); `fc00::/7`, `fec0::/10`.
    Private,
    /// `100.64.0.0/10`: between a provider and its customers (RFC 6598).
    Shared,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `169.254.0.0/16`, `fe80::/10`; in clouds the metadata of the machine, with its secrets.
    LinkLocal,
    /// For examples in texts.
    Documentation,
    /// For benchmarks (RFC 2544, RFC 5180).
    Benchmarking,
    /// Many hosts at once.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// For the future, for protocols, or for nobody.
    Reserved,
    /// An IPv6 address that some translator turns into an IPv4 address: mapped, compatible, NAT64, 6to4, Teredo, ISATAP.
    Translated,
    /// An address of this machine itself.
    Own,
}

impl Special {
    /// Whether there may be a host behind it, so that an operator can name it.
    pub(crate) const fn may_be_a_host(self) -> bool {
        !matches!(self, Self::Unspecified | Self::Multicast | Self::Broadcast)
    }
}

impl fmt::Display for Special {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Private => "a private address",
            Self::Shared => "an address of a provider's inner network",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
            Self::Translated => "an IPv6 address that stands for an IPv4 address",
            Self::Own => "an address of this machine",
        })
    }
}

/// What is special about an address; `None` for those that anybody on the internet means the same by.
#[must_use]
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    Some(match address.octets() {
        [0, ..] => Special::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Special::Private,
        [100, 64..=127, ..] => Special::Shared,
        [127, ..] => Special::Loopback,
        [169, 254, ..] => Special::LinkLocal,
        // Protocol assignments; the anycast addresses of 6to4 relays, which are no more.
        [192, 0, 0, _] | [192, 88, 99, _] => Special::Reserved,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Special::Documentation,
        [198, 18..=19, ..] => Special::Benchmarking,
        [224..=239, ..] => Special::Multicast,
        [255, 255, 255, 255] => Special::Broadcast,
        [240..=255, ..] => Special::Reserved,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Special::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Special::Loopback,
        // Compatible and mapped; NAT64 of everybody and of one network (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] | [0x64, 0xff9b, ..] => Special::Translated,
        // Teredo, 6to4.
        [0x2001, 0, ..] | [0x2002, ..] => Special::Translated,
        // ISATAP, in any network.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Special::Translated,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Special::Private,
        [0xfe80..=0xfebf, ..] => Special::LinkLocal,
        [0xff00..=0xffff, ..] => Special::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Special::Documentation,
        [0x2001, 2, 0, ..] => Special::Benchmarking,
        // Protocol assignments (2001::/23), and all that is not given out to hosts (outside of 2000::/3).
        [0x2001, 0..=0x01ff, ..] => Special::Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => Special::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        use Special::{
            Benchmarking, Broadcast, Documentation, LinkLocal, Loopback, Multicast, Private, Reserved, Shared,
            Translated, Unspecified,
        };
        for (text, expected) in [
            ("93.184.216.34", None),
            ("1.1.1.1", None),
            ("9.255.255.255", None),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("192.0.1.0", None),
            ("198.17.255.255", None),
            ("198.20.0.0", None),
            ("223.255.255.255", None),
            ("0.0.0.0", Some(Unspecified)),
            ("0.1.2.3", Some(Unspecified)),
            ("10.0.0.1", Some(Private)),
            ("172.16.0.1", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("192.168.1.1", Some(Private)),
            ("100.64.0.1", Some(Shared)),
            ("100.100.100.200", Some(Shared)),
            ("127.0.0.1", Some(Loopback)),
            ("127.255.0.9", Some(Loopback)),
            ("169.254.169.254", Some(LinkLocal)),
            ("192.0.0.192", Some(Reserved)),
            ("192.0.2.1", Some(Documentation)),
            ("198.51.100.9", Some(Documentation)),
            ("203.0.113.9", Some(Documentation)),
            ("198.18.0.1", Some(Benchmarking)),
            ("192.88.99.1", Some(Reserved)),
            ("224.0.0.1", Some(Multicast)),
            ("239.255.255.250", Some(Multicast)),
            ("240.0.0.1", Some(Reserved)),
            ("255.255.255.255", Some(Broadcast)),
            ("2606:2800:220:1:248:1893:25c8:1946", None),
            ("2a00:1450:4001:80b::200e", None),
            ("::", Some(Unspecified)),
            ("::1", Some(Loopback)),
            ("::127.0.0.1", Some(Translated)),
            ("::ffff:127.0.0.1", Some(Translated)),
            ("::ffff:93.184.216.34", Some(Translated)),
            ("::ffff:0:10.0.0.1", Some(Translated)),
            ("64:ff9b::10.0.0.1", Some(Translated)),
            ("64:ff9b:1::10.0.0.1", Some(Translated)),
            ("2002:7f00:1::", Some(Translated)),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some(Translated)),
            ("2606:2800:220:1:0:5efe:10.0.0.1", Some(Translated)),
            ("fe80::5efe:10.0.0.1", Some(Translated)),
            ("fc00::1", Some(Private)),
            ("fd00:ec2::254", Some(Private)),
            ("fec0::1", Some(Private)),
            ("fe80::1", Some(LinkLocal)),
            ("ff02::1", Some(Multicast)),
            ("2001:db8::1", Some(Documentation)),
            ("3fff:fff::1", Some(Documentation)),
            ("3fff:1000::1", None),
            ("2001:2::1", Some(Benchmarking)),
            ("2001:20::1", Some(Reserved)),
            ("2001:200::1", None),
            ("100::1", Some(Reserved)),
            ("4000::1", Some(Reserved)),
            ("5f00::1", Some(Reserved)),
        ] {
            assert_eq!(special(text.parse().unwrap()), expected, "{text}");
        }
    }

    /// Each address of IPv4 in each disguise of IPv6 is refused.
    #[test]
    fn no_disguise_helps() {
        for [a, b, c, d] in [[127, 0, 0, 1], [10, 0, 0, 1], [169, 254, 169, 254], [93, 184, 216, 34]] {
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for segments in [
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x64, 0xff9b, 1, 2, 3, 4, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
                [0x2001, 0, high, low, 0, 0, 0, 0],
                [0x2001, 0, 0, 0, 0, 0, !high, !low],
                [0x2a00, 1, 2, 3, 0x200, 0x5efe, high, low],
            ] {
                assert!(special_v6(segments.into()).is_some(), "{segments:x?}");
            }
        }
    }
}
