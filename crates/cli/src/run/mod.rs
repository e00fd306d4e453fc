//! `belljar run`: one command in a new sandbox.

mod hint;
mod image;
mod input;
mod network;
mod plan;
mod report;
mod signals;
mod terminal;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::iter;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use belljar_egress::Connection;
use belljar_image::RootfsChoice;
use belljar_sandbox::{Command, End, Outcome, Output, Sandbox, SandboxError, Stdin, Usage};
use input::Typed;
use network::Log;
use plan::{Plan, PlanError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{stderr, stdout};
use signals::Signals;
use terminal::Terminal;

use crate::args::{InputSource, RunArgs, TerminalChoice};
use crate::exit::{ExitCode, limit_behind};
use crate::failure::{Failure, advise, print, say};
use crate::image::images_for_run;

/// Runs the command that the arguments describe, to its end.
///
/// # Errors
///
/// The arguments cannot be carried out, or no sandbox can be made. What the command does is no error.
pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let directory = env::current_dir().map_err(PlanError::CurrentDirectory).map_err(Failure::usage)?;
    let image = match &args.rootfs {
        RootfsChoice::Image(name) => {
            let images = images_for_run(args.data_dir.as_ref())?;
            Some(images.open(name).map_err(crate::image::failure)?)
        }
        RootfsChoice::Host | RootfsChoice::Directory(_) => None,
    };
    let plan = Plan::new(args, image, directory, |name| env::var_os(name)).map_err(Failure::usage)?;
    for layer in &plan.switched_off {
        say(format_args!("warning: the layer '{}' is switched off (--layer)", layer.name()));
    }
    let terminal = match plan.terminal {
        TerminalChoice::Always => true,
        TerminalChoice::Never => false,
        TerminalChoice::Auto => plan.input == InputSource::Caller && Terminal::of_caller(),
    };
    // One thread, because a process is cloned from this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let log = Arc::new(Log::default());
    let outcome = runtime.block_on(execute(&plan, terminal, &log));
    // A name that is still being resolved keeps nobody waiting.
    runtime.shutdown_background();
    tell(&plan, &outcome?, &log.take())
}

/// Makes the sandbox, runs the command in it, and has it gone again. A sandbox that cannot be made is an outcome too, so that a
/// caller who wants JSON always gets some.
async fn execute(plan: &Plan, with_terminal: bool, log: &Arc<Log>) -> Result<Outcome, Failure> {
    // From here on a signal is for the command, even one that comes while there is none yet.
    let mut signals = Signals::listen().context("cannot wait for signals")?;
    let mut command = Command::new(&plan.argv);
    command.directory.clone_from(&plan.directory);
    let (mut terminal, mut typed) = (None, None);
    if with_terminal {
        let opened = Terminal::open().context("cannot open a terminal for the command")?;
        connect_terminal(&mut command, &opened).context("cannot open a terminal for the command")?;
        terminal = Some(opened);
    } else {
        typed = connect_streams(&mut command, plan)?;
    }
    command.environment.extend(plan.environment.iter().cloned());

    let mut sandbox = match Sandbox::alone(&plan.policy) {
        Ok(sandbox) => sandbox,
        Err(error) => return Ok(no_sandbox(&error)),
    };
    // The sandbox is made, so there may be threads.
    let terminal = terminal.map(Terminal::connect).transpose().context("cannot connect the terminal")?;
    typed.map(Typed::pass_on).transpose().context("cannot pass on what is typed")?;
    let signaller = sandbox.signaller().context("cannot pass signals on")?;
    let gate = network::open(plan.rules.as_ref(), &sandbox, log).context("cannot serve the command's network")?;
    let outcome = {
        let mut bridge = pin!(async {
            match &gate {
                Some(gate) => gate.serve().await,
                None => std::future::pending().await,
            }
        });
        let mut end = pin!(sandbox.run(command));
        loop {
            tokio::select! {
                outcome = &mut end => break outcome.unwrap_or_else(|error| no_sandbox(&error)),
                never = &mut bridge => match never {},
                signal = signals.next() => {
                    if let Some(terminal) = &terminal {
                        terminal.notice(signal);
                    }
                    // A command that has ended has no use for it.
                    let _ = signaller.send(signal.as_raw());
                }
            }
        }
    };
    // Whoever still holds the command's terminal is gone then.
    drop(sandbox);
    if let Some(terminal) = terminal {
        terminal.finish();
    }
    Ok(outcome)
}

fn connect_terminal(command: &mut Command, terminal: &Terminal) -> io::Result<()> {
    // What programs there know how to draw on.
    command.environment.extend(env::var_os("TERM").map(|term| (OsString::from("TERM"), term)));
    command.stdin = Stdin::Descriptor(terminal.for_command()?);
    command.output = Output::Descriptors(terminal.for_command()?, terminal.for_command()?);
    Ok(())
}

fn connect_streams(command: &mut Command, plan: &Plan) -> Result<Option<Typed>, Failure> {
    let (input, typed) = input::open(&plan.input).map_err(|error| match &plan.input {
        InputSource::File(path) => {
            Failure::usage(anyhow::Error::new(error).context(format!("--stdin {}", path.display())))
        }
        InputSource::Caller => Failure::from(anyhow::Error::new(error).context("cannot use standard input")),
    })?;
    command.stdin = Stdin::Descriptor(input);
    if !plan.json {
        let own = || Ok::<_, io::Error>((stdout().try_clone_to_owned()?, stderr().try_clone_to_owned()?));
        let (stdout, stderr) = own().context("cannot use standard output and standard error")?;
        command.output = Output::Forward(stdout, stderr);
    }
    Ok(typed)
}

/// The outcome of a command that never ran, for want of a sandbox.
fn no_sandbox(error: &SandboxError) -> Outcome {
    let (step, errno) = match error {
        SandboxError::Setup { step, source } => (step.as_str(), source.raw_os_error()),
        SandboxError::Missing { layer, .. } => (layer.name(), None),
        SandboxError::Policy(_) => ("policy", None),
        _ => ("sandbox", None),
    };
    let causes = iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    let message = causes.fold(error.to_string(), |message, cause| format!("{message}: {cause}"));
    Outcome {
        end: End::SetupFailed { step: step.to_owned(), errno: errno.unwrap_or_default(), message },
        limits_reached: Vec::new(),
        stdout: Vec::new(),
        stderr: Vec::new(),
        output_truncated: false,
        usage: Usage::default(),
        layers: Vec::new(),
    }
}

/// What `--json` prints.
#[derive(Debug, serde::Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// Only with an allow-list.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<&'a [Connection]>,
}

/// Tells the caller how it ended, and finds the exit code.
fn tell(plan: &Plan, outcome: &Outcome, connections: &[Connection]) -> Result<ExitCode, Failure> {
    if plan.json {
        let told = Told { outcome, connections: plan.rules.is_some().then_some(connections) };
        let mut text = serde_json::to_vec(&told).context("cannot write the outcome as JSON")?;
        text.push(b'\n');
        print(text)?;
    }
    if reader_left(outcome) {
        return Ok(ExitCode::Success);
    }
    let program = plan.argv.first().cloned().unwrap_or_default();
    let warnings = report::warnings(&outcome.layers, &plan.asked_for);
    let refusals = network::lines(connections);
    for line in warnings.into_iter().chain(refusals).chain(report::lines(outcome, &plan.policy.limits, &program)) {
        say(line);
    }
    if may_miss_a_file(outcome) {
        let path = env::var_os("PATH").unwrap_or_default();
        if let Some(hint) = hint::hint(&plan.policy, &plan.argv, &plan.caller_directory, &path) {
            advise(hint);
        }
    }
    Ok(ExitCode::of(outcome))
}

/// Whether a file that is not there is a likely reason for the end: not when a limit or a signal is.
fn may_miss_a_file(outcome: &Outcome) -> bool {
    match outcome.end {
        End::Exited { code } => code != 0 && limit_behind(outcome).is_none(),
        End::SetupFailed { .. } => matches!(ExitCode::of(outcome), ExitCode::NotFound | ExitCode::NotExecutable),
        End::Signaled { .. } | End::LimitReached { .. } | End::Cancelled => false,
    }
}

/// Whether the command ended because whoever reads its output had enough: a broken pipe is success.
fn reader_left(outcome: &Outcome) -> bool {
    let killed = outcome.end == End::Signaled { signal: rustix::process::Signal::PIPE.as_raw() };
    let output = stdout();
    let mut state = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    killed && poll(&mut state, Some(&now)).is_ok() && state[0].revents().contains(PollFlags::ERR)
}
