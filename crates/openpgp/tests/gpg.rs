//! Account keys and mails are exchanged with GnuPG. Fails without `gpg`, unless `SMA_WITHOUT_SERVERS=1` is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;

use common::{NOW, OPENPGP, gpg::Gpg, secret};
use pgp::{
    composed::{Deserializable, Message, MessageBuilder, SignedPublicKey, SignedSecretKey},
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    types::{KeyDetails, Password},
};
use rand_chacha_03::{ChaCha20Rng, rand_core::SeedableRng};
use sma_core::{AccountKey, Crypto, Secret};
use sma_openpgp::keys::{self, ImportError};

const MAIL: &[u8] = b"Content-Type: text/plain\r\n\r\nHello.\r\n";

fn account() -> AccountKey {
    OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap()
}

fn read_secret(key: &Secret) -> SignedSecretKey {
    SignedSecretKey::from_bytes(key.expose()).unwrap()
}

/// A mail signed by one account key and encrypted to another, as Autocrypt has it.
fn encrypted_mail(from: &Secret, to: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let from = read_secret(from);
    let to = SignedPublicKey::from_bytes(to).unwrap();
    let mut builder = MessageBuilder::from_bytes("", MAIL).seipd_v1(&mut rng, SymmetricKeyAlgorithm::AES256);
    builder.sign(&from.primary_key, Password::empty(), HashAlgorithm::Sha256);
    builder.encrypt_to_key(&mut rng, &to.public_subkeys[0]).unwrap();
    builder.to_vec(&mut rng).unwrap()
}

/// Opens a mail with one account key and checks it against another.
fn decrypted_mail(mail: &[u8], by: &Secret, from: &[u8]) -> Vec<u8> {
    let from = SignedPublicKey::from_bytes(from).unwrap();
    let message = Message::from_bytes(mail).unwrap();
    let message = message.decrypt(&Password::empty(), &read_secret(by)).unwrap();
    let mut message = if message.is_compressed() { message.decompress().unwrap() } else { message };
    let content = message.as_data_vec().unwrap();
    message.verify(&from.primary_key).unwrap();
    content
}

#[test]
fn gpg_reads_an_account_key_and_its_mail() {
    let Some(gpg) = Gpg::new("gpg-reads") else { return };
    let key = account();
    gpg.run("", &["--import"], key.secret.expose());
    let (listing, _) = gpg.run("", &["--list-secret-keys", "--with-colons"], b"");
    let listing = String::from_utf8(listing).unwrap();
    assert!(listing.contains(&key.fingerprint.to_string().to_uppercase()), "{listing}");
    assert!(listing.contains("<alice@example.org>"), "{listing}");

    let (opened, status) = gpg.run("", &["--decrypt"], &encrypted_mail(&key.secret, &key.public));
    assert_eq!(opened, MAIL);
    assert!(status.contains("GOODSIG") && status.contains("DECRYPTION_OKAY"), "{status}");
}

#[test]
fn gpg_writes_a_mail_that_an_account_key_opens() {
    let Some(gpg) = Gpg::new("gpg-writes") else { return };
    gpg.generate("", "future-default");
    let key = account();
    gpg.run("", &["--import"], keys::armor_public(&key.public).as_bytes());
    let (mail, _) = gpg.run("", &["--encrypt", "--sign", "--recipient", "alice@example.org"], MAIL);
    let (public, _) = gpg.run("", &["--export", "bob@example.org"], b"");
    assert_eq!(decrypted_mail(&mail, &key.secret, &public), MAIL);
}

/// Imports a key that gpg made, with and without armor, and exchanges a mail with it.
fn import_from(gpg: &Gpg, password: &str, kind: &str) {
    gpg.generate(password, kind);
    if kind != "future-default" {
        let (listing, _) = gpg.run(password, &["--list-keys", "--with-colons"], b"");
        let listing = String::from_utf8(listing).unwrap();
        let fingerprint = listing.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
        let fingerprint = fingerprint.trim_end_matches(':');
        // Without a subkey that encrypts it is no account key.
        let (alone, _) = gpg.run(password, &["--export-secret-keys"], b"");
        assert_eq!(keys::unprotect(&alone, Some(&secret(password))), Err(ImportError::NothingEncrypts));
        gpg.run(password, &["--quick-add-key", fingerprint, kind, "encrypt", "never"], b"");
    }
    let given = (!password.is_empty()).then(|| secret(password));
    let (binary, _) = gpg.run(password, &["--export-secret-keys"], b"");
    let (armored, _) = gpg.run(password, &["--armor", "--export-secret-keys"], b"");
    let imported = keys::unprotect(&armored, given.as_ref()).unwrap();
    assert_eq!(keys::unprotect(&binary, given.as_ref()), Ok(imported.clone()));
    if given.is_some() {
        assert_eq!(keys::unprotect(&armored, None), Err(ImportError::PasswordNeeded));
        assert_eq!(keys::unprotect(&armored, Some(&secret("no"))), Err(ImportError::WrongPassword));
    }
    let key = OPENPGP.read_account_key(&imported).unwrap();
    let public = SignedPublicKey::from_bytes(&key.public[..]).unwrap();
    public.verify_bindings().unwrap();
    assert_eq!(public.details.users.len(), 1);
    assert_eq!(public.fingerprint().as_bytes(), key.fingerprint.as_bytes());

    let (listing, _) = gpg.run(password, &["--list-secret-keys", "--with-colons"], b"");
    let listing = String::from_utf8(listing).unwrap();
    assert!(listing.contains(&key.fingerprint.to_string().to_uppercase()), "{listing}");
    let (opened, status) = gpg.run(password, &["--decrypt"], &encrypted_mail(&imported, &key.public));
    assert_eq!(opened, MAIL);
    assert!(status.contains("GOODSIG"), "{status}");
    let (mail, _) = gpg.run(password, &["--encrypt", "--sign", "--recipient", "bob@example.org"], MAIL);
    assert_eq!(decrypted_mail(&mail, &imported, &key.public), MAIL);
}

#[test]
fn a_curve_key_of_gpg_is_imported() {
    let Some(gpg) = Gpg::new("gpg-curve") else { return };
    import_from(&gpg, "", "future-default");
    // Without the primary's secret part it is the same to others, and gpg takes it again under a password.
    let (whole, _) = gpg.run("", &["--export-secret-keys"], b"");
    let (stub, _) = gpg.run("", &["--export-secret-subkeys"], b"");
    let [whole, stub] = [whole, stub].map(|key| keys::unprotect(&key, None).unwrap());
    let public = |key| OPENPGP.read_account_key(key).unwrap().public;
    assert_eq!(public(&stub), public(&whole));
    let exported = keys::export_protected(&stub, &secret("hunter2"), &[5; 32]).unwrap();
    let other = Gpg::new("gpg-stub").unwrap();
    other.run("hunter2", &["--import"], exported.as_bytes());
    let (mail, _) = gpg.run("", &["--encrypt", "--recipient", "bob@example.org"], MAIL);
    let (opened, _) = other.run("hunter2", &["--decrypt"], &mail);
    assert_eq!(opened, MAIL);
}

#[test]
fn a_protected_curve_key_of_gpg_is_imported() {
    let Some(gpg) = Gpg::new("gpg-locked") else { return };
    import_from(&gpg, "correct horse", "future-default");
}

#[test]
fn a_protected_rsa_key_of_gpg_is_imported() {
    let Some(gpg) = Gpg::new("gpg-rsa") else { return };
    import_from(&gpg, "correct horse", "rsa3072");
}

#[test]
fn one_user_id_goes_out_and_no_signature_of_others() {
    let Some(gpg) = Gpg::new("gpg-signed") else { return };
    gpg.generate("", "future-default");
    gpg.run("", &["--quick-generate-key", "Carol <carol@example.org>", "future-default"], b"");
    gpg.run("", &["--quick-add-uid", "bob@example.org", "Robert <robert@example.org>"], b"");
    gpg.run("", &["--quick-set-primary-uid", "bob@example.org", "Robert <robert@example.org>"], b"");
    let (listing, _) = gpg.run("", &["--list-keys", "--with-colons", "bob@example.org"], b"");
    let listing = String::from_utf8(listing).unwrap();
    let fingerprint = listing.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    let fingerprint = fingerprint.trim_end_matches(':');
    gpg.run("", &["--default-key", "carol@example.org", "--quick-sign-key", fingerprint], b"");
    let (exported, _) = gpg.run("", &["--export-secret-keys", "bob@example.org"], b"");
    let whole = SignedSecretKey::from_bytes(&exported[..]).unwrap();
    assert!(whole.verify_bindings().is_err(), "a signature of Carol's is there");

    let key = OPENPGP.read_account_key(&keys::unprotect(&exported, None).unwrap()).unwrap();
    let public = SignedPublicKey::from_bytes(&key.public[..]).unwrap();
    public.verify_bindings().unwrap();
    let ids: Vec<_> = public.details.users.iter().map(|user| user.id.as_str().unwrap()).collect();
    assert_eq!(ids, ["Robert <robert@example.org>"]);
    assert_eq!(public.details.users[0].signatures.len(), 1);
}

#[test]
fn a_revoked_key_of_gpg_is_refused_and_several_are() {
    let Some(gpg) = Gpg::new("gpg-revoked") else { return };
    gpg.generate("", "future-default");
    let revocations = fs::read_dir(gpg.home.join("openpgp-revocs.d")).unwrap();
    let file = revocations.map(|entry| entry.unwrap().path()).next().unwrap();
    // GnuPG guards its prepared revocation with a colon in front of the armor.
    let revocation = fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
    gpg.run("", &["--import"], revocation.as_bytes());
    let (revoked, _) = gpg.run("", &["--export-secret-keys"], b"");
    assert_eq!(keys::unprotect(&revoked, None), Err(ImportError::Revoked));
    gpg.run("", &["--import"], account().secret.expose());
    for armor in ["--armor", "--no-armor"] {
        let (both, _) = gpg.run("", &[armor, "--export-secret-keys"], b"");
        assert_eq!(keys::unprotect(&both, None), Err(ImportError::SeveralKeys));
    }
}

#[test]
fn gpg_imports_an_exported_key_with_its_password() {
    let Some(gpg) = Gpg::new("gpg-export") else { return };
    let key = account();
    let exported = keys::export_protected(&key.secret, &secret("correct horse"), &[6; 32]).unwrap();
    gpg.run("correct horse", &["--import"], exported.as_bytes());
    let mail = encrypted_mail(&key.secret, &key.public);
    assert_eq!(gpg.run("correct horse", &["--decrypt"], &mail).0, MAIL);
    let (again, _) = gpg.run("correct horse", &["--armor", "--export-secret-keys"], b"");
    let back = keys::unprotect(&again, Some(&secret("correct horse"))).unwrap();
    assert_eq!(OPENPGP.read_account_key(&back).unwrap().public, key.public);
}
