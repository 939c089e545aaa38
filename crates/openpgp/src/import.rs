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
    read,
    transferable::{self, Elsewhere, Locked, Refusal, SECRET_MAX, Transferable, half},
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
    /// The secret part of what encrypts was left out when the key was written.
    #[error("the secret part of what decrypts was left out: it is kept offline")]
    Offline,
    /// The secret part of what encrypts is on a smart card.
    #[error("the secret part of what decrypts is on a smart card")]
    OnCard,
    /// Neither it nor a subkey of its own encrypts.
    #[error("the key has nothing that encrypts")]
    NothingEncrypts,
    /// All of its subkeys that encrypted were revoked.
    #[error("the subkey that encrypts is revoked")]
    SubkeyRevoked,
    /// Its primary key is of version 5, which LibrePGP alone has.
    #[error("the key is of version 5, as LibrePGP has it, which this program does not take")]
    LibrePgp,
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
            Refusal::SubkeyRevoked => Self::SubkeyRevoked,
            Refusal::LibrePgp => Self::LibrePgp,
            Refusal::Unknown => Self::Unknown,
            Refusal::Protected => Self::PasswordNeeded,
            Refusal::Elsewhere(Elsewhere::Offline) => Self::Offline,
            Refusal::Elsewhere(Elsewhere::Card) => Self::OnCard,
            Refusal::TooLarge => Self::TooLarge,
        }
    }
}

/// Reads the transferable secret key in a file, and takes its password off. Armored or binary, in any of the forms that armor takes on
/// its way; beside its public form, in one block or several, in any order; more than once; with a revocation of it anywhere. A subkey whose secret part is on a card or offline is left out, if it is not
/// the one that encrypts; the primary key may be offline. Of a key above 64 KiB photographs and others' signatures are left out. What it gives can be adopted as an account key; without a password it is what was given, octet by octet, if
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
    // What has no password stays as it is, octet by octet.
    let secret = if key.is_protected { unlocked(&octets, password)? } else { Secret::new(octets.to_vec()) };
    account::read(&secret)?;
    Ok(secret)
}

/// Takes the armor off, if there is any. Of signatures that stand alone revocations are taken.
fn unarmored(file: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    if file.len() > INPUT_MAX {
        return Err(ImportError::TooLarge);
    }
    let blocks = armor::blocks(file).map_err(|_| ImportError::NotAKey)?;
    let is_key = |block: &&Block| matches!(block.label, Label::PublicKey | Label::SecretKey);
    if !blocks.iter().any(|block| is_key(&block)) {
        // A packet begins with a set bit.
        let is_binary = file.first().is_some_and(|first| first & 0x80 != 0);
        return if is_binary { Ok(Zeroizing::new(file.to_vec())) } else { Err(ImportError::NotAKey) };
    }
    Ok(together(&blocks))
}

/// The keys of these blocks, and what revokes them.
pub(crate) fn together(blocks: &[Block]) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(blocks.iter().map(|block| block.octets.len()).sum()));
    for block in blocks {
        match block.label {
            Label::PublicKey | Label::SecretKey => octets.extend_from_slice(&block.octets),
            Label::Signature => {
                let packets = components::packets(&block.octets).unwrap_or_default();
                let revocations = packets.iter().filter(|packet| is_revocation(packet));
                revocations.for_each(|packet| octets.extend_from_slice(packet.whole));
            }
            Label::Message | Label::Other => {}
        }
    }
    octets
}

/// Whether this is a signature that revokes a whole key.
fn is_revocation(packet: &Packet<'_>) -> bool {
    packet.tag() == Tag::Signature && matches!(packet.body, [4..=6, 0x20, ..] | [2 | 3, 5, 0x20, ..])
}

/// The packets of the one secret key in `octets`, with what its public form beside it has besides.
fn one_key(octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    // A revocation is about the key that signed it, wherever it stands.
    let packets = components::packets(octets)?.into_iter();
    let (revocations, packets): (Vec<_>, Vec<_>) = packets.partition(is_revocation);
    let keys = components::keys(packets)?;
    let is_alone = keys.len() == 1 && revocations.is_empty();
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
    if is_revoked(&key, &revocations)? {
        return Err(ImportError::Revoked);
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

/// Whether one of these is the key's own.
fn is_revoked(key: &Key<'_>, revocations: &[Packet<'_>]) -> Result<bool, ImportError> {
    let mut public = Vec::new();
    let half = half(key.primary.packet.header, key.primary.packet.body)?;
    transferable::write(Tag::PublicKey, &half.body, &mut public).map_err(Refusal::from)?;
    let primary = read::certificate(&public)?.key.primary_key;
    let read = |packet: &Packet<'_>| Signature::try_from_reader(packet.header, packet.body).ok();
    let mut revocations = revocations.iter().filter_map(read);
    Ok(revocations.any(|s| certificate::is_own(&primary, &s, || s.verify_key(&primary).is_ok())))
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

/// Leaves subkeys out whose secret part is elsewhere; whether there was none. The primary key may be elsewhere if a subkey decrypts.
fn leave_out_what_is_elsewhere(key: &mut Key<'_>) -> Result<bool, ImportError> {
    let elsewhere = |component: &Component<'_>| {
        let packet = component.packet;
        let is_secret = matches!(packet.tag(), Tag::SecretKey | Tag::SecretSubkey);
        let half = is_secret.then(|| half(packet.header, packet.body));
        half.and_then(Result::ok).and_then(|half| half.elsewhere())
    };
    let primary = elsewhere(&key.primary);
    let subkeys = key.rest.iter().find_map(elsewhere);
    let Some(place) = subkeys.or(primary) else {
        return Ok(true);
    };
    key.rest.retain(|component| elsewhere(component).is_none());
    let kept = Transferable::read(&key.written())?;
    let decrypts = match certificate::public(&kept) {
        Err(Refusal::NothingEncrypts | Refusal::SubkeyRevoked) => false,
        _ => {
            primary.is_none() || kept.has_unknown_parts() || certificate::has_encrypting_subkey(&kept.public)
        }
    };
    if decrypts { Ok(subkeys.is_none()) } else { Err(Refusal::Elsewhere(place).into()) }
}

/// The same key without its password.
fn unlocked(octets: &[u8], password: Option<&Secret>) -> Result<Secret, ImportError> {
    let password = Password::from(password.ok_or(ImportError::PasswordNeeded)?.expose());
    let unlocked = transferable::unlocked(octets, &password);
    let mut unlocked = unlocked.map_err(|locked| match locked {
        Locked::WrongPassword => ImportError::WrongPassword,
        Locked::Refused(refusal) => refusal.into(),
    })?;
    Ok(Secret::new(std::mem::take(&mut *unlocked)))
}
