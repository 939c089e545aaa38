//! A device's certificate with another encryption subkey.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::Duration;

use common::{NOW, device, flips, secret, world::World};
use pgp::composed::{Deserializable, SignedPublicKey};
use sma_core::{Crypto, DeviceKey, Timestamp};
use sma_openpgp::OpenPgp;

const MONTH_LATER: Timestamp = Timestamp(NOW.0 + 30 * 86_400_000);

fn renewed(key: &DeviceKey) -> DeviceKey {
    OpenPgp::new().renew_device_key(&key.secret, &[42; 32], MONTH_LATER).unwrap()
}

#[test]
fn a_renewed_certificate_is_the_same_devices() {
    let first = device(1);
    let second = renewed(&first);
    assert_eq!(OpenPgp::new().device_fingerprint(&second.certificate), Ok(first.fingerprint));
    assert_eq!(second.fingerprint, first.fingerprint);
    for (signs, checks) in [(&first, &second), (&second, &first)] {
        let signature = OpenPgp::new().sign(&signs.secret, "label", b"message", &[2; 32], NOW).unwrap();
        assert_eq!(OpenPgp::new().verify(&checks.certificate, "label", b"message", &signature), Ok(()));
    }
}

#[test]
fn what_is_sealed_to_one_subkey_is_not_opened_by_another() {
    let first = device(1);
    let second = renewed(&first);
    for (one, other) in [(&first, &second), (&second, &first)] {
        let sealed = OpenPgp::new().seal(&one.certificate, b"plain", &[3; 32]).unwrap();
        assert_eq!(OpenPgp::new().open(&one.secret, &sealed).unwrap().expose(), b"plain");
        assert!(OpenPgp::new().open(&other.secret, &sealed).is_err());
    }
}

#[test]
fn every_flipped_bit_of_a_renewed_certificate_is_refused() {
    for (bit, flipped) in flips(&renewed(&device(1)).certificate) {
        assert!(OpenPgp::new().device_fingerprint(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn another_devices_subkey_is_refused() {
    let (one, other) = (device(1), device(2));
    let read = |octets: &[u8]| SignedPublicKey::from_bytes(octets).unwrap();
    let mut mixed = read(&one.certificate);
    mixed.public_subkeys = read(&renewed(&other).certificate).public_subkeys;
    let mixed = pgp::ser::Serialize::to_bytes(&mixed).unwrap();
    assert!(OpenPgp::new().device_fingerprint(&mixed).is_err());
    assert!(OpenPgp::new().seal(&mixed, b"plain", &[3; 32]).is_err());
}

#[test]
fn a_subkey_is_no_older_than_its_primary_key_whatever_the_clock_says() {
    let key = device(1);
    let renewed = OpenPgp::new().renew_device_key(&key.secret, &[42; 32], Timestamp(0)).unwrap();
    let read = SignedPublicKey::from_bytes(&renewed.certificate[..]).unwrap();
    let created = pgp::types::KeyDetails::created_at(&read.public_subkeys[0].key);
    assert_eq!(u64::from(created.as_secs()), NOW.as_secs());
}

#[test]
fn what_is_no_device_key_is_not_renewed() {
    let account = OpenPgp::new().new_account_key("anna@example.org", &[1; 32], NOW).unwrap();
    assert!(OpenPgp::new().renew_device_key(&account.secret, &[2; 32], NOW).is_err());
    assert!(OpenPgp::new().renew_device_key(&secret(b""), &[2; 32], NOW).is_err());
}

/// How many secret keys the cryptography remembers.
fn remembered(openpgp: &OpenPgp) -> usize {
    let shown = format!("{openpgp:?}");
    let (_, count) = shown.split_once("secret_keys: ").unwrap();
    count.trim_end_matches([' ', '}']).parse().unwrap()
}

/// A program that stays: nothing else would take the former secret key out of its memory before the next renewal.
#[test]
fn a_destroyed_subkey_is_gone_from_the_memory_of_a_running_program() {
    const DAY: Duration = Duration::from_secs(86_400);
    let openpgp = OpenPgp::new();
    let mut world = World::new();
    world.add(openpgp.clone(), 1);
    world.settle();
    assert_eq!(remembered(&openpgp), 1);
    let mut counts = Vec::new();
    for _ in 0..50 {
        world.wait(DAY);
        counts.push(remembered(&openpgp));
    }
    assert!(counts.contains(&2), "the former one is kept for a while: {counts:?}");
    assert_eq!(counts.last(), Some(&1), "{counts:?}");
}
