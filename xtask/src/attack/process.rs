//! Processes of the runner's: started with nothing of our environment, and never waited for without an end.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::verdict::shortened;

/// The ordinary user.
pub(crate) const USER: u32 = 1000;
/// Whether a program is not installed where sandboxes see it.
pub(crate) fn missing(program: &str) -> bool {
    let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    !directories.iter().any(|directory| Path::new(directory).join(program).exists())
}

/// A call of belljar by root or by the ordinary user, with an empty environment.
pub(crate) fn as_user(program: &Path, privileged: bool) -> Command {
    let mut command = if privileged { plain(program) } else { plain("setpriv") };
    if !privileged {
        let user = USER.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(program);
    }
    command
}

/// A command with nothing of our environment.
pub(crate) fn plain(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8");
    command
}

/// Runs a command to its end, or kills its whole process group.
pub(crate) fn finish(mut command: Command, patience: Duration) -> Result<(ExitStatus, String, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().context("cannot be started")?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if began.elapsed() > patience {
            kill_group(&child);
            child.wait()?;
            break None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    // A plain process may have left others that hold the pipes.
    kill_group(&child);
    let text = |output: Option<Collected>| {
        let bytes = output.map(Collected::wait).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status =
        status.with_context(|| format!("hung: no end after {} s; {}", patience.as_secs(), shortened(&stdout)))?;
    Ok((status, stdout, stderr))
}

/// The variable by which [`kill_marked`] knows processes.
pub(crate) const MARK: &str = "ATTACK_MARK";

/// Kills whatever has inherited this mark, wherever it has gone. Not by a process-id namespace: belljar in one would take the control
/// groups of belljar outside of it, whose processes it does not see, for left ones.
pub(crate) fn kill_marked(mark: &Path) {
    let mut wanted = format!("{MARK}=").into_bytes();
    wanted.extend_from_slice(mark.as_os_str().as_encoded_bytes());
    // Again while there are some: they may have children meanwhile.
    for _ in 0..20 {
        let mut found = false;
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).and_then(Pid::from_raw);
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if let Some(pid) = pid
                && environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
            {
                found = true;
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if !found {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// What a thread reads from a pipe.
#[derive(Debug)]
pub(crate) struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Collected {
    /// All of it; what there is when somebody who will not end still holds the pipe.
    pub(crate) fn wait(self) -> Vec<u8> {
        let _ = self.ended.recv_timeout(Duration::from_secs(2));
        self.bytes.lock().map(|mut bytes| std::mem::take(&mut *bytes)).unwrap_or_default()
    }
}

/// Reads everything from a pipe in a thread of its own.
pub(crate) fn collect(mut from: impl Read + Send + 'static) -> Collected {
    const MOST: usize = 64 << 20;
    let (end, ended) = mpsc::channel();
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    thread::spawn(move || {
        let mut piece = [0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            // What comes after is read, so that the writer goes on, and dropped.
            if let Ok(mut bytes) = shared.lock()
                && bytes.len() < MOST
            {
                bytes.extend_from_slice(&piece[..length]);
            }
        }
        let _ = end.send(());
    });
    Collected { bytes, ended }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_is_killed_wherever_it_went() {
        let mark = tempfile::tempdir().expect("a directory");
        let mut command = plain("sh");
        command.args(["-c", "setsid sh -c 'echo ready; exec sleep 1000' | (read line; echo $line; exec cat)"]);
        command.env(MARK, mark.path()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut ready = [0; 6];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut ready).expect("it says so");
        kill_marked(mark.path());
        // The pipe ends with the last of them.
        let mut rest = Vec::new();
        child.stdout.take().expect("a pipe").read_to_end(&mut rest).expect("an end");
        child.wait().expect("it is our child");
    }

    #[test]
    fn what_hangs_is_killed_with_all_that_it_started() {
        let mut command = plain("sh");
        command.args(["-c", "sleep 1000 & echo before; wait"]);
        let error = finish(command, Duration::from_millis(300)).expect_err("it hangs").to_string();
        assert!(error.contains("hung") && error.contains("before"), "{error}");
        let mut command = plain("sh");
        command.args(["-c", "sleep 1000 & echo out; echo err >&2; exit 3"]);
        let (status, stdout, stderr) = finish(command, Duration::from_secs(20)).expect("it ends");
        assert_eq!((status.code(), stdout.as_str(), stderr.as_str()), (Some(3), "out\n", "err\n"));
        // Of another session, and so of another group: nobody waits for it.
        let mut command = plain("sh");
        command.args(["-c", "setsid sleep 8 & echo out"]);
        let began = Instant::now();
        let (_, stdout, _) = finish(command, Duration::from_secs(20)).expect("it ends");
        assert_eq!(stdout, "out\n");
        assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    }
}
