//! Who is a member: a pure function of the log's set of operations, in whatever order they came.
//!
//! In one pass, each step of which only reads what the steps before it found:
//! 1. *Potential* devices are those that a chain of introductions reaches from the genesis, void or not.
//! 2. A removal by a potential device counts, always: also if its author was removed, and whatever it knew. So nothing that
//!    arrives later undoes one, and mutual and cyclic removals take all out. Each names what it leaves standing of its target's
//!    operations, its *cut*; of several removals only what all leave stands.
//! 3. An expiry counts unless its target signed something behind it.
//! 4. A leave that stands is a removal of the author by itself, which leaves its own chain.
//! 5. Operations that do not stand are void, and void nothing: whoever is out cannot undo what it did before. Of those that
//!    stand, what is behind two different ones under the same number (equivocation) or behind the author's own move is void too.
//!    A move is not stopped by an equivocation, nor by another move.
//! 6. Members are what a chain of introductions that are not void reaches, without those that ended. The genesis is never
//!    void. The keys and ids of ended devices never come back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    keys::Keys,
    log::{Entry, Log, LogBody},
};
use crate::{Fingerprint, Gone, Hash, MuaaId, wire::Kind};

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
    /// The keys of devices that were forced out, also of those that nobody let in here: out of another group, whose members came here.
    pub removed: BTreeSet<Fingerprint>,
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
        let entries: Vec<Said> = log.entries().collect();
        let ids = ids_of(&entries);
        let cuts = Cuts::of(log, &entries, &ids);
        let reached = reach(&entries, |said| cuts.admits(said));
        let counts =
            |said: &Said| is_genesis(said.1) || (reached.contains(&said.1.key) && cuts.admits(*said));
        let counting: Vec<_> = entries.iter().copied().filter(counts).map(|(_, entry)| entry).collect();
        let (equivocators, removed) = (cuts.equivocators.clone(), cuts.removed.clone());
        let mut found = Self { equivocators, removed, ..Self::default() };
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

    /// Whether this key was in the group, or was forced out, and is no member: it is not let in, nor led here.
    #[must_use]
    pub fn is_out(&self, key: &Fingerprint) -> bool {
        self.ended.contains_key(key) || self.removed.contains(key)
    }

    /// The member with this id. Of two under one id, the one with the lower fingerprint.
    #[must_use]
    pub fn by_id(&self, id: MuaaId) -> Option<(&Fingerprint, &Member)> {
        self.members.iter().find(|(_, member)| member.id == id)
    }
}

/// An operation by its hash.
type Said<'a> = (&'a Hash, &'a Entry);
/// The ids under which each key was introduced, void or not.
type Ids = BTreeMap<Fingerprint, BTreeSet<MuaaId>>;

fn ids_of(entries: &[Said]) -> Ids {
    let mut ids = Ids::new();
    for (_, entry) in entries {
        if let (Some(key), Some(device)) = (entry.introduced, entry.body.introduces()) {
            ids.entry(key).or_default().insert(device.id);
        }
    }
    ids
}

/// Where each device's operations stop to count.
#[derive(Default)]
struct Cuts {
    /// Of devices that were removed or left: what stands.
    standing: BTreeMap<Fingerprint, BTreeSet<Hash>>,
    moved: BTreeMap<Fingerprint, u64>,
    /// Where what stands of a chain forks.
    forks: BTreeMap<Fingerprint, u64>,
    equivocators: BTreeSet<Fingerprint>,
    removed: BTreeSet<Fingerprint>,
    ended: BTreeMap<Fingerprint, Gone>,
}

impl Cuts {
    fn of(log: &Log, entries: &[Said], ids: &Ids) -> Self {
        let potential = reach(entries, |_| true);
        let from_potential: Vec<_> =
            entries.iter().copied().filter(|(_, entry)| potential.contains(&entry.key)).collect();
        let equivocators = forks_of(&from_potential).into_keys().collect();
        let mut cuts = Self { equivocators, ..Self::default() };
        for (_, entry) in &from_potential {
            cuts.read_removal(log, entry, &from_potential);
        }
        let leaves = |said: &Said| matches!(said.1.body, LogBody::Leave) && cuts.stands(said);
        let left: Vec<_> = from_potential.iter().copied().filter(leaves).collect();
        for (hash, entry) in left {
            cuts.cut(entry.key, log.chains(&entry.key, &BTreeSet::from([*hash])));
            cuts.end(entry.key, Gone::Left);
        }
        let standing: Vec<_> = from_potential.into_iter().filter(|said| cuts.stands(said)).collect();
        cuts.forks = forks_of(&standing);
        for (_, entry) in standing.iter().filter(|(_, entry)| matches!(entry.body, LogBody::Move(_))) {
            lower(&mut cuts.moved, entry.key, entry.sequence);
            cuts.end(entry.key, Gone::Moved);
        }
        cuts.ended.retain(|key, _| ids.contains_key(key));
        cuts
    }

    fn read_removal(&mut self, log: &Log, entry: &Entry, all: &[Said]) {
        match &entry.body {
            LogBody::Remove(removal) => {
                self.cut(removal.target, log.chains(&removal.target, &removal.cut));
                self.removed.insert(removal.target);
                self.end(removal.target, Gone::Removed);
            }
            LogBody::Expire(expiry) => {
                let alive = |(_, e): &Said| e.key == expiry.target && e.sequence > expiry.last;
                if !all.iter().any(alive) {
                    self.end(expiry.target, Gone::Expired);
                }
            }
            LogBody::Genesis(_)
            | LogBody::Add(_)
            | LogBody::Leave
            | LogBody::Move(_)
            | LogBody::Merge(_)
            | LogBody::AccountKey(_)
            | LogBody::Alive
            | LogBody::Destroy(_)
            | LogBody::Unknown(_) => {}
        }
    }

    fn cut(&mut self, key: Fingerprint, leaves: BTreeSet<Hash>) {
        self.standing
            .entry(key)
            .and_modify(|standing| standing.retain(|hash| leaves.contains(hash)))
            .or_insert(leaves);
    }

    /// Of several ends the first in the order of [`Gone`] is told.
    fn end(&mut self, key: Fingerprint, how: Gone) {
        let slot = self.ended.entry(key).or_insert(how);
        *slot = (*slot).min(how);
    }

    fn stands(&self, (hash, entry): &Said) -> bool {
        self.standing.get(&entry.key).is_none_or(|standing| standing.contains(*hash))
    }

    fn admits(&self, said: Said) -> bool {
        let (_, entry) = said;
        let stays = self.moved.get(&entry.key).is_none_or(|cut| entry.sequence <= *cut);
        let honest = self.forks.get(&entry.key).is_none_or(|point| entry.sequence < *point);
        self.stands(&said) && (matches!(entry.body, LogBody::Move(_)) || (stays && honest))
    }
}

/// Of each key the lowest number under which it signed two different operations.
fn forks_of(entries: &[Said]) -> BTreeMap<Fingerprint, u64> {
    let (mut numbers, mut forks) = (BTreeSet::new(), BTreeMap::new());
    for (_, entry) in entries {
        if !numbers.insert((entry.key, entry.sequence)) {
            lower(&mut forks, entry.key, entry.sequence);
        }
    }
    forks
}

fn lower(cuts: &mut BTreeMap<Fingerprint, u64>, key: Fingerprint, to: u64) {
    let cut = cuts.entry(key).or_insert(to);
    *cut = (*cut).min(to);
}

fn is_genesis(entry: &Entry) -> bool {
    matches!(entry.body, LogBody::Genesis(_))
}

/// The founder, and the devices that a chain of admitted introductions reaches from it.
fn reach(entries: &[Said], admits: impl Fn(Said) -> bool) -> BTreeSet<Fingerprint> {
    let mut reached = BTreeSet::new();
    loop {
        let before = reached.len();
        for said @ (_, entry) in entries {
            if is_genesis(entry) || (reached.contains(&entry.key) && admits(*said)) {
                reached.extend(entry.introduced);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}
