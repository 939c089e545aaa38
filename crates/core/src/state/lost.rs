//! Who is taken for lost, and whose word has no power since: seen from an expiry, its target is back as soon as it has signed
//! something that the expiry does not know of. Nobody can tell from a log in whose hands it is then. So its removals and expiries
//! count only against those who did not know of the expiry first, until a device that is not of its *party* vouches for it.

use std::collections::BTreeSet;

use super::{
    members::reach,
    removals::{Judge, Said},
};
use crate::{Fingerprint, Hash};

/// A device that is taken for lost.
pub(super) struct Lost<'a> {
    /// The expiry.
    pub(super) op: Said<'a>,
    pub(super) target: Fingerprint,
    /// What it knows of.
    known: BTreeSet<Hash>,
    /// What its target signed that it does not know of.
    late: BTreeSet<Hash>,
    /// The target, and whom it let in since, or one that came by it, of those that the expiry does not know of.
    party: BTreeSet<Fingerprint>,
    /// What devices that are not of the party said for one that is, as it was back.
    vouches: BTreeSet<Hash>,
}

impl<'a> Lost<'a> {
    /// The expiries that no removal leaves out but by their target's party, and no leave.
    pub(super) fn all(judge: &Judge<'a, '_>) -> Vec<Self> {
        let expiry = |op: &Said<'a>| Some((*op, op.1.body.expiry()?.target));
        let expiries: Vec<_> = judge.said.iter().filter_map(expiry).collect();
        if expiries.is_empty() {
            return Vec::new();
        }
        let lost = expiries.into_iter().map(|(op, target)| Self::of(judge, op, target));
        lost.filter(|lost| lost.stands(judge)).collect()
    }

    fn of(judge: &Judge<'a, '_>, op: Said<'a>, target: Fingerprint) -> Self {
        let known = judge.log.before(op.0);
        let is_late = |(hash, entry): &Said<'_>| {
            entry.key == target && !known.contains(*hash) && judge.log.has_all_before(hash)
        };
        let late: BTreeSet<_> = judge.said.iter().filter(|op| is_late(op)).map(|op| *op.0).collect();
        let by_known = judge.said.iter().filter(|op| known.contains(op.0));
        let elders: BTreeSet<_> =
            by_known.filter_map(|(_, entry)| entry.introduced).filter(|key| *key != target).collect();
        let undisputed = |op: Said<'a>| judge.ends_before(op).by_none_of(&elders);
        let mut party = BTreeSet::from([target]);
        loop {
            let by_party = |(hash, entry): &&Said<'a>| {
                party.contains(&entry.key) && (entry.key != target || late.contains(*hash))
            };
            let new = judge.said.iter().filter(|(_, entry)| entry.introduced.is_some()).filter(by_party);
            let new = new.filter(|op| undisputed(**op)).filter_map(|(_, entry)| entry.introduced);
            let new: Vec<_> = new.filter(|key| !elders.contains(key) && !party.contains(key)).collect();
            if new.is_empty() {
                break;
            }
            party.extend(new);
        }
        let mut vouches = BTreeSet::new();
        if judge.said.iter().any(|(_, entry)| entry.body.vouching().is_some()) {
            let others = reach(judge.said, |op| undisputed(op) && !late.contains(op.0));
            let vouch = |(hash, entry): &&Said<'a>| {
                entry.body.vouching().is_some_and(|vouching| party.contains(&vouching.target))
                    && others.contains(&entry.key)
                    && !party.contains(&entry.key)
                    && !judge.log.before(hash).is_disjoint(&late)
            };
            let said = judge.said.iter().filter(vouch).filter(|op| undisputed(**op));
            vouches.extend(said.map(|op| *op.0));
        }
        Self { op, target, known, late, party, vouches }
    }

    fn stands(&self, judge: &Judge<'_, '_>) -> bool {
        let ends = judge.ends_before(self.op);
        self.op.1.key != self.target && ends.by_none_but(&self.party)
    }

    /// Whether its target has signed something since.
    pub(super) fn is_back(&self) -> bool {
        !self.late.is_empty()
    }

    /// Those who are unvouched for: nobody has vouched for them.
    pub(super) fn unvouched(&self) -> Option<&BTreeSet<Fingerprint>> {
        (self.is_back() && self.vouches.is_empty()).then_some(&self.party)
    }

    pub(super) fn party(&self) -> &BTreeSet<Fingerprint> {
        &self.party
    }

    /// Whether nobody has to believe this: the party signed it after the expiry, and nobody vouches for one of them.
    pub(super) fn disbelieves(&self, (hash, entry): Said<'_>) -> bool {
        let by_party = if entry.key == self.target {
            !self.known.contains(hash)
        } else {
            self.party.contains(&entry.key)
        };
        by_party && self.vouches.is_empty()
    }
}
