//! Sealing for one device: an anonymous version 6 session key packet and AES-256 in OCB (SEIPD version 2, RFC 9580 section
//! 5.13.2) over one literal packet whose content is padded. Nothing is ever compressed.

use std::io::{BufRead, Read};

use bytes::Bytes;
use pgp::{
    composed::{PlainSessionKey, SignedPublicKey, SignedPublicSubKey, SignedSecretKey},
    crypto::{
        aead::{AeadAlgorithm, ChunkSize, StreamDecryptor},
        public_key::PublicKeyAlgorithm,
        sym::SymmetricKeyAlgorithm,
    },
    packet::{
        DataMode, LiteralDataHeader, PacketHeader, PacketTrait, PublicKeyEncryptedSessionKey,
        SymEncryptedProtectedData, SymEncryptedProtectedDataConfig as Config,
    },
    ser::Serialize,
    types::{DecryptionKey, EncryptionKey, EskType, KeyDetails, Password, Tag},
};
use rand_chacha_03::rand_core::RngCore;
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
/// The length of a chunk's tag, in octets.
const TAG: usize = 16;
/// Room for what stands in front of the encrypted text, in octets.
const HEAD_ROOM: usize = 256;

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
fn literal(plain: &[u8]) -> Result<Secret, CryptoError> {
    let length = padded_len(plain);
    let head = literal_head(length)?;
    let mut packet = Vec::with_capacity(head.len() + length);
    packet.extend_from_slice(&head);
    pad_onto(&mut packet, plain)?;
    Ok(Secret::new(packet))
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
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    let inner = literal(plain)?;
    let mut sealed = Vec::with_capacity(inner.expose().len() + inner.expose().len() / 128 + HEAD_ROOM);
    anonymous(header(length)).to_writer_with_header(&mut sealed).map_err(refused)?;
    let config = Config::V2 { sym_alg: CIPHER, aead: MODE, chunk_size: CHUNK, salt };
    data_head(config.write_len() + encrypted_len(inner.expose()), &config, &mut sealed)?;
    let encrypted = SymEncryptedProtectedData::encrypt_seipdv2_stream(
        CIPHER,
        MODE,
        CHUNK,
        session.as_ref(),
        salt,
        inner.expose(),
    );
    encrypted.map_err(refused)?.read_to_end(&mut sealed).map_err(refused)?;
    Ok(sealed.into())
}

/// How long `text` is when it is encrypted: each chunk has a tag, and the end has one.
fn encrypted_len(text: &[u8]) -> usize {
    text.len() + TAG * (text.len().div_ceil(CHUNK.as_byte_size() as usize) + 1)
}

/// What stands in front of encrypted data: the packet's header, for a body of `length` octets, and how it is encrypted.
fn data_head(length: usize, config: &Config, written: &mut Vec<u8>) -> Result<(), CryptoError> {
    let length = u32::try_from(length).map_err(refused)?;
    PacketHeader::new_fixed(Tag::SymEncryptedProtectedData, length).to_writer(written).map_err(refused)?;
    config.to_writer(written).map_err(refused)
}

/// A sealed message, taken apart.
struct Sealed<'a> {
    session: PublicKeyEncryptedSessionKey,
    salt: [u8; 32],
    text: &'a [u8],
}

/// Takes a sealed message apart, which must be exactly as [`seal`] writes it. Nothing of its size is copied.
fn parse(sealed: &[u8]) -> Result<Sealed<'_>, CryptoError> {
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
    let mut text = second_body;
    let config = Config::try_from_reader(&mut text).map_err(refused)?;
    let Config::V2 { sym_alg: CIPHER, aead: MODE, chunk_size: CHUNK, salt } = config else {
        return Err(CryptoError);
    };
    let mut head = Vec::new();
    session.to_writer_with_header(&mut head).map_err(refused)?;
    data_head(second_body.len(), &config, &mut head)?;
    let is_canonical = sealed.starts_with(&head) && sealed.len() == head.len() + text.len();
    if is_canonical { Ok(Sealed { session, salt, text }) } else { Err(CryptoError) }
}

/// What is encrypted in `text`, in one buffer that is wiped.
fn decrypt(session: &[u8], salt: &[u8; 32], text: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if session.len() != CIPHER.key_size() {
        return Err(CryptoError);
    }
    let mut decryptor =
        StreamDecryptor::new_rfc9580(CIPHER, MODE, CHUNK, salt, session, text).map_err(refused)?;
    let mut inner = Zeroizing::new(Vec::with_capacity(text.len()));
    loop {
        let chunk = decryptor.fill_buf().map_err(refused)?;
        if chunk.is_empty() {
            return Ok(inner);
        }
        inner.extend_from_slice(chunk);
        let length = chunk.len();
        decryptor.consume(length);
    }
}

/// Opens what [`seal`] made for `key`.
pub(crate) fn open(key: &SignedSecretKey, sealed: &[u8]) -> Result<Secret, CryptoError> {
    let Sealed { session, salt, text } = parse(sealed)?;
    let PublicKeyEncryptedSessionKey::V6 {
        fingerprint: None,
        pk_algo: PublicKeyAlgorithm::X25519,
        values,
        ..
    } = session
    else {
        return Err(CryptoError);
    };
    let recipient = &key.secret_subkeys.first().ok_or(CryptoError)?.key;
    let opened = recipient.decrypt(&Password::empty(), &values, EskType::V6).map_err(refused)?;
    let PlainSessionKey::V6 { key: ref session } = opened.map_err(refused)? else {
        return Err(CryptoError);
    };
    let inner = decrypt(session.as_ref(), &salt, text)?;
    let start = content_start(&inner)?;
    unpad(inner, start)
}
