//! The dialect over a service without sandboxes: routes, methods, headers, forms and errors.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_LENGTH, RETRY_AFTER};
use http::{Request as HttpRequest, Response as HttpResponse};
use http_body_util::{BodyExt as _, Full};

use crate::site::Site;
use crate::test_backend::{ENVIRONMENT, TestBackend, gone, site};

/// Status, content type, headers and body of an answer.
struct Got {
    status: u16,
    content_type: String,
    answer: HttpResponse<Bytes>,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(self.answer.body()).unwrap()
    }

    fn header(&self, name: http::HeaderName) -> Option<String> {
        self.answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

async fn ask(site: &Site<TestBackend>, method: &str, path: &str, content_type: &str, body: impl Into<Bytes>) -> Got {
    let request = HttpRequest::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(Full::new(body.into()))
        .unwrap();
    let answer = site.serve(request, [127, 0, 0, 1].into()).await;
    let (parts, body) = answer.into_parts();
    let answer = HttpResponse::from_parts(parts, body.collect().await.unwrap().to_bytes());
    Got {
        status: answer.status().as_u16(),
        content_type: answer.headers()["content-type"].to_str().unwrap().to_owned(),
        answer,
    }
}

async fn get(path: &str) -> Got {
    ask(&site(TestBackend::default()), "GET", path, "", "").await
}

async fn post(config: &str) -> Got {
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("config", config).finish();
    ask(&site(TestBackend::default()), "POST", "/execute/", "application/x-www-form-urlencoded", form).await
}

const TEXT: &str = "text/plain; charset=utf-8";
const PAGE: &str = "text/html";

// Behaviours 40, 78.
#[tokio::test]
async fn methods_are_checked_before_anything_else() {
    let unknown = "/environments/00000000-0000-0000-0000-000000000000/";
    for (method, path, status, allow) in [
        ("GET", "/execute/", 405, "POST, OPTIONS"),
        ("HEAD", "/execute", 405, "POST, OPTIONS"),
        ("OPTIONS", "/execute/", 200, "POST, OPTIONS"),
        ("POST", "/specifications/", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/usages/", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/libraries/", 405, "GET, HEAD, OPTIONS"),
        ("DELETE", unknown, 405, "GET, HEAD, OPTIONS"),
        ("BREW", "/usages", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", unknown, 200, "GET, HEAD, OPTIONS"),
    ] {
        let got = ask(&site(TestBackend::default()), method, path, "", "").await;
        assert_eq!(
            (got.status, got.text(), got.header(ALLOW).as_deref()),
            (status, "", Some(allow)),
            "{method} {path}"
        );
        assert_eq!(got.content_type, "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn unknown_paths_get_a_page() {
    for path in ["/", "/usage/", "/execute/x", "/files/", "/environments/unknown/", "/files/unknown/a/"] {
        let got = get(path).await;
        assert_eq!((got.status, got.content_type.as_str()), (404, PAGE), "{path}");
        assert!(got.text().contains("<title>Not Found</title>"));
        assert!(got.text().contains("<h1>Not Found</h1>"));
        let head = ask(&site(TestBackend::default()), "HEAD", path, "", "").await;
        assert_eq!((head.status, head.text()), (404, ""));
        assert_eq!(head.header(CONTENT_LENGTH), Some(got.text().len().to_string()));
    }
}

// Behaviours 1-10.
#[tokio::test]
async fn environments_and_files_are_sent() {
    let unknown = "00000000-0000-0000-0000-000000000000";
    let archive = format!("attachment; filename={ENVIRONMENT}.tgz");
    for (path, content_type, disposition, body) in [
        (format!("/environments/{ENVIRONMENT}/"), "application/gzip", archive.as_str(), "archive"),
        (format!("//environments/{ENVIRONMENT}"), "application/gzip", &archive, "archive"),
        (
            format!("/files/{ENVIRONMENT}/dir/file1.txt/"),
            "application/octet-stream",
            "attachment; filename=file1.txt",
            "env1\n",
        ),
        (
            format!("/files/{ENVIRONMENT}/dir/file1.txt"),
            "application/octet-stream",
            "attachment; filename=file1.txt",
            "env1\n",
        ),
        (
            format!("/files/{ENVIRONMENT}/dir/file1.txt//"),
            "application/octet-stream",
            "attachment; filename=",
            "env1\n",
        ),
    ] {
        for (method, body) in [("GET", body), ("HEAD", "")] {
            let got = ask(&site(TestBackend::default()), method, &path, "", "").await;
            assert_eq!(
                (got.status, got.content_type.as_str(), got.text()),
                (200, content_type, body),
                "{method} {path}"
            );
            assert_eq!(got.header(CONTENT_DISPOSITION).as_deref(), Some(disposition));
            if method == "HEAD" {
                let size = if content_type == "application/gzip" { "7" } else { "5" };
                assert_eq!(got.header(CONTENT_LENGTH).as_deref(), Some(size));
            }
        }
    }
    for (path, body) in [
        (format!("/environments/{unknown}/"), format!("No environment with UUID '{unknown}' found")),
        (format!("/files/{unknown}/a/"), format!("No environment with UUID '{unknown}' found")),
        (
            format!("/files/{ENVIRONMENT}/<b>/"),
            format!("The file '<b>' could not be found in environment '{ENVIRONMENT}'"),
        ),
    ] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let got = get(&path).await;
        assert_eq!((got.status, got.content_type.as_str(), got.text()), (404, TEXT, body.as_str()));
        let head = ask(&site(TestBackend::default()), "HEAD", &path, "", "").await;
        assert_eq!((head.status, head.text()), (404, ""));
    }
}

// Behaviours 28, 36-39 and the order of the checks.
#[tokio::test]
async fn refusals_are_plain_text() {
    let unknown = "00000000-0000-0000-0000-000000000000";
    let not_found = format!("No environment with UUID '{unknown}' found");
    let with_unknown = format!(r#"{{"environment": "{unknown}", "commands": 1}}"#);
    let with_known = format!(r#"{{"environment": "{ENVIRONMENT}", "commands": 1}}"#);
    for (config, status, body) in [
        ("x", 400, "'config' json is invalid - Expecting value: line 1 column 1 (char 0)"),
        ("\"x\"", 400, "config must be an object, not <class 'str'>"),
        ("{}", 400, "Missing field 'commands' in config"),
        (with_unknown.as_str(), 404, not_found.as_str()),
        (r#"{"environment": "../x", "commands": 1}"#, 404, "No environment with UUID '../x' found"),
        (with_known.as_str(), 400, "commands must be a list, not <class 'int'>"),
    ] {
        let got = post(config).await;
        assert_eq!((got.status, got.content_type.as_str(), got.text()), (status, TEXT, body), "{config}");
    }
    let path = "/execute/?config=%7B%7D";
    let got = ask(&site(TestBackend::default()), "POST", path, "application/json", "{}").await;
    assert_eq!((got.status, got.text()), (400, "Missing argument 'config'"));
}

#[tokio::test]
async fn forms_that_cannot_be_read_get_a_page() {
    let large = format!("config={}", "x".repeat(2_621_440));
    let many = "a&".repeat(1000);
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", large.as_str()),
        ("application/x-www-form-urlencoded", &many),
        ("multipart/form-data", "--B--\r\n"),
        ("multipart/form-data; boundary=B", "--B\r\n"),
    ] {
        let got = ask(&site(TestBackend::default()), "POST", "/execute/", content_type, body.to_owned()).await;
        assert_eq!((got.status, got.content_type.as_str()), (400, PAGE));
        assert!(got.text().contains("<title>Bad Request (400)</title>"));
    }
    let body =
        format!("--B\r\nContent-Disposition: form-data; name=x; filename=y\r\n\r\n{}\r\n--B--", "x".repeat(1001));
    let got = ask(&site(TestBackend::default()), "POST", "/execute/", "multipart/form-data; boundary=B", body).await;
    assert_eq!((got.status, got.text()), (413, "The uploaded files are larger than 1000 bytes"));
}

// Behaviours 41, 51-53: what is asked for arrives, what is answered is told.
#[tokio::test]
async fn executions_reach_the_service() {
    let body = format!(
        "--B\r\nContent-Type: application/x-tar\r\nContent-Disposition: form-data; name=\"environment\"; filename=\"w.tgz\"\r\n\r\n\
         upload\r\n--B\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n\
         {{\"commands\": [\"-a\"], \"environ\": {{\"V\": 1}}, \"environment\": \"{ENVIRONMENT}\", \"result_path\": \"r\"}}\r\n--B--\r\n"
    );
    let got = ask(&site(TestBackend::default()), "POST", "/execute", "multipart/form-data; boundary=B", body).await;
    assert_eq!((got.status, got.content_type.as_str()), (200, "application/json"));
    // The service of the tests answers with what it was asked.
    let asked = format!("a ignore=true V=1 base={ENVIRONMENT} upload=upload result=r save=false utf8=true");
    assert_eq!(
        got.text(),
        format!(
            "{{\"status\": 0, \"execution\": [{{\"command\": \"a\", \"exit_code\": 0, \"stdout\": \"{asked}\", \"stderr\": \"\", \
             \"time\": 0.5}}], \"total_time\": 1.0}}"
        )
    );
}

#[tokio::test]
async fn failures_of_the_service_have_their_answers() {
    for (script, status, body) in [
        ("busy", 503, "Sandbox overloaded, retry after a few seconds."),
        ("stopping", 503, "Sandbox overloaded, retry after a few seconds."),
        ("slow", 503, "Sandbox overloaded, retry after a few seconds."),
        ("archive", 400, "The environment could not be unpacked: the archive has more than 5 members"),
        ("large", 413, "The environment to save is larger than 5 bytes"),
        ("gone", 404, gone()),
    ] {
        let got = post(&format!("{{\"commands\": [\"{script}\"]}}")).await;
        assert_eq!((got.status, got.content_type.as_str(), got.text()), (status, TEXT, body));
        assert_eq!(got.header(RETRY_AFTER).is_some(), status == 503);
    }
    for script in ["store", "panic"] {
        let got = post(&format!("{{\"commands\": [\"{script}\"]}}")).await;
        assert_eq!((got.status, got.content_type.as_str()), (500, PAGE));
        assert!(got.text().contains("<title>Server Error (500)</title>"));
    }
}

// Behaviours 77, 79: every key is there.
#[tokio::test]
async fn facts_have_their_keys() {
    insta::assert_snapshot!(get("/specifications/").await.text().replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"{"host": {"cpu": {"core": null, "logical": 2, "freq_min": 800.0, "freq_max": 3600.5}, "memory": {"ram": 25276514304, "swap": 0, "storage": {"/dev/vda": 270553174016}}, "docker_version": "belljar VERSION", "sandbox_version": "3.0.3"}, "container": {"count": 20, "cpu": {"count": 1, "period": 1000, "shares": 1024, "quota": 0}, "memory": {"ram": 100000000, "swap": 0, "storage": 300000000}, "io": {"read_iops": {}, "read_bps": {"all": 1000000}, "write_iops": {}, "write_bps": {"all": 1000000}}, "process": 64, "working_dir_device": "tmpfs"}}"#);
    insta::assert_snapshot!(get("/usages/").await.text(), @r#"{"cpu": {"frequency": 2596.144, "usage": 0.0, "usage_avg": [1.14, 0.895, 0.42]}, "memory": {"ram": 482050048, "swap": 0, "storage": {"/dev/vda": 19417128960}}, "io": {"read_iops": {"/dev/vda": 41}, "read_bps": {"/dev/vda": 1060864}, "write_iops": {"/dev/vda": 2}, "write_bps": {"/dev/vda": 22528}}, "network": {"sent_bytes": 0, "received_bytes": 0, "sent_packets": 0, "received_packets": 0}, "process": 98, "container": 2}"#);
    insta::assert_snapshot!(get("/libraries/").await.text(), @r#"{"libraries": {"system": {"bash": "5.0-4"}, "python": {"sympy": "1.10.1"}, "perl": {"Carp": "1.50"}, "c": {"libz": "1"}}, "bin": ["awk", "bash"]}"#);
    for path in ["/specifications", "/usages", "/libraries"] {
        let got = get(path).await;
        assert_eq!((got.status, got.content_type.as_str()), (200, "application/json"));
        let head = ask(&site(TestBackend::default()), "HEAD", path, "", "").await;
        assert_eq!((head.status, head.text()), (200, ""));
        assert_eq!(head.header(CONTENT_LENGTH), Some(got.text().len().to_string()));
    }
}
