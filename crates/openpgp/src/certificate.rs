//! The public part of an account's secret key as it is kept: the primary key, one user id, the subkeys, and of their signatures those that
//! are the primary's own and hold. What of it goes into a header is chosen in `minimal`, whether it can be used in `usable`.

use bytes::Bytes;
use pgp::{
    composed::{SignedKeyDetails, SignedPublicKey, SignedPublicSubKey},
    packet::{PublicKey, PublicSubkey, Signature, SignatureType, SubpacketType},
    ser::Serialize,
    types::{
        Duration, EcdhPublicParams, EddsaLegacyPublicParams, KeyDetails, PublicParams, SignedUser, Tag,
        Timestamp,
    },
};
use sma_core::CryptoError;

use crate::{
    account::PUBLIC_MAX,
    packets::{refused, split},
    transferable::{self, Refusal, Transferable},
};

/// Whether rPGP can check signatures of a key with these parameters.
pub(crate) fn can_verify(params: &PublicParams) -> bool {
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

/// Whether a signature is the key's own: it holds, or, where this program cannot check it, it says so. What is chosen by the latter is never encrypted
/// to here; it decides what of a key that is carried along goes into a header.
pub(crate) fn is_own(primary: &PublicKey, signature: &Signature, holds: impl FnOnce() -> bool) -> bool {
    if can_verify(primary.public_params()) {
        return holds();
    }
    let (fingerprint, id) = (primary.fingerprint(), primary.legacy_key_id());
    signature.issuer_fingerprint().contains(&&fingerprint) || signature.issuer_key_id().contains(&&id)
}

/// Whether rPGP can encrypt to a key with these parameters.
pub(crate) fn can_encrypt(params: &PublicParams) -> bool {
    match params {
        PublicParams::RSA(_) | PublicParams::X25519(_) | PublicParams::X448(_) => true,
        PublicParams::ECDH(params) => matches!(
            params,
            EcdhPublicParams::Curve25519Legacy { .. }
                | EcdhPublicParams::P256 { .. }
                | EcdhPublicParams::P384 { .. }
                | EcdhPublicParams::P521 { .. }
        ),
        PublicParams::DSA(_)
        | PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_)
        | PublicParams::Elgamal(_)
        | PublicParams::Unknown { .. } => false,
    }
}

/// Whether what was made at `created` to live so long (0: for ever) lives at `at`, in seconds since 1970.
pub(crate) fn lives(created: Timestamp, lifetime: Option<Duration>, at: u64) -> bool {
    let created = u64::from(created.as_secs());
    let lifetime = lifetime.map_or(0, |lifetime| u64::from(lifetime.as_secs()));
    created <= at && (lifetime == 0 || at < created + lifetime)
}

/// Whether a signature counts at this time; without a time each does.
fn counts(signature: &Signature, at: Option<u64>) -> bool {
    let lives = |at| {
        signature.created().is_some_and(|created| lives(created, signature.signature_expiration_time(), at))
    };
    at.is_none_or(lives)
}

/// The newest of `signatures` that counts at this time and holds; the first of equally new ones.
pub(crate) fn newest(
    signatures: &[Signature],
    at: Option<u64>,
    holds: impl Fn(&Signature) -> bool,
) -> Option<Signature> {
    let good = signatures.iter().filter(|signature| counts(signature, at) && holds(signature));
    good.rev().max_by_key(|signature| signature.created()).cloned()
}

pub(crate) fn is_type(signature: &Signature, typ: SignatureType) -> bool {
    signature.typ() == Some(typ)
}

/// The user ids that the key itself signed, each with its newest signature. One that was revoked counts again from when it was signed anew.
pub(crate) fn users(primary: &PublicKey, users: &[SignedUser], at: Option<u64>) -> Vec<SignedUser> {
    let good = |user: &SignedUser| {
        let own = |s: &Signature| {
            is_own(primary, s, || s.verify_certification(primary, Tag::UserId, &user.id).is_ok())
        };
        let is_revocation = |s: &Signature| is_type(s, SignatureType::CertRevocation);
        let revoked = newest(&user.signatures, None, |s| is_revocation(s) && own(s));
        let signature = newest(&user.signatures, at, |s| !is_revocation(s) && own(s))?;
        let stands = revoked.is_none_or(|revoked| revoked.created() < signature.created());
        stands.then(|| SignedUser::new(user.id.clone(), vec![signature]))
    };
    users.iter().filter_map(good).collect()
}

/// The user id that is marked as primary, else the first.
pub(crate) fn foremost(users: &[SignedUser]) -> Option<&SignedUser> {
    users.iter().find(|user| user.is_primary()).or_else(|| users.first())
}

/// The subkey with its newest binding, whether or not it was revoked since.
pub(crate) fn bound(
    primary: &PublicKey,
    subkey: &SignedPublicSubKey,
    at: Option<u64>,
) -> Option<SignedPublicSubKey> {
    let own = |s: &Signature| is_own(primary, s, || s.verify_subkey_binding(primary, &subkey.key).is_ok());
    let binding = newest(&subkey.signatures, at, |s| is_type(s, SignatureType::SubkeyBinding) && own(s))?;
    let bound = SignedPublicSubKey::new(subkey.key.clone(), vec![binding]);
    // Checks a signing subkey's signature over the primary as well.
    let holds = !can_verify(primary.public_params()) || bound.verify_bindings(primary).is_ok();
    holds.then_some(bound)
}

/// The signatures with which the key revoked a subkey.
pub(crate) fn revocations<'a>(
    primary: &PublicKey,
    key: &PublicSubkey,
    signatures: &'a [Signature],
) -> impl Iterator<Item = &'a Signature> {
    let own = |s: &Signature| is_own(primary, s, || s.verify_subkey_binding(primary, key).is_ok());
    signatures.iter().filter(move |s| is_type(s, SignatureType::SubkeyRevocation) && own(s))
}

/// The subkey with its newest binding; none if it was revoked.
pub(crate) fn subkey(
    primary: &PublicKey,
    subkey: &SignedPublicSubKey,
    at: Option<u64>,
) -> Option<SignedPublicSubKey> {
    let is_revoked = revocations(primary, &subkey.key, &subkey.signatures).next().is_some();
    bound(primary, subkey, at).filter(|_| !is_revoked)
}

/// Whether a signature over a key lets it encrypt; without flags, as in old keys, it may what it can. What an algorithm can that is
/// not known is what the flags say.
pub(crate) fn lets_encrypt(signature: &Signature, key: &impl KeyDetails) -> bool {
    let flags = signature.key_flags();
    let has_flags =
        signature.config().is_some_and(|c| c.hashed_subpackets().any(|s| s.typ() == SubpacketType::KeyFlags));
    let is_let = !has_flags || flags.encrypt_comms() || flags.encrypt_storage();
    let is_unknown = matches!(key.public_params(), PublicParams::Unknown { .. });
    is_let && (key.algorithm().can_encrypt() || is_unknown && has_flags)
}

pub(crate) fn encrypts(subkey: &SignedPublicSubKey) -> bool {
    subkey.signatures.iter().any(|signature| lets_encrypt(signature, &subkey.key))
}

/// Whether the primary key's own signatures let it encrypt.
pub(crate) fn primary_encrypts(key: &SignedPublicKey) -> bool {
    own_signatures(&key.details).any(|signature| lets_encrypt(signature, &key.primary_key))
}

/// The signatures of a key over itself, those over user ids first: what they say goes before what a direct one says.
pub(crate) fn own_signatures(details: &SignedKeyDetails) -> impl Iterator<Item = &Signature> {
    details.users.iter().flat_map(|user| &user.signatures).chain(&details.direct_signatures)
}

/// The primary key with its newest signatures over itself: a direct one, and that over the user id that `choose` takes. With a time, in
/// seconds since 1970, only signatures count that were made by then and are not at their end. `None` if there is none at all: whoever
/// made this certificate does not hold the key.
pub(crate) fn signed(
    key: &SignedPublicKey,
    at: Option<u64>,
    choose: impl Fn(&[SignedUser]) -> Option<&SignedUser>,
) -> Option<SignedPublicKey> {
    let primary = &key.primary_key;
    let own = |s: &Signature| is_own(primary, s, || s.verify_key(primary).is_ok());
    let direct = newest(&key.details.direct_signatures, at, own);
    let revocations = newest(&key.details.revocation_signatures, None, own);
    let users = users(primary, &key.details.users, at);
    let details = SignedKeyDetails::new(
        revocations.into_iter().collect(),
        direct.into_iter().collect(),
        choose(&users).cloned().into_iter().collect(),
        vec![],
    );
    let is_signed = own_signatures(&details).count() > 0;
    is_signed.then(|| SignedPublicKey::new(primary.clone(), details, vec![]))
}

/// Keeps what is needed of a key whose signatures can be checked, of whatever time.
fn checked(key: &SignedPublicKey) -> Result<SignedPublicKey, Refusal> {
    let mut kept = signed(key, None, foremost).ok_or(Refusal::Malformed)?;
    let primary = &key.primary_key;
    kept.public_subkeys = key.public_subkeys.iter().filter_map(|s| subkey(primary, s, None)).collect();
    if primary_encrypts(&kept) || kept.public_subkeys.iter().any(encrypts) {
        return Ok(kept);
    }
    let did =
        key.public_subkeys.iter().filter_map(|subkey| bound(primary, subkey, None)).any(|s| encrypts(&s));
    Err(if did { Refusal::SubkeyRevoked } else { Refusal::NothingEncrypts })
}

/// Whether a subkey encrypts that is bound to the key and not revoked, of whatever time.
pub(crate) fn has_encrypting_subkey(key: &SignedPublicKey) -> bool {
    key.public_subkeys.iter().filter_map(|s| subkey(&key.primary_key, s, None)).any(|s| encrypts(&s))
}

/// The public part; at most [`PUBLIC_MAX`] octets: without the subkeys that only sign, and then without the oldest, if they do not fit.
/// Of a key that rPGP cannot check it is everything, and so it is of one that only a subkey of another version lets encrypt.
pub(crate) fn public(key: &Transferable) -> Result<Bytes, Refusal> {
    if !can_verify(key.public.public_params()) {
        return bounded(key.octets.clone());
    }
    let mut public = match checked(&key.public) {
        Err(Refusal::NothingEncrypts | Refusal::SubkeyRevoked) if !key.skipped.is_empty() => {
            return bounded(key.octets.clone());
        }
        // A subkey that is not known might be the one that encrypts.
        Err(Refusal::NothingEncrypts | Refusal::SubkeyRevoked) if key.lacks_a_subkey => {
            return Err(Refusal::Unknown);
        }
        public => public?,
    };
    if public.write_len() > PUBLIC_MAX {
        public.public_subkeys.retain(encrypts);
        public.public_subkeys.sort_by_key(KeyDetails::created_at);
    }
    while public.write_len() > PUBLIC_MAX && public.public_subkeys.len() > 1 {
        public.public_subkeys.remove(0);
    }
    bounded(with_current_headers(&public.to_bytes().map_err(refused)?)?)
}

fn bounded(octets: Vec<u8>) -> Result<Bytes, Refusal> {
    if octets.len() > PUBLIC_MAX { Err(Refusal::TooLarge) } else { Ok(octets.into()) }
}

/// The same packets with headers of the current format, so that a key has one public form whoever wrote it.
pub(crate) fn with_current_headers(octets: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut written = Vec::with_capacity(octets.len());
    for (header, body) in split(octets)? {
        transferable::write(header.tag(), body, &mut written)?;
    }
    Ok(written)
}

/// Whether the key's owner revoked it.
pub(crate) fn is_revoked(key: &SignedPublicKey) -> bool {
    let primary = &key.primary_key;
    let own = |s: &Signature| is_own(primary, s, || s.verify_key(primary).is_ok());
    key.details.revocation_signatures.iter().any(own)
}

/// How long the key says it lives, after [`signed`] chose its signatures.
pub(crate) fn lifetime(key: &SignedPublicKey) -> Option<Duration> {
    own_signatures(&key.details).find_map(Signature::key_expiration_time)
}

/// When the key says it ends, in seconds since 1970; `None` if it does not.
pub(crate) fn expires(key: &SignedPublicKey) -> Option<u64> {
    let signed = signed(key, None, foremost);
    let lifetime = u64::from(lifetime(signed.as_ref().unwrap_or(key))?.as_secs());
    (lifetime > 0).then(|| u64::from(key.created_at().as_secs()) + lifetime)
}

#[cfg(test)]
mod tests {
    use pgp::{
        composed::{Deserializable, SignedSecretKey, SignedSecretSubKey},
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

    fn public(key: &SignedSecretKey) -> Result<Bytes, Refusal> {
        super::public(&Transferable::read(account::write(key).unwrap().expose())?)
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
        assert!(!is_revoked(&key.to_public_key()));
    }
}
