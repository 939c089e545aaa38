//! imap-proto as a witness: what it reads of a response of the kinds that matter here, [`response::read`](crate::response::read) reads alike.
#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of imap-proto are non-exhaustive")]

use imap_proto::{AttributeValue, MailboxDatum, Response, ResponseCode, StatusAttribute};
use proptest::prelude::*;

use crate::response::{Fetched, Heard, Listed, Untagged, read};

/// What the witness says, in our words; the tag and the refusal of a tagged answer are told apart by the caller.
fn witnessed<'a>(response: &'a Response<'a>) -> Option<Untagged<'a>> {
    match response {
        Response::MailboxData(MailboxDatum::Exists(count)) => Some(Untagged::Exists(*count)),
        Response::MailboxData(MailboxDatum::List(list)) => Some(Untagged::Listed(Listed {
            name: list.name.clone().into_owned(),
            delimiter: list.delimiter.clone().map(|delimiter| delimiter.into_owned()),
            selectable: !list.name_attributes.contains(&imap_proto::NameAttribute::NoSelect),
        })),
        Response::MailboxData(MailboxDatum::Status { status, .. }) => {
            let messages = status.iter().rev().find_map(|item| match item {
                StatusAttribute::Messages(count) => Some(*count),
                _ => None,
            });
            let uid_next = status.iter().rev().find_map(|item| match item {
                StatusAttribute::UidNext(uid) => Some(*uid),
                _ => None,
            });
            Some(Untagged::Status { messages, uid_next })
        }
        Response::Data { outcome, .. } => match outcome.code {
            Some(ResponseCode::UidNext(uid)) => Some(Untagged::UidNext(uid)),
            Some(ResponseCode::UidValidity(validity)) => Some(Untagged::UidValidity(validity)),
            _ => None,
        },
        Response::Fetch(_, attributes) => Some(Untagged::Fetched(fetched(attributes))),
        _ => None,
    }
}

fn fetched<'a>(attributes: &'a [AttributeValue<'a>]) -> Fetched<'a> {
    let mut fetched = Fetched::default();
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => fetched.uid = Some(*uid),
            AttributeValue::Rfc822Size(size) => fetched.size = Some(u64::from(*size)),
            AttributeValue::Flags(flags) => {
                fetched.deleted = Some(flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Deleted")));
            }
            AttributeValue::BodySection { data: Some(data), index: None, .. } => {
                fetched.section = Some(data.clone());
            }
            _ => {}
        }
    }
    fetched
}

/// A string in one of its forms.
fn string() -> impl Strategy<Value = String> {
    let quoted = "[ -!#-\\[\\]-~]{0,9}".prop_map(|text| format!("\"{text}\""));
    let literal = "[ -~\r\n]{0,9}".prop_map(|text| format!("{{{}}}\r\n{text}", text.len()));
    prop_oneof![quoted, literal]
}

fn astring() -> impl Strategy<Value = String> {
    prop_oneof![string(), "[a-zA-Z0-9_.\\]/-]{1,9}"]
}

fn list(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 0..5).prop_map(|items| format!("({})", items.join(" ")))
}

fn attribute() -> impl Strategy<Value = String> {
    let section = prop_oneof![
        Just("BODY[]"),
        Just("body[TEXT]"),
        Just("BODY[1.2]"),
        Just("BODY[HEADER.FIELDS (MESSAGE-ID \"X\")]"),
        Just("BODY[]<3>"),
    ];
    prop_oneof![
        any::<u32>().prop_map(|uid| format!("UID {uid}")),
        any::<u32>().prop_map(|size| format!("RFC822.SIZE {size}")),
        list("\\\\[A-Z][a-z]{1,6}|\\\\Deleted|[$a-z\\]]{1,5}").prop_map(|flags| format!("FLAGS {flags}")),
        (section, string()).prop_map(|(section, body)| format!("{section} {body}")),
        any::<u64>().prop_map(|number| format!("MODSEQ ({number})")),
        string().prop_map(|text| format!("RFC822.TEXT {text}")),
        Just("ENVELOPE (NIL \"(\" NIL NIL NIL ((NIL NIL {1}\r\n( \"b\")) NIL NIL NIL NIL)".to_owned()),
        Just("BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"a\" \")\") NIL NIL \"7BIT\" 1 2)".to_owned()),
        "X-[A-Z]{1,5} [a-z0-9]{1,5}",
    ]
}

fn response() -> impl Strategy<Value = String> {
    let attributes = prop::collection::vec(attribute(), 1..5).prop_map(|items| items.join(" "));
    let delimiter = prop_oneof![Just("NIL"), Just("\"/\""), Just("\".\"")];
    let status = prop_oneof![
        any::<u32>().prop_map(|count| format!("MESSAGES {count}")),
        any::<u32>().prop_map(|uid| format!("UIDNEXT {uid}")),
        any::<u32>().prop_map(|unseen| format!("UNSEEN {unseen}")),
    ];
    let code = prop_oneof![
        any::<u32>().prop_map(|uid| format!("[UIDNEXT {uid}] ")),
        any::<u32>().prop_map(|validity| format!("[UIDVALIDITY {validity}] ")),
        Just("[ALERT] ".to_owned()),
        Just("[X (] ".to_owned()),
        Just(String::new()),
    ];
    prop_oneof![
        any::<u32>().prop_map(|count| format!("* {count} EXISTS\r\n")),
        (any::<u32>(), attributes).prop_map(|(number, items)| format!("* {number} FETCH ({items})\r\n")),
        (list("\\\\Noselect|\\\\[A-Z][a-z]{1,6}"), delimiter, astring())
            .prop_map(|(attributes, delimiter, name)| format!("* LIST {attributes} {delimiter} {name}\r\n")),
        (astring(), list(status)).prop_map(|(name, items)| format!("* STATUS {name} {items}\r\n")),
        (prop_oneof![Just("OK"), Just("no"), Just("BAD")], code, "[ -~]{1,9}(\\{9\\})?")
            .prop_map(|(status, code, text)| format!("* {status} {code}{text}\r\n")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_witness_reads_is_read_alike(response in response()) {
        let (rest, witness) = Response::parse(response.as_bytes()).map_err(|_| TestCaseError::reject("not taken"))?;
        prop_assert_eq!(rest.len(), 0);
        let mut heard = read(response.as_bytes());
        // The witness writes it in capitals.
        if let Ok(Heard::Untagged(Untagged::Listed(listed))) = &mut heard
            && listed.name.eq_ignore_ascii_case("INBOX")
        {
            listed.name = "INBOX".to_owned();
        }
        let wanted = witnessed(&witness).map_or(Heard::Other, Heard::Untagged);
        prop_assert_eq!(heard, Ok(wanted));
    }

    #[test]
    fn no_octets_make_the_reader_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "* ", "1 ", "FETCH ", "(", ")", "LIST ", "STATUS ", "OK ", "[", "]", "UIDNEXT ", "BODY", "<", ">", "\"", "\\", "{1}\r\n",
                "{9}\r\n", "{99999999999999999999}\r\n", "~{0}\r\n", "NIL", "é", "\0", "\r", "\n", "a", "INTERNALDATE ", "FLAGS ", "UID ",
            ]),
            0..30,
        ),
    ) {
        let _ = read(words.concat().as_bytes());
    }
}
