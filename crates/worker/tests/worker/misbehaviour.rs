//! Apps that do what they should not: each is ended, its message is accounted for, and the next one is served.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use belljar_worker::run::Outcome;
use serde_json::json;

use crate::bench::{Bench, Cell, in_time, message, python, script, strict, until, user_message};

/// The app serves as if nothing had been.
async fn still_serves(cell: &Cell) {
    let report = cell.say("be good").await;
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
}

/// An app that does this unless it is told to be good.
fn unless_good(code: &str) -> belljar_worker::config::App {
    python(&format!("if message['msg']['content'] == 'be good': sys.exit()\n{code}"))
}

/// W8, W16.
pub(crate) async fn whoever_is_not_done_in_time_is_killed(bench: &Bench) {
    for code in ["while True: pass", "time.sleep(1000)", "while True: ask('log.info', msg='x')"] {
        let cell =
            bench.cell(in_time(unless_good(&format!("sys.stderr.write('so far\\n')\n{code}")), Duration::from_secs(4)));
        let report = cell.say("hi").await;
        // The last of them writes without end, too.
        assert!(matches!(report.outcome, Outcome::TimedOut | Outcome::TooMuchOutput), "{code}: {report:?}");
        assert!(report.stderr.starts_with("so far") && report.wall >= Duration::from_millis(10), "{report:?}");
        assert!(report.usage.is_some(), "{code}");
        still_serves(&cell).await;
        cell.close().await;
    }
    // A time that is over in the middle of a request waits for the request, not for the app.
    let cell = bench.cell(in_time(unless_good("tell('foo.wait')\ntime.sleep(1000)"), Duration::from_secs(4)));
    let answered = AtomicBool::new(false);
    let run = async {
        let report = cell.say("hi").await;
        (report, answered.load(Ordering::SeqCst))
    };
    let ((report, after), ()) = tokio::join!(run, async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        answered.store(true, Ordering::SeqCst);
        cell.recorder.go_on.add_permits(1);
    });
    assert_eq!((report.outcome, after), (Outcome::TimedOut, true));
    cell.close().await;
}

pub(crate) async fn input_that_is_not_read_holds_nobody_up(bench: &Bench) {
    let large = user_message(&"x".repeat(500_000));
    // It never reads, and is done; it never reads, and is not.
    for (code, outcome) in [("pass", Outcome::Exited(0)), ("import time\ntime.sleep(1000)", Outcome::TimedOut)] {
        let cell = bench.cell(in_time(script(code), Duration::from_secs(5)));
        assert_eq!(cell.give("sandbox1", &large).await.outcome, outcome, "{code}");
        cell.close().await;
    }
    // Answers that nobody reads are not piled up: at some point its requests wait.
    let code = "n = 0\nwhile True:\n    n += 1\n    tell('kv.large', cmd_id=n)";
    let cell = bench.cell(in_time(unless_good(code), Duration::from_secs(4)));
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::TimedOut, "{report:?}");
    assert!(cell.recorder.asked("kv").len() < 200, "{}", cell.recorder.asked("kv").len());
    still_serves(&cell).await;
    cell.close().await;
}

pub(crate) async fn lines_that_are_no_commands_kill(bench: &Bench) {
    for (output, word) in [
        ("\\n", "empty"),
        ("not json\\n", "not JSON"),
        ("[]\\n", "not an object"),
        ("{\"cmd\": \"log.info\", \"cmd_id\": 1}\\n", "reply"),
        ("{\"cmd\": 5, \"cmd_id\": 1, \"reply\": false}\\n", "cmd"),
        ("\\xff\\xfe\\n", "not JSON"),
        ("half a line", "not JSON"),
        ("[", "not JSON"),
    ] {
        let wait = if output.ends_with("\\n") { "time.sleep(1000)" } else { "" };
        let code = format!("sys.stdout.buffer.write('{output}'.encode('latin-1'))\nsys.stdout.flush()\n{wait}");
        let cell = bench.cell(unless_good(&code));
        let report = cell.say("hi").await;
        let Outcome::Malformed(problem) = &report.outcome else { panic!("{output}: {report:?}") };
        assert!(problem.contains(word), "{output}: {problem}");
        let logged = cell.logged();
        assert!(logged.len() == 1 && logged[0].0 == 40 && logged[0].1.contains(word), "{logged:?}");
        still_serves(&cell).await;
        cell.close().await;
    }
    // What comes after is not carried out.
    let cell = bench.cell(unless_good("put('\\n')\ntell('kv.set', key='a', value=1)\nhear()"));
    cell.say("hi").await;
    assert!(cell.recorder.keys("sandbox1").is_empty());
    cell.close().await;
}

pub(crate) async fn replies_to_nobody_are_refused(bench: &Bench) {
    let code = "reply = ask('outbound.reply_to', in_reply_to='nobody', content='x')
tell('kv.set', key='reason', value=reply['reason'])";
    let cell = bench.cell(unless_good(code));
    let report = cell.say("hi").await;
    assert_eq!((report.outcome, report.published), (Outcome::Exited(0), 0));
    let reason = json!("Could not find original message with id: u'nobody'");
    assert_eq!(cell.recorder.keys("sandbox1")["reason"], reason);
    // An event is nothing to reply to.
    let code = "reply = ask('outbound.reply_to', in_reply_to=message['msg']['user_message_id'], content='x')
tell('kv.set', key='success', value=reply['success'])";
    let other = bench.cell(python(code));
    other.give("sandbox1", &message(belljar_worker::message::Kind::Event, &json!({}))).await;
    assert_eq!(other.recorder.keys("sandbox1")["success"], json!(false));
    other.close().await;
    cell.close().await;
}

pub(crate) async fn output_without_end_is_cut(bench: &Bench) {
    for (stream, end) in [("stdout", ""), ("stderr", ""), ("stdout", "\\n"), ("stderr", "\\n")] {
        let code = format!(
            "chunk = 'x' * 65535 + '{end}'\nfor _ in range(1600): sys.{stream}.write(chunk)\nsys.{stream}.flush()\nhear()"
        );
        let mut app = strict(unless_good(&code));
        app.recv_limit = 1 << 20;
        app.profile = belljar_worker::config::Profile::Belljar;
        let cell = bench.cell(app);
        let report = cell.say("hi").await;
        match &report.outcome {
            Outcome::TooMuchOutput => {}
            // A whole line that is no command ends it earlier.
            Outcome::Malformed(_) if stream == "stdout" && !end.is_empty() => {}
            other => panic!("{stream}: {other:?}"),
        }
        assert!(report.received <= (1 << 20) + (64 << 10), "{}", report.received);
        assert!(report.stderr.len() <= belljar_worker::run::STDERR_TAIL_BYTES);
        let longest = cell.logged().iter().map(|(_, text)| text.len()).max().unwrap();
        assert!(longest <= belljar_worker::run::MAX_STDERR_BYTES + 16, "{longest}");
        still_serves(&cell).await;
        cell.close().await;
    }
}

pub(crate) async fn children_end_with_their_process(bench: &Bench) {
    // A daemon of another session that keeps the streams and goes on to ask.
    let code = "if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            tell('kv.set', key='alive', value=time.time())
            time.sleep(0.02)
    os._exit(0)
time.sleep(0.5)";
    let cell = bench.cell(unless_good(code));
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
    assert!(cell.recorder.keys("sandbox1").contains_key("alive"));
    let asked = cell.recorder.asked("kv").len();
    for _ in 0..3 {
        still_serves(&cell).await;
    }
    assert_eq!(cell.recorder.asked("kv").len(), asked, "nobody is left that asks");
    cell.close().await;
}

/// W5: a crash is the message's that was being served, and no other's.
pub(crate) async fn a_crash_is_one_messages(bench: &Bench) {
    let cell = bench.cell(python("if message['msg']['content'] == 'crash': os.kill(os.getpid(), 9)\ntell('kv.set', key=message['msg']['content'], value=1)"));
    let messages = ["a", "crash", "b", "c", "crash", "d"].map(user_message);
    let reports = futures_util::future::join_all(messages.iter().map(|message| cell.give("sandbox1", message))).await;
    let outcomes: Vec<_> = reports.into_iter().map(|report| report.outcome).collect();
    let (good, bad) = (Outcome::Exited(0), Outcome::Signaled(9));
    assert_eq!(outcomes, [good.clone(), bad.clone(), good.clone(), good.clone(), bad, good]);
    assert_eq!(cell.recorder.keys("sandbox1").into_keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    cell.close().await;
}

/// Two tenants with look-alike ids, one app: neither what is stored nor what is left lying about is shared.
pub(crate) async fn tenants_see_nothing_of_one_another(bench: &Bench) {
    let code = "before = ask('kv.get', key='k')['value']
ask('kv.set', key='k', value=message['msg']['content'])
left = [os.path.exists(place + '/left') for place in ('/tmp', '/dev/shm', '/var/tmp', os.getcwd())]
for place in ('/tmp', '/dev/shm', '/var/tmp', os.getcwd()): open(place + '/left', 'w').close()
ask('kv.set', key='seen', value=[before, left])";
    let cell = bench.cell(python(code));
    for tenant in ["a", "A", "a ", "a#b", "a"] {
        assert_eq!(cell.give(tenant, &user_message(tenant)).await.outcome, Outcome::Exited(0));
    }
    let nothing = [false; 4];
    for (tenant, before) in [("a", json!("a")), ("A", json!(null)), ("a ", json!(null)), ("a#b", json!(null))] {
        assert_eq!(cell.recorder.keys(tenant)["seen"], json!([before, nothing]), "{tenant}");
    }
    cell.close().await;
}

pub(crate) async fn memory_without_end_is_limited(bench: &Bench) {
    let mut app = unless_good("all = []\nwhile True: all.append(bytearray(1 << 20))");
    app.memory = 64 << 20;
    let cell = bench.cell(app);
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::OutOfMemory, "{report:?}");
    still_serves(&cell).await;
    cell.close().await;
}

pub(crate) async fn forks_without_end_are_limited(bench: &Bench) {
    let code = "import errno
n = 0
try:
    while True:
        if os.fork() == 0: time.sleep(1000)
        n += 1
except OSError as error:
    tell('kv.set', key='forks', value=[n, errno.errorcode[error.errno]])";
    let cell = bench.cell(unless_good(code));
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
    let forks = &cell.recorder.keys("sandbox1")["forks"];
    assert!(forks[0].as_u64().unwrap() < 64 && forks[1] == "EAGAIN", "{forks}");
    // None of them is left to hold a place.
    until("the next message has all places again", async || cell.say("hi").await.outcome.success()).await;
    assert_eq!(&cell.recorder.keys("sandbox1")["forks"], forks);
    cell.close().await;
}
