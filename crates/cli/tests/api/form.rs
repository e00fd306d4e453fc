//! Forms as the published client sends them, through each of the two HTTP libraries that it uses.

/// A body and its content type.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

const BOUNDARY: &str = "5d41402abc4b2a76b9719d911017c592";

/// `application/x-www-form-urlencoded` with one field, as both libraries write it.
pub(crate) fn urlencoded(fields: &[(&str, &[u8])]) -> Form {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
    Form { content_type: "application/x-www-form-urlencoded".to_owned(), body: fields.join("&").into_bytes() }
}

/// Python's `quote_plus`.
fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => quoted.push(char::from(*byte)),
            b' ' => quoted.push('+'),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

/// Only `config`.
pub(crate) fn config(json: &str) -> Form {
    urlencoded(&[("config", json.as_bytes())])
}

/// A multipart form of parts that are written out: their headers, and their content.
pub(crate) fn multipart(parts: &[(&str, &[u8])]) -> Form {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend(format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    Form { content_type: format!("multipart/form-data; boundary={BOUNDARY}"), body }
}

/// `config` and an archive, as `requests` sends them.
pub(crate) fn with_archive(json: &str, archive: &[u8]) -> Form {
    multipart(&[
        ("Content-Disposition: form-data; name=\"config\"", json.as_bytes()),
        ("Content-Disposition: form-data; name=\"environment\"; filename=\"work.tgz\"", archive),
    ])
}

/// `config` and an archive, as `aiohttp` sends them: each part's type stands first.
pub(crate) fn with_archive_typed(json: &str, archive: &[u8]) -> Form {
    multipart(&[
        ("Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=\"config\"", json.as_bytes()),
        (
            "Content-Type: application/x-tar\r\nContent-Disposition: form-data; name=\"environment\"; filename=\"work.tgz\"",
            archive,
        ),
    ])
}
