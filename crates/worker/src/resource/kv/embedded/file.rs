//! The file and its schema.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::super::stores::OpenError;

/// How long to wait for another worker's write into the same file: longer than any of ours takes.
const BUSY: Duration = Duration::from_secs(5);
/// Connections that read. A read takes some microseconds, and never waits for a write (WAL).
const READERS: u32 = 4;
/// Says whose file it is (sqlite.org/pragma.html#pragma_application_id): `bjkv`.
const APPLICATION: i64 = 0x626a_6b76;
/// The newest schema.
const SCHEMA: i64 = 1;

/// A connection that writes, and some that read.
pub(super) async fn open(path: &Path) -> Result<(SqlitePool, SqlitePool), OpenError> {
    let failed = |step: &'static str| {
        move |source: Box<dyn std::error::Error + Send + Sync>| OpenError::File { step, file: path.to_owned(), source }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed("make the directory of")(error.into()))?;
    }
    // SQLite would give it the permissions of the umask; its other files get those of this one.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("make")(error.into())),
        _ => {}
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL syncs at each commit (sqlite.org/pragma.html#pragma_synchronous).
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY);
    // Connections to a local file do not go stale: neither tested at each use nor renewed.
    let pool = || SqlitePoolOptions::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None);
    let writer = pool().max_connections(1).connect_lazy_with(options.clone());
    let readers = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "on"));
    let (application, found) =
        prepare(&writer).await.map_err(|error| failed("prepare the tables of")(Box::new(error)))?;
    if application != APPLICATION {
        return Err(OpenError::Foreign { file: path.to_owned() });
    }
    if found != SCHEMA {
        return Err(OpenError::Newer { file: path.to_owned(), found, known: SCHEMA });
    }
    Ok((writer, readers))
}

/// Makes the tables in an empty file. Whose it is then, and the version of its schema.
async fn prepare(writer: &SqlitePool) -> Result<(i64, i64), sqlx::Error> {
    // Two workers may do it at the same time.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *transaction).await?;
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *transaction).await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    if tables > 0 || application != 0 {
        return Ok((application, version));
    }
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
    // Pragmas take no parameters.
    sqlx::raw_sql("PRAGMA application_id = 0x626a6b76; PRAGMA user_version = 1").execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok((APPLICATION, SCHEMA))
}
