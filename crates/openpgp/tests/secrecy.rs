//! What must not show does not.

mod common;

use std::{collections::BTreeSet, fmt::Debug};

use common::{NOW, OPENPGP, device, secret};
use sma_core::{Crypto, Hash, PakeRun, SessionId, Side};
use sma_openpgp::keys;

/// Looks for eight octets of `hidden` that `known` does not have: as numbers, hexadecimal, escaped, and as they are.
fn shows(shown: &impl Debug, hidden: &[u8], known: &[u8]) -> bool {
    let text = format!("{shown:?} {shown:#?} {shown:x?}").to_lowercase();
    hidden.windows(8).filter(|octets| !known.windows(8).any(|window| window == *octets)).any(|octets| {
        let decimal: Vec<_> = octets.iter().map(u8::to_string).collect();
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let escaped = octets.escape_ascii().to_string().to_lowercase();
        [decimal.join(", "), decimal.join(",\n    "), hex, escaped].iter().any(|form| text.contains(form))
    })
}

#[test]
fn debug_shows_no_secret() {
    assert!(shows(&[1_u8; 8], &[1; 8], b"") && shows(&"12345678", b"12345678", b""));
    let key = device(1);
    assert!(shows(&key, &key.certificate, b"") && !shows(&key, key.secret.expose(), &key.certificate));
    let account = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    assert!(!shows(&account, account.secret.expose(), &account.public));
    let session = OPENPGP.session_keys(&secret([5; 32]), &Hash([1; 32]));
    for key in [&session.newcomer, &session.member, &session.bundle] {
        assert!(!shows(&session, key.expose(), b""));
    }
    let password = secret("12345678");
    let run =
        PakeRun { side: Side::Member, password: &password, session: SessionId([7; 16]), seed: &[1; 32] };
    assert!(!shows(&run, b"12345678", b""));
    let sealed = OPENPGP.seal(&key.certificate, b"plaintext", &[3; 32]).unwrap();
    assert!(!shows(&OPENPGP.open(&key.secret, &sealed), b"plaintext", b""));
    let secret = account.secret.expose();
    assert!(!shows(&keys::unprotect(secret, None), secret, b""));
}

#[test]
fn a_sealed_message_does_not_name_its_recipient() {
    let key = device(1);
    let sealed = OPENPGP.seal(&key.certificate, b"plain", &[3; 32]).unwrap();
    let contains = |needle: &[u8]| sealed.windows(needle.len()).any(|window| window == needle);
    assert!(!contains(&key.fingerprint.as_bytes()[..8]));
    let certificate: BTreeSet<_> = key.certificate.windows(8).collect();
    assert!(!sealed.windows(8).any(|window| certificate.contains(window)));
    assert!(!contains(b"plain"));
}

#[test]
fn padding_hides_lengths() {
    let certificate = device(1).certificate;
    let key = secret([7; 32]);
    let plain = [0; 1100];
    let mut sealed = BTreeSet::new();
    let mut bundles = BTreeSet::new();
    for length in 1000..1100 {
        sealed.insert(OPENPGP.seal(&certificate, &plain[..length], &[3; 32]).unwrap().len());
        bundles.insert(OPENPGP.seal_bundle(&key, &plain[..length], &[3; 32]).len());
    }
    assert!(sealed.len() <= 4 && bundles.len() <= 4, "{sealed:?} {bundles:?}");
}

#[test]
fn another_seed_gives_another_sealed_message() {
    let certificate = device(1).certificate;
    let sealed = |seed: u8| OPENPGP.seal(&certificate, b"plain", &[seed; 32]).unwrap();
    let common = sealed(1).iter().zip(&sealed(2)).filter(|(one, two)| one == two).count();
    assert!(common < 40, "{common} octets in common");
}
