//! What a server can try against a pairing by a link: less than against one by a code.

use sma_core::{Class, Command, Form, InputError, wire};
use sma_sim::{person::other_code, stage::Stage};

use crate::server::{Stranger, alone, burnt, content_of, holds, nobody_is_in, send, still_pairs, take, two};

/// The member shows a link for the newcomer; its offer is in the server's hand. Gives both.
fn link_shown(stage: &mut Stage, member: usize, newcomer: usize) -> (String, sma_core::Envelope) {
    let to = stage.id(newcomer);
    stage.command(member, Command::Offer { to, form: Form::Link }).unwrap();
    alone(stage, member);
    let offer = take(stage, newcomer, Class::Offer);
    (stage.lab.machines[member].shown.clone().unwrap().code, offer)
}

fn open(stage: &mut Stage, newcomer: usize, link: &str) -> Result<(), InputError> {
    let code = link.to_owned().into();
    stage.lab.command(newcomer, Command::EnterCode { code, from: None, key: None }).unwrap()
}

/// The text of a link with another value of one field.
fn with_other(link: &str, field: &str) -> String {
    let at = link.find(field).unwrap() + field.len();
    let other = if &link[at..=at] == "1" { "2" } else { "1" };
    [&link[..at], other, &link[at + 1..]].concat()
}

#[test]
fn an_offer_of_the_same_session_under_another_key_is_not_the_one_that_the_link_names() {
    for foreign_first in [true, false] {
        let (mut stage, member, newcomer) = two();
        let mut stranger = Stranger::new();
        stranger.announce(&mut stage);
        let (link, offer) = link_shown(&mut stage, member, newcomer);
        let mut content = content_of(&offer);
        let mut body: wire::Offer = content.body().unwrap();
        body.certificate = stranger.key.certificate.clone();
        body.share = stranger.share(sma_core::Side::Member, body.session);
        content.body = wire::encode(&body).into();
        let foreign = stranger.envelope(Class::Offer, content);
        if foreign_first {
            send(&mut stage, newcomer, foreign);
            stage.settle();
            assert_eq!(open(&mut stage, newcomer, &link), Err(InputError::NoOffer));
            send(&mut stage, newcomer, offer);
        } else {
            send(&mut stage, newcomer, offer);
            send(&mut stage, newcomer, foreign);
        }
        stage.settle();
        nobody_is_in(&stage, member, newcomer);
        stage.type_code(member, newcomer).unwrap();
        stage.settle();
        assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
        assert_eq!(stage.lab.violation, None);
    }
}

#[test]
fn a_link_is_for_its_account_group_member_key_and_session_only() {
    let (mut stage, member, newcomer) = two();
    let (link, offer) = link_shown(&mut stage, member, newcomer);
    send(&mut stage, newcomer, offer);
    stage.settle();
    for field in ["g=", "m=", "f=", "s="] {
        let other = with_other(&link, &format!("&{field}"));
        assert_eq!(open(&mut stage, newcomer, &other), Err(InputError::NoOffer), "{field}");
    }
    let other = with_other(&link, "autocrypt-sma:");
    assert_eq!(open(&mut stage, newcomer, &other), Err(InputError::OtherAccount));
    assert_eq!(open(&mut stage, newcomer, &link[1..]), Err(InputError::Mistyped));
    assert_eq!(open(&mut stage, newcomer, &link[..link.len() - 1]), Err(InputError::Mistyped));
    assert_eq!(open(&mut stage, newcomer, &format!(" {link}\n")), Ok(()));
}

/// Nobody can guess a link, so no number of joins ends its session.
#[test]
fn a_wrong_guess_at_a_link_burns_nothing_and_ends_nothing() {
    let (mut stage, member, newcomer) = two();
    let mut stranger = Stranger::new();
    let (_, offer) = link_shown(&mut stage, member, newcomer);
    let id = stage.id(newcomer).unwrap();
    for guess in 0..10 {
        let join = stranger.guess(&offer, &format!("0000 0000 {guess}"), id, 5);
        send(&mut stage, member, join);
        stage.settle();
    }
    nobody_is_in(&stage, member, newcomer);
    send(&mut stage, newcomer, offer);
    stage.settle();
    stage.type_code(member, newcomer).unwrap();
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
    assert!(burnt(&stage).is_empty());
    holds(&mut stage);
}

#[test]
fn a_link_with_another_secret_lets_nobody_in_and_the_next_one_pairs() {
    let (mut stage, member, newcomer) = two();
    let (link, offer) = link_shown(&mut stage, member, newcomer);
    send(&mut stage, newcomer, offer);
    stage.settle();
    assert_eq!(open(&mut stage, newcomer, &other_code(&link)), Ok(()));
    stage.settle();
    nobody_is_in(&stage, member, newcomer);
    assert!(burnt(&stage).is_empty());
    still_pairs(&mut stage, member, newcomer);
}

#[test]
fn a_code_is_for_the_offer_that_shows_a_code_though_a_link_came_later() {
    let (mut stage, member, newcomer) = two();
    stage.offer(member, newcomer).unwrap();
    stage.settle();
    let code = stage.lab.machines[member].shown.clone().unwrap().code;
    stage.advance(std::time::Duration::from_secs(60));
    let to = stage.id(newcomer);
    stage.command(member, Command::Offer { to, form: Form::Link }).unwrap();
    stage.settle();
    sma_sim::person::pair_in_truth(&mut stage.lab, member, newcomer);
    assert_eq!(open(&mut stage, newcomer, &code), Ok(()));
    stage.settle();
    assert!(stage.are_paired(&[member, newcomer]), "{:#?}", stage.lab.trace.take());
    assert!(burnt(&stage).is_empty());
    holds(&mut stage);
}
