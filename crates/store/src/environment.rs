//! Saved working directories.

use std::collections::HashSet;
use std::fs::File;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::blobs::{Blobs, StoredBlob};
use crate::database::Database;
use crate::durable::on_blocking_thread;
use crate::pins::Condemned;
use crate::{BlobId, DataDirectory, EnvironmentId, StoreError};

/// How long a blob that no record names is left alone after it was written, when a data directory is opened. Nobody else saves
/// at that moment; but an operator may be putting back a backup, the files before the database.
const GRACE: SignedDuration = SignedDuration::from_hours(1);
/// Rows that a sweep deletes in one transaction: some milliseconds that a save may have to wait.
const BATCH: i64 = 500;
/// The end of jiff's range, in the year 9999: as long as an environment can live. (`Timestamp::MAX` has a fraction of a second
/// that does not come back from microseconds.)
const LATEST: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// A saved working directory: an immutable archive that lives until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub id: EnvironmentId,
    /// The archive. Environments with the same bytes share it.
    pub blob: BlobId,
    /// Size of the archive in bytes.
    pub size: u64,
    /// When it was saved, in whole microseconds.
    pub created: Timestamp,
    /// From this moment on it is gone, whether or not its bytes have been removed.
    pub expires: Timestamp,
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Environments that had expired.
    pub environments: u64,
    /// Blobs that no environment names any more, or ever did.
    pub blobs: u64,
}

/// The saved working directories of a data directory: a row each in SQLite, their archives among the [`Blobs`].
///
/// Copies of this value are the same store.
#[derive(Debug, Clone)]
pub struct Environments {
    database: Database,
    blobs: Blobs,
}

impl Environments {
    /// Opens the environments of a data directory, and puts right what a process that was killed has left: blobs without a row
    /// are removed (an hour after they were written), rows without a blob are logged and removed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer version has changed the tables, [`StoreError::Database`] and [`StoreError::File`] if
    /// they cannot be opened.
    pub async fn open(directory: &DataDirectory) -> Result<Self, StoreError> {
        let environments = Self { database: Database::open(directory).await?, blobs: directory.blobs().clone() };
        environments.reconcile().await?;
        Ok(environments)
    }

    /// Where the archives are written before they are [saved](Self::save).
    #[must_use]
    pub const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Saves a blob of [these blobs](Self::blobs) as a new environment, from now on for `lifetime`. It is durable when this
    /// returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the row cannot be written. If this is dropped before it is done, the environment may exist
    /// until it expires, under a name that nobody knows.
    pub async fn save(&self, blob: StoredBlob, lifetime: Duration) -> Result<Environment, StoreError> {
        debug_assert!(blob.is_of(&self.blobs), "a blob of another data directory");
        let created = whole_microseconds(Timestamp::now());
        let environment = Environment {
            id: EnvironmentId::random(),
            blob: blob.id(),
            size: blob.size(),
            created,
            expires: SignedDuration::try_from(lifetime)
                .and_then(|lifetime| created.checked_add(lifetime))
                .map_or(LATEST, whole_microseconds),
        };
        sqlx::query("INSERT INTO environment (id, blob, size, created, expires) VALUES (?, ?, ?, ?, ?)")
            .bind(id_bytes(&environment.id))
            .bind(blob_bytes(&environment.blob))
            // A file of 2^63 bytes does not exist on Linux.
            .bind(environment.size.cast_signed())
            .bind(environment.created.as_microsecond())
            .bind(environment.expires.as_microsecond())
            .execute(&self.database.writer)
            .await
            .map_err(self.database.failed("save an environment"))?;
        blob.release_named();
        Ok(environment)
    }

    /// Looks an environment up; one that has expired is not there any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if it cannot be read.
    pub async fn get(&self, id: &EnvironmentId) -> Result<Option<Environment>, StoreError> {
        let failed = self.database.failed("look up an environment");
        sqlx::query("SELECT id, blob, size, created, expires FROM environment WHERE id = ? AND expires > ?")
            .bind(id_bytes(id))
            .bind(Timestamp::now().as_microsecond())
            .fetch_optional(&self.database.readers)
            .await
            .and_then(|row| row.as_ref().map(environment_of).transpose())
            .map_err(failed)
    }

    /// Opens the archive of an environment. It stays readable when it expires meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if it was swept since it was looked up, [`StoreError::Damaged`] if its size is not what was
    /// saved, [`StoreError::File`] if it cannot be read.
    pub async fn open_archive(&self, environment: &Environment) -> Result<File, StoreError> {
        let (path, blob, expected) = (self.blobs.path(&environment.blob), environment.blob, environment.size);
        let file = self.blobs.open_blob(&blob).await?;
        // Of an open file, and not read from the disk: no reason for another thread.
        let found = file.metadata().map_err(StoreError::file("look at", &path))?.len();
        if found == expected { Ok(file) } else { Err(StoreError::Damaged { blob, found, expected }) }
    }

    /// Removes an environment, and its archive if no other one shares it. Says whether it was there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the row cannot be deleted, [`StoreError::File`] if the archive cannot: then the next sweep
    /// tries again.
    pub async fn remove(&self, id: &EnvironmentId) -> Result<bool, StoreError> {
        let delete = sqlx::query("DELETE FROM environment WHERE id = ? RETURNING blob").bind(id_bytes(id));
        let blobs = self.delete(delete).await?;
        let removed = !blobs.is_empty();
        self.remove_unnamed(self.blobs.pins().condemn(blobs)).await?;
        Ok(removed)
    }

    /// Removes environments that have expired at `now`, then blobs that no environment names. What is being saved stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] and [`StoreError::File`]; what was not removed is left for the next sweep.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        loop {
            let delete = sqlx::query(
                "DELETE FROM environment WHERE id IN (SELECT id FROM environment WHERE expires <= ? LIMIT ?) RETURNING blob",
            );
            let removed = self.delete(delete.bind(now.as_microsecond()).bind(BATCH)).await?.len() as u64;
            swept.environments += removed;
            if removed == 0 {
                break;
            }
        }
        swept.blobs = self.remove_unnamed(self.blobs.pins().condemn_suspects(now)).await?;
        Ok(swept)
    }

    /// How many environments there are that have not expired.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if they cannot be counted.
    pub async fn count(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM environment WHERE expires > ?")
            .bind(Timestamp::now().as_microsecond())
            .fetch_one(&self.database.readers)
            .await
            .map_err(self.database.failed("count environments"))?;
        Ok(count.cast_unsigned())
    }

    /// Bytes of all archives, shared ones once; those that have expired are counted until they are swept. Reads the whole table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if they cannot be counted.
    pub async fn total_bytes(&self) -> Result<u64, StoreError> {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(size), 0) FROM (SELECT min(size) AS size FROM environment GROUP BY blob)",
        )
        .fetch_one(&self.database.readers)
        .await
        .map_err(self.database.failed("measure environments"))?;
        Ok(bytes.cast_unsigned())
    }

    /// Closes the database in good order. Not needed for the safety of what was saved.
    pub async fn close(self) {
        self.database.close().await;
    }
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl Environments {
    /// Deletes rows, and has their blobs looked at by the next sweep at the latest. Returns the blob of each row.
    async fn delete(&self, delete: Statement<'_>) -> Result<Vec<BlobId>, StoreError> {
        let failed = self.database.failed("delete environments");
        let mut transaction = self.database.writer.begin().await.map_err(&failed)?;
        let rows = delete.fetch_all(&mut *transaction).await.map_err(&failed)?;
        let blobs: Result<Vec<_>, _> = rows.iter().map(blob_of).collect();
        let blobs = blobs.map_err(&failed)?;
        // Before the commit: if we are stopped right after it, they are not forgotten.
        for blob in &blobs {
            self.blobs.pins().suspect(*blob, Timestamp::MIN);
        }
        transaction.commit().await.map_err(&failed)?;
        Ok(blobs)
    }

    /// Removes those condemned blobs that no row names.
    async fn remove_unnamed(&self, mut condemned: Condemned) -> Result<u64, StoreError> {
        let failed = self.database.failed("look for users of a blob");
        let mut named = HashSet::new();
        // After they were condemned, and each time anew: what was committed before that moment is seen.
        for blob in condemned.blobs() {
            let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM environment WHERE blob = ?)")
                .bind(blob_bytes(blob))
                .fetch_one(&self.database.readers)
                .await
                .map_err(&failed)?;
            if found {
                named.insert(*blob);
            }
        }
        condemned.pardon(|blob| named.contains(blob));
        self.blobs.remove_condemned(condemned).await
    }

    /// Brings rows and files together.
    async fn reconcile(&self) -> Result<(), StoreError> {
        let failed = self.database.failed("compare environments with blobs");
        // Rows before files: the file of each row was there before the row. Lost are those that no file is found for.
        let mut lost = HashSet::new();
        for row in sqlx::query("SELECT DISTINCT blob FROM environment")
            .fetch_all(&self.database.readers)
            .await
            .map_err(&failed)?
        {
            lost.insert(blob_of(&row).map_err(&failed)?);
        }
        let blobs = self.blobs.clone();
        let lost = on_blocking_thread(move || {
            blobs.scan(|blob, written| {
                if !lost.remove(&blob) {
                    let due = written.checked_add(GRACE).unwrap_or(Timestamp::MAX);
                    blobs.pins().suspect(blob, due);
                }
            })?;
            Ok(lost)
        })
        .await?;
        for blob in lost {
            let removed = sqlx::query("DELETE FROM environment WHERE blob = ?")
                .bind(blob_bytes(&blob))
                .execute(&self.database.writer)
                .await
                .map_err(&failed)?
                .rows_affected();
            tracing::warn!(%blob, environments = removed, "the archive of environments was lost: they are removed");
        }
        let removed = self.remove_unnamed(self.blobs.pins().condemn_suspects(Timestamp::now())).await?;
        if removed > 0 {
            tracing::info!(blobs = removed, "removed blobs that no environment names");
        }
        Ok(())
    }
}

/// The precision of the table.
fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(LATEST)
}

fn id_bytes(id: &EnvironmentId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}

fn blob_bytes(blob: &BlobId) -> Vec<u8> {
    blob.digest().to_vec()
}

fn blob_of(row: &SqliteRow) -> Result<BlobId, sqlx::Error> {
    fixed(row, "blob").map(BlobId::from_digest)
}

fn environment_of(row: &SqliteRow) -> Result<Environment, sqlx::Error> {
    let time = |column| {
        Timestamp::from_microsecond(row.try_get(column)?).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    Ok(Environment {
        id: EnvironmentId::from_bytes(fixed(row, "id")?),
        blob: blob_of(row)?,
        size: row.try_get::<i64, _>("size")?.cast_unsigned(),
        created: time("created")?,
        expires: time("expires")?,
    })
}

fn fixed<const SIZE: usize>(row: &SqliteRow, column: &str) -> Result<[u8; SIZE], sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
