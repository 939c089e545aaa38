//! The member's side of a pairing: a code or a link is shown, a newcomer proves that a person brought it there, and is let in.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::{
    Muaa,
    persistent::{SESSION_MAX, Session, Stage, Waiting},
    reading::{Heard, Verdict},
};
use crate::{
    Class, Code, Crypto, Event, Fingerprint, Folder, Form, Gone, Hash, Ignored, InputError, MuaaId,
    PairingLink, PakeRun, Phase, Secret, SessionId, SessionKeys, Side, Timestamp, Token,
    config::{HOUR, canonical},
    state::{Introduction, LogBody},
    wire::{self, Kind},
};

/// After so many burnt codes within [`LOCK`] no more are made.
const BURNT_MAX: usize = 3;
/// The time within which burnt codes are counted.
const LOCK: Duration = HOUR;

/// Why a session was given up, as it stands in an abort, or in a reject.
pub(super) mod reason {
    pub(in crate::muaa) const REJECTED: u8 = 1;
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
    pub(super) replaces: Option<wire::Replaced>,
}

impl Transcript<'_> {
    pub(super) fn hash<C: Crypto>(&self, crypto: &C) -> Hash {
        let number = |number: u64| number.to_be_bytes();
        let replaced = self.replaces.map(|replaced| (replaced.fingerprint, number(replaced.id.0)));
        let (replaced_key, replaced_id): (&[u8], &[u8]) = match &replaced {
            Some((key, id)) => (key.as_bytes(), id),
            None => (&[], &[]),
        };
        crypto.hash(
            "autocrypt-sma-pair-v1",
            &[
                canonical(self.address).as_bytes(),
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
                replaced_key,
                replaced_id,
            ],
        )
    }
}

impl<C: Crypto> Muaa<C> {
    pub(super) fn offer(&mut self, to: Option<MuaaId>, form: Form) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired, Phase::Unpaired, Phase::Requesting])?;
        self.require_understanding()?;
        self.require_room_for_a_device()?;
        if let Some(id) = to.filter(|id| !self.can_be_let_in(*id)) {
            return Err(InputError::NoSuchMuaa(id));
        }
        if form == Form::Code && self.locked_until().is_some() {
            return Err(InputError::CodesLocked);
        }
        if self.open_sessions(|_| true).len() >= self.config.offers_max {
            return Err(InputError::TooMany);
        }
        if self.state.group.is_none() {
            self.found();
        }
        let session_id = SessionId(self.random.octets());
        let expires = self.now + self.config.offer_lifetime.min(SESSION_MAX);
        let (password, shown) = self.draw(form, session_id, expires);
        let mut session = Session::new(to, form, password, self.random.seed(), self.now, expires);
        let share = self.crypto.pake_share(run(&session, session_id, &seed_of(&session)));
        let body = wire::Offer {
            session: session_id,
            share,
            certificate: self.state.device.certificate.clone(),
            to,
            expires,
            form,
        };
        let folder = to.map_or(Folder::Announcements, Folder::Inbox);
        session.offer = self.say(folder, Class::Offer, Kind::Offer, wire::encode(&body));
        self.state.sessions.insert(session_id, session);
        self.tell(shown);
        Ok(())
    }

    /// A fresh secret for a session of the own group, and the event that shows it.
    fn draw(&mut self, form: Form, session: SessionId, expires: Timestamp) -> (Secret, Event) {
        match form {
            Form::Code => {
                let code = Code::from_random(self.random.number());
                (code.password(), Event::ShowCode { session, code, expires })
            }
            Form::Link => {
                let group = self.group().expect("only a member makes offers");
                let (member, fingerprint) = (self.state.id(), self.state.device.fingerprint);
                let secret = Secret::new(self.random.octets::<{ PairingLink::SECRET }>().to_vec());
                let address = canonical(&self.state.address);
                let link =
                    PairingLink { address, group, member, fingerprint, session, secret: secret.clone() };
                (secret, Event::ShowLink { session, link, expires })
            }
        }
    }

    /// A device that is there and has not what an accept brings: no member, or one that was never heard, whose accept may be lost.
    fn can_be_let_in(&self, id: MuaaId) -> bool {
        let may = |key: &Fingerprint| !self.view.ended.contains_key(key) && !self.has_spoken(key);
        self.io.exists(Folder::Inbox(id)) && self.keys_of(id).any(|key| may(&key))
    }

    /// Whether a member was heard in the group.
    fn has_spoken(&self, key: &Fingerprint) -> bool {
        let link = self.view.members.get(key).and_then(|member| self.state.links.get(&member.id));
        link.is_some_and(|link| link.received > 0)
    }

    fn open_sessions(&self, wanted: impl Fn(&Session) -> bool) -> Vec<SessionId> {
        let open = |session: &Session| session.stage == Stage::Open && wanted(session);
        self.state.sessions.iter().filter(|(_, session)| open(session)).map(|(id, _)| *id).collect()
    }

    pub(super) fn cancel(&mut self, session: SessionId) -> Result<(), InputError> {
        if !self.has_open_offer(&session) {
            return Err(InputError::NoSuchSession);
        }
        self.end_session(session, Some(reason::OVER));
        Ok(())
    }

    /// Whether an own offer is open and lies where all read it under this name.
    pub(super) fn offers_as(&self, session: &SessionId, token: Token) -> bool {
        let fits = |state: &Session| state.to.is_none() && state.offer == token;
        self.has_open_offer(session) && self.state.sessions.get(session).is_some_and(fits)
    }

    fn has_open_offer(&self, session: &SessionId) -> bool {
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
        if let (Some(reason), Some(to)) = (reason, to) {
            self.addressees(to).into_iter().for_each(|key| self.abort(id, to, key, reason));
        }
    }

    /// The offers of a device that goes are taken back.
    pub(super) fn end_open_sessions(&mut self) {
        for session in self.open_sessions(|_| true) {
            self.end_session(session, None);
        }
    }

    pub(super) fn abort(&mut self, session: SessionId, id: MuaaId, key: Fingerprint, reason: u8) {
        let body =
            wire::Abort { session, to: key, reason, certificate: self.state.device.certificate.clone() };
        self.say(Folder::Inbox(id), Class::Abort, Kind::Abort, wire::encode(&body));
    }

    /// Ends what has expired, and forgets what ended long ago.
    pub(super) fn tend_sessions(&mut self) {
        self.forget_used_codes();
        for session in self.open_sessions(|session| session.expires <= self.now) {
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
        open.map(|session| (session.expires, "offer expires")).chain(self.used_codes_end())
    }

    /// A newcomer says "I am here": shown in a list, never a dialog. What it says later takes the place of what it said before.
    pub(super) fn on_request(&mut self, heard: &Heard, token: Token) -> Verdict {
        let Some(request) = heard.content.body::<wire::Request>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let id = heard.content.author();
        if self.view.members.contains_key(&heard.content.key) {
            return Verdict::Done;
        }
        // One that was removed in another group hears of that when it joins, and takes another key; if its folder is gone, it has ended.
        let is_over = || self.view.is_out(&heard.content.key) && self.io.lacks(Folder::Inbox(id));
        if self.view.ended.contains_key(&heard.content.key) || is_over() {
            return Verdict::Drop(Ignored::NotAMember);
        }
        let waiting = self.state.siblings.values().filter(|known| known.request.is_some()).count();
        let full = waiting >= self.config.requests_max;
        let Some(known) = self.state.siblings.get_mut(&(id, heard.content.key)) else {
            return self.on_unannounced(heard.said, Ignored::Unproven);
        };
        if known.rejected {
            return Verdict::Drop(Ignored::Stale);
        }
        let sequence = heard.content.sequence;
        match known.request {
            Some(before) if (before.token, before.said) == (token, heard.said) => return Verdict::Keep,
            Some(before) if before.said == heard.said => return Verdict::Copy,
            Some(before) if before.sequence >= sequence => return Verdict::Drop(Ignored::TooMany),
            None if full => return Verdict::Ignore(Ignored::TooMany),
            Some(_) | None => {}
        }
        let replaces = request.replaces.map(|replaced| replaced.id);
        let waiting = Waiting { token, sequence, replaces, said: heard.said };
        if let Some(before) = known.request.replace(waiting) {
            self.finish_request(&before);
        }
        self.changed();
        self.tell(Event::RequestSeen(id));
        Verdict::Keep
    }

    /// Who writes announces itself first. If all announcements were read twice since, the second time after the message was there, and none
    /// is by its author, that one has gone, and nobody else takes the message away.
    pub(super) fn on_unannounced(&mut self, said: Hash, why: Ignored) -> Verdict {
        let (bound, known) = (self.config.requests_max, self.strangers());
        let waiting = &mut self.io.unannounced;
        if waiting.get(&said).is_some_and(|reads| *reads >= 2) {
            waiting.remove(&said);
            return Verdict::Drop(Ignored::Stale);
        }
        // With no room for siblings it may be announced and not be known; and a stranger makes this no larger.
        if known < self.config.siblings_max && waiting.len() < bound {
            waiting.entry(said).or_default();
        }
        Verdict::Ignore(why)
    }

    pub(super) fn reject(&mut self, id: MuaaId) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired, Phase::Unpaired, Phase::Requesting])?;
        let told = self.addressees(id);
        let strangers: Vec<_> = self.keys_of(id).filter(|key| !self.view.members.contains_key(key)).collect();
        if strangers.is_empty() {
            return Err(InputError::NoSuchMuaa(id));
        }
        for key in &strangers {
            let known = self.state.siblings.get_mut(&(id, *key));
            let request = known.and_then(|known| {
                known.rejected = true;
                known.request.take()
            });
            request.iter().for_each(|request| self.finish_request(request));
        }
        let sessions = self.open_sessions(|session| session.to == Some(id));
        for session in &sessions {
            self.end_session(*session, None);
        }
        let ended = if sessions.is_empty() { vec![None] } else { sessions.into_iter().map(Some).collect() };
        for key in told.into_iter().filter(|key| strangers.contains(key)) {
            ended.iter().for_each(|session| self.say_rejected(id, key, *session));
        }
        self.changed();
        Ok(())
    }

    fn say_rejected(&mut self, id: MuaaId, to: Fingerprint, session: Option<SessionId>) {
        let certificate = self.state.device.certificate.clone();
        let body = wire::Reject { session, to, reason: reason::REJECTED, certificate };
        self.say(Folder::Inbox(id), Class::Reject, Kind::Reject, wire::encode(&body));
    }

    /// Somebody claims to know the code: this is the one guess. Or the link.
    pub(super) fn on_join(&mut self, heard: &Heard) -> Verdict {
        let Some(join) = heard.content.body::<wire::Join>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let Some(session) = self.state.sessions.get(&join.session) else {
            return Verdict::Drop(Ignored::Stale);
        };
        let meant = session.to.is_none_or(|to| to == heard.content.author());
        if session.stage != Stage::Open || session.expires <= self.now || !meant {
            return Verdict::Drop(Ignored::Stale);
        }
        let form = session.form;
        let proven = self.keys_for(&join, heard).filter(|(keys, transcript)| {
            let expected = self.crypto.mac(&keys.newcomer, transcript.as_bytes());
            bool::from(expected.ct_eq(join.mac.as_bytes()))
        });
        match (proven, form) {
            (Some((keys, transcript)), _) => self.let_in(&join, heard, &keys, &transcript),
            (None, Form::Code) => self.burn(&join, heard),
            // Nobody guesses 128 bits, however often. Were the session over, anybody could end it.
            (None, Form::Link) => Verdict::Drop(Ignored::Unproven),
        }
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
            member: (self.state.id(), self.state.device.fingerprint, self.state.incarnation),
            newcomer: (heard.content.author(), heard.content.key, heard.content.incarnation),
            member_share: &self.crypto.pake_share(run),
            newcomer_share: &join.share,
            expires: session.expires,
            replaces: join.replaces,
        };
        let transcript = transcript.hash(&self.crypto);
        Some((self.crypto.session_keys(&shared, &transcript), transcript))
    }

    fn burn(&mut self, join: &wire::Join, heard: &Heard) -> Verdict {
        let now = self.now;
        self.state.burnt.retain(|at| now.since(*at) < LOCK);
        self.state.burnt.push(now);
        self.end_session(join.session, None);
        let (id, key) = (heard.content.author(), heard.content.key);
        if self.state.siblings.contains_key(&(id, key)) {
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
        let (id, key) = (heard.content.author(), heard.content.key);
        self.end_session(join.session, None);
        if self.view.is_out(&key) {
            self.abort(join.session, id, key, reason::KEY_ENDED);
            return Verdict::Drop(Ignored::NotAMember);
        }
        if !self.view.members.contains_key(&key) {
            let introduction = Introduction {
                certificate: join.certificate.clone(),
                incarnation: heard.content.incarnation,
                via: None,
            };
            if self.append_to_log(&LogBody::Add(introduction)).is_none() {
                return Verdict::Drop(Ignored::TooMany);
            }
        }
        if let Some(replaced) = join.replaces {
            self.replace_for((id, key), replaced);
        }
        let mac = Hash(self.crypto.mac(&keys.member, transcript.as_bytes()));
        self.post_accept(join.session, (id, key), mac, keys.bundle.clone());
        Verdict::Done
    }

    /// The newcomer takes the place of another device: that one is forced out, if it is a silent member. One that is heard may be in
    /// use, so a person decides about it.
    fn replace_for(&mut self, newcomer: (MuaaId, Fingerprint), replaced: wire::Replaced) {
        let wire::Replaced { id, fingerprint } = replaced;
        let ended = self.view.ended.get(&fingerprint);
        if ended.is_some_and(|(_, how)| how.is_forced() || *how == Gone::Left) {
            return;
        }
        let member = self.view.members.get(&fingerprint).is_some_and(|member| member.id == id);
        if member && fingerprint != newcomer.1 && self.is_silent_member(id, &fingerprint) {
            // A program that is too old to say so, or whose log is full, lets the newcomer in beside it.
            let _ = self.remove_member(fingerprint);
        }
        if !member || self.view.members.contains_key(&fingerprint) {
            self.tell(Event::NotReplaced { id: newcomer.0, replaces: id });
        }
    }

    /// The newcomer spoke in the group: the copy of its accept and what was offered to it are not needed any more.
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
        self.drop_moot(self.open_sessions(|session| session.to == Some(id)));
    }

    /// Requests of devices that are members, and sessions meant for those of them that were heard, are over.
    pub(super) fn drop_settled_requests(&mut self) {
        let members = &self.view.members;
        let settled: Vec<_> = self
            .state
            .siblings
            .iter_mut()
            .filter(|((_, key), _)| members.contains_key(key))
            .filter_map(|(_, known)| known.request.take())
            .collect();
        settled.iter().for_each(|request| self.finish_request(request));
        let heard = self.view.members.iter().filter(|(key, _)| self.has_spoken(key));
        let heard: Vec<_> = heard.map(|(_, member)| member.id).collect();
        self.drop_moot(self.open_sessions(|session| session.to.is_some_and(|to| heard.contains(&to))));
    }

    /// In another group: a code that was offered in the former one proves nothing any more.
    pub(super) fn drop_former_offers(&mut self) {
        let member = |id: MuaaId| self.view.by_id(id).is_some();
        let (moot, over): (Vec<_>, Vec<_>) = self
            .open_sessions(|_| true)
            .into_iter()
            .partition(|id| self.state.sessions[id].to.is_some_and(member));
        self.drop_moot(moot);
        for session in over {
            self.end_session(session, Some(reason::OVER));
            self.tell(Event::OfferExpired { session });
        }
    }

    /// Nobody waits for these any more.
    fn drop_moot(&mut self, sessions: Vec<SessionId>) {
        for session in sessions {
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
