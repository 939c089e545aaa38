//! A join that waits until the time for vetoes is over, and what happens to the device meanwhile.

use sma_core::{Command, Event, Form, Hash, InputError, MuaaId, Phase};
use sma_sim::stage::Stage;
use sma_tests::{
    account::{insider, join, members, muaa},
    outsiders::say,
};

use super::{DAY, keys, phished, told, type_code};

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// The laptop's person has agreed, half a day ago.
fn pending() -> (Stage, [usize; 3]) {
    let (mut stage, devices) = phished(Form::Code);
    stage.command(devices[0], Command::ConfirmJoin).unwrap();
    stage.advance(DAY / 2);
    (stage, devices)
}

/// The stranger's group is its own again, it has no key of these devices, and the laptop was told that it does not go there.
fn nothing_came_of_it(stage: &Stage, [laptop, _, stranger]: [usize; 3]) {
    assert_eq!(members(stage, stranger), [666]);
    assert!(keys(stage, laptop).iter().all(|key| muaa(stage, stranger).account_secret(key).is_none()));
    assert!(told(stage, laptop, |event| *event == Event::JoinVetoed));
    assert_eq!(muaa(stage, laptop).join_question(), None);
}

fn announced_to(stage: &Stage, at: usize) -> Hash {
    let announced = stage.told.iter().filter(|(whom, _)| *whom == at).find_map(|(_, event)| {
        if let Event::MergeAnnounced { merge, .. } = event { Some(*merge) } else { None }
    });
    announced.unwrap()
}

/// In the new group nobody has heard of the merge, nor had any time to veto it.
#[test]
fn a_device_that_is_led_to_another_group_takes_nobody_from_there_where_it_was_to_go() {
    let (mut stage, [laptop, phone, stranger]) = phished(Form::Code);
    let tablet = join(&mut stage, 3, None);
    type_code(&mut stage, tablet, phone);
    stage.command(phone, Command::ConfirmJoin).unwrap();
    stage.advance(DAY / 2);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(DAY * 3 / 4);
    assert!(stage.are_paired(&[laptop, phone, tablet]));
    let merge = announced_to(&stage, phone);
    assert_eq!(stage.lab.command(phone, Command::Veto { merge }), Some(Err(InputError::NoJoin)));
    stage.advance(60 * DAY);
    for at in [laptop, phone, tablet] {
        assert_eq!(members(&stage, at), [1, 2, 3]);
    }
    nothing_came_of_it(&stage, [laptop, phone, stranger]);
    assert!(keys(&stage, tablet).iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
    assert_eq!(stage.lab.violation, None);
    // A person may type a code again.
    let desktop = join(&mut stage, 4, None);
    type_code(&mut stage, desktop, laptop);
    assert!(muaa(&stage, laptop).join_question().is_some());
}

/// One person typed codes of one device on two others: that one of them is there first puts nobody out.
#[test]
fn a_device_that_is_led_to_where_it_was_to_go_is_there() {
    let (mut stage, [laptop, phone, tablet]) = phished(Form::Code);
    type_code(&mut stage, tablet, phone);
    stage.command(phone, Command::ConfirmJoin).unwrap();
    stage.advance(DAY / 2);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(DAY * 3 / 4);
    assert!(stage.are_paired(&[laptop, phone, tablet]));
    assert_eq!(muaa(&stage, laptop).join_question(), None);
    assert!(!told(&stage, laptop, |event| *event == Event::JoinVetoed));
    stage.advance(60 * DAY);
    for at in [laptop, phone, tablet] {
        assert_eq!(members(&stage, at), [1, 2, 666]);
        assert_eq!(keys(&stage, at), keys(&stage, laptop));
    }
    assert_eq!(stage.lab.violation, None);
}

#[test]
fn whoever_leaves_or_is_removed_while_it_waits_leaves_nothing_in_the_other_group() {
    for leaves in [true, false] {
        let (mut stage, [laptop, phone, stranger]) = pending();
        assert_eq!(members(&stage, stranger), [1, 666]);
        if leaves {
            stage.command(laptop, Command::Leave).unwrap();
        } else {
            stage.command(phone, Command::Remove { id: MuaaId(1) }).unwrap();
        }
        stage.advance(2 * DAY);
        assert_eq!(members(&stage, phone), [2]);
        assert_eq!(members(&stage, stranger), [666], "leaves: {leaves}");
        nothing_came_of_it(&stage, [laptop, phone, stranger]);
        assert_eq!(stage.lab.violation, None);
    }
}

#[test]
fn whoever_starts_apart_while_it_is_asked_has_said_no() {
    let mut stage = Stage::new();
    stage.confirms = false;
    let other = join(&mut stage, 2, None);
    let device = stage.add(1);
    stage.settle();
    let key = sma_core::Crypto::new_account_key(
        &sma_sim::symbolic::Symbolic,
        "anna@example.org",
        &[7; 32],
        stage.lab.now,
    );
    stage.command(device, Command::AdoptKey { secret: key.unwrap().secret }).unwrap();
    stage.settle();
    type_code(&mut stage, other, device);
    assert!(muaa(&stage, device).join_question().is_some());
    stage.command(device, Command::StartApart).unwrap();
    stage.advance(DAY);
    assert_eq!(stage.lab.command(device, Command::ConfirmJoin), Some(Err(InputError::NoJoin)));
    assert_eq!((members(&stage, device), members(&stage, other)), (vec![1], vec![2]));
    assert_eq!(stage.lab.violation, None);
}

/// What it was let in as is not what it is then: it would be nobody there.
#[test]
fn a_device_that_takes_another_key_while_it_waits_goes_nowhere() {
    for restored in [true, false] {
        let (mut stage, [laptop, phone, stranger]) = pending();
        if restored {
            stage.lab.back_up(laptop);
            stage.command(laptop, Command::Rename { name: "forgotten".to_owned() }).unwrap();
            stage.advance(HOUR);
            stage.lab.restore_backup(laptop);
            stage.lab.start(laptop);
            stage.command(phone, Command::Rename { name: "phone".to_owned() }).unwrap();
        } else {
            let mut who = insider(&stage, phone);
            who.received = insider(&stage, laptop).sequence + 10;
            who.sequence += 10;
            say(&mut stage, &mut who, laptop, &[]);
        }
        stage.settle();
        stage.advance(3 * DAY);
        assert!(told(&stage, laptop, |event| matches!(event, Event::Moved { .. })), "{restored}");
        let id = stage.id(laptop).unwrap().0;
        assert_ne!(id, 1);
        assert!(members(&stage, laptop).contains(&id));
        assert!(stage.are_paired(&[laptop, phone]));
        assert_eq!(members(&stage, laptop), members(&stage, phone));
        assert!(keys(&stage, laptop).iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
        assert!(told(&stage, laptop, |event| *event == Event::JoinVetoed));
        assert_eq!(muaa(&stage, laptop).join_question(), None);
    }
}

/// The reserve has room for its veto.
#[test]
fn whoever_says_no_where_the_log_is_full_goes_nowhere_and_nobody_else_does() {
    let (mut stage, [laptop, phone, stranger]) = pending();
    stage.lab.machines[laptop].config.log_max = 1;
    stage.lab.stop(laptop);
    stage.lab.start(laptop);
    stage.settle();
    let merge = announced_to(&stage, phone);
    stage.command(laptop, Command::DeclineJoin).unwrap();
    stage.advance(60 * DAY);
    assert!(stage.are_paired(&[laptop, phone]));
    assert_eq!((members(&stage, laptop), members(&stage, phone)), (vec![1, 2], vec![1, 2]));
    assert_eq!(members(&stage, stranger), [666]);
    assert!(keys(&stage, phone).iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
    // The veto stands already.
    assert_eq!(stage.lab.command(phone, Command::Veto { merge }), Some(Err(InputError::NoJoin)));
}

/// It was off, or had no connection, when the phone vetoed it.
#[test]
fn a_veto_that_is_there_when_the_time_is_over_is_read_before_the_device_goes() {
    for off in [true, false] {
        let (mut stage, [laptop, phone, stranger]) = pending();
        if off {
            stage.lab.stop(laptop);
        } else {
            stage.cut.insert(laptop);
        }
        stage.advance(HOUR);
        let merge = announced_to(&stage, phone);
        stage.command(phone, Command::Veto { merge }).unwrap();
        stage.advance(2 * DAY);
        if off {
            stage.lab.start(laptop);
        } else {
            stage.cut.clear();
        }
        stage.advance(2 * DAY);
        assert_eq!((members(&stage, laptop), members(&stage, phone)), (vec![1, 2], vec![1, 2]), "{off}");
        assert_eq!(muaa(&stage, laptop).phase(), Phase::Paired);
        nothing_came_of_it(&stage, [laptop, phone, stranger]);
        assert_eq!(stage.lab.violation, None);
    }
}

#[test]
fn a_device_that_was_put_back_and_is_started_when_the_time_is_over_goes_nowhere() {
    let (mut stage, [laptop, phone, stranger]) = pending();
    stage.lab.back_up(laptop);
    stage.command(laptop, Command::Rename { name: "forgotten".to_owned() }).unwrap();
    stage.advance(HOUR);
    stage.lab.restore_backup(laptop);
    stage.command(phone, Command::Rename { name: "phone".to_owned() }).unwrap();
    stage.advance(2 * DAY);
    stage.lab.start(laptop);
    stage.advance(2 * DAY);
    assert!(told(&stage, laptop, |event| matches!(event, Event::Moved { .. })));
    assert!(stage.are_paired(&[laptop, phone]));
    assert!(keys(&stage, laptop).iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
    assert_eq!(stage.lab.violation, None);
}
