//! 5: every member in an honest device's state was paired by a person, directly or through others that were.

use super::Verdict;
use crate::lab::Lab;

pub(super) fn check(lab: &Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return Ok(()) };
    let own = lab.truth.component(muaa.fingerprint());
    match muaa.member_keys().find(|key| lab.truth.component(*key) != own) {
        Some(key) => Err(format!("{} has a member {key} that no person paired", machine.name)),
        None => Ok(()),
    }
}
