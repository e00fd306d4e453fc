//! The header of an attack: what is said about it in the comment at the top of its file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Layers by their names in `belljar doctor --json`.
pub(crate) const LAYERS: [&str; 17] = [
    "user_namespace",
    "pid_namespace",
    "mount_namespace",
    "network_namespace",
    "ipc_namespace",
    "uts_namespace",
    "cgroup_namespace",
    "time_namespace",
    "private_proc",
    "memory_limit",
    "process_limit",
    "cpu_accounting",
    "io_limit",
    "resource_limits",
    "privileges",
    "landlock",
    "seccomp",
];

/// Keys that a header may have; the first three it must have, each once.
const KEYS: [&str; 14] = [
    "attack",
    "tries",
    "source",
    "expect",
    "stopped-by",
    "flags",
    "ends",
    "without",
    "control",
    "variants",
    "gap",
    "needs",
    "on",
    "timeout",
];
const NEEDED: [&str; 5] = ["attack", "tries", "source", "expect", "stopped-by"];

/// What a program may be said to end with, besides its own exit.
const ENDS: [&str; 11] =
    ["exit", "signal", "wall_time", "cpu_time", "memory", "processes", "file_size", "disk", "inodes", "output", "died"];

/// One way of running an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Variant {
    /// Root's `belljar run`, preset `standard`.
    Standard,
    /// Root's `belljar run`, preset `strict`.
    Strict,
    /// An ordinary user's `belljar run`.
    Unprivileged,
    /// A server of root's.
    Server,
    /// A server of an ordinary user's.
    ServerUnprivileged,
}

impl Variant {
    pub(crate) const ALL: [Self; 5] =
        [Self::Standard, Self::Strict, Self::Unprivileged, Self::Server, Self::ServerUnprivileged];

    /// Whether belljar runs as root.
    pub(crate) const fn privileged(self) -> bool {
        !matches!(self, Self::Unprivileged | Self::ServerUnprivileged)
    }

    /// Whether it goes through a server.
    pub(crate) const fn served(self) -> bool {
        matches!(self, Self::Server | Self::ServerUnprivileged)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
            Self::Unprivileged => "unprivileged",
            Self::Server => "server",
            Self::ServerUnprivileged => "server-unprivileged",
        })
    }
}

/// How the attack is shown to be one: that it succeeds where nothing stops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Control {
    /// In a sandbox without these layers.
    Without(Vec<String>),
    /// As a plain process, in namespaces that are thrown away.
    Plain,
    /// The program itself, told to attack something weak of its own making (`ATTACK_CONTROL=1`).
    Own,
    /// Not shown, for this reason.
    HostUnsafe(String),
}

/// An attack, as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attack {
    /// Directory and file name without its ending, such as `timing/stop-itself`.
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) title: String,
    pub(crate) tries: String,
    pub(crate) source: String,
    pub(crate) expect: String,
    pub(crate) stopped_by: String,
    /// Options of `belljar run`.
    pub(crate) flags: Vec<String>,
    /// Ends that count as held.
    pub(crate) ends: Vec<String>,
    pub(crate) control: Control,
    pub(crate) variants: Vec<Variant>,
    pub(crate) needs: Vec<String>,
    /// Whether the program runs on the host.
    pub(crate) on_host: bool,
    /// Seconds after which it counts as hung.
    pub(crate) timeout: u64,
    /// It gets through, which SECURITY.md says, too; empty when it must not.
    pub(crate) gap: String,
}

impl Attack {
    pub(crate) fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// `py`, `sh` or `c`.
    pub(crate) fn kind(&self) -> &str {
        self.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
    }

    /// The file that is shown in sandboxes.
    pub(crate) fn program(&self) -> String {
        let name = self.name.replace('/', "-");
        if self.kind() == "c" { name } else { format!("{name}.{}", self.kind()) }
    }

    /// Program and arguments, its directory being this one.
    pub(crate) fn argv(&self, directory: &str) -> Vec<String> {
        let path = format!("{directory}/{}", self.program());
        match self.kind() {
            "py" => vec!["python3".to_owned(), path],
            "sh" => vec!["bash".to_owned(), path],
            _ => vec![path],
        }
    }

    /// Understands the text of a file.
    ///
    /// # Errors
    ///
    /// Each thing that is wrong with it, in one text.
    pub(crate) fn parse(name: &str, file: &Path, text: &str) -> Result<Self> {
        let fields = fields(text)?;
        let mut wrong: Vec<String> = Vec::new();
        wrong.extend(
            fields.keys().filter(|key| !KEYS.contains(&key.as_str())).map(|key| format!("unknown key '{key}'")),
        );
        wrong.extend(NEEDED.iter().filter(|key| !fields.contains_key(**key)).map(|key| format!("'{key}' is missing")));
        wrong.extend(fields.iter().filter(|(_, value)| value.is_empty()).map(|(key, _)| format!("'{key}' is empty")));
        let field = |key: &str| fields.get(key).cloned().unwrap_or_default();
        let words = |key: &str| {
            let text = field(key);
            text.split([' ', ',', '|']).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        for key in ["ends", "without"] {
            let known: &[&str] = if key == "ends" { &ENDS } else { &LAYERS };
            let unknown = words(key).into_iter().filter(|word| !known.contains(&word.as_str()));
            wrong.extend(unknown.map(|word| format!("{key}: '{word}' is none of {}", known.join(", "))));
        }
        let on_host = match field("on").as_str() {
            "" | "sandbox" => false,
            "host" => true,
            other => {
                wrong.push(format!("on: '{other}' is neither sandbox nor host"));
                false
            }
        };
        let control = control(&field("control"), &words("without"), on_host).unwrap_or_else(|problem| {
            wrong.push(problem);
            Control::Plain
        });
        let variants = variants(&words("variants"), on_host).unwrap_or_else(|problem| {
            wrong.push(problem);
            Vec::new()
        });
        let timeout = match field("timeout").as_str() {
            "" => 30,
            text => text.parse().unwrap_or_else(|_| {
                wrong.push(format!("timeout: '{text}' is no number of seconds"));
                0
            }),
        };
        if !wrong.is_empty() {
            bail!("{}: {}", file.display(), wrong.join("; "));
        }
        let ends = if fields.contains_key("ends") { words("ends") } else { vec!["exit".to_owned()] };
        Ok(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            title: field("attack"),
            tries: field("tries"),
            source: field("source"),
            expect: field("expect"),
            stopped_by: field("stopped-by"),
            flags: field("flags").split_whitespace().map(str::to_owned).collect(),
            ends,
            control,
            variants,
            needs: words("needs"),
            gap: field("gap"),
            on_host,
            timeout,
        })
    }
}

/// The keys and values in the comment at the top. A line that is no key of its own and begins with more than one space goes on
/// with the value above.
fn fields(text: &str) -> Result<BTreeMap<String, String>> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines().skip_while(|line| line.starts_with("#!") || line.trim().is_empty()) {
        let Some(comment) = line.strip_prefix("//").or_else(|| line.strip_prefix('#')) else { break };
        let indented = comment.starts_with("  ") || comment.starts_with(" \t") || comment.starts_with('\t');
        match (comment.trim().split_once(':'), &last) {
            (_, Some(key)) if indented => {
                let value = fields.entry(key.clone()).or_default();
                value.push(' ');
                value.push_str(comment.trim());
            }
            (Some((key, value)), _) if !key.contains(' ') => {
                let key = key.trim().to_owned();
                if fields.insert(key.clone(), value.trim().to_owned()).is_some() {
                    bail!("'{key}' is there twice");
                }
                last = Some(key);
            }
            // A remark, or an empty comment, ends the header.
            _ => break,
        }
    }
    fields.values_mut().for_each(|value| *value = value.trim().to_owned());
    Ok(fields)
}

fn control(text: &str, without: &[String], on_host: bool) -> Result<Control, String> {
    let (word, reason) = text.split_once(':').unwrap_or((text, ""));
    match (word.trim(), without) {
        ("", []) => Err("neither 'without' nor 'control' says how it is seen to succeed".to_owned()),
        ("", _) if on_host => Err("'without' is for attacks in sandboxes".to_owned()),
        ("", layers) => Ok(Control::Without(layers.to_vec())),
        (_, [_, ..]) => Err("both 'without' and 'control'".to_owned()),
        ("plain", _) if on_host => {
            Err("control: a program on the host is always a plain process; 'own' or 'host-unsafe'".to_owned())
        }
        ("plain", _) => Ok(Control::Plain),
        ("own", _) => Ok(Control::Own),
        ("host-unsafe", _) if reason.trim().is_empty() => Err("control: host-unsafe without a reason".to_owned()),
        ("host-unsafe", _) => Ok(Control::HostUnsafe(reason.trim().to_owned())),
        (other, _) => Err(format!("control: '{other}' is none of plain, own, host-unsafe")),
    }
}

fn variants(words: &[String], on_host: bool) -> Result<Vec<Variant>, String> {
    let mut variants = Vec::new();
    for word in words {
        match word.as_str() {
            "standard" => variants.push(Variant::Standard),
            "strict" => variants.push(Variant::Strict),
            "unprivileged" => variants.push(Variant::Unprivileged),
            "server" => variants.extend([Variant::Server, Variant::ServerUnprivileged]),
            "server-privileged" => variants.push(Variant::Server),
            "server-unprivileged" => variants.push(Variant::ServerUnprivileged),
            other => return Err(format!("variants: '{other}' is none of standard, strict, unprivileged, server")),
        }
    }
    if variants.is_empty() {
        variants.extend(Variant::ALL);
    }
    if on_host {
        variants.retain(|variant| variant.served());
    }
    variants.dedup();
    if variants.is_empty() {
        Err("variants: a program on the host runs beside a server".to_owned())
    } else {
        Ok(variants)
    }
}

/// All attacks below a directory, by name.
///
/// # Errors
///
/// A header is wrong, or there are none: all problems at once.
pub(crate) fn collect(directory: &Path) -> Result<Vec<Attack>> {
    let mut attacks = Vec::new();
    let mut problems = Vec::new();
    let list = |path: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    for family in list(directory)?.into_iter().filter(|path| path.is_dir()) {
        // Modules that programs on the host share.
        let Some(family_name) = family.file_name().and_then(|name| name.to_str()).filter(|name| *name != "lib") else {
            continue;
        };
        for file in list(&family)? {
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let (true, Some(stem)) =
                (["sh", "py", "c"].contains(&ending), file.file_stem().and_then(|stem| stem.to_str()))
            else {
                continue;
            };
            let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            match Attack::parse(&format!("{family_name}/{stem}"), &file, &String::from_utf8_lossy(&text)) {
                Ok(attack) => attacks.push(attack),
                Err(problem) => problems.push(format!("{problem:#}")),
            }
        }
    }
    let mut names: Vec<&str> = attacks.iter().map(|attack| attack.name.as_str()).collect();
    names.sort_unstable();
    problems
        .extend(names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("{} is there twice", pair[0])));
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    if attacks.is_empty() {
        bail!("no attacks in {}", directory.display());
    }
    Ok(attacks)
}

#[cfg(test)]
mod tests;
