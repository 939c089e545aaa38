//! What is known of peers, whatever the time is.

use std::collections::BTreeSet;

use crate::{
    Address, Date, Deletion, Entry, Fact, KEY_BYTES_MAX, Preference, Source,
    fact::Written,
    greatest::{Early, Greatest},
    tables::Tables,
};

/// What is known of peers, whatever the time is: a join-semilattice, and its own delta.
///
/// For peers whom the account wrote to, its *correspondents*, and apart from them for all *others*, three bounded tables of at most
/// `peers_max` addresses each: the greatest entry from `Autocrypt` headers, the greatest from gossip, and the dates of `last_seen`
/// that had to be told. A seventh has the correspondents. When a table is full its least entry makes room, so whatever
/// others send never pushes out a correspondent. Devices that share a state must use the same bound.
///
/// An eighth keeps the headers of those who prefer encryption and to whom nobody wrote yet. Strangers claim that, too, and any date, so
/// nothing that a mail says may decide there who makes room: who was taken in first stays, by the clock of the device that did. Each entry
/// carries that time, and one order by it, then by entry, is total; so it is a join like the others, and what comes
/// later never pushes out what was there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peers {
    pub(crate) others: Tables,
    pub(crate) correspondents: Tables,
    pub(crate) written: Greatest<Written>,
    pub(crate) mutual: Greatest<Early>,
}

impl Peers {
    /// Nothing yet.
    #[must_use]
    pub const fn new(peers_max: usize) -> Self {
        Self {
            others: Tables::new(peers_max),
            correspondents: Tables::new(peers_max),
            written: Greatest::new(peers_max),
            mutual: Greatest::new(peers_max),
        }
    }

    /// The bound of each table, in addresses.
    #[must_use]
    pub const fn peers_max(&self) -> usize {
        self.written.max()
    }

    /// Adds an observation; whether anything is different now. A key that is empty or above [`KEY_BYTES_MAX`] octets
    /// has no effect.
    pub fn observe(&mut self, fact: &Fact) -> bool {
        let bounded = (1..=KEY_BYTES_MAX).contains(&fact.entry.key.len());
        let entry = Entry::Known(fact.entry.clone());
        bounded && self.tables_for(&fact.addr).of_mut(fact.source).raise(&fact.addr, entry)
    }

    /// Adds that somebody saw a mail of this date from a peer; whether anything is different now.
    pub fn saw(&mut self, addr: &Address, date: Date) -> bool {
        self.tables_for(addr).seen.raise(addr, date)
    }

    /// Adds that the account wrote to this address, in the thirty days around this date, as this device tells; whether anything is
    /// different now. What is known of it is kept among the correspondents from now on.
    pub fn wrote(&mut self, addr: &Address, date: Date, reporter: u64) -> bool {
        let date = date.month();
        let known = self.written.get(addr).is_some_and(|known| known.stands && known.date >= date);
        let written = !known && self.written.raise(addr, Written { stands: true, date, reporter });
        let promoted = self.promoted(addr);
        !self.join(&promoted).is_empty() || written
    }

    /// Forgets a peer, its keys included, as of a date. A header of a later date brings the peer back.
    pub fn delete(&mut self, addr: &Address, deletion: Deletion) {
        let correspondents = self.is_correspondent(addr).then_some(&mut self.correspondents);
        for tables in correspondents.into_iter().chain([&mut self.others]) {
            tables.headers.raise(addr, Entry::Deleted(deletion));
            tables.gossip.raise(addr, Entry::Deleted(deletion));
        }
        if let Some(since) = self.mutual.get(addr).map(|early| early.since) {
            self.keep(addr, Entry::Deleted(deletion), since);
        }
    }

    /// Keeps an entry from a header among those who prefer encryption, since a time; whether anything is different now.
    pub fn keep(&mut self, addr: &Address, entry: Entry, since: Date) -> bool {
        self.mutual.raise(addr, Early { since, entry })
    }

    /// Whether one more can be kept of those who prefer encryption, and this is one.
    pub(crate) fn can_keep(&self, addr: &Address, entry: &Entry) -> bool {
        let mutual = matches!(entry, Entry::Known(known) if known.preference == Preference::Mutual);
        mutual && !self.is_correspondent(addr) && self.mutual.entries().len() < self.peers_max()
    }

    /// Whether the account wrote to this address.
    #[must_use]
    pub fn is_correspondent(&self, addr: &Address) -> bool {
        self.written.get(addr).is_some()
    }

    /// Joins what another device knows, all of it or a part. Associative, commutative and idempotent. The addresses
    /// of which something newer is known than before; one that a full table dropped is not named.
    pub fn join(&mut self, other: &Self) -> BTreeSet<Address> {
        let mut changed = self.others.join(&other.others);
        changed.append(&mut self.correspondents.join(&other.correspondents));
        changed.append(&mut self.written.join(&other.written));
        changed.append(&mut self.mutual.join(&other.mutual));
        changed
    }

    /// What is known of these addresses alone: a delta.
    #[must_use]
    pub fn only(&self, addresses: &BTreeSet<Address>) -> Self {
        Self {
            others: self.others.only(addresses),
            correspondents: self.correspondents.only(addresses),
            written: self.written.only(addresses),
            mutual: self.mutual.only(addresses),
        }
    }

    /// Whether nothing is known; such a delta need not be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let tables = self.others.is_empty() && self.correspondents.is_empty();
        tables && self.written.entries().is_empty() && self.mutual.entries().is_empty()
    }

    /// Every address of which something is kept, deletions included, in their order.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<Address> {
        self.all_addresses().cloned().collect()
    }

    /// As [`Peers::addresses`], in no order, and some more than once.
    pub(crate) fn all_addresses(&self) -> impl Iterator<Item = &Address> {
        let all = self.others.addresses().chain(self.correspondents.addresses());
        all.chain(self.written.entries().keys()).chain(self.mutual.entries().keys())
    }

    /// The greatest entry of a peer that is dated no later than this.
    #[must_use]
    pub fn entry(&self, addr: &Address, source: Source, until: Date) -> Option<&Entry> {
        let both = [&self.others, &self.correspondents].map(|tables| tables.of(source).get(addr));
        let early = self.mutual.get(addr).filter(|_| source == Source::Header).map(|early| &early.entry);
        both.into_iter().flatten().chain(early).filter(|entry| entry.date() <= until).max()
    }

    /// The greatest date of a peer's mails that had to be told and that is no later than this.
    #[must_use]
    pub fn seen(&self, addr: &Address, until: Date) -> Option<Date> {
        let both = [&self.others, &self.correspondents].map(|tables| tables.seen.get(addr));
        both.into_iter().flatten().copied().filter(|date| *date <= until).max()
    }

    /// What of an address stands among the others, or those who prefer encryption, as it stands among the correspondents.
    pub(crate) fn promoted(&self, addr: &Address) -> Self {
        let one = BTreeSet::from([addr.clone()]);
        let mut promoted = Self { correspondents: self.others.only(&one), ..Self::new(self.peers_max()) };
        if let Some(early) = self.mutual.get(addr) {
            promoted.correspondents.headers.raise(addr, early.entry.clone());
        }
        promoted
    }

    pub(crate) fn above<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Address> {
        let both = self.others.above(&other.others).chain(self.correspondents.above(&other.correspondents));
        both.chain(self.written.above(&other.written)).chain(self.mutual.above(&other.mutual))
    }

    pub(crate) fn up_to(&self, until: Date) -> Self {
        Self {
            others: self.others.up_to(until),
            correspondents: self.correspondents.up_to(until),
            written: self.written.up_to(until),
            mutual: self.mutual.up_to(until),
        }
    }

    pub(crate) fn is_ahead(&self, until: Date) -> bool {
        self.others.is_ahead(until)
            || self.correspondents.is_ahead(until)
            || self.written.is_ahead(until)
            || self.mutual.is_ahead(until)
    }

    pub(crate) fn is_crowded(&self, until: Date) -> bool {
        self.others.is_crowded(until)
            || self.correspondents.is_crowded(until)
            || self.written.is_crowded(until)
            || self.mutual.is_crowded(until)
    }

    pub(crate) fn settle(&mut self, newest: &Self, until: Date) {
        self.others.settle(&newest.others, until);
        self.correspondents.settle(&newest.correspondents, until);
        self.written.settle(&newest.written, until);
        self.mutual.settle(&newest.mutual, until);
    }

    /// What is kept here of correspondents and of those who prefer encryption, and of whom neither of these keeps it.
    pub(crate) fn missing_in(&self, others: [&Self; 2]) -> Self {
        Self {
            others: Tables::new(self.peers_max()),
            correspondents: self.correspondents.missing_in(others.map(|peers| &peers.correspondents)),
            written: self.written.missing_in(others.map(|peers| &peers.written)),
            mutual: self.mutual.missing_in(others.map(|peers| &peers.mutual)),
        }
    }

    /// Takes these in as far as there is room: what was there before stays.
    pub(crate) fn fill(&mut self, other: &Self) {
        self.correspondents.fill(&other.correspondents);
        self.written.fill(&other.written);
        self.mutual.fill(&other.mutual);
    }

    /// Removes what is kept of a peer.
    pub(crate) fn forget(&mut self, addr: &Address) {
        for tables in [&mut self.others, &mut self.correspondents] {
            tables.headers.forget(addr, |_| false);
            tables.gossip.forget(addr, |_| false);
        }
        self.mutual.forget(addr, |_| false);
    }

    /// Whether so many more may push out a correspondent, or somebody who prefers encryption.
    pub(crate) fn may_drop(&self, more: usize) -> bool {
        self.correspondents.may_drop(more) || self.written.may_drop(more) || self.mutual.may_drop(more)
    }

    pub(crate) fn distrust(&mut self, out: &BTreeSet<u64>) {
        self.others.distrust(out);
        self.correspondents.distrust(out);
        self.written.change(|written| written.without(out));
        self.mutual.change(|early| Early { entry: early.entry.without(out), ..early });
    }

    fn tables_for(&mut self, addr: &Address) -> &mut Tables {
        if self.is_correspondent(addr) { &mut self.correspondents } else { &mut self.others }
    }
}
