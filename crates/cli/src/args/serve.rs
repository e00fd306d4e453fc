//! The arguments of `belljar serve`, as typed.

use std::path::PathBuf;

use super::values::parse_setting;

/// Serve executions over HTTP
///
/// Everything is embedded: a database file, a directory for saved environments, a pool of sandboxes. Each option sets the setting
/// of the same name, over the environment (BELLJAR_...) and the configuration file; `belljar config show` prints what results.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar serve --listen 127.0.0.1:7000 --data-dir ./data
  belljar serve --config /etc/belljar/belljar.toml")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) sources: Sources,
}

/// Where settings come from, besides the environment.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Sources {
    /// Address and port to listen on [default: 127.0.0.1:7000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,

    /// Directory that holds the database and the saved environments [default: /var/lib/belljar for root, else
    /// ~/.local/share/belljar]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// User to become when root starts the server [default: belljar if there is such a user, else 99700]
    #[arg(long, value_name = "NAME|NUMBER")]
    pub(crate) user: Option<String>,

    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "BELLJAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Listen to other machines although no API key is set
    #[arg(long)]
    pub(crate) allow_unauthenticated: bool,

    /// Form of the log on standard error: text or json
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,

    /// Any other setting, such as execute.pool_size=8; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) settings: Vec<(String, String)>,
}
