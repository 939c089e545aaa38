//! What a stolen member, and a device that is out, do to the others: they sign what they want, and share what they know with the
//! server.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

#[path = "insiders/names.rs"]
mod names;

use std::time::Duration;

use sma_core::{
    Command, Event, Fingerprint, Folder, MuaaId,
    state::{Introduction, KeyNotice, Merge, Removal},
    wire::{self, Kind, SignedOp, Update},
};
use sma_sim::{stage::Stage, store::Kept};
use sma_tests::{
    account::{insider, members, muaa, paired},
    insider::{Insider, Said},
};

const DAY: Duration = Duration::from_secs(86_400);

fn remove(stage: &mut Stage, at: usize, id: u64) {
    stage.command(at, Command::Remove { id: MuaaId(id) }).unwrap();
}

/// The server files an update of this device's into the inbox of another.
fn file(stage: &mut Stage, from: &mut Insider, to: &Insider, group: Option<sma_core::Hash>, update: Update) {
    let envelope = from.send(to, group, update);
    stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(envelope), true, stage.lab.now);
    if let Some(at) = stage.lab.by_id(to.id()) {
        stage.lab.notice(at, Folder::Inbox(to.id()));
    }
}

fn say(stage: &mut Stage, from: &mut Insider, at: usize, ops: Vec<SignedOp>) {
    let to = insider(stage, at);
    let envelope = from.update(&to, Said { ops, ..Said::default() });
    stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(envelope), true, stage.lab.now);
    stage.lab.notice(at, Folder::Inbox(to.id()));
    stage.settle();
}

/// A device of the thief's own, with a group of its own, that nobody ever paired.
fn accomplice() -> Insider {
    let mut den = Stage::new();
    let at = den.add(666);
    den.settle();
    insider(&den, at)
}

/// Time passes, also where the observer finds that a device was led astray for a while.
fn pass(stage: &mut Stage, days: u32) {
    for _ in 0..days {
        stage.lab.violation = None;
        stage.advance(DAY);
    }
}

fn removal(of: &Insider) -> Vec<u8> {
    wire::encode(&Removal { target: of.key(), cut: Default::default(), silent: false })
}

fn current(stage: &Stage, at: usize) -> Fingerprint {
    muaa(stage, at).account().current.unwrap()
}

fn told(stage: &Stage, at: usize, event: &Event) -> bool {
    stage.told.iter().any(|(whom, told)| *whom == at && told == event)
}

#[test]
fn the_key_that_a_stolen_member_held_is_not_current_after_its_removal_whatever_it_had_said_of_it() {
    for epoch in [0, 1, 2, 3, 1 << 20, 1 << 63, u64::MAX] {
        let (mut stage, [one, two, three]) = paired([1, 2, 3]);
        let shared = current(&stage, one);
        let mut thief = insider(&stage, three);
        stage.lab.stop(three);
        let notice = KeyNotice {
            fingerprint: shared,
            epoch,
            created: sma_core::Timestamp(0),
            generation: 0,
            version: sma_core::Hash([7; 32]),
        };
        let op = thief.op(Kind::AccountKey.number(), wire::encode(&notice));
        say(&mut stage, &mut thief, one, vec![op.clone()]);
        say(&mut stage, &mut thief, two, vec![op]);
        remove(&mut stage, one, 3);
        pass(&mut stage, 1);
        assert_ne!(current(&stage, one), shared, "{epoch}");
        assert_eq!(current(&stage, one), current(&stage, two), "{epoch}");
        // A person who wants it back is told why it cannot be.
        let secret = muaa(&stage, one).account_secret(&shared).unwrap().clone();
        let wish = stage.command(one, Command::AdoptKey { secret });
        assert!(wish.unwrap_err().contains("removed device"), "{epoch}");
    }
}

/// How a thief ends what it has without being removed.
#[derive(Clone, Copy, Debug)]
enum WayOut {
    ToItself,
    ToOneThatIsOut,
    InACircle,
    BehindWhatItKept,
}

/// It calls that a move, which is no end for which another key is made, if somebody goes on.
#[test]
fn mail_carries_no_key_of_a_stolen_member_that_goes_on_as_nobody() {
    for way in [WayOut::ToItself, WayOut::ToOneThatIsOut, WayOut::InACircle, WayOut::BehindWhatItKept] {
        let (mut stage, [one, two, three]) = paired([1, 2, 3]);
        let mut thief = insider(&stage, three);
        stage.lab.stop(three);
        let mut other = accomplice();
        let goes_on = |from: &mut Insider, to: &Introduction| from.op(Kind::Move.number(), wire::encode(to));
        let ops = match way {
            WayOut::ToItself => {
                let itself = thief.introduction();
                vec![goes_on(&mut thief, &itself)]
            }
            WayOut::ToOneThatIsOut => {
                let add = thief.op(Kind::Add.number(), wire::encode(&other.introduction()));
                say(&mut stage, &mut thief, one, vec![add]);
                remove(&mut stage, one, 666);
                pass(&mut stage, 1);
                thief.hear(&insider(&stage, one).log().ops());
                vec![goes_on(&mut thief, &other.introduction())]
            }
            WayOut::InACircle => {
                let there = goes_on(&mut thief, &other.introduction());
                other.enter(thief.log().clone());
                let back = goes_on(&mut other, &thief.introduction());
                vec![there, back]
            }
            WayOut::BehindWhatItKept => {
                thief.op(Kind::Alive.number(), vec![0xa0]);
                let there = goes_on(&mut thief, &other.introduction());
                other.enter(thief.log().clone());
                vec![there, goes_on(&mut other, &thief.introduction())]
            }
        };
        let shared = current(&stage, one);
        say(&mut stage, &mut thief, one, ops.clone());
        say(&mut stage, &mut thief, two, ops);
        pass(&mut stage, 2);
        // Whom a person sees a person can remove.
        while let Some(id) = members(&stage, one).into_iter().find(|id| ![1, 2].contains(id)) {
            remove(&mut stage, one, id);
        }
        pass(&mut stage, 2);
        assert_eq!(members(&stage, two), [1, 2], "{way:?}");
        assert_ne!(current(&stage, one), shared, "{way:?}");
        assert_eq!(current(&stage, one), current(&stage, two), "{way:?}");
    }
}

/// The thief's merge waits for a device that was off when the thief was removed.
#[test]
fn a_removed_device_leads_nobody_into_a_group_of_its_own() {
    for removed_first in [true, false] {
        let (mut stage, [a, b, c]) = paired([1, 27, 33]);
        let mut thief = insider(&stage, c);
        let (of_a, of_b) = (insider(&stage, a), insider(&stage, b));
        stage.lab.stop(c);
        stage.lab.stop(b);
        let lead = |stage: &mut Stage, thief: &mut Insider| {
            let mut den = accomplice();
            let introductions = [&of_a, &of_b, &*thief].map(Insider::introduction);
            for introduction in introductions {
                den.op(Kind::Add.number(), wire::encode(&introduction));
            }
            let into = den.log().group();
            let op = thief.op(Kind::Merge.number(), wire::encode(&Merge { into, follows: None }));
            let merged = Some(den.log().ops());
            let update = Update { ops: vec![op], merged, ..Update::new(of_b.key()) };
            file(stage, thief, &of_b, None, update);
        };
        if !removed_first {
            lead(&mut stage, &mut thief);
        }
        remove(&mut stage, a, 33);
        stage.settle();
        let after = current(&stage, a);
        // The server keeps from the other what was said of the removal, until later.
        let folder = Folder::Inbox(of_b.id());
        let hidden = stage.lab.store.folders.get(&folder).cloned().unwrap();
        let held: Vec<_> = hidden.messages.values().filter(|stored| !stored.injected).cloned().collect();
        std::sync::Arc::make_mut(stage.lab.store.folders.get_mut(&folder).unwrap())
            .messages
            .retain(|_, stored| stored.injected);
        if removed_first {
            lead(&mut stage, &mut thief);
        }
        stage.lab.start(b);
        stage.settle();
        for stored in held {
            stage.lab.store.put(folder, stored.kept, false, stage.lab.now);
        }
        stage.lab.notice(b, folder);
        pass(&mut stage, 40);
        assert_eq!((members(&stage, a), members(&stage, b)), (vec![1, 27], vec![1, 27]));
        assert_eq!(muaa(&stage, a).group(), muaa(&stage, b).group());
        assert_eq!((current(&stage, a), current(&stage, b)), (after, after));
        assert!(!told(&stage, a, &Event::MemberAdded { id: MuaaId(666), by: MuaaId(33) }));
    }
}

/// The same by another door: in the name of a group that all have left, in which nobody knows of the removal.
#[test]
fn whoever_is_removed_leads_nobody_away_in_the_name_of_a_former_group() {
    for seed in 0..4 {
        let (mut stage, [x, a]) = paired([9, 5]);
        let other = stage.add(700 + seed);
        stage.settle();
        stage.command(other, Command::StartApart).unwrap();
        stage.settle();
        let mut thief = insider(&stage, x);
        let former = thief.log().group();
        assert!(stage.pair(other, x));
        pass(&mut stage, 2);
        assert!(stage.are_paired(&[x, a, other]));
        stage.lab.stop(x);
        remove(&mut stage, other, 9);
        pass(&mut stage, 1);
        let expected = members(&stage, other);
        assert!(!expected.contains(&9));
        let mut den = accomplice();
        for at in [a, other] {
            let introduction = insider(&stage, at).introduction();
            den.op(Kind::Add.number(), wire::encode(&introduction));
        }
        let into = den.log().group();
        let merge = thief.op(Kind::Merge.number(), wire::encode(&Merge { into, follows: None }));
        for at in [a, other] {
            let to = insider(&stage, at);
            let update =
                Update { ops: vec![merge.clone()], merged: Some(den.log().ops()), ..Update::new(to.key()) };
            file(&mut stage, &mut thief, &to, Some(former), update);
        }
        pass(&mut stage, 3);
        for at in [a, other] {
            assert_eq!(members(&stage, at), expected, "{seed}");
            assert!(!members(&stage, at).contains(&666), "{seed}");
        }
    }
}

#[test]
fn who_was_removed_or_left_a_year_ago_ends_nobody() {
    for leaves in [false, true] {
        let (mut stage, [one, two, three]) = paired([1, 2, 3]);
        let mut thief = insider(&stage, three);
        if leaves {
            stage.command(three, Command::Leave).unwrap();
        } else {
            remove(&mut stage, one, 3);
        }
        pass(&mut stage, 365);
        let group = insider(&stage, one);
        for at in [one, two] {
            let of = insider(&stage, at);
            let op = thief.op(Kind::Remove.number(), removal(&of));
            say(&mut stage, &mut thief, one, vec![op.clone()]);
            say(&mut stage, &mut thief, two, vec![op]);
        }
        // And one for whom nobody has ever let in, to keep it away.
        let op = thief.op(Kind::Remove.number(), removal(&accomplice()));
        say(&mut stage, &mut thief, one, vec![op]);
        pass(&mut stage, 7);
        assert_eq!((members(&stage, one), members(&stage, two)), (vec![1, 2], vec![1, 2]), "{leaves}");
        assert_eq!(current(&stage, one), current(&stage, two));
        assert!(insider(&stage, one).log().len() <= group.log().len() + 5 + 2, "{leaves}");
        assert!(stage.lab.store.folders.contains_key(&Folder::Inbox(MuaaId(2))), "{leaves}");
    }
}

/// One that was removed sends its word to its remover at once.
#[test]
fn who_was_removed_does_not_remove_its_remover_in_turn() {
    for others in [vec![], vec![2]] {
        let (mut stage, devices) = match others.len() {
            0 => {
                let (stage, devices) = paired([1, 3]);
                (stage, devices.to_vec())
            }
            _ => {
                let (stage, devices) = paired([1, 2, 3]);
                (stage, devices.to_vec())
            }
        };
        let (one, three) = (devices[0], devices[devices.len() - 1]);
        let mut thief = insider(&stage, three);
        let of = insider(&stage, one);
        stage.lab.stop(three);
        remove(&mut stage, one, 3);
        let keys = muaa(&stage, one).account().keys;
        let op = thief.op(Kind::Remove.number(), removal(&of));
        for at in &devices[..devices.len() - 1] {
            say(&mut stage, &mut thief, *at, vec![op.clone()]);
        }
        pass(&mut stage, 7);
        for at in &devices[..devices.len() - 1] {
            assert!(matches!(muaa(&stage, *at).phase(), sma_core::Phase::Paired | sma_core::Phase::Alone));
            assert!(members(&stage, *at).contains(&1) && !members(&stage, *at).contains(&3));
            assert!(keys.iter().all(|key| muaa(&stage, *at).account_secret(key).is_some()));
            assert_eq!(current(&stage, *at), current(&stage, one));
        }
        let newcomer = stage.add(4);
        stage.settle();
        assert!(stage.pair(one, newcomer));
    }
}

#[test]
fn a_stolen_member_that_fills_the_log_is_removed_and_the_account_gets_a_new_key() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let mut thief = insider(&stage, three);
    stage.lab.stop(three);
    for round in 0..40 {
        let mut ops: Vec<_> = (0..100).map(|_| thief.op(99, vec![0x40; 2000])).collect();
        let secret = sma_core::Hash([round; 32]);
        let notice = |n: u64| KeyNotice {
            fingerprint: Fingerprint::new(&[round; 32]).unwrap(),
            epoch: n,
            created: sma_core::Timestamp(0),
            generation: n,
            version: secret,
        };
        ops.extend((0..50).map(|n| thief.op(Kind::AccountKey.number(), wire::encode(&notice(n)))));
        say(&mut stage, &mut thief, one, ops.clone());
        say(&mut stage, &mut thief, two, ops);
    }
    let before = muaa(&stage, one).account().current;
    assert_eq!(stage.command(one, Command::Remove { id: MuaaId(3) }), Ok(()));
    pass(&mut stage, 1);
    assert_eq!((members(&stage, one), members(&stage, two)), (vec![1, 2], vec![1, 2]));
    assert_ne!(Some(current(&stage, one)), before);
    assert_eq!(current(&stage, one), current(&stage, two));
    let newcomer = stage.add(4);
    stage.settle();
    assert!(stage.pair(one, newcomer), "there is room for another device");
}

#[test]
fn whom_a_device_let_in_that_had_moved_stays_when_that_one_is_removed() {
    let (mut stage, [one, two]) = paired([1, 2]);
    stage.lab.back_up(two);
    stage.command(two, Command::Rename { name: "desk".to_owned() }).unwrap();
    pass(&mut stage, 10);
    stage.lab.stop(two);
    stage.lab.restore_backup(two);
    stage.lab.start(two);
    pass(&mut stage, 10);
    let moved = stage.id(two).unwrap();
    assert_ne!(moved, MuaaId(2));
    let three = stage.add(3);
    stage.settle();
    assert!(stage.pair(two, three));
    pass(&mut stage, 3);
    stage.command(one, Command::Remove { id: moved }).unwrap();
    pass(&mut stage, 3);
    assert_eq!((members(&stage, one), members(&stage, three)), (vec![1, 3], vec![1, 3]));
    assert_eq!(current(&stage, one), current(&stage, three));
}

/// An id is of one key. Who lets a member, or itself, in again gives nobody another name: all are heard, and its removal reaches all.
#[test]
fn who_lets_members_in_once_more_makes_nobody_deaf_to_another() {
    let (mut stage, [one, two, three]) = paired([1, 2, 3]);
    let mut thief = insider(&stage, three);
    stage.lab.stop(three);
    let all: Vec<_> = [one, two, three].iter().map(|at| insider(&stage, *at)).collect();
    for other in &all {
        let again = Introduction { incarnation: 0, ..other.introduction() };
        let op = thief.op(Kind::Add.number(), wire::encode(&again));
        say(&mut stage, &mut thief, one, vec![op.clone()]);
        say(&mut stage, &mut thief, two, vec![op]);
    }
    pass(&mut stage, 3);
    assert_eq!((members(&stage, one), members(&stage, two)), (vec![1, 2, 3], vec![1, 2, 3]));
    remove(&mut stage, one, 3);
    pass(&mut stage, 3);
    assert_eq!((members(&stage, one), members(&stage, two)), (vec![1, 2], vec![1, 2]));
    assert_eq!(current(&stage, one), current(&stage, two));
    stage.command(two, Command::Rename { name: "heard".to_owned() }).unwrap();
    pass(&mut stage, 1);
    let names: Vec<_> = muaa(&stage, one).siblings().into_iter().filter_map(|sibling| sibling.name).collect();
    assert_eq!(names, ["heard"]);
}

#[test]
fn what_a_person_called_a_device_that_was_put_back_outranks_what_it_was_called_since_its_backup() {
    let (mut stage, [one, two]) = paired([1, 2]);
    let rename = |stage: &mut Stage, name: &str| {
        stage.command(two, Command::Rename { name: name.to_owned() }).unwrap();
    };
    stage.lab.back_up(two);
    for name in ["one", "two", "three"] {
        rename(&mut stage, name);
        pass(&mut stage, 1);
    }
    stage.lab.restore_backup(two);
    stage.lab.start(two);
    // Before it hears of what it said since.
    rename(&mut stage, "mine");
    pass(&mut stage, 10);
    let siblings = stage.lab.machines[one].muaa.as_ref().unwrap().siblings();
    let names: Vec<_> = siblings.into_iter().filter_map(|sibling| sibling.name).collect();
    assert_eq!(names, ["mine"]);
    assert_eq!(stage.broken(), None);
}
