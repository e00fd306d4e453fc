//! What only the embedded store has: a file.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use belljar_worker::config::KvStore;
use belljar_worker::resource::kv::{OpenError, Store, Stores};
use futures_util::future::join_all;

use super::kv::limited;
use super::*;

/// Opened by nobody else here.
async fn open(file: &Path) -> Arc<dyn Store> {
    try_open(file).await.expect("a store")
}

async fn try_open(file: &Path) -> Result<Arc<dyn Store>, OpenError> {
    Stores::default().open(&KvStore::Embedded { file: file.to_owned() }).await
}

#[tokio::test]
async fn the_file_does_what_every_store_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("new/kv.db")).await;
    super::kv::all(&store).await;
    assert_eq!(store.state(), Ok(()));
}

#[tokio::test]
async fn the_file_is_nobody_elses_and_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kv.db");
    let run = Run::new(Profile::Belljar, "sandbox1");
    for number in 1..4 {
        let store = open(&file).await;
        let kv = limited(&store, 10, 10);
        assert_eq!(run.ask(&kv, "incr", json!({"key": "n"})).await, Answer::with("value", number));
        store.close().await;
        let answer = run.ask(&kv, "incr", json!({"key": "n"})).await;
        assert_eq!(answer, failure("the key-value store does not answer at the moment"));
        assert!(store.state().is_err());
    }
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn apps_with_the_same_file_have_the_same_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = Stores::default();
    let config = |name: &str| KvStore::Embedded { file: directory.path().join(name) };
    let (one, same) = (stores.open(&config("a")).await, stores.open(&config("a")).await);
    let (one, same) = (one.expect("a store"), same.expect("a store"));
    assert!(Arc::ptr_eq(&one, &same));
    assert!(!Arc::ptr_eq(&one, &stores.open(&config("b")).await.expect("a store")));
    assert_eq!(stores.state().await, Ok(()));
    stores.close().await;
    assert!(one.state().is_err());
}

#[tokio::test]
async fn two_workers_share_a_file_and_its_limits() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kv.db");
    // Each makes the tables, or finds them.
    let stores = join_all([open(&file), open(&file)]).await;
    let run = Run::new(Profile::Belljar, "sandbox1");
    let kvs: Vec<_> = stores.iter().map(|store| limited(store, 20, 20)).collect();
    let sets = (0..50).map(|key| run.ask(&kvs[key % 2], "set", json!({"key": format!("k{key}"), "value": key})));
    let taken = join_all(sets).await.into_iter().filter(|answer| *answer == Answer::success()).count();
    assert_eq!(taken, 20);
}

#[tokio::test]
async fn other_files_are_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("text"), "This is no database, and is long enough to see that: ".repeat(40)).expect("write");
    drop(open(&at("newer")).await);
    for (name, sql) in [("other", "CREATE TABLE kv (a)"), ("newer", "PRAGMA user_version = 2")] {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(at(name)).create_if_missing(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.expect("a database");
        sqlx::raw_sql(sql).execute(&pool).await.expect("done");
        pool.close().await;
    }
    let text = try_open(&at("text")).await.expect_err("no database");
    assert!(matches!(text, OpenError::File { .. }), "{text}");
    let other = try_open(&at("other")).await.expect_err("somebody else's");
    assert!(matches!(other, OpenError::Foreign { .. }), "{other}");
    let newer = try_open(&at("newer")).await.expect_err("too new");
    assert!(matches!(newer, OpenError::Newer { found: 2, known: 1, .. }), "{newer}");
    let nowhere = try_open(Path::new("/proc/nowhere/kv.db")).await.expect_err("nowhere");
    assert!(nowhere.to_string().contains("/proc/nowhere/kv.db"), "{nowhere}");
}

/// Where [`writes_until_it_is_killed`] writes to.
const FILE: &str = "BELLJAR_TEST_KV_FILE";

/// The other half of the next test, in a process of its own.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let store = open(Path::new(&file)).await;
    let kv = limited(&store, 1_000_000, 1_000_000);
    let run = Run::new(Profile::Belljar, "sandbox1");
    for number in 0.. {
        let answer = run.ask(&kv, "set", json!({"key": format!("k{number}"), "value": number})).await;
        assert_eq!(answer, Answer::success());
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nkept {number}").and_then(|()| out.flush()).expect("somebody reads");
    }
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kv.db");
    let mut kept = 0;
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "kv_embedded::writes_until_it_is_killed", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let numbers = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("kept ")?.parse::<u64>().ok());
        let mut last = 0;
        for number in numbers {
            last = number;
            if number == 50 {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(last >= 50, "it was killed too early: {last}");
        kept = kept.max(last);
    }
    let store = open(&file).await;
    let kv = limited(&store, 1_000_000, 1_000_000);
    let run = Run::new(Profile::Belljar, "sandbox1");
    for number in 0..=kept {
        let answer = run.ask(&kv, "get", json!({"key": format!("k{number}")})).await;
        assert_eq!(answer, Answer::with("value", number));
    }
    let counted = store.reconcile("sandbox1").await.expect("counted");
    assert_eq!(counted.before, counted.keys);
    assert!(counted.keys > i64::try_from(kept).expect("fits"));
}
