//! Keeping siblings in step: one waiting update per pair at most, acknowledged, and asked for when digests differ.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;

use super::{
    Muaa,
    persistent::{Durable, InboxState, Life, Link},
    reading::Verdict,
};
use crate::{
    Class, Crypto, Fingerprint, Folder, Gone, Hash, Ignored, MuaaId, Timestamp,
    config::{DAY, HOUR},
    plausible,
    state::{Log, Membership},
    wire::{self, Content, Kind, Protection, SignedOp, Update},
};

/// How many of the own state's digests are remembered.
const DIGESTS: usize = 32;
/// How often a pause is doubled at most.
const DOUBLINGS: u32 = 5;
/// For how long a member says that this device is out until it is on another side.
const APART_AFTER: Duration = DAY.saturating_mul(14);
/// How many devices that let one another in are followed from a member to an author that is not known yet.
pub(super) const INTRODUCTIONS: usize = 16;

impl<C: Crypto> Muaa<C> {
    pub(super) fn synchronise(&mut self) {
        self.record_digest();
        if !self.can_write() {
            return;
        }
        self.resolve_doubts();
        let links: Vec<_> = self.state.links.keys().copied().collect();
        for id in links {
            if !self.wants_to_write(id) || self.is_replacing(Folder::Inbox(id)) {
                self.io.gathering.remove(&id);
                continue;
            }
            let at = *self.io.gathering.entry(id).or_insert(self.now + self.config.gather);
            if at <= self.now {
                self.io.gathering.remove(&id);
                self.write_to(id);
            }
        }
    }

    fn can_write(&self) -> bool {
        // A key that moved, and waits to go on under another one, says nothing until then: nobody would believe it.
        let own = self.view.how_ended(&self.state.device.fingerprint);
        let speaks = own != Some(Gone::Moved);
        speaks && self.state.life == Life::Grouped && self.state.inbox == InboxState::Made
    }

    pub(super) fn sync_deadlines(&self) -> impl Iterator<Item = (Timestamp, &'static str)> {
        let active = self.can_write();
        let gathering = self.io.gathering.values().map(|at| (*at, "gather"));
        let doubts = self.state.links.values().filter_map(|link| link.doubt.map(|(at, _)| (at, "doubt")));
        let unread = self.state.links.iter().filter_map(|(id, link)| {
            let due = self.unread_until(link)?;
            (!self.io.doubted.contains(id)).then_some((due, "unread"))
        });
        gathering.chain(doubts).chain(unread).filter(move |_| active)
    }

    /// When an update without an acknowledgement is looked after.
    fn unread_until(&self, link: &Link) -> Option<Timestamp> {
        let (_, _, at) = link.sent.filter(|_| !link.folder_gone)?;
        Some(at + DAY.saturating_mul(1 << link.asked.min(DOUBLINGS)))
    }

    fn is_written_to(&self, id: MuaaId, link: &Link) -> bool {
        let silent = self.view.by_id(id).is_some_and(|(key, _)| self.is_silent_member(id, key));
        // It reads nothing that is sealed to the newest certificate, and what it was told instead lies there.
        let behind = self.known_member(id).is_some_and(|known| known.behind.is_some());
        !link.folder_gone
            && !silent
            && !behind
            && self.view.by_id(id).is_some()
            && self.io.exists(Folder::Inbox(id))
    }

    fn wants_to_write(&self, id: MuaaId) -> bool {
        let Some(link) = self.state.links.get(&id) else { return false };
        let news = self.has_more_to_tell(link);
        (news || link.owes || link.ask || (link.lead && link.sent.is_none())) && self.is_written_to(id, link)
    }

    /// A message that was replaced may still lie there. The next one waits: at most one more than is allowed lies in a folder.
    pub(super) fn is_replacing(&self, folder: Folder) -> bool {
        self.replaced(folder).next().is_some()
    }

    /// Puts one joined update in the place of what the sibling has not read.
    fn write_to(&mut self, id: MuaaId) {
        let Some(mut link) = self.state.links.get(&id).cloned() else { return };
        let Some(key) = self.view.by_id(id).map(|(key, _)| *key) else { return };
        let Some(certificate) = self.sealing_certificate(id, &key) else { return };
        let part = self.part_for(&link, key);
        let (group, update) = self.in_the_name_of(link.lead, id, part.update);
        let Some(body) = self.seal_update(&certificate, group, &update) else { return };
        let sequence = self.state.sequence;
        if update.has_news() {
            // What tells no more than the one before is acknowledged with it: else two that answer one another at the same
            // moments would do so for ever.
            let same = link.sent_full == link.full
                && (link.cut, &link.backlog_left) == (part.cut, &part.backlog)
                && !link.ask;
            let told = link.sent.filter(|(_, end, _)| same && *end == part.end);
            link.sent = Some((told.map_or(sequence, |(before, ..)| before), part.end, self.now));
            link.backlog_left = part.backlog;
            link.cut = part.cut;
            link.sent_full = link.full;
        } else {
            // What was noted is not known any more.
            link.acked = part.end;
            match &mut link.sent {
                Some((_, covered, _)) => *covered = part.end.max(*covered),
                None => link.backlog = None,
            }
        }
        let said = self.name_of(&body);
        let token = self.post(Folder::Inbox(id), Class::Sync, body);
        self.take_farewell_back(id);
        for (_, old, _) in std::mem::take(&mut link.waiting) {
            self.withdraw(Folder::Inbox(id), old);
        }
        link.waiting.push((sequence, token, said));
        link.owes = false;
        link.ask = false;
        self.state.links.insert(id, link);
        self.changed();
    }

    pub(super) fn seal_update(
        &mut self,
        certificate: &[u8],
        group: Option<Hash>,
        update: &Update,
    ) -> Option<Bytes> {
        let op = self.sign(Kind::Update, group, wire::encode(update));
        let plain = wire::encode_secret(&op);
        let seed = self.random.seed();
        self.crypto.seal(certificate, plain.expose(), &seed).ok()
    }

    /// A sealed message of a member.
    pub(super) fn on_sync(&mut self, envelope: &crate::Envelope) -> Verdict {
        let Ok(opened) = self.open_sealed(&envelope.body) else {
            // A member replaces what was sealed to a subkey that is destroyed. One that is out does not, and one that is silent says all
            // anew when it is back.
            let id = envelope.sender;
            let out = self.view.ended.keys().chain(&self.view.removed).any(|key| MuaaId::of(key) == id);
            let silent = self.view.by_id(id).is_some_and(|(key, _)| self.is_silent_member(id, key));
            return if out || silent {
                Verdict::Drop(Ignored::Unproven)
            } else {
                Verdict::Ignore(Ignored::Unproven)
            };
        };
        let Some(op) = wire::decode::<SignedOp>(opened.expose()) else {
            return Verdict::Ignore(Ignored::Malformed);
        };
        let Some(content) = op.content() else { return Verdict::Ignore(Ignored::Malformed) };
        if content.kind().protection() != Protection::Sealed || content.author() != envelope.sender {
            return Verdict::Ignore(Ignored::Unproven);
        }
        if !plausible::sequence(content.sequence) {
            return Verdict::Ignore(Ignored::Malformed);
        }
        let Some(update) = content.body::<Update>() else { return Verdict::Ignore(Ignored::Malformed) };
        // Another one's update, sealed anew for this device, is none.
        if update.to != self.state.device.fingerprint {
            return Verdict::Ignore(Ignored::Unproven);
        }
        if !plausible::received(update.received, self.state.sequence) {
            return Verdict::Ignore(Ignored::Malformed);
        }
        let own = self.state.group.as_ref().map(|group| group.log.group());
        if content.group.is_none() || own.is_none() {
            return Verdict::Ignore(Ignored::Stale);
        }
        if content.group != own {
            return self.on_foreign_update(&op, &content, &update);
        }
        if self.is_forced_out(&content.key) {
            self.on_last_words(&op, &content, &update);
            if !self.view.members.contains_key(&content.key) {
                return Verdict::Drop(Ignored::NotAMember);
            }
        }
        let Some((log, view)) = self.log_with(&content.key, &update.ops) else {
            return Verdict::Ignore(Ignored::Stale);
        };
        let member = view.members.get(&content.key);
        let Some(certificate) = member.map(|member| member.certificate.clone()) else {
            // It may be a member whose introduction is still on its way: the message stays as long as it is there.
            if !view.ended.contains_key(&content.key) {
                if self.is_announced(&content) {
                    self.answer_by_what_it_brings(&op, &content, update.digest, &update.ops);
                    return Verdict::Ignore(Ignored::NotAMember);
                }
                return self.on_unannounced(self.name_in(envelope), Ignored::NotAMember);
            }
            let certificate = log.certificate(&content.key);
            if let Some(certificate) = certificate.filter(|certificate| op.is_by(&self.crypto, certificate)) {
                if !self.view.ended.contains_key(&content.key) {
                    // Nobody here had heard of it, and by what it brings it is out. That is kept, or it could not be told so.
                    self.take_last_words(&update.ops);
                }
                self.answer_ended(&content, &update, &certificate);
            }
            return Verdict::Drop(Ignored::NotAMember);
        };
        if !op.is_by(&self.crypto, &certificate) {
            return Verdict::Ignore(Ignored::Unproven);
        }
        self.on_update(&content, &update);
        Verdict::Done
    }

    /// Whether the author announced itself, as far as is known here.
    pub(super) fn is_announced(&self, content: &Content) -> bool {
        self.state.siblings.contains_key(&(content.author(), content.key))
    }

    /// Whether this device was forced out, left, or was let in by nobody that counts, as far as is known here.
    pub(super) fn is_forced_out(&self, key: &Fingerprint) -> bool {
        let how = self.view.how_ended(key);
        how.is_some_and(|how| how != Gone::Moved)
    }

    /// What one says that is out. It may be a member by what it has to say; else it hears where it stands.
    fn on_last_words(&mut self, op: &SignedOp, content: &Content, update: &Update) {
        let certificate = self.state.group.as_ref().and_then(|group| group.log.certificate(&content.key));
        let Some(certificate) = certificate.filter(|certificate| op.is_by(&self.crypto, certificate)) else {
            return;
        };
        self.take_last_words(&update.ops);
        self.answer_ended(content, update, &certificate);
    }

    /// The log and the members as far as is known, or, if the author is none, by what the update itself brings: whoever let it in may be gone
    /// before saying so; one that moved, or returned from a long silence, says so itself. Nothing counts for that which would not be taken
    /// from one that is out: else whoever is out has a device speak for it that nobody knows.
    pub(super) fn log_with(
        &self,
        author: &Fingerprint,
        ops: &[SignedOp],
    ) -> Option<(Log, Cow<'_, Membership>)> {
        let mut log = self.state.group.as_ref()?.log.clone();
        let mut view = Cow::Borrowed(&*self.view);
        // Each round lets in those whom the members of the round before let in.
        for _ in 0..INTRODUCTIONS {
            let ops = self.heard_from_others(&view, ops);
            let known = view.members.contains_key(author);
            if known || log.join(&self.crypto, &ops, self.config.log_max).is_empty() {
                break;
            }
            view = Cow::Owned(Membership::of(&log));
        }
        Some((log, view))
    }

    fn on_update(&mut self, content: &Content, update: &Update) {
        let (from, key, sequence) = (content.author(), &content.key, content.sequence);
        let known = self.state.links.get(&from).map_or(0, |link| link.received);
        if sequence <= known {
            // It would not say it again if it had heard the answer.
            if let Some(link) = self.state.links.get_mut(&from).filter(|_| update.has_news()) {
                link.owes = true;
                self.changed();
            }
            return;
        }
        self.count_beats_anew(from, key, sequence);
        if update.received > self.state.sequence {
            self.found_ahead(update.received);
        }
        if update.merged.is_some() {
            // The rest is the state of the group that it leads to, for who enters that one: it goes by that one's log.
            self.take_ops(&update.ops, &[]);
        } else {
            self.take_in(update);
        }
        self.newcomer_is_heard(from, key);
        let ours = self.keep_digest().unwrap_or_default();
        let Some(mut link) = self.state.links.remove(&from) else { return };
        link.received = sequence;
        link.stop_leading();
        if link.sent.is_some_and(|(sequence, _, _)| sequence <= update.received) {
            link.acked = link.sent.map_or(link.acked, |(_, end, _)| end);
            link.sent = None;
            link.full &= !link.sent_full;
            link.backlog = link.backlog_left.take();
            link.asked = 0;
        }
        let (read, waiting): (Vec<_>, _) =
            link.waiting.into_iter().partition(|(sequence, ..)| *sequence <= update.received);
        link.waiting = waiting;
        for (_, token, _) in read {
            // It may still wait to be appended again, because the outcome was unknown.
            self.state.posts.remove(&token);
        }
        link.owes |= update.has_news();
        if update.ask && update.digest != ours {
            link.tell_all();
        }
        self.compare(&mut link, update.digest, ours);
        self.state.links.insert(from, link);
        self.forget_told();
        self.changed();
        if update.merged.is_some() {
            self.follow(content, update);
        } else {
            self.part_from_the_other_side(from, key, update);
        }
    }

    /// A member says that this device is out, by a log that says so, or that it is unknown, and it is neither: somebody removed people's devices
    /// on two sides, neither of which believes the other (8.2), and the member is on the other one. If it says nothing else for long, this side lists it no more.
    fn part_from_the_other_side(&mut self, id: MuaaId, key: &Fingerprint, update: &Update) {
        let own = self.state.device.fingerprint;
        let is_out = || {
            let group = self.group();
            let log =
                group.and_then(|group| Log::from_ops(&self.crypto, group, &update.ops, self.config.log_max));
            log.is_some_and(|log| Membership::of(&log).ended.contains_key(&own))
        };
        let says_so = || update.ops.is_empty() || is_out();
        let apart = update.digest == Hash::default() && self.view.members.contains_key(&own) && says_so();
        let now = self.now;
        let Some(known) = self.state.siblings.get_mut(&(id, *key)) else { return };
        let since = apart.then(|| known.apart.unwrap_or(now));
        if known.apart != since {
            known.apart = since;
            self.changed();
        }
        if since.is_some_and(|since| now.since(since) >= APART_AFTER) {
            let _ = self.remove_member(*key);
        }
    }

    /// A digest that is not ours is looked at again later: most differences are on their way already.
    fn compare(&mut self, link: &mut Link, theirs: Hash, ours: Hash) {
        link.doubt = None;
        let behind = self.state.digests.iter().any(|(digest, _)| *digest == theirs);
        if theirs != ours && !behind {
            let pause = HOUR.saturating_mul(1 << link.asked.min(DOUBLINGS * 2));
            let jitter = Duration::from_millis(self.random.below(HOUR.as_millis() as u64 / 2));
            link.doubt = Some((self.now + pause + jitter, theirs));
        }
    }

    /// A digest that a member announced, when nothing has happened here for long.
    pub(super) fn compare_announced(&mut self, id: MuaaId, theirs: Option<Hash>) {
        let Some((ours, since)) = self.state.digests.last().copied() else { return };
        let settled = self.now.since(since) > 2 * DAY;
        let Some(theirs) = theirs.filter(|theirs| settled && *theirs != ours) else { return };
        let at = self.now + HOUR + Duration::from_millis(self.random.below(HOUR.as_millis() as u64));
        let behind = self.state.digests.iter().any(|(digest, _)| *digest == theirs);
        if let Some(link) = self.state.links.get_mut(&id).filter(|link| link.doubt.is_none()) {
            link.doubt = Some((at, theirs));
            if behind {
                link.tell_all();
            }
            self.changed();
        }
    }

    /// Most of the time nothing is due, and the state is not touched.
    fn resolve_doubts(&mut self) {
        let now = self.now;
        if self.state.links.values().any(|link| link.doubt.is_some_and(|(at, _)| at <= now)) {
            self.ask_where_in_doubt();
        }
        let links = self.state.links.iter();
        let unread = links.filter(|(_, link)| self.unread_until(link).is_some_and(|due| due <= now));
        let unread: Vec<_> = unread.map(|(id, _)| *id).collect();
        self.io.doubted.extend(unread);
    }

    fn ask_where_in_doubt(&mut self) {
        let now = self.now;
        let Durable { links, digests: ours, .. } = &mut *self.state;
        for link in links.values_mut() {
            let Some((_, theirs)) = link.doubt.filter(|(at, _)| *at <= now) else { continue };
            link.doubt = None;
            if !ours.iter().any(|(digest, _)| *digest == theirs) {
                link.ask = true;
                link.tell_all();
                link.asked += 1;
            }
        }
    }

    /// What lies in a sibling's inbox: an update that is neither there nor acknowledged is sent again.
    pub(super) fn surveyed(&mut self, folder: Folder) {
        let Folder::Inbox(id) = folder else { return };
        if !self.io.doubted.remove(&id) {
            return;
        }
        let present = self.present(folder);
        let Some(link) = self.state.links.get_mut(&id) else { return };
        let lies_there = link.waiting.iter().any(|(.., said)| present.contains(said));
        link.asked += 1;
        match &mut link.sent {
            Some((_, _, at)) if lies_there => *at = self.now,
            sent => *sent = None,
        }
        self.changed();
    }

    fn record_digest(&mut self) {
        let Some(digest) = self.keep_digest() else { return };
        if self.state.digests.last().is_none_or(|(last, _)| *last != digest) {
            self.state.digests.push((digest, self.now));
            let surplus = self.state.digests.len().saturating_sub(DIGESTS);
            self.state.digests.drain(..surplus);
            self.changed();
        }
    }

    /// What every sibling has acknowledged is not kept in the journal.
    pub(super) fn forget_told(&mut self) {
        let end = self.state.journal_end;
        // Who is told everything needs nothing of the journal but what came after it was said.
        let told = |link: &Link| match link.sent {
            None if link.full => end,
            Some((_, covered, _)) if link.full => covered,
            Some(_) | None => link.acked,
        };
        let told = self.state.links.values().map(told).min().unwrap_or(end);
        if self.state.journal.keys().next().is_some_and(|first| *first <= told) {
            self.state.journal.retain(|at, _| *at > told);
        }
    }

    /// Without waiting for more to say.
    pub(super) fn tell_everyone_now(&mut self) {
        let links: Vec<_> = self.state.links.keys().copied().collect();
        for id in links {
            if self.wants_to_write(id) {
                self.write_to(id);
            }
        }
    }

    /// It is silent: what it has not read is taken back, and told as a whole when it returns.
    pub(super) fn stop_writing_to(&mut self, id: MuaaId) {
        let Some(link) = self.state.links.get_mut(&id) else { return };
        if link.full && link.waiting.is_empty() && link.sent.is_none() {
            return;
        }
        let waiting = std::mem::take(&mut link.waiting);
        link.sent = None;
        link.full = true;
        for (_, token, _) in waiting {
            self.withdraw(Folder::Inbox(id), token);
        }
        self.changed();
    }

    /// A new announcement of a sibling.
    pub(super) fn sibling_is_alive(&mut self, id: MuaaId, key: &Fingerprint) {
        self.keep_folder_of(id);
        if self.view.members.contains_key(key) {
            let digest = self.state.siblings.get(&(id, *key)).and_then(|known| known.digest);
            self.compare_announced(id, digest);
            self.take_farewell_back(id);
        }
    }

    /// It was told where it stands, and that is over: a member has announced more than it seemed to know, or is written to.
    fn take_farewell_back(&mut self, id: MuaaId) {
        if let Some(told) = self.state.farewells.remove(&id) {
            self.withdraw(Folder::Inbox(id), told);
        }
    }

    /// A device that is a member no more announces itself: it may not have heard. It is told again with its announcements, more and more
    /// seldom, in the place of the last time. One in a group that this device has left for the own is told by this device.
    pub(super) fn tell_ended(&mut self, id: MuaaId, key: &Fingerprint, certificate: &[u8]) {
        if self.state.life != Life::Grouped || !self.view.is_out(key) {
            return;
        }
        let here = self.view.ended.contains_key(key);
        let former = if here { self.former_log_where_it_ended(key) } else { self.former_log_without(key) };
        let mine = || self.is_foremost() || self.former_group_of(id).is_some();
        if let Some(log) = former {
            if self.may_be_told_again(id, key) {
                self.tell_it_is_out(id, key, log);
            }
        } else if here && mine() && self.may_be_told_again(id, key) {
            self.tell_standing(id, *key, certificate);
        }
    }

    /// A device that writes like a member, and so with a digest, and is none does not know it: who reads that tells it, for the foremost
    /// member may be away. One that left says so itself.
    fn answer_ended(&mut self, content: &Content, update: &Update, introduced: &[u8]) {
        let leaves = |said: Content| said.key == content.key && said.kind() == Kind::Leave;
        let knows =
            update.digest == Hash::default() || update.ops.iter().filter_map(SignedOp::content).any(leaves);
        if knows || self.state.life != Life::Grouped || !self.view.ended.contains_key(&content.key) {
            return;
        }
        let (id, key) = (content.author(), content.key);
        // Once a day, or two that do not believe one another would answer for ever.
        if !self.may_be_told_for_writing(id, &key) {
            return;
        }
        let announced = self.sealing_certificate(id, &key);
        let certificate = announced.unwrap_or_else(|| introduced.to_vec().into());
        self.tell_standing(id, key, &certificate);
    }

    /// One that takes itself for a member, and by all that it brings is none here: what let it in is not taken, as the move of one that is
    /// void. If what it brings shows that it is out it gets the log, else it may be a stranger and hears only that it is unknown.
    pub(super) fn answer_by_what_it_brings(
        &mut self,
        op: &SignedOp,
        content: &Content,
        digest: Hash,
        ops: &[SignedOp],
    ) {
        let (id, key) = (content.author(), content.key);
        let Some(certificate) = self.sealing_certificate(id, &key) else { return };
        let knows = digest == Hash::default();
        if knows || self.state.life != Life::Grouped || !op.is_by(&self.crypto, &certificate) {
            return;
        }
        let Some(mut log) = self.state.group.as_ref().map(|group| group.log.clone()) else { return };
        if !self.may_be_told_for_writing(id, &key) {
            return;
        }
        log.join(&self.crypto, ops, self.config.log_max);
        if Membership::of(&log).ended.contains_key(&key) {
            self.tell_standing(id, key, &certificate);
        } else {
            self.say_farewell(id, &certificate, self.group(), &Update::new(key));
        }
    }

    /// A device is told where it stands: that it was forced out, or that it has said more than it knows. It gets the log, and
    /// nothing else.
    pub(super) fn tell_standing(&mut self, id: MuaaId, key: Fingerprint, certificate: &[u8]) {
        if let Some(log) = self.former_log_where_it_ended(&key) {
            return self.tell_it_is_out(id, &key, log);
        }
        // Who signed something in this group is in it, whatever group it came from.
        let leads = self.last_sequence(&key) == 0;
        let ops = self.state.group.as_ref().map(|group| group.log.ops()).unwrap_or_default();
        let (group, said) = self.in_the_name_of(leads, id, Update { ops, ..Update::new(key) });
        let received = self.state.links.get(&id).map_or(0, |link| link.received);
        let update = Update { received, ops: said.ops, merged: said.merged, ..Update::new(key) };
        self.say_farewell(id, certificate, group, &update);
    }

    /// What is said to a device that is not written to otherwise, in the place of what was said to it before.
    pub(super) fn say_farewell(
        &mut self,
        id: MuaaId,
        certificate: &[u8],
        group: Option<Hash>,
        update: &Update,
    ) {
        let Some(body) = self.seal_update(certificate, group, update) else { return };
        let token = self.post(Folder::Inbox(id), Class::Sync, body);
        if let Some(old) = self.state.farewells.insert(id, token) {
            self.withdraw(Folder::Inbox(id), old);
        }
    }
}
