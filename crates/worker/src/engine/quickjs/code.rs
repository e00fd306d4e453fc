//! Codes that a message's process exits with, where they mean something to us. Those above 128 are what a shell would show for the
//! signal that ends a process for the same reason. An app that exits with one of them itself is taken at its word.

/// Nobody caught an exception: Node's.
pub(super) const UNCAUGHT: i32 = 1;
/// What never happens (`EX_SOFTWARE`).
pub(super) const BROKEN: i32 = 70;
/// The memory limit: as for `SIGABRT`, by which Node ends then.
pub(super) const MEMORY: i32 = 134;
/// The CPU time: as for `SIGXCPU`.
pub(super) const CPU_TIME: i32 = 152;
