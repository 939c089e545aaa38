//! 12: what a device shows is what its group does. It shows as members those whom its log, read anew from what it saved, makes members;
//! nobody is shown as a member and as ended; it writes to those whom it shows, and to nobody else.
//!
//! Seen to fire: with those left out of `siblings` who are not announced, `run --seed 3 --muaas 3 --days 60 --faults all`; with the link kept of
//! who is gone, `run --seed 1 --muaas 4 --days 60 --faults all`.

use std::collections::BTreeSet;

use sma_core::{Fingerprint, Muaa, MuaaId, Phase, state::Membership};

use super::{Verdict, living};
use crate::{lab::Lab, saved::Saved, symbolic::Symbolic};

/// What a device shows agrees with itself.
pub(super) fn check(lab: &Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let grouped = |muaa: &&Muaa<Symbolic>| matches!(muaa.phase(), Phase::Alone | Phase::Paired);
    let Some(muaa) = machine.muaa.as_ref().filter(grouped) else { return Ok(()) };
    let shown = shown(muaa);
    let members: BTreeSet<_> = muaa.member_keys().filter(|key| *key != muaa.fingerprint()).collect();
    let name = &machine.name;
    let keys: BTreeSet<_> = shown.iter().map(|(_, key)| *key).collect();
    if let Some(key) = keys.symmetric_difference(&members).next() {
        return Err(format!("{name} shows others as members than it counts: {key}"));
    }
    if let Some((key, _)) = muaa.ended_keys().find(|(key, _)| keys.contains(key)) {
        return Err(format!("{name} shows {key} as a member, which is out"));
    }
    let is_member = muaa.member_keys().any(|key| key == muaa.fingerprint());
    let mut ids: Vec<MuaaId> =
        shown.iter().map(|(id, _)| *id).chain(muaa.id().filter(|_| is_member)).collect();
    ids.sort_unstable();
    if muaa.id().is_some() && ids != muaa.members() {
        return Err(format!("{name} lists the members {:?} and shows {ids:?}", muaa.members()));
    }
    if let Some((id, _)) = muaa.notices().into_iter().find(|(id, _)| !ids.contains(id)) {
        return Err(format!("{name} asks about the new member {id}, which it does not show"));
    }
    // One that waits to go on under another key is no member until then.
    if is_member && (muaa.phase() == Phase::Paired) == keys.is_empty() {
        return Err(format!("{name} is {} and shows {} other members", muaa.phase().name(), keys.len()));
    }
    Ok(())
}

/// What it shows is what its log says and what it does.
pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    for machine in living(lab) {
        let (Some(muaa), Some(saved)) = (&machine.muaa, Saved::of(machine)) else { continue };
        let Some(log) = saved.log() else { continue };
        let own = (muaa.id(), muaa.fingerprint());
        let said = Membership::of(&log).members;
        let said: BTreeSet<_> = said.into_iter().map(|(key, member)| (member.id, key)).collect();
        let mut shown = shown(muaa);
        shown.extend(own.0.map(|id| (id, own.1)));
        if let Some((id, _)) = said.symmetric_difference(&shown).next() {
            return Err(format!("{} shows of {id} what its log does not say", machine.name));
        }
        let others: BTreeSet<_> =
            shown.iter().filter(|member| member.1 != own.1).map(|(id, _)| *id).collect();
        if let Some(id) = others.symmetric_difference(saved.links()).next() {
            return Err(format!("{} writes to others than it shows as members: {id}", machine.name));
        }
    }
    Ok(())
}

/// The others that a device shows as members.
fn shown(muaa: &Muaa<Symbolic>) -> BTreeSet<(MuaaId, Fingerprint)> {
    let members = muaa.siblings().into_iter().filter(|sibling| sibling.member);
    members.map(|sibling| (sibling.id, sibling.fingerprint)).collect()
}
