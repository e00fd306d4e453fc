//! Killing and reaping.

use core::ffi::CStr;

use super::Init;
use crate::Errno;
use crate::call::{self, Reaped};

impl<S: AsRef<CStr>> Init<'_, S> {
    /// Reaps what has ended; the status of `program` if it is among it.
    pub(super) fn reap_ended(&mut self, program: i32) -> Option<i32> {
        // One read takes all pending notices: they say "look", not "who".
        let mut notice = [0; 128];
        let _ = call::read(self.child_events, &mut notice);
        let mut status = None;
        while let Ok(Some(reaped)) = call::reap(false) {
            self.note(&reaped);
            if reaped.pid == program {
                status = Some(reaped.status);
            }
        }
        status
    }

    /// Kills everything inside and reaps it: afterwards this process is alone, but for a zygote. The status of `program` if it was alive.
    pub(super) fn kill_everything(&mut self, program: i32) -> Option<i32> {
        match self.sweep(program) {
            Some(status) => status,
            None => self.kill_hard(program),
        }
    }

    /// As [`Init::kill_everything`], and the zygote, too.
    pub(super) fn kill_hard(&mut self, program: i32) -> Option<i32> {
        let mut status = None;
        loop {
            // One call reaches every process of the namespace at one moment; a fork that it interrupts does not happen.
            call::kill(-1, libc::SIGKILL);
            match call::reap(true) {
                Ok(Some(reaped)) => {
                    self.note(&reaped);
                    if reaped.pid == program {
                        status = Some(reaped.status);
                    }
                }
                Ok(None) | Err(Errno(libc::EINTR)) => {}
                Err(_) => return status,
            }
        }
    }

    pub(super) fn note(&mut self, reaped: &Reaped) {
        if self.zygotes.note(reaped.pid) {
            return;
        }
        self.used.user_us += reaped.user_us;
        self.used.system_us += reaped.system_us;
        self.used.peak_memory = self.used.peak_memory.max(reaped.peak_memory);
        if let Some(spawner) = self.spawner
            && spawner.pid == reaped.pid
        {
            call::close(spawner.socket);
            self.spawner = None;
        }
    }

    /// Ends every program, keeps the files.
    pub(super) fn settle(&mut self) {
        self.reap_ended(0);
        // This process, the spawner, and what is kept warm.
        let expected = 2 + self.zygotes.count();
        let alone = self.spawner.is_some() && self.setup.counters.processes.read() == Some(expected);
        if !alone {
            self.kill_everything(0);
            self.spawn(false);
        }
    }
}
