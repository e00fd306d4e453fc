//! Connections that say nothing, or too little, or do not listen.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Watched;
use crate::http::request;
use crate::server::{Server, wait_for};

#[test]
fn a_thousand_silent_connections_hold_nobody_up() {
    let Some(watched) = Watched::start(&["server.header_timeout=3s", "server.max_connections=2000"]) else { return };
    let server = &watched.server;
    let silent: Vec<TcpStream> = (0..1000)
        .map(|number| TcpStream::connect(server.address()).unwrap_or_else(|error| panic!("{number}: {error}")))
        .collect();
    let began = Instant::now();
    let answer = server.execute(&json!({"commands": ["echo ok"]}));
    assert_eq!(answer["execution"][0]["stdout"], "ok");
    assert!(began.elapsed() < Duration::from_secs(2), "others are served meanwhile");
    // They are closed by the server, whose time for headers they did not keep.
    wait_for("their descriptors are closed", || server.descriptors() < watched.descriptors + 50);
    drop(silent);
    watched.is_unharmed("silent connections");
}

#[test]
fn more_silent_connections_than_may_be_hold_nobody_up() {
    // Far fewer than there are callers; the time for headers stays at its 30 seconds.
    let Some(watched) = Watched::start(&["server.max_connections=50"]) else { return };
    let server = &watched.server;
    let mut silent = Vec::new();
    for round in 0..4 {
        silent.extend((0..50).map(|_| TcpStream::connect(server.address()).unwrap()));
        // Half of a request is none, either.
        silent.last_mut().unwrap().write_all(b"GET /usages/ HTTP/1.1\r\nHost:").unwrap();
        let began = Instant::now();
        let answer = server.execute(&json!({"commands": ["echo ok"]}));
        assert_eq!(answer["execution"][0]["stdout"], "ok");
        assert!(began.elapsed() < Duration::from_secs(5), "round {round}");
    }
    // Who is served is not closed for others.
    let form = crate::form::config(r#"{"commands": ["sleep 1; echo served"]}"#);
    let mut served = server.connect();
    served.send(&request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body));
    wait_for("it runs", || server.taken() > 0);
    silent.extend((0..100).map(|_| TcpStream::connect(server.address()).unwrap()));
    assert_eq!(crate::server::checked(&served.receive("POST").unwrap())["execution"][0]["stdout"], "served");
    drop((silent, served));
    watched.is_unharmed("more silent connections than may be");
}

#[test]
fn the_descriptors_of_a_shell_are_enough() {
    if !crate::server::has_sandboxes() {
        return;
    }
    // As most shells have it: 1024, which the process itself may raise.
    let server = Server::start_with_descriptors(1024);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let [soft, hard] = [3, 4].map(|word| line.split_whitespace().nth(word).unwrap());
    assert_eq!(soft, hard, "{line}");
    let silent: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(server.execute(&json!({"commands": ["ulimit -Sn"]}))["execution"][0]["stdout"], "1024");
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(silent);
}

#[test]
fn who_sends_a_byte_now_and_then_is_cut_off() {
    let settings = ["server.header_timeout=500ms", "server.body_idle_timeout=500ms", "server.body_timeout=1s"];
    let Some(watched) = Watched::start(&settings) else { return };
    // Headers that never end.
    let mut connection = TcpStream::connect(watched.server.address()).unwrap();
    connection.write_all(b"GET /usages/ HTTP/1.1\r\n").unwrap();
    let began = Instant::now();
    while connection.write_all(b"X: 1\r\n").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "headers came for too long");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A body of which nothing comes, and one that comes too slowly as a whole.
    for drip in [false, true] {
        let mut connection = watched.server.connect();
        connection.send(b"POST /execute/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9999\r\n\r\nconfig=");
        let began = Instant::now();
        while drip && connection.try_send(b"x").is_ok() && began.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Ok(reply) = connection.receive("POST") {
            reply.refuses(408, "The request body came too slowly");
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    watched.is_unharmed("slow senders");
}

#[test]
fn who_does_not_take_the_answer_is_cut_off() {
    let Some(watched) = Watched::start(&["server.write_timeout=500ms"]) else { return };
    let config = json!({"commands": ["head -c 12000000 /dev/zero | tr '\\0' x"]});
    let form = crate::form::config(&config.to_string());
    let mut connection = watched.server.connect();
    connection.send(&request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body));
    wait_for("it runs", || watched.server.taken() > 0);
    watched.server.wait_until_idle();
    wait_for("it is cut off", || watched.server.descriptors() <= watched.descriptors);
    assert!(connection.receive("POST").is_err(), "not all of it comes");
    watched.is_unharmed("a caller that did not listen");
}

#[test]
fn requests_may_be_pipelined() {
    let Some(watched) = Watched::start(&[]) else { return };
    let mut connection = watched.server.connect();
    let mut bytes = Vec::new();
    for number in 0..5 {
        let form = crate::form::config(&json!({"commands": [format!("echo {number}")]}).to_string());
        bytes.extend(request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body));
        bytes.extend(request("GET", "/usages/", &[], b""));
    }
    connection.send(&bytes);
    for number in 0..5 {
        let answer = crate::server::checked(&connection.receive("POST").unwrap());
        assert_eq!(answer["execution"][0]["stdout"], number.to_string());
        assert_eq!(connection.receive("GET").unwrap().status, 200);
    }
    watched.is_unharmed("pipelined requests");
}
