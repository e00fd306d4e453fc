//! Falcon Sandbox and Hybrid Analysis.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use crate::stand_in::{Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{Falcon, FalconSettings, FalconSharing, FalconSystem, HYBRID_ANALYSIS};
use belljar_client::{
    Artifact, ArtifactKind, ErrorKind, Hash, IndicatorKind, Options, Sample, Sandbox, Secret, Status, Submission, Word,
};
use futures_util::TryStreamExt as _;

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn settings(address: &str) -> FalconSettings {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    FalconSettings::new(http, Secret::new("s3cr3t-key"))
}

fn falcon(address: &str) -> Falcon {
    Falcon::new(settings(address)).unwrap()
}

async fn one(status: u16, body: &'static str) -> (StandIn, Falcon) {
    let server = StandIn::start(move |_| Reply::json(status, body)).await;
    let falcon = falcon(&server.address);
    (server, falcon)
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
        _ => "other",
    }
}

fn texts<const COUNT: usize>(pairs: [(&str, &str); COUNT]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// 14, 88-90: where it goes, with which headers and fields, and what each answer means. Private unless it is said otherwise.
#[tokio::test]
async fn submitting_a_file() {
    let by_hash = format!("{SHA256}:160");
    for (status, body, id) in [
        (201, r#"{"job_id": "22", "environment_id": 160, "sha256": "ab", "submission_id": "5f"}"#.to_owned(), Ok("22")),
        (201, r#"{"job_id": 22}"#.to_owned(), Ok("22")),
        (200, r#"{"job_id": "1"}"#.to_owned(), Ok("1")),
        (201, format!(r#"{{"job_id": null, "sha256": "{SHA256}", "environment_id": 160}}"#), Ok(by_hash.as_str())),
        (201, r#"{"job_id": null, "sha256": "../x", "environment_id": 160}"#.to_owned(), Err("malformed")),
        (201, "[]".to_owned(), Err("malformed")),
        (201, "<html>".to_owned(), Err("malformed")),
        (403, r#"{"message": "User agent not allowed"}"#.to_owned(), Err("forbidden")),
        (429, r#"{"message": "Exceeded maximum API requests per hour"}"#.to_owned(), Err("quota")),
        (400, r#"{"validation_errors": [{"field": "file", "errors": ["too large"]}]}"#.to_owned(), Err("status")),
        (500, "<h1>".to_owned(), Err("status")),
    ] {
        let answer = body.clone();
        let server = StandIn::start(move |_| Reply::json(status, &answer)).await;
        let (falcon, sample) = (falcon(&server.address), Sample::bytes("a b.exe", &b"MZ\0\xff"[..]));
        let submitted = falcon.submit(&sample, &Options::default()).await;
        let found = submitted.as_ref().map(|submission| submission.id.as_str()).map_err(kind);
        assert_eq!(found, id, "{status} {body}");
        if status == 400 {
            assert!(submitted.unwrap_err().to_string().ends_with("status 400: file: too large"));
        }
        let received = server.take();
        assert_eq!(received.len(), 1, "a submission is sent once: {status} {body}");
        assert_eq!(received[0].line(), "POST /api/v2/submit/file");
        for (name, value) in
            [("api-key", "s3cr3t-key"), ("user-agent", "Falcon Sandbox"), ("accept", "application/json")]
        {
            assert_eq!(received[0].headers[name], value);
        }
        let field = |name: &str, value: &str| (name.to_owned(), None, value.as_bytes().to_vec());
        let expected = [
            field("allow_community_access", "0"),
            field("environment_id", "160"),
            field("no_share_third_party", "1"),
            ("file".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec()),
        ];
        assert_eq!(received[0].parts(), expected);
    }
}

#[tokio::test]
async fn options_are_sent_or_refused() {
    let (server, _) = one(201, r#"{"job_id": "1", "sha256": "ab", "environment_id": 300}"#).await;
    let mut settings = settings(&server.address);
    (settings.environment, settings.sharing) =
        ("300".to_owned(), FalconSharing { third_parties: true, community: true });
    let falcon = Falcon::new(settings).unwrap();
    let mut options = Options { analysis_time: Some(Duration::from_secs(200)), ..Options::default() };
    options.vendor = texts([("action_script", "default_openie"), ("no_share_third_party", "1")]);
    let submission = falcon.submit(&Sample::url("http://a.test/?x=1&y"), &options).await.unwrap();
    assert_eq!(submission.others, texts([("environment_id", "300"), ("sha256", "ab")]));
    let received = server.take();
    assert_eq!(received[0].line(), "POST /api/v2/submit/url-for-analysis");
    assert_eq!(
        String::from_utf8_lossy(&received[0].body),
        "action_script=default_openie&allow_community_access=1&custom_run_time=200&environment_id=300\
         &no_share_third_party=1&url=http%3A%2F%2Fa.test%2F%3Fx%3D1%26y"
    );
    options.archive_password = Some(Secret::new("infected"));
    assert_eq!(kind(&falcon.submit(&Sample::url("http://a.test/"), &options).await.unwrap_err()), "invalid");
    assert!(server.lines().is_empty(), "it is refused before it is sent");
}

/// Servers of 2020 and later have one route for addresses.
#[tokio::test]
async fn an_address_goes_where_the_server_takes_it() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/api/v2/submit/url" => Reply::json(201, r#"{"job_id": "7"}"#),
        _ => Reply::json(404, r#"{"message": "No route found"}"#),
    })
    .await;
    let submission = falcon(&server.address).submit(&Sample::url("http://a.test/"), &Options::default()).await.unwrap();
    assert_eq!(submission.id, "7");
    assert_eq!(server.lines(), ["POST /api/v2/submit/url-for-analysis", "POST /api/v2/submit/url"]);
}

/// 15, 91-96: each state, and what is none.
#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Ok(Status::Failed(why.to_owned()));
    for (status, body, expected) in [
        (200, r#"{"state": "IN_QUEUE"}"#, Ok(Status::Queued)),
        (200, r#"{"state": "IN_PROGRESS", "error": null}"#, Ok(Status::Running)),
        (200, r#"{"state": "NEVER_SEEN"}"#, Ok(Status::Running)),
        (200, r#"{"state": "SUCCESS", "error_type": null, "error_origin": null}"#, Ok(Status::Finished)),
        (
            200,
            r#"{"state": "ERROR", "error_type": "FILE_TYPE_BAD_ERROR", "error_origin": "CLIENT", "error": "not supported"}"#,
            failed("FILE_TYPE_BAD_ERROR: CLIENT: not supported"),
        ),
        (200, r#"{"state": "ERROR"}"#, failed("Falcon does not say why")),
        (200, r#"{"state": 7.5}"#, Ok(Status::Running)),
        (200, r#"{"status": "SUCCESS"}"#, Err("malformed")),
        (200, "<html>", Err("malformed")),
        (403, r#"{"message": "no"}"#, Err("forbidden")),
        (404, r#"{"message": "Not Found"}"#, Err("not found")),
        (429, r#"{"message": "limit"}"#, Err("quota")),
        (500, "", Err("status")),
    ] {
        let (server, falcon) = one(status, body).await;
        let found = falcon.status(&Submission::new("5f:../1")).await;
        assert_eq!(found.as_ref().map_err(kind), expected.as_ref().map_err(|kind| *kind), "{status} {body}");
        assert_eq!(server.lines(), ["GET /api/v2/report/5f%3A..%2F1/state"]);
    }
}

/// 20, 107: words decide, numbers where there is no word. Of a failed analysis nothing good is said.
#[tokio::test]
async fn a_report_has_a_verdict() {
    use Word::{Clean, Malicious, Suspicious, Unknown};
    for (body, word, score) in [
        (r#"{"verdict": "malicious", "threat_score": 100, "threat_level": 2}"#, Malicious, Some(100)),
        (r#"{"verdict": "malicious", "threat_score": null, "threat_level": 2}"#, Malicious, Some(80)),
        (r#"{"verdict": "suspicious", "threat_score": null, "threat_level": 1}"#, Suspicious, Some(50)),
        (r#"{"verdict": "suspicious", "threat_score": "35", "threat_level": 2}"#, Suspicious, Some(35)),
        (r#"{"verdict": "no specific threat", "threat_score": 64, "threat_level": 0}"#, Unknown, Some(20)),
        (r#"{"verdict": "no specific threat", "threat_score": null, "threat_level": 0}"#, Unknown, Some(10)),
        (r#"{"verdict": "whitelisted", "threat_score": null, "threat_level": 0}"#, Clean, None),
        (r#"{"verdict": "whitelisted", "threat_score": 0}"#, Clean, Some(0)),
        (r#"{"verdict": "No Verdict", "threat_score": null, "threat_level": 0}"#, Unknown, None),
        (r#"{"verdict": "clean"}"#, Unknown, None),
        (r#"{"verdict": "never seen", "threat_score": 90, "threat_level": 2}"#, Malicious, Some(90)),
        // 107: what older servers say, without words. Nothing is clean for want of a threat.
        (r#"{"threat_level": 2, "threat_score": 90}"#, Malicious, Some(90)),
        (r#"{"threat_level": 2, "threat_score": 60}"#, Malicious, Some(60)),
        (r#"{"threat_level": 1, "threat_score": 90}"#, Suspicious, Some(90)),
        // 20.
        (r#"{"threat_level": 1, "threat_score": 5}"#, Suspicious, Some(5)),
        (r#"{"threat_level": 0, "threat_score": 300}"#, Unknown, Some(20)),
        (r#"{"threat_level": 0, "threat_score": 0}"#, Unknown, Some(0)),
        (r#"{"threat_level": 9, "verdict": null}"#, Unknown, None),
        (r#"{"threat_level": [], "verdict": {}, "signatures": 5, "domains": "x", "hosts": null}"#, Unknown, None),
        ("{}", Unknown, None),
        (r#"{"state": "ERROR", "error_type": "X", "verdict": "whitelisted", "threat_score": 0}"#, Unknown, None),
        (r#"{"state": "ERROR", "verdict": "no specific threat", "threat_score": 5}"#, Unknown, None),
        (r#"{"state": "IN_PROGRESS", "verdict": "whitelisted"}"#, Unknown, None),
        (r#"{"state": "ERROR", "verdict": "malicious", "threat_score": 85}"#, Malicious, Some(85)),
    ] {
        let (server, falcon) = one(200, body).await;
        let report = falcon.report(&Submission::new("8")).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{body}");
        assert!(!report.verdict.reasons.is_empty(), "{body}");
        // 103: the whole body is kept.
        let kept: serde_json::Value = report.raw.json().unwrap();
        assert_eq!(kept, serde_json::from_str::<serde_json::Value>(body).unwrap());
        assert_eq!(server.lines(), ["GET /api/v2/report/8/summary"]);
    }
    // 104.
    for (status, expected) in [(401, "unauthenticated"), (404, "not found"), (429, "quota")] {
        let (_server, falcon) = one(status, "{}").await;
        assert_eq!(kind(&falcon.report(&Submission::new("8")).await.unwrap_err()), expected);
    }
}

/// 19, and the rest of a report of a newer server.
#[tokio::test]
async fn a_report_says_what_was_found() {
    let body = r#"{"job_id": "5f0a", "environment_id": "160", "environment_description": "Windows 10 64 bit", "state": "SUCCESS",
        "submit_name": "a.exe", "md5": "0f", "sha256": "SHA", "verdict": "malicious", "threat_score": 90, "vx_family": "Trojan.Zed",
        "domains": ["evil.test", 5], "hosts": ["1.2.3.4"], "compromised_hosts": ["1.2.3.4", "5.6.7.8"],
        "signatures": [{"name": "info", "threat_level": 0, "relevance": 10}, "odd",
            {"name": "minor", "threat_level": 2, "relevance": 1}, {"name": "major", "description": "It encrypts.", "threat_level": 2,
            "relevance": 9, "attck_id": "T1486"}, {"name": "some", "threat_level": 1}],
        "mitre_attcks": [{"tactic": "Impact", "technique": "Data Encrypted", "attck_id": "T1486"},
            {"tactic": "Execution", "technique": "Scripting", "attck_id": "T1064"}, {"tactic": "None"}],
        "processes": [{"name": "a.exe", "command_line": "a.exe /q"}, {"command_line": ""}],
        "extracted_files": [{"name": "b.dll", "file_path": "C:\\b.dll", "sha256": "dd"}]}"#
        .replace("SHA", SHA256);
    let server = StandIn::start(move |_| Reply::json(200, &body)).await;
    let address = server.address.clone();
    // As the original's users have it.
    let report = falcon(&format!("{address}/api/v2/")).report(&Submission::new("5f0a")).await.unwrap();
    assert_eq!(server.lines(), ["GET /api/v2/report/5f0a/summary"]);
    assert_eq!(report.link, Some(format!("{address}/sample/{SHA256}/5f0a")));
    assert_eq!((report.name.as_deref(), report.environment.as_deref()), (Some("a.exe"), Some("Windows 10 64 bit")));
    assert_eq!(report.hashes, texts([("md5", "0f"), ("sha256", SHA256)]));
    let found = report.findings.iter();
    let found = found.map(|finding| (finding.name.as_str(), finding.severity, finding.techniques.concat()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            ("major", Some(100), "T1486".to_owned()),
            ("minor", Some(100), String::new()),
            ("some", Some(50), String::new()),
            ("info", Some(0), String::new()),
            ("Scripting", None, "T1064".to_owned()),
        ]
    );
    assert_eq!(report.verdict.reasons, ["major", "minor", "some"]);
    assert_eq!(report.verdict.families, ["Trojan.Zed"]);
    let indicators: Vec<_> =
        report.indicators.iter().map(|indicator| (indicator.kind, indicator.value.as_str())).collect();
    assert_eq!(
        indicators,
        [
            (IndicatorKind::Domain, "evil.test"),
            (IndicatorKind::Address, "1.2.3.4"),
            (IndicatorKind::Address, "5.6.7.8"),
            (IndicatorKind::Hash, "dd"),
            (IndicatorKind::File, "C:\\b.dll"),
            (IndicatorKind::Command, "a.exe /q"),
        ]
    );
}

/// 16-18, 99-102, and what users asked for: a key that may only look does not make the sandbox unavailable, and is named.
#[tokio::test]
async fn availability_depends_on_the_key_but_does_not_lie() {
    for (heartbeat, version, expected, remark) in [
        (200, 500, Ok(Some("9.1")), None),
        (403, 200, Ok(Some("8.20")), Some("the key is restricted: it may neither see the queue nor fetch artifacts")),
        (403, 401, Err("unauthenticated"), None),
        (403, 403, Err("forbidden"), None),
        (401, 200, Err("unauthenticated"), None),
        (500, 200, Err("status"), None),
        (301, 200, Err("status"), None),
    ] {
        let server = StandIn::start(move |request| match request.target.as_str() {
            "/api/v2/system/heartbeat" => Reply::json(heartbeat, r#"{"number_of_seconds_since_last_update": 7}"#)
                .with("webservice-version", "9.1"),
            _ => Reply::json(version, r#"{"instance": "8.20", "sandbox": "8.2"}"#),
        })
        .await;
        let falcon = falcon(&server.address);
        let available = falcon.available().await;
        let found = available.as_ref().map(|available| available.version.as_deref()).map_err(kind);
        assert_eq!(found, expected, "{heartbeat} {version}");
        if let Ok(available) = available {
            assert_eq!(available.remarks, Vec::from_iter(remark));
        }
        let asked = server.lines().len();
        assert_eq!(asked, if heartbeat == 403 { 2 } else { 1 }, "{heartbeat}");
        // Asked each time.
        let _ = falcon.available().await;
        assert_eq!(server.lines().len(), asked);
    }
    for page in ["<html>Log in</html>", "[]", "\"fine\""] {
        let (_server, falcon) = one(200, page).await;
        assert_eq!(kind(&falcon.available().await.unwrap_err()), "malformed", "{page}");
    }
    let (server, falcon) = one(200, "{}").await;
    drop(server);
    assert!(falcon.available().await.is_err());
}

/// A redirection is told, with the key kept from wherever it leads.
#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = StandIn::start(|_| Reply::json(200, r#"{"state": "SUCCESS"}"#)).await;
    let target = elsewhere.address.clone();
    let server = StandIn::start(move |_| Reply::json(301, "").with("location", target.clone())).await;
    let error = falcon(&server.address).status(&Submission::new("1")).await.unwrap_err();
    assert!(error.to_string().contains("redirected, which is not followed"), "{error}");
    assert!(!error.is_retryable());
    assert!(elsewhere.take().is_empty());
}

#[tokio::test]
async fn quotas_are_read_from_headers() {
    let server = StandIn::start(|request| {
        let reply = Reply::json(200, r#"{"value": 1}"#);
        match request.target.as_str() {
            "/api/v2/system/queue-size" => reply
                .with("api-limits", r#"{"limits": {"minute": 5, "hour": 200}, "used": {"minute": 1}, "limit_reached": false}"#)
                .with(
                    "submission-limits",
                    r#"{"total": {"used": {"month": 25}, "quota": {"month": 25}, "quota_reached": true}, "quota_reached": true}"#,
                ),
            _ => reply.with("api-limits", "no JSON").with("quick-scan-limits", "[[[[["),
        }
    })
    .await;
    let falcon = falcon(&server.address);
    assert_eq!(falcon.limits(), belljar_client::vendors::FalconLimits::default());
    falcon.queue().await.unwrap();
    let limits = falcon.limits();
    let (requests, submissions) = (limits.requests.clone().unwrap(), limits.submissions.clone().unwrap());
    assert_eq!((requests.allowed["hour"], requests.used["minute"], requests.reached), (200, 1, false));
    assert_eq!((submissions.allowed["month"], submissions.used["month"], submissions.reached), (25, 25, true));
    let available = falcon.available().await.unwrap();
    assert_eq!(available.remarks, ["the quota of submissions is used up"]);
    assert_eq!(falcon.limits(), limits, "what cannot be read is passed over");
}

/// 97, 98.
#[tokio::test]
async fn the_queue_is_a_number() {
    for (status, body, expected) in [
        (200, r#"{"value": 44}"#, Ok(44)),
        (200, "44", Ok(44)),
        (200, r#"{"value": -1}"#, Err("malformed")),
        (200, "{}", Err("malformed")),
        (403, "{}", Err("forbidden")),
    ] {
        let (server, falcon) = one(status, body).await;
        let queue = falcon.queue().await;
        assert_eq!(queue.as_ref().map(|queue| queue.waiting).map_err(kind), expected, "{body}");
        assert_eq!(server.lines(), ["GET /api/v2/system/queue-size"]);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// 105, 106, and all others: what the server packs is unpacked, and nothing else.
#[tokio::test]
async fn artifacts_come_unpacked() {
    let server = StandIn::start(|request| {
        let mut reply = Reply::json(200, "");
        let (name, body): (_, Vec<u8>) = match request.target.rsplit_once('/').unwrap().1 {
            "bin" => ("../a.exe.bin.gz", gzip(&b"MZ".repeat(100_000))),
            "pcap" => ("a.pcap.gz", gzip(b"\xd4\xc3\xb2\xa1")),
            "memory" => ("dump.zip", b"PK\x03\x04".to_vec()),
            // A sample that is an archive itself, and that the server does not pack.
            "sample" => ("plain.tgz", gzip(b"mine")),
            "pdf" => ("a.pdf", b"%PDF".to_vec()),
            _ => ("x", b"text".to_vec()),
        };
        reply.body = body;
        reply.with("vx-filename", name)
    })
    .await;
    let falcon = falcon(&server.address);
    let submission = Submission::new("4");
    let named = |kind, name: &str| Artifact { kind, name: Some(name.to_owned()) };
    for (artifact, path, name, expected) in [
        (ArtifactKind::Sample.into(), "report/4/file/bin", "a.exe.bin", b"MZ".repeat(100_000)),
        (ArtifactKind::Pcap.into(), "report/4/file/pcap", "a.pcap", b"\xd4\xc3\xb2\xa1".to_vec()),
        (ArtifactKind::Memory.into(), "report/4/file/memory", "dump.zip", b"PK\x03\x04".to_vec()),
        (ArtifactKind::Pdf.into(), "report/4/file/pdf", "a.pdf", b"%PDF".to_vec()),
        (ArtifactKind::Json.into(), "report/4/file/json", "x", b"text".to_vec()),
        (ArtifactKind::Html.into(), "report/4/file/html", "x", b"text".to_vec()),
        (ArtifactKind::Xml.into(), "report/4/file/xml", "x", b"text".to_vec()),
        (ArtifactKind::Dropped.into(), "report/4/dropped-files", "x", b"text".to_vec()),
        (named(ArtifactKind::Dropped, SHA256), &format!("report/4/dropped-file-raw/{SHA256}"), "x", b"text".to_vec()),
        (ArtifactKind::Screenshots.into(), "report/4/screenshots", "x", b"text".to_vec()),
        (named(ArtifactKind::Other, "misp-json"), "report/4/file/misp-json", "x", b"text".to_vec()),
    ] {
        let download = falcon.artifact(&submission, artifact).await.unwrap();
        assert_eq!(download.name.as_deref(), Some(name), "{path}");
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert!(bytes.concat() == expected, "{path}");
        assert_eq!(server.lines(), [format!("GET /api/v2/{path}")]);
    }
    let sample = falcon.known_sample(&Hash::parse(SHA256).unwrap()).await.unwrap();
    let bytes: Vec<bytes::Bytes> = sample.bytes.try_collect().await.unwrap();
    assert_eq!(bytes.concat(), gzip(b"mine"), "its name does not say that the server has packed it");
    assert_eq!(server.lines(), [format!("GET /api/v2/overview/{SHA256}/sample")]);
    assert_eq!(kind(&falcon.artifact(&submission, ArtifactKind::Other.into()).await.unwrap_err()), "invalid");
    let error = falcon.artifact(&submission, ArtifactKind::All.into()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    let error = falcon.delete(&submission).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    assert!(server.lines().is_empty());
}

/// What is cut off or broken is an error, not a shorter file.
#[tokio::test]
async fn a_broken_archive_is_told() {
    for broken in [gzip(b"text")[..12].to_vec(), [&gzip(b"text")[..], b"garbage"].concat()] {
        let server = StandIn::start(move |_| {
            let mut reply = Reply::json(200, "").with("vx-filename", "a.gz");
            reply.body = broken.clone();
            reply
        })
        .await;
        let download =
            falcon(&server.address).artifact(&Submission::new("4"), ArtifactKind::Sample.into()).await.unwrap();
        let read: Result<Vec<bytes::Bytes>, _> = download.bytes.try_collect().await;
        assert_eq!(kind(&read.unwrap_err()), "malformed");
    }
}

#[tokio::test]
async fn a_screenshot_is_taken_out_of_the_list() {
    let body = r#"[{"name": "../one.png", "image": "b25l", "date": "2026"}, {"image": "dHdv"}]"#;
    let (_server, falcon) = one(200, body).await;
    let all = falcon.screenshots(&Submission::new("4")).await.unwrap();
    assert_eq!(all.iter().map(|picture| picture.name.as_str()).collect::<Vec<_>>(), ["one.png", "2.png"]);
    for (name, expected) in [("1", Some("one")), ("2", Some("two")), ("one.png", Some("one")), ("0", None), ("3", None)]
    {
        let artifact = Artifact { kind: ArtifactKind::Screenshots, name: Some(name.to_owned()) };
        match falcon.artifact(&Submission::new("4"), artifact).await {
            Ok(download) => {
                let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
                assert_eq!(Some(bytes.concat().as_slice()), expected.map(str::as_bytes), "{name}");
            }
            Err(error) => assert!(expected.is_none() && kind(&error) == "not found", "{name}: {error}"),
        }
    }
    for body in ["{}", r#"[{"image": "%%"}]"#, "[7]"] {
        let (_server, falcon) = one(200, body).await;
        assert_eq!(kind(&falcon.screenshots(&Submission::new("4")).await.unwrap_err()), "malformed", "{body}");
    }
}

#[tokio::test]
async fn a_hash_finds_the_newest_finished_analysis() {
    for (body, expected) in [
        (
            r#"[{"job_id": "1", "state": "SUCCESS", "analysis_start_time": "2024-01-01T00:00:00"},
                {"job_id": "2", "state": "SUCCESS", "analysis_start_time": "2025-01-01T00:00:00", "sha256": "ab"},
                {"job_id": "3", "state": "ERROR", "analysis_start_time": "2026-01-01T00:00:00"}]"#,
            Ok(Some("2")),
        ),
        (
            r#"{"sha256s": ["ab"], "reports": [{"id": "6", "state": "SUCCESS"}, {"id": "5", "state": "SUCCESS"}]}"#,
            Ok(Some("6")),
        ),
        (r#"[{"job_id": null, "verdict": "malicious"}, {"job_id": "9", "verdict": "malicious"}]"#, Ok(Some("9"))),
        (r#"[{"job_id": "3", "state": "IN_PROGRESS"}]"#, Ok(None)),
        ("[]", Ok(None)),
        (r#"{"message": "?"}"#, Err("malformed")),
    ] {
        let (server, falcon) = one(200, body).await;
        let found = falcon.look_up(&Hash::parse(SHA256).unwrap()).await;
        let found = found.map(|found| found.map(|submission| submission.id));
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(kind), expected, "{body}");
        let received = server.take();
        assert_eq!(received[0].line(), "POST /api/v2/search/hash");
        assert_eq!(received[0].body, format!("hash={SHA256}"));
    }
    let (_server, falcon) = one(404, "{}").await;
    assert_eq!(falcon.look_up(&Hash::parse(SHA256).unwrap()).await.unwrap(), None);
    let server = StandIn::start(|request| match request.method.as_str() {
        "GET" => Reply::json(200, r#"{"sha256s": [], "reports": []}"#),
        _ => Reply::json(405, "{}"),
    })
    .await;
    assert_eq!(super::falcon::falcon(&server.address).look_up(&Hash::parse(SHA256).unwrap()).await.unwrap(), None);
    assert_eq!(server.lines()[1], format!("GET /api/v2/search/hash?hash={SHA256}"));
}

/// All that only this vendor has: each to its route, with its fields.
#[tokio::test]
async fn what_only_falcon_has() {
    let server = StandIn::start(|request| match request.target.rsplit_once("/v2/").unwrap().1 {
        "system/environments" => {
            Reply::json(200, r#"[{"environment_id": 160, "description": "Windows 10"}, {"id": "300"}, {}]"#)
        }
        "key/current" => {
            Reply::json(200, r#"{"api_key": "s3cr3t-key", "auth_level": 100, "auth_level_name": "default"}"#)
        }
        "submit/hash-for-url" => Reply::json(200, &format!(r#"{{"sha256": "{SHA256}"}}"#)),
        "feed/latest" => Reply::json(200, r#"{"count": 0}"#),
        _ => Reply::json(200, r#"{"id": "q1", "job_id": "j1", "finished": false, "sha256": "ab"}"#),
    })
    .await;
    let falcon = falcon(&server.address);
    let body = || {
        let received = server.take().pop().unwrap();
        (received.line().replace("/api/v2", ""), String::from_utf8_lossy(&received.body).into_owned())
    };
    let sent = |line: &str, fields: &str| (line.to_owned(), fields.to_owned());
    let private = "allow_community_access=0&environment_id=160&no_share_third_party=1";
    let (hash, of) = (Hash::parse(SHA256).unwrap(), Submission::new("j0"));
    let options = Options::default();

    let scan = falcon.quick_scan(&Sample::url("http://a.test/"), "all", &options).await.unwrap();
    assert_eq!((scan.id.as_str(), scan.finished, scan.sha256.as_deref()), ("q1", false, Some("ab")));
    let fields = "allow_community_access=0&no_share_third_party=1&scan_type=all&url=http%3A%2F%2Fa.test%2F";
    assert_eq!(body(), sent("POST /quick-scan/url-for-analysis", fields));
    falcon.quick_scan(&Sample::bytes("a", &b"x"[..]), "all", &options).await.unwrap();
    let received = server.take();
    assert_eq!(received[0].line(), "POST /api/v2/quick-scan/file");
    assert_eq!(received[0].parts().last().unwrap().1.as_deref(), Some("a"));
    falcon.quick_scan_result("q/1").await.unwrap();
    assert_eq!(body(), sent("GET /quick-scan/q%2F1", ""));
    assert_eq!(falcon.analyse_scanned(&scan, &options).await.unwrap().id, "j1");
    assert_eq!(body(), sent("POST /quick-scan/q1/convert-to-full", private));
    falcon.quick_scanners().await.unwrap();
    assert_eq!(body(), sent("GET /quick-scan/state", ""));

    falcon.submit_file_at("http://a.test/", &options).await.unwrap();
    assert_eq!(body(), sent("POST /submit/url-to-file", &format!("{private}&url=http%3A%2F%2Fa.test%2F")));
    falcon.submit_dropped(&of, &hash, &options).await.unwrap();
    assert_eq!(body(), sent("POST /submit/dropped-file", &format!("{private}&id=j0&file_hash={SHA256}")));
    falcon.reanalyze(&of, &options).await.unwrap();
    assert_eq!(body(), sent("POST /submit/reanalyze", &format!("{private}&id=j0")));
    assert_eq!(falcon.hash_for_url("http://a.test/").await.unwrap(), hash);
    assert_eq!(body(), sent("POST /submit/hash-for-url", "url=http%3A%2F%2Fa.test%2F"));

    falcon.search_hashes(&[hash.clone(), hash.clone()]).await.unwrap();
    assert_eq!(body(), sent("POST /search/hashes", &format!("hashes%5B%5D={SHA256}&hashes%5B%5D={SHA256}")));
    falcon.search_terms(&texts([("tag", "x"), ("verdict", "5")])).await.unwrap();
    assert_eq!(body(), sent("POST /search/terms", "tag=x&verdict=5"));
    falcon.search_states(&["1".to_owned(), "2".to_owned()]).await.unwrap();
    assert_eq!(body(), sent("POST /search/states", "ids%5B%5D=1&ids%5B%5D=2"));
    falcon.summaries(&["1".to_owned()]).await.unwrap();
    assert_eq!(body(), sent("POST /report/summary", "hashes%5B%5D=1"));
    falcon.enhanced_report(&of).await.unwrap();
    assert_eq!(body(), sent("GET /report/j0/enhanced-summary", ""));

    falcon.overview(&hash).await.unwrap();
    assert_eq!(body(), sent(&format!("GET /overview/{SHA256}"), ""));
    falcon.overview_summary(&hash).await.unwrap();
    assert_eq!(body(), sent(&format!("GET /overview/{SHA256}/summary"), ""));
    falcon.refresh_overview(&hash).await.unwrap();
    assert_eq!(body(), sent(&format!("GET /overview/{SHA256}/refresh"), ""));
    let environments = falcon.environments().await.unwrap();
    assert_eq!(environments.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["160", "300"]);
    assert_eq!(body(), sent("GET /system/environments", ""));
    falcon.system(FalconSystem::InProgress).await.unwrap();
    assert_eq!(body(), sent("GET /system/in-progress", ""));
    falcon.feed(None).await.unwrap();
    assert_eq!(body(), sent("GET /feed/latest", ""));
    falcon.feed(Some(7)).await.unwrap();
    assert_eq!(body(), sent("GET /feed/7/days", ""));
    let key = falcon.key().await.unwrap();
    assert_eq!((key.level, key.name.as_deref()), (100, Some("default")));
    assert!(!format!("{key:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn a_key_is_sent_and_never_shown() {
    let server =
        StandIn::start(|request| Reply::json(403, &format!("{{\"message\": \"no {}\"}}", request.headers["api-key"])))
            .await;
    let falcon = falcon(&server.address);
    let error = falcon.report(&Submission::new("1")).await.unwrap_err();
    assert_eq!(error.to_string(), "lab (falcon), fetching the report: not allowed: no [secret]");
    for shown in [format!("{falcon:?}"), format!("{error:?}"), format!("{:?}", settings(&server.address))] {
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}

/// 87, 108: the defaults; nothing is asked.
#[test]
fn a_client_of_the_public_service_can_be_made() {
    let settings = FalconSettings::new(Settings::new("ha", HYBRID_ANALYSIS), Secret::new("key"));
    assert_eq!((settings.environment.as_str(), settings.sharing), ("160", FalconSharing::default()));
    assert!(!settings.sharing.third_parties && !settings.sharing.community);
    assert!(Falcon::new(settings).is_ok());
    assert!(
        Falcon::new(FalconSettings::new(Settings::new("ha", "ftp://hybrid-analysis.com"), Secret::new("key"))).is_err()
    );
}
