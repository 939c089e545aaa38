//! 9: a message that is nobody's keeps its uid and its octets. Only a person who deletes a folder takes what somebody filed into
//! it along.

use sma_core::{Folder, Uid};

use super::Verdict;
use crate::{lab::Lab, store::Kept};

pub(super) fn check(lab: &Lab, folder: Folder) -> Verdict {
    check_where(lab, |place| place == folder)
}

pub(super) fn check_all(lab: &Lab) -> Verdict {
    check_where(lab, |_| true)
}

fn check_where(lab: &Lab, wanted: impl Fn(Folder) -> bool) -> Verdict {
    for (folder, uid, octets) in lab.truth.foreign.iter().filter(|(folder, ..)| wanted(*folder)) {
        let Some(mailbox) = lab.store.folders.get(folder) else { continue };
        let stored = mailbox.messages.get(uid).map(|stored| &stored.kept);
        if !matches!(stored, Some(Kept::Foreign(there)) if there == octets) {
            let Uid(uid) = uid;
            return Err(format!("the foreign message uid {uid} of {} was changed", folder.name()));
        }
    }
    Ok(())
}
