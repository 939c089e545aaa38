//! One mailbox: its messages by UID, and what has changed (RFC 3501 section 2.3.1, RFC 7162).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::flags::{Flags, KEYWORDS_MAX};

/// How many expunged UIDs are remembered for VANISHED (EARLIER); of earlier ones it is known only that they are gone.
const EXPUNGED_MAX: usize = 10_000;

/// What never changes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Body {
    pub(crate) octets: Vec<u8>,
    /// INTERNALDATE, in seconds since 1970.
    pub(crate) date: i64,
}

/// A message in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) body: Arc<Body>,
    pub(crate) flags: Flags,
    pub(crate) modseq: u64,
    /// From when on a client that looks sees it.
    pub(crate) visible_at: Duration,
}

/// A mailbox. Its name stands elsewhere: RENAME changes nothing here.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) validity: u32,
    pub(crate) uid_next: u32,
    /// Messages from this UID on are `\Recent` to the next client that selects the mailbox.
    pub(crate) first_recent: u32,
    pub(crate) highest_modseq: u64,
    messages: BTreeMap<u32, Message>,
    expunged: VecDeque<(u64, u32)>,
    /// Below this modification sequence it is not known any more which UIDs are gone.
    expunged_since: u64,
    /// Keywords in lower case, and how they were first spelt.
    keywords: BTreeMap<String, String>,
}

impl Mailbox {
    pub(crate) fn new(validity: u32, first_uid: u32) -> Self {
        Self {
            validity,
            uid_next: first_uid,
            first_recent: first_uid,
            highest_modseq: 1,
            messages: BTreeMap::new(),
            expunged: VecDeque::new(),
            expunged_since: 1,
            keywords: BTreeMap::new(),
        }
    }

    pub(crate) fn message(&self, uid: u32) -> Option<&Message> {
        self.messages.get(&uid)
    }

    /// All messages that can be seen, by UID.
    pub(crate) fn messages(&self, now: Duration) -> impl Iterator<Item = (u32, &Message)> {
        let seen = move |(_, message): &(&u32, &Message)| message.visible_at <= now;
        self.messages.iter().filter(seen).map(|(uid, message)| (*uid, message))
    }

    /// When the next message can be seen that cannot be yet.
    pub(crate) fn next_visible(&self, now: Duration) -> Option<Duration> {
        self.messages.values().map(|message| message.visible_at).filter(|at| *at > now).min()
    }

    /// How many there are, seen or not.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many octets they have.
    pub(crate) fn bytes(&self) -> u64 {
        self.messages.values().map(|message| message.body.octets.len() as u64).sum()
    }

    /// Takes in a message; `None` if no UIDs are left.
    pub(crate) fn add(&mut self, body: Arc<Body>, flags: Flags, visible_at: Duration) -> Option<u32> {
        let uid = self.uid_next;
        self.uid_next = uid.checked_add(1)?;
        let modseq = self.next_modseq();
        self.messages.insert(uid, Message { body, flags, modseq, visible_at });
        Some(uid)
    }

    /// Gives a message other flags; whether they are others.
    pub(crate) fn set_flags(&mut self, uid: u32, flags: Flags) -> bool {
        let next = self.highest_modseq + 1;
        let Some(message) = self.messages.get_mut(&uid).filter(|message| message.flags != flags) else {
            return false;
        };
        (message.flags, message.modseq) = (flags, next);
        self.highest_modseq = next;
        true
    }

    /// Removes messages for good.
    pub(crate) fn expunge(&mut self, uids: impl IntoIterator<Item = u32>) {
        for uid in uids {
            if self.messages.remove(&uid).is_some() {
                let modseq = self.next_modseq();
                self.expunged.push_back((modseq, uid));
            }
        }
        while self.expunged.len() > EXPUNGED_MAX {
            if let Some((modseq, _)) = self.expunged.pop_front() {
                self.expunged_since = modseq;
            }
        }
    }

    /// Which UIDs are gone since a modification sequence; more than that if it is long ago.
    pub(crate) fn vanished_since(&self, modseq: u64) -> BTreeSet<u32> {
        if modseq < self.expunged_since {
            let all = 1..self.uid_next.min(1 << 20);
            return all.filter(|uid| !self.messages.contains_key(uid)).collect();
        }
        self.expunged.iter().filter(|(at, _)| *at > modseq).map(|(_, uid)| *uid).collect()
    }

    /// Makes known keywords of those in `flags`; the flags without those for which there is no room.
    pub(crate) fn learn(&mut self, flags: &Flags, spelt: impl Iterator<Item = String>) -> Flags {
        for keyword in spelt {
            let lower = keyword.to_ascii_lowercase();
            if self.keywords.len() < KEYWORDS_MAX || self.keywords.contains_key(&lower) {
                self.keywords.entry(lower).or_insert(keyword);
            }
        }
        let known = flags.keywords().all(|keyword| self.keywords.contains_key(keyword));
        if known { flags.clone() } else { flags.without_keywords() }
    }

    /// A keyword as it was first spelt.
    pub(crate) fn spelt<'a>(&'a self, keyword: &'a str) -> &'a str {
        self.keywords.get(keyword).map_or(keyword, String::as_str)
    }

    /// Keywords that are known here, as they were spelt.
    pub(crate) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.keywords.values().map(String::as_str)
    }

    /// Under another UIDVALIDITY with new UIDs, as after a repair of the server's files.
    pub(crate) fn renumber(&mut self, validity: u32, first_uid: u32) {
        let messages = std::mem::take(&mut self.messages);
        *self = Self { keywords: std::mem::take(&mut self.keywords), ..Self::new(validity, first_uid) };
        for (_, message) in messages {
            self.add(message.body, message.flags, message.visible_at);
        }
    }

    fn next_modseq(&mut self) -> u64 {
        self.highest_modseq += 1;
        self.highest_modseq
    }
}
