//! Sockets that listen inside for somebody outside: they belong to the sandbox's network, and their owner to another.

use core::ffi::CStr;

use super::Init;
use crate::Errno;
use crate::call::{self, Fd, MAX_LISTENERS};
use crate::wire::Reply;

/// Sockets made and not handed over yet.
#[derive(Debug)]
pub(super) struct Listeners {
    sockets: [Fd; MAX_LISTENERS],
    count: usize,
}

impl Listeners {
    pub(super) const NONE: Self = Self { sockets: [-1; MAX_LISTENERS], count: 0 };
}

impl<S: AsRef<CStr>> Init<'_, S> {
    /// Makes those that the owner asked for, in a network namespace that nobody has used.
    pub(super) fn open_listeners(&mut self) -> Result<(), Errno> {
        self.close_listeners();
        for &endpoint in self.setup.listen {
            let place = self.listeners.sockets.get_mut(self.listeners.count).ok_or(Errno(libc::E2BIG))?;
            *place = call::listen(endpoint)?;
            self.listeners.count += 1;
        }
        Ok(())
    }

    /// Tells the owner that all is ready, and hands over the sockets that were made since it was last told. The init keeps none:
    /// whoever has its descriptors could accept what is meant for another.
    pub(super) fn answer_ready(&mut self) {
        let reply = Reply::Ready { missing: self.missing.layers, errno: self.missing.errno };
        let sockets = self.listeners.sockets.get(..self.listeners.count).unwrap_or_default();
        if call::send_listeners(self.socket, &reply.encode(), sockets).is_err() {
            call::exit(0);
        }
        self.close_listeners();
    }

    fn close_listeners(&mut self) {
        for socket in self.listeners.sockets.iter_mut().take(self.listeners.count) {
            call::close(core::mem::replace(socket, -1));
        }
        self.listeners.count = 0;
    }
}
