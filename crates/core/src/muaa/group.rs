//! The group's state: evaluating the log, taking in what siblings send, entering a group.

use std::collections::{BTreeMap, BTreeSet};

use sma_autocrypt::Table;

use super::{
    Muaa,
    persistent::{Group, Item, Life, Link},
};
use crate::{
    AccountKey, Crypto, Event, Fingerprint, Folder, Hash, MuaaId,
    shared::Shared,
    state::{Log, Register, Settings},
    wire::{KeyMaterial, SignedOp, Update, encode},
};

/// A digest, and what it was made of.
#[derive(Clone)]
pub(super) struct Digested {
    log: Log,
    held: Vec<Fingerprint>,
    keys: Shared<BTreeMap<Fingerprint, AccountKey>>,
    settings: Shared<Settings>,
    peers: Shared<Table>,
    digest: Hash,
}

impl<C: Crypto> Muaa<C> {
    /// Evaluates the log anew, tells what differs, and keeps one link for each other member.
    pub(super) fn evaluate(&mut self) {
        let before = std::mem::replace(&mut self.view, self.state.membership());
        self.io.digest_due = true;
        self.io.removals_due = true;
        let known: BTreeSet<_> = before.members.keys().copied().collect();
        let present: BTreeSet<_> = self.view.members.keys().copied().collect();
        for key in present.difference(&known) {
            let Some(member) = self.view.members.get(key).cloned() else { continue };
            if *key != self.state.device.fingerprint {
                // What is on its way to others is not in what it was let in with.
                let told = self.state.journal.keys().next().map_or(self.state.journal_end, |first| first - 1);
                // One that moved knows only what it knew when its state was saved.
                let link = Link { acked: told, full: self.has_moved(key), ..Link::default() };
                self.state.links.entry(member.id).or_insert(link);
                self.tell(Event::MemberAdded { id: member.id, by: member.added_by });
                // What it sent before it was known as a member still lies there.
                self.io.read_again(self.own_inbox());
            }
        }
        for key in known.difference(&present) {
            let Some(member) = before.members.get(key) else { continue };
            let how = self.view.ended.get(key).map(|(_, how)| *how);
            let other = *key != self.state.device.fingerprint && !self.state.former_keys.contains(key);
            if let (Some(how), true) = (how, other) {
                self.drop_link(member.id);
                self.tell(Event::MemberGone { id: member.id, how });
            }
        }
        let cheats: Vec<_> = self.view.equivocators.difference(&before.equivocators).copied().collect();
        for key in cheats {
            if let Some(id) = self.id_of(&key) {
                self.tell(Event::Equivocation { id });
            }
        }
        self.wipe_destroyed_keys();
        self.tell_current_key(before.current);
        self.notice_later_version(&before);
        self.drop_settled_requests();
        self.notice_own_end();
        self.changed();
    }

    pub(super) fn id_of(&self, key: &Fingerprint) -> Option<MuaaId> {
        let member = self.view.members.get(key).map(|member| member.id);
        member.or_else(|| self.view.ended.get(key).map(|(id, _)| *id))
    }

    /// Takes back what a sibling that is written to no more has not read.
    pub(super) fn drop_link(&mut self, id: MuaaId) {
        if let Some(link) = self.state.links.remove(&id) {
            for (_, token, _) in link.waiting {
                self.withdraw(Folder::Inbox(id), token);
            }
        }
        self.io.gathering.remove(&id);
        self.io.doubted.remove(&id);
    }

    /// Writes a setting and has the siblings told.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if self.state.group.is_none() {
            return;
        }
        self.state.clock = self.state.clock.max(self.state.settings.time()) + 1;
        let value: String = value.chars().take(64).collect();
        let register = Register { time: self.state.clock, author: self.state.id, value };
        if self.state.settings.get(name).is_some_and(|known| known.value == register.value) {
            return;
        }
        if self.state.settings.join(name, &register) {
            self.note(Item::Setting(name.to_owned()));
            self.io.digest_due = true;
        }
    }

    /// Joins log operations, and takes in the account keys that come with them.
    pub(super) fn take_ops(&mut self, ops: &[SignedOp], keys: &[KeyMaterial]) {
        let max = self.config.log_max;
        let taken = match self.state.group.as_mut() {
            Some(group) if !ops.is_empty() => group.log.join(&self.crypto, ops, max),
            Some(_) | None => Vec::new(),
        };
        // The keys first, so that a new current key can be told of.
        if !keys.is_empty() {
            let named =
                if taken.is_empty() { self.view.keys.clone() } else { self.state.membership().keys.clone() };
            keys.iter().for_each(|material| self.take_key(material, &named));
        }
        if !taken.is_empty() {
            self.find_own_among(&taken);
            self.evaluate();
        }
    }

    /// Joins what a member sent.
    pub(super) fn take_in(&mut self, update: &Update) {
        self.take_ops(&update.ops, &update.keys);
        let mut news = false;
        for (name, register) in &update.settings {
            // What is known already changes nothing, and what is shared stays so.
            let known = self.state.settings.get(name) == Some(register);
            news |= !known && self.state.settings.join(name, register);
        }
        if news {
            self.tell(Event::SettingsChanged);
            self.io.digest_due = true;
        }
        self.take_peers(update);
        self.changed();
    }

    /// Everything that a new member needs but the peers, of which an update may hold only a part, for the device with this key.
    pub(super) fn whole_state(&self, to: Fingerprint) -> Update {
        let settings = self.state.settings.iter();
        Update {
            ops: self.state.group.as_ref().map(|group| group.log.ops()).unwrap_or_default(),
            keys: self.held_keys().map(|key| KeyMaterial { secret: key.secret.clone() }).collect(),
            settings: settings.map(|(name, register)| (name.clone(), register.clone())).collect(),
            ..self.empty_update(to)
        }
    }

    /// An update for the device with this key that tells nothing but the digest.
    pub(super) fn empty_update(&self, to: Fingerprint) -> Update {
        Update { digest: self.digest().unwrap_or_default(), ..Update::new(to) }
    }

    /// A digest of all replicated state: equal on all members when they agree. The secret keys are part of it, so that it
    /// tells an outsider nothing.
    #[must_use]
    pub fn digest(&self) -> Option<Hash> {
        match &self.digested.0 {
            Some(digested) if self.is_digested(digested) => Some(digested.digest),
            Some(_) | None => self.compute_digest(),
        }
    }

    /// As [`Muaa::digest`], and keeps it until something that it is made of changes.
    pub(super) fn keep_digest(&mut self) -> Option<Hash> {
        let digest = self.digest()?;
        if !self.digested.0.as_ref().is_some_and(|digested| self.is_digested(digested)) {
            self.digested.0 = Some(Digested {
                log: self.state.group.as_ref()?.log.clone(),
                held: self.held_keys().map(|key| key.fingerprint).collect(),
                keys: self.state.keys.clone(),
                settings: self.state.settings.clone(),
                peers: self.state.peers.clone(),
                digest,
            });
        }
        Some(digest)
    }

    /// Whether this is still what a digest was made of.
    fn is_digested(&self, of: &Digested) -> bool {
        self.state.group.as_ref().is_some_and(|group| group.log.is(&of.log))
            && self.state.keys.is(&of.keys)
            && self.state.settings.is(&of.settings)
            && self.state.peers.is(&of.peers)
            && self.held_keys().map(|key| &key.fingerprint).eq(&of.held)
    }

    fn compute_digest(&self) -> Option<Hash> {
        let group = self.state.group.as_ref()?;
        let mut parts = vec![group.log.group().0.to_vec()];
        parts.extend(group.log.entries().map(|(hash, _)| hash.0.to_vec()));
        parts.extend(self.held_keys().map(|key| self.version_of(key).0.to_vec()));
        parts.push(encode(&self.state.settings));
        parts.push(self.state.peers.shared().to_bytes());
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        Some(self.crypto.hash("autocrypt-sma-state-v1", &parts))
    }

    /// Becomes a member of another group, with everything that is its own. `update` came from that device under that sequence.
    pub(super) fn enter_group(&mut self, log: Log, update: &Update, (by, sequence): (MuaaId, u64)) {
        let former = self.state.group.take();
        let former_view = std::mem::take(&mut self.view);
        let links: Vec<_> = self.state.links.keys().copied().collect();
        for id in links {
            self.drop_link(id);
        }
        self.state.journal.clear();
        let own = self.state.device.fingerprint;
        let head = log.heads().get(&own).copied();
        let previous = head.map(|(_, hash)| hash);
        // An earlier life of this device may have said more than its saved state knows.
        self.state.sequence = self.state.sequence.max(head.map_or(0, |(sequence, _)| sequence));
        let group = log.group();
        self.state.group = Some(Group { log, previous });
        self.state.life = Life::Grouped;
        self.state.looked = None;
        self.state.replaces = None;
        self.take_members_quietly();
        self.tell(Event::Joined { group, by });
        self.notice_later_version(&former_view);
        // Which version of a key counts must stand in the log before another one is taken in.
        self.bring_own_keys(&former_view);
        // A key that arrives only now is told of as it is taken in.
        self.tell_current_key(former_view.current);
        let state = Update { ops: Vec::new(), ..update.clone() };
        self.take_in(&state);
        self.bring_own_settings(update);
        self.bring_own_peers(update);
        self.set(&format!("name/{}", self.state.id), &self.state.name.clone());
        if let Some(link) = self.state.links.get_mut(&by) {
            link.received = sequence;
            link.owes = true;
        }
        self.state.formers.remove(&group);
        self.bring_removals(&former_view);
        let led = |former: &Group| former.log.group() != group && !former_view.needs_update();
        if let Some(former) = former.filter(led) {
            self.lead(&former, &former_view);
        }
        self.io.read_again(self.own_inbox());
        self.changed();
    }

    /// Joins what another member of the own group knows that knew nothing of this one, and has everybody told what this one knows.
    pub(super) fn find_members(&mut self, update: &Update, (by, sequence): (MuaaId, u64)) {
        self.take_in(update);
        for link in self.state.links.values_mut() {
            link.full = true;
        }
        if let Some(link) = self.state.links.get_mut(&by) {
            link.received = sequence;
            link.owes = true;
        }
        self.changed();
    }

    /// The group is told of every setting that it did not have.
    fn bring_own_settings(&mut self, update: &Update) {
        let brought = |(name, register): (&String, &Register)| {
            (update.settings.get(name) != Some(register)).then(|| Item::Setting(name.clone()))
        };
        let items: Vec<_> = self.state.settings.iter().filter_map(brought).collect();
        items.into_iter().for_each(|item| self.note(item));
    }

    fn take_members_quietly(&mut self) {
        self.view = self.state.membership();
        let end = self.state.journal_end;
        let own = self.state.device.fingerprint;
        for (_, member) in self.view.members.iter().filter(|(key, _)| **key != own) {
            self.state.links.insert(member.id, Link { acked: end, ..Link::default() });
        }
        self.drop_settled_requests();
        self.drop_former_offers();
    }
}
