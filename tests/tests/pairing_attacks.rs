//! What a server can try against a pairing: it sees, drops, replays, reorders and rewrites all messages, and signs with a
//! device key of its own. Whatever it does, nobody comes in whom no person paired, each shown code is good for one guess, and
//! the honest devices pair with the next code.

#![expect(clippy::unwrap_used, reason = "all of this is tests, the helpers too")]

#[path = "pairing_attacks/flips.rs"]
mod flips;
#[path = "pairing_attacks/kinds.rs"]
mod kinds;
#[path = "pairing_attacks/links.rs"]
mod links;
#[path = "pairing_attacks/replacing.rs"]
mod replacing;
#[path = "pairing_attacks/resealed.rs"]
mod resealed;
#[path = "pairing_attacks/server.rs"]
mod server;
#[path = "pairing_attacks/strangers.rs"]
mod strangers;

use sma_core::{Class, Command, Event, Folder, Hash, Ignored, Side, wire};
use sma_sim::{person::other_code, stage::Stage};

use server::{
    STRANGER, Stranger, alone, burnt, content_of, deliver, holds, inbox, join_taken, members, nobody_is_in,
    offered, send, shown, still_pairs, take, two, two_unseen,
};

/// The join with another certificate, signed by that one's owner; everything else as the newcomer said it.
fn under_another_certificate(stranger: &mut Stranger, join: &sma_core::Envelope) -> sma_core::Envelope {
    let mut content = content_of(join);
    let mut body: wire::Join = content.body().unwrap();
    stranger.take_id(content.author());
    body.certificate = stranger.key.certificate.clone();
    content.body = wire::encode(&body).into();
    stranger.envelope(Class::Join, content)
}

fn ignored_as(stage: &Stage, at: usize, reason: Ignored) -> bool {
    let is = |event: &Event| matches!(event, Event::Ignored { why, .. } if *why == reason);
    stage.told.iter().any(|(who, event)| *who == at && is(event))
}

#[test]
fn the_guess_of_the_right_code_would_let_the_stranger_in_and_be_noticed() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    let join = stranger.guess_right(&mut stage, member, newcomer);
    send(&mut stage, member, join);
    stage.settle();
    let violation = stage.lab.violation.clone().expect("a stranger got in and nobody noticed");
    assert_eq!(violation.invariant, "5 authenticity");
}

#[test]
fn a9_a_code_guessed_by_the_server_is_burnt_by_the_one_guess() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    offered(&mut stage, member, newcomer);
    let offer = take(&mut stage, newcomer, Class::Offer);
    let right = stage.lab.machines[member].shown.clone().unwrap().code;
    let wrong = other_code(&right);
    let id = stage.id(newcomer).unwrap();
    // The second guess is right, and comes too late.
    for code in [&wrong, &right, &other_code(&wrong)] {
        let join = stranger.guess(&offer, code, id, 5);
        send(&mut stage, member, join);
        stage.settle();
    }
    assert_eq!(burnt(&stage), [shown(&stage, member)].into());
    nobody_is_in(&stage, member, newcomer);
    still_pairs(&mut stage, member, newcomer);
    assert_eq!(burnt(&stage).len(), 1);
}

#[test]
fn a1_the_newcomers_certificate_cannot_be_swapped_in_the_join() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    offered(&mut stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    let swapped = under_another_certificate(&mut stranger, &join);
    send(&mut stage, member, swapped);
    stage.settle();
    assert_eq!(burnt(&stage), [shown(&stage, member)].into());
    nobody_is_in(&stage, member, newcomer);
    // The true join comes too late: the guess is spent.
    send(&mut stage, member, join);
    stage.settle();
    nobody_is_in(&stage, member, newcomer);
    still_pairs(&mut stage, member, newcomer);
    assert_eq!(burnt(&stage).len(), 1);
}

/// The offer with another certificate and, if wanted, another share, signed by the stranger.
fn offer_swapped(stage: &mut Stage, stranger: &mut Stranger, newcomer: usize, own_share: bool) {
    let offer = take(stage, newcomer, Class::Offer);
    let mut content = content_of(&offer);
    let mut body: wire::Offer = content.body().unwrap();
    stranger.take_id(content.author());
    body.certificate = stranger.key.certificate.clone();
    if own_share {
        body.share = stranger.share(Side::Member, body.session);
    }
    content.body = wire::encode(&body).into();
    let swapped = stranger.envelope(Class::Offer, content);
    send(stage, newcomer, swapped);
}

#[test]
fn a1_the_members_certificate_cannot_be_swapped_in_the_offer() {
    for own_share in [false, true] {
        let (mut stage, member, newcomer, show_the_member) = two_unseen();
        let mut stranger = Stranger::new();
        stage.offer(member, newcomer).unwrap();
        alone(&mut stage, member);
        offer_swapped(&mut stage, &mut stranger, newcomer, own_share);
        stage.settle();
        stage.type_code(member, newcomer).unwrap();
        stage.settle();
        assert_eq!(burnt(&stage), [shown(&stage, member)].into());
        nobody_is_in(&stage, member, newcomer);
        show_the_member(&mut stage);
        still_pairs(&mut stage, member, newcomer);
        holds(&mut stage);
    }
}

#[test]
fn an_accept_of_a_stranger_lets_nobody_into_a_group_of_strangers() {
    let (mut stage, member, newcomer, show_the_member) = two_unseen();
    let mut stranger = Stranger::new();
    stage.offer(member, newcomer).unwrap();
    alone(&mut stage, member);
    offer_swapped(&mut stage, &mut stranger, newcomer, true);
    stage.settle();
    join_taken(&mut stage, member, newcomer);
    let accept =
        wire::Accept { session: shown(&stage, member), mac: Hash([1; 32]), bundle: vec![2; 200].into() };
    let content = stranger.content(wire::Kind::Accept, wire::encode(&accept));
    let accept = stranger.envelope_of(stage.id(member).unwrap(), Class::Accept, content);
    send(&mut stage, newcomer, accept);
    stage.settle();
    assert!(ignored_as(&stage, newcomer, Ignored::Unproven));
    assert!(burnt(&stage).is_empty(), "no join came: no guess was spent");
    nobody_is_in(&stage, member, newcomer);
    show_the_member(&mut stage);
    still_pairs(&mut stage, member, newcomer);
    holds(&mut stage);
}

#[test]
fn a_join_replayed_when_its_session_is_over_spends_no_guess_of_the_next() {
    let (mut stage, member, newcomer) = two();
    offered(&mut stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    let session = shown(&stage, member);
    stage.command(member, Command::CancelOffer { session }).unwrap();
    stage.settle();
    offered(&mut stage, member, newcomer);
    send(&mut stage, member, join);
    stage.settle();
    assert!(ignored_as(&stage, member, Ignored::Stale));
    assert!(burnt(&stage).is_empty());
    nobody_is_in(&stage, member, newcomer);
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "the second code is good");
    holds(&mut stage);
}

#[test]
fn a_join_rewritten_for_another_session_is_a_wrong_guess() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    offered(&mut stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    let session = shown(&stage, member);
    stage.command(member, Command::CancelOffer { session }).unwrap();
    stage.settle();
    offered(&mut stage, member, newcomer);
    let mut content = content_of(&join);
    let mut body: wire::Join = content.body().unwrap();
    body.session = shown(&stage, member);
    body.certificate = stranger.key.certificate.clone();
    content.body = wire::encode(&body).into();
    // Under another id than the one the offer was for it is no guess at all.
    let other_id = stranger.envelope(Class::Join, content.clone());
    send(&mut stage, member, other_id);
    stage.settle();
    assert!(burnt(&stage).is_empty());
    stranger.take_id(stage.id(newcomer).unwrap());
    body.certificate = stranger.key.certificate.clone();
    content.body = wire::encode(&body).into();
    let same_id = stranger.envelope(Class::Join, content);
    send(&mut stage, member, same_id);
    stage.settle();
    assert_eq!(burnt(&stage), [shown(&stage, member)].into());
    nobody_is_in(&stage, member, newcomer);
    still_pairs(&mut stage, member, newcomer);
}

#[test]
fn a_session_takes_one_join() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    offered(&mut stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    let mut again = join.clone();
    again.token = stranger.token();
    let swapped = under_another_certificate(&mut stranger, &join);
    for envelope in [join.clone(), join, again, swapped] {
        send(&mut stage, member, envelope);
    }
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]));
    assert!(burnt(&stage).is_empty());
    assert_eq!(members(&stage, member).len(), 2);
    let added = |event: &Event| matches!(event, Event::MemberAdded { .. });
    assert_eq!(stage.told.iter().filter(|(at, event)| *at == member && added(event)).count(), 1);
    holds(&mut stage);
}

#[test]
fn a_substituted_share_is_refused_and_costs_the_one_guess() {
    for which in 0..4 {
        let (mut stage, member, newcomer) = two();
        let mut stranger = Stranger::new();
        stage.offer(member, newcomer).unwrap();
        alone(&mut stage, member);
        let offer: wire::Offer = {
            let envelope = take(&mut stage, newcomer, Class::Offer);
            send(&mut stage, newcomer, envelope.clone());
            content_of(&envelope).body().unwrap()
        };
        stage.settle();
        let join = join_taken(&mut stage, member, newcomer);
        let mut content = content_of(&join);
        let mut body: wire::Join = content.body().unwrap();
        body.share = match which {
            0 => stranger.share(Side::Newcomer, offer.session),
            1 => offer.share,
            2 => vec![0; 48].into(),
            _ => Vec::new().into(),
        };
        stranger.take_id(content.author());
        body.certificate = stranger.key.certificate.clone();
        content.body = wire::encode(&body).into();
        let substituted = stranger.envelope(Class::Join, content);
        send(&mut stage, member, substituted);
        stage.settle();
        assert_eq!(burnt(&stage), [offer.session].into(), "share {which}");
        nobody_is_in(&stage, member, newcomer);
        still_pairs(&mut stage, member, newcomer);
    }
}

#[test]
fn an_offer_forwarded_to_another_newcomer_lets_that_one_do_nothing() {
    let (mut stage, member, newcomer) = two();
    let other = stage.add(33);
    stage.settle();
    stage.offer(member, newcomer).unwrap();
    alone(&mut stage, member);
    let offer = take(&mut stage, newcomer, Class::Offer);
    send(&mut stage, other, offer.clone());
    stage.settle();
    let (code, from) = (stage.lab.machines[member].shown.clone().unwrap().code, stage.id(member));
    let typed = stage.command(other, Command::EnterCode { code: code.into(), from, key: None });
    assert!(typed.is_err(), "the offer is not for this one");
    nobody_is_in(&stage, member, other);
    assert!(burnt(&stage).is_empty());
    send(&mut stage, newcomer, offer);
    stage.settle();
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "the code is still good where it was meant");
    assert_eq!(members(&stage, member).len(), 2);
    still_pairs_as_third(&mut stage, member, other);
}

fn still_pairs_as_third(stage: &mut Stage, member: usize, third: usize) {
    assert!(stage.pair(member, third));
    assert_eq!(members(stage, member).len(), 3);
    assert_eq!(stage.lab.violation, None);
}

#[test]
fn an_accept_of_another_session_is_ignored() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    let other = stage.add(33);
    stage.settle();
    offered(&mut stage, member, newcomer);
    stage.type_code(member, newcomer).unwrap();
    alone(&mut stage, newcomer);
    alone(&mut stage, member);
    let accept = take(&mut stage, newcomer, Class::Accept);
    send(&mut stage, newcomer, accept.clone());
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]));
    offered(&mut stage, member, other);
    let join = join_taken(&mut stage, member, other);
    let mut rewritten = content_of(&accept);
    let mut body: wire::Accept = rewritten.body().unwrap();
    body.session = shown(&stage, member);
    rewritten.body = wire::encode(&body).into();
    let rewritten = stranger.envelope(Class::Accept, rewritten);
    for envelope in [accept, rewritten] {
        send(&mut stage, other, envelope);
    }
    stage.settle();
    assert!(ignored_as(&stage, other, Ignored::Stale), "it names another session");
    assert!(ignored_as(&stage, other, Ignored::Unproven), "it proves another session");
    assert_eq!(stage.lab.violation, None);
    assert_eq!(members(&stage, member).len(), 2);
    send(&mut stage, member, join);
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer, other]), "the true accept is taken afterwards");
    assert!(burnt(&stage).is_empty());
}

#[test]
fn a_stranger_ends_no_pairing_of_others() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    stranger.announce(&mut stage);
    offered(&mut stage, member, newcomer);
    let ends = |stage: &mut Stage, stranger: &mut Stranger, at: usize| {
        let session = shown(stage, member);
        let to = stage.lab.machines[at].muaa.as_ref().unwrap().fingerprint();
        let certificate = stranger.key.certificate.clone();
        let abort = wire::Abort { session, to, reason: 1, certificate: certificate.clone() };
        let reject = wire::Reject { session: Some(session), to, reason: 1, certificate };
        for author in [STRANGER, stage.id(member).unwrap(), stage.id(newcomer).unwrap()] {
            let content = stranger.content(wire::Kind::Abort, wire::encode(&abort));
            let abort = stranger.envelope_of(author, Class::Abort, content);
            let content = stranger.content(wire::Kind::Reject, wire::encode(&reject));
            let reject = stranger.envelope_of(author, Class::Reject, content);
            for envelope in [abort, reject] {
                send(stage, at, envelope);
            }
        }
        stage.settle();
    };
    for at in [member, newcomer] {
        ends(&mut stage, &mut stranger, at);
    }
    nobody_is_in(&stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    for at in [member, newcomer] {
        ends(&mut stage, &mut stranger, at);
    }
    send(&mut stage, member, join);
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "the code is good in spite of it all");
    assert!(burnt(&stage).is_empty());
    assert!(!members(&stage, member).contains(&STRANGER));
}

#[test]
fn messages_in_any_order_and_any_number_pair_the_two_and_nobody_else() {
    let (mut stage, member, newcomer) = two();
    offered(&mut stage, member, newcomer);
    let join = join_taken(&mut stage, member, newcomer);
    send(&mut stage, member, join);
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]));
    let all: Vec<_> = stage.lab.store.remembered.iter().map(|(_, envelope)| envelope.clone()).collect();
    assert!(all.len() >= 4);
    for envelope in all.iter().rev().chain(&all) {
        for folder in [Folder::Announcements, inbox(&stage, member), inbox(&stage, newcomer)] {
            deliver(&mut stage, folder, envelope.clone());
        }
    }
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]));
    assert!(burnt(&stage).is_empty());
    assert_eq!(members(&stage, member).len(), 2);
    assert_eq!(stage.lab.violation, None);
}
