//! Contents of files, on their way out.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::gzip::BUFFER_BYTES;
use super::problem::Step;
use super::tree::{file_type, open_beneath};
use super::{Problem, Refusal};

/// Zeros to write.
const ZEROS: &[u8] = &[0; 4096];

/// Opens a regular file below a directory and tells its size in bytes. Links are followed as long as they stay below.
///
/// It never waits: neither for the other side of a FIFO nor for a lock.
///
/// # Errors
///
/// [`Refusal::NotFound`], [`Refusal::NotAFile`] or [`Refusal::TooLarge`] (above `max_bytes`); [`Problem::Failed`] for
/// anything that has nothing to do with the path.
pub fn open_result(directory: BorrowedFd<'_>, path: &str, max_bytes: u64) -> Result<(File, u64), Problem> {
    if path.as_bytes().contains(&0) {
        return Err(Refusal::NotFound.into());
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open_beneath(directory, path.as_bytes(), flags) {
        Ok(file) => file,
        // A socket, or a device without driver.
        Err(Errno::NXIO | Errno::NODEV) => return Err(Refusal::NotAFile.into()),
        Err(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::ACCESS
            | Errno::PERM
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::AGAIN,
        ) => return Err(Refusal::NotFound.into()),
        Err(errno) => return Err(errno).step(|| "opening the file"),
    };
    let stat = rustix::fs::fstat(&file).step(|| "opening the file")?;
    if file_type(&stat) != FileType::RegularFile {
        return Err(Refusal::NotAFile.into());
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > max_bytes {
        return Err(Refusal::TooLarge(max_bytes).into());
    }
    Ok((file.into(), size))
}

/// Writes exactly `size` bytes of a file: what it lacks is zeros, what has been added meanwhile is left out.
///
/// # Errors
///
/// [`Problem::Failed`] when reading or writing fails.
pub fn copy_file(file: &File, size: u64, output: &mut impl Write) -> Result<(), Problem> {
    copy_with(&mut vec![0; BUFFER_BYTES], file, size, output)
}

/// The same with a buffer for many files.
pub(super) fn copy_with(buffer: &mut [u8], mut file: &File, size: u64, output: &mut impl Write) -> Result<(), Problem> {
    let mut left = size;
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match io::Read::read(&mut file, &mut buffer[..wanted]) {
            Ok(0) => return write_zeros(left, output),
            Ok(read) => {
                output.write_all(&buffer[..read]).step(|| WRITING)?;
                left -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).step(|| "reading a file"),
        }
    }
    Ok(())
}

/// Writes this many zeros.
pub(super) fn write_zeros(mut left: u64, output: &mut impl Write) -> Result<(), Problem> {
    while left > 0 {
        let length = ZEROS.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        output.write_all(&ZEROS[..length]).step(|| WRITING)?;
        left -= length as u64;
    }
    Ok(())
}

/// The step when the receiver is the problem.
pub(super) const WRITING: &str = "writing the output";
