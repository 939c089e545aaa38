//! Numbers that a member says and cannot know.

use sma_core::{
    Command, Crypto, Event, Folder, Ignored,
    wire::{self, Announcement, Kind},
};
use sma_sim::symbolic::Symbolic;
use sma_tests::{
    insider::{Insider, Said},
    outsiders,
};

use super::{DAY, Play};

/// The second of two paired devices, in the hands of somebody with a program of its own.
fn stolen() -> (Play, Insider, Insider) {
    let play = Play::paired(&[1, 27]);
    let [victim, thief] = [0, 1].map(|at| Insider::of(&play.stage.lab.machines[at]).unwrap());
    (play, victim, thief)
}

fn refused(play: &Play) -> usize {
    let malformed = |(at, event): &&(usize, Event)| {
        *at == 0 && matches!(event, Event::Ignored { why: Ignored::Malformed, .. })
    };
    play.stage.told.iter().filter(malformed).count()
}

#[test]
fn who_acknowledges_what_nobody_can_have_said_is_not_believed() {
    let (mut play, victim, mut thief) = stolen();
    for received in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 48, victim.sequence + (1 << 20) + 1000] {
        thief.received = received;
        let update = thief.update(&victim, Said::default());
        play.file(play.inbox(0), &update);
        play.stage.settle();
    }
    assert_eq!(play.moves(), 0);
    assert_eq!(refused(&play), 5);
    play.stage.command(0, Command::Rename { name: "still there".to_owned() }).unwrap();
    play.stage.advance(DAY);
    assert!(play.knows_name(1, 0, "still there"));
}

/// A state that was put back is told so, and a member that tells it again and again moves it seldom.
#[test]
fn who_acknowledges_a_little_too_much_every_hour_makes_a_device_move_a_few_times_a_month() {
    let (mut play, _, mut thief) = stolen();
    for _ in 0..30 * 24 {
        let victim = Insider::of(&play.stage.lab.machines[0]).unwrap();
        thief.received = victim.sequence + 5;
        let update = thief.update(&victim, Said::default());
        play.file(play.inbox(0), &update);
        play.stage.advance(DAY / 24);
    }
    assert!((1..=5).contains(&play.moves()), "{} moves", play.moves());
}

#[test]
fn what_is_signed_under_a_number_that_no_device_reaches_is_refused() {
    let (mut play, victim, mut thief) = stolen();
    for sequence in [u64::MAX - 2, 1 << 48] {
        thief.sequence = sequence;
        let update = thief.update(&victim, Said::default());
        play.file(play.inbox(0), &update);
        let ops = vec![thief.op(24, vec![0xa0])];
        thief.sequence = 1000;
        let update = thief.update(&victim, Said { ops, ..Said::default() });
        play.file(play.inbox(0), &update);
        play.stage.settle();
    }
    assert_eq!(refused(&play), 2);
    play.stage.command(1, Command::Rename { name: "phone".to_owned() }).unwrap();
    play.stage.advance(DAY);
    assert!(play.stage.are_paired(&[0, 1]));
}

/// It waits before it moves once more, and what it says meanwhile contradicts nothing that it said before.
#[test]
fn a_device_that_moved_and_is_put_back_within_a_day_goes_on_and_contradicts_nothing() {
    let mut play = Play::paired(&[1, 27]);
    let put_back = |play: &mut Play| {
        play.stage.lab.restore_backup(1);
        play.stage.lab.start(1);
        play.stage.settle();
    };
    play.put_back_by_ten_days();
    play.stage.lab.start(1);
    play.stage.settle();
    assert_eq!(play.moves(), 1);
    play.stage.lab.back_up(1);
    play.they_understand_each_other(0, 1, "before");
    for _ in 0..3 {
        play.stage.advance(8 * DAY);
        put_back(&mut play);
        play.stage.lab.back_up(1);
        put_back(&mut play);
        play.they_understand_each_other(0, 1, "after");
    }
    let twice = |(_, event): &(usize, Event)| matches!(event, Event::Equivocation { .. });
    assert!(!play.stage.told.iter().any(twice));
    assert!(play.moves() <= 4, "{} moves", play.moves());
    assert_eq!(play.stage.broken(), None);
}

/// What the old key signs from there on is void, so nothing that a person wants may be signed by it.
#[test]
fn a_device_whose_key_a_copy_moved_takes_another_one_at_once_however_lately_it_did() {
    let mut play = Play::paired(&[1, 27]);
    play.put_back_by_ten_days();
    play.stage.lab.start(1);
    play.stage.settle();
    assert_eq!(play.moves(), 1);
    let mut copy = Insider::of(&play.stage.lab.machines[1]).unwrap();
    let [mut elsewhere] = outsiders::made_up();
    let moves = vec![copy.op(Kind::Move.number(), wire::encode(&elsewhere.introduction()))];
    let certificate = elsewhere.certificate.clone();
    let said = Announcement { certificate, capabilities: 0, digest: None, moves: Some(moves) };
    let announcement = elsewhere.announce(wire::encode(&said));
    play.file(Folder::Announcements, &announcement);
    play.stage.settle();
    assert_eq!(play.moves(), 2);
    let key = Symbolic.new_account_key("anna@example.org", &[5; 32], play.stage.lab.now).unwrap();
    play.stage.command(1, Command::AdoptKey { secret: key.secret }).unwrap();
    play.stage.settle();
    for at in [0, 1] {
        let account = play.stage.lab.machines[at].muaa.as_ref().unwrap().account();
        assert_eq!(account.current, Some(key.fingerprint), "device {at}");
    }
}
