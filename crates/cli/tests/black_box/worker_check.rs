//! `belljar worker`: what it is told by files, variables and arguments, those of vxsandbox's workers included.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Done, belljar, call_in, has_program, has_sandboxes};

const YAML: &str = "transport_name: ussd\njavascript_file: app.js\nsandbox_id: me\n\
                    sandbox: {kv: {cls: vxsandbox.RedisResource, redis_manager: {password: pa55word}}}\n";

/// A directory with an app of vxsandbox.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("app.js"), "api.on_inbound_message = function () { api.done(); };").expect("written");
    fs::write(place.path().join("app.yaml"), YAML).expect("written");
    place
}

/// Calls `belljar worker`, as an image does: with variables.
fn worker(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Done {
    let variables = variables.iter().copied();
    let output = belljar().current_dir(directory).envs(variables).arg("worker").args(arguments).output();
    output.expect("the binary starts").into()
}

#[test]
fn the_command_line_of_vumi_s_worker_is_understood() {
    let place = place();
    let arguments = [
        &["--nodaemon", "--pidfile=", "vumi_worker", "--worker_class", "nothing", "--specfile", "amqp.xml"][..],
        &["--worker-class", "vxsandbox.worker.StandaloneJsFileSandbox", "--config", "app.yaml", "--hostname", "rabbit"],
        &["--port", "5673", "--username", "me", "--password", "s3cret", "--vhost", "/v", "--system-id", "south"],
        &["--set-option", "timeout:7", "--sentry", "https://k3y@sentry", "--maxthreads", "3", "--check", "--json"],
    ];
    let done = worker(place.path(), &[], &arguments.concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for secret in ["s3cret", "pa55word", "k3y"] {
        assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
    }
    let told = "belljar: warning: flag --maxthreads: not used\nbelljar: warning: flag --sentry: not used\n\
                belljar: warning: flag --specfile: not used\n";
    assert_eq!(done.stderr, told);
    let shown: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(shown["broker"], json!({ "host": "rabbit", "port": 5673, "username": "me", "vhost": "/v" }));
    assert_eq!((&shown["system_id"], &shown["apps"][0]["timeout"]), (&json!("south"), &json!(7.0)));
    assert_eq!(shown["apps"][0]["resources"]["kv"]["has_password"], true);
    assert_eq!(shown["origins"]["sandbox_id"], "app.yaml:3");
    assert_eq!(shown["origins"]["timeout"], "flag --set-option");
}

#[test]
fn the_variables_of_vumi_s_images_are_enough() {
    let place = place();
    let variables = [
        ("WORKER_CLASS", "vxsandbox.worker.StandaloneJsFileSandbox"),
        ("CONFIG_FILE", "app.yaml"),
        ("AMQP_HOST", "rabbit"),
        ("AMQP_PASSWORD", "s3cret"),
        ("VUMI_OPT_TRANSPORT_NAME", "other"),
    ];
    let done = worker(place.path(), &variables, &["--check"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(done.stdout.contains("app other\n") && !done.stdout.contains("s3cret"), "{}", done.stdout);
    assert!(done.stdout.contains("  broker       rabbit:5672, user guest, vhost /\n"), "{}", done.stdout);
}

#[test]
fn all_that_is_wrong_is_said_before_anything_runs() {
    let place = place();
    fs::write(place.path().join("bad.toml"), "[apps.a]\njavascript_file = 'none.js'\ntimeot = 3\n").expect("written");
    let here = fs::canonicalize(place.path()).expect("it is there").display().to_string();
    let expected = format!(
        "belljar: error: bad.toml:2: apps.a.javascript_file: cannot read the app {here}/none.js: No such file or directory (os \
         error 2)\nbelljar: error: bad.toml:3: apps.a.timeot: there is no such setting\nhint: did you mean 'apps.a.timeout'?\n"
    );
    for more in [&[][..], &["--check"], &["--console"]] {
        let done = worker(place.path(), &[], &[&["--config", "bad.toml"], more].concat());
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(2), "", expected.as_str()));
    }
    let cases: [(&[&str], &str); 4] = [
        (
            &[],
            "belljar: error: there is no configuration\nhint: name one with --config FILE, or try `belljar worker --console`\n",
        ),
        (&["vumi_transport"], "[possible values: vumi_worker, start_worker]"),
        (&["--config", "app.yaml", "--check", "--set", "log.filter=a=b=c"], "flag --set log.filter: log.filter: "),
        (&["--config", "app.yaml", "--check", "--engine", "v8"], "expected one of \"auto\", \"quickjs\", \"node\""),
    ];
    for (arguments, message) in cases {
        let done = worker(place.path(), &[], arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(done.stderr.contains(message), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn the_example_holds_its_conversation_on_both_engines() {
    if !has_sandboxes() {
        return;
    }
    let typed = "*120#\n1\n \nBelljar was here\n2\n9\n3\n/new\n1\n/close\n/user +2782\n/new\n2\n";
    let menu = "1. Sign the guest book\n2. Read it\n3. Leave\n";
    let expected = format!(
        "Welcome!\n{menu}What would you like to write?\nAn empty page? Write a word or two.\n\
         Thank you, that was signature number 1.\n{menu}1: Belljar was here\n\n{menu}Please answer 1, 2 or 3.\n{menu}Goodbye!\n\
         Welcome back! This is visit number 2.\n{menu}What would you like to write?\nWelcome!\n{menu}1: Belljar was here\n\n{menu}"
    );
    let place = place();
    for engine in ["quickjs", "node"] {
        if engine == "node" && !has_program("node") {
            continue;
        }
        let done = call_in(place.path(), ["worker", "--console", "--engine", engine], typed);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected.as_str()), "{engine}: {}", done.stderr);
    }
}
