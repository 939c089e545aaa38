//! The newcomer's side of a pairing: an offer arrives, a person types the code or hands in the link, the accept brings the group.

use subtle::ConstantTimeEq;

use super::{
    Muaa,
    member::{Transcript, reason},
    persistent::{Joining, Life, SESSION_MAX, SeenOffer, Used},
    reading::{Heard, Verdict},
};
use crate::{
    Class, Code, Crypto, Ended, Event, Fingerprint, Folder, Form, Hash, Ignored, InputError, MuaaId,
    PairingLink, PakeRun, Phase, Secret, SessionId, Side, Timestamp, Token,
    config::canonical,
    state::{Log, Membership},
    wire::{self, Kind, Update},
};

/// How many codes that were typed are remembered.
const USED_MAX: usize = 64;

/// Names an offer: its session and its member's device key.
type OfferKey = (SessionId, Fingerprint);

/// Why an accept is not taken.
enum Rejected {
    /// Its author did not prove that it knows the code: the member may still answer.
    Unproven,
    /// The member proved that it knows the code, and what it says lets this device in nowhere.
    Void(Ignored),
    /// By this log, to which this device added what it knew, the member is none any more.
    Out(Log),
}

impl<C: Crypto> Muaa<C> {
    /// A member offers to let this MUAA in. Nothing is proven: it only lets a person type a code or hand in a link.
    pub(super) fn on_offer(&mut self, heard: &Heard, token: Token) -> Verdict {
        let Some(offer) = heard.content.body::<wire::Offer>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let Some(group) = heard.content.group else { return Verdict::Ignore(Ignored::Malformed) };
        let own = heard.content.key == self.state.device.fingerprint;
        if own && heard.folder == Folder::Announcements && !self.offers_as(&offer.session, token) {
            // It was appended after it had been taken back, or somebody filed it again.
            self.discard(heard.folder, token);
        }
        // What all read is its author's to take away; in the own inbox nobody else needs it.
        let useless =
            if heard.folder == Folder::Announcements { Verdict::Keep } else { Verdict::Drop(Ignored::Stale) };
        let over = self.state.processed.contains_key(&heard.said);
        if own
            || over
            || heard.content.author() == self.state.id()
            || offer.to.is_some_and(|to| to != self.state.id())
        {
            return useless;
        }
        if self.tells_of_former(heard, group) || self.has_what_is_offered(heard, &offer, group) {
            return useless;
        }
        let key = (offer.session, heard.content.key);
        if let Some(known) = self.state.offers.get(&key) {
            let copy = heard.folder != Folder::Announcements
                && known.said == heard.said
                && (known.folder, known.token) != (heard.folder, token);
            return if copy { Verdict::Copy } else { Verdict::Keep };
        }
        if self.state.offers.len() >= self.config.offers_max {
            // The latest is the one that a person is looking at.
            let oldest = self.state.offers.iter().min_by_key(|(_, offer)| offer.arrived).map(|(key, _)| *key);
            oldest.into_iter().for_each(|key| self.drop_offer(&key));
        }
        let from = heard.content.author();
        let seen = SeenOffer {
            from,
            group,
            fingerprint: heard.content.key,
            incarnation: heard.content.incarnation,
            share: offer.share,
            expires: offer.expires,
            folder: heard.folder,
            token,
            said: heard.said,
            arrived: self.now,
            form: offer.form,
        };
        self.state.offers.insert(key, seen);
        self.changed();
        self.tell(Event::OfferSeen { from, session: offer.session, form: offer.form });
        Verdict::Keep
    }

    /// Nothing is to be had of a sibling, unless it is in another group, nor of one that was forced out.
    fn has_what_is_offered(&self, heard: &Heard, offer: &wire::Offer, group: Hash) -> bool {
        let member = self.view.members.contains_key(&heard.content.key);
        if self.view.removed.contains(&heard.content.key) {
            return true;
        }
        if self.group() == Some(group) {
            // A member that takes this one for none: neither may know of the other, and nobody be left to tell them.
            return member || offer.to.is_none() || self.view.ended.contains_key(&heard.content.key);
        }
        // A member of the own group may be in another one and not know of it; but not if it has spoken here since.
        let link = self.state.links.get(&heard.content.author());
        member && link.is_some_and(|link| link.received > heard.content.sequence)
    }

    /// A code or a link, from this member or from any.
    pub(super) fn enter_code(
        &mut self,
        typed: &Secret,
        from: Option<MuaaId>,
        key: Option<Fingerprint>,
    ) -> Result<(), InputError> {
        self.require(&[Phase::Unpaired, Phase::Requesting, Phase::Alone, Phase::Paired])?;
        self.require_understanding()?;
        if self.state.entering.is_some() {
            return Err(InputError::JoinPending);
        }
        let typed = std::str::from_utf8(typed.expose()).map_err(|_| InputError::Mistyped)?.trim();
        if PairingLink::is_meant(typed) {
            let link = PairingLink::parse(typed).map_err(|_| InputError::Mistyped)?;
            if link.address != canonical(&self.state.address) {
                return Err(InputError::OtherAccount);
            }
            let session = self.offer_of(&link, from)?;
            return self.join(&session, &link.secret);
        }
        let password = Code::parse(typed).map_err(|_| InputError::Mistyped)?.password();
        let used = self.used(&password);
        if self.state.used.iter().any(|before| before.code == used.code) {
            return Err(InputError::CodeUsed);
        }
        let session = self.offer_with_code(from, key)?;
        self.join(&session, &password)?;
        self.state.used.push(used);
        let surplus = self.state.used.len().saturating_sub(USED_MAX);
        self.state.used.drain(..surplus);
        Ok(())
    }

    /// Whatever key this device has, now and later: whoever plays the member can have it take another one.
    fn used(&self, password: &Secret) -> Used {
        let address = canonical(&self.state.address);
        let code = self.crypto.hash("autocrypt-sma-used-code-v1", &[address.as_bytes(), password.expose()]);
        Used { code, at: self.now }
    }

    /// No code is good for longer than a session lasts.
    pub(super) fn forget_used_codes(&mut self) {
        let now = self.now;
        let is_over = |used: &Used| now.since(used.at) >= SESSION_MAX;
        if self.state.used.iter().any(is_over) {
            self.state.used.retain(|used| !is_over(used));
        }
    }

    pub(super) fn used_codes_end(&self) -> impl Iterator<Item = (Timestamp, &'static str)> {
        self.state.used.iter().map(|used| (used.at + SESSION_MAX, "a code is over"))
    }

    /// The offer that the link names in all that it says, so that nobody in between can offer another.
    fn offer_of(&self, link: &PairingLink, from: Option<MuaaId>) -> Result<OfferKey, InputError> {
        let key = (link.session, link.fingerprint);
        let fits = |offer: &&SeenOffer| {
            (offer.form, offer.group, offer.from) == (Form::Link, link.group, link.member)
                && from.is_none_or(|from| from == offer.from)
        };
        self.state.offers.get(&key).filter(fits).map(|_| key).ok_or(InputError::NoOffer)
    }

    /// Of one member the latest offer is the one whose code is shown. Who names the member's key needs no announcement of it.
    fn offer_with_code(
        &self,
        from: Option<MuaaId>,
        key: Option<Fingerprint>,
    ) -> Result<OfferKey, InputError> {
        let named = |offer: &SeenOffer| key.is_none_or(|key| key == offer.fingerprint);
        let fits = |offer: &SeenOffer| {
            offer.form == Form::Code && from.is_none_or(|from| from == offer.from) && named(offer)
        };
        let fitting: Vec<_> = self.state.offers.iter().filter(|(_, offer)| fits(offer)).collect();
        let latest = fitting.iter().max_by_key(|(_, offer)| (offer.expires, offer.arrived));
        let Some((key, latest)) = latest else { return Err(InputError::NoOffer) };
        let maker = |offer: &SeenOffer| (offer.from, offer.fingerprint);
        if fitting.iter().any(|(_, other)| maker(other) != maker(latest)) {
            return Err(InputError::WhichOffer);
        }
        Ok(**key)
    }

    fn join(&mut self, key: &OfferKey, password: &Secret) -> Result<(), InputError> {
        let (session, seed) = (key.0, self.random.seed());
        let offer = self.state.offers.get(key).cloned().ok_or(InputError::NoOffer)?;
        let run = PakeRun { side: Side::Newcomer, password, session, seed: &seed };
        let share = self.crypto.pake_share(run);
        let shared = self.crypto.pake_finish(run, &offer.share).map_err(|_| InputError::NoOffer)?;
        let transcript = Transcript {
            address: &self.state.address,
            group: offer.group,
            session,
            member: (offer.from, offer.fingerprint, offer.incarnation),
            newcomer: (self.state.id(), self.state.device.fingerprint, self.state.incarnation),
            member_share: &offer.share,
            newcomer_share: &share,
            expires: offer.expires,
            replaces: self.state.replaces,
        };
        let transcript = transcript.hash(&self.crypto);
        let keys = self.crypto.session_keys(&shared, &transcript);
        let join = wire::Join {
            session,
            share,
            certificate: self.state.device.certificate.clone(),
            mac: Hash(self.crypto.mac(&keys.newcomer, transcript.as_bytes())),
            replaces: self.state.replaces,
        };
        self.withdraw_join();
        let token = self.say(Folder::Inbox(offer.from), Class::Join, Kind::Join, wire::encode(&join));
        self.drop_offer(key);
        let joining =
            Joining { offer, member_key: keys.member, bundle_key: keys.bundle, transcript, join: token };
        self.state.joining = Some((session, joining));
        self.changed();
        Ok(())
    }

    /// Whose place this device takes when it is let in. Who was asked to let it in is asked anew, to show it.
    pub(super) fn replace(&mut self, id: Option<MuaaId>) -> Result<(), InputError> {
        self.require(&[Phase::Unpaired, Phase::Requesting, Phase::Alone])?;
        let named = |id: MuaaId| {
            // Who takes another's id for its key announces it later than the other.
            let known = self.keys_of(id).min_by_key(|key| (self.state.siblings[&(id, *key)].date, *key));
            let fingerprint = known.ok_or(InputError::NoSuchMuaa(id))?;
            Ok(wire::Replaced { id, fingerprint })
        };
        let replaces = id.map(named).transpose()?;
        if std::mem::replace(&mut self.state.replaces, replaces) == replaces {
            return Ok(());
        }
        self.changed();
        if self.state.life == Life::Unpaired {
            let asked: Vec<_> = self.state.requested.keys().copied().collect();
            asked.into_iter().for_each(|id| self.request(id));
        }
        Ok(())
    }

    fn withdraw_join(&mut self) {
        if let Some((_, joining)) = self.state.joining.take() {
            self.withdraw(Folder::Inbox(joining.offer.from), joining.join);
        }
    }

    /// An offer is answered or over. The member takes back what it posted where all read it.
    pub(super) fn drop_offer(&mut self, key: &OfferKey) {
        if let Some(offer) = self.state.offers.remove(key) {
            if offer.folder == Folder::Announcements {
                self.remember(offer.said);
            } else {
                self.finish(offer.folder, offer.token, offer.said);
            }
            self.changed();
        }
    }

    pub(super) fn on_accept(&mut self, heard: &Heard) -> Verdict {
        let Some(accept) = heard.content.body::<wire::Accept>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let joining = self.state.joining.as_ref().filter(|(session, _)| *session == accept.session);
        let Some((_, joining)) = joining.cloned() else {
            // Of a pairing that came to nothing, by a device that is or was in the group.
            let group = self.state.group.as_ref();
            let certificate = group.and_then(|group| group.log.certificate(&heard.content.key));
            let known = certificate.is_some_and(|certificate| self.check(heard, &certificate));
            return if known { Verdict::Done } else { Verdict::Ignore(Ignored::Stale) };
        };
        match self.open_accept(&accept, &joining, heard) {
            Ok((log, _)) if !self.may_enter(&log) => Verdict::Ignore(Ignored::UpdateNeeded),
            Ok((log, update)) => {
                self.state.joining = None;
                self.drop_all_offers();
                let by = (joining.offer.from, heard.content.sequence);
                if self.group() == Some(log.group()) {
                    self.find_members(&update, by);
                } else {
                    self.enter_or_ask(log, &update, by);
                }
                Verdict::Done
            }
            Err(Rejected::Unproven) => Verdict::Ignore(Ignored::Unproven),
            Err(Rejected::Void(why)) => self.end_void_join(why),
            Err(Rejected::Out(log)) => {
                self.tell_it_is_out(joining.offer.from, &joining.offer.fingerprint, log);
                self.end_void_join(Ignored::NotAMember)
            }
        }
    }

    fn end_void_join(&mut self, why: Ignored) -> Verdict {
        if let Some((_, joining)) = self.state.joining.take() {
            self.tell(Event::PairingEnded { with: joining.offer.from, why: Ended::Aborted });
            self.changed();
        }
        Verdict::Drop(why)
    }

    fn open_accept(
        &self,
        accept: &wire::Accept,
        joining: &Joining,
        heard: &Heard,
    ) -> Result<(Log, Update), Rejected> {
        let expected = self.crypto.mac(&joining.member_key, joining.transcript.as_bytes());
        if !bool::from(expected.ct_eq(accept.mac.as_bytes())) {
            return Err(Rejected::Unproven);
        }
        let opened = self.crypto.open_bundle(&joining.bundle_key, &accept.bundle);
        let opened = opened.map_err(|_| Rejected::Unproven)?;
        let (own, theirs) = (self.state.device.fingerprint, joining.offer.fingerprint);
        if heard.content.key != theirs {
            return Err(Rejected::Unproven);
        }
        let update: Update = wire::decode(opened.expose()).ok_or(Rejected::Void(Ignored::Malformed))?;
        if update.to != own {
            return Err(Rejected::Unproven);
        }
        let log = if self.group() == Some(joining.offer.group) {
            self.log_with(&theirs, &update.ops).map(|(log, _)| log)
        } else {
            self.log_of(joining.offer.group, &update.ops)
        };
        let log = log.ok_or(Rejected::Void(Ignored::Malformed))?;
        let view = Membership::of(&log);
        if view.is_out(&theirs) || self.view.removed.contains(&theirs) {
            return Err(Rejected::Out(log));
        }
        let member = view.members.get(&theirs).ok_or(Rejected::Void(Ignored::NotAMember))?;
        if !self.check(heard, &member.certificate) {
            return Err(Rejected::Unproven);
        }
        view.members.contains_key(&own).then_some((log, update)).ok_or(Rejected::Void(Ignored::NotAMember))
    }

    fn drop_all_offers(&mut self) {
        let keys: Vec<_> = self.state.offers.keys().copied().collect();
        keys.iter().for_each(|key| self.drop_offer(key));
    }

    /// A hint: a request, or the session that it names, is over. It changes no trust.
    pub(super) fn on_reject(&mut self, heard: &Heard) -> Verdict {
        let Some(reject) = heard.content.body::<wire::Reject>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let (from, key) = (heard.content.author(), heard.content.key);
        if reject.to != self.state.device.fingerprint {
            // Nobody else reads this inbox.
            return Verdict::Drop(Ignored::Unproven);
        }
        if !self.is_announced(&heard.content) {
            return Verdict::Ignore(Ignored::Unproven);
        }
        if self.state.life == Life::Grouped && self.view.members.len() > 1 {
            return Verdict::Drop(Ignored::Stale);
        }
        let Some(session) = reject.session else {
            self.tell(Event::PairingEnded { with: from, why: Ended::Rejected });
            return Verdict::Done;
        };
        let Some((with, _)) = self.end_answer(&(session, key)) else { return Verdict::Drop(Ignored::Stale) };
        self.tell(Event::PairingEnded { with, why: Ended::Rejected });
        Verdict::Done
    }

    /// Drops an offer, and what answered it. Who made it, and whether it was answered.
    fn end_answer(&mut self, key: &OfferKey) -> Option<(MuaaId, bool)> {
        let joining = self.state.joining.as_ref();
        let joining = joining.filter(|(session, joining)| (*session, joining.offer.fingerprint) == *key);
        let from = joining.map(|(_, joining)| &joining.offer).or_else(|| self.state.offers.get(key))?.from;
        let joined = joining.is_some();
        if joined {
            self.withdraw_join();
        }
        self.drop_offer(key);
        Some((from, joined))
    }

    /// A hint: this session is over. Only the device that made the offer may say so, and only to whom it says it.
    pub(super) fn on_abort(&mut self, heard: &Heard) -> Verdict {
        let Some(abort) = heard.content.body::<wire::Abort>() else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        if abort.to != self.state.device.fingerprint {
            return Verdict::Drop(Ignored::Unproven);
        }
        let ended = self.end_answer(&(abort.session, heard.content.key));
        let Some((from, joined)) = ended else { return Verdict::Drop(Ignored::Stale) };
        let why = match abort.reason {
            reason::WRONG_CODE if joined => Ended::WrongCode,
            reason::TOO_LARGE if joined => Ended::TooLarge,
            _ => Ended::Aborted,
        };
        self.tell(Event::PairingEnded { with: from, why });
        if joined && abort.reason == reason::KEY_ENDED {
            // With another key a person may pair it again. Who made the offer need not be a member, so it is done as seldom as any move.
            if self.state.group.is_none() { self.start_over() } else { self.go_on_as_another(0) }
        }
        Verdict::Done
    }
}
