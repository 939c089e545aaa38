//! Two groups become one: a device that enters another group brings the members of the group it was in.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Muaa,
    entering::announced,
    persistent::{Former, Group, Life},
    reading::{Heard, Verdict},
    sync::INTRODUCTIONS,
};
use crate::{
    Crypto, Fingerprint, Gone, Hash, Ignored, MuaaId,
    state::{Entry, Followed, Introduction, Log, LogBody, Member, Membership, Merge},
    wire::{Content, Kind, SignedOp, Update},
};

/// How many groups that were left are remembered.
const FORMERS_MAX: usize = 16;

impl<C: Crypto> Muaa<C> {
    /// Lets the members of `former` into the own group, and has them told by a merge operation of their own group. If this device
    /// followed somebody's merge, all of that hangs on it.
    pub(super) fn lead(&mut self, former: &Group, view: &Membership, via: Option<Followed>) {
        let Some(own) = self.state.group.as_ref().map(|group| &group.log) else { return };
        let into = own.group();
        let mut moved = moved_on(&self.view.removed, (own, &self.view), &former.log);
        moved.retain(|key| !self.view.members.contains_key(key));
        self.force_out_all(&moved);
        let mut log = former.log.clone();
        let key = self.state.device.fingerprint;
        let own = announced(&log, view, &key, into).or_else(|| {
            let (kind, body) = LogBody::Merge(Merge { into, follows: via }).write();
            let seen = Some(log.seen(former.previous));
            let op = self.sign_content(kind, Some(log.group()), body, former.previous, seen);
            log.join(&self.crypto, &[op], self.config.log_max).first().copied()
        });
        let others = view.members.iter().filter(|(other, _)| **other != key);
        let (ended, led): (Vec<_>, Vec<_>) = others.partition(|(key, _)| self.view.is_out(key));
        for (key, member) in led {
            self.lead_one(key, member, via);
        }
        let group = log.group();
        if self.state.formers.len() < FORMERS_MAX || self.state.formers.contains_key(&group) {
            self.state.formers.insert(group, Former { log, into, via, own, left: false });
        }
        // Whom the group does not take in any more is told so.
        for (key, member) in ended {
            let announced = self.sealing_certificate(member.id, key);
            self.tell_standing(member.id, *key, &announced.unwrap_or_else(|| member.certificate.clone()));
        }
        self.changed();
    }

    /// The log of a group, from what is known of it here if this device is in it or was, and from these operations.
    pub(super) fn log_of(&self, group: Hash, ops: &[SignedOp]) -> Option<Log> {
        let max = self.config.log_max;
        let own = self.state.group.as_ref().map(|own| &own.log).filter(|log| log.group() == group);
        let known = own.or_else(|| self.state.formers.get(&group).map(|former| &former.log));
        let Some(mut log) = known.cloned() else { return Log::from_ops(&self.crypto, group, ops, max) };
        log.join(&self.crypto, ops, max);
        Some(log)
    }

    /// Who was forced out of `former`, a group that this device was in, is forced out of the own one, whether or not it is in it, and under
    /// whatever key it goes on here: nobody lets it in who does not know, and nobody is let in by it. Whoever let this device in stays, for
    /// a person wanted that.
    pub(super) fn bring_removals(
        &mut self,
        removed: &BTreeSet<Fingerprint>,
        former: Option<(&Log, &Membership)>,
        let_in_by: Option<Fingerprint>,
    ) {
        let new = removed.iter().filter(|key| !self.view.removed.contains(*key)).copied().collect();
        let own = self.state.group.as_ref().map(|group| &group.log);
        let moved = former.zip(own).map(|(former, own)| moved_on(&new, former, own));
        let moved = moved.unwrap_or_default().into_iter().filter(|key| Some(*key) != let_in_by);
        self.force_out_all(&removed.iter().copied().chain(moved).collect());
    }

    /// Whom members of the own group removed in another one. A member that is removed there itself removes nobody here.
    pub(super) fn removed_by_members(&self, there: &Log, view: &Membership) -> BTreeSet<Fingerprint> {
        let is_heard = |key: &Fingerprint| self.view.members.contains_key(key) && !view.removed.contains(key);
        let heard = there.entries().filter(|(_, entry)| is_heard(&entry.key));
        heard.filter_map(|(_, entry)| Some(entry.body.removal()?.target)).collect()
    }

    /// Has these out of the own group, and kept out.
    fn force_out_all(&mut self, keys: &BTreeSet<Fingerprint>) {
        let own = self.state.device.fingerprint;
        for key in keys.iter().filter(|key| **key != own) {
            if self.view.members.contains_key(key) {
                // If this program is too old to say so, it goes on with the group as it is.
                let _ = self.remove_member(*key);
            } else if !self.view.removed.contains(key) || self.came_by_a_fallen_merge(key) {
                for removal in self.removals_of(*key) {
                    self.append_to_log(&LogBody::Remove(removal));
                }
            }
        }
    }

    /// Whether somebody is here by a merge of this device's that does not count in the log it stands in.
    fn came_by_a_fallen_merge(&self, key: &Fingerprint) -> bool {
        let Some(log) = self.state.group.as_ref().map(|group| &group.log) else { return false };
        let fallen = |via: &Followed| via.key == *key && !self.may_stand(&via.merge);
        let here = |member: &Fingerprint| self.view.members.contains_key(member);
        log.entries().any(|(_, entry)| {
            let via = entry.body.introduces().and_then(|device| device.via);
            via.is_some_and(|via| fallen(&via)) && entry.introduced.is_some_and(|member| here(&member))
        })
    }

    /// Whether a merge counts, as far as this device knows the log that it stands in.
    pub(super) fn may_stand(&self, merge: &Hash) -> bool {
        let logs = self.state.group.iter().map(|group| &group.log);
        let logs = logs.chain(self.state.formers.values().map(|former| &former.log));
        let mut holding = logs.filter(|log| log.get(merge).is_some());
        holding.next().is_none_or(|log| Membership::of(log).merges.contains_key(merge))
    }

    /// What a former group is heard to say of those whom it brought here counts here too: who was forced out of it, and who was let
    /// in by one that had no right to.
    fn bring_ends(&mut self, log: &Log, former: &Membership) {
        self.bring_removals(&former.firmly_removed, Some((log, former)), None);
        let from_there = |id: MuaaId| {
            let members = former.members.values().map(|member| member.id);
            members.chain(former.ended.values().map(|(id, _)| *id)).any(|there| there == id)
        };
        let voided = former.ended.iter().filter(|(_, (_, how))| *how == Gone::Voided).map(|(key, _)| *key);
        let voided: Vec<_> = voided
            .filter(|key| self.view.members.get(key).is_some_and(|member| from_there(member.added_by)))
            .filter(|key| *key != self.state.device.fingerprint)
            .collect();
        for key in voided {
            let _ = self.remove_member(key);
        }
        self.replace_barred_key();
    }

    /// The merge by which this device left a group falls, as when who led it away is found to have been removed before: it is a
    /// member of that group as before, and of the other one no more. Whether it went back.
    fn go_back(&mut self, group: Hash) -> bool {
        let fallen = |former: &&Former| {
            former.left
                && former.own.is_some_and(|own| !Membership::of(&former.log).merges.contains_key(&own))
        };
        let Some(former) = self.state.formers.get(&group).filter(fallen).cloned() else { return false };
        let view = Membership::of(&former.log);
        if !view.members.contains_key(&self.state.device.fingerprint) {
            return false;
        }
        self.state.formers.remove(&group);
        self.return_to_group(former.log);
        true
    }

    /// This device is none of the own group, into which a merge had led it: it goes back to the group it had left. Whether there is one.
    pub(super) fn go_back_from_here(&mut self) -> bool {
        let (here, own) = (self.group(), self.state.device.fingerprint);
        let left = self.state.formers.iter().find(|(_, former)| {
            let stays = || Membership::of(&former.log).members.contains_key(&own);
            former.left && Some(former.into) == here && stays()
        });
        let Some((group, log)) = left.map(|(group, former)| (*group, former.log.clone())) else {
            return false;
        };
        let here = self.state.group.as_ref().map(|own| own.log.clone());
        self.state.formers.remove(&group);
        self.return_to_group(log);
        if let Some(log) = here {
            // Nobody who does not know leads it there once more.
            let into = log.group();
            self.state.formers.insert(into, Former { log, into, via: None, own: None, left: false });
        }
        true
    }

    /// What would come by a merge of one that was removed here, and by a removal that does not name the merge, is void from the start: nothing is
    /// said, so that a person can let the device in.
    fn lead_one(&mut self, key: &Fingerprint, member: &Member, via: Option<Followed>) {
        if !self.view.members.contains_key(key) {
            if via.is_some_and(|via| !self.view.may_bring(&via)) {
                return;
            }
            let (certificate, incarnation) = (member.certificate.clone(), member.incarnation);
            self.append_to_log(&LogBody::Add(Introduction { certificate, incarnation, via }));
        }
        if let Some(link) = self.state.links.get_mut(&member.id) {
            link.lead = true;
            self.changed();
        }
    }

    /// The group that this device has left for the own, and in which this one still is.
    pub(super) fn former_group_of(&self, id: MuaaId) -> Option<&Former> {
        let own = self.state.group.as_ref().map(|group| group.log.group());
        let fits =
            |former: &&Former| Some(former.into) == own && Membership::of(&former.log).by_id(id).is_some();
        self.state.formers.values().find(fits)
    }

    /// The log of a former group in which this device has ended.
    pub(super) fn former_log_without(&self, key: &Fingerprint) -> Option<Log> {
        let logs = self.state.formers.values().map(|former| &former.log);
        logs.into_iter().find(|log| Membership::of(log).ended.contains_key(key)).cloned()
    }

    /// That of a device which never said anything in the own group, and so knows itself in the former one alone.
    pub(super) fn former_log_where_it_ended(&self, key: &Fingerprint) -> Option<Log> {
        (self.last_sequence(key) == 0).then(|| self.former_log_without(key)).flatten()
    }

    /// Who offers to let this device into a group in which it was, and is out there, does not know it: it is told so.
    pub(super) fn tells_of_former(&mut self, heard: &Heard, group: Hash) -> bool {
        let Some(log) = self.state.formers.get(&group).map(|former| former.log.clone()) else { return false };
        let out = Membership::of(&log).ended.contains_key(&heard.content.key);
        if out {
            self.tell_it_is_out(heard.content.author(), &heard.content.key, log);
        }
        out
    }

    /// One that takes itself for a member of a group in which this device is out, and is out there as well.
    fn tell_if_it_is_out(&mut self, said: &Content, log: Log, view: &Membership) {
        let (id, key) = (said.author(), said.key);
        if view.ended.contains_key(&key) && self.may_be_told_for_writing(id, &key) {
            self.tell_it_is_out(id, &key, log);
        }
    }

    /// A device that takes itself for a member of a group that this one is or was in gets the log by which it is none, and
    /// nothing else.
    pub(super) fn tell_it_is_out(&mut self, id: MuaaId, key: &Fingerprint, log: Log) {
        let group = log.group();
        let Some(certificate) = self.sealing_certificate(id, key) else { return };
        let update = Update { ops: log.ops(), ..Update::new(*key) };
        let heard = self.heard_in_a_former_group(group, &update.ops);
        if let Some(former) = self.state.formers.get_mut(&group) {
            former.log.join(&self.crypto, &heard, self.config.log_max);
        } else if self.group() == Some(group) {
            self.take_last_words(&update.ops);
        } else {
            return;
        }
        self.say_farewell(id, &certificate, Some(group), &update);
        self.changed();
    }

    /// What is said to a member that is to be led here is said in the name of the group it is still in.
    pub(super) fn in_the_name_of(&self, leads: bool, id: MuaaId, update: Update) -> (Option<Hash>, Update) {
        let own = self.state.group.as_ref().map(|group| group.log.group());
        let former = self.former_group_of(id).filter(|_| leads);
        let Some(former) = former else { return (own, update) };
        let key = self.state.device.fingerprint;
        let merges = former.log.entries().filter(|(_, entry)| {
            entry.key == key && matches!(entry.body, LogBody::Merge(merge) if Some(merge.into) == own)
        });
        let whole = self.whole_state(update.to);
        let ops = known_by(&former.log, merges.map(|(hash, _)| *hash).collect());
        let update = Update { ops, merged: Some(whole.ops), peers: update.peers, ..whole };
        (Some(former.log.group()), update)
    }

    /// An update in the name of a group that this device has left, or does not know.
    pub(super) fn on_foreign_update(&mut self, op: &SignedOp, content: &Content, update: &Update) -> Verdict {
        let own = self.state.group.as_ref().map(|group| group.log.group());
        let leads_here = self.led_to(update) == own;
        let brought = update.merged.as_deref().unwrap_or_default();
        if leads_here && self.is_said_by_a_member(op, content, update) {
            // It may say what is not known here, as that this device was removed.
            self.take_ops(brought, &[]);
            self.answer_leader(content);
            return Verdict::Done;
        }
        if leads_here && self.is_announced(content) {
            // What it says in the name of the other group it would say in this one's: it takes itself for a member.
            self.answer_by_what_it_brings(op, content, update.digest, brought);
            return Verdict::Ignore(Ignored::NotAMember);
        }
        let here = self.view.members.get(&content.key);
        let here = here.is_some_and(|member| op.is_by(&self.crypto, &member.certificate));
        let max = self.config.log_max;
        let Some(group) = content.group.filter(|group| self.state.formers.contains_key(group)) else {
            // Of a member it was meant for somebody else, or for an earlier time; so it was of one that was out when this group began.
            let over = here || self.view.is_out(&content.key);
            return if over { Verdict::Drop(Ignored::Stale) } else { Verdict::Ignore(Ignored::Stale) };
        };
        let ops = self.heard_in_a_former_group(group, &update.ops);
        if let Some(former) = self.state.formers.get_mut(&group) {
            former.log.join(&self.crypto, &ops, max);
        }
        let Some(former) = self.state.formers.get(&group).cloned() else {
            return Verdict::Ignore(Ignored::Stale);
        };
        self.changed();
        if self.go_back(group) {
            // In its own group it is read again.
            return Verdict::Ignore(Ignored::Stale);
        }
        let view = Membership::of(&former.log);
        if view.ended.contains_key(&self.state.device.fingerprint) {
            let certificate = former.log.certificate(&content.key);
            if certificate.is_some_and(|certificate| op.is_by(&self.crypto, &certificate)) {
                self.tell_if_it_is_out(content, former.log, &view);
            }
            return Verdict::Drop(Ignored::NotAMember);
        }
        self.bring_ends(&former.log, &view);
        let member = view.members.get(&content.key);
        let Some(member) = member.filter(|member| op.is_by(&self.crypto, &member.certificate)) else {
            return Verdict::Drop(Ignored::NotAMember);
        };
        if self.comes_by_one_that_is_out(&former.log, &content.key) {
            // Whoever is forced out of this group leads nobody anywhere in the name of another, nor lets anybody in there.
            return Verdict::Drop(Ignored::NotAMember);
        }
        if leads_here {
            self.answer_leader(content);
            return Verdict::Done;
        }
        match self.merge_of(content, update, &view) {
            Some((merge, target)) => self.unite(content, update, (merge, target), true),
            None if update.merged.is_some() => {}
            None if self.needs_update() => return Verdict::Ignore(Ignored::UpdateNeeded),
            // It does not know yet that its group goes on here.
            None if self.view.is_out(&content.key) => {}
            None => self.lead_one(&content.key, member, former.via),
        }
        Verdict::Done
    }

    /// What is taken into the log of a former group: what its members say, but for those who are out of the own group. Nobody there may know
    /// of that, and whoever is out would say in that log what it likes of those who brought the others here. Of those that are out
    /// there, no removals.
    fn heard_in_a_former_group(&self, group: Hash, ops: &[SignedOp]) -> Vec<SignedOp> {
        let Some(mut log) = self.state.formers.get(&group).map(|former| former.log.clone()) else {
            return Vec::new();
        };
        let mut heard = Vec::new();
        // Each round lets in those whom the members of the round before let in.
        for _ in 0..INTRODUCTIONS {
            let there = Membership::of(&log);
            let is_out = |key: &Fingerprint| {
                // Who is void here may be a member there: it counts by whom it was let in there.
                self.view.how_ended(key).is_some_and(|how| how != Gone::Voided)
                    || self.comes_by_one_that_is_out(&log, key)
            };
            let is_heard = |op: &&SignedOp| {
                op.content().is_some_and(|content| {
                    let ends = content.kind() == Kind::Remove;
                    match there.ended.get(&content.key) {
                        Some((_, how)) => *how != Gone::Voided && !ends,
                        None => there.members.contains_key(&content.key) && !is_out(&content.key),
                    }
                })
            };
            let new: Vec<_> = ops.iter().filter(is_heard).cloned().collect();
            if log.join(&self.crypto, &new, self.config.log_max).is_empty() {
                break;
            }
            heard.extend(new);
        }
        heard
    }

    /// Whether an update that leads into the own group is by a member, as far as is known here, or by what it brings of this group's
    /// log. It may name a group in which this device never was: others brought this one there and are back.
    fn is_said_by_a_member(&self, op: &SignedOp, content: &Content, update: &Update) -> bool {
        if self.is_forced_out(&content.key) {
            return false;
        }
        let brought = update.merged.as_deref().unwrap_or_default();
        let with = self.log_with(&content.key, brought);
        let member = with.as_ref().and_then(|(_, view)| view.members.get(&content.key));
        member.is_some_and(|member| op.is_by(&self.crypto, &member.certificate))
    }

    /// Whether a device of a former group is out of the own one, or is none of its members and was let in there by one that is out.
    fn comes_by_one_that_is_out(&self, former: &Log, key: &Fingerprint) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = *key;
        while seen.insert(at) {
            if self.view.removed.contains(&at) {
                return true;
            }
            let introduces = |entry: &&Entry| entry.introduced == Some(at);
            let Some(by) = former.entries().map(|(_, entry)| entry).find(introduces) else { return false };
            if self.view.members.contains_key(&at) {
                return false;
            }
            at = by.key;
        }
        false
    }

    /// Who leads here has led: an answer in this group's name says so.
    fn answer_leader(&mut self, said: &Content) {
        let member = self.view.members.contains_key(&said.key);
        let Some(link) = self.state.links.get_mut(&said.author()).filter(|_| member) else { return };
        link.received = link.received.max(said.sequence);
        link.owes = true;
        link.stop_leading();
        self.changed();
    }

    /// A member of the own group says that the group goes on in another.
    pub(super) fn follow(&mut self, content: &Content, update: &Update) {
        if let Some(merge) = self.merge_of(content, update, &self.view) {
            self.unite(content, update, merge, false);
        }
    }

    /// Of two groups to go on in, that of the lower genesis hash is joined if both have been left for the other.
    fn unite(
        &mut self,
        said: &Content,
        update: &Update,
        (merge, target): (Followed, Hash),
        left_already: bool,
    ) {
        let Some(ops) = &update.merged else { return };
        let Some(own) = self.state.group.as_ref().map(|group| group.log.group()) else { return };
        let Some(log) = self.log_of(target, ops).filter(|_| target != own) else { return };
        let view = Membership::of(&log);
        if !view.members.contains_key(&self.state.device.fingerprint) {
            if view.removed.contains(&self.state.device.fingerprint) {
                self.end(Life::Removed);
            } else {
                self.tell_if_it_is_out(said, log, &view);
            }
            return;
        }
        if !self.may_enter(&log) {
            return;
        }
        let conflict = left_already || self.state.formers.contains_key(&target);
        if conflict && own < target {
            let previous = log.heads().get(&self.state.device.fingerprint).map(|(_, hash)| *hash);
            self.lead(&Group { log, previous }, &view, Some(merge));
        } else {
            self.enter_group(log, update, (said.author(), said.sequence), Some(merge));
        }
    }

    /// The group in which the author says that its group goes on: that of the log which it brings. What it tells of the former group
    /// may hold merges that lead elsewhere: those of others, and its own earlier ones.
    fn led_to(&self, update: &Update) -> Option<Hash> {
        let founds = |op: &&SignedOp| op.content().is_some_and(|content| content.kind() == Kind::Genesis);
        Some(update.merged.as_ref()?.iter().find(founds)?.hash(&self.crypto))
    }

    /// The merge by which the author's group goes on in another, if it is signed by the author itself and counts, and where it leads.
    fn merge_of(&self, said: &Content, update: &Update, view: &Membership) -> Option<(Followed, Hash)> {
        let target = self.led_to(update)?;
        let counts = |(merge, (key, into)): &(&Hash, &(Fingerprint, Hash))| {
            *key == said.key && *into == target && !view.vetoed.contains(*merge)
        };
        let (merge, _) = view.merges.iter().find(counts)?;
        Some((Followed { merge: *merge, key: said.key }, target))
    }
}

/// What some operations of a log say and know of, with what lets in the author of each: whoever hears it may never have heard of
/// them.
fn known_by(log: &Log, from: Vec<Hash>) -> Vec<SignedOp> {
    let introduces = |(hash, entry): (&Hash, &Entry)| entry.introduced.map(|key| (key, *hash));
    let introduced: BTreeSet<_> = log.entries().filter_map(introduces).collect();
    let (mut found, mut wanted) = (BTreeMap::new(), from);
    while let Some(hash) = wanted.pop() {
        let Some(entry) = log.get(&hash).filter(|_| !found.contains_key(&hash)) else { continue };
        found.insert(hash, entry.signed.clone());
        wanted.extend(entry.previous);
        wanted.extend(entry.seen.iter().copied());
        let by = (entry.key, Hash([0; 32]))..=(entry.key, Hash([0xff; 32]));
        wanted.extend(introduced.range(by).map(|(_, hash)| *hash));
    }
    found.into_values().collect()
}

/// The keys under which who was forced out of one group goes on in another one. A device that moved before it was forced out goes on
/// rightly as what it moved to there: its former key was closed behind it.
fn moved_on(
    removed: &BTreeSet<Fingerprint>,
    (out_of, there): (&Log, &Membership),
    to: &Log,
) -> BTreeSet<Fingerprint> {
    let moves = |log: &Log| -> Vec<(Fingerprint, Fingerprint)> {
        let moves = log.entries().filter(|(_, entry)| matches!(entry.body, LogBody::Move(_)));
        moves.filter_map(|(_, entry)| Some((entry.key, entry.introduced?))).collect()
    };
    let to = moves(to);
    if to.iter().all(|(from, _)| !removed.contains(from)) {
        return BTreeSet::new();
    }
    let is_there = |key: &Fingerprint| {
        there.members.contains_key(key) || there.how_ended(key).is_some_and(|how| how != Gone::Voided)
    };
    let rightly: BTreeSet<_> =
        moves(out_of).into_iter().filter(|(_, key)| is_there(key)).map(|(from, _)| from).collect();
    let (mut forced, mut found) = (removed.clone(), BTreeSet::new());
    forced.retain(|key| !rightly.contains(key));
    loop {
        let next = to.iter().filter(|(from, key)| forced.contains(from) && !is_there(key));
        let next: Vec<_> = next.map(|(_, key)| *key).filter(|key| !forced.contains(key)).collect();
        if next.is_empty() {
            return found;
        }
        forced.extend(next.iter().copied());
        found.extend(next);
    }
}
