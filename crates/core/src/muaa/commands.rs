//! What people and programs want.

use super::{
    Muaa,
    persistent::{InboxState, Life},
};
use crate::{
    Command, Crypto, Fingerprint, Folder, InputError, MuaaId, Phase,
    state::{LogBody, PREFER_ENCRYPT, Removal},
};

impl Command {
    /// A word for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Offer { .. } => "offer",
            Self::CancelOffer { .. } => "cancel offer",
            Self::EnterCode { .. } => "enter code",
            Self::ConfirmJoin => "confirm join",
            Self::DeclineJoin => "decline join",
            Self::Veto { .. } => "veto",
            Self::Acknowledge { .. } => "acknowledge",
            Self::RestoreKey { .. } => "restore key",
            Self::Replace { .. } => "replace",
            Self::Reject { .. } => "reject",
            Self::StartApart => "start apart",
            Self::AdoptKey { .. } => "adopt key",
            Self::DestroyKey { .. } => "destroy key",
            Self::Remove { .. } => "remove",
            Self::Leave => "leave",
            Self::Rename { .. } => "rename",
            Self::SetPreferEncrypt { .. } => "set prefer-encrypt",
            Self::Return => "return",
            Self::Observe { .. } => "observe",
            Self::Gossip { .. } => "gossip",
            Self::Wrote { .. } => "wrote",
            Self::DeletePeer { .. } => "delete peer",
        }
    }
}

impl<C: Crypto> Muaa<C> {
    pub(super) fn command(&mut self, command: Command) -> Result<(), InputError> {
        match command {
            Command::Poll => {
                self.look();
                Ok(())
            }
            Command::Offer { to, form } => self.offer(to, form),
            Command::CancelOffer { session } => self.cancel(session),
            Command::EnterCode { code, from, key } => self.enter_code(&code, from, key),
            Command::ConfirmJoin => self.confirm_join(),
            Command::DeclineJoin => self.decline_join(),
            Command::Veto { merge } => self.veto(merge),
            Command::Acknowledge { id } => self.acknowledge(id),
            Command::RestoreKey { fingerprint } => self.restore_key(fingerprint),
            Command::Replace { id } => self.replace(id),
            Command::Reject { id } => self.reject(id),
            Command::StartApart => {
                self.require(&[Phase::Unpaired, Phase::Requesting])?;
                self.found();
                Ok(())
            }
            Command::AdoptKey { secret } => self.adopt(secret),
            Command::DestroyKey { fingerprint } => self.destroy_key(fingerprint),
            Command::Remove { id } => self.remove(id),
            Command::Leave => self.leave(),
            Command::Rename { name } => self.rename(name),
            Command::SetPreferEncrypt { mutual } => {
                self.require(&[Phase::Alone, Phase::Paired])?;
                let value = if mutual { "mutual" } else { "nopreference" };
                self.set(PREFER_ENCRYPT, value).then_some(()).ok_or(InputError::Outranked)
            }
            Command::Observe { mail } => self.observe(mail),
            Command::Gossip { facts } => self.gossip(facts),
            Command::Wrote { addresses, date } => self.wrote(&addresses, date),
            Command::DeletePeer { address, date } => self.delete_peer(&address, date),
            Command::Return => {
                self.require(&[Phase::Suspended])?;
                self.state.life = Life::Grouped;
                self.state.inbox = InboxState::Tried;
                // What was seen missing while the person was asked is made anew.
                self.io.missing_inbox = false;
                // Announced again, it is heard at once by those who took it for gone.
                if let Some(old) = self.state.announced.take() {
                    self.withdraw(Folder::Announcements, old.token);
                }
                self.changed();
                self.look();
                Ok(())
            }
        }
    }

    pub(super) fn require(&self, phases: &[Phase]) -> Result<(), InputError> {
        let phase = self.phase();
        phases.contains(&phase).then_some(()).ok_or(InputError::WrongPhase(phase))
    }

    fn acknowledge(&mut self, id: MuaaId) -> Result<(), InputError> {
        let of = |key: &Fingerprint| self.view.members.get(key).is_some_and(|member| member.id == id);
        let keys: Vec<_> = self.state.notices.keys().filter(|key| of(key)).copied().collect();
        if keys.is_empty() {
            return Err(InputError::NoSuchMuaa(id));
        }
        for key in keys {
            self.state.notices.remove(&key);
        }
        self.changed();
        Ok(())
    }

    fn rename(&mut self, name: String) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired, Phase::Unpaired, Phase::Requesting])?;
        crate::check_name(&name)?;
        if self.state.group.is_some() && !self.set(&format!("name/{}", self.state.id()), &name) {
            return Err(InputError::Outranked);
        }
        self.state.name = name;
        self.changed();
        Ok(())
    }

    fn remove(&mut self, id: MuaaId) -> Result<(), InputError> {
        self.require(&[Phase::Paired])?;
        let target = self.view.by_id(id).map(|(key, _)| *key).filter(|_| id != self.state.id());
        let target = target.ok_or(InputError::NoSuchMuaa(id))?;
        self.remove_member(target)
    }

    /// Forces out a member, and has the others use a new account key.
    pub(super) fn remove_member(&mut self, target: Fingerprint) -> Result<(), InputError> {
        self.force_out(target, false)
    }

    /// Takes a member for lost that was silent for too long: a removal that no person asked for. A program that is too old, or whose log is
    /// full, leaves it a member.
    pub(super) fn forget(&mut self, target: Fingerprint) {
        let _ = self.force_out(target, true);
    }

    fn force_out(&mut self, target: Fingerprint, silent: bool) -> Result<(), InputError> {
        let Some(member) = self.view.members.get(&target).cloned() else { return Ok(()) };
        self.require_understanding_but_of(&target)?;
        let certificate = self.sealing_certificate(member.id, &target).unwrap_or_default();
        let mut whole = true;
        for removal in self.removals_of(target) {
            whole &= self.append_to_log(&LogBody::Remove(Removal { silent, ..removal })).is_some();
            if self.view.members.contains_key(&target) {
                return Err(InputError::LogFull);
            }
        }
        self.tell_standing(member.id, target, &certificate);
        whole &= self.rotate_account_key().is_ok();
        if whole { Ok(()) } else { Err(InputError::LogFull) }
    }

    fn leave(&mut self) -> Result<(), InputError> {
        self.require(&[
            Phase::Discovering,
            Phase::Alone,
            Phase::Unpaired,
            Phase::Requesting,
            Phase::Paired,
            Phase::Suspended,
        ])?;
        if self.view.members.len() > 1 {
            self.append_to_log(&LogBody::Leave).ok_or(InputError::LogFull)?;
            self.tell_everyone_now();
        }
        self.end(Life::Left);
        self.io.read_soon(Folder::Announcements);
        Ok(())
    }
}
