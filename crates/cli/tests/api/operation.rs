//! What an operator sees and sets: keys, addresses, encryption, health, metrics, mistakes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::form::config;
use crate::http::Reply;
use crate::server::{Server, command, has_program, own, shared};

const KEY: &str = "a-key-of-enough-characters";

/// Posts with these headers besides the content type.
fn post_with(server: &Server, headers: &[(&str, &str)]) -> Reply {
    let form = config(r#"{"commands": ["true"]}"#);
    let mut all = vec![("Content-Type", form.content_type.as_str())];
    all.extend(headers);
    server.request("POST", "/execute/", &all, &form.body)
}

#[test]
fn keys_open_the_api() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("keys");
    fs::write(&file, format!("# one per line\n\n{KEY}\nanother-key-of-enough-characters\n")).unwrap();
    let setting = format!("server.api_keys_file={}", file.display());
    let Some(server) = own(&["execute.pool_size=1", &setting]) else { return };
    let bearer = format!("Bearer {KEY}");
    let lower = format!("bearer {KEY}");
    for headers in [
        [("Authorization", bearer.as_str())],
        [("authorization", lower.as_str())],
        [("X-Api-Key", KEY)],
        [("x-api-key", "another-key-of-enough-characters")],
    ] {
        assert_eq!(post_with(&server, &headers).status, 200, "{headers:?}");
    }
    let longer = format!("{KEY}x");
    let basic = format!("Basic {KEY}");
    for headers in [
        &[][..],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", KEY)],
        &[("Authorization", &basic)],
        &[("X-Api-Key", "")],
        &[("X-Api-Key", &longer)],
        &[("X-Api-Key", &KEY[1..])],
        &[("X-Api-Key", "# one per line")],
    ] {
        let reply = post_with(&server, headers);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")), "{headers:?}");
        assert!(!reply.text().contains(KEY));
    }
    for path in ["/usages/", "/specifications/", "/libraries/", "/readyz", "/metrics", "/nothing/", "/environments/x/"]
    {
        assert_eq!(server.get(path).status, 401, "{path}");
        assert_eq!(server.request("OPTIONS", path, &[], b"").status, 401, "{path}");
    }
    assert_eq!(server.get("/healthz").status, 200, "whoever watches the process needs none");
    assert!(!server.log().contains(KEY), "keys are not logged");
}

/// Starts a server that must refuse, and returns what it says.
fn refused(listen: &str, settings: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    let mut refused = command(&place.path().join("data"), listen, settings);
    let output = refused.output().expect("the binary starts");
    assert!(!output.status.success(), "{settings:?}");
    assert!(output.stdout.is_empty(), "{settings:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn strangers_are_not_served_without_keys() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let stderr = refused(listen, &[]);
        assert!(stderr.contains("without an API key") && stderr.contains("--allow-unauthenticated"), "{stderr}");
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("keys");
    fs::write(&file, "# none\n").unwrap();
    let setting = format!("server.api_keys_file={}", file.display());
    let stderr = refused("0.0.0.0:0", &[&setting]);
    assert!(stderr.contains("no API key"), "a file without keys opens nothing: {stderr}");
    let Some(server) = own(&["execute.pool_size=1", "server.listen=0.0.0.0:0", "server.allow_unauthenticated=true"])
    else {
        return;
    };
    assert!(server.address().ip().is_unspecified(), "{}", server.address());
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn mistakes_are_told_before_anything_is_served() {
    let missing = "server.api_keys_file=/nonexistent/keys";
    for (listen, setting, expected) in [
        (
            "127.0.0.1:0",
            "execute.pool_sise=3",
            &["no setting 'execute.pool_sise'", "did you mean 'execute.pool_size'?"][..],
        ),
        ("127.0.0.1:0", "execute.pool_size=0", &["execute.pool_size", "from 1 to 1024"]),
        ("127.0.0.1:0", "execute.pool_size=many", &["execute.pool_size", "many", "whole number"]),
        ("127.0.0.1:0", "execute.timeout=soon", &["execute.timeout"]),
        ("127.0.0.1:0", "execute.sandbox.memory=1 apple", &["execute.sandbox.memory", "apple"]),
        ("127.0.0.1:0", "log.filter=[", &["log.filter"]),
        ("127.0.0.1:0", missing, &["/nonexistent/keys"]),
        ("127.0.0.1:0", "server.api_keys=['short']", &["api_keys", "sha256:"]),
        ("127.0.0.1:0", "server.tls={certificate='/nonexistent/c', key='/nonexistent/k'}", &["/nonexistent/"]),
        ("nowhere", "execute.pool_size=1", &["server.listen"]),
        ("127.0.0.1:99999", "execute.pool_size=1", &["server.listen"]),
        ("192.0.2.1:7000", "server.allow_unauthenticated=true", &["192.0.2.1:7000"]),
    ] {
        let stderr = refused(listen, &[setting]);
        for words in expected {
            assert!(stderr.contains(words), "{setting}: {stderr}");
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let stderr = refused(&address, &[]);
    assert!(stderr.contains(&address) && stderr.contains("in use"), "{stderr}");
}

/// Values of the metrics by name and labels, checked against the text format.
fn metrics(server: &Server) -> BTreeMap<String, f64> {
    let reply = server.get("/metrics");
    assert_eq!(reply.status, 200);
    let content_type = reply.header("content-type").expect("a type");
    assert!(
        content_type.starts_with("application/openmetrics-text") || content_type.starts_with("text/plain"),
        "{content_type}"
    );
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (mut values, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            assert!(["HELP", "TYPE", "UNIT"].contains(&words[0]) && words.len() == 3, "{line}");
            if words[0] == "TYPE" {
                assert!(["counter", "gauge", "histogram"].contains(&words[2]), "{line}");
                assert_eq!(types.insert(words[1].to_owned(), words[2].to_owned()), None, "{line}");
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let family = name.split('{').next().expect("a name");
        assert!(family.starts_with("belljar_"), "{line}");
        let known = |suffix: &str| family.strip_suffix(suffix).is_some_and(|family| types.contains_key(family));
        assert!(["", "_total", "_sum", "_count", "_bucket"].iter().any(|suffix| known(suffix)), "{line}");
        let value: f64 = value.parse().expect("a number");
        assert_eq!(values.insert(name.to_owned(), value), None, "{line}");
    }
    values
}

#[test]
fn metrics_move() {
    let Some(server) = own(&["execute.pool_size=2"]) else { return };
    server.wait_until_idle();
    let before = metrics(&server);
    server.execute(&json!({"commands": ["true"]}));
    server.execute(&json!({"commands": ["exit 3"]}));
    server.execute(&json!({"commands": [{"command": "sleep 1", "timeout": 0.05}]}));
    server.ask(&json!({"commands": []}));
    server.get("/nothing/");
    server.wait_until_idle();
    let after = metrics(&server);
    let moved = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    for (name, expected) in [
        ("belljar_executions_total{outcome=\"success\"}", 1.0),
        ("belljar_executions_total{outcome=\"failure\"}", 1.0),
        ("belljar_executions_total{outcome=\"wall_time\"}", 1.0),
        ("belljar_http_requests_total{route=\"execute\",method=\"POST\",status=\"2xx\"}", 3.0),
        ("belljar_http_requests_total{route=\"execute\",method=\"POST\",status=\"4xx\"}", 1.0),
        ("belljar_http_requests_total{route=\"unknown\",method=\"GET\",status=\"4xx\"}", 1.0),
        ("belljar_http_request_duration_seconds_count{route=\"execute\"}", 4.0),
    ] {
        assert_eq!(moved(name), expected, "{name}: {after:?}");
    }
    assert_eq!(after["belljar_sandboxes{state=\"idle\"}"], 2.0);
    assert_eq!(after["belljar_sandboxes{state=\"busy\"}"], 0.0);
    assert_eq!(after["belljar_waiting_requests"], 0.0);
    assert!(after["belljar_http_connections"] >= 1.0, "this one");
}

#[test]
fn health_and_readiness_are_told() {
    let Some(server) = shared() else { return };
    crate::server::wait_for("it is ready", || server.get("/readyz").status == 200);
    for (path, text) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.text(), reply.header("cache-control")), (200, text, Some("no-store")));
        assert_eq!(server.head(path).status, 200);
        let refused = server.request("POST", path, &[], b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    }
}

#[test]
fn requests_are_logged_without_what_they_hold() {
    let Some(server) = own(&["execute.pool_size=1", "log.format=json"]) else { return };
    let reply = server.ask(&json!({"commands": ["echo private-word"], "environ": {"SECRET": "private-value"}}));
    let id = reply.header("x-request-id").expect("an id").to_owned();
    crate::server::wait_for("it is logged", || server.log().contains(&id));
    let log = server.log();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string(), "{line}");
    }
    assert!(!log.contains("private"), "{log}");
}

/// Calls openssl, which must succeed.
fn openssl(directory: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn connections_can_be_encrypted() {
    if !has_program("openssl") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let make = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        "key.pem",
        "-out",
        "certificate.pem",
    ];
    openssl(place.path(), &make, b"");
    let tls = format!("server.tls={{certificate='{0}/certificate.pem', key='{0}/key.pem'}}", place.path().display());
    let Some(server) = own(&["execute.pool_size=1", &tls]) else { return };
    let form = config(r#"{"commands": ["echo encrypted"]}"#);
    let headers = [("Content-Type", form.content_type.as_str()), ("Connection", "close")];
    let request = crate::http::request("POST", "/execute/", &headers, &form.body);
    let address = server.address().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let connect = [
            "s_client",
            "-connect",
            &address,
            "-CAfile",
            "certificate.pem",
            "-verify_return_error",
            "-servername",
            "localhost",
            "-quiet",
            version,
        ];
        let answer = openssl(place.path(), &connect, &request);
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"stdout\": \"encrypted\""),
            "{version}: {answer}"
        );
    }
    // Who does not encrypt gets nothing.
    let mut plain = server.connect();
    plain.send(&crate::http::request("GET", "/usages/", &[], b""));
    assert!(plain.receive("GET").is_err());
    // A key that is not the certificate's.
    openssl(
        place.path(),
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", "other.pem"],
        b"",
    );
    let wrong =
        format!("server.tls={{certificate='{0}/certificate.pem', key='{0}/other.pem'}}", place.path().display());
    assert!(!refused("127.0.0.1:0", &[&wrong]).is_empty());
}
