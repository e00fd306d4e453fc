//! From the arguments as typed to what they mean: a policy, a command, and what the caller sees of it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use belljar_egress::{Rules, TooManyDoors};
use belljar_image::{ImageError, OpenImage, RootfsChoice};
use belljar_sandbox::{Access, Layer, Limit, Limits, Mount, Policy, Rootfs, Strictness};

use super::{image, network};
use crate::args::{Directory, InputSource, RunArgs, TerminalChoice, Variable};

/// Why arguments cannot be carried out, although each of them can be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("the current directory cannot be determined")]
    CurrentDirectory(#[source] io::Error),
    #[error("--dir {}", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("--dir {}: the whole root directory cannot be shown; name a directory below it", path.display())]
    RootDirectory { path: PathBuf },
    #[error("--dir {} and --dir {} would be at the same path", first.display(), second.display())]
    SameTarget { first: PathBuf, second: PathBuf },
    #[error("--rootfs dir:{}", path.display())]
    Rootfs {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "--rootfs dir:{}: that is the root directory of this machine; its programs alone are --rootfs host",
        path.display()
    )]
    WholeHost { path: PathBuf },
    #[error("there is no program to run: name one, or an image that has a command of its own")]
    NoProgram,
    #[error("--dir {}:cow: only a directory can be copied on write; show a file with :ro or :rw", path.display())]
    CopiedFile { path: PathBuf },
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("--workdir {} is not an absolute path", path.display())]
    RelativeWorkDirectory { path: PathBuf },
    #[error("--allow is for --net allow; with --net {network} it means nothing")]
    AllowWithout { network: &'static str },
    #[error("--allow: {0}")]
    Allow(#[from] TooManyDoors),
}

/// A call of `belljar run`, understood.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What the sandbox allows.
    pub(crate) policy: Policy,
    /// Program and arguments.
    pub(crate) argv: Vec<OsString>,
    /// Variables on top of the policy's.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where the command starts.
    pub(crate) directory: Option<PathBuf>,
    /// Where its input comes from.
    pub(crate) input: InputSource,
    /// Whether it gets a terminal.
    pub(crate) terminal: TerminalChoice,
    /// What of the network it may reach, where that is neither nothing nor everything.
    pub(crate) rules: Option<Arc<Rules>>,
    /// Limits that the caller asked for by name.
    pub(crate) asked_for: Vec<Limit>,
    /// Layers that the caller switched off by name.
    pub(crate) switched_off: Vec<Layer>,
    /// Whether the outcome is printed as JSON.
    pub(crate) json: bool,
    /// The caller's current directory: what relative names mean, and which of them a hint can be given about.
    pub(crate) caller_directory: PathBuf,
    /// Keeps the layers of the image from being removed.
    _image: Option<OpenImage>,
}

impl Plan {
    /// Understands the arguments of a caller who is in `directory` and has the variables that `variable` looks up. `image` is the one
    /// that they name.
    ///
    /// # Errors
    ///
    /// A directory that is to be shown, or the root directory, is not there or cannot be shown.
    pub(crate) fn new(
        args: RunArgs,
        image: Option<OpenImage>,
        directory: PathBuf,
        variable: impl Fn(&OsStr) -> Option<OsString>,
    ) -> Result<Self, PlanError> {
        let terminal = args.terminal();
        let mut policy = Policy::preset(args.preset.into());
        policy.layers.extend(args.layers.iter().copied());
        let rules = network::choose(args.network, &args.allow, &mut policy)?;
        policy.limits = limits(&args, policy.limits);
        let asked_for = asked_for(&args);
        // By what holds in the end: an option given later replaces an earlier one.
        let named = args.layers.iter().map(|(layer, _)| *layer).collect::<BTreeSet<_>>();
        let switched_off = named.into_iter().filter(|layer| policy.strictness(*layer) == Strictness::Off).collect();
        policy.rootfs = find_rootfs(&args.rootfs, image.as_ref())?;
        let config = image.as_ref().map(|image| &image.image().config);
        if let Some(config) = config {
            image::environment(&mut policy, config);
        }
        if let Some(user) = image::user(args.user, config)? {
            policy.user = user;
            if user.uid == 0 {
                for name in ["USER", "LOGNAME"] {
                    policy.environment.insert(name.to_owned(), "root".to_owned());
                }
            }
        }
        policy.mounts = mounts(&args.directories)?;
        let start = match args.workdir {
            Some(path) if !path.is_absolute() => {
                return Err(PlanError::RelativeWorkDirectory { path });
            }
            Some(path) => Some(path),
            None => start_directory(&policy.mounts, &directory).or_else(|| image::directory(config)),
        };
        // A parent must be mounted before what is below it, in whatever order they were named.
        policy.mounts.sort_by_key(|mount| mount.target.components().count());
        Ok(Self {
            policy,
            argv: image::command(args.command, config)?,
            environment: environment(args.environment, variable),
            directory: start,
            input: args.stdin,
            terminal,
            rules,
            asked_for,
            switched_off,
            json: args.json,
            caller_directory: directory,
            _image: image,
        })
    }
}

fn limits(args: &RunArgs, default: Limits) -> Limits {
    Limits {
        wall_time: args.wall_time.unwrap_or(default.wall_time),
        cpu_time: args.cpu_time.unwrap_or(default.cpu_time),
        memory: args.memory.unwrap_or(default.memory),
        swap: args.swap.unwrap_or(default.swap),
        processes: args.processes.unwrap_or(default.processes),
        file_size: args.file_size.unwrap_or(default.file_size),
        open_files: args.open_files.unwrap_or(default.open_files),
        disk: args.disk.unwrap_or(default.disk),
        inodes: args.inodes.unwrap_or(default.inodes),
        output: args.output.unwrap_or(default.output),
        ..default
    }
}

fn asked_for(args: &RunArgs) -> Vec<Limit> {
    [
        (Limit::WallTime, args.wall_time.is_some()),
        (Limit::CpuTime, args.cpu_time.is_some()),
        (Limit::Memory, args.memory.is_some() || args.swap.is_some()),
        (Limit::Processes, args.processes.is_some()),
        (Limit::FileSize, args.file_size.is_some()),
        (Limit::Disk, args.disk.is_some()),
        (Limit::Inodes, args.inodes.is_some()),
        (Limit::Output, args.output.is_some()),
    ]
    .into_iter()
    .filter_map(|(limit, given)| given.then_some(limit))
    .collect()
}

fn environment(variables: Vec<Variable>, caller: impl Fn(&OsStr) -> Option<OsString>) -> Vec<(OsString, OsString)> {
    variables
        .into_iter()
        .filter_map(|variable| match variable {
            Variable::Set(name, value) => Some((name, value)),
            Variable::Copied(name) => caller(&name).map(|value| (name, value)),
        })
        .collect()
}

fn find_rootfs(rootfs: &RootfsChoice, image: Option<&OpenImage>) -> Result<Rootfs, PlanError> {
    match rootfs {
        RootfsChoice::Host => Ok(Rootfs::Host),
        RootfsChoice::Image(name) => match image {
            Some(image) => Ok(image.rootfs_here()),
            None => Err(ImageError::Unknown { name: name.clone(), known: Vec::new() }.into()),
        },
        RootfsChoice::Directory(path) => match path.canonicalize() {
            Ok(found) if found.parent().is_none() => Err(PlanError::WholeHost { path: path.clone() }),
            Ok(found) if found.is_dir() => Ok(Rootfs::Directory(found)),
            Ok(_) => Err(PlanError::Rootfs { path: path.clone(), source: io::ErrorKind::NotADirectory.into() }),
            Err(source) => Err(PlanError::Rootfs { path: path.clone(), source }),
        },
    }
}

/// What is shown and where, in the order of the arguments.
fn mounts(directories: &[Directory]) -> Result<Vec<Mount>, PlanError> {
    let mut mounts: Vec<Mount> = Vec::with_capacity(directories.len());
    for (place, Directory { path, access }) in directories.iter().enumerate() {
        let failed = |source| PlanError::Directory { path: path.clone(), source };
        let source = path.canonicalize().map_err(failed)?;
        // "The same path" is the one that the caller uses, symbolic links included; only `..` has to be resolved, because what
        // it means depends on them.
        let target = match path.components().any(|part| part == Component::ParentDir) {
            true => source.clone(),
            false => without_dots(&std::path::absolute(path).map_err(failed)?),
        };
        if source.parent().is_none() || target.parent().is_none() {
            return Err(PlanError::RootDirectory { path: path.clone() });
        }
        if *access == Access::CopyOnWrite && !source.is_dir() {
            return Err(PlanError::CopiedFile { path: path.clone() });
        }
        if let Some(same) = mounts.iter().position(|mount| mount.target == target) {
            return Err(PlanError::SameTarget {
                first: directories[same].path.clone(),
                second: directories[place].path.clone(),
            });
        }
        mounts.push(Mount { source, target, access: *access });
    }
    Ok(mounts)
}

/// `a/./b/` as `a/b`: the components, written once more.
fn without_dots(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The caller's current directory as it is called inside, by the first mount that shows it; else the first directory shown.
fn start_directory(mounts: &[Mount], current: &Path) -> Option<PathBuf> {
    let shown = mounts
        .iter()
        .find_map(|mount| current.strip_prefix(&mount.source).ok().map(|rest| without_dots(&mount.target.join(rest))));
    shown.or_else(|| mounts.iter().find(|mount| mount.source.is_dir()).map(|mount| mount.target.clone()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use clap::Parser;

    use super::*;
    use crate::args::{Action, Cli};

    fn plan_in(directory: &Path, arguments: &[&str]) -> Result<Plan, PlanError> {
        let line = ["belljar", "run"].iter().chain(arguments).chain(&["--", "true"]).copied();
        let Ok(Cli { action: Action::Run(args) }) = Cli::try_parse_from(line) else {
            panic!("arguments that parse: {arguments:?}");
        };
        let variable = |name: &OsStr| (name == "EDITOR").then(|| OsString::from("ed"));
        Plan::new(*args, None, directory.to_owned(), variable)
    }

    fn plan(arguments: &[&str]) -> Plan {
        plan_in(Path::new("/nowhere"), arguments).expect("a plan")
    }

    #[test]
    fn without_options_it_is_the_standard_policy_and_nothing_of_the_caller() {
        let plan = plan(&[]);
        assert_eq!(plan.policy, Policy::default());
        assert_eq!(plan.directory, None);
        assert!(plan.environment.is_empty());
        assert_eq!(plan.argv, ["true"]);
    }

    #[test]
    fn limits_replace_defaults_one_by_one() {
        let plan = plan(&["--wall-time", "1500ms", "--memory", "64M", "--processes", "3"]);
        let expected = Limits {
            wall_time: std::time::Duration::from_millis(1500),
            memory: 64 << 20,
            processes: 3,
            ..Limits::default()
        };
        assert_eq!(plan.policy.limits, expected);
    }

    #[test]
    fn layers_are_switched_off_by_name_and_the_last_word_holds() {
        let plan = plan(&["--layer", "seccomp=off", "--layer", "landlock=off", "--layer", "landlock=required"]);
        assert_eq!(plan.policy.strictness(Layer::Seccomp), Strictness::Off);
        assert_eq!(plan.policy.strictness(Layer::Landlock), Strictness::Required);
        assert_eq!(plan.switched_off, [Layer::Seccomp]);
    }

    #[test]
    fn variables_are_set_or_copied_and_unknown_ones_left_out() {
        let plan = plan(&["-e", "A=1", "--env", "EDITOR", "-e", "NOT_THERE"]);
        assert_eq!(plan.environment, [("A".into(), "1".into()), ("EDITOR".into(), "ed".into())]);
    }

    #[test]
    fn directories_keep_their_paths_and_decide_where_the_command_starts() {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().canonicalize().expect("it is there");
        let [one, two, link] = ["one", "two", "link"].map(|name| root.join(name));
        fs::create_dir_all(one.join("deep")).expect("created");
        fs::create_dir(&two).expect("created");
        symlink(&one, &link).expect("linked");
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let start = |current: &Path, arguments: &[String]| {
            let arguments: Vec<&str> = arguments.iter().flat_map(|path| ["--dir", path]).collect();
            plan_in(current, &arguments).expect("a plan").directory
        };
        let deep = one.join("deep");
        assert_eq!(start(&deep, &[text(&two), text(&one)]), Some(deep.clone()), "the one with the current directory");
        assert_eq!(start(&root, &[text(&two), text(&one)]), Some(two.clone()), "else the first");
        assert_eq!(start(&deep, &[text(&link)]), Some(link.join("deep")), "by the name that the caller uses");
        assert_eq!(start(&deep, &[format!("{}/../one", text(&two))]), Some(deep.clone()), "without '..'");

        let both = [format!("{}:rw", text(&deep)), text(&one)];
        let plan = plan_in(&root, &["--dir", &both[0], "--dir", &both[1]]).expect("a plan");
        let mounts = [
            Mount { source: one.clone(), target: one.clone(), access: Access::ReadOnly },
            Mount { source: deep.clone(), target: deep.clone(), access: Access::ReadWrite },
        ];
        assert_eq!(plan.policy.mounts, mounts, "parents first");
        assert_eq!(plan.directory, Some(deep), "the first one named");
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        let cases: [(&[&str], &str); 11] = [
            (
                &["--dir", "/etc/passwd:cow"],
                "--dir /etc/passwd:cow: only a directory can be copied on write; show a file with :ro or :rw",
            ),
            (&["--dir", "/no/such/place"], "--dir /no/such/place"),
            (&["--dir", "/"], "--dir /: the whole root directory cannot be shown; name a directory below it"),
            (
                &["--dir", "/usr/..:rw"],
                "--dir /usr/..: the whole root directory cannot be shown; name a directory below it",
            ),
            (&["--dir", "/etc", "--dir", "/etc/.:cow"], "--dir /etc and --dir /etc/. would be at the same path"),
            (&["--rootfs", "dir:/etc/passwd"], "--rootfs dir:/etc/passwd"),
            (
                &["--rootfs", "dir:/usr/.."],
                "--rootfs dir:/usr/..: that is the root directory of this machine; its programs alone are --rootfs host",
            ),
            (&["--workdir", "here"], "--workdir here is not an absolute path"),
            (
                &["--net", "host", "--allow", "pypi.org:443"],
                "--allow is for --net allow; with --net host it means nothing",
            ),
            (
                &["--net", "none", "--allow", "pypi.org:443"],
                "--allow is for --net allow; with --net none it means nothing",
            ),
            (
                &["--allow", "pypi.org:1-1000"],
                "--allow: the list names 1000 pairs of a host without a star and a port; 126 can be shown in a sandbox: write fewer ports, or *.DOMAIN",
            ),
        ];
        for (arguments, message) in cases {
            let error = plan_in(Path::new("/"), arguments).expect_err("no plan");
            assert_eq!(error.to_string(), message);
        }
    }
}
