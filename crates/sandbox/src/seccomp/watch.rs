//! The filter that reports what a run may leave behind: rare calls only, because each costs two switches between processes.
//!
//! It refuses nothing. It is installed in the init, before anything foreign runs, and the standard filter comes on top of it; of
//! several filters the strictest answer counts (`seccomp(2)`), so what that one refuses is not reported. `belljar_sys::init` says what
//! the reports are for, and what is noticed in other ways.

use belljar_sys::call::OWN_SOCKET;

use super::{Action, Case, Comparison, Filter, Half};

const REPORT: Action = Action::Report;

/// The filter.
///
/// The init itself must make none of these calls after it is installed: it would wait for itself. Its sockets are marked.
pub(crate) fn watch() -> Filter {
    use libc::{AF_INET, AF_INET6, PRIO_PROCESS};

    let mut filter = Filter::new(Action::Allow, Action::Allow);
    // Their namespace counts System V objects, and numbers them: the next run would see how many there were. Message queues stay.
    let objects = [libc::SYS_shmget, libc::SYS_semget, libc::SYS_msgget, libc::SYS_mq_open, libc::SYS_mq_unlink];
    filter.group(REPORT, &objects);
    let one = |argument: u8, values: &[i32]| Comparison {
        argument,
        half: Half::Low,
        mask: u32::MAX,
        values: values.iter().map(|value| value.cast_unsigned()).collect(),
    };
    let when = |all: Vec<Comparison>, action: Action| Case { all, action };
    let own = Comparison { argument: 0, half: Half::High, mask: u32::MAX, values: vec![OWN_SOCKET] };
    let internet = one(0, &[AF_INET, AF_INET6]);
    let cases = vec![when(vec![own], Action::Allow), when(vec![internet], REPORT)];
    filter.rule(libc::SYS_socket, cases, Action::Allow);
    // Settings of a process that is not the caller: the spawner would hand them on. Zero is the caller; process ids are ints.
    let whole = |argument: u8, half: Half| Comparison { argument, half, mask: u32::MAX, values: vec![0] };
    let reads = when(vec![whole(2, Half::Low), whole(2, Half::High)], Action::Allow);
    filter.rule(libc::SYS_prlimit64, vec![when(vec![one(0, &[0])], Action::Allow), reads], REPORT);
    for number in
        [libc::SYS_sched_setaffinity, libc::SYS_sched_setattr, libc::SYS_sched_setparam, libc::SYS_sched_setscheduler]
    {
        filter.rule(number, vec![when(vec![one(0, &[0])], Action::Allow)], REPORT);
    }
    const IOPRIO_WHO_PROCESS: i32 = 1;
    let by_kind = [(libc::SYS_setpriority, PRIO_PROCESS.cast_signed()), (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS)];
    for (number, process) in by_kind {
        filter.rule(number, vec![when(vec![one(0, &[process]), one(1, &[0])], Action::Allow)], REPORT);
    }
    filter
}
