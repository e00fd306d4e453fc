//! Packing of a directory.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::content::{WRITING, copy_with, write_zeros};
use super::gzip::BUFFER_BYTES;
use super::header::{BLOCK_BYTES, Fields, ID_FIELD, LINK_FIELD, SIZE_FIELD, fits_octal, padding, split_name};
use super::name::{MAX_PATH_BYTES, shown};
use super::pax::{push_record, time_value};
use super::problem::Step;
use super::tree::{file_type, names, open_without_links, permissions, set_mode, stat};
use super::{Done, Problem, Refusal};

/// What is needed of the owner's permissions to list a directory and reach what is in it.
const OWNER_READ_AND_SEARCH: u32 = 0o500;
const OWNER_READ: u32 = 0o400;

/// All mode bits that `chmod` sets.
const MODE_BITS: u32 = 0o7777;

/// Packs the contents of a directory as gzip-compressed tar in PAX format.
///
/// Names are relative, without `./`, in order of their bytes, a directory before what is in it; the directory itself has no member.
/// Hidden files, empty directories, symbolic links, hard links (as links to the first of the names) and FIFOs are kept, with modes
/// (without set-user-ID, set-group-ID and sticky bit), times of modification, owners and groups; sockets and devices are left out. Holes of
/// sparse files become zeros. A file that is not readable for its owner is made so while it is read. A file that
/// changes meanwhile is cut, or filled with zeros, to the size it had at first.
///
/// Memory depends on the number of names in one directory and its parents, and of files with several names. At most three descriptors are open.
///
/// # Errors
///
/// [`Refusal::PathTooLong`] for a path above [`MAX_PATH_BYTES`]: nobody could unpack it. [`Problem::Failed`] when reading or writing fails.
pub fn pack(directory: BorrowedFd<'_>, output: impl Write, level: u32) -> Result<Done, Problem> {
    let output = BufWriter::with_capacity(BUFFER_BYTES, output);
    let mut packing = Packing {
        root: directory,
        output: GzEncoder::new(output, Compression::new(level.min(9))),
        buffer: vec![0; BUFFER_BYTES],
        path: Vec::new(),
        here: None,
        levels: Vec::new(),
        names: HashMap::new(),
        done: Done { entries: 0, bytes: 0 },
    };
    packing.walk()?;
    // Two blocks of zeros end an archive.
    write_zeros(2 * BLOCK_BYTES, &mut packing.output)?;
    let output = packing.output.finish().step(|| WRITING)?;
    output.into_inner().map_err(|error| Problem::failed_io(WRITING, error.error()))?;
    Ok(packing.done)
}

struct Packing<'a, W: Write> {
    root: BorrowedFd<'a>,
    output: GzEncoder<W>,
    buffer: Vec<u8>,
    /// The current directory's name; empty for the root.
    path: Vec<u8>,
    /// The current directory. Absent for the root, and until a name in it is needed again after a return from below.
    here: Option<OwnedFd>,
    /// The directories on the way to the current one, which is the last.
    levels: Vec<Level>,
    /// Files with several names, by device and inode, with the name that was packed.
    names: HashMap<(u64, u64), Vec<u8>>,
    done: Done,
}

struct Level {
    /// Length of the name of the directory above.
    above: usize,
    names: std::vec::IntoIter<CString>,
    /// The mode to give back in the end.
    mode: Option<u32>,
}

impl<W: Write> Packing<'_, W> {
    fn walk(&mut self) -> Result<(), Problem> {
        self.enter(0, None)?;
        while let Some(level) = self.levels.last_mut() {
            match level.names.next() {
                Some(name) => self.pack_name(name.as_bytes())?,
                None => self.leave()?,
            }
        }
        Ok(())
    }

    /// Lists the directory that `path` and `here` stand at.
    fn enter(&mut self, above: usize, mode: Option<u32>) -> Result<(), Problem> {
        let here = self.here.as_ref().map_or(self.root, AsFd::as_fd);
        let mut names = names(here).step(|| reading(&self.path))?;
        names.sort_unstable();
        self.levels.push(Level { above, names: names.into_iter(), mode });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Problem> {
        if let Some(level) = self.levels.pop() {
            if let Some(mode) = level.mode {
                self.open_here()?;
                if let Some(here) = &self.here {
                    rustix::fs::fchmod(here, Mode::from_raw_mode(mode)).step(|| reading(&self.path))?;
                }
            }
            self.path.truncate(level.above);
            self.here = None;
        }
        Ok(())
    }

    fn open_here(&mut self) -> Result<(), Problem> {
        if self.here.is_none() && !self.path.is_empty() {
            let directory = open_without_links(self.root, &self.path, OFlags::RDONLY | OFlags::DIRECTORY);
            self.here = Some(directory.step(|| reading(&self.path))?);
        }
        Ok(())
    }

    fn pack_name(&mut self, name: &[u8]) -> Result<(), Problem> {
        let above = self.path.len();
        let mut path = self.path.clone();
        if above > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if path.len() > MAX_PATH_BYTES {
            return Err(Refusal::PathTooLong(shown(&path)).into());
        }
        self.open_here()?;
        let here = self.here.as_ref().map_or(self.root, AsFd::as_fd);
        let step = || reading(&path);
        let found = match stat(here, name) {
            Err(Errno::NOENT) => return Ok(()),
            found => found.step(step)?,
        };
        let kind = file_type(&found);
        let identity = (found.st_dev, found.st_ino);
        if kind != FileType::Directory && found.st_nlink > 1 {
            if let Some(first) = self.names.get(&identity) {
                let fields = fields(&found, b'1', &path, first);
                return write_header(&mut self.output, &fields, &found, &mut self.done);
            }
            self.names.insert(identity, path.clone());
        }
        match kind {
            FileType::RegularFile => {
                let file = open_readable(here, name, &found, OWNER_READ, OFlags::empty()).step(step)?;
                if !file.was_readable {
                    rustix::fs::fchmod(&file.descriptor, Mode::from_raw_mode(found.st_mode & MODE_BITS)).step(step)?;
                }
                let opened = rustix::fs::fstat(&file.descriptor).step(step)?;
                if file_type(&opened) != FileType::RegularFile {
                    return Ok(());
                }
                let mut fields = fields(&found, b'0', &path, b"");
                fields.size = u64::try_from(opened.st_size).unwrap_or(0);
                let size = fields.size;
                write_header(&mut self.output, &fields, &found, &mut self.done)?;
                let file = File::from(file.descriptor);
                copy_with(&mut self.buffer, &file, size, &mut self.output)?;
                write_zeros(padding(size), &mut self.output)
            }
            FileType::Directory => {
                let directory =
                    open_readable(here, name, &found, OWNER_READ_AND_SEARCH, OFlags::DIRECTORY).step(step)?;
                path.push(b'/');
                write_header(&mut self.output, &fields(&found, b'5', &path, b""), &found, &mut self.done)?;
                path.pop();
                self.path = path;
                self.here = Some(directory.descriptor);
                self.enter(above, (!directory.was_readable).then_some(found.st_mode & MODE_BITS))
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(here, name, Vec::new()).step(step)?;
                let fields = fields(&found, b'2', &path, target.as_bytes());
                write_header(&mut self.output, &fields, &found, &mut self.done)
            }
            FileType::Fifo => write_header(&mut self.output, &fields(&found, b'6', &path, b""), &found, &mut self.done),
            _ => Ok(()),
        }
    }
}

/// A file or directory that is open for reading.
struct Opened {
    descriptor: OwnedFd,
    /// False when it was made so, and its mode is still to be given back.
    was_readable: bool,
}

fn open_readable(
    parent: BorrowedFd<'_>,
    name: &[u8],
    found: &Stat,
    needed: u32,
    more: OFlags,
) -> rustix::io::Result<Opened> {
    let was_readable = found.st_mode & needed == needed;
    if !was_readable {
        set_mode(parent, name, permissions(found) | needed)?;
    }
    // Not waiting: it might be a FIFO by now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    Ok(Opened { descriptor: rustix::fs::openat(parent, name, flags, Mode::empty())?, was_readable })
}

fn fields<'a>(found: &Stat, type_flag: u8, name: &'a [u8], link: &'a [u8]) -> Fields<'a> {
    Fields {
        name,
        link,
        type_flag,
        mode: permissions(found),
        uid: found.st_uid.into(),
        gid: found.st_gid.into(),
        user: account(found.st_uid),
        group: account(found.st_gid),
        size: 0,
        mtime: found.st_mtime,
    }
}

/// The name of a user or group inside a sandbox. The made-up `/etc` knows these two.
const fn account(id: u32) -> &'static str {
    match id {
        0 => "root",
        1000 => "student",
        _ => "",
    }
}

/// Writes a header, and before it the records of what it cannot hold.
fn write_header(output: &mut impl Write, fields: &Fields<'_>, found: &Stat, done: &mut Done) -> Result<(), Problem> {
    let mut records = Vec::new();
    let long_name = split_name(fields.name).is_none();
    let long_link = fields.link.len() > LINK_FIELD;
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    if (long_name && !is_text(fields.name)) || (long_link && !is_text(fields.link)) {
        // Records are UTF-8 unless they say otherwise.
        push_record(&mut records, "hdrcharset", b"BINARY");
    }
    for (key, value, long) in [("path", fields.name, long_name), ("linkpath", fields.link, long_link)] {
        // What is not ASCII has no defined meaning in a header; bytes that are no text at all are better off there.
        if long || (!value.is_ascii() && is_text(value)) {
            push_record(&mut records, key, value);
        }
    }
    for (key, value, field) in
        [("uid", fields.uid, ID_FIELD), ("gid", fields.gid, ID_FIELD), ("size", fields.size, SIZE_FIELD)]
    {
        if !fits_octal(value, field) {
            push_record(&mut records, key, value.to_string().as_bytes());
        }
    }
    let nanoseconds = u32::try_from(found.st_mtime_nsec).unwrap_or(0);
    let fits = u64::try_from(fields.mtime).is_ok_and(|seconds| fits_octal(seconds, SIZE_FIELD));
    if nanoseconds > 0 || !fits {
        push_record(&mut records, "mtime", time_value(fields.mtime, nanoseconds).as_bytes());
    }
    if !records.is_empty() {
        let header = Fields {
            name: b"PaxHeaders/record",
            link: b"",
            type_flag: b'x',
            mode: 0o644,
            size: records.len() as u64,
            ..fields.clone()
        };
        output.write_all(&header.encode()).step(|| WRITING)?;
        output.write_all(&records).step(|| WRITING)?;
        write_zeros(padding(header.size), output)?;
    }
    output.write_all(&fields.encode()).step(|| WRITING)?;
    done.entries += 1;
    done.bytes += fields.size;
    Ok(())
}

fn reading(path: &[u8]) -> String {
    format!("reading {}", shown(path))
}
