//! What the tests share: services, requests and archives.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use belljar_execute::{Command, Request, Response, Service, Settings};
use belljar_sandbox::{End, Launcher};
use belljar_store::DataDirectory;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// Where a test starts its service: a directory of its own, gone afterwards.
pub(crate) struct Bench {
    launcher: Launcher,
    root: TempDir,
}

impl Bench {
    pub(crate) fn new(launcher: Launcher) -> Self {
        Self { launcher, root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) async fn start(&self, settings: Settings) -> Service {
        let data = DataDirectory::open(self.data()).unwrap();
        match Service::start(&self.launcher, data, settings).await {
            Ok(service) => service,
            Err(error) => panic!("{}", chain(&error)),
        }
    }

    /// A service with this many sandboxes and the default settings.
    pub(crate) async fn service(&self, pool_size: usize) -> Service {
        self.start(settings(pool_size)).await
    }

    /// Files in the store, however they are named.
    pub(crate) fn stored_files(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
            entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
        }
        ["blobs", "spool"].iter().map(|name| count(&self.data().join(name))).sum()
    }
}

pub(crate) fn settings(pool_size: usize) -> Settings {
    Settings {
        pool_size,
        // The machine may be slow and busy; only the tests of the pool are about waiting.
        wait_for_sandbox: Duration::from_secs(60),
        ..Settings::default()
    }
}

/// A request of plain commands. One that begins with `-` may fail.
pub(crate) fn request<'a>(scripts: impl IntoIterator<Item = &'a str>) -> Request {
    let command = |script: &str| Command {
        script: script.strip_prefix('-').unwrap_or(script).to_owned(),
        timeout: None,
        ignore_failure: script.starts_with('-'),
    };
    Request {
        commands: scripts.into_iter().map(command).collect(),
        variables: Vec::new(),
        base: None,
        upload: None,
        result_path: None,
        save: false,
        stop_at_invalid_utf8: false,
    }
}

/// The answer to a request that must be carried out.
pub(crate) async fn execute(service: &Service, request: Request) -> Response {
    match service.execute(request).await {
        Ok(response) => response,
        Err(error) => panic!("{}", chain(&error)),
    }
}

/// How each command ended, and what it wrote.
pub(crate) fn ends(response: &Response) -> Vec<(End, String)> {
    let end = |execution: &belljar_execute::Execution| {
        (execution.outcome.end.clone(), String::from_utf8_lossy(&execution.outcome.stdout).into_owned())
    };
    response.executions.iter().map(end).collect()
}

pub(crate) const fn exited(code: i32) -> End {
    End::Exited { code }
}

/// Waits until something holds; a test that waits in vain is ended by the harness.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// An archive as clients send it. A name that ends with `/` is a directory; bytes are a file.
pub(crate) fn archive(members: &[(&str, &str)]) -> File {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        // Written as it is: the library refuses names that point outside.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        let is_directory = name.ends_with('/');
        header.set_entry_type(if is_directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_mode(if is_directory { 0o700 } else { 0o644 });
        header.set_uid(1000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    file_of(&builder.into_inner().unwrap().finish().unwrap())
}

pub(crate) fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// An archive of the shape that the peer's own tests use, with an entry for the root.
pub(crate) fn e1() -> File {
    archive(&[
        ("/", ""),
        ("dir/", ""),
        ("dir/file1.txt", "env1\n"),
        ("dir/file3.txt", "both1\n"),
        ("file1.txt", "env1\n"),
        ("file3.txt", "both1\n"),
    ])
}

/// Has a file before its directory.
pub(crate) fn e2() -> File {
    archive(&[
        ("/", ""),
        ("dir/", ""),
        ("dir/file2.txt", "env2\n"),
        ("dir/file3.txt", "both2\n"),
        ("dir2/file2.txt", "env2\n"),
        ("dir2/", ""),
        ("file2.txt", "env2\n"),
        ("file3.txt", "both2\n"),
    ])
}

/// Names and contents of an archive; names of directories without the slash.
pub(crate) fn members(mut archive: File) -> BTreeMap<String, String> {
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(Cursor::new(bytes)));
    let mut members = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let before = members.insert(name.trim_end_matches('/').to_owned(), content);
        assert_eq!(before, None, "{name} is there twice");
    }
    members
}

/// For comparing with [`members`].
pub(crate) fn expected<const N: usize>(members: [(&str, &str); N]) -> BTreeMap<String, String> {
    members.into_iter().map(|(name, content)| (name.to_owned(), content.to_owned())).collect()
}
