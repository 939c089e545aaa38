//! 8: what a device knows when it has said all it has to say, and whenever it asks something of the store, is what it has saved: a crash then
//! changes nothing. At rest what it saved, read back, gives a device that shows the same.
//!
//! It fired in each of 100 worlds where every change had to be announced by hand, as in that of seed 0 with 3 devices and 60 days.
//! Before requests it fired with requests handed out before what is to be saved, `run --seed 0 --muaas 3 --days 60 --faults all`.

use sma_core::{Muaa, Snapshot};

use super::{Verdict, living};
use crate::{lab::Lab, symbolic::Symbolic};

/// A hasty lab is looked at after every so many operations.
const LOOKS: u64 = 64;

pub(super) fn check(lab: &Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    if lab.hasty && !lab.counts.operations.is_multiple_of(LOOKS) {
        return Ok(());
    }
    match (&machine.muaa, &machine.durable) {
        (Some(muaa), Some(saved)) if !muaa.is_saved_as(saved) => {
            Err(format!("{} knows something that it has not saved", machine.name))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    // In a hasty lab one speaks for all.
    let looks = if lab.hasty { 1 } else { usize::MAX };
    for machine in living(lab).take(looks) {
        let (Some(muaa), Some(saved)) = (&machine.muaa, &machine.durable) else { continue };
        let now = machine.local(lab.now);
        let read = Snapshot::decode(saved.encode().expose());
        let again =
            read.and_then(|read| Muaa::restore(machine.config.clone(), Symbolic, [0; 32], &read, now));
        if !again.is_ok_and(|again| shows_the_same(muaa, &again)) {
            return Err(format!("{} would be another one after a restart", machine.name));
        }
    }
    Ok(())
}

fn shows_the_same(one: &Muaa<Symbolic>, other: &Muaa<Symbolic>) -> bool {
    let of = |muaa: &Muaa<Symbolic>| {
        let device = (muaa.id(), muaa.fingerprint(), muaa.phase(), muaa.group(), muaa.digest());
        let group = (muaa.siblings(), muaa.notices(), muaa.ended_keys().collect::<Vec<_>>());
        let asks = (muaa.offers(), muaa.join_question());
        let account = (muaa.account(), muaa.restorable_keys(), muaa.prefers_encrypt());
        (device, group, asks, account)
    };
    // Which peers count goes by the time that a device was last told; the digest has them all.
    of(one) == of(other)
}
