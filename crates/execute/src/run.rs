//! The run of one request, step by step.

use std::ffi::OsString;
use std::fs::File;
use std::time::{Duration, Instant};

use belljar_sandbox::agent::Refusal;
use belljar_sandbox::{AgentError, End, Limit, Outcome, Sandbox, SandboxError, Usage};
use belljar_store::{Blobs, EnvironmentId, StoreError, StoredBlob};
use rustix::io::Errno;
use tokio::io::AsyncReadExt;

use crate::budget::Budget;
use crate::direct;
use crate::{Command, ExecuteError, Execution, Request, ResultFile, Settings};

/// What goes between the sandbox and the store at a time.
const CHUNK: usize = 64 << 10;

/// Unpacks the base and then the upload over it: so a file of the upload wins, however its name is spelled.
pub(crate) async fn unpack(
    sandbox: &mut Sandbox,
    base: Option<(EnvironmentId, File)>,
    upload: Option<File>,
    settings: &Settings,
) -> Result<(), ExecuteError> {
    let limit = settings.archive_timeout;
    if let Some((environment, archive)) = base {
        let unpacked = sandbox.unpack(archive.into(), settings.saved_archive_limits());
        within("unpacking the environment", limit, unpacked)
            .await?
            .map_err(|error| of_saved_archive(environment, error))?;
    }
    if let Some(archive) = upload {
        let unpacked = sandbox.unpack(archive.into(), settings.archive_limits());
        within("unpacking the archive", limit, unpacked).await?.map_err(|error| match error {
            AgentError::Refused(refusal) => ExecuteError::Archive(refusal),
            error => of_agent(error),
        })?;
    }
    Ok(())
}

/// Runs the commands in order until one ends the run.
pub(crate) async fn run_commands(
    sandbox: &mut Sandbox,
    request: &Request,
    whole: Duration,
) -> Result<Vec<Execution>, ExecuteError> {
    let mut budget = Budget::new(whole);
    let mut executions = Vec::with_capacity(request.commands.len());
    for (index, command) in request.commands.iter().enumerate() {
        let allowance = budget.allow(command.timeout);
        let began = Instant::now();
        let outcome = if allowance.time.is_zero() {
            not_started(End::LimitReached { limit: Limit::WallTime })
        } else if let Some(problem) = impossible(command, &request.variables) {
            not_started(problem)
        } else {
            match run_script(sandbox, &command.script, &request.variables, allowance.time).await {
                Ok(outcome) => outcome,
                // Too long, for example: what was asked for cannot be run, like a script that is too long for the kernel.
                Err(SandboxError::Command(message)) => not_started(setup_failed(Errno::TOOBIG, message)),
                Err(error) => return Err(of_sandbox(error)),
            }
        };
        let time = began.elapsed();
        budget.spend(time);
        let last = ends_run(&outcome, command.ignore_failure, request.stop_at_invalid_utf8);
        executions.push(Execution { command: index, limit: allowance.limit, time, outcome });
        if last {
            break;
        }
    }
    Ok(executions)
}

/// Runs a script by the shell, or without one where that is the same.
async fn run_script(
    sandbox: &mut Sandbox,
    script: &str,
    variables: &[(String, String)],
    wall_time: Duration,
) -> Result<Outcome, SandboxError> {
    let given = || variables.iter().map(|(name, value)| (name.into(), value.into()));
    if let Some(words) = direct::words(script, variables) {
        let work_directory = sandbox.policy().work_directory.to_string_lossy().into_owned();
        let added = direct::variables(&work_directory).map(|(name, value)| (name.into(), value.into()));
        let command = belljar_sandbox::Command::new(words).environment(given().chain(added)).wall_time(wall_time);
        let outcome = sandbox.run(command).await?;
        if !matches!(&outcome.end, End::SetupFailed { step, .. } if step == "execve") {
            return Ok(outcome);
        }
    }
    let shell = belljar_sandbox::Command::shell(OsString::from(script)).environment(given()).wall_time(wall_time);
    sandbox.run(shell).await
}

/// Whether nothing runs after a command that ended like this.
fn ends_run(outcome: &Outcome, ignore_failure: bool, stop_at_invalid_utf8: bool) -> bool {
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    match outcome.end {
        // Not a failure of the command: it did not run, and the next one would not either.
        End::SetupFailed { .. } | End::Cancelled => true,
        End::LimitReached { limit: Limit::WallTime } => !ignore_failure,
        End::Exited { .. } | End::Signaled { .. } | End::LimitReached { .. } => {
            (!outcome.success() && !ignore_failure)
                || (stop_at_invalid_utf8 && !(is_text(&outcome.stdout) && is_text(&outcome.stderr)))
        }
    }
}

/// A zero byte ends a text for the kernel: no program can be given one in an argument or a variable.
fn impossible(command: &Command, variables: &[(String, String)]) -> Option<End> {
    let problem = |what: &str| setup_failed(Errno::INVAL, format!("{what} holds a zero byte"));
    if command.script.contains('\0') {
        return Some(problem("the command"));
    }
    let broken = variables.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'));
    broken.then(|| problem("an environment variable"))
}

/// The end of a command that never ran.
fn setup_failed(errno: Errno, message: String) -> End {
    End::SetupFailed { step: "execve".to_owned(), errno: errno.raw_os_error(), message }
}

fn not_started(end: End) -> Outcome {
    let limits_reached = match &end {
        End::LimitReached { limit } => vec![*limit],
        _ => Vec::new(),
    };
    Outcome {
        end,
        limits_reached,
        stdout: Vec::new(),
        stderr: Vec::new(),
        output_truncated: false,
        usage: Usage::default(),
        layers: Vec::new(),
    }
}

/// Reads the file that was asked for. That it cannot be read is part of the answer.
pub(crate) async fn read_result(
    sandbox: &mut Sandbox,
    path: &str,
    settings: &Settings,
) -> Result<ResultFile, ExecuteError> {
    if !is_possible_path(path) {
        return Ok(ResultFile::Unavailable(Refusal::NotFound.to_string()));
    }
    let read = sandbox.read_file(path, settings.max_result.bytes());
    match within("reading the result", settings.archive_timeout, read).await? {
        Ok(bytes) => Ok(ResultFile::Content(bytes)),
        Err(AgentError::Refused(refusal)) => Ok(ResultFile::Unavailable(refusal.to_string())),
        Err(AgentError::TooLarge(max_bytes)) => Ok(ResultFile::Unavailable(Refusal::TooLarge(max_bytes).to_string())),
        Err(AgentError::Failed { step, errno }) => {
            let cause = std::io::Error::from_raw_os_error(errno);
            Ok(ResultFile::Unavailable(format!("{step}: {cause}")))
        }
        Err(error) => Err(of_agent(error)),
    }
}

/// Whether the kernel could know a file by this name: at most `PATH_MAX`, with its zero byte at the end and nowhere else. What
/// is longer does not even fit into the message that asks for it.
pub(crate) fn is_possible_path(path: &str) -> bool {
    const PATH_MAX: usize = 4096;
    path.len() < PATH_MAX && !path.contains('\0')
}

/// Packs the working directory into the store, piece by piece.
pub(crate) async fn pack(
    sandbox: &mut Sandbox,
    blobs: &Blobs,
    settings: &Settings,
) -> Result<StoredBlob, ExecuteError> {
    let max_bytes = settings.max_saved.bytes();
    let mut writer = blobs.writer(max_bytes);
    let (mut sink, mut source) = tokio::io::duplex(CHUNK);
    let pack = async {
        let packed = sandbox.pack(settings.compression_level, &mut sink, max_bytes).await;
        drop(sink); // The end of what is to be stored.
        packed
    };
    // Dropped when the store fails, so that the packing ends, too, instead of waiting for a reader.
    let store = async move {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = source
                .read(&mut chunk)
                .await
                .map_err(|source| ExecuteError::Io { step: "reading the packed environment", source })?;
            if length == 0 {
                return Ok(writer);
            }
            writer.write(&chunk[..length]).await.map_err(|error| of_saving(error, max_bytes))?;
        }
    };
    let both = async { tokio::join!(pack, store) };
    let (packed, stored) = within("packing the environment", settings.archive_timeout, both).await?;
    // The store's failure is the cause of the other one.
    let writer = stored?;
    match packed {
        Ok(_) => writer.finish().await.map_err(|error| of_saving(error, max_bytes)),
        Err(AgentError::TooLarge(_)) => Err(ExecuteError::TooLargeToSave { max_bytes }),
        Err(AgentError::Refused(refusal)) => Err(ExecuteError::CannotSave(refusal)),
        Err(error) => Err(of_agent(error)),
    }
}

/// A step of ours inside the sandbox, in bounded time. What is late is given up, and with it the sandbox.
pub(crate) async fn within<T>(
    step: &'static str,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, ExecuteError> {
    tokio::time::timeout(limit, future).await.map_err(|_| ExecuteError::Slow { step, limit })
}

/// Whose fault it is that a saved archive cannot be read: never the caller's, who only named it.
pub(crate) fn of_saved_archive(environment: EnvironmentId, error: AgentError) -> ExecuteError {
    match error {
        AgentError::Refused(refusal) => ExecuteError::Unusable { environment, refusal },
        error => of_agent(error),
    }
}

pub(crate) fn of_agent(error: AgentError) -> ExecuteError {
    // Files of a sandbox are in memory, and count as such.
    let no_room = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::NOMEM].map(Errno::raw_os_error);
    match error {
        AgentError::Failed { errno, .. } if no_room.contains(&errno) => ExecuteError::DoesNotFit,
        AgentError::Sandbox(error) => of_sandbox(error),
        error => ExecuteError::Sandbox(Box::new(error)),
    }
}

pub(crate) fn of_sandbox(error: SandboxError) -> ExecuteError {
    ExecuteError::Sandbox(Box::new(error))
}

fn of_saving(error: StoreError, max_bytes: u64) -> ExecuteError {
    match error {
        StoreError::TooLarge { .. } => ExecuteError::TooLargeToSave { max_bytes },
        error => ExecuteError::Store(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End, stdout: &[u8]) -> Outcome {
        Outcome { stdout: stdout.to_vec(), ..not_started(end) }
    }

    #[test]
    fn what_ends_a_run() {
        let out_of_time = End::LimitReached { limit: Limit::WallTime };
        let out_of_memory = End::LimitReached { limit: Limit::Memory };
        let exited = |code| End::Exited { code };
        let killed = End::Signaled { signal: 9 };
        let setup = End::SetupFailed { step: "execve".to_owned(), errno: 2, message: String::new() };
        // How it ended, its output; whether that ends the run: plainly, ignored, for text only, ignored for text only.
        for (end, stdout, expected) in [
            (exited(0), &b"text"[..], [false, false, false, false]),
            (exited(0), b"\xff", [false, false, true, true]),
            (exited(1), b"text", [true, false, true, false]),
            (exited(1), b"\xff", [true, false, true, true]),
            (killed, b"", [true, false, true, false]),
            (out_of_memory, b"", [true, false, true, false]),
            (out_of_time.clone(), b"", [true, false, true, false]),
            (out_of_time, b"\xff", [true, false, true, false]),
            (End::Cancelled, b"", [true, true, true, true]),
            (setup, b"", [true, true, true, true]),
        ] {
            let outcome = outcome(end, stdout);
            let found = [(false, false), (true, false), (false, true), (true, true)]
                .map(|(ignore, text)| ends_run(&outcome, ignore, text));
            assert_eq!(found, expected, "{outcome:?}");
        }
        let mut complaint = outcome(exited(0), b"");
        complaint.stderr = b"\xff".to_vec();
        assert!(ends_run(&complaint, true, true));
    }

    #[test]
    fn zero_bytes_cannot_be_given_to_programs() {
        let command = |script: &str| Command { script: script.to_owned(), timeout: None, ignore_failure: false };
        let variable = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (script, variables, possible) in [
            ("true", vec![], true),
            ("true", variable("A", "b"), true),
            ("tr\0ue", vec![], false),
            ("true", variable("A\0", "b"), false),
            ("true", variable("A", "\0"), false),
        ] {
            let problem = impossible(&command(script), &variables);
            assert_eq!(problem.is_none(), possible, "{script:?} {variables:?}");
            assert!(problem.is_none_or(|end| matches!(end, End::SetupFailed { errno: 22, .. })));
        }
    }

    #[test]
    fn failures_name_who_is_to_blame() {
        let failed = |errno| of_agent(AgentError::Failed { step: "writing a".to_owned(), errno });
        assert!(matches!(failed(Errno::NOSPC.raw_os_error()), ExecuteError::DoesNotFit));
        assert!(matches!(failed(Errno::IO.raw_os_error()), ExecuteError::Sandbox(_)));
        let too_large = of_saving(StoreError::TooLarge { limit: 5 }, 5);
        assert!(matches!(too_large, ExecuteError::TooLargeToSave { max_bytes: 5 }));
        assert!(matches!(of_saving(StoreError::Stopped, 5), ExecuteError::Store(_)));
    }
}
