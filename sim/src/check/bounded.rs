//! 6: the store is bounded by the devices: of each device one announcement, one more while it is replaced, and in each inbox
//! one sync message of each sender, one more while it is replaced. At rest nothing that was processed is left.

use std::collections::{BTreeMap, BTreeSet};

use sma_core::{Class, Folder, MuaaId, Phase, Token};

use super::{Verdict, living};
use crate::{
    lab::Lab,
    store::{Kept, Mailbox},
};

/// Somebody's own message lies in the folder, so that it cannot be deleted.
fn is_shared(lab: &Lab, folder: Folder) -> bool {
    let ours = |stored: &crate::store::Stored| matches!(stored.kept, Kept::Envelope(_)) && !stored.injected;
    lab.store.folders.get(&folder).is_some_and(|mailbox| !mailbox.messages.values().all(ours))
}

/// The one that stands, and the one that replaces it.
const WAITING_MAX: usize = 2;

pub(super) fn check(lab: &Lab, folder: Folder) -> Verdict {
    // What a hostile server takes out of sight its author says again.
    if lab.truth.server_is_hostile {
        return Ok(());
    }
    let Some(mailbox) = lab.store.folders.get(&folder) else { return Ok(()) };
    let counted = if folder == Folder::Announcements { Class::Announcement } else { Class::Sync };
    for (sender, messages) in by_sender(mailbox, counted) {
        // What was taken in waits no more; that it is still there is the server's doing.
        // Copies of a device that do not know of one another announce themselves each.
        // Whoever leaves says so in its own group, and in the one that it was about to enter.
        let leaves = lab.by_id(sender).is_some_and(|at| {
            let muaa = lab.machines[at].muaa.as_ref();
            muaa.is_some_and(|muaa| muaa.phase() == Phase::Left)
        });
        // A thief that is out in one group and a member in another is told both.
        let tells_twice =
            matches!(folder, Folder::Inbox(id) if lab.truth.thief.is_some_and(|key| MuaaId::of(&key) == id));
        let allowed = if lab.truth.copied {
            WAITING_MAX * lab.machines.len()
        } else {
            WAITING_MAX + usize::from(leaves || tells_twice)
        };
        let too_many = messages.len() > allowed && waiting(lab, folder, &messages) > allowed;
        if too_many {
            let (count, class) = (messages.len(), counted.name());
            return Err(format!(
                "{} holds {count} messages of class {class} of device {sender}",
                folder.name()
            ));
        }
    }
    Ok(())
}

/// How many of these the owner of the folder has not taken in.
fn waiting(lab: &Lab, folder: Folder, messages: &BTreeMap<Token, &[u8]>) -> usize {
    let owner = match folder {
        Folder::Inbox(id) => lab.machines.iter().find_map(|machine| {
            let muaa = machine.as_saved().or_else(|| machine.muaa.clone())?;
            (muaa.id() == Some(id)).then_some(muaa)
        }),
        Folder::Announcements => None,
    };
    let taken = |(token, body): &(&Token, &&[u8])| {
        lab.truth.late.contains(token) || owner.as_ref().is_some_and(|muaa| muaa.has_processed(body))
    };
    messages.iter().filter(|message| !taken(message)).count()
}

/// A message that was appended twice because its outcome was unknown counts once.
fn by_sender(mailbox: &Mailbox, class: Class) -> BTreeMap<MuaaId, BTreeMap<Token, &[u8]>> {
    let mut senders: BTreeMap<MuaaId, BTreeMap<Token, &[u8]>> = BTreeMap::new();
    for stored in mailbox.messages.values().filter(|stored| !stored.injected) {
        if let Kept::Envelope(envelope) = &stored.kept
            && envelope.class == class
        {
            senders.entry(envelope.sender).or_default().insert(envelope.token, &envelope.body);
        }
    }
    senders
}

/// The inboxes of devices that no machine is any more, because its state was put back to what it was before it became that
/// device, or because it was stolen. To the others they are silent. Or a hostile server said that they were deleted.
fn abandoned(lab: &Lab) -> BTreeSet<Folder> {
    let any = lab.truth.copied || lab.machines.iter().any(|machine| machine.stolen);
    let is_theirs = |folder: &Folder| any || lab.truth.left_by_server.contains(folder);
    let gone = |folder: &Folder| matches!(folder, Folder::Inbox(id) if lab.by_id(*id).is_none());
    if !any && lab.truth.left_by_server.is_empty() {
        return BTreeSet::new();
    }
    let announced = lab.store.envelopes().map(|(_, _, envelope)| Folder::Inbox(envelope.sender));
    lab.store.inboxes().into_iter().chain(announced).filter(gone).filter(is_theirs).collect()
}

pub(super) fn check_at_rest(lab: &Lab) -> Verdict {
    let living: BTreeSet<_> =
        living(lab).filter_map(|machine| machine.muaa.as_ref()?.id()).map(Folder::Inbox).collect();
    let suspended = lab
        .machines
        .iter()
        .any(|machine| machine.muaa.as_ref().is_some_and(|muaa| muaa.phase() == Phase::Suspended));
    let abandoned = abandoned(lab);
    let mut announced = BTreeSet::new();
    for (folder, uid, envelope) in lab.store.envelopes() {
        if abandoned.contains(&folder) || abandoned.contains(&Folder::Inbox(envelope.sender)) {
            continue;
        }
        // Nobody looks after the folder of a device that is gone; it stands only for what is somebody's own.
        if folder != Folder::Announcements && is_shared(lab, folder) && !living.contains(&folder) {
            continue;
        }
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
    let inboxes = lab.store.inboxes();
    let inboxes: BTreeSet<_> = inboxes.difference(&abandoned).copied().collect();
    match inboxes.symmetric_difference(&living).next() {
        Some(folder) if living.contains(folder) => Err(format!("{} is missing", folder.name())),
        Some(folder) if is_shared(lab, *folder) => Ok(()),
        Some(folder) if !suspended => Err(format!("left behind: the folder {}", folder.name())),
        Some(_) | None => Ok(()),
    }
}
