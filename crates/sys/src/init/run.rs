//! A run, from the request to the end of the program.

use core::ffi::CStr;

use super::cpu::living_cpu_ns;
use super::world::receive_answer;
use super::{Counter, Init, PATIENCE_NS, Used};
use crate::Errno;
use crate::call;
use crate::spawner::Answer;
use crate::wire::{Cause, Ended, Request, RequestKind, STREAMS, StartStep};

/// How long a spawner may take over a start before it counts as stopped by somebody inside, and another is forked: 1 s.
const SPAWNER_PATIENCE_NS: u64 = 1_000_000_000;
/// The shortest pause between two looks at the CPU time: with it a limit is exact to about a millisecond.
const MIN_CPU_CHECK_NS: u64 = 500_000;

impl<S: AsRef<CStr>> Init<'_, S> {
    pub(super) fn run(&mut self, request: &Request, received: call::Received) -> Ended {
        let counters = &self.setup.counters;
        self.used = Used::default();
        self.expect(request);
        if self.before.is_none() {
            self.begin_counting();
        }
        let before = self.before.take().unwrap_or_else(|| Readings::take(self));
        let started = call::monotonic_ns();
        let deadline = if request.wall_ns == 0 { u64::MAX } else { started.saturating_add(request.wall_ns) };

        let forked = self.start_warm(request, &received, deadline);
        let warm = forked.is_some();
        let answer = forked.unwrap_or_else(|| self.start_program(received, deadline));
        let mut end = None;
        let mut cause = Cause::Itself;
        if answer.failed_step != 0 {
            // A limit shorter than a start takes is reached like any other.
            cause = if call::monotonic_ns() >= deadline { Cause::WallTime } else { Cause::NotStarted };
            self.reap_ended(0);
        } else {
            while end.is_none() {
                match self.wait(request, answer.pid, deadline, before.cpu) {
                    Wait::Ended(status) => end = Some(status),
                    Wait::Again => {}
                    Wait::Kill(why) => {
                        // The program may have ended in this very moment; then that is how it ended.
                        end = self.reap_ended(answer.pid);
                        if end.is_none() {
                            cause = why;
                            end = self.kill_everything(answer.pid).or(Some(libc::SIGKILL));
                        }
                    }
                }
            }
        }
        let wall_ns = call::monotonic_ns().saturating_sub(started);
        let after = Readings::take(self);
        // A fork of a zygote was made before the readings; its number may have been skipped since.
        let skipped = u32::try_from(answer.pid).is_ok_and(|pid| before.last_pid < pid && pid <= after.last_pid);
        let made_before = warm && !skipped;
        let (blocks, inodes) = call::free_space(self.slots.get(self.setup.layer_slot)).unwrap_or((1, 1));
        Ended {
            cause,
            status: end.unwrap_or(0),
            wall_ns,
            user_us: self.used.user_us,
            system_us: self.used.system_us,
            cpu_ns: if counters.cpu.file < 0 { u64::MAX } else { after.cpu.saturating_sub(before.cpu) },
            peak_memory: counters.memory_peak.read().unwrap_or(self.used.peak_memory),
            created: after.last_pid.saturating_sub(before.last_pid) + u32::from(made_before),
            oom_kills: after.oom_kills.saturating_sub(before.oom_kills),
            process_refusals: after.process_refusals.saturating_sub(before.process_refusals),
            disk_full: blocks == 0,
            inodes_full: inodes == 0,
            failed_step: answer.failed_step,
            errno: answer.errno,
            warm,
        }
    }

    /// Starts the peak of memory anew and notes where the other counters stand: ahead of the next run where it can be, because it
    /// takes as long as a part of a start. Without a control group's counter of CPU time the moment matters, so not then.
    pub(super) fn begin_counting(&mut self) {
        let counters = &self.setup.counters;
        if counters.memory_peak.file >= 0 {
            let _ = call::write_at_start(counters.memory_peak.file, b"0");
        }
        if counters.cpu.file >= 0 {
            self.before = Some(Readings::take(self));
        }
    }

    /// Hands the request in `self.packet` to the spawner and waits for its answer.
    fn start_program(&mut self, received: call::Received, deadline: u64) -> Answer {
        let mut answer = self.ask_spawner(&received, deadline, SPAWNER_PATIENCE_NS);
        if answer.is_err() && call::monotonic_ns() < deadline {
            // Only what an earlier command left running, or did last, can have killed or stopped the spawner: whoever it is goes.
            self.kill_everything(0);
            answer = self.ask_spawner(&received, deadline, PATIENCE_NS);
        }
        received.descriptors.into_iter().for_each(call::close);
        answer.unwrap_or_else(|errno| {
            self.kill_everything(0);
            Answer::failed(StartStep::Spawner, errno)
        })
    }

    fn ask_spawner(&mut self, received: &call::Received, deadline: u64, patience_ns: u64) -> Result<Answer, Errno> {
        if self.spawner.is_none() {
            self.spawn(false);
        }
        let spawner = self.spawner.ok_or(Errno(libc::ESRCH))?;
        // One that a program stopped (`kill -STOP -1`) goes on; to any other this is nothing.
        call::kill(spawner.pid, libc::SIGCONT);
        let streams = &received.descriptors[..STREAMS];
        self.newborn.forget();
        call::send(spawner.socket, &self.packet.bytes()[..received.length], &[], streams)?;
        let answer = receive_answer(spawner.socket, deadline.min(call::monotonic_ns().saturating_add(patience_ns)));
        match (answer, self.newborn.pid()) {
            // The program was quicker than the answer, and killed or stopped the spawner. It runs, so it must not be started again,
            // and the next one must not get its answer.
            (Err(_), pid @ 1..) => {
                call::kill(spawner.pid, libc::SIGKILL);
                call::close(spawner.socket);
                self.spawner = None;
                Ok(Answer { pid, failed_step: 0, errno: 0 })
            }
            (answer, _) => answer,
        }
    }

    /// Waits for something to happen to the running program.
    fn wait(&mut self, request: &Request, program: i32, deadline: u64, cpu_before: u64) -> Wait {
        let now = call::monotonic_ns();
        if now >= deadline {
            return Wait::Kill(Cause::WallTime);
        }
        let mut timeout = deadline - now;
        if request.cpu_ns > 0 {
            let left = request.cpu_ns.saturating_sub(self.cpu_ns().saturating_sub(cpu_before));
            if left == 0 {
                return Wait::Kill(Cause::CpuTime);
            }
            // All CPUs together cannot use up what is left in less time than this.
            timeout = timeout.min((left / self.cpus).max(MIN_CPU_CHECK_NS));
        }
        let timeout = (timeout < u64::MAX / 2).then_some(timeout);
        let ready = self.watch(timeout);
        if ready & 1 != 0 {
            match self.receive() {
                Some((Request { kind: RequestKind::Signal, signal, .. }, _)) => call::kill(-program, signal),
                Some((Request { kind: RequestKind::Kill, .. }, _)) => return Wait::Kill(Cause::Cancelled),
                // Gone, or not in step with us: ending this process ends the sandbox.
                _ => call::exit(0),
            }
        }
        if ready & 2 != 0
            && let Some(status) = self.reap_ended(program)
        {
            return Wait::Ended(status);
        }
        Wait::Again
    }

    /// The last process id of the namespace, where the kernel tells.
    pub(super) fn last_pid_counter(&self) -> Counter {
        Counter { file: self.slots.get(self.setup.last_pid_slot), key: "", unit: 1 }
    }

    /// CPU time of everything inside, by the control group or else by asking each process.
    pub(super) fn cpu_ns(&self) -> u64 {
        if let Some(used) = self.setup.counters.cpu.read() {
            return used;
        }
        let reaped = (self.used.user_us + self.used.system_us).saturating_mul(1000);
        living_cpu_ns().saturating_add(reaped)
    }
}

enum Wait {
    Ended(i32),
    Again,
    Kill(Cause),
}

/// Counters at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    cpu: u64,
    oom_kills: u64,
    process_refusals: u64,
    last_pid: u32,
}

impl Readings {
    pub(super) fn take<S: AsRef<CStr>>(init: &Init<'_, S>) -> Self {
        let counters = &init.setup.counters;
        let last_pid = init.last_pid_counter();
        Self {
            cpu: init.cpu_ns(),
            oom_kills: counters.oom_kills.read().unwrap_or(0),
            process_refusals: counters.process_refusals.read().unwrap_or(0),
            last_pid: last_pid.read().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
        }
    }
}
