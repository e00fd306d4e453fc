//! WildFire.

use crate::stand_in::{Received, Reply, StandIn};
use belljar_client::http::Settings;
use belljar_client::vendors::{
    WILDFIRE_CLOUD, WildFire, WildFireRuling, WildFireSettings, WildFireTestFile, WildFireWebArtifact,
};
use belljar_client::{
    Artifact, ArtifactKind, ErrorKind, Fault, Hash, IndicatorKind, Options, ReportFormat, Sample, Sandbox, Secret,
    Status, Submission, Word,
};
use futures_util::TryStreamExt as _;

const SHA256: &str = "afe6b95ad95bc689c356f34ec8d9094c495e4af57c932ac413b65ef132063acc";
const MD5: &str = "0e4e3c2d84a9bc726a50b3c91346fbb1";
const KEY: &str = "0123-key-4567";

fn wildfire(address: &str) -> WildFire {
    let mut http = Settings::new("lab", address);
    http.tries = 1;
    WildFire::new(WildFireSettings { http, key: Secret::new(KEY), agent: None }).unwrap()
}

fn xml(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::typed(status, "text/xml", body)
}

async fn one(status: u16, body: impl Into<String>) -> (StandIn, WildFire) {
    let body = body.into();
    let server = StandIn::start(move |_| xml(status, body.clone())).await;
    let wildfire = wildfire(&server.address);
    (server, wildfire)
}

fn verdict(number: &str) -> String {
    let info = format!("<sha256>{SHA256}</sha256><verdict>{number}</verdict><md5>{MD5}</md5>");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<wildfire>\n<get-verdict-info>{info}</get-verdict-info>\n</wildfire>"
    )
}

/// A form as it was sent, decoded.
fn form(request: &Received) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let text = std::str::from_utf8(&request.body).unwrap();
    text.split('&')
        .map(|field| field.split_once('=').unwrap())
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
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
        _ => "other",
    }
}

/// 154: the id is the hash; an error is one, and so is an answer without an id.
#[tokio::test]
async fn submitting_gives_the_hash() {
    let info = format!(
        "<url></url><filename>a b.exe</filename><sha256>{SHA256}</sha256><md5>{MD5}</md5><size>9</size><filetype>PE32 executable</filetype>"
    );
    let whole = format!("<wildfire><upload-file-info>{info}</upload-file-info></wildfire>");
    for (status, body, id) in [
        (200, whole.as_str(), Ok(SHA256)),
        (200, "<wildfire><upload-file-info><md5>x</md5></upload-file-info></wildfire>", Err("malformed")),
        (200, "<wildfire/>", Err("malformed")),
        (200, "{}", Err("malformed")),
        (200, "<error><error-message>'no'</error-message></error>", Err("status")),
        (404, "<error><error-message>'no'</error-message></error>", Err("not found")),
    ] {
        let (server, wildfire) = one(status, body).await;
        let mut options = Options::default();
        options.vendor.insert("extra".to_owned(), "1".to_owned());
        let submitted = wildfire.submit(&Sample::bytes("a b.exe", &b"MZ\0\xff"[..]), &options).await;
        let submitted = submitted.map_err(|error| kind(&error.kind));
        assert_eq!(submitted.as_ref().map(|submission| submission.id.as_str()).map_err(|kind| *kind), id, "{body}");
        if let Ok(submission) = submitted {
            let others: Vec<(&str, &str)> = submission.others.iter().map(|(name, id)| (&**name, &**id)).collect();
            let file = [("filename", "a b.exe"), ("filetype", "PE32 executable"), ("md5", MD5)];
            assert_eq!(others, [&file[..], &[("sha256", SHA256), ("size", "9")]].concat());
        }
        let received = server.take();
        assert_eq!(received.len(), 1, "a submission is sent once");
        assert_eq!(received[0].line(), "POST /publicapi/submit/file");
        let parts = received[0].parts();
        assert_eq!(parts[0], ("apikey".to_owned(), None, KEY.into()));
        assert_eq!(parts[1], ("extra".to_owned(), None, b"1".to_vec()));
        assert_eq!(parts[2], ("file".to_owned(), Some("a b.exe".to_owned()), b"MZ\0\xff".to_vec()));
    }
}

#[tokio::test]
async fn what_it_has_no_word_for_is_refused_before_any_request() {
    let (server, wildfire) = one(200, "").await;
    for options in [
        Options { analysis_time: Some(std::time::Duration::from_secs(1)), ..Options::default() },
        Options { archive_password: Some(Secret::new("infected")), ..Options::default() },
        Options { environment: Some("win7".to_owned()), ..Options::default() },
    ] {
        let error = wildfire.submit(&Sample::bytes("a", &b"b"[..]), &options).await.unwrap_err();
        assert_eq!(kind(&error.kind), "invalid", "{error}");
    }
    let error = wildfire.artifact(&Submission::new(SHA256), ArtifactKind::Memory.into()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    assert!(wildfire.queue().await.is_err() && wildfire.delete(&Submission::new(SHA256)).await.is_err());
    assert_eq!(server.lines(), Vec::<String>::new());
}

/// 155-158: every verdict number as a status. The original ends at 5 (command-and-control) and asks for ever after -101 to -103; an unknown
/// number is taken for one on the way, and what is no number makes no sense.
#[tokio::test]
async fn a_status_is_that_of_the_verdict() {
    let failed = || Ok(Status::Failed("WildFire could not process the sample".to_owned()));
    for (number, expected) in [
        ("0", Ok(Status::Finished)),
        ("1", Ok(Status::Finished)),
        (" 2 ", Ok(Status::Finished)),
        ("4", Ok(Status::Finished)),
        ("5", Ok(Status::Finished)),
        ("-100", Ok(Status::Running)),
        ("-101", failed()),
        ("-102", Err("not found")),
        ("-103", Err("invalid")),
        ("99", Ok(Status::Running)),
        ("benign", Err("malformed")),
        ("", Err("malformed")),
        ("0</verdict><verdict>1", Err("malformed")),
    ] {
        let (server, wildfire) = one(200, verdict(number)).await;
        let status = wildfire.status(&Submission::new(SHA256)).await.map_err(|error| kind(&error.kind));
        assert_eq!(status, expected, "{number}");
        let received = server.take();
        assert_eq!(received[0].line(), "POST /publicapi/get/verdict");
        assert_eq!(form(&received[0]), fields(&[("apikey", KEY), ("hash", SHA256)]));
    }
    let missing = "<wildfire><get-verdict-info><md5>x</md5></get-verdict-info></wildfire>";
    let (_server, wildfire) = one(200, missing).await;
    assert_eq!(kind(&wildfire.status(&Submission::new(SHA256)).await.unwrap_err().kind), "malformed");
}

/// A verdict about something else proves nothing about what was asked.
#[tokio::test]
async fn a_verdict_about_another_file_is_none() {
    let (_server, wildfire) = one(200, verdict("0")).await;
    for asked in ["0f".repeat(32), "0f".repeat(16)] {
        for error in [
            wildfire.status(&Submission::new(&asked)).await.unwrap_err(),
            wildfire.report(&Submission::new(&asked)).await.unwrap_err(),
            wildfire.look_up(&Hash::parse(&asked).unwrap()).await.unwrap_err(),
        ] {
            assert_eq!(kind(&error.kind), "malformed", "{error}");
        }
    }
}

/// Each status that the vendor documents, with its text and without.
#[tokio::test]
async fn each_status_code_is_told_apart() {
    for (status, expected, fault, again) in [
        (401, "unauthenticated", Fault::Caller, false),
        (403, "forbidden", Fault::Caller, false),
        (404, "not found", Fault::Caller, false),
        (405, "status", Fault::Caller, false),
        (413, "refused", Fault::Caller, false),
        (418, "refused", Fault::Caller, false),
        (419, "quota", Fault::Caller, true),
        (420, "invalid", Fault::Caller, false),
        (421, "invalid", Fault::Caller, false),
        (422, "refused", Fault::Caller, false),
        (456, "invalid", Fault::Caller, false),
        (500, "status", Fault::Sandbox, true),
        (513, "status", Fault::Sandbox, true),
        (599, "status", Fault::Sandbox, false),
    ] {
        for (body, said) in [("<error><error-message>'So it is'</error-message></error>", "So it is"), ("", "")] {
            let (server, wildfire) = one(status, body).await;
            let error = wildfire.submit(&Sample::bytes("a", &b"b"[..]), &Options::default()).await.unwrap_err();
            assert_eq!((kind(&error.kind), error.fault(), error.is_retryable()), (expected, fault, again), "{error}");
            assert!(error.to_string().contains(said) && !error.to_string().contains('\''), "{error}");
            assert_eq!(server.lines().len(), 1, "{status}: not sent again");
        }
    }
}

/// 159: there when GET is refused, and only then.
#[tokio::test]
async fn it_is_there_when_it_wants_post() {
    for (status, body, there) in [
        (405, "", true),
        (200, "<html>", false),
        (204, "", false),
        (404, "", false),
        (500, "", false),
        (302, "", false),
    ] {
        let (server, wildfire) = one(status, body).await;
        assert_eq!(wildfire.available().await.is_ok(), there, "{status}");
        let received = server.take();
        assert_eq!(received[0].line(), "GET /publicapi/get/sample");
        assert!(received[0].body.is_empty(), "the key is not sent in the body of a GET");
    }
    let gone = StandIn::start(|_| xml(405, "")).await.address.clone();
    assert_eq!(super::wildfire::wildfire(&gone).available().await.unwrap_err().fault(), Fault::Network);
}

/// 153: the address is what was given, with whatever is before the API's path; nothing is sent anywhere here.
#[tokio::test]
async fn the_cloud_is_the_default_and_a_path_is_kept() {
    assert_eq!(WILDFIRE_CLOUD, "https://wildfire.paloaltonetworks.com");
    let server = StandIn::start(|_| xml(405, "")).await;
    wildfire(&format!("{}/below/", server.address)).available().await.unwrap();
    assert_eq!(server.lines(), ["GET /below/publicapi/get/sample"]);
}

const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<wildfire><version>2.0</version>
<file_info><malware>yes</malware><sha1>AB</sha1><filetype>PE</filetype><sha256>SHA</sha256><md5>0e</md5><size>9</size></file_info>
<task_info>
<report><version>3.0</version><platform>100</platform><software>PE Static Analyzer</software><malware>yes</malware></report>
<report><version>3.0</version><platform>2</platform><software>Windows XP &amp; Office</software><sha256>other</sha256>
<summary><entry score="0.1" id="5" details="It asks for names.">Made a query</entry><entry score="0.9" id="9">Hid itself</entry>
<entry score="odd">Nothing</entry></summary>
<network><TCP ip="5.6.7.8" port="80" country="US"/><UDP ip="5.6.7.9" port="53"/>
<dns query="evil.test" response="5.6.7.8" type="A"/><dns query="x.test" response="ns.test" type="NS"/>
<url host="evil.test" uri="/a?b&amp;c" method="GET" user_agent=""/></network>
<process_list><process command="cmd /c del" name="a.exe" pid="4"><file><Create name="C:\x"/></file>
<mutex><CreateMutex name="Global\m"/></mutex><registry><Create key="HKLM\run" subkey="x"/></registry></process></process_list>
</report></task_info></wildfire>"#;

async fn with_report(number: &'static str, report: String) -> (StandIn, WildFire) {
    let server = StandIn::start(move |request| match request.target.as_str() {
        "/publicapi/get/verdict" => xml(200, verdict(number)),
        _ => xml(200, report.clone()),
    })
    .await;
    let wildfire = wildfire(&server.address);
    (server, wildfire)
}

/// 160, 163, 165: the report as XML, its parts, and the verdict by its number.
#[tokio::test]
async fn a_report_says_what_was_found() {
    let text = REPORT.replace("SHA", SHA256);
    let (server, wildfire) = with_report("1", text.clone()).await;
    let report = wildfire.report(&Submission::new(SHA256)).await.unwrap();
    let received = server.take();
    assert_eq!(received[1].line(), "POST /publicapi/get/report");
    assert_eq!(form(&received[1]), fields(&[("apikey", KEY), ("hash", SHA256), ("format", "xml")]));
    assert_eq!(
        report.hashes.into_iter().collect::<Vec<_>>(),
        fields(&[("md5", "0e"), ("sha1", "ab"), ("sha256", SHA256)])
    );
    assert_eq!(report.environment.as_deref(), Some("PE Static Analyzer, Windows XP & Office"));
    let names: Vec<&str> = report.findings.iter().map(|finding| finding.name.as_str()).collect();
    assert_eq!(names, ["Hid itself", "Made a query", "Nothing"]);
    assert_eq!(report.findings[1].description.as_deref(), Some("It asks for names."));
    assert_eq!(report.verdict.reasons, ["malware", "Hid itself", "Made a query"]);
    use IndicatorKind::{Address, Command, Domain, Mutex, Registry, Url};
    let indicators: Vec<_> = report.indicators.iter().map(|found| (found.kind, found.value.as_str())).collect();
    assert_eq!(
        indicators,
        [
            (Domain, "evil.test"),
            (Domain, "x.test"),
            (Address, "5.6.7.8"),
            (Address, "5.6.7.9"),
            (Url, "evil.test/a?b&c"),
            (Mutex, "Global\\m"),
            (Registry, "HKLM\\run"),
            (Command, "cmd /c del"),
        ]
    );
    assert_eq!(report.format, ReportFormat::Xml);
    let mut raw = String::new();
    std::io::Read::read_to_string(&mut report.raw.reader(), &mut raw).unwrap();
    assert_eq!(raw, text, "as it came");
}

/// 163: the original gives 8, 2 and 5 on a scale of 10, and lets command-and-control through as 5; pending and the like were scores below 0.
#[tokio::test]
async fn a_verdict_is_that_of_the_table() {
    for (number, expected) in [
        ("0", Ok((Word::Clean, Some(0)))),
        ("1", Ok((Word::Malicious, Some(100)))),
        ("2", Ok((Word::Suspicious, Some(40)))),
        ("4", Ok((Word::Malicious, Some(80)))),
        ("5", Ok((Word::Malicious, Some(90)))),
        ("3", Ok((Word::Unknown, None))),
        ("-100", Err("not ready")),
        ("-101", Err("failed")),
        ("-102", Err("not found")),
        ("-103", Err("invalid")),
    ] {
        let (_server, wildfire) = with_report(number, "<wildfire><version>2.0</version></wildfire>".to_owned()).await;
        let report = wildfire.report(&Submission::new(SHA256)).await;
        let found = report.map(|report| (report.verdict.verdict, report.verdict.score));
        assert_eq!(found.map_err(|error| kind(&error.kind)), expected, "{number}");
        let raw = wildfire.verdict(&Hash::parse(SHA256).unwrap()).await.unwrap().verdict();
        assert_eq!(raw.raw.value, Some(number.parse::<i64>().unwrap().into()));
        let said = matches!(number, "0" | "1" | "2" | "4" | "5");
        assert!(said || (raw.verdict == Word::Unknown && !raw.reasons.is_empty()), "{raw:?}");
    }
}

/// 162: an error that comes with status 200 is one, also instead of a PDF; and so is whatever is no report.
#[tokio::test]
async fn what_is_no_report_is_told() {
    for (body, expected) in [
        ("<error><error-message>'Invalid hash'</error-message></error>".to_owned(), "status"),
        ("<?xml version='1.0'?>\n<error/>".to_owned(), "status"),
        ("<html><body>Please log in.</body></html>".to_owned(), "malformed"),
        ("<wildfire>".to_owned(), "malformed"),
        ("%PDF".to_owned(), "malformed"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><wildfire>&b;</wildfire>".to_owned(), "malformed"),
        ("<wildfire>".to_owned() + &"<a>".repeat(100_000), "malformed"),
        (REPORT.replace("SHA", &"0f".repeat(32)), "malformed"),
    ] {
        let (_server, wildfire) = with_report("0", body.clone()).await;
        let error = wildfire.report(&Submission::new(SHA256)).await.unwrap_err();
        assert_eq!(kind(&error.kind), expected, "{error}");
        if expected == "status" {
            let error = wildfire.artifact(&Submission::new(SHA256), ArtifactKind::Pdf.into()).await.unwrap_err();
            assert_eq!(kind(&error.kind), "status", "{error}");
        }
    }
}

/// 161: the other forms of the report, and what else there is, each asked for as documented and given as it comes.
#[tokio::test]
async fn artifacts_come_as_streams() {
    let server = StandIn::start(|_| {
        Reply::typed(200, "application/octet-stream", "bytes")
            .with("content-disposition", "attachment; filename=../x.bin")
    })
    .await;
    let wildfire = wildfire(&server.address);
    let file = Submission::new(SHA256);
    let mut link = Submission::new(SHA256);
    link.others.insert("link".to_owned(), "http://x.test/?a&b".to_owned());
    let by_hash = ("hash", SHA256);
    let by_url = ("url", "http://x.test/?a&b");
    for (submission, kind, name, path, expected) in [
        (&file, ArtifactKind::Pdf, None, "report", vec![by_hash, ("format", "pdf")]),
        (&file, ArtifactKind::Xml, None, "report", vec![by_hash, ("format", "xml")]),
        (&file, ArtifactKind::Other, Some("maec"), "report", vec![by_hash, ("format", "maec")]),
        (&file, ArtifactKind::Sample, None, "sample", vec![by_hash]),
        (&file, ArtifactKind::Pcap, None, "pcap", vec![by_hash]),
        (&file, ArtifactKind::Pcap, Some("100"), "pcap", vec![by_hash, ("platform", "100")]),
        (&link, ArtifactKind::Other, Some("json"), "report", vec![by_url, ("format", "json")]),
        (&link, ArtifactKind::Other, Some("screenshot"), "webartifacts", vec![by_url, ("types", "screenshot")]),
    ] {
        let wanted = Artifact { kind, name: name.map(str::to_owned) };
        let download = wildfire.artifact(submission, wanted).await.unwrap();
        assert_eq!((download.name.as_deref(), download.length), (Some("x.bin"), Some(5)));
        let bytes: Vec<bytes::Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"bytes");
        let received = server.take();
        assert_eq!(received[0].line(), format!("POST /publicapi/get/{path}"));
        assert_eq!(form(&received[0]), fields(&[&[("apikey", KEY)], &expected[..]].concat()));
    }
    let error = wildfire.artifact(&file, ArtifactKind::Other.into()).await.unwrap_err();
    assert_eq!(kind(&error.kind), "invalid", "{error}");
}

/// An address is asked for by address, in each step.
#[tokio::test]
async fn an_address_is_submitted_and_asked_for() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/publicapi/submit/link" => xml(
            200,
            format!("<wildfire><submit-link-info><url>http://x.test/</url><sha256>{SHA256}</sha256><md5>{MD5}</md5></submit-link-info></wildfire>"),
        ),
        "/publicapi/get/verdict" => xml(
            200,
            "<wildfire><get-verdict-info><url>http://x.test/</url><verdict>4</verdict><analysis_time>2024-01-01T00:00:00Z</analysis_time><valid>Yes</valid></get-verdict-info></wildfire>",
        ),
        _ => Reply::json(200, r#"{"result": {"report": "x"}}"#),
    })
    .await;
    let wildfire = wildfire(&server.address);
    let submission = wildfire.submit(&Sample::url("http://x.test"), &Options::default()).await.unwrap();
    assert_eq!(server.take()[0].parts()[1], ("link".to_owned(), None, b"http://x.test".to_vec()));
    assert_eq!(wildfire.status(&submission).await.unwrap(), Status::Finished);
    assert_eq!(form(&server.take()[0])[1], ("url".to_owned(), "http://x.test/".to_owned()));
    let report = wildfire.report(&submission).await.unwrap();
    assert_eq!((report.verdict.verdict, report.format), (Word::Malicious, ReportFormat::Json));
    assert_eq!(form(&server.take()[1])[2], ("format".to_owned(), "json".to_owned()));
}

/// A verdict that the vendor itself calls outdated says nothing good any more.
#[tokio::test]
async fn an_outdated_verdict_does_not_make_clean() {
    for (number, valid, word) in [(0, "Yes", Word::Clean), (0, "No", Word::Unknown), (1, "No", Word::Malicious)] {
        let body = format!(
            "<wildfire><get-verdict-info><url>u</url><verdict>{number}</verdict><valid>{valid}</valid></get-verdict-info></wildfire>"
        );
        let (_server, wildfire) = one(200, body).await;
        assert_eq!(wildfire.verdict_of_url("u").await.unwrap().verdict().verdict, word, "{number} {valid}");
    }
}

#[tokio::test]
async fn a_hash_is_looked_up_by_its_verdict() {
    for (number, found) in [("0", Some(SHA256)), ("5", Some(SHA256)), ("-100", None), ("-101", None), ("-102", None)] {
        let (_server, wildfire) = one(200, verdict(number)).await;
        let hash = Hash::parse(MD5).unwrap();
        let submission = wildfire.look_up(&hash).await.unwrap();
        assert_eq!(submission.map(|submission| submission.id).as_deref(), found, "{number}");
    }
    let (_server, wildfire) = one(200, verdict("-103")).await;
    assert_eq!(kind(&wildfire.look_up(&Hash::parse(MD5).unwrap()).await.unwrap_err().kind), "invalid");
}

#[tokio::test]
async fn many_verdicts_are_asked_for_in_portions() {
    let server = StandIn::start(|request| {
        let parts = request.parts();
        let list = String::from_utf8(parts.last().unwrap().2.clone()).unwrap();
        let info =
            |hash: &str| format!("<get-verdict-info><sha256>{hash}</sha256><verdict>2</verdict></get-verdict-info>");
        xml(200, format!("<wildfire>{}</wildfire>", list.lines().map(info).collect::<String>()))
    })
    .await;
    let client = wildfire(&server.address);
    let hashes: Vec<Hash> = (0..501).map(|number| Hash::parse(&format!("{number:064x}")).unwrap()).collect();
    let verdicts = client.verdicts(&hashes).await.unwrap();
    assert_eq!(verdicts.len(), 501);
    assert!(verdicts.iter().all(|verdict| verdict.ruling == WildFireRuling::Grayware));
    let received = server.take();
    let sizes: Vec<usize> =
        received.iter().map(|request| request.parts()[1].2.iter().filter(|byte| **byte == b'\n').count()).collect();
    assert_eq!((sizes, received[0].line()), (vec![500, 1], "POST /publicapi/get/verdicts".to_owned()));
    let (_server, wildfire) = one(200, verdict("0")).await;
    assert_eq!(kind(&wildfire.verdicts(&hashes[..1]).await.unwrap_err().kind), "malformed", "it was not asked for");
}

#[tokio::test]
async fn everything_else_is_asked_for_as_documented() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/publicapi/submit/change-request" => xml(200, "<wildfire><body>Thank you.</body></wildfire>"),
        "/publicapi/submit/links" => xml(
            200,
            "<wildfire><submit-link-info><url>http://a.test</url><sha256>a</sha256></submit-link-info><submit-link-info><sha256>b</sha256></submit-link-info></wildfire>",
        ),
        "/publicapi/submit/url" => xml(200, "<wildfire><upload-file-info><url>u</url><sha256>c</sha256></upload-file-info></wildfire>"),
        _ => Reply::typed(200, "application/octet-stream", "bytes"),
    })
    .await;
    let mut http = Settings::new("lab", server.address.as_str());
    http.tries = 1;
    let agent = Some("pcc".to_owned());
    let wildfire = WildFire::new(WildFireSettings { http, key: Secret::new(KEY), agent }).unwrap();
    let hash = Hash::parse(SHA256).unwrap();
    let said = wildfire.request_change(&hash, WildFireRuling::Benign, "a@b.test", "It & I").await.unwrap();
    assert_eq!(said, "Thank you.");
    let expected = [("apikey", KEY), ("agent", "pcc"), ("hash", SHA256), ("verdict", "0")];
    assert_eq!(
        form(&server.take()[0]),
        fields(&[&expected[..], &[("email", "a@b.test"), ("comment", "It & I")]].concat())
    );

    let links = ["http://a.test".to_owned(), "http://b.test".to_owned()];
    let found = wildfire.submit_links(&links).await.unwrap();
    let asked: Vec<_> = found.iter().map(|submission| (&*submission.id, &*submission.others["link"])).collect();
    assert_eq!(asked, [("a", "http://a.test"), ("b", "http://b.test")]);
    assert_eq!(server.take()[0].parts()[2].2, b"panlnk\nhttp://a.test\nhttp://b.test\n");
    for bad in [vec![], vec!["http://a.test\nhttp://b.test".to_owned()], vec!["u".to_owned(); 1001]] {
        assert_eq!(kind(&wildfire.submit_links(&bad).await.unwrap_err().kind), "invalid");
    }

    let submission = wildfire.submit_file_at("http://x.test/a.exe", &Options::default()).await.unwrap();
    assert_eq!((submission.id.as_str(), submission.others.contains_key("link")), ("c", false), "asked for by hash");
    assert_eq!(server.take()[0].parts()[2], ("url".to_owned(), None, b"http://x.test/a.exe".to_vec()));

    wildfire.changed_verdicts(jiff::civil::date(2024, 3, 1)).await.unwrap();
    assert_eq!(form(&server.take()[0])[2], ("date".to_owned(), "2024-03-01".to_owned()));
    wildfire.web_artifacts("http://x.test", &[]).await.unwrap();
    wildfire.web_artifacts("http://x.test", &[WildFireWebArtifact::Files]).await.unwrap();
    let types: Vec<String> = server.take().iter().map(|request| form(request)[3].1.clone()).collect();
    assert_eq!(types, ["screenshot,download_files", "download_files"]);
    for (file, name) in [
        (WildFireTestFile::Pe, "pe"),
        (WildFireTestFile::Apk, "apk"),
        (WildFireTestFile::MacOs, "macos"),
        (WildFireTestFile::Elf, "elf"),
    ] {
        wildfire.test_file(file).await.unwrap();
        assert_eq!(server.lines(), [format!("GET /publicapi/test/{name}")]);
    }
}

#[tokio::test]
async fn the_key_is_never_shown() {
    let server = StandIn::start(|request| {
        let echoed = String::from_utf8_lossy(&request.body).into_owned();
        xml(200, format!("<error><error-message>no {}</error-message></error>", echoed.replace('&', " ")))
    })
    .await;
    let wildfire = wildfire(&server.address);
    let error = wildfire.status(&Submission::new("x")).await.unwrap_err();
    assert!(error.to_string().contains("apikey=[secret]"), "{error}");
    for shown in [format!("{wildfire:?}"), format!("{error:?}")] {
        assert!(!shown.contains(KEY), "{shown}");
    }
}
