//! Commands about mailboxes as such (RFC 3501 section 6.3), namespaces and quotas.

use imap_codec::imap_types::{
    command::SelectParameter, core::AString, mailbox::Mailbox as MailboxName, sequence::SequenceSet,
    status::StatusDataItemName,
};

use super::{
    Answer, Outcome, Session, World,
    selected::{Selected, shown},
};
use crate::{
    Extension,
    account::{MailboxId, Refusal},
    chance::Chance,
    command::mailbox_name,
    flags::SEEN,
    mailbox::Mailbox,
    names, output,
    personality::{DeletedUnder, Validity},
};

impl Session {
    /// A name as it is kept: IMAP4rev2 has UTF-8 where IMAP4rev1 has modified UTF-7.
    pub(super) fn name(&self, mailbox: &MailboxName<'_>) -> String {
        self.kept(&mailbox_name(mailbox))
    }

    pub(super) fn kept(&self, name: &str) -> String {
        if self.enabled.rev2 { names::encode(name) } else { name.to_owned() }
    }

    /// Writes a name as this client reads it.
    pub(super) fn write_name(&mut self, name: &str, world: &World<'_>) {
        let decoded = self.enabled.rev2.then(|| names::decode(name)).flatten();
        output::astring(
            &mut self.out,
            decoded.as_deref().unwrap_or(name),
            world.config.personality.quotes_names,
        );
    }

    /// The mailbox of a name, or why there is none.
    pub(super) fn find(&self, name: &str, world: &mut World<'_>) -> Result<MailboxId, Answer> {
        let config = world.config;
        let found = self.account(world)?.find(name, &config.personality);
        found.ok_or_else(|| Answer::refused(Refusal::NonExistent, config))
    }

    pub(super) fn create(&self, name: &MailboxName<'_>, world: &mut World<'_>) -> Outcome {
        let (config, now) = (world.config, world.now);
        let user = self.user.clone().unwrap_or_default();
        let account = world.accounts.get_mut(&user).ok_or_else(|| Answer::bad("Please log in first"))?;
        let created = account.create(&self.name(name), config, now, world.rng);
        created.map_err(|refusal| Answer::refused(refusal, config))?;
        Ok(Answer::ok("Create completed"))
    }

    pub(super) fn delete(&mut self, name: &MailboxName<'_>, world: &mut World<'_>) -> Outcome {
        let config = world.config;
        let id = self.account(world)?.find(&self.name(name), &config.personality);
        let deleted = self.account(world)?.delete(&self.name(name), &config.personality);
        deleted.map_err(|refusal| Answer::refused(refusal, config))?;
        // A client that deletes what it has selected has its answer before it is told the consequence.
        let own = self.selected.as_ref().is_some_and(|selected| Some(selected.id) == id);
        self.parting = own && config.personality.deleted_under == DeletedUnder::Bye;
        Ok(Answer::ok("Delete completed"))
    }

    pub(super) fn rename(
        &self,
        from: &MailboxName<'_>,
        to: &MailboxName<'_>,
        world: &mut World<'_>,
    ) -> Outcome {
        let (config, now) = (world.config, world.now);
        let user = self.user.clone().unwrap_or_default();
        let account = world.accounts.get_mut(&user).ok_or_else(|| Answer::bad("Please log in first"))?;
        let renamed = account.rename(&self.name(from), &self.name(to), config, now, world.rng);
        renamed.map_err(|refusal| Answer::refused(refusal, config))?;
        Ok(Answer::ok("Rename completed"))
    }

    /// A name may be subscribed to before there is a mailbox of it, if the server does not mind (RFC 3501 section 6.3.6).
    pub(super) fn subscribe(&self, name: &MailboxName<'_>, world: &mut World<'_>) -> Outcome {
        let config = world.config;
        let delimiter = config.personality.delimiter;
        let name = names::canonical(&self.name(name), delimiter);
        if let Some(fault) = names::fault(&name, delimiter) {
            return Err(Answer::refused(Refusal::Forbidden(fault), config));
        }
        if !config.personality.subscribes_missing {
            self.find(&name, world)?;
        }
        let account = self.account(world)?;
        if account.subscribed.len() >= config.personality.limits.mailboxes {
            return Err(Answer::refused(Refusal::TooMany, config));
        }
        account.subscribed.insert(name);
        Ok(Answer::ok("Subscribe completed"))
    }

    pub(super) fn unsubscribe(&self, name: &MailboxName<'_>, world: &mut World<'_>) -> Outcome {
        let name = names::canonical(&self.name(name), world.config.personality.delimiter);
        self.account(world)?.subscribed.remove(&name);
        Ok(Answer::ok("Unsubscribe completed"))
    }

    pub(super) fn status(
        &mut self,
        name: &MailboxName<'_>,
        items: &[StatusDataItemName],
        world: &mut World<'_>,
    ) -> Outcome {
        let name = self.name(name);
        let id = self.find(&name, world)?;
        if items.contains(&StatusDataItemName::HighestModSeq) {
            Self::needs(Extension::CondStore, world)?;
            self.enabled.condstore = true;
        }
        self.tell_status(&name, id, items, world)?;
        Ok(Answer::ok("Status completed"))
    }

    pub(super) fn tell_status(
        &mut self,
        name: &str,
        id: MailboxId,
        items: &[StatusDataItemName],
        world: &mut World<'_>,
    ) -> Result<(), Answer> {
        let now = world.now;
        let mailbox = self.account(world)?.mailbox(id);
        let mailbox = mailbox.ok_or_else(|| Answer::no("Mailbox does not exist"))?;
        let values: Result<Vec<_>, _> = items.iter().map(|item| status_item(item, mailbox, now)).collect();
        let values = values?.join(" ");
        self.out.extend_from_slice(b"* STATUS ");
        self.write_name(name, world);
        self.line(&format!(" ({values})"));
        Ok(())
    }

    pub(super) fn select(
        &mut self,
        name: &MailboxName<'_>,
        parameters: &[SelectParameter],
        read_only: bool,
        world: &mut World<'_>,
    ) -> Outcome {
        let personality = &world.config.personality;
        if !parameters.is_empty() {
            Self::needs(Extension::CondStore, world)?;
        }
        if parameters.iter().any(|one| matches!(one, SelectParameter::QResync { .. }))
            && !self.enabled.qresync
        {
            return Err(Answer::bad("QRESYNC is not enabled"));
        }
        // Whatever comes of it, what was selected is so no more (RFC 3501 section 6.3.1).
        let closing = world.config.has(Extension::QResync) || self.enabled.rev2;
        if self.selected.take().is_some() && closing {
            self.line("* OK [CLOSED] Previous mailbox closed");
        }
        if personality.wants_id && !self.identified {
            return Err(Answer::no("SELECT Unsafe Login. Please contact the provider for help"));
        }
        let name = self.name(name);
        let id = self.find(&name, world)?;
        if personality.validity == Validity::Jumping && world.rng.below(20) == 0 {
            self.renumber(id, world);
        }
        self.enabled.condstore |= !parameters.is_empty();
        let (keywords, tells_next, now) = (personality.keywords, personality.tells_uid_next, world.now);
        let condstore = world.config.has(Extension::CondStore);
        let user = self.user.clone().unwrap_or_default();
        let Some(mailbox) = world.accounts.get_mut(&user).and_then(|account| account.mailbox_mut(id)) else {
            return Err(Answer::no("Mailbox does not exist"));
        };
        let mut selected = Selected::new(id, read_only);
        self.tell_mailbox(&mut selected, mailbox, keywords, now);
        let unseen = selected.entries.iter().position(|entry| !entry.flags.has(&SEEN));
        // IMAP4rev2 has no UNSEEN here (RFC 9051 appendix E).
        if let Some(at) = unseen.filter(|_| tells_next && !self.enabled.rev2) {
            self.line(&format!("* OK [UNSEEN {}] First unseen", at + 1));
        }
        self.line(&format!("* OK [UIDVALIDITY {}] UIDs valid", mailbox.validity));
        if tells_next {
            self.line(&format!("* OK [UIDNEXT {}] Predicted next UID", mailbox.uid_next));
        }
        if condstore {
            self.line(&format!("* OK [HIGHESTMODSEQ {}] Highest", mailbox.highest_modseq));
        }
        for parameter in parameters {
            if let SelectParameter::QResync { uid_validity, mod_sequence_value, known_uids, .. } = parameter
                && uid_validity.get() == mailbox.validity
            {
                self.resynchronise(&selected, mailbox, mod_sequence_value.get(), known_uids.as_ref());
            }
        }
        self.selected = Some(selected);
        if self.enabled.rev2 {
            self.out.extend_from_slice(b"* LIST () ");
            let delimiter = world.config.personality.delimiter;
            self.out.extend_from_slice(format!("\"{delimiter}\" ").as_bytes());
            self.write_name(&name, world);
            self.line("");
        }
        let (code, text) =
            if read_only { ("READ-ONLY", "Examine completed") } else { ("READ-WRITE", "Select completed") };
        Ok(Answer::ok(text).with(code))
    }

    fn renumber(&self, id: MailboxId, world: &mut World<'_>) {
        let user = self.user.clone().unwrap_or_default();
        if let Some(account) = world.accounts.get_mut(&user) {
            account.renumber(id, &world.config.personality, world.now, world.rng);
        }
    }

    /// What has changed since the client was here last (RFC 7162 section 3.2.5).
    fn resynchronise(
        &mut self,
        selected: &Selected,
        mailbox: &Mailbox,
        since: u64,
        known: Option<&SequenceSet>,
    ) {
        let among = |uid: u32| known.is_none_or(|set| contains(set, uid));
        let vanished = output::set(mailbox.vanished_since(since).into_iter().filter(|uid| among(*uid)));
        if !vanished.is_empty() {
            self.line(&format!("* VANISHED (EARLIER) {vanished}"));
        }
        for (at, entry) in selected.entries.iter().enumerate() {
            if entry.modseq > since && among(entry.uid) {
                let flags = shown(&entry.flags, selected.recent.contains(&entry.uid), mailbox);
                let (uid, modseq) = (entry.uid, entry.modseq);
                self.line(&format!("* {} FETCH (UID {uid} FLAGS ({flags}) MODSEQ ({modseq}))", at + 1));
            }
        }
    }

    /// CLOSE expunges without telling (RFC 3501 section 6.4.2).
    pub(super) fn close(&mut self, world: &mut World<'_>) -> Outcome {
        let selected = self.selected.take().ok_or_else(|| Answer::bad("No mailbox selected"))?;
        if !selected.read_only {
            self.remove_deleted(&selected, None, world);
        }
        Ok(Answer::ok("Close completed"))
    }

    pub(super) fn unselect(&mut self, world: &World<'_>) -> Outcome {
        Self::needs(Extension::Unselect, world)?;
        self.selected.take().ok_or_else(|| Answer::bad("No mailbox selected"))?;
        Ok(Answer::ok("Unselect completed"))
    }

    pub(super) fn namespace(&mut self, world: &World<'_>) -> Outcome {
        Self::needs(Extension::Namespace, world)?;
        let personality = &world.config.personality;
        self.line(&format!(
            "* NAMESPACE ((\"{}\" \"{}\")) NIL NIL",
            personality.prefix, personality.delimiter
        ));
        Ok(Answer::ok("Namespace completed"))
    }

    pub(super) fn quota(&mut self, root: &AString<'_>, world: &mut World<'_>) -> Outcome {
        Self::needs(Extension::Quota, world)?;
        if !root.as_ref().is_empty() {
            return Err(Answer::refused(Refusal::NonExistent, world.config));
        }
        self.tell_quota(world)?;
        Ok(Answer::ok("Getquota completed"))
    }

    pub(super) fn quota_root(&mut self, name: &MailboxName<'_>, world: &mut World<'_>) -> Outcome {
        Self::needs(Extension::Quota, world)?;
        let name = self.name(name);
        self.find(&name, world)?;
        self.out.extend_from_slice(b"* QUOTAROOT ");
        self.write_name(&name, world);
        self.line(" \"\"");
        self.tell_quota(world)?;
        Ok(Answer::ok("Getquotaroot completed"))
    }

    /// One root for everything, in units of 1024 octets (RFC 9208 section 5.1).
    fn tell_quota(&mut self, world: &mut World<'_>) -> Result<(), Answer> {
        let limit = world.config.personality.limits.quota_bytes / 1024;
        let used = self.account(world)?.bytes().div_ceil(1024);
        self.line(&format!("* QUOTA \"\" (STORAGE {used} {limit})"));
        Ok(())
    }
}

pub(super) fn contains(set: &SequenceSet, uid: u32) -> bool {
    use imap_codec::imap_types::sequence::{SeqOrUid, Sequence};
    let number = |of: &SeqOrUid| match of {
        SeqOrUid::Value(number) => number.get(),
        SeqOrUid::Asterisk => u32::MAX,
    };
    set.0.as_ref().iter().any(|sequence| match sequence {
        Sequence::Single(one) => number(one) == uid,
        Sequence::Range(from, to) => {
            let (from, to) = (number(from), number(to));
            (from.min(to)..=from.max(to)).contains(&uid)
        }
    })
}

fn status_item(
    item: &StatusDataItemName,
    mailbox: &Mailbox,
    now: std::time::Duration,
) -> Result<String, Answer> {
    let messages = || mailbox.messages(now);
    Ok(match item {
        StatusDataItemName::Messages => format!("MESSAGES {}", messages().count()),
        StatusDataItemName::Recent => {
            let recent = messages().filter(|(uid, _)| *uid >= mailbox.first_recent).count();
            format!("RECENT {recent}")
        }
        StatusDataItemName::UidNext => format!("UIDNEXT {}", mailbox.uid_next),
        StatusDataItemName::UidValidity => format!("UIDVALIDITY {}", mailbox.validity),
        StatusDataItemName::Unseen => {
            let unseen = messages().filter(|(_, message)| !message.flags.has(&SEEN)).count();
            format!("UNSEEN {unseen}")
        }
        StatusDataItemName::Deleted => {
            let deleted = messages().filter(|(_, message)| message.flags.has(&crate::flags::DELETED)).count();
            format!("DELETED {deleted}")
        }
        StatusDataItemName::Size => {
            let size: u64 = messages().map(|(_, message)| message.body.octets.len() as u64).sum();
            format!("SIZE {size}")
        }
        StatusDataItemName::HighestModSeq => format!("HIGHESTMODSEQ {}", mailbox.highest_modseq),
        StatusDataItemName::DeletedStorage => return Err(Answer::bad("Unknown item of STATUS")),
    })
}
