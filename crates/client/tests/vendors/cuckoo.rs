//! Cuckoo 1 and 2.

use crate::stand_in::{Received, Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{Cape, CapeSettings, Cuckoo, Cuckoo3, Cuckoo3Settings, CuckooFilter, CuckooSettings};
use belljar_client::{
    Artifact, ArtifactKind, ErrorKind, Fault, Hash, Options, Sample, Sandbox, Secret, Status, Submission, Word,
};
use futures_util::TryStreamExt as _;

fn cuckoo(address: &str, token: Option<&str>) -> Cuckoo {
    let mut http = Settings::new("lab", address);
    http.tries = 2;
    Cuckoo::new(CuckooSettings { http, token: token.map(Secret::new) }).unwrap()
}

async fn one(status: u16, body: &'static str) -> (StandIn, Cuckoo) {
    let server = StandIn::start(move |_| Reply::json(status, body)).await;
    let cuckoo = cuckoo(&server.address, None);
    (server, cuckoo)
}

/// 4, 66-68: ids of all kinds; a status other than 200 is an error, and so is an answer without an id.
#[tokio::test]
async fn submitting_gives_an_id() {
    let ok = |id: &str| Ok(id.to_owned());
    for (status, body, id) in [
        (200, r#"{"task_id": 7}"#, ok("7")),
        (200, r#"{"task_ids": [8, 9]}"#, ok("8")),
        (200, r#"{"task_id": null, "task_ids": ["10"]}"#, ok("10")),
        (200, r#"{"task_id": null}"#, Err("malformed")),
        (200, "{}", Err("malformed")),
        (200, "<html>busy</html>", Err("malformed")),
        (200, r#"{"task_id": "1-400"}"#, Err("malformed")),
        (400, r#"{"message": "This file has already been submitted"}"#, Err("duplicate")),
        (400, r#"{"message": "no file"}"#, Err("status")),
        (401, r#"{"message": "token"}"#, Err("unauthenticated")),
        (500, "<html>", Err("status")),
    ] {
        let (server, cuckoo) = one(status, body).await;
        let sample = Sample::bytes("a b.exe", &b"MZ\0\xff"[..]);
        let mut options = Options { environment: Some("win10".to_owned()), ..Options::default() };
        options.vendor.insert("package".to_owned(), "exe".to_owned());
        let submitted = cuckoo.submit(&sample, &options).await;
        let kind = submitted.map(|submission| submission.id).map_err(|error| match error.kind {
            ErrorKind::Malformed(_) => "malformed",
            ErrorKind::Status { .. } => "status",
            ErrorKind::Duplicate(_) => "duplicate",
            ErrorKind::Unauthenticated(_) => "unauthenticated",
            _ => "other",
        });
        assert_eq!(kind, id, "{status} {body}");
        let received = server.take();
        assert_eq!(received.len(), 1, "a submission is sent once: {status} {body}");
        assert_eq!(received[0].line(), "POST /tasks/create/file");
        assert_eq!(received[0].headers["content-length"], received[0].body.len().to_string());
        let parts = received[0].parts();
        assert_eq!(parts[0], ("package".to_owned(), None, b"exe".to_vec()));
        assert_eq!(parts[1], ("machine".to_owned(), None, b"win10".to_vec()));
        assert_eq!(parts[2], ("file".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec()));
    }
}

/// 5, 70-74: each status, and what is none; `completed` is not finished, because the report may not be there yet.
#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Some(Status::Failed(why.to_owned()));
    for (status, body, expected) in [
        (200, r#"{"task": {"status": "pending"}}"#, Some(Status::Queued)),
        (200, r#"{"task": {"status": "running"}}"#, Some(Status::Running)),
        (200, r#"{"task": {"status": "completed"}}"#, Some(Status::Running)),
        (200, r#"{"task": {"status": "never seen"}}"#, Some(Status::Running)),
        (200, r#"{"task": {"status": "reported", "errors": null}}"#, Some(Status::Finished)),
        (
            200,
            r#"{"task": {"status": "failed_analysis", "errors": ["no machine"]}}"#,
            failed("failed_analysis: no machine"),
        ),
        (200, r#"{"task": {"status": "failed_processing", "errors": 5}}"#, failed("failed_processing")),
        (200, "{}", None),
        (404, r#"{"message": "Task not found"}"#, None),
        (500, "", None),
    ] {
        let (_server, cuckoo) = one(status, body).await;
        let found = cuckoo.status(&Submission::new("1")).await;
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{status} {body}: {found:?}");
    }
}

/// 9, 10, 82-85: scores and what they mean; nothing is made up where there is none.
#[tokio::test]
async fn a_report_has_a_verdict() {
    for (body, word, score) in [
        (r#"{"info": {"id": 8, "score": 5}}"#, Word::Suspicious, Some(50)),
        (r#"{"malscore": 10, "info": {"score": 1}}"#, Word::Malicious, Some(100)),
        (r#"{"malscore": null, "info": {"score": 14.2}}"#, Word::Malicious, Some(100)),
        (r#"{"malscore": "6.9"}"#, Word::Suspicious, Some(69)),
        (r#"{"info": {"score": 0}}"#, Word::Unknown, Some(0)),
        (r#"{"info": {"score": true}, "signatures": 5, "network": []}"#, Word::Unknown, None),
        ("{}", Word::Unknown, None),
    ] {
        let (server, cuckoo) = one(200, body).await;
        let report = cuckoo.report(&Submission::new("8")).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{body}");
        assert_eq!(
            report.raw.json::<serde_json::Value>().unwrap(),
            serde_json::from_str::<serde_json::Value>(body).unwrap()
        );
        assert_eq!(server.lines(), ["GET /tasks/report/8/json"]);
    }
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let body = r#"{"info": {"score": 8.0, "machine": {"name": "win7"}},
        "target": {"category": "file", "file": {"name": "a.exe", "md5": "0f", "sha256": "e3", "size": 3}},
        "signatures": [{"name": "low", "severity": 1}, {"name": "high", "description": "It hides.", "severity": 3,
            "ttp": {"T1060": {"short": "x"}}, "families": ["Zed"], "marks": [{"type": "ioc"}]}, "odd"],
        "behavior": {"processes": [{"calls": [1, {}]}], "summary": {"mutex": ["m"], "command_line": ["cmd /c x", 5]}},
        "dropped": [{"name": "d", "sha256": "d5"}, 7],
        "network": {"hosts": ["1.2.3.4", {"ip": "5.6.7.8"}], "domains": [{"domain": "evil.test", "ip": ""}],
            "http": [{"uri": "http://evil.test/x"}, {"count": 1}]}}"#;
    let (_server, cuckoo) = one(200, body).await;
    let report = cuckoo.report(&Submission::new("8")).await.unwrap();
    assert_eq!(report.name.as_deref(), Some("a.exe"));
    assert_eq!(report.hashes.keys().collect::<Vec<_>>(), ["md5", "sha256"]);
    assert_eq!(report.findings.iter().map(|finding| finding.name.as_str()).collect::<Vec<_>>(), ["high", "low"]);
    assert_eq!(
        (report.findings[0].severity, report.findings[0].techniques.as_slice()),
        (Some(100), &["T1060".to_owned()][..])
    );
    assert_eq!(report.verdict.families, ["Zed"]);
    assert_eq!(report.verdict.reasons, ["It hides.", "low"]);
    let indicators: Vec<&str> = report.indicators.iter().map(|indicator| indicator.value.as_str()).collect();
    assert_eq!(indicators, ["evil.test", "1.2.3.4", "5.6.7.8", "http://evil.test/x", "d5", "m", "cmd /c x"]);
}

/// 6-8, 79, 80: reachable, and not.
#[tokio::test]
async fn availability_is_asked_for_each_time() {
    let body = r#"{"version": "2.0.7", "machines": {"total": 5, "available": 4}}"#;
    let (server, cuckoo) = one(200, body).await;
    for _ in 0..2 {
        let available = cuckoo.available().await.unwrap();
        assert_eq!(available.version.as_deref(), Some("2.0.7"));
        assert_eq!(available.remarks, ["4 of 5 machines are free"]);
    }
    assert_eq!(server.lines(), ["GET /cuckoo/status", "GET /cuckoo/status"]);
    for status in [404, 500] {
        let (_server, cuckoo) = one(status, "").await;
        assert!(cuckoo.available().await.is_err(), "{status}");
    }
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    let error = super::cuckoo::cuckoo(&gone, None).available().await.unwrap_err();
    assert_eq!((error.fault(), error.is_retryable()), (Fault::Network, true), "{error}");
}

/// 75-78, 81: deleting and the queue.
#[tokio::test]
async fn deleting_is_sent_once_and_the_queue_is_counted() {
    for (status, body, fine) in [
        (200, r#"{"status": "OK"}"#, true),
        (404, r#"{"message": "Task not found"}"#, false),
        (500, r#"{"message": "The task is currently being processed, cannot delete"}"#, false),
        (503, "", false),
        (423, "", false),
    ] {
        let (server, cuckoo) = one(status, body).await;
        assert_eq!(cuckoo.delete(&Submission::new("3")).await.is_ok(), fine, "{status}");
        assert_eq!(server.lines(), ["GET /tasks/delete/3"], "{status}");
    }
    let (_server, cuckoo) = one(200, r#"{"tasks": {"pending": 2, "running": 1}}"#).await;
    let queue = cuckoo.queue().await.unwrap();
    assert_eq!((queue.waiting, queue.running), (2, Some(1)));
}

#[tokio::test]
async fn a_hash_finds_the_newest_finished_analysis() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/files/view/md5/d41d8cd98f00b204e9800998ecf8427e" => {
            Reply::json(200, r#"{"sample": {"id": 1, "tasks": [1, 2, 3]}}"#)
        }
        "/tasks/view/3" => Reply::json(200, r#"{"task": {"status": "running"}}"#),
        "/tasks/view/2" => Reply::json(200, r#"{"task": {"status": "reported"}}"#),
        _ => Reply::json(404, r#"{"message": "File not found"}"#),
    })
    .await;
    let cuckoo = cuckoo(&server.address, None);
    let known = Hash::parse("d41d8cd98f00b204e9800998ecf8427e").unwrap();
    assert_eq!(cuckoo.look_up(&known).await.unwrap().map(|submission| submission.id).as_deref(), Some("2"));
    let other = Hash::parse("00000000000000000000000000000000").unwrap();
    assert_eq!(cuckoo.look_up(&other).await.unwrap(), None);
}

#[tokio::test]
async fn artifacts_come_as_streams_and_others_are_refused_before_any_request() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/tasks/view/4" => Reply::json(200, r#"{"task": {"status": "reported", "sample": {"sha256": "ab"}}}"#),
        "/memory/list/4" => Reply::json(200, r#"{"dump_files": ["77-1", "78-1"]}"#),
        _ => Reply::json(200, "bytes").with("content-disposition", "attachment; filename=\"../x.bin\""),
    })
    .await;
    let cuckoo = cuckoo(&server.address, None);
    let submission = Submission::new("4");
    for (kind, line) in [
        (ArtifactKind::Pcap, "GET /pcap/get/4"),
        (ArtifactKind::Html, "GET /tasks/report/4/html"),
        (ArtifactKind::All, "GET /tasks/report/4/all"),
        (ArtifactKind::Dropped, "GET /tasks/report/4/dropped"),
        (ArtifactKind::Screenshots, "GET /tasks/screenshots/4"),
        (ArtifactKind::Sample, "GET /files/get/ab"),
        (ArtifactKind::Memory, "GET /memory/get/4/77-1"),
    ] {
        let download = cuckoo.artifact(&submission, kind.into()).await.unwrap();
        assert_eq!((download.name.as_deref(), download.length), (Some("x.bin"), Some(5)));
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        assert_eq!(server.lines().last().map(String::as_str), Some(line));
    }
    for (kind, name, line) in [
        (ArtifactKind::Screenshots, "0002", "GET /tasks/screenshots/4/0002"),
        (ArtifactKind::Memory, "78-1", "GET /memory/get/4/78-1"),
        (ArtifactKind::All, "gz", "GET /tasks/report/4/all?tar=gz"),
        (ArtifactKind::Other, "package_files", "GET /tasks/report/4/package_files"),
        (ArtifactKind::Other, "pdf", "GET /tasks/report/4/pdf"),
    ] {
        cuckoo.artifact(&submission, Artifact { kind, name: Some(name.to_owned()) }).await.unwrap();
        assert_eq!(server.lines(), [line]);
    }
    let error = cuckoo.artifact(&submission, ArtifactKind::Pdf.into()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    for (kind, name) in
        [(ArtifactKind::Pcap, Some("2")), (ArtifactKind::Other, Some("delete")), (ArtifactKind::Other, None)]
    {
        let error = cuckoo.artifact(&submission, Artifact { kind, name: name.map(str::to_owned) }).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{error}");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn a_token_is_sent_and_never_shown() {
    let server = StandIn::start(|request| {
        Reply::json(401, &format!("{{\"message\": \"no {}\"}}", request.headers["authorization"]))
    })
    .await;
    let cuckoo = cuckoo(&server.address, Some("s3cr3t-key\n"));
    let error = cuckoo.available().await.unwrap_err();
    assert_eq!(server.take()[0].headers["authorization"], "Bearer s3cr3t-key");
    assert_eq!(error.to_string(), "lab (cuckoo), asking whether it is there: not authenticated: no Bearer [secret]");
    for shown in [format!("{cuckoo:?}"), format!("{error:?}")] {
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}

/// Ids go into paths: whatever a server or a user makes up stays in its place.
#[tokio::test]
async fn an_id_cannot_leave_its_segment() {
    let (server, cuckoo) = one(404, "{}").await;
    let _ = cuckoo.status(&Submission::new("../../delete/1?x=1#y z")).await;
    assert_eq!(server.lines(), ["GET /tasks/view/..%2F..%2Fdelete%2F1%3Fx%3D1%23y%20z"]);
    for id in ["..", "."] {
        let error = cuckoo.artifact(&Submission::new(id), ArtifactKind::Json.into()).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{id}: {error}");
    }
    assert!(server.lines().is_empty());
}

/// Encoded or not, `..` is a way out of a directory to every reader of addresses.
#[tokio::test]
async fn an_id_that_leads_elsewhere_is_not_sent() {
    let (server, cuckoo) = one(200, "{}").await;
    for id in [".", ".."] {
        let error = cuckoo.delete(&Submission::new(id)).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{error}");
    }
    assert!(server.lines().is_empty());
}

/// 1, 2, 11: without settings nothing is sent but what the call is about; with a proxy, both verbs go through it.
#[tokio::test]
async fn only_what_is_wanted_is_sent_and_a_proxy_is_used() {
    let (server, direct) = one(200, r#"{"task_id": 1}"#).await;
    let mut http = Settings::new("lab", "sandbox.invalid");
    http.proxy = Some(Secret::new(&server.address));
    let through = Cuckoo::new(CuckooSettings { http, token: None }).unwrap();
    for (cuckoo, base) in [(direct, ""), (through, "http://sandbox.invalid:8090")] {
        let _ = cuckoo.available().await;
        cuckoo.submit(&Sample::bytes("x", &b"x"[..]), &Options::default()).await.unwrap();
        let received = server.take();
        let lines: Vec<String> = received.iter().map(|request| request.line()).collect();
        assert_eq!(lines, [format!("GET {base}/cuckoo/status"), format!("POST {base}/tasks/create/file")]);
        for request in &received {
            assert!(!request.headers.contains_key("authorization") && !request.headers.contains_key("cookie"));
            assert!(request.headers["user-agent"].starts_with("belljar-client/"));
        }
        assert_eq!(received[1].parts().len(), 1);
    }
}

#[tokio::test]
async fn a_login_is_sent_and_never_shown() {
    let server = StandIn::start(|request| Reply::json(401, &request.headers["authorization"])).await;
    let cuckoo = Cuckoo::with_login(Settings::new("lab", &server.address), "me", &Secret::new("s3cr3t-pw")).unwrap();
    let error = cuckoo.available().await.unwrap_err();
    assert_eq!(server.take()[0].headers["authorization"], "Basic bWU6czNjcjN0LXB3");
    assert!(error.to_string().ends_with("not authenticated: Basic [secret]"), "{error}");
}

/// Whatever a server repeats, also of a form.
#[tokio::test]
async fn the_password_of_an_archive_is_never_shown() {
    let echo = |request: &Received| {
        Reply::json(400, &serde_json::json!({ "message": String::from_utf8_lossy(&request.body) }).to_string())
    };
    let server = StandIn::start(echo).await;
    let http = || Settings::new("lab", &server.address);
    let clients: [Box<dyn Sandbox>; 3] = [
        Box::new(cuckoo(&server.address, None)),
        Box::new(Cape::new(CapeSettings { http: http(), token: None }).unwrap()),
        Box::new(Cuckoo3::new(Cuckoo3Settings { http: http(), key: Secret::new("key") }).unwrap()),
    ];
    for client in clients {
        let options = Options { archive_password: Some(Secret::new("s3cr3t-pw")), ..Options::default() };
        let error = client.submit(&Sample::url("http://a.test/"), &options).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        assert!(String::from_utf8_lossy(&server.take()[0].body).contains("s3cr3t-pw"), "it was sent");
    }
}

/// 3, 69: lists, with what they are narrowed by.
#[tokio::test]
async fn tasks_are_listed() {
    let body = r#"{"tasks": [{"id": 1, "status": "pending", "target": "/tmp/a.exe", "tags": []},
        {"id": 2, "status": "reported", "sample": {"sha256": "ab", "id": 7}, "errors": ["e"], "guest": {}}, 5]}"#;
    let (server, cuckoo) = one(200, body).await;
    let tasks = cuckoo.tasks(&CuckooFilter::default()).await.unwrap();
    let seen: Vec<_> = tasks.iter().map(|task| (task.id.as_str(), task.status())).collect();
    assert_eq!(seen, [("1", Status::Queued), ("2", Status::Finished)]);
    assert_eq!(tasks[1].sample.id.as_deref(), Some("7"));
    let (state, owner) = (Some("pending".to_owned()), Some("a&b".to_owned()));
    let filter = CuckooFilter { limit: Some(10), offset: 20, state, owner, completed_after: Some(5) };
    cuckoo.tasks(&filter).await.unwrap();
    cuckoo.tasks_of_sample("7").await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /tasks/list",
            "GET /tasks/list/10/20?completed_after=5&owner=a%26b&status=pending",
            "GET /tasks/sample/7"
        ]
    );
    assert!(cuckoo.tasks(&CuckooFilter { offset: 1, ..CuckooFilter::default() }).await.is_err());
    let (_server, cuckoo) = one(200, "{}").await;
    assert!(matches!(cuckoo.tasks(&CuckooFilter::default()).await.unwrap_err().kind, ErrorKind::Malformed(_)));
}

#[tokio::test]
async fn several_are_submitted_at_once() {
    let body = r#"{"submit_id": 1, "task_ids": [1, 2, "x"], "errors": ["c.doc is empty"]}"#;
    let (server, cuckoo) = one(200, body).await;
    let files = [Sample::bytes("a.exe", &b"a"[..]), Sample::bytes("b.exe", &b"b"[..])];
    let archive_password = Some(Secret::new("pw"));
    let analysis_time = Some(std::time::Duration::from_millis(1500));
    let mut options = Options { archive_password, analysis_time, ..Options::default() };
    options.vendor.insert("options".to_owned(), "free=yes".to_owned());
    let uploads = cuckoo.submit_several(&files, &options).await.unwrap();
    assert_eq!(uploads.submissions, [Submission::new("1"), Submission::new("2")]);
    assert_eq!(uploads.errors, ["c.doc is empty"]);
    let strings = [Sample::url("http://a.test/"), Sample::url("http://b.test/")];
    cuckoo.submit_several(&strings, &Options::default()).await.unwrap();
    let received = server.take();
    let text = |name: &str, text: &str| (name.to_owned(), None, text.as_bytes().to_vec());
    assert_eq!(received[0].line(), "POST /tasks/create/submit");
    let parts = received[0].parts();
    assert_eq!(parts[..2], [text("options", "free=yes,password=pw"), text("timeout", "2")]);
    assert_eq!(parts[2], ("files".to_owned(), Some("a.exe".to_owned()), b"a".to_vec()));
    assert_eq!(received[1].parts(), [text("strings", "http://a.test/\nhttp://b.test/")]);
    let [file, _] = files;
    let [url, _] = strings;
    for mixture in [vec![file, url], vec![], vec![Sample::url("http://a.test/\nb")]] {
        assert!(matches!(
            cuckoo.submit_several(&mixture, &Options::default()).await.unwrap_err().kind,
            ErrorKind::Invalid(_)
        ));
    }
    let options = Options { archive_password: Some(Secret::new("a,b")), ..Options::default() };
    assert!(cuckoo.submit_several(&strings_of(1), &options).await.is_err());
    assert!(server.lines().is_empty(), "what makes no sense is not sent");
}

fn strings_of(count: usize) -> Vec<Sample> {
    (0..count).map(|number| Sample::url(format!("http://{number}.test/"))).collect()
}

#[tokio::test]
async fn tasks_are_run_again_once() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/tasks/reschedule/3/2" => Reply::json(200, r#"{"status": "OK", "task_id": 9}"#),
        "/tasks/reschedule/4" => Reply::json(200, r#"{"status": "OK"}"#),
        "/tasks/reboot/3" => Reply::json(200, r#"{"task_id": 3, "reboot_id": 5}"#),
        "/tasks/rereport/3" => Reply::json(200, r#"{"success": true}"#),
        _ => Reply::json(503, ""),
    })
    .await;
    let cuckoo = cuckoo(&server.address, None);
    let three = Submission::new("3");
    assert_eq!(cuckoo.reschedule(&three, Some(2)).await.unwrap(), Some(Submission::new("9")));
    assert_eq!(cuckoo.reschedule(&Submission::new("4"), None).await.unwrap(), None, "Cuckoo 1 does not say");
    assert_eq!(cuckoo.reboot(&three).await.unwrap(), Submission::new("5"));
    assert!(cuckoo.rereport(&three).await.unwrap());
    server.take();
    let gone = Submission::new("5");
    assert!(cuckoo.reschedule(&gone, None).await.is_err());
    assert!(cuckoo.reboot(&gone).await.is_err());
    assert!(cuckoo.rereport(&gone).await.is_err());
    assert_eq!(server.lines(), ["GET /tasks/reschedule/5", "GET /tasks/reboot/5", "GET /tasks/rereport/5"]);
}

#[tokio::test]
async fn what_else_there_is_can_be_asked_for() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/tasks/summary/3" => Reply::json(200, r#"{"info": {"score": 2}}"#),
        "/tasks/report/3/json?elements=info" => Reply::json(200, r#"{"score": 2}"#),
        "/machines/list" => Reply::json(200, r#"{"machines": [{"name": "w1", "locked": true, "tags": ["x"]}]}"#),
        "/machines/view/w1" => Reply::json(200, r#"{"machine": {"name": "w1", "resultserver_port": "2042"}}"#),
        "/files/view/id/3" => Reply::json(200, r#"{"sample": {"id": 3, "md5": "aa", "tasks": [1, "2"]}}"#),
        "/vpn/status" => Reply::json(200, r#"{"vpns": {"de": {}}}"#),
        _ => Reply::json(404, r#"{"message": "no"}"#),
    })
    .await;
    let cuckoo = cuckoo(&server.address, None);
    let three = Submission::new("3");
    assert_eq!(cuckoo.summary(&three).await.unwrap()["info"]["score"], 2);
    assert_eq!(cuckoo.section(&three, "info").await.unwrap()["score"], 2);
    assert_eq!(cuckoo.machines().await.unwrap()[0].locked, Some(true));
    assert_eq!(cuckoo.machine("w1").await.unwrap().name, "w1");
    assert_eq!(cuckoo.sample("id", "3").await.unwrap().tasks, ["1", "2"]);
    assert!(cuckoo.vpns().await.unwrap()["de"].is_object());
    assert!(matches!(cuckoo.machine("w2").await.unwrap_err().kind, ErrorKind::NotFound(_)));
}

/// 77: what runs cannot be deleted, and Cuckoo says so with a 500.
#[tokio::test]
async fn what_runs_is_not_ready_to_be_deleted() {
    let (_server, cuckoo) = one(500, r#"{"message": "The task is currently being processed, cannot delete"}"#).await;
    let error = cuckoo.delete(&Submission::new("3")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotReady(_)) && error.is_retryable(), "{error}");
}
