//! The member's side of a pairing: a code is shown, a newcomer proves that a person typed it there, and is let in.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::{
    Muaa,
    persistent::{SESSION_MAX, Session, Stage},
    reading::{Heard, Verdict},
};
use crate::{
    Class, Code, Crypto, Event, Fingerprint, Folder, Hash, Ignored, InputError, MuaaId, PakeRun, Phase,
    SessionId, SessionKeys, Side, Timestamp,
    config::HOUR,
    state::{Introduction, LogBody},
    wire::{self, Kind},
};

/// After so many burnt codes within [`LOCK`] no more are made.
const BURNT_MAX: usize = 3;
/// The time within which burnt codes are counted.
const LOCK: Duration = HOUR;

/// Why a session was given up, as it stands in an abort.
pub(super) mod reason {
    pub(in crate::muaa) const WRONG_CODE: u8 = 1;
    pub(in crate::muaa) const OVER: u8 = 2;
    pub(in crate::muaa) const KEY_ENDED: u8 = 3;
    pub(in crate::muaa) const TOO_LARGE: u8 = 5;
}

/// What both sides of a pairing must see alike: T of `docs/protocol.md` section 7.
pub(super) struct Transcript<'a> {
    pub(super) address: &'a str,
    pub(super) group: Hash,
    pub(super) session: SessionId,
    pub(super) member: (MuaaId, Fingerprint, u64),
    pub(super) newcomer: (MuaaId, Fingerprint, u64),
    pub(super) member_share: &'a [u8],
    pub(super) newcomer_share: &'a [u8],
    pub(super) expires: Timestamp,
}

impl Transcript<'_> {
    pub(super) fn hash<C: Crypto>(&self, crypto: &C) -> Hash {
        let number = |number: u64| number.to_be_bytes();
        crypto.hash(
            "autocrypt-sma-pair-v1",
            &[
                self.address.as_bytes(),
                self.group.as_bytes(),
                self.session.as_bytes(),
                self.member.1.as_bytes(),
                &number(self.member.0.0),
                &number(self.member.2),
                self.newcomer.1.as_bytes(),
                &number(self.newcomer.0.0),
                &number(self.newcomer.2),
                self.member_share,
                self.newcomer_share,
                &number(self.expires.0),
            ],
        )
    }
}

impl<C: Crypto> Muaa<C> {
    pub(super) fn offer(&mut self, to: Option<MuaaId>) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired, Phase::Unpaired, Phase::Requesting])?;
        self.require_understanding()?;
        self.require_room()?;
        if let Some(id) = to {
            let known = self.state.siblings.get(&id).ok_or(InputError::NoSuchMuaa(id))?;
            let gone = self.view.ended.contains_key(&known.fingerprint);
            if gone
                || self.view.members.contains_key(&known.fingerprint)
                || !self.io.exists(Folder::Inbox(id))
            {
                return Err(InputError::NoSuchMuaa(id));
            }
        }
        if self.locked_until().is_some() {
            return Err(InputError::CodesLocked);
        }
        let open = self.state.sessions.values().filter(|session| session.stage == Stage::Open).count();
        if open >= self.config.offers_max {
            return Err(InputError::TooMany);
        }
        if self.state.group.is_none() {
            self.found();
        }
        let code = Code::from_random(self.random.number());
        let session_id = SessionId(self.random.octets());
        let mut session = Session::new(to, &code, self.random.seed(), self.now, &self.config);
        session.expires = session.expires.min(self.now + SESSION_MAX);
        let share = self.crypto.pake_share(run(&session, session_id, &seed_of(&session)));
        let body = wire::Offer {
            session: session_id,
            share,
            certificate: self.state.device.certificate.clone(),
            to,
            expires: session.expires,
        };
        let folder = to.map_or(Folder::Announcements, Folder::Inbox);
        session.offer = self.say(folder, Class::Offer, Kind::Offer, wire::encode(&body));
        let expires = session.expires;
        self.state.sessions.insert(session_id, session);
        self.tell(Event::ShowCode { session: session_id, code, expires });
        Ok(())
    }

    pub(super) fn cancel(&mut self, session: SessionId) -> Result<(), InputError> {
        if !self.has_open_offer(&session) {
            return Err(InputError::NoSuchSession);
        }
        self.end_session(session, Some(reason::OVER));
        Ok(())
    }

    pub(super) fn has_open_offer(&self, session: &SessionId) -> bool {
        self.state.sessions.get(session).is_some_and(|session| session.stage == Stage::Open)
    }

    /// When codes may be shown again, if they may not now.
    fn locked_until(&self) -> Option<Timestamp> {
        let recent = |at: &&Timestamp| self.now.since(**at) < LOCK;
        let burnt: Vec<_> = self.state.burnt.iter().filter(recent).collect();
        (burnt.len() >= BURNT_MAX).then(|| burnt.iter().map(|at| **at + LOCK).min()).flatten()
    }

    /// Wipes a session's secrets and takes its offer back; with a reason, the chosen newcomer is told.
    pub(super) fn end_session(&mut self, id: SessionId, reason: Option<u8>) {
        let Some(session) = self.state.sessions.get_mut(&id) else { return };
        session.wipe(Stage::Over);
        let (offer, to) = (session.offer, session.to);
        self.withdraw(to.map_or(Folder::Announcements, Folder::Inbox), offer);
        let newcomer = to.and_then(|to| Some((to, self.state.siblings.get(&to)?.fingerprint)));
        if let (Some(reason), Some((to, key))) = (reason, newcomer) {
            self.abort(id, to, key, reason);
        }
    }

    pub(super) fn abort(&mut self, session: SessionId, id: MuaaId, key: Fingerprint, reason: u8) {
        let body =
            wire::Abort { session, to: key, reason, certificate: self.state.device.certificate.clone() };
        self.say(Folder::Inbox(id), Class::Abort, Kind::Abort, wire::encode(&body));
    }

    /// Ends what has expired, and forgets what ended long ago.
    pub(super) fn tend_sessions(&mut self) {
        let now = self.now;
        let open = |session: &&Session| session.stage == Stage::Open && session.expires <= now;
        let over: Vec<_> =
            self.state.sessions.iter().filter(|(_, session)| open(session)).map(|(id, _)| *id).collect();
        for session in over {
            self.end_session(session, Some(reason::OVER));
            self.tell(Event::OfferExpired { session });
        }
        let kept = self.config.offers_max * 4;
        while self.state.sessions.len() > kept {
            let over = self.state.sessions.iter().filter(|(_, session)| session.stage == Stage::Over);
            let Some(oldest) = over.min_by_key(|(_, session)| session.started).map(|(id, _)| *id) else {
                return;
            };
            self.state.sessions.remove(&oldest);
        }
    }

    pub(super) fn pairing_deadlines(&self) -> impl Iterator<Item = (Timestamp, &'static str)> {
        let open = self.state.sessions.values().filter(|session| session.stage == Stage::Open);
        open.map(|session| (session.expires, "offer expires"))
    }

    /// A newcomer says "I am here": shown in a list, never a dialog.
    pub(super) fn on_request(&mut self, heard: &Heard) -> Verdict {
        let id = heard.content.author;
        if self.view.members.contains_key(&heard.content.key) {
            return Verdict::Done;
        }
        if self.view.ended.contains_key(&heard.content.key) {
            return Verdict::Drop(Ignored::NotAMember);
        }
        let waiting = self.state.siblings.values().filter(|known| known.request.is_some()).count();
        let full = waiting >= self.config.requests_max;
        let Some(known) = self.state.siblings.get_mut(&id) else { return Verdict::Ignore(Ignored::Unproven) };
        if known.fingerprint != heard.content.key {
            return Verdict::Ignore(Ignored::Unproven);
        }
        if known.rejected {
            return Verdict::Drop(Ignored::Stale);
        }
        match known.request {
            Some(token) if token == heard.token => return Verdict::Keep,
            Some(_) => return Verdict::Drop(Ignored::TooMany),
            None if full => return Verdict::Ignore(Ignored::TooMany),
            None => known.request = Some(heard.token),
        }
        self.changed();
        self.tell(Event::RequestSeen(id));
        Verdict::Keep
    }

    pub(super) fn reject(&mut self, id: MuaaId) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired, Phase::Unpaired, Phase::Requesting])?;
        let known = self.state.siblings.get_mut(&id).ok_or(InputError::NoSuchMuaa(id))?;
        if self.view.members.contains_key(&known.fingerprint) {
            return Err(InputError::NoSuchMuaa(id));
        }
        known.rejected = true;
        let request = known.request.take();
        if let Some(token) = request {
            self.finish(self.own_inbox(), token);
        }
        let meant = |session: &&Session| session.to == Some(id) && session.stage == Stage::Open;
        let open: Vec<_> =
            self.state.sessions.iter().filter(|(_, session)| meant(session)).map(|(id, _)| *id).collect();
        for session in open {
            self.end_session(session, None);
        }
        let body = wire::Reject { certificate: self.state.device.certificate.clone(), reason: 1 };
        self.say(Folder::Inbox(id), Class::Reject, Kind::Reject, wire::encode(&body));
        Ok(())
    }

    /// Somebody claims to know the code: this is the one guess.
    pub(super) fn on_join(&mut self, heard: &Heard) -> Verdict {
        let Some(join) = heard.content.body::<wire::Join>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let Some(session) = self.state.sessions.get(&join.session) else {
            return Verdict::Drop(Ignored::Stale);
        };
        let meant = session.to.is_none_or(|to| to == heard.content.author);
        if session.stage != Stage::Open || session.expires <= self.now || !meant {
            return Verdict::Drop(Ignored::Stale);
        }
        let Some((keys, transcript)) = self.keys_for(&join, heard) else { return self.burn(&join, heard) };
        let expected = self.crypto.mac(&keys.newcomer, transcript.as_bytes());
        if !bool::from(expected.ct_eq(join.mac.as_bytes())) {
            return self.burn(&join, heard);
        }
        self.let_in(&join, heard, &keys, &transcript)
    }

    fn keys_for(&self, join: &wire::Join, heard: &Heard) -> Option<(SessionKeys, Hash)> {
        let session = self.state.sessions.get(&join.session)?;
        let seed = seed_of(session);
        let run = run(session, join.session, &seed);
        let shared = self.crypto.pake_finish(run, &join.share).ok()?;
        let transcript = Transcript {
            address: &self.state.address,
            group: self.state.group.as_ref()?.log.group(),
            session: join.session,
            member: (self.state.id, self.state.device.fingerprint, self.state.incarnation),
            newcomer: (heard.content.author, heard.content.key, heard.content.incarnation),
            member_share: &self.crypto.pake_share(run),
            newcomer_share: &join.share,
            expires: session.expires,
        };
        let transcript = transcript.hash(&self.crypto);
        Some((self.crypto.session_keys(&shared, &transcript), transcript))
    }

    fn burn(&mut self, join: &wire::Join, heard: &Heard) -> Verdict {
        let now = self.now;
        self.state.burnt.retain(|at| now.since(*at) < LOCK);
        self.state.burnt.push(now);
        self.end_session(join.session, None);
        let (id, key) = (heard.content.author, heard.content.key);
        if self.state.siblings.get(&id).is_some_and(|known| known.fingerprint == key) {
            self.abort(join.session, id, key, reason::WRONG_CODE);
        }
        self.tell(Event::CodeBurnt { session: join.session });
        if let Some(until) = self.locked_until() {
            self.tell(Event::CodesLocked { until });
        }
        Verdict::Done
    }

    /// The newcomer proved itself. Only from here on does anything secret leave, and is anything signed about it.
    fn let_in(&mut self, join: &wire::Join, heard: &Heard, keys: &SessionKeys, transcript: &Hash) -> Verdict {
        let (id, key) = (heard.content.author, heard.content.key);
        self.end_session(join.session, None);
        if self.view.ended.contains_key(&key) {
            self.abort(join.session, id, key, reason::KEY_ENDED);
            return Verdict::Drop(Ignored::NotAMember);
        }
        if !self.view.members.contains_key(&key) {
            let introduction = Introduction {
                id,
                certificate: join.certificate.clone(),
                incarnation: heard.content.incarnation,
            };
            if self.append_to_log(&LogBody::Add(introduction)).is_none() {
                return Verdict::Drop(Ignored::TooMany);
            }
        }
        let mac = Hash(self.crypto.mac(&keys.member, transcript.as_bytes()));
        self.post_accept(join.session, (id, key), mac, keys.bundle.clone());
        Verdict::Done
    }

    /// The newcomer spoke in the group: the copy of its accept and the offer are not needed any more.
    pub(super) fn newcomer_is_heard(&mut self, id: MuaaId, key: &Fingerprint) {
        let accepted = |stage: &Stage| match stage {
            Stage::Accepted(whom, token, ..) if whom == key => Some(*token),
            Stage::Accepted(..) | Stage::Open | Stage::Over => None,
        };
        let done: Vec<_> = self
            .state
            .sessions
            .iter()
            .filter_map(|(session, state)| Some((*session, accepted(&state.stage)?)))
            .collect();
        for (session, token) in done {
            self.withdraw(Folder::Inbox(id), token);
            if let Some(session) = self.state.sessions.get_mut(&session) {
                session.wipe(Stage::Over);
            }
        }
    }

    /// Requests of devices that are members, and sessions meant for them, are over.
    pub(super) fn drop_settled_requests(&mut self) {
        let members = &self.view.members;
        let settled: Vec<_> = self
            .state
            .siblings
            .iter_mut()
            .filter(|(_, known)| members.contains_key(&known.fingerprint))
            .filter_map(|(_, known)| known.request.take())
            .collect();
        for token in settled {
            self.finish(self.own_inbox(), token);
        }
        let ids: Vec<_> = self.view.members.values().map(|member| member.id).collect();
        let meant = |session: &Session| {
            session.stage == Stage::Open && session.to.is_some_and(|to| ids.contains(&to))
        };
        let moot: Vec<_> =
            self.state.sessions.iter().filter(|(_, session)| meant(session)).map(|(id, _)| *id).collect();
        for session in moot {
            self.end_session(session, None);
            self.tell(Event::OfferExpired { session });
        }
    }
}

fn seed_of(session: &Session) -> [u8; 32] {
    session.seed.expose().try_into().unwrap_or([0; 32])
}

fn run<'a>(session: &'a Session, id: SessionId, seed: &'a [u8; 32]) -> PakeRun<'a> {
    PakeRun { side: Side::Member, password: &session.password, session: id, seed }
}
