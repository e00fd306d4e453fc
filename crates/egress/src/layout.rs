//! What of the outside shows inside a sandbox: an address of its loopback for each name, and two proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use crate::host::{Host, HostName};
use crate::list::Allowlist;

/// Where the proxies listen. Not at 127.0.0.1, so that programs can have these ports there for themselves.
const PROXIES: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
/// The port of the HTTP proxy, as squid and its kin have it.
const HTTP_PORT: u16 = 3128;
/// The port of the SOCKS5 proxy (RFC 1928).
const SOCKS_PORT: u16 = 1080;
/// Names get addresses from 127.77.1.1 on, so many of each network of 256.
const NAMES_PER_NETWORK: usize = 250;

/// What happens to connections that come in at one address of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    /// They are connected to this.
    To(Host, u16),
    /// They say where to, in HTTP.
    Http,
    /// They say where to, in SOCKS5.
    Socks,
}

/// The addresses inside, and what is behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) doors: Vec<(SocketAddrV4, Door)>,
    pub(crate) names: Vec<(HostName, Ipv4Addr)>,
}

/// More names and ports are on the list than can be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list names {wanted} pairs of a host without a star and a port; {most} can be shown in a sandbox: write fewer ports, or *.DOMAIN"
)]
pub struct TooManyDoors {
    wanted: usize,
    most: usize,
}

impl Layout {
    pub(crate) fn new(list: &Allowlist, most: usize) -> Result<Self, TooManyDoors> {
        let mut doors = vec![
            (SocketAddrV4::new(PROXIES, HTTP_PORT), Door::Http),
            (SocketAddrV4::new(PROXIES, SOCKS_PORT), Door::Socks),
        ];
        let mut names = Vec::new();
        let mut wanted = doors.len();
        let mut add = |address, host: Host, ports: &[std::ops::RangeInclusive<u16>]| {
            let mut ports: Vec<u16> = ports.iter().cloned().flatten().collect();
            ports.sort_unstable();
            ports.dedup();
            wanted += ports.len();
            // No more than are needed to see that they are too many.
            for port in ports.into_iter().take(most + 1) {
                doors.push((SocketAddrV4::new(address, port), Door::To(host.clone(), port)));
            }
        };
        for (index, (name, ports)) in list.exact_names().into_iter().enumerate() {
            let part = |number: usize| u8::try_from(number + 1).ok();
            let (high, low) = (part(index / NAMES_PER_NETWORK), part(index % NAMES_PER_NETWORK));
            // Names beyond all addresses are beyond `most`, too.
            let address = Ipv4Addr::new(127, 77, high.unwrap_or(u8::MAX), low.unwrap_or(u8::MAX));
            add(address, Host::Name(name.clone()), &ports);
            names.push((name, address));
        }
        for (address, ports) in list.exact_addresses() {
            // Loopback addresses there are inside, too: there they mean this machine's then.
            if let IpAddr::V4(address) = address
                && address.is_loopback()
            {
                add(address, Host::Address(address.into()), ports);
            }
        }
        doors.sort_by_key(|(address, _)| *address);
        doors.dedup_by_key(|(address, _)| *address);
        if wanted > most {
            Err(TooManyDoors { wanted: wanted - 2, most: most.saturating_sub(2) })
        } else {
            Ok(Self { doors, names })
        }
    }
}

/// Variables by which programs find the proxies, in both spellings, because programs look for the one or the other.
///
/// `all_proxy` names the HTTP proxy: what knows `all_proxy` can tunnel through it, and libraries that cannot speak SOCKS fail as soon
/// as they are told of one.
pub(crate) fn variables() -> Vec<(String, String)> {
    let http = format!("http://{PROXIES}:{HTTP_PORT}");
    let socks = format!("socks5h://{PROXIES}:{SOCKS_PORT}");
    let own = "localhost,127.0.0.1,::1".to_owned();
    let lower = [
        ("http_proxy", &http),
        ("https_proxy", &http),
        ("all_proxy", &http),
        ("socks_proxy", &socks),
        ("no_proxy", &own),
    ];
    let both =
        |(name, value): (&str, &String)| [(name.to_owned(), value.clone()), (name.to_uppercase(), value.clone())];
    lower.into_iter().flat_map(both).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(entries: &[&str]) -> Result<Layout, TooManyDoors> {
        Layout::new(&Allowlist::new(entries.iter().map(|entry| entry.parse().unwrap()).collect()), 128)
    }

    #[test]
    fn each_name_has_an_address_and_each_port_a_door() {
        let layout = layout(&[
            "pypi.org:443",
            "deb.debian.org:80",
            "*.debian.org:443",
            "pypi.org:80",
            "93.184.216.34:80",
            "127.0.0.1:5432",
            "10.0.0.0/8:1-65535",
        ])
        .unwrap();
        let doors: Vec<_> = layout
            .doors
            .iter()
            .map(|(address, door)| match door {
                Door::To(host, port) => format!("{address} {host}:{port}"),
                other => format!("{address} {other:?}"),
            })
            .collect();
        assert_eq!(
            doors,
            [
                "127.0.0.1:5432 127.0.0.1:5432",
                "127.77.0.1:1080 Socks",
                "127.77.0.1:3128 Http",
                "127.77.1.1:80 deb.debian.org:80",
                "127.77.1.1:443 deb.debian.org:443",
                "127.77.1.2:80 pypi.org:80",
                "127.77.1.2:443 pypi.org:443",
            ]
        );
        let names: Vec<_> = layout.names.iter().map(|(name, address)| format!("{address} {name}")).collect();
        assert_eq!(names, ["127.77.1.1 deb.debian.org", "127.77.1.2 pypi.org"]);
    }

    #[test]
    fn too_many_are_refused() {
        assert_eq!(layout(&["a.example:1-126"]).map(|layout| layout.doors.len()), Ok(128));
        assert_eq!(layout(&["a.example:1-126", "b.example:1"]), Err(TooManyDoors { wanted: 127, most: 126 }));
        assert_eq!(layout(&["a.example:1-65535"]), Err(TooManyDoors { wanted: 65_535, most: 126 }));
        let many: Vec<String> = (0..1000).map(|number| format!("a{number}.example:1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(layout(&many), Err(TooManyDoors { wanted: 1000, most: 126 }));
    }

    #[test]
    fn variables_come_in_both_spellings() {
        let variables = variables();
        let value = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(value("https_proxy"), Some("http://127.77.0.1:3128"));
        assert_eq!(value("HTTPS_PROXY"), value("https_proxy"));
        assert_eq!(value("NO_PROXY"), Some("localhost,127.0.0.1,::1"));
    }
}
