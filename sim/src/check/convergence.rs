//! 1: when faults have stopped, all living devices have the same group, members, state, account key, and recommendation for every peer.

use std::collections::BTreeSet;

use sma_core::{Muaa, autocrypt::Address};

use super::{Verdict, living};
use crate::{lab::Lab, symbolic::Symbolic};

pub(super) fn check(lab: &Lab) -> Verdict {
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
        let peers: BTreeSet<_> = muaa.peers().into_keys().chain(other.peers().into_keys()).collect();
        let advice = |of: &Muaa<Symbolic>, peer: &Address| of.recommendation([peer], false, |_| true);
        if let Some(peer) = peers.iter().find(|peer| advice(muaa, peer) != advice(other, peer)) {
            return differs(&format!("recommendations for {peer}"), name);
        }
        let (ours, theirs) = (muaa.account(), other.account());
        if ours.current.is_none() || ours != theirs {
            return differs("account keys", name);
        }
    }
    Ok(())
}
