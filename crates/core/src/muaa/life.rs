//! The course of a MUAA's life: looking around, founding a group, falling silent, ending.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Muaa,
    persistent::{Announced, Group, InboxState, Known, Life, Unheard},
};
use crate::{
    Class, Crypto, Event, Fingerprint, Folder, Gone, MuaaId, Timestamp, Token,
    state::{Introduction, Log, LogBody},
    wire::{self, Kind, Update},
};

/// Who is out and has not announced itself anew for so many heartbeats does so no more.
const BEATS_OF_ONE_THAT_IS_OUT: u32 = 4;

impl<C: Crypto> Muaa<C> {
    pub(super) fn live(&mut self) {
        self.answer_own_end();
        self.give_up_if_vetoed();
        // A key that another copy has used signs nothing in another group.
        self.go_on_if_behind();
        self.enter_if_due();
        if matches!(self.state.life, Life::Removed | Life::Left | Life::Suspended) {
            return;
        }
        self.notice_missing_inbox();
        self.announce_if_due();
        match self.state.life {
            Life::Discovering => self.discover(),
            Life::Unpaired => self.ask_to_be_let_in(),
            // Before the announcements were read it may not know that its state is not the latest.
            Life::Grouped if self.io.read.contains(&Folder::Announcements) => {
                self.watch_over_silence();
                self.rotate_if_needed();
            }
            Life::Grouped | Life::Suspended | Life::Removed | Life::Left => {}
        }
    }

    pub(super) fn life_deadlines(&self) -> impl Iterator<Item = (Timestamp, &'static str)> {
        let heartbeat = self.announcement_due().map(|due| (due, "heartbeat"));
        let looked = self.state.looked.filter(|at| *at > self.now).map(|at| (at, "second look"));
        heartbeat.into_iter().chain(looked)
    }

    pub(super) fn list_soon(&mut self) {
        self.io.list_again();
    }

    /// A listing tells which folders exist.
    pub(super) fn listed(&mut self, folders: BTreeSet<Folder>) {
        if !folders.contains(&Folder::Announcements) {
            self.announcement_is_gone();
        }
        let gone = |folder: &Folder| !folders.contains(folder);
        let moot = self.state.removals.iter().any(|(folder, _)| gone(folder))
            || self.state.posts.values().any(|post| gone(&post.folder))
            || self.state.folders_deleted.iter().any(gone);
        if moot {
            self.state.removals.retain(|(folder, _)| !gone(folder));
            self.state.posts.retain(|_, post| !gone(&post.folder));
            self.state.folders_deleted.retain(|folder| !gone(folder));
        }
        let cleaned_up = gone(&Folder::Announcements);
        self.notice_missing_folders(&folders, cleaned_up);
        self.clear_leftovers(|id| gone(&Folder::Inbox(id)));
        self.io.missing_inbox = self.state.inbox == InboxState::Made && gone(&self.own_inbox());
        if self.io.missing_inbox && self.state.life != Life::Suspended {
            // Whether the announcement went before it, only a reading that begins now tells.
            self.io.read_again(Folder::Announcements);
        }
        for folder in [Folder::Announcements, self.own_inbox()] {
            if gone(&folder) {
                self.io.forget(folder);
            }
        }
        self.io.folders = Some(folders);
    }

    /// The own announcement, which stood, is gone.
    pub(super) fn announcement_is_gone(&mut self) {
        if self.state.announced.take().is_some() {
            self.state.cleared = Some(self.now);
            self.changed();
        }
    }

    /// The folder of a member is gone while the announcements stand: what it announced is looked for.
    fn notice_missing_folders(&mut self, folders: &BTreeSet<Folder>, cleaned_up: bool) {
        let members = self.state.links.iter().filter(|(id, _)| self.view.by_id(**id).is_some());
        let members: Vec<_> = members.map(|(id, link)| (*id, link.folder_gone)).collect();
        for (id, gone) in members {
            let stands = folders.contains(&Folder::Inbox(id));
            self.io.missing.remove(&id);
            if gone != stands {
                continue;
            }
            if stands || cleaned_up {
                self.turn_link(id, !stands);
            } else {
                if let Some(said) = self.known_member(id).map(|known| known.said) {
                    self.io.missing.insert(id, said);
                } else {
                    self.turn_link(id, true);
                }
                self.io.read_again(Folder::Announcements);
            }
        }
    }

    /// All announcements were read: of whom one stands without a folder, somebody deleted it, and a person must say. One that is silent,
    /// or was until a moment ago, was cleared away, and who was away itself does not know who was. What lies there again after that is
    /// nothing that stands. Whoever announced itself since the folders were listed made its folder before.
    pub(super) fn ask_about_missing(&mut self) {
        let away = self.is_recent(self.state.away);
        for (id, said) in std::mem::take(&mut self.io.missing) {
            if self.known_member(id).is_some_and(|known| known.said != said) {
                self.list_soon();
                continue;
            }
            self.turn_link(id, true);
            let asks = self.known_member(id).is_some_and(|known| {
                self.still_stands(&known.said, known.date)
                    && !self.is_silent(known)
                    && !self.is_recent(known.back)
            });
            if asks && !away {
                self.tell(Event::FolderDeleted { id });
            }
        }
    }

    /// The folder of a sibling is gone, or back. It is told everything from the start.
    fn turn_link(&mut self, id: MuaaId, gone: bool) {
        if let Some(link) = self.state.links.get_mut(&id) {
            link.folder_gone = gone;
            link.waiting.clear();
            link.sent = None;
            link.full = true;
            self.changed();
        }
    }

    /// Whether this happened so lately that a deletion which was under way before may not have been done yet.
    fn is_recent(&self, at: Option<Timestamp>) -> bool {
        at.is_some_and(|at| self.now.since(at) <= self.config.heartbeat)
    }

    /// What a device announced that has ended: the message was held up on its way, and its author looked for it in vain. One that was forced
    /// out may not know, and announces itself until it does. So its folder is gone, which it takes away itself, or it has not announced
    /// itself for long. Whoever left knows it. The announcement was read before the folders were listed, and an inbox is there before its owner is
    /// announced.
    pub(super) fn clear_leftovers(&mut self, is_gone: impl Fn(MuaaId) -> bool) {
        if self.state.life != Life::Grouped || !self.is_foremost() {
            return;
        }
        let is_over = |((id, key), known): &(&(MuaaId, Fingerprint), &Known)| {
            let how = self.view.how_ended(key);
            let stopped = || self.has_been_silent(known, self.config.heartbeat * BEATS_OF_ONE_THAT_IS_OUT);
            how == Some(Gone::Left) || (self.view.is_out(key) && (is_gone(*id) || stopped()))
        };
        let over: BTreeSet<_> =
            self.state.siblings.iter().filter(is_over).map(|((_, key), _)| *key).collect();
        // Also what is older than what is known.
        let by_them = self.io.heard.values().filter(|heard| over.contains(&heard.content.key));
        let there = by_them.flat_map(|heard| self.tokens_of(Folder::Announcements, &heard.said));
        let there: Vec<_> = there.collect();
        there.into_iter().for_each(|token| self.discard(Folder::Announcements, token));
    }

    /// The own folder is gone. If the announcement went with it or lately before it, this device was away for long, or nobody else is
    /// there, it was a clean-up or a long silence: it is made again. Otherwise somebody wants this device out, and a person must say.
    fn notice_missing_inbox(&mut self) {
        let (announcements, io) = (Folder::Announcements, &self.io);
        if !io.missing_inbox || !io.read.contains(&announcements) || io.due.contains(&announcements) {
            return;
        }
        self.io.missing_inbox = false;
        let others = self.view.members.len() > 1;
        let stands = self.state.announced.as_ref().is_some_and(|announced| announced.done);
        let cleared = self.is_recent(self.state.cleared) || self.is_recent(self.state.away);
        if others && stands && !cleared {
            self.state.life = Life::Suspended;
        } else {
            self.state.inbox = InboxState::Tried;
            if !cleared {
                // What takes away the folders of those who were silent may still be under way, and meets the new one.
                self.state.cleared = Some(self.now);
            }
        }
        self.io.forget(self.own_inbox());
        self.changed();
    }

    pub(super) fn created(&mut self, folder: Folder, fresh: bool) {
        if folder == self.own_inbox() {
            if !fresh && self.io.first_try && !self.takes_what_exists(folder) {
                return;
            }
            self.io.drawn = None;
            self.state.inbox = InboxState::Made;
            self.changed();
        }
        self.io.add_folder(folder);
    }

    /// The server says that the folder of an id exists which was drawn and not used yet. Without a group another key is made, and with it another id. One that the
    /// log has stays, for another one would cost another move: the folder is used if a listing has it, and else asked for again later.
    fn takes_what_exists(&mut self, folder: Folder) -> bool {
        let grouped = self.state.group.is_some();
        if grouped && self.io.exists(folder) {
            return true;
        }
        self.draw_later();
        if grouped {
            self.state.inbox = InboxState::Drawn;
            self.list_soon();
            self.changed();
        } else {
            self.draw_another_key();
        }
        false
    }

    pub(super) fn deleted(&mut self, folder: Folder) {
        self.io.remove_folder(folder);
        self.state.folders_deleted.remove(&folder);
        if folder == self.own_inbox() {
            self.state.inbox = InboxState::Drawn;
        }
        self.changed();
    }

    /// Only before anything was announced.
    fn draw_another_key(&mut self) {
        let device = self.crypto.new_device_key(&self.random.seed(), self.now);
        let incarnation = self.random.number();
        self.become_device(device.expect("a device key can be made"), incarnation);
        self.io.read_soon(self.own_inbox());
        self.changed();
    }

    /// The own key does not come back, or another copy of this state has used it: the device, which is in no group, takes another
    /// key and id, and begins anew. Nothing is lost, since it never had anything of the group.
    pub(super) fn start_over(&mut self) {
        if !self.may_take_another_key(0) {
            return;
        }
        self.lay_down_key();
        self.clear_away_key();
        self.take_another_key();
    }

    /// What it has in the store stays, for another copy of its state may use it.
    pub(super) fn start_over_beside_a_copy(&mut self, ahead: u64) {
        if !self.may_take_another_key(ahead) {
            return;
        }
        self.lay_down_key();
        self.state.announced = None;
        self.take_another_key();
    }

    fn take_another_key(&mut self) {
        self.state.moves.clear();
        self.state.life = Life::Discovering;
        self.draw_another_key();
    }

    fn discover(&mut self) {
        let announced = self.state.announced.as_ref().is_some_and(|announced| announced.done);
        if !announced || !self.io.read.contains(&Folder::Announcements) {
            return;
        }
        if !self.state.siblings.is_empty() {
            self.state.life = Life::Unpaired;
            self.state.looked = None;
            self.changed();
            return self.ask_to_be_let_in();
        }
        let Some(at) = self.state.looked else {
            let wait = u64::try_from(self.config.second_look.as_millis()).unwrap_or(0);
            let wait = Duration::from_millis(wait + self.random.below(wait + 1));
            self.state.looked = Some(self.now + wait);
            return self.changed();
        };
        if at > self.now {
            return;
        }
        if self.io.looked_twice {
            return self.found();
        }
        self.io.looked_twice = true;
        self.io.read.remove(&Folder::Announcements);
        self.io.read_soon(Folder::Announcements);
    }

    /// Signs the first operation of a group.
    pub(super) fn genesis(&mut self) -> Group {
        let introduction = Introduction {
            certificate: self.state.device.certificate.clone(),
            incarnation: self.state.incarnation,
            via: None,
        };
        let (kind, body) = LogBody::Genesis(introduction).write();
        let op = self.sign_content(kind, None, body, None, None);
        let log = Log::found(&self.crypto, &op).expect("the own genesis founds a group");
        let previous = Some(log.group());
        Group { log, previous }
    }

    /// Founds a group of one with an account key.
    pub(super) fn found(&mut self) {
        self.give_up_join();
        let genesis = self.genesis();
        self.state.group = Some(genesis);
        self.state.life = Life::Grouped;
        self.state.looked = None;
        self.evaluate();
        let adopted = self.state.adopted.take();
        let key = adopted.and_then(|secret| self.crypto.read_account_key(&secret).ok());
        let key = match key {
            Some(key) => key,
            None => self.new_account_key(),
        };
        // A log of one operation has room.
        let _ = self.take_key_as_current(key);
        self.set(&format!("name/{}", self.state.id()), &self.state.name.clone());
        self.changed();
    }

    /// Posts a request to the MUAAs that were there first (H2).
    fn ask_to_be_let_in(&mut self) {
        if !self.state.requested.is_empty() || self.state.inbox != InboxState::Made {
            return;
        }
        let reachable =
            self.state.siblings.keys().map(|(id, _)| *id).filter(|id| self.io.exists(Folder::Inbox(*id)));
        let mut others: Vec<_> = reachable.collect();
        others.dedup();
        others.truncate(self.config.requests_max);
        others.into_iter().for_each(|id| self.request(id));
    }

    /// Asks one MUAA, in the place of what it was asked before.
    pub(super) fn request(&mut self, id: MuaaId) {
        let request = wire::Request {
            certificate: self.state.device.certificate.clone(),
            nonce: self.random.number(),
            replaces: self.state.replaces,
        };
        let token = self.say(Folder::Inbox(id), Class::Request, Kind::Request, wire::encode(&request));
        if let Some(before) = self.state.requested.insert(id, token) {
            self.withdraw(Folder::Inbox(id), before);
        }
    }

    /// Whether it has been silent for longer than `limit`, on the server's dates and by the own heartbeats.
    fn has_been_silent(&self, known: &Known, limit: Duration) -> bool {
        self.has_passed((known.date, known.beats), limit)
    }

    fn has_passed(&self, (date, beats): (Timestamp, u32), limit: Duration) -> bool {
        let most = || limit.as_millis() / self.config.heartbeat.as_millis().max(1);
        self.state.server_now.since(date) > limit && u128::from(beats) >= most()
    }

    pub(super) fn is_silent(&self, known: &Known) -> bool {
        self.has_been_silent(known, self.config.suspend_after)
    }

    /// Whether a member is silent, also one that never announced itself here.
    pub(super) fn is_silent_member(&self, id: MuaaId, key: &Fingerprint) -> bool {
        let unheard = || self.state.links.get(&id).and_then(|link| link.unheard);
        let limit = self.config.suspend_after;
        self.state.siblings.get(&(id, *key)).map_or_else(
            || {
                self.view.members.contains_key(key)
                    && unheard().is_some_and(|it| self.has_passed((it.since, it.beats), limit))
            },
            |known| self.is_silent(known),
        )
    }

    /// A member that never announced itself here, as when its announcement was cleared away before this device came, is as silent as any
    /// other: or nobody would take it for lost where such a device is the foremost.
    fn watch_over_unheard(&mut self) {
        let members = self.view.members.iter().map(|(key, member)| (member.id, *key));
        let unheard = members.filter_map(|(id, key)| Some((id, key, self.state.links.get(&id)?.unheard?)));
        let unheard = unheard.filter(|(id, key, _)| !self.state.siblings.contains_key(&(*id, *key)));
        for (id, key, it) in unheard.collect::<Vec<_>>() {
            let passed = |limit| self.has_passed((it.since, it.beats), limit);
            let (silent, lost) = (passed(self.config.suspend_after), passed(self.config.forget_after));
            if !it.warned && passed(self.config.suspend_after.mul_f32(0.7)) {
                self.state
                    .links
                    .entry(id)
                    .and_modify(|link| link.unheard = Some(Unheard { warned: true, ..it }));
                self.tell(Event::MemberSilent { id });
                self.changed();
            }
            if silent {
                self.stop_writing_to(id);
            }
            if lost && self.is_foremost() {
                self.forget(key);
            }
        }
    }

    fn watch_over_silence(&mut self) {
        self.keep_folders_of_the_heard();
        self.watch_over_unheard();
        let warn_after = self.config.suspend_after.mul_f32(0.7);
        let first = warn_after.min(self.config.expire_after).min(self.config.forget_after);
        let silent = self.state.siblings.iter().filter(|(_, known)| self.has_been_silent(known, first));
        let silent: Vec<_> = silent.map(|(place, known)| (*place, known.clone())).collect();
        for ((id, key), known) in silent {
            let member = self.view.members.contains_key(&key);
            if member && !known.warned && self.has_been_silent(&known, warn_after) {
                self.state.siblings.entry((id, key)).and_modify(|known| known.warned = true);
                self.tell(Event::MemberSilent { id });
                self.changed();
            }
            if member && self.is_silent(&known) {
                self.stop_writing_to(id);
            }
            if self.has_been_silent(&known, self.config.expire_after) && self.is_foremost() {
                self.clear_away((id, key), &known, member);
            }
            if member && self.has_been_silent(&known, self.config.forget_after) && self.is_foremost() {
                self.forget(key);
            }
        }
    }

    /// A wish to delete the folder of a device that was silent is over when it is heard.
    fn keep_folders_of_the_heard(&mut self) {
        let wanted: Vec<_> = self.state.folders_deleted.iter().copied().collect();
        for folder in wanted {
            let Folder::Inbox(id) = folder else { continue };
            let heard = |known: &Known| !self.has_been_silent(known, self.config.expire_after);
            let known = |key| self.state.siblings.get(&(id, key));
            if self.keys_of(id).filter_map(known).any(heard) {
                self.keep_folder_of(id);
            }
        }
    }

    pub(super) fn keep_folder_of(&mut self, id: MuaaId) {
        let folder = Folder::Inbox(id);
        if folder != self.own_inbox() && self.state.folders_deleted.remove(&folder) {
            self.io.deletable.remove(&folder);
            self.changed();
        }
    }

    /// Whoever is out deletes no folders but its own, that of its former keys included.
    fn keep_folders_of_others(&mut self) {
        let former = |id: MuaaId| {
            self.view.ended.iter().any(|(key, (of, _))| *of == id && self.state.former_keys.contains(key))
        };
        let own = self.state.id();
        let kept = |folder: &Folder| matches!(folder, Folder::Inbox(id) if *id == own || former(*id));
        let kept: BTreeSet<_> = self.state.folders_deleted.iter().copied().filter(kept).collect();
        self.state.folders_deleted = kept;
    }

    /// The member with the lowest id of those that are not silent and have a folder tidies up; it is enough if one does. One whose folder
    /// is gone does nothing until a person returns it.
    pub(super) fn is_foremost(&self) -> bool {
        let own = self.state.id();
        let awake = |(key, member): (&Fingerprint, &crate::state::Member)| {
            let known = self.state.siblings.get(&(member.id, *key));
            let stands = || self.state.links.get(&member.id).is_none_or(|link| !link.folder_gone);
            known.is_some_and(|known| !self.is_silent(known) && stands())
        };
        let mut lower = self.view.members.iter().filter(|(_, member)| member.id < own);
        self.view.members.contains_key(&self.state.device.fingerprint) && !lower.any(awake)
    }

    fn clear_away(&mut self, place: (MuaaId, Fingerprint), known: &Known, member: bool) {
        let folder = Folder::Inbox(place.0);
        if self.io.exists(folder) {
            self.delete_folder(folder);
        }
        // A member stays known when its announcement is gone: only one that lies there is taken away.
        for token in self.tokens_of(Folder::Announcements, &known.said) {
            self.discard(Folder::Announcements, token);
        }
        if !member {
            self.forget_sibling(&place);
        }
    }

    /// The sequence of the last log operation that is known of a device.
    pub(super) fn last_sequence(&self, fingerprint: &Fingerprint) -> u64 {
        let heads = self.state.group.as_ref().map(|group| group.log.heads()).unwrap_or_default();
        heads.get(fingerprint).map_or(0, |(sequence, _)| *sequence)
    }

    /// This device is out by what others said. Whoever stays hears it from this device as well: the author may be out for them, and from
    /// one that is out they would not take it.
    fn end_by_others(&mut self) {
        let ops = self.state.group.as_ref().map(|group| group.log.ops()).unwrap_or_default();
        let group = self.state.group.as_ref().map(|group| group.log.group());
        let members = self.view.members.iter().map(|(key, member)| (member.id, *key));
        // Whom it let in itself does not know that it is voided.
        let out = |how: &Gone| how.is_forced() || *how == Gone::Voided;
        let ended = self.view.ended.iter().filter(|(_, (_, how))| out(how));
        let others = members.chain(ended.map(|(key, (id, _))| (*id, *key)));
        let others: Vec<_> = others.filter(|other| self.state.siblings.contains_key(other)).collect();
        for (id, key) in others {
            let Some(certificate) = self.sealing_certificate(id, &key) else { continue };
            let received = self.state.links.get(&id).map_or(0, |link| link.received);
            // What waits for it is in the log as well.
            self.drop_link(id);
            let update = Update { received, ops: ops.clone(), ..Update::new(key) };
            self.say_farewell(id, &certificate, group, &update);
        }
        self.end(Life::Removed);
    }

    /// This device is out: it stops and takes its things away.
    pub(super) fn end(&mut self, life: Life) {
        self.give_up_join();
        self.end_open_sessions();
        self.state.life = life;
        self.state.joining = None;
        self.state.sessions.clear();
        self.state.offers.clear();
        if self.state.life == Life::Removed {
            // Whom it removed itself hears of it all the same: both are out, whoever was heard first.
            self.state.posts.retain(|_, post| post.class == Class::Sync);
        }
        self.keep_folders_of_others();
        self.take_things_away();
        self.changed();
    }

    pub(super) fn take_things_away(&mut self) {
        if let Some(Announced { token, .. }) = self.state.announced.take() {
            self.withdraw(Folder::Announcements, token);
        }
        if self.state.inbox != InboxState::Drawn {
            self.delete_folder(self.own_inbox());
        }
    }

    /// What the log says of this device, when it is no member any more.
    pub(super) fn notice_own_end(&mut self) {
        let own = self.state.device.fingerprint;
        if self.state.life != Life::Grouped && self.state.life != Life::Suspended {
            return;
        }
        match self.view.how_ended(&own) {
            Some(Gone::Removed | Gone::Expired) => self.end_by_others(),
            Some(Gone::Voided | Gone::Left | Gone::Moved) | None => {}
        }
    }

    /// What this device can do about its end. One that came here by a merge which
    /// does not count goes back to where it came from.
    fn answer_own_end(&mut self) {
        let own = self.state.device.fingerprint;
        if self.state.life != Life::Grouped && self.state.life != Life::Suspended {
            return;
        }
        match self.view.how_ended(&own) {
            Some(Gone::Voided) if self.go_back_from_here() => {}
            Some(Gone::Voided) => self.end_by_others(),
            Some(Gone::Removed | Gone::Expired | Gone::Left | Gone::Moved) | None => {}
        }
    }

    pub(super) fn posted(&mut self, folder: Folder, token: Token) {
        if folder == Folder::Announcements {
            self.announced(token);
        }
    }
}
