//! Death and return: of the server, of its launcher, in order and without.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::archive::{contents, files};
use crate::form::{config, with_archive};
use crate::http::request;
use crate::server::{self, Server, control_groups, kill, lives, own, wait_for};

const SETTINGS: [&str; 2] = ["execute.pool_size=3", "execute.wait_for_sandbox=30s"];

/// Everything that a server runs and holds in the system, to see it gone.
struct Traces {
    processes: Vec<u32>,
    launcher: u32,
    /// The process that its control groups are named after.
    owner: u32,
}

impl Traces {
    fn of(server: &Server) -> Self {
        let launcher = server.launcher().expect("it runs");
        let owner = server.keeper().unwrap_or(launcher);
        Self { processes: server.processes().into_iter().collect(), launcher, owner }
    }

    #[track_caller]
    fn are_gone(&self) {
        wait_for("no process is left", || !self.processes.iter().any(|pid| lives(*pid)));
        wait_for("no control group is left", || control_groups(self.owner).is_empty());
    }
}

/// Posts to a server that may die meanwhile; the answer if there was a whole one.
fn try_post(address: std::net::SocketAddr, form: &crate::form::Form) -> Option<crate::http::Reply> {
    let stream = TcpStream::connect(address).ok()?;
    let mut connection = crate::http::Connection::over(stream);
    let bytes = request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body);
    connection.try_send(&bytes).ok()?;
    connection.receive("POST").ok()
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_it_has_told() {
    let Some(mut first) = own(&SETTINGS) else { return };
    let early = first.save(&files(&[("early", "saved before the load\n")]));
    let bytes = first.download(&early);
    let traces = Traces::of(&first);

    let told = Mutex::new(BTreeMap::new());
    let killed = AtomicBool::new(false);
    thread::scope(|scope| {
        for caller in 0..4 {
            let (told, killed, address) = (&told, &killed, first.address());
            scope.spawn(move || {
                for round in 0.. {
                    let text = format!("{caller} {round}\n");
                    let config = json!({"commands": ["cat in > out; (sleep 60 &)"], "save": true}).to_string();
                    match try_post(address, &with_archive(&config, &files(&[("in", &text)]))) {
                        Some(reply) => {
                            let id = server::checked(&reply)["environment"].as_str().expect("an id").to_owned();
                            told.lock().expect("no panic").insert(id, text);
                        }
                        None if killed.load(Ordering::Relaxed) => return,
                        None => panic!("no answer from a server that lives"),
                    }
                }
            });
        }
        wait_for("some are saved", || told.lock().expect("no panic").len() >= 12);
        killed.store(true, Ordering::Relaxed);
        first.signal(Signal::KILL);
    });
    first.wait();
    let told = told.into_inner().expect("no panic");

    let second = Server::start_in(first.directory(), &SETTINGS);
    traces.are_gone();
    assert_eq!(second.download(&early), bytes, "the same bytes");
    for (id, text) in &told {
        let saved = contents(&second.download(id));
        assert_eq!(saved, crate::archive::expected(&[("in", text), ("out", text)]));
    }
    assert!(second.data().join("spool").read_dir().expect("it is there").next().is_none());
    let answer = second.execute(&json!({"commands": ["cat out"], "environment": told.keys().next()}));
    assert_eq!(answer["status"], 0);
    // Nothing but what was told, and at most one per caller of which the answer was lost.
    let stored = second.stored().len();
    assert!((told.len() + 1..=told.len() + 5).contains(&stored), "{stored} files for {}", told.len() + 1);
}

#[test]
fn a_launcher_that_is_killed_is_replaced() {
    let Some(server) = own(&SETTINGS) else { return };
    let traces = Traces::of(&server);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // A request that lost its sandbox fails, and says so in one of the documented ways.
                    let reply = try_post(server.address(), &config(r#"{"commands": ["sleep 0.02; echo ok"]}"#))
                        .expect("an answer");
                    assert!([200, 500, 503].contains(&reply.status), "{reply:?}");
                }
            });
        }
        wait_for("it runs", || server.taken() > 0);
        kill(traces.launcher, Signal::KILL);
        wait_for("there is another", || server.launcher().is_some_and(|launcher| launcher != traces.launcher));
        wait_for("requests are served", || {
            let reply = server.ask(&json!({"commands": ["echo again"]}));
            reply.status == 200 && reply.json()["execution"][0]["stdout"] == "again"
        });
        done.store(true, Ordering::Relaxed);
    });
    for _ in 0..6 {
        assert_eq!(server.execute(&json!({"commands": ["echo ok"]}))["execution"][0]["stdout"], "ok");
    }
    server.wait_until_idle();
    if server.keeper().is_none() {
        wait_for("nothing of the old one is left", || control_groups(traces.launcher).is_empty());
    }
    let stays = [Some(server.pid()), server.keeper()];
    let old = traces.processes.iter().filter(|pid| !stays.contains(&Some(**pid)) && lives(**pid)).count();
    assert_eq!(old, 0);
}

#[test]
fn a_server_that_is_asked_to_stop_finishes_what_runs() {
    let Some(mut server) = own(&SETTINGS) else { return };
    server.wait_until_idle();
    let traces = Traces::of(&server);
    let form = config(r#"{"commands": ["sleep 1; echo finished"], "save": true}"#);
    let mut running = server.connect();
    running.send(&request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body));
    wait_for("it runs", || server.taken() == 1);
    // Neither a connection that is kept for later nor one that says nothing holds the server up.
    let mut kept = server.connect();
    kept.send(&request("GET", "/usages/", &[], b""));
    kept.receive("GET").expect("an answer");
    let _silent = server.connect();

    let began = Instant::now();
    server.signal(Signal::TERM);
    wait_for("nobody else is let in", || TcpStream::connect(server.address()).is_err());
    let answer = server::checked(&running.receive("POST").expect("an answer"));
    assert_eq!(answer["execution"][0]["stdout"], "finished");
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(10));
    traces.are_gone();

    let again = Server::start_in(server.directory(), &SETTINGS);
    assert_eq!(again.head(&format!("/environments/{}/", answer["environment"].as_str().expect("an id"))).status, 200);
}

#[test]
fn what_runs_longer_than_the_grace_period_is_killed() {
    let Some(mut server) = own(&["execute.pool_size=1", "server.grace_period=300ms"]) else { return };
    for signals in [1, 2] {
        if signals == 2 {
            // A second signal needs no grace period to be over.
            server = Server::start_in(server.directory(), &["execute.pool_size=1", "server.grace_period=1h"]);
        }
        server.wait_until_idle();
        let traces = Traces::of(&server);
        let address = server.address();
        thread::scope(|scope| {
            scope.spawn(move || try_post(address, &config(r#"{"commands": ["trap '' TERM; sleep 9"]}"#)));
            wait_for("it runs", || server.taken() == 1);
            let began = Instant::now();
            server.signal(Signal::TERM);
            if signals == 2 {
                wait_for("nobody else is let in", || TcpStream::connect(address).is_err());
                server.signal(Signal::TERM);
            }
            let status = server.wait();
            assert!(began.elapsed() < Duration::from_secs(5), "{signals}");
            assert_eq!(status.code(), Some(if signals == 1 { 0 } else { 143 }));
        });
        traces.are_gone();
    }
}

#[test]
fn a_directory_has_one_server() {
    let Some(first) = own(&SETTINGS) else { return };
    let second = server::command(&first.data(), "127.0.0.1:0", &[]).output().expect("the binary starts");
    assert!(!second.status.success());
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(stderr.contains("is in use by process") && stderr.contains(&first.pid().to_string()), "{stderr}");
    assert!(second.stdout.is_empty(), "it does not say that it is ready");
    assert_eq!(first.execute(&json!({"commands": ["true"]}))["status"], 0, "the first is not disturbed");
}
