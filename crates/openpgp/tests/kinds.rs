//! Kinds of keys that are no everyday ones: the files of `tests/data/kinds`, and what is right for each (`tests/data/kinds/README.md`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{fs, path::Path};

use common::{OPENPGP, secret};
use sma_autocrypt::{Address, HEADER_BYTES_MAX, Header, Preference, Source};
use sma_core::{Crypto, Secret, Timestamp};
use sma_openpgp::{
    keys::{self, ImportError, Unusable},
    setup_message::{self, Setup, UnlockError},
};

/// 2026-02-11: after all keys were changed.
const NOW: Timestamp = Timestamp::from_secs(1_770_768_000);
const MADE: u64 = 1_767_225_600;
const PASSWORD: &str = "correct horse";

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/kinds").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn import(name: &str) -> Result<Secret, ImportError> {
    keys::unprotect(&file(name), None)
}

fn public(secret: &Secret) -> Vec<u8> {
    OPENPGP.read_account_key(secret).unwrap().public.to_vec()
}

/// The public key in an armored file, without its armor: as it would stand in a header.
fn keydata(name: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = String::from_utf8(file(name)).unwrap();
    let lines =
        text.lines().skip_while(|line| !line.is_empty()).take_while(|line| !line.starts_with(['=', '-']));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// The types of packets, whatever is in them; of the current format, as this program writes them.
fn tags(mut octets: &[u8]) -> Vec<u8> {
    let mut tags = Vec::new();
    while let [tag, rest @ ..] = octets {
        assert_eq!(tag & 0xc0, 0xc0, "the current format");
        tags.push(tag & 0x3f);
        let (length, rest) = match *rest {
            [first @ ..192, ref rest @ ..] => (usize::from(first), rest),
            [first @ ..224, second, ref rest @ ..] => {
                ((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest)
            }
            [255, a, b, c, d, ref rest @ ..] => (u32::from_be_bytes([a, b, c, d]) as usize, rest),
            _ => panic!("a length"),
        };
        octets = &rest[length..];
    }
    tags
}

const FIVE: [u8; 5] = [6, 13, 2, 14, 2];

fn header(secret: &Secret, name: &str) -> Result<Vec<u8>, Unusable> {
    keys::published(secret, &address(&format!("{name}@example.org")), NOW).map(|header| header.to_vec())
}

#[test]
fn a_subkey_that_is_not_known_here_damages_no_key_that_is_usable_without_it() {
    for name in
        ["secp256k1-beside", "secp256k1-signs", "brainpool-beside", "elgamal-beside", "librepgp-beside"]
    {
        let key = import(&format!("{name}.asc")).unwrap();
        assert_eq!(keys::unusable(&public(&key), NOW), None, "{name}");
        let header = header(&key, name).unwrap();
        assert_eq!(tags(&header), FIVE, "{name}");
        assert_eq!(keys::unusable(&header, NOW), None, "{name}: the subkey that is known is in the header");
        // Not an octet of the key is lost.
        assert_eq!(keys::unprotect(key.expose(), None), Ok(key), "{name}");
    }
}

#[test]
fn a_peers_key_is_usable_beside_a_subkey_that_is_not_known() {
    for name in ["secp256k1-beside", "librepgp-beside"] {
        let key = keydata(&format!("{name}.pub.asc"));
        assert_eq!(keys::unusable(&key, NOW), None, "{name}");
    }
    // Without the subkey that is not known in gossip, since it can be told which it is.
    let name = address("secp256k1-beside@example.org");
    assert_eq!(tags(&keys::minimized(&keydata("secp256k1-beside.pub.asc"), &name, NOW)), FIVE);
    assert_eq!(keys::unusable(&keydata("librepgp-subkey.pub.asc"), NOW), Some(Unusable::UnknownAlgorithm));
    assert_eq!(keys::unusable(&keydata("librepgp.pub.asc"), NOW), Some(Unusable::UnknownAlgorithm));
}

#[test]
fn a_key_of_which_nothing_is_known_here_is_carried_along_with_a_header_of_five_packets() {
    for name in ["secp256k1-subkey", "secp256k1-primary", "secp256k1", "librepgp-subkey"] {
        let key = import(&format!("{name}.asc")).unwrap();
        assert_eq!(keys::unusable(&public(&key), NOW), Some(Unusable::UnknownAlgorithm), "{name}");
        let header = header(&key, name).unwrap();
        assert_eq!(tags(&header), FIVE, "{name}");
        assert_eq!(keys::unusable(&header, NOW), Some(Unusable::UnknownAlgorithm), "{name}");
    }
    let ended = Unusable::SubkeyEnded(Timestamp::from_secs(MADE + 86_400));
    let key = import("secp256k1-ended.asc").unwrap();
    assert_eq!(header(&key, "secp256k1-ended"), Err(ended), "its signatures say so");
}

#[test]
fn a_password_is_taken_off_and_put_on_whatever_curve_the_key_is_of() {
    let locked = file("secp256k1-locked.asc");
    assert_eq!(keys::unprotect(&locked, None), Err(ImportError::PasswordNeeded));
    assert_eq!(keys::unprotect(&locked, Some(&secret("wrong"))), Err(ImportError::WrongPassword));
    let key = keys::unprotect(&locked, Some(&secret(PASSWORD))).unwrap();
    assert_eq!(tags(&header(&key, "secp256k1-locked").unwrap()), FIVE);
    let exported = keys::export_protected(&key, &secret("another"), &[7; 32]).unwrap();
    assert_eq!(keys::unprotect(exported.as_bytes(), None), Err(ImportError::PasswordNeeded));
    let again = keys::unprotect(exported.as_bytes(), Some(&secret("another"))).unwrap();
    assert_eq!(public(&again), public(&key));
}

#[test]
fn a_revocation_counts_wherever_it_stands() {
    for name in [
        "key-then-revocation.asc",
        "key-then-revocation.gpg",
        "key-then-revocation-as-signature.asc",
        "key-then-public-then-revocation.asc",
        "key-then-revoked-public.asc",
        "public-then-revocation-then-key.asc",
        "revocation-then-key.asc",
        "revocation-then-key.gpg",
        "sq-then-revocation.asc",
    ] {
        assert_eq!(import(name), Err(ImportError::Revoked), "{name}");
    }
    assert_eq!(import("key-then-revocation-of-another.asc"), import("revocable.asc"));
    assert_eq!(import("revocation.asc"), Err(ImportError::NotAKey));
    // In a header as well.
    let revoked = [keydata("revocable.pub.asc"), revocation()].concat();
    assert_eq!(keys::unusable(&revoked, NOW), Some(Unusable::Revoked));
}

fn revocation() -> Vec<u8> {
    let key = keydata("revocable.asc").len();
    file("key-then-revocation.gpg").split_off(key)
}

#[test]
fn a_key_whose_primary_is_offline_is_taken_if_a_subkey_decrypts() {
    for name in ["offline", "offline-but-decrypting"] {
        let key = import(&format!("{name}.asc")).unwrap();
        assert_eq!(keys::unusable(&public(&key), NOW), None, "{name}");
        assert_eq!(tags(&header(&key, name).unwrap()), FIVE, "{name}");
        // Nothing can be signed with it here: it keeps the user ids that it has.
        assert_eq!(keys::with_address(&key, &address("new@example.org")), key, "{name}");
        assert_eq!(header(&key, "new"), header(&key, name), "{name}");
        // A setup message takes it along.
        let setup = Setup { secret: key.clone(), mutual: false };
        let locked = setup_message::lock(&setup, &address(&format!("{name}@example.org")), &[1; 32]).unwrap();
        let opened = setup_message::unlock(locked.armored.as_bytes(), &secret(&*locked.code), None).unwrap();
        assert_eq!(header(&opened.secret, name), header(&key, name), "{name}");
    }
    let work =
        keys::published(&import("offline.asc").unwrap(), &address("offline@work.example"), NOW).unwrap();
    assert!(String::from_utf8_lossy(&work).contains("<offline@work.example>"));
    let locked = file("offline-locked.asc");
    assert_eq!(keys::unprotect(&locked, None), Err(ImportError::PasswordNeeded));
    assert_eq!(keys::unprotect(&locked, Some(&secret("wrong"))), Err(ImportError::WrongPassword));
    let key = keys::unprotect(&locked, Some(&secret(PASSWORD))).unwrap();
    assert_eq!(tags(&header(&key, "offline-locked").unwrap()), FIVE);
    // The other way round nothing can be read.
    assert_eq!(import("offline-decrypting.asc"), Err(ImportError::Offline));
}

#[test]
fn what_is_not_taken_is_called_what_it_is() {
    for (name, why, words) in [
        ("librepgp.asc", ImportError::LibrePgp, "version 5"),
        ("librepgp.pub.asc", ImportError::PublicOnly, "public part"),
        ("subkey-revoked.asc", ImportError::SubkeyRevoked, "is revoked"),
        ("signs-alone.asc", ImportError::NothingEncrypts, "nothing that encrypts"),
        ("sq-signs.asc", ImportError::NothingEncrypts, "nothing that encrypts"),
    ] {
        assert_eq!(import(name), Err(why), "{name}");
        assert!(why.to_string().contains(words), "{name}: {why}");
    }
    let day = |days: u64| Timestamp::from_secs(MADE + days * 86_400);
    for (name, why) in [
        ("shortened.asc", Some(Unusable::Ended(day(32)))),
        ("sq-ended.asc", Some(Unusable::Ended(day(1)))),
        ("tomorrow.asc", Some(Unusable::NotYet(Timestamp::from_secs(2_114_380_800)))),
        ("prolonged.asc", None),
    ] {
        assert_eq!(keys::unusable(&public(&import(name).unwrap()), NOW), why, "{name}");
    }
}

#[test]
fn old_sizes_and_other_programs_are_taken() {
    for name in [
        "rsa1024",
        "dsa1024",
        "p256",
        "p521",
        "sq",
        "sq-rsa",
        "sq-storage",
        "librepgp-made-by-hand",
        "openpgpjs",
        "openpgpjs-448",
    ] {
        let key = import(&format!("{name}.asc")).unwrap();
        assert_eq!(keys::unusable(&public(&key), NOW), None, "{name}");
        assert_eq!(tags(&header(&key, name).unwrap()), FIVE, "{name}");
    }
    // It has no user id at all, and gets one.
    let key = import("sq-nobody.asc").unwrap();
    assert_eq!(keys::addresses(&key), []);
    let named = keys::with_address(&key, &address("nobody@example.org"));
    assert_eq!(keys::addresses(&named), [address("nobody@example.org")]);
    assert_eq!(tags(&header(&named, "nobody").unwrap()), FIVE);
}

#[test]
fn keys_of_version_six_and_under_argon2_are_taken() {
    for name in ["openpgpjs-v6", "openpgpjs-v6-448", "openpgpjs-v6-locked", "openpgpjs-argon2"] {
        let file = file(&format!("{name}.asc"));
        let key = keys::unprotect(&file, Some(&secret(PASSWORD))).unwrap();
        assert_eq!(keys::unusable(&public(&key), NOW), None, "{name}");
        let expected = if name.contains("v6") { &[6, 2, 13, 2, 14, 2][..] } else { &FIVE };
        assert_eq!(tags(&header(&key, name).unwrap()), expected, "{name}");
        let exported = keys::export_protected(&key, &secret("another"), &[7; 32]).unwrap();
        let again = keys::unprotect(exported.as_bytes(), Some(&secret("another"))).unwrap();
        assert_eq!(public(&again), public(&key), "{name}");
    }
}

#[test]
fn forms_that_no_tool_writes_are_the_same_key() {
    let expected = import("revocable.asc").unwrap();
    for name in ["blanks-in-data.asc", "packet-of-no-type.asc", "blocks-on-one-line.asc"] {
        let key = import(name).unwrap();
        assert_eq!(public(&key), public(&expected), "{name}");
        assert_eq!(keys::addresses(&key), keys::addresses(&expected), "{name}");
    }
}

#[test]
fn a_setup_message_may_have_the_public_form_before_the_secret_one() {
    let code = secret("1742-0185-6197-1303-7016-8412-3581-4441-0597");
    let open = |name: &str| setup_message::unlock(&file(name), &code, None);
    let expected = Setup { secret: import("revocable.asc").unwrap(), mutual: true };
    assert_eq!(open("setup-trailing-revocation.asc"), Ok(expected.clone()), "what follows does not count");
    let own = public(&expected.secret);
    for name in [
        "setup-public-then-secret.asc",
        "setup-preference-in-public.asc",
        "setup-foreign-public-then-secret.asc",
    ] {
        let opened = open(name).unwrap();
        assert_eq!((public(&opened.secret), opened.mutual), (own.clone(), true), "{name}");
    }
    assert_eq!(open("setup-public.asc"), Err(UnlockError::Key(ImportError::PublicOnly)));
}

#[test]
fn every_key_that_is_taken_has_a_header_of_five_packets_that_fits() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let directories = [data.clone(), data.join("met"), data.join("kinds")];
    let (mut taken, mut sixth) = (0, Vec::new());
    for entry in directories.iter().flat_map(|directory| fs::read_dir(directory).unwrap()) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Ok(file) = fs::read(&path) else { continue };
        let Ok(key) = keys::unprotect(&file, Some(&secret(PASSWORD))) else { continue };
        for account in keys::addresses(&key).into_iter().chain([address("new@example.org")]) {
            let Ok(octets) = keys::published(&key, &account, NOW) else { continue };
            match tags(&octets)[..] {
                [6, 13, 2, 14, 2] => {}
                [6, 2, 13, 2, 14, 2] => sixth.push(name.to_owned()),
                ref other => panic!("{name}: {other:?}"),
            }
            let header = Header { addr: account, preference: Preference::Mutual, key: octets };
            assert!(header.render(Source::Header).unwrap().len() <= HEADER_BYTES_MAX, "{name}");
            taken += 1;
        }
    }
    assert!(taken > 120, "{taken}");
    // Version 6 has its direct signature besides.
    sixth.sort();
    sixth.dedup();
    let six = ["openpgpjs-v6-448.asc", "openpgpjs-v6-locked.asc", "openpgpjs-v6.asc", "pq6.sec.asc"];
    assert_eq!(sixth, six);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_key_of_any_kind_is_read_without_a_panic(
        name in proptest::sample::select(vec![
            "secp256k1-beside.asc",
            "secp256k1-primary.asc",
            "librepgp-beside.asc",
            "librepgp.asc",
            "offline.asc",
            "openpgpjs-v6.asc",
            "openpgpjs-448.asc",
            "secp256k1-locked.asc",
        ]),
        changes in proptest::collection::vec((proptest::num::usize::ANY, proptest::num::u8::ANY), 1..4),
        cut in proptest::option::of(proptest::num::usize::ANY),
    ) {
        let mut octets = keydata(name);
        for (at, octet) in changes {
            let at = at % octets.len();
            octets[at] = octet;
        }
        octets.truncate(cut.map_or(octets.len(), |cut| cut % octets.len()));
        let account = address("anna@example.org");
        let _ = keys::unusable(&octets, NOW);
        let _ = keys::minimized(&octets, &account, NOW);
        if let Ok(key) = keys::unprotect(&octets, Some(&secret(PASSWORD))) {
            let _ = keys::published(&keys::with_address(&key, &account), &account, NOW);
            let _ = keys::export_protected(&key, &secret("another"), &[7; 32]);
        }
    }
}
