//! What sealing costs, beside the bare curve operations and an AEAD in the same run.
//!
//! `sealed` signs once, seals for each of N siblings, and opens one of the messages and checks the signature. `bare` does the
//! same with x25519-dalek, ed25519-dalek and ChaCha20-Poly1305 alone: no packets, no certificates, no padding.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![allow(missing_docs, reason = "made by the macros")]

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit, Nonce};
use divan::{Bencher, black_box};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use sha2::{Digest, Sha256};
use sma_core::{Crypto, Timestamp};
use sma_openpgp::OpenPgp;
use x25519_dalek::{PublicKey, StaticSecret};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const SIBLINGS: [u8; 3] = [1, 4, 19];

fn main() {
    divan::main();
}

#[divan::bench(consts = [256, 4096, 65_536], args = SIBLINGS)]
fn sealed<const SIZE: usize>(bencher: Bencher<'_, '_>, siblings: u8) {
    let sender = OpenPgp.new_device_key(&[0; 32], NOW).unwrap();
    let recipients: Vec<_> =
        (1..=siblings).map(|seed| OpenPgp.new_device_key(&[seed; 32], NOW).unwrap()).collect();
    let plain = vec![7; SIZE];
    bencher.bench(|| {
        let signature = OpenPgp.sign(&sender.secret, "bench", &plain, &[9; 32], NOW).unwrap();
        let seal =
            |recipient: &sma_core::DeviceKey| OpenPgp.seal(&recipient.certificate, &plain, &[8; 32]).unwrap();
        let messages: Vec<_> = recipients.iter().map(seal).collect();
        let opened = OpenPgp.open(&recipients[0].secret, &messages[0]).unwrap();
        OpenPgp.verify(&sender.certificate, "bench", opened.expose(), &signature).unwrap();
        black_box(messages)
    });
}

/// The key of one message: a hash of the shared secret and both public keys.
fn cipher(shared: &x25519_dalek::SharedSecret, one: &PublicKey, two: &PublicKey) -> ChaCha20Poly1305 {
    let digest = Sha256::new().chain_update(shared).chain_update(one).chain_update(two).finalize();
    ChaCha20Poly1305::new(&digest)
}

#[divan::bench(consts = [256, 4096, 65_536], args = SIBLINGS)]
fn bare<const SIZE: usize>(bencher: Bencher<'_, '_>, siblings: u8) {
    let sender = SigningKey::from_bytes(&[20; 32]);
    let recipients: Vec<_> = (1..=siblings).map(|seed| StaticSecret::from([seed; 32])).collect();
    let certificates: Vec<_> = recipients.iter().map(PublicKey::from).collect();
    let plain = vec![7; SIZE];
    let nonce = Nonce::default();
    bencher.bench(|| {
        let signature: Signature = sender.sign(&plain);
        let seal = |recipient: &PublicKey| {
            let ephemeral = StaticSecret::from(black_box([30; 32]));
            let public = PublicKey::from(&ephemeral);
            let mut text = plain.clone();
            let cipher = cipher(&ephemeral.diffie_hellman(recipient), &public, recipient);
            let tag = cipher.encrypt_in_place_detached(&nonce, b"", &mut text).unwrap();
            (public, text, tag)
        };
        let messages: Vec<_> = certificates.iter().map(seal).collect();
        let (public, text, tag) = &messages[0];
        let mut opened = text.clone();
        let cipher = cipher(&recipients[0].diffie_hellman(public), public, &certificates[0]);
        cipher.decrypt_in_place_detached(&nonce, b"", &mut opened, tag).unwrap();
        sender.verifying_key().verify(&opened, &signature).unwrap();
        black_box(messages)
    });
}
