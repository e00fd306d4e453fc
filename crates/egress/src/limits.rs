//! What one sandbox may use of the network, and the books that are kept about it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Limits of one run, all of them always in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time. What comes on top waits to be accepted. Default 64: a browser's worth, and 2 MiB of ours.
    pub connections: usize,
    /// Connections that are begun in one second. What comes on top waits to be accepted. Default 50.
    pub connections_per_second: u32,
    /// Bytes per second in each direction, all connections together; 0 is no limit. Default 0.
    pub bytes_per_second: u64,
    /// Bytes that may be sent, all connections together. Default 256 MiB.
    pub sent: u64,
    /// Bytes that may be received, all connections together. Default 1 GiB.
    pub received: u64,
    /// Time to resolve a name and to connect to what it means. Default 10 s.
    pub connect_timeout: Duration,
    /// Time for which a connection may be silent in both directions. Default 60 s.
    pub idle_timeout: Duration,
    /// Time to say what is asked for, from the first byte to the end of a request's head. Default 10 s.
    pub request_timeout: Duration,
    /// Bytes of the head of an HTTP request. Default 16 KiB.
    pub request_head: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            connections_per_second: 50,
            bytes_per_second: 0,
            sent: 256 << 20,
            received: 1 << 30,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(10),
            request_head: 16 << 10,
        }
    }
}

/// A direction, seen from the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Sent,
    Received,
}

/// Names that one run has resolved at the same time: so few that slow answers to one run leave the resolver to others.
const MOST_QUESTIONS: usize = 8;

/// Bytes that are read at a time: at a low rate so few that even many connections in turn do not wait for as long as silent ones may.
fn piece(bytes_per_second: u64) -> usize {
    const MOST: usize = 16 << 10;
    const LEAST: usize = 64;
    let eighth = usize::try_from(bytes_per_second / 8).unwrap_or(MOST);
    if bytes_per_second == 0 { MOST } else { eighth.clamp(LEAST, MOST) }
}

/// What a run has used so far.
#[derive(Debug)]
pub(crate) struct Budget {
    sent: Account,
    received: Account,
    arrivals: Mutex<Bucket>,
    /// Names that are being resolved.
    pub(crate) questions: Semaphore,
    /// Bytes that are passed on at a time.
    pub(crate) piece: usize,
}

#[derive(Debug)]
struct Account {
    left: Mutex<u64>,
    pace: Option<Mutex<Bucket>>,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let account = |left| {
            // A quarter of a second at once, so that short exchanges do not wait.
            let bucket = || Mutex::new(Bucket::new(limits.bytes_per_second, limits.bytes_per_second / 4));
            Account { left: Mutex::new(left), pace: (limits.bytes_per_second > 0).then(bucket) }
        };
        let per_second = u64::from(limits.connections_per_second.max(1));
        Self {
            sent: account(limits.sent),
            received: account(limits.received),
            arrivals: Mutex::new(Bucket::new(per_second, per_second)),
            questions: Semaphore::new(MOST_QUESTIONS),
            piece: piece(limits.bytes_per_second),
        }
    }

    const fn account(&self, direction: Direction) -> &Account {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }

    /// Takes up to `bytes` of what may still be passed on; fewer at the end of it.
    pub(crate) fn spend(&self, direction: Direction, bytes: usize) -> usize {
        let mut left = lock(&self.account(direction).left);
        let granted = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes);
        *left -= u64::try_from(granted).unwrap_or(u64::MAX);
        granted
    }

    /// Waits until so many bytes more fit the rate.
    pub(crate) async fn pace(&self, direction: Direction, bytes: usize) {
        if let Some(bucket) = &self.account(direction).pace {
            let wait = lock(bucket).take(u64::try_from(bytes).unwrap_or(u64::MAX));
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Waits until one connection more fits the rate. Cancelling costs nothing.
    pub(crate) async fn arrival_fits(&self) {
        loop {
            let wait = lock(&self.arrivals).wait_for(1);
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts a connection.
    pub(crate) fn arrived(&self) {
        lock(&self.arrivals).take(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A token bucket that may be overdrawn: who takes more than there is waits until it is paid back.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    most: f64,
    tokens: f64,
    at: Instant,
}

#[expect(clippy::cast_precision_loss, reason = "rates, not sums: 53 bits are enough")]
impl Bucket {
    fn new(per_second: u64, most: u64) -> Self {
        let most = most.max(1) as f64;
        Self { per_second: per_second.max(1), most, tokens: most, at: Instant::now() }
    }

    fn refill(&mut self) {
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * self.per_second as f64;
        self.tokens = (self.tokens + earned).min(self.most);
        self.at = now;
    }

    fn wait_for(&mut self, tokens: u64) -> Duration {
        self.refill();
        let missing = tokens as f64 - self.tokens;
        // A microsecond more, so that rounding does not make it a second wait.
        if missing <= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(missing / self.per_second as f64 + 1e-6) }
    }

    fn take(&mut self, tokens: u64) -> Duration {
        self.refill();
        self.tokens -= tokens as f64;
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.per_second as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_is_exact() {
        let budget = Budget::new(&Limits { sent: 10, received: 0, ..Limits::default() });
        assert_eq!([6, 6, 6].map(|bytes| budget.spend(Direction::Sent, bytes)), [6, 4, 0]);
        assert_eq!(budget.spend(Direction::Received, 1), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn rates_are_kept() {
        let budget = Budget::new(&Limits { bytes_per_second: 1000, connections_per_second: 10, ..Limits::default() });
        let begin = Instant::now();
        for _ in 0..8 {
            budget.pace(Direction::Received, 500).await;
        }
        // 4000 bytes, of which 250 were there from the start.
        let took = begin.elapsed();
        assert!((3.74..3.77).contains(&took.as_secs_f64()), "{took:?}");
        let begin = Instant::now();
        budget.pace(Direction::Sent, 250).await;
        assert_eq!(begin.elapsed(), Duration::ZERO, "the other direction is on its own");
        for _ in 0..30 {
            budget.arrival_fits().await;
            budget.arrived();
        }
        let took = begin.elapsed();
        assert!((1.99..2.1).contains(&took.as_secs_f64()), "{took:?}");
    }
}
