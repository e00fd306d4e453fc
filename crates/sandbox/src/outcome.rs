//! What a program did: data, never an error of ours.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::layer::LayerReport;

/// A limit of the policy that a program can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Wall-clock time.
    WallTime,
    /// CPU time of all processes together.
    CpuTime,
    /// Memory of all processes together, files in the writable layer included.
    Memory,
    /// Number of processes and threads.
    Processes,
    /// Size of one file.
    FileSize,
    /// Bytes in the writable layer.
    Disk,
    /// Files in the writable layer.
    Inodes,
    /// Bytes written to standard output and standard error together.
    Output,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WallTime => "wall time",
            Self::CpuTime => "CPU time",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::FileSize => "file size",
            Self::Disk => "disk space",
            Self::Inodes => "number of files",
            Self::Output => "output size",
        })
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum End {
    /// It exited by itself with this code (0 to 255).
    Exited {
        /// The code.
        code: i32,
    },
    /// A signal that was not ours killed it.
    Signaled {
        /// The signal's number (`signal(7)`).
        signal: i32,
    },
    /// It was killed, with everything it had started, because of this limit.
    LimitReached {
        /// The limit.
        limit: Limit,
    },
    /// It was killed because the caller asked.
    Cancelled,
    /// It never ran: this step of the preparation failed.
    SetupFailed {
        /// The step, such as `execve`.
        step: String,
        /// The system's error number (`errno(3)`).
        errno: i32,
        /// A sentence for people.
        message: String,
    },
}

/// What a command used. Everything it started is counted, as far as it had ended when the command did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// From the start of the program to its end, in seconds on the wire.
    #[serde(rename = "wall_time_s", serialize_with = "seconds")]
    pub wall_time: Duration,
    /// CPU time in user mode.
    #[serde(rename = "user_time_s", serialize_with = "seconds")]
    pub user_time: Duration,
    /// CPU time in kernel mode.
    #[serde(rename = "system_time_s", serialize_with = "seconds")]
    pub system_time: Duration,
    /// CPU time of all processes, living ones included, by the control group; absent without one.
    #[serde(rename = "cpu_time_s", serialize_with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub cpu_time: Option<Duration>,
    /// Highest memory use in bytes: of the whole sandbox where a control group counts it, else of its largest process.
    pub peak_memory_bytes: u64,
    /// Processes and threads created.
    pub processes_created: u32,
    /// The program started as a fork of a warm interpreter.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warm: bool,
}

/// The end of a command, its output and its use of resources.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Limits that it ran into, whether or not they ended it: a program that handles `EAGAIN` goes on.
    pub limits_reached: Vec<Limit>,
    /// Standard output; empty unless collected.
    #[serde(serialize_with = "lossy")]
    pub stdout: Vec<u8>,
    /// Standard error; empty unless collected.
    #[serde(serialize_with = "lossy")]
    pub stderr: Vec<u8>,
    /// Whether the output was cut at the limit.
    pub output_truncated: bool,
    /// What it used.
    pub usage: Usage,
    /// What was enforced while it ran.
    pub layers: Vec<LayerReport>,
}

impl Outcome {
    /// Exited by itself with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.end == End::Exited { code: 0 }
    }
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

fn optional_seconds<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.serialize_f64(time.as_secs_f64()),
        None => to.serialize_none(),
    }
}

fn lossy<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(bytes))
}
