//! Clones.

use core::ffi::{c_int, c_long, c_void};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::Errno;
use crate::call::{self, CURRENT_DIRECTORY, Fd};

/// Witness that the calling process has one thread, so that a clone of it may run ordinary code: no lock can be held by a thread
/// that the clone lacks.
#[derive(Debug, Clone, Copy)]
pub struct SingleThreaded(PhantomData<*const ()>);

impl SingleThreaded {
    /// Looks at `/proc/self/stat`.
    ///
    /// # Errors
    /// `EDEADLK` when there are more threads; the error of reading when `/proc` is not there.
    pub fn check() -> Result<Self, Errno> {
        let stat = call::open(CURRENT_DIRECTORY, c"/proc/self/stat", libc::O_RDONLY, 0)?;
        let mut text = [0; 512];
        let length = call::read_at_start(stat, &mut text);
        call::close(stat);
        let text = text.get(..length?).unwrap_or_default();
        // After the name in parentheses come state (field 3) and so on; the number of threads is field 20 (proc_pid_stat(5)).
        let after_name = text.iter().rposition(|&byte| byte == b')').map_or(0, |end| end + 2);
        let fields = text.get(after_name..).unwrap_or_default();
        match fields.split(|&byte| byte == b' ').nth(17) {
            Some(b"1") => Ok(Self(PhantomData)),
            _ => Err(Errno(libc::EDEADLK)),
        }
    }

    /// Inside a fresh clone: one thread by construction.
    pub(crate) const fn clone_of_one() -> Self {
        Self(PhantomData)
    }
}

/// Which side of the clone this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Parent { child: i32 },
    Child,
}

/// `clone3(2)` without shared memory: like fork, with namespace flags.
pub(crate) fn fork_with(_witness: SingleThreaded, flags: u64) -> Result<Side, Errno> {
    // The first eight fields of struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls.
    let arguments = [flags, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
    // SAFETY: no CLONE_VM, so both sides have a memory of their own; the witness says that no other thread's locks are lost.
    let result = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments)) };
    side(result)
}

/// `fork(2)`: the process id of the child, and `None` inside it.
///
/// # Errors
/// As the call.
pub fn fork(_witness: SingleThreaded) -> Result<Option<i32>, Errno> {
    // SAFETY: the witness says that there is one thread, so the child has all there is and may run ordinary code.
    match unsafe { libc::fork() } {
        ..0 => Err(Errno::last()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

/// `setenv(3)`: sets a variable of this process's environment.
///
/// # Errors
/// As the call.
pub fn set_variable(_witness: SingleThreaded, name: &core::ffi::CStr, value: &core::ffi::CStr) -> Result<(), Errno> {
    // SAFETY: both are zero-terminated; the witness says that no other thread reads the environment meanwhile.
    match unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

/// A child in a new user namespace that does nothing but keep it alive until `until` (a pipe's reading end) is closed on the
/// other side. For maps of mounts: the namespace is only a table of numbers then. Returns the child's process id.
///
/// # Errors
/// As `clone3(2)`.
pub fn hold_user_namespace(witness: SingleThreaded, until: Fd) -> Result<i32, Errno> {
    match fork_with(witness, libc::CLONE_NEWUSER as u64)? {
        Side::Parent { child } => Ok(child),
        Side::Child => {
            let _ = call::close_all_except(&[until]);
            let _ = call::read(until, &mut [0]);
            call::exit(0)
        }
    }
}

/// The old `clone(2)` without shared memory, for the process that is under the filter (which refuses `clone3`, because a filter
/// cannot look into its argument). The child belongs to the caller's parent, and its process id is noted in `newborn`.
pub(crate) fn fork_to_parent(_witness: SingleThreaded, newborn: &Newborn) -> Result<Side, Errno> {
    let flags = libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    // SAFETY: as above; a null stack means the same (copied) stack, and the kernel writes one int to the mapping of `newborn`.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, newborn.0.start, 0, 0) };
    side(result)
}

/// What was cloned last, in memory that the init and its spawners share: so a start that works takes no answer. The kernel writes the
/// process id before the child takes its first step, so the init knows the child even if that kills the spawner at once.
#[derive(Debug)]
pub(crate) struct Newborn(Memory);

/// What is in the shared memory.
#[repr(C)]
struct Shared {
    pid: AtomicI32,
    failed_step: AtomicU32,
    errno: AtomicI32,
}

impl Newborn {
    pub(crate) fn new() -> Result<Self, Errno> {
        Memory::map(size_of::<Shared>(), libc::MAP_SHARED).map(Self)
    }

    /// The process id; 0 when there is none yet.
    pub(crate) fn pid(&self) -> i32 {
        self.shared().pid.load(Ordering::Acquire)
    }

    /// The step that failed in the child, before it was a program, and the error; step 0 when none did.
    pub(crate) fn failure(&self) -> (u32, Errno) {
        let shared = self.shared();
        let step = shared.failed_step.load(Ordering::Acquire);
        (step, Errno(shared.errno.load(Ordering::Acquire)))
    }

    /// Notes the step that failed; for the child, which ends then.
    pub(crate) fn fail(&self, step: u32, errno: Errno) {
        self.shared().errno.store(errno.0, Ordering::Release);
        self.shared().failed_step.store(step, Ordering::Release);
    }

    pub(crate) fn forget(&self) {
        self.note(0);
    }

    /// Notes one that was made in another way.
    pub(crate) fn note(&self, pid: i32) {
        self.shared().pid.store(pid, Ordering::Release);
        self.fail(0, Errno(0));
    }

    fn shared(&self) -> &Shared {
        // SAFETY: the mapping is page-aligned, large enough, zero at first (valid for atomics), never unmapped, and only accessed
        // atomically from here.
        unsafe { &*self.0.start.cast::<Shared>() }
    }
}

/// A number that a spawner leaves for the init, in memory that they share.
#[derive(Debug)]
pub(crate) struct Note(Memory);

impl Note {
    pub(crate) fn new() -> Result<Self, Errno> {
        Memory::map(size_of::<AtomicU64>(), libc::MAP_SHARED).map(Self)
    }

    /// The number; `None` when there is none yet.
    pub(crate) fn get(&self) -> Option<u64> {
        Some(self.word().load(Ordering::Acquire)).filter(|&number| number != 0)
    }

    pub(crate) fn set(&self, number: Option<u64>) {
        self.word().store(number.unwrap_or(0), Ordering::Release);
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: as for `Newborn`.
        unsafe { AtomicU64::from_ptr(self.0.start.cast()) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "process ids are ints")]
fn side(result: c_long) -> Result<Side, Errno> {
    match result {
        ..0 => Err(Errno::last()),
        0 => Ok(Side::Child),
        child => Ok(Side::Parent { child: child as i32 }),
    }
}

/// Memory of a process for its whole life, zero at first; pages cost something only once they are used.
#[derive(Debug)]
pub(crate) struct Memory {
    start: *mut u8,
    length: usize,
}

impl Memory {
    pub(crate) fn new(length: usize) -> Result<Self, Errno> {
        Self::map(length, libc::MAP_PRIVATE)
    }

    fn map(length: usize, sharing: c_int) -> Result<Self, Errno> {
        let flags = sharing | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping anywhere.
        let start =
            unsafe { libc::mmap(core::ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if start == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(Self { start: start.cast(), length }) }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `length` bytes, readable and writable, never unmapped, and borrowed exclusively through self.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// Has the kernel provide the pages at these offsets.
    pub(crate) fn touch(&mut self, places: &[usize]) {
        for &place in places {
            if let Some(byte) = self.bytes().get_mut(place) {
                // SAFETY: a valid byte; volatile, so that it is really written.
                unsafe { core::ptr::write_volatile(byte, 0) };
            }
        }
    }

    pub(crate) fn pointers(&mut self) -> &mut [*const u8] {
        // SAFETY: as above; a mapping is page-aligned, and any bit pattern is a valid raw pointer.
        unsafe { core::slice::from_raw_parts_mut(self.start.cast(), self.length / size_of::<*const u8>()) }
    }
}

/// `vfork`: runs `child` on `stack` in a process that shares our memory while we stand still, until it executes a program or
/// exits. The new process belongs to our parent, and its process id is noted in `newborn`. `child` may only make system calls and
/// write to what `context` points to.
pub(crate) fn vfork_to_parent<T>(
    _witness: SingleThreaded,
    newborn: &Newborn,
    stack: &mut Memory,
    child: extern "C" fn(*mut c_void) -> i32,
    context: &mut T,
) -> Result<i32, Errno> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    // SAFETY: the stack is ours alone (exclusive borrow) and its end is page-aligned; `context` outlives the call because the
    // kernel lets us go on only after the child has executed or ended (CLONE_VFORK), so the memory is never used by both at once. The
    // fifth argument is where the kernel writes the process id: an int in the mapping of `newborn`.
    let pid = unsafe {
        let top = stack.start.add(stack.length).cast();
        libc::clone(child, top, flags, core::ptr::from_mut(context).cast(), newborn.0.start.cast::<c_int>())
    };
    if pid < 0 { Err(Errno::last()) } else { Ok(pid) }
}
