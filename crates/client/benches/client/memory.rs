//! How much memory a large sample and a large capture take while they pass.

use std::fs::File;

use belljar_client::{ArtifactKind, Options, Sample, Sandbox as _, Submission};
use futures_util::TryStreamExt as _;

use crate::{Server, tell};

pub(crate) async fn measure(server: &Server, bytes: u64) {
    let cuckoo = server.cuckoo(8);
    // Connected, and all that is made once is made.
    cuckoo.submit(&Sample::bytes("a.exe", vec![7; 1 << 20]), &Options::default()).await.unwrap();
    let sparse = tempfile::NamedTempFile::new().unwrap();
    File::set_len(sparse.as_file(), bytes).unwrap();

    let idle = forget_peak();
    cuckoo.submit(&Sample::path(sparse.path()), &Options::default()).await.unwrap();
    tell(&format!("memory above idle while uploading {} MiB", bytes >> 20), peak() - idle, None);

    let idle = forget_peak();
    let submission = Submission::new((bytes >> 20).to_string());
    let mut download = cuckoo.artifact(&submission, ArtifactKind::Pcap.into()).await.unwrap();
    let mut received = 0;
    while let Some(piece) = download.bytes.try_next().await.unwrap() {
        received += piece.len() as u64;
    }
    assert_eq!(received, bytes, "all of it came");
    tell(&format!("memory above idle while downloading {} MiB", bytes >> 20), peak() - idle, None);
}

/// Begins a new peak (`/proc/self/clear_refs`, see proc(5)); gives what is in use now, in MiB.
fn forget_peak() -> f64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

/// The peak of memory in use, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}
