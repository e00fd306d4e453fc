//! From a host that is asked for to a connection, or to the reason why there is none.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use crate::guard::{Special, special};
use crate::host::Host;
use crate::limits::Budget;
use crate::outside::Outside;
use crate::record::{Failure, Refusal, Verdict};
use crate::rules::Rules;

/// Connects to a host if it is on the list, at an address that is checked and then used: whatever the name means a moment later.
pub(crate) async fn dial(
    rules: &Rules,
    budget: &Budget,
    outside: &dyn Outside,
    host: &Host,
    port: u16,
) -> Result<(TcpStream, SocketAddr), Verdict> {
    let reached = tokio::time::timeout(rules.limits.connect_timeout, async {
        let addresses = addresses(rules, budget, outside, host, port).await?;
        connect(outside, &addresses, port).await.map_err(Verdict::Failed)
    });
    reached.await.unwrap_or(Err(Verdict::Failed(Failure::TimedOut)))
}

/// The addresses that may be connected to; at least one.
async fn addresses(
    rules: &Rules,
    budget: &Budget,
    outside: &dyn Outside,
    host: &Host,
    port: u16,
) -> Result<Vec<IpAddr>, Verdict> {
    let refused = |refusal| Err(Verdict::Refused(refusal));
    let name = match host {
        Host::Address(address) if rules.list.permits_address(*address, port) => return Ok(vec![*address]),
        Host::Name(name) if rules.list.permits_name(name, port) => name,
        Host::Address(_) | Host::Name(_) => return refused(Refusal::NotListed),
    };
    let unresolved = |why: String| Err(Verdict::Failed(Failure::Unresolved(why)));
    // Never closed.
    let _permit = budget.questions.acquire().await;
    let found = match outside.resolve(name).await {
        Ok(found) => found,
        Err(error) => return unresolved(error.to_string()),
    };
    let mut first_problem = None;
    let mut fine = Vec::new();
    for address in found {
        match objection(rules, outside, address, port) {
            None => fine.push(address),
            Some(special) => drop(first_problem.get_or_insert((address, special))),
        }
    }
    match first_problem {
        _ if !fine.is_empty() => Ok(fine),
        Some((address, special)) => refused(Refusal::NotPublic(address, special)),
        None => unresolved("it has no address".to_owned()),
    }
}

/// What speaks against an address that a name was resolved to.
fn objection(rules: &Rules, outside: &dyn Outside, address: IpAddr, port: u16) -> Option<Special> {
    if rules.list.permits_address(address, port) {
        return None;
    }
    special(address).or_else(|| outside.is_own(address).then_some(Special::Own))
}

async fn connect(outside: &dyn Outside, addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last: Option<io::Error> = None;
    for &address in addresses {
        let address = SocketAddr::new(address, port);
        match outside.connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => last = Some(error),
        }
    }
    Err(Failure::Unreachable(last.map_or_else(String::new, |error| error.to_string())))
}
