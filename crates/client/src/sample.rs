//! What is submitted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::spool::Spooled;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Something to be analysed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sample {
    /// A file under a name that the vendor sees.
    File {
        /// Its name, without directories. What it ends in decides with many vendors how it is run.
        name: String,
        /// Where its bytes are.
        origin: Origin,
    },
    /// An address to open in a browser.
    Url(String),
}

/// Where bytes are: somewhere that can be read again, because a submission whose connection failed is sent anew from its start.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A file, read as it is sent, never held whole.
    Path(PathBuf),
    /// In memory.
    Bytes(Bytes),
    /// What a stream held: see [`Origin::read`].
    Spooled(Arc<Spooled>),
    /// A part of another, for uploads in pieces: see [`Origin::slice`].
    Slice {
        /// Of which.
        whole: Arc<Self>,
        /// Its first byte.
        from: u64,
        /// Its length in bytes.
        length: u64,
    },
}

/// Of two that were spooled, only one and the same is equal.
impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(one), Self::Path(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::Spooled(one), Self::Spooled(other)) => Arc::ptr_eq(one, other),
            (
                Self::Slice { whole, from, length },
                Self::Slice { whole: other, from: other_from, length: other_length },
            ) => (from, length) == (other_from, other_length) && whole == other,
            _ => false,
        }
    }
}

impl Eq for Origin {}

impl Sample {
    /// A file on the disk, by its own name.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map_or_else(|| "sample".to_owned(), |name| name.to_string_lossy().into_owned());
        Self::File { name, origin: Origin::Path(path) }
    }

    /// Bytes in memory.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::File { name: name.into(), origin: Origin::Bytes(bytes.into()) }
    }

    /// What a stream holds, to its end: see [`Origin::read`].
    ///
    /// # Errors
    /// As [`Origin::read`].
    pub async fn read(name: impl Into<String>, stream: impl AsyncRead + Send, limit: u64) -> io::Result<Self> {
        Ok(Self::File { name: name.into(), origin: Origin::read(stream, limit).await? })
    }

    /// An address.
    pub fn url(address: impl Into<String>) -> Self {
        Self::Url(address.into())
    }

    /// What to call it: the file's name, or the address.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::File { name, .. } => name,
            Self::Url(address) => address,
        }
    }
}

impl Origin {
    /// Reads a stream to its end: the first [`IN_MEMORY`](crate::IN_MEMORY) bytes are held, more are in a file without a name. So it can be sent again, and
    /// with its length, which not every server does without.
    ///
    /// # Errors
    /// It cannot be read, there is no room for it, or it is longer than `limit` bytes ([`io::ErrorKind::FileTooLarge`]).
    pub async fn read(stream: impl AsyncRead + Send, limit: u64) -> io::Result<Self> {
        let mut stream = std::pin::pin!(stream);
        let mut spooled = Spooled::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(Self::Spooled(Arc::new(spooled)));
            }
            push(&mut spooled, &buffer[..count], limit)?;
        }
    }

    /// [`Origin::read`], of a stream that blocks.
    ///
    /// # Errors
    /// As [`Origin::read`].
    pub fn from_reader(mut stream: impl io::Read, limit: u64) -> io::Result<Self> {
        let mut spooled = Spooled::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(Self::Spooled(Arc::new(spooled))),
                Ok(count) => push(&mut spooled, &buffer[..count], limit)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// `length` bytes of it from `from` on, read as it is sent. That there are so many shows when it is read.
    #[must_use]
    pub fn slice(self: &Arc<Self>, from: u64, length: u64) -> Self {
        Self::Slice { whole: Arc::clone(self), from, length }
    }

    /// Its length in bytes.
    ///
    /// # Errors
    /// The file is not there, or is no regular file: one that never ends must not be sent. A slice is not all there.
    pub async fn length(&self) -> io::Result<u64> {
        let (whole, range) = self.range();
        let all = match whole {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Path(path) => regular(path).await?,
            Self::Spooled(spooled) => spooled.length(),
            Self::Slice { length, .. } => *length,
        };
        match range {
            None => Ok(all),
            Some((from, length)) if from.checked_add(length).is_some_and(|end| end <= all) => Ok(length),
            Some(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before the part that is wanted")),
        }
    }

    /// Its SHA-256.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn sha256(&self) -> io::Result<Hash> {
        let mut hasher = Sha256::new();
        let (_, mut pieces) = self.open().await?;
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
        Ok(Hash {
            kind: HashKind::Sha256,
            digits: hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Its length, and its bytes from its start. A file that is lengthened meanwhile gives an error; one that is shortened fewer bytes.
    pub(crate) async fn open(&self) -> io::Result<(u64, BoxStream<'static, io::Result<Bytes>>)> {
        let length = self.length().await?;
        let (whole, range) = self.range();
        let from = range.map_or(0, |(from, _)| from);
        let pieces = match whole {
            Self::Bytes(bytes) => {
                let place = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
                stream::iter([Ok(bytes.slice(place(from)..place(from + length)))]).boxed()
            }
            Self::Path(path) => {
                let mut file = tokio::fs::File::open(path).await?;
                if range.is_some() {
                    file.seek(io::SeekFrom::Start(from)).await?;
                    ReaderStream::with_capacity(file.take(length), CHUNK).boxed()
                } else {
                    exactly(file, length)
                }
            }
            Self::Spooled(spooled) => Arc::clone(spooled).pieces(from, length, CHUNK).boxed(),
            Self::Slice { .. } => stream::empty().boxed(),
        };
        Ok((length, pieces))
    }

    /// What it is a part of, itself no part of another; and which bytes, where it is not all of it.
    fn range(&self) -> (&Self, Option<(u64, u64)>) {
        let (mut whole, mut range) = (self, None::<(u64, u64)>);
        while let Self::Slice { whole: outer, from, length } = whole {
            range = Some(match range {
                // One that does not fit into what it is a part of is told of by its place, which is nowhere.
                Some((inner, wanted)) if inner.checked_add(wanted).is_some_and(|end| end <= *length) => {
                    (inner.saturating_add(*from), wanted)
                }
                Some((_, wanted)) => (u64::MAX, wanted.max(1)),
                None => (*from, *length),
            });
            whole = outer;
        }
        (whole, range)
    }
}

/// This many bytes of a file, or an error.
fn exactly(file: tokio::fs::File, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
    let changed = || io::Error::other("the file has changed while it was sent");
    let counted = ReaderStream::with_capacity(file, CHUNK).scan(length, move |left, piece| {
        let piece = piece.and_then(|piece| match left.checked_sub(piece.len() as u64) {
            Some(rest) => {
                *left = rest;
                Ok(piece)
            }
            None => Err(changed()),
        });
        std::future::ready(Some(piece))
    });
    counted.boxed()
}

fn push(spooled: &mut Spooled, bytes: &[u8], limit: u64) -> io::Result<()> {
    if spooled.length() + bytes.len() as u64 > limit {
        let problem = format!("longer than the limit of {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    spooled.push(bytes)
}

async fn regular(path: &Path) -> io::Result<u64> {
    let metadata = tokio::fs::metadata(path).await?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashKind {
    /// 32 digits.
    Md5,
    /// 40 digits.
    Sha1,
    /// 64 digits.
    Sha256,
}

impl HashKind {
    /// Its name, as most vendors have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// A file's hash, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hash {
    kind: HashKind,
    digits: String,
}

impl Hash {
    /// Reads one; its length says which it is. Nothing if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().to_ascii_lowercase();
        let kind = match digits.len() {
            32 => HashKind::Md5,
            40 => HashKind::Sha1,
            64 => HashKind::Sha256,
            _ => return None,
        };
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(Self { kind, digits })
    }

    /// Which it is.
    #[must_use]
    pub const fn kind(&self) -> HashKind {
        self.kind
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.digits
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_known_by_their_length() {
        for (text, kind) in [
            ("D41D8CD98F00B204E9800998ECF8427E", Some(HashKind::Md5)),
            (" da39a3ee5e6b4b0d3255bfef95601890afd80709\n", Some(HashKind::Sha1)),
            ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Some(HashKind::Sha256)),
            ("d41d8cd98f00b204e9800998ecf8427", None),
            ("z41d8cd98f00b204e9800998ecf8427e", None),
            ("", None),
        ] {
            assert_eq!(Hash::parse(text).map(|hash| hash.kind()), kind, "{text}");
        }
    }

    #[tokio::test]
    async fn a_sample_that_never_ends_is_none() {
        assert!(Origin::Path("/dev/zero".into()).length().await.is_err());
        assert!(Origin::Path("/dev/zero".into()).sha256().await.is_err());
        assert!(Origin::Path("/nowhere/x".into()).length().await.is_err());
    }

    #[tokio::test]
    async fn a_file_and_its_bytes_have_one_hash() {
        let path = std::env::current_exe().expect("there is one");
        let bytes = std::fs::read(&path).expect("it can be read");
        let length = bytes.len() as u64;
        let of_stream = Origin::read(bytes.as_slice(), length).await.expect("read");
        assert!(Origin::read(bytes.as_slice(), length - 1).await.is_err());
        assert!(Origin::from_reader(bytes.as_slice(), length - 1).is_err());
        let of_reader = Origin::from_reader(bytes.as_slice(), length).expect("read");
        assert_eq!(of_reader.sha256().await.expect("read"), of_stream.sha256().await.expect("read"));
        assert_eq!(of_stream.length().await.expect("read"), length);
        let of_file = Origin::Path(path);
        assert_eq!(of_stream.sha256().await.expect("read"), of_file.sha256().await.expect("read"));
        let of_bytes = Origin::Bytes(bytes.into());
        assert_eq!(of_file.sha256().await.expect("read"), of_bytes.sha256().await.expect("read"));
        assert_eq!(of_file.length().await.expect("read"), length);
        let empty = Origin::Bytes(Bytes::new()).sha256().await.expect("read");
        assert_eq!(empty.as_str(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[tokio::test]
    async fn a_slice_is_its_part_of_the_whole() {
        let path = std::env::current_exe().expect("there is one");
        let bytes = std::fs::read(&path).expect("it can be read");
        let all = bytes.len() as u64;
        let spooled = Origin::read(bytes.as_slice(), all).await.expect("read");
        for whole in [Origin::Path(path.clone()), Origin::Bytes(bytes.clone().into()), spooled] {
            let whole = Arc::new(whole);
            for (from, length) in [(0, 0), (0, all), (3, 200_000), (all - 1, 1), (all, 0)] {
                let slice = whole.slice(from, length);
                let (told, pieces) = slice.open().await.expect("it opens");
                let read: Vec<Bytes> = pieces.try_collect().await.expect("read");
                let start = usize::try_from(from).expect("it fits");
                let end = start + usize::try_from(length).expect("it fits");
                assert!(read.concat() == bytes[start..end], "{from} {length}");
                assert_eq!(told, length);
            }
            let of_slice = Arc::new(whole.slice(10, 100)).slice(5, 20);
            let expected = Origin::Bytes(bytes[15..35].to_vec().into());
            assert_eq!(of_slice.sha256().await.expect("read"), expected.sha256().await.expect("read"));
            let beyond = Arc::new(whole.slice(10, 100)).slice(81, 20);
            for slice in [beyond, whole.slice(all, 1), whole.slice(u64::MAX, 2), whole.slice(0, all + 1)] {
                assert!(slice.length().await.is_err() && slice.open().await.is_err(), "{slice:?}");
            }
        }
    }
}
