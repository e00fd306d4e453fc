//! The facade without `async`, outside of any runtime and inside of others.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use belljar_client::execution::{Archive, Request, Status as Ended};
use belljar_client::http::Settings;
use belljar_client::vendors::{Cuckoo, CuckooSettings};
use belljar_client::{
    Artifact, ArtifactKind, Capability, Error, ErrorKind, Hash, Options, Origin, Patience, Sample, Status, Submission,
    Vendor, blocking,
};
use bytes::Bytes;

use crate::premierlangage::settings;
use crate::stand_in::{Ending, Reply, StandIn};

/// A server in a runtime of its own, which is what the caller does not have.
struct Elsewhere {
    server: StandIn,
    _runtime: tokio::runtime::Runtime,
}

fn serve(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Elsewhere {
    let builder = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = builder.unwrap();
    let server = runtime.block_on(StandIn::start(move |request| answer(&request.line())));
    Elsewhere { server, _runtime: runtime }
}

fn cuckoo(address: &str) -> blocking::Sandbox {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    blocking::Sandbox::new(Arc::new(Cuckoo::new(CuckooSettings { http, token: None }).unwrap())).unwrap()
}

fn lab() -> Elsewhere {
    let asked = AtomicUsize::new(0);
    serve(move |line| match line {
        "GET /cuckoo/status" => Reply::json(200, r#"{"version": "2.0.7", "tasks": {"pending": 3}}"#),
        "POST /tasks/create/file" => Reply::json(200, r#"{"task_id": 7}"#),
        "GET /tasks/view/7" => Reply::json(
            200,
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => r#"{"task": {"status": "pending"}}"#,
                1 => r#"{"task": {"status": "running"}}"#,
                _ => r#"{"task": {"status": "reported"}}"#,
            },
        ),
        "GET /tasks/view/8" => Reply::json(200, r#"{"task": {"status": "failed_analysis"}}"#),
        "GET /tasks/report/7/json" => Reply::json(200, r#"{"info": {"score": 8.0}}"#),
        "GET /pcap/get/7" => {
            let piece = Bytes::from(vec![5; 70_000]);
            Reply::typed(200, "application/octet-stream", "").ending(Ending::Repeat {
                piece,
                times: 50,
                end: Bytes::from_static(b"end"),
            })
        }
        "GET /tasks/screenshots/7" => Reply::typed(200, "application/zip", "begin").ending(Ending::Cut),
        "GET /tasks/delete/7" => Reply::json(200, "{}"),
        _ => Reply::json(404, "{}"),
    })
}

/// All that a sandbox offers, as in the example of the documentation.
fn everything() {
    let elsewhere = lab();
    let lab = cuckoo(&elsewhere.server.address);
    assert_eq!((lab.name(), lab.vendor()), ("lab", Vendor::Cuckoo));
    assert!(lab.capabilities().has(Capability::Queue));
    assert_eq!(lab.available().unwrap().version.as_deref(), Some("2.0.7"));
    let origin = Origin::from_reader(&b"MZ"[..], 100).unwrap();
    let submission = lab.submit(&Sample::File { name: "a.exe".to_owned(), origin }, &Options::default()).unwrap();
    let patience =
        Patience { first: Duration::from_millis(1), longest: Duration::from_millis(1), ..Patience::default() };
    let mut heard = Vec::new();
    lab.wait(&submission, patience, |status| heard.push(status.clone())).unwrap();
    assert_eq!(heard, [Status::Queued, Status::Running, Status::Finished]);
    assert_eq!(lab.status(&submission).unwrap(), Status::Finished);
    assert_eq!(lab.report(&submission).unwrap().verdict.score, Some(80));
    let error = lab.wait(&Submission::new("8"), patience, |_| ()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::AnalysisFailed(_)), "{error}");
    assert_eq!(lab.look_up(&Hash::parse(&"0f".repeat(32)).unwrap()).unwrap(), None);
    assert_eq!(lab.queue().unwrap().waiting, 3);

    let mut traffic = lab.artifact(&submission, ArtifactKind::Pcap).unwrap();
    let mut read = Vec::new();
    traffic.read_to_end(&mut read).unwrap();
    assert_eq!((read.len(), read.ends_with(b"\x05end")), (50 * 70_000 + 3, true));
    assert_eq!(traffic.read(&mut [0; 10]).unwrap(), 0);
    let mut broken = lab.artifact(&submission, ArtifactKind::Screenshots).unwrap();
    let mut read = Vec::new();
    let error = broken.read_to_end(&mut read).unwrap_err();
    assert_eq!(read, b"begin");
    assert!(error.get_ref().is_some_and(|inner| inner.is::<Error>()), "{error:?}");
    assert!(broken.read(&mut [0; 10]).is_err(), "a part is not taken for the whole");
    let error = lab.artifact(&submission, Artifact::from(ArtifactKind::Xml)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    // A clone outlives what it was cloned from, a download the sandbox.
    let mut unread = lab.clone().artifact(&submission, ArtifactKind::Pcap).unwrap();
    lab.delete(&submission).unwrap();
    lab.close().unwrap();
    drop(lab);
    let mut read = vec![0; 200_000];
    unread.read_exact(&mut read).unwrap();
    assert!(read.iter().all(|byte| *byte == 5));
}

#[test]
fn everything_works_without_a_runtime() {
    everything();
}

#[test]
fn everything_works_inside_of_a_runtime() {
    // What is made in `everything` to stand in for the vendor cannot be dropped there, but on a thread of its own.
    for mut builder in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()] {
        let outer = builder.enable_all().build().unwrap();
        let elsewhere = lab();
        outer.block_on(async {
            let lab = cuckoo(&elsewhere.server.address);
            assert_eq!(lab.queue().unwrap().waiting, 3);
            let mut read = Vec::new();
            lab.artifact(&Submission::new("7"), ArtifactKind::Pcap).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read.len(), 50 * 70_000 + 3);
        });
    }
}

#[test]
fn many_threads_share_one() {
    let elsewhere = lab();
    let runtime = blocking::Runtime::new().unwrap();
    let lab = blocking::Sandbox::with_runtime(Arc::clone(cuckoo(&elsewhere.server.address).asynchronous()), runtime);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(lab.queue().unwrap().waiting, 3));
        }
    });
}

#[test]
fn executing_needs_no_runtime() {
    let elsewhere = serve(|line| match line {
        "POST /execute/" => Reply::json(
            200,
            r#"{"status": 3, "execution": [{"command": "x", "exit_code": 3, "stdout": "", "stderr": "no", "time": 1}], "total_time": 1.5}"#,
        ),
        "GET /environments/e/" | "GET /files/e/a/b/" => Reply::typed(200, "application/gzip", "bytes"),
        "HEAD /environments/e/" => Reply::typed(200, "application/gzip", "").with("content-length", "5"),
        "GET /usages/" | "GET /specifications/" => Reply::json(200, "{}"),
        "GET /libraries/" => Reply::json(200, r#"{"libraries": {}, "bin": ["sh"]}"#),
        _ => Reply::json(404, ""),
    });
    let lab = blocking::Execution::new(settings(&elsewhere.server.address)).unwrap();
    assert_eq!(lab.name(), "lab");
    let archive = Archive::bytes(&b"x"[..]);
    let outcome = lab.execute(&Request::new(["x"]), Some(&archive)).unwrap();
    assert_eq!((outcome.status, outcome.last_errors()), (Ended::Exit(3), "no"));
    assert_eq!(lab.execute_json(&serde_json::json!({"commands": ["x"]}), None).unwrap()["status"], 3);
    for mut download in [lab.download_environment("e").unwrap(), lab.download_file("e", "a/b").unwrap()] {
        let mut read = String::new();
        download.read_to_string(&mut read).unwrap();
        assert_eq!((read.as_str(), download.length), ("bytes", Some(5)));
    }
    assert!(lab.check_environment("e").unwrap().is_present());
    assert!(!lab.check_file("e", "b").unwrap().is_present());
    assert!(matches!(lab.specifications().unwrap_err().kind, ErrorKind::Malformed(_)));
    assert!(matches!(lab.usage().unwrap_err().kind, ErrorKind::Malformed(_)));
    assert_eq!(lab.libraries().unwrap().bin, ["sh"]);
    assert_eq!(lab.fact(belljar_client::execution::Fact::Usage).unwrap(), serde_json::json!({}));
}
