//! belljar's own form: several apps, defaults, secrets.

use std::time::Duration;

use belljar_worker::config::{JavaScriptEngine, KvStore, Profile, Program, ResourceConfig, show};

use super::{World, toml};

const WHOLE: &str = r#"
[worker]
operations = "127.0.0.1:9464"
data_dir = "state"
system_id = "south"
drain_timeout = "5s"

[worker.broker]
host = "rabbit"
port = 5673
username = "belljar"
password = { file = "secrets/rabbit" }
vhost = "/apps"

[worker.defaults]
engine = "quickjs"
timeout = "20s"
memory = "1G"
profile = "strict"

[log]
format = "json"
filter = "debug"

[apps.ussd]
javascript_file = "app.js"
worker_name = "ussd"
engine = "auto"
profile = "belljar"
prefetch = 50
log_messages = "info"
send_to.sms = { transport_name = "sms_out" }

[apps.ussd.resources.kv]
store = "redis"
host = "redis"
password = { env = "REDIS_PASSWORD" }
key_prefix = "apps"
keys_per_user_hard = 1000

[apps.ussd.resources.notes]
type = "kv"

[apps.ussd.resources.http]
timeout = "3s"
data_limit = "1M"
allow_private = ["10.1.2.3:80", "192.168.0.0/16:443"]

[apps.ussd.resources.config.keys]
config = "app.js"

[apps.echo]
transport_name = "echo_sms"
executable = "sh"
args = ["-c", "exit 0"]
sandbox_id_from_message = true
env = { TOKEN = "t0ken" }
"#;

fn whole() -> World {
    toml(WHOLE).file("secrets/rabbit", "s3cret\n").variable("REDIS_PASSWORD", "pa55")
}

#[test]
fn a_file_has_everything() {
    let world = whole();
    let loaded = world.loaded();
    assert_eq!(loaded.warnings, []);
    let worker = loaded.worker;
    assert_eq!(worker.operations, Some("127.0.0.1:9464".parse().expect("an address")));
    assert_eq!((worker.data_dir.as_path(), worker.system_id.as_str()), (world.path("state").as_path(), "south"));
    assert_eq!(
        (worker.drain_timeout, worker.log_json, worker.log_filter.as_str()),
        (Duration::from_secs(5), true, "debug")
    );
    let broker = worker.broker;
    assert_eq!((broker.host.as_str(), broker.port, broker.vhost.as_str()), ("rabbit", 5673, "/apps"));
    assert_eq!((broker.username.as_str(), broker.password.reveal()), ("belljar", "s3cret"));

    let [echo, ussd] = worker.apps.as_slice() else { panic!("two apps") };
    assert_eq!(
        (echo.name.as_str(), echo.transport_name.as_str(), echo.sandbox_id.as_ref()),
        ("echo", "echo_sms", None)
    );
    assert_eq!((echo.profile, echo.timeout, echo.memory), (Profile::Strict, Duration::from_secs(20), 1 << 30));
    assert!(matches!(&echo.program, Program::Executable { args, .. } if args.len() == 2));
    assert_eq!(echo.resources.keys().collect::<Vec<_>>(), ["log", "outbound"]);
    assert_eq!(echo.logging_resource.as_deref(), Some("log"));

    assert_eq!((ussd.name.as_str(), ussd.transport_name.as_str()), ("ussd", "ussd"));
    assert_eq!((ussd.sandbox_id.as_deref(), ussd.worker_name.as_deref()), (Some("ussd"), Some("ussd")));
    assert_eq!((ussd.profile, ussd.prefetch, ussd.log_messages.as_deref()), (Profile::Belljar, 50, Some("info")));
    assert!(matches!(&ussd.program, Program::JavaScript { engine: JavaScriptEngine::Auto { .. }, .. }));
    let names: Vec<&str> = ussd.resources.keys().map(String::as_str).collect();
    assert_eq!(names, ["config", "http", "js", "kv", "log", "notes", "outbound"]);
    let ResourceConfig::Kv { store: KvStore::Redis { password, .. }, hard, soft } = &ussd.resources["kv"] else {
        panic!("Redis")
    };
    assert_eq!((password.as_ref().map(|secret| secret.reveal()), *hard, *soft), (Some("pa55"), 1000, 800));
    let ResourceConfig::Kv { store: KvStore::Embedded { file }, .. } = &ussd.resources["notes"] else {
        panic!("embedded")
    };
    assert_eq!(*file, world.path("state/kv/ussd.notes.db"));
    let ResourceConfig::Http { timeout, data_limit, allow_private } = &ussd.resources["http"] else { panic!("http") };
    assert_eq!((*timeout, *data_limit), (Duration::from_secs(3), 1 << 20));
    assert_eq!(allow_private, &["10.1.2.3:80", "192.168.0.0/16:443"]);
}

#[test]
fn the_least_is_enough() {
    let app = toml("[apps.hello]\njavascript_file = 'app.js'\n").app();
    assert_eq!((app.name.as_str(), app.transport_name.as_str()), ("hello", "hello"));
    assert_eq!(app.resources.keys().collect::<Vec<_>>(), ["js", "log", "outbound"]);
    assert_eq!((app.prefetch, app.timeout, app.prestart), (20, Duration::from_secs(60), 2));
}

#[test]
fn what_is_shown_has_everything_but_secrets() {
    let world = whole();
    let loaded = world.loaded();
    let here = world.directory.path().display().to_string();
    let text = show::as_text(&loaded);
    let json = show::as_json(&loaded);
    assert!(!text.contains("t0ken") && !json.to_string().contains("t0ken"), "the environment may hold secrets");
    assert_eq!(json["apps"][0]["env"], serde_json::json!(["TOKEN"]));
    for shown in [text.as_str(), &json.to_string(), &format!("{loaded:?}")] {
        for secret in ["s3cret", "pa55"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let expected = [
        "app echo\n",
        "  takes from   echo_sms.inbound, echo_sms.event: 20 at a time of each\n",
        "  dead letters echo_sms.dead\n",
        "  limits       20s a message, 1M of output, 1G of memory (64M of heap in QuickJS)\n",
        "  profile      strict: vxsandbox to the letter\n",
        "  has kv       kv, Redis redis:6379, database 0, keys begin with \"apps:\"; at most 1000 keys, warns at 800\n",
        "  has http     http, 3s, 1M, also 10.1.2.3:80, 192.168.0.0/16:443\n",
        "  has outbound outbound, endpoints default, sms\n",
        "  broker       rabbit:5673, user belljar, vhost /apps\n",
        "  operations   http://127.0.0.1:9464/metrics\n",
        "  apps.ussd.prefetch                         w.toml:30\n",
    ];
    for line in expected {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(
        text.contains(&format!("  has notes    kv, {here}/state/kv/ussd.notes.db; at most 100 keys, warns at 80\n")),
        "{text}"
    );
    assert!(!text.contains("  apps.ussd.resources "), "{text}");
    assert_eq!(json["apps"][1]["resources"]["kv"]["key_prefix"], "apps");
    assert_eq!(json["apps"][1]["program"]["javascript_file"], format!("{here}/app.js"));
    assert_eq!(json["origins"]["apps.ussd.prefetch"], "w.toml:30");
    assert_eq!(json["origins"]["worker.operations"], "w.toml:3");
}

#[test]
fn the_example_is_an_app() {
    let mut world = World::new();
    world.sources.example = Some(world.path("temporary"));
    let app = world.app();
    assert_eq!((app.name.as_str(), app.sandbox_id.as_deref()), ("guestbook", Some("guestbook")));
    assert!(
        matches!(&app.resources["kv"], ResourceConfig::Kv { store: KvStore::Embedded { file }, .. } if file.starts_with(world.path("temporary")))
    );
    // What is set for all apps is set for it, too.
    let mut world = world.variable("CONFIG_FILE", "");
    world.sources.flags = vec![("--engine", "worker.defaults.engine", "quickjs".to_owned())];
    let app = world.app();
    assert!(matches!(&app.program, Program::JavaScript { engine: JavaScriptEngine::QuickJs, .. }));
    // A configuration comes before it.
    let app = world.config("w.toml", "[apps.mine]\njavascript_file = 'app.js'").app();
    assert_eq!(app.name, "mine");
}
