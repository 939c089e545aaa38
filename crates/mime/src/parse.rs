//! Reading: a message becomes an envelope, or is none of ours.

use bytes::Bytes;
use mail_parser::{
    Encoding, HeaderForm, HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders,
};
use sma_core::{Class, Envelope, MuaaId, Timestamp, Token};

use crate::{DOMAIN, MARKER, MEDIA_TYPE, VERSION};

/// The largest message that is looked at, in octets. A driver does not even fetch what exceeds
/// [`sma_core::Config::message_bytes_max`]; this is the last line.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// The longest `Autocrypt-SMA` header that is read, in octets, with its folding.
pub const MARKER_BYTES_MAX: usize = 2048;

/// How many `Content-Type` fields a message may have, in all its parts and the messages inside it.
///
/// The MIME parser's data is as deep as messages are nested in each other, and dropping it recurses: without a bound a
/// small message could exhaust the stack.
pub const CONTENT_TYPES_MAX: usize = 32;

/// How many marks a message may have that could begin a field (`:`), an address (`,`), a parameter (`;`), an id (`<`) or a part (a line
/// that begins with `--`). A body of 1 MiB in quoted-printable has half of that.
///
/// The MIME parser keeps a hundred octets and more for each of them, and two octets can make one.
pub const MARKS_MAX: usize = 32 << 10;

/// What a message turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// One of ours, not yet proven by anything.
    Envelope(Envelope),
    /// Not ours, or of a version that is not known here. It must not be changed or removed (requirement R9).
    Foreign,
}

/// Reads a message. Total: any octets give an answer, in memory proportional to their number.
#[must_use]
pub fn parse(message: &[u8]) -> Parsed {
    envelope(message).map_or(Parsed::Foreign, Parsed::Envelope)
}

fn envelope(message: &[u8]) -> Option<Envelope> {
    let small = message.len() <= MESSAGE_BYTES_MAX && marks(message) <= MARKS_MAX;
    if !small || !few_content_types(message) {
        return None;
    }
    let message = MessageParser::new().parse(message)?;
    let Marker { class, sender } = Marker::parse(&only_header(&message, MARKER.into())?)?;
    let token = token(&only_header(&message, HeaderName::MessageId)?)?;
    Some(Envelope { sender, token, class, date: date(&message), body: body(&message)? })
}

/// Whether a message is safe to parse, see [`CONTENT_TYPES_MAX`].
pub(crate) fn few_content_types(message: &[u8]) -> bool {
    content_types(message) <= CONTENT_TYPES_MAX
}

/// Counts `Content-Type` as the MIME parser recognises it: in any case and with blanks anywhere. The hyphen never
/// occurs in base64, so a body cannot add to the count.
fn content_types(message: &[u8]) -> usize {
    const NAME: &[u8] = b"content-type";
    let mut matched = 0;
    let mut found = 0;
    for byte in message.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase) {
        // The first letter occurs nowhere else in the name, so a mismatch can only start over.
        matched = if byte == NAME[matched] { matched + 1 } else { usize::from(byte == NAME[0]) };
        if matched == NAME.len() {
            found += 1;
            matched = 0;
        }
    }
    found
}

/// Counts what [`MARKS_MAX`] is about.
fn marks(message: &[u8]) -> usize {
    let marks = message.iter().filter(|octet| matches!(octet, b':' | b',' | b';' | b'<')).count();
    marks + message.windows(3).filter(|octets| octets == b"\n--").count()
}

/// The value of a header that must be there once.
pub(crate) fn only_header(message: &Message<'_>, name: HeaderName<'static>) -> Option<String> {
    match <[_; 1]>::try_from(message.header_as(name, HeaderForm::Raw)) {
        Ok([HeaderValue::Text(value)]) => Some(value.into_owned()),
        Ok(_) | Err(_) => None,
    }
}

struct Marker {
    class: Class,
    sender: MuaaId,
}

impl Marker {
    fn parse(value: &str) -> Option<Self> {
        if value.len() > MARKER_BYTES_MAX {
            return None;
        }
        let (mut version, mut kind, mut from) = (None, None, None);
        for attribute in value.split(';').map(str::trim).filter(|a| !a.is_empty()) {
            let (name, value) = attribute.split_once('=')?;
            let slot = match name.trim() {
                "v" => &mut version,
                "kind" => &mut kind,
                "from" => &mut from,
                unknown if unknown.starts_with('_') => continue,
                _ => return None,
            };
            if slot.replace(value.trim()).is_some() {
                return None;
            }
        }
        (version? == VERSION).then_some(())?;
        Some(Self { class: Class::parse(kind?)?, sender: MuaaId::parse(from?)? })
    }
}

fn token(message_id: &str) -> Option<Token> {
    let inside = message_id.strip_prefix('<')?.strip_suffix('>')?;
    Token::parse(inside.strip_suffix(DOMAIN)?.strip_suffix('@')?)
}

/// The `Date`, rounded down to the hour; 0 if there is none that can be read.
fn date(message: &Message<'_>) -> Timestamp {
    let seconds = message.date().filter(|date| date.is_valid()).map_or(0, |date| date.to_timestamp());
    Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0)).hour()
}

/// The octets of the one part that carries them.
fn body(message: &Message<'_>) -> Option<Bytes> {
    let mut ours = message.parts.iter().filter(|part| is_of_type(part, MEDIA_TYPE));
    let part = ours.next().filter(|_| ours.next().is_none())?;
    // A part that could not be decoded says that it has no encoding.
    let decoded = matches!(part.encoding, Encoding::Base64 | Encoding::QuotedPrintable);
    decoded.then(|| Bytes::copy_from_slice(part.contents()))
}

pub(crate) fn is_of_type(part: &MessagePart<'_>, (media, subtype): (&str, &str)) -> bool {
    part.content_type().is_some_and(|found| {
        found.ctype().eq_ignore_ascii_case(media)
            && found.subtype().is_some_and(|found| found.eq_ignore_ascii_case(subtype))
    })
}
