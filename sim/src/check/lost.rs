//! 2: a key that a device held decrypts there until a person has it destroyed, so no mail that could be read stops to be so; and
//! what a person called a device is what every member calls it when all is at rest.

use super::{Verdict, living};
use crate::lab::Lab;

pub(super) fn check(lab: &mut Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return Ok(()) };
    let account = muaa.account();
    let held = lab.truth.held.entry(at).or_default();
    held.retain(|key| !account.destroyed.contains(key));
    if let Some(key) = held.iter().find(|key| muaa.account_secret(key).is_none()) {
        return Err(format!("{} lost the account key {key}", machine.name));
    }
    held.extend(account.keys);
    Ok(())
}

pub(super) fn check_at_rest(lab: &Lab) -> Verdict {
    for (at, name) in &lab.truth.named {
        let of = &lab.machines[*at];
        let id = living(lab)
            .find(|machine| machine.name == of.name)
            .and_then(|machine| machine.muaa.as_ref()?.id());
        let Some(id) = id else { continue };
        for machine in living(lab).filter(|machine| machine.name != of.name) {
            let siblings = machine.muaa.as_ref().map(sma_core::Muaa::siblings).unwrap_or_default();
            let called =
                siblings.into_iter().find(|sibling| sibling.id == id).and_then(|sibling| sibling.name);
            if called.as_ref() != Some(name) {
                return Err(format!(
                    "{} calls {} {called:?}, which was named {name:?}",
                    machine.name, of.name
                ));
            }
        }
    }
    Ok(())
}
