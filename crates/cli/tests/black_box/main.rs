//! Drives the built binary as its users do.
//!
//! A test that needs what this machine does not have says so and passes; with `BELLJAR_TEST_STRICT=1` it fails.

mod ask;
mod commands;
mod directories;
mod image;
mod limits;
mod network;
mod run;
mod serve;
mod signals;
mod support;
mod terminal;
mod worker;
mod worker_check;
