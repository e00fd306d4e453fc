//! PT Sandbox, by its Public API.
//!
//! "Checklist" and "weakness" number two lists about the client of this API that is in use: what a server must do for it, and what it lacks.

use std::collections::BTreeMap;
use std::time::Duration;

use belljar_client::http::Settings;
use belljar_client::vendors::pt::words::{LogType, ScanState, SourceType, VncMode};
use belljar_client::vendors::pt::{
    Behaviour, BehaviourOptions, DebugOptions, ExtraFile, MAX_EMPTY_PAGES, Scan, ScanReport, SourceScan,
};
use belljar_client::vendors::{Pt, PtSettings};
use belljar_client::{
    Artifact, ArtifactKind, Capability, ErrorKind, Fault, Options, Origin, Sample, Sandbox, Secret, Status, Submission,
    Word,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::stand_in::{Received, Reply, StandIn};

const ID: &str = "6d0f5e0e-3a0e-4a58-9a6e-0d9a6a2f1b11";

pub(crate) fn settings(address: &str) -> PtSettings {
    let mut http = Settings::new("lab", address);
    http.tries = 2;
    PtSettings { http, key: Some(Secret::new("pt-s3cret")), source: false, account: None }
}

fn pt(server: &StandIn) -> Pt {
    Pt::new(settings(&server.address)).unwrap()
}

fn of_source(server: &StandIn) -> Pt {
    Pt::new(PtSettings { source: true, ..settings(&server.address) }).unwrap()
}

pub(crate) fn env(data: &Value) -> Reply {
    Reply::json(200, &json!({"data": data, "errors": []}).to_string())
}

async fn one(data: Value) -> (StandIn, Pt) {
    let server = StandIn::start(move |_| env(&data)).await;
    let pt = pt(&server);
    (server, pt)
}

pub(crate) fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub(crate) fn path(request: &Received) -> &str {
    request.target.split('?').next().unwrap()
}

fn scanning(request: &Received) -> Reply {
    match request.target.as_str() {
        "/api/v1/storage/uploadScanFile" => env(&json!({"file_uri": "sfm:stream_v1/69ec", "ttl": 3600})),
        _ => env(&json!({"scan_id": ID})),
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the client in use sends when nothing is asked for is what ours does, so that servers that were tried with it take ours. Checklist 1, 2:
/// the key's header, JSON with its type; weakness in uploads: a length, no `null`, the base name alone.
#[tokio::test]
async fn a_scan_is_asked_for_as_servers_know_it() {
    let server = StandIn::start(scanning).await;
    let sample = Sample::bytes("/home/me/secret project/a.sh", &b"#!/bin/sh\n"[..]);
    let submission = pt(&server).submit(&sample, &Options::default()).await.unwrap();
    assert_eq!(submission.id, ID);
    assert_eq!(submission.others["file_uri"], "sfm:stream_v1/69ec");
    let received = server.take();
    assert_eq!(received[0].line(), "POST /api/v1/storage/uploadScanFile");
    assert_eq!(&received[0].body[..], b"#!/bin/sh\n");
    assert_eq!(received[0].headers["content-length"], "10");
    assert_eq!(received[1].line(), "POST /api/v1/analysis/createScanTask");
    assert_eq!(received[1].headers["content-type"], "application/json");
    for request in &received {
        assert_eq!(request.headers["x-api-key"], "pt-s3cret");
        assert!(!request.headers.contains_key("cookie") && !request.headers.contains_key("authorization"));
    }
    let expected = json!({"file_name": "a.sh", "short_result": false, "async_result": true, "priority": 3,
        "file_uri": "sfm:stream_v1/69ec",
        "options": {"analysis_depth": 2, "scan_timeout": 1200, "max_execution_time": 3600, "passwords_for_unpack": [],
            "cache_enabled": false, "url_extract_enabled": true, "enable_experimental_yara_rules": false,
            "mark_dangerous_files_options": {"apk_tampered": true},
            "sandbox": {"image_id": "win7-sp1-x64", "procdump_new_processes_on_finish": true, "analysis_duration": 120,
                "bootkitmon": false, "analysis_duration_bootkitmon": 60, "save_video": true, "mitm_enabled": true,
                "debug_options": {"save_debug_files": false}, "enabled": true}}});
    assert_eq!(body(&received[1]), expected);
}

/// All options have a place, the vendor's own too; what is out of range or no option is refused before anything is sent.
#[tokio::test]
async fn options_go_where_they_belong() {
    let server = StandIn::start(scanning).await;
    let vendor = |options: &[(&str, &str)]| {
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let options = Options {
        analysis_time: Some(Duration::from_secs(300)),
        archive_password: Some(Secret::new("infected")),
        environment: Some("win10-22H2-x64".to_owned()),
        vendor: vendor(&[
            ("priority", "4"),
            ("analysis_depth", "5"),
            ("passwords_for_unpack", "[\"a\", \"b c\"]"),
            ("mark_suspicious_files_options.pdf_has_javascript", "false"),
            ("sandbox.custom_command", "123"),
            ("sandbox.file_types", "executable-files/"),
            ("sandbox.debug_options.skip_update_time", "true"),
            ("sandbox.debug_options.allowed_outbound_connections", "[\"198.51.100.7\"]"),
            ("sandbox.skip_check_mime_type", "true"),
            ("brand_new", "{\"x\": 1}"),
        ]),
    };
    pt(&server).submit(&Sample::url("http://evil.test/a?b"), &options).await.unwrap();
    let received = server.take();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].line(), "POST /api/v1/analysis/createScanURLTask");
    let sent = body(&received[0]);
    assert_eq!(sent["url"], "http://evil.test/a?b");
    assert_eq!((&sent["priority"], sent.get("file_name")), (&json!(4), None));
    let options = &sent["options"];
    assert_eq!(options["passwords_for_unpack"], json!(["a", "b c", "infected"]));
    assert_eq!(options["mark_suspicious_files_options"], json!({"pdf_has_javascript": false}));
    assert_eq!((&options["analysis_depth"], &options["brand_new"]), (&json!(5), &json!({"x": 1})));
    let sandbox = &options["sandbox"];
    assert_eq!((&sandbox["image_id"], &sandbox["analysis_duration"]), (&json!("win10-22H2-x64"), &json!(300)));
    assert_eq!((&sandbox["custom_command"], &sandbox["file_types"]), (&json!("123"), &json!(["executable-files/"])));
    assert_eq!(sandbox["skip_check_mime_type"], true);
    let debug = json!({"save_debug_files": false, "skip_update_time": true,
        "allowed_outbound_connections": ["198.51.100.7"]});
    assert_eq!(sandbox["debug_options"], debug);

    let file = Sample::bytes("a", &b"x"[..]);
    for (name, value) in [
        ("priority", "5"),
        ("priority", "0"),
        ("scan_timeout", "9"),
        ("scan_timeout", "3601"),
        ("max_execution_time", "299"),
        ("max_execution_time", "10801"),
        ("sandbox.analysis_duration", "9"),
        ("sandbox.analysis_duration_bootkitmon", "1"),
        ("analysis_depth", "deep"),
        ("sandbox.enabled", "maybe"),
        ("analysis_depth.x", "1"),
    ] {
        let options = Options { vendor: vendor(&[(name, value)]), ..Options::default() };
        let error = pt(&server).submit(&file, &options).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{name}={value}: {error}");
    }
    assert_eq!(server.lines(), Vec::<String>::new());
}

/// Creating is never sent twice (weakness 4: older clients made duplicates); what changes nothing is sent again.
#[tokio::test]
async fn only_what_changes_nothing_is_sent_again() {
    let server = StandIn::start(|_| Reply::json(503, "{}")).await;
    let (pt, origin) = (pt(&server), Origin::Bytes("x".into()));
    let scan = Scan::default();
    assert!(pt.scan("sfm:1", &scan).await.is_err());
    assert!(pt.scan_url("http://a.test", &scan).await.is_err());
    assert!(pt.analyse_behaviour("sfm:1", &Behaviour::default()).await.is_err());
    assert!(pt.check_file(&origin, &SourceScan::default()).await.is_err());
    assert!(pt.check_url("http://a.test", &SourceScan::default()).await.is_err());
    assert_eq!(server.lines().len(), 5, "each of them once");
    assert!(pt.upload(&origin).await.is_err());
    assert!(pt.task(ID).await.is_err());
    assert!(pt.scan_report(ID).await.is_err());
    assert!(pt.images().await.is_err());
    assert!(pt.download("sha256:00").await.is_err());
    assert!(pt.email_headers(&origin).await.is_err());
    assert!(pt.listed_tasks("").try_next().await.is_err());
    assert_eq!(server.lines().len(), 14, "each of them twice");
}

/// Checklist 8: a scan's id is a UUID; anything else is no submission. An answer with errors is none either, whatever its status.
#[tokio::test]
async fn a_submission_has_an_id() {
    for (answer, kind) in [
        (json!({"data": {"scan_id": ID}, "errors": []}), "submitted"),
        (json!({"data": {"scan_id": ID}, "errors": null}), "submitted"),
        (json!({"data": {"scan_id": ID}}), "submitted"),
        (json!({"data": {"scan_id": "../x"}}), "malformed"),
        (json!({"data": {"scan_id": 7}}), "malformed"),
        (json!({"data": {}}), "malformed"),
        (json!({"scan_id": ID}), "malformed"),
        (json!({"data": {"scan_id": ID}, "errors": [{"type": "HTTPNotFound", "message": "no file"}]}), "not found"),
        (json!({"data": {}, "errors": [{"type": "HTTPBadRequest", "message": "bad image"}]}), "status"),
    ] {
        let text = answer.to_string();
        let server = StandIn::start(move |_| Reply::json(200, &text)).await;
        let kind_of = match pt(&server).scan("sfm:1", &Scan::default()).await {
            Ok(_) => "submitted",
            Err(error) => match error.kind {
                ErrorKind::Malformed(_) => "malformed",
                ErrorKind::NotFound(message) => {
                    assert_eq!(message, "HTTPNotFound: no file");
                    "not found"
                }
                ErrorKind::Status { status: 200, .. } => "status",
                _ => "other",
            },
        };
        assert_eq!(kind_of, kind, "{answer}");
    }
}

/// Weakness 5: texts and JSON, with the meaning that each status has; a key that a server repeats is not in what is said.
#[tokio::test]
async fn errors_are_told_in_the_servers_words() {
    for (status, text, kind) in [
        (401, "Authorization required: pt-s3cret", "unauthenticated"),
        (403, r#"{"data": {}, "errors": [{"type": "HTTPForbidden", "message": "no pt-s3cret"}]}"#, "forbidden"),
        (404, r#"{"errors": [{"type": "HTTPNotFound", "message": "pt-s3cret"}]}"#, "not found"),
        (413, "too large pt-s3cret", "refused"),
        (429, "pt-s3cret", "quota"),
        (400, r#"{"errors": [{"type": "HTTPBadRequest", "message": "pt-s3cret"}]}"#, "status"),
    ] {
        let server = StandIn::start(move |_| Reply::typed(status, "text/plain", text)).await;
        let mut settings = settings(&server.address);
        settings.http.tries = 1;
        let error = Pt::new(settings).unwrap().task(ID).await.unwrap_err();
        let found = match &error.kind {
            ErrorKind::Unauthenticated(_) => "unauthenticated",
            ErrorKind::Forbidden(_) => "forbidden",
            ErrorKind::NotFound(said) => {
                assert!(said.contains("three hours"), "{said}");
                "not found"
            }
            ErrorKind::Refused(_) => "refused",
            ErrorKind::Quota { .. } => "quota",
            ErrorKind::Status { .. } => "status",
            _ => "other",
        };
        assert_eq!(found, kind, "{error}");
        assert!(error.to_string().contains("[secret]"), "{error}");
        assert!(!format!("{error:?} {error}").contains("s3cret\""), "{error:?}");
    }
}

/// Checklist 6: how far a scan is. All that is final ends a wait, and only that.
#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Some(Status::Failed(why.to_owned()));
    let result =
        |state: &str| json!({"scan_id": ID, "result": {"scan_state": state, "duration": 1, "duration_full": 1}});
    for (data, expected) in [
        (json!({"scan_id": ID}), Some(Status::Running)),
        (json!({"scan_id": ID, "result": null}), Some(Status::Running)),
        (json!({"scan_id": ID, "is_preflight": true, "result": {"scan_state": "FULL"}}), Some(Status::Running)),
        (result("FULL"), Some(Status::Finished)),
        (result("PARTIAL"), Some(Status::Finished)),
        (result("UNKNOWN"), Some(Status::Finished)),
        (result("NEVER_SEEN"), Some(Status::Running)),
        (result("UNSCANNED"), failed("nothing could be scanned")),
        (
            json!({"result": {"scan_state": "UNSCANNED", "errors": [{"type": "corrupted"}, {"type": "encrypted"}]}}),
            failed("nothing could be scanned: corrupted, encrypted"),
        ),
        (json!({"result": {"scan_state": "UNSCANNED", "verdict": "DANGEROUS"}}), Some(Status::Finished)),
        (json!({"result": {"verdict": "CLEAN"}}), None),
        (json!({"result": "FULL"}), None),
        (json!([]), None),
    ] {
        let (server, pt) = one(data.clone()).await;
        let found = pt.status(&Submission::new(ID)).await;
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{data}: {found:?}");
        let received = server.take();
        assert_eq!(received[0].line(), "POST /api/v1/analysis/checkTask");
        assert_eq!(body(&received[0]), json!({"scan_id": ID, "allow_preflight": true}));
    }
}

/// The verdict is the vendor's own word; clean is only what was scanned in full.
#[tokio::test]
async fn verdicts_are_the_vendors_words() {
    for (state, verdict, word) in [
        ("FULL", json!("CLEAN"), Word::Clean),
        ("PARTIAL", json!("CLEAN"), Word::Unknown),
        ("UNSCANNED", json!("CLEAN"), Word::Unknown),
        ("UNKNOWN", json!("CLEAN"), Word::Unknown),
        ("NEVER_SEEN", json!("CLEAN"), Word::Unknown),
        ("FULL", json!("clean"), Word::Unknown),
        ("FULL", json!("UNKNOWN"), Word::Unknown),
        ("FULL", json!(null), Word::Unknown),
        ("FULL", json!(""), Word::Unknown),
        ("FULL", json!("NEVER_SEEN"), Word::Unknown),
        ("FULL", json!("UNWANTED"), Word::Suspicious),
        ("PARTIAL", json!("UNWANTED"), Word::Suspicious),
        ("FULL", json!("DANGEROUS"), Word::Malicious),
        ("PARTIAL", json!("DANGEROUS"), Word::Malicious),
    ] {
        let (_server, pt) = one(json!({"scan_id": ID, "result": {"scan_state": state, "verdict": verdict}})).await;
        let found = pt.report(&Submission::new(ID)).await.unwrap().verdict;
        assert_eq!((found.verdict, found.score), (word, None), "{state} {verdict}");
        assert!(word != Word::Unknown || !found.reasons.is_empty(), "why nobody knows");
    }
}

/// Weakness 2, the worst of the client in use: a report that is not there yet, one that cannot be read, and one that is incomplete are three things.
#[tokio::test]
async fn a_report_that_cannot_be_read_is_not_one_that_is_not_ready() {
    for (data, expected) in [
        (json!({"scan_id": ID}), "not ready"),
        (json!({"scan_id": ID, "result": null, "artifacts": []}), "not ready"),
        (json!({"scan_id": ID, "result": {"scan_state": 5}}), "malformed"),
        (json!({"scan_id": ID, "result": {"verdict": "CLEAN"}}), "malformed"),
        (json!({"result": {"scan_state": "FULL"}}), "malformed"),
        (json!("done"), "malformed"),
        (
            json!({"scan_id": ID, "result": {"scan_state": "FULL"}, "artifacts": [{"type": "FILE"}]}),
            "1 artifacts, 0 left out",
        ),
        (
            json!({"scan_id": ID, "result": {"scan_state": "FULL", "duration": 3.0, "duration_full": null, "errors": null},
                "artifacts": [{"type": "FILE", "network_objects": null, "engine_results": [
                    {"engine_subsystem": "SANDBOX", "details": {"sandbox": {"image": {}, "logs": null}}}]},
                    {"type": "FILE", "file_info": {"size": "large"}}, 5]}),
            "1 artifacts, 2 left out",
        ),
        (json!({"scan_id": ID, "result": {"scan_state": "FULL"}, "artifacts": "none"}), "0 artifacts, 1 left out"),
    ] {
        let (_server, pt) = one(data.clone()).await;
        let found = match pt.scan_report(ID).await {
            Ok((_, report)) => format!("{} artifacts, {} left out", report.artifacts.len(), report.unreadable.len()),
            Err(error) => match error.kind {
                ErrorKind::NotReady(_) => "not ready".to_owned(),
                ErrorKind::Malformed(_) => "malformed".to_owned(),
                other => other.to_string(),
            },
        };
        assert_eq!(found, expected, "{data}");
    }
}

fn report(root: &str, pcap: &str, trace: &str) -> Value {
    let file = |bytes: &str, path: &str| {
        json!({"file_uri": format!("sha256:{}", hash(bytes.as_bytes())), "file_path": path, "mime_type": "x", "md5": "0d",
            "sha1": "51", "sha256": hash(bytes.as_bytes()), "ssdeep": "3:H", "size": bytes.len()})
    };
    let mut memory = file("memory", "/dumps/1.dmp");
    memory["details"] = json!({"process_dump": {"process_name": "/bin/sh", "process_id": 412, "dump_trigger": "finish",
        "dump_create_time": 1_767_225_661.5}});
    let uri = |bytes: &str| format!("sha256:{}", hash(bytes.as_bytes()));
    json!({"scan_id": ID,
        "result": {"scan_state": "FULL", "verdict": "DANGEROUS", "threat": "TROJAN", "duration": 41.2, "duration_full": 41.9,
            "brand_new": 1},
        "artifacts": [{"type": "FILE", "network_objects": [], "artifacts": [],
            "file_info": file(root, "a.sh"),
            "engine_results": [
                {"engine_subsystem": "STATIC", "engine_code_name": "ptesc", "database_time": 1_767_225_600,
                    "result": {"scan_state": "FULL", "verdict": "CLEAN", "duration": 0.1, "duration_full": 0.1}},
                {"engine_subsystem": "SANDBOX", "engine_code_name": "sandbox",
                    "detections": [{"detect": "Trojan.Linux.Generic.a", "threat": "TROJAN"}],
                    "details": {"sandbox": {"image": {"name": "ubuntu-jammy-x64", "type": "base"},
                        "logs": [{"type": "EVENT_RAW", "file_uri": uri(trace), "file_name": "drakvuf-trace.log.zst"},
                            {"type": "EVENT_CORRELATED", "file_uri": uri("correlated"), "file_name": "events-correlated.log.gz"},
                            {"type": "NETWORK", "file_uri": uri(pcap), "file_name": "tcpdump.pcap"},
                            {"type": "SCREENSHOT", "file_uri": uri("video"), "file_name": "../../video.mp4"}],
                        "artifacts": [{"type": "PROCESS_DUMP", "network_objects": [], "file_info": memory},
                            {"type": "FILE", "network_objects": [{"type": "DOMAIN", "value": "evil.test"}],
                                "file_info": file("dropped", "/tmp/x")}],
                        "network_objects": [{"type": "IP", "value": "198.51.100.7"}, {"type": "NEW", "value": "?"}],
                        "suspicious_behaviors": [
                            {"name": "Low", "mitre_threat_id": "", "weight": 5},
                            {"name": "Create.Cron", "mitreThreatId": "T1053.003", "weight": 60, "description": "It stays."}]}}}]}]})
}

fn serving(request: &Received) -> Reply {
    match request.target.as_str() {
        "/api/v1/analysis/report" => env(&report("root", "pcap", "trace")),
        "/api/v1/storage/downloadArtifact" => {
            let wanted = body(request)["file_uri"].as_str().unwrap().to_owned();
            let files = ["root", "pcap", "trace", "correlated", "video", "memory", "dropped"];
            match files.iter().find(|file| wanted == format!("sha256:{}", hash(file.as_bytes()))) {
                Some(file) => Reply::typed(200, "application/octet-stream", *file),
                None => Reply::json(404, "{}"),
            }
        }
        _ => scanning(request),
    }
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let server = StandIn::start(serving).await;
    let report = pt(&server).report(&Submission::new(ID)).await.unwrap();
    assert_eq!(report.verdict.verdict, Word::Malicious);
    assert_eq!(report.verdict.families, ["Trojan.Linux.Generic.a"]);
    let reasons = ["TROJAN", "Trojan.Linux.Generic.a (TROJAN, by behaviour)", "It stays.", "Low"];
    assert_eq!(report.verdict.reasons, reasons);
    assert_eq!(report.name.as_deref(), Some("a.sh"));
    assert_eq!(report.hashes["sha256"], hash(b"root"));
    assert_eq!(report.environment.as_deref(), Some("ubuntu-jammy-x64"));
    let cron = report.findings.iter().find(|finding| finding.name == "Create.Cron").unwrap();
    assert_eq!((cron.severity, &cron.techniques[..]), (Some(60), &["T1053.003".to_owned()][..]));
    let indicators: Vec<&str> = report.indicators.iter().map(|indicator| indicator.value.as_str()).collect();
    assert_eq!(indicators, ["evil.test", "198.51.100.7", &hash(b"dropped"), "/tmp/x"]);
    assert_eq!(report.link, Some(format!("{}/tasks/{ID}", server.address)));
    let kept: Value = report.raw.json().unwrap();
    assert_eq!(kept["data"]["result"]["brand_new"], 1);
    let read = ScanReport::read(kept.to_string().as_bytes()).unwrap();
    assert_eq!(read.result.as_ref().unwrap().others["brand_new"], 1);
    assert_eq!(read.machines()[0].image.image_id, "ubuntu-jammy-x64");
    let kinds: Vec<&LogType> = read.logs().iter().map(|log| &log.kind).collect();
    assert_eq!(kinds, [&LogType::EventRaw, &LogType::EventCorrelated, &LogType::Network, &LogType::Screenshot]);
    let process = read.all_artifacts()[1].file_info.as_ref().unwrap().details.process_dump.clone().unwrap();
    assert_eq!((process.process_id, process.process_name.as_str()), (412, "/bin/sh"));
}

/// Files are streamed, come by a name without directories, and are what was asked for: weakness 8.
#[tokio::test]
async fn artifacts_are_what_was_asked_for() {
    let server = StandIn::start(serving).await;
    let (pt, submission) = (pt(&server), Submission::new(ID));
    for (kind, name, expected) in [
        (ArtifactKind::Pcap, None, Ok(("tcpdump.pcap", "pcap"))),
        (ArtifactKind::Screenshots, None, Ok(("video.mp4", "video"))),
        (ArtifactKind::Sample, None, Ok(("a.sh", "root"))),
        (ArtifactKind::Memory, None, Ok(("1.dmp", "memory"))),
        (ArtifactKind::Dropped, None, Ok(("x", "dropped"))),
        (ArtifactKind::Dropped, Some("/tmp/x"), Ok(("x", "dropped"))),
        (ArtifactKind::Dropped, Some("/tmp/y"), Err(())),
        (ArtifactKind::Other, None, Ok(("events-correlated.log.gz", "correlated"))),
        (ArtifactKind::Other, Some("EVENT_RAW"), Ok(("drakvuf-trace.log.zst", "trace"))),
        (ArtifactKind::Other, Some("/tmp/x"), Ok(("x", "dropped"))),
        (ArtifactKind::Other, Some("GRAPH"), Err(())),
    ] {
        let artifact = Artifact { kind, name: name.map(str::to_owned) };
        match (pt.artifact(&submission, artifact).await, expected) {
            (Ok(download), Ok((file, contents))) => {
                assert_eq!(download.name.as_deref(), Some(file), "{kind} {name:?}");
                let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
                assert_eq!(bytes.concat(), contents.as_bytes(), "{kind} {name:?}");
            }
            (Err(error), Err(())) => assert!(matches!(error.kind, ErrorKind::NotFound(_)), "{error}"),
            (came, _) => panic!("{kind} {name:?}: {came:?}"),
        }
    }
    server.take();
    for kind in [ArtifactKind::Pdf, ArtifactKind::All] {
        let error = pt.artifact(&submission, kind.into()).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{kind}: {error}");
    }
    assert!(matches!(pt.queue().await.unwrap_err().kind, ErrorKind::Unsupported(_)));
    assert!(!pt.capabilities().has(Capability::Delete) && !pt.capabilities().has(Capability::LookUp));
    assert_eq!(server.lines(), Vec::<String>::new(), "known without a request");

    let liar = StandIn::start(|_| Reply::typed(200, "application/octet-stream", "something else")).await;
    let download = self::pt(&liar).download(&format!("sha256:{}", hash(b"root"))).await.unwrap();
    let error = download.bytes.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::Malformed(problem) if problem.contains("SHA-256")), "{error}");
    let by_md5 = self::pt(&liar).download("md5:00").await.unwrap();
    assert_eq!(by_md5.bytes.try_collect::<Vec<_>>().await.unwrap().concat(), b"something else");
}

/// A scan of a source: the file is the body, all else is in the query; passwords are JSON in ASCII (weakness 9 is theirs: there is no other place).
#[tokio::test]
async fn a_source_says_how_its_files_are_scanned() {
    let server = StandIn::start(scanning).await;
    let pt = of_source(&server);
    let mut options = Options { archive_password: Some(Secret::new("ü c")), ..Options::default() };
    for (name, value) in
        [("passwords_for_unpack", "a"), ("priority", "1"), ("source_product", "PT_EDR"), ("metadata.host", "h 1")]
    {
        options.vendor.insert(name.to_owned(), value.to_owned());
    }
    let file = Sample::bytes("né 1.exe", &b"MZ"[..]);
    assert_eq!(pt.submit(&file, &options).await.unwrap().id, ID);
    pt.submit(&Sample::url("http://evil.test/"), &options).await.unwrap();
    let received = server.take();
    let query = "short_result=true&async_result=true&priority=1&file_name=n%C3%A9+1.exe&passwords_for_unpack=%5B%22a%22%2C%22%5Cu00fc+c%22%5D";
    assert_eq!(received[0].line(), format!("POST /api/v1/scan/checkFile?{query}"));
    assert_eq!(&received[0].body[..], b"MZ");
    assert_eq!(received[1].line(), "POST /api/v1/scan/checkURL");
    let sent = json!({"url": "http://evil.test/", "short_result": true, "async_result": true, "priority": 1,
        "passwords_for_unpack": ["a", "ü c"]});
    assert_eq!(body(&received[1]), sent);
    for request in &received {
        assert_eq!(request.headers["x-source-product"], "PT_EDR");
        assert_eq!(request.headers["x-source-metadata"], "host,h 1");
    }

    let asked = |name: &str, value: &str| Options {
        vendor: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Options::default()
    };
    for options in [
        asked("analysis_depth", "1"),
        asked("metadata.a", "b,c"),
        asked("metadata.a", "b\r\nx-api-key: other"),
        asked("priority", "9"),
        Options { environment: Some("win10".to_owned()), ..Options::default() },
        Options { analysis_time: Some(Duration::from_secs(60)), ..Options::default() },
    ] {
        let error = pt.submit(&file, &options).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{options:?}: {error}");
    }
    assert_eq!(server.lines(), Vec::<String>::new());
    let _ = pt.status(&Submission::new(ID)).await;
    let _ = pt.report(&Submission::new(ID)).await;
    assert_eq!(server.lines(), ["POST /api/v1/scan/getStatus", "POST /api/v1/scan/getFullReport"]);
}

/// The debug API: what `sandbox` holds there, and names of files beside the sample.
#[tokio::test]
async fn behaviour_alone_is_analysed() {
    let server = StandIn::start(scanning).await;
    let extra = |name: &str| ExtraFile { uri: "sfm:2".to_owned(), name: name.to_owned() };
    let mut options = BehaviourOptions { extra_files: vec![extra("a.dll"), extra("b.dll")], ..Default::default() };
    options.vnc_mode = VncMode::ReadOnly;
    options.machine.debug_options =
        DebugOptions { rules_url: Some("sfm:3".to_owned()), ..options.machine.debug_options };
    let mut behaviour = Behaviour { name: Some("x".to_owned()), options, ..Behaviour::default() };
    assert_eq!(pt(&server).analyse_behaviour("sfm:1", &behaviour).await.unwrap(), ID);
    pt(&server).analyse_behaviour("sfm:1", &Behaviour::default()).await.unwrap();
    let received = server.take();
    assert_eq!(received[0].line(), "POST /api/debug/analysis/createBAScanTask");
    let sent = body(&received[0]);
    assert_eq!(sent.get("options"), None);
    let sandbox = &sent["sandbox"];
    assert_eq!((&sandbox["vnc_mode"], sandbox.get("enabled")), (&json!("READ_ONLY"), None));
    assert_eq!(sandbox["extra_files"][1], json!({"uri": "sfm:2", "name": "b.dll"}));
    assert_eq!(sandbox["debug_options"], json!({"save_debug_files": false, "rules_url": "sfm:3"}));
    assert_eq!(body(&received[1])["sandbox"]["vnc_mode"], "DISABLED");
    behaviour.options.extra_files.push(extra("a.dll"));
    let error = pt(&server).analyse_behaviour("sfm:1", &behaviour).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{error}");
}

/// A rescan uploads three files; of a finished scan it fetches what is needed itself.
#[tokio::test]
async fn a_scan_is_judged_again() {
    let server = StandIn::start(serving).await;
    assert_eq!(pt(&server).rescan_task(ID, &Scan::default()).await.unwrap(), ID);
    let received = server.take();
    let uploads: Vec<&[u8]> = received
        .iter()
        .filter(|request| request.target.ends_with("uploadScanFile"))
        .map(|request| &request.body[..])
        .collect();
    assert_eq!(uploads.len(), 3);
    assert!(uploads.contains(&&b"trace"[..]) && uploads.contains(&&b"pcap"[..]));
    let last = received.last().unwrap();
    assert_eq!(last.line(), "POST /api/v1/analysis/createRetroTask");
    let sent = body(last);
    assert_eq!(sent["file_name"], "RESCAN_API.pdf");
    assert!(sent["raw_events_uri"].is_string() && sent["raw_network_uri"].is_string() && sent["options"].is_object());

    let (_server, pt) = one(json!({"scan_id": ID, "result": {"scan_state": "FULL"}})).await;
    let error = pt.rescan_task(ID, &Scan::default()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotFound(_)), "{error}");
}

/// Checklist 9: tasks come without an envelope, page by page; an answer in an envelope is no empty list.
#[tokio::test]
async fn tasks_come_page_by_page() {
    let server = StandIn::start(|request| {
        let sent = body(request);
        let task = |id: &str| {
            json!({"id": id, "name": "n", "entry_point_id": "e", "entry_point_type": "PUBLIC_API",
            "start_time": 1.5, "scan_state": "FULL", "verdict": null, "new": true})
        };
        let answer = match (sent["query"].as_str().unwrap(), sent["next_cursor"].as_str()) {
            ("", None) => json!({"tasks": [task("1"), task("2")], "next_cursor": "c1"}),
            ("", Some("c1")) => json!({"tasks": [], "next_cursor": "c2"}),
            ("", Some("c2")) => json!({"tasks": [task("3")], "next_cursor": ""}),
            ("same", _) => json!({"tasks": [task("1")], "next_cursor": "c1"}),
            ("endless", cursor) => json!({"tasks": [], "next_cursor": format!("{}x", cursor.unwrap_or_default())}),
            ("wrapped", _) => json!({"data": {"tasks": [task("1")]}, "errors": []}),
            ("refused", _) => json!({"errors": [{"type": "HTTPForbidden", "message": "TASKS_VIEW_ALL"}]}),
            _ => return Reply::json(400, r#"{"errors": [{"type": "HTTPBadRequest", "message": "query at 3"}]}"#),
        };
        Reply::json(200, &answer.to_string())
    })
    .await;
    let pt = pt(&server);
    let tasks: Vec<_> = pt.listed_tasks("").try_collect().await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!((&tasks[0].entry_point_type, &tasks[0].scan_state), (&SourceType::PublicApi, &ScanState::Full));
    assert_eq!(tasks[0].others["new"], true);
    for (query, came, problem) in [
        ("same", 1, "the next page is the same page"),
        ("endless", 0, "pages without anything"),
        ("wrapped", 0, "no `tasks`"),
        ("refused", 0, "TASKS_VIEW_ALL"),
        ("x = (", 0, "query at 3"),
    ] {
        server.take();
        let all: Vec<_> = pt.listed_tasks(query).collect().await;
        assert_eq!(all.len(), came + 1, "{query}");
        let error = all.last().unwrap().as_ref().unwrap_err();
        assert!(error.to_string().contains(problem), "{query}: {error}");
        assert!(server.lines().len() <= MAX_EMPTY_PAGES as usize, "{query}");
    }
    let first = pt.listed_tasks("").take(1).collect::<Vec<_>>().await;
    assert_eq!((first.len(), server.lines().len()), (1, 1), "no page is asked for before it is read");
}

#[tokio::test]
async fn service_calls() {
    let server = StandIn::start(|request| match request.line().as_str() {
        "GET /api/v1/maintenance/checkHealth" => env(&json!({"status": "OK"})),
        "GET /api/v1/maintenance/getVersion" => env(&json!({"version": "5.25.0.12345", "edition": ""})),
        "POST /api/v1/engines/sandbox/getImages" => env(&json!([
            {"image_id": "win7-sp1-x64", "type": "base", "version": "1", "os": {"name": "windows", "servicePack": "1"}},
            {"name": "custom-1", "type": "custom"}])),
        "POST /api/v1/scan/getStatus" => Reply::json(404, "{}"),
        "POST /api/debug/analysis/getHeaders" => Reply::typed(200, "message/rfc822", "Subject: x\r\n\r\n"),
        line => panic!("{line}"),
    })
    .await;
    let pt = pt(&server);
    let available = pt.available().await.unwrap();
    assert_eq!(available.version.as_deref(), Some("5.25.0.12345"));
    assert_eq!(available.remarks, ["2 images of virtual machines"]);
    let images = pt.images().await.unwrap();
    assert_eq!(images.iter().map(|image| image.image_id.as_str()).collect::<Vec<_>>(), ["win7-sp1-x64", "custom-1"]);
    let headers = pt.email_headers(&Origin::Bytes("Subject: x\r\n\r\nbody".into())).await.unwrap();
    assert_eq!(headers.bytes.try_collect::<Vec<_>>().await.unwrap().concat(), b"Subject: x\r\n\r\n");
    // A key of a source may not see images; that does not make it wrong.
    assert_eq!(of_source(&server).available().await.unwrap().remarks, ["the key is bound to a source"]);
    let without = Pt::new(PtSettings { key: None, ..settings(&server.address) }).unwrap();
    server.take();
    let error = without.available().await.unwrap_err();
    assert_eq!((error.fault(), server.lines().len()), (Fault::Caller, 0), "{error}");
}
