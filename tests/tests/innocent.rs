//! What must not happen to a device that did nothing wrong, whatever the network does and however long somebody was away.

use std::{sync::Arc, time::Duration};

use sma_core::{Class, Command, Envelope, Event, Folder, Ignored, MuaaId, OpError, Phase};
use sma_sim::{
    lab::Fate,
    stage::{Mishap, Stage},
    store::Kept,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Devices of one group; the first founds it.
fn paired(ids: &[u64]) -> (Stage, Vec<usize>) {
    let mut stage = Stage::new();
    let mut devices = Vec::new();
    for id in ids {
        join(&mut stage, &mut devices, *id);
    }
    (stage, devices)
}

fn join(stage: &mut Stage, devices: &mut Vec<usize>, id: u64) {
    let at = stage.add(id);
    stage.settle();
    assert!(devices.first().is_none_or(|first| stage.pair(*first, at)), "{id} does not pair");
    devices.push(at);
}

fn fail(stage: &mut Stage, at: usize, on: &str, fate: Fate, times: usize) {
    let mishap = Mishap { at, on: on.to_owned(), fate, crash: false };
    stage.mishaps.extend(std::iter::repeat_n(mishap, times));
}

fn phase(stage: &Stage, at: usize) -> Option<Phase> {
    Some(stage.lab.machines[at].muaa.as_ref()?.phase())
}

/// Takes away all that lies in a folder.
fn lose(stage: &mut Stage, id: u64) {
    let mailbox = stage.lab.store.folders.get_mut(&Folder::Inbox(MuaaId(id))).expect("the folder stands");
    Arc::make_mut(mailbox).messages.clear();
}

/// What it announced that is gone, and what stands.
fn announcements_of(stage: &Stage, id: u64) -> Vec<Envelope> {
    let gone = stage.lab.store.remembered.iter().map(|(_, envelope)| envelope);
    let known = gone.chain(stage.lab.store.envelopes().map(|(.., envelope)| envelope));
    let of_it =
        known.filter(|envelope| envelope.class == Class::Announcement && envelope.sender == MuaaId(id));
    of_it.cloned().collect()
}

/// Nobody was suspended, and nobody was asked about a folder.
fn nobody_was_harmed(stage: &Stage) {
    let harm = |event: &Event| {
        matches!(event, Event::FolderDeleted { .. } | Event::PhaseChanged(Phase::Suspended | Phase::Removed))
    };
    let harmed: Vec<_> = stage.told.iter().filter(|(_, event)| harm(event)).collect();
    assert_eq!(harmed, Vec::<&(usize, Event)>::new());
    assert_eq!(stage.broken(), None);
}

/// 1 is in a group with 2 that has a new subkey, and enters one in which 2 was removed.
#[test]
fn whom_the_entered_group_does_not_take_in_can_read_that_it_is_told() {
    let (mut stage, devices) = paired(&[1, 2]);
    let (one, two) = (devices[0], devices[1]);
    stage.advance(60 * DAY);
    let three = stage.add(3);
    stage.settle();
    stage.command(three, Command::StartApart).unwrap();
    stage.settle();
    stage.cut.insert(one);
    stage.offer(three, two).unwrap();
    stage.settle();
    stage.type_code(three, two).unwrap();
    stage.settle();
    stage.lab.stop(two);
    stage.command(three, Command::Remove { id: MuaaId(2) }).unwrap();
    stage.settle();
    lose(&mut stage, 1);
    lose(&mut stage, 2);
    stage.cut.remove(&one);
    stage.advance(2 * HOUR);
    assert!(stage.pair(three, one));
    stage.told.clear();
    stage.lab.start(two);
    stage.settle();
    let cannot = |(at, event): &(usize, Event)| {
        *at == two && matches!(event, Event::Ignored { why: Ignored::Unproven, .. })
    };
    assert!(!stage.told.iter().any(cannot), "it cannot read what it was told");
    assert_eq!(phase(&stage, two), Some(Phase::Removed));
}

/// 2 was removed, the word is lost, and the foremost member is away.
#[test]
fn a_removed_device_that_writes_to_a_member_is_told_by_it() {
    let (mut stage, devices) = paired(&[1, 2, 3]);
    let [one, two, three] = devices[..] else { unreachable!() };
    stage.lab.stop(two);
    stage.command(three, Command::Remove { id: MuaaId(2) }).unwrap();
    stage.settle();
    lose(&mut stage, 2);
    stage.lab.stop(one);
    stage.lab.start(two);
    stage.settle();
    stage.command(two, Command::Rename { name: "thief".to_owned() }).unwrap();
    stage.advance(HOUR);
    assert_eq!(phase(&stage, two), Some(Phase::Removed));
}

/// 4 left and looked in vain for the announcement that the network held up.
#[test]
fn a_late_announcement_of_a_device_that_left_is_taken_away() {
    let (mut stage, devices) = paired(&[1, 4]);
    let four = devices[1];
    stage.advance(6 * DAY);
    fail(&mut stage, four, "announcement(4)", Fate::UnknownLost, 1);
    fail(&mut stage, four, "announcement(4)", Fate::Refused(OpError::Denied), 8);
    stage.advance(DAY);
    stage.command(four, Command::Leave).unwrap();
    stage.advance(2 * HOUR);
    assert!(stage.arrive(four, "announcement"));
    stage.advance(2 * DAY);
    let by_four = stage.lab.store.envelopes().filter(|(_, _, envelope)| envelope.sender == MuaaId(4));
    assert_eq!(by_four.count(), 0, "what it announced lies there");
    assert_eq!(stage.broken(), None);
}

/// 1 wants to delete the folder of 2, is refused, and hears 2 before it is done.
#[test]
fn r7_a_wish_to_delete_a_folder_falls_when_its_owner_is_heard() {
    let (mut stage, mut devices) = paired(&[1, 2]);
    let (one, two) = (devices[0], devices[1]);
    stage.advance(60 * HOUR);
    join(&mut stage, &mut devices, 3);
    stage.lab.stop(two);
    fail(&mut stage, one, "DELETE", Fate::Refused(OpError::Denied), 12);
    stage.advance(174 * DAY);
    stage.advance(132 * HOUR);
    assert!(stage.mishaps.len() < 12, "it wants to delete the folder");
    stage.lab.stop(one);
    stage.lab.start(two);
    stage.advance(DAY);
    stage.lab.start(one);
    stage.advance(2 * DAY);
    nobody_was_harmed(&stage);
}

/// 1 has asked the server to delete the folder of 2, and the network holds that up until 2 is back.
#[test]
fn r7_a_deletion_that_arrives_when_the_owner_is_back_harms_nobody() {
    let (mut stage, devices) = paired(&[1, 2, 3]);
    let (one, two) = (devices[0], devices[1]);
    stage.lab.stop(two);
    fail(&mut stage, one, "DELETE", Fate::UnknownLost, 1);
    fail(&mut stage, one, "DELETE", Fate::Refused(OpError::Denied), 9);
    stage.advance(182 * DAY);
    stage.advance(6 * DAY);
    assert!(stage.mishaps.len() < 10, "it wants to delete the folder");
    stage.told.clear();
    stage.lab.start(two);
    stage.settle();
    assert!(stage.arrive(one, "DELETE"));
    stage.advance(3 * DAY);
    nobody_was_harmed(&stage);
}

/// 3 was away itself, and does not know for how long 2 was silent.
#[test]
fn r7_nobody_is_asked_about_a_folder_that_was_cleared_away_while_it_was_off() {
    let (mut stage, devices) = paired(&[1, 2, 3]);
    let (two, three) = (devices[1], devices[2]);
    stage.lab.stop(two);
    stage.advance(20 * DAY);
    stage.lab.stop(three);
    stage.advance(172 * DAY);
    assert!(!stage.lab.store.folders.contains_key(&Folder::Inbox(MuaaId(2))), "it was cleared away");
    stage.lab.start(three);
    stage.advance(2 * DAY);
    let asked = stage.told.iter().any(|(_, event)| matches!(event, Event::FolderDeleted { .. }));
    assert!(!asked, "nobody deleted it by hand");
}

#[test]
fn r7_whoever_was_away_for_half_a_year_is_not_misled_by_an_announcement_that_is_shown_again() {
    let (mut stage, devices) = paired(&[1, 2, 3]);
    let (two, three) = (devices[1], devices[2]);
    stage.lab.stop(two);
    stage.lab.stop(three);
    stage.advance(200 * DAY);
    assert!(!stage.lab.store.folders.contains_key(&Folder::Inbox(MuaaId(3))), "it was cleared away");
    for said in announcements_of(&stage, 3) {
        stage.lab.store.put(Folder::Announcements, Kept::Envelope(said), true, stage.lab.now);
    }
    stage.lab.start(two);
    stage.settle();
    stage.lab.start(three);
    stage.advance(20 * DAY);
    nobody_was_harmed(&stage);
}

/// A message with a date far ahead hides from 2 how long it was away, and its announcement is shown again: it makes its folder anew because
/// the one that it posts does not stand yet. A deletion that is still under way then takes that folder too.
#[test]
fn r7_a_deletion_that_arrives_when_the_owner_has_made_its_folder_anew_harms_nobody() {
    let (mut stage, devices) = paired(&[1, 2, 3]);
    let (one, two, three) = (devices[0], devices[1], devices[2]);
    stage.cut.extend([one, three]);
    let ahead = announcements_of(&stage, 3);
    for said in &ahead {
        stage.lab.store.put(
            Folder::Announcements,
            Kept::Envelope(said.clone()),
            true,
            stage.lab.now + 400 * DAY,
        );
    }
    stage.lab.notice(two, Folder::Announcements);
    stage.advance(2 * DAY);
    stage.lab.stop(two);
    let mailbox = stage.lab.store.folders.get_mut(&Folder::Announcements).expect("the folder stands");
    Arc::make_mut(mailbox).messages.retain(|_, stored| !stored.injected);
    stage.cut.clear();
    fail(&mut stage, one, "DELETE", Fate::UnknownLost, 1);
    stage.advance(182 * DAY);
    stage.advance(6 * DAY);
    assert!(!stage.lab.store.folders.contains_key(&Folder::Inbox(MuaaId(2))), "it was cleared away");
    for said in announcements_of(&stage, 2) {
        stage.lab.store.put(Folder::Announcements, Kept::Envelope(said), true, stage.lab.now);
    }
    stage.told.clear();
    stage.lab.start(two);
    stage.settle();
    assert!(stage.lab.store.folders.contains_key(&Folder::Inbox(MuaaId(2))), "it is back");
    assert!(stage.arrive(one, "DELETE"));
    stage.advance(3 * DAY);
    nobody_was_harmed(&stage);
}
