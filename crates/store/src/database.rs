//! The SQLite database of a data directory.

use std::error::Error;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlStr, SqlitePool};

use crate::{DataDirectory, StoreError, durable};

const FILE: &str = "belljar.sqlite";
/// All schemas so far, oldest first. One that was ever released is never changed: its checksum is in the databases.
const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "environment", include_str!("../migrations/0001_environment.sql"))];
/// How long to wait for another connection's write: far longer than any of ours takes, far shorter than a client waits.
const BUSY: Duration = Duration::from_secs(5);
/// Connections that read. A read takes some microseconds, and never waits for a write (WAL).
const READERS: u32 = 4;

/// Connections to the database: one that writes, since SQLite has one writer at a time, and some that read.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    path: Arc<PathBuf>,
    /// Nobody else opens it as long as we have it open.
    _directory: DataDirectory,
}

impl Database {
    /// Opens the database of a data directory, makes it where it does not exist, and brings its schema up to date.
    pub(crate) async fn open(directory: &DataDirectory) -> Result<Self, StoreError> {
        let path = directory.path().join(FILE);
        // SQLite would give it the permissions of the umask; its other files get those of this one.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StoreError::file("make", &path)(error));
            }
            _ => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode only FULL syncs at each commit (sqlite.org/pragma.html#pragma_synchronous).
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        // Connections to a local file do not go stale: neither tested at each use nor renewed.
        let pool = || SqlitePoolOptions::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None);
        let database = Self {
            writer: pool().max_connections(1).connect_lazy_with(options.clone()),
            readers: pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "on")),
            path: Arc::new(path),
            _directory: directory.clone(),
        };
        database.migrate().await?;
        durable::sync_directory(directory.path())?;
        Ok(database)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
        });
        let migrator = Migrator::with_migrations(migrations.into());
        let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
        let found = self.schema_version().await.map_err(self.failed("read the schema version"))?;
        if found > known {
            return Err(StoreError::Newer { path: self.path.to_path_buf(), found, known });
        }
        migrator.run(&self.writer).await.map_err(|error| self.error("update the schema", "", error))
    }

    /// The newest schema that was put into this database; 0 in a new one.
    async fn schema_version(&self) -> Result<i64, sqlx::Error> {
        let made: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations')",
        )
        .fetch_one(&self.writer)
        .await?;
        if !made {
            return Ok(0);
        }
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(&self.writer).await
    }

    /// For `map_err`: the database's answer to a step.
    pub(crate) fn failed(&self, step: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
        move |error| self.error(step, advice(&error), error)
    }

    /// An error of a step in this database.
    pub(crate) fn error(
        &self,
        step: &'static str,
        advice: &'static str,
        source: impl Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::Database { step, path: self.path.to_path_buf(), advice, source: Box::new(source) }
    }

    /// Writes what is left in the log into the database and closes all connections.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// What to do about the errors of SQLite that have one usual cause (sqlite.org/rescode.html).
fn advice(error: &sqlx::Error) -> &'static str {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    // The low byte of an extended code is the primary one.
    match code.map(|code| code & 0xff) {
        Some(5) => ": another program has locked it; close it",
        Some(8) => ": it cannot be written; check its owner and that its file system is mounted writable",
        Some(11 | 26) => ": it is damaged; restore it from a backup",
        Some(13) => ": free space on its file system, or move the data directory to a larger one",
        _ => "",
    }
}
