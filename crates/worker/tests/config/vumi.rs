//! Files of vxsandbox, as they are. Numbers are those of the list of its own tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use belljar_worker::config::{JavaScriptEngine, KvStore, Profile, Program, ResourceConfig, Source};
use serde_json::json;

use super::{World, has_node, is_in, yaml};

/// The configuration of a production service, as it was in use.
const PRODUCTION: &str = r#"
worker_name: jsbox_application
transport_name: jsbox_public_ussd
javascript_file: go-app-ussd_public.js
sandbox_id: sandbox1
executable: /usr/bin/node
amqp_prefetch_count: 1
app_context: "{require: function(m) { if (['moment','url','querystring','crypto','lodash','q','jed','vumigo_v02'].indexOf(m) >= 0) return require(m); return null; }, Buffer: Buffer}"
rlimits: {RLIMIT_DATA: [67108864, 67108864], RLIMIT_STACK: [2097152, 2097152], RLIMIT_AS: [1073741824, 1073741824]}
sandbox:
  config: {cls: vxsandbox.resources.config.FileConfigResource, keys: {config: config/public.json, translation.eng_ZA: config/eng.json}}
  http: {cls: vxsandbox.resources.http.HttpClientResource}
  kv: {cls: vxsandbox.resources.kv.RedisResource, keys_per_user: 550000, redis_manager: {key_prefix: "vumi.jsbox.kv", host: redis}}
  outbound: {cls: vxsandbox.resources.outbound.OutboundResource}
  metrics: {cls: vxsandbox.resources.metrics.MetricsResource, metrics_prefix: mcza}
middleware: [{logging_mw: vumi.middleware.logging.LoggingMiddleware}]
logging_mw: {log_level: debug}
"#;

#[test]
fn a_production_service_goes_on() {
    let world = yaml(PRODUCTION)
        .file("go-app-ussd_public.js", "// the app")
        .file("config/public.json", "{}")
        .file("config/eng.json", "{}")
        .class("vxsandbox.worker.StandaloneJsFileSandbox");
    let app = world.app();
    // 27 and 49: the tenant is the configuration's, and classes become resources with their options.
    assert_eq!((app.name.as_str(), app.transport_name.as_str()), ("jsbox_application", "jsbox_public_ussd"));
    assert_eq!(app.worker_name.as_deref(), Some("jsbox_application"));
    assert_eq!((app.prefetch, app.sandbox_id.as_deref()), (1, Some("sandbox1")));
    assert_eq!((app.timeout, app.recv_limit), (Duration::from_secs(60), 1_048_576));
    assert_eq!((app.log_messages.as_deref(), app.logging_resource), (Some("debug"), None));
    assert_eq!(app.profile, Profile::Belljar);
    let rlimits = [("RLIMIT_AS", 1 << 30), ("RLIMIT_DATA", 64 << 20), ("RLIMIT_STACK", 2 << 20)];
    let rlimits: BTreeMap<_, _> = rlimits.map(|(name, value)| (name.to_owned(), (value, value))).into();
    assert_eq!(app.rlimits, rlimits);
    let Program::JavaScript { source, app_context, engine, .. } = &app.program else { panic!("JavaScript") };
    assert_eq!(*source, Source::File(world.path("go-app-ussd_public.js")));
    assert!(app_context.as_ref().is_some_and(|text| text.starts_with("{require: function(m)")));
    assert!(matches!(engine, JavaScriptEngine::Auto { .. }), "{engine:?}");
    let names: Vec<&str> = app.resources.keys().map(String::as_str).collect();
    assert_eq!(names, ["config", "http", "js", "kv", "log", "metrics", "outbound"]);
    let files = [("config", "config/public.json"), ("translation.eng_ZA", "config/eng.json")];
    let keys = files.map(|(key, file)| (key.to_owned(), world.path(file))).into();
    assert_eq!(app.resources["config"], ResourceConfig::Config { keys });
    let http =
        ResourceConfig::Http { timeout: Duration::from_secs(30), data_limit: 131_072, allow_private: Vec::new() };
    assert_eq!(app.resources["http"], http);
    let store = KvStore::Redis {
        host: "redis".to_owned(),
        port: 6379,
        db: 0,
        password: None,
        key_prefix: Some("vumi.jsbox.kv".to_owned()),
        key_separator: ":".to_owned(),
    };
    assert_eq!(app.resources["kv"], ResourceConfig::Kv { store, hard: 550_000, soft: 440_000 });
    assert_eq!(app.resources["metrics"], ResourceConfig::Metrics { prefix: "mcza".to_owned() });
    let expected: &[&str] = if PathBuf::from("/usr/bin/node").exists() { &[] } else { &["/usr/bin/node"] };
    let warnings = world.warnings();
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
}

#[test]
fn the_class_decides_what_is_run_and_for_whom() {
    let generic =
        "transport_name: t\nexecutable: sh\nargs: [-c, 'exit 0', 3]\nenv: {A: b, N: 1}\nsandbox_id: ignored\n";
    let world = yaml(generic).class("vumi.application.sandbox.Sandbox");
    let app = world.app();
    let Program::Executable { executable, args } = &app.program else { panic!("a program") };
    assert!(executable.ends_with("sh") && executable.is_absolute());
    assert_eq!(args, &["-c", "exit 0", "3"]);
    assert_eq!(app.env, [("A", "b"), ("N", "1")].map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!((app.sandbox_id, app.resources.len(), app.logging_resource), (None, 0, None));
    assert_eq!(
        world.warnings(),
        ["w.yaml:5: sandbox_id: not used by this class, which takes the tenant from the `sandbox_id` of each message \
             [for one tenant the class is vxsandbox.worker.StandaloneJsFileSandbox]"]
    );

    // Only JsSandbox has a default for where words about the app go, and null switches it off.
    let inline = "transport_name: t\njavascript: 'var a;'\n";
    let file = "transport_name: t\njavascript_file: app.js\n";
    let cases = [
        (inline, "", "vxsandbox.JsSandbox", Some("log")),
        (inline, "logging_resource: null", "vxsandbox.JsSandbox", None),
        (inline, "logging_resource: ~", "vxsandbox.worker.JsSandbox", None),
        (file, "", "vxsandbox.JsFileSandbox", None),
        (file, "logging_resource: log", "vxsandbox.JsFileSandbox", Some("log")),
        (file, "sandbox_id: me\nlogging_resource: log", "vxsandbox.worker.StandaloneJsFileSandbox", Some("log")),
    ];
    for (text, more, class, logging) in cases {
        let app = yaml(&format!("{text}{more}")).class(class).app();
        assert_eq!(app.logging_resource.as_deref(), logging, "{class} {more}");
        assert_eq!(app.resources.keys().collect::<Vec<_>>(), ["js", "log"]);
        assert_eq!(app.sandbox_id.is_some(), class.contains("Standalone"));
    }
}

#[test]
fn without_a_class_the_keys_decide() {
    let cases = [
        ("javascript_file: app.js\nsandbox_id: me", true, Some("me")),
        ("javascript_file: app.js", true, None),
        ("javascript: 'var a;'", true, None),
        ("executable: sh", false, None),
    ];
    for (keys, is_javascript, tenant) in cases {
        let app = yaml(&format!("transport_name: t\n{keys}")).app();
        assert_eq!(matches!(app.program, Program::JavaScript { .. }), is_javascript, "{keys}");
        assert_eq!(app.sandbox_id.as_deref(), tenant, "{keys}");
    }
}

#[test]
fn values_are_cleaned_as_vumi_cleans_them() {
    let app = yaml(
        "transport_name: '123'\njavascript: x\namqp_prefetch_count: ' 7 '\ntimeout: '10'\nrecv_limit: 0x100\n\
         messages_per_process: 010\nrlimits: {RLIMIT_CPU: ['40', -1], RLIMIT_NOFILE: [!!int '20', 0b11110]}\n\
         send_to: {sms: {transport_name: sms_out, n: 1.5, yes: no}}\n\
         sandbox: {outbound: {cls: vxsandbox.OutboundResource, allowed_helper_metadata: [voice]}}\n",
    )
    .app();
    assert_eq!((app.transport_name.as_str(), app.prefetch), ("123", 7));
    assert_eq!((app.timeout, app.recv_limit, app.messages_per_process), (Duration::from_secs(10), 256, 8));
    let rlimits = [("RLIMIT_CPU", (40, -1)), ("RLIMIT_NOFILE", (20, 30))];
    assert_eq!(app.rlimits, rlimits.map(|(name, pair)| (name.to_owned(), pair)).into());
    let sms = json!({"transport_name": "sms_out", "n": 1.5, "yes": false});
    assert_eq!(serde_json::Value::Object(app.send_to["sms"].clone()), sms);
    // Whoever configures where messages to an endpoint go wants them sent; vxsandbox allows none but `default`.
    let outbound = |endpoints: &[&str]| ResourceConfig::Outbound {
        allowed_helper_metadata: vec!["voice".to_owned()],
        endpoints: endpoints.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(app.resources["outbound"], outbound(&["sms"]));
    let text = "transport_name: t\njavascript: x\nprofile: strict\nsend_to: {sms: {}}\n\
                sandbox: {outbound: {cls: vxsandbox.OutboundResource, allowed_helper_metadata: [voice]}}\n";
    assert_eq!(yaml(text).app().resources["outbound"], outbound(&[]));
}

#[test]
fn null_is_the_default_where_vxsandbox_would_fail() {
    let world =
        yaml("transport_name: t\njavascript: x\ntimeout: null\namqp_prefetch_count:\nexecutable: ~\npath: ~\nenv: ~\n");
    let app = world.app();
    assert_eq!((app.timeout, app.prefetch, app.path), (Duration::from_secs(60), 20, None));
    assert_eq!(
        world.warnings(),
        [
            "w.yaml:3: timeout: null: the default is taken (vxsandbox fails on it)",
            "w.yaml:4: amqp_prefetch_count: null: the default is taken (vxsandbox fails on it)",
        ]
    );
}

#[test]
fn keys_of_resources_have_their_defaults_and_aliases() {
    let kv = |options: &str| {
        let text = format!(
            "transport_name: t\nworker_name: ../t\njavascript: x\nsandbox: {{db: {{cls: vxsandbox.RedisResource{options}}}}}"
        );
        yaml(&text).app().resources["db"].clone()
    };
    // 70 and 71; and the rounding.
    let cases = [
        ("", 100, 80),
        (", keys_per_user: 10", 10, 8),
        (", keys_per_user_hard: 10, keys_per_user: 99", 10, 8),
        (", keys_per_user_hard: 7", 7, 5),
        (", keys_per_user_hard: 1", 1, 0),
        (", keys_per_user_soft: 3", 100, 3),
        (", keys_per_user_hard: 9223372036854775807", i64::MAX, 7_378_697_629_483_820_645),
    ];
    for (options, hard, soft) in cases {
        let ResourceConfig::Kv { hard: found_hard, soft: found_soft, .. } = kv(options) else { panic!("kv") };
        assert_eq!((found_hard, found_soft), (hard, soft), "{options}");
    }
    let manager =
        ", redis_manager: {host: h, port: '7', db: 2, password: 123, key_prefix: p, key_separator: '-', charset: utf8}";
    let ResourceConfig::Kv { store: KvStore::Redis { host, port, db, password, key_separator, .. }, .. } = kv(manager)
    else {
        panic!("Redis")
    };
    assert_eq!((host.as_str(), port, db, key_separator.as_str()), ("h", 7, 2, "-"));
    assert_eq!(password.expect("one").reveal(), "123");
    // Ours, in their file.
    let ResourceConfig::Kv { store: KvStore::Embedded { file }, .. } = kv(", store: embedded") else {
        panic!("embedded")
    };
    assert!(file.ends_with("data/kv/.._t.db.db"), "{}", file.display());
}

#[test]
fn what_is_not_known_is_pointed_out_and_not_used() {
    let world = yaml(
        "transport_name: t\njavascript: x\njavascript_fil: y\nfoo: bar\n\
         sandbox:\n  http: {cls: vxsandbox.HttpClientResource, timeuot: 3}\n",
    );
    assert_eq!(
        world.warnings(),
        [
            "w.yaml:3: javascript_fil: not known, and so not used",
            "w.yaml:4: foo: not known, and so not used",
            "w.yaml:6: sandbox.http.timeuot: not known, and so not used [did you mean 'sandbox.http.timeout'?]",
        ]
    );
}

#[test]
fn middleware_that_logs_is_there() {
    let base = "transport_name: t\njavascript: x\n";
    let cases = [
        ("middleware: []", None),
        ("middleware: [{mw: vumi.middleware.LoggingMiddleware}]", Some("info")),
        ("middleware: [{mw: vumi.middleware.logging.LoggingMiddleware}]\nmw: {log_level: error}", Some("error")),
        (
            "middleware: [{mw: {class: vumi.middleware.LoggingMiddleware, consume_priority: 3}}]\nmw: {log_level: debug}",
            Some("debug"),
        ),
    ];
    for (text, level) in cases {
        let world = yaml(&format!("{base}{text}"));
        assert_eq!(world.app().log_messages.as_deref(), level, "{text}");
        assert_eq!(world.warnings(), [""; 0], "{text}");
    }
}

#[test]
fn paths_are_relative_to_where_the_worker_was_started() {
    let text = "transport_name: t\njavascript_file: here.js\n";
    let world = World::new().config("conf/w.yaml", text).file("here.js", "1").file("conf/here.js", "2");
    let source = |world: &World| match world.app().program {
        Program::JavaScript { source: Source::File(file), .. } => file,
        other => panic!("{other:?}"),
    };
    assert_eq!(source(&world), world.path("here.js"));
    // Where vxsandbox would fail, what is beside the file will do.
    let world = World::new().config("conf/w.yaml", text).file("conf/here.js", "2");
    assert_eq!(source(&world), world.path("conf/here.js"));
}

#[test]
fn node_is_where_it_was_said_and_runs_scripts_of_the_operator() {
    if !has_node() {
        assert!(std::env::var_os("BELLJAR_TEST_STRICT").is_none(), "there is no Node");
        eprintln!("skipped: there is no Node");
        return;
    }
    let engine = |text: &str| match yaml(&format!("transport_name: t\njavascript: x\n{text}")).app().program {
        Program::JavaScript { engine, .. } => engine,
        Program::Executable { .. } => panic!("JavaScript"),
    };
    // 39: the first of the known places.
    let node = belljar_worker::config::node::find();
    assert_eq!(engine(""), JavaScriptEngine::Auto { node: node.clone() });
    assert_eq!(engine("args: []"), JavaScriptEngine::Auto { node: node.clone() });
    assert_eq!(engine("engine: quickjs"), JavaScriptEngine::QuickJs);
    let executable = node.expect("there is one");
    assert_eq!(engine("engine: node"), JavaScriptEngine::Node { executable: executable.clone(), args: Vec::new() });
    let args = vec!["sandboxer.js".to_owned()];
    assert_eq!(engine("args: [sandboxer.js]"), JavaScriptEngine::Node { executable, args });
}

#[test]
fn modules_are_looked_for_above_the_app_and_where_it_was_said() {
    let world = World::new()
        .config("w.yaml", "transport_name: t\njavascript_file: apps/one/app.js\nnode_modules: [extra]\n")
        .file("apps/one/app.js", "1")
        .file("apps/one/node_modules/a/index.js", "")
        .file("node_modules/b/index.js", "")
        .file("extra/c/index.js", "");
    let directories = |world: &World| match world.app().program {
        Program::JavaScript { node_modules, .. } => node_modules,
        Program::Executable { .. } => panic!("JavaScript"),
    };
    let own: Vec<_> = directories(&world).into_iter().filter(|path| is_in(&world, path)).collect();
    assert_eq!(own, ["extra", "apps/one/node_modules", "node_modules"].map(|name| world.path(name)));
    // No path in a sandbox has `..`.
    let world =
        world.config("w.yaml", "transport_name: t\njavascript_file: apps/one/app.js\nnode_modules: [apps/../extra]\n");
    assert_eq!(directories(&world).first(), Some(&world.path("extra")));
    let path = world.path("extra");
    let text =
        format!("transport_name: t\njavascript: x\nenv: {{NODE_PATH: 'relative::{}:/nowhere'}}\n", path.display());
    let named = directories(&yaml(&text));
    assert!(named.contains(&path) && named.iter().all(|path| path.is_absolute() && path.is_dir()), "{named:?}");
}
