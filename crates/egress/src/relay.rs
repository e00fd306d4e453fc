//! Passing bytes on, both ways, within the limits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::http::{Chunks, Framing};
use crate::limits::{Budget, Direction};
use crate::record::{Ending, Refusal};

/// Why passing on stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// One side broke the connection off, or a limit is reached.
    Ended(Ending),
    /// What the sandbox sent is not what it had announced.
    Refused(Refusal),
}

/// One connection's bytes and when the last of them was passed on.
#[derive(Debug)]
pub(crate) struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
    last: Mutex<Instant>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { sent: AtomicU64::new(0), received: AtomicU64::new(0), last: Mutex::new(Instant::now()) }
    }

    /// Bytes from and to the sandbox.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }

    fn passed(&self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        };
        counter.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        self.begin();
    }

    /// Silence is counted from here.
    fn begin(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing was passed on for so long.
    async fn silence(&self, limit: Duration) {
        loop {
            let until = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// What passing on needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relay<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) meter: &'a Meter,
    pub(crate) idle_timeout: Duration,
}

impl Relay<'_> {
    /// A connection of two streams: until both have ended, or one is broken off. `first` is what the sandbox has said already.
    pub(crate) async fn tunnel(
        &self,
        inside: &mut TcpStream,
        outside: &mut TcpStream,
        first: &[u8],
    ) -> Result<(), Stop> {
        let (mut from_inside, mut to_inside) = inside.split();
        let (mut from_outside, mut to_outside) = outside.split();
        let both = async {
            let up = async {
                self.pass(Direction::Sent, first, &mut to_outside).await?;
                self.pump(Direction::Sent, &mut from_inside, &mut to_outside).await
            };
            tokio::try_join!(up, self.pump(Direction::Received, &mut from_outside, &mut to_inside)).map(drop)
        };
        self.unless_silent(both).await
    }

    /// One exchange of HTTP: a head and a body go out, and all that comes back is passed on, until the server ends the connection.
    pub(crate) async fn exchange(
        &self,
        inside: &mut TcpStream,
        outside: &mut TcpStream,
        (head, framing): (&[u8], Framing),
        first: &[u8],
    ) -> Result<(), Stop> {
        let (mut from_inside, mut to_inside) = inside.split();
        let (mut from_outside, mut to_outside) = outside.split();
        let up = async {
            self.pass(Direction::Sent, head, &mut to_outside).await?;
            self.body(framing, first, &mut from_inside, &mut to_outside).await?;
            // The answer decides about the end.
            std::future::pending::<Result<(), Stop>>().await
        };
        let down = self.pump(Direction::Received, &mut from_outside, &mut to_inside);
        let both = async {
            tokio::select! {
                biased;
                ended = down => ended,
                stopped = up => stopped,
            }
        };
        self.unless_silent(both).await
    }

    async fn unless_silent(&self, work: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
        self.meter.begin();
        tokio::select! {
            biased;
            done = work => done,
            () = self.meter.silence(self.idle_timeout) => Err(Stop::Ended(Ending::Idle)),
        }
    }

    /// Passes on what one side says, to its end, and then that it has ended.
    async fn pump(&self, direction: Direction, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Result<(), Stop> {
        let mut buffer = vec![0; self.budget.piece];
        loop {
            let length = read(from, &mut buffer).await?;
            if length == 0 {
                return to.shutdown().await.map_err(|_| Stop::Ended(Ending::Closed));
            }
            self.pass(direction, buffer.get(..length).unwrap_or_default(), to).await?;
        }
    }

    /// Passes on the body of a request and not a byte more: what follows would be another request, which nobody has looked at.
    async fn body(
        &self,
        framing: Framing,
        first: &[u8],
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
    ) -> Result<(), Stop> {
        let mut buffer = first.to_vec();
        let mut length_left = match framing {
            Framing::None => return Ok(()),
            Framing::Length(length) => length,
            Framing::Chunked => 0,
        };
        let mut chunks = Chunks::default();
        loop {
            if framing == Framing::Chunked {
                let mut anew = Vec::with_capacity(buffer.len() + 32);
                chunks.read(&buffer, &mut anew).map_err(Stop::Refused)?;
                self.pass(Direction::Sent, &anew, to).await?;
                if chunks.ended() {
                    return Ok(());
                }
            } else {
                let ours = usize::try_from(length_left).unwrap_or(usize::MAX).min(buffer.len());
                self.pass(Direction::Sent, buffer.get(..ours).unwrap_or_default(), to).await?;
                length_left -= u64::try_from(ours).unwrap_or(0);
                if length_left == 0 {
                    return Ok(());
                }
            }
            buffer.resize(self.budget.piece, 0);
            let length = read(from, &mut buffer).await?;
            if length == 0 {
                return Err(Stop::Refused(Refusal::Incomplete));
            }
            buffer.truncate(length);
        }
    }

    /// Passes on as much as the limits let.
    async fn pass(&self, direction: Direction, bytes: &[u8], to: &mut WriteHalf<'_>) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        let granted = self.budget.spend(direction, bytes.len());
        self.budget.pace(direction, granted).await;
        let written = to.write_all(bytes.get(..granted).unwrap_or_default()).await;
        self.meter.passed(direction, granted);
        written.map_err(|_| Stop::Ended(Ending::Closed))?;
        match direction {
            _ if granted == bytes.len() => Ok(()),
            Direction::Sent => Err(Stop::Ended(Ending::SentLimit)),
            Direction::Received => Err(Stop::Ended(Ending::ReceivedLimit)),
        }
    }
}

async fn read(from: &mut ReadHalf<'_>, buffer: &mut [u8]) -> Result<usize, Stop> {
    from.read(buffer).await.map_err(|_| Stop::Ended(Ending::Closed))
}
