//! Programs in sandboxes of a pool: one each, which is renewed when its program has ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use belljar_sandbox::{
    Command, End, Launcher, Limit, Outcome, Output, Policy, Pool, PoolSettings, Reuse, Sandbox, SandboxError, Stdin,
    TakeError, Usage,
};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Control, Ending, EngineError, Process};
use crate::bus::Boxed;

/// How long a message waits for a sandbox, at most. All of an app's are in use then.
pub const SANDBOX_WAIT: Duration = Duration::from_secs(60);
/// How long a message waits for one of the sandboxes that are kept, before another is made for it alone.
const KEPT_WAIT: Duration = Duration::from_millis(20);
/// How long a program that was sent SIGKILL may take to be gone before its whole sandbox is ended.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
const SIGKILL: i32 = 9;
const SIGXFSZ: i32 = 25;

/// What is started, the same each time.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) argv: Vec<OsString>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) directory: Option<PathBuf>,
}

/// How many sandboxes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// Kept ready: as many as it takes to keep all CPUs busy.
    pub(super) kept: usize,
    /// Made when all of those are in use, for one program each, at most so many at the same time: for apps that wait for somebody.
    pub(super) more: usize,
}

/// Makes programs in sandboxes.
#[derive(Debug)]
pub(super) struct Sandboxed {
    pool: Pool,
    launcher: Launcher,
    more: Arc<Semaphore>,
    launch: Launch,
    running: TaskTracker,
    closing: CancellationToken,
}

/// A sandbox, and the place that it takes, which is free again after it.
struct Lent {
    sandbox: Sandbox,
    _place: Option<OwnedSemaphorePermit>,
}

/// A program that was started, with its streams still as they are.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) stdin: Sender,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    pub(super) control: SandboxControl,
}

impl From<Started> for Process {
    fn from(Started { stdin, stdout, stderr, control }: Started) -> Self {
        Self { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), control: Box::new(control) }
    }
}

impl Sandboxed {
    /// Begins to make sandboxes in the background. To be called within a tokio runtime.
    pub(super) fn new(
        launcher: &Launcher,
        policy: Policy,
        places: Places,
        launch: Launch,
    ) -> Result<Self, EngineError> {
        let pool = Pool::new(launcher, policy, PoolSettings { size: places.kept, reuse: Reuse::AfterReset })?;
        Ok(Self {
            pool,
            launcher: launcher.clone(),
            more: Arc::new(Semaphore::new(places.more)),
            launch,
            running: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// One that is free, or another while there may be more.
    async fn sandbox(&self) -> Result<Lent, EngineError> {
        if let Ok(sandbox) = self.pool.take(KEPT_WAIT).await {
            return Ok(Lent { sandbox, _place: None });
        }
        // Whichever is free first: those who have the others may keep them for long.
        let until = Instant::now() + SANDBOX_WAIT;
        let place = Arc::clone(&self.more).acquire_owned();
        tokio::select! {
            biased;
            Ok(place) = place => match Sandbox::by(&self.launcher, self.pool.policy()).await {
                Ok(sandbox) => return Ok(Lent { sandbox, _place: Some(place) }),
                Err(error) => tracing::warn!(%error, "no further sandbox could be made"),
            },
            taken = self.pool.take(SANDBOX_WAIT) => return self.lent(taken),
        }
        self.lent(self.pool.take(until.saturating_duration_since(Instant::now())).await)
    }

    fn lent(&self, taken: Result<Sandbox, TakeError>) -> Result<Lent, EngineError> {
        let sandbox = taken.map_err(|error| {
            let problem = self.pool.problem().unwrap_or_else(|| error.to_string());
            EngineError::System { doing: "waiting for a sandbox".to_owned(), source: io::Error::other(problem) }
        })?;
        Ok(Lent { sandbox, _place: None })
    }

    /// Starts the program.
    pub(super) async fn start(&self) -> Result<Started, EngineError> {
        let sandbox = self.sandbox().await?;
        let system = |source| EngineError::System { doing: "making a pipe".to_owned(), source };
        let (stdin, input) = io::pipe().map(|(theirs, ours)| (theirs.into(), ours.into())).map_err(system)?;
        let (output, stdout) = output_pipe().map_err(system)?;
        let (errors, stderr) = output_pipe().map_err(system)?;
        let Launch { argv, environment, directory } = self.launch.clone();
        let mut command = Command::new(argv)
            .environment(environment.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
        command.directory = directory;
        command.stdin = Stdin::Descriptor(stdin);
        command.output = Output::Descriptors(output, errors);
        let started = Started {
            stdin: Sender::from_owned_fd(input).map_err(system)?,
            stdout: Receiver::from_owned_fd(stdout).map_err(system)?,
            stderr: Receiver::from_owned_fd(stderr).map_err(system)?,
            control: self.run(sandbox, command),
        };
        Ok(started)
    }

    /// Ends all programs and then all sandboxes.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.running.close();
        self.running.wait().await;
        self.pool.close().await;
    }

    fn run(&self, sandbox: Lent, command: Command) -> SandboxControl {
        let (kill, killed) = oneshot::channel();
        let (report, end) = watch::channel(None);
        let closing = self.closing.clone();
        self.running.spawn(async move {
            let ended = run(sandbox, command, killed, closing).await;
            // Nobody may be there any more to hear it.
            report.send_replace(Some(ended));
        });
        SandboxControl { kill: Some(kill), end }
    }
}

/// A pipe: the writing end, and the reading end.
fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    io::pipe().map(|(ours, theirs)| (theirs.into(), ours.into()))
}

/// Runs a program until it ends or is to be killed. Its sandbox goes back to the pool, which ends whatever it left behind.
async fn run(
    mut lent: Lent,
    command: Command,
    killed: oneshot::Receiver<()>,
    closing: CancellationToken,
) -> (Ending, Option<Usage>) {
    let signaller = lent.sandbox.signaller();
    let run = lent.sandbox.run(command);
    tokio::pin!(run);
    tokio::select! {
        outcome = &mut run => return ended(outcome),
        // Also when whoever could ask for it is gone.
        _ = killed => {}
        () = closing.cancelled() => {}
    }
    // To its process group; its sandbox's renewal reaches all others. Asked for gently, the program's use is told.
    let sent = signaller.and_then(|signaller| signaller.send(SIGKILL));
    let outcome = match sent {
        Ok(()) => tokio::time::timeout(KILL_PATIENCE, &mut run).await.ok(),
        Err(_) => None,
    };
    outcome.map_or((Ending::Signaled(SIGKILL), None), ended)
}

fn ended(outcome: Result<Outcome, SandboxError>) -> (Ending, Option<Usage>) {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return (Ending::Failed(error.to_string()), None),
    };
    let ending = match outcome.end {
        End::Exited { code } => Ending::Exited(code),
        End::Signaled { signal } => Ending::Signaled(signal),
        End::LimitReached { limit: Limit::FileSize } => Ending::Signaled(SIGXFSZ),
        End::Cancelled => Ending::Signaled(SIGKILL),
        End::LimitReached { limit: Limit::CpuTime } => Ending::CpuTime,
        End::LimitReached { limit: Limit::Memory } => Ending::Memory,
        End::LimitReached { limit } => Ending::Failed(format!("the sandbox's limit of {limit} was reached")),
        End::SetupFailed { message, .. } => Ending::Failed(message),
    };
    (ending, Some(outcome.usage))
}

/// The other end of a program in a sandbox. Dropped, it kills the program.
#[derive(Debug)]
pub(super) struct SandboxControl {
    kill: Option<oneshot::Sender<()>>,
    end: watch::Receiver<Option<(Ending, Option<Usage>)>>,
}

impl SandboxControl {
    /// Whether the program has not ended.
    pub(super) fn lives(&self) -> bool {
        self.end.borrow().is_none() && self.end.has_changed().is_ok()
    }
}

impl Control for SandboxControl {
    fn kill(&mut self) {
        self.kill = None;
    }

    fn ended(&mut self) -> Boxed<'_, Ending> {
        Box::pin(async {
            let lost = || Ending::Failed("nobody watches the program any more".to_owned());
            let end = self.end.wait_for(Option::is_some).await;
            end.ok().and_then(|end| end.as_ref().map(|(ending, _)| ending.clone())).unwrap_or_else(lost)
        })
    }

    fn usage(&self) -> Option<Usage> {
        self.end.borrow().as_ref().and_then(|(_, usage)| *usage)
    }
}
