//! Counts of keys that have drifted.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::{Command, Output};

use crate::common::redis::Redis;
use crate::{Bench, Test, Tested};

pub(crate) const TESTS: &[Test] = &[("keys::counts_are_put_right", counts)];

/// Says lines to a Redis, and gives what it answers.
pub(crate) fn say(redis: &Redis, lines: &[&str]) -> String {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).expect("connect");
    socket.write_all(lines.iter().map(|line| format!("{line}\r\n")).collect::<String>().as_bytes()).expect("write");
    socket.shutdown(Shutdown::Write).expect("shut down");
    let mut answers = String::new();
    socket.read_to_string(&mut answers).expect("read");
    answers
}

fn reconcile(config: &str, more: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("worker.toml");
    std::fs::write(&file, config).expect("write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
    command.args(["worker", "--reconcile-keys", "--config"]).arg(&file).args(more).env_clear();
    command.output().expect("the binary starts")
}

fn counts(_: &Bench) -> Tested {
    let mut redis = Redis::start()?;
    say(&redis, &["SET p:sandboxes#a#k 1", "SET p:count#a 250", "SET p:sandboxes#b#k 1", "SET p:count#b 1"]);
    let config = format!(
        "[apps.one]\njavascript = ''\n[apps.one.resources.kv]\nstore = 'redis'\nport = {}\nkey_prefix = 'p'\n",
        redis.port()
    );
    let output = reconcile(&config, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\t250\t1\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(say(&redis, &["GET p:count#a", "GET p:count#b"]), "$1\r\n1\r\n$1\r\n1\r\n");
    let output = reconcile(&config, &["--json"]);
    let store = format!("redis://127.0.0.1:{}/0, keys below p:", redis.port());
    let expected = serde_json::json!({"store": store, "tenants": [
        {"sandbox_id": "a", "before": 1, "keys": 1}, {"sandbox_id": "b", "before": 1, "keys": 1},
    ]});
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed, expected);
    redis.kill();
    let output = reconcile(&config, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the keys of app 'one' in redis://127.0.0.1"), "{said}");
    let none = reconcile("[apps.one]\njavascript = ''\n", &[]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    Ok(())
}
