//! What goes wrong goes wrong as it was planned, and by chance as the seed has it.

mod client;

use std::time::Duration;

use client::{BEGIN, World, filled, message};
use sma_imap_server::{Config, Faults, Limits, Line, Malice, Server, Trouble};

fn server() -> Server {
    Server::new(Config::new("anna", "secret"), 1, BEGIN)
}

/// Everything that arrives of a session's output, in the pieces in which it arrives.
fn pieces(server: &mut Server, line: Line, said: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    let session = server.connect_over(line, BEGIN);
    server.receive(session, said, BEGIN);
    let (mut now, mut pieces) = (BEGIN, Vec::new());
    loop {
        let piece = server.take_output(session, now);
        if !piece.is_empty() {
            pieces.push((now - BEGIN, piece));
            continue;
        }
        match server.poll_timeout().filter(|at| *at < BEGIN + Duration::from_secs(600)) {
            Some(at) => now = at,
            None => return pieces,
        }
    }
}

fn whole(pieces: &[(Duration, Vec<u8>)]) -> Vec<u8> {
    pieces.iter().flat_map(|(_, piece)| piece.clone()).collect()
}

const SAID: &[u8] = b"a LOGIN anna secret\r\nb SELECT INBOX\r\n";

#[test]
fn a_line_may_be_cut_after_every_octet_of_the_server() {
    let all = whole(&pieces(&mut server(), Line::default(), SAID));
    for cut in 0..all.len() {
        let mut server = server();
        let line = Line { cut_after_sent: Some(cut as u64), ..Line::default() };
        assert_eq!(whole(&pieces(&mut server, line, SAID)), all[..cut], "{cut}");
    }
}

#[test]
fn a_line_may_be_cut_after_every_octet_of_the_client() {
    let said = b"a LOGIN anna secret\r\nb CREATE box\r\n";
    for cut in 0..said.len() {
        let mut server = server();
        let session =
            server.connect_over(Line { cut_after_received: Some(cut as u64), ..Line::default() }, BEGIN);
        said.chunks(7).for_each(|piece| server.receive(session, piece, BEGIN));
        assert!(server.is_closed(session), "{cut}");
        let other = server.connect(BEGIN);
        server.receive(other, b"a LOGIN anna secret\r\nb STATUS box (MESSAGES)\r\n", BEGIN);
        let answer = String::from_utf8(server.take_output(other, BEGIN)).unwrap();
        assert!(answer.contains("b NO "), "{cut}: half a command has no effect");
    }
}

#[test]
fn a_line_may_stall_split_and_trickle() {
    let all = whole(&pieces(&mut server(), Line::default(), SAID));
    let mut stalled = server();
    let session = stalled.connect_over(Line { stall_after_sent: Some(10), ..Line::default() }, BEGIN);
    stalled.receive(session, SAID, BEGIN);
    assert_eq!(stalled.take_output(session, BEGIN), all[..10]);
    assert!(stalled.take_output(session, BEGIN).is_empty() && !stalled.is_closed(session));
    let split = pieces(&mut server(), Line { piece: Some(3), ..Line::default() }, SAID);
    assert!(split.iter().all(|(at, piece)| piece.len() <= 3 && at.is_zero()) && whole(&split) == all);
    let pause = Duration::from_millis(10);
    let trickled = pieces(&mut server(), Line { piece: Some(1), pause, ..Line::default() }, SAID);
    assert_eq!(whole(&trickled), all);
    assert_eq!(trickled.last().map(|(at, _)| *at), Some(pause * (all.len() as u32 - 1)));
}

#[test]
fn a_planned_trouble_is_on_either_side_of_the_effect() {
    for (trouble, done) in [
        (Trouble::Refused("UNAVAILABLE"), false),
        (Trouble::CutBefore, false),
        (Trouble::CutAfter, true),
        (Trouble::Dishonest(Malice::FalseOk), false),
        (Trouble::Dishonest(Malice::FalseNo), true),
    ] {
        let world = World::new(Config::new("anna", "secret"));
        let mut client = world.client();
        world.server.borrow_mut().plan("CREATE", 1, trouble);
        assert!(client.ask("CREATE one").starts_with("T OK "));
        let answer = client.ask("CREATE two");
        assert_eq!(answer.is_empty(), client.is_closed(), "{trouble:?}: {answer}");
        assert_eq!(world.server.borrow().planned(), 0);
        let there = world.client().ask("STATUS two (MESSAGES)").contains("T OK ");
        assert_eq!(there, done, "{trouble:?}");
    }
}

#[test]
fn every_malice_says_something_else_than_an_honest_server() {
    let honest =
        filled(&World::new(Config::new("anna", "secret")), &["a", "b"]).append("box", "", &message("c"));
    for malice in Malice::ALL {
        let world = World::new(Config::new("anna", "secret"));
        let mut client = filled(&world, &["a", "b"]);
        client.anything_goes();
        world.server.borrow_mut().plan("APPEND", 0, Trouble::Dishonest(malice));
        let said = client.append("box", "", &message("c"));
        // Of nothing before, nothing is repeated.
        assert_eq!(said == honest, malice == Malice::Repeated, "{malice:?}");
    }
}

#[test]
fn a_client_that_reads_nothing_is_disconnected_at_the_limit() {
    let limits = Limits { waiting_bytes: 10_000, ..Limits::default() };
    let mut server = Server::new(Config::new("anna", "secret").with_limits(limits), 1, BEGIN);
    let session = server.connect(BEGIN);
    for _ in 0..1000 {
        server.receive(session, b"a CAPABILITY\r\n", BEGIN);
    }
    assert!(server.is_closed(session));
}

#[test]
fn what_goes_wrong_by_chance_comes_from_the_seed() {
    let run = |seed: u64| {
        let config = Config::new("anna", "secret").with_faults(Faults::named("all").unwrap());
        let mut server = Server::new(config, seed, BEGIN);
        let mut said = Vec::new();
        for _ in 0..100 {
            let session = server.connect(BEGIN);
            server.receive(
                session,
                b"a LOGIN anna secret\r\nb APPEND INBOX {4+}\r\na: b\r\nc SELECT INBOX\r\n",
                BEGIN,
            );
            (0..10).for_each(|_| said.extend(server.take_output(session, BEGIN)));
            server.disconnect(session);
        }
        said
    };
    assert!(run(1) == run(1));
    assert!(run(1) != run(2));
}

#[test]
fn who_looks_from_outside_sees_what_there_is() {
    let world = World::new(Config::new("anna", "secret"));
    let mut client = filled(&world, &["a"]);
    client.ask("STORE 1 +FLAGS (\\Deleted Key)");
    let server = world.server.borrow();
    assert_eq!(server.mailboxes("anna"), ["INBOX", "box"]);
    assert_eq!(server.mailboxes("nobody"), [""; 0]);
    let stored = server.messages("anna", "box").unwrap();
    assert_eq!((stored[0].uid, stored[0].flags.join(" ").as_str()), (1, "\\Deleted key"));
    assert_eq!(stored[0].octets, message("a").into_bytes());
    assert_eq!(server.messages("anna", "none"), None);
}
