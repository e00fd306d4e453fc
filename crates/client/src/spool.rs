//! Reports as they came: small ones in memory, large ones in a nameless file.

use std::fmt;
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde::de::DeserializeOwned;

/// Bytes of a report that are held in memory; more are written to a file that has no name and is gone with it.
pub const IN_MEMORY: usize = 4 << 20;

/// Bytes that have come, to be read as often as needed.
pub struct Spooled(Place);

enum Place {
    Memory(Vec<u8>),
    File(std::fs::File, u64),
}

impl fmt::Debug for Spooled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Spooled({} bytes)", self.length())
    }
}

impl Default for Spooled {
    fn default() -> Self {
        Self(Place::Memory(Vec::new()))
    }
}

impl Spooled {
    /// Adds to it.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Place::Memory(held) = &mut self.0 {
            if held.len() + bytes.len() <= IN_MEMORY {
                held.extend_from_slice(bytes);
                return Ok(());
            }
            let mut file = tempfile::tempfile()?;
            file.write_all(held)?;
            self.0 = Place::File(file, held.len() as u64);
        }
        if let Place::File(file, length) = &mut self.0 {
            file.write_all(bytes)?;
            *length += bytes.len() as u64;
        }
        Ok(())
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        match &self.0 {
            Place::Memory(held) => held.len() as u64,
            Place::File(_, length) => *length,
        }
    }

    /// Reads it from its start.
    #[must_use]
    pub const fn reader(&self) -> Reader<'_> {
        Reader { spooled: self, position: 0 }
    }

    /// Reads it as JSON of some type. Members that the type does not have are passed over as they come, so that a large report costs no memory.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        match &self.0 {
            Place::Memory(held) => serde_json::from_slice(held),
            Place::File(..) => serde_json::from_reader(BufReader::with_capacity(1 << 16, self.reader())),
        }
    }

    /// `length` of its bytes from `from` on, so many at once, read off the runtime's threads where they are on the disk.
    pub(crate) fn pieces(
        self: Arc<Self>,
        from: u64,
        length: u64,
        at_once: usize,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let end = from.saturating_add(length);
        stream::try_unfold((self, from), move |(spooled, position)| async move {
            let reading = Arc::clone(&spooled);
            let read = move || {
                let left = usize::try_from(end - position).unwrap_or(usize::MAX);
                let mut piece = vec![0; at_once.min(left)];
                let count = Reader { spooled: &reading, position }.read(&mut piece)?;
                piece.truncate(count);
                Ok::<_, io::Error>(piece)
            };
            let piece = match &spooled.0 {
                Place::Memory(_) => read()?,
                Place::File(..) => tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??,
            };
            let next = position + piece.len() as u64;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), (spooled, next))))
        })
    }

    /// Its first bytes.
    pub(crate) fn start(&self, most: usize) -> Vec<u8> {
        let mut start = vec![0; most];
        let count = self.reader().read(&mut start).unwrap_or(0);
        start.truncate(count);
        start
    }
}

/// Adds to it.
impl io::Write for Spooled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads something spooled.
#[derive(Debug)]
pub struct Reader<'a> {
    spooled: &'a Spooled,
    position: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.spooled.0 {
            Place::Memory(held) => {
                let rest = held.get(usize::try_from(self.position).unwrap_or(usize::MAX)..).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                count
            }
            Place::File(file, _) => file.read_at(buffer, self.position)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spooled_is_read_as_it_was_written() {
        for pieces in [0, 1, 3, 40] {
            let mut spooled = Spooled::default();
            let mut all = Vec::new();
            for piece in 0..pieces {
                let bytes = vec![piece; 300_000];
                spooled.push(&bytes).expect("it can be written");
                all.extend_from_slice(&bytes);
            }
            for _ in 0..2 {
                let mut read = Vec::new();
                spooled.reader().read_to_end(&mut read).expect("it can be read");
                assert!(read == all, "{pieces}");
            }
            assert_eq!(spooled.length(), all.len() as u64);
        }
    }

    #[test]
    fn what_is_not_wanted_of_json_is_passed_over() {
        #[derive(serde::Deserialize)]
        struct Wanted {
            score: f64,
        }
        let mut spooled = Spooled::default();
        spooled.push(b"{\"calls\": [").expect("written");
        for _ in 0..300_000 {
            spooled.push(b"{\"api\": \"NtReadFile\"}, ").expect("written");
        }
        spooled.push(b"null], \"score\": 7.5}").expect("written");
        assert!(spooled.length() > IN_MEMORY as u64);
        assert!((spooled.json::<Wanted>().expect("JSON").score - 7.5).abs() < f64::EPSILON);
    }
}
