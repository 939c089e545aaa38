//! What a server sends, before and after the login, that is meant to end the program.

mod cases;
mod server;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use server::{Script, log_in, once, synchronise};

/// Deeper than any stack that a program has.
const DEEP: usize = 100_000;

/// Runs on a stack that is an eighth of what Rust gives a thread.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(256 << 10).spawn(work).expect("a thread").join().expect("no panic")
}

fn greeted_with(octets: impl AsRef<[u8]>) -> Result<(), String> {
    let script = Script { greeting: Some(once(octets)), ..Script::default() };
    on_a_small_stack(|| log_in(script))
}

/// The octets come right after a greeting.
fn greeted_and(octets: impl AsRef<[u8]>) -> Result<(), String> {
    let script = Script { after_greeting: once(octets), ..Script::default() };
    on_a_small_stack(|| log_in(script))
}

#[test]
fn a_greeting_with_a_false_literal_does_not_overflow_the_stack() {
    let deep = format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(DEEP));
    for status in
        ["* OK hi", "* PREAUTH hi", "* NO [ALERT] hi", "* BAD hi", "+ hi", "A1 OK hi", "A0001 NO hi"]
    {
        let greeting = format!("{status} {{{}}}\r\n{deep}", deep.len());
        assert!(greeted_with(greeting).is_err(), "{status}");
    }
}

#[test]
fn a_false_literal_in_what_follows_the_greeting_does_not_overflow_the_stack() {
    let deep = format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(DEEP));
    for text in ["* OK x", "* NO [BADCHARSET (", "* OK [PERMANENTFLAGS (", "* BYE x", "* OK \"", "+ x"] {
        let octets = format!("{text}{{{}}}\r\n{deep}", deep.len());
        // A status is one line, so the list is not within a literal.
        let _ = greeted_and(octets);
    }
}

#[test]
fn an_attribute_that_nobody_knows_hides_no_deep_list() {
    let deep = "(".repeat(DEEP);
    let body = format!(") BODYSTRUCTURE {deep}");
    for octets in [
        format!("* 1 FETCH (X a\"b BODYSTRUCTURE {deep}"),
        format!("* 1 FETCH (X (\") BODYSTRUCTURE {deep}"),
        format!("* 1 FETCH (X ({{{}}}\r\n{body}", body.len()),
        format!("* 1 FETCH (X a{{{}}}\r\n{body}", body.len()),
        format!("* 1 FETCH (X (\"\\\") BODYSTRUCTURE {deep}\")"),
    ] {
        let _ = greeted_and(octets);
    }
}

#[test]
fn no_construct_nests_so_deep_that_the_stack_overflows() {
    let basic = "\"a\" \"b\" NIL NIL NIL \"7BIT\" 1 NIL NIL NIL NIL ";
    let envelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ";
    let message = format!("(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 1 {envelope}");
    for (head, unit) in [
        ("* 1 FETCH (BODYSTRUCTURE ", "("),
        ("* 1 FETCH (BODY ", "("),
        (&format!("* 1 FETCH (BODYSTRUCTURE ({basic}"), "("),
        ("* 1 FETCH (BODYSTRUCTURE ", &message),
        ("* 1 FETCH (ENVELOPE ", "("),
        ("* 1 FETCH (X ", "("),
        ("* 1 FETCH (FLAGS ", "("),
        ("* 1 FETCH (BODY[HEADER.FIELDS ", "("),
        ("* 1 FETCH (BODY", "["),
        ("* OK ", "["),
        ("* OK [PERMANENTFLAGS ", "("),
        ("* OK [BADCHARSET ", "("),
        ("* OK [CAPABILITY ", "[("),
        ("* LIST ", "("),
        ("* LIST () \"/\" a ", "(\"x\" ("),
        ("* STATUS a ", "("),
        ("* ESEARCH ", "(TAG "),
        ("* THREAD ", "("),
        ("* NAMESPACE ", "("),
        ("* ID ", "("),
        ("* ACL a ", "("),
        ("* METADATA a ", "("),
        ("* VANISHED ", "("),
        ("* QUOTA a ", "("),
        ("* SORT ", "("),
        ("", "("),
        ("* ", "("),
        ("+ ", "("),
    ] {
        let octets = format!("{head}{}", unit.repeat(DEEP.min((900 << 10) / unit.len())));
        let _ = greeted_and(&octets);
        let _ = greeted_and(format!("{octets}\r\n"));
        let script = Script { instead: Some(("LIST", once(octets))), ..Script::default() };
        let _ = on_a_small_stack(|| synchronise(script));
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn what_the_parser_cannot_take_panics_nowhere_not_even_caught() {
    std::panic::set_hook(Box::new(|_| _ = PANICS.fetch_add(1, Ordering::SeqCst)));
    let lines: [&[u8]; 9] = [
        "* OK [ALERT]é hello\r\n".as_bytes(),
        "* OK [ALERT]\u{1f600}\r\n".as_bytes(),
        "* NO [PARSE]ü\r\n".as_bytes(),
        b"* 1 FETCH (INTERNALDATE NIL)\r\n",
        b"* 1 FETCH (UID 3 INTERNALDATE NIL FLAGS ())\r\n",
        b"* METADATA INBOX (/private/comment {1}\r\n\xe9)\r\n",
        b"* METADATA INBOX (/private/comment \"\xe9\")\r\n",
        b"* METADATA \"\" (/x y)\r\n",
        b"* METADATA INBOX /private/comment/\r\n",
    ];
    for line in lines {
        let _ = greeted_with(line);
        let _ = greeted_and(line);
    }
    let within = Script { before: vec![("LIST", once(lines.concat()))], ..Script::default() };
    let _ = synchronise(within);
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

const LEGAL: [&str; 17] = [
    "* OK [ALERT] over {99999999}",
    "* OK [ALERT]é hello",
    "* OK see {5}",
    "* NO [BADCHARSET (UTF-8)] ((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    "* OK",
    "* FLAGS (\\Answered \\*)",
    "* NAMESPACE ((\"\" \"/\")) NIL NIL",
    "* XNOTICE \"hello\" 5",
    "* STATUS INBOX (MESSAGES 1 SIZE 5 MAILBOXID (F1))",
    "* ESEARCH (TAG \"A1\") UID ALL 1:3",
    "* ID (\"name\" \"x\")",
    "* 3 RECENT",
    "* LIST (\\HasNoChildren) \"/\" \"((((((((((((((((((((((((((((((((((((((((((((((\"",
    "* LIST () \"/\" {5}\r\nab{9} (\"CHILDINFO\" (\"SUBSCRIBED\"))",
    "* METADATA INBOX (/private/comment ~{3}\r\n\0é)",
    "* 1 FETCH (FLAGS (\\Seen) X-NEW (a (b (c {3}\r\n))) d))) MODSEQ (5))",
    "* CAPABILITY IMAP4rev1  SASL-IR ",
];

#[test]
fn what_is_legal_is_passed_over_before_and_after_the_login() {
    for line in LEGAL {
        let after = Script { after_greeting: once(format!("{line}\r\n")), ..Script::default() };
        assert_eq!(log_in(after), Ok(()), "{line}");
    }
    let lines = format!("{}\r\n", LEGAL.join("\r\n"));
    let everywhere = ["LOGIN", "CAPABILITY", "LIST", "SELECT", "UID FETCH", "CREATE", "APPEND"];
    let before = everywhere.map(|command| (command, once(&lines))).to_vec();
    assert_eq!(synchronise(Script { before, ..Script::default() }), Ok(()));
}

/// Instead of the greeting, or before and instead of the answer of each command after the login.
#[test]
fn what_has_ended_a_program_elsewhere_ends_none_here() {
    for case in cases::all() {
        let cases::Case { name, is_greeting, is_legal, octets } = case;
        if is_greeting {
            assert!(greeted_with(&octets).is_err(), "{name}: the connection ends there");
            continue;
        }
        for command in ["CAPABILITY", "LIST", "SELECT", "UID FETCH", "CREATE", "APPEND"] {
            let (before, instead) = (vec![(command, once(&octets))], Some((command, once(&octets))));
            let goes_on = on_a_small_stack(|| synchronise(Script { before, ..Script::default() }));
            assert!(!is_legal || goes_on == Ok(()), "{name} before {command}: {goes_on:?}");
            let _ = on_a_small_stack(|| synchronise(Script { instead, ..Script::default() }));
        }
    }
}
