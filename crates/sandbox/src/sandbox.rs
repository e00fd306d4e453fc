//! A sandbox that is ready to run commands.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use belljar_sys::wire::{Cause, Ended, MAX_PACKET, REQUEST_BYTES, Reply, Request, RequestKind, StartStep, flag};
use rustix::net::SendFlags;
use rustix::process::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::cgroup::Group;
use crate::command::{Command, Stdin};
use crate::error::SandboxError;
use crate::init_socket::InitSocket;
use crate::launch::{Launch, Made};
use crate::launcher::{Handed, Launcher, Process, end_alone};
use crate::layer::LayerReport;
use crate::outcome::{End, Limit, Outcome, Usage};
use crate::policy::{Policy, Reuse};
use crate::streams::{Collector, Feeder};
use crate::warm::{self, ForWarm};

/// How much longer than its limits a run may take before its init counts as broken.
const GRACE: Duration = Duration::from_secs(10);

/// A sandbox that is ready to run commands, one at a time. Files stay from one command to the next; shells and variables do not.
///
/// Dropping it kills everything inside. One that came from a [`crate::Pool`] goes back there.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) inner: Option<Inner>,
    /// Where it goes when it is dropped.
    home: Option<oneshot::Sender<Inner>>,
}

/// What a sandbox consists of.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) socket: InitSocket,
    pub(crate) policy: Arc<Policy>,
    pub(crate) layers: Arc<[LayerReport]>,
    /// Sockets that listen inside; others after a reset that replaced the network.
    pub(crate) listeners: Vec<OwnedFd>,
    /// A request was sent whose reply was not read: its future was dropped.
    pub(crate) busy: bool,
    /// The init has seen that nobody left anything behind: no renewal is needed.
    pub(crate) untouched: bool,
    /// Processes were killed for want of memory. The kernel gives page tables back some time after their process is gone, and until then
    /// the init itself gets no memory: whoever came next would find a sandbox that dies.
    pub(crate) starved: bool,
    /// Made by this process, which therefore cleans up.
    _alone: Option<Alone>,
    /// Made by the launcher, which cleans up.
    _process: Option<Process>,
}

#[derive(Debug)]
struct Alone {
    pid: Pid,
    pidfd: OwnedFd,
    group: Option<Group>,
}

impl Drop for Alone {
    fn drop(&mut self) {
        end_alone(self.pid, &self.pidfd, self.group.take());
    }
}

impl Sandbox {
    /// Makes a sandbox by this process itself, which must have a single thread (a current-thread runtime): for one run from a
    /// command line. Servers use a [`crate::Launcher`] and a [`crate::Pool`].
    ///
    /// # Errors
    /// As [`SandboxError`] says; `EDEADLK` when there are other threads.
    pub fn alone(policy: &Policy) -> Result<Self, SandboxError> {
        let Made { socket, pidfd, pid, group, layers, listeners } = Launch::new().make(policy, Reuse::Never)?;
        let alone = Alone { pid, pidfd, group };
        let inner = Inner {
            socket: InitSocket::new(socket)?,
            policy: Arc::new(policy.clone()),
            layers: layers.into(),
            listeners,
            busy: false,
            untouched: false,
            starved: false,
            _alone: Some(alone),
            _process: None,
        };
        Ok(Self { inner: Some(inner), home: None })
    }

    /// Has a sandbox made by a launcher, for one caller.
    ///
    /// # Errors
    /// As [`SandboxError`] says.
    pub async fn by(launcher: &Launcher, policy: &Policy) -> Result<Self, SandboxError> {
        let handed = launcher.make(policy, Reuse::Never).await?;
        Ok(Self { inner: Some(Inner::new(handed, Arc::new(policy.clone()))?), home: None })
    }

    /// Ends a sandbox that a launcher made, and waits until nothing of it is alive that could still write anywhere.
    ///
    /// # Errors
    /// Its end cannot be waited for, or does not come.
    pub async fn end(mut self) -> Result<(), SandboxError> {
        let Some(inner) = self.inner.take() else { return Ok(()) };
        let death = inner.death();
        // Killed; and the first process of a process namespace ends after all others.
        drop(inner);
        tokio::time::timeout(GRACE, death).await.map_err(|_| SandboxError::Died)
    }

    pub(crate) fn lent(inner: Inner, home: oneshot::Sender<Inner>) -> Self {
        Self { inner: Some(inner), home: Some(home) }
    }

    /// The policy that it was made with.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.get().policy
    }

    /// What is enforced.
    #[must_use]
    pub fn layers(&self) -> &[LayerReport] {
        &self.get().layers
    }

    /// The sockets that listen inside, in the order of [`crate::Bridge::listen`]: non-blocking TCP sockets, whose connections come
    /// from programs in the sandbox. None when the network is not bridged. Whoever takes them gives them up, and what was accepted
    /// there, before the sandbox: its next user's connections arrive at the same sockets, unless this one had any.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn listeners(&self) -> io::Result<Vec<OwnedFd>> {
        self.get().listeners.iter().map(OwnedFd::try_clone).collect()
    }

    /// Something that sends signals to the command that runs, while [`Sandbox::run`] waits for it.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn signaller(&self) -> io::Result<Signaller> {
        self.get().socket.duplicate().map(Signaller)
    }

    /// Runs a command and waits for its end. What the program did is in the outcome; processes that it left behind go on until
    /// the next [`Sandbox::settle`] or the end of the sandbox.
    ///
    /// # Errors
    /// The command cannot be sent, or the sandbox died. A program that cannot be executed is an outcome
    /// ([`End::SetupFailed`]).
    pub async fn run(&mut self, command: Command) -> Result<Outcome, SandboxError> {
        self.get_mut().run(command).await
    }

    /// Ends all processes that commands left running; files stay.
    ///
    /// # Errors
    /// The sandbox died.
    pub async fn settle(&mut self) -> Result<(), SandboxError> {
        self.get_mut().ask(RequestKind::Settle).await
    }

    pub(crate) const fn get_mut(&mut self) -> &mut Inner {
        self.inner.as_mut().expect("only drop takes it out")
    }

    const fn get(&self) -> &Inner {
        self.inner.as_ref().expect("only drop takes it out")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let (Some(inner), Some(home)) = (self.inner.take(), self.home.take()) {
            // Nobody at home any more: the pool was closed, and dropping ends the sandbox.
            drop(home.send(inner));
        }
    }
}

/// Sends signals to the process group of the command that runs in a sandbox.
#[derive(Debug)]
pub struct Signaller(OwnedFd);

impl Signaller {
    /// Sends a signal. Without a running command nothing happens.
    ///
    /// # Errors
    /// The sandbox is gone, or this is no signal (1 to 64, `signal(7)`).
    pub fn send(&self, signal: i32) -> io::Result<()> {
        if !(1..=64).contains(&signal) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let request = Request { signal, ..Request::plain(RequestKind::Signal) };
        rustix::net::send(&self.0, &request.encode(), SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Inner {
    pub(crate) fn new(handed: Handed, policy: Arc<Policy>) -> Result<Self, SandboxError> {
        let Handed { socket, process, layers, listeners } = handed;
        Ok(Self {
            socket: InitSocket::new(socket)?,
            policy,
            layers: layers.into(),
            listeners,
            busy: false,
            untouched: false,
            starved: false,
            _alone: None,
            _process: Some(process),
        })
    }

    /// A request that is answered by `Ready`.
    pub(crate) async fn ask(&mut self, kind: RequestKind) -> Result<(), SandboxError> {
        self.untouched = false;
        self.busy = true;
        self.socket.send(&Request::plain(kind), &[], &[]).await?;
        let received = tokio::time::timeout(GRACE, self.socket.receive_with_listeners()).await;
        let (reply, listeners) = received.map_err(|_| SandboxError::Died)??;
        self.busy = false;
        match reply {
            Reply::Ready { .. } => {
                if !listeners.is_empty() {
                    self.listeners = listeners;
                }
                Ok(())
            }
            Reply::SetupFailed { step, errno, .. } => {
                let error = io::Error::from_raw_os_error(errno);
                Err(SandboxError::setup(format!("renewing the sandbox, step {step}"), error))
            }
            Reply::Ended(_) => Err(SandboxError::Died),
        }
    }

    /// Reads the reply of a run whose future was dropped, after killing it.
    pub(crate) async fn abandon(&mut self) -> Result<(), SandboxError> {
        if self.busy {
            self.socket.send_now(RequestKind::Kill);
            tokio::time::timeout(GRACE, self.socket.receive()).await.map_err(|_| SandboxError::Died)??;
            self.busy = false;
        }
        Ok(())
    }

    /// Starts something inside.
    pub(crate) async fn start(
        &mut self,
        request: &Request,
        text: &[u8],
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<(), SandboxError> {
        self.abandon().await?;
        self.untouched = false;
        self.socket.send(request, text, &streams).await?;
        self.busy = true;
        Ok(())
    }

    /// Waits for the end of what was started.
    pub(crate) async fn ended(&mut self) -> Result<Ended, SandboxError> {
        let reply = self.socket.receive().await?;
        self.busy = false;
        match reply {
            Reply::Ended(ended) => {
                self.untouched = ended.untouched;
                self.starved |= ended.oom_kills > 0;
                Ok(ended)
            }
            Reply::Ready { .. } | Reply::SetupFailed { .. } => Err(SandboxError::Died),
        }
    }

    async fn run(&mut self, command: Command) -> Result<Outcome, SandboxError> {
        let policy = Arc::clone(&self.policy);
        let wall_time = command.wall_time.map_or(policy.limits.wall_time, |limit| limit.min(policy.limits.wall_time));
        let terminal = matches!(&command.stdin, Stdin::Descriptor(fd) if rustix::termios::isatty(fd));
        let (arguments, variables, mut text) = encode(&policy, &command)?;
        let for_warm = if terminal { None } else { warm::command_for(&policy, &command) };
        let (warm, via_shell) = for_warm.map_or((0, false), |command| add_for_warm(&command, &mut text));
        let request = Request {
            flags: [(flag::TERMINAL, terminal), (flag::VIA_SHELL, via_shell), (flag::ONLY, self._alone.is_some())]
                .into_iter()
                .fold(0, |flags, (flag, set)| if set { flags | flag } else { flags }),
            wall_ns: nanoseconds(wall_time).max(1),
            cpu_ns: nanoseconds(policy.limits.cpu_time),
            arguments,
            variables,
            text: u32::try_from(text.len()).unwrap_or(u32::MAX),
            warm,
            ..Request::plain(RequestKind::Run)
        };
        let (input, mut feeder) = Feeder::new(command.stdin)?;
        let (outputs, mut collector) = Collector::new(command.output, policy.limits.output)?;
        self.start(&request, &text, [input.as_fd(), outputs[0].as_fd(), outputs[1].as_fd()]).await?;
        // Our copies, so that the program's end is the end of the pipes.
        drop((input, outputs));

        let patience = tokio::time::sleep(wall_time.saturating_add(GRACE));
        tokio::pin!(patience);
        let mut killed_for_output = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = self.ended() => break ended?,
                () = feeder.feed() => {}
                read = collector.collect() => {
                    read.map_err(|error| SandboxError::setup("passing output on", error))?;
                    if collector.over_limit() && !killed_for_output {
                        killed_for_output = true;
                        self.socket.send_now(RequestKind::Kill);
                    }
                }
                () = &mut patience => return Err(SandboxError::Died),
            }
        };
        collector.drain().await.map_err(|error| SandboxError::setup("passing output on", error))?;
        Ok(self.outcome(&ended, collector))
    }

    fn outcome(&self, ended: &Ended, collector: Collector) -> Outcome {
        let limits_reached = limits_reached(ended, &collector);
        let end = end(ended, &collector, &limits_reached);
        let truncated = collector.over_limit();
        let (stdout, stderr) = collector.into_bytes();
        Outcome {
            end,
            limits_reached,
            stdout,
            stderr,
            output_truncated: truncated,
            usage: Usage {
                wall_time: Duration::from_nanos(ended.wall_ns),
                user_time: Duration::from_micros(ended.user_us),
                system_time: Duration::from_micros(ended.system_us),
                cpu_time: (ended.cpu_ns != u64::MAX).then(|| Duration::from_nanos(ended.cpu_ns)),
                peak_memory_bytes: ended.peak_memory,
                processes_created: ended.created,
                warm: ended.warm,
            },
            layers: self.layers.to_vec(),
        }
    }
}

fn limits_reached(ended: &Ended, collector: &Collector) -> Vec<Limit> {
    let signal = signal(ended.status);
    let reached = [
        (Limit::WallTime, ended.cause == Cause::WallTime),
        (Limit::CpuTime, ended.cause == Cause::CpuTime || signal == Some(libc::SIGXCPU)),
        (Limit::Memory, ended.oom_kills > 0),
        (Limit::Processes, ended.process_refusals > 0),
        (Limit::FileSize, signal == Some(libc::SIGXFSZ)),
        (Limit::Disk, ended.disk_full),
        (Limit::Inodes, ended.inodes_full),
        (Limit::Output, collector.over_limit()),
    ];
    reached.into_iter().filter_map(|(limit, hit)| hit.then_some(limit)).collect()
}

fn end(ended: &Ended, collector: &Collector, reached: &[Limit]) -> End {
    match ended.cause {
        Cause::NotStarted => return not_started(ended),
        Cause::WallTime => {
            return End::LimitReached { limit: Limit::WallTime };
        }
        Cause::CpuTime => {
            return End::LimitReached { limit: Limit::CpuTime };
        }
        Cause::Cancelled if collector.over_limit() => {
            return End::LimitReached { limit: Limit::Output };
        }
        Cause::Cancelled => return End::Cancelled,
        Cause::Itself => {}
    }
    // The program ended by itself in the same moment as its output went over the limit.
    if collector.over_limit() {
        return End::LimitReached { limit: Limit::Output };
    }
    let ended_by = |limit: Limit| reached.contains(&limit).then_some(End::LimitReached { limit });
    match signal(ended.status) {
        Some(libc::SIGXCPU) => End::LimitReached { limit: Limit::CpuTime },
        Some(libc::SIGXFSZ) => End::LimitReached { limit: Limit::FileSize },
        Some(signal) => ended_by(Limit::Memory).unwrap_or(End::Signaled { signal }),
        None => {
            let code = (ended.status >> 8) & 0xff;
            // A shell outlives its children; the killed one shows as a failure. One that copes goes on, and that is its end.
            let failed = if code == 0 { None } else { ended_by(Limit::Memory) };
            failed.unwrap_or(End::Exited { code })
        }
    }
}

fn not_started(ended: &Ended) -> End {
    let error = io::Error::from_raw_os_error(ended.errno);
    let (step, what) = match StartStep::from_number(ended.failed_step) {
        Some(StartStep::Spawner) => ("start", "an earlier command's process had stopped the sandbox's own"),
        Some(StartStep::Arguments) => ("arguments", "too many arguments or variables"),
        Some(StartStep::Clone) => ("clone", "no process could be made"),
        Some(StartStep::Streams) => ("streams", "input and output could not be connected"),
        Some(StartStep::Directory) => ("chdir", "the working directory cannot be entered"),
        Some(StartStep::Terminal) => ("terminal", "the terminal cannot be taken over"),
        Some(StartStep::Execute) => ("execve", "the program cannot be executed"),
        None => ("start", "unknown step"),
    };
    End::SetupFailed { step: step.to_owned(), errno: ended.errno, message: format!("{what}: {error}") }
}

/// The signal in a wait status that says "killed".
const fn signal(status: i32) -> Option<i32> {
    match status & 0x7f {
        0 | 0x7f => None,
        signal => Some(signal),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Directory, arguments and variables as the init takes them, with the counts of the latter two.
fn encode(policy: &Policy, command: &Command) -> Result<(u32, u32, Vec<u8>), SandboxError> {
    let mut text = Vec::with_capacity(1024);
    let mut add = |string: &OsStr| {
        if string.as_bytes().contains(&0) {
            return Err(SandboxError::Command("a command, variable or directory holds a zero byte".to_owned()));
        }
        text.extend_from_slice(string.as_bytes());
        text.push(0);
        Ok(())
    };
    if command.argv.is_empty() {
        return Err(SandboxError::Command("there is no program to run".to_owned()));
    }
    add(command.directory.as_deref().map_or(OsStr::new(""), |directory| directory.as_os_str()))?;
    for argument in &command.argv {
        add(argument)?;
    }
    // The last of several values of one name counts, as in a shell. Callers may name a great many.
    let last: HashMap<&OsStr, usize> =
        command.environment.iter().enumerate().map(|(index, (name, _))| (name.as_os_str(), index)).collect();
    let mut variables = 0;
    let mut variable = |name: &OsStr, value: &OsStr| {
        let mut joined = OsString::with_capacity(name.len() + value.len() + 1);
        joined.push(name);
        joined.push("=");
        joined.push(value);
        variables += 1;
        add(&joined)
    };
    for (name, value) in policy.environment.iter().filter(|(name, _)| !last.contains_key(OsStr::new(name))) {
        variable(OsStr::new(name), OsStr::new(value))?;
    }
    for (index, (name, value)) in command.environment.iter().enumerate() {
        if last.get(name.as_os_str()) == Some(&index) {
            variable(name, value)?;
        }
    }
    let arguments = u32::try_from(command.argv.len()).unwrap_or(u32::MAX);
    Ok((arguments, variables, text))
}

/// Adds the strings for a warm interpreter, and says how many there are and whether they stand for a shell's script. None when all
/// would be too much for one packet.
fn add_for_warm(command: &ForWarm, text: &mut Vec<u8>) -> (u32, bool) {
    let more: usize = command.arguments.iter().map(|argument| argument.len() + 1).sum();
    if REQUEST_BYTES + text.len() + more > MAX_PACKET {
        return (0, false);
    }
    for argument in &command.arguments {
        text.extend_from_slice(argument.as_bytes());
        text.push(0);
    }
    (u32::try_from(command.arguments.len()).unwrap_or(0), command.via_shell)
}

impl Inner {
    /// Whether it can be lent: alive, idle.
    pub(crate) fn is_ready(&self) -> bool {
        !self.busy && self.socket.is_quiet()
    }

    /// Waits for the end of its init, whoever has the sandbox by then; never returns where that cannot be watched.
    pub(crate) fn death(&self) -> impl Future<Output = ()> + Send + use<> {
        let copy = self._process.as_ref().map(|process| process.pidfd.try_clone());
        async move {
            #[expect(
                deprecated,
                reason = "the replacement is unsafe, for handles whose descriptor changes; an OwnedFd's does not"
            )]
            let watched = copy.and_then(Result::ok).map(|pidfd| AsyncFd::with_interest(pidfd, Interest::READABLE));
            match watched {
                Some(Ok(pidfd)) if pidfd.readable().await.is_ok() => {}
                _ => std::future::pending().await,
            }
        }
    }
}
