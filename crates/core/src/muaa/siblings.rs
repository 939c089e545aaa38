//! Who is known by what it announced.

use std::time::Duration;

use super::{
    Muaa,
    persistent::{Known, Unheard, Waiting},
};
use crate::{Crypto, Fingerprint, MuaaId, config::DAY};

/// How often the pause between two words to a device that is out is doubled at most: to half a century.
const DOUBLINGS: u32 = 14;

impl<C: Crypto> Muaa<C> {
    /// What the member with this id announced.
    pub(super) fn known_member(&self, id: MuaaId) -> Option<&Known> {
        let (key, _) = self.view.by_id(id)?;
        self.state.siblings.get(&(id, *key))
    }

    /// The keys that are announced under an id.
    pub(super) fn keys_of(&self, id: MuaaId) -> impl Iterator<Item = Fingerprint> {
        self.state.siblings.keys().filter(move |(under, _)| *under == id).map(|(_, key)| *key)
    }

    /// The keys under an id that something is said to which is for whoever has this id: those that ask to be let in, else all; no more
    /// than requests are kept.
    pub(super) fn addressees(&self, id: MuaaId) -> Vec<Fingerprint> {
        let asks = |key: &Fingerprint| {
            self.state.siblings.get(&(id, *key)).is_some_and(|known| known.request.is_some())
        };
        let (asking, others): (Vec<_>, Vec<_>) = self.keys_of(id).partition(asks);
        let mut found = if asking.is_empty() { others } else { asking };
        found.truncate(self.config.requests_max);
        found
    }

    /// How many are known that are no members: only these are bounded by a number of their own, so that they take no member's room.
    pub(super) fn strangers(&self) -> usize {
        self.state.siblings.keys().filter(|(_, key)| !self.view.members.contains_key(key)).count()
    }

    /// Forgets one that is not there any more, and takes its request away.
    pub(super) fn forget_sibling(&mut self, place: &(MuaaId, Fingerprint)) {
        let Some(known) = self.state.siblings.remove(place) else { return };
        if let Some(request) = known.request {
            self.finish_request(&request);
        }
        self.changed();
    }

    pub(super) fn finish_request(&mut self, request: &Waiting) {
        self.finish(self.own_inbox(), request.token, request.said);
    }

    /// Whether a device may be told where it stands because of what it announced: once a day, however often and under whatever names
    /// somebody files it.
    pub(super) fn may_be_told(&mut self, id: MuaaId, key: &Fingerprint) -> bool {
        self.may_be_told_after(id, key, |_| DAY).is_some()
    }

    /// What is known of a device that was not told for this long, and is from now on.
    fn may_be_told_after(
        &mut self,
        id: MuaaId,
        key: &Fingerprint,
        pause: impl Fn(&Known) -> Duration,
    ) -> Option<&mut Known> {
        let (now, place) = (self.now, (id, *key));
        let due = |known: &&Known| known.told.is_none_or(|at| now.since(at) >= pause(known));
        self.state.siblings.get(&place).filter(due)?;
        self.changed();
        let known = self.state.siblings.get_mut(&place)?;
        known.told = Some(now);
        Some(known)
    }

    /// Whether a device that is out may be told so because it wrote: once a day as well, and one that is not announced once a day for as long
    /// as this program runs.
    pub(super) fn may_be_told_for_writing(&mut self, id: MuaaId, key: &Fingerprint) -> bool {
        if self.state.siblings.contains_key(&(id, *key)) {
            return self.may_be_told(id, key);
        }
        let now = self.now;
        self.io.answered.retain(|_, at| now.since(*at) < DAY);
        let is_first = !self.io.answered.contains_key(key);
        if is_first {
            self.io.answered.insert(*key, now);
        }
        is_first
    }

    /// Whether a device that is out may be told so because it announces itself: a day after the last time, and each time twice as long
    /// after it as before. It may know and not believe it, for it held this one for out first.
    pub(super) fn may_be_told_again(&mut self, id: MuaaId, key: &Fingerprint) -> bool {
        let pause = |known: &Known| DAY.saturating_mul(1 << known.tellings.saturating_sub(1).min(DOUBLINGS));
        let Some(known) = self.may_be_told_after(id, key, pause) else { return false };
        known.tellings = known.tellings.saturating_add(1);
        true
    }

    /// The own announcement was renewed once more without one of a member.
    pub(super) fn count_unheard(&mut self) {
        let now = self.state.server_now;
        let ids: Vec<_> = self.state.links.keys().copied().collect();
        for id in ids {
            let unheard = self.known_member(id).is_none();
            let Some(link) = self.state.links.get_mut(&id) else { continue };
            let missed = link.unheard.map(|it| Unheard { beats: it.beats.saturating_add(1), ..it });
            link.unheard = unheard.then(|| missed.unwrap_or(Unheard { since: now, beats: 0, warned: false }));
        }
    }

    /// An update is a sign of life like an announcement.
    pub(super) fn count_beats_anew(&mut self, id: MuaaId, key: &Fingerprint, sequence: u64) {
        let is_news =
            |known: &Known| known.sequence < sequence && (known.beats > 0 || known.behind.is_some());
        if let Some(link) = self.state.links.get_mut(&id).filter(|link| link.received < sequence) {
            link.unheard = None;
        }
        if self.state.siblings.get(&(id, *key)).is_some_and(is_news) {
            self.state.siblings.entry((id, *key)).and_modify(|known| (known.beats, known.behind) = (0, None));
            self.changed();
        }
    }
}
