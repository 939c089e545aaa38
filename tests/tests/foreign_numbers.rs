//! What forged mail, spam, and a stolen device that says numbers nobody can have known do to peers and settings.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

use std::{collections::BTreeMap, time::Duration};

use sma_core::autocrypt::{Advice, Date, Entry, Fact, Layers, Peers, Recommendation};
use sma_core::{Command, Folder, Input, MuaaId, Output, Timestamp, state::Register};
use sma_sim::{
    mail::{Key, Mail, address},
    stage::Stage,
    store::Kept,
};
use sma_tests::{
    account::muaa,
    insider::{Insider, Said},
};

const DAY: u64 = 86_400_000;
const YEAR_2999: Timestamp = Timestamp::from_secs(32_472_144_000);
/// Genuine, forged.
const GENUINE: u8 = 2;
const FORGED: u8 = 4;

fn paired(devices: u64) -> Stage {
    let mut stage = Stage::new();
    stage.lab.trace.on = false;
    for id in 1..=devices {
        let at = stage.add(id);
        stage.settle();
        assert!(at == 0 || stage.pair(0, at), "device {id} is let in");
    }
    stage.settle();
    stage.command(0, Command::SetPreferEncrypt { mutual: true }).unwrap();
    stage.settle();
    stage
}

fn key(octet: u8) -> Option<Key> {
    Some(Key { octets: vec![octet; 64].into(), mutual: true })
}

/// A device reads a mail that the store dates like the mail itself.
fn read(stage: &mut Stage, at: usize, from: &str, date: Timestamp, key: Option<Key>) {
    let mail = Mail { from: from.to_owned(), date, received: date, key };
    stage.command(at, mail.read().unwrap()).unwrap();
    stage.settle();
}

fn ago(stage: &Stage, days: u64) -> Timestamp {
    Timestamp(stage.lab.now.0 - days * DAY)
}

fn advice(stage: &Stage, at: usize, to: &str) -> (Recommendation, Option<u8>) {
    let peer = address(to).unwrap();
    let Advice { recommendation, keys } = muaa(stage, at).recommendation([&peer], false, |_| true);
    (recommendation, keys.get(&peer).map(|key| key[0]))
}

fn delete(stage: &mut Stage, at: usize, name: &str, date: Timestamp) {
    let address = address(name).unwrap().to_string();
    stage.command(at, Command::DeletePeer { address, date }).unwrap();
    stage.settle();
}

/// What a member that keeps to nothing says to another, above all it has said.
fn say(stage: &mut Stage, from: &mut Insider, to: usize, said: Said) {
    (0..100).for_each(|_| drop(from.op(99, Vec::new())));
    let recipient = Insider::of(&stage.lab.machines[to]).unwrap();
    let envelope = from.update(&recipient, said);
    let folder = Folder::Inbox(stage.id(to).unwrap());
    stage.lab.store.put(folder, Kept::Envelope(envelope.clone()), true, stage.lab.now);
    stage.lab.notice(to, folder);
    stage.settle();
    assert!(muaa(stage, to).has_processed(&envelope.body), "it is taken in");
}

fn setting(name: &str, time: u64, author: MuaaId, value: &str) -> Said {
    let register = Register { time, author, value: value.to_owned(), removals: 0 };
    Said { settings: BTreeMap::from([(name.to_owned(), register)]), ..Said::default() }
}

#[test]
fn a_forged_mail_of_the_year_2999_does_not_take_the_place_of_a_genuine_key() {
    let mut stage = paired(2);
    let genuine = ago(&stage, 1);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    read(&mut stage, 0, "bob", YEAR_2999, key(FORGED));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    // The next genuine key takes its place, read on the other device.
    let now = stage.lab.now;
    read(&mut stage, 1, "bob", now, key(GENUINE + 4));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE + 4)));
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn a_forged_mail_without_a_key_does_not_make_a_peer_look_as_if_it_had_stopped_encrypting() {
    let mut stage = paired(2);
    let genuine = ago(&stage, 1);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    read(&mut stage, 0, "bob", YEAR_2999, None);
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn a_peer_that_was_deleted_after_a_forged_mail_comes_back_by_its_next_mail() {
    let mut stage = paired(2);
    let genuine = ago(&stage, 1);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    read(&mut stage, 0, "bob", YEAR_2999, key(FORGED));
    delete(&mut stage, 1, "bob", YEAR_2999);
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Disable, None));
    }
    stage.advance(Duration::from_secs(2 * 86_400));
    let now = stage.lab.now;
    read(&mut stage, 0, "bob", now, key(GENUINE));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn a_key_that_was_displaced_before_it_could_count_counts_on_all_members_when_it_counts_on_one() {
    let mut stage = paired(2);
    let soon = Timestamp(stage.lab.now.0 + 5 * DAY);
    read(&mut stage, 0, "bob", soon, key(GENUINE));
    stage.lab.stop(1);
    // Here it is gone before its time, there it is not.
    read(&mut stage, 0, "bob", YEAR_2999, key(FORGED));
    stage.advance(Duration::from_secs(6 * 86_400));
    stage.lab.start(1);
    stage.settle();
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)), "device {at}");
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn observing_a_known_mail_again_writes_nothing() {
    let mut stage = paired(2);
    let date = ago(&stage, 1);
    let mails = [("bob", key(GENUINE)), ("carol", None)]
        .map(|(from, key)| Mail { from: from.to_owned(), date, received: date, key }.read().unwrap());
    for mail in &mails {
        stage.command(0, mail.clone()).unwrap();
        stage.settle();
    }
    let mut muaa = muaa(&stage, 0).clone();
    for mail in mails {
        muaa.handle_input(Input::Command(mail), stage.lab.now).unwrap();
        while let Some(output) = muaa.poll_output() {
            assert!(!matches!(output, Output::Persist(_)), "the state is written again");
        }
    }
}

/// On a day so many strangers write. Nobody has to date spam with the day on which it is sent.
fn strangers_write(stage: &mut Stage, day: u64, number: u64) {
    for number in 0..number {
        let date = ago(stage, number % 30);
        let from = format!("spam{day}.{number}");
        let spam = Mail { from, date, received: stage.lab.now, key: key(6) };
        stage.command(0, spam.read().unwrap()).unwrap();
    }
    stage.settle();
}

/// Strangers write until the table is full of them, and longer.
fn flood(stage: &mut Stage) {
    for day in 1..20 {
        strangers_write(stage, day, if day == 1 { 2100 } else { 105 });
        stage.advance(Duration::from_secs(86_400));
    }
}

#[test]
fn two_thousand_mails_of_strangers_do_not_push_out_a_correspondent() {
    let mut stage = paired(2);
    let genuine = ago(&stage, 40);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    for number in 0..2100 {
        let date = Timestamp(stage.lab.now.0 - number * 1000);
        let spam = Mail { from: format!("spam{number}"), date, received: date, key: key(6) };
        stage.command(0, spam.read().unwrap()).unwrap();
    }
    stage.settle();
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn two_thousand_mails_with_any_dates_do_not_push_out_who_was_written_to() {
    let mut stage = paired(2);
    let genuine = ago(&stage, 40);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    let wrote = Command::Wrote { addresses: [address("bob").unwrap()].into(), date: genuine };
    stage.command(0, wrote).unwrap();
    flood(&mut stage);
    assert!(muaa(&stage, 0).peers().len() > 2000, "the table is full");
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn two_thousand_mails_with_any_dates_do_not_push_out_who_prefers_encryption() {
    let mut stage = paired(2);
    let genuine = ago(&stage, 40);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    // Nobody has written to Bob, and the strangers claim to prefer encryption, too.
    let spam = |stage: &mut Stage, day: u64| {
        strangers_write(stage, day, 2100);
        assert_eq!(advice(stage, 0, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
        assert_eq!(advice(stage, 1, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    };
    spam(&mut stage, 0);
    assert_eq!(muaa(&stage, 0).peers().len(), 1000, "half of the table is for whoever comes");
    flood(&mut stage);
    assert_eq!([0, 1].map(|at| advice(&stage, at, "bob").1), [Some(GENUINE); 2]);
    assert!(muaa(&stage, 0).peers().len() > 2000, "the table is full");
    assert_eq!(stage.broken(), None);
}

#[test]
fn what_a_removed_device_told_of_a_peer_gives_way_to_an_older_mail() {
    let mut stage = paired(3);
    let now = stage.lab.now;
    read(&mut stage, 2, "bob", now, key(FORGED));
    assert_eq!(advice(&stage, 1, "bob"), (Recommendation::Encrypt, Some(FORGED)));
    let id = stage.id(2).unwrap();
    stage.command(0, Command::Remove { id }).unwrap();
    stage.settle();
    assert_eq!(advice(&stage, 1, "bob"), (Recommendation::Encrypt, Some(FORGED)), "there is no other");
    let genuine = ago(&stage, 3);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    assert_eq!(stage.broken(), None);
}

/// What a stolen member tells of peers, in the name of a device.
fn peers_by(reporter: MuaaId, tell: impl FnOnce(&mut Peers, &dyn Fn(&str, Timestamp) -> Fact)) -> Said {
    let fact = |from: &str, date: Timestamp| {
        let mail = Mail { from: from.to_owned(), date, received: date, key: key(FORGED) };
        let Command::Observe { mail } = mail.read().unwrap() else { unreachable!() };
        let mut fact = mail.fact.unwrap();
        fact.entry.reporter = reporter.0;
        fact
    };
    let mut peers = Peers::new(2000);
    tell(&mut peers, &fact);
    Said { peers: Some(Layers::from(peers).to_bytes().into()), ..Said::default() }
}

#[test]
fn two_thousand_correspondents_of_a_removed_device_give_way_to_those_of_the_others() {
    let mut stage = paired(3);
    let genuine = ago(&stage, 40);
    for (at, name) in [(0, "bob"), (1, "carol"), (0, "dave")] {
        read(&mut stage, at, name, genuine, key(GENUINE));
    }
    for (at, name) in [(0, "bob"), (1, "carol")] {
        let wrote = Command::Wrote { addresses: [address(name).unwrap()].into(), date: genuine };
        stage.command(at, wrote).unwrap();
    }
    stage.settle();
    let mut thief = Insider::of(&stage.lab.machines[2]).unwrap();
    let removed = thief.id();
    stage.lab.stop(2);
    let now = stage.lab.now;
    for (wave, written) in [(0, true), (1, false), (2, true), (3, true)] {
        for to in 0..2 {
            let said = peers_by(removed, |peers, fact| {
                for number in 0..2000 {
                    let fact = fact(&format!("wave{wave}.{number}"), now);
                    if written {
                        peers.wrote(&fact.addr, Date(now.as_secs()), removed.0);
                    }
                    peers.observe(&fact);
                    peers.keep(&fact.addr, Entry::Known(fact.entry.clone()), Date(wave));
                }
            });
            say(&mut stage, &mut thief, to, said);
        }
    }
    assert!(muaa(&stage, 0).peers().len() >= 2000, "it is believed");
    stage.command(0, Command::Remove { id: removed }).unwrap();
    stage.settle();
    for (at, name) in [(0, "bob"), (1, "bob"), (0, "carol"), (1, "carol"), (0, "dave"), (1, "dave")] {
        assert_eq!(advice(&stage, at, name), (Recommendation::Encrypt, Some(GENUINE)), "{at} {name}");
    }
    assert_eq!(muaa(&stage, 0).digest(), muaa(&stage, 1).digest());
}

#[test]
fn what_a_removed_device_deleted_comes_back_by_an_older_mail() {
    let mut stage = paired(3);
    let genuine = ago(&stage, 40);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    let now = stage.lab.now;
    delete(&mut stage, 2, "bob", now);
    assert_eq!(advice(&stage, 0, "bob"), (Recommendation::Disable, None));
    let id = stage.id(2).unwrap();
    stage.command(0, Command::Remove { id }).unwrap();
    stage.settle();
    // Another older one, on another device.
    let genuine = ago(&stage, 20);
    read(&mut stage, 1, "bob", genuine, key(GENUINE));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    }
    // What a member deleted stays so.
    let now = stage.lab.now;
    delete(&mut stage, 0, "bob", now);
    read(&mut stage, 1, "bob", genuine, key(GENUINE));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Disable, None));
    }
    assert_eq!(stage.broken(), None);
}

#[test]
fn what_a_removed_device_set_gives_way_to_what_another_set_before() {
    let mut stage = paired(3);
    let mut thief = Insider::of(&stage.lab.machines[2]).unwrap();
    let removed = thief.id();
    stage.lab.stop(2);
    stage.cut.insert(1);
    stage.command(1, Command::SetPreferEncrypt { mutual: false }).unwrap();
    say(&mut stage, &mut thief, 0, setting("prefer-encrypt", 1 << 40, removed, "stolen"));
    stage.command(0, Command::Remove { id: removed }).unwrap();
    stage.settle();
    stage.cut.clear();
    stage.advance(Duration::from_secs(3600));
    assert_eq!([0, 1].map(|at| muaa(&stage, at).prefers_encrypt()), [false; 2]);
    assert_eq!(muaa(&stage, 0).digest(), muaa(&stage, 1).digest());
}

#[test]
fn a_stolen_device_cannot_poison_a_peer_with_a_date_that_nobody_reaches() {
    let mut stage = paired(3);
    let genuine = ago(&stage, 1);
    read(&mut stage, 0, "bob", genuine, key(GENUINE));
    let mut thief = Insider::of(&stage.lab.machines[2]).unwrap();
    stage.lab.stop(2);
    let mut peers = Peers::new(2000);
    let forged = Mail { from: "bob".to_owned(), date: YEAR_2999, received: YEAR_2999, key: key(FORGED) };
    let Command::Observe { mail } = forged.read().unwrap() else { unreachable!() };
    let mut fact = mail.fact.unwrap();
    fact.entry.date = Date(u64::MAX);
    peers.observe(&fact);
    peers.saw(&fact.addr, Date(u64::MAX));
    let said = Said { peers: Some(Layers::from(peers).to_bytes().into()), ..Said::default() };
    say(&mut stage, &mut thief, 0, said);
    assert_eq!(advice(&stage, 0, "bob"), (Recommendation::Encrypt, Some(GENUINE)));
    let now = stage.lab.now;
    read(&mut stage, 1, "bob", now, key(GENUINE + 4));
    for at in 0..2 {
        assert_eq!(advice(&stage, at, "bob"), (Recommendation::Encrypt, Some(GENUINE + 4)));
    }
}

#[test]
fn a_setting_of_the_last_logical_time_does_not_pin_a_setting_for_ever() {
    for time in [u64::MAX, 1 << 63, (1 << 48) - 1] {
        let mut stage = paired(3);
        let mut thief = Insider::of(&stage.lab.machines[2]).unwrap();
        let removed = thief.id();
        stage.lab.stop(2);
        say(&mut stage, &mut thief, 0, setting("prefer-encrypt", time, removed, "nopreference"));
        stage.command(0, Command::Remove { id: removed }).unwrap();
        stage.settle();
        for (at, mutual) in [(0, false), (1, true), (0, false), (0, true)] {
            stage.command(at, Command::SetPreferEncrypt { mutual }).unwrap();
            stage.settle();
            assert_eq!([0, 1].map(|at| muaa(&stage, at).prefers_encrypt()), [mutual; 2], "{time} {at}");
        }
    }
}

#[test]
fn a_setting_that_takes_no_effect_is_an_error_and_not_a_success() {
    for time in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 48) - 1] {
        let mut stage = paired(3);
        let mut thief = Insider::of(&stage.lab.machines[2]).unwrap();
        let removed = thief.id();
        stage.lab.stop(2);
        say(&mut stage, &mut thief, 0, setting("prefer-encrypt", time, removed, "nopreference"));
        let own = format!("name/{}", stage.id(0).unwrap());
        say(&mut stage, &mut thief, 0, setting(&own, time, removed, "stolen"));
        let result = stage.command(0, Command::SetPreferEncrypt { mutual: true });
        assert_eq!(result.is_ok(), muaa(&stage, 0).prefers_encrypt(), "{time}");
        let result = stage.command(0, Command::Rename { name: "mine".to_owned() });
        stage.settle();
        let name = muaa(&stage, 1).siblings().into_iter().find(|one| Some(one.id) == stage.id(0));
        assert_eq!(result.is_ok(), name.unwrap().name.unwrap() == "mine", "{time}");
    }
}

#[test]
fn many_names_of_settings_do_not_push_out_what_people_set() {
    let mut stage = paired(3);
    let mut thief = Insider::of(&stage.lab.machines[2]).unwrap();
    stage.lab.stop(2);
    let register = Register { time: 1, author: thief.id(), value: "x".to_owned(), removals: 0 };
    let many = (0..300).map(|n| (format!("name/{n:03}"), register.clone())).collect();
    say(&mut stage, &mut thief, 0, Said { settings: many, ..Said::default() });
    let more = (0..300).map(|n| (format!("a{n}"), register.clone())).collect();
    say(&mut stage, &mut thief, 0, Said { settings: more, ..Said::default() });
    assert!(muaa(&stage, 0).prefers_encrypt());
    let name = muaa(&stage, 0).siblings().into_iter().find(|one| Some(one.id) == stage.id(1));
    assert_eq!(name.unwrap().name.as_deref(), Some("device 2"));
}
