//! The public part of an account's secret key, as small as Autocrypt Level 1 wants it: the primary key, one user id, the
//! subkeys, and of their signatures those that are the primary's own and hold.

use bytes::Bytes;
use pgp::{
    composed::{SignedKeyDetails, SignedPublicKey, SignedPublicSubKey, SignedSecretKey},
    crypto::public_key::PublicKeyAlgorithm,
    packet::{PacketHeader, PublicKey, Signature, SignatureType, SubpacketType},
    ser::Serialize,
    types::{EddsaLegacyPublicParams, KeyDetails, PublicParams, SignedUser, Tag},
};
use sma_core::CryptoError;

use crate::{
    account::PUBLIC_MAX,
    packets::{refused, split},
};

/// Whether rPGP can check signatures of a key with these parameters.
fn can_verify(params: &PublicParams) -> bool {
    match params {
        PublicParams::Unknown { .. } => false,
        PublicParams::ECDSA(params) => params.is_supported(),
        PublicParams::EdDSALegacy(params) => matches!(params, EddsaLegacyPublicParams::Ed25519 { .. }),
        PublicParams::RSA(_)
        | PublicParams::DSA(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::ECDH(_)
        | PublicParams::Elgamal(_)
        | PublicParams::X25519(_)
        | PublicParams::X448(_) => true,
    }
}

/// The newest of `signatures` that holds; the first of equally new ones.
fn newest(signatures: &[Signature], holds: impl Fn(&Signature) -> bool) -> Option<Signature> {
    let good = signatures.iter().filter(|signature| holds(signature));
    good.rev().max_by_key(|signature| signature.created()).cloned()
}

fn is_type(signature: &Signature, typ: SignatureType) -> bool {
    signature.typ() == Some(typ)
}

/// The user id that is marked as primary, else the first; revoked ones do not count.
fn user(primary: &PublicKey, users: &[SignedUser]) -> Option<SignedUser> {
    let mut first = None;
    for user in users {
        let own = |s: &Signature| s.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let revoked = |s: &Signature| is_type(s, SignatureType::CertRevocation) && own(s);
        if user.signatures.iter().any(revoked) {
            continue;
        }
        let Some(signature) = newest(&user.signatures, own) else {
            continue;
        };
        let found = SignedUser::new(user.id.clone(), vec![signature]);
        if found.is_primary() {
            return Some(found);
        }
        first.get_or_insert(found);
    }
    first
}

/// The subkey with its newest binding; none if it was revoked.
fn subkey(primary: &PublicKey, subkey: &SignedPublicSubKey) -> Option<SignedPublicSubKey> {
    let own = |s: &Signature| s.verify_subkey_binding(primary, &subkey.key).is_ok();
    let binding = newest(&subkey.signatures, |s| is_type(s, SignatureType::SubkeyBinding) && own(s))?;
    let kept = SignedPublicSubKey::new(subkey.key.clone(), vec![binding]);
    // Checks a signing subkey's signature over the primary as well.
    kept.verify_bindings(primary).ok()?;
    let revoked = subkey.signatures.iter().any(|s| is_type(s, SignatureType::SubkeyRevocation) && own(s));
    (!revoked).then_some(kept)
}

/// Whether a signature over a key of this algorithm lets it encrypt; without flags, as in old keys, it may what it can.
fn lets_encrypt(signature: &Signature, algorithm: PublicKeyAlgorithm) -> bool {
    let flags = signature.key_flags();
    let has_flags =
        signature.config().is_some_and(|c| c.hashed_subpackets().any(|s| s.typ() == SubpacketType::KeyFlags));
    let is_let = !has_flags || flags.encrypt_comms() || flags.encrypt_storage();
    is_let && algorithm.can_encrypt()
}

fn encrypts(subkey: &SignedPublicSubKey) -> bool {
    subkey.signatures.iter().any(|signature| lets_encrypt(signature, subkey.algorithm()))
}

/// Keeps what Autocrypt needs of a key whose signatures can be checked.
fn checked(key: &SignedPublicKey) -> Result<SignedPublicKey, CryptoError> {
    let primary = &key.primary_key;
    let own = |s: &Signature| s.verify_key(primary).is_ok();
    let direct = newest(&key.details.direct_signatures, own);
    let revocations = newest(&key.details.revocation_signatures, own);
    let user = user(primary, &key.details.users);
    let subkeys: Vec<_> = key.public_subkeys.iter().filter_map(|s| subkey(primary, s)).collect();
    let itself = direct.iter().chain(user.iter().flat_map(|user| &user.signatures));
    let primary_encrypts = itself.clone().any(|s| lets_encrypt(s, primary.algorithm()));
    // No signature of its own at all: whoever made this certificate does not hold the key.
    let is_bound = itself.count() > 0;
    if !is_bound || !(primary_encrypts || subkeys.iter().any(encrypts)) {
        return Err(CryptoError);
    }
    let details = SignedKeyDetails::new(
        revocations.into_iter().collect(),
        direct.into_iter().collect(),
        user.into_iter().collect(),
        vec![],
    );
    Ok(SignedPublicKey::new(primary.clone(), details, subkeys))
}

/// The public part; at most [`PUBLIC_MAX`] octets, without the subkeys that only sign if they do not fit. Of a key that
/// rPGP cannot check it is everything.
pub(crate) fn public(key: &SignedSecretKey) -> Result<Bytes, CryptoError> {
    let whole = key.to_public_key();
    let mut public = if can_verify(whole.public_params()) { checked(&whole)? } else { whole };
    if public.write_len() > PUBLIC_MAX {
        public.public_subkeys.retain(encrypts);
    }
    let octets = with_current_headers(&public.to_bytes().map_err(refused)?)?;
    if octets.len() > PUBLIC_MAX { Err(CryptoError) } else { Ok(octets.into()) }
}

/// The same packets with headers of the current format, so that a key has one public form whoever wrote it.
fn with_current_headers(octets: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut written = Vec::with_capacity(octets.len());
    for (header, body) in split(octets)? {
        let length = u32::try_from(body.len()).map_err(refused)?;
        PacketHeader::new_fixed(header.tag(), length).to_writer(&mut written).map_err(refused)?;
        written.extend_from_slice(body);
    }
    Ok(written)
}

/// Whether the key can be encrypted to at this time, in seconds since 1970.
pub(crate) fn is_usable(key: &SignedPublicKey, now: u64) -> bool {
    let revoked = key.details.revocation_signatures.iter().any(|s| s.verify_key(&key.primary_key).is_ok());
    let ended = expires(key).is_some_and(|end| end <= now);
    !revoked && !ended && can_verify(key.public_params()) && checked(key).is_ok()
}

/// Whether the key's owner revoked it.
pub(crate) fn is_revoked(key: &SignedSecretKey) -> bool {
    key.details.revocation_signatures.iter().any(|s| s.verify_key(key.primary_key.public_key()).is_ok())
}

/// When the key says it ends, in seconds since 1970; `None` if it does not.
pub(crate) fn expires(key: &SignedPublicKey) -> Option<u64> {
    let users = key.details.users.iter().flat_map(|user| &user.signatures);
    let lifetime =
        key.details.direct_signatures.iter().chain(users).find_map(Signature::key_expiration_time)?;
    let lifetime = u64::from(lifetime.as_secs());
    (lifetime > 0).then(|| u64::from(key.created_at().as_secs()) + lifetime)
}

#[cfg(test)]
mod tests {
    use pgp::{
        composed::{Deserializable, SignedSecretSubKey},
        packet::{KeyFlags, Subpacket, SubpacketData},
        types::Password,
    };
    use sma_core::Timestamp;

    use super::*;
    use crate::account;

    /// An account key whose subkey's binding has these flags.
    fn with_flags(flags: Option<KeyFlags>) -> SignedSecretKey {
        let key = account::generate_key("alice@example.org", &[4; 32], Timestamp::default()).unwrap();
        let mut key = SignedSecretKey::from_bytes(key.secret.expose()).unwrap();
        let (primary, subkey) = (&key.primary_key, &key.secret_subkeys[0].key);
        let mut binding =
            account::signature(SignatureType::SubkeyBinding, primary, primary.created_at()).unwrap();
        let flags = flags.map(|flags| Subpacket::critical(SubpacketData::KeyFlags(flags)).unwrap());
        binding.hashed_subpackets.extend(flags);
        let password = Password::empty();
        let binding =
            binding.sign_subkey_binding(primary, primary.public_key(), &password, subkey.public_key());
        key.secret_subkeys = vec![SignedSecretSubKey::new(subkey.clone(), vec![binding.unwrap()])];
        key
    }

    #[test]
    fn flags_decide_what_encrypts_and_the_algorithm_without_them() {
        let mut encrypting = KeyFlags::default();
        encrypting.set_encrypt_comms(true);
        assert!(public(&with_flags(Some(encrypting))).is_ok());
        assert!(public(&with_flags(Some(KeyFlags::default()))).is_err());
        assert!(public(&with_flags(None)).is_ok());
    }

    #[test]
    fn a_key_without_signatures_of_its_own_is_refused() {
        let mut key = with_flags(None);
        key.details.users.clear();
        assert!(public(&key).is_err(), "nothing says what the primary is");
        let mut key = with_flags(None);
        let other = account::generate_key("bob@example.org", &[5; 32], Timestamp::default()).unwrap();
        let other = SignedSecretKey::from_bytes(other.secret.expose()).unwrap();
        key.secret_subkeys = other.secret_subkeys;
        assert!(public(&key).is_err(), "the subkey is bound to another");
        assert!(!is_revoked(&key));
    }
}
