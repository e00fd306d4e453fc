//! What the client costs beside bare requests: `cargo xtask bench client` runs this and makes a table of it.
//!
//! Prints a JSON object per line: `{"measure", "ours", "floor"}`. The server is a process of its own, so that its memory is not the client's.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a developer")]
#![expect(clippy::unwrap_used, reason = "a bench ends when something does not work")]

mod calls;
mod crowd;
mod memory;
mod server;

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use belljar_client::http::Settings;
use belljar_client::vendors::{Cuckoo, CuckooSettings};

fn main() {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    if first.as_deref() == Some("serve") {
        return server::serve();
    }
    let quick = first.as_deref() == Some("quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start();
        eprintln!("measuring: memory ...");
        memory::measure(&server, if quick { 64 << 20 } else { 2 << 30 }).await;
        eprintln!("measuring: calls ...");
        calls::measure(&server, if quick { 4 } else { 40 }).await;
        eprintln!("measuring: a crowd ...");
        crowd::measure(if quick { 50 } else { 1000 }).await;
    });
}

/// A server that stands in for a Cuckoo, in a process of its own.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut process =
            Command::new(env::current_exe().unwrap()).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    fn cuckoo(&self, concurrency: usize) -> Cuckoo {
        let mut http = Settings::new("bench", &self.address);
        http.concurrency = concurrency;
        Cuckoo::new(CuckooSettings { http, token: None }).unwrap()
    }

    /// The path of a call.
    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints what was measured.
fn tell(measure: &str, ours: f64, floor: Option<f64>) {
    println!("{}", serde_json::json!({ "measure": measure, "ours": ours, "floor": floor }));
}

/// The middle of several.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
