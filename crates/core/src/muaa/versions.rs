//! Operations of a later version that decide who is a member: they are kept and relayed, and until this program is updated it
//! changes no member, for it does not know what it would contradict (`docs/protocol.md` section 8.2).

use super::{Muaa, member::reason, persistent::Stage};
use crate::{
    Crypto, Event, Fingerprint, InputError,
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
        if self.has_own_key_moved() {
            return false;
        }
        match body {
            LogBody::Add(_) | LogBody::Merge(_) => !self.needs_update(),
            LogBody::Remove(removal) => self.require_understanding_but_of(&removal.target).is_ok(),
            LogBody::Genesis(_)
            | LogBody::Leave
            | LogBody::Move(_)
            | LogBody::AccountKey(_)
            | LogBody::Alive
            | LogBody::Destroy(_)
            | LogBody::Veto(_)
            | LogBody::Restore(_)
            | LogBody::Unknown(_) => true,
        }
    }

    /// The removal of who said it leaves nothing standing from there on.
    pub(super) fn require_understanding_but_of(&self, target: &Fingerprint) -> Result<(), InputError> {
        if self.view.unknown.contains_key(target) { Ok(()) } else { self.require_understanding() }
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
