//! belljar's own work inside: archives in and out, results.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use belljar_sandbox::agent::{ArchiveLimits, Refusal};
use belljar_sandbox::{AgentError, Limit, Policy};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::EntryType;
use tokio::io::AsyncReadExt;

use crate::bench::{Bench, exited, shown, text};

const LIMITS: ArchiveLimits = ArchiveLimits { max_entries: 1000, max_bytes: 64 << 20 };
const MAX: u64 = 64 << 20;

struct Archive(tar::Builder<GzEncoder<Vec<u8>>>);

impl Archive {
    fn new() -> Self {
        Self(tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        let fields = header.as_gnu_mut().unwrap();
        // Written as it is: the library refuses names that point outside.
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o6755 });
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, "", content)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }
}

fn descriptor(bytes: &[u8]) -> OwnedFd {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file.into()
}

/// A gzip stream of zeros, a thousand times smaller than what it holds.
fn bomb(bytes: u64) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    gzip.write_all(header.as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(1).take(bytes), &mut gzip).unwrap();
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

pub(crate) async fn directories_travel_in_and_out(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let archive = Archive::new()
        .entry(EntryType::Directory, "dir", "", b"")
        .file("dir/file", b"content")
        .entry(EntryType::Symlink, "link", "dir/file", b"")
        .file("run.sh", b"#!/bin/sh\necho ran\n");
    cell.unpack(descriptor(&archive.bytes()), LIMITS).await.unwrap();
    assert_eq!(
        cell.say("cat link; ./run.sh; stat -c %a run.sh; stat -c %U dir/file; echo new > dir/new").await,
        "contentran\n755\nstudent\n"
    );
    let mut packed = Vec::new();
    let written = cell.pack(6, &mut packed, MAX).await.unwrap();
    assert_eq!(written, packed.len() as u64);
    let mut names: Vec<String> = tar::Archive::new(GzDecoder::new(packed.as_slice()))
        .entries()
        .unwrap()
        .map(|entry| {
            entry.unwrap().path().unwrap().to_string_lossy().trim_start_matches("./").trim_end_matches('/').to_owned()
        })
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    assert_eq!(names, ["dir", "dir/file", "dir/new", "link", "run.sh"]);
    // Into a fresh one: it is the same again.
    cell.next().await;
    assert_eq!(cell.say("ls -A").await, "");
    cell.unpack(descriptor(&packed), LIMITS).await.unwrap();
    assert_eq!(cell.say("cat dir/new link").await, "new\ncontent");
    assert_eq!(cell.read_file("dir/new", MAX).await.unwrap(), b"new\n");
    cell.close().await;
}

pub(crate) async fn hostile_archives_are_refused(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    let outside = |name: &str| Archive::new().file(name, b"x").bytes();
    type Case = (&'static str, Vec<u8>, fn(&Refusal) -> bool);
    let cases: Vec<Case> = vec![
        ("nothing", Vec::new(), |refusal| matches!(refusal, Refusal::NotAnArchive(_))),
        ("no gzip", b"hello, this is no archive".to_vec(), |refusal| matches!(refusal, Refusal::NotAnArchive(_))),
        ("cut", Archive::new().file("a", &[7; 10_000]).bytes()[..60].to_vec(), |refusal| {
            matches!(refusal, Refusal::NotAnArchive(_))
        }),
        ("up", outside("../x"), |refusal| matches!(refusal, Refusal::PathOutside(_))),
        ("up later", outside("a/../../x"), |refusal| matches!(refusal, Refusal::PathOutside(_))),
        ("absolute", outside("/tmp/x"), |refusal| matches!(refusal, Refusal::PathOutside(_))),
        ("hard link out", Archive::new().entry(EntryType::Link, "l", "../../etc/passwd", b"").bytes(), |refusal| {
            matches!(refusal, Refusal::PathOutside(_))
        }),
        ("device", Archive::new().entry(EntryType::Block, "sda", "", b"").bytes(), |refusal| {
            matches!(refusal, Refusal::UnsupportedMember(_))
        }),
        ("bomb", bomb(200 << 20), |refusal| matches!(refusal, Refusal::TooManyBytes(_))),
        ("many", (0..1100).fold(Archive::new(), |archive, n| archive.file(&format!("f{n}"), b"")).bytes(), |refusal| {
            matches!(refusal, Refusal::TooManyEntries(1000))
        }),
    ];
    for (name, bytes, is_expected) in cases {
        let started = Instant::now();
        match cell.unpack(descriptor(&bytes), LIMITS).await {
            Err(AgentError::Refused(refusal)) => assert!(is_expected(&refusal), "{name}: {refusal:?}"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
        assert_eq!(cell.say("ls -A /tmp / | grep -x x || :").await, "", "{name}");
        cell.next().await;
    }
    // A way out through a link that came before.
    let archive = Archive::new().entry(EntryType::Symlink, "l", "/tmp", b"").file("l/planted", b"x").bytes();
    let result = cell.unpack(descriptor(&archive), LIMITS).await;
    assert_eq!(cell.say("ls -A /tmp").await, "", "{result:?}");
    cell.close().await;
}

pub(crate) async fn a_full_disk_is_a_failure(bench: &Bench) {
    let mut policy = Policy::default();
    policy.limits.disk = 4 << 20;
    policy.limits.inodes = 100;
    let mut cell = bench.cell(policy).await;
    let large = Archive::new().file("large", &vec![3; 8 << 20]).bytes();
    let many = (0..500).fold(Archive::new(), |archive, n| archive.file(&format!("f{n}"), b"x")).bytes();
    for bytes in [large, many] {
        match cell.unpack(descriptor(&bytes), LIMITS).await {
            Err(AgentError::Failed { errno: libc::ENOSPC, step }) => assert!(!step.is_empty()),
            other => panic!("{other:?}"),
        }
        assert!(cell.shell("true").await.success());
        cell.next().await;
    }
    cell.close().await;
    let mut policy = Policy::default();
    policy.limits.file_size = 1 << 20;
    let mut cell = bench.cell(policy).await;
    let large = Archive::new().file("large", &vec![3; 2 << 20]).bytes();
    match cell.unpack(descriptor(&large), LIMITS).await {
        Err(AgentError::Failed { errno: libc::EFBIG, .. }) => {}
        other => panic!("{other:?}"),
    }
    cell.close().await;
}

pub(crate) async fn only_plain_files_are_results(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    cell.say("echo good > good; ln -s good link; ln -s /etc/passwd passwd; ln -s nowhere dangling; ln -s ../../etc up; ln -s loop loop; mkdir dir; mkfifo fifo; echo x > closed; chmod 0 closed; ln -s /proc/self/fd/1 magic; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'; truncate -s 200M big; mkdir hidden; echo y > hidden/f; chmod 0 hidden").await;
    assert_eq!(cell.read_file("good", MAX).await.unwrap(), b"good\n");
    assert_eq!(cell.read_file("link", MAX).await.unwrap(), b"good\n");
    assert_eq!(
        cell.read_file("./dir/../good", MAX).await.map_err(|error| error.to_string()).unwrap_or_default().len() % 5,
        0
    );
    for name in [
        "passwd",
        "dangling",
        "up/passwd",
        "loop",
        "closed",
        "magic",
        "nothing",
        "../../etc/passwd",
        "/etc/passwd",
        "",
        "hidden/f",
        "good/x",
        "/proc/self/environ",
        &"x".repeat(5000),
    ] {
        match cell.read_file(name, MAX).await {
            Err(AgentError::Refused(_)) => {}
            other => panic!("{name:.100}: {:?}", other.map(|bytes| text(&bytes))),
        }
    }
    for name in ["dir", "fifo", "sock", "."] {
        match cell.read_file(name, MAX).await {
            Err(AgentError::Refused(Refusal::NotAFile | Refusal::NotFound)) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    match cell.read_file("big", MAX).await {
        Err(AgentError::Refused(Refusal::TooLarge(MAX))) => {}
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
    assert_eq!(cell.read_file("big", 200 << 20).await.unwrap().len(), 200 << 20);
    cell.close().await;
}

pub(crate) async fn a_directory_without_permissions_is_packed(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    cell.say("mkdir -p a/b; echo x > a/b/f; mkfifo a/fifo; ln -s /etc/passwd a/link; chmod 0 a/b/f a/b a; chmod 0 .")
        .await;
    let mut packed = Vec::new();
    let result = cell.pack(6, &mut packed, MAX).await;
    assert!(result.is_ok(), "{result:?}");
    let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()));
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert!(names.iter().any(|name| name.ends_with("a/b/f")), "{names:?}");
    // Too large to be wanted.
    cell.next().await;
    cell.say("head -c 3M /dev/urandom > f").await;
    match cell.pack(1, &mut Vec::new(), 1 << 20).await {
        Err(AgentError::TooLarge(limit)) => assert_eq!(limit, 1 << 20),
        other => panic!("{other:?}"),
    }
    assert!(cell.shell("true").await.success(), "it can be used on");
    cell.close().await;
}

pub(crate) async fn members_are_read(bench: &Bench) {
    let bytes = Archive::new()
        .file("first", b"1")
        .file("dir/wanted", &vec![b'w'; 300_000])
        .entry(EntryType::Directory, "d", "", b"")
        .bytes();
    let cell = bench.cell(Policy::default()).await;
    let (sandbox, pool) = cell.into_sandbox();
    let (size, mut reader) = sandbox.member(descriptor(&bytes), "dir/wanted", LIMITS).await.unwrap();
    let mut content = Vec::new();
    reader.read_to_end(&mut content).await.unwrap();
    assert_eq!((size, content.len()), (300_000, 300_000));
    assert_eq!(pool.status().busy, 1, "a reader keeps its sandbox");
    drop(reader);
    for name in ["nothing", "d", "../first", ""] {
        let sandbox = crate::bench::take(&pool).await;
        assert!(
            matches!(sandbox.member(descriptor(&bytes), name, LIMITS).await, Err(AgentError::Refused(_))),
            "{name}"
        );
    }
    // Left in the middle.
    let sandbox = crate::bench::take(&pool).await;
    let (_, mut reader) = sandbox.member(descriptor(&bytes), "dir/wanted", LIMITS).await.unwrap();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    drop(reader);
    let mut sandbox = crate::bench::take(&pool).await;
    assert!(sandbox.run(belljar_sandbox::Command::new(["true"])).await.unwrap().success());
    drop(sandbox);
    assert_eq!(pool.status().made, 1);
    pool.close().await;
}

pub(crate) async fn calls_survive_hostile_leftovers(bench: &Bench) {
    let mut policy = Policy::default();
    policy.limits.wall_time = Duration::from_secs(2);
    let mut cell = bench.cell(policy).await;
    let archive = Archive::new().file("file", &vec![b'x'; 1 << 20]).bytes();
    let leftovers = [
        "kill -9 -1",
        "kill -STOP -1",
        "(setsid bash -c 'trap \"\" TERM; while :; do :; done' &)",
        "rm -rf ~/* ~/.* 2>/dev/null; cd /; ln -s /etc ~/file",
        "(setsid bash -c 'while :; do rm -rf ~/file; ln -s /tmp/target ~/file; mkdir -p ~/file; rmdir ~/file; done' 2>/dev/null &)",
        "chmod 0 ~",
        "head -c 100M /dev/zero > /dev/shm/x",
    ];
    for leftover in leftovers {
        let outcome = cell.shell(leftover).await;
        assert!(outcome.end == exited(0) || !outcome.success(), "{}", shown(&outcome));
        assert!(!outcome.limits_reached.contains(&Limit::WallTime));
        cell.settle().await.unwrap();
        let unpacked = cell.unpack(descriptor(&archive), LIMITS).await;
        assert!(unpacked.is_ok() || leftover.contains("file"), "{leftover}: {unpacked:?}");
        let read = cell.read_file("file", MAX).await;
        assert!(read.is_ok_and(|bytes| bytes == [b'x'; 1 << 20]) || leftover.contains("file"), "{leftover}");
        let mut packed = Vec::new();
        let result = cell.pack(1, &mut packed, MAX).await;
        assert!(result.is_ok(), "{leftover}: {result:?}");
        cell.next().await;
        assert_eq!(cell.say("ls -A ~ /tmp /dev/shm | grep -v -e : -e '^$' || :").await, "", "{leftover}");
    }
    // While something still runs, without settling.
    cell.shell("(setsid bash -c 'trap \"\" TERM; while :; do kill -STOP -1; done' 2>/dev/null &)").await;
    let started = Instant::now();
    let _ = tokio::time::timeout(Duration::from_secs(2), cell.unpack(descriptor(&archive), LIMITS)).await;
    cell.next().await;
    assert!(cell.shell("true").await.success());
    assert!(started.elapsed() < Duration::from_secs(20));
    cell.close().await;
}
