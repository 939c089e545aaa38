//! Writing: an envelope becomes a message.

use mail_builder::{
    MessageBuilder,
    headers::{address::Address, content_type::ContentType, message_id::MessageId, raw::Raw},
    mime::MimePart,
};
use sma_core::Envelope;

use crate::{DOMAIN, MARKER, MEDIA_TYPE, VERSION};

/// The last whole hour of the year 3000, in seconds: mail-parser takes no later date for valid.
const DATE_MAX: u64 = 32_535_212_400;

/// The longest address that fits a line of 78 octets, in octets.
const ADDRESS_BYTES_MAX: usize = 70;

/// What a person reads who opens the message in a mail program. None of it means anything to a MUAA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// The address in `To`, that of the account. One that is not plain ASCII of at most 70 octets is replaced by
    /// the default.
    pub to: String,
    /// The subject, in the user's language.
    pub subject: String,
    /// What the message is, and that it may be left alone, in the user's language.
    pub paragraph: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            to: format!("sma@{DOMAIN}"),
            subject: "Message between your mail programs".to_owned(),
            paragraph: "This message was written by one of your mail programs for the others,\n\
                        so that they share their encryption settings. You need not do anything:\n\
                        it may be left alone, and they remove it when it is no longer needed.\n"
                .to_owned(),
        }
    }
}

/// Writes an envelope as an RFC 5322 message.
///
/// The date is rounded down to the hour. The same arguments give the same octets: the MIME boundary comes from the
/// token.
#[must_use]
pub fn render(envelope: &Envelope, text: &Text) -> Vec<u8> {
    let date = envelope.date.hour().as_secs().min(DATE_MAX);
    let marker = format!("v={VERSION}; kind={}; from={}", envelope.class.name(), envelope.sender);
    let boundary = format!("sma.{}", envelope.token);
    let (media, subtype) = MEDIA_TYPE;
    let parts = vec![
        paragraph(&text.paragraph),
        MimePart::new(format!("{media}/{subtype}"), envelope.body.as_ref()).attachment("autocrypt-sma.bin"),
    ];
    let mut message = Vec::new();
    MessageBuilder::new()
        .from(plain(&format!("sma@{DOMAIN}")))
        .to(plain(&recipient(text)))
        .subject(text.subject.as_str())
        .date(date)
        .header("Message-ID", MessageId::new(format!("{}@{DOMAIN}", envelope.token)))
        .header(MARKER, Raw::new(marker))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("MIME-Version", Raw::new("1.0"))
        .body(MimePart::new(ContentType::new("multipart/mixed").attribute("boundary", boundary), parts))
        .serialize(&mut message);
    message
}

pub(crate) fn plain(address: &str) -> Address<'static> {
    Address::new_address(None::<&str>, address.to_owned())
}

/// The part for people. mail-builder leaves a CR without LF and a NUL as they are, which RFC 5322 (section 2.3) forbids in
/// a body: the one becomes the end of a line, the other is left out.
pub(crate) fn paragraph(text: &str) -> MimePart<'static> {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "");
    MimePart::new("text/plain", lines)
}

/// The address for `To`; only one that needs no quoting, encoding or folding is taken as it is.
fn recipient(text: &Text) -> String {
    let fits = text.to.len() <= ADDRESS_BYTES_MAX && text.to.contains('@');
    let plain = text.to.bytes().all(|b| b.is_ascii_graphic() && !b"<>()[]\\,;:\"".contains(&b));
    if fits && plain { text.to.clone() } else { Text::default().to }
}
