//! Room in a log that nobody can take from others.
//!
//! Whoever has a member's key makes up as many devices as it likes, each with room like any member. So the reserve goes by who let
//! whom in: each device that the founder let in has a part of it, with all that came by it. Of this part, what one device brings
//! in by letting others in is always less than what it came by has. So a device that floods the log leaves room for its removal,
//! and for what follows from that, to everybody that it did not let in, and to whoever let it in.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Entry, Log, LogBody};
use crate::Fingerprint;

/// What a device that the founder let in may sign with all that came by it to end something, in octets. The founder's own is as large.
const ENDINGS_BYTES: usize = 10 << 10;
/// The same for letting devices in.
const ADDS_BYTES: usize = 4 << 10;
/// Each step away from the founder has so much less of either, down to this.
const STEP_BYTES: usize = 1 << 10;
/// About what an operation needs that lets a device in.
const ADD_BYTES: usize = 1 << 10;
/// So many devices one key lets in; besides, it may move.
const ADDED_MAX: usize = 23;
/// All parts: the founder's own and those of the devices that it may let in.
pub(super) const RESERVE_BYTES: usize = (1 + ADDED_MAX + 1) * (ENDINGS_BYTES + ADDS_BYTES);

/// What room in the reserve is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// Removals, the account key that follows one, and leaves; vetoes and restorations, which undo what a thief began.
    Ending,
    /// Letting a device in, and moves.
    Adding,
}

/// What of a log's reserve is taken.
pub(super) struct Reserve {
    came_by: CameBy,
    /// How much by a device and all that came by it.
    taken: BTreeMap<(Fingerprint, Use), usize>,
    /// How many devices a device let in, the key to which it moved among them.
    added: BTreeMap<Fingerprint, usize>,
}

/// By whom the devices of a log came.
#[derive(Default)]
pub(super) struct CameBy {
    founder: Option<Fingerprint>,
    /// A device may have come by several: whoever floods the log lets the others in once more, and must take nothing from them by that.
    by: BTreeMap<Fingerprint, BTreeSet<Fingerprint>>,
    /// The fewest steps from the founder to each device.
    steps: BTreeMap<Fingerprint, usize>,
}

impl Reserve {
    /// Of a log, with nothing taken yet.
    pub(super) fn of(log: &Log) -> Self {
        Self { came_by: CameBy::of(log), taken: BTreeMap::new(), added: BTreeMap::new() }
    }

    /// A device was let in.
    pub(super) fn introduced(&mut self, log: &Log) {
        self.came_by = CameBy::of(log);
    }

    /// Whether `author` may let one more device in.
    pub(super) fn may_add(&self, author: &Fingerprint) -> bool {
        self.added.get(author).is_none_or(|added| *added < ADDED_MAX)
    }

    /// Whether `author` may move: whoever let in all that it may does so still.
    pub(super) fn may_move(&self, author: &Fingerprint) -> bool {
        self.added.get(author).is_none_or(|added| *added <= ADDED_MAX)
    }

    /// Whether the author of an operation that is not in the log yet has room for it.
    pub(super) fn has(&self, log: &Log, entry: &Entry) -> bool {
        Use::of(log, entry).is_some_and(|used| self.fits(&entry.key, used, entry.size()))
    }

    /// Whether `author` has room for letting a device in.
    pub(super) fn admits(&self, author: &Fingerprint) -> bool {
        self.fits(author, Use::Adding, ADD_BYTES)
    }

    /// An operation of the log, which takes its room here if it is `reserved`.
    pub(super) fn take(&mut self, log: &Log, entry: &Entry, reserved: bool) {
        if entry.introduced.is_some_and(|device| device != entry.key) {
            *self.added.entry(entry.key).or_default() += 1;
        }
        let Some(used) = Use::of(log, entry).filter(|_| reserved) else { return };
        for device in self.ways(&entry.key, |_| true) {
            *self.taken.entry((device, used)).or_default() += entry.size();
        }
    }

    fn fits(&self, author: &Fingerprint, used: Use, size: usize) -> bool {
        let fits = |device: &Fingerprint| {
            let taken = self.taken.get(&(*device, used)).copied().unwrap_or_default();
            let steps = self.came_by.steps.get(device).copied().unwrap_or(usize::MAX);
            taken + size <= used.part(steps)
        };
        let ways = self.ways(author, fits);
        ways.iter().any(|device| Some(*device) == self.came_by.founder || self.came_by_founder(device))
    }

    fn came_by_founder(&self, device: &Fingerprint) -> bool {
        self.came_by
            .founder
            .is_some_and(|founder| self.came_by.by.get(device).is_some_and(|by| by.contains(&founder)))
    }

    /// A device and those by which it came, one after the other, as far as they fit: without the founder, unless it is the founder.
    fn ways(&self, key: &Fingerprint, fits: impl Fn(&Fingerprint) -> bool) -> BTreeSet<Fingerprint> {
        let (mut ways, mut next) = (BTreeSet::new(), vec![*key]);
        while let Some(device) = next.pop() {
            if fits(&device) && ways.insert(device) && Some(device) != self.came_by.founder {
                let by = self.came_by.by.get(&device).into_iter().flatten().copied();
                next.extend(by.filter(|by| Some(*by) != self.came_by.founder));
            }
        }
        ways
    }
}

impl Use {
    fn of(log: &Log, entry: &Entry) -> Option<Self> {
        match &entry.body {
            LogBody::Remove(_) | LogBody::Leave | LogBody::Veto(_) | LogBody::Restore(_) => {
                Some(Self::Ending)
            }
            LogBody::Add(_) | LogBody::Move(_) => Some(Self::Adding),
            LogBody::AccountKey(_) => {
                let before = entry.previous.and_then(|hash| log.get(&hash));
                let follows = |before: &Entry| before.key == entry.key && before.body.removal().is_some();
                before.is_some_and(follows).then_some(Self::Ending)
            }
            LogBody::Genesis(_)
            | LogBody::Merge(_)
            | LogBody::Alive
            | LogBody::Destroy(_)
            | LogBody::Unknown(_) => None,
        }
    }

    /// How much of it a device has, so many steps away from the founder.
    fn part(self, steps: usize) -> usize {
        let first = match self {
            Self::Ending => ENDINGS_BYTES,
            Self::Adding => ADDS_BYTES,
        };
        first.saturating_sub(steps.saturating_sub(1).saturating_mul(STEP_BYTES)).max(STEP_BYTES)
    }
}

impl CameBy {
    /// How far a device is from the founder, and by whom it came on the shortest way.
    pub(super) fn way_to(&self, device: &Fingerprint) -> (usize, Option<Fingerprint>) {
        let steps = |device: &Fingerprint| self.steps.get(device).copied().unwrap_or(usize::MAX);
        let by = self.by.get(device).into_iter().flatten().copied();
        (steps(device), by.min_by_key(|by| (steps(by), *by)))
    }

    pub(super) fn of(log: &Log) -> Self {
        let founder = log.get(&log.group()).map(|genesis| genesis.key);
        let mut found = Self { founder, ..Self::default() };
        let mut let_in: BTreeMap<Fingerprint, BTreeSet<Fingerprint>> = BTreeMap::new();
        for (_, entry) in log.entries() {
            if let Some(device) = entry.introduced.filter(|device| *device != entry.key) {
                found.by.entry(device).or_default().insert(entry.key);
                let_in.entry(entry.key).or_default().insert(device);
            }
        }
        let (mut steps, mut next) = (0, founder.into_iter().collect::<Vec<_>>());
        while !next.is_empty() {
            next.retain(|device| found.steps.insert(*device, steps).is_none());
            next = next.iter().flat_map(|device| let_in.get(device)).flatten().copied().collect();
            next.retain(|device| !found.steps.contains_key(device));
            steps += 1;
        }
        found
    }
}
