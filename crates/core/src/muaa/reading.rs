//! What is in the folders: each message is checked here against the table of kinds before anything believes it.

use super::{Muaa, persistent::Life};
use crate::{
    Class, Content, Crypto, Event, Folder, Hash, Ignored, Message, Token, Uid, plausible,
    wire::{self, Kind, Protection, SignedOp},
};

/// A message that is protected as far as its own certificate goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Heard {
    pub(super) folder: Folder,
    /// The hash of its octets: what a message is known by. Its token is only what it is called where it lies.
    pub(super) said: Hash,
    pub(super) content: wire::Content,
    pub(super) op: SignedOp,
}

/// What a message is known by: its octets, not what somebody called it.
pub(super) fn name_of<C: Crypto>(crypto: &C, body: &[u8]) -> Hash {
    crypto.hash("autocrypt-sma-message-v1", &[body])
}

impl Heard {
    /// The class that its kind demands of the envelope.
    pub(super) fn class(&self) -> Option<Class> {
        match self.content.kind().protection() {
            Protection::SelfSigned(class) | Protection::Session(class) => Some(class),
            Protection::Sealed | Protection::Log => None,
        }
    }
}

/// What becomes of a message.
pub(super) enum Verdict {
    /// It is done with: remembered, and removed from the own inbox.
    Done,
    /// It lies where it is until it is decided about.
    Keep,
    /// It is kept already, under another name: this one is removed from the own inbox.
    Copy,
    /// Not used; it lies where it is.
    Ignore(Ignored),
    /// Not used, and removed from the own inbox: it was read, and nobody else needs it.
    Drop(Ignored),
}

impl<C: Crypto> Muaa<C> {
    pub(super) fn read_inbox(&mut self, validity: u32, complete: bool, messages: Vec<Message>) {
        let folder = self.own_inbox();
        if complete {
            let present = self.present(folder);
            self.io.unannounced.retain(|said, _| present.contains(said));
            self.forget_offers(folder, &present);
        }
        for message in messages {
            if matches!(self.state.life, Life::Removed | Life::Left) {
                return;
            }
            let uid = message.uid;
            let envelope = match message.content {
                Content::Envelope(envelope) => envelope,
                Content::Foreign => {
                    self.ignore(folder, validity, uid, Ignored::Foreign);
                    continue;
                }
                Content::TooLarge(_) => {
                    self.ignore(folder, validity, uid, Ignored::TooLarge);
                    continue;
                }
            };
            let (token, said) = (envelope.token, self.name_in(&envelope));
            if self.state.processed.contains_key(&said) {
                self.discard(folder, token);
                continue;
            }
            match self.judge(folder, &envelope) {
                Verdict::Done => self.finish(folder, token, said),
                Verdict::Keep => {}
                Verdict::Copy => self.discard(folder, token),
                Verdict::Ignore(why) => self.ignore(folder, validity, uid, why),
                Verdict::Drop(why) => {
                    self.ignore(folder, validity, uid, why);
                    self.finish(folder, token, said);
                }
            }
        }
    }

    /// What a message is known by.
    pub(super) fn name_of(&self, body: &[u8]) -> Hash {
        name_of(&self.crypto, body)
    }

    /// What a message that was read is known by.
    pub(super) fn name_in(&self, envelope: &crate::Envelope) -> Hash {
        self.io.names.get(envelope).unwrap_or_else(|| self.name_of(&envelope.body))
    }

    /// A message of the own inbox is processed: it is remembered before it is removed.
    pub(super) fn finish(&mut self, folder: Folder, token: Token, said: Hash) {
        self.remember(said);
        self.discard(folder, token);
    }

    /// What has these octets is not looked at again.
    pub(super) fn remember(&mut self, said: Hash) {
        self.state.order += 1;
        let order = self.state.order;
        self.state.processed.insert(said, order);
        while self.state.processed.len() > self.config.tokens_max {
            let oldest = self.state.processed.iter().min_by_key(|(_, order)| **order).map(|(said, _)| *said);
            oldest.map(|said| self.state.processed.remove(&said));
        }
        self.changed();
    }

    /// Tells once in the life of the process.
    pub(super) fn ignore(&mut self, folder: Folder, validity: u32, uid: Uid, why: Ignored) {
        if self.io.reported.len() < self.config.tokens_max && self.io.reported.insert((folder, validity, uid))
        {
            self.tell(Event::Ignored { folder, uid, why });
        }
    }

    fn judge(&mut self, folder: Folder, envelope: &crate::Envelope) -> Verdict {
        if envelope.body.len() > self.config.envelope_bytes_max {
            return Verdict::Ignore(Ignored::TooLarge);
        }
        if envelope.class == Class::Sync {
            return self.on_sync(envelope);
        }
        let heard = match self.hear(folder, envelope) {
            Ok(heard) => heard,
            Err(why) => return Verdict::Ignore(why),
        };
        match heard.content.kind() {
            Kind::Request => self.on_request(&heard, envelope.token),
            Kind::Offer => self.on_offer(&heard, envelope.token),
            Kind::Join => self.on_join(&heard),
            Kind::Accept => self.on_accept(&heard),
            Kind::Reject => self.on_reject(&heard),
            Kind::Abort => self.on_abort(&heard),
            Kind::Announcement
            | Kind::Update
            | Kind::Genesis
            | Kind::Add
            | Kind::Remove
            | Kind::Leave
            | Kind::Move
            | Kind::Merge
            | Kind::AccountKey
            | Kind::Alive
            | Kind::Destroy
            | Kind::Veto
            | Kind::Restore
            | Kind::Unknown(_) => Verdict::Ignore(Ignored::WrongFolder),
        }
    }

    /// The one place that holds a message in the open against the protection its kind demands.
    pub(super) fn hear(&self, folder: Folder, envelope: &crate::Envelope) -> Result<Heard, Ignored> {
        let op: SignedOp = wire::decode(&envelope.body).ok_or(Ignored::Malformed)?;
        let content = op.content().ok_or(Ignored::Malformed)?;
        let heard = Heard { folder, said: self.name_in(envelope), content, op };
        if heard.class() != Some(envelope.class) || heard.content.author() != envelope.sender {
            return Err(Ignored::Unproven);
        }
        if !plausible::sequence(heard.content.sequence) {
            return Err(Ignored::Malformed);
        }
        match self.certificate_in(&heard.content)? {
            Some(certificate) => self.check(&heard, &certificate).then_some(heard).ok_or(Ignored::Unproven),
            // An accept carries no certificate: the log in its bundle does.
            None => Ok(heard),
        }
    }

    /// Whether the certificate is the one that the content names and signed it.
    pub(super) fn check(&self, heard: &Heard, certificate: &[u8]) -> bool {
        self.crypto.device_fingerprint(certificate) == Ok(heard.content.key)
            && heard.op.is_by(&self.crypto, certificate)
    }

    fn certificate_in(&self, content: &wire::Content) -> Result<Option<bytes::Bytes>, Ignored> {
        let certificate = match content.kind() {
            Kind::Announcement => content.body::<wire::Announcement>().map(|body| body.certificate),
            Kind::Request => content.body::<wire::Request>().map(|body| body.certificate),
            Kind::Offer => content.body::<wire::Offer>().map(|body| body.certificate),
            Kind::Join => content.body::<wire::Join>().map(|body| body.certificate),
            Kind::Reject => content.body::<wire::Reject>().map(|body| body.certificate),
            Kind::Abort => content.body::<wire::Abort>().map(|body| body.certificate),
            Kind::Accept
            | Kind::Update
            | Kind::Genesis
            | Kind::Add
            | Kind::Remove
            | Kind::Leave
            | Kind::Move
            | Kind::Merge
            | Kind::AccountKey
            | Kind::Alive
            | Kind::Destroy
            | Kind::Veto
            | Kind::Restore
            | Kind::Unknown(_) => return Ok(None),
        };
        certificate.map(Some).ok_or(Ignored::Malformed)
    }
}
