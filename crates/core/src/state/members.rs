//! Who is a member: a pure function of the log's set of operations, in whatever order they came.
//!
//! In one pass, each step of which only reads what the steps before it found:
//! 1. *Potential* devices are those that a chain of introductions reaches from the genesis, void or not.
//! 2. A removal by a potential device counts, always: also if its author was removed, and whatever it knew. So nothing that
//!    arrives later undoes one, and mutual and cyclic removals take all out. The smallest cut counts.
//! 3. An expiry counts unless its target signed something behind the cut.
//! 4. Operations behind their author's cut are void; so are those behind two different ones under the same number
//!    (equivocation), those behind the author's own leave, and those behind its own move. A move is not stopped by an
//!    equivocation, nor by another move.
//! 5. Members are what a chain of introductions that are not void reaches, without those that ended. The genesis is never
//!    void. The keys and ids of ended devices never come back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    keys::Keys,
    log::{Entry, Log, LogBody},
};
use crate::{Fingerprint, Gone, MuaaId, wire::Kind};

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
    /// The account's keys that the log names.
    pub keys: Keys,
    /// The key that mail carries.
    pub current: Option<Fingerprint>,
    /// Of each device with an operation that counts, that decides about members, and that this version does not know, the first
    /// such sequence. While there is one, this program must not change who is a member.
    pub unknown: BTreeMap<Fingerprint, u64>,
}

impl Membership {
    /// Evaluates a log.
    #[must_use]
    pub fn of(log: &Log) -> Self {
        let entries: Vec<_> = log.entries().map(|(_, entry)| entry).collect();
        let ids = ids_of(&entries);
        let cuts = Cuts::of(&entries, &ids);
        let reached = reach(&entries, |entry| cuts.admits(entry));
        let counts =
            |entry: &&&Entry| is_genesis(entry) || (reached.contains(&entry.key) && cuts.admits(entry));
        let counting: Vec<_> = entries.iter().filter(counts).copied().collect();
        let mut found = Self { equivocators: cuts.equivocators.keys().copied().collect(), ..Self::default() };
        found.find_members(&counting, &cuts, &ids);
        found.find_ended(&cuts, &ids);
        found.find_keys(&counting);
        found.find_unknown(&counting);
        found
    }

    fn find_unknown(&mut self, counting: &[&Entry]) {
        for entry in counting {
            if let LogBody::Unknown(number) = entry.body
                && Kind::from_number(number).decides_members()
            {
                lower(&mut self.unknown, entry.key, entry.sequence);
            }
        }
    }

    /// An operation of a later version decides who is a member: this program must be updated before it changes that.
    #[must_use]
    pub fn needs_update(&self) -> bool {
        !self.unknown.is_empty()
    }

    fn find_members(&mut self, counting: &[&Entry], cuts: &Cuts, ids: &Ids) {
        let ended_ids: BTreeSet<_> = cuts.ended.keys().filter_map(|key| ids.get(key)).flatten().collect();
        for entry in counting {
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
            // Of equal ones the first stays: that with the lowest hash.
            let slot = self.members.entry(key).or_insert_with(|| member.clone());
            if (member.added_by, member.incarnation) < (slot.added_by, slot.incarnation) {
                *slot = member;
            }
        }
    }

    fn find_ended(&mut self, cuts: &Cuts, ids: &Ids) {
        for (key, under) in ids.iter().filter(|(key, _)| !self.members.contains_key(key)) {
            let how = cuts.ended.get(key).copied().unwrap_or(Gone::Voided);
            if let Some(id) = under.first() {
                self.ended.insert(*key, (*id, how));
            }
        }
    }

    fn find_keys(&mut self, counting: &[&Entry]) {
        for entry in counting {
            if let LogBody::AccountKey(notice) = &entry.body {
                self.keys.name(notice);
            }
            if let LogBody::Destroy(destruction) = &entry.body {
                self.keys.destroy(destruction.fingerprint);
            }
        }
        self.current = self.keys.current();
    }

    /// The member with this id. Of two under one id, the one with the lower fingerprint.
    #[must_use]
    pub fn by_id(&self, id: MuaaId) -> Option<(&Fingerprint, &Member)> {
        self.members.iter().find(|(_, member)| member.id == id)
    }
}

/// The ids under which each key was introduced, void or not.
type Ids = BTreeMap<Fingerprint, BTreeSet<MuaaId>>;

fn ids_of(entries: &[&Entry]) -> Ids {
    let mut ids = Ids::new();
    for entry in entries {
        if let (Some(key), Some(device)) = (entry.introduced, entry.body.introduces()) {
            ids.entry(key).or_default().insert(device.id);
        }
    }
    ids
}

/// Where each device's operations stop to count.
#[derive(Default)]
struct Cuts {
    removed: BTreeMap<Fingerprint, u64>,
    left: BTreeMap<Fingerprint, u64>,
    moved: BTreeMap<Fingerprint, u64>,
    equivocators: BTreeMap<Fingerprint, u64>,
    ended: BTreeMap<Fingerprint, Gone>,
}

impl Cuts {
    fn of(entries: &[&Entry], ids: &Ids) -> Self {
        let potential = reach(entries, |_| true);
        let from_potential: Vec<_> =
            entries.iter().copied().filter(|entry| potential.contains(&entry.key)).collect();
        let mut cuts = Self::default();
        cuts.find_equivocations(&from_potential);
        for entry in &from_potential {
            cuts.read(entry, &from_potential);
        }
        cuts.ended.retain(|key, _| ids.contains_key(key));
        cuts
    }

    fn read(&mut self, entry: &Entry, all: &[&Entry]) {
        match &entry.body {
            LogBody::Remove(removal) => {
                lower(&mut self.removed, removal.target, removal.cut);
                self.end(removal.target, Gone::Removed);
            }
            LogBody::Expire(removal) => {
                let alive = all.iter().any(|e| e.key == removal.target && e.sequence > removal.cut);
                if !alive {
                    self.end(removal.target, Gone::Expired);
                }
            }
            LogBody::Leave => {
                lower(&mut self.left, entry.key, entry.sequence);
                self.end(entry.key, Gone::Left);
            }
            LogBody::Move(_) => {
                lower(&mut self.moved, entry.key, entry.sequence);
                self.end(entry.key, Gone::Moved);
            }
            LogBody::Genesis(_)
            | LogBody::Add(_)
            | LogBody::Merge(_)
            | LogBody::AccountKey(_)
            | LogBody::Alive
            | LogBody::Destroy(_)
            | LogBody::Unknown(_) => {}
        }
    }

    /// Of several ends the first in the order of [`Gone`] is told.
    fn end(&mut self, key: Fingerprint, how: Gone) {
        let slot = self.ended.entry(key).or_insert(how);
        *slot = (*slot).min(how);
    }

    fn find_equivocations(&mut self, entries: &[&Entry]) {
        let mut numbers = BTreeSet::new();
        for entry in entries {
            if !numbers.insert((entry.key, entry.sequence)) {
                lower(&mut self.equivocators, entry.key, entry.sequence);
            }
        }
    }

    fn admits(&self, entry: &Entry) -> bool {
        let upto =
            |cuts: &BTreeMap<Fingerprint, u64>| cuts.get(&entry.key).is_none_or(|cut| entry.sequence <= *cut);
        let honest = self.equivocators.get(&entry.key).is_none_or(|point| entry.sequence < *point);
        let moves = matches!(entry.body, LogBody::Move(_));
        upto(&self.removed) && upto(&self.left) && (moves || (upto(&self.moved) && honest))
    }
}

fn lower(cuts: &mut BTreeMap<Fingerprint, u64>, key: Fingerprint, to: u64) {
    let cut = cuts.entry(key).or_insert(to);
    *cut = (*cut).min(to);
}

fn is_genesis(entry: &Entry) -> bool {
    matches!(entry.body, LogBody::Genesis(_))
}

/// The founder, and the devices that a chain of admitted introductions reaches from it.
fn reach(entries: &[&Entry], admits: impl Fn(&Entry) -> bool) -> BTreeSet<Fingerprint> {
    let mut reached = BTreeSet::new();
    loop {
        let before = reached.len();
        for entry in entries {
            if is_genesis(entry) || (reached.contains(&entry.key) && admits(entry)) {
                reached.extend(entry.introduced);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}
