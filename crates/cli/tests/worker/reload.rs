//! What changes while a worker runs.

use rustix::process::Signal;

use crate::apps::{ECHO, app};
use crate::process::{Transport, Worker, configured, replace, wait_for};
use crate::{Bench, Test, Tested};

pub(crate) const TESTS: &[Test] = &[
    ("reload::a_changed_configuration_is_used_and_a_wrong_one_is_not", configuration),
    ("reload::a_changed_app_is_used_for_the_next_message", file),
];

/// Says hello in its own way.
fn greeting(word: &str) -> String {
    format!("async function handle(msg) {{ await reply(msg, '{word}'); }}")
}

fn configuration(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let [mut first, mut second] = ["reload1", "reload2"].map(|name| Transport::connect(&broker, name));
    let one = |word: &str| configured("reload1", &greeting(word), "");
    let worker = Worker::start(&broker, &one("one"));
    first.say("+1", "x");
    assert_eq!(first.heard(), "one");
    // Another app comes, and this one changes.
    worker.configure(&format!("{}{}", one("two"), configured("reload2", ECHO, "")));
    second.say("+1", "echo");
    assert_eq!(second.heard(), "echo");
    first.say("+1", "x");
    assert_eq!(first.heard(), "two");
    // What cannot be used is told, and not used; by a signal, too.
    let told = |part: &str| {
        let lines = worker.lines();
        lines.iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(part)))
    };
    worker.configure("[apps.reload1]\nengin = 'x'\n");
    wait_for("the problem to be told", || told("the old one stays"));
    worker.configure(&configured("reload1", "throw new Error('cannot be loaded');", ""));
    wait_for("the app's problem to be told", || told("it goes on as it was"));
    first.say("+1", "x");
    assert_eq!(first.heard(), "two");
    worker.configure(&one("three"));
    worker.signal(Signal::HUP);
    wait_for("the other app to go", || told("is not served any more"));
    loop {
        first.say("+1", "x");
        match first.heard().as_str() {
            "two" => {}
            "three" => return Ok(()),
            other => panic!("{other}"),
        }
    }
}

fn file(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let mut transport = Transport::connect(&broker, "live");
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("app.js");
    replace(&path, &app(&greeting("old")));
    let apps = format!("[apps.live]\nengine = 'quickjs'\njavascript_file = '{}'\n", path.display());
    let _worker = Worker::start(&broker, &apps);
    for word in ["old", "new", "newer"] {
        replace(&path, &app(&greeting(word)));
        transport.say("+1", "x");
        assert_eq!(transport.heard(), word);
    }
    Ok(())
}
