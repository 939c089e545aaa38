//! What was observed, and which of two observations counts.

use std::{cmp::Ordering, collections::BTreeSet};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{Address, Date, Preference, Source};

/// One observed key of a peer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fact {
    /// The peer.
    pub addr: Address,
    /// From which header.
    pub source: Source,
    /// What it said.
    pub entry: Known,
}

/// The key of a peer, as one mail told it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Known {
    /// The effective date of the mail.
    pub date: Date,
    /// The certificate, opaque.
    pub key: Bytes,
    /// The peer's preference.
    pub preference: Preference,
    /// SHA-256 of the mail's `Message-ID` without its angle brackets, of nothing if it has none: for people who ask where
    /// a key came from.
    pub message: [u8; 32],
    /// The number of the device that read the mail.
    pub reporter: u64,
}

impl Known {
    /// SHA-256 of the key's octets followed by one octet, 1 for `mutual` and 0 otherwise. Decides between facts of the
    /// same date, because no order of arrival is the same on two devices.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let preference = match self.preference {
            Preference::NoPreference => [0],
            Preference::Mutual => [1],
        };
        Sha256::new().chain_update(&self.key).chain_update(preference).finalize().into()
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, ..] = self.digest();
        write!(f, "{:?} {:?} {a:02x}{b:02x}{c:02x}… by {}", self.date, self.preference, self.reporter)
    }
}

impl Ord for Known {
    /// By effective date, then by digest; what remains only says where the same key was seen.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_digest = || {
            let same = self.key == other.key && self.preference == other.preference;
            if same { Ordering::Equal } else { self.digest().cmp(&other.digest()) }
        };
        (self.date.cmp(&other.date))
            .then_with(by_digest)
            .then_with(|| (self.message, self.reporter).cmp(&(other.message, other.reporter)))
    }
}

impl PartialOrd for Known {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Somebody deleted a peer: nothing of this date or before counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Deletion {
    /// Up to when nothing counts.
    pub date: Date,
    /// The number of the device on which it was deleted.
    pub reporter: u64,
}

/// That the account wrote to somebody. What a device told that was forced out since is below anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Written {
    pub(crate) stands: bool,
    /// The beginning of the thirty days of the mail.
    pub(crate) date: Date,
    /// The number of the device that told it.
    pub(crate) reporter: u64,
}

impl Written {
    /// As it ranks when these devices were forced out, and no others.
    pub(crate) fn without(self, out: &BTreeSet<u64>) -> Self {
        Self { stands: !out.contains(&self.reporter), ..self }
    }
}

/// What is kept for a peer and a source: its greatest entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Entry {
    /// A key.
    Known(Known),
    /// Somebody deleted the peer.
    Deleted(Deletion),
    /// A key that a device told which was forced out since: it stays until there is anything else.
    Orphan(Known),
    /// A deletion of a device that was forced out since: it counts until there is anything else.
    Void(Deletion),
}

impl Entry {
    /// The date of the mail, or that of the deletion.
    #[must_use]
    pub const fn date(&self) -> Date {
        match self {
            Self::Known(known) | Self::Orphan(known) => known.date,
            Self::Deleted(deletion) | Self::Void(deletion) => deletion.date,
        }
    }

    /// The key, if there is one.
    #[must_use]
    pub const fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(known) | Self::Orphan(known) => Some(known),
            Self::Deleted(_) | Self::Void(_) => None,
        }
    }

    const fn deleted_by(&self) -> Option<u64> {
        match self {
            Self::Known(_) | Self::Orphan(_) => None,
            Self::Deleted(deletion) | Self::Void(deletion) => Some(deletion.reporter),
        }
    }

    /// Whether no device that told it was forced out since.
    pub(crate) const fn stands(&self) -> bool {
        !matches!(self, Self::Orphan(_) | Self::Void(_))
    }

    /// As it ranks when these devices were forced out, and no others: a removal may be found not to count.
    pub(crate) fn without(self, out: &BTreeSet<u64>) -> Self {
        match self {
            Self::Known(known) | Self::Orphan(known) if out.contains(&known.reporter) => Self::Orphan(known),
            Self::Known(known) | Self::Orphan(known) => Self::Known(known),
            Self::Deleted(deletion) | Self::Void(deletion) if out.contains(&deletion.reporter) => {
                Self::Void(deletion)
            }
            Self::Deleted(deletion) | Self::Void(deletion) => Self::Deleted(deletion),
        }
    }
}

impl Ord for Entry {
    /// What was told by who is out below everything; then by date; of the same date a deletion is greater.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_date = || self.date().cmp(&other.date());
        self.stands().cmp(&other.stands()).then_with(by_date).then_with(|| {
            match (self.known(), other.known()) {
                (Some(one), Some(two)) => one.cmp(two),
                (one, two) => two.is_some().cmp(&one.is_some()),
            }
            .then_with(|| self.deleted_by().cmp(&other.deleted_by()))
        })
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
