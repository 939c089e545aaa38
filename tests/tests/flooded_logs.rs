//! A stolen member, and one that is out, fill the log, with devices that they make up.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

#[path = "flooded_logs/brim.rs"]
mod brim;
#[path = "flooded_logs/heads.rs"]
mod heads;
#[path = "flooded_logs/judged.rs"]
mod judged;

use sma_core::{
    Command, Fingerprint, Hash, MuaaId, Phase,
    state::{KeyNotice, Removal},
    wire::{self, Kind},
};
use sma_sim::stage::Stage;
use sma_tests::{
    account::{insider, join, members},
    insider::Insider,
    outsiders::{all_have, current, group, in_the_group_of, made_up, pass, remove, say},
};

fn notice(n: u8) -> Vec<u8> {
    let fingerprint = Fingerprint::new(&[n; 32]).unwrap();
    let created = sma_core::Timestamp(0);
    wire::encode(&KeyNotice { fingerprint, epoch: 0, created, generation: 0, version: Hash([n; 32]) })
}

/// Before or after its removal it makes up devices, each of which has its own room.
#[test]
fn a_log_that_one_fills_with_devices_it_made_up_takes_removals_and_new_devices() {
    let mut found = Vec::new();
    for out in [false, true] {
        let (mut stage, devices) = group(3);
        let (honest, three) = (&devices[..2], devices[2]);
        let mut thief = insider(&stage, three);
        if out {
            remove(&mut stage, devices[1], 3);
        } else {
            stage.lab.stop(three);
        }
        pass(&mut stage, 1);
        let before = current(&stage, honest[0]);
        let mut den = Stage::new();
        for n in 0..30 {
            let at = den.add(1000 + n);
            den.settle();
            if den.lab.machines[at].muaa.as_ref().unwrap().phase() != Phase::Alone {
                den.command(at, Command::StartApart).unwrap();
                den.settle();
            }
            let one = insider(&den, at);
            let add = thief.op(Kind::Add.number(), wire::encode(&one.introduction()));
            let mut one = in_the_group_of(one, &insider(&stage, honest[0]), std::slice::from_ref(&add));
            // Each names as many as may be named.
            let lies: wire::Seen = (0..16).map(|n| Hash([n; 32])).collect();
            let mut ops = vec![add];
            ops.extend((0..40).map(|n| one.lie(Kind::AccountKey.number(), notice(n), lies.clone())));
            for at in honest {
                say(&mut stage, &mut thief, *at, &ops);
            }
        }
        let log = insider(&stage, honest[0]).log().clone();
        if out {
            // Nothing is to be done but to go on.
            let paired = {
                let four = stage.add(4);
                stage.settle();
                stage.pair(honest[0], four)
            };
            if !paired {
                found.push(format!(
                    "out: {} operations, {} octets: no device is let in",
                    log.len(),
                    log.bytes()
                ));
            }
            let removed = stage.command(honest[0], Command::Remove { id: MuaaId(2) });
            if removed.is_err() {
                found.push(format!("out: {removed:?}"));
            }
        } else {
            let removed = stage.command(honest[0], Command::Remove { id: MuaaId(3) });
            pass(&mut stage, 5);
            let rest: Vec<u64> = members(&stage, honest[0]);
            if removed.is_err() || rest.contains(&3) || current(&stage, honest[0]) == before {
                found.push(format!(
                    "in: {} operations, {} octets: {removed:?}, members {}",
                    log.len(),
                    log.bytes(),
                    rest.len()
                ));
            }
            for id in rest.into_iter().filter(|id| *id >= 1000) {
                stage.command(honest[0], Command::Remove { id: MuaaId(id) }).ok();
            }
            pass(&mut stage, 5);
            if let Err(what) = all_have(&stage, honest, &[1, 2]) {
                found.push(format!("in: {what}"));
            }
            let four = stage.add(4);
            stage.settle();
            if !stage.pair(honest[0], four) {
                found.push("in: no device is let in".to_owned());
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Whoever let it in, and whomever it had let in: the devices that it makes up stand beside each other or let one another in, each lets
/// the honest ones in once more, and says as much as it may.
#[test]
fn a_thief_that_floods_the_log_leaves_everybody_room_for_its_removal_and_a_new_key() {
    let mut found = Vec::new();
    let accomplices = made_up::<10>();
    let much: wire::Seen = (0..16).map(|n| Hash([n; 32])).collect();
    let long_cut = |of: &Insider| {
        let cut = (0..60).map(|n| Hash([n; 32])).collect();
        wire::encode(&Removal { target: of.key(), cut, silent: false })
    };
    for (thief, remover) in [(0, 1), (0, 3), (1, 0), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3), (3, 0), (3, 2)] {
        for chain in [false, true] {
            let mut stage = Stage::new();
            let one = join(&mut stage, 1, None);
            let two = join(&mut stage, 2, Some(one));
            let devices = [one, two, join(&mut stage, 3, Some(two)), join(&mut stage, 4, Some(one))];
            let honest: Vec<_> = devices.into_iter().filter(|at| *at != devices[thief]).collect();
            let innocent: Vec<_> = honest.iter().map(|at| insider(&stage, *at)).collect();
            let mut stolen = insider(&stage, devices[thief]);
            stage.lab.stop(devices[thief]);
            pass(&mut stage, 1);
            let before = current(&stage, devices[remover]);
            let mut last: Option<Insider> = None;
            for den in &accomplices {
                let by = last.as_mut().filter(|_| chain).unwrap_or(&mut stolen);
                let add = by.op(Kind::Add.number(), wire::encode(&den.introduction()));
                let mut den = in_the_group_of(den.clone(), by, std::slice::from_ref(&add));
                let mut ops = vec![add];
                for one in &innocent {
                    ops.push(den.op(Kind::Add.number(), wire::encode(&one.introduction())));
                }
                ops.extend((0..45).map(|n| den.lie(Kind::AccountKey.number(), notice(n), much.clone())));
                ops.extend((0..20).map(|_| den.op(99, vec![0x40; 4000])));
                let itself = long_cut(&den);
                ops.extend((0..10).map(|_| den.op(Kind::Remove.number(), itself.clone())));
                honest.iter().for_each(|at| say(&mut stage, &mut stolen, *at, &ops));
                last = Some(den);
            }
            let bytes = insider(&stage, devices[remover]).log().bytes();
            assert!(bytes > (300 << 10), "{bytes} octets are no flood");
            let id = MuaaId(thief as u64 + 1);
            let removed = stage.command(devices[remover], Command::Remove { id });
            pass(&mut stage, 5);
            for at in &honest {
                if removed.is_err() || members(&stage, *at).contains(&id.0) || current(&stage, *at) == before
                {
                    found.push(format!("{remover} removes {thief}, chain {chain}: {at} {removed:?}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn one_key_lets_in_twenty_three_devices_and_may_move_all_the_same() {
    let (stage, devices) = group(2);
    let mut one = insider(&stage, devices[0]);
    let dens = made_up::<23>();
    let (last, others) = dens.split_last().unwrap();
    for den in others {
        one.op(Kind::Add.number(), wire::encode(&den.introduction()));
    }
    let full = one.log().len();
    one.op(Kind::Add.number(), wire::encode(&last.introduction()));
    assert_eq!(one.log().len(), full, "the twenty-fourth is not let in");
    one.op(Kind::Move.number(), wire::encode(&last.introduction()));
    assert_eq!(one.log().len(), full + 1, "it moves");
}
