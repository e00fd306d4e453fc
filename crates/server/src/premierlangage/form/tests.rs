use std::io::Read as _;

use proptest::prelude::*;

use super::*;
use crate::body::test_body;

const LIMITS: FormLimits = FormLimits { field_bytes: 2_621_440, fields: 1000, file_bytes: 1_000_000 };

const MULTIPART: &str = "multipart/form-data; boundary=B";

fn read_chunks(content_type: &str, chunks: Vec<Vec<u8>>, limits: FormLimits) -> Result<Form, FormError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        read(content_type, &mut test_body(chunks), limits, || async { Ok(tempfile::tempfile()?) }).await
    })
}

/// The texts of `config` and `environment`, or the error.
fn read_text(content_type: &str, body: &[u8]) -> Result<(Option<String>, Option<String>), String> {
    match read_chunks(content_type, vec![body.to_vec()], LIMITS) {
        Ok(form) => {
            let environment = form.environment.map(|mut file| {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            });
            Ok((form.config, environment))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn part(header: &str, content: &str) -> String {
    format!("--B\r\n{header}\r\n\r\n{content}\r\n")
}

#[test]
fn urlencoded_forms() {
    for (body, expected) in [
        ("config=%7B%22commands%22%3A+%5B%22true%22%5D%7D", Some("{\"commands\": [\"true\"]}")),
        ("config=1&config=2", Some("2")),
        ("a=1&config=2&b=3", Some("2")),
        ("config", Some("")),
        ("config=", Some("")),
        ("config=%C3%A9%FF%", Some("é\u{FFFD}%")),
        ("environment=x", None),
        ("", None),
    ] {
        for content_type in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"] {
            let read = read_text(content_type, body.as_bytes());
            assert_eq!(read, Ok((expected.map(str::to_owned), None)), "{body}");
        }
    }
}

#[test]
fn other_types_are_not_read() {
    for content_type in ["application/json", "text/plain", ""] {
        assert_eq!(read_text(content_type, b"config=1"), Ok((None, None)));
    }
}

#[test]
fn multipart_forms() {
    let config = "Content-Disposition: form-data; name=\"config\"";
    let file = "Content-Disposition: form-data; name=\"environment\"; filename=\"work.tgz\"";
    let some = |text: &str| Some(text.to_owned());
    for (parts, expected) in [
        (vec![part(config, "{}")], (some("{}"), None)),
        (vec![part(config, "{}"), part(file, "bytes\r\n--\r\n\r\n-B")], (some("{}"), some("bytes\r\n--\r\n\r\n-B"))),
        // The client on aiohttp sends the type first.
        (
            vec![
                part(&format!("Content-Type: text/plain; charset=utf-8\r\n{config}"), "{}"),
                part(&format!("Content-Type: application/x-tar\r\n{file}"), "bytes"),
            ],
            (some("{}"), some("bytes")),
        ),
        (vec![part(file, ""), part(config, "")], (some(""), some(""))),
        (vec![part(config, "1"), part(config, "2"), part(file, "a"), part(file, "b")], (some("2"), some("b"))),
        // No file name, no file; a file is no text.
        (vec![part("Content-Disposition: form-data; name=\"environment\"", "x")], (None, None)),
        (vec![part("Content-Disposition: form-data; name=\"environment\"; filename=\"\"", "x")], (None, None)),
        (vec![part("Content-Disposition: form-data; name=\"config\"; filename=\"c\"", "x")], (None, None)),
        (
            vec![part("Content-Disposition: form-data; name=\"other\"; filename=\"c\"", "x"), part(config, "1")],
            (some("1"), None),
        ),
        (vec![part("content-disposition:form-data;name=config", "1")], (some("1"), None)),
        (vec![part("Content-Type: text/plain", "x"), part("X", "y"), "--B\r\n\r\nz\r\n".to_owned()], (None, None)),
        (vec!["preamble\r\n".to_owned(), part(config, "1")], (some("1"), None)),
        (vec![part(config, "1").replacen("--B\r\n", "--B \t\r\n", 1)], (some("1"), None)),
        (vec![], (None, None)),
    ] {
        let body = format!("{}--B--\r\nepilogue", parts.concat());
        assert_eq!(read_text(MULTIPART, body.as_bytes()), Ok(expected.clone()), "{body}");
        // However the network cuts it.
        let bytes = body.into_bytes().into_iter().map(|byte| vec![byte]).collect();
        let form = read_chunks(MULTIPART, bytes, LIMITS).unwrap();
        assert_eq!((form.config, form.environment.is_some()), (expected.0, expected.1.is_some()));
    }
    assert_eq!(read_text(MULTIPART, b""), Ok((None, None)));
}

#[test]
fn malformed_multipart_forms() {
    let config = part("Content-Disposition: form-data; name=\"config\"", "{}");
    let long = part(&format!("X: {}", "a".repeat(100_000)), "");
    for (content_type, body, expected) in [
        ("multipart/form-data", config.as_str(), "the multipart boundary is missing"),
        ("multipart/form-data; boundary=", &config, "the multipart boundary is not valid"),
        ("multipart/form-data; boundary=\"a \"", &config, "the multipart boundary is not valid"),
        (MULTIPART, &config, "the form ends in the middle"),
        (MULTIPART, "no boundary", "the form ends in the middle"),
        (MULTIPART, "--B\r\nContent-Disposition: x", "the form ends in the middle"),
        (MULTIPART, "--Bother\r\n\r\n", "a multipart delimiter is followed by something else"),
        (MULTIPART, &long, "the headers of a part are too long"),
        (MULTIPART, &"x".repeat(100_000), "the form does not begin with its boundary"),
    ] {
        assert_eq!(read_text(content_type, body.as_bytes()), Err(expected.to_owned()), "{body:.100}");
    }
}

#[test]
fn limits_are_kept() {
    let limits = FormLimits { field_bytes: 20, fields: 2, file_bytes: 10 };
    let field = |name: &str, content: &str| part(&format!("Content-Disposition: form-data; name={name}"), content);
    let file =
        |name: &str, content: &str| part(&format!("Content-Disposition: form-data; name={name}; filename=f"), content);
    let too_large = "the uploaded files are larger than 10 bytes";
    let many_files = [file("a", ""), file("b", ""), file("c", "")].concat();
    for (content_type, body, expected) in [
        (MULTIPART, field("config", &"x".repeat(12)), None),
        (MULTIPART, field("config", &"x".repeat(13)), Some("the form fields are too large")),
        (MULTIPART, field("other", &"x".repeat(14)), Some("the form fields are too large")),
        (MULTIPART, field("a", "").repeat(2), None),
        (MULTIPART, field("a", "").repeat(3), Some("the form has too many fields")),
        (MULTIPART, file("environment", &"x".repeat(10)), None),
        (MULTIPART, file("environment", &"x".repeat(11)), Some(too_large)),
        (MULTIPART, file("other", &"x".repeat(11)), Some(too_large)),
        (MULTIPART, many_files, Some("the form has too many fields")),
        ("application/x-www-form-urlencoded", "config=90123456789&x".to_owned(), None),
        (
            "application/x-www-form-urlencoded",
            "config=901234567890&x".to_owned(),
            Some("the form fields are too large"),
        ),
        ("application/x-www-form-urlencoded", "a&&".to_owned(), Some("the form has too many fields")),
    ] {
        let body = if content_type == MULTIPART { format!("{body}--B--\r\n") } else { body };
        let read = read_chunks(content_type, vec![body.clone().into_bytes()], limits);
        assert_eq!(read.err().map(|error| error.to_string()).as_deref(), expected, "{body}");
    }
}

proptest! {
    #[test]
    fn what_is_sent_arrives_however_it_is_cut(
        config in "[\\PC\r\n-]{0,60}",
        file in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'B'), any::<u8>()], 0..200),
        cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let delimiter = b"\r\n--B";
        prop_assume!(!config.contains("\r\n--B") && !file.windows(5).any(|window| window == delimiter));
        let mut body = part("Content-Disposition: form-data; name=config", &config).into_bytes();
        body.extend(b"--B\r\nContent-Disposition: form-data; name=environment; filename=f\r\n\r\n");
        body.extend(&file);
        body.extend(b"\r\n--B--\r\n");
        let mut chunks = Vec::new();
        for cut in cuts.iter().cycle() {
            if body.is_empty() {
                break;
            }
            chunks.push(body.drain(..(*cut).min(body.len())).collect());
        }
        let form = read_chunks(MULTIPART, chunks, LIMITS).unwrap();
        prop_assert_eq!(form.config, Some(config));
        let mut received = Vec::new();
        form.environment.unwrap().read_to_end(&mut received).unwrap();
        prop_assert_eq!(received, file);
    }

    #[test]
    fn changed_forms_are_read_without_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..6),
        end in any::<prop::sample::Index>(),
        urlencoded in any::<bool>(),
    ) {
        let mut body = if urlencoded {
            b"config=%7B%22commands%22%3A+%5B%22true%22%5D%7D&a=b%".to_vec()
        } else {
            let file = part("Content-Disposition: form-data; name=\"environment\"; filename=\"f\"", "bytes");
            format!("{}{file}--B--\r\n", part("Content-Disposition: form-data; name=\"config\"", "{}")).into_bytes()
        };
        for (index, byte, insert) in changes {
            let at = index.index(body.len());
            if insert { body.insert(at, byte) } else { body[at] = byte }
        }
        body.truncate(end.index(body.len()) + 1);
        let content_type = if urlencoded { "application/x-www-form-urlencoded" } else { MULTIPART };
        let _ = read_chunks(content_type, vec![body], LIMITS);
    }
}
