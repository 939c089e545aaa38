//! 3: a device that was removed, or taken for lost, does not become a member again for anyone who saw it go, unless all on which it was removed are found
//! to be out themselves, or only a thief removed it, as far as the device has heard. Whoever saw it end otherwise, and not removed, did not see it go: a move and a
//! removal are known in one group, and in another one the key may be a member still; who is voided may be let in again. A device that is
//! out itself is none of those who saw.
//!
//! A key that a device knows to be destroyed is not held by it. A version of a key that was replaced does not come back where nobody was
//! removed, no state was put back, and there is no thief, whose word on versions may fall; unless the device wiped the key in another
//! group: that it was destroyed there stops no group whose mail carries it.

use std::collections::BTreeSet;

use sma_core::{
    Event, Fingerprint, Gone, Muaa, Phase,
    state::{Entry, LogBody},
};

use super::Verdict;
use crate::{
    insider::Insider,
    lab::{Lab, Machine},
    symbolic::Symbolic,
    truth::{Truth, member_keys},
};

pub(super) fn check(lab: &mut Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = machine.muaa.as_ref().filter(|muaa| muaa.group().is_some()) else { return Ok(()) };
    let is_out = matches!(muaa.phase(), Phase::Removed | Phase::Left);
    keys(at, &machine.name, muaa, &mut lab.truth)?;
    let members = member_keys(muaa);
    let (seen, gone) = lab.truth.seen.entry(at).or_default();
    let ended = |wanted: fn(&Gone) -> bool| {
        muaa.ended_keys().filter(move |(_, how)| wanted(how)).map(|(key, _)| key).collect::<BTreeSet<_>>()
    };
    let (out, ended_otherwise) = (ended(|how| *how != Gone::Moved), ended(|how| !how.is_forced()));
    // What a thief removes it may bring back: it signs one thing here and another there.
    let stays = |by: &Fingerprint| !out.contains(by) && lab.truth.thief != Some(*by);
    let by_members = |key: &&Fingerprint| lab.truth.removed.get(*key).is_some_and(|by| by.iter().any(stays));
    let back: Vec<_> = gone.intersection(&members).filter(by_members).filter(|_| !is_out).collect();
    if !back.is_empty() {
        // What this device saw may have been the word of a thief alone: it has not heard yet of a person's.
        let heard = removers_heard(&lab.machines[at]);
        let heard = |key: &Fingerprint| heard.iter().any(|(whom, by)| whom == key && stays(by));
        if let Some(key) = back.iter().find(|key| lab.truth.thief.is_none() || heard(key)) {
            return Err(format!("{} took the removed device {key} for a member again", machine.name));
        }
    }
    let is_gone = |key: &&Fingerprint| !members.contains(*key) && !ended_otherwise.contains(*key);
    let went = seen.iter().filter(|key| lab.truth.removed.contains_key(key)).filter(is_gone);
    gone.extend(went.copied());
    seen.extend(members);
    Ok(())
}

/// Whom somebody removes in what this device knows of its group, and who does.
fn removers_heard(machine: &Machine) -> BTreeSet<(Fingerprint, Fingerprint)> {
    let known = Insider::of(machine);
    let said = known.iter().flat_map(|known| known.log().entries());
    let removal = |entry: &Entry| {
        let LogBody::Remove(removal) = &entry.body else { return None };
        Some((removal.target, entry.key))
    };
    said.filter_map(|(_, entry)| removal(entry)).collect()
}

/// Of a key that is wiped no version is left.
pub(super) fn note_wiped(lab: &mut Lab, at: usize, event: &Event) {
    if let Event::KeyDestroyed(key) = event {
        let group = lab.machines[at].muaa.as_ref().and_then(Muaa::group);
        lab.truth.wiped.insert((at, *key), group);
    }
}

fn keys(at: usize, name: &str, muaa: &Muaa<Symbolic>, truth: &mut Truth) -> Verdict {
    let account = muaa.account();
    if let Some(key) = account.keys.iter().find(|key| account.destroyed.contains(key)) {
        return Err(format!("{name} holds the key {key}, which was destroyed"));
    }
    for key in &account.keys {
        let Some(secret) = muaa.account_secret(key) else { continue };
        let versions = truth.versions.entry((at, *key)).or_default();
        let elsewhere = truth.wiped.get(&(at, *key)).is_some_and(|group| *group != muaa.group());
        if elsewhere {
            truth.wiped.remove(&(at, *key));
            versions.clear();
        }
        if versions.last() == Some(secret) {
            continue;
        }
        if versions.contains(secret) && truth.removed.is_empty() && !truth.copied && truth.thief.is_none() {
            return Err(format!("{name} went back to an older version of the key {key}"));
        }
        versions.push(secret.clone());
    }
    Ok(())
}
