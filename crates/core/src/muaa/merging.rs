//! Two groups become one: a device that enters another group brings the members of the group it was in.

use super::{
    Muaa,
    persistent::{Former, Group, Life},
    reading::{Heard, Verdict},
};
use crate::{
    Crypto, Fingerprint, Hash, Ignored, MuaaId,
    state::{Introduction, Log, LogBody, Member, Membership, Merge},
    wire::{Content, Kind, SignedOp, Update},
};

/// How many groups that were left are remembered.
const FORMERS_MAX: usize = 16;

impl<C: Crypto> Muaa<C> {
    /// Lets the members of `former` into the own group, and has them told by a merge operation of their own group.
    pub(super) fn lead(&mut self, former: &Group, view: &Membership) {
        let Some(into) = self.state.group.as_ref().map(|group| group.log.group()) else { return };
        let mut log = former.log.clone();
        let (kind, body) = LogBody::Merge(into).write();
        let op = self.sign_content(kind, Some(log.group()), body, former.previous, Some(log.heads()));
        log.join(&self.crypto, &[op], self.config.log_max);
        let own = self.state.device.fingerprint;
        let others = view.members.iter().filter(|(key, _)| **key != own);
        let (ended, led): (Vec<_>, Vec<_>) = others.partition(|(key, _)| self.view.is_out(key));
        for (key, member) in led {
            self.lead_one(key, member);
        }
        let group = log.group();
        if self.state.formers.len() < FORMERS_MAX || self.state.formers.contains_key(&group) {
            self.state.formers.insert(group, Former { log, into });
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

    /// Who was forced out of a group that this device was in is forced out of the own one, whether or not it is in it: nobody
    /// lets it in who does not know, and nobody is let in by it.
    pub(super) fn bring_removals(&mut self, former: &Membership) {
        let own = self.state.device.fingerprint;
        for key in former.removed.iter().filter(|key| **key != own) {
            if self.view.members.contains_key(key) {
                // If this program is too old to say so, it goes on with the group as it is.
                let _ = self.remove_member(*key);
            } else if !self.view.removed.contains(key) {
                for removal in self.removals_of(*key) {
                    self.append_to_log(&LogBody::Remove(removal));
                }
            }
        }
    }

    fn lead_one(&mut self, key: &Fingerprint, member: &Member) {
        if !self.view.members.contains_key(key) {
            let introduction = Introduction {
                id: member.id,
                certificate: member.certificate.clone(),
                incarnation: member.incarnation,
            };
            self.append_to_log(&LogBody::Add(introduction));
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

    /// Who offers to let this device into a group in which it was, and is out there, does not know it: it is told so.
    pub(super) fn tells_of_former(&mut self, heard: &Heard, group: Hash) -> bool {
        let Some(log) = self.state.formers.get(&group).map(|former| former.log.clone()) else { return false };
        let out = Membership::of(&log).ended.contains_key(&heard.content.key);
        if out {
            self.tell_it_is_out(heard.content.author, &heard.content.key, log);
        }
        out
    }

    /// A device that takes itself for a member of a group that this one is or was in gets the log by which it is none, and
    /// nothing else.
    pub(super) fn tell_it_is_out(&mut self, id: MuaaId, key: &Fingerprint, log: Log) {
        let group = log.group();
        let Some(certificate) = self.sealing_certificate(id, key) else { return };
        let update = Update { ops: log.ops(), ..Update::new(*key) };
        if let Some(former) = self.state.formers.get_mut(&group) {
            former.log = log;
        } else if self.group() == Some(group) {
            self.take_ops(&update.ops, &[]);
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
            entry.key == key && matches!(entry.body, LogBody::Merge(into) if Some(into) == own)
        });
        let whole = self.whole_state(update.to);
        let ops = merges.map(|(_, entry)| entry.signed.clone()).collect();
        let update = Update { ops, merged: Some(whole.ops), peers: update.peers, ..whole };
        (Some(former.log.group()), update)
    }

    /// An update in the name of a group that this device has left, or does not know.
    pub(super) fn on_foreign_update(&mut self, op: &SignedOp, content: &Content, update: &Update) -> Verdict {
        let own = self.state.group.as_ref().map(|group| group.log.group());
        let target = merge_target(content, update);
        let here = self.view.members.get(&content.key).filter(|member| member.id == content.author);
        let here = here.is_some_and(|member| op.is_by(&self.crypto, &member.certificate));
        if here && target == own {
            // It may say what is not known here, as that this device was removed.
            self.take_ops(update.merged.as_deref().unwrap_or_default(), &[]);
            self.answer_leader(content);
            return Verdict::Done;
        }
        let max = self.config.log_max;
        let former = content.group.and_then(|group| self.state.formers.get_mut(&group));
        let Some(former) = former else {
            // Of a member it was meant for somebody else, or for an earlier time.
            return if here { Verdict::Drop(Ignored::Stale) } else { Verdict::Ignore(Ignored::Stale) };
        };
        former.log.join(&self.crypto, &update.ops, max);
        let view = Membership::of(&former.log);
        self.bring_removals(&view);
        self.changed();
        let member = view.members.get(&content.key).filter(|member| member.id == content.author);
        let Some(member) = member.filter(|member| op.is_by(&self.crypto, &member.certificate)) else {
            return Verdict::Drop(Ignored::NotAMember);
        };
        match target {
            Some(target) if Some(target) == own => self.answer_leader(content),
            Some(target) => self.unite(content, update, target, true),
            None if self.needs_update() => return Verdict::Ignore(Ignored::UpdateNeeded),
            // It does not know yet that its group goes on here.
            None if self.view.is_out(&content.key) => {}
            None => self.lead_one(&content.key, member),
        }
        Verdict::Done
    }

    /// Who leads here has led: an answer in this group's name says so.
    fn answer_leader(&mut self, said: &Content) {
        let member = self.view.members.get(&said.key).is_some_and(|member| member.id == said.author);
        let Some(link) = self.state.links.get_mut(&said.author).filter(|_| member) else { return };
        link.received = link.received.max(said.sequence);
        link.owes = true;
        link.stop_leading();
        self.changed();
    }

    /// A member of the own group says that the group goes on in another.
    pub(super) fn follow(&mut self, content: &Content, update: &Update) {
        if let Some(target) = merge_target(content, update) {
            self.unite(content, update, target, false);
        }
    }

    /// Of two groups to go on in, that of the lower genesis hash is joined if both have been left for the other.
    fn unite(&mut self, said: &Content, update: &Update, target: Hash, left_already: bool) {
        let Some(ops) = &update.merged else { return };
        let Some(own) = self.state.group.as_ref().map(|group| group.log.group()) else { return };
        let Some(log) = self.log_of(target, ops).filter(|_| target != own) else { return };
        let view = Membership::of(&log);
        if !view.members.contains_key(&self.state.device.fingerprint) {
            if view.removed.contains(&self.state.device.fingerprint) {
                self.end(Life::Removed);
            }
            return;
        }
        if !self.may_enter(&log) {
            return;
        }
        let conflict = left_already || self.state.formers.contains_key(&target);
        if conflict && own < target {
            let previous = log.heads().get(&self.state.device.fingerprint).map(|(_, hash)| *hash);
            self.lead(&Group { log, previous }, &view);
        } else {
            self.enter_group(log, update, (said.author, said.sequence));
        }
    }
}

/// The group in which the author's group goes on, by a merge that the author itself signed.
fn merge_target(said: &Content, update: &Update) -> Option<Hash> {
    update.merged.as_ref()?;
    update.ops.iter().filter_map(SignedOp::content).find_map(|content| {
        let merges = content.key == said.key && content.kind() == Kind::Merge;
        merges.then(|| content.body::<Merge>().map(|merge| merge.into)).flatten()
    })
}
