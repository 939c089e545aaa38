//! 4: mail carries no key that a device can have held which a person ended: one that was removed, with all that its remover had, for it
//! may have been told; one that left, with all that it had. Judged from what people did and devices held, not from what a program bars. Where
//! all may have forgotten of an end the device has to know of it.
//!
//! Seen to fire: with no fresh key made where a device that left holds the current one, `run --seed 14 --muaas 5 --days 60 --faults all`.

use sma_core::{Fingerprint, Gone};

use super::{Verdict, living};
use crate::lab::Lab;

/// What a device holds is known.
pub(super) fn note(lab: &mut Lab, at: usize) {
    if let Some(muaa) = &lab.machines[at].muaa {
        lab.truth.deeds.held(muaa.fingerprint(), muaa.account_keys());
    }
}

pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    let ended = lab.truth.deeds.ended();
    for machine in living(lab) {
        let Some(muaa) = &machine.muaa else { continue };
        let Some(current) = muaa.account().current else { continue };
        let stays = |device| device == muaa.fingerprint() || muaa.member_keys().any(|key| key == device);
        let known = |device| {
            let mut ended = muaa.ended_keys();
            ended.any(|(key, how)| key == device && (how.is_forced() || how == Gone::Left))
        };
        // One that nobody has any more may be the foremost, until it is silent: nobody makes another key for one that left before (8.3).
        let runs =
            |key| lab.machines.iter().any(|it| it.muaa.as_ref().is_some_and(|it| it.fingerprint() == key));
        let waits = |device: &Fingerprint| lab.truth.deeds.has_left(device) && !muaa.member_keys().all(runs);
        let is_over = |device| {
            !stays(device) && (!lab.truth.may_be_unheard(&device) || known(device)) && !waits(&device)
        };
        let mut ended = ended.iter().filter(|device| is_over(**device));
        if let Some(device) = ended.find(|device| lab.truth.deeds.could_hold(device, &current)) {
            return Err(format!(
                "{}'s mail carries a key that {device} can have, which is out",
                machine.name
            ));
        }
    }
    Ok(())
}
