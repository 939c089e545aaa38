//! A key that a person had before: adopted from GnuPG, shared by a pairing, and handed back to another GnuPG. Fails without
//! `gpg`, unless `SMA_WITHOUT_SERVERS=1` is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{OPENPGP, gpg::Gpg, secret, world::World};
use sma_autocrypt::{Address, Header, Preference, Source};
use sma_core::{Command, Crypto, Secret};
use sma_openpgp::{
    OpenPgp,
    keys::{self, ImportError},
    setup_message::{self, Setup},
};

const MAIL: &[u8] = b"Content-Type: text/plain\r\n\r\nFrom long ago.\r\n";
const PASSWORD: &str = "correct horse";

/// Makes a key, receives a mail, and exports the key: what the mail is, and the key without its password.
fn old_account(gpg: &Gpg, kind: &str) -> (Vec<u8>, Secret) {
    gpg.generate(PASSWORD, kind);
    if kind != "future-default" {
        let (listing, _) = gpg.run(PASSWORD, &["--list-keys", "--with-colons"], b"");
        let listing = String::from_utf8(listing).unwrap();
        let fingerprint = listing.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
        let fingerprint = fingerprint.trim_end_matches(':');
        gpg.run(PASSWORD, &["--quick-add-key", fingerprint, kind, "encrypt", "never"], b"");
    }
    let (mail, _) = gpg.run(PASSWORD, &["--encrypt", "--recipient", "bob@example.org"], MAIL);
    let (exported, _) = gpg.run(PASSWORD, &["--armor", "--export-secret-keys"], b"");
    assert_eq!(keys::unprotect(&exported, None), Err(ImportError::PasswordNeeded));
    assert_eq!(keys::unprotect(&exported, Some(&secret("wrong"))), Err(ImportError::WrongPassword));
    (mail, keys::unprotect(&exported, Some(&secret(PASSWORD))).unwrap())
}

/// The laptop adopts the key, the phone is paired; the phone's key goes to a GnuPG that never saw it.
fn adopted_and_shared(name: &str, kind: &str, adopt_when_paired: bool) {
    let Some(old) = Gpg::new(&format!("{name}-old")) else { return };
    let (mail, key) = old_account(&old, kind);

    let mut world = World::new();
    let laptop = world.add(OpenPgp::new(), 1);
    let adopt = Command::AdoptKey { secret: key.clone() };
    if !adopt_when_paired {
        world.command(laptop, adopt.clone());
    }
    world.settle();
    let phone = world.add(OpenPgp::new(), 2);
    world.pair(laptop, phone);
    if adopt_when_paired {
        assert_ne!(world.account_secret(phone), key);
        world.command(laptop, adopt);
        world.settle();
    }
    assert_eq!(world.account_secret(laptop), key);
    let shared = world.account_secret(phone);
    assert_eq!(shared, key);

    let exported = keys::export_protected(&shared, &secret("another"), &[5; 32]).unwrap();
    assert!(exported.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----"));
    assert!(keys::unprotect(exported.as_bytes(), None).is_err(), "protected");
    let new = Gpg::new(&format!("{name}-new")).unwrap();
    new.run("another", &["--import"], exported.as_bytes());
    assert_eq!(new.run("another", &["--decrypt"], &mail).0, MAIL);
}

#[test]
fn an_adopted_curve_key_reaches_the_other_device_and_reads_old_mail_elsewhere() {
    adopted_and_shared("adopted-curve", "future-default", false);
}

#[test]
fn an_adopted_rsa_key_reaches_the_other_device_and_reads_old_mail_elsewhere() {
    adopted_and_shared("adopted-rsa", "rsa3072", false);
}

#[test]
fn a_key_that_is_adopted_when_paired_reaches_the_other_device() {
    adopted_and_shared("adopted-late", "future-default", true);
}

#[test]
fn gpg_imports_the_key_out_of_the_autocrypt_header() {
    let Some(gpg) = Gpg::new("autocrypt-header") else { return };
    let key = OPENPGP.new_account_key("anna@example.org", &[4; 32], common::NOW).unwrap();
    let addr = Address::parse("anna@example.org").unwrap();
    let header = Header { addr, preference: Preference::Mutual, key: key.public.clone() };
    let header = header.render(Source::Header).unwrap();
    // Read as Level 1 says, without this project's parser: unfold, split, take the blanks out of base64.
    let value = header.strip_prefix("Autocrypt:").unwrap().replace("\r\n", "");
    let attributes: Vec<_> = value.split(';').map(|part| part.trim().split_once('=').unwrap()).collect();
    let names: Vec<_> = attributes.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["addr", "prefer-encrypt", "keydata"]);
    assert_eq!((attributes[0].1, attributes[1].1), ("anna@example.org", "mutual"));
    let keydata: String = attributes[2].1.split_whitespace().collect();
    let octets = STANDARD.decode(keydata).unwrap();
    let (_, status) = gpg.run("", &["--import"], &octets);
    let fingerprint = key.fingerprint.to_string().to_uppercase();
    assert!(status.contains(&format!("IMPORT_OK 1 {fingerprint}")), "{status}");
    gpg.run("", &["--encrypt", "--recipient", "anna@example.org"], MAIL);
}

#[test]
fn gpg_opens_a_setup_message_with_its_code() {
    let Some(gpg) = Gpg::new("setup-out") else { return };
    let key = OPENPGP.new_account_key("anna@example.org", &[4; 32], common::NOW).unwrap();
    let setup = Setup { secret: key.secret.clone(), mutual: true };
    let locked = setup_message::lock(&setup, &Address::parse("anna@example.org").unwrap(), &[7; 32]).unwrap();
    let (opened, _) = gpg.run(&locked.code, &["--decrypt"], locked.armored.as_bytes());
    let text = String::from_utf8(opened).unwrap();
    assert!(text.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----\nAutocrypt-Prefer-Encrypt: mutual\n\n"));
    let (_, status) = gpg.run("", &["--import"], text.as_bytes());
    assert!(status.contains(&key.fingerprint.to_string().to_uppercase()), "{status}");
}

#[test]
fn a_setup_message_made_with_gpg_is_imported() {
    let Some(gpg) = Gpg::new("setup-in") else { return };
    gpg.generate("", "future-default");
    let (exported, _) = gpg.run("", &["--armor", "--export-secret-keys"], b"");
    let exported = String::from_utf8(exported).unwrap();
    let inner = exported.replacen("BLOCK-----\n", "BLOCK-----\nAutocrypt-Prefer-Encrypt: mutual\n", 1);
    let code = "1234-5678-9012-3456-7890-1234-5678-9012-3456";
    for more in [&["--s2k-digest-algo", "SHA256"][..], &["--compress-algo", "none"]] {
        let arguments = [&["--armor", "--symmetric", "--cipher-algo", "AES128"][..], more].concat();
        let (message, _) = gpg.run(code, &arguments, inner.as_bytes());
        let message = String::from_utf8(message).unwrap();
        let headers = "MESSAGE-----\nPassphrase-Format: numeric9x4\nPassphrase-Begin: 12\n";
        let message = message.replacen("MESSAGE-----\n", headers, 1);
        let hint = setup_message::hint(message.as_bytes()).unwrap();
        assert_eq!((hint.numeric, hint.begins.as_str()), (true, "12"));
        let setup = setup_message::unlock(message.as_bytes(), &secret(code.replace('-', " ")), None).unwrap();
        assert!(setup.mutual);
        assert_eq!(setup.secret, keys::unprotect(exported.as_bytes(), None).unwrap());
    }
}
