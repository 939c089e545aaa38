//! All that was ever written, shown again when it is long over.

use std::collections::BTreeMap;

use sma_core::{Command, Envelope, Event, Folder, Form, MuaaId, Token};
use sma_sim::{stage::Stage, store::Kept};
use sma_tests::account::{join, members, muaa};

use super::{DAY, keys, phished, told};

/// The server shows this again, in the folders where it lay and in these devices' inboxes, under its name or under a fresh one.
fn show_again(stage: &mut Stage, all: &[(Folder, Envelope)], devices: &[usize], anew: bool) {
    let inboxes: Vec<_> = devices.iter().filter_map(|at| stage.id(*at)).map(Folder::Inbox).collect();
    for (nth, (folder, envelope)) in all.iter().enumerate() {
        let elsewhere = inboxes.iter().filter(|_| *folder != Folder::Announcements).copied();
        let folders: Vec<_> = elsewhere.chain([*folder]).collect();
        let token = if anew { Token((nth as u128 + 1).to_be_bytes()) } else { envelope.token };
        for folder in folders {
            let envelope = Envelope { token, ..envelope.clone() };
            stage.lab.store.put(folder, Kept::Envelope(envelope), true, stage.lab.now);
            devices.iter().for_each(|at| stage.lab.notice(*at, folder));
        }
        stage.settle();
    }
    stage.advance(3 * DAY);
}

/// What must stay as it is on a device.
fn stands(stage: &Stage, at: usize) -> impl PartialEq + std::fmt::Debug + use<> {
    let muaa = muaa(stage, at);
    (muaa.group(), members(stage, at), muaa.account().current, keys(stage, at), muaa.join_question())
}

fn merge_announced(stage: &Stage, at: usize) -> sma_core::Hash {
    let announced = stage.told.iter().rev().filter(|(whom, _)| *whom == at).find_map(|(_, event)| {
        if let Event::MergeAnnounced { merge, .. } = event { Some(*merge) } else { None }
    });
    announced.unwrap()
}

/// Shown to all, and to a device that came since.
fn nothing_comes_of_it(mut stage: Stage, old: &[usize], newest: usize) {
    let everything: BTreeMap<_, _> =
        stage.lab.store.ever_seen().into_iter().map(|(folder, said)| ((folder, said.token), said)).collect();
    let everything: Vec<_> = everything.into_iter().map(|((folder, _), said)| (folder, said)).collect();
    assert!(everything.len() > 10);
    let newcomer = join(&mut stage, 40, Some(newest));
    stage.advance(3 * DAY);
    let devices: Vec<_> = old.iter().copied().chain([newcomer]).collect();
    let standing = |stage: &Stage| devices.iter().map(|at| stands(stage, *at)).collect::<Vec<_>>();
    let before = standing(&stage);
    stage.told.clear();
    for anew in [true, false] {
        show_again(&mut stage, &everything, &devices, anew);
        assert_eq!(standing(&stage), before, "{anew}");
    }
    for at in &devices {
        stage.lab.stop(*at);
        stage.lab.start(*at);
    }
    stage.advance(30 * DAY);
    assert_eq!(standing(&stage), before);
    let asks = |event: &Event| {
        matches!(event, Event::JoinAsks { .. } | Event::MergeAnnounced { .. } | Event::JoinVetoed)
            || matches!(event, Event::Joined { .. } | Event::AccountKeyChanged(_) | Event::MemberAdded { .. })
    };
    let asked: Vec<_> = stage.told.iter().filter(|(_, event)| asks(event)).collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn what_was_said_of_a_merge_that_is_over_has_nobody_go_over_or_be_asked_again() {
    let (mut stage, [laptop, phone, tablet]) = phished(Form::Code);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(3 * DAY);
    assert!(stage.are_paired(&[laptop, phone, tablet]));
    nothing_comes_of_it(stage, &[laptop, phone, tablet], laptop);
}

/// All of them have gone on from there to a third group.
#[test]
fn what_was_said_of_a_merge_leads_nobody_back_who_has_gone_on_since() {
    let (mut stage, [laptop, phone, tablet]) = phished(Form::Link);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(3 * DAY);
    let desktop = join(&mut stage, 4, None);
    super::type_code(&mut stage, desktop, phone);
    stage.command(phone, Command::ConfirmJoin).unwrap();
    stage.advance(3 * DAY);
    assert!(stage.are_paired(&[laptop, phone, tablet, desktop]));
    nothing_comes_of_it(stage, &[laptop, phone, tablet, desktop], desktop);
}

#[test]
fn what_was_said_of_a_merge_that_was_vetoed_has_nobody_go_over_or_be_asked_again() {
    let (mut stage, [laptop, phone, stranger]) = phished(Form::Code);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(DAY / 2);
    let merge = merge_announced(&stage, phone);
    stage.command(phone, Command::Veto { merge }).unwrap();
    stage.advance(3 * DAY);
    assert!(told(&stage, laptop, |event| *event == Event::JoinVetoed));
    assert_eq!((members(&stage, laptop), members(&stage, stranger)), (vec![1, 2], vec![666]));
    assert_eq!(stage.id(stranger), Some(MuaaId(666)));
    nothing_comes_of_it(stage, &[laptop, phone], phone);
}
