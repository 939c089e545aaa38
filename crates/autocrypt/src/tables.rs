//! The three tables that are kept of peers of one sort.

use std::collections::BTreeSet;

use crate::{Address, Date, Entry, Source, greatest::Greatest};

/// The greatest entries from `Autocrypt` headers and from gossip, and the dates of `last_seen` that had to be told: a
/// semilattice, table by table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tables {
    pub(crate) headers: Greatest<Entry>,
    pub(crate) gossip: Greatest<Entry>,
    pub(crate) seen: Greatest<Date>,
}

impl Tables {
    pub(crate) const fn new(peers_max: usize) -> Self {
        Self {
            headers: Greatest::new(peers_max),
            gossip: Greatest::new(peers_max),
            seen: Greatest::new(peers_max),
        }
    }

    pub(crate) const fn of(&self, source: Source) -> &Greatest<Entry> {
        match source {
            Source::Header => &self.headers,
            Source::Gossip => &self.gossip,
        }
    }

    pub(crate) const fn of_mut(&mut self, source: Source) -> &mut Greatest<Entry> {
        match source {
            Source::Header => &mut self.headers,
            Source::Gossip => &mut self.gossip,
        }
    }

    pub(crate) fn join(&mut self, other: &Self) -> BTreeSet<Address> {
        let mut changed = self.headers.join(&other.headers);
        changed.append(&mut self.gossip.join(&other.gossip));
        changed.append(&mut self.seen.join(&other.seen));
        changed
    }

    pub(crate) fn only(&self, addresses: &BTreeSet<Address>) -> Self {
        Self {
            headers: self.headers.only(addresses),
            gossip: self.gossip.only(addresses),
            seen: self.seen.only(addresses),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.entries().is_empty()
            && self.gossip.entries().is_empty()
            && self.seen.entries().is_empty()
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Address> {
        let keys = self.headers.entries().keys().chain(self.gossip.entries().keys());
        keys.chain(self.seen.entries().keys())
    }

    pub(crate) fn above<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Address> {
        let entries = self.headers.above(&other.headers).chain(self.gossip.above(&other.gossip));
        entries.chain(self.seen.above(&other.seen))
    }

    pub(crate) fn missing_in(&self, [one, two]: [&Self; 2]) -> Self {
        Self {
            headers: self.headers.missing_in([&one.headers, &two.headers]),
            gossip: self.gossip.missing_in([&one.gossip, &two.gossip]),
            seen: self.seen.missing_in([&one.seen, &two.seen]),
        }
    }

    pub(crate) fn fill(&mut self, other: &Self) {
        self.headers.fill(&other.headers);
        self.gossip.fill(&other.gossip);
        self.seen.fill(&other.seen);
    }

    pub(crate) fn may_drop(&self, more: usize) -> bool {
        self.headers.may_drop(more) || self.gossip.may_drop(more) || self.seen.may_drop(more)
    }

    pub(crate) fn up_to(&self, until: Date) -> Self {
        Self {
            headers: self.headers.up_to(until),
            gossip: self.gossip.up_to(until),
            seen: self.seen.up_to(until),
        }
    }

    pub(crate) fn is_ahead(&self, until: Date) -> bool {
        self.headers.is_ahead(until) || self.gossip.is_ahead(until) || self.seen.is_ahead(until)
    }

    pub(crate) fn is_crowded(&self, until: Date) -> bool {
        self.headers.is_crowded(until) || self.gossip.is_crowded(until) || self.seen.is_crowded(until)
    }

    pub(crate) fn settle(&mut self, newest: &Self, until: Date) {
        self.headers.settle(&newest.headers, until);
        self.gossip.settle(&newest.gossip, until);
        self.seen.settle(&newest.seen, until);
    }

    pub(crate) fn distrust(&mut self, out: &BTreeSet<u64>) {
        self.headers.change(|entry| entry.without(out));
        self.gossip.change(|entry| entry.without(out));
    }
}
