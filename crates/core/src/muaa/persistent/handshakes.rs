//! Pairings that are under way: durable, so that days and crashes may lie between their steps.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::{Fingerprint, Folder, Form, Hash, MuaaId, Secret, Timestamp, Token};

/// A request that waits for a person.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Waiting {
    #[n(0)]
    pub(crate) token: Token,
    /// A later one takes its place.
    #[n(1)]
    pub(crate) sequence: u64,
    /// Whose place it wants to take.
    #[n(2)]
    pub(crate) replaces: Option<MuaaId>,
    /// The hash of its octets.
    #[n(3)]
    pub(crate) said: Hash,
}

/// A code that was typed here: it is one guess, so no other offer is answered with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Used {
    /// The hash of the account's address and the code.
    #[n(0)]
    pub(crate) code: Hash,
    #[n(1)]
    pub(crate) at: Timestamp,
}

/// The member's side of a pairing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Session {
    #[n(0)]
    pub(crate) to: Option<MuaaId>,
    #[n(1)]
    pub(crate) password: Secret,
    #[n(2)]
    pub(crate) seed: Secret,
    #[n(3)]
    pub(crate) expires: Timestamp,
    #[n(4)]
    pub(crate) offer: Token,
    #[n(5)]
    pub(crate) stage: Stage,
    #[n(6)]
    pub(crate) started: Timestamp,
    #[n(7)]
    pub(crate) form: Form,
}

/// How far the member's side is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub(crate) enum Stage {
    /// The code or the link is shown.
    #[n(0)]
    Open,
    /// The newcomer proved itself; the accept, its proof and its key are kept until it is heard in the group.
    #[n(1)]
    Accepted(#[n(0)] Fingerprint, #[n(1)] Token, #[n(2)] Hash, #[n(3)] Secret),
    /// Over; kept for a while so that its number is not used again.
    #[n(2)]
    Over,
}

/// An offer that arrived.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SeenOffer {
    #[n(0)]
    pub(crate) from: MuaaId,
    #[n(1)]
    pub(crate) group: Hash,
    #[n(2)]
    pub(crate) fingerprint: Fingerprint,
    #[n(3)]
    pub(crate) incarnation: u64,
    #[cbor(n(4), with = "crate::wire::octets")]
    pub(crate) share: Bytes,
    #[n(5)]
    pub(crate) expires: Timestamp,
    #[n(6)]
    pub(crate) folder: Folder,
    #[n(7)]
    pub(crate) token: Token,
    #[n(8)]
    pub(crate) arrived: Timestamp,
    #[n(9)]
    pub(crate) form: Form,
    /// The hash of its octets.
    #[n(10)]
    pub(crate) said: Hash,
}

/// The newcomer's side of a pairing, from the typed code to the accept.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Joining {
    #[n(0)]
    pub(crate) offer: SeenOffer,
    /// Km and Kw, and the transcript.
    #[n(1)]
    pub(crate) member_key: Secret,
    #[n(2)]
    pub(crate) bundle_key: Secret,
    #[n(3)]
    pub(crate) transcript: Hash,
    #[n(4)]
    pub(crate) join: Token,
}

impl Session {
    /// Forgets the code or the link: nothing can be proven with it any more.
    pub(crate) fn wipe(&mut self, stage: Stage) {
        self.password = Secret::default();
        self.seed = Secret::default();
        self.stage = stage;
    }

    pub(crate) fn new(
        to: Option<MuaaId>,
        form: Form,
        password: Secret,
        seed: [u8; 32],
        now: Timestamp,
        expires: Timestamp,
    ) -> Self {
        Self {
            to,
            password,
            seed: Secret::new(seed.to_vec()),
            expires,
            offer: Token::default(),
            stage: Stage::Open,
            started: now,
            form,
        }
    }
}
