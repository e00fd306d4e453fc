//! The arguments of the commands that ask sandboxes of others, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::Sources;
use super::values::{SecretPlace, parse_duration, parse_named_secret, parse_secret_place, parse_setting};

/// Where the sandboxes are described.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct SandboxSources {
    /// Configuration file (TOML) that has the sandboxes [default: ~/.config/belljar/belljar.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "BELLJAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// A setting of it, such as sandbox.lab.read_timeout=2min; may be repeated. No secrets: others see the command line
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) settings: Vec<(String, String)>,
}

impl From<&SandboxSources> for Sources {
    fn from(sources: &SandboxSources) -> Self {
        Self { config: sources.config.clone(), settings: sources.settings.clone(), ..Self::default() }
    }
}

/// List, add and test the sandboxes that are configured
///
/// A sandbox is a table of the configuration file: [sandbox.NAME] with its vendor, its address, and where its key is.
#[derive(Debug, clap::Args)]
pub(crate) struct SandboxesArgs {
    #[command(subcommand)]
    pub(crate) action: SandboxesAction,
}

/// What is asked about the sandboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxesAction {
    List(ListSandboxesArgs),
    Add(Box<AddSandboxArgs>),
    Test(TestSandboxesArgs),
}

/// List the sandboxes, and what each can do
#[derive(Debug, clap::Args)]
pub(crate) struct ListSandboxesArgs {
    /// List the vendors that there are instead, with their settings
    #[arg(long)]
    pub(crate) vendors: bool,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Add a sandbox to the configuration file
///
/// Writes a table at the end of the file, which is made, for you alone to read, when it is not there. Nothing is written when the
/// result would not be understood.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar sandboxes add lab cuckoo --address http://cuckoo.example.org:8090 --key env:CUCKOO_KEY
  pass show vmray | belljar sandboxes add vmray vmray --address https://vmray.example.org --key stdin
  belljar sandboxes add axe fireeye --address https://ax.example.org --secret password=file:~/ax.key -o user=scan")]
pub(crate) struct AddSandboxArgs {
    /// Its name
    pub(crate) name: String,

    /// Whose product it is: `belljar sandboxes list --vendors` shows them
    pub(crate) vendor: String,

    /// Where it is [default: the vendor's cloud, if it has one]
    #[arg(long, value_name = "URL")]
    pub(crate) address: Option<String>,

    /// Where its key is: env:VARIABLE, file:PATH, or stdin, from which it is read once and written to a file of its own
    #[arg(long, value_name = "PLACE", value_parser = parse_secret_place)]
    pub(crate) key: Option<SecretPlace>,

    /// Where another secret is, such as password=file:PATH; may be repeated
    #[arg(long = "secret", value_name = "NAME=PLACE", value_parser = parse_named_secret)]
    pub(crate) secrets: Vec<(String, SecretPlace)>,

    /// Another setting, such as per_minute=60; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) options: Vec<(String, String)>,

    /// Samples may be sent there although it is a cloud of the vendor's
    #[arg(long)]
    pub(crate) public: bool,

    /// Configuration file (TOML) to write to [default: ~/.config/belljar/belljar.toml]
    #[arg(long, value_name = "FILE", env = "BELLJAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// Ask whether the sandboxes are there and take the key
///
/// Sends nothing but the key. Exits with 0 when all that were asked are there, else with 1.
#[derive(Debug, clap::Args)]
pub(crate) struct TestSandboxesArgs {
    /// Their names [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// For an answer of all of them
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30s")]
    pub(crate) timeout: Duration,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}
