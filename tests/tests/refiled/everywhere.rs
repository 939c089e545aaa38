//! All that a server kept of a run, filed again in each folder there is.

use std::{collections::BTreeSet, time::Duration};

use sma_core::{Class, Command, Envelope, Event, Folder, MuaaId};

use super::{DAY, Play};

/// Who left.
const LEFT: MuaaId = MuaaId(33);

/// Devices that paired and told each other things, one of which left, and another group that became one with theirs; the members, and all
/// that was ever filed.
fn lived() -> (Play, Vec<usize>, Vec<Envelope>) {
    let mut play = Play::paired(&[1, 27, LEFT.0]);
    let stage = &mut play.stage;
    stage.command(0, Command::Rename { name: "desk".to_owned() }).unwrap();
    stage.advance(10 * DAY);
    stage.command(2, Command::Leave).unwrap();
    stage.advance(2 * DAY);
    let [one, other] = [40, 41].map(|id| {
        let at = stage.add(id);
        stage.settle();
        at
    });
    stage.command(one, Command::StartApart).unwrap();
    stage.settle();
    assert!(stage.pair(one, other));
    assert!(stage.pair(0, one), "the groups become one");
    stage.advance(10 * DAY);
    let members = vec![0, 1, one, other];
    assert!(stage.are_paired(&members));
    let lying = stage.lab.store.envelopes().map(|(.., envelope)| envelope);
    let kept = lying.chain(stage.lab.store.remembered.iter().map(|(_, envelope)| envelope));
    let kept: Vec<_> = kept.cloned().collect();
    let classes: BTreeSet<_> = kept.iter().map(|envelope| envelope.class).collect();
    for class in [Class::Announcement, Class::Request, Class::Offer, Class::Join, Class::Accept, Class::Sync]
    {
        assert!(classes.contains(&class), "each class of a pairing is there");
    }
    (play, members, kept)
}

/// Files each of these in each folder, under its old name and under another one, and gives what anybody is told but that a message
/// was not used.
fn file_everywhere(play: &mut Play, kept: &[Envelope]) -> Vec<String> {
    let folders: Vec<Folder> = play.stage.lab.store.folders.keys().copied().collect();
    let mut found = Vec::new();
    for (envelope, folder) in kept.iter().flat_map(|one| folders.iter().map(move |folder| (one, *folder))) {
        for anew in [true, false] {
            let from = play.stage.told.len();
            if anew {
                play.file(folder, envelope)
            } else {
                play.lay(folder, envelope.clone())
            }
            play.stage.settle();
            let told =
                play.stage.told[from..].iter().filter(|(_, event)| !matches!(event, Event::Ignored { .. }));
            let said = (envelope.class.name(), envelope.sender);
            found.extend(
                told.map(|(at, event)| {
                    format!("{} of {} in {}: {at} {event:?}", said.0, said.1, folder.name())
                }),
            );
        }
    }
    play.stage.advance(Duration::from_secs(3600));
    found
}

#[test]
fn whatever_members_said_and_is_filed_again_in_any_folder_tells_nothing_moves_nobody_and_takes_no_room() {
    let (mut play, members, mut kept) = lived();
    kept.retain(|envelope| (envelope.sender, envelope.class) != (LEFT, Class::Announcement));
    let stands =
        |play: &Play| -> Vec<_> { members.iter().map(|at| (play.id(*at), play.members(*at))).collect() };
    let sizes = |play: &Play| -> Vec<usize> { members.iter().map(|at| play.size(*at)).collect() };
    let (before, mut small) = (stands(&play), sizes(&play));
    // What is remembered of messages that were used is remembered once.
    for more in [2048, 256] {
        assert_eq!(file_everywhere(&mut play, &kept), Vec::<String>::new());
        assert!(stands(&play) == before && play.moves() == 0, "everybody is who and where it was");
        let large = sizes(&play);
        assert!(small.iter().zip(&large).all(|(small, large)| *large < small + more), "{small:?} {large:?}");
        small = large;
    }
    assert!(play.stage.are_paired(&members));
    assert_eq!(play.stage.broken(), None);
}

#[test]
fn an_announcement_of_a_device_that_left_and_is_filed_again_weeks_later_tells_nothing() {
    let (mut play, _, mut kept) = lived();
    kept.retain(|envelope| (envelope.sender, envelope.class) == (LEFT, Class::Announcement));
    assert_eq!(file_everywhere(&mut play, &kept), Vec::<String>::new());
}
