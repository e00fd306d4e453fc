//! What a worker and a zygote say to each other: packets of JSON, with descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use belljar_sandbox::Usage;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::fresh::Extent;

/// Bytes of a packet, at most: the text of an error is the longest, and JSON may make six bytes of one.
const MAX_PACKET: usize = 64 * 1024;
/// Bytes of such a text.
const MAX_TEXT: usize = 10 * 1024;
/// Descriptors with a packet, at most.
const MAX_DESCRIPTORS: usize = 2;

/// What is loaded, in a file that comes with [`Order::Load`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Load {
    /// The app.
    pub(super) source: String,
    /// What becomes its globals.
    pub(super) app_context: Option<String>,
    /// Directories of modules.
    pub(super) modules: Vec<PathBuf>,
    /// Bytes that QuickJS may allocate for loading.
    pub(super) memory: usize,
    /// Bytes that it may allocate on top of that for one message.
    pub(super) message_memory: usize,
    /// Milliseconds that loading may take.
    pub(super) load_ms: u64,
    /// Seconds of CPU time for one message.
    pub(super) cpu_seconds: u64,
    /// Open files of one message's process.
    pub(super) open_files: u64,
    /// How much is loaded ahead.
    pub(super) extent: Extent,
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The first. With a file that holds a [`Load`].
    Load,
    /// A process for a message, by a number that the worker made up; with a socket for lines and a pipe for standard error.
    Fork(u64),
    /// Kill it.
    Kill(u64),
}

/// From the zygote, which may have become an app's: nothing it says is taken on trust.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// It is ready to be forked.
    Loaded {
        /// How much may be remembered. If that is less than was asked for, it is not ready.
        extent: Extent,
        /// Its memory in bytes, its share of what it shares with others (`Pss` of proc(5)).
        memory: u64,
    },
    /// The app cannot be loaded. A text for its author.
    Refused(String),
    /// A process ended.
    Ended {
        /// Its number.
        id: u64,
        /// Its wait status.
        status: i32,
        /// What it used.
        usage: Used,
    },
    /// There is no process.
    Failed {
        /// Its number.
        id: u64,
        /// Why (errno(3)).
        errno: i32,
    },
}

/// What a process used in its life.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Used {
    /// Microseconds of CPU time in user mode.
    pub(super) user_us: u64,
    /// In kernel mode.
    pub(super) system_us: u64,
    /// Microseconds from its start to its end.
    pub(super) wall_us: u64,
    /// Bytes of memory, at most, what it shares with the zygote included.
    pub(super) peak_memory: u64,
}

impl From<Used> for Usage {
    fn from(used: Used) -> Self {
        Self {
            wall_time: Duration::from_micros(used.wall_us),
            user_time: Duration::from_micros(used.user_us),
            system_time: Duration::from_micros(used.system_us),
            cpu_time: Duration::from_micros(used.user_us).checked_add(Duration::from_micros(used.system_us)),
            peak_memory_bytes: used.peak_memory,
            processes_created: 1,
            warm: true,
        }
    }
}

/// Sends one packet, without waiting for room on a socket that does not wait.
pub(super) fn send(socket: BorrowedFd<'_>, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one packet; `None` at the end of the connection.
pub(super) fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let received = rustix::net::recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    let message = serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())?;
    Ok(Some((message, descriptors)))
}

/// A text that fits into a packet, cut in its middle: its beginning says what happened, its end where.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let (head, tail) = (text.floor_char_boundary(MAX_TEXT / 2), text.ceil_char_boundary(text.len() - MAX_TEXT / 2));
    format!("{}\n[...]\n{}", &text[..head], &text[tail..])
}

/// A file without a name that holds these bytes.
pub(super) fn nameless_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("belljar-app", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut written = 0;
    while written < bytes.len() {
        written += rustix::io::write(file.as_fd(), &bytes[written..])?;
    }
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    Ok(file)
}

/// A socket for asynchronous use. tokio knows stream sockets only; of one for packets nothing but its readiness is used.
pub(super) fn packet_socket(socket: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// Sends one packet as soon as there is room.
pub(super) async fn send_soon(
    socket: &UnixStream,
    message: &impl Serialize,
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    socket.async_io(Interest::WRITABLE, || send(socket.as_fd(), message, &descriptors)).await
}

/// Receives one packet when it comes. Cancelling loses nothing.
pub(super) async fn receive_soon<T: DeserializeOwned>(socket: &UnixStream) -> io::Result<Option<T>> {
    let received = socket.async_io(Interest::READABLE, || receive(socket.as_fd())).await?;
    Ok(received.map(|(message, _)| message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_in_their_middle() {
        for text in ["", "short", &"x".repeat(MAX_TEXT)] {
            assert_eq!(cut(text), text);
        }
        let text = format!("first {} last", "é".repeat(MAX_TEXT));
        let cut = cut(&text);
        assert!(cut.len() <= MAX_TEXT + 16, "{}", cut.len());
        assert!(cut.starts_with("first é") && cut.ends_with("é last") && cut.contains("\n[...]\n"));
        // Whatever is in it, it fits a packet.
        let worst = Report::Refused(super::cut(&"\u{1}".repeat(10 * MAX_TEXT)));
        let length = serde_json::to_vec(&worst).unwrap_or_default().len();
        assert!((MAX_TEXT..MAX_PACKET).contains(&length), "{length}");
    }

    #[test]
    fn packets_carry_descriptors() {
        let (one, other) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let file = nameless_file(b"content").expect("a file in memory");
        send(one.as_fd(), &Order::Fork(7), &[file.as_fd()]).expect("it is sent");
        let received = receive::<Order>(other.as_fd()).expect("it is received");
        let Some((Order::Fork(7), descriptors)) = received else { panic!("{received:?}") };
        let mut content = String::new();
        for file in descriptors {
            io::Read::read_to_string(&mut std::fs::File::from(file), &mut content).expect("it is read");
        }
        assert_eq!(content, "content");
        drop(one);
        assert!(receive::<Order>(other.as_fd()).expect("the end is no error").is_none());
    }
}
