//! The arguments of `belljar submit` and of what asks about a submission, as typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use belljar_client::ArtifactKind;
use clap::ValueEnum;

use super::SandboxSources;
use super::values::{SecretPlace, parse_artifact, parse_duration, parse_secret_place, parse_setting, parse_size};
use crate::exit::ASK_EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  belljar submit sample.exe --to lab,vmray --wait
  belljar submit inbox/ https://example.org/x --to all --wait --json --resume inbox.journal
  belljar submit build.zip --to lab --wait --timeout 20min --fail-on suspicious";

/// Submit files and addresses to sandboxes of others, and hear what they say together
///
/// Each sandbox is asked first whether it knows the file by its hash, and gets it if not. With --wait their verdicts are awaited, and taken
/// together: the worst counts, unless its sandbox is not sure. A directory stands for all regular files below it; links are not followed. Equal
/// files are submitted once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = [EXAMPLES, ASK_EXIT_CODES].join("\n\n"))]
pub(crate) struct SubmitArgs {
    /// Files, directories, addresses with http:// or https://, or - for standard input
    #[arg(value_name = "SAMPLE", required = true)]
    pub(crate) samples: Vec<OsString>,

    /// Names of sandboxes, with commas between them, or all [default: the one that is configured, if there is only one]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) to: Vec<String>,

    /// Wait for the verdicts
    #[arg(short, long)]
    pub(crate) wait: bool,

    /// For each sample and sandbox, from submission to report
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30min")]
    pub(crate) timeout: Duration,

    /// End with 3 when a sample is this bad or worse; waits
    #[arg(long, value_name = "VERDICT")]
    pub(crate) fail_on: Option<Threshold>,

    /// Submit what a sandbox knows already, too, and what may have been submitted
    #[arg(long)]
    pub(crate) force: bool,

    /// Keep a journal in this file; where there is one, go on where it ends
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,

    /// Samples may leave this organisation: also for sandboxes in a vendor's cloud that the configuration does not allow them for
    #[arg(long)]
    pub(crate) public: bool,

    /// Print JSON: a line for each sample, when all sandboxes have answered or run out of time
    #[arg(long)]
    pub(crate) json: bool,

    /// Name of what comes on standard input, as sandboxes see it
    #[arg(long, value_name = "NAME", default_value = "sample", help_heading = "Samples")]
    pub(crate) name: String,

    /// Files of all directories, at most
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, help_heading = "Samples")]
    pub(crate) max_files: usize,

    /// Size of a file, at most; larger ones in directories are left out with a warning
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "1G", help_heading = "Samples")]
    pub(crate) max_size: u64,

    /// Samples of one sandbox at once
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = at_once, help_heading = "Samples")]
    pub(crate) at_once: usize,

    /// Time of the analysis itself, where the vendor has a word for it
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Analysis")]
    pub(crate) analysis_time: Option<Duration>,

    /// Machine, profile or environment, in the vendor's words
    #[arg(long, value_name = "NAME", help_heading = "Analysis")]
    pub(crate) environment: Option<String>,

    /// Where the password of an archive is: env:VARIABLE, file:PATH or stdin
    #[arg(long, value_name = "PLACE", value_parser = parse_secret_place, help_heading = "Analysis")]
    pub(crate) archive_password: Option<SecretPlace>,

    /// An option of the vendor's own; of one sandbox only as SANDBOX.KEY=VALUE; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE", value_parser = parse_setting, help_heading = "Analysis")]
    pub(crate) options: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

fn at_once(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=256).contains(count)).ok_or_else(|| "expected 1 to 256".to_owned())
}

/// From which verdict on a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Threshold {
    /// Nobody knows, or worse
    Unknown,
    /// Suspicious or malicious
    Suspicious,
    /// Malicious
    Malicious,
}

/// A submission that is asked about.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// The sandbox's name
    pub(crate) sandbox: String,

    /// What it calls the submission; or all that it calls it, as `submission` of submit --json has it
    pub(crate) id: String,
}

/// How long is waited for a submission.
#[derive(Debug, clap::Args)]
pub(crate) struct Waiting {
    /// Wait for the end of the analysis
    #[arg(short, long)]
    pub(crate) wait: bool,

    /// For all of it
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30min")]
    pub(crate) timeout: Duration,
}

/// Ask how far an analysis is
///
/// Prints queued, running, finished, or failed with the reason. Ends with 0 when it is finished, with 1 when it failed, with 5 when it is on
/// its way.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) waiting: Waiting,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Fetch the report of a finished analysis
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) waiting: Waiting,

    /// Print JSON of the same form for all vendors
    #[arg(long)]
    pub(crate) json: bool,

    /// Print the vendor's own report, as it came
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,

    /// Write it to this file instead; the file must not be there yet
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write over a file that is there
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Fetch the verdict of a finished analysis: clean, unknown, suspicious or malicious, and why
#[derive(Debug, clap::Args)]
pub(crate) struct VerdictArgs {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) waiting: Waiting,

    /// End with 3 when it is this bad or worse
    #[arg(long, value_name = "VERDICT")]
    pub(crate) fail_on: Option<Threshold>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Download what an analysis left: reports for printing, traffic, dropped files, pictures
///
/// Files are named after the sandbox, the submission and the kind; the server's names are not used. Without a kind, prints those that the
/// sandbox has. Some are malware: archives of vendors often have a password, which is told.
#[derive(Debug, clap::Args)]
pub(crate) struct ArtifactsArgs {
    #[command(flatten)]
    pub(crate) target: Target,

    /// pdf, html, xml, json, pcap, dropped, screenshots, memory, sample, all, other
    #[arg(value_name = "KIND", value_parser = parse_artifact)]
    pub(crate) kinds: Vec<ArtifactKind>,

    /// Which of several, in the vendor's words: a number, a type
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Directory to write into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,

    /// Write over files that are there
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Size of a file, at most
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "4G")]
    pub(crate) max_size: u64,

    /// For each file
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30min")]
    pub(crate) timeout: Duration,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Delete submissions, and what they left, at a sandbox
///
/// It cannot be undone. Not every vendor can.
#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The sandbox's name
    pub(crate) sandbox: String,

    /// What it calls the submissions
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,

    /// For each
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1min")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}
