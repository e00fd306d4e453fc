//! A directory as the archive that is sent.

use std::fs::{self, File, FileType};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use belljar_client::Spooled;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// Bytes of the archive, at most: a home directory that was named by mistake is not sent.
pub(super) const MAX_ARCHIVE: u64 = 1 << 30;
/// Files, directories and links in it, at most.
const MAX_ENTRIES: usize = 200_000;
/// What may be done with a file by whom; without who it runs as, and without the sticky bit.
const PERMISSIONS: u32 = 0o777;

/// Why a directory cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    #[error("--dir {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("--dir {}: not a directory; a gzip-compressed tar is sent with --archive", path.display())]
    NoDirectory { path: PathBuf },
    #[error("--dir {}: that is the whole file system; name a directory below it", path.display())]
    Root { path: PathBuf },
    #[error("--dir {}: more than {MAX_ENTRIES} files; name a directory with only what the commands need", path.display())]
    TooMany { path: PathBuf },
    #[error("--dir {}: more than {} bytes when packed; name a directory with only what the commands need", path.display(), MAX_ARCHIVE)]
    TooLarge { path: PathBuf },
}

/// A packed directory.
#[derive(Debug)]
pub(super) struct Packed {
    /// The archive.
    pub(super) archive: Spooled,
    /// What is not in it, because it is neither file nor directory nor link.
    pub(super) left_out: Vec<PathBuf>,
}

/// Packs what is in a directory: under relative names, in the order of their names, owned by nobody in particular.
pub(super) fn pack(root: &Path) -> Result<Packed, PackError> {
    let read = |path: &Path, source| PackError::Read { path: path.to_owned(), source };
    let whole = root.canonicalize().map_err(|source| read(root, source))?;
    if !whole.is_dir() {
        return Err(PackError::NoDirectory { path: root.to_owned() });
    }
    if whole.parent().is_none() {
        return Err(PackError::Root { path: root.to_owned() });
    }
    let bounded = Bounded { spooled: Spooled::default(), full: false };
    let mut archive = Builder::new(GzEncoder::new(bounded, Compression::default()));
    let mut left_out = Vec::new();
    let mut entries = 0;
    // Names below the root, the next one last.
    let mut waiting = names(&whole, Path::new("")).map_err(|source| read(&whole, source))?;
    while let Some(name) = waiting.pop() {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(PackError::TooMany { path: root.to_owned() });
        }
        let path = whole.join(&name);
        let added = add(&mut archive, &path, &name).and_then(|kind| match kind {
            Added::Directory => {
                waiting.extend(names(&whole, &name)?);
                Ok(())
            }
            Added::Other => Ok(()),
            Added::Not => {
                left_out.push(name);
                Ok(())
            }
        });
        if let Err(source) = added {
            return Err(match archive.get_ref().get_ref().full {
                true => PackError::TooLarge { path: root.to_owned() },
                false => read(&path, source),
            });
        }
    }
    let finished = archive.into_inner().and_then(GzEncoder::finish);
    match finished {
        Ok(bounded) => Ok(Packed { archive: bounded.spooled, left_out }),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(PackError::TooLarge { path: root.to_owned() }),
        Err(error) => Err(read(root, error)),
    }
}

/// What is in a directory, the last first.
fn names(root: &Path, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let found = fs::read_dir(root.join(directory))?.map(|entry| Ok(directory.join(entry?.file_name())));
    let mut names: Vec<PathBuf> = found.collect::<io::Result<_>>()?;
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

enum Added {
    Directory,
    Other,
    Not,
}

fn add(archive: &mut Builder<GzEncoder<Bounded>>, path: &Path, name: &Path) -> io::Result<Added> {
    let metadata = fs::symlink_metadata(path)?;
    let mut header = Header::new_gnu();
    header.set_mode(metadata.permissions().mode() & PERMISSIONS);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let kind = metadata.file_type();
    if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        archive.append_data(&mut header, name, io::empty())?;
        return Ok(Added::Directory);
    }
    if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        let target = fs::read_link(path)?;
        // As it is, where there is room for it in the header; else the library takes needless slashes out of it.
        match header.set_link_name_literal(target.as_os_str().as_bytes()) {
            Ok(()) => archive.append_data(&mut header, name, io::empty())?,
            Err(_) => archive.append_link(&mut header, name, target)?,
        }
    } else if kind.is_file() {
        let file = File::open(path)?;
        // Of what was opened, which may be another by now.
        let metadata = file.metadata()?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        archive.append_data(&mut header, name, Exactly { file, left: metadata.len() })?;
    } else {
        debug_assert!(is_special(kind));
        return Ok(Added::Not);
    }
    Ok(Added::Other)
}

fn is_special(kind: FileType) -> bool {
    kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
}

/// As many bytes of a file as the header says: one that is shortened meanwhile would spoil all that comes after it.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        match self.file.read(&mut buffer[..most])? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was shortened while it was read")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

/// An archive up to its limit.
#[derive(Debug)]
struct Bounded {
    spooled: Spooled,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.spooled.length() + bytes.len() as u64 > MAX_ARCHIVE {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.spooled.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spooled.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_directory_is_packed_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        let (long, far) = ("n".repeat(200), "../far".repeat(30));
        fs::create_dir_all(root.join("b/empty")).unwrap();
        fs::write(root.join("b/x.sh"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("b/x.sh"), fs::Permissions::from_mode(0o4755)).unwrap();
        fs::write(root.join("a é.txt"), "").unwrap();
        fs::write(root.join(&long), vec![7; 100_000]).unwrap();
        symlink("../outside", root.join("b/link")).unwrap();
        symlink("/", root.join("c")).unwrap();
        symlink(&far, root.join("d")).unwrap();
        let _socket = UnixListener::bind(root.join("socket")).unwrap();
        symlink(&root, place.path().join("by-link")).unwrap();
        for start in [root.clone(), place.path().join("by-link")] {
            let packed = pack(&start).unwrap();
            assert_eq!(packed.left_out, [Path::new("socket")]);
            let mut archive = tar::Archive::new(GzDecoder::new(packed.archive.reader()));
            let entries = archive.entries().unwrap().map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
                let target = entry.link_name().unwrap().map(|target| target.display().to_string());
                let name = entry.path().unwrap().display().to_string();
                (name, entry.header().entry_type(), entry.header().mode().unwrap() & 0o7000, content.len(), target)
            });
            let plain = |name: &str, length| (name.to_owned(), EntryType::Regular, 0, length, None);
            let directory = |name: &str| (name.to_owned(), EntryType::Directory, 0, 0, None);
            let link = |name: &str, to: &str| (name.to_owned(), EntryType::Symlink, 0, 0, Some(to.to_owned()));
            let expected = [
                plain("a é.txt", 0),
                directory("b"),
                directory("b/empty"),
                link("b/link", "../outside"),
                plain("b/x.sh", 10),
                link("c", "/"),
                link("d", &far),
                plain(&long, 100_000),
            ];
            assert_eq!(entries.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_is_no_directory_is_not_packed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(pack(file.path()), Err(PackError::NoDirectory { .. })));
        assert!(matches!(pack(Path::new("/")), Err(PackError::Root { .. })));
        assert!(matches!(pack(Path::new("/nowhere/x")), Err(PackError::Read { .. })));
    }
}
