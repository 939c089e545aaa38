//! Signing, and putting messages into the outbox and out of folders again.

use bytes::Bytes;

use super::{
    Muaa,
    persistent::{Item, Post},
};
use crate::{
    Class, Crypto, Folder, Hash, Token,
    state::LogBody,
    wire::{Content, Kind, SignedOp, encode},
};

impl<C: Crypto> Muaa<C> {
    /// Signs something that does not go into a log.
    pub(super) fn sign(&mut self, kind: Kind, group: Option<Hash>, body: Vec<u8>) -> SignedOp {
        self.sign_content(kind, group, body, None, None)
    }

    /// Signs a log operation of the own group and takes it into the log. Returns its hash; `None` if this program must not
    /// say so, or if the log is full.
    pub(super) fn append_to_log(&mut self, body: &LogBody) -> Option<Hash> {
        if !self.may_sign(body) || !self.has_room_for(body) {
            return None;
        }
        let group = self.state.group.clone()?;
        let (kind, octets) = body.write();
        let seen = Some(group.log.seen(group.previous));
        let op = self.sign_content(kind, Some(group.log.group()), octets, group.previous, seen);
        let max = self.config.log_max;
        let group = self.state.group.as_mut()?;
        let taken = group.log.join(&self.crypto, &[op], max);
        let hash = taken.first().copied()?;
        group.previous = Some(hash);
        if let LogBody::Remove(removal) = body {
            // Whoever is removed may have kept from others what it said here; by itself nobody would take it any more.
            let stands = group.log.chains(&removal.target, &removal.cut);
            stands.into_iter().for_each(|hash| self.note(Item::Op(hash)));
        }
        self.note(Item::Op(hash));
        self.evaluate();
        Some(hash)
    }

    pub(super) fn sign_content(
        &mut self,
        kind: Kind,
        group: Option<Hash>,
        body: Vec<u8>,
        previous: Option<Hash>,
        seen: Option<crate::wire::Seen>,
    ) -> SignedOp {
        self.state.sequence += 1;
        self.state.clock += 1;
        self.changed();
        let content = Content {
            group,
            key: self.state.device.fingerprint,
            incarnation: self.state.incarnation,
            sequence: self.state.sequence,
            previous,
            seen,
            time: self.state.clock,
            kind: kind.number(),
            body: body.into(),
        };
        let seed = self.random.seed();
        SignedOp::sign(&self.crypto, &content, &self.state.device.secret, &seed, self.now)
            .expect("the own device key signs")
    }

    /// Signs and puts into the outbox what travels in the open.
    pub(super) fn say(&mut self, folder: Folder, class: Class, kind: Kind, body: Vec<u8>) -> Token {
        let group = self.state.group.as_ref().map(|group| group.log.group());
        let op = self.sign(kind, group, body);
        self.post(folder, class, encode(&op).into())
    }

    /// Puts a message into the outbox.
    pub(super) fn post(&mut self, folder: Folder, class: Class, body: Bytes) -> Token {
        let token = Token(self.random.octets());
        self.state.order += 1;
        let order = self.state.order;
        let post = Post { folder, class, body, date: self.now.hour(), order, sender: self.state.id() };
        self.state.posts.insert(token, post);
        self.io.fresh.insert(token);
        if folder != Folder::Announcements && !self.io.exists(folder) {
            self.list_soon();
        }
        self.changed();
        token
    }

    /// Takes a message out of the outbox, or, once it may have been appended, out of its folder.
    pub(super) fn withdraw(&mut self, folder: Folder, token: Token) {
        let waiting = self.state.posts.remove(&token).is_some();
        let untouched = waiting && self.io.fresh.remove(&token);
        if !untouched {
            self.state.removals.insert((folder, token));
        }
        self.changed();
    }

    /// A message of the own inbox, or of the announcements, is done with.
    pub(super) fn discard(&mut self, folder: Folder, token: Token) {
        // What is known already changes nothing, and what is shared stays so.
        if !self.state.removals.contains(&(folder, token)) {
            self.state.removals.insert((folder, token));
        }
    }

    /// Notes that siblings are to be told of something.
    pub(super) fn note(&mut self, item: Item) {
        self.state.journal.retain(|_, known| *known != item);
        self.state.journal_end += 1;
        let at = self.state.journal_end;
        self.state.journal.insert(at, item);
        self.changed();
    }
}
