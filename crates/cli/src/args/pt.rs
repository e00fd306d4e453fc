//! The arguments of `belljar pt`, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::SandboxSources;
use super::values::{parse_duration, parse_setting, parse_size};

/// Look after a PT Sandbox: its status, settings, logs, tasks and queue
///
/// For who runs one. The sandbox is one of the configuration, of the vendor pt; most of this needs its `login` and `password`. To submit
/// samples, and for reports and artifacts: belljar submit, report, artifacts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar pt status
  belljar pt settings set siemNotifier.enabled=true siemNotifier.port=1468
  belljar pt logs --since 1h -O logs.zip
  belljar pt tasks --query 'age < 1d AND verdict = DANGEROUS' --limit 20")]
pub(crate) struct PtArgs {
    #[command(subcommand)]
    pub(crate) action: PtAction,
}

/// What is asked of it.
#[derive(Debug, Subcommand)]
pub(crate) enum PtAction {
    Status(PtStatusArgs),
    Version(PtVersionArgs),
    Settings(PtSettingsArgs),
    Logs(PtLogsArgs),
    Tasks(PtTasksArgs),
    Queue(PtQueueArgs),
    Images(PtImagesArgs),
    Rescan(PtRescanArgs),
    Download(PtDownloadArgs),
}

/// Which one, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct PtPlace {
    /// Its name in the configuration [default: the only one of the vendor pt]
    #[arg(long, value_name = "NAME")]
    pub(crate) sandbox: Option<String>,

    /// For all of it [default: 60s; 1h for logs, rescan and download]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Say what is wrong now, and how much is free
///
/// What the page "System" shows: events, the worst first; parts that are not ready; machines, and free places for virtual machines. Exits with 0 when
/// there is no event of level ERROR, else with 3.
#[derive(Debug, clap::Args)]
pub(crate) struct PtStatusArgs {
    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// Print its version, and until when that is supported
#[derive(Debug, clap::Args)]
pub(crate) struct PtVersionArgs {
    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// Print its settings, or change some
///
/// Passwords and keys that are among them are printed as the server gives them.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PtSettingsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<PtSettingsAction>,

    /// Only those below this path, such as storage.components
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// What is done with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum PtSettingsAction {
    Set(PtSetArgs),
}

/// Change settings; the others stay as they are
///
/// Values are JSON, or texts. Lists are replaced as a whole. Prints what was, and what is now.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar pt settings set quarantine.retentionPeriod=30 retro.enabled=true
  belljar pt settings set 'unpacker.passwords=[\"infected\", \"virus\"]'
  belljar pt settings set storage.components.incubator.currentLimit.bytes=1073741824 --dry-run")]
pub(crate) struct PtSetArgs {
    /// What is to be changed, such as siemNotifier.port=1468
    #[arg(value_name = "PATH=VALUE", value_parser = parse_setting, required = true)]
    pub(crate) changes: Vec<(String, String)>,

    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// Where a file goes.
#[derive(Debug, clap::Args)]
pub(crate) struct PtOutput {
    /// The file, or - for standard output
    #[arg(short = 'O', long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Write over it when it is there
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Give up when it is larger
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "16G")]
    pub(crate) max_size: u64,
}

/// Download its logs, as a ZIP archive
#[derive(Debug, clap::Args)]
pub(crate) struct PtLogsArgs {
    /// Only those of these parts, as NAMESPACE/NAME [default: all]
    #[arg(value_name = "PART")]
    pub(crate) parts: Vec<String>,

    /// Only what is not older [default: all]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) since: Option<Duration>,

    #[command(flatten)]
    pub(crate) output: PtOutput,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// List tasks, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct PtTasksArgs {
    /// Only those that this fits, in PT Sandbox's query language
    #[arg(long, value_name = "QUERY", default_value = "")]
    pub(crate) query: String,

    /// So many at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub(crate) limit: usize,

    /// Only those of the source with this id
    #[arg(long, value_name = "ID")]
    pub(crate) source: Option<String>,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// List what waits for a virtual machine, or has one
#[derive(Debug, clap::Args)]
pub(crate) struct PtQueueArgs {
    /// Another query than for what is not finished
    #[arg(long, value_name = "QUERY")]
    pub(crate) query: Option<String>,

    /// So many at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub(crate) limit: u64,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// List the images of virtual machines
#[derive(Debug, clap::Args)]
pub(crate) struct PtImagesArgs {
    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// Judge a finished scan again by the rules of now, without running anything
///
/// Fetches the events and the traffic of its run, and sends them back. Prints the id of the new scan, for belljar status and report.
#[derive(Debug, clap::Args)]
pub(crate) struct PtRescanArgs {
    /// The scan's id, or the address of its page
    #[arg(value_name = "SCAN")]
    pub(crate) scan: String,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}

/// Download a file of one's own scans by its hash
#[derive(Debug, clap::Args)]
pub(crate) struct PtDownloadArgs {
    /// Its SHA-256, SHA-1 or MD5
    #[arg(value_name = "HASH")]
    pub(crate) hash: String,

    #[command(flatten)]
    pub(crate) output: PtOutput,

    #[command(flatten)]
    pub(crate) place: PtPlace,
}
