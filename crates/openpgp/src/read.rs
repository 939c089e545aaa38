//! A public key as rPGP's types, put together packet by packet: what rPGP does not know stays in it as what it is, and damages nothing else.
//!
//! rPGP's own parser ends at the first packet whose curve it does not implement. Here such a packet becomes a key with parameters that are not
//! known, which is bound and revoked as any other; only encrypting to it, and checking what it signed, cannot be done here.

use pgp::{
    composed::{SignedKeyDetails, SignedPublicKey, SignedPublicSubKey},
    crypto::public_key::PublicKeyAlgorithm,
    packet::{
        PacketHeader, PubKeyInner, PublicKey, PublicSubkey, Signature, SignatureType, SignatureVersion,
        UserId,
    },
    types::{KeyVersion, PublicParams, SignedUser, Tag, Timestamp},
};

use crate::{
    components::{self, Component},
    layout::{self, Kind},
    packets::{Packet, refused},
    transferable::Refusal,
};

/// A public key.
pub(crate) struct Certificate {
    pub(crate) key: SignedPublicKey,
    /// Subkeys of a version that rPGP does not know, each as it stands, with its newest signature that lets it encrypt.
    pub(crate) skipped: Vec<Vec<u8>>,
}

/// Reads one public key that fills `octets`. Total.
///
/// # Errors
/// The primary key is of a kind that is not known ([`Refusal::Unknown`], [`Refusal::LibrePgp`]), or something is damaged.
pub(crate) fn certificate(octets: &[u8]) -> Result<Certificate, Refusal> {
    let all = components::keys(components::packets(octets)?)?;
    // What follows is another key's.
    let key = all.first().ok_or(Refusal::Malformed)?;
    let Packet { header, body, .. } = key.primary.packet;
    if header.tag() != Tag::PublicKey {
        return Err(Refusal::Malformed);
    }
    let primary = match layout::kind(body) {
        Kind::Known => PublicKey::try_from_reader(header, body).map_err(refused)?,
        Kind::Opaque => PublicKey::from_inner(opaque(body)?).map_err(refused)?,
        Kind::LibrePgp => return Err(Refusal::LibrePgp),
        Kind::Unknown => return Err(Refusal::Unknown),
    };
    // A revocation of the key counts wherever it stands.
    let all_signatures = || std::iter::once(&key.primary).chain(&key.rest).flat_map(signatures);
    let is_revocation = |s: &Signature| s.typ() == Some(SignatureType::KeyRevocation);
    let revocations = all_signatures().filter(is_revocation).collect();
    let direct = signatures(&key.primary).filter(|s| !is_revocation(s)).collect();
    let (mut users, mut subkeys, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for component in &key.rest {
        let Packet { header, body, .. } = component.packet;
        if header.tag() == Tag::UserId {
            let id = UserId::try_from_reader(header, body).map_err(refused)?;
            users.push(SignedUser::new(id, signatures(component).collect()));
        } else if header.tag() == Tag::PublicSubkey {
            match subkey(header, body)? {
                Some(subkey) => {
                    subkeys.push(SignedPublicSubKey::new(subkey, signatures(component).collect()));
                }
                None => skipped.extend(as_it_stands(component)),
            }
        }
    }
    let details = SignedKeyDetails::new(revocations, direct, users, Vec::new());
    Ok(Certificate { key: SignedPublicKey::new(primary, details, subkeys), skipped })
}

/// A subkey; none if it is of another version.
fn subkey(header: PacketHeader, body: &[u8]) -> Result<Option<PublicSubkey>, Refusal> {
    let subkey = match layout::kind(body) {
        Kind::Known => PublicSubkey::try_from_reader(header, body),
        Kind::Opaque => PublicSubkey::from_inner(opaque(body)?),
        Kind::LibrePgp | Kind::Unknown => return Ok(None),
    };
    Ok(Some(subkey.map_err(refused)?))
}

/// The public part of a key of version 4 or 6, whose algorithm or curve need not be known.
pub(crate) fn opaque(public: &[u8]) -> Result<PubKeyInner, Refusal> {
    let (version, head) = match public.first() {
        Some(6) => (KeyVersion::V6, 10),
        _ => (KeyVersion::V4, 6),
    };
    // Version 6 says how long it is; version 4 does so where the algorithm is one of curves.
    if layout::public_length(public).is_some_and(|length| length != public.len()) {
        return Err(Refusal::Malformed);
    }
    let (head, data) = public.split_at_checked(head).ok_or(Refusal::Malformed)?;
    let [_, created @ .., algorithm] = head.get(..6).ok_or(Refusal::Malformed)? else {
        return Err(Refusal::Malformed);
    };
    let created = u32::from_be_bytes(created.try_into().map_err(|_| Refusal::Malformed)?);
    let params = PublicParams::Unknown { data: data.to_vec().into() };
    let algorithm = PublicKeyAlgorithm::from(*algorithm);
    Ok(PubKeyInner::new(version, algorithm, Timestamp::from_secs(created), None, params).map_err(refused)?)
}

/// The signatures of a component that rPGP reads. One of another version says nothing here.
fn signatures<'a>(component: &'a Component<'_>) -> impl Iterator<Item = Signature> + use<'a> {
    let read = |packet: &Packet<'_>| Signature::try_from_reader(packet.header, packet.body).ok();
    let is_known = |signature: &Signature| {
        matches!(
            signature.version(),
            SignatureVersion::V2 | SignatureVersion::V3 | SignatureVersion::V4 | SignatureVersion::V6
        )
    };
    component.signatures.iter().filter_map(read).filter(is_known)
}

/// A subkey of another version with the newest signature behind it that says that it encrypts, as octets.
fn as_it_stands(component: &Component<'_>) -> Option<Vec<u8>> {
    let read = |packet: &&Packet<'_>| Signature::try_from_reader(packet.header, packet.body).ok();
    let is_revoked = component
        .signatures
        .iter()
        .filter_map(|packet| read(&packet))
        .any(|s| s.typ() == Some(SignatureType::SubkeyRevocation));
    let lets = |s: &Signature| s.key_flags().encrypt_comms() || s.key_flags().encrypt_storage();
    let created = |packet: &&Packet<'_>| read(packet).filter(lets).and_then(|s| s.created());
    let newest =
        component.signatures.iter().filter(|packet| created(packet).is_some()).max_by_key(created)?;
    (!is_revoked).then(|| [component.packet.whole, newest.whole].concat())
}
