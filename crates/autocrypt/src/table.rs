//! One device's view: what all devices share, and the dates of mails that only this one needs to know.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    Address, Advice, Date, Draft, Entry, Fact, Peer, Peers, Preference, Recommendation, aggregate,
    observed::Observed,
};

/// The state of the peers on one device. [`Table::observe`], [`Table::gossip`], [`Table::delete`] and [`Table::join`] return
/// what the other devices must be told because of it; an empty delta need not be sent.
///
/// Every mail has a new date, and most mails say nothing else that is new. So what this device read is told exactly if it
/// gives the peer another key, another preference or another answer to whether its header is too old than what is shared
/// does; until then it stays local. All devices then see of a peer what the shared state alone shows, and that is what one
/// device would see that read every mail (docs/decisions/0031).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Table {
    shared: Peers,
    local: Peers,
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
        Self { shared: Peers::new(peers_max), local: Peers::new(peers_max) }
    }

    /// From what was kept of a former run.
    #[must_use]
    pub const fn from_parts(shared: Peers, local: Peers) -> Self {
        Self { shared, local }
    }

    /// What the devices share; the whole of it is the delta for a device that is new or lost something.
    #[must_use]
    pub const fn shared(&self) -> &Peers {
        &self.shared
    }

    /// What this device alone knows: dates of mails and of headers that say nothing new.
    #[must_use]
    pub const fn local(&self) -> &Peers {
        &self.local
    }

    /// Processes a mail that was read.
    pub fn observe(&mut self, mail: &Observed) -> Peers {
        self.local.saw(&mail.from, mail.date);
        self.learn(mail.fact.as_slice(), BTreeSet::from([mail.from.clone()]))
    }

    /// Processes the gossip of a mail.
    pub fn gossip(&mut self, facts: &[Fact]) -> Peers {
        self.learn(facts, BTreeSet::new())
    }

    /// Forgets a peer as of this date, or of the newest date known of it here (see [`Peers::delete`]).
    pub fn delete(&mut self, addr: &Address, date: Date) -> Peers {
        let date = self.local.delete(addr, date);
        self.shared.delete(addr, date);
        self.forget_told(addr);
        self.shared.only(&BTreeSet::from([addr.clone()]))
    }

    /// Joins what another device told. The result is what that made worth telling: what was kept local until it began to
    /// count.
    pub fn join(&mut self, delta: &Peers) -> Peers {
        let changed = self.shared.join(delta);
        self.tell(changed)
    }

    /// The date that the other devices must be told, if any: with this device's dates the peer's header is more than 35
    /// days old, and with the shared ones it is not.
    ///
    /// Then and only then would this device, for this reason, recommend something else than one that does not know the
    /// date. It can become so with each mail and with each change of the shared state; [`Table`]'s other methods ask after
    /// each of them.
    #[must_use]
    pub fn last_seen_to_tell(&self, addr: &Address) -> Option<Date> {
        let (ours, shared) = (self.peer(addr)?, self.shared.peer(addr)?);
        let old = |peer: Peer<'_>| peer.header.is_some_and(|header| peer.last_seen.outdates(header.date));
        (old(ours) && !old(shared)).then_some(ours.last_seen)
    }

    /// What this device knows of a peer, its own dates included; `None` if there is no key.
    #[must_use]
    pub fn peer(&self, addr: &Address) -> Option<Peer<'_>> {
        // What the bound dropped from the shared tables is not known any more, on no device.
        self.united(addr, |shared, local| shared.and_then(|shared| local.max(Some(shared))))
    }

    /// The recommendation for a mail to these recipients. `usable` is asked for each key, see [`Peer::preliminary`].
    #[must_use]
    pub fn recommend<'a>(
        &self,
        recipients: impl IntoIterator<Item = &'a Address>,
        draft: Draft,
        usable: impl Fn(&[u8]) -> bool,
    ) -> Advice {
        let mut keys = BTreeMap::new();
        let each = recipients.into_iter().map(|addr| {
            let peer = self.peer(addr);
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

    fn learn(&mut self, facts: &[Fact], mut asked: BTreeSet<Address>) -> Peers {
        for fact in facts {
            self.local.observe(fact);
            asked.insert(fact.addr.clone());
        }
        self.tell(asked)
    }

    /// Shares what the others must know of these peers; what that is.
    fn tell(&mut self, asked: BTreeSet<Address>) -> Peers {
        let told = asked.into_iter().filter(|addr| self.tell_of(addr)).collect();
        self.shared.only(&told)
    }

    fn tell_of(&mut self, addr: &Address) -> bool {
        let mut told = false;
        if self.is_news(addr) {
            let headers = self.local.headers.get(addr).cloned();
            told |= headers.is_some_and(|entry| self.shared.headers.raise(addr, entry));
            let gossip = self.local.gossip.get(addr).cloned();
            told |= gossip.is_some_and(|entry| self.shared.gossip.raise(addr, entry));
        }
        if let Some(date) = self.last_seen_to_tell(addr) {
            told |= self.shared.saw(addr, date);
        }
        self.forget_told(addr);
        told
    }

    /// Whether what is known here of a peer differs from what is shared by more than dates.
    fn is_news(&self, addr: &Address) -> bool {
        let all = self.united(addr, Option::max);
        outcome(all) != outcome(self.shared.peer(addr))
    }

    fn united<'a>(
        &'a self,
        addr: &Address,
        unite: impl Fn(Option<&'a Entry>, Option<&'a Entry>) -> Option<&'a Entry>,
    ) -> Option<Peer<'a>> {
        let (shared, local) = (&self.shared, &self.local);
        let header = unite(shared.headers.get(addr), local.headers.get(addr)).and_then(Entry::known);
        let gossip = unite(shared.gossip.get(addr), local.gossip.get(addr)).and_then(Entry::known);
        if header.is_none() && gossip.is_none() {
            return None;
        }
        let seen = shared.seen.get(addr).max(local.seen.get(addr)).copied().unwrap_or_default();
        Some(Peer { header, gossip, last_seen: header.map_or(seen, |header| header.date.max(seen)) })
    }

    /// What is shared, and what is too old for a full table, is not kept twice.
    fn forget_told(&mut self, addr: &Address) {
        self.local.headers.remove_up_to(addr, self.shared.headers.get(addr));
        self.local.gossip.remove_up_to(addr, self.shared.gossip.get(addr));
    }
}
