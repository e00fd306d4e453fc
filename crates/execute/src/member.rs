//! One file of a saved environment.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, ReadBuf};

use crate::ExecuteError;

/// Files up to this many bytes are kept in memory, larger ones in a spool file.
const IN_MEMORY: u64 = 256 << 10;

/// One file of a saved environment, taken out of its archive.
#[derive(Debug)]
pub struct Member {
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes, exactly [`Member::size`] of them.
    pub content: MemberContent,
}

/// The bytes of a [`Member`], to be read. No sandbox is kept busy meanwhile: a client may be slow.
#[derive(Debug)]
pub struct MemberContent(Place);

#[derive(Debug)]
enum Place {
    Memory(Cursor<Vec<u8>>),
    Spool(tokio::fs::File),
}

impl Member {
    /// Takes `size` bytes from `source`. `spool` makes a file, if they are too many for the memory.
    pub(crate) async fn take(
        size: u64,
        source: impl AsyncRead + Unpin,
        spool: impl Future<Output = Result<std::fs::File, ExecuteError>>,
    ) -> Result<Self, ExecuteError> {
        let failed = |source| ExecuteError::Io { step: "taking a file out of an environment", source };
        let mut source = source.take(size);
        let (place, taken) = if size <= IN_MEMORY {
            let mut bytes = Vec::new();
            let taken = source.read_to_end(&mut bytes).await.map_err(failed)?;
            (Place::Memory(Cursor::new(bytes)), taken as u64)
        } else {
            let mut file = tokio::fs::File::from_std(spool.await?);
            let taken = tokio::io::copy(&mut source, &mut file).await.map_err(failed)?;
            file.flush().await.map_err(failed)?;
            file.rewind().await.map_err(failed)?;
            (Place::Spool(file), taken)
        };
        if taken < size {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Self { size, content: MemberContent(place) })
    }
}

impl AsyncRead for MemberContent {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Place::Memory(bytes) => Pin::new(bytes).poll_read(cx, buffer),
            Place::Spool(file) => Pin::new(file).poll_read(cx, buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(size: u64, available: usize) -> Option<(Vec<u8>, bool)> {
        let bytes: Vec<u8> = (0..available).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut spooled = false;
        let spool = async {
            spooled = true;
            Ok(tempfile::tempfile().unwrap())
        };
        let mut member = Member::take(size, &bytes[..], spool).await.ok()?;
        assert_eq!(member.size, size);
        let mut content = Vec::new();
        member.content.read_to_end(&mut content).await.unwrap();
        assert_eq!(content, bytes[..usize::try_from(size).unwrap()]);
        Some((content, spooled))
    }

    #[tokio::test]
    async fn exactly_the_size_is_taken_wherever_it_is_kept() {
        let small = usize::try_from(IN_MEMORY).unwrap();
        for (size, available, spooled) in
            [(0, 0, false), (5, 9, false), (small, small, false), (small + 1, small + 9, true)]
        {
            let (content, found) = check(size as u64, available).await.unwrap();
            assert_eq!((content.len(), found), (size, spooled));
        }
    }

    #[tokio::test]
    async fn an_early_end_is_an_error() {
        let small = usize::try_from(IN_MEMORY).unwrap();
        for (size, available) in [(1, 0), (IN_MEMORY, small - 1), (IN_MEMORY + 1, small)] {
            assert!(check(size, available).await.is_none());
        }
    }
}
