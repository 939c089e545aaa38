//! What a server says, as far as it matters here; the parser's types stay in this file.
#![allow(clippy::wildcard_enum_match_arm, reason = "the parser's enums are non-exhaustive")]

use async_imap::imap_proto::{
    AttributeValue, Capability, MailboxDatum, NameAttribute, Outcome, Response, ResponseCode, Status,
    StatusAttribute,
};
use bytes::Bytes;
use sma_core::Timestamp;

/// An untagged response (RFC 3501 section 7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Untagged {
    /// So many messages are in the selected folder.
    Exists(u32),
    UidValidity(u32),
    UidNext(u32),
    Listed(Listed),
    Status {
        messages: Option<u32>,
        uid_next: Option<u32>,
    },
    Fetched(Fetched),
    /// Upper-case words.
    Capabilities(Vec<String>),
    /// The server is about to close the connection.
    Bye(String),
}

/// A folder as LIST names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) delimiter: Option<String>,
    /// It can be opened.
    pub(crate) selectable: bool,
}

/// What one FETCH response said of a message; may be any part of what was asked, or something else.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) uid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) date: Option<Timestamp>,
    pub(crate) deleted: Option<bool>,
    /// A `BODY[…]` section; none too if it was NIL.
    pub(crate) section: Option<Bytes>,
}

/// How a command ended, or that a server waits for its literal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    Untagged(Untagged),
    Continue,
    Done {
        tag: String,
        result: Result<(), Refusal>,
    },
    /// Nothing that matters here.
    Other,
}

/// A tagged NO or BAD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// TRYCREATE was said (RFC 3501 section 7.1).
    pub(crate) try_create: bool,
    /// The text, with any other response code before it.
    pub(crate) text: String,
}

impl Refusal {
    /// Whether it says that the account is full. Some servers say so in the text alone.
    pub(crate) fn is_over_quota(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["[overquota]", "over quota", "quota exceeded", "exceeded quota"]
            .iter()
            .any(|word| text.contains(word))
    }

    /// Whether it says that the message is too large (RFC 7889, RFC 4469).
    pub(crate) fn is_too_large(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["[toobig]", "too large", "too big"].iter().any(|word| text.contains(word))
    }
}

pub(crate) fn read(response: &Response<'_>) -> Heard {
    if let Response::Done { tag, status, outcome } = response {
        let result = if *status == Status::Ok { Ok(()) } else { Err(refusal(outcome)) };
        return Heard::Done { tag: tag.0.clone(), result };
    }
    if let Response::Continue(_) = response {
        return Heard::Continue;
    }
    untagged(response).map_or(Heard::Other, Heard::Untagged)
}

fn untagged(response: &Response<'_>) -> Option<Untagged> {
    if let Response::Data { status, outcome } = response {
        return data(status, outcome);
    }
    if let Response::Fetch(_, attributes) = response {
        return Some(Untagged::Fetched(fetched(attributes)));
    }
    if let Response::Capabilities(capabilities) = response {
        return Some(Untagged::Capabilities(words(capabilities)));
    }
    let Response::MailboxData(datum) = response else { return None };
    if let MailboxDatum::Exists(count) = datum {
        return Some(Untagged::Exists(*count));
    }
    if let MailboxDatum::List(list) = datum {
        let name = list.name.clone().into_owned();
        let delimiter = list.delimiter.as_ref().map(|delimiter| delimiter.clone().into_owned());
        let hidden = |attribute: &NameAttribute<'_>| match attribute {
            NameAttribute::NoSelect => true,
            NameAttribute::Extension(name) => name.eq_ignore_ascii_case("\\NonExistent"),
            _ => false,
        };
        let selectable = !list.name_attributes.iter().any(hidden);
        return Some(Untagged::Listed(Listed { name, delimiter, selectable }));
    }
    if let MailboxDatum::Status { status, .. } = datum {
        let mut counts = (None, None);
        for attribute in status {
            match attribute {
                StatusAttribute::Messages(count) => counts.0 = Some(*count),
                StatusAttribute::UidNext(uid) => counts.1 = Some(*uid),
                _ => {}
            }
        }
        return Some(Untagged::Status { messages: counts.0, uid_next: counts.1 });
    }
    None
}

fn data(status: &Status, outcome: &Outcome<'_>) -> Option<Untagged> {
    if *status == Status::Bye {
        return Some(Untagged::Bye(text(outcome)));
    }
    match outcome.code.as_ref()? {
        ResponseCode::UidValidity(validity) => Some(Untagged::UidValidity(*validity)),
        ResponseCode::UidNext(uid) => Some(Untagged::UidNext(*uid)),
        ResponseCode::Capabilities(capabilities) => Some(Untagged::Capabilities(words(capabilities))),
        _ => None,
    }
}

fn fetched(attributes: &[AttributeValue<'_>]) -> Fetched {
    let mut fetched = Fetched::default();
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => fetched.uid = Some(*uid),
            AttributeValue::Rfc822Size(size) => fetched.size = Some(u64::from(*size)),
            AttributeValue::InternalDate(date) => fetched.date = internal_date(date),
            AttributeValue::Flags(flags) => {
                fetched.deleted = Some(flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Deleted")));
            }
            AttributeValue::BodySection { data, index: None, .. } => {
                fetched.section = data.as_ref().map(|octets| Bytes::copy_from_slice(octets));
            }
            _ => {}
        }
    }
    fetched
}

/// Reads ` 1-Jan-2020 00:00:00 +0000` (RFC 3501, `date-time`). Dates before 1970 give the beginning of 1970.
fn internal_date(text: &str) -> Option<Timestamp> {
    let date = chrono::DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z").ok()?;
    Some(Timestamp::from_secs(u64::try_from(date.timestamp()).unwrap_or(0)))
}

fn words(capabilities: &[Capability<'_>]) -> Vec<String> {
    let word = |capability: &Capability<'_>| match capability {
        Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
        Capability::Auth(method) => format!("AUTH={}", method.to_ascii_uppercase()),
        Capability::Atom(word) => word.to_ascii_uppercase(),
    };
    capabilities.iter().map(word).collect()
}

fn refusal(outcome: &Outcome<'_>) -> Refusal {
    let try_create = outcome.code == Some(ResponseCode::TryCreate);
    Refusal { try_create, text: text(outcome) }
}

/// At most 200 characters, without control characters: it is shown to people.
fn text(outcome: &Outcome<'_>) -> String {
    let text = outcome.information.as_deref().unwrap_or("no reason given");
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(line: &str) -> Heard {
        read(&Response::parse(line.as_bytes()).unwrap().1)
    }

    #[test]
    fn a_refusal_is_read_from_its_code_or_from_its_text() {
        let refusal = |line| match heard(line) {
            Heard::Done { result: Err(refusal), .. } => refusal,
            other => panic!("{other:?}"),
        };
        assert!(refusal("A1 NO [TRYCREATE] no such box\r\n").try_create);
        assert!(refusal("A1 NO [OVERQUOTA] sorry\r\n").is_over_quota());
        assert!(refusal("A1 NO Over quota\r\n").is_over_quota());
        assert!(refusal("A1 NO [TOOBIG] no\r\n").is_too_large());
        assert!(!refusal("A1 NO Permission denied\r\n").is_over_quota());
    }

    #[test]
    fn dates_are_read_with_their_zone_and_with_a_blank_for_a_missing_digit() {
        assert_eq!(internal_date(" 1-Jan-2020 01:00:00 +0100"), Some(Timestamp::from_secs(1_577_836_800)));
        assert_eq!(internal_date("01-Jan-1960 00:00:00 +0000"), Some(Timestamp(0)));
        assert_eq!(internal_date("yesterday"), None);
    }

    #[test]
    fn a_missing_body_is_no_body() {
        let Heard::Untagged(Untagged::Fetched(fetched)) = heard("* 2 FETCH (UID 2 BODY[] NIL)\r\n") else {
            panic!()
        };
        assert_eq!(fetched, Fetched { uid: Some(2), ..Fetched::default() });
    }
}
