//! `messages_per_process`: lines 24 to 26 of the peer's tests, and W5 to W8.

use std::time::Duration;

use belljar_worker::config::App;
use belljar_worker::message::Kind;
use belljar_worker::run::Outcome;
use serde_json::{Value, json};

use crate::bench::{Bench, Cell, in_time, message, until, user_message};

fn per_process(mut app: App, messages: u32) -> App {
    app.messages_per_process = messages;
    app
}

fn starts(texts: &[String]) -> usize {
    texts.iter().filter(|text| *text == "Starting sandbox ...").count()
}

fn exits(texts: &[String]) -> usize {
    texts.iter().filter(|text| *text == "Exiting sandbox.").count()
}

async fn done(cell: &Cell, tenant: &str, content: &str) {
    let report = cell.give(tenant, &user_message(content)).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

/// Says done, unless its text is code, which it runs with all of Node.
const OBEDIENT: &str = "api.on_inbound_message = function (command) {
    var process = api.constructor.constructor('return process')();
    var text = command.msg.content;
    if (text === 'die') process.kill(process.pid, 'SIGKILL');
    else if (text === 'wait') return;
    else if (text.indexOf('write ') === 0) process.stderr.write(new Array(Number(text.slice(6)) + 1).join('x'), function () { api.done(); });
    else api.request('kv.set', {key: text, value: process.pid}, function () { api.done(); });
};
api.on_inbound_event = api.on_inbound_message;";

/// Line 24.
pub(crate) async fn processes_serve_as_often_as_configured(bench: &Bench) {
    let cell = bench.cell(per_process(bench.node("api.on_inbound_message = function () { this.done(); };"), 2));
    done(&cell, "sandbox1", "a").await;
    assert_eq!(cell.runner.kept(), 1);
    done(&cell, "sandbox1", "b").await;
    assert_eq!(cell.runner.kept(), 0);
    let once = ["Loading sandboxed code ...", "Done."];
    let texts = cell.texts();
    assert_eq!(texts, [&["Starting sandbox ..."], &once[..], &once, &["Exiting sandbox."]].concat());
    for _ in 0..5 {
        done(&cell, "sandbox1", "c").await;
    }
    let texts = cell.texts();
    assert_eq!((starts(&texts), exits(&texts), cell.runner.kept()), (3, 2, 1));
    cell.close().await;
}

/// More messages at once than there may be processes: none is started beyond those, and nobody waits while one is there.
pub(crate) async fn many_messages_share_few_processes(bench: &Bench) {
    let cell = bench.cell(per_process(bench.node("api.on_inbound_message = function () { this.done(); };"), 1000));
    let reports = futures_util::future::join_all((0..30).map(|_| cell.say("a"))).await;
    assert!(reports.iter().all(|report| report.outcome == Outcome::Done), "{reports:?}");
    // Two queues with one message each.
    assert_eq!(starts(&cell.texts()), 2);
    cell.close().await;
}

/// Line 25.
pub(crate) async fn messages_and_events_have_processes_of_their_own(bench: &Bench) {
    let cell = bench.cell(per_process(bench.node(OBEDIENT), 10));
    let event = |name: &str| message(Kind::Event, &json!({"content": name}));
    for round in 0..2 {
        done(&cell, "sandbox1", &format!("message{round}")).await;
        assert_eq!(cell.give("sandbox1", &event(&format!("event{round}"))).await.outcome, Outcome::Done);
        assert_eq!(cell.runner.kept(), 2);
    }
    let keys = cell.recorder.keys("sandbox1");
    // Process ids are those of each sandbox; the starts are what counts.
    assert_eq!((keys.len(), starts(&cell.texts())), (4, 2));
    cell.close().await;
}

/// Line 26, and W5: the next message goes to a new process.
pub(crate) async fn the_dead_serve_nobody(bench: &Bench) {
    let cell = bench.cell(per_process(bench.node(OBEDIENT), 10));
    done(&cell, "sandbox1", "a").await;
    assert_eq!(cell.say("die").await.outcome, Outcome::Signaled(9));
    assert_eq!(cell.runner.kept(), 0);
    done(&cell, "sandbox1", "b").await;
    assert_eq!(starts(&cell.texts()), 2);
    // And one that dies while it waits.
    let later = "api.on_inbound_message = function () {
        var host = api.constructor.constructor('return this')();
        host.setTimeout(function () { host.process.exit(5); }, 300);
        this.done();
    };";
    let other = bench.cell(per_process(bench.node(later), 10));
    for _ in 0..2 {
        done(&other, "sandbox1", "x").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(starts(&other.texts()), 2);
    other.close().await;
    cell.close().await;
}

/// W6.
pub(crate) async fn each_tenant_has_its_own(bench: &Bench) {
    let cell = bench.cell(per_process(bench.node(OBEDIENT), 10));
    for round in 0..2 {
        for tenant in ["a", "b"] {
            done(&cell, tenant, &format!("{tenant}{round}")).await;
        }
    }
    assert_eq!((cell.runner.kept(), starts(&cell.texts())), (2, 2));
    for (tenant, keys) in [("a", ["a0", "a1"]), ("b", ["b0", "b1"])] {
        assert_eq!(cell.recorder.keys(tenant).into_keys().collect::<Vec<_>>(), keys);
    }
    // Many tenants are not as many processes.
    for tenant in 0..12 {
        done(&cell, &format!("tenant{tenant}"), "x").await;
    }
    assert!(cell.runner.kept() <= belljar_worker::run::MAX_KEPT);
    cell.close().await;
}

/// W8.
pub(crate) async fn time_and_output_are_counted_per_message(bench: &Bench) {
    let mut app = in_time(per_process(bench.node(OBEDIENT), 10), Duration::from_secs(6));
    app.recv_limit = 1000;
    let cell = bench.cell(app);
    // All together longer and larger than one may be.
    for _ in 0..4 {
        done(&cell, "sandbox1", "write 600").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(starts(&cell.texts()), 1);
    let report = cell.say("write 1001").await;
    assert_eq!(report.outcome, Outcome::TooMuchOutput);
    let report = cell.say("wait").await;
    assert_eq!(report.outcome, Outcome::TimedOut, "{report:?}");
    done(&cell, "sandbox1", "a").await;
    until("a process waits", async || cell.runner.kept() == 1).await;
    assert!(cell.recorder.keys("sandbox1").get("a").is_some_and(Value::is_number));
    cell.close().await;
}
