//! Puts counts right: keys that expire take nothing off, and vxsandbox lets counts drift.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::super::{Reconciled, StoreError};
use super::Inner;
use super::link::Again;

/// Keys that Redis looks at in one step: about a millisecond of its time.
const SCAN_STEP: usize = 1000;
/// For looking at all keys. A database in which that takes longer is not reconciled.
pub(super) const SCAN_TIMEOUT: Duration = Duration::from_secs(60);
/// Keys of one tenant that are counted, and tenants that are listed, at most.
const MAX_FOUND: usize = 1_000_000;
/// How often a count that changes while keys are counted is begun anew.
const ATTEMPTS: usize = 3;

/// How long a write that was refused waits for the count to be put right. Then it is refused, and the counting goes on.
const HEAL_WAIT: Duration = Duration::from_secs(2);
/// How often a tenant's count is put right because it stands in the way, at most.
const HEAL_EVERY: Duration = Duration::from_secs(10);
/// And not more than this share of the time is spent on it, for one tenant: it would be Redis's time, which others need.
const HEAL_SHARE: u32 = 50;
/// Tenants whose last time is remembered. Were there more at once, theirs would have to wait.
const MAX_TENANTS: usize = 10_000;

/// When each tenant's count was put right last. Who holds the lock counts.
#[derive(Debug, Default)]
pub(super) struct Healing(Arc<Mutex<HashMap<String, Healed>>>);

#[derive(Debug, Clone, Copy)]
struct Healed {
    ended: Instant,
    /// Not again before.
    next: Instant,
    /// There was room then.
    changed: bool,
}

impl Inner {
    /// Puts a count right that has stood in the way of a write that began at this moment, unless that was done lately. Whether it is
    /// worth trying again.
    pub(super) async fn heal(self: &Arc<Self>, sandbox_id: &str, began: Instant) -> bool {
        let healed = async {
            let mut healing = Arc::clone(&self.healing.0).lock_owned().await;
            let last = healing.get(sandbox_id).copied();
            let now = Instant::now();
            match last {
                // Somebody else's refusal, at the same time, has led to it.
                Some(last) if last.ended > began => return last.changed,
                Some(last) if last.next > now => return false,
                _ => {}
            }
            if healing.len() >= MAX_TENANTS {
                healing.retain(|_, healed| healed.next > now);
            }
            if healing.len() >= MAX_TENANTS {
                return false;
            }
            let (inner, tenant) = (Arc::clone(self), sandbox_id.to_owned());
            // It is not given up when nobody waits for it any more.
            let counting = tokio::spawn(async move {
                let began = Instant::now();
                let counted = inner.reconcile(&tenant).await;
                let changed = counted.as_ref().is_ok_and(|counted| counted.keys < counted.before);
                match counted {
                    Ok(Reconciled { before, keys }) if before != keys => {
                        info!(sandbox_id = tenant, before, keys, "A tenant's count of keys is put right.");
                    }
                    Ok(_) => {}
                    Err(error) => warn!(sandbox_id = tenant, %error, "A tenant's keys cannot be counted."),
                }
                let ended = Instant::now();
                let next = ended + HEAL_EVERY.max(began.elapsed() * HEAL_SHARE);
                healing.insert(tenant, Healed { ended, next, changed });
                changed
            });
            counting.await.unwrap_or(false)
        };
        timeout(HEAL_WAIT, healed).await.unwrap_or(false)
    }

    /// Counts a tenant's keys and puts its count right.
    pub(super) async fn reconcile(&self, sandbox_id: &str) -> Result<Reconciled, StoreError> {
        let count = self.names.count(sandbox_id);
        for _ in 0..ATTEMPTS {
            let now: Result<Option<Vec<u8>>, _> = self.link.command(redis::cmd("GET").arg(&count)).await;
            // What is no text there is no count; the script sees that for itself.
            let before = match now {
                Err(StoreError::Unavailable(why)) if why.contains("WRONGTYPE") => Vec::new(),
                now => now?.unwrap_or_default(),
            };
            let keys = self.scan(&self.names.values(sandbox_id)).await?.len();
            let mut call = self.scripts.count.prepare_invoke();
            call.key(&count).arg(&before).arg(keys);
            if self.link.call(&call, Again::Yes).await? {
                let before = str::from_utf8(&before).ok().and_then(|before| before.parse().ok()).unwrap_or(0);
                return Ok(Reconciled { before, keys: i64::try_from(keys).unwrap_or(i64::MAX) });
            }
        }
        Err(StoreError::Refused("its keys change too often to be counted".to_owned()))
    }

    /// The tenants that have a count.
    pub(super) async fn tenants(&self) -> Result<Vec<String>, StoreError> {
        let found = self.scan(&self.names.counts()).await?;
        let names = found.iter().filter_map(|name| self.names.tenant(str::from_utf8(name).ok()?));
        let mut tenants: Vec<_> = names.map(str::to_owned).collect();
        tenants.sort();
        Ok(tenants)
    }

    /// The keys that match a pattern.
    async fn scan(&self, pattern: &str) -> Result<HashSet<Vec<u8>>, StoreError> {
        let scanning = async {
            // Redis may give a key twice.
            let mut found = HashSet::new();
            let mut cursor = "0".to_owned();
            loop {
                let mut step = redis::cmd("SCAN");
                step.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_STEP);
                let (next, keys): (String, Vec<Vec<u8>>) = self.link.command(&step).await?;
                found.extend(keys);
                if found.len() > MAX_FOUND {
                    return Err(StoreError::Refused(format!("more than {MAX_FOUND} keys")));
                }
                if next == "0" {
                    return Ok(found);
                }
                cursor = next;
            }
        };
        timeout(SCAN_TIMEOUT, scanning)
            .await
            .unwrap_or_else(|_| Err(StoreError::Refused(format!("not all keys can be seen within {SCAN_TIMEOUT:?}"))))
    }
}
