//! 15: what a device said to have done is done: it shows so at once, and where nobody undid it, all devices do in the end.
//!
//! Seen to fire: with old keys taken that a device which left can have, `run --seed 180 --muaas 3 --days 60 --faults all --malice server`; with
//! removals left out in groups of more than three, `run --seed 11 --muaas 5 --days 60 --faults all`; with the destruction left out of the log,
//! `run --seed 4 --muaas 4 --days 60 --faults all`; at rest with removed devices members again in a log of ten operations, and no
//! resurrection (3) looked for, `run --seed 83 --muaas 5 --days 60 --faults all`.

use sma_core::{Command, Phase};

use super::{Verdict, living};
use crate::{deeds::Before, lab::Lab};

/// Right after a command that was taken.
pub(super) fn check(lab: &Lab, at: usize, command: &Command, before: Option<&Before>) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return Ok(()) };
    let done = match command {
        Command::Remove { .. } => before.and_then(|before| before.target).is_none_or(|target| {
            let shown = |sibling: sma_core::Sibling| sibling.member && sibling.fingerprint == target;
            muaa.member_keys().all(|key| key != target) && !muaa.siblings().into_iter().any(shown)
        }),
        Command::SetPreferEncrypt { mutual } => muaa.prefers_encrypt() == *mutual,
        Command::Leave => muaa.phase() == Phase::Left,
        Command::Return => muaa.phase() != Phase::Suspended,
        Command::AdoptKey { .. } => before.and_then(|before| before.adopted).is_none_or(|key| {
            let current = muaa.account().current == Some(key) && muaa.account_secret(&key).is_some();
            current || muaa.group().is_none()
        }),
        Command::DestroyKey { fingerprint } => {
            let account = muaa.account();
            account.destroyed.contains(fingerprint) && !account.keys.contains(fingerprint)
        }
        Command::RestoreKey { fingerprint } => !muaa.account().destroyed.contains(fingerprint),
        Command::Acknowledge { id } => muaa.notices().iter().all(|(new, _)| new != id),
        Command::DeletePeer { address, .. } => {
            muaa.peers().keys().all(|peer| !peer.as_str().eq_ignore_ascii_case(address))
        }
        Command::ConfirmJoin => muaa.join_question().is_none_or(|question| question.goes_at.is_some()),
        Command::DeclineJoin => muaa.join_question().is_none(),
        Command::Poll
        | Command::Offer { .. }
        | Command::CancelOffer { .. }
        | Command::EnterCode { .. }
        | Command::Veto { .. }
        | Command::Replace { .. }
        | Command::Reject { .. }
        | Command::StartApart
        | Command::Rename { .. }
        | Command::Observe { .. }
        | Command::Gossip { .. }
        | Command::Wrote { .. } => true,
    };
    if done {
        Ok(())
    } else {
        Err(format!("{} said to have done what it did not: {command:?}", machine.name))
    }
}

/// Who was removed on a device that is a member still, and that nobody removed and that has not left, is a member for none of its group. A
/// removal said in another group, from which that device went over, is brought along (8.4). Nothing is known of what copies of a device said under one number.
pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    if lab.truth.copied {
        return Ok(());
    }
    for removed in lab.truth.deeds.removed() {
        if lab.truth.removed.contains_key(&removed.by) || lab.truth.deeds.has_left(&removed.by) {
            continue;
        }
        for machine in living(lab) {
            let Some(muaa) = machine.muaa.as_ref() else { continue };
            let is_member = |wanted| muaa.member_keys().any(|key| key == wanted);
            if is_member(removed.by) && is_member(removed.whom) {
                return Err(format!(
                    "{} has the member {}, which a person removed",
                    machine.name, removed.whom
                ));
            }
        }
    }
    Ok(())
}
