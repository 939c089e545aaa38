//! Account keys: made here, and read from elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{NOW, OPENPGP, device, flips, secret};
use pgp::{
    composed::{Deserializable, SignedPublicKey},
    crypto::{ecc_curve::ECCCurve, public_key::PublicKeyAlgorithm},
    packet::{Packet, PacketParser},
    types::{KeyDetails, KeyVersion, Tag},
};
use sma_core::{AccountKey, Crypto, Secret};
use sma_openpgp::keys::{self, ImportError};

fn account() -> AccountKey {
    OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap()
}

#[test]
fn an_account_key_is_autocrypts_five_packets() {
    let public = account().public;
    let packets: Vec<Packet> = PacketParser::new(&public[..]).collect::<Result<_, _>>().unwrap();
    let tags: Vec<_> = packets.iter().map(pgp::packet::PacketTrait::tag).collect();
    let five = [Tag::PublicKey, Tag::UserId, Tag::Signature, Tag::PublicSubkey, Tag::Signature];
    assert_eq!(tags, five);

    let key = SignedPublicKey::from_bytes(&public[..]).unwrap();
    key.verify_bindings().unwrap();
    assert_eq!((key.version(), key.algorithm()), (KeyVersion::V4, PublicKeyAlgorithm::EdDSALegacy));
    let [user] = &key.details.users[..] else { panic!("one user id") };
    assert_eq!(user.id.as_str(), Some("<alice@example.org>"));
    let itself = &user.signatures[0];
    let flags = itself.key_flags();
    assert!(flags.certify() && flags.sign() && !flags.encrypt_comms() && !flags.encrypt_storage());
    assert!(itself.features().is_some_and(|features| features.seipd_v1() && !features.seipd_v2()));
    let [subkey] = &key.public_subkeys[..] else { panic!("one subkey") };
    assert_eq!(subkey.algorithm(), PublicKeyAlgorithm::ECDH);
    assert!(subkey.signatures[0].key_flags().encrypt_comms());
    assert!(matches!(
        subkey.public_params(),
        pgp::types::PublicParams::ECDH(params) if params.curve() == ECCCurve::Curve25519Legacy
    ));
}

#[test]
fn an_account_key_reads_as_it_was_made() {
    let key = account();
    assert_eq!(key.created, NOW);
    assert_eq!(key.fingerprint.as_bytes().len(), 20);
    assert_eq!(OPENPGP.read_account_key(&key.secret).unwrap(), key);
    assert_eq!(keys::expires(&key.public), None);
}

#[test]
fn an_address_that_could_not_stand_in_a_user_id_is_refused() {
    let long = format!("{}@example.org", "a".repeat(243));
    for address in ["", "alice", "a@b>", "<a@b", "a@b\n", "a@b\0", "a\u{85}@b", &long] {
        assert!(OPENPGP.new_account_key(address, &[4; 32], NOW).is_err(), "{address:?}");
    }
    assert!(OPENPGP.new_account_key(&long[1..], &[4; 32], NOW).is_ok());
    assert!(OPENPGP.new_account_key("жанна@пример.example", &[4; 32], NOW).is_ok());
}

#[test]
fn only_one_whole_secret_key_is_read() {
    let key = account();
    let octets = key.secret.expose();
    let other = OPENPGP.new_account_key("bob@example.org", &[5; 32], NOW).unwrap();
    let read = |octets: &[u8]| OPENPGP.read_account_key(&secret(octets));
    assert!(read(octets).is_ok());
    assert!(read(&key.public).is_err());
    assert!(read(&[octets, &[0]].concat()).is_err());
    assert!(read(&[octets, &[0xc6]].concat()).is_err());
    assert!(read(&[octets, other.secret.expose()].concat()).is_err());
    assert!(read(&[&other.public, octets].concat()).is_err());
    assert!(read(&[0; 65 << 10]).is_err());
    for end in 0..octets.len() {
        assert!(read(&octets[..end]).is_err(), "{end} octets");
    }
}

#[test]
fn a_flipped_bit_never_gives_another_key_under_the_same_fingerprint() {
    let key = account();
    for (bit, flipped) in flips(key.secret.expose()) {
        let Ok(read) = OPENPGP.read_account_key(&Secret::new(flipped)) else {
            continue;
        };
        // Octets that nothing signs, such as the unhashed issuer's, may differ.
        if read.fingerprint == key.fingerprint {
            let was = SignedPublicKey::from_bytes(&key.public[..]).unwrap();
            let is = SignedPublicKey::from_bytes(&read.public[..]).unwrap();
            assert_eq!(was.primary_key, is.primary_key, "bit {bit}");
            assert_eq!(was.public_subkeys[0].key, is.public_subkeys[0].key, "bit {bit}");
        }
    }
}

#[test]
fn a_device_key_can_be_an_account_key_of_version_six() {
    let key = device(1);
    let read = OPENPGP.read_account_key(&key.secret).unwrap();
    assert_eq!(read.fingerprint, key.fingerprint);
    assert_eq!(read.public, key.certificate);
}

#[test]
fn an_exported_key_comes_back_with_its_password_only() {
    let key = account();
    let password = secret("correct horse");
    let exported = keys::export_protected(&key.secret, &password, &[6; 32]).unwrap();
    let import = |password| keys::unprotect(exported.as_bytes(), password);
    assert_eq!(import(Some(&password)), Ok(key.secret.clone()));
    assert_eq!(import(None), Err(ImportError::PasswordNeeded));
    assert_eq!(import(Some(&secret("wrong"))), Err(ImportError::WrongPassword));
    let mut dearmored = Vec::new();
    std::io::Read::read_to_end(&mut pgp::armor::Dearmor::new(exported.as_bytes()), &mut dearmored).unwrap();
    assert!(OPENPGP.read_account_key(&Secret::new(dearmored.clone())).is_err(), "protected");
    assert_eq!(keys::unprotect(&dearmored, Some(&password)), Ok(key.secret.clone()));
    assert!(keys::export_protected(&Secret::new(dearmored), &password, &[6; 32]).is_err());
    assert!(keys::export_protected(&key.secret, &Secret::default(), &[6; 32]).is_err());
}

#[test]
fn what_is_no_secret_key_is_not_imported() {
    let key = account();
    let public = keys::armor_public(&key.public);
    assert!(public.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    for octets in [&b""[..], b"hello", &[0x95; 100], &[0xff; 100]] {
        assert_eq!(keys::unprotect(octets, None), Err(ImportError::NotAKey));
    }
    for octets in [public.as_bytes(), &key.public] {
        assert_eq!(keys::unprotect(octets, None), Err(ImportError::PublicOnly));
    }
    let two = [key.secret.expose(), device(1).secret.expose()].concat();
    assert_eq!(keys::unprotect(&two, None), Err(ImportError::SeveralKeys));
    assert_eq!(keys::unprotect(&vec![0x95; 2 << 20], None), Err(ImportError::TooLarge));
    assert_eq!(keys::armor_public(b"hello"), "");
}
