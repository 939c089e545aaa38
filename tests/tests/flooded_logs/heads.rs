//! More heads than an operation can name.

use std::collections::BTreeSet;

use sma_core::{
    Command, Crypto, Hash, MuaaId,
    state::{Entry, Log, LogBody},
    wire::{self, Kind},
};
use sma_sim::{stage::Stage, symbolic::Symbolic};
use sma_tests::{
    account::{insider, members},
    insider::Insider,
    outsiders::{NOTHING, all_have, current, group, in_the_group_of, made_up, pass, remove, say},
};

/// Whether the operation with this hash knows of that one.
fn knows_of(log: &Log, hash: &Hash, of: &Hash) -> bool {
    let (mut known, mut next) = (BTreeSet::new(), vec![*hash]);
    while let Some(entry) = next.pop().and_then(|hash| log.get(&hash)) {
        let parents = entry.previous.iter().chain(&entry.seen).copied();
        next.extend(parents.filter(|hash| known.insert(*hash)));
    }
    known.contains(of)
}

/// Three honest devices, the keys of a fourth, and sixty devices that came by it and that each signed something that no other knows of.
fn many_heads(round: u8) -> (Stage, Vec<usize>, Insider) {
    let (mut stage, devices) = group(4);
    let honest = devices[..3].to_vec();
    let mut thief = insider(&stage, devices[3]);
    stage.lab.stop(devices[3]);
    let mut dens: Vec<_> = made_up::<60>().to_vec();
    let mut adds = Vec::new();
    for at in 0..dens.len() {
        let body = wire::encode(&dens[at].introduction());
        let add = if at < 22 {
            thief.op(Kind::Add.number(), body)
        } else {
            let mut by = in_the_group_of(dens[at % 22].clone(), &thief, &[]);
            let add = by.op(Kind::Add.number(), body);
            dens[at % 22].sequence = by.sequence;
            add
        };
        thief.hear(std::slice::from_ref(&add));
        adds.push(add);
    }
    let alive = |den: &Insider| {
        let mut den = in_the_group_of(den.clone(), &thief, &[]);
        den.sequence += u64::from(round);
        den.op(Kind::Alive.number(), NOTHING.to_vec())
    };
    let heads: Vec<_> = dens.iter().map(alive).collect();
    for ops in [&adds, &heads] {
        honest.iter().for_each(|at| say(&mut stage, &mut thief, *at, ops));
    }
    let log = insider(&stage, honest[0]).log().clone();
    assert!(heads.iter().all(|op| log.get(&op.hash(&Symbolic)).is_some()), "the log has them all");
    (stage, honest, thief)
}

fn removal_by(log: &Log, id: MuaaId) -> Hash {
    let removes = |entry: &Entry| entry.author() == id && matches!(entry.body, LogBody::Remove(_));
    *log.entries().find(|(_, entry)| removes(entry)).unwrap().0
}

/// Whom it lets in afterwards is no member; those that others saw a person removes.
#[test]
fn a_thief_that_let_in_more_devices_than_an_operation_can_name_heads_is_removed_and_so_are_these() {
    let (mut stage, honest, mut thief) = many_heads(0);
    let before = current(&stage, honest[0]);
    remove(&mut stage, honest[1], 4);
    pass(&mut stage, 2);
    let late = Insider::made_up(MuaaId(999), &[9; 32]).unwrap();
    let late = thief.op(Kind::Add.number(), wire::encode(&late.introduction()));
    honest.iter().for_each(|at| say(&mut stage, &mut thief, *at, std::slice::from_ref(&late)));
    for at in &honest {
        assert!(!members(&stage, *at).iter().any(|id| [4, 999].contains(id)));
        assert_ne!(current(&stage, *at), before);
    }
    let by = honest.iter().cycle();
    let made_up: Vec<_> = members(&stage, honest[0]).into_iter().filter(|id| *id > 4).collect();
    for (id, at) in made_up.into_iter().zip(by) {
        remove(&mut stage, *at, id);
        stage.settle();
    }
    pass(&mut stage, 5);
    assert_eq!(all_have(&stage, &honest, &[1, 2, 3]), Ok(()));
}

/// Else the key that a person adopts is not used.
#[test]
fn who_hears_of_a_removal_beside_more_heads_than_it_can_name_knows_of_it_in_all_that_it_signs() {
    let mut found = Vec::new();
    for round in 0..6 {
        let (mut stage, honest, _) = many_heads(round);
        remove(&mut stage, honest[1], 4);
        pass(&mut stage, 2);
        let key = Symbolic.new_account_key("anna@example.org", &[round; 32], stage.lab.now).unwrap();
        stage.command(honest[0], Command::AdoptKey { secret: key.secret }).unwrap();
        stage.settle();
        let one = insider(&stage, honest[0]);
        let (_, last) = one.log().heads()[&one.key()];
        if !knows_of(one.log(), &last, &removal_by(one.log(), MuaaId(2))) {
            found.push(format!("{round}: what names the adopted key does not know of the removal"));
        }
        if current(&stage, honest[0]) != key.fingerprint {
            found.push(format!("{round}: the adopted key is not current"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
