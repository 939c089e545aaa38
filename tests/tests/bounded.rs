//! R6: what lies in the store, and what is written to it, does not grow with the number of mails.

use std::time::Duration;

use sma_core::{Command, Timestamp};
use sma_sim::{
    mail::{Key, Mail},
    stage::Stage,
};

const DAY: Duration = Duration::from_secs(86_400);
const DEVICES: u64 = 5;
const PEERS: usize = 20;

/// Devices of one account, paired, with nothing left to say.
fn paired(devices: u64) -> Stage {
    let mut stage = Stage::new();
    stage.lab.trace.on = false;
    for id in 1..=devices {
        let at = stage.add(id);
        // A look at the store every week: notices bring the rest, and ten years go by sooner.
        stage.lab.machines[at].config.poll_interval = 7 * DAY;
        stage.lab.stop(at);
        stage.lab.start(at);
        stage.settle();
        if at > 0 {
            assert!(stage.pair(0, at), "device {id} is let in");
        }
    }
    stage.advance(DAY);
    stage
}

/// Of a peer, dated and received now.
fn mail(stage: &Stage, peer: usize, key: Option<u8>) -> Command {
    let now = Timestamp(stage.lab.now.0);
    let key = key.map(|octet| Key { octets: vec![octet; 400].into(), mutual: true });
    Mail { from: format!("peer{peer}"), date: now, received: now, key }
        .read()
        .expect("the mail tells something")
}

#[test]
fn r6_mail_of_a_known_peer_with_the_same_key_is_not_worth_a_message() {
    let mut stage = paired(3);
    let first = mail(&stage, 1, Some(1));
    stage.command(0, first).unwrap();
    stage.settle();
    let before = stage.lab.counts.appended;
    assert!(before > 0);
    for minute in 0..100 {
        stage.advance(Duration::from_secs(60));
        let next = mail(&stage, 1, Some(1));
        stage.command(minute % 3, next).unwrap();
        stage.settle();
    }
    assert_eq!(stage.lab.counts.appended, before);
    assert_eq!(stage.broken(), None);
}

#[test]
fn r6_ten_years_of_a_hundred_mails_a_day_on_five_devices_leave_and_write_little() {
    const YEARS: u64 = 10;
    let mut stage = paired(DEVICES);
    let (mut most, mut changes, mut heartbeats) = (0, 0, 0);
    let begun = stage.lab.counts.appended;
    for day in 0..YEARS * 365 {
        for number in 0..100 {
            let n = (day * 100 + number) as usize;
            let peer = n % PEERS;
            // Each peer has another key every other year; a tenth of the mails has no header.
            let key = (n % 10 != 3 || peer % 10 != 3).then_some((day / 730) as u8 + 1);
            let command = mail(&stage, peer, key.filter(|_| number % 10 != 7));
            stage.command((n * 7 % 31) % DEVICES as usize, command).unwrap();
        }
        changes += u64::from(day % 730 == 0) * PEERS as u64;
        most = most.max(stage.lab.store.bytes);
        stage.settle();
        most = most.max(stage.lab.store.bytes);
        // A week at a time would miss what happens in between.
        stage.advance(DAY);
        heartbeats += u64::from(day % 7 == 0) * DEVICES;
    }
    let per_peer = 1000;
    assert!(most < DEVICES * DEVICES * PEERS as u64 * per_peer, "{most} octets lay in the store");
    let written = stage.lab.counts.appended - begun;
    // Every change once from each device that sees it to each other one, and a sign of life every week.
    let bound = changes * DEVICES * DEVICES * per_peer + heartbeats * 1000;
    assert!(written < bound, "{written} octets were written where {bound} do");
    assert_eq!(stage.broken(), None);
}
