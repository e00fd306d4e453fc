//! The settings of an installation, as its page "System" has them.

use serde_json::{Map, Value, json};

use super::wire::model;
use super::{Ui, get};
use crate::error::{Result, Step};
use crate::http::{Body, Call};

/// What asking for them is called.
const READ: Step = Step::Other("reading the settings of the installation");
/// What changing them is called.
const CHANGE: Step = Step::Other("changing the settings of the installation");

model! {
    /// All settings. Sections are as they come: [`patch`] makes what changes them.
    #[serde(rename_all = "camelCase")]
    SystemSettings {
        /// What is told to the vendor: `enabled`, `sendEvents`. Cannot be changed here.
        telemetry: Map<String, Value>,
        /// Where events go as syslog: `enabled`, `host`, `port`, `transportProtocol` (`tcp`, `udp`), `auditEnabled`.
        siem_notifier: Map<String, Value>,
        /// Where findings go: `enabled`, `apiUrl`, `apiKey`, `shareLevel`, `uploadStrategy`.
        cybsi_notifier: Map<String, Value>,
        /// Who is told by mail: `enabled`, `notifyUnwanted`, `locale`, `senderAddress`, `recipients`, `smtpDefaultRecords`.
        email_notifier: Map<String, Value>,
        /// `anonymousDeny`: nothing is analysed without a login.
        authentication: Map<String, Value>,
        /// `passwords`: tried on every archive.
        unpacker: Map<String, Value>,
        /// `eventsEvictionDays`: how long tasks are remembered.
        event_combiner: Map<String, Value>,
        /// `capacity`, `currentSize`, and `components`: see [`SystemSettings::components`].
        storage: Map<String, Value>,
        /// `retentionPeriod` (its unit is not documented), `useSMTP`, `smtpDefaultRecords`.
        quarantine: Map<String, Value>,
        /// `enabled`: files are checked again from time to time.
        retro: Map<String, Value>,
    }

    /// Bytes and numbers of files.
    Capacity {
        /// Bytes.
        bytes: u64,
        /// Files.
        items: u64,
    }

    /// What one part of the storage uses, and may.
    #[serde(rename_all = "camelCase")]
    ComponentStorage {
        /// What it may use.
        current_limit: Capacity,
        /// What it uses.
        current_size: Capacity,
        /// The least that may be allowed to it.
        min_size: Capacity,
        /// Of the limit, from what there is a warning: `bytesPercent`, `itemsPercent`.
        threshold: Map<String, Value>,
    }
}

impl SystemSettings {
    /// The parts of the storage: `sandboxImages`, `quarantine`, `system`, `incubator`. One that cannot be read is left out.
    #[must_use]
    pub fn components(&self) -> Vec<(String, ComponentStorage)> {
        let components = self.storage.get("components").and_then(Value::as_object);
        let read = |(name, part): (&String, &Value)| Some((name.clone(), serde_json::from_value(part.clone()).ok()?));
        components.into_iter().flatten().filter_map(read).collect()
    }
}

/// What changes one setting, by its path, such as `siemNotifier.port`: only what is in it is changed. Several are merged into one.
///
/// ```
/// use belljar_client::vendors::pt::patch;
///
/// let change = patch([("siemNotifier.port", 1468.into()), ("siemNotifier.enabled", true.into())]).expect("two paths");
/// assert_eq!(change, serde_json::json!({"siemNotifier": {"enabled": true, "port": 1468}}));
/// ```
///
/// # Errors
/// A path is empty or goes through another one, or a value is `null`, which the server refuses.
pub fn patch<'a>(changes: impl IntoIterator<Item = (&'a str, Value)>) -> std::result::Result<Value, String> {
    let mut body = json!({});
    for (path, value) in changes {
        if value.is_null() {
            return Err(format!("{path}: there is no way to unset it: `null` is refused"));
        }
        let (parents, last) = path.rsplit_once('.').map_or((None, path), |(parents, last)| (Some(parents), last));
        let mut place = &mut body;
        for name in parents.into_iter().flat_map(|parents| parents.split('.')) {
            place = place
                .as_object_mut()
                .filter(|_| !name.is_empty())
                .ok_or_else(|| format!("{path}: this is no path"))?
                .entry(name)
                .or_insert_with(|| json!({}));
        }
        let members = place.as_object_mut().filter(|members| !last.is_empty() && !members.contains_key(last));
        members.ok_or_else(|| format!("{path}: this is no path, or it is there twice"))?.insert(last.to_owned(), value);
    }
    Ok(body)
}

impl Ui<'_> {
    /// The settings.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn settings(&self) -> Result<SystemSettings> {
        self.enveloped(READ, get(READ, &["system", "settings"])).await
    }

    /// Changes some: only what is in `changes` is, at any depth; lists are replaced as a whole. See [`patch`]. `emailNotifier` must be there with
    /// all its members, or not at all: what is missing of it is taken from what is set.
    ///
    /// Read, then written: who changes the same at the same time may undo this, because the server has no way to notice that.
    ///
    /// # Errors
    /// `changes` holds nothing, `null`, or what cannot be changed; no login; anything but success.
    pub async fn change_settings(&self, changes: &Value) -> Result<()> {
        let invalid = |problem: String| self.pt.invalid(CHANGE, problem);
        check(changes).map_err(invalid)?;
        let mut body = changes.clone();
        if let Some(asked) = changes.get("emailNotifier").and_then(Value::as_object) {
            const ALL: [&str; 6] =
                ["enabled", "notifyUnwanted", "locale", "senderAddress", "recipients", "smtpDefaultRecords"];
            if ALL.iter().any(|name| !asked.contains_key(*name)) {
                let mut all = self.settings().await?.email_notifier;
                all.extend(asked.clone());
                body["emailNotifier"] = Value::Object(all);
            }
        }
        let path = ["api", "ui", "system", "settings"];
        let call = Call::put(CHANGE, path, Body::Json(body));
        self.send(CHANGE, call).await.map(drop)
    }
}

/// What may be changed: sections, and of the storage its two limits.
fn check(changes: &Value) -> std::result::Result<(), String> {
    const SECTIONS: [&str; 9] = [
        "authentication",
        "eventCombiner",
        "quarantine",
        "retro",
        "unpacker",
        "siemNotifier",
        "cybsiNotifier",
        "storage",
        "emailNotifier",
    ];
    let sections = changes.as_object().filter(|sections| !sections.is_empty());
    let sections = sections.ok_or("there is nothing to change")?;
    for (name, section) in sections {
        if !SECTIONS.contains(&name.as_str()) {
            return Err(format!("{name}: this cannot be changed; {} can", SECTIONS.join(", ")));
        }
        if !section.is_object() {
            return Err(format!("{name}: this is a section, with settings in it"));
        }
    }
    let components = sections.get("storage").and_then(|storage| storage.get("components")).and_then(Value::as_object);
    for (name, part) in components.into_iter().flatten() {
        let limits = part.as_object().is_some_and(|part| part.keys().all(|key| key == "currentLimit"));
        if !matches!(name.as_str(), "quarantine" | "incubator") || !limits {
            return Err("of the storage only `currentLimit` of `quarantine` and `incubator` can be changed".to_owned());
        }
    }
    if sections.contains_key("storage") && components.is_none() {
        return Err("of the storage only `components` can be changed".to_owned());
    }
    if no_null(changes) { Ok(()) } else { Err("`null` is refused: what is not named stays as it is".to_owned()) }
}

fn no_null(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => members.values().all(no_null),
        Value::Array(items) => items.iter().all(no_null),
        _ => true,
    }
}
