//! Mails as they are: the files of `tests/data/mails`, and what `values.json` beside them says of each.

use std::{fs, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use sma_autocrypt::{Date, Mail, Payload, Preference, Untold, read, read_gossip};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    file: String,
    received: u64,
    payload: Option<String>,
    #[serde(default)]
    gossip: Vec<String>,
    told: Option<Told>,
    untold: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct Told {
    from: String,
    date: u64,
    /// SHA-256 of the key.
    key: Option<String>,
    prefer_encrypt: Option<String>,
}

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/mails").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn word(why: Untold) -> &'static str {
    match why {
        Untold::NoMail => "no mail",
        Untold::AutoReplied => "automatic",
        Untold::NoSingleSender => "no single sender",
        Untold::Encrypted => "encrypted",
        Untold::FromTheFuture => "future",
    }
}

#[test]
fn each_mail_tells_what_is_right_for_it() {
    let values: Vec<Value> = serde_json::from_slice(&file("values.json")).expect("values");
    assert!(values.len() > 40, "{}", values.len());
    for value in values {
        let Value { file: name, received, payload, gossip, told, untold } = value;
        let (octets, inside) = (file(&name), payload.as_deref().map(file));
        let mail = Mail::new(&octets);
        let mail = inside.as_deref().map_or(mail, |inside| mail.with_payload(inside));
        let found = read(mail, Date(received), 0).map_err(word).map(|observed| {
            let known = observed.fact.map(|fact| fact.entry);
            let preference = known.as_ref().map(|known| match known.preference {
                Preference::Mutual => "mutual".to_owned(),
                Preference::NoPreference => "nopreference".to_owned(),
            });
            let key = known
                .map(|known| Sha256::digest(&known.key).iter().map(|octet| format!("{octet:02x}")).collect());
            Told { from: observed.from.to_string(), date: observed.date.0, key, prefer_encrypt: preference }
        });
        assert_eq!(found, told.ok_or_else(|| untold.as_deref().unwrap_or_default()), "{name}");
        let Some(inside) = inside else { continue };
        let facts = read_gossip(&octets, Payload::new(&inside), Date(received), 0).expect("gossip");
        let about: Vec<_> = facts.iter().map(|fact| fact.addr.to_string()).collect();
        assert_eq!(about, gossip, "{name}");
    }
}

#[test]
fn every_file_has_a_value() {
    let values: Vec<Value> = serde_json::from_slice(&file("values.json")).expect("values");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/mails");
    for entry in fs::read_dir(path).expect("a directory") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        // The others are for crates/mime.
        let is_mail = name.ends_with(".eml") && !name.starts_with("setup-") && !name.starts_with("sma-");
        assert!(!is_mail || values.iter().any(|value| value.file == name), "{name}");
    }
}
