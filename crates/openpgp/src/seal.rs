//! Sealing for one device: an anonymous version 6 session key packet and AES-256 in OCB (SEIPD version 2, RFC 9580 section
//! 5.13.2) over one literal packet whose content is padded. Nothing is ever compressed.

use bytes::Bytes;
use pgp::{
    composed::{PlainSessionKey, SignedPublicKey, SignedPublicSubKey, SignedSecretKey},
    crypto::{
        aead::{AeadAlgorithm, ChunkSize},
        public_key::PublicKeyAlgorithm,
        sym::SymmetricKeyAlgorithm,
    },
    packet::{
        DataMode, LiteralDataHeader, PacketHeader, PacketTrait, PublicKeyEncryptedSessionKey,
        SymEncryptedProtectedData, SymEncryptedProtectedDataConfig as Config,
    },
    ser::Serialize,
    types::{DecryptionKey, EncryptionKey, EskType, KeyDetails, Password, Seipdv1ReadMode, Tag},
};
use sma_core::{CryptoError, Secret};
use zeroize::Zeroizing;

use crate::{
    packets::{refused, split},
    padding::{pad_onto, padded_len, unpad},
    seeded,
};

/// The largest content that is sealed, in octets.
pub(crate) const PLAIN_MAX: usize = 1 << 20;

/// The largest sealed message that is looked at, in octets: the largest content, its padding, and the packets around it.
pub(crate) const SEALED_MAX: usize = PLAIN_MAX + (1 << 16);

const CIPHER: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES256;
const MODE: AeadAlgorithm = AeadAlgorithm::Ocb;
const CHUNK: ChunkSize = ChunkSize::C4KiB;

/// What stands in front of a content of `length` octets in a literal packet: binary, no file name, no date.
fn literal_head(length: usize) -> Result<Vec<u8>, CryptoError> {
    let inner = LiteralDataHeader::new(DataMode::Binary);
    let length = u32::try_from(inner.write_len() + length).map_err(refused)?;
    let mut head = Vec::new();
    PacketHeader::new_fixed(Tag::LiteralData, length).to_writer(&mut head).map_err(refused)?;
    inner.to_writer(&mut head).map_err(refused)?;
    Ok(head)
}

/// The literal packet around `content` as it is.
pub(crate) fn literal_of(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let head = literal_head(content.len())?;
    let mut packet = Zeroizing::new(Vec::with_capacity(head.len() + content.len()));
    packet.extend_from_slice(&head);
    packet.extend_from_slice(content);
    Ok(packet)
}

/// The literal packet around the padded `plain`.
fn literal(plain: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let length = padded_len(plain);
    let head = literal_head(length)?;
    let mut packet = Zeroizing::new(Vec::with_capacity(head.len() + length));
    packet.extend_from_slice(&head);
    pad_onto(&mut packet, plain)?;
    Ok(packet)
}

/// Where the content of a literal packet begins that fills `octets`, with the head that [`literal`] writes.
fn content_start(octets: &[u8]) -> Result<usize, CryptoError> {
    let [(_, mut body)] = split(octets)?[..] else {
        return Err(CryptoError);
    };
    LiteralDataHeader::try_from_reader(&mut body).map_err(refused)?;
    let start = octets.len() - body.len();
    if octets.get(..start) == Some(&literal_head(body.len())?) { Ok(start) } else { Err(CryptoError) }
}

/// Seals `plain` for the device of `certificate`, whose signatures were checked.
pub(crate) fn seal(
    certificate: &SignedPublicKey,
    plain: &[u8],
    seed: &[u8; 32],
) -> Result<Bytes, CryptoError> {
    if plain.len() > PLAIN_MAX {
        return Err(CryptoError);
    }
    let [SignedPublicSubKey { key: recipient, .. }] = &certificate.public_subkeys[..] else {
        return Err(CryptoError);
    };
    let mut rng = seeded::rng(seed);
    let session = CIPHER.new_session_key(&mut rng);
    let values = recipient.encrypt(&mut rng, session.as_ref(), EskType::V6).map_err(refused)?;
    let anonymous = |packet_header| PublicKeyEncryptedSessionKey::V6 {
        packet_header,
        fingerprint: None,
        pk_algo: recipient.algorithm(),
        values: values.clone(),
    };
    let header = |length| PacketHeader::new_fixed(Tag::PublicKeyEncryptedSessionKey, length);
    let length = u32::try_from(anonymous(header(0)).write_len()).map_err(refused)?;
    let data = SymEncryptedProtectedData::encrypt_seipdv2(
        &mut rng,
        CIPHER,
        MODE,
        CHUNK,
        session.as_ref(),
        &literal(plain)?,
    )
    .map_err(refused)?;
    let mut sealed = Vec::new();
    anonymous(header(length)).to_writer_with_header(&mut sealed).map_err(refused)?;
    data.to_writer_with_header(&mut sealed).map_err(refused)?;
    Ok(sealed.into())
}

/// The two packets of a sealed message, exactly as [`seal`] writes them.
fn parse(sealed: &[u8]) -> Result<(PublicKeyEncryptedSessionKey, SymEncryptedProtectedData), CryptoError> {
    if sealed.len() > SEALED_MAX {
        return Err(CryptoError);
    }
    let [(first, first_body), (second, second_body)] = split(sealed)?[..] else {
        return Err(CryptoError);
    };
    let tags = [Tag::PublicKeyEncryptedSessionKey, Tag::SymEncryptedProtectedData];
    if [first.tag(), second.tag()] != tags {
        return Err(CryptoError);
    }
    let session = PublicKeyEncryptedSessionKey::try_from_reader(first, first_body).map_err(refused)?;
    let data = SymEncryptedProtectedData::try_from_reader(second, second_body).map_err(refused)?;
    let mut written = Vec::with_capacity(sealed.len());
    session.to_writer_with_header(&mut written).map_err(refused)?;
    data.to_writer_with_header(&mut written).map_err(refused)?;
    if written == sealed { Ok((session, data)) } else { Err(CryptoError) }
}

/// Opens what [`seal`] made for `key`.
pub(crate) fn open(key: &SignedSecretKey, sealed: &[u8]) -> Result<Secret, CryptoError> {
    let (session, data) = parse(sealed)?;
    let PublicKeyEncryptedSessionKey::V6 {
        fingerprint: None,
        pk_algo: PublicKeyAlgorithm::X25519,
        values,
        ..
    } = session
    else {
        return Err(CryptoError);
    };
    let Config::V2 { sym_alg: CIPHER, aead: MODE, chunk_size: CHUNK, .. } = data.config() else {
        return Err(CryptoError);
    };
    let recipient = &key.secret_subkeys.first().ok_or(CryptoError)?.key;
    let opened = recipient.decrypt(&Password::empty(), &values, EskType::V6).map_err(refused)?;
    let PlainSessionKey::V6 { key: ref session } = opened.map_err(refused)? else {
        return Err(CryptoError);
    };
    let inner = data.decrypt(session.as_ref(), None, Seipdv1ReadMode::default()).map_err(refused)?;
    let inner = Zeroizing::new(inner);
    let start = content_start(&inner)?;
    unpad(inner, start)
}
