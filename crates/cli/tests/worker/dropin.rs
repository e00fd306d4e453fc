//! In the place of a container of vxsandbox: its file, its variables, its app, and no argument.

use std::fs;

use crate::common::rabbitmq::{USER, VHOST};
use crate::common::redis::Redis;
use crate::keys;
use crate::process::{Transport, Worker};
use crate::{Bench, Test, Tested};

pub(crate) const TESTS: &[Test] = &[("dropin::a_container_of_vxsandbox_goes_on", container)];

/// As apps without a toolkit were written for vxsandbox.
const APP: &str = r#"
api.on_inbound_message = function(command) {
    var msg = command.msg;
    this.request('config.get', {key: 'greeting'}, function(config) {
        this.request('kv.incr', {key: 'visits'}, function(visits) {
            this.request('kv.set', {key: 'users.' + msg.from_addr, value: {said: msg.content, 'é': [1, null]}}, function(reply) {
                this.request('outbound.reply_to', {
                    content: JSON.parse(config.value).text + ' ' + path.basename('/a/b') + ' ' + visits.value,
                    in_reply_to: msg.message_id,
                    continue_session: false
                }, function() { this.done(); });
            });
        });
    });
};
"#;

fn container(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let redis = Redis::start()?;
    let mut transport = Transport::connect(&broker, "dropin");
    let place = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).expect("written");
    write("go-app.js", APP);
    write("greeting.json", r#"{"text": "Hello"}"#);
    let yaml = format!(
        r#"
worker_name: dropin_application
transport_name: overlaid
javascript_file: go-app.js
sandbox_id: sandbox1
executable: /usr/bin/node
amqp_prefetch_count: 1
app_context: "{{path: require('path')}}"
rlimits: {{RLIMIT_DATA: [67108864, 67108864], RLIMIT_AS: [1073741824, 1073741824]}}
sandbox:
  config: {{cls: vxsandbox.resources.config.FileConfigResource, keys: {{greeting: greeting.json}}}}
  kv: {{cls: vxsandbox.resources.kv.RedisResource, keys_per_user: 550000, redis_manager: {{key_prefix: vumi.jsbox.kv, host: 127.0.0.1, port: {}}}}}
  outbound: {{cls: vxsandbox.resources.outbound.OutboundResource}}
middleware: [{{logging_mw: vumi.middleware.logging.LoggingMiddleware}}]
logging_mw: {{log_level: debug}}
"#,
        redis.port()
    );
    write("app.yaml", &yaml);
    let port = broker.port().to_string();
    let mut worker = Worker::begin(place, |command| {
        command.envs([
            ("WORKER_CLASS", "vxsandbox.worker.StandaloneJsFileSandbox"),
            ("CONFIG_FILE", "app.yaml"),
            ("TWISTD_COMMAND", "vumi_worker"),
            ("AMQP_HOST", "127.0.0.1"),
            ("AMQP_PORT", &port),
            ("AMQP_USERNAME", USER),
            ("AMQP_PASSWORD", USER),
            ("AMQP_VHOST", VHOST),
            ("VUMI_OPT_TRANSPORT_NAME", "dropin"),
            ("BELLJAR_WORKER_OPERATIONS", "127.0.0.1:0"),
            ("BELLJAR_LOG_FORMAT", "json"),
        ]);
    });
    let id = transport.say("+271", "hi");
    let reply = transport.hear();
    assert_eq!(reply["content"], "Hello b 1");
    assert_eq!((&reply["in_reply_to"], &reply["session_event"]), (&id.into(), &"close".into()));
    assert_eq!((&reply["to_addr"], &reply["transport_name"]), (&"+271".into(), &"dropin".into()));
    // Byte for byte what vxsandbox stores.
    let stored =
        keys::say(&redis, &["GET vumi.jsbox.kv:sandboxes#sandbox1#users.+271", "GET vumi.jsbox.kv:count#sandbox1"]);
    let value = r#"{"said": "hi", "\u00e9": [1, null]}"#;
    assert_eq!(stored, format!("${}\r\n{value}\r\n$1\r\n2\r\n", value.len()));
    worker.signal(rustix::process::Signal::TERM);
    assert_eq!(worker.ends(), Some(0));
    Ok(())
}
