//! Doors by which whoever is out could come in again, or force others out.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

use std::collections::BTreeSet;

use sma_core::{
    Command, Crypto, Fingerprint, Folder, Form, Hash, MuaaId,
    state::{Destruction, KeyNotice, Log, Removal},
    wire::{self, Announcement, Kind, SignedOp, Update},
};
use sma_sim::{stage::Stage, store::Kept, symbolic::Symbolic};
use sma_tests::{
    account::{insider, join, members, muaa},
    dice::Dice,
    insider::Insider,
    outsiders::{
        NOTHING, all_have, current, expiry, group, hide, in_the_group_of, made_up, pass, removal, remove, say,
    },
};

fn file(stage: &mut Stage, from: &mut Insider, at: usize, group: Option<Hash>, ops: &[SignedOp]) {
    let Some(to) = Insider::of(&stage.lab.machines[at]) else { return };
    let update = Update { ops: ops.to_vec(), ..Update::new(to.key()) };
    let envelope = from.send(&to, group, update);
    stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(envelope), true, stage.lab.now);
    stage.lab.notice(at, Folder::Inbox(to.id()));
    stage.settle();
}

/// A device that nobody knows, which a removed one lets in, says itself that it removes the remover, and that the removed one knew that first.
#[test]
fn a_removed_device_does_not_come_back_by_the_mouth_of_one_that_nobody_knows() {
    let mut found = Vec::new();
    for wait in [1, 100] {
        let (mut stage, devices) = group(4);
        let honest = &devices[..3];
        let mut thief = insider(&stage, devices[3]);
        let of = insider(&stage, devices[1]);
        remove(&mut stage, devices[1], 4);
        pass(&mut stage, wait);
        let [den] = made_up();
        let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
        let mut den = in_the_group_of(den, &thief, &[]);
        let op = den.op(Kind::Remove.number(), removal(&of));
        thief.hear(std::slice::from_ref(&op));
        let alive = thief.op(Kind::Alive.number(), NOTHING.to_vec());
        for at in [devices[0], devices[2], devices[1]] {
            say(&mut stage, &mut den, at, &[add.clone(), op.clone(), alive.clone()]);
        }
        pass(&mut stage, 10);
        if let Err(what) = all_have(&stage, honest, &[1, 2, 3]) {
            found.push(format!("{wait}: {what}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// It signs in a former group's log, where nobody removed it.
#[test]
fn who_was_removed_removes_nobody_in_the_name_of_a_former_group() {
    let mut found = Vec::new();
    for target in [5, 6] {
        for other_id in [700, 701, 702, 703] {
            let mut stage = Stage::new();
            let a = join(&mut stage, 5, None);
            let b = join(&mut stage, 6, Some(a));
            let x = join(&mut stage, 9, Some(a));
            let other = join(&mut stage, other_id, None);
            let mut thief = insider(&stage, x);
            let former = thief.log().group();
            let of = insider(&stage, if target == 5 { a } else { b });
            assert!(stage.pair(other, a));
            pass(&mut stage, 3);
            assert!(stage.are_paired(&[x, a, b, other]));
            stage.lab.stop(x);
            remove(&mut stage, other, 9);
            pass(&mut stage, 10);
            let op = thief.op(Kind::Remove.number(), removal(&of));
            for at in [a, b, other] {
                file(&mut stage, &mut thief, at, Some(former), std::slice::from_ref(&op));
            }
            pass(&mut stage, 10);
            if let Err(what) = all_have(&stage, &[a, b, other], &[5, 6, other_id]) {
                found.push(format!("{target} {other_id}: {what}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// A removed device lets another one in, that removes the remover, and shows a code on it. A person types it on a member.
#[test]
fn a_removed_device_does_not_come_back_by_a_code_that_a_person_types_on_a_member() {
    let (mut stage, devices) = group(4);
    let (honest, three) = (&devices[..3], devices[3]);
    // The server keeps what was said of its removal from the thief.
    stage.lab.stop(three);
    remove(&mut stage, devices[1], 4);
    pass(&mut stage, 3);
    let before = current(&stage, honest[0]);
    for at in honest {
        stage.lab.stop(*at);
    }
    hide(&mut stage, 4);
    stage.lab.start(three);
    stage.settle();
    let den = stage.add(600);
    stage.settle();
    assert!(stage.pair(three, den));
    remove(&mut stage, den, 2);
    stage.settle();
    // It knows of that.
    let key = Symbolic.new_account_key("anna@example.org", &[9; 32], stage.lab.now).unwrap();
    stage.command(three, Command::AdoptKey { secret: key.secret }).unwrap();
    pass(&mut stage, 1);
    assert!(!members(&stage, three).contains(&2), "{:?}", members(&stage, three));
    stage.lab.stop(three);
    hide(&mut stage, 600);
    hide(&mut stage, 1);
    stage.command(den, Command::Offer { to: Some(MuaaId(1)), form: Form::Code }).unwrap();
    stage.settle();
    for at in honest {
        stage.lab.start(*at);
    }
    stage.settle();
    // If it is shown at all.
    let _ = stage.type_code(den, honest[0]);
    pass(&mut stage, 10);
    assert_eq!(all_have(&stage, honest, &[1, 2, 3]), Ok(()));
    assert_eq!(current(&stage, honest[0]), before);
}

/// What says a lot, and names what nobody has.
fn junk(of: &mut Insider, n: u8, kind: Kind) -> SignedOp {
    let lies: wire::Seen = (0..if n < 105 { 16 } else { 1 }).map(|at| Hash([at ^ n; 32])).collect();
    let fingerprint = Fingerprint::new(&[n; 32]).unwrap();
    let body =
        if kind == Kind::Destroy { wire::encode(&Destruction { fingerprint }) } else { NOTHING.to_vec() };
    of.lie(kind.number(), body, lies)
}

/// Each fills its share of the log after its removal.
#[test]
fn two_that_are_out_fill_no_log_so_that_nobody_can_be_let_in() {
    let mut found = Vec::new();
    for leaves in [false, true] {
        let (mut stage, devices) = group(4);
        let honest = &devices[..2];
        let mut thieves = [insider(&stage, devices[2]), insider(&stage, devices[3])];
        for (at, id) in [(devices[2], 3), (devices[3], 4)] {
            if leaves {
                stage.command(at, Command::Leave).unwrap();
                stage.settle();
            } else {
                remove(&mut stage, honest[1], id);
            }
        }
        pass(&mut stage, 3);
        let begun = insider(&stage, honest[0]).log().bytes();
        for thief in &mut thieves {
            let ops: Vec<_> = (0..200).map(|n| junk(thief, n, Kind::Destroy)).collect();
            for at in honest {
                for ops in ops.chunks(50) {
                    say(&mut stage, thief, *at, ops);
                }
            }
        }
        pass(&mut stage, 3);
        let grown = insider(&stage, honest[0]).log().bytes() - begun;
        let four = stage.add(5);
        stage.settle();
        if !stage.pair(honest[0], four) {
            found.push(format!("leaves {leaves}: {grown} octets, nobody is let in"));
        } else if grown > 40_000 {
            found.push(format!("leaves {leaves}: {grown} octets"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// The founder let all others in. It has its chain fork so often that no removal can name all ends.
#[test]
fn a_founder_whose_chain_forks_is_removed_without_those_whom_it_had_let_in() {
    let (mut stage, devices) = group(4);
    let honest = &devices[1..];
    let thief = insider(&stage, devices[0]);
    stage.lab.stop(devices[0]);
    let group = thief.log().group();
    let genesis = thief.log().get(&group).unwrap().signed.clone();
    let mut fork = thief.clone();
    let mut ops = Vec::new();
    let mut sequence = thief.sequence + 50;
    for _ in 0..20 {
        fork = thief.clone();
        fork.enter(Log::from_ops(&Symbolic, group, std::slice::from_ref(&genesis), 4096).unwrap());
        sequence += 1;
        fork.sequence = sequence;
        ops.push(fork.op(Kind::Alive.number(), NOTHING.to_vec()));
    }
    for at in honest {
        say(&mut stage, &mut fork, *at, &ops);
    }
    assert_eq!(members(&stage, honest[0]), [1, 2, 3, 4]);
    remove(&mut stage, honest[0], 1);
    pass(&mut stage, 10);
    assert_eq!(all_have(&stage, honest, &[2, 3, 4]), Ok(()));
}

/// Nothing that it announces as moves, of itself and of keys that it makes up, takes room that others need.
#[test]
fn one_that_is_out_fills_no_log_with_moves_that_it_announces() {
    let (mut stage, devices) = group(3);
    let honest = &devices[..2];
    let mut thief = insider(&stage, devices[2]);
    remove(&mut stage, honest[1], 3);
    pass(&mut stage, 3);
    let begun = insider(&stage, honest[0]).log().bytes();
    let [first, mut mouth] = made_up();
    let mut moves = vec![thief.op(Kind::Move.number(), wire::encode(&first.introduction()))];
    let mut first = in_the_group_of(first, &thief, &[]);
    for by in [&mut thief, &mut first] {
        for n in 0..120u8 {
            let lies: wire::Seen = (0..16).map(|at| Hash([at ^ n; 32])).collect();
            moves.push(by.lie(Kind::Move.number(), wire::encode(&mouth.introduction()), lies));
        }
    }
    for moves in moves.chunks(4) {
        let said = Announcement {
            certificate: mouth.certificate.clone(),
            capabilities: 0,
            digest: None,
            moves: Some(moves.to_vec()),
        };
        let envelope = mouth.announce(wire::encode(&said));
        stage.lab.store.put(Folder::Announcements, Kept::Envelope(envelope), true, stage.lab.now);
        for at in honest {
            stage.lab.notice(*at, Folder::Announcements);
        }
        stage.settle();
    }
    pass(&mut stage, 3);
    let grown = insider(&stage, honest[0]).log().bytes() - begun;
    let newcomer = stage.add(5);
    stage.settle();
    assert!(stage.pair(honest[0], newcomer), "{grown} octets, nobody is let in");
    assert!(grown < 40_000, "{grown} octets");
}

/// Its chain has so many ends that nobody can name all of them as known.
#[test]
fn a_key_follows_two_removals_at_once_of_a_device_whose_chain_has_many_ends() {
    let (mut stage, devices) = group(4);
    let honest = &devices[..3];
    let thief = insider(&stage, devices[3]);
    stage.lab.stop(devices[3]);
    let mut fork = thief.clone();
    let mut ops = Vec::new();
    for n in 0..400 {
        fork = thief.clone();
        fork.sequence = thief.sequence + 50 + n;
        ops.push(fork.op(Kind::Alive.number(), NOTHING.to_vec()));
    }
    for at in honest {
        for ops in ops.chunks(100) {
            say(&mut stage, &mut fork, *at, ops);
        }
    }
    let begun = insider(&stage, honest[0]).log().len();
    let keys = muaa(&stage, honest[0]).account().keys.len();
    stage.cut.extend(honest);
    remove(&mut stage, honest[1], 4);
    remove(&mut stage, honest[2], 4);
    stage.settle();
    stage.cut.clear();
    pass(&mut stage, 10);
    let grown = insider(&stage, honest[0]).log().len() - begun;
    let more = muaa(&stage, honest[0]).account().keys.len() - keys;
    println!("{begun} operations, {grown} more, {more} more keys");
    assert_eq!(all_have(&stage, honest, &[1, 2, 3]), Ok(()));
    assert!(more < 8, "{more} keys, {grown} operations");
}

/// Two that were removed, or left, and two devices that they make up, say at random what they like, each by any mouth, some of it in the
/// name of a group that all have left.
fn random_mouths(seed: u64, former: bool) -> Option<String> {
    let mut dice = Dice(seed);
    let mut stage = Stage::new();
    let first = join(&mut stage, 1, None);
    let mut all = vec![first];
    for id in 2..=5 {
        let at = join(&mut stage, id, Some(first));
        all.push(at);
    }
    stage.settle();
    let old = insider(&stage, first).log().clone();
    let mut ids = vec![1, 2, 3];
    let mut honest = all[..3].to_vec();
    if former {
        let other_id = 700 + dice.below(4);
        let other = join(&mut stage, other_id, None);
        let types = all[dice.below(5) as usize];
        if !stage.pair(other, types) {
            return None;
        }
        pass(&mut stage, 3);
        ids.push(other_id);
        honest.push(other);
        let mut everybody = all.clone();
        everybody.push(other);
        if !stage.are_paired(&everybody) {
            return None;
        }
    }
    let mut speakers: Vec<Insider> = all[3..].iter().map(|at| insider(&stage, *at)).collect();
    let mut said = Vec::new();
    let held: BTreeSet<Fingerprint> = muaa(&stage, first).account_keys().collect();
    for crook in &all[3..] {
        if dice.one_in(4) {
            stage.command(*crook, Command::Leave).unwrap();
            said.push(format!("{} leaves", crook + 1));
        } else {
            let by = honest[dice.below(honest.len() as u64) as usize];
            remove(&mut stage, by, *crook as u64 + 1);
            said.push(format!("{by} removes {}", crook + 1));
        }
        stage.settle();
    }
    pass(&mut stage, 2 + dice.below(3) as u32);
    let end = insider(&stage, honest[0]);
    let targets: Vec<Insider> = honest.iter().map(|at| insider(&stage, *at)).collect();
    let now: Vec<Insider> = speakers.clone();
    let mut made = made_up::<2>().to_vec();
    let begun = insider(&stage, honest[0]).log().len();
    let mut in_old = false;
    if former && dice.one_in(2) {
        in_old = true;
        for speaker in &mut speakers {
            speaker.enter(old.clone());
        }
        said.push("in the former group".to_owned());
    }
    let mut ops: Vec<SignedOp> = Vec::new();
    for _ in 0..4 + dice.below(8) {
        let count = speakers.len();
        let who = dice.below(count as u64) as usize;
        let target = dice.below(targets.len() as u64) as usize;
        let (kind, body, what) = match dice.below(13) {
            0..=3 => {
                let heads = end.log().heads();
                let cut = heads.get(&targets[target].key()).map(|(_, hash)| *hash);
                let cut: BTreeSet<Hash> = cut.into_iter().filter(|_| dice.one_in(2)).collect();
                let what = format!("removes {} cut {}", target + 1, cut.len());
                let removal = Removal { target: targets[target].key(), cut, silent: false };
                (Kind::Remove, wire::encode(&removal), what)
            }
            4 | 5 => (Kind::Alive, NOTHING.to_vec(), "alive".to_owned()),
            6 | 7 if !made.is_empty() => {
                let den = made.pop().unwrap();
                let kind = if dice.one_in(3) { Kind::Move } else { Kind::Add };
                let body = wire::encode(&den.introduction());
                let den = in_the_group_of(den, &speakers[who], &[]);
                speakers.push(den);
                (kind, body, format!("{kind:?} #{count}"))
            }
            8 => (Kind::Remove, expiry(&targets[target]), format!("expires {}", target + 1)),
            9 => {
                let notice = KeyNotice {
                    fingerprint: *held.first().unwrap(),
                    epoch: 2 + dice.below(4),
                    created: sma_core::Timestamp(0),
                    generation: 0,
                    version: Hash([7; 32]),
                };
                (Kind::AccountKey, wire::encode(&notice), "names the old key".to_owned())
            }
            10 => (Kind::Leave, NOTHING.to_vec(), "leaves".to_owned()),
            11 => {
                let id = targets[target].introduction();
                (Kind::Add, wire::encode(&id), format!("adds {} again", target + 1))
            }
            _ => {
                if let Some(before) = now.get(who) {
                    let log = speakers[who].log().clone();
                    speakers[who] = before.clone();
                    if in_old {
                        speakers[who].enter(old.clone());
                    } else if dice.one_in(2) {
                        speakers[who].enter(log);
                    }
                }
                said.push(format!("#{who} goes back"));
                continue;
            }
        };
        let op = speakers[who].op(kind.number(), body);
        said.push(format!("#{who} {what}"));
        for (other, speaker) in speakers.iter_mut().enumerate() {
            if other != who && dice.one_in(2) {
                said.push(format!("  heard by #{other}"));
                speaker.hear(std::slice::from_ref(&op));
            }
        }
        ops.push(op);
    }
    let group = speakers[0].log().group();
    for _ in 0..1 + dice.below(6) {
        let mouth = dice.below(speakers.len() as u64) as usize;
        let at = honest[dice.below(honest.len() as u64) as usize];
        let some: Vec<_> = ops.iter().filter(|_| !dice.one_in(4)).cloned().collect();
        said.push(format!("#{mouth} tells {at} {} of {}", some.len(), ops.len()));
        let mut from = speakers[mouth].clone();
        from.sequence += 1000;
        speakers[mouth].sequence += 1;
        file(&mut stage, &mut from, at, Some(group), &some);
        if dice.one_in(2) {
            pass(&mut stage, 1);
        }
    }
    pass(&mut stage, 20);
    let mut what = all_have(&stage, &honest, &ids).err();
    for at in &honest {
        if let Some(muaa) = &stage.lab.machines[*at].muaa
            && muaa.account().current.is_some_and(|key| held.contains(&key))
        {
            what = Some(format!("{at}: the old key is current; {what:?}"));
        }
    }
    let grown = insider(&stage, honest[0]).log().len().saturating_sub(begun);
    if what.is_none() && grown > ops.len() + 12 {
        what = Some(format!("{grown} operations for {}", ops.len()));
    }
    what.map(|what| format!("{seed}: {said:?}: {what}"))
}

#[test]
fn whatever_those_who_are_out_say_by_any_mouth_the_others_stay() {
    let mut found: Vec<_> = (0..300).filter_map(|seed| random_mouths(seed, false)).collect();
    found.sort_by_key(String::len);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn whatever_those_who_are_out_say_after_two_groups_became_one_the_others_stay() {
    let mut found: Vec<_> = (0..300).filter_map(|seed| random_mouths(seed, true)).collect();
    found.sort_by_key(String::len);
    assert_eq!(found, Vec::<String>::new());
}

/// What it says follows something that nobody has ever seen, so nobody can name it as known.
#[test]
fn who_leaves_behind_something_unseen_has_not_left_and_can_be_removed() {
    let mut found = Vec::new();
    for count in [3, 4] {
        let (mut stage, devices) = group(count);
        let (three, honest) = devices.split_last().unwrap();
        let mut thief = insider(&stage, *three);
        stage.lab.stop(*three);
        let begun = insider(&stage, honest[0]).log().len();
        let leave = thief.lie(Kind::Leave.number(), NOTHING.to_vec(), [Hash([7; 32])].into());
        for at in honest {
            say(&mut stage, &mut thief, *at, std::slice::from_ref(&leave));
        }
        pass(&mut stage, 10);
        let grown = insider(&stage, honest[0]).log().len() - begun;
        if grown > 5 {
            found.push(format!("{count}: {grown} operations"));
        }
        let before = current(&stage, honest[0]);
        remove(&mut stage, honest[0], count);
        pass(&mut stage, 3);
        if let Err(what) = all_have(&stage, honest, &(1..count).collect::<Vec<_>>()) {
            found.push(format!("{count}: {what}"));
        }
        if current(&stage, honest[0]) == before {
            found.push(format!("{count}: the old key"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_removal_that_follows_something_unseen_leaves_the_account_a_key() {
    let mut found = Vec::new();
    for out in [false, true] {
        let (mut stage, devices) = group(3);
        let honest = &devices[..2];
        let mut thief = insider(&stage, devices[2]);
        stage.lab.stop(devices[2]);
        let begun = insider(&stage, honest[0]).log().len();
        let [den] = made_up();
        let add = thief.op(Kind::Add.number(), wire::encode(&den.introduction()));
        let op = thief.lie(Kind::Remove.number(), removal(&den), [Hash([7; 32])].into());
        for at in honest {
            say(&mut stage, &mut thief, *at, &[add.clone(), op.clone()]);
        }
        pass(&mut stage, 3);
        let mut ids = vec![1, 2, 3];
        if out {
            remove(&mut stage, honest[0], 3);
            ids.pop();
            pass(&mut stage, 3);
        }
        let grown = insider(&stage, honest[0]).log().len() - begun;
        if grown > 8 {
            found.push(format!("out {out}: {grown} operations"));
        }
        if let Err(what) = all_have(&stage, honest, &ids) {
            found.push(format!("out {out}: {what}"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
