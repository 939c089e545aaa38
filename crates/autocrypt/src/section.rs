//! The header section of a mail, or of an entity in one.

use mail_parser::{DateTime, Header as Field, Message, MessageParser, MimeHeaders};

use crate::{Address, Header, Source, mailbox};

/// A header section. What follows it is not looked at, but to find the payload in signed layers.
pub(crate) struct Section<'m>(Message<'m>);

/// What the root of an encrypted or signed part says of the fields in its header section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protection {
    /// They are the mail's own: `hp` (RFC 9788 section 2.1), `protected-headers` (its draft), or a whole mail inside (RFC 8551 section 3.1).
    Protected,
    /// Nothing.
    None,
}

/// How many layers are taken off to find the payload.
const LAYERS_MAX: usize = 4;

impl<'m> Section<'m> {
    pub(crate) fn read(entity: &'m [u8]) -> Option<Self> {
        MessageParser::new().parse_headers(entity).map(Self)
    }

    /// The root of the payload in a decrypted or signed entity: behind signed layers, and inside a wrapped mail; and what it says of its fields.
    pub(crate) fn payload(mut entity: &'m [u8]) -> Option<(Self, Protection)> {
        let mut wrapped = Protection::None;
        let mut section = Self::read(entity)?;
        for _ in 0..LAYERS_MAX {
            let inside = if section.is("multipart", "signed") {
                section.first_part(entity)
            } else if section.is("message", "rfc822") && section.parameter("forwarded") == Some("no") {
                wrapped = Protection::Protected;
                section.body(entity)
            } else {
                None
            };
            let Some(inner) = inside.and_then(|inside| Some((inside, Self::read(inside)?))) else { break };
            (entity, section) = inner;
        }
        let is = |name, values: &[&str]| {
            section
                .parameter(name)
                .is_some_and(|found| values.iter().any(|value| found.eq_ignore_ascii_case(value)))
        };
        let marked = is("hp", &["clear", "cipher"]) || is("protected-headers", &["v1"]);
        Some((section, if marked { Protection::Protected } else { wrapped }))
    }

    /// What stands behind the empty line.
    fn body(&self, entity: &'m [u8]) -> Option<&'m [u8]> {
        let end = self.0.headers().iter().map(|field| field.offset_end).max()?;
        let rest = entity.get(end as usize..)?;
        rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))
    }

    /// What stands behind the first line that is the boundary.
    fn first_part(&self, entity: &'m [u8]) -> Option<&'m [u8]> {
        let boundary = format!("--{}", self.parameter("boundary")?);
        let body = self.body(entity)?;
        let mut from = 0;
        for line in body.split_inclusive(|octet| *octet == b'\n') {
            from += line.len();
            if line.trim_ascii_end() == boundary.as_bytes() {
                return body.get(from..);
            }
        }
        None
    }

    pub(crate) fn is(&self, ctype: &str, subtype: &str) -> bool {
        self.0.content_type().is_some_and(|found| {
            found.ctype().eq_ignore_ascii_case(ctype)
                && found.subtype().is_some_and(|found| found.eq_ignore_ascii_case(subtype))
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.0.content_type()?.attribute(name)
    }

    /// The answers of machines would make a peer look as if it had stopped using Autocrypt.
    pub(crate) fn is_auto_replied(&self) -> bool {
        let replied = self.fields("Auto-Submitted").any(|field| {
            let keyword = self.value(field).split(';').next().unwrap_or("").trim();
            keyword.eq_ignore_ascii_case("auto-replied")
        });
        replied || self.is("multipart", "report")
    }

    pub(crate) fn has(&self, name: &'static str) -> bool {
        self.fields(name).next().is_some()
    }

    /// Every address in the fields of this name, `None` for what is no address.
    pub(crate) fn addresses(&self, name: &'static str) -> Vec<Option<Address>> {
        // Who writes a name in another character set still has an address.
        let lists = self.fields(name).map(|field| String::from_utf8_lossy(self.octets(field)));
        lists.flat_map(|list| mailbox::addresses(&list)).collect()
    }

    /// The first `Date` that can be read.
    pub(crate) fn date(&self) -> Option<&DateTime> {
        self.fields("Date").find_map(|field| field.value.as_datetime())
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.0.message_id()
    }

    /// The valid headers of one sort. The limit of their size includes name and folding.
    pub(crate) fn headers(&self, source: Source) -> Vec<Header> {
        let values = self.fields(source.name()).map(|field| self.value(field));
        values.filter_map(|value| Header::parse(source, value).ok()).collect()
    }

    pub(crate) fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.fields(name).map(|field| self.value(field))
    }

    fn fields(&self, name: &'static str) -> impl Iterator<Item = &Field<'m>> {
        self.0.headers().iter().filter(move |field| field.name.as_str().eq_ignore_ascii_case(name))
    }

    /// The field's value as it was sent; nothing if it is not UTF-8.
    fn value(&self, field: &Field<'_>) -> &str {
        std::str::from_utf8(self.octets(field)).unwrap_or("")
    }

    fn octets(&self, field: &Field<'_>) -> &[u8] {
        self.0.raw_message.get(field.offset_start as usize..field.offset_end as usize).unwrap_or_default()
    }
}

/// The addresses in the fields of this name of a mail, as `From` or `To`, in their order; `None` for an entry that is no address. Total.
#[must_use]
pub fn mailboxes(mail: &[u8], field: &'static str) -> Vec<Option<Address>> {
    Section::read(mail).map(|section| section.addresses(field)).unwrap_or_default()
}
