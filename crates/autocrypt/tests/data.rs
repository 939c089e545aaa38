//! Autocrypt headers around keys that GnuPG and Sequoia exported (`tests/data`).

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use sma_autocrypt::{Date, HEADER_BYTES_MAX, Preference, read};

/// 2026-02-01, the day of the mails.
const WRITTEN: Date = Date(1_769_904_000);

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Takes the armor off.
fn octets(armored: &str) -> Vec<u8> {
    let inside = armored.lines().skip_while(|line| !line.is_empty()).skip(1);
    let text: String = inside.take_while(|line| !line.starts_with(['=', '-'])).collect();
    BASE64_STANDARD.decode(text).expect("base64")
}

#[test]
fn the_key_in_a_header_is_what_gpg_and_sequoia_export() {
    for name in ["curve", "rsa", "sequoia", "revoked", "expired"] {
        let observed = read(file(&format!("autocrypt-{name}.eml")).as_bytes(), WRITTEN, 1).expect(name);
        assert_eq!(observed.from.as_str(), format!("{name}@example.org"));
        assert_eq!(observed.date, WRITTEN);
        let fact = observed.fact.expect(name);
        assert_eq!(fact.entry.preference, Preference::Mutual, "{name}");
        let exported = octets(&file(&format!("{name}.pub.asc")));
        // GnuPG leaves out subkeys that have ended when it exports what is needed and no more.
        if name != "expired" {
            assert_eq!(fact.entry.key, exported, "{name}");
        }
        assert!(fact.entry.key.len() < HEADER_BYTES_MAX, "{name}");
    }
}
