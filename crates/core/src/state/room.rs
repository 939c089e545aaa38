//! Who may take how much room in a log.
//!
//! A stolen device signs what it wants, as often as it wants, and nothing that was taken in is ever dropped. So no author gets more
//! than a share of the log, and what the others need to get rid of it has room that it cannot take: a removal always fits, and so
//! does the account key that follows.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Entry, Log, LogBody};
use crate::Fingerprint;

/// The largest sum of a log's operations, in octets of their contents and signatures. No more than fits into one update beside the
/// account's keys and the settings.
pub const LOG_BYTES_MAX: usize = 700 << 10;
/// Of these, what is neither a removal nor within an author's own room.
const SHARED_BYTES: usize = 350 << 10;
/// Of the shared room, what one author may take.
const AUTHOR_BYTES: usize = SHARED_BYTES / 4;
/// Every author's own room for account keys and signs of life.
const OWN_BYTES: usize = 32 << 10;
/// So much of it an author has also when others have taken all else.
const FIRST_BYTES: usize = 2 << 10;
/// Of the whole, what is left for removals, leaves and these.
const RESERVE_BYTES: usize = 100 << 10;
/// So many of these an author may always sign, and an eighth of what the log may hold besides.
const OWN_OPERATIONS: usize = 8;

/// How much of a log is taken, and by whom.
pub(super) struct Room {
    max: usize,
    operations: usize,
    bytes: usize,
    shared: usize,
    authors: BTreeMap<Fingerprint, Taken>,
    introduced: BTreeSet<Fingerprint>,
}

/// What one author has taken.
#[derive(Default)]
struct Taken {
    operations: usize,
    shared: usize,
    own: usize,
    own_operations: usize,
    removed: BTreeSet<Fingerprint>,
    left: bool,
}

/// Where an operation finds room.
enum Place {
    /// Beyond all others: each author removes each device once, leaves once, and names a key or two.
    Reserved,
    Own,
    Shared,
}

impl Room {
    /// Of an empty log of at most `max` operations.
    pub(super) fn new(max: usize) -> Self {
        let (authors, introduced) = (BTreeMap::new(), BTreeSet::new());
        Self { max, operations: 0, bytes: 0, shared: 0, authors, introduced }
    }

    /// Of what this log has.
    pub(super) fn of(log: &Log, max: usize) -> Self {
        let mut room = Self::new(max);
        room.introduced.extend(log.entries().filter_map(|(_, entry)| entry.introduced));
        log.entries().for_each(|(_, entry)| room.take(entry));
        room
    }

    /// Whether more than half of what members share is free. From there on an honest member signs only what ends something, and
    /// what follows from that; so members that keep to it never reach the bound, and what is taken in does not depend on the order
    /// in which it arrives.
    pub(super) fn is_ample(&self) -> bool {
        self.operations < self.max.div_ceil(2) && self.shared < SHARED_BYTES / 2
    }

    fn place(&self, entry: &Entry) -> Place {
        let taken = self.authors.get(&entry.key);
        match &entry.body {
            LogBody::Remove(removal) => {
                let first = taken.is_none_or(|taken| !taken.removed.contains(&removal.target));
                if first && self.introduced.contains(&removal.target) {
                    Place::Reserved
                } else {
                    Place::Shared
                }
            }
            LogBody::Leave if taken.is_none_or(|taken| !taken.left) => Place::Reserved,
            LogBody::AccountKey(_) | LogBody::Alive => {
                let (own, operations) = taken.map_or((0, 0), |taken| (taken.own, taken.own_operations));
                let fits = own + entry.size() <= OWN_BYTES && operations < self.max / 8 + OWN_OPERATIONS;
                let first = own + entry.size() <= FIRST_BYTES;
                if !fits {
                    Place::Shared
                } else if first {
                    Place::Reserved
                } else {
                    Place::Own
                }
            }
            LogBody::Genesis(_)
            | LogBody::Add(_)
            | LogBody::Leave
            | LogBody::Expire(_)
            | LogBody::Move(_)
            | LogBody::Merge(_)
            | LogBody::Destroy(_)
            | LogBody::Veto(_)
            | LogBody::Restore(_)
            | LogBody::Unknown(_) => Place::Shared,
        }
    }

    /// Whether there is room for an operation that is not in the log yet.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        let bytes = self.bytes + entry.size();
        let taken = self.authors.get(&entry.key);
        match self.place(entry) {
            Place::Reserved => bytes <= LOG_BYTES_MAX,
            Place::Own => bytes <= LOG_BYTES_MAX - RESERVE_BYTES,
            Place::Shared => {
                let (operations, shared) = taken.map_or((0, 0), |taken| (taken.operations, taken.shared));
                bytes <= LOG_BYTES_MAX - RESERVE_BYTES
                    && self.operations < self.max
                    && operations < self.max.div_ceil(4)
                    && self.shared + entry.size() <= SHARED_BYTES
                    && shared + entry.size() <= AUTHOR_BYTES
            }
        }
    }

    /// The operation takes its room.
    pub(super) fn take(&mut self, entry: &Entry) {
        let (place, size) = (self.place(entry), entry.size());
        self.operations += 1;
        self.bytes += size;
        self.introduced.extend(entry.introduced);
        let taken = self.authors.entry(entry.key).or_default();
        taken.operations += 1;
        match place {
            Place::Reserved | Place::Own => {
                if let Some(removal) = entry.body.removal() {
                    taken.removed.insert(removal.target);
                } else if matches!(entry.body, LogBody::Leave) {
                    taken.left = true;
                } else {
                    taken.own += size;
                    taken.own_operations += 1;
                }
            }
            Place::Shared => {
                taken.shared += size;
                self.shared += size;
            }
        }
    }
}
