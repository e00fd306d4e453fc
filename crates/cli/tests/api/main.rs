//! The execution API over the wire: the built server, a client that shows every byte, and the behaviours of the server that
//! ours stands in for.
//!
//! Tests that need a sandbox, or a program that is not installed, are skipped with the reason on standard error; with
//! `BELLJAR_TEST_STRICT=1` that is a failure.

// Tests stop at what they do not expect.
#![expect(clippy::unwrap_used, reason = "tests")]

mod archive;
mod behaviour;
mod client;
mod exec_remote;
mod form;
mod hostile;
mod http;
mod load;
mod operation;
mod privileges;
mod server;
mod survival;
mod wire;
