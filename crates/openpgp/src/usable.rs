//! Whether mail can be encrypted to a key at a time, and why not.

use pgp::{
    composed::{SignedPublicKey, SignedPublicSubKey},
    packet::Signature,
    types::KeyDetails,
};
use sma_core::Timestamp;

use crate::{
    certificate::{
        bound, can_encrypt, can_verify, encrypts, foremost, is_revoked, lifetime, lives, primary_encrypts,
        revocations, signed,
    },
    read::{self, Certificate},
    transferable::Refusal,
};

/// Why mail cannot be encrypted to a key. Of several reasons it is the one that is the easiest to mend.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read, or has no signature of its own that counts.
    #[error("this is no key, or a damaged one")]
    NotAKey,
    /// Its owner revoked it.
    #[error("the key is revoked")]
    Revoked,
    /// What encrypts, or signs for it, is of an algorithm that is not known here. Other programs may be able to use it.
    #[error("the key is of an algorithm that this program does not know")]
    UnknownAlgorithm,
    /// It, or what encrypts, begins to live then.
    #[error("the key is from the future")]
    NotYet(Timestamp),
    /// It ended then.
    #[error("the key has ended")]
    Ended(Timestamp),
    /// All of its subkeys that encrypt ended, the last one then.
    #[error("the subkey that encrypts has ended")]
    SubkeyEnded(Timestamp),
    /// All of its subkeys that encrypt were revoked.
    #[error("the subkey that encrypts is revoked")]
    SubkeyRevoked,
    /// It has no part that encrypts.
    #[error("the key has nothing that encrypts")]
    NothingEncrypts,
}

/// What a part that encrypts is worth, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Usable,
    Unknown,
    NotYet(u64),
    /// The latest end is the least.
    Ended(std::cmp::Reverse<u64>),
    Revoked,
}

/// The same of a key as it stands in a header.
pub(crate) fn unusable_octets(public: &[u8], now: u64) -> Option<Unusable> {
    match read::certificate(public) {
        Ok(Certificate { key, skipped }) => unusable_with(&key, &skipped, now),
        Err(Refusal::Unknown | Refusal::LibrePgp) => Some(Unusable::UnknownAlgorithm),
        Err(_) => Some(Unusable::NotAKey),
    }
}

/// The same of a key some subkeys of which rPGP does not read: one of them may encrypt.
pub(crate) fn unusable_with(key: &SignedPublicKey, skipped: &[Vec<u8>], now: u64) -> Option<Unusable> {
    match unusable(key, now) {
        Some(Unusable::NothingEncrypts | Unusable::SubkeyEnded(_) | Unusable::SubkeyRevoked)
            if !skipped.is_empty() =>
        {
            Some(Unusable::UnknownAlgorithm)
        }
        why => why,
    }
}

/// Why mail cannot be encrypted to the key at this time, in seconds since 1970. A revocation counts whenever it was made.
pub(crate) fn unusable(key: &SignedPublicKey, now: u64) -> Option<Unusable> {
    if is_revoked(key) {
        return Some(Unusable::Revoked);
    }
    let is_known = can_verify(key.public_params());
    let created = u64::from(key.created_at().as_secs());
    if created > now {
        return Some(Unusable::NotYet(Timestamp::from_secs(created)));
    }
    let Some(signed) = signed(key, Some(now), foremost) else {
        return Some(if is_known { Unusable::NotAKey } else { Unusable::UnknownAlgorithm });
    };
    let lifetime = lifetime(&signed);
    if !lives(key.created_at(), lifetime, now) {
        return Some(Unusable::Ended(Timestamp::from_secs(created + seconds(lifetime))));
    }
    let primary = primary_encrypts(&signed)
        .then(|| if can_encrypt(key.public_params()) { Worth::Usable } else { Worth::Unknown });
    let subkeys = key.public_subkeys.iter().filter_map(|subkey| worth(key, subkey, now));
    let best = subkeys.chain(primary).min();
    match best {
        Some(Worth::Usable) if is_known => None,
        Some(Worth::Usable | Worth::Unknown) => Some(Unusable::UnknownAlgorithm),
        Some(Worth::NotYet(at)) => Some(Unusable::NotYet(Timestamp::from_secs(at))),
        Some(Worth::Ended(at)) => Some(Unusable::SubkeyEnded(Timestamp::from_secs(at.0))),
        Some(Worth::Revoked) => Some(Unusable::SubkeyRevoked),
        None if is_known => Some(Unusable::NothingEncrypts),
        None => Some(Unusable::UnknownAlgorithm),
    }
}

fn seconds(lifetime: Option<pgp::types::Duration>) -> u64 {
    lifetime.map_or(0, |lifetime| u64::from(lifetime.as_secs()))
}

/// What a subkey is worth; nothing if it does not encrypt or is not bound to the key.
fn worth(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> Option<Worth> {
    let primary = &key.primary_key;
    let by_now = bound(primary, subkey, Some(now));
    let any = by_now.clone().or_else(|| bound(primary, subkey, None)).filter(encrypts)?;
    if revocations(primary, &subkey.key, &subkey.signatures).next().is_some() {
        return Some(Worth::Revoked);
    }
    let created = u64::from(subkey.created_at().as_secs());
    let lifetime = any.signatures.iter().find_map(Signature::key_expiration_time);
    let made = any.signatures.iter().find_map(Signature::created).map_or(0, |at| u64::from(at.as_secs()));
    Some(if created > now || by_now.is_none() {
        Worth::NotYet(created.max(made))
    } else if !lives(subkey.created_at(), lifetime, now) {
        Worth::Ended(std::cmp::Reverse(created + seconds(lifetime)))
    } else if can_encrypt(subkey.public_params()) {
        Worth::Usable
    } else {
        Worth::Unknown
    })
}

/// Whether a subkey can be put into a header at this time: it encrypts and lives. `Some(true)` if this program itself can use it.
pub(crate) fn is_current(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> Option<bool> {
    match worth(key, subkey, now)? {
        Worth::Usable => Some(true),
        Worth::Unknown => Some(false),
        Worth::NotYet(_) | Worth::Ended(_) | Worth::Revoked => None,
    }
}
