//! A connection to a Redis that comes and goes.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError,
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
pub(super) struct Link(Arc<Shared>);

struct Shared {
    client: Client,
    connection: Mutex<ConnectionManager>,
    /// What is wrong with it, as far as it is known.
    trouble: Mutex<Option<String>>,
    address: String,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("address", &self.0.address).finish_non_exhaustive()
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
        let client = Client::open(info)?;
        let connection = Mutex::new(connect(&client)?);
        let address = format!("{host}:{port}");
        let shared = Arc::new(Shared { client, connection, trouble: Mutex::default(), address });
        tokio::spawn(watch(Arc::downgrade(&shared)));
        Ok(Self(shared))
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
        let mut connection = self.0.connection();
        let asked = async {
            match question.ask(&mut connection).await {
                // The first call after a loss hears of it, and has begun to connect anew: the second waits for that.
                Err(error) if may_be_repeated(&error, again) => question.ask(&mut connection).await,
                answer => answer,
            }
        };
        match timeout(OPERATION_TIMEOUT, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(StoreError::Unavailable(format!("the Redis at {}: {error}", self.0.address))),
            Err(_) => Err(StoreError::Unavailable(format!("the Redis at {} does not answer", self.0.address))),
        }
    }

    /// Whether it answers.
    pub(super) fn state(&self) -> Result<(), String> {
        let trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.map_or(Ok(()), |trouble| Err(format!("the Redis at {}: {trouble}", self.0.address)))
    }
}

impl Shared {
    fn connection(&self) -> ConnectionManager {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Begins to connect. It goes on whenever the connection breaks.
fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    // How often a call is made again is said here, not there.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn may_be_repeated(error: &RedisError, again: Again) -> bool {
    match again {
        Again::Yes => error.is_io_error() && !error.is_timeout(),
        Again::IfNotSent => error.is_connection_refusal(),
    }
}

/// Asks whether Redis is there, as long as somebody wants to know.
async fn watch(shared: Weak<Shared>) {
    while let Some(mut connection) = shared.upgrade().map(|shared| shared.connection()) {
        let pinged: RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
        let Some(shared) = shared.upgrade() else { return };
        if pinged.as_ref().is_err_and(|error| !error.is_io_error())
            && let Ok(anew) = connect(&shared.client)
        {
            // A Redis that was there and did not want us, for the password or while it was loading: the client takes that for final.
            *shared.connection.lock().unwrap_or_else(PoisonError::into_inner) = anew;
        }
        let new = pinged.err().map(|error| error.to_string());
        let old = std::mem::replace(&mut *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner), new.clone());
        let address = &shared.address;
        match (old, new) {
            (None, Some(why)) => warn!(address, "Redis does not answer, and apps are told so: {why}"),
            (Some(_), None) => info!(address, "Redis answers again."),
            _ => {}
        }
        drop(shared);
        sleep(PING_EVERY).await;
    }
}
