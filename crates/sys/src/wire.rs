//! Messages between the owner of a sandbox and its init: one packet each on a `SOCK_SEQPACKET` socket.
//!
//! Both ends are the same build of the same program, so there is no version; numbers are native-endian.

use crate::Errno;

/// Largest packet, strings included. Below the default socket buffer of Linux (212,992 bytes), so a packet is never refused
/// for its size; above the kernel's limit for one argument (128 KiB, `execve(2)`).
pub const MAX_PACKET: usize = 192 * 1024;

/// Descriptors that travel with a request to run: input, output, error.
pub const STREAMS: usize = 3;

const REQUEST_WORDS: usize = 9;
const REPLY_WORDS: usize = 17;

/// Bytes of a request before its strings.
pub const REQUEST_BYTES: usize = REQUEST_WORDS * 8;
/// Bytes of a reply.
pub const REPLY_BYTES: usize = REPLY_WORDS * 8;

/// What the owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum RequestKind {
    /// Begin the set-up: the owner has done its part (user maps, control groups). Answered by `Ready` or `SetupFailed`.
    Begin = 1,
    /// Run a program; three descriptors travel with it. Answered by `Ended`.
    Run = 2,
    /// Run the agent, belljar's own code inside, on a job; three descriptors travel with it. Answered by `Ended`.
    Agent = 3,
    /// Send a signal to the running program's process group. Not answered.
    Signal = 4,
    /// Kill everything inside. The pending run is answered by `Ended` with [`Cause::Cancelled`]. Not answered otherwise.
    Kill = 5,
    /// Kill everything inside but keep the files. Answered by `Ready` or `SetupFailed`.
    Settle = 6,
    /// Kill everything inside and renew all that a program could have changed. Answered by `Ready` or `SetupFailed`.
    Reset = 7,
}

/// Flags of a request to run.
pub mod flag {
    /// Descriptor 0 is a terminal and becomes the controlling terminal.
    pub const TERMINAL: u64 = 1;
    /// Nothing else will run in this sandbox, which was made for it ([`crate::init::Setup::once`]): the process that starts programs may
    /// become this one.
    pub const ONLY: u64 = 2;
    /// The strings for a warm interpreter are what a shell would execute: it gets the variables that a shell sets, too.
    pub const VIA_SHELL: u64 = 4;
}

/// A request without its strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub kind: RequestKind,
    /// See [`flag`].
    pub flags: u64,
    /// Wall-clock limit in nanoseconds; 0 is no limit.
    pub wall_ns: u64,
    /// CPU-time limit in nanoseconds, of everything inside together; 0 is no limit.
    pub cpu_ns: u64,
    /// The signal of `Signal`.
    pub signal: i32,
    /// Number of argument strings.
    pub arguments: u32,
    /// Number of `NAME=VALUE` strings.
    pub variables: u32,
    /// Bytes of strings that follow: the working directory, the arguments, the variables, those for a warm interpreter, each ended by
    /// a zero byte; for the agent the job.
    pub text: u32,
    /// Number of strings for a warm interpreter, its own name first: the same program by another way. 0 when it is none for it.
    pub warm: u32,
}

impl Request {
    /// A request of a kind that needs nothing else.
    #[must_use]
    pub const fn plain(kind: RequestKind) -> Self {
        Self { kind, flags: 0, wall_ns: 0, cpu_ns: 0, signal: 0, arguments: 0, variables: 0, text: 0, warm: 0 }
    }

    /// The header as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; REQUEST_BYTES] {
        words_to_bytes([
            self.kind as u64,
            self.flags,
            self.wall_ns,
            self.cpu_ns,
            u64::from(self.signal.unsigned_abs()),
            u64::from(self.arguments),
            u64::from(self.variables),
            u64::from(self.text),
            u64::from(self.warm),
        ])
    }

    /// Reads a header.
    ///
    /// # Errors
    /// `EBADMSG` when the packet is too short, of an unknown kind, or its string length is not what the header says.
    pub fn decode(packet: &[u8]) -> Result<Self, Errno> {
        let bad = Errno(libc::EBADMSG);
        let words: [u64; REQUEST_WORDS] = bytes_to_words(packet).ok_or(bad)?;
        let small = |word: u64| u32::try_from(word).map_err(|_| bad);
        let kind = match words[0] {
            1 => RequestKind::Begin,
            2 => RequestKind::Run,
            3 => RequestKind::Agent,
            4 => RequestKind::Signal,
            5 => RequestKind::Kill,
            6 => RequestKind::Settle,
            7 => RequestKind::Reset,
            _ => return Err(bad),
        };
        let request = Self {
            kind,
            flags: words[1],
            wall_ns: words[2],
            cpu_ns: words[3],
            signal: i32::try_from(words[4]).map_err(|_| bad)?,
            arguments: small(words[5])?,
            variables: small(words[6])?,
            text: small(words[7])?,
            warm: small(words[8])?,
        };
        if packet.len() - REQUEST_BYTES == request.text as usize { Ok(request) } else { Err(bad) }
    }
}

/// What the init answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The sandbox waits for a program. Layers that could not be put on, as bits of [`crate::plan::Entry::layer`].
    Ready {
        /// One bit per layer that is missing.
        missing: u64,
        /// The error number of the first step that failed for want of something dispensable; 0 when none did.
        errno: i32,
    },
    /// A step of the set-up failed. The sandbox is gone.
    SetupFailed {
        /// Which plan: 0 init, 1 layer, 2 world, 3 drop, 4 the machinery itself.
        phase: u32,
        /// Index of the step in that plan.
        step: u32,
        /// The error number.
        errno: i32,
    },
    /// A run ended.
    Ended(Ended),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Cause {
    /// By itself.
    Itself = 0,
    /// The wall-clock limit.
    WallTime = 1,
    /// The CPU-time limit.
    CpuTime = 2,
    /// The owner asked.
    Cancelled = 3,
    /// The program was never started; see [`Ended::failed_step`].
    NotStarted = 4,
}

/// The end of a run, and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub cause: Cause,
    /// Wait status (`waitpid(2)`).
    pub status: i32,
    /// Wall-clock nanoseconds.
    pub wall_ns: u64,
    /// User-mode microseconds of everything reaped.
    pub user_us: u64,
    /// Kernel-mode microseconds of everything reaped.
    pub system_us: u64,
    /// CPU nanoseconds by the control group; `u64::MAX` without one.
    pub cpu_ns: u64,
    /// Highest memory use in bytes by the control group; without one, of the largest process reaped.
    pub peak_memory: u64,
    /// Processes and threads created.
    pub created: u32,
    /// Processes that the memory limit killed.
    pub oom_kills: u64,
    /// Times that the process limit refused one.
    pub process_refusals: u64,
    /// Free bytes are used up in the writable layer.
    pub disk_full: bool,
    /// Free inodes are used up in the writable layer.
    pub inodes_full: bool,
    /// For [`Cause::NotStarted`]: which call failed (see [`StartStep`]).
    pub failed_step: u32,
    /// For [`Cause::NotStarted`]: the error number.
    pub errno: i32,
    /// The program was a fork of a warm interpreter.
    pub warm: bool,
    /// Nothing was left behind since the last renewal: the sandbox may serve somebody else as it is.
    pub untouched: bool,
}

/// The calls between the request and the program's first instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum StartStep {
    /// Reaching the spawner: a program left running by an earlier command had stopped or killed it.
    Spawner = 1,
    /// The request does not fit into the spawner's tables.
    Arguments = 2,
    /// `clone(2)`.
    Clone = 3,
    /// `dup3(2)` of the three streams.
    Streams = 4,
    /// `chdir(2)`.
    Directory = 5,
    /// `ioctl(TIOCSCTTY)`.
    Terminal = 6,
    /// `execve(2)`.
    Execute = 7,
}

impl StartStep {
    /// The step with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Spawner,
            2 => Self::Arguments,
            3 => Self::Clone,
            4 => Self::Streams,
            5 => Self::Directory,
            6 => Self::Terminal,
            7 => Self::Execute,
            _ => return None,
        })
    }
}

impl Reply {
    /// The packet.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "bit patterns travel as words and come back the same way")]
    pub fn encode(&self) -> [u8; REPLY_BYTES] {
        let mut words = [0; REPLY_WORDS];
        match *self {
            Self::Ready { missing, errno } => words[..3].copy_from_slice(&[1, missing, errno as u64]),
            Self::SetupFailed { phase, step, errno } => {
                words[..4].copy_from_slice(&[2, u64::from(phase), u64::from(step), errno as u64]);
            }
            Self::Ended(ended) => {
                words = [
                    3,
                    ended.cause as u64,
                    ended.status as u64,
                    ended.wall_ns,
                    ended.user_us,
                    ended.system_us,
                    ended.cpu_ns,
                    ended.peak_memory,
                    u64::from(ended.created),
                    ended.oom_kills,
                    ended.process_refusals,
                    u64::from(ended.disk_full),
                    u64::from(ended.inodes_full),
                    u64::from(ended.failed_step),
                    ended.errno as u64,
                    u64::from(ended.warm),
                    u64::from(ended.untouched),
                ];
            }
        }
        words_to_bytes(words)
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// `EBADMSG` when it is not one of ours.
    #[expect(clippy::cast_possible_truncation, reason = "bit patterns travel as words and come back the same way")]
    pub fn decode(packet: &[u8]) -> Result<Self, Errno> {
        let bad = Errno(libc::EBADMSG);
        if packet.len() != REPLY_BYTES {
            return Err(bad);
        }
        let words: [u64; REPLY_WORDS] = bytes_to_words(packet).ok_or(bad)?;
        Ok(match words[0] {
            1 => Self::Ready { missing: words[1], errno: words[2] as i32 },
            2 => Self::SetupFailed { phase: words[1] as u32, step: words[2] as u32, errno: words[3] as i32 },
            3 => Self::Ended(Ended {
                cause: match words[1] {
                    0 => Cause::Itself,
                    1 => Cause::WallTime,
                    2 => Cause::CpuTime,
                    3 => Cause::Cancelled,
                    4 => Cause::NotStarted,
                    _ => return Err(bad),
                },
                status: words[2] as i32,
                wall_ns: words[3],
                user_us: words[4],
                system_us: words[5],
                cpu_ns: words[6],
                peak_memory: words[7],
                created: words[8] as u32,
                oom_kills: words[9],
                process_refusals: words[10],
                disk_full: words[11] != 0,
                inodes_full: words[12] != 0,
                failed_step: words[13] as u32,
                errno: words[14] as i32,
                warm: words[15] != 0,
                untouched: words[16] != 0,
            }),
            _ => return Err(bad),
        })
    }
}

fn words_to_bytes<const WORDS: usize, const BYTES: usize>(words: [u64; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn bytes_to_words<const WORDS: usize>(bytes: &[u8]) -> Option<[u64; WORDS]> {
    let mut words = [0; WORDS];
    let (chunks, _) = bytes.get(..WORDS * 8)?.as_chunks::<8>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_ne_bytes(*chunk);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way() {
        let request = Request {
            kind: RequestKind::Run,
            flags: flag::TERMINAL,
            wall_ns: 7,
            cpu_ns: u64::MAX,
            signal: 9,
            arguments: 3,
            variables: 2,
            text: 0,
            warm: 4,
        };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
        let replies = [
            Reply::Ready { missing: 1 << 63, errno: 38 },
            Reply::SetupFailed { phase: 2, step: 40, errno: 1 },
            Reply::Ended(Ended {
                cause: Cause::CpuTime,
                status: -1,
                wall_ns: 1,
                user_us: 2,
                system_us: 3,
                cpu_ns: u64::MAX,
                peak_memory: 5,
                created: 6,
                oom_kills: 7,
                process_refusals: 8,
                disk_full: true,
                inodes_full: false,
                failed_step: 7,
                errno: 2,
                warm: true,
                untouched: true,
            }),
        ];
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn packets_that_are_not_ours_are_refused() {
        let request = Request { text: 5, ..Request::plain(RequestKind::Run) };
        let bad = Err(Errno(libc::EBADMSG));
        assert_eq!(Request::decode(&request.encode()), bad, "the strings are missing");
        assert_eq!(Request::decode(&[0; REQUEST_BYTES]), bad, "no such kind");
        assert_eq!(Request::decode(&[1; 8]), bad, "too short");
        assert_eq!(Reply::decode(&[9; REPLY_BYTES]).err(), Some(Errno(libc::EBADMSG)));
    }
}
