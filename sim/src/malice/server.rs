//! A server that chooses: it sees every octet, and decides what is there, for how long, under which name and date, and what it answers.

use sma_core::{Class, Folder, MuaaId, Op, OpError, Timestamp, Token};

use super::put;
use crate::{
    choices::Choices,
    daily::any_offset,
    lab::Fate,
    store::{Kept, Stored},
    world::{DAY, HOUR, World},
};

/// Operations of one kind end in one way for a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Siege {
    kind: u64,
    whom: Option<usize>,
    until: Timestamp,
    pub(super) fate: Fate,
}

impl Siege {
    pub(super) fn covers(&self, op: &Op, at: usize, now: Timestamp) -> bool {
        let kind = match op {
            Op::CreateFolder(_) => 0,
            Op::DeleteFolder(_) => 1,
            Op::Append { .. } => 2,
            Op::Remove { .. } => 3,
            Op::Fetch { .. } => 4,
            Op::ListFolders | Op::Watch(_) => 5,
        };
        kind == self.kind && now < self.until && self.whom.is_none_or(|whom| whom == at)
    }
}

/// Any message it ever saw, anywhere, under any name, of any sender and kind, as often as it likes.
pub(super) fn refile<C: Choices>(world: &mut World<C>) {
    let all = world.lab.store.ever_seen();
    for _ in 0..=world.choices.below(3) {
        let Some((folder, mut envelope)) = world.any_of(&all) else { return };
        match world.choices.below(8) {
            0 => envelope.token = world.any_of(&all).map_or(envelope.token, |(_, other)| other.token),
            1 => envelope.token = fresh(world),
            2 => envelope.sender = world.any_of(&all).map_or(envelope.sender, |(_, other)| other.sender),
            3 => envelope.sender = MuaaId(world.choices.below(9)),
            4 => envelope.class = world.any_of(&Class::ALL).unwrap_or(envelope.class),
            5 => envelope.date = Timestamp(world.choices.below(world.lab.now.0 * 2)),
            _ => {}
        }
        let elsewhere = world.any_folder().filter(|_| world.choices.chance(300_000));
        let before = world.lab.store.clock_offset;
        if world.choices.chance(300_000) {
            world.lab.store.clock_offset = any_offset(world);
        }
        let what = format!("{} again", world.lab.trace.names.envelope(&envelope));
        put(world, elsewhere.unwrap_or(folder), envelope, &what);
        world.lab.store.clock_offset = before;
    }
}

fn fresh<C: Choices>(world: &mut World<C>) -> Token {
    let seed = world.choices.seed();
    Token(std::array::from_fn(|at| seed[at]))
}

/// A message is not there any more, or those that were not are back.
pub(super) fn hide_or_show<C: Choices>(world: &mut World<C>) {
    if !world.malice.hidden.is_empty() && world.choices.chance(500_000) {
        return show(world);
    }
    let all: Vec<_> = world.lab.store.envelopes().map(|(folder, uid, _)| (folder, uid)).collect();
    let Some((folder, uid)) = world.any_of(&all) else { return };
    if let Some(stored) = world.lab.store.hide(folder, uid) {
        world.lab.trace.say(|names| format!("the server hides uid {} of {}", uid.0, names.folder(folder)));
        world.malice.hidden.push((folder, stored));
    }
}

fn show<C: Choices>(world: &mut World<C>) {
    for (folder, stored) in std::mem::take(&mut world.malice.hidden) {
        // Its author looked for it in vain, and forgot it: that it is there is the server's doing.
        let now = world.lab.now;
        if world.lab.store.put(folder, stored.kept, true, now).is_some() {
            world.lab.trace.say(|names| format!("the server shows in {} what it hid", names.folder(folder)));
            world.spread(folder, None);
        }
    }
}

/// Keeps a folder as it is now.
pub(super) fn keep<C: Choices>(world: &mut World<C>) {
    if let Some(folder) = world.any_folder()
        && let Some(mailbox) = world.lab.store.folders.get(&folder)
    {
        world.malice.kept.insert(folder, (**mailbox).clone());
    }
}

/// A folder is as it was once: what came since is gone, what went since is there, and its numbers are given again.
pub(super) fn roll_back<C: Choices>(world: &mut World<C>) {
    let kept: Vec<_> = world.malice.kept.keys().copied().collect();
    let Some(folder) = world.any_of(&kept) else { return };
    let Some(mailbox) = world.malice.kept.remove(&folder) else { return };
    let late: Vec<_> = mailbox.messages.values().filter_map(token).collect();
    if world.lab.store.replace(folder, mailbox) {
        world.lab.truth.forget_foreign(folder);
        world.lab.truth.late.extend(late);
        world.lab.trace.say(|names| format!("the server rolls {} back", names.folder(folder)));
        world.spread(folder, None);
    }
}

fn token(stored: &Stored) -> Option<Token> {
    if let Kept::Envelope(envelope) = &stored.kept { Some(envelope.token) } else { None }
}

/// For a time everything of one kind ends in one way, for everybody or one device.
pub(super) fn besiege<C: Choices>(world: &mut World<C>) {
    let fates = [
        Fate::Refused(OpError::Denied),
        Fate::Refused(OpError::OverQuota),
        Fate::Refused(OpError::NoSuchFolder),
        Fate::Refused(OpError::AlreadyExists),
        Fate::Refused(OpError::NotSent),
        Fate::UnknownDone,
        Fate::UnknownLost,
        Fate::Claimed,
    ];
    let kind = world.choices.below(6);
    // An honest adapter tells no lie of its own: what a listing or a fetch answers is what the server said.
    let fates = if kind > 3 { &fates[..1] } else { &fates[..] };
    let Some(fate) = world.any_of(fates) else { return };
    let whom =
        world.choices.chance(500_000).then(|| world.choices.below(world.lab.machines.len() as u64) as usize);
    let until = world.lab.now + std::time::Duration::from_millis(world.choices.between(HOUR, 20 * DAY));
    world
        .lab
        .trace
        .say(|_| format!("for a time the server ends all of kind {kind} with {fate:?}, for {whom:?}"));
    world.malice.siege = Some(Siege { kind, whom, until, fate });
}

/// What it hid is there, and numbers that it gave twice are given anew.
pub(super) fn stop<C: Choices>(world: &mut World<C>) {
    show(world);
    // It may have said to have taken away what is still there.
    world.lab.store.disown();
    world.lab.truth.left_by_server = world.lab.store.inboxes();
    if world.malice.rates.roll_back > 0 {
        let folders: Vec<Folder> = world.lab.store.folders.keys().copied().collect();
        for folder in folders {
            world.lab.truth.forget_foreign(folder);
            world.lab.store.change_validity(folder);
            world.spread(folder, None);
        }
    }
}
