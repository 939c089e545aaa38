//! The ways of servers beside the standard, each by what a client sees of it.

mod client;

use std::time::Duration;

use client::{Client, World, filled, message};
use sma_imap_server::{Expunged, Personality};

fn world(name: &str) -> World {
    World::of(Personality::named(name).unwrap_or_else(|| panic!("{name} is known")))
}

/// Two clients, of which the second deletes what the first has selected.
fn deleted_under(name: &str, mailbox: &str) -> Client {
    let world = world(name);
    let mut first = world.client();
    first.ask(format!("CREATE {mailbox}"));
    first.append(mailbox, "", &message("a"));
    first.ask(format!("SELECT {mailbox}"));
    assert!(world.client().ask(format!("DELETE {mailbox}")).starts_with("T OK "));
    first
}

#[test]
fn every_personality_serves_a_client_that_does_as_namespace_says() {
    for name in Personality::NAMES {
        let world = world(name);
        let mut client = world.client();
        client.anything_goes();
        if name == "netease" {
            client.ask("ID (\"name\" \"test\")");
        }
        let told = client.ask("NAMESPACE");
        let prefix = told.split("((\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let mailbox = format!("{prefix}box");
        assert!(client.ask(format!("CREATE {mailbox}")).contains("T OK "), "{name}");
        assert!(client.append(&mailbox, "\\Seen", &message("a")).contains("T OK "), "{name}");
        world.pass(Duration::from_secs(60));
        assert!(client.ask(format!("SELECT {mailbox}")).contains("* 1 EXISTS"), "{name}");
        assert!(client.ask("UID FETCH 1:* BODY.PEEK[TEXT]").contains("hello\r\n"), "{name}");
    }
}

#[test]
fn under_a_prefix_no_other_names_are_made() {
    let mut client = world("cyrus-inbox").client();
    assert!(client.ask("NAMESPACE").starts_with("* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL"));
    assert!(client.ask("CREATE box").starts_with("T NO Permission denied"), "no code is told");
    assert!(client.ask("CREATE INBOX.box").starts_with("T OK "));
    let mut client = world("mail-prefix").client();
    assert!(client.ask("CREATE box").starts_with("T NO [NOPERM] "));
    assert!(client.ask("CREATE Mail/box").starts_with("T OK "));
}

#[test]
fn codes_are_left_out_except_trycreate() {
    let mut client = world("cyrus").client();
    client.ask("CREATE box");
    assert!(client.ask("CREATE box").starts_with("T NO Mailbox already exists"));
    assert!(client.send("a APPEND missing {9}\r\n").starts_with("a NO [TRYCREATE] "));
}

#[test]
fn a_deleted_mailbox_is_told_of_in_four_ways() {
    let mut bye = deleted_under("dovecot", "box");
    assert!(bye.ask("NOOP").starts_with("* BYE ") && bye.is_closed());
    let mut emptied = deleted_under("cyrus", "box");
    assert_eq!(emptied.ask("NOOP"), "* 1 EXPUNGE\r\nT OK NOOP completed\r\n");
    let mut refused = deleted_under("deleted-refused", "box");
    assert!(refused.ask("NOOP").starts_with("T OK "));
    assert!(refused.ask("FETCH 1 BODY[]").starts_with("T NO "));
    let mut untold = deleted_under("courier", "INBOX.box");
    assert!(untold.ask("NOOP").starts_with("T OK "));
    assert!(untold.ask("UID FETCH 1 BODY.PEEK[]").contains("message unavailable"));
    assert!(untold.ask("UID STORE 1 +FLAGS (\\Seen)").starts_with("T OK "));
}

#[test]
fn what_another_client_expunged_is_served_as_it_was_as_nothing_or_as_made_up() {
    for (expunged, wanted) in [
        (Expunged::Kept, "BODY[TEXT] {7}\r\nhello\r\n)"),
        (Expunged::Nil, "BODY[TEXT] NIL)"),
        (Expunged::Fabricated, "no longer available"),
    ] {
        let world = World::of(Personality { expunged, ..Personality::default() });
        let mut first = filled(&world, &["a"]);
        world.client().ask_all(&["SELECT box", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"]);
        let answer = first.ask("FETCH 1 BODY.PEEK[TEXT]");
        assert!(answer.contains(wanted), "{answer}");
    }
}

#[test]
fn courier_tells_no_uidnext_quotes_names_and_gives_nothing_beyond_the_last_uid() {
    let mut client = world("courier").client();
    client.ask("CREATE INBOX.box");
    client.append("INBOX.box", "", &message("a"));
    let answer = client.ask("SELECT INBOX.box");
    assert!(!answer.contains("UIDNEXT") && answer.contains("UIDVALIDITY"), "{answer}");
    assert_eq!(client.ask("UID FETCH 100:* UID"), "T OK Fetch completed\r\n");
    assert!(client.ask("LIST \"\" INBOX.box").contains(" \"INBOX.box\"\r\n"));
    assert!(client.send("a APPEND INBOX.box {4+}\r\na: b\r\n").starts_with("a BAD "), "no LITERAL+");
}

#[test]
fn a_client_in_idle_hears_late_or_not_before_its_done() {
    let late = world("dovecot");
    let mut watching = filled(&late, &[]);
    watching.send("a IDLE\r\n");
    late.client().append("box", "", &message("a"));
    assert_eq!(watching.read(), "");
    late.pass(Duration::from_millis(499));
    assert_eq!(watching.read(), "");
    late.pass(Duration::from_millis(1));
    assert!(watching.read().starts_with("* 1 EXISTS\r\n"));
    let never = world("courier");
    let mut watching = never.client();
    watching.ask("SELECT INBOX");
    watching.send("a IDLE\r\n");
    never.client().append("INBOX", "", &message("a"));
    never.pass(Duration::from_secs(600));
    assert_eq!(watching.read(), "");
    assert!(watching.send("DONE\r\n").starts_with("* 1 EXISTS\r\n"));
}

#[test]
fn a_message_is_seen_some_time_after_it_was_taken() {
    let world = World::of(Personality { visible_after: Duration::from_secs(3600), ..Personality::default() });
    let mut client = filled(&world, &["a", "b"]);
    assert!(client.ask("STATUS box (MESSAGES UIDNEXT)").contains("MESSAGES 0 UIDNEXT 3"));
    client.send("a IDLE\r\n");
    world.pass(Duration::from_secs(3601));
    assert!(client.read().contains("* 2 EXISTS\r\n"), "a client in IDLE is told when it is time");
}

#[test]
fn exchange_keeps_no_keywords_and_tells_no_uid() {
    let mut client = world("exchange").client();
    let answer = client.append("INBOX", "\\Seen Key", &message("a"));
    assert!(answer.contains("T OK Append completed"), "{answer}");
    client.world.pass(Duration::from_secs(10));
    let answer = client.ask("SELECT inbox");
    assert!(answer.contains("[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)]"), "{answer}");
    assert!(client.ask("FETCH 1 FLAGS").contains("(\\Seen \\Recent)"));
}

#[test]
fn gmail_has_one_copy_of_a_message_and_loses_none_that_is_expunged() {
    let world = world("gmail");
    let mut client = filled(&world, &["a"]);
    client.ask("CREATE other");
    assert!(client.append("box", "", &message("a")).contains(" 1] "), "it is there already");
    let again = message("a").replace("hello", "changed");
    client.append("other", "", &again);
    client.ask("SELECT other");
    assert!(client.ask("FETCH 1 BODY.PEEK[TEXT]").contains("hello"), "the Message-ID decides");
    client.ask_all(&["STORE 1 +FLAGS (\\Deleted)", "EXPUNGE", "UNSELECT", "DELETE other"]);
    client.ask_all(&["SELECT box", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"]);
    assert!(client.ask("SELECT \"[Gmail]/All Mail\"").contains("* 1 EXISTS"));
}

#[test]
fn netease_selects_nothing_for_a_client_that_does_not_say_who_it_is() {
    let mut client = world("netease").client();
    assert!(client.ask("SELECT INBOX").starts_with("T NO SELECT Unsafe Login"));
    client.ask("ID NIL");
    assert!(client.ask("SELECT INBOX").contains("T OK "));
}

#[test]
fn names_in_another_case_are_the_same() {
    let mut client = world("case-insensitive").client();
    client.ask("CREATE Box");
    assert!(client.ask("CREATE bOX").starts_with("T NO "));
    assert!(client.ask("SELECT BOX").contains("T OK "));
    assert!(client.ask("LIST \"\" box").contains(" Box\r\n"));
}

#[test]
fn validities_are_reused_or_jump() {
    let mut client = world("validity-reused").client();
    let status = client.ask_all(&["CREATE a", "DELETE a", "CREATE a", "STATUS a (UIDVALIDITY)"]);
    assert!(status.contains("UIDVALIDITY 1)"), "{status}");
    let world = world("validity-jumps");
    let mut client = filled(&world, &["a"]);
    let mut validities = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let answer = client.ask("SELECT box");
        assert!(answer.contains("* 1 EXISTS"));
        validities.insert(
            answer.split("UIDVALIDITY ").nth(1).and_then(|rest| rest.split(']').next()).map(str::to_owned),
        );
    }
    assert!((3..40).contains(&validities.len()), "{}", validities.len());
}

#[test]
fn limits_are_those_of_the_personality() {
    let few = world("few-connections");
    let (_first, _second) = (few.client(), few.client());
    assert!(few.connect().ask("LOGIN anna secret").starts_with("T NO [LIMIT] "));
    let mut client = world("few-folders").client();
    assert!(client.ask_all(&["CREATE a", "CREATE b", "CREATE c", "CREATE d"]).starts_with("T NO [LIMIT] "));
    let mut client = world("small-quota").client();
    let big = format!("a: b\r\n\r\n{}", "x".repeat(30 << 10));
    assert!(client.append("INBOX", "", &big).contains("OK"));
    assert!(client.append("INBOX", "", &big).contains("OK"));
    assert!(client.append("INBOX", "", &big).contains("[OVERQUOTA]"));
}

#[test]
fn headers_are_munged_stripped_or_rewritten_and_newlines_refused() {
    let mail = "Subject: \u{e9}\r\nX-Own: kept?\r\n folded\r\nTo: a@b.org\r\n\r\n\u{e9} text\r\n";
    let kept = |name: &str| {
        let mut client = world(name).client();
        assert!(client.append("INBOX", "", mail).contains("OK"));
        client.ask("SELECT INBOX");
        client.ask("FETCH 1 BODY.PEEK[]")
    };
    let munged = kept("cyrus");
    assert!(munged.contains("Subject: XX\r\n") && munged.contains("\u{e9} text"), "{munged}");
    let stripped = kept("stripped");
    assert!(!stripped.contains("X-Own") && stripped.contains("To: a@b.org\r\n\r\n"), "{stripped}");
    let rewritten = kept("rewritten");
    assert!(rewritten.contains("To:\r\n a@b.org\r\nX-Own:\r\n kept? folded\r\n"), "{rewritten}");
    assert!(world("cyrus").client().append("INBOX", "", "a: b\nc: d\n").starts_with("T NO "));
}

#[test]
fn a_talkative_server_says_what_nobody_asked_for() {
    let mut client = world("talkative").client();
    client.anything_goes();
    let said: String = (0..100).map(|_| client.ask("NOOP")).collect();
    for line in ["* XNOTICE ", "* NAMESPACE ", "* OK [ALERT] ", "* ESEARCH "] {
        assert!(said.contains(line), "{line}");
    }
    assert_eq!(said.matches("T OK NOOP completed\r\n").count(), 100);
}
