//! The texts of BODY\[section\] (RFC 3501 section 6.4.5).

use std::borrow::Cow;

use imap_codec::imap_types::{
    core::AString,
    fetch::{Part, Section},
};

use super::{Content, Node, fields};

/// The header of a message, with the empty line at its end.
pub(crate) fn header<'a>(octets: &'a [u8], node: &Node) -> &'a [u8] {
    &octets[node.header.clone()]
}

/// What follows the header.
pub(crate) fn text<'a>(octets: &'a [u8], node: &Node) -> &'a [u8] {
    &octets[node.body.clone()]
}

/// The text of a section; `None` if the message has no such part.
pub(crate) fn section<'a>(
    octets: &'a [u8],
    root: &Node,
    section: Option<&Section<'_>>,
) -> Option<Cow<'a, [u8]>> {
    let message = |part: &Option<Part>| match part {
        None => Some(root.clone()),
        Some(part) => match part_of(root, part)?.content {
            Content::Message(inner) => Some(*inner),
            Content::Leaf | Content::Multipart(_) => None,
        },
    };
    Some(match section {
        None => Cow::Borrowed(octets),
        Some(Section::Part(part)) => Cow::Borrowed(text(octets, &part_of(root, part)?)),
        Some(Section::Mime(part)) => Cow::Borrowed(header(octets, &part_of(root, part)?)),
        Some(Section::Header(part)) => Cow::Borrowed(header(octets, &message(part)?)),
        Some(Section::Text(part)) => Cow::Borrowed(text(octets, &message(part)?)),
        Some(Section::HeaderFields(part, names)) => {
            Cow::Owned(chosen(header(octets, &message(part)?), names.as_ref(), true))
        }
        Some(Section::HeaderFieldsNot(part, names)) => {
            Cow::Owned(chosen(header(octets, &message(part)?), names.as_ref(), false))
        }
    })
}

/// The part that a list of numbers names. The only part of a message that has no parts is number 1.
fn part_of(root: &Node, part: &Part) -> Option<Node> {
    let (mut node, mut within) = (root, true);
    for number in part.0.as_ref() {
        let number = number.get() as usize;
        // Inside a message its own parts are counted.
        let container = match &node.content {
            Content::Message(inner) if !within => &**inner,
            _ => node,
        };
        let was_message = within || matches!(node.content, Content::Message(_));
        node = match &container.content {
            Content::Multipart(children) => children.get(number.checked_sub(1)?)?,
            Content::Leaf | Content::Message(_) if number == 1 && was_message => container,
            Content::Leaf | Content::Message(_) => return None,
        };
        within = false;
    }
    Some(node.clone())
}

/// The fields of these names, or all others, and the empty line.
fn chosen(header: &[u8], names: &[AString<'_>], wanted: bool) -> Vec<u8> {
    let named = |field: &[u8]| names.iter().any(|name| name.as_ref().eq_ignore_ascii_case(field));
    let mut found = Vec::new();
    for (name, field) in fields(header) {
        if named(name) == wanted {
            found.extend_from_slice(field);
        }
    }
    found.extend_from_slice(b"\r\n");
    found
}
