//! Programs of one account that have paired, and what a test asks of them.

use sma_core::{Command, Muaa, MuaaId, Phase};
use sma_sim::{stage::Stage, symbolic::Symbolic};

use crate::insider::Insider;

/// Programs with these ids, each paired with the first.
///
/// # Panics
/// If two do not pair.
#[must_use]
pub fn paired<const N: usize>(ids: [u64; N]) -> (Stage, [usize; N]) {
    let mut stage = Stage::new();
    let devices = ids.map(|id| {
        let at = stage.add(id);
        stage.settle();
        at
    });
    for newcomer in &devices[1..] {
        assert!(stage.pair(devices[0], *newcomer));
    }
    stage.settle();
    (stage, devices)
}

/// The program of this device.
///
/// # Panics
/// If the device does not run.
#[must_use]
pub fn muaa(stage: &Stage, at: usize) -> &Muaa<Symbolic> {
    stage.lab.machines[at].muaa.as_ref().expect("the device runs")
}

/// Another program with the keys of this device.
///
/// # Panics
/// If the device is no member of a group.
#[must_use]
pub fn insider(stage: &Stage, at: usize) -> Insider {
    Insider::of(&stage.lab.machines[at]).expect("the device is a member")
}

/// The members of the group, as this device has them.
///
/// # Panics
/// If the device does not run.
#[must_use]
pub fn members(stage: &Stage, at: usize) -> Vec<u64> {
    muaa(stage, at).members().into_iter().map(|MuaaId(id)| id).collect()
}

/// Another device, which that one lets in, or which founds a group of its own.
///
/// # Panics
/// If it is not let in.
pub fn join(stage: &mut Stage, id: u64, by: Option<usize>) -> usize {
    let at = stage.add(id);
    stage.settle();
    match by {
        Some(by) => assert!(stage.pair(by, at), "{id} is let in"),
        None if muaa(stage, at).phase() != Phase::Alone => {
            stage.command(at, Command::StartApart).expect("it has no group");
            stage.settle();
        }
        None => {}
    }
    at
}
