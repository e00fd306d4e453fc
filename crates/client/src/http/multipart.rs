//! Forms with files (RFC 7578), whose length is known before the first byte is sent.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::sample::Origin;

/// Bytes of a file in memory that are copied, to go out with what stands around them.
const SMALL: usize = 128 << 10;

/// One part of a form.
#[derive(Debug, Clone)]
pub enum Part {
    /// A field.
    Field {
        /// Its name.
        name: String,
        /// Its text.
        text: String,
    },
    /// A file.
    File {
        /// The field's name.
        name: String,
        /// The file's name: never empty, because servers take a part without one for text.
        file_name: String,
        /// Its bytes, read anew each time the form is sent.
        origin: Origin,
    },
}

impl Part {
    /// A field.
    pub fn field(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Field { name: name.into(), text: text.into() }
    }

    /// A file.
    pub fn file(name: impl Into<String>, file_name: &str, origin: &Origin) -> Self {
        let file_name = if file_name.is_empty() { "sample" } else { file_name };
        Self::File { name: name.into(), file_name: file_name.to_owned(), origin: origin.clone() }
    }
}

/// A form on its way.
pub(super) struct Form {
    pub(super) content_type: String,
    pub(super) length: u64,
    pub(super) bytes: BoxStream<'static, io::Result<Bytes>>,
}

/// Opens what the form needs and reads it from the start. A file that is shortened or lengthened meanwhile breaks the request off, and is not
/// sent as something else.
pub(super) async fn open(parts: &[Part]) -> io::Result<Form> {
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    let mut length = 0;
    let mut pieces: Vec<BoxStream<'static, io::Result<Bytes>>> = Vec::new();
    // What is in memory and small goes out in one piece: each costs a write.
    let mut small = Vec::new();
    for part in parts {
        match part {
            Part::Field { name, text } => {
                let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(name));
                small.extend_from_slice(format!("{head}{text}\r\n").as_bytes());
            }
            Part::File { name, file_name, origin } => {
                let head = format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
                    quoted(name),
                    quoted(file_name)
                );
                small.extend_from_slice(head.as_bytes());
                match origin {
                    Origin::Bytes(bytes) if small.len() + bytes.len() <= SMALL => small.extend_from_slice(bytes),
                    _ => {
                        let (of_file, bytes) = origin.open().await?;
                        length += small.len() as u64 + of_file;
                        pieces.push(one(std::mem::take(&mut small)));
                        pieces.push(bytes);
                    }
                }
                small.extend_from_slice(b"\r\n");
            }
        }
    }
    small.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    length += small.len() as u64;
    pieces.push(one(small));
    let bytes = stream::iter(pieces).flatten().boxed();
    Ok(Form { content_type: format!("multipart/form-data; boundary={boundary}"), length, bytes })
}

/// A stream of one piece.
fn one(bytes: Vec<u8>) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(Bytes::from(bytes))]).boxed()
}

/// A name between quotation marks, as browsers write it (WHATWG HTML, "multipart/form-data encoding algorithm").
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use futures_util::stream::TryStreamExt as _;

    use super::*;

    async fn whole(form: Form) -> Vec<u8> {
        let length = form.length;
        let bytes = form.bytes.try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        });
        let bytes = bytes.await.expect("no error");
        assert_eq!(bytes.len() as u64, length);
        bytes
    }

    #[tokio::test]
    async fn a_form_is_what_browsers_send() {
        let parts = [
            Part::field("a\"b", "x\r\ny"),
            Part::file("file", "né\"\n.exe", &Origin::Bytes(Bytes::from_static(b"MZ\0--"))),
            Part::file("file", "", &Origin::Bytes(Bytes::new())),
        ];
        let form = open(&parts).await.expect("it opens");
        let boundary = form.content_type.strip_prefix("multipart/form-data; boundary=").expect("a boundary").to_owned();
        let text = String::from_utf8(whole(form).await).expect("UTF-8").replace(&boundary, "B");
        assert_eq!(
            text,
            "--B\r\nContent-Disposition: form-data; name=\"a%22b\"\r\n\r\nx\r\ny\r\n\
             --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"né%22%0A.exe\"\r\nContent-Type: application/octet-stream\r\n\r\nMZ\0--\r\n\
             --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"sample\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n\
             --B--\r\n"
        );
    }

    #[tokio::test]
    async fn a_file_is_sent_from_its_start_each_time() {
        let path = std::env::current_exe().expect("there is one");
        let contents = std::fs::read(&path).expect("it can be read");
        let spooled = Origin::read(contents.as_slice(), u64::MAX).await.expect("it can be spooled");
        for origin in [Origin::Path(path), spooled] {
            let parts = [Part::file("file", "x", &origin)];
            for _ in 0..2 {
                let sent = whole(open(&parts).await.expect("it opens")).await;
                let end = sent.len() - "\r\n----\r\n".len() - 32;
                assert!(sent[..end].ends_with(&contents), "{origin:?}");
            }
        }
    }
}
