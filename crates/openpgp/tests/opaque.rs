//! Account keys of algorithms that this program does not know: carried along as they are, told by their packets alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{fs, io::Read, path::Path};

use common::{NOW, OPENPGP, secret, world::World};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use sma_core::{AccountKey, Command, Config, Crypto, CryptoError, Muaa, Snapshot, Timestamp};
use sma_openpgp::{
    OpenPgp,
    keys::{self, ImportError},
};

/// When the keys of the draft were made.
const MADE: Timestamp = Timestamp::from_secs(1_735_689_600);

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unarmored(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    pgp::armor::Dearmor::new(&file(name)[..]).read_to_end(&mut octets).unwrap();
    octets
}

fn read(octets: &[u8]) -> Result<AccountKey, CryptoError> {
    OPENPGP.read_account_key(&secret(octets))
}

/// One packet with a header of the current format.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xc0 | tag, 0xff][..], &length, body].concat()
}

/// The same with a header of the old format, its length in two octets.
fn old_packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x81 | tag << 2][..], &length, body].concat()
}

const SECRET_KEY: u8 = 5;
const SECRET_SUBKEY: u8 = 7;
const SIGNATURE: u8 = 2;
const USER_ID: u8 = 13;
const PUBLIC_KEY: u8 = 6;
const PUBLIC_SUBKEY: u8 = 14;
const USER_ATTRIBUTE: u8 = 17;

const CREATED: [u8; 4] = 1_700_000_000_u32.to_be_bytes();
const PUBLIC: [u8; 40] = [0x11; 40];
const HIDDEN: [u8; 48] = [0x5e; 48];

/// The public part of a key packet of version 6 with an algorithm that nobody has.
fn public_part(algorithm: u8) -> Vec<u8> {
    [&[6][..], &CREATED, &[algorithm, 0, 0, 0, 40], &PUBLIC].concat()
}

/// A version 6 signature by an algorithm that nobody has.
fn signature(typ: u8) -> Vec<u8> {
    let hashed = [5, 2, 0x65, 0x53, 0xf1, 0x00];
    [&[6, typ, 99, 8, 0, 0, 0, 6][..], &hashed, &[0; 4], &[1, 2, 16], &[7; 16], &[9; 64]].concat()
}

/// The tags and bodies of a whole key of unknown algorithms; `usage` says how its secret parts are protected.
fn unknown(usage: u8) -> Vec<(u8, Vec<u8>)> {
    let hidden = |algorithm| [&public_part(algorithm)[..], &[usage], &HIDDEN].concat();
    vec![
        (SECRET_KEY, hidden(99)),
        (SIGNATURE, signature(0x1f)),
        (USER_ID, b"<anna@example.org>".to_vec()),
        (SIGNATURE, signature(0x13)),
        (SECRET_SUBKEY, hidden(98)),
        (SIGNATURE, signature(0x18)),
    ]
}

fn written(packets: &[(u8, Vec<u8>)]) -> Vec<u8> {
    packets.iter().flat_map(|(tag, body)| packet(*tag, body)).collect()
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_key_with_a_post_quantum_subkey_is_imported_as_it_is() {
    for (name, fingerprint) in [("pq6", 32), ("pq4", 20)] {
        let imported = keys::unprotect(&file(&format!("{name}.sec.asc")), None).unwrap();
        assert_eq!(imported, secret(unarmored(&format!("{name}.sec.asc"))), "{name}");
        let key = OPENPGP.read_account_key(&imported).unwrap();
        assert_eq!(key.fingerprint.as_bytes().len(), fingerprint, "{name}");
        assert_eq!((key.created, keys::expires(&key.public)), (MADE, None), "{name}");
        assert_eq!(key.public, unarmored(&format!("{name}.pub.asc")), "{name}: what the draft prints");
        assert!(!keys::is_usable(&key.public, NOW), "{name}: nothing is encrypted to it here");
        let armored = keys::armor_public(&key.public);
        let mut back = Vec::new();
        pgp::armor::Dearmor::new(armored.as_bytes()).read_to_end(&mut back).unwrap();
        assert_eq!(key.public, back, "{name}");
    }
}

#[test]
fn a_key_of_an_unknown_primary_algorithm_is_told_by_its_packets() {
    let octets = written(&unknown(0));
    assert_eq!(keys::unprotect(&octets, None), Ok(secret(&octets)));
    let key = read(&octets).unwrap();
    let part = public_part(99);
    let hashed = [&[0x9b][..], &u32::try_from(part.len()).unwrap().to_be_bytes(), &part].concat();
    assert_eq!(key.fingerprint.as_bytes(), &Sha256::digest(&hashed)[..]);
    assert_eq!(key.created, Timestamp::from_secs(1_700_000_000));
    assert!(contains(&key.public, &PUBLIC) && contains(&key.public, &signature(0x18)));
    assert!(!contains(&key.public, &HIDDEN[..8]), "nothing secret goes into a header");
    assert!(!keys::is_usable(&key.public, NOW));
    let tags: Vec<_> = tags_of(&key.public);
    assert_eq!(tags, [PUBLIC_KEY, SIGNATURE, USER_ID, SIGNATURE, PUBLIC_SUBKEY, SIGNATURE]);
}

fn tags_of(octets: &[u8]) -> Vec<u8> {
    let packets = pgp::packet::PacketParser::new(octets);
    packets.map(|packet| u8::from(pgp::packet::PacketTrait::tag(&packet.unwrap()))).collect()
}

#[test]
fn headers_of_the_old_format_change_the_octets_and_not_the_key() {
    let packets = unknown(0);
    let old: Vec<u8> = packets.iter().flat_map(|(tag, body)| old_packet(*tag, body)).collect();
    let (old, new) = (read(&old).unwrap(), read(&written(&packets)).unwrap());
    assert_ne!(old.secret, new.secret);
    assert_eq!((old.fingerprint, old.public, old.created), (new.fingerprint, new.public, new.created));
}

#[test]
fn a_photo_and_what_signs_it_stay_out_of_the_header() {
    let mut packets = unknown(0);
    packets.insert(4, (USER_ATTRIBUTE, vec![200; 100]));
    packets.insert(5, (SIGNATURE, signature(0x10)));
    assert_eq!(read(&written(&packets)).unwrap().public, read(&written(&unknown(0))).unwrap().public);
}

#[test]
fn a_key_of_an_unknown_algorithm_under_a_password_is_not_taken() {
    for usage in [253, 254, 255, 9] {
        let octets = written(&unknown(usage));
        assert!(read(&octets).is_err(), "{usage}");
        assert!(keys::unprotect(&octets, None).is_err(), "{usage}");
    }
}

/// Of version 4 the key packet does not say where its public part ends.
#[test]
fn a_version_four_primary_of_an_unknown_algorithm_is_refused_and_says_why() {
    let body = [&[4][..], &CREATED, &[99], &PUBLIC, &[0], &HIDDEN].concat();
    let octets = [packet(SECRET_KEY, &body), packet(USER_ID, b"<anna@example.org>")].concat();
    assert!(read(&octets).is_err());
    let error = keys::unprotect(&octets, None).unwrap_err();
    assert_eq!(error, ImportError::Unknown);
    assert!(error.to_string().contains("does not know"), "{error}");
    let later = [&[7][..], &body[1..]].concat();
    let octets = [packet(SECRET_KEY, &later), packet(USER_ID, b"<anna@example.org>")].concat();
    assert_eq!(keys::unprotect(&octets, None), Err(ImportError::Unknown), "a version that nobody has");
}

#[test]
fn a_version_four_subkey_of_an_unknown_algorithm_is_carried_and_stays_out_of_the_header() {
    let plain = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    let body = [&[4][..], &CREATED, &[99], &PUBLIC, &[0], &HIDDEN].concat();
    let more = [packet(SECRET_SUBKEY, &body), packet(SIGNATURE, &signature(0x18))].concat();
    let octets = [plain.secret.expose(), &more].concat();
    assert_eq!(keys::unprotect(&octets, None), Ok(secret(&octets)), "not an octet is lost");
    let key = read(&octets).unwrap();
    assert_eq!((key.fingerprint, key.public), (plain.fingerprint, plain.public));
}

#[test]
fn a_public_part_that_no_header_carries_is_too_large() {
    assert_eq!(keys::unprotect(&file("mldsa.sec.asc"), None), Err(ImportError::TooLarge));
    let mut packets = unknown(0);
    let many = std::iter::repeat_n((SIGNATURE, signature(0x18)), 100);
    packets.extend(many);
    assert_eq!(keys::unprotect(&written(&packets), None), Err(ImportError::TooLarge));
    assert!(read(&written(&packets)).is_err());
}

#[test]
fn lengths_that_are_not_said_at_once_are_refused() {
    let rest = written(&unknown(0)[1..]);
    let body = &unknown(0)[0].1;
    let (first, last) = body.split_at(64);
    let partial = [&[0xc5, 0xe6][..], first, &[u8::try_from(last.len()).unwrap()], last].concat();
    let indeterminate = [&[0x97][..], body].concat();
    for wrong in [[partial, rest.clone()].concat(), indeterminate.clone(), [indeterminate, rest].concat()] {
        assert!(read(&wrong).is_err());
        assert_eq!(keys::unprotect(&wrong, None), Err(ImportError::NotAKey));
    }
}

#[test]
fn half_a_key_is_refused() {
    let octets = written(&unknown(0));
    let ends: Vec<_> = unknown(0)
        .iter()
        .scan(0, |at, (_, body)| {
            *at += 6 + body.len();
            Some(*at)
        })
        .collect();
    for end in (0..octets.len()).filter(|end| !ends.contains(end)) {
        assert!(read(&octets[..end]).is_err(), "{end} octets");
    }
    for count in [u32::MAX, 41 + 48, 41 + 47, 0] {
        let mut packets = unknown(0);
        packets[0].1[6..10].copy_from_slice(&count.to_be_bytes());
        // One octet of protection must be left, and something public.
        let right = packets[0].1[9] == 41 + 47 && packets[0].1[58] == 0;
        assert_eq!(read(&written(&packets)).is_ok(), right, "{count}");
    }
    let mut other = unknown(0);
    other[0].1[1] ^= 1;
    let two = [octets.clone(), written(&other)].concat();
    assert_eq!(keys::unprotect(&two, None), Err(ImportError::SeveralKeys));
    let twice = [&octets[..], &octets].concat();
    assert_eq!(keys::unprotect(&twice, None), Ok(secret(&octets)));
}

#[test]
fn a_subkey_that_the_known_primary_did_not_sign_does_not_make_a_key_usable() {
    let mut octets = unarmored("pq6.sec.asc");
    let last = octets.len() - 1;
    octets[last] ^= 1;
    assert!(read(&octets).is_err(), "what can be verified is");
}

/// One device takes the key and passes it on to another one, which passes it on to a third; none of them can use it.
#[test]
fn every_device_gets_a_key_of_unknown_algorithms_octet_by_octet() {
    for octets in [unarmored("pq6.sec.asc"), unarmored("pq4.sec.asc"), written(&unknown(0))] {
        let mut world = World::new();
        let devices = [1, 2, 3].map(|id| world.add(OpenPgp::new(), id));
        world.settle();
        world.command(devices[0], Command::StartApart);
        world.command(devices[0], Command::AdoptKey { secret: secret(&octets) });
        world.pair(devices[0], devices[1]);
        world.pair(devices[1], devices[2]);
        for at in devices {
            assert_eq!(world.account_secret(at), secret(&octets));
            assert_eq!(world.programs[at].muaa.account().current, Some(read(&octets).unwrap().fingerprint));
        }
    }
}

/// As a state was saved by a version that could not read the key.
#[test]
fn a_key_that_was_held_unread_is_read_by_the_version_that_can() {
    let mut world = World::new();
    let at = world.add(OpenPgp::new(), 1);
    world.settle();
    let public = world.programs[at].muaa.account().public.unwrap();
    let saved = world.programs[at].saved.clone().unwrap().encode();
    let length = u16::try_from(public.len()).unwrap().to_be_bytes();
    let written = [&[0x59][..], &length, &public].concat();
    let start = saved.expose().windows(written.len()).position(|window| window == written).unwrap();
    let (before, after) = (&saved.expose()[..start], &saved.expose()[start + written.len()..]);
    let unread = Snapshot::decode(&[before, &[0x40], after].concat()).unwrap();
    let config = Config::new("anna@example.org", "device 1");
    let restored = Muaa::restore(config, OpenPgp::new(), [1; 32], &unread, world.now).unwrap();
    assert_eq!(restored.account().public, Some(public));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn octets_that_are_changed_anywhere_are_refused_or_another_key(
        name in prop::sample::select(vec!["unknown", "pq6", "pq4"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let whole = match name {
            "unknown" => written(&unknown(0)),
            name => unarmored(&format!("{name}.sec.asc")),
        };
        let mut octets = whole.clone();
        for (at, octet) in changes {
            *at.get_mut(&mut octets) = octet;
        }
        octets.truncate(cut.map_or(whole.len(), |cut| cut.index(whole.len())));
        let imported = keys::unprotect(&octets, None);
        let Ok(key) = read(&octets) else {
            prop_assert!(imported.is_err() || imported == Ok(secret(&octets)));
            return Ok(());
        };
        prop_assert!(key.public.len() <= 10 << 10);
        prop_assert_eq!(&key.secret, &secret(&octets));
        prop_assert!(!contains(&key.public, &HIDDEN[..8]));
        prop_assert!(keys::armor_public(&key.public).starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    }

    #[test]
    fn octets_that_are_anything_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed = packet(SECRET_KEY, &octets);
        let _ = (read(&octets), read(&framed), keys::unprotect(&framed, None), keys::armor_public(&octets));
    }
}
