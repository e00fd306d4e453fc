//! Redirects, exactly as listed in 4.3.

use serde_json::json;

use super::super::MOST_REDIRECTS;
use super::world::{Server, ask, http, ok, plain};
use crate::config::Profile::{Belljar, Strict};
use crate::protocol::Answer;

#[tokio::test]
async fn each_method_has_its_redirects() {
    // What follows: the method of the second request, or a failure, or the answer itself.
    enum Then {
        Asks(&'static str),
        Fails(&'static str),
        Is(u16),
    }
    use Then::{Asks, Fails, Is};
    for (command, status, then) in [
        ("get", "301 Moved Permanently", Asks("GET")),
        ("get", "302 Found", Asks("GET")),
        ("get", "307 Temporary Redirect", Asks("GET")),
        ("get", "303 See Other", Asks("GET")),
        ("get", "308 Permanent Redirect", Is(308)),
        ("get", "300 Multiple Choices", Is(300)),
        ("get", "304 Not Modified", Is(304)),
        ("head", "301 Moved Permanently", Asks("HEAD")),
        ("head", "302 Found", Asks("HEAD")),
        ("head", "307 Temporary Redirect", Asks("HEAD")),
        ("head", "303 See Other", Asks("GET")),
        ("post", "301 Moved Permanently", Fails("PageRedirect: 301 Moved Permanently")),
        ("post", "302 Found", Fails("PageRedirect: 302 Found")),
        ("post", "307 Temporary Redirect", Fails("PageRedirect: 307 Temporary Redirect")),
        ("post", "303 See Other", Asks("GET")),
        ("post", "308 Permanent Redirect", Is(308)),
        ("put", "302 Found", Fails("PageRedirect: 302 Found")),
        ("patch", "302 Found", Fails("PageRedirect: 302 Found")),
        ("delete", "302 Found", Fails("PageRedirect: 302 Found")),
        ("delete", "303 See Other", Asks("GET")),
    ] {
        let redirect = plain(status, "Location: ../next?x=1\r\n", "");
        let server = Server::start(vec![redirect, plain("200 OK", "", "there")]).await;
        let url = server.url("/a/b/c");
        let asked = json!({"url": url, "data": "body", "headers": {"X-Mine": ["1"]}});
        let answer = ask(&http(), Strict, command, asked).await;
        let requests = server.requests();
        match then {
            Asks(method) => {
                assert_eq!(answer, ok(200, if method == "HEAD" { "" } else { "there" }), "{command} {status}");
                assert!(requests[1].starts_with(&format!("{method} /a/next?x=1 HTTP/1.1\r\n")), "{}", requests[1]);
                // The body stays behind, headers come along.
                assert!(requests[1].contains("X-Mine: 1\r\n") && requests[1].ends_with("\r\n\r\n"), "{}", requests[1]);
                assert!(!requests[1].contains("Content-Length"), "{}", requests[1]);
            }
            Fails(text) => {
                let reason = format!("[<twisted.python.failure.Failure twisted.web.error.{text} to {url}>]");
                assert_eq!(answer, Answer::failure(reason), "{command} {status}");
            }
            Is(code) => assert_eq!(answer, ok(code, ""), "{command} {status}"),
        }
        assert_eq!(requests.len(), if matches!(then, Asks(_)) { 2 } else { 1 }, "{command} {status}");
    }
}

#[tokio::test]
async fn loops_end() {
    let server = Server::start(vec![plain("302 Found", "Location: {base}/again\r\n", "")]).await;
    let url = server.url("/again");
    for (profile, reason) in [
        (
            Strict,
            format!(
                "[<twisted.python.failure.Failure twisted.web.error.InfiniteRedirection: 302 Infinite redirection detected to {url}>]"
            ),
        ),
        (Belljar, format!("more than 20 redirects, the last (302) from {url}")),
    ] {
        let before = server.requests().len();
        assert_eq!(ask(&http(), profile, "get", json!({"url": url})).await, Answer::failure(reason));
        assert_eq!(server.requests().len() - before, MOST_REDIRECTS + 1);
    }
}

#[tokio::test]
async fn the_last_redirect_that_is_allowed_is_followed() {
    let mut acts = vec![plain("301 Moved Permanently", "Location: /again\r\n", ""); MOST_REDIRECTS];
    acts.push(plain("200 OK", "", "there"));
    let server = Server::start(acts).await;
    assert_eq!(ask(&http(), Belljar, "get", json!({"url": server.url("/")})).await, ok(200, "there"));
}

#[tokio::test]
async fn redirects_must_lead_somewhere() {
    for (headers, python) in [
        (
            "",
            "[<twisted.python.failure.Failure twisted.web.error.RedirectWithNoLocation: 302 No location header field to {url}>]",
        ),
        ("Location: ftp://x/\r\n", "Unsupported scheme: 'ftp'"),
        ("Location: file:///etc/passwd\r\n", "Unsupported scheme: 'file'"),
        ("Location: http://me:secret@x/\r\n", "DNS lookup failed: no results for hostname lookup: me@x."),
    ] {
        let server = Server::start(vec![plain("302 Found", headers, "")]).await;
        let reason = python.replace("{url}", &server.url("/"));
        let answer = ask(&http(), Strict, "get", json!({"url": server.url("/")})).await;
        assert_eq!(answer, Answer::failure(reason));
    }
}

/// Cookies live as long as one chain; what is for one server is not told to another.
#[tokio::test]
async fn cookies_and_secrets_stay_where_they_belong() {
    let other = Server::start(vec![plain("200 OK", "", "other")]).await;
    let away = format!("Set-Cookie: b=2\r\nLocation: {}\r\n", other.url("/"));
    let first = plain("302 Found", "Set-Cookie: a=1; Path=/\r\nLocation: /two\r\n", "");
    let server = Server::start(vec![first, plain("302 Found", &away, ""), plain("200 OK", "", "")]).await;
    let http = http();
    let headers = json!({"Authorization": ["secret"], "Cookie": ["mine=0"], "Host": ["me"], "X-Mine": ["1"]});
    let asked = json!({"url": server.url("/"), "headers": headers});
    assert_eq!(ask(&http, Belljar, "get", asked.clone()).await, ok(200, "other"));
    let requests = server.requests();
    assert!(requests[0].contains("Cookie: mine=0\r\n") && !requests[0].contains("a=1"), "{requests:?}");
    assert!(requests[1].contains("Cookie: mine=0\r\n") && requests[1].contains("Cookie: a=1\r\n"), "{requests:?}");
    assert!(requests[1].contains("Authorization: secret\r\n") && requests[1].contains("Host: me\r\n"), "{requests:?}");
    // The same host at another port is another server, but cookies know no ports (RFC 6265, 8.5).
    let elsewhere = &other.requests()[0];
    assert!(
        !elsewhere.contains("secret") && !elsewhere.contains("mine") && elsewhere.contains("X-Mine"),
        "{elsewhere}"
    );
    assert!(elsewhere.contains(&format!("Host: {}\r\n", other.address)), "{elsewhere}");
    // The next request knows of none.
    assert_eq!(ask(&http, Belljar, "get", asked).await, ok(200, ""));
    assert!(!server.requests()[2].contains("a=1"), "{requests:?}");
}
