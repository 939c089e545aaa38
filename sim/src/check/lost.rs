//! 2: a key that a device held decrypts there until a person has it destroyed, so no mail that could be read stops to be so; and
//! what a person called a device is what every member calls it when all is at rest.

use super::{Verdict, are_apart, living};
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
    // A member calls the others what it likes, and what it said gives way to what is said later alone.
    if lab.machines.iter().any(|machine| machine.stolen) {
        return Ok(());
    }
    for (at, name) in &lab.truth.named {
        let of = &lab.machines[*at];
        let named = living(lab).find(|machine| machine.name == of.name);
        let named = named.and_then(|machine| machine.muaa.as_ref());
        let Some((named, id)) = named.and_then(|muaa| Some((muaa, muaa.id()?))) else { continue };
        for machine in living(lab).filter(|machine| machine.name != of.name) {
            let Some(muaa) = machine.muaa.as_ref().filter(|muaa| !are_apart(lab, named, muaa)) else {
                continue;
            };
            let siblings = muaa.siblings();
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
