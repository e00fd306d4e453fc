//! `multipart/form-data` (RFC 7578), read as a stream.
//!
//! A reader of our own: the usual one keeps everything before the end of a part's headers in memory and searches all of it
//! again for each piece that arrives, so that a few megabytes without a blank line cost minutes. Here nothing but a part's
//! headers is ever kept, and those are limited.

use bytes::{Bytes, BytesMut};

use super::FormError;
use super::parameters::Parameters;
use crate::body::RequestBody;

/// Most bytes of one part's headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Most bytes before the first part; mail programs write a sentence there, HTTP clients nothing.
const MAX_PREAMBLE_BYTES: usize = 16 * 1024;

/// Most bytes that are read after the last part, to keep the connection usable.
const MAX_EPILOGUE_BYTES: usize = 16 * 1024;

/// Longest boundary (RFC 2046 allows 70; the server we stand in for, 201).
const MAX_BOUNDARY_BYTES: usize = 201;

/// The parts of a body, one after the other.
pub(super) struct Parts<'a> {
    body: &'a mut RequestBody,
    /// What was received and not yet used.
    buffer: BytesMut,
    /// Line break and delimiter; also in front of the first part, as if a line had ended there.
    delimiter: Vec<u8>,
}

/// What a part says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartHeader {
    /// The field's name, trimmed; a part without one is nobody's.
    pub(super) name: Option<String>,
    /// Whether it is a file: it has a file name, and not an empty one.
    pub(super) is_file: bool,
}

impl<'a> Parts<'a> {
    /// Reads the parts of `body` between these boundaries.
    ///
    /// # Errors
    ///
    /// When the boundary is no boundary.
    pub(super) fn new(body: &'a mut RequestBody, boundary: Option<&str>) -> Result<Self, FormError> {
        let boundary = boundary.ok_or(FormError::Malformed("the multipart boundary is missing"))?;
        let valid = (1..=MAX_BOUNDARY_BYTES).contains(&boundary.len())
            && boundary.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && !boundary.ends_with(' ');
        if !valid {
            return Err(FormError::Malformed("the multipart boundary is not valid"));
        }
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        Ok(Self { body, buffer: BytesMut::from("\r\n"), delimiter })
    }

    /// Goes to the first part. `false` if there is none.
    pub(super) async fn begin(&mut self) -> Result<bool, FormError> {
        let mut skipped = 0;
        if !self.receive().await? {
            return Ok(false);
        }
        while let Some(preamble) = self.content().await? {
            skipped += preamble.len();
            if skipped > MAX_PREAMBLE_BYTES {
                return Err(FormError::Malformed("the form does not begin with its boundary"));
            }
        }
        Ok(true)
    }

    /// The header of the next part, after the content of the one before was read to its end. `None` after the last.
    pub(super) async fn header(&mut self) -> Result<Option<PartHeader>, FormError> {
        while self.buffer.len() < 2 {
            self.receive_more().await?;
        }
        if self.buffer.starts_with(b"--") {
            self.skip_epilogue().await?;
            return Ok(None);
        }
        // The line break that ends the delimiter is kept: with it, a part without headers also has a blank line.
        let mut searched = 0_usize;
        let end = loop {
            let from = searched.saturating_sub(3);
            let found = find(&self.buffer[from..], b"\r\n\r\n").map(|found| from + found);
            searched = self.buffer.len();
            // The same answer however the network has cut it.
            if found.unwrap_or(searched) > MAX_HEADER_BYTES {
                return Err(FormError::Malformed("the headers of a part are too long"));
            }
            match found {
                Some(end) => break end,
                None => self.receive_more().await?,
            }
        };
        let headers = self.buffer.split_to(end + 4);
        let headers = String::from_utf8_lossy(&headers);
        let (padding, headers) = headers.split_once("\r\n").unwrap_or_default();
        if !padding.trim_matches([' ', '\t']).is_empty() {
            return Err(FormError::Malformed("a multipart delimiter is followed by something else"));
        }
        Ok(Some(PartHeader::parse(headers)))
    }

    /// The next bytes of the part; `None` at its end.
    pub(super) async fn content(&mut self) -> Result<Option<Bytes>, FormError> {
        loop {
            match find(&self.buffer, &self.delimiter) {
                Some(0) => {
                    let _ = self.buffer.split_to(self.delimiter.len());
                    return Ok(None);
                }
                Some(end) => return Ok(Some(self.buffer.split_to(end).freeze())),
                None => {}
            }
            // The last bytes may be the beginning of a delimiter.
            let safe = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            self.receive_more().await?;
        }
    }

    async fn skip_epilogue(&mut self) -> Result<(), FormError> {
        let mut skipped = 0;
        while skipped <= MAX_EPILOGUE_BYTES {
            skipped += self.buffer.len();
            self.buffer.clear();
            if !self.receive().await? {
                break;
            }
        }
        Ok(())
    }

    /// Receives more; `false` at the end of the body.
    async fn receive(&mut self) -> Result<bool, FormError> {
        let Some(data) = self.body.chunk().await? else {
            return Ok(false);
        };
        self.buffer.extend_from_slice(&data);
        Ok(true)
    }

    async fn receive_more(&mut self) -> Result<(), FormError> {
        match self.receive().await? {
            true => Ok(()),
            false => Err(FormError::Malformed("the form ends in the middle")),
        }
    }
}

impl PartHeader {
    fn parse(headers: &str) -> Self {
        let disposition = headers.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let parameters = Parameters::parse(disposition.unwrap_or_default());
        Self {
            name: parameters.get("name").map(|name| name.trim().to_owned()),
            is_file: parameters.get("filename").is_some_and(|name| !name.is_empty()),
        }
    }
}

/// Where `needle`, which begins with a carriage return, first stands in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == b'\r') {
        let start = from + at;
        if haystack[start..].starts_with(needle) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}
