//! A device whose saved state is not its latest: a backup was restored, or a copy of it runs elsewhere (C17).
//!
//! It shows by what is signed with the own key and is not known here: an announcement, an operation in the log, an
//! acknowledgement of what was never said. Everything else that the state would sign could contradict what was signed already.
//! So the device takes a new key and id, says so in the group under the old key, behind whatever that key can have signed, and
//! asks its siblings for everything. It needs no pairing: who holds the old key was let in by a person.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Muaa,
    persistent::{Item, Life, Link},
    reading::Heard,
};
use crate::{
    Crypto, Event, Fingerprint, Folder, Gone, Hash, MuaaId, plausible,
    state::{Introduction, Log, LogBody, Removal},
    wire::{Kind, SignedOp},
};

/// How many of the own announcements are remembered.
const ANNOUNCEMENTS_MAX: usize = 16;
/// How many of the own former keys are remembered.
const FORMER_KEYS_MAX: usize = 16;
/// How many operations of its target a removal names as standing.
const CUT_MAX: usize = 16;
/// How many moves an announcement carries.
const MOVES_MAX: usize = 4;
/// By how much the number of a move is above all that are known: the old key may have signed more than that.
const MARGIN: u64 = 1 << 20;

impl<C: Crypto> Muaa<C> {
    /// The own announcement of this number has this hash.
    pub(super) fn remember_announcement(&mut self, hash: Hash) {
        let sequence = self.state.sequence;
        let own = &mut self.state.own_announcements;
        own.insert(sequence, hash);
        while own.len() > ANNOUNCEMENTS_MAX {
            own.pop_first();
        }
    }

    /// Whether an announcement under the own key is by another copy of this state: it is newer than all that were made here,
    /// or says something else than what was made here under its number. Where it lies, and under which name, tells nothing: anybody
    /// with the account's password can file again what was said.
    pub(super) fn is_by_a_copy(&self, sequence: u64, hash: &Hash) -> bool {
        let own = &self.state.own_announcements;
        let first = own.keys().next().copied().unwrap_or(0);
        sequence > self.state.sequence || (sequence >= first && own.get(&sequence) != Some(hash))
    }

    /// The own key has signed something, under this number, that this state does not know.
    pub(super) fn found_ahead(&mut self, sequence: u64) {
        let known = self.io.ahead.unwrap_or(0);
        self.io.ahead = Some(known.max(sequence));
    }

    /// Operations by the own key that were not in the log.
    pub(super) fn find_own_among(&mut self, taken: &[Hash]) {
        let log = self.state.group.as_ref().map(|group| &group.log);
        let entries = taken.iter().filter_map(|hash| log.and_then(|log| log.get(hash)));
        let own = entries.filter(|entry| entry.key == self.state.device.fingerprint);
        if let Some(sequence) = own.map(|entry| entry.sequence).max() {
            self.found_ahead(sequence);
        }
    }

    /// Whether a copy of this device's state moved: a key that moved is no more the own one. Until this device has moved too, what it signs is
    /// void.
    pub(super) fn has_own_key_moved(&self) -> bool {
        self.view.how_ended(&self.state.device.fingerprint) == Some(Gone::Moved)
    }

    pub(super) fn go_on_if_behind(&mut self) {
        let ended = self.view.how_ended(&self.state.device.fingerprint);
        let copied = self.has_own_key_moved().then_some(self.state.sequence);
        let Some(ahead) = self.io.ahead.take().or(copied) else { return };
        match (self.state.life.clone(), ended) {
            // It has nothing of a group yet, so nothing is lost.
            (Life::Discovering | Life::Unpaired, _) => self.start_over_beside_a_copy(ahead),
            // A later self left.
            (Life::Grouped, Some(Gone::Left)) => {
                self.forget_join();
                self.end(Life::Left);
            }
            (Life::Grouped, None) => self.go_on_as_another(ahead),
            // What the old key signs is void by now, so there is no waiting. If the device is suspended, it was the copy that took the folder
            // away.
            (Life::Grouped | Life::Suspended, Some(Gone::Moved)) => {
                self.state.life = Life::Grouped;
                if self.io.no_room_for_move {
                    self.go_on_as_another(ahead);
                } else {
                    self.state.pace.step(self.now);
                    self.take_another_key_in_the_group(ahead);
                }
            }
            _ => {}
        }
    }

    /// Whether this device may take another key now. Each costs the log of the group a move, or the account a folder, so they keep apart.
    /// Until it may, what it signs comes after what it saw, and contradicts none of it.
    pub(super) fn may_take_another_key(&mut self, ahead: u64) -> bool {
        let now = self.now;
        if self.state.pace.allows(now) {
            self.state.pace.step(now);
            return true;
        }
        let own = self.state.device.fingerprint;
        let last = self.last_sequence(&own).max(self.as_far_as_plausible(ahead));
        let next = last.min(plausible::SKIP_END);
        if next > self.state.sequence {
            self.state.sequence = next;
            self.changed();
        }
        let head = |log: &Log| log.heads().get(&own).map(|(_, hash)| *hash);
        if let Some(group) = self.state.group.as_mut().filter(|group| group.previous != head(&group.log)) {
            group.previous = head(&group.log);
            self.changed();
        }
        false
    }

    /// A copy may have signed under any number; this device does not follow it beyond what is plausible.
    fn as_far_as_plausible(&self, ahead: u64) -> u64 {
        ahead.min(self.state.sequence.saturating_add(plausible::AHEAD_STEP))
    }

    /// Signs the move, and is another device from here on. A log that is full takes no move: nothing is done then.
    pub(super) fn go_on_as_another(&mut self, ahead: u64) {
        if self.may_take_another_key(ahead) {
            self.take_another_key_in_the_group(ahead);
        }
    }

    fn take_another_key_in_the_group(&mut self, ahead: u64) {
        let Some(group) = self.state.group.clone() else { return };
        let Ok(device) = self.crypto.new_device_key(&self.random.seed(), self.now) else { return };
        let incarnation = self.random.number();
        let certificate = device.certificate.clone();
        let introduction = Introduction { certificate, incarnation, via: None };
        let (kind, body) = LogBody::Move(introduction).write();
        let seen_so_far = self.state.sequence.max(self.as_far_as_plausible(ahead));
        self.state.sequence = seen_so_far + MARGIN;
        let seen = Some(group.log.seen(group.previous));
        let op = self.sign_content(kind, Some(group.log.group()), body, group.previous, seen);
        let Some(own) = self.state.group.as_mut() else { return };
        let taken = own.log.join(&self.crypto, std::slice::from_ref(&op), self.config.log_max);
        let Some(hash) = taken.first().copied() else {
            // Nobody will see it.
            self.state.sequence = seen_so_far;
            self.io.no_room_for_move = true;
            return;
        };
        own.previous = None;
        let from = self.state.id();
        self.lay_down_key();
        self.clear_away_key();
        self.become_device(device, incarnation);
        let id = self.state.id();
        self.state.moves.push(op);
        let surplus = self.state.moves.len().saturating_sub(MOVES_MAX);
        self.state.moves.drain(..surplus);
        self.note(Item::Op(hash));
        self.evaluate();
        for link in self.state.links.values_mut() {
            *link = Link { full: true, ask: true, ..Link::default() };
        }
        self.set(&format!("name/{id}"), &self.state.name.clone());
        self.io.forget(self.own_inbox());
        self.tell(Event::Moved { from, to: id });
    }

    /// Moves that somebody announces. In the own group they make it a member, even if it does not know who else is one; and if the
    /// own key is the one that moved, this is another copy of the state that did.
    pub(super) fn take_moves(&mut self, moves: &[SignedOp]) {
        let moves: Vec<_> = moves.iter().take(MOVES_MAX).filter(|op| is_move(op)).cloned().collect();
        // In whatever group: a copy of this state was in it.
        let own = |op: &&SignedOp| {
            let key = op.content().map(|content| content.key);
            key == Some(self.state.device.fingerprint)
                && op.is_by(&self.crypto, &self.state.device.certificate)
        };
        if let Some(sequence) = moves.iter().filter(own).filter_map(|op| Some(op.content()?.sequence)).max() {
            self.found_ahead(sequence);
        }
        // Anybody announces: it is taken in the order in which it was said, as from one that is no member.
        for _ in 0..MOVES_MAX {
            let heard = self.heard_from_others(&self.view, &moves);
            if heard.is_empty() {
                return;
            }
            self.take_ops(&heard, &[]);
        }
    }

    /// A member announces itself under a number below one it had announced before, and the newer announcement is gone: its state may
    /// have been put back, and nothing else would tell it so. Once for each number that is known of it, whatever older ones are shown.
    pub(super) fn tell_who_is_behind(&mut self, present: &BTreeSet<Hash>) {
        let siblings = &self.state.siblings;
        let known = |(id, key, sequence): &(MuaaId, Fingerprint, u64)| {
            siblings.get(&(*id, *key)).is_some_and(|known| known.sequence == *sequence)
        };
        self.io.outdated.retain(known);
        if self.state.life != Life::Grouped {
            return;
        }
        let behind: BTreeMap<_, _> = self
            .io
            .heard
            .values()
            .filter_map(|heard| Some((self.behind(heard, present)?, heard.clone())))
            .collect();
        for ((id, key, sequence), heard) in behind {
            let Some(body) = heard.content.body::<crate::wire::Announcement>() else { continue };
            let known = self.state.siblings.get(&(id, key));
            let readable = known.is_some_and(|known| known.certificate == body.certificate);
            let waits = self.state.links.get(&id).is_some_and(|link| !link.waiting.is_empty());
            if !readable && self.is_replacing(Folder::Inbox(id)) {
                // It is looked at again with the next reading.
                continue;
            }
            self.io.outdated.insert((id, key, sequence));
            // An update that waits tells it as well, if it can be read by one that has this certificate.
            if (waits && readable) || !self.may_be_told(id, &key) {
                continue;
            }
            if !readable {
                self.state.siblings.entry((id, key)).and_modify(|known| known.behind = Some(sequence));
            }
            if waits {
                self.stop_writing_to(id);
            }
            self.tell_standing(id, key, &body.certificate);
        }
    }

    /// The member that seems put back by this announcement and was not told yet, with the sequence that is known of it.
    fn behind(&self, heard: &Heard, present: &BTreeSet<Hash>) -> Option<(MuaaId, Fingerprint, u64)> {
        let (id, key) = (heard.content.author(), heard.content.key);
        let known = self.state.siblings.get(&(id, key))?;
        let behind = heard.content.kind() == Kind::Announcement
            && known.sequence > heard.content.sequence
            && !present.contains(&known.said)
            && self.view.members.contains_key(&key);
        let place = (id, key, known.sequence);
        (behind && !self.io.outdated.contains(&place)).then_some(place)
    }

    /// Whether this device was introduced by a move.
    pub(super) fn has_moved(&self, key: &Fingerprint) -> bool {
        self.state.group.as_ref().is_some_and(|group| origin(&group.log, key).is_some())
    }

    /// What the own key has begun is over.
    pub(super) fn lay_down_key(&mut self) {
        let sessions: Vec<_> = self.state.sessions.keys().copied().collect();
        sessions.into_iter().for_each(|session| self.end_session(session, None));
        self.forget_join();
        self.state.joining = None;
        self.state.offers.clear();
        let waiting = |(id, link): (&MuaaId, &Link)| {
            link.waiting.iter().map(|(_, token, _)| (Folder::Inbox(*id), *token)).collect::<Vec<_>>()
        };
        let waiting: Vec<_> = self.state.links.iter().flat_map(waiting).collect();
        waiting.into_iter().for_each(|(folder, token)| self.withdraw(folder, token));
        self.state.posts.clear();
        self.state.requested.clear();
        self.state.own_announcements.clear();
        self.changed();
    }

    /// Nobody uses the own key any more: what lies in the store by it is taken away, now and when more of it is found.
    pub(super) fn clear_away_key(&mut self) {
        self.take_things_away();
        let key = self.state.device.fingerprint;
        self.state.former_keys.insert(key);
        while self.state.former_keys.len() > FORMER_KEYS_MAX {
            self.state.former_keys.pop_first();
        }
        self.io.read_again(Folder::Announcements);
        self.changed();
    }

    /// The removals that force a device out for good. If it is the copy of another one that moved, that key is closed too: whoever holds
    /// it could go on as yet another. Its moves so far stand, and so does what the device did, as letting others in.
    pub(super) fn removals_of(&self, target: Fingerprint) -> Vec<Removal> {
        let Some(log) = self.state.group.as_ref().map(|group| &group.log) else { return Vec::new() };
        let mut removals = vec![Removal { target, cut: self.cut_of(log, &target), silent: false }];
        let mut moved = target;
        while let Some((_, key)) = origin(log, &moved) {
            let closed = removals.iter().any(|removal| removal.target == key);
            if closed || self.view.how_ended(&key) != Some(Gone::Moved) {
                break;
            }
            removals.push(Removal { target: key, cut: self.cut_of(log, &key), silent: false });
            moved = key;
        }
        removals
    }

    /// The ends of a device's chains, without what this version does not understand: what is before them stands. Of more than a cut
    /// names, those by which most were let in whom people know: who is to be removed chooses how often its chain forks.
    fn cut_of(&self, log: &Log, key: &Fingerprint) -> BTreeSet<Hash> {
        let below = self.view.unknown.get(key).copied().unwrap_or(u64::MAX);
        let mut ends: Vec<_> = log.tips(key, below).into_iter().collect();
        if ends.len() > CUT_MAX {
            let rank = |hash: &Hash| {
                let chain = log.chains(key, &BTreeSet::from([*hash]));
                let introduced = chain.iter().filter_map(|hash| log.get(hash)?.introduced);
                let known = introduced.filter(|key| {
                    self.view.members.contains_key(key) && !self.state.notices.contains_key(key)
                });
                (known.count(), log.get(hash).map(|entry| entry.sequence), *hash)
            };
            ends.sort_by_cached_key(|hash| std::cmp::Reverse(rank(hash)));
            ends.truncate(CUT_MAX);
        }
        ends.extend(followed(log, key).into_iter().filter(|merge| self.may_stand(merge)).take(CUT_MAX));
        ends.into_iter().collect()
    }
}

fn is_move(op: &SignedOp) -> bool {
    op.content().is_some_and(|content| content.kind() == Kind::Move)
}

/// The merges of a device by which others came here.
fn followed(log: &Log, key: &Fingerprint) -> BTreeSet<Hash> {
    let followed = log.entries().filter_map(|(_, entry)| entry.body.follows()).filter(|via| via.key == *key);
    followed.map(|via| via.merge).collect()
}

/// The move that introduces a device, and who moved.
fn origin(log: &Log, key: &Fingerprint) -> Option<(Hash, Fingerprint)> {
    let moves = |(hash, entry): (&Hash, &crate::state::Entry)| {
        let moves = matches!(entry.body, LogBody::Move(_)) && entry.introduced == Some(*key);
        moves.then_some((*hash, entry.key))
    };
    log.entries().find_map(moves)
}
