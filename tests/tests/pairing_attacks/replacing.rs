//! What a server can try with the place that a newcomer wants to take.

use sma_core::{Class, Event, wire};
use sma_sim::stage::Stage;

use crate::server::{Stranger, alone, burnt, content_of, members, nobody_is_in, send, shown, take, two};

/// The place of `at`, as a newcomer names it.
fn place_of(stage: &Stage, at: usize) -> Option<wire::Replaced> {
    let muaa = stage.lab.machines[at].muaa.as_ref()?;
    Some(wire::Replaced { id: muaa.id()?, fingerprint: muaa.fingerprint() })
}

/// Who knows the code signs a wish that it did not hash: so T holds the wish.
#[test]
fn a_wish_that_is_not_in_the_transcript_costs_the_guess() {
    for added in [true, false] {
        let (mut stage, member, newcomer) = two();
        let mut stranger = Stranger::new();
        let join = stranger.guess_right(&mut stage, member, newcomer);
        let mut content = content_of(&join);
        let mut body: wire::Join = content.body().unwrap();
        body.replaces = place_of(&stage, member).filter(|_| added);
        content.body = wire::encode(&body).into();
        let join = stranger.envelope(Class::Join, content);
        send(&mut stage, member, join);
        stage.settle();
        if added {
            assert_eq!(burnt(&stage), [shown(&stage, member)].into());
            nobody_is_in(&stage, member, newcomer);
        } else {
            assert_eq!(members(&stage, member).len(), 2, "the code is right");
        }
    }
}

/// Members are named by id and key; the one that lets in, and the newcomer itself, never go.
#[test]
fn nobody_goes_whom_the_newcomer_does_not_name_rightly() {
    for which in 0..4 {
        let (mut stage, member, newcomer) = two();
        let old = stage.add(33);
        stage.settle();
        assert!(stage.pair(member, old));
        stage.lab.stop(old);
        stage.advance(std::time::Duration::from_secs(40 * 86_400));
        let silent = |stage: &Stage| {
            let siblings = stage.lab.machines[member].muaa.as_ref().unwrap().siblings();
            siblings.iter().filter(|one| one.silent && one.member).count()
        };
        assert_eq!(silent(&stage), 1);
        let mut stranger = Stranger::new();
        stage.offer(member, newcomer).unwrap();
        alone(&mut stage, member);
        let offer = take(&mut stage, newcomer, Class::Offer);
        let code = stage.lab.machines[member].shown.clone().unwrap().code;
        let muaa = stage.lab.machines[old].as_saved().unwrap();
        let right = wire::Replaced { id: muaa.id().unwrap(), fingerprint: muaa.fingerprint() };
        let own = place_of(&stage, member).unwrap();
        let id = stage.id(newcomer).unwrap();
        let wish = match which {
            0 => right,
            1 => wire::Replaced { id: right.id, ..own },
            2 => wire::Replaced { id: own.id, ..right },
            _ => own,
        };
        let join = stranger.guess_in_place_of(&offer, &code, id, 5, Some(wish));
        send(&mut stage, member, join);
        alone(&mut stage, member);
        let expected: &[u64] = if which == 0 { &[1, 27] } else { &[1, 27, 33] };
        let ids: Vec<_> = members(&stage, member).iter().map(|id| id.0).collect();
        assert_eq!(ids, expected, "wish {which}");
        let told = |event: &Event| matches!(event, Event::NotReplaced { .. });
        assert_eq!(stage.told.iter().any(|(at, event)| *at == member && told(event)), which != 0);
    }
}
