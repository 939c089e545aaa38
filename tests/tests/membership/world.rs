//! Devices that sign whatever they are told to, honest or not.

use std::{collections::BTreeSet, sync::OnceLock};

use sma_core::{
    Crypto, DeviceKey, Fingerprint, Gone, Hash, MuaaId, Timestamp,
    state::{Destruction, Introduction, KeyNotice, Log, Membership, Removal},
    wire::{self, Kind, Seen, SignedOp},
};
use sma_sim::symbolic::{Symbolic, device_key_of};

pub(crate) const CRYPTO: Symbolic = Symbolic;
/// How many operations a log of these tests may have.
pub(crate) const MAX: usize = 1000;
/// How many devices there are.
pub(crate) const DEVICES: usize = 8;

/// The device with this number.
pub(crate) fn device(number: usize) -> &'static DeviceKey {
    static KEYS: OnceLock<Vec<DeviceKey>> = OnceLock::new();
    let make = |number| device_key_of(MuaaId(10 + u64::from(number)), &[number; 32]).unwrap();
    &KEYS.get_or_init(|| (0..DEVICES as u8).map(make).collect())[number]
}

pub(crate) fn key(number: usize) -> Fingerprint {
    device(number).fingerprint
}

pub(crate) fn id(number: usize) -> MuaaId {
    MuaaId::of(&key(number))
}

pub(crate) fn number_of(key: &Fingerprint) -> usize {
    (0..DEVICES).find(|number| device(*number).fingerprint == *key).unwrap()
}

/// What a device can say in a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Act {
    Genesis,
    Add(usize),
    /// Leaves standing what the target said up to this number, as far as its author knows.
    Remove(usize, u64),
    /// The same, because the target is silent.
    Expire(usize, u64),
    Leave,
    Alive,
    Move(usize),
    /// Names the account key with this number and epoch, made at this time.
    Key(u8, u64, u64),
    /// Destroys the account key with this number.
    Destroy(u8),
    /// Of a kind of a later version, with this number.
    Unknown(u16),
}

pub(crate) fn account_key(number: u8) -> Fingerprint {
    Fingerprint::new(&[number; 20]).unwrap()
}

fn introduction(number: usize) -> Introduction {
    Introduction { certificate: device(number).certificate.clone(), incarnation: 1, via: None }
}

impl Act {
    /// What it leaves standing, of what its author knows: of its target the last operation up to its number.
    pub(crate) fn cut(self, log: &Log) -> BTreeSet<Hash> {
        let (Self::Remove(target, upto) | Self::Expire(target, upto)) = self else { return BTreeSet::new() };
        let own = log.entries().filter(|(_, entry)| entry.key == key(target) && entry.sequence <= upto);
        own.max_by_key(|(hash, entry)| (entry.sequence, **hash)).map(|(hash, _)| *hash).into_iter().collect()
    }

    fn encoded(self, author: usize, cut: &BTreeSet<Hash>) -> (Kind, Vec<u8>) {
        let introduce = |target| wire::encode(&introduction(target));
        match self {
            Self::Genesis => (Kind::Genesis, introduce(author)),
            Self::Add(target) => (Kind::Add, introduce(target)),
            Self::Remove(target, _) | Self::Expire(target, _) => {
                let silent = matches!(self, Self::Expire(..));
                (Kind::Remove, wire::encode(&Removal { target: key(target), cut: cut.clone(), silent }))
            }
            Self::Leave => (Kind::Leave, vec![0xa0]),
            Self::Alive => (Kind::Alive, vec![0xa0]),
            Self::Move(target) => (Kind::Move, introduce(target)),
            Self::Key(number, epoch, created) => {
                let created = Timestamp(created);
                let version = Hash([number; 32]);
                let fingerprint = account_key(number);
                let notice = KeyNotice { fingerprint, epoch, created, generation: 0, version };
                (Kind::AccountKey, wire::encode(&notice))
            }
            Self::Destroy(number) => {
                (Kind::Destroy, wire::encode(&Destruction { fingerprint: account_key(number) }))
            }
            Self::Unknown(number) => (Kind::Unknown(number), Vec::new()),
        }
    }
}

/// Everything that a signature of a log operation covers, beside its author and what it says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    pub(crate) group: Option<Hash>,
    pub(crate) sequence: u64,
    pub(crate) previous: Option<Hash>,
    pub(crate) seen: Option<Seen>,
    /// What a removal leaves standing.
    pub(crate) cut: BTreeSet<Hash>,
}

pub(crate) fn sign(author: usize, act: Act, place: Place) -> SignedOp {
    let (kind, body) = act.encoded(author, &place.cut);
    let content = wire::Content {
        group: place.group,
        key: key(author),
        incarnation: 1,
        sequence: place.sequence,
        previous: place.previous,
        seen: place.seen,
        time: 1,
        kind: kind.number(),
        body: body.into(),
    };
    let octets = wire::encode(&content);
    let signature =
        CRYPTO.sign(&device(author).secret, "autocrypt-sma-op-v1", &octets, &[1; 32], Timestamp(0)).unwrap();
    SignedOp { content: octets.into(), signature }
}

/// The genesis of device 0, its operation 1.
pub(crate) fn genesis() -> SignedOp {
    sign(0, Act::Genesis, Place { sequence: 1, ..Place::default() })
}

pub(crate) fn members(view: &Membership) -> BTreeSet<usize> {
    view.members.keys().map(number_of).collect()
}

pub(crate) fn ended(view: &Membership, number: usize) -> Option<Gone> {
    view.ended.get(&key(number)).map(|(_, how)| *how)
}

/// A log in the making, by devices that see all of it unless said otherwise.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) ops: Vec<SignedOp>,
}

impl Story {
    /// Device 0 founds the group.
    pub(crate) fn new() -> Self {
        Self { ops: vec![genesis()] }
    }

    /// Device 0 founds the group, and lets in the devices 1 to `last`.
    pub(crate) fn of(last: usize) -> Self {
        let mut story = Self::new();
        for number in 1..=last {
            story.say(0, Act::Add(number));
        }
        story
    }

    pub(crate) fn log(&self) -> Log {
        log_of(&self.ops)
    }

    pub(crate) fn view(&self) -> Membership {
        Membership::of(&self.log())
    }

    pub(crate) fn members(&self) -> BTreeSet<usize> {
        members(&self.view())
    }

    /// The last sequence of a device.
    pub(crate) fn last(&self, author: usize) -> u64 {
        let contents = self.ops.iter().filter_map(SignedOp::content);
        contents
            .filter(|content| content.key == key(author))
            .map(|content| content.sequence)
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn say(&mut self, author: usize, act: Act) -> &mut Self {
        self.say_as(author, act, self.last(author) + 1)
    }

    pub(crate) fn say_as(&mut self, author: usize, act: Act, sequence: u64) -> &mut Self {
        let log = self.log();
        let heads = log.heads();
        let cut = act.cut(&log);
        let place = Place {
            group: Some(self.ops[0].hash(&CRYPTO)),
            sequence,
            previous: heads.get(&key(author)).map(|(_, hash)| *hash),
            seen: Some(log.seen(None)),
            cut,
        };
        self.ops.push(sign(author, act, place));
        self
    }

    /// Removes with the cut at all that the target has said.
    pub(crate) fn remove(&mut self, author: usize, target: usize) -> &mut Self {
        let cut = self.last(target);
        self.say(author, Act::Remove(target, cut))
    }

    /// What each of these says without having seen what the others say here.
    pub(crate) fn at_once(&mut self, sayings: &[(usize, Act)]) -> &mut Self {
        let before = self.clone();
        for (author, act) in sayings {
            let mut own = before.clone();
            own.say(*author, *act);
            self.ops.extend(own.ops.pop());
        }
        self
    }
}

/// The log of these, the genesis first.
pub(crate) fn log_of(ops: &[SignedOp]) -> Log {
    Log::from_ops(&CRYPTO, ops[0].hash(&CRYPTO), ops, MAX).unwrap()
}
