//! CAPE.

use crate::stand_in::{Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{Cape, CapeFilter, CapeSettings};
use belljar_client::{
    Artifact, ArtifactKind, Error, ErrorKind, Hash, Options, Sample, Sandbox, Secret, Status, Submission, Word,
};
use futures_util::TryStreamExt as _;

fn cape(address: &str) -> Cape {
    let mut http = Settings::new("lab", address);
    http.tries = 2;
    Cape::new(CapeSettings { http, token: Some(Secret::new("s3cr3t-key")) }).unwrap()
}

async fn one(status: u16, body: &str) -> (StandIn, Cape) {
    let body = body.to_owned();
    let server = StandIn::start(move |_| Reply::json(status, &body)).await;
    let cape = cape(&server.address);
    (server, cape)
}

/// An attachment, as all that is a file comes.
fn file(content_type: &str, body: &str) -> Reply {
    Reply::typed(200, content_type, body).with("content-disposition", "attachment; filename=x.bin")
}

fn name(error: &Error) -> &'static str {
    match error.kind {
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Forbidden(_) => "forbidden",
        ErrorKind::Unauthenticated(_) => "unauthenticated",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::NotReady(_) => "not ready",
        ErrorKind::Quota { .. } => "quota",
        ErrorKind::Refused(_) => "refused",
        ErrorKind::Duplicate(_) => "duplicate",
        ErrorKind::AnalysisFailed(_) => "failed",
        ErrorKind::Malformed(_) => "malformed",
        ErrorKind::Status { .. } => "status",
        _ => "other",
    }
}

fn hash() -> Hash {
    Hash::parse("d41d8cd98f00b204e9800998ecf8427e").unwrap()
}

#[tokio::test]
async fn submitting_gives_ids_or_says_why_not() {
    let ok = |id: &str, more: &[&str]| Ok((id.to_owned(), more.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()));
    let failed = |errors: &str| {
        format!(r#"{{"error": true, "error_value": "Error adding task to database", "errors": [{errors}]}}"#)
    };
    for (status, body, expected) in [
        (200, r#"{"error": [], "data": {"task_ids": [41], "message": "m"}, "errors": [], "url": []}"#, ok("41", &[])),
        (200, r#"{"error": false, "data": {"task_ids": [42, "43", 42]}, "errors": [{"b": "x"}]}"#, ok("42", &["43"])),
        (200, r#"{"error": [], "data": {"task_ids": ["1-400", "../9"]}}"#, Err("malformed")),
        (200, r#"{"error": [], "data": {}}"#, Err("malformed")),
        (200, "{}", Err("malformed")),
        (200, "[]", Err("malformed")),
        (200, r#"{"error": true, "error_value": "No file was submitted"}"#, Err("invalid")),
        (200, r#"{"error": true, "error_value": "Machine=all is disabled using the API"}"#, Err("invalid")),
        (200, r#"{"error": true, "error_value": "Machine 'x' does not exist. Available: a"}"#, Err("invalid")),
        (200, r#"{"error": true, "error_value": "File Create API is Disabled"}"#, Err("forbidden")),
        (200, r#"{"error": "Was impossible to retrieve url"}"#, Err("refused")),
        (200, &failed(r#"{"x.exe": "You uploaded an empty file."}"#), Err("refused")),
        (200, &failed(r#"{"x.exe": "Uploaded file exceeds the maximum allowed size in conf"}"#), Err("refused")),
        (200, &failed(r#"{"x.exe": "Duplicated file, disable unique option on submit"}"#), Err("duplicate")),
        (200, &failed(r#"{"x.exe": "Not unique, as unique option set on submit"}"#), Err("duplicate")),
        (200, &failed(r#"{"x.exe": {"error": "Linux binaries analysis isn't enabled"}}"#), Err("refused")),
        (
            200,
            &failed(r#"{"x.exe": {"error": "Check Tags help, you have introduced incorrect tag(s)"}}"#),
            Err("invalid"),
        ),
        (200, r#"{"error": [], "data": {"task_ids": []}, "errors": [{"x": "Not unique, as"}]}"#, Err("duplicate")),
        (401, r#"{"detail": "Invalid token."}"#, Err("unauthenticated")),
        (403, r#"{"detail": "You do not have permission"}"#, Err("forbidden")),
        (429, r#"{"detail": "Request was throttled."}"#, Err("quota")),
        (200, r#"{"error": true, "error_value": "Request was throttled."}"#, Err("quota")),
        (500, "<html>", Err("status")),
    ] {
        let (server, cape) = one(status, body).await;
        let environment = Some("win10".to_owned());
        let archive_password = Some(Secret::new("pw"));
        let analysis_time = Some(std::time::Duration::from_secs(90));
        let mut options = Options { environment, archive_password, analysis_time, ..Options::default() };
        options.vendor.insert("options".to_owned(), "free=yes".to_owned());
        options.vendor.insert("tlp".to_owned(), "green".to_owned());
        let submitted = cape.submit(&Sample::bytes("a.exe", &b"MZ"[..]), &options).await;
        let came = submitted.map(|submission| (submission.id, submission.more));
        assert_eq!(came.as_ref().map_err(name), expected.as_ref().map_err(|kind| *kind), "{body}: {came:?}");
        let received = server.take();
        assert_eq!(received.len(), if status == 429 { 2 } else { 1 }, "sent once, unless nothing has happened: {body}");
        assert_eq!(received[0].line(), "POST /apiv2/tasks/create/file/");
        assert_eq!(received[0].headers["authorization"], "Token s3cr3t-key");
        let field = |name: &str, text: &str| (name.to_owned(), None, text.as_bytes().to_vec());
        let fields = [
            field("tlp", "green"),
            field("options", "free=yes,password=pw"),
            field("timeout", "90"),
            field("machine", "win10"),
            ("file".to_owned(), Some("a.exe".to_owned()), b"MZ".to_vec()),
        ];
        assert_eq!(received[0].parts(), fields);
    }
}

#[tokio::test]
async fn everything_that_can_be_submitted_goes_where_it_should() {
    let body = r#"{"error": [], "data": {"task_ids": [1, 2], "config": {"Emotet": {}}}, "errors": [{"c": "no"}]}"#;
    let (server, cape) = one(200, body).await;
    let none = Options::default();
    let files = [Sample::bytes("a", &b"1"[..]), Sample::bytes("b", &b"2"[..])];
    cape.submit(&Sample::url("http://a.test/?x=1&y"), &none).await.unwrap();
    let uploads = cape.submit_files(&files, &none).await.unwrap();
    assert_eq!((uploads.submissions.len(), uploads.errors), (2, vec!["c: no".to_owned()]));
    cape.submit_capture(&files[0], &none).await.unwrap();
    cape.download_and_run("http://a.test/x.exe", &none).await.unwrap();
    let (_, config) = cape.extract(&files, &none).await.unwrap();
    assert!(config["Emotet"].is_object());
    cape.submit_hashes(&[hash(), hash()], &none).await.unwrap();
    let field = |name: &str, text: &str| (name.to_owned(), None, text.as_bytes().to_vec());
    let upload = |name: &str, text: &str| ("file".to_owned(), Some(name.to_owned()), text.as_bytes().to_vec());
    let hashes = [hash().as_str(), hash().as_str()].join(",");
    let expected = [
        ("url", vec![field("url", "http://a.test/?x=1&y")]),
        ("file", vec![upload("a", "1"), upload("b", "2")]),
        ("file", vec![field("pcap", "1"), upload("a", "1")]),
        ("dlnexec", vec![field("dlnexec", "http://a.test/x.exe")]),
        ("static", vec![upload("a", "1"), upload("b", "2")]),
        ("download_services", vec![field("hashes", &hashes)]),
    ];
    let received = server.take();
    assert_eq!(received.len(), expected.len());
    for (request, (kind, parts)) in received.iter().zip(expected) {
        assert_eq!(request.line(), format!("POST /apiv2/tasks/create/{kind}/"));
        assert_eq!(request.parts(), parts);
    }
    let running = Options { environment: Some("win10".to_owned()), ..Options::default() };
    let comma = Options { archive_password: Some(Secret::new("a,b")), ..Options::default() };
    for error in [
        cape.extract(&files, &running).await.unwrap_err(),
        cape.submit_files(&[], &none).await.unwrap_err(),
        cape.submit_files(&[Sample::url("http://a.test")], &none).await.unwrap_err(),
        cape.submit(&files[0], &comma).await.unwrap_err(),
    ] {
        assert_eq!(name(&error), "invalid", "{error}");
    }
    assert!(server.lines().is_empty(), "what makes no sense is not sent");
}

/// `completed` is not finished; a task that was replaced leads to the one that replaced it; errors come with status 200.
#[tokio::test]
async fn a_status_is_what_it_says() {
    let failed = |why: &str| Ok(Status::Failed(why.to_owned()));
    for (state, view, expected) in [
        ("pending", "", Ok(Status::Queued)),
        ("running", "", Ok(Status::Running)),
        ("completed", "", Ok(Status::Running)),
        ("distributed", "", Ok(Status::Running)),
        ("never seen", "", Ok(Status::Running)),
        ("reported", "", Ok(Status::Finished)),
        ("banned", "", failed("the server has banned this sample")),
        ("failed_analysis", r#"{"status": "failed_analysis", "errors": ["no VM"]}"#, failed("failed_analysis: no VM")),
        ("failed_processing", r#"{"status": "reported"}"#, failed("failed_processing")),
        ("failed_reporting", "5", failed("failed_reporting")),
        ("recovered", r#"{"custom": "Recovery_8"}"#, Ok(Status::Finished)),
        ("recovered", r#"{"custom": "Recovery_7"}"#, failed("it was replaced by other tasks again and again")),
        ("recovered", r#"{"custom": "Recovery_1-9"}"#, failed("it was replaced by another task (rescheduled)")),
        ("recovered", r#"{"custom": null}"#, failed("it was replaced by another task (rescheduled)")),
    ] {
        let server = StandIn::start(move |request| match request.target.as_str() {
            "/apiv2/tasks/status/7/" => Reply::json(200, &format!(r#"{{"error": false, "data": "{state}"}}"#)),
            "/apiv2/tasks/status/8/" => Reply::json(200, r#"{"error": false, "data": "reported"}"#),
            "/apiv2/tasks/view/7/" => Reply::json(200, &format!(r#"{{"error": false, "data": {view}}}"#)),
            _ => Reply::json(404, "{}"),
        })
        .await;
        let status = cape(&server.address).status(&Submission::new("7")).await;
        assert_eq!(status.as_ref().map_err(name), expected.as_ref().map_err(|kind: &&str| *kind), "{state} {view}");
    }
    for (status, body, expected) in [
        (200, r#"{"error": true, "error_value": "Task does not exist"}"#, "not found"),
        (200, r#"{"error": true, "error_value": "Task status API is disabled"}"#, "forbidden"),
        (200, r#"{"error": true}"#, "status"),
        (200, r#"{"error": false, "data": null}"#, "malformed"),
        (404, "<html>", "not found"),
        (400, r#"{"error": true, "error_value": "Malformed task ID"}"#, "invalid"),
    ] {
        let (_server, cape) = one(status, body).await;
        assert_eq!(name(&cape.status(&Submission::new("7")).await.unwrap_err()), expected, "{body}");
    }
}

/// 9, 10, 82-85, by CAPE's own word: what it did not detect is not clean, and nothing is made up where there is none.
#[tokio::test]
async fn the_verdict_is_capes_own() {
    for (body, word, score) in [
        (r#"{"malscore": 10.0, "malstatus": "Malicious"}"#, Word::Malicious, Some(100)),
        (r#"{"malscore": 5, "malstatus": "Malicious"}"#, Word::Malicious, Some(50)),
        (r#"{"malscore": "4.2", "malstatus": "Suspicious"}"#, Word::Suspicious, Some(42)),
        (r#"{"malscore": 2.0, "malstatus": "Clean"}"#, Word::Clean, Some(20)),
        (r#"{"malscore": 0.0, "malstatus": "Undetected"}"#, Word::Unknown, Some(0)),
        (r#"{"malscore": 0.0, "malstatus": "Failed"}"#, Word::Unknown, None),
        (r#"{"malscore": 9.9, "malstatus": "Benign?"}"#, Word::Malicious, Some(99)),
        (r#"{"malscore": 0.1, "malstatus": "Harmless"}"#, Word::Unknown, Some(1)),
        (r#"{"malscore": 7.0, "malstatus": null}"#, Word::Malicious, Some(70)),
        (r#"{"malscore": 4.0}"#, Word::Suspicious, Some(40)),
        (r#"{"malscore": 3.9}"#, Word::Unknown, Some(39)),
        (r#"{"malscore": 0, "malstatus": ["Clean"]}"#, Word::Unknown, Some(0)),
        (r#"{"malscore": null, "malstatus": null}"#, Word::Unknown, None),
        ("{}", Word::Unknown, None),
    ] {
        let server = StandIn::start(move |_| file("application/json; charset=UTF-8", body)).await;
        let report = cape(&server.address).report(&Submission::new("8")).await.unwrap();
        assert_eq!((report.verdict.verdict, report.verdict.score), (word, score), "{body}");
        assert_eq!(report.link, Some(format!("{}/analysis/8/", server.address)));
        assert_eq!(server.lines(), ["GET /apiv2/tasks/get/report/8/json/"]);
    }
}

#[tokio::test]
async fn a_report_says_what_was_found() {
    let body = r#"{"malscore": 8.0, "malstatus": "Malicious", "info": {"id": 8, "machine": {"name": "win10_1"}},
        "target": {"category": "file", "file": {"name": "a.exe", "md5": "0f", "sha256": "e3"}},
        "detections": [{"family": "Zed", "details": []}, "Other"],
        "CAPE": {"payloads": [{"sha256": "p1", "cape_type": "Zed"}], "configs": [{"Zed": {"C2": ["1.1.1.1"]}}, 5]},
        "ttps": [{"signature": "high", "ttps": ["T1055"], "mbcs": []}],
        "signatures": [{"name": "low", "severity": 1}, {"name": "high", "description": "It injects.", "severity": 3}],
        "behavior": {"processes": [{"calls": [{"api": "x"}]}], "summary": {"mutexes": ["m"], "write_keys": ["HKLM"],
            "executed_commands": ["cmd"], "write_files": ["C:\\x"]}},
        "dropped": [{"sha256": "d1"}],
        "network": {"hosts": [{"ip": "5.6.7.8", "ports": []}], "domains": [{"domain": "evil.test"}], "http": []}}"#;
    let server = StandIn::start(move |_| file("application/json", body)).await;
    let address = format!("{}/apiv2/", server.address.replace("http://", "http://me:pw@"));
    let report = cape(&address).report(&Submission::new("8")).await.unwrap();
    assert_eq!(report.link, Some(format!("{}/analysis/8/", server.address)), "without the password");
    assert_eq!(server.lines(), ["GET /apiv2/tasks/get/report/8/json/"], "`/apiv2` is there once");
    assert_eq!((report.name.as_deref(), report.environment.as_deref()), (Some("a.exe"), Some("win10_1")));
    assert_eq!(report.verdict.families, ["Other", "Zed"]);
    assert_eq!(report.verdict.reasons, ["It injects.", "low"]);
    assert_eq!((report.findings[0].name.as_str(), report.findings[0].severity), ("high", Some(100)));
    assert_eq!(report.findings[0].techniques, ["T1055"]);
    let indicators: Vec<&str> = report.indicators.iter().map(|indicator| indicator.value.as_str()).collect();
    assert_eq!(indicators, ["evil.test", "5.6.7.8", "d1", "p1", "C:\\x", "m", "HKLM", "cmd"]);
}

/// 83, 85: what is said instead of a report, mostly with status 200, is never a report.
#[tokio::test]
async fn an_error_is_no_report() {
    for (reply, expected) in [
        (r#"{"error": true, "error_value": "Task does not exist"}"#, "not found"),
        (r#"{"error": true, "error_value": "Task failed"}"#, "failed"),
        (r#"{"error": true, "error_value": "Task is still being analyzed"}"#, "not ready"),
        (r#"{"error": true, "error_value": "Task has a TLP of RED"}"#, "forbidden"),
        (r#"{"error": true, "error_value": "Task Report API is Disabled"}"#, "forbidden"),
        (r#"{"error": true, "error_value": "No reports created for task 8"}"#, "not found"),
        (r#"{"error": true, "error_value": "Reports directory does not exist"}"#, "not found"),
    ] {
        let (_server, cape) = one(200, reply).await;
        let eight = Submission::new("8");
        let error = cape.report(&eight).await.unwrap_err();
        assert_eq!(name(&error), expected, "{reply}: {error}");
        let error = cape.artifact(&eight, ArtifactKind::Pcap.into()).await.unwrap_err();
        assert_eq!(name(&error), expected, "{reply}: {error}");
    }
    for (page, expected) in [
        ("<p>You don't have permissions to download reports.</p>", "forbidden"),
        ("<title>x</title>File not found: y", "not found"),
        ("<form>Please log in</form>", "malformed"),
    ] {
        let server = StandIn::start(move |_| Reply::typed(200, "text/html", page)).await;
        let error = cape(&server.address).report(&Submission::new("8")).await.unwrap_err();
        assert_eq!(name(&error), expected, "{error}");
        assert!(!error.to_string().contains('<'), "{error}");
    }
    let (_server, cape) = one(400, r#"{"error": true, "error_value": "Report format not found: x"}"#).await;
    assert_eq!(name(&cape.report(&Submission::new("8")).await.unwrap_err()), "invalid");
}

#[tokio::test]
async fn artifacts_come_as_streams_with_their_password() {
    let server = StandIn::start(|_| file("application/zip", "bytes")).await;
    let cape = cape(&server.address);
    let eight = Submission::new("8");
    let password = Some("infected");
    for (kind, which, target, expected) in [
        (ArtifactKind::Json, None, "tasks/get/report/8/json/", None),
        (ArtifactKind::Json, Some("litereport"), "tasks/get/report/8/litereport/", None),
        (ArtifactKind::Html, None, "tasks/get/report/8/html/", None),
        (ArtifactKind::Pdf, None, "tasks/get/report/8/pdf/", None),
        (ArtifactKind::Xml, Some("metadata"), "tasks/get/report/8/metadata/", None),
        (ArtifactKind::All, None, "tasks/get/report/8/all/", None),
        (ArtifactKind::All, Some("lite"), "tasks/get/report/8/lite/", None),
        (ArtifactKind::Pcap, None, "tasks/get/pcap/8/", None),
        (ArtifactKind::Pcap, Some("decrypted"), "tasks/get/pcap/8/decrypted/", None),
        (ArtifactKind::Pcap, Some("tls"), "tasks/get/tlspcap/8/", None),
        (ArtifactKind::Dropped, None, "tasks/get/dropped/8/", password),
        (ArtifactKind::Dropped, Some("50"), "tasks/get/dropped/8/?max_size=50", password),
        (ArtifactKind::Screenshots, None, "tasks/get/screenshot/8/", None),
        (ArtifactKind::Screenshots, Some("0003"), "tasks/get/screenshot/8/0003/", None),
        (ArtifactKind::Memory, None, "tasks/get/procmemory/8/", password),
        (ArtifactKind::Memory, Some("1234"), "tasks/get/procmemory/8/1234/", password),
        (ArtifactKind::Memory, Some("full"), "tasks/get/fullmemory/8/", None),
        (ArtifactKind::Sample, None, "files/get/task/8/", None),
        (ArtifactKind::Sample, Some("encrypted"), "files/get/task/8/?encrypted=1", password),
        (ArtifactKind::Other, Some("payloadfiles"), "tasks/get/payloadfiles/8/", password),
        (ArtifactKind::Other, Some("bulkzip/logs"), "tasks/get/bulkzip/8/logs/", password),
        (ArtifactKind::Other, Some("etw/amsi"), "tasks/get/etw/8/amsi/", password),
        (ArtifactKind::Other, Some("etw/dns"), "tasks/get/etw/8/dns/", None),
        (ArtifactKind::Other, Some("selfextracted/a b"), "tasks/get/selfextracted/8/a%20b/", None),
        (ArtifactKind::Other, Some("protobuf"), "tasks/get/report/8/protobuf/", None),
    ] {
        let artifact = Artifact { kind, name: which.map(str::to_owned) };
        let download = cape.artifact(&eight, artifact).await.unwrap();
        assert_eq!((download.password, download.length), (expected, Some(5)), "{target}");
        assert_eq!(download.name.as_deref(), Some("x.bin"));
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        assert_eq!(server.lines(), [format!("GET /apiv2/{target}")]);
    }
    for (kind, which) in [
        (ArtifactKind::Other, None),
        (ArtifactKind::Other, Some("delete")),
        (ArtifactKind::Other, Some("keys")),
        (ArtifactKind::Other, Some("etw/x")),
        (ArtifactKind::Pcap, Some("../delete")),
        (ArtifactKind::Screenshots, Some("a")),
        (ArtifactKind::Pdf, Some("x")),
    ] {
        let artifact = Artifact { kind, name: which.map(str::to_owned) };
        assert_eq!(name(&cape.artifact(&eight, artifact).await.unwrap_err()), "invalid", "{which:?}");
    }
    let download = cape.sample_bytes(&hash(), true).await.unwrap();
    assert_eq!(download.password, password);
    let target = format!("GET /apiv2/files/get/md5/{}/?encrypted=1", hash().as_str());
    assert_eq!(server.lines(), [target], "what makes no sense is not asked for");
}

/// `1-400` in the place of an id would be 400 tasks.
#[tokio::test]
async fn an_id_is_one_task() {
    let (server, cape) = one(200, r#"{"error": false, "data": "reported"}"#).await;
    for id in ["1-400", "1,2", "", "..", "1/reported", "٣", "123456789012345678901"] {
        let odd = Submission::new(id);
        assert_eq!(name(&cape.delete(&odd).await.unwrap_err()), "invalid", "{id}");
        assert_eq!(name(&cape.status(&odd).await.unwrap_err()), "invalid", "{id}");
        assert_eq!(name(&cape.report(&odd).await.unwrap_err()), "invalid", "{id}");
        assert_eq!(name(&cape.delete_many(&[Submission::new("1"), odd]).await.unwrap_err()), "invalid", "{id}");
    }
    assert!(server.lines().is_empty());
}

/// 75-78: what is deleted is named with its status, because only reported tasks are deleted otherwise; what runs is not.
#[tokio::test]
async fn deleting_is_sent_once() {
    for (state, answer, lines, expected) in [
        ("reported", r#"{"data": "Task(s) ID(s) 3 has been deleted"}"#, vec!["3/"], Ok(())),
        ("failed_analysis", r#"{"data": "Task(s) ID(s) 3 has been deleted"}"#, vec!["3/failed_analysis/"], Ok(())),
        ("running", "{}", vec![], Err("not ready")),
        ("reported", r#"{"error": true, "failed": "Task(s) ID(s) 3 failed to remove"}"#, vec!["3/"], Err("status")),
        (
            "reported",
            r#"{"error": true, "error_value": "Task Deletion API is Disabled"}"#,
            vec!["3/"],
            Err("forbidden"),
        ),
    ] {
        let server = StandIn::start(move |request| match request.target.starts_with("/apiv2/tasks/status/") {
            true => Reply::json(200, &format!(r#"{{"error": false, "data": "{state}"}}"#)),
            false => Reply::json(200, answer),
        })
        .await;
        let deleted = cape(&server.address).delete(&Submission::new("3")).await;
        assert_eq!(deleted.as_ref().map_err(name), expected.as_ref().map_err(|kind| *kind), "{state} {answer}");
        let expected: Vec<String> = ["GET /apiv2/tasks/status/3/".to_owned()]
            .into_iter()
            .chain(lines.iter().map(|line| format!("GET /apiv2/tasks/delete/{line}")))
            .collect();
        assert_eq!(server.lines(), expected);
    }
    let body = r#"{"41": "deleted", "42": "running", "status": "partial_error", "error": true, "invalid_ids": []}"#;
    let (server, cape) = one(200, body).await;
    let told = cape.delete_many(&[Submission::new("41"), Submission::new("42")]).await.unwrap();
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        [("41".into(), "deleted".into()), ("42".into(), "running".into())]
    );
    assert_eq!(&server.take()[0].body[..], b"ids=41%2C42");
    let (_server, cape) = one(200, r#"{"error": true, "error_value": "x is disabled"}"#).await;
    assert_eq!(name(&cape.delete_many(&[Submission::new("41")]).await.unwrap_err()), "forbidden");
}

#[tokio::test]
async fn a_hash_finds_the_newest_analysis_that_ran() {
    let body = r#"{"error": [], "data": [{"id": 9, "status": "reported", "category": "file"},
        {"id": 10, "status": "reported", "category": "file"}, {"id": 11, "status": "running", "category": "file"},
        {"id": 12, "status": "reported", "category": "static"}, {"id": "1-400", "status": "reported"}]}"#;
    for (body, expected) in [
        (body, Ok(Some("10".to_owned()))),
        (r#"{"data": [], "error": false}"#, Ok(None)),
        (r#"{"error": true, "error_value": "Sample not found in database"}"#, Ok(None)),
        (r#"{"error": true, "error_value": "Task Search API is Disabled"}"#, Err("forbidden")),
        ("{}", Err("malformed")),
    ] {
        let (server, cape) = one(200, body).await;
        let found = cape.look_up(&hash()).await.map(|found| found.map(|submission| submission.id));
        assert_eq!(found.as_ref().map_err(name), expected.as_ref().map_err(|kind| *kind), "{body}");
        assert_eq!(server.lines(), [format!("GET /apiv2/tasks/search/md5/{}/", hash().as_str())]);
    }
}

/// 6-8, 79-81: a server that does not tell its status is there nevertheless, unless the key is wrong.
#[tokio::test]
async fn availability_and_the_queue() {
    let body = r#"{"error": [], "data": {"version": "2.5", "machines": {"total": 2, "available": 1},
        "tasks": {"pending": 3, "running": 1}}}"#;
    let (server, cape) = one(200, body).await;
    let available = cape.available().await.unwrap();
    assert_eq!(
        (available.version.as_deref(), available.remarks.as_slice()),
        (Some("2.5"), &["1 of 2 machines are free".to_owned()][..])
    );
    let queue = cape.queue().await.unwrap();
    assert_eq!((queue.waiting, queue.running), (3, Some(1)));
    assert_eq!(server.lines(), ["GET /apiv2/cuckoo/status/", "GET /apiv2/cuckoo/status/"]);
    let (_server, cape) = one(200, r#"{"error": true, "error_value": "Cuckoo Status API is disabled"}"#).await;
    assert!(cape.available().await.unwrap().remarks[0].contains("Cuckoo Status API is disabled"));
    assert_eq!(name(&cape.queue().await.unwrap_err()), "forbidden");
    for (status, expected) in [(401, "unauthenticated"), (403, "forbidden"), (404, "not found"), (500, "status")] {
        let (_server, cape) = one(status, "{}").await;
        assert_eq!(name(&cape.available().await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn tasks_are_listed_and_searched() {
    let body = r#"{"data": [{"id": 5, "status": "reported", "options": "a=b", "tlp": null}, 7], "config": "x", "buf": 1,
        "warning": "Task limit exceeds API configured limit.", "ids": [{"id": 6}]}"#;
    let (server, cape) = one(200, body).await;
    assert_eq!(cape.tasks(&CapeFilter::default()).await.unwrap()[0].id, "5");
    let filter = CapeFilter {
        limit: 5,
        offset: 10,
        within_minutes: Some(60),
        completed_after: Some(7),
        state: Some("reported".to_owned()),
        option: Some("free=yes".to_owned()),
        category: Some("url".to_owned()),
    };
    cape.tasks(&filter).await.unwrap();
    assert_eq!(cape.latest(24).await.unwrap()[0].id, "6");
    assert_eq!(cape.search_reports("domain", "a b.test", 20).await.unwrap().len(), 2);
    let received = server.take();
    let lines: Vec<String> = received.iter().map(|request| request.line()).collect();
    assert_eq!(
        lines,
        [
            "GET /apiv2/tasks/list/10/0/",
            "GET /apiv2/tasks/list/5/10/60/?completed_after=7&status=reported&option=free%3Dyes&category=url",
            "GET /apiv2/tasks/get/latests/24/",
            "POST /apiv2/tasks/extendedsearch/",
        ]
    );
    assert_eq!(&received[3].body[..], b"option=domain&argument=a+b.test&search_limit=20");
    for (error, expected) in [
        ("Unable to retrieve records", Ok(0)),
        ("Invalid Option. 'x' is not a valid option.", Err("invalid")),
        ("Extended Task Search API is Disabled", Err("forbidden")),
    ] {
        let (_server, cape) = one(200, &format!(r#"{{"error": true, "error_value": "{error}"}}"#)).await;
        let found = cape.search_reports("x", "y", 1).await.map(|found| found.len());
        assert_eq!(found.as_ref().map_err(name), expected.as_ref().map_err(|kind| *kind), "{error}");
    }
}

#[tokio::test]
async fn tasks_are_run_again_and_ended_once() {
    let server = StandIn::start(|request| match (request.method.as_str(), request.target.as_str()) {
        (_, "/apiv2/tasks/reschedule/3/") => Reply::json(200, r#"{"error": [], "data": {"new_task_id": 50}}"#),
        (_, "/apiv2/tasks/reprocess/3/") => Reply::json(200, r#"{"error": false, "data": "Task ID 3 marked"}"#),
        (_, "/apiv2/tasks/reprocess/4/") => {
            Reply::json(200, r#"{"error": true, "error_value": "Task ID 4 cannot be reprocessed in status pending"}"#)
        }
        ("POST", "/apiv2/tasks/status/3/") => Reply::json(200, r#"{"error": true, "data": "OK"}"#),
        ("POST", "/apiv2/tasks/status/4/") => Reply::json(200, "{}"),
        ("PATCH", "/apiv2/tasks/visibility/3/") => Reply::json(200, r#"{"error": false, "data": {"task_id": 3}}"#),
        ("PATCH", _) => Reply::json(400, r#"{"error": true, "error_value": "multitenancy is not enabled"}"#),
        _ => Reply::json(503, ""),
    })
    .await;
    let cape = cape(&server.address);
    let (three, four, five) = (Submission::new("3"), Submission::new("4"), Submission::new("5"));
    assert_eq!(cape.reschedule(&three).await.unwrap(), Submission::new("50"));
    cape.reprocess(&three).await.unwrap();
    assert_eq!(name(&cape.reprocess(&four).await.unwrap_err()), "not ready");
    server.take();
    // CAPE says `error: true` when it went well, and nothing at all when it did not.
    cape.finish(&three).await.unwrap();
    assert_eq!(&server.take()[0].body[..], b"status=finish");
    assert_eq!(name(&cape.finish(&four).await.unwrap_err()), "forbidden");
    cape.set_visibility(&three, "tenant").await.unwrap();
    assert_eq!(name(&cape.set_visibility(&four, "tenant").await.unwrap_err()), "invalid");
    server.take();
    for failed in [cape.reschedule(&five).await.map(drop), cape.reprocess(&five).await, cape.finish(&five).await] {
        assert_eq!(name(&failed.unwrap_err()), "status");
    }
    assert_eq!(server.lines().len(), 3, "each once");
}

#[tokio::test]
async fn what_else_there_is_can_be_asked_for() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/apiv2/tasks/get/iocs/3/" => Reply::json(200, r#"{"error": false, "data": {"malscore": 8}}"#),
        "/apiv2/tasks/get/iocs/3/detailed/" => Reply::json(200, r#"{"error": false, "data": {"strings": []}}"#),
        "/apiv2/tasks/get/config/3/" => Reply::json(200, r#"{"error": false, "configs": [{"Zed": {}}, {"Y": {}}]}"#),
        "/apiv2/tasks/get/config/3/Zed/" => Reply::json(200, r#"{"error": false, "configs": [{"Zed": {}}]}"#),
        "/apiv2/tasks/machine/3/" => Reply::json(200, r#"{"error": false, "machine": "w1", "vnc_port": 5901}"#),
        "/apiv2/files/view/sha1/aa/" => Reply::json(200, r#"{"error": [], "data": {"id": 3, "md5": "bb"}}"#),
        "/apiv2/machines/list/" => Reply::json(200, r#"{"data": [{"name": "w1", "arch": "x64"}], "error": []}"#),
        "/apiv2/machines/view/w1/" => Reply::json(200, r#"{"data": {"name": "w1"}, "error": []}"#),
        "/apiv2/exitnodes/" => Reply::json(200, r#"{"data": ["tor", "inetsim"], "error": []}"#),
        "/apiv2/tasks/statistics/7/" => Reply::json(200, r#"{"Error": false, "data": {"detections": 1}}"#),
        "/apiv2/tasks/statistics/8/" => {
            Reply::json(200, r#"{"Error": true, "error_value": "Statistics API is Disabled"}"#)
        }
        "/apiv2/tasks/stats/" => Reply::json(200, r#"{"error": false, "stats": {"1": 2}}"#),
        "/apiv2/yara_uploader/" => Reply::json(200, r#"{"status": "error", "message": "bad rule"}"#),
        "/apiv2/tasks/get/stream/3/" => Reply::typed(200, "application/octet-stream", "part"),
        "/apiv2/tasks/get/stream/4/" => Reply::json(200, r#"{"error": true, "error_value": "Machine is not running"}"#),
        _ => Reply::json(200, r#"{"error": true, "error_value": "Machine not found"}"#),
    })
    .await;
    let cape = cape(&server.address);
    let three = Submission::new("3");
    assert_eq!(cape.indicators(&three, false).await.unwrap()["malscore"], 8);
    assert!(cape.indicators(&three, true).await.unwrap()["strings"].is_array());
    assert_eq!(cape.configurations(&three, None).await.unwrap().len(), 2);
    assert_eq!(cape.configurations(&three, Some("Zed")).await.unwrap().len(), 1);
    assert_eq!(cape.machine_of(&three).await.unwrap(), ("w1".to_owned(), Some(5901)));
    assert_eq!(cape.sample("sha1", "aa").await.unwrap().md5.as_deref(), Some("bb"));
    assert_eq!(cape.machines().await.unwrap()[0].arch.as_deref(), Some("x64"));
    assert_eq!(cape.machine("w1").await.unwrap().name, "w1");
    assert_eq!(name(&cape.machine("w2").await.unwrap_err()), "not found");
    assert_eq!(cape.exit_nodes().await.unwrap(), ["tor", "inetsim"]);
    assert_eq!(cape.statistics(7).await.unwrap()["detections"], 1);
    assert_eq!(name(&cape.statistics(8).await.unwrap_err()), "forbidden");
    assert_eq!(cape.task_counts().await.unwrap()["1"], 2);
    let error = cape.add_rules("CAPE", &Sample::bytes("a.yar", &b"rule"[..])).await.unwrap_err();
    assert!(error.to_string().ends_with("bad rule"), "{error}");
    server.take();
    let download = cape.file_of_guest(&three, "C:\\x", false).await.unwrap();
    assert_eq!(&server.take()[0].body[..], b"filepath=C%3A%5Cx");
    let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"part");
    assert_eq!(name(&cape.file_of_guest(&Submission::new("4"), "x", true).await.unwrap_err()), "not ready");
    assert_eq!(&server.take()[0].body[..], b"filepath=x&is_local=1");
}

#[tokio::test]
async fn a_key_is_got_for_a_password_and_neither_is_shown() {
    let server = StandIn::start(|request| match request.body.ends_with(b"password=s3cr3t-pw") {
        true => Reply::json(200, r#"{"token": "k1"}"#),
        false => {
            Reply::json(400, &format!(r#"{{"non_field_errors": ["no: {}"]}}"#, String::from_utf8_lossy(&request.body)))
        }
    })
    .await;
    let http = || Settings::new("lab", &server.address);
    let key = Cape::log_in(http(), "me", &Secret::new("s3cr3t-pw")).await.unwrap();
    assert_eq!(key.reveal(), "k1");
    assert_eq!(server.lines(), ["POST /apiv2/api-token-auth/"]);
    let error = Cape::log_in(http(), "me", &Secret::new("wr0ng-pw")).await.unwrap_err();
    assert_eq!(name(&error), "unauthenticated", "{error}");
    assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error}");
    // A server that repeats the key in an error with status 200.
    let (_server, cape) = one(200, r#"{"error": true, "error_value": "key s3cr3t-key is bad"}"#).await;
    let error = cape.status(&Submission::new("1")).await.unwrap_err();
    assert!(!format!("{error} {error:?} {cape:?}").contains("s3cr3t"), "{error:?}");
}
