//! Sealing for one device: an anonymous version 6 session key packet and AES-256 in OCB (SEIPD version 2, RFC 9580 section
//! 5.13.2) over one literal packet whose content is padded. Nothing is ever compressed.

use bytes::Bytes;
use pgp::{
    composed::PlainSessionKey,
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
    device,
    packets::{refused, split},
    padding::{pad, unpad},
    seeded,
};

/// The largest content that is sealed, in octets.
pub(crate) const PLAIN_MAX: usize = 1 << 20;

/// The largest sealed message that is looked at, in octets: the largest content, its padding, and the packets around it.
pub(crate) const SEALED_MAX: usize = PLAIN_MAX + (1 << 16);

const CIPHER: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES256;
const MODE: AeadAlgorithm = AeadAlgorithm::Ocb;
const CHUNK: ChunkSize = ChunkSize::C4KiB;

/// The literal packet around a padded content: binary, no file name, no date.
fn literal(padded: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let inner = LiteralDataHeader::new(DataMode::Binary);
    let length = u32::try_from(inner.write_len() + padded.len()).map_err(refused)?;
    let outer = PacketHeader::new_fixed(Tag::LiteralData, length);
    let mut packet = Zeroizing::new(Vec::with_capacity(outer.write_len() + inner.write_len() + padded.len()));
    outer.to_writer(&mut *packet).map_err(refused)?;
    inner.to_writer(&mut *packet).map_err(refused)?;
    packet.extend_from_slice(padded);
    Ok(packet)
}

/// Seals `plain` for the device of `certificate`.
pub(crate) fn seal(certificate: &[u8], plain: &[u8], seed: &[u8; 32]) -> Result<Bytes, CryptoError> {
    if plain.len() > PLAIN_MAX {
        return Err(CryptoError);
    }
    let recipient = device::recipient(certificate)?;
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
        &literal(&pad(plain)?)?,
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
pub(crate) fn open(key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
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
    let key = device::secret(key)?;
    let recipient = &key.secret_subkeys.first().ok_or(CryptoError)?.key;
    let opened = recipient.decrypt(&Password::empty(), &values, EskType::V6).map_err(refused)?;
    let PlainSessionKey::V6 { key: ref session } = opened.map_err(refused)? else {
        return Err(CryptoError);
    };
    let inner = data.decrypt(session.as_ref(), None, Seipdv1ReadMode::default()).map_err(refused)?;
    let inner = Zeroizing::new(inner);
    let [(header, body)] = split(&inner)?[..] else {
        return Err(CryptoError);
    };
    let mut content = body;
    let literal_header = LiteralDataHeader::try_from_reader(&mut content).map_err(refused)?;
    if header.tag() != Tag::LiteralData || literal_header != LiteralDataHeader::new(DataMode::Binary) {
        return Err(CryptoError);
    }
    let mut outer = Vec::new();
    header.to_writer(&mut outer).map_err(refused)?;
    if *literal(content)? != *inner {
        return Err(CryptoError);
    }
    unpad(content)
}
