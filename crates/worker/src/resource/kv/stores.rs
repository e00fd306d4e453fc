//! The stores of a worker, each opened once.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::Store;
use super::embedded::Embedded;
use super::redis::Redis;
use crate::config::KvStore;

/// Stores of keys and values by where they are: apps with the same configuration share one. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stores(Arc<Mutex<Vec<Open>>>);

type Open = (KvStore, Arc<dyn Store>);

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What the configuration says of a Redis makes no sense to the client.
    #[error("the Redis at {host}:{port} cannot be used: {problem}")]
    Redis {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// What is wrong.
        problem: String,
    },
    /// The file of an embedded store.
    #[error("cannot {step} `{}`: {source}", file.display())]
    File {
        /// What was being done, as a verb.
        step: &'static str,
        /// The file.
        file: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer version has changed the tables: this one could misread them.
    #[error("`{}` was made by a newer belljar (schema {found}, this one knows {known})", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// Somebody else's database.
    #[error("`{}` is a database of another program", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
}

impl Stores {
    /// The store with this configuration. A Redis that does not answer is opened all the same.
    ///
    /// # Errors
    /// It cannot be opened, however long one waits.
    pub async fn open(&self, config: &KvStore) -> Result<Arc<dyn Store>, OpenError> {
        let mut open = self.0.lock().await;
        // After a reload some may have no app any more.
        open.retain(|(known, store)| known == config || Arc::strong_count(store) > 1);
        if let Some((_, store)) = open.iter().find(|(known, _)| known == config) {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn Store> = match config {
            KvStore::Redis { host, port, db, password, key_prefix, key_separator } => {
                let password = password.as_ref().map(crate::config::Secret::reveal);
                Arc::new(Redis::open(host, *port, *db, password, key_prefix.as_deref(), key_separator)?)
            }
            KvStore::Embedded { file } => Arc::new(Embedded::open(file).await?),
        };
        open.push((config.clone(), Arc::clone(&store)));
        Ok(store)
    }

    /// Whether all of them answer, as far as it is known.
    ///
    /// # Errors
    /// What is wrong with the first that does not, for an operator.
    pub async fn state(&self) -> Result<(), String> {
        self.0.lock().await.iter().try_for_each(|(_, store)| store.state())
    }

    /// Closes all of them.
    pub async fn close(&self) {
        for (_, store) in std::mem::take(&mut *self.0.lock().await) {
            store.close().await;
        }
    }
}
