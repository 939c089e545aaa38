//! Runs `vectors/keys.json`: every key file of `tests/data`, and what is right for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use common::{OPENPGP, secret};
use serde_json::{Value, json};
use sma_autocrypt::Address;
use sma_core::{Crypto, Timestamp};
use sma_openpgp::keys::{self, ImportError};

/// 2026-02-11: after all keys were changed.
const NOW: Timestamp = Timestamp::from_secs(1_770_768_000);
const PASSWORD: &str = "correct horse";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
}

fn found(file: &str) -> Value {
    let octets = fs::read(data().join(file)).unwrap();
    let (mut password, mut read) = (None, keys::unprotect(&octets, None));
    if read == Err(ImportError::PasswordNeeded) {
        password = Some(PASSWORD);
        read = keys::unprotect(&octets, Some(&secret(PASSWORD)));
    }
    let key = match read {
        Ok(key) => key,
        Err(why) => return json!({ "file": file, "password": password, "refused": format!("{why:?}") }),
    };
    let addresses = keys::addresses(&key);
    let account = OPENPGP.read_account_key(&key).unwrap();
    let first = addresses.first().cloned().or_else(|| Address::parse("anna@example.org")).unwrap();
    let word = |why: keys::Unusable| format!("{why:?}").split('(').next().unwrap().to_owned();
    json!({
        "file": file,
        "password": password,
        "taken": {
            "fingerprint": account.fingerprint.to_string(),
            "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "unusable": keys::unusable(&account.public, NOW).map(word),
            "keydata_octets": keys::published(&key, &first, NOW).ok().map(|header| header.len()),
        },
    })
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../vectors/keys.json")).unwrap()
}

fn name(vector: &Value) -> String {
    vector["file"].as_str().unwrap().to_owned()
}

#[test]
fn each_key_file_is_taken_or_refused_as_is_right_for_it() {
    let vectors = vectors();
    assert!(vectors.len() > 100, "{}", vectors.len());
    for vector in vectors {
        assert_eq!(found(&name(&vector)), vector);
    }
}

#[test]
fn every_key_file_has_a_vector() {
    let directories = ["", "met/", "kinds/"];
    let entries = directories.iter().flat_map(|directory| {
        let entries = fs::read_dir(data().join(directory)).unwrap();
        entries.map(move |entry| format!("{directory}{}", entry.unwrap().file_name().to_str().unwrap()))
    });
    let is_key = |name: &String| {
        let is_setup = name.rsplit('/').next().unwrap().starts_with("setup");
        (name.ends_with(".asc") || name.ends_with(".gpg")) && !is_setup
    };
    let files: BTreeSet<_> = entries.filter(is_key).collect();
    assert_eq!(files, vectors().iter().map(name).collect());
}
