//! Rights of Landlock (`landlock(7)`).

/// Execute a file.
pub(crate) const EXECUTE: u64 = 1;
/// Open a file for writing.
pub(crate) const WRITE_FILE: u64 = 1 << 1;
/// Open a file for reading.
pub(crate) const READ_FILE: u64 = 1 << 2;
/// List a directory.
pub(crate) const READ_DIR: u64 = 1 << 3;
/// Cut a file off.
pub(crate) const TRUNCATE: u64 = 1 << 14;
/// `ioctl` of a device.
pub(crate) const IOCTL_DEVICE: u64 = 1 << 15;
/// What a rule may name for something that is not a directory.
pub(crate) const FOR_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE;
/// All rights that each version knows.
const ALL_BY_VERSION: [u64; 5] = [(1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1];
/// Abstract Unix sockets and signals stay among the confined (version 6).
const SCOPES: u64 = 0b11;

/// All rights and all scopes that a kernel with this version, 1 or above, knows.
pub(crate) fn handled(version: u32) -> (u64, u64) {
    let newest = ALL_BY_VERSION.len() - 1;
    let index = usize::try_from(version.saturating_sub(1)).unwrap_or(newest).min(newest);
    (ALL_BY_VERSION[index], if version >= 6 { SCOPES } else { 0 })
}
