//! FireEye AX.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stand_in::{Received, Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{FireEye, FireEyeSettings, FireEyeVersion};
use belljar_client::{
    Artifact, ArtifactKind, Capability, ErrorKind, IndicatorKind, Options, Sample, Sandbox, Secret, Status, Submission,
    Word,
};
use futures_util::{FutureExt as _, TryStreamExt as _, future};
use serde_json::{Value, json};

fn client(address: &str, version: Option<FireEyeVersion>) -> FireEye {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    let mut settings = FireEyeSettings::new(http, "analyst", Secret::new("s3cr3t-pw"));
    settings.version = version;
    FireEye::new(settings).unwrap()
}

fn old(address: &str) -> FireEye {
    client(address, Some(FireEyeVersion::V1_2))
}

/// A server with sessions: the first is `token-1`, the second `token-2`. Only those that `valid` says are taken.
async fn appliance(
    valid: impl Fn(&str) -> bool + Send + Sync + 'static,
    answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> StandIn {
    let logins = AtomicUsize::new(0);
    StandIn::start(move |request| {
        if request.target.ends_with("/auth/login") {
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            return Reply::json(200, "").with("X-FeApi-Token", format!("token-{number}"));
        }
        if request.target.ends_with("/auth/logout") {
            return Reply::json(204, "");
        }
        match request.headers.get("x-feapi-token") {
            Some(token) if valid(token) => answer(request),
            _ => Reply::json(401, r#"{"fireeyeapis": {"httpStatus": 401, "message": "no session"}}"#),
        }
    })
    .await
}

async fn one(status: u16, body: &'static str) -> (StandIn, FireEye) {
    let server = appliance(|_| true, move |_| Reply::json(status, body)).await;
    let fireeye = old(&server.address);
    (server, fireeye)
}

fn kind(error: &belljar_client::Error) -> &'static str {
    match error.kind {
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::Status { .. } => "status",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Unsupported(_) => "unsupported",
        ErrorKind::Invalid(_) => "invalid",
        _ => "other",
    }
}

fn options(request: &Received) -> Value {
    let parts = request.parts();
    let (_, name, text) = parts.iter().find(|part| part.0 == "options").unwrap();
    assert_eq!(*name, None);
    serde_json::from_slice(text).unwrap()
}

/// 22, 110: nobody logs in before something is asked; then with the password, and from then on with the token.
#[tokio::test]
async fn a_session_is_opened_when_it_is_needed_and_kept() {
    let (server, fireeye) = one(200, r#"{"submissionStatus": "Done"}"#).await;
    assert!(server.take().is_empty());
    for _ in 0..2 {
        fireeye.status(&Submission::new("1")).await.unwrap();
    }
    let received = server.take();
    let lines: Vec<String> = received.iter().map(Received::line).collect();
    let status = "GET /wsapis/v1.2.0/submissions/status/1";
    assert_eq!(lines, ["POST /wsapis/v1.2.0/auth/login", status, status]);
    // "analyst:s3cr3t-pw"
    assert_eq!(received[0].headers["authorization"], "Basic YW5hbHlzdDpzM2NyM3QtcHc=");
    for request in &received[1..] {
        assert_eq!(request.headers["x-feapi-token"], "token-1");
        assert_eq!(request.headers["accept"], "application/json");
        assert!(!request.headers.contains_key("authorization"));
    }
}

/// 111, 112, and a server that forgets the token; after each, the next question tries anew.
#[tokio::test]
async fn a_login_that_fails_is_told_as_one() {
    for (status, body, expected) in [
        (
            401,
            r#"{"fireeyeapis": {"httpStatus": 401, "message": "bad s3cr3t-pw YW5hbHlzdDpzM2NyM3QtcHc="}}"#,
            "unauthenticated",
        ),
        (503, "", "status"),
        (500, "<html>", "status"),
        (302, "", "status"),
        (200, "{}", "malformed"),
    ] {
        let server = StandIn::start(move |_| Reply::json(status, body)).await;
        let fireeye = old(&server.address);
        for _ in 0..2 {
            let error = fireeye.available().await.unwrap_err();
            assert_eq!(kind(&error), expected, "{error}");
            assert!(error.to_string().starts_with("lab (fireeye), logging in: "), "{error}");
            assert!(!error.to_string().contains("s3cr3t") && !error.to_string().contains("YW5h"), "{error}");
            assert_eq!(server.lines(), ["POST /wsapis/v1.2.0/auth/login"], "{status}");
        }
    }
}

/// 33, 109, 130: the version is what is set, or the newest that there is.
#[tokio::test]
async fn the_version_is_found_out() {
    for (has, tried) in [("v2.0.0", 1), ("v1.2.0", 2), ("v1.1.0", 3), ("v0", 3)] {
        let server = StandIn::start(move |request| match request.target.ends_with("/auth/login") {
            true if request.target.contains(has) => Reply::json(200, "").with("x-feapi-token", "t"),
            true => Reply::json(404, ""),
            false => Reply::json(200, "{}"),
        })
        .await;
        let fireeye = client(&server.address, None);
        match fireeye.available().await {
            Ok(available) => assert_eq!(available.remarks, [format!("its API is {has}")]),
            Err(error) => assert!(has == "v0" && kind(&error) == "not found", "{error}"),
        }
        let lines = server.lines();
        assert_eq!(lines.iter().filter(|line| line.ends_with("/auth/login")).count(), tried);
        if has != "v0" {
            assert_eq!(lines[tried], format!("GET /wsapis/{has}/config"));
        }
    }
    // A wrong password is not tried three times.
    let server = StandIn::start(|_| Reply::json(401, "")).await;
    assert!(client(&server.address, None).available().await.is_err());
    assert_eq!(server.lines().len(), 1);
}

/// 31, 32, 119: a session that has expired, said in either way, is replaced once, whatever was asked; the old one is given back, in case that
/// only rights were missing.
#[tokio::test]
async fn an_expired_session_is_replaced_once() {
    let bodies = [
        (401, ""),
        (200, r#"{"fireeyeapis": {"@version": "v1.2.0", "httpStatus": 401, "message": "expired"}}"#),
        (200, r#"{"fireeyeapis": {"httpStatus": "401"}}"#),
        (200, "<?xml version=\"1.0\"?><fireeyeapis><httpStatus>401</httpStatus></fireeyeapis>"),
    ];
    for (status, body) in bodies {
        let server = appliance(
            |_| true,
            move |request| match request.headers["x-feapi-token"].as_str() {
                "token-1" => Reply::json(status, body),
                _ => Reply::json(200, r#"{"ID": 7}"#),
            },
        )
        .await;
        let submitted = old(&server.address).submit(&Sample::bytes("a", &b"x"[..]), &Options::default()).await.unwrap();
        assert_eq!(submitted.id, "7");
        let at = |name: &str| format!("POST /wsapis/v1.2.0/{name}");
        let lines: Vec<String> = server.lines().into_iter().take(5).collect();
        let expected = ["auth/login", "submissions", "auth/logout", "auth/login", "submissions"].map(at);
        assert_eq!(lines, expected, "{status} {body}");

        let server = appliance(|_| true, move |_| Reply::json(status, body)).await;
        let fireeye = old(&server.address);
        let error = fireeye.status(&Submission::new("1")).await.unwrap_err();
        assert_eq!(kind(&error), "unauthenticated", "{error}");
        let lines = server.lines();
        assert_eq!(lines.iter().filter(|line| line.ends_with("login")).count(), 2, "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("GET")).count(), 2, "{lines:?}");
    }
}

#[tokio::test]
async fn many_callers_share_one_login() {
    // The first token is no good: all find out at once, and one replaces it for all.
    let server = appliance(|token| token != "token-1", |_| Reply::json(200, r#"{"submissionStatus": "Done"}"#)).await;
    let fireeye = old(&server.address);
    let submission = Submission::new("1");
    let asked = future::join_all((0..30).map(|_| fireeye.status(&submission))).await;
    assert!(asked.iter().all(Result::is_ok), "{asked:?}");
    let lines = server.lines();
    assert_eq!(lines.iter().filter(|line| line.ends_with("/auth/login")).count(), 2);
    assert_eq!(lines.iter().filter(|line| line.ends_with("/auth/logout")).count(), 1);

    // A wrong password is tried once for all who wait.
    let server = StandIn::start(|_| Reply::json(401, "")).await;
    let fireeye = old(&server.address);
    let asked = future::join_all((0..30).map(|_| fireeye.status(&submission))).await;
    assert!(asked.iter().all(|asked| asked.as_ref().is_err_and(|error| kind(error) == "unauthenticated")), "{asked:?}");
    assert_eq!(server.lines().len(), 1);
}

/// Who loses interest while logging in does not lose the session.
#[tokio::test]
async fn a_login_is_finished_even_when_nobody_waits() {
    let (server, fireeye) = one(200, r#"{"submissionStatus": "Done"}"#).await;
    let submission = Submission::new("1");
    assert!(fireeye.status(&submission).now_or_never().is_none());
    fireeye.status(&submission).await.unwrap();
    assert_eq!(server.lines().iter().filter(|line| line.ends_with("/auth/login")).count(), 1);
}

async fn until(server: &StandIn, line: &str) {
    let all = async {
        while !server.lines().iter().any(|found| found == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect(line);
}

/// 128, 129, and what users asked for: sessions are not leaked.
#[tokio::test]
async fn a_session_is_given_back() {
    for (status, fine) in [(204, true), (200, true), (401, true), (304, false), (500, false)] {
        let server = StandIn::start(move |request| match request.target.rsplit_once('/').unwrap().1 {
            "login" => Reply::json(200, "").with("x-feapi-token", "t"),
            "logout" => Reply::json(status, ""),
            _ => Reply::json(200, "{}"),
        })
        .await;
        let fireeye = old(&server.address);
        fireeye.close().await.unwrap();
        assert!(server.take().is_empty(), "there is none yet");
        fireeye.available().await.unwrap();
        server.take();
        assert_eq!(fireeye.log_out().await.is_ok(), fine, "{status}");
        let received = server.take();
        assert_eq!(received[0].line(), "POST /wsapis/v1.2.0/auth/logout");
        assert_eq!(received[0].headers["x-feapi-token"], "t");
        fireeye.available().await.unwrap();
        assert_eq!(server.lines().len(), if fine { 2 } else { 1 }, "{status}: a session that is there is used");
    }
    let (server, fireeye) = one(200, "{}").await;
    let fireeye: Arc<dyn Sandbox> = Arc::new(fireeye);
    fireeye.available().await.unwrap();
    drop(fireeye);
    until(&server, "POST /wsapis/v1.2.0/auth/logout").await;
    // Also one that was being opened.
    let (server, fireeye) = one(200, "{}").await;
    assert!(fireeye.available().now_or_never().is_none());
    drop(fireeye);
    until(&server, "POST /wsapis/v1.2.0/auth/logout").await;
}

/// 23, 113-115: ids in all forms; what goes with the file, as text for old appliances and as values for new ones.
#[tokio::test]
async fn submitting_a_file() {
    for (status, body, id) in [
        (200, r#"{"ID": 222}"#, Ok("222")),
        (200, r#"[{"ID": 222, "submission_uuid": "u"}, {"ID": 223}]"#, Ok("222")),
        (201, r#"[{"ID": "222"}]"#, Ok("222")),
        (200, r#"{"entity": {"response": [{"id": 222}]}}"#, Ok("222")),
        (200, "[]", Err("malformed")),
        (200, r#"{"ID": null}"#, Err("malformed")),
        (200, r#"{"fireeyeapis": {"httpStatus": 400, "message": "no such profile"}}"#, Err("status")),
        (400, r#"{"fireeyeapis": {"httpStatus": 400}}"#, Err("status")),
        (500, "", Err("status")),
    ] {
        let (server, fireeye) = one(status, body).await;
        let mut given = Options { analysis_time: Some(Duration::from_secs(90)), ..Options::default() };
        given.environment = Some("winxp-sp3, win7-sp1".to_owned());
        given.vendor.insert("analysistype".to_owned(), "1".to_owned());
        let submitted = fireeye.submit(&Sample::bytes("a b.exe", &b"MZ\0\xff"[..]), &given).await;
        assert_eq!(submitted.as_ref().map(|submission| submission.id.as_str()).map_err(kind), id, "{status} {body}");
        if body.starts_with("[{\"ID\": 222,") {
            let submission = submitted.unwrap();
            assert_eq!((submission.more, submission.others["submission_uuid"].as_str()), (vec!["223".to_owned()], "u"));
        }
        let received = server.take();
        assert_eq!(received.len(), 2, "a submission is sent once");
        assert_eq!(received[1].line(), "POST /wsapis/v1.2.0/submissions");
        let file = ("file".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec());
        assert_eq!(received[1].parts()[0], file);
        let expected = json!({"application": "0", "timeout": "90", "priority": "0", "profiles": ["winxp-sp3", "win7-sp1"],
            "analysistype": "1", "force": "true", "prefetch": "1"});
        assert_eq!(options(&received[1]), expected);
    }
    for (route, lines) in [("/submissions/file", 2), ("/submissions", 3)] {
        let server = appliance(
            |_| true,
            move |request| match request.target.ends_with(route) {
                true => Reply::json(200, r#"[{"ID": 1}]"#),
                false => Reply::json(404, ""),
            },
        )
        .await;
        let fireeye = client(&server.address, Some(FireEyeVersion::V2_0));
        fireeye.submit(&Sample::bytes("a", &b"x"[..]), &Options::default()).await.unwrap();
        let received = server.take();
        assert_eq!(received.len(), lines);
        assert_eq!(received[lines - 1].target, format!("/wsapis/v2.0.0{route}"));
        let expected = json!({"application": 0, "timeout": 500, "priority": 0, "profiles": ["win7x64-sp1"],
            "analysistype": 2, "force": true, "prefetch": 1});
        assert_eq!(options(&received[1]), expected, "closed off from the network by default");
    }
    let (server, fireeye) = one(200, "{}").await;
    let given = Options { archive_password: Some(Secret::new("infected")), ..Options::default() };
    assert_eq!(kind(&fireeye.submit(&Sample::bytes("a", &b"x"[..]), &given).await.unwrap_err()), "invalid");
    assert_eq!(server.lines().len(), 1, "only logged in");
}

/// Addresses: only where the API takes them, and reports that have ids of their own.
#[tokio::test]
async fn submitting_an_address() {
    let server = appliance(
        |_| true,
        |request| match request.target.as_str() {
            "/wsapis/v2.0.0/submissions/url" => Reply::json(200, r#"{"entity": {"response": [{"id": 31}]}}"#),
            "/wsapis/v2.0.0/submissions/status/31" => {
                Reply::json(200, r#"{"status": "Submission Done", "response": [{"id": 99}]}"#)
            }
            _ => Reply::json(200, r#"{"alert": []}"#),
        },
    )
    .await;
    let fireeye = client(&server.address, Some(FireEyeVersion::V2_0));
    let submission = fireeye.submit(&Sample::url("http://a.test/"), &Options::default()).await.unwrap();
    let sent: Value = serde_json::from_slice(&server.take()[1].body).unwrap();
    assert_eq!((&sent["urls"], &sent["force"]), (&json!(["http://a.test/"]), &json!(true)));
    assert_eq!(fireeye.status(&submission).await.unwrap(), Status::Finished);
    server.take();
    fireeye.report(&submission).await.unwrap();
    let results = "GET /wsapis/v2.0.0/submissions/results/99?info_level=extended";
    assert_eq!(server.lines(), ["GET /wsapis/v2.0.0/submissions/status/31", results]);

    let (server, fireeye) = one(200, "{}").await;
    assert!(!fireeye.capabilities().has(Capability::SubmitUrl));
    assert!(client(&server.address, None).capabilities().has(Capability::SubmitUrl));
    let error = fireeye.submit(&Sample::url("http://a.test/"), &Options::default()).await.unwrap_err();
    assert_eq!(kind(&error), "unsupported");
    for error in [fireeye.delete(&submission).await.unwrap_err(), fireeye.queue().await.unwrap_err()] {
        assert_eq!(kind(&error), "unsupported");
    }
    assert!(server.take().is_empty(), "it is known before it is asked");
}

/// 24, 116-120: each status, and what is none.
#[tokio::test]
async fn a_status_is_what_it_says() {
    for (status, body, expected) in [
        (200, r#"{"submissionStatus": "Done"}"#, Ok(Status::Finished)),
        (201, r#"{"submissionStatus": "Done"}"#, Ok(Status::Finished)),
        (200, r#"{"status": "Submission Done"}"#, Ok(Status::Finished)),
        (200, r#"{"submissionStatus": "In Progress"}"#, Ok(Status::Running)),
        (200, r#"{"submissionStatus": "Queued"}"#, Ok(Status::Queued)),
        (200, r#"{"submissionStatus": "Never Seen"}"#, Ok(Status::Running)),
        (200, r#"{"submissionStatus": "Failed: no machine"}"#, Ok(Status::Failed("failed: no machine".to_owned()))),
        (200, r#"{"submissionStatus": "Submission not found"}"#, Err("not found")),
        (200, r#"{"fireeyeapis": {"httpStatus": 404, "message": "Invalid submission key."}}"#, Err("not found")),
        (200, "{}", Err("malformed")),
        (200, "[]", Err("malformed")),
        (200, "Done", Err("malformed")),
        (404, "", Err("not found")),
        (500, "", Err("status")),
    ] {
        let (server, fireeye) = one(status, body).await;
        let found = fireeye.status(&Submission::new("5/../1")).await;
        assert_eq!(found.as_ref().map_err(kind), expected.as_ref().map_err(|kind| *kind), "{status} {body}");
        assert_eq!(server.lines()[1], "GET /wsapis/v1.2.0/submissions/status/5%2F..%2F1");
    }
}

/// 25-27, 121.
#[tokio::test]
async fn availability_is_asked_for_each_time() {
    for (status, body, fine) in
        [(200, r#"{"sensors": []}"#, true), (500, "", false), (200, "<html>", false), (403, "", false)]
    {
        let (server, fireeye) = one(status, body).await;
        for _ in 0..2 {
            assert_eq!(fireeye.available().await.is_ok(), fine, "{status} {body}");
            assert_eq!(server.lines().last().map(String::as_str), Some("GET /wsapis/v1.2.0/config"));
        }
    }
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    assert!(old(&gone).available().await.is_err());
}

/// 28, 29, 122, 124-127: the worst alert counts, not the first; no alert is not clean.
#[tokio::test]
async fn a_report_has_a_verdict() {
    use Word::{Malicious, Suspicious, Unknown};
    for (body, word, score) in [
        (r#"{"msg": "concise", "alert": [{"severity": "MAJR"}]}"#, Malicious, Some(80)),
        (r#"{"alert": {"severity": "majr"}}"#, Malicious, Some(80)),
        (r#"{"alert": [{"severity": "MINR"}, {"severity": "CRIT"}, {"severity": "MAJR"}]}"#, Malicious, Some(95)),
        (r#"{"alert": [{"severity": "MINR"}]}"#, Unknown, Some(20)),
        (
            r#"{"alert": [{"severity": "MINR", "explanation": {"malwareDetected": {"malware": {"name": "Zed"}}}}]}"#,
            Suspicious,
            Some(20),
        ),
        (r#"{"alert": [{"severity": "NEW"}]}"#, Unknown, None),
        (r#"{"alert": [{"severity": 5}, {}]}"#, Unknown, None),
        (r#"{"alert": [], "alertsCount": 0}"#, Unknown, Some(0)),
        (r#"{"alertsCount": 0}"#, Unknown, Some(0)),
        (r#"{"alert": []}"#, Unknown, Some(0)),
        (r#"{"alert": [], "alertsCount": 3}"#, Unknown, None),
        (r#"{"alert": "text"}"#, Unknown, None),
        (r#"{"alert": ["text"], "alertsCount": 1}"#, Unknown, None),
        ("{}", Unknown, None),
    ] {
        let (server, fireeye) = one(200, body).await;
        let report = fireeye.report(&Submission::new("8")).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{body}");
        assert!(!report.verdict.reasons.is_empty(), "{body}");
        assert_eq!(report.raw.json::<Value>().unwrap(), serde_json::from_str::<Value>(body).unwrap());
        assert_eq!(server.lines()[1], "GET /wsapis/v1.2.0/submissions/results/8?info_level=extended");
    }
    for (status, expected) in [(404, "not found"), (403, "other")] {
        let (_server, fireeye) = one(status, "{}").await;
        assert_eq!(kind(&fireeye.report(&Submission::new("8")).await.unwrap_err()), expected);
    }
}

/// An appliance answers 500 for what is not finished: that is not its fault, and passes.
#[tokio::test]
async fn a_report_that_is_not_there_yet() {
    for (status, word, expected) in
        [(200, "In Progress", "not ready"), (200, "Failed", "failed"), (200, "Done", "status"), (500, "", "status")]
    {
        let server = appliance(
            |_| true,
            move |request| match request.target.contains("/results/") {
                true => Reply::json(500, ""),
                false => Reply::json(status, &format!(r#"{{"submissionStatus": "{word}"}}"#)),
            },
        )
        .await;
        let error = old(&server.address).report(&Submission::new("8")).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{word}");
    }
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let body = r#"{"alert": [{"id": 5, "name": "MALWARE_OBJECT", "severity": "MAJR", "action": "notified",
        "alertUrl": "https://ax/event?5", "explanation": {
        "malwareDetected": {"malware": [{"name": "Zed", "original": "a.exe", "md5Sum": "0f", "sha256": "e3"}]},
        "cncServices": {"cncService": [{"address": "evil.test"}, {"address": "1.2.3.4"}]},
        "osChanges": [{"os": {"name": "windows", "version": "6.1"}, "file": [{"value": "C:\\x"}, 5], "regkey": {"value": "HKLM\\x"},
            "mutex": [{"value": "m"}], "process": [{"value": "x.exe", "cmdline": "x.exe /q"}],
            "network": [{"ipaddress": "5.6.7.8", "hostname": "h.test"}]}]}},
        {"severity": "MINR", "alertUrl": "javascript:x"}]}"#;
    let (_server, fireeye) = one(200, body).await;
    let report = fireeye.report(&Submission::new("8")).await.unwrap();
    assert_eq!((report.name.as_deref(), report.environment.as_deref()), (Some("a.exe"), Some("windows 6.1")));
    assert_eq!((report.hashes["md5"].as_str(), report.hashes["sha256"].as_str()), ("0f", "e3"));
    assert_eq!(report.link.as_deref(), Some("https://ax/event?5"));
    assert_eq!(report.verdict.families, ["Zed"]);
    assert_eq!((report.findings[0].name.as_str(), report.findings[0].severity), ("Zed", Some(80)));
    assert_eq!(report.findings[0].description.as_deref(), Some("MALWARE_OBJECT, MAJR, notified"));
    let indicators: Vec<_> =
        report.indicators.iter().map(|indicator| (indicator.kind, indicator.value.as_str())).collect();
    assert_eq!(
        indicators,
        [
            (IndicatorKind::Domain, "evil.test"),
            (IndicatorKind::Domain, "h.test"),
            (IndicatorKind::Address, "1.2.3.4"),
            (IndicatorKind::Address, "5.6.7.8"),
            (IndicatorKind::File, "C:\\x"),
            (IndicatorKind::Mutex, "m"),
            (IndicatorKind::Registry, "HKLM\\x"),
            (IndicatorKind::Command, "x.exe /q"),
        ]
    );
}

/// 123, and the rest: each where it is in which version.
#[tokio::test]
async fn artifacts_come_as_streams() {
    use FireEyeVersion::{V1_1, V1_2, V2_0};
    let body =
        r#"{"alert": [{"id": 5, "uuid": "u-5", "severity": "MINR"}, {"id": 6, "uuid": "u-6", "severity": "MAJR"}]}"#;
    let server = appliance(
        |_| true,
        move |request| match (request.target.contains("/results/"), request.headers["accept"].as_str()) {
            (true, "application/xml") => Reply::typed(200, "application/xml", "<?xml version=\"1.0\"?><alerts/>"),
            (true, _) => Reply::json(200, body),
            _ => Reply::typed(200, "application/octet-stream", "bytes"),
        },
    )
    .await;
    let named = |kind| Artifact { kind, name: Some("7".to_owned()) };
    let pdf = |id: u8| {
        let query = format!("report_type=alertDetailsReport&infection_id={id}&infection_type=malware-object&type=pdf");
        format!("reports/report?{query}")
    };
    let results = "submissions/results/8?info_level=extended".to_owned();
    for (version, artifact, routes, path, expected) in [
        (V1_2, ArtifactKind::Xml.into(), V1_2, results.clone(), "<?xml version=\"1.0\"?><alerts/>"),
        (V2_0, ArtifactKind::Json.into(), V2_0, results, body),
        (V2_0, ArtifactKind::Pdf.into(), V1_2, pdf(6), "bytes"),
        (V1_1, ArtifactKind::Pdf.into(), V1_1, pdf(6), "bytes"),
        (V1_2, named(ArtifactKind::Pdf), V1_2, pdf(7), "bytes"),
        (V1_2, ArtifactKind::All.into(), V1_2, "artifacts/malwareobject/6".to_owned(), "bytes"),
        (V2_0, ArtifactKind::All.into(), V2_0, "artifacts/u-6".to_owned(), "bytes"),
    ] {
        let fireeye = client(&server.address, Some(version));
        let download = fireeye.artifact(&Submission::new("8"), artifact).await.unwrap();
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), expected.as_bytes());
        fireeye.log_out().await.unwrap();
        let lines = server.lines();
        assert_eq!(lines[lines.len() - 2], format!("GET /wsapis/{}/{path}", routes.name()));
    }
    // 123: an error in XML, with status 200.
    let fault = "<?xml version=\"1.0\"?>\n<fireeyeapis version=\"1\"><httpStatus>404</httpStatus><message>none</message></fireeyeapis>";
    let (_server, fireeye) = one(200, fault).await;
    let error = fireeye.artifact(&Submission::new("8"), ArtifactKind::Xml.into()).await.unwrap_err();
    assert_eq!(error.to_string(), "lab (fireeye), fetching an artifact: not found: none");
    let (_server, fireeye) = one(200, r#"{"alert": []}"#).await;
    let error = fireeye.artifact(&Submission::new("8"), ArtifactKind::All.into()).await.unwrap_err();
    assert_eq!(kind(&error), "not found");
    let error = fireeye.artifact(&Submission::new("8"), ArtifactKind::Pcap.into()).await.unwrap_err();
    assert_eq!(kind(&error), "unsupported");
}

#[tokio::test]
async fn alerts_and_the_configuration() {
    let (server, fireeye) = one(200, r#"{"alert": []}"#).await;
    let terms = BTreeMap::from([("md5".to_owned(), "0f".to_owned()), ("duration".to_owned(), "48_hours".to_owned())]);
    fireeye.alerts(&terms).await.unwrap();
    fireeye.configuration().await.unwrap();
    let lines = server.lines();
    assert_eq!(lines[1..], ["GET /wsapis/v1.2.0/alerts?duration=48_hours&md5=0f", "GET /wsapis/v1.2.0/config"]);
}

/// A token is a secret too, as long as it lasts.
#[tokio::test]
async fn neither_password_nor_token_is_shown() {
    let server = appliance(
        |_| true,
        |request| {
            let token = &request.headers["x-feapi-token"];
            Reply::json(400, &format!(r#"{{"fireeyeapis": {{"httpStatus": 400, "message": "what is {token}?"}}}}"#))
        },
    )
    .await;
    let fireeye = old(&server.address);
    let error = fireeye.report(&Submission::new("8")).await.unwrap_err();
    assert_eq!(error.to_string(), "lab (fireeye), fetching the report: status 400: what is [secret]?");
    for shown in [format!("{fireeye:?}"), format!("{error:?}")] {
        assert!(!shown.contains("s3cr3t") && !shown.contains("token-1"), "{shown}");
    }
}
