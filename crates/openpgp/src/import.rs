//! The one reader of keys that people bring along: whatever form a program, an editor or a mail gave a file, it ends as one
//! transferable secret key, or in a reason that names what is wrong with it.

use pgp::{
    packet::{SecretKey, Signature},
    types::{KeyDetails, Password, Tag},
};
use sma_core::Secret;
use zeroize::Zeroizing;

use crate::{
    account,
    armor::{self, Block, Label},
    certificate,
    components::{self, Component, Key},
    packets::Packet,
    transferable::{Elsewhere, Refusal, SECRET_MAX, Transferable, half},
};

/// The largest text or file in which a key is looked for, in octets: a secret key beside its public form, in armor and UTF-16.
const INPUT_MAX: usize = 16 * SECRET_MAX;

/// Why a key was not imported. Nothing is changed by a refused import.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// The secret parts are under a password, and none was given: ask for it and try again.
    #[error("the key is protected: its password is needed")]
    PasswordNeeded,
    /// The password does not open the secret parts.
    #[error("the password is wrong")]
    WrongPassword,
    /// Neither an OpenPGP key nor text with one in it, or a damaged one.
    #[error("not an OpenPGP secret key, or a damaged one")]
    NotAKey,
    /// A public key alone.
    #[error("only the public part of a key")]
    PublicOnly,
    /// The secret part of the primary key, or of what encrypts, was left out when the key was written.
    #[error("its secret part was left out: the primary key, or what decrypts, is kept offline")]
    Offline,
    /// The secret part of the primary key, or of what encrypts, is on a smart card.
    #[error("its secret part is on a smart card")]
    OnCard,
    /// Neither it nor a subkey of its own encrypts.
    #[error("the key has nothing that encrypts")]
    NothingEncrypts,
    /// Of a version or an algorithm that is not known here, in a form that does not say where its public part ends, or under a
    /// password that cannot be taken off here.
    #[error("the key is of a kind that this program does not know")]
    Unknown,
    /// More than 64 KiB unarmored without photographs and others' signatures, or a public part above 10 KiB.
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
            Refusal::NothingEncrypts => Self::NothingEncrypts,
            Refusal::Unknown => Self::Unknown,
            Refusal::Protected => Self::PasswordNeeded,
            Refusal::Elsewhere(Elsewhere::Offline) => Self::Offline,
            Refusal::Elsewhere(Elsewhere::Card) => Self::OnCard,
            Refusal::TooLarge => Self::TooLarge,
        }
    }
}

/// Reads the transferable secret key in a file, and takes its password off. Armored or binary, in any of the forms that armor takes on
/// its way; beside its public form, in one block or several, in any order; more than once. A subkey whose secret part is on a card or offline is left out, if it is not
/// the one that encrypts. Of a key above 64 KiB photographs and others' signatures are left out. What it gives can be adopted as an account key; without a password it is what was given, octet by octet, if
/// that has the order of RFC 9580. Algorithms need not be known: ask [`crate::keys::unusable`] of the key's public part, also whether it has
/// ended, since the core has no clock.
///
/// # Errors
/// See [`ImportError`]; [`ImportError::PasswordNeeded`] if the key is protected and `password` is `None`.
pub fn unprotect(file: &[u8], password: Option<&Secret>) -> Result<Secret, ImportError> {
    let octets = unarmored(file)?;
    let mut octets = one_key(&octets)?;
    if octets.len() > SECRET_MAX {
        octets = without_others(&octets)?;
    }
    if octets.len() > SECRET_MAX {
        return Err(ImportError::TooLarge);
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

/// Takes the armor off, if there is any.
fn unarmored(file: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    if file.len() > INPUT_MAX {
        return Err(ImportError::TooLarge);
    }
    let blocks = armor::blocks(file).map_err(|_| ImportError::NotAKey)?;
    let is_key = |block: &&Block| matches!(block.label, Label::PublicKey | Label::SecretKey);
    let keys: Vec<_> = blocks.iter().filter(is_key).collect();
    if keys.is_empty() {
        // A packet begins with a set bit.
        let is_binary = file.first().is_some_and(|first| first & 0x80 != 0);
        return if is_binary { Ok(Zeroizing::new(file.to_vec())) } else { Err(ImportError::NotAKey) };
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(keys.iter().map(|block| block.octets.len()).sum()));
    keys.iter().for_each(|block| octets.extend_from_slice(&block.octets));
    Ok(octets)
}

/// The packets of the one secret key in `octets`, with what its public form beside it has besides.
fn one_key(octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let keys = components::keys(components::packets(octets)?)?;
    let is_alone = keys.len() == 1;
    let (mut secrets, publics): (Vec<_>, Vec<_>) = keys.into_iter().partition(Key::is_secret);
    if secrets.is_empty() {
        return Err(if publics.is_empty() { ImportError::NotAKey } else { ImportError::PublicOnly });
    }
    let mut key = secrets.remove(0);
    let name = key.primary.name()?;
    for other in secrets {
        if other.primary.name()? != name {
            return Err(ImportError::SeveralKeys);
        }
        key.join(other)?;
    }
    for other in publics {
        // Somebody else's public key says nothing of this one.
        if other.primary.name()? == name {
            key.join(other)?;
        }
    }
    let is_whole = leave_out_what_is_elsewhere(&mut key)?;
    let as_it_is = is_alone && is_whole && key.is_in_order();
    Ok(if as_it_is { Zeroizing::new(octets.to_vec()) } else { key.written() })
}

/// A key without photographs and without what others signed of it, which can be a thousand times the key.
fn without_others(octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let mut all = components::keys(components::packets(octets)?)?;
    let [key] = &mut all[..] else { return Err(ImportError::SeveralKeys) };
    let packet = key.primary.packet;
    let primary =
        SecretKey::try_from_reader(packet.header, packet.body).map_err(|_| ImportError::TooLarge)?;
    let (fingerprint, id) = (primary.fingerprint(), primary.legacy_key_id());
    let is_own = |packet: &Packet<'_>| {
        Signature::try_from_reader(packet.header, packet.body).is_ok_and(|signature| {
            signature.issuer_fingerprint().contains(&&fingerprint) || signature.issuer_key_id().contains(&&id)
        })
    };
    key.rest.retain(|component| component.packet.tag() != Tag::UserAttribute);
    for component in std::iter::once(&mut key.primary).chain(&mut key.rest) {
        component.signatures.retain(is_own);
    }
    Ok(key.written())
}

/// Leaves subkeys out whose secret part is elsewhere; whether there was none.
fn leave_out_what_is_elsewhere(key: &mut Key<'_>) -> Result<bool, ImportError> {
    let elsewhere = |component: &Component<'_>| {
        let packet = component.packet;
        let is_secret = matches!(packet.tag(), Tag::SecretKey | Tag::SecretSubkey);
        let half = is_secret.then(|| half(packet.header, packet.body));
        half.and_then(Result::ok).and_then(|half| half.elsewhere)
    };
    if let Some(place) = elsewhere(&key.primary) {
        return Err(Refusal::Elsewhere(place).into());
    }
    let Some(place) = key.rest.iter().find_map(elsewhere) else {
        return Ok(true);
    };
    key.rest.retain(|component| elsewhere(component).is_none());
    let kept = Transferable::read(&key.written())?;
    match certificate::public(&kept) {
        Err(Refusal::NothingEncrypts) => Err(Refusal::Elsewhere(place).into()),
        _ => Ok(false),
    }
}

/// The same key without its password.
fn unlocked(octets: &[u8], password: Option<&Secret>) -> Result<Secret, ImportError> {
    let mut key = account::parse(octets)?;
    let password = Password::from(password.ok_or(ImportError::PasswordNeeded)?.expose());
    key.primary_key.remove_password(&password).map_err(|_| ImportError::WrongPassword)?;
    for subkey in &mut key.secret_subkeys {
        subkey.key.remove_password(&password).map_err(|_| ImportError::WrongPassword)?;
    }
    account::write(&key).map_err(|_| ImportError::NotAKey)
}
