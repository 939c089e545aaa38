//! Which public keys mail can be encrypted to, at which time: keys that GnuPG and Sequoia made, and Sequoia's standard policy as
//! a second judge. Fails without `gpg`, unless `SMA_WITHOUT_SERVERS=1` is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, SystemTime};

use common::{flips, gpg::Gpg};
use pgp::{
    composed::{Deserializable, MessageBuilder, SignedPublicKey},
    crypto::sym::SymmetricKeyAlgorithm,
};
use rand_chacha_03::{ChaCha20Rng, rand_core::SeedableRng};
use sequoia_openpgp::{
    Cert, Profile,
    cert::{CertBuilder, SubkeyRevocationBuilder},
    parse::Parse,
    policy::StandardPolicy,
    serialize::SerializeInto,
    types::{ReasonForRevocation, RevocationStatus},
};
use sma_core::Timestamp;
use sma_openpgp::keys;

/// 2026-01-01, when keys are made.
const MADE: u64 = 1_767_225_600;
const DAY: u64 = 86_400;
/// The same for GnuPG, and a month later.
const MADE_BY_GPG: &str = "20260101T000000!";
const LATER_BY_GPG: &str = "20260201T000000!";
const MUCH_LATER_BY_GPG: &str = "20260301T000000!";
const MONTH: u64 = 31 * DAY;

fn time(now: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(now)
}

/// Whether Sequoia would encrypt mail to a key.
fn sequoia_says(public: &[u8], now: u64) -> bool {
    let policy = StandardPolicy::new();
    let Ok(cert) = Cert::from_bytes(public) else { return false };
    let Ok(valid) = cert.with_policy(&policy, time(now)) else { return false };
    let revoked = matches!(valid.revocation_status(), RevocationStatus::Revoked(_));
    let mut keys = valid.keys().supported().alive().revoked(false);
    !revoked
        && valid.alive().is_ok()
        && keys.any(|key| key.for_transport_encryption() || key.for_storage_encryption())
}

/// Both judges say when a key is usable: `expected` holds days after it was made.
fn usable(name: &str, public: &[u8], expected: &[(f64, bool)]) {
    for (days, usable) in expected {
        let now = MADE.saturating_add_signed((days * DAY as f64) as i64);
        assert_eq!(sequoia_says(public, now), *usable, "Sequoia of {name} on day {days}");
        assert_eq!(keys::is_usable(public, Timestamp::from_secs(now)), *usable, "{name} on day {days}");
    }
}

const BEFORE: f64 = -1.0;
const YEARS_LATER: f64 = 3650.0;

/// A key that gpg made at [`MADE`], a primary key alone.
fn primary(gpg: &Gpg, kind: &str, ends: &str) -> String {
    let id = format!("{kind} {ends} <bob@example.org>");
    gpg.run(
        "",
        &["--faked-system-time", MADE_BY_GPG, "--quick-generate-key", &id, kind, "default", ends],
        b"",
    );
    let (listing, _) = gpg.run("", &["--list-keys", "--with-colons", &id], b"");
    let listing = String::from_utf8(listing).unwrap();
    let fingerprint = listing.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    fingerprint.trim_end_matches(':').to_owned()
}

fn add_subkey(gpg: &Gpg, time: &str, key: &str, kind: &str, usage: &str, ends: &str) {
    gpg.run("", &["--faked-system-time", time, "--quick-add-key", key, kind, usage, ends], b"");
}

fn public(gpg: &Gpg, key: &str) -> Vec<u8> {
    gpg.run("", &["--export", key], b"").0
}

#[test]
fn a_key_of_gpg_is_usable_from_when_it_was_made() {
    let Some(gpg) = Gpg::new("usable") else { return };
    for (first, second) in [("ed25519", "cv25519"), ("rsa3072", "rsa3072"), ("nistp256", "nistp256")] {
        let key = primary(&gpg, first, "never");
        usable(first, &public(&gpg, &key), &[(BEFORE, false), (0.0, false), (YEARS_LATER, false)]);
        add_subkey(&gpg, MADE_BY_GPG, &key, second, "encrypt", "never");
        usable(first, &public(&gpg, &key), &[(BEFORE, false), (0.0, true), (1.0, true), (YEARS_LATER, true)]);
    }
}

#[test]
fn a_key_that_only_signs_is_never_usable() {
    let Some(gpg) = Gpg::new("usable-signing") else { return };
    let key = primary(&gpg, "ed25519", "never");
    add_subkey(&gpg, MADE_BY_GPG, &key, "ed25519", "sign", "never");
    usable(
        "signs",
        &public(&gpg, &key),
        &[(BEFORE, false), (0.0, false), (1.0, false), (YEARS_LATER, false)],
    );
}

#[test]
fn a_key_that_ended_is_not_usable_until_its_end_is_moved() {
    let Some(gpg) = Gpg::new("usable-expired") else { return };
    let key = primary(&gpg, "ed25519", "seconds=86400");
    add_subkey(&gpg, MADE_BY_GPG, &key, "cv25519", "encrypt", "never");
    usable(
        "ends",
        &public(&gpg, &key),
        &[(BEFORE, false), (0.0, true), (0.9, true), (1.0, false), (40.0, false)],
    );
    gpg.run("", &["--faked-system-time", LATER_BY_GPG, "--quick-set-expire", &key, "seconds=86400"], b"");
    usable("moved", &public(&gpg, &key), &[(31.5, true), (32.1, false), (YEARS_LATER, false)]);
    gpg.run("", &["--faked-system-time", MUCH_LATER_BY_GPG, "--quick-set-expire", &key, "never"], b"");
    usable("endless", &public(&gpg, &key), &[(59.0, true), (YEARS_LATER, true)]);
}

#[test]
fn a_key_whose_encrypting_subkey_ended_is_not_usable_until_it_has_another() {
    let Some(gpg) = Gpg::new("usable-subkey") else { return };
    let key = primary(&gpg, "ed25519", "never");
    add_subkey(&gpg, MADE_BY_GPG, &key, "cv25519", "encrypt", "seconds=86400");
    usable(
        "ends",
        &public(&gpg, &key),
        &[(BEFORE, false), (0.0, true), (0.9, true), (1.0, false), (40.0, false)],
    );
    add_subkey(&gpg, LATER_BY_GPG, &key, "cv25519", "encrypt", "never");
    usable(
        "another",
        &public(&gpg, &key),
        &[(0.9, true), (1.0, false), (30.9, false), (31.0, true), (YEARS_LATER, true)],
    );
}

#[test]
fn a_key_whose_encrypting_subkey_was_revoked_is_not_usable() {
    let Some(gpg) = Gpg::new("usable-subkey-revoked") else { return };
    // 0: without a reason; 1: compromised; 2: superseded.
    for reason in ["0", "1", "2"] {
        let key = primary(&gpg, "ed25519", &format!("{reason}y"));
        add_subkey(&gpg, MADE_BY_GPG, &key, "cv25519", "encrypt", "never");
        let answers = format!("key 1\nrevkey\ny\n{reason}\n\ny\nsave\n");
        let edit = ["--no-batch", "--no-tty", "--command-fd", "0", "--edit-key", &key];
        gpg.run("", &[&["--faked-system-time", LATER_BY_GPG][..], &edit].concat(), answers.as_bytes());
        usable(reason, &public(&gpg, &key), &[(BEFORE, false), (31.0, false), (40.0, false)]);
    }
}

/// The octets of a test file's armored key.
fn data(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    Cert::from_file(path).unwrap().to_vec().unwrap()
}

#[test]
fn of_the_keys_in_the_test_data_those_are_usable_that_did_not_end_and_were_not_revoked() {
    let good = [(BEFORE, false), (0.5, true), (31.5, true), (YEARS_LATER, true)];
    usable("curve", &data("curve.pub.asc"), &good);
    usable("rsa", &data("rsa.pub.asc"), &good);
    usable("expired", &data("expired.pub.asc"), &[(BEFORE, false), (0.5, true), (1.0, false), (31.5, false)]);
    usable(
        "revoked",
        &data("revoked.pub.asc"),
        &[(BEFORE, false), (0.5, false), (31.5, false), (YEARS_LATER, false)],
    );
    // Sequoia's own keys end after three years.
    usable(
        "sequoia",
        &data("sequoia.pub.asc"),
        &[(BEFORE, false), (0.5, true), (31.5, true), (YEARS_LATER, false)],
    );
}

/// A key by Sequoia, for mail, that lives so long.
fn built(profile: Profile, lifetime: Option<u64>) -> Cert {
    let builder = CertBuilder::new().set_profile(profile).unwrap().set_creation_time(time(MADE));
    let builder =
        builder.set_validity_period(lifetime.map(Duration::from_secs)).add_userid("<bob@example.org>");
    builder.add_signing_subkey().add_transport_encryption_subkey().generate().unwrap().0
}

#[test]
fn keys_of_version_6_are_as_usable_as_those_of_version_4() {
    for profile in [Profile::RFC4880, Profile::RFC9580] {
        let public = |cert: &Cert| cert.clone().strip_secret_key_material().to_vec().unwrap();
        let cert = built(profile, None);
        usable("endless", &public(&cert), &[(BEFORE, false), (0.0, true), (YEARS_LATER, true)]);
        let ends = built(profile, Some(DAY));
        usable("ends", &public(&ends), &[(BEFORE, false), (0.0, true), (0.9, true), (1.0, false)]);

        let policy = StandardPolicy::new();
        let valid = cert.with_policy(&policy, time(MADE)).unwrap();
        let subkey = valid.keys().subkeys().for_transport_encryption().next().unwrap().key();
        let signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair();
        let revocation = SubkeyRevocationBuilder::new()
            .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
            .and_then(|builder| builder.set_signature_creation_time(time(MADE + MONTH)))
            .and_then(|builder| builder.build(&mut signer?, &cert, subkey, None));
        let revoked = cert.clone().insert_packets(revocation).unwrap().0;
        usable("revoked", &public(&revoked), &[(BEFORE, false), (0.5, false), (31.5, false)]);
    }
}

#[test]
fn a_key_of_an_algorithm_that_cannot_be_encrypted_to_is_never_usable() {
    let Some(gpg) = Gpg::new("usable-algorithm") else { return };
    for (first, second) in [
        ("dsa2048", "elg2048"),
        ("brainpoolP256r1", "brainpoolP256r1"),
        ("secp256k1", "secp256k1"),
        ("ed25519", "brainpoolP256r1"),
        ("ed25519", "elg2048"),
    ] {
        let key = primary(&gpg, first, if second == "elg2048" { "never" } else { "9y" });
        add_subkey(&gpg, MADE_BY_GPG, &key, second, "encrypt", "never");
        let public = public(&gpg, &key);
        assert!(!keys::is_usable(&public, Timestamp::from_secs(MADE + DAY)), "{first} {second}");
        let encrypted = SignedPublicKey::from_bytes(&public[..]).and_then(|key| {
            let mut rng = ChaCha20Rng::from_seed([9; 32]);
            let mail = MessageBuilder::from_bytes("", "hello");
            let mut mail = mail.seipd_v1(&mut rng, SymmetricKeyAlgorithm::AES256);
            mail.encrypt_to_key(&mut rng, &key.public_subkeys[0]).map(|_| ())
        });
        assert!(encrypted.is_err(), "{first} {second}");
    }
}

#[test]
fn garbage_is_never_usable_and_a_damaged_key_only_where_its_signatures_hold() {
    for garbage in [&b""[..], b"hello", &[0xff; 100], &[0xc6; 100]] {
        usable("garbage", garbage, &[(BEFORE, false), (1.0, false)]);
    }
    let key = data("curve.pub.asc");
    for length in 0..key.len() {
        usable(&format!("{length} octets"), &key[..length], &[(1.0, false)]);
    }
    // Where the numbers of keys and signatures say how long they are, and the form of the subkey's point: rPGP does not
    // look at them and signs what they should be.
    let not_looked_at = [19, 159, 193, 246, 247];
    for (bit, flipped) in flips(&key) {
        let now = MADE + DAY;
        if keys::is_usable(&flipped, Timestamp::from_secs(now)) && !not_looked_at.contains(&(bit / 8)) {
            assert!(sequoia_says(&flipped, now), "bit {bit}");
        }
    }
}
