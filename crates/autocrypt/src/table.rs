//! One device's view: what all devices share, and the dates of mails that only this one needs to know.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Address, Advice, Date, Draft, Fact, Peer, Peers, Recommendation, aggregate, greatest::Greatest,
    message::Observed,
};

/// The date of the newest mail from each sender that this device processed. Never shared as it is: it changes with every
/// mail. Bounded like [`Peers`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LastSeen(Greatest<Date>);

impl LastSeen {
    /// Nothing yet, with a bound in addresses.
    #[must_use]
    pub const fn new(peers_max: usize) -> Self {
        Self(Greatest::new(peers_max))
    }

    /// Notes a mail, with an Autocrypt header or without.
    pub fn saw(&mut self, addr: &Address, date: Date) {
        self.0.raise(addr, date);
    }

    /// The date of the newest mail from this address.
    #[must_use]
    pub fn get(&self, addr: &Address) -> Option<Date> {
        self.0.get(addr).copied()
    }

    pub(crate) const fn from_table(table: Greatest<Date>) -> Self {
        Self(table)
    }

    pub(crate) const fn table(&self) -> &Greatest<Date> {
        &self.0
    }
}

/// The state of the peers on one device. [`Table::observe`], [`Table::delete`] and [`Table::join`] return what the other
/// devices must be told because of it; an empty delta need not be sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Table {
    shared: Peers,
    local: LastSeen,
}

impl Table {
    /// Nothing yet. All devices of an account use the same bound, in addresses.
    #[must_use]
    pub const fn new(peers_max: usize) -> Self {
        Self { shared: Peers::new(peers_max), local: LastSeen::new(peers_max) }
    }

    /// From what was kept of a former run.
    #[must_use]
    pub const fn from_parts(shared: Peers, local: LastSeen) -> Self {
        Self { shared, local }
    }

    /// What the devices share; the whole of it is the delta for a device that is new or lost something.
    #[must_use]
    pub const fn shared(&self) -> &Peers {
        &self.shared
    }

    /// What this device alone needs.
    #[must_use]
    pub const fn local(&self) -> &LastSeen {
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

    /// Forgets a peer as of this date (see [`Peers::delete`]).
    pub fn delete(&mut self, addr: &Address, date: Date) -> Peers {
        let newest = self.local.get(addr).unwrap_or_default();
        self.shared.delete(addr, date.max(newest));
        self.shared.only(&BTreeSet::from([addr.clone()]))
    }

    /// Joins what another device told. The result is what that made worth telling: a `last_seen` kept to itself until
    /// it began to count.
    pub fn join(&mut self, delta: &Peers) -> Peers {
        let changed = self.shared.join(delta);
        let told = changed.into_iter().filter(|addr| self.tell_last_seen(addr)).collect();
        self.shared.only(&told)
    }

    /// The date that the other devices must be told, if any: this device's `last_seen` makes the peer's header more than
    /// 35 days old, and the one that is shared does not.
    ///
    /// Then and only then would this device recommend something else than one that does not know the date. It can become
    /// so with each mail and with each change of the shared state; [`Table`]'s other methods ask after each of them.
    #[must_use]
    pub fn last_seen_to_tell(&self, addr: &Address) -> Option<Date> {
        let shared = self.shared.peer(addr)?;
        let header = shared.header?.date;
        let local = self.local.get(addr)?;
        (local.outdates(header) && !shared.last_seen.outdates(header)).then_some(local)
    }

    /// What this device knows of a peer, its own `last_seen` included; `None` if there is no key.
    #[must_use]
    pub fn peer(&self, addr: &Address) -> Option<Peer<'_>> {
        let peer = self.shared.peer(addr)?;
        let local = self.local.get(addr).unwrap_or_default();
        Some(Peer { last_seen: peer.last_seen.max(local), ..peer })
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
        let mut told = BTreeSet::new();
        for fact in facts {
            if self.shared.observe(fact) {
                told.insert(fact.addr.clone());
            }
            asked.insert(fact.addr.clone());
        }
        told.extend(asked.into_iter().filter(|addr| self.tell_last_seen(addr)));
        self.shared.only(&told)
    }

    /// Shares this device's `last_seen` of a peer if the others must know it; whether it did.
    fn tell_last_seen(&mut self, addr: &Address) -> bool {
        let date = self.last_seen_to_tell(addr);
        date.is_some_and(|date| self.shared.saw(addr, date))
    }
}
