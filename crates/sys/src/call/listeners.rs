//! Listening sockets, and handing many of them over at once.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use super::{Fd, Result, close, done, number, system_call};
use crate::Errno;

/// An address of IPv4 and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The address, in the order in which it is written.
    pub address: [u8; 4],
    /// The port.
    pub port: u16,
}

/// Listening sockets in one packet, at most: with the two descriptors that a launcher adds well below the kernel's limit for one
/// message (253, `SCM_MAX_FD`).
pub const MAX_LISTENERS: usize = 128;

/// Connections that wait to be accepted at one socket. What comes on top waits at its sender.
const BACKLOG: c_int = 128;

/// Marks a socket as the init's own, in the half of the address family that the kernel does not look at. The filters do: the one that
/// reports sockets to the init lets these pass, since the init would wait for itself, and that of programs refuses them.
pub const OWN_SOCKET: u32 = 0x6a61_7273;

/// A TCP socket that listens at `endpoint`: non-blocking, close-on-exec.
///
/// # Errors
/// As `socket(2)`, `bind(2)` and `listen(2)`.
pub fn listen(endpoint: Endpoint) -> Result<Fd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let family = i64::from(libc::AF_INET) | i64::from(OWN_SOCKET) << 32;
    let socket = number(system_call!(libc::SYS_socket, family, kind, 0))?;
    let address = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or_default(),
        sin_port: endpoint.port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(endpoint.address) },
        sin_zero: [0; 8],
    };
    let length = size_of::<libc::sockaddr_in>();
    let listening = done(system_call!(libc::SYS_bind, socket, &raw const address, length))
        .and_then(|()| done(system_call!(libc::SYS_listen, socket, BACKLOG)));
    match listening {
        Ok(()) => Ok(socket),
        Err(errno) => {
            close(socket);
            Err(errno)
        }
    }
}

// A cmsghdr of 16 bytes and 4 bytes for each descriptor, which is a multiple of 8.
const CONTROL_BYTES: usize = size_of::<libc::cmsghdr>() + MAX_LISTENERS * size_of::<Fd>();

#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    descriptors: [Fd; MAX_LISTENERS],
}

const _: () = assert!(size_of::<Control>() == CONTROL_BYTES && CONTROL_BYTES.is_multiple_of(8));

/// Sends one packet with up to [`MAX_LISTENERS`] descriptors.
///
/// # Errors
/// As `sendmsg(2)`; `E2BIG` for more descriptors.
pub fn send_listeners(socket: Fd, packet: &[u8], descriptors: &[Fd]) -> Result<()> {
    let bytes = size_of::<libc::cmsghdr>() + size_of_val(descriptors);
    let header = libc::cmsghdr { cmsg_len: bytes, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
    let mut control = Control { header, descriptors: [-1; MAX_LISTENERS] };
    control.descriptors.get_mut(..descriptors.len()).ok_or(Errno(libc::E2BIG))?.copy_from_slice(descriptors);
    let mut part = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !descriptors.is_empty() {
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = bytes.next_multiple_of(8);
    }
    done(system_call!(libc::SYS_sendmsg, socket, &raw const message, libc::MSG_NOSIGNAL))
}
