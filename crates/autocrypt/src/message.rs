//! From a mail's octets to facts (Level 1, "Updating Autocrypt Peer State").

use std::collections::BTreeSet;

use mail_parser::{Header as Field, HeaderName, Message, MessageParser, MimeHeaders};
use sha2::{Digest, Sha256};

use crate::{Address, Date, Fact, Header, Known, Observed, Source, Untold};

/// Reads a mail's header section; what follows it is not looked at. Total.
///
/// `received` is the date that the store gives the mail (IMAP's INTERNALDATE), the same for every device; `reporter` is the
/// number of this device. Spam should not be handed in.
///
/// # Errors
/// Why the mail is to be ignored.
pub fn read(mail: &[u8], received: Date, reporter: u64) -> Result<Observed, Untold> {
    let mail = MessageParser::new().parse_headers(mail).ok_or(Untold::NoMail)?;
    if auto_replied(&mail) {
        return Err(Untold::AutoReplied);
    }
    let mut senders = addresses(&mail, &[HeaderName::From]);
    let from = senders.pop().filter(|_| senders.is_empty()).flatten().ok_or(Untold::NoSingleSender)?;
    let date = date(&mail, received).ok_or(Untold::FromTheFuture)?;
    let mut valid = headers(&mail, Source::Header).into_iter().filter(|header| header.addr == from);
    let only = valid.next().filter(|_| valid.next().is_none());
    let message = message_id(&mail);
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
pub fn read_gossip(mail: &[u8], payload: &[u8], received: Date, reporter: u64) -> Result<Vec<Fact>, Untold> {
    let parser = MessageParser::new();
    let mail = parser.parse_headers(mail).ok_or(Untold::NoMail)?;
    let date = date(&mail, received).ok_or(Untold::FromTheFuture)?;
    let recipients: BTreeSet<_> = addresses(&mail, &[HeaderName::To, HeaderName::Cc, HeaderName::ReplyTo])
        .into_iter()
        .flatten()
        .collect();
    let message = message_id(&mail);
    let payload = parser.parse_headers(payload).ok_or(Untold::NoMail)?;
    Ok(headers(&payload, Source::Gossip)
        .into_iter()
        .filter(|header| recipients.contains(&header.addr))
        .map(|header| fact(header, Source::Gossip, date, message, reporter))
        .collect())
}

fn fact(header: Header, source: Source, date: Date, message: [u8; 32], reporter: u64) -> Fact {
    let Header { addr, preference, key } = header;
    Fact { addr, source, entry: Known { date, key, preference, message, reporter } }
}

/// The answers of machines would make a peer look as if it had stopped using Autocrypt.
fn auto_replied(mail: &Message<'_>) -> bool {
    let report = mail.content_type().is_some_and(|found| {
        found.ctype().eq_ignore_ascii_case("multipart")
            && found.subtype().is_some_and(|subtype| subtype.eq_ignore_ascii_case("report"))
    });
    let replied = fields(mail, "Auto-Submitted").any(|field| {
        let keyword = value(mail, field).split(';').next().unwrap_or("").trim();
        keyword.eq_ignore_ascii_case("auto-replied")
    });
    report || replied
}

/// Every address in these fields, `None` for what is no address.
fn addresses(mail: &Message<'_>, names: &[HeaderName<'static>]) -> Vec<Option<Address>> {
    let fields = mail.headers().iter().filter(|field| names.contains(&field.name));
    let lists = fields.filter_map(|field| field.value.as_address());
    lists.flat_map(|list| list.iter()).map(|addr| addr.address().and_then(Address::parse)).collect()
}

fn date(mail: &Message<'_>, received: Date) -> Option<Date> {
    /// The last year that mail-parser takes for valid. A later one is the far future, not an unreadable date.
    const YEAR_MAX: u16 = 3000;
    let claimed = mail.date();
    if claimed.is_some_and(|date| date.year > YEAR_MAX) {
        return None;
    }
    Date::effective(claimed.filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp), received)
}

fn message_id(mail: &Message<'_>) -> [u8; 32] {
    Sha256::digest(mail.message_id().unwrap_or("")).into()
}

/// The valid headers of one sort. The limit of their size includes name and folding.
fn headers(mail: &Message<'_>, source: Source) -> Vec<Header> {
    fields(mail, source.name()).filter_map(|field| Header::parse(source, value(mail, field)).ok()).collect()
}

fn fields<'m>(mail: &'m Message<'m>, name: &'static str) -> impl Iterator<Item = &'m Field<'m>> {
    mail.headers().iter().filter(move |field| field.name.as_str().eq_ignore_ascii_case(name))
}

/// The field's value as it was sent; nothing if it is not UTF-8.
fn value<'m>(mail: &'m Message<'_>, field: &Field<'_>) -> &'m str {
    let octets = mail.raw_message.get(field.offset_start as usize..field.offset_end as usize);
    octets.and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or("")
}
