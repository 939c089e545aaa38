//! The version graph of a log: which operations know of which, read towards what came later.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use super::log::Log;
use crate::Hash;

/// Which operations know of which. It is worked out when it is first asked, for all operations at once: a stolen member makes a log in
/// which most of them are asked after.
pub(super) struct Graph<'a> {
    log: &'a Log,
    later: OnceCell<Later>,
    whole: OnceCell<BTreeSet<Hash>>,
}

struct Later {
    places: BTreeMap<Hash, usize>,
    /// Of each operation, by its place, which ones know of it.
    after: Vec<Places>,
}

/// The operations whose authors knew of one.
#[derive(Clone, Copy)]
pub(super) struct After<'a> {
    later: &'a Later,
    found: Option<&'a Places>,
}

/// A set of operations by their places in the log.
#[derive(Clone)]
struct Places(Vec<u64>);

impl<'a> Graph<'a> {
    pub(super) const fn of(log: &'a Log) -> Self {
        Self { log, later: OnceCell::new(), whole: OnceCell::new() }
    }

    /// Whether all is in the log that this operation knows of.
    pub(super) fn is_whole(&self, hash: &Hash) -> bool {
        self.whole.get_or_init(|| self.log.whole()).contains(hash)
    }

    /// The operations whose authors knew of this one.
    pub(super) fn after(&self, hash: &Hash) -> After<'_> {
        let later = self.later.get_or_init(|| Later::of(self.log));
        let found = later.places.get(hash).and_then(|place| later.after.get(*place));
        After { later, found }
    }
}

impl After<'_> {
    pub(super) fn contains(self, hash: &Hash) -> bool {
        let place = self.later.places.get(hash);
        self.found.zip(place).is_some_and(|(found, place)| found.contains(*place))
    }
}

impl Later {
    fn of(log: &Log) -> Self {
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
