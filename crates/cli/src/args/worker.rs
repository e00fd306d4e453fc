//! The arguments of `belljar worker`, as typed.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use belljar_worker::config::Secret;

use super::values::parse_setting;

const EXAMPLES: &str = "\
Examples:
  belljar worker --console
  echo hello | belljar worker --console --json
  belljar worker --config worker.yaml --worker-class vxsandbox.worker.StandaloneJsFileSandbox --hostname rabbitmq
  belljar worker --config worker.toml --check";

const VUMI: &str = "Options of Vumi's workers";

/// Let apps of others answer messages of chat, SMS and USSD services
///
/// Takes messages from RabbitMQ, gives each to its app in a sandbox, and sends what the app answers. Understands the files, options
/// and variables of vxsandbox, so that it can take the place of `twistd vumi_worker`, and a file of its own with several apps.
/// With --console there is no RabbitMQ: you talk to the app on the terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WorkerArgs {
    /// Configuration: YAML as vxsandbox has it, or TOML (by the name's ending)
    ///
    /// Without it: what BELLJAR_WORKER_CONFIG or CONFIG_FILE names.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Talk to the app on this terminal instead of RabbitMQ; without a configuration, to an example
    #[arg(long)]
    pub(crate) console: bool,

    /// The app to talk to, where there are several
    #[arg(long, value_name = "NAME", requires = "console")]
    pub(crate) app: Option<String>,

    /// Check the configuration, print what would run, and end
    #[arg(long)]
    pub(crate) check: bool,

    /// Count the keys that tenants have stored, put the counts right that quotas go by, print those that were wrong, and end
    ///
    /// vxsandbox lets them drift. May be done while workers run.
    #[arg(long, conflicts_with_all = ["console", "check"])]
    pub(crate) reconcile_keys: bool,

    /// With --check, --reconcile-keys or --console: print JSON; of a conversation, each message of the app on a line
    #[arg(long)]
    pub(crate) json: bool,

    /// What runs JavaScript, where the configuration does not say: auto, quickjs or node [default: auto]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) engine: Option<String>,

    /// Address and port of /metrics, /healthz and /readyz [default: none]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) operations: Option<String>,

    /// Directory of the embedded key-value store [default: /var/lib/belljar/worker for root, else
    /// ~/.local/share/belljar/worker]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Form of the log on standard error: text or json
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,

    /// Any other setting of the TOML form, such as worker.defaults.timeout=30s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) settings: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) vumi: VumiArgs,
}

/// What `twistd vumi_worker` takes.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = VUMI)]
pub(crate) struct VumiArgs {
    /// Class of the worker, such as vxsandbox.worker.StandaloneJsFileSandbox [default: what the keys of the YAML file suggest]
    #[arg(long, visible_alias = "worker_class", overrides_with = "worker_class", value_name = "CLASS")]
    pub(crate) worker_class: Option<String>,

    /// An option over those of the YAML file; may be repeated
    #[arg(long = "set-option", value_name = "KEY:VALUE")]
    pub(crate) options: Vec<String>,

    /// Host of RabbitMQ [default: 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub(crate) hostname: Option<String>,

    /// Port of RabbitMQ [default: 5672]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<String>,

    /// User of RabbitMQ [default: vumi]
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// Password of that user, for all to see who may list processes: better AMQP_PASSWORD or a file [default: vumi]
    #[arg(long, value_name = "PASSWORD", value_parser = secret)]
    pub(crate) password: Option<Secret>,

    /// Virtual host [default: /develop]
    #[arg(long, value_name = "PATH")]
    pub(crate) vhost: Option<String>,

    /// YAML file with hostname, port, username, password, vhost
    #[arg(long, value_name = "FILE")]
    pub(crate) vumi_config: Option<PathBuf>,

    /// Names a collection of workers in heartbeats [default: global]
    #[arg(long, value_name = "NAME")]
    pub(crate) system_id: Option<String>,

    /// Taken and not used: we know the protocol
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) specfile: Option<PathBuf>,

    /// Taken and not used: errors are in the log
    #[arg(long, value_name = "DSN", value_parser = secret, hide = true)]
    pub(crate) sentry: Option<Secret>,

    /// Taken and not used: threads are not needed
    #[arg(long, value_name = "NUMBER", hide = true)]
    pub(crate) maxthreads: Option<u32>,

    /// Taken: a worker is always in the foreground
    #[arg(short = 'n', long, hide = true)]
    pub(crate) nodaemon: bool,

    /// Taken and not used: no file of that kind is written
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) pidfile: Option<OsString>,

    /// Taken, as `twistd` wants it: vumi_worker
    #[arg(value_name = "COMMAND", value_parser = ["vumi_worker", "start_worker"], hide = true)]
    pub(crate) command: Option<String>,
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}
