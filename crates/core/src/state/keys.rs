//! The account's keys as a log names them: a join of all that is said of each key, in whatever order it was said.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::log::KeyNotice;
use crate::{Fingerprint, Hash, Timestamp};

/// What is said of one key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Named {
    /// The greatest epoch it was given; 0 if it only decrypts.
    pub epoch: u64,
    /// When it was made; the earliest that was said.
    pub created: Timestamp,
    /// Its versions: of each, by the hash of its secret octets, the generation.
    versions: BTreeMap<Hash, u64>,
}

impl Named {
    /// The generation of its latest version.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.versions.values().copied().max().unwrap_or(0)
    }

    /// The generation of this version, if it was named.
    #[must_use]
    pub fn generation_of(&self, version: &Hash) -> Option<u64> {
        self.versions.get(version).copied()
    }

    /// The place of a version: the greatest counts. The generation decides; of two versions of one generation, which two devices
    /// made at once, the greater hash; what nobody named comes before all that was.
    #[must_use]
    pub fn rank(&self, version: &Hash) -> (Option<u64>, Hash) {
        (self.generation_of(version), *version)
    }

    /// This version behind those that it comes after, in their order, each with its generation; none if it was not named.
    #[must_use]
    pub fn up_to(&self, version: &Hash) -> Vec<(Hash, u64)> {
        let rank = self.generation_of(version).map(|generation| (generation, *version));
        let all = self.versions.iter().map(|(version, generation)| (*generation, *version));
        let mut ranks: Vec<_> = all.filter(|other| Some(*other) <= rank).collect();
        ranks.sort_unstable();
        ranks.into_iter().map(|(generation, version)| (version, generation)).collect()
    }

    /// The place of its latest version.
    #[must_use]
    pub fn latest(&self) -> Option<(Option<u64>, Hash)> {
        self.versions.keys().map(|version| self.rank(version)).max()
    }
}

/// The account's keys. Joined from notices and destructions; the join is associative, commutative and idempotent.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Keys {
    named: BTreeMap<Fingerprint, Named>,
    destroyed: BTreeSet<Fingerprint>,
}

impl Keys {
    /// A key is named, anew or again.
    pub fn name(&mut self, notice: &KeyNotice) {
        let fresh = || Named { epoch: notice.epoch, created: notice.created, versions: BTreeMap::new() };
        let named = self.named.entry(notice.fingerprint).or_insert_with(fresh);
        named.epoch = named.epoch.max(notice.epoch);
        named.created = named.created.min(notice.created);
        let generation = named.versions.entry(notice.version).or_insert(notice.generation);
        *generation = (*generation).max(notice.generation);
    }

    /// A key is destroyed for ever, whatever was or will be said of it.
    pub fn destroy(&mut self, fingerprint: Fingerprint) {
        self.destroyed.insert(fingerprint);
    }

    /// Takes in what others know.
    pub fn join(&mut self, other: &Self) {
        for (fingerprint, named) in &other.named {
            let (epoch, created) = (named.epoch, named.created);
            for (version, generation) in &named.versions {
                let (fingerprint, version, generation) = (*fingerprint, *version, *generation);
                self.name(&KeyNotice { fingerprint, epoch, created, generation, version });
            }
        }
        self.destroyed.extend(&other.destroyed);
    }

    /// What is said of a key that is not destroyed.
    #[must_use]
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<&Named> {
        self.named.get(fingerprint).filter(|_| !self.is_destroyed(fingerprint))
    }

    /// Whether something is said of a key, be it that it is destroyed.
    #[must_use]
    pub fn knows(&self, fingerprint: &Fingerprint) -> bool {
        self.named.contains_key(fingerprint) || self.is_destroyed(fingerprint)
    }

    /// The keys that are not destroyed.
    pub fn iter(&self) -> impl Iterator<Item = (&Fingerprint, &Named)> {
        self.named.iter().filter(|(fingerprint, _)| !self.is_destroyed(fingerprint))
    }

    /// Whether a key is destroyed.
    #[must_use]
    pub fn is_destroyed(&self, fingerprint: &Fingerprint) -> bool {
        self.destroyed.contains(fingerprint)
    }

    /// The destroyed keys.
    #[must_use]
    pub fn destroyed(&self) -> &BTreeSet<Fingerprint> {
        &self.destroyed
    }

    /// The key that mail carries: of those that are not destroyed, that may be current and have an epoch above 0, the one with the
    /// greatest epoch, then the earliest creation, then the lowest fingerprint.
    #[must_use]
    pub fn current(&self, may: impl Fn(&Fingerprint) -> bool) -> Option<Fingerprint> {
        first(self.iter().filter(|(key, _)| may(key)))
    }

    /// Whether the key that would be current is destroyed: one device had made it current while another one destroyed it.
    #[must_use]
    pub fn lost_current(&self, may: impl Fn(&Fingerprint) -> bool) -> bool {
        first(self.named.iter().filter(|(key, _)| may(key))).is_some_and(|key| self.is_destroyed(&key))
    }

    /// The epoch of a key that is to be current from now on.
    #[must_use]
    pub fn next_epoch(&self) -> u64 {
        self.named.values().map(|named| named.epoch).max().unwrap_or(0) + 1
    }
}

fn first<'a>(keys: impl Iterator<Item = (&'a Fingerprint, &'a Named)>) -> Option<Fingerprint> {
    keys.filter(|(_, named)| named.epoch > 0)
        .map(|(fingerprint, named)| (Reverse(named.epoch), named.created, *fingerprint))
        .min()
        .map(|key| key.2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_keys() -> impl Strategy<Value = Keys> {
        let notice = (0..3u8, 0..3u64, 0..3u64, 0..3u64, 0..3u8);
        let destroyed = proptest::collection::vec(0..5u8, 0..2);
        (proptest::collection::vec(notice, 0..6), destroyed).prop_map(|(notices, destroyed)| {
            let mut keys = Keys::default();
            for (key, epoch, created, generation, version) in notices {
                let created = Timestamp(created);
                let version = Hash([version; 32]);
                keys.name(&KeyNotice { fingerprint: fingerprint(key), epoch, created, generation, version });
            }
            destroyed.into_iter().for_each(|key| keys.destroy(fingerprint(key)));
            keys
        })
    }

    fn fingerprint(number: u8) -> Fingerprint {
        Fingerprint::new(&[number; 20]).unwrap()
    }

    fn joined(one: &Keys, other: &Keys) -> Keys {
        let mut one = one.clone();
        one.join(other);
        one
    }

    /// Numbers at which something could wrap, the own one being 1000.
    fn odd() -> impl Strategy<Value = u64> {
        proptest::sample::select(vec![0, 1, 999, 1000, 1001, 1 << 20, 1 << 63, u64::MAX])
    }

    proptest! {
        /// Whatever is said to be its generation and creation, in whatever order.
        #[test]
        fn a_key_with_odd_numbers_is_the_same_in_any_order_and_panics_nowhere(
            said in proptest::collection::vec((0..3u8, 0..3u8, odd(), odd(), 0..3u64), 1..8).prop_flat_map(
                |said| (Just(said.clone()), Just(said).prop_shuffle()),
            ),
        ) {
            let keys = |said: &[(u8, u8, u64, u64, u64)]| {
                let mut keys = Keys::default();
                for (key, version, generation, created, epoch) in said {
                    let (generation, created, epoch) = (*generation, Timestamp(*created), *epoch);
                    let (fingerprint, version) = (fingerprint(*key), Hash([*version; 32]));
                    keys.name(&KeyNotice { fingerprint, epoch, created, generation, version });
                }
                keys
            };
            let (one, other) = (keys(&said.0), keys(&said.1));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(one.current(|_| true), other.current(|_| true));
            for (key, named) in one.iter() {
                let of_it = || said.0.iter().filter(|(of, ..)| fingerprint(*of) == *key);
                prop_assert_eq!(Some(named.generation()), of_it().map(|(_, _, generation, ..)| *generation).max());
                prop_assert_eq!(Some(named.created.0), of_it().map(|(_, _, _, created, _)| *created).min());
            }
        }

        #[test]
        fn t4_account_keys_join_in_any_grouping_order_and_number(
            a in any_keys(), b in any_keys(), c in any_keys(),
        ) {
            let all = joined(&joined(&a, &b), &c);
            prop_assert_eq!(&all, &joined(&a, &joined(&b, &c)));
            prop_assert_eq!(&joined(&a, &b), &joined(&b, &a));
            prop_assert_eq!(&joined(&a, &a), &a);
            prop_assert_eq!(all.current(|_| true), joined(&c, &joined(&b, &a)).current(|_| true));
        }

        #[test]
        fn the_latest_version_never_gets_older_and_what_is_destroyed_stays_so(a in any_keys(), b in any_keys()) {
            let both = joined(&a, &b);
            for (fingerprint, named) in a.iter() {
                let later = both.named[fingerprint].latest();
                prop_assert!(later >= named.latest());
            }
            for fingerprint in a.destroyed() {
                prop_assert!(both.is_destroyed(fingerprint) && both.get(fingerprint).is_none());
                prop_assert_ne!(both.current(|_| true), Some(*fingerprint));
            }
        }
    }
}
