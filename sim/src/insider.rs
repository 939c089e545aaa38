//! What a device could say that runs another version of the program, or none: its keys are read from its saved state, or made up.

use std::collections::BTreeMap;

use bytes::Bytes;
use minicbor::Decoder;
use sma_core::{
    Class, Crypto, DeviceKey, Envelope, Fingerprint, Hash, MuaaId, Secret, Timestamp, Token,
    state::{Introduction, Log, Register},
    wire::{self, KeyMaterial, SignedOp, Update},
};

use crate::{
    lab::Machine,
    symbolic::{Symbolic, device_key_of},
};

const CRYPTO: Symbolic = Symbolic;

/// A member of a group, as its saved state has it.
#[derive(Clone, Debug)]
pub struct Insider {
    secret: Secret,
    /// Its device certificate.
    pub certificate: Bytes,
    key: Fingerprint,
    incarnation: u64,
    /// The number of what it signed last.
    pub sequence: u64,
    /// Up to where it says to have taken in what others told it.
    pub received: u64,
    log: Log,
}

/// What it says in an update.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Operations, as [`Insider::op`] signs them.
    pub ops: Vec<SignedOp>,
    /// Secret keys of the account.
    pub keys: Vec<Secret>,
    /// Settings by name.
    pub settings: BTreeMap<String, Register>,
    /// What it tells of peers, in the octets of `sma-autocrypt`.
    pub peers: Option<Bytes>,
}

impl Insider {
    /// The device that runs, or ran, on this machine. `None` if it has saved nothing or is in no group.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Self> {
        let saved = machine.durable.as_ref()?.encode();
        Self::read(saved.expose()).ok().flatten()
    }

    fn read(saved: &[u8]) -> Result<Option<Self>, minicbor::decode::Error> {
        let mut d = Decoder::new(saved);
        d.array()?;
        d.u32()?;
        let fields = d.map()?.unwrap_or_default();
        let (mut device, mut incarnation, mut sequence, mut log) = (None, 0, 0, None);
        for _ in 0..fields {
            match d.u32()? {
                5 => {
                    d.array()?;
                    let secret: Secret = d.decode()?;
                    device = Some((secret, Bytes::copy_from_slice(d.bytes()?), d.decode()?));
                }
                6 => incarnation = d.u64()?,
                7 => sequence = d.u64()?,
                11 if d.datatype()? == minicbor::data::Type::Map => {
                    for _ in 0..d.map()?.unwrap_or_default() {
                        if d.u32()? == 0 { log = Some(d.decode()?) } else { d.skip()? }
                    }
                }
                _ => d.skip()?,
            }
        }
        Ok(device.zip(log).map(|((secret, certificate, key), log)| Self {
            secret,
            certificate,
            key,
            incarnation,
            sequence,
            received: 0,
            log,
        }))
    }

    /// A device that nobody paired, alone in a group of its own.
    #[must_use]
    pub fn made_up(id: MuaaId, seed: &[u8; 32]) -> Option<Self> {
        let device = device_key_of(id, seed).ok()?;
        let introduction =
            Introduction { certificate: device.certificate.clone(), incarnation: 1, via: None };
        let content = wire::Content {
            group: None,
            key: device.fingerprint,
            incarnation: 1,
            sequence: 1,
            previous: None,
            seen: None,
            time: 1,
            kind: wire::Kind::Genesis.number(),
            body: wire::encode(&introduction).into(),
        };
        let content = wire::encode(&content);
        let signature =
            CRYPTO.sign(&device.secret, "autocrypt-sma-op-v1", &content, &[1; 32], Timestamp(0)).ok()?;
        let log = Log::found(&CRYPTO, &SignedOp { content: content.into(), signature })?;
        let DeviceKey { secret, certificate, fingerprint } = device;
        Some(Self { secret, certificate, key: fingerprint, incarnation: 1, sequence: 1, received: 0, log })
    }

    /// Speaks as another device from here on, as far as it can without that one's secret key.
    #[must_use]
    pub fn posing_as(self, other: &Self) -> Self {
        Self { secret: self.secret, ..other.clone() }
    }

    /// The logs of the groups that the device on this machine was in before.
    #[must_use]
    pub fn former_logs(machine: &Machine) -> Vec<Log> {
        let Some(saved) = machine.durable.as_ref().map(|saved| saved.encode()) else { return Vec::new() };
        Self::read_formers(saved.expose()).unwrap_or_default()
    }

    fn read_formers(saved: &[u8]) -> Result<Vec<Log>, minicbor::decode::Error> {
        let mut d = Decoder::new(saved);
        d.array()?;
        d.u32()?;
        let fields = d.map()?.unwrap_or_default();
        let mut logs = Vec::new();
        for _ in 0..fields {
            if d.u32()? != 25 {
                d.skip()?;
                continue;
            }
            for _ in 0..d.map()?.unwrap_or_default() {
                d.skip()?;
                for _ in 0..d.map()?.unwrap_or_default() {
                    if d.u32()? == 0 { logs.push(d.decode()?) } else { d.skip()? }
                }
            }
        }
        Ok(logs)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> MuaaId {
        MuaaId::of(&self.key)
    }

    /// Signs an operation of its group's log.
    pub fn op(&mut self, kind: u16, body: Vec<u8>) -> SignedOp {
        let heads = self.log.heads();
        let previous = heads.get(&self.key).map(|(_, hash)| *hash);
        let op = self.sign(kind, body, previous, Some(self.log.seen(previous)));
        self.log.join(&CRYPTO, std::slice::from_ref(&op), usize::MAX);
        op
    }

    fn sign(
        &mut self,
        kind: u16,
        body: Vec<u8>,
        previous: Option<Hash>,
        seen: Option<wire::Seen>,
    ) -> SignedOp {
        self.sign_in(None, kind, body, previous, seen)
    }

    fn sign_in(
        &mut self,
        group: Option<Hash>,
        kind: u16,
        body: Vec<u8>,
        previous: Option<Hash>,
        seen: Option<wire::Seen>,
    ) -> SignedOp {
        self.sequence += 1;
        let content = wire::Content {
            group: group.or(Some(self.log.group())),
            key: self.key,
            incarnation: self.incarnation,
            sequence: self.sequence,
            previous,
            seen,
            time: 1,
            kind,
            body: body.into(),
        };
        let content = wire::encode(&content);
        let signature = CRYPTO.sign(&self.secret, "autocrypt-sma-op-v1", &content, &[1; 32], Timestamp(0));
        SignedOp { content: content.into(), signature: signature.unwrap_or_default() }
    }

    /// An update for another one's inbox.
    pub fn update(&mut self, to: &Self, said: Said) -> Envelope {
        let update = Update {
            received: self.received,
            ops: said.ops,
            keys: said.keys.into_iter().map(|secret| KeyMaterial { secret }).collect(),
            settings: said.settings,
            peers: said.peers.map(|octets| octets.to_vec().into()),
            ..Update::new(to.key)
        };
        self.send(to, None, update)
    }

    /// An update that says anything, in the name of its own group or of another.
    pub fn send(&mut self, to: &Self, group: Option<Hash>, update: Update) -> Envelope {
        let op = self.sign_in(group, wire::Kind::Update.number(), wire::encode(&update), None, None);
        let body = CRYPTO.seal(&to.certificate, &wire::encode(&op), &[2; 32]).unwrap_or_default();
        let token = Token(token_of(&body));
        Envelope { sender: self.id(), token, class: Class::Sync, date: Timestamp(0), body }
    }

    /// Signs something that stands in no log.
    pub fn say(&mut self, kind: u16, body: Vec<u8>) -> SignedOp {
        self.sign(kind, body, None, None)
    }

    /// What it announces.
    pub fn announce(&mut self, body: Vec<u8>) -> Envelope {
        let op = self.sign(wire::Kind::Announcement.number(), body, None, None);
        let body = Bytes::from(wire::encode(&op));
        let token = Token(token_of(&body));
        Envelope { sender: self.id(), token, class: Class::Announcement, date: Timestamp(0), body }
    }

    /// The device key's fingerprint.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.key
    }

    /// Its group's log, as far as it knows it.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Hears what others said in its group.
    pub fn hear(&mut self, ops: &[SignedOp]) {
        self.log.join(&CRYPTO, ops, usize::MAX);
    }

    /// Signs in another group from here on, where it has signed nothing yet.
    pub fn enter(&mut self, log: Log) {
        self.log = log;
    }

    /// Signs an operation that says to know these.
    pub fn lie(&mut self, kind: u16, body: Vec<u8>, seen: wire::Seen) -> SignedOp {
        let previous = self.log.heads().get(&self.key).map(|(_, hash)| *hash);
        let op = self.sign(kind, body, previous, Some(seen));
        self.log.join(&CRYPTO, std::slice::from_ref(&op), usize::MAX);
        op
    }

    /// How somebody would let it in.
    #[must_use]
    pub fn introduction(&self) -> Introduction {
        let (certificate, incarnation) = (self.certificate.clone(), self.incarnation);
        Introduction { certificate, incarnation, via: None }
    }
}

/// Another token for each message.
pub(crate) fn token_of(body: &[u8]) -> [u8; 16] {
    let hash = CRYPTO.hash("token of an insider", &[body]);
    std::array::from_fn(|at| hash.0[at])
}
