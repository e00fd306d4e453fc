//! A process that is killed loses nothing that it had acknowledged and leaves nothing half done.

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use belljar_store::{DataDirectory, EnvironmentId, Environments, StoreError};
use common::{DAY, content, files, read, save};

/// Set in the process that is killed: the data directory.
const DIRECTORY: &str = "BELLJAR_STORE_TEST_DIRECTORY";
/// Set in the process that is killed: the number of its round.
const ROUND: &str = "BELLJAR_STORE_TEST_ROUND";
/// Tasks that save at the same time.
const SAVERS: u64 = 4;
const KILLS: u64 = 8;

/// The content of a save: small, in several pieces, or shared with others.
fn content_of(seed: u64) -> Vec<u8> {
    match seed % 5 {
        0 => content(seed, 1_000_000),
        1 => content(1, 50_000),
        _ => content(seed, 4096),
    }
}

/// Not a test by itself: what the killed process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saves_until_it_is_killed() {
    let Ok(path) = std::env::var(DIRECTORY) else {
        return;
    };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let directory = DataDirectory::open(path).unwrap();
    let environments = Environments::open(&directory).await.unwrap();
    let mut savers = tokio::task::JoinSet::new();
    for saver in 0..SAVERS {
        let environments = environments.clone();
        savers.spawn(async move {
            for number in 0.. {
                let seed = round * 1_000_000 + number * SAVERS + saver;
                let saved = save(&environments, &content_of(seed), DAY).await;
                // One system call for each line: no other one can be in it. The first lines of the test harness are not ours.
                let line = format!("\nsaved {} {seed}\n", saved.id);
                if std::io::stderr().write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
    savers.join_all().await;
}

/// Starts a process that saves, kills it after some acknowledgements, and returns all that it made.
fn kill_while_saving(directory: &Path, round: u64) -> Vec<(EnvironmentId, u64)> {
    let mut child = Command::new(std::env::current_exe().expect("is a file"))
        .args(["--exact", "saves_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stderr.take().expect("is piped")).lines();
    let mut acknowledged = Vec::new();
    for line in lines.map_while(Result::ok) {
        let mut words = line.split_whitespace();
        if words.next() != Some("saved") {
            continue;
        }
        // The last line may be cut.
        if let (Some(Ok(id)), Some(Ok(seed))) = (words.next().map(str::parse), words.next().map(str::parse)) {
            acknowledged.push((id, seed));
        }
        if acknowledged.len() == 1 {
            let locked = DataDirectory::open(directory);
            let holder = Some(child.id());
            assert!(matches!(&locked, Err(StoreError::Locked { holder: named, .. }) if *named == holder), "{locked:?}");
        }
        if acknowledged.len() as u64 == 1 + round * 7 {
            child.kill().expect("is killed");
            // And on to the end: it may have acknowledged more.
        }
    }
    let status = child.wait().expect("is reaped");
    assert!(status.code().is_none(), "round {round}: not killed but {status}");
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let made = kill_while_saving(parent.path(), round);
        assert!(made.len() as u64 > round * 7, "round {round}");
        acknowledged.extend(made);

        let directory = DataDirectory::open(parent.path()).unwrap();
        let environments = Environments::open(&directory).await.unwrap();
        for (id, seed) in &acknowledged {
            let found = environments.get(id).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("round {round}: {id} is lost"));
            assert!(read(&environments, &found).await == content_of(*seed), "round {round}: {id} has changed");
        }
        for (directory, left) in [("spool", 0), ("blobs/incoming", 0)] {
            assert_eq!(files(&parent.path().join(directory)).len(), left, "round {round}: {directory}");
        }
        // Unacknowledged blobs are gone after their grace, and each one left is named by a row.
        environments.sweep(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2)).await.unwrap();
        let bytes: u64 = files(&parent.path().join("blobs")).iter().map(|file| file.metadata().unwrap().len()).sum();
        assert_eq!(environments.total_bytes().await.unwrap(), bytes, "round {round}");
        environments.close().await;
    }
}
