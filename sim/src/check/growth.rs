//! 14: what a device keeps grows with what the account's own people do, and not with what a server or a stranger does. Each sort of things
//! that is saved has a bound: a number of the configuration for what others fill, and so many for each thing that people did for the rest. A
//! thief is a member and fills his share, so nothing is judged where there is one.
//!
//! What is to be said of an offer that expired waits for as long as the server refuses to read the newcomer's folder, for each offer: 267 such
//! messages waited in `run --seed 945 --muaas 3 --days 60 --faults all --malice server`. It is one for each act of a person.
//!
//! Seen to fire: with `siblings_max` taken out of the announcements, `run --seed 12 --muaas 3 --days 60 --faults all --malice stranger`; with a
//! sign of life in the log for each stranger that is met, `run --seed 1 --muaas 4 --days 60 --faults all --malice stranger`.

use super::Verdict;
use crate::{
    lab::{Lab, Machine},
    saved::{Saved, Sort},
};

/// In a hasty lab one machine is looked at on every so many days.
const DAYS: u64 = 32;
/// What people do to members or keys is one operation, and another key besides where somebody ends. That a machine is there is two: it is
/// let in, and brings a key.
const OPS: usize = 2;
/// Of operations before anybody did anything.
const OPS_AT_FIRST: usize = 4;
/// Octets of an operation, here, where a certificate has 80.
const OPERATION: usize = 384;
/// Octets of an account's key.
const KEY: usize = 256;
/// Octets of a setting.
const SETTING: usize = 128;
/// Octets of a sibling, with its certificate.
const SIBLING: usize = 320;
/// Octets of the hash of a message.
const HASH: usize = 40;
/// Octets of what is known of one person, whose key has 64: by header and gossip, shared and local, newest and counting, as of a correspondent
/// and as of anybody.
const PERSON: usize = 4096;
/// Octets of all sorts that are not named here: the own key and its subkeys, and a few of each other thing.
const REST: usize = 8192;
/// Pairings that are remembered.
const SESSIONS: usize = 64;
/// Former groups, and own digests (protocol, section 11).
const FORMERS: usize = 16;
const DIGESTS: usize = 32;
/// Messages that may be about to be removed from a folder which somebody deleted meanwhile.
const GONE: usize = 64;

/// One machine after the other.
pub(super) fn check(lab: &Lab, day: u64) -> Verdict {
    if lab.hasty && !day.is_multiple_of(DAYS) {
        return Ok(());
    }
    let turn = usize::try_from(day / DAYS).unwrap_or_default() % lab.machines.len().max(1);
    lab.machines.get(turn).map_or(Ok(()), |machine| check_machine(lab, machine))
}

pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    lab.machines.iter().try_for_each(|machine| check_machine(lab, machine))
}

fn check_machine(lab: &Lab, machine: &Machine) -> Verdict {
    if lab.truth.thief.is_some() || machine.muaa.is_none() {
        return Ok(());
    }
    let Some(saved) = Saved::of(machine) else { return Ok(()) };
    let config = &machine.config;
    // Each machine, each that was let in again, and each state that was put back may be a device of its own.
    let devices = lab.machines.len() + lab.truth.deeds.count();
    let ops = OPS_AT_FIRST + OPS * devices;
    let people = lab.truth.letters.people().min(3 * config.peers_max);
    let counts = [
        (Sort::Siblings, config.siblings_max + devices),
        (Sort::Links, devices),
        (Sort::Notices, devices),
        (Sort::Farewells, devices),
        (Sort::Keys, devices),
        (Sort::Settings, 1 + devices),
        (Sort::Journal, ops + 1 + 2 * devices + people),
        (Sort::Sessions, SESSIONS),
        (Sort::Offers, config.offers_max),
        (Sort::Requested, config.requests_max),
        (Sort::Posts, lab.truth.deeds.offers() + SESSIONS + config.requests_max + 2 * devices),
        (Sort::Removals, lab.store.all().count() + GONE),
        (Sort::Processed, config.tokens_max),
        (Sort::Formers, FORMERS),
        (Sort::Digests, DIGESTS),
    ];
    if let Some((sort, most)) = counts.into_iter().find(|(sort, most)| saved.count(*sort) > *most) {
        let count = saved.count(sort);
        return Err(format!("{} keeps {count} of {sort:?}, where {most} do", machine.name));
    }
    let log = saved.operations();
    if log > ops {
        return Err(format!("{} has a log of {log} operations, where {ops} do", machine.name));
    }
    let octets = [
        (Sort::Group, OPERATION * (1 + log)),
        (Sort::Keys, KEY * devices),
        (Sort::Settings, SETTING * (1 + devices)),
        (Sort::Siblings, SIBLING * (1 + saved.count(Sort::Siblings))),
        (Sort::Processed, HASH * (1 + saved.count(Sort::Processed))),
        (Sort::Peers, PERSON * (1 + people)),
        (Sort::Formers, OPERATION * (1 + ops) * FORMERS),
    ];
    if let Some((sort, most)) = octets.into_iter().find(|(sort, most)| saved.octets(*sort) > *most) {
        let count = saved.octets(sort);
        return Err(format!("{} keeps {count} octets of {sort:?}, where {most} do", machine.name));
    }
    let rest = saved.rest();
    if rest > REST + SIBLING * devices {
        return Err(format!("{} keeps {rest} octets of what has no name here", machine.name));
    }
    Ok(())
}
