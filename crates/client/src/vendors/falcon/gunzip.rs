//! Unpacks what Falcon packs: one file in gzip, as it comes.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::error::{ErrorKind, Result, Step};
use crate::http::Transport;
use crate::sandbox::Download;

/// Bytes that are unpacked at once: they become a thousand times as many at most, which is what is held in memory.
const CHUNK: usize = 4 << 10;
/// Bytes of an unpacked file, at most. Falcon takes samples of 100 MB, and memory dumps stay packed: more is an attack on the disk.
const MAX_BYTES: u64 = 4 << 30;

struct Unpacking {
    packed: BoxStream<'static, Result<Bytes>>,
    /// What has come and is not unpacked.
    rest: Bytes,
    decoder: MultiGzDecoder<Vec<u8>>,
    unpacked: u64,
    ended: bool,
    transport: Transport,
}

/// The file in the archive.
pub(super) fn gunzip(download: Download, transport: &Transport) -> Download {
    let unpacking = Unpacking {
        packed: download.bytes,
        rest: Bytes::new(),
        decoder: MultiGzDecoder::new(Vec::new()),
        unpacked: 0,
        ended: false,
        transport: transport.clone(),
    };
    let bytes = stream::try_unfold(unpacking, |mut unpacking| async move {
        Ok(unpacking.next().await?.map(|bytes| (bytes, unpacking)))
    });
    let name = download.name.map(|name| name.strip_suffix(".gz").map(str::to_owned).unwrap_or(name));
    Download { name, content_type: None, length: None, password: download.password, bytes: bytes.boxed() }
}

impl Unpacking {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.ended {
            if self.rest.is_empty() {
                match self.packed.next().await {
                    Some(piece) => self.rest = piece?,
                    None => self.ended = true,
                }
            }
            let now = self.rest.split_to(self.rest.len().min(CHUNK));
            let written = self.decoder.write_all(&now);
            let written = if self.ended { written.and_then(|()| self.decoder.try_finish()) } else { written };
            let of_step = |kind| self.transport.error(Step::Artifact, kind);
            written.map_err(|error| of_step(ErrorKind::Malformed(format!("it cannot be unpacked: {error}"))))?;
            let bytes = std::mem::take(self.decoder.get_mut());
            self.unpacked += bytes.len() as u64;
            if self.unpacked > MAX_BYTES {
                return Err(of_step(ErrorKind::TooLarge { what: "the unpacked file", limit: MAX_BYTES }));
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }
}
