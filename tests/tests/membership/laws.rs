//! The laws of what is joined, and of what is written down and read again.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sma_core::{
    Fingerprint, Hash, MuaaId, Secret, Snapshot,
    state::{Log, LogBody, Membership, Register, Settings, Standing},
    wire::{self, KeyMaterial, SignedOp, Update},
};
use sma_sim::stage::Stage;

use crate::world::{Act, CRYPTO, DEVICES, MAX, Place, Story, key, log_of, sign};

fn any_act() -> impl Strategy<Value = Act> {
    let device = 0..DEVICES;
    prop_oneof![
        4 => device.clone().prop_map(Act::Add),
        2 => (device.clone(), 0..6u64).prop_map(|(target, cut)| Act::Remove(target, cut)),
        1 => (device.clone(), 0..6u64).prop_map(|(target, cut)| Act::Expire(target, cut)),
        1 => Just(Act::Leave),
        1 => Just(Act::Alive),
        1 => device.prop_map(Act::Move),
        3 => (0..4u8, 0..3u64, 0..3u64).prop_map(|(key, epoch, made)| Act::Key(key, epoch, made)),
        1 => (0..4u8).prop_map(Act::Destroy),
        1 => prop_oneof![26..32u16, 34..40u16].prop_map(Act::Unknown),
    ]
}

/// Operations of one group by devices that keep to no rule, the genesis first.
fn any_ops() -> impl Strategy<Value = Vec<SignedOp>> {
    let said = proptest::collection::vec((0..4usize, any_act(), 2..8u64, prop::bool::weighted(0.8)), 0..14);
    (1..4usize, said).prop_map(|(last, said)| {
        let mut story = Story::of(last);
        let group = Some(story.ops[0].hash(&CRYPTO));
        for (author, act, sequence, chained) in said {
            let own = |op: &&SignedOp| op.content().is_some_and(|content| content.key == key(author));
            let previous = story.ops.iter().rfind(own).filter(|_| chained).map(|op| op.hash(&CRYPTO));
            let cut = act.cut(&story.log());
            story.ops.push(sign(author, act, Place { group, sequence, previous, cut, ..Place::default() }));
        }
        story.ops
    })
}

/// The log of a part of the operations, as a device that heard no more would have it.
fn part(ops: &[SignedOp], chosen: u32) -> Log {
    let heard =
        ops[1..].iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0).map(|(_, op)| op.clone());
    let heard: Vec<_> = ops[..1].iter().cloned().chain(heard).collect();
    log_of(&heard)
}

/// The devices that removed this one, whether or not it counts.
fn removers<'a>(log: &'a Log, key: &'a Fingerprint) -> impl Iterator<Item = Fingerprint> + 'a {
    let removes = |body: &LogBody| matches!(body, LogBody::Remove(removal) if removal.target == *key);
    log.entries().filter(move |(_, entry)| removes(&entry.body)).map(|(_, entry)| entry.key)
}

fn joined(mut log: Log, other: &Log) -> Log {
    log.join(&CRYPTO, &other.ops(), MAX);
    log
}

/// In another order, by a seed.
fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let mut items = items.to_vec();
    for at in (1..items.len()).rev() {
        let pick = (seed.rotate_left(at as u32 * 7) % (at as u64 + 1)) as usize;
        items.swap(at, pick);
    }
    items
}

fn any_writes() -> impl Strategy<Value = Vec<(String, Register)>> {
    // More names than are kept, and names and values that are too long.
    let name = prop_oneof![8 => "[a-c]", 1 => "x{255,258}", 3 => (0..400u32).prop_map(|n| format!("n{n}"))];
    let value = prop_oneof![8 => "[xy]", 1 => "v{255,258}"];
    let name = prop_oneof![8 => name, 1 => (0..5u64).prop_map(|id| format!("name/{id}"))];
    let write = (name, 0..3u64, 0..3u64, value, 0..3u64).prop_map(|(name, time, author, value, removals)| {
        (name, Register { time, author: MuaaId(author), value, removals })
    });
    let many = (0..300u32).prop_map(|n| {
        let register = |n| Register { time: n, author: MuaaId(1), value: "many".to_owned(), removals: 0 };
        (0..n).map(|n| (format!("m{n}"), register(u64::from(n)))).collect::<Vec<_>>()
    });
    (proptest::collection::vec(write, 0..12), many).prop_map(|(mut writes, many)| {
        writes.extend(many);
        writes
    })
}

/// One device was forced out, another one moved, two are members.
fn standing() -> Standing {
    let ids = |ids: &[u64]| ids.iter().map(|id| MuaaId(*id)).collect();
    Standing { removals: 1, removed: ids(&[1]), gone: ids(&[1, 3]), members: ids(&[2, 4]) }
}

fn settings(writes: &[(String, Register)]) -> Settings {
    let mut settings = Settings::default();
    for (name, register) in writes {
        settings.join(name, register, &standing());
    }
    settings
}

fn both(mut one: Settings, other: &Settings) -> Settings {
    for (name, register) in other.iter() {
        one.join(name, register, &standing());
    }
    one
}

fn any_update() -> impl Strategy<Value = Update> {
    let register =
        (any::<u64>(), any::<u64>(), ".{0,8}", any::<u64>()).prop_map(|(time, author, value, removals)| {
            Register { time, author: MuaaId(author), value, removals }
        });
    let secrets = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3);
    let settings = proptest::collection::btree_map(".{0,4}", register, 0..4);
    (any::<u64>(), any::<[u8; 32]>(), any::<bool>(), any_ops(), secrets, settings, any::<bool>()).prop_map(
        |(received, digest, ask, ops, secrets, settings, merges)| Update {
            received,
            digest: Hash(digest),
            ask,
            merged: merges.then(|| ops.clone()),
            ops,
            keys: secrets.into_iter().map(|secret| KeyMaterial { secret: Secret::new(secret) }).collect(),
            settings,
            to: key(1),
            peers: merges.then(|| received.to_be_bytes().to_vec().into()),
        },
    )
}

proptest! {
    #[test]
    fn t4_logs_join_in_any_grouping_order_and_number(ops in any_ops(), parts: [u32; 3]) {
        let [a, b, c] = parts.map(|chosen| part(&ops, chosen));
        let left = joined(joined(a.clone(), &b), &c);
        prop_assert_eq!(&left, &joined(a.clone(), &joined(b.clone(), &c)));
        prop_assert_eq!(&joined(a.clone(), &b), &joined(b, &a));
        prop_assert_eq!(&joined(a.clone(), &a), &a);
        prop_assert_eq!(&joined(left.clone(), &a), &left);
        prop_assert_eq!(Membership::of(&left), Membership::of(&joined(c, &left)));
    }

    #[test]
    fn t4_parts_of_a_log_give_the_whole_in_any_order_once_what_came_too_early_is_sent_again(
        ops in any_ops(),
        seed: u64,
        size in 1..5usize,
    ) {
        let whole = log_of(&ops);
        let mut log = log_of(&ops[..1]);
        let mut parts = shuffled(&ops[1..], seed);
        parts.extend(shuffled(&parts, seed.rotate_left(17)));
        for part in parts.chunks(size) {
            log.join(&CRYPTO, part, MAX);
        }
        for entry in log.entries() {
            prop_assert!(whole.get(entry.0) == Some(entry.1));
        }
        log.join(&CRYPTO, &whole.ops(), MAX);
        prop_assert_eq!(&log, &whole);
        prop_assert_eq!(Membership::of(&log), Membership::of(&whole));
    }

    #[test]
    fn invariant_3_no_superset_of_a_log_brings_a_removed_device_back(ops in any_ops(), parts: [u32; 2]) {
        let small = part(&ops, parts[0]);
        let great = joined(part(&ops, parts[1]), &small);
        let (small, great) = (Membership::of(&small), Membership::of(&great));
        // But by a removal the author of which is found to have been out.
        let firm = |key: &Fingerprint| great.firmly_removed.contains(key);
        for (key, (_, how)) in &small.ended {
            if how.is_forced() && firm(key) {
                prop_assert!(!great.members.contains_key(key));
                prop_assert!(great.ended[key].1 <= *how);
            }
        }
        for key in &small.removed {
            prop_assert!(great.removed.contains(key) || removers(&joined(part(&ops, parts[0]), &part(&ops, parts[1])), key)
                .all(|remover| great.ended.contains_key(&remover)));
        }
        prop_assert!(small.equivocators.is_subset(&great.equivocators));
    }

    #[test]
    fn t4_the_choice_of_the_account_key_is_that_of_the_notices_that_count(ops in any_ops()) {
        let view = Membership::of(&log_of(&ops));
        let backwards: Vec<_> = ops[..1].iter().chain(ops[1..].iter().rev()).cloned().collect();
        let other = Membership::of(&log_of(&backwards));
        prop_assert_eq!((view.current, &view.keys), (other.current, &other.keys));
        for (key, named) in view.keys.iter().filter(|(key, _)| !view.barred_keys.contains(*key)) {
            let order = |key, n: &sma_core::state::Named| (std::cmp::Reverse(n.epoch), n.created, key);
            let current = view.current.map(|current| order(current, view.keys.get(&current).unwrap()));
            prop_assert!(named.epoch == 0 || current.is_some_and(|current| current <= order(*key, named)));
        }
    }

    #[test]
    fn t4_settings_join_in_any_grouping_order_and_number(
        writes in [any_writes(), any_writes(), any_writes()],
        seed: u64,
    ) {
        let [a, b, c] = [settings(&writes[0]), settings(&writes[1]), settings(&writes[2])];
        let left = both(both(a.clone(), &b), &c);
        prop_assert_eq!(&left, &both(a.clone(), &both(b.clone(), &c)));
        prop_assert_eq!(&both(a.clone(), &b), &both(b, &a));
        prop_assert_eq!(&both(a.clone(), &a), &a);
        let all = writes.concat();
        prop_assert_eq!(&settings(&all), &left, "single writes give what whole settings give");
        prop_assert_eq!(&settings(&shuffled(&all, seed)), &left);
        prop_assert!(left.iter().count() <= 256);
    }

    #[test]
    fn a_log_reads_back_as_it_was_written(ops in any_ops()) {
        let log = log_of(&ops);
        let octets = wire::encode(&log);
        let read = wire::decode::<Log>(&octets);
        prop_assert_eq!(read.as_ref(), Some(&log));
        prop_assert_eq!(read.map(|log| Membership::of(&log)), Some(Membership::of(&log)));
    }

    #[test]
    fn an_update_reads_back_as_it_was_written(update in any_update()) {
        let octets = wire::encode(&update);
        prop_assert_eq!(wire::decode::<Update>(&octets), Some(update));
    }
}

#[test]
fn a_table_is_in_the_order_of_its_keys_and_no_other_is_read() {
    let register = Register { time: 1, author: MuaaId(27), value: "x".to_owned(), removals: 0 };
    let table = |names: [&str; 2]| {
        let mut octets = vec![0xa2];
        for name in names {
            octets.extend(wire::encode(&name.to_owned()));
            octets.extend(wire::encode(&register));
        }
        octets
    };
    let settings: BTreeMap<_, _> = ["b", "aa"].map(|name| (name.to_owned(), register.clone())).into();
    assert_eq!(wire::encode(&settings), table(["aa", "b"]));
    assert!(wire::decode::<BTreeMap<String, Register>>(&table(["aa", "b"])).is_some());
    assert!(wire::decode::<BTreeMap<String, Register>>(&table(["b", "aa"])).is_none());
    assert!(wire::decode::<BTreeMap<String, Register>>(&table(["b", "b"])).is_none());
    let seen = |hashes: [u8; 2]| wire::encode(&hashes.map(|hash| Hash([hash; 32])).to_vec());
    assert!(wire::decode::<wire::Seen>(&seen([1, 2])).is_some());
    assert!(wire::decode::<wire::Seen>(&seen([2, 1])).is_none());
    assert!(wire::decode::<wire::Seen>(&seen([1, 1])).is_none());
}

#[test]
fn every_snapshot_of_a_life_with_pairing_removal_and_leaving_reads_back_as_it_was_written() {
    let mut stage = Stage::new();
    let mut read = 0;
    let mut check = |stage: &Stage| {
        for machine in &stage.lab.machines {
            let Some(snapshot) = &machine.durable else { continue };
            let octets = snapshot.encode();
            let again = Snapshot::decode(octets.expose()).unwrap();
            assert_eq!(again, *snapshot);
            assert_eq!(again.encode(), octets);
            read += 1;
        }
    };
    let mut turns = |stage: &mut Stage| {
        for _ in 0..200 {
            let moved = (0..stage.lab.machines.len()).fold(false, |moved, at| moved | stage.turn_of(at));
            check(stage);
            if !moved {
                break;
            }
        }
        stage.settle();
        check(stage);
    };
    let devices: Vec<_> = [1, 27, 33].map(|id| stage.add(id)).into();
    turns(&mut stage);
    for newcomer in &devices[1..] {
        stage.offer(devices[0], *newcomer).unwrap();
        turns(&mut stage);
        stage.type_code(devices[0], *newcomer).unwrap();
        turns(&mut stage);
    }
    assert!(stage.are_paired(&devices));
    let id = stage.id(devices[1]).unwrap();
    stage.command(devices[0], sma_core::Command::Remove { id }).unwrap();
    turns(&mut stage);
    stage.command(devices[2], sma_core::Command::Leave).unwrap();
    turns(&mut stage);
    assert_eq!(stage.lab.violation, None);
    assert!(read > 100, "only {read} snapshots");
}
