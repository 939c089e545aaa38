//! A signed operation: the unit of everything that is said.

use std::collections::BTreeSet;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::{Kind, decode, encode};
use crate::{Crypto, Fingerprint, Hash, MuaaId};

/// What the author knew of the others' log operations: those that no other one which it knew names as known. What these name
/// was known as well, so a handful of hashes stands for the whole log (the heads of a version graph, as in git).
pub type Seen = BTreeSet<Hash>;

/// The label under which operations are signed.
const LABEL: &str = "autocrypt-sma-op-v1";

/// What a signature covers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Content {
    /// The group it belongs to; none outside of a group and in the genesis.
    #[n(0)]
    pub group: Option<Hash>,
    /// The fingerprint of the author's device key, which gives its id.
    #[n(2)]
    pub key: Fingerprint,
    /// The author's incarnation.
    #[n(3)]
    pub incarnation: u64,
    /// Counts what the author signs; grows, with gaps.
    #[n(4)]
    pub sequence: u64,
    /// Log operations: the hash of the author's log operation before this one.
    #[n(5)]
    pub previous: Option<Hash>,
    /// Log operations: what the author knew.
    #[n(6)]
    pub seen: Option<Seen>,
    /// The author's logical clock.
    #[n(7)]
    pub time: u64,
    /// The number of the [`Kind`].
    #[n(8)]
    pub kind: u16,
    /// The kind's body.
    #[cbor(n(9), with = "crate::wire::octets")]
    pub body: Bytes,
}

impl Content {
    /// Who says it.
    #[must_use]
    pub fn author(&self) -> MuaaId {
        MuaaId::of(&self.key)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.kind)
    }

    /// The body, if it is one of `T` in canonical form.
    #[must_use]
    pub fn body<T: Encode<()> + for<'b> Decode<'b, ()>>(&self) -> Option<T> {
        decode(&self.body)
    }
}

/// An operation with its signature. The signature covers the operation, not the mail it came in, so anyone may relay it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SignedOp {
    /// The encoded [`Content`].
    #[cbor(n(0), with = "crate::wire::octets")]
    pub content: Bytes,
    /// The author's signature over it.
    #[cbor(n(1), with = "crate::wire::octets")]
    pub signature: Bytes,
}

impl SignedOp {
    /// Signs. `None` only if the device key is none.
    pub(crate) fn sign<C: Crypto>(
        crypto: &C,
        content: &Content,
        key: &crate::Secret,
        seed: &[u8; 32],
        now: crate::Timestamp,
    ) -> Option<Self> {
        let content = encode(content);
        let signature = crypto.sign(key, LABEL, &content, seed, now).ok()?;
        Some(Self { content: content.into(), signature })
    }

    /// The content, unverified.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        decode(&self.content)
    }

    /// Whether `certificate`, which must have the fingerprint that the content names, signed this.
    #[must_use]
    pub fn is_by<C: Crypto>(&self, crypto: &C, certificate: &[u8]) -> bool {
        crypto.verify(certificate, LABEL, &self.content, &self.signature).is_ok()
    }

    /// The operation's name in the log.
    #[must_use]
    pub fn hash<C: Crypto>(&self, crypto: &C) -> Hash {
        crypto.hash("autocrypt-sma-op-hash-v1", &[&self.content])
    }
}
