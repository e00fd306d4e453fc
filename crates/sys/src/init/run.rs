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
/// Nothing tells that a process was made, so it is looked for after this time: 1 ms. Most starts take a tenth of it.
const BIRTH_CHECK_NS: u64 = 1_000_000;
/// The shortest pause between two looks at the CPU time: with it a limit is exact to about a millisecond.
const MIN_CPU_CHECK_NS: u64 = 500_000;

/// A start or a run that is under way.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// When the wall-clock limit is reached, by the monotonic clock.
    deadline: u64,
    /// CPU nanoseconds of everything inside together; 0 is no limit.
    cpu_limit: u64,
    /// Where the counter of CPU time stood.
    cpu_before: u64,
    /// When to look at it next.
    cpu_check: u64,
    /// Until when the spawner has to have made a process.
    birth: u64,
}

impl<S: AsRef<CStr>> Init<'_, S> {
    pub(super) fn run(&mut self, request: &Request, received: call::Received) -> Ended {
        let counters = &self.setup.counters;
        self.used = Used::default();
        self.replace_lost_spawner();
        self.expect(request);
        if self.before.is_none() {
            self.begin_counting();
        }
        let before = self.before.take().unwrap_or_else(|| Readings::take(self));
        self.expect_run();
        let started = call::monotonic_ns();
        let mut course = Course {
            deadline: if request.wall_ns == 0 { u64::MAX } else { started.saturating_add(request.wall_ns) },
            cpu_limit: request.cpu_ns,
            cpu_before: before.cpu,
            cpu_check: if request.cpu_ns == 0 { u64::MAX } else { started + self.cpu_pause(request.cpu_ns) },
            birth: u64::MAX,
        };

        let spawner = self.spawner.map(|spawner| spawner.pid);
        let warm = self.start_warm(request, &received, course.deadline);
        let mut streams = if warm { [-1; call::MAX_PASSED] } else { received.descriptors };
        course.birth = call::monotonic_ns().saturating_add(SPAWNER_PATIENCE_NS);
        let mut first_attempt = true;
        let mut end = if warm { Event::Nothing } else { self.start_program(&received) };
        while let Event::Nothing | Event::NotBorn = end {
            if self.newborn.pid() > 0 {
                // Whoever writes to the program or reads from it is to see when the program has closed its end.
                core::mem::replace(&mut streams, [-1; call::MAX_PASSED]).into_iter().for_each(call::close);
            }
            if let Event::Nothing = end {
                end = self.wait(&course);
            }
            if let Event::CpuTimeLeft(left) = end {
                course.cpu_check = call::monotonic_ns() + self.cpu_pause(left);
                end = Event::Nothing;
            }
            if let Event::NotBorn = end {
                // Only what an earlier command left running, or did last, can have killed or stopped the spawner: whoever it is goes.
                self.kill_everything(0);
                // Born in this very moment, it is dead by now; it must not be started a second time.
                let again = core::mem::take(&mut first_attempt) && self.newborn.pid() == 0;
                course.birth = started.saturating_add(PATIENCE_NS);
                end = if again {
                    self.start_program(&received)
                } else {
                    Event::NotStarted(Answer::failed(StartStep::Spawner, Errno(libc::ETIMEDOUT)))
                };
            }
        }
        streams.into_iter().for_each(call::close);
        // What is forked next, perhaps for somebody else, has a copy of this memory.
        self.packet.bytes()[..received.length].fill(0);
        let (cause, status, failed) = self.conclude(end, course.deadline);
        let wall_ns = call::monotonic_ns().saturating_sub(started);
        let after = Readings::take(self);
        // A fork of a zygote was made before the readings; its number may have been skipped since.
        let skipped = u32::try_from(self.newborn.pid()).is_ok_and(|pid| before.last_pid < pid && pid <= after.last_pid);
        let became = spawner == Some(self.newborn.pid());
        let made_before = warm && !skipped || became;
        let (blocks, inodes) = call::free_space(self.slots.get(self.setup.layer_slot)).unwrap_or((1, 1));
        Ended {
            cause,
            status,
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
            failed_step: failed.failed_step,
            errno: failed.errno,
            warm,
            untouched: self.is_untouched(),
        }
    }

    /// Cause, wait status and what failed, once something has ended the run.
    fn conclude(&mut self, end: Event, deadline: u64) -> (Cause, i32, Answer) {
        let fine = Answer { pid: 0, failed_step: 0, errno: 0 };
        // A limit shorter than a start takes is reached like any other.
        let not_started = |failed| {
            let late = call::monotonic_ns() >= deadline;
            (if late { Cause::WallTime } else { Cause::NotStarted }, 0, failed)
        };
        match end {
            Event::Ended(status) => match self.newborn.failure() {
                (0, _) => (Cause::Itself, status, fine),
                (failed_step, errno) => not_started(Answer { pid: 0, failed_step, errno: errno.0 }),
            },
            Event::NotStarted(failed) => {
                self.reap_ended(0);
                not_started(failed)
            }
            Event::Kill(cause) => {
                let program = self.newborn.pid();
                // The program may have ended in this very moment; then that is how it ended.
                match self.reap_ended(program) {
                    Some(status) if self.newborn.failure().0 == 0 => (Cause::Itself, status, fine),
                    _ => (cause, self.kill_everything(program).unwrap_or(libc::SIGKILL), fine),
                }
            }
            Event::Nothing | Event::NotBorn | Event::CpuTimeLeft(_) => not_started(fine),
        }
    }

    /// How long the CPUs, all together, need for this much at least.
    fn cpu_pause(&self, left: u64) -> u64 {
        (left / self.cpus).max(MIN_CPU_CHECK_NS)
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

    /// Hands the request in `self.packet` to the spawner. It answers only if no process could be made.
    fn start_program(&mut self, received: &call::Received) -> Event {
        if self.spawner.is_none() {
            self.spawn(false);
        }
        let Some(spawner) = self.spawner else { return Event::NotBorn };
        // One that a program stopped (`kill -STOP -1`) goes on; to any other this is nothing.
        call::kill(spawner.pid, libc::SIGCONT);
        self.newborn.forget();
        let streams = &received.descriptors[..STREAMS];
        let length = received.length;
        match call::send(spawner.socket, &self.packet.bytes()[..length], &[], streams) {
            Ok(()) => Event::Nothing,
            Err(_) => Event::NotBorn,
        }
    }

    /// Waits for something to happen to the start or to the running program.
    fn wait(&mut self, course: &Course) -> Event {
        let now = call::monotonic_ns();
        if now >= course.deadline {
            return Event::Kill(Cause::WallTime);
        }
        if now >= course.cpu_check {
            let left = course.cpu_limit.saturating_sub(self.cpu_ns().saturating_sub(course.cpu_before));
            return if left == 0 { Event::Kill(Cause::CpuTime) } else { Event::CpuTimeLeft(left) };
        }
        let born = self.newborn.pid() > 0;
        if !born && now >= course.birth {
            return Event::NotBorn;
        }
        let birth = if born { u64::MAX } else { course.birth.min(now + BIRTH_CHECK_NS) };
        let until = course.deadline.min(course.cpu_check).min(birth);
        let ready = self.watch((until < u64::MAX).then(|| until - now), !born);
        let program = self.newborn.pid();
        if ready & 4 != 0 {
            self.take_report();
        }
        if ready & 2 != 0 {
            match self.reap_ended(program) {
                Some(status) => return Event::Ended(status),
                // The spawner may have ended before it made anything, or after the child that it made.
                None if self.spawner.is_none() && program == 0 => return Event::NotBorn,
                None => {}
            }
        }
        if ready & 8 != 0 && program == 0 {
            return self.spawner.map_or(Event::NotBorn, |spawner| match receive_answer(spawner.socket, now) {
                Ok(answer) => Event::NotStarted(answer),
                Err(_) => Event::Nothing,
            });
        }
        if ready & 1 != 0 {
            match self.receive_meanwhile() {
                Some(Request { kind: RequestKind::Signal, signal, .. }) => self.signal(signal, course.birth),
                Some(Request { kind: RequestKind::Kill, .. }) => return Event::Kill(Cause::Cancelled),
                // Gone, or not in step with us: ending this process ends the sandbox.
                _ => call::exit(0),
            }
        }
        Event::Nothing
    }

    /// Signals the program's process group, once it is there.
    fn signal(&self, signal: i32, birth: u64) {
        const STEP_NS: u64 = 200_000;
        let mut program = self.newborn.pid();
        while program == 0 && call::monotonic_ns() < birth {
            let spawner = self.spawner.map_or(-1, |spawner| spawner.socket);
            // It has failed, or is gone.
            if !matches!(call::poll([spawner], Some(STEP_NS)), Ok(0) | Err(Errno(libc::EINTR))) {
                return;
            }
            program = self.newborn.pid();
        }
        if program > 0 {
            call::kill(-program, signal);
        }
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

/// What happened.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Nothing that matters.
    Nothing,
    /// CPU nanoseconds are left, as was just seen.
    CpuTimeLeft(u64),
    /// The program ended, with this wait status.
    Ended(i32),
    /// The run is to end.
    Kill(Cause),
    /// The spawner is dead, or stands still.
    NotBorn,
    /// No process could be made.
    NotStarted(Answer),
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
