//! The exit codes of `belljar`: what a script may rely on.

use std::process;

use belljar_sandbox::{End, Limit, Outcome};

/// How a call of `belljar` ended, as its exit code.
///
/// `belljar run` hands on the code of the command (0 to 255). The codes of its own are chosen where commands seldom have theirs:
/// 125 to 127 mean what `env(1)`, `nice(1)` and `docker run` mean by them, and 240 to 247 lie above every `128 + signal`. A caller
/// that must tell "the command exited with 242" from "the memory limit was reached" asks for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// 0: all went well; for `doctor`: sandboxes can be made with the default policy.
    Success,
    /// 1: the call failed; for `doctor`: sandboxes cannot be made.
    Failure,
    /// 2: wrong usage: arguments or configuration that cannot be understood.
    Usage,
    /// 3: something is as bad as `--fail-on` says, or worse.
    Bad,
    /// 4: some sandboxes have given an answer, and others none.
    Partial,
    /// 5: the analysis is on its way.
    NotFinished,
    /// 125: no sandbox could be set up, so the command never ran.
    SetupFailed,
    /// 126: the command was found inside the sandbox and cannot be executed.
    NotExecutable,
    /// 127: the command was not found inside the sandbox.
    NotFound,
    /// 240 to 247: the command was killed because of this limit, or failed after it had run into it: with too many processes or
    /// files, and no more disk space, calls of the system fail and the command goes on.
    Limit(Limit),
    /// The command exited by itself with this code.
    Command(u8),
    /// 128 + n: signal n killed the command, as shells say it (`bash(1)`).
    Signal(u8),
}

/// The limits in the order of their codes, from 240.
const LIMITS: [Limit; 8] = [
    Limit::WallTime,
    Limit::CpuTime,
    Limit::Memory,
    Limit::Processes,
    Limit::FileSize,
    Limit::Disk,
    Limit::Inodes,
    Limit::Output,
];

/// The code of the first of [`LIMITS`].
const FIRST_LIMIT: u8 = 240;

/// `SIGTERM`'s number: a cancelled command counts as terminated.
const SIGTERM: u8 = 15;

impl ExitCode {
    /// The number given to the system.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Bad => 3,
            Self::Partial => 4,
            Self::NotFinished => 5,
            Self::SetupFailed => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Limit(limit) => {
                let place = LIMITS.iter().position(|each| *each == limit);
                FIRST_LIMIT + place.and_then(|place| u8::try_from(place).ok()).expect("LIMITS holds every limit")
            }
            Self::Command(code) => code,
            Self::Signal(signal) => 128_u8.saturating_add(signal),
        }
    }

    /// The code for what a command did.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match limit_behind(outcome) {
            Some(limit) => Self::Limit(limit),
            None => Self::of_end(&outcome.end),
        }
    }

    /// The code for the end of a command, whatever it met on the way.
    pub(crate) fn of_end(end: &End) -> Self {
        match end {
            End::Exited { code } => Self::Command(u8::try_from(*code).unwrap_or(u8::MAX)),
            End::Signaled { signal } => Self::Signal(u8::try_from(*signal).unwrap_or(0)),
            End::LimitReached { limit } => Self::Limit(*limit),
            End::Cancelled => Self::Signal(SIGTERM),
            End::SetupFailed { step, errno, .. } => Self::of_setup(step, *errno),
        }
    }

    /// Only the last step, `execve`, is about the command; a failure of any other is about the sandbox.
    fn of_setup(step: &str, errno: i32) -> Self {
        use rustix::io::Errno;
        if step != "execve" {
            return Self::SetupFailed;
        }
        match Errno::from_raw_os_error(errno) {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP => Self::NotFound,
            Errno::ACCESS
            | Errno::PERM
            | Errno::NOEXEC
            | Errno::ISDIR
            | Errno::TXTBSY
            | Errno::INVAL
            | Errno::LIBBAD => Self::NotExecutable,
            _ => Self::SetupFailed,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// The limit that ended a command, or that it ran into before it failed.
pub(crate) fn limit_behind(outcome: &Outcome) -> Option<Limit> {
    match outcome.end {
        End::LimitReached { limit } => Some(limit),
        End::Exited { code: 0 } | End::Cancelled | End::SetupFailed { .. } => None,
        End::Exited { .. } | End::Signaled { .. } => outcome.limits_reached.first().copied(),
    }
}

/// The option of `belljar run` that sets a limit.
pub(crate) const fn option_of(limit: Limit) -> &'static str {
    match limit {
        Limit::WallTime => "--wall-time",
        Limit::CpuTime => "--cpu-time",
        Limit::Memory => "--memory",
        Limit::Processes => "--processes",
        Limit::FileSize => "--file-size",
        Limit::Disk => "--disk",
        Limit::Inodes => "--inodes",
        Limit::Output => "--output",
    }
}

/// The table of exit codes at the end of `belljar run --help` and of its manual page.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0-255  the command's own
  128+n  signal n killed the command
  2      wrong usage
  125    no sandbox could be set up; the command never ran
  126    the command cannot be executed
  127    the command was not found inside the sandbox
  240    killed: wall time limit
  241    killed: CPU time limit
  242    killed: memory limit
  243    failed: limit of processes
  244    killed: file size limit
  245    failed: disk limit
  246    failed: limit of the number of files
  247    killed: output limit";

/// The table of exit codes of what asks sandboxes of others.
pub(crate) const ASK_EXIT_CODES: &str = "\
Exit codes:
  0      all sandboxes have answered, and nothing is as bad as --fail-on says
  1      of some sample no sandbox gave an answer, or something else failed
  2      wrong usage
  3      something is as bad as --fail-on says, or worse
  4      of each sample some sandbox gave an answer, but not all did
  5      the analysis is on its way (status, report, verdict, artifacts)
  128+n  ended by signal n";

#[cfg(test)]
pub(crate) mod tests {
    use belljar_sandbox::Usage;

    use super::*;

    /// An outcome of which only this matters.
    pub(crate) fn outcome(end: End, limits_reached: &[Limit]) -> Outcome {
        Outcome {
            end,
            limits_reached: limits_reached.to_vec(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            output_truncated: false,
            usage: Usage::default(),
            layers: Vec::new(),
        }
    }

    #[test]
    fn codes_are_as_documented() {
        let setup = |step: &str, errno| End::SetupFailed { step: step.into(), errno, message: String::new() };
        let cases: [(End, &[Limit], u8); 17] = [
            (End::Exited { code: 0 }, &[], 0),
            (End::Exited { code: 42 }, &[], 42),
            (End::Exited { code: 255 }, &[], 255),
            (End::Exited { code: 0 }, &[Limit::Processes], 0),
            (End::Exited { code: 1 }, &[Limit::Processes], 243),
            (End::Exited { code: 1 }, &[Limit::Disk], 245),
            (End::Signaled { signal: 6 }, &[Limit::Inodes], 246),
            (End::Signaled { signal: 9 }, &[], 137),
            (End::Signaled { signal: 15 }, &[], 143),
            (End::LimitReached { limit: Limit::WallTime }, &[Limit::Processes, Limit::WallTime], 240),
            (End::LimitReached { limit: Limit::Output }, &[], 247),
            (End::Cancelled, &[], 143),
            (setup("execve", 2), &[], 127),
            (setup("execve", 13), &[], 126),
            (setup("execve", 8), &[], 126),
            (setup("execve", 12), &[], 125),
            (setup("mount", 2), &[], 125),
        ];
        for (end, reached, code) in cases {
            assert_eq!(ExitCode::of(&outcome(end.clone(), reached)).number(), code, "{end:?} {reached:?}");
        }
    }

    #[test]
    fn codes_of_questions_are_in_their_help() {
        for code in [ExitCode::Bad, ExitCode::Partial, ExitCode::NotFinished] {
            assert!(ASK_EXIT_CODES.contains(&format!("\n  {}      ", code.number())), "{code:?}");
        }
    }

    #[test]
    fn every_limit_has_its_own_code_in_the_help() {
        for (place, limit) in LIMITS.into_iter().enumerate() {
            let code = ExitCode::Limit(limit).number();
            assert_eq!(usize::from(code), 240 + place);
            assert!(EXIT_CODES.contains(&format!("\n  {code}  ")), "{code} is in the help");
        }
    }
}
