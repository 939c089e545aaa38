//! What an all-knowing observer of a run knows: who was paired by a person, who made which key, who was removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use sma_core::{Fingerprint, Folder, Hash, Muaa, MuaaId, Secret, Timestamp, Token, Uid};

use crate::{deeds::Deeds, mail::Letters, symbolic::Symbolic};

/// How long somebody may not have heard that a folder is back.
const NEWS: Duration = Duration::from_secs(3 * 86_400);

/// Where an account key came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The device that held it first.
    pub device: Fingerprint,
    /// Devices that were removed, as far as that one knew, when the key was made.
    pub barred: BTreeSet<Fingerprint>,
}

/// What was true so far.
#[derive(Clone, Default, Debug)]
pub struct Truth {
    paired: BTreeMap<Fingerprint, Fingerprint>,
    /// Of each key that a device moved to the one that it began with.
    first_keys: BTreeMap<Fingerprint, Fingerprint>,
    /// Account keys by fingerprint.
    pub keys: BTreeMap<Fingerprint, Origin>,
    /// Devices that a person had removed, or that others took for lost, and on which devices.
    pub removed: BTreeMap<Fingerprint, BTreeSet<Fingerprint>>,
    /// Of each machine the members it had seen, and of these the removed ones that it saw go.
    pub seen: BTreeMap<usize, (BTreeSet<Fingerprint>, BTreeSet<Fingerprint>)>,
    /// A machine was copied, or put back to a backup.
    pub copied: bool,
    /// Of each machine and account key the versions it held, in the order in which it did.
    pub versions: BTreeMap<(usize, Fingerprint), Vec<Secret>>,
    /// Of each machine the account keys that it wiped, and the group in which they had been destroyed.
    pub wiped: BTreeMap<(usize, Fingerprint), Option<Hash>>,
    /// Of each machine the account keys that it held and that were not destroyed.
    pub held: BTreeMap<usize, BTreeSet<Fingerprint>>,
    /// Folders that a person deleted, and when they were made again.
    by_hand: BTreeMap<Folder, Option<Timestamp>>,
    /// Devices of whose last words a person may have deleted a folder: they say them no more, so maybe nobody heard them.
    unheard: BTreeSet<MuaaId>,
    /// Machines that were suspended when they were last looked at.
    pub suspended: BTreeSet<usize>,
    /// What a person last called each machine's device, as far as the program took it.
    pub named: BTreeMap<usize, String>,
    /// The server chooses what it shows.
    pub server_is_hostile: bool,
    /// Folders that were there when a hostile server stopped: it may have said to have deleted them.
    pub left_by_server: BTreeSet<Folder>,
    /// The device that a thief took.
    pub thief: Option<Fingerprint>,
    /// Devices that people threw out, or throw out as soon as they see them: a thief's.
    pub unwanted: BTreeSet<Fingerprint>,
    /// Messages that arrived after their sender had died: it may have looked for them in vain before.
    pub late: BTreeSet<Token>,
    /// Messages that are nobody's: where they were put, and their octets.
    pub foreign: Vec<(Folder, Uid, Bytes)>,
    /// What people did.
    pub deeds: Deeds,
    /// Which mails were read.
    pub letters: Letters,
    /// Of each machine what was judged last.
    judged: BTreeMap<usize, Judged>,
}

/// All that a verdict over a device depends on.
#[derive(Clone, Debug)]
struct Judged {
    life: u32,
    own: Fingerprint,
    grouped: bool,
    members: Vec<Fingerprint>,
    /// Each with its version.
    keys: Vec<(Fingerprint, Secret)>,
    /// How many pairings and removals there were: of both there are only ever more.
    known: (usize, usize),
}

impl Truth {
    /// A person typed the code of one device at the other.
    pub fn pair(&mut self, one: Fingerprint, other: Fingerprint) {
        let (one, other) = (self.component(one), self.component(other));
        if one != other {
            self.paired.insert(one, other);
        }
    }

    /// Somebody who has no device of the account made a key for it.
    pub fn made_by_stranger(&mut self, key: Fingerprint, stranger: Fingerprint) {
        self.keys.insert(key, Origin { device: stranger, barred: BTreeSet::new() });
    }

    /// A device goes on under another key. If it was removed under any that it had, it still is: one that is put back to a backup goes on from
    /// an earlier key than the one that a person removed.
    pub fn moves(&mut self, from: Fingerprint, to: Fingerprint) {
        self.pair(from, to);
        let first = self.first_key(from);
        self.first_keys.insert(to, first);
        let removed = self.removed.iter().filter(|(key, _)| self.first_key(**key) == first);
        let by: BTreeSet<_> = removed.flat_map(|(_, by)| by).copied().collect();
        if !by.is_empty() {
            self.removed.insert(to, by);
        }
    }

    /// The key that a device began with.
    fn first_key(&self, of: Fingerprint) -> Fingerprint {
        self.first_keys.get(&of).copied().unwrap_or(of)
    }

    /// The same for all devices that people paired with one another, directly or not.
    #[must_use]
    pub fn component(&self, of: Fingerprint) -> Fingerprint {
        let mut at = of;
        while let Some(next) = self.paired.get(&at) {
            at = *next;
        }
        at
    }

    /// A person removes a device on another one.
    pub fn remove(&mut self, by: Fingerprint, whom: Fingerprint) {
        self.removed.entry(whom).or_default().insert(by);
    }

    /// Whether a person removed it, or it was silent for a year: a thief alone did not do it.
    #[must_use]
    pub fn was_rightly_removed(&self, key: &Fingerprint) -> bool {
        self.removed.get(key).is_some_and(|by| by.iter().any(|by| Some(*by) != self.thief))
    }

    /// Whether the device, or what is known of it, is another one than when this was asked last. Until it saves something, or is started, it
    /// is the same.
    pub fn is_news(&mut self, at: usize, life: u32, muaa: &Muaa<Symbolic>, saved: bool) -> bool {
        let known = (self.paired.len(), self.removed.len());
        let is_saved = |judged: &Judged| !saved && (judged.life, judged.known) == (life, known);
        if self.judged.get(&at).is_some_and(is_saved) {
            return false;
        }
        let is_same = |judged: &Judged| {
            (judged.own, judged.known) == (muaa.fingerprint(), known)
                && judged.grouped == muaa.group().is_some()
                && muaa.member_keys().eq(judged.members.iter().copied())
                && judged.keys.iter().map(|(key, _)| *key).eq(muaa.account_keys())
                && judged.keys.iter().all(|(key, secret)| {
                    // Not in constant time: there is nobody in a world who measures it.
                    muaa.account_secret(key).is_some_and(|held| held.expose() == secret.expose())
                })
        };
        if let Some(judged) = self.judged.get_mut(&at).filter(|judged| is_same(judged)) {
            judged.life = life;
            return false;
        }
        let now = Judged {
            life,
            own: muaa.fingerprint(),
            grouped: muaa.group().is_some(),
            members: muaa.member_keys().collect(),
            keys: versions(muaa),
            known,
        };
        self.judged.insert(at, now);
        true
    }

    /// A person deleted a folder in which something by these devices lay.
    pub fn deleted_by_hand(&mut self, folder: Folder, senders: &BTreeSet<MuaaId>) {
        let ended = self.deeds.ended();
        let ended = ended.iter().map(MuaaId::of).filter(|id| senders.contains(id));
        self.unheard.extend(ended);
        self.by_hand.insert(folder, None);
        self.forget_foreign(folder);
    }

    /// A person ends a device. Who has no folder hears nothing of what it says last.
    pub fn ends(&mut self, device: &Fingerprint) {
        if self.by_hand.values().any(Option::is_none) {
            self.unheard.insert(MuaaId::of(device));
        }
    }

    /// Whether all may have forgotten of a device's end, or never heard of it: a state was put back, or a person deleted the last words of
    /// who ended or of who ended it.
    #[must_use]
    pub fn may_be_unheard(&self, ended: &Fingerprint) -> bool {
        let removers =
            self.deeds.removed().filter(|removed| removed.whom == *ended).map(|removed| removed.by);
        let mut by = removers.chain([*ended]).map(|key| MuaaId::of(&key));
        self.copied || by.any(|id| self.unheard.contains(&id))
    }

    /// A folder is made.
    pub fn made(&mut self, folder: Folder, now: Timestamp) {
        self.by_hand.entry(folder).and_modify(|made| *made = made.or(Some(now)));
    }

    /// Whether a person deleted this folder and it is not back, or not for long: news travel for days.
    #[must_use]
    pub fn was_deleted_by_hand(&self, folder: Folder, now: Timestamp) -> bool {
        self.by_hand.get(&folder).is_some_and(|made| made.is_none_or(|made| now.since(made) < NEWS))
    }

    /// A folder, with all that is in it, is gone or was renumbered by somebody outside the archive.
    pub fn forget_foreign(&mut self, folder: Folder) {
        self.foreign.retain(|(place, ..)| *place != folder);
    }
}

/// The account's keys that a device holds, each in the version that it holds.
fn versions(muaa: &Muaa<Symbolic>) -> Vec<(Fingerprint, Secret)> {
    let version = |key| Some((key, muaa.account_secret(&key)?.clone()));
    muaa.account_keys().filter_map(version).collect()
}

/// The device keys of a device's group, its own included.
#[must_use]
pub fn member_keys(muaa: &Muaa<Symbolic>) -> BTreeSet<Fingerprint> {
    muaa.member_keys().chain([muaa.fingerprint()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_goes_on_from_an_earlier_key_than_the_removed_one_is_removed_as_well() {
        let [first, second, third, other] = [1, 2, 3, 4].map(|octet| Fingerprint::new(&[octet; 32]).unwrap());
        let mut truth = Truth::default();
        truth.moves(first, second);
        truth.remove(other, second);
        truth.moves(first, third);
        assert!(truth.was_rightly_removed(&third));
        assert!(!truth.was_rightly_removed(&other));
    }
}
