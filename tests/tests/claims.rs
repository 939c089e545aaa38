//! What the pairing of two devices must never do, each with a test that goes red when it does.

use std::time::Duration;

use sma_core::{
    Class, Command, Config, Envelope, Event, Folder, Form, MuaaId, Op, OpError, OpId, Output, Phase, Token,
};
use sma_sim::{
    lab::{Fate, Step},
    stage::{Mishap, Stage},
    store::Kept,
};

fn two() -> (Stage, usize, usize) {
    let mut stage = Stage::new();
    let member = stage.add(1);
    stage.settle();
    let newcomer = stage.add(27);
    stage.settle();
    (stage, member, newcomer)
}

fn holds(stage: &Stage) {
    assert_eq!(stage.broken(), None);
}

#[test]
fn h1_h2_an_inbox_exists_before_its_owner_is_announced() {
    let (mut stage, ..) = two();
    let trace = stage.lab.trace.take();
    for id in [1, 27] {
        let line = |text: &str| trace.iter().position(|line| line.contains(text)).expect(text);
        let created = line(&format!("CREATE _Autocrypt_SMA_{id} "));
        let announced = line(&format!("announcement({id}) "));
        assert!(created < announced, "{trace:#?}");
    }
}

/// On a server that tells nothing of what is new.
#[test]
fn r4_whoever_found_nobody_looks_again_before_it_founds_a_group() {
    let mut stage = Stage::new();
    let one = stage.add(1);
    take_turns(&mut stage, one);
    stage.lab.machines[one].watching.clear();
    let other = stage.add(2);
    take_turns(&mut stage, other);
    stage.settle();
    let founded = |at: usize| stage.lab.machines[at].muaa.as_ref().unwrap().group().is_some();
    assert_eq!([one, other].map(founded), [false, false], "{:#?}", stage.lab.trace.clone().take());
}

/// Until it only waits for time to pass.
fn take_turns(stage: &mut Stage, at: usize) {
    while stage.turn_of(at) {}
}

#[test]
fn h3_request_and_join_are_gone_when_the_newcomer_is_in() {
    let (mut stage, member, newcomer) = two();
    let inbox = &stage.lab.store.folders[&Folder::Inbox(stage.id(member).unwrap())];
    assert_eq!(inbox.messages.len(), 1, "the request waits");
    assert!(stage.pair(member, newcomer));
    for (folder, mailbox) in
        stage.lab.store.folders.iter().filter(|(folder, _)| **folder != Folder::Announcements)
    {
        assert!(mailbox.messages.is_empty(), "{} is not empty", folder.name());
    }
    holds(&stage);
}

#[test]
fn invariant_8_what_a_request_carries_is_durable_before_it_is_asked_for() {
    let mut appended = 0;
    pairing_by_steps(|op, saved| {
        let Op::Append { envelope, .. } = op else { return };
        assert!(names(saved, &envelope.token), "{} is sent and not saved", envelope.class.name());
        appended += 1;
    });
    assert!(appended >= 5, "offer, join, accept and two updates");
}

/// Else a crash in between would lose what it said.
#[test]
fn invariant_8_that_a_message_was_read_is_durable_before_it_is_removed() {
    let mut removed = 0;
    pairing_by_steps(|op, saved| {
        let Op::Remove { messages, .. } = op else { return };
        for (uid, token) in messages {
            assert!(names(saved, token), "uid {} is removed, and that it was read is not saved", uid.0);
            removed += 1;
        }
    });
    assert!(removed >= 5, "request, offer, join, accept and two updates");
}

/// A folder is read in pages; only after the last one is it known what does not lie there.
#[test]
fn invariant_6_what_is_taken_back_is_found_behind_pages_of_strangers_mail() {
    let (mut stage, member, newcomer) = two();
    stage.cut.insert(newcomer);
    let inbox = Folder::Inbox(stage.id(newcomer).unwrap());
    for n in 0..450_u32 {
        let mail = Kept::Foreign(n.to_be_bytes().to_vec().into());
        stage.lab.store.put(inbox, mail, true, stage.lab.now).unwrap();
    }
    stage.offer(member, newcomer).unwrap();
    stage.settle();
    let offers = |stage: &Stage| {
        let envelopes = stage.lab.store.envelopes().filter(|(folder, ..)| *folder == inbox);
        envelopes.filter(|(_, _, envelope)| envelope.class == Class::Offer).count()
    };
    assert_eq!(offers(&stage), 1);
    let session = stage.lab.machines[member].shown.take().unwrap().session;
    stage.command(member, Command::CancelOffer { session }).unwrap();
    stage.settle();
    assert_eq!(offers(&stage), 0);
}

/// Pairs two devices, and shows each operation when it is asked for, with what is saved by then.
fn pairing_by_steps(mut asked: impl FnMut(&Op, &[u8])) {
    let (mut stage, member, newcomer) = two();
    stage.offer(member, newcomer).expect("a member that is alone shows a code");
    for turn in 0..200 {
        let at = [member, newcomer][turn % 2];
        if turn == 40 {
            stage.type_code(member, newcomer).expect("the code is shown");
        }
        while let Some(step) = stage.lab.step(at) {
            let Step::Asked(id) = step else { continue };
            let machine = &stage.lab.machines[at];
            let durable =
                machine.durable.as_ref().expect("a machine asks for something before it saved anything");
            asked(&machine.outstanding[&id], durable.encode().expose());
        }
        answer_all(&mut stage, at);
        stage.lab.now = stage.lab.now + Duration::from_secs(1);
        stage.lab.wake(at);
    }
    assert!(stage.are_paired(&[member, newcomer]));
}

fn names(saved: &[u8], token: &Token) -> bool {
    saved.windows(token.as_bytes().len()).any(|window| window == token.as_bytes())
}

fn answer_all(stage: &mut Stage, at: usize) {
    let ids: Vec<OpId> = stage.lab.machines[at].outstanding.keys().copied().collect();
    for id in ids {
        let (result, changed) = stage.lab.perform(at, id, Fate::Fine);
        stage.lab.answer(at, id, result);
        if let Some(folder) = changed {
            (0..2).for_each(|other| stage.lab.notice(other, folder));
        }
    }
}

#[test]
fn a_message_that_is_there_again_is_not_processed_again() {
    let (mut stage, member, newcomer) = two();
    assert!(stage.pair(member, newcomer));
    let told = stage.told.len();
    let digest = |stage: &Stage| stage.lab.machines[member].muaa.as_ref().unwrap().digest();
    let before = digest(&stage);
    let replayed: Vec<_> = stage.lab.store.remembered.iter().cloned().collect();
    assert!(replayed.len() >= 5, "request, offer, join, accept and updates");
    for (folder, envelope) in replayed {
        stage.lab.store.put(folder, Kept::Envelope(envelope), false, stage.lab.now);
        (0..2).for_each(|at| stage.lab.notice(at, folder));
    }
    stage.settle();
    assert_eq!(stage.told[told..], [], "nothing is told of");
    assert_eq!(digest(&stage), before);
    holds(&stage);
}

#[test]
fn nobody_is_added_and_no_secret_leaves_before_the_newcomers_mac_was_checked() {
    let (mut stage, member, newcomer) = two();
    stage.offer(member, newcomer).unwrap();
    stage.settle();
    let shown = stage.lab.machines[member].shown.clone().unwrap();
    let code = sma_sim::person::other_code(&shown.code);
    stage
        .command(newcomer, Command::EnterCode { code: code.into(), from: stage.id(member), key: None })
        .unwrap();
    stage.lab.trace.take();
    stage.settle();
    let muaa = stage.lab.machines[member].muaa.as_ref().unwrap();
    assert_eq!((muaa.phase(), muaa.members().len()), (Phase::Alone, 1));
    assert!(stage.told.iter().any(|(_, event)| matches!(event, Event::CodeBurnt { .. })));
    let trace = stage.lab.trace.take();
    assert!(!trace.iter().any(|line| line.contains("accept")), "{trace:#?}");
}

/// Also if the member slept when the time was over, and hears of the join first.
#[test]
fn a_join_that_is_read_when_the_offer_has_expired_lets_nobody_in() {
    let (mut stage, member, newcomer) = two();
    stage.offer(member, newcomer).unwrap();
    stage.settle();
    stage.type_code(member, newcomer).unwrap();
    take_turns(&mut stage, newcomer);
    while stage.lab.step(member).is_some() {}
    stage.lab.now = stage.lab.now + Duration::from_secs(660);
    answer_all(&mut stage, member);
    stage.settle();
    assert_eq!(stage.lab.machines[member].muaa.as_ref().unwrap().members().len(), 1);
    assert!(stage.told.iter().any(|(_, event)| matches!(event, Event::OfferExpired { .. })));
}

/// Pairs two devices while one program dies right after its n-th output, for every n until nobody dies any more.
#[test]
fn r4_invariant_8_a_crash_after_any_output_of_the_happy_path_ends_in_one_group() {
    let mut survived = 0;
    for crash_after in 1.. {
        let mut stage = Stage::new();
        stage.crash_after = Some(crash_after);
        let member = stage.add(1);
        stage.settle();
        let newcomer = stage.add(27);
        assert!(stage.pair(member, newcomer), "after output {crash_after}: {:#?}", stage.lab.trace.take());
        stage.advance(Duration::from_secs(10 * 86_400));
        assert_eq!(stage.broken(), None, "after output {crash_after}: {:#?}", stage.lab.trace.take());
        if stage.outputs < crash_after {
            break;
        }
        survived += 1;
    }
    assert!(survived > 60, "only {survived} outputs were tried");
}

/// The same with a death after each operation was done and before its answer was heard.
#[test]
fn r4_invariant_8_a_crash_after_any_operation_of_the_happy_path_ends_in_one_group() {
    for at in [0, 1] {
        for nth in 0.. {
            let mut stage = Stage::new();
            stage.crash_at_operation = Some((at, nth));
            let member = stage.add(1);
            stage.settle();
            let newcomer = stage.add(27);
            assert!(stage.pair(member, newcomer), "{at} after {nth}: {:#?}", stage.lab.trace.take());
            stage.advance(Duration::from_secs(10 * 86_400));
            assert_eq!(stage.broken(), None, "{at} after {nth}: {:#?}", stage.lab.trace.take());
            if stage.crash_at_operation.is_some() {
                assert!(nth > 10, "only {nth} operations were tried");
                break;
            }
        }
    }
}

/// The same with each append in turn repeated because its outcome was unknown, done and not done.
#[test]
fn an_append_of_unknown_outcome_is_repeated_with_the_same_token() {
    for (class, at) in
        [("announcement", 0), ("request", 1), ("offer", 0), ("join", 1), ("accept", 0), ("sync", 1)]
    {
        for fate in [Fate::UnknownDone, Fate::UnknownLost] {
            let mut stage = Stage::new();
            stage.mishaps.push(Mishap { at, on: format!(" {class}("), fate, crash: false });
            let member = stage.add(1);
            stage.settle();
            let newcomer = stage.add(27);
            assert!(stage.pair(member, newcomer), "{class} {fate:?}: {:#?}", stage.lab.trace.take());
            assert!(stage.mishaps.is_empty(), "{class} was never appended");
            stage.advance(Duration::from_secs(86_400));
            assert_eq!(stage.broken(), None, "{class} {fate:?}: {:#?}", stage.lab.trace.take());
            let burnt = stage.told.iter().any(|(_, event)| matches!(event, Event::CodeBurnt { .. }));
            assert!(!burnt, "{class} {fate:?}");
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let (mut stage, member, newcomer) = two();
        assert!(stage.pair(member, newcomer));
        let saved = |at: usize| stage.lab.machines[at].durable.as_ref().unwrap().encode().expose().to_vec();
        (saved(member), saved(newcomer), stage.lab.trace.clone().take())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_late_timeout_and_a_spurious_one_change_nothing() {
    let (mut stage, member, _) = two();
    let muaa = stage.lab.machines[member].muaa.as_mut().unwrap();
    let before = muaa.clone();
    muaa.handle_timeout(stage.lab.now);
    let earlier = sma_core::Timestamp(stage.lab.now.0 - 59_000);
    muaa.handle_timeout(earlier);
    assert_eq!(muaa.poll_output(), None::<Output>);
    assert_eq!(*muaa, before);
}

#[test]
fn invariant_6_all_copies_of_an_update_that_was_appended_twice_go_when_it_is_replaced() {
    let (mut stage, member, newcomer) = two();
    assert!(stage.pair(member, newcomer));
    stage.cut.insert(newcomer);
    let rename = |stage: &mut Stage, name: &str| {
        stage.command(member, Command::Rename { name: name.to_owned() }).unwrap();
        stage.settle();
    };
    rename(&mut stage, "one");
    stage.crash(member);
    stage.lab.start(member);
    stage.settle();
    // What is replaced is looked for between the two attempts, and the first copy is found with it.
    let mishap = |fate| Mishap { at: member, on: "APPEND _Autocrypt_SMA_27".to_owned(), fate, crash: false };
    let lost = Fate::Refused(OpError::Denied);
    stage.mishaps =
        [Fate::UnknownDone, Fate::UnknownDone].into_iter().chain([lost; 10]).map(mishap).collect();
    rename(&mut stage, "two");
    stage.mishaps.clear();
    rename(&mut stage, "three");
    stage.advance(Duration::from_secs(3600));
    let inbox = &stage.lab.store.folders[&Folder::Inbox(stage.id(newcomer).unwrap())];
    assert_eq!(inbox.messages.len(), 1, "{:#?}", stage.lab.trace.clone().take());
    stage.cut.clear();
    stage.advance(Duration::from_secs(86_400));
    holds(&stage);
}

#[test]
fn a_clock_that_is_put_right_holds_up_nothing_and_breaks_nothing() {
    let decade = Duration::from_secs(3650 * 86_400);
    let (mut stage, member, newcomer) = two();
    assert!(stage.pair(member, newcomer));
    for ahead in [decade.as_millis() as i64, 0, -(decade.as_millis() as i64), 0] {
        stage.lab.machines[member].set_clock(ahead);
        stage.lab.wake(member);
        let muaa = stage.lab.machines[member].muaa.as_ref().unwrap();
        let (at, why) = muaa.poll_timeout().unwrap();
        let wait = at.since(stage.lab.machines[member].local(stage.lab.now));
        assert!(wait <= Duration::from_secs(86_400), "{why} is due in {wait:?}");
        let name = format!("desk {ahead}");
        stage.command(member, Command::Rename { name: name.clone() }).unwrap();
        stage.settle();
        let siblings = stage.lab.machines[newcomer].muaa.as_ref().unwrap().siblings();
        assert!(siblings.iter().any(|sibling| sibling.name.as_ref() == Some(&name)));
    }
    stage.advance(Duration::from_secs(8 * 86_400));
    holds(&stage);
}

#[test]
fn a13_ten_thousand_messages_of_a_stranger_leave_a_device_as_large_as_before() {
    let (mut stage, member, newcomer) = two();
    stage.lab.trace.on = false;
    assert!(stage.pair(member, newcomer));
    let day = Duration::from_secs(86_400);
    stage.advance(day);
    let size = |stage: &Stage| stage.lab.machines[member].durable.as_ref().unwrap().encode().expose().len();
    let before = size(&stage);
    let classes =
        [Class::Announcement, Class::Request, Class::Offer, Class::Join, Class::Accept, Class::Sync];
    for folder in [Folder::Announcements, Folder::Inbox(stage.id(member).unwrap())] {
        for n in 0..10_000_u64 {
            let envelope = Envelope {
                sender: MuaaId(1000 + n),
                token: Token(u128::from(n).to_be_bytes()),
                class: classes[n as usize % classes.len()],
                date: stage.lab.now.hour(),
                body: n.to_be_bytes().to_vec().into(),
            };
            stage.lab.store.put(folder, Kept::Envelope(envelope), true, stage.lab.now).unwrap();
        }
        stage.lab.store.put(folder, Kept::Huge(100 << 20), true, stage.lab.now).unwrap();
    }
    stage.advance(2 * day);
    assert!(size(&stage) < before + 1000, "{} octets were {before}", size(&stage));
    let ignored = |(at, event): &&(usize, Event)| *at == member && matches!(event, Event::Ignored { .. });
    let told = stage.told.iter().filter(ignored).count();
    assert!((1..=4096).contains(&told), "{told} events");
    stage.command(member, Command::Rename { name: "desk".to_owned() }).unwrap();
    stage.advance(day);
    let siblings = stage.lab.machines[newcomer].muaa.as_ref().unwrap().siblings();
    assert!(siblings.iter().any(|sibling| sibling.name.as_deref() == Some("desk")));
    holds(&stage);
}

/// A name that would turn a line of the terminal around, or wipe it.
#[test]
fn a_name_with_what_is_not_seen_is_refused_and_sent_by_nobody() {
    let mut stage = Stage::new();
    let config = Config::new("anna@example.org", "x\u{1b}[2K\u{202e}y");
    let member = stage.lab.add("1", config, Some(MuaaId(1)), [1; 32]);
    stage.lab.start(member);
    stage.settle();
    let newcomer = stage.add(27);
    assert!(stage.pair(member, newcomer));
    let name = |stage: &Stage| stage.lab.machines[newcomer].muaa.as_ref().unwrap().siblings()[0].name.clone();
    assert_eq!(name(&stage).as_deref(), Some("x[2Ky"));
    for hidden in
        ['\0', '\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{200b}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{feff}']
    {
        let refused = stage.command(member, Command::Rename { name: format!("x{hidden}y") });
        assert!(refused.unwrap_err().contains("leave it out"), "{hidden:?}");
    }
    stage.settle();
    assert_eq!(name(&stage).as_deref(), Some("x[2Ky"));
    stage.command(member, Command::Rename { name: "Annas Händy".to_owned() }).unwrap();
    stage.settle();
    assert_eq!(name(&stage).as_deref(), Some("Annas Händy"));
}

/// A device whose program is configured with the account's address in this spelling.
fn add_as(stage: &mut Stage, id: u8, address: &str) -> usize {
    let config = Config { poll_interval: Duration::from_secs(86_400), ..Config::new(address, "device") };
    let at = stage.lab.add(&id.to_string(), config, Some(MuaaId(u64::from(id))), [id; 32]);
    stage.lab.start(at);
    stage.settle();
    at
}

/// One account, as people write its address.
const SPELLINGS: [[&str; 2]; 4] = [
    ["anna@example.org", "Anna@example.org"],
    ["ANNA@example.org", "anna@Example.ORG"],
    ["zoë@bücher.example", "Zoë@xn--bcher-kva.example"],
    ["anna@example.org", " anna@example.org"],
];

#[test]
fn the_right_code_pairs_when_the_address_is_spelt_in_other_letters() {
    for [one, other] in SPELLINGS {
        let mut stage = Stage::new();
        let (member, newcomer) = (add_as(&mut stage, 1, one), add_as(&mut stage, 27, other));
        assert!(stage.pair(member, newcomer), "{one} and {other}");
        holds(&stage);
    }
    let mut stage = Stage::new();
    let (member, newcomer) =
        (add_as(&mut stage, 1, "anna@example.org"), add_as(&mut stage, 27, "ana@example.org"));
    assert!(!stage.pair(member, newcomer), "another account");
}

#[test]
fn a_link_pairs_when_the_address_is_spelt_in_other_letters() {
    for [one, other] in SPELLINGS {
        let mut stage = Stage::new();
        let (member, newcomer) = (add_as(&mut stage, 1, one), add_as(&mut stage, 27, other));
        stage.command(member, Command::Offer { to: stage.id(newcomer), form: Form::Link }).unwrap();
        stage.settle();
        let link = stage.told.iter().find_map(|(_, event)| {
            let Event::ShowLink { link, .. } = event else { return None };
            Some(link.shown().to_string())
        });
        let handed_in = Command::EnterCode { code: link.unwrap().into(), from: None, key: None };
        assert_eq!(stage.command(newcomer, handed_in), Ok(()), "{one} and {other}");
        stage.settle();
        assert_eq!(stage.lab.machines[newcomer].muaa.as_ref().unwrap().phase(), Phase::Paired);
    }
}

#[test]
fn a_saved_state_is_taken_up_when_the_address_is_spelt_in_other_letters() {
    for [one, other] in SPELLINGS {
        let mut stage = Stage::new();
        let at = add_as(&mut stage, 1, one);
        let address = |stage: &mut Stage, address: &str| {
            stage.lab.stop(at);
            stage.lab.machines[at].config.address = address.to_owned();
            stage.lab.start(at);
            stage.settle();
            stage.broken()
        };
        assert_eq!(address(&mut stage, other), None, "{one} and {other}");
        assert!(address(&mut stage, "bob@example.org").is_some(), "another account");
    }
}

#[test]
fn invariant_6_a_removed_device_takes_the_offer_back_that_it_made_to_all() {
    let (mut stage, member, newcomer) = two();
    assert!(stage.pair(member, newcomer));
    stage.command(newcomer, Command::Offer { to: None, form: Form::Code }).unwrap();
    stage.settle();
    let id = stage.id(newcomer).unwrap();
    stage.command(member, Command::Remove { id }).unwrap();
    stage.advance(Duration::from_secs(60));
    let offers = stage.lab.store.envelopes().filter(|(.., envelope)| envelope.class == Class::Offer).count();
    assert_eq!(offers, 0, "{:#?}", stage.lab.trace.clone().take());
    holds(&stage);
}
