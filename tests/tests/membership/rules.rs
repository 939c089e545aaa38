//! One rule of membership each, in a log of a few operations.

use std::collections::BTreeSet;

use sma_core::{
    Gone, Hash, MuaaId,
    state::{Log, Membership},
};

use crate::world::{
    Act, CRYPTO, MAX, Place, Story, account_key, device, ended, genesis, id, key, log_of, members, sign,
};

fn set<const N: usize>(numbers: [usize; N]) -> BTreeSet<usize> {
    numbers.into()
}

#[test]
fn mutual_and_cyclic_removals_take_all_out() {
    let mut story = Story::of(2);
    story.at_once(&[(0, Act::Remove(1, 0)), (1, Act::Remove(0, 3))]);
    assert_eq!(story.members(), set([2]));
    for last in 2..=4 {
        let mut story = Story::of(last);
        let next = |number: usize| (number + 1) % (last + 1);
        let cut = |number: usize| if number == 0 { last as u64 + 1 } else { 0 };
        let round: Vec<_> = (0..=last).map(|at| (at, Act::Remove(next(at), cut(next(at))))).collect();
        story.at_once(&round);
        assert_eq!(story.members(), set([]), "{last}");
        for number in 0..=last {
            assert_eq!(ended(&story.view(), number), Some(Gone::Removed), "{last}");
        }
    }
}

#[test]
fn whom_a_removed_device_adds_beyond_its_cut_is_no_member_and_whom_it_added_before_stays() {
    let mut story = Story::of(2);
    story.say(1, Act::Add(3)).at_once(&[(0, Act::Remove(1, 1)), (1, Act::Add(4))]);
    // The one that is void lets in another one.
    story.say(4, Act::Add(5));
    assert_eq!(story.members(), set([0, 2, 3]));
    assert_eq!(ended(&story.view(), 4), Some(Gone::Voided));
    assert_eq!(ended(&story.view(), 5), Some(Gone::Voided));
    story.say(2, Act::Add(5));
    assert_eq!(story.members(), set([0, 2, 3, 5]), "who has the right lets in a voided one");
}

/// The attack of a key that signs under a number which it left out before its removal (A12).
#[test]
fn invariant_3_what_a_removed_or_departed_device_dates_back_to_before_its_end_is_void() {
    let ends: [fn(&mut Story); 2] = [|story| _ = story.remove(0, 1), |story| _ = story.say(1, Act::Leave)];
    for end in ends {
        let mut story = Story::of(2);
        story.say_as(1, Act::Add(3), 2).say_as(1, Act::Key(1, 1, 5), 9);
        let (first, last) =
            (story.ops[story.ops.len() - 2].hash(&CRYPTO), story.ops[story.ops.len() - 1].hash(&CRYPTO));
        end(&mut story);
        let group = Some(story.log().group());
        for previous in [None, Some(first), Some(last), Some(Hash([9; 32]))] {
            for act in [Act::Add(4), Act::Move(4), Act::Key(2, 7, 1)] {
                let mut story = story.clone();
                story.ops.push(sign(1, act, Place { group, sequence: 5, previous, ..Place::default() }));
                story.say(4, Act::Add(5));
                assert_eq!(story.members(), set([0, 2, 3]), "{act:?} behind {previous:?}");
                assert!(story.view().keys.get(&account_key(2)).is_none());
                assert!(story.view().keys.get(&account_key(1)).is_some());
            }
        }
    }
}

#[test]
fn a_removal_may_leave_several_chains_of_a_fork_standing() {
    let mut story = Story::of(2);
    story.say(1, Act::Add(3)).at_once(&[(1, Act::Move(4)), (1, Act::Move(5)), (1, Act::Move(6))]);
    let moves: Vec<_> = story.ops[story.ops.len() - 3..].iter().map(|op| op.hash(&CRYPTO)).collect();
    let group = Some(story.log().group());
    for (kept, members) in
        [(vec![], set([0, 2])), (vec![0, 2], set([0, 2, 3, 4, 6])), (vec![1], set([0, 2, 3, 5]))]
    {
        let mut story = story.clone();
        let cut = kept.iter().map(|at: &usize| moves[*at]).collect();
        story.ops.push(sign(0, Act::Remove(1, 0), Place { group, sequence: 9, cut, ..Place::default() }));
        assert_eq!(story.members(), members, "{kept:?}");
    }
}

#[test]
fn a_removed_device_that_another_member_lets_in_at_the_same_time_is_out() {
    let mut story = Story::of(3);
    story.at_once(&[(0, Act::Remove(3, 0)), (2, Act::Add(3))]);
    assert_eq!(story.members(), set([0, 1, 2]));
    let mut story = Story::of(2);
    story.at_once(&[(0, Act::Add(3)), (2, Act::Remove(3, 0))]);
    assert_eq!(story.members(), set([0, 1, 2]), "nor does it help that the addition was not known");
}

#[test]
fn of_several_removals_the_smallest_cut_counts() {
    let mut story = Story::of(2);
    story.say(1, Act::Add(3)).say(1, Act::Add(4)).say(1, Act::Add(5));
    for cuts in [[3, 1, 2], [1, 2, 3], [2, 3, 1]] {
        let mut story = story.clone();
        for cut in cuts {
            story.say(0, Act::Remove(1, cut));
        }
        assert_eq!(story.members(), set([0, 2, 3]), "{cuts:?}");
    }
}

#[test]
fn a_removal_counts_whatever_its_author_had_seen_unless_its_target_knew_that_the_author_was_out() {
    let mut story = Story::of(2);
    let before = story.ops.len();
    story.remove(0, 1).remove(1, 2);
    // The second removal's author says that it had seen the first, which arrives later.
    let mut ops = story.ops.clone();
    let first = ops.remove(before);
    assert_eq!(members(&Membership::of(&log_of(&ops))), set([0, 1]));
    ops.push(first);
    assert_eq!(members(&Membership::of(&log_of(&ops))), set([0]));
    // Device 2 knew of the first and not of the second.
    let mut other = Story { ops: ops[..before].to_vec() };
    other.ops.push(ops.last().unwrap().clone());
    other.say(2, Act::Alive);
    ops.push(other.ops.last().unwrap().clone());
    assert_eq!(members(&Membership::of(&log_of(&ops))), set([0, 2]));
    // What it says once it knows of the second comes too late.
    let mut late = story.clone();
    late.say(2, Act::Alive);
    assert_eq!(late.members(), set([0]));
}

#[test]
fn whoever_left_forces_nobody_out_afterwards() {
    let mut story = Story::of(2);
    story.say(1, Act::Leave);
    let after = story.clone();
    story.say(1, Act::Remove(2, 0)).say(1, Act::Remove(0, 9));
    assert_eq!(story.members(), set([0, 2]));
    // Dated back behind nothing.
    let mut story = after;
    let place = Place { group: Some(story.log().group()), sequence: 1, ..Place::default() };
    story.ops.push(sign(1, Act::Remove(2, 0), place));
    assert_eq!(story.members(), set([0, 2]));
    let mut story = Story::of(2);
    story.remove(1, 2).say(1, Act::Leave);
    assert_eq!(story.members(), set([0]), "what it said before counts");
}

#[test]
fn a_target_that_removed_the_remover_itself_is_out_all_the_same() {
    let mut story = Story::of(2);
    story.at_once(&[(0, Act::Remove(1, 0)), (1, Act::Remove(0, 3))]);
    let mut own = Story::of(2);
    own.say(1, Act::Remove(0, 3)).say(1, Act::Alive);
    story.ops.push(own.ops.last().unwrap().clone());
    assert_eq!(story.members(), set([2]), "who removes its remover does not undo its removal by that");
}

#[test]
fn no_key_that_a_removed_device_can_have_held_is_current_whatever_was_said_of_it() {
    let mut story = Story::of(2);
    story.say(0, Act::Key(1, 1, 5));
    // The member that is stolen names the key that all have again, above all others.
    for epoch in [2, 3, 1 << 20, 1 << 63, u64::MAX] {
        story.say(1, Act::Key(1, epoch, 0));
    }
    assert_eq!(story.view().keys.get(&account_key(1)).map(|named| named.epoch), Some(3));
    story.remove(0, 1);
    let view = story.view();
    assert_eq!((view.current, view.wants_key), (None, true));
    assert_eq!(view.barred_keys, [account_key(1)].into());
    story.say(0, Act::Key(2, view.keys.next_epoch(), 9));
    assert_eq!((story.view().current, story.view().wants_key), (Some(account_key(2)), false));
    // Nor does it help to name it once more, with everything seen.
    story.say(2, Act::Key(1, 5, 0)).say(2, Act::Key(1, 6, 0));
    assert_eq!(story.view().current, Some(account_key(2)));
}

#[test]
fn a_key_that_whoever_left_holds_goes_on_until_there_is_another() {
    let mut story = Story::of(2);
    story.say(0, Act::Key(1, 1, 5)).say(1, Act::Leave);
    assert_eq!((story.view().current, story.view().wants_key), (Some(account_key(1)), true));
    story.say(0, Act::Key(2, 2, 9));
    assert_eq!((story.view().current, story.view().wants_key), (Some(account_key(2)), false));
    assert_eq!(story.view().left_keys, [account_key(1)].into());
}

#[test]
fn an_epoch_that_nobody_can_have_reached_only_names_the_key() {
    for epoch in [0, 3, 1 << 20, 1 << 63, u64::MAX] {
        let mut story = Story::of(1);
        story.say(0, Act::Key(1, 1, 5)).say(1, Act::Key(2, epoch, 0));
        let view = story.view();
        assert_eq!(view.current, Some(account_key(1)), "{epoch}");
        assert_eq!(view.keys.get(&account_key(2)).map(|named| named.epoch), Some(0));
        assert_eq!(view.keys.next_epoch(), 2);
    }
}

#[test]
fn an_operation_under_a_number_that_nobody_reaches_is_not_taken() {
    for sequence in [(1 << 48) + 1, 1 << 63, u64::MAX] {
        let mut story = Story::of(1);
        let before = story.log();
        story.say_as(1, Act::Add(2), sequence);
        assert_eq!(story.log(), before, "{sequence}");
    }
}

#[test]
fn a_member_that_fills_its_share_of_the_log_keeps_nobody_from_removing_it_or_from_naming_a_new_key() {
    let max = 64;
    let mut story = Story::of(2);
    let mut log = story.log();
    for turn in 0..200 {
        for act in [Act::Alive, Act::Key(9, turn, 0), Act::Destroy(7), Act::Unknown(40)] {
            story.say(1, act);
            log.join(&CRYPTO, &story.ops[story.ops.len() - 1..], max);
            story.ops.truncate(3);
            story.ops.extend(log.ops().into_iter().filter(|op| !story.ops.contains(op)).collect::<Vec<_>>());
        }
    }
    assert!(log.len() <= max + max / 8 + 8, "{}", log.len());
    story.remove(0, 1);
    assert_eq!(log.join(&CRYPTO, &story.ops, max).len(), 1);
    assert_eq!(members(&Membership::of(&log)), set([0, 2]));
}

#[test]
fn a_removed_device_brings_back_neither_itself_nor_others() {
    let mut story = Story::of(3);
    story.remove(0, 1).remove(2, 3);
    assert_eq!(story.members(), set([0, 2]));
    let acts = [
        Act::Add(1),
        Act::Add(3),
        Act::Add(4),
        Act::Move(5),
        Act::Alive,
        Act::Leave,
        Act::Key(1, 9, 9),
        Act::Unknown(31),
        Act::Genesis,
    ];
    for act in acts {
        for more in acts {
            let mut story = story.clone();
            story.say(1, act).say(1, more);
            // Whom it let in goes on.
            story.say(4, Act::Add(1)).say(5, Act::Add(1)).say(4, Act::Add(6));
            let view = story.view();
            assert_eq!(members(&view), set([0, 2]), "{act:?}, {more:?}");
            assert!(view.keys.iter().next().is_none() && !view.needs_update(), "{act:?}, {more:?}");
        }
    }
}

#[test]
fn neither_a_member_brings_an_ended_key_back() {
    for end in [Act::Remove(1, 0), Act::Expire(1, 0)] {
        let mut story = Story::of(2);
        story.say(0, end).say(2, Act::Add(1)).say(0, Act::Add(1));
        assert_eq!(story.members(), set([0, 2]), "{end:?}");
    }
}

#[test]
fn a_group_has_one_genesis() {
    let story = Story::of(2);
    let mut log = story.log();
    let place = |group| Place { group, sequence: 7, ..Place::default() };
    let others = [
        sign(1, Act::Genesis, place(None)),
        sign(1, Act::Genesis, place(Some(log.group()))),
        sign(0, Act::Genesis, place(None)),
        sign(0, Act::Genesis, place(Some(log.group()))),
        sign(3, Act::Genesis, place(Some(log.group()))),
    ];
    assert_eq!(log.join(&CRYPTO, &others, MAX), []);
    assert_eq!(log, story.log());
    for other in &others[1..] {
        let founded = Log::found(&CRYPTO, other);
        assert!(founded.is_none_or(|founded| founded.group() != log.group()));
    }
}

#[test]
fn nobody_founds_a_group_in_the_name_of_another_or_of_a_key_that_is_not_its_own() {
    assert!(Log::found(&CRYPTO, &genesis()).is_some());
    let place = Place { sequence: 1, ..Place::default() };
    for place in [
        Place { group: Some(Hash([1; 32])), ..place.clone() },
        Place { previous: Some(Hash([1; 32])), ..place.clone() },
        Place { seen: Some([Hash([1; 32])].into()), ..place.clone() },
    ] {
        assert_eq!(Log::found(&CRYPTO, &sign(0, Act::Genesis, place)), None);
    }
    assert_eq!(Log::found(&CRYPTO, &sign(0, Act::Add(0), place.clone())), None);
    let mut forged = sign(0, Act::Genesis, place.clone());
    forged.signature = sign(1, Act::Genesis, place).signature;
    assert_eq!(Log::found(&CRYPTO, &forged), None);
}

#[test]
fn what_the_named_device_did_not_sign_and_what_another_group_says_is_not_taken() {
    let story = Story::of(2);
    let mut log = story.log();
    let place = Place { group: Some(log.group()), sequence: 9, ..Place::default() };
    let mut forged = sign(1, Act::Add(3), place.clone());
    forged.signature = sign(2, Act::Add(3), place.clone()).signature;
    let elsewhere = Place { group: Some(Hash([1; 32])), ..place.clone() };
    let others = [
        forged,
        sign(1, Act::Add(3), elsewhere),
        sign(1, Act::Add(3), Place { group: None, ..place.clone() }),
        sign(5, Act::Add(3), place),
    ];
    assert_eq!(log.join(&CRYPTO, &others, MAX), []);
    assert_eq!(log, story.log());
}

#[test]
fn whoever_left_does_not_come_back_by_a_move() {
    let mut story = Story::of(2);
    story.say(1, Act::Leave).say(1, Act::Move(3)).say(3, Act::Add(4));
    assert_eq!(story.members(), set([0, 2]));
    assert_eq!(ended(&story.view(), 1), Some(Gone::Left));
    assert_eq!(ended(&story.view(), 3), Some(Gone::Voided));
}

#[test]
fn a_move_ends_its_author_and_goes_on_as_another_also_when_it_left_afterwards() {
    let mut story = Story::of(2);
    story.say(1, Act::Move(3)).say(1, Act::Add(4)).say(3, Act::Add(5)).say(1, Act::Leave);
    assert_eq!(story.members(), set([0, 2, 3, 5]));
    assert_eq!(ended(&story.view(), 4), Some(Gone::Voided));
}

#[test]
fn two_clones_that_both_move_both_stand_until_their_former_key_is_cut() {
    let mut story = Story::of(2);
    story.at_once(&[(1, Act::Move(3)), (1, Act::Move(4))]);
    story.say(1, Act::Move(5));
    let view = story.view();
    assert_eq!(members(&view), set([0, 2, 3, 4, 5]));
    assert_eq!(view.equivocators, [key(1)].into());
    story.say(0, Act::Remove(1, 1));
    let stands = |story: &Story| story.members().intersection(&set([3, 4])).count();
    assert_eq!(
        (stands(&story), story.members().len()),
        (1, 3),
        "a cut names one of the two, and not what is behind it"
    );
}

#[test]
fn two_operations_under_one_number_are_kept_and_void_all_from_there_on_except_moves() {
    let mut story = Story::of(2);
    story.say(1, Act::Add(3)).at_once(&[(1, Act::Add(4)), (1, Act::Add(5))]);
    let fork = story.clone();
    story.say(1, Act::Add(6)).say(1, Act::Move(7));
    let view = story.view();
    assert_eq!(members(&view), set([0, 2, 3, 7]));
    assert_eq!(view.equivocators, [key(1)].into());
    assert_eq!(story.log().len(), story.ops.len(), "the proof is kept");
    assert_eq!(members(&fork.view()), set([0, 1, 2, 3]), "who did it stays until somebody removes it");
    // Each device has seen one of the two at first.
    let (one, two) = (story.ops.len() - 4, story.ops.len() - 3);
    let mut logs = Vec::new();
    for missing in [one, two] {
        let mut ops = story.ops.clone();
        let late = ops.remove(missing);
        let mut log = log_of(&ops);
        assert!(Membership::of(&log).equivocators.is_empty());
        assert_eq!(log.join(&CRYPTO, &[late], MAX).len(), 1);
        logs.push(log);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(Membership::of(&logs[0]), view);
}

#[test]
fn a_removal_by_who_said_two_things_under_one_number_counts() {
    let mut story = Story::of(3);
    story.at_once(&[(1, Act::Remove(2, 0)), (1, Act::Remove(3, 0))]);
    assert_eq!(story.members(), set([0, 1]));
}

#[test]
fn the_genesis_is_never_void() {
    let mut story = Story::of(2);
    story.say_as(0, Act::Alive, 1);
    let view = story.view();
    assert_eq!(view.equivocators, [key(0)].into());
    assert_eq!(members(&view), set([0]), "the founder said all else behind that number");
    story.say(0, Act::Move(3));
    assert_eq!(story.members(), set([3]), "and goes on as another");
    let mut story = Story::of(2);
    story.say(1, Act::Remove(0, 0));
    assert_eq!(story.members(), set([]), "whom it let in is beyond the cut");
    assert_eq!(ended(&story.view(), 0), Some(Gone::Removed));
    assert_eq!(ended(&story.view(), 1), Some(Gone::Voided));
}

#[test]
fn who_is_taken_for_lost_is_out_like_one_that_was_removed_whatever_it_says_then() {
    let mut story = Story::of(2);
    story.say(1, Act::Add(3)).say(0, Act::Expire(1, 9));
    assert_eq!(story.members(), set([0, 2, 3]), "whom it let in stays");
    assert_eq!(ended(&story.view(), 1), Some(Gone::Expired));
    assert_eq!(story.view().removed, [key(1)].into());
    story.say(2, Act::Alive);
    story.say(1, Act::Alive).say(1, Act::Add(4)).say(1, Act::Remove(2, 0)).say(1, Act::Move(5));
    assert_eq!(story.members(), set([0, 2, 3]), "what it says afterwards is void");
    story.remove(2, 1);
    assert_eq!(ended(&story.view(), 1), Some(Gone::Removed), "and a person may remove it all the same");
}

#[test]
fn of_several_ends_the_strongest_is_told_in_every_order() {
    for own in [Act::Leave, Act::Move(3)] {
        let mut story = Story::of(2);
        story.say(1, own).say(0, Act::Remove(1, 0));
        assert_eq!(ended(&story.view(), 1), Some(Gone::Removed), "{own:?}, then removed");
        let mut story = Story::of(2);
        story.say(0, Act::Remove(1, 0)).say(1, own);
        assert_eq!(ended(&story.view(), 1), Some(Gone::Removed), "removed, then {own:?}");
        let mut story = Story::of(2);
        story.say(1, own).say(0, Act::Expire(1, 1));
        let told = if own == Act::Leave { Gone::Left } else { Gone::Expired };
        assert_eq!(ended(&story.view(), 1), Some(told), "{own:?}, then taken for lost");
        let mut story = Story::of(2);
        story.say(0, Act::Expire(1, 0)).say(1, own);
        assert_eq!(ended(&story.view(), 1), Some(Gone::Expired), "taken for lost, then {own:?}");
    }
}

#[test]
fn an_operation_of_a_later_version_is_kept_and_changes_no_member() {
    for (number, needs_update) in [(15, false), (26, true), (31, true), (34, false), (99, false)] {
        let mut story = Story::of(2);
        let before = story.members();
        story.say(1, Act::Unknown(number)).say(1, Act::Add(3));
        let view = story.view();
        assert_eq!(view.needs_update(), needs_update, "{number}");
        assert_eq!(story.log().len(), story.ops.len());
        assert_eq!(members(&view), &before | &set([3]));
    }
}

#[test]
fn an_operation_of_a_later_version_by_one_that_was_out_before_needs_no_update() {
    let mut story = Story::of(2);
    story.remove(0, 1).say(1, Act::Unknown(31));
    assert!(!story.view().needs_update());
    // Whoever has seen it removes its author as from before it: then it is void.
    let mut story = Story::of(2);
    story.say(1, Act::Add(3)).say(1, Act::Unknown(31));
    let first = story.last(1);
    assert_eq!(story.view().unknown, [(key(1), first)].into());
    story.say(0, Act::Remove(1, first - 1));
    assert!(!story.view().needs_update());
    assert_eq!(story.members(), set([0, 2, 3]));
}

#[test]
fn a_missing_link_of_a_chain_is_named_and_evaluated_as_what_was_not_said() {
    let mut story = Story::of(3);
    story.say(1, Act::Add(4)).remove(1, 2).say(1, Act::Add(5));
    let missing = story.ops.len() - 2;
    let mut ops = story.ops.clone();
    let link = ops.remove(missing);
    let mut log = log_of(&ops);
    assert_eq!(log.gaps(), [link.hash(&CRYPTO)].into());
    assert_eq!(members(&Membership::of(&log)), set([0, 1, 2, 3, 4, 5]), "all that is there counts");
    // A sibling that is asked for what is missing sends everything.
    assert_eq!(log.join(&CRYPTO, &story.ops, MAX), [link.hash(&CRYPTO)]);
    assert!(log.gaps().is_empty());
    assert_eq!(log, story.log());
    assert_eq!(members(&Membership::of(&log)), set([0, 1, 3, 4, 5]));
}

#[test]
fn a_chain_that_names_what_nobody_has_makes_nobody_a_member_who_is_none_without() {
    let mut story = Story::of(2);
    story.say(0, Act::Remove(1, 0));
    let place = Place {
        group: Some(story.log().group()),
        sequence: 5,
        previous: Some(Hash([9; 32])),
        ..Place::default()
    };
    story.ops.push(sign(1, Act::Add(3), place.clone()));
    story.ops.push(sign(2, Act::Add(4), place));
    assert_eq!(story.log().gaps(), [Hash([9; 32])].into());
    assert_eq!(story.members(), set([0, 2, 4]));
}

#[test]
fn what_comes_before_its_authors_introduction_is_forgotten_and_taken_when_it_is_sent_again() {
    let mut story = Story::of(1);
    story.say(1, Act::Add(2)).say(2, Act::Add(3));
    let (introduction, late) = (story.ops[2].clone(), story.ops[3].clone());
    let mut log = log_of(&story.ops[..2]);
    assert_eq!(log.join(&CRYPTO, std::slice::from_ref(&late), MAX), []);
    assert_eq!(log.join(&CRYPTO, &[introduction], MAX).len(), 1);
    assert_ne!(log, story.log(), "the digests differ, so everything is asked for");
    assert_eq!(log.join(&CRYPTO, &story.ops, MAX), [late.hash(&CRYPTO)]);
    assert_eq!(log, story.log());
}

#[test]
fn who_let_a_device_in_first_by_id_is_told_to_be_the_one() {
    let mut story = Story::of(2);
    story.say(2, Act::Add(3)).say(1, Act::Add(3));
    let view = story.view();
    assert_eq!(view.members[&key(3)].added_by, id(1));
    assert_eq!(view.members[&key(3)].certificate, device(3).certificate);
    assert_eq!(view.by_id(id(3)).map(|(key, _)| *key), Some(key(3)));
    assert_eq!(view.by_id(MuaaId(1)), None);
}

#[test]
fn the_current_account_key_is_of_the_greatest_epoch_then_the_oldest_then_the_lowest() {
    let current = |acts: &[(usize, Act)]| {
        let mut story = Story::of(2);
        for (author, act) in acts {
            story.say(*author, *act);
        }
        story.view().current
    };
    assert_eq!(current(&[(0, Act::Key(1, 1, 5)), (1, Act::Key(2, 2, 9))]), Some(account_key(2)));
    assert_eq!(current(&[(0, Act::Key(1, 0, 5))]), None, "a key of epoch 0 only decrypts");
    assert_eq!(current(&[(0, Act::Key(1, 1, 5)), (1, Act::Key(2, 1, 4))]), Some(account_key(2)));
    assert_eq!(current(&[(0, Act::Key(2, 1, 5)), (1, Act::Key(1, 1, 5))]), Some(account_key(1)));
    let left = [(1, Act::Key(1, 1, 5)), (1, Act::Leave), (1, Act::Key(2, 2, 1))];
    assert_eq!(current(&left), Some(account_key(1)), "what was said before the end counts");
    let removed = [(1, Act::Key(1, 1, 5)), (0, Act::Remove(1, 1)), (1, Act::Key(2, 2, 1))];
    assert_eq!(current(&removed), None, "no key that a removed device can have held is current");
    let anew =
        [(1, Act::Key(1, 1, 5)), (0, Act::Remove(1, 1)), (0, Act::Key(2, 2, 7)), (1, Act::Key(3, 3, 1))];
    assert_eq!(current(&anew), Some(account_key(2)), "a removed device makes no key current");
}

#[test]
fn a_destroyed_key_is_never_current_and_comes_not_back_and_another_one_is_to_be_made_if_it_would_be() {
    let mut story = Story::of(2);
    story.say(0, Act::Key(1, 1, 5)).say(0, Act::Key(2, 2, 6)).say(1, Act::Destroy(1));
    let view = story.view();
    assert_eq!((view.current, view.wants_key), (Some(account_key(2)), false));
    assert!(view.keys.get(&account_key(1)).is_none() && view.keys.is_destroyed(&account_key(1)));
    story.say(0, Act::Key(1, 3, 5));
    let view = story.view();
    assert_eq!((view.current, view.wants_key), (Some(account_key(2)), true));
    assert_eq!(view.keys.next_epoch(), 4);
    story.say(1, Act::Key(3, 4, 7));
    assert_eq!((story.view().current, story.view().wants_key), (Some(account_key(3)), false));
}

#[test]
fn a_removed_device_destroys_no_key() {
    let mut story = Story::of(2);
    story.say(0, Act::Key(1, 0, 5)).say(0, Act::Key(2, 1, 6)).remove(0, 1).say(1, Act::Destroy(1));
    assert!(story.view().keys.destroyed().is_empty());
}
