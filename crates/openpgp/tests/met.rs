//! Keys as people have them: the files of `tests/data/met`, and what is right for each (`tests/data/met/README.md`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{fs, path::Path};

use common::{OPENPGP, secret};
use pgp::{
    composed::{Deserializable, SignedPublicKey, SignedSecretKey},
    packet::{Packet, PacketParser},
    types::Tag,
};
use sma_autocrypt::{Address, HEADER_BYTES_MAX, Header, Preference, Source};
use sma_core::{Crypto, Secret, Timestamp};
use sma_openpgp::{
    keys::{self, ImportError, Unusable},
    setup_message::{self, Setup, UnlockError},
};

/// When the keys were made, and when they were changed.
const MADE: u64 = 1_767_225_600;
const LATER: u64 = 1_769_904_000;
const DAY: u64 = 86_400;
/// A day on which everything lives that has not ended.
const NOW: Timestamp = Timestamp::from_secs(LATER + 10 * DAY);

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/met")
}

fn file(name: &str) -> Vec<u8> {
    let path = directory().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn import(name: &str) -> Result<Secret, ImportError> {
    keys::unprotect(&file(name), None)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn public(secret: &Secret) -> Vec<u8> {
    OPENPGP.read_account_key(secret).unwrap().public.to_vec()
}

fn tags(octets: &[u8]) -> Vec<Tag> {
    PacketParser::new(octets).map(|packet| pgp::packet::PacketTrait::tag(&packet.unwrap())).collect()
}

const FIVE: [Tag; 5] = [Tag::PublicKey, Tag::UserId, Tag::Signature, Tag::PublicSubkey, Tag::Signature];

#[test]
fn one_key_is_the_same_in_every_form_in_which_people_have_it() {
    let plain = import("plain.asc").unwrap();
    for name in [
        "binary.gpg",
        "blank-lines.asc",
        "blanks-at-ends.asc",
        "byte-order-mark.asc",
        "dos.asc",
        "in-a-mail.asc",
        "indented.asc",
        "labelled-public.asc",
        "latin-1-comment.asc",
        "no-blank-line.asc",
        "no-checksum.asc",
        "odd-headers.asc",
        "old-mac.asc",
        "one-line.asc",
        "public-then-secret.asc",
        "public-then-secret.gpg",
        "secret-then-public.asc",
        "twice.asc",
        "utf-16.asc",
        "wrong-checksum.asc",
    ] {
        assert_eq!(import(name), Ok(plain.clone()), "{name}");
    }
    // Packets with other headers, or in another order.
    for name in [
        "subkey-before-user-ids.asc",
        "public-and-secret-in-one-block.asc",
        "secret-and-public-in-one-block.asc",
    ] {
        let key = import(name).unwrap();
        assert_eq!(
            (public(&key), keys::addresses(&key)),
            (public(&plain), keys::addresses(&plain)),
            "{name}"
        );
    }
}

#[test]
fn secret_parts_that_are_elsewhere_are_said_to_be_so() {
    // The primary key may be, if what decrypts is here.
    let offline = import("offline-primary.asc").unwrap();
    for account in ["anna@example.org", "anna@work.example"].map(address) {
        let plain = keys::published(&import("plain.asc").unwrap(), &account, NOW);
        assert_eq!(keys::published(&offline, &account, NOW), plain);
    }
    assert_eq!(import("card.asc"), Err(ImportError::OnCard));
    assert_eq!(import("subkey-on-card.asc"), Err(ImportError::OnCard));
    // Only what signs and what authenticates is on the card: mail can be read without them.
    let key = import("signing-on-card.asc").unwrap();
    let whole = import("all-usages.asc").unwrap();
    assert!(keys::is_usable(&public(&key), NOW));
    assert_eq!(
        keys::published(&key, &address("all-usages@example.org"), NOW),
        keys::published(&whole, &address("all-usages@example.org"), NOW)
    );
}

#[test]
fn what_is_usable_is_what_can_be_encrypted_to_on_the_day() {
    let judged =
        |name: &str, now: u64| keys::unusable(&public(&import(name).unwrap()), Timestamp::from_secs(now));
    let ended = |at: u64| Some(Unusable::Ended(Timestamp::from_secs(at)));
    let subkey_ended = |at: u64| Some(Unusable::SubkeyEnded(Timestamp::from_secs(at)));
    for name in ["subkey-ended.asc", "ended.asc"] {
        assert_eq!(judged(name, MADE + DAY / 2), None, "{name}");
    }
    assert_eq!(judged("ended.asc", NOW.as_secs()), ended(MADE + DAY));
    assert_eq!(judged("subkey-ended.asc", NOW.as_secs()), subkey_ended(MADE + DAY));
    for name in
        ["subkey-renewed.asc", "subkey-replaced.asc", "one-revoked.asc", "user-id-revoked.asc", "yearly.asc"]
    {
        assert_eq!(judged(name, NOW.as_secs()), None, "{name}");
    }
    assert_eq!(judged("plain.asc", MADE - 1), Some(Unusable::NotYet(Timestamp::from_secs(MADE))));
    // What the public form has besides, as a later end, counts for the secret key.
    assert_eq!(judged("old-backup-and-renewed-public.asc", NOW.as_secs()), None);
    assert_eq!(import("no-subkey.asc"), Err(ImportError::NothingEncrypts));
    assert_eq!(import("all-revoked.asc"), Err(ImportError::SubkeyRevoked));
    assert_eq!(judged("brainpool-ended.asc", NOW.as_secs()), ended(MADE + DAY));
    for name in ["brainpool.asc", "elgamal.asc"] {
        assert_eq!(judged(name, NOW.as_secs()), Some(Unusable::UnknownAlgorithm), "{name}: carried along");
    }
}

#[test]
fn a_header_has_five_packets_with_the_accounts_user_id_and_fits() {
    let mut seen = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_key = name.ends_with(".asc") || name.ends_with(".gpg");
        let Ok(key) = keys::unprotect(&if is_key { file(&name) } else { continue }, None) else { continue };
        for account in ["anna@example.org", "anna@work.example", "third@example.net"].map(address) {
            let Ok(octets) = keys::published(&key, &account, NOW) else { continue };
            seen += 1;
            assert_eq!(tags(&octets), FIVE, "{name}");
            let cert = SignedPublicKey::from_bytes(&octets[..]).unwrap();
            if ["brainpool.asc", "offline-primary.asc"].contains(&&*name) {
                continue; // Nothing can be signed with it here.
            }
            cert.verify_bindings().unwrap();
            let id = cert.details.users[0].id.as_str().unwrap();
            assert!(id.contains(&format!("<{account}>")), "{name}: {id}");
            let header = Header { addr: account, preference: Preference::Mutual, key: octets };
            assert!(header.render(Source::Header).unwrap().len() <= HEADER_BYTES_MAX, "{name}");
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn a_user_id_that_is_added_says_what_the_others_say_and_is_the_same_everywhere() {
    for name in ["plain.asc", "rsa.asc", "nist.asc", "ended.asc"] {
        let key = import(name).unwrap();
        let new = address("new@example.org");
        let added = keys::with_address(&key, &new);
        assert_eq!(added, keys::with_address(&key, &new), "{name}");
        assert!(keys::addresses(&added).contains(&new), "{name}");
        assert_eq!(keys::with_address(&added, &new), added, "{name}: once");
        let (old, new) = (public(&key), public(&added));
        assert_eq!(keys::expires(&old), keys::expires(&new), "{name}");
        let now = Timestamp::from_secs(MADE + DAY / 2);
        let account = address("new@example.org");
        let header = keys::published(&added, &account, now);
        assert_eq!(header, keys::published(&key, &account, now), "{name}: also before it is stored");
        assert_eq!(
            header,
            keys::published(&added, &account, Timestamp::from_secs(MADE + DAY / 2 + 60)),
            "{name}"
        );
    }
}

#[test]
fn an_address_is_compared_as_autocrypt_does() {
    let key = import("plain.asc").unwrap();
    assert_eq!(keys::addresses(&key), ["anna@example.org", "anna@work.example"].map(address));
    assert_eq!(
        keys::published(&key, &address("Anna@WORK.example"), NOW),
        keys::published(&key, &address("anna@work.example"), NOW)
    );
    assert_eq!(keys::with_address(&key, &address("ANNA@Example.ORG")), key);
    for (name, found) in [
        ("user-id-revoked.asc", "new@example.org"),
        ("latin-1-name.asc", "juergen@example.org"),
        ("bare-address.asc", "bare@example.org"),
    ] {
        let key = import(name).unwrap();
        assert_eq!(keys::addresses(&key), [address(found)], "{name}");
        assert_eq!(keys::with_address(&key, &address(found)), key, "{name}");
    }
}

#[test]
fn gossip_says_one_address_of_a_peer_and_what_can_be_encrypted_to() {
    let whole = |name: &str| {
        let key = SignedSecretKey::from_bytes(import(name).unwrap().expose()).unwrap();
        pgp::ser::Serialize::to_bytes(&key.to_public_key()).unwrap()
    };
    for (name, account) in [
        ("plain.asc", "anna@work.example"),
        ("plain.asc", "anna@example.org"),
        ("photo.asc", "photo@example.org"),
        ("all-usages.asc", "all-usages@example.org"),
        ("foreign-signatures.asc", "foreign-signatures@example.org"),
        ("one-revoked.asc", "one-revoked@example.org"),
    ] {
        let minimized = keys::minimized(&whole(name), &address(account), NOW);
        assert_eq!(tags(&minimized), FIVE, "{name}");
        let cert = SignedPublicKey::from_bytes(&minimized[..]).unwrap();
        assert!(cert.details.users[0].id.as_str().unwrap().contains(account), "{name}");
        assert!(keys::is_usable(&minimized, NOW), "{name}");
        assert_eq!(keys::minimized(&minimized, &address(account), NOW), minimized, "{name}");
    }
    assert_eq!(keys::minimized(b"hello", &address("a@b"), NOW), &b"hello"[..]);
}

#[test]
fn a_setup_message_takes_along_what_decrypts_and_no_more() {
    let opened = |name: &str, account: &str| {
        let setup = Setup { secret: import(name).unwrap(), mutual: true };
        let locked = setup_message::lock(&setup, &address(account), &[7; 32]).unwrap();
        setup_message::unlock(locked.armored.as_bytes(), &secret(&*locked.code), None).unwrap().secret
    };
    let five = [Tag::SecretKey, Tag::UserId, Tag::Signature, Tag::SecretSubkey, Tag::Signature];
    for (name, account) in [
        ("plain.asc", "anna@work.example"),
        ("photo.asc", "photo@example.org"),
        ("foreign-signatures.asc", "foreign-signatures@example.org"),
        ("rsa.asc", "other@example.org"),
    ] {
        let key = opened(name, account);
        assert_eq!(tags(key.expose()), five, "{name}");
        assert_eq!(keys::addresses(&key), [address(account)], "{name}");
    }
    // Older mail was encrypted to subkeys that ended since.
    let yearly = opened("yearly.asc", "yearly@example.org");
    assert_eq!(tags(yearly.expose()).iter().filter(|tag| **tag == Tag::SecretSubkey).count(), 11);
    // The primary key does not sign: the subkey that does is needed; the one that authenticates is not.
    let usages = opened("all-usages.asc", "all-usages@example.org");
    assert_eq!(tags(usages.expose()).iter().filter(|tag| **tag == Tag::SecretSubkey).count(), 2);
}

#[test]
fn a_key_beside_a_revoked_public_form_of_it_is_refused() {
    let mut key = file("plain.asc");
    let theirs = fs::read(directory().join("../revoked.pub.asc")).unwrap();
    key.extend(&theirs);
    assert_eq!(keys::unprotect(&key, None), import("plain.asc"), "another key's revocation");
    let revoked = fs::read(directory().join("../revoked.sec.asc")).unwrap();
    assert_eq!(keys::unprotect(&[theirs, revoked].concat(), None), Err(ImportError::Revoked));
    let two = [file("plain.asc"), file("rsa.asc")].concat();
    assert_eq!(keys::unprotect(&two, None), Err(ImportError::SeveralKeys));
    let public = keys::armor_public(&public(&import("plain.asc").unwrap()));
    assert_eq!(keys::unprotect(public.as_bytes(), None), Err(ImportError::PublicOnly));
}

#[test]
fn setup_messages_of_other_programs_are_opened_with_all_that_comes_with_them() {
    let code = secret("1742-0185-6197-1303-7016-8412-3581-4441-0597");
    let plain = import("plain.asc").unwrap();
    for (name, mutual) in [
        ("setup.asc", true),
        ("setup-blanks-wrong-checksum.asc", true),
        ("setup-cast5.asc", true),
        ("setup-trailing-data.asc", true),
        ("setup-without-preference.asc", false),
    ] {
        let setup = Setup { secret: plain.clone(), mutual };
        assert_eq!(setup_message::unlock(&file(name), &code, None), Ok(setup), "{name}");
    }
    let inner = file("setup-inner-password.asc");
    let unlock = |password: Option<&str>| setup_message::unlock(&inner, &code, password.map(secret).as_ref());
    assert_eq!(unlock(None), Err(UnlockError::Key(ImportError::PasswordNeeded)));
    assert_eq!(unlock(Some("wrong donkey")), Err(UnlockError::Key(ImportError::WrongPassword)));
    let setup = unlock(Some("correct horse")).unwrap();
    assert_eq!(keys::addresses(&setup.secret), [address("locked@example.org")]);
    let wrong = secret("1742-0185-6197-1303-7016-8412-3581-4441-0598");
    assert_eq!(setup_message::unlock(&inner, &wrong, None), Err(UnlockError::WrongCode));
    let public = setup_message::unlock(&file("setup-public-key-inside.asc"), &code, None);
    assert_eq!(public, Err(UnlockError::Key(ImportError::PublicOnly)));
}

#[test]
fn a_key_of_librepgp_is_of_a_kind_that_is_not_known_and_not_damaged() {
    // A primary key of version 5: count of its key material, Ed25519.
    let material = [&[9_u8, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 7, 0x40][..], &[0x11; 32]].concat();
    let length = u32::try_from(material.len()).unwrap().to_be_bytes();
    let body = [&[5][..], &0x6500_0000_u32.to_be_bytes(), &[22], &length, &material].concat();
    let packet = |tag: u8, body: &[u8]| [&[0xc0 | tag, u8::try_from(body.len()).unwrap()][..], body].concat();
    let key = [packet(6, &body), packet(13, b"<anna@example.org>")].concat();
    assert_eq!(keys::unusable(&key, NOW), Some(Unusable::UnknownAlgorithm));
    assert_eq!(keys::unusable(&key[..40], NOW), Some(Unusable::NotAKey));
    assert_eq!(keys::minimized(&key, &address("anna@example.org"), NOW), key);
    // A subkey of version 5 under a key that is known, which did not sign it.
    let known = public(&import("plain.asc").unwrap());
    let whole = [&known[..], &packet(14, &body)].concat();
    assert_eq!(keys::unusable(&whole, NOW), None);
    assert_eq!(tags(&keys::minimized(&whole, &address("anna@example.org"), NOW)), FIVE);
}

#[test]
fn a_key_that_a_thousand_others_signed_is_taken_without_their_signatures() {
    let signed = import("foreign-signatures.asc").unwrap();
    let packets: Vec<_> = PacketParser::new(signed.expose()).map(Result::unwrap).collect();
    let mut octets = Vec::new();
    for packet in &packets {
        let own = fingerprint(&signed);
        let is_foreign =
            matches!(packet, Packet::Signature(s) if s.issuer_fingerprint().first() != Some(&&own));
        let times = if is_foreign { 400 } else { 1 };
        for _ in 0..times {
            pgp::ser::Serialize::to_writer(packet, &mut octets).unwrap();
        }
    }
    assert!(octets.len() > 64 << 10, "{}", octets.len());
    let taken = keys::unprotect(&octets, None).unwrap();
    assert!(taken.expose().len() < signed.expose().len());
    assert_eq!((public(&taken), keys::addresses(&taken)), (public(&signed), keys::addresses(&signed)));
}

fn fingerprint(secret: &Secret) -> pgp::types::Fingerprint {
    let key = SignedSecretKey::from_bytes(secret.expose()).unwrap();
    pgp::types::KeyDetails::fingerprint(&key.primary_key)
}

#[test]
fn a_key_of_version_six_has_its_direct_signature_besides() {
    let key = keys::unprotect(&fs::read(directory().join("../pq6.sec.asc")).unwrap(), None).unwrap();
    let six =
        [Tag::PublicKey, Tag::Signature, Tag::UserId, Tag::Signature, Tag::PublicSubkey, Tag::Signature];
    let new = address("new@example.org");
    let added = keys::with_address(&key, &new);
    assert!(keys::addresses(&added).contains(&new) && added != key);
    for key in [&key, &added] {
        let header = keys::published(key, &new, NOW).unwrap();
        assert_eq!(tags(&header), six);
        SignedPublicKey::from_bytes(&header[..]).unwrap().verify_bindings().unwrap();
    }
}

#[test]
fn of_several_subkeys_that_encrypt_the_newest_goes_into_the_header() {
    let yearly = import("yearly.asc").unwrap();
    let subkey = |now: u64| {
        let account = address("yearly@example.org");
        let header = keys::published(&yearly, &account, Timestamp::from_secs(now)).unwrap();
        let cert = SignedPublicKey::from_bytes(&header[..]).unwrap();
        u64::from(pgp::types::KeyDetails::created_at(&cert.public_subkeys[0]).as_secs())
    };
    assert_eq!((subkey(LATER - 1), subkey(LATER)), (MADE, LATER));
}
