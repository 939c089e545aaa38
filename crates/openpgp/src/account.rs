//! Account keys: the one this program makes (Autocrypt Level 1: version 4, Ed25519 and Curve25519, five packets), and any
//! other that a person brings along.

use bytes::Bytes;
use pgp::{
    composed::{KeyType, SignedKeyDetails, SignedSecretKey, SignedSecretSubKey},
    crypto::{ecc_curve::ECCCurve, hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    packet::{
        Features, KeyFlags, PacketTrait, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey,
        SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
    },
    ser::Serialize,
    types::{KeyDetails, KeyVersion, Password, Timestamp},
};
use rand_chacha_03::ChaCha20Rng;
use sma_core::{AccountKey, CryptoError, Fingerprint, Secret};
use zeroize::Zeroizing;

use crate::{
    certificate,
    packets::{refused, seconds},
    seeded,
    transferable::{Refusal, Transferable},
};

/// The largest public key that goes into an `Autocrypt` header, in octets.
pub(crate) const PUBLIC_MAX: usize = 10 << 10;

/// The longest address, in octets (RFC 5321 section 4.5.3.1.3 without the brackets).
const ADDRESS_MAX: usize = 254;

/// The user id of an address, which is the address in angle brackets.
fn user_id(address: &str) -> Result<String, CryptoError> {
    let bad = |c: char| c.is_control() || c == '<' || c == '>';
    let good = address.len() <= ADDRESS_MAX && address.contains('@') && !address.contains(bad);
    if good { Ok(format!("<{address}>")) } else { Err(CryptoError) }
}

/// A version 4 signature's frame, to be filled with subpackets.
pub(crate) fn signature(
    typ: SignatureType,
    key: &SecretKey,
    created: Timestamp,
) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = vec![
        Subpacket::critical(SubpacketData::SignatureCreationTime(created))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(config)
}

/// What the self-signature says of the key. Version 2 encryption is not claimed: GnuPG does not read it.
fn preferences() -> pgp::errors::Result<[Subpacket; 5]> {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut features = Features::default();
    features.set_seipd_v1(true);
    let ciphers = [SymmetricKeyAlgorithm::AES256].into_iter().collect();
    let hashes = [HashAlgorithm::Sha256].into_iter().collect();
    Ok([
        Subpacket::critical(SubpacketData::KeyFlags(flags))?,
        Subpacket::regular(SubpacketData::Features(features))?,
        Subpacket::regular(SubpacketData::PreferredSymmetricAlgorithms(ciphers))?,
        Subpacket::regular(SubpacketData::PreferredHashAlgorithms(hashes))?,
        Subpacket::regular(SubpacketData::IsPrimary(true))?,
    ])
}

fn generate(
    rng: &mut ChaCha20Rng,
    user_id: &str,
    created: Timestamp,
) -> pgp::errors::Result<SignedSecretKey> {
    let inner =
        |kind: &KeyType, public| PubKeyInner::new(KeyVersion::V4, kind.to_alg(), created, None, public);
    let (signing, encrypting) = (KeyType::Ed25519Legacy, KeyType::ECDH(ECCCurve::Curve25519Legacy));
    let (public, secret) = signing.generate(&mut *rng)?;
    let primary = SecretKey::new(PublicKey::from_inner(inner(&signing, public)?)?, secret)?;
    let (public, secret) = encrypting.generate(&mut *rng)?;
    let subkey = SecretSubkey::new(PublicSubkey::from_inner(inner(&encrypting, public)?)?, secret)?;

    let id = UserId::from_str(Default::default(), user_id)?;
    let mut itself = signature(SignatureType::CertPositive, &primary, created)?;
    itself.hashed_subpackets.extend(preferences()?);
    let itself =
        itself.sign_certification(&primary, primary.public_key(), &Password::empty(), id.tag(), &id)?;

    let mut flags = KeyFlags::default();
    flags.set_encrypt_comms(true);
    flags.set_encrypt_storage(true);
    let mut binding = signature(SignatureType::SubkeyBinding, &primary, created)?;
    binding.hashed_subpackets.push(Subpacket::critical(SubpacketData::KeyFlags(flags))?);
    let binding = binding.sign_subkey_binding(
        &primary,
        primary.public_key(),
        &Password::empty(),
        subkey.public_key(),
    )?;

    let details = SignedKeyDetails::new(vec![], vec![], vec![id.into_signed(itself)], vec![]);
    let subkey = SignedSecretSubKey::new(subkey, vec![binding]);
    Ok(SignedSecretKey::new(primary, details, vec![], vec![subkey]))
}

/// Writes a secret key, so that no copy stays behind.
pub(crate) fn write(key: &SignedSecretKey) -> Result<Secret, CryptoError> {
    let mut octets = Zeroizing::new(Vec::with_capacity(key.write_len()));
    key.to_writer(&mut *octets).map_err(refused)?;
    Ok(Secret::new(std::mem::take(&mut *octets)))
}

/// Makes an account key.
pub(crate) fn generate_key(
    address: &str,
    seed: &[u8; 32],
    now: sma_core::Timestamp,
) -> Result<AccountKey, CryptoError> {
    let key = generate(&mut seeded::rng(seed), &user_id(address)?, seconds(now)?).map_err(refused)?;
    let public = key.to_public_key().to_bytes().map_err(refused)?;
    describe(&key.primary_key, write(&key)?, public.into())
}

fn describe(key: &impl KeyDetails, secret: Secret, public: Bytes) -> Result<AccountKey, CryptoError> {
    let fingerprint = Fingerprint::new(key.fingerprint().as_bytes()).ok_or(CryptoError)?;
    let created = sma_core::Timestamp::from_secs(u64::from(key.created_at().as_secs()));
    Ok(AccountKey { secret, public, fingerprint, created })
}

/// Reads an account's secret key, which stays as it is.
pub(crate) fn read(secret: &Secret) -> Result<AccountKey, Refusal> {
    let key = Transferable::read(secret.expose())?;
    if key.is_protected {
        return Err(Refusal::Protected);
    }
    let public = certificate::public(&key)?;
    Ok(describe(&key.public.primary_key, secret.clone(), public)?)
}
