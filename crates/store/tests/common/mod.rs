//! What several tests of the store do.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use belljar_store::{Blobs, Environment, Environments, StoredBlob};

/// Long enough for no test to see the end of it.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// `size` bytes that no other seed gives.
pub(crate) fn content(seed: u64, size: usize) -> Vec<u8> {
    // SplitMix64 (Steele, Lea and Flood 2014), eight bytes at a time.
    let mut state = seed;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Stores bytes in one piece.
pub(crate) async fn store(blobs: &Blobs, bytes: &[u8]) -> StoredBlob {
    let mut writer = blobs.writer(u64::MAX);
    writer.write(bytes).await.expect("writes");
    writer.finish().await.expect("finishes")
}

/// Saves bytes as an environment.
pub(crate) async fn save(environments: &Environments, bytes: &[u8], lifetime: Duration) -> Environment {
    let blob = store(environments.blobs(), bytes).await;
    environments.save(blob, lifetime).await.expect("saves")
}

/// The bytes of an environment.
pub(crate) async fn read(environments: &Environments, environment: &Environment) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = environments.open_archive(environment).await.expect("opens");
    file.read_to_end(&mut bytes).expect("reads");
    bytes
}

/// All files below a directory, sorted.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Waits until a condition holds, and fails after ten seconds.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}
