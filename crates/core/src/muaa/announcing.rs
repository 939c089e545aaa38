//! Announcements: one's own, and what others say of themselves.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Muaa,
    persistent::{Announced, InboxState, Known, Life, SeenOffer},
    reading::{Heard, Verdict},
};
use crate::{
    Class, Content, Crypto, Event, Fingerprint, Folder, Ignored, Message, MuaaId, Timestamp, Token,
    wire::{self, Kind},
};

impl<C: Crypto> Muaa<C> {
    /// Announces this MUAA when it has not, or when the announcement is older than a heartbeat.
    pub(super) fn announce_if_due(&mut self) {
        if self.announcement_due().is_some_and(|due| due <= self.now) {
            self.announce();
        }
    }

    /// When the next announcement is due, if one can be made.
    pub(super) fn announcement_due(&self) -> Option<Timestamp> {
        let ready = self.state.inbox == InboxState::Made
            && matches!(self.state.life, Life::Discovering | Life::Unpaired | Life::Grouped)
            && !self.is_replacing(Folder::Announcements);
        match &self.state.announced {
            None => ready.then_some(self.now),
            Some(announced) => (ready && announced.done).then(|| announced.at + self.config.heartbeat),
        }
    }

    /// Puts a fresh announcement in the place of the last one.
    pub(super) fn announce(&mut self) {
        self.renew_subkey_if_due();
        let body = wire::Announcement {
            certificate: self.state.device.certificate.clone(),
            capabilities: 0,
            digest: self.keep_digest(),
            moves: Some(self.state.moves.clone()).filter(|moves| !moves.is_empty()),
        };
        let body = wire::encode(&body);
        let op = self.sign(Kind::Announcement, None, body);
        let token = self.post(Folder::Announcements, Class::Announcement, wire::encode(&op).into());
        self.remember_announcement(token);
        if let Some(old) = self.state.announced.replace(Announced { token, at: self.now, done: false }) {
            // The new one is posted first: posts go before removals.
            self.withdraw(Folder::Announcements, old.token);
            for known in self.state.siblings.values_mut() {
                known.beats = known.beats.saturating_add(1);
            }
        }
        self.changed();
    }

    /// The own announcement stands.
    pub(super) fn announced(&mut self, token: Token) {
        if let Some(announced) = self.state.announced.as_mut().filter(|announced| announced.token == token) {
            announced.done = true;
            announced.at = self.now;
            self.subkey_is_announced();
            self.io.read_soon(Folder::Announcements);
            self.changed();
        }
    }

    pub(super) fn read_announcements(&mut self, validity: u32, complete: bool, messages: Vec<Message>) {
        for message in messages {
            let why = match message.content {
                Content::Envelope(envelope) => self.read_announcement(&envelope, message.date).err(),
                Content::Foreign => Some(Ignored::Foreign),
                Content::TooLarge(_) => Some(Ignored::TooLarge),
            };
            if let Some(why) = why {
                self.ignore(Folder::Announcements, validity, message.uid, why);
            }
        }
        if complete {
            self.compare_with(&self.present(Folder::Announcements));
        }
    }

    fn read_announcement(&mut self, envelope: &crate::Envelope, date: Timestamp) -> Result<(), Ignored> {
        if !matches!(envelope.class, Class::Announcement | Class::Offer) {
            return Err(Ignored::WrongFolder);
        }
        if envelope.body.len() > self.config.envelope_bytes_max {
            return Err(Ignored::TooLarge);
        }
        let heard = self.hear_announced(envelope)?;
        if heard.content.kind() == Kind::Offer {
            return match self.on_offer(&heard) {
                Verdict::Ignore(why) | Verdict::Drop(why) => Err(why),
                Verdict::Done | Verdict::Keep => Ok(()),
            };
        }
        self.state.server_now = self.state.server_now.max(date);
        if heard.content.key == self.state.device.fingerprint {
            self.read_own(&heard);
            return Ok(());
        }
        if self.state.former_keys.contains(&heard.content.key) {
            self.discard(Folder::Announcements, heard.token);
            let inbox = Folder::Inbox(heard.content.author);
            if inbox != self.own_inbox() && self.io.exists(inbox) {
                self.delete_folder(inbox);
            }
            return Ok(());
        }
        let id = heard.content.author;
        if id == self.state.id {
            // Somebody else uses this id: before anything was announced another one can still be drawn.
            if self.state.announced.is_some() {
                return Ok(());
            }
            self.draw_another_id();
        }
        self.meet(id, &heard, date)
    }

    /// What stands among the announcements is read again and again; it is checked once in a life of the process.
    fn hear_announced(&mut self, envelope: &crate::Envelope) -> Result<Arc<Heard>, Ignored> {
        if let Some((known, heard)) = self.io.heard.get(&envelope.token)
            && known == envelope
        {
            return Ok(heard.clone());
        }
        let heard = Arc::new(self.hear(Folder::Announcements, envelope)?);
        if self.io.heard.len() < self.config.siblings_max {
            self.io.heard.insert(envelope.token, (envelope.clone(), heard.clone()));
        }
        Ok(heard)
    }

    /// An announcement under the own key that is not the current one is a leftover of the own, or by another copy of this state.
    fn read_own(&mut self, heard: &Heard) {
        let current = self.state.announced.as_ref().map(|announced| announced.token);
        if self.is_by_a_copy(heard.content.sequence, &heard.token) {
            self.found_ahead(heard.content.sequence);
        } else if current != Some(heard.token) {
            self.discard(Folder::Announcements, heard.token);
        }
    }

    /// Whether a device with this key may go by this id: it is not the own one, and no other key was announced under it (A1).
    pub(super) fn may_be(&self, id: MuaaId, key: &Fingerprint) -> bool {
        id != self.state.id && self.state.siblings.get(&id).is_none_or(|known| known.fingerprint == *key)
    }

    fn meet(&mut self, id: MuaaId, heard: &Heard, date: Timestamp) -> Result<(), Ignored> {
        let known = self.state.siblings.get(&id);
        if known.is_some_and(|known| known.fingerprint != heard.content.key) {
            let member = self.view.members.get(&heard.content.key).is_some_and(|member| member.id == id);
            if !member {
                return Err(Ignored::Unproven);
            }
        }
        if known.is_some_and(|known| known.sequence >= heard.content.sequence && known.token != heard.token) {
            return Ok(());
        }
        if known.is_none() && self.state.siblings.len() >= self.config.siblings_max {
            return Err(Ignored::TooMany);
        }
        let old = known.filter(|known| known.fingerprint == heard.content.key).cloned();
        let news = old.as_ref().is_none_or(|old| old.token != heard.token || old.date != date);
        if !news {
            return Ok(());
        }
        let body: wire::Announcement = heard.content.body().ok_or(Ignored::Malformed)?;
        let alive = old.as_ref().is_none_or(|old| old.sequence < heard.content.sequence);
        let known = Known {
            fingerprint: heard.content.key,
            incarnation: heard.content.incarnation,
            sequence: heard.content.sequence,
            token: heard.token,
            date,
            beats: if alive { 0 } else { old.as_ref().map_or(0, |old| old.beats) },
            request: old.as_ref().and_then(|old| old.request),
            rejected: old.as_ref().is_some_and(|old| old.rejected),
            digest: body.digest,
            heard: self.now,
            warned: !alive && old.as_ref().is_some_and(|old| old.warned),
            certificate: body.certificate.clone(),
            back: if alive && old.as_ref().is_some_and(|old| date.since(old.date) > self.config.expire_after)
            {
                Some(self.now)
            } else {
                old.as_ref().and_then(|old| old.back)
            },
        };
        let renewed = old.as_ref().is_some_and(|old| old.certificate != known.certificate);
        self.state.siblings.insert(id, known);
        if renewed {
            self.seal_anew_for(id);
        }
        self.changed();
        if old.is_none() {
            // Its request may have been read before it was known.
            self.io.read_again(self.own_inbox());
            if !self.io.exists(Folder::Inbox(id)) {
                self.list_soon();
            }
            if !self.view.members.contains_key(&heard.content.key) {
                self.tell(Event::MuaaSeen(id));
            }
        }
        if alive {
            self.take_moves(&body.moves.unwrap_or_default());
            self.sibling_is_alive(id);
            self.tell_ended(id, &heard.content.key, &body.certificate);
        }
        Ok(())
    }

    /// What is not there any more, when everything was read.
    fn compare_with(&mut self, present: &BTreeSet<Token>) {
        self.io.heard.retain(|token, _| present.contains(token));
        self.tell_who_is_behind(present);
        self.io.unannounced.values_mut().for_each(|reads| *reads = reads.saturating_add(1));
        self.compare_own_with(present);
        self.ask_about_missing(present);
        let member = |key| self.view.members.contains_key(key);
        let gone: Vec<_> = self
            .state
            .siblings
            .iter()
            .filter(|(_, known)| !present.contains(&known.token) && !member(&known.fingerprint))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            let known = self.state.siblings.remove(&id);
            if let Some(token) = known.and_then(|known| known.request).map(|request| request.token) {
                self.finish(self.own_inbox(), token);
            }
            self.changed();
        }
        self.forget_offers(Folder::Announcements, present);
    }

    /// The own announcement is made anew if it is not there. One that is about to be replaced may be gone as well.
    fn compare_own_with(&mut self, present: &BTreeSet<Token>) {
        let Some(announced) = &self.state.announced else { return };
        let own = &self.state.own_announcements;
        let stands = own.values().any(|token| present.contains(token));
        if announced.done && !present.contains(&announced.token) {
            self.announcement_is_gone();
        } else if !announced.done && own.len() > 1 && !stands {
            self.state.cleared = Some(self.now);
            self.changed();
        }
    }

    /// An offer that does not lie in its folder any more was taken back.
    pub(super) fn forget_offers(&mut self, folder: Folder, present: &BTreeSet<Token>) {
        let stands = |offer: &SeenOffer| offer.folder != folder || present.contains(&offer.token);
        if !self.state.offers.values().all(stands) {
            self.state.offers.retain(|_, offer| stands(offer));
            self.changed();
        }
    }
}
