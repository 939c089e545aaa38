//! The mail around an Autocrypt Setup Message (Level 1, "Autocrypt Setup Message"). What is armored in it stays closed here.

use mail_builder::{
    MessageBuilder,
    headers::{content_type::ContentType, message_id::MessageId, raw::Raw},
    mime::MimePart,
};
use mail_parser::{Message, MessageParser};
use sma_autocrypt::{Address, mailboxes};
use sma_core::{Timestamp, Token};

use crate::{
    MESSAGE_BYTES_MAX,
    parse::{few_content_types, is_of_type, only_header},
    render::{paragraph, plain},
};

/// The header that marks a setup message, and its value.
const MARKER: (&str, &str) = ("Autocrypt-Setup-Message", "v1");
const MEDIA_TYPE: (&str, &str) = ("application", "autocrypt-setup");

const BEGIN: &str = "-----BEGIN PGP MESSAGE-----";
const END: &str = "-----END PGP MESSAGE-----";

/// What a person reads in a setup message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetupText {
    /// The subject, in the user's language.
    pub subject: String,
    /// What the message is and what to do with it, in the user's language, as plain text.
    pub paragraph: String,
}

impl Default for SetupText {
    fn default() -> Self {
        Self {
            subject: "Autocrypt Setup Message".to_owned(),
            paragraph: "This message contains all information to transfer your Autocrypt settings\n\
                        along with your secret key securely from your original device.\n\n\
                        To set up your new device for Autocrypt, please follow the instructions\n\
                        that should be presented by your new device.\n\n\
                        You can keep this message and use it as a backup for your secret key. If\n\
                        you want to do this, you should write down the setup code and store it\n\
                        securely.\n"
                .to_owned(),
        }
    }
}

/// Writes a setup message from an address to itself; `armored` is the closed message. The same arguments give the same octets:
/// `token` makes the `Message-ID` and the MIME boundary.
#[must_use]
pub fn render_setup_message(
    address: &str,
    armored: &str,
    date: Timestamp,
    token: Token,
    text: &SetupText,
) -> Vec<u8> {
    let domain = address.rsplit_once('@').map_or(crate::DOMAIN, |(_, domain)| domain);
    let file = format!(
        "<html><body>\n<p>This is the Autocrypt setup file used to transfer settings and keys between clients. You can\n\
         decrypt it using the setup code presented on your old device, and then import the contained key\n\
         into your keyring.</p>\n<pre>\n{}\n</pre></body></html>\n",
        armored.trim()
    );
    let parts = vec![
        paragraph(&text.paragraph),
        MimePart::new(format!("{}/{}", MEDIA_TYPE.0, MEDIA_TYPE.1), file)
            .attachment("autocrypt-setup-message.html"),
    ];
    let boundary = format!("setup.{token}");
    let mut message = Vec::new();
    MessageBuilder::new()
        .from(plain(address))
        .to(plain(address))
        .subject(text.subject.as_str())
        .date(date.as_secs())
        .header("Message-ID", MessageId::new(format!("{token}@{domain}")))
        .header(MARKER.0, Raw::new(MARKER.1))
        .header("MIME-Version", Raw::new("1.0"))
        .body(MimePart::new(ContentType::new("multipart/mixed").attribute("boundary", boundary), parts))
        .serialize(&mut message);
    message
}

/// A setup message as it came, still closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetupMail {
    /// The armored message in it.
    pub armored: Vec<u8>,
    /// Whose it is: the one address in `From`, if it is the one in `To` as well.
    pub address: Option<Address>,
}

/// Why a mail is not taken for a setup message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoSetupMessage {
    /// It has no header that says so, or another version of it: Level 1 has such a mail ignored.
    NotOne,
    /// It says so, and does not have the form. Level 1 has the person told, and nothing offered.
    Malformed,
}

/// Reads a setup message. Total.
///
/// # Errors
/// [`NoSetupMessage`].
pub fn parse_setup_message(message: &[u8]) -> Result<SetupMail, NoSetupMessage> {
    if message.len() > MESSAGE_BYTES_MAX || !few_content_types(message) {
        return Err(NoSetupMessage::NotOne);
    }
    let only = |field| match <[_; 1]>::try_from(mailboxes(message, field)) {
        Ok([address]) => address,
        Err(_) => None,
    };
    let address = only("From").filter(|from| only("To").as_ref() == Some(from));
    let message = MessageParser::new().parse(message).ok_or(NoSetupMessage::NotOne)?;
    let version = only_header(&message, MARKER.0.into()).ok_or(NoSetupMessage::NotOne)?;
    if version.trim() != MARKER.1 {
        return Err(NoSetupMessage::NotOne);
    }
    let armored = armored(&message).ok_or(NoSetupMessage::Malformed)?;
    Ok(SetupMail { armored, address })
}

/// What is armored in the one part of this type. It may stand in HTML; nothing in armor is ever escaped there.
fn armored(message: &Message<'_>) -> Option<Vec<u8>> {
    let mut ours = message.parts.iter().filter(|part| is_of_type(part, MEDIA_TYPE));
    let part = ours.next().filter(|_| ours.next().is_none())?;
    let text = std::str::from_utf8(part.contents()).ok()?;
    let (_, rest) = text.split_once(BEGIN)?;
    let (inside, _) = rest.split_once(END)?;
    Some(format!("{BEGIN}{inside}{END}\n").into_bytes())
}
