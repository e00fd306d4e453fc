//! A sandbox beside those of the attacks.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};

use super::process::{Collected, as_user, collect};
use super::served::{PROBE, UNHARMED};
use super::verdict::shortened;

/// A sandbox beside those of the attacks, with a program that checks itself again and again.
#[derive(Debug)]
pub(crate) struct Neighbour {
    process: Child,
}

impl Neighbour {
    /// Starts one, and waits until it has found everything as it should be.
    ///
    /// # Errors
    ///
    /// It has not.
    pub(crate) fn start(belljar: &Path) -> Result<Self> {
        let script = format!(
            "probe() {{ {PROBE}\n}}\nprobe\nwhile read -t 0.2 line || [ $? -gt 128 ]; do rm -f mine; probe; done"
        );
        let mut command = as_user(belljar, true);
        command.args(["run", "--wall-time", "10m", "--cpu-time", "5m", "--", "bash", "-c", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().context("cannot start the neighbour")?;
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().context("the neighbour has no output")?);
        output.read_line(&mut line)?;
        ensure!(line.trim() == UNHARMED, "before any attack, the neighbour said {line:?}");
        process.stdout = Some(output.into_inner());
        Ok(Self { process })
    }

    /// Lets it end.
    ///
    /// # Errors
    ///
    /// What it has seen meanwhile that it should not.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(mut input) = self.process.stdin.take() {
            let _ = input.flush();
        }
        let output = self.process.stdout.take().map(collect);
        let status = self.process.wait()?;
        let said = output.map(Collected::wait).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let strange: Vec<_> = said.lines().filter(|line| *line != UNHARMED).collect();
        ensure!(strange.is_empty(), "{}", shortened(&strange.join("; ")));
        // Its shell ends because there is nothing more to read.
        ensure!(status.code().is_some_and(|code| code <= 1), "it ended with {status}");
        Ok(())
    }
}
