//! Job "serve" of belljar: apps that tenants wrote answer messages of chat, SMS and USSD services.
//!
//! A message comes from a [`bus`], waits in the lane of its user, and is given to a process of an [`engine`], inside a sandbox. The
//! process asks for [`resource`]s, line by line, in the [`protocol`] of vxsandbox. What it publishes goes back to the bus; only when
//! that is confirmed is the message acknowledged. ([`run`] is one message's way.)
//!
//! This crate knows no HTTP server and no command line.

pub mod bus;
pub mod config;
pub mod engine;
pub mod heartbeat;
pub mod message;
pub mod protocol;
pub mod python;
pub mod resource;
pub mod run;
pub mod service;
