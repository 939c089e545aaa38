//! COPY (RFC 3501 section 6.4.7) and MOVE (RFC 6851).

use std::time::Duration;

use imap_codec::imap_types::{mailbox::Mailbox as MailboxName, sequence::SequenceSet};

use super::{Answer, Outcome, Session, World};
use crate::{
    account::{Account, MailboxId, Refusal},
    mailbox::Message,
    output,
};

impl Session {
    pub(super) fn transfer(
        &mut self,
        set: &SequenceSet,
        name: &MailboxName<'_>,
        uid: bool,
        moved: bool,
        world: &mut World<'_>,
    ) -> Outcome {
        let config = world.config;
        let places = self.resolve(set, uid, world)?;
        let Some(selected) = &self.selected else { return Err(Answer::bad("No mailbox selected")) };
        let read_only = selected.read_only;
        let (source, uids): (_, Vec<u32>) =
            (selected.id, places.iter().map(|at| selected.entries[*at].uid).collect());
        if uids.is_empty() {
            return Ok(Answer::ok("There is nothing to do"));
        }
        let target = self.target(&self.name(name), world)?;
        if moved && read_only {
            return Err(Answer::no("Mailbox is read-only"));
        }
        let visible_at = if moved { world.now } else { world.visible_at() };
        let account = self.account(world)?;
        let mailbox = account.mailbox(source).ok_or_else(|| Answer::no("Mailbox does not exist"))?;
        let found: Vec<(u32, Message, Vec<String>)> = uids
            .iter()
            .filter_map(|uid| mailbox.message(*uid).map(|message| (*uid, message.clone())))
            .map(|(uid, message)| {
                let spelt =
                    message.flags.keywords().map(|keyword| mailbox.spelt(keyword).to_owned()).collect();
                (uid, message, spelt)
            })
            .collect();
        // All or nothing (RFC 3501 section 6.4.7).
        if found.len() < uids.len() {
            return Err(Answer::no("Some of the messages are gone").with("EXPUNGEISSUED"));
        }
        let sizes: Vec<u64> = match moved {
            true => vec![0; found.len()],
            false => found.iter().map(|(_, message, _)| message.body.octets.len() as u64).collect(),
        };
        let room = account.room(target, &sizes, &config.personality.limits);
        let copied = room.and_then(|()| copy(account, target, &found, visible_at));
        let copied = copied.map_err(|refusal| Answer::refused(refusal, config))?;
        if moved && let Some(mailbox) = account.mailbox_mut(source) {
            mailbox.expunge(uids.iter().copied());
        }
        let validity = account.mailbox(target).map_or(0, |mailbox| mailbox.validity);
        let code = format!("COPYUID {validity} {} {}", output::set(uids), output::set(copied));
        let told = Self::tells_uids(world);
        if moved {
            // Before the EXPUNGE responses (RFC 6851 section 4.3).
            if told {
                self.line(&format!("* OK [{code}] Moved UIDs"));
            }
            return Ok(Answer::ok("Move completed"));
        }
        let answer = Answer::ok("Copy completed");
        Ok(if told { answer.with(code) } else { answer })
    }
}

fn copy(
    account: &mut Account,
    target: MailboxId,
    messages: &[(u32, Message, Vec<String>)],
    visible_at: Duration,
) -> Result<Vec<u32>, Refusal> {
    let each = messages.iter();
    each.map(|(_, message, spelt)| account.add(target, &message.body, &message.flags, spelt, visible_at))
        .collect()
}
