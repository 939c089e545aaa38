//! What the store makes of what servers say; each case was seen on a real one, or is one that a lying one may give.

use std::time::Duration;

use bytes::Bytes;
use sma_core::{
    Class, Content, Cursor, Envelope, Folder, MuaaId, Op, OpError, Reply, Secret, Timestamp, Token, Uid,
};

use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    time::Instant,
};

use crate::{
    Account, Address,
    connection::Connection,
    mock::{Step, Step::*, commands, store},
};

const INBOX: Folder = Folder::Inbox(MuaaId(27));
const SELECTED: &str =
    "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 10] ok\r\n{tag} OK [READ-WRITE] done\r\n";

fn envelope() -> Envelope {
    Envelope {
        sender: MuaaId(1),
        token: Token([0xa7; 16]),
        class: Class::Request,
        date: Timestamp(0),
        body: Bytes::from_static(b"body"),
    }
}

fn append() -> Op {
    Op::Append { folder: INBOX, envelope: envelope() }
}

fn fetch(after: Option<u32>) -> Op {
    let after = after.map(|uid| Cursor { validity: 7, uid: Uid(uid) });
    Op::Fetch { folder: INBOX, after }
}

/// Performs one operation on a server with a script; gives the outcome and what the server heard.
async fn outcome(
    capabilities: &'static str,
    script: Vec<Step>,
    op: Op,
) -> (Result<Reply, OpError>, Vec<String>) {
    let (mut store, heard) = store(capabilities, script).await;
    let result = store.perform(&op).await;
    drop(store);
    tokio::task::yield_now().await;
    (result, commands(&heard))
}

#[tokio::test]
async fn an_untagged_line_before_the_continuation_does_not_lose_the_literal() {
    let script = vec![
        Hear("APPEND \"_Autocrypt_SMA_27\" (\\Seen) {", "* 5 EXISTS\r\n+ go on\r\n"),
        Literal("{tag} OK done\r\n"),
    ];
    let (result, _) = outcome("", script, append()).await;
    assert_eq!(result, Ok(Reply::Ok));
}

#[tokio::test]
async fn with_literal_minus_a_message_of_more_than_4096_octets_waits_to_be_asked_for() {
    let envelope = Envelope { body: Bytes::from_static(&[7; 4096]), ..envelope() };
    let script = vec![Hear("APPEND", "+ go on\r\n"), Literal("{tag} OK done\r\n")];
    let op = Op::Append { folder: INBOX, envelope };
    let (result, heard) = outcome("LITERAL-", script, op).await;
    assert_eq!(result, Ok(Reply::Ok));
    assert!(heard[0].ends_with('}') && !heard[0].ends_with("+}"), "{}", heard[0]);
}

#[tokio::test]
async fn trycreate_instead_of_a_continuation_is_a_missing_folder() {
    let script = vec![
        Hear("APPEND", "{tag} NO [TRYCREATE] no such mailbox\r\n"),
        Hear("LIST \"\" \"*_Autocrypt_SMA*\"", "{tag} OK done\r\n"),
        Hear("LIST", "{tag} OK done\r\n"),
    ];
    let (mut store, heard) = store("", script).await;
    assert_eq!(store.perform(&append()).await, Err(OpError::NoSuchFolder));
    assert_eq!(
        store.perform(&Op::ListFolders).await,
        Ok(Reply::Folders(vec![])),
        "the connection is in step"
    );
    assert_eq!(commands(&heard).len(), 3);
}

#[tokio::test]
async fn a_refused_append_is_looked_into_where_the_code_says_nothing() {
    for (text, listed, wanted) in [
        ("[SERVERBUG] mailbox vanished", "", OpError::NoSuchFolder),
        ("not today", "* LIST () \"/\" _Autocrypt_SMA_27\r\n", OpError::Denied),
        ("Over quota", "", OpError::OverQuota),
        ("[OVERQUOTA] sorry", "", OpError::OverQuota),
        ("[TOOBIG] sorry", "", OpError::TooLarge { max: 0 }),
    ] {
        let no: &'static str = format!("{{tag}} NO {text}\r\n").leak();
        let list: &'static str = format!("{listed}{{tag}} OK done\r\n").leak();
        let (result, _) = outcome("", vec![Hear("APPEND", no), Hear("LIST", list)], append()).await;
        assert_eq!(result, Err(wanted), "{text}");
    }
}

#[tokio::test]
async fn a_connection_lost_after_an_append_leaves_its_outcome_unknown() {
    for script in [
        vec![Hear("APPEND", ""), Close],
        vec![Hear("APPEND", "* BYE shutting down\r\n"), Close],
        vec![Hear("APPEND", "+ go on\r\n"), Literal(""), Close],
    ] {
        let (result, _) = outcome("", script, append()).await;
        assert_eq!(result, Err(OpError::Unknown));
    }
}

#[tokio::test]
async fn with_literal_plus_the_message_goes_at_once() {
    let script = vec![Hear("APPEND", ""), Literal("{tag} OK [APPENDUID 7 3] done\r\n")];
    let (result, heard) = outcome("LITERAL+", script, append()).await;
    assert_eq!(result, Ok(Reply::Ok));
    assert!(heard[0].ends_with("+}"), "{heard:?}");
}

#[tokio::test]
async fn a_message_above_the_servers_limit_is_not_sent() {
    let (result, heard) = outcome("APPENDLIMIT=10", vec![], append()).await;
    assert_eq!(result, Err(OpError::TooLarge { max: 10 }));
    assert!(heard.iter().all(|command| !command.starts_with("APPEND")));
}

#[tokio::test]
async fn a_goodbye_within_a_fetch_is_no_partial_answer() {
    let script = vec![
        Hear("SELECT", SELECTED),
        Hear(
            "UID FETCH 1:*",
            "* 1 FETCH (UID 3 RFC822.SIZE 10 INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" FLAGS ())\r\n{tag} OK\r\n",
        ),
        Hear("UID FETCH 3 (UID BODY.PEEK[])", "* 1 FETCH (UID 3 BODY[] {4}\r\nabcd)\r\n* BYE gone\r\n"),
        Close,
    ];
    // The second attempt finds no server.
    let (result, _) = outcome("", script, fetch(None)).await;
    assert_eq!(result, Err(OpError::NotSent));
}

#[tokio::test]
async fn what_is_ours_and_was_only_marked_as_deleted_is_expunged_when_it_is_met() {
    let script = vec![
        Hear("SELECT", SELECTED),
        Hear(
            "UID FETCH 1:*",
            "* 1 FETCH (UID 6 RFC822.SIZE 10 FLAGS (\\Deleted))\r\n\
             * 2 FETCH (UID 7 RFC822.SIZE 10 FLAGS (\\Deleted))\r\n{tag} OK\r\n",
        ),
        Hear(
            "UID FETCH 6,7 (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])",
            "* 1 FETCH (UID 6 BODY[HEADER.FIELDS (MESSAGE-ID)] \"Message-ID: <a@autocrypt-sma.invalid>\")\r\n\
             * 2 FETCH (UID 7 BODY[HEADER.FIELDS (MESSAGE-ID)] \"Message-ID: <b@example.org>\")\r\n{tag} OK\r\n",
        ),
        Hear("UID STORE 6 +FLAGS.SILENT (\\Deleted)", "{tag} OK\r\n"),
        Hear("UID EXPUNGE 6", "{tag} OK\r\n"),
    ];
    let (result, heard) = outcome("UIDPLUS", script, fetch(None)).await;
    assert!(matches!(result, Ok(Reply::Messages { complete: true, .. })), "{result:?}");
    assert_eq!(heard[3..5], ["UID STORE 6 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 6"]);
}

#[tokio::test]
async fn what_vanished_is_marked_deleted_or_lies_below_the_cursor_is_no_message() {
    let rendered = String::from_utf8(sma_mime::render(&envelope(), &sma_mime::Text::default())).unwrap();
    let list = "* 1 FETCH (UID 2 RFC822.SIZE 10 FLAGS ())\r\n\
        * 2 FETCH (UID 5 RFC822.SIZE 10 INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" FLAGS (\\Seen))\r\n\
        * 3 FETCH (UID 6 RFC822.SIZE 10 FLAGS (\\Deleted))\r\n\
        * 4 FETCH (UID 7 RFC822.SIZE 99999999 FLAGS ())\r\n\
        * 5 FETCH (UID 8 RFC822.SIZE 10 FLAGS ())\r\n\
        * 6 FETCH (UID 9 RFC822.SIZE 10 FLAGS ())\r\n{tag} OK\r\n";
    let bodies: &'static str = format!(
        "* 5 FETCH (UID 8 BODY[] NIL)\r\n* 2 FETCH (UID 5 BODY[] {{{}}}\r\n{rendered})\r\n* 2 FETCH (FLAGS (\\Seen))\r\n\
         * 3 EXPUNGE\r\n* 6 FETCH (UID 9 BODY[] {{5}}\r\nhello)\r\n{{tag}} OK\r\n",
        rendered.len()
    )
    .leak();
    let script = vec![
        Hear("SELECT", SELECTED),
        Hear("UID FETCH 4:* (UID RFC822.SIZE INTERNALDATE FLAGS)", list),
        Hear("UID FETCH 5,8,9 (UID BODY.PEEK[])", bodies),
        // Not ours, so it stays.
        Hear(
            "UID FETCH 6 (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])",
            "* 3 FETCH (UID 6 BODY[HEADER.FIELDS (MESSAGE-ID)] \"Message-ID: <a@example.org>\")\r\n{tag} OK\r\n",
        ),
    ];
    let (result, _) = outcome("", script, fetch(Some(3))).await;
    let Ok(Reply::Messages { validity: 7, complete: false, messages, more: false }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(messages.iter().map(|message| message.uid.0).collect::<Vec<_>>(), [5, 7, 9]);
    assert!(matches!(&messages[0].content, Content::Envelope(read) if *read == envelope()));
    assert_eq!(messages[0].date, Timestamp::from_secs(1_577_836_800));
    assert_eq!(messages[1].content, Content::TooLarge(99_999_999));
    assert_eq!(messages[2].content, Content::Foreign);
}

#[tokio::test]
async fn a_cursor_of_another_validity_or_beyond_the_next_uid_reads_everything() {
    for cursor in [Cursor { validity: 6, uid: Uid(3) }, Cursor { validity: 7, uid: Uid(10) }] {
        let script = vec![Hear("SELECT", SELECTED), Hear("UID FETCH 1:*", "{tag} OK\r\n")];
        let (result, _) = outcome("", script, Op::Fetch { folder: INBOX, after: Some(cursor) }).await;
        let all = Reply::Messages { validity: 7, complete: true, messages: vec![], more: false };
        assert_eq!(result, Ok(all));
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_opened_is_missing_only_if_it_is_not_listed() {
    for (listed, wanted) in
        [("", OpError::NoSuchFolder), ("* LIST () \".\" _Autocrypt_SMA_27\r\n", OpError::Denied)]
    {
        let list: &'static str = format!("{listed}{{tag}} OK done\r\n").leak();
        let script = vec![Hear("SELECT", "{tag} NO no\r\n"), Hear("LIST", list)];
        assert_eq!(outcome("", script, fetch(None)).await.0, Err(wanted));
    }
}

#[tokio::test]
async fn a_create_refused_without_a_code_is_already_exists_if_the_folder_is_there() {
    let script = vec![
        Hear("CREATE \"_Autocrypt_SMA_27\"", "{tag} NO Cannot create this folder.\r\n"),
        Hear("LIST", "* LIST () \".\" \"_Autocrypt_SMA_27\"\r\n{tag} OK\r\n"),
    ];
    assert_eq!(outcome("", script, Op::CreateFolder(INBOX)).await.0, Err(OpError::AlreadyExists));
}

#[tokio::test]
async fn r8_where_only_inbox_takes_folders_they_are_made_there_from_then_on() {
    let script = vec![
        Hear("CREATE \"_Autocrypt_SMA\"", "{tag} NO Permission denied\r\n"),
        Hear("LIST \"\" \"*_Autocrypt_SMA*\"", "{tag} OK\r\n"),
        Hear("LIST \"\" \"\"", "* LIST (\\Noselect) \".\" \"\"\r\n{tag} OK\r\n"),
        Hear("CREATE \"INBOX._Autocrypt_SMA\"", "{tag} OK\r\n"),
        Hear("CREATE \"INBOX._Autocrypt_SMA_27\"", "{tag} OK\r\n"),
        Hear("SELECT \"INBOX._Autocrypt_SMA_27\"", SELECTED),
        Hear("UID FETCH", "{tag} OK\r\n"),
    ];
    let (mut store, _) = store("", script).await;
    assert_eq!(store.perform(&Op::CreateFolder(Folder::Announcements)).await, Ok(Reply::Ok));
    assert_eq!(store.perform(&Op::CreateFolder(INBOX)).await, Ok(Reply::Ok));
    assert!(store.perform(&fetch(None)).await.is_ok());
}

#[tokio::test]
async fn a_delete_that_is_refused_succeeded_if_the_folder_is_gone() {
    let script = vec![Hear("DELETE", "{tag} NO try again\r\n"), Hear("LIST", "{tag} OK\r\n")];
    assert_eq!(outcome("", script, Op::DeleteFolder(INBOX)).await.0, Err(OpError::NoSuchFolder));
}

fn remove(validity: u32) -> Op {
    Op::Remove {
        folder: INBOX,
        validity,
        messages: vec![(Uid(3), Token([0xa7; 16])), (Uid(4), Token([0xa7; 16]))],
    }
}

/// Uid 3 carries the token, uid 4 does not.
const IDS: &str = "* 1 FETCH (UID 3 BODY[HEADER.FIELDS (MESSAGE-ID)] {70}\r\n\
    Message-ID: <a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7@autocrypt-sma.invalid>\r\n\r\n)\r\n\
    * 2 FETCH (UID 4 BODY[HEADER.FIELDS (MESSAGE-ID)] {27}\r\nMessage-ID: <x@y.invalid>\r\n)\r\n{tag} OK\r\n";

fn ids() -> &'static str {
    let field = "Message-ID: <a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7@autocrypt-sma.invalid>\r\n\r\n";
    IDS.replace("{70}", &format!("{{{}}}", field.len())).leak()
}

#[tokio::test]
async fn only_a_message_that_still_carries_its_token_is_removed() {
    let script = vec![
        Hear("SELECT", SELECTED),
        Hear("UID FETCH 3,4 (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])", ids()),
        Hear("UID STORE 3 +FLAGS.SILENT (\\Deleted)", "* 1 FETCH (FLAGS (\\Deleted))\r\n{tag} OK\r\n"),
        Hear("UID EXPUNGE 3", "* 1 EXPUNGE\r\n{tag} OK\r\n"),
    ];
    assert_eq!(outcome("UIDPLUS", script, remove(7)).await.0, Ok(Reply::Ok));
}

#[tokio::test]
async fn nothing_is_removed_from_a_folder_that_was_replaced() {
    let (result, heard) = outcome("UIDPLUS", vec![Hear("SELECT", SELECTED)], remove(6)).await;
    assert_eq!(result, Err(OpError::ValidityChanged));
    assert_eq!(heard.iter().filter(|command| command.contains("STORE")).count(), 0);
}

#[tokio::test]
async fn r9_without_uidplus_a_foreign_message_marked_as_deleted_keeps_the_folder_from_being_expunged() {
    let foreign = "* 1 FETCH (UID 9 BODY[HEADER.FIELDS (MESSAGE-ID)] {25}\r\nMessage-ID: <x@y.org>\r\n\r\n)\r\n{tag} OK\r\n";
    for (deleted, expunged) in [("", true), ("* 4 FETCH (UID 9 FLAGS (\\Deleted))\r\n", false)] {
        let flags: &'static str =
            format!("* 1 FETCH (UID 3 FLAGS (\\Deleted))\r\n{deleted}{{tag}} OK\r\n").leak();
        let mut script = vec![
            Hear("SELECT", SELECTED),
            Hear("UID FETCH 3,4", ids()),
            Hear("UID STORE 3", "{tag} OK\r\n"),
            Hear("UID FETCH 1:* (UID FLAGS)", flags),
        ];
        script.push(if expunged { Hear("EXPUNGE", "{tag} OK\r\n") } else { Hear("UID FETCH 9", foreign) });
        let (result, heard) = outcome("", script, remove(7)).await;
        assert_eq!(result, Ok(Reply::Ok));
        assert_eq!(heard.contains(&"EXPUNGE".to_owned()), expunged);
    }
}

#[tokio::test]
async fn what_nobody_asked_for_does_not_cost_the_connection() {
    let script = vec![
        Hear("LIST", "* 1 FETCH (INTERNALDATE NIL)\r\n* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n{tag} OK\r\n"),
        Hear("LIST", "{tag} OK\r\n"),
    ];
    let (mut store, _) = store("", script).await;
    for _ in 0..2 {
        assert_eq!(store.perform(&Op::ListFolders).await, Ok(Reply::Folders(vec![])));
    }
}

#[tokio::test]
async fn an_answer_that_matters_and_makes_no_sense_costs_the_connection() {
    let script = vec![Hear("LIST", "* LIST () {1}\r\n\n _Autocrypt_SMA\r\n{tag} OK\r\n")];
    assert_eq!(outcome("", script, Op::ListFolders).await.0, Err(OpError::NotSent));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_did_nothing() {
    let (mut store, _) = store("", vec![]).await;
    store.connection = None;
    assert_eq!(store.perform(&append()).await, Err(OpError::NotSent));
    assert!(store.take_trouble().unwrap().to_string().contains("127.0.0.1:1"));
}

/// Sends the first octets at once and then one octet a second for ever, whatever it hears.
async fn dripping(first: &'static str) -> DuplexStream {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let mut octets = first.as_bytes().to_vec();
        while far.write_all(&octets).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            octets = vec![b'a'];
        }
    });
    near
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_octet_by_octet_is_waited_for_no_longer_than_a_silent_one() {
    for (first, seconds, why) in [
        ("* OK ", 30, "it says nothing"),
        ("* OK\r\n* 1 FETCH (BODY[] {9}\r\n", 30, "it does not answer the login"),
        ("* OK\r\nA0000 OK\r\n* X ", 120, "the server does not answer"),
    ] {
        let server = Address { host: "127.0.0.1".into(), port: 1, tls: false, login: "anna".into() };
        let account = Account { server, password: Secret::new(b"pass".to_vec()) };
        let start = Instant::now();
        let error = Connection::log_in(Box::new(dripping(first).await), &account).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), seconds, "{first}");
        assert!(error.to_string().contains(why), "{error}");
    }
}
