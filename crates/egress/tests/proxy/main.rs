//! The proxy as programs meet it, before a made-up internet: nothing here leaves the loopback interface.

#![expect(clippy::unwrap_used, reason = "tests")]

mod guard;
mod limits;
mod requests;
mod ways;
mod world;
