//! An allow-list with everything that follows from it.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::layout::{Layout, TooManyDoors, variables};
use crate::limits::Limits;
use crate::list::Allowlist;

/// What may be reached and how much of it, and what of that shows inside a sandbox.
#[derive(Debug)]
pub struct Rules {
    pub(crate) list: Allowlist,
    pub(crate) limits: Limits,
    pub(crate) layout: Layout,
}

impl Rules {
    /// Rules for sandboxes that can have so many listening sockets.
    ///
    /// # Errors
    /// The list needs more of them: one for each pair of a name (without a star) and a port, and two for the proxies.
    pub fn new(list: Allowlist, limits: Limits, most_listeners: usize) -> Result<Self, TooManyDoors> {
        let layout = Layout::new(&list, most_listeners)?;
        Ok(Self { list, limits, layout })
    }

    /// Where sockets have to listen inside; [`crate::Gate::new`] wants them in this order.
    #[must_use]
    pub fn listen(&self) -> Vec<SocketAddrV4> {
        self.layout.doors.iter().map(|(address, _)| *address).collect()
    }

    /// Names with their addresses inside, for `/etc/hosts`: with these, programs that know of no proxy reach what they name.
    #[must_use]
    pub fn hosts(&self) -> Vec<(String, Ipv4Addr)> {
        self.layout.names.iter().map(|(name, address)| (name.to_string(), *address)).collect()
    }

    /// Variables by which programs find the proxies, which they need for names with a star and for addresses.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        variables()
    }

    /// What may be reached.
    #[must_use]
    pub const fn list(&self) -> &Allowlist {
        &self.list
    }

    /// How much of it.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}
