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

use super::log::{Entry, Log, LogBody, Removal};
use crate::{Fingerprint, Hash};

/// An operation by its hash.
pub(super) type Said<'a> = (&'a Hash, &'a Entry);

/// Which operations know of which: the version graph, read towards what came later.
pub(super) struct Graph {
    later: BTreeMap<Hash, Vec<Hash>>,
}

impl Graph {
    pub(super) fn of(log: &Log) -> Self {
        let mut later: BTreeMap<Hash, Vec<Hash>> = BTreeMap::new();
        for (hash, entry) in log.entries() {
            entry.parents().for_each(|parent| later.entry(parent).or_default().push(*hash));
        }
        Self { later }
    }

    /// The operations whose authors knew of this one.
    pub(super) fn after(&self, hash: &Hash) -> BTreeSet<Hash> {
        let mut found = BTreeSet::new();
        let mut next = vec![*hash];
        while let Some(hash) = next.pop() {
            let later = self.later.get(&hash).into_iter().flatten();
            next.extend(later.filter(|hash| found.insert(**hash)));
        }
        found
    }
}

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
        let known = |hash: &Hash| {
            let own = |hash: &Hash| self.get(hash).is_some_and(|entry| entry.key == *by);
            own(hash) || graph.after(hash).iter().any(own)
        };
        self.entries().any(|(hash, entry)| ends(entry) && self.has_all_before(hash) && !known(hash))
    }
}

/// Of the operations of potential devices the removals that count.
pub(super) fn removals_that_count<'a>(log: &Log, said: &[Said<'a>]) -> Vec<(Said<'a>, &'a Removal)> {
    let judge = Judge::of(log, said);
    let void = judge.void();
    judge.removals.into_iter().filter(|((hash, _), _)| !void.contains(*hash)).collect()
}

struct Judge<'a, 'b> {
    log: &'b Log,
    said: &'b [Said<'a>],
    removals: Vec<(Said<'a>, &'a Removal)>,
    leaves: Vec<Said<'a>>,
}

/// What an operation that does not count would need not to be there.
#[derive(Default)]
struct Doubt {
    void: bool,
    /// Removals of its author: if one of these counts, it does not.
    shields: BTreeSet<Hash>,
}

impl<'a, 'b> Judge<'a, 'b> {
    fn of(log: &'b Log, said: &'b [Said<'a>]) -> Self {
        let removal = |op: &Said<'a>| Some((*op, op.1.body.removal()?));
        let leaves = said.iter().filter(|op| log.is_leave(op));
        let (removals, leaves) = (said.iter().filter_map(removal).collect(), leaves.copied().collect());
        Self { log, said, removals, leaves }
    }

    /// The ends of an author that leave this operation of its out.
    fn ends_before(&self, (hash, entry): Said<'a>) -> (Vec<Said<'a>>, Vec<Said<'a>>) {
        let beyond = |ends: &BTreeSet<Hash>| !self.log.chains(&entry.key, ends).contains(hash);
        let removed = self.removals.iter().filter(|(_, removal)| removal.target == entry.key);
        let removed = removed.filter(|(_, removal)| beyond(&removal.cut)).map(|(op, _)| *op);
        let left = self.leaves.iter().filter(|(_, leave)| leave.key == entry.key);
        let left = left.filter(|(leave, _)| beyond(&BTreeSet::from([**leave]))).copied();
        (removed.collect(), left.collect())
    }

    /// The removals that do not count. Of those that hang on one another in a circle all count.
    fn void(&self) -> BTreeSet<Hash> {
        let mut graph = None;
        let mut doubts = BTreeMap::new();
        for ((hash, entry), removal) in &self.removals {
            let (removed, left) = self.ends_before((hash, entry));
            if removed.is_empty() && left.is_empty() {
                continue;
            }
            let graph = graph.get_or_insert_with(|| Graph::of(self.log));
            let case = Case {
                judge: self,
                graph,
                removal: (hash, entry),
                target: removal.target,
                known: graph.after(hash),
            };
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
struct Case<'a, 'b, 'c> {
    judge: &'c Judge<'a, 'b>,
    graph: &'c Graph,
    removal: Said<'a>,
    target: Fingerprint,
    /// The operations that know of it.
    known: BTreeSet<Hash>,
}

impl Case<'_, '_, '_> {
    /// Whether the target knew of this end of the remover before it knew of the removal. What is not in the group cannot be forced
    /// out of it by one that is out, and who was let in by somebody that knew of the end knew of it from the beginning.
    fn is_shielded_by(&self, end: &Said<'_>) -> bool {
        let aware = self.graph.after(end.0);
        if end.1.key == self.target {
            return self.is_witnessed(&aware);
        }
        let introduces = |entry: &Entry| entry.introduced == Some(self.target);
        let is_in = self.judge.said.iter().any(|(_, entry)| introduces(entry));
        let knew = |(hash, entry): &Said<'_>| {
            let own = entry.key == self.target && !self.known.contains(*hash) && *hash != self.removal.0;
            aware.contains(*hash) && (own || introduces(entry))
        };
        !is_in || self.judge.said.iter().any(knew)
    }

    /// Whether the others knew of the target's removal of the remover first. `aware` are the operations that know of that one.
    fn is_witnessed(&self, aware: &BTreeSet<Hash>) -> bool {
        let parties = [self.removal.1.key, self.target];
        let others = || self.judge.said.iter().filter(|(_, entry)| !parties.contains(&entry.key));
        // What was said after its author's end is no testimony.
        let in_time = |(hash, entry): &Said<'_>| {
            let removals = self.judge.removals.iter().filter(|(_, removal)| removal.target == entry.key);
            let mut removals = removals.filter(|((_, by), _)| !parties.contains(&by.key));
            removals.all(|(_, removal)| self.judge.log.chains(&entry.key, &removal.cut).contains(*hash))
        };
        let against = |op: &Said<'_>| self.known.contains(op.0) && !aware.contains(op.0) && in_time(op);
        let mut for_it = others().filter(|(hash, _)| aware.contains(*hash) && !self.known.contains(*hash));
        for_it.next().is_some() && !others().any(against)
    }

    /// Whether the remover said it after it had left: nobody else heard of it before hearing of the leave, or the target knew of the
    /// leave first.
    fn is_after(&self, leave: &Said<'_>) -> bool {
        let aware = self.graph.after(leave.0);
        let (remover, target) = (self.removal.1.key, self.target);
        let out = |key: &Fingerprint| {
            self.judge.removals.iter().any(|(_, removal)| removal.target == *key)
                || self.judge.leaves.iter().any(|(_, leave)| leave.key == *key)
        };
        let attests = |(hash, entry): &Said<'_>| {
            entry.key != remover
                && entry.key != target
                && self.known.contains(*hash)
                && !aware.contains(*hash)
                && !out(&entry.key)
        };
        !self.judge.said.iter().any(attests) || self.is_shielded_by(leave)
    }
}
