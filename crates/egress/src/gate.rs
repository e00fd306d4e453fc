//! The proxy of one run: takes what comes in at a sandbox's sockets.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::dial::dial;
use crate::host::Host;
use crate::http::{self, Task};
use crate::layout::Door;
use crate::limits::Budget;
use crate::outside::Outside;
use crate::record::{Connection, Ending, Failure, Journal, Refusal, Verdict, Way, shown};
use crate::relay::{Meter, Relay, Stop};
use crate::rules::Rules;
use crate::socks::{self, Asked, Read};

/// Accepts at the sockets of one sandbox, for one run, and connects what comes in to what is on the list.
///
/// All connections live in the future of [`Gate::serve`]: dropping it ends them at once, and nothing of one run reaches the next.
#[derive(Debug)]
pub struct Gate {
    doors: Vec<(TcpListener, Door)>,
    context: Context,
}

/// What each connection needs.
#[derive(Debug)]
struct Context {
    rules: Arc<Rules>,
    outside: Arc<dyn Outside>,
    journal: Arc<dyn Journal>,
    budget: Budget,
}

/// How long is waited when no connection can be accepted, for want of descriptors or memory.
const RECOVERY: Duration = Duration::from_millis(50);

/// Bytes that the kernel keeps for one end of a connection inside, in each direction: enough where no distance is.
const INSIDE_BUFFER: usize = 128 << 10;

impl Gate {
    /// A gate with the sockets that listen where [`Rules::listen`] says, in that order. Inside a runtime.
    ///
    /// # Errors
    /// The sockets are not as many as the rules have, or cannot be waited for.
    pub fn new(
        rules: Arc<Rules>,
        sockets: Vec<OwnedFd>,
        outside: Arc<dyn Outside>,
        journal: Arc<dyn Journal>,
    ) -> io::Result<Self> {
        if sockets.len() != rules.layout.doors.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "these are not the sockets of these rules"));
        }
        let doors = sockets.into_iter().zip(&rules.layout.doors).map(|(socket, (_, door))| {
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            Ok((TcpListener::from_std(listener)?, door.clone()))
        });
        let doors = doors.collect::<io::Result<_>>()?;
        let budget = Budget::new(&rules.limits);
        Ok(Self { doors, context: Context { rules, outside, journal, budget } })
    }

    /// Serves until it is dropped.
    pub async fn serve(&self) -> Infallible {
        let context = &self.context;
        let mut connections = FuturesUnordered::new();
        let mut turn = 0;
        loop {
            // Above the limits nothing is accepted: who floods us waits in the sandbox's own network.
            let room = connections.len() < context.rules.limits.connections.max(1);
            tokio::select! {
                Some(()) = connections.next(), if !connections.is_empty() => {}
                (stream, door) = self.accept(&mut turn), if room => connections.push(context.serve(stream, door)),
            }
        }
    }

    /// The next connection, from each door in turn.
    async fn accept(&self, turn: &mut usize) -> (TcpStream, &Door) {
        loop {
            self.context.budget.arrival_fits().await;
            let accepted = std::future::poll_fn(|context| {
                for step in 0..self.doors.len() {
                    let index = (*turn + step) % self.doors.len();
                    let Some((listener, door)) = self.doors.get(index) else { continue };
                    if let Poll::Ready(accepted) = listener.poll_accept(context) {
                        *turn = index + 1;
                        return Poll::Ready(accepted.map(|(stream, _)| (stream, door)));
                    }
                }
                Poll::Pending
            });
            match accepted.await {
                Ok(accepted) => {
                    self.context.budget.arrived();
                    return accepted;
                }
                // The peer is gone already, or there is something that we lack.
                Err(error) => {
                    tracing::debug!(%error, "a connection of a sandbox could not be accepted");
                    tokio::time::sleep(RECOVERY).await;
                }
            }
        }
    }
}

impl Context {
    async fn serve(&self, mut inside: TcpStream, door: &Door) {
        // Small messages are not held back; how the sandbox's own kernel counts on it is its business.
        let _ = inside.set_nodelay(true);
        // What waits in our end for a program that does not read is our memory, not the sandbox's.
        let _ = sockopt::set_socket_send_buffer_size(&inside, INSIDE_BUFFER);
        let _ = sockopt::set_socket_recv_buffer_size(&inside, INSIDE_BUFFER);
        let mut visit = Visit::new(self, door);
        match door {
            Door::To(host, port) => self.direct(&mut visit, &mut inside, host, *port).await,
            Door::Http => self.http(&mut visit, &mut inside).await,
            Door::Socks => self.socks(&mut visit, &mut inside).await,
        }
    }

    async fn direct(&self, visit: &mut Visit<'_>, inside: &mut TcpStream, host: &Host, port: u16) {
        visit.asks_for(host, port);
        match self.dial(visit, host, port).await {
            Some(outside) => self.tunnel(visit, inside, outside, &[]).await,
            None => reset(inside),
        }
    }

    async fn http(&self, visit: &mut Visit<'_>, inside: &mut TcpStream) {
        let limits = &self.rules.limits;
        let read = async {
            let mut bytes = Vec::with_capacity(1024);
            loop {
                if let Some(length) = http::head_length(&bytes) {
                    return http::parse_head(bytes.get(..length).unwrap_or_default())
                        .map(|head| (head, bytes.split_off(length)));
                }
                if bytes.len() >= limits.request_head {
                    return Err(Refusal::Request("its head is too long"));
                }
                let most = limits.request_head - bytes.len();
                read_some(inside, &mut bytes, most).await?;
            }
        };
        let read = tokio::time::timeout(limits.request_timeout, read).await.unwrap_or(Err(Refusal::Incomplete));
        let (head, first) = match read {
            Ok(read) => read,
            Err(refusal) => {
                visit.verdict = Some(Verdict::Refused(refusal));
                return self.refuse(visit, inside).await;
            }
        };
        visit.asks_for(&head.host, head.port);
        if head.task == Task::Tunnel {
            visit.way = Way::Tunnel;
        }
        let Some(mut outside) = self.dial(visit, &head.host, head.port).await else {
            return self.refuse(visit, inside).await;
        };
        match head.task {
            Task::Tunnel => match inside.write_all(http::ESTABLISHED).await {
                Ok(()) => self.tunnel(visit, inside, outside, &first).await,
                Err(_) => reset(&outside),
            },
            Task::Forward { head, framing } => {
                let relay = Relay { budget: &self.budget, meter: &visit.meter, idle_timeout: limits.idle_timeout };
                match relay.exchange(inside, &mut outside, (&head, framing), &first).await {
                    Ok(()) => {
                        visit.ending = Ending::Closed;
                        farewell(inside).await;
                    }
                    Err(stop) => visit.stopped(stop, inside, &outside),
                }
            }
        }
    }

    /// Says in HTTP why not.
    async fn refuse(&self, visit: &mut Visit<'_>, inside: &mut TcpStream) {
        let Some(verdict) = &visit.verdict else { return };
        let answer = http::answer(verdict, &visit.host, visit.port);
        visit.ending = Ending::Closed;
        let said = async {
            if inside.write_all(&answer).await.is_ok() {
                farewell(inside).await;
            }
        };
        // Who does not read has told us enough.
        let _ = tokio::time::timeout(self.rules.limits.request_timeout, said).await;
    }

    async fn socks(&self, visit: &mut Visit<'_>, inside: &mut TcpStream) {
        let limits = &self.rules.limits;
        let mut bytes = Vec::with_capacity(512);
        let asked = tokio::time::timeout(limits.request_timeout, ask_socks(inside, &mut bytes)).await;
        let asked = asked.unwrap_or(Err(Refusal::Incomplete));
        let refusal = match asked {
            Ok(Asked::Connect(host, port)) => {
                visit.asks_for(&host, port);
                let outside = self.dial(visit, &host, port).await;
                let reply = match (&outside, &visit.verdict) {
                    (Some(_), _) => socks::Reply::Connected,
                    (None, Some(Verdict::Refused(_))) => socks::Reply::NotAllowed,
                    (None, _) => socks::Reply::Unreachable,
                };
                let told = inside.write_all(&reply.bytes()).await;
                return match outside {
                    Some(outside) if told.is_ok() => self.tunnel(visit, inside, outside, &bytes).await,
                    Some(outside) => reset(&outside),
                    None => farewell(inside).await,
                };
            }
            Ok(Asked::NoHost(host, port, error)) => {
                (visit.host, visit.port) = (shown(&host), port);
                (Refusal::Host(error), socks::Reply::NotAllowed)
            }
            Ok(Asked::OtherCommand) => (Refusal::Request("only connections are made"), socks::Reply::UnknownCommand),
            Ok(Asked::OtherAddress) => {
                (Refusal::Request("there is no such kind of address"), socks::Reply::UnknownAddress)
            }
            // Whatever it speaks, it would not understand us.
            Err(refusal) => {
                (visit.verdict, visit.ending) = (Some(Verdict::Refused(refusal)), Ending::Closed);
                return farewell(inside).await;
            }
        };
        visit.verdict = Some(Verdict::Refused(refusal.0));
        visit.ending = Ending::Closed;
        if inside.write_all(&refusal.1.bytes()).await.is_ok() {
            farewell(inside).await;
        }
    }

    async fn dial(&self, visit: &mut Visit<'_>, host: &Host, port: u16) -> Option<TcpStream> {
        match dial(&self.rules, &self.budget, &*self.outside, host, port).await {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                (visit.verdict, visit.address) = (Some(Verdict::Allowed), Some(address));
                Some(stream)
            }
            Err(verdict) => {
                (visit.verdict, visit.ending) = (Some(verdict), Ending::Closed);
                None
            }
        }
    }

    async fn tunnel(&self, visit: &mut Visit<'_>, inside: &mut TcpStream, mut outside: TcpStream, first: &[u8]) {
        let idle_timeout = self.rules.limits.idle_timeout;
        let relay = Relay { budget: &self.budget, meter: &visit.meter, idle_timeout };
        match relay.tunnel(inside, &mut outside, first).await {
            Ok(()) => visit.ending = Ending::Closed,
            Err(stop) => visit.stopped(stop, inside, &outside),
        }
    }
}

/// Reads a greeting and a request; `bytes` keeps what came after them.
async fn ask_socks(inside: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<Asked, Refusal> {
    // Both messages are at most 262 bytes; a client may say all of it and more at once.
    const MOST: usize = 1024;
    loop {
        if let Read::Done(welcome, length) = socks::read_greeting(bytes)? {
            bytes.drain(..length);
            let answer = if welcome { socks::WELCOME } else { socks::NO_METHOD };
            inside.write_all(&answer).await.map_err(|_| Refusal::Incomplete)?;
            if welcome {
                break;
            }
            return Err(Refusal::Request("it wants a password to be asked for"));
        }
        read_some(inside, bytes, MOST).await?;
    }
    loop {
        if let Read::Done(asked, length) = socks::read_request(bytes)? {
            bytes.drain(..length);
            return Ok(asked);
        }
        read_some(inside, bytes, MOST).await?;
    }
}

/// Reads at least one byte more, and at most `most`.
async fn read_some(from: &mut TcpStream, into: &mut Vec<u8>, most: usize) -> Result<(), Refusal> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    match from.take(most).read_buf(into).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Refusal::Incomplete),
    }
}

/// Ends a connection so that what was said last arrives: closed with unread bytes, the kernel would take it back.
async fn farewell(stream: &mut TcpStream) {
    const PATIENCE: Duration = Duration::from_secs(1);
    const MOST_READS: usize = 64;
    let drain = async {
        let _ = stream.shutdown().await;
        let mut rest = [0; 1024];
        for _ in 0..MOST_READS {
            if !matches!(stream.read(&mut rest).await, Ok(1..)) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, drain).await;
}

/// Has a connection broken off when it is dropped, so that nobody takes what was cut for what is whole.
fn reset(stream: &TcpStream) {
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// A connection on its way to the journal, where it gets in any case.
struct Visit<'a> {
    journal: &'a dyn Journal,
    begun: Instant,
    way: Way,
    host: String,
    port: u16,
    address: Option<SocketAddr>,
    /// None until it is decided.
    verdict: Option<Verdict>,
    ending: Ending,
    meter: Meter,
}

impl<'a> Visit<'a> {
    fn new(context: &'a Context, door: &Door) -> Self {
        Self {
            journal: &*context.journal,
            begun: Instant::now(),
            way: match door {
                Door::To(..) => Way::Direct,
                Door::Http => Way::Http,
                Door::Socks => Way::Socks,
            },
            host: String::new(),
            port: 0,
            address: None,
            verdict: None,
            ending: Ending::RunEnded,
            meter: Meter::new(),
        }
    }

    fn asks_for(&mut self, host: &Host, port: u16) {
        (self.host, self.port) = (host.to_string(), port);
    }

    fn stopped(&mut self, stop: Stop, inside: &TcpStream, outside: &TcpStream) {
        match stop {
            Stop::Ended(ending) => self.ending = ending,
            Stop::Refused(refusal) => (self.verdict, self.ending) = (Some(Verdict::Refused(refusal)), Ending::Closed),
        }
        reset(inside);
        reset(outside);
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let undecided = || match self.host.is_empty() {
            true => Verdict::Refused(Refusal::Incomplete),
            false => Verdict::Failed(Failure::RunEnded),
        };
        let verdict = self.verdict.take().unwrap_or_else(undecided);
        let (sent, received) = self.meter.bytes();
        self.journal.record(Connection {
            way: self.way,
            host: std::mem::take(&mut self.host),
            port: self.port,
            address: self.address,
            reason: verdict.reason(),
            verdict,
            ending: self.ending,
            sent,
            received,
            duration: self.begun.elapsed(),
        });
    }
}
