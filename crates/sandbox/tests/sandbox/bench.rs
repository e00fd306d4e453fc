//! What the tests share: how sandboxes are had, and short words for what is expected.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use belljar_sandbox::{
    Command, End, Enforcement, Launcher, Layer, Limit, Outcome, Policy, Pool, PoolSettings, Reuse, Sandbox, Stdin,
};
use tempfile::TempDir;

use crate::leaks::{Holdings, descendants};

/// How long a test waits for a sandbox: the machine may be busy.
const WAIT: Duration = Duration::from_secs(60);

/// What a test needs of the machine and the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// User namespaces, like every sandbox.
    Nothing,
    /// Control groups of our own for memory, processes and CPU time.
    Groups,
    /// To be root of the machine.
    Root,
}

/// What all tests stand on.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) launcher: Launcher,
    pub(crate) privileged: bool,
    groups: Result<(), String>,
    /// What is held without any sandbox.
    at_first: Option<Holdings>,
    scratch: TempDir,
}

impl Bench {
    /// Makes a first sandbox, which tells what there is, and with which everything is opened that stays open.
    pub(crate) async fn new(launcher: Launcher) -> Self {
        let mut bench = Self {
            launcher,
            privileged: rustix::process::geteuid().is_root(),
            groups: Ok(()),
            at_first: None,
            scratch: tempfile::Builder::new().prefix("belljar-test-").tempdir().unwrap(),
        };
        let mut cell = bench.cell(Policy::default()).await;
        let outcome = cell.shell("true").await;
        assert!(outcome.success(), "{outcome:?}");
        for layer in [Layer::MemoryLimit, Layer::ProcessLimit, Layer::CpuAccounting] {
            if let Enforcement::Missing(reason) | Enforcement::Weakened(reason) = enforcement(&cell, layer) {
                bench.groups = Err(reason);
            }
        }
        cell.close().await;
        until("the first sandbox is gone", async || descendants(std::process::id()).len() == 1).await;
        bench.at_first = Some(Holdings::take(&bench).await);
        bench
    }

    /// Waits until nothing is held but what was at first.
    pub(crate) async fn is_as_at_first(&self) -> Result<(), String> {
        match &self.at_first {
            Some(at_first) => at_first.compare(self).await,
            None => Ok(()),
        }
    }

    /// Why a test cannot run here.
    pub(crate) fn lacks(&self, needs: Needs) -> Option<String> {
        match needs {
            Needs::Groups => self.groups.clone().err(),
            Needs::Root if !self.privileged => Some("this test needs root".to_owned()),
            Needs::Nothing | Needs::Root => None,
        }
    }

    pub(crate) fn has_groups(&self) -> bool {
        self.groups.is_ok()
    }

    /// A directory for files of tests; what a test leaves there is a leak.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn temporary(&self) -> TempDir {
        tempfile::tempdir_in(self.scratch()).unwrap()
    }

    pub(crate) fn pool(&self, policy: Policy, size: usize) -> Pool {
        self.pool_with(policy, PoolSettings { size, reuse: Reuse::AfterReset })
    }

    pub(crate) fn pool_with(&self, policy: Policy, settings: PoolSettings) -> Pool {
        Pool::new(&self.launcher, policy, settings).unwrap()
    }

    /// A sandbox and the pool of one that it came from.
    pub(crate) async fn cell(&self, policy: Policy) -> Cell {
        Cell::of(self.pool(policy, 1)).await
    }

    /// Runs one command in a sandbox of its own.
    pub(crate) async fn run(&self, policy: Policy, command: Command) -> Outcome {
        let mut cell = self.cell(policy).await;
        let outcome = cell.run(command).await.unwrap();
        cell.close().await;
        outcome
    }

    /// Why no sandbox can be had with this policy.
    pub(crate) async fn refusal(&self, policy: Policy) -> String {
        let pool = self.pool(policy, 1);
        let taken = pool.take(Duration::from_millis(300)).await;
        let problem = match taken {
            Ok(_) => panic!("there is a sandbox"),
            Err(error) => error.to_string(),
        };
        pool.close().await;
        problem
    }
}

/// A sandbox, with the pool that keeps it.
#[derive(Debug)]
pub(crate) struct Cell {
    sandbox: Option<Sandbox>,
    pool: Pool,
}

impl Cell {
    pub(crate) async fn of(pool: Pool) -> Self {
        let sandbox = Some(take(&pool).await);
        Self { sandbox, pool }
    }

    /// Gives the sandbox back and takes the next: the same one, renewed, or a new one.
    pub(crate) async fn next(&mut self) {
        self.sandbox = None;
        self.sandbox = Some(take(&self.pool).await);
    }

    pub(crate) fn into_sandbox(mut self) -> (Sandbox, Pool) {
        (self.sandbox.take().unwrap(), self.pool.clone())
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) async fn shell(&mut self, script: &str) -> Outcome {
        self.run(Command::shell(script)).await.unwrap()
    }

    /// Standard output of a script that must succeed.
    pub(crate) async fn say(&mut self, script: &str) -> String {
        let outcome = self.shell(script).await;
        assert!(outcome.success(), "{script}: {}", shown(&outcome));
        text(&outcome.stdout)
    }

    pub(crate) async fn python(&mut self, program: &str) -> Outcome {
        self.run(python(program)).await.unwrap()
    }

    /// Compiles a C program inside, as `/tmp/NAME`.
    pub(crate) async fn compile(&mut self, name: &str, source: &str) {
        let mut command =
            Command::new(["gcc", "-O1", "-w", "-x", "c", "-", "-lpthread", "-lrt", "-o", &format!("/tmp/{name}")]);
        command.stdin = Stdin::Bytes(source.as_bytes().to_vec());
        let outcome = self.run(command).await.unwrap();
        assert!(outcome.success(), "{}", shown(&outcome));
    }

    pub(crate) async fn close(mut self) {
        self.sandbox = None;
        self.pool.close().await;
    }
}

impl Deref for Cell {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }
}

impl DerefMut for Cell {
    fn deref_mut(&mut self) -> &mut Sandbox {
        self.sandbox.as_mut().unwrap()
    }
}

pub(crate) async fn take(pool: &Pool) -> Sandbox {
    match pool.take(WAIT).await {
        Ok(sandbox) => sandbox,
        Err(error) => panic!("{error}: {:?}", pool.problem()),
    }
}

pub(crate) fn python(program: &str) -> Command {
    Command::new(["python3", "-c", program])
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An outcome without the layers, which are long.
pub(crate) fn shown(outcome: &Outcome) -> String {
    let clip = |bytes: &[u8]| text(&bytes[..bytes.len().min(4000)]);
    format!(
        "{:?} {:?} {:?}\nstdout: {}\nstderr: {}",
        outcome.end,
        outcome.limits_reached,
        outcome.usage,
        clip(&outcome.stdout),
        clip(&outcome.stderr)
    )
}

pub(crate) const fn exited(code: i32) -> End {
    End::Exited { code }
}

pub(crate) const fn reached(limit: Limit) -> End {
    End::LimitReached { limit }
}

pub(crate) fn enforcement(sandbox: &Sandbox, layer: Layer) -> Enforcement {
    let report = sandbox.layers().iter().find(|report| report.layer == layer);
    report.expect("every layer is reported").enforcement.clone()
}

/// Waits until something holds.
///
/// # Panics
/// When it does not hold within ten seconds; `what` says what was waited for.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
