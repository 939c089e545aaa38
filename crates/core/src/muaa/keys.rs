//! The account's keys: made, adopted, renewed, taken in, destroyed.
//!
//! The log names each version of each key by the hash of its secret octets; updates carry the octets. So whoever is asked which
//! of two versions counts looks into the log, and an older one never takes the place of a newer one.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;

use super::{
    Muaa,
    limits::{KEY_BYTES_MAX, KEYS_BYTES_MAX},
    persistent::{Durable, Item},
};
use crate::{
    AccountKey, Crypto, Event, Fingerprint, Hash, InputError, Phase, Secret, Timestamp,
    config::DAY,
    state::{Destruction, KeyNotice, Keys, LogBody, Membership, Named, Restoration},
    wire::KeyMaterial,
};

/// For how long a key is waited for that is to be the current one, while nothing else changes.
const LOST_AFTER: Duration = DAY.saturating_mul(14);
/// For how long a key that was destroyed can be restored.
pub(super) const SET_ASIDE: Duration = DAY.saturating_mul(30);
/// So many versions of a key are brought along into another group.
const VERSIONS_MAX: usize = 16;

/// What the names of versions are hashed under.
const VERSION: &str = "autocrypt-sma-key-v1";

/// What a former version of this program held without reading it is read now, if it can be.
pub(super) fn read_what_was_not_read<C: Crypto>(state: &mut Durable, crypto: &C) {
    let unread = state.keys.values().filter(|key| key.public.is_empty());
    let read = unread.filter_map(|key| crypto.read_account_key(&key.secret).ok());
    let read: Vec<_> = read.filter(|key| state.keys.contains_key(&key.fingerprint)).collect();
    for key in read {
        state.keys.insert(key.fingerprint, key);
    }
}

impl<C: Crypto> Muaa<C> {
    /// Takes a key that a person brings along: before a group is founded for its first one, later as the current one. Other octets
    /// of a key that is known are its next generation.
    pub(super) fn adopt(&mut self, secret: Secret) -> Result<(), InputError> {
        let key = self.crypto.read_account_key(&secret).map_err(|_| InputError::BadKey)?;
        self.require(&[Phase::Discovering, Phase::Alone, Phase::Unpaired, Phase::Requesting, Phase::Paired])?;
        if self.state.group.is_none() {
            self.state.adopted = Some(secret);
            self.changed();
            return Ok(());
        }
        if self.view.keys.is_destroyed(&key.fingerprint) {
            return Err(InputError::KeyDestroyed);
        }
        self.require_room()?;
        // Half is left for the keys that others make at the same time, and for those that removals ask for.
        if !self.has_room_for_key(&key, KEYS_BYTES_MAX / 2) {
            return Err(InputError::TooMany);
        }
        let held = self.state.keys.get(&key.fingerprint);
        let version = self.version_of(&key);
        let named = self.view.keys.get(&key.fingerprint);
        // One that only decrypts came from another group: nobody here knows of the devices that were out there and had it.
        let decrypts = held.is_some() && named.is_some_and(|named| named.epoch == 0);
        let is_barred = |keys: &BTreeSet<Fingerprint>| keys.contains(&key.fingerprint);
        if decrypts || is_barred(&self.view.barred_keys) || is_barred(&self.view.left_keys) {
            return Err(InputError::KeyOfRemoved);
        }
        let known = named.is_some_and(|named| named.generation_of(&version).is_some());
        // Of a version that was replaced, what replaced it.
        let key = held.filter(|_| known).cloned().unwrap_or(key);
        if known && self.view.current == Some(key.fingerprint) {
            return Ok(());
        }
        self.take_key_as_current(key)
    }

    /// Has all devices wipe a key that no mail carries any more.
    pub(super) fn destroy_key(&mut self, fingerprint: Fingerprint) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired])?;
        if self.view.current == Some(fingerprint) {
            return Err(InputError::CurrentKey);
        }
        let known = self.view.keys.get(&fingerprint).is_some() || self.state.keys.contains_key(&fingerprint);
        if !known {
            return Err(InputError::NoSuchKey);
        }
        let said = self.append_to_log(&LogBody::Destroy(Destruction { fingerprint }));
        said.map(|_| ()).ok_or(InputError::LogFull)
    }

    /// Undoes a destruction, while the key is still held here.
    pub(super) fn restore_key(&mut self, fingerprint: Fingerprint) -> Result<(), InputError> {
        self.require(&[Phase::Alone, Phase::Paired])?;
        if !self.state.set_aside.contains_key(&fingerprint) {
            return Err(InputError::NoSuchKey);
        }
        let said = self.append_to_log(&LogBody::Restore(Restoration { fingerprint }));
        said.ok_or(InputError::LogFull)?;
        self.note(Item::Key(fingerprint));
        Ok(())
    }

    pub(super) fn new_account_key(&mut self) -> AccountKey {
        let seed = self.random.seed();
        self.crypto
            .new_account_key(&self.state.address, &seed, self.now)
            .expect("an account key can be made for the configured address")
    }

    /// Makes a new account key current: whoever is out now does not get it.
    /// A log that is full names no more keys: the one there is goes on.
    pub(super) fn rotate_account_key(&mut self) -> Result<(), InputError> {
        let key = self.new_account_key();
        self.take_key_as_current(key)
    }

    /// What this device just said of removals may leave no key that can be current.
    pub(super) fn replace_barred_key(&mut self) {
        if self.view.current.is_none() {
            let _ = self.rotate_account_key();
        }
    }

    /// Makes `key` the current one: its epoch is above all others, unless it is another version of the current one. A number that fills a
    /// gap may have greater ones count, so the key is named again behind those.
    pub(super) fn take_key_as_current(&mut self, key: AccountKey) -> Result<(), InputError> {
        let named = self.view.keys.get(&key.fingerprint);
        let renews = named.filter(|_| self.view.current == Some(key.fingerprint));
        let mut epoch = renews.map_or_else(|| self.view.keys.next_epoch(), |named| named.epoch);
        let version = self.version_of(&key);
        let generation =
            named.map_or(0, |named| named.generation_of(&version).unwrap_or_else(|| named.generation() + 1));
        loop {
            self.publish_key(key.clone(), epoch, generation)?;
            let next = self.view.keys.next_epoch();
            if self.view.current == Some(key.fingerprint) || next <= epoch + 1 {
                return Ok(());
            }
            epoch = next;
        }
    }

    fn publish_key(&mut self, key: AccountKey, epoch: u64, generation: u64) -> Result<(), InputError> {
        let (fingerprint, created, version) = (key.fingerprint, key.created, self.version_of(&key));
        let renews = self.view.current == Some(fingerprint)
            && self.state.keys.get(&fingerprint).is_some_and(|held| held.secret != key.secret);
        let replaced = self.state.keys.insert(fingerprint, key);
        self.note(Item::Key(fingerprint));
        let notice = KeyNotice { fingerprint, epoch, created, generation, version };
        if self.append_to_log(&LogBody::AccountKey(notice)).is_some() {
            if renews {
                self.tell(Event::AccountKeyChanged(fingerprint));
            }
            return Ok(());
        }
        match replaced {
            Some(key) => self.state.keys.insert(fingerprint, key),
            None => self.state.keys.remove(&fingerprint),
        };
        Err(InputError::LogFull)
    }

    /// A key that came from a member whose notice of it is void by now, since it was removed at the same time, is named by who holds
    /// it: mail may have been encrypted to it. It only decrypts, its epoch is the lowest.
    fn name_orphaned_keys(&mut self) {
        let own = self.state.device.fingerprint;
        let heard = self.view.members.contains_key(&own) && !self.view.equivocators.contains(&own);
        if !heard {
            return;
        }
        let keys = &self.view.keys;
        let orphaned = self.state.keys.values().filter(|key| !keys.knows(&key.fingerprint));
        let orphaned: Vec<_> = orphaned.cloned().collect();
        if orphaned.is_empty() || self.require_room().is_err() {
            return;
        }
        for key in orphaned {
            // If the log is full it stays a key of this device alone.
            let _ = self.publish_key(key, 0, 0);
        }
    }

    /// The name of a key's version: the hash of its secret octets.
    pub(super) fn version_of(&self, key: &AccountKey) -> Hash {
        self.crypto.hash(VERSION, &[key.secret.expose()])
    }

    /// The keys that are held and that the log names.
    pub(super) fn held_keys(&self) -> impl Iterator<Item = &AccountKey> {
        self.state.keys.values().filter(|key| self.view.keys.get(&key.fingerprint).is_some())
    }

    /// Takes a key in that a member sent, if the log names it, and if this version comes after the one that is held.
    pub(super) fn take_key(&mut self, material: &KeyMaterial, keys: &Keys) {
        let read = self.crypto.read_account_key(&material.secret).ok();
        let Some(key) = read.or_else(|| self.unread(&material.secret, keys)) else { return };
        let fingerprint = key.fingerprint;
        let Some(named) = keys.get(&fingerprint) else { return };
        let newer = match self.state.keys.get(&fingerprint) {
            Some(held) => named.rank(&self.version_of(&key)) > named.rank(&self.version_of(held)),
            None => true,
        };
        // What mail carries is taken in whatever others filled the room with.
        let current = keys.current(|key| !self.view.barred_keys.contains(key)) == Some(fingerprint);
        if newer && (current || self.has_room_for_key(&key, KEYS_BYTES_MAX)) {
            self.state.keys.insert(fingerprint, key);
            if self.view.current == Some(fingerprint) {
                self.tell(Event::AccountKeyChanged(fingerprint));
            }
        }
    }

    /// What is destroyed is set aside here and wiped later, and is not taken again: [`Keys::get`] does not know it. What is restored
    /// before that is used again.
    pub(super) fn tend_destroyed_keys(&mut self) {
        let is_destroyed = |key: &Fingerprint| self.view.keys.is_destroyed(key);
        let held = self.state.keys.keys().copied();
        let fresh: Vec<_> =
            held.filter(|key| is_destroyed(key) && !self.state.set_aside.contains_key(key)).collect();
        let restored: Vec<_> =
            self.state.set_aside.keys().copied().filter(|key| !is_destroyed(key)).collect();
        for fingerprint in fresh {
            self.state.set_aside.insert(fingerprint, self.now);
            self.tell(Event::KeySetAside { fingerprint, until: self.now + SET_ASIDE });
            self.changed();
        }
        for fingerprint in restored {
            self.state.set_aside.remove(&fingerprint);
            self.tell(Event::KeyRestored(fingerprint));
            self.changed();
        }
    }

    /// When a key that was destroyed is to be wiped.
    pub(super) fn wipe_deadline(&self) -> Option<Timestamp> {
        self.state.set_aside.values().min().map(|since| *since + SET_ASIDE)
    }

    /// A key that cannot be read here, as one of a later version of OpenPGP: what it is called, and when it was made, the log says. It
    /// is held and passed on; mail cannot carry it.
    fn unread(&self, secret: &Secret, keys: &Keys) -> Option<AccountKey> {
        let secret = Some(secret).filter(|secret| secret.expose().len() <= KEY_BYTES_MAX)?;
        let version = self.crypto.hash(VERSION, &[secret.expose()]);
        let (fingerprint, named) = keys.iter().find(|(_, named)| named.generation_of(&version).is_some())?;
        let (secret, fingerprint, created) = (secret.clone(), *fingerprint, named.created);
        Some(AccountKey { secret, public: Bytes::new(), fingerprint, created })
    }

    pub(super) fn wipe_destroyed_keys(&mut self) {
        let now = self.now;
        let over = |since: &Timestamp| *since + SET_ASIDE <= now;
        let over = self.state.set_aside.iter().filter(|(_, since)| over(since)).map(|(key, _)| *key);
        for fingerprint in over.collect::<Vec<_>>() {
            // It keeps the keys it was made of.
            self.digested.0 = None;
            self.state.set_aside.remove(&fingerprint);
            self.state.keys.remove(&fingerprint);
            self.tell(Event::KeyDestroyed(fingerprint));
            self.changed();
        }
    }

    pub(super) fn tell_current_key(&mut self, before: Option<Fingerprint>) {
        if let Some(current) = self.view.current.filter(|current| before != Some(*current))
            && self.state.keys.contains_key(&current)
        {
            self.tell(Event::AccountKeyChanged(current));
        }
    }

    /// A remover makes a new account key. If that key counts no more, as when the remover is out as well, if a device left or is taken
    /// for lost, or if the key that is to be current was destroyed at the same time, one of those who stay makes another one.
    pub(super) fn rotate_if_needed(&mut self) {
        if self.io.removals_due {
            self.name_orphaned_keys();
        }
        if self.io.removals_due && self.is_foremost() {
            self.io.removals_due = false;
            if self.view.wants_key {
                let _ = self.rotate_account_key();
            }
        }
        if self.current_is_lost() && self.is_foremost() {
            let _ = self.rotate_account_key();
        }
        if self.state.outdated.is_some() && self.state.outdated == self.view.current && self.is_foremost() {
            let _ = self.rotate_account_key();
        }
        self.state.outdated.take_if(|key| self.view.current != Some(*key));
    }

    /// The log names a key as the current one that this device does not hold, and nobody has sent it for long: whoever held it was
    /// put back to a backup, or is gone.
    fn current_is_lost(&self) -> bool {
        let held = self.view.current.is_none_or(|current| self.state.keys.contains_key(&current));
        let settled =
            || self.state.digests.last().is_some_and(|(_, since)| self.now.since(*since) > LOST_AFTER);
        !held && settled()
    }

    /// All mail that could be read before can be read after, on every device: the own keys become the group's, and what was
    /// destroyed stays so, unless the group's mail carries it.
    pub(super) fn bring_own_keys(&mut self, former: &Membership) {
        let current = self.view.current;
        let destroyed = |key: &&Fingerprint| !self.view.keys.is_destroyed(key) && current != Some(**key);
        let destroyed: Vec<_> = former.keys.destroyed().iter().filter(destroyed).copied().collect();
        for fingerprint in destroyed {
            self.append_to_log(&LogBody::Destroy(Destruction { fingerprint }));
        }
        self.tend_destroyed_keys();
        let adopted = self.state.adopted.take();
        let adopted = adopted.and_then(|secret| self.crypto.read_account_key(&secret).ok());
        if let Some(key) = adopted.filter(|key| !self.view.keys.is_destroyed(&key.fingerprint)) {
            self.state.keys.insert(key.fingerprint, key);
        }
        let is_destroyed = |key: &&AccountKey| self.view.keys.is_destroyed(&key.fingerprint);
        let own: Vec<_> = self.state.keys.values().filter(|key| !is_destroyed(key)).cloned().collect();
        // What mail carried there, unless a device that left there has it, of which this group knows nothing.
        let carries = |key: &Fingerprint| former.current == Some(*key) && !former.left_keys.contains(key);
        for key in own {
            let before = former.keys.get(&key.fingerprint);
            let versions = self.versions_to_bring(before, &key);
            let Some((_, generation)) = versions.last().copied() else { continue };
            // What was current may be so again, as far as this group has come; all others only decrypt.
            let next = self.view.keys.next_epoch();
            let epoch = match before {
                Some(named) if carries(&key.fingerprint) => named.epoch.min(next),
                Some(_) => 0,
                None => 1,
            };
            // A log that is full names no more keys.
            let (fingerprint, created) = (key.fingerprint, key.created);
            for (version, generation) in versions.iter().copied().take(versions.len() - 1) {
                let notice = KeyNotice { fingerprint, epoch, created, generation, version };
                self.append_to_log(&LogBody::AccountKey(notice));
            }
            let _ = self.publish_key(key, epoch, generation);
        }
    }

    /// The versions of a key that the group is to be told of, the one that is held the last, with their generations there; none if
    /// that would not be the latest there. Those that it replaced come along, in their order: else it would seem to be of the
    /// first generation, and whoever comes later and knows an older one would bring that back.
    fn versions_to_bring(&self, before: Option<&Named>, key: &AccountKey) -> Vec<(Hash, u64)> {
        let version = self.version_of(key);
        let mut versions = before.map(|named| named.up_to(&version)).unwrap_or_default();
        if versions.is_empty() {
            versions.push((version, 0));
        }
        let here = self.view.keys.get(&key.fingerprint);
        let known = |version: &Hash| here.is_some_and(|named| named.generation_of(version).is_some());
        let known = versions.iter().rposition(|(version, _)| known(version));
        let behind = known.map_or(0, |known| known + 1).max(versions.len().saturating_sub(VERSIONS_MAX));
        versions.drain(..behind);
        let mut next = here.map_or(0, |named| named.generation() + 1);
        for (_, generation) in &mut versions {
            *generation = next.min(*generation);
            next = next.max(*generation + 1);
        }
        let latest = here.and_then(Named::latest);
        let is_latest = |(version, generation): &(Hash, u64)| Some((Some(*generation), *version)) > latest;
        if !versions.last().is_some_and(is_latest) {
            versions.clear();
        }
        versions
    }
}
