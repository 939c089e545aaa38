//! Pairings at which a person would be misled: a key that was there before, the wrong side, old news.

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

#[test]
fn a_newcomer_that_was_given_a_key_asks_before_it_comes_and_both_sides_say_so() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up(&server, "phone"));
    done(&phone, &["keys", "import", "--yes", &data("curve.sec.asc")]);
    done(&phone, &["sync"]);
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
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up(&server, "phone"));
    done(&phone, &["keys", "import", "--yes", &data("curve.sec.asc")]);
    done(&phone, &["sync"]);
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
