//! Landlock and seccomp.

use core::ffi::{CStr, c_void};
use core::ptr;

use super::{CURRENT_DIRECTORY, Fd, Result, check, close, done, number, open, system_call};
use crate::Errno;
use crate::seccomp::Instruction;

/// Landlock's version, 0 where the kernel has none.
#[must_use]
pub fn landlock_version() -> u32 {
    const VERSION: u32 = 1;
    let version = check(system_call!(libc::SYS_landlock_create_ruleset, ptr::null::<c_void>(), 0, VERSION));
    version.ok().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}

/// `landlock_create_ruleset(2)`.
///
/// # Errors
/// As the call.
pub fn create_ruleset(handled_files: u64, scoped: u64) -> Result<Fd> {
    // handled_access_fs, handled_access_net, scoped; older kernels take fewer fields when the rest is zero.
    let attributes = [handled_files, 0, scoped];
    let length = if scoped == 0 { 8 } else { size_of_val(&attributes) };
    number(system_call!(libc::SYS_landlock_create_ruleset, attributes.as_ptr(), length, 0))
}

/// `landlock_add_rule(2)` for everything beneath a path.
///
/// # Errors
/// As the call.
pub fn add_path_rule(ruleset: Fd, path: &CStr, access: u64) -> Result<()> {
    const PATH_BENEATH: u32 = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        access: u64,
        parent: Fd,
    }
    let parent = open(CURRENT_DIRECTORY, path, libc::O_PATH, 0)?;
    let rule = PathBeneath { access, parent };
    let result = done(system_call!(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0));
    close(parent);
    result
}

/// `landlock_restrict_self(2)`.
///
/// # Errors
/// As the call.
pub fn restrict_self(ruleset: Fd) -> Result<()> {
    done(system_call!(libc::SYS_landlock_restrict_self, ruleset, 0))
}

/// Installs a seccomp filter on this process and all that it starts.
///
/// # Errors
/// As `seccomp(2)`; `E2BIG` above the kernel's 4096 instructions.
pub fn install_filter(program: &[Instruction]) -> Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    done(system_call!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program))
}
