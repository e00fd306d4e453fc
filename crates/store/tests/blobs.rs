//! Blobs: what goes in comes out under its SHA-256, or nothing stays.

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use belljar_store::{BlobId, Blobs, DataDirectory, StoreError};
use common::{content, files, store, wait_for};

const KIB: usize = 1024;

fn open() -> (tempfile::TempDir, DataDirectory) {
    let parent = tempfile::tempdir().expect("makes a directory");
    let directory = DataDirectory::open(parent.path()).expect("opens");
    (parent, directory)
}

fn stored_files(directory: &DataDirectory) -> Vec<PathBuf> {
    files(&directory.path().join("blobs"))
}

fn path_of(directory: &DataDirectory, blob: BlobId) -> PathBuf {
    let name = blob.to_string();
    directory.path().join("blobs").join(&name[..2]).join(&name[2..])
}

async fn read(blobs: &Blobs, blob: BlobId) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = blobs.open_blob(&blob).await.expect("opens");
    file.read_to_end(&mut bytes).expect("reads");
    bytes
}

#[tokio::test]
async fn names_are_the_sha_256() {
    // FIPS 180-4 and its examples by NIST.
    let cases = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ];
    let (_parent, directory) = open();
    for (text, name) in cases {
        let stored = store(directory.blobs(), text.as_bytes()).await;
        assert_eq!(stored.id().to_string(), name);
        assert_eq!(stored.size(), text.len() as u64);
        let path = path_of(&directory, stored.id());
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o400);
    }
}

#[tokio::test]
async fn bytes_come_back_whatever_the_pieces() {
    let (_parent, directory) = open();
    let blobs = directory.blobs();
    for size in [0, 1, 4 * KIB, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 512 * KIB, 1000 * KIB + 17] {
        let bytes = content(size as u64, size);
        let mut names = Vec::new();
        for piece in [1000, 64 * KIB, 300 * KIB, 2000 * KIB] {
            let mut writer = blobs.writer(size as u64);
            for piece in bytes.chunks(piece) {
                writer.write(piece).await.unwrap();
            }
            assert_eq!(writer.size(), size as u64);
            let stored = writer.finish().await.unwrap();
            assert_eq!(blobs.size(&stored.id()).await.unwrap(), size as u64);
            assert!(read(blobs, stored.id()).await == bytes, "{size} bytes in pieces of {piece}");
            names.push(stored.id());
            // Not there already when the next one comes.
            drop(stored);
            assert!(blobs.remove(&names[0]).await.unwrap());
        }
        names.dedup();
        assert_eq!(names.len(), 1, "{size} bytes");
    }
    assert_eq!(stored_files(&directory), [] as [&Path; 0]);
}

#[tokio::test]
async fn more_than_the_limit_is_refused_and_leaves_nothing() {
    // Limit, pieces written.
    let cases: [(u64, &[usize]); 5] =
        [(0, &[1]), (10, &[11]), (10, &[10, 1]), (300_000, &[299_999, 2]), (300_000, &[300_000, 300_000, 300_000])];
    let (_parent, directory) = open();
    for (limit, pieces) in cases {
        let mut writer = directory.blobs().writer(limit);
        let mut results = Vec::new();
        for piece in pieces {
            results.push(writer.write(&content(0, *piece)).await);
        }
        let too_large = |error: &StoreError| matches!(error, StoreError::TooLarge { limit: named } if *named == limit);
        assert!(results.last().unwrap().as_ref().is_err_and(too_large), "{limit} {pieces:?}: {results:?}");
        // Also for who has not looked.
        assert!(writer.finish().await.is_err_and(|error| too_large(&error)), "{limit} {pieces:?}");
        wait_for("no file left", || stored_files(&directory).is_empty());
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let (_parent, directory) = open();
    for size in [0, 100, 256 * KIB, 3000 * KIB] {
        let mut writer = directory.blobs().writer(u64::MAX);
        writer.write(&content(0, size)).await.unwrap();
        drop(writer);
        wait_for("no file left", || stored_files(&directory).is_empty());
    }
}

#[tokio::test]
async fn a_write_that_was_given_up_is_no_blob() {
    let (_parent, directory) = open();
    let mut writer = directory.blobs().writer(u64::MAX);
    let bytes = content(0, 16 * 1024 * KIB);
    tokio::select! {
        biased;
        _ = writer.write(&bytes) => panic!("64 pieces were written before the first look"),
        () = std::future::ready(()) => {}
    }
    assert!(matches!(writer.write(b"more").await, Err(StoreError::Interrupted)));
    assert!(matches!(writer.finish().await, Err(StoreError::Interrupted)));
    wait_for("no file left", || stored_files(&directory).is_empty());
}

#[tokio::test]
async fn equal_bytes_are_stored_once() {
    let (_parent, directory) = open();
    for size in [4 * KIB, 700 * KIB] {
        let bytes = content(1, size);
        let first = store(directory.blobs(), &bytes).await;
        let path = path_of(&directory, first.id());
        let before = path.metadata().unwrap();
        let second = store(directory.blobs(), &bytes).await;
        let after = path.metadata().unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
    }
    assert_eq!(stored_files(&directory).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_may_be_written_at_the_same_time() {
    let (_parent, directory) = open();
    let bytes = content(2, 300 * KIB);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (blobs, bytes) = (directory.blobs().clone(), bytes.clone());
        writers.spawn(async move { store(&blobs, &bytes).await });
    }
    let stored = writers.join_all().await;
    assert!(read(directory.blobs(), stored[0].id()).await == bytes);
    assert_eq!(stored_files(&directory), [path_of(&directory, stored[0].id())]);
}

#[tokio::test]
async fn a_blob_that_was_cut_is_written_again() {
    let (_parent, directory) = open();
    let bytes = content(3, 5 * KIB);
    let stored = store(directory.blobs(), &bytes).await;
    let path = path_of(&directory, stored.id());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, &bytes[..100]).unwrap();
    store(directory.blobs(), &bytes).await;
    assert!(read(directory.blobs(), stored.id()).await == bytes);
}

#[tokio::test]
async fn a_removed_blob_is_gone_but_for_who_reads_it() {
    let (_parent, directory) = open();
    let blobs = directory.blobs();
    let stored = store(blobs, b"bytes").await;
    let id = stored.id();
    assert!(!blobs.remove(&id).await.unwrap(), "it is being saved");
    drop(stored);
    let mut file = blobs.open_blob(&id).await.unwrap();
    assert!(blobs.remove(&id).await.unwrap());
    assert!(!blobs.remove(&id).await.unwrap());
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "bytes");
    for missing in [blobs.open_blob(&id).await.err(), blobs.size(&id).await.err()] {
        assert!(matches!(missing, Some(StoreError::Missing { blob }) if blob == id), "{missing:?}");
    }
    assert_eq!(stored_files(&directory), [] as [&Path; 0]);
}
