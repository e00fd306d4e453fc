//! What a PT Sandbox says, for people: what matters first, times as UTC, nothing that steers a terminal.

use std::fmt::Write as _;

use belljar_client::vendors::pt::words::{ComponentStatus, SupportStatus};
use belljar_client::vendors::pt::{Cluster, Component, Event, Image, QueueOf, SystemVersion, Task};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

use super::super::plain;

/// Letters of a name or a text in a table, at most.
const WIDEST: usize = 60;

pub(super) fn status(events: &[Event], components: &[Component], cluster: &Cluster) -> String {
    let mut text = String::new();
    if events.is_empty() {
        text.push_str("nothing is wrong\n");
    } else {
        let mut table = table(["LEVEL", "SUBSYSTEM", "WHAT", "ABOUT", "SINCE", "DETAILS"]);
        for event in events {
            let details: Vec<String> =
                event.params.iter().map(|(name, value)| format!("{name}={}", detail(name, value))).collect();
            table.add_row([
                cell(event.level.as_str()),
                cell(event.group.as_str()),
                cell(event.code.as_str()),
                cell(&event.object_id),
                time(event.created_ts),
                cell(&details.join(" ")),
            ]);
        }
        _ = writeln!(text, "{}", table.trim_fmt());
    }
    let broken: Vec<&Component> =
        components.iter().filter(|component| component.status != ComponentStatus::Ready).collect();
    _ = writeln!(text, "\nparts: {} of {} ready", components.len() - broken.len(), components.len());
    for component in broken {
        let pods = format!("{} of {} pods", component.ready_pods, component.total_pods);
        _ = writeln!(text, "  {}: {}, {pods}", plain(&component.name), plain(component.status.as_str()));
        for pod in component.pods.iter().filter(|pod| !pod.ready) {
            let why = [pod.error_reason.as_str(), pod.error_message.as_str()].join(" ");
            _ = writeln!(
                text,
                "    {} on {}, {} restarts: {}",
                plain(&pod.name),
                plain(&pod.node),
                pod.restarts,
                cell(why.trim())
            );
        }
    }
    let (free, all) = (cluster.vms_count_available, cluster.vms_count);
    _ = writeln!(text, "virtual machines: {free} of {all} free");
    let ready = cluster.nodes.iter().filter(|node| node.ready).count();
    _ = writeln!(text, "machines: {ready} of {} ready", cluster.nodes.len());
    for node in cluster.nodes.iter().filter(|node| !node.ready || !node.conditions.is_empty()) {
        let word = if node.ready { "ready" } else { "not ready" };
        let said = |condition: &serde_json::Map<String, Value>, name: &str| {
            condition.get(name).and_then(Value::as_str).map(cell).unwrap_or_default()
        };
        let conditions: Vec<String> = node
            .conditions
            .iter()
            .map(|condition| format!("{} ({})", said(condition, "type"), said(condition, "message")))
            .collect();
        _ = writeln!(text, "  {}: {word} {}", plain(&node.name), conditions.join(", "));
    }
    text
}

/// A parameter of an event; those that are times are told as times.
fn detail(name: &str, value: &Value) -> String {
    match (name, value) {
        ("eosTs" | "time" | "since", Value::Number(_)) => seconds(value.as_f64().unwrap_or_default()),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

pub(super) fn version(version: &SystemVersion) -> String {
    let until = time(version.eos_ts);
    let supported = match &version.eos_status {
        SupportStatus::Ok => format!("supported until {until}"),
        SupportStatus::EndsSoon => format!("support ends soon: {until}"),
        SupportStatus::Ended => format!("no longer supported since {until}"),
        SupportStatus::Unlisted(word) => format!("support: {}, {until}", plain(word)),
    };
    format!("{} ({supported})\n", plain(&version.version))
}

/// One line for each setting, as `settings set` takes it.
pub(super) fn settings(path: &str, value: &Value) -> String {
    match value {
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .map(|(name, value)| {
                settings(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value)
            })
            .collect(),
        other => format!("{}={}\n", plain(path), plain(&other.to_string())),
    }
}

pub(super) fn changes(changes: &[Value], dry_run: bool) -> String {
    let mut text = String::new();
    for change in changes {
        let path = plain(change["path"].as_str().unwrap_or_default());
        let (was, is) = (plain(&change["was"].to_string()), plain(&change["is"].to_string()));
        let wrong = if change["as_asked"] == true { "" } else { "  (not what was asked for)" };
        _ = match (dry_run, was == is) {
            (_, true) => writeln!(text, "{path}: {is}, as before{wrong}"),
            (true, false) => writeln!(text, "{path}: {was} would become {is}"),
            (false, false) => writeln!(text, "{path}: {was} -> {is}{wrong}"),
        };
    }
    text
}

pub(super) fn tasks(tasks: &[Task]) -> String {
    let mut table = table(["STARTED", "VERDICT", "CLASS", "SOURCE", "NAME", "ID"]);
    for task in tasks {
        let verdict = task.correlation.as_ref();
        table.add_row([
            seconds(task.start_time),
            verdict.map_or_else(|| "-".to_owned(), |verdict| cell(verdict.threat_level.as_str())),
            verdict.map_or_else(String::new, |verdict| cell(verdict.threat_classification.as_str())),
            cell(task.source().as_str()),
            cell(&task.name),
            plain(&task.id),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

pub(super) fn queue(queue: &QueueOf) -> String {
    let mut table = table(["PLACE", "STATE", "QUEUED", "IMAGE", "NAME", "SCAN", "ERROR"]);
    for task in &queue.tasks {
        table.add_row([
            task.order_number.map_or_else(|| "-".to_owned(), |place| place.to_string()),
            cell(task.state.as_str()),
            seconds(task.ts_created),
            cell(task.image_id.as_deref().unwrap_or("-")),
            cell(&task.object_name),
            plain(&task.correlation_id),
            cell(task.error_text.as_deref().unwrap_or_default()),
        ]);
    }
    format!("{}\n{} of {} shown\n", table.trim_fmt(), queue.tasks.len(), queue.total)
}

pub(super) fn images(images: &[Image]) -> String {
    let mut table = table(["IMAGE", "SORT", "VERSION", "SYSTEM"]);
    for image in images {
        let part = |name: &str| image.os.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let system = [part("name"), part("version"), part("architecture"), part("locale")].join(" ");
        table.add_row([cell(&image.image_id), cell(&image.kind), cell(&image.version), cell(system.trim())]);
    }
    format!("{}\n", table.trim_fmt())
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header);
    table
}

fn cell(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn time(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) if seconds > 0 => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        _ => "-".to_owned(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a time; what is none is shown as none")]
fn seconds(seconds: f64) -> String {
    time(seconds as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_wrong_comes_with_all_that_helps() {
        let events: Vec<Event> = from_value(json!([{"group": "SANDBOX", "code": "COMPONENT_ERROR", "objectId": "SANDBOX",
            "level": "ERROR", "createdTs": 1_767_225_600, "updatedTs": 1, "params": {"worker-1": {"error_codes": ["OFFLINE"]}}},
            {"group": "EOS", "code": "END_OF_SUPPORT_SOON", "level": "WARNING", "createdTs": 0, "updatedTs": 1,
            "objectId": "a\u{1b}[2J", "params": {"eosTs": 1_798_761_600}}]))
        .expect("events");
        let components: Vec<Component> = from_value(json!([{"name": "api", "status": "READY"}, {"name": "db", "status": "NOT_READY",
            "readyPods": 0, "totalPods": 1, "pods": [{"name": "db-0", "node": "n1", "restarts": 7, "errorReason": "CrashLoop"}]}]))
        .expect("components");
        let cluster: Cluster =
            from_value(json!({"vmsCount": 20, "vmsCountAvailable": 12, "nodes": [{"name": "n1", "ready": false,
            "conditions": [{"type": "DiskPressure", "message": "full"}]}]}))
            .expect("a cluster");
        let text = status(&events, &components, &cluster);
        for part in [
            "2026-01-01 00:00:00Z",
            "worker-1={\"error_codes\":[\"OFFLINE\"]}",
            "eosTs=2027-01-01 00:00:00Z",
            "parts: 1 of 2 ready",
            "  db: NOT_READY, 0 of 1 pods",
            "    db-0 on n1, 7 restarts: CrashLoop",
            "virtual machines: 12 of 20 free",
            "  n1: not ready DiskPressure (full)",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(status(&[], &components[..1], &Cluster::default()).starts_with("nothing is wrong\n"));
    }

    #[test]
    fn settings_are_printed_as_they_are_set() {
        let value =
            json!({"siemNotifier": {"port": 514, "host": "a b"}, "unpacker": {"passwords": ["x"]}, "retro": {}});
        let printed = "retro={}\nsiemNotifier.host=\"a b\"\nsiemNotifier.port=514\nunpacker.passwords=[\"x\"]\n";
        assert_eq!(settings("", &value), printed);
        assert_eq!(settings("siemNotifier.port", &json!(514)), "siemNotifier.port=514\n");
    }
}
