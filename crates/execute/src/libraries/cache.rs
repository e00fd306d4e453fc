//! A value that takes long to make: made when it is first asked for, once for all who ask, and made anew in the background
//! when it has become old.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The value, and how it is asked for. [`Cache::run`] makes it.
#[derive(Debug)]
pub(crate) struct Cache<T, E> {
    state: watch::Sender<State<T, E>>,
    wanted: Notify,
    lifetime: Duration,
}

#[derive(Debug)]
struct State<T, E> {
    /// The value and when it was made.
    value: Option<(Arc<T>, Instant)>,
    /// Why the last attempt failed.
    failure: Option<Arc<E>>,
    attempts: u64,
}

impl<T, E: std::fmt::Display> Cache<T, E> {
    pub(crate) fn new(lifetime: Duration) -> Self {
        let state = State { value: None, failure: None, attempts: 0 };
        Self { state: watch::Sender::new(state), wanted: Notify::new(), lifetime }
    }

    /// The value, an old one at once; waits for the first one. Waits for ever when nobody runs [`Cache::run`].
    pub(crate) async fn get(&self) -> Result<Arc<T>, Arc<E>> {
        let mut state = self.state.subscribe();
        let attempts = {
            let state = state.borrow();
            if let Some((value, made)) = &state.value {
                if made.elapsed() >= self.lifetime {
                    self.wanted.notify_one();
                }
                return Ok(value.clone());
            }
            state.attempts
        };
        self.wanted.notify_one();
        let state = state.wait_for(|state| state.attempts > attempts).await.expect("the sender is in `self`");
        match (&state.value, &state.failure) {
            (Some((value, _)), _) => Ok(value.clone()),
            (None, failure) => Err(failure.clone().expect("each attempt leaves a value or a failure")),
        }
    }

    /// Makes the value whenever it is asked for and missing or old. Without end.
    pub(crate) async fn run<M: Future<Output = Result<T, E>>>(&self, make: impl Fn() -> M) {
        loop {
            self.wanted.notified().await;
            let fresh = |(_, made): &(Arc<T>, Instant)| made.elapsed() < self.lifetime;
            if self.state.borrow().value.as_ref().is_some_and(fresh) {
                continue; // Somebody asked while it was being made.
            }
            let made = make().await;
            self.state.send_modify(|state| {
                state.attempts += 1;
                match made {
                    Ok(value) => (state.value, state.failure) = (Some((Arc::new(value), Instant::now())), None),
                    Err(failure) => {
                        tracing::warn!(error = %failure, "the list of installed software could not be made");
                        state.failure = Some(Arc::new(failure));
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Runs `check` beside a cache that counts up, and fails where `fails` says so.
    async fn with_cache(fails: fn(u32) -> bool, check: impl AsyncFn(&Cache<u32, String>, &AtomicU32)) {
        let cache = Cache::new(Duration::from_secs(60));
        let made = AtomicU32::new(0);
        let make = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let number = made.fetch_add(1, Ordering::Relaxed) + 1;
            if fails(number) { Err(format!("no {number}")) } else { Ok(number) }
        };
        tokio::select! {
            () = cache.run(make) => unreachable!("it has no end"),
            () = check(&cache, &made) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_made_once_for_all_who_ask() {
        with_cache(
            |_| false,
            async |cache, made| {
                assert_eq!(made.load(Ordering::Relaxed), 0);
                let (one, other) = tokio::join!(cache.get(), cache.get());
                assert_eq!((*one.unwrap(), *other.unwrap()), (1, 1));
                tokio::time::sleep(Duration::from_secs(30)).await;
                assert_eq!(*cache.get().await.unwrap(), 1);
                assert_eq!(made.load(Ordering::Relaxed), 1);
            },
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_value_is_served_while_a_new_one_is_made() {
        with_cache(
            |_| false,
            async |cache, _| {
                assert_eq!(*cache.get().await.unwrap(), 1);
                tokio::time::sleep(Duration::from_secs(61)).await;
                let asked = Instant::now();
                assert_eq!(*cache.get().await.unwrap(), 1);
                assert_eq!(asked.elapsed(), Duration::ZERO);
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert_eq!(*cache.get().await.unwrap(), 2);
            },
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_and_the_next_who_asks_tries_again() {
        with_cache(
            |number| number == 1,
            async |cache, _| {
                assert_eq!(*cache.get().await.unwrap_err(), "no 1");
                assert_eq!(*cache.get().await.unwrap(), 2);
            },
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_does_not_take_away_an_old_value() {
        with_cache(
            |number| number == 2,
            async |cache, made| {
                assert_eq!(*cache.get().await.unwrap(), 1);
                tokio::time::sleep(Duration::from_secs(61)).await;
                assert_eq!(*cache.get().await.unwrap(), 1);
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert_eq!(made.load(Ordering::Relaxed), 2);
                assert_eq!(*cache.get().await.unwrap(), 1);
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert_eq!(*cache.get().await.unwrap(), 3);
            },
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_does_not_stop_the_others() {
        with_cache(
            |_| false,
            async |cache, _| {
                let gone = tokio::time::timeout(Duration::from_millis(10), cache.get());
                let (gone, value) = tokio::join!(gone, cache.get());
                assert!(gone.is_err());
                assert_eq!(*value.unwrap(), 1);
            },
        )
        .await;
    }
}
