//! Tests of the agent as a whole. Archives are made with the `tar` crate, or by hand where it is too honest; trees are
//! looked at with the standard library.

mod hostile;
mod layer;
mod member;
mod pack;
mod perform;
mod random;
mod result;
mod unpack;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::{ArchiveLimits, Done, Problem, Refusal};

const LIMITS: ArchiveLimits = ArchiveLimits { max_entries: 1000, max_bytes: 10 << 20 };

/// Modification time of members made here.
const MTIME: i64 = 1_234_567_890;

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member with any name, as a header and its content.
#[derive(Debug, Clone)]
struct Raw {
    header: tar::Header,
    content: Vec<u8>,
}

impl Raw {
    fn new(kind: u8, name: impl AsRef<[u8]>) -> Self {
        let mut header = tar::Header::new_ustar();
        let name = name.as_ref();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkflag = [kind];
        header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_size(0);
        header.set_mtime(MTIME.cast_unsigned());
        Self { header, content: Vec::new() }
    }

    fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(b'0', name).content(content)
    }

    fn directory(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name)
    }

    fn link(kind: u8, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        let mut link = Self::new(kind, name);
        let target = target.as_ref();
        link.header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        link
    }

    fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::link(b'2', name, target)
    }

    fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::link(b'1', name, target)
    }

    fn content(mut self, content: impl AsRef<[u8]>) -> Self {
        self.content = content.as_ref().to_vec();
        self.header.set_size(self.content.len() as u64);
        self
    }

    fn size(mut self, size: u64) -> Self {
        self.header.set_size(size);
        self
    }

    fn mode(mut self, mode: u32) -> Self {
        self.header.set_mode(mode);
        self
    }

    /// An extended header with these records.
    fn pax(records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            super::pax::push_record(&mut bytes, key, value);
        }
        Self::new(b'x', "PaxHeaders/x").content(bytes)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut header = self.header.clone();
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(&self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// An uncompressed archive.
fn plain(members: &[Raw]) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.iter().flat_map(Raw::bytes).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn archive(members: &[Raw]) -> Vec<u8> {
    compress(&plain(members))
}

/// The shapes of the reference's fixtures.
fn first_environment() -> Vec<u8> {
    archive(&[
        Raw::directory("/").mode(0o700),
        Raw::directory("dir/"),
        Raw::file("dir/file1.txt", "env1\n"),
        Raw::file("dir/file3.txt", "both1\n"),
        Raw::file("file1.txt", "env1\n"),
        Raw::file("file3.txt", "both1\n"),
    ])
}

fn second_environment() -> Vec<u8> {
    archive(&[
        Raw::directory("/").mode(0o700),
        Raw::directory("dir/"),
        Raw::file("dir/file2.txt", "env2\n"),
        Raw::file("dir/file3.txt", "both2\n"),
        Raw::file("dir2/file2.txt", "env2\n"),
        Raw::directory("dir2/"),
        Raw::file("file2.txt", "env2\n"),
        Raw::file("file3.txt", "both2\n"),
    ])
}

/// A work directory between things that nobody may touch.
struct Place {
    around: TempDir,
    canary: Tree,
}

impl Place {
    fn new() -> Self {
        let around = in_memory();
        let path = around.path();
        fs::create_dir_all(path.join("beside/deep")).unwrap();
        fs::write(path.join("canary"), "alive").unwrap();
        fs::write(path.join("beside/deep/canary"), "alive").unwrap();
        fs::create_dir(path.join("work")).unwrap();
        let canary = Self::look_around(path);
        Self { around, canary }
    }

    fn look_around(path: &Path) -> Tree {
        look_past(path, Path::new("work"))
    }

    fn work(&self) -> PathBuf {
        self.around.path().join("work")
    }

    fn unpack_within(&self, bytes: &[u8], limits: ArchiveLimits) -> Result<Done, Problem> {
        let directory = File::open(self.work()).unwrap();
        let result = super::unpack(bytes, directory.as_fd(), &limits);
        assert_eq!(Self::look_around(self.around.path()), self.canary, "outside of the work directory");
        result
    }

    fn unpack(&self, bytes: &[u8]) -> Result<Done, Problem> {
        self.unpack_within(bytes, LIMITS)
    }

    fn pack(&self) -> Result<Vec<u8>, Problem> {
        let directory = File::open(self.work()).unwrap();
        let mut bytes = Vec::new();
        super::pack(directory.as_fd(), &mut bytes, 1).map(|_| bytes)
    }

    fn tree(&self) -> Tree {
        look(&self.work())
    }

    fn names(&self) -> Vec<String> {
        self.tree().keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.work().join(name)).unwrap()
    }
}

/// A new directory on the kind of file system that sandboxes work on. On a disk these tests take minutes.
pub(super) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Drop for Place {
    fn drop(&mut self) {
        // The standard library stops at closed directories.
        let around = File::open(self.around.path()).unwrap();
        super::tree::remove(&around, b"work").unwrap();
    }
}

/// What a file is, without its permissions and times.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Thing {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
    Fifo,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    thing: Thing,
    /// Permissions; of links always 0o777.
    mode: u32,
    mtime: (i64, i64),
    /// Other names of the same file.
    links: u64,
}

/// All that is below a directory, by path.
type Tree = BTreeMap<Vec<u8>, Node>;

fn look(root: &Path) -> Tree {
    look_past(root, Path::new(""))
}

/// The same but for one name.
fn look_past(root: &Path, hidden: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.strip_prefix(root).unwrap() == hidden {
                continue;
            }
            let metadata = fs::symlink_metadata(&path).unwrap();
            let kind = metadata.file_type();
            let thing = if kind.is_dir() {
                left.push(path.clone());
                Thing::Directory
            } else if kind.is_file() {
                Thing::File(fs::read(&path).unwrap())
            } else if kind.is_symlink() {
                Thing::Symlink(fs::read_link(&path).unwrap().into_os_string().into_vec())
            } else if kind.is_fifo() {
                Thing::Fifo
            } else {
                Thing::Other
            };
            let node = Node {
                links: if kind.is_dir() { 1 } else { metadata.nlink() },
                thing,
                mode: metadata.mode() & 0o7777,
                mtime: (metadata.mtime(), metadata.mtime_nsec()),
            };
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            tree.insert(name, node);
        }
    }
    tree
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Whether modes bind us: they do not bind root.
fn is_bound_by_modes() -> bool {
    let bound = !rustix::process::geteuid().is_root();
    if !bound {
        eprintln!("root is not bound by file modes: partly skipped");
    }
    bound
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Problem>) -> Refusal {
    match result {
        Err(Problem::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
