//! Settings: registers of which the last writer wins (LWW-element map of the CRDT literature).

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::Membership;
use crate::{Gone, MuaaId, plausible};

/// The longest name and the longest value of a setting, in octets.
const OCTETS_MAX: usize = 256;
/// How many settings are kept: first those that this program knows, then the names of members, then those of the lowest names, so that
/// all devices keep the same.
const SETTINGS_MAX: usize = 256;
/// Whether own mail asks for encryption.
pub(crate) const PREFER_ENCRYPT: &str = "prefer-encrypt";

/// A value with its place in the order of writing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
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
    /// How many devices the writer knew to be forced out.
    #[n(3)]
    pub removals: u64,
}

/// What a log says that decides between settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// How many devices were forced out.
    pub removals: u64,
    /// The ids of devices that were forced out.
    pub removed: BTreeSet<MuaaId>,
    /// The ids of devices that are out and do not come back.
    pub gone: BTreeSet<MuaaId>,
    /// The ids of members.
    pub members: BTreeSet<MuaaId>,
}

impl Standing {
    /// That of these members.
    #[must_use]
    pub fn of(view: &Membership) -> Self {
        let members: BTreeSet<_> = view.members.values().map(|member| member.id).collect();
        let ended = |hows: &[Gone]| {
            let ended = view.ended.values().filter(|(id, how)| hows.contains(how) && !members.contains(id));
            ended.map(|(id, _)| *id).collect()
        };
        Self {
            removals: view.removals_said as u64,
            removed: ended(&[Gone::Removed]),
            gone: ended(&[Gone::Removed, Gone::Expired, Gone::Left, Gone::Moved]),
            members,
        }
    }

    /// Whoever knew of more removals wrote later than whoever was removed can have written. Of those who knew the same a device that was
    /// forced out comes last; then the logical time decides, the author, the value.
    fn rank<'a>(&self, register: &'a Register) -> (u64, bool, u64, MuaaId, &'a str) {
        let Register { time, author, value, removals } = register;
        (*removals, !self.removed.contains(author), *time, *author, value)
    }

    /// Whether nobody was forced out since this was written. Of what is older some devices may not know, if its author was.
    #[must_use]
    pub fn is_recent(&self, register: &Register) -> bool {
        register.removals >= self.removals
    }

    /// Which settings are kept first; `None` for none at all: the name of a device that is out.
    fn class(&self, name: &str) -> Option<u8> {
        if name == PREFER_ENCRYPT {
            return Some(0);
        }
        let device = name.strip_prefix("name/").and_then(|id| id.parse().ok()).map(MuaaId);
        match device {
            Some(id) if self.gone.contains(&id) => None,
            Some(id) if self.members.contains(&id) => Some(1),
            Some(_) | None => Some(2),
        }
    }
}

/// All settings.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Settings(#[n(0)] BTreeMap<String, Register>);

impl Settings {
    /// Joins one register. Whether something changed. What is too long, or that its author cannot have written, is not taken; of
    /// too many, the last ones go.
    pub fn join(&mut self, name: &str, register: &Register, standing: &Standing) -> bool {
        let short = name.len() <= OCTETS_MAX && register.value.len() <= OCTETS_MAX;
        let plausible = plausible::is_setting_time(register.time)
            && plausible::is_removals(register.removals, standing.removals);
        if !short || !plausible || standing.class(name).is_none() {
            return false;
        }
        let known = self.0.get(name).map(|known| standing.rank(known));
        if known.is_some_and(|known| standing.rank(register) <= known) {
            return false;
        }
        self.0.insert(name.to_owned(), register.clone());
        self.trim(standing) != Some(name.to_owned())
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

    /// A register that outranks the one that is known, by a writer with this logical clock. `None` if there is none: a member that
    /// keeps to no rules has taken the last time there is, and must be removed first.
    #[must_use]
    pub fn after(&self, name: &str, writer: (u64, MuaaId), value: String, at: &Standing) -> Option<Register> {
        let (clock, author) = writer;
        let mut register = Register { time: clock, author, value, removals: at.removals };
        let known = self.0.get(name).filter(|known| at.rank(known) >= at.rank(&register));
        if let Some(known) = known {
            register.removals = register.removals.max(known.removals);
            register.time = plausible::setting_time_after(clock, known.time)?;
        }
        Some(register)
    }

    /// Whether there are names of devices that are out.
    #[must_use]
    pub fn names_any_gone(&self, standing: &Standing) -> bool {
        self.0.keys().any(|name| standing.class(name).is_none())
    }

    /// Forgets the names of devices that are out.
    pub fn forget_gone(&mut self, standing: &Standing) {
        self.0.retain(|name, _| standing.class(name).is_some());
    }

    /// The name of the one that had no room.
    fn trim(&mut self, standing: &Standing) -> Option<String> {
        if self.0.len() <= SETTINGS_MAX {
            return None;
        }
        let last = self.0.keys().max_by_key(|name| (standing.class(name), (*name).clone())).cloned()?;
        self.0.remove(&last);
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The own logical time, and what an attacker would try.
    const OWN: u64 = 1000;
    const ODD: [u64; 9] = [0, 1, OWN - 1, OWN, OWN + 1, 1 << 20, (1 << 48) - 1, 1 << 63, u64::MAX];

    /// Two were forced out, one of them device 1.
    fn standing() -> Standing {
        let ids = |ids: &[u64]| ids.iter().map(|id| MuaaId(*id)).collect();
        Standing { removals: 2, removed: ids(&[1]), gone: ids(&[1, 3]), members: ids(&[0, 2]) }
    }

    fn any_write() -> impl Strategy<Value = (String, Register)> {
        let name = prop::sample::select(vec!["a", "b", "name/0", "name/1", "prefer-encrypt"]);
        let number = || prop::sample::select(ODD.to_vec());
        (name, number(), 0..3u64, "[xy]", prop_oneof![4 => 0..4u64, 1 => number()]).prop_map(
            |(name, time, author, value, removals)| {
                (name.to_owned(), Register { time, author: MuaaId(author), value, removals })
            },
        )
    }

    fn joined(writes: &[(String, Register)]) -> Settings {
        let mut settings = Settings::default();
        for (name, register) in writes {
            settings.join(name, register, &standing());
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

        #[test]
        fn a_write_after_the_next_removal_takes_effect_whatever_was_written_before(
            writes in proptest::collection::vec(any_write(), 0..8),
            clock in prop::sample::select(vec![0, 1, OWN]),
        ) {
            let mut settings = joined(&writes);
            let removed = Standing { removals: 3, ..standing() };
            let writer = (clock, MuaaId(0));
            let register = settings.after("a", writer, "new".to_owned(), &removed);
            let register = register.expect("there is a time after it");
            prop_assert!(settings.join("a", &register, &removed));
            for (name, register) in &writes {
                settings.join(name, &Register { removals: 2, ..register.clone() }, &removed);
            }
            prop_assert_eq!(settings.get("a"), Some(&register));
        }

        #[test]
        fn what_is_written_next_takes_effect_or_is_refused(
            writes in proptest::collection::vec(any_write(), 0..8),
            clock in prop::sample::select(ODD.to_vec()),
        ) {
            let mut settings = joined(&writes);
            if let Some(next) = settings.after("a", (clock, MuaaId(2)), "new".to_owned(), &standing()) {
                let written = settings.join("a", &next, &standing());
                prop_assert_eq!(written, plausible::is_setting_time(clock));
                prop_assert!(!written || settings.get("a") == Some(&next));
            }
        }
    }
}
