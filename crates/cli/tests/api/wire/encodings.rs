//! Forms: section 2.1.

use std::io::Write;

use serde_json::json;

use crate::archive::files;
use crate::form::{self, Form, multipart, urlencoded, with_archive, with_archive_typed};
use crate::http::Connection;
use crate::server::{checked, shared};

const CONFIG: &str = r#"{"commands": ["-cat in.txt"]}"#;
const TEXT: &str = "Content-Disposition: form-data; name=\"config\"";
const FILE: &str = "Content-Disposition: form-data; name=\"environment\"; filename=\"work.tgz\"";

/// What the command wrote: the file of the archive, if that was taken for one.
#[track_caller]
fn output(form: &Form) -> String {
    let Some(server) = shared() else { return "skipped".to_owned() };
    let answer = checked(&server.post(form));
    answer["execution"][0]["stdout"].as_str().expect("text").to_owned()
}

#[test]
fn captured_requests_are_answered() {
    let Some(server) = shared() else { return };
    // As `requests` and `aiohttp` have sent them, but for the port.
    let mut connection = server.connect();
    connection.send(
        b"POST /execute/ HTTP/1.1\r\nHost: 127.0.0.1:7000\r\nUser-Agent: python-requests/2.34.2\r\n\
          Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Length: 47\r\n\
          Content-Type: application/x-www-form-urlencoded\r\n\r\nconfig=%7B%22commands%22%3A+%5B%22true%22%5D%7D",
    );
    assert_eq!(checked(&connection.receive("POST").unwrap())["status"], 0);
    connection.send(
        b"POST /execute/ HTTP/1.1\r\nHost: 127.0.0.1:7000\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\
          User-Agent: Python/3.11 aiohttp/3.14.5\r\nContent-Length: 47\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n\
          config=%7B%22commands%22%3A+%5B%22true%22%5D%7D",
    );
    assert_eq!(checked(&connection.receive("POST").unwrap())["status"], 0);
}

#[test]
fn archives_come_in_both_styles() {
    if shared().is_none() {
        return;
    }
    let archive = files(&[("in.txt", "here")]);
    for form in [with_archive(CONFIG, &archive), with_archive_typed(CONFIG, &archive)] {
        assert_eq!(output(&form), "here");
    }
}

#[test]
fn a_part_is_a_file_if_it_has_a_file_name() {
    if shared().is_none() {
        return;
    }
    let archive = files(&[("in.txt", "here")]);
    let one = |environment: &str| multipart(&[(TEXT, CONFIG.as_bytes()), (environment, &archive)]);
    for (environment, expected) in [
        ("Content-Disposition: form-data; name=\"environment\"", ""),
        ("Content-Disposition: form-data; name=\"environment\"; filename=\"\"", ""),
        ("Content-Disposition: form-data; name=\"archive\"; filename=\"work.tgz\"", ""),
        ("Content-Disposition: form-data; name=\"environment\"; filename=\"environment\"", "here"),
        ("Content-Disposition: form-data; name=\"environment\"; filename=\"../../x\"", "here"),
        ("content-disposition: form-data; filename=x; name=environment", "here"),
        (
            "Content-Type: image/png\r\nX-Other: 1\r\nContent-Disposition: form-data; name=\"environment\"; filename=\"x\"",
            "here",
        ),
    ] {
        assert_eq!(output(&one(environment)), expected, "{environment}");
    }
    // The order of the parts does not matter.
    assert_eq!(output(&multipart(&[(FILE, &archive), (TEXT, CONFIG.as_bytes())])), "here");
}

#[test]
fn the_last_config_wins_and_others_are_ignored() {
    let Some(server) = shared() else { return };
    let say = |word: &str| format!(r#"{{"commands": ["echo {word}"]}}"#).into_bytes();
    let (first, last) = (say("first"), say("last"));
    let other = "Content-Disposition: form-data; name=\"other\"";
    for form in [
        urlencoded(&[("config", &first), ("other", b"x"), ("config", &last), ("", b"")]),
        multipart(&[(TEXT, &first), (other, b"\xff"), (TEXT, &last)]),
        multipart(&[(TEXT, &last), ("Content-Disposition: form-data; name=\"config\"; filename=\"config\"", &first)]),
        multipart(&[("Content-Type: application/json\r\nContent-Disposition: form-data; name=\"config\"", &last)]),
    ] {
        assert_eq!(output(&form), "last");
    }
    let as_file = multipart(&[("Content-Disposition: form-data; name=\"config\"; filename=\"c.json\"", &first)]);
    server.post(&as_file).refuses(400, "Missing argument 'config'");
}

#[test]
fn other_bodies_are_empty_forms() {
    let Some(server) = shared() else { return };
    for content_type in
        ["application/json", "text/plain", "", "application/octet-stream", "multipart/mixed; boundary=x"]
    {
        let form = Form { content_type: content_type.to_owned(), body: CONFIG.as_bytes().to_vec() };
        server.post(&form).refuses(400, "Missing argument 'config'");
    }
    server.request("POST", "/execute/", &[], b"config={}").refuses(400, "Missing argument 'config'");
    // A charset changes nothing.
    let mut form = form::config(r#"{"commands": ["echo é"]}"#);
    form.content_type = "Application/X-WWW-Form-URLencoded; charset=UTF-8".to_owned();
    assert_eq!(output(&form), "é");
}

#[test]
fn bytes_may_come_one_by_one_or_in_chunks() {
    let Some(server) = shared() else { return };
    let form = with_archive_typed(CONFIG, &files(&[("in.txt", "here")]));
    let head = |length: &str| {
        format!("POST /execute/ HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\n{length}\r\n\r\n", form.content_type)
    };
    let mut connection = server.connect();
    connection.send(head(&format!("Content-Length: {}", form.body.len())).as_bytes());
    for byte in form.body.chunks(1) {
        connection.send(byte);
    }
    assert_eq!(answer(&mut connection), "here");
    connection.send(head("Transfer-Encoding: chunked").as_bytes());
    let mut chunked = Vec::new();
    for chunk in form.body.chunks(7) {
        write!(chunked, "{:x}\r\n", chunk.len()).unwrap();
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    connection.send(&chunked);
    connection.send(b"0\r\n\r\n");
    assert_eq!(answer(&mut connection), "here");
    // curl waits to be asked for large bodies.
    connection.send(head(&format!("Expect: 100-continue\r\nContent-Length: {}", form.body.len())).as_bytes());
    connection.send(&form.body);
    assert_eq!(answer(&mut connection), "here");
}

fn answer(connection: &mut Connection) -> String {
    let answer = checked(&connection.receive("POST").expect("an answer"));
    answer["execution"][0]["stdout"].as_str().expect("text").to_owned()
}

#[test]
fn text_is_any_text() {
    if shared().is_none() {
        return;
    }
    let command = "printf '%s' 'é 日 \u{1f600} + & = % \\ \"'";
    let config = json!({"commands": [command]}).to_string();
    let escaped = r#"{"commands": ["printf '%s' '\u00e9 \u65e5 \ud83d\ude00 + & = % \\ \"'"]}"#;
    for form in [form::config(&config), form::config(escaped), multipart(&[(TEXT, config.as_bytes())])] {
        assert_eq!(output(&form), "é 日 \u{1f600} + & = % \\ \"");
    }
}
