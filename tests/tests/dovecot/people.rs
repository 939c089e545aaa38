//! What people type, and what they expect to come back.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use sma_tests::{
    program::{Device, Ran},
    server::{self, Dovecot, PASSWORD},
};

use super::{LOGIN, done, event, fails, paired, set_up_whole, text};

/// What a person reads.
fn said(device: &Device, words: &[&str]) -> Ran {
    device.start_saying(words).end()
}

fn devices(device: &Device) -> Vec<Value> {
    done(device, &["devices"])["devices"].as_array().expect("a list").clone()
}

#[test]
fn a_device_has_one_name_on_all_screens_whoever_gave_it() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let shown = |device: &Device| {
        let (status, list) = (done(device, &["status"]), devices(device));
        (status["name"].clone(), list[0]["name"].clone())
    };
    let shown_by = |other: &Device| {
        let (status, list) = (done(other, &["status"]), devices(other));
        (status["siblings"][0]["name"].clone(), list[1]["name"].clone())
    };
    done(&phone, &["devices", "rename", "tablet"]);
    done(&laptop, &["sync"]);
    let tablet = (Value::from("tablet"), Value::from("tablet"));
    assert_eq!((shown(&phone), shown_by(&laptop)), (tablet.clone(), tablet));
    let url = server.url(LOGIN);
    done(&phone, &["setup", "--address", LOGIN, "--imap", &url, "--name", "desk"]);
    done(&laptop, &["sync"]);
    let desk = (Value::from("desk"), Value::from("desk"));
    assert_eq!((shown(&phone), shown_by(&laptop)), (desk.clone(), desk));
    fails(&phone, &["devices", "rename", "x\u{1b}[2K\r"], &[], 2, "U+001B");
    fails(&phone, &["devices", "rename", "a\nb"], &[], 2, "U+000A");
}

#[test]
fn the_list_of_devices_says_who_let_each_in_and_what_is_new_until_that_is_seen() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let tablet = set_up_whole(&server, "tablet");
    super::pair_by_link(&laptop, &tablet);
    let told = done(&phone, &["sync"]);
    assert!(event(&told, "added").is_some());
    // Whoever read none of that is told all the same, by the list and by the status, until it is acknowledged.
    for command in ["devices", "status"] {
        let ran = said(&phone, &[command]);
        assert!(ran.output.contains("\"tablet\" ("), "{}", ran.output);
        assert!(
            ran.output.contains("new") && ran.output.contains("sma devices acknowledge"),
            "{}",
            ran.output
        );
    }
    let list = devices(&phone);
    let of = |name: &str| list.iter().find(|device| device["name"] == name).expect("it is listed").clone();
    let laptop_id = done(&laptop, &["status"])["id"].clone();
    assert_eq!((&of("tablet")["new"], &of("tablet")["added_by"]), (&true.into(), &laptop_id));
    assert!(of("tablet")["added"].is_u64() && of("tablet")["last_heard"].is_u64());
    assert_eq!(of("laptop")["new"], false);
    done(&phone, &["devices", "acknowledge", "tablet"]);
    assert!(devices(&phone).iter().all(|device| device["new"] == false));
}

#[test]
fn a_device_is_removed_by_its_name_after_a_question_and_is_no_newcomer_then() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    fails(&laptop, &["devices", "remove", "phone"], &[], 3, "add --yes");
    fails(&laptop, &["devices", "remove", "fridge"], &[], 3, "known are:");
    fails(&laptop, &["devices", "remove", "laptop", "--yes"], &[], 3, "sma devices leave");
    let phone_id = text(&done(&phone, &["status"]), "id").to_owned();
    done(&laptop, &["devices", "remove", &phone_id[..6], "--yes"]);
    let ran = said(&laptop, &["status"]);
    assert!(
        !ran.output.contains("asks to be let in") && !ran.output.contains("not paired"),
        "{}",
        ran.output
    );
    // On the removed one: what it is, what to do, and nothing of others.
    assert_eq!(phone.run(&["sync"]).code, 3);
    let ran = said(&phone, &["status"]);
    assert!(ran.output.contains("removed from the group, by another device"), "{}", ran.output);
    assert!(ran.output.contains("sma setup --anew"), "{}", ran.output);
    assert!(!ran.output.contains("is paired with this one"), "{}", ran.output);
}

#[test]
fn whoever_leaves_is_said_to_have_left_and_nothing_was_deleted_by_hand() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    done(&phone, &["devices", "leave", "--yes"]);
    let told = done(&laptop, &["sync"]);
    assert_eq!(event(&told, "gone").expect("it is gone")["how"], "left");
    assert!(event(&told, "folder-deleted").is_none(), "{told}");
}

#[test]
fn a_second_setup_forgets_nothing_and_mends_what_is_damaged() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let device = Device::new("mended", "not-the-password");
    let (url, command) = (server.url(LOGIN), format!("echo {PASSWORD}"));
    let setup = ["setup", "--address", LOGIN, "--imap", &url];
    done(&device, &[&["--password-command", &command], &setup[..], &["--name", "desk"]].concat());
    done(&device, &setup);
    done(&device, &["sync"]);
    let status = done(&device, &["status"]);
    assert_eq!(status["name"], "desk");

    let file = device.directory.join("account.json");
    for damaged in ["", "{", "{\"address\":", "[]", "\u{0}\u{0}\u{0}"] {
        fs::write(&file, damaged).expect("a file");
        fails(&device, &["status"], &[], 1, "run sma setup");
        fails(&device, &["sync"], &[], 1, "run sma setup");
        let again = [&["--password-command", &command], &setup[..], &["--name", "desk"]].concat();
        done(&device, &again);
        assert_eq!(done(&device, &["status"])["id"], status["id"], "nothing else is lost");
    }
    let state = device.directory.join("state");
    fs::write(&state, "damaged").expect("a file");
    fails(&device, &["status"], &[], 1, "move it away to begin anew");
    fails(&device, &["sync"], &[], 1, "move it away to begin anew");
}

#[test]
fn what_makes_no_sense_whatever_the_state_is_ends_with_2() {
    let device = Device::new("usage", PASSWORD);
    let good = "imaps://anna@mail.example.org";
    for (words, says) in [
        (&["setup", "--address", "anna", "--imap", good][..], "write anna@example.org"),
        (&["setup", "--address", "a b@example.org", "--imap", good], "write anna@example.org"),
        (&["setup", "--address", LOGIN, "--imap", "mail.example.org"], "write imaps://login@host"),
        (&["setup", "--address", LOGIN, "--imap", "imap://anna@mail.example.org"], "use imaps://"),
        (
            &["setup", "--address", LOGIN, "--imap", "imaps://anna:secret@mail.example.org"],
            "may not hold a password",
        ),
        (&["watch", "--poll", "0"], "--poll"),
        (&["pair", "--frobnicate"], "--frobnicate"),
        (&["frobnicate"], "frobnicate"),
    ] {
        fails(&device, words, &[], 2, says);
    }
    assert!(!device.directory.exists());
}

#[test]
fn whatever_is_wrong_with_the_server_is_said_in_words_that_help() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let set_up = |url: &str, password: &str| {
        let device = Device::new("wrong", password);
        let ran = said(&device, &["setup", "--address", LOGIN, "--imap", url]);
        assert_eq!(ran.code, 1, "{url}: {}{}", ran.output, ran.errors);
        for word in ["Some(", "Error(", "None", "{", "InvalidContentType"] {
            assert!(!ran.errors.contains(word), "{}", ran.errors);
        }
        ran.errors
    };
    let wrong = set_up(&server.url(LOGIN), "not-the-password");
    assert!(
        wrong.contains("Authentication failed") && wrong.contains("check the login name and the password"),
        "{wrong}"
    );
    assert!(!wrong.contains("tried again") && !wrong.contains("no connection"), "{wrong}");
    let tls = set_up(&format!("imaps://anna@127.0.0.1:{}", server.port), PASSWORD);
    assert!(tls.contains("does not begin with TLS"), "{tls}");
    let nobody = set_up("imaps://anna@no-such-host.invalid", PASSWORD);
    assert!(nobody.contains("no server of this name"), "{nobody}");
    let port = set_up("imaps://anna@127.0.0.1:1", PASSWORD);
    assert!(port.contains("check the port"), "{port}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let device = set_up_whole(&server, "laptop");
    for name in ["state", "account.json", "pairing.json"] {
        let mode = fs::metadata(device.directory.join(name)).map(|file| file.permissions().mode() & 0o777);
        assert!(mode.is_err() || mode.is_ok_and(|mode| mode == 0o600), "{name}");
    }
    let file = device.directory.join("account.json");
    fs::remove_file(&file).expect("it was there");
    fs::create_dir(&file).expect("a directory in its place");
    fails(&device, &["sync"], &[], 1, "make it your own and readable");
    let nowhere = Device::new("none", PASSWORD);
    fails(&nowhere, &["sync"], &[], 1, "run sma setup first");
}
