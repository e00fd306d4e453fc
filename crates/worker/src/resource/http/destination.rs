//! From a URL to a connection, to an address that an app may reach.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use belljar_egress::{Allowlist, HostName, Outside, Special, special};
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::{Host, Url};

use super::problem::Problem;

/// Addresses of one name that are tried, at most.
const MOST_ADDRESSES: usize = 8;

/// What may be reached, and how.
#[derive(Debug)]
pub(super) struct Route {
    allow_private: Allowlist,
    outside: Arc<dyn Outside>,
}

impl Route {
    pub(super) fn new(allow_private: Allowlist, outside: Arc<dyn Outside>) -> Self {
        Self { allow_private, outside }
    }

    /// Connects to the host of a URL. Names are resolved here, and nothing resolves them again.
    ///
    /// An address that does not answer takes no more than its share of the time that is left.
    pub(super) async fn connect(&self, url: &Url, deadline: Instant) -> Result<TcpStream, Problem> {
        let no_url = |why: String| Problem::Url { url: url.to_string(), why };
        let port = url.port_or_known_default().ok_or_else(|| no_url("it has no port".to_owned()))?;
        let addresses = match url.host() {
            // All ways to write an address, 2130706433 and 0x7f.1 among them, have been read as that address.
            Some(Host::Ipv4(address)) => self.literal(address.into(), port)?,
            Some(Host::Ipv6(address)) => self.literal(address.into(), port)?,
            Some(Host::Domain(name)) => {
                let name = HostName::parse(name).map_err(|error| no_url(error.to_string()))?;
                self.resolve(&name, port).await?
            }
            None => return Err(no_url("it has no host".to_owned())),
        };
        let mut problem = None;
        for (index, &address) in addresses.iter().enumerate() {
            let address = SocketAddr::new(address, port);
            let now = Instant::now();
            // The last one has all that is left, to which its caller sees.
            let share = match u32::try_from(addresses.len() - index) {
                Ok(left @ 2..) => deadline.saturating_duration_since(now) / left,
                _ => deadline.saturating_duration_since(now) * 2,
            };
            let error = match tokio::time::timeout(share, self.outside.connect(address)).await {
                Ok(Ok(stream)) => {
                    // Only a delay is at stake.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => error,
                // As connect(2) says it.
                Err(_) => io::Error::from_raw_os_error(rustix::io::Errno::TIMEDOUT.raw_os_error()),
            };
            problem = Some(Problem::Connect { address, error });
        }
        let host = || url.host_str().unwrap_or_default().to_owned();
        Err(problem.unwrap_or_else(|| Problem::Unresolved { host: host(), why: "it has none".to_owned() }))
    }

    fn literal(&self, address: IpAddr, port: u16) -> Result<Vec<IpAddr>, Problem> {
        match self.objection(address, port) {
            None => Ok(vec![address]),
            Some(special) => Err(Problem::Guarded { host: "the URL".to_owned(), address, special }),
        }
    }

    /// Those addresses of a name that may be reached; at least one.
    async fn resolve(&self, name: &HostName, port: u16) -> Result<Vec<IpAddr>, Problem> {
        let unresolved = |why: String| Problem::Unresolved { host: name.to_string(), why };
        let found = self.outside.resolve(name).await.map_err(|error| unresolved(error.to_string()))?;
        let named = self.allow_private.permits_name(name, port);
        let mut fine = Vec::new();
        let mut refused = None;
        for address in found {
            let objection = if named { special(address).filter(is_no_host) } else { self.objection(address, port) };
            match objection {
                None => fine.push(address),
                Some(special) => refused = refused.or(Some((address, special))),
            }
        }
        fine.truncate(MOST_ADDRESSES);
        match refused {
            _ if !fine.is_empty() => Ok(fine),
            Some((address, special)) => Err(Problem::Guarded { host: name.to_string(), address, special }),
            None => Err(unresolved("it has none".to_owned())),
        }
    }

    /// What speaks against an address that is not allowed by its number.
    fn objection(&self, address: IpAddr, port: u16) -> Option<Special> {
        if self.allow_private.permits_address(address, port) {
            return None;
        }
        special(address).or_else(|| self.outside.is_own(address).then_some(Special::Own))
    }
}

/// No host can be behind it, whatever the operator allows.
const fn is_no_host(special: &Special) -> bool {
    matches!(special, Special::Unspecified | Special::Multicast | Special::Broadcast)
}
