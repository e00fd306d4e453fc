//! Memory of apps that do nothing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Bench;
use super::apps::{Engine, Kind, Store};
use super::daemon::{Worker, head};
use crate::bench::processes::{family, in_mib, proportional};
use crate::bench::report::{Report, Row, Target};
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::redis::Redis;

/// Apps more in the second worker than in the first.
const MORE: u32 = 8;

/// How long nothing has to happen.
const QUIET: Duration = Duration::from_secs(2);
/// How long that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures what one app more adds.
///
/// # Errors
///
/// A server cannot be started, the worker does not work, or the kernel does not tell.
pub(super) fn measure(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let broker = RabbitMq::start().map_err(|why| anyhow!("RabbitMQ: {why}"))?;
    let redis = Redis::start().map_err(|why| anyhow!("Redis: {why}"))?;
    let with = |count: u32, kind: Kind, engine: Engine| {
        let room = bench.room.path().join(format!("idle-{}-{}-{count}", kind.name(), engine.name()));
        std::fs::create_dir_all(&room)?;
        let apps: Vec<_> = (0..count).map(|number| (format!("app{number}"), kind, engine)).collect();
        let (head, operations) = head(&room, &broker)?;
        let configuration = bench.place.configure(&head, &apps, Store::Redis(redis.port()), 1, &room)?;
        let worker = Worker::start(bench.binary, &configuration, operations)?;
        let processes = settled(worker.id())?;
        // One that has ended meanwhile has no memory.
        let memory: u64 = processes.iter().filter_map(|process| proportional(*process).ok()).sum();
        Ok::<_, anyhow::Error>((in_mib(memory), processes.len()))
    };
    for (kind, engine, what, target) in [
        (Kind::Echo, Engine::QuickJs, "echo on quickjs", Some(Target::AtMost(10.0))),
        (Kind::Toolkit, Engine::QuickJs, "toolkit on quickjs", Some(Target::AtMost(10.0))),
        (Kind::Toolkit, Engine::Node, "toolkit on node, two processes ahead", None),
    ] {
        let (least, few) = with(1, kind, engine)?;
        let (most, many) = with(1 + MORE, kind, engine)?;
        let note = format!(
            "PSS of {MORE} more, {} processes; with one app the worker has {least:.1} MiB",
            many.saturating_sub(few)
        );
        let each = (most - least) / f64::from(MORE);
        report.add(Row::new("idle", format!("{what}: an idle app"), "MiB").ours(each).target(target).note(note));
    }
    Ok(())
}

/// The worker and all below it, once no more of them come: what is started ahead is started then.
fn settled(worker: u32) -> Result<Vec<u32>> {
    let began = Instant::now();
    let (mut processes, mut since) = (family(worker)?, Instant::now());
    while since.elapsed() < QUIET && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(100));
        let now = family(worker)?;
        if now != processes {
            (processes, since) = (now, Instant::now());
        }
    }
    Ok(processes)
}
