//! What people bring along and what mail programs ask (Autocrypt Level 1), from the command line.

use std::fs;

use serde_json::{Value, json};
use sma_tests::{
    program::Device,
    server::{self, Dovecot},
};

use super::{LOGIN, data, done, done_with, fails, paired, set_up_for, text};

const BOB: &str = "bob@example.net";
/// 2025-11-01.
const BEGIN: u64 = 1_761_955_200;
const DAY: u64 = 86_400;

/// A device that is alone on its account.
pub(crate) fn alone(server: &Dovecot, login: &str) -> Device {
    let device = set_up_for(server, login, "laptop");
    done(&device, &["sync"]);
    device
}

fn met(name: &str) -> String {
    data(&format!("met/{name}"))
}

/// A file in a device's directory.
fn file(device: &Device, name: &str, content: &str) -> String {
    let path = device.directory.join(name);
    fs::write(&path, content).expect("a file");
    path.to_str().expect("a path").to_owned()
}

/// The value of `keydata` in the header of a mail in `tests/data`.
fn keydata(name: &str) -> String {
    let mail = fs::read_to_string(data(&format!("autocrypt-{name}.eml"))).expect("a mail");
    let (_, rest) = mail.split_once("keydata=").expect("keydata");
    rest.split("\r\n\r\n").next().expect("a header").split_whitespace().collect()
}

#[test]
fn keys_that_nobody_could_use_are_refused_with_what_to_do() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, LOGIN);
    let before = done(&laptop, &["mail", "header"]);
    for (name, says) in [
        ("card.asc", "smart card"),
        ("subkey-on-card.asc", "smart card"),
        ("ended.asc", "ended on 2026-01-02: give it a later end with gpg --quick-set-expire"),
        ("subkey-ended.asc", "subkey that encrypts ended on 2026-01-02"),
        ("all-revoked.asc", "subkey that encrypts is revoked; give it a subkey"),
        ("no-subkey.asc", "nothing that encrypts; give it a subkey"),
        ("rsa-alone.asc", "give it a subkey"),
        ("README.md", "not an OpenPGP secret key"),
    ] {
        fails(&laptop, &["keys", "import", "--yes", &met(name)], &[], 1, says);
    }
    fails(&laptop, &["keys", "import", &data("curve.pub.asc")], &[], 1, "only the public part");
    fails(&laptop, &["keys", "import", &data("revoked.sec.asc")], &[], 1, "revoked");
    assert_eq!(done(&laptop, &["mail", "header"]), before, "nothing changed");
}

#[test]
fn a_key_of_another_address_wants_a_yes_and_gets_the_accounts() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, "ki@example.org");
    let key = met("public-then-secret.asc");
    let says = "The key is of anna@example.org, anna@work.example, and this account is ki@example.org";
    fails(&laptop, &["keys", "import", &key], &[], 3, says);
    done(&laptop, &["keys", "import", "--yes", &key]);
    let header = done(&laptop, &["mail", "header"]);
    let other = alone(&server, LOGIN);
    let lines = format!(
        "From: ki@example.org\r\nDate: Sun, 01 Feb 2026 00:00:00 +0000\r\n{}\r\n",
        text(&header, "header")
    );
    let mail = file(&other, "mail.eml", &lines);
    done(&other, &["mail", "observe", &mail, "--received", "1769904000"]);
    let answer = done(&other, &["mail", "recommend", "ki@example.org"]);
    assert_eq!(text(&answer, "recommendation"), "available");
    assert!(text(&answer["keys"], "ki@example.org").starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    // A key of the account's address needs none, in whatever form it is.
    let own = alone(&server, "anna@work.example");
    let armored = fs::read_to_string(met("blank-lines.asc")).expect("a key");
    done_with(&own, &["keys", "import", "-"], &[], &armored);
}

/// A mail as Delta Chat writes it: outside, and inside.
fn protected(device: &Device, at: u64, earlier: u64, key: &str, more: &str) -> (String, String) {
    let date = |at: u64| mail_date(at);
    let outside = format!(
        "From: <{BOB}>\r\nDate: {}\r\nTo: \"hidden-recipients\": ;\r\nSubject: [...]\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"x\"\r\n\r\n",
        date(at - earlier)
    );
    let inside = format!(
        "From: <{BOB}>\r\nTo: <{LOGIN}>, <carol@example.net>\r\nDate: {}\r\n\
         Autocrypt: addr={BOB}; prefer-encrypt=mutual; keydata={key}\r\n{more}\
         Content-Type: text/plain; hp=\"cipher\"; protected-headers=\"v1\"\r\n\r\nHello\r\n",
        date(at)
    );
    (file(device, "outside.eml", &outside), file(device, "inside.eml", &inside))
}

/// Days since [`BEGIN`] as mails write them.
fn mail_date(at: u64) -> String {
    const MONTHS: [(&str, u64); 12] = [
        ("Nov", 30),
        ("Dec", 31),
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
    ];
    let mut day = (at + 10 * DAY - BEGIN) / DAY;
    // The first days outside lie before the first of November.
    if day < 10 {
        return format!("{} Oct 2025 00:00:00 +0000", 22 + day);
    }
    day -= 10;
    for (month, (name, days)) in MONTHS.into_iter().enumerate() {
        if day < days {
            return format!("{} {name} {} 00:00:00 +0000", day + 1, if month < 2 { 2025 } else { 2026 });
        }
        day -= days;
    }
    panic!("a day of the year");
}

#[test]
fn a_peer_that_protects_all_headers_stays_on_two_devices_for_a_year() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    assert_eq!(text(&done(&phone, &["mail", "prefer-encrypt", "mutual"]), "prefer_encrypt"), "mutual");
    done(&laptop, &["sync"]);
    assert!(text(&done(&laptop, &["mail", "header"]), "header").contains("prefer-encrypt=mutual"));
    for (number, day) in (0..360).step_by(40).enumerate() {
        let key = keydata(["curve", "rsa", "sequoia"][usize::from(day >= 120) + usize::from(day >= 240)]);
        let at = BEGIN + day * DAY;
        let (opens, other) = if number % 2 == 0 { (&laptop, &phone) } else { (&phone, &laptop) };
        let (outside, inside) = protected(opens, at, 6 * DAY, &key, "");
        let received = (at + 60).to_string();
        let closed = ["mail", "observe", &outside, "--received", &received];
        fails(other, &closed, &[], 1, "give what was inside with --payload");
        let observed = done(opens, &[&closed[..], &["--payload", &inside]].concat());
        assert_eq!((text(&observed, "from"), &observed["has_key"]), (BOB, &true.into()));
        done(other, &["sync"]);
        let answers = [opens, other].map(|device| done(device, &["mail", "recommend", BOB]));
        assert_eq!(text(&answers[0], "recommendation"), "encrypt", "day {day}");
        assert_eq!(answers[0]["keys"], answers[1]["keys"]);
        let armored: String = text(&answers[0]["keys"], BOB).lines().skip(2).collect();
        assert!(armored.starts_with(&key[..200]), "day {day}");
    }
}

#[test]
fn a_reply_to_all_a_draft_and_gossip_are_asked_about_from_the_command_line() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, LOGIN);
    let gossiped = format!("Autocrypt-Gossip: addr=carol@example.net; keydata={}\r\n", keydata("rsa"));
    let (outside, inside) = protected(&laptop, BEGIN, 0, &keydata("curve"), &gossiped);
    let observe = ["mail", "observe", &outside, "--received", "1761955260", "--payload", &inside];
    assert_eq!(done(&laptop, &observe)["gossip"], json!(["carol@example.net"]));
    let advice = |words: &[&str]| done(&laptop, &[&["mail", "recommend"], words].concat());
    let word = |words: &[&str]| text(&advice(words), "recommendation").to_owned();
    assert_eq!(word(&["carol@example.net"]), "discourage");
    // The account's own address has the account's own key.
    assert_eq!([word(&[BOB, LOGIN]), word(&[LOGIN])], ["available", "available"]);
    assert_eq!(advice(&[BOB, LOGIN])["with_key"], json!([LOGIN, BOB]));
    let unknown = advice(&[BOB, "dan@example.net"]);
    assert_eq!(text(&unknown, "recommendation"), "disable");
    assert_eq!(unknown["without_key"], json!({ "dan@example.net": "no key is known" }));
    // What the mail program's own OpenPGP can do is its to say.
    assert_eq!(word(&[BOB, "--backend-command", "cat >/dev/null"]), "available");
    let none = advice(&[BOB, "--backend-command", "exit 1"]);
    assert_eq!(text(&none, "recommendation"), "disable");
    assert!(text(&none["without_key"], BOB).contains("--backend-command does not take it"), "{none}");
    let failed = ["mail", "recommend", BOB, "--backend-command", "no-such-program 2>/dev/null"];
    fails(&laptop, &failed, &[], 1, "the command of --backend-command was not done (it ended with 127)");
    // A draft says what it answers.
    let state = done(&laptop, &["mail", "draft-state", "--encrypt", "yes", "--reply-to-encrypted"]);
    assert_eq!(text(&state, "header"), "Autocrypt-Draft-State: encrypt=yes; _is-reply-to-encrypted=yes\r\n");
    let draft = file(&laptop, "draft.eml", &format!("To: {BOB}\r\n{}\r\nHello", text(&state, "header")));
    let opened = advice(&[BOB, "--draft", &draft]);
    assert_eq!(
        (text(&opened, "recommendation"), &opened["draft"]),
        ("encrypt", &json!({ "encrypt": true, "by_choice": false }))
    );
    fails(&laptop, &["mail", "recommend", BOB, "--draft", &outside], &[], 1, "no state of a draft");
    // Gossip for the others, and none about oneself.
    let gossip = done(&laptop, &["mail", "gossip", BOB, "carol@example.net", LOGIN]);
    assert_eq!(text(&gossip, "headers").matches("Autocrypt-Gossip: addr=").count(), 2);
}

#[test]
fn other_addresses_have_a_header_of_their_own_and_autocrypt_can_be_off() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, LOGIN);
    let header =
        |words: &[&str]| text(&done(&laptop, &[&["mail", "header"], words].concat()), "header").to_owned();
    let own = header(&[]);
    fails(
        &laptop,
        &["mail", "header", "--from", "info@example.org"],
        &[],
        1,
        "sma mail alias info@example.org",
    );
    done(&laptop, &["mail", "alias", "Info@example.org"]);
    let alias = header(&["--from", "info@example.org"]);
    assert!(alias.starts_with("Autocrypt: addr=info@example.org;"), "{alias}");
    assert_ne!(alias, own);
    assert_eq!([header(&[]), header(&["--from", "info@EXAMPLE.org"])], [own.clone(), alias]);
    assert_eq!(
        text(&done(&laptop, &["mail", "recommend", "info@example.org"]), "recommendation"),
        "available"
    );
    done(&laptop, &["mail", "alias", "info@example.org", "--remove"]);
    fails(&laptop, &["mail", "header", "--from", "info@example.org"], &[], 1, "no address of this account");

    done(&laptop, &["mail", "disable"]);
    assert_eq!(header(&[]), "");
    assert_eq!(text(&done(&laptop, &["mail", "recommend", LOGIN]), "recommendation"), "disable");
    done(&laptop, &["mail", "enable"]);
    assert_eq!(header(&[]), own, "the same key");
}

#[test]
fn a_setup_message_is_held_against_the_account_and_its_key_may_have_a_password() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, LOGIN);
    let out = laptop.directory.join("setup.eml");
    let out = out.to_str().expect("a path");
    let code = text(&done(&laptop, &["keys", "setup-message", "--out", out]), "setup_code").to_owned();
    let other = alone(&server, "berta@example.org");
    let import = ["keys", "import-setup-message", out];
    fails(
        &other,
        &import,
        &[("SMA_SETUP_CODE", &code)],
        3,
        "is of anna@example.org, and this account is berta@example.org",
    );
    fails(
        &laptop,
        &["keys", "import-setup-message", &met("README.md")],
        &[],
        1,
        "is no Autocrypt Setup Message",
    );
    let second = alone(&server, LOGIN);
    let changed: Value = done_with(&second, &import, &[("SMA_SETUP_CODE", &code)], "");
    assert_eq!(changed["usable"], true);

    // The key inside has a password of its own.
    let locked = alone(&server, "locked@example.org");
    let armored = fs::read_to_string(met("setup-inner-password.asc")).expect("an armored message");
    let mail = format!(
        "From: locked@example.org\r\nTo: locked@example.org\r\nAutocrypt-Setup-Message: v1\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
         --b\r\nContent-Type: application/autocrypt-setup\r\n\r\n<pre>\n{armored}</pre>\r\n--b--\r\n"
    );
    let mail = file(&locked, "setup.eml", &mail);
    let import = ["keys", "import-setup-message", &mail];
    let code = ("SMA_SETUP_CODE", "1742-0185-6197-1303-7016-8412-3581-4441-0597");
    fails(&locked, &import, &[code], 1, "set SMA_KEY_PASSWORD");
    fails(&locked, &import, &[code, ("SMA_KEY_PASSWORD", "wrong donkey")], 1, "the password is wrong");
    done_with(&locked, &import, &[code, ("SMA_KEY_PASSWORD", "correct horse")], "");
}
