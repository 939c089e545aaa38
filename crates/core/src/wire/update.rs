//! State for one sibling: the body of an update, and the plain text of an accept's bundle.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode, bytes::ByteVec};

use super::SignedOp;
use crate::{Fingerprint, Hash, Secret, state::Register};

/// An account's secret key, in an array of one element so that it can grow.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeyMaterial {
    /// The transferable secret key.
    #[n(0)]
    pub secret: Secret,
}

/// Some of the replicated state: joined into the receiver's. Every part makes sense alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Update {
    /// The highest sequence of the recipient's updates that the author has taken in.
    #[n(0)]
    pub received: u64,
    /// The digest of the author's whole state.
    #[n(1)]
    pub digest: Hash,
    /// The recipient is asked to send what the author lacks.
    #[n(2)]
    pub ask: bool,
    /// Log operations of the group.
    #[n(3)]
    pub ops: Vec<SignedOp>,
    /// Secret keys of the account.
    #[n(4)]
    pub keys: Vec<KeyMaterial>,
    /// Settings by name.
    #[n(5)]
    pub settings: BTreeMap<String, Register>,
    /// The log of the group in which the author's group goes on.
    #[n(6)]
    pub merged: Option<Vec<SignedOp>>,
    /// The device key of the recipient: nobody else takes this in, whoever seals it anew.
    #[n(7)]
    pub to: Fingerprint,
    /// A part of what is known of peers, as `sma_autocrypt::Peers::to_bytes` writes it.
    #[n(8)]
    pub peers: Option<ByteVec>,
}

impl Update {
    /// One that says nothing yet, for the device with this key.
    #[must_use]
    pub fn new(to: Fingerprint) -> Self {
        Self {
            received: 0,
            digest: Hash::default(),
            ask: false,
            ops: Vec::new(),
            keys: Vec::new(),
            settings: BTreeMap::new(),
            merged: None,
            to,
            peers: None,
        }
    }

    /// Whether there is something in it that the recipient has to acknowledge.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.ask
            || !self.ops.is_empty()
            || !self.keys.is_empty()
            || !self.settings.is_empty()
            || self.merged.is_some()
            || self.peers.is_some()
    }
}
