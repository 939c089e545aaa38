//! What the devices of an account share of peers: what is newest, and what counts where the newest is dated ahead.

use std::collections::BTreeSet;

use crate::{Address, Date, Deletion, Entry, Known, Peers, Source, greatest::Greatest};

/// What is newest of each peer, and what counts where the newest is dated ahead: a state, and its own delta.
///
/// Anybody can claim any date, and a table that keeps the greatest would keep a claim from the year 2999 for ever. So a date
/// is believed no further than the reader's own time, which each method takes as `until`: what is dated later is kept,
/// and does not count. *Newest* is a semilattice that no clock touches, equal on all devices. *Counting* is empty but for what such
/// claims displaced: for each address whose newest entry is ahead, or was pushed out by such, the greatest that is not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Layers {
    pub(crate) newest: Peers,
    pub(crate) counting: Peers,
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

impl Layers {
    /// Nothing yet.
    #[must_use]
    pub const fn new(peers_max: usize) -> Self {
        Self { newest: Peers::new(peers_max), counting: Peers::new(peers_max) }
    }

    /// The bound of each table, in addresses.
    #[must_use]
    pub const fn peers_max(&self) -> usize {
        self.newest.peers_max()
    }

    /// What no clock has a part in: equal on all devices when all is told.
    #[must_use]
    pub const fn newest(&self) -> &Peers {
        &self.newest
    }

    /// Joins what another device knows, all of it or a part. The addresses of which something is known that was not.
    pub fn join(&mut self, delta: &Self, until: Date) -> BTreeSet<Address> {
        let named = delta.addresses();
        // What counted before may be displaced, or pushed out, by what is ahead.
        let pushes = delta.newest.is_ahead(until) || self.newest.is_crowded(until);
        let before = if pushes { self.newest.clone() } else { self.newest.only(&named) };
        if !pushes && !before.is_ahead(until) && self.counting.is_empty() && delta.counting.is_empty() {
            return self.newest.join(&delta.newest);
        }
        let mut counts = before.up_to(until);
        counts.join(&self.counting.only(&named));
        counts.join(&delta.newest.up_to(until));
        counts.join(&delta.counting.up_to(until));
        let mut changed = self.newest.join(&delta.newest);
        changed.append(&mut self.newest.join(&delta.counting));
        // What was displaced by something that was forgotten since.
        self.newest.join(&counts);
        self.counting.settle(&self.newest, until);
        counts.settle(&self.newest, until);
        changed.append(&mut self.counting.join(&counts));
        changed
    }

    /// Of the addresses that this delta changed those of which more counts here than it says: what was still ahead when its author
    /// had it displaced is lost there, and stands in here, where it was displaced later. What changes nothing is not answered, or
    /// devices of different clocks would answer one another for ever.
    pub(crate) fn lost_by(&self, delta: &Self, changed: &BTreeSet<Address>) -> BTreeSet<Address> {
        if self.counting.is_empty() {
            return BTreeSet::new();
        }
        self.counting.only(changed).above(&delta.counting).cloned().collect()
    }

    /// Joins facts that no device has sorted yet.
    pub(crate) fn add(&mut self, facts: Peers, until: Date) -> bool {
        !self.join(&facts.into(), until).is_empty()
    }

    /// Forgets a peer as of a date, or of the newest date known of it that counts. The date that the deletion got.
    pub fn delete(&mut self, addr: &Address, deletion: Deletion, until: Date) -> Date {
        let known = self.newest_date(addr, until).unwrap_or_default();
        let deletion = Deletion { date: deletion.date.max(known), ..deletion };
        let mut part = self.part_for(addr);
        part.delete(addr, deletion);
        if let Some(since) = self.since(addr) {
            part.keep(addr, Entry::Deleted(deletion), since);
        }
        self.add(part, until);
        deletion.date
    }

    /// The newest date known of a peer that counts.
    pub(crate) fn newest_date(&self, addr: &Address, until: Date) -> Option<Date> {
        let of = |peers: &Peers| {
            let entries = [Source::Header, Source::Gossip]
                .map(|source| peers.entry(addr, source, until).map(Entry::date));
            entries.into_iter().chain([peers.seen(addr, until)]).flatten().max()
        };
        of(&self.newest).max(of(&self.counting))
    }

    /// Whether the account wrote to this address.
    #[must_use]
    pub fn is_correspondent(&self, addr: &Address) -> bool {
        self.newest.is_correspondent(addr) || self.counting.is_correspondent(addr)
    }

    /// Keeps what is known of a correspondent among those, whatever others send; whether anything is different now.
    pub(crate) fn promote(&mut self, addr: &Address, until: Date) -> bool {
        if !self.is_correspondent(addr) {
            return false;
        }
        let promoted = Self { newest: self.newest.promoted(addr), counting: self.counting.promoted(addr) };
        !self.join(&promoted, until).is_empty()
    }

    /// Keeps what counts of somebody who prefers encryption among those, whatever strangers send; whether anything is different now.
    pub(crate) fn keep(&mut self, addr: &Address, until: Date) -> bool {
        let Some(entry) = entry(&[self], addr, Source::Header, until).cloned() else { return false };
        let kept = [&self.newest, &self.counting].map(|peers| peers.mutual.get(addr));
        if kept.into_iter().flatten().any(|early| early.entry == entry) {
            return false;
        }
        let Some(since) = self.since(addr).or(self.newest.can_keep(addr, &entry).then_some(until)) else {
            return false;
        };
        let mut part = Peers::new(self.peers_max());
        part.keep(addr, entry, since);
        self.add(part, until)
    }

    /// Since when a peer is among those who prefer encryption.
    fn since(&self, addr: &Address) -> Option<Date> {
        let both = [&self.newest, &self.counting].map(|peers| peers.mutual.get(addr));
        both.into_iter().flatten().map(|early| early.since).min()
    }

    /// What is said here, and counts, of those who prefer encryption there, as it stands among those: full tables of others have no
    /// room for it.
    pub(crate) fn lifted(&self, there: &Self, until: Date) -> Self {
        let mut lifted = Peers::new(self.peers_max());
        for addr in self.addresses() {
            if let Some(since) = there.since(&addr)
                && let Some(entry) = entry(&[self], &addr, Source::Header, until)
            {
                lifted.keep(&addr, entry.clone(), since);
            }
        }
        lifted.into()
    }

    /// An empty part that takes what is said of this address for where it belongs.
    pub(crate) fn part_for(&self, addr: &Address) -> Peers {
        let mut part = Peers::new(self.peers_max());
        let both = [&self.newest, &self.counting].map(|peers| peers.written.get(addr));
        if let Some(written) = both.into_iter().flatten().max() {
            part.written.raise(addr, *written);
        }
        part
    }

    /// What is known of these addresses alone: a delta.
    #[must_use]
    pub fn only(&self, addresses: &BTreeSet<Address>) -> Self {
        Self { newest: self.newest.only(addresses), counting: self.counting.only(addresses) }
    }

    /// Whether nothing is known; such a delta need not be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.counting.is_empty()
    }

    /// Every address of which something is kept, deletions included, in their order.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<Address> {
        let mut addresses = self.newest.addresses();
        addresses.append(&mut self.counting.addresses());
        addresses
    }

    /// Whether something is kept of an address that does not come before this.
    #[must_use]
    pub fn reaches(&self, from: &str) -> bool {
        let mut all = self.newest.all_addresses().chain(self.counting.all_addresses());
        all.any(|address| address.as_str() >= from)
    }

    /// Whether joining this changes nothing, whatever the time is: all of it is known, and nothing of either stands in for what is
    /// dated ahead.
    pub(crate) fn has(&self, delta: &Self) -> bool {
        self.counting.is_empty()
            && delta.counting.is_empty()
            && self.newest.only(&delta.newest.addresses()) == delta.newest
    }

    /// What is known of a peer; `None` if there is no key of it. `last_seen` is what was told, at least the header's date.
    #[must_use]
    pub fn peer(&self, addr: &Address, until: Date) -> Option<Peer<'_>> {
        read(&[self], addr, until)
    }

    /// Removes what is kept of a peer, unless it is one of these.
    pub(crate) fn forget(&mut self, addr: &Address, source: Source, unless: impl Fn(&Entry) -> bool) {
        for peers in [&mut self.newest, &mut self.counting] {
            for tables in [&mut peers.others, &mut peers.correspondents] {
                tables.of_mut(source).forget(addr, &unless);
            }
        }
    }

    /// Leaves the dates of mails out.
    pub(crate) fn forget_seen(&mut self) {
        for peers in [&mut self.newest, &mut self.counting] {
            let max = peers.peers_max();
            peers.others.seen = Greatest::new(max);
            peers.correspondents.seen = Greatest::new(max);
        }
    }

    /// Those whose headers were deleted.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = &Address> {
        let tables = [&self.newest, &self.counting].map(|peers| [&peers.others, &peers.correspondents]);
        let headers = tables.into_iter().flatten().flat_map(|tables| tables.headers.entries());
        headers.filter(|(_, entry)| matches!(entry, Entry::Deleted(_))).map(|(addr, _)| addr)
    }

    /// What is kept here of correspondents and of those who prefer encryption, and not there.
    pub(crate) fn missing_in(&self, there: &Self) -> Peers {
        let both = [&there.newest, &there.counting];
        let mut missing = self.newest.missing_in(both);
        missing.fill(&self.counting.missing_in(both));
        missing
    }

    /// Whether so many more may push out a correspondent, or somebody who prefers encryption.
    pub(crate) fn may_drop(&self, more: usize) -> bool {
        self.newest.may_drop(more)
    }

    /// As these devices were forced out, what they told gives way to anything else.
    pub(crate) fn distrust(&mut self, out: &BTreeSet<u64>) {
        self.newest.distrust(out);
        self.counting.distrust(out);
        self.newest.join(&self.counting);
    }
}

impl From<Peers> for Layers {
    fn from(newest: Peers) -> Self {
        let counting = Peers::new(newest.peers_max());
        Self { newest, counting }
    }
}

/// What all of these together show of a peer.
pub(crate) fn read<'a>(all: &[&'a Layers], addr: &Address, until: Date) -> Option<Peer<'a>> {
    let known = |source| entry(all, addr, source, until).and_then(Entry::known);
    let (header, gossip) = (known(Source::Header), known(Source::Gossip));
    if header.is_none() && gossip.is_none() {
        return None;
    }
    let seen = seen(all, addr, until).unwrap_or_default();
    Some(Peer { header, gossip, last_seen: header.map_or(seen, |header| header.date.max(seen)) })
}

/// The greatest entry of all of these that counts.
pub(crate) fn entry<'a>(
    all: &[&'a Layers],
    addr: &Address,
    source: Source,
    until: Date,
) -> Option<&'a Entry> {
    let both = all.iter().flat_map(|layers| [&layers.newest, &layers.counting]);
    both.filter_map(|peers| peers.entry(addr, source, until)).max()
}

/// The greatest date of a mail of all of these that counts.
pub(crate) fn seen(all: &[&Layers], addr: &Address, until: Date) -> Option<Date> {
    let both = all.iter().flat_map(|layers| [&layers.newest, &layers.counting]);
    both.filter_map(|peers| peers.seen(addr, until)).max()
}
