//! Who is back after it was taken for lost: a member by its own sign of life, which for a while ends nobody who knew that it was lost.
//!
//! Nobody knows in whose hands such a device was, until a device on which a person acknowledges it vouches for it. A device that heard the
//! other one all along vouches by itself: then whoever took it for lost was wrong, or lied.

use std::collections::BTreeSet;

use super::Muaa;
use crate::{
    Crypto, Event, Fingerprint, Timestamp,
    state::{LogBody, Membership, Vouching},
    wire::{Kind, SignedOp},
};

impl<C: Crypto> Muaa<C> {
    /// Keeps in mind who is taken for lost and was heard all along, and tells who is back.
    pub(super) fn watch_for_the_lost(&mut self, before: &Membership) {
        for (_, key) in self.view.expiries.iter().filter(|(hash, _)| !before.expiries.contains_key(*hash)) {
            self.io.expiries_due = true;
            if self.was_heard_all_along(key) {
                self.state.heard_all_along.insert(*key);
            } else {
                self.state.heard_all_along.remove(key);
            }
        }
        if !self.state.heard_all_along.iter().all(|key| self.was_lost(key)) {
            let heard = self.state.heard_all_along.iter().copied();
            self.state.heard_all_along = heard.filter(|key| self.was_lost(key)).collect();
        }
        let own = self.state.device.fingerprint;
        let news = |key: &&Fingerprint| {
            let doubt = self.view.unvouched.contains(*key) && !before.unvouched.contains(*key);
            **key != own && (doubt || before.is_expired(key))
        };
        let back: BTreeSet<_> = self.view.expiries.values().filter(news).copied().collect();
        for key in back {
            let Some(id) = self.view.members.get(&key).map(|member| member.id) else { continue };
            self.tell(Event::MemberBack { id });
            if self.view.unvouched.contains(&key) && !self.state.heard_all_along.contains(&key) {
                self.state.notices.insert(key, id);
            }
        }
    }

    /// Whether somebody takes or took this device for lost.
    pub(super) fn was_lost(&self, key: &Fingerprint) -> bool {
        self.view.expiries.values().any(|lost| lost == key)
    }

    fn was_heard_all_along(&self, key: &Fingerprint) -> bool {
        let known = self.state.siblings.iter().find(|((_, other), _)| other == key);
        known.is_some_and(|(_, known)| {
            let lately = |at: Timestamp| self.now.since(at) <= self.config.forget_after;
            self.state.server_now.since(known.date) <= self.config.expire_after
                && !known.back.is_some_and(lately)
        })
    }

    /// Signs something that knows who is taken for lost: whoever took that one for lost cannot show alone that it did so first.
    pub(super) fn witness_the_lost(&mut self) {
        if !std::mem::take(&mut self.io.expiries_due) {
            return;
        }
        let Some(group) = &self.state.group else { return };
        let own = self.state.device.fingerprint;
        let others: BTreeSet<_> = self.view.expiries.values().filter(|key| **key != own).collect();
        if self.view.members.contains_key(&own)
            && others.iter().any(|key| group.log.ends_unknown_to(&own, key))
        {
            self.append_to_log(&LogBody::Alive);
        }
    }

    /// Whoever takes all others for lost parts them: those that this device heard all along hear from it that it is alive.
    pub(super) fn tell_the_heard_that_are_lost(&mut self) {
        let heard = self.state.heard_all_along.iter().filter(|key| self.view.is_expired(key));
        let heard: Vec<_> = heard.filter_map(|key| Some((self.id_of(key)?, *key))).collect();
        for (id, key) in heard {
            if let Some(certificate) = self.sealing_certificate(id, &key) {
                self.tell_standing(id, key, &certificate);
            }
        }
    }

    /// These operations without removals and expiries by others, if nobody is left who could bear witness that they were taken for lost: all
    /// other members are lost, or back and unvouched for. `None` if that is all of them.
    pub(super) fn without_ends_by_the_lost(&self, ops: &[SignedOp]) -> Option<Vec<SignedOp>> {
        let own = self.state.device.fingerprint;
        let doubted = |key: &Fingerprint| {
            self.view.unvouched.contains(key) && !self.state.heard_all_along.contains(key)
        };
        let lost =
            self.view.expiries.values().any(|key| *key != own && (self.view.is_expired(key) || doubted(key)));
        if !lost || self.view.members.keys().any(|key| *key != own && !doubted(key)) {
            return None;
        }
        let ends = |op: &SignedOp| {
            op.content().is_some_and(|content| {
                matches!(content.kind(), Kind::Remove | Kind::Expire)
                    && content.key != own
                    && !self.state.heard_all_along.contains(&content.key)
            })
        };
        ops.iter().any(ends).then(|| ops.iter().filter(|op| !ends(op)).cloned().collect())
    }

    /// Says of those unvouched for that this device heard all along that they were never lost.
    pub(super) fn vouch_for_the_heard(&mut self) {
        if self.state.heard_all_along.is_empty() || self.view.unvouched.is_empty() {
            return;
        }
        let heard: Vec<_> = self.view.unvouched.intersection(&self.state.heard_all_along).copied().collect();
        heard.into_iter().for_each(|key| self.vouch_for(key));
    }

    /// Says that this device is in its owner's hands, if it is unvouched for.
    pub(super) fn vouch_for(&mut self, key: Fingerprint) {
        if self.view.unvouched.contains(&key) && key != self.state.device.fingerprint {
            self.append_to_log(&LogBody::Vouch(Vouching { target: key }));
        }
    }

    /// Whoever is out forces nobody out who knows it: before this device hears that one removed or expired somebody that is out, is unvouched for, or
    /// is none that it knows, it has signed something that knows of that end, and of who is taken for lost.
    pub(super) fn answer_ends_by_who_is_out(&mut self, ops: &[SignedOp]) {
        let Some(group) = &self.state.group else { return };
        if self.view.ended.is_empty() && self.view.expiries.is_empty() {
            return;
        }
        let contents = ops.iter().filter(|op| group.log.get(&op.hash(&self.crypto)).is_none());
        let ends = contents.filter_map(SignedOp::content);
        let ends = ends.filter(|content| matches!(content.kind(), Kind::Remove | Kind::Expire));
        let trusted =
            |key: &Fingerprint| self.view.members.contains_key(key) && !self.view.unvouched.contains(key);
        let by: BTreeSet<_> = ends.map(|content| content.key).filter(|key| !trusted(key)).collect();
        if by.is_empty() {
            return;
        }
        let ended = by.iter().filter(|key| self.view.ended.contains_key(*key));
        let of: BTreeSet<_> = ended.chain(self.view.expiries.values()).collect();
        let own = self.state.device.fingerprint;
        if of.iter().any(|key| group.log.ends_unknown_to(&own, key)) {
            self.append_to_log(&LogBody::Alive);
        }
    }
}
