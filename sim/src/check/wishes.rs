//! 2: what people chose is what all devices have at rest: whether mail asks for encryption, the account's key, the keys that they destroyed.
//! Of what they said at the same time on several devices either may stand.
//!
//! What a device said that was put back to a backup, or left, may be lost, and a thief chooses as people do; nothing is judged there.
//!
//! Seen to fire: with the earlier one taken of two preferences that arrive, `run --seed 9 --muaas 3 --days 60 --faults all`.

use std::collections::BTreeSet;

use super::{Verdict, living};
use crate::lab::Lab;

pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    if lab.truth.copied || lab.truth.thief.is_some() {
        return Ok(());
    }
    let deeds = &lab.truth.deeds;
    let preferences = deeds.preferences(|device| lab.truth.removed.contains_key(device));
    let groups: BTreeSet<_> = living(lab).filter_map(|machine| machine.muaa.as_ref()?.group()).collect();
    for machine in living(lab) {
        let Some(muaa) = &machine.muaa else { continue };
        let name = &machine.name;
        let is_member = |wanted| muaa.member_keys().any(|key| key == wanted);
        if groups.len() == 1 && !preferences.contains(&muaa.prefers_encrypt()) {
            return Err(format!("{name} has a preference that nobody said last"));
        }
        let account = muaa.account();
        let of_group = deeds.destroyed().filter(|one| one.group == muaa.group() && is_member(one.by));
        let stays = |by| !lab.truth.removed.contains_key(by) && !deeds.has_left(by);
        for destroyed in of_group.filter(|one| stays(&one.by)) {
            if !account.destroyed.contains(&destroyed.key) || account.keys.contains(&destroyed.key) {
                return Err(format!("{name} has the key {}, which a person destroyed", destroyed.key));
            }
        }
        if let Some(adopted) = deeds
            .adopted()
            .filter(|adopted| groups.len() == 1 && is_member(adopted.device) && stays(&adopted.device))
        {
            if account.current != Some(adopted.key) {
                return Err(format!("{name} has another current key than a person chose: {}", adopted.key));
            }
            let version = adopted.version.as_ref();
            if version.is_some() && muaa.account_secret(&adopted.key) != version {
                return Err(format!("{name} has another version of the key that a person chose"));
            }
        }
    }
    Ok(())
}
