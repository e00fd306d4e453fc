//! What belljar's sandboxes may reach of the network: an allow-list of hosts and ports, and the proxy that keeps to it.
//!
//! A sandbox has no network but its own loopback. There listen sockets of ours ([`Rules::listen`] says where); whoever holds them is
//! outside, and connects what comes in at them ([`Gate::serve`]) to the hosts on the list and to nothing else. Names are resolved here,
//! and the address that was checked is the one that is connected to.
//!
//! This crate knows no sandboxes: addresses, names and variables go in, listening sockets come back.

mod dial;
mod gate;
mod guard;
mod host;
mod http;
mod layout;
mod limits;
mod list;
mod outside;
mod record;
mod relay;
mod rules;
mod socks;

pub use gate::Gate;
pub use guard::{Special, special};
pub use host::{Host, HostError, HostName};
pub use layout::TooManyDoors;
pub use limits::Limits;
pub use list::{Allowlist, Entry, EntryError};
pub use outside::{Boxed, Machine, Outside};
pub use record::{Connection, Ending, Failure, Journal, Refusal, Verdict, Way};
pub use rules::Rules;

/// What reads bytes of programs, for those who want to throw more of them at it.
pub mod parse {
    pub use crate::http::{Chunks, Framing, Head, Task, head_length, parse_head};
    pub use crate::socks::{Asked, Read, read_greeting, read_request};
}
