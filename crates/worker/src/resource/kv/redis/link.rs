//! A connection to a Redis that comes and goes.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError,
    RedisResult, ScriptInvocation,
};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::super::{OPERATION_TIMEOUT, StoreError};

/// For making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For one answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often Redis is asked whether it is there: then a connection that broke is made anew before somebody needs it.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Whether a call may be made a second time when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It does the same, once or twice.
    Yes,
    /// Only if it cannot have arrived.
    IfNotSent,
}

/// The connection. It is made anew whenever it broke.
pub(super) struct Link {
    connection: ConnectionManager,
    /// What is wrong with it, as far as it is known.
    trouble: Arc<Mutex<Option<String>>>,
    address: String,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What Redis is asked.
#[derive(Clone, Copy)]
enum Question<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Question<'_> {
    async fn ask<T: FromRedisValue>(self, connection: &mut ConnectionManager) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(connection).await,
            Self::Command(command) => command.query_async(connection).await,
        }
    }
}

impl Link {
    /// Begins to connect.
    pub(super) fn open(host: &str, port: u16, db: i64, password: Option<&str>) -> RedisResult<Self> {
        // What every Redis speaks, those of Vumi's days included.
        let mut settings = RedisConnectionInfo::default().set_db(db).set_protocol(ProtocolVersion::RESP2);
        settings = settings.set_skip_set_lib_name();
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        let info = ConnectionAddr::Tcp(host.to_owned(), port).into_connection_info()?;
        let info = info.set_redis_settings(settings);
        // How often a call is made again is said here, not there.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = ConnectionManager::new_lazy_with_config(redis::Client::open(info)?, config)?;
        let trouble = Arc::new(Mutex::new(None));
        let address = format!("{host}:{port}");
        tokio::spawn(watch(connection.clone(), Arc::downgrade(&trouble), address.clone()));
        Ok(Self { connection, trouble, address })
    }

    /// Calls a script.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        again: Again,
    ) -> Result<T, StoreError> {
        self.ask(Question::Script(script), again).await
    }

    /// Gives a command that does the same, once or twice.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.ask(Question::Command(command), Again::Yes).await
    }

    async fn ask<T: FromRedisValue>(&self, question: Question<'_>, again: Again) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let asked = async {
            match question.ask(&mut connection).await {
                // The first call after a loss hears of it, and has begun to connect anew: the second waits for that.
                Err(error) if may_be_repeated(&error, again) => question.ask(&mut connection).await,
                answer => answer,
            }
        };
        match timeout(OPERATION_TIMEOUT, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(StoreError::Unavailable(format!("the Redis at {}: {error}", self.address))),
            Err(_) => Err(StoreError::Unavailable(format!("the Redis at {} does not answer", self.address))),
        }
    }

    /// Whether it answers.
    pub(super) fn state(&self) -> Result<(), String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.map_or(Ok(()), |trouble| Err(format!("the Redis at {}: {trouble}", self.address)))
    }
}

fn may_be_repeated(error: &RedisError, again: Again) -> bool {
    match again {
        Again::Yes => error.is_io_error() && !error.is_timeout(),
        Again::IfNotSent => error.is_connection_refusal(),
    }
}

/// Asks whether Redis is there, as long as somebody wants to know.
async fn watch(connection: ConnectionManager, trouble: Weak<Mutex<Option<String>>>, address: String) {
    while trouble.strong_count() > 0 {
        let pinged: RedisResult<String> = redis::cmd("PING").query_async(&mut connection.clone()).await;
        let new = pinged.err().map(|error| error.to_string());
        let Some(trouble) = trouble.upgrade() else { return };
        let old = std::mem::replace(&mut *trouble.lock().unwrap_or_else(PoisonError::into_inner), new.clone());
        drop(trouble);
        match (old, new) {
            (None, Some(why)) => warn!(address, "Redis does not answer, and apps are told so: {why}"),
            (Some(_), None) => info!(address, "Redis answers again."),
            _ => {}
        }
        sleep(PING_EVERY).await;
    }
}
