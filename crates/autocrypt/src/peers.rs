//! The state of all peers that the devices of an account share.

use std::collections::BTreeSet;

use crate::{Address, Date, Entry, Fact, KEY_BYTES_MAX, Known, Source, greatest::Greatest};

/// What the devices of one account know of their peers together: a join-semilattice, and its own delta.
///
/// Three bounded tables of at most `peers_max` addresses each: the greatest entry from `Autocrypt` headers, the greatest
/// from gossip, and the dates of `last_seen` that had to be told. When a table is full its oldest entry makes room.
/// Devices that share a state must use the same bound.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peers {
    pub(crate) headers: Greatest<Entry>,
    pub(crate) gossip: Greatest<Entry>,
    pub(crate) seen: Greatest<Date>,
}

/// One peer as a device sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer<'a> {
    /// From the greatest `Autocrypt` header: Level 1's `autocrypt_timestamp`, `public_key` and `prefer_encrypt`.
    pub header: Option<&'a Known>,
    /// From the greatest gossip: Level 1's `gossip_timestamp` and `gossip_key`.
    pub gossip: Option<&'a Known>,
    /// The date of the newest mail, as far as it is known: Level 1's `last_seen`.
    pub last_seen: Date,
}

impl Peers {
    /// Nothing yet.
    #[must_use]
    pub const fn new(peers_max: usize) -> Self {
        Self {
            headers: Greatest::new(peers_max),
            gossip: Greatest::new(peers_max),
            seen: Greatest::new(peers_max),
        }
    }

    /// The bound of each table, in addresses.
    #[must_use]
    pub const fn peers_max(&self) -> usize {
        self.headers.max()
    }

    /// Adds an observation; whether anything is different now. A key that is empty or above [`KEY_BYTES_MAX`] octets
    /// has no effect.
    pub fn observe(&mut self, fact: &Fact) -> bool {
        let bounded = (1..=KEY_BYTES_MAX).contains(&fact.entry.key.len());
        bounded && self.table(fact.source).raise(&fact.addr, Entry::Known(fact.entry.clone()))
    }

    /// Adds that somebody saw a mail of this date from a peer; whether anything is different now.
    pub fn saw(&mut self, addr: &Address, date: Date) -> bool {
        self.seen.raise(addr, date)
    }

    /// Forgets a peer, its keys included, as of `date` or of the newest date known of it, whichever is later. A header of
    /// a later date brings the peer back, so `date` should be the store's newest date, not that of a clock that may be
    /// years ahead. Returns the date that the deletion got.
    pub fn delete(&mut self, addr: &Address, date: Date) -> Date {
        let known = [self.headers.get(addr), self.gossip.get(addr)].into_iter().flatten().map(Entry::date);
        let date = known.chain(self.seen.get(addr).copied()).fold(date, Date::max);
        self.headers.raise(addr, Entry::Deleted(date));
        self.gossip.raise(addr, Entry::Deleted(date));
        date
    }

    /// Joins what another device knows, all of it or a part. Associative, commutative and idempotent. The addresses
    /// of which something newer is known than before; one that a full table dropped is not named.
    pub fn join(&mut self, other: &Self) -> BTreeSet<Address> {
        let mut changed = self.headers.join(&other.headers);
        changed.append(&mut self.gossip.join(&other.gossip));
        changed.append(&mut self.seen.join(&other.seen));
        changed
    }

    /// What is known of these addresses alone: a delta.
    #[must_use]
    pub fn only(&self, addresses: &BTreeSet<Address>) -> Self {
        Self {
            headers: self.headers.only(addresses),
            gossip: self.gossip.only(addresses),
            seen: self.seen.only(addresses),
        }
    }

    /// Whether nothing is known; such a delta need not be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.entries().is_empty()
            && self.gossip.entries().is_empty()
            && self.seen.entries().is_empty()
    }

    /// Every address of which something is kept, deletions included, in their order.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<Address> {
        let keys = self.headers.entries().keys().chain(self.gossip.entries().keys());
        keys.chain(self.seen.entries().keys()).cloned().collect()
    }

    /// What is known of a peer; `None` if there is no key of it. `last_seen` is what was told, at least the header's date.
    #[must_use]
    pub fn peer(&self, addr: &Address) -> Option<Peer<'_>> {
        let header = self.headers.get(addr).and_then(Entry::known);
        let gossip = self.gossip.get(addr).and_then(Entry::known);
        if header.is_none() && gossip.is_none() {
            return None;
        }
        let told = self.seen.get(addr).copied().unwrap_or_default();
        let last_seen = header.map_or(told, |header| header.date.max(told));
        Some(Peer { header, gossip, last_seen })
    }

    const fn table(&mut self, source: Source) -> &mut Greatest<Entry> {
        match source {
            Source::Header => &mut self.headers,
            Source::Gossip => &mut self.gossip,
        }
    }
}
