//! The mailbox that a client has selected, as the client knows it, and what it is told of changes (RFC 3501 section 5.2).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

use super::{Answer, Session, World};
use crate::{
    account::MailboxId,
    flags::{Flags, SYSTEM},
    mailbox::{Body, Mailbox},
    output,
    personality::DeletedUnder,
};

/// A message as the client knows it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) uid: u32,
    pub(super) body: Arc<Body>,
    pub(super) flags: Flags,
    /// The modification sequence of what the client was told.
    pub(super) modseq: u64,
}

/// What the client knows of its mailbox. The n-th entry is message number n.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) id: MailboxId,
    pub(super) read_only: bool,
    pub(super) entries: Vec<Entry>,
    pub(super) recent: BTreeSet<u32>,
    keywords_told: usize,
    recent_told: usize,
}

impl Selected {
    /// Nothing is known yet.
    pub(super) fn new(id: MailboxId, read_only: bool) -> Self {
        Self { id, read_only, entries: Vec::new(), recent: BTreeSet::new(), keywords_told: 0, recent_told: 0 }
    }

    /// The places of the messages that a set names, in ascending order. A number that no message has is an error of the client,
    /// a UID is not (RFC 3501 section 6.4.8).
    pub(super) fn resolve(
        &self,
        set: &SequenceSet,
        uid: bool,
        star_is_last: bool,
    ) -> Result<Vec<usize>, Answer> {
        let mut places = BTreeSet::new();
        let last = self.entries.len();
        for sequence in set.0.as_ref() {
            let (from, to) = match sequence {
                Sequence::Single(one) => (*one, *one),
                Sequence::Range(from, to) => (*from, *to),
            };
            let number = |of: SeqOrUid| match of {
                SeqOrUid::Value(number) => Some(number.get()),
                SeqOrUid::Asterisk => match uid {
                    true => self.entries.last().map(|entry| entry.uid),
                    false => u32::try_from(last).ok().filter(|last| *last > 0),
                },
            };
            let (Some(first), Some(second)) = (number(from), number(to)) else {
                // There is no last message.
                match uid {
                    true => continue,
                    false => return Err(Answer::bad("There are no messages")),
                }
            };
            if !star_is_last && to == SeqOrUid::Asterisk && first > second {
                continue;
            }
            let (low, high) = (first.min(second), first.max(second));
            if uid {
                let start = self.entries.partition_point(|entry| entry.uid < low);
                let end = self.entries.partition_point(|entry| entry.uid <= high);
                places.extend(start..end);
            } else if high as usize > last {
                return Err(Answer::bad("There is no message of this number"));
            } else {
                places.extend(low as usize - 1..high as usize);
            }
        }
        Ok(places.into_iter().collect())
    }
}

impl Session {
    /// The places of the messages that a set names.
    pub(super) fn resolve(
        &self,
        set: &SequenceSet,
        uid: bool,
        world: &mut World<'_>,
    ) -> Result<Vec<usize>, Answer> {
        if world.config.personality.deleted_under == DeletedUnder::Refused {
            self.mailbox(world)?;
        }
        let selected = self.selected.as_ref().ok_or_else(|| Answer::bad("No mailbox selected"))?;
        selected.resolve(set, uid, world.config.personality.star_is_last)
    }

    /// When the client will know more by itself.
    pub(super) fn next_visible(&self, world: &mut World<'_>) -> Option<Duration> {
        let (id, now) = (self.selected_id().ok()?, world.now);
        world.config.personality.idle_after?;
        self.account(world).ok()?.mailbox(id)?.next_visible(now)
    }

    /// Whether the client does not know something yet.
    pub(super) fn has_news(&self, world: &mut World<'_>) -> bool {
        let Some(selected) = &self.selected else { return false };
        let now = world.now;
        let deleted_under = world.config.personality.deleted_under;
        let Ok(account) = self.account(world) else { return false };
        let Some(mailbox) = account.mailbox(selected.id) else {
            let told = matches!(deleted_under, DeletedUnder::Expunged) && selected.entries.is_empty();
            return !told && !matches!(deleted_under, DeletedUnder::Untold | DeletedUnder::Refused);
        };
        let changed =
            |entry: &Entry| mailbox.message(entry.uid).is_none_or(|message| message.modseq > entry.modseq);
        let last = selected.entries.last().map_or(0, |entry| entry.uid);
        selected.entries.iter().any(changed) || mailbox.messages(now).any(|(uid, _)| uid > last)
    }

    /// Tells the client what has changed. Message numbers change only if `expunges` says that they may.
    pub(super) fn sync(&mut self, expunges: bool, world: &mut World<'_>) {
        let Some(mut selected) = self.selected.take() else { return };
        let now = world.now;
        let deleted_under = world.config.personality.deleted_under;
        let gone = match self.account(world).map(|account| account.mailbox_mut(selected.id)) {
            Ok(Some(mailbox)) => {
                if expunges {
                    self.tell_expunged(&mut selected, |uid| mailbox.message(uid).is_none());
                }
                self.tell_flags(&mut selected, mailbox);
                let known = selected.entries.len();
                take_new(&mut selected, mailbox, now);
                if selected.entries.len() > known {
                    self.line(&format!("* {} EXISTS", selected.entries.len()));
                }
                if selected.recent.len() != selected.recent_told {
                    self.tell_recent(&mut selected);
                }
                false
            }
            Ok(None) | Err(_) => true,
        };
        if gone {
            match deleted_under {
                DeletedUnder::Bye => self.bye("The selected mailbox was deleted"),
                DeletedUnder::Expunged if expunges => self.tell_expunged(&mut selected, |_| true),
                DeletedUnder::Expunged | DeletedUnder::Refused | DeletedUnder::Untold => {}
            }
        }
        self.selected = Some(selected);
    }

    fn tell_expunged(&mut self, selected: &mut Selected, gone: impl Fn(u32) -> bool) {
        let places: Vec<usize> =
            (0..selected.entries.len()).filter(|at| gone(selected.entries[*at].uid)).collect();
        if places.is_empty() {
            return;
        }
        if self.enabled.qresync {
            let uids = places.iter().map(|at| selected.entries[*at].uid);
            self.line(&format!("* VANISHED {}", output::set(uids)));
        } else {
            // From the end, so that each number is the one that the client has.
            for at in places.iter().rev() {
                self.line(&format!("* {} EXPUNGE", at + 1));
            }
        }
        let uids: BTreeSet<u32> = places.iter().map(|at| selected.entries[*at].uid).collect();
        selected.entries.retain(|entry| !uids.contains(&entry.uid));
        selected.recent.retain(|uid| !uids.contains(uid));
    }

    fn tell_flags(&mut self, selected: &mut Selected, mailbox: &Mailbox) {
        self.tell_keywords(selected, mailbox);
        for at in 0..selected.entries.len() {
            let entry = &mut selected.entries[at];
            let Some(message) = mailbox.message(entry.uid).filter(|message| message.modseq > entry.modseq)
            else {
                continue;
            };
            (entry.modseq, entry.flags) = (message.modseq, message.flags.clone());
            let told = self.changed(at, selected, mailbox);
            self.line(&told);
        }
    }

    /// The FETCH response that tells a message's flags.
    pub(super) fn changed(&self, at: usize, selected: &Selected, mailbox: &Mailbox) -> String {
        let entry = &selected.entries[at];
        let flags = shown(&entry.flags, selected.recent.contains(&entry.uid), mailbox);
        let uid = if self.enabled.qresync || self.enabled.rev2 {
            format!("UID {} ", entry.uid)
        } else {
            String::new()
        };
        let modseq =
            if self.enabled.condstore { format!(" MODSEQ ({})", entry.modseq) } else { String::new() };
        format!("* {} FETCH ({uid}FLAGS ({flags}){modseq})", at + 1)
    }

    /// Keywords that have become known since the client was told which there are (RFC 3501 section 7.2.6).
    pub(super) fn tell_keywords(&mut self, selected: &mut Selected, mailbox: &Mailbox) {
        let known = mailbox.keywords().count();
        if known > selected.keywords_told {
            selected.keywords_told = known;
            let flags = all_flags(mailbox);
            self.line(&format!("* FLAGS ({flags})"));
            let permanent = if selected.read_only { String::new() } else { format!("{flags} \\*") };
            self.line(&format!("* OK [PERMANENTFLAGS ({permanent})] Flags permitted"));
        }
    }

    /// The responses that a SELECT begins with.
    pub(super) fn tell_mailbox(
        &mut self,
        selected: &mut Selected,
        mailbox: &mut Mailbox,
        world_keywords: bool,
        now: Duration,
    ) {
        selected.keywords_told = mailbox.keywords().count();
        let flags = all_flags(mailbox);
        self.line(&format!("* FLAGS ({flags})"));
        let permanent = match (selected.read_only, world_keywords) {
            (true, _) => String::new(),
            (false, true) => format!("{flags} \\*"),
            (false, false) => SYSTEM.join(" "),
        };
        self.line(&format!("* OK [PERMANENTFLAGS ({permanent})] Flags permitted"));
        take_new(selected, mailbox, now);
        self.line(&format!("* {} EXISTS", selected.entries.len()));
        self.tell_recent(selected);
    }

    /// There is no RECENT in IMAP4rev2 (RFC 9051 appendix E).
    fn tell_recent(&mut self, selected: &mut Selected) {
        selected.recent_told = selected.recent.len();
        if !self.enabled.rev2 {
            self.line(&format!("* {} RECENT", selected.recent.len()));
        }
    }
}

/// All flags of a mailbox, as FLAGS tells them.
fn all_flags(mailbox: &Mailbox) -> String {
    let keywords = mailbox.keywords().map(|keyword| format!(" {keyword}"));
    SYSTEM.join(" ") + &keywords.collect::<String>()
}

/// Flags as a client reads them.
pub(super) fn shown(flags: &Flags, recent: bool, mailbox: &Mailbox) -> String {
    let mut words: Vec<&str> = flags.system().collect();
    words.extend(flags.keywords().map(|keyword| mailbox.spelt(keyword)));
    if recent {
        words.push("\\Recent");
    }
    words.join(" ")
}

/// Takes up messages that the client does not know. Those that no client was told of are `\Recent` here, and only here.
fn take_new(selected: &mut Selected, mailbox: &mut Mailbox, now: Duration) {
    let last = selected.entries.last().map_or(0, |entry| entry.uid);
    let new: BTreeMap<u32, Entry> = mailbox
        .messages(now)
        .filter(|(uid, _)| *uid > last)
        .map(|(uid, message)| {
            let (body, flags) = (message.body.clone(), message.flags.clone());
            (uid, Entry { uid, body, flags, modseq: message.modseq })
        })
        .collect();
    let Some(newest) = new.keys().next_back().copied() else { return };
    selected.recent.extend(new.keys().filter(|uid| **uid >= mailbox.first_recent));
    if !selected.read_only {
        mailbox.first_recent = mailbox.first_recent.max(newest + 1);
    }
    selected.entries.extend(new.into_values());
}
