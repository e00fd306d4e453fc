//! Our end of the packet socket to a sandbox's init.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use belljar_sys::call::MAX_LISTENERS;
use belljar_sys::wire::{MAX_PACKET, REPLY_BYTES, REQUEST_BYTES, Reply, Request, RequestKind};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::error::SandboxError;

/// A packet socket for asynchronous use. tokio knows stream sockets only; of this one nothing but its readiness is used.
pub(crate) fn packet_socket(socket: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// One reply of an init, with the listening sockets that come with it.
pub(crate) fn receive_reply(socket: BorrowedFd<'_>) -> rustix::io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = [0; REPLY_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let received = rustix::net::recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut listeners = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            listeners.extend(rights);
        }
    }
    Ok((bytes.get(..received.bytes).unwrap_or_default().to_vec(), listeners))
}

/// Our end of the packet socket to a sandbox's init.
#[derive(Debug)]
pub(crate) struct InitSocket(UnixStream);

impl InitSocket {
    pub(crate) fn new(socket: OwnedFd) -> Result<Self, SandboxError> {
        packet_socket(socket).map(Self).map_err(|error| SandboxError::setup("socket", error))
    }

    /// Sends a request with its strings and streams.
    pub(crate) async fn send(
        &self,
        request: &Request,
        text: &[u8],
        streams: &[BorrowedFd<'_>],
    ) -> Result<(), SandboxError> {
        if REQUEST_BYTES + text.len() > MAX_PACKET {
            let limit = MAX_PACKET - REQUEST_BYTES;
            return Err(SandboxError::Command(format!(
                "the command and its environment take {} bytes; {limit} is the limit",
                text.len()
            )));
        }
        let head = request.encode();
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !streams.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(streams));
            }
            let parts = [IoSlice::new(&head), IoSlice::new(text)];
            rustix::net::sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        };
        self.0.async_io(Interest::WRITABLE, send).await.map_err(|_| SandboxError::Died)
    }

    /// Sends a request without anything else, at once or, if the socket is full, not at all: it then has unread ones of ours.
    pub(crate) fn send_now(&self, kind: RequestKind) {
        let _ = rustix::net::send(&self.0, &Request::plain(kind).encode(), SendFlags::NOSIGNAL);
    }

    /// Receives one reply with the sockets that come with it. Cancelling loses nothing.
    pub(crate) async fn receive_with_listeners(&self) -> Result<(Reply, Vec<OwnedFd>), SandboxError> {
        let receive = || Ok(receive_reply(self.0.as_fd())?);
        let (bytes, listeners) = self.0.async_io(Interest::READABLE, receive).await.map_err(|_| SandboxError::Died)?;
        Ok((Reply::decode(&bytes).map_err(|_| SandboxError::Died)?, listeners))
    }

    /// Receives one reply. Cancelling loses nothing.
    pub(crate) async fn receive(&self) -> Result<Reply, SandboxError> {
        let receive = || {
            let mut bytes = [0; REPLY_BYTES];
            let (length, _) = rustix::net::recv(&self.0, &mut bytes, RecvFlags::empty())?;
            Ok((length, bytes))
        };
        let (length, bytes) = self.0.async_io(Interest::READABLE, receive).await.map_err(|_| SandboxError::Died)?;
        Reply::decode(&bytes[..length]).map_err(|_| SandboxError::Died)
    }

    /// Whether the init is there, idle: nothing to read and not closed.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let peeked = rustix::net::recv(&self.0, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(rustix::io::Errno::AGAIN))
    }

    /// A second handle on the same socket.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }
}
