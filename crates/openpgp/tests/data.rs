//! The keys and mails of `tests/data`, which GnuPG and Sequoia made.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{fs, path::Path};

use common::secret;
use pgp::{
    composed::{Deserializable, Message, SignedPublicKey, SignedSecretKey},
    types::Password,
};
use sma_core::{AccountKey, Crypto, Secret, Timestamp};
use sma_openpgp::{
    OpenPgp,
    keys::{self, ImportError},
    setup_message::{self, Hint, Setup},
};

const PASSWORD: &str = "correct horse";
const SETUP_CODE: &str = "1742-0185-6197-1303-7016-8412-3581-4441-0597";
/// When the keys were made, 2026-01-01, and when the mails were written, 2026-02-01.
const MADE: Timestamp = Timestamp::from_secs(1_767_225_600);
const WRITTEN: Timestamp = Timestamp::from_secs(1_769_904_000);

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn import(name: &str, password: Option<&str>) -> Result<AccountKey, ImportError> {
    let unprotected = keys::unprotect(&file(&format!("{name}.sec.asc")), password.map(secret).as_ref())?;
    Ok(OpenPgp::new().read_account_key(&unprotected).unwrap())
}

fn certificate(name: &str) -> SignedPublicKey {
    SignedPublicKey::from_armor_single(&file(&format!("{name}.pub.asc"))[..]).unwrap().0
}

#[test]
fn keys_of_gpg_and_sequoia_are_imported_and_their_public_part_can_be_used() {
    for name in ["curve", "rsa", "locked", "sequoia"] {
        let key = import(name, (name == "locked").then_some(PASSWORD)).unwrap();
        let whole = certificate(name);
        assert_eq!(
            pgp::types::KeyDetails::fingerprint(&whole).as_bytes(),
            key.fingerprint.as_bytes(),
            "{name}"
        );
        let public = SignedPublicKey::from_bytes(&key.public[..]).unwrap();
        public.verify_bindings().unwrap();
        let ids: Vec<_> =
            public.details.users.iter().map(|user| user.id.as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1, "{name}");
        assert!(ids[0].ends_with(&format!("<{name}@example.org>")), "{ids:?}");
        assert_eq!(key.created, MADE, "{name}");
    }
}

#[test]
fn a_locked_key_wants_its_password() {
    assert_eq!(import("locked", None), Err(ImportError::PasswordNeeded));
    assert_eq!(import("locked", Some("wrong donkey")), Err(ImportError::WrongPassword));
}

#[test]
fn a_revoked_key_is_refused() {
    assert_eq!(import("revoked", None), Err(ImportError::Revoked));
}

#[test]
fn an_expired_key_is_imported_and_tells_when_it_ended() {
    let key = import("expired", None).unwrap();
    let end = keys::expires(&key.public).unwrap();
    assert_eq!(end, Timestamp(MADE.0 + 86_400_000));
    assert!(end < WRITTEN);
    assert_eq!(keys::expires(&import("curve", None).unwrap().public), None);
}

/// The armored message in a mail, and what follows it.
fn armored(mail: &str) -> Vec<u8> {
    let mail = file(mail);
    let begin = mail.windows(8).position(|at| at == b"-----BEG").unwrap();
    mail[begin..].to_vec()
}

/// The content of a mail, opened with one key and checked against another one.
fn read(mail: &str, by: &str, from: &str) -> Vec<u8> {
    let armored = armored(mail);
    let (message, _) = Message::from_armor(&armored[..]).unwrap();
    let by: Secret = keys::unprotect(&file(&format!("{by}.sec.asc")), None).unwrap();
    let by = SignedSecretKey::from_bytes(by.expose()).unwrap();
    let message = message.decrypt(&Password::empty(), &by).unwrap();
    let mut message = if message.is_compressed() { message.decompress().unwrap() } else { message };
    let content = message.as_data_vec().unwrap();
    let from = certificate(from);
    let signed = message.verify(&from.primary_key).is_ok()
        || from.public_subkeys.iter().any(|subkey| message.verify(&subkey.key).is_ok());
    assert!(signed, "{mail}");
    content
}

#[test]
fn mails_of_gpg_and_sequoia_are_opened_and_their_signatures_hold() {
    for (mail, by, from) in [
        ("gpg-curve-to-rsa.eml", "rsa", "curve"),
        ("gpg-rsa-to-curve.eml", "curve", "rsa"),
        ("gpg-to-sequoia.eml", "sequoia", "curve"),
        ("sequoia-to-curve.eml", "curve", "sequoia"),
    ] {
        assert_eq!(read(mail, by, from), file("content.txt"), "{mail}");
    }
}

#[test]
fn a_setup_message_of_gpg_is_opened() {
    let armored = armored("setup-curve.eml");
    assert_eq!(setup_message::hint(&armored), Ok(Hint { numeric: true, begins: "17".to_owned() }));
    let secret_key = import("curve", None).unwrap().secret;
    let opened = setup_message::unlock(&armored, &secret(SETUP_CODE), None);
    assert_eq!(opened, Ok(Setup { secret: secret_key, mutual: true }));
    assert!(setup_message::unlock(&armored, &secret(SETUP_CODE.replace('1', "2")), None).is_err());
}
