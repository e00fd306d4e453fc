//! Who still needs a blob: what keeps a sweep from removing one that is being saved.
//!
//! A saver pins the blob, looks whether its file is there (writes it if not), inserts the row, unpins. A sweep condemns blobs
//! that nobody pins, then looks which of them a row names, then removes the others. Taking a pin pardons: a condemned blob is
//! removed only if nobody has pinned it since. So, whenever a saver comes:
//!
//! * pinned before it was condemned, and still: it is not condemned at all;
//! * unpinned before it was condemned: the row was committed before the sweep looked for it;
//! * pinned after it was condemned and before it is removed: pardoned;
//! * pinned after it was removed: the saver sees no file, and writes it.
//!
//! Nobody waits for anybody, and no lock is held while a database is asked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::BlobId;

/// The table of pins, of condemned blobs, and of blobs that perhaps no row names.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// How many savers need a blob.
    pins: HashMap<BlobId, usize>,
    /// Which sweep condemned a blob. The number tells a mark from that of a later sweep, after a pardon in between.
    condemned: HashMap<BlobId, u64>,
    /// Blobs that the next sweep has to look at, from this moment on.
    suspects: HashMap<BlobId, Timestamp>,
    sweeps: u64,
}

impl Pins {
    /// Keeps a blob from being removed while the pin lives.
    pub(crate) fn pin(self: &Arc<Self>, blob: BlobId) -> Pin {
        let mut table = self.table();
        *table.pins.entry(blob).or_default() += 1;
        table.condemned.remove(&blob);
        Pin { pins: Arc::clone(self), blob, named: false }
    }

    /// Has the sweeps from `due` on look whether a row names this blob.
    pub(crate) fn suspect(&self, blob: BlobId, due: Timestamp) {
        self.table().suspect(blob, due);
    }

    /// Condemns all suspects of this moment.
    pub(crate) fn condemn_suspects(self: &Arc<Self>, now: Timestamp) -> Condemned {
        let due: Vec<BlobId> = {
            let mut table = self.table();
            table.suspects.extract_if(|_, due| *due <= now).map(|(blob, _)| blob).collect()
        };
        self.condemn(due)
    }

    /// Condemns those of these blobs that nobody has pinned.
    pub(crate) fn condemn(self: &Arc<Self>, mut blobs: Vec<BlobId>) -> Condemned {
        let mut table = self.table();
        table.sweeps += 1;
        let sweep = table.sweeps;
        blobs.retain(|blob| {
            // Who has pinned it either names it in a row or makes it a suspect again.
            let free = !table.pins.contains_key(blob);
            if free {
                table.condemned.insert(*blob, sweep);
                table.suspects.remove(blob);
            }
            free
        });
        Condemned { pins: Arc::clone(self), sweep, blobs }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change of the table is complete in itself: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn suspect(&mut self, blob: BlobId, due: Timestamp) {
        let earliest = self.suspects.entry(blob).or_insert(due);
        *earliest = due.min(*earliest);
    }

    /// Whether the mark of this sweep still stands.
    fn is_condemned(&self, blob: &BlobId, sweep: u64) -> bool {
        self.condemned.get(blob) == Some(&sweep)
    }
}

/// While it lives, the file of this blob stays.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    blob: BlobId,
    named: bool,
}

impl Pin {
    /// Unpins a blob that a row names now.
    pub(crate) fn release_named(mut self) {
        self.named = true;
    }

    pub(crate) const fn blob(&self) -> &BlobId {
        &self.blob
    }

    /// Whether this pin is of this table.
    pub(crate) fn is_of(&self, pins: &Arc<Pins>) -> bool {
        Arc::ptr_eq(&self.pins, pins)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut table = self.pins.table();
        if let Entry::Occupied(mut count) = table.pins.entry(self.blob) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if !self.named {
            table.suspect(self.blob, Timestamp::MIN);
        }
    }
}

/// Blobs that a sweep is about to remove. Those that it did not decide about become suspects again.
#[derive(Debug)]
pub(crate) struct Condemned {
    pins: Arc<Pins>,
    sweep: u64,
    blobs: Vec<BlobId>,
}

impl Condemned {
    pub(crate) fn blobs(&self) -> &[BlobId] {
        &self.blobs
    }

    /// Lets those live for which `named` holds.
    pub(crate) fn pardon(&mut self, named: impl Fn(&BlobId) -> bool) {
        let mut table = self.pins.table();
        self.blobs.retain(|blob| {
            let pardoned = named(blob);
            if pardoned && table.is_condemned(blob, self.sweep) {
                table.condemned.remove(blob);
            }
            !pardoned
        });
    }

    /// Removes one after the other with `remove`, each unless a pin was taken since. `remove` holds up all savers: it must be
    /// quick. Counts those that `remove` says were there; the first error ends it.
    pub(crate) fn execute(
        &mut self,
        mut remove: impl FnMut(&BlobId) -> io::Result<bool>,
    ) -> Result<u64, (BlobId, io::Error)> {
        let mut removed = 0;
        while let Some(&blob) = self.blobs.last() {
            let mut table = self.pins.table();
            if table.is_condemned(&blob, self.sweep) {
                let there = remove(&blob).map_err(|error| (blob, error))?;
                removed += u64::from(there);
                table.condemned.remove(&blob);
            }
            self.blobs.pop();
        }
        Ok(removed)
    }
}

impl Drop for Condemned {
    fn drop(&mut self) {
        let mut table = self.pins.table();
        for blob in &self.blobs {
            if table.is_condemned(blob, self.sweep) {
                table.condemned.remove(blob);
                table.suspect(*blob, Timestamp::MIN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;

    const BLOB: BlobId = BlobId::from_digest([7; 32]);

    /// What a sweep would remove, by its last step.
    fn executed(condemned: &mut Condemned) -> u64 {
        condemned.execute(|_| Ok(true)).expect("removes")
    }

    #[test]
    fn a_blob_is_removed_only_if_nobody_pinned_it_since_it_was_condemned() {
        // What a saver does at each moment of a sweep -> whether the blob is removed.
        type Step = fn(&Arc<Pins>) -> Option<Box<dyn Any>>;
        let nothing: Step = |_| None;
        let pin: Step = |pins| Some(Box::new(pins.pin(BLOB)));
        let pin_and_name: Step = |pins| {
            pins.pin(BLOB).release_named();
            None
        };
        let pin_and_drop: Step = |pins| {
            drop(pins.pin(BLOB));
            None
        };
        let another_sweep: Step = |pins| {
            drop(pins.condemn(vec![BLOB]));
            None
        };
        let pin_then_another_sweep: Step = |pins| {
            pins.pin(BLOB).release_named();
            // Its own decision is still open when the first sweep comes to its last step.
            Some(Box::new(pins.condemn(vec![BLOB])))
        };
        let cases = [
            ("nobody", nothing, nothing, 1),
            ("pinned before", pin, nothing, 0),
            ("named before", pin_and_name, nothing, 1), // the row saves it: see `pardon`
            ("pinned meanwhile", nothing, pin, 0),
            ("named meanwhile", nothing, pin_and_name, 0),
            ("dropped meanwhile", nothing, pin_and_drop, 0),
            ("swept meanwhile", nothing, another_sweep, 0),
            ("named and swept meanwhile", nothing, pin_then_another_sweep, 0),
        ];
        for (name, before, meanwhile, removed) in cases {
            let pins = Arc::new(Pins::default());
            let _before = before(&pins);
            let mut condemned = pins.condemn(vec![BLOB]);
            let _meanwhile = meanwhile(&pins);
            assert_eq!(executed(&mut condemned), removed, "{name}");
        }
    }

    #[test]
    fn a_blob_that_a_row_names_is_pardoned() {
        let pins = Arc::new(Pins::default());
        let mut condemned = pins.condemn(vec![BLOB]);
        condemned.pardon(|_| true);
        assert_eq!(executed(&mut condemned), 0);
        assert!(pins.table().condemned.is_empty());
    }

    #[test]
    fn what_nobody_decided_about_stays_suspect() {
        let pins = Arc::new(Pins::default());
        let now = Timestamp::now();
        let suspects = || pins.condemn_suspects(now).blobs().len();
        assert_eq!(suspects(), 0);
        drop(pins.pin(BLOB));
        assert_eq!(suspects(), 1, "unpinned without a row");
        assert_eq!(suspects(), 1, "the sweep before was given up");
        let failed = pins.condemn_suspects(now).execute(|_| Err(io::ErrorKind::Other.into()));
        assert!(failed.is_err());
        assert_eq!(suspects(), 1, "could not be removed");
        assert_eq!(executed(&mut pins.condemn_suspects(now)), 1);
        assert_eq!(suspects(), 0, "removed");
        pins.suspect(BLOB, Timestamp::MAX);
        assert_eq!(suspects(), 0, "not due");
    }
}
