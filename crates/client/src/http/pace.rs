//! How many requests at once, and how many in a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Lets requests through, one after the other where they come too fast.
#[derive(Debug)]
pub(super) struct Pace {
    places: Arc<Semaphore>,
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(at_once: usize, per_minute: Option<u32>) -> Self {
        let interval = per_minute.map_or(Duration::ZERO, |many| Duration::from_secs(60) / many.max(1));
        Self { places: Arc::new(Semaphore::new(at_once.max(1))), interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a place and for the moment. The place is free again when what is returned is dropped.
    pub(super) async fn enter(&self) -> OwnedSemaphorePermit {
        let place = match Arc::clone(&self.places).acquire_owned().await {
            Ok(place) => place,
            Err(_) => unreachable!("nobody closes it"),
        };
        if !self.interval.is_zero() {
            let moment = {
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                let moment = (*next).max(Instant::now());
                *next = moment + self.interval;
                moment
            };
            sleep_until(moment).await;
        }
        place
    }

    /// Nobody is let through before this moment: the server has asked for a pause.
    pub(super) fn hold(&self, pause: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_come_at_the_rate_and_after_the_pause() {
        let pace = Pace::new(8, Some(60));
        let began = Instant::now();
        for second in 0..3 {
            drop(pace.enter().await);
            assert_eq!(began.elapsed(), Duration::from_secs(second));
        }
        pace.hold(Duration::from_secs(30));
        drop(pace.enter().await);
        assert_eq!(began.elapsed(), Duration::from_secs(32));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_at_it_at_once() {
        let pace = Pace::new(2, None);
        let (one, _two) = (pace.enter().await, pace.enter().await);
        assert!(tokio::time::timeout(Duration::from_secs(1), pace.enter()).await.is_err());
        drop(one);
        drop(pace.enter().await);
    }
}
