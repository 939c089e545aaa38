//! A transferable secret key as packets, and the transferable public key that is made of them (RFC 9580 section 10).
//!
//! What an algorithm does need not be known for that, only where the public part of a key packet ends ([`layout`]). All that is not a key, its
//! user ids and their signatures stays behind.

use pgp::{
    composed::SignedPublicKey,
    packet::{PacketHeader, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey},
    ser::Serialize,
    types::{
        KeyDetails, KeyVersion, Password, PlainSecretParams, PublicParams, S2kParams, SecretParams, Tag,
    },
};
use sma_core::CryptoError;
use zeroize::Zeroizing;

use crate::{
    layout::{self, Kind, Protection},
    packets::{refused, split},
    read::{Certificate, certificate, opaque},
};

/// What is of this type or a higher one need not be known (RFC 9580 section 4.3).
pub(crate) const NOT_CRITICAL: u8 = 40;

/// The largest secret key that is read, in octets.
pub(crate) const SECRET_MAX: usize = 64 << 10;

/// Why octets are no account key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Not one whole secret key.
    Malformed,
    /// Neither the primary key nor a subkey encrypts.
    NothingEncrypts,
    /// What encrypted was revoked.
    SubkeyRevoked,
    /// A version or algorithm that does not say where the public part ends.
    Unknown,
    /// The primary key is of version 5.
    LibrePgp,
    /// A secret part is under a password.
    Protected,
    /// A secret part that is needed is not there.
    Elsewhere(Elsewhere),
    /// The public part is too large for a header.
    TooLarge,
}

/// Where a secret part is that is not in the key.
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
    /// The same as rPGP has it.
    pub(crate) public: SignedPublicKey,
    /// Subkeys of a version that rPGP does not know, as they stand.
    pub(crate) skipped: Vec<Vec<u8>>,
    /// Whether a part is under a password, as far as it shows.
    pub(crate) is_protected: bool,
    /// Whether the primary key can sign here: its secret part is not elsewhere.
    pub(crate) has_primary: bool,
    /// Whether there is a subkey whose public part could not be told.
    pub(crate) lacks_a_subkey: bool,
}

/// The public half of a secret key packet, and what shows of the other half.
pub(crate) struct Half {
    pub(crate) body: Vec<u8>,
    protection: Protection,
}

impl Half {
    /// Where the other half is, if it is not here.
    pub(crate) fn elsewhere(&self) -> Option<Elsewhere> {
        match self.protection {
            Protection::Offline => Some(Elsewhere::Offline),
            Protection::Card => Some(Elsewhere::Card),
            Protection::None | Protection::Password => None,
        }
    }
}

/// Refuses what is not the packets of one transferable secret key.
fn framed(octets: &[u8]) -> Result<Vec<(PacketHeader, &[u8])>, Refusal> {
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
        ) || u8::from(tag) >= NOT_CRITICAL
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
        let Written { octets, is_protected, has_primary, lacks_a_subkey, .. } = written;
        let Certificate { key, skipped } = certificate(&octets)?;
        Ok(Self { octets, public: key, skipped, is_protected, has_primary, lacks_a_subkey })
    }

    /// Whether it has parts that rPGP does not know.
    pub(crate) fn has_unknown_parts(&self) -> bool {
        self.lacks_a_subkey || !self.skipped.is_empty()
    }
}

/// A public key as it is written, packet by packet.
#[derive(Default)]
struct Written {
    octets: Vec<u8>,
    is_protected: bool,
    has_primary: bool,
    lacks_a_subkey: bool,
    /// The packet before was left out, and so are its signatures.
    leaves_out: bool,
}

impl Written {
    fn take(&mut self, header: PacketHeader, body: &[u8]) -> Result<(), Refusal> {
        let tag = header.tag();
        if tag == Tag::SecretKey {
            let half = half(header, body)?;
            self.has_primary = half.elsewhere().is_none();
            self.take_key(Tag::PublicKey, &half)?;
        } else if tag == Tag::SecretSubkey {
            self.take_subkey(half(header, body))?;
        } else if matches!(tag, Tag::PublicSubkey | Tag::UserId) {
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
        if half.as_ref().err() == Some(&Refusal::Unknown) {
            (self.leaves_out, self.lacks_a_subkey) = (true, true);
            return Ok(());
        }
        self.take_key(Tag::PublicSubkey, &half?)
    }

    fn take_key(&mut self, tag: Tag, half: &Half) -> Result<(), Refusal> {
        self.leaves_out = false;
        self.is_protected |= half.protection == Protection::Password;
        Ok(write(tag, &half.body, &mut self.octets)?)
    }
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
    let version = *body.first().ok_or(Refusal::Malformed)?;
    let length = match layout::kind(body) {
        Kind::Known => known_length(header, body)?,
        Kind::LibrePgp if header.tag() == Tag::SecretKey => return Err(Refusal::LibrePgp),
        Kind::Opaque | Kind::LibrePgp => layout::public_length(body).ok_or(if version == 4 {
            Refusal::Unknown
        } else {
            Refusal::Malformed
        })?,
        Kind::Unknown => return Err(Refusal::Unknown),
    };
    let (public, secret) = body.split_at_checked(length).ok_or(Refusal::Malformed)?;
    if secret.is_empty() {
        return Err(Refusal::Malformed);
    }
    Ok(Half { body: public.to_vec(), protection: layout::protection(version, secret) })
}

/// How long the public half is, after rPGP read the whole.
fn known_length(header: PacketHeader, body: &[u8]) -> Result<usize, Refusal> {
    let public = if header.tag() == Tag::SecretKey {
        SecretKey::try_from_reader(header, body).and_then(|key| key.public_key().to_bytes())
    } else {
        SecretSubkey::try_from_reader(header, body).and_then(|key| key.public_key().to_bytes())
    };
    // rPGP adds up secrets as it would write them, which are not always those that stand there.
    let public = match public {
        Err(_) if layout::checksum_holds(body) => {
            return layout::public_length(body).ok_or(Refusal::Malformed);
        }
        public => public.map_err(refused)?,
    };
    if body.starts_with(&public) {
        return Ok(public.len());
    }
    // Numbers with zeros before them. Version 6 hashes what stands there, so there are none.
    layout::public_length(body).filter(|_| body.first() != Some(&6)).ok_or(Refusal::Malformed)
}

/// A secret key packet as rPGP has it.
enum SecretPart {
    Primary(SecretKey),
    Subkey(SecretSubkey),
}

impl SecretPart {
    /// `None` if it is of a version that rPGP does not know.
    fn read(header: PacketHeader, body: &[u8]) -> Result<Option<Self>, Refusal> {
        let is_primary = header.tag() == Tag::SecretKey;
        let mut kind = layout::kind(body);
        if kind == Kind::Known && layout::checksum_holds(body) {
            kind = Kind::Opaque;
        }
        Ok(Some(match (kind, is_primary) {
            (Kind::Known, true) => Self::Primary(SecretKey::try_from_reader(header, body).map_err(refused)?),
            (Kind::Known, false) => {
                Self::Subkey(SecretSubkey::try_from_reader(header, body).map_err(refused)?)
            }
            (Kind::Opaque, _) => Self::opaque(is_primary, body)?,
            (Kind::LibrePgp | Kind::Unknown, _) => return Ok(None),
        }))
    }

    fn opaque(is_primary: bool, body: &[u8]) -> Result<Self, Refusal> {
        let length = layout::public_length(body).ok_or(Refusal::Unknown)?;
        let (public, secret) = body.split_at_checked(length).ok_or(Refusal::Malformed)?;
        let inner = opaque(public)?;
        let params = opaque_secret(&inner, secret)?;
        Ok(if is_primary {
            let public = PublicKey::from_inner(inner).map_err(refused)?;
            Self::Primary(SecretKey::new(public, params).map_err(refused)?)
        } else {
            let public = PublicSubkey::from_inner(inner).map_err(refused)?;
            Self::Subkey(SecretSubkey::new(public, params).map_err(refused)?)
        })
    }

    fn remove_password(&mut self, password: &Password) -> pgp::errors::Result<()> {
        match self {
            Self::Primary(key) => key.remove_password(password),
            Self::Subkey(key) => key.remove_password(password),
        }
    }

    fn set_password(
        &mut self,
        password: &Password,
        with: impl FnOnce(KeyVersion) -> S2kParams,
    ) -> pgp::errors::Result<()> {
        match self {
            Self::Primary(key) => key.set_password_with_s2k(password, with(key.version())),
            Self::Subkey(key) => key.set_password_with_s2k(password, with(key.version())),
        }
    }

    fn write(&self, to: &mut Vec<u8>) -> Result<(), CryptoError> {
        let (tag, length) = match self {
            Self::Primary(key) => (Tag::SecretKey, key.write_len()),
            Self::Subkey(key) => (Tag::SecretSubkey, key.write_len()),
        };
        let length = u32::try_from(length).map_err(refused)?;
        PacketHeader::new_fixed(tag, length).to_writer(to).map_err(refused)?;
        match self {
            Self::Primary(key) => key.to_writer(to),
            Self::Subkey(key) => key.to_writer(to),
        }
        .map_err(refused)
    }
}

/// The secret part of a key whose algorithm or curve is not known. rPGP takes the checksum of version 4 for a part of it.
fn opaque_secret(public: &PubKeyInner, secret: &[u8]) -> Result<SecretParams, Refusal> {
    let PublicParams::Unknown { data: pub_params } = public.public_params() else {
        return Err(Refusal::Malformed);
    };
    let [0, plain @ ..] = secret else {
        let (version, algorithm) = (public.version(), public.algorithm());
        return Ok(
            SecretParams::from_slice(secret, version, algorithm, public.public_params()).map_err(refused)?
        );
    };
    let checksum = if public.version() == KeyVersion::V4 { 2 } else { 0 };
    let length = plain.len().checked_sub(checksum).ok_or(Refusal::Malformed)?;
    let data = Zeroizing::new(plain.get(..length).unwrap_or_default().to_vec());
    let (alg, pub_params) = (public.algorithm(), pub_params.clone());
    Ok(SecretParams::Plain(PlainSecretParams::Unknown { alg, data, pub_params }))
}

/// Why secret parts did not get rid of their password.
pub(crate) enum Locked {
    WrongPassword,
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for Locked {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal.into())
    }
}

/// The same key without its password. Parts that are elsewhere stay so.
pub(crate) fn unlocked(octets: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, Locked> {
    each_secret(octets, Protection::Password, |part| {
        part.remove_password(password).map_err(|_| Locked::WrongPassword)
    })
}

/// The same key under a password.
pub(crate) fn locked(
    octets: &[u8],
    password: &Password,
    mut with: impl FnMut(KeyVersion) -> S2kParams,
) -> Result<Zeroizing<Vec<u8>>, Locked> {
    each_secret(octets, Protection::None, |part| {
        part.set_password(password, &mut with).map_err(|_| Locked::Refused(Refusal::Unknown))
    })
}

/// Changes each secret part that is protected so; all the rest stays, octet by octet.
fn each_secret(
    octets: &[u8],
    protected: Protection,
    mut change: impl FnMut(&mut SecretPart) -> Result<(), Locked>,
) -> Result<Zeroizing<Vec<u8>>, Locked> {
    // With room for all of it, so that no copy stays behind: a password adds less than 100 octets to a part.
    let packets = crate::packets::whole(octets)?;
    let mut written = Zeroizing::new(Vec::with_capacity(octets.len() + 128 * packets.len()));
    for packet in packets {
        let is_secret = matches!(packet.tag(), Tag::SecretKey | Tag::SecretSubkey);
        if !is_secret || half(packet.header, packet.body)?.protection != protected {
            written.extend_from_slice(packet.whole);
            continue;
        }
        let mut part = SecretPart::read(packet.header, packet.body)?.ok_or(Refusal::Unknown)?;
        change(&mut part)?;
        part.write(&mut written)?;
    }
    Ok(written)
}
