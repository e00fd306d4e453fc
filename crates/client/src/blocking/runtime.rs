//! The thread on which requests are made.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, mpsc};

use crate::error::ErrorKind;

/// Threads for files, at most: the requests of one facade come one after another.
const FILE_THREADS: usize = 2;

thread_local! {
    /// Whether this thread makes requests. It must not wait for itself.
    static MAKES_REQUESTS: Cell<bool> = const { Cell::new(false) };
}

/// A thread that makes requests for those who block. A clone is the same one; it ends with the last.
#[derive(Debug, Clone)]
pub struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner(Option<tokio::runtime::Runtime>);

impl Drop for Inner {
    fn drop(&mut self) {
        // Without waiting, which would not be allowed inside of another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    /// Starts one.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(FILE_THREADS)
            .thread_name("belljar-client")
            .on_thread_start(|| MAKES_REQUESTS.set(true))
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Inner(Some(runtime)))))
    }

    /// Has something done there and waits for it.
    ///
    /// # Errors
    /// This is that thread, or it has come to grief.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ErrorKind> {
        self.begin(work)?.wait()
    }

    /// Has something done there.
    ///
    /// # Errors
    /// This is that thread.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Begun<T>, ErrorKind> {
        if MAKES_REQUESTS.get() {
            let problem = "a blocking call on the thread that makes the requests would wait for itself".to_owned();
            return Err(ErrorKind::Invalid(problem));
        }
        let runtime = self.0.0.as_ref().expect("it is taken only when it is dropped");
        let (done, wait) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            // Whoever asked may have gone.
            let _ = done.send(work.await);
        });
        Ok(Begun(wait))
    }
}

/// Something that is being done.
pub(super) struct Begun<T>(mpsc::Receiver<T>);

impl<T> Begun<T> {
    pub(super) fn wait(self) -> Result<T, ErrorKind> {
        let broken = |_| ErrorKind::Transport { reason: "the call was broken off by a panic".to_owned(), sent: true };
        self.0.recv().map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_anywhere_but_on_itself() {
        let runtime = Runtime::new().expect("a thread");
        assert_eq!(runtime.run(async { 6 * 7 }).expect("done"), 42);
        let inner = runtime.clone();
        let inside = runtime.run(async move { inner.run(async { 0 }) }).expect("done");
        assert!(matches!(inside, Err(ErrorKind::Invalid(_))), "{inside:?}");
        assert!(matches!(runtime.run(async { panic!("on purpose") }), Err::<(), _>(ErrorKind::Transport { .. })));
        assert_eq!(runtime.run(async { 1 }).expect("it goes on after that"), 1);
    }

    /// Made, used and dropped inside of runtimes of both kinds.
    #[test]
    fn it_works_inside_of_other_runtimes() {
        for mut builder in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
        {
            let outer = builder.enable_all().build().expect("a runtime");
            let answer = outer.block_on(async {
                let runtime = Runtime::new().expect("a thread");
                let answer = runtime.run(async {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    42
                });
                answer.expect("done")
            });
            assert_eq!(answer, 42);
        }
    }
}
