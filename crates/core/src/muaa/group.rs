//! The group's state: evaluating the log, taking in what siblings send, entering a group.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sma_autocrypt::Table;

use super::{
    Muaa,
    persistent::{Group, Item, Life, Link},
};
use crate::{
    AccountKey, Crypto, Event, Fingerprint, Folder, Gone, Hash, MuaaId,
    shared::Shared,
    state::{Followed, Keys, Log, LogBody, Membership, Register, Removal, Settings, Standing},
    wire::{KeyMaterial, Kind, SignedOp, Update, encode},
};

/// How many octets a device may have in the log, if what it says is taken that was forced out or left.
const LAST_WORDS_BYTES: usize = 16 << 10;

/// A digest, and what it was made of: of the account keys those that the view of the log names.
pub(super) struct Digested {
    log: Log,
    view: Shared<Membership>,
    keys: Shared<BTreeMap<Fingerprint, AccountKey>>,
    settings: Shared<Settings>,
    peers: Shared<Table>,
    digest: Hash,
}

impl<C: Crypto> Muaa<C> {
    /// A key that was known before is replaced where somebody had it who is out by what counts no more: one that is void now, or, where the
    /// key is current again because what made another one current fell, whoever was out since.
    fn outdate_what_was_known(&mut self, before: &Membership) {
        let Some(current) = self.view.current.filter(|key| before.keys.knows(key)) else { return };
        let is_void = |key: &Fingerprint| self.view.how_ended(key) == Some(Gone::Voided);
        let epoch = |keys: &Keys| keys.get(&current).map(|named| named.epoch);
        let again = before.current != Some(current) && epoch(&before.keys) == epoch(&self.view.keys);
        let anybody_is_out = || self.view.ended.values().any(|(_, how)| *how != Gone::Moved);
        if before.members.keys().any(is_void) || (again && anybody_is_out()) {
            self.state.outdated = Some(current);
        }
    }

    /// Evaluates the log anew, tells what differs, and keeps one link for each other member.
    pub(super) fn evaluate(&mut self) {
        let before = std::mem::replace(&mut self.view, self.state.membership());
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
                self.notice_new_member(*key, member.id, member.added_by);
                // What it sent before it was known as a member still lies there.
                self.io.read_again(self.own_inbox());
            }
        }
        self.outdate_what_was_known(&before);
        for key in known.difference(&present) {
            let Some(member) = before.members.get(key) else { continue };
            let how = self.view.how_ended(key);
            let other = *key != self.state.device.fingerprint && !self.state.former_keys.contains(key);
            self.state.notices.remove(key);
            // Whoever was heard lately was not silent, whatever others say.
            let heard =
                self.state.siblings.get(&(member.id, *key)).is_some_and(|known| !self.is_silent(known));
            let how = how.map(|how| if how == Gone::Expired && heard { Gone::Removed } else { how });
            if let (Some(how), true) = (how, other) {
                self.drop_link(member.id);
                self.tell(Event::MemberGone { id: member.id, how });
            }
        }
        self.drop_links_of_nobody();
        let cheats: Vec<_> = self.view.equivocators.difference(&before.equivocators).copied().collect();
        for key in cheats {
            if let Some(id) = self.id_of(&key) {
                self.tell(Event::Equivocation { id });
            }
        }
        self.apply_standing();
        self.tend_destroyed_keys();
        self.tell_current_key(before.current);
        self.notice_later_version(&before);
        self.notice_merges(&before);
        self.drop_settled_requests();
        self.notice_own_end();
        self.changed();
    }

    pub(super) fn id_of(&self, key: &Fingerprint) -> Option<MuaaId> {
        let member = self.view.members.get(key).map(|member| member.id);
        member.or_else(|| self.view.ended.get(key).map(|(id, _)| *id))
    }

    /// A device that moved, or was copied, may have had a link to what is its own id now.
    fn drop_links_of_nobody(&mut self) {
        let own = self.state.device.fingerprint;
        let others = self.view.members.iter().filter(|(key, _)| **key != own);
        let others: BTreeSet<_> = others.map(|(_, member)| member.id).collect();
        let stale: Vec<_> = self.state.links.keys().filter(|id| !others.contains(id)).copied().collect();
        stale.into_iter().for_each(|id| self.drop_link(id));
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

    /// Writes a setting and has the siblings told. Whether it says so now.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        if self.state.group.is_none() {
            return false;
        }
        let value: String = value.chars().take(64).collect();
        let standing = Standing::of(&self.view);
        let known = self.state.settings.get(name);
        if known.is_some_and(|known| known.value == value && standing.is_recent(known)) {
            return true;
        }
        let writer = (self.state.clock, self.state.id());
        let Some(register) = self.state.settings.after(name, writer, value, &standing) else { return false };
        let written = self.state.settings.join(name, &register, &standing);
        if written {
            self.note(Item::Setting(name.to_owned()));
        }
        written
    }

    /// Who was forced out, and whose name is of no use any more, as the settings and peers go by it.
    fn apply_standing(&mut self) {
        let standing = Standing::of(&self.view);
        let out: BTreeSet<_> = standing.removed.iter().map(|id| id.0).collect();
        if *self.state.peers.out() != out {
            self.distrust(out);
        }
        if self.state.settings.names_any_gone(&standing) {
            self.state.settings.forget_gone(&standing);
        }
    }

    /// Joins log operations, and takes in the account keys that come with them.
    pub(super) fn take_ops(&mut self, ops: &[SignedOp], keys: &[KeyMaterial]) {
        self.answer_removals_by_who_is_out(ops);
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

    /// Whoever is out forces nobody out who knows it: before this device hears that one that is out removed somebody, it has signed
    /// something that knows of that end.
    fn answer_removals_by_who_is_out(&mut self, ops: &[SignedOp]) {
        if self.view.ended.is_empty() {
            return;
        }
        let Some(group) = &self.state.group else { return };
        let contents = ops.iter().filter(|op| group.log.get(&op.hash(&self.crypto)).is_none());
        let removals =
            contents.filter_map(SignedOp::content).filter(|content| content.kind() == Kind::Remove);
        let by: BTreeSet<_> =
            removals.map(|content| content.key).filter(|key| self.view.ended.contains_key(key)).collect();
        let own = self.state.device.fingerprint;
        if by.iter().any(|key| group.log.ends_unknown_to(&own, key)) {
            self.append_to_log(&LogBody::Alive);
        }
    }

    /// The last words of a device that is out. What it knew when it ended tells the order of removals, on all devices alike. Removals by
    /// those that are out, and whatever devices say that never were members here, are not taken from it: they come from members, if
    /// these heard them first. If it removes this device and nobody else is left who could have heard it, this device goes on in a
    /// group of its own.
    pub(super) fn take_last_words(&mut self, ops: &[SignedOp]) {
        let Some(group) = &self.state.group else { return };
        let own = self.state.device.fingerprint;
        if self.view.members.len() == 1 && self.view.members.contains_key(&own) {
            let mut all = group.log.clone();
            let new = all.join(&self.crypto, ops, self.config.log_max);
            let removes_this = |hash| {
                all.get(hash).and_then(|entry| entry.body.removal()).is_some_and(|it| it.target == own)
            };
            if new.iter().any(removes_this) {
                return self.found_anew();
            }
        }
        let ops = self.heard_from_others(&self.view, ops);
        self.take_ops(&ops, &[]);
    }

    /// What is taken from one that is no member: what devices say that are or were members by this view; of those that are out no removals,
    /// but those of no member that whoever removed them had heard and names in its cut; and of those that were forced out or
    /// left no more than a little: what the log has room for is the members'.
    pub(super) fn heard_from_others(&self, view: &Membership, ops: &[SignedOp]) -> Vec<SignedOp> {
        let Some(log) = self.state.group.as_ref().map(|group| &group.log) else { return Vec::new() };
        let mut said: BTreeMap<Fingerprint, usize> = BTreeMap::new();
        let mut heard = Vec::new();
        let ops = ops.iter().map(|op| (op.hash(&self.crypto), op));
        let ops: Vec<_> = ops.filter(|(hash, _)| log.get(hash).is_none()).collect();
        let named = self.named_by_cuts(log, &ops);
        for (hash, op) in ops {
            let Some(content) = op.content() else { continue };
            let ends = content.kind() == Kind::Remove;
            let how = view.how_ended(&content.key);
            let was_member =
                how.map_or_else(|| view.members.contains_key(&content.key), |how| how != Gone::Voided);
            let by_whom_is_out = self.view.ended.contains_key(&content.key);
            if !was_member || (ends && by_whom_is_out && !named.contains(&hash)) {
                continue;
            }
            if how.is_some_and(|how| how.is_forced() || how == Gone::Left) {
                let said = said.entry(content.key).or_insert_with(|| log.bytes_by(&content.key));
                *said += op.content.len() + op.signature.len();
                if *said > LAST_WORDS_BYTES {
                    continue;
                }
            }
            heard.push(op.clone());
        }
        heard
    }

    /// Those of these operations, none of which is here, that a removal here leaves standing, and that end no member: without them what follows
    /// them would be void here and not where the removal was signed.
    fn named_by_cuts(&self, log: &Log, ops: &[(Hash, &SignedOp)]) -> BTreeSet<Hash> {
        let mut missing = log.missing_in_cuts();
        let mut named = BTreeSet::new();
        if missing.is_empty() {
            return named;
        }
        let known: BTreeMap<_, _> = ops.iter().copied().collect();
        while let Some(hash) = missing.pop_first() {
            let Some(content) = known.get(&hash).and_then(|op| op.content()) else { continue };
            let target = content.body::<Removal>().map(|removal| removal.target);
            if target.is_none_or(|target| !self.view.members.contains_key(&target)) && named.insert(hash) {
                missing.extend(content.previous);
            }
        }
        named
    }

    /// Goes on alone in another group, with all that is its own. Who was out stays so.
    fn found_anew(&mut self) {
        self.give_up_join();
        let former_view = self.leave_group();
        let genesis = self.genesis();
        self.state.group = Some(genesis);
        self.evaluate();
        self.bring_removals(&former_view.removed, None, None);
        self.bring_own_keys(&former_view);
        self.replace_barred_key();
        self.drop_former_offers();
    }

    /// Forgets the group that this device was in; gives what it said.
    fn leave_group(&mut self) -> Shared<Membership> {
        self.state.group = None;
        let links: Vec<_> = self.state.links.keys().copied().collect();
        for id in links {
            self.drop_link(id);
        }
        self.state.journal.clear();
        std::mem::take(&mut self.view)
    }

    /// Joins what a member sent.
    pub(super) fn take_in(&mut self, update: &Update) {
        self.take_ops(&update.ops, &update.keys);
        let standing =
            if update.settings.is_empty() { Standing::default() } else { Standing::of(&self.view) };
        let mut news = false;
        for (name, register) in &update.settings {
            // What is known already changes nothing, and what is shared stays so.
            let known = self.state.settings.get(name) == Some(register);
            news |= !known && self.state.settings.join(name, register, &standing);
        }
        if news {
            self.tell(Event::SettingsChanged);
            self.keep_own_name();
        }
        self.take_peers(update);
        self.changed();
    }

    /// A device that was put back to an earlier state hears what it was called since by itself. What it is called here counts, for what
    /// a person called it last was said here.
    fn keep_own_name(&mut self) {
        let name = format!("name/{}", self.state.id());
        let own = self.state.settings.get(&name).filter(|register| register.author == self.state.id());
        if own.is_some_and(|register| register.value != self.state.name) {
            self.set(&name, &self.state.name.clone());
        }
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
        self.kept_digest().or_else(|| self.compute_digest())
    }

    /// As [`Muaa::digest`], and keeps it until something that it is made of changes.
    pub(super) fn keep_digest(&mut self) -> Option<Hash> {
        if let Some(digest) = self.kept_digest() {
            return Some(digest);
        }
        let digest = self.compute_digest()?;
        self.digested.0 = Some(Arc::new(Digested {
            log: self.state.group.as_ref()?.log.clone(),
            view: self.view.clone(),
            keys: self.state.keys.clone(),
            settings: self.state.settings.clone(),
            peers: self.state.peers.clone(),
            digest,
        }));
        Some(digest)
    }

    /// The digest that is kept, if everything is still what it was made of.
    fn kept_digest(&self) -> Option<Hash> {
        let (of, group) = (self.digested.0.as_ref()?, self.state.group.as_ref()?);
        let same = group.log.is(&of.log)
            && self.view.is(&of.view)
            && self.state.keys.is(&of.keys)
            && self.state.settings.is(&of.settings)
            && self.state.peers.is(&of.peers);
        same.then_some(of.digest)
    }

    fn compute_digest(&self) -> Option<Hash> {
        let group = self.state.group.as_ref()?;
        let mut parts = vec![group.log.group().0.to_vec()];
        parts.extend(group.log.entries().map(|(hash, _)| hash.0.to_vec()));
        parts.extend(self.held_keys().map(|key| self.version_of(key).0.to_vec()));
        parts.push(encode(&self.state.settings));
        parts.push(self.state.peers.shared().newest().to_bytes());
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        Some(self.crypto.hash("autocrypt-sma-state-v1", &parts))
    }

    /// Becomes a member of another group, with everything that is its own. `update` came from that device under that sequence.
    /// `via` is the merge that it follows, if a person did not bring it.
    pub(super) fn enter_group(
        &mut self,
        log: Log,
        update: &Update,
        (by, sequence): (MuaaId, u64),
        via: Option<Followed>,
    ) {
        let group = log.group();
        let (former, former_view) = self.change_group(log);
        self.tell(Event::Joined { group, by });
        self.tell_new_members(&former_view);
        self.notice_later_version(&former_view);
        // Who is out must be known before any key is named.
        let let_in_by = if via.is_none() { self.view.by_id(by).map(|(key, _)| *key) } else { None };
        let from = former.as_ref().map(|former| (&former.log, &*former_view));
        self.bring_removals(&former_view.removed, from, let_in_by);
        // Which version of a key counts must stand in the log before another one is taken in.
        self.bring_own_keys(&former_view);
        // A key that arrives only now is told of as it is taken in.
        self.tell_current_key(former_view.current);
        let state = Update { ops: Vec::new(), ..update.clone() };
        self.take_in(&state);
        self.bring_own_settings(update);
        self.bring_own_peers(update);
        self.set(&format!("name/{}", self.state.id()), &self.state.name.clone());
        self.replace_barred_key();
        if let Some(link) = self.state.links.get_mut(&by) {
            link.received = sequence;
            link.owes = true;
        }
        self.state.formers.remove(&group);
        let led = |former: &Group| former.log.group() != group && !former_view.needs_update();
        if let Some(former) = former.filter(led) {
            self.lead(&former, &former_view, via);
            if let Some(former) = self.state.formers.get_mut(&former.log.group()) {
                former.left = true;
            }
        }
        self.io.read_again(self.own_inbox());
        self.changed();
    }

    /// Another group is the own one from here on. Gives the one before, and what it said.
    fn change_group(&mut self, log: Log) -> (Option<Group>, Shared<Membership>) {
        self.settle_join(log.group());
        let former = self.state.group.clone();
        let former_view = self.leave_group();
        let head = log.heads().get(&self.state.device.fingerprint).copied();
        let previous = head.map(|(_, hash)| hash);
        // An earlier life of this device may have said more than its saved state knows.
        self.state.sequence = self.state.sequence.max(head.map_or(0, |(sequence, _)| sequence));
        self.state.group = Some(Group { log, previous });
        self.state.life = Life::Grouped;
        self.state.looked = None;
        self.state.replaces = None;
        self.take_members_quietly();
        (former, former_view)
    }

    /// Is a member of a group again that it had left by a merge which does not count. Nobody of the other group comes along; the keys
    /// that this device got there only decrypt, and so do those that it brought there, which all there have. Whom members of this group removed in
    /// the other one stays out.
    pub(super) fn return_to_group(&mut self, log: Log) {
        let group = log.group();
        let (former, former_view) = self.change_group(log);
        if let Some(Group { log, .. }) = &former {
            let removed = self.removed_by_members(log, &former_view);
            self.bring_removals(&removed, Some((log, &former_view)), None);
        }
        // What is held was brought there. A key that members here made meanwhile is not held yet, and nobody there has it.
        if self.view.current.is_none_or(|key| self.state.keys.contains_key(&key)) {
            // If this program is too old to say so, it goes on with the group as it is.
            let _ = self.rotate_account_key();
        }
        let own = self.state.id();
        self.tell(Event::Joined { group, by: own });
        self.tell_new_members(&former_view);
        self.tell_current_key(former_view.current);
        for link in self.state.links.values_mut() {
            *link = Link { full: true, ask: true, ..Link::default() };
        }
        self.io.removals_due = true;
        self.io.read_again(self.own_inbox());
        self.changed();
    }

    /// Whoever comes by a merge is told of like who is added.
    fn tell_new_members(&mut self, before: &Membership) {
        let own = self.state.device.fingerprint;
        if !before.members.contains_key(&own) {
            // A newcomer is shown the members it comes to before it comes.
            return;
        }
        let new = |key: &Fingerprint| *key != own && !before.members.contains_key(key);
        let new = self.view.members.iter().filter(|(key, _)| new(key));
        let new: Vec<_> = new.map(|(key, member)| (*key, member.id, member.added_by)).collect();
        new.into_iter().for_each(|(key, id, by)| self.notice_new_member(key, id, by));
    }

    /// A new member, however it came, is told of, and stays a notice until a person acknowledges it; but not one that a person let in
    /// on this device.
    fn notice_new_member(&mut self, key: Fingerprint, id: MuaaId, by: MuaaId) {
        self.tell(Event::MemberAdded { id, by });
        if by != self.state.id() {
            self.state.notices.insert(key, by);
        }
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
        self.apply_standing();
        self.drop_settled_requests();
        self.drop_former_offers();
    }
}
