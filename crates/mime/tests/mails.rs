//! Messages of this project as servers give them back, and setup messages of other programs: the files of `tests/data/mails`.

use std::{fs, path::Path};

use sma_core::{Class, Envelope, MuaaId, Timestamp, Token};
use sma_mime::{Parsed, SetupMail, Text, parse, parse_setup_message, render};

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn example() -> Envelope {
    Envelope {
        sender: MuaaId(27),
        token: Token([0xa7; 16]),
        class: Class::Sync,
        date: Timestamp::from_secs(1_700_000_000).hour(),
        body: (0..=255).cycle().take(500).collect::<Vec<u8>>().into(),
    }
}

#[test]
fn a_message_is_the_same_as_it_was_written_after_a_server_wrote_it_anew() {
    assert_eq!(file("mails/sma-as-written.eml"), render(&example(), &Text::default()));
    for name in ["sma-as-written.eml", "sma-like-exchange.eml"] {
        assert_eq!(parse(&file(&format!("mails/{name}"))), Parsed::Envelope(example()), "{name}");
    }
}

#[test]
fn setup_messages_are_found_in_the_mails_of_other_programs() {
    for (name, armored) in [
        ("plain", "met/setup.asc"),
        ("without-preference", "met/setup-without-preference.asc"),
        ("inner-password", "met/setup-inner-password.asc"),
        ("blanks-and-wrong-checksum", "met/setup-blanks-wrong-checksum.asc"),
        ("public-before-secret", "kinds/setup-public-then-secret.asc"),
    ] {
        let SetupMail { armored: found, address } =
            parse_setup_message(&file(&format!("mails/setup-{name}.eml"))).expect(name);
        assert_eq!(address.expect(name).as_str(), "anna@example.org");
        let lines = |octets: &[u8]| {
            let text = String::from_utf8(octets.to_vec()).expect("ASCII");
            text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
        };
        let begins = |lines: &[String]| lines.iter().take_while(|line| !line.starts_with("-----END")).count();
        let (found, armored) = (lines(&found), lines(&file(armored)));
        let first = found.iter().position(|line| line.starts_with("-----BEGIN")).expect(name);
        assert_eq!(found[first..begins(&found)], armored[..begins(&armored)], "{name}");
    }
}
