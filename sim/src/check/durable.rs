//! 8: what a device knows when it has said all it has to say is what it has saved: a crash then changes nothing.
//!
//! It fired in each of 100 worlds where every change had to be announced by hand, as in that of seed 0 with 3 devices and 60 days.

use super::Verdict;
use crate::lab::Lab;

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
