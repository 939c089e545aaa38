//! Groups that become one, and those who lead where nobody should go.

use std::time::Duration;

use sma_core::{
    Class, Command, Envelope, Fingerprint, Folder, Hash, MuaaId, Phase, Token,
    state::{Merge, Veto},
    wire::{self, Kind, SignedOp, Update},
};
use sma_sim::{stage::Stage, store::Kept};
use sma_tests::{
    account::{insider, join, members, muaa},
    dice::Dice,
    insider::Insider,
    outsiders::{NOTHING, hide, pass},
};

fn current(stage: &Stage, at: usize) -> Option<Fingerprint> {
    muaa(stage, at).account().current
}

fn file(stage: &mut Stage, from: &mut Insider, to: &Insider, group: Option<Hash>, update: Update) {
    let envelope = from.send(to, group, update);
    stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(envelope), true, stage.lab.now);
    if let Some(at) = stage.lab.by_id(to.id()) {
        stage.lab.notice(at, Folder::Inbox(to.id()));
    }
}

/// A device that nobody ever paired, with a group of its own.
fn stranger(id: u64) -> Insider {
    let mut den = Stage::new();
    let at = join(&mut den, id, None);
    insider(&den, at)
}

fn merge(of: &mut Insider, into: Hash) -> SignedOp {
    of.op(Kind::Merge.number(), wire::encode(&Merge { into, follows: None }))
}

/// It is removed from a group, and lets a device of its own into the group that all came from, where nobody knows of that.
#[test]
fn whoever_is_removed_lets_nobody_in_by_way_of_a_group_that_all_have_left() {
    let mut found = Vec::new();
    for who_typed in 0..2 {
        for leads in [false, true] {
            for other_id in [700, 701, 702, 703] {
                let mut stage = Stage::new();
                let a = join(&mut stage, 5, None);
                let x = join(&mut stage, 9, Some(a));
                let other = join(&mut stage, other_id, None);
                let mut thief = insider(&stage, x);
                let former = thief.log().group();
                assert!(stage.pair(other, [a, x][who_typed]));
                pass(&mut stage, 3);
                assert!(stage.are_paired(&[x, a, other]));
                stage.lab.stop(x);
                stage.command(other, Command::Remove { id: MuaaId(9) }).unwrap();
                pass(&mut stage, 10);
                let expected = members(&stage, other);
                assert_eq!(expected, [5, other_id]);
                let key = current(&stage, other);
                let mut den = stranger(666);
                let own_log = den.log().clone();
                let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
                den.enter(thief.log().clone());
                den.hear(std::slice::from_ref(&add));
                for at in [a, other] {
                    let to = insider(&stage, at);
                    let mut ops = vec![add.clone()];
                    let mut merged = None;
                    if leads {
                        let mut home = den.clone();
                        home.enter(own_log.clone());
                        home.op(Kind::Add.number(), wire::encode(&to.introduction()));
                        merged = Some(home.log().ops());
                        ops.push(merge(&mut den, own_log.group()));
                    } else {
                        ops.push(den.op(Kind::Alive.number(), NOTHING.to_vec()));
                    }
                    let update = Update { ops, merged, ..Update::new(to.key()) };
                    file(&mut stage, &mut den, &to, Some(former), update);
                }
                pass(&mut stage, 10);
                for at in [a, other] {
                    if members(&stage, at) != expected || current(&stage, at) != key {
                        found.push(format!(
                            "{} typed, leads {leads}, {other_id}: {at} has {:?}",
                            ["5", "the thief"][who_typed],
                            members(&stage, at)
                        ));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// 2 is off while its group goes over to another, in which 3 is removed; what 3 said of that in the former group waits for 2. A veto keeps
/// back who has not gone, whoever signed it: so 2 goes nowhere by itself, and a person fetches it.
#[test]
fn whom_a_late_veto_of_a_stolen_member_keeps_back_is_fetched_by_a_code() {
    let mut found = Vec::new();
    for out in [true, false] {
        let mut stage = Stage::new();
        let one = join(&mut stage, 1, None);
        let two = join(&mut stage, 2, Some(one));
        let three = join(&mut stage, 3, Some(one));
        let other = join(&mut stage, 700, None);
        stage.settle();
        stage.lab.stop(two);
        let mut thief = insider(&stage, three);
        assert!(stage.pair(other, one));
        pass(&mut stage, 3);
        stage.lab.stop(three);
        if out {
            stage.command(other, Command::Remove { id: MuaaId(3) }).unwrap();
            pass(&mut stage, 5);
        }
        let own: Vec<Hash> = former_merges(&stage, one);
        for hash in own {
            let veto = thief.op(Kind::Veto.number(), wire::encode(&Veto { merge: hash }));
            let to = insider(&stage, two);
            let update = Update { ops: vec![veto], ..Update::new(to.key()) };
            file(&mut stage, &mut thief, &to, None, update);
        }
        // What the others told it comes later.
        let folder = Folder::Inbox(MuaaId(2));
        let mailbox = std::sync::Arc::make_mut(stage.lab.store.folders.get_mut(&folder).unwrap());
        let held: Vec<_> = mailbox
            .messages
            .values()
            .filter(|stored| {
                !stored.injected && !matches!(&stored.kept, Kept::Envelope(said) if said.sender == MuaaId(3))
            })
            .cloned()
            .collect();
        mailbox.messages.retain(|_, stored| stored.injected);
        stage.lab.start(two);
        stage.settle();
        for stored in held {
            stage.lab.store.put(folder, stored.kept, false, stage.lab.now);
        }
        stage.lab.notice(two, folder);
        pass(&mut stage, 60);
        if members(&stage, two) != [1, 2, 3] {
            found.push(format!("out {out}: kept back is {:?}", members(&stage, two)));
        }
        stage.command(two, Command::Remove { id: MuaaId(3) }).unwrap();
        assert!(stage.pair(one, two));
        pass(&mut stage, 5);
        for at in [one, two, other] {
            if members(&stage, at) != [1, 2, 700] {
                found.push(format!("out {out}: {at} has {:?}", members(&stage, at)));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The merges that this device's former groups hold, as the octets of its saved state have them.
fn former_merges(stage: &Stage, at: usize) -> Vec<Hash> {
    let logs = Insider::former_logs(&stage.lab.machines[at]);
    let merges = |log: &sma_core::state::Log| -> Vec<Hash> {
        let merges =
            log.entries().filter(|(_, entry)| matches!(entry.body, sma_core::state::LogBody::Merge(_)));
        merges.map(|(hash, _)| *hash).collect()
    };
    let found: Vec<_> = logs.iter().flat_map(merges).collect();
    assert!(!found.is_empty());
    found
}

/// A thief leads a device away, and from there on, while the one who will remove it is away.
#[test]
fn a_device_that_was_led_through_two_groups_of_a_thief_comes_back_when_the_thief_is_removed() {
    let mut found = Vec::new();
    for seed in 0..6 {
        let mut stage = Stage::new();
        let one = join(&mut stage, 1, None);
        let two = join(&mut stage, 2, Some(one));
        let three = join(&mut stage, 3, Some(one));
        stage.settle();
        let (mut thief, of_one, of_two) =
            (insider(&stage, three), insider(&stage, one), insider(&stage, two));
        stage.lab.stop(three);
        stage.cut.insert(one);
        // The first den, and the second.
        let mut first = stranger(600 + seed);
        for who in [&of_one, &of_two, &thief] {
            first.op(Kind::Add.number(), wire::encode(&who.introduction()));
        }
        let op = merge(&mut thief, first.log().group());
        let update = Update { ops: vec![op], merged: Some(first.log().ops()), ..Update::new(of_two.key()) };
        file(&mut stage, &mut thief, &of_two, None, update);
        pass(&mut stage, 1);
        let led = members(&stage, two).contains(&(600 + seed));
        let mut second = stranger(800 + seed);
        for who in [&of_one, &of_two] {
            second.op(Kind::Add.number(), wire::encode(&who.introduction()));
        }
        let op = merge(&mut first, second.log().group());
        let update = Update { ops: vec![op], merged: Some(second.log().ops()), ..Update::new(of_two.key()) };
        file(&mut stage, &mut first, &of_two, None, update);
        pass(&mut stage, 1);
        let led_again = members(&stage, two).contains(&(800 + seed));
        stage.command(one, Command::Remove { id: MuaaId(3) }).unwrap();
        stage.cut.clear();
        pass(&mut stage, 40);
        let (ours, theirs) = (members(&stage, one), members(&stage, two));
        if ours != [1, 2]
            || theirs != [1, 2]
            || muaa(&stage, one).group() != muaa(&stage, two).group()
            || current(&stage, one) != current(&stage, two)
        {
            found.push(format!("{seed} led {led} {led_again}: {ours:?} {theirs:?}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn groups_whose_members_let_each_other_in_crosswise_become_one() {
    let mut found = Vec::new();
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut stage = Stage::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut id = 1;
        for _ in 0..2 + dice.below(2) {
            let mut devices = vec![join(&mut stage, id + dice.below(40), None)];
            for _ in 0..dice.below(3) {
                id += 50;
                devices.push(join(&mut stage, id, Some(devices[0])));
            }
            id += 50;
            groups.push(devices);
        }
        stage.settle();
        let all: Vec<usize> = groups.iter().flatten().copied().collect();
        let count = groups.len();
        let (mut said, mut paired) = (Vec::new(), true);
        for n in 0..count {
            let (from, to) = (&groups[n], &groups[(n + 1) % count]);
            let shows = from[dice.below(from.len() as u64) as usize];
            let types = to[dice.below(to.len() as u64) as usize];
            for at in &all {
                if ![shows, types].contains(at) && dice.below(3) > 0 {
                    stage.cut.insert(*at);
                }
            }
            paired &= stage.pair(shows, types);
            said.push(format!("{shows} shows {types} types: {paired}, cut {:?}", stage.cut));
            if dice.below(2) == 0 {
                stage.cut.clear();
                stage.advance(Duration::from_secs(dice.below(20) * 3600));
            }
            stage.cut.clear();
        }
        pass(&mut stage, 60);
        stage.lab.violation = None;
        let first = muaa(&stage, all[0]);
        let same = all.iter().all(|at| {
            muaa(&stage, *at).group() == first.group()
                && muaa(&stage, *at).members() == first.members()
                && muaa(&stage, *at).members().len() == all.len()
                && muaa(&stage, *at).phase() == Phase::Paired
                && current(&stage, *at) == current(&stage, all[0])
        });
        if paired && !same {
            let views: Vec<_> = all
                .iter()
                .map(|at| (stage.id(*at).map(|id| id.0), muaa(&stage, *at).phase(), members(&stage, *at)))
                .collect();
            found.push(format!("{seed}: {groups:?} {said:?}: {views:?}"));
        }
    }
    assert!(found.is_empty(), "{}: {found:#?}", found.len());
}

/// Somebody who holds what a removed device saved goes on under another key in the group which that device had left, before anybody
/// there hears of the removal. Then a person makes one group of the two, from either side.
#[test]
fn whoever_is_removed_stays_out_under_the_key_that_it_moved_to_in_another_group() {
    for member_enters in [true, false] {
        for moves_again in [false, true] {
            for other_id in [700, 701, 702, 703] {
                let mut stage = Stage::new();
                let y = join(&mut stage, 5, None);
                let x = join(&mut stage, 9, Some(y));
                pass(&mut stage, 3);
                let mut thief = insider(&stage, x);
                stage.lab.stop(y);
                let a = join(&mut stage, other_id, None);
                assert!(stage.pair(a, x));
                pass(&mut stage, 3);
                assert!(stage.are_paired(&[a, x]));
                stage.lab.stop(x);
                stage.command(a, Command::Remove { id: MuaaId(9) }).unwrap();
                pass(&mut stage, 1);
                hide(&mut stage, 5);

                let (mut first, mut second) = (stranger(666), stranger(667));
                let mut ops = vec![thief.op(Kind::Move.number(), wire::encode(&first.introduction()))];
                first.enter(thief.log().clone());
                if moves_again {
                    ops.push(first.op(Kind::Move.number(), wire::encode(&second.introduction())));
                    second.enter(first.log().clone());
                }
                let to = {
                    stage.lab.start(y);
                    insider(&stage, y)
                };
                let update = Update { ops, ..Update::new(to.key()) };
                file(&mut stage, &mut thief, &to, None, update);
                stage.settle();
                let moved = if moves_again { 667 } else { 666 };
                assert_eq!(members(&stage, y), [5, moved], "the group of that one does not know better");

                assert!(if member_enters { stage.pair(y, a) } else { stage.pair(a, y) });
                pass(&mut stage, 20);
                for at in [a, y] {
                    let why = format!("{at}, {other_id}, {member_enters}, {moves_again}");
                    assert_eq!(members(&stage, at), [5, other_id], "{why}");
                }
                assert_eq!(muaa(&stage, a).group(), muaa(&stage, y).group());
                assert_eq!(current(&stage, a), current(&stage, y));
            }
        }
    }
}

/// It asked two groups to be let in, and the one never heard that the other let it in and removed it.
#[test]
fn what_a_removed_device_asked_another_group_for_is_cleared_away_though_its_announcement_comes_back() {
    let mut stage = Stage::new();
    let (one, two) = (join(&mut stage, 1, None), join(&mut stage, 2, None));
    stage.lab.stop(one);
    let guest = stage.add(5);
    stage.settle();
    let id = stage.id(guest).unwrap();
    let by_guest = |stage: &Stage| {
        let envelopes = stage.lab.store.envelopes();
        envelopes
            .filter(|(.., envelope)| envelope.sender == id)
            .map(|(.., envelope)| envelope.clone())
            .collect::<Vec<_>>()
    };
    assert!(stage.pair(two, guest));
    stage.settle();
    let announcement = by_guest(&stage).into_iter().find(|envelope| envelope.class == Class::Announcement);
    stage.command(two, Command::Remove { id }).unwrap();
    pass(&mut stage, 3);
    stage.lab.stop(guest);
    let announcement = Envelope { token: Token([7; 16]), ..announcement.unwrap() };
    stage.lab.store.put(Folder::Announcements, Kept::Envelope(announcement), true, stage.lab.now);
    stage.lab.start(one);
    stage.settle();
    assert!(by_guest(&stage).iter().any(|envelope| envelope.class == Class::Request));
    assert!(stage.pair(one, two));
    pass(&mut stage, 10);
    assert_eq!(by_guest(&stage), [], "nobody clears it away");
    assert_eq!(stage.broken(), None);
}

/// Each half let it in by a code; the accept of the one is there when a person types the code of the other.
#[test]
fn a_device_that_both_halves_let_in_is_listed_by_the_one_that_it_is_with() {
    let mut stage = Stage::new();
    let one = join(&mut stage, 1, None);
    let four = join(&mut stage, 4, Some(one));
    pass(&mut stage, 2);
    stage.cut.insert(four);
    stage.command(one, Command::Remove { id: MuaaId(4) }).unwrap();
    let three = join(&mut stage, 3, Some(one));
    pass(&mut stage, 2);
    stage.cut.extend([one, three]);
    stage.cut.remove(&four);
    stage.lab.stop(four);
    hide(&mut stage, 4);
    stage.lab.start(four);
    stage.command(four, Command::Remove { id: MuaaId(1) }).unwrap();
    stage.settle();
    let five = stage.add(5);
    stage.settle();
    stage.cut.remove(&three);
    pass(&mut stage, 1);
    stage.offer(three, five).unwrap();
    stage.offer(four, five).unwrap();
    stage.settle();
    stage.cut.insert(four);
    stage.type_code(three, five).unwrap();
    while stage.turn_of(five) {}
    stage.cut.insert(five);
    stage.settle();
    assert!(members(&stage, three).contains(&5));
    stage.cut.insert(three);
    stage.type_code(four, five).unwrap();
    stage.cut.retain(|at| ![four, five].contains(at));
    stage.advance(Duration::from_secs(300));
    assert_eq!(members(&stage, five), [4, 5]);
    stage.cut.clear();
    pass(&mut stage, 40);
    assert_eq!([one, three].map(|at| members(&stage, at)), [[1, 3], [1, 3]]);
    assert_eq!([four, five].map(|at| members(&stage, at)), [[4, 5], [4, 5]]);
    assert_eq!(stage.broken(), None);
}

/// Two groups let each other in while one device was off, and who brought it along is removed on both sides: it knows nothing of the merges,
/// and by its removal they do not count. Whichever group the others went on in, none of them takes in again who was removed, and a code fetches
/// it.
#[test]
fn a_device_that_removed_the_one_who_brought_it_along_is_fetched_by_a_code() {
    let mut found = Vec::new();
    for other in 0..20 {
        let mut stage = Stage::new();
        let four = join(&mut stage, 4, None);
        let one = join(&mut stage, 1, Some(four));
        let two = join(&mut stage, 100 + other, None);
        let five = join(&mut stage, 200 + other, Some(two));
        pass(&mut stage, 2);
        stage.lab.stop(four);
        stage.offer(one, two).unwrap();
        stage.settle();
        stage.type_code(one, two).unwrap();
        while stage.turn_of(two) {}
        stage.cut.insert(two);
        stage.settle();
        stage.offer(five, one).unwrap();
        stage.settle();
        stage.type_code(five, one).unwrap();
        stage.settle();
        stage.cut.clear();
        pass(&mut stage, 3);
        stage.command(five, Command::Remove { id: MuaaId(1) }).unwrap();
        pass(&mut stage, 1);
        stage.lab.stop(one);
        hide(&mut stage, 4);
        hide(&mut stage, 1);
        stage.lab.start(four);
        stage.settle();
        stage.command(four, Command::Remove { id: MuaaId(1) }).unwrap();
        pass(&mut stage, 40);
        let paired = stage.pair(two, four);
        pass(&mut stage, 5);
        let all = [four, two, five].map(|at| members(&stage, at));
        if !paired || all.iter().any(|all| *all != [4, 100 + other, 200 + other]) || stage.broken().is_some()
        {
            found.push(format!("{other}: paired {paired}, {all:?}, {:?}", stage.broken()));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// 3 wrote to 4 from another group. Its remover comes to 4, where only the removal is known of it, and the subkey that it sealed to is
/// destroyed meanwhile.
#[test]
fn what_a_removed_device_of_another_group_wrote_is_cleared_away_though_nobody_can_open_it_any_more() {
    let mut stage = Stage::new();
    let four = join(&mut stage, 4, None);
    let two = join(&mut stage, 2, None);
    let three = join(&mut stage, 3, Some(two));
    pass(&mut stage, 2);
    let (mut from, to) = (insider(&stage, three), insider(&stage, four));
    let group = from.log().group();
    let update = Update::new(to.key());
    file(&mut stage, &mut from, &to, Some(group), update);
    stage.command(two, Command::Remove { id: MuaaId(3) }).unwrap();
    pass(&mut stage, 100);
    let lies_there = |stage: &Stage| {
        let by_it = |kept: &Kept| matches!(kept, Kept::Envelope(said) if said.sender == MuaaId(3));
        stage.lab.store.folders[&Folder::Inbox(MuaaId(4))].messages.values().any(|stored| by_it(&stored.kept))
    };
    assert!(lies_there(&stage), "nothing is known of its sender");
    assert!(stage.pair(four, two));
    pass(&mut stage, 5);
    assert!(!lies_there(&stage), "nobody clears it away");
}

/// 6 types the code of 1, and is led into the group of 1 by another way before it reads that 1 let it in. There, 1 is nobody: one that
/// had been removed let in who let it in.
#[test]
fn what_lets_a_device_in_where_its_author_is_nobody_is_cleared_away() {
    let mut stage = Stage::new();
    let two = join(&mut stage, 2, None);
    let three = join(&mut stage, 3, Some(two));
    let seven = join(&mut stage, 7, None);
    let six = join(&mut stage, 6, Some(seven));
    pass(&mut stage, 2);
    stage.cut.insert(two);
    let eight = join(&mut stage, 8, Some(three));
    let one = join(&mut stage, 1, Some(eight));
    stage.cut.extend([three, eight, seven]);
    stage.offer(one, six).unwrap();
    stage.settle();
    stage.type_code(one, six).unwrap();
    while stage.turn_of(six) {}
    stage.cut.insert(six);
    stage.settle();
    let folder = Folder::Inbox(MuaaId(6));
    let mailbox = std::sync::Arc::make_mut(stage.lab.store.folders.get_mut(&folder).unwrap());
    let is_accept = |kept: &Kept| matches!(kept, Kept::Envelope(said) if said.class == Class::Accept);
    let accept = mailbox.messages.values().find(|stored| is_accept(&stored.kept)).unwrap().kept.clone();
    mailbox.messages.retain(|_, stored| !is_accept(&stored.kept));
    stage.cut.clear();
    stage.cut.extend([one, three, eight]);
    stage.command(two, Command::Remove { id: MuaaId(3) }).unwrap();
    stage.settle();
    stage.pair(two, seven);
    pass(&mut stage, 5);
    assert_eq!(members(&stage, six), [2, 6, 7]);
    stage.lab.store.put(folder, accept, false, stage.lab.now);
    stage.lab.notice(six, folder);
    stage.settle();
    assert!(!stage.lab.store.folders[&folder].messages.values().any(|stored| is_accept(&stored.kept)));
    assert_eq!(members(&stage, six), [2, 6, 7]);
}

/// Who let it in is removed by one that knew of nothing after. It is in its former group again, and all of the other one have its keys.
#[test]
fn mail_of_a_device_that_goes_back_carries_no_key_that_the_other_group_has() {
    let mut stage = Stage::new();
    let four = join(&mut stage, 4, None);
    let one = join(&mut stage, 1, Some(four));
    pass(&mut stage, 2);
    stage.lab.stop(four);
    let six = join(&mut stage, 6, Some(one));
    let two = join(&mut stage, 2, None);
    let before = current(&stage, two).unwrap();
    stage.pair(one, two);
    pass(&mut stage, 3);
    assert_eq!(members(&stage, two), [1, 2, 4, 6]);
    let held: Vec<_> = muaa(&stage, six).account_keys().collect();
    assert!(held.contains(&before));
    hide(&mut stage, 4);
    stage.cut.extend([one, two, six]);
    stage.lab.start(four);
    stage.settle();
    stage.command(four, Command::Remove { id: MuaaId(1) }).unwrap();
    stage.settle();
    stage.cut.clear();
    pass(&mut stage, 5);
    assert_eq!(members(&stage, two), [2]);
    assert!(!held.contains(&current(&stage, two).unwrap()));
}
