//! How much memory the server and its sandboxes take.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::Scale;
use super::archive::{LARGE, pack, saved, write_noise};
use super::processes::{Roles, in_mib, kibibytes, proportional};
use super::report::{Report, Row, Target};
use super::server::Server;

/// Sandboxes among which the memory of all is divided.
const MANY: usize = 16;

/// Growth that still counts as none, in MiB: what an allocator keeps, and buffers of one connection.
const NO_GROWTH: f64 = 8.0;

/// Measures servers that do nothing, and one that takes and gives large archives.
///
/// # Errors
///
/// Something that is measured does not work, or the kernel does not tell.
pub(crate) fn measure(binary: &Path, scale: Scale, report: &mut Report) -> Result<()> {
    let row = |measure: String, most: f64| Row::new("memory", measure, "MiB").target(Some(Target::AtMost(most)));

    let server = Server::start(binary, &["execute.pool_size=1"])?;
    server.wait_for_idle(1)?;
    let family = Family::of(server.id())?;
    let whole = in_mib(family.server + family.launcher);
    let note = format!("PSS without its one sandbox: {:.1} of it the launcher's", in_mib(family.launcher));
    report.add(row("server, empty pool".to_owned(), 30.0).ours(whole).note(note));
    drop(server);

    let server = Server::start(binary, &[&format!("execute.pool_size={MANY}")])?;
    server.wait_for_idle(MANY)?;
    let family = Family::of(server.id())?;
    let each = in_mib(family.sandboxes) / f64::from(u32::try_from(MANY)?);
    let note = format!("PSS of {} processes of {MANY} sandboxes", family.processes);
    report.add(row("warm sandbox".to_owned(), 1.0).ours(each).note(note));
    drop(server);

    let room = tempfile::tempdir().context("cannot make a directory")?;
    let (tree, archive) = (room.path().join("tree"), room.path().join("upload.tgz"));
    fs::create_dir(&tree)?;
    write_noise(&tree.join("noise"), scale.transfer_mib)?;
    pack(&tree, &archive)?;
    let server = Server::start(binary, &LARGE)?;
    // What the first requests make once and keep.
    server.connect()?.execute(&json!({"commands": ["true"]}))?;
    let size = scale.transfer_mib;
    let length = archive.metadata()?.len();
    let mut environment = String::new();
    let growth = growth(server.id(), || {
        let config = json!({"commands": ["true"], "save": true});
        environment = saved(&server.connect()?.execute_with(&config, &mut File::open(&archive)?, length)?)?;
        Ok(())
    })?;
    let row_of = |what: &str| {
        row(format!("growth by {what} of {size} MiB"), NO_GROWTH).note("highest RSS while it lasts, less that before")
    };
    report.add(row_of("an upload, saved,").ours(growth));
    let growth = self::growth(server.id(), || {
        server.connect()?.download(&format!("/environments/{environment}/"), &mut io::sink())?;
        Ok(())
    })?;
    report.add(row_of("a download").ours(growth));
    Ok(())
}

/// MiB by which the highest resident memory of a process rises above what it had before.
fn growth(process: u32, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let directory = Path::new("/proc").join(process.to_string());
    let read = |key| {
        let status = fs::read_to_string(directory.join("status")).context("cannot read the memory of the server")?;
        kibibytes(&status, key)
    };
    let before = read("VmRSS:")?;
    // The highest value starts anew (proc_pid_clear_refs(5)).
    fs::write(directory.join("clear_refs"), "5").context("cannot reset the highest memory of the server")?;
    work()?;
    Ok(in_mib(read("VmHWM:")?.saturating_sub(before)))
}

/// Memory by the proportional set size, in KiB, of a server and what it has started.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) server: u64,
    /// And who keeps it.
    pub(crate) launcher: u64,
    pub(crate) sandboxes: u64,
    pub(crate) processes: usize,
}

impl Family {
    /// Of this server.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub(crate) fn of(server: u32) -> Result<Self> {
        let Roles { launchers, inits, inner } = Roles::of(server)?;
        let sum = |processes: &[u32]| processes.iter().map(|process| proportional(*process)).sum::<Result<u64>>();
        let family = Self {
            server: proportional(server)?,
            launcher: sum(&launchers)?,
            sandboxes: sum(&inits)? + sum(&inner)?,
            processes: inits.len() + inner.len(),
        };
        Ok(family)
    }
}
