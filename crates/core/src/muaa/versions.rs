//! Operations of a later version that decide who is a member: they are kept and relayed, and until this program is updated it
//! changes no member, for it does not know what it would contradict (`docs/protocol.md` section 8.2).

use std::collections::BTreeSet;

use super::{Muaa, member::reason, persistent::Stage};
use crate::{
    Crypto, Event, Fingerprint, Hash, InputError,
    state::{Log, LogBody, Membership},
};

impl<C: Crypto> Muaa<C> {
    /// Whether an operation of a later version decides who is a member: this program changes no member until it is updated.
    #[must_use]
    pub fn needs_update(&self) -> bool {
        self.view.needs_update()
    }

    pub(super) fn require_understanding(&self) -> Result<(), InputError> {
        if self.needs_update() { Err(InputError::UpdateNeeded) } else { Ok(()) }
    }

    /// Whether this program may say so. Whoever says what nobody here understands can be removed all the same, as from before it
    /// said so: else a stolen device could keep the others from removing it.
    pub(super) fn may_sign(&self, body: &LogBody) -> bool {
        match body {
            LogBody::Add(_) | LogBody::Expire(_) | LogBody::Merge(_) => !self.needs_update(),
            LogBody::Remove(removal) => {
                let first = self.view.unknown.get(&removal.target);
                let log = self.state.group.as_ref().map(|group| &group.log);
                let stands = log.map(|log| log.chains(&removal.target, &removal.cut)).unwrap_or_default();
                let last = stands.iter().filter_map(|hash| log?.get(hash)).map(|entry| entry.sequence).max();
                !self.needs_update() || first.is_some_and(|first| last.is_none_or(|last| last < *first))
            }
            LogBody::Genesis(_)
            | LogBody::Leave
            | LogBody::Move(_)
            | LogBody::AccountKey(_)
            | LogBody::Alive
            | LogBody::Destroy(_)
            | LogBody::Unknown(_) => true,
        }
    }

    /// What a removal leaves standing of a device that said what nobody here understands: all before that.
    pub(super) fn understood(&self, log: &Log, target: &Fingerprint) -> Option<BTreeSet<Hash>> {
        let first = self.view.unknown.get(target)?;
        let before = log.entries().filter(|(_, entry)| entry.key == *target && entry.sequence < *first);
        Some(before.max_by_key(|(_, entry)| entry.sequence).map(|(hash, _)| *hash).into_iter().collect())
    }

    /// Whether this device may go on in the group of this log: it would let the members of its own group in.
    pub(super) fn may_enter(&self, log: &Log) -> bool {
        let leads = self.view.members.len() > 1;
        !leads || !(self.needs_update() || Membership::of(log).needs_update())
    }

    /// Tells once that this program is too old, and shows no code that it could not keep its word about.
    pub(super) fn notice_later_version(&mut self, before: &Membership) {
        if !self.needs_update() || before.needs_update() {
            return;
        }
        self.tell(Event::UpdateNeeded);
        let open = self.state.sessions.iter().filter(|(_, session)| session.stage == Stage::Open);
        let open: Vec<_> = open.map(|(id, _)| *id).collect();
        for session in open {
            self.end_session(session, Some(reason::OVER));
            self.tell(Event::OfferExpired { session });
        }
    }
}
