//! 1: when faults have stopped, all living devices have the same group, members, state, account key, and recommendation for every peer;
//! but those whom people parted, by a removal on each side that the other does not believe, agree on each side alone.
//! Whoever ever had a wrong clock may recommend something else: what is ahead of its clock does not count for it. So nothing is said of a peer
//! of whom something is dated ahead of one of the clocks, which may differ by less than a day and be right. Where the server's
//! clock jumped besides, mails are ahead of some clocks and not of others, and nothing is said about anybody's recommendation.

use std::collections::BTreeSet;

use sma_core::{
    Muaa,
    autocrypt::{Address, Date, Peer},
};

use super::{Verdict, are_apart, living};
use crate::{
    lab::{Lab, Machine},
    symbolic::Symbolic,
};

pub(super) fn check(lab: &Lab) -> Verdict {
    compare(lab, living(lab), differing_state)?;
    let misled = lab.machines.iter().any(|machine| machine.is_misled());
    if misled && lab.store.clock_offset != 0 {
        return Ok(());
    }
    let right = || living(lab).filter(|machine| !machine.is_misled());
    let until = right().filter_map(|machine| Some(machine.muaa.as_ref()?.dates_until())).min();
    let until = until.unwrap_or(Date::LAST);
    compare(lab, right(), |one, other| differing_recommendation(one, other, until))
}

/// Compares each of these machines with the first of those that it is not apart from.
fn compare<'a>(
    lab: &Lab,
    machines: impl Iterator<Item = &'a Machine>,
    differing: impl Fn(&Muaa<Symbolic>, &Muaa<Symbolic>) -> Option<String>,
) -> Verdict {
    let mut firsts: Vec<(&String, &Muaa<Symbolic>)> = Vec::new();
    for (name, muaa) in machines.filter_map(|machine| Some((&machine.name, machine.muaa.as_ref()?))) {
        let mut with = firsts.iter().filter(|(_, first)| !are_apart(lab, first, muaa)).peekable();
        let is_first = with.peek().is_none();
        for (first, other) in with {
            if let Some(what) = differing(other, muaa) {
                return Err(format!("{first} and {name} have different {what}"));
            }
        }
        if is_first {
            firsts.push((name, muaa));
        }
    }
    Ok(())
}

fn differing_state(one: &Muaa<Symbolic>, other: &Muaa<Symbolic>) -> Option<String> {
    let (ours, theirs) = (one.account(), other.account());
    let what = if one.group().is_none() || one.group() != other.group() {
        "groups"
    } else if one.members() != other.members() {
        "members"
    } else if one.digest() != other.digest() {
        "states"
    } else if ours.current.is_none() || ours != theirs {
        "account keys"
    } else {
        return None;
    };
    Some(what.to_owned())
}

/// Of peers of whom nothing is dated later than this, which counts for all.
fn differing_recommendation(one: &Muaa<Symbolic>, other: &Muaa<Symbolic>, until: Date) -> Option<String> {
    let all = || one.peers().into_iter().chain(other.peers());
    let is_ahead = |peer: &Peer<'_>| {
        let dates = [peer.header, peer.gossip].into_iter().flatten().map(|known| known.date);
        dates.chain([peer.last_seen]).any(|date| date > until)
    };
    let ahead: BTreeSet<_> = all().filter(|(_, peer)| is_ahead(peer)).map(|(address, _)| address).collect();
    let peers: BTreeSet<_> = all().map(|(address, _)| address).filter(|peer| !ahead.contains(peer)).collect();
    let advice = |of: &Muaa<Symbolic>, peer: &Address| of.recommendation([peer], false, |_| true);
    let peer = peers.iter().find(|peer| advice(one, peer) != advice(other, peer))?;
    Some(format!("recommendations for {peer}"))
}

#[cfg(test)]
mod tests {
    use sma_core::{Command, MuaaId};

    use super::*;
    use crate::stage::Stage;

    /// A group of which all are cut off from now on.
    fn cut_off(ids: &[u64]) -> (Stage, Vec<usize>) {
        let mut stage = Stage::new();
        stage.lab.trace.on = false;
        let devices: Vec<_> = ids.iter().map(|id| stage.add(*id)).collect();
        stage.settle();
        for newcomer in &devices[1..] {
            assert!(stage.pair(devices[0], *newcomer));
        }
        stage.settle();
        stage.cut.extend(&devices);
        (stage, devices)
    }

    fn remove(stage: &mut Stage, by: usize, whom: u64) {
        assert_eq!(stage.command(by, Command::Remove { id: MuaaId(whom) }), Ok(()));
        stage.settle();
    }

    #[test]
    fn two_that_removed_each_other_are_apart_and_need_not_agree() {
        let (mut stage, devices) = cut_off(&[1, 2]);
        remove(&mut stage, devices[0], 2);
        remove(&mut stage, devices[1], 1);
        assert_eq!(check(&stage.lab), Ok(()));
    }

    #[test]
    fn two_that_removed_each_other_must_agree_with_who_is_a_member_for_both() {
        let (mut stage, devices) = cut_off(&[1, 2, 3]);
        remove(&mut stage, devices[0], 2);
        remove(&mut stage, devices[1], 1);
        assert_eq!(check(&stage.lab), Err("1 and 2 have different members".to_owned()));
    }

    #[test]
    fn who_does_not_know_that_it_was_removed_is_not_apart() {
        let (mut stage, devices) = cut_off(&[1, 2]);
        remove(&mut stage, devices[0], 2);
        assert_eq!(check(&stage.lab), Err("1 and 2 have different members".to_owned()));
    }
}
