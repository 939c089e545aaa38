//! 11: without a person who deleted its inbox, no device is suspended, and nobody is asked whether it is to be removed for good. People
//! have a suspended device return, so at rest none is suspended.
//!
//! Seen to fire at rest: with people who have no device return, `run --seed 26 --muaas 5 --days 60 --faults all`.

use sma_core::{Event, Folder, MuaaId, Phase};

use super::Verdict;
use crate::lab::{Lab, Machine};

/// A device that was not suspended before is.
pub(super) fn check(lab: &mut Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return Ok(()) };
    if muaa.phase() != Phase::Suspended {
        lab.truth.suspended.remove(&at);
        return Ok(());
    }
    let is_news = lab.truth.suspended.insert(at);
    match muaa.id().filter(|id| is_news && !was_deleted_by_hand(lab, *id)) {
        Some(_) => Err(format!("{} is suspended, and nobody deleted its folder", machine.name)),
        None => Ok(()),
    }
}

/// People have a suspended device return, so at rest there is none.
pub(super) fn check_at_rest(lab: &Lab) -> Verdict {
    let suspended =
        |machine: &&Machine| machine.muaa.as_ref().is_some_and(|muaa| muaa.phase() == Phase::Suspended);
    match lab.machines.iter().find(suspended) {
        Some(machine) => Err(format!("{} is suspended, though its person had it return", machine.name)),
        None => Ok(()),
    }
}

/// What a device tells its user of another one that runs and is a member.
pub(super) fn check_event(lab: &Lab, at: usize, event: &Event) -> Verdict {
    let Event::FolderDeleted { id } = event else { return Ok(()) };
    let owner = lab.by_id(*id).and_then(|owner| lab.machines[owner].muaa.as_ref());
    let in_use = owner.is_some_and(|muaa| matches!(muaa.phase(), Phase::Alone | Phase::Paired));
    if in_use && !was_deleted_by_hand(lab, *id) {
        return Err(format!("{} asks about the folder of {id}, which nobody deleted", lab.machines[at].name));
    }
    Ok(())
}

/// Copies of a device, and states that were put back, take one another's folders away.
fn was_deleted_by_hand(lab: &Lab, id: MuaaId) -> bool {
    lab.truth.copied || lab.truth.was_deleted_by_hand(Folder::Inbox(id), lab.now)
}
