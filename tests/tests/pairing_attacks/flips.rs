//! Every octet of every message of a pairing, with one bit flipped on its way.

use sma_core::{Class, Event, Folder, MuaaId, Uid};
use sma_sim::{stage::Stage, store::Kept};

use crate::server::{burnt, holds, mailbox, still_pairs};

/// The stage at the moment when a message has been stored and nobody has read it.
struct Moment {
    stage: Stage,
    folder: Folder,
    uid: Uid,
    class: Class,
    length: usize,
}

/// Plays a pairing and keeps the moment of each message, from the newcomer's announcement to the last acknowledgement.
fn moments() -> Vec<Moment> {
    let mut stage = Stage::new();
    stage.add(1);
    stage.settle();
    stage.add(27);
    let mut moments = Vec::new();
    play(&mut stage, &mut moments);
    stage.offer(0, 1).unwrap();
    play(&mut stage, &mut moments);
    stage.type_code(0, 1).unwrap();
    play(&mut stage, &mut moments);
    assert!(stage.are_paired(&[0, 1]));
    moments
}

fn play(stage: &mut Stage, moments: &mut Vec<Moment>) {
    loop {
        let moved = (0..2).fold(false, |moved, at| {
            let before = next_uids(stage);
            let turned = stage.turn_of(at);
            for (folder, next) in next_uids(stage) {
                let new = before.iter().all(|(known, uid)| *known != folder || *uid < next);
                if new && next > 1 {
                    moments.extend(moment(stage, folder, Uid(next - 1)));
                }
            }
            moved || turned
        });
        if moved {
            continue;
        }
        let soon = stage.lab.machines.iter().filter_map(|machine| machine.wakes()).min();
        let Some(due) = soon.filter(|due| due.0 <= stage.lab.now.0 + 60_000) else { return };
        stage.lab.now = due.max(stage.lab.now + std::time::Duration::from_millis(1));
        (0..2).for_each(|at| stage.lab.wake(at));
    }
}

fn next_uids(stage: &Stage) -> Vec<(Folder, u32)> {
    stage.lab.store.folders.iter().map(|(folder, mailbox)| (*folder, mailbox.next_uid)).collect()
}

fn moment(stage: &Stage, folder: Folder, uid: Uid) -> Option<Moment> {
    match &stage.lab.store.folders[&folder].messages.get(&uid)?.kept {
        Kept::Envelope(envelope) => Some(Moment {
            stage: stage.clone(),
            folder,
            uid,
            class: envelope.class,
            length: envelope.body.len(),
        }),
        Kept::Foreign(_) | Kept::Huge(_) => None,
    }
}

impl Moment {
    /// Changes the message on its way, lets the devices go on, and asserts that it was ignored.
    fn with(&self, change: impl FnOnce(&mut sma_core::Envelope), what: &str) -> Stage {
        let mut stage = self.stage.clone();
        let stored = mailbox(&mut stage, self.folder).messages.get_mut(&self.uid).unwrap();
        stored.injected = true;
        let Kept::Envelope(envelope) = &mut stored.kept else { unreachable!() };
        change(envelope);
        stage.lab.trace.say(|_| what.to_owned());
        stage.settle();
        let ignored = |event: &Event| matches!(event, Event::Ignored { folder, uid, .. } if (*folder, *uid) == (self.folder, self.uid));
        assert!(stage.told.iter().any(|(_, event)| ignored(event)), "{what} was not ignored");
        assert!(burnt(&stage).is_empty(), "{what} cost a guess");
        stage
    }
}

#[test]
fn a_pairing_is_these_messages() {
    let classes: Vec<_> = moments().iter().map(|moment| moment.class).collect();
    let in_order =
        [Class::Announcement, Class::Request, Class::Offer, Class::Join, Class::Accept, Class::Sync];
    let mut rest = classes.iter();
    for class in in_order {
        assert!(rest.any(|one| *one == class), "{class:?} is not in its place in {classes:?}");
    }
}

#[test]
fn no_octet_of_a_pairing_can_be_flipped_and_the_devices_pair_with_a_new_code() {
    let mut flips = 0;
    for (nth, moment) in moments().iter().enumerate() {
        for at in 0..moment.length {
            let what = format!("message {nth}, {}: octet {at}", moment.class.name());
            let flip = |envelope: &mut sma_core::Envelope| {
                let mut octets = envelope.body.to_vec();
                octets[at] ^= 1 << (at % 8);
                envelope.body = octets.into();
            };
            let mut stage = moment.with(flip, &what);
            still_pairs(&mut stage, 0, 1);
            flips += 1;
        }
    }
    assert!(flips > 1000, "only {flips} octets were flipped");
}

#[test]
fn after_a_flipped_message_everything_is_in_order_again_in_time() {
    for (nth, moment) in moments().iter().enumerate() {
        let what = format!("message {nth}, {}", moment.class.name());
        let flip = |envelope: &mut sma_core::Envelope| {
            let mut octets = envelope.body.to_vec();
            octets[moment.length / 2] ^= 1;
            envelope.body = octets.into();
        };
        let mut stage = moment.with(flip, &what);
        still_pairs(&mut stage, 0, 1);
        // A damaged announcement is replaced by the next one, a heartbeat later.
        stage.advance(stage.lab.machines[0].config.heartbeat);
        holds(&mut stage);
    }
}

#[test]
fn no_header_of_a_pairing_can_be_changed_and_the_devices_pair_with_a_new_code() {
    for (nth, moment) in moments().iter().enumerate() {
        let what = format!("message {nth}, {}", moment.class.name());
        // Who sends a sealed message stands inside; its header only helps to find a key.
        for class in Class::ALL.into_iter().filter(|class| *class != moment.class) {
            let what = format!("{what} as {}", class.name());
            still_pairs(&mut moment.with(|envelope| envelope.class = class, &what), 0, 1);
        }
        for bit in 0..64 {
            let what = format!("{what} with another sender");
            let other = |envelope: &mut sma_core::Envelope| {
                envelope.sender = MuaaId(envelope.sender.0 ^ (1 << bit));
            };
            still_pairs(&mut moment.with(other, &what), 0, 1);
        }
    }
}
