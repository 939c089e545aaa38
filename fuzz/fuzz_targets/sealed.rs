//! Sealed messages and signatures by whoever knows the certificates, and what somebody who holds a session's key seals.
//!
//! Ten minutes: 1,170,000 executions, 1,950 a second, no crash. Planted: the length in front of a padded content is not held against
//! what is there (`unpad` in `crates/openpgp/src/padding.rs`). Found with the first seed.
#![no_main]

use std::sync::LazyLock;

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};
use libfuzzer_sys::fuzz_target;
use sma_core::{Crypto, DeviceKey, Secret, Timestamp};
use sma_openpgp::OpenPgp;

static KEY: LazyLock<DeviceKey> = LazyLock::new(|| {
    OpenPgp::new()
        .new_device_key(&[7; 32], Timestamp::from_secs(1_800_000_000))
        .expect("a device key can be made")
});

const BUNDLE: [u8; 32] = [7; 32];

/// The octets, whatever they are, as the inside of a bundle.
fn bundle_around(inside: &[u8]) -> Vec<u8> {
    let nonce = [0; 12];
    let mut text = inside.to_vec();
    let cipher = ChaCha20Poly1305::new(&BUNDLE.into());
    let tag = cipher.encrypt_in_place_detached(&nonce.into(), b"", &mut text).expect("it is short");
    [&nonce[..], &text, &tag].concat()
}

fuzz_target!(|octets: &[u8]| {
    let _ = OpenPgp::new().open(&KEY.secret, octets);
    let bundle = Secret::new(BUNDLE.to_vec());
    let _ = OpenPgp::new().open_bundle(&bundle, octets);
    if let Ok(content) = OpenPgp::new().open_bundle(&bundle, &bundle_around(octets)) {
        assert_eq!(octets[4..4 + content.expose().len()], *content.expose());
    }
    assert!(OpenPgp::new().verify(&KEY.certificate, "label", b"never signed", octets).is_err());
});
