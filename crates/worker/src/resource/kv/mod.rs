//! Keys and values of tenants: in Redis as vxsandbox has them, or in a SQLite file of our own.
//!
//! A tenant can have so many keys and no more. In Redis the number of its keys is itself a key, `count#` and the tenant's id, because
//! Redis cannot say how many keys begin with something; each write says in the same step what it adds. Keys that expire take nothing
//! off: the count is put right when it stands in the way, or by [`Store::reconcile`].

mod embedded;
mod integer;
mod redis;
mod stores;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Resource;
use crate::bus::Boxed;
use crate::config::Profile;
use crate::protocol::{Answer, Fields, read_json, to_ascii};
use crate::python;
use crate::resource::Level;
use crate::run::RunContext;

pub use stores::{OpenError, Stores};

/// Bytes of a key, at most.
pub const MAX_KEY_BYTES: usize = 64 << 10;
/// Bytes of a value, at most, written and read.
pub const MAX_VALUE_BYTES: usize = 4 << 20;
/// For one request, all waiting and all attempts included. Then the app is told that it failed.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// What Redis says of a number that is none, or too large. Both stores do.
const NO_INTEGER: &str = "value is not an integer or out of range";
/// What Redis says of a sum that is too large.
const OVERFLOW: &str = "increment or decrement would overflow";
/// What Redis says of a time to live that is none.
const NO_EXPIRY: &str = "invalid expire time in 'setex' command";

/// A key of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant.
    pub sandbox_id: &'a str,
    /// Its key.
    pub key: &'a str,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// This text, for so many seconds, or for ever.
    Set {
        /// The text.
        value: String,
        /// When it goes. A key that is there loses the time it had.
        seconds: Option<i64>,
    },
    /// What is there and this; the time that it has to live stays. What is not there is 0.
    Increment(i64),
    /// Nothing: the request was wrong in a way that vxsandbox learns from Redis only, after the key was charged.
    Nothing(&'static str),
}

/// How many keys a tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// At most so many.
    pub hard: i64,
    /// Above so many there is a warning.
    pub soft: i64,
    /// Whether `hard` keys are allowed, what failed is not counted, and what expired neither. vxsandbox allows one key less, and counts
    /// both.
    pub exact: bool,
}

impl Quota {
    /// Whether a tenant may have so many.
    #[must_use]
    pub const fn allows(self, keys: i64) -> bool {
        if self.exact { keys <= self.hard } else { keys <= self.soft || keys < self.hard }
    }
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// With the new key the tenant has so many keys. None if the key was there.
    pub keys: Option<i64>,
    /// The number that is there now, of an increment.
    pub outcome: Result<Option<i64>, Refusal>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The tenant has as many keys as it may have.
    TooMany,
    /// What the store says.
    Reason(String),
}

/// What a store cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer. For the worker's log: it tells more than an app should know.
    #[error("{0}")]
    Unavailable(String),
    /// It answers that it cannot. For the app.
    #[error("{0}")]
    Refused(String),
}

/// What a count was, and what it is after it was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// The count that was there.
    pub before: i64,
    /// The keys that are there, which is the count now.
    pub keys: i64,
}

/// Keys and values.
///
/// Each call ends within bounded time, whatever becomes of a server: what apps need within [`OPERATION_TIMEOUT`].
pub trait Store: Send + Sync + fmt::Debug {
    /// What is there. At most [`MAX_VALUE_BYTES`].
    fn get<'a>(&'a self, place: Place<'a>) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>>;
    /// Writes, and charges a new key, in one step.
    fn write<'a>(&'a self, place: Place<'a>, write: Write, quota: Quota) -> Boxed<'a, Result<Written, StoreError>>;
    /// Removes a key, and takes it off the count in the same step. Whether it was there.
    fn delete<'a>(&'a self, place: Place<'a>, exact: bool) -> Boxed<'a, Result<bool, StoreError>>;
    /// Counts a tenant's keys and puts its count right.
    fn reconcile<'a>(&'a self, sandbox_id: &'a str) -> Boxed<'a, Result<Reconciled, StoreError>>;
    /// The same for all tenants, by their ids, in one go; up to an hour, for an operator. Tenants whose keys cannot be told from
    /// another one's, because an id has a `#`, are left out.
    fn reconcile_all(&self) -> Boxed<'_, Result<Vec<(String, Reconciled)>, StoreError>>;
    /// Whether it answers, as far as it is known.
    ///
    /// # Errors
    /// What is wrong, for an operator.
    fn state(&self) -> Result<(), String>;
    /// Writes what is not yet written, and closes.
    fn close(&self) -> Boxed<'_, ()>;
}

/// `get`, `set`, `delete` and `incr`.
#[derive(Debug, Clone)]
pub struct Kv {
    store: Arc<dyn Store>,
    hard: i64,
    soft: i64,
}

impl Kv {
    /// In a store, with at most so many keys for each tenant, and a warning above so many.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, hard: i64, soft: i64) -> Self {
        Self { store, hard, soft }
    }

    async fn answer(&self, run: &RunContext, command: &str, fields: &Fields) -> Result<Answer, StoreError> {
        if !matches!(command, "get" | "set" | "delete" | "incr") {
            return Ok(Answer::Unknown);
        }
        let place = place(run, fields)?;
        match command {
            "get" => self.get(run.profile, place).await,
            "set" => self.write(run, place, set(run.profile, fields)?).await.map(|_| Answer::success()),
            "delete" => {
                let existed = self.store.delete(place, run.profile == Profile::Belljar).await?;
                Ok(Answer::with("existed", existed))
            }
            _ => {
                let value = self.write(run, place, increment(run.profile, fields)?).await?;
                Ok(Answer::with("value", value))
            }
        }
    }

    async fn get(&self, profile: Profile, place: Place<'_>) -> Result<Answer, StoreError> {
        let Some(bytes) = self.store.get(place).await? else { return Ok(Answer::with("value", Value::Null)) };
        match read_json(&bytes) {
            Ok(value) => Ok(Answer::with("value", value)),
            Err(error) => {
                let said = match str::from_utf8(&bytes) {
                    Err(error) => Some(python::decode_error(&bytes, error)),
                    Ok(text) => python::json_error(text),
                };
                // What Python reads and we do not: NaN, and what is nested too deeply for what reads our answer.
                let said = said.unwrap_or_else(|| error.to_string());
                Ok(Answer::Failure(match profile {
                    Profile::Strict => said,
                    Profile::Belljar => format!("what is stored under this key is not JSON: {said}"),
                }))
            }
        }
    }

    async fn write(&self, run: &RunContext, place: Place<'_>, write: Write) -> Result<Option<i64>, StoreError> {
        let quota = Quota { hard: self.hard, soft: self.soft, exact: run.profile == Profile::Belljar };
        let written = self.store.write(place, write, quota).await?;
        let (soft, hard, id) = (self.soft, self.hard, place.sandbox_id);
        if written.outcome == Err(Refusal::TooMany) {
            let text =
                format!("Redis hard limit of {hard} keys reached for sandbox {id}. No more keys can be written.");
            run.log.write(Level::Error, &text);
        } else if written.keys.is_some_and(|keys| keys > soft) {
            let text = format!(
                "Redis soft limit of {soft} keys reached for sandbox {id}. \
                 Once the hard limit of {hard} is reached no more keys can be written."
            );
            run.log.write(Level::Warning, &text);
        }
        written.outcome.map_err(|refusal| {
            StoreError::Refused(match refusal {
                Refusal::TooMany => "Too many keys".to_owned(),
                Refusal::Reason(reason) => reason,
            })
        })
    }
}

impl Resource for Kv {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move {
            self.answer(run, command, fields).await.unwrap_or_else(|error| match error {
                StoreError::Refused(reason) => Answer::Failure(reason),
                StoreError::Unavailable(why) => {
                    let (app, sandbox_id) = (&run.log.app, &run.log.sandbox_id);
                    // That a server is gone is said once, and not for each request.
                    if self.store.state().is_ok() {
                        tracing::warn!(app, sandbox_id, command, "an app was refused its keys: {why}");
                    } else {
                        tracing::debug!(app, sandbox_id, command, "an app was refused its keys: {why}");
                    }
                    Answer::failure("the key-value store does not answer at the moment")
                }
            })
        })
    }
}

/// The key, and whose it is.
fn place<'a>(run: &'a RunContext, fields: &'a Fields) -> Result<Place<'a>, StoreError> {
    let refused = |reason: String| Err(StoreError::Refused(reason));
    let key = match (fields.get("key").unwrap_or(&Value::Null), run.profile) {
        (Value::String(key), _) => key,
        (other, Profile::Strict) => {
            let found = python::type_name(other);
            return refused(format!("sequence item 2: expected string or Unicode, {found} found"));
        }
        (_, Profile::Belljar) => return refused("'key' must be given, and must be text".to_owned()),
    };
    if key.len() > MAX_KEY_BYTES {
        return refused(format!("the key has more than {MAX_KEY_BYTES} bytes"));
    }
    // The names of keys are `sandboxes#<tenant>#<key>`, with nothing escaped: `a` with the key `b#c` is `a#b` with the key `c`.
    if run.profile == Profile::Belljar && run.sandbox_id.contains('#') {
        return refused("a sandbox id with # in it cannot have keys: they could be another one's".to_owned());
    }
    Ok(Place { sandbox_id: &run.sandbox_id, key })
}

/// What `set` writes.
fn set(profile: Profile, fields: &Fields) -> Result<Write, StoreError> {
    const NO_NUMBER: &str = "seconds must be a number or null";
    let seconds = match fields.get("seconds") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) if !number.is_f64() => match number.as_i64() {
            Some(0) => Ok(None),
            Some(seconds) if seconds > 0 => Ok(Some(seconds)),
            Some(_) => Err(NO_EXPIRY),
            None => Err(NO_INTEGER),
        },
        // A truth value is an integer to Python, and none to Redis.
        Some(Value::Bool(false)) if profile == Profile::Strict => Ok(None),
        Some(Value::Bool(true)) if profile == Profile::Strict => Err(NO_INTEGER),
        Some(_) => return Err(StoreError::Refused(NO_NUMBER.to_owned())),
    };
    let value = to_ascii(fields.get("value").unwrap_or(&Value::Null));
    if value.len() > MAX_VALUE_BYTES {
        return Err(StoreError::Refused(format!("the value has more than {MAX_VALUE_BYTES} bytes")));
    }
    match seconds {
        Ok(seconds) => Ok(Write::Set { value, seconds }),
        Err(reason) => late(profile, reason),
    }
}

/// What `incr` writes.
fn increment(profile: Profile, fields: &Fields) -> Result<Write, StoreError> {
    let amount = match fields.get("amount") {
        None => Some(1),
        Some(value) if python::equals(value, 1) => Some(1),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => integer::parse(text.as_bytes()),
        Some(_) => None,
    };
    amount.map_or_else(|| late(profile, NO_INTEGER), |amount| Ok(Write::Increment(amount)))
}

/// What is wrong, but in vxsandbox only after the key was charged.
fn late(profile: Profile, reason: &'static str) -> Result<Write, StoreError> {
    match profile {
        Profile::Belljar => Err(StoreError::Refused(reason.to_owned())),
        Profile::Strict => Ok(Write::Nothing(reason)),
    }
}
