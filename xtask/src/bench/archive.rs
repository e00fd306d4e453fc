//! Saving and restoring an environment, against `tar` and `gzip` outside of any sandbox.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Scale;
use super::report::{Report, Row, Target};
use super::sampling::{Caller, Case, Work, in_turns};
use super::server::Server;

/// The level that belljar saves with by default.
const LEVEL: u32 = 1;
const MIB: usize = 1 << 20;

/// Room for an environment of any size that is measured.
pub(crate) const LARGE: [&str; 10] = [
    "execute.pool_size=2",
    "execute.archive_timeout=10min",
    "execute.max_upload=2G",
    "execute.max_unpacked=2G",
    "execute.max_saved=2G",
    "execute.sandbox.memory=4G",
    "execute.sandbox.disk=2G",
    "execute.sandbox.file_size=2G",
    "execute.compression_level=1",
    "server.body_timeout=10min",
];

/// Measures an environment of which half is noise and half is text.
///
/// # Errors
///
/// Something that is measured does not work.
pub(crate) fn measure(binary: &Path, scale: Scale, report: &mut Report) -> Result<()> {
    let room = tempfile::tempdir().context("cannot make a directory")?;
    let memory = memory_directory()?;
    let tree = memory.path().join("tree");
    write_tree(&tree, scale.environment_mib)?;
    let archive = room.path().join("environment.tgz");
    pack(&tree, &archive)?;

    let server = Server::start(binary, &LARGE)?;
    let length = archive.metadata()?.len();
    let config = json!({"commands": ["true"], "save": true});
    let answer = server.connect()?.execute_with(&config, &mut File::open(&archive)?, length)?;
    let environment = saved(&answer)?;

    let cases = [
        Case::new("restoring", || {
            let mut client = server.connect()?;
            let config = json!({"environment": environment, "commands": ["true"]});
            Ok(Box::new(move || client.execute(&config).and_then(|answer| succeeded(&answer))) as Caller)
        }),
        Case::new("gunzip | tar x", || {
            Ok(Box::new(Unpack { archive: archive.clone(), to: memory.path().join("unpacked") }) as Caller)
        }),
        Case::new("restoring and saving", || {
            let mut client = server.connect()?;
            // Never the same content twice: it would be stored once.
            let config = json!({"environment": environment, "commands": ["date +%s%N > stamp"], "save": true});
            Ok(Box::new(move || client.execute(&config).and_then(|answer| saved(&answer)).map(drop)) as Caller)
        }),
        Case::new("tar c | gzip", || {
            let (tree, to) = (tree.clone(), room.path().join("packed.tgz"));
            Ok(Box::new(move || pack(&tree, &to)) as Caller)
        }),
    ];
    let samples = in_turns(&cases, scale.archive_rounds, 1)?;
    let [restore, unpack, both, tar] = samples.as_slice() else { bail!("a case was lost") };
    let size = scale.environment_mib;
    let row =
        |what: &str| Row::new("archive", format!("{what} {size} MiB"), "ms").target(Some(Target::AtMostRatio(1.0)));
    report.add(
        row("restore").ours(restore.p50() * 1e3).floor(unpack.p50() * 1e3).note("floor: gunzip | tar x, to tmpfs"),
    );
    let save = (both.p50() - restore.p50()).max(0.0);
    let note = format!("floor: tar c | gzip -{LEVEL}; ours: a request that restores and saves, less one that restores");
    report.add(row("save").ours(save * 1e3).floor(tar.p50() * 1e3).note(note));
    Ok(())
}

/// The environment that a request has saved.
pub(crate) fn saved(answer: &Value) -> Result<String> {
    succeeded(answer)?;
    let environment = answer.get("environment").and_then(Value::as_str);
    environment.map(str::to_owned).with_context(|| format!("nothing was saved: {answer}"))
}

fn succeeded(answer: &Value) -> Result<()> {
    ensure!(answer.get("status") == Some(&json!(0)), "unexpected answer: {answer}");
    Ok(())
}

/// Packs a directory as an upload.
pub(crate) fn pack(tree: &Path, to: &Path) -> Result<()> {
    shell(&format!("tar c -C \"$1\" . | gzip -{LEVEL} > \"$2\""), tree, to)
}

/// Unpacks to where a sandbox does: into memory.
struct Unpack {
    archive: PathBuf,
    to: PathBuf,
}

impl Work for Unpack {
    fn run(&mut self) -> Result<()> {
        fs::create_dir(&self.to).context("cannot make a directory")?;
        shell("gunzip -c \"$1\" | tar x -C \"$2\"", &self.archive, &self.to)
    }

    fn clean_up(&mut self) -> Result<()> {
        fs::remove_dir_all(&self.to).context("cannot remove what was unpacked")
    }
}

fn shell(script: &str, first: &Path, second: &Path) -> Result<()> {
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", script, "bash"]).arg(first).arg(second);
    ensure!(command.status().context("cannot start bash")?.success(), "failed: {script}");
    Ok(())
}

/// A directory in memory where there is one: sandboxes have theirs there.
fn memory_directory() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("belljar-bench-");
    let made = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir());
    made.context("cannot make a directory")
}

/// Files of 1 MiB, noise and text by turns.
fn write_tree(tree: &Path, mib: u64) -> Result<()> {
    fs::create_dir(tree)?;
    let mut noise = File::open("/dev/urandom").context("no /dev/urandom")?;
    let mut words = Words(0x5eed);
    for number in 0..mib {
        let mut content = vec![0; MIB];
        if number % 2 == 0 {
            noise.read_exact(&mut content)?;
        } else {
            words.fill(&mut content);
        }
        fs::write(tree.join(format!("file{number}")), content)?;
    }
    Ok(())
}

/// Writes a file of noise.
pub(crate) fn write_noise(path: &Path, mib: u64) -> Result<()> {
    let mut noise = File::open("/dev/urandom").context("no /dev/urandom")?;
    let mut file = BufWriter::new(File::create(path)?);
    let mut content = vec![0; MIB];
    for _ in 0..mib {
        noise.read_exact(&mut content)?;
        file.write_all(&content)?;
    }
    file.flush()?;
    Ok(())
}

/// Something that compresses as prose does: words in no order.
struct Words(u64);

impl Words {
    const WORDS: [&'static str; 16] = [
        "glass ",
        "jar ",
        "under ",
        "program ",
        "the ",
        "a ",
        "student ",
        "runs ",
        "and ",
        "nothing ",
        "leaves ",
        "behind ",
        "it ",
        "while ",
        "teachers\n",
        "wait ",
    ];

    fn fill(&mut self, content: &mut [u8]) {
        let mut at = 0;
        while at < content.len() {
            // Knuth's linear congruential generator; its upper bits are the better ones.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = usize::from((self.0 >> 56) as u8);
            let word = Self::WORDS[number % Self::WORDS.len()].as_bytes();
            // A number now and then, or the whole would repeat too well.
            let digits = self.0.to_string();
            let word = if number < 32 { digits.as_bytes() } else { word };
            let length = word.len().min(content.len() - at);
            content[at..at + length].copy_from_slice(&word[..length]);
            at += length;
        }
    }
}
