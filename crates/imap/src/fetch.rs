//! Reading a folder, and removing from it. Uids only, never sequence numbers: messages may vanish while they are read.

use std::collections::{BTreeMap, BTreeSet};

use sma_core::{Content, Cursor, Message, Reply, Timestamp, Token, Uid};
use sma_mime::Parsed;

use crate::{
    connection::{ANSWER_MAX, Connection, Failure},
    frame::Limits,
    response::{Fetched, Untagged},
};

/// How many messages one answer holds; the rest comes with the next cursor.
const MESSAGES_MAX: usize = 200;
/// How many octets of messages one answer holds before no more are asked for.
const MESSAGES_BYTES_MAX: u64 = 2 << 20;
/// How many messages one command asks for.
const PAGE_MESSAGES_MAX: usize = 50;
/// How many octets of messages one command asks for, more only if one message alone is larger.
const PAGE_BYTES_MAX: u64 = 2 << 20;
/// What a server may send for the list of a folder's messages.
const LIST_MAX: Limits = Limits { octets: 16 << 20, ..ANSWER_MAX };
/// How many messages such a list names.
const LISTED_MAX: usize = 100_000;
/// How many uids one command names.
const UIDS_MAX: usize = 200;

/// A folder as SELECT shows it (RFC 3501 section 6.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Selected {
    pub(crate) validity: u32,
    /// How many messages are in it.
    pub(crate) messages: u32,
    /// Some servers do not say it.
    pub(crate) uid_next: Option<u32>,
}

/// Opens a folder; `None` if the server does not say which folder it is.
pub(crate) async fn select(connection: &mut Connection, quoted: &str) -> Result<Option<Selected>, Failure> {
    let mut selected = Selected::default();
    let mut validity = None;
    let said = |untagged: Untagged<'_>| {
        match untagged {
            Untagged::Exists(count) => selected.messages = count,
            Untagged::UidValidity(number) => validity = Some(number),
            Untagged::UidNext(uid) => selected.uid_next = Some(uid),
            Untagged::Listed(_)
            | Untagged::Status { .. }
            | Untagged::Fetched(_)
            | Untagged::Capabilities(_)
            | Untagged::Bye(_) => {}
        }
        Ok(())
    };
    connection.run_each(format!("SELECT {quoted}"), ANSWER_MAX, said).await?;
    Ok(validity.map(|validity| Selected { validity, ..selected }))
}

/// Reads what is new in the selected folder, or all of it; and whether nothing of ours that was read is left marked as deleted.
pub(crate) async fn read(
    connection: &mut Connection,
    selected: Selected,
    after: Option<Cursor>,
    message_bytes_max: u64,
) -> Result<(Reply, bool), Failure> {
    let grown = |cursor: &Cursor| selected.uid_next.is_none_or(|next| next > cursor.uid.0);
    let cursor = after.filter(|cursor| cursor.validity == selected.validity && grown(cursor));
    let first = cursor.map_or(1, |cursor| cursor.uid.0.saturating_add(1));
    let (mut waiting, deleted) =
        if selected.messages == 0 { Default::default() } else { list(connection, first).await? };
    let mut messages = Vec::new();
    let mut octets = 0;
    // What vanished meanwhile counts for nothing, so that an answer with `more` always moves the cursor.
    while messages.len() < MESSAGES_MAX && octets < MESSAGES_BYTES_MAX && !waiting.is_empty() {
        let page = page(&mut waiting, MESSAGES_MAX - messages.len(), message_bytes_max);
        let read = read_page(connection, &page, message_bytes_max).await?;
        octets += read.iter().map(held).sum::<u64>();
        messages.extend(read);
    }
    let tidy = finish_removals(connection, &deleted).await?;
    let more = !waiting.is_empty();
    let reply = Reply::Messages { validity: selected.validity, complete: cursor.is_none(), messages, more };
    Ok((reply, tidy))
}

/// What a message takes until the core has read it, in octets.
fn held(message: &Message) -> u64 {
    match &message.content {
        Content::Envelope(envelope) => envelope.body.len() as u64,
        Content::Foreign | Content::TooLarge(_) => 0,
    }
}

/// What is known of a message before its octets are fetched.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    uid: u32,
    size: u64,
    date: Timestamp,
}

/// The messages from a uid on, the last first, and the uids of those that are marked as deleted, which are as good as gone.
async fn list(connection: &mut Connection, first: u32) -> Result<(Vec<Waiting>, Vec<u32>), Failure> {
    let mut found =
        facts(connection, format!("UID FETCH {first}:* (UID RFC822.SIZE INTERNALDATE FLAGS)")).await?;
    // `n:*` is never empty: servers give the last message although its uid is below n (RFC 3501 section 6.4.8).
    found.retain(|uid, _| *uid >= first);
    let is_deleted = |facts: &Facts| facts.deleted == Some(true);
    let deleted = found.iter().filter(|(_, facts)| is_deleted(facts)).map(|(uid, _)| *uid).collect();
    let waiting = found.into_iter().rev().filter_map(|(uid, facts)| {
        let date = facts.date.unwrap_or_default();
        facts.size.filter(|_| !is_deleted(&facts)).map(|size| Waiting { uid, size, date })
    });
    Ok((waiting.collect(), deleted))
}

/// A connection that was lost between the mark and the EXPUNGE leaves messages of ours that nobody reads any more. Whoever meets them
/// takes them away; what is not ours stays as it is. `false` if the server refused to.
async fn finish_removals(connection: &mut Connection, deleted: &[u32]) -> Result<bool, Failure> {
    let mut all = true;
    for deleted in deleted.chunks(UIDS_MAX) {
        let ids = message_ids(connection, deleted).await?;
        let ours: Vec<_> =
            ids.iter().filter(|(_, id)| id.contains(&format!("@{DOMAIN}>"))).map(|(uid, _)| *uid).collect();
        if !ours.is_empty() {
            all &= expunge(connection, &ours).await?;
        }
    }
    Ok(all)
}

/// What was said of a message, apart from its octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Facts {
    size: Option<u64>,
    date: Option<Timestamp>,
    deleted: Option<bool>,
}

async fn facts(connection: &mut Connection, command: String) -> Result<BTreeMap<u32, Facts>, Failure> {
    let mut found = BTreeMap::new();
    connection.run_each(command, LIST_MAX, |untagged| note(&mut found, &untagged)).await?;
    Ok(found)
}

/// Puts together what is said of each message; parts come in several responses, and unasked ones among them.
fn note(found: &mut BTreeMap<u32, Facts>, untagged: &Untagged<'_>) -> Result<(), String> {
    let Untagged::Fetched(Fetched { uid: Some(uid), size, date, deleted, section: _ }) = untagged else {
        return Ok(());
    };
    if found.len() >= LISTED_MAX && !found.contains_key(uid) {
        return Err(format!("the server lists more than {LISTED_MAX} messages in one of its folders"));
    }
    let known = found.entry(*uid).or_default();
    known.size = size.or(known.size);
    known.date = date.or(known.date);
    known.deleted = deleted.or(known.deleted);
    Ok(())
}

/// What each message that was asked for shows in its section, as `read` takes it. Of two answers the later counts.
async fn sections<T>(
    connection: &mut Connection,
    (uids, section): (&[u32], &str),
    limits: Limits,
    read: impl Fn(&[u8]) -> T,
) -> Result<BTreeMap<u32, T>, Failure> {
    let asked: BTreeSet<_> = uids.iter().copied().collect();
    let mut found = BTreeMap::new();
    let command = format!("UID FETCH {} (UID BODY.PEEK[{section}])", set(uids));
    let said = |untagged: Untagged<'_>| {
        if let Untagged::Fetched(Fetched { uid: Some(uid), section: Some(octets), .. }) = untagged
            && asked.contains(&uid)
        {
            found.insert(uid, read(&octets));
        }
        Ok(())
    };
    connection.run_each(command, limits, said).await?;
    Ok(found)
}

/// Takes the next messages that one command asks for.
fn page(waiting: &mut Vec<Waiting>, count_max: usize, message_bytes_max: u64) -> Vec<Waiting> {
    let mut page = Vec::new();
    let mut octets = 0;
    while let Some(next) = waiting.last().copied() {
        let size = if next.size > message_bytes_max { 0 } else { next.size };
        let full = page.len() >= count_max.min(PAGE_MESSAGES_MAX) || octets + size > PAGE_BYTES_MAX;
        if full && !page.is_empty() {
            break;
        }
        octets += size;
        page.push(next);
        waiting.pop();
    }
    page
}

async fn read_page(
    connection: &mut Connection,
    page: &[Waiting],
    message_bytes_max: u64,
) -> Result<Vec<Message>, Failure> {
    let fits = |waiting: &&Waiting| waiting.size <= message_bytes_max;
    let uids: Vec<_> = page.iter().filter(fits).map(|waiting| waiting.uid).collect();
    let octets: u64 = page.iter().filter(fits).map(|waiting| waiting.size).sum();
    let mut contents = BTreeMap::new();
    if !uids.is_empty() {
        // Announced sizes may be of another line ending than what comes.
        let octets = octets.saturating_mul(2).saturating_add(ANSWER_MAX.octets);
        contents = sections(connection, (&uids, ""), Limits { octets, literal: octets }, content).await?;
    }
    let message = |waiting: &Waiting| {
        let content =
            if fits(&waiting) { contents.remove(&waiting.uid)? } else { Content::TooLarge(waiting.size) };
        Some(Message { uid: Uid(waiting.uid), date: waiting.date, content })
    };
    Ok(page.iter().filter_map(message).collect())
}

fn content(octets: &[u8]) -> Content {
    match sma_mime::parse(octets) {
        Parsed::Envelope(envelope) => Content::Envelope(envelope),
        Parsed::Foreign => Content::Foreign,
    }
}

fn set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Removes messages from the selected folder, those alone that still carry the token they were read with. `false` if they are only
/// marked: the server refused to expunge them.
pub(crate) async fn remove(connection: &mut Connection, messages: &[(Uid, Token)]) -> Result<bool, Failure> {
    let mut all = true;
    for messages in messages.chunks(UIDS_MAX) {
        let named: Vec<_> = messages.iter().map(|(uid, _)| uid.0).collect();
        let ids = message_ids(connection, &named).await?;
        let carries = |(uid, token): &&(Uid, Token)| {
            ids.get(&uid.0).is_some_and(|id| id.contains(&format!("<{token}@{DOMAIN}>")))
        };
        let uids: Vec<_> = messages.iter().filter(carries).map(|(uid, _)| uid.0).collect();
        if !uids.is_empty() {
            all &= expunge(connection, &uids).await?;
        }
    }
    Ok(all)
}

/// The right side of our messages' `Message-ID`.
const DOMAIN: &str = "autocrypt-sma.invalid";

/// The `Message-ID` field of each message.
async fn message_ids(connection: &mut Connection, uids: &[u32]) -> Result<BTreeMap<u32, String>, Failure> {
    let field = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    sections(connection, (uids, "HEADER.FIELDS (MESSAGE-ID)"), ANSWER_MAX, field).await
}

/// `false` if the server refused to, which is no failure: what is marked counts as gone.
async fn expunge(connection: &mut Connection, uids: &[u32]) -> Result<bool, Failure> {
    let set = set(uids);
    connection.run(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
    let command = if connection.has("UIDPLUS") {
        format!("UID EXPUNGE {set}")
    } else if others_are_deleted(connection, uids).await? {
        // A plain EXPUNGE would take them too, now and later.
        return Ok(true);
    } else {
        "EXPUNGE".to_owned()
    };
    match connection.run(&command).await {
        Ok(()) => Ok(true),
        Err(Failure::Refused(_)) => Ok(false),
        Err(lost) => Err(lost),
    }
}

/// Whether a message that is not ours is marked as deleted.
async fn others_are_deleted(connection: &mut Connection, uids: &[u32]) -> Result<bool, Failure> {
    let own: BTreeSet<_> = uids.iter().copied().collect();
    let found = facts(connection, "UID FETCH 1:* (UID FLAGS)".to_owned()).await?;
    let deleted = found.into_iter().filter(|(uid, facts)| facts.deleted == Some(true) && !own.contains(uid));
    let others: Vec<_> = deleted.map(|(uid, _)| uid).collect();
    for others in others.chunks(UIDS_MAX) {
        let ids = message_ids(connection, others).await?;
        let ours = |uid: &u32| ids.get(uid).is_none_or(|id| id.contains(&format!("@{DOMAIN}>")));
        if !others.iter().all(ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(sizes: &[u64]) -> Vec<Waiting> {
        let mut waiting: Vec<_> =
            (1..).zip(sizes).map(|(uid, size)| Waiting { uid, size: *size, date: Timestamp(0) }).collect();
        waiting.reverse();
        waiting
    }

    fn pages(sizes: &[u64], count_max: usize) -> Vec<usize> {
        let mut rest = waiting(sizes);
        let mut pages = Vec::new();
        while !rest.is_empty() {
            pages.push(page(&mut rest, count_max, 2 << 20).len());
        }
        pages
    }

    #[test]
    fn a_page_is_bounded_in_messages_and_in_octets_and_never_empty() {
        assert_eq!(pages(&[10; 120], MESSAGES_MAX), [50, 50, 20]);
        assert_eq!(pages(&[1 << 20; 5], MESSAGES_MAX), [2, 2, 1]);
        assert_eq!(pages(&[2 << 20; 2], MESSAGES_MAX), [1, 1]);
        assert_eq!(pages(&[10; 3], 1), [1, 1, 1]);
        // What is too large is not fetched and takes no room.
        assert_eq!(pages(&[1 << 40; 60], MESSAGES_MAX), [50, 10]);
    }

    #[test]
    fn what_several_responses_say_of_a_message_is_put_together() {
        let mut found = BTreeMap::new();
        for fetched in [
            Fetched { uid: Some(3), size: Some(10), ..Fetched::default() },
            Fetched { deleted: Some(true), ..Fetched::default() },
            Fetched { uid: Some(3), deleted: Some(true), ..Fetched::default() },
        ] {
            assert_eq!(note(&mut found, &Untagged::Fetched(fetched)), Ok(()));
        }
        let wanted = Facts { size: Some(10), deleted: Some(true), date: None };
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(3, wanted)]);
    }

    #[test]
    fn a_list_that_does_not_end_is_not_kept() {
        let mut found = BTreeMap::new();
        let mut note =
            |uid| note(&mut found, &Untagged::Fetched(Fetched { uid: Some(uid), ..Fetched::default() }));
        let full = LISTED_MAX as u32;
        assert!((1..=full).all(|uid| note(uid).is_ok()));
        assert!(note(full + 1).is_err());
        assert!(note(full).is_ok());
    }
}
