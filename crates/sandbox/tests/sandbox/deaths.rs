//! Processes that die in the middle: the launcher, a sandbox, whoever owns them all.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use belljar_sandbox::{Command, Launcher, Policy, Pool, PoolSettings, Reuse, SandboxError};
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, exited, take, until};
use crate::leaks::{descendants, groups_of};

/// Set for a process that owns a pool under load until it is killed.
const OWNER: &str = "BELLJAR_TEST_OWNER";

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

pub(crate) async fn a_killed_launcher_is_replaced(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 3);
    for _ in 0..3 {
        until("all are ready", async || pool.status().idle == 3).await;
        let mut running = take(&pool).await;
        let launcher = bench.launcher.process_id().await.unwrap();
        let below = descendants(launcher);
        assert!(below.len() >= 6, "{below:?}");
        let run = async {
            let result = running.run(Command::shell("sleep 60")).await;
            assert!(matches!(result, Err(SandboxError::Died)), "{result:?}");
        };
        let murder = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            kill(launcher);
        };
        tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(run, murder) }).await.expect("the run ends");
        until("its sandboxes are gone", async || below.keys().all(|pid| !lives(*pid))).await;
        drop(running);
        // The pool heals by itself, and those that were idle when they died are never lent.
        for _ in 0..6 {
            let mut sandbox = take(&pool).await;
            assert_eq!(sandbox.run(Command::new(["true"])).await.unwrap().end, exited(0));
        }
        assert_ne!(bench.launcher.process_id().await, Some(launcher));
        assert!(groups_of(launcher).is_empty(), "the next launcher sweeps: {:?}", groups_of(launcher));
    }
    pool.close().await;
}

pub(crate) async fn a_killed_sandbox_is_replaced(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 1);
    for round in 1..4_u64 {
        let mut sandbox = take(&pool).await;
        assert_eq!(sandbox.run(Command::new(["true"])).await.unwrap().end, exited(0));
        let launcher = bench.launcher.process_id().await.unwrap();
        let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let child = |pid: &u32| {
            stat(*pid).rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&launcher.to_string()))
        };
        let init = descendants(launcher).into_keys().find(child).unwrap();
        if round == 1 {
            // In the middle of a run.
            let run = sandbox.run(Command::shell("sleep 60"));
            let murder = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                kill(init);
            };
            let (result, ()) = tokio::join!(run, murder);
            assert!(matches!(result, Err(SandboxError::Died)), "{result:?}");
        } else {
            kill(init);
            until("it is dead", async || !lives(init)).await;
            assert!(matches!(sandbox.run(Command::new(["true"])).await, Err(SandboxError::Died)));
        }
        drop(sandbox);
        until("another is made", async || pool.status().made == round + 1).await;
    }
    pool.close().await;
}

/// Nobody has to meet it first.
pub(crate) async fn a_sandbox_that_dies_unused_is_replaced(bench: &Bench) {
    let pool = bench.pool(Policy::default(), 2);
    for round in 1..4_u64 {
        until("both are there", async || pool.status().idle == 2).await;
        let launcher = bench.launcher.process_id().await.unwrap();
        let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let child = |pid: &u32| {
            stat(*pid).rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&launcher.to_string()))
        };
        kill(descendants(launcher).into_keys().find(child).unwrap());
        until("another is made", async || pool.status().made == round + 2).await;
    }
    until("both are there", async || pool.status().idle == 2).await;
    let (mut one, mut two) = (take(&pool).await, take(&pool).await);
    for sandbox in [&mut one, &mut two] {
        assert_eq!(sandbox.run(Command::new(["true"])).await.unwrap().end, exited(0));
    }
    drop((one, two));
    pool.close().await;
}

pub(crate) async fn a_killed_owner_takes_everything_along(bench: &Bench) {
    for _ in 0..2 {
        let mut owner = Owner(
            Process::new(std::env::current_exe().unwrap())
                .env(OWNER, "1")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .unwrap(),
        );
        let mut said = String::new();
        BufReader::new(owner.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let launcher: u32 = said.trim().parse().unwrap();
        until("it is under load", async || descendants(launcher).values().filter(|name| *name == "sleep").count() >= 4)
            .await;
        let below = descendants(owner.0.id());
        assert!(below.len() >= 9 && below.contains_key(&launcher), "{below:?}");
        let had_groups = !groups_of(launcher).is_empty();
        assert_eq!(had_groups, bench.has_groups());
        drop(owner);
        until("nothing of it lives", async || below.keys().all(|pid| !lives(*pid))).await;
        until("its groups are gone", async || groups_of(launcher).is_empty()).await;
    }
}

/// Killed when it is dropped, as by its own machine's power switch: it has no time to clean up.
struct Owner(std::process::Child);

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process that is killed by the test above.
pub(crate) fn own_if_asked() -> bool {
    if std::env::var_os(OWNER).is_none() {
        return false;
    }
    let launcher = Launcher::start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = Pool::new(&launcher, Policy::default(), PoolSettings { size: 4, reuse: Reuse::AfterReset }).unwrap();
        println!("{}", launcher.process_id().await.unwrap());
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let pool = pool.clone();
            callers.spawn(async move {
                loop {
                    let mut sandbox = take(&pool).await;
                    sandbox.run(Command::shell("(setsid sleep 60 &) ; sleep 1; true")).await.unwrap();
                }
            });
        }
        callers.join_all().await;
    });
    true
}
