//! Joe Sandbox.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;

use belljar_client::http::Settings;
use belljar_client::vendors::{JOE_CLOUD, JOE_DOWNLOADS, Joe, JoeSettings, JoeSubject};
use belljar_client::{
    Artifact, ArtifactKind, Error, ErrorKind, Fault, Hash, IndicatorKind, Options, Patience, Sample, Sandbox, Secret,
    Status, Submission, Word,
};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::stand_in::{Received, Reply, StandIn};

const KEY: &str = "j0e-k3y";

fn settings(address: &str) -> JoeSettings {
    let mut http = Settings::new("joe", format!("{address}/api"));
    http.tries = 2;
    let mut settings = JoeSettings::new(http, Secret::new(KEY));
    settings.accept_tac = true;
    settings
}

fn joe(address: &str) -> Joe {
    Joe::new(settings(address)).unwrap()
}

/// A server that gives these answers by endpoint, and otherwise says that there is none.
async fn server(answers: &[(&'static str, u16, &str)]) -> (StandIn, Joe) {
    let answers: HashMap<String, (u16, String)> =
        answers.iter().map(|(path, status, body)| (format!("/api/v2/{path}"), (*status, (*body).to_owned()))).collect();
    let server = StandIn::start(move |request| match answers.get(&request.target) {
        Some((status, body)) => Reply::json(*status, body),
        None => Reply::json(404, r#"{"errors": [{"code": 8, "message": "unknown endpoint"}]}"#),
    })
    .await;
    let joe = joe(&server.address);
    (server, joe)
}

/// The fields of a form without files, in their order.
fn form(request: &Received) -> Vec<(String, String)> {
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(*first);
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let text = String::from_utf8(request.body.to_vec()).unwrap();
    text.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(name, text)| (decode(name), decode(text))).collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The fields of a form with files, in their order; a file by its name and its bytes.
fn parts(request: &Received) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let part = |(name, file, bytes): (String, Option<String>, Vec<u8>)| match file {
        Some(file) => (name, format!("{file}={}", text(bytes))),
        None => (name, text(bytes)),
    };
    request.parts().into_iter().map(part).collect()
}

fn kind(error: &Error) -> &'static str {
    match &error.kind {
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::Forbidden(_) => "forbidden",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Status { .. } => "status",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::Unsupported(_) => "unsupported",
        _ => "other",
    }
}

/// 34, 135: a submission's id, text or number; an error of the API and an answer of another shape are errors.
#[tokio::test]
async fn submitting_gives_a_submission_id() {
    for (status, body, expected) in [
        (200, r#"{"data": {"submission_id": "100001"}}"#, Ok("100001")),
        (200, r#"{"data": {"submission_id": 22}}"#, Ok("22")),
        (200, r#"{"data": {"webids": ["1"]}}"#, Err("malformed")),
        (200, r#"{"data": null}"#, Err("malformed")),
        (200, r#"{"errors": [{"code": 4, "message": "wrong"}]}"#, Err("unauthenticated")),
        (400, r#"{"errors": [{"code": 3, "message": "wrong"}]}"#, Err("invalid")),
    ] {
        let (server, joe) = server(&[("submission/new", status, body)]).await;
        let mut options = Options {
            analysis_time: Some(std::time::Duration::from_secs(120)),
            archive_password: Some(Secret::new("pw")),
            environment: Some("w10x64".to_owned()),
            ..Options::default()
        };
        for (name, value) in
            [("tags", "a, b c"), ("document-password", "x"), ("fast-mode", "1"), ("systems", "w7,,w11")]
        {
            options.vendor.insert(name.to_owned(), value.to_owned());
        }
        let submitted = joe.submit(&Sample::bytes("a b.exe", &b"MZ"[..]), &options).await;
        let came = submitted.as_ref().map(|submission| submission.id.as_str()).map_err(kind);
        assert_eq!(came, expected, "{body}");
        let received = server.take();
        assert_eq!(received.len(), 1, "a submission is sent once: {body}");
        assert_eq!(received[0].line(), "POST /api/v2/submission/new");
        let expected = [
            ("apikey", KEY),
            ("accept-tac", "1"),
            ("office-files-password", "x"),
            ("fast-mode", "1"),
            ("systems[]", "w7"),
            ("systems[]", "w11"),
            ("tags[]", "a"),
            ("tags[]", "b c"),
            ("analysis-time", "120"),
            ("archive-password", "pw"),
            ("systems[]", "w10x64"),
            ("sample", "a b.exe=MZ"),
        ];
        assert_eq!(parts(&received[0]), pairs(&expected), "{body}");
    }
}

#[tokio::test]
async fn anything_that_joe_takes_can_be_submitted() {
    let (server, joe) = server(&[("submission/new", 200, r#"{"data": {"submission_id": "1"}}"#)]).await;
    let (options, url) = (Options::default(), Sample::url("http://a.test/?b=c&d"));
    let book = Sample::bytes("c.jbs", &b"script"[..]);
    let accepted = [("apikey", KEY), ("accept-tac", "1")];
    joe.submit(&url, &options).await.unwrap();
    for (subject, cookbook) in [
        (JoeSubject::SampleUrl("http://a.test/x.exe"), None),
        (JoeSubject::CommandLine("calc & notepad"), Some(&book)),
        (JoeSubject::Cookbook, Some(&book)),
    ] {
        joe.submit_subject(subject, cookbook, &options).await.unwrap();
    }
    let sent: Vec<_> = server.take().iter().map(parts).collect();
    let file = ("cookbook", "c.jbs=script");
    for (sent, fields) in sent.iter().zip([
        &[("url", "http://a.test/?b=c&d")][..],
        &[("sample-url", "http://a.test/x.exe")],
        &[file, ("command-line", "calc & notepad")],
        &[file],
    ]) {
        assert_eq!(*sent, pairs(&[&accepted, fields].concat()));
    }
    for (subject, cookbook) in [(JoeSubject::Cookbook, None), (JoeSubject::Sample(&book), Some(&url))] {
        let error = joe.submit_subject(subject, cookbook, &options).await.unwrap_err();
        assert_eq!(kind(&error), "invalid", "{error}");
    }
    let mut ours = Options::default();
    ours.vendor.insert("apikey".to_owned(), "other".to_owned());
    assert_eq!(kind(&joe.submit(&url, &ours).await.unwrap_err()), "invalid");
    assert!(server.lines().is_empty());
}

/// The original accepts the terms in everybody's name (`accept_tac = True`); here who submits must say so.
#[tokio::test]
async fn the_terms_are_accepted_by_who_submits() {
    let (server, _) = server(&[("submission/new", 200, r#"{"data": {"submission_id": "1"}}"#)]).await;
    let settings = JoeSettings::new(Settings::new("joe", &*server.address), Secret::new(KEY));
    assert!(!settings.accept_tac);
    let error = Joe::new(settings).unwrap().submit(&Sample::url("http://a.test"), &Options::default()).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("set `accept_tac = true`"), "{error}");
    assert_eq!((kind(&error), error.fault()), ("invalid", Fault::Caller));
    assert!(server.lines().is_empty());
}

/// A sample of `length` bytes on the disk.
fn large(length: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
    let bytes: Vec<u8> = (0..length).map(|index| u8::try_from(index % 64).unwrap() + b'0').collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    (file, bytes)
}

#[tokio::test]
async fn a_large_sample_goes_in_pieces() {
    for (length, sizes) in [(1000, &[1000][..]), (1001, &[1000, 1]), (2500, &[1000, 1000, 500]), (3000, &[1000; 3])] {
        let (server, _) = server(&[
            ("submission/new", 200, r#"{"data": {"submission_id": "7"}}"#),
            ("submission/chunked-sample", 200, r#"{"data": {}}"#),
        ])
        .await;
        let joe = Joe::new(JoeSettings { chunk_bytes: Some(1000), ..settings(&server.address) }).unwrap();
        let (file, bytes) = large(length);
        let submitted = joe.submit(&Sample::path(file.path()), &Options::default()).await.unwrap();
        assert_eq!(submitted.id, "7");
        let name = file.path().file_name().unwrap().to_str().unwrap();
        let mut received = server.take().into_iter();
        let first = parts(&received.next().unwrap());
        if sizes.len() == 1 {
            assert_eq!(first.last().unwrap().0, "sample", "what fits into one piece goes whole");
            continue;
        }
        assert_eq!(first, pairs(&[("apikey", KEY), ("accept-tac", "1"), ("chunked-sample", name)]));
        let mut whole = Vec::new();
        for (index, (request, size)) in received.by_ref().zip(sizes).enumerate() {
            assert_eq!(request.line(), "POST /api/v2/submission/chunked-sample");
            let mut fields = request.parts();
            let (field, file, chunk) = fields.pop().unwrap();
            assert_eq!((field.as_str(), file.as_deref(), chunk.len()), ("chunk", Some("chunk"), *size));
            whole.extend(chunk);
            let fields: Vec<_> =
                fields.into_iter().map(|(name, _, text)| (name, String::from_utf8(text).unwrap())).collect();
            let [length, count] = [length, sizes.len()].map(|number| number.to_string());
            let [index, size] = [index + 1, *size].map(|number| number.to_string());
            let expected = [
                ("apikey", KEY),
                ("submission_id", "7"),
                ("file-size", &length),
                ("chunk-size", "1000"),
                ("chunk-count", &count),
                ("current-chunk-index", &index),
                ("current-chunk-size", &size),
            ];
            assert_eq!(fields, pairs(&expected));
        }
        assert!(received.next().is_none());
        assert!(whole == bytes, "{length}");
    }
}

/// A server that knows no pieces says so, and gets the whole; any other error is one.
#[tokio::test]
async fn without_pieces_the_whole_is_sent() {
    for (message, expected) in
        [("unknown parameter chunked-sample", Ok("8")), ("unknown parameter systems", Err("invalid"))]
    {
        let server = StandIn::start(move |request| {
            if request.parts().iter().any(|(name, ..)| name == "chunked-sample") {
                return Reply::json(400, &json!({"errors": [{"code": 3, "message": message}]}).to_string());
            }
            Reply::json(200, r#"{"data": {"submission_id": 8}}"#)
        })
        .await;
        let joe = Joe::new(JoeSettings { chunk_bytes: Some(10), ..settings(&server.address) }).unwrap();
        let submitted = joe.submit(&Sample::bytes("x", &b"0123456789abc"[..]), &Options::default()).await;
        assert_eq!(submitted.as_ref().map(|submission| submission.id.as_str()).map_err(kind), expected);
        if expected.is_ok() {
            assert_eq!(parts(&server.take()[1]).last().unwrap().1, "x=0123456789abc");
        }
    }
}

/// Half a sample must not stay with the vendor.
#[tokio::test]
async fn an_upload_that_breaks_off_is_deleted() {
    let (server, _) = server(&[
        ("submission/new", 200, r#"{"data": {"submission_id": "7"}}"#),
        ("submission/chunked-sample", 400, r#"{"errors": [{"code": 7, "message": "too large"}]}"#),
        ("submission/delete", 200, r#"{"data": {}}"#),
    ])
    .await;
    let joe = Joe::new(JoeSettings { chunk_bytes: Some(10), ..settings(&server.address) }).unwrap();
    let error = joe.submit(&Sample::bytes("x", vec![0; 25]), &Options::default()).await.unwrap_err();
    assert_eq!(kind(&error), "forbidden", "{error}");
    let received = server.take();
    assert_eq!(received.last().unwrap().line(), "POST /api/v2/submission/delete");
    assert_eq!(form(received.last().unwrap()), pairs(&[("apikey", KEY), ("submission_id", "7")]));
    assert_eq!(received.len(), 3);
    assert!(Joe::new(JoeSettings { chunk_bytes: Some(0), ..settings(&server.address) }).is_err());
}

/// The codes of errors, which say more than the status.
#[tokio::test]
async fn errors_are_typed_by_their_code() {
    for (status, code, message, expected, retryable) in [
        (400, json!(2), "missing parameter", "invalid", false),
        (400, json!(3), "invalid parameter", "invalid", false),
        (404, json!(3), "no such submission", "not found", false),
        (403, json!(4), "invalid key", "unauthenticated", false),
        (403, json!("4"), "invalid key", "unauthenticated", false),
        (500, json!(5), "offline", "status", true),
        (400, json!(6), "internal", "status", true),
        (400, json!(7), "permission", "forbidden", false),
        (400, json!(7), "Monthly Quota exceeded", "quota", true),
        (429, json!(6), "slow down", "quota", true),
        (404, json!(8), "unknown endpoint", "status", false),
        (418, json!(99), "a teapot", "status", false),
        (400, json!(null), "nothing", "status", false),
    ] {
        let body = json!({"errors": [{"code": code, "message": format!("{message} ({KEY})")}]}).to_string();
        let (_server, joe) = server(&[("submission/info", status, &body)]).await;
        let error = joe.status(&Submission::new("1")).await.unwrap_err();
        assert_eq!((kind(&error), error.is_retryable()), (expected, retryable), "{error}");
        assert!(error.to_string().contains(&format!("{message} ([secret])")), "{error}");
        assert!(!format!("{error:?} {joe:?}").contains(KEY), "{error:?}");
    }
    let fault = |code| async move {
        let body = json!({"errors": [{"code": code, "message": "x"}]}).to_string();
        let (_server, joe) = server(&[("submission/info", 400, &body)]).await;
        joe.status(&Submission::new("1")).await.unwrap_err().fault()
    };
    assert_eq!((fault(5).await, fault(6).await, fault(4).await), (Fault::Sandbox, Fault::Sandbox, Fault::Caller));
}

/// 35, 136: of submissions and of analyses; where every run failed, the analysis has.
#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Some(Status::Failed(why.to_owned()));
    let run = |error: &str| json!({"system": "w7", "error": error});
    let good = json!({"webid": "179", "runs": [run("")]});
    let bad = json!({"webid": "180", "runs": [run("it did not start"), run("nor there")]});
    for (data, expected) in [
        (json!({"status": "submitted"}), Some(Status::Queued)),
        (json!({"status": "running"}), Some(Status::Running)),
        (json!({"status": "Never seen"}), Some(Status::Running)),
        (json!({"status": "finished"}), failed("it ended without an analysis")),
        (json!({"status": "Finished", "most_relevant_analysis": {"webid": "179"}}), Some(Status::Finished)),
        (json!({"status": "finished", "most_relevant_analysis": bad}), failed("on w7: it did not start")),
        (json!({"status": "finished", "analyses": [bad, good]}), Some(Status::Finished)),
        (json!({"status": "finished", "analyses": [good, bad]}), Some(Status::Finished)),
        (json!({"status": "finished", "analyses": [bad, bad]}), failed("on w7: it did not start")),
        (json!({"status": 5}), Some(Status::Running)),
        (json!({"status": null}), None),
        (json!([]), None),
    ] {
        let body = json!({ "data": data }).to_string();
        let (server, joe) = server(&[("submission/info", 200, &body)]).await;
        let found = joe.status(&Submission::new("22")).await;
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{body}: {found:?}");
        assert_eq!(form(&server.take()[0]), pairs(&[("apikey", KEY), ("submission_id", "22")]));
    }
    for (data, expected) in [
        (json!({"status": "finished"}), Some(Status::Finished)),
        (json!({"status": "finished", "runs": bad["runs"]}), failed("on w7: it did not start")),
        (json!({"status": "running", "runs": bad["runs"]}), Some(Status::Running)),
    ] {
        let body = json!({ "data": data }).to_string();
        let (server, joe) = server(&[("analysis/info", 200, &body)]).await;
        assert_eq!(joe.status(&Submission::new("webid:179")).await.ok(), expected, "{body}");
        assert_eq!(form(&server.take()[0]), pairs(&[("apikey", KEY), ("webid", "179")]));
    }
}

/// The original does not tell that an analysis failed.
#[tokio::test]
async fn a_failed_analysis_ends_the_wait() {
    let body = r#"{"data": {"status": "finished", "analyses": [{"webid": "1", "runs": [{"error": "no machine"}]}]}}"#;
    let (_server, joe) = server(&[("submission/info", 200, body)]).await;
    let waited = belljar_client::wait(&joe, &Submission::new("22"), Patience::default(), |_| {}).await;
    assert_eq!(kind(&waited.unwrap_err()), "failed");
}

const FINISHED: &str = r#"{"data": {"submission_id": "140", "status": "finished",
    "most_relevant_analysis": {"webid": "179", "detection": "malicious", "score": 84, "threatname": "Zed"}}}"#;

/// 39, 40, 139, 141: the score is that of `detection`, else that of the second strategy; nothing is made up where there is none.
#[tokio::test]
async fn a_report_has_a_verdict() {
    let nothing = r#"{"data": {"status": "finished", "most_relevant_analysis": {"webid": 179}}}"#;
    let flags = |set: &str, score: u32, greatest: u32| {
        let names = ["clean", "suspicious", "malicious", "unknown"].map(|name| format!("\"{name}\": {}", name == set));
        let detection = format!("{{{}, \"score\": {score}, \"maxscore\": {greatest}}}", names.join(", "));
        format!("{{\"analysis\": {{\"detection\": {detection}}}}}")
    };
    let strategy = |rows: &str| format!("{{\"analysis\": {{\"signaturedetections\": {{\"strategy\": {rows}}}}}}}");
    for (info, report, expected) in [
        (nothing, flags("malicious", 84, 100), Ok((Word::Malicious, Some(84)))),
        (nothing, flags("malicious", 100, 100), Ok((Word::Malicious, Some(100)))),
        (nothing, flags("suspicious", 5, 10), Ok((Word::Suspicious, Some(50)))),
        (nothing, flags("clean", 1, 100), Ok((Word::Clean, Some(1)))),
        (nothing, flags("unknown", 20, 0), Ok((Word::Unknown, Some(20)))),
        (nothing, flags("", 84, 100), Ok((Word::Malicious, Some(84)))),
        (nothing, flags("", 0, 100), Ok((Word::Unknown, Some(0)))),
        (FINISHED, flags("", 0, 100), Ok((Word::Malicious, Some(0)))),
        (
            nothing,
            r#"{"analysis": {"detection": {"clean": true, "malicious": "true"}}}"#.to_owned(),
            Ok((Word::Malicious, None)),
        ),
        (nothing, strategy(r#"[{"score": 99}, {"score": 1}]"#), Ok((Word::Unknown, Some(1)))),
        (nothing, strategy(r#"[{"score": 99}, {"score": 70, "detection": "MAL"}]"#), Ok((Word::Malicious, Some(70)))),
        (nothing, strategy(r#"[{"score": 55}]"#), Ok((Word::Suspicious, Some(55)))),
        (nothing, r#"{"analysis": {"id": 5}}"#.to_owned(), Ok((Word::Unknown, None))),
        (FINISHED, r#"{"analysis": {"id": 5}}"#.to_owned(), Ok((Word::Malicious, Some(84)))),
        (nothing, r#"{"analysis": {}}"#.to_owned(), Err("malformed")),
        (nothing, "{}".to_owned(), Err("malformed")),
        (nothing, "<html>".to_owned(), Err("malformed")),
    ] {
        let (server, joe) = server(&[("submission/info", 200, info), ("analysis/download", 200, &report)]).await;
        let came = joe.report(&Submission::new("140")).await;
        let verdict = came.as_ref().map(|report| (report.verdict.verdict, report.verdict.score)).map_err(kind);
        assert_eq!(verdict, expected, "{report}");
        let received = server.take();
        assert_eq!(form(&received[1]), pairs(&[("apikey", KEY), ("webid", "179"), ("type", "jsonfixed")]));
        if let Ok(came) = came {
            let raw: serde_json::Value = came.raw.json().unwrap();
            assert_eq!(raw, serde_json::from_str::<serde_json::Value>(&report).unwrap());
        }
    }
}

/// A report of what is not finished would be no report, and of what failed none either.
#[tokio::test]
async fn a_report_is_of_what_is_finished() {
    for (info, expected) in [
        (r#"{"data": {"status": "submitted"}}"#, "not ready"),
        (r#"{"data": {"status": "running", "most_relevant_analysis": {"webid": "1"}}}"#, "not ready"),
        (r#"{"data": {"status": "finished"}}"#, "failed"),
        (r#"{"data": {"status": "finished", "most_relevant_analysis": {"score": 1}}}"#, "malformed"),
        (r#"{"data": {}}"#, "malformed"),
    ] {
        let (server, joe) = server(&[("submission/info", 200, info), ("analysis/info", 200, info)]).await;
        for error in [
            joe.report(&Submission::new("140")).await.unwrap_err(),
            joe.web_id(&Submission::new("140")).await.unwrap_err(),
            joe.artifact(&Submission::new("140"), ArtifactKind::Pdf.into()).await.unwrap_err(),
        ] {
            assert_eq!(kind(&error), expected, "{info}: {error}");
        }
        assert_eq!(server.take().len(), 3);
    }
}

/// 143: what the common report has, of the whole report and of the one for incidents.
#[tokio::test]
async fn a_report_says_what_was_found() {
    let whole = r#"{"analysis": {"detection": {"malicious": true, "score": 84, "maxscore": 100},
        "generalinfo": {"target": {"sample": "t.exe"}, "systemdescription": "Windows 10", "system": "w10"},
        "fileinfo": {"filename": "a.exe", "md5": "0f", "sha1": "1f", "sha256": "e3"},
        "signatureinfo": {"sig": [{"id": "1", "desc": "Low", "impact": 1}, {"@id": "2", "@desc": "It hides.", "@impact": "7.5"}, 5, {}]},
        "domaininfo": {"domain": [{"@name": "evil.test", "@ip": "1.2.3.4"}, 5]},
        "ipinfo": {"ip": [{"@ip": "5.6.7.8", "$": "x"}]}, "urlinfo": {"url": [{"@name": "http://evil.test/x"}]},
        "droppedinfo": {"hash": [{"@sha256": "ab"}]}, "behavior": {"system": {"processes": [1, 2, 3]}}}}"#;
    let incident = r#"{"analysis": {"id": 7, "detection": {"malicious": true, "score": 84, "maxscore": 100}, "sample": "a.exe",
        "system": "w10", "hashes": {"md5": "0f", "sha1": "1f", "sha256": "e3"},
        "contacted": {"domains": {"domain": [{"name": "evil.test", "ip": "1.2.3.4", "malicious": true}]},
            "ips": {"ip": [{"$": "5.6.7.8", "@malicious": "true"}]}, "urls": {"url": [{"name": "http://evil.test/x"}]}},
        "dropped": {"file": [{"name": "b.dll", "sha256": "ab"}]}}}"#;
    for (body, reasons) in [(whole, &["It hides.", "Low"][..]), (incident, &[])] {
        let (_server, joe) = server(&[("submission/info", 200, FINISHED), ("analysis/download", 200, body)]).await;
        let report = joe.report(&Submission::new("140")).await.unwrap();
        assert_eq!(report.name.as_deref(), Some("a.exe"));
        assert_eq!(report.environment.as_deref(), Some("w10"));
        assert_eq!(report.hashes.values().collect::<Vec<_>>(), ["0f", "1f", "e3"]);
        assert_eq!(report.verdict.families, ["Zed"]);
        assert_eq!(report.verdict.reasons, reasons);
        assert_eq!(
            report.findings.iter().filter_map(|finding| finding.description.as_deref()).collect::<Vec<_>>(),
            reasons
        );
        let indicators: Vec<_> = report.indicators.iter().map(|found| (found.kind, found.value.as_str())).collect();
        assert_eq!(
            indicators,
            [
                (IndicatorKind::Domain, "evil.test"),
                (IndicatorKind::Address, "5.6.7.8"),
                (IndicatorKind::Url, "http://evil.test/x"),
                (IndicatorKind::Hash, "ab")
            ]
        );
    }
}

/// 137: the original of 1.x asks for an analysis by a submission's id, which is another one.
#[tokio::test]
async fn a_submission_id_becomes_a_web_id() {
    let report = r#"{"analysis": {"id": 5}}"#;
    let answers = [
        ("submission/info", 200, FINISHED),
        ("analysis/info", 200, r#"{"data": {"status": "finished"}}"#),
        ("analysis/download", 200, report),
    ];
    let (server, joe) = server(&answers).await;
    let web = |id: &str| {
        let mut submission = Submission::new(id);
        submission.others.insert("webid".to_owned(), "200".to_owned());
        submission
    };
    for (submission, expected, endpoints) in [
        (Submission::new("140"), "179", &["submission/info", "analysis/download"][..]),
        (web("140"), "200", &["submission/info", "analysis/download"]),
        (Submission::new("webid:33"), "33", &["analysis/info", "analysis/download"]),
    ] {
        joe.report(&submission).await.unwrap();
        let received = server.take();
        let lines: Vec<String> = received.iter().map(Received::line).collect();
        assert_eq!(lines, endpoints.iter().map(|path| format!("POST /api/v2/{path}")).collect::<Vec<_>>());
        assert_eq!(form(&received[1])[1], ("webid".to_owned(), expected.to_owned()));
        assert_eq!(joe.web_id(&submission).await.unwrap(), expected);
        server.take();
    }
    let verdict = joe.submission_info("140").await.unwrap().most_relevant_analysis.unwrap().verdict();
    assert_eq!((verdict.verdict, verdict.score, verdict.families), (Word::Malicious, Some(84), vec!["Zed".to_owned()]));
}

/// 36-38, 138: reachable, and not; what may still be submitted is told with it.
#[tokio::test]
async fn availability_tells_of_the_quota() {
    let account = r#"{"data": {"type": "cloudpro", "quota": {"daily": {"current": 3, "limit": 10, "remaining": 7}, "monthly": {"current": 30, "limit": 20}}}}"#;
    let left = ["7 of 10 submissions are left this day", "0 of 20 submissions are left this month"];
    for (status, online, account, expected) in [
        (200, r#"{"data": {"online": true}}"#, (200, account), Ok(left.map(str::to_owned).to_vec())),
        (200, r#"{"data": {"online": true}}"#, (403, "{}"), Ok(Vec::new())),
        (200, r#"{"data": {"online": false}}"#, (200, account), Err("status")),
        (200, r#"{"data": {}}"#, (200, account), Err("malformed")),
        (403, r#"{"errors": [{"code": 4, "message": "no key"}]}"#, (200, account), Err("unauthenticated")),
        (500, "", (200, account), Err("status")),
    ] {
        let (_server, joe) = server(&[("server/online", status, online), ("account/info", account.0, account.1)]).await;
        let available = joe.available().await;
        assert_eq!(available.map(|available| available.remarks).map_err(|error| kind(&error)), expected, "{online}");
    }
    let gone = StandIn::start(|_| Reply::json(200, "{}")).await.address.clone();
    assert_eq!(joe(&gone).available().await.unwrap_err().fault(), Fault::Network);
    let (_server, joe) = server(&[("account/info", 200, account)]).await;
    let account = joe.account().await.unwrap();
    assert_eq!(account.kind.as_deref(), Some("cloudpro"));
    assert_eq!(account.quota.monthly.unwrap().current, Some(30.0));
}

/// 140: every type of download, and runs; what has no name is refused before any request.
#[tokio::test]
async fn artifacts_are_of_any_type_and_run() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/api/v2/submission/info" => Reply::json(200, FINISHED),
        _ => Reply::json(200, "bytes").with("content-disposition", "attachment; filename=\"../r.bin\""),
    })
    .await;
    let joe = joe(&server.address);
    use ArtifactKind::{Dropped, Html, Json, Memory, Other, Pcap, Pdf, Sample, Screenshots, Xml};
    let mut wanted = vec![
        (Pdf, None, "pdf", None),
        (Html, None, "html", None),
        (Html, Some("lighthtml"), "lighthtml", None),
        (Xml, Some("1"), "xml", Some("1")),
        (Json, None, "jsonfixed", None),
        (Pcap, None, "pcap", None),
        (Dropped, None, "bins", None),
        (Screenshots, None, "shoots", None),
        (Memory, None, "memdumps", None),
        (Sample, None, "sample", None),
        (Other, Some("unpack:2"), "unpack", Some("2")),
        (Other, Some("a/new&type"), "a/new&type", None),
    ];
    wanted.extend(JOE_DOWNLOADS.map(|kind| (Other, Some(kind), kind, None)));
    for (kind, name, expected, run) in wanted {
        let artifact = Artifact { kind, name: name.map(str::to_owned) };
        let download = joe.artifact(&Submission::new("140"), artifact).await.unwrap();
        assert_eq!((download.name.as_deref(), download.length), (Some("r.bin"), Some(5)));
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        let mut fields = vec![("apikey", KEY), ("webid", "179"), ("type", expected)];
        fields.extend(run.map(|run| ("run", run)));
        assert_eq!(form(&server.take()[1]), pairs(&fields));
    }
    for (kind, name, expected) in [
        (ArtifactKind::All, None, "unsupported"),
        (Other, None, "invalid"),
        (Other, Some("3"), "invalid"),
        (Pdf, Some("pdf:x"), "invalid"),
    ] {
        let artifact = Artifact { kind, name: name.map(str::to_owned) };
        let error = joe.artifact(&Submission::new("140"), artifact).await.unwrap_err();
        assert_eq!(super::joe::kind(&error), expected, "{error}");
    }
    assert!(server.lines().is_empty());
}

/// A text that is searched for may be found in a comment; only a finished analysis of this hash counts, the newest.
#[tokio::test]
async fn a_hash_finds_the_newest_finished_analysis() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let server = StandIn::start(move |request| {
        let fields: HashMap<String, String> = form(request).into_iter().collect();
        match (request.target.as_str(), fields.get("webid").map(String::as_str)) {
            ("/api/v2/analysis/search", _) if fields["q"] == md5 => {
                Reply::json(200, r#"{"data": [{"webid": "4"}, {"webid": 3}, {"webid": "2"}, {"webid": "1"}, {}]}"#)
            }
            ("/api/v2/analysis/search", _) => Reply::json(200, r#"{"data": []}"#),
            (_, Some(web)) => {
                let (status, hash) = match web {
                    "4" => ("running", md5),
                    "3" => ("finished", "00000000000000000000000000000000"),
                    _ => ("finished", md5),
                };
                let time = format!("2026-01-0{web}T00:00:00+00:00");
                let data = json!({"status": status, "md5": hash.to_uppercase(), "time": time});
                Reply::json(200, &json!({ "data": data }).to_string())
            }
            _ => Reply::json(404, "{}"),
        }
    })
    .await;
    let joe = joe(&server.address);
    let found = joe.look_up(&Hash::parse(md5).unwrap()).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.others["webid"].as_str()), ("webid:2", "2"));
    assert_eq!(joe.look_up(&Hash::parse(&"0".repeat(32)).unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn lists_and_servers_are_asked_for() {
    let (server, joe) = server(&[
        (
            "submission/list",
            200,
            r#"{"data": [{"submission_id": "1"}, {"submission_id": 2}, {}], "pagination": {"next": "p2"}}"#,
        ),
        ("analysis/list", 200, r#"{"data": [{"webid": "5"}]}"#),
        ("server/info", 200, r#"{"data": {"queuesize": 6}}"#),
        (
            "server/systems",
            200,
            r#"{"data": [{"name": "w7", "description": "Windows 7", "arch": "WINDOWS", "count": 3}]}"#,
        ),
        ("server/lia_countries", 200, r#"{"data": [{"name": "Peru"}]}"#),
        ("server/languages_and_locales", 200, r#"{"data": [{"name": "German"}]}"#),
    ])
    .await;
    let page = joe.submissions(None, true).await.unwrap();
    assert_eq!((page.ids, page.next.as_deref()), (vec!["1".to_owned(), "2".to_owned()], Some("p2")));
    joe.submissions(Some("p2"), false).await.unwrap();
    let last = joe.analyses(None).await.unwrap();
    assert_eq!((last.ids, last.next), (vec!["5".to_owned()], None));
    let sent: Vec<_> = server.take().iter().map(form).collect();
    assert_eq!(sent[0], pairs(&[("apikey", KEY), ("pagination", "1"), ("include-shared", "1")]));
    assert_eq!(sent[1], pairs(&[("apikey", KEY), ("pagination", "1"), ("pagination_next", "p2")]));
    assert_eq!(joe.queue().await.unwrap().waiting, 6);
    assert_eq!(joe.systems().await.unwrap()[0].name.as_deref(), Some("w7"));
    assert_eq!(joe.countries().await.unwrap()[0]["name"], "Peru");
    assert_eq!(joe.languages().await.unwrap()[0]["name"], "German");
}

#[tokio::test]
async fn deleting_is_of_a_submission_or_of_an_analysis() {
    let fine = r#"{"data": null}"#;
    let (server, joe) = server(&[("submission/delete", 200, fine), ("analysis/delete", 200, fine)]).await;
    joe.delete(&Submission::new("140")).await.unwrap();
    joe.delete(&Submission::new("webid:179")).await.unwrap();
    let received = server.take();
    assert_eq!(received[0].line(), "POST /api/v2/submission/delete");
    assert_eq!(form(&received[0])[1], ("submission_id".to_owned(), "140".to_owned()));
    assert_eq!(received[1].line(), "POST /api/v2/analysis/delete");
    assert_eq!(form(&received[1])[1], ("webid".to_owned(), "179".to_owned()));
    let server = StandIn::start(|_| Reply::json(503, "")).await;
    joe_deletes_once(&server).await;
}

async fn joe_deletes_once(server: &StandIn) {
    assert!(joe(&server.address).delete(&Submission::new("1")).await.is_err());
    assert_eq!(server.lines().len(), 1, "what changes something is sent once");
    assert!(joe(&server.address).status(&Submission::new("1")).await.is_err());
    assert_eq!(server.lines().len(), 2, "what only asks is sent again, although it is a POST");
}

#[tokio::test]
async fn a_machine_of_the_lab_is_worked_with() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/api/v2/joelab/filesystem/download" | "/api/v2/joelab/pcap/download" => Reply::json(200, "bytes"),
        _ => Reply::json(200, r#"{"data": {"fine": true}}"#),
    })
    .await;
    let joe = joe(&server.address);
    let lab = joe.lab("w10_1");
    let settings = BTreeMap::from([("internet-enabled".to_owned(), "1".to_owned())]);
    let machine = ("machine", "w10_1");
    let mut asked = Vec::new();
    for (done, endpoint, more) in [
        (lab.info().await, "machine/info", vec![machine]),
        (lab.images().await, "images/list", vec![machine]),
        (lab.capture().await, "images/capture", vec![machine]),
        (lab.reset(Some("clean")).await, "images/reset", vec![machine, ("image", "clean")]),
        (lab.network().await, "network/info", vec![machine]),
        (lab.update_network(&settings).await, "network/update", vec![machine, ("internet-enabled", "1")]),
        (lab.start_pcap().await, "pcap/start", vec![machine]),
        (lab.stop_pcap().await, "pcap/stop", vec![machine]),
        (joe.lab_exit_points().await, "internet-exitpoints/list", vec![]),
    ] {
        assert_eq!(done.unwrap()["fine"], true);
        asked.push((endpoint, more));
    }
    for (request, (endpoint, more)) in server.take().iter().zip(asked) {
        assert_eq!(request.line(), format!("POST /api/v2/joelab/{endpoint}"));
        assert_eq!(form(request), pairs(&[&[("apikey", KEY)], more.as_slice()].concat()));
    }
    let downloads = [lab.download("C:\\a.txt").await.unwrap(), lab.pcap().await.unwrap()];
    let fields = [vec![machine, ("path", "C:\\a.txt")], vec![machine]];
    for ((download, request), fields) in downloads.into_iter().zip(server.take()).zip(fields) {
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        assert_eq!(form(&request)[1..], pairs(&fields));
    }
    lab.upload(&Sample::bytes("a.txt", &b"x"[..]), Some("C:\\")).await.unwrap();
    let expected = [("apikey", KEY), machine, ("path", "C:\\"), ("file", "a.txt=x")];
    assert_eq!(parts(&server.take()[0]), pairs(&expected));
    assert_eq!(kind(&lab.upload(&Sample::url("http://x"), None).await.unwrap_err()), "invalid");
}

/// 134, 142: the vendor's cloud unless another address is given.
#[test]
fn the_cloud_has_an_address() {
    assert_eq!(JOE_CLOUD, "https://jbxcloud.joesecurity.org/api");
    let joe = Joe::new(JoeSettings::new(Settings::new("joe", JOE_CLOUD), Secret::new(KEY))).unwrap();
    assert_eq!((joe.name(), joe.vendor().name()), ("joe", "joe"));
    assert!(Joe::new(JoeSettings::new(Settings::new("joe", "jbxcloud"), Secret::new(KEY))).is_err());
}

/// 41: a proxy is used.
#[tokio::test]
async fn a_proxy_is_used() {
    let proxy = StandIn::start(|_| Reply::json(200, r#"{"data": {"queuesize": 1}}"#)).await;
    let mut settings = settings("http://joe.invalid");
    settings.http.proxy = Some(Secret::new(&proxy.address));
    assert_eq!(Joe::new(settings).unwrap().queue().await.unwrap().waiting, 1);
    assert_eq!(proxy.lines(), ["POST http://joe.invalid/api/v2/server/info"]);
}
