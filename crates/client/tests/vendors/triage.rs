//! Triage.

use crate::stand_in::{Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{TRIAGE_CLOUD, TRIAGE_PRIVATE_CLOUD, Triage, TriageChoice, TriageSettings, TriageSubset};
use belljar_client::{
    Artifact, ArtifactKind, ErrorKind, Fault, Hash, IndicatorKind, Options, Patience, Sample, Sandbox, Secret, Status,
    Submission, Word, wait,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

const ID: &str = "240301-abcdefghij";
const SHA256: &str = "afe6b95ad95bc689c356f34ec8d9094c495e4af57c932ac413b65ef132063acc";
const KEY: &str = "0123-key-4567";

fn triage(address: &str) -> Triage {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    Triage::new(TriageSettings { http, key: Secret::new(KEY) }).unwrap()
}

async fn one(status: u16, body: impl Into<String>) -> (StandIn, Triage) {
    let body = body.into();
    let server = StandIn::start(move |_| Reply::json(status, &body)).await;
    let triage = triage(&server.address);
    (server, triage)
}

/// A server of which each path answers what is given, and others that they are not found.
async fn paths(answers: Vec<(&'static str, Value)>) -> (StandIn, Triage) {
    let server = StandIn::start(move |request| match answers.iter().find(|(path, _)| *path == request.target) {
        Some((_, answer)) => Reply::json(200, &answer.to_string()),
        None => Reply::json(404, r#"{"error": "NOT_FOUND", "message": "sample does not exist"}"#),
    })
    .await;
    let triage = triage(&server.address);
    (server, triage)
}

fn kind(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::Forbidden(_) => "forbidden",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::Refused(_) => "refused",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::Status { .. } => "status",
        ErrorKind::TooLarge { .. } => "too large",
        _ => "other",
    }
}

/// 57: the id of a submission; an error with a status of success is one, and so is an answer without an id.
#[tokio::test]
async fn submitting_gives_an_id() {
    for (status, body, id) in [
        (200, r#"{"id": "240301-abcdefghij", "status": "pending", "kind": "file", "filename": "a.exe"}"#, Ok(ID)),
        (201, r#"{"id": "240301-abcdefghij"}"#, Ok(ID)),
        (200, r#"{"id": ""}"#, Err("malformed")),
        (200, "{}", Err("malformed")),
        (200, "[]", Err("malformed")),
        (200, "<html>", Err("malformed")),
        (200, r#"{"message": "x", "error": "INVALID"}"#, Err("status")),
        (200, r#"{"error": "UNAUTHORIZED", "message": "no"}"#, Err("unauthenticated")),
        (400, r#"{"error": "INVALID", "message": "no"}"#, Err("status")),
        (401, r#"{"error": "UNAUTHORIZED"}"#, Err("unauthenticated")),
        (402, r#"{"error": "QUOTA_EXCEEDED", "message": "tomorrow"}"#, Err("quota")),
        (500, "", Err("status")),
    ] {
        let (server, triage) = one(status, body).await;
        let submitted = triage.submit(&Sample::bytes("a b.exe", &b"MZ\0\xff"[..]), &Options::default()).await;
        let submitted = submitted.map_err(|error| kind(&error.kind));
        assert_eq!(submitted.as_ref().map(|submission| submission.id.as_str()).map_err(|kind| *kind), id, "{body}");
        let received = server.take();
        assert_eq!(received.len(), 1, "a submission is sent once");
        assert_eq!(received[0].line(), "POST /v0/samples");
        assert_eq!(received[0].headers["authorization"], format!("Bearer {KEY}"));
        let parts = received[0].parts();
        assert_eq!((parts[0].0.as_str(), &parts[0].1), ("_json", &None));
        let sent: Value = serde_json::from_slice(&parts[0].2).unwrap();
        assert_eq!(sent, json!({"kind": "file", "interactive": false}));
        assert_eq!(parts[1], ("file".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec()));
    }
}

#[tokio::test]
async fn options_are_sent_as_triage_has_them() {
    let options = |vendor: &[(&str, &str)]| Options {
        vendor: vendor.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Options::default()
    };
    let whole = Options {
        analysis_time: Some(std::time::Duration::from_secs(90)),
        archive_password: Some(Secret::new("infected")),
        environment: Some("win10".to_owned()),
        ..options(&[("defaults", r#"{"network": "tor"}"#), ("user_tags", r#"["a"]"#), ("target", "x.exe")])
    };
    for (address, options, expected) in [
        (true, options(&[]), Some(json!({"kind": "url", "url": "http://x.test", "interactive": false}))),
        (
            true,
            options(&[("kind", "fetch"), ("interactive", "true")]),
            Some(json!({"kind": "fetch", "url": "http://x.test", "interactive": true})),
        ),
        (
            false,
            whole.clone(),
            Some(
                json!({"kind": "file", "interactive": false, "password": "infected", "target": "x.exe", "user_tags": ["a"],
                "profiles": [{"profile": "win10"}], "defaults": {"network": "tor", "timeout": 90}}),
            ),
        ),
        (false, Options { vendor: options(&[("profiles", "[]")]).vendor, ..whole.clone() }, None),
        (false, Options { vendor: options(&[("defaults", "5")]).vendor, ..whole }, None),
        (false, options(&[("kind", "fetch")]), None),
        (true, options(&[("kind", "file")]), None),
        (true, options(&[("url", "http://other.test")]), None),
        (true, options(&[("interactive", "perhaps")]), None),
    ] {
        let (server, triage) = one(200, r#"{"id": "x"}"#).await;
        let file = Sample::bytes("a", &b"b"[..]);
        let sample = if address { Sample::url("http://x.test") } else { file };
        let submitted = triage.submit(&sample, &options).await;
        let received = server.take();
        match expected {
            Some(expected) => {
                submitted.unwrap();
                let sent = if address { received[0].body.to_vec() } else { received[0].parts()[0].2.clone() };
                assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), expected);
            }
            None => {
                assert_eq!(kind(&submitted.unwrap_err().kind), "invalid", "{options:?}");
                assert!(received.is_empty(), "refused before anything is sent");
            }
        }
    }
}

/// 58: each status; the original waits for ever for one that failed.
#[tokio::test]
async fn a_status_is_what_it_says() {
    for (body, expected) in [
        (json!({"sample": ID, "status": "pending"}), Ok(Status::Queued)),
        (json!({"id": ID, "status": "scheduled"}), Ok(Status::Queued)),
        (json!({"status": "static_analysis"}), Ok(Status::Running)),
        (json!({"status": "running"}), Ok(Status::Running)),
        (json!({"status": "processing"}), Ok(Status::Running)),
        (json!({"status": "never seen"}), Ok(Status::Running)),
        (json!({"sample": ID, "status": "reported"}), Ok(Status::Finished)),
        (json!({"status": "failed"}), Ok(Status::Failed("Triage does not say why".to_owned()))),
        (json!({"sample": "another", "status": "reported"}), Err("malformed")),
        (json!({"status": 5}), Err("malformed")),
        (json!({}), Err("malformed")),
        (json!([]), Err("malformed")),
    ] {
        let path = "/v0/samples/240301-abcdefghij/status";
        let (_server, triage) = paths(vec![(path, body.clone())]).await;
        let status = triage.status(&Submission::new(ID)).await.map_err(|error| kind(&error.kind));
        assert_eq!(status, expected, "{body}");
    }
    let (_server, triage) = paths(vec![]).await;
    let error = triage.status(&Submission::new(ID)).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::NotFound(said) if said == "NOT_FOUND: sample does not exist"), "{error}");
}

#[tokio::test]
async fn a_failure_ends_the_wait_and_says_why() {
    let overview =
        json!({"sample": {"id": ID}, "errors": [{"task": "behavioral1", "backend": "x", "reason": "no machine"}]});
    let (_server, triage) = paths(vec![
        ("/v0/samples/240301-abcdefghij/status", json!({"status": "failed"})),
        ("/v0/samples/240301-abcdefghij/summary", json!({"status": "failed"})),
        ("/v1/samples/240301-abcdefghij/overview.json", overview),
    ])
    .await;
    let error = wait(&triage, &Submission::new(ID), Patience::default(), |_| ()).await.unwrap_err();
    let why = "behavioral1: no machine";
    assert!(matches!(&error.kind, ErrorKind::AnalysisFailed(said) if said == why), "{error}");
    let error = triage.report(&Submission::new(ID)).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::AnalysisFailed(said) if said == why), "{error}");
}

/// 59: there when the list answers.
#[tokio::test]
async fn it_is_there_when_the_list_answers() {
    for (status, body, there) in [
        (200, r#"{"data": [], "next": null}"#, true),
        (200, r#"{"error": "UNAUTHORIZED", "message": "no"}"#, false),
        (401, r#"{"error": "UNAUTHORIZED", "message": "no"}"#, false),
        (200, "<html>", false),
        (200, r#"{"data": 5}"#, false),
        (500, "", false),
    ] {
        let (server, triage) = one(status, body).await;
        assert_eq!(triage.available().await.is_ok(), there, "{status} {body}");
        assert_eq!(server.lines(), ["GET /v0/samples?subset=owned&limit=1"]);
    }
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    assert_eq!(triage(&gone).available().await.unwrap_err().fault(), Fault::Network);
}

#[tokio::test]
async fn an_address_may_name_the_version() {
    assert_eq!((TRIAGE_CLOUD, TRIAGE_PRIVATE_CLOUD), ("https://api.tria.ge", "https://private.tria.ge/api"));
    let server = StandIn::start(|_| Reply::json(200, r#"{"data": []}"#)).await;
    for (path, line) in [
        ("", "GET /v0/samples?subset=owned&limit=1"),
        ("/v0", "GET /v0/samples?subset=owned&limit=1"),
        ("/api/v0/", "GET /api/v0/samples?subset=owned&limit=1"),
    ] {
        triage(&format!("{}{path}", server.address)).available().await.unwrap();
        assert_eq!(server.lines(), [line]);
    }
}

fn summary(scores: &[Value]) -> Value {
    let task = |(number, score): (usize, &Value)| {
        (
            format!("{ID}-behavioral{number}"),
            json!({"kind": "behavioral", "status": "reported", "score": score, "resource": "win7"}),
        )
    };
    let tasks: serde_json::Map<String, Value> = scores.iter().enumerate().map(task).collect();
    json!({"sample": ID, "status": "reported", "sha256": SHA256, "target": "a.exe", "tasks": tasks})
}

/// 60, 61: the greatest score of all tasks, on our scale, with the vendor's bands; where the original says 1 for none, there is none.
#[tokio::test]
async fn a_score_is_the_greatest_of_all_tasks() {
    for (scores, word, score) in [
        (vec![json!(10)], Word::Malicious, Some(100)),
        (vec![json!(1), json!(8), json!(3)], Word::Malicious, Some(78)),
        (vec![json!("7")], Word::Suspicious, Some(67)),
        (vec![json!(5)], Word::Suspicious, Some(44)),
        (vec![json!(4)], Word::Unknown, Some(33)),
        (vec![json!(1)], Word::Unknown, Some(0)),
        (vec![json!(0)], Word::Unknown, Some(0)),
        (vec![json!(1000)], Word::Malicious, Some(100)),
        (vec![json!(null), json!({})], Word::Unknown, None),
        (vec![], Word::Unknown, None),
    ] {
        // Not every installation has the overview.
        let body = summary(&scores);
        let (server, triage) = paths(vec![("/v0/samples/240301-abcdefghij/summary", body.clone())]).await;
        let report = triage.report(&Submission::new(ID)).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{scores:?}");
        assert!(score.is_some() || !report.verdict.reasons.is_empty(), "why nobody knows");
        assert_eq!(report.raw.json::<Value>().unwrap(), body);
        assert_eq!(
            server.lines(),
            ["GET /v0/samples/240301-abcdefghij/summary", "GET /v1/samples/240301-abcdefghij/overview.json"]
        );
    }
}

#[tokio::test]
async fn a_report_of_something_else_or_of_nothing_is_none() {
    for (body, expected) in [
        (json!({"sample": "another", "status": "reported", "tasks": {}}), "malformed"),
        (json!({"sample": ID, "status": "running"}), "not ready"),
        (json!({"sample": ID, "status": "static_analysis"}), "not ready"),
        (json!({"error": "REPORT_NOT_AVAILABLE", "message": "x"}), "not ready"),
        (json!({"sample": ID, "error": "FORBIDDEN"}), "forbidden"),
    ] {
        let (_server, triage) = paths(vec![("/v0/samples/240301-abcdefghij/summary", body.clone())]).await;
        let error = triage.report(&Submission::new(ID)).await.unwrap_err();
        assert_eq!(kind(&error.kind), expected, "{body}");
    }
    let (_server, triage) = paths(vec![
        ("/v0/samples/240301-abcdefghij/summary", summary(&[json!(1)])),
        ("/v1/samples/240301-abcdefghij/overview.json", json!({"sample": {"id": "another"}})),
    ])
    .await;
    assert_eq!(kind(&triage.report(&Submission::new(ID)).await.unwrap_err().kind), "malformed");
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let overview = json!({
        "sample": {"id": ID, "target": "b.exe", "md5": "0E", "hashes": {"sha1": "ab"}, "iocs": {"domains": ["a.test"]}},
        "analysis": {"score": 10, "family": ["zed"], "tags": ["x"]},
        "targets": [{"family": ["why"], "iocs": {"urls": ["http://b.test/"], "ips": ["1.2.3.4"]}}, 5],
        "signatures": [{"label": "low", "score": 2}, {"name": "Hides", "score": 8, "ttp": ["T1060"], "desc": "d"}, {"score": 3}],
        "extracted": [{"config": {"family": "zed", "c2": ["5.6.7.8:443", "c.test:80"], "mutex": ["m"]}},
            {"dropper": {"urls": [{"type": "exe", "url": "http://d.test/x"}]}}, {"ransom_note": {"family": "ex", "urls": ["http://e.onion"]}}],
        "errors": [{"task": "behavioral2", "reason": "timeout"}],
    });
    let (_server, triage) = paths(vec![
        ("/v0/samples/240301-abcdefghij/summary", summary(&[json!(9)])),
        ("/v1/samples/240301-abcdefghij/overview.json", overview.clone()),
    ])
    .await;
    let report = triage.report(&Submission::new(ID)).await.unwrap();
    assert_eq!((report.verdict.verdict, report.verdict.score), (Word::Malicious, Some(89)), "the tasks' score counts");
    assert_eq!(report.verdict.families, ["ex", "why", "zed"]);
    assert_eq!(report.verdict.reasons, ["Hides", "behavioral2: timeout"]);
    assert_eq!((report.name.as_deref(), report.environment.as_deref()), (Some("b.exe"), Some("win7")));
    let hashes: Vec<(&str, &str)> = report.hashes.iter().map(|(name, hash)| (&**name, &**hash)).collect();
    assert_eq!(hashes, [("md5", "0e"), ("sha1", "ab"), ("sha256", SHA256)]);
    let findings: Vec<_> = report.findings.iter().map(|found| (&*found.name, found.severity)).collect();
    assert_eq!(findings, [("Hides", Some(80)), ("low", Some(20))]);
    use IndicatorKind::{Address, Domain, Mutex, Url};
    let indicators: Vec<_> = report.indicators.iter().map(|found| (found.kind, &*found.value)).collect();
    assert_eq!(
        indicators,
        [
            (Domain, "a.test"),
            (Domain, "c.test"),
            (Address, "1.2.3.4"),
            (Address, "5.6.7.8"),
            (Url, "http://b.test/"),
            (Url, "http://d.test/x"),
            (Url, "http://e.onion"),
            (Mutex, "m"),
        ]
    );
    assert_eq!(report.link, None, "this is none of the clouds");
    assert_eq!(report.raw.json::<Value>().unwrap(), overview);
}

/// 62: a report of each task that ran; tasks without one are left out.
#[tokio::test]
async fn each_task_has_a_report() {
    let mut body = summary(&[json!(1), json!(2)]);
    body["tasks"]["static1"] = json!({"kind": "static", "score": 1});
    let (server, triage) = paths(vec![
        ("/v0/samples/240301-abcdefghij/summary", body),
        ("/v0/samples/240301-abcdefghij/behavioral1/report_triage.json", json!({"version": "0.3.0"})),
    ])
    .await;
    let reports = triage.task_reports(&Submission::new(ID)).await.unwrap();
    let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["behavioral1"]);
    assert_eq!(reports[0].1.json::<Value>().unwrap(), json!({"version": "0.3.0"}));
    assert_eq!(server.lines().len(), 3, "what did not run has no such report");
}

#[tokio::test]
async fn artifacts_come_as_streams() {
    let server = StandIn::start(|request| match request.target.ends_with("/summary") {
        true => Reply::json(200, &summary(&[json!(1)]).to_string()),
        false => Reply::typed(200, "application/octet-stream", "bytes"),
    })
    .await;
    let client = triage(&server.address);
    let submission = Submission::new(ID);
    for (kind, name, path) in [
        (ArtifactKind::Json, None, "v1/samples/ID/overview.json"),
        (ArtifactKind::Json, Some("behavioral2"), "v0/samples/ID/behavioral2/report_triage.json"),
        (ArtifactKind::Json, Some("240301-abcdefghij-behavioral2"), "v0/samples/ID/behavioral2/report_triage.json"),
        (ArtifactKind::Pcap, None, "v0/samples/ID/behavioral0/dump.pcap"),
        (ArtifactKind::Pcap, Some("behavioral3"), "v0/samples/ID/behavioral3/dump.pcap"),
        (ArtifactKind::Sample, None, "v0/samples/ID/sample"),
        (ArtifactKind::All, None, "v0/samples/ID/archive"),
        (ArtifactKind::All, Some("zip"), "v0/samples/ID/archive.zip"),
        (ArtifactKind::Other, Some("reports/static"), "v0/samples/ID/reports/static"),
        (ArtifactKind::Other, Some("behavioral1/memory/a b.dmp"), "v0/samples/ID/behavioral1/memory/a%20b.dmp"),
    ] {
        let wanted = Artifact { kind, name: name.map(str::to_owned) };
        let download = client.artifact(&submission, wanted).await.unwrap();
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        let line = format!("GET /{}", path.replace("ID", ID));
        assert_eq!(server.lines().last(), Some(&line));
    }
    let download = client.task_file(&submission, "behavioral1", "memory/x.dmp").await.unwrap();
    assert_eq!(download.length, Some(5));
    assert_eq!(server.lines(), [format!("GET /v0/samples/{ID}/behavioral1/memory/x.dmp")]);
    for name in [None, Some(""), Some("a//b"), Some("../../x"), Some("behavioral1/..")] {
        let wanted = Artifact { kind: ArtifactKind::Other, name: name.map(str::to_owned) };
        let error = client.artifact(&submission, wanted).await.unwrap_err();
        assert_eq!(kind(&error.kind), "invalid", "{name:?}: {error}");
    }
    let error = client.artifact(&submission, ArtifactKind::Pdf.into()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    assert!(server.lines().is_empty());
    let (_server, triage) = one(200, r#" { "error" : "NOT_FOUND", "message": "x"}"#).await;
    let error = triage.artifact(&submission, ArtifactKind::Sample.into()).await.unwrap_err();
    assert_eq!(kind(&error.kind), "not found", "an error is no sample");
}

#[tokio::test]
async fn deleting_is_sent_once_and_believed_only_of_triage() {
    for (status, body, fine) in [
        (200, "{}", true),
        (204, "", true),
        (200, "<html>log in</html>", false),
        (200, r#"{"error": "NOT_FOUND"}"#, false),
        (404, r#"{"error": "NOT_FOUND"}"#, false),
        (503, "", false),
    ] {
        let (server, triage) = one(status, body).await;
        assert_eq!(triage.delete(&Submission::new(ID)).await.is_ok(), fine, "{status} {body}");
        assert_eq!(server.lines(), [format!("DELETE /v0/samples/{ID}")]);
    }
}

/// A search also finds archives that hold the file; only an analysis of the file itself is one.
#[tokio::test]
async fn a_hash_finds_the_newest_analysis_of_the_file_itself() {
    let found = json!({"data": [{"id": "running", "status": "running"}, {"id": "archive", "status": "reported"}, {"status": "reported"},
        {"id": "it", "status": "reported"}, {"id": "older", "status": "reported"}]});
    let sha256 = "/v0/search?limit=200&query=sha256%3Aafe6b95ad95bc689c356f34ec8d9094c495e4af57c932ac413b65ef132063acc";
    let md5 = "/v0/search?limit=200&query=md5%3A0e4e3c2d84a9bc726a50b3c91346fbb1";
    let (_server, triage) = paths(vec![
        (sha256, found.clone()),
        (md5, found),
        ("/v0/samples/archive/summary", json!({"sample": "archive", "status": "reported", "sha256": "0f"})),
        ("/v0/samples/it/summary", json!({"sample": "it", "status": "reported", "sha256": SHA256.to_uppercase()})),
        ("/v1/samples/it/overview.json", json!({"sample": {"id": "it", "md5": "0e4e3c2d84a9bc726a50b3c91346fbb1"}})),
        ("/v0/search?limit=200&query=sha1%3Aafe6b95ad95bc689c356f34ec8d9094c495e4af5", json!({"data": []})),
    ])
    .await;
    for hash in [SHA256, "0e4e3c2d84a9bc726a50b3c91346fbb1"] {
        let found = triage.look_up(&Hash::parse(hash).unwrap()).await.unwrap();
        assert_eq!(found.map(|submission| submission.id).as_deref(), Some("it"), "{hash}");
    }
    assert_eq!(triage.look_up(&Hash::parse(&SHA256[..40]).unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn events_come_until_the_analysis_ends() {
    let line = |status: &str| format!("{{\"id\": \"{ID}\", \"status\": \"{status}\"}}\n");
    let whole = format!("{}\n\r\n{}{}{}", line("pending"), line("running"), line("reported"), line("never looked at"));
    let no_end = format!("{}{}", line("running"), line("failed").trim_end());
    let running = Ok(Status::Running);
    let failed = Ok(Status::Failed("Triage does not say why".to_owned()));
    for (body, expected) in [
        (whole, vec![Ok(Status::Queued), running.clone(), Ok(Status::Finished)]),
        (no_end, vec![running.clone(), failed]),
        (format!("{}<html>", line("running")), vec![running.clone(), Err("malformed")]),
        (format!("{}{{}}\n{}", line("running"), line("reported")), vec![running.clone(), Err("malformed")]),
        ("{\"error\": \"NOT_FOUND\"}\n".to_owned(), vec![Err("malformed")]),
        ("x".repeat(2 << 20), vec![Err("too large")]),
        (String::new(), vec![]),
    ] {
        let (server, triage) = one(200, body.clone()).await;
        let events = triage.events(&Submission::new(ID)).await.unwrap();
        let events = events.map(|event| event.map(|event| event.status).map_err(|error| kind(&error.kind)));
        assert_eq!(events.collect::<Vec<_>>().await, expected, "{}", &body[..body.len().min(200)]);
        assert_eq!(server.lines(), [format!("GET /v0/samples/{ID}/events")]);
    }
    let (_server, triage) = one(404, r#"{"error": "NOT_FOUND"}"#).await;
    assert!(triage.events(&Submission::new(ID)).await.is_err());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let page = |id: &str, next: Value| json!({"data": [{"id": id, "status": "reported", "kind": "file", "filename": "n"}, 5, {}], "next": next});
    let (_server, triage) = paths(vec![
        ("/v0/samples?limit=200&subset=org", page("one", json!("2024-01-01T00:00:00Z"))),
        ("/v0/samples?limit=200&subset=org&offset=2024-01-01T00%3A00%3A00Z", page("two", json!(null))),
        ("/v0/search?limit=200&query=family%3Ax+AND+y", page("three", json!(7))),
        ("/v0/search?limit=200&query=family%3Ax+AND+y&offset=7", page("four", json!(7))),
    ])
    .await;
    let first = triage.samples(TriageSubset::Organization, None).await.unwrap();
    assert_eq!((first.samples.len(), first.samples[0].name.as_deref()), (1, Some("n")));
    let second = triage.samples(TriageSubset::Organization, first.next.as_deref()).await.unwrap();
    assert_eq!((second.samples[0].id.as_str(), second.next), ("two", None));
    let first = triage.search("family:x AND y", None).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("7"));
    let second = triage.search("family:x AND y", Some("7")).await.unwrap();
    assert_eq!(second.next, None, "a page that follows itself has none after it");
}

#[tokio::test]
async fn a_profile_can_be_chosen_and_profiles_changed() {
    let (server, triage) = one(200, r#"{"id": "p", "data": [{"id": "p"}]}"#).await;
    let waiting = Submission::new(ID);
    let automatic = TriageChoice::Automatic(vec!["a.zip/b.exe".to_owned()]);
    let profiles = TriageChoice::Profiles(vec![("p".to_owned(), Some("b.exe".to_owned())), ("q".to_owned(), None)]);
    for (choice, expected) in [
        (automatic, json!({"auto": true, "pick": ["a.zip/b.exe"]})),
        (profiles, json!({"profiles": [{"profile": "p", "pick": "b.exe"}, {"profile": "q"}]})),
    ] {
        triage.choose(&waiting, &choice).await.unwrap();
        let received = server.take();
        assert_eq!(received[0].line(), format!("POST /v0/samples/{ID}/profile"));
        assert_eq!(serde_json::from_slice::<Value>(&received[0].body).unwrap(), expected);
    }
    let profile = json!({"name": "p", "timeout": 60});
    assert_eq!(triage.profiles().await.unwrap(), [json!({"id": "p"})]);
    assert_eq!(triage.profile("p").await.unwrap()["id"], "p");
    assert_eq!(triage.create_profile(&profile).await.unwrap()["id"], "p");
    triage.update_profile("p", &profile).await.unwrap();
    triage.delete_profile("p").await.unwrap();
    triage.sample(&waiting).await.unwrap();
    triage.static_report(&waiting).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /v0/profiles",
            "GET /v0/profiles/p",
            "POST /v0/profiles",
            "PUT /v0/profiles/p",
            "DELETE /v0/profiles/p",
            "GET /v0/samples/240301-abcdefghij",
            "GET /v0/samples/240301-abcdefghij/reports/static",
        ]
    );
}

#[tokio::test]
async fn the_key_is_never_shown() {
    for status in [200, 401] {
        let server = StandIn::start(move |request| {
            let body = json!({"error": "NO", "message": format!("not {}", request.headers["authorization"])});
            Reply::json(status, &body.to_string())
        })
        .await;
        let triage = triage(&server.address);
        let error = triage.available().await.unwrap_err();
        assert!(error.to_string().contains("NO: not Bearer [secret]"), "{error}");
        for shown in [format!("{triage:?}"), format!("{error:?}")] {
            assert!(!shown.contains(KEY), "{shown}");
        }
    }
}

/// A server that repeats what it was sent does not get the password of an archive into an error.
#[tokio::test]
async fn a_password_is_never_shown() {
    let server = StandIn::start(|request| {
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        Reply::json(400, &json!({"error": "BAD", "message": sent, "detail": sent}).to_string())
    })
    .await;
    let options = Options { archive_password: Some(Secret::new("infected")), ..Options::default() };
    let client = triage(&server.address);
    let error = client.submit(&Sample::bytes("a.zip", &b"PK"[..]), &options).await.unwrap_err().to_string();
    assert!(error.contains("[secret]") && !error.contains("infected"), "{error}");
}
