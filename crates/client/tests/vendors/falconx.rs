//! Falcon X.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stand_in::{Received, Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{
    FALCONX_EU1, FALCONX_GOV1, FALCONX_MAX_BYTES, FALCONX_US1, FALCONX_US2, FalconX, FalconXDump, FalconXKind,
    FalconXQuota, FalconXSettings,
};
use belljar_client::{
    Artifact, ArtifactKind, ErrorKind, Hash, IndicatorKind, Options, Origin, Sample, Sandbox, Secret, Status,
    Submission, Word,
};
use futures_util::{TryStreamExt as _, future};
use serde_json::{Value, json};

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn falconx(address: &str) -> FalconX {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    FalconX::new(FalconXSettings::new(http, "client-1", Secret::new("s3cr3t-key"))).unwrap()
}

/// A server whose tokens are `token-1`, `token-2` and so on, each for so many seconds.
async fn cloud(lasts: u64, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> StandIn {
    let tokens = AtomicUsize::new(0);
    StandIn::start(move |request| {
        if request.target == "/oauth2/token" {
            let token = format!("token-{}", tokens.fetch_add(1, Ordering::SeqCst) + 1);
            return Reply::json(201, &json!({"access_token": token, "expires_in": lasts}).to_string());
        }
        answer(request)
    })
    .await
}

async fn one(status: u16, body: &'static str) -> (StandIn, FalconX) {
    let server = cloud(1799, move |_| Reply::json(status, body)).await;
    let falconx = falconx(&server.address);
    (server, falconx)
}

fn kind(error: &belljar_client::Error) -> &'static str {
    match error.kind {
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::Status { .. } => "status",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::Forbidden(_) => "forbidden",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Refused(_) => "refused",
        _ => "other",
    }
}

fn tokens(lines: &[String]) -> usize {
    lines.iter().filter(|line| *line == "POST /oauth2/token").count()
}

const STATE: &str = r#"{"errors": [], "resources": [{"id": "s", "state": "success"}]}"#;

#[tokio::test]
async fn a_token_is_fetched_kept_and_renewed() {
    for (lasts, expected) in [(1799, 1), (61, 1), (60, 3), (0, 3), (u64::MAX, 1)] {
        let server = cloud(lasts, |_| Reply::json(200, STATE)).await;
        let falconx = falconx(&server.address);
        assert!(server.take().is_empty(), "not before something is asked");
        for _ in 0..3 {
            falconx.status(&Submission::new("s")).await.unwrap();
        }
        let received = server.take();
        let lines: Vec<String> = received.iter().map(Received::line).collect();
        assert_eq!(tokens(&lines), expected, "{lasts}");
        assert_eq!(received[0].body, "client_id=client-1&client_secret=s3cr3t-key");
        assert_eq!(received[1].headers["authorization"], "Bearer token-1");
    }
    // All ask at once, and find out at once that the token is no good.
    let server = cloud(1799, |request| match request.headers["authorization"].as_str() {
        "Bearer token-1" => Reply::json(401, r#"{"errors": [{"code": 401, "message": "access denied"}]}"#),
        _ => Reply::json(200, STATE),
    })
    .await;
    let falconx = falconx(&server.address);
    let submission = Submission::new("s");
    let asked = future::join_all((0..20).map(|_| falconx.status(&submission))).await;
    assert!(asked.iter().all(Result::is_ok), "{asked:?}");
    assert_eq!(tokens(&server.lines()), 2);
    // A second refusal is one.
    let (server, falconx) = one(401, r#"{"errors": [{"code": 401, "message": "access denied"}]}"#).await;
    let error = falconx.status(&submission).await.unwrap_err();
    assert_eq!(error.to_string(), "lab (falconx), asking for the status: not authenticated: access denied");
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_wrong_client_is_told_without_its_secret() {
    for (status, body, expected) in [
        (401, r#"{"errors": [{"code": 401, "message": "bad s3cr3t-key"}]}"#, "unauthenticated"),
        (403, r#"{"errors": [{"code": 403, "message": "no"}]}"#, "forbidden"),
        (201, "{}", "malformed"),
        (201, r#"{"access_token": ""}"#, "malformed"),
        (429, "{}", "quota"),
        (500, "<html>", "status"),
    ] {
        let server = StandIn::start(move |_| Reply::json(status, body)).await;
        let falconx = falconx(&server.address);
        let error = falconx.available().await.unwrap_err();
        assert_eq!(kind(&error), expected, "{error}");
        assert!(error.to_string().starts_with("lab (falconx), logging in: "), "{error}");
        assert!(!format!("{error} {error:?} {falconx:?}").contains("s3cr3t"), "{error}");
        assert_eq!(server.lines(), ["POST /oauth2/token"]);
    }
    let server = StandIn::start(|_| {
        Reply::json(308, "").with("location", "https://api.eu-1.crowdstrike.com").with("x-cs-region", "eu-1")
    })
    .await;
    let error = falconx(&server.address).available().await.unwrap_err().to_string();
    assert!(error.contains("redirected") && error.ends_with("belongs to the cloud eu-1."), "{error}");
    // The password of a document is a secret as well, and does not push the token out however often it comes.
    let server = cloud(1799, |request| {
        let sent = format!("{} {}", request.headers["authorization"], String::from_utf8_lossy(&request.body));
        Reply::json(400, &json!({"errors": [{"code": 400, "message": sent}]}).to_string())
    })
    .await;
    let (client, mut options) = (falconx(&server.address), Options::default());
    options.vendor.insert("document_password".to_owned(), "0pen-it".to_owned());
    for _ in 0..20 {
        let error = client.submit(&Sample::url("http://a.test/"), &options).await.unwrap_err().to_string();
        assert!(error.contains("Bearer [secret] ") && !error.contains("0pen-it"), "{error}");
    }
    // So is a token.
    let server = cloud(1799, |request| {
        let said = json!({"errors": [{"code": 400, "message": request.headers["authorization"]}]});
        Reply::json(400, &said.to_string())
    })
    .await;
    let error = falconx(&server.address).available().await.unwrap_err();
    assert_eq!(error.to_string(), "lab (falconx), asking whether it is there: status 400: Bearer [secret]");
}

/// Errors come with any status, and the quota with any answer.
#[tokio::test]
async fn errors_are_found_wherever_they_are() {
    for (status, body, expected) in [
        (200, r#"{"errors": [{"code": 404, "message": "none"}], "resources": []}"#, "not found"),
        (200, r#"{"errors": [{"code": 403, "message": "scope"}], "resources": null}"#, "forbidden"),
        (200, r#"{"errors": [{"code": 429, "message": "slow down"}]}"#, "quota"),
        (200, r#"{"errors": [{"code": 50007, "message": "odd"}]}"#, "status"),
        (200, r#"{"errors": [{}]}"#, "status"),
        (200, r#"{"resources": []}"#, "not found"),
        (200, r#"{"resources": null, "errors": null}"#, "not found"),
        (200, r#"{"resources": 5}"#, "malformed"),
        (200, r#"{"resources": [5]}"#, "malformed"),
        (200, "[]", "malformed"),
        (404, r#"{"errors": [{"code": 404, "message": "none"}]}"#, "not found"),
        (400, r#"{"errors": [{"code": 400, "message": "bad"}]}"#, "status"),
        (400, r#"{"meta": {"quota": {"total": 5, "used": 5}}, "errors": [{"code": 400, "message": "no"}]}"#, "quota"),
        (403, r#"{"meta": {"quota": {"total": 5, "used": 6}}, "errors": [{"message": "no"}]}"#, "quota"),
        (403, r#"{"meta": {"quota": {"total": 5, "used": 1}}, "errors": [{"message": "no"}]}"#, "forbidden"),
        (200, r#"{"meta": {"quota": {"total": 5, "used": 5}}, "errors": [{"code": 1}]}"#, "quota"),
        (500, "", "status"),
    ] {
        let (_server, falconx) = one(status, body).await;
        let error = falconx.status(&Submission::new("s")).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{status} {body}: {error}");
        if status != 400 && status != 403 {
            let error = falconx.report(&Submission::new("s")).await;
            let malformed = body == "[]" || body.contains(": [5]") || body.contains(": 5}");
            if !malformed {
                assert_eq!(kind(&error.unwrap_err()), expected, "a report: {status} {body}");
            }
        }
    }
    let (_server, falconx) = one(
        200,
        r#"{"meta": {"quota": {"total": 50, "used": 12, "in_progress": 3}}, "errors": [{"code": 1}], "resources": [{"state": "running"}]}"#,
    )
    .await;
    assert_eq!(falconx.quota(), None);
    // What succeeded has succeeded.
    assert_eq!(falconx.status(&Submission::new("s")).await.unwrap(), Status::Running);
    assert_eq!(falconx.quota(), Some(FalconXQuota { total: 50, used: 12, in_progress: 3 }));
}

#[tokio::test]
async fn a_file_is_uploaded_and_then_analysed() {
    let server = cloud(1799, |request| match request.target.as_str() {
        "/samples/entities/samples/v2" => Reply::json(200, &json!({"resources": [{"sha256": SHA256}]}).to_string()),
        _ => Reply::json(200, r#"{"resources": [{"id": "cid_sub", "state": "created"}]}"#),
    })
    .await;
    let falconx = falconx(&server.address);
    let mut options = Options { environment: Some("300".to_owned()), ..Options::default() };
    for (name, value) in [
        ("network_settings", "simulated"),
        ("enable_tor", "false"),
        ("comment", "why"),
        ("send_email_notification", "true"),
        ("user_tags", "a, b"),
    ] {
        options.vendor.insert(name.to_owned(), value.to_owned());
    }
    let sample = Sample::bytes("a b.exe", &b"MZ\0\xff"[..]);
    let submission = falconx.submit(&sample, &options).await.unwrap();
    assert_eq!(submission.id, "cid_sub");
    assert_eq!(submission.others, BTreeMap::from([("sha256".to_owned(), SHA256.to_owned())]));
    let received = server.take();
    let lines: Vec<String> = received.iter().map(Received::line).collect();
    let expected = ["/oauth2/token", "/samples/entities/samples/v2", "/falconx/entities/submissions/v1"];
    assert_eq!(lines, expected.map(|path| format!("POST {path}")));
    let field = |name: &str, value: &str| (name.to_owned(), None, value.as_bytes().to_vec());
    let parts = [
        ("sample".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec()),
        field("file_name", "a b.exe"),
        field("is_confidential", "true"),
        field("comment", "why"),
    ];
    assert_eq!(received[1].parts(), parts);
    let order = json!({"sandbox": [{"environment_id": 300, "sha256": SHA256, "submit_name": "a b.exe",
        "network_settings": "simulated", "enable_tor": false}], "send_email_notification": true, "user_tags": ["a", "b"]});
    assert_eq!(serde_json::from_slice::<Value>(&received[2].body).unwrap(), order);

    // An address, and a sample that is there, are only ordered.
    falconx.submit(&Sample::url("http://a.test/"), &Options::default()).await.unwrap();
    falconx.submit_known(&Hash::parse(SHA256).unwrap(), &Options::default()).await.unwrap();
    let bodies: Vec<Value> =
        server.take().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert_eq!(bodies[0], json!({"sandbox": [{"environment_id": 160, "url": "http://a.test/"}]}));
    assert_eq!(bodies[1], json!({"sandbox": [{"environment_id": 160, "sha256": SHA256}]}));

    let with = |name: &str, value: &str| Options {
        vendor: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Options::default()
    };
    for (sample, options) in [
        (&sample, Options { analysis_time: Some(Duration::from_secs(1)), ..Options::default() }),
        (&sample, Options { archive_password: Some(Secret::new("infected")), ..Options::default() }),
        (&sample, Options { environment: Some("win10".to_owned()), ..Options::default() }),
        (&sample, with("enable_tor", "perhaps")),
        (&sample, with("environment_id", "1")),
        (&Sample::url("http://a.test/"), with("comment", "x")),
    ] {
        assert_eq!(kind(&falconx.submit(sample, &options).await.unwrap_err()), "invalid", "{options:?}");
    }
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(FALCONX_MAX_BYTES + 1).unwrap();
    let large = Sample::File { name: "large".to_owned(), origin: Origin::Path(large.path().to_owned()) };
    assert_eq!(kind(&falconx.submit(&large, &Options::default()).await.unwrap_err()), "refused");
    assert!(server.lines().is_empty(), "all this is known before anything is sent");
}

/// An upload may be repeated, an order not.
#[tokio::test]
async fn only_what_is_harmless_is_sent_again() {
    for (fails, expected) in [("/samples/", 3), ("/falconx/", 1)] {
        let server = cloud(1799, move |request| match request.target.starts_with(fails) {
            true => Reply::json(503, ""),
            false => Reply::json(200, &json!({"resources": [{"sha256": SHA256}]}).to_string()),
        })
        .await;
        let mut http = Settings::new("lab", &server.address);
        http.tries = 3;
        let falconx = FalconX::new(FalconXSettings::new(http, "c", Secret::new("s3cr3t-key"))).unwrap();
        let error = falconx.submit(&Sample::bytes("a", &b"x"[..]), &Options::default()).await.unwrap_err();
        assert_eq!(kind(&error), "status");
        let sent = server.take().iter().filter(|request| request.target.starts_with(fails)).count();
        assert_eq!(sent, expected, "{fails}");
    }
    for answer in [r#"{"resources": [{"sha256": "../x"}]}"#, r#"{"resources": [{}]}"#] {
        let (_server, falconx) = one(200, answer).await;
        let error = falconx.submit(&Sample::bytes("a", &b"x"[..]), &Options::default()).await.unwrap_err();
        assert_eq!(kind(&error), "malformed", "{answer}");
    }
}

#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Status::Failed(why.to_owned());
    for (body, expected) in [
        (r#"{"state": "created"}"#, Status::Queued),
        (r#"{"state": "running"}"#, Status::Running),
        (r#"{"state": "never seen"}"#, Status::Running),
        (r#"{"state": "success"}"#, Status::Finished),
        (r#"{"state": "error", "error_type": "X", "error_message": "why"}"#, failed("X: why")),
        (r#"{"state": "error"}"#, failed("FILE_TYPE_BAD_ERROR")),
    ] {
        let server = cloud(1799, move |request| match request.target.contains("report-summaries") {
            true => Reply::json(200, r#"{"resources": [{"sandbox": [{"error_type": "FILE_TYPE_BAD_ERROR"}]}]}"#),
            false => Reply::json(200, &format!(r#"{{"resources": [{body}]}}"#)),
        })
        .await;
        assert_eq!(falconx(&server.address).status(&Submission::new("a&b=c")).await.unwrap(), expected, "{body}");
        assert_eq!(server.lines()[1], "GET /falconx/entities/submissions/v1?ids=a%26b%3Dc");
    }
    let server = cloud(1799, |request| match request.target.contains("report-summaries") {
        true => Reply::json(500, ""),
        false => Reply::json(200, r#"{"resources": [{"state": "error"}]}"#),
    })
    .await;
    let status = falconx(&server.address).status(&Submission::new("1")).await.unwrap();
    assert_eq!(status, failed("Falcon X does not say why"));
}

#[tokio::test]
async fn a_report_has_a_verdict() {
    use Word::{Clean, Malicious, Suspicious, Unknown};
    for (resource, word, score) in [
        (
            r#"{"verdict": "malicious", "sandbox": [{"verdict": "suspicious", "threat_score": 95}]}"#,
            Malicious,
            Some(95),
        ),
        (r#"{"sandbox": [{"verdict": "suspicious", "threat_score": 40}]}"#, Suspicious, Some(40)),
        (r#"{"verdict": "malicious", "threat_score": 77}"#, Malicious, Some(77)),
        (r#"{"verdict": "whitelisted", "sandbox": [{"threat_score": 0}]}"#, Clean, Some(0)),
        (r#"{"verdict": "no specific threat", "sandbox": [{"threat_score": 30}]}"#, Unknown, Some(20)),
        (r#"{"verdict": "no verdict", "sandbox": [{}]}"#, Unknown, None),
        (r#"{"verdict": "whitelisted", "sandbox": [{"error_type": "FILE_TYPE_BAD_ERROR"}]}"#, Unknown, None),
        (r#"{"verdict": "clean", "sandbox": 5, "intel": "x"}"#, Unknown, None),
        (r#"{"sandbox": {"verdict": "malicious"}}"#, Malicious, None),
        ("{}", Unknown, None),
    ] {
        let body = format!(r#"{{"resources": [{resource}, {{"verdict": "malicious"}}], "errors": []}}"#);
        let answer = body.clone();
        let server = cloud(1799, move |_| Reply::json(200, &answer)).await;
        let falconx = falconx(&server.address);
        let report = falconx.report(&Submission::new("8")).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{resource}");
        assert!(!report.verdict.reasons.is_empty());
        assert_eq!(report.raw.json::<Value>().unwrap(), serde_json::from_str::<Value>(&body).unwrap());
        assert_eq!(falconx.summary(&Submission::new("8")).await.unwrap().verdict, report.verdict);
        let lines = server.lines();
        assert_eq!(lines[1], "GET /falconx/entities/reports/v1?ids=8");
        assert_eq!(lines[2], "GET /falconx/entities/report-summaries/v1?ids=8");
    }
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let (_server, falconx) = one(
        200,
        r#"{"resources": [{"verdict": "malicious", "intel": [{"malware_families": ["Zed", {"name": "Yot"}]}], "sandbox": [{
        "environment_id": 160, "environment_description": "Windows 10 64 bit", "submit_name": "a.exe", "sha256": "e3",
        "signatures": [{"name": "low", "threat_level": 1}, {"name": "high", "threat_level": 2, "attack_id": "T1486"}],
        "mitre_attacks": [{"technique": "Data Encrypted", "attack_id": "T1486"}, {"technique": "Scripting", "attack_id": "T1064"}],
        "contacted_hosts": [{"address": "1.2.3.4", "port": 80}], "dns_requests": [{"domain": "evil.test", "address": "1.2.3.4"}],
        "http_requests": [{"url": "http://evil.test/x"}], "processes": [{"command_line": "a /q", "mutants": ["m"]}],
        "extracted_files": [{"name": "b", "sha256": "dd"}]}]}]}"#,
    )
    .await;
    let report = falconx.report(&Submission::new("8")).await.unwrap();
    assert_eq!((report.name.as_deref(), report.environment.as_deref()), (Some("a.exe"), Some("Windows 10 64 bit")));
    assert_eq!((report.hashes["sha256"].as_str(), report.verdict.families.concat()), ("e3", "YotZed".to_owned()));
    let found: Vec<_> = report.findings.iter().map(|one| (one.name.as_str(), one.techniques.concat())).collect();
    let expected = [("high", "T1486".to_owned()), ("low", String::new()), ("Scripting", "T1064".to_owned())];
    assert_eq!(found, expected);
    let indicators: Vec<_> = report.indicators.iter().map(|one| (one.kind, one.value.as_str())).collect();
    assert_eq!(
        indicators,
        [
            (IndicatorKind::Domain, "evil.test"),
            (IndicatorKind::Address, "1.2.3.4"),
            (IndicatorKind::Url, "http://evil.test/x"),
            (IndicatorKind::Hash, "dd"),
            (IndicatorKind::Mutex, "m"),
            (IndicatorKind::Command, "a /q"),
        ]
    );
}

#[tokio::test]
async fn artifacts_are_found_by_what_the_report_names() {
    let server = cloud(1799, |request| match request.target.as_str() {
        "/falconx/entities/reports/v1?ids=8" => Reply::json(
            200,
            r#"{"resources": [{"ioc_report_strict_csv_artifact_id": "csv-1", "tags": [{"deep": {}}], "sandbox": [{"processes": [{}],
                "pcap_report_artifact_id": "pcap-1", "screenshots_artifact_ids": ["shot-1", "shot-2"], "memory_dumps_artifact_id": null}]}]}"#,
        ),
        "/falconx/entities/report-summaries/v1?ids=8" => {
            Reply::json(200, &json!({"resources": [{"sandbox": [{"sha256": SHA256}]}]}).to_string())
        }
        _ => Reply::typed(200, "application/octet-stream", "bytes"),
    })
    .await;
    let falconx = falconx(&server.address);
    let named = |kind, name: &str| Artifact { kind, name: Some(name.to_owned()) };
    let artifact = |id: &str| format!("GET /falconx/entities/artifacts/v1?id={id}");
    for (wanted, expected) in [
        (ArtifactKind::Pcap.into(), Some(artifact("pcap-1"))),
        (ArtifactKind::Screenshots.into(), Some(artifact("shot-1"))),
        (named(ArtifactKind::Screenshots, "2"), Some(artifact("shot-2"))),
        (named(ArtifactKind::Screenshots, "3"), None),
        (named(ArtifactKind::Screenshots, "0"), None),
        (named(ArtifactKind::Other, "ioc_report_strict_csv"), Some(artifact("csv-1"))),
        (named(ArtifactKind::Other, "never_seen"), None),
        (ArtifactKind::Other.into(), None),
        (ArtifactKind::Memory.into(), None),
        (ArtifactKind::Sample.into(), Some(format!("GET /samples/entities/samples/v2?ids={SHA256}"))),
        (ArtifactKind::Json.into(), Some("GET /falconx/entities/reports/v1?ids=8".to_owned())),
    ] {
        let said = format!("{wanted:?}");
        match (falconx.artifact(&Submission::new("8"), wanted).await, expected) {
            (Ok(download), Some(line)) => {
                let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
                assert!(!bytes.concat().is_empty());
                assert_eq!(server.lines().last(), Some(&line), "{said}");
            }
            (Err(error), None) => assert_eq!(kind(&error), "not found", "{said}: {error}"),
            (other, _) => panic!("{said}: {other:?}"),
        }
    }
    let error = falconx.artifact(&Submission::new("8"), ArtifactKind::Pdf.into()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
}

#[tokio::test]
async fn a_hash_finds_the_newest_whole_analysis() {
    let server = cloud(1799, |request| match request.target.rsplit_once("ids=").map(|(_, id)| id) {
        Some("new") => Reply::json(200, r#"{"resources": [{"sandbox": [{"error_type": "X"}]}]}"#),
        Some("gone") => Reply::json(200, r#"{"resources": [], "errors": [{"code": 404}]}"#),
        Some(_) => Reply::json(200, r#"{"resources": [{"sandbox": [{"verdict": "malicious"}]}]}"#),
        None => Reply::json(200, r#"{"resources": ["new", "gone", "old", "older"]}"#),
    })
    .await;
    let falconx = falconx(&server.address);
    let found = falconx.look_up(&Hash::parse(SHA256).unwrap()).await.unwrap();
    assert_eq!(found.map(|found| found.id).as_deref(), Some("old"));
    let query = format!("filter=sandbox.sha256%3A%27{SHA256}%27&sort=created_timestamp%7Cdesc&limit=10");
    assert_eq!(server.lines()[1], format!("GET /falconx/queries/reports/v1?{query}"));
    let error = falconx.look_up(&Hash::parse("d41d8cd98f00b204e9800998ecf8427e").unwrap()).await.unwrap_err();
    assert_eq!(kind(&error), "invalid");
    let (_server, falconx) = one(200, r#"{"resources": []}"#).await;
    assert_eq!(falconx.look_up(&Hash::parse(SHA256).unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn deleting_and_all_the_rest() {
    let (server, falconx) = one(202, r#"{"resources": ["a"], "errors": []}"#).await;
    let hash = Hash::parse(SHA256).unwrap();
    falconx.delete(&Submission::new("a")).await.unwrap();
    falconx.delete_all(&[Submission::new("a"), Submission::new("b")]).await.unwrap();
    falconx.delete_all(&[]).await.unwrap();
    falconx.delete_sample(&hash).await.unwrap();
    assert_eq!(falconx.search(FalconXKind::Submissions, "state:'success'", 5, 9000).await.unwrap(), ["a"]);
    for form in [FalconXDump::Binary, FalconXDump::Strings, FalconXDump::Hex] {
        falconx.memory_dump("d", form).await.unwrap();
    }
    let lines = server.lines();
    assert_eq!(
        lines[1..],
        [
            "DELETE /falconx/entities/reports/v1?ids=a",
            "DELETE /falconx/entities/reports/v1?ids=a&ids=b",
            &format!("DELETE /samples/entities/samples/v2?ids={SHA256}"),
            "GET /falconx/queries/submissions/v1?filter=state%3A%27success%27&sort=created_timestamp%7Cdesc&offset=5&limit=5000",
            "GET /falconx/entities/memory-dump/v1?id=d",
            "GET /falconx/entities/memory-dump/extracted-strings/v1?id=d",
            "GET /falconx/entities/memory-dump/hex-dump/v1?id=d",
        ]
    );
    let (server, falconx) = one(200, r#"{"resources": [], "errors": [{"code": 404, "message": "none"}]}"#).await;
    assert_eq!(kind(&falconx.delete(&Submission::new("a")).await.unwrap_err()), "not found");
    assert_eq!(server.lines().len(), 2, "sent once");
    let error = falconx.queue().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
}

#[tokio::test]
async fn availability_asks_what_the_token_may_do() {
    let (server, falconx) = one(200, r#"{"meta": {"quota": {"total": 50, "used": 12}}, "resources": []}"#).await;
    assert_eq!(falconx.available().await.unwrap().remarks, ["12 of 50 submissions are used"]);
    assert_eq!(server.lines()[1], "GET /falconx/queries/submissions/v1?limit=1");
    let (_server, falconx) = one(403, r#"{"errors": [{"code": 403, "message": "scope"}]}"#).await;
    assert_eq!(kind(&falconx.available().await.unwrap_err()), "forbidden");
    for page in ["<html>", "[]", "7"] {
        let (_server, falconx) = one(200, page).await;
        assert_eq!(kind(&falconx.available().await.unwrap_err()), "malformed", "{page}");
    }
}

/// The defaults; nothing is asked.
#[test]
fn a_client_of_each_cloud_can_be_made() {
    for cloud in [FALCONX_US1, FALCONX_US2, FALCONX_EU1, FALCONX_GOV1, "api.crowdstrike.com"] {
        let settings = FalconXSettings::new(Settings::new("x", cloud), "id", Secret::new("key"));
        assert!(settings.confidential && settings.environment == 160);
        assert!(FalconX::new(settings).is_ok(), "{cloud}");
    }
}
