//! What an all-knowing observer of a run knows: who was paired by a person, who made which key, who was removed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sma_core::{Fingerprint, Folder, Muaa, Secret, Token, Uid};

use crate::symbolic::Symbolic;

/// Where an account key came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The device that held it first.
    pub device: Fingerprint,
    /// Devices that were removed, as far as that one knew, when the key was made.
    pub barred: BTreeSet<Fingerprint>,
}

/// What was true so far.
#[derive(Clone, Default, Debug)]
pub struct Truth {
    paired: BTreeMap<Fingerprint, Fingerprint>,
    /// Account keys by fingerprint.
    pub keys: BTreeMap<Fingerprint, Origin>,
    /// Devices that a person had removed.
    pub removed: BTreeSet<Fingerprint>,
    /// Of each device the members it had seen, and of these the removed ones that it saw go.
    pub seen: BTreeMap<Fingerprint, (BTreeSet<Fingerprint>, BTreeSet<Fingerprint>)>,
    /// Of each device and account key the versions it held, in the order in which it did.
    pub versions: BTreeMap<(Fingerprint, Fingerprint), Vec<Secret>>,
    /// Messages that arrived after their sender had died: it may have looked for them in vain before.
    pub late: BTreeSet<Token>,
    /// Messages that are nobody's: where they were put, and their octets.
    pub foreign: Vec<(Folder, Uid, Bytes)>,
}

impl Truth {
    /// A person typed the code of one device at the other.
    pub fn pair(&mut self, one: Fingerprint, other: Fingerprint) {
        let (one, other) = (self.component(one), self.component(other));
        if one != other {
            self.paired.insert(one, other);
        }
    }

    /// The same for all devices that people paired with one another, directly or not.
    #[must_use]
    pub fn component(&self, of: Fingerprint) -> Fingerprint {
        let mut at = of;
        while let Some(next) = self.paired.get(&at) {
            at = *next;
        }
        at
    }

    /// A folder, with all that is in it, is gone or was renumbered by somebody outside the archive.
    pub fn forget_foreign(&mut self, folder: Folder) {
        self.foreign.retain(|(place, ..)| *place != folder);
    }
}

/// The device keys of a device's group, its own included.
#[must_use]
pub fn member_keys(muaa: &Muaa<Symbolic>) -> BTreeSet<Fingerprint> {
    let others = muaa.siblings().into_iter().filter(|sibling| sibling.member).map(|one| one.fingerprint);
    others.chain([muaa.fingerprint()]).collect()
}
