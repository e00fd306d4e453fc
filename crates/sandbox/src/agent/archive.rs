//! Reading of tar archives: ustar, GNU and PAX, gzip-compressed, as a stream in constant memory.
//!
//! Written for hostile input, which is why it is not left to a library: what a header claims is never allocated, every kind
//! of metadata has a bound, and limits are checked when a size is announced, before its bytes are read.

use std::io::{self, BufRead, BufReader, Read};

use super::gzip::{BUFFER_BYTES, Gunzip};
use super::header::{BLOCK, BLOCK_BYTES, Block, Header, padding};
use super::name::shown;
use super::pax::Extended;
use super::sparse::{ContentMap, MAX_MAP_BLOCKS, OldMap, Segment, is_sound};
use super::{ArchiveLimits, Problem, Refusal};

/// Longest extended header (PAX records, GNU name, sparse map) in bytes. One must hold two paths; they come with
/// attributes of files that we pass over.
pub(super) const MAX_EXTENDED_BYTES: u64 = 1 << 20;

/// All extended headers of an archive together, in bytes: it bounds what is remembered of names.
const MAX_ALL_EXTENDED_BYTES: u64 = 64 << 20;

/// Bytes behind the end of the archive that are still decompressed, so that its checksum gets verified. Archives are padded
/// to 10 KiB; what follows beyond is ignored.
const MAX_TRAILING_BYTES: u64 = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    /// A device, or a type flag that nobody has defined.
    Other,
}

/// One member, as its headers describe it.
#[derive(Debug)]
pub(super) struct Member {
    /// Name as written in the archive.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    /// Permission bits.
    pub(super) mode: u32,
    /// Last modification, in seconds since 1970 and nanoseconds.
    pub(super) mtime: (i64, u32),
    /// Bytes of a file, holes included; 0 for the rest.
    pub(super) size: u64,
    /// Target of a link.
    pub(super) link: Vec<u8>,
}

/// A part of a file's content.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    /// Where it belongs in the file. What lies between chunks is zero.
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
}

/// An archive that is being read.
#[derive(Debug)]
pub(super) struct Archive<R: Read> {
    stream: BufReader<R>,
    limits: ArchiveLimits,
    content: Content,
    headers: u64,
    extended_bytes: u64,
    entries: u64,
    bytes: u64,
}

/// What is left of the current member's content.
#[derive(Debug, Default)]
struct Content {
    /// Stored bytes not yet read, the lent ones included.
    left: u64,
    /// Bytes after them up to a whole block.
    padding: u64,
    /// Runs of the file that the stored bytes belong to, the first at the end.
    segments: Vec<Segment>,
    /// Bytes of the buffer that the last chunk lent.
    lent: usize,
}

impl<R: Read> Archive<Gunzip<R>> {
    /// Begins to read a compressed archive.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAnArchive`] when it does not start as gzip.
    pub(super) fn open(reader: R, limits: ArchiveLimits) -> Result<Self, Problem> {
        let gunzip = Gunzip::new(reader).map_err(|error| stream_problem(&error))?.map_err(Problem::not_an_archive)?;
        Ok(Self::plain(gunzip, limits))
    }
}

impl<R: Read> Archive<R> {
    /// Begins to read an archive that is not compressed.
    pub(super) fn plain(reader: R, limits: ArchiveLimits) -> Self {
        Self {
            stream: BufReader::with_capacity(BUFFER_BYTES, reader),
            limits,
            content: Content::default(),
            headers: 0,
            extended_bytes: 0,
            entries: 0,
            bytes: 0,
        }
    }

    /// Members and bytes of files up to now.
    pub(super) const fn totals(&self) -> (u64, u64) {
        (self.entries, self.bytes)
    }

    /// The next member; what was not read of the one before is passed over. Nothing at the end.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAnArchive`] for damage, [`Refusal::TooManyEntries`] and [`Refusal::TooManyBytes`].
    pub(super) fn next_member(&mut self) -> Result<Option<Member>, Problem> {
        let mut extended = Extended::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.skip_content()?;
            let Some(block) = self.read_header()? else {
                return Ok(None);
            };
            let header = Header(&block);
            let damaged = || Problem::not_an_archive(format!("the header of '{}' is damaged", shown(&header.name())));
            let size = header.size().ok_or_else(damaged)?;
            match header.type_flag() {
                b'L' => long_name = Some(self.read_name(size)?),
                b'K' => long_link = Some(self.read_name(size)?),
                b'x' | b'X' => extended.add(&self.read_extended(size)?)?,
                // Defaults for all members, which nobody uses for what we keep; the label of a volume.
                b'g' | b'V' => drop(self.read_extended(size)?),
                flag => {
                    let name = [extended.sparse.name.take(), extended.path.take(), long_name]
                        .into_iter()
                        .flatten()
                        .next()
                        .unwrap_or_else(|| header.name());
                    let kind = kind(flag, &name);
                    let mut member = Member {
                        kind,
                        mode: header.mode().ok_or_else(damaged)?,
                        mtime: match extended.mtime {
                            Some(mtime) => mtime,
                            None => (header.mtime().ok_or_else(damaged)?, 0),
                        },
                        size: 0,
                        link: extended.link.take().or(long_link).unwrap_or_else(|| header.link().to_vec()),
                        name,
                    };
                    self.entries += 1;
                    if self.entries > self.limits.max_entries {
                        return Err(Refusal::TooManyEntries(self.limits.max_entries).into());
                    }
                    // Nothing is stored for links, directories, devices and FIFOs, whatever size they give.
                    if kind == Kind::File {
                        let stored = extended.size.unwrap_or(size);
                        let sparse = if flag == b'S' {
                            Some(self.read_old_map(&block).transpose().ok_or_else(damaged)??)
                        } else {
                            extended
                                .sparse
                                .real_size
                                .map(|real_size| (std::mem::take(&mut extended.sparse.map), real_size))
                        };
                        member.size = sparse.as_ref().map_or(stored, |&(_, real_size)| real_size);
                        self.count_bytes(member.size)?;
                        self.begin_content(stored);
                        if let Some((mut map, real_size)) = sparse {
                            if extended.sparse.map_in_content {
                                map = self.read_content_map()?.ok_or_else(damaged)?;
                            }
                            if !is_sound(&map, self.content.left, real_size) {
                                return Err(damaged());
                            }
                            map.reverse();
                            self.content.segments = map;
                        } else if stored > 0 {
                            self.content.segments.push(Segment { offset: 0, length: stored });
                        }
                    } else if kind == Kind::Other && !matches!(flag, b'3' | b'4') {
                        self.begin_content(extended.size.unwrap_or(size));
                    }
                    return Ok(Some(member));
                }
            }
        }
    }

    /// The next part of the current member's content; nothing at its end.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAnArchive`] when the archive ends or is damaged here.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, Problem> {
        self.return_lent();
        while self.content.segments.last().is_some_and(|segment| segment.length == 0) {
            self.content.segments.pop();
        }
        let Some(segment) = self.content.segments.last_mut() else {
            return Ok(None);
        };
        let bytes = fill(&mut self.stream)?;
        if bytes.is_empty() {
            return Err(ends_early());
        }
        let length = bytes.len().min(usize::try_from(segment.length).unwrap_or(usize::MAX));
        let offset = segment.offset;
        segment.offset += length as u64;
        segment.length -= length as u64;
        self.content.lent = length;
        Ok(Some(Chunk { offset, bytes: &bytes[..length] }))
    }

    fn return_lent(&mut self) {
        let lent = std::mem::take(&mut self.content.lent);
        self.stream.consume(lent);
        self.content.left -= lent as u64;
    }

    fn skip_content(&mut self) -> Result<(), Problem> {
        self.return_lent();
        let mut left = self.content.left.saturating_add(self.content.padding);
        while left > 0 {
            let available = fill(&mut self.stream)?.len();
            if available == 0 {
                return Err(ends_early());
            }
            let skipped = available.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.stream.consume(skipped);
            left -= skipped as u64;
        }
        self.content = Content::default();
        Ok(())
    }

    fn begin_content(&mut self, stored: u64) {
        self.content = Content { left: stored, padding: padding(stored), ..Content::default() };
    }

    /// The next header; nothing at the end of the archive.
    fn read_header(&mut self) -> Result<Option<Block>, Problem> {
        if fill(&mut self.stream)?.is_empty() {
            // Without the two blocks of zeros at its end an archive is complete all the same, but it has members.
            return if self.headers > 0 { Ok(None) } else { Err(Problem::not_an_archive("it is empty")) };
        }
        let block = self.read_block()?;
        if block == [0; BLOCK] {
            self.read_to_end()?;
            return Ok(None);
        }
        if !Header(&block).is_valid() {
            return Err(Problem::not_an_archive(if self.headers == 0 {
                "it is no tar archive"
            } else {
                "a header is damaged"
            }));
        }
        // An honest member has up to three headers: two names or records, and its own.
        self.headers += 1;
        if self.headers > self.limits.max_entries.saturating_mul(4).saturating_add(4) {
            return Err(Refusal::TooManyEntries(self.limits.max_entries).into());
        }
        Ok(Some(block))
    }

    fn read_block(&mut self) -> Result<Block, Problem> {
        let mut block = [0; BLOCK];
        self.stream.read_exact(&mut block).map_err(|error| stream_problem(&error))?;
        Ok(block)
    }

    /// Decompresses what follows the archive, within bounds.
    fn read_to_end(&mut self) -> Result<(), Problem> {
        let mut left = MAX_TRAILING_BYTES;
        while left > 0 {
            let available = fill(&mut self.stream)?.len();
            if available == 0 {
                break;
            }
            self.stream.consume(available);
            left = left.saturating_sub(available as u64);
        }
        Ok(())
    }

    fn read_extended(&mut self, size: u64) -> Result<Vec<u8>, Problem> {
        if size > MAX_EXTENDED_BYTES {
            return Err(Problem::not_an_archive(format!(
                "an extended header is longer than {MAX_EXTENDED_BYTES} bytes"
            )));
        }
        self.count_extended(size)?;
        let mut bytes = Vec::new();
        // Grows with what is there, not with what is announced.
        (&mut self.stream).take(size).read_to_end(&mut bytes).map_err(|error| stream_problem(&error))?;
        if (bytes.len() as u64) < size {
            return Err(ends_early());
        }
        self.content.padding = padding(size);
        Ok(bytes)
    }

    /// A GNU long name, which ends at its first zero.
    fn read_name(&mut self, size: u64) -> Result<Vec<u8>, Problem> {
        let mut name = self.read_extended(size)?;
        name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
        Ok(name)
    }

    /// Segments and real size of an old GNU sparse file.
    fn read_old_map(&mut self, header: &Block) -> Result<Option<(Vec<Segment>, u64)>, Problem> {
        let Some(mut old) = OldMap::new(header) else {
            return Ok(None);
        };
        let mut blocks = 0;
        while old.continues {
            blocks += 1;
            self.count_extended(BLOCK_BYTES)?;
            let block = self.read_block()?;
            if blocks > MAX_MAP_BLOCKS || old.add(&block).is_none() {
                return Ok(None);
            }
        }
        Ok(Some((old.map, old.real_size)))
    }

    /// Segments of a sparse file whose content begins with them.
    fn read_content_map(&mut self) -> Result<Option<Vec<Segment>>, Problem> {
        let mut content = ContentMap::default();
        for _ in 0..MAX_MAP_BLOCKS {
            self.count_extended(BLOCK_BYTES)?;
            let Some(left) = self.content.left.checked_sub(BLOCK_BYTES) else {
                return Ok(None);
            };
            self.content.left = left;
            match content.add(&self.read_block()?) {
                Some(true) => return Ok(Some(content.map)),
                Some(false) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    fn count_bytes(&mut self, size: u64) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.max_bytes {
            return Err(Refusal::TooManyBytes(self.limits.max_bytes).into());
        }
        Ok(())
    }

    fn count_extended(&mut self, size: u64) -> Result<(), Problem> {
        self.extended_bytes += size;
        if self.extended_bytes > MAX_ALL_EXTENDED_BYTES {
            return Err(Problem::not_an_archive(format!(
                "its extended headers hold more than {MAX_ALL_EXTENDED_BYTES} bytes"
            )));
        }
        Ok(())
    }
}

/// The kind that a type flag stands for. Before POSIX a directory was a file whose name ends with a slash.
fn kind(flag: u8, name: &[u8]) -> Kind {
    match flag {
        0 if name.last() == Some(&b'/') => Kind::Directory,
        // Contiguous files are files.
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        _ => Kind::Other,
    }
}

/// What is buffered, or the next bytes; a signal does not interrupt.
fn fill<R: Read>(stream: &mut BufReader<R>) -> Result<&[u8], Problem> {
    while let Err(error) = stream.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(stream_problem(&error));
        }
    }
    Ok(stream.buffer())
}

/// Tells the system's errors from those of the decompressor.
fn stream_problem(error: &io::Error) -> Problem {
    if error.raw_os_error().is_some() {
        Problem::failed_io("reading the archive", error)
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        ends_early()
    } else {
        Problem::not_an_archive(format!("its gzip stream is damaged: {error}"))
    }
}

fn ends_early() -> Problem {
    Problem::not_an_archive("it ends too early")
}
