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

/// Which operations know of which: the version graph, read towards what came later. It is worked out once for all, in one pass over the log:
/// a stolen member makes a log in which most operations are asked after.
pub(super) struct Graph {
    places: BTreeMap<Hash, usize>,
    /// Of each operation, by its place, which ones know of it.
    after: Vec<Places>,
}

/// A set of operations by their places in the log.
#[derive(Clone, Default)]
struct Places(Vec<u64>);

/// The operations whose authors knew of one.
#[derive(Clone, Copy)]
pub(super) struct After<'a> {
    graph: &'a Graph,
    found: Option<&'a Places>,
}

impl Places {
    fn new(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)])
    }

    fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }
}

impl After<'_> {
    pub(super) fn contains(self, hash: &Hash) -> bool {
        let place = self.graph.places.get(hash);
        self.found.zip(place).is_some_and(|(found, place)| found.contains(*place))
    }
}

impl Graph {
    pub(super) fn of(log: &Log) -> Self {
        let places: BTreeMap<Hash, usize> =
            log.entries().zip(0..).map(|((hash, _), place)| (*hash, place)).collect();
        let parents: Vec<BTreeSet<usize>> = log
            .entries()
            .map(|(_, entry)| entry.parents().filter_map(|parent| places.get(&parent).copied()).collect())
            .collect();
        let mut later = vec![0_usize; places.len()];
        parents.iter().flatten().for_each(|parent| later[*parent] += 1);
        // What nothing follows is done first; no operation knows of itself, for it is known by its hash.
        let mut next: Vec<_> = (0..places.len()).filter(|place| later[*place] == 0).collect();
        let mut after = vec![Places::new(places.len()); places.len()];
        while let Some(place) = next.pop() {
            let mut own = after[place].clone();
            own.insert(place);
            for parent in &parents[place] {
                after[*parent].join(&own);
                later[*parent] -= 1;
                if later[*parent] == 0 {
                    next.push(*parent);
                }
            }
        }
        Self { places, after }
    }

    /// The operations whose authors knew of this one.
    pub(super) fn after(&self, hash: &Hash) -> After<'_> {
        let found = self.places.get(hash).and_then(|place| self.after.get(*place));
        After { graph: self, found }
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
        let own: Vec<_> =
            self.entries().filter(|(_, entry)| entry.key == *by).map(|(hash, _)| hash).collect();
        let known = |hash: &Hash| own.iter().any(|own| *own == hash || graph.after(hash).contains(own));
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
    /// The removals of each device by their places among all, with what each leaves standing.
    of: BTreeMap<Fingerprint, Vec<(usize, BTreeSet<Hash>)>>,
}

/// What is asked of a log again and again where one that ended removes others. To find it anew for each pair of a removal and an end would take a stolen
/// member's log for minutes.
struct Found<'a> {
    graph: Graph,
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
    fn of(log: &'b Log, said: &'b [Said<'a>]) -> Self {
        let removal = |op: &Said<'a>| Some((*op, op.1.body.removal()?));
        let leaves = said.iter().filter(|op| log.is_leave(op)).copied().collect();
        let removals: Vec<_> = said.iter().filter_map(removal).collect();
        let mut of: BTreeMap<Fingerprint, Vec<_>> = BTreeMap::new();
        for (place, (_, removal)) in removals.iter().enumerate() {
            let stands = log.chains(&removal.target, &removal.cut);
            of.entry(removal.target).or_default().push((place, stands));
        }
        Self { log, said, removals, leaves, of }
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
        Found { graph: Graph::of(self.log), of, left_out_by, out }
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
            let case = Case { said: self.said, found, removal, target, known: found.graph.after(hash) };
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
        let aware = self.found.graph.after(end.0);
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
        let aware = self.found.graph.after(leave.0);
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
