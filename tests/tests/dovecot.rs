//! Two devices of one account on a real server, each command a process of its own.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

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
    let ran = device.run(words);
    assert_eq!(ran.code, 0, "{words:?}: {}\n{}", ran.output, ran.errors);
    tells_no_secret(&ran);
    serde_json::from_str(&ran.output).expect("one JSON object")
}

fn tells_no_secret(ran: &Ran) {
    for text in [&ran.output, &ran.errors] {
        assert!(!text.contains(PASSWORD), "the password is told");
        assert!(!text.contains("PRIVATE KEY"), "a secret key is told");
    }
}

fn set_up(server: &Dovecot, name: &str) -> Device {
    let device = Device::new(name, PASSWORD);
    let url = server.url(LOGIN);
    done(&device, &["setup", "--address", LOGIN, "--imap", &url, "--name", name]);
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
    let offer = done(&laptop, &["pair", "--offer", &phone_id]);
    let code = event(&offer, "code").expect("a code is shown")["code"].as_str().expect("a code").to_owned();

    let mistyped = phone.run(&["pair", "--code", &code[1..]]);
    tells_no_secret(&mistyped);
    assert_eq!(mistyped.code, 3, "a person has to type it again: {}", mistyped.errors);
    done(&phone, &["pair", "--code", &code]);
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
