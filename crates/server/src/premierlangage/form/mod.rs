//! The form of `POST /execute/`: one text, and perhaps one file.

mod multipart;
mod parameters;
mod spool;

use std::error::Error;
use std::fs::File;
use std::io;

use self::multipart::Parts;
use self::parameters::Parameters;
use self::spool::Spool;
use crate::body::{BodyError, RequestBody};

/// The fields of the form that mean something.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// The text field `config`; the last one wins.
    pub(super) config: Option<String>,
    /// The file `environment`, positioned at its start; the last one wins.
    pub(super) environment: Option<File>,
}

/// Limits of a form.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormLimits {
    /// Most bytes of names and values of text fields together.
    pub(super) field_bytes: u64,
    /// Most text fields; as many files are looked at.
    pub(super) fields: usize,
    /// Most bytes of all files together.
    pub(super) file_bytes: u64,
}

impl FormLimits {
    /// The limits of the server that we stand in for (its framework's defaults), and our own limit on files.
    pub(super) const fn with_file_bytes(file_bytes: u64) -> Self {
        Self { field_bytes: 2_621_440, fields: 1000, file_bytes }
    }
}

/// Why a form was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    /// It is not a form, or its text fields exceed the limits.
    #[error("{0}")]
    Malformed(&'static str),
    /// Its files are too large.
    #[error("the uploaded files are larger than {limit} bytes")]
    FileTooLarge {
        /// The limit.
        limit: u64,
    },
    /// It did not come to its end.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A file could not be kept.
    #[error("an uploaded file could not be spooled")]
    Spool(#[source] SpoolError),
}

/// Why a file for an upload could not be made or written.
pub(super) type SpoolError = Box<dyn Error + Send + Sync>;

fn spool_failed(error: io::Error) -> FormError {
    FormError::Spool(error.into())
}

const FIELDS_TOO_LARGE: FormError = FormError::Malformed("the form fields are too large");
const TOO_MANY_FIELDS: FormError = FormError::Malformed("the form has too many fields");

/// Reads the form that `body` holds, by the content type that the client gave. A body of any other type is an empty form.
/// `spool` makes a nameless temporary file: whatever goes wrong, nothing is left of it.
pub(super) async fn read<S, F>(
    content_type: &str,
    body: &mut RequestBody,
    limits: FormLimits,
    spool: S,
) -> Result<Form, FormError>
where
    S: Fn() -> F,
    F: Future<Output = Result<File, SpoolError>>,
{
    let content_type = Parameters::parse(content_type);
    match content_type.value.as_str() {
        "application/x-www-form-urlencoded" => read_urlencoded(body, limits).await,
        "multipart/form-data" => {
            // Refused before it is sent, if the client waits for `100 Continue`; after it otherwise, but not kept.
            let most = limits.file_bytes.saturating_add(2 * limits.field_bytes);
            if body.announced().is_some_and(|size| size > most) {
                return Err(FormError::FileTooLarge { limit: limits.file_bytes });
            }
            let parts = Parts::new(body, content_type.get("boundary"))?;
            read_multipart(parts, limits, spool).await
        }
        _ => Ok(Form::default()),
    }
}

async fn read_urlencoded(body: &mut RequestBody, limits: FormLimits) -> Result<Form, FormError> {
    if body.announced().is_some_and(|size| size > limits.field_bytes) {
        return Err(FIELDS_TOO_LARGE);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limits.field_bytes {
            return Err(FIELDS_TOO_LARGE);
        }
    }
    // Separators are counted, whatever is between them.
    if bytes.iter().filter(|byte| **byte == b'&').count() >= limits.fields {
        return Err(TOO_MANY_FIELDS);
    }
    let config = form_urlencoded::parse(&bytes).filter(|(name, _)| name == "config").last();
    Ok(Form { config: config.map(|(_, value)| value.into_owned()), environment: None })
}

async fn read_multipart<S, F>(mut parts: Parts<'_>, limits: FormLimits, spool: S) -> Result<Form, FormError>
where
    S: Fn() -> F,
    F: Future<Output = Result<File, SpoolError>>,
{
    let mut form = Form::default();
    let (mut fields, mut files) = (0, 0);
    let (mut field_bytes, mut file_bytes) = (0, 0);
    if !parts.begin().await? {
        return Ok(form);
    }
    while let Some(header) = parts.header().await? {
        let name = header.name.as_deref().unwrap_or_default();
        let count = if header.is_file { &mut files } else { &mut fields };
        *count += 1;
        if *count > limits.fields {
            return Err(TOO_MANY_FIELDS);
        }
        if header.is_file {
            let mut kept = match name {
                "environment" => Some(Spool::new(spool().await.map_err(FormError::Spool)?)),
                _ => None,
            };
            while let Some(bytes) = parts.content().await? {
                file_bytes += bytes.len() as u64;
                if file_bytes > limits.file_bytes {
                    return Err(FormError::FileTooLarge { limit: limits.file_bytes });
                }
                if let Some(spool) = &mut kept {
                    spool.write(&bytes).await.map_err(spool_failed)?;
                }
            }
            if let Some(spool) = kept {
                form.environment = Some(spool.finish().await.map_err(spool_failed)?);
            }
        } else {
            let mut kept = (name == "config").then(Vec::new);
            // The name counts, as do the two characters that it would take besides the value in the other encoding.
            field_bytes += name.len() as u64 + 2;
            loop {
                if field_bytes > limits.field_bytes {
                    return Err(FIELDS_TOO_LARGE);
                }
                let Some(bytes) = parts.content().await? else {
                    break;
                };
                field_bytes += bytes.len() as u64;
                if let Some(value) = &mut kept {
                    value.extend_from_slice(&bytes);
                }
            }
            if let Some(value) = kept {
                form.config = Some(String::from_utf8_lossy(&value).into_owned());
            }
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests;
