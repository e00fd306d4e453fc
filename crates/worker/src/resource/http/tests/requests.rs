//! What is sent.

use serde_json::{Value, json};

use super::world::{Server, ask, http, ok, plain};
use crate::config::Profile::{Belljar, Strict};
use crate::protocol::Answer;

/// Section 6, 112–117, and the form on the wire.
#[tokio::test]
async fn requests_look_like_this() {
    let none = json!({});
    let end = "Connection: close\r\nAccept-Encoding: gzip\r\n";
    for (command, more, head, body) in [
        ("get", &none, format!("GET /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}"), ""),
        ("head", &none, format!("HEAD /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}"), ""),
        ("delete", &none, format!("DELETE /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}"), ""),
        ("post", &none, format!("POST /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}Content-Length: 0\r\n"), ""),
        ("put", &none, format!("PUT /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}Content-Length: 0\r\n"), ""),
        ("patch", &none, format!("PATCH /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}Content-Length: 0\r\n"), ""),
        // Bodies of any method, in UTF-8, without a type.
        (
            "get",
            &json!({"data": "é"}),
            format!("GET /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}Content-Length: 2\r\n"),
            "é",
        ),
        (
            "post",
            &json!({"data": "{}"}),
            format!("POST /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}Content-Length: 2\r\n"),
            "{}",
        ),
        (
            "delete",
            &json!({"data": "", "files": {}, "headers": null}),
            format!("DELETE /p?q=1 HTTP/1.1\r\nHost: {{host}}\r\n{end}"),
            "",
        ),
        (
            "get",
            &json!({"headers": {"x-b": ["1", "é"], "User-agent": ["me"], "accept-encoding": ["identity"]}}),
            "GET /p?q=1 HTTP/1.1\r\nHost: {host}\r\nX-B: 1\r\nX-B: é\r\nUser-Agent: me\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
                .to_owned(),
            "",
        ),
        // The app names the host; what is about the connection is ours.
        (
            "post",
            &json!({"headers": {"Host": ["other"], "Connection": ["keep-alive"], "Content-Length": ["99"],
                "Transfer-Encoding": ["chunked"], "Upgrade": ["x"], "Expect": ["100-continue"]}, "data": "x"}),
            format!("POST /p?q=1 HTTP/1.1\r\nHost: other\r\n{end}Content-Length: 1\r\n"),
            "x",
        ),
    ] {
        for profile in [Belljar, Strict] {
            let server = Server::start(vec![plain("200 OK", "", "answer")]).await;
            let mut asked = more.clone();
            asked["url"] = server.url("/p?q=1#fragment").into();
            let expected = ok(200, if command == "head" { "" } else { "answer" });
            assert_eq!(ask(&http(), profile, command, asked).await, expected, "{command} {more}");
            let request = server.requests().remove(0);
            let (got_head, got_body) = request.split_once("\r\n\r\n").unwrap();
            let lines = |text: &str| {
                let text = text.replace("{host}", &server.address.to_string());
                let (first, rest) = text.split_once("\r\n").unwrap();
                let mut rest: Vec<_> = rest.lines().map(str::to_owned).collect();
                rest.sort();
                (first.to_owned(), rest)
            };
            assert_eq!(lines(got_head), lines(&head), "{command} {more}");
            assert_eq!(got_body, body);
        }
    }
}

/// A plain string is one value; to vxsandbox it was its letters.
#[tokio::test]
async fn a_header_may_be_a_string() {
    for (profile, sent) in [(Belljar, "X-B: ab\r\n"), (Strict, "X-B: a\r\nX-B: b\r\n")] {
        let server = Server::start(vec![plain("200 OK", "", "")]).await;
        let asked = json!({"url": server.url("/"), "headers": {"x-b": "ab"}});
        assert_eq!(ask(&http(), profile, "get", asked).await, ok(200, ""));
        assert!(server.requests()[0].contains(sent), "{:?}", server.requests());
    }
}

/// Section 6, 123.
#[tokio::test]
async fn files_are_sent_as_forms() {
    let file = |name: &str, data: &str| json!({"file_name": name, "content_type": "text/plain", "data": data});
    let part = |field: &str, name: &str, data: &str| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{data}\r\n",
            data.len()
        )
    };
    for (files, parts, in_strict) in [
        (json!({"f": file("n.txt", "aGVsbG8=")}), part("f", "n.txt", "hello"), true),
        (json!({"f": file("n", "aGVs\nbG8=")}), part("f", "n", "hello"), true),
        (json!({"a": file("1", ""), "b": file("2", "eA==")}), part("a", "1", "") + &part("b", "2", "x"), true),
        (json!({"a\"\r\n": file("\"", "")}), part("a%22%0D%0A", "%22", ""), true),
        // As it is documented.
        (
            json!([{"f": file("1", "eA==")}, {"f": file("2", "eA==")}]),
            part("f", "1", "x") + &part("f", "2", "x"),
            false,
        ),
    ] {
        for profile in [Belljar, Strict] {
            let server = Server::start(vec![plain("200 OK", "", "")]).await;
            // A type that the app gives would lack the boundary.
            let asked =
                json!({"url": server.url("/"), "files": files, "headers": {"content-type": ["multipart/form-data"]}});
            let answer = ask(&http(), profile, "post", asked).await;
            if profile == Strict && !in_strict {
                assert_eq!(answer, Answer::failure("'list' object has no attribute 'iteritems'"));
                continue;
            }
            assert_eq!(answer, ok(200, ""));
            let request = server.requests().remove(0);
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let boundary =
                head.lines().find_map(|line| line.strip_prefix("Content-Type: multipart/form-data; boundary="));
            let boundary = boundary.unwrap();
            assert!(uuid::Uuid::parse_str(boundary).is_ok(), "{boundary}");
            assert_eq!(body.replace(boundary, "B"), format!("{parts}--B--\r\n"));
        }
    }
}

/// The table of 4.3 and section 6, 119: mistakes, in words for people and in Python's. No connection is made for any.
#[tokio::test]
async fn mistakes_have_reasons() {
    let url = "http://127.0.0.1:1/";
    let file = json!({"file_name": "n", "content_type": "t/x", "data": "eA=="});
    let with = |name: &str, value: Value| json!({"url": url, name: value});
    let without = |member: &str| {
        let mut file = file.clone();
        file.as_object_mut().unwrap().remove(member);
        with("files", json!({"f": file}))
    };
    for (asked, reason, python) in [
        (json!({}), "No URL given", "No URL given"),
        (json!({"url": 5}), "No URL given", "No URL given"),
        (json!({"url": null}), "No URL given", "No URL given"),
        (json!({"url": ""}), "\"\" is no URL: relative URL without a base", "Invalid URI ''"),
        (
            json!({"url": "ftp://x/"}),
            "a URL begins with http:// or https://, not with \"ftp\"",
            "Unsupported scheme: 'ftp'",
        ),
        (
            json!({"url": "file:///etc/passwd"}),
            "a URL begins with http:// or https://, not with \"file\"",
            "Unsupported scheme: 'file'",
        ),
        (
            json!({"url": "example.org/x"}),
            "a URL begins with http:// or https://, not with \"\"",
            "Unsupported scheme: ''",
        ),
        (
            json!({"url": "http://me:secret@example.org/"}),
            "a URL has no user name or password; send them in the header Authorization",
            "DNS lookup failed: no results for hostname lookup: me@example.org.",
        ),
        (json!({"url": "http://x:0/"}), "\"http://x:0/\" is no URL: there is no port 0", "Invalid URI 'http://x:0/'"),
        (
            json!({"url": "http://a b/"}),
            "\"http://a b/\" is no URL: invalid international domain name",
            "Invalid URI 'http://a b/'",
        ),
        (
            with("headers", json!([])),
            "headers must be an object of lists of strings",
            "'list' object has no attribute 'items'",
        ),
        (
            with("headers", json!({"A": [1]})),
            "the header \"A\" must be a list of strings",
            "'int' object has no attribute 'encode'",
        ),
        (
            with("headers", json!({"A": 1})),
            "the header \"A\" must be a list of strings",
            "'int' object is not iterable",
        ),
        (
            with("headers", json!({"A": null})),
            "the header \"A\" must be a list of strings",
            "'NoneType' object is not iterable",
        ),
        (with("headers", json!({"A b": ["1"]})), "\"A b\" is no name of a header", "\"A b\" is no name of a header"),
        (
            with("headers", json!({"A": ["1\r\nB: 2"]})),
            "the header \"A\" has a value with line breaks or control characters",
            "the header \"A\" has a value with line breaks or control characters",
        ),
        (with("data", json!({})), "data must be a string", "'dict' object has no attribute 'encode'"),
        (with("data", json!(1.5)), "data must be a string", "'float' object has no attribute 'encode'"),
        (
            with("files", json!("x")),
            "files must be an object: {field: {file_name, content_type, data}}",
            "'unicode' object has no attribute 'iteritems'",
        ),
        (without("content_type"), "the file \"f\" has no content_type", "'content_type'"),
        (without("file_name"), "the file \"f\" has no file_name", "'file_name'"),
        (without("data"), "the file \"f\" has no data", "'data'"),
        (
            with("files", json!({"f": {"file_name": "n", "content_type": "t/x", "data": "eA"}})),
            "the data of the file \"f\" is not base64",
            "Incorrect padding",
        ),
        (
            json!({"url": url, "files": {"f": file}, "data": "x"}),
            "a request has data or files, not both",
            "Unsupported format",
        ),
        (
            with("verify_options", json!(["FOO"])),
            "verify_options knows VERIFY_NONE, VERIFY_PEER, VERIFY_CLIENT_ONCE and VERIFY_FAIL_IF_NO_PEER_CERT, and not \"FOO\"",
            "u'FOO'",
        ),
        (with("verify_options", json!(7)), "verify_options must be a list of strings", "'int' object is not iterable"),
        (with("ssl_method", json!("FOO")), "ssl_method knows SSLv3, SSLv23 and TLSv1, and not \"FOO\"", "u'FOO'"),
    ] {
        for (profile, expected) in [(Belljar, reason), (Strict, python)] {
            assert_eq!(ask(&http(), profile, "get", asked.clone()).await, Answer::failure(expected), "{asked}");
        }
    }
    // Mistakes to Python only.
    for (asked, python) in [
        (with("verify_options", json!([])), "reduce() of empty sequence with no initial value"),
        (with("verify_options", json!(null)), "'NoneType' object is not iterable"),
        (with("ssl_method", json!(null)), "None"),
        (
            json!({"url": "http://127.0.0.1:1/é"}),
            "'ascii' codec can't decode byte 0xc3 in position 19: ordinal not in range(128)",
        ),
    ] {
        assert_eq!(ask(&http(), Strict, "get", asked.clone()).await, Answer::failure(python), "{asked}");
        let server = Server::start(vec![plain("200 OK", "", "fine")]).await;
        let mut asked = asked;
        asked["url"] = asked["url"].as_str().unwrap().replace("http://127.0.0.1:1", &server.url("")).into();
        assert_eq!(ask(&http(), Belljar, "get", asked).await, ok(200, "fine"));
    }
}

#[tokio::test]
async fn there_are_six_commands() {
    for command in ["options", "GET", "", "get.x"] {
        assert_eq!(ask(&http(), Belljar, command, json!({"url": "http://127.0.0.1:1/"})).await, Answer::Unknown);
    }
}
