//! One device's view: what all devices share, and the dates of mails that only this one needs to know.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;

use crate::{
    Address, Advice, Date, Deletion, Draft, Entry, Fact, Layers, NEW_PER_DAY, Peer, Peers, Preference,
    Recommendation, Source, aggregate,
    layers::{entry, read, seen},
    observed::Observed,
};

/// The state of the peers on one device. [`Table::observe`], [`Table::gossip`], [`Table::wrote`], [`Table::delete`] and
/// [`Table::join`] return what the other devices must be told because of it; an empty delta need not be sent. `until` is a day after
/// this device's time: what is dated later does not count yet, whoever says it (see [`Layers`]).
///
/// Every mail has a new date, and most mails say nothing else that is new. So what this device read is told exactly if it
/// gives the peer another key, another preference or another answer to whether its header is too old than what is shared
/// does; until then it stays local. All devices then see of a peer what the shared state alone shows, and that is what one
/// device would see that read every mail (docs/decisions/0031).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Table {
    shared: Layers,
    local: Layers,
    /// The numbers of the devices that were forced out.
    out: BTreeSet<u64>,
    /// The day on which this device last took in a new address, by its own clock, and how many on that day.
    taken_in: (u64, u64),
    /// What others' word pushed out of full tables: of correspondents, and of those who prefer encryption. It comes back when whoever said
    /// so is out. What is here stays: it has room for as many as a table, and what comes when it is full is not kept.
    displaced: Peers,
}

/// What of a peer decides a recommendation: key and preference of the header, the gossip's key, whether the header is too old.
type Outcome<'a> = (Option<(&'a Bytes, Preference)>, Option<&'a Bytes>, bool);

fn outcome(peer: Option<Peer<'_>>) -> Outcome<'_> {
    let header = peer.and_then(|peer| peer.header);
    let old = peer.zip(header).is_some_and(|(peer, header)| peer.last_seen.outdates(header.date));
    let gossip = peer.and_then(|peer| peer.gossip);
    (header.map(|known| (&known.key, known.preference)), gossip.map(|known| &known.key), old)
}

impl Table {
    /// Nothing yet. All devices of an account use the same bound, in addresses.
    #[must_use]
    pub const fn new(peers_max: usize) -> Self {
        Self {
            shared: Layers::new(peers_max),
            local: Layers::new(peers_max),
            out: BTreeSet::new(),
            taken_in: (0, 0),
            displaced: Peers::new(peers_max),
        }
    }

    /// From what was kept of a former run.
    #[must_use]
    pub fn from_parts(shared: Layers, local: Layers, out: BTreeSet<u64>) -> Self {
        let displaced = Peers::new(shared.peers_max());
        let mut table = Self { shared, local, out: BTreeSet::new(), taken_in: (0, 0), displaced };
        table.put_out(out);
        table
    }

    /// As it was on this day, after so many new addresses: what [`Table::taken_in`] said.
    #[must_use]
    pub fn with_taken_in(self, taken_in: (u64, u64)) -> Self {
        Self { taken_in, ..self }
    }

    /// With this displaced: what [`Table::displaced`] was.
    #[must_use]
    pub fn with_displaced(mut self, mut displaced: Peers) -> Self {
        displaced.distrust(&self.out);
        self.displaced = displaced;
        self
    }

    /// What others' word pushed out of full tables, and what comes back when whoever said so is out.
    #[must_use]
    pub const fn displaced(&self) -> &Peers {
        &self.displaced
    }

    /// The day on which this device last took in a new address, by its own clock, and how many on that day.
    #[must_use]
    pub const fn taken_in(&self) -> (u64, u64) {
        self.taken_in
    }

    /// What the devices share; the whole of it is the delta for a device that is new or lost something.
    #[must_use]
    pub const fn shared(&self) -> &Layers {
        &self.shared
    }

    /// What this device alone knows: dates of mails and of headers that say nothing new.
    #[must_use]
    pub const fn local(&self) -> &Layers {
        &self.local
    }

    /// The numbers of the devices that were forced out.
    #[must_use]
    pub const fn out(&self) -> &BTreeSet<u64> {
        &self.out
    }

    /// These devices were forced out: what they told of peers gives way to anything else that is known or comes to be known. What
    /// it had pushed out comes back, and what was kept local because they had told the like may be worth telling now.
    pub fn distrust(&mut self, out: BTreeSet<u64>, until: Date) -> Layers {
        if self.out == out {
            return Layers::new(self.shared.peers_max());
        }
        self.put_out(out);
        let back = Layers::from(self.displaced.clone());
        let mut told = self.share(&back, until);
        self.displaced = back.missing_in(&self.shared);
        told.append(&mut self.tell(self.local.addresses(), until).addresses());
        self.shared.only(&told)
    }

    fn put_out(&mut self, out: BTreeSet<u64>) {
        self.shared.distrust(&out);
        self.local.distrust(&out);
        self.displaced.distrust(&out);
        self.out = out;
    }

    /// Processes a mail that was read.
    pub fn observe(&mut self, mail: &Observed, until: Date) -> Layers {
        let mut part = self.shared.part_for(&mail.from);
        part.saw(&mail.from, mail.date);
        self.local.add(part, until);
        self.learn(mail.fact.as_slice(), BTreeSet::from([mail.from.clone()]), until)
    }

    /// Processes the gossip of a mail.
    pub fn gossip(&mut self, facts: &[Fact], until: Date) -> Layers {
        self.learn(facts, BTreeSet::new(), until)
    }

    /// Whether processing this changes nothing, as if it was processed before.
    #[must_use]
    pub fn knows(&self, seen_from: Option<(&Address, Date)>, facts: &[Fact], until: Date) -> bool {
        let all = [&self.shared, &self.local];
        let horizon = |date: Date| if date <= until { until } else { Date::LAST };
        let saw = |(addr, date): (&Address, Date)| seen(&all, addr, horizon(date)) >= Some(date);
        let is_known = |fact: &Fact| {
            let known = entry(&all, &fact.addr, fact.source, horizon(fact.entry.date));
            known.is_some_and(|known| *known >= Entry::Known(fact.entry.clone()))
                || self.is_too_much(fact, until)
        };
        seen_from.is_none_or(saw) && facts.iter().all(is_known)
    }

    /// The account wrote to these addresses at this date: whatever others send, what is known of them stays.
    pub fn wrote(&mut self, addresses: &BTreeSet<Address>, date: Date, reporter: u64, until: Date) -> Layers {
        let before = self.before(addresses.len());
        let mut told = addresses.clone();
        told.retain(|addr| {
            let mut part = self.shared.part_for(addr);
            let news = part.wrote(addr, date, reporter) && self.shared.add(part, until);
            self.tell_of(addr, until) || news
        });
        self.keep_displaced(before);
        self.shared.only(&told)
    }

    /// Forgets a peer as of this date, or of the newest date known of it here that counts (see [`Layers::delete`]).
    pub fn delete(&mut self, addr: &Address, deletion: Deletion, until: Date) -> Layers {
        let known = self.local.newest_date(addr, until).unwrap_or_default();
        let before = self.before(1);
        self.shared.delete(addr, Deletion { date: deletion.date.max(known), ..deletion }, until);
        self.displaced.forget(addr);
        self.keep_displaced(before);
        self.forget_told(addr, until);
        self.shared.only(&BTreeSet::from([addr.clone()]))
    }

    /// Whether this was joined before, so that joining it again changes nothing and makes nothing worth telling. That it was not is
    /// not certain.
    #[must_use]
    pub fn has(&self, delta: &Layers) -> bool {
        self.out.is_empty() && self.shared.has(delta)
    }

    /// Joins what another device told. The result is what that made worth telling: what was kept local until it began to
    /// count, and what counts here and was displaced there before it could.
    pub fn join(&mut self, delta: &Layers, until: Date) -> Layers {
        let mut delta = Cow::Borrowed(delta);
        if !self.out.is_empty() {
            delta.to_mut().distrust(&self.out);
        }
        let before = self.before(delta.addresses().len());
        let changed = self.share(&delta, until);
        let mut told = self.shared.lost_by(&delta, &changed);
        told.extend(changed.into_iter().filter(|addr| self.tell_of(addr, until)));
        delta.deleted().for_each(|addr| self.displaced.forget(addr));
        self.keep_displaced(before);
        self.shared.only(&told)
    }

    /// The peers of whom something that is kept local is to be told by now: what was dated ahead begins to count as time goes on.
    #[must_use]
    pub fn due(&self, until: Date) -> BTreeSet<Address> {
        let differs =
            |addr: &Address| self.is_news(addr, until) || self.last_seen_to_tell(addr, until).is_some();
        self.local.addresses().into_iter().filter(differs).collect()
    }

    /// Shares what the others must know of these peers; what that is.
    pub fn tell(&mut self, asked: BTreeSet<Address>, until: Date) -> Layers {
        let before = self.before(asked.len());
        let told = asked.into_iter().filter(|addr| self.tell_of(addr, until)).collect();
        self.keep_displaced(before);
        self.shared.only(&told)
    }

    /// The date that the other devices must be told, if any: with this device's dates the peer's header is more than 35
    /// days old, and with the shared ones it is not.
    ///
    /// Then and only then would this device, for this reason, recommend something else than one that does not know the
    /// date. It can become so with each mail and with each change of the shared state; [`Table`]'s other methods ask after
    /// each of them.
    #[must_use]
    pub fn last_seen_to_tell(&self, addr: &Address, until: Date) -> Option<Date> {
        let (ours, shared) = (self.peer(addr, until)?, self.shared.peer(addr, until)?);
        let old = |peer: Peer<'_>| peer.header.is_some_and(|header| peer.last_seen.outdates(header.date));
        (old(ours) && !old(shared)).then_some(ours.last_seen)
    }

    /// What this device knows of a peer, its own dates included; `None` if there is no key.
    #[must_use]
    pub fn peer(&self, addr: &Address, until: Date) -> Option<Peer<'_>> {
        let all = read(&[&self.shared, &self.local], addr, until)?;
        // What the bound dropped from the shared tables is not known any more, on no device.
        let is_kept = |source| entry(&[&self.shared], addr, source, Date::LAST).is_some();
        let header = all.header.filter(|_| is_kept(Source::Header));
        let gossip = all.gossip.filter(|_| is_kept(Source::Gossip));
        (header.is_some() || gossip.is_some()).then_some(Peer { header, gossip, ..all })
    }

    /// The recommendation for a mail to these recipients. `usable` is asked for each key, see [`Peer::preliminary`].
    #[must_use]
    pub fn recommend<'a>(
        &self,
        recipients: impl IntoIterator<Item = &'a Address>,
        draft: Draft,
        until: Date,
        usable: impl Fn(&[u8]) -> bool,
    ) -> Advice {
        let mut keys = BTreeMap::new();
        let each = recipients.into_iter().map(|addr| {
            let peer = self.peer(addr, until);
            let (recommendation, key) = peer.map_or((Recommendation::Disable, None), |peer| {
                let (recommendation, key) = peer.recommend(draft, &usable);
                (recommendation, key.cloned())
            });
            if let Some(key) = key {
                keys.insert(addr.clone(), key);
            }
            recommendation
        });
        let recommendation = aggregate(each);
        Advice { recommendation, keys }
    }

    fn learn(&mut self, facts: &[Fact], mut told: BTreeSet<Address>, until: Date) -> Layers {
        let before = self.before(facts.len() + told.len());
        told.retain(|addr| self.tell_of(addr, until));
        for fact in facts {
            if self.is_too_much(fact, until) {
                continue;
            }
            if self.is_new(fact) {
                self.taken_in = (until.day(), self.taken_in_on(until) + 1);
            }
            let mut part = self.shared.part_for(&fact.addr);
            part.observe(fact);
            self.local.add(part, until);
            if self.tell_of(&fact.addr, until) {
                told.insert(fact.addr.clone());
            }
        }
        self.keep_displaced(before);
        self.shared.only(&told)
    }

    /// Whether this is the key of an address that is not known and that nobody wrote to.
    fn is_new(&self, fact: &Fact) -> bool {
        let known = entry(&[&self.shared], &fact.addr, fact.source, Date::LAST).is_some();
        !known && !self.shared.is_correspondent(&fact.addr)
    }

    /// Whether this is a new key of a day that brought many such.
    ///
    /// Two days count. That of the mail spreads what is learnt over the years, when a new device reads an old mailbox; but senders
    /// choose it. So once half of the table is used, and whoever is learnt may push out others soon, the day counts, too, on which this
    /// device takes the mail in, by its own clock. Below that nobody is pushed out. Neither has a part in joins: what others told is
    /// joined, so all devices come to the same whatever each refused to learn.
    fn is_too_much(&self, fact: &Fact, until: Date) -> bool {
        if !self.is_new(fact) {
            return false;
        }
        let day = fact.entry.date.day();
        let others = self.shared.newest().others.of(fact.source).entries();
        let half_used = others.len() >= self.shared.peers_max().div_ceil(2);
        let same_day = others.values().filter(|entry| entry.known().is_some() && entry.date().day() == day);
        (half_used && self.taken_in_on(until) >= NEW_PER_DAY as u64) || same_day.count() >= NEW_PER_DAY
    }

    fn taken_in_on(&self, until: Date) -> u64 {
        let (day, number) = self.taken_in;
        if day == until.day() { number } else { 0 }
    }

    /// Asked of what counts now, and of what will count in the end: so that it is told once, whatever the time is on the others.
    fn tell_of(&mut self, addr: &Address, until: Date) -> bool {
        self.local.promote(addr, until);
        let mut told = self.shared.promote(addr, until);
        if self.is_news(addr, until) || self.is_news(addr, Date::LAST) {
            let mut news = self.local.only(&BTreeSet::from([addr.clone()]));
            news.forget_seen();
            told |= !self.share(&news, until).is_empty();
        }
        for horizon in [until, Date::LAST] {
            if let Some(date) = self.last_seen_to_tell(addr, horizon) {
                let mut part = self.shared.part_for(addr);
                part.saw(addr, date);
                told |= self.shared.add(part, until);
            }
        }
        told |= self.shared.keep(addr, until);
        self.forget_told(addr, until);
        told
    }

    /// What is shared, if so many more may push out a correspondent or somebody who prefers encryption.
    fn before(&self, more: usize) -> Option<Layers> {
        self.shared.may_drop(more).then(|| self.shared.clone())
    }

    /// What was pushed out since is displaced.
    fn keep_displaced(&mut self, before: Option<Layers>) {
        if let Some(before) = before {
            self.displaced.fill(&before.missing_in(&self.shared));
        }
    }

    /// Joins what is said of peers, of each where it stays. The addresses of which something is known that was not.
    fn share(&mut self, said: &Layers, until: Date) -> BTreeSet<Address> {
        let known = self.shared.only(&said.addresses()).lifted(said, until);
        let lifted = said.lifted(&self.shared, until);
        let mut changed = self.shared.join(said, until);
        for part in [known, lifted] {
            if !part.is_empty() {
                changed.append(&mut self.shared.join(&part, until));
            }
        }
        changed
    }

    /// Whether what is known here of a peer differs from what is shared by more than dates.
    fn is_news(&self, addr: &Address, until: Date) -> bool {
        let all = read(&[&self.shared, &self.local], addr, until);
        outcome(all) != outcome(self.shared.peer(addr, until))
    }

    /// What is shared, and what is too old for a full table, is not kept twice.
    fn forget_told(&mut self, addr: &Address, until: Date) {
        for source in [Source::Header, Source::Gossip] {
            let of = |until| entry(&[&self.shared], addr, source, until);
            let (counts, newest) = (of(until), of(Date::LAST));
            self.local.forget(addr, source, |value| {
                newest.is_some() && (Some(value) > newest || (value.date() <= until && Some(value) > counts))
            });
        }
    }
}
