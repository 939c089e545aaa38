//! Settings: registers of which the last writer wins (LWW-element map of the CRDT literature).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::MuaaId;

/// The longest name and the longest value of a setting, in octets.
const OCTETS_MAX: usize = 256;
/// How many settings are kept: those of the lowest names, so that all devices keep the same.
const SETTINGS_MAX: usize = 256;

/// A value with its place in the order of writing: logical time, then author, then value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Register {
    /// The writer's logical clock.
    #[n(0)]
    pub time: u64,
    /// The writer.
    #[n(1)]
    pub author: MuaaId,
    /// What it wrote.
    #[n(2)]
    pub value: String,
}

/// All settings.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Settings(#[n(0)] BTreeMap<String, Register>);

impl Settings {
    /// Joins one register. Whether something changed. What is too long is not taken; of too many, the names that come last
    /// go.
    pub fn join(&mut self, name: &str, register: &Register) -> bool {
        if name.len() > OCTETS_MAX || register.value.len() > OCTETS_MAX {
            return false;
        }
        let known = self.0.get(name);
        let newer = known.is_none_or(|known| register > known);
        if newer {
            self.0.insert(name.to_owned(), register.clone());
        }
        let surplus = if self.0.len() > SETTINGS_MAX { self.0.pop_last() } else { None };
        newer && surplus.is_none_or(|(last, _)| last != name)
    }

    /// A register.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Register> {
        self.0.get(name)
    }

    /// All registers by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Register)> {
        self.0.iter()
    }

    /// The greatest logical time in use.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.0.values().map(|register| register.time).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_write() -> impl Strategy<Value = (String, Register)> {
        ("[ab]", 0..3u64, 0..3u64, "[xy]")
            .prop_map(|(name, time, author, value)| (name, Register { time, author: MuaaId(author), value }))
    }

    fn joined(writes: &[(String, Register)]) -> Settings {
        let mut settings = Settings::default();
        for (name, register) in writes {
            settings.join(name, register);
        }
        settings
    }

    proptest! {
        #[test]
        fn t4_settings_are_the_same_in_every_order_and_however_often(
            writes in proptest::collection::vec(any_write(), 0..8),
            seed: u64,
        ) {
            let mut other = writes.clone();
            let len = other.len().max(1) as u64;
            for at in 0..other.len() {
                other.swap(at, (seed.rotate_left(at as u32) % len) as usize);
            }
            // The other order comes last: whoever takes what arrives last for the newest is found out.
            let twice: Vec<_> = writes.iter().chain(&other).cloned().collect();
            prop_assert_eq!(joined(&writes), joined(&twice));
            prop_assert_eq!(joined(&writes), joined(&other));
        }
    }
}
