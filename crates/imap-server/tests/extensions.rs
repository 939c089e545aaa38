//! Extensions and IMAP4rev2: one test for each behaviour, named after where it is laid down; and that each is off where it is off.

mod client;

use std::time::Duration;

use client::{World, filled, message};
use sma_imap_server::{Config, Extension, Limits};

fn world() -> World {
    World::new(Config::new("anna", "secret"))
}

#[test]
fn what_is_switched_off_is_no_command_and_is_not_told() {
    let world = World::with(&[]);
    let mut client = filled(&world, &["a"]);
    for command in [
        "ENABLE CONDSTORE",
        "ID NIL",
        "NAMESPACE",
        "IDLE",
        "UNSELECT",
        "MOVE 1 INBOX",
        "UID EXPUNGE 1",
        "GETQUOTAROOT INBOX",
        "COMPRESS DEFLATE",
        "LIST (SUBSCRIBED) \"\" *",
        "LIST \"\" * RETURN (STATUS (MESSAGES))",
        "SEARCH RETURN (ALL) ALL",
        "FETCH 1 (MODSEQ)",
        "SELECT box (CONDSTORE)",
        "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
        "STATUS box (HIGHESTMODSEQ)",
    ] {
        let answer = client.ask(command);
        assert!(answer.starts_with("T BAD "), "{command}: {answer}");
    }
    assert!(client.ask("CAPABILITY").starts_with("* CAPABILITY IMAP4rev1\r\n"));
    assert!(client.send("a APPEND box {4}\r\n").starts_with("+ "));
    assert!(client.send("a: b\r\n").contains("a OK Append completed"), "no UID is told");
}

#[test]
fn each_extension_is_told_by_its_name() {
    let told = World::with(&Extension::ALL).client().ask("CAPABILITY");
    for extension in Extension::ALL {
        assert!(told.contains(&format!(" {}", extension.name())), "{extension:?}: {told}");
    }
    assert!(told.contains(" APPENDLIMIT=33554432"), "RFC 7889");
}

#[test]
fn rfc_2177_idle_tells_what_others_do_at_once_and_ends_with_done() {
    let world = world();
    let mut watching = filled(&world, &["a"]);
    let mut other = filled(&world, &[]);
    assert_eq!(watching.send("a IDLE\r\n"), "+ idling\r\n");
    other.append("box", "", &message("b"));
    assert_eq!(watching.read(), "* 2 EXISTS\r\n");
    other.ask_all(&["STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]);
    assert!(watching.read().contains("* 1 EXPUNGE\r\n"));
    assert!(watching.send("DONE\r\n").starts_with("a OK "));
    assert!(watching.send("b IDLE\r\n").starts_with("+ "));
    assert!(watching.send("c NOOP\r\n").starts_with("b BAD "));
}

#[test]
fn rfc_2342_namespace_tells_prefix_and_delimiter() {
    assert!(world().client().ask("NAMESPACE").starts_with("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
}

#[test]
fn rfc_2971_id_is_answered_before_the_login_too() {
    let mut client = world().connect();
    assert!(client.ask("ID (\"name\" \"test\")").starts_with("* ID (\"name\" "));
    assert!(client.ask("ID NIL").contains("T OK "));
}

#[test]
fn rfc_3348_children_are_told() {
    let mut client = world().client();
    client.ask_all(&["CREATE a", "CREATE a/b"]);
    let answer = client.ask("LIST \"\" *");
    assert!(
        answer.contains("* LIST (\\HasChildren) \"/\" a\r\n* LIST (\\HasNoChildren) \"/\" a/b\r\n"),
        "{answer}"
    );
}

#[test]
fn rfc_3502_many_messages_are_appended_all_or_none() {
    let limits = Limits { messages: 3, ..Limits::default() };
    let world = World::new(Config::new("anna", "secret").with_limits(limits));
    let mut client = filled(&world, &[]);
    let answer = client.ask("APPEND box (\\Seen) {4+}\r\na: b \" 1-Jan-2020 00:00:00 +0000\" {4+}\r\nc: d");
    assert!(answer.contains("* 2 EXISTS") && answer.contains(" 1:2] "), "{answer}");
    let flags = client.ask("FETCH 1:2 FLAGS");
    assert!(
        flags.contains("* 1 FETCH (FLAGS (\\Seen \\Recent))")
            && flags.contains("* 2 FETCH (FLAGS (\\Recent))")
    );
    assert!(client.ask("APPEND box {4+}\r\na: b {4+}\r\nc: d").starts_with("T NO [LIMIT] "));
    assert!(client.ask("STATUS box (MESSAGES)").contains("MESSAGES 2"));
}

#[test]
fn rfc_3691_unselect_expunges_nothing() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    client.ask("STORE 1 +FLAGS (\\Deleted)");
    assert_eq!(client.ask("UNSELECT"), "T OK Unselect completed\r\n");
    assert!(client.ask("STATUS box (MESSAGES)").contains("MESSAGES 1"));
}

#[test]
fn rfc_4315_uids_are_told_and_expunged_exactly() {
    let world = world();
    let mut client = filled(&world, &["a", "b", "c"]);
    let status = client.ask("STATUS box (UIDVALIDITY)");
    let validity = status.split(&[' ', ')'][..]).nth(4).unwrap_or_default().to_owned();
    let answer = client.append("box", "", &message("d"));
    assert!(answer.contains(&format!("T OK [APPENDUID {validity} 4] ")), "{answer}");
    let answer = client.ask("UID COPY 2,4 box");
    assert!(answer.contains(&format!("T OK [COPYUID {validity} 2,4 5:6] ")), "{answer}");
    client.ask("UID STORE 1:3 +FLAGS.SILENT (\\Deleted)");
    let answer = client.ask("UID EXPUNGE 2,3,6");
    assert_eq!(answer.matches("EXPUNGE\r\n").count(), 2);
    assert!(client.ask("UID SEARCH ALL").starts_with("* SEARCH 1 4 5 6\r\n"));
}

#[test]
fn rfc_4731_search_tells_what_it_is_asked_to_return() {
    let world = world();
    let mut client = filled(&world, &["a", "b", "c"]);
    let answer = client.ask("UID SEARCH RETURN (MIN MAX COUNT ALL) OR 1 3");
    assert!(answer.starts_with("* ESEARCH (TAG \"T\") UID MIN 1 MAX 3 COUNT 2 ALL 1,3\r\n"), "{answer}");
    assert!(client.ask("SEARCH RETURN () ALL").starts_with("* ESEARCH (TAG \"T\") ALL 1:3\r\n"));
    assert!(client.ask("SEARCH RETURN (MIN) SUBJECT none").starts_with("* ESEARCH (TAG \"T\")\r\n"));
}

#[test]
fn rfc_4959_an_initial_response_saves_a_flight() {
    let mut client = world().connect();
    assert!(client.ask("AUTHENTICATE PLAIN AGFubmEAc2VjcmV0").starts_with("T OK "));
    let mut client = World::with(&[]).connect();
    assert!(client.ask("AUTHENTICATE PLAIN AGFubmEAc2VjcmV0").starts_with("T BAD "));
}

#[test]
fn rfc_5161_enable_tells_what_it_has_enabled() {
    let mut client = world().client();
    assert!(client.ask("ENABLE CONDSTORE X-NONE QRESYNC").starts_with("* ENABLED CONDSTORE QRESYNC\r\n"));
    assert!(client.ask("ENABLE X-NONE").starts_with("* ENABLED\r\n"));
}

#[test]
fn rfc_5258_list_selects_and_returns() {
    let mut client = world().client();
    client.ask_all(&["CREATE a", "CREATE a/b", "SUBSCRIBE a/b", "SUBSCRIBE gone"]);
    let answer = client.ask("LIST (SUBSCRIBED) \"\" *");
    assert_eq!(
        answer,
        "* LIST (\\Subscribed) \"/\" a/b\r\n* LIST (\\NonExistent \\Subscribed) \"/\" gone\r\nT OK List completed\r\n"
    );
    let answer = client.ask("LIST \"\" (a INBOX) RETURN (CHILDREN SUBSCRIBED)");
    assert!(
        answer.starts_with("* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasChildren) \"/\" a\r\n"),
        "{answer}"
    );
    let answer = client.ask("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %");
    assert!(answer.contains("* LIST () \"/\" a (CHILDINFO (\"SUBSCRIBED\"))\r\n"), "{answer}");
}

#[test]
fn rfc_5819_list_tells_the_status_of_each_mailbox() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    client.ask("CREATE x/y");
    let answer = client.ask("LIST \"\" * RETURN (STATUS (MESSAGES UIDNEXT))");
    assert!(answer.contains("* STATUS box (MESSAGES 1 UIDNEXT 2)\r\n"), "{answer}");
    assert_eq!(answer.matches("* STATUS").count(), 3, "a level that is no mailbox has none: {answer}");
}

#[test]
fn rfc_6851_move_tells_the_uids_before_the_messages_go() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    client.ask("CREATE there");
    let answer = client.ask("MOVE 1 there");
    let (uids, gone) = (answer.find("* OK [COPYUID "), answer.find("* 1 EXPUNGE"));
    assert!(uids.is_some() && uids < gone, "{answer}");
    assert!(client.ask("STATUS there (MESSAGES)").contains("MESSAGES 1"));
    assert!(client.ask("UID MOVE 2 missing").contains("[TRYCREATE]"));
}

#[test]
fn rfc_7162_each_change_has_a_higher_modification_sequence() {
    let world = world();
    let mut client = filled(&world, &["a", "b"]);
    let highest = |answer: String| {
        let rest = answer.split("HIGHESTMODSEQ ").nth(1).unwrap_or_default().to_owned();
        rest.split(&[']', ')'][..]).next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = highest(client.ask("SELECT box (CONDSTORE)"));
    let answer = client.ask("STORE 1 +FLAGS (\\Seen)");
    assert!(answer.contains(&format!("MODSEQ ({})", before + 1)), "{answer}");
    assert_eq!(highest(client.ask("STATUS box (HIGHESTMODSEQ)")), before + 1);
    let answer = client.ask(format!("FETCH 1:2 (FLAGS) (CHANGEDSINCE {before})"));
    assert_eq!(answer.matches("FETCH (").count(), 1, "{answer}");
    let answer = client.ask(format!("STORE 1:2 (UNCHANGEDSINCE {before}) +FLAGS (\\Draft)"));
    assert!(answer.contains("[MODIFIED 1]") && answer.contains("* 2 FETCH "), "{answer}");
    let answer = client.ask(format!("SEARCH MODSEQ {}", before + 2));
    assert!(answer.starts_with(&format!("* SEARCH 2 (MODSEQ {})\r\n", before + 2)), "{answer}");
}

#[test]
fn rfc_7162_a_client_that_returns_hears_what_has_vanished_and_changed() {
    let world = world();
    let mut client = filled(&world, &["a", "b", "c"]);
    client.ask("ENABLE QRESYNC");
    let select = client.ask("SELECT box");
    let word = |name: &str| {
        let rest = select.split(name).nth(1).unwrap_or_default();
        rest.split(']').next().unwrap_or_default().trim().to_owned()
    };
    let (validity, modseq) = (word("UIDVALIDITY "), word("HIGHESTMODSEQ "));
    client.ask("STORE 2 +FLAGS (\\Deleted)");
    let answer = client.ask("EXPUNGE");
    assert!(answer.contains("* VANISHED 2\r\n") && !answer.contains("* 2 EXPUNGE"), "{answer}");
    client.ask("STORE 1 +FLAGS (\\Seen)");
    let answer = client.ask(format!("SELECT box (QRESYNC ({validity} {modseq} 1:3))"));
    assert!(answer.starts_with("* OK [CLOSED] "), "{answer}");
    assert!(answer.contains("* VANISHED (EARLIER) 2\r\n"), "{answer}");
    assert!(answer.contains("* 1 FETCH (UID 1 FLAGS (\\Seen"), "{answer}");
    let answer = client.ask(format!("UID FETCH 1:* FLAGS (CHANGEDSINCE {modseq} VANISHED)"));
    assert!(answer.starts_with("* VANISHED (EARLIER) 2\r\n* 1 FETCH "), "{answer}");
}

#[test]
fn rfc_7888_with_literal_minus_only_small_literals_come_unasked() {
    let world = World::with(&[Extension::LiteralMinus]);
    let mut client = world.client();
    assert!(client.ask("APPEND INBOX {4+}\r\na: b").starts_with("T OK "));
    let answer = client.ask(format!("APPEND INBOX {{4102+}}\r\na: b\r\n{}", "x".repeat(4096)));
    assert!(answer.starts_with("T BAD [TOOBIG] "), "{answer}");
    assert!(client.ask("NOOP").starts_with("T OK "), "what came is passed over");
}

#[test]
fn rfc_7888_a_server_without_it_reads_what_comes_unasked_as_commands() {
    let mut client = World::with(&[]).client();
    let answer = client.send("a APPEND INBOX {4+}\r\na: b\r\nc NOOP\r\n");
    assert!(answer.starts_with("a BAD ") && answer.ends_with("c OK NOOP completed\r\n"), "{answer}");
}

#[test]
fn rfc_9208_the_quota_is_told_in_units_of_1024_octets() {
    let limits = Limits { quota_bytes: 10 << 10, ..Limits::default() };
    let world = World::new(Config::new("anna", "secret").with_limits(limits));
    let mut client = filled(&world, &["a"]);
    assert!(
        client.ask("GETQUOTAROOT box").starts_with("* QUOTAROOT box \"\"\r\n* QUOTA \"\" (STORAGE 1 10)\r\n")
    );
    assert!(client.ask("GETQUOTA \"\"").starts_with("* QUOTA \"\" (STORAGE 1 10)\r\n"));
    assert!(client.ask("SETQUOTA \"\" (STORAGE 99)").starts_with("T NO "));
}

#[test]
fn rfc_9051_section_6_4_4_search_is_answered_by_esearch() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    client.ask("ENABLE IMAP4rev2");
    assert!(client.ask("SEARCH ALL").starts_with("* ESEARCH (TAG \"T\") ALL 1\r\n"));
}

#[test]
fn rfc_9051_section_5_1_names_are_utf8() {
    let mut client = world().client();
    client.ask("ENABLE IMAP4rev2");
    assert!(client.ask("CREATE {9+}\r\n日本語").starts_with("T OK "));
    assert!(client.ask("RENAME \"日本語\" \"a \\\" 日本\"").starts_with("T OK "));
    assert!(client.append("\"a \\\" 日本\"", "", &message("a")).contains("T OK "));
    assert!(client.ask("RENAME \"a \\\" 日本\" \"日本語\"").starts_with("T OK "));
    assert!(client.ask("LIST \"\" *").contains("{9}\r\n日本語"));
    assert!(world().client().ask("LIST \"\" *").contains("INBOX"));
}

#[test]
fn rfc_9051_appendix_e_there_is_no_recent_and_no_unseen() {
    let world = world();
    let mut client = filled(&world, &["a"]);
    client.ask("ENABLE IMAP4rev2");
    let answer = client.ask("SELECT box");
    assert!(!answer.contains("RECENT") && !answer.contains("UNSEEN"), "{answer}");
    assert!(answer.contains("* LIST () \"/\" box\r\n"), "{answer}");
    assert!(
        client.ask("STATUS box (SIZE DELETED)").contains(&format!("(SIZE {} DELETED 0)", message("a").len()))
    );
}

#[test]
fn a_client_that_is_over_the_limit_of_connections_is_turned_away() {
    let limits = Limits { sessions_of_user: 1, sessions: 2, ..Limits::default() };
    let world = World::new(Config::new("anna", "secret").with_limits(limits));
    let _first = world.client();
    assert!(world.connect().ask("LOGIN anna secret").starts_with("T NO [LIMIT] "));
    let session = world.server.borrow_mut().connect(Duration::ZERO);
    assert!(world.server.borrow_mut().take_output(session, client::BEGIN).starts_with(b"* BYE "));
}

#[test]
fn rfc_4978_both_directions_are_deflated_after_the_answer() {
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
    let world = World::with(&[Extension::Compress]);
    let client = world.client();
    let (mut deflate, mut inflate) = (Compress::new(Compression::fast(), false), Decompress::new(false));
    let mut deflated = Vec::with_capacity(1000);
    deflate.compress_vec(b"b NOOP\r\nc COMPRESS DEFLATE\r\n", &mut deflated, FlushCompress::Sync).unwrap();
    // What follows in the same write is deflated already.
    let octets = [b"a COMPRESS DEFLATE\r\n", deflated.as_slice()].concat();
    client.world.server.borrow_mut().receive(client.session, &octets, client::BEGIN);
    let answer = client.world.server.borrow_mut().take_output(client.session, client::BEGIN);
    let plain = b"a OK DEFLATE active\r\n";
    assert!(answer.starts_with(plain), "the answer itself is not deflated");
    let mut inflated = Vec::with_capacity(1000);
    inflate.decompress_vec(&answer[plain.len()..], &mut inflated, FlushDecompress::Sync).unwrap();
    let inflated = String::from_utf8(inflated).unwrap();
    assert!(inflated.starts_with("b OK ") && inflated.contains("c NO [COMPRESSIONACTIVE] "), "{inflated}");
    client.world.server.borrow_mut().receive(client.session, b"d NOOP\r\n\xff\xff\xff", client::BEGIN);
    assert!(client.is_closed(), "octets that are not deflated end the connection");
}

#[test]
fn rfc_7677_and_rfc_7628_a_client_logs_in_by_scram_or_by_a_token() {
    use sma_imap_server::Mechanism::{OAuthBearer, ScramSha256, XOAuth2};
    let config = Config::new("anna", "secret").with_token("anna", "token").without_login();
    let world = World::new(config.with_mechanisms([OAuthBearer, ScramSha256, XOAuth2]));
    let mut client = world.connect();
    let told = client.ask("CAPABILITY");
    assert!(told.contains(" AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER AUTH=XOAUTH2 LOGINDISABLED\r\n"), "{told}");
    assert!(client.ask("LOGIN anna secret").starts_with("T NO [PRIVACYREQUIRED] "));
    assert!(client.ask("AUTHENTICATE PLAIN AGFubmEAc2VjcmV0").starts_with("T NO "), "it is not offered");
    // user=anna, auth=Bearer other: the reason, then the refusal.
    let said = client.ask("AUTHENTICATE XOAUTH2 dXNlcj1hbm5hAWF1dGg9QmVhcmVyIG90aGVyAQE=");
    assert!(said.starts_with("+ "), "{said}");
    assert!(client.send("\r\n").contains(" NO [AUTHENTICATIONFAILED] "));
    let said = client.ask("AUTHENTICATE XOAUTH2 dXNlcj1hbm5hAWF1dGg9QmVhcmVyIHRva2VuAQE=");
    assert!(said.starts_with("T OK "), "{said}");
    // n,,n=anna,r=abc
    assert!(world.connect().ask("AUTHENTICATE SCRAM-SHA-256 biwsbj1hbm5hLHI9YWJj").starts_with("+ cj1hYmN"));
}
