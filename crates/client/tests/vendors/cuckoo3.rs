//! Cuckoo 3.

use crate::stand_in::{Received, Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{Cuckoo3, Cuckoo3Settings};
use belljar_client::{
    Artifact, ArtifactKind, Error, ErrorKind, Fault, Hash, Options, Sample, Sandbox, Secret, Status, Submission, Word,
};
use futures_util::TryStreamExt as _;

const ID: &str = "20260102-ABC123";

fn cuckoo(address: &str) -> Cuckoo3 {
    let mut http = Settings::new("lab", address);
    http.tries = 2;
    Cuckoo3::new(Cuckoo3Settings { http, key: Secret::new("s3cr3t-key") }).unwrap()
}

async fn one(status: u16, body: &str) -> (StandIn, Cuckoo3) {
    let body = body.to_owned();
    let server = StandIn::start(move |_| Reply::json(status, &body)).await;
    let cuckoo = cuckoo(&server.address);
    (server, cuckoo)
}

fn name(error: &Error) -> &'static str {
    match error.kind {
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::TooLarge { .. } => "too large",
        ErrorKind::Status { .. } => "status",
        _ => "other",
    }
}

/// 503 with an id is a submission that waits; one without is none. Both are sent once.
#[tokio::test]
async fn submitting_gives_an_id() {
    let ok = Ok(ID.to_owned());
    let id = format!(r#"{{"analysis_id": "{ID}", "settings": {{}}}}"#);
    for (status, body, expected) in [
        (200, id.as_str(), ok.clone()),
        (503, id.as_str(), ok),
        (503, r#"{"error": "down"}"#, Err("status")),
        (200, r#"{"analysis_id": ""}"#, Err("malformed")),
        (200, r#"{"analysis_id": 5}"#, Err("malformed")),
        (200, "[]", Err("malformed")),
        (400, r#"{"error": "Timeout cannot be 0"}"#, Err("invalid")),
        (400, r#"{"settings": ["This field is required."]}"#, Err("invalid")),
        (401, r#"{"detail": "Invalid token."}"#, Err("unauthenticated")),
    ] {
        let (server, cuckoo) = one(status, body).await;
        let environment = Some("windows 10".to_owned());
        let options = Options { environment, ..Options::default() };
        let submitted = cuckoo.submit(&Sample::bytes("a.exe", &b"MZ"[..]), &options).await;
        let came = submitted.map(|submission| submission.id);
        assert_eq!(came.as_ref().map_err(name), expected.as_ref().map_err(|kind| *kind), "{body}: {came:?}");
        let received = server.take();
        assert_eq!(received.len(), 1, "{body}");
        assert_eq!(received[0].line(), "POST /submit/file");
        assert_eq!(received[0].headers["authorization"], "token s3cr3t-key");
        let settings = br#"{"platforms":[{"os_version":"10","platform":"windows"}]}"#;
        let parts = [
            ("settings".to_owned(), None, settings.to_vec()),
            ("file".to_owned(), Some("a.exe".to_owned()), b"MZ".to_vec()),
        ];
        assert_eq!(received[0].parts(), parts);
    }
    let (server, cuckoo) = one(200, &id).await;
    cuckoo.submit(&Sample::url("http://a.test/"), &Options::default()).await.unwrap();
    let received = server.take();
    assert_eq!(received[0].line(), "POST /submit/url");
    let field = |name: &str, text: &str| (name.to_owned(), None, text.as_bytes().to_vec());
    assert_eq!(received[0].parts(), [field("settings", "{}"), field("url", "http://a.test/")]);
    let options = Options { environment: Some("windows 10 64".to_owned()), ..Options::default() };
    let error = cuckoo.submit(&Sample::url("http://a.test/"), &options).await.unwrap_err();
    assert_eq!(name(&error), "invalid");
    let (_server, cuckoo) = one(400, r#"{"settings": ["This field is required."]}"#).await;
    let error = cuckoo.submit(&Sample::url("x"), &Options::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("settings: This field is required."), "{error}");
}

#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Ok(Status::Failed(why.to_owned()));
    for (body, expected) in [
        (r#"{"state": "untracked"}"#, Ok(Status::Queued)),
        (r#"{"state": "pending_identification"}"#, Ok(Status::Queued)),
        (r#"{"state": "waiting_manual"}"#, Ok(Status::Queued)),
        (r#"{"state": "pending_pre"}"#, Ok(Status::Running)),
        (r#"{"state": "tasks_pending"}"#, Ok(Status::Running)),
        (r#"{"state": "never seen"}"#, Ok(Status::Running)),
        (r#"{"state": "finished", "tasks": 5, "errors": "x"}"#, Ok(Status::Finished)),
        (r#"{"state": "no_selected"}"#, failed("nothing in it can be analysed")),
        (r#"{"state": "fatal_error", "errors": []}"#, failed("fatal_error")),
        (
            r#"{"state": "fatal_error", "errors": {"errors": ["b"], "fatal": [{"error": "a", "traceback": "t"}]}}"#,
            failed("fatal_error: a"),
        ),
        (r#"{"state": null}"#, Err("malformed")),
        ("5", Err("malformed")),
    ] {
        let (server, cuckoo) = one(200, body).await;
        let status = cuckoo.status(&Submission::new(ID)).await;
        assert_eq!(status.as_ref().map_err(name), expected.as_ref().map_err(|kind: &&str| *kind), "{body}");
        assert_eq!(server.lines(), [format!("GET /analysis/{ID}")]);
    }
    let (_server, cuckoo) = one(404, "").await;
    assert_eq!(name(&cuckoo.status(&Submission::new(ID)).await.unwrap_err()), "not found");
}

/// An analysis with these members, which is finished.
fn analysed(members: &str) -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    let analysis = format!(r#"{{"id": "{ID}", "state": "finished", {members}}}"#);
    move |request| match request.target.strip_prefix(&format!("/analysis/{ID}")) {
        Some("") => Reply::json(200, &analysis),
        Some("/pre") => Reply::json(
            200,
            r#"{"score": 6, "signatures": [{"name": "av", "score": 6, "short_description": "Known.", "family": "zed"},
                {"name": "same", "score": 1}]}"#,
        ),
        Some(task) if task == format!("/task/{ID}_1/post") => Reply::json(
            200,
            r#"{"score": 9, "signatures": [{"name": "same", "score": 9, "description": "It injects.", "ttps": ["T1", {"id": "T2"}]}],
                "families": ["yak"], "processes": [{"commandline": "cmd /c x"}, 5], "screenshot": [{"name": "44.jpg"}],
                "network": {"host": ["1.2.3.4"], "domain": ["evil.test"], "http": [{"request": {"url": "http://evil.test/"}}, {}]}}"#,
        ),
        _ => Reply::json(404, ""),
    }
}

#[tokio::test]
async fn a_report_is_that_of_all_tasks() {
    let tasks = format!(
        r#""score": 9, "families": ["emotet"], "target": {{"filename": "a.exe", "md5": "0f", "sha256": "e3"}},
        "tasks": [{{"id": "{ID}_1", "state": "reported", "platform": "windows", "os_version": "10"}},
            {{"id": "{ID}_2", "state": "fatal_error", "platform": "linux"}},
            {{"id": "20260102-OTHER1_1", "state": "reported"}}, {{"id": "{ID}_1/../../x"}}]"#
    );
    let server = StandIn::start(analysed(&tasks)).await;
    let report = cuckoo(&server.address).report(&Submission::new(ID)).await.unwrap();
    let of = |rest: &str| format!("GET /analysis/{ID}{rest}");
    let tasks = [of(""), of("/pre"), of(&format!("/task/{ID}_1/post")), of(&format!("/task/{ID}_2/post"))];
    assert_eq!(server.lines(), tasks, "only tasks of its own are asked for");
    assert_eq!((report.verdict.verdict, report.verdict.score), (Word::Malicious, Some(90)));
    assert_eq!(report.verdict.families, ["emotet", "yak", "zed"]);
    assert_eq!(report.verdict.reasons, ["same", "Known.", &format!("the task {ID}_2 failed")]);
    assert_eq!((report.name.as_deref(), report.environment.as_deref()), (Some("a.exe"), Some("linux, windows 10")));
    assert_eq!(report.hashes.keys().collect::<Vec<_>>(), ["md5", "sha256"]);
    let findings: Vec<_> = report.findings.iter().map(|finding| (finding.name.as_str(), finding.severity)).collect();
    assert_eq!(findings, [("same", Some(90)), ("av", Some(60))]);
    assert_eq!(report.findings[0].techniques, ["T1", "T2"]);
    let indicators: Vec<&str> = report.indicators.iter().map(|indicator| indicator.value.as_str()).collect();
    assert_eq!(indicators, ["evil.test", "1.2.3.4", "http://evil.test/", "cmd /c x"]);
    let raw: serde_json::Value = report.raw.json().unwrap();
    assert_eq!((raw["analysis"]["id"].as_str(), raw["pre"]["score"].as_u64()), (Some(ID), Some(6)));
    assert_eq!(raw["tasks"].as_object().unwrap().len(), 1);
    assert_eq!(raw["tasks"][format!("{ID}_1")]["score"], 9);
}

/// The steps are Cuckoo's own; nothing is made up where there is no score, and nothing is ever clean.
#[tokio::test]
async fn scores_have_cuckoos_own_steps() {
    for (score, word, expected) in [
        ("10", Word::Malicious, Some(100)),
        ("8", Word::Malicious, Some(80)),
        ("7", Word::Suspicious, Some(70)),
        ("6", Word::Suspicious, Some(60)),
        ("5", Word::Unknown, Some(50)),
        ("1", Word::Unknown, Some(10)),
        ("0", Word::Unknown, Some(0)),
        ("\"9\"", Word::Malicious, Some(90)),
        ("true", Word::Suspicious, Some(60)),
    ] {
        let server = StandIn::start(analysed(&format!(r#""score": {score}"#))).await;
        let report = cuckoo(&server.address).report(&Submission::new(ID)).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, expected), "{score}");
        assert!(report.raw.json::<serde_json::Value>().unwrap()["tasks"].is_object());
    }
    let server = StandIn::start(|request| match request.target.ends_with("/pre") {
        true => Reply::json(404, ""),
        false => Reply::json(200, r#"{"state": "finished", "score": null}"#),
    })
    .await;
    let report = cuckoo(&server.address).report(&Submission::new(ID)).await.unwrap();
    assert_eq!((report.verdict.verdict, report.verdict.score), (Word::Unknown, None));
}

#[tokio::test]
async fn what_is_not_finished_has_no_report() {
    for (status, body, expected) in [
        (200, r#"{"state": "tasks_pending", "score": 0}"#, "not ready"),
        (200, r#"{"state": "fatal_error", "score": 0}"#, "failed"),
        (200, "{}", "malformed"),
        (200, "<html>", "malformed"),
        (404, "", "not found"),
        (500, r#"{"error": "Invalid analysis.json"}"#, "status"),
    ] {
        let (_server, cuckoo) = one(status, body).await;
        assert_eq!(name(&cuckoo.report(&Submission::new(ID)).await.unwrap_err()), expected, "{body}");
    }
}

/// One limit for all tasks together: an analysis of many must not have many times what one may.
#[tokio::test]
async fn the_limit_is_for_all_tasks_together() {
    let ids: Vec<String> = (1..=5).map(|number| format!(r#"{{"id": "{ID}_{number}"}}"#)).collect();
    let analysis = format!(r#"{{"state": "finished", "score": 1, "tasks": [{}]}}"#, ids.join(","));
    let server = StandIn::start(move |request| match request.target.ends_with("post") {
        true => Reply::json(200, &format!("{{\"x\": \"{}\"}}", "a".repeat(1000))),
        false => Reply::json(200, &analysis),
    })
    .await;
    for (limit, fine) in [(10_000, true), (4000, false)] {
        let mut http = Settings::new("lab", &server.address);
        http.max_answer_bytes = limit;
        let cuckoo = Cuckoo3::new(Cuckoo3Settings { http, key: Secret::new("k") }).unwrap();
        let report = cuckoo.report(&Submission::new(ID)).await;
        assert_eq!(report.as_ref().map(|_| ()).map_err(name), if fine { Ok(()) } else { Err("too large") });
    }
}

#[tokio::test]
async fn artifacts_come_as_streams() {
    let server = StandIn::start(analysed(r#""score": 1"#)).await;
    let cuckoo = cuckoo(&server.address);
    for (kind, which, lines) in [
        (ArtifactKind::Json, None, vec![""]),
        (ArtifactKind::Json, Some("pre"), vec!["/pre"]),
        (ArtifactKind::Json, Some("2"), vec!["/task/ID_2/post"]),
        (ArtifactKind::Json, Some("2/machine"), vec!["/task/ID_2/machine"]),
        (ArtifactKind::Pcap, None, vec!["/task/ID_1/pcap"]),
        (ArtifactKind::Pcap, Some("3"), vec!["/task/ID_3/pcap"]),
        (ArtifactKind::Sample, None, vec!["/submittedfile"]),
        (ArtifactKind::Screenshots, None, vec!["/task/ID_1/post", "/task/ID_1/screenshot/44.jpg"]),
        (ArtifactKind::Screenshots, Some("5.jpg"), vec!["/task/ID_1/screenshot/5.jpg"]),
        (ArtifactKind::Screenshots, Some("2/5.jpg"), vec!["/task/ID_2/screenshot/5.jpg"]),
        (ArtifactKind::Pcap, Some("../../x"), vec![]),
        (ArtifactKind::Sample, Some("2"), vec![]),
        (ArtifactKind::Json, Some("2/pcap"), vec![]),
    ] {
        let artifact = Artifact { kind, name: which.map(str::to_owned) };
        let _ = cuckoo.artifact(&Submission::new(ID), artifact).await;
        let lines: Vec<String> =
            lines.iter().map(|line| format!("GET /analysis/{ID}{}", line.replace("ID", ID))).collect();
        assert_eq!(server.lines(), lines, "{kind} {which:?}");
    }
    let error = cuckoo.artifact(&Submission::new(ID), ArtifactKind::Dropped.into()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    let server = StandIn::start(|_| Reply::typed(200, "application/octet-stream", "bytes")).await;
    let hash = Hash::parse(&"ab".repeat(32)).unwrap();
    let download = self::cuckoo(&server.address).target_bytes(&hash).await.unwrap();
    let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"bytes");
    assert_eq!(server.lines(), [format!("GET /targets/file/{}", "ab".repeat(32))]);
}

/// There is no search: the newest analyses are gone through, page by page, and not for ever.
#[tokio::test]
async fn a_hash_is_looked_for_among_the_newest() {
    let row = |id: u32, state: &str, md5: &str| {
        format!(r#"{{"id": "{id}", "state": "{state}", "target": {{"md5": "{md5}", "sha256": null}}}}"#)
    };
    let wanted = "d41d8cd98f00b204e9800998ecf8427e";
    let page = |rows: Vec<String>| format!(r#"{{"analyses": [{}]}}"#, rows.join(","));
    let full = page((0..100).map(|id| row(id, "finished", "00")).collect());
    let last = page(vec![
        row(200, "tasks_pending", wanted),
        row(201, "finished", &wanted.to_uppercase()),
        row(202, "finished", wanted),
    ]);
    let hash = Hash::parse(wanted).unwrap();
    let first = full.clone();
    let server = StandIn::start(move |request| match request.target.contains("offset=0&") {
        true => Reply::json(200, &first),
        false => Reply::json(200, &last),
    })
    .await;
    let found = cuckoo(&server.address).look_up(&hash).await.unwrap();
    assert_eq!(found.map(|submission| submission.id).as_deref(), Some("201"));
    assert_eq!(
        server.lines(),
        ["GET /analyses/?limit=100&offset=0&desc=true", "GET /analyses/?limit=100&offset=100&desc=true"]
    );
    for (body, pages) in [(full.as_str(), 10), (r#"{"analyses": []}"#, 1)] {
        let (server, cuckoo) = one(200, body).await;
        assert_eq!(cuckoo.look_up(&hash).await.unwrap(), None);
        assert_eq!(server.lines().len(), pages);
    }
}

#[tokio::test]
async fn what_else_there_is_can_be_asked_for() {
    let server = StandIn::start(|request| match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/submit/platforms") => Reply::json(200, r#"{"windows": ["10", 7], "linux": 5}"#),
        ("GET", "/submit/browsers") => Reply::json(200, r#"["chrome"]"#),
        ("GET", "/submit/routes") => Reply::json(200, r#"{"available": ["vpn"]}"#),
        ("GET", "/analyses/?limit=5&offset=10&desc=false") => {
            Reply::json(200, r#"{"analyses": [{"id": "a", "state": "finished", "target": {"target": "x.exe"}}]}"#)
        }
        ("GET", "/analysis/a/task/a_2") => Reply::json(200, r#"{"id": "a_2", "state": "reported", "score": 3}"#),
        ("GET", "/analysis/a/task/a_2/machine") => Reply::json(200, r#"{"name": "w1"}"#),
        ("GET", "/analysis/a/identification") => Reply::json(200, r#"{"selected": true}"#),
        ("GET", "/analysis/a/deleteanalysis") => Reply::json(200, ""),
        ("POST", "/analysis/a/composite") | ("POST", "/analysis/a/task/a_1/composite") => {
            Reply::json(200, &format!(r#"{{"asked": {}}}"#, String::from_utf8_lossy(&request.body)))
        }
        _ => Reply::json(503, ""),
    })
    .await;
    let cuckoo = cuckoo(&server.address);
    let a = Submission::new("a");
    assert_eq!(cuckoo.available().await.unwrap().remarks, ["linux", "windows 10, 7"]);
    assert_eq!(cuckoo.platforms().await.unwrap()["windows"], ["10", "7"]);
    assert_eq!(cuckoo.browsers().await.unwrap(), ["chrome"]);
    assert_eq!(cuckoo.routes().await.unwrap()["available"][0], "vpn");
    assert_eq!(cuckoo.analyses(5, 10, false).await.unwrap()[0].target.name(), Some("x.exe"));
    assert_eq!(cuckoo.task(&a, 2).await.unwrap().score, Some(3.0));
    assert_eq!(cuckoo.machine(&a, 2).await.unwrap()["name"], "w1");
    assert_eq!(cuckoo.identification(&a).await.unwrap()["selected"], true);
    assert_eq!(cuckoo.parts(&a, &["pre"]).await.unwrap()["asked"]["retrieve"][0], "pre");
    assert_eq!(cuckoo.task_parts(&a, 1, &["post"]).await.unwrap()["asked"]["retrieve"][0], "post");
    cuckoo.delete(&a).await.unwrap();
    server.take();
    assert_eq!(name(&cuckoo.delete(&Submission::new("b")).await.unwrap_err()), "status");
    assert_eq!(server.lines(), ["GET /analysis/b/deleteanalysis"], "a GET that is sent once");
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    assert_eq!(self::cuckoo(&gone).available().await.unwrap_err().fault(), Fault::Network);
}

#[tokio::test]
async fn the_key_is_never_shown() {
    let server = StandIn::start(|request| {
        Reply::json(401, &format!(r#"{{"detail": "no {}"}}"#, request.headers["authorization"]))
    })
    .await;
    let cuckoo = cuckoo(&server.address);
    let error = cuckoo.available().await.unwrap_err();
    assert!(error.to_string().ends_with("not authenticated: no token [secret]"), "{error}");
    assert!(!format!("{cuckoo:?} {error:?}").contains("s3cr3t"));
}
