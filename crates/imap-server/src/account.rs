//! One user's mailboxes by name, subscriptions, and room.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::{
    Config, Limits, Personality,
    flags::Flags,
    mailbox::{Body, Mailbox},
    names,
    personality::Validity,
};

/// Where a server with labels keeps every message.
pub(crate) const ALL_MAIL: &str = "[Gmail]/All Mail";

/// A mailbox, whatever it is called now. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct MailboxId(u64);

/// Why something about mailboxes is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    AlreadyExists,
    NonExistent,
    Forbidden(&'static str),
    Prefixed,
    TooMany,
    OverQuota,
    TooBig,
}

impl Refusal {
    /// The response code (RFC 5530, RFC 7889).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::NonExistent => "NONEXISTENT",
            Self::Forbidden(_) => "CANNOT",
            Self::Prefixed => "NOPERM",
            Self::TooMany => "LIMIT",
            Self::OverQuota => "OVERQUOTA",
            Self::TooBig => "TOOBIG",
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::AlreadyExists => "Mailbox already exists",
            Self::NonExistent => "Mailbox does not exist",
            Self::Forbidden(why) => why,
            Self::Prefixed => "Permission denied: the name must have the prefix that NAMESPACE tells",
            Self::TooMany => "Too many mailboxes or messages",
            Self::OverQuota => "Quota exceeded",
            Self::TooBig => "Message is too big",
        }
    }
}

/// A user's mail.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    names: BTreeMap<String, MailboxId>,
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub(crate) subscribed: BTreeSet<String>,
    last_id: u64,
    last_validity: u32,
}

impl Account {
    /// With an empty INBOX.
    pub(crate) fn new(config: &Config, now: Duration, rng: &mut ChaCha8Rng) -> Self {
        let mut account = Self {
            names: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            last_id: 0,
            last_validity: 0,
        };
        account.make("INBOX".to_owned(), &config.personality, now, rng);
        if config.personality.labels {
            account.make(ALL_MAIL.to_owned(), &config.personality, now, rng);
        }
        account
    }

    /// The mailbox of a name.
    pub(crate) fn find(&self, name: &str, personality: &Personality) -> Option<MailboxId> {
        let name = names::canonical(name, personality.delimiter);
        let other_case = || {
            let same = |known: &&String| personality.case_insensitive && known.eq_ignore_ascii_case(&name);
            self.names.keys().find(same).and_then(|known| self.names.get(known))
        };
        self.names.get(&name).or_else(other_case).copied()
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> Option<&Mailbox> {
        self.mailboxes.get(&id)
    }

    pub(crate) fn mailbox_mut(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(&id)
    }

    /// All names that are mailboxes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    /// What the name of a mailbox is.
    pub(crate) fn name(&self, id: MailboxId) -> Option<&String> {
        self.names.iter().find(|(_, known)| **known == id).map(|(name, _)| name)
    }

    pub(crate) fn create(
        &mut self,
        name: &str,
        config: &Config,
        now: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Result<MailboxId, Refusal> {
        let personality = &config.personality;
        // A delimiter at the end says that there will be names below (RFC 3501 section 6.3.3).
        let name = name.strip_suffix(personality.delimiter).unwrap_or(name);
        let name = self.free(name, config)?;
        Ok(self.make(name, personality, now, rng))
    }

    /// A name in the form in which it is kept, if a mailbox may get it.
    fn free(&self, name: &str, config: &Config) -> Result<String, Refusal> {
        let personality = &config.personality;
        let name = names::canonical(name, personality.delimiter);
        if self.find(&name, personality).is_some() {
            return Err(Refusal::AlreadyExists);
        }
        if let Some(fault) = names::fault(&name, personality.delimiter) {
            return Err(Refusal::Forbidden(fault));
        }
        if !name.starts_with(personality.prefix) {
            return Err(Refusal::Prefixed);
        }
        if self.names.len() >= config.personality.limits.mailboxes {
            return Err(Refusal::TooMany);
        }
        Ok(name)
    }

    fn make(
        &mut self,
        name: String,
        personality: &Personality,
        now: Duration,
        rng: &mut ChaCha8Rng,
    ) -> MailboxId {
        self.last_id += 1;
        let id = MailboxId(self.last_id);
        let validity = self.validity(personality.validity, now, rng);
        self.mailboxes.insert(id, Mailbox::new(validity, personality.first_uid.max(1)));
        self.names.insert(name, id);
        id
    }

    fn validity(&mut self, ways: Validity, now: Duration, rng: &mut ChaCha8Rng) -> u32 {
        match ways {
            Validity::Rising | Validity::Jumping => {
                let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
                self.last_validity = seconds.max(self.last_validity.saturating_add(1));
                self.last_validity
            }
            Validity::Reused => 1,
            Validity::Any => rng.next_u32().max(1),
        }
    }

    /// Gives a mailbox another UIDVALIDITY and other UIDs.
    pub(crate) fn renumber(
        &mut self,
        id: MailboxId,
        personality: &Personality,
        now: Duration,
        rng: &mut ChaCha8Rng,
    ) {
        let validity = self.validity(personality.validity, now, rng);
        if let Some(mailbox) = self.mailboxes.get_mut(&id) {
            mailbox.renumber(validity, 1 + rng.next_u32() % 1000);
        }
    }

    pub(crate) fn delete(&mut self, name: &str, personality: &Personality) -> Result<(), Refusal> {
        let id = self.find(name, personality);
        if id == self.names.get("INBOX").copied() {
            return Err(Refusal::Forbidden("INBOX cannot be deleted"));
        }
        let id = id.ok_or_else(|| {
            // The levels above a mailbox are shown, and are none.
            let name = names::canonical(name, personality.delimiter);
            match self.has_children(&name, personality.delimiter) {
                true => Refusal::Forbidden("There are mailboxes below it, and it is none itself"),
                false => Refusal::NonExistent,
            }
        })?;
        self.names.retain(|_, known| *known != id);
        self.mailboxes.remove(&id);
        Ok(())
    }

    /// Renames a mailbox and those below it; INBOX is emptied into a new one (RFC 3501 section 6.3.5).
    pub(crate) fn rename(
        &mut self,
        from: &str,
        to: &str,
        config: &Config,
        now: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), Refusal> {
        let personality = &config.personality;
        let delimiter = personality.delimiter;
        let from = names::canonical(from, delimiter);
        let id = self.find(&from, personality);
        if id.is_none() && !self.has_children(&from, delimiter) {
            return Err(Refusal::NonExistent);
        }
        let to = self.free(to, config)?;
        if to == from {
            return Err(Refusal::AlreadyExists);
        }
        if names::is_below(&to, &from, delimiter) && from != "INBOX" {
            return Err(Refusal::Forbidden("A mailbox cannot be moved below itself"));
        }
        if from == "INBOX" {
            let made = self.make("INBOX".to_owned(), personality, now, rng);
            // The new one takes the place of the old one, which keeps its messages under the new name.
            let Some(old) = id else { return Err(Refusal::NonExistent) };
            self.swap(old, made);
            self.names.insert("INBOX".to_owned(), old);
            self.names.insert(to, made);
            return Ok(());
        }
        let old_name = id.and_then(|id| self.name(id).cloned()).unwrap_or(from);
        let below: Vec<String> = self
            .names
            .keys()
            .filter(|name| **name == old_name || names::is_below(name, &old_name, delimiter))
            .cloned()
            .collect();
        let renamed: Vec<String> =
            below.iter().map(|name| format!("{to}{}", &name[old_name.len()..])).collect();
        if renamed.iter().any(|name| names::fault(name, delimiter).is_some()) {
            return Err(Refusal::Forbidden("A name below it would be too long"));
        }
        if renamed.iter().any(|name| !below.contains(name) && self.names.contains_key(name)) {
            return Err(Refusal::AlreadyExists);
        }
        let ids: Vec<_> = below.iter().filter_map(|name| self.names.remove(name)).collect();
        self.names.extend(renamed.into_iter().zip(ids));
        Ok(())
    }

    /// Who has INBOX selected sees its messages go: what they were is now in the other mailbox.
    fn swap(&mut self, inbox: MailboxId, other: MailboxId) {
        let Some(mut target) = self.mailboxes.remove(&other) else { return };
        if let Some(source) = self.mailboxes.get_mut(&inbox) {
            let uids: Vec<u32> = source.messages(Duration::MAX).map(|(uid, _)| uid).collect();
            for uid in &uids {
                if let Some(message) = source.message(*uid) {
                    let flags = message.flags.clone();
                    let spelt: Vec<String> =
                        flags.keywords().map(|keyword| source.spelt(keyword).to_owned()).collect();
                    let flags = target.learn(&flags, spelt.into_iter());
                    target.add(message.body.clone(), flags, message.visible_at);
                }
            }
            source.expunge(uids);
        }
        self.mailboxes.insert(other, target);
    }

    /// Whether there are mailboxes below a name.
    pub(crate) fn has_children(&self, name: &str, delimiter: char) -> bool {
        self.names.keys().any(|known| names::is_below(known, name, delimiter))
    }

    /// Octets of all messages.
    pub(crate) fn bytes(&self) -> u64 {
        self.mailboxes.values().map(Mailbox::bytes).sum()
    }

    /// Whether messages of these sizes have room in a mailbox.
    pub(crate) fn room(&self, id: MailboxId, sizes: &[u64], limits: &Limits) -> Result<(), Refusal> {
        let messages = self.mailboxes.get(&id).map_or(0, Mailbox::len);
        if messages + sizes.len() > limits.messages {
            return Err(Refusal::TooMany);
        }
        let total = sizes.iter().fold(self.bytes(), |total, size| total.saturating_add(*size));
        if total > limits.quota_bytes { Err(Refusal::OverQuota) } else { Ok(()) }
    }

    /// Takes a message into a mailbox, with flags as a client spelt its keywords. Gives its UID.
    pub(crate) fn add(
        &mut self,
        id: MailboxId,
        body: &Arc<Body>,
        flags: &Flags,
        spelt: &[String],
        visible_at: Duration,
    ) -> Result<u32, Refusal> {
        let mailbox = self.mailboxes.get_mut(&id).ok_or(Refusal::NonExistent)?;
        let flags = mailbox.learn(flags, spelt.iter().cloned());
        mailbox.add(body.clone(), flags, visible_at).ok_or(Refusal::TooMany)
    }
}
