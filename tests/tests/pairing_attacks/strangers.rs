//! What strangers and a careless server may leave behind, and must not.

use sma_core::{Class, Command, Crypto, Folder, Form, MuaaId, SessionId, Timestamp, wire};
use sma_sim::{stage::Stage, store::Kept};

use crate::{
    server::{
        CRYPTO, STRANGER, Stranger, deliver, holds, inbox, join_taken, mailbox, nobody_is_in, offered, send,
        still_pairs, take, two,
    },
    under_another_certificate,
};

/// The owner of the swapped certificate is told nothing in the inbox of the id it claimed: the device whose inbox that is could
/// not know what to do with it.
#[test]
fn what_was_written_to_a_swapped_certificate_does_not_stay_in_the_store() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    offered(&mut stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    let swapped = under_another_certificate(&mut stranger, &join);
    send(&mut stage, member, swapped);
    stage.settle();
    nobody_is_in(&stage, member, newcomer);
    still_pairs(&mut stage, member, newcomer);
    holds(&mut stage);
}

/// The same in the member's own inbox, when the join claims the member's own id.
#[test]
fn what_was_written_to_oneself_does_not_stay_in_the_store() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    stage.command(member, Command::Offer { to: None, form: Form::Code }).unwrap();
    stage.settle();
    let offer = stage.lab.store.envelopes().find(|(.., envelope)| envelope.class == Class::Offer);
    let offer = offer.map(|(.., envelope)| envelope.clone()).unwrap();
    let id = stage.id(member).unwrap();
    let join = stranger.guess(&offer, "000 000 000", id, 5);
    send(&mut stage, member, join);
    stage.settle();
    still_pairs(&mut stage, member, newcomer);
    holds(&mut stage);
}

/// The stranger announced itself under the newcomer's id, so the member tells it that the code was wrong: in the newcomer's inbox.
#[test]
fn what_is_said_to_a_stranger_under_the_id_of_another_does_not_stay_in_that_ones_inbox() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    let id = stage.id(newcomer).unwrap();
    stranger.announce_as(&mut stage, id);
    stage.command(member, Command::Offer { to: None, form: Form::Code }).unwrap();
    stage.settle();
    let offer = stage.lab.store.envelopes().find(|(.., envelope)| envelope.class == Class::Offer);
    let offer = offer.map(|(.., envelope)| envelope.clone()).unwrap();
    let join = stranger.guess(&offer, "000 000 000", id, 5);
    send(&mut stage, member, join);
    stage.settle();
    still_pairs(&mut stage, member, newcomer);
    stage.settle();
    let left = stage.lab.store.envelopes().find(|(folder, ..)| *folder == Folder::Inbox(id));
    assert!(left.is_none(), "{left:?}");
}

/// The member, which has not heard of the newcomer's folder, lists the folders.
#[test]
fn an_accept_is_sent_at_once_though_the_newcomers_announcement_never_arrived() {
    let (mut stage, member) = (Stage::new(), 0);
    stage.add(1);
    stage.settle();
    let newcomer = stage.add(27);
    while stage.lab.store.envelopes().count() < 2 {
        stage.turn_of(newcomer);
    }
    let announcements = mailbox(&mut stage, Folder::Announcements);
    announcements.messages.pop_last().unwrap();
    stage.settle();
    stage.command(member, Command::Offer { to: None, form: Form::Code }).unwrap();
    stage.settle();
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
}

fn stranger_offers(
    stage: &Stage,
    stranger: &mut Stranger,
    author: MuaaId,
    nth: u8,
    expires: Timestamp,
) -> sma_core::Envelope {
    let session = SessionId([nth; 16]);
    let offer = wire::Offer {
        session,
        share: stranger.share(sma_core::Side::Member, session),
        certificate: stranger.key.certificate.clone(),
        to: stage.id(1),
        expires,
        form: Form::Code,
    };
    let mut content = stranger.content(wire::Kind::Offer, wire::encode(&offer));
    content.group = Some(CRYPTO.hash("group", &[]));
    stranger.envelope_of(author, Class::Offer, content)
}

/// A newcomer keeps so many offers, of which the latest count, and forgets those that are not there any more.
#[test]
fn offers_of_strangers_do_not_keep_the_devices_apart_when_the_server_behaves_again() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    for nth in 0..16 {
        let expires = stage.lab.now;
        let offer = stranger_offers(&stage, &mut stranger, STRANGER, nth, expires);
        let folder = inbox(&stage, newcomer);
        deliver(&mut stage, folder, offer);
    }
    stage.settle();
    let folder = inbox(&stage, newcomer);
    mailbox(&mut stage, folder).messages.clear();
    stage.advance(std::time::Duration::from_secs(30 * 86_400));
    still_pairs(&mut stage, member, newcomer);
}

#[test]
fn a13_a_newcomer_keeps_the_latest_sixteen_of_many_offers() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    let folder = inbox(&stage, newcomer);
    for nth in 0..40 {
        let offer = stranger_offers(&stage, &mut stranger, STRANGER, nth, Timestamp(u64::MAX));
        deliver(&mut stage, folder, offer);
    }
    stage.settle();
    offered(&mut stage, member, newcomer);
    let offers = stage.lab.machines[newcomer].muaa.as_ref().unwrap().offers();
    assert_eq!(offers.len(), 16);
    assert!(offers.iter().any(|offer| Some(offer.from) == stage.id(member)), "{offers:?}");
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
}

/// What is for another device is of no use to the own one, wherever the server files it.
#[test]
fn an_offer_for_another_device_does_not_stay_in_the_own_inbox() {
    let (mut stage, member, newcomer) = two();
    let third = stage.add(33);
    stage.settle();
    offered(&mut stage, member, newcomer);
    let offer = take(&mut stage, newcomer, Class::Offer);
    for at in [member, third, newcomer] {
        send(&mut stage, at, offer.clone());
    }
    stage.settle();
    let offers = |stage: &Stage, at: usize| {
        let messages = stage.lab.store.folders[&inbox(stage, at)].messages.values();
        let kept = |kept: &Kept| matches!(kept, Kept::Envelope(envelope) if envelope.class == Class::Offer);
        messages.filter(|stored| kept(&stored.kept)).count()
    };
    assert_eq!([member, third, newcomer].map(|at| offers(&stage, at)), [0, 0, 1]);
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
}

/// Else each code that a person types would be a guess for the stranger, and the member would hear of none.
#[test]
fn a1_an_offer_in_the_name_of_an_announced_device_counts_under_its_announced_key_only() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    let author = stage.id(member).unwrap();
    let offer = stranger_offers(&stage, &mut stranger, author, 1, Timestamp(u64::MAX));
    let folder = inbox(&stage, newcomer);
    deliver(&mut stage, folder, offer);
    offered(&mut stage, member, newcomer);
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
}
