//! The `Autocrypt` and `Autocrypt-Gossip` headers (Level 1, "The Autocrypt Header").

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;

use crate::{Address, HEADER_BYTES_MAX, KEY_BYTES_MAX, attributes::attributes};

/// Whether the owner of a key wants encryption by default (`prefer-encrypt`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Preference {
    /// Encrypt only if somebody asks for it.
    #[default]
    NoPreference,
    /// Encrypt by default with everybody who says the same.
    Mutual,
}

/// Which of the two headers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// `Autocrypt`: the sender's own key.
    Header,
    /// `Autocrypt-Gossip`: another recipient's key, from inside an encrypted mail.
    Gossip,
}

impl Source {
    /// The header's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "Autocrypt",
            Self::Gossip => "Autocrypt-Gossip",
        }
    }
}

/// A valid header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whose key it is.
    pub addr: Address,
    /// The preference; nothing in gossip.
    pub preference: Preference,
    /// The certificate, opaque, 1 to [`KEY_BYTES_MAX`] octets.
    pub key: Bytes,
}

/// Why a header is invalid: it is then treated as if it were not there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum HeaderError {
    /// The header is above [`HEADER_BYTES_MAX`], with its name and folding.
    #[error("the header has more than {HEADER_BYTES_MAX} octets")]
    TooLarge,
    /// Not a list of attributes, an attribute twice or without a value, or `keydata` not last.
    #[error("the header is not a list of attributes that ends in keydata")]
    Malformed,
    /// An attribute without a leading underscore that Level 1 does not define: a later version's header.
    #[error("the header has a critical attribute that is not known")]
    UnknownCritical,
    /// No `addr`, or it is no address.
    #[error("the header has no usable addr")]
    BadAddress,
    /// No `keydata`, or it is not base64, or it is empty.
    #[error("the header has no usable keydata")]
    BadKey,
}

/// Reads base64 with or without its padding: what counts is the octets.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Header {
    /// Reads a header's value, folded or not. Total.
    ///
    /// Whether `addr` is the address in `From`, or that of a recipient, is for the caller to check.
    ///
    /// # Errors
    /// Why the header must be treated as if it were not there.
    pub fn parse(source: Source, value: &str) -> Result<Self, HeaderError> {
        if source.name().len() + 2 + value.len() > HEADER_BYTES_MAX {
            return Err(HeaderError::TooLarge);
        }
        let (mut addr, mut prefer, mut keydata) = (None, None, None);
        for attribute in attributes(value) {
            if keydata.is_some() {
                return Err(HeaderError::Malformed);
            }
            let slot = match attribute.name {
                "addr" => &mut addr,
                "prefer-encrypt" => &mut prefer,
                "keydata" => &mut keydata,
                unknown if unknown.starts_with('_') => continue,
                _ => return Err(HeaderError::UnknownCritical),
            };
            let value = attribute.value.ok_or(HeaderError::Malformed)?;
            if slot.replace(value).is_some() {
                return Err(HeaderError::Malformed);
            }
        }
        let addr = addr.and_then(Address::parse).ok_or(HeaderError::BadAddress)?;
        let key = decode(keydata.unwrap_or("")).ok_or(HeaderError::BadKey)?;
        let mutual = prefer == Some("mutual") && source == Source::Header;
        let preference = if mutual { Preference::Mutual } else { Preference::NoPreference };
        Ok(Self { addr, preference, key })
    }

    /// Writes the whole header, folded to lines of at most 78 octets as far as the address allows, with its final
    /// CRLF. Gossip never carries a preference. It is UTF-8 if the local part of the address is not ASCII: it can then stand in an
    /// internationalised mail alone, as the address itself can (RFC 6532).
    ///
    /// # Errors
    /// [`HeaderError::BadKey`] if the key is empty;
    /// [`HeaderError::TooLarge`] if the header would be above [`HEADER_BYTES_MAX`], which Level 1 forbids to send.
    pub fn render(&self, source: Source) -> Result<String, HeaderError> {
        if self.key.is_empty() {
            return Err(HeaderError::BadKey);
        }
        let mut header = format!("{}: addr={};", source.name(), self.addr);
        if self.preference == Preference::Mutual && source == Source::Header {
            header.push_str("\r\n prefer-encrypt=mutual;");
        }
        header.push_str("\r\n keydata=");
        let keydata = STANDARD.encode(&self.key);
        for (at, character) in keydata.chars().enumerate() {
            if at % 76 == 0 {
                header.push_str("\r\n ");
            }
            header.push(character);
        }
        header.push_str("\r\n");
        if header.len() > HEADER_BYTES_MAX { Err(HeaderError::TooLarge) } else { Ok(header) }
    }
}

fn decode(keydata: &str) -> Option<Bytes> {
    let characters: Vec<u8> = keydata.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let key = LENIENT.decode(characters).ok()?;
    (!key.is_empty() && key.len() <= KEY_BYTES_MAX).then(|| key.into())
}
