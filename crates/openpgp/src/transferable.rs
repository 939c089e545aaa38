//! A transferable secret key as packets, and the transferable public key that is made of them (RFC 9580 section 10).
//!
//! What an algorithm does need not be known for that, only where the public part of a key packet ends: version 6 says so, and
//! for the algorithms that rPGP reads it follows. All that is not a key, its user ids and their signatures stays behind.

use pgp::{
    composed::{Deserializable, SignedPublicKey},
    crypto::public_key::PublicKeyAlgorithm,
    packet::{PacketHeader, SecretKey, SecretSubkey},
    ser::Serialize,
    types::{S2kParams, SecretParams, StringToKey, Tag},
};
use sma_core::CryptoError;

use crate::packets::{refused, split};

/// The largest secret key that is read, in octets.
pub(crate) const SECRET_MAX: usize = 64 << 10;

/// ML-KEM-768+X25519, the one algorithm that version 4 shares with the post-quantum ones, and the octets of its public part.
const ML_KEM_768_X25519: (u8, usize) = (35, 32 + 1184);

/// What stands in a version 4 key packet before its algorithm's public part: version, time, algorithm.
const V4_HEAD: usize = 6;

/// Why octets are no account key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Not one whole secret key.
    Malformed,
    /// Neither the primary key nor a subkey encrypts.
    NothingEncrypts,
    /// A version or algorithm that does not say where the public part ends.
    Unknown,
    /// A secret part is under a password.
    Protected,
    /// A secret part that is needed is not there.
    Elsewhere(Elsewhere),
    /// The public part is too large for a header.
    TooLarge,
}

/// Where a secret part is that is not in the key, as GnuPG writes it (S2K 101).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Elsewhere {
    /// Kept offline: it was left out when the key was written.
    Offline,
    /// On a smart card.
    Card,
}

impl From<CryptoError> for Refusal {
    fn from(_: CryptoError) -> Self {
        Self::Malformed
    }
}

impl From<Refusal> for CryptoError {
    fn from(_: Refusal) -> Self {
        Self
    }
}

/// One transferable secret key without its secrets.
pub(crate) struct Transferable {
    /// The public key, its packets in order, with headers of the current format.
    pub(crate) octets: Vec<u8>,
    /// The same as rPGP reads it.
    pub(crate) public: SignedPublicKey,
    /// How many subkeys there are, those included that `octets` lacks.
    pub(crate) subkeys: usize,
    /// Whether a part is under a password, as far as it shows.
    pub(crate) is_protected: bool,
    /// Whether there is a subkey whose public part could not be told.
    pub(crate) lacks_a_subkey: bool,
}

/// The public half of a secret key packet, and what shows of the other half.
pub(crate) struct Half {
    pub(crate) body: Vec<u8>,
    /// Under a password.
    is_protected: bool,
    /// Not there.
    pub(crate) elsewhere: Option<Elsewhere>,
}

/// Refuses what is not the packets of one transferable secret key.
pub(crate) fn framed(octets: &[u8]) -> Result<Vec<(PacketHeader, &[u8])>, Refusal> {
    if octets.len() > SECRET_MAX {
        return Err(Refusal::TooLarge);
    }
    let packets = split(octets)?;
    let known = |tag| {
        matches!(
            tag,
            Tag::SecretSubkey
                | Tag::PublicSubkey
                | Tag::Signature
                | Tag::UserId
                | Tag::UserAttribute
                | Tag::Trust
                | Tag::Padding
                | Tag::Marker
        )
    };
    let mut tags = packets.iter().map(|(header, _)| header.tag());
    let shape = tags.next() == Some(Tag::SecretKey) && tags.all(known);
    if shape { Ok(packets) } else { Err(Refusal::Malformed) }
}

impl Transferable {
    /// Reads one transferable secret key that fills `octets`.
    pub(crate) fn read(octets: &[u8]) -> Result<Self, Refusal> {
        let mut written = Written::default();
        for (header, body) in framed(octets)? {
            written.take(header, body)?;
        }
        let Written { octets, subkeys, is_protected, lacks_a_subkey, .. } = written;
        let public = SignedPublicKey::from_bytes(&octets[..]).map_err(refused)?;
        // rPGP skips what it does not read.
        let whole = public.public_subkeys.len() == count(&octets, Tag::PublicSubkey)?;
        let key = Self { octets, public, subkeys, is_protected, lacks_a_subkey };
        if whole { Ok(key) } else { Err(Refusal::Malformed) }
    }
}

/// A public key as it is written, packet by packet.
#[derive(Default)]
struct Written {
    octets: Vec<u8>,
    subkeys: usize,
    is_protected: bool,
    lacks_a_subkey: bool,
    /// The packet before was left out, and so are its signatures.
    leaves_out: bool,
}

impl Written {
    fn take(&mut self, header: PacketHeader, body: &[u8]) -> Result<(), Refusal> {
        let tag = header.tag();
        if tag == Tag::SecretKey {
            self.take_key(Tag::PublicKey, &half(header, body)?)?;
        } else if tag == Tag::SecretSubkey {
            self.take_subkey(half(header, body))?;
        } else if matches!(tag, Tag::PublicSubkey | Tag::UserId) {
            self.subkeys += usize::from(tag == Tag::PublicSubkey);
            self.leaves_out = false;
            write(tag, body, &mut self.octets)?;
        } else if tag == Tag::UserAttribute {
            self.leaves_out = true;
        } else if tag == Tag::Signature && !self.leaves_out {
            write(tag, body, &mut self.octets)?;
        }
        Ok(())
    }

    /// What a subkey is good for need not be known; the others are.
    fn take_subkey(&mut self, half: Result<Half, Refusal>) -> Result<(), Refusal> {
        self.subkeys += 1;
        if half.as_ref().err() == Some(&Refusal::Unknown) {
            (self.leaves_out, self.lacks_a_subkey) = (true, true);
            return Ok(());
        }
        self.take_key(Tag::PublicSubkey, &half?)
    }

    fn take_key(&mut self, tag: Tag, half: &Half) -> Result<(), Refusal> {
        self.leaves_out = false;
        self.is_protected |= half.is_protected;
        Ok(write(tag, &half.body, &mut self.octets)?)
    }
}

fn count(octets: &[u8], tag: Tag) -> Result<usize, CryptoError> {
    Ok(split(octets)?.iter().filter(|(header, _)| header.tag() == tag).count())
}

/// One packet with a header of the current format, so that a key has one public form whoever wrote it.
pub(crate) fn write(tag: Tag, body: &[u8], to: &mut Vec<u8>) -> Result<(), CryptoError> {
    let length = u32::try_from(body.len()).map_err(refused)?;
    PacketHeader::new_fixed(tag, length).to_writer(to).map_err(refused)?;
    to.extend_from_slice(body);
    Ok(())
}

/// Takes the public half out of a secret key packet.
pub(crate) fn half(header: PacketHeader, body: &[u8]) -> Result<Half, Refusal> {
    let read = if header.tag() == Tag::SecretKey {
        let key = SecretKey::try_from_reader(header, body);
        key.map(|key| public_half(key.public_key(), key.secret_params()))
    } else {
        let key = SecretSubkey::try_from_reader(header, body);
        key.map(|key| public_half(key.public_key(), key.secret_params()))
    };
    let half = match (read, body) {
        (Ok(half), _) => half?,
        (Err(_), [4, _, _, _, _, algorithm, ..]) if *algorithm == ML_KEM_768_X25519.0 => {
            let (public, secret) =
                body.split_at_checked(V4_HEAD + ML_KEM_768_X25519.1).ok_or(Refusal::Malformed)?;
            let usage = secret.first().ok_or(Refusal::Malformed)?;
            Half { body: public.to_vec(), is_protected: *usage != 0, elsewhere: None }
        }
        (Err(_), [4, _, _, _, _, algorithm, ..]) if is_unknown(*algorithm) => return Err(Refusal::Unknown),
        (Err(_), [version, ..]) if !matches!(version, 2..=4 | 6) => return Err(Refusal::Unknown),
        (Err(_), _) => return Err(Refusal::Malformed),
    };
    // Version 6 says how long the public part is, also of an algorithm that is not known.
    let is_same = body.first() != Some(&6) || body.starts_with(&half.body);
    if is_same { Ok(half) } else { Err(Refusal::Malformed) }
}

fn public_half(public: &impl Serialize, secret: &SecretParams) -> Result<Half, Refusal> {
    let body = public.to_bytes().map_err(refused)?;
    Ok(Half { body, is_protected: secret.is_encrypted(), elsewhere: elsewhere(secret) })
}

/// Whether the secret part is elsewhere: "GNU" behind the octet of a hash algorithm, and 1 for nowhere, 2 for a card.
fn elsewhere(params: &SecretParams) -> Option<Elsewhere> {
    let SecretParams::Encrypted(params) = params else {
        return None;
    };
    let (S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } | S2kParams::Aead { s2k, .. }) =
        params.string_to_key_params()
    else {
        return None;
    };
    let StringToKey::Private { typ: 101, unknown } = s2k else {
        return None;
    };
    match &unknown[..] {
        [_, b'G', b'N', b'U', 2, ..] => Some(Elsewhere::Card),
        _ => Some(Elsewhere::Offline),
    }
}

/// Whether rPGP has no meaning for the number of an algorithm.
fn is_unknown(algorithm: u8) -> bool {
    matches!(algorithm, 100..=110)
        || matches!(PublicKeyAlgorithm::from(algorithm), PublicKeyAlgorithm::Unknown(_))
}
