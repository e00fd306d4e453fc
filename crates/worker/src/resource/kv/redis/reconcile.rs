//! Puts counts right: keys that expire take nothing off, and vxsandbox lets counts drift.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
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
const SCAN_TIMEOUT: Duration = Duration::from_secs(60);
/// For looking at all keys where somebody waits who asked for just that.
const SCAN_ALL_TIMEOUT: Duration = Duration::from_secs(3600);
/// Keys of one tenant that are counted, and tenants, at most.
const MAX_FOUND: usize = 1_000_000;
/// Keys of all tenants that are counted together, at most: 16 bytes of memory each.
const MAX_FOUND_ALL: usize = 20_000_000;
/// Bytes of a count: what is longer is none.
const MAX_COUNT_BYTES: usize = 64;
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
        for _ in 0..ATTEMPTS {
            let before = self.count(sandbox_id).await?;
            // Redis may give a key twice.
            let mut found = HashSet::new();
            let pattern = self.names.values(sandbox_id);
            self.scan(&pattern, SCAN_TIMEOUT, |name| {
                found.insert(name);
                if found.len() > MAX_FOUND { Err(too_many()) } else { Ok(()) }
            })
            .await?;
            if let Some(reconciled) = self.put_right(sandbox_id, &before, found.len()).await? {
                return Ok(reconciled);
            }
        }
        Err(StoreError::Refused("its keys change too often to be counted".to_owned()))
    }

    /// Counts all tenants' keys in one go, and puts their counts right.
    pub(super) async fn reconcile_all(&self) -> Result<Vec<(String, Reconciled)>, StoreError> {
        let mut counts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        self.scan(&self.names.counts(), SCAN_ALL_TIMEOUT, |name| {
            let tenant = str::from_utf8(&name).ok().and_then(|name| self.names.tenant(name));
            counts.extend(tenant.map(|tenant| (tenant.to_owned(), Vec::new())));
            if counts.len() > MAX_FOUND { Err(too_many()) } else { Ok(()) }
        })
        .await?;
        for (tenant, count) in &mut counts {
            *count = self.count(tenant).await?;
        }
        // Whose keys are whose is not certain where an id has a `#`, neither for it nor for the one that it begins with.
        let uncertain: HashSet<_> =
            counts.keys().filter_map(|id| id.split_once('#')).map(|(id, _)| id.to_owned()).collect();
        // Of keys their hashes are enough, with what nobody outside knows, to see which come twice.
        let (mut keys, mut found, hasher) = (BTreeMap::<String, HashSet<u64>>::new(), 0, RandomState::new());
        self.scan(&self.names.all_values(), SCAN_ALL_TIMEOUT, |name| {
            let tenant = str::from_utf8(&name).ok().and_then(|name| self.names.owner(name));
            let new = tenant.is_some_and(|tenant| match keys.get_mut(tenant) {
                Some(known) => known.insert(hasher.hash_one(&name)),
                None => keys.insert(tenant.to_owned(), HashSet::from([hasher.hash_one(&name)])).is_none(),
            });
            found += usize::from(new);
            if found > MAX_FOUND_ALL { Err(too_many()) } else { Ok(()) }
        })
        .await?;
        let tenants: BTreeSet<_> = counts.keys().chain(keys.keys()).cloned().collect();
        let mut all = Vec::new();
        for tenant in tenants.into_iter().filter(|tenant| !tenant.contains('#') && !uncertain.contains(tenant)) {
            let before = counts.get(&tenant).map(Vec::as_slice).unwrap_or_default();
            let reconciled = match self.put_right(&tenant, before, keys.get(&tenant).map_or(0, HashSet::len)).await? {
                Some(reconciled) => reconciled,
                // It has changed meanwhile.
                None => self.reconcile(&tenant).await?,
            };
            all.push((tenant, reconciled));
        }
        Ok(all)
    }

    /// The text of a count. Empty if there is none.
    async fn count(&self, sandbox_id: &str) -> Result<Vec<u8>, StoreError> {
        let mut call = self.scripts.get.prepare_invoke();
        call.key(self.names.count(sandbox_id)).arg(MAX_COUNT_BYTES);
        let (what, count): (String, Vec<u8>) = self.link.call(&call, Again::Yes).await?;
        Ok(if what == "some" { count } else { Vec::new() })
    }

    /// None if the count is not any more what it was.
    async fn put_right(&self, sandbox_id: &str, before: &[u8], keys: usize) -> Result<Option<Reconciled>, StoreError> {
        let mut call = self.scripts.count.prepare_invoke();
        call.key(self.names.count(sandbox_id)).arg(before).arg(keys);
        let before = str::from_utf8(before).ok().and_then(|before| before.parse().ok()).unwrap_or(0);
        let reconciled = Reconciled { before, keys: i64::try_from(keys).unwrap_or(i64::MAX) };
        Ok(self.link.call::<bool>(&call, Again::Yes).await?.then_some(reconciled))
    }

    /// Shows all keys that match a pattern, some perhaps twice.
    async fn scan(
        &self,
        pattern: &str,
        within: Duration,
        mut found: impl FnMut(Vec<u8>) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        let scanning = async {
            let mut cursor = "0".to_owned();
            loop {
                let mut step = redis::cmd("SCAN");
                step.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_STEP);
                let (next, names): (String, Vec<Vec<u8>>) = self.link.command(&step).await?;
                names.into_iter().try_for_each(&mut found)?;
                if next == "0" {
                    return Ok(());
                }
                cursor = next;
            }
        };
        let late = |_| Err(StoreError::Refused(format!("not all keys can be seen within {within:?}")));
        timeout(within, scanning).await.unwrap_or_else(late)
    }
}

fn too_many() -> StoreError {
    StoreError::Refused("there are more keys than can be counted".to_owned())
}
