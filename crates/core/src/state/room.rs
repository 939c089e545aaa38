//! Who may take how much room in a log.
//!
//! A stolen device signs what it wants, as often as it wants, also with keys that it makes up, and nothing that was taken in is ever
//! dropped. So no author gets more than a share of the log, and what the others need to get rid of it has a reserve
//! ([`super::reserve`]) that it cannot take.

use std::collections::BTreeMap;

use super::{
    log::{Entry, Log, LogBody},
    reserve::{RESERVE_BYTES, Reserve},
};
use crate::Fingerprint;

/// The largest sum of a log's operations, in octets of their contents and signatures. No more than fits into one update beside the
/// account's keys and the settings.
pub const LOG_BYTES_MAX: usize = 700 << 10;
/// Of these, what is neither in the reserve nor within an author's own room.
const SHARED_BYTES: usize = 250 << 10;
/// Of the shared room, what one author may take.
const AUTHOR_BYTES: usize = SHARED_BYTES / 4;
/// Every author's own room for account keys and signs of life.
const OWN_BYTES: usize = 32 << 10;
/// So many of these an author may always sign, and an eighth of what the log may hold besides.
const OWN_OPERATIONS: usize = 8;

/// How much of a log is taken, and by whom.
pub(crate) struct Room {
    max: usize,
    operations: usize,
    /// Without what is in the reserve.
    bytes: usize,
    shared: usize,
    authors: BTreeMap<Fingerprint, Taken>,
    reserve: Reserve,
}

/// What one author has taken.
#[derive(Default)]
struct Taken {
    operations: usize,
    shared: usize,
    own: usize,
    own_operations: usize,
}

/// Where an operation finds room.
enum Place {
    Reserve,
    Own,
    Shared,
}

impl Room {
    /// Of what this log has, of at most `max` operations.
    pub(crate) fn of(log: &Log, max: usize) -> Self {
        let (authors, reserve) = (BTreeMap::new(), Reserve::of(log));
        let mut room = Self { max, operations: 0, bytes: 0, shared: 0, authors, reserve };
        log.entries().for_each(|(_, entry)| room.take(log, entry));
        room
    }

    /// Whether more than half of what members share is free. From there on an honest member signs only what ends something, and
    /// what follows from that; so members that keep to it never reach the bound, and what is taken in does not depend on the order
    /// in which it arrives.
    pub(crate) fn is_ample(&self) -> bool {
        self.operations < self.max.div_ceil(2) && self.shared < SHARED_BYTES / 2
    }

    /// Whether there is room for `author` to let a device in: where others have taken what members share, the reserve has some for that.
    pub(crate) fn admits(&self, author: &Fingerprint) -> bool {
        let few = self.operations < self.max.div_ceil(2);
        few && self.may_let_in(author) && (self.is_ample() || self.reserve.admits(author))
    }

    /// Whether `author` has let in fewer devices than one may.
    pub(crate) fn may_let_in(&self, author: &Fingerprint) -> bool {
        self.reserve.may_add(author)
    }

    fn place(&self, log: &Log, entry: &Entry) -> Place {
        if self.reserve.has(log, entry) {
            return Place::Reserve;
        }
        let taken = self.authors.get(&entry.key);
        let (own, operations) = taken.map_or((0, 0), |taken| (taken.own, taken.own_operations));
        let fits = own + entry.size() <= OWN_BYTES && operations < self.max / 8 + OWN_OPERATIONS;
        if matches!(entry.body, LogBody::AccountKey(_) | LogBody::Alive) && fits {
            Place::Own
        } else {
            Place::Shared
        }
    }

    /// Whether there is room for an operation that is not in the log yet.
    pub(super) fn has(&self, log: &Log, entry: &Entry) -> bool {
        let (adds, moves) = (matches!(entry.body, LogBody::Add(_)), matches!(entry.body, LogBody::Move(_)));
        if adds && (self.operations >= self.max || !self.may_let_in(&entry.key)) {
            return false;
        }
        if moves && !self.reserve.may_move(&entry.key) {
            return false;
        }
        let bytes = self.bytes + entry.size();
        match self.place(log, entry) {
            Place::Reserve => true,
            Place::Own => bytes <= LOG_BYTES_MAX - RESERVE_BYTES,
            Place::Shared => {
                let taken = self.authors.get(&entry.key);
                let (operations, shared) = taken.map_or((0, 0), |taken| (taken.operations, taken.shared));
                bytes <= LOG_BYTES_MAX - RESERVE_BYTES
                    && self.operations < self.max
                    && operations < self.max.div_ceil(4)
                    && self.shared + entry.size() <= SHARED_BYTES
                    && shared + entry.size() <= AUTHOR_BYTES
            }
        }
    }

    /// An operation of the log takes its room.
    pub(super) fn take(&mut self, log: &Log, entry: &Entry) {
        let (place, size) = (self.place(log, entry), entry.size());
        self.operations += 1;
        let taken = self.authors.entry(entry.key).or_default();
        taken.operations += 1;
        self.reserve.take(log, entry, matches!(place, Place::Reserve));
        match place {
            Place::Reserve => {}
            Place::Own => {
                taken.own += size;
                taken.own_operations += 1;
                self.bytes += size;
            }
            Place::Shared => {
                taken.shared += size;
                self.shared += size;
                self.bytes += size;
            }
        }
    }

    /// What the log has says anew who let whom in.
    pub(super) fn introduced(&mut self, log: &Log) {
        self.reserve.introduced(log);
    }
}
