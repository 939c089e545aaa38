//! What a server sends that is meant to exhaust the memory. A program of its own: others would be measured as well.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says what was measured")]

mod cases;
mod server;

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use sma_core::{Class, Envelope, MuaaId, Timestamp, Token};

use server::{Pieces, Script, log_in, once, synchronise};

/// What the program may take more, in KiB, the threads of the server included.
const GROWTH_MAX: u64 = 16 << 10;
/// More than anything that a server may send for one command.
const MUCH: usize = 64 << 20;

static ALONE: Mutex<()> = Mutex::new(());

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the line");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

/// Fails if the memory grew too much meanwhile.
fn measured(what: &str, work: impl FnOnce()) {
    // Resets the peak.
    fs::write("/proc/self/clear_refs", "5").expect("/proc");
    let before = status("VmRSS:");
    work();
    let growth = status("VmHWM:").saturating_sub(before);
    eprintln!("{growth:>8} KiB  {what}");
    assert!(growth <= GROWTH_MAX, "{growth} KiB for {what}");
}

/// The pieces come in each place of a connection.
fn everywhere(what: &str, pieces: &Pieces) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    measured(&format!("{what}, as the greeting"), || {
        let _ = log_in(Script { greeting: Some(pieces.clone()), ..Script::default() });
    });
    measured(&format!("{what}, after the greeting"), || {
        let _ = log_in(Script { after_greeting: pieces.clone(), ..Script::default() });
    });
    for command in ["LOGIN", "CAPABILITY", "LIST", "SELECT", "UID FETCH"] {
        measured(&format!("{what}, for {command}"), || {
            let _ = synchronise(Script { instead: Some((command, pieces.clone())), ..Script::default() });
        });
    }
}

fn times(unit: &str) -> (Vec<u8>, usize) {
    (unit.as_bytes().to_vec(), MUCH / unit.len())
}

#[test]
fn a_line_without_an_end_takes_little_memory() {
    for (head, unit) in [
        ("", "a"),
        ("* OK ", "a"),
        ("* OK [CAPABILITY", " a"),
        ("* OK [PERMANENTFLAGS (a", " a"),
        ("* CAPABILITY IMAP4rev1", " a"),
        ("* FLAGS (a", " a"),
        ("* SEARCH", " 1"),
        ("* LIST (\\a", " \\a"),
        ("* LIST () \"/\" \"", "a"),
        ("* STATUS a (MESSAGES 1", " UNSEEN 1"),
        ("* 1 FETCH (UID 1", " UID 1"),
        ("* 1 FETCH (FLAGS (a", " a"),
        ("* 1 FETCH (ENVELOPE (NIL NIL (", "(NIL NIL NIL NIL)"),
        ("* VANISHED 1", ",1"),
        ("* 1 FETCH (BODY[] \"", "\u{e9}"),
    ] {
        everywhere(&format!("{head}{unit}{unit}…"), &vec![(head.as_bytes().to_vec(), 1), times(unit)]);
    }
}

#[test]
fn small_responses_without_end_take_little_memory() {
    for unit in [
        "\r\n",
        "* 1 EXISTS\r\n",
        "* OK\r\n",
        "* OK [UIDVALIDITY 7]\r\n",
        "* LIST () \"/\" a\r\n",
        "* LIST () NIL _Autocrypt_SMA_1\r\n",
        "* STATUS a ()\r\n",
        "* CAPABILITY IMAP4rev1 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z\r\n",
        "* 1 FETCH (UID 1)\r\n",
        "* 1 FETCH (UID 1 BODY[] \"\")\r\n",
        "* X\r\n",
        "+\r\n",
    ] {
        everywhere(&format!("{unit:?} again and again"), &vec![times(unit)]);
    }
}

#[test]
fn a_literal_that_is_too_large_takes_no_memory_before_it_is_refused() {
    for head in [
        "* OK {1000000}\r\n* 1 FETCH (UID 1 BODY[] {536000000}\r\n",
        "* 1 FETCH (UID 1 BODY[] {536000000}\r\n",
        "* 1 FETCH (UID 1 BODY[] {15000000}\r\n",
        "* 1 FETCH (UID 1 BODY[] ~{536000000}\r\n",
        "* 1 FETCH (UID 1 BODY[] {536000000+}\r\n",
        "* 1 FETCH (UID 1 BODY[] {18446744073709551617}\r\n",
        "* LIST () \"/\" {536000000}\r\n",
        "* X {536000000}\r\n",
    ] {
        everywhere(&format!("{head:?} and its octets"), &vec![(head.as_bytes().to_vec(), 1), times("a")]);
    }
}

#[test]
fn what_has_ended_a_program_elsewhere_takes_little_memory() {
    for cases::Case { name, octets, .. } in cases::all() {
        everywhere(name, &once(octets));
    }
}

/// As many different messages as an answer may name.
fn listed(count: u32) -> Pieces {
    let line = |uid| format!("* {uid} FETCH (UID {uid} RFC822.SIZE 1)\r\n");
    vec![((1..=count).map(line).collect::<String>().into_bytes(), 1)]
}

#[test]
fn a_folder_of_very_many_messages_takes_little_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for count in [100_000, 400_000] {
        let script = Script { before: vec![("UID FETCH", listed(count))], ..Script::default() };
        measured(&format!("{count} messages"), || {
            let _ = synchronise(script);
        });
    }
}

/// One of the largest messages that are read.
fn large(token: u8) -> Vec<u8> {
    let envelope = Envelope {
        sender: MuaaId(1),
        token: Token([token; 16]),
        class: Class::Announcement,
        date: Timestamp(0),
        body: vec![token; 1 << 20].into(),
    };
    sma_mime::render(&envelope, &sma_mime::Text::default())
}

#[test]
fn messages_as_large_as_they_may_be_take_little_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let size = large(0).len();
    let list = (1..=60).map(|uid| format!("* {uid} FETCH (UID {uid} RFC822.SIZE {size} FLAGS ())\r\n"));
    let mut bodies = Vec::new();
    for uid in 1..=2 {
        bodies.push((format!("* {uid} FETCH (UID {uid} BODY[] {{{size}}}\r\n").into_bytes(), 1));
        bodies.push((large(uid), 1));
        bodies.push((b")\r\n".to_vec(), 1));
    }
    let script = Script {
        before: vec![("UID FETCH 1:*", once(list.collect::<String>())), ("UID FETCH 1", bodies)],
        ..Script::default()
    };
    measured("large messages", || assert_eq!(synchronise(script), Ok(())));
}

#[test]
fn foreign_messages_as_large_as_they_may_be_take_little_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const SIZE: usize = 2 << 20;
    for (head, unit) in [
        ("", "a\r\n"),
        ("", "a:b\r\n"),
        ("", "\0"),
        ("To: ", "a,\r\n "),
        ("References: ", "<a>\r\n "),
        ("Content-Type: a/b", ";a=b"),
        ("Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\n"),
    ] {
        let list = once(format!("* 1 FETCH (UID 1 RFC822.SIZE {SIZE} FLAGS ())\r\n"));
        let times = (2 * SIZE - head.len()) / unit.len();
        let body = vec![
            (
                format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n{head}", head.len() + times * unit.len())
                    .into_bytes(),
                1,
            ),
            (unit.as_bytes().to_vec(), times),
            (b")\r\n".to_vec(), 1),
        ];
        let script =
            Script { before: vec![("UID FETCH 1:*", list), ("UID FETCH 1 ", body)], ..Script::default() };
        measured(&format!("a message of {head}{unit:?}"), || assert_eq!(synchronise(script), Ok(())));
    }
}
