//! RFC 3501 as a mail client needs it: one test for each behaviour, named after its section.

mod client;

use std::time::Duration;

use client::{World, filled, message};
use sma_imap_server::{Config, Limits};

fn world() -> World {
    World::new(Config::new("anna", "secret"))
}

/// IMAP4rev1 and nothing else.
fn plain() -> World {
    World::with(&[])
}

/// The lines of an answer that begin so.
fn lines<'a>(answer: &'a str, head: &str) -> Vec<&'a str> {
    answer.split("\r\n").filter(|line| line.starts_with(head)).collect()
}

#[test]
fn section_2_2_1_a_command_that_is_none_is_answered_bad_under_its_tag() {
    let mut client = world().connect();
    assert!(client.ask("NONSENSE").starts_with("T BAD "));
    assert!(client.send("\r\n").starts_with("* BAD "));
    assert!(client.send("+ NOOP\r\n").starts_with("* BAD "));
    assert!(client.ask("NOOP").starts_with("T OK "));
}

#[test]
fn section_2_3_1_1_a_uid_is_never_used_again() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    client.ask("STORE 2 +FLAGS.SILENT (\\Deleted)");
    client.ask("EXPUNGE");
    client.append("box", "", &message("c"));
    assert!(client.ask("UID FETCH 1:* (UID)").contains("* 2 FETCH (UID 3)"));
}

#[test]
fn section_2_3_1_1_a_mailbox_made_again_has_another_uidvalidity() {
    let mut client = world().client();
    let mut validity = || {
        client.ask("CREATE again");
        let status = client.ask("STATUS again (UIDVALIDITY)");
        client.ask("DELETE again");
        status
    };
    assert_ne!(validity(), validity());
}

#[test]
fn section_2_3_2_recent_is_of_the_first_session_that_is_told() {
    let world = world();
    let mut first = filled(&world, &[]);
    let mut second = world.client();
    second.append("box", "", &message("a"));
    assert!(first.ask("NOOP").contains("* 1 RECENT"));
    assert!(first.ask("FETCH 1 FLAGS").contains("(\\Recent)"));
    assert!(second.ask("SELECT box").contains("* 0 RECENT"));
    assert!(second.ask("FETCH 1 FLAGS").contains("FLAGS ())"));
}

#[test]
fn section_2_3_3_internaldate_is_that_of_append_or_now() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    client.ask("APPEND box \" 1-Feb-2020 03:04:05 +0100\" {4+}\r\na: b");
    let dates = client.ask("FETCH 1:2 INTERNALDATE");
    assert!(dates.contains("\"14-Nov-2023 22:13:20 +0000\""), "{dates}");
    assert!(dates.contains("\" 1-Feb-2020 02:04:05 +0000\""), "{dates}");
}

#[test]
fn section_4_3_a_synchronising_literal_is_asked_for() {
    let mut client = plain().connect();
    assert_eq!(client.send("a LOGIN {4}\r\n"), "+ OK\r\n");
    assert_eq!(client.send("anna {6}\r\n"), "+ OK\r\n");
    assert!(client.send("secret\r\n").starts_with("a OK "));
    assert_eq!(client.send("b APPEND {5}\r\n"), "+ OK\r\n");
    assert_eq!(client.send("INBOX (\\Seen) {4}\r\n"), "+ OK\r\n");
    assert!(client.send("a: b\r\n").starts_with("b OK "));
}

#[test]
fn section_5_1_inbox_is_named_in_any_case_and_other_names_in_one() {
    let mut client = world().client();
    assert!(client.ask("SELECT iNbOx").contains("T OK"));
    client.ask("CREATE Box");
    assert!(client.ask("SELECT box").contains("T NO"));
}

#[test]
fn section_5_1_3_a_name_is_modified_utf7() {
    let mut client = world().client();
    assert!(client.ask("CREATE &ZeVnLIqe-").contains("T OK"));
    assert!(client.ask("CREATE &Jjo!").contains("T NO"));
    assert!(client.ask("LIST \"\" *").contains("&ZeVnLIqe-"));
}

#[test]
fn section_5_2_news_is_told_with_the_next_command() {
    let world = world();
    let mut first = filled(&world, &["a"]);
    let mut second = filled(&world, &["b"]);
    assert_eq!(first.read(), "", "nothing is said out of turn");
    assert!(first.ask("NOOP").starts_with("* 2 EXISTS\r\n"));
    second.ask("STORE 1 +FLAGS (\\Seen)");
    assert!(first.ask("NOOP").contains("* 1 FETCH (FLAGS (\\Seen"));
    assert!(first.ask("NOOP").starts_with("T OK"), "it is told once");
}

#[test]
fn section_5_4_a_client_that_is_silent_for_half_an_hour_is_disconnected() {
    let world = world();
    let mut client = world.client();
    world.pass(Duration::from_secs(29 * 60));
    assert_eq!(client.read(), "");
    world.pass(Duration::from_secs(60));
    assert!(client.read().starts_with("* BYE "));
    assert!(client.is_closed());
}

#[test]
fn section_5_5_commands_may_come_in_one_piece() {
    let mut client = world().client();
    let answer = client.send("a CREATE x\r\nb APPEND x {4+}\r\na: b\r\nc SELECT x\r\nd FETCH 1 UID\r\n");
    let tags: Vec<&str> =
        answer.lines().filter(|line| line.contains(" OK ")).map(|line| &line[..1]).collect();
    assert!(tags.ends_with(&["c", "d"]) && tags.starts_with(&["a", "b"]), "{answer}");
}

#[test]
fn section_6_1_1_capability_says_imap4rev1_first() {
    let mut client = plain().connect();
    assert_eq!(
        client.ask("CAPABILITY"),
        "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nT OK Capability completed\r\n"
    );
}

#[test]
fn section_6_1_3_logout_says_bye_and_ok_and_closes() {
    let mut client = world().client();
    let answer = client.ask("LOGOUT");
    assert!(answer.starts_with("* BYE ") && answer.contains("\r\nT OK "));
    assert!(client.is_closed());
}

#[test]
fn section_6_2_1_starttls_is_refused_where_there_is_no_tls() {
    let mut client = world().connect();
    assert!(!client.ask("CAPABILITY").contains("STARTTLS"));
    assert!(client.ask("STARTTLS").starts_with("T BAD "));
    assert!(client.ask("NOOP").starts_with("T OK "));
}

#[test]
fn section_6_2_2_authenticate_plain_asks_for_the_response_and_may_be_cancelled() {
    let world = world();
    let mut client = world.connect();
    assert_eq!(client.send("a AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    assert!(client.send("*\r\n").starts_with("a BAD "));
    assert_eq!(client.send("b AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    assert!(client.send("AGFubmEAd3Jvbmc=\r\n").starts_with("b NO [AUTHENTICATIONFAILED] "));
    assert_eq!(client.send("c AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    assert!(client.send("AGFubmEAc2VjcmV0\r\n").starts_with("c OK "));
    assert!(client.ask("AUTHENTICATE PLAIN").starts_with("T BAD "), "once is enough");
}

#[test]
fn section_6_2_2_a_mechanism_that_is_not_known_is_refused() {
    assert!(world().connect().ask("AUTHENTICATE GSSAPI").starts_with("T NO "));
}

#[test]
fn section_6_2_3_a_wrong_password_is_refused_and_many_end_the_connection() {
    let mut client = world().connect();
    assert!(client.ask("LOGIN anna wrong").starts_with("T NO [AUTHENTICATIONFAILED] "));
    assert!(client.ask("LOGIN \"anna\" \"secret\"").starts_with("T OK "));
    let mut client = world().connect();
    for _ in 0..5 {
        client.ask("LOGIN anna wrong");
    }
    assert!(client.is_closed());
}

#[test]
fn section_6_3_commands_of_a_user_are_refused_before_the_login() {
    let mut client = world().connect();
    for command in
        ["SELECT INBOX", "LIST \"\" *", "CREATE x", "FETCH 1 UID", "IDLE", "CLOSE", "APPEND INBOX {1+}\r\nx"]
    {
        let answer = client.ask(command);
        assert!(answer.starts_with("T BAD "), "{command}: {answer}");
    }
}

#[test]
fn section_6_3_1_select_tells_what_a_client_needs() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    client.ask("STORE 1 +FLAGS (\\Seen)");
    let answer = client.ask("SELECT box");
    for line in [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
        "* 2 EXISTS",
        "* 0 RECENT",
        "* OK [UNSEEN 2] ",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] ",
        "* OK [UIDNEXT 3] ",
        "* OK [UIDVALIDITY ",
        "T OK [READ-WRITE] ",
    ] {
        assert_eq!(lines(&answer, line).len(), 1, "{line}: {answer}");
    }
}

#[test]
fn section_6_3_1_a_select_that_fails_leaves_nothing_selected() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    assert!(client.ask("SELECT missing").contains("T NO "));
    assert!(client.ask("FETCH 1 UID").starts_with("T BAD "));
}

#[test]
fn section_6_3_2_examine_changes_nothing() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    let answer = client.ask("EXAMINE box");
    assert!(answer.contains("[PERMANENTFLAGS ()]") && answer.contains("T OK [READ-ONLY] "));
    assert!(client.ask("STORE 1 +FLAGS (\\Seen)").starts_with("T NO "));
    assert!(client.ask("EXPUNGE").starts_with("T NO "));
    client.ask("FETCH 1 BODY[]");
    assert!(!client.ask("FETCH 1 FLAGS").contains("\\Seen"));
}

#[test]
fn section_6_3_3_create_makes_levels_and_refuses_what_is_there() {
    let mut client = world().client();
    assert!(client.ask("CREATE a/b/").starts_with("T OK "));
    assert!(client.ask("CREATE a/b").starts_with("T NO [ALREADYEXISTS] "));
    assert!(client.ask("CREATE inbox").starts_with("T NO "));
    let answer = client.ask("LIST \"\" *");
    assert!(answer.contains("* LIST (\\Noselect \\HasChildren) \"/\" a\r\n"), "{answer}");
    assert!(client.ask(format!("CREATE {}", "x".repeat(300))).starts_with("T NO "));
}

#[test]
fn section_6_3_4_delete_takes_one_mailbox_and_none_below_it() {
    let mut client = world().client();
    client.ask_all(&["CREATE a", "CREATE a/b"]);
    assert!(client.ask("DELETE a").starts_with("T OK "));
    assert!(client.ask("SELECT a/b").contains("T OK "));
    assert!(client.ask("DELETE a").starts_with("T NO "), "it is no mailbox any more");
    assert!(client.ask("DELETE INBOX").starts_with("T NO "));
    assert!(client.ask("DELETE missing").starts_with("T NO [NONEXISTENT] "));
}

#[test]
fn section_6_3_5_rename_takes_along_what_is_below() {
    let mut client = world().client();
    client.ask_all(&["CREATE a", "CREATE a/b", "CREATE c"]);
    let validity = client.ask("STATUS a/b (UIDVALIDITY)").replace("a/b", "");
    assert!(client.ask("RENAME a x/y").starts_with("T OK "));
    assert_eq!(client.ask("STATUS x/y/b (UIDVALIDITY)").replace("x/y/b", ""), validity);
    assert!(client.ask("SELECT a").contains("T NO "));
    assert!(client.ask("RENAME x/y c").starts_with("T NO [ALREADYEXISTS] "));
    assert!(client.ask("RENAME missing z").starts_with("T NO [NONEXISTENT] "));
    assert!(client.ask("RENAME x x/z").starts_with("T NO "));
}

#[test]
fn section_6_3_5_renaming_inbox_moves_its_messages_and_leaves_it_empty() {
    let world = world();
    let mut client = world.client();
    client.append("INBOX", "keyword", &message("a"));
    let mut other = world.client();
    other.ask("SELECT INBOX");
    assert!(client.ask("RENAME INBOX old").starts_with("T OK "));
    assert!(client.ask("STATUS INBOX (MESSAGES)").contains("MESSAGES 0"));
    client.ask("SELECT old");
    assert!(client.ask("FETCH 1 FLAGS").contains("keyword"));
    assert!(other.ask("NOOP").contains("* 1 EXPUNGE"));
}

#[test]
fn sections_6_3_6_and_6_3_7_names_are_subscribed_to_without_regard_to_mailboxes() {
    let mut client = world().client();
    assert!(client.ask("SUBSCRIBE missing").starts_with("T OK "));
    assert!(client.ask("LSUB \"\" *").contains("* LSUB () \"/\" missing\r\n"));
    assert!(client.ask("UNSUBSCRIBE missing").starts_with("T OK "));
    assert!(client.ask("LSUB \"\" *").starts_with("T OK "));
    client.ask_all(&["CREATE made"]);
    assert!(client.ask("LSUB \"\" *").starts_with("T OK "), "making a mailbox subscribes to nothing");
}

#[test]
fn section_6_3_8_list_matches_patterns_below_a_reference() {
    let mut client = plain().client();
    client.ask_all(&["CREATE a/b/c", "CREATE d"]);
    let names = |answer: String| {
        let lines = answer.lines().filter(|line| line.starts_with("* LIST"));
        lines.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(client.ask("LIST \"\" *")), ["INBOX", "a", "a/b", "a/b/c", "d"]);
    assert_eq!(names(client.ask("LIST \"\" %")), ["INBOX", "a", "d"]);
    assert_eq!(names(client.ask("LIST a/ %")), ["a/b"]);
    assert_eq!(names(client.ask("LIST \"\" inbox")), ["INBOX"]);
    assert_eq!(client.ask("LIST \"\" \"\""), "* LIST (\\Noselect) \"/\" \"\"\r\nT OK List completed\r\n");
}

#[test]
fn section_6_3_9_lsub_with_percent_tells_the_level_that_matches() {
    let mut client = plain().client();
    client.ask("SUBSCRIBE a/b");
    assert!(client.ask("LSUB \"\" %").starts_with("* LSUB (\\Noselect) \"/\" a\r\n"));
}

#[test]
fn section_6_3_10_status_tells_what_is_asked_in_order() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    client.ask("STORE 1 +FLAGS (\\Seen)");
    let answer = client.ask("STATUS box (UNSEEN MESSAGES UIDNEXT RECENT)");
    assert!(answer.starts_with("* STATUS box (UNSEEN 1 MESSAGES 2 UIDNEXT 3 RECENT 0)\r\n"), "{answer}");
    assert!(client.ask("STATUS missing (MESSAGES)").starts_with("T NO "));
}

#[test]
fn section_6_3_11_append_to_no_mailbox_says_trycreate_before_the_message_is_sent() {
    let mut client = plain().client();
    assert!(client.send("a APPEND missing {1000}\r\n").starts_with("a NO [TRYCREATE] "));
    assert!(client.send("b NOOP\r\n").starts_with("b OK "), "no message is awaited");
}

#[test]
fn section_6_3_11_append_tells_a_session_that_has_the_mailbox_selected() {
    let world = world();
    let mut client = filled(&world, &[]);
    let answer = client.append("box", "\\Seen Key", &message("a"));
    assert!(answer.starts_with("* FLAGS (") && answer.contains("* 1 EXISTS\r\n"), "{answer}");
    assert!(client.ask("FETCH 1 FLAGS").contains("(\\Seen Key \\Recent)"));
}

#[test]
fn section_6_3_11_a_message_that_is_too_big_or_over_quota_is_refused_before_it_is_sent() {
    let limits = Limits { message_bytes: 1000, quota_bytes: 1500, ..Limits::default() };
    let world = World::new(Config::new("anna", "secret").with_limits(limits));
    let mut client = world.client();
    assert!(client.send("a APPEND INBOX {1001}\r\n").starts_with("a NO [TOOBIG] "));
    client.append("INBOX", "", &format!("a: b\r\n\r\n{}", "x".repeat(900)));
    assert!(client.send("b APPEND INBOX {900}\r\n").starts_with("b NO [OVERQUOTA] "));
    let unasked = format!("c APPEND INBOX {{900+}}\r\n{}\r\nd NOOP\r\n", "y".repeat(900));
    let answer = client.send(unasked);
    assert!(answer.starts_with("c NO [OVERQUOTA] ") && answer.contains("\r\nd OK "), "{answer}");
}
