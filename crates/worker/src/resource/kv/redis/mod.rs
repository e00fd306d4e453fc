//! Keys and values in Redis, byte for byte where vxsandbox has them.

mod link;
mod names;
mod reconcile;

use std::sync::Arc;

use redis::Script;

use super::stores::OpenError;
use super::{MAX_VALUE_BYTES, Place, Quota, Reconciled, Refusal, Store, StoreError, Write, Written};
use crate::bus::Boxed;
use link::{Again, Link};
use names::Names;
use reconcile::Healing;

/// A database of a Redis.
#[derive(Debug)]
pub(super) struct Redis {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    link: Link,
    names: Names,
    scripts: Scripts,
    healing: Healing,
}

#[derive(Debug)]
struct Scripts {
    get: Script,
    write: Script,
    delete: Script,
    count: Script,
}

/// What came of a write: the count, what happened, and the number or the reason.
type Answered = (i64, String, String);

impl Redis {
    /// Connects in the background.
    pub(super) fn open(
        host: &str,
        port: u16,
        db: i64,
        password: Option<&str>,
        key_prefix: Option<&str>,
        key_separator: &str,
    ) -> Result<Self, OpenError> {
        let link = Link::open(host, port, db, password).map_err(|error| OpenError::Redis {
            host: host.to_owned(),
            port,
            problem: error.to_string(),
        })?;
        let scripts = Scripts {
            get: Script::new(include_str!("get.lua")),
            write: Script::new(include_str!("write.lua")),
            delete: Script::new(include_str!("delete.lua")),
            count: Script::new(include_str!("count.lua")),
        };
        let names = Names::new(key_prefix, key_separator);
        Ok(Self { inner: Arc::new(Inner { link, names, scripts, healing: Healing::default() }) })
    }
}

impl Inner {
    async fn get(&self, place: Place<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        let mut call = self.scripts.get.prepare_invoke();
        call.key(self.names.value(place.sandbox_id, place.key)).arg(MAX_VALUE_BYTES);
        let (what, value): (String, Vec<u8>) = self.link.call(&call, Again::Yes).await?;
        match what.as_str() {
            "none" => Ok(None),
            "some" => Ok(Some(value)),
            "long" => Err(StoreError::Refused(format!("the value has more than {MAX_VALUE_BYTES} bytes"))),
            _ => Err(StoreError::Refused(reason(&String::from_utf8_lossy(&value)))),
        }
    }

    async fn write(&self, place: Place<'_>, write: &Write, quota: Quota) -> Result<Written, StoreError> {
        let mut call = self.scripts.write.prepare_invoke();
        call.key(self.names.value(place.sandbox_id, place.key)).key(self.names.count(place.sandbox_id));
        call.arg(quota.soft).arg(quota.hard).arg(i32::from(quota.exact));
        // Said twice, these are the same: the second time the key is there, and nothing is charged.
        let again = match write {
            Write::Set { .. } => Again::Yes,
            Write::Increment(_) | Write::Nothing(_) => Again::IfNotSent,
        };
        match write {
            Write::Set { value, seconds: None } => call.arg("SET").arg(value),
            Write::Set { value, seconds: Some(seconds) } => call.arg("SETEX").arg(seconds).arg(value),
            Write::Increment(1) => call.arg("INCR"),
            Write::Increment(amount) => call.arg("INCRBY").arg(amount),
            Write::Nothing(reason) => call.arg("NOTHING").arg(reason),
        };
        let (keys, what, said): Answered = self.link.call(&call, again).await?;
        let outcome = match what.as_str() {
            "done" if said.is_empty() => Ok(None),
            "done" => Ok(Some(said.parse().map_err(|_| StoreError::Refused(super::NO_INTEGER.to_owned()))?)),
            "many" => Err(Refusal::TooMany),
            _ => Err(Refusal::Reason(reason(&said))),
        };
        Ok(Written { keys: (keys >= 0).then_some(keys), outcome })
    }

    async fn delete(&self, place: Place<'_>, exact: bool) -> Result<bool, StoreError> {
        let mut call = self.scripts.delete.prepare_invoke();
        call.key(self.names.value(place.sandbox_id, place.key)).key(self.names.count(place.sandbox_id));
        call.arg(i32::from(exact));
        // The second time the key would not be there.
        self.link.call(&call, Again::IfNotSent).await
    }
}

impl Store for Redis {
    fn get<'a>(&'a self, place: Place<'a>) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.inner.get(place))
    }

    fn write<'a>(&'a self, place: Place<'a>, write: Write, quota: Quota) -> Boxed<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let began = tokio::time::Instant::now();
            let written = self.inner.write(place, &write, quota).await?;
            let refused = written.outcome == Err(Refusal::TooMany);
            if refused && quota.exact && self.inner.heal(place.sandbox_id, began).await {
                return self.inner.write(place, &write, quota).await;
            }
            Ok(written)
        })
    }

    fn delete<'a>(&'a self, place: Place<'a>, exact: bool) -> Boxed<'a, Result<bool, StoreError>> {
        Box::pin(self.inner.delete(place, exact))
    }

    fn reconcile<'a>(&'a self, sandbox_id: &'a str) -> Boxed<'a, Result<Reconciled, StoreError>> {
        Box::pin(self.inner.reconcile(sandbox_id))
    }

    fn reconcile_all(&self) -> Boxed<'_, Result<Vec<(String, Reconciled)>, StoreError>> {
        Box::pin(self.inner.reconcile_all())
    }

    fn state(&self) -> Result<(), String> {
        self.inner.link.state()
    }

    fn close(&self) -> Boxed<'_, ()> {
        // Nothing waits to be written; the connection goes with its last user.
        Box::pin(std::future::ready(()))
    }
}

/// A text of Redis as vxsandbox's client passes it on: without the general mark of an error.
fn reason(text: &str) -> String {
    text.strip_prefix("ERR ").unwrap_or(text).to_owned()
}
