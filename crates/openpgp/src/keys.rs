//! Account keys at the edge of a program: read from a file, shown, exported under a password.

use pgp::{
    armor::BlockType,
    composed::{ArmorOptions, Deserializable, SignedPublicKey},
    types::{KeyDetails, Password, S2kParams, SecretParams, StringToKey, Tag},
};
use sma_core::{Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{
    account, certificate,
    packets::{Octets, tags},
    seeded,
    transferable::{Refusal, SECRET_MAX, Transferable, primaries},
};

/// Why a key was not imported. Nothing is changed by a refused import.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// The secret parts are under a password, and none was given: ask for it and try again.
    #[error("the key is protected: its password is needed")]
    PasswordNeeded,
    /// The password does not open the secret parts.
    #[error("the password is wrong")]
    WrongPassword,
    /// Not an OpenPGP secret key with an encryption-capable part of its own, or its secret parts are elsewhere.
    #[error("not a usable OpenPGP secret key")]
    NotAKey,
    /// Of a version or an algorithm that is not known here, in a form that does not say where its public part ends, or under a
    /// password that cannot be taken off here.
    #[error("the key is of a kind that this program does not know")]
    Unknown,
    /// More than 64 KiB unarmored, or a public part above 10 KiB.
    #[error("the key is too large")]
    TooLarge,
    /// More than one key: choose one when exporting.
    #[error("more than one key")]
    SeveralKeys,
    /// The key's owner revoked it.
    #[error("the key is revoked")]
    Revoked,
}

impl From<Refusal> for ImportError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => Self::NotAKey,
            Refusal::Unknown => Self::Unknown,
            Refusal::Protected => Self::PasswordNeeded,
            Refusal::TooLarge => Self::TooLarge,
        }
    }
}

/// Why a key was not exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExportError {
    /// What should be exported is not an account key.
    #[error("not an account key")]
    NotAKey,
    /// An empty password protects nothing.
    #[error("the password is empty")]
    EmptyPassword,
}

/// Takes the armor off, if there is any.
fn unarmored(key: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    // Armor costs a third, line ends and headers; a binary packet begins with a set bit.
    if key.len() > 2 * SECRET_MAX {
        return Err(ImportError::TooLarge);
    }
    if key.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(Zeroizing::new(key.to_vec()));
    }
    let text = std::str::from_utf8(key).map_err(|_| ImportError::NotAKey)?;
    const BEGIN: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----";
    match text.matches(BEGIN).count() {
        0 => return Err(ImportError::NotAKey),
        1 => {}
        _ => return Err(ImportError::SeveralKeys),
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(key.len()));
    let mut armor = pgp::armor::Dearmor::new(key);
    std::io::Read::read_to_end(&mut armor, &mut octets).map_err(|_| ImportError::NotAKey)?;
    Ok(octets)
}

/// Whether the secret parts are elsewhere, as GnuPG writes it for a primary key kept offline or on a card.
fn is_stub(params: &SecretParams) -> bool {
    let SecretParams::Encrypted(params) = params else {
        return false;
    };
    match params.string_to_key_params() {
        S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } | S2kParams::Aead { s2k, .. } => {
            matches!(s2k, StringToKey::Private { .. })
        }
        S2kParams::Unprotected | S2kParams::LegacyCfb { .. } => false,
    }
}

/// The same key without its password.
fn unlocked(octets: &[u8], password: Option<&Secret>) -> Result<Secret, ImportError> {
    let mut key = account::parse(octets)?;
    let subkeys = key.secret_subkeys.iter().map(|subkey| subkey.key.secret_params());
    if std::iter::once(key.primary_key.secret_params()).chain(subkeys).any(is_stub) {
        return Err(ImportError::NotAKey);
    }
    let password = Password::from(password.ok_or(ImportError::PasswordNeeded)?.expose());
    key.primary_key.remove_password(&password).map_err(|_| ImportError::WrongPassword)?;
    for subkey in &mut key.secret_subkeys {
        subkey.key.remove_password(&password).map_err(|_| ImportError::WrongPassword)?;
    }
    account::write(&key).map_err(|_| ImportError::NotAKey)
}

/// Reads a transferable secret key, armored or binary, and takes its password off. What it gives can be adopted as an
/// account key; without a password it is what was given, octet by octet. Algorithms need not be known: ask [`is_usable`] of the
/// key's public part. A key that has ended is taken here: the core has no clock, so ask [`expires`].
///
/// # Errors
/// See [`ImportError`]; [`ImportError::PasswordNeeded`] if the key is protected and `password` is `None`.
pub fn unprotect(key: &[u8], password: Option<&Secret>) -> Result<Secret, ImportError> {
    let octets = unarmored(key)?;
    if octets.len() > SECRET_MAX {
        return Err(ImportError::TooLarge);
    }
    if primaries(&octets).map_err(|_| ImportError::NotAKey)? > 1 {
        return Err(ImportError::SeveralKeys);
    }
    let key = Transferable::read(&octets)?;
    if certificate::is_revoked(&key.public) {
        return Err(ImportError::Revoked);
    }
    // What has no password stays as it is, octet by octet.
    let secret = if key.is_protected { unlocked(&octets, password)? } else { Secret::new(octets.to_vec()) };
    account::read(&secret)?;
    Ok(secret)
}

/// When a public key ends, by its own word; `None` if it does not end or cannot be read.
#[must_use]
pub fn expires(public: &[u8]) -> Option<Timestamp> {
    let key = SignedPublicKey::from_bytes(public).ok()?;
    certificate::expires(&key).map(Timestamp::from_secs)
}

/// Whether mail can be encrypted to a public key at this time: it can be read and used here, its own signatures say that it
/// or a subkey encrypts, and what encrypts was made by then, has not ended and is not revoked. What [`sma_core::Muaa::recommendation`] asks.
#[must_use]
pub fn is_usable(public: &[u8], now: Timestamp) -> bool {
    SignedPublicKey::from_bytes(public).is_ok_and(|key| certificate::is_usable(&key, now.as_secs()))
}

/// The armored form of a public key, as [`sma_core::AccountKey::public`] holds it; empty if it is none.
#[must_use]
pub fn armor_public(public: &[u8]) -> String {
    let is_key = tags(public).is_ok_and(|tags| tags.first() == Some(&Tag::PublicKey));
    let mut armored = Vec::new();
    let octets = Octets(public);
    let written =
        is_key && pgp::armor::write(&octets, BlockType::PublicKey, &mut armored, None, true).is_ok();
    String::from_utf8(armored).ok().filter(|_| written).unwrap_or_default()
}

/// Writes an account key under a password, armored, as GnuPG imports it: for version 4 AES-256 in CFB mode, the password
/// iterated and salted (RFC 9580 section 3.7). `seed` draws salts and vectors.
///
/// # Errors
/// `secret` is not an account key, or the password is empty.
pub fn export_protected(
    secret: &Secret,
    password: &Secret,
    seed: &[u8; 32],
) -> Result<Zeroizing<String>, ExportError> {
    if password.expose().is_empty() {
        return Err(ExportError::EmptyPassword);
    }
    account::read(secret).map_err(|_| ExportError::NotAKey)?;
    let mut key = account::parse(secret.expose()).map_err(|_| ExportError::NotAKey)?;
    let mut rng = seeded::rng(seed);
    let version = key.primary_key.version();
    let mut protection = || S2kParams::new_default(&mut rng, version);
    let password = Password::from(password.expose());
    let not_a_key = |_| ExportError::NotAKey;
    key.primary_key.set_password_with_s2k(&password, protection()).map_err(not_a_key)?;
    for subkey in &mut key.secret_subkeys {
        subkey.key.set_password_with_s2k(&password, protection()).map_err(not_a_key)?;
    }
    key.to_armored_string(ArmorOptions::default()).map(Zeroizing::new).map_err(not_a_key)
}
