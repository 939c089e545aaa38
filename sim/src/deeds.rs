//! What people did, and were told had been done: an oracle of what must be there in the end. It knows what a program answered, and never
//! what it came to of it.

use std::collections::{BTreeMap, BTreeSet};

use sma_core::{Command, Crypto, Fingerprint, Hash, Muaa, Phase, Secret};

use crate::{lab::Machine, symbolic::Symbolic};

/// A person's word on whether mail asks for encryption.
#[derive(Clone, Copy, Debug)]
struct Preferred {
    device: Fingerprint,
    mutual: bool,
    /// All devices had heard all that was said before, so it outranks that.
    last: bool,
}

/// The account's key as a person chose it when all devices had heard all that was said before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adopted {
    /// The key.
    pub key: Fingerprint,
    /// Its version, where it is a new one.
    pub version: Option<Secret>,
    /// On which device.
    pub device: Fingerprint,
}

/// A removal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Removed {
    /// On which device.
    pub by: Fingerprint,
    /// Which device.
    pub whom: Fingerprint,
    /// In which group.
    pub group: Option<Hash>,
}

/// A destruction of an account's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Destroyed {
    /// The key.
    pub key: Fingerprint,
    /// On which device.
    pub by: Fingerprint,
    /// In which group.
    pub group: Option<Hash>,
}

/// What people did so far.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    count: usize,
    offers: usize,
    preferred: Vec<Preferred>,
    adopted: Option<Adopted>,
    removed: BTreeSet<Removed>,
    destroyed: BTreeSet<Destroyed>,
    left: BTreeSet<Fingerprint>,
    /// Of devices that a person ended the account's keys that they can have held.
    could_hold: BTreeMap<Fingerprint, BTreeSet<Fingerprint>>,
}

/// What a device was before a person told it something.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    pub(crate) device: Fingerprint,
    /// Whom the command is about.
    pub(crate) target: Option<Fingerprint>,
    group: Option<Hash>,
    keys: Vec<Fingerprint>,
    /// The account's key that it is about.
    pub(crate) adopted: Option<Fingerprint>,
    /// The device does not hold that key yet.
    is_new: bool,
    /// All devices had heard the same.
    agree: bool,
}

impl Before {
    /// What matters of it for this command; of what changes nothing that is judged, nothing.
    pub(crate) fn of(machines: &[Machine], at: usize, command: &Command) -> Option<Self> {
        let wanted = matches!(
            command,
            Command::Remove { .. }
                | Command::SetPreferEncrypt { .. }
                | Command::AdoptKey { .. }
                | Command::DestroyKey { .. }
                | Command::Leave
        );
        let muaa = machines[at].muaa.as_ref().filter(|_| wanted)?;
        let id = if let Command::Remove { id } = command { Some(*id) } else { None };
        let siblings = if id.is_some() { muaa.siblings() } else { Vec::new() };
        let target = siblings.iter().find(|sibling| Some(sibling.id) == id && sibling.member);
        let read = if let Command::AdoptKey { secret } = command {
            Symbolic.read_account_key(secret).ok()
        } else {
            None
        };
        let is_new = read.as_ref().is_some_and(|key| muaa.account_secret(&key.fingerprint).is_none());
        Some(Self {
            device: muaa.fingerprint(),
            target: target.map(|sibling| sibling.fingerprint),
            group: muaa.group(),
            keys: muaa.account().keys,
            adopted: read.map(|key| key.fingerprint),
            is_new,
            agree: agree(machines, muaa),
        })
    }
}

/// Whether every device that is in a group has heard what this one has.
fn agree(machines: &[Machine], muaa: &Muaa<Symbolic>) -> bool {
    let digest = muaa.digest();
    let same = |machine: &Machine| match &machine.muaa {
        Some(other) => {
            let over = matches!(other.phase(), Phase::Removed | Phase::Left);
            over || other.group().is_none() || (other.group() == muaa.group() && other.digest() == digest)
        }
        None => machine.durable.is_none(),
    };
    digest.is_some() && machines.iter().all(same)
}

impl Deeds {
    /// A device took a command.
    pub(crate) fn done(&mut self, command: &Command, before: Option<&Before>) {
        let is_logged = matches!(
            command,
            Command::EnterCode { .. }
                | Command::StartApart
                | Command::ConfirmJoin
                | Command::DeclineJoin
                | Command::Veto { .. }
                | Command::Acknowledge { .. }
                | Command::AdoptKey { .. }
                | Command::DestroyKey { .. }
                | Command::RestoreKey { .. }
                | Command::Remove { .. }
                | Command::Leave
        );
        self.count += usize::from(is_logged);
        self.offers += usize::from(matches!(command, Command::Offer { .. }));
        let Some(before) = before else { return };
        let (device, group) = (before.device, before.group);
        match command {
            Command::Remove { .. } => {
                self.adopted = None;
                let Some(whom) = before.target else { return };
                self.removed.insert(Removed { by: device, whom, group });
                // While it was a member it can have been told what its remover has.
                self.held(whom, before.keys.iter().copied());
            }
            Command::Leave => {
                self.adopted = None;
                self.left.insert(device);
                self.held(device, before.keys.iter().copied());
            }
            Command::SetPreferEncrypt { mutual } => {
                self.preferred.push(Preferred { device, mutual: *mutual, last: before.agree });
            }
            Command::AdoptKey { secret } => {
                let adopted = before.adopted.filter(|_| before.agree);
                let version = before.is_new.then(|| secret.clone());
                self.adopted = adopted.map(|key| Adopted { key, version, device });
            }
            Command::DestroyKey { fingerprint } => {
                // One device may destroy what another one makes current at the same time.
                self.adopted.take_if(|adopted| adopted.key == *fingerprint);
                self.destroyed.insert(Destroyed { key: *fingerprint, by: device, group });
            }
            Command::Poll
            | Command::Offer { .. }
            | Command::CancelOffer { .. }
            | Command::EnterCode { .. }
            | Command::ConfirmJoin
            | Command::DeclineJoin
            | Command::Veto { .. }
            | Command::Acknowledge { .. }
            | Command::Replace { .. }
            | Command::Reject { .. }
            | Command::StartApart
            | Command::RestoreKey { .. }
            | Command::Rename { .. }
            | Command::Return
            | Command::Observe { .. }
            | Command::Gossip { .. }
            | Command::Wrote { .. }
            | Command::DeletePeer { .. } => {}
        }
    }

    /// Who is a member changed, so another key may be made current.
    pub(crate) fn members_changed(&mut self) {
        self.adopted = None;
    }

    /// A device held these keys of the account.
    pub(crate) fn held(&mut self, device: Fingerprint, keys: impl Iterator<Item = Fingerprint>) {
        self.could_hold.entry(device).or_default().extend(keys);
    }

    /// A state was put back, or copied.
    pub(crate) fn put_back(&mut self) {
        self.count += 1;
    }

    /// How often people did what devices write into a log: of members and keys, and states that were put back.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// How often people had a device show a code or a link.
    #[must_use]
    pub const fn offers(&self) -> usize {
        self.offers
    }

    /// Whether a person had it leave: what it said before may have gone with it.
    #[must_use]
    pub fn has_left(&self, device: &Fingerprint) -> bool {
        self.left.contains(device)
    }

    /// The removals that a device said to have done.
    pub fn removed(&self) -> impl Iterator<Item = &Removed> {
        self.removed.iter()
    }

    /// The destructions that a device said to have done.
    pub fn destroyed(&self) -> impl Iterator<Item = &Destroyed> {
        self.destroyed.iter()
    }

    /// The key that mail has to carry, where a person chose one last.
    #[must_use]
    pub const fn adopted(&self) -> Option<&Adopted> {
        self.adopted.as_ref()
    }

    /// The devices that a person had leave, or had removed.
    #[must_use]
    pub fn ended(&self) -> BTreeSet<Fingerprint> {
        self.left.iter().copied().chain(self.removed.iter().map(|removed| removed.whom)).collect()
    }

    /// Whether a device that a person ended can have held this key of the account.
    #[must_use]
    pub fn could_hold(&self, device: &Fingerprint, key: &Fingerprint) -> bool {
        self.could_hold.get(device).is_some_and(|keys| keys.contains(key))
    }

    /// What people may find as the preference: what was said last, and what was said at the same time elsewhere. What a device said that
    /// was removed gives way to what was said before.
    #[must_use]
    pub fn preferences(&self, is_out: impl Fn(&Fingerprint) -> bool) -> BTreeSet<bool> {
        let mut all = BTreeSet::new();
        for preferred in self.preferred.iter().rev() {
            all.insert(preferred.mutual);
            if preferred.last && !is_out(&preferred.device) {
                return all;
            }
        }
        all.insert(false);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Fingerprint {
        Fingerprint::new(&[number; 32]).unwrap()
    }

    #[test]
    fn what_was_said_when_all_had_heard_the_rest_stands_alone_unless_who_said_it_is_out() {
        let mut deeds = Deeds::default();
        let nobody = |_: &Fingerprint| false;
        assert_eq!(deeds.preferences(nobody), BTreeSet::from([false]));
        deeds.preferred.push(Preferred { device: key(1), mutual: false, last: true });
        deeds.preferred.push(Preferred { device: key(2), mutual: true, last: true });
        assert_eq!(deeds.preferences(nobody), BTreeSet::from([true]));
        assert_eq!(deeds.preferences(|device| *device == key(2)), BTreeSet::from([true, false]));
        deeds.preferred.push(Preferred { device: key(1), mutual: false, last: false });
        assert_eq!(deeds.preferences(nobody), BTreeSet::from([true, false]));
    }
}
