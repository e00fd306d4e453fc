//! Files whose change is to be noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// Between two looks. Looking takes a microsecond for each file, and works with every file system and every way to save a file.
const EVERY: Duration = Duration::from_secs(1);

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: (i64, i64),
    length: u64,
    inode: u64,
}

/// Files, as they were when somebody last looked.
#[derive(Debug, Default)]
pub(super) struct Watch(BTreeMap<PathBuf, Option<Stamp>>);

impl Watch {
    /// Looks at these from now on, as they are now.
    pub(super) fn begin(&mut self, files: BTreeSet<PathBuf>) {
        self.0 = files.into_iter().map(|file| (file.clone(), stamp(&file))).collect();
    }

    /// Waits until one has changed, and stayed so between two looks: whoever writes may be in the middle of it.
    pub(super) async fn changed(&mut self) -> PathBuf {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut suspected: Option<(PathBuf, Option<Stamp>)> = None;
        loop {
            ticks.tick().await;
            if let Some((file, seen)) = suspected.take() {
                let now = stamp(&file);
                // Gone is what it is for a moment when it is replaced in two steps.
                if now == seen && now.is_some() {
                    self.0.insert(file.clone(), now);
                    return file;
                }
            }
            suspected = self.0.iter().find_map(|(file, known)| {
                let now = stamp(file);
                (now != *known && now.is_some()).then(|| (file.clone(), now))
            });
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    let changed = (metadata.mtime(), metadata.mtime_nsec());
    Some(Stamp { changed, length: metadata.len(), inode: metadata.ino() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_noticed_however_it_is_made() {
        let place = tempfile::tempdir().expect("a directory");
        let [one, other] = ["one", "other"].map(|name| place.path().join(name));
        fs::write(&one, "1").expect("written");
        let mut watch = Watch::default();
        watch.begin(BTreeSet::from([one.clone(), other.clone()]));
        fs::write(&other, "new").expect("written");
        assert_eq!(watch.changed().await, other);
        let beside = place.path().join("beside");
        fs::write(&beside, "1").expect("written");
        fs::rename(&beside, &one).expect("renamed");
        assert_eq!(watch.changed().await, one);
    }
}
