//! What the service does with messages, whatever the bus and the apps are.

mod fake;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::{Deployment, Metrics, Plan, Service, Verdict};
use crate::bus::Queue;
use crate::config::App;
use fake::{FakeBus, Settled, app, deployment, reply, until};
pub(super) use fake::{event, message};

const PATIENCE: Duration = Duration::from_secs(30);

/// A service of one app that does this.
async fn serve<F>(
    act: impl Fn(Arc<crate::run::RunContext>, crate::message::Message) -> F + Send + Sync + 'static,
) -> (FakeBus, Service)
where
    F: Future<Output = Verdict> + Send + 'static,
{
    serve_as(app(), act).await
}

async fn serve_as<F>(
    app: App,
    act: impl Fn(Arc<crate::run::RunContext>, crate::message::Message) -> F + Send + Sync + 'static,
) -> (FakeBus, Service)
where
    F: Future<Output = Verdict> + Send + 'static,
{
    let bus = FakeBus::default();
    let service = Service::new(Arc::new(bus.clone()), Arc::new(Metrics::default()));
    service.deploy(just(deployment(app, act).0), PATIENCE).await;
    (bus, service)
}

fn just(deployment: Deployment) -> Vec<Plan> {
    vec![Plan::Serve(Box::new(deployment))]
}

fn failed() -> Verdict {
    Verdict::Failed("it broke".to_owned())
}

/// Fault W1 of the reference: users do not wait for each other.
#[tokio::test]
async fn users_are_served_side_by_side() {
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let (bus, _service) = serve(move |_, _| {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
            Verdict::Done
        }
    })
    .await;
    bus.message(1, "a").await;
    bus.message(2, "b").await;
    until("both", || bus.settled().len() == 2).await;
}

#[tokio::test]
async fn one_users_messages_are_in_order_and_never_two_at_once() {
    let seen: Arc<Mutex<Vec<(String, String, bool)>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let (bus, _service) = serve_as(App { prefetch: 8, ..app() }, move |_, message| {
        let noted = Arc::clone(&noted);
        async move {
            let user = message.text("from_addr").unwrap().to_owned();
            let content = message.text("content").unwrap().to_owned();
            noted.lock().unwrap().push((user.clone(), content.clone(), true));
            for _ in 0..content.parse::<u32>().unwrap() % 5 {
                tokio::task::yield_now().await;
            }
            noted.lock().unwrap().push((user, content.clone(), false));
            // Every third fails the first time: its second attempt comes before the next message.
            let first = noted.lock().unwrap().iter().filter(|(_, other, _)| *other == content).count() == 2;
            if content.parse::<u32>().unwrap().is_multiple_of(3) && first { failed() } else { Verdict::Done }
        }
    })
    .await;
    for number in 0..120 {
        bus.message(number, ["a", "b", "c", "d", "e"][usize::try_from(number % 5).unwrap()]).await;
    }
    until("all", || bus.settled().len() == 120).await;
    assert!(bus.settled().iter().all(|settled| matches!(settled, Settled::Acknowledged(_))));
    let seen = seen.lock().unwrap();
    for (index, user) in (0_u32..).zip(["a", "b", "c", "d", "e"]) {
        let own: Vec<_> = seen.iter().filter(|(of, ..)| of == user).map(|(_, what, begin)| (what, *begin)).collect();
        let numbers = (index..120).step_by(5);
        let attempts = numbers.flat_map(|number| vec![number; if number.is_multiple_of(3) { 2 } else { 1 }]);
        let expected: Vec<_> = attempts.flat_map(|number| [(number, true), (number, false)]).collect();
        let own: Vec<_> = own.into_iter().map(|(number, begin)| (number.parse::<u32>().unwrap(), begin)).collect();
        assert_eq!(own, expected, "{user}");
    }
}

/// Fault W5 of the reference.
#[tokio::test]
async fn what_fails_is_tried_once_more_and_then_a_dead_letter_with_the_reason() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let (bus, service) = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { failed() }
    })
    .await;
    bus.message(1, "a").await;
    until("a dead letter", || bus.settled() == [Settled::Buried(1, "it broke".to_owned())]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    // A worker or a connection was lost while it was worked on: that was its first attempt.
    bus.deliver(Queue::Inbound, 2, &message(2, "a"), true).await;
    until("a dead letter", || bus.settled().len() == 2).await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let metrics = service.print_metrics().await;
    for line in [
        "belljar_worker_attempts_failed_total{app=\"t\"} 3",
        "belljar_worker_retries_total{app=\"t\"} 1",
        "belljar_worker_messages_settled_total{app=\"t\",outcome=\"dead_failed\"} 2",
        "belljar_worker_messages_received_total{app=\"t\",queue=\"inbound\"} 2",
        "belljar_worker_engine_memory_bytes{app=\"t\"} 4096",
        "belljar_worker_messages_running{app=\"t\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}

/// Fault W3 of the reference.
#[tokio::test]
async fn what_nobody_can_read_is_a_dead_letter_and_stops_nobody() {
    let (bus, _service) = serve(|_, _| async { Verdict::Done }).await;
    let bodies: [&[u8]; 4] = [b"not json", b"[]", b"", b"\xff\xfe{}"];
    for (number, body) in (0..).zip(bodies) {
        bus.deliver(Queue::Inbound, number, body, false).await;
        bus.deliver(Queue::Event, number, body, true).await;
    }
    until("dead letters", || bus.settled().len() == 2 * bodies.len()).await;
    let all_buried = bus.settled().iter().all(|settled| matches!(settled, Settled::Buried(_, why) if !why.is_empty()));
    assert!(all_buried, "{:?}", bus.settled());
    bus.message(99, "a").await;
    until("the next", || bus.settled().contains(&Settled::Acknowledged(99))).await;
}

#[tokio::test]
async fn the_tenant_is_the_configurations_or_the_messages_and_must_be_there() {
    let tenants: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&tenants);
    let act = move |context: Arc<crate::run::RunContext>, _| {
        noted.lock().unwrap().push(context.sandbox_id.clone());
        async { Verdict::Done }
    };
    let (bus, _service) = serve_as(App { sandbox_id: None, ..app() }, act.clone()).await;
    bus.message(1, "a").await;
    until("a dead letter", || matches!(&bus.settled()[..], [Settled::Buried(1, why)] if why.contains("sandbox_id")))
        .await;
    let mut of_tenant: serde_json::Value = serde_json::from_slice(&message(2, "a")).unwrap();
    of_tenant["sandbox_id"] = "of the message".into();
    bus.deliver(Queue::Inbound, 2, of_tenant.to_string().as_bytes(), false).await;
    until("the second", || bus.settled().len() == 2).await;
    // The configuration's counts: nobody chooses a tenant by what they send.
    let (bus, _service) = serve(act).await;
    bus.deliver(Queue::Inbound, 3, of_tenant.to_string().as_bytes(), false).await;
    until("the third", || bus.settled().len() == 1).await;
    assert_eq!(*tenants.lock().unwrap(), ["of the message", "tenant"]);
}

/// Tests 17 and 18 of the reference, and section 5.8.
#[tokio::test]
async fn messages_for_other_endpoints_are_dropped_and_events_are_not() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let (bus, _service) = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Verdict::Done }
    })
    .await;
    let mut other: serde_json::Value = serde_json::from_slice(&message(1, "a")).unwrap();
    other["routing_metadata"] = serde_json::json!({"endpoint_name": "foo"});
    bus.deliver(Queue::Inbound, 1, other.to_string().as_bytes(), false).await;
    until("the message", || bus.settled() == [Settled::Acknowledged(1)]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    bus.deliver(Queue::Event, 2, &event("m", "foo"), false).await;
    bus.deliver(Queue::Event, 3, &event("m", "default"), false).await;
    until("the events", || bus.settled().len() == 3).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_second_attempt_does_not_repeat_what_the_first_one_published() {
    let (bus, _service) = serve(|context, message| async move {
        let attempt = u64::from(message.text("content") != Some("1"));
        reply(&context, "hello", 10 + attempt);
        reply(&context, "hello", 20 + attempt);
        static RUNS: AtomicU32 = AtomicU32::new(0);
        if RUNS.fetch_add(1, Ordering::SeqCst) == 0 {
            return failed();
        }
        reply(&context, "hello", 30);
        reply(&context, "good bye", 40);
        Verdict::Done
    })
    .await;
    bus.message(1, "a").await;
    until("the end", || bus.settled() == [Settled::Acknowledged(1)]).await;
    assert_eq!(bus.published(), ["hello", "hello", "hello", "good bye"]);
}

#[tokio::test]
async fn a_message_is_acknowledged_after_what_was_published_is_confirmed() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let (bus, _service) = serve(move |context, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        reply(&context, "hello", 1);
        async { Verdict::Done }
    })
    .await;
    bus.refuse(0, 3);
    bus.message(1, "a").await;
    until("the end", || {
        assert!(bus.settled().is_empty() || bus.published() == ["hello"]);
        bus.settled() == [Settled::Acknowledged(1)]
    })
    .await;
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the app is not run anew for it");
}

#[tokio::test]
async fn what_comes_again_although_it_was_done_is_not_run_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let (bus, _service) = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Verdict::Done }
    })
    .await;
    bus.refuse(1, 0);
    bus.message(1, "a").await;
    until("the run", || runs.load(Ordering::SeqCst) == 1).await;
    bus.deliver(Queue::Inbound, 2, &message(1, "a"), true).await;
    until("the end", || bus.settled() == [Settled::Acknowledged(2)]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    // The same, published a second time, is another.
    bus.deliver(Queue::Inbound, 3, &message(1, "a"), false).await;
    until("the end", || bus.settled().len() == 2).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_comes_again_while_it_is_worked_on_is_settled_with_it() {
    let go = Arc::new(Semaphore::new(0));
    let runs = Arc::new(AtomicU32::new(0));
    let (gate, counted) = (Arc::clone(&go), Arc::clone(&runs));
    let (bus, _service) = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Verdict::Done
        }
    })
    .await;
    bus.message(1, "a").await;
    bus.deliver(Queue::Inbound, 2, &message(2, "a"), false).await;
    bus.deliver(Queue::Inbound, 11, &message(1, "a"), true).await;
    bus.deliver(Queue::Inbound, 12, &message(2, "a"), true).await;
    let dropped = [Settled::Dropped(1), Settled::Dropped(2)];
    until("both again", || bus.settled() == dropped).await;
    go.add_permits(2);
    until("both", || bus.settled()[2..] == [Settled::Acknowledged(11), Settled::Acknowledged(12)]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn faults_of_ours_are_waited_for_and_make_it_unready() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let (bus, service) = serve(move |_, _| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move { if run < 3 { Verdict::Unavailable("no sandbox".to_owned()) } else { Verdict::Done } }
    })
    .await;
    assert_eq!(service.ready(), Ok(()));
    bus.message(1, "a").await;
    until("a first run", || runs.load(Ordering::SeqCst) > 0).await;
    let mut unready = false;
    while bus.settled().is_empty() {
        unready |= service.ready() == Err("app t: no sandbox".to_owned());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(unready);
    assert_eq!(bus.settled(), [Settled::Acknowledged(1)]);
    assert_eq!(service.ready(), Ok(()));
}

#[tokio::test]
async fn what_breaks_its_sandbox_each_time_does_not_do_so_for_ever() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let (bus, _service) = serve(move |_, message| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        let lasting = message.text("content") == Some("2");
        async move { if run < 2 || lasting { Verdict::Interrupted("it broke".to_owned()) } else { Verdict::Done } }
    })
    .await;
    bus.message(1, "a").await;
    until("the first", || bus.settled() == [Settled::Acknowledged(1)]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    bus.message(2, "a").await;
    until("the second", || bus.settled()[1..] == [Settled::Buried(2, "it broke".to_owned())]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 3 + 5);
}

#[tokio::test]
async fn a_panic_is_one_messages() {
    let (bus, _service) = serve(|_, message| async move {
        assert_ne!(message.text("content"), Some("1"), "a test");
        Verdict::Done
    })
    .await;
    bus.message(1, "a").await;
    bus.message(2, "a").await;
    until("both", || bus.settled() == [Settled::Dropped(1), Settled::Acknowledged(2)]).await;
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_runs_and_leaves_the_rest() {
    let go = Arc::new(Notify::new());
    let begun = Arc::new(AtomicU32::new(0));
    let (gate, counted) = (Arc::clone(&go), Arc::clone(&begun));
    let (bus, service) = serve(move |_, message| {
        counted.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            if message.text("from_addr") == Some("forever") {
                std::future::pending::<()>().await;
            }
            gate.notified().await;
            Verdict::Done
        }
    })
    .await;
    bus.message(1, "a").await;
    bus.message(2, "a").await;
    until("the first", || begun.load(Ordering::SeqCst) == 1).await;
    let stopping = tokio::spawn({
        let service = service.clone();
        async move { service.stop(PATIENCE).await }
    });
    until("the rest to be left", || bus.settled() == [Settled::Dropped(2)]).await;
    go.notify_one();
    stopping.await.unwrap();
    assert_eq!(bus.settled(), [Settled::Dropped(2), Settled::Acknowledged(1)]);
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_killed_and_left() {
    struct OnDrop(Arc<AtomicU32>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (begun, killed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, dropped) = (Arc::clone(&begun), Arc::clone(&killed));
    let (bus, service) = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let guard = OnDrop(Arc::clone(&dropped));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Verdict::Done
        }
    })
    .await;
    bus.message(1, "a").await;
    until("it runs", || begun.load(Ordering::SeqCst) == 1).await;
    service.stop(Duration::from_millis(1)).await;
    assert_eq!(killed.load(Ordering::SeqCst), 1);
    assert_eq!(bus.settled(), [Settled::Dropped(1)]);
}

#[tokio::test]
async fn an_app_is_exchanged_while_it_runs() {
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let (old, closed) = deployment(app(), move |context, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            reply(&context, "old", 1);
            Verdict::Done
        }
    });
    let bus = FakeBus::default();
    let service = Service::new(Arc::new(bus.clone()), Arc::new(Metrics::default()));
    service.deploy(just(old), PATIENCE).await;
    bus.message(1, "a").await;
    until("it waits", || bus.consumed() == 2).await;
    // The message is on its way to the old one until it says so: a second one of another user is certainly behind it.
    until("it runs", || go_is_awaited(&service)).await;
    let new = || {
        deployment(app(), |context: Arc<crate::run::RunContext>, _| async move {
            reply(&context, "new", 2);
            Verdict::Done
        })
    };
    service.deploy(just(new().0), PATIENCE).await;
    bus.message(2, "b").await;
    until("the new one", || bus.published() == ["new"]).await;
    assert!(!*closed.lock().unwrap(), "the old one still runs");
    go.notify_one();
    until("the old one", || bus.published() == ["new", "old"] && *closed.lock().unwrap()).await;
    assert_eq!(bus.consumed(), 2, "the queues were not consumed anew");
    // With another number of messages it has to.
    let other = deployment(App { prefetch: 3, ..app() }, |_, _| async { Verdict::Done }).0;
    service.deploy(just(other), PATIENCE).await;
    until("anew", || bus.consumed() == 4).await;
    let kept = Plan::Keep("t".to_owned());
    service.deploy(vec![kept, Plan::Keep("unknown".to_owned())], PATIENCE).await;
    assert!(service.journal("t").is_some() && service.journal("unknown").is_none());
    service.deploy(Vec::new(), PATIENCE).await;
    assert!(service.journal("t").is_none());
    assert_eq!(bus.consumed(), 4);
}

fn go_is_awaited(service: &Service) -> bool {
    // What the metrics say is running has begun.
    let printed = service.metrics.print();
    printed.lines().any(|line| line == "belljar_worker_messages_running{app=\"t\"} 1")
}

/// Fault W4 of the reference.
#[tokio::test]
async fn a_consumer_that_ended_begins_again() {
    let (bus, _service) = serve(|_, _| async { Verdict::Done }).await;
    bus.message(1, "a").await;
    until("the first", || bus.settled().len() == 1).await;
    bus.end_consumers();
    until("anew", || bus.consumed() == 4).await;
    bus.message(2, "a").await;
    until("the second", || bus.settled().len() == 2).await;
}
