//! VMRay.

use std::collections::HashMap;

use belljar_client::http::Settings;
use belljar_client::vendors::{VMRAY_CLOUD, VmRay, VmRaySettings};
use belljar_client::{
    Artifact, ArtifactKind, Error, ErrorKind, Fault, Hash, IndicatorKind, Options, Sample, Sandbox, Secret, Status,
    Submission, Verdict, Word,
};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use crate::stand_in::{Reply, StandIn};

const KEY: &str = "vmr-k3y";

fn vmray(address: &str) -> VmRay {
    let mut http = Settings::new("vmray", address);
    http.tries = 2;
    VmRay::new(VmRaySettings { http, key: Secret::new(KEY) }).unwrap()
}

/// A server that gives these answers by method and path below `/rest`, and otherwise says that there is no such element.
async fn server(answers: &[(&str, u16, String)]) -> (StandIn, VmRay) {
    let answers: HashMap<String, (u16, String)> =
        answers.iter().map(|(line, status, body)| ((*line).to_owned(), (*status, body.clone()))).collect();
    let server = StandIn::start(move |request| {
        let path = request.target.strip_prefix("/rest/").unwrap_or("elsewhere");
        let line = if request.method == "GET" { path.to_owned() } else { format!("{} {path}", request.method) };
        match answers.get(&line) {
            Some((status, body)) => Reply::json(*status, body),
            None => Reply::json(404, r#"{"result": "error", "error_msg": "No such element"}"#),
        }
    })
    .await;
    let vmray = vmray(&server.address);
    (server, vmray)
}

fn data(data: &Value) -> String {
    json!({"result": "ok", "data": data}).to_string()
}

fn finished(id: u32) -> Value {
    json!({"submission_id": id, "submission_sample_id": 22, "submission_finished": true, "submission_has_errors": false})
}

/// A submission whose ids are all known.
fn known(sample: &str, submissions: &str) -> Submission {
    let mut submission = Submission::new(sample);
    submission.others.insert("submission_ids".to_owned(), submissions.to_owned());
    submission
}

fn kind(error: &Error) -> &'static str {
    match &error.kind {
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::Forbidden(_) => "forbidden",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::Refused(_) => "refused",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Status { .. } => "status",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::TooLarge { .. } => "too large",
        ErrorKind::Unsupported(_) => "unsupported",
        _ => "other",
    }
}

/// 42, 43, 145: a sample's id, number or text; what is refused is typed, quotas too, which come with a status of success.
#[tokio::test]
async fn submitting_gives_a_sample_id() {
    let refused = |words: &str| data(&json!({"errors": [{"error_msg": words}], "samples": [], "submissions": []}));
    for (status, body, expected) in [
        (200, data(&json!({"errors": [], "samples": [{"sample_id": 1_169_850}], "submissions": []})), Ok("1169850")),
        (200, data(&json!({"errors": [], "samples": [{"sample_id": "22"}]})), Ok("22")),
        (200, data(&json!({"submissions": [{"submission_id": 5, "submission_sample_id": 22}]})), Ok("22")),
        (200, refused("Submission Quota exceeded"), Err("quota")),
        (200, refused("file type not supported"), Err("refused")),
        (200, data(&json!({"errors": [{}], "samples": [{"sample_id": 1}]})), Err("refused")),
        (200, data(&json!({"samples": [{}]})), Err("malformed")),
        (200, r#"{"result": "ok"}"#.to_owned(), Err("malformed")),
        (200, r#"{"result": "error", "error_msg": "Invalid API key"}"#.to_owned(), Err("unauthenticated")),
        (200, r#"{"result": "error", "error_msg": "no"}"#.to_owned(), Err("refused")),
        (400, r#"{"result": "error", "error_msg": "missing sample_file"}"#.to_owned(), Err("status")),
        (400, r#"{"result": "error", "error_msg": "quota is used up"}"#.to_owned(), Err("quota")),
        (401, r#"{"result": "error", "error_msg": "Invalid API key"}"#.to_owned(), Err("unauthenticated")),
    ] {
        let (server, vmray) = server(&[("POST sample/submit", status, body.clone())]).await;
        let mut options = Options {
            analysis_time: Some(std::time::Duration::from_secs(120)),
            archive_password: Some(Secret::new("pw")),
            ..Options::default()
        };
        options.vendor.insert("user_config".to_owned(), r#"{"net_scheme_name": "tor"}"#.to_owned());
        options.vendor.insert("reanalyze".to_owned(), "true".to_owned());
        let submitted = vmray.submit(&Sample::bytes("né.exe", &b"MZ"[..]), &options).await;
        assert_eq!(submitted.as_ref().map(|submission| submission.id.as_str()).map_err(kind), expected, "{body}");
        let received = server.take();
        assert_eq!(received.len(), 1, "a submission is sent once: {body}");
        assert_eq!(received[0].headers["authorization"], format!("api_key {KEY}"));
        let parts = received[0].parts();
        let texts: Vec<_> = parts[..4].iter().map(|(name, _, text)| (name.as_str(), text.as_slice())).collect();
        assert_eq!(
            texts,
            [
                ("archive_password", &b"pw"[..]),
                ("reanalyze", b"true"),
                ("user_config", br#"{"net_scheme_name":"tor","timeout":120}"#),
                ("sample_filename_b64enc", b"bsOpLmV4ZQ=="),
            ]
        );
        assert_eq!((parts[4].0.as_str(), parts[4].2.as_slice()), ("sample_file", &b"MZ"[..]));
    }
}

#[tokio::test]
async fn an_address_is_submitted_and_what_vmray_has_no_word_for_is_refused() {
    let (server, vmray) = server(&[("POST sample/submit", 200, data(&json!({"samples": [{"sample_id": 1}]})))]).await;
    vmray.submit(&Sample::url("http://a.test/?b=c"), &Options::default()).await.unwrap();
    let received = server.take();
    assert_eq!(received[0].body, "sample_url=http%3A%2F%2Fa.test%2F%3Fb%3Dc");
    let mut options = vec![Options { environment: Some("win10".to_owned()), ..Options::default() }];
    for (name, value) in [("sample_url", "http://b.test"), ("user_config", "[]"), ("user_config", "{")] {
        let mut option = Options { analysis_time: Some(std::time::Duration::from_secs(1)), ..Options::default() };
        option.vendor.insert(name.to_owned(), value.to_owned());
        options.push(option);
    }
    for option in options {
        let error = vmray.submit(&Sample::url("http://a.test"), &option).await.unwrap_err();
        assert_eq!(kind(&error), "invalid", "{error}");
    }
    assert!(server.lines().is_empty());
}

/// An archive becomes several samples: no id is lost, and what was refused of it is told.
#[tokio::test]
async fn all_ids_are_kept() {
    let body = data(&json!({
        "errors": [{"error_msg": format!("too large {KEY}"), "submission_filename": "c.iso"}],
        "samples": [{"sample_id": 1, "sample_sha256hash": "e3", "sample_webif_url": "https://v/1"}, {"sample_id": 2}],
        "submissions": [
            {"submission_id": 10, "submission_sample_id": 1},
            {"submission_id": 11, "submission_sample_id": 2},
            {"submission_id": 12, "submission_sample_id": 3}
        ],
        "jobs": [{"job_id": 100}, {"job_id": "101"}],
        "md_jobs": [{"md_job_id": 7}], "reputation_jobs": [{"reputation_job_id": 8}], "vt_jobs": 5
    }));
    let (_server, vmray) = server(&[("POST sample/submit", 200, body)]).await;
    let submitted = vmray.submit(&Sample::bytes("a.zip", &b"PK"[..]), &Options::default()).await.unwrap();
    assert_eq!((submitted.id.as_str(), submitted.more.as_slice()), ("1", &["2".to_owned(), "3".to_owned()][..]));
    let others: Vec<_> = submitted.others.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        others,
        [
            ("errors", "c.iso: too large [secret]"),
            ("job_ids", "100,101"),
            ("md_job_ids", "7"),
            ("reputation_job_ids", "8"),
            ("sample_sha256hash", "e3"),
            ("sample_webif_url", "https://v/1"),
            ("submission_id", "10"),
            ("submission_ids", "10,11,12"),
        ]
    );
    let many: Vec<Value> = (0..300).map(|id| json!({ "sample_id": id })).collect();
    let (_server, vmray) = server(&[("POST sample/submit", 200, data(&json!({ "samples": many })))]).await;
    let error = vmray.submit(&Sample::bytes("a.zip", &b"PK"[..]), &Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("max_recursive_samples"), "{error}");
}

/// 44, 146: finished when all its submissions are; queued while all its jobs are; failed when every analysis did.
#[tokio::test]
async fn a_submission_is_finished_when_all_of_it_is() {
    let on_its_way = json!({"submission_id": 31, "submission_finished": false});
    let with_errors = json!({"submission_id": 32, "submission_finished": true, "submission_has_errors": true});
    let jobs = |states: &[&str]| json!(states.iter().map(|state| json!({ "job_status": state })).collect::<Vec<_>>());
    let well = json!({"analysis_id": 1, "analysis_result_code": 1});
    let badly = json!({"analysis_id": 2, "analysis_result_code": 7, "analysis_result_str": "VM crashed", "analysis_vm_name": "win7"});
    let failed = |why: &str| Ok(Status::Failed(why.to_owned()));
    let new = || Submission::new("22");
    for (submission, list, jobs, analyses, expected) in [
        (new(), json!([finished(30)]), json!(null), json!(null), Ok(Status::Finished)),
        (new(), json!([finished(30), on_its_way]), json!(null), json!(null), Ok(Status::Running)),
        (new(), json!([on_its_way]), jobs(&["queued", "queued"]), json!(null), Ok(Status::Queued)),
        (new(), json!([on_its_way]), jobs(&["queued", "inwork"]), json!(null), Ok(Status::Running)),
        (new(), json!([on_its_way]), jobs(&["never seen"]), json!(null), Ok(Status::Running)),
        (new(), json!([on_its_way]), json!(null), json!(null), Ok(Status::Running)),
        (new(), json!([{"submission_finished": "perhaps"}]), json!(null), json!(null), Ok(Status::Running)),
        (new(), json!([]), json!(null), json!(null), Err("not found")),
        (new(), json!({"submission_finished": true}), json!(null), json!(null), Err("malformed")),
        // Somebody else's submissions of the same sample do not count, and one that is not in the list is asked for.
        (known("22", "30"), json!([finished(30), on_its_way]), json!(null), json!(null), Ok(Status::Finished)),
        (known("22", "30,31"), json!([finished(30), on_its_way]), json!(null), json!(null), Ok(Status::Running)),
        (known("22", "30,99"), json!([finished(30)]), json!(null), json!(null), Err("not found")),
        (new(), json!([with_errors]), json!(null), json!([well, badly]), Ok(Status::Finished)),
        (new(), json!([with_errors]), json!(null), json!([badly, badly]), failed("result 7 on win7: VM crashed")),
        (new(), json!([with_errors]), json!(null), json!(null), failed("it ended with errors and without an analysis")),
    ] {
        let mut answers = vec![("submission/sample/22", 200, data(&list))];
        for (path, found) in [("job/sample/22", jobs), ("analysis/sample/22", analyses)] {
            if !found.is_null() {
                answers.push((path, 200, data(&found)));
            }
        }
        let (_server, vmray) = server(&answers).await;
        let status = vmray.status(&submission).await;
        assert_eq!(status.as_ref().map_err(kind), expected.as_ref().map_err(|kind| *kind), "{submission:?} {list}");
    }
    // An archive's members are all of it.
    let mut archive = Submission::new("22");
    archive.more = vec!["23".to_owned()];
    for (second, expected) in [(json!([finished(31)]), Status::Finished), (json!([on_its_way]), Status::Running)] {
        let answers =
            [("submission/sample/22", 200, data(&json!([finished(30)]))), ("submission/sample/23", 200, data(&second))];
        let (_server, vmray) = server(&answers).await;
        assert_eq!(vmray.status(&archive).await.unwrap(), expected);
    }
}

/// 146, 148, 150: errors are the server's words, with the key out of them.
#[tokio::test]
async fn errors_are_typed() {
    for (status, words, expected, fault) in [
        (401, "Invalid API key", "unauthenticated", Fault::Caller),
        (403, "not yours", "forbidden", Fault::Caller),
        (404, "No such element", "not found", Fault::Caller),
        (400, "No such element", "not found", Fault::Caller),
        (429, "slow down", "quota", Fault::Caller),
        (403, "report quota is used up", "quota", Fault::Caller),
        (500, "broken", "status", Fault::Sandbox),
    ] {
        let body = json!({"result": "error", "error_msg": format!("{words} ({KEY})")}).to_string();
        let answers = ["submission/sample/22", "analysis/sample/22"].map(|path| (path, status, body.clone()));
        let (_server, vmray) = server(&answers).await;
        for error in [
            vmray.status(&Submission::new("22")).await.unwrap_err(),
            vmray.report(&Submission::new("22")).await.unwrap_err(),
        ] {
            assert_eq!((kind(&error), error.fault()), (expected, fault), "{error}");
            assert!(!format!("{error} {error:?} {vmray:?}").contains(KEY), "{error:?}");
        }
    }
}

/// A report of these answers about sample 22, whose submissions are finished.
async fn report(answers: &[(&str, String)]) -> (Result<belljar_client::Report, Error>, Vec<String>) {
    let submissions = ("submission/sample/22", 200, data(&json!([finished(30)])));
    let answers: Vec<_> = answers.iter().map(|(path, body)| (*path, 200, body.clone())).chain([submissions]).collect();
    let (server, vmray) = server(&answers).await;
    let report = vmray.report(&Submission::new("22")).await;
    (report, server.lines())
}

/// 48, 148, 149: the summary is that of the analysis with the highest score, of equal ones the first; those that failed do not count.
#[tokio::test]
async fn the_report_is_that_of_the_highest_score() {
    let analysis = |id: u32, score: Value, code: u32| json!({"analysis_id": id, "analysis_vti_score": score, "analysis_result_code": code});
    for (analyses, best) in [
        (vec![analysis(1, json!(20), 1), analysis(2, json!(90), 1), analysis(3, json!(90), 1)], 2),
        (vec![analysis(1, json!(20), 1), analysis(2, json!(99), 6), json!(5), json!({"analysis_vti_score": 100})], 1),
        (vec![analysis(1, json!(null), 1), analysis(2, json!("5"), 1)], 2),
        (vec![analysis(1, json!(null), 1), analysis(2, json!(0), 1)], 2),
    ] {
        let path = format!("analysis/{best}/archive/logs/summary.json");
        let summary = json!({"version": 1, "vti": {"vti_score": 20}}).to_string();
        let answers = [("analysis/sample/22", data(&json!(analyses))), (path.as_str(), summary.clone())];
        let (came, lines) = report(&answers).await;
        assert_eq!(lines.last(), Some(&format!("GET /rest/{path}")));
        let raw: Value = came.unwrap().raw.json().unwrap();
        assert_eq!(raw.to_string(), serde_json::from_str::<Value>(&summary).unwrap().to_string());
    }
}

/// 49, 151: words of version 4, severities of those before, and scores alone, which never say that something is clean.
#[tokio::test]
async fn a_report_has_a_verdict() {
    use Word::{Clean, Malicious, Suspicious, Unknown};
    let one = |more: Value| {
        let mut analysis = json!({"analysis_id": 5, "analysis_result_code": 1});
        analysis.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([analysis])
    };
    let severity = |word: &str, score: u32| one(json!({"analysis_severity": word, "analysis_vti_score": score}));
    let failed = json!({"analysis_id": 6, "analysis_result_code": 9, "analysis_severity": "error", "analysis_result_str": "crashed"});
    let and_failed = |analyses: Value| json!([analyses[0], failed]);
    for (sample, analyses, expected) in [
        (json!({"sample_verdict": "malicious"}), severity("not_suspicious", 20), Ok((Malicious, Some(20)))),
        (json!({"sample_verdict": "suspicious"}), one(json!({})), Ok((Suspicious, Some(50)))),
        (json!({"sample_verdict": "clean"}), one(json!({})), Ok((Clean, Some(10)))),
        (json!({"sample_verdict": "clean"}), json!([]), Ok((Clean, Some(10)))),
        (
            json!({"sample_verdict": "malicious", "sample_vti_score": 95, "sample_score": 90}),
            json!([]),
            Ok((Malicious, Some(95))),
        ),
        (json!({"sample_verdict": "not_available"}), severity("malicious", 90), Ok((Unknown, Some(90)))),
        (json!({"sample_verdict": "green"}), severity("not_suspicious", 0), Ok((Unknown, Some(0)))),
        (
            json!({"sample_verdict": null}),
            one(json!({"analysis_verdict": "suspicious", "analysis_severity": "malicious"})),
            Ok((Suspicious, Some(50))),
        ),
        (json!({"sample_verdict": "clean"}), and_failed(severity("not_suspicious", 1)), Ok((Clean, Some(1)))),
        (json!({}), severity("malicious", 85), Ok((Malicious, Some(85)))),
        (json!({}), severity("blacklisted", 0), Ok((Malicious, Some(0)))),
        (json!({}), severity("whitelisted", 0), Ok((Clean, Some(0)))),
        (json!({}), severity("not_suspicious", 20), Ok((Clean, Some(20)))),
        (json!({}), and_failed(severity("not_suspicious", 20)), Ok((Unknown, Some(20)))),
        (json!({"sample_severity": "not_suspicious"}), and_failed(one(json!({}))), Ok((Unknown, None))),
        (json!({"sample_severity": "suspicious"}), one(json!({})), Ok((Suspicious, Some(50)))),
        (json!({}), severity("unknown", 30), Ok((Unknown, Some(30)))),
        (json!({}), severity("error", 90), Ok((Unknown, Some(90)))),
        (json!({}), one(json!({"analysis_vti_score": 20})), Ok((Unknown, Some(20)))),
        (json!({}), one(json!({"analysis_vti_score": 25})), Ok((Suspicious, Some(25)))),
        (json!({}), one(json!({"analysis_vti_score": 74})), Ok((Suspicious, Some(74)))),
        (json!({}), one(json!({"analysis_vti_score": "75"})), Ok((Malicious, Some(75)))),
        (json!({}), one(json!({"analysis_vti_score": 1e9})), Ok((Malicious, Some(100)))),
        (json!({}), one(json!({})), Ok((Malicious, Some(77)))),
        (json!({}), json!([failed, failed]), Err("failed")),
        (json!({}), json!([]), Err("not found")),
    ] {
        let mut answers = vec![("analysis/sample/22", data(&analyses))];
        if sample.as_object().is_some_and(|sample| !sample.is_empty()) {
            let mut sample = sample.clone();
            sample["sample_id"] = json!(22);
            answers.push(("sample/22", data(&sample)));
        }
        // Only where nothing else has a score, that of the summary counts.
        if expected == Ok((Malicious, Some(77))) {
            answers.push(("analysis/5/archive/logs/summary.json", json!({"vti": {"vti_score": 77}}).to_string()));
        }
        let (came, _) = report(&answers).await;
        let verdict = came.as_ref().map(|report| (report.verdict.verdict, report.verdict.score));
        assert_eq!(verdict.map_err(kind), expected, "{sample} {analyses}");
        if let Ok(Verdict { verdict: Unknown, reasons, .. }) = came.map(|report| report.verdict) {
            assert!(!reasons.is_empty(), "{sample} {analyses}");
        }
    }
}

/// An archive is as bad as its worst member, and one whose member failed is not clean.
#[tokio::test]
async fn an_archive_is_as_bad_as_its_worst_member() {
    let analysis =
        |id: u32, verdict: &str| json!([{"analysis_id": id, "analysis_verdict": verdict, "analysis_result_code": 1}]);
    let failed = json!([{"analysis_id": 9, "analysis_result_code": 2, "analysis_result_str": "crashed"}]);
    for (one, other, expected, of) in [
        (analysis(1, "clean"), analysis(2, "malicious"), Ok(Word::Malicious), "2"),
        (analysis(1, "suspicious"), analysis(2, "clean"), Ok(Word::Suspicious), "1"),
        (analysis(1, "clean"), failed.clone(), Ok(Word::Unknown), ""),
        (failed.clone(), failed.clone(), Err("failed"), ""),
    ] {
        let answers: Vec<_> = [
            ("submission/sample/22", json!([finished(30)])),
            ("submission/sample/23", json!([finished(31)])),
            ("analysis/sample/22", one),
            ("analysis/sample/23", other),
        ]
        .into_iter()
        .map(|(path, found)| (path, 200, data(&found)))
        .collect();
        let (server, vmray) = server(&answers).await;
        let mut submission = Submission::new("22");
        submission.more = vec!["23".to_owned()];
        let came = vmray.report(&submission).await;
        assert_eq!(came.as_ref().map(|report| report.verdict.verdict).map_err(kind), expected);
        if !of.is_empty() {
            assert!(server.lines().contains(&format!("GET /rest/analysis/{of}/archive/logs/summary.json")));
            assert!(came.unwrap().verdict.reasons.iter().any(|reason| reason.contains("another sample of it")));
        }
    }
}

#[tokio::test]
async fn a_report_is_of_what_is_finished() {
    let answers = [("submission/sample/22", 200, data(&json!([{"submission_id": 30, "submission_finished": false}])))];
    let (_server, vmray) = server(&answers).await;
    assert_eq!(kind(&vmray.report(&Submission::new("22")).await.unwrap_err()), "not ready");
    let badly = json!([{"analysis_id": 1, "analysis_result_code": 3}]);
    let with_errors = json!([{"submission_id": 30, "submission_finished": true, "submission_has_errors": true}]);
    let answers = [("submission/sample/22", 200, data(&with_errors)), ("analysis/sample/22", 200, data(&badly))];
    let (_server, vmray) = server(&answers).await;
    assert_eq!(kind(&vmray.report(&Submission::new("22")).await.unwrap_err()), "failed");
}

/// 150, 152: what the common report has, of both versions of the summary, and of what is told without one.
#[tokio::test]
async fn a_report_says_what_was_found() {
    let sample = json!({"sample_id": 22, "sample_verdict": "malicious", "sample_filename": "a.exe", "sample_md5hash": "0f",
        "sample_sha256hash": "e3", "sample_threat_names": ["Zed"], "sample_webif_url": "https://v/22"});
    let analyses = json!([{"analysis_id": 5, "analysis_vti_score": 85, "analysis_vm_name": "win7", "analysis_configuration_name": "win7_64"}]);
    let first = json!({"version": 1, "vti": {"vti_score": 85, "vti_rule_matches": [
            {"category_desc": "File", "operation_desc": "reads", "rule_score": 1},
            {"category_desc": "Hiding", "operation_desc": "hides", "technique_desc": "It hides.", "rule_score": 4, "threat_names": [{"name": "Yak"}]}, 5]},
        "artifacts": {"domains": [{"domain": "evil.test", "ioc": true}, {"domain": "good.test", "ioc": false}],
            "ips": [{"ip_address": "5.6.7.8"}], "urls": [{"url": "http://evil.test/x"}], "mutexes": [{"mutex_name": "m"}],
            "registry": [{"reg_key_name": "HKCU\\a"}], "processes": [{"cmd_line": "a.exe /s"}],
            "files": [{"norm_filename": "c:\\b.dll", "hashes": [{"sha256_hash": "ab"}]}]},
        "mitre_attack": {"techniques": [{"id": "T1055", "description": "Process Injection"}]},
        "vm_and_analyzer_details": {"vm_description": "Windows 7"}, "processes": [{"cmd_line": "explorer.exe"}]});
    let second = json!({"_type": "summary", "vti": {"matches": {
            "vti_0": {"category_desc": "File", "operation_desc": "reads", "analysis_score": 1},
            "vti_1": {"category_desc": "Hiding", "operation_desc": "hides", "technique_desc": "It hides.", "analysis_score": 4, "threat_names": ["Yak"]}}},
        "artifacts": {"ref_domains": [{"_type": "reference", "path": ["domains", "domain_0"]}]},
        "domains": {"domain_0": {"domain": "evil.test", "is_ioc": true}, "domain_1": {"domain": "good.test", "is_ioc": false}},
        "ip_addresses": {"a": {"ip_address": "5.6.7.8", "is_ioc": true}}, "urls": {"a": {"url": "http://evil.test/x", "is_ioc": true}},
        "mutexes": {"a": {"name": "m", "is_ioc": true}}, "registry_records": {"a": {"reg_key_name": "HKCU\\a", "is_ioc": true}},
        "processes": {"a": {"cmd_line": "a.exe /s", "is_ioc": true}, "b": {"cmd_line": "explorer.exe"}},
        "filenames": {"a": {"filename": "c:\\b.dll", "is_ioc": true}}, "files": {"a": {"hash_values": {"sha256": "ab"}, "is_ioc": true}},
        "mitre_attack": {"v4": {"techniques": {"technique_T1055": {"description": "Process Injection"}}}},
        "vm_and_analyzer_details": {"vm_description": "Windows 7"}});
    let none = [
        (
            "sample/22/threat_indicators",
            data(&json!({"threat_indicators": [
            {"category": "File", "operation": "reads", "score": 1}, {"category": "Hiding", "operation": "hides", "score": 4}]})),
        ),
        ("sample/22/iocs", data(&json!({"iocs": first["artifacts"]}))),
    ];
    let about = [("sample/22", data(&sample)), ("analysis/sample/22", data(&analyses))];
    for (more, environment, families) in [
        (vec![("analysis/5/archive/logs/summary.json", first.to_string())], "Windows 7", &["Yak", "Zed"][..]),
        (vec![("analysis/5/archive/logs/summary_v2.json", second.to_string())], "Windows 7", &["Yak", "Zed"]),
        (none.to_vec(), "win7_64", &["Zed"]),
    ] {
        let (came, _) = report(&[&about[..], &more].concat()).await;
        let came = came.unwrap();
        assert_eq!((came.name.as_deref(), came.link.as_deref()), (Some("a.exe"), Some("https://v/22")));
        assert_eq!(came.hashes.keys().collect::<Vec<_>>(), ["md5", "sha256"]);
        assert_eq!(came.environment.as_deref(), Some(environment));
        assert_eq!(came.verdict.families, families);
        assert_eq!((came.verdict.verdict, came.verdict.score), (Word::Malicious, Some(85)));
        let found: Vec<_> = came.findings.iter().map(|found| (found.name.as_str(), found.severity)).collect();
        assert_eq!(found[..2], [("Hiding: hides", Some(80)), ("File: reads", Some(20))]);
        if let Some(technique) = came.findings.get(2) {
            assert_eq!(
                (technique.name.as_str(), technique.techniques.join(",")),
                ("Process Injection", "T1055".to_owned())
            );
        }
        let indicators: Vec<_> = came.indicators.iter().map(|found| (found.kind, found.value.as_str())).collect();
        assert_eq!(
            indicators,
            [
                (IndicatorKind::Domain, "evil.test"),
                (IndicatorKind::Address, "5.6.7.8"),
                (IndicatorKind::Url, "http://evil.test/x"),
                (IndicatorKind::Hash, "ab"),
                (IndicatorKind::File, "c:\\b.dll"),
                (IndicatorKind::Mutex, "m"),
                (IndicatorKind::Registry, "HKCU\\a"),
                (IndicatorKind::Command, "a.exe /s"),
            ],
            "{environment} {families:?}"
        );
    }
}

/// 45-47, 147: reachable, and not; what is left of the quotas is told with it.
#[tokio::test]
async fn availability_is_asked_for_each_time() {
    let billing =
        data(&json!({"verdict_quota": 100, "verdict_remaining": 7, "report_quota": 10, "report_remaining": 0}));
    let system = data(&json!({"version": "4.2.1", "api_items_per_request": 100}));
    for (status, system, billing, expected) in [
        (200, &system, 200, Ok(vec!["7 of 100 verdicts are left".to_owned(), "0 of 10 reports are left".to_owned()])),
        (200, &system, 403, Ok(Vec::new())),
        (404, &system, 200, Err("not found")),
        (500, &system, 200, Err("status")),
    ]
    .map(|(status, system, code, expected)| (status, system, (code, &billing), expected))
    {
        let answers = [("system_info", status, system.clone()), ("billing_info", billing.0, billing.1.clone())];
        let (_server, vmray) = server(&answers).await;
        for _ in 0..2 {
            let available = vmray.available().await;
            let version = available.as_ref().ok().and_then(|available| available.version.clone());
            assert_eq!(version.is_some(), expected.is_ok());
            assert_eq!(available.map(|available| available.remarks).map_err(|error| kind(&error)), expected);
        }
    }
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    assert_eq!(vmray(&gone).available().await.unwrap_err().fault(), Fault::Network);
}

#[tokio::test]
async fn artifacts_come_as_streams() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/rest/analysis/sample/22" => {
            Reply::json(200, &data(&json!([{"analysis_id": 4}, {"analysis_id": 5, "analysis_vti_score": 1}])))
        }
        "/rest/analysis/5/archive/logs/summary.json" => Reply::json(404, "{}"),
        _ => Reply::json(200, "bytes").with("content-disposition", "attachment; filename=\"../x.zip\""),
    })
    .await;
    let vmray = vmray(&server.address);
    let submission = Submission::new("22");
    use ArtifactKind::{All, Json, Other, Pcap, Pdf, Sample, Screenshots, Xml};
    for (kind, name, path) in [
        (Json, None, "analysis/5/archive/logs/summary_v2.json"),
        (Json, Some("x.json"), "analysis/5/archive/logs/x.json"),
        (Xml, None, "analysis/5/archive/logs/stix-report.xml"),
        (Pcap, None, "analysis/5/archive?filenames=network%2F*.pcap"),
        (Pcap, Some("a b.pcap"), "analysis/5/archive/network/a%20b.pcap"),
        (Screenshots, None, "analysis/5/archive?filenames=screenshots%2F*"),
        (Screenshots, Some("1.png"), "analysis/5/archive/screenshots/1.png"),
        (Sample, None, "sample/22/file"),
        (All, None, "analysis/5/archive"),
        (Other, Some("logs/flog.txt"), "analysis/5/archive/logs/flog.txt"),
        (Other, Some("memory/*"), "analysis/5/archive?filenames=memory%2F*"),
    ] {
        let artifact = Artifact { kind, name: name.map(str::to_owned) };
        let download = vmray.artifact(&submission, artifact).await.unwrap();
        assert_eq!((download.name.as_deref(), download.length), (Some("x.zip"), Some(5)));
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        assert_eq!(server.lines().last(), Some(&format!("GET /rest/{path}")));
    }
    for (kind, name, expected) in
        [(Pdf, None, "unsupported"), (Other, Some("../../../sample/22/file"), "invalid"), (Other, None, "invalid")]
    {
        let artifact = Artifact { kind, name: name.map(str::to_owned) };
        assert_eq!(super::vmray::kind(&vmray.artifact(&submission, artifact).await.unwrap_err()), expected);
    }
}

/// Lists come in pages; a server that never ends one is not followed for ever.
#[tokio::test]
async fn lists_are_followed_to_their_end() {
    let page = |id: u32, next: Option<u32>| {
        json!({"result": "ok", "data": [finished(id)], "continuation_id": next}).to_string()
    };
    let answers = [
        ("submission/sample/22", 200, page(1, Some(77))),
        ("continuation/77", 200, page(2, Some(78))),
        ("continuation/78", 200, page(3, None)),
        ("submission/sample/23", 200, page(1, Some(79))),
        ("continuation/79", 200, page(1, Some(79))),
    ];
    let (server, vmray) = server(&answers).await;
    let all = vmray.submissions_of_sample("22").await.unwrap();
    assert_eq!(all.iter().filter_map(|one| one.submission_id.as_deref()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(server.lines().len(), 3);
    let error = vmray.submissions_of_sample("23").await.unwrap_err();
    assert_eq!(kind(&error), "too large", "{error}");
    assert_eq!(server.lines().len(), 100);
}

/// The newest sample of this hash that has a finished submission.
#[tokio::test]
async fn a_hash_finds_what_is_finished() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let sample = |id: u32, hash: &str| json!({"sample_id": id, "sample_md5hash": hash});
    let path = format!("sample/md5/{md5}");
    let samples = json!([sample(9, md5), sample(100, &md5.to_uppercase()), sample(200, "00"), sample(300, md5)]);
    let answers = [
        (path.as_str(), 200, data(&samples)),
        ("submission/sample/300", 200, data(&json!([{"submission_id": 5, "submission_finished": false}]))),
        ("submission/sample/200", 200, data(&json!([finished(6)]))),
        ("submission/sample/100", 200, data(&json!([finished(7), {"submission_id": 8}, finished(9)]))),
        ("submission/sample/9", 200, data(&json!([finished(10)]))),
    ];
    let (_server, vmray) = server(&answers).await;
    let found = vmray.look_up(&Hash::parse(md5).unwrap()).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.others["submission_ids"].as_str()), ("100", "7,9"));
    assert_eq!(vmray.look_up(&Hash::parse(&"0".repeat(64)).unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn deleting_is_of_all_samples() {
    let ok = r#"{"result": "ok"}"#.to_owned();
    let mut archive = Submission::new("22");
    archive.more = vec!["23".to_owned()];
    let refused = r#"{"result": "error", "error_msg": "no"}"#.to_owned();
    for (answers, expected) in [
        (vec![("DELETE sample/22", 200, ok.clone()), ("DELETE sample/23", 204, String::new())], Ok(())),
        (vec![("DELETE sample/22", 200, ok.clone())], Ok(())),
        (vec![], Err("not found")),
        (vec![("DELETE sample/22", 403, refused.clone())], Err("forbidden")),
        (vec![("DELETE sample/22", 200, refused)], Err("refused")),
    ] {
        let (server, vmray) = server(&answers).await;
        assert_eq!(vmray.delete(&archive).await.map_err(|error| kind(&error)), expected);
        assert_eq!(server.lines()[0], "DELETE /rest/sample/22");
    }
    let (server, vmray) = server(&[("DELETE submission/30", 200, ok)]).await;
    vmray.delete_submission("30").await.unwrap();
    assert_eq!(server.lines(), ["DELETE /rest/submission/30"]);
}

#[tokio::test]
async fn what_is_special_can_be_asked_for() {
    let answers = [
        ("sample/22", 200, data(&json!({"sample_id": 22, "sample_type": "PE"}))),
        ("submission/30", 200, data(&finished(30))),
        ("analysis/5", 200, data(&json!({"analysis_id": 5, "analysis_job_id": 6}))),
        ("analysis?analysis_submission_id=30", 200, data(&json!([{"analysis_id": 5}]))),
        ("job/sample/22", 200, data(&json!([{"job_id": 6, "job_status": "inwork"}]))),
        ("reputation_lookup/submission/30", 200, data(&json!([{"reputation_lookup_severity": "unknown"}]))),
        (
            "sample/22/mitre_attack",
            200,
            data(
                &json!({"mitre_attack_techniques": [{"technique_id": "T1055", "technique": "Injection", "tactics": ["Hiding"]}]}),
            ),
        ),
        ("sample/22/iocs", 200, data(&json!({"iocs": {"domains": [{"domain": "evil.test"}]}}))),
        (
            "sample/22/threat_indicators",
            200,
            data(&json!({"threat_indicators": [{"category": "A", "operation": "b", "score": 5}]})),
        ),
        ("system_info", 200, data(&json!({"version": "3.1", "max_api_items": 1000}))),
    ];
    let (_server, vmray) = server(&answers).await;
    assert_eq!(vmray.sample("22").await.unwrap().sample_type.as_deref(), Some("PE"));
    assert_eq!(vmray.submission("30").await.unwrap().submission_finished, Some(true));
    assert_eq!(vmray.analysis("5").await.unwrap().analysis_job_id.as_deref(), Some("6"));
    assert_eq!(vmray.analyses_of_submission("30").await.unwrap().len(), 1);
    assert_eq!(vmray.jobs("22").await.unwrap()[0].job_status.as_deref(), Some("inwork"));
    assert_eq!(vmray.reputation("30").await.unwrap()[0]["reputation_lookup_severity"], "unknown");
    let technique = &vmray.mitre_attack("22").await.unwrap()[0];
    assert_eq!((technique.technique_id.as_deref(), technique.tactics.len()), (Some("T1055"), 1));
    assert_eq!(vmray.iocs("22").await.unwrap()[0].value, "evil.test");
    let found = &vmray.threat_indicators("22").await.unwrap()[0];
    assert_eq!((found.name.as_str(), found.severity), ("A: b", Some(100)));
    assert_eq!(vmray.system().await.unwrap().max_api_items, Some(1000.0));
}

/// 144: the vendor's cloud unless another address is given; `/rest` may be at its end.
#[tokio::test]
async fn an_address_may_have_rest_at_its_end() {
    assert_eq!(VMRAY_CLOUD, "https://cloud.vmray.com");
    assert_eq!(vmray(VMRAY_CLOUD).vendor().name(), "vmray");
    let server = StandIn::start(|_| Reply::json(200, &data(&json!({"version": "4"})))).await;
    for address in [server.address.clone(), format!("{}/rest/", server.address)] {
        vmray(&address).system().await.unwrap();
        assert_eq!(server.lines(), ["GET /rest/system_info"]);
    }
}

/// 50, 132: a proxy is used.
#[tokio::test]
async fn a_proxy_is_used() {
    let proxy = StandIn::start(|_| Reply::json(200, &data(&json!({"version": "4"})))).await;
    let mut http = Settings::new("vmray", "http://vmray.invalid");
    http.proxy = Some(Secret::new(&proxy.address));
    let vmray = VmRay::new(VmRaySettings { http, key: Secret::new(KEY) }).unwrap();
    vmray.system().await.unwrap();
    assert_eq!(proxy.lines(), ["GET http://vmray.invalid/rest/system_info"]);
}
