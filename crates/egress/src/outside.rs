//! The network outside: names and connections.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::host::HostName;

/// A future on the heap.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How names are resolved and connections made: by this machine, or by what a test says.
pub trait Outside: fmt::Debug + Send + Sync {
    /// The addresses of a name, the best first.
    ///
    /// # Errors
    /// There are none, or nobody could tell.
    fn resolve<'a>(&'a self, name: &'a HostName) -> Boxed<'a, io::Result<Vec<IpAddr>>>;

    /// A connection to this address and no other.
    ///
    /// # Errors
    /// As `connect(2)`.
    fn connect(&self, address: SocketAddr) -> Boxed<'_, io::Result<TcpStream>>;

    /// Whether the address is one of this machine's own.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// How long an answer is used again. Short, as the resolver does not tell how long it is good for.
const ANSWER_LIFETIME: Duration = Duration::from_secs(15);
/// Answers kept: more names than one list has; of names below a star a program can think of as many as it likes.
const MOST_ANSWERS: usize = 512;
/// Questions at the same time. Each takes a thread, for as long as the resolver waits.
const MOST_QUESTIONS: usize = 64;

/// This machine: its resolver (`getaddrinfo(3)`, so `/etc/hosts` and all that its administrator has set) and its routes.
#[derive(Debug, Clone, Default)]
pub struct Machine(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    answers: Mutex<HashMap<HostName, (Instant, Vec<IpAddr>)>>,
    questions: Arc<Semaphore>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { answers: Mutex::default(), questions: Arc::new(Semaphore::new(MOST_QUESTIONS)) }
    }
}

impl Machine {
    fn known(&self, name: &HostName) -> Option<Vec<IpAddr>> {
        let answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(name).filter(|(at, _)| at.elapsed() < ANSWER_LIFETIME).map(|(_, addresses)| addresses.clone())
    }

    fn remember(&self, name: &HostName, addresses: &[IpAddr]) {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST_ANSWERS {
            answers.retain(|_, (at, _)| at.elapsed() < ANSWER_LIFETIME);
        }
        if answers.len() < MOST_ANSWERS {
            answers.insert(name.clone(), (Instant::now(), addresses.to_vec()));
        }
    }
}

impl Outside for Machine {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Boxed<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            if let Some(addresses) = self.known(name) {
                return Ok(addresses);
            }
            let permit = Arc::clone(&self.0.questions).acquire_owned().await.map_err(io::Error::other)?;
            // Somebody else may have asked meanwhile.
            if let Some(addresses) = self.known(name) {
                return Ok(addresses);
            }
            let question = name.clone();
            let asked = tokio::task::spawn_blocking(move || {
                // Held for as long as the thread is, even when nobody waits for the answer any more.
                let _permit = permit;
                Ok::<_, io::Error>(
                    (question.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect::<Vec<_>>(),
                )
            });
            let mut addresses = asked.await.map_err(io::Error::other)??;
            // One line of the hosts file may come more than once.
            let mut seen = std::collections::BTreeSet::new();
            addresses.retain(|address| seen.insert(*address));
            self.remember(name, &addresses);
            Ok(addresses)
        })
    }

    fn connect(&self, address: SocketAddr) -> Boxed<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        // What is here is reached from itself. Connecting a datagram socket only looks the route up and sends nothing.
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let source = || {
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect((address, 9))?;
            socket.local_addr()
        };
        source().is_ok_and(|source| source.ip() == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn own_addresses_are_known_and_answers_are_kept() {
        let machine = Machine::default();
        assert!(machine.is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!machine.is_own(Ipv4Addr::new(93, 184, 216, 34).into()));
        let name = HostName::parse("kept.example").unwrap();
        machine.remember(&name, &[Ipv4Addr::LOCALHOST.into()]);
        assert_eq!(machine.resolve(&name).await.unwrap(), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
        for number in 0..2 * MOST_ANSWERS {
            machine.remember(&HostName::parse(&format!("a{number}.example")).unwrap(), &[]);
        }
        assert_eq!(machine.0.answers.lock().unwrap().len(), MOST_ANSWERS);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_grow_old() {
        let machine = Machine::default();
        let name = HostName::parse("old.example").unwrap();
        machine.remember(&name, &[]);
        assert!(machine.known(&name).is_some());
        tokio::time::advance(ANSWER_LIFETIME).await;
        assert!(machine.known(&name).is_none());
    }
}
