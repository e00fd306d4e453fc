//! Numbers that the kernel keeps, in files which are open already.

use crate::call::{self, Fd};

/// A number that the kernel keeps in a file which is open already.
#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// The file; -1 when there is none.
    pub file: Fd,
    /// The word before the number on its line; empty when the number is all.
    pub key: &'static str,
    /// Factor to our unit.
    pub unit: u64,
}

impl Counter {
    /// No such counter.
    pub const NONE: Self = Self { file: -1, key: "", unit: 1 };

    pub(super) fn read(&self) -> Option<u64> {
        if self.file < 0 {
            return None;
        }
        let mut text = [0; 1024];
        let length = call::read_at_start(self.file, &mut text).ok()?;
        let text = text.get(..length)?;
        let number = |digits: &[u8]| {
            core::str::from_utf8(digits).ok().and_then(|digits| digits.trim_ascii().parse::<u64>().ok())
        };
        let value = if self.key.is_empty() {
            number(text)?
        } else {
            text.split(|&byte| byte == b'\n').find_map(|line| {
                let rest = line.strip_prefix(self.key.as_bytes())?.strip_prefix(b" ")?;
                number(rest)
            })?
        };
        Some(value.saturating_mul(self.unit))
    }
}

/// The control group's counters, made by the owner, read by the init.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// CPU nanoseconds used.
    pub cpu: Counter,
    /// Highest memory use in bytes; writing to it starts it anew.
    pub memory_peak: Counter,
    /// Processes killed for want of memory.
    pub oom_kills: Counter,
    /// Processes and threads alive.
    pub processes: Counter,
    /// Refused processes.
    pub process_refusals: Counter,
}

impl Counters {
    /// None of them.
    pub const NONE: Self = Self {
        cpu: Counter::NONE,
        memory_peak: Counter::NONE,
        oom_kills: Counter::NONE,
        processes: Counter::NONE,
        process_refusals: Counter::NONE,
    };
}
