//! What one can do that is taken for lost, and what a stolen member can do by taking others for lost.

use sma_core::{Phase, wire::Kind};
use sma_tests::{
    account::{insider, members, muaa},
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
