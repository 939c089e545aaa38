//! Pairings at which a person would be misled: a key that was there before, the wrong side, old news.

use std::fs;

use serde_json::Value;
use sma_tests::{
    program::{Device, Running},
    server::{self, Dovecot},
};

use super::{data, done, event, fails, paired, set_up, set_up_whole, text};

fn value(line: &str) -> Value {
    serde_json::from_str(line).expect("one JSON object a line")
}

/// Runs `sma pair` on a device in use, up to the code, as people see it.
fn shows(device: &Device) -> (Running, String) {
    let mut pair = device.start_saying(&["pair"]);
    let line = pair.line_with("    sma pair ");
    let code = line.trim().trim_start_matches("sma pair ").to_owned();
    (pair, code)
}

fn said(device: &Device, words: &[&str]) -> String {
    let ran = device.start_saying(words).end();
    ran.output + &ran.errors
}

/// A device in use, and a newcomer that was given a key before it is paired.
fn with_a_key_of_its_own(server: &Dovecot) -> (Device, Device) {
    let (laptop, phone) = (set_up_whole(server, "laptop"), set_up(server, "phone"));
    done(&phone, &["keys", "import", "--yes", &data("curve.sec.asc")]);
    done(&phone, &["sync"]);
    (laptop, phone)
}

#[test]
fn a_newcomer_that_was_given_a_key_asks_before_it_comes_and_both_sides_say_so() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = with_a_key_of_its_own(&server);
    let status = said(&phone, &["status"]);
    assert!(status.contains("brings a key along"), "{status}");
    assert!(!status.contains("no account key"), "{status}");

    let (mut pair, code) = shows(&laptop);
    let typed = phone.start_saying(&["pair", &code]).end();
    assert_eq!(typed.code, 3, "{}", typed.errors);
    assert!(typed.output.contains("you are asked before it goes there"), "{}", typed.output);
    let _ = pair.line_with("has not come yet");
    for words in [&["status"][..], &["pair"], &["pair", &code]] {
        let screen = said(&phone, words);
        assert!(screen.contains("sma pair --confirm"), "{words:?}: {screen}");
        for misleading in ["you used before", "start-apart", "no account key"] {
            assert!(!screen.contains(misleading), "{words:?}: {screen}");
        }
    }
    let list = done(&laptop, &["devices"])["devices"].clone();
    assert_eq!((&list[1]["has_come"], &list[1]["name"]), (&false.into(), &Value::Null), "{list}");
    done(&phone, &["pair", "--confirm"]);
    let ended = pair.end();
    assert!(ended.code == 0 && ended.output.contains("\"phone\" ("), "{}{}", ended.output, ended.errors);
    let list = done(&laptop, &["devices"])["devices"].clone();
    assert_eq!(list[1]["has_come"], true, "{list}");
}

#[test]
fn a_newcomer_that_was_let_in_and_declines_is_not_waited_for() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = with_a_key_of_its_own(&server);
    let (mut pair, code) = shows(&laptop);
    assert_eq!(phone.run(&["pair", &code]).code, 3);
    let _ = pair.line_with("is let in");
    done(&phone, &["pair", "--decline"]);
    let ended = pair.end();
    assert_eq!(ended.code, 3, "{}{}", ended.output, ended.errors);
    assert!(ended.errors.contains("did not come"), "{}", ended.errors);
}

#[test]
fn a_code_that_is_typed_on_a_device_in_use_is_told_to_be_on_the_wrong_side_at_once() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let (pair, code) = shows(&phone);
    fails(&laptop, &["pair", &code], &[], 3, "codes are typed on the new device");
    drop(pair);
    let own = text(&done(&laptop, &["status"]), "id").to_owned();
    for from in [&*own, "laptop"] {
        fails(&laptop, &["pair", &code, "--from", from], &[], 3, "this device itself");
    }
}

#[test]
fn a_pairing_does_not_end_with_the_news_of_one_that_nobody_waited_for() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let phone_id = text(&done(&phone, &["status"]), "id").to_owned();
    let mut pair = laptop.start(&["pair"]);
    let first = value(&pair.line_with("event"));
    assert_eq!(first["event"], "code", "{first}");
    drop(pair);
    // Somebody who is let in by the code of a command that did not stay is no news either.
    let tablet = set_up_whole(&server, "tablet");
    let shown = done(&laptop, &["pair", "--no-wait"]);
    done(&tablet, &["pair", "--no-wait", text(event(&shown, "code").expect("a code"), "code")]);
    super::sync_until_paired(&laptop, &tablet);
    let mut pair = laptop.start(&["pair"]);
    let first = value(&pair.line_with("event"));
    assert_eq!(first["event"], "code", "{first} is not of {phone_id}");
    drop(pair);
}

/// Changes what a device keeps in mind of pairings, as if time had passed.
fn age(device: &Device, change: impl FnOnce(&mut Value)) {
    let file = device.directory.join("pairing.json");
    let mut pending: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    change(&mut pending);
    fs::write(&file, pending.to_string()).expect("a file");
}

#[test]
fn a_code_that_is_typed_too_late_is_told_as_such_and_so_is_one_that_was_not_answered() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let shown = done(&laptop, &["pair", "--no-wait"]);
    let code = text(event(&shown, "code").expect("a code"), "code").to_owned();
    done(&phone, &["sync"]);
    let eleven_minutes = 660;
    age(&phone, |pending| {
        for at in pending["seen"].as_object_mut().expect("a code was seen").values_mut() {
            *at = (at.as_u64().expect("a time") - eleven_minutes).into();
        }
    });
    fails(&phone, &["pair", &code], &[], 3, "more than ten minutes old");
    age(&phone, |pending| pending["seen"] = Value::Object(serde_json::Map::new()));
    done(&phone, &["pair", "--no-wait", &code]);
    let typed = done(&phone, &["status"])["pairing"]["typed_at"].as_u64().expect("it was typed");
    age(&phone, |pending| pending["typed"] = (typed - 2 * eleven_minutes).into());
    let status = said(&phone, &["status"]);
    assert!(status.contains("not answered while it was good"), "{status}");
    fails(&phone, &["pair"], &[], 3, "run sma pair there again");
}

#[test]
fn a_device_that_shows_no_code_is_not_waited_for_by_a_name_that_nobody_has() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let (pair, code) = shows(&laptop);
    fails(&phone, &["pair", &code, "--from", "12"], &[], 3, "no device is called 12; known are:");
    drop(pair);
}
