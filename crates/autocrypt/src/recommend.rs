//! Level 1, "Provide a recommendation for message encryption".

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Address, Header, Peer, Preference, Source};

/// What a mail program should do with its encryption switch, from least to most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Recommendation {
    /// Encryption is not possible: hide the switch.
    Disable,
    /// Possible, but the recipient may not be able to read it: warn who turns the switch on.
    Discourage,
    /// Possible: off unless the user turns it on.
    Available,
    /// On unless the user turns it off.
    Encrypt,
}

/// What the recommendation depends on besides the recipients.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Draft {
    /// The preference of the account that sends.
    pub own: Preference,
    /// Whether the mail is a reply to an encrypted one.
    pub reply_to_encrypted: bool,
}

/// A recommendation and the keys to encrypt to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    /// The state of the switch.
    pub recommendation: Recommendation,
    /// Level 1's `target-keys`: the key of each recipient that has one, by address.
    pub keys: BTreeMap<Address, Bytes>,
}

impl Advice {
    /// For nobody: there is no key.
    #[must_use]
    pub const fn none() -> Self {
        Self { recommendation: Recommendation::Disable, keys: BTreeMap::new() }
    }

    /// For the account's own addresses among the recipients, as in a reply to all. No peer is asked of them: the account's key is known, and has the
    /// account's preference. `key` gives the key under each address, if it can be encrypted to.
    #[must_use]
    pub fn of_own(
        addresses: impl IntoIterator<Item = Address>,
        key: impl Fn(&Address) -> Option<Bytes>,
        draft: Draft,
    ) -> Self {
        let encrypt = draft.reply_to_encrypted || draft.own == Preference::Mutual;
        let mut keys = BTreeMap::new();
        let each = addresses.into_iter().map(|addr| match key(&addr) {
            Some(key) => {
                keys.insert(addr, key);
                if encrypt { Recommendation::Encrypt } else { Recommendation::Available }
            }
            None => Recommendation::Disable,
        });
        let recommendation = aggregate(each);
        Self { recommendation, keys }
    }

    /// For the recipients of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        Self { recommendation: self.recommendation.min(other.recommendation), keys: self.keys }
    }

    /// The `Autocrypt-Gossip` headers for the encrypted part of a mail to these recipients, one for each key that a header can
    /// carry; nothing for a single recipient, who has their own key (Level 1, "Key Gossip"). Hand in who receives the mail openly: `Bcc` must
    /// not show. `minimal` makes of a certificate what says no more of its owner than this address.
    #[must_use]
    pub fn gossip(&self, minimal: impl Fn(&Address, &Bytes) -> Bytes) -> String {
        let header = |(addr, key): (&Address, &Bytes)| {
            let key = minimal(addr, key);
            let header = Header { addr: addr.clone(), preference: Preference::NoPreference, key };
            header.render(Source::Gossip).ok()
        };
        if self.keys.len() < 2 { String::new() } else { self.keys.iter().filter_map(header).collect() }
    }
}

impl Peer<'_> {
    /// Level 1's preliminary recommendation, and the key. `usable` tells whether a certificate can be encrypted to now:
    /// neither revoked nor expired; one that cannot counts as not there.
    #[must_use]
    pub fn preliminary(&self, usable: impl Fn(&[u8]) -> bool) -> (Recommendation, Option<&Bytes>) {
        let can_be_used = |key: &&Bytes| usable(key);
        let gossip = self.gossip.map(|known| &known.key).filter(can_be_used);
        let header = self.header.filter(|known| usable(&known.key));
        match (header, gossip) {
            (None, None) => (Recommendation::Disable, None),
            (None, Some(key)) => (Recommendation::Discourage, Some(key)),
            (Some(known), _) if self.last_seen.outdates(known.date) => {
                (Recommendation::Discourage, Some(&known.key))
            }
            (Some(known), _) => (Recommendation::Available, Some(&known.key)),
        }
    }

    /// The recommendation for a mail to this peer alone, and the key.
    #[must_use]
    pub fn recommend(
        &self,
        draft: Draft,
        usable: impl Fn(&[u8]) -> bool,
    ) -> (Recommendation, Option<&Bytes>) {
        let (preliminary, key) = self.preliminary(usable);
        let theirs = self.header.map(|known| known.preference);
        let both_mutual = draft.own == Preference::Mutual && theirs == Some(Preference::Mutual);
        let encrypt = match preliminary {
            Recommendation::Disable | Recommendation::Encrypt => false,
            Recommendation::Discourage => draft.reply_to_encrypted,
            Recommendation::Available => draft.reply_to_encrypted || both_mutual,
        };
        (if encrypt { Recommendation::Encrypt } else { preliminary }, key)
    }
}

/// The recommendation for a mail to several recipients from that for each (Level 1, "messages to multiple addresses").
/// Its four rules are the most careful one of all. For nobody it is [`Recommendation::Disable`]: there is no key.
#[must_use]
pub fn aggregate(each: impl IntoIterator<Item = Recommendation>) -> Recommendation {
    each.into_iter().min().unwrap_or(Recommendation::Disable)
}
