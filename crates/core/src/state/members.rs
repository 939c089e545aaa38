//! Who is a member: a pure function of the log's set of operations, in whatever order they came.
//!
//! In one pass, each step of which only reads what the steps before it found:
//! 1. *Potential* devices are those that a chain of introductions reaches from the genesis, void or not.
//! 2. A removal by a potential device counts, even if its author was removed at the same time: mutual and cyclic removals
//!    take all out. It does not count if its author had seen its own removal. The smallest cut counts.
//! 3. An expiry counts unless its target signed something behind the cut.
//! 4. Operations behind their author's cut are void; so are those behind two different ones under the same number
//!    (equivocation) and those behind the author's own leave or move. Only a move is not stopped by the last three.
//! 5. Members are what a chain of introductions that are not void reaches, without those that ended. The keys and ids of
//!    ended devices never come back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::log::{Entry, KeyNotice, Log, LogBody};
use crate::{Fingerprint, Gone, MuaaId};

/// A member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// Its id.
    pub id: MuaaId,
    /// Its device certificate.
    pub certificate: Bytes,
    /// Its incarnation when it was let in.
    pub incarnation: u64,
    /// Who let it in; the founder let itself in.
    pub added_by: MuaaId,
}

/// What a log says.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Membership {
    /// The members by the fingerprints of their keys.
    pub members: BTreeMap<Fingerprint, Member>,
    /// Devices that were members, or that somebody without the right let in.
    pub ended: BTreeMap<Fingerprint, (MuaaId, Gone)>,
    /// Devices that signed two different things under one number.
    pub equivocators: BTreeSet<Fingerprint>,
    /// The account's keys that the log names, by fingerprint.
    pub keys: BTreeMap<Fingerprint, KeyNotice>,
    /// The key that mail carries.
    pub current: Option<Fingerprint>,
    /// An operation of a later version is there: membership must not be changed by this program.
    pub needs_update: bool,
}

impl Membership {
    /// Evaluates a log.
    #[must_use]
    pub fn of(log: &Log) -> Self {
        let entries: Vec<_> = log.entries().map(|(_, entry)| entry).collect();
        let cuts = Cuts::of(&entries);
        let mut found = Self { equivocators: cuts.equivocators.keys().copied().collect(), ..Self::default() };
        let reached = reach(&entries, |entry| cuts.admits(entry));
        let ended_ids: BTreeSet<_> = cuts.ended.values().map(|(id, _)| *id).collect();
        for entry in reach_entries(&entries, &reached, |entry| cuts.admits(entry)) {
            let (Some(key), Some(device)) = (entry.introduced, entry.body.introduces()) else { continue };
            if cuts.ended.contains_key(&key) || ended_ids.contains(&device.id) {
                continue;
            }
            let member = Member {
                id: device.id,
                certificate: device.certificate.clone(),
                incarnation: device.incarnation,
                added_by: entry.author,
            };
            let slot = found.members.entry(key).or_insert_with(|| member.clone());
            if (member.added_by, member.incarnation) < (slot.added_by, slot.incarnation) {
                *slot = member;
            }
        }
        found.ended = cuts.ended.clone();
        for entry in &entries {
            if let (Some(key), Some(device)) = (entry.introduced, entry.body.introduces())
                && !found.members.contains_key(&key)
            {
                found.ended.entry(key).or_insert((device.id, Gone::Voided));
            }
            found.needs_update |= matches!(entry.body, LogBody::Unknown(_));
        }
        found.find_keys(&entries, &reached, &cuts);
        found
    }

    fn find_keys(&mut self, entries: &[&Entry], reached: &BTreeSet<Fingerprint>, cuts: &Cuts) {
        for entry in entries.iter().filter(|entry| reached.contains(&entry.key) && cuts.admits(entry)) {
            if let LogBody::AccountKey(notice) = &entry.body {
                let known = self.keys.entry(notice.fingerprint).or_insert(*notice);
                if (notice.epoch, notice.generation) > (known.epoch, known.generation) {
                    *known = *notice;
                }
            }
        }
        let order =
            |notice: &&KeyNotice| (std::cmp::Reverse(notice.epoch), notice.created, notice.fingerprint);
        self.current = self.keys.values().min_by_key(order).map(|notice| notice.fingerprint);
    }

    /// The member with this id. Of two under one id, the one with the lower fingerprint.
    #[must_use]
    pub fn by_id(&self, id: MuaaId) -> Option<(&Fingerprint, &Member)> {
        self.members.iter().find(|(_, member)| member.id == id)
    }

    /// The greatest epoch of the account's keys.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.keys.values().map(|notice| notice.epoch).max().unwrap_or(0)
    }
}

/// Where each device's operations stop to count.
#[derive(Default)]
struct Cuts {
    removed: BTreeMap<Fingerprint, u64>,
    own_end: BTreeMap<Fingerprint, u64>,
    equivocators: BTreeMap<Fingerprint, u64>,
    ended: BTreeMap<Fingerprint, (MuaaId, Gone)>,
}

impl Cuts {
    fn of(entries: &[&Entry]) -> Self {
        let potential = reach(entries, |_| true);
        let from_potential: Vec<_> =
            entries.iter().copied().filter(|entry| potential.contains(&entry.key)).collect();
        let ids: BTreeMap<_, _> = entries
            .iter()
            .filter_map(|entry| Some((entry.introduced?, entry.body.introduces()?.id)))
            .collect();
        let mut cuts = Self::default();
        cuts.find_equivocations(&from_potential);
        for entry in &from_potential {
            cuts.read(entry, &from_potential, &ids);
        }
        cuts
    }

    fn read(&mut self, entry: &Entry, all: &[&Entry], ids: &BTreeMap<Fingerprint, MuaaId>) {
        let id_of = |key: &Fingerprint| ids.get(key).copied();
        match &entry.body {
            LogBody::Remove(removal) if !knew_its_removal(entry, all) => {
                let cut = self.removed.entry(removal.target).or_insert(removal.cut);
                *cut = (*cut).min(removal.cut);
                if let Some(id) = id_of(&removal.target) {
                    self.ended.insert(removal.target, (id, Gone::Removed));
                }
            }
            LogBody::Expire(removal) if !knew_its_removal(entry, all) => {
                let alive = all.iter().any(|e| e.key == removal.target && e.sequence > removal.cut);
                if let (false, Some(id)) = (alive, id_of(&removal.target)) {
                    self.ended.entry(removal.target).or_insert((id, Gone::Expired));
                }
            }
            LogBody::Leave => self.end_itself(entry, Gone::Left),
            LogBody::Move(_) => self.end_itself(entry, Gone::Moved),
            LogBody::Remove(_)
            | LogBody::Expire(_)
            | LogBody::Genesis(_)
            | LogBody::Add(_)
            | LogBody::Merge(_)
            | LogBody::AccountKey(_)
            | LogBody::Alive
            | LogBody::Unknown(_) => {}
        }
    }

    fn end_itself(&mut self, entry: &Entry, how: Gone) {
        let cut = self.own_end.entry(entry.key).or_insert(entry.sequence);
        *cut = (*cut).min(entry.sequence);
        let slot = self.ended.entry(entry.key).or_insert((entry.author, how));
        if slot.1 != Gone::Removed {
            *slot = (entry.author, slot.1.min(how));
        }
    }

    fn find_equivocations(&mut self, entries: &[&Entry]) {
        let mut numbers = BTreeSet::new();
        for entry in entries {
            if !numbers.insert((entry.key, entry.sequence)) {
                let first = self.equivocators.entry(entry.key).or_insert(entry.sequence);
                *first = (*first).min(entry.sequence);
            }
        }
    }

    fn admits(&self, entry: &Entry) -> bool {
        let within = |cuts: &BTreeMap<Fingerprint, u64>, allowance: u64| {
            cuts.get(&entry.key).is_none_or(|cut| entry.sequence < cut.saturating_add(allowance))
        };
        let moves = matches!(entry.body, LogBody::Move(_));
        within(&self.removed, 1)
            && (moves || within(&self.own_end, 1))
            && (moves || within(&self.equivocators, 0))
    }
}

/// Whether the author of a removal had seen a removal of itself.
fn knew_its_removal(entry: &Entry, all: &[&Entry]) -> bool {
    all.iter().any(|other| {
        let removes = matches!(&other.body, LogBody::Remove(removal) if removal.target == entry.key);
        removes && entry.seen.get(&other.key).is_some_and(|(sequence, _)| *sequence >= other.sequence)
    })
}

/// The devices that a chain of admitted introductions reaches from the genesis.
fn reach(entries: &[&Entry], admits: impl Fn(&Entry) -> bool) -> BTreeSet<Fingerprint> {
    let mut reached = BTreeSet::new();
    loop {
        let before = reached.len();
        for entry in entries.iter().filter(|entry| admits(entry)) {
            let starts = matches!(entry.body, LogBody::Genesis(_));
            if starts || reached.contains(&entry.key) {
                reached.extend(entry.introduced);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

fn reach_entries<'a>(
    entries: &'a [&'a Entry],
    reached: &'a BTreeSet<Fingerprint>,
    admits: impl Fn(&Entry) -> bool + 'a,
) -> impl Iterator<Item = &'a Entry> {
    entries.iter().copied().filter(move |entry| {
        let starts = matches!(entry.body, LogBody::Genesis(_));
        admits(entry) && (starts || reached.contains(&entry.key))
    })
}
