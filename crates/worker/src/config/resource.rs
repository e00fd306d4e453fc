//! Resources of an app: their options, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use belljar_egress::Entry;
use belljar_sandbox::spelling::nearest;

use super::classes::{self, ResourceClass, TYPES};
use super::clean::path;
use super::load::Context;
use super::problem::Place;
use super::section::{Dialect, Report, Section};
use super::tree::Node;
use super::yaml::read_text;
use super::{KvStore, ResourceConfig};
use crate::resource::MAX_FILE_BYTES;

/// Keys of a tenant, by default (vxsandbox).
const KEYS_PER_USER: i64 = 100;

/// All resources of an app. The names are the operator's.
pub(super) fn read_all(
    entries: Vec<(String, Node)>,
    path: &str,
    dialect: Dialect,
    app: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<String, ResourceConfig> {
    let mut resources = BTreeMap::new();
    for (name, node) in entries {
        let Some(section) = Section::new(node, format!("{path}.{name}"), dialect, report) else { continue };
        if name.is_empty() || name.contains('.') {
            // What an app asks for is cut at the first dot.
            report.error(&section.place, &section.path, "the name of a resource is not empty and has no dot", None);
        }
        if let Some(resource) = read(&name, section, app, context, report) {
            resources.insert(name, resource);
        }
    }
    resources
}

fn read(
    name: &str,
    mut section: Section,
    app: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<ResourceConfig> {
    let class = match section.dialect {
        Dialect::Vumi => class_of(&mut section, report),
        Dialect::Belljar => type_of(name, &mut section, report),
    }?;
    let resource = match class {
        ResourceClass::Js => Some(ResourceConfig::Js),
        ResourceClass::Log => Some(ResourceConfig::Log),
        ResourceClass::Kv => kv(&mut section, app, name, context, report),
        ResourceClass::Http => http(&mut section, report),
        ResourceClass::Outbound => outbound(&mut section, report),
        ResourceClass::Metrics => section
            .required_text("metrics_prefix", "the first part of the names of this app's metrics", report)
            .map(|prefix| ResourceConfig::Metrics { prefix }),
        ResourceClass::Config => config(&mut section, context, report),
    };
    section.finish(report);
    resource
}

fn class_of(section: &mut Section, report: &mut Report) -> Option<ResourceClass> {
    let dotted = section.required_text("cls", "the class, such as vxsandbox.resources.kv.RedisResource", report)?;
    match classes::resource(&dotted) {
        Ok(class) => Some(class),
        Err(refused) => {
            let place = report.origins.get(&section.key("cls")).unwrap_or(&section.place).clone();
            report.error(&place, &section.key("cls"), refused.text, refused.hint);
            None
        }
    }
}

/// A resource that is called by the name of its type needs no type.
fn type_of(name: &str, section: &mut Section, report: &mut Report) -> Option<ResourceClass> {
    let named = section.has("type");
    let class = section.choice("type", &TYPES, report);
    if named {
        return class;
    }
    let by_name = TYPES.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
    if by_name.is_none() {
        let words: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(name, words.iter().copied()) {
            Some(near) => format!("did you mean the resource '{near}'? Else set `type` to one of {}", words.join(", ")),
            None => format!("one of {}", words.join(", ")),
        };
        report.error(&section.place, &section.key("type"), "missing", Some(hint));
    }
    by_name
}

fn kv(
    section: &mut Section,
    app: &str,
    name: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<ResourceConfig> {
    let quota = 0..=i64::MAX;
    let hard = section.integer("keys_per_user_hard", quota.clone(), report);
    // The name of older versions.
    let older = section.integer("keys_per_user", quota.clone(), report);
    let hard = hard.or(older).unwrap_or(KEYS_PER_USER);
    // 80 %, rounded down.
    let default = hard / 5 * 4 + hard % 5 * 4 / 5;
    let soft = section.integer("keys_per_user_soft", quota, report);
    if let Some(soft) = soft.filter(|soft| *soft >= hard) {
        let key = section.key("keys_per_user_soft");
        let place = report.origins.get(&key).unwrap_or(&section.place).clone();
        let text = format!("{soft} is not below keys_per_user_hard, which is {hard}: nobody would be warned");
        match section.dialect {
            Dialect::Vumi => report.warning(&place, &key, text, None),
            Dialect::Belljar => report.error(&place, &key, text, Some(format!("80 % would be {default}"))),
        }
    }
    let soft = soft.unwrap_or(default);
    let embedded = section.choice("store", &[("redis", false), ("embedded", true)], report);
    let embedded = embedded.unwrap_or(section.dialect == Dialect::Belljar);
    let store = if embedded {
        let key = section.key("file");
        let file = section.take("file", report).and_then(|node| path(node, &key, report));
        let file = match file {
            Some((file, place)) => context.resolve(&file, &place),
            // One file for each: what an app may keep is its own, and so is what is removed with it.
            None => context.data_dir.join("kv").join(format!("{}.{}.db", harmless(app), harmless(name))),
        };
        KvStore::Embedded { file }
    } else if section.dialect == Dialect::Vumi {
        match section.section("redis_manager", report) {
            Some(mut redis) => {
                let store = redis_store(&mut redis, context, report);
                redis.finish(report);
                store?
            }
            None => redis_store(
                &mut Section::new(Node::empty(section.place.clone()), "", Dialect::Vumi, report)?,
                context,
                report,
            )?,
        }
    } else {
        redis_store(section, context, report)?
    };
    Some(ResourceConfig::Kv { store, hard, soft })
}

/// A part of a file's name: in YAML an app may have any name.
fn harmless(name: &str) -> String {
    let is_harmless = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.');
    name.chars().map(|sign| if is_harmless(sign) { sign } else { '_' }).take(100).collect()
}

fn redis_store(section: &mut Section, context: &Context<'_>, report: &mut Report) -> Option<KvStore> {
    let host = section.text("host", report).unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = section.integer("port", 1..=65535, report).unwrap_or(6379);
    let db = section.integer("db", 0..=i64::from(i32::MAX), report).unwrap_or(0);
    let password = section.secret("password", context, report);
    let key_prefix = section.text("key_prefix", report);
    let key_separator = section.text("key_separator", report).unwrap_or_else(|| ":".to_owned());
    if let Some(charset) = section.text("charset", report)
        && !matches!(charset.to_ascii_lowercase().as_str(), "utf8" | "utf-8")
    {
        let key = section.key("charset");
        let place = report.origins.get(&key).unwrap_or(&section.place).clone();
        report.error(&place, &key, format!("found {charset:?}, expected \"utf8\", the only one there is"), None);
    }
    let port = u16::try_from(port).ok()?;
    Some(KvStore::Redis { host, port, db, password, key_prefix, key_separator })
}

fn http(section: &mut Section, report: &mut Report) -> Option<ResourceConfig> {
    let timeout = section.time("timeout", report).unwrap_or(Duration::from_secs(30));
    let data_limit = section.bytes("data_limit", report).unwrap_or(128 << 10);
    let key = section.key("allow_private");
    let mut allow_private = Vec::new();
    for (index, (text, place)) in section.texts("allow_private", report).unwrap_or_default().into_iter().enumerate() {
        match text.parse::<Entry>() {
            Ok(_) => allow_private.push(text),
            Err(error) => report.error(&place, &format!("{key}.{index}"), format!("{text:?}: {error}"), None),
        }
    }
    Some(ResourceConfig::Http { timeout, data_limit, allow_private })
}

fn outbound(section: &mut Section, report: &mut Report) -> Option<ResourceConfig> {
    let names =
        |texts: Option<Vec<(String, Place)>>| texts.unwrap_or_default().into_iter().map(|(text, _)| text).collect();
    let allowed_helper_metadata = names(section.texts("allowed_helper_metadata", report));
    let endpoints = names(section.texts("endpoints", report));
    Some(ResourceConfig::Outbound { allowed_helper_metadata, endpoints })
}

fn config(section: &mut Section, context: &Context<'_>, report: &mut Report) -> Option<ResourceConfig> {
    let Some(entries) = section.table("keys", report) else {
        if !report.origins.contains_key(&section.key("keys")) {
            let hint = Some("a table: each key with the file that has its value".to_owned());
            report.error(&section.place, &section.key("keys"), "missing", hint);
        }
        return None;
    };
    let mut keys = BTreeMap::new();
    for (name, node) in entries {
        let key = format!("{}.{name}", section.key("keys"));
        let Some((file, place)) = path(node, &key, report) else { continue };
        let file = context.resolve(&file, &place);
        if let Err(reason) = read_text(&file, MAX_FILE_BYTES) {
            report.error(&place, &key, format!("cannot read {}: {reason}", file.display()), None);
        }
        keys.insert(name, file);
    }
    Some(ResourceConfig::Config { keys })
}
