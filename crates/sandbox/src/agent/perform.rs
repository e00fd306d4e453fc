//! The agent's entry: one job on three descriptors.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::problem::Step;
use super::{
    Done, Job, Problem, Report, copy_file, decompress, find_member, open_result, pack, tree, unpack, unpack_layer,
};

/// Exit codes.
const DONE: i32 = 0;
const REFUSED: i32 = 1;
const FAILED: i32 = 2;

/// Does the job that is given as JSON, with the current directory as work directory, and returns the exit code:
/// 0 done, 1 refused, 2 failed. The reason is in the [`Report`] on descriptor 2.
///
/// For the only thread of a process that ends afterwards: descriptor 2 and the umask are not what they were.
#[must_use]
pub fn perform(job: &[u8]) -> i32 {
    // Directories that no member describes are as those that people make.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let Ok((input, output, report)) = take_descriptors() else {
        return FAILED;
    };
    let directory = open_work_directory().step(|| "opening the work directory");
    perform_on(job, input, output, report, directory)
}

/// Descriptors 0, 1 and 2. Descriptor 2 itself becomes one that swallows everything, so that the report ends when its file is closed.
fn take_descriptors() -> rustix::io::Result<(File, File, File)> {
    let above_standard = 3;
    let take = |descriptor: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(descriptor, above_standard).map(File::from);
    let descriptors = (take(rustix::stdio::stdin())?, take(rustix::stdio::stdout())?, take(rustix::stdio::stderr())?);
    // Nobody reads from this pipe.
    let (_, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::stdio::dup2_stderr(writer)?;
    Ok(descriptors)
}

/// The current directory, whatever mode a program gave it.
fn open_work_directory() -> rustix::io::Result<OwnedFd> {
    // By its full name: even "." is out of reach in a directory that one may not search.
    if let Ok(path) = rustix::process::getcwd(Vec::new()) {
        let permissions = tree::permissions(&rustix::fs::stat(&*path)?);
        if permissions & tree::OWNER_ALL != tree::OWNER_ALL {
            // When that fails, what we may do with it has to suffice.
            let _ = rustix::fs::chmod(&*path, Mode::from_raw_mode(permissions | tree::OWNER_ALL));
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, ".", flags, Mode::empty())
}

/// The same with everything given. The report is closed before any content is written.
pub(super) fn perform_on(
    job: &[u8],
    input: File,
    output: File,
    report: File,
    directory: Result<OwnedFd, Problem>,
) -> i32 {
    let mut reporter = Reporter(Some(report));
    match run(job, input, output, &mut reporter, directory) {
        Ok(()) => DONE,
        Err(problem) => {
            let code = match problem {
                Problem::Refused(_) => REFUSED,
                Problem::Failed { .. } => FAILED,
            };
            // After a first report there is no second one: the receiver misses bytes.
            match reporter.send(&problem.into()) {
                Ok(()) => code,
                Err(_) => FAILED,
            }
        }
    }
}

fn run(
    job: &[u8],
    mut input: File,
    mut output: File,
    reporter: &mut Reporter,
    directory: Result<OwnedFd, Problem>,
) -> Result<(), Problem> {
    let job = serde_json::from_slice(job).map_err(|_| Problem::failed("reading the job", Errno::INVAL))?;
    match job {
        Job::Unpack(limits) => {
            let done = unpack(&input, directory?.as_fd(), &limits)?;
            reporter.send(&done.into())
        }
        Job::UnpackLayer(limits) => {
            let layer = unpack_layer(&input, directory?.as_fd(), &limits)?;
            let Done { entries, bytes } = layer.done;
            reporter.send(&Report::Layer { entries, bytes, skipped: layer.skipped, opaque: layer.opaque })
        }
        Job::Decompress { max_bytes } => {
            let bytes = decompress(input, &mut output, max_bytes)?;
            reporter.send_size(bytes)
        }
        Job::Pack { level } => {
            let done = pack(directory?.as_fd(), &output, level)?;
            reporter.send(&done.into())
        }
        Job::Read { path, max_bytes } => {
            let (file, size) = open_result(directory?.as_fd(), &path, max_bytes)?;
            reporter.send_size(size)?;
            copy_file(&file, size, &mut output)
        }
        Job::Member { path, limits } => {
            let member = find_member(&mut input, &path, &limits)?;
            reporter.send_size(member.size())?;
            member.write_to(&mut output)
        }
    }
}

impl From<Done> for Report {
    fn from(Done { entries, bytes }: Done) -> Self {
        Self::Done { entries, bytes }
    }
}

/// Sends one report and closes.
struct Reporter(Option<File>);

impl Reporter {
    fn send_size(&mut self, bytes: u64) -> Result<(), Problem> {
        self.send(&Report::Done { entries: 1, bytes })
    }

    fn send(&mut self, report: &Report) -> Result<(), Problem> {
        let step = "writing the report";
        let json = serde_json::to_vec(report).map_err(|_| Problem::failed(step, Errno::INVAL))?;
        let mut file = self.0.take().ok_or_else(|| Problem::failed(step, Errno::BADF))?;
        file.write_all(&json).step(|| step)
    }
}
