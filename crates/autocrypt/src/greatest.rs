//! A bounded map that keeps the greatest value of each peer: the semilattice under everything that is shared.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use crate::{Address, Date, Entry, fact::Written};

/// What has a date, after which it counts.
pub(crate) trait Dated: Ord + Clone {
    fn date(&self) -> Date;
}

impl Dated for Date {
    fn date(&self) -> Date {
        *self
    }
}

impl Dated for Entry {
    fn date(&self) -> Date {
        self.date()
    }
}

impl Dated for Written {
    fn date(&self) -> Date {
        self.date
    }
}

/// What is kept of somebody who was taken in early.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Early {
    /// Up to when mails counted for the device that took it in: a day after its time.
    pub(crate) since: Date,
    pub(crate) entry: Entry,
}

impl Ord for Early {
    /// What stands above what does not; then who came first; then by entry.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = || other.since.cmp(&self.since);
        let stands = self.entry.stands().cmp(&other.entry.stands());
        stands.then_with(by_time).then_with(|| self.entry.cmp(&other.entry))
    }
}

impl PartialOrd for Early {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Dated for Early {
    fn date(&self) -> Date {
        self.entry.date()
    }
}

/// For each address the greatest value that was joined; of all addresses only the `max` greatest, by (value, address).
///
/// Values only rise and one total order decides both questions, so an entry that was dropped for others can never be what
/// a later join would need: joining stays associative, commutative and idempotent with the bound in force.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Greatest<V> {
    max: usize,
    entries: BTreeMap<Address, V>,
}

impl<V: Dated> Greatest<V> {
    pub(crate) const fn new(max: usize) -> Self {
        Self { max, entries: BTreeMap::new() }
    }

    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn get(&self, addr: &Address) -> Option<&V> {
        self.entries.get(addr)
    }

    pub(crate) const fn entries(&self) -> &BTreeMap<Address, V> {
        &self.entries
    }

    /// Joins one value; whether it rose.
    pub(crate) fn raise(&mut self, addr: &Address, value: V) -> bool {
        self.raise_unbounded(addr, value) && {
            self.trim();
            self.entries.contains_key(addr)
        }
    }

    /// Joins all; the addresses whose value rose.
    pub(crate) fn join(&mut self, other: &Self) -> BTreeSet<Address> {
        if other.entries.is_empty() {
            return BTreeSet::new();
        }
        let mut raised: BTreeSet<_> = (other.entries.iter())
            .filter(|(addr, value)| self.raise_unbounded(addr, (*value).clone()))
            .map(|(addr, _)| addr.clone())
            .collect();
        self.trim();
        raised.retain(|addr| self.entries.contains_key(addr));
        raised
    }

    /// The values of these addresses alone.
    pub(crate) fn only(&self, addresses: &BTreeSet<Address>) -> Self {
        if self.entries.is_empty() {
            return Self::new(self.max);
        }
        let kept = addresses.iter().filter_map(|addr| Some((addr.clone(), self.entries.get(addr)?.clone())));
        Self { max: self.max, entries: kept.collect() }
    }

    /// The addresses whose value is greater than there.
    pub(crate) fn above<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Address> {
        let greater = |(addr, value): &(&Address, &V)| other.get(addr).is_none_or(|theirs| theirs < *value);
        self.entries.iter().filter(greater).map(|(addr, _)| addr)
    }

    /// The values of those of whom there is none in any of these.
    pub(crate) fn missing_in(&self, others: [&Self; 2]) -> Self {
        let mut missing = self.clone();
        missing.entries.retain(|addr, _| others.iter().all(|other| other.get(addr).is_none()));
        missing
    }

    /// Takes these in as far as there is room: what was there before stays.
    pub(crate) fn fill(&mut self, other: &Self) {
        for (addr, value) in &other.entries {
            if self.entries.len() < self.max || self.entries.contains_key(addr) {
                self.raise_unbounded(addr, value.clone());
            }
        }
    }

    /// Whether so many more may push out any.
    pub(crate) fn may_drop(&self, more: usize) -> bool {
        self.entries.len() + more > self.max
    }

    /// The values that are dated no later than this.
    pub(crate) fn up_to(&self, until: Date) -> Self {
        let mut counting = self.clone();
        counting.entries.retain(|_, value| value.date() <= until);
        counting
    }

    /// Whether a value is dated later than this.
    pub(crate) fn is_ahead(&self, until: Date) -> bool {
        self.entries.values().any(|value| value.date() > until)
    }

    /// Whether values that are dated later than this may push out others.
    pub(crate) fn is_crowded(&self, until: Date) -> bool {
        self.entries.len() >= self.max && self.is_ahead(until)
    }

    /// Keeps what counts where `newest`, which holds all that is greater, has nothing that does.
    pub(crate) fn settle(&mut self, newest: &Self, until: Date) {
        if self.entries.is_empty() {
            return;
        }
        let crowded = newest.is_crowded(until);
        let stands_in = |addr: &Address| newest.get(addr).map_or(crowded, |value| value.date() > until);
        self.entries.retain(|addr, value| value.date() <= until && stands_in(addr));
    }

    /// Removes the value of an address, unless it is one of these.
    pub(crate) fn forget(&mut self, addr: &Address, unless: impl Fn(&V) -> bool) {
        if self.entries.get(addr).is_some_and(|value| !unless(value)) {
            self.entries.remove(addr);
        }
    }

    /// Puts another value in the place of each.
    pub(crate) fn change(&mut self, change: impl Fn(V) -> V) {
        self.entries.values_mut().for_each(|value| *value = change(value.clone()));
    }

    fn raise_unbounded(&mut self, addr: &Address, value: V) -> bool {
        let greater = self.entries.get(addr).is_none_or(|known| *known < value);
        if greater {
            self.entries.insert(addr.clone(), value);
        }
        greater
    }

    fn trim(&mut self) {
        let surplus = self.entries.len().saturating_sub(self.max);
        if surplus == 0 {
            return;
        }
        let mut ranked: Vec<_> = self.entries.iter().map(|(addr, value)| (value, addr)).collect();
        ranked.sort_unstable();
        let dropped: Vec<Address> = ranked.into_iter().take(surplus).map(|(_, addr)| addr.clone()).collect();
        for addr in &dropped {
            self.entries.remove(addr);
        }
    }
}
