//! Device keys: OpenPGP version 6, an Ed25519 primary that certifies and signs, one X25519 subkey that encrypts, no user id
//! (RFC 9580 section 10.1.1). Four packets, each with one right form.

use bytes::Bytes;
use curve25519_dalek::{montgomery::MontgomeryPoint, scalar::Scalar, traits::IsIdentity};
use pgp::{
    composed::{
        Deserializable, KeyType, SignedKeyDetails, SignedPublicKey, SignedSecretKey, SignedSecretSubKey,
    },
    crypto::{
        aead::AeadAlgorithm, hash::HashAlgorithm, public_key::PublicKeyAlgorithm, sym::SymmetricKeyAlgorithm,
    },
    packet::{
        Features, KeyFlags, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey, Signature,
        SignatureConfig, SignatureType, Subpacket, SubpacketData, SubpacketType,
    },
    ser::Serialize,
    types::{KeyDetails, KeyVersion, Password, PublicParams, Tag, Timestamp},
};
use rand_chacha_03::ChaCha20Rng;
use sma_core::{CryptoError, DeviceKey, Fingerprint, Secret};
use zeroize::Zeroizing;

use crate::{
    packets::{canonical, has_only, refused, seconds, tags},
    seeded,
};

/// The largest certificate that is looked at, in octets; the profile's own size is below 600.
const CERTIFICATE_MAX: usize = 4096;

/// The subpackets of the direct-key signature, in order.
const PRIMARY: [SubpacketType; 5] = [
    SubpacketType::SignatureCreationTime,
    SubpacketType::IssuerFingerprint,
    SubpacketType::KeyFlags,
    SubpacketType::Features,
    SubpacketType::PreferredAead,
];

/// The subpackets of the subkey's binding, in order.
const SUBKEY: [SubpacketType; 3] =
    [SubpacketType::SignatureCreationTime, SubpacketType::IssuerFingerprint, SubpacketType::KeyFlags];

fn primary_flags() -> KeyFlags {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    flags
}

fn subkey_flags() -> KeyFlags {
    let mut flags = KeyFlags::default();
    flags.set_encrypt_comms(true);
    flags.set_encrypt_storage(true);
    flags
}

fn features() -> Features {
    let mut features = Features::default();
    features.set_seipd_v2(true);
    features
}

/// A version 6 signature's frame by a device key, to be filled with subpackets.
pub(crate) fn signature(
    rng: &mut ChaCha20Rng,
    typ: SignatureType,
    key: &SecretKey,
    created: Timestamp,
) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v6(rng, typ, PublicKeyAlgorithm::Ed25519, HashAlgorithm::Sha256)?;
    config.hashed_subpackets = vec![
        Subpacket::critical(SubpacketData::SignatureCreationTime(created))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    Ok(config)
}

fn generate(rng: &mut ChaCha20Rng, created: Timestamp) -> pgp::errors::Result<SignedSecretKey> {
    let (public, secret) = KeyType::Ed25519.generate(&mut *rng)?;
    let primary = SecretKey::new(PublicKey::from_inner(inner(&KeyType::Ed25519, created, public)?)?, secret)?;
    let subkey = generate_subkey(rng, created)?;

    let aead = [(SymmetricKeyAlgorithm::AES256, AeadAlgorithm::Ocb)].into_iter().collect();
    let mut direct = signature(rng, SignatureType::Key, &primary, created)?;
    direct.hashed_subpackets.extend([
        Subpacket::critical(SubpacketData::KeyFlags(primary_flags()))?,
        Subpacket::regular(SubpacketData::Features(features()))?,
        Subpacket::regular(SubpacketData::PreferredAeadAlgorithms(aead))?,
    ]);
    let direct = direct.sign_key(&primary, &Password::empty(), primary.public_key())?;

    let details = SignedKeyDetails::new(vec![], vec![direct], vec![], vec![]);
    let subkey = bind(rng, &primary, subkey, created)?;
    Ok(SignedSecretKey::new(primary, details, vec![], vec![subkey]))
}

fn inner(kind: &KeyType, created: Timestamp, public: PublicParams) -> pgp::errors::Result<PubKeyInner> {
    PubKeyInner::new(KeyVersion::V6, kind.to_alg(), created, None, public)
}

fn generate_subkey(rng: &mut ChaCha20Rng, created: Timestamp) -> pgp::errors::Result<SecretSubkey> {
    let (public, secret) = KeyType::X25519.generate(&mut *rng)?;
    SecretSubkey::new(PublicSubkey::from_inner(inner(&KeyType::X25519, created, public)?)?, secret)
}

/// Binds a subkey that encrypts to its primary key.
fn bind(
    rng: &mut ChaCha20Rng,
    primary: &SecretKey,
    subkey: SecretSubkey,
    created: Timestamp,
) -> pgp::errors::Result<SignedSecretSubKey> {
    let mut binding = signature(rng, SignatureType::SubkeyBinding, primary, created)?;
    binding.hashed_subpackets.push(Subpacket::critical(SubpacketData::KeyFlags(subkey_flags()))?);
    let binding = binding.sign_subkey_binding(
        primary,
        primary.public_key(),
        &Password::empty(),
        subkey.public_key(),
    )?;

    Ok(SignedSecretSubKey::new(subkey, vec![binding]))
}

/// Makes a device key.
pub(crate) fn generate_key(seed: &[u8; 32], now: sma_core::Timestamp) -> Result<DeviceKey, CryptoError> {
    write(&generate(&mut seeded::rng(seed), seconds(now)?).map_err(refused)?)
}

/// The same device key with another subkey in the place of its own. No subkey is older than its primary key.
pub(crate) fn renew(
    key: &Secret,
    seed: &[u8; 32],
    now: sma_core::Timestamp,
) -> Result<DeviceKey, CryptoError> {
    let mut key = secret(key)?;
    let created = seconds(now)?.max(key.created_at());
    let mut rng = seeded::rng(seed);
    let subkey = generate_subkey(&mut rng, created).map_err(refused)?;
    key.secret_subkeys = vec![bind(&mut rng, &key.primary_key, subkey, created).map_err(refused)?];
    write(&key)
}

fn write(key: &SignedSecretKey) -> Result<DeviceKey, CryptoError> {
    let mut secret = Zeroizing::new(Vec::with_capacity(key.write_len()));
    key.to_writer(&mut *secret).map_err(refused)?;
    let certificate = Bytes::from(key.to_public_key().to_bytes().map_err(refused)?);
    let fingerprint = Fingerprint::new(key.fingerprint().as_bytes()).ok_or(CryptoError)?;
    Ok(DeviceKey { secret: Secret::new(std::mem::take(&mut *secret)), certificate, fingerprint })
}

/// A signature of the profile: type, algorithms and subpackets.
fn plain_signature<'a>(
    signatures: &'a [Signature],
    typ: SignatureType,
    subpackets: &[SubpacketType],
) -> Result<&'a Signature, CryptoError> {
    let [signature] = signatures else {
        return Err(CryptoError);
    };
    let config = signature.config().ok_or(CryptoError)?;
    let right = config.typ == typ
        && config.pub_alg == PublicKeyAlgorithm::Ed25519
        && config.hash_alg == HashAlgorithm::Sha256
        && has_only(config, subpackets);
    right.then_some(signature).ok_or(CryptoError)
}

/// Whether both keys are of the profile's algorithms, with points outside the small subgroup, where signatures and shared
/// secrets can be guessed.
fn points_are_good(primary: &PublicParams, subkey: &PublicParams) -> bool {
    let (PublicParams::Ed25519(primary), PublicParams::X25519(subkey)) = (primary, subkey) else {
        return false;
    };
    let cleared = MontgomeryPoint(*subkey.key.as_bytes()) * Scalar::from(8_u8);
    !primary.key.is_weak() && !cleared.is_identity()
}

/// Reads a device certificate; its form is checked, its signatures are not.
fn read(certificate: &[u8]) -> Result<SignedPublicKey, CryptoError> {
    if certificate.len() > CERTIFICATE_MAX {
        return Err(CryptoError);
    }
    if tags(certificate)? != [Tag::PublicKey, Tag::Signature, Tag::PublicSubkey, Tag::Signature] {
        return Err(CryptoError);
    }
    let key = SignedPublicKey::from_bytes(certificate).map_err(refused)?;
    canonical(&key, certificate)?;
    let [subkey] = &key.public_subkeys[..] else {
        return Err(CryptoError);
    };
    let versions = [key.version(), subkey.version()] == [KeyVersion::V6; 2];
    if !versions || !points_are_good(key.public_params(), subkey.public_params()) {
        return Err(CryptoError);
    }
    let direct = plain_signature(&key.details.direct_signatures, SignatureType::Key, &PRIMARY)?;
    let binding = plain_signature(&subkey.signatures, SignatureType::SubkeyBinding, &SUBKEY)?;
    let flags = direct.key_flags() == primary_flags() && binding.key_flags() == subkey_flags();
    if flags && direct.features() == Some(&features()) { Ok(key) } else { Err(CryptoError) }
}

/// Reads a device certificate and checks its form and its signatures.
pub(crate) fn certificate(octets: &[u8]) -> Result<SignedPublicKey, CryptoError> {
    let key = read(octets)?;
    key.verify_bindings().map_err(refused)?;
    Ok(key)
}

/// Reads a device's own secret key. It comes from this program's own storage, so its signatures are not checked again.
pub(crate) fn secret(key: &Secret) -> Result<SignedSecretKey, CryptoError> {
    let octets = key.expose();
    if octets.len() > CERTIFICATE_MAX {
        return Err(CryptoError);
    }
    if tags(octets)? != [Tag::SecretKey, Tag::Signature, Tag::SecretSubkey, Tag::Signature] {
        return Err(CryptoError);
    }
    let key = SignedSecretKey::from_bytes(octets).map_err(refused)?;
    let right = key.version() == KeyVersion::V6
        && key.algorithm() == PublicKeyAlgorithm::Ed25519
        && key.secret_subkeys.iter().all(|s| s.algorithm() == PublicKeyAlgorithm::X25519);
    if right { Ok(key) } else { Err(CryptoError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_point_is_refused_by_its_form() {
        let [one, two] =
            [1, 2].map(|seed| generate_key(&[seed; 32], sma_core::Timestamp::default()).unwrap());
        let points = |certificate: &[u8]| {
            let key = read(certificate).unwrap();
            [key.public_params(), key.public_subkeys[0].public_params()].map(|p| p.to_bytes().unwrap())
        };
        for (ours, theirs) in points(&one.certificate).iter().zip(points(&two.certificate)) {
            let start = one.certificate.windows(32).position(|window| window == ours).unwrap();
            let mut changed = one.certificate.to_vec();
            changed[start..start + 32].copy_from_slice(&theirs);
            assert!(read(&changed).is_ok(), "the form is right");
            assert!(certificate(&changed).is_err(), "the signatures are not");
            changed[start..start + 32].fill(0);
            assert!(read(&changed).is_err(), "zero");
            changed[start] = 1;
            assert!(read(&changed).is_err(), "one");
        }
    }
}
