//! STORE (RFC 3501 section 6.4.6) with UNCHANGEDSINCE (RFC 7162), and EXPUNGE.

use imap_codec::imap_types::{
    command::StoreModifier,
    flag::{Flag, StoreResponse, StoreType},
    sequence::SequenceSet,
};

use super::{Answer, Outcome, Session, World, mailboxes::contains, selected::Selected};
use crate::{
    Extension,
    flags::{DELETED, Flags},
    output,
};

impl Session {
    pub(super) fn store(
        &mut self,
        set: &SequenceSet,
        (kind, response): &(StoreType, StoreResponse),
        flags: &[Flag<'_>],
        uid: bool,
        modifiers: &[StoreModifier],
        world: &mut World<'_>,
    ) -> Outcome {
        let mut unchanged_since = None;
        for modifier in modifiers {
            Self::needs(Extension::CondStore, world)?;
            let StoreModifier::UnchangedSince(modseq) = modifier;
            unchanged_since = Some(*modseq);
            self.enabled.condstore = true;
        }
        let named = Flags::named(flags).ok_or_else(|| Answer::bad("Invalid system flag"))?;
        let personality = &world.config.personality;
        let named = if personality.keywords { named } else { named.without_keywords() };
        let silent = *response == StoreResponse::Silent && !personality.answers_silent;
        let spelt = flags.iter().map(ToString::to_string).filter(|flag| !flag.starts_with('\\'));
        let spelt: Vec<String> = if personality.keywords { spelt.collect() } else { Vec::new() };
        let places = self.resolve(set, uid, world)?;
        let Some(mut selected) = self.selected.take() else { return Err(Answer::bad("No mailbox selected")) };
        if selected.read_only {
            self.selected = Some(selected);
            return Err(Answer::no("Mailbox is read-only"));
        }
        let mailbox = self.account(world)?.mailbox_mut(selected.id);
        let mut modified = Vec::new();
        let mut told = Vec::new();
        if let Some(mailbox) = mailbox {
            let named = mailbox.learn(&named, spelt.into_iter());
            self.tell_keywords(&mut selected, mailbox);
            for at in places {
                let uid_of = selected.entries[at].uid;
                let Some(message) = mailbox.message(uid_of) else { continue };
                if unchanged_since.is_some_and(|since| message.modseq > since) {
                    modified.push(if uid { uid_of } else { u32::try_from(at + 1).unwrap_or(u32::MAX) });
                    continue;
                }
                let known = message.modseq <= selected.entries[at].modseq;
                let changed = mailbox.set_flags(uid_of, message.flags.stored(kind, &named));
                let Some(message) = mailbox.message(uid_of) else { continue };
                let entry = &mut selected.entries[at];
                (entry.modseq, entry.flags) = (message.modseq, message.flags.clone());
                // Silence is only about what the client knows by itself: changes of others are told.
                let line = match (silent && known, changed && self.enabled.condstore) {
                    (true, false) => continue,
                    // The modification sequence is told all the same (RFC 7162 section 3.1.3).
                    (true, true) => format!("* {} FETCH (MODSEQ ({}))", at + 1, message.modseq),
                    (false, _) => self.changed(at, &selected, mailbox),
                };
                let uid_told = line.contains("(UID ");
                let line = match uid && !uid_told {
                    true => line.replacen('(', &format!("(UID {uid_of} "), 1),
                    false => line,
                };
                told.push(line);
            }
        }
        told.iter().for_each(|line| self.line(line));
        self.selected = Some(selected);
        let answer = Answer::ok("Store completed");
        Ok(match modified.is_empty() {
            true => answer,
            false => answer.with(format!("MODIFIED {}", output::set(modified))),
        })
    }

    /// EXPUNGE, or UID EXPUNGE (RFC 4315 section 2.1).
    pub(super) fn expunge(&mut self, set: Option<&SequenceSet>, world: &mut World<'_>) -> Outcome {
        if set.is_some() {
            Self::needs(Extension::UidPlus, world)?;
        }
        let Some(selected) = self.selected.take() else { return Err(Answer::bad("No mailbox selected")) };
        if selected.read_only {
            self.selected = Some(selected);
            return Err(Answer::no("Mailbox is read-only"));
        }
        let highest = self.remove_deleted(&selected, set, world);
        self.selected = Some(selected);
        // What was removed is told with what others removed, before the answer.
        let answer = Answer::ok("Expunge completed");
        Ok(match highest.filter(|_| self.enabled.qresync) {
            Some(modseq) => answer.with(format!("HIGHESTMODSEQ {modseq}")),
            None => answer,
        })
    }

    /// Removes what is `\Deleted` and, of those, what the client knows; gives the modification sequence after it.
    pub(super) fn remove_deleted(
        &self,
        selected: &Selected,
        set: Option<&SequenceSet>,
        world: &mut World<'_>,
    ) -> Option<u64> {
        let last = selected.entries.last().map_or(0, |entry| entry.uid);
        let star =
            |uid: u32| set.is_none_or(|set| contains(set, uid) || (uid == last && contains(set, u32::MAX)));
        let mailbox = self.account(world).ok()?.mailbox_mut(selected.id)?;
        let uids: Vec<u32> = selected
            .entries
            .iter()
            .map(|entry| entry.uid)
            .filter(|uid| star(*uid))
            .filter(|uid| mailbox.message(*uid).is_some_and(|message| message.flags.has(&DELETED)))
            .collect();
        mailbox.expunge(uids);
        Some(mailbox.highest_modseq)
    }
}
