//! Signals that are meant for the command and reach us.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is passed on. `SIGKILL` cannot be: the sandbox ends with us then.
const FORWARDED: [Number; 7] =
    [Number::INT, Number::TERM, Number::HUP, Number::QUIT, Number::USR1, Number::USR2, Number::WINCH];

/// The signals that we receive instead of dying of them.
#[derive(Debug)]
pub(crate) struct Signals(Vec<(Number, Signal)>);

impl Signals {
    /// From here on signals wait to be taken with [`Signals::next`].
    ///
    /// # Errors
    ///
    /// A handler cannot be installed.
    pub(crate) fn listen() -> io::Result<Self> {
        let listen = |number: Number| Ok((number, signal(SignalKind::from_raw(number.as_raw()))?));
        FORWARDED.into_iter().map(listen).collect::<io::Result<_>>().map(Self)
    }

    /// The next signal; waits for it.
    pub(crate) async fn next(&mut self) -> Number {
        poll_fn(|context| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }
}
