//! Messages over RabbitMQ, with keys and values in Redis: what operators have.

use std::thread::available_parallelism;

use anyhow::{Result, anyhow};

use super::apps::{Engine, Kind, Store};
use super::daemon::{Worker, head};
use super::link::{Link, Users};
use super::{Bench, floor, name, transport};
use crate::bench::processes::processor_of_family;
use crate::bench::report::{Report, Row, Target};
use crate::bench::sampling::Samples;
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::redis::Redis;

/// One app on one engine.
struct Case {
    kind: Kind,
    engine: Engine,
    /// One user, and many at once.
    users: [Users; 2],
    measured: [Samples; 2],
}

/// Node alone.
struct Floor {
    kind: Kind,
    /// One process after the other; as many at once as there are processors.
    measured: [Samples; 2],
}

/// Measures.
///
/// # Errors
///
/// A server cannot be started, or the worker does not work.
pub(super) fn measure(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let broker = RabbitMq::start().map_err(|why| anyhow!("RabbitMQ: {why}"))?;
    let redis = Redis::start().map_err(|why| anyhow!("Redis: {why}"))?;
    let room = bench.room.path().join("rabbitmq");
    std::fs::create_dir_all(&room)?;
    let apps: Vec<_> = bench.cases.iter().map(|(kind, engine)| (transport(*kind, *engine), *kind, *engine)).collect();
    let (head, operations) = head(&room, &broker)?;
    let configuration = bench.place.configure(&head, &apps, Store::Redis(redis.port()), bench.users, &room)?;
    let worker = Worker::start(bench.binary, &configuration, operations)?;
    let mut link = Link::open(&broker.url())?;
    let mut cases: Vec<Case> = apps
        .iter()
        .map(|(transport, kind, engine)| Case {
            kind: *kind,
            engine: *engine,
            users: [Users::new(transport, *kind, "+271", 1), Users::new(transport, *kind, "+272", bench.users)],
            measured: Default::default(),
        })
        .collect();
    let mut floors = [Kind::Echo, Kind::Toolkit].map(|kind| Floor { kind, measured: Default::default() });
    let callers = [1, available_parallelism()?.get()];
    // The first of everything is not measured.
    for case in &mut cases {
        for users in &mut case.users {
            link.talk(users, bench.turn / 8)?;
        }
    }
    for round in 0..bench.rounds {
        let first = usize::try_from(round)? % cases.len();
        cases.rotate_left(first);
        for case in &mut cases {
            for (users, measured) in case.users.iter_mut().zip(&mut case.measured) {
                let before = processor_of_family(worker.id())?;
                let heard = link.talk(users, bench.turn)?;
                let used = processor_of_family(worker.id())?.saturating_sub(before);
                measured.add(&heard.times, heard.took, used);
            }
        }
        cases.rotate_right(first);
        for floor in &mut floors {
            for (callers, measured) in callers.into_iter().zip(&mut floor.measured) {
                let heard = floor::node(&bench.place, floor.kind, callers, bench.turn)?;
                measured.add(&heard.times, heard.took, std::time::Duration::ZERO);
            }
        }
        eprintln!("round {} of {}", round + 1, bench.rounds);
    }
    link.close()?;
    for floor in &mut floors {
        floor.measured.iter_mut().for_each(Samples::sort);
    }
    for mut case in cases {
        case.measured.iter_mut().for_each(Samples::sort);
        if let Some(floor) = floors.iter().find(|floor| floor.kind == case.kind) {
            add(report, &case, floor, bench.users);
        }
    }
    Ok(())
}

fn add(report: &mut Report, case: &Case, floor: &Floor, users: usize) {
    let name = name(case.kind, case.engine);
    let [one, many] = &case.measured;
    let [alone, crowd] = &floor.measured;
    let row = |what: String, unit| Row::new("rabbitmq", format!("{name}, {what}"), unit);
    let target = match (case.kind, case.engine) {
        (Kind::Echo, Engine::QuickJs) => Some(Target::AtLeast(1000.0)),
        (Kind::Toolkit, Engine::QuickJs) => Some(Target::AtLeastRatio(50.0)),
        (Kind::Toolkit, Engine::Node | Engine::NodeAgain) => Some(Target::AtLeastRatio(4.0)),
        (Kind::Echo, _) => None,
    };
    let ms = |seconds: f64| seconds * 1e3;
    let processor = many.processor().map(ms).unwrap_or_default();
    let note = format!(
        "p50 {:.1} ms, p99 {:.1} ms; {processor:.2} ms of CPU time a message in the worker and its sandboxes",
        ms(many.p50()),
        ms(many.quantile(0.99)),
    );
    report.add(
        row(format!("{users} users: messages"), "/s").ours(many.rate()).floor(crowd.rate()).target(target).note(note),
    );
    let target = (case.kind == Kind::Toolkit).then_some(Target::AtMost(10.0));
    let processor = one.processor().map(ms).unwrap_or_default();
    let note = format!("p99 {:.1} ms; {processor:.2} ms of CPU time a message", ms(one.quantile(0.99)));
    report.add(
        row("one user: p50".to_owned(), "ms").ours(ms(one.p50())).floor(ms(alone.p50())).target(target).note(note),
    );
}
