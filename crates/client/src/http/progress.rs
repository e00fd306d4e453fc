//! Whether a server that says nothing yet takes what it is sent.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

/// Bytes that count as progress: one large piece would look like silence until it is through.
const STEP: usize = 64 << 10;

/// When something was taken last.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

/// Nothing has happened for too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Silence;

impl Progress {
    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The same bytes, each taking of which is noted.
    pub(super) fn watched(
        &self,
        bytes: BoxStream<'static, io::Result<Bytes>>,
    ) -> BoxStream<'static, io::Result<Bytes>> {
        let progress = self.clone();
        bytes.flat_map(|piece| stream::iter(steps(piece))).inspect(move |_| progress.note()).boxed()
    }

    /// Waits for something, as long as no time of this length passes in which nothing is taken.
    pub(super) async fn within<T>(&self, longest: Duration, what: impl Future<Output = T>) -> Result<T, Silence> {
        let mut what = pin!(what);
        loop {
            let Some(until) = self.last().checked_add(longest) else { return Ok(what.await) };
            if let Ok(done) = timeout_at(until, &mut what).await {
                return Ok(done);
            }
            if self.last() + longest <= Instant::now() {
                return Err(Silence);
            }
        }
    }
}

/// A piece in steps, without a copy.
fn steps(piece: io::Result<Bytes>) -> impl Iterator<Item = io::Result<Bytes>> + Send {
    let (mut rest, mut error) = match piece {
        Ok(bytes) => (bytes, None),
        Err(error) => (Bytes::new(), Some(error)),
    };
    std::iter::from_fn(move || match error.take() {
        Some(error) => Some(Err(error)),
        None => (!rest.is_empty()).then(|| Ok(rest.split_to(rest.len().min(STEP)))),
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream::TryStreamExt as _;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_slowly_is_no_silence() {
        let second = Duration::from_secs(1);
        let progress = Progress::default();
        let mut upload = progress.watched(stream::iter([Ok(Bytes::from(vec![1; 10 * STEP + 1]))]).boxed());
        let taking = async {
            let mut taken = 0;
            while let Some(piece) = upload.next().await {
                taken += piece.expect("a piece").len();
                sleep(second).await;
            }
            taken
        };
        assert_eq!(progress.within(second * 2, taking).await, Ok(10 * STEP + 1));
        let began = Instant::now();
        assert_eq!(progress.within(second * 2, std::future::pending::<()>()).await, Err(Silence));
        assert_eq!(began.elapsed(), second);
        assert_eq!(progress.within(Duration::MAX, async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn what_is_watched_is_unchanged() {
        let pieces = [Ok(Bytes::new()), Ok(Bytes::from_static(b"ab")), Err(io::Error::other("broken"))];
        let mut watched = Progress::default().watched(stream::iter(pieces).boxed());
        assert_eq!(watched.try_next().await.expect("a piece").expect("one"), "ab");
        assert_eq!(watched.try_next().await.expect_err("an error").to_string(), "broken");
        assert!(watched.next().await.is_none());
    }
}
