//! System calls, each as a function with types. They allocate nothing and keep no state.
//!
//! Descriptors are plain numbers here: the code that uses them runs in processes whose whole descriptor table belongs to it.

mod clock;
mod confinement;
mod descriptors;
mod identity;
mod listeners;
mod mounts;
mod processes;
mod settings;
mod sockets;
mod watch;

use core::ffi::{c_int, c_long};

use crate::Errno;

pub use clock::*;
pub use confinement::*;
pub use descriptors::*;
pub use identity::*;
pub use listeners::*;
pub use mounts::*;
pub use processes::*;
pub use settings::*;
pub use sockets::*;
pub use watch::*;

/// Result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

/// A descriptor number.
pub type Fd = c_int;

/// No descriptor, or "the current directory" where a directory is expected.
pub const CURRENT_DIRECTORY: Fd = libc::AT_FDCWD;

fn check(value: c_long) -> Result<c_long> {
    if value < 0 { Err(Errno::last()) } else { Ok(value) }
}

fn done(value: c_long) -> Result<()> {
    check(value).map(drop)
}

fn size(value: c_long) -> Result<usize> {
    check(value).map(|value| usize::try_from(value).unwrap_or_default())
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel returns descriptors and process ids as int")]
fn number(value: c_long) -> Result<c_int> {
    check(value).map(|value| value as c_int)
}

macro_rules! system_call {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        // SAFETY: each caller in this file passes arguments that the call's manual page asks for; pointers come from
        // references that outlive the call, and the kernel checks everything else.
        unsafe { libc::syscall($number $(, $argument)*) }
    };
}

use system_call;
