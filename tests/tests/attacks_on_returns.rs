//! Attacks on what a device can do that was taken for lost and is back, and on what others can make of such a return.

use std::collections::BTreeSet;

use sma_core::{
    Command, Folder, MuaaId, Phase,
    state::Removal,
    wire::{self, Kind, SignedOp},
};
use sma_sim::{stage::Stage, store::Kept};
use sma_tests::{
    account::{insider, join, members, muaa},
    dice::Dice,
    insider::Insider,
    outsiders::{
        NOTHING, all_have, current, expiry, group, in_the_group_of, made_up, pass, removal, remove, say,
        say_all,
    },
};

/// So many devices, one of which was switched off for so long that the others take it for lost. It is in a thief's hands.
fn lose(count: u64, lost: usize) -> (Stage, Vec<usize>, Insider) {
    let (mut stage, mut devices) = group(count);
    let lost = devices.remove(lost);
    let thief = insider(&stage, lost);
    stage.lab.stop(lost);
    pass(&mut stage, 400);
    (stage, devices, thief)
}

fn heard_of(device: &Insider) -> u64 {
    device.log().heads().get(&device.key()).map_or(0, |(sequence, _)| *sequence)
}

fn alive(by: &mut Insider) -> SignedOp {
    by.op(Kind::Alive.number(), NOTHING.to_vec())
}

fn removes(by: &mut Insider, of: &Insider) -> SignedOp {
    by.op(Kind::Remove.number(), removal(of))
}

/// A sign of life, and a move to this key, which then goes on.
fn moves(by: &mut Insider, to: Insider) -> (SignedOp, (SignedOp, Insider)) {
    let alive = alive(by);
    let moved = by.op(Kind::Move.number(), wire::encode(&to.introduction()));
    (alive, (moved.clone(), in_the_group_of(to, by, &[moved])))
}

/// Those of these devices that do not have this one as a member.
fn without(stage: &Stage, honest: &[usize], id: MuaaId) -> Vec<usize> {
    honest.iter().copied().filter(|at| !members(stage, *at).contains(&id.0)).collect()
}

/// A number that it has not signed anything under in the log, below its last one there.
#[test]
fn a_removal_under_a_number_from_before_the_loss_ends_nobody() {
    let mut found = Vec::new();
    for with_alive in [false, true] {
        for below in [0, 1] {
            for target in 0..2 {
                // The founder is lost: it let all others in.
                let (mut stage, honest, mut thief) = lose(4, 0);
                let of = insider(&stage, honest[target]);
                let last = heard_of(&thief);
                let mut ops = Vec::new();
                if with_alive {
                    ops.push(alive(&mut thief));
                }
                let after = thief.sequence;
                thief.sequence = last - 1 - below;
                ops.push(removes(&mut thief, &of));
                thief.sequence = after + 100;
                say_all(&mut stage, &mut thief, &honest, &ops);
                pass(&mut stage, 5);
                let lost = without(&stage, &honest, of.id());
                if !lost.is_empty() {
                    found.push(format!("alive {with_alive} below {below} target {target}: {lost:?}"));
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// A lost device that has let one other in, so its last number is above 0; it is no founder.
#[test]
fn a_removal_under_a_number_from_before_the_loss_by_one_that_is_no_founder_ends_nobody() {
    let (mut stage, devices) = group(3);
    let four = join(&mut stage, 4, Some(devices[2]));
    pass(&mut stage, 3);
    let mut thief = insider(&stage, devices[2]);
    stage.lab.stop(devices[2]);
    pass(&mut stage, 400);
    let honest = [devices[0], devices[1], four];
    let of = insider(&stage, devices[1]);
    thief.sequence = heard_of(&thief) - 2;
    let op = removes(&mut thief, &of);
    thief.sequence += 1000;
    let ops = [alive(&mut thief), op];
    say_all(&mut stage, &mut thief, &honest, &ops);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new());
}

/// It gives a sign of life and moves, and then signs under the key that moved.
#[test]
fn who_moved_after_its_return_ends_nobody_under_the_key_that_moved() {
    for wait in [0, 3] {
        let (mut stage, honest, mut thief) = lose(4, 3);
        let of = insider(&stage, honest[1]);
        let [next] = made_up();
        let (alive, next) = moves(&mut thief, next);
        let (moved, mut next) = next;
        say_all(&mut stage, &mut thief, &honest, &[alive]);
        say_all(&mut stage, &mut next, &honest, &[moved]);
        pass(&mut stage, 1);
        for at in &honest {
            assert!(members(&stage, *at).contains(&next.id().0), "it moved");
        }
        pass(&mut stage, wait);
        let op = removes(&mut thief, &of);
        say_all(&mut stage, &mut next, &honest, &[op]);
        pass(&mut stage, 5);
        assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new(), "wait {wait}");
    }
}

/// The key that moved lets a device in, which is void, and so does the key that it moved to.
#[test]
fn whom_both_the_moved_key_and_its_next_one_let_in_ends_nobody() {
    let (mut stage, honest, mut thief) = lose(4, 3);
    let of = insider(&stage, honest[1]);
    let [next, den] = made_up();
    let (alive, (moved, mut next)) = moves(&mut thief, next);
    say_all(&mut stage, &mut thief, &honest, &[alive]);
    say_all(&mut stage, &mut next, &honest, &[moved]);
    pass(&mut stage, 3);
    let void = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let add = next.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let mut den = in_the_group_of(den, &next, &[]);
    let op = removes(&mut den, &of);
    say_all(&mut stage, &mut next, &honest, &[void, add]);
    pass(&mut stage, 1);
    say_all(&mut stage, &mut den, &honest, &[op]);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new());
}

/// Two of the thief's: one was removed, one lost. The removed one signs, without any effect, that it lets the accomplice in, too.
#[test]
fn whom_a_removed_device_let_in_as_well_ends_nobody() {
    let (mut stage, mut devices) = group(5);
    let mut out = insider(&stage, devices[4]);
    remove(&mut stage, devices[0], 5);
    devices.pop();
    let lost = devices.pop().unwrap();
    pass(&mut stage, 2);
    let mut thief = insider(&stage, lost);
    stage.lab.stop(lost);
    pass(&mut stage, 400);
    let of = insider(&stage, devices[1]);
    let [den] = made_up();
    let void = out.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let ops = vec![alive(&mut thief), void, thief.op(Kind::Add.number(), wire::encode(&den.introduction()))];
    let mut den = in_the_group_of(den, &thief, &[]);
    say_all(&mut stage, &mut thief, &devices, &ops);
    pass(&mut stage, 1);
    let op = removes(&mut den, &of);
    say_all(&mut stage, &mut den, &devices, &[op]);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &devices, of.id()), Vec::<usize>::new());
}

/// A device paired after the return knows nothing of the loss.
#[test]
fn one_that_was_paired_after_the_return_is_not_told_to_end_anybody() {
    for wait in [1, 10] {
        let (mut stage, honest, mut thief) = lose(4, 3);
        let of = insider(&stage, honest[1]);
        let op = alive(&mut thief);
        say_all(&mut stage, &mut thief, &honest, &[op]);
        pass(&mut stage, wait);
        let newcomer = join(&mut stage, 7, Some(honest[0]));
        pass(&mut stage, 1);
        let all = [honest.clone(), vec![newcomer]].concat();
        let op = removes(&mut thief, &of);
        say_all(&mut stage, &mut thief, &all, &[op]);
        pass(&mut stage, 5);
        assert_eq!(without(&stage, &all, of.id()), Vec::<usize>::new(), "wait {wait}");
    }
}

/// An observer that was off for half a year; a stolen member takes all honest devices for lost, which they are not.
#[test]
fn a_false_expiry_at_one_that_was_off_does_not_make_the_removal_of_its_author_fail() {
    let mut found = Vec::new();
    for removes_too in [false, true] {
        let (mut stage, devices) = group(4);
        let mut thief = insider(&stage, devices[3]);
        let off = devices[2];
        stage.lab.stop(off);
        pass(&mut stage, 200);
        // The stolen one speaks before it is removed, to the one that was off first.
        thief.hear(&insider(&stage, devices[0]).log().ops());
        let of: Vec<_> = devices[..2].iter().map(|at| insider(&stage, *at)).collect();
        let mut ops: Vec<_> = of.iter().map(|of| thief.op(Kind::Expire.number(), expiry(of))).collect();
        stage.lab.stop(devices[3]);
        say_all(&mut stage, &mut thief, &devices[..2], &ops);
        remove(&mut stage, devices[0], 4);
        pass(&mut stage, 2);
        if removes_too {
            ops.extend(of.iter().map(|of| removes(&mut thief, of)));
        }
        stage.cut.extend(&devices[..2]);
        stage.lab.start(off);
        say(&mut stage, &mut thief, off, &ops);
        pass(&mut stage, 1);
        stage.cut.clear();
        pass(&mut stage, 10);
        let at_off = members(&stage, off);
        if at_off.contains(&4) {
            found.push(format!("removes too {removes_too}: the thief is still in, {at_off:?}"));
        }
        pass(&mut stage, 40);
        if let Err(what) = all_have(&stage, &devices[..3], &[1, 2, 3]) {
            found.push(format!("removes too {removes_too}: after 50 days {what}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// The same without an adversary for whom the loss is true: nobody was off but the one that comes back to a false expiry.
#[test]
fn repeated_false_expiries_do_not_keep_a_device_from_removing_their_author() {
    let (mut stage, devices) = group(4);
    stage.lab.stop(devices[0]);
    pass(&mut stage, 200);
    stage.lab.start(devices[0]);
    pass(&mut stage, 1);
    let mut thief = insider(&stage, devices[3]);
    stage.lab.stop(devices[3]);
    for _ in 0..20 {
        thief.hear(&insider(&stage, devices[1]).log().ops());
        let of = insider(&stage, devices[0]);
        let op = thief.op(Kind::Expire.number(), expiry(&of));
        say_all(&mut stage, &mut thief, &devices[..3], &[op]);
        pass(&mut stage, 3);
    }
    // It was off for long before: a person says that it is back.
    stage.command(devices[1], Command::Acknowledge { id: MuaaId(1) }).unwrap();
    pass(&mut stage, 1);
    remove(&mut stage, devices[0], 4);
    pass(&mut stage, 5);
    assert_eq!(all_have(&stage, &devices[..3], &[1, 2, 3]), Ok(()));
}

/// It announces itself for 40 days before it gives a sign of life.
#[test]
fn who_is_heard_for_weeks_before_its_sign_of_life_ends_nobody_with_it() {
    let (mut stage, honest, mut thief) = lose(4, 3);
    let of = insider(&stage, honest[1]);
    for _ in 0..6 {
        let said = wire::Announcement {
            certificate: thief.certificate.clone(),
            capabilities: 0,
            digest: None,
            moves: None,
        };
        let envelope = thief.announce(wire::encode(&said));
        let now = stage.lab.now;
        stage.lab.store.put(Folder::Announcements, Kept::Envelope(envelope), true, now);
        for at in &honest {
            stage.lab.notice(*at, Folder::Announcements);
        }
        pass(&mut stage, 7);
    }
    for at in &honest {
        stage.lab.stop(*at);
        stage.lab.start(*at);
    }
    let ops = [alive(&mut thief), removes(&mut thief, &of)];
    say_all(&mut stage, &mut thief, &honest, &ops);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new());
}

/// Two are lost; each speaks for the other.
#[test]
fn two_that_were_lost_end_nobody_together() {
    let (mut stage, mut devices) = group(5);
    let lost = devices.split_off(3);
    let mut thieves: Vec<_> = lost.iter().map(|at| insider(&stage, *at)).collect();
    lost.iter().for_each(|at| stage.lab.stop(*at));
    pass(&mut stage, 400);
    let of = insider(&stage, devices[1]);
    let [den] = made_up();
    let mut ops = Vec::new();
    for thief in &mut thieves {
        ops.push(alive(thief));
        ops.push(thief.op(Kind::Add.number(), wire::encode(&den.introduction())));
    }
    let mut den = in_the_group_of(den, &thieves[0], &ops);
    ops.push(removes(&mut den, &of));
    let [first, second] = &mut thieves[..] else { return };
    ops.push(removes(first, &of));
    ops.push(removes(second, &of));
    say_all(&mut stage, second, &devices, &ops);
    say_all(&mut stage, &mut den, &devices, &ops);
    say_all(&mut stage, first, &devices, &ops);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &devices, of.id()), Vec::<usize>::new());
}

/// The removed laptop removes those who stay in a cut that names what is not there.
#[test]
fn a_sign_of_life_that_follows_a_removal_which_is_kept_back_ends_nobody_later() {
    let (mut stage, honest, mut thief) = lose(4, 3);
    let of = insider(&stage, honest[1]);
    let cut: BTreeSet<_> = of.log().tips(&of.key(), u64::MAX);
    let kept = thief.op(Kind::Remove.number(), wire::encode(&Removal { target: of.key(), cut }));
    let ops = [alive(&mut thief), thief.op(Kind::Leave.number(), NOTHING.to_vec())];
    say_all(&mut stage, &mut thief, &honest, &ops);
    pass(&mut stage, 2);
    say_all(&mut stage, &mut thief, &honest, &[kept]);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new());
}

/// It was in a group that went over to another one, where it was lost. In the name of the former one it removes those who stay.
#[test]
fn who_is_back_ends_nobody_in_the_name_of_a_former_group() {
    let mut found = Vec::new();
    for target in [5, 6] {
        for other_id in [700, 701, 702, 703] {
            let mut stage = Stage::new();
            let a = join(&mut stage, 5, None);
            let b = join(&mut stage, 6, Some(a));
            let x = join(&mut stage, 9, Some(a));
            let other = join(&mut stage, other_id, None);
            let mut old = insider(&stage, x);
            let former = old.log().group();
            let of = insider(&stage, if target == 5 { a } else { b });
            assert!(stage.pair(other, a));
            pass(&mut stage, 3);
            assert!(stage.are_paired(&[x, a, b, other]));
            let mut thief = insider(&stage, x);
            stage.lab.stop(x);
            pass(&mut stage, 400);
            let honest = [a, b, other];
            let sign = [alive(&mut thief)];
            say_all(&mut stage, &mut thief, &honest, &sign);
            pass(&mut stage, 1);
            assert_eq!(members(&stage, b), [5, 6, 9, other_id]);
            old.sequence = thief.sequence + 10;
            let op = removes(&mut old, &of);
            for at in honest {
                let Some(to) = Insider::of(&stage.lab.machines[at]) else { continue };
                let update = wire::Update { ops: vec![op.clone()], ..wire::Update::new(to.key()) };
                let envelope = old.send(&to, Some(former), update);
                let (folder, now) = (Folder::Inbox(to.id()), stage.lab.now);
                stage.lab.store.put(folder, Kept::Envelope(envelope), true, now);
                stage.lab.notice(at, folder);
                stage.settle();
            }
            pass(&mut stage, 5);
            let lost = without(&stage, &honest, MuaaId(target));
            if !lost.is_empty() {
                found.push(format!("{target} {other_id}: not a member at {lost:?}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// A stolen phone takes a laptop for lost before anybody suspects it. The laptop removes it, and is lost in truth later on.
#[test]
fn a_false_expiry_does_not_make_the_removal_of_its_author_fail_after_the_remover_is_lost_in_truth() {
    for falsely in [false, true] {
        let (mut stage, devices) = group(5);
        let (laptop, away) = (devices[4], devices[2]);
        let mut phone = insider(&stage, devices[3]);
        stage.lab.stop(devices[3]);
        if falsely {
            let op = phone.op(Kind::Expire.number(), expiry(&insider(&stage, laptop)));
            say_all(&mut stage, &mut phone, &[devices[0], devices[1], away, laptop], &[op]);
        }
        pass(&mut stage, 2);
        stage.lab.stop(away);
        remove(&mut stage, laptop, 4);
        pass(&mut stage, 2);
        stage.lab.stop(laptop);
        pass(&mut stage, 400);
        assert_eq!(members(&stage, devices[0]), [1, 2]);
        stage.lab.start(away);
        pass(&mut stage, 90);
        assert_eq!(members(&stage, devices[0]), [1, 2, 3]);
        assert_eq!(members(&stage, away), [1, 2, 3], "falsely {falsely}");
    }
}

/// While the removal of a stolen device is unvouched for on one that was off, that one has the key which the stolen one is not to have.
#[test]
fn one_that_was_off_does_not_hold_the_new_key_together_with_the_removed_thief() {
    let (mut stage, devices) = group(4);
    let off = devices[2];
    stage.lab.stop(off);
    pass(&mut stage, 200);
    let mut thief = insider(&stage, devices[3]);
    stage.lab.stop(devices[3]);
    let of = insider(&stage, devices[0]);
    let op = thief.op(Kind::Expire.number(), expiry(&of));
    say_all(&mut stage, &mut thief, &devices[..2], &[op]);
    remove(&mut stage, devices[0], 4);
    pass(&mut stage, 2);
    stage.lab.start(off);
    pass(&mut stage, 10);
    let new = current(&stage, devices[0]);
    let shares = members(&stage, off).contains(&4) && muaa(&stage, off).account_secret(&new).is_some();
    assert!(!shares);
}

/// The removal is signed under a number that its author reserved by a sign of life long before it was lost.
#[test]
fn a_number_that_was_reserved_before_the_loss_ends_nobody_after_it() {
    let (mut stage, mut devices) = group(4);
    let lost = devices.pop().unwrap();
    let mut thief = insider(&stage, lost);
    stage.lab.stop(lost);
    pass(&mut stage, 3);
    let low = thief.sequence;
    thief.sequence += 1000;
    let op = [alive(&mut thief)];
    say_all(&mut stage, &mut thief, &devices, &op);
    pass(&mut stage, 400);
    let of = insider(&stage, devices[1]);
    let sign = alive(&mut thief);
    let high = thief.sequence + 10;
    thief.sequence = low + 5;
    let op = removes(&mut thief, &of);
    thief.sequence = high;
    say_all(&mut stage, &mut thief, &devices, &[sign, op]);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &devices, of.id()), Vec::<usize>::new());
}

/// The founder was lost, and one device is left.
#[test]
fn of_two_devices_the_one_that_is_back_does_not_end_the_other_under_an_old_number() {
    let (mut stage, honest, mut thief) = lose(2, 0);
    let of = insider(&stage, honest[0]);
    let before = insider(&stage, honest[0]).log().group();
    let last = heard_of(&thief);
    let sign = alive(&mut thief);
    let after = thief.sequence;
    thief.sequence = last - 1;
    let op = removes(&mut thief, &of);
    thief.sequence = after + 100;
    say_all(&mut stage, &mut thief, &honest, &[sign, op]);
    pass(&mut stage, 5);
    assert_eq!(muaa(&stage, honest[0]).phase(), Phase::Paired);
    assert_eq!(muaa(&stage, honest[0]).group(), Some(before));
    assert_eq!(members(&stage, honest[0]), [1, 2]);
}

/// It lets one in under a number from before the loss, gives no sign of life, and lets that one speak.
#[test]
fn whom_a_lost_device_lets_in_under_an_old_number_ends_nobody() {
    let (mut stage, honest, mut thief) = lose(4, 0);
    let of = insider(&stage, honest[1]);
    let [den] = made_up();
    thief.sequence = heard_of(&thief) - 2;
    let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let mut den = in_the_group_of(den, &thief, std::slice::from_ref(&add));
    let op = removes(&mut den, &of);
    thief.sequence += 1000;
    say_all(&mut stage, &mut den, &honest, &[add.clone(), op.clone()]);
    pass(&mut stage, 1);
    say_all(&mut stage, &mut den, &honest, &[add, op]);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new());
}

/// A stolen member takes its remover for lost at the others; the remover does not hear of it before it removes and is switched off.
#[test]
fn a_false_expiry_before_the_removal_arrives_does_not_make_it_fail() {
    let mut found = Vec::new();
    for (off_for, hidden) in [(0, false), (0, true), (5, false), (5, true)] {
        let (mut stage, devices) = group(4);
        let mut thief = insider(&stage, devices[3]);
        stage.lab.stop(devices[3]);
        pass(&mut stage, 3);
        let of = insider(&stage, devices[0]);
        let op = thief.op(Kind::Expire.number(), expiry(&of));
        stage.cut.insert(devices[0]);
        for at in &devices[1..3] {
            say(&mut stage, &mut thief, *at, std::slice::from_ref(&op));
        }
        assert!(!members(&stage, devices[1]).contains(&1));
        if hidden && let Some(folder) = stage.lab.store.folders.get_mut(&Folder::Inbox(MuaaId(1))) {
            std::sync::Arc::make_mut(folder).messages.clear();
        }
        stage.cut = devices[1..3].iter().copied().collect();
        remove(&mut stage, devices[0], 4);
        stage.settle();
        if off_for > 0 {
            stage.lab.stop(devices[0]);
        }
        stage.cut.clear();
        pass(&mut stage, off_for + 1);
        for at in &devices[1..3] {
            if members(&stage, *at).contains(&4) {
                found.push(format!("off for {off_for} hidden {hidden}: {at} has {:?}", members(&stage, *at)));
            }
        }
        stage.lab.start(devices[0]);
        pass(&mut stage, 60);
        let views: Vec<_> = devices[..3].iter().map(|at| members(&stage, *at)).collect();
        if let Err(what) = all_have(&stage, &devices[..3], &[1, 2, 3]) {
            found.push(format!("off for {off_for} hidden {hidden}: after 60 days {what}, members {views:?}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Nobody is malicious. A laptop was lost, came back, was acknowledged; half a year later it removes a phone, and then it is lost for good. One
/// that was off all the while comes back.
#[test]
fn what_a_laptop_removed_between_two_losses_counts_for_one_that_was_off() {
    for lost_before in [false, true] {
        let (mut stage, devices) = group(4);
        let (away, laptop) = (devices[2], devices[3]);
        if lost_before {
            stage.lab.stop(laptop);
            pass(&mut stage, 400);
            stage.lab.start(laptop);
            pass(&mut stage, 2);
            for at in &devices[..3] {
                stage.command(*at, Command::Acknowledge { id: MuaaId(4) }).unwrap();
            }
            pass(&mut stage, 60);
        }
        stage.lab.stop(away);
        stage.lab.stop(devices[1]);
        remove(&mut stage, laptop, 2);
        pass(&mut stage, 3);
        stage.lab.stop(laptop);
        pass(&mut stage, 400);
        stage.lab.start(away);
        pass(&mut stage, 90);
        assert_eq!(members(&stage, devices[0]), [1, 3]);
        assert_eq!(members(&stage, away), [1, 3], "lost before {lost_before}");
        let begun = stage.outputs;
        pass(&mut stage, 20);
        println!("{} outputs in 20 days", stage.outputs - begun);
    }
}

/// A laptop that is back from a restored backup goes on under another key: a person must be able to say that it is theirs.
#[test]
fn who_moved_after_its_return_can_be_acknowledged() {
    let (mut stage, honest, mut owner) = lose(4, 3);
    let [next] = made_up();
    let (alive, (moved, mut next)) = moves(&mut owner, next);
    say_all(&mut stage, &mut owner, &honest, &[alive]);
    say_all(&mut stage, &mut next, &honest, &[moved]);
    pass(&mut stage, 2);
    for at in &honest {
        println!("{at}: {:?}", muaa(&stage, *at).notices());
        assert_eq!(stage.command(*at, Command::Acknowledge { id: next.id() }), Ok(()), "at {at}");
    }
    let of = insider(&stage, honest[1]);
    let op = removes(&mut next, &of);
    say_all(&mut stage, &mut next, &honest, &[op]);
    pass(&mut stage, 3);
    assert_eq!(without(&stage, &[honest[0], honest[2]], of.id()), [honest[0], honest[2]]);
}

/// The same with the laptop acknowledged before it removes the phone.
#[test]
fn the_key_that_an_acknowledged_device_makes_is_not_handed_to_the_one_that_it_removed() {
    let (mut stage, devices) = group(4);
    stage.lab.stop(devices[3]);
    pass(&mut stage, 400);
    stage.lab.start(devices[3]);
    pass(&mut stage, 2);
    for at in &devices[..3] {
        stage.command(*at, Command::Acknowledge { id: MuaaId(4) }).unwrap();
    }
    pass(&mut stage, 1);
    remove(&mut stage, devices[3], 2);
    pass(&mut stage, 6);
    let key = current(&stage, devices[3]);
    assert!(muaa(&stage, devices[1]).account_secret(&key).is_none());
}

/// The thief has it announced and waits for somebody to pair a device, which never hears of the silence; then it gives the sign of life.
#[test]
fn one_that_was_paired_while_a_lost_one_was_announced_is_not_told_to_end_anybody() {
    let (mut stage, honest, mut thief) = lose(4, 3);
    let said = wire::Announcement {
        certificate: thief.certificate.clone(),
        capabilities: 0,
        digest: None,
        moves: None,
    };
    let envelope = thief.announce(wire::encode(&said));
    let now = stage.lab.now;
    stage.lab.store.put(Folder::Announcements, Kept::Envelope(envelope), true, now);
    pass(&mut stage, 1);
    let newcomer = join(&mut stage, 7, Some(honest[0]));
    pass(&mut stage, 1);
    let all = [honest, vec![newcomer]].concat();
    let of = insider(&stage, all[1]);
    let ops = [alive(&mut thief), removes(&mut thief, &of)];
    say_all(&mut stage, &mut thief, &all, &ops);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &all, of.id()), Vec::<usize>::new());
}

/// A person removes the device that is back; what it let in while it was unvouched for moves, and its old key speaks.
#[test]
fn nobody_that_a_device_unvouched_let_in_ends_anybody_after_that_one_was_removed() {
    let (mut stage, honest, mut thief) = lose(4, 3);
    let of = insider(&stage, honest[1]);
    let [den] = made_up();
    let ops = [alive(&mut thief), thief.op(Kind::Add.number(), wire::encode(&den.introduction()))];
    let mut den = in_the_group_of(den, &thief, &ops);
    say_all(&mut stage, &mut thief, &honest, &ops);
    pass(&mut stage, 1);
    remove(&mut stage, honest[0], 4);
    pass(&mut stage, 1);
    den.hear(&insider(&stage, honest[0]).log().ops());
    let op = removes(&mut den, &of);
    say_all(&mut stage, &mut den, &honest, &[op]);
    pass(&mut stage, 5);
    assert_eq!(without(&stage, &honest, of.id()), Vec::<usize>::new());
}

/// The founder, which let all others in, is switched off for a weekend. A stolen member takes it for lost, and for one that never said anything.
#[test]
fn a_false_expiry_of_the_founder_does_not_put_out_those_whom_it_let_in() {
    let mut found = Vec::new();
    for off in [false, true] {
        let (mut stage, devices) = group(4);
        let mut thief = insider(&stage, devices[3]);
        stage.lab.stop(devices[3]);
        let of = insider(&stage, devices[0]);
        if off {
            stage.lab.stop(devices[0]);
        }
        let op = thief.op(Kind::Expire.number(), expiry(&of));
        say_all(&mut stage, &mut thief, &devices[..3], &[op]);
        pass(&mut stage, 3);
        stage.lab.start(devices[0]);
        pass(&mut stage, 30);
        let phases: Vec<_> = devices[..3].iter().map(|at| muaa(&stage, *at).phase()).collect();
        if let Err(what) = all_have(&stage, &devices[..3], &[1, 2, 3, 4]) {
            found.push(format!("off {off}: {what}, {phases:?}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// The lost one is back, and takes the founder for lost under a number from before its own loss. The founder is off for a few days.
#[test]
fn an_expiry_by_a_device_that_is_back_under_an_old_number_puts_nobody_out() {
    let (mut stage, devices) = group(4);
    // The one that is lost let one in, so it has numbers from before the loss.
    let five = join(&mut stage, 5, Some(devices[3]));
    pass(&mut stage, 2);
    let mut thief = insider(&stage, devices[3]);
    stage.lab.stop(devices[3]);
    pass(&mut stage, 400);
    let honest = [devices[0], devices[1], devices[2], five];
    let of = insider(&stage, devices[0]);
    let last = heard_of(&thief);
    let sign = alive(&mut thief);
    let high = thief.sequence + 10;
    thief.sequence = last - 2;
    let op = thief.op(Kind::Expire.number(), expiry(&of));
    thief.sequence = high;
    stage.lab.stop(devices[0]);
    for at in honest {
        say(&mut stage, &mut thief, at, &[sign.clone(), op.clone()]);
    }
    pass(&mut stage, 3);
    stage.lab.start(devices[0]);
    pass(&mut stage, 30);
    assert_eq!(all_have(&stage, &honest, &[1, 2, 3, 4, 5]), Ok(()));
}

/// Nobody is malicious: of two laptops that were away for years at different times, each removes something, in random order, and all agree in
/// the end.
#[test]
fn in_the_end_all_agree_after_random_absences() {
    let mut found = Vec::new();
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let (mut stage, devices) = group(5);
        let mut said = Vec::new();
        let mut removed = false;
        for _ in 0..4 {
            let who = dice.below(5) as usize;
            let other = dice.below(5) as usize;
            let days = [40, 200, 400][dice.below(3) as usize];
            stage.lab.stop(devices[who]);
            let both = dice.one_in(2);
            if both {
                stage.lab.stop(devices[other]);
            }
            pass(&mut stage, days);
            stage.lab.start(devices[who]);
            pass(&mut stage, dice.below(4) as u32);
            said.push(format!("{who} {both} {other} off for {days}"));
            if !removed && dice.one_in(2) {
                let target = (who + 1) % 5;
                if stage.command(devices[who], Command::Remove { id: MuaaId(target as u64 + 1) }).is_ok() {
                    said.push(format!("{who} removes {target}"));
                    removed = true;
                }
                pass(&mut stage, dice.below(3) as u32);
            }
            stage.lab.start(devices[other]);
            pass(&mut stage, dice.below(40) as u32);
        }
        pass(&mut stage, 120);
        let views: Vec<_> = devices
            .iter()
            .filter(|at| matches!(muaa(&stage, **at).phase(), Phase::Paired | Phase::Alone))
            .map(|at| members(&stage, *at))
            .collect();
        if views.iter().any(|view| *view != views[0]) {
            found.push(format!("{seed}: {said:?}: {views:?}"));
        }
    }
    found.sort_by_key(String::len);
    assert_eq!(found, Vec::<String>::new());
}
