//! What is known of other people's Autocrypt keys: learnt from mail here, told to siblings, joined from them.
//!
//! `sma-autocrypt` decides what counts and what is worth telling; here stands how it travels. A delta names the addresses that
//! changed (the journal); a sibling that lacks everything gets all of them in the order of their addresses (its link's
//! backlog). Of either, an update holds what fits, and the rest follows when it was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use sma_autocrypt::{
    Address, Advice, Date, Deletion, Draft, Fact, Layers, Observed, Peer, Peers, Preference, Table,
};

use super::{
    Muaa,
    persistent::{Item, Life, Link},
};
use crate::{
    Crypto, Event, Fingerprint, InputError, Timestamp, Token, plausible,
    shared::Shared,
    wire::{self, KeyMaterial, Update},
};

/// An update for a sibling, and what it leaves for the next.
pub(super) struct Part {
    pub(super) update: Update,
    /// The journal up to here is in it.
    pub(super) end: u64,
    /// If peers of the journal had no room: everything else up to here is in it.
    pub(super) cut: Option<u64>,
    /// The backlog that is left.
    pub(super) backlog: Option<String>,
}

impl<C: Crypto> Muaa<C> {
    pub(super) fn observe(&mut self, mut mail: Observed) -> Result<(), InputError> {
        self.require_life()?;
        mail.fact.iter_mut().for_each(|fact| self.report(fact));
        let until = self.dates_until();
        if !self.state.peers.knows(Some((&mail.from, mail.date)), mail.fact.as_slice(), until) {
            self.learn(|table| table.observe(&mail, until));
        }
        Ok(())
    }

    pub(super) fn gossip(&mut self, mut facts: Vec<Fact>) -> Result<(), InputError> {
        self.require_life()?;
        facts.iter_mut().for_each(|fact| self.report(fact));
        let until = self.dates_until();
        if !self.state.peers.knows(None, &facts, until) {
            self.learn(|table| table.gossip(&facts, until));
        }
        Ok(())
    }

    fn report(&self, fact: &mut Fact) {
        fact.entry.reporter = self.state.id().0;
    }

    pub(super) fn wrote(&mut self, addresses: &BTreeSet<Address>, at: Timestamp) -> Result<(), InputError> {
        self.require_life()?;
        let (at, reporter, until) = (self.past(at), self.state.id().0, self.dates_until());
        self.learn(|table| table.wrote(addresses, at, reporter, until));
        Ok(())
    }

    pub(super) fn delete_peer(&mut self, address: &str, at: Timestamp) -> Result<(), InputError> {
        self.require_life()?;
        let address = Address::parse(address).ok_or(InputError::BadAddress)?;
        let deletion = Deletion { date: self.past(at), reporter: self.state.id().0 };
        let until = self.dates_until();
        self.learn(|table| table.delete(&address, deletion, until));
        Ok(())
    }

    /// These devices were forced out.
    pub(super) fn distrust(&mut self, out: BTreeSet<u64>) {
        let until = self.dates_until();
        let delta = self.state.peers.distrust(out, until);
        self.tell_of_peers(&delta);
        self.changed();
    }

    /// What was dated ahead and has begun to count is told, if the siblings see it otherwise.
    pub(super) fn tell_what_counts_by_now(&mut self) {
        let until = self.dates_until();
        let due = self.state.peers.due(until);
        if !due.is_empty() && self.require_life().is_ok() {
            self.learn(|table| table.tell(due, until));
        }
    }

    /// Until when what mails say counts: a day after the time of the last input. What is dated later is kept, and does not count yet.
    #[must_use]
    pub fn dates_until(&self) -> Date {
        plausible::dates_until(self.now)
    }

    /// What happened here has happened by now, whatever the store says.
    fn past(&self, at: Timestamp) -> Date {
        Date(at.min(self.now).as_secs())
    }

    fn require_life(&self) -> Result<(), InputError> {
        let over = matches!(self.state.life, Life::Removed | Life::Left);
        if over { Err(InputError::WrongPhase(self.phase())) } else { Ok(()) }
    }

    fn learn(&mut self, change: impl FnOnce(&mut Table) -> Layers) {
        let before = self.state.peers.clone();
        let delta = change(&mut self.state.peers);
        if *self.state.peers == *before {
            // As it was handed out, so nothing is computed or written anew.
            self.state.peers = before;
            return;
        }
        self.tell_of_peers(&delta);
        self.changed();
    }

    /// Has the siblings told of these peers.
    fn tell_of_peers(&mut self, delta: &Layers) {
        if delta.is_empty() {
            return;
        }
        if self.state.links.is_empty() {
            // Who comes later is told everything.
            return;
        }
        self.forget_told();
        for address in delta.addresses() {
            self.note(Item::Peer(address.as_str().to_owned()));
        }
    }

    /// Joins what a member sent. Octets that are none of ours, or that go by another bound, are as if they were not there.
    pub(super) fn take_peers(&mut self, update: &Update) {
        let Some(delta) = self.peers_in(update) else { return };
        if self.state.peers.has(&delta) {
            // What is known already changes nothing, and what is shared stays so.
            return;
        }
        let (named, until) = (delta.addresses(), self.dates_until());
        let before = self.state.peers.shared().only(&named);
        let answer = self.state.peers.join(&delta, until);
        if self.state.peers.shared().only(&named) != before {
            self.tell(Event::PeersChanged);
        }
        self.tell_of_peers(&answer);
        self.changed();
    }

    fn peers_in(&self, update: &Update) -> Option<Layers> {
        Layers::from_bytes(update.peers.as_ref()?, self.state.peers.shared().peers_max()).ok()
    }

    /// The group is told of every peer of which it was not heard to know the same.
    pub(super) fn bring_own_peers(&mut self, update: &Update) {
        let shared = self.state.peers.shared();
        let theirs = self.peers_in(update).unwrap_or_else(|| Layers::new(shared.peers_max()));
        let differs = |address: &Address| {
            let one = BTreeSet::from([address.clone()]);
            shared.only(&one) != theirs.only(&one)
        };
        let own: BTreeSet<_> = shared.addresses().into_iter().filter(differs).collect();
        let own = shared.only(&own);
        self.tell_of_peers(&own);
    }

    /// Whether there is something that the update which waits for this sibling, if one does, does not hold.
    pub(super) fn has_more_to_tell(&self, link: &Link) -> bool {
        match (link.sent, link.cut) {
            (None, _) => {
                let noted = self.state.journal.range(link.acked + 1..).next().is_some();
                noted || link.full || self.backlog_from(link).is_some_and(|from| self.knows_from(from))
            }
            (Some((_, end, _)), None) => self.state.journal.range(end + 1..).next().is_some(),
            (Some(_), Some(end)) => {
                self.state.journal.range(end + 1..).any(|(_, item)| !matches!(item, Item::Peer(_)))
            }
        }
    }

    fn backlog_from<'a>(&self, link: &'a Link) -> Option<&'a str> {
        if link.full || link.lead { Some("") } else { link.backlog.as_deref() }
    }

    fn knows_from(&self, from: &str) -> bool {
        self.state.peers.shared().reaches(from)
    }

    /// Everything that a new member needs, with as many peers as fit, if any does.
    pub(super) fn whole_part(&self, to: Fingerprint) -> Part {
        let mut part = self.part_for(&Link { full: true, ..Link::default() }, to);
        if wire::encode(&part.update).len() > self.update_bytes_max() {
            part.update.peers = None;
            part.backlog = Some(String::new());
        }
        part
    }

    /// What a sibling has not acknowledged: everything but peers, and as many of these as fit.
    pub(super) fn part_for(&self, link: &Link, to: Fingerprint) -> Part {
        let items: BTreeMap<_, _> = self.state.journal.range(link.acked + 1..).collect();
        let state =
            if link.full { self.whole_state(to) } else { self.named_state(to, items.values().copied()) };
        let update = Update { received: link.received, ask: link.ask, ..state };
        let mut room = Room::new(self.update_bytes_max(), wire::encode(&update).len());
        let end = self.state.journal_end;
        let mut part = Part { update, end, cut: None, backlog: None };
        let mut named = BTreeSet::new();
        for (at, item) in items {
            let Item::Peer(address) = item else { continue };
            // Who gets everything gets these by their addresses.
            let Some(address) = Address::parse(address).filter(|_| !link.full) else { continue };
            if !room.takes(self.peer_bytes(&address)) {
                part.end = at - 1;
                part.cut = Some(end);
                break;
            }
            named.insert(address);
        }
        if let Some(from) = self.backlog_from(link) {
            let all = self.state.peers.shared().addresses();
            for address in all.into_iter().filter(|address| address.as_str() >= from) {
                if !named.contains(&address) && !room.takes(self.peer_bytes(&address)) {
                    part.backlog = Some(address.as_str().to_owned());
                    break;
                }
                named.insert(address);
            }
        }
        let told = self.state.peers.shared().only(&named);
        part.update.peers = (!told.is_empty()).then(|| told.to_bytes().into());
        part
    }

    /// Of the whole state what these items name, but for the peers.
    fn named_state<'a>(&self, to: Fingerprint, items: impl Iterator<Item = &'a Item>) -> Update {
        let log = self.state.group.as_ref().map(|group| &group.log);
        let mut update = self.empty_update(to);
        for item in items {
            match item {
                Item::Op(hash) => {
                    update.ops.extend(log.and_then(|log| log.get(hash)).map(|entry| entry.signed.clone()));
                }
                Item::Key(fingerprint) => {
                    let key = self.state.keys.get(fingerprint);
                    update.keys.extend(key.map(|key| KeyMaterial { secret: key.secret.clone() }));
                }
                Item::Setting(name) => {
                    let register = self.state.settings.get(name);
                    update.settings.extend(register.map(|register| (name.clone(), register.clone())));
                }
                Item::Peer(_) => {}
            }
        }
        update
    }

    fn peer_bytes(&self, address: &Address) -> usize {
        self.state.peers.shared().only(&BTreeSet::from([address.clone()])).to_bytes().len()
    }

    fn update_bytes_max(&self) -> usize {
        self.io.update_bytes_max.unwrap_or(usize::MAX).min(self.config.update_bytes_max)
    }

    /// The server refused a message as too large: if it is an update that can be smaller, it is written anew, smaller. Whether
    /// it is.
    pub(super) fn write_smaller(&mut self, token: Token, max: u64) -> bool {
        if self.accept_smaller(token, max) {
            return true;
        }
        let Some(refused) = self.state.posts.get(&token).map(|post| post.body.len()) else { return false };
        if !self.expect_at_most(max, refused) {
            return false;
        }
        let waits = |link: &&mut Link| link.waiting.iter().any(|(_, waiting, _)| *waiting == token);
        let Some(link) = self.state.links.values_mut().find(waits) else { return false };
        link.waiting.retain(|(_, waiting, _)| *waiting != token);
        link.sent = None;
        link.owes = true;
        self.state.posts.remove(&token);
        self.changed();
        true
    }

    /// The server refused a message of this size, and may have told how much it takes: how much of peers an update holds from now
    /// on. Whether that is less than before.
    pub(super) fn expect_at_most(&mut self, max: u64, refused: usize) -> bool {
        // Padding, base64 and the mail around it take less than the plain text does.
        let told = usize::try_from(max).ok().filter(|max| *max > 0).unwrap_or(usize::MAX);
        let smaller = (told / 2).min(refused / 2);
        let less = smaller < self.update_bytes_max();
        if less {
            self.io.update_bytes_max = Some(smaller);
        }
        less
    }

    /// The peers of which a key is known, by address, as this device sees them.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<Address, Peer<'_>> {
        let (table, until) = (&self.state.peers, self.dates_until());
        let all = table.shared().addresses().into_iter();
        all.filter_map(|address| table.peer(&address, until).map(|peer| (address, peer))).collect()
    }

    /// Level 1's recommendation for a mail to these recipients, with their keys. The account's own preference is that of
    /// [`crate::Command::SetPreferEncrypt`]. `usable` tells whether a certificate can be encrypted to now: neither revoked nor
    /// expired.
    #[must_use]
    pub fn recommendation<'a>(
        &self,
        recipients: impl IntoIterator<Item = &'a Address>,
        reply_to_encrypted: bool,
        usable: impl Fn(&[u8]) -> bool,
    ) -> Advice {
        let own = if self.prefers_encrypt() { Preference::Mutual } else { Preference::NoPreference };
        self.state.peers.recommend(recipients, Draft { own, reply_to_encrypted }, self.dates_until(), usable)
    }
}

/// The room for peers in an update: the first fits always, so that each update tells something.
struct Room {
    left: usize,
    empty: bool,
}

impl Room {
    fn new(max: usize, taken: usize) -> Self {
        Self { left: max.saturating_sub(taken), empty: true }
    }

    fn takes(&mut self, octets: usize) -> bool {
        let fits = octets <= self.left || std::mem::take(&mut self.empty);
        if fits {
            self.empty = false;
            self.left = self.left.saturating_sub(octets);
        }
        fits
    }
}

/// A table keeps to a bound that is another one than before.
pub(super) fn bound(table: &mut Shared<Table>, peers_max: usize, now: Timestamp) {
    if table.shared().peers_max() != peers_max {
        let bounded = |peers: &Layers| {
            let mut bounded = Layers::new(peers_max);
            bounded.join(peers, plausible::dates_until(now));
            bounded
        };
        let other = Table::from_parts(bounded(table.shared()), bounded(table.local()), table.out().clone());
        let mut displaced = Peers::new(peers_max);
        displaced.join(table.displaced());
        *table = other.with_taken_in(table.taken_in()).with_displaced(displaced).into();
    }
}

/// A table in a snapshot: its bound, what is shared, what is local, which devices were forced out, what the day brought, what was displaced.
pub(super) mod table {
    use std::collections::BTreeSet;

    use minicbor::{Decoder, Encoder};
    use sma_autocrypt::{Layers, Peers, Table};

    use crate::shared::Shared;

    pub(crate) fn encode<C, W: minicbor::encode::Write>(
        table: &Table,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let max = table.shared().peers_max() as u64;
        e.array(6)?.u64(max)?.bytes(&table.shared().to_bytes())?.bytes(&table.local().to_bytes())?;
        e.encode(table.out())?.encode(table.taken_in())?.bytes(&table.displaced().to_bytes())?.ok()
    }

    pub(crate) fn decode<C>(
        d: &mut Decoder<'_>,
        _: &mut C,
    ) -> Result<Shared<Table>, minicbor::decode::Error> {
        let malformed = || minicbor::decode::Error::message("not a table of peers");
        if d.array()? != Some(6) {
            return Err(malformed());
        }
        let max = usize::try_from(d.u64()?).map_err(|_| malformed())?;
        let shared = Layers::from_bytes(d.bytes()?, max).map_err(|_| malformed())?;
        let local = Layers::from_bytes(d.bytes()?, max).map_err(|_| malformed())?;
        let out: BTreeSet<u64> = d.decode()?;
        let table = Table::from_parts(shared, local, out).with_taken_in(d.decode()?);
        let displaced = Peers::from_bytes(d.bytes()?, max).map_err(|_| malformed())?;
        Ok(table.with_displaced(displaced).into())
    }
}
