//! Detached version 6 signatures over labelled messages (RFC 9580 section 5.2).
//!
//! What is signed as a binary document: the length of the label, eight octets big-endian; the label; the message.

use std::io::Read;

use bytes::Bytes;
use pgp::{
    composed::SignedSecretKey,
    crypto::{hash::HashAlgorithm, public_key::PublicKeyAlgorithm},
    packet::{PacketTrait, PublicKey, Signature, SignatureType, SubpacketType},
    types::{KeyDetails, Password, Tag},
};
use sma_core::{CryptoError, Timestamp};

use crate::{
    device,
    packets::{has_only, refused, seconds, split},
    seeded,
};

/// The largest signature that is looked at, in octets; its own size is below 200.
const SIGNATURE_MAX: usize = 1024;

fn labelled<'a>(length: &'a [u8; 8], label: &'a str, message: &'a [u8]) -> impl Read + 'a {
    length.chain(label.as_bytes()).chain(message)
}

/// Signs `message` under `label`.
pub(crate) fn sign(
    key: &SignedSecretKey,
    label: &str,
    message: &[u8],
    seed: &[u8; 32],
    now: Timestamp,
) -> Result<Bytes, CryptoError> {
    let config =
        device::signature(&mut seeded::rng(seed), SignatureType::Binary, &key.primary_key, seconds(now)?)
            .map_err(refused)?;
    let length = (label.len() as u64).to_be_bytes();
    let signature = config
        .sign(&key.primary_key, &Password::empty(), labelled(&length, label, message))
        .map_err(refused)?;
    let mut written = Vec::new();
    signature.to_writer_with_header(&mut written).map_err(refused)?;
    Ok(written.into())
}

/// Checks a signature by a device's primary key.
pub(crate) fn verify(
    key: &PublicKey,
    label: &str,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    if signature.len() > SIGNATURE_MAX {
        return Err(CryptoError);
    }
    let [(header, body)] = split(signature)?[..] else {
        return Err(CryptoError);
    };
    if header.tag() != Tag::Signature {
        return Err(CryptoError);
    }
    let parsed = Signature::try_from_reader(header, body).map_err(refused)?;
    let mut written = Vec::new();
    parsed.to_writer_with_header(&mut written).map_err(refused)?;
    let config = parsed.config().ok_or(CryptoError)?;
    let subpackets = [SubpacketType::SignatureCreationTime, SubpacketType::IssuerFingerprint];
    let right = written == signature
        && config.typ == SignatureType::Binary
        && config.pub_alg == PublicKeyAlgorithm::Ed25519
        && config.hash_alg == HashAlgorithm::Sha256
        && has_only(config, &subpackets)
        && config.issuer_fingerprint() == [&key.fingerprint()];
    if !right {
        return Err(CryptoError);
    }
    let length = (label.len() as u64).to_be_bytes();
    parsed.verify(key, labelled(&length, label, message)).map_err(refused)
}
