//! Announcements: one's own, and what others say of themselves.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Muaa,
    persistent::{Announced, InboxState, Known, Life, SeenOffer},
    reading::{Heard, Verdict},
};
use crate::{
    Class, Content, Crypto, Event, Folder, Hash, Ignored, Message, MuaaId, Timestamp, Token,
    wire::{self, Kind},
};

impl<C: Crypto> Muaa<C> {
    /// Announces this MUAA when it has not, or when the announcement is older than a heartbeat.
    pub(super) fn announce_if_due(&mut self) {
        if self.heartbeat_due().is_some_and(|due| due <= self.now) && self.can_announce() {
            self.announce();
        }
    }

    /// When the next announcement is due, if one can be made.
    pub(super) fn announcement_due(&self) -> Option<Timestamp> {
        self.heartbeat_due().filter(|_| self.can_announce())
    }

    fn heartbeat_due(&self) -> Option<Timestamp> {
        match &self.state.announced {
            None => Some(self.now),
            Some(announced) => announced.done.then(|| announced.at + self.config.heartbeat),
        }
    }

    fn can_announce(&self) -> bool {
        self.state.inbox == InboxState::Made
            && matches!(self.state.life, Life::Discovering | Life::Unpaired | Life::Grouped)
            && !self.is_replacing(Folder::Announcements)
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
        self.remember_announcement(op.hash(&self.crypto));
        let op = wire::encode(&op);
        let said = self.name_of(&op);
        let token = self.post(Folder::Announcements, Class::Announcement, op.into());
        let announced = Announced { token, at: self.now, done: false, said };
        if let Some(old) = self.state.announced.replace(announced) {
            // The new one is posted first: posts go before removals.
            self.withdraw(Folder::Announcements, old.token);
            for known in self.state.siblings.values_mut() {
                known.beats = known.beats.saturating_add(1);
            }
            self.count_unheard();
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
        let before = self.state.server_now;
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
        let known = before != Timestamp(0);
        if known && self.state.server_now.since(before) > self.config.expire_after {
            self.state.away = Some(self.now);
            self.changed();
        }
        if complete {
            self.compare_with(&self.present(Folder::Announcements));
            self.clear_leftovers(|_| false);
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
        let (id, token) = (heard.content.author(), envelope.token);
        if heard.content.kind() == Kind::Offer {
            return match self.on_offer(&heard, token) {
                Verdict::Ignore(why) | Verdict::Drop(why) => Err(why),
                Verdict::Done | Verdict::Keep | Verdict::Copy => Ok(()),
            };
        }
        self.state.server_now = self.state.server_now.max(date);
        if heard.content.key == self.state.device.fingerprint {
            self.read_own(&heard, token);
            return Ok(());
        }
        if self.state.former_keys.contains(&heard.content.key) {
            self.discard(Folder::Announcements, token);
            let inbox = Folder::Inbox(id);
            if inbox != self.own_inbox() && self.io.exists(inbox) && self.keys_of(id).next().is_none() {
                self.delete_folder(inbox);
            }
            return Ok(());
        }
        self.meet(id, &heard, date)
    }

    /// What stands among the announcements is read again and again; it is checked once in a life of the process.
    fn hear_announced(&mut self, envelope: &crate::Envelope) -> Result<Arc<Heard>, Ignored> {
        let said = self.name_in(envelope);
        let stands_so = |heard: &Heard| {
            heard.class() == Some(envelope.class) && heard.content.author() == envelope.sender
        };
        if let Some(heard) = self.io.heard.get(&said).filter(|heard| stands_so(heard)) {
            return Ok(heard.clone());
        }
        let heard = Arc::new(self.hear(Folder::Announcements, envelope)?);
        if self.io.heard.len() < self.config.siblings_max {
            self.io.heard.insert(said, heard.clone());
        }
        Ok(heard)
    }

    /// An announcement under the own key that is not the current one is a leftover of the own, wherever it lies now, or by another copy
    /// of this state.
    fn read_own(&mut self, heard: &Heard, token: Token) {
        let current = self.state.announced.as_ref().filter(|announced| announced.said == heard.said);
        if current.is_none() && self.is_by_a_copy(heard.content.sequence, &heard.op.hash(&self.crypto)) {
            self.found_ahead(heard.content.sequence);
        } else if current.is_none_or(|announced| announced.token != token) {
            self.discard(Folder::Announcements, token);
        }
    }

    /// What is not newer than what is known of this key tells nothing, whatever it is called and wherever it lies.
    fn meet(&mut self, id: MuaaId, heard: &Heard, date: Timestamp) -> Result<(), Ignored> {
        let key = heard.content.key;
        let member = self.view.members.contains_key(&key);
        let old = self.state.siblings.get(&(id, key)).cloned();
        if old.as_ref().is_some_and(|old| old.sequence >= heard.content.sequence) {
            return Ok(());
        }
        if old.is_none() && !member && self.strangers() >= self.config.siblings_max {
            return Err(Ignored::TooMany);
        }
        let body: wire::Announcement = heard.content.body().ok_or(Ignored::Malformed)?;
        let known = Known {
            incarnation: heard.content.incarnation,
            sequence: heard.content.sequence,
            said: heard.said,
            date,
            beats: 0,
            request: old.as_ref().and_then(|old| old.request),
            rejected: old.as_ref().is_some_and(|old| old.rejected),
            digest: body.digest,
            heard: self.now,
            warned: false,
            certificate: body.certificate.clone(),
            told: old.as_ref().and_then(|old| old.told),
            tellings: old.as_ref().map_or(0, |old| old.tellings),
            apart: old.as_ref().and_then(|old| old.apart),
            behind: None,
            back: if old.as_ref().is_some_and(|old| date.since(old.date) > self.config.expire_after) {
                Some(self.now)
            } else {
                old.as_ref().and_then(|old| old.back)
            },
        };
        let renewed = old.as_ref().is_some_and(|old| old.certificate != known.certificate);
        self.state.siblings.insert((id, key), known);
        if renewed && member {
            self.seal_anew_for(id);
        }
        self.changed();
        if old.is_none() {
            // Its request may have been read before it was known.
            self.io.read_again(self.own_inbox());
            if !self.io.exists(Folder::Inbox(id)) {
                self.list_soon();
            }
            // Whoever has ended was seen before.
            if !self.view.members.contains_key(&key) && !self.view.ended.contains_key(&key) {
                self.tell(Event::MuaaSeen(id));
            }
        }
        self.take_moves(&body.moves.unwrap_or_default());
        self.sibling_is_alive(id, &key);
        self.tell_ended(id, &key, &body.certificate);
        Ok(())
    }

    /// What is not there any more, when everything was read.
    fn compare_with(&mut self, present: &BTreeSet<Hash>) {
        self.io.heard.retain(|said, _| present.contains(said));
        self.tell_who_is_behind(present);
        self.io.unannounced.values_mut().for_each(|reads| *reads = reads.saturating_add(1));
        self.compare_own_with(present);
        self.ask_about_missing();
        let member = |key| self.view.members.contains_key(key);
        let gone: Vec<_> = self
            .state
            .siblings
            .iter()
            .filter(|((_, key), known)| !present.contains(&known.said) && !member(key))
            .map(|(place, _)| *place)
            .collect();
        for place in gone {
            self.forget_sibling(&place);
        }
        self.forget_offers(Folder::Announcements, present);
    }

    /// The own announcement is made anew if it is not there. One that is about to be replaced may be gone as well.
    fn compare_own_with(&mut self, present: &BTreeSet<Hash>) {
        let Some(announced) = &self.state.announced else { return };
        let own = self.state.own_announcements.len();
        let key = self.state.device.fingerprint;
        let stands = self
            .io
            .heard
            .values()
            .any(|heard| heard.content.key == key && heard.content.kind() == Kind::Announcement);
        if announced.done && !present.contains(&announced.said) {
            self.announcement_is_gone();
        } else if !announced.done && own > 1 && !stands {
            self.state.cleared = Some(self.now);
            self.changed();
        }
    }

    /// An offer that does not lie in its folder any more was taken back.
    pub(super) fn forget_offers(&mut self, folder: Folder, present: &BTreeSet<Hash>) {
        let stands = |offer: &SeenOffer| offer.folder != folder || present.contains(&offer.said);
        if !self.state.offers.values().all(stands) {
            self.state.offers.retain(|_, offer| stands(offer));
            self.changed();
        }
    }
}
