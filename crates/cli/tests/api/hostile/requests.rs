//! Requests that are malformed or too large.

use serde_json::json;

use super::Watched;
use crate::archive::files;
use crate::form::{self, Form, config, multipart, urlencoded, with_archive};
use crate::http::request;
use crate::server::checked;

/// A page that says the form could not be read.
#[track_caller]
fn is_bad_request_page(reply: &crate::http::Reply, what: &str) {
    assert_eq!((reply.status, reply.header("content-type")), (400, Some("text/html")), "{what}: {reply:?}");
    assert!(reply.text().contains("<title>Bad Request (400)</title>"), "{what}: {reply:?}");
}

#[test]
fn forms_have_limits() {
    let Some(watched) = Watched::start(&[]) else { return };
    let config = br#"{"commands": ["echo ok"]}"#;
    let large = vec![b'x'; 3 << 20];
    let mut many: Vec<(&str, &[u8])> = vec![("a", b"1"); 1000];
    many.push(("config", config));
    let part = "Content-Disposition: form-data; name=\"config\"";
    let other = "Content-Disposition: form-data; name=\"other\"";
    let mut many_parts: Vec<(&str, &[u8])> = vec![(other, b"1"); 1000];
    many_parts.push((part, config));
    let long_header = format!("X-Long: {}\r\n{part}", "x".repeat(100_000));
    for (what, form) in [
        ("a field of 3 MB", urlencoded(&[("config", config), ("other", &large)])),
        ("a part of 3 MB", multipart(&[(part, config), (other, &large)])),
        ("1001 fields", urlencoded(&many)),
        ("1001 parts", multipart(&many_parts)),
        (
            "no boundary",
            Form { content_type: "multipart/form-data".to_owned(), body: multipart(&[(part, config)]).body },
        ),
        (
            "an empty boundary",
            Form { content_type: "multipart/form-data; boundary=".to_owned(), body: b"--\r\n".to_vec() },
        ),
        (
            "a part that does not end",
            Form { body: multipart(&[(part, config)]).body[..100].to_vec(), ..multipart(&[]) },
        ),
        ("headers without end", multipart(&[(long_header.as_str(), config)])),
    ] {
        is_bad_request_page(&watched.server.post(&form), what);
    }
    many.swap_remove(0);
    assert_eq!(checked(&watched.server.post(&urlencoded(&many)))["status"], 0, "1000 fields are fine");
    let nearly = vec![b'x'; 2_621_440 - 200];
    let form = urlencoded(&[("config", config), ("o", &nearly)]);
    assert_eq!(checked(&watched.server.post(&form))["status"], 0, "just below the limit");
    // Files do not count as fields.
    let archive = files(&[("noise", &"0123456789abcdef".repeat(1 << 18))]);
    assert_eq!(checked(&watched.server.post(&with_archive(r#"{"commands": ["true"]}"#, &archive)))["status"], 0);
    watched.is_unharmed("forms beyond their limits");
}

#[test]
fn json_may_be_deep_or_broken() {
    let Some(watched) = Watched::start(&[]) else { return };
    for (what, text) in [
        ("deep lists", "[".repeat(800_000)),
        ("deep objects", "{\"a\":".repeat(150_000)),
        (
            "deep and closed",
            format!("{{\"a\": {}{}, \"commands\": [\"true\"]}}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("an unfinished text", "{\"commands\": [\"true".to_owned()),
        ("an unfinished escape", "{\"commands\": [\"\\u12".to_owned()),
        ("a control character", "{\"commands\": [\"a\nb\"]}".to_owned()),
        ("a long number", format!("{{\"commands\": {}", "9".repeat(100_000))),
        ("a NUL", "\0".to_owned()),
    ] {
        let reply = watched.server.post(&config(&text));
        assert_eq!(reply.status, 400, "{what}: {reply:?}");
        assert!(reply.text().starts_with("'config' json is invalid - "), "{what}: {}", reply.text());
        assert!(reply.body.len() < 1000, "{what}: {}", reply.body.len());
    }
    let deep = format!(r#"{{"commands": ["true"], "environ": {{"A": {}{}}}}}"#, "[".repeat(900), "]".repeat(900));
    assert!([200, 400].contains(&watched.server.post(&config(&deep)).status));
    watched.is_unharmed("strange JSON");
}

#[test]
fn invalid_utf8_is_read_as_replaced() {
    let Some(watched) = Watched::start(&[]) else { return };
    let text = b"{\"commands\": [\"echo \xff\xc3|wc -m\"]}";
    let part = "Content-Disposition: form-data; name=\"config\"";
    for form in [urlencoded(&[("config", text)]), multipart(&[(part, text)])] {
        let reply = watched.server.post(&form);
        assert!([200, 400].contains(&reply.status), "{reply:?}");
    }
    let raw = Form {
        content_type: "application/x-www-form-urlencoded".to_owned(),
        body: b"config=\xff%FF%zz%&=&&%00=1".to_vec(),
    };
    let reply = watched.server.post(&raw);
    assert_eq!(reply.status, 400, "{reply:?}");
    watched.is_unharmed("text that is none");
}

#[test]
fn bodies_may_be_cut_anywhere() {
    let Some(watched) = Watched::start(&[]) else { return };
    let form = with_archive(r#"{"commands": ["sleep 30"], "save": true}"#, &files(&[("a", "a")]));
    let whole = request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body);
    let simple = config(r#"{"commands": ["sleep 30"]}"#);
    let simple = request("POST", "/execute/", &[("Content-Type", &simple.content_type)], &simple.body);
    for bytes in [whole, simple] {
        for cut in (1..bytes.len()).step_by(bytes.len() / 17) {
            let mut connection = watched.server.connect();
            connection.send(&bytes[..cut]);
            connection.finish_sending();
            // An answer is not owed, but if there is one, it is a refusal; and the connection ends.
            if let Ok(reply) = connection.receive("POST") {
                assert!((400..500).contains(&reply.status), "{cut}: {reply:?}");
            }
            drop(connection);
        }
    }
    watched.is_unharmed("bodies that were cut");
}

#[test]
fn callers_that_go_away_take_their_programs_with_them() {
    let Some(watched) = Watched::start(&[]) else { return };
    let form = with_archive(r#"{"commands": ["sleep 30"], "save": true}"#, &files(&[("a", "a")]));
    let bytes = request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body);
    for _ in 0..4 {
        let mut connection = watched.server.connect();
        connection.send(&bytes);
        crate::server::wait_for("it runs", || watched.server.taken() >= 1);
        drop(connection);
    }
    watched.is_unharmed("callers that went away");
}

#[test]
fn what_is_no_http_is_refused() {
    let Some(watched) = Watched::start(&[]) else { return };
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(200_000));
    let wide = format!("GET /usages/ HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET /usages/ HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(5000));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET /usages/ HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /execute/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nconfig",
        b"POST /execute/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /execute/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /execute/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nzz\r\n",
        b"GET /us\0ages/ HTTP/1.1\r\nHost: a\r\n\r\n",
        long.as_bytes(),
        wide.as_bytes(),
        many.as_bytes(),
    ] {
        let mut connection = watched.server.connect();
        // The server may hang up before it has all.
        let _ = connection.try_send(bytes);
        connection.finish_sending();
        if let Ok(reply) = connection.receive("GET") {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            assert!((400..500).contains(&reply.status), "{shown}: {reply:?}");
        }
    }
    watched.is_unharmed("what is no HTTP");
}

#[test]
fn a_large_upload_that_is_not_wanted_does_not_grow_the_server() {
    let Some(watched) = Watched::start(&["execute.max_upload=1M"]) else { return };
    let form = with_archive(r#"{"commands": ["true"]}"#, &vec![0; 8 << 20]);
    watched.server.post(&form).refuses(413, "The uploaded files are larger than 1048576 bytes");
    let reply = watched.server.post(&form::config(&json!({"commands": ["true"]}).to_string()));
    assert_eq!(reply.status, 200);
    watched.is_unharmed("an upload that was refused");
}
