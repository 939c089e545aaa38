//! A device that has a group or keys is asked before it goes over to another group.
//!
//! Whoever talks a person into typing a code or opening a link would get all keys and all devices otherwise. So what the accept
//! brought is put aside and nothing is told to the other side: the program shows whose group it is. When the person says yes, the merge
//! is announced to the own group's members, any of whom can veto it, and only when the time for that is over the device goes.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::Muaa;
use crate::{
    Crypto, Event, Fingerprint, Folder, Hash, InputError, JoinQuestion, MuaaId, Phase, Secret, Timestamp,
    state::{Log, LogBody, Membership, Merge, Veto},
    wire::{self, Update},
};

/// A group that this device may go over to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Entering {
    #[n(0)]
    log: Log,
    /// The state that the accept brought, as an encoded [`Update`].
    #[n(1)]
    state: Secret,
    /// Who let this device in, under which of its numbers.
    #[n(2)]
    by: (MuaaId, u64),
    /// When the person said yes.
    #[n(3)]
    confirmed: Option<Timestamp>,
    /// The own merge in the log of the group that is left.
    #[n(4)]
    merge: Option<Hash>,
}

impl Entering {
    /// The own clock was set back: nothing waits for a time that it only showed by mistake.
    pub(crate) fn forget_the_future(&mut self, now: Timestamp) {
        self.confirmed.iter_mut().for_each(|at| *at = (*at).min(now));
    }
}

impl<C: Crypto> Muaa<C> {
    /// An accept came. A device that has nothing of its own goes there at once; any other is asked.
    pub(super) fn enter_or_ask(&mut self, log: Log, update: &Update, by: (MuaaId, u64)) {
        if self.state.group.is_none() && self.state.adopted.is_none() {
            return self.enter_group(log, update, by, None);
        }
        let state = Secret::new(wire::encode(update));
        self.state.entering = Some(Entering { log, state, by, confirmed: None, merge: None });
        self.tell(Event::JoinAsks { by: by.0 });
        self.changed();
    }

    /// The group that this device was let into and has not gone over to, as a person is to be asked about it.
    #[must_use]
    pub fn join_question(&self) -> Option<JoinQuestion> {
        let entering = self.state.entering.as_ref()?;
        let update: Update = wire::decode(entering.state.expose())?;
        let view = Membership::of(&entering.log);
        let name =
            |id: MuaaId| update.settings.get(&format!("name/{id}")).map(|register| register.value.clone());
        let members = view.members.iter().filter(|(key, _)| **key != self.state.device.fingerprint);
        Some(JoinQuestion {
            by: entering.by.0,
            group: entering.log.group(),
            members: members.map(|(key, member)| (member.id, name(member.id), *key)).collect(),
            since: view.keys.iter().map(|(_, named)| named.created).min(),
            goes_at: entering.confirmed.map(|at| at + self.merge_wait()),
        })
    }

    /// Others of the own group have a time to veto; who is alone has nobody to wait for.
    fn merge_wait(&self) -> Duration {
        if self.view.members.len() > 1 { self.config.merge_wait } else { Duration::ZERO }
    }

    pub(super) fn confirm_join(&mut self) -> Result<(), InputError> {
        self.require(&[Phase::Discovering, Phase::Unpaired, Phase::Requesting, Phase::Alone, Phase::Paired])?;
        let Some(mut entering) = self.state.entering.clone() else { return Err(InputError::NoJoin) };
        if entering.confirmed.is_some() {
            return Ok(());
        }
        if self.view.members.len() > 1 {
            let merge = Merge { into: entering.log.group(), follows: None };
            let said = self.append_to_log(&LogBody::Merge(merge));
            entering.merge = Some(said.ok_or(InputError::LogFull)?);
        }
        entering.confirmed = Some(self.now);
        self.state.entering = Some(entering);
        self.changed();
        self.enter_if_due();
        Ok(())
    }

    /// The person says no, or a member does: the device that let this one in hears that it left. A log whose reserve is full takes
    /// no veto, and needs none: only the author of a merge leads others by it.
    pub(super) fn decline_join(&mut self) -> Result<(), InputError> {
        let Some(entering) = self.state.entering.take() else { return Err(InputError::NoJoin) };
        let own = self.state.device.fingerprint;
        if let Some(merge) = entering.merge.filter(|_| self.view.members.contains_key(&own)) {
            self.append_to_log(&LogBody::Veto(Veto { merge }));
        }
        let (kind, body) = LogBody::Leave.write();
        let group = entering.log.group();
        let op = self.sign_content(kind, Some(group), body, None, Some(entering.log.seen(None)));
        let view = Membership::of(&entering.log);
        let by = view.by_id(entering.by.0).filter(|(key, _)| **key != own);
        if let Some((key, member)) = by {
            let certificate = self.sealing_certificate(member.id, key);
            let certificate = certificate.unwrap_or_else(|| member.certificate.clone());
            let update = Update { received: entering.by.1, ops: vec![op], ..Update::new(*key) };
            self.say_farewell(member.id, &certificate, Some(group), &update);
        }
        self.changed();
        Ok(())
    }

    /// This device changes its group, or is in none any more: those of the group that was asked have no say in the other one.
    pub(super) fn give_up_join(&mut self) {
        if self.decline_join().is_ok() {
            self.tell(Event::JoinVetoed);
        }
    }

    /// This device enters this group. Where it was to go it is then.
    pub(super) fn settle_join(&mut self, group: Hash) {
        if self.state.entering.as_ref().is_some_and(|entering| entering.log.group() == group) {
            self.state.entering = None;
        } else {
            self.give_up_join();
        }
    }

    /// This device takes another key, which the other group does not know. Nothing is said: a copy of this state may have gone there.
    pub(super) fn forget_join(&mut self) {
        if self.state.entering.take().is_some() {
            self.tell(Event::JoinVetoed);
            self.changed();
        }
    }

    pub(super) fn join_deadline(&self) -> Option<Timestamp> {
        Some(self.state.entering.as_ref()?.confirmed? + self.merge_wait())
    }

    /// Goes over to the other group when the time for a veto is over.
    pub(super) fn enter_if_due(&mut self) {
        if self.join_deadline().is_none_or(|due| due > self.now) {
            self.io.looks_for_vetoes = false;
            return;
        }
        let enters = |entering: &Entering| self.may_enter(&entering.log);
        if !self.state.entering.as_ref().is_some_and(enters) {
            // It waits until this program is updated.
            return;
        }
        if !self.has_looked_for_vetoes() {
            return;
        }
        let Some(entering) = self.state.entering.take() else { return };
        let Some(update) = wire::decode::<Update>(entering.state.expose()) else { return };
        self.enter_group(entering.log, &update, entering.by, None);
    }

    /// Who was off, or without a connection, while others had their time may not have read a veto that lies there: when the time is over
    /// everything is read once more.
    fn has_looked_for_vetoes(&mut self) -> bool {
        if self.merge_wait().is_zero() {
            return true;
        }
        let folders = [Folder::Announcements, self.own_inbox()];
        if !self.io.looks_for_vetoes {
            self.io.looks_for_vetoes = self.io.look_once_more(&folders);
        }
        self.io.looks_for_vetoes && folders.iter().all(|folder| self.io.read.contains(folder))
    }

    /// A member vetoes a merge that another one has announced.
    pub(super) fn veto(&mut self, merge: Hash) -> Result<(), InputError> {
        self.require(&[Phase::Paired])?;
        let announced = self.view.merges.contains_key(&merge) && !self.view.vetoed.contains(&merge);
        if !announced {
            return Err(InputError::NoJoin);
        }
        let said = self.append_to_log(&LogBody::Veto(Veto { merge }));
        said.map(|_| ()).ok_or(InputError::LogFull)
    }

    /// Tells of merges that members of the own group announce, and gives up the own one if somebody vetoes it.
    pub(super) fn notice_merges(&mut self, before: &Membership) {
        let own = self.state.device.fingerprint;
        let is_new = |(hash, (key, _)): &(&Hash, &(Fingerprint, Hash))| {
            *key != own && !before.merges.contains_key(*hash)
        };
        let log = self.state.group.as_ref().map(|group| &group.log);
        let is_first = |merge: &Hash| {
            let entry = log.and_then(|log| log.get(merge));
            entry.is_some_and(|entry| matches!(&entry.body, LogBody::Merge(merge) if merge.follows.is_none()))
        };
        let new = self.view.merges.iter().filter(is_new).filter(|(hash, _)| is_first(hash));
        let new: Vec<_> = new.map(|(hash, (key, _))| (*hash, *key)).collect();
        for (merge, key) in new {
            if let Some(by) = self.view.members.get(&key).map(|member| member.id) {
                self.tell(Event::MergeAnnounced { by, merge });
            }
        }
        let own = self.state.entering.as_ref().and_then(|entering| entering.merge);
        if own.is_some_and(|merge| self.view.vetoed.contains(&merge)) {
            self.io.declined = true;
        }
    }

    /// A veto was heard of.
    pub(super) fn give_up_if_vetoed(&mut self) {
        if std::mem::take(&mut self.io.declined) {
            self.give_up_join();
        }
    }
}

/// The own merge in a former group's log that leads to this one, if it was announced before.
pub(super) fn announced(former: &Log, view: &Membership, own: &Fingerprint, into: Hash) -> Option<Hash> {
    let by_own = |(_, (key, target)): &(&Hash, &(Fingerprint, Hash))| key == own && *target == into;
    let merge = view.merges.iter().find(by_own).map(|(hash, _)| *hash)?;
    former.get(&merge).map(|_| merge)
}
