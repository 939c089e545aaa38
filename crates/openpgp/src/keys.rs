//! Account keys at the edge of a program: read from a file, judged, shown, put into headers, exported under a password.

use pgp::{
    armor::BlockType,
    types::{KeyDetails as _, Password, S2kParams, Tag},
};
use sma_core::{Fingerprint, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{
    account, certificate,
    packets::{Octets, tags},
    read, seeded, transferable, usable,
};
pub use crate::{
    import::{ImportError, unprotect},
    minimal::{addresses, minimized, published, with_address},
    usable::Unusable,
};

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

/// When a public key ends, by its own word; `None` if it does not end or cannot be read.
#[must_use]
pub fn expires(public: &[u8]) -> Option<Timestamp> {
    let key = read::certificate(public).ok()?.key;
    certificate::expires(&key).map(Timestamp::from_secs)
}

/// The fingerprint of a public key, whoever's it is; `None` if it cannot be read.
#[must_use]
pub fn fingerprint(public: &[u8]) -> Option<Fingerprint> {
    let key = read::certificate(public).ok()?.key;
    Fingerprint::new(key.fingerprint().as_bytes())
}

/// Whether mail can be encrypted to a public key at this time: it can be read and used here, its own signatures say that it
/// or a subkey encrypts, and what encrypts was made by then, has not ended and is not revoked. What [`sma_core::Muaa::recommendation`] asks.
#[must_use]
pub fn is_usable(public: &[u8], now: Timestamp) -> bool {
    unusable(public, now).is_none()
}

/// Why mail cannot be encrypted to a public key at this time; `None` if it can.
#[must_use]
pub fn unusable(public: &[u8], now: Timestamp) -> Option<Unusable> {
    usable::unusable_octets(public, now.as_secs())
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
    let mut rng = seeded::rng(seed);
    let password = Password::from(password.expose());
    let locked =
        transferable::locked(secret.expose(), &password, |version| S2kParams::new_default(&mut rng, version));
    let locked = locked.map_err(|_| ExportError::NotAKey)?;
    let mut armored = Vec::new();
    pgp::armor::write(&Octets(&locked), BlockType::PrivateKey, &mut armored, None, true)
        .map_err(|_| ExportError::NotAKey)?;
    String::from_utf8(armored).map(Zeroizing::new).map_err(|_| ExportError::NotAKey)
}
