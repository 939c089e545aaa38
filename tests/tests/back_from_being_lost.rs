//! A device that was taken for lost is a member again by its own sign of life, in whosever hands it is. Until a person acknowledges it, or
//! it has been back for long, it ends nobody by itself.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

use sma_core::{
    Command, Event, InputError, MuaaId,
    state::Destruction,
    wire::{self, Kind},
};
use sma_sim::stage::Stage;
use sma_tests::{
    account::{insider, members, muaa, told},
    insider::Insider,
    outsiders::{
        NOTHING, all_have, expiry, group, in_the_group_of, made_up, pass, removal, remove, say, say_all,
    },
};

/// A group of so many, the last of whom was switched off for a year: all others take it for lost. It is in a thief's hands.
fn one_is_lost(count: u64) -> (Stage, Vec<usize>, Insider) {
    let (mut stage, mut devices) = group(count);
    let lost = devices.pop().unwrap();
    let thief = insider(&stage, lost);
    stage.lab.stop(lost);
    pass(&mut stage, 400);
    assert_eq!(all_have(&stage, &devices, &(1..count).collect::<Vec<_>>()), Ok(()));
    (stage, devices, thief)
}

/// How a thief goes about it with a device that was taken for lost.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The sign of life and the removal in the same breath.
    AtOnce,
    /// So too, but it takes the other one for lost.
    Expiring,
    /// The removal some days after the sign of life.
    AliveFirst,
    /// The sign of life some days after the removal.
    RemovalFirst,
    /// By the mouth of a device that it lets in.
    ByAnother,
    /// Under a key that it moves to.
    ByMoving,
}

const WAYS: [Way; 6] =
    [Way::AtOnce, Way::Expiring, Way::AliveFirst, Way::RemovalFirst, Way::ByAnother, Way::ByMoving];

fn end_by(way: Way, of: &Insider, stage: &mut Stage, honest: &[usize], thief: &mut Insider) {
    let alive = thief.op(Kind::Alive.number(), NOTHING.to_vec());
    let says = |by: &mut Insider| match way {
        Way::Expiring => by.op(Kind::Expire.number(), expiry(of)),
        Way::AtOnce | Way::AliveFirst | Way::RemovalFirst | Way::ByAnother | Way::ByMoving => {
            by.op(Kind::Remove.number(), removal(of))
        }
    };
    match way {
        Way::AtOnce | Way::Expiring => {
            let end = says(thief);
            say_all(stage, thief, honest, &[alive, end]);
        }
        Way::AliveFirst => {
            say_all(stage, thief, honest, std::slice::from_ref(&alive));
            pass(stage, 3);
            let end = says(thief);
            say_all(stage, thief, honest, &[end]);
        }
        Way::RemovalFirst => {
            let end = says(thief);
            say_all(stage, thief, honest, std::slice::from_ref(&end));
            pass(stage, 3);
            let alive = thief.op(Kind::Alive.number(), NOTHING.to_vec());
            say_all(stage, thief, honest, &[end, alive]);
        }
        Way::ByAnother | Way::ByMoving => {
            let kind = if matches!(way, Way::ByAnother) { Kind::Add } else { Kind::Move };
            let [other] = made_up();
            let mut ops = vec![alive, thief.op(kind.number(), wire::encode(&other.introduction()))];
            let mut other = in_the_group_of(other, thief, &ops);
            ops.push(says(&mut other));
            say_all(stage, thief, honest, &ops);
            say_all(stage, &mut other, honest, &ops);
        }
    }
}

/// Whoever it ends, whether that one took it for lost or not.
#[test]
fn who_expired_ends_nobody_with_its_sign_of_life() {
    let mut found = Vec::new();
    for (count, target) in [(3, 0), (3, 1), (4, 0), (4, 1), (4, 2)] {
        for way in WAYS {
            let (mut stage, honest, mut thief) = one_is_lost(count);
            let of = insider(&stage, honest[target]);
            end_by(way, &of, &mut stage, &honest, &mut thief);
            pass(&mut stage, 10);
            let lost: Vec<_> =
                honest.iter().filter(|at| !members(&stage, **at).contains(&of.id().0)).collect();
            if !lost.is_empty() {
                found.push(format!("of {count} number {target}, {way:?}: not a member at {lost:?}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// The person sees it before it can end anybody, and removes it.
#[test]
fn a_return_from_being_lost_is_a_notice_that_stays_and_the_device_can_be_removed() {
    let (mut stage, honest, mut thief) = one_is_lost(3);
    let of = insider(&stage, honest[1]);
    let ops =
        [thief.op(Kind::Alive.number(), NOTHING.to_vec()), thief.op(Kind::Remove.number(), removal(&of))];
    say_all(&mut stage, &mut thief, &honest, &ops);
    pass(&mut stage, 5);
    for at in &honest {
        assert_eq!(muaa(&stage, *at).notices(), [(MuaaId(3), MuaaId(3))]);
        assert!(told(&stage, *at, |event| *event == Event::MemberBack { id: MuaaId(3) }));
    }
    remove(&mut stage, honest[0], 3);
    pass(&mut stage, 60);
    assert_eq!(all_have(&stage, &honest, &[1, 2]), Ok(()));
}

/// It was switched off for a year, and its owner takes it up again.
#[test]
fn a_device_that_is_back_removes_another_once_a_person_has_acknowledged_it_on_a_third() {
    let (mut stage, devices) = group(4);
    stage.lab.stop(devices[3]);
    pass(&mut stage, 400);
    stage.lab.start(devices[3]);
    pass(&mut stage, 2);
    assert_eq!(all_have(&stage, &devices, &[1, 2, 3, 4]), Ok(()));
    let early = stage.lab.command(devices[3], Command::Remove { id: MuaaId(2) });
    assert_eq!(early, Some(Err(InputError::Unvouched)));
    stage.command(devices[2], Command::Acknowledge { id: MuaaId(4) }).unwrap();
    pass(&mut stage, 1);
    remove(&mut stage, devices[3], 2);
    pass(&mut stage, 3);
    assert_eq!(all_have(&stage, &[devices[0], devices[2], devices[3]], &[1, 3, 4]), Ok(()));
}

/// What the one has filled its share of the log with the other has no room for.
#[test]
fn devices_that_differ_for_good_ask_one_another_less_and_less() {
    let (mut stage, devices) = group(3);
    let honest = &devices[..2];
    let mut thief = insider(&stage, devices[2]);
    stage.lab.stop(devices[2]);
    for at in honest {
        let junk: Vec<_> = (0..400).map(|_| thief.op(Kind::Destroy.number(), destruction(&stage))).collect();
        junk.chunks(100).for_each(|part| say(&mut stage, &mut thief, *at, part));
    }
    pass(&mut stage, 5);
    let digest = |stage: &Stage, at: usize| muaa(stage, at).digest();
    assert_ne!(digest(&stage, honest[0]), digest(&stage, honest[1]));
    let before = stage.lab.counts.appended;
    pass(&mut stage, 25);
    let said = stage.lab.counts.appended - before;
    assert!(said < 15_000_000, "{said} octets in 25 days");
}

fn destruction(stage: &Stage) -> Vec<u8> {
    wire::encode(&Destruction { fingerprint: muaa(stage, 0).fingerprint() })
}

/// A stolen member says of the others, which are in use, that they are lost: they remove it all the same.
#[test]
fn a_stolen_member_that_takes_all_others_for_lost_is_removed_by_each_of_them() {
    for count in [2, 4] {
        for by in 0..count as usize - 1 {
            let (mut stage, mut devices) = group(count);
            let stolen = devices.pop().unwrap();
            pass(&mut stage, 3);
            let mut thief = insider(&stage, stolen);
            stage.lab.stop(stolen);
            let expiries: Vec<_> = devices
                .iter()
                .map(|at| insider(&stage, *at))
                .map(|of| thief.op(Kind::Expire.number(), expiry(&of)))
                .collect();
            say_all(&mut stage, &mut thief, &devices, &expiries);
            pass(&mut stage, 2);
            remove(&mut stage, devices[by], count);
            pass(&mut stage, 3);
            assert_eq!(all_have(&stage, &devices, &(1..count).collect::<Vec<_>>()), Ok(()));
        }
    }
}

/// One that was off as well, and hears of the loss, of the return and of the removal at once.
#[test]
fn who_was_off_itself_lets_a_device_that_is_back_end_nobody() {
    let (mut stage, mut devices) = group(4);
    let lost = devices.pop().unwrap();
    let mut thief = insider(&stage, lost);
    let of = insider(&stage, devices[1]);
    stage.lab.stop(lost);
    pass(&mut stage, 300);
    stage.lab.stop(devices[2]);
    pass(&mut stage, 100);
    let expiry = insider(&stage, devices[0]).log().ops();
    let ops =
        [thief.op(Kind::Alive.number(), NOTHING.to_vec()), thief.op(Kind::Remove.number(), removal(&of))];
    stage.lab.start(devices[2]);
    say(&mut stage, &mut thief, devices[2], &[expiry, ops.to_vec()].concat());
    pass(&mut stage, 5);
    assert!(members(&stage, devices[2]).contains(&2));
}

/// What it removed before it was lost is not unvouched for, whoever hears of it late.
#[test]
fn what_a_device_removed_before_it_was_lost_counts_for_who_hears_of_all_that_at_once() {
    let (mut stage, devices) = group(5);
    stage.lab.stop(devices[2]);
    remove(&mut stage, devices[4], 2);
    pass(&mut stage, 2);
    stage.lab.stop(devices[4]);
    pass(&mut stage, 400);
    stage.lab.start(devices[4]);
    pass(&mut stage, 2);
    stage.lab.start(devices[2]);
    pass(&mut stage, 5);
    assert_eq!(members(&stage, devices[2]), [1, 3, 4, 5]);
}
