//! Variables and flags, over the file: the originals' and ours.

use std::time::Duration;

use belljar_worker::config::{Broker, SETTINGS, Secret, variable_of};

use super::{World, toml, yaml};

const YAML: &str = "transport_name: t\njavascript: x\n";

fn broker(world: &World) -> (String, u16, String, String, String) {
    let Broker { host, port, username, password, vhost } = world.loaded().worker.broker;
    (host, port, username, password.reveal().to_owned(), vhost)
}

fn expected(
    host: &str,
    port: u16,
    username: &str,
    password: &str,
    vhost: &str,
) -> (String, u16, String, String, String) {
    (host.to_owned(), port, username.to_owned(), password.to_owned(), vhost.to_owned())
}

#[test]
fn the_broker_is_found_as_vumi_finds_it() {
    assert_eq!(broker(&yaml(YAML)), expected("127.0.0.1", 5672, "vumi", "vumi", "/develop"));
    // The entry point of the images has other defaults than the worker.
    let image = yaml(YAML).variable("AMQP_HOST", "rabbit");
    assert_eq!(broker(&image), expected("rabbit", 5672, "guest", "guest", "/"));
    let image = image.variable("AMQP_PORT", "5673").variable("AMQP_PASSWORD", "123");
    assert_eq!(broker(&image), expected("rabbit", 5673, "guest", "123", "/"));
    // Ours come before theirs, and flags before all variables.
    let mut ours = image.variable("BELLJAR_WORKER_BROKER_PORT", "1").variable("BELLJAR_WORKER_BROKER_VHOST", "/mine");
    assert_eq!(broker(&ours), expected("rabbit", 1, "guest", "123", "/mine"));
    ours.sources.flags.push(("--vhost", "worker.broker.vhost", "/flag".to_owned()));
    ours.sources.password = Some(Secret::new("flag".to_owned()));
    assert_eq!(broker(&ours), expected("rabbit", 1, "guest", "flag", "/flag"));

    let lonely = yaml(YAML).variable("AMQP_PORT", "5673");
    assert_eq!(lonely.warnings(), ["environment variable AMQP_PORT: not used, because AMQP_HOST is not set"]);
    assert_eq!(broker(&lonely).1, 5672);
}

#[test]
fn a_file_of_core_options_says_where_the_broker_is() {
    let text = "hostname: core\nport: '99'\npassword: pw\nsystem-id: sys\nspecfile: x.xml\nsentry: null\nvhst: /a\n";
    let mut world = yaml(YAML).file("core.yaml", text);
    world.sources.vumi_config = Some("core.yaml".into());
    assert_eq!(broker(&world), expected("core", 99, "vumi", "pw", "/develop"));
    assert_eq!(world.loaded().worker.system_id, "sys");
    assert_eq!(world.warnings(), ["core.yaml:7: vhst: not known, and so not used [did you mean 'vhost'?]"]);
    let world = world.variable("AMQP_HOST", "image");
    assert_eq!(broker(&world).0, "image");
}

#[test]
fn a_container_of_vumi_needs_no_arguments() {
    let world = World::new()
        .file("conf/app.yaml", "transport_name: t\njavascript_file: app.js\nsandbox_id: me\ntimeout: 3\n")
        .variable("WORKER_CLASS", "vxsandbox.worker.StandaloneJsFileSandbox")
        .variable("CONFIG_FILE", "conf/app.yaml")
        .variable("TWISTD_COMMAND", "vumi_worker")
        .variable("SENTRY_DSN", "https://key:secret@sentry.example/1")
        .variable("VUMI_OPT_TIMEOUT", "7")
        .variable("VUMI_OPT_TRANSPORT_NAME", "0123")
        .variable("VUMI_OPT_SEND_TO", "{ sms = { transport_name = 'x' } }");
    let app = world.app();
    assert_eq!((app.transport_name.as_str(), app.timeout), ("0123", Duration::from_secs(7)));
    assert_eq!(app.send_to.keys().collect::<Vec<_>>(), ["sms"]);
    assert_eq!(
        world.warnings(),
        [
            "environment variable SENTRY_DSN: not used: nothing is sent to Sentry [errors are in the log (log.format=json) and \
             counted at /metrics]"
        ]
    );
    // Flags come before variables.
    let mut world = world.class("vxsandbox.worker.JsFileSandbox");
    world.sources.options = vec!["timeout:8".to_owned(), "worker_name:a:b".to_owned()];
    let app = world.app();
    assert_eq!((app.timeout, app.worker_name.as_deref(), app.sandbox_id), (Duration::from_secs(8), Some("a:b"), None));
}

#[test]
fn options_alone_are_a_configuration() {
    let mut world = World::new().class("vxsandbox.worker.Sandbox");
    world.sources.options = vec!["transport_name:t".to_owned(), "executable:sh".to_owned()];
    assert_eq!(world.app().transport_name, "t");
}

#[test]
fn the_first_variable_that_names_a_file_counts() {
    let world = World::new()
        .file("a.yaml", "transport_name: a\njavascript: x")
        .file("b.toml", "[apps.b]\njavascript = 'x'")
        .variable("CONFIG_FILE", "a.yaml");
    assert_eq!(world.app().transport_name, "a");
    let mut world = world.variable("BELLJAR_WORKER_CONFIG", "b.toml");
    assert_eq!(world.app().transport_name, "b");
    world.sources.config = Some("a.yaml".into());
    assert_eq!(world.app().transport_name, "a");
}

#[test]
fn variables_of_ours_set_what_the_file_could_set() {
    let text = "[worker.defaults]\nengine = 'node'\n[apps.a]\njavascript = 'x'\n[log]\nfilter = 'warn'";
    let world = toml(text)
        .variable("BELLJAR_WORKER_OPERATIONS", "[::1]:80")
        .variable("BELLJAR_WORKER_DEFAULTS_ENGINE", "quickjs")
        .variable("BELLJAR_WORKER_DEFAULTS_TIMEOUT", "5")
        .variable("BELLJAR_LOG", "error")
        .variable("BELLJAR_WORKER_DATA_DIR", "there")
        // Of Kubernetes, for a service called `belljar-worker`; and of `belljar serve`.
        .variable("BELLJAR_WORKER_PORT", "tcp://10.0.0.1:80")
        .variable("BELLJAR_WORKER_SERVICE_HOST", "10.0.0.1")
        .variable("BELLJAR_EXECUTE_POOL_SIZE", "3");
    let worker = world.loaded().worker;
    assert_eq!(worker.operations.map(|address| address.to_string()).as_deref(), Some("[::1]:80"));
    assert_eq!((worker.log_filter.as_str(), worker.data_dir), ("error", world.path("there")));
    assert_eq!(worker.apps[0].timeout, Duration::from_secs(5));
    let mut world = world;
    world.sources.settings =
        vec![("apps.a.timeout".to_owned(), "6".to_owned()), ("log.filter".to_owned(), "off".to_owned())];
    let worker = world.loaded().worker;
    assert_eq!((worker.apps[0].timeout, worker.log_filter.as_str()), (Duration::from_secs(6), "off"));
}

#[test]
fn defaults_are_for_apps_of_yaml_too() {
    let world = yaml(&format!("{YAML}timeout: 4"))
        .variable("BELLJAR_WORKER_DEFAULTS_TIMEOUT", "9")
        .variable("BELLJAR_WORKER_DEFAULTS_MEMORY", "1M");
    let app = world.app();
    assert_eq!((app.timeout, app.memory), (Duration::from_secs(4), 1 << 20));
}

#[test]
fn every_setting_has_a_variable_and_is_known() {
    for key in SETTINGS {
        let world = toml("[apps.a]\njavascript = 'x'").variable(&variable_of(key), "\u{1}");
        if let Err(problems) = world.load() {
            for problem in problems.errors {
                assert!(!problem.text.contains("no such setting"), "{problem}");
                assert!(problem.to_string().contains(&variable_of(key)), "{problem}");
            }
        }
    }
}
