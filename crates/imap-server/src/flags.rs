//! Flags of messages (RFC 3501 section 2.3.2): system flags, and keywords, which are told apart without regard to case.

use std::collections::BTreeSet;

use imap_codec::imap_types::flag::{Flag, StoreType};

/// The system flags that a client may set, in the order in which they are told.
pub(crate) const SYSTEM: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

pub(crate) const ANSWERED: Flags = Flags::of(0);
pub(crate) const FLAGGED: Flags = Flags::of(1);
pub(crate) const DELETED: Flags = Flags::of(2);
pub(crate) const SEEN: Flags = Flags::of(3);
pub(crate) const DRAFT: Flags = Flags::of(4);

/// What one message may have of keywords.
pub(crate) const KEYWORDS_MAX: usize = 100;

/// A set of flags. Keywords are in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags {
    system: u8,
    keywords: BTreeSet<String>,
}

impl Flags {
    const fn of(bit: u8) -> Self {
        Self { system: 1 << bit, keywords: BTreeSet::new() }
    }

    /// The flags that a client names; `None` if it names a system flag that there is not, as `\Recent`.
    pub(crate) fn named(flags: &[Flag<'_>]) -> Option<Self> {
        let mut named = Self::default();
        for flag in flags {
            match flag {
                Flag::Answered => named.add(&ANSWERED),
                Flag::Flagged => named.add(&FLAGGED),
                Flag::Deleted => named.add(&DELETED),
                Flag::Seen => named.add(&SEEN),
                Flag::Draft => named.add(&DRAFT),
                Flag::Keyword(keyword) => _ = named.keywords.insert(keyword.as_ref().to_ascii_lowercase()),
                Flag::Extension(_) => return None,
            }
        }
        Some(named)
    }

    /// Whether all of those are among these.
    pub(crate) fn has(&self, other: &Self) -> bool {
        self.system & other.system == other.system && other.keywords.is_subset(&self.keywords)
    }

    pub(crate) fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords.contains(&keyword.to_ascii_lowercase())
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.system |= other.system;
        self.keywords.extend(other.keywords.iter().cloned());
    }

    /// These flags after a STORE.
    pub(crate) fn stored(&self, kind: &StoreType, other: &Self) -> Self {
        match kind {
            StoreType::Replace => other.clone(),
            StoreType::Add => {
                let mut both = self.clone();
                both.add(other);
                both
            }
            StoreType::Remove => Self {
                system: self.system & !other.system,
                keywords: self.keywords.difference(&other.keywords).cloned().collect(),
            },
        }
    }

    /// Without keywords, for a server that keeps none.
    pub(crate) fn without_keywords(&self) -> Self {
        Self { system: self.system, keywords: BTreeSet::new() }
    }

    pub(crate) fn system(&self) -> impl Iterator<Item = &'static str> {
        let system = self.system;
        SYSTEM.into_iter().enumerate().filter(move |(bit, _)| system >> bit & 1 == 1).map(|(_, name)| name)
    }

    pub(crate) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.keywords.iter().map(String::as_str)
    }
}
