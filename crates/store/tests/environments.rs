//! Saved working directories: durable, shared, gone when they expire, and never swept while they are being saved.

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use belljar_store::{DataDirectory, EnvironmentId, Environments, StoreError, Swept};
use common::{DAY, content, files, read, save, store};
use jiff::{SignedDuration, Timestamp};
use sqlx::Connection;

async fn open(path: &Path) -> Environments {
    let directory = DataDirectory::open(path).expect("opens");
    Environments::open(&directory).await.expect("opens")
}

fn stored_files(path: &Path) -> Vec<PathBuf> {
    files(&path.join("blobs"))
}

fn hours_from_now(hours: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn an_environment_comes_back_from_the_next_process() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    let before = Timestamp::now();
    let saved = save(&environments, b"archive", DAY).await;
    assert_eq!(saved.size, 7);
    assert_eq!(saved.expires, saved.created + SignedDuration::from_hours(24));
    assert!(saved.created.duration_since(before).abs() < SignedDuration::from_secs(10));
    assert_eq!(environments.get(&saved.id).await.unwrap(), Some(saved.clone()));
    environments.close().await;

    let environments = open(parent.path()).await;
    assert_eq!(environments.get(&saved.id).await.unwrap(), Some(saved.clone()));
    assert_eq!(read(&environments, &saved).await, b"archive");
    assert_eq!(environments.get(&EnvironmentId::random()).await.unwrap(), None);
}

#[tokio::test]
async fn a_lifetime_may_be_anything() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    for (lifetime, lives) in [
        (Duration::ZERO, false),
        (Duration::from_nanos(1), false), // less than the table's precision
        (DAY, true),
        (Duration::from_secs(u64::MAX), true),
    ] {
        let saved = save(&environments, b"x", lifetime).await;
        let found = environments.get(&saved.id).await.unwrap();
        assert_eq!(found, lives.then_some(saved), "{lifetime:?}");
    }
    assert_eq!(environments.count().await.unwrap(), 2);
}

#[tokio::test]
async fn environments_with_the_same_bytes_share_them_to_the_last() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    assert_eq!(environments.total_bytes().await.unwrap(), 0);
    let one = save(&environments, b"same", DAY).await;
    let two = save(&environments, b"same", DAY).await;
    save(&environments, b"other", DAY).await;
    assert_ne!(one.id, two.id);
    assert_eq!(environments.count().await.unwrap(), 3);
    assert_eq!(environments.total_bytes().await.unwrap(), 9);
    assert_eq!(stored_files(parent.path()).len(), 2);

    assert!(environments.remove(&one.id).await.unwrap());
    assert!(!environments.remove(&one.id).await.unwrap());
    assert_eq!(read(&environments, &two).await, b"same");
    assert!(environments.remove(&two.id).await.unwrap());
    assert_eq!(stored_files(parent.path()).len(), 1);
    let gone = environments.open_archive(&two).await;
    assert!(matches!(gone, Err(StoreError::Missing { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_sweep_removes_what_has_expired_and_its_blobs() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    // Content, lifetime in hours.
    for (bytes, hours) in [("a", 1), ("a", 3), ("b", 1), ("c", 2), ("c", 2), ("d", 5)] {
        save(&environments, bytes.as_bytes(), Duration::from_secs(hours * 3600)).await;
    }
    // Stored but never saved, and being saved.
    drop(store(environments.blobs(), b"orphan").await);
    let held = store(environments.blobs(), b"held").await;
    // Hour of the sweep -> environments and blobs that it removes.
    for (hour, swept) in [(0, (0, 1)), (1, (2, 1)), (2, (2, 1)), (4, (1, 1)), (4, (0, 0)), (9, (1, 1))] {
        let minute = SignedDuration::from_mins(1);
        let result = environments.sweep(hours_from_now(hour) + minute).await.unwrap();
        let expected = Swept { environments: swept.0, blobs: swept.1 };
        assert_eq!(result, expected, "hour {hour}");
    }
    let saved = environments.save(held, DAY).await.unwrap();
    assert_eq!(read(&environments, &saved).await, b"held");
    assert_eq!(stored_files(parent.path()).len(), 1);
}

#[tokio::test]
async fn a_sweep_takes_any_number() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    for number in 0..1203_u64 {
        // Three environments a blob.
        save(&environments, &content(number / 3, 10), Duration::ZERO).await;
    }
    let swept = environments.sweep(Timestamp::now()).await.unwrap();
    assert_eq!(swept, Swept { environments: 1203, blobs: 401 });
    assert_eq!(stored_files(parent.path()), [] as [&Path; 0]);
}

/// Savers, removers and sweeps over four contents, so that each blob is always about to go and about to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_being_saved_is_never_swept() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    let mut savers = tokio::task::JoinSet::new();
    for saver in 0..8_u64 {
        let environments = environments.clone();
        savers.spawn(async move {
            for round in 0..100 {
                let bytes = content((saver + round) % 4, 100);
                let saved = save(&environments, &bytes, DAY).await;
                tokio::task::yield_now().await;
                assert_eq!(read(&environments, &saved).await, bytes, "saver {saver}, round {round}");
                assert!(environments.remove(&saved.id).await.expect("removes"));
            }
        });
    }
    let mut sweeps = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let environments = environments.clone();
        sweeps.spawn(async move {
            loop {
                environments.sweep(Timestamp::now()).await.expect("sweeps");
            }
        });
    }
    savers.join_all().await;
    sweeps.shutdown().await;
    environments.sweep(Timestamp::now()).await.unwrap();
    assert_eq!(stored_files(parent.path()), [] as [&Path; 0], "and nothing is forgotten");
}

#[tokio::test]
async fn opening_brings_rows_and_files_together() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    let kept = save(&environments, b"kept", DAY).await;
    let lost = save(&environments, b"lost", DAY).await;
    let young = store(environments.blobs(), b"young orphan").await.id();
    let old = store(environments.blobs(), b"old orphan").await.id();
    environments.close().await;
    let path_of = |blob: belljar_store::BlobId| {
        let name = blob.to_string();
        parent.path().join("blobs").join(&name[..2]).join(&name[2..])
    };
    fs::remove_file(path_of(lost.blob)).unwrap();
    let stranger = parent.path().join("blobs/ab/README");
    fs::write(&stranger, "x").unwrap();
    let two_hours_ago = SystemTime::now() - Duration::from_secs(7200);
    for blob in [old, kept.blob] {
        File::open(path_of(blob)).unwrap().set_modified(two_hours_ago).unwrap();
    }

    let environments = open(parent.path()).await;
    assert_eq!(environments.get(&lost.id).await.unwrap(), None);
    assert_eq!(environments.count().await.unwrap(), 1);
    assert_eq!(read(&environments, &kept).await, b"kept");
    let mut expected = vec![stranger.clone(), path_of(kept.blob), path_of(young)];
    expected.sort();
    assert_eq!(stored_files(parent.path()), expected);
    // Its hour of grace over, the young one goes with a sweep.
    let swept = environments.sweep(hours_from_now(2)).await.unwrap();
    assert_eq!(swept, Swept { environments: 0, blobs: 1 });
    assert!(!path_of(young).exists());
}

#[tokio::test]
async fn a_damaged_archive_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let environments = open(parent.path()).await;
    let saved = save(&environments, b"archive", DAY).await;
    let path = &stored_files(parent.path())[0];
    fs::remove_file(path).unwrap();
    fs::write(path, "arch").unwrap();
    let damaged = environments.open_archive(&saved).await;
    assert!(matches!(damaged, Err(StoreError::Damaged { found: 4, expected: 7, .. })), "{damaged:?}");
}

#[tokio::test]
async fn a_database_that_is_none_of_ours_is_refused() {
    // What is done to it -> what the error says.
    let cases = [
        (
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', 1, x'00', 0)",
            "made by a newer belljar (schema 999",
        ),
        ("UPDATE _sqlx_migrations SET checksum = x'00'", "cannot update the schema"),
        ("", "it is damaged; restore it from a backup"),
    ];
    for (change, expected) in cases {
        let parent = tempfile::tempdir().unwrap();
        open(parent.path()).await.close().await;
        let path = parent.path().join("belljar.sqlite");
        if change.is_empty() {
            fs::write(&path, content(0, 8192)).unwrap();
        } else {
            let url = format!("sqlite:{}", path.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(change).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        let directory = DataDirectory::open(parent.path()).unwrap();
        let error = Environments::open(&directory).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("belljar.sqlite"), "{error}");
    }
}
