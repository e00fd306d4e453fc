//! The one who writes: what waits is written together, because syncing a disk costs the same for one and for many.

use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tracing::warn;

use super::super::integer;
use super::super::{NO_EXPIRY, NO_INTEGER, OVERFLOW, Quota, Reconciled, Refusal, StoreError, Write, Written};
use super::{now, unavailable};

/// Tasks that are written together, at most.
const MAX_TOGETHER: usize = 128;
/// How often keys are looked for that have expired, and how many are removed then: beside others' writes, a few milliseconds.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const SWEEP: i64 = 256;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Task {
    Write { sandbox_id: String, key: String, write: Write, quota: Quota },
    Delete { sandbox_id: String, key: String },
    Reconcile { sandbox_id: String },
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    Written(Written),
    Deleted(bool),
    Reconciled(Reconciled),
}

/// A task, and who wants to know what came of it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) task: Task,
    pub(super) done: oneshot::Sender<Result<Done, StoreError>>,
}

/// Writes into the file.
#[derive(Debug)]
pub(super) struct Writer {
    pool: SqlitePool,
    swept: Option<Instant>,
}

impl Writer {
    pub(super) const fn new(pool: SqlitePool) -> Self {
        Self { pool, swept: None }
    }

    /// Until nobody has a task any more.
    pub(super) async fn serve(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            let mut together = vec![job];
            while together.len() < MAX_TOGETHER {
                let Ok(job) = jobs.try_recv() else { break };
                together.push(job);
            }
            // Who does not wait any more was told that it failed.
            together.retain(|job| !job.done.is_closed());
            match self.write(together.iter().map(|job| &job.task)).await {
                Ok(done) => {
                    for (job, done) in together.into_iter().zip(done) {
                        // Who has given up meanwhile was told that it is not known.
                        let _ = job.done.send(Ok(done));
                    }
                }
                Err(error) if together.len() > 1 => {
                    warn!(%error, "Keys cannot be written together; each is tried alone.");
                    for job in together {
                        let done = self.write(std::iter::once(&job.task)).await;
                        let done = done.map(|mut done| done.remove(0)).map_err(|error| unavailable(&error));
                        let _ = job.done.send(done);
                    }
                }
                Err(error) => {
                    for job in together {
                        let _ = job.done.send(Err(unavailable(&error)));
                    }
                }
            }
        }
        self.pool.close().await;
    }

    /// All of it, or nothing.
    async fn write(&mut self, tasks: impl Iterator<Item = &Task>) -> Result<Vec<Done>, sqlx::Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut done = Vec::new();
        for task in tasks {
            done.push(match task {
                Task::Write { sandbox_id, key, write, quota } => {
                    Done::Written(write_key(&mut transaction, sandbox_id, key, write, *quota).await?)
                }
                Task::Delete { sandbox_id, key } => Done::Deleted(delete_key(&mut transaction, sandbox_id, key).await?),
                Task::Reconcile { sandbox_id } => Done::Reconciled(reconcile(&mut transaction, sandbox_id).await?),
            });
        }
        if self.swept.is_none_or(|swept| swept.elapsed() > SWEEP_EVERY) {
            self.swept = Some(Instant::now());
            sqlx::query(
                "DELETE FROM kv WHERE (sandbox_id, key) IN
                     (SELECT sandbox_id, key FROM kv WHERE expires <= ? ORDER BY expires LIMIT ?)",
            )
            .bind(now())
            .bind(SWEEP)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(done)
    }
}

async fn write_key(
    file: &mut SqliteConnection,
    sandbox_id: &str,
    key: &str,
    write: &Write,
    quota: Quota,
) -> Result<Written, sqlx::Error> {
    let now = now();
    let held: Option<(Vec<u8>, Option<i64>)> =
        sqlx::query_as("SELECT value, expires FROM kv WHERE sandbox_id = ? AND key = ?")
            .bind(sandbox_id)
            .bind(key)
            .fetch_optional(&mut *file)
            .await?;
    let is_live = |expires: &Option<i64>| expires.is_none_or(|expires| expires > now);
    let there = held.is_some();
    let held = held.filter(|(_, expires)| is_live(expires));
    let mut keys = None;
    if held.is_none() {
        // The row of a key that has expired is counted already.
        let mut with = count(file, sandbox_id).await? + i64::from(!there);
        if !quota.allows(with) {
            remove_expired(file, sandbox_id, now).await?;
            with = count(file, sandbox_id).await? + 1;
        }
        keys = Some(with);
        if !quota.allows(with) {
            return Ok(Written { keys, outcome: Err(Refusal::TooMany) });
        }
    }
    let refused = |reason: &str| Ok(Written { keys, outcome: Err(Refusal::Reason(reason.to_owned())) });
    let (value, expires, number) = match write {
        Write::Nothing(reason) => return refused(reason),
        Write::Set { value, seconds: None } => (value.clone().into_bytes(), None, None),
        Write::Set { value, seconds: Some(seconds) } => {
            let Some(expires) = seconds.checked_mul(1000).and_then(|lives| lives.checked_add(now)) else {
                return refused(NO_EXPIRY);
            };
            (value.clone().into_bytes(), Some(expires), None)
        }
        Write::Increment(amount) => {
            let (old, expires) = held.unwrap_or_else(|| (b"0".to_vec(), None));
            let Some(old) = integer::parse(&old) else { return refused(NO_INTEGER) };
            let Some(new) = old.checked_add(*amount) else { return refused(OVERFLOW) };
            (new.to_string().into_bytes(), expires, Some(new))
        }
    };
    sqlx::query(
        "INSERT INTO kv (sandbox_id, key, value, expires) VALUES (?, ?, ?, ?)
         ON CONFLICT (sandbox_id, key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
    )
    .bind(sandbox_id)
    .bind(key)
    .bind(value)
    .bind(expires)
    .execute(&mut *file)
    .await?;
    Ok(Written { keys, outcome: Ok(number) })
}

async fn delete_key(file: &mut SqliteConnection, sandbox_id: &str, key: &str) -> Result<bool, sqlx::Error> {
    let expires: Option<Option<i64>> =
        sqlx::query_scalar("DELETE FROM kv WHERE sandbox_id = ? AND key = ? RETURNING expires")
            .bind(sandbox_id)
            .bind(key)
            .fetch_optional(&mut *file)
            .await?;
    let now = now();
    Ok(expires.is_some_and(|expires| expires.is_none_or(|expires| expires > now)))
}

/// Only rows of keys that have expired can make a count too large here.
async fn reconcile(file: &mut SqliteConnection, sandbox_id: &str) -> Result<Reconciled, sqlx::Error> {
    let before = count(file, sandbox_id).await?;
    remove_expired(file, sandbox_id, now()).await?;
    Ok(Reconciled { before, keys: count(file, sandbox_id).await? })
}

async fn count(file: &mut SqliteConnection, sandbox_id: &str) -> Result<i64, sqlx::Error> {
    let keys: Option<i64> = sqlx::query_scalar("SELECT keys FROM tenant WHERE sandbox_id = ?")
        .bind(sandbox_id)
        .fetch_optional(&mut *file)
        .await?;
    Ok(keys.unwrap_or(0))
}

async fn remove_expired(file: &mut SqliteConnection, sandbox_id: &str, now: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM kv WHERE sandbox_id = ? AND expires <= ?")
        .bind(sandbox_id)
        .bind(now)
        .execute(&mut *file)
        .await?;
    Ok(())
}
