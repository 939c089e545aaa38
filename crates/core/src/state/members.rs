//! Who is a member: a pure function of the log's set of operations, in whatever order they came.
//!
//! In one pass, each step of which only reads what the steps before it found:
//! 1. *Potential* devices are those that a chain of introductions reaches from the genesis, void or not.
//! 2. Removals by potential devices count as [`super::removals`] says. A removal names what it leaves standing of its target's
//!    operations, its *cut*; of several removals only what all leave stands.
//! 3. A leave that stands is a removal of the author by itself, which leaves its own chain.
//! 4. Operations that do not stand are void, and void nothing: whoever is out cannot undo what it did before. Of those that
//!    stand, what is behind two different ones under the same number (equivocation) or behind the author's own move is void too.
//!    A move is not stopped by an equivocation, nor by another move.
//! 5. Members are what a chain of introductions that are not void reaches, without those that ended. The genesis is never
//!    void. The keys of ended devices never come back.
//! 6. A merge counts if it is not void and, if its author followed another one, that one counts too.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    graph::Graph,
    keys::Keys,
    log::{Entry, Followed, KeyNotice, Log, LogBody, Merge, Removal},
    removals::{Said, removals_that_count},
};
use crate::{Fingerprint, Gone, Hash, MuaaId, plausible, wire::Kind};

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
    /// How many keys somebody said to be removed, whether or not that counts: this only rises.
    pub removals_said: usize,
    /// Of the removed, those whom somebody forced out whose own end does not leave that out.
    pub firmly_removed: BTreeSet<Fingerprint>,
    /// Keys of the account that a removed device can have held: none of them is ever current.
    pub barred_keys: BTreeSet<Fingerprint>,
    /// Keys of the account that a device which left can have: one that is current goes on until there is another.
    pub left_keys: BTreeSet<Fingerprint>,
    /// Devices that signed two different things under one number.
    pub equivocators: BTreeSet<Fingerprint>,
    /// The account's keys that the log names.
    pub keys: Keys,
    /// The key that mail carries: one that no removed device can have held.
    pub current: Option<Fingerprint>,
    /// Another key is to be made: no key can be current, the one that would be is destroyed, or a device that left
    /// holds it.
    pub wants_key: bool,
    /// The merges that count, by their hashes: who signed each, and where it leads.
    pub merges: BTreeMap<Hash, (Fingerprint, Hash)>,
    /// The merges that a member vetoed: nobody goes along who has not gone yet.
    pub vetoed: BTreeSet<Hash>,
    /// Of each device that was forced out what all removals of it name: of its operations the ends of what stands, and of its merges in
    /// other groups those by which others may come here.
    pub named: BTreeMap<Fingerprint, BTreeSet<Hash>>,
    /// Of each device with an operation that counts, that decides about members, and that this version does not know, the first
    /// such sequence. While there is one, this program must not change who is a member.
    pub unknown: BTreeMap<Fingerprint, u64>,
}

impl Membership {
    /// Evaluates a log.
    #[must_use]
    pub fn of(log: &Log) -> Self {
        let entries: Vec<Said<'_>> = log.entries().collect();
        let introduced = introduced(&entries);
        let graph = Graph::of(log);
        let cuts = Cuts::of(log, &graph, &entries, &introduced);
        let reached = reach(&entries, |said| cuts.admits(said));
        let counts =
            |said: &Said<'_>| is_genesis(said.1) || (reached.contains(&said.1.key) && cuts.admits(*said));
        let said: Vec<_> = entries.iter().copied().filter(counts).collect();
        let counting: Vec<_> = said.iter().map(|(_, entry)| *entry).collect();
        let (equivocators, named) = (cuts.equivocators.clone(), cuts.named.clone());
        let removed = named.keys().copied().collect();
        let firmly_removed = cuts.firmly_removed();
        let removals_said = removals_said(&entries);
        let mut found =
            Self { equivocators, removed, removals_said, firmly_removed, named, ..Self::default() };
        found.find_members(&said, &cuts);
        found.find_ended(&cuts, &introduced);
        found.find_keys(&graph, &entries, &said);
        found.choose_key(&graph, &said, &cuts);
        found.find_unknown(&counting);
        found.find_merges(log, &said);
        found
    }

    /// Whoever followed a merge that does not count did not merge. One that stands in another log is judged by its author.
    fn find_merges(&mut self, all: &Log, said: &[Said<'_>]) {
        let merges: BTreeMap<Hash, (Fingerprint, Merge)> = said
            .iter()
            .filter_map(|(hash, entry)| Some((**hash, (entry.key, *entry.body.merge()?))))
            .collect();
        let veto = |(_, entry): &Said<'_>| {
            if let LogBody::Veto(veto) = &entry.body { Some(veto.merge) } else { None }
        };
        self.vetoed.extend(said.iter().filter_map(veto));
        for (hash, (key, merge)) in &merges {
            let mut at = *merge;
            let mut left = merges.len();
            let counts = loop {
                let Some(followed) = at.follows else { break true };
                let Some((_, next)) = merges.get(&followed.merge) else {
                    // It does not count, or stands in the log of another group.
                    break all.get(&followed.merge).is_none() && self.may_bring(&followed);
                };
                at = *next;
                left -= 1;
                if left == 0 {
                    break false;
                }
            };
            if counts {
                self.merges.insert(*hash, (*key, merge.into));
            }
        }
    }

    fn find_unknown(&mut self, counting: &[&Entry]) {
        let standing = counting.iter().filter(|entry| !self.ended.contains_key(&entry.key));
        for entry in standing.copied().collect::<Vec<_>>() {
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

    fn find_members(&mut self, said: &[Said<'_>], cuts: &Cuts<'_>) {
        for (_, entry) in said {
            let (Some(key), Some(device)) = (entry.introduced, entry.body.introduces()) else { continue };
            if cuts.ended.contains_key(&key) {
                continue;
            }
            let member = Member {
                id: MuaaId::of(&key),
                certificate: device.certificate.clone(),
                incarnation: device.incarnation,
                added_by: entry.author(),
            };
            // Of equal ones the first stays: that with the lowest hash.
            let slot = self.members.entry(key).or_insert_with(|| member.clone());
            if (member.added_by, member.incarnation) < (slot.added_by, slot.incarnation) {
                *slot = member;
            }
        }
    }

    fn find_ended(&mut self, cuts: &Cuts<'_>, introduced: &BTreeSet<Fingerprint>) {
        for key in introduced.iter().filter(|key| !self.members.contains_key(key)) {
            let how = cuts.ended.get(key).copied().unwrap_or(Gone::Voided);
            self.ended.insert(*key, (MuaaId::of(key), how));
        }
    }

    /// What is said of the keys, with numbers as far as somebody can have reached them: a notice with others only names its key.
    fn find_keys(&mut self, graph: &Graph<'_>, all: &[Said<'_>], said: &[Said<'_>]) {
        let notices: Vec<_> = all.iter().filter_map(|(_, entry)| entry.body.account_key()).collect();
        let epoch = plausible::reached(1, notices.iter().map(|notice| notice.epoch));
        for (hash, entry) in said {
            if let Some(notice) = entry.body.account_key() {
                let same = notices.iter().filter(|other| other.fingerprint == notice.fingerprint);
                let generation = plausible::reached(0, same.map(|other| other.generation));
                let fits = notice.epoch <= epoch && notice.generation <= generation;
                let modest = KeyNotice { epoch: 0, generation: 0, ..*notice };
                self.keys.name(if fits { notice } else { &modest });
            }
            if let LogBody::Destroy(destruction) = &entry.body {
                // Whoever restores a key knows which destruction it undoes.
                let key = destruction.fingerprint;
                let restores = |entry: &Entry| matches!(&entry.body, LogBody::Restore(restoration) if restoration.fingerprint == key);
                let mut restores = said.iter().filter(|(_, entry)| restores(entry));
                if !restores.any(|(restores, _)| graph.after(hash).contains(restores)) {
                    self.keys.destroy(key);
                }
            }
        }
    }

    /// No removed device holds the current key: all who named it knew of all removals. Of one that follows something which is not here nobody
    /// can say that it is known, so it asks for no other key.
    fn choose_key(&mut self, graph: &Graph<'_>, said: &[Said<'_>], cuts: &Cuts<'_>) {
        let named = |hash: &Hash, entry: &Entry| Some((*hash, entry.body.account_key()?.fingerprint));
        let notices: Vec<_> = said.iter().filter_map(|(hash, entry)| named(hash, entry)).collect();
        let mut barring = cuts.barring();
        let mut others: BTreeSet<_> = cuts.leaves.iter().copied().chain(self.moves_to_nobody(cuts)).collect();
        barring.retain(|end| graph.is_whole(end));
        others.retain(|end| graph.is_whole(end));
        let held_by_one_of = |ends: &BTreeSet<Hash>| {
            let mut held = BTreeSet::new();
            for end in ends {
                let aware = graph.after(end);
                held.extend(notices.iter().filter(|(hash, _)| !aware.contains(hash)).map(|(_, key)| *key));
            }
            held
        };
        let held = held_by_one_of(&barring);
        let may = |key: &Fingerprint| !held.contains(key);
        self.current = self.keys.current(may);
        let left = held_by_one_of(&others);
        let stale = self.current.is_none_or(|current| left.contains(&current));
        self.wants_key = stale || self.keys.lost_current(may);
        (self.barred_keys, self.left_keys) = (held, left);
    }

    /// The moves of those of whom nobody goes on: the heir never came in, is out, or moved in a circle. Its author left, whatever it called that.
    fn moves_to_nobody<'a>(&self, cuts: &'a Cuts<'_>) -> impl Iterator<Item = Hash> + 'a {
        let mut go_on: BTreeSet<Fingerprint> = self.members.keys().copied().collect();
        loop {
            let before = go_on.len();
            let heirs = cuts.moves.values().filter(|(_, heir)| go_on.contains(heir));
            let authors: Vec<_> = heirs.map(|(author, _)| *author).collect();
            go_on.extend(authors);
            if go_on.len() == before {
                break;
            }
        }
        let moves = cuts.moves.iter();
        moves.filter(move |(_, (author, _))| !go_on.contains(author)).map(|(hash, _)| *hash)
    }

    /// How a device ended, if it did.
    #[must_use]
    pub fn how_ended(&self, key: &Fingerprint) -> Option<Gone> {
        self.ended.get(key).map(|(_, how)| *how)
    }

    /// Whether this key was in the group, or was forced out, and is no member: it is not let in, nor led here.
    #[must_use]
    pub fn is_out(&self, key: &Fingerprint) -> bool {
        self.ended.contains_key(key) || self.removed.contains(key)
    }

    /// Whether others come here rightly by a merge that stands in the log of another group: no removal of who signed it leaves it out.
    #[must_use]
    pub fn may_bring(&self, followed: &Followed) -> bool {
        may_bring(&self.named, followed)
    }

    /// The member with this id.
    #[must_use]
    pub fn by_id(&self, id: MuaaId) -> Option<(&Fingerprint, &Member)> {
        self.members.iter().find(|(_, member)| member.id == id)
    }
}

/// The keys that somebody introduces, void or not.
fn introduced(entries: &[Said<'_>]) -> BTreeSet<Fingerprint> {
    entries.iter().filter_map(|(_, entry)| entry.introduced).collect()
}

fn removals_said(entries: &[Said<'_>]) -> usize {
    let target = |(_, entry): &Said<'_>| entry.body.removal().map(|removal| removal.target);
    entries.iter().filter_map(target).collect::<BTreeSet<_>>().len()
}

/// Where each device's operations stop to count.
struct Cuts<'a> {
    /// The removals that count.
    removals: Vec<(Said<'a>, &'a Removal)>,
    /// The leaves that stand, and those whose authors only such removals force out that follow something which is not here.
    leaves: BTreeSet<Hash>,
    /// Of devices that were removed or left: what stands.
    standing: BTreeMap<Fingerprint, BTreeSet<Hash>>,
    moved: BTreeMap<Fingerprint, u64>,
    /// The moves that stand, each with its author and the key under which that one goes on.
    moves: BTreeMap<Hash, (Fingerprint, Fingerprint)>,
    /// Where what stands of a chain forks.
    forks: BTreeMap<Fingerprint, u64>,
    equivocators: BTreeSet<Fingerprint>,
    /// Of devices that were removed: what every removal names.
    named: BTreeMap<Fingerprint, BTreeSet<Hash>>,
    ended: BTreeMap<Fingerprint, Gone>,
}

impl<'a> Cuts<'a> {
    fn of(log: &Log, graph: &Graph<'_>, entries: &[Said<'a>], introduced: &BTreeSet<Fingerprint>) -> Self {
        let potential = reach(entries, |_| true);
        let from_potential: Vec<_> =
            entries.iter().copied().filter(|(_, entry)| potential.contains(&entry.key)).collect();
        let equivocators = forks_of(&from_potential).into_keys().collect();
        let removals = removals_that_count(log, graph, &from_potential);
        let (standing, moved, moves, forks) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (leaves, named, ended) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut cuts = Self { removals, leaves, standing, moved, moves, forks, equivocators, named, ended };
        cuts.read_removals(log);
        let leaves = from_potential.iter().copied().filter(|said| log.is_leave(said));
        let (left, void): (Vec<_>, Vec<_>) = leaves.partition(|said| cuts.stands(said));
        let unsettled = void.iter().filter(|(_, entry)| !cuts.is_removed_knowably(log, &entry.key));
        cuts.leaves = left.iter().chain(unsettled).map(|(hash, _)| **hash).collect();
        for (hash, entry) in left {
            cuts.cut(entry.key, log.chains(&entry.key, &BTreeSet::from([*hash])));
            cuts.end(entry.key, Gone::Left);
        }
        let standing: Vec<_> = from_potential.into_iter().filter(|said| cuts.stands(said)).collect();
        cuts.forks = forks_of(&standing);
        // As a leave: nobody could make a key that follows one which knows of something that is not here.
        let moves =
            |(hash, entry): &&Said<'_>| matches!(entry.body, LogBody::Move(_)) && graph.is_whole(hash);
        for (hash, entry) in standing.iter().filter(moves) {
            lower(&mut cuts.moved, entry.key, entry.sequence);
            cuts.moves.extend(entry.introduced.map(|heir| (**hash, (entry.key, heir))));
            cuts.end(entry.key, Gone::Moved);
        }
        cuts.ended.retain(|key, _| introduced.contains(key));
        cuts
    }

    fn read_removals(&mut self, log: &Log) {
        let removals: Vec<_> = self.removals.iter().map(|(_, removal)| *removal).collect();
        for removal in removals {
            self.cut(removal.target, log.chains(&removal.target, &removal.cut));
            let named = self.named.entry(removal.target).or_insert_with(|| removal.cut.clone());
            named.retain(|hash| removal.cut.contains(hash));
            self.end(removal.target, if removal.silent { Gone::Expired } else { Gone::Removed });
        }
    }

    /// Whether a removal counts that somebody can know: all that it knows of is here.
    fn is_removed_knowably(&self, log: &Log, key: &Fingerprint) -> bool {
        let mut of_it = self.removals.iter().filter(|(_, removal)| removal.target == *key);
        of_it.any(|((hash, _), _)| log.has_all_before(hash))
    }

    /// The removals that whoever names a key must have known of, so that it can be current. Of a device that somebody removed
    /// whose word stands, no other removal is needed.
    fn barring(&self) -> BTreeSet<Hash> {
        let settled = self.firmly_removed();
        let all = self.removals.iter();
        let barring = all.filter(|(op, removal)| self.stands(op) || !settled.contains(&removal.target));
        barring.map(|((hash, _), _)| **hash).collect()
    }

    /// Whom somebody removed whose word stands.
    fn firmly_removed(&self) -> BTreeSet<Fingerprint> {
        let firm = self.removals.iter().filter(|(op, _)| self.stands(op));
        firm.map(|(_, removal)| removal.target).collect()
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

    fn stands(&self, (hash, entry): &Said<'_>) -> bool {
        self.standing.get(&entry.key).is_none_or(|standing| standing.contains(*hash))
    }

    fn admits(&self, said: Said<'_>) -> bool {
        let (_, entry) = said;
        let stays = self.moved.get(&entry.key).is_none_or(|cut| entry.sequence <= *cut);
        let honest = self.forks.get(&entry.key).is_none_or(|point| entry.sequence < *point);
        let via = entry.body.introduces().and_then(|device| device.via);
        let rightly = via.is_none_or(|via| may_bring(&self.named, &via));
        self.stands(&said) && rightly && (matches!(entry.body, LogBody::Move(_)) || (stays && honest))
    }
}

fn may_bring(named: &BTreeMap<Fingerprint, BTreeSet<Hash>>, followed: &Followed) -> bool {
    named.get(&followed.key).is_none_or(|named| named.contains(&followed.merge))
}

/// Of each key the lowest number under which it signed two different operations.
fn forks_of(entries: &[Said<'_>]) -> BTreeMap<Fingerprint, u64> {
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
fn reach(entries: &[Said<'_>], admits: impl Fn(Said<'_>) -> bool) -> BTreeSet<Fingerprint> {
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
