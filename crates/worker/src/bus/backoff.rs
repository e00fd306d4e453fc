//! Pauses between attempts.

use std::time::Duration;

/// Pauses that double up to a limit. Each is cut by up to a half, at random, so that all who lost the same broker do not come back at
/// the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, next: first, longest }
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        // A v4 UUID is mostly random; its last bits all are.
        let random = uuid::Uuid::new_v4().as_bytes()[15];
        pause / 2 + pause / 2 * u32::from(random) / 255
    }

    /// Begins again: what was tried has succeeded.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_differ() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 4 * second);
        for longest in [1, 2, 4, 4, 4] {
            let pause = backoff.next();
            assert!(pause >= longest * second / 2 && pause <= longest * second, "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= second);
        let pauses: std::collections::HashSet<_> = (0..64).map(|_| backoff.next()).collect();
        assert!(pauses.len() > 8, "{pauses:?}");
    }
}
