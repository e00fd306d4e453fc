//! Python's classes in vxsandbox's files, and what they are here.

use belljar_sandbox::spelling::nearest;

/// A class of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerClass {
    /// Any program.
    Sandbox,
    /// JavaScript in the configuration.
    JsSandbox,
    /// JavaScript in a file; log lines about the app do not go to its own log.
    JsFileSandbox,
    /// The same, for one tenant.
    StandaloneJsFileSandbox,
}

/// A class of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResourceClass {
    Js,
    Kv,
    Http,
    Log,
    Outbound,
    Metrics,
    Config,
}

/// Packages that had these classes: vxsandbox, and Vumi before it.
const PACKAGES: [&str; 2] = ["vxsandbox", "vumi.application.sandbox"];

const WORKERS: [(&str, WorkerClass); 4] = [
    ("Sandbox", WorkerClass::Sandbox),
    ("JsSandbox", WorkerClass::JsSandbox),
    ("JsFileSandbox", WorkerClass::JsFileSandbox),
    ("StandaloneJsFileSandbox", WorkerClass::StandaloneJsFileSandbox),
];

/// Name, module, and what it is.
const RESOURCES: [(&str, &str, ResourceClass); 7] = [
    ("JsSandboxResource", "worker", ResourceClass::Js),
    ("RedisResource", "resources.kv", ResourceClass::Kv),
    ("HttpClientResource", "resources.http", ResourceClass::Http),
    ("LoggingResource", "resources.logging", ResourceClass::Log),
    ("OutboundResource", "resources.outbound", ResourceClass::Outbound),
    ("MetricsResource", "resources.metrics", ResourceClass::Metrics),
    ("FileConfigResource", "resources.config", ResourceClass::Config),
];

/// Types of resources by their names in TOML.
pub(super) const TYPES: [(&str, ResourceClass); 7] = [
    ("js", ResourceClass::Js),
    ("kv", ResourceClass::Kv),
    ("http", ResourceClass::Http),
    ("log", ResourceClass::Log),
    ("outbound", ResourceClass::Outbound),
    ("metrics", ResourceClass::Metrics),
    ("config", ResourceClass::Config),
];

/// Why a class is none of ours, and what could be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOurs {
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

/// The worker that a dotted name stands for.
pub(super) fn worker(dotted: &str) -> Result<WorkerClass, NotOurs> {
    let (module, class) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let known = WORKERS.iter().find(|(name, _)| *name == class);
    match known {
        Some((_, known)) if in_package(module, &["", "worker"]) => Ok(*known),
        _ => Err(not_ours(dotted, WORKERS.iter().map(|(name, _)| format!("vxsandbox.worker.{name}")))),
    }
}

/// The resource that a dotted name stands for.
pub(super) fn resource(dotted: &str) -> Result<ResourceClass, NotOurs> {
    let (module, class) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let known = RESOURCES.iter().find(|(name, _, _)| *name == class);
    match known {
        Some((_, own, known)) if in_package(module, &["", "resources", own]) => Ok(*known),
        _ => Err(not_ours(dotted, RESOURCES.iter().map(|(name, module, _)| format!("vxsandbox.{module}.{name}")))),
    }
}

/// Whether a dotted name is that of Vumi's middleware that logs messages.
pub(super) fn is_logging_middleware(dotted: &str) -> bool {
    matches!(dotted, "vumi.middleware.logging.LoggingMiddleware" | "vumi.middleware.LoggingMiddleware")
}

fn in_package(module: &str, places: &[&str]) -> bool {
    let is_place = |inner: &str| places.contains(&inner);
    PACKAGES.iter().filter_map(|package| module.strip_prefix(package)).any(|rest| match rest.strip_prefix('.') {
        Some(inner) => !inner.is_empty() && is_place(inner),
        None => rest.is_empty() && is_place(""),
    })
}

fn not_ours(dotted: &str, known: impl Iterator<Item = String>) -> NotOurs {
    if dotted.starts_with("go.") {
        return NotOurs {
            text: format!(
                "{dotted} is a class of Vumi Go, which needs Vumi Go's own database; belljar has none of them"
            ),
            hint: Some("take it out: an app that calls such a resource is answered `success: false`".to_owned()),
        };
    }
    let known: Vec<String> = known.collect();
    let class = dotted.rsplit('.').next().unwrap_or(dotted);
    let near = nearest(dotted, known.iter().map(String::as_str)).or_else(|| {
        let by_class = nearest(class, known.iter().filter_map(|name| name.rsplit('.').next()))?;
        known.iter().find(|name| name.ends_with(&format!(".{by_class}"))).map(String::as_str)
    });
    NotOurs {
        text: format!(
            "{dotted} is no class of vxsandbox, and classes of others cannot be loaded: there is no Python here"
        ),
        hint: Some(match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", known.join(", ")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_times_are_the_same_classes() {
        for (class, expected) in WORKERS {
            for package in PACKAGES {
                for module in ["", ".worker"] {
                    assert_eq!(worker(&format!("{package}{module}.{class}")), Ok(expected));
                }
            }
        }
        for (class, module, expected) in RESOURCES {
            for package in PACKAGES {
                for module in ["", ".resources", &format!(".{module}")] {
                    assert_eq!(
                        resource(&format!("{package}{module}.{class}")),
                        Ok(expected),
                        "{package}{module}.{class}"
                    );
                }
            }
        }
    }

    #[test]
    fn other_classes_are_refused_with_what_was_perhaps_meant() {
        let python = "is no class of vxsandbox, and classes of others cannot be loaded: there is no Python here";
        let cases = [
            ("vxsandbox.resources.kv.RedisResorce", Some("did you mean vxsandbox.resources.kv.RedisResource?")),
            ("vxsandbox.resources.RedisRessource", Some("did you mean vxsandbox.resources.kv.RedisResource?")),
            ("vxsandbox.resources.http.RedisResource", Some("did you mean vxsandbox.resources.kv.RedisResource?")),
            ("vxsandboxresources.RedisResource", Some("did you mean vxsandbox.resources.kv.RedisResource?")),
            ("RedisResource", Some("did you mean vxsandbox.resources.kv.RedisResource?")),
        ];
        for (dotted, hint) in cases {
            let refused = resource(dotted).expect_err(dotted);
            assert_eq!(refused.text, format!("{dotted} {python}"));
            assert_eq!(refused.hint.as_deref(), hint, "{dotted}");
        }
        let mine = resource("acme.billing.Ledger").expect_err("not ours");
        assert!(mine.hint.is_some_and(|hint| hint.starts_with("known are vxsandbox.worker.JsSandboxResource, ")));
        let go = resource("go.apps.jsbox.contacts.ContactsResource").expect_err("not ours");
        assert!(go.text.contains("is a class of Vumi Go"), "{}", go.text);
        let go = worker("go.apps.jsbox.vumi_app.JsBoxApplication").expect_err("not ours");
        assert!(go.text.contains("is a class of Vumi Go"), "{}", go.text);
        for empty in ["", ".", "vxsandbox.", "..Sandbox"] {
            assert!(worker(empty).is_err() && resource(empty).is_err());
        }
    }
}
