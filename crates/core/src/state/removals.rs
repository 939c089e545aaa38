//! Which removals count.
//!
//! A removal counts whatever its author knew, so that nothing which arrives later undoes one. There is one bound to it: who is out
//! has no power over those who knew it. A removal does not count if its author had ended, the end leaves it out, and its target
//! shows that it knew of the end before it knew of the removal. So a device that hears of a removal by one that is out signs a sign
//! of life first, which names what it knew, and goes on.
//!
//! Of two that remove each other either could say so. There a third device tells which of the two removals it knew first. If none
//! does, or if they disagree, both are out; likewise in longer circles.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    graph::{After, Graph},
    log::{Entry, Log, LogBody, Removal},
};
use crate::{Fingerprint, Hash};

/// An operation by its hash.
pub(super) type Said<'a> = (&'a Hash, &'a Entry);

impl Log {
    /// Whether this is a leave that counts: one that knows of something which is not here is not taken for the end of a chain, or what is
    /// missing would come in behind it; nor could anybody make a key that follows it.
    pub(super) fn is_leave(&self, (hash, entry): &Said<'_>) -> bool {
        matches!(entry.body, LogBody::Leave) && self.has_all_before(hash)
    }

    /// Whether somebody said that this device is out, or it said so itself, of which nothing that `by` signed knows, and it can be known: what
    /// follows something that is not here is named by nobody.
    #[must_use]
    pub fn ends_unknown_to(&self, by: &Fingerprint, key: &Fingerprint) -> bool {
        let ends = |entry: &Entry| {
            let target = entry.body.removal().map(|removal| removal.target);
            let left = matches!(entry.body, LogBody::Leave).then_some(entry.key);
            target.or(left) == Some(*key)
        };
        let graph = Graph::of(self);
        let own: Vec<_> =
            self.entries().filter(|(_, entry)| entry.key == *by).map(|(hash, _)| hash).collect();
        let known = |hash: &Hash| own.iter().any(|own| *own == hash || graph.after(hash).contains(own));
        self.entries().any(|(hash, entry)| ends(entry) && self.has_all_before(hash) && !known(hash))
    }
}

/// Of the operations of potential devices the removals that count.
pub(super) fn removals_that_count<'a>(
    log: &Log,
    graph: &Graph<'_>,
    said: &[Said<'a>],
) -> Vec<(Said<'a>, &'a Removal)> {
    let judge = Judge::of(log, graph, said);
    let void = judge.void();
    judge.removals.into_iter().filter(|((hash, _), _)| !void.contains(*hash)).collect()
}

struct Judge<'a, 'b> {
    log: &'b Log,
    graph: &'b Graph<'b>,
    said: &'b [Said<'a>],
    removals: Vec<(Said<'a>, &'a Removal)>,
    leaves: Vec<Said<'a>>,
    /// The removals of each device by their places among all, with what each leaves standing.
    of: BTreeMap<Fingerprint, Vec<(usize, BTreeSet<Hash>)>>,
}

/// What is asked of a log again and again where one that ended removes others. To find it anew for each pair of a removal and an end would take a stolen
/// member's log for minutes.
struct Found<'a> {
    /// What shows what a device knew: its own operations, and those that let it in.
    of: BTreeMap<Fingerprint, Vec<Said<'a>>>,
    /// Of each operation the devices that removed its author and left it out.
    left_out_by: BTreeMap<Hash, BTreeSet<Fingerprint>>,
    /// Who was removed, or left.
    out: BTreeSet<Fingerprint>,
}

/// What an operation that does not count would need not to be there.
#[derive(Default)]
struct Doubt {
    void: bool,
    /// Removals of its author: if one of these counts, it does not.
    shields: BTreeSet<Hash>,
}

impl<'a, 'b> Judge<'a, 'b> {
    fn of(log: &'b Log, graph: &'b Graph<'b>, said: &'b [Said<'a>]) -> Self {
        let removal = |op: &Said<'a>| Some((*op, op.1.body.removal()?));
        let leaves = said.iter().filter(|op| log.is_leave(op)).copied().collect();
        let removals: Vec<_> = said.iter().filter_map(removal).collect();
        let mut of: BTreeMap<Fingerprint, Vec<_>> = BTreeMap::new();
        for (place, (_, removal)) in removals.iter().enumerate() {
            let stands = log.chains(&removal.target, &removal.cut);
            of.entry(removal.target).or_default().push((place, stands));
        }
        Self { log, graph, said, removals, leaves, of }
    }

    /// The ends of an author that leave this operation of its out.
    fn ends_before(&self, (hash, entry): Said<'a>) -> (Vec<Said<'a>>, Vec<Said<'a>>) {
        let removed = self.of.get(&entry.key).into_iter().flatten();
        let removed = removed.filter(|(_, stands)| !stands.contains(hash));
        let removed = removed.filter_map(|(place, _)| Some(self.removals.get(*place)?.0));
        let left = self.leaves.iter().filter(|(_, leave)| leave.key == entry.key);
        let before = |leave: &Hash| self.log.chains(&entry.key, &BTreeSet::from([*leave]));
        let left = left.filter(|(leave, _)| !before(leave).contains(hash)).copied();
        (removed.collect(), left.collect())
    }

    fn find(&self) -> Found<'a> {
        let mut of: BTreeMap<Fingerprint, Vec<Said<'a>>> = BTreeMap::new();
        let mut left_out_by: BTreeMap<Hash, BTreeSet<Fingerprint>> = BTreeMap::new();
        for op @ (hash, entry) in self.said.iter().copied() {
            let introduced = entry.introduced.filter(|device| *device != entry.key);
            [entry.key].into_iter().chain(introduced).for_each(|key| of.entry(key).or_default().push(op));
            for (place, stands) in self.of.get(&entry.key).into_iter().flatten() {
                let by = self.removals.get(*place).filter(|_| !stands.contains(hash));
                left_out_by.entry(*hash).or_default().extend(by.map(|((_, by), _)| by.key));
            }
        }
        let out = self.of.keys().copied().chain(self.leaves.iter().map(|(_, leave)| leave.key)).collect();
        Found { of, left_out_by, out }
    }

    /// The removals that do not count. Of those that hang on one another in a circle all count.
    fn void(&self) -> BTreeSet<Hash> {
        let mut found = None;
        let mut doubts = BTreeMap::new();
        for ((hash, entry), removal) in &self.removals {
            let (removed, left) = self.ends_before((hash, entry));
            if removed.is_empty() && left.is_empty() {
                continue;
            }
            let found = &*found.get_or_insert_with(|| self.find());
            let (removal, target) = ((*hash, *entry), removal.target);
            let (said, graph, known) = (self.said, self.graph, self.graph.after(hash));
            let case = Case { said, graph, found, removal, target, known };
            let shields = removed.iter().filter(|end| case.is_shielded_by(end)).map(|end| *end.0).collect();
            doubts.insert(**hash, Doubt { void: left.iter().any(|end| case.is_after(end)), shields });
        }
        let given = |void: &BTreeSet<Hash>| {
            let falls = |doubt: &Doubt| doubt.void || !doubt.shields.is_subset(void);
            doubts.iter().filter(|(_, doubt)| falls(doubt)).map(|(hash, _)| *hash).collect::<BTreeSet<_>>()
        };
        // The well-founded reading: what falls even if all that may fall falls.
        let mut void = BTreeSet::new();
        loop {
            let next = given(&given(&void));
            if next == void {
                return void;
            }
            void = next;
        }
    }
}

/// A removal by a device that ended.
struct Case<'a, 'b> {
    said: &'b [Said<'a>],
    graph: &'b Graph<'b>,
    found: &'b Found<'a>,
    removal: Said<'a>,
    target: Fingerprint,
    /// The operations that know of it.
    known: After<'b>,
}

impl Case<'_, '_> {
    /// Whether the target knew of this end of the remover before it knew of the removal. What is not in the group cannot be forced
    /// out of it by one that is out, and who was let in by somebody that knew of the end knew of it from the beginning.
    fn is_shielded_by(&self, end: &Said<'_>) -> bool {
        let aware = self.graph.after(end.0);
        if end.1.key == self.target {
            return self.is_witnessed(aware);
        }
        let introduces = |entry: &Entry| entry.introduced == Some(self.target);
        let shows = || self.found.of.get(&self.target).into_iter().flatten();
        let is_in = shows().any(|(_, entry)| introduces(entry));
        let knew = |(hash, entry): &Said<'_>| {
            let own = entry.key == self.target && !self.known.contains(hash) && *hash != self.removal.0;
            aware.contains(hash) && (own || introduces(entry))
        };
        !is_in || shows().any(knew)
    }

    /// Whether the others knew of the target's removal of the remover first. `aware` are the operations that know of that one.
    fn is_witnessed(&self, aware: After<'_>) -> bool {
        let parties = [self.removal.1.key, self.target];
        let others = || self.said.iter().filter(|(_, entry)| !parties.contains(&entry.key));
        // What was said after its author's end is no testimony.
        let in_time = |hash: &Hash| {
            let by = self.found.left_out_by.get(hash);
            by.is_none_or(|by| by.iter().all(|key| parties.contains(key)))
        };
        let against =
            |(hash, _): &Said<'_>| self.known.contains(hash) && !aware.contains(hash) && in_time(hash);
        let mut for_it = others().filter(|(hash, _)| aware.contains(hash) && !self.known.contains(hash));
        for_it.next().is_some() && !others().any(against)
    }

    /// Whether the remover said it after it had left: nobody else heard of it before hearing of the leave, or the target knew of the
    /// leave first.
    fn is_after(&self, leave: &Said<'_>) -> bool {
        let aware = self.graph.after(leave.0);
        let (remover, target) = (self.removal.1.key, self.target);
        let attests = |(hash, entry): &Said<'_>| {
            entry.key != remover
                && entry.key != target
                && self.known.contains(hash)
                && !aware.contains(hash)
                && !self.found.out.contains(&entry.key)
        };
        !self.said.iter().any(attests) || self.is_shielded_by(leave)
    }
}
