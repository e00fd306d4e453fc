//! The pages say what there is, and what they show is understood.

use std::fs;
use std::path::Path;

use belljar_worker::config::SETTINGS;

use super::toml;

fn page(name: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The keys of a table, as the refusal of one that there is not names them.
fn keys_at(text: &str) -> Vec<String> {
    let errors = toml(&format!("{text}zzzzzzzzzzzzzz = 1\n")).errors();
    let listed = errors
        .iter()
        .find_map(|error| error.split_once("[the settings there are: "))
        .unwrap_or_else(|| panic!("{text}: {errors:?}"))
        .1;
    listed.trim_end_matches(']').split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_is_on_the_page() {
    let page = page("worker.md");
    let settings = SETTINGS.iter().map(|key| key.strip_prefix("worker.").unwrap_or(key));
    let settings =
        settings.map(|key| key.strip_prefix("defaults.").or(key.strip_prefix("log.")).unwrap_or(key).to_owned());
    let apps = ["executable = 'sh'\n", "javascript = 'x'\n"].map(|program| keys_at(&format!("[apps.b]\n{program}")));
    let resources = ["kv", "http", "log", "outbound", "metrics", "config", "js"].map(|name| {
        let options = if name == "kv" { "store = 'redis'\n" } else { "" };
        keys_at(&format!("[apps.b]\njavascript = 'x'\n[apps.b.resources.{name}]\n{options}"))
    });
    // Read for vxsandbox's sake, and of no use in a new file.
    let old = ["keys_per_user", "charset"];
    for key in settings.chain(apps.concat()).chain(resources.concat()) {
        assert!(page.contains(&format!("`{key}`")) || old.contains(&key.as_str()), "{key} is not in docs/worker.md");
    }
    for old in old {
        assert!(self::page("migrating-from-vxsandbox.md").contains(&format!("`{old}`")), "{old}");
    }
}

#[test]
fn every_key_of_vxsandbox_is_on_the_page_of_migration() {
    let page = page("migrating-from-vxsandbox.md");
    let keys = "transport_name amqp_prefetch_count send_to executable args path env timeout recv_limit rlimits logging_resource \
                sandbox_id messages_per_process worker_name middleware javascript javascript_file app_context sandbox.NAME.cls \
                redis_manager keys_per_user allowed_helper_metadata metrics_prefix data_limit keys engine node_modules prestart memory \
                quickjs_memory profile dead_letter_queue show";
    for key in keys.split_whitespace() {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn what_the_page_shows_is_understood() {
    let page = page("worker.md");
    let mut shown = 0;
    for block in page.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")) {
        let world = toml(block.0);
        let wrong: Vec<String> = match world.load() {
            Ok(_) => Vec::new(),
            // Files of the examples are not here.
            Err(problems) => problems
                .errors
                .iter()
                .map(ToString::to_string)
                .filter(|problem| !problem.contains("cannot read") && !problem.contains("there is no "))
                .chain(
                    problems.errors.iter().filter(|problem| problem.text.contains("no such")).map(ToString::to_string),
                )
                .collect(),
        };
        assert_eq!(wrong, [""; 0], "{}", block.0);
        shown += 1;
    }
    assert_eq!(shown, 2);
}
