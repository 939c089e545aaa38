//! What a person is talked into: a code or a link that somebody sent, a device that somebody added, a key that somebody destroyed.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

#[path = "talked_into/pending.rs"]
mod pending;
#[path = "talked_into/replayed.rs"]
mod replayed;

use std::time::Duration;

use sma_core::{Command, Event, Fingerprint, Form, InputError, MuaaId, Phase};
use sma_sim::{person::pair_in_truth, stage::Stage, symbolic::Symbolic};
use sma_tests::account::{join, members, muaa};

const DAY: Duration = Duration::from_secs(86_400);

fn keys(stage: &Stage, at: usize) -> Vec<Fingerprint> {
    muaa(stage, at).account_keys().collect()
}

fn told(stage: &Stage, at: usize, wanted: impl Fn(&Event) -> bool) -> bool {
    stage.told.iter().any(|(whom, event)| *whom == at && wanted(event))
}

/// A person types the code that one device shows on another one.
fn type_code(stage: &mut Stage, shown_by: usize, at: usize) {
    stage.offer(shown_by, at).unwrap();
    stage.settle();
    stage.type_code(shown_by, at).unwrap();
    stage.settle();
}

/// A laptop and a phone of one account; and with the account's password a stranger's device with a group of its own, which shows a code
/// or a link. The stranger had it typed on the laptop.
fn phished(form: Form) -> (Stage, [usize; 3]) {
    let mut stage = Stage::new();
    let [laptop, phone, stranger] = [1, 2, 666].map(|id| {
        let at = stage.add(id);
        stage.settle();
        at
    });
    assert!(stage.pair(laptop, phone));
    stage.confirms = false;
    for machine in &mut stage.lab.machines {
        machine.config.merge_wait = DAY;
    }
    for at in [laptop, phone, stranger] {
        stage.lab.stop(at);
        stage.lab.start(at);
    }
    stage.settle();
    stage.command(stranger, Command::StartApart).unwrap();
    stage.settle();
    stage.command(stranger, Command::Offer { to: Some(MuaaId(1)), form }).unwrap();
    stage.settle();
    // The person did type it.
    pair_in_truth(&mut stage.lab, stranger, laptop);
    let code = stage.lab.machines[stranger].shown.clone().unwrap().code;
    stage
        .command(laptop, Command::EnterCode { code: code.into(), from: Some(MuaaId(666)), key: None })
        .unwrap();
    stage.settle();
    (stage, [laptop, phone, stranger])
}

#[test]
fn a_code_or_a_link_alone_hands_over_no_key_and_no_device() {
    for form in [Form::Code, Form::Link] {
        let (mut stage, [laptop, phone, stranger]) = phished(form);
        let own = keys(&stage, laptop);
        stage.advance(60 * DAY);
        assert_eq!((members(&stage, laptop), members(&stage, phone)), (vec![1, 2], vec![1, 2]));
        assert!(own.iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
        let question = muaa(&stage, laptop).join_question().unwrap();
        assert_eq!((question.by, question.goes_at), (MuaaId(666), None));
        assert_eq!(question.members.iter().map(|member| member.0).collect::<Vec<_>>(), [MuaaId(666)]);
        assert_eq!(question.members[0].1.as_deref(), Some("device 666"));
        assert!(question.since.is_some_and(|since| since <= stage.lab.now));
        // Another one cannot be slipped under the question.
        let again = stage
            .lab
            .command(laptop, Command::EnterCode { code: "123".to_owned().into(), from: None, key: None });
        assert_eq!(again, Some(Err(InputError::JoinPending)));
        stage.command(laptop, Command::DeclineJoin).unwrap();
        stage.advance(60 * DAY);
        assert_eq!(muaa(&stage, laptop).join_question(), None);
        assert_eq!((members(&stage, laptop), members(&stage, stranger)), (vec![1, 2], vec![666]));
        assert!(own.iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
        assert_eq!(keys(&stage, laptop), own, "nor did anything of the other group come here");
    }
}

#[test]
fn what_is_asked_is_asked_after_a_restart_as_well() {
    let (mut stage, [laptop, _, stranger]) = phished(Form::Link);
    stage.lab.stop(laptop);
    stage.lab.start(laptop);
    stage.settle();
    assert!(muaa(&stage, laptop).join_question().is_some());
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.settle();
    stage.lab.stop(laptop);
    stage.lab.start(laptop);
    stage.advance(2 * DAY);
    assert_eq!(muaa(&stage, laptop).group(), muaa(&stage, stranger).group());
}

#[test]
fn any_member_vetoes_that_the_group_goes_over_to_another_before_any_secret_leaves() {
    let (mut stage, [laptop, phone, stranger]) = phished(Form::Code);
    let own = keys(&stage, laptop);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(DAY / 2);
    assert!(own.iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
    let announced = stage.told.iter().filter(|(at, _)| *at == phone).find_map(|(_, event)| {
        if let Event::MergeAnnounced { by, merge } = event { Some((*by, *merge)) } else { None }
    });
    let (by, merge) = announced.unwrap();
    assert_eq!(by, MuaaId(1));
    stage.command(phone, Command::Veto { merge }).unwrap();
    stage.advance(60 * DAY);
    assert!(told(&stage, laptop, |event| matches!(event, Event::JoinVetoed)));
    assert_eq!((members(&stage, laptop), members(&stage, phone)), (vec![1, 2], vec![1, 2]));
    assert_eq!(members(&stage, stranger), [666]);
    assert!(own.iter().all(|key| muaa(&stage, stranger).account_secret(key).is_none()));
    assert_eq!(stage.lab.command(phone, Command::Veto { merge }), Some(Err(InputError::NoJoin)));
}

/// The laptop's person was talked into a code again and again, and the phone vetoed each time. What was said then stays in the log for
/// ever, and whoever tells at last where the group goes on tells that as well.
#[test]
fn vetoed_merges_lead_nobody_astray_later_and_leading_ends() {
    let (mut stage, [laptop, phone, stranger]) = phished(Form::Code);
    for n in 0..4 {
        let other = if n == 0 { stranger } else { join(&mut stage, 666 + n, None) };
        if n > 0 {
            type_code(&mut stage, other, laptop);
        }
        stage.told.clear();
        stage.command(laptop, Command::ConfirmJoin).unwrap();
        stage.advance(DAY / 2);
        let merge = stage.told.iter().find_map(|(_, event)| {
            if let Event::MergeAnnounced { merge, .. } = event { Some(*merge) } else { None }
        });
        stage.command(phone, Command::Veto { merge: merge.unwrap() }).unwrap();
        stage.advance(2 * DAY);
        assert_eq!(members(&stage, laptop), [1, 2]);
        stage.lab.stop(other);
    }
    let tablet = join(&mut stage, 3, None);
    type_code(&mut stage, tablet, laptop);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.advance(10 * DAY);
    assert!(stage.are_paired(&[laptop, phone, tablet]));
    stage.lab.trace.take();
    stage.advance(60 * DAY);
    let said =
        stage.lab.trace.take().into_iter().filter(|line| line.contains("APPEND") && line.contains("sync("));
    assert_eq!(said.collect::<Vec<_>>(), [""; 0], "nobody has anything to say");
}

#[test]
fn when_nobody_vetoes_the_groups_become_one_and_all_who_are_new_are_notices_until_acknowledged() {
    let (mut stage, [laptop, phone, stranger]) = phished(Form::Code);
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.command(laptop, Command::ConfirmJoin).unwrap();
    stage.settle();
    let due = muaa(&stage, laptop).join_question().unwrap().goes_at.unwrap();
    assert!(due > stage.lab.now);
    stage.advance(3 * DAY);
    for at in [laptop, phone, stranger] {
        assert_eq!(members(&stage, at), [1, 2, 666]);
        assert_eq!(muaa(&stage, at).phase(), Phase::Paired);
    }
    for at in [laptop, phone] {
        let added = |event: &Event| matches!(event, Event::MemberAdded { id: MuaaId(666), .. });
        assert!(told(&stage, at, added), "who comes by a merge is told of like who is added");
        let noticed = |stage: &Stage| muaa(stage, at).notices().iter().any(|(id, _)| *id == MuaaId(666));
        assert!(noticed(&stage));
        stage.lab.stop(at);
        stage.lab.start(at);
        stage.advance(40 * DAY);
        assert!(noticed(&stage), "it stays");
        stage.command(at, Command::Acknowledge { id: MuaaId(666) }).unwrap();
        assert!(!noticed(&stage));
        let again = stage.lab.command(at, Command::Acknowledge { id: MuaaId(666) });
        assert_eq!(again, Some(Err(InputError::NoSuchMuaa(MuaaId(666)))));
    }
    // The one that the stranger's device let in is no notice there, the phone is.
    assert_eq!(muaa(&stage, stranger).notices(), [(MuaaId(2), MuaaId(1))]);
}

#[test]
fn a_device_that_has_nothing_of_its_own_is_let_in_without_more_questions() {
    let mut stage = Stage::new();
    stage.confirms = false;
    let [one, two] = [1, 2].map(|id| {
        let at = stage.add(id);
        stage.settle();
        at
    });
    assert!(stage.pair(one, two));
    assert!(!told(&stage, two, |event| matches!(event, Event::JoinAsks { .. })));
}

#[test]
fn a_key_that_one_device_destroyed_is_restored_by_another_within_thirty_days_and_not_after() {
    for (waits, restored) in [(29, true), (31, false)] {
        let mut stage = Stage::new();
        let [one, two] = [1, 2].map(|id| {
            let at = stage.add(id);
            stage.settle();
            at
        });
        assert!(stage.pair(one, two));
        let old = muaa(&stage, one).account().current.unwrap();
        let key = sma_core::Crypto::new_account_key(&Symbolic, "anna@example.org", &[7; 32], stage.lab.now)
            .unwrap();
        stage.command(one, Command::AdoptKey { secret: key.secret }).unwrap();
        stage.settle();
        stage.command(two, Command::DestroyKey { fingerprint: old }).unwrap();
        stage.settle();
        for at in [one, two] {
            assert!(muaa(&stage, at).account_secret(&old).is_none(), "it is not used any more");
            assert!(told(&stage, at, |event| matches!(event, Event::KeySetAside { .. })));
        }
        stage.advance(waits * DAY);
        for at in [one, two] {
            stage.lab.stop(at);
            stage.lab.start(at);
        }
        stage.settle();
        let wish = stage.lab.command(one, Command::RestoreKey { fingerprint: old });
        stage.advance(2 * DAY);
        assert_eq!(wish, Some(if restored { Ok(()) } else { Err(InputError::NoSuchKey) }));
        for at in [one, two] {
            assert_eq!(muaa(&stage, at).account_secret(&old).is_some(), restored, "{waits}");
            let wiped = told(&stage, at, |event| *event == Event::KeyDestroyed(old));
            assert_eq!(wiped, !restored);
        }
        assert_eq!(stage.broken(), None);
    }
}
