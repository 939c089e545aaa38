//! 4: an account's secret key is only where a person paired a device by its code, not on one that was removed when the key
//! was made, and never in the open in a folder.

use sma_core::{Folder, Gone};

use super::Verdict;
use crate::{lab::Lab, store::Kept, symbolic::ACCOUNT_SECRET, truth::Origin};

pub(super) fn check(lab: &mut Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return Ok(()) };
    let own = muaa.fingerprint();
    for key in muaa.account().keys {
        let Some(origin) = lab.truth.keys.get(&key) else {
            // A removal that every device forgot which knew of it, being put back to a backup, bars nobody; nor does one a device that a
            // person let in again under the key that it took since.
            let removed = muaa.ended_keys().filter(|(_, how)| *how == Gone::Removed).map(|(key, _)| key);
            let barred = removed.filter(|key| lab.truth.removed.contains_key(key)).collect();
            lab.truth.keys.insert(key, Origin { device: own, barred });
            continue;
        };
        if lab.truth.component(origin.device) != lab.truth.component(own) {
            return Err(format!(
                "{} holds an account key of a device it was never paired with",
                machine.name
            ));
        }
        if origin.barred.contains(&own) {
            return Err(format!("{} holds an account key made after it was removed", machine.name));
        }
    }
    Ok(())
}

pub(super) fn check_folder(lab: &Lab, folder: Folder) -> Verdict {
    let Some(mailbox) = lab.store.folders.get(&folder) else { return Ok(()) };
    // Only what came last can be new.
    let last = mailbox.messages.values().next_back().map(|stored| &stored.kept);
    let Some(Kept::Envelope(envelope)) = last else { return Ok(()) };
    // Few windows begin with its first octet, and only those are compared as a whole.
    let is_secret = |window: &[u8]| window[0] == ACCOUNT_SECRET[0] && window == ACCOUNT_SECRET;
    let shows = envelope.body.windows(ACCOUNT_SECRET.len()).any(is_secret);
    if shows { Err(format!("{} shows an account's secret key", folder.name())) } else { Ok(()) }
}
