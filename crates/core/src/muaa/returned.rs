//! Who is back after it was taken for lost: a member by its own sign of life, which for a while ends nobody by itself.
//!
//! Nobody knows in whose hands such a device was. So its removals and expiries are left where they are until a person acknowledges the
//! device here, or until it has been back for [`crate::Config::suspend_after`]; all that time its notice stands. So it is with whom it lets in
//! and with the key that it moves to. A device that this one has heard all along is not taken for lost here, whatever the log says.

use std::collections::{BTreeMap, BTreeSet};

use super::Muaa;
use crate::{
    Crypto, Event, Fingerprint, Gone, Timestamp,
    state::{Log, Membership},
    wire::{Kind, SignedOp},
};

/// Devices that were taken for lost and whose return nobody has acknowledged: since when each is back, if it is.
pub(super) type Returned = BTreeMap<Fingerprint, Option<Timestamp>>;

impl<C: Crypto> Muaa<C> {
    /// Keeps in mind who is in doubt now that the log says something new.
    pub(super) fn watch_for_the_lost(&mut self, before: &Membership) {
        if self.state.returned.is_empty() && !self.view.knows_of_the_lost() {
            return;
        }
        let Some(group) = &self.state.group else { return };
        let now = self.in_doubt_after(before, &group.log, &self.view);
        let known = std::mem::replace(&mut self.state.returned, now);
        let back: Vec<_> = self.state.returned.keys().filter(|key| self.is_back(key)).copied().collect();
        for key in back.into_iter().filter(|key| known.get(key).is_none_or(Option::is_none)) {
            let Some(id) = self.view.members.get(&key).map(|member| member.id) else { continue };
            self.tell(Event::MemberBack { id });
            self.state.notices.insert(key, id);
        }
    }

    /// Whether nobody has acknowledged the return of this device, which was taken for lost.
    pub(super) fn is_back(&self, key: &Fingerprint) -> bool {
        self.view.returned.contains(key) && self.state.returned.get(key).is_some_and(Option::is_some)
    }

    /// Who is in doubt when the log says this, after it said what this device went by.
    pub(super) fn in_doubt_after(&self, before: &Membership, log: &Log, after: &Membership) -> Returned {
        let mut doubted = self.state.returned.clone();
        let own = self.state.device.fingerprint;
        let lost = after.ended.iter().filter(|(_, (_, how))| *how == Gone::Expired).map(|(key, _)| *key);
        for key in lost.filter(|key| *key != own && !before.is_expired(key)) {
            doubted.remove(&key);
            if self.was_out_of_hearing(&key) {
                doubted.insert(key, None);
            }
        }
        for key in after.returned.iter().filter(|key| **key != own) {
            let at_once = !before.returned.contains(key) && !before.is_expired(key);
            if doubted.get(key) == Some(&None) || (at_once && self.was_out_of_hearing(key)) {
                doubted.insert(*key, Some(self.now));
            }
        }
        if !doubted.is_empty() {
            // Each round finds those whom the round before let in.
            loop {
                let new = after.members.keys().filter(|key| !before.members.contains_key(key));
                let new = new.filter(|key| **key != own && !doubted.contains_key(key));
                let by_doubted =
                    |key: &&Fingerprint| log.introducers(key).all(|by| doubted.contains_key(&by));
                let found: Vec<_> = new.filter(by_doubted).copied().collect();
                if found.is_empty() {
                    break;
                }
                doubted.extend(found.into_iter().map(|key| (key, Some(self.now))));
            }
        }
        doubted.retain(|key, _| after.members.contains_key(key) || after.is_expired(key));
        doubted
    }

    /// This device has not heard that one for so long that it could be lost, or hears it again only since lately.
    fn was_out_of_hearing(&self, key: &Fingerprint) -> bool {
        let known = self.state.siblings.iter().find(|((_, other), _)| other == key);
        known.is_none_or(|(_, known)| {
            let lately = |at: Timestamp| self.now.since(at) <= self.config.suspend_after;
            let silent = self.state.server_now.since(known.date) > self.config.expire_after;
            silent || known.back.is_some_and(lately)
        })
    }

    /// These operations without what devices sign to end others that are taken for lost, or are back from that and in doubt. It comes
    /// again as long as the digests differ.
    pub(super) fn without_ends_in_doubt(&self, ops: &[SignedOp]) -> Option<Vec<SignedOp>> {
        let log = &self.state.group.as_ref()?.log;
        let own = self.state.device.fingerprint;
        let kinds = |op: &SignedOp| op.content().map(|content| (content.kind(), content.key));
        let ends = |op: &&SignedOp| {
            kinds(op).is_some_and(|(kind, by)| matches!(kind, Kind::Remove | Kind::Expire) && by != own)
        };
        let is_new = |op: &&SignedOp| log.get(&op.hash(&self.crypto)).is_none();
        let news: Vec<_> = ops.iter().filter(ends).filter(is_new).collect();
        let expires = |op: &&&SignedOp| kinds(op).is_some_and(|(kind, _)| kind == Kind::Expire);
        let lost = !self.state.returned.is_empty() || self.view.knows_of_the_lost();
        if news.is_empty() || !(lost || news.iter().any(|op| expires(&op))) {
            return None;
        }
        let removes = |op: &SignedOp| kinds(op).is_some_and(|(kind, _)| kind == Kind::Remove);
        let others: Vec<_> = ops.iter().filter(|op| !removes(op)).cloned().collect();
        let mut log = log.clone();
        log.join(&self.crypto, &others, self.config.log_max);
        let view = Membership::of(&log);
        let doubted = self.in_doubt_after(&self.view, &log, &view);
        let refused = |op: &&SignedOp| {
            let content = op.content();
            content.is_some_and(|content| {
                (doubted.contains_key(&content.key) || view.is_expired(&content.key))
                    && log.is_late(&content.key, content.sequence)
            })
        };
        let refused: BTreeSet<_> = news.into_iter().filter(refused).map(|op| op.hash(&self.crypto)).collect();
        if refused.is_empty() {
            return None;
        }
        Some(ops.iter().filter(|op| !refused.contains(&op.hash(&self.crypto))).cloned().collect())
    }

    /// Who has been back for long is a member like any other.
    pub(super) fn end_doubts(&mut self) {
        let over =
            |since: &Option<Timestamp>| since.is_some_and(|since| self.doubted_until(since) <= self.now);
        let over: BTreeSet<_> =
            self.state.returned.iter().filter(|(_, since)| over(since)).map(|(key, _)| *key).collect();
        self.believe(&over);
    }

    /// When the next doubt ends.
    pub(super) fn doubts_end(&self) -> impl Iterator<Item = (Timestamp, &'static str)> {
        self.state.returned.values().flatten().map(|since| (self.doubted_until(*since), "back for long"))
    }

    fn doubted_until(&self, since: Timestamp) -> Timestamp {
        since + self.config.suspend_after
    }

    /// What these devices said, and was not taken, is asked for.
    pub(super) fn believe(&mut self, keys: &BTreeSet<Fingerprint>) {
        let doubted = self.state.returned.len();
        self.state.returned.retain(|key, _| !keys.contains(key));
        if self.state.returned.len() == doubted {
            return;
        }
        for link in self.state.links.values_mut() {
            link.ask = true;
            link.asked = 0;
        }
        self.changed();
    }
}
