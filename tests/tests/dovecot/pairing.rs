//! One command on each side, which stay until the pairing is done.

use serde_json::{Value, json};
use sma_tests::{
    program::{Device, Running},
    server::{self, Dovecot},
};

use super::{done, event, fails, set_up_whole, text};

fn value(line: &str) -> Value {
    let value = serde_json::from_str(line).expect("one JSON object a line");
    super::schema::check(&value);
    value
}

/// Runs `sma pair` on a device that has a group, up to the code.
fn shows(device: &Device) -> (Running, String) {
    let mut pair = device.start(&["pair"]);
    let code = value(&pair.line_with("\"event\":\"code\""));
    let code = text(&code, "code").to_owned();
    (pair, code)
}

/// The last line of a command that stays: its answer.
fn answer(running: Running, exit: i32) -> Value {
    let ran = running.end();
    assert_eq!(ran.code, exit, "{}{}", ran.output, ran.errors);
    value(ran.output.lines().last().expect("an answer"))
}

fn phase(device: &Device) -> Value {
    done(device, &["status"])["phase"].clone()
}

fn keys(device: &Device) -> Value {
    done(device, &["status"])["keys"].clone()
}

#[test]
fn h3_setup_setup_pair_pair_code_are_all_that_two_devices_need() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    assert_eq!([phase(&laptop), phase(&phone)], ["alone", "requesting"]);
    let (pair, code) = shows(&laptop);
    assert!(code.bytes().all(|octet| octet.is_ascii_digit() || octet == b'-'), "no shell changes {code}");
    let in_now = answer(phone.start(&["pair", &code]), 0);
    assert_eq!(in_now["paired_with"][0]["name"], "laptop");
    let told = answer(pair, 0);
    assert_eq!(told["paired"]["name"], "phone");
    assert_eq!([phase(&laptop), phase(&phone)], ["paired", "paired"]);
    assert_eq!(keys(&laptop), keys(&phone));
    assert_eq!(keys(&phone).as_array().map(Vec::len), Some(1), "nobody made a second key");
}

#[test]
fn who_is_interrupted_goes_on_with_the_same_command() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let (pair, code) = shows(&laptop);
    pair.interrupt();
    assert_eq!(text(&answer(pair, 130)["error"], "word"), "interrupted");
    let status = done(&laptop, &["status"]);
    assert!(status["pairing"]["shown_until"].is_u64(), "{status}");

    // The code that is shown again is the same.
    let (pair, again) = shows(&laptop);
    assert_eq!(again, code);
    pair.interrupt();
    assert_eq!(pair.end().code, 130);

    // The newcomer types the code while nobody shows it any more, and is interrupted as well.
    let mut typing = phone.start_saying(&["pair", &code]);
    let _ = typing.line_with("Waiting for the device that shows the code");
    typing.interrupt();
    assert_eq!(typing.end().code, 130);
    assert!(done(&phone, &["status"])["pairing"]["typed_at"].is_u64());

    let pair = laptop.start(&["pair"]);
    assert_eq!(answer(phone.start(&["pair"]), 0)["paired_with"][0]["name"], "laptop");
    assert_eq!(answer(pair, 0)["paired"]["name"], "phone");
    assert_eq!(done(&phone, &["status"])["pairing"], json!({ "shown_until": null, "typed_at": null }));
    assert_eq!(answer(phone.start(&["pair", &code]), 0)["paired_with"][0]["name"], "laptop");
}

#[test]
fn whoever_was_let_in_meanwhile_is_named_when_the_person_comes_back() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let (pair, code) = shows(&laptop);
    pair.interrupt();
    assert_eq!(pair.end().code, 130);
    let typing = phone.start(&["pair", &code]);
    let seen = (0..50).any(|_| event(&done(&laptop, &["sync"]), "added").is_some());
    assert!(seen, "a sync lets the newcomer in");
    assert_eq!(answer(typing, 0)["phase"], "paired");
    assert_eq!(answer(laptop.start(&["pair"]), 0)["paired"]["name"], "phone");
    // The next one is for the next device.
    let (pair, next) = shows(&laptop);
    assert_ne!(next, code);
    drop(pair);
}

#[test]
fn the_wrong_side_is_told_which_side_is_right_and_makes_no_second_key() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    for words in [&["pair"][..], &["pair", "--link"], &["pair", "--no-wait"]] {
        fails(&phone, words, &[], 3, "run sma pair on a device that you used before");
    }
    assert_eq!((phase(&phone), keys(&phone)), ("requesting".into(), json!([])));
    let (pair, code) = shows(&laptop);
    for typed in [code.clone(), code.replace('-', " "), code.replace('-', "")] {
        let ran = laptop.run(&["pair", &typed]);
        assert!(ran.code == 3 && ran.errors.contains("type it on the new device"), "{}", ran.errors);
    }
    drop(pair);
    let said = phone.start_saying(&["status"]).end().output;
    assert!(said.contains("run sma pair on a device that you used before"), "{said}");
}

#[test]
fn a_wrong_code_is_told_on_both_sides_and_the_next_one_is_shown_at_once() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let (mut pair, code) = shows(&laptop);
    let other = ["111-111-116", "222-222-227"].into_iter().find(|other| *other != code).expect("one");
    let wrong = (0..10).map(|digit| format!("{}{digit}", &other[..10])).find_map(|typed| {
        let ran = phone.run(&["pair", &typed]);
        (!ran.errors.contains("mistyped")).then_some(ran)
    });
    let wrong = wrong.expect("one of ten has the right check digit");
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.errors.contains("the code was wrong; the other device shows a new one"),
        "{}",
        wrong.errors
    );
    let next = value(&pair.line_with("\"event\":\"code\""));
    assert_eq!(answer(phone.start(&["pair", text(&next, "code")]), 0)["phase"], "paired");
    assert_eq!(answer(pair, 0)["paired"]["name"], "phone");
}

#[test]
fn a_link_pairs_as_it_is_pasted_into_a_shell_without_quotes() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let mut pair = laptop.start_saying(&["pair", "--link"]);
    let line = pair.line_with("sma pair autocrypt-sma:");
    let link = line.trim().strip_prefix("sma pair ").expect("what is to be typed");
    let output = std::process::Command::new("bash").args(["-c", &format!("printf %s {link}")]).output();
    assert_eq!(output.expect("bash runs").stdout, link.as_bytes(), "a shell changes nothing of it");
    assert_eq!(answer(phone.start(&["pair", link]), 0)["paired_with"][0]["name"], "laptop");
    let said = pair.end();
    assert!(said.output.contains("\"phone\" ("), "{}", said.output);
}

#[test]
fn whoever_has_keys_of_its_own_is_asked_where_nobody_answers_and_goes_nowhere() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    fails(&phone, &["devices", "start-apart"], &[], 3, "add --yes");
    done(&phone, &["devices", "start-apart", "--yes"]);
    let own = keys(&phone);
    let (pair, code) = shows(&laptop);
    let asked = answer(phone.start(&["pair", &code]), 3);
    assert_eq!(text(&asked["error"], "word"), "join-pending");
    assert_eq!(asked["join"]["members"][0]["name"], "laptop", "whose group it is is shown");
    assert_eq!(keys(&phone), own);
    drop(pair);
}
