//! What IMAP tells of a message's insides: its parts (mail-parser), their texts, ENVELOPE and BODYSTRUCTURE.

mod address;
mod envelope;
mod fields;
mod section;
mod structure;

use std::ops::Range;

use mail_parser::{Message, MessageParser, MessagePart, PartType};

pub(crate) use envelope::envelope;
pub(crate) use fields::{fields, first, unfolded};
pub(crate) use section::{header, section, text};
pub(crate) use structure::structure;

/// How many `Content-Type` fields a message may have, with those of messages in it. Parts nest no deeper than that, so what recurses
/// over them ends. A message with more is served as one text.
const CONTENT_TYPES_MAX: usize = 32;
/// How many marks a message may have that could begin a field, an address, a parameter or a part; the parser keeps a hundred
/// octets for each.
const MARKS_MAX: usize = 256 << 10;

/// A message, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// With the empty line at its end.
    pub(crate) header: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) content: Content,
    /// Type and subtype in lower case, if the part says them.
    pub(crate) media: Option<(String, String)>,
    /// Of Content-Type, with names in lower case.
    pub(crate) parameters: Vec<(String, String)>,
    /// Content-Disposition with its parameters.
    pub(crate) disposition: Option<(String, Vec<(String, String)>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Leaf,
    Multipart(Vec<Node>),
    /// message/rfc822, with the message in it.
    Message(Box<Node>),
}

/// The parts of a message. Total: any octets give some.
pub(crate) fn parts(octets: &[u8]) -> Node {
    let parsed = is_modest(octets).then(|| MessageParser::default().parse(octets)).flatten();
    let node = parsed.as_ref().and_then(|message| node(message, message.parts.first()?, octets.len()));
    node.unwrap_or_else(|| {
        let end = header_end(octets);
        plain(0..end, end..octets.len())
    })
}

fn plain(header: Range<usize>, body: Range<usize>) -> Node {
    Node { header, body, content: Content::Leaf, media: None, parameters: Vec::new(), disposition: None }
}

/// Where the header ends, the empty line included.
fn header_end(octets: &[u8]) -> usize {
    let mut start = 0;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        start += line.len();
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
    }
    start
}

fn node(message: &Message<'_>, part: &MessagePart<'_>, size: usize) -> Option<Node> {
    let at = |offset: u32| (offset as usize).min(size);
    let (start, body, end) = (at(part.offset_header), at(part.offset_body), at(part.offset_end));
    let (body, end) = (body.max(start), end.max(body).max(start));
    let content = match &part.body {
        PartType::Multipart(children) => {
            let children: Option<Vec<Node>> = children
                .iter()
                .map(|child| node(message, message.parts.get(*child as usize)?, size))
                .collect();
            Content::Multipart(children?)
        }
        // What had to be decoded first has no octets of its own here.
        PartType::Message(inner) if matches!(part.encoding, mail_parser::Encoding::None) => {
            let mut inner = node(inner, inner.parts.first()?, size)?;
            inner.body.end = end.max(inner.body.start);
            Content::Message(Box::new(inner))
        }
        PartType::Text(_)
        | PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_) => Content::Leaf,
    };
    let (mut media, mut parameters) = (None, Vec::new());
    if let Some(kind) = mail_parser::MimeHeaders::content_type(part) {
        let subtype = kind.c_subtype.as_deref().unwrap_or_default();
        media = Some((kind.c_type.to_ascii_lowercase(), subtype.to_ascii_lowercase()));
        parameters = attributes(kind);
    }
    let disposition = mail_parser::MimeHeaders::content_disposition(part)
        .map(|kind| (kind.c_type.to_ascii_lowercase(), attributes(kind)));
    Some(Node { header: start..body, body: body..end, content, media, parameters, disposition })
}

fn attributes(kind: &mail_parser::ContentType<'_>) -> Vec<(String, String)> {
    let attributes = kind.attributes.iter().flatten();
    attributes.map(|one| (one.name.to_ascii_lowercase(), one.value.to_string())).collect()
}

pub(crate) fn is_modest(message: &[u8]) -> bool {
    let marks = message.iter().filter(|octet| matches!(octet, b':' | b',' | b';' | b'<')).count();
    let parts = message.windows(3).filter(|octets| octets == b"\n--").count();
    marks + parts <= MARKS_MAX && content_types(message) <= CONTENT_TYPES_MAX
}

/// Counts `Content-Type` as the parser recognises it: in any case and with blanks anywhere.
fn content_types(message: &[u8]) -> usize {
    const NAME: &[u8] = b"content-type";
    let (mut matched, mut found) = (0, 0);
    for octet in message.iter().filter(|octet| !octet.is_ascii_whitespace()).map(u8::to_ascii_lowercase) {
        matched = if octet == NAME[matched] { matched + 1 } else { usize::from(octet == NAME[0]) };
        if matched == NAME.len() {
            (found, matched) = (found + 1, 0);
        }
    }
    found
}

#[cfg(test)]
mod tests;
