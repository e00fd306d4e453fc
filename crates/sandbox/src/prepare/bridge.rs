//! Sockets of the owner inside: where they listen, and under which names.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::Metadata;

use belljar_sys::call::Endpoint;

use crate::error::SandboxError;
use crate::layer::{Layer, Strictness};
use crate::policy::{Bridge, Network, Policy, Rootfs};

/// Where sockets are to listen.
///
/// # Errors
/// [`SandboxError::Policy`] when they would not be in a network of the sandbox's own, not on its loopback, or too many.
pub(super) fn endpoints(policy: &Policy) -> Result<Vec<Endpoint>, SandboxError> {
    let Network::Bridged(bridge) = &policy.network else { return Ok(Vec::new()) };
    let refused = |why: String| Err(SandboxError::Policy(why));
    if policy.strictness(Layer::NetworkNamespace) == Strictness::Off {
        return refused(format!("a bridged network needs the layer '{}'", Layer::NetworkNamespace.name()));
    }
    let (count, most) = (bridge.listen.len(), Bridge::MOST_LISTENERS);
    if count > most {
        return refused(format!("{count} sockets are to listen in the sandbox; {most} can"));
    }
    let mut seen = BTreeSet::new();
    for place in &bridge.listen {
        if !place.ip().is_loopback() || place.port() == 0 || !seen.insert(place) {
            return refused(format!("{place} is no loopback address with a port, or is there twice"));
        }
    }
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if let Some((name, _)) = bridge.hosts.iter().find(|(name, _)| !is_name(name)) {
        return refused(format!("'{}' is no name of a host", name.escape_debug()));
    }
    Ok(bridge.listen.iter().map(|place| Endpoint { address: place.ip().octets(), port: place.port() }).collect())
}

/// The made-up `/etc/hosts`.
pub(super) fn hosts(policy: &Policy) -> String {
    let mut text = format!("127.0.0.1 localhost {0}\n::1 localhost {0}\n", policy.hostname);
    if let Network::Bridged(bridge) = &policy.network {
        for (name, address) in &bridge.hosts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{address} {name}");
        }
    }
    text
}

/// Whether ours shows in place of the `/etc/hosts` that a directory of the operator's has: where there are names to show.
pub(super) fn covers_hosts(policy: &Policy) -> bool {
    let (Rootfs::Directory(directory), Network::Bridged(bridge)) = (&policy.rootfs, &policy.network) else {
        return false;
    };
    let is_there =
        |name: &str, is: fn(&Metadata) -> bool| directory.join(name).symlink_metadata().is_ok_and(|found| is(&found));
    // Not through links: those lead to the host's files still.
    !bridge.hosts.is_empty() && is_there("etc", Metadata::is_dir) && is_there("etc/hosts", Metadata::is_file)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        let places = |count: u16| (1..=count).map(|port| format!("127.77.0.1:{port}")).collect::<Vec<_>>();
        for (listen, name, fine) in [
            (vec!["127.0.0.1:80".to_owned(), "127.77.0.1:80".to_owned()], "example.org", true),
            (places(128), "a", true),
            (places(129), "a", false),
            (vec!["127.0.0.1:0".to_owned()], "a", false),
            (vec!["127.0.0.1:1".to_owned(), "127.0.0.1:1".to_owned()], "a", false),
            (vec!["0.0.0.0:80".to_owned()], "a", false),
            (vec!["10.0.0.1:80".to_owned()], "a", false),
            (vec![], "a b", false),
            (vec![], "a\n10.0.0.1 b", false),
            (vec![], "", false),
        ] {
            let bridge = Bridge {
                listen: listen.iter().map(|place| place.parse().unwrap()).collect(),
                hosts: vec![(name.to_owned(), Ipv4Addr::new(127, 77, 1, 1))],
            };
            let mut policy = Policy { network: Network::Bridged(bridge), ..Policy::default() };
            assert_eq!(endpoints(&policy).is_ok(), fine, "{listen:?} {name:?}");
            policy.layers.insert(Layer::NetworkNamespace, Strictness::Off);
            assert!(endpoints(&policy).is_err(), "it would listen on the host");
        }
    }

    #[test]
    fn names_are_in_the_hosts_file() {
        let bridge =
            Bridge { listen: Vec::new(), hosts: vec![("example.org".to_owned(), Ipv4Addr::new(127, 77, 1, 1))] };
        let policy = Policy { network: Network::Bridged(bridge), ..Policy::default() };
        assert!(hosts(&policy).ends_with("\n127.77.1.1 example.org\n"));
        assert_eq!(hosts(&Policy::default()).lines().count(), 2);
    }
}
