//! RFC 3501 as a mail client needs it, in the selected state: one test for each behaviour, named after its section.

mod client;

use client::{World, filled, message};
use sma_imap_server::Config;

fn world() -> World {
    World::new(Config::new("anna", "secret"))
}

/// The lines of an answer that begin so.
fn lines<'a>(answer: &'a str, head: &str) -> Vec<&'a str> {
    answer.split("\r\n").filter(|line| line.starts_with(head)).collect()
}

#[test]
fn section_6_4_2_close_expunges_and_does_not_tell() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    client.ask("STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(client.ask("CLOSE"), "T OK Close completed\r\n");
    assert!(client.ask("STATUS box (MESSAGES)").contains("MESSAGES 1"));
    assert!(client.ask("CLOSE").starts_with("T BAD "));
}

#[test]
fn section_6_4_3_expunge_tells_each_number_as_it_is_then() {
    let world = world();
    let mut client = filled(&world, &["a", "b", "c", "d"]);
    client.ask("STORE 2:3 +FLAGS.SILENT (\\Deleted)");
    let answer = client.ask("EXPUNGE");
    let mut subjects = vec!["a", "b", "c", "d"];
    for line in lines(&answer, "* ").into_iter().filter(|line| line.ends_with("EXPUNGE")) {
        let number: usize = line.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap();
        subjects.remove(number - 1);
    }
    assert_eq!(subjects, ["a", "d"]);
}

#[test]
fn section_6_4_4_search_finds_by_flags_dates_sizes_fields_and_texts() {
    let world = world();
    let mut client = filled(&world, &["apple", "pear"]);
    let mail = "Date: Wed, 1 Jan 2020 12:00:00 +0100\r\nTo: Bert <bert@example.org>\r\nSubject: =?utf-8?Q?J=C3=B6rg?=\r\n\r\nplum\r\n";
    client.ask(format!(
        "APPEND box (\\Flagged Key) \"02-Jan-2020 00:00:00 +0000\" {{{}+}}\r\n{mail}",
        mail.len()
    ));
    for (criteria, wanted) in [
        ("ALL", " 1 2 3"),
        ("FLAGGED", " 3"),
        ("NOT FLAGGED", " 1 2"),
        ("KEYWORD key", " 3"),
        ("UNKEYWORD Key UNSEEN", " 1 2"),
        ("OR SUBJECT apple SUBJECT PEAR", " 1 2"),
        ("SENTON 1-Jan-2020", " 3"),
        ("BEFORE 3-Jan-2020", " 3"),
        ("ON 2-Jan-2020", " 3"),
        ("SINCE 3-Jan-2020", " 1 2"),
        ("SENTBEFORE 1-Jan-2020", ""),
        ("HEADER Message-ID <pear@", " 2"),
        ("HEADER To \"\"", " 3"),
        ("TO bert", " 3"),
        ("BODY PLUM", " 3"),
        ("TEXT apple", " 1"),
        ("LARGER 100 SMALLER 1000", " 3"),
        ("2:*", " 2 3"),
        ("UID 1:2", " 1 2"),
        ("(1:2 FROM anna) SUBJECT pear", " 2"),
        ("CHARSET UTF-8 SUBJECT {5+}\r\nJörg", " 3"),
        ("NEW", " 1 2 3"),
        ("OLD", ""),
    ] {
        let answer = client.ask(format!("SEARCH {criteria}"));
        assert!(answer.starts_with(&format!("* SEARCH{wanted}\r\n")), "{criteria}: {answer}");
    }
    assert!(client.ask("SEARCH CHARSET KOI8-R SUBJECT x").starts_with("T NO [BADCHARSET "));
    assert!(client.ask("SEARCH 4").starts_with("T BAD "));
}

#[test]
fn section_6_4_5_fetch_gives_each_item_that_is_asked_for() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    let size = message("a").len();
    let answer = client.ask("FETCH 1 (UID RFC822.SIZE FLAGS)");
    assert!(
        answer.starts_with(&format!("* 1 FETCH (UID 1 RFC822.SIZE {size} FLAGS (\\Recent))\r\n")),
        "{answer}"
    );
    let header = message("a").split_once("hello").map(|(header, _)| header.to_owned()).unwrap();
    for (item, text) in [
        ("BODY.PEEK[]", message("a")),
        ("BODY.PEEK[HEADER]", header.clone()),
        ("BODY.PEEK[TEXT]", "hello\r\n".to_owned()),
        ("BODY.PEEK[1]", "hello\r\n".to_owned()),
        ("BODY.PEEK[HEADER.FIELDS (subject X-None)]", "Subject: a\r\n\r\n".to_owned()),
        ("BODY.PEEK[HEADER.FIELDS.NOT (from message-id)]", "Subject: a\r\n\r\n".to_owned()),
        ("RFC822.HEADER", header),
    ] {
        let answer = client.ask(format!("FETCH 1 {item}"));
        let told = item.replace(".PEEK", "");
        assert!(
            answer.starts_with(&format!("* 1 FETCH ({told} {{{}}}\r\n{text})\r\n", text.len())),
            "{answer}"
        );
    }
    assert!(client.ask("FETCH 1 BODY[2]").contains("BODY[2] NIL"));
    let answer = client.ask("FETCH 1 ALL");
    for item in ["FLAGS (", "INTERNALDATE \"", "RFC822.SIZE ", "ENVELOPE (NIL \"a\" (("] {
        assert!(answer.contains(item), "{item}: {answer}");
    }
    assert!(client.ask("FETCH 1 FULL").contains("BODY (\"text\" \"plain\""));
}

#[test]
fn section_6_4_5_a_part_of_a_text_has_its_origin() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    assert!(client.ask("FETCH 1 BODY.PEEK[TEXT]<1.3>").contains("BODY[TEXT]<1> {3}\r\nell)"));
    assert!(client.ask("FETCH 1 BODY.PEEK[TEXT]<5.99>").contains("BODY[TEXT]<5> {2}\r\n\r\n)"));
    assert!(client.ask("FETCH 1 BODY.PEEK[TEXT]<99.9>").contains("BODY[TEXT]<99> {0}\r\n)"));
}

#[test]
fn section_6_4_5_reading_a_text_marks_it_as_seen_and_says_so_and_peeking_does_not() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    assert!(!client.ask("FETCH 1 (BODY.PEEK[] RFC822.HEADER)").contains("\\Seen"));
    let answer = client.ask("FETCH 1 BODY[]");
    assert!(answer.contains("FLAGS (\\Seen \\Recent)"), "{answer}");
    assert!(!client.ask("FETCH 1 RFC822").contains("FLAGS"), "it was seen before");
}

#[test]
fn section_6_4_6_store_replaces_adds_and_removes() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    assert!(client.ask("STORE 1 FLAGS (\\Seen Key)").contains("* 1 FETCH (FLAGS (\\Seen Key \\Recent))"));
    assert!(client.ask("STORE 1 +FLAGS (\\Draft)").contains("(\\Seen \\Draft Key \\Recent)"));
    assert!(client.ask("STORE 1 -FLAGS (\\Seen KEY)").contains("(\\Draft \\Recent)"));
    assert!(client.ask("STORE 1 FLAGS.SILENT ()").starts_with("T OK "));
    assert!(client.ask("FETCH 1 FLAGS").contains("FLAGS (\\Recent)"));
    assert!(client.ask("STORE 1 +FLAGS (\\Recent)").starts_with("T BAD "));
    assert!(client.ask("STORE 2 +FLAGS (\\Seen)").starts_with("T BAD "));
}

#[test]
fn section_6_4_7_copy_keeps_flags_and_date_and_copies_all_or_nothing() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    assert!(client.ask("COPY 1:2 missing").starts_with("T NO [TRYCREATE] "));
    client.ask_all(&["CREATE copy", "STORE 2 +FLAGS (\\Answered Key)"]);
    assert!(client.ask("COPY 1:2 copy").contains("T OK "));
    client.ask("SELECT copy");
    let answer = client.ask("FETCH 2 (FLAGS INTERNALDATE)");
    assert!(answer.contains("(\\Answered Key \\Recent)") && answer.contains("14-Nov-2023"), "{answer}");
}

#[test]
fn section_6_4_8_a_uid_that_is_not_there_is_passed_over() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    assert!(client.ask("UID FETCH 7 FLAGS").starts_with("T OK "));
    assert!(client.ask("UID STORE 7 +FLAGS (\\Seen)").starts_with("T OK "));
    assert!(client.ask("UID COPY 7 box").starts_with("T OK "));
    assert!(client.ask("FETCH 7 FLAGS").starts_with("T BAD "));
    assert!(client.ask("UID FETCH 1,9,2 FLAGS").contains("* 2 FETCH (UID 2 "));
    assert!(client.ask("UID STORE 1 +FLAGS (\\Seen)").contains("* 1 FETCH (UID 1 FLAGS (\\Seen"));
}

#[test]
fn section_6_4_8_a_range_up_to_the_last_message_has_the_last_message() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    let answer = client.ask("UID FETCH 100:* UID");
    assert_eq!(lines(&answer, "* "), ["* 2 FETCH (UID 2)"]);
    assert!(client.ask("UID SEARCH UID 100:*").starts_with("* SEARCH 2\r\n"));
}

#[test]
fn section_7_1_a_mailbox_that_was_deleted_ends_the_session_that_has_it_selected() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    world.client().ask("DELETE box");
    assert!(client.ask("NOOP").starts_with("* BYE "));
    assert!(client.is_closed());
}

#[test]
fn section_7_4_1_numbers_do_not_change_during_fetch_store_and_search() {
    let world = world();
    let mut first = filled(&world, &["a", "b", "c"]);
    let mut second = world.client();
    second.ask_all(&["SELECT box", "STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]);
    for command in ["FETCH 3 UID", "STORE 3 +FLAGS (\\Seen)", "SEARCH ALL"] {
        let answer = first.ask(command);
        assert!(!answer.contains("EXPUNGE\r\n"), "{command}: {answer}");
    }
    assert!(first.ask("FETCH 3 UID").contains("* 3 FETCH (UID 3)"));
    assert!(first.ask("UID FETCH 3 UID").contains("* 1 EXPUNGE\r\n"));
    assert!(first.ask("FETCH 2 UID").contains("* 2 FETCH (UID 3)"));
}

#[test]
fn rfc_2180_section_4_1_a_message_that_another_client_expunged_is_served_until_that_is_told() {
    let world = world();
    let mut first = filled(&world, &["a", "b"]);
    let mut second = world.client();
    second.ask_all(&["SELECT box", "STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]);
    let answer = first.ask("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    assert!(answer.contains("Subject: a\r\n") && answer.contains("[EXPUNGEISSUED]"), "{answer}");
}
