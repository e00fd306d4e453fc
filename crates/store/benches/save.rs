//! What a save of 4 KiB costs, and what of it the disk's `fsync` alone does.
//!
//! `cargo bench -p belljar-store [-- DIRECTORY]`: the directory decides which disk is measured; the default is Cargo's target
//! directory.

#![expect(clippy::print_stdout, reason = "the result is what it is for")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use belljar_store::{DataDirectory, Environments};

const SIZE: usize = 4096;
const SAVES: usize = 2000;
const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let parent = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let place = tempfile::tempdir_in(&parent).expect("the directory can be written to");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the runtime starts");
    floor(place.path());
    for savers in [1, 4, 16] {
        let path = place.path().join(savers.to_string());
        runtime.block_on(saves(&path, savers));
    }
}

/// The system calls that a save cannot do without, one after the other.
fn floor(place: &Path) {
    let directory = File::open(place).expect("opens");
    let log = File::create(place.join("log")).expect("is made");
    (&log).write_all(&vec![0; SIZE * SAVES]).expect("writes");
    log.sync_all().expect("syncs");
    let mut overwrite = File::options().write(true).open(place.join("log")).expect("opens");
    let [mut file_sync, mut directory_sync, mut log_sync] = [const { Vec::new() }; 3];
    for number in 0..SAVES {
        let temporary = place.join("temporary");
        let mut file = File::create(&temporary).expect("is made");
        file.write_all(&content(number)).expect("writes");
        file_sync.push(timed(|| file.sync_all().expect("syncs")));
        std::fs::rename(&temporary, place.join(format!("file{number}"))).expect("renames");
        directory_sync.push(timed(|| directory.sync_all().expect("syncs")));
        overwrite.write_all(&content(number)).expect("writes");
        log_sync.push(timed(|| overwrite.sync_data().expect("syncs")));
    }
    report("fsync of a new file", file_sync);
    report("fsync of its directory", directory_sync);
    report("fdatasync of an overwritten page", log_sync);
}

async fn saves(path: &Path, savers: usize) {
    let directory = DataDirectory::open(path).expect("opens");
    let environments = Environments::open(&directory).await.expect("opens");
    let mut tasks = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for saver in 0..savers {
        let environments = environments.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            for number in (saver..SAVES).step_by(savers) {
                let bytes = content(number);
                let begun = Instant::now();
                let mut writer = environments.blobs().writer(1 << 20);
                writer.write(&bytes).await.expect("writes");
                let blob = writer.finish().await.expect("finishes");
                let stored = begun.elapsed();
                environments.save(blob, HOUR).await.expect("saves");
                times.push((stored, begun.elapsed()));
            }
            times
        });
    }
    let times: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let per_second = SAVES as f64 / begun.elapsed().as_secs_f64();
    report(&format!("blob, {savers} at a time"), times.iter().map(|time| time.0).collect());
    report(&format!("save, {savers} at a time"), times.iter().map(|time| time.1).collect());
    println!("{:>34}  {per_second:.0} per second", "");
    environments.close().await;
}

/// Bytes of this number alone.
fn content(number: usize) -> Vec<u8> {
    number.to_le_bytes().repeat(SIZE / 8)
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("{what:>34}  p50 {:.3} ms  p90 {:.3} ms  p99 {:.3} ms", at(50), at(90), at(99));
}
