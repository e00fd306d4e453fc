//! What a launcher may ever grant, settled before the first stranger has spoken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::pin::{Pin, pin};
use crate::cgroup::{GroupLimits, Hierarchies};
use crate::error::SandboxError;
use crate::launch::sweep;
use crate::machine::Machine;
use crate::policy::{Policy, Reuse, Rootfs};
use crate::prepare::Prepared;

/// One kind of sandbox that may be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Its policy, letter for letter: a request for any other is refused.
    pub policy: Policy,
    /// Whether it is used again.
    pub reuse: Reuse,
}

/// Everything that a launcher may ever grant. Whoever takes the server over gets sandboxes of these kinds, as many as this, and
/// nothing else: no other directory of the host, no other user, no other network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charter {
    /// The kinds.
    pub grants: Vec<Grant>,
    /// Sandboxes at the same time, of all kinds together, those that are ending included.
    pub sandboxes: usize,
}

/// A charter whose plans are made and whose directories are held: later changes on the host's disk change nothing about it.
#[derive(Debug)]
pub(crate) struct Sealed {
    grants: Vec<Granted>,
    /// Sandboxes at the same time.
    pub(crate) sandboxes: usize,
    /// The facts that the plans were made from, some of which only root can read.
    pub(crate) machine: Machine,
    /// Where control groups are made.
    pub(crate) hierarchies: Hierarchies,
}

/// One kind of sandbox, ready to be made.
#[derive(Debug)]
pub(crate) struct Granted {
    grant: Grant,
    pub(crate) prepared: Rc<Prepared>,
    /// The directories of [`Prepared::sources`], by their paths.
    pub(crate) pins: BTreeMap<PathBuf, Pin>,
}

impl Sealed {
    /// Makes the plans and opens the directories.
    ///
    /// # Errors
    /// A policy cannot be carried out here, or one of its directories could be exchanged by somebody else than root and its owner.
    pub(crate) fn new(charter: Charter) -> Result<Self, SandboxError> {
        let hierarchies = Hierarchies::discover();
        sweep(&hierarchies);
        for grant in &charter.grants {
            // Which moves the server to another group, if it must: later it belongs to another user, and could not be looked at.
            hierarchies.prepare_for(&GroupLimits::from(&grant.policy.limits));
        }
        let machine = Machine::inspect(&hierarchies);
        let granted = |grant: Grant| {
            let mut prepared = Prepared::new(&grant.policy, &machine, grant.reuse)?;
            if let Rootfs::Directory(directory) = &grant.policy.rootfs
                && pin(directory)?.owner.0 != 0
            {
                let why = format!("the root directory '{}' is not root's", directory.display());
                return Err(SandboxError::Policy(why));
            }
            let mut pins = BTreeMap::new();
            for source in &mut prepared.sources {
                let pin = pin(&source.path)?;
                source.owner = pin.owner;
                pins.insert(source.path.clone(), pin);
            }
            Ok(Granted { grant, prepared: Rc::new(prepared), pins })
        };
        let grants = charter.grants.into_iter().map(granted).collect::<Result<_, _>>()?;
        Ok(Self { grants, sandboxes: charter.sandboxes, machine, hierarchies })
    }

    /// What was granted under this policy.
    ///
    /// # Errors
    /// Nothing was.
    pub(crate) fn granted(&self, policy: &Policy, reuse: Reuse) -> Result<&Granted, SandboxError> {
        let found = self.grants.iter().find(|granted| granted.grant.reuse == reuse && granted.grant.policy == *policy);
        found.ok_or_else(|| SandboxError::Policy("the launcher's charter has no such sandbox".to_owned()))
    }
}
