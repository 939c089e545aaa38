//! What tests ask of a group and of those who are out of it.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "all of this is for tests")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sma_core::{
    Command, Fingerprint, Folder, MuaaId, Phase,
    state::Removal,
    wire::{self, SignedOp},
};
use sma_sim::{stage::Stage, store::Kept};

use crate::{
    account::{insider, join, muaa},
    insider::{Insider, Said},
};

/// The body of what says nothing.
pub const NOTHING: [u8; 1] = [0xa0];
const DAY: Duration = Duration::from_secs(86_400);

/// A person removes this device on that one.
pub fn remove(stage: &mut Stage, at: usize, id: u64) {
    stage.command(at, Command::Remove { id: MuaaId(id) }).unwrap();
}

/// It sends these operations to a device.
pub fn say(stage: &mut Stage, from: &mut Insider, at: usize, ops: &[SignedOp]) {
    let Some(to) = Insider::of(&stage.lab.machines[at]) else { return };
    let envelope = from.update(&to, Said { ops: ops.to_vec(), ..Said::default() });
    stage.lab.store.put(Folder::Inbox(to.id()), Kept::Envelope(envelope), true, stage.lab.now);
    stage.lab.notice(at, Folder::Inbox(to.id()));
    stage.settle();
}

/// So many days go by.
pub fn pass(stage: &mut Stage, days: u32) {
    for _ in 0..days {
        stage.lab.violation = None;
        stage.advance(DAY);
    }
}

/// What removes this device and leaves nothing of it standing.
pub fn removal(of: &Insider) -> Vec<u8> {
    wire::encode(&Removal { target: of.key(), cut: BTreeSet::default(), silent: false })
}

/// What takes this device for lost and leaves standing what it says to have said.
pub fn expiry(of: &Insider) -> Vec<u8> {
    wire::encode(&Removal { target: of.key(), cut: of.log().tips(&of.key(), u64::MAX), silent: true })
}

/// What lies in the inbox of the device with this id is gone.
pub fn hide(stage: &mut Stage, id: u64) {
    if let Some(folder) = stage.lab.store.folders.get_mut(&Folder::Inbox(MuaaId(id))) {
        Arc::make_mut(folder).messages.clear();
    }
}

/// The account key that this device has for the current one.
pub fn current(stage: &Stage, at: usize) -> Fingerprint {
    muaa(stage, at).account().current.unwrap()
}

/// These are the members on all of these devices, which have one current key that all hold.
pub fn all_have(stage: &Stage, devices: &[usize], ids: &[u64]) -> Result<(), String> {
    for at in devices {
        let Some(muaa) = &stage.lab.machines[*at].muaa else { return Err(format!("{at} does not run")) };
        let found: Vec<_> = muaa.members().iter().map(|id| id.0).collect();
        if found != ids || !matches!(muaa.phase(), Phase::Paired | Phase::Alone) {
            return Err(format!("{at} is {:?} and has {found:?}", muaa.phase()));
        }
        let current = muaa.account().current;
        if current.is_none_or(|key| muaa.account_secret(&key).is_none())
            || current != self::muaa(stage, devices[0]).account().current
        {
            return Err(format!("{at} has the key {current:?}"));
        }
    }
    Ok(())
}

/// Devices of a thief's own that nobody ever paired, each with another key.
pub fn made_up<const N: usize>() -> [Insider; N] {
    let mut den = Stage::new();
    let mut id = 660;
    [(); N].map(|()| {
        id += 1;
        let at = join(&mut den, id, None);
        insider(&den, at)
    })
}

/// An insider of this group: what it signs stands in its log.
pub fn in_the_group_of(mut who: Insider, group: &Insider, ops: &[SignedOp]) -> Insider {
    who.enter(group.log().clone());
    who.hear(ops);
    who
}

/// Devices 1, 2, … and the one that is to be thrown out, which is the last.
pub fn group(count: u64) -> (Stage, Vec<usize>) {
    let mut stage = Stage::new();
    let devices: Vec<usize> = (1..=count)
        .map(|id| {
            let at = stage.add(id);
            stage.settle();
            at
        })
        .collect();
    for newcomer in &devices[1..] {
        assert!(stage.pair(devices[0], *newcomer));
    }
    stage.settle();
    (stage, devices)
}
