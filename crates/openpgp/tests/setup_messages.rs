//! Autocrypt Setup Messages between programs of this project.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{NOW, OPENPGP, device, secret};
use pgp::packet::{Packet, PacketParser, SymKeyEncryptedSessionKey};
use sma_autocrypt::Address;
use sma_core::Crypto;
use sma_openpgp::setup_message::{self, Locked, Setup, UnlockError};

fn alice() -> Address {
    Address::parse("alice@example.org").unwrap()
}

fn setup() -> Setup {
    let key = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    Setup { secret: key.secret, mutual: true }
}

fn locked() -> Locked {
    setup_message::lock(&setup(), &alice(), &[7; 32]).unwrap()
}

#[test]
fn a_setup_message_opens_with_its_code_however_it_is_typed() {
    let Locked { armored, code } = locked();
    for typed in [code.to_string(), code.replace('-', " "), code.replace('-', "\n"), code.replace('-', "")] {
        assert_eq!(setup_message::unlock(armored.as_bytes(), &secret(typed), None), Ok(setup()));
    }
    let crlf = armored.replace('\n', "\r\n");
    assert_eq!(setup_message::unlock(crlf.as_bytes(), &secret(&*code), None), Ok(setup()));
    let other = Setup { mutual: false, ..setup() };
    let Locked { armored, code } = setup_message::lock(&other, &alice(), &[8; 32]).unwrap();
    assert_eq!(setup_message::unlock(armored.as_bytes(), &secret(&*code), None), Ok(other));
}

#[test]
fn a_setup_message_has_level_1s_form() {
    let Locked { armored, code } = locked();
    let begin = &code[..2];
    assert!(armored.starts_with(&format!(
        "-----BEGIN PGP MESSAGE-----\nPassphrase-Begin: {begin}\nPassphrase-Format: numeric9x4\n\n"
    )));
    let hint = setup_message::hint(armored.as_bytes()).unwrap();
    assert_eq!((hint.numeric, hint.begins.as_str()), (true, begin));
    let armor = pgp::armor::Dearmor::new(armored.as_bytes());
    let packets: Vec<Packet> =
        PacketParser::new(std::io::BufReader::new(armor)).collect::<Result<_, _>>().unwrap();
    let [Packet::SymKeyEncryptedSessionKey(key), Packet::SymEncryptedProtectedData(data)] = &packets[..]
    else {
        panic!("two packets")
    };
    assert!(matches!(key, SymKeyEncryptedSessionKey::V4 { .. }));
    assert_eq!(key.sym_algorithm(), Some(pgp::crypto::sym::SymmetricKeyAlgorithm::AES128));
    assert_eq!(data.version(), 1);
    assert_eq!(armored, locked().armored, "the same seed gives the same octets");
    assert_ne!(armored, setup_message::lock(&setup(), &alice(), &[8; 32]).unwrap().armored);
}

#[test]
fn a_wrong_code_and_a_damaged_message_are_the_same_error() {
    let Locked { armored, code } = locked();
    let unlock = |armored: &str, code: &str| setup_message::unlock(armored.as_bytes(), &secret(code), None);
    let last = if code.ends_with('1') { '2' } else { '1' };
    let wrong = format!("{}{last}", &code[..code.len() - 1]);
    let public = sma_openpgp::keys::armor_public(&device(1).certificate);
    let broken = armored.replacen("\n\n", "\n\nAAAA", 1);
    let lines: Vec<_> = armored.lines().collect();
    let middle = lines[8].to_owned();
    let changed = armored.replace(&middle, &middle.chars().rev().collect::<String>());
    assert_ne!(changed, armored);
    for (armored, code) in [
        (armored.as_str(), wrong.as_str()),
        (&armored, ""),
        (&armored, &code[..20]),
        (&broken, &code),
        (&changed, &code),
        (&public, &code),
        ("", &code),
        ("hello", &code),
    ] {
        assert_eq!(unlock(armored, code), Err(UnlockError::WrongCode), "{armored}");
    }
    assert!(setup_message::hint(b"hello").is_err());
    assert!(setup_message::unlock(&vec![b'-'; 1 << 20], &secret(&*code), None).is_err());
}

#[test]
fn what_is_no_account_key_is_not_locked() {
    let lock = |octets: &[u8]| {
        let setup = Setup { secret: secret(octets), mutual: true };
        setup_message::lock(&setup, &alice(), &[7; 32])
    };
    assert!(lock(b"").is_err());
    assert!(lock(&device(1).certificate).is_err());
    assert!(!format!("{:?} {:?}", locked(), setup()).contains(&locked().code[..9]));
}
