//! Two devices of one account on a real server, each command a process of its own.

#[path = "dovecot/autocrypt.rs"]
mod autocrypt;
#[path = "dovecot/doctor.rs"]
mod doctor;
#[path = "dovecot/joining.rs"]
mod joining;
#[path = "dovecot/keys.rs"]
mod keys;
#[path = "dovecot/kinds_of_keys.rs"]
mod kinds_of_keys;
#[path = "dovecot/misled.rs"]
mod misled;
#[path = "dovecot/pairing.rs"]
mod pairing;
#[path = "dovecot/people.rs"]
mod people;
#[path = "dovecot/schema.rs"]
mod schema;
#[path = "dovecot/screens.rs"]
mod screens;
#[path = "dovecot/serving.rs"]
mod serving;
#[path = "dovecot/told.rs"]
mod told;

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use sma_tests::{
    program::{Device, Ran},
    server::{self, Dovecot, PASSWORD},
};

const LOGIN: &str = "anna@example.org";
/// More rounds than any pairing needs.
const ROUNDS_MAX: usize = 8;

/// Runs a command that must succeed; nothing of it may tell a secret.
fn done(device: &Device, words: &[&str]) -> Value {
    done_with(device, words, &[], "")
}

/// As [`done`], with more variables in the environment and something on the standard input.
fn done_with(device: &Device, words: &[&str], variables: &[(&str, &str)], input: &str) -> Value {
    let ran = device.run_with(words, variables, input);
    assert_eq!(ran.code, 0, "{words:?}: {}\n{}", ran.output, ran.errors);
    tells_no_secret(&ran);
    let answer = serde_json::from_str(&ran.output).expect("one JSON object");
    schema::check(&answer);
    answer
}

fn tells_no_secret(ran: &Ran) {
    for text in [&ran.output, &ran.errors] {
        assert!(!text.contains(PASSWORD), "the password is told");
        assert!(!text.contains("PRIVATE KEY"), "a secret key is told");
    }
}

fn set_up(server: &Dovecot, name: &str) -> Device {
    set_up_for(server, LOGIN, name)
}

fn set_up_for(server: &Dovecot, login: &str, name: &str) -> Device {
    let device = Device::new(name, PASSWORD);
    let url = server.url(login);
    done(&device, &["setup", "--no-sync", "--address", login, "--imap", &url, "--name", name]);
    device
}

/// A device that was set up as README says, which looks for others at once.
fn set_up_whole(server: &Dovecot, name: &str) -> Device {
    let device = Device::new(name, PASSWORD);
    done(&device, &["setup", "--address", LOGIN, "--imap", &server.url(LOGIN), "--name", name]);
    device
}

fn event<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    answer["events"].as_array().into_iter().flatten().find(|event| event["event"] == name)
}

/// What an independent client finds.
fn account(server: &Dovecot) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/independent.py");
    let port = server.port.to_string();
    let output =
        Command::new("python3").args([script, &port, LOGIN, PASSWORD]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn h1_h2_h3_two_devices_pair_through_a_real_server_and_leave_nothing_behind() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    pair_two_devices(&Dovecot::start(), "");
}

#[test]
fn r1_two_devices_pair_with_plain_imap4rev1_alone() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    pair_two_devices(&Dovecot::plain(), "");
}

#[test]
fn r8_two_devices_pair_where_all_folders_are_under_the_inbox() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    pair_two_devices(&Dovecot::with_prefix("INBOX."), "INBOX.");
}

fn pair_two_devices(server: &Dovecot, prefix: &str) {
    let (laptop, phone) = (set_up(server, "laptop"), set_up(server, "phone"));
    assert_eq!(done(&laptop, &["sync"])["phase"], "alone");
    assert_eq!(done(&phone, &["sync"])["phase"], "requesting");

    let seen = done(&laptop, &["sync"]);
    let phone_id =
        event(&seen, "request").expect("the request is seen")["id"].as_str().expect("an id").to_owned();
    assert_eq!(done(&laptop, &["status"])["requests"], serde_json::json!([phone_id]));
    let offer = done(&laptop, &["pair", "--no-wait", "--to", &phone_id]);
    let code = event(&offer, "code").expect("a code is shown")["code"].as_str().expect("a code").to_owned();

    let mistyped = phone.run(&["pair", "--no-wait", &code[1..]]);
    tells_no_secret(&mistyped);
    assert_eq!(mistyped.code, 3, "a person has to type it again: {}", mistyped.errors);
    done(&phone, &["pair", "--no-wait", &code]);
    sync_until_paired(&laptop, &phone);
    holds_the_archive_and_nothing_else(server, prefix, &[&laptop, &phone]);
    is_private(&laptop);
}

fn sync_until_paired(one: &Device, other: &Device) {
    let phase = |device: &Device| done(device, &["sync"])["phase"].clone();
    let paired = (0..ROUNDS_MAX).any(|_| [one, other].map(phase).iter().all(|phase| phase == "paired"));
    assert!(paired, "not paired after {ROUNDS_MAX} rounds");
    // What each said last is heard and acknowledged.
    for device in [one, other, one] {
        done(device, &["sync"]);
    }
    let key = |device| done(device, &["keys", "export", "--public"])["public_key"].clone();
    assert_eq!(key(one), key(other));
    assert!(key(one).as_str().is_some_and(|key| key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----")));
}

fn holds_the_archive_and_nothing_else(server: &Dovecot, prefix: &str, devices: &[&Device]) {
    let account = account(server);
    let folders = account["folders"].as_object().expect("folders");
    let id = |device: &&Device| done(device, &["status"])["id"].as_str().expect("an id").to_owned();
    let mut ids: Vec<_> = devices.iter().map(id).collect();
    ids.sort();
    let announcements = format!("{prefix}_Autocrypt_SMA");
    let mut wanted = vec!["INBOX".to_owned(), announcements.clone()];
    wanted.extend(ids.iter().map(|id| format!("{announcements}_{id}")));
    wanted.sort();
    let mut names: Vec<_> = folders.keys().cloned().collect();
    names.sort();
    assert_eq!(names, wanted, "two folders of devices, one of announcements");
    for name in names.iter().filter(|name| **name != announcements) {
        let messages = folders[name].as_array().expect("messages");
        assert!(messages.is_empty(), "R5, R6: at rest {name} is empty: {messages:?}");
    }
    let mut froms = Vec::new();
    for message in folders[&announcements].as_array().expect("messages") {
        let marker = message["headers"]["autocrypt-sma"].as_str().expect("R9: the marker");
        let from = marker.strip_prefix("v=1; kind=announcement; from=");
        froms.push(from.expect("an announcement").to_owned());
        assert!(message["head"].as_str().is_some_and(|head| head.contains("\\Seen")), "T3: all is seen");
        assert_eq!(message["types"][1], "text/plain", "R5: a paragraph for people comes first");
    }
    froms.sort();
    assert_eq!(froms, ids, "one announcement for each device");
    assert_eq!(account["subscribed"], serde_json::json!([]), "T3: nothing is subscribed");
}

fn is_private(device: &Device) {
    let mode =
        |name: &str| fs::metadata(device.directory.join(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode("state"), 0o600);
    assert_eq!(mode("account.json"), 0o600);
    assert_eq!(mode(""), 0o700);
    let settings = fs::read_to_string(device.directory.join("account.json")).expect("settings");
    assert!(!settings.contains(PASSWORD));
}

#[test]
fn a_wrong_password_is_told_as_such_and_sets_nothing_up() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let device = Device::new("wrong", "not-the-password");
    let ran = device.run(&["setup", "--address", LOGIN, "--imap", &server.url(LOGIN)]);
    assert_eq!(ran.code, 1);
    assert!(ran.errors.contains("refused the login"), "{}", ran.errors);
    assert!(!ran.errors.contains("not-the-password"));
    assert!(!device.directory.join("account.json").exists());
}

/// A file of `tests/data`.
fn data(name: &str) -> String {
    format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}"))
}

/// A command that a person got wrong: it ends with this code and a sentence that says what to do.
fn fails(device: &Device, words: &[&str], variables: &[(&str, &str)], code: i32, says: &str) {
    let ran = device.run_with(words, variables, "");
    tells_no_secret(&ran);
    let answer: Value = serde_json::from_str(&ran.output).expect("one JSON object");
    schema::check(&answer);
    let sentence = text(&answer["error"], "sentence");
    assert_eq!(ran.code, code, "{words:?}: {sentence}");
    assert!(sentence.contains(says), "{words:?}: {sentence}");
    assert!(ran.errors.contains(sentence), "people are told as well: {}", ran.errors);
}

/// A laptop and a phone that were paired by a code.
fn paired(server: &Dovecot) -> [Device; 2] {
    let [laptop, phone] = ["laptop", "phone"].map(|name| set_up_whole(server, name));
    let shown = done(&laptop, &["pair", "--no-wait"]);
    done(&phone, &["pair", "--no-wait", text(event(&shown, "code").expect("a code is shown"), "code")]);
    sync_until_paired(&laptop, &phone);
    [laptop, phone]
}

/// The newcomer, which asked already, gets in by a link that stands in no list of processes.
fn pair_by_link(member: &Device, newcomer: &Device) {
    done(member, &["sync"]);
    let shown = done(member, &["pair", "--no-wait", "--link"]);
    let link = text(event(&shown, "link").expect("a link is shown"), "link").to_owned();
    done_with(newcomer, &["pair", "--no-wait", "-"], &[], &format!("{link}\n"));
    sync_until_paired(member, newcomer);
}

/// GnuPG in a directory of its own, which goes with it.
struct Gpg(PathBuf);

impl Gpg {
    fn new(directory: PathBuf) -> Self {
        fs::create_dir_all(&directory).expect("a directory");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("it is ours");
        Self(directory)
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", &self.0).args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("gpg runs");
        process.stdin.take().expect("a pipe").write_all(input).expect("gpg reads");
        let output = process.wait_with_output().expect("gpg ends");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", &self.0).args(["--kill", "all"]).status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The armored message in a mail, as another program finds it.
fn armored(mail: &str) -> Vec<u8> {
    let script = "import email, re, sys; parts = email.message_from_file(open(sys.argv[1])).walk(); \
        text = b''.join(part.get_payload(decode=True) or b'' for part in parts); \
        sys.stdout.buffer.write(re.search(b'-----BEGIN PGP MESSAGE.*END PGP MESSAGE-----', text, re.S)[0])";
    let output = Command::new("python3").args(["-c", script, mail]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_key_of_gpg_goes_by_a_link_to_a_second_device_and_opens_old_mail_where_that_one_hands_it_on() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up(&server, "laptop"), set_up(&server, "phone"));
    done(&laptop, &["keys", "import", "--yes", &data("curve.sec.asc")]);
    done(&phone, &["sync"]);
    pair_by_link(&laptop, &phone);
    let gpg = Gpg::new(phone.directory.join("gpg"));
    gpg.run(&["--import"], &fs::read(data("rsa.pub.asc")).expect("the signer's key"));
    let public = done(&phone, &["keys", "export", "--public"]);
    gpg.run(&["--import"], text(&public, "public_key").as_bytes());
    let listing = gpg.run(&["--list-keys", "--with-colons", LOGIN], b"");
    let fingerprint = text(&public, "fingerprint").to_uppercase();
    assert!(String::from_utf8_lossy(&listing).contains(&fingerprint), "it is gpg's key");

    let out = phone.directory.join("setup.eml");
    let out = out.to_str().expect("a path");
    let written = done(&phone, &["keys", "setup-message", "--out", out]);
    let code = text(&written, "setup_code");
    let key = gpg.run(&["--passphrase", code, "--decrypt"], &armored(out));
    gpg.run(&["--import"], &key);
    let old = armored(&data("gpg-rsa-to-curve.eml"));
    assert_eq!(gpg.run(&["--decrypt"], &old), fs::read(data("content.txt")).expect("what it says"));

    let other = set_up_for(&server, "berta@example.org", "other");
    fails(
        &other,
        &["keys", "import-setup-message", out],
        &[("SMA_SETUP_CODE", "1234")],
        3,
        "look at the code again",
    );
    let import = ["keys", "import-setup-message", "--yes", out];
    done_with(&other, &import, &[("SMA_SETUP_CODE", code)], "");
    assert_eq!(done(&other, &["keys", "export", "--public"])["fingerprint"], public["fingerprint"]);
}

#[test]
fn what_one_device_observes_both_recommend_after_they_synced() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let rsa = "rsa@example.org";
    let recommend = |device: &Device, more: &[&str]| {
        done(device, &[&["mail", "recommend", rsa][..], more].concat())["recommendation"].clone()
    };
    assert_eq!([&laptop, &phone].map(|device| recommend(device, &[])), ["disable", "disable"]);

    let observed =
        done(&phone, &["mail", "observe", &data("autocrypt-rsa.eml"), "--received", "2026-02-01T00:00:00Z"]);
    assert_eq!((text(&observed, "from"), &observed["has_key"]), (rsa, &true.into()));
    done(&laptop, &["sync"]);
    let both = [&laptop, &phone];
    assert_eq!(both.map(|device| recommend(device, &[])), ["available", "available"]);
    assert_eq!(both.map(|device| recommend(device, &["--reply-to-encrypted"])), ["encrypt", "encrypt"]);
    done(&laptop, &["mail", "observe", &data("autocrypt-curve.eml"), "--received", "2026-02-01T00:00:00Z"]);
    done(&phone, &["sync"]);
    for words in [&["mail", "gossip", rsa, "curve@example.org"][..], &["mail", "header"]] {
        assert_eq!(done(&laptop, words), done(&phone, words), "{words:?}");
    }
    let gossip = done(&phone, &["mail", "gossip", rsa, "curve@example.org"]);
    let gossip = text(&gossip, "headers");
    assert!(gossip.matches("Autocrypt-Gossip: addr=").count() == 2 && gossip.contains(rsa), "{gossip}");

    // Another account learns this one's key from its header.
    let mail = phone.directory.join("mail.eml");
    let header = done(&laptop, &["mail", "header"]);
    let date = "Date: Sun, 01 Feb 2026 00:00:00 +0000\r\n";
    fs::write(&mail, format!("From: {LOGIN}\r\n{date}{}\r\nHello.\r\n", text(&header, "header")))
        .expect("a file");
    let other = set_up_for(&server, "berta@example.org", "other");
    done(&other, &["sync"]);
    let mail = mail.to_str().expect("a path");
    done(&other, &["mail", "observe", mail, "--received", "1769904000"]);
    let answer = done(&other, &["mail", "recommend", LOGIN]);
    assert_eq!(
        (text(&answer, "recommendation"), &answer["with_key"]),
        ("available", &serde_json::json!([LOGIN]))
    );
}

#[test]
fn a_device_that_is_in_use_keeps_its_place_when_a_newcomer_wants_it() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone, tablet) =
        (set_up(&server, "laptop"), set_up(&server, "phone"), set_up(&server, "tablet"));
    done(&laptop, &["sync"]);
    done(&phone, &["sync"]);
    pair_by_link(&laptop, &phone);
    let phone_id = text(&done(&phone, &["status"]), "id").to_owned();
    fails(&tablet, &["pair", "--replaces", "4000000000"], &[], 3, "4000000000");
    done(&tablet, &["pair", "--replaces", &phone_id]);
    pair_by_link(&laptop, &tablet);
    for device in [&phone, &laptop, &tablet] {
        assert_eq!(done(device, &["sync"])["phase"], "paired");
    }
    // Who is new stays named until somebody says that it is theirs; who let it in knows.
    let id = |device: &Device| text(&done(device, &["status"]), "id").to_owned();
    let notices = |device: &Device| done(device, &["status"])["notices"].clone();
    let tablet_id = id(&tablet);
    let named = serde_json::json!([{ "id": tablet_id, "name": "tablet", "by": id(&laptop) }]);
    let nobody = serde_json::json!([]);
    assert_eq!([notices(&phone), notices(&phone), notices(&laptop)], [named.clone(), named, nobody.clone()]);
    done(&phone, &["devices", "acknowledge", &tablet_id]);
    assert_eq!(notices(&phone), nobody);
    fails(&phone, &["devices", "acknowledge", &tablet_id], &[], 3, &tablet_id);
}

#[test]
fn who_gets_a_command_wrong_is_told_what_to_do_and_nothing_changes() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up(&server, "laptop");
    let wrong = ("SMA_KEY_PASSWORD", "wrong donkey");
    for words in
        [&["mail", "header"][..], &["mail", "recommend", "a@example.org"], &["keys", "export", "--public"]]
    {
        fails(&laptop, words, &[], 3, "run sma sync");
    }
    done(&laptop, &["sync"]);
    let before = done(&laptop, &["status"]);
    for (file, says) in [
        ("missing.asc", "name another file"),
        ("content.txt", "gpg --export-secret-keys"),
        ("curve.pub.asc", "gpg --export-secret-keys"),
        ("locked.sec.asc", "the password is wrong; run it again"),
        ("revoked.sec.asc", "revoked; take another one"),
        ("expired.sec.asc", "ended on 2026-01-02: give it a later end"),
    ] {
        fails(&laptop, &["keys", "import", &data(file)], &[wrong], 1, says);
    }
    let code = ("SMA_SETUP_CODE", "1234-1234-1234-1234-1234-1234-1234-1234-1234");
    for (file, exit, says) in [
        ("missing.eml", 1, "name another file"),
        ("autocrypt-rsa.eml", 1, "save the whole mail"),
        ("setup-curve.eml", 3, "look at the code again"),
    ] {
        fails(&laptop, &["keys", "import-setup-message", &data(file)], &[code], exit, says);
    }
    let nowhere = laptop.directory.join("nowhere/out.eml");
    let nowhere = nowhere.to_str().expect("a path");
    fails(&laptop, &["keys", "setup-message", "--out", nowhere], &[], 1, "cannot write");
    assert!(!Path::new(nowhere).exists());
    fails(&laptop, &["mail", "observe", &data("content.txt"), "--received", "1"], &[], 1, "give one mail");
    fails(&laptop, &["mail", "recommend", "anna"], &[], 2, "write anna@example.org");
    fails(&laptop, &["pair", "-"], &[], 3, "type it again");
    assert_eq!(laptop.run(&["mail", "observe", &data("content.txt"), "--received", "soon"]).code, 2);
    assert_eq!(done(&laptop, &["status"]), before);
}
