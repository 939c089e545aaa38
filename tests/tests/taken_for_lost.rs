//! What one can do that is taken for lost, and what a stolen member can do by taking others for lost.

use sma_core::{Event, Gone, MuaaId, Phase, wire::Kind};
use sma_sim::stage::Stage;
use sma_tests::{
    account::{insider, join, members, muaa},
    outsiders::{NOTHING, all_have, current, expiry, group, hide, pass, removal, remove, say},
};

/// Whoever has the device, and says so after a year, is out and stays so.
#[test]
fn who_expired_ends_nobody_with_its_sign_of_life() {
    let (mut stage, devices) = group(4);
    let honest = &devices[..3];
    let mut thief = insider(&stage, devices[3]);
    let of = insider(&stage, devices[1]);
    stage.lab.stop(devices[3]);
    pass(&mut stage, 400);
    assert_eq!(all_have(&stage, honest, &[1, 2, 3]), Ok(()));
    let key = current(&stage, honest[0]);
    let alive = thief.op(Kind::Alive.number(), NOTHING.to_vec());
    let op = thief.op(Kind::Remove.number(), removal(&of));
    for at in honest {
        say(&mut stage, &mut thief, *at, &[alive.clone(), op.clone()]);
    }
    pass(&mut stage, 10);
    assert_eq!(all_have(&stage, honest, &[1, 2, 3]), Ok(()));
    assert_eq!(current(&stage, honest[0]), key);
}

/// It was off for more than a year and is switched on as it was.
#[test]
fn who_is_back_after_it_was_taken_for_lost_hears_that_it_is_out_and_gets_no_key() {
    let (mut stage, devices) = group(3);
    stage.lab.stop(devices[2]);
    pass(&mut stage, 400);
    let key = current(&stage, devices[0]);
    stage.lab.start(devices[2]);
    pass(&mut stage, 2);
    assert_eq!(muaa(&stage, devices[2]).phase(), Phase::Removed);
    assert!(!muaa(&stage, devices[2]).account().keys.contains(&key));
    assert_eq!(all_have(&stage, &devices[..2], &[1, 2]), Ok(()));
}

/// A stolen member takes its remover for lost at the others; the remover does not hear of it before it removes and is switched off. The others
/// knew that it is out first, and it hears so from them.
#[test]
fn a_false_word_that_its_remover_is_lost_parts_nobody_for_good() {
    for (off_for, hidden) in [(0, false), (0, true), (5, false), (5, true)] {
        let (mut stage, devices) = group(4);
        let mut thief = insider(&stage, devices[3]);
        stage.lab.stop(devices[3]);
        pass(&mut stage, 3);
        let of = insider(&stage, devices[0]);
        let op = thief.op(Kind::Remove.number(), expiry(&of));
        stage.cut.insert(devices[0]);
        for at in &devices[1..3] {
            say(&mut stage, &mut thief, *at, std::slice::from_ref(&op));
        }
        if hidden {
            hide(&mut stage, 1);
        }
        stage.cut = devices[1..3].iter().copied().collect();
        remove(&mut stage, devices[0], 4);
        stage.settle();
        if off_for > 0 {
            stage.lab.stop(devices[0]);
        }
        stage.cut.clear();
        pass(&mut stage, off_for + 1);
        stage.lab.start(devices[0]);
        pass(&mut stage, 60);
        for at in &devices[..3] {
            assert_eq!(members(&stage, *at), [2, 3, 4], "{at} after {off_for} days, hidden: {hidden}");
        }
        assert_eq!(muaa(&stage, devices[0]).phase(), Phase::Removed);
    }
}

/// Its announcement was cleared away before the device came that is the foremost now.
#[test]
fn a_lost_device_is_forgotten_also_where_the_foremost_member_never_heard_it() {
    let mut stage = Stage::new();
    let two = join(&mut stage, 20, None);
    let three = join(&mut stage, 30, Some(two));
    let key = current(&stage, two);
    stage.lab.stop(three);
    pass(&mut stage, 200);
    let one = join(&mut stage, 1, Some(two));
    pass(&mut stage, 400);
    assert_eq!(all_have(&stage, &[one, two], &[1, 20]), Ok(()));
    assert!(current(&stage, one) != key);
    let silent = |event: &Event| matches!(event, Event::MemberSilent { id } if id.0 == 30);
    assert!(stage.told.iter().any(|(at, event)| *at == one && silent(event)));
    stage.lab.start(three);
    pass(&mut stage, 3);
    assert_eq!(muaa(&stage, three).phase(), Phase::Removed);
}

/// Whoever has it had it say what this version does not know, and nobody removed it.
#[test]
fn a_lost_device_is_forgotten_also_if_it_said_what_nobody_understands() {
    let (mut stage, devices) = group(3);
    let mut lost = insider(&stage, devices[2]);
    let op = lost.op(30, NOTHING.to_vec());
    stage.lab.stop(devices[2]);
    pass(&mut stage, 1);
    let key = current(&stage, devices[0]);
    for at in &devices[..2] {
        say(&mut stage, &mut lost, *at, std::slice::from_ref(&op));
    }
    assert!(muaa(&stage, devices[0]).needs_update());
    pass(&mut stage, 400);
    assert_eq!(all_have(&stage, &devices[..2], &[1, 2]), Ok(()));
    assert!(current(&stage, devices[0]) != key && !muaa(&stage, devices[0]).needs_update());
}

/// A stolen member says that another is lost which was heard a moment ago: that is a removal, and nobody is told anything else.
#[test]
fn nobody_who_heard_a_device_lately_is_told_that_it_was_silent() {
    let (mut stage, devices) = group(4);
    let mut thief = insider(&stage, devices[3]);
    stage.lab.stop(devices[3]);
    pass(&mut stage, 3);
    let op = thief.op(Kind::Remove.number(), expiry(&insider(&stage, devices[0])));
    for at in &devices[1..3] {
        say(&mut stage, &mut thief, *at, std::slice::from_ref(&op));
    }
    let gone =
        |event: &Event| if let Event::MemberGone { id: MuaaId(1), how } = event { Some(*how) } else { None };
    let gone = stage.told.iter().filter_map(|(_, event)| gone(event));
    assert_eq!(gone.collect::<Vec<_>>(), [Gone::Removed, Gone::Removed]);
}

/// One member leads the group into another, and brings along a device that is off; a second one that does not know it yet removes that device.
#[test]
fn who_was_removed_while_its_group_went_over_to_another_hears_so() {
    for foremost in [5, 15, 40] {
        let mut stage = Stage::new();
        let one = join(&mut stage, 10, None);
        let two = join(&mut stage, 20, Some(one));
        let three = join(&mut stage, 30, Some(one));
        let four = join(&mut stage, foremost, None);
        stage.lab.stop(three);
        pass(&mut stage, 1);
        stage.cut.insert(two);
        assert!(stage.pair(four, one));
        pass(&mut stage, 3);
        assert!(members(&stage, one).contains(&30) && members(&stage, four).contains(&30));
        stage.cut = [one, four].into();
        remove(&mut stage, two, 30);
        stage.settle();
        stage.cut.clear();
        pass(&mut stage, 10);
        for at in [one, two, four] {
            assert!(!members(&stage, at).contains(&30), "{foremost}: {at}");
        }
        stage.lab.start(three);
        pass(&mut stage, 3);
        assert_eq!(muaa(&stage, three).phase(), Phase::Removed, "{foremost}");
        let before = stage.lab.counts.appended;
        pass(&mut stage, 20);
        assert!(stage.lab.counts.appended - before < 50_000, "{foremost}");
    }
}
