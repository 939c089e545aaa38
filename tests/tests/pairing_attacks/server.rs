//! A hostile server: it reads, takes away, rewrites and puts back messages, and signs with a device key of its own. It holds
//! no key and no code of the account's devices.

use std::{collections::BTreeSet, sync::Arc};

use sma_core::{
    Class, Command, Crypto, DeviceKey, Envelope, Event, Folder, Form, MuaaId, PakeRun, Secret, SessionId,
    Side, Timestamp, Token,
    wire::{self, Kind, SignedOp},
};
use sma_sim::{
    stage::Stage,
    store::{Kept, Mailbox},
    symbolic::{Symbolic, device_key_of},
};

pub(crate) const CRYPTO: Symbolic = Symbolic;
/// The id under which the stranger announces itself.
pub(crate) const STRANGER: MuaaId = MuaaId(99);
const SEED: [u8; 32] = [0x5e; 32];

/// A device that nobody paired, in the server's hand.
#[derive(Clone)]
pub(crate) struct Stranger {
    pub(crate) key: DeviceKey,
    tokens: u64,
}

impl Stranger {
    pub(crate) fn new() -> Self {
        Self { key: device_key_of(STRANGER, &[0xee; 32]).unwrap(), tokens: 0 }
    }

    /// With luck that nobody has it finds a key that gives the id of another one.
    pub(crate) fn take_id(&mut self, id: MuaaId) {
        self.key = device_key_of(id, &SEED).unwrap();
    }

    /// Signs a content as its own.
    pub(crate) fn envelope(&mut self, class: Class, content: wire::Content) -> Envelope {
        self.envelope_of(MuaaId::of(&self.key.fingerprint), class, content)
    }

    /// The same in a mail that says to be of somebody else.
    pub(crate) fn envelope_of(
        &mut self,
        sender: MuaaId,
        class: Class,
        mut content: wire::Content,
    ) -> Envelope {
        content.key = self.key.fingerprint;
        let octets = wire::encode(&content);
        let signature = CRYPTO
            .sign(&self.key.secret, "autocrypt-sma-op-v1", &octets, &SEED, Timestamp(0))
            .expect("the own key signs");
        let body = wire::encode(&SignedOp { content: octets.into(), signature });
        Envelope { sender, token: self.token(), class, date: Timestamp(0), body: body.into() }
    }

    pub(crate) fn token(&mut self) -> Token {
        self.tokens += 1;
        let mut token = [0xee; 16];
        token[8..].copy_from_slice(&self.tokens.to_be_bytes());
        Token(token)
    }

    /// A content of its own.
    pub(crate) fn content(&self, kind: Kind, body: Vec<u8>) -> wire::Content {
        wire::Content {
            group: None,
            key: self.key.fingerprint,
            incarnation: 7,
            sequence: 1 + self.tokens,
            previous: None,
            seen: None,
            time: 1,
            kind: kind.number(),
            body: body.into(),
        }
    }

    pub(crate) fn announce(&mut self, stage: &mut Stage) {
        self.announce_as(stage, STRANGER);
    }

    /// Under the id of somebody else.
    pub(crate) fn announce_as(&mut self, stage: &mut Stage, author: MuaaId) {
        let announcement = wire::Announcement {
            certificate: self.key.certificate.clone(),
            capabilities: 0,
            digest: None,
            moves: None,
        };
        let content = self.content(Kind::Announcement, wire::encode(&announcement));
        let envelope = self.envelope_of(author, Class::Announcement, content);
        deliver(stage, Folder::Announcements, envelope);
        stage.settle();
    }

    /// Has the member make an offer to the newcomer, and answers it in its place with the code that is shown.
    pub(crate) fn guess_right(&mut self, stage: &mut Stage, member: usize, newcomer: usize) -> Envelope {
        stage.offer(member, newcomer).unwrap();
        alone(stage, member);
        let offer = take(stage, newcomer, Class::Offer);
        let code = stage.lab.machines[member].shown.clone().unwrap().code;
        let id = stage.id(newcomer).unwrap();
        self.guess(&offer, &code, id, 5)
    }

    /// The join that answers an offer with this code, under the newcomer's id and incarnation.
    pub(crate) fn guess(
        &mut self,
        offer: &Envelope,
        code: &str,
        newcomer: MuaaId,
        incarnation: u64,
    ) -> Envelope {
        self.guess_in_place_of(offer, code, newcomer, incarnation, None)
    }

    /// The same with a device whose place the newcomer wants to take.
    pub(crate) fn guess_in_place_of(
        &mut self,
        offer: &Envelope,
        code: &str,
        newcomer: MuaaId,
        incarnation: u64,
        replaces: Option<wire::Replaced>,
    ) -> Envelope {
        if newcomer != STRANGER {
            self.take_id(newcomer);
        }
        let said = content_of(offer);
        let offered: wire::Offer = said.body().unwrap();
        let digits: Vec<u8> = code.bytes().filter(u8::is_ascii_digit).take(8).collect();
        let password = Secret::new(digits);
        let run =
            PakeRun { side: Side::Newcomer, password: &password, session: offered.session, seed: &SEED };
        let share = CRYPTO.pake_share(run);
        let shared = CRYPTO.pake_finish(run, &offered.share).unwrap();
        let number = |number: u64| number.to_be_bytes();
        let transcript = CRYPTO.hash(
            "autocrypt-sma-pair-v1",
            &[
                b"anna@example.org",
                said.group.unwrap().as_bytes(),
                offered.session.as_bytes(),
                said.key.as_bytes(),
                &number(said.author().0),
                &number(said.incarnation),
                self.key.fingerprint.as_bytes(),
                &number(newcomer.0),
                &number(incarnation),
                &offered.share,
                &share,
                &number(offered.expires.0),
                replaces.as_ref().map_or(&[], |replaced| replaced.fingerprint.as_bytes()),
                replaces.map(|replaced| number(replaced.id.0)).as_ref().map_or(&[], |id| id),
            ],
        );
        let keys = CRYPTO.session_keys(&shared, &transcript);
        let join = wire::Join {
            session: offered.session,
            share,
            certificate: self.key.certificate.clone(),
            mac: sma_core::Hash(CRYPTO.mac(&keys.newcomer, transcript.as_bytes())),
            replaces,
        };
        let mut content = self.content(Kind::Join, wire::encode(&join));
        content.incarnation = incarnation;
        self.envelope(Class::Join, content)
    }

    /// A share of its own.
    pub(crate) fn share(&self, side: Side, session: SessionId) -> bytes::Bytes {
        CRYPTO.pake_share(PakeRun {
            side,
            password: &Secret::new(b"00000000".to_vec()),
            session,
            seed: &SEED,
        })
    }
}

/// Two devices that know of one another and are not paired.
pub(crate) fn two() -> (Stage, usize, usize) {
    let mut stage = Stage::new();
    let member = stage.add(1);
    stage.settle();
    let newcomer = stage.add(27);
    stage.settle();
    (stage, member, newcomer)
}

/// The same, with a server that keeps the member's announcement from the newcomer: any key may claim its id there.
pub(crate) fn two_unseen() -> (Stage, usize, usize, impl FnOnce(&mut Stage)) {
    let mut stage = Stage::new();
    let member = stage.add(1);
    stage.settle();
    let (uid, kept) = mailbox(&mut stage, Folder::Announcements).messages.pop_last().unwrap();
    let newcomer = stage.add(27);
    stage.settle();
    let show = move |stage: &mut Stage| {
        mailbox(stage, Folder::Announcements).messages.insert(uid, kept);
    };
    (stage, member, newcomer, show)
}

pub(crate) fn inbox(stage: &Stage, at: usize) -> Folder {
    Folder::Inbox(stage.id(at).unwrap())
}

pub(crate) fn content_of(envelope: &Envelope) -> wire::Content {
    wire::decode::<SignedOp>(&envelope.body).unwrap().content().unwrap()
}

pub(crate) fn mailbox(stage: &mut Stage, folder: Folder) -> &mut Mailbox {
    Arc::make_mut(stage.lab.store.folders.get_mut(&folder).unwrap())
}

/// Takes the last message of a class out of a device's inbox.
pub(crate) fn take(stage: &mut Stage, at: usize, class: Class) -> Envelope {
    let folder = inbox(stage, at);
    let mailbox = mailbox(stage, folder);
    let is = |kept: &Kept| matches!(kept, Kept::Envelope(envelope) if envelope.class == class);
    let uid = mailbox.messages.iter().rev().find(|(_, stored)| is(&stored.kept)).map(|(uid, _)| *uid);
    let uid = uid.unwrap_or_else(|| panic!("no {} in {}", class.name(), folder.name()));
    match mailbox.messages.remove(&uid).unwrap().kept {
        Kept::Envelope(envelope) => envelope,
        Kept::Foreign(_) | Kept::Huge(_) => unreachable!(),
    }
}

/// Puts a message into a folder and tells every device.
pub(crate) fn deliver(stage: &mut Stage, folder: Folder, envelope: Envelope) {
    stage.lab.store.put(folder, Kept::Envelope(envelope), true, stage.lab.now).unwrap();
    (0..stage.lab.machines.len()).for_each(|at| stage.lab.notice(at, folder));
}

/// Puts a message into a device's inbox.
pub(crate) fn send(stage: &mut Stage, at: usize, envelope: Envelope) {
    deliver(stage, inbox(stage, at), envelope);
}

/// Lets one device do what it has to do, while the others hear of nothing.
pub(crate) fn alone(stage: &mut Stage, at: usize) {
    for _ in 0..1000 {
        if !stage.turn_of(at) {
            return;
        }
    }
    panic!("device {at} does not come to rest");
}

/// The member shows a code for the newcomer, and the offer has arrived.
pub(crate) fn offered(stage: &mut Stage, member: usize, newcomer: usize) {
    stage.offer(member, newcomer).unwrap();
    stage.settle();
}

/// The code is typed; the join lies in the member's inbox and the server has it in its hand.
pub(crate) fn join_taken(stage: &mut Stage, member: usize, newcomer: usize) -> Envelope {
    stage.type_code(member, newcomer).unwrap();
    alone(stage, newcomer);
    take(stage, member, Class::Join)
}

pub(crate) fn shown(stage: &Stage, member: usize) -> SessionId {
    stage.lab.machines[member].shown.as_ref().unwrap().session
}

/// The sessions whose code was burnt, each at most once.
pub(crate) fn burnt(stage: &Stage) -> BTreeSet<SessionId> {
    let mut burnt = BTreeSet::new();
    for (_, event) in &stage.told {
        if let Event::CodeBurnt { session } = event {
            assert!(burnt.insert(*session), "more than one guess was spent on a code");
        }
    }
    burnt
}

pub(crate) fn members(stage: &Stage, at: usize) -> Vec<MuaaId> {
    stage.lab.machines[at].muaa.as_ref().unwrap().members()
}

/// Nobody got in, and nothing was told of a pairing.
pub(crate) fn nobody_is_in(stage: &Stage, member: usize, newcomer: usize) {
    assert_eq!(stage.lab.violation, None);
    assert_eq!(members(stage, member), [stage.id(member).unwrap()]);
    assert!(!stage.are_paired(&[member, newcomer]));
    let joined = |event: &Event| matches!(event, Event::Joined { .. } | Event::MemberAdded { .. });
    assert!(!stage.told.iter().any(|(_, event)| joined(event)));
}

/// The honest pair gets together with a new code, where all is well a day later.
pub(crate) fn still_pairs(stage: &mut Stage, member: usize, newcomer: usize) {
    for _ in 0..3 {
        stage.settle();
        if stage.are_paired(&[member, newcomer]) {
            break;
        }
        // A person lets the programs look again; of several offers of one member the latest counts.
        for at in [member, newcomer] {
            stage.command(at, Command::Poll).unwrap();
        }
        stage.advance(std::time::Duration::from_secs(60));
        if stage.offer(member, newcomer).is_err() {
            stage.command(member, Command::Offer { to: None, form: Form::Code }).unwrap();
        }
        stage.settle();
        // A device that has not seen the offer says so, and the person tries again.
        let _ = stage.type_code(member, newcomer);
    }
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
    let mut both = [stage.id(member).unwrap(), stage.id(newcomer).unwrap()];
    both.sort_unstable();
    assert_eq!(members(stage, member), both);
    assert_eq!(members(stage, newcomer), both);
    assert_eq!(stage.lab.violation, None, "{:#?}", stage.lab.trace.take());
}

/// All invariants a day later.
pub(crate) fn holds(stage: &mut Stage) {
    stage.advance(std::time::Duration::from_secs(86_400));
    assert_eq!(stage.broken(), None, "{:#?}", stage.lab.trace.take());
}
