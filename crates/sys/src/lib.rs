//! Typed Linux system calls and the code that runs on the child's side of a clone.
//!
//! This crate is the only home of `unsafe` in belljar, and it is `no_std` as a whole: between a clone and an `execve` nothing may
//! allocate, lock or log, and here the compiler sees to it. It knows nothing of policies; it executes [`plan`]s.
//!
//! Three kinds of process run this code:
//! - the *owner*, single-threaded, calls [`init::start`] and afterwards talks [`wire`] to
//! - the *init* of a sandbox, process 1 of its namespaces, which waits, kills, reaps and counts, and which forks
//! - the *spawner*: unprivileged, under all filters, it starts the programs by `vfork` and `execve`.

#![no_std]
#![expect(unsafe_code, reason = "the one crate that calls the kernel directly")]

pub mod call;
mod errno;
pub mod init;
pub mod plan;
mod process;
pub mod seccomp;
mod spawner;
pub mod wire;

pub use errno::Errno;
pub use process::{SingleThreaded, fork, hold_user_namespace, set_variable};
