//! `belljar worker --reconcile-keys`: counts what tenants have stored, and puts the counts right that their quotas go by.

use std::fmt::Write as _;

use anyhow::{Context, Error, anyhow};
use belljar_worker::config::{KvStore, ResourceConfig, Worker};
use belljar_worker::resource::kv::{Reconciled, Stores};
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::failure::{Failure, print, say};

/// Puts the counts of all stores of this configuration right, and prints them.
///
/// # Errors
///
/// A store cannot be opened, does not answer, or has more keys than can be counted. What was done before stays done.
pub(super) fn reconcile(worker: &Worker, json: bool) -> Result<ExitCode, Failure> {
    let mut stores: Vec<(&KvStore, &str)> = Vec::new();
    for app in &worker.apps {
        for resource in app.resources.values() {
            if let ResourceConfig::Kv { store, .. } = resource
                && !stores.iter().any(|(known, _)| *known == store)
            {
                stores.push((store, &app.name));
            }
        }
    }
    if stores.is_empty() {
        return Err(Failure::usage(anyhow!("no app of this configuration has a resource of the type kv")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    for (store, app) in stores {
        let counted = runtime.block_on(async {
            let open = Stores::default();
            let counted = open.open(store).await?.reconcile_all().await?;
            open.close().await;
            Ok::<_, Error>(counted)
        });
        let counted = counted.with_context(|| format!("the keys of app '{app}' in {}", name(store)))?;
        print(if json { format!("{}\n", as_json(store, &counted)) } else { as_text(&counted) })?;
        let wrong = counted.iter().filter(|(_, tenant)| tenant.before != tenant.keys).count();
        say(format_args!("{}: {} tenants, {wrong} counts put right", name(store), counted.len()));
    }
    Ok(ExitCode::Success)
}

/// Where a store is. Its password is nobody's business.
fn name(store: &KvStore) -> String {
    match store {
        KvStore::Redis { host, port, db, key_prefix, key_separator, .. } => {
            let prefix = key_prefix.as_ref().map(|prefix| format!(", keys below {prefix}{key_separator}"));
            format!("redis://{host}:{port}/{db}{}", prefix.unwrap_or_default())
        }
        KvStore::Embedded { file } => file.display().to_string(),
    }
}

/// A line for each count that was wrong: tenant, what it was, what it is.
fn as_text(counted: &[(String, Reconciled)]) -> String {
    let mut text = String::new();
    for (tenant, Reconciled { before, keys }) in counted.iter().filter(|(_, tenant)| tenant.before != tenant.keys) {
        // Ids come from messages. Writing into a string does not fail.
        let _ = writeln!(text, "{}\t{before}\t{keys}", tenant.escape_debug());
    }
    text
}

/// A line for each store, with all tenants.
fn as_json(store: &KvStore, counted: &[(String, Reconciled)]) -> Value {
    let tenants = counted
        .iter()
        .map(|(tenant, Reconciled { before, keys })| json!({"sandbox_id": tenant, "before": before, "keys": keys}));
    json!({"store": name(store), "tenants": tenants.collect::<Vec<_>>()})
}
