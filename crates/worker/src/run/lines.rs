//! What a process writes, cut into lines.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of one line, at most, whatever `recv_limit` allows: 8 MiB, room for a base64 file and the JSON around it.
pub const MAX_LINE_BYTES: usize = 8 << 20;

/// Cuts a stream at line feeds, and nowhere else.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// No line feed is before this.
    searched: usize,
    closed: bool,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing comes any more: what is left counts as a line, unless it is empty.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    /// The next line without its line feed, which may be empty.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        if let Some(length) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
            let line = self.buffer.split_to(self.searched + length).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            return Some(line);
        }
        self.searched = self.buffer.len();
        (self.closed && !self.buffer.is_empty()).then(|| self.take())
    }

    /// What has come of a line that is not complete.
    pub(super) fn partial(&self) -> usize {
        self.buffer.len()
    }

    /// Throws away what has come of a line that is not complete, and all before it.
    pub(super) fn clear(&mut self) {
        self.take();
    }

    fn take(&mut self) -> Bytes {
        self.searched = 0;
        self.buffer.split().freeze()
    }
}

/// Free text, of which the end is kept.
#[derive(Debug)]
pub(super) struct Tail {
    kept: Vec<u8>,
    most: usize,
    cut: bool,
}

impl Tail {
    pub(super) const fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most, cut: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        // Not at each byte too many: what is moved is at most what has come.
        if self.kept.len() > self.most.saturating_mul(2) {
            self.shorten();
        }
    }

    /// The text, whose last line feed is no part of it; absent when there is none.
    pub(super) fn into_text(mut self) -> Option<String> {
        self.shorten();
        if self.kept.is_empty() {
            return None;
        }
        if self.kept.last() == Some(&b'\n') {
            self.kept.pop();
        }
        let text = String::from_utf8_lossy(&self.kept);
        Some(if self.cut { format!("[...] {text}") } else { text.into_owned() })
    }

    fn shorten(&mut self) {
        if let Some(many) = self.kept.len().checked_sub(self.most).filter(|&many| many > 0) {
            self.kept.drain(..many);
            self.cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&str]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for chunk in chunks {
            lines.push(chunk.as_bytes());
            while let Some(line) = lines.next() {
                all.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
        lines.close();
        all.extend(lines.next().map(|line| String::from_utf8_lossy(&line).into_owned()));
        all
    }

    #[test]
    fn only_line_feeds_end_lines() {
        for (chunks, lines) in [
            (&["a\nb\n"][..], &["a", "b"][..]),
            (&["a", "b\n", "c"], &["ab", "c"]),
            (&["\n", "a\r\n", "\u{2028}b\u{b}\n"], &["", "a\r", "\u{2028}b\u{b}"]),
            (&["a\n\nb"], &["a", "", "b"]),
            (&[""], &[]),
            (&["\n"], &[""]),
        ] {
            assert_eq!(cut(chunks), lines, "{chunks:?}");
        }
    }

    #[test]
    fn the_end_of_a_text_is_kept() {
        let text = |chunks: &[&str]| {
            let mut tail = Tail::new(4);
            chunks.iter().for_each(|chunk| tail.push(chunk.as_bytes()));
            tail.into_text()
        };
        assert_eq!(text(&[]), None);
        assert_eq!(text(&["ab\n"]).as_deref(), Some("ab"));
        assert_eq!(text(&["a\n\n"]).as_deref(), Some("a\n"));
        assert_eq!(text(&["abcdefgh", "ijklmnop", "q"]).as_deref(), Some("[...] nopq"));
        assert_eq!(text(&["\n"]).as_deref(), Some(""));
    }
}
