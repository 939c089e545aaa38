//! A device's encryption subkey is renewed, the former one destroyed, and nothing is lost on the way (protocol 4.2).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use sma_core::{Class, Command, Crypto, Envelope, Event, Folder, Ignored, OpError, Timestamp, Token};
use sma_sim::{
    lab::Fate,
    stage::{Mishap, Stage},
    store::Kept,
    symbolic::Symbolic,
};
use sma_tests::insider::Insider;

const DAY: Duration = Duration::from_secs(86_400);
/// The fifth announcement is the first that comes when a subkey is older than 30 days.
const RENEWED: u32 = 36;
/// A heartbeat later the former one is gone.
const DESTROYED: u32 = 44;

/// Two paired devices.
fn two() -> (Stage, usize, usize) {
    let mut stage = Stage::new();
    stage.lab.trace.on = false;
    let (one, other) = (stage.add(1), stage.add(27));
    assert!(stage.pair(one, other));
    (stage, one, other)
}

/// What is sealed to a device by the certificate that it has now, and that it never saw.
fn sealed_to(stage: &Stage, at: usize) -> Envelope {
    let certificate = Insider::of(&stage.lab.machines[at]).unwrap().certificate;
    let body = Symbolic.seal(&certificate, b"kept by the server", &[3; 32]).unwrap();
    let sender = stage.id(1 - at).unwrap();
    Envelope { sender, token: Token([3; 16]), class: Class::Sync, date: Timestamp(0), body }
}

/// Puts a message into a device's inbox; whether the device could not open it. What it opens is no update.
fn is_refused(stage: &mut Stage, at: usize, envelope: &Envelope) -> bool {
    let inbox = Folder::Inbox(stage.id(at).unwrap());
    stage.lab.store.put(inbox, Kept::Envelope(envelope.clone()), true, stage.lab.now).unwrap();
    stage.lab.notice(at, inbox);
    let before = stage.told.len();
    stage.settle();
    let is = |reason| {
        let ignored = |(whose, event): &(usize, Event)| {
            *whose == at && matches!(event, Event::Ignored { why, .. } if *why == reason)
        };
        stage.told[before..].iter().any(ignored)
    };
    let (refused, opened) = (is(Ignored::Unproven), is(Ignored::Malformed));
    assert_ne!(refused, opened);
    refused
}

fn rename(stage: &mut Stage, at: usize, name: &str) {
    stage.command(at, Command::Rename { name: name.to_owned() }).unwrap();
}

/// Whether `at` knows that the device `of` has this name.
fn knows(stage: &Stage, at: usize, of: usize, name: &str) -> bool {
    let siblings = stage.lab.machines[at].muaa.as_ref().unwrap().siblings();
    siblings.iter().any(|one| Some(one.id) == stage.id(of) && one.name.as_deref() == Some(name))
}

fn they_understand_each_other(stage: &mut Stage, one: usize, other: usize, word: &str) {
    rename(stage, one, &format!("{word} one"));
    rename(stage, other, &format!("{word} other"));
    stage.advance(DAY);
    assert!(knows(stage, one, other, &format!("{word} other")), "{word}");
    assert!(knows(stage, other, one, &format!("{word} one")), "{word}");
    assert_eq!(stage.broken(), None, "{word}");
}

#[test]
fn what_the_server_kept_is_not_open_to_who_takes_a_device_after_its_subkey_was_destroyed() {
    let (mut stage, one, other) = two();
    let (to_one, to_other) = (sealed_to(&stage, one), sealed_to(&stage, other));
    stage.advance(RENEWED * DAY);
    assert!(!is_refused(&mut stage, one, &to_one), "the former subkey is still there");
    stage.advance((DESTROYED - RENEWED) * DAY);
    assert!(is_refused(&mut stage, one, &to_one), "the first subkey opens still");
    assert!(is_refused(&mut stage, other, &to_other), "the first subkey opens still");
    they_understand_each_other(&mut stage, one, other, "later");
    let second = sealed_to(&stage, one);
    assert!(!is_refused(&mut stage, one, &second));
    stage.advance(DESTROYED * DAY);
    assert!(is_refused(&mut stage, one, &second), "the second subkey opens still");
}

#[test]
fn a_renewal_is_written_nowhere_but_in_the_announcement_that_was_due() {
    let (mut stage, ..) = two();
    stage.advance(2 * DAY);
    let written = |stage: &Stage| {
        let of = |class| stage.lab.store.remembered.iter().filter(|(_, e)| e.class == class).count();
        (of(Class::Sync), of(Class::Announcement))
    };
    let (updates, announcements) = written(&stage);
    stage.advance(49 * DAY);
    assert_eq!(written(&stage), (updates, announcements + 2 * 7));
}

#[test]
fn what_waited_for_a_renewed_device_is_sealed_anew() {
    let soon = (RENEWED - 1, DESTROYED + 1);
    for (away, back) in [(RENEWED + 1, RENEWED + 2), (20, RENEWED + 2), soon, (20, DESTROYED + 4)] {
        let (mut stage, one, other) = two();
        stage.advance(away * DAY);
        // It stands in the outbox of a device without a connection.
        stage.cut.insert(other);
        rename(&mut stage, other, "away");
        stage.advance((back - away) * DAY);
        assert!(!knows(&stage, one, other, "away"));
        stage.cut.remove(&other);
        stage.advance(DAY);
        assert!(knows(&stage, one, other, "away"), "away {away}, back {back}");
        they_understand_each_other(&mut stage, one, other, "back");
    }
}

#[test]
fn what_waits_in_the_inbox_of_a_device_that_renews_when_it_is_back_is_read() {
    let (mut stage, one, other) = two();
    stage.cut.insert(one);
    rename(&mut stage, other, "meanwhile");
    stage.advance(25 * DAY);
    stage.crash(one);
    stage.advance(25 * DAY);
    stage.cut.remove(&one);
    stage.lab.start(one);
    stage.advance(DAY);
    assert!(knows(&stage, one, other, "meanwhile"));
    they_understand_each_other(&mut stage, one, other, "back");
}

#[test]
fn a_sibling_that_does_not_hear_of_a_renewal_is_understood_again_when_it_does() {
    let (mut stage, one, other) = two();
    stage.advance(20 * DAY);
    let on = "FETCH".to_owned();
    let mishap = Mishap { at: other, on, fate: Fate::Refused(OpError::Denied), crash: false };
    stage.mishaps = vec![mishap; 10_000];
    stage.advance((DESTROYED - 20) * DAY);
    rename(&mut stage, other, "deaf");
    stage.advance(DAY);
    assert!(!knows(&stage, one, other, "deaf"), "it is sealed to a subkey that is destroyed");
    stage.mishaps.clear();
    // Not only when it finds that nobody answers.
    stage.advance(DAY / 12);
    assert!(knows(&stage, one, other, "deaf"));
    they_understand_each_other(&mut stage, one, other, "again");
}

#[test]
fn a_replayed_announcement_does_not_bring_a_former_subkey_back() {
    let (mut stage, one, other) = two();
    let old = |(folder, _): &(Folder, Envelope)| *folder == Folder::Announcements;
    stage.advance(DESTROYED * DAY);
    let replayed: Vec<_> = stage.lab.store.remembered.iter().filter(|one| old(one)).cloned().collect();
    assert!(replayed.len() > 10);
    for (folder, envelope) in replayed {
        let token = Token(envelope.token.as_bytes().map(|octet| !octet));
        stage.lab.store.put(folder, Kept::Envelope(Envelope { token, ..envelope }), true, stage.lab.now);
    }
    (0..2).for_each(|at| stage.lab.notice(at, Folder::Announcements));
    stage.settle();
    assert!(!stage.told.iter().any(|(_, event)| matches!(event, Event::Moved { .. })), "they are no copies");
    rename(&mut stage, one, "one");
    rename(&mut stage, other, "other");
    stage.settle();
    assert!(knows(&stage, one, other, "other") && knows(&stage, other, one, "one"));
    stage.advance(DAY);
    assert_eq!(stage.broken(), None);
}

#[test]
fn invariant_8_a_crash_after_any_output_of_a_renewal_loses_nothing() {
    let (mut stage, one, other) = two();
    stage.advance((RENEWED - 2) * DAY);
    let before = stage.clone();
    stage.advance((DESTROYED - RENEWED + 2) * DAY);
    assert!(stage.outputs > before.outputs + 20);
    for output in before.outputs + 1..stage.outputs {
        let mut stage = before.clone();
        stage.crash_after = Some(output);
        stage.advance((DESTROYED - RENEWED + 2) * DAY);
        they_understand_each_other(&mut stage, one, other, &format!("after output {output}"));
    }
}
