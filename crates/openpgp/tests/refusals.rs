//! Whatever is not exactly what was made is refused.

mod common;

use common::{NOW, device, flips, secret};
use pgp::{
    composed::{Deserializable, MessageBuilder, SignedPublicKey},
    crypto::{
        aead::{AeadAlgorithm, ChunkSize},
        sym::SymmetricKeyAlgorithm,
    },
    types::CompressionAlgorithm,
};
use rand_chacha_03::{ChaCha20Rng, rand_core::SeedableRng};
use sma_core::{Crypto, Secret, Timestamp};
use sma_openpgp::OpenPgp;

#[test]
fn every_flipped_bit_of_a_certificate_is_refused() {
    for (bit, flipped) in flips(&device(1).certificate) {
        assert!(OpenPgp.device_fingerprint(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let key = device(1);
    let signature = OpenPgp.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap();
    assert!(OpenPgp.verify(&key.certificate, "label", b"message", &signature).is_ok());
    for (bit, flipped) in flips(&signature) {
        assert!(OpenPgp.verify(&key.certificate, "label", b"message", &flipped).is_err(), "bit {bit}");
    }
    for (bit, flipped) in flips(b"message") {
        assert!(OpenPgp.verify(&key.certificate, "label", &flipped, &signature).is_err(), "bit {bit}");
    }
}

#[test]
fn a_signature_is_good_for_its_label_and_key_only() {
    let (key, other) = (device(1), device(2));
    let signature = OpenPgp.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap();
    let verify = |certificate, label, message| OpenPgp.verify(certificate, label, message, &signature);
    assert!(verify(&key.certificate, "label", b"message").is_ok());
    assert!(verify(&key.certificate, "lable", b"message").is_err());
    assert!(verify(&key.certificate, "labelm", b"essage").is_err());
    assert!(verify(&other.certificate, "label", b"message").is_err());
    assert!(verify(b"", "label", b"message").is_err());
}

#[test]
fn every_flipped_bit_of_a_sealed_message_is_refused() {
    let key = device(1);
    let sealed = OpenPgp.seal(&key.certificate, b"plain", &[3; 32]).unwrap();
    assert_eq!(OpenPgp.open(&key.secret, &sealed).unwrap().expose(), b"plain");
    for (bit, flipped) in flips(&sealed) {
        assert!(OpenPgp.open(&key.secret, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_a_bundle_is_refused() {
    let key = secret([7; 32]);
    let sealed = OpenPgp.seal_bundle(&key, b"plain", &[3; 32]);
    assert_eq!(OpenPgp.open_bundle(&key, &sealed).unwrap().expose(), b"plain");
    for (bit, flipped) in flips(&sealed) {
        assert!(OpenPgp.open_bundle(&key, &flipped).is_err(), "bit {bit}");
    }
    assert!(OpenPgp.open_bundle(&secret([8; 32]), &sealed).is_err());
    assert!(OpenPgp.open_bundle(&secret([7; 31]), &sealed).is_err());
    assert!(OpenPgp.open_bundle(&key, &OpenPgp.seal_bundle(&secret("short"), b"plain", &[3; 32])).is_err());
}

#[test]
fn only_the_recipient_opens_a_sealed_message() {
    let sealed = OpenPgp.seal(&device(1).certificate, b"plain", &[3; 32]).unwrap();
    assert!(OpenPgp.open(&device(2).secret, &sealed).is_err());
    let account = OpenPgp.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    assert!(OpenPgp.open(&account.secret, &sealed).is_err());
}

#[test]
fn nothing_may_stand_behind_or_in_front_of_it() {
    let key = device(1);
    let signature = OpenPgp.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap();
    let sealed = OpenPgp.seal(&key.certificate, b"plain", &[3; 32]).unwrap();
    // Octets, half a header, a marker packet, a padding packet, and the thing once more.
    let marker = [0xca, 3, b'P', b'G', b'P'];
    for extra in [&[0][..], &[0xc6], &[0xcb, 0xff, 0, 0, 0], &marker, &[0xd5, 1, 0]] {
        for both in [|a: &[u8], b: &[u8]| [a, b].concat(), |a: &[u8], b: &[u8]| [b, a].concat()] {
            assert!(OpenPgp.device_fingerprint(&both(&key.certificate, extra)).is_err());
            assert!(OpenPgp.verify(&key.certificate, "label", b"message", &both(&signature, extra)).is_err());
            assert!(OpenPgp.open(&key.secret, &both(&sealed, extra)).is_err());
        }
    }
    assert!(OpenPgp.device_fingerprint(&key.certificate.repeat(2)).is_err());
    assert!(OpenPgp.verify(&key.certificate, "label", b"message", &signature.repeat(2)).is_err());
    assert!(OpenPgp.open(&key.secret, &sealed.repeat(2)).is_err());
}

#[test]
fn every_shortened_form_is_refused() {
    let key = device(1);
    let signature = OpenPgp.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap();
    let sealed = OpenPgp.seal(&key.certificate, b"plain", &[3; 32]).unwrap();
    let bundle = OpenPgp.seal_bundle(&secret([7; 32]), b"plain", &[3; 32]);
    for end in 0..key.certificate.len() {
        assert!(OpenPgp.device_fingerprint(&key.certificate[..end]).is_err());
    }
    for end in 0..signature.len() {
        assert!(OpenPgp.verify(&key.certificate, "label", b"message", &signature[..end]).is_err());
    }
    for end in 0..sealed.len() {
        assert!(OpenPgp.open(&key.secret, &sealed[..end]).is_err());
    }
    for end in 0..bundle.len() {
        assert!(OpenPgp.open_bundle(&secret([7; 32]), &bundle[..end]).is_err());
    }
}

#[test]
fn only_certificates_of_the_profile_are_devices() {
    let account = OpenPgp.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    let (one, two) = (device(1), device(2));
    assert!(OpenPgp.device_fingerprint(&account.public).is_err(), "a version 4 key");
    assert!(OpenPgp.device_fingerprint(one.secret.expose()).is_err(), "a secret key");
    // The packets of both are equally long: the first two of one and the last two of the other.
    let subkey = one.certificate.windows(2).position(|w| w[0] == 0xce && w[1] == 42).unwrap();
    let mixed = [&one.certificate[..subkey], &two.certificate[subkey..]].concat();
    assert!(OpenPgp.device_fingerprint(&mixed).is_err(), "another's subkey");
    assert!(OpenPgp.seal(&mixed, b"plain", &[3; 32]).is_err(), "another's subkey");
    assert!(OpenPgp.device_fingerprint(&one.certificate[..subkey]).is_err(), "no subkey");
    assert!(OpenPgp.device_fingerprint(&vec![0xff; 1 << 20]).is_err(), "too large");
}

#[test]
fn huge_messages_are_refused() {
    let key = device(1);
    assert!(OpenPgp.open(&key.secret, &vec![0; 4 << 20]).is_err());
    assert!(OpenPgp.seal(&key.certificate, &vec![0; (1 << 20) + 1], &[3; 32]).is_err());
    let largest = vec![7; 1 << 20];
    let sealed = OpenPgp.seal(&key.certificate, &largest, &[3; 32]).unwrap();
    assert_eq!(OpenPgp.open(&key.secret, &sealed).unwrap().expose(), largest);
}

#[test]
fn other_messages_to_the_same_key_are_refused() {
    let key = device(1);
    let certificate = SignedPublicKey::from_bytes(&key.certificate[..]).unwrap();
    let recipient = &certificate.public_subkeys[0];
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let (cipher, chunk) = (SymmetricKeyAlgorithm::AES256, ChunkSize::C4KiB);
    let content = [&[0, 0, 0, 5][..], b"plain\0"].concat();
    let mut made = Vec::new();
    for mode in [AeadAlgorithm::Ocb, AeadAlgorithm::Gcm] {
        for compression in [None, Some(CompressionAlgorithm::ZLIB)] {
            for named in [false, true] {
                let builder = MessageBuilder::from_bytes("", content.clone());
                let mut builder = builder.seipd_v2(&mut rng, cipher, mode, chunk);
                if let Some(kind) = compression {
                    builder.compression(kind);
                }
                if named {
                    builder.encrypt_to_key(&mut rng, recipient).unwrap();
                } else {
                    builder.encrypt_to_key_anonymous(&mut rng, recipient).unwrap();
                }
                made.push((mode, compression, named, builder.to_vec(&mut rng).unwrap()));
            }
        }
    }
    for (mode, compression, named, message) in made {
        let opened = OpenPgp.open(&key.secret, &message);
        // rPGP reads all of them; only what is made as a sealed message is made is one.
        let right = mode == AeadAlgorithm::Ocb && compression.is_none() && !named;
        assert_eq!(opened.is_ok(), right, "{mode:?} {compression:?} {named}");
    }
    let mut old = MessageBuilder::from_bytes("", content).seipd_v1(&mut rng, cipher);
    old.encrypt_to_key_anonymous(&mut rng, recipient).unwrap();
    assert!(OpenPgp.open(&key.secret, &old.to_vec(&mut rng).unwrap()).is_err());
}

#[test]
fn a_time_that_openpgp_cannot_write_is_refused() {
    let late = Timestamp::from_secs(1 << 32);
    assert!(OpenPgp.new_device_key(&[1; 32], late).is_err());
    assert!(OpenPgp.sign(&device(1).secret, "label", b"message", &[2; 32], late).is_err());
    assert!(OpenPgp.new_account_key("alice@example.org", &[4; 32], late).is_err());
}

#[test]
fn what_is_no_device_key_signs_and_opens_nothing() {
    let account = OpenPgp.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    let certificate = Secret::new(device(1).certificate.to_vec());
    for key in [&Secret::default(), &secret("x"), &account.secret, &certificate] {
        assert!(OpenPgp.sign(key, "label", b"message", &[2; 32], NOW).is_err());
    }
}

#[test]
fn a_bundle_that_nobody_would_open_is_not_sealed() {
    let key = secret([7; 32]);
    let largest = vec![7; 1 << 20];
    let sealed = OpenPgp.seal_bundle(&key, &largest, &[3; 32]);
    assert_eq!(OpenPgp.open_bundle(&key, &sealed).unwrap().expose(), largest);
    assert!(OpenPgp.seal_bundle(&key, &[&largest[..], &[7]].concat(), &[3; 32]).is_empty());
}
