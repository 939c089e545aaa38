//! Setup messages, as mail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use sma_core::{Timestamp, Token};
use sma_mime::{NoSetupMessage, SetupText, parse_setup_message, render_setup_message};

const ARMORED: &str = "-----BEGIN PGP MESSAGE-----\nPassphrase-Format: numeric9x4\nPassphrase-Begin: 17\n\n\
                       wy4ECQMI0jNRBQfVKHVg1+a2Yihd6JAjR9H0kk3oDVeX7nc4Oi+IjEtonUJt\n=xyz1\n-----END PGP MESSAGE-----\n";

/// The example of Level 1.
const LEVEL1: &str = "Date: Sun, 05 Nov 2017 08:44:38 GMT\r\nTo: alice@autocrypt.example\r\nFrom: alice@autocrypt.example\r\n\
    Autocrypt-Setup-Message: v1\r\nSubject: Autocrypt Setup Message\r\n\
    Content-type: multipart/mixed; boundary=\"Y6fyGi9SoGeH8WwRaEdC6bbBcYOedDzrQ\"\r\n\r\n\
    --Y6fyGi9SoGeH8WwRaEdC6bbBcYOedDzrQ\r\nContent-Type: text/plain\r\n\r\nThis message contains all information.\r\n\
    --Y6fyGi9SoGeH8WwRaEdC6bbBcYOedDzrQ\r\nContent-Type: application/autocrypt-setup\r\n\
    Content-Disposition: attachment; filename=\"autocrypt-setup-message.html\"\r\n\r\n<html><body>\r\n<p>\r\nThis is \
    the Autocrypt Setup File.\r\n</p>\r\n<pre>\r\nARMORED</pre></body></html>\r\n\
    --Y6fyGi9SoGeH8WwRaEdC6bbBcYOedDzrQ--\r\n";

fn example() -> String {
    LEVEL1.replace("ARMORED", &ARMORED.replace('\n', "\r\n"))
}

fn rendered(armored: &str) -> Vec<u8> {
    let date = Timestamp::from_secs(1_700_000_000);
    render_setup_message("anna@example.org", armored, date, Token([7; 16]), &SetupText::default())
}

fn found(message: &[u8]) -> Option<String> {
    let armored = parse_setup_message(message).ok()?.armored;
    Some(String::from_utf8(armored).expect("ASCII").replace("\r\n", "\n"))
}

#[test]
fn what_is_armored_in_a_setup_message_comes_out_again() {
    let message = rendered(ARMORED);
    assert_eq!(found(&message).as_deref(), Some(ARMORED));
    assert_eq!(message, rendered(ARMORED));
    let text = String::from_utf8(message).expect("ASCII");
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998));
    assert!(!text.replace("\r\n", "").contains('\n'), "CRLF alone");
    for part in [
        "From: <anna@example.org>\r\n",
        "To: <anna@example.org>\r\n",
        "Autocrypt-Setup-Message: v1\r\n",
        "Content-Type: application/autocrypt-setup",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_example_of_level_1_is_read() {
    assert_eq!(found(example().as_bytes()).as_deref(), Some(ARMORED));
}

#[test]
fn what_is_no_setup_message_is_none() {
    let example = example();
    let changed = |from: &str, to: &str| {
        assert!(example.contains(from));
        example.replace(from, to)
    };
    for mail in [
        changed("Autocrypt-Setup-Message: v1\r\n", ""),
        changed("Autocrypt-Setup-Message: v1", "Autocrypt-Setup-Message: v2"),
        changed("application/autocrypt-setup", "text/html"),
        changed("Content-Type: text/plain", "Content-Type: application/autocrypt-setup"),
        changed("BEGIN PGP MESSAGE", "BEGIN PGP NOTHING"),
        changed("END PGP MESSAGE", "END PGP NOTHING"),
        String::new(),
    ] {
        assert_eq!(found(mail.as_bytes()), None, "{mail}");
    }
}

#[test]
fn a_setup_message_around_what_gpg_wrote_is_read() {
    let found = found(include_bytes!("../../../tests/data/setup-curve.eml")).expect("a setup message");
    assert!(found.starts_with("-----BEGIN PGP MESSAGE-----\nPassphrase-Format: numeric9x4\n"), "{found}");
    assert!(found.ends_with("\n-----END PGP MESSAGE-----\n"), "{found}");
}

#[test]
fn a_mail_of_another_form_or_version_is_ignored_and_a_broken_one_is_told() {
    let example = example();
    let why = |from: &str, to: &str| {
        assert!(example.contains(from));
        parse_setup_message(example.replace(from, to).as_bytes()).map(|setup| setup.address)
    };
    assert_eq!(why("Autocrypt-Setup-Message: v1\r\n", ""), Err(NoSetupMessage::NotOne));
    assert_eq!(why("Setup-Message: v1", "Setup-Message: v2"), Err(NoSetupMessage::NotOne));
    assert_eq!(why("application/autocrypt-setup", "text/html"), Err(NoSetupMessage::Malformed));
    assert_eq!(why("END PGP MESSAGE", "END PGP NOTHING"), Err(NoSetupMessage::Malformed));
}

#[test]
fn a_setup_message_is_from_the_account_to_itself() {
    let example = example();
    let of = |from: &str, to: &str| {
        let mail =
            example.replace("From: alice@autocrypt.example", from).replace("To: alice@autocrypt.example", to);
        parse_setup_message(mail.as_bytes()).unwrap().address.map(|address| address.to_string())
    };
    let alice = Some("alice@autocrypt.example".to_owned());
    assert_eq!(of("From: alice@autocrypt.example", "To: Alice <Alice@Autocrypt.example>"), alice);
    assert_eq!(of("From: eve@example.org", "To: alice@autocrypt.example"), None);
    assert_eq!(of("From: alice@autocrypt.example", "To: eve@example.org"), None);
    assert_eq!(of("From: alice@autocrypt.example, eve@example.org", "To: alice@autocrypt.example"), None);
    assert_eq!(of("X-From: nobody", "To: alice@autocrypt.example"), None);
}
