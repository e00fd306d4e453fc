//! Files to send, as `multipart/form-data` (RFC 7578).

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use serde_json::Value;

use super::problem::Problem;
use super::python;
use crate::config::Profile;

/// Unused bits at the end are no mistake, as in Python.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// One file.
#[derive(Debug)]
pub(super) struct File {
    field: String,
    file_name: String,
    content_type: String,
    data: Vec<u8>,
}

/// Reads `{field: {file_name, content_type, data}}`. The strict profile takes nothing else; the other one takes also the list of such
/// objects that vxsandbox documents, and does not take.
pub(super) fn read(files: &Value, profile: Profile) -> Result<Vec<File>, Problem> {
    let wrong = |value: &Value| Problem::Kind {
        field: "files".to_owned(),
        wanted: "an object: {field: {file_name, content_type, data}}",
        python: python::no_attribute(value, "iteritems"),
    };
    let objects = match (files, profile) {
        (Value::Object(_), _) => std::slice::from_ref(files),
        (Value::Array(objects), Profile::Belljar) => objects,
        _ => return Err(wrong(files)),
    };
    let mut read = Vec::new();
    for object in objects {
        for (field, file) in object.as_object().ok_or_else(|| wrong(object))? {
            read.push(read_file(field, file, profile)?);
        }
    }
    Ok(read)
}

fn read_file(field: &str, file: &Value, profile: Profile) -> Result<File, Problem> {
    let member = |member: &'static str| match (file, file.get(member)) {
        (_, Some(Value::String(text))) => Ok(text),
        (Value::Object(_), None) => Err(Problem::FileMember { file: field.to_owned(), member }),
        (Value::Object(_), Some(other)) => Err(Problem::Kind {
            field: format!("{member} of the file {field:?}"),
            wanted: "a string",
            python: match member {
                "data" => format!("must be string or buffer, not {}", python::type_name(other)),
                _ => python::no_attribute(other, "encode"),
            },
        }),
        (other, _) => Err(Problem::Kind {
            field: format!("the file {field:?}"),
            wanted: "an object: {file_name, content_type, data}",
            python: match other {
                Value::String(_) => "string indices must be integers".to_owned(),
                Value::Array(_) => "list indices must be integers, not str".to_owned(),
                other => python::no_attribute(other, "__getitem__"),
            },
        }),
    };
    let (file_name, content_type, data) = (member("file_name")?, member("content_type")?, member("data")?);
    // Python passes over all that is not of its alphabet.
    let of_it = |letter: &char| match profile {
        Profile::Belljar => !letter.is_ascii_whitespace(),
        Profile::Strict => letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '='),
    };
    let data: String = data.chars().filter(of_it).collect();
    let data = BASE64.decode(data).map_err(|_| Problem::Base64(field.to_owned()))?;
    if HeaderValue::from_str(content_type).is_err() {
        return Err(Problem::HeaderValue(format!("content_type of the file {field:?}")));
    }
    Ok(File { field: field.to_owned(), file_name: file_name.clone(), content_type: content_type.clone(), data })
}

/// The content type with its boundary, and the body.
pub(super) fn encode(files: &[File]) -> (HeaderValue, Vec<u8>) {
    let boundary = uuid::Uuid::new_v4();
    let mut body = Vec::new();
    for File { field, file_name, content_type, data } in files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            quotable(field),
            quotable(file_name),
            data.len(),
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
    (content_type.expect("a UUID is written in ASCII"), body)
}

/// As browsers write names between quotation marks.
fn quotable(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
