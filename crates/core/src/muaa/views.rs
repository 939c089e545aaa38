//! Read-only views, in a deterministic order.

use super::{
    Muaa,
    persistent::{InboxState, Life},
};
use crate::state::PREFER_ENCRYPT;
use crate::{Account, Crypto, Fingerprint, Form, Gone, Hash, MuaaId, Phase, Secret, SessionId, Sibling};

/// An offer that has arrived and that a code may be typed, or a link handed in, for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfferView {
    /// Who says it shows the code.
    pub from: MuaaId,
    /// The device key that signed it: two of one id are told apart by it.
    pub key: Fingerprint,
    /// The session.
    pub session: SessionId,
    /// What it says it shows.
    pub form: Form,
}

impl<C: Crypto> Muaa<C> {
    /// The id, once the own folder exists.
    #[must_use]
    pub fn id(&self) -> Option<MuaaId> {
        (self.state.inbox == InboxState::Made).then_some(self.state.id())
    }

    /// Where in its life this MUAA is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state.life {
            Life::Discovering => Phase::Discovering,
            Life::Unpaired if self.state.requested.is_empty() => Phase::Unpaired,
            Life::Unpaired => Phase::Requesting,
            Life::Grouped if self.view.members.len() > 1 => Phase::Paired,
            Life::Grouped => Phase::Alone,
            Life::Suspended => Phase::Suspended,
            Life::Removed => Phase::Removed,
            Life::Left => Phase::Left,
        }
    }

    /// The fingerprint of the device key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.state.device.fingerprint
    }

    /// The group: the hash of its genesis.
    #[must_use]
    pub fn group(&self) -> Option<Hash> {
        self.state.group.as_ref().map(|group| group.log.group())
    }

    /// Six digits that are equal on all devices of a group that see the same members: for people to compare, the only cure
    /// against a server that shows them different groups for ever.
    #[must_use]
    pub fn comparison(&self) -> Option<String> {
        let group = self.group()?;
        let mut parts = vec![group.0.to_vec()];
        parts.extend(self.view.members.keys().map(|key| key.as_bytes().to_vec()));
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        let hash = self.crypto.hash("autocrypt-sma-members-v1", &parts);
        let number = u64::from_be_bytes(hash.0[..8].try_into().unwrap_or_default()) % 1_000_000;
        Some(format!("{number:06}"))
    }

    /// The ids of the group's members, this device included.
    #[must_use]
    pub fn members(&self) -> Vec<MuaaId> {
        let mut ids: Vec<_> = self.view.members.values().map(|member| member.id).collect();
        ids.sort_unstable();
        ids
    }

    /// The fingerprints of the device keys of the group's members, in ascending order.
    pub fn member_keys(&self) -> impl Iterator<Item = Fingerprint> {
        self.view.members.keys().copied()
    }

    /// The fingerprints of the device keys that were in the group and are out, in ascending order, and how each ended. A device
    /// that is to be let in again takes another key.
    pub fn ended_keys(&self) -> impl Iterator<Item = (Fingerprint, Gone)> {
        self.view.ended.iter().map(|(key, (_, how))| (*key, *how))
    }

    /// Whether this device key is out: it was in the group and is not any more, or was forced out of a group that this device was in
    /// before.
    #[must_use]
    pub fn is_out(&self, key: &Fingerprint) -> bool {
        self.view.is_out(key)
    }

    /// All other MUAAs that are known, by id: enough for a page "my devices".
    #[must_use]
    pub fn siblings(&self) -> Vec<Sibling> {
        let announced = self.state.siblings.keys().copied();
        let members = self.view.members.iter().map(|(key, member)| (member.id, *key));
        let mut all: Vec<_> =
            announced.chain(members).filter(|(_, key)| *key != self.fingerprint()).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().map(|(id, key)| self.sibling(id, key)).collect()
    }

    fn sibling(&self, id: MuaaId, fingerprint: Fingerprint) -> Sibling {
        let known = self.state.siblings.get(&(id, fingerprint));
        let member = self.view.members.get(&fingerprint);
        let name = self.state.settings.get(&format!("name/{id}")).filter(|_| member.is_some());
        Sibling {
            id,
            name: name.map(|register| register.value.clone()),
            member: member.is_some(),
            requesting: known.is_some_and(|known| known.request.is_some()),
            replaces: known.and_then(|known| known.request?.replaces),
            fingerprint,
            added_by: member.map(|member| member.added_by),
            last_heard: known.map(|known| known.date),
            silent: self.is_silent_member(id, &fingerprint),
        }
    }

    /// New members that nobody has acknowledged on this device ([`crate::Command::Acknowledge`]): the id of each, and who let it in.
    #[must_use]
    pub fn notices(&self) -> Vec<(MuaaId, MuaaId)> {
        let notices = self.state.notices.iter();
        notices.filter_map(|(key, by)| Some((self.view.members.get(key)?.id, *by))).collect()
    }

    /// The account's keys that were destroyed and can be restored until then, by fingerprint ([`crate::Command::RestoreKey`]).
    #[must_use]
    pub fn restorable_keys(&self) -> Vec<(Fingerprint, crate::Timestamp)> {
        self.state.set_aside.iter().map(|(key, since)| (*key, *since + super::keys::SET_ASIDE)).collect()
    }

    /// The offers that a code may be typed for, by session.
    #[must_use]
    pub fn offers(&self) -> Vec<OfferView> {
        let offers = self.state.offers.iter();
        offers
            .map(|((session, key), offer)| OfferView {
                from: offer.from,
                key: *key,
                session: *session,
                form: offer.form,
            })
            .collect()
    }

    /// Whether a message of the own inbox with these octets was taken in: it may be removed, and is not taken in again, under whatever
    /// name it lies there.
    #[must_use]
    pub fn has_processed(&self, body: &[u8]) -> bool {
        self.state.processed.contains_key(&self.name_of(body))
    }

    /// The account's keys.
    #[must_use]
    pub fn account(&self) -> Account {
        let current = self.view.current.filter(|key| self.state.keys.contains_key(key));
        let public = current.and_then(|key| self.state.keys.get(&key)).map(|key| key.public.clone());
        Account {
            current,
            public: public.filter(|public| !public.is_empty()),
            keys: self.account_keys().collect(),
            destroyed: self.view.keys.destroyed().iter().copied().collect(),
        }
    }

    /// The fingerprints of the account's keys that this device holds, in ascending order.
    pub fn account_keys(&self) -> impl Iterator<Item = Fingerprint> {
        self.held_keys().map(|key| key.fingerprint)
    }

    /// An account secret key, to sign and decrypt mail with.
    #[must_use]
    pub fn account_secret(&self, fingerprint: &Fingerprint) -> Option<&Secret> {
        if self.view.keys.is_destroyed(fingerprint) {
            return None;
        }
        self.state.keys.get(fingerprint).map(|key| &key.secret)
    }

    /// Whether own mail asks for encryption.
    #[must_use]
    pub fn prefers_encrypt(&self) -> bool {
        self.state.settings.get(PREFER_ENCRYPT).is_some_and(|register| register.value == "mutual")
    }
}
