//! What is known of other people's keys is the same on all devices, however it gets there: section 8.6 of `docs/protocol.md`.

use std::time::Duration;

use proptest::prelude::*;
use sma_core::{Command, Event, Timestamp, autocrypt::Recommendation};
use sma_sim::{
    mail::{Key, Mail, address},
    stage::Stage,
};

const DAY: u64 = 86_400_000;

/// Adds a device whose updates have room for so many octets.
fn add(stage: &mut Stage, id: u64, room: usize) -> usize {
    let at = stage.add(id);
    stage.lab.machines[at].config.update_bytes_max = room;
    stage.lab.stop(at);
    stage.lab.start(at);
    stage.settle();
    at
}

fn paired(devices: u64, room: usize) -> Stage {
    let mut stage = Stage::new();
    stage.lab.trace.on = false;
    for id in 1..=devices {
        let at = add(&mut stage, id, room);
        assert!(at == 0 || stage.pair(0, at), "device {id} is let in");
    }
    stage.settle();
    stage
}

fn mail(stage: &Stage, from: String, days_ago: u64, key: Option<Key>) -> Mail {
    let now = stage.lab.now;
    let date = Timestamp(now.0 - now.0 % DAY - days_ago * DAY);
    Mail { from, date, received: now, key }
}

fn key(octet: u8, len: usize) -> Key {
    Key { octets: vec![octet; len].into(), mutual: octet.is_multiple_of(2) }
}

/// Has a device read a mail of each of so many people.
fn read_many(stage: &mut Stage, at: usize, people: usize) {
    for person in 0..people {
        // Of one day only so many are learnt.
        let read = mail(stage, format!("person{person}"), 1 + person as u64 / 50, Some(key(1, 400)))
            .read()
            .expect("a mail that tells something");
        stage.command(at, read).expect("the device reads it");
    }
}

fn known(stage: &Stage) -> Vec<usize> {
    stage.lab.machines.iter().filter_map(|machine| Some(machine.muaa.as_ref()?.peers().len())).collect()
}

/// A device, a person, and what it reads of that person: a mail with this key or without, gossip, or a deletion.
#[derive(Clone, Debug)]
struct Step {
    at: usize,
    person: u8,
    days_ago: u64,
    key: Option<u8>,
    kind: u8,
    then_settle: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = prop::option::weighted(0.7, 0..3u8);
    (0..3usize, 0..3u8, 0..80u64, key, 0..10u8, any::<bool>()).prop_map(
        |(at, person, days_ago, key, kind, then_settle)| Step {
            at,
            person,
            days_ago,
            key,
            kind,
            then_settle,
        },
    )
}

fn take(stage: &mut Stage, step: &Step) {
    let person = format!("person{}", step.person);
    let octets = step.key.map(|octet| key(octet, 100));
    let command = match step.kind {
        0 => Command::DeletePeer {
            address: address(&person).expect("an address").to_string(),
            date: stage.lab.now,
        },
        1 => mail(stage, "dave".to_owned(), step.days_ago, None)
            .decrypted(&person, &key(7, 100))
            .expect("a mail that tells something"),
        _ => mail(stage, person, step.days_ago, octets).read().expect("a mail that tells something"),
    };
    stage.command(step.at, command).expect("the device takes it");
    if step.then_settle {
        stage.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn t4_deltas_in_any_order_give_what_the_whole_state_gives(
        steps in prop::collection::vec(any_step(), 1..25),
        room in prop::sample::select(vec![1, 600, 100_000]),
    ) {
        let mut stage = paired(3, room);
        steps.iter().for_each(|step| take(&mut stage, step));
        stage.advance(Duration::from_secs(2 * 86_400));
        prop_assert_eq!(stage.broken(), None);
        // A newcomer is told everything at once, or in parts.
        let at = add(&mut stage, 4, room);
        prop_assert!(stage.pair(1, at));
        stage.settle();
        prop_assert_eq!(stage.broken(), None);
    }
}

#[test]
fn a_newcomer_is_told_a_large_state_in_parts_that_the_server_takes() {
    let mut stage = paired(1, 8 << 10);
    read_many(&mut stage, 0, 200);
    stage.lab.store.body_max = 16 << 10;
    let at = add(&mut stage, 2, 8 << 10);
    assert!(stage.pair(0, at));
    stage.settle();
    assert_eq!(known(&stage), [200, 200]);
    assert_eq!(stage.broken(), None);
    let trouble = stage.told.iter().find(|(_, event)| matches!(event, Event::StoreTrouble { .. }));
    assert_eq!(trouble, None);
}

#[test]
fn much_news_at_once_is_told_in_parts_and_urgent_news_does_not_wait_for_them() {
    let mut stage = paired(3, 8 << 10);
    read_many(&mut stage, 0, 200);
    stage.lab.store.body_max = 16 << 10;
    // The first part waits unread at a device that is off.
    stage.cut.insert(2);
    stage.settle();
    assert_eq!(known(&stage), [200, 200, 0]);
    let before = stage.lab.counts.appended;
    stage.advance(Duration::from_secs(600));
    assert_eq!(stage.lab.counts.appended, before, "what waits is not written again");
    stage.command(0, Command::Leave).unwrap();
    stage.settle();
    stage.cut.remove(&2);
    stage.advance(Duration::from_secs(3600));
    assert_eq!(stage.lab.machines[2].muaa.as_ref().unwrap().members().len(), 2, "it hears who left");
    // The rest is asked of the other one, when the digests are seen to differ.
    stage.advance(Duration::from_secs(20 * 86_400));
    assert_eq!(stage.broken(), None);
    assert_eq!(known(&stage)[1..], [200, 200]);
}

#[test]
fn a_device_that_asks_before_all_parts_have_come_gets_the_next_one() {
    let mut stage = paired(2, 6 << 10);
    stage.cut.insert(1);
    read_many(&mut stage, 0, 60);
    // They are never there at the same time, so each finds the other's state to differ before it has all of it.
    for day in 0..40 {
        stage.cut = [day % 2].into();
        stage.advance(Duration::from_secs(86_400));
    }
    stage.cut.clear();
    assert_eq!(known(&stage), [60, 60]);
    assert_eq!(stage.broken(), None);
}

#[test]
fn an_update_that_the_server_finds_too_large_is_written_again_smaller() {
    let mut stage = paired(2, 256 << 10);
    stage.lab.store.body_max = 10 << 10;
    read_many(&mut stage, 0, 200);
    stage.settle();
    assert_eq!(known(&stage), [200, 200]);
    assert_eq!(stage.broken(), None);
    assert!(stage.told.iter().any(|(_, event)| matches!(event, Event::StoreTrouble { op: "APPEND", .. })));
}

#[test]
fn an_accept_that_the_server_finds_too_large_is_written_again_smaller() {
    let mut stage = paired(1, 256 << 10);
    read_many(&mut stage, 0, 200);
    // All of it has 86 kB.
    stage.lab.store.body_max = 10 << 10;
    let at = add(&mut stage, 2, 256 << 10);
    assert!(stage.pair(0, at));
    stage.settle();
    assert_eq!(known(&stage), [200, 200]);
    assert_eq!(stage.broken(), None);
    let offers = stage.told.iter().filter(|(_, event)| matches!(event, Event::ShowCode { .. })).count();
    assert_eq!(offers, 1, "no code was typed twice");
    assert!(stage.told.iter().any(|(_, event)| matches!(event, Event::StoreTrouble { op: "APPEND", .. })));
}

#[test]
fn what_was_learnt_before_pairing_is_brought_along() {
    let mut stage = paired(1, 256 << 10);
    read_many(&mut stage, 0, 3);
    let at = add(&mut stage, 2, 256 << 10);
    let read = mail(&stage, "carol".to_owned(), 2, Some(key(2, 100))).read().unwrap();
    stage.command(at, read).unwrap();
    assert_eq!(known(&stage), [3, 1]);
    assert!(stage.pair(0, at));
    stage.settle();
    assert_eq!(known(&stage), [4, 4]);
    assert_eq!(stage.broken(), None);
}

#[test]
fn invariant_5_what_a_removed_device_tells_of_peers_is_dropped() {
    let mut stage = paired(3, 256 << 10);
    let removed = stage.id(2).unwrap();
    stage.cut.insert(2);
    read_many(&mut stage, 2, 3);
    stage.command(0, Command::Remove { id: removed }).unwrap();
    stage.settle();
    // Its update is appended before it hears that it is out.
    stage.cut.remove(&2);
    stage.advance(Duration::from_secs(3600));
    assert!(stage.told.iter().any(|(at, event)| *at == 0 && is_not_of_a_member(event)), "it was read");
    assert_eq!(known(&stage), [0, 0, 3]);
    assert_eq!(stage.broken(), None);
}

fn is_not_of_a_member(event: &Event) -> bool {
    matches!(event, Event::Ignored { why: sma_core::Ignored::NotAMember, .. })
}

/// The recommendation that each device gives for somebody.
fn recommended(stage: &Stage, to: &str) -> Vec<Recommendation> {
    let peer = address(to).expect("an address");
    let muaas = stage.lab.machines.iter().filter_map(|machine| machine.muaa.as_ref());
    muaas.map(|muaa| muaa.recommendation([&peer], false, |_| true).recommendation).collect()
}

#[test]
fn what_was_dated_ahead_is_told_when_it_begins_to_count() {
    let mut stage = paired(2, 1 << 16);
    let now = stage.lab.now;
    // The server's clock was ahead. One device reads what has a key, the other one what has none.
    let mails = [(1, 50, None), (0, 100, Some(key(3, 64))), (0, 0, Some(key(1, 64)))];
    for (at, days_ahead, key) in mails {
        let date = Timestamp(now.0 + days_ahead * DAY);
        let mail = Mail { from: "bob".to_owned(), date, received: date, key };
        stage.command(at, mail.read().expect("a mail that tells something")).expect("the device reads it");
        stage.settle();
    }
    stage.advance(Duration::from_secs(10 * 86_400));
    assert_eq!(recommended(&stage, "bob"), [Recommendation::Available; 2]);
    stage.advance(Duration::from_secs(45 * 86_400));
    assert_eq!(
        recommended(&stage, "bob"),
        [Recommendation::Discourage; 2],
        "the header is old on all devices"
    );
    stage.advance(Duration::from_secs(50 * 86_400));
    assert_eq!(recommended(&stage, "bob"), [Recommendation::Available; 2], "the other key counts");
}
