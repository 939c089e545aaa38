//! Somebody with a device of the group: he signs whatever it may sign, while it is a member and after.

use std::collections::BTreeSet;

use sma_core::{
    Crypto, Fingerprint, Folder, Hash, MuaaId, Phase, Timestamp,
    state::{Destruction, Introduction, KeyNotice, Merge, Register, Removal, Restoration, Veto},
    wire::{self, Kind, SignedOp, Update},
};

use super::put;
use crate::{
    choices::Choices,
    insider::Insider,
    symbolic::Symbolic,
    world::{DAY, World},
};

/// At most so many devices he makes up.
const ACCOMPLICES: usize = 4;
/// So many operations he signs for some and not for others, beside what chance has him tell: whoever fills his share of the log twice parts
/// its devices (protocol, 13).
const PARTIAL: usize = 4;

/// What he has.
#[derive(Clone, Debug)]
pub(super) struct Thief {
    /// The device that he took.
    device: Insider,
    /// Devices that he made up, each introduced by him or by one of them, or not yet.
    accomplices: Vec<Insider>,
    /// How many operations he signed for some and not for others.
    partial: usize,
    /// When people notice it, and throw the device out.
    noticed: Timestamp,
}

impl Thief {
    fn hear(&mut self, ops: &[SignedOp]) {
        self.device.hear(ops);
        self.accomplices.iter_mut().for_each(|one| one.hear(ops));
    }

    /// All that he has.
    fn all(&self) -> impl Iterator<Item = Fingerprint> {
        [&self.device].into_iter().chain(&self.accomplices).map(Insider::key)
    }
}

/// At some moment he takes a device of a group of three or more, or a copy of what it had saved.
pub(super) fn steal<C: Choices>(world: &mut World<C>) {
    if world.malice.thief.is_some() {
        if world.malice.thief.as_ref().is_some_and(|thief| thief.noticed <= world.lab.now) {
            is_noticed(world);
        }
        return;
    }
    let grouped = |at: &usize| {
        let muaa = world.lab.machines[*at].muaa.as_ref();
        muaa.is_some_and(|muaa| muaa.phase() == Phase::Paired && muaa.members().len() > 2)
    };
    let grouped: Vec<_> = (0..world.lab.machines.len()).filter(grouped).collect();
    if !world.choices.chance(100_000) {
        return;
    }
    let Some(at) = world.any_of(&grouped) else { return };
    let Some(device) = Insider::of(&world.lab.machines[at]) else { return };
    world.lab.trace.say(|_| format!("{} is stolen", at + 1));
    world.lab.stop(at);
    world.lab.machines[at].stolen = true;
    world.lab.truth.thief = Some(device.key());
    let noticed = world.lab.now + std::time::Duration::from_millis(world.choices.between(DAY, 60 * DAY));
    world.malice.thief = Some(Thief { device, accomplices: Vec::new(), partial: 0, noticed });
}

/// People see that the device is gone, and devices that they never let in: they throw all of these out, as soon as they see them.
pub(super) fn is_noticed<C: Choices>(world: &mut World<C>) {
    let Some(thief) = &world.malice.thief else { return };
    world.lab.truth.unwanted.extend(thief.all());
}

/// The honest devices of his group, or all if none is in it.
fn audience<C: Choices>(world: &World<C>, thief: &Thief) -> Vec<Insider> {
    let honest: Vec<_> =
        world.lab.machines.iter().filter(|machine| !machine.stolen).filter_map(Insider::of).collect();
    let group = thief.device.log().group();
    let in_group: Vec<_> = honest.iter().filter(|one| one.log().group() == group).cloned().collect();
    if in_group.is_empty() { honest } else { in_group }
}

/// He says something to somebody.
pub(super) fn sign<C: Choices>(world: &mut World<C>) {
    let Some(mut thief) = world.malice.thief.take() else { return };
    let audience = audience(world, &thief);
    let Some(to) = world.any_of(&audience) else {
        world.malice.thief = Some(thief);
        return;
    };
    listen(world, &mut thief, &to);
    let mut ops = Vec::new();
    for _ in 0..=world.choices.below(3) {
        if let Some(op) = operation(world, &mut thief, &audience) {
            ops.push(op);
        }
    }
    // Nobody in the group hears of what he keeps to himself.
    if world.choices.chance(300_000) {
        ops.truncate(1);
    }
    let mut said = Update { ops, ..Update::new(to.key()) };
    match world.choices.below(6) {
        0 => {
            let value = ["mutual", "nopreference", "0"][world.choices.below(3) as usize].to_owned();
            let numbers = [0, 1, 1 << 20, (1 << 48) - 1, u64::MAX];
            let (time, removals) = (world.any_of(&numbers).unwrap_or(0), world.choices.below(3));
            let register = Register { time, author: thief.device.id(), value, removals };
            let name = if world.choices.chance(500_000) {
                "prefer-encrypt".to_owned()
            } else {
                format!("name/{}", to.id())
            };
            said.settings.insert(name, register);
        }
        1 => {
            if let Ok(key) =
                Symbolic.new_account_key("anna@example.org", &world.choices.seed(), world.lab.now)
            {
                said.keys.push(wire::KeyMaterial { secret: key.secret });
            }
        }
        2 => said.received = world.any_of(&[0, 1, 1 << 20, 1 << 40, u64::MAX]).unwrap_or(0),
        3 => said.ask = true,
        4 => said.merged = Some(thief.accomplices.first().map(|one| one.log().ops()).unwrap_or_default()),
        _ => {}
    }
    let speaker = world.choices.below(1 + thief.accomplices.len() as u64) as usize;
    let speaker = if speaker == 0 { &mut thief.device } else { &mut thief.accomplices[speaker - 1] };
    let update = speaker.send(&to, None, said);
    put(world, Folder::Inbox(to.id()), update, "what a thief says");
    world.malice.thief = Some(thief);
}

/// As a member he is told everything, and a server that he shares what he knows with shows him the rest.
fn listen<C: Choices>(world: &mut World<C>, thief: &mut Thief, to: &Insider) {
    let noticed = world.lab.truth.unwanted.contains(&thief.device.key());
    if !noticed && to.log().group() == thief.device.log().group() && world.choices.chance(500_000) {
        thief.hear(&to.log().ops());
    }
}

/// He lets one in for some, and another one for others, under one number.
pub(super) fn fork<C: Choices>(world: &mut World<C>) {
    let Some(mut thief) = world.malice.thief.take() else { return };
    let audience = audience(world, &thief);
    if let Some(to) = world.any_of(&audience) {
        listen(world, &mut thief, &to);
        let (sequence, log) = (thief.device.sequence, thief.device.log().clone());
        for to in &audience {
            if thief.partial >= PARTIAL || world.choices.chance(300_000) {
                continue;
            }
            thief.partial += 1;
            thief.device.sequence = sequence;
            thief.device.enter(log.clone());
            let Some(one) = accomplice(world, &mut thief) else { break };
            let op = thief.device.op(Kind::Add.number(), wire::encode(&one));
            let update = Update { ops: vec![op], ..Update::new(to.key()) };
            let said = thief.device.send(to, None, update);
            put(world, Folder::Inbox(to.id()), said, "one of two things under a number");
        }
        thief.device.sequence += 8;
    }
    world.malice.thief = Some(thief);
}

/// He takes something back that he never told, or tells of the end of something without what came before.
pub(super) fn withhold<C: Choices>(world: &mut World<C>) {
    let Some(mut thief) = world.malice.thief.take() else { return };
    let audience = audience(world, &thief);
    if let Some(to) = world.any_of(&audience)
        && thief.partial < PARTIAL
        && let Some(one) = accomplice(world, &mut thief)
    {
        thief.partial += 1;
        listen(world, &mut thief, &to);
        thief.device.op(Kind::Add.number(), wire::encode(&one));
        let noticed = world.lab.truth.unwanted.contains(&thief.device.key());
        let op = match world.choices.below(3) {
            0 if noticed => thief.device.op(Kind::Leave.number(), vec![0xa0]),
            1 => thief.device.op(Kind::Alive.number(), vec![0xa0]),
            _ => thief.device.op(Kind::Move.number(), wire::encode(&one)),
        };
        let update = Update { ops: vec![op], ..Update::new(to.key()) };
        let said = thief.device.send(&to, None, update);
        put(world, Folder::Inbox(to.id()), said, "what follows something that a thief kept to himself");
    }
    world.malice.thief = Some(thief);
}

/// Something that a device may sign, each field of it one that an honest device would write or one that none would.
fn operation<C: Choices>(world: &mut World<C>, thief: &mut Thief, honest: &[Insider]) -> Option<SignedOp> {
    let noticed = world.lab.truth.unwanted.contains(&thief.device.key());
    let known: Vec<Hash> = thief.device.log().entries().map(|(hash, _)| *hash).collect();
    let by = world.choices.below(1 + thief.accomplices.len() as u64) as usize;
    let keys: Vec<Fingerprint> = honest.iter().chain(&thief.accomplices).map(Insider::key).collect();
    let target = world.any_of(&keys)?;
    let cut: BTreeSet<Hash> = match world.choices.below(3) {
        0 => BTreeSet::new(),
        1 => world.any_of(&known).into_iter().collect(),
        _ => thief.device.log().tips(&target, u64::MAX),
    };
    let numbers = [0, 1, 2, 7, 1 << 20, (1 << 48) - 1, u64::MAX];
    let number = |world: &mut World<C>| world.any_of(&numbers).unwrap_or(0);
    let hash = world.any_of(&known).unwrap_or_default();
    let (kind, body) = match world.choices.below(14) {
        0 | 1 => {
            let device = accomplice(world, thief)?;
            (Kind::Add, wire::encode(&device))
        }
        choice @ (2 | 3) => (Kind::Remove, wire::encode(&Removal { target, cut, silent: choice == 3 })),
        4 | 5 => {
            let fingerprint = Fingerprint::new(&world.choices.seed())?;
            let (epoch, generation) = (number(world), number(world));
            let version = Hash(world.choices.seed());
            let created = Timestamp(world.choices.below(world.lab.now.0));
            (Kind::AccountKey, wire::encode(&KeyNotice { fingerprint, epoch, created, generation, version }))
        }
        6 => (Kind::Alive, vec![0xa0]),
        7 => {
            let into = Hash(world.choices.seed());
            (Kind::Merge, wire::encode(&Merge { into, follows: None }))
        }
        8 => (Kind::Veto, wire::encode(&Veto { merge: hash })),
        9 => {
            let keys: Vec<_> = world.lab.truth.keys.keys().copied().collect();
            let fingerprint = world.any_of(&keys)?;
            if world.choices.chance(500_000) {
                (Kind::Restore, wire::encode(&Restoration { fingerprint }))
            } else {
                (Kind::Destroy, wire::encode(&Destruction { fingerprint }))
            }
        }
        10 if noticed => (Kind::Leave, vec![0xa0]),
        11 => {
            let device = accomplice(world, thief)?;
            (Kind::Move, wire::encode(&device))
        }
        _ => return None,
    };
    let signer = if by == 0 { &mut thief.device } else { &mut thief.accomplices[by - 1] };
    let (kind, before) = (kind.number(), signer.sequence);
    if world.choices.chance(200_000) {
        // It was signed before, or says so; or it is signed a second time under one number.
        signer.sequence =
            world.any_of(&[before, before.saturating_sub(1), 1, before + (1 << 20)]).unwrap_or(before);
    }
    let op = if world.choices.chance(300_000) {
        let seen = world.any_of(&known).into_iter().collect();
        signer.lie(kind, body, seen)
    } else {
        signer.op(kind, body)
    };
    signer.sequence = signer.sequence.max(before);
    thief.hear(std::slice::from_ref(&op));
    Some(op)
}

/// A device that he made up, or one more.
fn accomplice<C: Choices>(world: &mut World<C>, thief: &mut Thief) -> Option<Introduction> {
    if thief.accomplices.len() < ACCOMPLICES {
        let (seed, id) = (world.choices.seed(), MuaaId(800 + thief.accomplices.len() as u64));
        let mut one = Insider::made_up(id, &seed)?;
        one.enter(thief.device.log().clone());
        world.lab.truth.pair(thief.device.key(), one.key());
        if world.lab.truth.unwanted.contains(&thief.device.key()) {
            world.lab.truth.unwanted.insert(one.key());
        }
        thief.accomplices.push(one);
    }
    let accomplices = thief.accomplices.clone();
    world.any_of(&accomplices).map(|one| one.introduction())
}
