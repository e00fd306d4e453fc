//! Archives with any names, and what is in an archive.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// An archive in the making. Names and targets are written as they are: `tar`'s own functions refuse those that are the point
/// of a test.
pub(crate) struct Archive(tar::Builder<GzEncoder<Vec<u8>>>);

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    /// Target of a link.
    pub(crate) target: &'a str,
    pub(crate) content: &'a [u8],
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self { name: "", kind: EntryType::Regular, mode: 0o644, uid: 1000, target: "", content: b"" }
    }
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    pub(crate) fn entry(mut self, entry: Entry<'_>) -> Self {
        let mut header = Header::new_ustar();
        let fields = header.as_ustar_mut().expect("it is one");
        fields.name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        fields.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(entry.uid);
        header.set_gid(entry.uid);
        header.set_mtime(1_600_000_000);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        self.0.append(&header, entry.content).expect("memory takes it");
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(Entry { name, content, ..Entry::default() })
    }

    pub(crate) fn directory(self, name: &str, mode: u32) -> Self {
        self.entry(Entry { name, kind: EntryType::Directory, mode, ..Entry::default() })
    }

    pub(crate) fn link(self, name: &str, kind: EntryType, target: &str) -> Self {
        self.entry(Entry { name, kind, target, mode: 0o777, ..Entry::default() })
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_inner().and_then(GzEncoder::finish).expect("memory takes it")
    }
}

/// An archive of plain files.
pub(crate) fn files(files: &[(&str, &str)]) -> Vec<u8> {
    files.iter().fold(Archive::new(), |archive, (name, content)| archive.file(name, content.as_bytes())).finish()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it")
}

/// Fixture E1 of the reference: has an entry for the root.
pub(crate) fn e1() -> Vec<u8> {
    Archive::new()
        .directory("/", 0o700)
        .directory("dir/", 0o700)
        .file("dir/file1.txt", b"env1\n")
        .file("dir/file3.txt", b"both1\n")
        .file("file1.txt", b"env1\n")
        .file("file3.txt", b"both1\n")
        .finish()
}

/// Fixture E2 of the reference: has a file before its directory.
pub(crate) fn e2() -> Vec<u8> {
    Archive::new()
        .directory("/", 0o700)
        .directory("dir/", 0o700)
        .file("dir/file2.txt", b"env2\n")
        .file("dir/file3.txt", b"both2\n")
        .file("dir2/file2.txt", b"env2\n")
        .directory("dir2/", 0o700)
        .file("file2.txt", b"env2\n")
        .file("file3.txt", b"both2\n")
        .finish()
}

/// One member of an archive that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// As the archive has it; that of a directory ends with a slash.
    pub(crate) name: String,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) target: String,
    pub(crate) content: Vec<u8>,
}

/// The members of a gzip-compressed archive, in order.
pub(crate) fn members(archive: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Member {
            name: text(&entry.path_bytes()),
            kind: entry.header().entry_type(),
            mode: entry.header().mode().expect("a mode"),
            target: entry.link_name_bytes().map(|target| text(&target)).unwrap_or_default(),
            content,
        }
    });
    entries.collect()
}

/// Names, without the slash of directories, and contents. Fails when a name is there twice.
pub(crate) fn contents(archive: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for member in members(archive) {
        let name = member.name.trim_end_matches('/').to_owned();
        let before = found.insert(name, String::from_utf8_lossy(&member.content).into_owned());
        assert_eq!(before, None, "{} is there twice", member.name);
    }
    found
}

/// For comparing with [`contents`].
pub(crate) fn expected(members: &[(&str, &str)]) -> BTreeMap<String, String> {
    members.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

/// E1 as it is found in a directory.
pub(crate) const E1: [(&str, &str); 5] = [
    ("dir", ""),
    ("dir/file1.txt", "env1\n"),
    ("dir/file3.txt", "both1\n"),
    ("file1.txt", "env1\n"),
    ("file3.txt", "both1\n"),
];

/// E1 over E2.
pub(crate) const E1_OVER_E2: [(&str, &str); 9] = [
    ("dir", ""),
    ("dir/file1.txt", "env1\n"),
    ("dir/file2.txt", "env2\n"),
    ("dir/file3.txt", "both1\n"),
    ("dir2", ""),
    ("dir2/file2.txt", "env2\n"),
    ("file1.txt", "env1\n"),
    ("file2.txt", "env2\n"),
    ("file3.txt", "both1\n"),
];
