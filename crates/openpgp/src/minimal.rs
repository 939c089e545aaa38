//! What of a key others get: the five packets of Autocrypt Level 1 ("OpenPGP Based key data") for a header and for gossip, and the
//! secret key of a setup message.
//!
//! One user id, that of the address which the header names; one subkey, the newest that encrypts at the time. A key of version 6 has a
//! sixth packet, the direct signature that says of it what in version 4 the signature over the user id says.

use bytes::Bytes;
use pgp::{
    composed::{SignedKeyDetails, SignedPublicKey, SignedPublicSubKey},
    packet::{
        PacketTrait, SecretKey, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketType, UserId,
    },
    ser::Serialize,
    types::{KeyDetails, KeyVersion, Password, SignedUser, Tag},
};
use sha2::{Digest, Sha256};
use sma_autocrypt::Address;
use sma_core::{Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{
    account,
    certificate::{
        bound, can_verify, encrypts, foremost, is_own, newest, primary_encrypts, revocations, signed, users,
        with_current_headers,
    },
    components,
    packets::{refused, split},
    read, seeded,
    transferable::{Refusal, Transferable},
    usable::{Unusable, is_current, unusable, unusable_with},
};

/// The first address in a user id, in whatever character set its name is.
fn address_of(id: &UserId) -> Option<Address> {
    sma_autocrypt::addresses(&String::from_utf8_lossy(id.id())).into_iter().flatten().next()
}

/// The addresses of the user ids of a secret key that the key itself signed and that are not revoked, in their order. Empty if it is none, or has a primary
/// key that cannot be checked here.
#[must_use]
pub fn addresses(secret: &Secret) -> Vec<Address> {
    let Ok(key) = Transferable::read(secret.expose()) else { return Vec::new() };
    let users = users(&key.public.primary_key, &key.public.details.users, None);
    users.iter().filter_map(|user| address_of(&user.id)).collect()
}

/// The user id of this address; of several the one that is marked as primary.
fn user_of<'a>(users: &'a [SignedUser], address: &Address) -> Option<&'a SignedUser> {
    let is_of = |user: &&SignedUser| address_of(&user.id).as_ref() == Some(address);
    let own = || users.iter().filter(is_of);
    own().find(|user| user.is_primary()).or_else(|| own().next())
}

/// The newest subkey that encrypts at this time; one that this program can use goes before one that it cannot.
fn current_subkey(key: &SignedPublicKey, now: u64) -> Option<SignedPublicSubKey> {
    let current = |subkey: &SignedPublicSubKey| {
        let is_known = is_current(key, subkey, now)?;
        Some((is_known, subkey.created_at(), bound(&key.primary_key, subkey, Some(now))?))
    };
    let all = key.public_subkeys.iter().filter_map(current);
    all.max_by_key(|(is_known, created, _)| (*is_known, *created)).map(|(_, _, subkey)| subkey)
}

/// The public part of an account's secret key for the header of a mail from this address: five packets. A key without a user id of the
/// address gets one, signed by itself; the same arguments give the same octets, whatever the day is, until the key changes or its subkey ends. Of
/// a key that cannot be checked here it is chosen by what its signatures say, with the foremost user id if it has none of the address, or everything;
/// so it is if the primary key is offline, which signs nothing here.
///
/// # Errors
/// Why nobody could encrypt to what the header would say; [`Unusable::NothingEncrypts`] also if the primary key alone encrypts, which Level 1
/// has no form for.
pub fn published(secret: &Secret, address: &Address, now: Timestamp) -> Result<Bytes, Unusable> {
    let key = Transferable::read(secret.expose()).map_err(|_| Unusable::NotAKey)?;
    let seconds = now.as_secs();
    match unusable_with(&key.public, &key.skipped, seconds) {
        None | Some(Unusable::UnknownAlgorithm) => {}
        Some(why) => return Err(why),
    }
    let subkey = current_subkey(&key.public, seconds);
    let user = own_user(&key, secret, address, Some(seconds));
    let (subkey, user) = match (subkey, user) {
        (Some(subkey), Ok(user)) => (Some(subkey), user),
        (None, Ok(user)) if !key.skipped.is_empty() => (None, user),
        // Its signatures are of another form, too.
        _ if !can_verify(key.public.public_params()) => return Ok(key.octets.into()),
        (None, _) => return Err(Unusable::NothingEncrypts),
        (_, Err(_)) => return Err(Unusable::NotAKey),
    };
    let details = SignedKeyDetails::new(vec![], direct(&key.public, Some(seconds)), vec![user], vec![]);
    // A subkey of another version goes as it stands.
    let skipped = if subkey.is_none() { key.skipped.last() } else { None };
    let public = SignedPublicKey::new(key.public.primary_key, details, subkey.into_iter().collect());
    let mut octets = public.to_bytes().map_err(|_| Unusable::NotAKey)?;
    octets.extend(skipped.into_iter().flatten());
    with_current_headers(&octets).map(Bytes::from).map_err(|_| Unusable::NotAKey)
}

/// What stands beside the signature over the user id: the direct signature in version 6, nothing in version 4.
fn direct(key: &SignedPublicKey, at: Option<u64>) -> Vec<Signature> {
    let is_newer = key.primary_key.version() == KeyVersion::V6;
    newest_direct(key, at).filter(|_| is_newer).into_iter().collect()
}

fn newest_direct(key: &SignedPublicKey, at: Option<u64>) -> Option<Signature> {
    let primary = &key.primary_key;
    let own = |s: &Signature| is_own(primary, s, || s.verify_key(primary).is_ok());
    newest(&key.details.direct_signatures, at, own)
}

/// The user id of the address, with a signature that says all that the key says of itself.
fn own_user(
    key: &Transferable,
    secret: &Secret,
    address: &Address,
    at: Option<u64>,
) -> Result<SignedUser, Refusal> {
    let public = &key.public;
    let users = users(&public.primary_key, &public.details.users, at);
    let direct = newest_direct(public, at);
    let (found, foremost) = (user_of(&users, address), foremost(&users));
    if let Some(user) = found
        && stands_alone(public, user, foremost, direct.as_ref())
    {
        return Ok(user.clone());
    }
    if !can_verify(public.public_params()) || !key.has_primary {
        // Nothing can be signed with it here.
        return found.or(foremost).cloned().ok_or(Refusal::Unknown);
    }
    // What the key says of itself is what its foremost user id says.
    let like = [foremost, found].into_iter().flatten().filter_map(|user| user.signatures.first());
    let like: Vec<_> = like.chain(&direct).collect();
    let id = match found {
        Some(user) => user.id.clone(),
        None => UserId::from_str(Default::default(), format!("<{address}>")).map_err(refused)?,
    };
    self_signed(secret, id, &like)
}

/// Whether a user id's signature says as much of the key without the others: all that the direct one does, and the same end as the foremost
/// one. In version 6 the direct one stands beside it.
fn stands_alone(
    key: &SignedPublicKey,
    user: &SignedUser,
    foremost: Option<&SignedUser>,
    direct: Option<&Signature>,
) -> bool {
    let end = |user: &SignedUser| user.signatures.iter().find_map(Signature::key_expiration_time);
    let is_newer = key.primary_key.version() == KeyVersion::V6;
    is_newer || foremost.map(end) == Some(end(user)) && direct.is_none_or(|direct| says_as_much(user, direct))
}

/// What a signature over a user id tells of the key, and what must not be lost.
const SAID_OF_A_KEY: [SubpacketType; 8] = [
    SubpacketType::KeyFlags,
    SubpacketType::KeyExpirationTime,
    SubpacketType::Features,
    SubpacketType::PreferredSymmetricAlgorithms,
    SubpacketType::PreferredHashAlgorithms,
    SubpacketType::PreferredCompressionAlgorithms,
    SubpacketType::PreferredAead,
    SubpacketType::KeyServerPreferences,
];

fn said(signature: &Signature) -> impl Iterator<Item = &Subpacket> {
    let all = signature.config().into_iter().flat_map(SignatureConfig::hashed_subpackets);
    all.filter(|subpacket| SAID_OF_A_KEY.contains(&subpacket.typ()))
}

fn says_as_much(user: &SignedUser, direct: &Signature) -> bool {
    let has = |typ| user.signatures.iter().flat_map(said).any(|subpacket| subpacket.typ() == typ);
    said(direct).all(|subpacket| has(subpacket.typ()))
}

/// A user id signed by the key itself, saying what these signatures say, the first of them first. It is as old as the newest of them, so
/// that each device of the account makes the same.
fn self_signed(secret: &Secret, id: UserId, like: &[&Signature]) -> Result<SignedUser, Refusal> {
    let packets = split(secret.expose())?;
    let (header, body) = *packets.first().ok_or(Refusal::Malformed)?;
    let primary = SecretKey::try_from_reader(header, body).map_err(refused)?;
    let created = like.iter().filter_map(|signature| signature.created()).max();
    let created = created.unwrap_or_else(|| primary.created_at());
    let mut config = account::signature(SignatureType::CertPositive, &primary, created).map_err(refused)?;
    config.hash_alg = primary.public_key().public_params().hash_alg();
    if primary.version() == KeyVersion::V6 {
        let seed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(secret.expose())));
        let rng = &mut seeded::rng(&seed);
        let (algorithm, hash) = (primary.algorithm(), config.hash_alg);
        let subpackets = std::mem::take(&mut config.hashed_subpackets);
        config = SignatureConfig::v6(rng, SignatureType::CertPositive, algorithm, hash).map_err(refused)?;
        config.hashed_subpackets = subpackets;
    }
    for subpacket in like.iter().flat_map(|signature| said(signature)) {
        if !config.hashed_subpackets.iter().any(|own| own.typ() == subpacket.typ()) {
            config.hashed_subpackets.push(subpacket.clone());
        }
    }
    let signature =
        config.sign_certification(&primary, primary.public_key(), &Password::empty(), id.tag(), &id);
    Ok(SignedUser::new(id, vec![signature.map_err(refused)?]))
}

/// The same secret key with a user id of this address, added and signed by itself if it has none. A key whose primary key cannot sign here, or is offline,
/// stays as it is.
#[must_use]
pub fn with_address(secret: &Secret, address: &Address) -> Secret {
    added(secret, address).unwrap_or_else(|| secret.clone())
}

fn added(secret: &Secret, address: &Address) -> Option<Secret> {
    if addresses(secret).contains(address) {
        return None;
    }
    let signs = |key: &Transferable| can_verify(key.public.public_params()) && key.has_primary;
    let key = Transferable::read(secret.expose()).ok().filter(signs)?;
    let user = own_user(&key, secret, address, None).ok()?;
    let user = with_current_headers(&user.to_bytes().ok()?).ok()?;
    let mut all = components::keys(components::packets(secret.expose()).ok()?).ok()?;
    let (key, []) = all.split_first_mut()? else { return None };
    let [id, signature] = components::packets(&user).ok()?[..] else { return None };
    key.rest.push(components::Component { packet: id, signatures: vec![signature] });
    let mut written = key.written();
    Some(Secret::new(std::mem::take(&mut *written)))
}

/// Another person's public key for gossip about this address: five packets, with the user id of the address. A key that has none keeps the
/// foremost one. What cannot be checked here, has parts that are not known here, or encrypts nothing now, stays as it is.
#[must_use]
pub fn minimized(public: &[u8], address: &Address, now: Timestamp) -> Bytes {
    minimal_public(public, address, now.as_secs()).unwrap_or_else(|| Bytes::copy_from_slice(public))
}

fn minimal_public(public: &[u8], address: &Address, now: u64) -> Option<Bytes> {
    let read::Certificate { key, skipped } = read::certificate(public).ok()?;
    if !can_verify(key.public_params()) || !skipped.is_empty() {
        return None;
    }
    let all = users(&key.primary_key, &key.details.users, Some(now));
    let user = user_of(&all, address).or_else(|| foremost(&all)).cloned();
    let signed = signed(&key, Some(now), foremost)?;
    let subkey = current_subkey(&key, now);
    if subkey.is_none() && !primary_encrypts(&signed) {
        return None;
    }
    // What only a direct signature says cannot be signed again here.
    let needed = |direct: &Signature| {
        key.primary_key.version() == KeyVersion::V6
            || user.as_ref().is_none_or(|user| !says_as_much(user, direct))
    };
    let direct = newest_direct(&key, Some(now)).filter(needed);
    let users = user.into_iter().collect();
    let details = SignedKeyDetails::new(vec![], direct.into_iter().collect(), users, vec![]);
    let kept = SignedPublicKey::new(key.primary_key.clone(), details, subkey.into_iter().collect());
    // A user id whose own signature says less than another one's cannot be signed again here.
    if unusable(&kept, now).is_some() && unusable(&key, now).is_none() {
        return None;
    }
    with_current_headers(&kept.to_bytes().ok()?).ok().map(Bytes::from)
}

/// An account's secret key as a setup message takes it along: with the user id of this address and all subkeys that decrypt, those included
/// that have ended or were revoked, since older mail was encrypted to them; with the newest that signs if the primary key does not. A
/// key that cannot be checked here, or has parts that are not known, stays as it is.
pub(crate) fn handed_over(secret: &Secret, address: &Address) -> Secret {
    minimal_secret(secret, address).unwrap_or_else(|| secret.clone())
}

fn minimal_secret(secret: &Secret, address: &Address) -> Option<Secret> {
    let key = Transferable::read(secret.expose()).ok()?;
    if !can_verify(key.public.public_params()) || key.has_unknown_parts() {
        return None;
    }
    let all = components::keys(components::packets(secret.expose()).ok()?).ok()?;
    let [whole] = &all[..] else { return None };
    let user = own_user(&key, secret, address, None).ok()?;
    let direct = direct(&key.public, None);
    let signs = key.has_primary && user.signatures.iter().chain(&direct).any(|s| s.key_flags().sign());
    let primary = &key.public.primary_key;
    let of = |subkey: &SignedPublicSubKey| {
        let bound = bound(primary, subkey, None)?;
        let revocations = revocations(primary, &subkey.key, &subkey.signatures).cloned();
        let signatures: Vec<_> = revocations.chain(bound.signatures.iter().cloned()).collect();
        Some((bound, signatures))
    };
    // Subkeys stand in one order in both forms of the key.
    let is_subkey = |component: &&components::Component<'_>| {
        matches!(component.packet.tag(), Tag::SecretSubkey | Tag::PublicSubkey)
    };
    let subkeys = whole.rest.iter().filter(is_subkey).zip(key.public.public_subkeys.iter().map(of));
    let bound = subkeys.filter_map(|(component, bound)| Some((component.packet, bound?)));
    let mut bound: Vec<_> = bound.filter(|(packet, _)| packet.tag() == Tag::SecretSubkey).collect();
    let can_sign = |bound: &SignedPublicSubKey| bound.signatures.iter().any(|s| s.key_flags().sign());
    let signing = bound.iter().map(|(_, (bound, _))| bound).filter(|bound| !signs && can_sign(bound));
    let signing = signing.max_by_key(|bound| bound.created_at()).map(KeyDetails::fingerprint);
    bound.retain(|(_, (bound, _))| encrypts(bound) || signing.as_ref() == Some(&bound.fingerprint()));
    // With room for all of it, so that no copy stays behind.
    let mut written = Zeroizing::new(Vec::with_capacity(secret.expose().len() + user.write_len()));
    written.extend_from_slice(whole.primary.packet.whole);
    direct.iter().try_for_each(|signature| signature.to_writer_with_header(&mut *written)).ok()?;
    user.to_writer(&mut *written).ok()?;
    for (packet, (_, signatures)) in bound {
        written.extend_from_slice(packet.whole);
        signatures.iter().try_for_each(|signature| signature.to_writer_with_header(&mut *written)).ok()?;
    }
    let written = Secret::new(std::mem::take(&mut *written));
    account::read(&written).ok().map(|_| written)
}

#[cfg(test)]
mod tests {
    use pgp::{
        composed::{Deserializable, SignedSecretKey},
        packet::SubpacketData,
        types::Duration,
    };

    use super::*;

    const MADE: Timestamp = Timestamp::from_secs(1_700_000_000);
    const DAY: u64 = 86_400;

    /// A key with a user id more, the first of which says that the key ends after a day, and the second, marked as foremost, after ten.
    fn with_two_ends() -> Secret {
        let key = account::generate_key("anna@example.org", &[4; 32], MADE).unwrap();
        let mut key = SignedSecretKey::from_bytes(key.secret.expose()).unwrap();
        let signed = |id: &str, days: u32, is_foremost: bool| {
            let id = UserId::from_str(Default::default(), id).unwrap();
            let primary = &key.primary_key;
            let mut config =
                account::signature(SignatureType::CertPositive, primary, primary.created_at()).unwrap();
            let lifetime = Duration::from_secs(days * 86_400);
            for data in [SubpacketData::KeyExpirationTime(lifetime), SubpacketData::IsPrimary(is_foremost)] {
                config.hashed_subpackets.push(Subpacket::regular(data).unwrap());
            }
            let password = Password::empty();
            let signature =
                config.sign_certification(primary, primary.public_key(), &password, id.tag(), &id);
            SignedUser::new(id, vec![signature.unwrap()])
        };
        let users = vec![signed("<anna@example.org>", 1, false), signed("<foremost@example.org>", 10, true)];
        key.details.users = users;
        account::write(&key).unwrap()
    }

    #[test]
    fn the_accounts_user_id_says_the_end_that_the_foremost_one_says() {
        let secret = with_two_ends();
        let address = Address::parse("anna@example.org").unwrap();
        let later = Timestamp::from_secs(MADE.as_secs() + 5 * DAY);
        let header = published(&secret, &address, later).unwrap();
        assert!(crate::keys::is_usable(&header, later), "it lives as the key does");
        assert_eq!(crate::keys::expires(&header), Some(Timestamp::from_secs(MADE.as_secs() + 10 * DAY)));
        let end = Timestamp::from_secs(MADE.as_secs() + 10 * DAY);
        assert_eq!(published(&secret, &address, end), Err(Unusable::Ended(end)));
        // Somebody else's cannot be signed again: it stays whole.
        let public = Transferable::read(secret.expose()).unwrap().octets;
        assert_eq!(minimized(&public, &address, later), public);
        let foremost = Address::parse("foremost@example.org").unwrap();
        assert!(minimized(&public, &foremost, later).len() < public.len());
    }
}
