//! Keys of a stranger, and mails of his that say to be of others.

use sma_core::{
    Class, Code, Command, Crypto, DeviceKey, Envelope, Event, Fingerprint, Folder, Form, MuaaId, PakeRun,
    Secret, SessionId, Side, Timestamp, Token,
    wire::{self, Kind, SignedOp},
};
use sma_sim::symbolic::{Symbolic, device_key_of};

use super::{DAY, Play};

const CRYPTO: Symbolic = Symbolic;

/// A device key in somebody's hand.
pub(super) struct Forger {
    key: DeviceKey,
    sequence: u64,
}

impl Forger {
    pub(super) fn new(id: MuaaId) -> Self {
        Self { key: device_key_of(id, &[0xee; 32]).unwrap(), sequence: 0 }
    }

    fn content(&mut self, kind: Kind, body: Vec<u8>) -> wire::Content {
        self.sequence += 1;
        wire::Content {
            group: None,
            key: self.key.fingerprint,
            incarnation: 7,
            sequence: self.sequence,
            previous: None,
            seen: None,
            time: 1,
            kind: kind.number(),
            body: body.into(),
        }
    }

    /// A message in the open, signed by this key.
    fn sign(&self, content: &wire::Content, class: Class) -> Envelope {
        let octets = wire::encode(content);
        let signature =
            CRYPTO.sign(&self.key.secret, "autocrypt-sma-op-v1", &octets, &[1; 32], Timestamp(0)).unwrap();
        let body = wire::encode(&SignedOp { content: octets.into(), signature });
        Envelope {
            sender: content.author(),
            token: Token([9; 16]),
            class,
            date: Timestamp(0),
            body: body.into(),
        }
    }

    /// An offer of this key to a newcomer, in the name of a group that nobody knows.
    pub(super) fn offer(&mut self, to: MuaaId, nth: u8) -> Envelope {
        self.offer_with(to, nth, 7, u64::MAX)
    }

    /// The same under another incarnation, until then.
    fn offer_with(&mut self, to: MuaaId, nth: u8, incarnation: u64, expires: u64) -> Envelope {
        let session = SessionId([nth; 16]);
        let password = Secret::new(b"00000000".to_vec());
        let run = PakeRun { side: Side::Member, password: &password, session, seed: &[3; 32] };
        let offer = wire::Offer {
            session,
            share: CRYPTO.pake_share(run),
            certificate: self.key.certificate.clone(),
            to: Some(to),
            expires: Timestamp(expires),
            form: Form::Code,
        };
        let mut content = self.content(Kind::Offer, wire::encode(&offer));
        content.group = Some(CRYPTO.hash("group", &[]));
        content.incarnation = incarnation;
        self.sign(&content, Class::Offer)
    }

    /// Says to the device with this key that it has ended where it was to be let in.
    fn abort(&mut self, session: SessionId, to: Fingerprint) -> Envelope {
        let abort = wire::Abort { session, to, reason: 3, certificate: self.key.certificate.clone() };
        let content = self.content(Kind::Abort, wire::encode(&abort));
        self.sign(&content, Class::Abort)
    }

    /// One that is announced as a device of its own.
    fn announced(play: &mut Play) -> Self {
        let mut forger = Self::new(MuaaId(666));
        let announced = forger.announcement();
        play.file(Folder::Announcements, &announced);
        play.stage.settle();
        forger
    }

    /// Makes an offer, for which a person types this code. Whether that was taken.
    fn has_typed(&mut self, play: &mut Play, newcomer: usize, nth: u8, code: String) -> bool {
        let offer = self.offer(play.id(newcomer), nth);
        play.file(play.inbox(newcomer), &offer);
        play.stage.settle();
        let typed = Command::EnterCode { code: code.into(), from: Some(MuaaId(666)), key: None };
        let taken = play.stage.command(newcomer, typed).is_ok();
        play.stage.settle();
        taken
    }

    /// Answers what answered that offer.
    fn ends_the_key_of(&mut self, play: &mut Play, newcomer: usize, nth: u8) {
        let to = play.stage.lab.machines[newcomer].muaa.as_ref().unwrap().fingerprint();
        let abort = self.abort(SessionId([nth; 16]), to);
        play.file(play.inbox(newcomer), &abort);
        play.stage.settle();
    }

    pub(super) fn announcement(&mut self) -> Envelope {
        let body = wire::Announcement {
            certificate: self.key.certificate.clone(),
            capabilities: 0,
            digest: None,
            moves: None,
        };
        let content = self.content(Kind::Announcement, wire::encode(&body));
        self.sign(&content, Class::Announcement)
    }
}

/// What a stranger announces in a mail that says to be of this device.
fn forgery(sender: MuaaId) -> Envelope {
    Envelope { sender, ..Forger::new(MuaaId(666)).announcement() }
}

/// A member under whose id another key was announced; its own announcement is the younger one. And a newcomer, which reads the other one
/// first.
fn forged() -> (Play, usize, usize) {
    let mut play = Play::paired(&[1]);
    let forged = forgery(MuaaId(1));
    // The member does not see it before the newcomer has.
    play.stage.cut.insert(0);
    play.file(Folder::Announcements, &forged);
    let own = play.announcement(0);
    play.hide_announcements_of(MuaaId(1));
    play.file(Folder::Announcements, &forged);
    play.lay(Folder::Announcements, own);
    let newcomer = play.stage.add(27);
    play.stage.settle();
    (play, 0, newcomer)
}

#[test]
fn a_forged_announcement_under_a_members_id_keeps_no_newcomer_away() {
    for form in [Form::Code, Form::Link] {
        for to in [true, false] {
            let (mut play, member, newcomer) = forged();
            play.stage.cut.clear();
            let to = play.stage.id(newcomer).filter(|_| to);
            play.stage.advance(DAY);
            play.stage.command(member, Command::Offer { to, form }).unwrap();
            play.stage.settle();
            assert_eq!(play.stage.type_code(member, newcomer), Ok(()), "{form:?} {to:?}");
            play.stage.settle();
            assert!(play.stage.are_paired(&[member, newcomer]), "{form:?} {to:?}");
        }
    }
}

#[test]
fn a_link_needs_no_announcement_of_its_member() {
    let (mut play, member, newcomer) = forged();
    let inbox = play.inbox(newcomer);
    play.hide_announcements_of(MuaaId(1));
    play.stage.command(newcomer, Command::Poll).unwrap();
    play.stage.advance(2 * DAY);
    let forged = forgery(MuaaId(1));
    play.file(Folder::Announcements, &forged);
    play.stage.settle();
    play.stage.cut = [newcomer].into();
    play.stage.advance(DAY);
    let to = play.stage.id(newcomer);
    play.stage.command(member, Command::Offer { to, form: Form::Link }).unwrap();
    while play.stage.turn_of(member) {}
    play.hide_announcements_of(MuaaId(1));
    play.file(Folder::Announcements, &forged);
    play.stage.cut = [member].into();
    play.stage.settle();
    assert_eq!(play.lying(inbox), 1);
    assert_eq!(play.stage.type_code(member, newcomer), Ok(()));
    play.stage.cut.clear();
    play.stage.settle();
    assert!(play.stage.are_paired(&[member, newcomer]));
}

#[test]
fn nobody_believes_a_mail_that_says_to_be_of_a_member_and_is_signed_by_another_key() {
    let mut play = Play::paired(&[1, 27]);
    for id in [1, 27] {
        play.file(Folder::Announcements, &forgery(MuaaId(id)));
    }
    play.stage.settle();
    for (at, other) in [(0, 27), (1, 1)] {
        let siblings = play.stage.lab.machines[at].muaa.as_ref().unwrap().siblings();
        assert_eq!(siblings.iter().map(|sibling| sibling.id).collect::<Vec<_>>(), [MuaaId(other)]);
    }
    assert_eq!(play.stage.broken(), None);
    play.they_understand_each_other(0, 1, "still");
}

/// These are filed in turn, three hundred times within days. How many events devices told, and how many octets they wrote to others and
/// save more than before. Who files them may take away what is there of the same senders.
fn filed_in_turn(play: &mut Play, envelopes: &[Envelope; 2], takes_away: bool) -> (usize, u64, usize) {
    let current = |play: &Play| {
        let of = |at: usize| play.stage.lab.machines[at].muaa.as_ref().map(|muaa| muaa.account().current);
        [0, 1].map(of)
    };
    let size = |play: &Play| play.size(0).max(play.size(1));
    let (key, mut before) = (current(play), (0, 0, 0));
    for n in 0..340 {
        let envelope = &envelopes[n % 2];
        if takes_away {
            play.hide_announcements_of(envelope.sender);
            play.hide_announcements_of(envelopes[1 - n % 2].sender);
        }
        play.file(Folder::Announcements, envelope);
        if play.stage.lab.machines[1].muaa.is_none() {
            // Only the other one reads, and anew each time.
            play.stage.crash(0);
            play.stage.lab.start(0);
        }
        play.stage.advance(DAY / 100);
        assert_eq!(current(play), key, "{n}");
        if n == 40 {
            before = (play.stage.told.len(), play.stage.lab.counts.appended, size(play));
        }
    }
    let (told, appended) = (play.stage.told.len(), play.stage.lab.counts.appended);
    (told - before.0, appended - before.1, size(play).saturating_sub(before.2))
}

/// Two of one key, or of two keys.
#[test]
fn a_stranger_that_announces_two_things_in_turn_hundreds_of_times_is_told_of_once_a_day() {
    for keys in 1..=2 {
        let mut play = Play::paired(&[1, 27]);
        let mut forgers = [Forger::new(MuaaId(666)), Forger::new(MuaaId(667))];
        let envelopes = [0, 1].map(|n| forgers[n % keys].announcement());
        let (told, appended, grown) = filed_in_turn(&mut play, &envelopes, true);
        // Who is not there when all is read, once a day, is seen anew when it is there again.
        assert!(told <= 6 && (appended, grown) == (0, 0), "{keys}: {told} {appended} {grown}");
        assert_eq!(play.stage.broken(), None);
        play.they_understand_each_other(0, 1, "still");
    }
}

/// Whether it reads them itself or is off.
#[test]
fn two_old_announcements_of_a_member_filed_in_turn_hundreds_of_times_change_nothing() {
    for is_off in [false, true] {
        let mut play = Play::paired(&[1, 27]);
        play.stage.advance(60 * DAY);
        let known = play.stage.lab.store.remembered.iter().cloned().collect::<Vec<_>>();
        let of = |(folder, envelope): &&(Folder, Envelope)| {
            *folder == Folder::Announcements && envelope.sender == play.id(1)
        };
        let mut old = known.iter().filter(of).map(|(_, envelope)| envelope.clone());
        let envelopes = [old.next().unwrap(), old.next().unwrap()];
        if is_off {
            play.stage.crash(1);
        }
        let (told, appended, grown) = filed_in_turn(&mut play, &envelopes, is_off);
        // Each announces itself once in these days; who is off and seems to be behind is told so once a day.
        assert!(told == 0 && appended < 5000 && grown < 100, "{is_off}: {told} {appended} {grown}");
        if is_off {
            play.stage.lab.start(1);
        }
        play.stage.advance(DAY);
        play.they_understand_each_other(0, 1, "still");
    }
}

#[test]
fn sixty_four_strangers_take_no_room_of_members() {
    let mut play = Play::paired(&[1]);
    for id in 0..64 {
        let junk = Forger::new(MuaaId(1000 + id)).announcement();
        play.file(Folder::Announcements, &junk);
    }
    play.stage.settle();
    let newcomer = play.stage.add(27);
    play.stage.settle();
    play.stage.command(0, Command::Offer { to: None, form: Form::Code }).unwrap();
    play.stage.settle();
    assert_eq!(play.stage.type_code(0, newcomer), Ok(()));
    play.stage.settle();
    assert!(play.stage.are_paired(&[0, newcomer]));
    for month in 0..4 {
        play.stage.advance(30 * DAY);
        play.they_understand_each_other(0, newcomer, &format!("month {month}"));
    }
}

#[test]
fn a_rejection_for_another_device_ends_nothing() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    let other = play.stage.add(33);
    play.stage.settle();
    let id = play.id(other);
    play.stage.command(member, Command::Reject { id }).unwrap();
    play.stage.cut.insert(other);
    while play.stage.turn_of(member) {}
    let inbox = play.inbox(other);
    let rejection = |(folder, _, envelope): &(Folder, sma_core::Uid, &Envelope)| {
        *folder == inbox && envelope.class == Class::Reject
    };
    let rejection = play.stage.lab.store.envelopes().find(rejection).unwrap().2.clone();
    play.stage.offer(member, newcomer).unwrap();
    play.stage.settle();
    let told = play.stage.told.len();
    play.file(play.inbox(newcomer), &rejection);
    play.stage.settle();
    let ended = |(_, event): &(usize, Event)| matches!(event, Event::PairingEnded { .. });
    assert!(!play.stage.told[told..].iter().any(ended));
    assert_eq!(play.stage.type_code(member, newcomer), Ok(()));
    play.stage.settle();
    assert!(play.stage.are_paired(&[member, newcomer]));
}

/// A code is one guess, also for who can make the newcomer see offers of its own.
#[test]
fn a_code_typed_ten_times_answers_one_offer() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    let id = play.id(newcomer);
    play.stage.offer(member, newcomer).unwrap();
    play.stage.settle();
    let code = play.stage.lab.machines[member].shown.clone().unwrap().code;
    let mut forger = Forger::new(MuaaId(666));
    let announced = forger.announcement();
    play.file(Folder::Announcements, &announced);
    play.stage.cut.insert(member);
    let mut answered = 0;
    for nth in 0..10 {
        let offer = forger.offer(id, nth);
        play.file(play.inbox(newcomer), &offer);
        play.stage.settle();
        let typed = Command::EnterCode { code: code.clone().into(), from: Some(MuaaId(666)), key: None };
        answered += u32::from(play.stage.command(newcomer, typed).is_ok());
        play.stage.settle();
    }
    assert_eq!(answered, 1);
    // An hour later no code is good any more, and none is kept.
    let before = play.size(newcomer);
    play.stage.cut.clear();
    play.stage.advance(std::time::Duration::from_secs(3700));
    assert!(play.size(newcomer) < before);
    assert!(play.stage.pair(member, newcomer), "a fresh code is good");
}

/// Whoever plays the member says that the newcomer's key has ended, and the newcomer takes another one: the code is the same.
#[test]
fn a_code_answers_one_offer_whatever_key_the_newcomer_takes() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    play.stage.offer(member, newcomer).unwrap();
    play.stage.settle();
    let code = play.stage.lab.machines[member].shown.clone().unwrap().code;
    let mut forger = Forger::announced(&mut play);
    play.stage.cut.insert(member);
    let mut answered = 0;
    for nth in 0..10 {
        answered += u32::from(forger.has_typed(&mut play, newcomer, nth, code.clone()));
        forger.ends_the_key_of(&mut play, newcomer, nth);
    }
    assert_eq!(answered, 1);
    play.stage.cut.clear();
    play.stage.advance(DAY);
    assert!(play.stage.pair(member, newcomer), "a fresh code is good");
}

/// Each time it would make a folder and announce itself anew.
#[test]
fn whoever_says_again_and_again_that_a_newcomers_key_has_ended_has_it_take_a_few_keys() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    let mut forger = Forger::announced(&mut play);
    play.stage.cut.insert(member);
    let mut keys = std::collections::BTreeSet::new();
    for nth in 0..30 {
        let code =
            (0..10).map(|check| format!("{nth:08}{check}")).find(|code| Code::parse(code).is_ok()).unwrap();
        assert!(forger.has_typed(&mut play, newcomer, nth, code), "a person types it");
        forger.ends_the_key_of(&mut play, newcomer, nth);
        keys.insert(play.stage.lab.machines[newcomer].muaa.as_ref().unwrap().fingerprint());
        play.stage.advance(DAY / 10);
    }
    assert!(keys.len() <= 4, "{}", keys.len());
    play.stage.cut.clear();
    play.stage.advance(DAY);
    assert!(play.stage.pair(member, newcomer));
}

/// An abort says which offer is over; what answered another one goes on.
#[test]
fn an_abort_ends_only_what_answered_its_authors_own_offer() {
    let (mut play, member, newcomer) = Play::member_and_newcomer();
    let mut forger = Forger::announced(&mut play);
    play.stage.offer(member, newcomer).unwrap();
    play.stage.settle();
    let key = |play: &Play| play.stage.lab.machines[newcomer].muaa.as_ref().unwrap().fingerprint();
    let before = key(&play);
    play.stage.cut.insert(member);
    assert_eq!(play.stage.type_code(member, newcomer), Ok(()));
    play.stage.settle();
    let offered = |(.., envelope): &(Folder, sma_core::Uid, &Envelope)| envelope.class == Class::Join;
    let join = play.stage.lab.store.envelopes().find(offered).unwrap().2.clone();
    let op: SignedOp = wire::decode(&join.body).unwrap();
    let session = op.content().unwrap().body::<wire::Join>().unwrap().session;
    for session in [session, SessionId([1; 16])] {
        for sender in [MuaaId(666), MuaaId(1)] {
            let offer = forger.offer(play.id(newcomer), 1);
            play.file(play.inbox(newcomer), &Envelope { sender, ..offer });
            let abort = forger.abort(session, before);
            play.file(play.inbox(newcomer), &Envelope { sender, ..abort });
            play.stage.settle();
        }
    }
    assert_eq!(key(&play), before);
    play.stage.cut.clear();
    play.stage.advance(std::time::Duration::from_secs(300));
    assert!(play.stage.are_paired(&[member, newcomer]));
}

/// Wherever it is filed, an offer that was answered is over.
#[test]
fn an_offer_that_was_answered_and_is_filed_again_is_not_told_of() {
    for to in [true, false] {
        let (mut play, member, newcomer) = Play::member_and_newcomer();
        let to = play.stage.id(newcomer).filter(|_| to);
        play.stage.command(member, Command::Offer { to, form: Form::Code }).unwrap();
        play.stage.settle();
        let offer = play.stage.lab.store.envelopes().find(|(.., envelope)| envelope.class == Class::Offer);
        let offer = offer.unwrap().2.clone();
        let code = play.stage.lab.machines[member].shown.clone().unwrap().code;
        let wrong = sma_sim::person::other_code(&code);
        play.stage.cut.insert(member);
        let typed = Command::EnterCode { code: wrong.into(), from: None, key: None };
        play.stage.command(newcomer, typed).unwrap();
        play.stage.settle();
        let told = play.stage.told.len();
        for folder in [Folder::Announcements, play.inbox(newcomer)] {
            play.file(folder, &offer);
            play.stage.settle();
        }
        assert!(play.stage.lab.machines[newcomer].muaa.as_ref().unwrap().offers().is_empty());
        let seen = |(_, event): &(usize, Event)| matches!(event, Event::OfferSeen { .. });
        assert!(!play.stage.told[told..].iter().any(seen), "{to:?}");
        play.stage.cut.clear();
        play.stage.advance(DAY);
        assert!(play.stage.pair(member, newcomer));
        assert_eq!(play.stage.broken(), None);
    }
}

/// The numbers at which something could wrap. Whatever they are, a code answers the offer of the member that is named.
#[test]
fn odd_expiries_and_incarnations_of_a_strangers_offers_draw_no_code_to_it() {
    let odd = [0, 1, 999, 1000, 1001, 1 << 20, 1 << 63, u64::MAX];
    for (nth, number) in (0..).zip(odd) {
        let (mut play, member, newcomer) = Play::member_and_newcomer();
        let mut forger = Forger::announced(&mut play);
        for (incarnation, expires) in [(number, u64::MAX), (7, number), (number, number)] {
            let offer = forger.offer_with(play.id(newcomer), nth, incarnation, expires);
            play.file(play.inbox(newcomer), &offer);
        }
        play.stage.offer(member, newcomer).unwrap();
        play.stage.settle();
        assert_eq!(play.stage.type_code(member, newcomer), Ok(()), "{number}");
        play.stage.settle();
        assert!(play.stage.are_paired(&[member, newcomer]), "{number}");
        play.stage.advance(2 * DAY);
        assert_eq!(play.stage.broken(), None, "{number}");
    }
}
