//! What whoever is out does to those who stay: alone, with accomplices it makes up, or with others that are out as well.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

use std::collections::BTreeSet;

use sma_core::{
    Command, Crypto, Fingerprint, Folder, Hash, MuaaId, Op, Phase,
    state::{KeyNotice, Removal},
    wire::{self, Kind, SignedOp, Update},
};
use sma_sim::{stage::Stage, store::Kept, symbolic::Symbolic};
use sma_tests::{
    account::{insider, join, members, muaa, paired},
    dice::Dice,
    insider::{Insider, Said},
    outsiders::{
        NOTHING, all_have, current, expiry, group, in_the_group_of, made_up, pass, removal, remove, say,
    },
};

/// One that was removed lets a device of its own in, which then removes.
#[test]
fn nobody_that_a_removed_device_lets_in_afterwards_ends_anybody() {
    let mut found = Vec::new();
    for leaves in [false, true] {
        for wait in [0, 365] {
            for target in 0..2 {
                let (mut stage, [one, two, three]) = paired([1, 2, 3]);
                let mut thief = insider(&stage, three);
                let before = thief.clone();
                if leaves {
                    stage.command(three, Command::Leave).unwrap();
                } else {
                    remove(&mut stage, one, 3);
                }
                pass(&mut stage, wait.max(1));
                let [den] = made_up();
                let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
                let mut den = in_the_group_of(den, &before, std::slice::from_ref(&add));
                let of = insider(&stage, [one, two][target]);
                let op = den.op(Kind::Remove.number(), removal(&of));
                for at in [one, two] {
                    say(&mut stage, &mut thief, at, &[add.clone(), op.clone()]);
                }
                pass(&mut stage, 7);
                if let Err(what) = all_have(&stage, &[one, two], &[1, 2]) {
                    found.push(format!("leaves {leaves} wait {wait} target {target}: {what}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// One that was removed removes its remover, and has a made-up device say that it knew that first.
#[test]
fn no_device_that_a_removed_one_made_up_is_a_witness_against_the_remover() {
    let mut found = Vec::new();
    for others in [0, 1, 2] {
        for wait in [1, 365] {
            let (mut stage, devices) = match others {
                0 => {
                    let (s, d) = paired([1, 3]);
                    (s, d.to_vec())
                }
                1 => {
                    let (s, d) = paired([1, 2, 3]);
                    (s, d.to_vec())
                }
                _ => {
                    let (s, d) = paired([1, 2, 4, 3]);
                    (s, d.to_vec())
                }
            };
            let (three, stay) = devices.split_last().unwrap();
            let mut thief = insider(&stage, *three);
            let of = insider(&stage, stay[0]);
            remove(&mut stage, stay[0], 3);
            pass(&mut stage, wait);
            let [den] = made_up();
            let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
            let op = thief.op(Kind::Remove.number(), removal(&of));
            let mut den = in_the_group_of(den, &thief, &[]);
            let alive = den.op(Kind::Alive.number(), NOTHING.to_vec());
            for at in stay {
                say(&mut stage, &mut thief, *at, &[add.clone(), op.clone(), alive.clone()]);
            }
            pass(&mut stage, 7);
            let ids: Vec<u64> = [1, 2, 4].into_iter().take(stay.len()).collect();
            if let Err(what) = all_have(&stage, stay, &ids) {
                found.push(format!("others {others} wait {wait}: {what}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A sole device, and devices that collude: both were removed, or one was removed and one left.
#[test]
fn two_that_are_out_do_not_together_undo_their_removal_or_end_anybody() {
    let mut found = Vec::new();
    for leaves in [false, true] {
        for wait in [1, 365] {
            for variant in 0..8 {
                let (mut stage, [one, two, three, four]) = paired([1, 2, 3, 4]);
                let (mut x, mut w) = (insider(&stage, three), insider(&stage, four));
                let of = insider(&stage, one);
                if leaves {
                    stage.command(four, Command::Leave).unwrap();
                    stage.settle();
                } else {
                    remove(&mut stage, one, 4);
                }
                remove(&mut stage, one, 3);
                pass(&mut stage, wait);
                // Each may have said something against the remover, and each may bear witness for the other.
                let mut ops = Vec::new();
                if variant & 1 != 0 {
                    ops.push(x.op(Kind::Remove.number(), removal(&of)));
                }
                w.hear(&ops);
                if variant & 2 != 0 {
                    ops.push(w.op(Kind::Remove.number(), removal(&of)));
                } else {
                    ops.push(w.op(Kind::Alive.number(), NOTHING.to_vec()));
                }
                x.hear(&ops);
                if variant & 4 != 0 {
                    ops.push(x.op(Kind::Alive.number(), NOTHING.to_vec()));
                }
                for at in [two, one] {
                    say(&mut stage, &mut x, at, &ops);
                }
                pass(&mut stage, 7);
                if let Err(what) = all_have(&stage, &[one, two], &[1, 2]) {
                    found.push(format!("leaves {leaves} wait {wait} variant {variant:03b}: {what}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn raw(key: Fingerprint, cut: &[Hash]) -> Vec<u8> {
    wire::encode(&Removal { target: key, cut: cut.iter().copied().collect(), silent: false })
}

/// What so many thieves, and so many devices that they make up, say at random after all of them were removed.
fn random_words(seed: u64, thieves: usize, dens: usize, leave: bool) -> Option<String> {
    let mut dice = Dice(seed);
    let (mut stage, all) = paired([1, 2, 3, 4, 5]);
    // The thieves may be let in by anybody, and the remover may be the founder or not.
    let honest = &all[..5 - thieves];
    let crooks = &all[5 - thieves..];
    let ids: Vec<u64> = (1..=honest.len() as u64).collect();
    let mut speakers: Vec<Insider> = crooks.iter().map(|at| insider(&stage, *at)).collect();
    let mut said = Vec::new();
    let mut ops: Vec<SignedOp> = Vec::new();
    let held: BTreeSet<Fingerprint> = muaa(&stage, all[0]).account_keys().collect();
    for (number, crook) in crooks.iter().enumerate() {
        let by = honest[dice.below(honest.len() as u64) as usize];
        if leave && number == 0 {
            stage.command(*crook, Command::Leave).unwrap();
            said.push(format!("{} leaves", crook + 1));
        } else {
            remove(&mut stage, by, *crook as u64 + 1);
            said.push(format!("{} removes {}", by + 1, crook + 1));
        }
        stage.settle();
    }
    pass(&mut stage, 2);
    stage.told.clear();
    let end = insider(&stage, honest[0]);
    let targets: Vec<Insider> = honest.iter().map(|at| insider(&stage, *at)).collect();
    let mut made = match dens {
        0 => vec![],
        1 => made_up::<1>().to_vec(),
        _ => made_up::<2>().to_vec(),
    };
    let early: Vec<Insider> = speakers.clone();
    for _ in 0..3 + dice.below(6) {
        let count = speakers.len();
        let who = dice.below(count as u64) as usize;
        let target = dice.below(targets.len() as u64) as usize;
        let (kind, body, what) = match dice.below(10) {
            0..=3 => {
                let cut: Vec<_> = if dice.below(2) == 0 {
                    vec![]
                } else {
                    end.log().heads().get(&targets[target].key()).map(|(_, hash)| *hash).into_iter().collect()
                };
                (
                    Kind::Remove,
                    raw(targets[target].key(), &cut),
                    format!("removes {} cut {}", target + 1, cut.len()),
                )
            }
            4 | 5 => (Kind::Alive, NOTHING.to_vec(), "alive".to_owned()),
            6 if !made.is_empty() => {
                let den = made.pop().unwrap();
                let body = wire::encode(&den.introduction());
                let group = speakers[who].clone();
                let den = in_the_group_of(den, &group, &[]);
                speakers.push(den);
                (Kind::Add, body, format!("adds #{count}"))
            }
            7 => (Kind::Remove, expiry(&targets[target]), format!("expires {}", target + 1)),
            8 => {
                let notice = KeyNotice {
                    fingerprint: *held.first().unwrap(),
                    epoch: 2 + dice.below(4),
                    created: sma_core::Timestamp(0),
                    generation: 0,
                    version: Hash([7; 32]),
                };
                (Kind::AccountKey, wire::encode(&notice), "names the old key".to_owned())
            }
            _ => {
                // Back to what it was when it was removed: the next has a number that it used before.
                if let Some(before) = early.get(who) {
                    speakers[who] = before.clone();
                }
                said.push(format!("#{who} goes back"));
                continue;
            }
        };
        let op = speakers[who].op(kind.number(), body);
        said.push(format!("#{who} {what}"));
        for (other, speaker) in speakers.iter_mut().enumerate() {
            if other != who && dice.below(2) == 0 {
                said.push(format!("  heard by #{other}"));
                speaker.hear(std::slice::from_ref(&op));
            }
        }
        ops.push(op);
    }
    // All at once, or one after the other, to one or to all.
    let mut mouth = speakers[0].clone();
    let at_once = dice.below(2) == 0;
    let first = dice.below(honest.len() as u64) as usize;
    said.push(format!("told to {} first, at once {at_once}", first + 1));
    for n in 0..honest.len() {
        let at = honest[(first + n) % honest.len()];
        if at_once {
            say(&mut stage, &mut mouth, at, &ops);
        } else {
            for op in &ops {
                say(&mut stage, &mut mouth, at, std::slice::from_ref(op));
            }
        }
        if dice.below(2) == 0 {
            pass(&mut stage, 1);
        }
    }
    pass(&mut stage, 30);
    let mut what = all_have(&stage, honest, &ids).err();
    for at in honest {
        if let Some(muaa) = &stage.lab.machines[*at].muaa
            && muaa.account().current.is_some_and(|key| held.contains(&key))
        {
            what = Some(format!("{at}: the old key is current; {what:?}"));
        }
    }
    what.map(|what| format!("{seed}: {said:?}: {what}"))
}

fn sweep(seeds: u64, thieves: usize, dens: usize, leave: bool) -> Vec<String> {
    (0..seeds).filter_map(|seed| random_words(seed, thieves, dens, leave)).collect()
}

#[test]
fn whatever_one_that_left_says_the_others_stay() {
    assert_eq!(sweep(60, 1, 0, true), Vec::<String>::new());
}

#[test]
fn whatever_those_who_are_out_say_the_others_stay() {
    let mut found = sweep(60, 1, 0, false);
    found.extend(sweep(60, 1, 2, false));
    found.extend(sweep(60, 2, 0, false));
    found.extend(sweep(60, 2, 0, true));
    found.sort_by_key(String::len);
    assert_eq!(found, Vec::<String>::new());
}

/// It tells something harmless that follows its removal of a member, and the removal itself only later.
#[test]
fn nobody_is_made_to_know_a_removal_that_it_has_not_seen() {
    let mut found = Vec::new();
    for wait in [1, 200] {
        for target in [1, 2] {
            let (mut stage, devices) = group(4);
            let (honest, three) = (&devices[..3], devices[3]);
            let mut thief = insider(&stage, three);
            remove(&mut stage, devices[1], 4);
            pass(&mut stage, wait);
            let op = thief.op(Kind::Remove.number(), removal(&insider(&stage, devices[target])));
            let after = thief.op(Kind::Alive.number(), NOTHING.to_vec());
            for at in honest {
                say(&mut stage, &mut thief, *at, std::slice::from_ref(&after));
            }
            pass(&mut stage, 8);
            for at in [0, 1, 2].into_iter().filter(|at| *at != target) {
                say(&mut stage, &mut thief, honest[at], std::slice::from_ref(&op));
            }
            pass(&mut stage, 30);
            if let Err(what) = all_have(&stage, honest, &[1, 2, 3]) {
                found.push(format!("wait {wait}, {} is removed: {what}", target + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A stranger that fills the announcements may keep it from being known.
#[test]
fn whoever_is_out_and_not_announced_is_told_so_once_a_day_however_often_it_writes() {
    let (mut stage, [one, _, three]) = paired([1, 2, 3]);
    let mut thief = insider(&stage, three);
    stage.lab.stop(three);
    let [den] = made_up();
    let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let mut den = in_the_group_of(den, &insider(&stage, one), std::slice::from_ref(&add));
    say(&mut stage, &mut thief, one, &[add]);
    remove(&mut stage, one, den.id().0);
    pass(&mut stage, 2);
    let folder = Folder::Inbox(den.id());
    stage.lab.store.apply(&Op::CreateFolder(folder), stage.lab.now).unwrap();
    let to = insider(&stage, one);
    let mut told = BTreeSet::new();
    for n in 0..50 {
        let update = Update { digest: Hash([n; 32]), ..Update::new(to.key()) };
        let said = den.send(&to, None, update);
        stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(said), true, stage.lab.now);
        stage.lab.notice(one, Folder::Inbox(to.id()));
        stage.settle();
        told.extend(stage.lab.store.folders[&folder].messages.keys().copied());
    }
    assert_eq!(told.len(), 1, "it is told, and once");
}

/// Devices 1, 2 and 4, and the keys of 3, which let 2 in and was stolen.
fn with_a_thief_that_let_one_in() -> (Stage, [usize; 3], Insider) {
    let mut stage = Stage::new();
    let one = join(&mut stage, 1, None);
    let three = join(&mut stage, 3, Some(one));
    let two = join(&mut stage, 2, Some(three));
    let four = join(&mut stage, 4, Some(one));
    let thief = insider(&stage, three);
    stage.lab.stop(three);
    pass(&mut stage, 1);
    (stage, [one, two, four], thief)
}

/// The same with its removal of a member: whoever heard it tells it to all with its own.
#[test]
fn a_removal_that_a_thief_kept_from_one_member_holds_for_all_or_none_when_the_other_removes_the_thief() {
    let (mut stage, [one, two, four], mut thief) = with_a_thief_that_let_one_in();
    let target = insider(&stage, one).key();
    let cut = thief.log().tips(&target, u64::MAX);
    let kept = thief.op(Kind::Remove.number(), wire::encode(&Removal { target, cut, silent: false }));
    let said = thief.op(Kind::Alive.number(), NOTHING.to_vec());
    say(&mut stage, &mut thief, four, std::slice::from_ref(&said));
    stage.cut.extend([one, four]);
    say(&mut stage, &mut thief, two, &[kept, said]);
    remove(&mut stage, two, 3);
    stage.cut.clear();
    pass(&mut stage, 1);
    assert_eq!(members(&stage, four), members(&stage, two));
    assert!(members(&stage, two).contains(&4), "they stay together");
    assert_eq!(current(&stage, four), current(&stage, two));
}

/// It tells one member what it keeps from another, and goes on from there for both; then the first removes it.
#[test]
fn what_a_thief_kept_from_one_member_parts_nobody_when_the_other_removes_it() {
    for ends in [removal, expiry] {
        let (mut stage, [one, two, four], mut thief) = with_a_thief_that_let_one_in();
        let [nobody] = made_up();
        let kept = thief.op(Kind::Remove.number(), ends(&nobody));
        let said = thief.op(Kind::Alive.number(), NOTHING.to_vec());
        stage.cut.extend([one, four]);
        say(&mut stage, &mut thief, two, &[kept, said.clone()]);
        remove(&mut stage, two, 3);
        stage.cut.clear();
        for at in [one, four] {
            say(&mut stage, &mut thief, at, std::slice::from_ref(&said));
        }
        pass(&mut stage, 30);
        assert_eq!(all_have(&stage, &[one, two, four], &[1, 2, 4]), Ok(()));
    }
}

/// Each of its words costs the others a word, and they must not go on so for ever.
#[test]
fn no_device_that_a_removed_one_made_up_takes_members_for_lost_again_and_again() {
    let (mut stage, devices) = group(3);
    let (honest, three) = (&devices[..2], devices[2]);
    let mut thief = insider(&stage, three);
    let before = thief.clone();
    remove(&mut stage, devices[1], 3);
    pass(&mut stage, 30);
    let [den] = made_up();
    let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let mut den = in_the_group_of(den, &before, std::slice::from_ref(&add));
    let mut keys = BTreeSet::new();
    let begun = insider(&stage, honest[0]).log().len();
    for _ in 0..20 {
        let op = den.op(Kind::Remove.number(), expiry(&insider(&stage, honest[1])));
        for at in honest {
            say(&mut stage, &mut thief, *at, &[add.clone(), op.clone()]);
        }
        pass(&mut stage, 2);
        keys.insert(current(&stage, honest[0]));
    }
    let grown = insider(&stage, honest[0]).log().len() - begun;
    assert!(keys.len() <= 3 && grown <= 26, "{} keys, {grown} operations for 20 words", keys.len());
    assert_eq!(all_have(&stage, honest, &[1, 2]), Ok(()));
}

#[test]
fn two_that_say_what_this_version_does_not_know_are_both_removed() {
    let mut found = Vec::new();
    for kind in [29, 30, 31, 99] {
        let (mut stage, devices) = group(3);
        let (honest, three) = (&devices[..2], devices[2]);
        let mut thief = insider(&stage, three);
        stage.lab.stop(three);
        let [den] = made_up();
        let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
        let id = den.id().0;
        let mut den = in_the_group_of(den, &insider(&stage, honest[0]), std::slice::from_ref(&add));
        let ops = [add, thief.op(kind, NOTHING.to_vec()), den.op(kind, NOTHING.to_vec())];
        for at in honest {
            say(&mut stage, &mut thief, *at, &ops);
        }
        let before = current(&stage, honest[0]);
        let first = stage.command(honest[0], Command::Remove { id: MuaaId(3) });
        pass(&mut stage, 1);
        let second = stage.command(honest[0], Command::Remove { id: MuaaId(id) });
        pass(&mut stage, 3);
        let third = stage.command(honest[0], Command::Remove { id: MuaaId(3) });
        pass(&mut stage, 3);
        let all = all_have(&stage, honest, &[1, 2]);
        let newcomer = stage.add(4);
        stage.settle();
        let pairs = stage.pair(honest[0], newcomer);
        if all.is_err() || current(&stage, honest[0]) == before || !pairs {
            found.push(format!("{kind}: {first:?} {second:?} {third:?} pairs {pairs}: {all:?}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_last_device_of_an_account_is_ended_by_nobody_that_was_there_before() {
    let mut found = Vec::new();
    for leaves in [false, true] {
        for how in 0..4 {
            let (mut stage, devices) = group(2);
            let (one, three) = (devices[0], devices[1]);
            let mut thief = insider(&stage, three);
            if leaves {
                stage.command(three, Command::Leave).unwrap();
            } else {
                remove(&mut stage, one, 2);
            }
            pass(&mut stage, 40);
            let keys = muaa(&stage, one).account().keys.len();
            let of = insider(&stage, one);
            let [den] = made_up();
            let mut ops = Vec::new();
            match how {
                0 => ops.push(thief.op(Kind::Remove.number(), removal(&of))),
                1 => {
                    ops.push(thief.op(Kind::Remove.number(), removal(&of)));
                    let after = thief.op(Kind::Alive.number(), NOTHING.to_vec());
                    say(&mut stage, &mut thief, one, &[after]);
                }
                2 => {
                    let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
                    let mut den = in_the_group_of(den, &thief, &[]);
                    ops.extend([add, den.op(Kind::Remove.number(), removal(&of))]);
                }
                _ => {
                    // Again and again.
                    for _ in 0..5 {
                        let op = thief.op(Kind::Remove.number(), removal(&of));
                        say(&mut stage, &mut thief, one, &[op]);
                        pass(&mut stage, 1);
                    }
                }
            }
            say(&mut stage, &mut thief, one, &ops);
            pass(&mut stage, 20);
            let now = muaa(&stage, one).account().keys.len();
            if let Err(what) = all_have(&stage, &[one], &[1]) {
                found.push(format!("leaves {leaves} how {how}: {what}"));
            }
            if now > keys + 2 || now < keys {
                found.push(format!("leaves {leaves} how {how}: {keys} keys, then {now}"));
            }
            let four = stage.add(4);
            stage.settle();
            if stage.lab.machines[one].muaa.as_ref().is_some_and(|muaa| muaa.phase() == Phase::Alone)
                && !stage.pair(one, four)
            {
                found.push(format!("leaves {leaves} how {how}: nobody pairs"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn who_says_what_this_version_does_not_know_and_leaves_keeps_nobody_from_pairing_or_removing() {
    let mut found = Vec::new();
    for kind in [29, 30, 31] {
        for how in 0..3 {
            let (mut stage, devices) = group(4);
            let (honest, three) = (&devices[..3], devices[3]);
            let mut thief = insider(&stage, three);
            stage.lab.stop(three);
            let [den] = made_up();
            let mut ops = vec![thief.op(kind, NOTHING.to_vec())];
            match how {
                0 => ops.push(thief.op(Kind::Leave.number(), NOTHING.to_vec())),
                1 => {
                    ops.push(thief.op(Kind::Move.number(), wire::encode(&den.introduction())));
                }
                _ => {
                    let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
                    let mut den = in_the_group_of(den, &thief, &[]);
                    ops.extend([
                        add,
                        den.op(kind, NOTHING.to_vec()),
                        den.op(Kind::Leave.number(), NOTHING.to_vec()),
                    ]);
                }
            }
            for at in honest {
                say(&mut stage, &mut thief, *at, &ops);
            }
            for id in members(&stage, honest[0]).into_iter().filter(|id| *id > 3) {
                stage.command(honest[0], Command::Remove { id: MuaaId(id) }).ok();
            }
            pass(&mut stage, 3);
            let newcomer = stage.add(5);
            stage.settle();
            let pairs = stage.pair(honest[0], newcomer);
            let removes = stage.command(honest[0], Command::Remove { id: MuaaId(3) });
            if !pairs || removes.is_err() {
                found.push(format!(
                    "{kind} {how}: members {:?}, pairs {pairs}, {removes:?}",
                    members(&stage, honest[0])
                ));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn who_names_as_many_keys_as_there_may_be_keeps_no_device_from_the_key_that_follows_its_removal() {
    let mut found = Vec::new();
    for epoch_zero in [true, false] {
        let (mut stage, devices) = group(4);
        let (honest, three) = (&devices[..3], devices[3]);
        let mut thief = insider(&stage, three);
        stage.lab.stop(three);
        let mut ops = Vec::new();
        let mut keys = Vec::new();
        for n in 0..80u8 {
            let key = Symbolic.new_account_key("anna@example.org", &[n; 32], stage.lab.now).unwrap();
            let version = Symbolic.hash("autocrypt-sma-key-v1", &[key.secret.expose()]);
            let epoch = if epoch_zero { 0 } else { u64::from(n) + 2 };
            let notice = KeyNotice {
                fingerprint: key.fingerprint,
                epoch,
                created: key.created,
                generation: 0,
                version,
            };
            ops.push(thief.op(Kind::AccountKey.number(), wire::encode(&notice)));
            keys.push(key.secret);
        }
        for at in honest {
            let to = insider(&stage, *at);
            let envelope =
                thief.update(&to, Said { ops: ops.clone(), keys: keys.clone(), ..Said::default() });
            stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(envelope), true, stage.lab.now);
            stage.lab.notice(*at, Folder::Inbox(to.id()));
            stage.settle();
        }
        let held: BTreeSet<Fingerprint> = muaa(&stage, honest[1]).account_keys().collect();
        remove(&mut stage, honest[0], 4);
        pass(&mut stage, 3);
        let at_once = all_have(&stage, honest, &[1, 2, 3]);
        pass(&mut stage, 57);
        let later = all_have(&stage, honest, &[1, 2, 3]);
        if at_once.is_err() || later.is_err() || held.contains(&current(&stage, honest[0])) {
            found.push(format!(
                "epoch zero {epoch_zero}, {} keys: {at_once:?} {later:?} then {} keys",
                held.len(),
                muaa(&stage, honest[0]).account_keys().count()
            ));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// What it said last was known, and what that follows was not.
#[test]
fn nobody_comes_in_by_what_a_removed_device_had_kept_back() {
    let mut found = Vec::new();
    for what in 0..3 {
        let (mut stage, devices) = group(3);
        let (honest, three) = (&devices[..2], devices[2]);
        let mut thief = insider(&stage, three);
        stage.lab.stop(three);
        let [den] = made_up();
        let kept_back = match what {
            0 => thief.op(Kind::Add.number(), wire::encode(&den.introduction())),
            1 => thief.op(29, NOTHING.to_vec()),
            _ => {
                let notice = KeyNotice {
                    fingerprint: current(&stage, honest[0]),
                    epoch: 3,
                    created: sma_core::Timestamp(0),
                    generation: 0,
                    version: Hash([7; 32]),
                };
                thief.op(Kind::AccountKey.number(), wire::encode(&notice))
            }
        };
        let shown = thief.op(Kind::Alive.number(), NOTHING.to_vec());
        for at in honest {
            say(&mut stage, &mut thief, *at, std::slice::from_ref(&shown));
        }
        pass(&mut stage, 2);
        let old = current(&stage, honest[0]);
        remove(&mut stage, honest[1], 3);
        pass(&mut stage, 10);
        for at in honest {
            say(&mut stage, &mut thief, *at, std::slice::from_ref(&kept_back));
        }
        let den_speaks = {
            let mut den = in_the_group_of(den, &thief, &[]);
            den.op(Kind::Alive.number(), NOTHING.to_vec())
        };
        for at in honest {
            say(&mut stage, &mut thief, *at, std::slice::from_ref(&den_speaks));
        }
        pass(&mut stage, 30);
        let result = all_have(&stage, honest, &[1, 2]);
        let now = stage.lab.machines[honest[1]].muaa.as_ref().and_then(|muaa| muaa.account().current);
        let newcomer = stage.add(4);
        stage.settle();
        let pairs = result.is_ok() && stage.pair(honest[0], newcomer);
        if result.is_err() || now == Some(old) || !pairs {
            found.push(format!("kept back {what}: {result:?}, pairs {pairs}, old key {}", now == Some(old)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The same, where a thief moves after it said what nobody understands: it cannot be removed.
#[test]
fn a_device_that_moves_is_removed_whatever_it_said_before() {
    let mut found = Vec::new();
    for how in 0..3 {
        let (mut stage, devices) = group(3);
        let (honest, three) = (&devices[..2], devices[2]);
        let mut thief = insider(&stage, three);
        stage.lab.stop(three);
        let [den, other] = made_up();
        let mut ops = Vec::new();
        if how == 1 {
            ops.push(thief.op(29, NOTHING.to_vec()));
        }
        let first = thief.clone();
        ops.push(thief.op(Kind::Move.number(), wire::encode(&den.introduction())));
        if how == 2 {
            // Two moves under one number.
            let mut again = first;
            ops.push(again.op(Kind::Move.number(), wire::encode(&other.introduction())));
        }
        for at in honest {
            say(&mut stage, &mut thief, *at, &ops);
        }
        let before = current(&stage, honest[0]);
        for id in members(&stage, honest[0]).into_iter().filter(|id| *id > 2) {
            let done = stage.command(honest[0], Command::Remove { id: MuaaId(id) });
            if done.is_err() {
                found.push(format!("{how}: {id}: {done:?}"));
            }
            pass(&mut stage, 2);
        }
        if let Err(what) = all_have(&stage, honest, &[1, 2]) {
            found.push(format!("{how}: {what}"));
        }
        if current(&stage, honest[0]) == before {
            found.push(format!("{how}: the old key"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The founder let all others in. One of them hears first that it is removed, by one that is out.
#[test]
fn nobody_ends_because_it_hears_before_the_founder_that_one_that_is_out_removes_the_founder() {
    let (mut stage, devices) = group(4);
    let (honest, three) = (&devices[..3], devices[3]);
    let mut thief = insider(&stage, three);
    remove(&mut stage, devices[1], 4);
    pass(&mut stage, 100);
    let op = thief.op(Kind::Remove.number(), removal(&insider(&stage, honest[0])));
    say(&mut stage, &mut thief, honest[1], std::slice::from_ref(&op));
    pass(&mut stage, 30);
    assert_eq!(all_have(&stage, honest, &[1, 2, 3]), Ok(()));
}

/// Else what it kept back would come in behind its leave, when nobody looks any more.
#[test]
fn a_device_has_not_left_as_long_as_it_keeps_back_what_it_said_before() {
    let (mut stage, devices) = group(3);
    let (honest, three) = (&devices[..2], devices[2]);
    let mut thief = insider(&stage, three);
    stage.lab.stop(three);
    let [den] = made_up();
    let kept_back = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
    let leave = thief.op(Kind::Leave.number(), NOTHING.to_vec());
    for at in honest {
        say(&mut stage, &mut thief, *at, std::slice::from_ref(&leave));
    }
    pass(&mut stage, 5);
    assert_eq!(all_have(&stage, honest, &[1, 2, 3]), Ok(()), "it can be removed");
    for at in honest {
        say(&mut stage, &mut thief, *at, std::slice::from_ref(&kept_back));
    }
    pass(&mut stage, 5);
    assert_eq!(all_have(&stage, honest, &[1, 2, den.id().0]), Ok(()), "as if it had let that in openly");
    for at in honest {
        assert!(muaa(&stage, *at).notices().contains(&(den.id(), MuaaId(3))), "{at} is told");
    }
}

/// A stolen member tells again and again of removals by one that is out: with a signature that does not fit, and after a removal of
/// that one which follows something that nobody ever shows.
#[test]
fn removals_by_one_that_is_out_have_nobody_sign_a_sign_of_life_again_and_again() {
    for follows_nothing in [false, true] {
        let (mut stage, devices) = group(4);
        let honest = &devices[..2];
        let (mut member, mut out) = (insider(&stage, devices[2]), insider(&stage, devices[3]));
        stage.lab.stop(devices[2]);
        let of = insider(&stage, devices[0]);
        remove(&mut stage, devices[1], 4);
        pass(&mut stage, 2);
        if follows_nothing {
            let hidden = member.op(Kind::Alive.number(), NOTHING.to_vec());
            let end = member.op(Kind::Remove.number(), removal(&out));
            assert_ne!(hidden.content, end.content);
            for at in honest {
                say(&mut stage, &mut member, *at, std::slice::from_ref(&end));
            }
        }
        let before = insider(&stage, honest[1]).log().len();
        for _ in 0..40 {
            let mut op = out.op(Kind::Remove.number(), removal(&of));
            if !follows_nothing {
                let mut signature = op.signature.to_vec();
                signature[0] ^= 1;
                op.signature = signature.into();
            }
            say(&mut stage, &mut member, honest[1], std::slice::from_ref(&op));
        }
        let own = insider(&stage, honest[1]).key();
        let after = insider(&stage, honest[1]);
        let signed = after.log().entries().filter(|(_, entry)| entry.key == own).count();
        assert!(
            signed <= 4,
            "{follows_nothing}: {signed} of {} operations, {before} before",
            after.log().len()
        );
    }
}

/// 2 has removed both. One says that it removed 2 before, and the other that it knew that first.
#[test]
fn two_that_one_device_removed_do_not_come_back_by_bearing_witness_for_each_other() {
    let mut found = Vec::new();
    for wait in [1, 100] {
        let (mut stage, devices) = group(5);
        let honest = &devices[..3];
        let (mut one, mut other) = (insider(&stage, devices[3]), insider(&stage, devices[4]));
        let of = insider(&stage, devices[1]);
        remove(&mut stage, devices[1], 4);
        remove(&mut stage, devices[1], 5);
        pass(&mut stage, wait);
        let mut ops = vec![one.op(Kind::Remove.number(), removal(&of))];
        other.hear(&ops);
        ops.push(other.op(Kind::Alive.number(), NOTHING.to_vec()));
        for at in [devices[0], devices[2], devices[1]] {
            say(&mut stage, &mut one, at, &ops);
        }
        pass(&mut stage, 10);
        if let Err(what) = all_have(&stage, honest, &[1, 2, 3]) {
            found.push(format!("{wait}: {what}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// It lets a device in, which removes its remover, and says that it knew that first.
#[test]
fn a_removed_device_does_not_come_back_by_having_its_remover_removed() {
    let mut found = Vec::new();
    for wait in [1, 100] {
        let (mut stage, devices) = group(4);
        let honest = &devices[..3];
        let mut thief = insider(&stage, devices[3]);
        let of = insider(&stage, devices[1]);
        remove(&mut stage, devices[1], 4);
        pass(&mut stage, wait);
        let after = current(&stage, honest[0]);
        let [den] = made_up();
        let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
        let mut den = in_the_group_of(den, &thief, &[]);
        let op = den.op(Kind::Remove.number(), removal(&of));
        thief.hear(std::slice::from_ref(&op));
        let alive = thief.op(Kind::Alive.number(), NOTHING.to_vec());
        for at in [devices[0], devices[2], devices[1]] {
            say(&mut stage, &mut thief, at, &[add.clone(), op.clone(), alive.clone()]);
        }
        pass(&mut stage, 10);
        if let Err(what) = all_have(&stage, honest, &[1, 2, 3]) {
            let now = muaa(&stage, honest[0]).account().current;
            found.push(format!("{wait}: {what}; another key {}", now != Some(after)));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
