//! 13: what strangers do displaces no key of a person: at rest every device knows the latest key that a device of its group read in a mail of
//! somebody to whom the account wrote, or a later one; while there are no more people than are kept, of anybody.
//!
//! Judged are the letters whose reader is still the same member. A member may say of people what it likes, so nothing is judged where there
//! was a thief, and nothing of who ever had a wrong clock: what it believes depends on that (8.8). What a removed device read, or deleted,
//! took the place of what others had read, and gives way to any other letter, an older one too (8.8, 6): of a person of whom a removed device
//! ever told something nothing is judged. It fired there, as in `run --seed 1357 --muaas 4 --days 60 --faults all --malice server`.
//!
//! Seen to fire: with `Command::Wrote` doing nothing, `run --seed 58 --muaas 4 --days 60 --faults all --malice stranger`.

use sma_core::Fingerprint;

use super::{Verdict, living};
use crate::{
    lab::{Lab, Machine},
    mail::Letter,
};

pub(super) fn check_at_end(lab: &Lab) -> Verdict {
    if lab.truth.thief.is_some() {
        return Ok(());
    }
    let right = |machine: &&Machine| !machine.is_misled();
    let gives_way = |device: &Fingerprint| lab.truth.removed.contains_key(device);
    for machine in living(lab).filter(right) {
        let Some(muaa) = machine.muaa.as_ref().filter(|muaa| muaa.group().is_some()) else { continue };
        let all_fit = lab.truth.letters.people() <= machine.config.peers_max;
        let counts = |letter: &Letter| {
            let reader = &lab.machines[letter.at];
            let same = reader.muaa.as_ref().is_some_and(|reader| reader.fingerprint() == letter.device);
            let stays = same && !lab.truth.deeds.has_left(&letter.device);
            let is_member = stays && muaa.member_keys().any(|key| key == letter.device);
            is_member && !reader.is_misled() && (letter.answered || all_fit)
        };
        let peers = muaa.peers();
        for (addr, keys) in lab.truth.letters.expected(counts, gives_way) {
            match peers.get(addr).and_then(|peer| peer.header) {
                Some(known) if keys.contains(&known.key) => {}
                Some(_) => return Err(format!("{} has an older key of {addr} than was read", machine.name)),
                None => return Err(format!("{} forgot {addr}", machine.name)),
            }
        }
    }
    Ok(())
}
