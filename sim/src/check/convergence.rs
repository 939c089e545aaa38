//! 1: when faults have stopped, all living devices have the same group, members, state, account key, and recommendation for every peer.
//! Whoever ever had a wrong clock may recommend something else: what is ahead of its clock does not count for it. Where the server's
//! clock jumped besides, mails are ahead of some clocks and not of others, and nothing is said about anybody's recommendation.

use std::collections::BTreeSet;

use sma_core::{Muaa, autocrypt::Address};

use super::{Verdict, living};
use crate::{lab::Lab, symbolic::Symbolic};

pub(super) fn check(lab: &Lab) -> Verdict {
    check_states(lab)?;
    let misled = lab.machines.iter().any(|machine| machine.is_misled());
    if misled && lab.store.clock_offset != 0 { Ok(()) } else { check_recommendations(lab) }
}

fn check_states(lab: &Lab) -> Verdict {
    let mut living = living(lab).filter_map(|machine| Some((&machine.name, machine.muaa.as_ref()?)));
    let Some((first, muaa)) = living.next() else { return Ok(()) };
    let differs = |what: &str, other: &String| Err(format!("{first} and {other} have different {what}"));
    for (name, other) in living {
        if muaa.group().is_none() || muaa.group() != other.group() {
            return differs("groups", name);
        }
        if muaa.members() != other.members() {
            return differs("members", name);
        }
        if muaa.digest() != other.digest() {
            return differs("states", name);
        }
        let (ours, theirs) = (muaa.account(), other.account());
        if ours.current.is_none() || ours != theirs {
            return differs("account keys", name);
        }
    }
    Ok(())
}

fn check_recommendations(lab: &Lab) -> Verdict {
    let right = living(lab).filter(|machine| !machine.is_misled());
    let mut right = right.filter_map(|machine| Some((&machine.name, machine.muaa.as_ref()?)));
    let Some((first, muaa)) = right.next() else { return Ok(()) };
    for (name, other) in right {
        let peers: BTreeSet<_> = muaa.peers().into_keys().chain(other.peers().into_keys()).collect();
        let advice = |of: &Muaa<Symbolic>, peer: &Address| of.recommendation([peer], false, |_| true);
        if let Some(peer) = peers.iter().find(|peer| advice(muaa, peer) != advice(other, peer)) {
            return Err(format!("{first} and {name} have different recommendations for {peer}"));
        }
    }
    Ok(())
}
