//! The arguments of `belljar run`, as typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use belljar_egress::Entry;
use belljar_image::RootfsChoice;
use belljar_sandbox::{Layer, Strictness, User};

use crate::exit::EXIT_CODES;

use super::values::{
    Directory, InputSource, NetworkChoice, PresetChoice, Variable, directory, input, parse_duration, parse_layer,
    parse_size, parse_size_or_zero, parse_user, rootfs, variable,
};

const EXAMPLES: &str = "\
Examples:
  belljar run -- python3 -c 'print(6*7)'
  belljar run --dir . -- python3 x.py
  belljar run --rootfs image:debian -- python3 -V
  belljar run --dir .:cow --wall-time 1m --memory 2G -- make test
  belljar run --allow pypi.org:443 --allow files.pythonhosted.org:443 -- pip download requests
  echo hello | belljar run --json -- tr a-z A-Z";

const LIMITS: &str = "Limits";
const VIEW: &str = "What the command sees";
const STREAMS: &str = "Input and output";

/// Run one command in a new sandbox
///
/// Nothing of your files, your environment and the network is there inside unless an option shows it: the command gets a read-only
/// view of the host's programs, an empty home directory, and limits on everything. The sandbox and all that was written in it are
/// gone when the command ends.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct RunArgs {
    /// The program and its arguments
    ///
    /// A name without a slash is looked up in the PATH inside the sandbox. An image may have an entry point, which comes before them,
    /// and a command for when there are none.
    #[arg(value_name = "PROGRAM", required_unless_present = "rootfs", trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,

    /// Time that may pass, such as 500ms, 1s, 2m [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub(crate) wall_time: Option<Duration>,

    /// CPU time of all its processes together [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub(crate) cpu_time: Option<Duration>,

    /// Memory of all its processes together, such as 64M or 2G [default: 512M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LIMITS)]
    pub(crate) memory: Option<u64>,

    /// Swap on top of the memory [default: 0]
    #[arg(long, value_name = "SIZE", value_parser = parse_size_or_zero, help_heading = LIMITS)]
    pub(crate) swap: Option<u64>,

    /// Processes and threads at the same time [default: 64]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), help_heading = LIMITS)]
    pub(crate) processes: Option<u32>,

    /// Standard output and standard error together [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LIMITS)]
    pub(crate) output: Option<u64>,

    /// All files that it writes inside the sandbox together [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LIMITS)]
    pub(crate) disk: Option<u64>,

    /// Number of files that it writes inside the sandbox [default: 65536]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), help_heading = LIMITS)]
    pub(crate) inodes: Option<u64>,

    /// One file that it writes [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = LIMITS)]
    pub(crate) file_size: Option<u64>,

    /// Open files of one process [default: 1024]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(3..), help_heading = LIMITS)]
    pub(crate) open_files: Option<u32>,

    /// Show a directory or a file of yours, at the same path; may be repeated
    ///
    /// `ro`, the default: it can only be read. `cow`: what is written goes into a copy that is discarded at the end. `rw`: your files
    /// are changed. The command starts in your current directory when a directory shown contains it, else in the first one shown.
    #[arg(long = "dir", value_name = "PATH[:ro|:cow|:rw]", value_parser = directory(), help_heading = VIEW)]
    pub(crate) directories: Vec<Directory>,

    /// The directory inside that the command starts in
    #[arg(long, value_name = "PATH", help_heading = VIEW)]
    pub(crate) workdir: Option<PathBuf>,

    /// Set an environment variable, or copy yours when only its name is given; may be repeated
    #[arg(short, long = "env", value_name = "NAME[=VALUE]", value_parser = variable(), help_heading = VIEW)]
    pub(crate) environment: Vec<Variable>,

    /// The network: none of it, what --allow names, or all of the host's [default: none, or allow with --allow]
    #[arg(long = "net", value_name = "NETWORK", value_enum, help_heading = VIEW)]
    pub(crate) network: Option<NetworkChoice>,

    /// A host and port that may be reached, through a proxy of ours; may be repeated
    ///
    /// `pypi.org:443`, `'*.debian.org:80,443'` for all names below a domain, `example.org:8000-8010`. What a name stands for must be a
    /// public address; others are reached where they are named in numbers: `10.1.2.3:5432`, `10.1.0.0/16:5432`. Names without a star
    /// work with every program that uses TCP, the rest with those that use a proxy (`https_proxy` is set). What was refused is told at
    /// the end.
    #[arg(long, value_name = "HOST:PORT", help_heading = VIEW)]
    pub(crate) allow: Vec<Entry>,

    /// The root directory: the host's programs, a directory that holds a whole system, or an image
    ///
    /// An image also sets environment variables, the user, the directory to start in and the command, unless other options do. See
    /// `belljar image`.
    #[arg(long, value_name = "host|dir:PATH|image:NAME", value_parser = rootfs(), default_value = "host", help_heading = VIEW)]
    pub(crate) rootfs: RootfsChoice,

    /// Data directory that the image is in [default: as belljar serve]
    #[arg(long, value_name = "DIR", help_heading = VIEW)]
    pub(crate) data_dir: Option<PathBuf>,

    /// The user inside the sandbox: root or numbers [default: 1000:1000]
    #[arg(long, value_name = "root|UID[:GID]", value_parser = parse_user, help_heading = VIEW)]
    pub(crate) user: Option<User>,

    /// How many layers of isolation are insisted on
    #[arg(long, value_name = "PRESET", value_enum, default_value_t, help_heading = VIEW)]
    pub(crate) preset: PresetChoice,

    /// Dangerous: insist on one layer of isolation, use it where it can be had, or go without it; may be repeated
    ///
    /// `off` takes away what stops a hostile command; it is for finding out which layer stops what, and only with commands that are
    /// trusted. A command that runs without a layer because of it is told about on standard error.
    #[arg(long = "layer", value_name = "LAYER=required|best-effort|off", value_parser = parse_layer, hide = true, help_heading = VIEW)]
    pub(crate) layers: Vec<(Layer, Strictness)>,

    /// Read standard input from a file, or `-` for yours [default: yours]
    #[arg(long, value_name = "FILE", value_parser = input(), default_value = "-", hide_default_value = true, help_heading = STREAMS)]
    pub(crate) stdin: InputSource,

    /// Collect the output and print the whole outcome as JSON
    #[arg(long, help_heading = STREAMS)]
    pub(crate) json: bool,

    /// Give the command a terminal of its own, even if standard input is none
    #[arg(short = 't', long = "terminal", overrides_with = "no_terminal", conflicts_with_all = ["json", "stdin"], help_heading = STREAMS)]
    terminal: bool,

    /// Give the command no terminal [default: one if standard input and output are terminals]
    #[arg(short = 'T', long = "no-terminal", help_heading = STREAMS)]
    no_terminal: bool,
}

/// Whether the command gets a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TerminalChoice {
    /// When the caller has one on standard input and standard output.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl RunArgs {
    /// What `-t` and `-T` say; the last one given wins.
    pub(crate) fn terminal(&self) -> TerminalChoice {
        match (self.terminal, self.no_terminal || self.json) {
            (true, _) => TerminalChoice::Always,
            (false, true) => TerminalChoice::Never,
            (false, false) => TerminalChoice::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use belljar_sandbox::Limits;
    use belljar_sandbox::units::{ByteSize, print_duration};
    use clap::Args;

    use super::*;

    #[test]
    fn the_defaults_in_the_help_are_those_in_force() {
        let limits = Limits::default();
        let size = |bytes| ByteSize::from_bytes(bytes).to_string();
        let defaults = [
            ("wall_time", print_duration(limits.wall_time)),
            ("cpu_time", print_duration(limits.cpu_time)),
            ("memory", size(limits.memory)),
            ("swap", size(limits.swap)),
            ("processes", limits.processes.to_string()),
            ("output", size(limits.output)),
            ("disk", size(limits.disk)),
            ("inodes", limits.inodes.to_string()),
            ("file_size", size(limits.file_size)),
            ("open_files", limits.open_files.to_string()),
            ("user", format!("{}:{}", User::ORDINARY.uid, User::ORDINARY.gid)),
        ];
        let command = RunArgs::augment_args(clap::Command::new("run"));
        for (name, default) in defaults {
            let argument = command.get_arguments().find(|argument| argument.get_id() == name).expect(name);
            let help = argument.get_help().expect(name).to_string();
            assert!(help.ends_with(&format!("[default: {default}]")), "{name}: {default} in '{help}'");
        }
    }
}
