//! From a mail's octets to facts (Level 1, "Updating Autocrypt Peer State"), with header fields where they are believed: inside, if the
//! mail has protected ones (RFC 9788), else outside. `docs/autocrypt.md` has the rules.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::{
    Address, Date, DraftState, Fact, Header, Known, Observed, Source, Untold,
    section::{Protection, Section},
};

/// What was inside an encrypted or signed mail.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    entity: &'a [u8],
    signed: bool,
}

impl<'a> Payload<'a> {
    /// The decrypted MIME entity, header section and all. Of a mail that is only signed it is the signed part.
    #[must_use]
    pub const fn new(entity: &'a [u8]) -> Self {
        Self { entity, signed: false }
    }

    /// The entity was signed, and the signature holds under a key of the one address in the `From` *inside*. Say so only of a key that is known to be of
    /// that address, not of one that the same mail brought: who can say so decides whose mail it is.
    #[must_use]
    pub const fn signed(self) -> Self {
        Self { signed: true, ..self }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for Payload<'a> {
    fn from(entity: &'a T) -> Self {
        Self::new(entity.as_ref())
    }
}

/// A mail as the store has it, and what was inside.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    octets: &'a [u8],
    payload: Option<Payload<'a>>,
}

impl<'a> Mail<'a> {
    /// The mail, or its header section. Without its payload an encrypted one that has no `Autocrypt` header outside tells nothing.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets, payload: None }
    }

    /// With what was inside.
    #[must_use]
    pub fn with_payload(self, payload: impl Into<Payload<'a>>) -> Self {
        Self { payload: Some(payload.into()), ..self }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for Mail<'a> {
    fn from(octets: &'a T) -> Self {
        Self::new(octets.as_ref())
    }
}

/// Reads a mail's header section, and that of its payload. Total.
///
/// `received` is the date that the store gives the mail (IMAP's INTERNALDATE), the same for every device; `reporter` is the
/// number of this device. Spam should not be handed in.
///
/// # Errors
/// Why the mail is to be ignored.
pub fn read<'a>(mail: impl Into<Mail<'a>>, received: Date, reporter: u64) -> Result<Observed, Untold> {
    let Mail { octets, payload } = mail.into();
    let mail = Sections::read(octets, payload)?;
    if mail.sections().any(Section::is_auto_replied) {
        return Err(Untold::AutoReplied);
    }
    let from = mail.sender().ok_or(Untold::NoSingleSender)?;
    let date = mail.date(received)?;
    if payload.is_none() && mail.outer.is("multipart", "encrypted") && !mail.outer.has(Source::Header.name())
    {
        return Err(Untold::Encrypted);
    }
    let mut valid = mail.headers().into_iter().filter(|header| header.addr == from);
    let only = valid.next().filter(|_| valid.next().is_none());
    let message = mail.message_id();
    let fact = only.map(|header| fact(header, Source::Header, date, message, reporter));
    Ok(Observed { from, date, fact })
}

/// Reads the gossip of a mail: `payload` is the decrypted MIME entity, `mail` the mail it was in. Total.
///
/// A header counts if its `addr` stands in the mail's `To`, `Cc` or `Reply-To`. Of several for one address the greatest
/// counts, when they are joined.
///
/// # Errors
/// [`Untold::NoMail`] or [`Untold::FromTheFuture`].
pub fn read_gossip<'a>(
    mail: &'a [u8],
    payload: impl Into<Payload<'a>>,
    received: Date,
    reporter: u64,
) -> Result<Vec<Fact>, Untold> {
    let mail = Sections::read(mail, Some(payload.into()))?;
    let date = mail.date(received)?;
    let recipients = mail.recipients();
    let message = mail.message_id();
    let headers = mail.inner.iter().flat_map(|(inner, _)| inner.headers(Source::Gossip));
    Ok(headers
        .filter(|header| recipients.contains(&header.addr))
        .map(|header| fact(header, Source::Gossip, date, message, reporter))
        .collect())
}

/// The state of a draft. Of a mail that is no draft it says nothing, whoever wrote it there.
///
/// ```
/// let draft = b"From: a@b\r\nAutocrypt-Draft-State: encrypt=yes\r\n\r\n";
/// assert!(sma_autocrypt::read_draft_state(draft).is_some_and(|state| state.encrypt));
/// ```
#[must_use]
pub fn read_draft_state(draft: &[u8]) -> Option<DraftState> {
    let section = Section::read(draft)?;
    let mut values = section.values(DraftState::NAME);
    let only = values.next().filter(|_| values.next().is_none())?;
    DraftState::parse(only)
}

fn fact(header: Header, source: Source, date: Date, message: [u8; 32], reporter: u64) -> Fact {
    let Header { addr, preference, key } = header;
    Fact { addr, source, entry: Known { date, key, preference, message, reporter } }
}

/// The header sections of a mail, outside and inside.
struct Sections<'m> {
    outer: Section<'m>,
    inner: Option<(Section<'m>, Protection)>,
    signed: bool,
}

impl<'m> Sections<'m> {
    fn read(mail: &'m [u8], payload: Option<Payload<'m>>) -> Result<Self, Untold> {
        let outer = Section::read(mail).ok_or(Untold::NoMail)?;
        let inner = match payload {
            Some(payload) => Some(Section::payload(payload.entity).ok_or(Untold::NoMail)?),
            None => None,
        };
        Ok(Self { outer, inner, signed: payload.is_some_and(|payload| payload.signed) })
    }

    fn sections(&self) -> impl Iterator<Item = &Section<'m>> {
        std::iter::once(&self.outer).chain(self.inner.iter().map(|(inner, _)| inner))
    }

    /// The inner section if its fields are the mail's own.
    fn protected(&self) -> Option<&Section<'m>> {
        self.inner
            .as_ref()
            .filter(|(_, protection)| *protection == Protection::Protected)
            .map(|(inner, _)| inner)
    }

    /// Where the fields of this name stand: inside if they are protected there.
    fn place(&self, name: &'static str) -> &Section<'m> {
        self.protected().filter(|inner| inner.has(name)).unwrap_or(&self.outer)
    }

    /// The sender. The server vouches for the outer `From` as far as anybody does; anybody can write another one inside what they encrypt. So that counts if
    /// it is the same, or if the payload is signed by who it says (RFC 9788 section 4.4).
    fn sender(&self) -> Option<Address> {
        let only = |section: &Section<'m>| {
            let mut senders = section.addresses("From");
            senders.pop().filter(|_| senders.is_empty()).flatten()
        };
        let inside = self.protected().filter(|inner| inner.has("From"));
        match inside {
            Some(inner) if self.signed => only(inner),
            Some(_) | None => only(&self.outer),
        }
    }

    fn recipients(&self) -> BTreeSet<Address> {
        const NAMES: [&str; 3] = ["To", "Cc", "Reply-To"];
        // All of them from one place: whoever carries the mail could add a recipient outside.
        let inside = self.protected().filter(|inner| NAMES.iter().any(|name| inner.has(name)));
        let section = inside.unwrap_or(&self.outer);
        NAMES.iter().flat_map(|name| section.addresses(name)).flatten().collect()
    }

    fn date(&self, received: Date) -> Result<Date, Untold> {
        /// The last year that mail-parser takes for valid. A later one is the far future, not an unreadable date.
        const YEAR_MAX: u16 = 3000;
        let claimed = self.place("Date").date();
        if claimed.is_some_and(|date| date.year > YEAR_MAX) {
            return Err(Untold::FromTheFuture);
        }
        let claimed = claimed.filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp);
        Date::effective(claimed, received).ok_or(Untold::FromTheFuture)
    }

    /// The valid `Autocrypt` headers: those inside, in the payload's root, protected or not, if there are any; else those outside.
    fn headers(&self) -> Vec<Header> {
        let name = Source::Header.name();
        let inner = self.inner.as_ref().map(|(inner, _)| inner).filter(|inner| inner.has(name));
        inner.unwrap_or(&self.outer).headers(Source::Header)
    }

    /// By the mail's outer name, under which people find it again.
    fn message_id(&self) -> [u8; 32] {
        Sha256::digest(self.outer.message_id().unwrap_or("")).into()
    }
}
