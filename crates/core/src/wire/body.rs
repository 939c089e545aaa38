//! The bodies of what travels in the open: announcements and pairing.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::SignedOp;
use crate::{Fingerprint, Form, Hash, MuaaId, SessionId, Timestamp};

/// A MUAA describes itself. Has no authority: it is a hint who might be there.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Announcement {
    /// The device certificate that signed it.
    #[cbor(n(0), with = "crate::wire::octets")]
    pub certificate: Bytes,
    /// Bits of what the program can do; none is defined yet.
    #[n(1)]
    pub capabilities: u64,
    /// Members: a digest of their state, for the others to notice that something is missing. It is bound to the group's
    /// secrets, so it tells an outsider only that something changed.
    #[n(2)]
    pub digest: Option<Hash>,
    /// The latest moves that led to this device, for those whom it does not know, and for other copies of its state. They prove
    /// themselves: each is signed by the key that moved.
    #[n(3)]
    pub moves: Option<Vec<SignedOp>>,
}

/// A newcomer says "I am here". Has no authority.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// The device certificate that signed it.
    #[cbor(n(0), with = "crate::wire::octets")]
    pub certificate: Bytes,
    /// Makes each request another one.
    #[n(1)]
    pub nonce: u64,
    /// The member whose place it wants to take.
    #[n(2)]
    pub replaces: Option<Replaced>,
}

/// A member whose place a newcomer takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Replaced {
    /// Its id.
    #[n(0)]
    pub id: MuaaId,
    /// Its device key, as it was announced.
    #[n(1)]
    pub fingerprint: Fingerprint,
}

/// A member offers to pair.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// Ya, the member's share of the PAKE.
    #[cbor(n(1), with = "crate::wire::octets")]
    pub share: Bytes,
    /// The device certificate that signed it.
    #[cbor(n(2), with = "crate::wire::octets")]
    pub certificate: Bytes,
    /// The newcomer it is for; none if it is for whoever has the code or the link.
    #[n(3)]
    pub to: Option<MuaaId>,
    /// When it ends on the member's clock; informs people, and is bound by the transcript.
    #[n(4)]
    pub expires: Timestamp,
    /// What the member shows.
    #[n(5)]
    pub form: Form,
}

/// A newcomer proves that it knows the code or the link.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Join {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// Yn, the newcomer's share of the PAKE.
    #[cbor(n(1), with = "crate::wire::octets")]
    pub share: Bytes,
    /// The newcomer's device certificate.
    #[cbor(n(2), with = "crate::wire::octets")]
    pub certificate: Bytes,
    /// MAC(Kn, T).
    #[n(3)]
    pub mac: Hash,
    /// The member whose place it takes; part of T.
    #[n(4)]
    pub replaces: Option<Replaced>,
}

/// A member proves that it knows the code or the link, and sends the group's state.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Accept {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// MAC(Km, T).
    #[n(1)]
    pub mac: Hash,
    /// An encoded [`super::Update`] sealed under Kw.
    #[cbor(n(2), with = "crate::wire::octets")]
    pub bundle: Bytes,
}

/// A member does not want the newcomer: a hint that changes no trust.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Reject {
    /// The session that ends with it; none if nothing was offered, and only a request is answered.
    #[n(0)]
    pub session: Option<SessionId>,
    /// The fingerprint of the device it is for, so that it cannot be sent on to another.
    #[n(1)]
    pub to: Fingerprint,
    /// 1: a person said no.
    #[n(2)]
    pub reason: u8,
    /// The device certificate that signed it.
    #[cbor(n(3), with = "crate::wire::octets")]
    pub certificate: Bytes,
}

/// One side gave up a session: a hint that changes no trust.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Abort {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// The fingerprint of the device it is for, so that it cannot be sent on to another.
    #[n(1)]
    pub to: Fingerprint,
    /// 1: the code was wrong, 2: the offer ended, 3: the device's key was a member's before and does not come back.
    #[n(2)]
    pub reason: u8,
    /// The device certificate that signed it.
    #[cbor(n(3), with = "crate::wire::octets")]
    pub certificate: Bytes,
}
