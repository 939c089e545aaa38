//! What travels between two processes of one device: orders one way, answers and news the other. CBOR, each frame after its length.

use minicbor::{Decode, Encode};
use sma_autocrypt::{Address, Date, Fact, Known, Observed, Preference, Source};
use sma_core::{Command, Fingerprint, Form, Hash, MuaaId, Secret, SessionId, Timestamp};

use super::{Order, Told};
use crate::{failure::Failure, shown::Line};

/// The largest frame in octets: more than a mail and more than what happens between two looks.
pub(super) const FRAME_MAX: usize = 8 << 20;
/// Two processes that are not of one version have nothing to say to each other.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a connection begins with.
#[derive(Encode, Decode)]
pub(super) enum Opening {
    /// One order, which gets one answer.
    #[n(0)]
    Order(#[n(0)] String, #[n(1)] bool, #[n(2)] Wired),
    /// All that happens, until the connection is closed; looked for more often if a person waits.
    #[n(1)]
    Follow(#[n(0)] String, #[n(1)] bool),
}

/// What the host sends.
#[derive(Encode, Decode)]
pub(super) enum Reply {
    /// The order is done, or was not.
    #[n(0)]
    Done(#[n(0)] Vec<WiredTold>, #[n(1)] Option<WiredFailure>),
    /// Something happened.
    #[n(1)]
    News(#[n(0)] WiredTold),
    /// The host is another version of the program.
    #[n(2)]
    OtherVersion(#[n(0)] String),
}

#[derive(Encode, Decode)]
pub(super) struct WiredTold {
    #[n(0)]
    value: String,
    #[n(1)]
    lines: Vec<String>,
}

#[derive(Encode, Decode)]
pub(super) struct WiredFailure {
    #[n(0)]
    word: String,
    #[n(1)]
    exit: u8,
    #[n(2)]
    sentence: String,
}

impl From<&Told> for WiredTold {
    fn from(told: &Told) -> Self {
        let lines = told.lines.iter().map(|line| line.as_str().to_owned()).collect();
        Self { value: told.value.to_string(), lines }
    }
}

impl From<WiredTold> for Told {
    fn from(wired: WiredTold) -> Self {
        let value = serde_json::from_str(&wired.value).unwrap_or_default();
        Self { value, lines: wired.lines.iter().map(|line| Line::text(line)).collect() }
    }
}

impl From<&Failure> for WiredFailure {
    fn from(failure: &Failure) -> Self {
        Self {
            word: failure.word().to_owned(),
            exit: failure.code(),
            sentence: failure.sentence().to_owned(),
        }
    }
}

impl From<WiredFailure> for Failure {
    fn from(wired: WiredFailure) -> Self {
        Self::Known { word: wired.word.into(), exit: wired.exit, sentence: wired.sentence }
    }
}

/// A key of a peer.
#[derive(Encode, Decode)]
pub(super) struct WiredFact {
    #[n(0)]
    addr: String,
    #[n(1)]
    gossip: bool,
    #[n(2)]
    date: u64,
    #[n(3)]
    key: Secret,
    #[n(4)]
    mutual: bool,
    #[cbor(n(5), with = "minicbor::bytes")]
    message: [u8; 32],
}

/// An [`Order`]. Each variant is the command of its name.
#[derive(Encode, Decode)]
#[rustfmt::skip]
pub(super) enum Wired {
    #[n(0)] Look(#[n(0)] u64),
    #[n(1)] Poll,
    #[n(2)] Offer(#[n(0)] Option<MuaaId>, #[n(1)] Form),
    #[n(3)] CancelOffer(#[n(0)] SessionId),
    #[n(4)] EnterCode(#[n(0)] Secret, #[n(1)] Option<MuaaId>, #[n(2)] Option<Fingerprint>),
    #[n(5)] ConfirmJoin,
    #[n(6)] DeclineJoin,
    #[n(7)] Veto(#[n(0)] Hash),
    #[n(8)] Acknowledge(#[n(0)] MuaaId),
    #[n(9)] Replace(#[n(0)] Option<MuaaId>),
    #[n(10)] Reject(#[n(0)] MuaaId),
    #[n(11)] StartApart,
    #[n(12)] AdoptKey(#[n(0)] Secret),
    #[n(13)] DestroyKey(#[n(0)] Fingerprint),
    #[n(14)] RestoreKey(#[n(0)] Fingerprint),
    #[n(15)] Remove(#[n(0)] MuaaId),
    #[n(16)] Leave,
    #[n(17)] Rename(#[n(0)] String),
    #[n(18)] SetPreferEncrypt(#[n(0)] bool),
    #[n(19)] Return,
    #[n(20)] Observe(#[n(0)] String, #[n(1)] u64, #[n(2)] Option<WiredFact>),
    #[n(21)] Gossip(#[n(0)] Vec<WiredFact>),
    #[n(22)] Wrote(#[n(0)] Vec<String>, #[n(1)] Timestamp),
    #[n(23)] DeletePeer(#[n(0)] String, #[n(1)] Timestamp),
}

impl From<&Fact> for WiredFact {
    fn from(fact: &Fact) -> Self {
        let Known { date, key, preference, message, reporter: _ } = &fact.entry;
        Self {
            addr: fact.addr.as_str().to_owned(),
            gossip: fact.source == Source::Gossip,
            date: date.0,
            key: Secret::new(key.to_vec()),
            mutual: *preference == Preference::Mutual,
            message: *message,
        }
    }
}

/// `None` for an address that is none.
fn fact(wired: WiredFact) -> Option<Fact> {
    let preference = if wired.mutual { Preference::Mutual } else { Preference::NoPreference };
    let source = if wired.gossip { Source::Gossip } else { Source::Header };
    let key = wired.key.expose().to_vec().into();
    // The core puts this device's number in.
    let entry = Known { date: Date(wired.date), key, preference, message: wired.message, reporter: 0 };
    Some(Fact { addr: Address::parse(&wired.addr)?, source, entry })
}

impl Opening {
    pub(super) fn ordering(order: &Order) -> Self {
        let version = VERSION.to_owned();
        match order {
            Order::Look { limit } => Self::Order(version, true, Wired::Look(*limit)),
            Order::Do { command, looks } => Self::Order(version, *looks, Wired::from(command)),
        }
    }
}

impl From<&Command> for Wired {
    fn from(command: &Command) -> Self {
        match command.clone() {
            Command::Poll => Self::Poll,
            Command::Offer { to, form } => Self::Offer(to, form),
            Command::CancelOffer { session } => Self::CancelOffer(session),
            Command::EnterCode { code, from, key } => Self::EnterCode(code, from, key),
            Command::ConfirmJoin => Self::ConfirmJoin,
            Command::DeclineJoin => Self::DeclineJoin,
            Command::Veto { merge } => Self::Veto(merge),
            Command::Acknowledge { id } => Self::Acknowledge(id),
            Command::Replace { id } => Self::Replace(id),
            Command::Reject { id } => Self::Reject(id),
            Command::StartApart => Self::StartApart,
            Command::AdoptKey { secret } => Self::AdoptKey(secret),
            Command::DestroyKey { fingerprint } => Self::DestroyKey(fingerprint),
            Command::RestoreKey { fingerprint } => Self::RestoreKey(fingerprint),
            Command::Remove { id } => Self::Remove(id),
            Command::Leave => Self::Leave,
            Command::Rename { name } => Self::Rename(name),
            Command::SetPreferEncrypt { mutual } => Self::SetPreferEncrypt(mutual),
            Command::Return => Self::Return,
            Command::Observe { mail } => {
                let Observed { from, date, fact } = mail;
                Self::Observe(from.as_str().to_owned(), date.0, fact.as_ref().map(WiredFact::from))
            }
            Command::Gossip { facts } => Self::Gossip(facts.iter().map(WiredFact::from).collect()),
            Command::Wrote { addresses, date } => {
                Self::Wrote(addresses.iter().map(|address| address.as_str().to_owned()).collect(), date)
            }
            Command::DeletePeer { address, date } => Self::DeletePeer(address, date),
        }
    }
}

impl Wired {
    /// `None` if it is no order that a command of this program gives.
    pub(super) fn order(self, looks: bool) -> Option<Order> {
        if let Self::Look(limit) = self {
            return Some(Order::Look { limit });
        }
        Some(Order::Do { command: self.command()?, looks })
    }

    fn command(self) -> Option<Command> {
        Some(match self {
            Self::Look(_) => return None,
            Self::Poll => Command::Poll,
            Self::Offer(to, form) => Command::Offer { to, form },
            Self::CancelOffer(session) => Command::CancelOffer { session },
            Self::EnterCode(code, from, key) => Command::EnterCode { code, from, key },
            Self::ConfirmJoin => Command::ConfirmJoin,
            Self::DeclineJoin => Command::DeclineJoin,
            Self::Veto(merge) => Command::Veto { merge },
            Self::Acknowledge(id) => Command::Acknowledge { id },
            Self::Replace(id) => Command::Replace { id },
            Self::Reject(id) => Command::Reject { id },
            Self::StartApart => Command::StartApart,
            Self::AdoptKey(secret) => Command::AdoptKey { secret },
            Self::DestroyKey(fingerprint) => Command::DestroyKey { fingerprint },
            Self::RestoreKey(fingerprint) => Command::RestoreKey { fingerprint },
            Self::Remove(id) => Command::Remove { id },
            Self::Leave => Command::Leave,
            Self::Rename(name) => Command::Rename { name },
            Self::SetPreferEncrypt(mutual) => Command::SetPreferEncrypt { mutual },
            Self::Return => Command::Return,
            Self::Observe(from, date, known) => {
                let known = known.map_or(Some(None), |known| fact(known).map(Some))?;
                let from = Address::parse(&from)?;
                Command::Observe { mail: Observed { from, date: Date(date), fact: known } }
            }
            Self::Gossip(facts) => {
                Command::Gossip { facts: facts.into_iter().map(fact).collect::<Option<_>>()? }
            }
            Self::Wrote(addresses, date) => {
                let addresses =
                    addresses.iter().map(|address| Address::parse(address)).collect::<Option<_>>()?;
                Command::Wrote { addresses, date }
            }
            Self::DeletePeer(address, date) => Command::DeletePeer { address, date },
        })
    }
}

/// A frame's octets, which may hold a secret and are wiped.
pub(super) fn written(value: &impl Encode<()>) -> Secret {
    // Its length first, so that nothing of it is left behind where the octets grew.
    let mut counted = Counted(0);
    let _ = minicbor::encode(value, &mut counted);
    let mut octets = Vec::with_capacity(counted.0 + 4);
    octets.extend_from_slice(&u32::try_from(counted.0).unwrap_or(u32::MAX).to_be_bytes());
    // Writing to memory cannot fail: its error type has no value.
    let _ = minicbor::encode(value, &mut octets);
    Secret::new(octets)
}

/// Counts what is written.
struct Counted(usize);

impl minicbor::encode::Write for Counted {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, octets: &[u8]) -> Result<(), Self::Error> {
        self.0 += octets.len();
        Ok(())
    }
}

/// What a frame's octets say; `None` if that is nothing of ours.
pub(super) fn read<'a, T: Decode<'a, ()>>(octets: &'a [u8]) -> Option<T> {
    let mut decoder = minicbor::Decoder::new(octets);
    let value = decoder.decode().ok()?;
    (decoder.position() == octets.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn commands() -> Vec<Command> {
        let (id, fingerprint) = (MuaaId(u64::MAX), Fingerprint::new(&[0xa7; 32]).unwrap());
        let address = Address::parse("anna@example.org").unwrap();
        let entry = Known {
            date: Date(7),
            key: vec![1, 2].into(),
            preference: Preference::Mutual,
            message: [9; 32],
            reporter: 0,
        };
        let fact = |source| Fact { addr: address.clone(), source, entry: entry.clone() };
        let secret = || Secret::new(vec![3; 9]);
        vec![
            Command::Poll,
            Command::Offer { to: Some(id), form: Form::Link },
            Command::CancelOffer { session: SessionId([1; 16]) },
            Command::EnterCode { code: secret(), from: Some(id), key: Some(fingerprint) },
            Command::ConfirmJoin,
            Command::DeclineJoin,
            Command::Veto { merge: Hash([2; 32]) },
            Command::Acknowledge { id },
            Command::Replace { id: None },
            Command::Reject { id },
            Command::StartApart,
            Command::AdoptKey { secret: secret() },
            Command::DestroyKey { fingerprint },
            Command::RestoreKey { fingerprint },
            Command::Remove { id },
            Command::Leave,
            Command::Rename { name: "Annas Händy".into() },
            Command::SetPreferEncrypt { mutual: true },
            Command::Return,
            Command::Observe {
                mail: Observed { from: address.clone(), date: Date(7), fact: Some(fact(Source::Header)) },
            },
            Command::Observe { mail: Observed { from: address.clone(), date: Date(7), fact: None } },
            Command::Gossip { facts: vec![fact(Source::Gossip), fact(Source::Header)] },
            Command::Wrote { addresses: [address].into(), date: Timestamp(70) },
            Command::DeletePeer { address: "b@example.org".into(), date: Timestamp(70) },
        ]
    }

    #[test]
    fn every_order_arrives_as_it_was_given() {
        let orders =
            commands().into_iter().map(|command| Order::Do { looks: command == Command::Leave, command });
        for order in orders.chain([Order::Look { limit: 7 }]) {
            let octets = written(&Opening::ordering(&order));
            let Some(Opening::Order(_, looks, wired)) = read(&octets.expose()[4..]) else {
                panic!("{order:?}")
            };
            assert_eq!(wired.order(looks), Some(order));
        }
    }

    #[test]
    fn what_happened_and_what_failed_arrive_as_they_were_said() {
        let told = Told { value: json!({ "event": "online" }), lines: vec![Line::text("one\u{1b}")] };
        let failure = Failure::NeedsPerson("look".to_owned());
        let octets = written(&Reply::Done(vec![(&told).into()], Some((&failure).into())));
        let Some(Reply::Done(mut events, Some(failed))) = read(&octets.expose()[4..]) else {
            panic!("no reply")
        };
        assert_eq!(events.pop().map(Told::from), Some(told));
        let failed = Failure::from(failed);
        assert_eq!((failed.word(), failed.code(), failed.sentence()), ("needs-person", 3, "look"));
    }

    #[test]
    fn no_octets_panic() {
        let octets = written(&Opening::ordering(&Order::Do { command: commands()[3].clone(), looks: true }));
        for at in 4..octets.expose().len() {
            for octet in 0..=255 {
                let mut wrong = octets.expose()[4..].to_vec();
                wrong[at - 4] = octet;
                let _: Option<Opening> = read(&wrong);
            }
            assert!(read::<Opening>(&octets.expose()[4..at]).is_none());
        }
    }
}
