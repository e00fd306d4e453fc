//! Pools: order, numbers, and that nothing grows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use belljar_sandbox::{Command, Policy, TakeError};
use tokio::sync::Mutex;

use crate::bench::{Bench, exited, take, until};
use crate::leaks::{descendants, descriptors};

pub(crate) async fn callers_are_served_in_order(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 1);
    let first = take(&pool).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (mine, order) = (pool.clone(), Arc::clone(&order));
        callers.spawn(async move {
            let sandbox = take(&mine).await;
            order.lock().await.push(number);
            drop(sandbox);
        });
        until("the caller waits", async || pool.status().waiting == number + 1).await;
    }
    drop(first);
    callers.join_all().await;
    assert_eq!(*order.lock().await, (0..8).collect::<Vec<_>>());
    pool.close().await;
}

pub(crate) async fn a_full_pool_says_busy(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 2);
    let (one, two) = (take(&pool).await, take(&pool).await);
    for wait in [0, 50] {
        let wait = Duration::from_millis(wait);
        let started = Instant::now();
        assert!(matches!(pool.take(wait).await, Err(TakeError::Busy)));
        assert!(started.elapsed() >= wait && started.elapsed() < wait + Duration::from_millis(500));
    }
    // Those who gave up take nothing with them.
    for _ in 0..20 {
        assert!(tokio::time::timeout(Duration::from_millis(1), pool.take(Duration::from_secs(9))).await.is_err());
    }
    assert_eq!(pool.status().waiting, 0);
    drop(one);
    let again = pool.take(Duration::from_secs(10)).await.unwrap();
    drop((two, again));
    until("all are back", async || pool.status().idle == 2).await;
    pool.close().await;
}

pub(crate) async fn numbers_add_up(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 3);
    until("all are made", async || pool.status().idle == 3).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle, status.busy, status.preparing, status.waiting), (3, 3, 0, 0, 0));
    assert_eq!((status.made, status.renewed, status.failed), (3, 0, 0));
    let mut sandbox = take(&pool).await;
    assert_eq!((pool.status().idle, pool.status().busy, pool.status().preparing), (2, 1, 0));
    assert_eq!(sandbox.run(Command::new(["touch", "/tmp/x"])).await.unwrap().end, exited(0));
    drop(sandbox);
    until("it is renewed", async || pool.status().idle == 3).await;
    assert_eq!((pool.status().made, pool.status().renewed), (3, 1));
    assert_eq!(pool.problem(), None);
    pool.close().await;
    let status = pool.status();
    assert_eq!((status.idle, status.busy, status.waiting), (0, 0, 0), "{status:?}");
    assert!(matches!(pool.take(Duration::from_secs(1)).await, Err(TakeError::Unavailable(_))));
}

pub(crate) async fn closing_waits_for_what_is_lent(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 2);
    let mut sandbox = take(&pool).await;
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    until("it is closing", async || matches!(pool.take(Duration::ZERO).await, Err(TakeError::Unavailable(_)))).await;
    assert_eq!(sandbox.run(Command::new(["true"])).await.unwrap().end, exited(0), "what is lent goes on");
    assert!(!closing.is_finished());
    drop(sandbox);
    closing.await.unwrap();
    // Dropped without being closed, in the middle of a run: the leak check sees what stays.
    let pool = bench.pool(Policy::default(), 2);
    let mut sandbox = take(&pool).await;
    let run = sandbox.run(Command::shell("sleep 60 & sleep 60"));
    assert!(tokio::time::timeout(Duration::from_millis(50), run).await.is_err());
    drop(pool);
    drop(sandbox);
}

pub(crate) async fn a_dropped_pool_leaves_others_alone(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 1);
    let mut sandbox = take(&pool).await;
    let launcher = bench.launcher.process_id().await;
    let run = sandbox.run(Command::shell("sleep 0.5; echo $?"));
    let drops = async {
        for pause in [0, 100, 500, 1000, 2000, 3000, 5000, 8000, 13000] {
            let other = bench.pool(Policy::default(), 3);
            tokio::time::sleep(Duration::from_micros(pause)).await;
            drop(other);
        }
    };
    let (outcome, ()) = tokio::join!(run, drops);
    assert_eq!(outcome.unwrap().end, exited(0));
    assert_eq!(bench.launcher.process_id().await, launcher, "the launcher was taken along");
    drop(sandbox);
    pool.close().await;
}

pub(crate) async fn an_impossible_policy_is_told(bench: &Bench) {
    let mut policy = Policy { work_directory: "no".into(), ..Policy::default() };
    let pool = bench.pool(policy.clone(), 2);
    until("it is told", async || pool.problem().is_some()).await;
    match pool.take(Duration::from_millis(50)).await {
        Err(TakeError::Unavailable(reason)) => assert!(reason.contains("'no'"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(pool.status().failed > 0);
    pool.close().await;
    policy.work_directory = "/home/student".into();
    policy.limits.memory = 4096;
    let _ = bench.pool(policy, 1).take(Duration::from_millis(300)).await;
}

/// Kilobytes that a process has in memory.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub(crate) async fn thousands_of_runs_leave_nothing(bench: &Bench) {
    const RUNS: usize = 2000;
    let pool = bench.pool(Policy::default(), 4);
    let launcher = bench.launcher.process_id().await.unwrap();
    let load = async |runs: usize| {
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..4 {
            let pool = pool.clone();
            callers.spawn(async move {
                for run in 0..runs / 4 {
                    let mut sandbox = take(&pool).await;
                    match (caller + run) % 10 {
                        // Cut off in the middle, given back in the middle, wild, or killed from inside.
                        0 => {
                            let run = sandbox.run(Command::shell("sleep 60 & sleep 60"));
                            let _ = tokio::time::timeout(Duration::from_millis(3), run).await;
                        }
                        1 => {
                            let run = sandbox.run(Command::new(["true"]));
                            let _ = tokio::time::timeout(Duration::from_micros(200), run).await;
                        }
                        2 => {
                            let outcome = sandbox.run(Command::shell("(setsid sleep 60 &); kill -9 -1")).await.unwrap();
                            assert!(!matches!(outcome.end, belljar_sandbox::End::SetupFailed { .. }), "{outcome:?}");
                        }
                        _ => {
                            let outcome = sandbox.run(Command::new(["true"])).await.unwrap();
                            assert_eq!(outcome.end, exited(0));
                        }
                    }
                }
            });
        }
        callers.join_all().await;
        until("all are back", async || pool.status().idle == 4).await;
    };
    let holdings = || {
        (
            descendants(std::process::id()).len(),
            descriptors(std::process::id()),
            descriptors(launcher),
            crate::leaks::groups_of(launcher).len(),
        )
    };
    load(RUNS / 4).await;
    let (before, memory) = (holdings(), (resident(std::process::id()), resident(launcher)));
    load(RUNS - RUNS / 4).await;
    until("it holds what it held", async || holdings() == before).await;
    let grown = (resident(std::process::id()).saturating_sub(memory.0), resident(launcher).saturating_sub(memory.1));
    assert!(grown.0 < 4096 && grown.1 < 1024, "grown by {grown:?} KiB from {memory:?}");
    let status = pool.status();
    assert_eq!(status.made, 4, "{status:?}");
    assert_eq!(status.failed, 0);
    pool.close().await;
}
