//! A member's update, sealed anew for another member.

use sma_core::{Class, Command, Crypto, Envelope, Event, Folder, Form, Ignored, Timestamp, wire};
use sma_sim::{stage::Stage, store::Kept};

use crate::server::{CRYPTO, STRANGER, Stranger, content_of, mailbox, members, send, two};

/// A pair, and a third member: the stranger, who guessed the code. Gives the stranger's first update from the first member.
fn betrayed() -> (Stage, usize, usize, Stranger, wire::SignedOp) {
    let (mut stage, member, other) = two();
    assert!(stage.pair(member, other));
    let mut stranger = Stranger::new();
    stranger.announce(&mut stage);
    stage.lab.store.apply(&sma_core::Op::CreateFolder(Folder::Inbox(STRANGER)), stage.lab.now).unwrap();
    (0..2).for_each(|at| stage.command(at, Command::Poll).unwrap());
    stage.settle();
    stage.command(member, Command::Offer { to: Some(STRANGER), form: Form::Code }).unwrap();
    stage.settle();
    let code = stage.lab.machines[member].shown.clone().unwrap().code;
    let offer = taken(&mut stage, Class::Offer);
    let join = stranger.guess(&offer, &code, STRANGER, 7);
    send(&mut stage, member, join);
    stage.settle();
    stage.command(member, Command::Rename { name: "kitchen".to_owned() }).unwrap();
    stage.settle();
    let update = taken(&mut stage, Class::Sync);
    let opened = CRYPTO.open(&stranger.key.secret, &update.body).unwrap();
    (stage, member, other, stranger, wire::decode(opened.expose()).unwrap())
}

/// The last message of a class in the stranger's inbox.
fn taken(stage: &mut Stage, class: Class) -> Envelope {
    let mailbox = mailbox(stage, Folder::Inbox(STRANGER));
    let envelopes = mailbox.messages.values().rev().filter_map(|stored| match &stored.kept {
        Kept::Envelope(envelope) => Some(envelope.clone()),
        Kept::Foreign(_) | Kept::Huge(_) => None,
    });
    envelopes.into_iter().find(|envelope| envelope.class == class).unwrap()
}

fn certificate_of(stage: &Stage, at: usize) -> bytes::Bytes {
    let key = stage.lab.machines[at].muaa.as_ref().unwrap().fingerprint();
    let announced = stage.lab.store.envelopes().filter(|(folder, ..)| *folder == Folder::Announcements);
    let contents =
        announced.map(|(_, _, envelope)| content_of(envelope)).filter(|content| content.key == key);
    let bodies = contents.filter_map(|content| content.body::<wire::Announcement>());
    bodies.map(|announcement| announcement.certificate).last().unwrap()
}

#[test]
fn an_update_that_was_sealed_anew_for_another_member_is_refused() {
    for removed in [false, true] {
        let (mut stage, member, other, mut stranger, update) = betrayed();
        if removed {
            stage.command(member, Command::Remove { id: STRANGER }).unwrap();
            stage.settle();
            assert!(!members(&stage, other).contains(&STRANGER));
        }
        let content = update.content().unwrap();
        assert_eq!(Some(content.author()), stage.id(member), "it is the member's own word");
        assert_eq!(content.body::<wire::Update>().unwrap().to, stranger.key.fingerprint);
        let octets = wire::encode(&update);
        let body = CRYPTO.seal(&certificate_of(&stage, other), &octets, &[8; 32]).unwrap();
        let token = stranger.token();
        let (sender, date) = (content.author(), Timestamp(0));
        let before = stage.lab.machines[other].muaa.as_ref().unwrap().digest();
        let told = stage.told.len();
        send(&mut stage, other, Envelope { sender, token, class: Class::Sync, date, body });
        stage.settle();
        let refused = |event: &Event| matches!(event, Event::Ignored { why: Ignored::Unproven, .. });
        let news: Vec<_> = stage.told[told..].iter().filter(|(at, _)| *at == other).collect();
        assert_eq!(news.len(), 1, "{news:?}");
        assert!(refused(&news[0].1), "{news:?}");
        assert_eq!(stage.lab.machines[other].muaa.as_ref().unwrap().digest(), before);
    }
}
