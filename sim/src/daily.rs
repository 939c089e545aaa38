//! What happens once a day, or not: people at their devices, strangers, and a server with a life of its own.

use bytes::Bytes;
use sma_core::{Class, Command, Crypto, Envelope, Folder, Phase, Timestamp, Token};

use crate::{
    choices::Choices,
    mail::{Key, Mail, address},
    store::Kept,
    symbolic::{Symbolic, renewed},
    world::{DAY, HOUR, Happening, World},
};

/// Draws what happens today.
pub(crate) fn happen<C: Choices>(world: &mut World<C>) {
    let faults = world.faults;
    let all = [
        (faults.silence, silence as fn(&mut World<C>)),
        (faults.setting, change_setting),
        (faults.removal, remove_or_leave),
        (faults.inbox_deleted, delete_inbox),
        (faults.all_deleted, delete_all),
        (faults.validity, change_validity),
        (faults.foreign, file_foreign),
        (faults.garbage, put_garbage),
        (faults.replay, replay),
        (faults.backup, back_up_or_restore),
        (faults.copy, copy),
        (faults.dates_jump, jump),
        (faults.mail, receive_mail),
        (faults.renewal, change_key),
        (faults.destruction, destroy_key),
        (faults.clock_set, set_clock),
    ];
    for (rate, happens) in all {
        if world.choices.chance(rate) {
            happens(world);
        }
    }
}

fn any_machine<C: Choices>(world: &mut World<C>) -> usize {
    world.choices.below(world.lab.machines.len() as u64) as usize
}

/// A machine is off for a day, a month, or longer than anything expires.
fn silence<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    let longest = [2, 40, 200, 400][world.choices.below(4) as usize];
    let wait = world.choices.between(HOUR, longest * DAY);
    if world.lab.machines[at].muaa.is_some() {
        world.lab.trace.say(|_| format!("{} is switched off for {} days", at + 1, wait / DAY));
        world.lab.stop(at);
        world.later(wait, Happening::Starts { at });
    }
}

/// What a machine had saved once is all it knows from now on.
fn back_up_or_restore<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    if world.lab.machines[at].backup.is_none() || world.choices.chance(300_000) {
        return world.lab.back_up(at);
    }
    world.lab.trace.say(|_| format!("{} is put back to its backup", at + 1));
    world.lab.restore_backup(at);
    world.later(HOUR, Happening::Starts { at });
}

/// A machine with all that another one has saved.
fn copy<C: Choices>(world: &mut World<C>) {
    let of = any_machine(world);
    if world.lab.machines.len() >= world.machines_max() || world.lab.machines[of].durable.is_none() {
        return;
    }
    let seed = world.choices.seed();
    let at = world.add_copy(of, seed);
    world.lab.trace.say(|_| format!("{} is copied, which gives {}", of + 1, at + 1));
    world.later(HOUR, Happening::Starts { at });
}

fn change_setting<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    let command = if world.choices.chance(500_000) {
        Command::Rename { name: format!("name {}", world.choices.below(1000)) }
    } else {
        Command::SetPreferEncrypt { mutual: world.choices.chance(500_000) }
    };
    world.lab.command(at, command);
    world.pump(at);
}

/// A clock is put right, or wrong by up to ten years; a program notices when it does something the next time.
fn set_clock<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    let decade = 3650 * DAY;
    let wrong = world.choices.chance(500_000);
    let off = if wrong { world.choices.below(2 * decade) as i64 - decade as i64 } else { 0 };
    world.lab.machines[at].set_clock(off);
    world.lab.trace.say(|_| format!("the clock of {} is set {} days ahead", at + 1, off / DAY as i64));
}

/// A person gives the current key another version, or has an old one, or a fresh one, be the current one.
fn change_key<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    let Some(muaa) = world.lab.machines[at].muaa.as_ref() else { return };
    let keys = muaa.account().keys;
    let fresh = Symbolic.new_account_key("anna@example.org", &world.choices.seed(), world.lab.now);
    let picked = keys.get(world.choices.below(keys.len() as u64) as usize);
    let secret = match (world.choices.below(4), picked.and_then(|key| muaa.account_secret(key)), fresh) {
        (0, _, Ok(fresh)) => fresh.secret,
        (1, Some(old), _) => old.clone(),
        (_, Some(old), _) => renewed(old, world.choices.below(1000)),
        (_, None, _) => return,
    };
    world.lab.trace.say(|_| format!("{} is given a key", at + 1));
    world.lab.command(at, Command::AdoptKey { secret });
    world.pump(at);
}

/// A person destroys a key that mail does not carry.
fn destroy_key<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    let Some(muaa) = world.lab.machines[at].muaa.as_ref() else { return };
    let account = muaa.account();
    let old: Vec<_> = account.keys.into_iter().filter(|key| Some(*key) != account.current).collect();
    if let Some(fingerprint) = old.get(world.choices.below(old.len() as u64) as usize).copied() {
        world.lab.trace.say(|_| format!("{} is told to destroy a key", at + 1));
        world.lab.command(at, Command::DestroyKey { fingerprint });
        world.pump(at);
    }
}

/// As long as three are in the group, so that somebody is left to talk to.
fn remove_or_leave<C: Choices>(world: &mut World<C>) {
    let at = any_machine(world);
    let Some(muaa) = world.lab.machines[at].muaa.as_ref() else { return };
    let own = muaa.fingerprint();
    let members: Vec<_> = muaa.siblings().into_iter().filter(|sibling| sibling.member).collect();
    if muaa.phase() != Phase::Paired || members.len() < 2 {
        return;
    }
    if world.choices.chance(300_000) {
        world.lab.trace.say(|_| format!("{} is told to leave", at + 1));
        world.lab.command(at, Command::Leave);
    } else {
        let target = &members[world.choices.below(members.len() as u64) as usize];
        world.lab.trace.say(|names| format!("{} is told to remove {}", at + 1, names.id(target.id)));
        if world.lab.command(at, Command::Remove { id: target.id }) == Some(Ok(())) {
            world.lab.truth.remove(own, target.fingerprint);
        }
    }
    world.pump(at);
}

fn delete<C: Choices>(world: &mut World<C>, folder: Folder) {
    world.lab.delete_by_hand(folder);
    world.lab.trace.say(|names| format!("somebody deletes {}", names.folder(folder)));
    world.spread(folder, None);
}

fn delete_inbox<C: Choices>(world: &mut World<C>) {
    if let Some(folder) = world.any_folder().filter(|folder| *folder != Folder::Announcements) {
        delete(world, folder);
    }
}

fn delete_all<C: Choices>(world: &mut World<C>) {
    let folders: Vec<_> = world.lab.store.folders.keys().copied().collect();
    folders.into_iter().for_each(|folder| delete(world, folder));
}

fn change_validity<C: Choices>(world: &mut World<C>) {
    if let Some(folder) = world.any_folder() {
        world.lab.truth.forget_foreign(folder);
        world.lab.store.change_validity(folder);
        world.lab.trace.say(|names| format!("the server numbers {} anew", names.folder(folder)));
    }
}

fn file_foreign<C: Choices>(world: &mut World<C>) {
    let octets = Bytes::copy_from_slice(&world.choices.seed());
    if let Some(folder) = world.any_folder() {
        world.put(folder, Kept::Foreign(octets), "a message of his own");
    }
}

/// Octets with the archive's header: random ones, or a message of ours with a flipped bit.
fn put_garbage<C: Choices>(world: &mut World<C>) {
    let Some(folder) = world.any_folder() else { return };
    let token = world.choices.seed();
    let token = Token(std::array::from_fn(|at| token[at]));
    let ours: Vec<_> = world.lab.store.envelopes().map(|(_, _, envelope)| envelope.clone()).collect();
    let class = Class::ALL[world.choices.below(Class::ALL.len() as u64) as usize];
    let random = Envelope {
        sender: sma_core::MuaaId(world.choices.below(9)),
        token,
        class,
        date: world.lab.now.hour(),
        body: Bytes::copy_from_slice(&world.choices.seed()),
    };
    let like = ours.get(world.choices.below(ours.len() as u64 + 1) as usize);
    let envelope = match like.filter(|envelope| !envelope.body.is_empty()) {
        Some(envelope) => {
            let mut body = envelope.body.to_vec();
            let bit = world.choices.below(body.len() as u64 * 8) as usize;
            body[bit / 8] ^= 1 << (bit % 8);
            let token = if world.choices.chance(500_000) { token } else { envelope.token };
            Envelope { token, body: body.into(), ..envelope.clone() }
        }
        None => random,
    };
    world.put(folder, Kept::Envelope(envelope), "garbage");
}

/// A message of ours is there again, in its folder or in another one, under its name, another one, or that of a message that lies there.
fn replay<C: Choices>(world: &mut World<C>) {
    let all = world.lab.store.ever_seen();
    let Some((folder, mut envelope)) = world.any_of(&all) else { return };
    let token = world.choices.seed();
    let lying = world.any_of(&all).map(|(_, other)| other.token);
    envelope.token = match world.choices.below(6) {
        0..4 => envelope.token,
        4 => Token(std::array::from_fn(|at| token[at])),
        _ => lying.unwrap_or(envelope.token),
    };
    let elsewhere = world.any_folder().filter(|_| world.choices.chance(200_000));
    let what = world.lab.trace.names.envelope(&envelope);
    world.put(elsewhere.unwrap_or(folder), Kept::Envelope(envelope), &format!("{what} again"));
}

/// A server that was moved tells other dates from today on.
pub(crate) fn jump<C: Choices>(world: &mut World<C>) {
    world.lab.store.clock_offset = any_offset(world);
    world.lab.trace.say(|_| "the server's clock jumps".to_owned());
}

/// Up to two years.
pub(crate) fn any_offset<C: Choices>(world: &mut World<C>) -> i64 {
    let years = 730 * DAY;
    world.choices.below(2 * years) as i64 - years as i64
}

/// People who write mail.
const PEERS: [&str; 4] = ["bob", "carol", "dave", "eve"];
/// 3000-01-01 00:00 UTC.
const YEAR_3000: Timestamp = Timestamp::from_secs(32_503_680_000);

/// Some mails arrive, and each is read on one device alone: with the sender's key or without, of today, or of the last months,
/// or with a date from the future. Now and then a person deletes a peer.
fn receive_mail<C: Choices>(world: &mut World<C>) {
    for _ in 0..=world.choices.below(4) {
        let at = any_machine(world);
        let received = Timestamp(world.lab.now.0.saturating_add_signed(world.lab.store.clock_offset));
        let peer = PEERS[world.choices.below(PEERS.len() as u64) as usize];
        let command = match world.choices.below(11) {
            10 => Ok(Command::Wrote { addresses: address(peer).into_iter().collect(), date: received }),
            0 => Ok(Command::DeletePeer { address: format!("{peer}@example.org"), date: received }),
            1 => {
                let about = PEERS[world.choices.below(PEERS.len() as u64) as usize];
                let mail = Mail { from: peer.to_owned(), date: date(world, received), received, key: None };
                mail.decrypted(about, &key(world))
            }
            kind => {
                let key = (kind > 4).then(|| key(world));
                Mail { from: peer.to_owned(), date: date(world, received), received, key }.read()
            }
        };
        world.lab.trace.say(|_| format!("{} reads a mail of {peer}, or forgets him", at + 1));
        // A mail may tell nothing, and a device may be over.
        if let Ok(command) = command {
            world.lab.command(at, command);
            world.pump(at);
        }
    }
}

fn key<C: Choices>(world: &mut World<C>) -> Key {
    let octets = vec![world.choices.below(3) as u8; 64].into();
    Key { octets, mutual: world.choices.chance(500_000) }
}

/// Whole days, so that some are equal.
fn date<C: Choices>(world: &mut World<C>, received: Timestamp) -> Timestamp {
    let midnight = Timestamp(received.0 - received.0 % DAY);
    match world.choices.below(20) {
        0 => YEAR_3000,
        1..8 => Timestamp(midnight.0.saturating_sub(DAY * world.choices.below(90))),
        _ => midnight,
    }
}
