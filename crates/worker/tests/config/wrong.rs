//! What is wrong is said at the start, all of it, with the place and what would be right.

use proptest::prelude::*;

use super::{World, toml, yaml};

/// Of YAML: what is written after a valid beginning, and all that is wrong with it.
const YAML: [(&str, &[&str]); 32] = [
    ("timeout: 1.5", &["w.yaml:3: timeout: found the number 1.5, expected a whole number from 1 to 86400"]),
    (
        "timeout: soon",
        &["w.yaml:3: timeout: found \"soon\", expected seconds, or a time such as \"500ms\" or \"2m\", up to a day"],
    ),
    ("timeout: yes", &["w.yaml:3: timeout: found the truth value true, expected a whole number from 1 to 86400"]),
    ("timeout: 0", &["w.yaml:3: timeout: found the number 0, expected a whole number from 1 to 86400"]),
    ("recv_limit: [1]", &["w.yaml:3: recv_limit: found a list, expected a whole number, 1 or above"]),
    ("recv_limit: -1", &["w.yaml:3: recv_limit: found the number -1, expected a whole number, 1 or above"]),
    (
        "amqp_prefetch_count: 0",
        &["w.yaml:3: amqp_prefetch_count: found the number 0, expected a whole number from 1 to 65535"],
    ),
    ("worker_name: 12", &["w.yaml:3: worker_name: found the number 12, expected text [put it in quotes]"]),
    ("path: nowhere", &["w.yaml:3: path: there is no directory nowhere"]),
    ("show: [app.js, nowhere]", &["w.yaml:3: show.1: there is no nowhere"]),
    ("env: [A]", &["w.yaml:3: env: found a list, expected a table"]),
    ("env: {A: [1]}", &["w.yaml:3: env.A: found a list, expected text"]),
    ("env: {'A=B': x}", &["w.yaml:3: env.A=B: no environment has such a variable"]),
    ("engine: v8", &["w.yaml:3: engine: found \"v8\", expected one of \"auto\", \"quickjs\", \"node\""]),
    (
        "engine: quickj",
        &[
            "w.yaml:3: engine: found \"quickj\", expected one of \"auto\", \"quickjs\", \"node\" [did you mean \"quickjs\"?]",
        ],
    ),
    ("rlimits: {RLIMIT_CPU: 5}", &["w.yaml:3: rlimits.RLIMIT_CPU: found the number 5, expected [SOFT, HARD]"]),
    ("rlimits: {RLIMIT_CPU: [5]}", &["w.yaml:3: rlimits.RLIMIT_CPU: found a list of 1, expected [SOFT, HARD]"]),
    ("rlimits: {RLIMIT_CPU: [5, 4]}", &["w.yaml:3: rlimits.RLIMIT_CPU: the soft limit 5 is above the hard limit 4"]),
    ("rlimits: {RLIMIT_CPU: [-1, 4]}", &["w.yaml:3: rlimits.RLIMIT_CPU: the soft limit -1 is above the hard limit 4"]),
    (
        "rlimits: {RLIMIT_CPU: [x, 4]}",
        &["w.yaml:3: rlimits.RLIMIT_CPU: found the text \"x\", expected a whole number, -1 or above"],
    ),
    (
        "rlimits: {RLIMIT_CPUS: [1, 4]}",
        &["w.yaml:3: rlimits.RLIMIT_CPUS: there is no such limit [did you mean RLIMIT_CPU?]"],
    ),
    ("send_to: {sms: t}", &["w.yaml:3: send_to.sms: found the text \"t\", expected a table of fields"]),
    (
        "sandbox: {a.b: {cls: vxsandbox.LoggingResource}}",
        &["w.yaml:3: sandbox.a.b: the name of a resource is not empty and has no dot"],
    ),
    (
        "sandbox: {kv: {}}",
        &["w.yaml:3: sandbox.kv.cls: missing [the class, such as vxsandbox.resources.kv.RedisResource]"],
    ),
    ("sandbox: {kv: vxsandbox.RedisResource}", &["w.yaml:3: sandbox.kv: found text, expected a table"]),
    (
        "sandbox: {kv: {cls: vxsandbox.RedisResource, redis_manager: 'redis://:pw@host', keys_per_user: -3}}",
        &[
            "w.yaml:3: sandbox.kv.keys_per_user: found the number -3, expected a whole number, 0 or above",
            "w.yaml:3: sandbox.kv.redis_manager: found text, expected a table",
        ],
    ),
    (
        "sandbox: {kv: {cls: vxsandbox.RedisResource, redis_manager: {port: 0, charset: latin1}}}",
        &[
            "w.yaml:3: sandbox.kv.redis_manager.port: found the number 0, expected a whole number from 1 to 65535",
            "w.yaml:3: sandbox.kv.redis_manager.charset: found \"latin1\", expected \"utf8\", the only one there is",
        ],
    ),
    (
        "sandbox: {m: {cls: vxsandbox.MetricsResource}}",
        &["w.yaml:3: sandbox.m.metrics_prefix: missing [the first part of the names of this app's metrics]"],
    ),
    (
        "sandbox: {c: {cls: vxsandbox.resources.config.FileConfigResource}}",
        &["w.yaml:3: sandbox.c.keys: missing [a table: each key with the file that has its value]"],
    ),
    (
        "sandbox: {c: {cls: vxsandbox.resources.config.FileConfigResource, keys: {a: none.json, b: latin}}}",
        &[
            "w.yaml:3: sandbox.c.keys.a: cannot read none.json: No such file or directory (os error 2)",
            "w.yaml:3: sandbox.c.keys.b: cannot read latin: not UTF-8 text",
        ],
    ),
    (
        "middleware: [{mw: acme.Mangler}]\nmw: {x: 1}",
        &[
            "w.yaml:3: middleware.0.mw: there is no middleware acme.Mangler [only vumi.middleware.logging.LoggingMiddleware is \
             there; without this one the app would see other messages]",
        ],
    ),
    ("middleware: [mw]", &["w.yaml:3: middleware.0: found the text \"mw\", expected NAME: CLASS"]),
];

#[test]
fn of_vxsandbox_s_form() {
    for (text, expected) in YAML {
        let world = yaml(&format!("transport_name: t\njavascript: x\n{text}")).file("latin", b"\xe9");
        assert_eq!(world.errors(), expected, "{text}");
    }
}

#[test]
fn whole_files_of_vxsandbox_s_form() {
    let standalone = "vxsandbox.worker.StandaloneJsFileSandbox";
    let queues = "[names of queues are lower case, here and in the transport's own configuration]";
    let cases: [(&str, &str, Vec<String>); 9] = [
        (
            "javascript_fle: app.js\n",
            standalone,
            vec![
                "w.yaml: transport_name: missing [the prefix of the app's queues]".to_owned(),
                "w.yaml: javascript_file: missing [the file with the app, for the class JsFileSandbox]".to_owned(),
                "w.yaml: sandbox_id: missing [the tenant, in whose name the app keeps its data]".to_owned(),
            ],
        ),
        (
            "transport_name: Jsbox\njavascript_file: app.js\nsandbox_id: null\n",
            standalone,
            vec![
                format!("w.yaml:1: transport_name: \"Jsbox\" has capitals, with which Vumi does not publish, expected \"jsbox\" {queues}"),
                "w.yaml:3: sandbox_id: missing [the tenant, in whose name the app keeps its data]".to_owned(),
            ],
        ),
        ("transport_name: ''\nexecutable: sh\n", "vxsandbox.Sandbox", vec!["w.yaml:1: transport_name: 0 bytes, expected 1 to 240".to_owned()]),
        (
            "transport_name: t\nexecutable: /no/such\n",
            "vxsandbox.Sandbox",
            vec!["w.yaml:2: executable: there is no program /no/such".to_owned()],
        ),
        (
            "transport_name: t\njavascript_file: none.js\n",
            "vxsandbox.JsFileSandbox",
            vec!["w.yaml:2: javascript_file: cannot read the app none.js: No such file or directory (os error 2)".to_owned()],
        ),
        (
            "transport_name: t\njavascript: x\nengine: node\nexecutable: /no/such\n",
            "vxsandbox.JsSandbox",
            vec!["w.yaml:4: executable: there is no program /no/such".to_owned()],
        ),
        (
            "transport_name: t\n",
            "vxsandbox.Sandbocs",
            vec![
                "flag --worker-class: vxsandbox.Sandbocs is no class of vxsandbox, and classes of others cannot be loaded: there is \
                 no Python here [did you mean vxsandbox.worker.Sandbox?]"
                    .to_owned(),
            ],
        ),
        ("- a\n", standalone, vec!["w.yaml: found a list, expected a table".to_owned()]),
        ("a: [\n", standalone, vec![]),
    ];
    for (text, class, expected) in cases {
        let errors = yaml(text).class(class).errors();
        if expected.is_empty() {
            assert!(
                errors.len() == 1 && errors[0].starts_with("w.yaml:") && errors[0].contains("not YAML"),
                "{errors:?}"
            );
            continue;
        }
        // Where Node is depends on the machine.
        let errors: Vec<String> =
            errors.into_iter().map(|error| error.split(" [Node is").next().unwrap_or_default().to_owned()).collect();
        assert_eq!(errors, expected, "{text}");
    }
}

#[test]
fn what_could_be_meant_so_is_only_pointed_out() {
    let world = yaml(
        "transport_name: t\njavascript: x\nlogging_resource: lgo\nengine: quickjs\nrlimits: {RLIMIT_AS: [1, 1]}\n\
         sandbox: {kv: {cls: vxsandbox.RedisResource, keys_per_user_soft: 100}}\n",
    );
    assert_eq!(
        world.warnings(),
        [
            "w.yaml:3: logging_resource: there is no resource 'lgo': what is said about the app goes to the worker's log",
            "w.yaml:6: sandbox.kv.keys_per_user_soft: 100 is not below keys_per_user_hard, which is 100: nobody would be warned",
        ]
    );
    assert_eq!(world.app().logging_resource, None);
    if super::has_node() {
        let world =
            yaml("transport_name: t\njavascript: x\nrlimits: {RLIMIT_AS: [268435456, -1], RLIMIT_NOFILE: [-1, -1]}\n");
        assert_eq!(
            world.warnings(),
            [
                "w.yaml:3: rlimits.RLIMIT_AS: 268435456 may be too little for Node: version 20 starts with 824180736 [QuickJS needs \
                 less; [-1, -1] leaves it to the sandbox]"
            ]
        );
    }
}

#[test]
fn of_our_own_form() {
    let app = "[apps.a]\njavascript = 'x'\n";
    let cases: [(&str, &[&str]); 21] = [
        ("", &["w.toml: apps: no app [an app is a table such as [apps.hello]]"]),
        ("a = ", &["w.toml:1: string values must be quoted, expected literal string"]),
        (
            "[worker]\noperations = '9464'\n",
            &["w.toml:2: worker.operations: found \"9464\", expected an address and a port such as \"127.0.0.1:9464\""],
        ),
        (
            "[worker]\noperation = 'x'\n",
            &["w.toml:2: worker.operation: there is no such setting [did you mean 'worker.operations'?]"],
        ),
        (
            "[worker.broker]\nport = '5672'\n",
            &["w.toml:2: worker.broker.port: found the text \"5672\", expected a whole number from 1 to 65535"],
        ),
        (
            "[worker.broker]\npassword = ['secret']\n",
            &[
                "w.toml:2: worker.broker.password: found a list, expected text, { env = \"NAME\" } or { file = \"PATH\" }",
            ],
        ),
        (
            "[worker.broker]\npassword = { env = 'NONE' }\n",
            &["w.toml:2: worker.broker.password: the environment variable NONE is not set"],
        ),
        (
            "[worker.broker]\npassword = { file = 'none' }\n",
            &["w.toml:2: worker.broker.password: cannot read none: No such file or directory (os error 2)"],
        ),
        (
            "[worker.broker]\npassword = { file = 'a', env = 'A' }\n",
            &["w.toml:2: worker.broker.password: one of `env` and `file` is needed"],
        ),
        (
            "[worker.defaults]\nprefetch = 3\n",
            &[
                "w.toml:2: worker.defaults.prefetch: there is no such setting [the settings there are: engine, node_modules, prestart, \
               memory, quickjs_memory, profile, timeout, recv_limit, messages_per_process, dead_letter_queue]",
            ],
        ),
        (
            "[log]\nformat = 'jsno'\n",
            &["w.toml:2: log.format: found \"jsno\", expected one of \"text\", \"json\" [did you mean \"json\"?]"],
        ),
        ("[app.b]\nx = 1\n", &["w.toml:1: app: there is no such setting [did you mean 'apps'?]"]),
        ("[apps.b]\n", &["w.toml:1: apps.b: no app: one of javascript_file, javascript and executable is needed"]),
        (
            "[apps.b]\njavascript = 'x'\nexecutable = 'sh'\nargs = []\n",
            &["w.toml:1: apps.b: javascript and executable together: an app is one of them"],
        ),
        (
            "[apps.B]\njavascript = 'x'\n",
            &["w.toml:1: apps.B.transport_name: \"B\" has capitals, with which Vumi does not publish, expected \"b\""],
        ),
        (
            "[apps.'a b']\njavascript = 'x'\n",
            &[
                "w.toml:1: apps.a b: an app's name is 1 to 64 letters, digits, '_', '-' and '.', and does not begin with '.'",
            ],
        ),
        (
            "[apps.b]\ntransport_name = 'a'\njavascript = 'x'\n",
            &["w.toml:1: apps.b: the app 'a' has the same transport_name: each would get half of the messages"],
        ),
        (
            "[apps.b]\njavascript = 'x'\nsandbox_id = 'a#b'\nresources.kv = {}\n",
            &[
                "w.toml:3: apps.b.sandbox_id: with # in it its keys could be another tenant's [another one, or `profile = \"strict\"` \
               if its keys are there already]",
            ],
        ),
        (
            "[apps.b]\njavascript = 'x'\ntimeout = '1 moon'\n",
            &[
                "w.toml:3: apps.b.timeout: found \"1 moon\", expected seconds, or a time such as \"500ms\" or \"2m\", up to a day",
            ],
        ),
        (
            "[apps.b]\njavascript = 'x'\nsandbox_id = 'a'\nsandbox_id_from_message = true\n",
            &["w.toml:4: apps.b.sandbox_id_from_message: sandbox_id is set as well: one or the other"],
        ),
        (
            "[apps.b]\njavascript = 'x'\n[apps.b.resources.db]\n[apps.b.resources.kv]\nkeys_per_user_soft = 100\nhost = 'x'\n\
             [apps.b.resources.http]\nallow_private = ['a b']\n",
            &[],
        ),
    ];
    for (text, expected) in cases {
        // An app that is right, unless there shall be none, comes last, so that lines are those of the text.
        let text = if text.is_empty() { String::new() } else { format!("{text}{app}") };
        let errors = toml(&text).errors();
        let without_hint = |error: &String| {
            error.replace(" [names of queues are lower case, here and in the transport's own configuration]", "")
        };
        let errors: Vec<String> = errors.iter().map(without_hint).collect();
        if expected.is_empty() {
            assert_eq!(errors.len(), 4, "{errors:#?}");
            assert_eq!(
                errors[0],
                "w.toml:3: apps.b.resources.db.type: missing [one of js, kv, http, log, outbound, metrics, config]"
            );
            assert_eq!(
                errors[1],
                "w.toml:5: apps.b.resources.kv.keys_per_user_soft: 100 is not below keys_per_user_hard, which is 100: nobody would be \
                 warned [80 % would be 80]"
            );
            assert!(
                errors[2].starts_with("w.toml:6: apps.b.resources.kv.host: there is no such setting"),
                "{errors:#?}"
            );
            assert!(errors[3].starts_with("w.toml:8: apps.b.resources.http.allow_private.0: \"a b\": "), "{errors:#?}");
        } else {
            assert_eq!(errors, expected, "{text}");
        }
    }
}

#[test]
fn of_variables_and_flags() {
    let text = "transport_name: t\njavascript: x\n";
    let world = yaml(text).variable("BELLJAR_WORKER_BROKER_PROT", "1");
    assert_eq!(
        world.errors(),
        [
            "environment variable BELLJAR_WORKER_BROKER_PROT: there is no such setting [did you mean BELLJAR_WORKER_BROKER_PORT?]"
        ]
    );
    let world = yaml(text).variable("TWISTD_COMMAND", "web");
    assert_eq!(
        world.errors(),
        ["environment variable TWISTD_COMMAND: \"web\" is no worker: belljar takes the place of vumi_worker only"]
    );
    let world = yaml(text)
        .variable("AMQP_HOST", "h")
        .variable("AMQP_PORT", "tcp://10.0.0.1:5672")
        .variable("VUMI_OPT_TIMEOUT", "x");
    assert_eq!(
        world.errors(),
        [
            "environment variable AMQP_PORT: worker.broker.port: found the text \"tcp://10.0.0.1:5672\", expected a whole number \
             from 1 to 65535",
            "environment variable VUMI_OPT_TIMEOUT: timeout: found \"x\", expected seconds, or a time such as \"500ms\" or \"2m\", up \
             to a day",
        ]
    );
    let mut world = yaml(text);
    world.sources.options = vec!["timeout".to_owned()];
    world.sources.settings =
        vec![("worker.oprations".to_owned(), "x".to_owned()), ("apps.t.timeout".to_owned(), "1".to_owned())];
    assert_eq!(
        world.errors(),
        [
            "flag --set apps.t.timeout: apps: only TOML has apps [--set-option KEY:VALUE sets an option of the one app in a YAML file]",
            "flag --set worker.oprations: worker.oprations: there is no such setting [did you mean 'worker.operations'?]",
            "flag --set-option: expected KEY:VALUE",
        ]
    );
    let world = toml("[apps.a]\njavascript = 'x'").variable("VUMI_OPT_TIMEOUT", "3").variable("WORKER_CLASS", "x");
    assert_eq!(
        world.errors(),
        [
            "environment variable VUMI_OPT_TIMEOUT: options of this kind are for an app in a YAML file [--set apps.NAME.timeout=VALUE \
             sets an option of an app]"
        ]
    );
    assert_eq!(
        World::new().errors(),
        ["there is no configuration [name one with --config FILE, or try `belljar worker --console`]"]
    );
    let mut world = World::new();
    world.sources.config = Some("none.yaml".into());
    assert_eq!(world.errors(), ["none.yaml: cannot read the configuration: No such file or directory (os error 2)"]);
}

/// Keys and values that mean something, in any order, and others.
fn pieces() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "transport_name",
        "javascript",
        "executable",
        "args",
        "rlimits",
        "sandbox",
        "cls",
        "keys",
        "redis_manager",
        "middleware",
        "env",
        "send_to",
        "timeout",
        "apps",
        "worker",
        "broker",
        "resources",
        "kv",
        "password",
        "RLIMIT_CPU",
        "engine",
        "<<",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "-1",
        "x",
        "''",
        "[]",
        "{}",
        "[1, 2]",
        "~",
        "yes",
        "1.5",
        "99999999999999999999",
        "vxsandbox.RedisResource",
        "{cls: vxsandbox.RedisResource}",
        "[{a: b}]",
        "{RLIMIT_CPU: [1, 2]}",
        "&a [*a]",
        "'\\u0000'",
    ]);
    let line =
        (0_usize..3, key, value).prop_map(|(depth, key, value)| format!("{}{key}: {value}\n", "  ".repeat(depth)));
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_configuration_panics(text in pieces()) {
        let _ = yaml(&text).load();
        let _ = toml(&text.replace(": ", " = ")).load();
    }

    #[test]
    fn no_option_panics(key in "[a-z_.]{0,12}", value in "\\PC{0,12}") {
        let mut world = yaml("transport_name: t\njavascript: x\n");
        world.sources.options = vec![format!("{key}:{value}")];
        world.sources.settings = vec![(format!("worker.{key}"), value)];
        let _ = world.load();
    }
}
