//! Keys and values in a SQLite file of our own.
//!
//! The same as in Redis, but for counts: here they are always those of the keys that are there, in both profiles.

mod file;
mod writer;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::stores::OpenError;
use super::{OPERATION_TIMEOUT, Place, Quota, Reconciled, Store, StoreError, Write, Written};
use crate::bus::Boxed;
use writer::{Done, Job, Task, Writer};

/// Writes that wait for their turn. More are refused.
const MAX_WAITING: usize = 1024;

/// A file with keys and values.
#[derive(Debug)]
pub(super) struct Embedded {
    readers: SqlitePool,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens a file, makes it where it does not exist, and brings its schema up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        let (writer, readers) = file::open(path).await?;
        let (sender, jobs) = mpsc::channel(MAX_WAITING);
        let writer = tokio::spawn(Writer::new(writer).serve(jobs));
        Ok(Self { readers, jobs: Mutex::new(Some(sender)), writer: Mutex::new(Some(writer)) })
    }

    /// Has a task done. What is answered is on the disk.
    async fn ask(&self, task: Task) -> Result<Done, StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closed = || StoreError::Unavailable("the file is closed".to_owned());
        let jobs = jobs.ok_or_else(closed)?;
        let (sender, done) = oneshot::channel();
        let asked = async {
            jobs.send(Job { task, done: sender }).await.map_err(|_| closed())?;
            done.await.map_err(|_| closed())?
        };
        let late = |_| Err(StoreError::Unavailable("the disk is too slow".to_owned()));
        timeout(OPERATION_TIMEOUT, asked).await.unwrap_or_else(late)
    }

    async fn get(&self, place: Place<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        let read = sqlx::query_scalar(
            "SELECT value FROM kv WHERE sandbox_id = ? AND key = ? AND (expires IS NULL OR expires > ?)",
        )
        .bind(place.sandbox_id)
        .bind(place.key)
        .bind(now())
        .fetch_optional(&self.readers);
        match timeout(OPERATION_TIMEOUT, read).await {
            Ok(value) => value.map_err(|error| unavailable(&error)),
            Err(_) => Err(StoreError::Unavailable("the disk is too slow".to_owned())),
        }
    }
}

impl Store for Embedded {
    fn get<'a>(&'a self, place: Place<'a>) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.get(place))
    }

    fn write<'a>(&'a self, place: Place<'a>, write: Write, quota: Quota) -> Boxed<'a, Result<Written, StoreError>> {
        let (sandbox_id, key) = (place.sandbox_id.to_owned(), place.key.to_owned());
        Box::pin(async move {
            match self.ask(Task::Write { sandbox_id, key, write, quota }).await? {
                Done::Written(written) => Ok(written),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn delete<'a>(&'a self, place: Place<'a>, _: bool) -> Boxed<'a, Result<bool, StoreError>> {
        let (sandbox_id, key) = (place.sandbox_id.to_owned(), place.key.to_owned());
        Box::pin(async move {
            match self.ask(Task::Delete { sandbox_id, key }).await? {
                Done::Deleted(existed) => Ok(existed),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn reconcile<'a>(&'a self, sandbox_id: &'a str) -> Boxed<'a, Result<Reconciled, StoreError>> {
        let sandbox_id = sandbox_id.to_owned();
        Box::pin(async move {
            match self.ask(Task::Reconcile { sandbox_id }).await? {
                Done::Reconciled(reconciled) => Ok(reconciled),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn reconcile_all(&self) -> Boxed<'_, Result<Vec<(String, Reconciled)>, StoreError>> {
        Box::pin(async {
            let listed = sqlx::query_scalar("SELECT sandbox_id FROM tenant ORDER BY sandbox_id");
            let listed: Vec<String> = listed.fetch_all(&self.readers).await.map_err(|error| unavailable(&error))?;
            let mut all = Vec::new();
            for tenant in listed {
                let reconciled = self.reconcile(&tenant).await?;
                all.push((tenant, reconciled));
            }
            Ok(all)
        })
    }

    fn state(&self) -> Result<(), String> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match &*jobs {
            Some(jobs) if jobs.capacity() > 0 => Ok(()),
            Some(_) => Err("the file with keys and values: its disk is too slow".to_owned()),
            None => Err("the file with keys and values is closed".to_owned()),
        }
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(writer) = writer {
                // It ends when it has done what waits; that it panicked has been said.
                let _ = writer.await;
            }
            self.readers.close().await;
        })
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn unavailable(error: &sqlx::Error) -> StoreError {
    StoreError::Unavailable(format!("the file with keys and values: {error}"))
}

/// Each task has its own kind of answer.
fn unexpected(done: &Done) -> StoreError {
    StoreError::Unavailable(format!("an answer to another question: {done:?}"))
}
