//! MetaDefender Sandbox, and dynamic analysis of MetaDefender Cloud.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stand_in::{Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{
    METADEFENDER_CLOUD, METADEFENDER_SANDBOX, MetaDefender, MetaDefenderCloud, MetaDefenderCloudSettings,
    MetaDefenderSettings,
};
use belljar_client::{
    Artifact, ArtifactKind, ErrorKind, Fault, Hash, IndicatorKind, Options, Patience, Sample, Sandbox, Secret, Status,
    Submission, Word, wait,
};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

const SHA256: &str = "afe6b95ad95bc689c356f34ec8d9094c495e4af57c932ac413b65ef132063acc";
const MD5: &str = "0e4e3c2d84a9bc726a50b3c91346fbb1";
const KEY: &str = "0123-key-4567";
const FILTERS: &str = "filter=general&filter=finalVerdict&filter=allTags&filter=overallState&filter=taskReference&filter=subtaskReferences&filter=allSignalGroups&filter=iocs";

fn metadefender(address: &str) -> MetaDefender {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    MetaDefender::new(MetaDefenderSettings { http, key: Secret::new(KEY), private: true }).unwrap()
}

async fn one(status: u16, body: impl ToString) -> (StandIn, MetaDefender) {
    let body = body.to_string();
    let server = StandIn::start(move |_| Reply::json(status, &body)).await;
    let metadefender = metadefender(&server.address);
    (server, metadefender)
}

fn kind(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::Unsupported(_) => "unsupported",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::Status { .. } => "status",
        _ => "other",
    }
}

/// 51: the id of a submission.
#[tokio::test]
async fn submitting_gives_a_flow() {
    for (status, body, id) in [
        (200, json!({"flow_id": "f1", "priority": {"applied": 1}}), Ok("f1")),
        (200, json!({"flow_id": ""}), Err("malformed")),
        (200, json!({}), Err("malformed")),
        (200, json!([]), Err("malformed")),
        (401, json!({"detail": "Not authorized"}), Err("unauthenticated")),
        (422, json!({"detail": [{"loc": ["body"], "msg": "field required"}]}), Err("status")),
        (429, json!({"detail": "slow down"}), Err("quota")),
    ] {
        let (server, metadefender) = one(status, &body).await;
        let options = Options { archive_password: Some(Secret::new("infected")), ..Options::default() };
        let submitted = metadefender.submit(&Sample::bytes("a b.exe", &b"MZ\0\xff"[..]), &options).await;
        if status == 422 {
            assert!(submitted.as_ref().unwrap_err().to_string().contains("field required"));
        }
        let submitted = submitted.map_err(|error| kind(&error.kind));
        assert_eq!(submitted.as_ref().map(|submission| submission.id.as_str()).map_err(|kind| *kind), id, "{body}");
        let received = server.take();
        assert_eq!((received.len(), received[0].line()), (1, "POST /api/scan/file".to_owned()));
        assert_eq!(received[0].headers["x-api-key"], KEY);
        let parts = received[0].parts();
        assert_eq!(parts[0], ("password".to_owned(), None, b"infected".to_vec()));
        assert_eq!(parts[1], ("is_private".to_owned(), None, b"true".to_vec()));
        assert_eq!(parts[2], ("file".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec()));
    }
}

#[tokio::test]
async fn an_address_is_submitted_and_what_it_has_no_word_for_is_refused() {
    let (server, metadefender) = one(200, json!({"flow_id": "f1"})).await;
    let mut options = Options::default();
    options.vendor.insert("is_private".to_owned(), "false".to_owned());
    metadefender.submit(&Sample::url("http://x.test/?a=b"), &options).await.unwrap();
    let received = server.take();
    assert_eq!(received[0].line(), "POST /api/scan/url");
    assert_eq!(received[0].body, "is_private=false&url=http%3A%2F%2Fx.test%2F%3Fa%3Db", "an option beats the setting");
    for options in [
        Options { analysis_time: Some(Duration::from_secs(1)), ..Options::default() },
        Options { environment: Some("win7".to_owned()), ..Options::default() },
    ] {
        let error = metadefender.submit(&Sample::url("http://x.test"), &options).await.unwrap_err();
        assert_eq!(kind(&error.kind), "invalid", "{error}");
    }
    assert!(metadefender.delete(&Submission::new("f1")).await.is_err() && metadefender.queue().await.is_err());
    assert!(server.lines().is_empty());
}

/// 52: finished and not; what does not say is neither, and what failed as a whole is told so, where the original takes it for finished.
#[tokio::test]
async fn a_status_is_what_it_says() {
    let reports = |states: &[&str]| {
        let report = |(at, state): (usize, &&str)| (format!("r{at}"), json!({"overallState": state}));
        Value::Object(states.iter().enumerate().map(report).collect())
    };
    let failed = || Ok(Status::Failed("MetaDefender could not analyse it, and does not say why".to_owned()));
    for (body, expected) in [
        (json!({"allFinished": false}), Ok(Status::Running)),
        (json!({"flowId": "f1", "allFinished": true, "reports": reports(&["success"])}), Ok(Status::Finished)),
        (json!({"allFinished": true, "reports": {}}), Ok(Status::Finished)),
        (json!({"allFinished": true, "reports": reports(&["failed", "success_partial"])}), Ok(Status::Finished)),
        (json!({"allFinished": true, "reports": reports(&["failed", "failed"])}), failed()),
        (json!({"allFinished": false, "reports": reports(&["failed"])}), Ok(Status::Running)),
        (json!({"flowId": "another", "allFinished": true}), Err("malformed")),
        (json!({"reports": reports(&["success"])}), Err("malformed")),
        (json!({"allFinished": "perhaps"}), Err("malformed")),
        (json!(5), Err("malformed")),
    ] {
        let (server, metadefender) = one(200, &body).await;
        let status = metadefender.status(&Submission::new("f1")).await.map_err(|error| kind(&error.kind));
        assert_eq!(status, expected, "{body}");
        assert_eq!(server.lines(), ["GET /api/scan/f1/report?filter=overallState"]);
    }
    let (_server, metadefender) = one(404, json!({"detail": "Flow not found"})).await;
    let error = metadefender.status(&Submission::new("f1")).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::NotFound(said) if said == "Flow not found"), "{error}");
}

/// The server says when to come again, and it is waited for as long, up to a minute.
#[tokio::test]
async fn the_pause_that_is_asked_for_is_kept() {
    for (pause, expected) in [
        (json!(5), Some(5)),
        (json!("7.9"), Some(7)),
        (json!(0), None),
        (json!(-3), None),
        (json!(1e300), None),
        (json!(100_000), Some(60)),
        (json!(null), None),
    ] {
        let (_server, metadefender) = one(200, json!({"allFinished": false, "pollPause": pause})).await;
        assert_eq!(metadefender.poll_pause(), None);
        metadefender.status(&Submission::new("f1")).await.unwrap();
        assert_eq!(metadefender.poll_pause(), expected.map(Duration::from_secs), "{pause}");
    }
    let asked = AtomicUsize::new(0);
    let server = StandIn::start(move |_| {
        let finished = asked.fetch_add(1, Ordering::Relaxed) > 0;
        Reply::json(200, &json!({"allFinished": finished, "pollPause": 2}).to_string())
    })
    .await;
    let metadefender = metadefender(&server.address);
    let patience =
        Patience { first: Duration::from_millis(1), longest: Duration::from_millis(1), ..Patience::default() };
    let began = std::time::Instant::now();
    wait(&metadefender, &Submission::new("f1"), patience, |_| ()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2), "not before it is wanted");
    assert_eq!(server.lines().len(), 2);
}

/// 53, 54: there when it knows who asks; asked each time.
#[tokio::test]
async fn it_is_there_when_it_knows_who_asks() {
    for (status, body, there) in [
        (200, r#"{"accountId": "a1"}"#, true),
        (200, "{}", false),
        (200, "<html>", false),
        (401, r#"{"detail": "no"}"#, false),
        (404, "{}", false),
    ] {
        let (server, metadefender) = one(status, body).await;
        for _ in 0..2 {
            assert_eq!(metadefender.available().await.is_ok(), there, "{status} {body}");
        }
        assert_eq!(server.lines(), ["GET /api/users/me", "GET /api/users/me"]);
    }
    assert_eq!(METADEFENDER_SANDBOX, "https://www.filescan.io");
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    assert_eq!(metadefender(&gone).available().await.unwrap_err().fault(), Fault::Network);
}

fn judged(verdicts: &[Value]) -> Value {
    let report = |(at, verdict): (usize, &Value)| {
        (format!("r{at}"), json!({"finalVerdict": verdict, "overallState": "success"}))
    };
    let reports: serde_json::Map<String, Value> = verdicts.iter().enumerate().map(report).collect();
    json!({"flowId": "f1", "allFinished": true, "reports": reports})
}

/// 55, 56: the eight filters in their order; scores 100, 50, 0 and 75 as the original has them, and what they mean. The worst file counts.
#[tokio::test]
async fn a_verdict_is_that_of_the_worst_file() {
    let said = |verdict: &str, level: f64| json!({"verdict": verdict, "threatLevel": level, "confidence": 1});
    let malicious = said("MALICIOUS", 1.0);
    for (verdicts, word, score, confidence) in [
        (vec![malicious.clone()], Word::Malicious, Some(100), Some(100)),
        (vec![said("SUSPICIOUS", 0.5)], Word::Suspicious, Some(50), Some(100)),
        (vec![said("BENIGN", -1.0)], Word::Clean, Some(0), Some(100)),
        (vec![said("LIKELY_MALICIOUS", 0.75)], Word::Malicious, Some(75), Some(75)),
        (vec![said("NO_THREAT", 0.1)], Word::Unknown, Some(10), Some(100)),
        (vec![said("INFORMATIONAL", 0.25)], Word::Unknown, Some(25), Some(100)),
        (vec![said("UNKNOWN", 0.0)], Word::Unknown, Some(0), Some(100)),
        (vec![said("BENIGN", -1.0), malicious.clone(), said("NO_THREAT", 0.1)], Word::Malicious, Some(100), Some(100)),
        (vec![said("BENIGN", -1.0), said("UNKNOWN", 0.0)], Word::Unknown, Some(0), Some(100)),
        // What contradicts itself is the worse of both.
        (vec![said("BENIGN", 1.0)], Word::Malicious, Some(100), Some(100)),
        (vec![said("MALICIOUS", -1.0)], Word::Malicious, Some(0), Some(75)),
        (vec![said("UNKNOWN", -1.0)], Word::Unknown, Some(0), Some(100)),
        // No score is made up of a word.
        (vec![json!({"verdict": "LIKELY_MALICIOUS"})], Word::Malicious, None, Some(75)),
        (vec![json!({"verdict": "BENIGN"})], Word::Clean, None, None),
        (vec![json!({"verdict": "NEVER_SEEN"})], Word::Unknown, None, None),
        (vec![json!({})], Word::Unknown, None, None),
        (vec![], Word::Unknown, None, None),
    ] {
        let body = judged(&verdicts);
        let (server, metadefender) = one(200, &body).await;
        let report = metadefender.report(&Submission::new("f1")).await.unwrap();
        let found = (report.verdict.verdict, report.verdict.score, report.verdict.confidence);
        assert_eq!(found, (word, score, confidence), "{verdicts:?}");
        assert_eq!(report.raw.json::<Value>().unwrap(), body);
        assert_eq!(server.lines(), [format!("GET /api/scan/f1/report?{FILTERS}")]);
    }
}

/// Clean needs all of it to be analysed and finished.
#[tokio::test]
async fn half_an_analysis_does_not_make_clean() {
    let benign = json!({"verdict": "BENIGN", "threatLevel": -1});
    let with = |states: [&str; 2], finished: Value| {
        let mut body = judged(&[benign.clone(), benign.clone()]);
        for (at, state) in states.iter().enumerate() {
            body["reports"][format!("r{at}")]["overallState"] = json!(state);
        }
        body["allFinished"] = finished;
        body
    };
    for (body, expected) in [
        (with(["success", "success_partial"], json!(true)), Ok(Word::Clean)),
        (with(["success", "failed"], json!(true)), Ok(Word::Unknown)),
        (with(["success", "success"], json!(null)), Ok(Word::Unknown)),
        (with(["success", "success"], json!(false)), Err("not ready")),
        (with(["failed", "failed"], json!(true)), Err("failed")),
    ] {
        let (_server, metadefender) = one(200, &body).await;
        let report = metadefender.report(&Submission::new("f1")).await;
        assert_eq!(report.map(|report| report.verdict.verdict).map_err(|error| kind(&error.kind)), expected, "{body}");
    }
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let body = json!({"flowId": "f1", "allFinished": true, "reports": {
        "child": {"overallState": "failed", "iocs": {"ip": [{"data": "1.2.3.4"}]}},
        "root": {"isRoot": true, "overallState": "success", "finalVerdict": {"verdict": "MALICIOUS", "threatLevel": 1, "confidence": 0.9},
            "file": {"name": "a.docm", "hash": SHA256.to_uppercase(), "type": "docm"},
            "taskReference": {"additionalInfo": {"submitName": "b", "digests": {"MD5": MD5, "SHA-1": "ab"}}},
            "allTags": [{"isMalwareFamilyTag": true, "tag": {"name": "zed"}}, {"tag": {"name": "macros"}}, 5],
            "allSignalGroups": [
                {"identifier": "G1", "description": "Weak", "finalSignalStrength": 0.2, "verdict": {"verdict": "NO_THREAT"}},
                {"identifier": "G2", "description": "Runs macros", "finalSignalStrength": 0.75, "allMitreTechniques": [{"ID": "T1059"}],
                    "verdict": {"verdict": "MALICIOUS", "threatLevel": 1}}],
            "iocs": {"domain": [{"data": "evil.test", "isInteresting": true}, {"data": "schemas.test", "isInteresting": false}],
                "url": [{"data": "http://evil.test/"}], "sha256": [{"data": "e3"}], "uuid": [{"data": "no"}]}}}});
    let (_server, metadefender) = one(200, &body).await;
    let report = metadefender.report(&Submission::new("f1")).await.unwrap();
    assert_eq!((report.name.as_deref(), report.verdict.confidence), (Some("a.docm"), Some(90)));
    let hashes: Vec<(&str, &str)> = report.hashes.iter().map(|(name, hash)| (&**name, &**hash)).collect();
    assert_eq!(hashes, [("md5", MD5), ("sha1", "ab"), ("sha256", SHA256)]);
    assert_eq!(report.verdict.families, ["zed"]);
    assert_eq!(report.verdict.reasons, ["Runs macros", "1 of 2 files could not be analysed"]);
    let findings: Vec<_> =
        report.findings.iter().map(|found| (&*found.name, found.severity, found.techniques.len())).collect();
    assert_eq!(findings, [("G2", Some(75), 1), ("G1", Some(20), 0)]);
    use IndicatorKind::{Address, Domain, Hash, Url};
    let indicators: Vec<_> = report.indicators.iter().map(|found| (found.kind, &*found.value)).collect();
    assert_eq!(indicators, [(Domain, "evil.test"), (Address, "1.2.3.4"), (Url, "http://evil.test/"), (Hash, "e3")]);
}

#[tokio::test]
async fn artifacts_come_as_streams() {
    let server = StandIn::start(|request| match request.target.ends_with("filter=general") {
        true => {
            Reply::json(200, &json!({"reports": {"r/1": {"file": {"hash": SHA256}}, "r2": {"file": {}}}}).to_string())
        }
        false => Reply::typed(200, "application/octet-stream", "bytes"),
    })
    .await;
    let client = metadefender(&server.address);
    for (kind, name, target) in [
        (ArtifactKind::Json, None, "/api/scan/f1/report".to_owned()),
        (ArtifactKind::Html, None, "/api/reports/r%2F1/download?format=html".to_owned()),
        (ArtifactKind::Pdf, Some("r2"), "/api/reports/r2/download?format=pdf".to_owned()),
        (ArtifactKind::Other, Some("stix"), "/api/reports/r%2F1/download?format=stix".to_owned()),
        (ArtifactKind::Sample, None, format!("/api/files/{SHA256}?type=raw")),
    ] {
        let wanted = Artifact { kind, name: name.map(str::to_owned) };
        let download = client.artifact(&Submission::new("f1"), wanted).await.unwrap();
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        assert_eq!(server.lines().last(), Some(&format!("GET {target}")));
    }
    for (wanted, name, expected) in [
        (ArtifactKind::Pdf, Some("never seen"), "not found"),
        (ArtifactKind::Sample, Some("r2"), "malformed"),
        (ArtifactKind::Other, None, "invalid"),
        (ArtifactKind::Pcap, None, "unsupported"),
    ] {
        let artifact = Artifact { kind: wanted, name: name.map(str::to_owned) };
        let error = client.artifact(&Submission::new("f1"), artifact).await.unwrap_err();
        assert_eq!(kind(&error.kind), expected, "{error}");
    }
}

/// A server that does not know a parameter finds whatever is newest: only a report about the file itself is taken.
#[tokio::test]
async fn a_hash_finds_a_report_about_the_file_itself() {
    let items = json!({"items": [{"id": "r1", "state": "in_progress", "file": {"sha256": SHA256}},
        {"id": "r2", "state": "success", "file": {"sha256": "0f"}}, {"state": "success"},
        {"id": "r3", "state": "success_partial", "verdict": "benign", "file": {"name": "a", "sha256": SHA256}}], "count": 4});
    let report = |id: &str, md5: &str| {
        json!({"reports": {id: {"overallState": "success", "finalVerdict": {"verdict": "BENIGN", "threatLevel": -1},
            "taskReference": {"additionalInfo": {"digests": {"MD5": md5}}}}}})
    };
    let server = StandIn::start(move |request| {
        let path = request.target.split('?').next().unwrap();
        let body = match path.strip_prefix("/api/reports/").unwrap().split('/').next().unwrap() {
            "search" => items.clone(),
            "r2" => report("r2", "0f"),
            _ => report("r3", MD5),
        };
        Reply::json(200, &body.to_string())
    })
    .await;
    let metadefender = metadefender(&server.address);
    for (hash, lines) in [(SHA256, 1), (MD5, 3)] {
        let found = metadefender.look_up(&Hash::parse(hash).unwrap()).await.unwrap().unwrap();
        assert_eq!(found.id, "r3");
        assert_eq!(server.lines().len(), lines);
        assert_eq!(metadefender.status(&found).await.unwrap(), Status::Finished);
        let report = metadefender.report(&found).await.unwrap();
        assert_eq!(report.verdict.verdict, Word::Clean);
        let line = format!("GET /api/reports/r3/{SHA256}?{FILTERS}");
        assert_eq!(server.lines(), [format!("GET /api/reports/r3/{SHA256}?filter=overallState"), line]);
    }
    assert_eq!(metadefender.look_up(&Hash::parse(&"1".repeat(40)).unwrap()).await.unwrap(), None);
    let page = metadefender.search(&[("verdict", "benign")]).await.unwrap();
    assert_eq!((page.reports.len(), page.count, page.reports[2].name.as_deref()), (3, Some(4), Some("a")));
}

#[tokio::test]
async fn the_system_and_uploads_are_asked_for() {
    let (server, metadefender) = one(200, json!({"version": "2"})).await;
    assert_eq!(metadefender.system_info().await.unwrap()["version"], "2");
    metadefender.system_config().await.unwrap();
    metadefender.uploads(2, 50).await.unwrap();
    let lines = ["GET /api/system/info", "GET /api/system/config", "GET /api/users/uploads?page=2&page_size=50"];
    assert_eq!(server.lines(), lines);
}

#[tokio::test]
async fn the_key_is_never_shown() {
    let server = StandIn::start(|request| {
        let key = request.headers.get("x-api-key").or_else(|| request.headers.get("apikey")).unwrap();
        Reply::json(401, &json!({"detail": format!("not {key}"), "error": {"messages": [key]}}).to_string())
    })
    .await;
    let (sandbox, cloud) = (metadefender(&server.address), cloud(&server.address));
    for (error, client) in [
        (sandbox.available().await.unwrap_err(), format!("{sandbox:?}")),
        (cloud.available().await.unwrap_err(), format!("{cloud:?}")),
    ] {
        assert!(error.to_string().contains("[secret]"), "{error}");
        assert!(!format!("{error:?} {client}").contains(KEY), "{error:?} {client}");
    }
}

fn cloud(address: &str) -> MetaDefenderCloud {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    let settings = MetaDefenderCloudSettings { http, key: Secret::new(KEY), profile: "windows7".to_owned() };
    MetaDefenderCloud::new(settings).unwrap()
}

/// The id of the analysis, where there is one already; else it is asked for by hash, where the original gives nothing at all.
#[tokio::test]
async fn the_cloud_is_asked_by_analysis_or_by_hash() {
    for (second, id, line) in [
        (Reply::json(200, r#"{"scan_in_progress": "s1"}"#), "s1", "GET /v4/sandbox/s1".to_owned()),
        (Reply::json(200, "{}"), SHA256, format!("GET /v4/hash/{SHA256}/sandbox")),
        (Reply::json(404, "{}"), SHA256, format!("GET /v4/hash/{SHA256}/sandbox")),
        (Reply::json(200, "<html>"), SHA256, format!("GET /v4/hash/{SHA256}/sandbox")),
    ] {
        let (status, body) = (second.status, String::from_utf8(second.body).unwrap());
        let server = StandIn::start(move |request| match request.method.as_str() {
            "POST" => Reply::json(200, &json!({"sha256": SHA256, "data_id": "d"}).to_string()),
            _ if request.target.ends_with("/sandbox") && status == 200 => Reply::json(200, &body),
            _ => Reply::json(if request.target.contains("/sandbox/") { 200 } else { 404 }, "{}"),
        })
        .await;
        let cloud = cloud(&format!("{}/v4/", server.address));
        let options = Options { environment: Some("windows10".to_owned()), ..Options::default() };
        let submission = cloud.submit(&Sample::bytes("a.exe", &b"MZ"[..]), &options).await.unwrap();
        assert_eq!((submission.id.as_str(), submission.others["sha256"].as_str()), (id, SHA256));
        let received = server.take();
        assert_eq!(received[0].line(), "POST /v4/file");
        assert_eq!((&*received[0].headers["apikey"], &*received[0].headers["sandbox"]), (KEY, "windows10"));
        assert_eq!(received[0].parts()[0].1.as_deref(), Some("a.exe"));
        let _ = cloud.status(&submission).await;
        let received = server.take();
        assert_eq!(
            (received[0].line(), &*received[0].headers["apikey"]),
            (line, KEY),
            "the key goes with each question"
        );
    }
}

#[tokio::test]
async fn the_cloud_is_finished_when_there_are_results() {
    let results = json!({"x": 1});
    for (body, finished) in [
        (json!({"scan_in_progress": "s1"}), false),
        (json!({"scan_in_progress": "s1", "scan_results": results}), false),
        (json!({"scan_in_progress": null, "scan_results": results}), true),
        (json!({"scan_results": results}), true),
        (json!({"scan_results": {}}), false),
        (json!({}), false),
    ] {
        let server = StandIn::start({
            let body = body.to_string();
            move |_| Reply::json(200, &body)
        })
        .await;
        let status = cloud(&server.address).status(&Submission::new("s1")).await.unwrap();
        assert_eq!(status == Status::Finished, finished, "{body}");
        let found = cloud(&server.address).look_up(&Hash::parse(SHA256).unwrap()).await.unwrap();
        assert_eq!(found.is_some(), finished, "{body}");
        assert_eq!(server.lines()[1], format!("GET /v4/hash/{SHA256}/sandbox"));
    }
}

#[tokio::test]
async fn the_cloud_s_score_is_read_by_the_bands_of_all() {
    for (body, word, score) in [
        (json!({"analysis": {"infection_score": 90}}), Word::Malicious, Some(90)),
        (json!({"analysis": {"infection_score": "40"}}), Word::Suspicious, Some(40)),
        (json!({"analysis": {"infection_score": 39}}), Word::Unknown, Some(39)),
        (json!({"analysis": {"infection_score": 0}}), Word::Unknown, Some(0)),
        (json!({"analysis": {}}), Word::Unknown, None),
        (json!({"analysis": 5}), Word::Unknown, None),
    ] {
        let server = StandIn::start({
            let body = body.to_string();
            move |_| Reply::json(200, &body)
        })
        .await;
        let report = cloud(&server.address).report(&Submission::new("s1")).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{body}");
    }
    let server = StandIn::start(|_| Reply::json(200, r#"{"scan_in_progress": "s1"}"#)).await;
    assert_eq!(kind(&cloud(&server.address).report(&Submission::new("s1")).await.unwrap_err().kind), "not ready");
}

#[tokio::test]
async fn the_cloud_takes_files_only() {
    assert_eq!(METADEFENDER_CLOUD, "https://api.metadefender.com");
    let server = StandIn::start(|_| Reply::json(200, r#"{"api": "ok"}"#)).await;
    let cloud = cloud(&server.address);
    let file = Sample::bytes("a", &b"b"[..]);
    let machine = |name: &str| Options { environment: Some(name.to_owned()), ..Options::default() };
    for (sample, options, expected) in [
        (Sample::url("http://x.test"), Options::default(), "unsupported"),
        (file.clone(), Options { archive_password: Some(Secret::new("x")), ..Options::default() }, "invalid"),
        (file.clone(), machine("a\r\nb: c"), "invalid"),
        (file.clone(), machine(""), "invalid"),
    ] {
        assert_eq!(kind(&cloud.submit(&sample, &options).await.unwrap_err().kind), expected);
    }
    assert!(server.lines().is_empty());
    assert_eq!(kind(&cloud.submit(&file, &Options::default()).await.unwrap_err().kind), "malformed", "no hash");
    assert_eq!(server.take()[0].headers["sandbox"], "windows7");
    cloud.available().await.unwrap();
    assert_eq!(server.lines(), ["GET /v4/status"]);
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
    let client = metadefender(&server.address);
    let error = client.submit(&Sample::bytes("a.zip", &b"PK"[..]), &options).await.unwrap_err().to_string();
    assert!(error.contains("[secret]") && !error.contains("infected"), "{error}");
}
