//! 6: the store is bounded by the devices: of each device one announcement, one more while it is replaced, and in each inbox
//! one sync message of each sender, one more while it is replaced. At rest nothing that was processed is left.

use std::collections::{BTreeMap, BTreeSet};

use sma_core::{Class, Folder, MuaaId, Phase, Token};

use super::{Verdict, living};
use crate::{
    lab::Lab,
    store::{Kept, Mailbox},
};

/// The one that stands, and the one that replaces it.
const WAITING_MAX: usize = 2;

pub(super) fn check(lab: &Lab, folder: Folder) -> Verdict {
    let Some(mailbox) = lab.store.folders.get(&folder) else { return Ok(()) };
    let counted = if folder == Folder::Announcements { Class::Announcement } else { Class::Sync };
    match by_sender(mailbox, counted).iter().find(|(_, tokens)| tokens.len() > WAITING_MAX) {
        Some((sender, tokens)) => Err(format!(
            "{} holds {} messages of class {} of device {sender}",
            folder.name(),
            tokens.len(),
            counted.name()
        )),
        None => Ok(()),
    }
}

/// A message that was appended twice because its outcome was unknown counts once.
fn by_sender(mailbox: &Mailbox, class: Class) -> BTreeMap<MuaaId, BTreeSet<Token>> {
    let mut senders: BTreeMap<MuaaId, BTreeSet<Token>> = BTreeMap::new();
    for stored in mailbox.messages.values().filter(|stored| !stored.injected) {
        if let Kept::Envelope(envelope) = &stored.kept
            && envelope.class == class
        {
            senders.entry(envelope.sender).or_default().insert(envelope.token);
        }
    }
    senders
}

pub(super) fn check_at_rest(lab: &Lab) -> Verdict {
    let living: BTreeSet<_> =
        living(lab).filter_map(|machine| machine.muaa.as_ref()?.id()).map(Folder::Inbox).collect();
    let suspended = lab
        .machines
        .iter()
        .any(|machine| machine.muaa.as_ref().is_some_and(|muaa| muaa.phase() == Phase::Suspended));
    let mut announced = BTreeSet::new();
    for (folder, uid, envelope) in lab.store.envelopes() {
        let first = folder == Folder::Announcements
            && envelope.class == Class::Announcement
            && announced.insert(envelope.sender);
        if !first {
            let (class, sender) = (envelope.class.name(), envelope.sender);
            return Err(format!("left behind: uid {} of {}, {class} of {sender}", uid.0, folder.name()));
        }
        if !living.contains(&Folder::Inbox(envelope.sender)) && !suspended {
            return Err(format!("left behind: the announcement of {}, which is gone", envelope.sender));
        }
    }
    if let Some(silent) = living.iter().find_map(|folder| match folder {
        Folder::Inbox(id) if !announced.contains(id) => Some(id),
        Folder::Inbox(_) | Folder::Announcements => None,
    }) {
        return Err(format!("{silent} is not announced"));
    }
    match lab.store.inboxes().symmetric_difference(&living).next() {
        Some(folder) if living.contains(folder) => Err(format!("{} is missing", folder.name())),
        Some(folder) if !suspended => Err(format!("left behind: the folder {}", folder.name())),
        Some(_) | None => Ok(()),
    }
}
