//! Paths, methods and headers.

use crate::archive::files;
use crate::http::Reply;
use crate::server::{Server, shared};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// The fixed page for paths that name nothing.
#[track_caller]
fn is_not_found_page(reply: &Reply, what: &str) {
    assert_eq!((reply.status, reply.header("content-type")), (404, Some("text/html")), "{what}");
    let page = reply.text();
    assert!(page.contains("<title>Not Found</title>") && page.contains("<h1>Not Found</h1>"), "{what}: {page}");
}

fn environment_with(server: &Server, names: &[&str]) -> String {
    let members: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).collect();
    server.save(&files(&members))
}

#[test]
fn paths_work_with_and_without_their_slash_and_behind_many() {
    let Some(server) = shared() else { return };
    let id = environment_with(&server, &["a.txt", "d/b.txt"]);
    for path in
        ["/specifications", "/usages", "/libraries", &format!("/environments/{id}"), &format!("/files/{id}/d/b.txt")]
    {
        for path in [path.to_owned(), format!("{path}/"), format!("//{path}/"), format!("//{path}?config=x&%")] {
            assert_eq!(server.get(&path).status, 200, "{path}");
            assert_eq!(server.head(&path).status, 200, "{path}");
        }
    }
    for path in ["/execute", "/execute/", "//execute/", "/execute/?config=%7B%7D"] {
        let type_ = [("Content-Type", "application/x-www-form-urlencoded")];
        let reply = server.request("POST", path, &type_, b"config=%7B%22commands%22%3A+%5B%22true%22%5D%7D");
        assert_eq!(reply.status, 200, "{path}");
    }
    // What stands in the query is no configuration.
    let reply = server.request("POST", "/execute/?config=%7B%22commands%22%3A+%5B%22true%22%5D%7D", &[], b"");
    reply.refuses(400, "Missing argument 'config'");
}

#[test]
fn unknown_paths_get_a_page() {
    let Some(server) = shared() else { return };
    let id = environment_with(&server, &["a.txt"]);
    let (upper, dashless) = (id.to_uppercase(), id.replace('-', ""));
    for path in [
        "/".to_owned(),
        "/usage/".to_owned(),
        "/execute/x/".to_owned(),
        "/Execute/".to_owned(),
        "/sandbox/version/".to_owned(),
        "/environments/".to_owned(),
        "/environments/undefined/".to_owned(),
        "/environments/../environments/".to_owned(),
        format!("/environments/{id}//"),
        format!("/environments/{id}/x/"),
        format!("/environments/{upper}/"),
        format!("/environments/{dashless}/"),
        format!("/environments/{id}.tgz"),
        format!("/environments/%2e%2e/{id}/"),
        format!("/files/{id}/"),
        format!("/files/{id}"),
        format!("/files/{upper}/a.txt/"),
        "/files/unknown/a.txt/".to_owned(),
        "/etc/passwd".to_owned(),
        "/%00".to_owned(),
    ] {
        is_not_found_page(&server.get(&path), &path);
        assert_eq!(server.head(&path).status, 404, "{path}");
        is_not_found_page(&server.request("POST", &path, &[], b""), &path);
    }
}

#[test]
fn names_of_files_are_compared_literally() {
    let Some(server) = shared() else { return };
    let id = environment_with(&server, &["a.txt", "d/a b.txt", "\u{e9}", "\u{65e5}", "a;b\"c.txt", "?#"]);
    for (path, content, disposition) in [
        ("a.txt/", "a.txt", &b"attachment; filename=a.txt"[..]),
        ("d/a%20b.txt/", "d/a b.txt", b"attachment; filename=a b.txt"),
        ("d%2Fa%20b.txt/", "d/a b.txt", b"attachment; filename=a b.txt"),
        ("%C3%A9/", "\u{e9}", b"attachment; filename=\xe9"),
        ("%E6%97%A5/", "\u{65e5}", b"attachment; filename*=UTF-8''%E6%97%A5"),
        ("a;b%22c.txt/", "a;b\"c.txt", b"attachment; filename=a;b\"c.txt"),
        ("%3F%23/", "?#", b"attachment; filename=?#"),
        // Found, but its name is lost.
        ("a.txt//", "a.txt", b"attachment; filename="),
    ] {
        let reply = server.get(&format!("/files/{id}/{path}"));
        assert_eq!((reply.status, reply.text()), (200, content), "{path}");
        assert_eq!(reply.header_bytes("content-disposition"), Some(disposition), "{path}");
        let head = server.head(&format!("/files/{id}/{path}"));
        assert_eq!(head.header("content-length"), Some(content.len().to_string().as_str()), "{path}");
    }
    for path in ["./a.txt", "/a.txt", "../a.txt", "d/../a.txt", "A.txt", "a.txt%00", "%FF", "d"] {
        assert_eq!(server.get(&format!("/files/{id}/{path}/")).status, 404, "{path}");
    }
}

#[test]
fn methods_are_allowed_or_not() {
    let Some(server) = shared() else { return };
    let environment = format!("/environments/{UNKNOWN}/");
    let file = format!("/files/{UNKNOWN}/a/");
    for (path, allow, refused) in [
        ("/execute/", "POST, OPTIONS", &["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "BREW"][..]),
        ("/specifications/", "GET, HEAD, OPTIONS", &["POST", "PUT", "DELETE"]),
        ("/usages/", "GET, HEAD, OPTIONS", &["POST", "PUT", "DELETE"]),
        ("/libraries/", "GET, HEAD, OPTIONS", &["POST", "PUT", "DELETE"]),
        (&environment, "GET, HEAD, OPTIONS", &["POST", "PUT", "DELETE"]),
        (&file, "GET, HEAD, OPTIONS", &["POST", "PUT", "DELETE"]),
    ] {
        for method in refused {
            let reply = server.request(method, path, &[], b"");
            assert_eq!((reply.status, reply.header("allow"), reply.text()), (405, Some(allow), ""), "{method} {path}");
            assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        }
        let reply = server.request("OPTIONS", path, &[], b"");
        assert_eq!((reply.status, reply.header("allow"), reply.text()), (200, Some(allow), ""), "{path}");
        assert_eq!(reply.header("content-length"), Some("0"));
    }
}

#[test]
fn head_tells_the_length_and_sends_no_body() {
    let Some(server) = shared() else { return };
    let id = environment_with(&server, &["a.txt"]);
    for (path, status) in [
        (format!("/environments/{id}/"), 200),
        (format!("/files/{id}/a.txt/"), 200),
        ("/specifications/".to_owned(), 200),
        (format!("/environments/{UNKNOWN}/"), 404),
        (format!("/files/{id}/b.txt/"), 404),
        ("/nothing/".to_owned(), 404),
    ] {
        let mut connection = server.connect();
        connection.send(&crate::http::request("HEAD", &path, &[("Connection", "close")], b""));
        let head = connection.receive("HEAD").unwrap();
        assert_eq!(head.status, status, "{path}");
        assert_eq!(connection.rest().unwrap(), b"", "a body after HEAD breaks a client: {path}");
        let get = server.get(&path);
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[test]
fn nothing_is_compressed_redirected_or_asked_of_the_host() {
    let Some(server) = shared() else { return };
    let id = environment_with(&server, &["a.txt"]);
    for path in ["/specifications/".to_owned(), format!("/environments/{id}/"), format!("/files/{id}/a.txt/")] {
        let reply = server.request("GET", &path, &[("Accept-Encoding", "gzip, deflate")], b"");
        assert_eq!((reply.status, reply.header("content-encoding")), (200, None), "{path}");
        for header in ["set-cookie", "location", "access-control-allow-origin", "transfer-encoding"] {
            assert_eq!(reply.header(header), None, "{path}");
        }
    }
    for bytes in [
        &b"GET /usages/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"[..],
        b"GET /usages/ HTTP/1.1\r\n\r\n",
        b"GET http://other.example/usages/ HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"GET /usages/ HTTP/1.1\r\nhost: a\r\naccept: text/html\r\nif-modified-since: Fri, 20 Nov 2026 18:00:00 GMT\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.send(bytes);
        let reply = connection.receive("GET").unwrap();
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(bytes));
    }
}
