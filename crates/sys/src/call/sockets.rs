//! Packet sockets that carry descriptors, and waiting for them.

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use super::{Fd, Result, close, done, size, system_call};
use crate::Errno;

/// `socketpair(2)`: two connected packet sockets, close-on-exec.
///
/// # Errors
/// As the call.
pub fn packet_socket_pair() -> Result<[Fd; 2]> {
    let mut pair: [Fd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    done(system_call!(libc::SYS_socketpair, libc::AF_UNIX, kind, 0, pair.as_mut_ptr()))?;
    Ok(pair)
}

// Room for one SCM_RIGHTS message with `MAX_PASSED` descriptors: header of 16 bytes and 4 bytes each, rounded up to 8.
/// Descriptors in one packet, at most.
pub const MAX_PASSED: usize = 4;
const CONTROL_BYTES: usize = 32;
const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();

#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Sends one packet made of two parts, with descriptors. A closed peer is `EPIPE`, not a signal.
///
/// # Errors
/// As `sendmsg(2)`.
pub fn send(socket: Fd, head: &[u8], tail: &[u8], descriptors: &[Fd]) -> Result<()> {
    let count = descriptors.len().min(MAX_PASSED);
    let mut control = Control([0; CONTROL_BYTES]);
    let control_length = CONTROL_HEADER + count * size_of::<Fd>();
    let header = libc::cmsghdr { cmsg_len: control_length, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
    // SAFETY: `control` is aligned for a cmsghdr and larger than one; the descriptors fit behind it (16 + 4 * 4 = 32 bytes).
    unsafe {
        control.0.as_mut_ptr().cast::<libc::cmsghdr>().write(header);
        ptr::copy_nonoverlapping(
            descriptors.as_ptr().cast::<u8>(),
            control.0.as_mut_ptr().add(CONTROL_HEADER),
            count * size_of::<Fd>(),
        );
    }
    let mut parts = [
        libc::iovec { iov_base: head.as_ptr().cast_mut().cast(), iov_len: head.len() },
        libc::iovec { iov_base: tail.as_ptr().cast_mut().cast(), iov_len: tail.len() },
    ];
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    if count > 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = (control_length + 7) & !7;
    }
    done(system_call!(libc::SYS_sendmsg, socket, &raw const message, libc::MSG_NOSIGNAL))
}

/// A packet that was received.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Bytes of the packet; 0 when the peer closed its end.
    pub length: usize,
    /// Descriptors that came with it, close-on-exec; -1 where there is none.
    pub descriptors: [Fd; MAX_PASSED],
}

/// Receives one packet.
///
/// # Errors
/// As `recvmsg(2)`; `EMSGSIZE` when the packet or its descriptors did not fit (what did fit is closed).
pub fn receive(socket: Fd, into: &mut [u8], flags: c_int) -> Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    let length = size(system_call!(libc::SYS_recvmsg, socket, &raw mut message, flags | libc::MSG_CMSG_CLOEXEC))?;
    let mut descriptors = [-1; MAX_PASSED];
    if message.msg_controllen >= CONTROL_HEADER {
        // SAFETY: the kernel wrote a header at the start of `control`, which is aligned for it.
        let header = unsafe { control.0.as_ptr().cast::<libc::cmsghdr>().read() };
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            let count = header.cmsg_len.saturating_sub(CONTROL_HEADER) / size_of::<Fd>();
            let (numbers, _) = control.0[CONTROL_HEADER..].as_chunks::<4>();
            for (slot, bytes) in descriptors.iter_mut().zip(numbers).take(count) {
                *slot = Fd::from_ne_bytes(*bytes);
            }
        }
    }
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        descriptors.into_iter().for_each(close);
        return Err(Errno(libc::EMSGSIZE));
    }
    Ok(Received { length, descriptors })
}

/// `ppoll(2)` for readability; `None` waits without end. Returns a bit for each descriptor that is readable or closed.
///
/// # Errors
/// As the call.
pub fn poll<const N: usize>(fds: [Fd; N], timeout_ns: Option<u64>) -> Result<u32> {
    let mut entries = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let timeout = timeout_ns.map(timespec);
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    done(system_call!(libc::SYS_ppoll, entries.as_mut_ptr(), N, timeout, ptr::null::<c_void>(), 0))?;
    let mut ready = 0;
    for (index, entry) in entries.iter().enumerate() {
        if entry.revents != 0 {
            ready |= 1 << index;
        }
    }
    Ok(ready)
}

#[expect(clippy::cast_possible_wrap, reason = "seconds of a u64 of nanoseconds fit an i64")]
const fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}
