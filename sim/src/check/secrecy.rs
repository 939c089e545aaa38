//! 4: an account's secret key is only where a person paired a device by its code, not on one that was removed when the key
//! was made, and never in the open in a folder.

use std::collections::BTreeSet;

use sma_core::{Folder, Muaa};

use super::Verdict;
use crate::{
    lab::Lab,
    store::Kept,
    symbolic::{ACCOUNT_SECRET, Symbolic},
    truth::Origin,
};

pub(super) fn check(lab: &mut Lab, at: usize) -> Verdict {
    let machine = &lab.machines[at];
    let Some(muaa) = &machine.muaa else { return Ok(()) };
    let own = muaa.fingerprint();
    for key in muaa.account().keys {
        let Some(origin) = lab.truth.keys.get(&key) else {
            // A removal that every device forgot which knew of it, being put back to a backup, bars nobody; nor does one a device that a
            // person let in again under the key that it took since.
            let out = muaa.ended_keys().filter(|(_, how)| how.is_forced()).map(|(key, _)| key);
            let barred = out.filter(|key| lab.truth.was_rightly_removed(key)).collect();
            lab.truth.keys.insert(key, Origin { device: own, barred });
            continue;
        };
        if lab.truth.component(origin.device) != lab.truth.component(own) {
            return Err(format!(
                "{} holds an account key of a device it was never paired with",
                machine.name
            ));
        }
        if origin.barred.contains(&own) && is_removed(lab, muaa) {
            return Err(format!("{} holds an account key made after it was removed", machine.name));
        }
    }
    Ok(())
}

/// Whether somebody removed this device who is not out itself, as far as the device knows: as in 3.
fn is_removed(lab: &Lab, muaa: &Muaa<Symbolic>) -> bool {
    let out: BTreeSet<_> = muaa.ended_keys().filter(|(_, how)| how.is_forced()).map(|(key, _)| key).collect();
    let by = lab.truth.removed.get(&muaa.fingerprint());
    by.is_some_and(|by| !by.is_subset(&out))
}

pub(super) fn check_folder(lab: &Lab, folder: Folder) -> Verdict {
    let Some(mailbox) = lab.store.folders.get(&folder) else { return Ok(()) };
    // Only what came last can be new.
    let last = mailbox.messages.values().next_back().map(|stored| &stored.kept);
    let Some(Kept::Envelope(envelope)) = last else { return Ok(()) };
    if shows(&envelope.body, ACCOUNT_SECRET) {
        Err(format!("{} shows an account's secret key", folder.name()))
    } else {
        Ok(())
    }
}

/// Whether these words, of small letters and signs before them, stand in octets.
fn shows(octets: &[u8], words: &[u8]) -> bool {
    let mut at = 0;
    while let Some(window) = octets.get(at..at + words.len()) {
        if window == words {
            return true;
        }
        // What ends with an octet that no word has is passed by as a whole.
        let may_go_on = window.last().is_some_and(|last| matches!(last, b'-'..=b'z'));
        at += if may_go_on { 1 } else { words.len() };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        for before in 0..40 {
            for filler in [0, b'-', b'a', b'z', 0xff] {
                let octets = [&vec![filler; before][..], ACCOUNT_SECRET, &[filler; 3]].concat();
                assert!(shows(&octets, ACCOUNT_SECRET));
                assert!(shows(&octets[..before + ACCOUNT_SECRET.len()], ACCOUNT_SECRET));
                assert!(!shows(&octets[..before + ACCOUNT_SECRET.len() - 1], ACCOUNT_SECRET));
            }
        }
        assert!(ACCOUNT_SECRET.iter().all(|octet| matches!(octet, b'-'..=b'z')));
    }
}
