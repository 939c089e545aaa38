//! A command as imap-codec reads it, and by hand the forms that it cannot read: LIST with options (RFC 5258, RFC 5819), SEARCH with
//! RETURN (RFC 4731), APPEND of many messages (RFC 3502). Of these too every part is read by imap-codec.

use imap_codec::{
    CommandCodec,
    decode::Decoder,
    imap_types::{
        IntoStatic,
        command::{Command, CommandBody},
        datetime::DateTime,
        flag::Flag,
        mailbox::{ListMailbox, Mailbox},
        status::StatusDataItemName,
    },
};

use crate::{framing::Part, scanner::Scanner};

/// How many messages one APPEND may bring, and how many patterns one LIST may have.
const ITEMS_MAX: usize = 100;

/// What a client wants.
#[derive(Debug)]
pub(crate) enum Request {
    /// One of the commands that are one for imap-codec.
    Plain(Box<CommandBody<'static>>),
    Append {
        mailbox: String,
        messages: Vec<Appended>,
    },
    List(ListRequest),
    /// With what is wanted in an ESEARCH response.
    Search {
        returns: Vec<Return>,
        search: Box<CommandBody<'static>>,
    },
}

/// One message of an APPEND.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) flags: Vec<Flag<'static>>,
    pub(crate) date: Option<DateTime>,
    pub(crate) octets: Vec<u8>,
}

/// LIST, with or without options.
#[derive(Debug, Default)]
pub(crate) struct ListRequest {
    pub(crate) reference: String,
    pub(crate) patterns: Vec<String>,
    /// Whether it uses options, so that the server must have LIST-EXTENDED or LIST-STATUS.
    pub(crate) is_extended: bool,
    pub(crate) only_subscribed: bool,
    pub(crate) recursive: bool,
    pub(crate) return_subscribed: bool,
    pub(crate) return_children: bool,
    pub(crate) status: Option<Vec<StatusDataItemName>>,
}

/// What SEARCH RETURN wants (RFC 4731).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Return {
    Min,
    Max,
    All,
    Count,
}

/// Why a command cannot be read; the tag is given if there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wrong {
    pub(crate) tag: Option<String>,
    pub(crate) why: &'static str,
}

/// The tag, and what follows it, of a command's first line.
pub(crate) fn tag(line: &[u8]) -> Option<(&str, &[u8])> {
    let end = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
    let (tag, rest) = line.split_at(end);
    let special = |octet: &u8| !(b'!'..=b'~').contains(octet) || b"(){%*\"\\+".contains(octet);
    if tag.is_empty() || tag.len() > 100 || tag.iter().any(special) {
        return None;
    }
    Some((std::str::from_utf8(tag).ok()?, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// The command's first word in capitals, with the second one after UID.
pub(crate) fn name(line: &[u8]) -> String {
    let Some((_, rest)) = tag(line) else { return String::new() };
    let mut words = rest
        .split(|octet| *octet == b' ')
        .map(|word| String::from_utf8_lossy(&word[..word.len().min(20)]).to_ascii_uppercase());
    match words.next() {
        Some(first) if first == "UID" => format!("UID {}", words.next().unwrap_or_default()),
        first => first.unwrap_or_default(),
    }
}

/// Reads a command.
pub(crate) fn parse(parts: Vec<Part>) -> Result<(String, Request), Wrong> {
    let line = parts.first().map_or(&[][..], |part| &part.text);
    let Some((tag, _)) = tag(line) else { return Err(Wrong { tag: None, why: "No tag" }) };
    let tag = tag.to_owned();
    let wrong = |why| Wrong { tag: Some(tag.clone()), why };
    let request = match name(line).as_str() {
        "APPEND" => append(parts).ok_or_else(|| wrong("Invalid arguments of APPEND"))?,
        "LIST" => list(&assembled(&parts)).ok_or_else(|| wrong("Invalid arguments of LIST"))?,
        "SEARCH" | "UID SEARCH" => {
            search(&assembled(&parts)).ok_or_else(|| wrong("Invalid arguments of SEARCH"))?
        }
        _ => {
            let octets = assembled(&parts);
            let body = decode(&octets).ok_or_else(|| wrong("Unknown command or invalid arguments"))?;
            Request::Plain(Box::new(body))
        }
    };
    Ok((tag, request))
}

/// The same command with literals for quoted strings that are not ASCII. IMAP4rev2 permits those (RFC 9051 section 4.3), and imap-codec
/// does not read them.
pub(crate) fn without_utf8(parts: Vec<Part>) -> Vec<Part> {
    let mut plain = Vec::new();
    for part in parts {
        let mut text = Vec::new();
        let mut rest = part.text.as_slice();
        while let Some(quote) = rest.iter().position(|octet| *octet == b'"') {
            let (before, quoted) = rest.split_at(quote);
            let Some(string) = Scanner::new(quoted).astring() else { break };
            text.extend_from_slice(before);
            rest = &quoted[string.len()..];
            let inner = &string[1..string.len() - 1];
            if string.is_ascii() || std::str::from_utf8(inner).is_err() {
                text.extend_from_slice(string);
            } else {
                plain.push(Part { text: std::mem::take(&mut text), literal: Some(unquoted(inner)) });
            }
        }
        text.extend_from_slice(rest);
        plain.push(Part { text, literal: part.literal });
    }
    plain
}

fn unquoted(inner: &[u8]) -> Vec<u8> {
    let (mut plain, mut octets) = (Vec::with_capacity(inner.len()), inner.iter());
    while let Some(octet) = octets.next() {
        plain.extend(if *octet == b'\\' { octets.next() } else { Some(octet) });
    }
    plain
}

/// The mailbox that an APPEND is for, as soon as it has been named.
pub(crate) fn append_target(parts: &[Part]) -> Option<String> {
    let octets = assembled(parts);
    let (_, rest) = tag(&octets)?;
    let mut scanner = Scanner::new(rest);
    scanner.word("APPEND").then_some(())?;
    scanner.blank()?;
    mailbox(scanner.astring()?)
}

/// Whether a literal at this place of a command is a message to be appended.
pub(crate) fn is_message(parts: &[Part]) -> bool {
    let line = parts.first().map_or(&[][..], |part| &part.text);
    name(line) == "APPEND" && append_target(parts).is_some()
}

/// A command as one text, all its literals in it as such that need not be asked for.
fn assembled(parts: &[Part]) -> Vec<u8> {
    let mut octets = Vec::new();
    for part in parts {
        octets.extend_from_slice(&part.text);
        if let Some(literal) = &part.literal {
            octets.extend_from_slice(format!("{{{}+}}\r\n", literal.len()).as_bytes());
            octets.extend_from_slice(literal);
        }
    }
    octets.extend_from_slice(b"\r\n");
    octets
}

fn decode(octets: &[u8]) -> Option<CommandBody<'static>> {
    let (rest, Command { body, .. }) = CommandCodec::default().decode(octets).ok()?;
    rest.is_empty().then(|| body.into_static())
}

fn decode_of(pieces: &[&[u8]]) -> Option<CommandBody<'static>> {
    decode(&[b"x ", pieces.concat().as_slice(), b"\r\n"].concat())
}

fn append(mut parts: Vec<Part>) -> Option<Request> {
    let last = parts.pop()?;
    if !last.text.is_empty() || parts.is_empty() || parts.len() > ITEMS_MAX + 1 {
        return None;
    }
    let first = Part { text: parts.first()?.text.clone(), literal: None };
    let name_is_literal = append_target(&[first]).is_none();
    let head = assembled(parts.get(..1 + usize::from(name_is_literal))?);
    let (_, rest) = tag(&head)?;
    let mut scanner = Scanner::new(rest);
    scanner.word("APPEND");
    scanner.blank()?;
    let mailbox = mailbox(scanner.astring()?)?;
    // What is left of the first line are the options of the first message.
    let mut options = Some(scanner.rest().to_vec());
    let mut messages = Vec::new();
    for part in parts.into_iter().skip(usize::from(name_is_literal)) {
        let text = match options.take() {
            Some(line) => line[..line.windows(2).position(|pair| pair == b" {")?].to_vec(),
            None => part.text.strip_suffix(b" ")?.to_vec(),
        };
        // The message itself is none of the parser's business.
        let body = decode_of(&[b"APPEND INBOX", &text, b" {0+}\r\n"])?;
        let CommandBody::Append { flags, date, .. } = body else { return None };
        messages.push(Appended { flags, date, octets: part.literal? });
    }
    (!messages.is_empty()).then_some(Request::Append { mailbox, messages })
}

fn mailbox(astring: &[u8]) -> Option<String> {
    match decode_of(&[b"EXAMINE ", astring])? {
        CommandBody::Examine { mailbox, .. } => Some(mailbox_name(&mailbox)),
        _ => None,
    }
}

/// A mailbox's name as text; what is not UTF-8 is no name, and shows as such.
pub(crate) fn mailbox_name(mailbox: &Mailbox<'_>) -> String {
    match mailbox {
        Mailbox::Inbox => "INBOX".to_owned(),
        Mailbox::Other(other) => String::from_utf8_lossy(other.as_ref()).into_owned(),
    }
}

pub(crate) fn pattern(pattern: &ListMailbox<'_>) -> String {
    match pattern {
        ListMailbox::Token(token) => String::from_utf8_lossy(token.as_ref()).into_owned(),
        ListMailbox::String(string) => String::from_utf8_lossy(string.as_ref()).into_owned(),
    }
}

/// `LIST [(selection options)] reference (pattern | (patterns)) [RETURN (options)]`
fn list(octets: &[u8]) -> Option<Request> {
    let (_, rest) = tag(octets.strip_suffix(b"\r\n")?)?;
    let mut scanner = Scanner::new(rest);
    scanner.word("LIST");
    scanner.blank()?;
    let mut request = ListRequest::default();
    if scanner.rest().starts_with(b"(") {
        request.is_extended = true;
        for option in Scanner::items(scanner.list()?)? {
            match option.to_ascii_uppercase().as_slice() {
                b"SUBSCRIBED" => (request.only_subscribed, request.return_subscribed) = (true, true),
                b"RECURSIVEMATCH" => request.recursive = true,
                b"REMOTE" => {}
                _ => return None,
            }
        }
        scanner.blank()?;
    }
    if request.recursive && !request.only_subscribed {
        return None;
    }
    let reference = scanner.astring()?;
    scanner.blank()?;
    let patterns = match scanner.rest().starts_with(b"(") {
        true => {
            request.is_extended = true;
            Scanner::items(scanner.list()?)?
        }
        false => vec![scanner.astring()?],
    };
    if patterns.is_empty() || patterns.len() > ITEMS_MAX {
        return None;
    }
    if !scanner.rest().is_empty() {
        request.is_extended = true;
        scanner.blank()?;
        scanner.word("RETURN").then_some(())?;
        scanner.blank()?;
        list_returns(scanner.list()?, &mut request)?;
        scanner.rest().is_empty().then_some(())?;
    }
    for one in patterns {
        let CommandBody::List { reference, mailbox_wildcard } = decode_of(&[b"LIST ", reference, b" ", one])?
        else {
            return None;
        };
        request.reference = mailbox_name(&reference);
        request.patterns.push(pattern(&mailbox_wildcard));
    }
    Some(Request::List(request))
}

fn list_returns(list: &[u8], request: &mut ListRequest) -> Option<()> {
    let mut scanner = Scanner::new(list.strip_prefix(b"(")?.strip_suffix(b")")?);
    while !scanner.rest().is_empty() {
        match scanner.atom()?.to_ascii_uppercase().as_slice() {
            b"SUBSCRIBED" => request.return_subscribed = true,
            b"CHILDREN" => request.return_children = true,
            b"STATUS" => {
                scanner.blank()?;
                let items = scanner.list()?;
                let CommandBody::Status { item_names, .. } = decode_of(&[b"STATUS INBOX ", items])? else {
                    return None;
                };
                request.status = Some(item_names.into_owned());
            }
            _ => return None,
        }
        if !scanner.rest().is_empty() {
            scanner.blank()?;
        }
    }
    Some(())
}

fn search(octets: &[u8]) -> Option<Request> {
    let (_, rest) = tag(octets)?;
    let mut scanner = Scanner::new(rest);
    let uid = scanner.word("UID");
    if uid {
        scanner.blank()?;
    }
    scanner.word("SEARCH");
    scanner.blank()?;
    let mut returning = scanner;
    let mut returns = None;
    if returning.word("RETURN") {
        returning.blank()?;
        returns = Some(search_returns(returning.list()?)?);
        returning.blank()?;
        scanner = returning;
    }
    let head: &[u8] = if uid { b"UID SEARCH " } else { b"SEARCH " };
    let search = Box::new(decode_of(&[head, scanner.rest().strip_suffix(b"\r\n")?])?);
    Some(match returns {
        Some(returns) => Request::Search { returns, search },
        None => Request::Plain(search),
    })
}

fn search_returns(list: &[u8]) -> Option<Vec<Return>> {
    let mut returns = Vec::new();
    for option in Scanner::items(list)? {
        returns.push(match option.to_ascii_uppercase().as_slice() {
            b"MIN" => Return::Min,
            b"MAX" => Return::Max,
            b"ALL" => Return::All,
            b"COUNT" => Return::Count,
            _ => return None,
        });
    }
    // None is all (RFC 4731 section 3.1).
    if returns.is_empty() {
        returns.push(Return::All);
    }
    Some(returns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &[u8], literal: Option<&str>) -> Part {
        Part { text: text.to_vec(), literal: literal.map(|literal| literal.as_bytes().to_vec()) }
    }

    #[test]
    fn an_append_brings_messages_whether_its_mailbox_is_named_by_a_literal_or_not() {
        let end = part(b"", None);
        let one = vec![part(b"a APPEND box (\\Seen) ", Some("x")), part(b" ", Some("y")), end.clone()];
        let named = vec![part(b"a APPEND ", Some("box")), part(b" ", Some("x")), end];
        for (parts, count) in [(one, 2), (named, 1)] {
            let Ok((tag, Request::Append { mailbox, messages })) = parse(parts) else { panic!("not read") };
            assert_eq!((tag.as_str(), mailbox.as_str(), messages.len()), ("a", "box", count));
        }
    }

    #[test]
    fn an_append_without_a_name_or_a_message_is_wrong() {
        let end = part(b"", None);
        for parts in [
            vec![part(b"a APPEND I\x91 (\\Seen) {b ", Some("c: d")), end.clone()],
            vec![part(b"a APPEND ", Some("box")), end.clone()],
            vec![part(b"a APPEND box", None)],
            vec![part(b"a APPEND", Some("x")), end],
        ] {
            let shown = format!("{parts:?}");
            assert!(parse(parts).is_err(), "{shown}");
        }
    }
}
