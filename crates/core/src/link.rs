//! The pairing link: what a code says and 128 bits of secret, as a URI to be scanned or pasted.

use std::fmt::{self, Write};

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::{
    Fingerprint, Hash, Mistyped, MuaaId, Secret, SessionId,
    ids::{parse_hex, write_hex},
};

/// How what a member shows gets to the newcomer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Form {
    /// A [`Code`](crate::Code): a person types its nine digits. Each is good for one guess.
    #[default]
    #[n(0)]
    Code,
    /// A [`PairingLink`]: scanned, or carried over by a way that the person trusts. Nobody can guess it.
    #[n(1)]
    Link,
}

/// What a member shows instead of a code: a URI that names the offer it belongs to, and 128 random bits.
/// `autocrypt-sma:anna@example.org?v=1&g=GROUP&m=ID&f=FINGERPRINT&s=SESSION&k=SECRET`; protocol 7.2. The secret is wiped when
/// dropped, and `Debug` shows nothing of a link; [`PairingLink::shown`] does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PairingLink {
    /// The account's mail address in its canonical form.
    pub address: String,
    /// The member's group.
    pub group: Hash,
    /// The member.
    pub member: MuaaId,
    /// The member's device key.
    pub fingerprint: Fingerprint,
    /// The session.
    pub session: SessionId,
    /// 16 octets.
    pub(crate) secret: Secret,
}

const SCHEME: &str = "autocrypt-sma:";

impl PairingLink {
    /// The longest link that is read, in octets.
    pub const OCTETS_MAX: usize = 1024;
    /// The secret's octets.
    pub(crate) const SECRET: usize = 16;

    /// Whether somebody meant a link by this: it begins like one.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads what [`PairingLink::shown`] gave, and nothing else: a link has one form in octets.
    ///
    /// # Errors
    /// [`Mistyped`] for any other text, and for one above [`PairingLink::OCTETS_MAX`].
    pub fn parse(text: &str) -> Result<Self, Mistyped> {
        let bounded = Some(text).filter(|text| text.len() <= Self::OCTETS_MAX);
        let link = bounded.and_then(Self::read).ok_or(Mistyped)?;
        (*link.shown() == text).then_some(link).ok_or(Mistyped)
    }

    /// Reads a link and some texts that are nearly one.
    fn read(text: &str) -> Option<Self> {
        let (address, query) = text.strip_prefix(SCHEME)?.split_once("?v=1&")?;
        let mut fields = query.split('&');
        let mut field = |name| fields.next()?.strip_prefix(name);
        Some(Self {
            address: decoded(address)?,
            group: Hash::parse(field("g=")?)?,
            member: MuaaId::parse(field("m=")?)?,
            fingerprint: Fingerprint::new(&parse_hex::<32>(field("f=")?)?)?,
            session: SessionId::parse(field("s=")?)?,
            secret: Secret::new(Zeroizing::new(parse_hex::<{ Self::SECRET }>(field("k=")?)?).to_vec()),
        })
    }

    /// The URI: for a QR code, or to be copied. Do not log it.
    #[must_use]
    pub fn shown(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.address.len() * 3 + 300));
        let written = self.write(&mut text);
        debug_assert!(written.is_ok(), "a string takes everything");
        text
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        to.write_str(SCHEME)?;
        for octet in self.address.bytes() {
            match octet {
                b'@' | b'-' | b'.' | b'_' | b'~' => to.write_char(char::from(octet))?,
                plain if plain.is_ascii_alphanumeric() => to.write_char(char::from(plain))?,
                other => write!(to, "%{other:02X}")?,
            }
        }
        let Self { group, member, fingerprint, session, .. } = self;
        write!(to, "?v=1&g={group}&m={member}&f={fingerprint}&s={session}&k=")?;
        write_hex(to, self.secret.expose())
    }
}

impl fmt::Debug for PairingLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingLink(…)")
    }
}

/// Undoes RFC 3986's percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(address: &str) -> PairingLink {
        PairingLink {
            address: address.to_owned(),
            group: Hash([0xa1; 32]),
            member: MuaaId(27),
            fingerprint: Fingerprint::new(&[0xf1; 32]).unwrap(),
            session: SessionId([0x5e; 16]),
            secret: Secret::new((0xb0..0xc0).collect()),
        }
    }

    #[test]
    fn a_link_reads_back_and_has_the_form_of_the_protocol() {
        let shown = "autocrypt-sma:anna@example.org?v=1\
            &g=a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1&m=27\
            &f=f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1\
            &s=5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e&k=b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
        assert_eq!(*link("anna@example.org").shown(), shown);
        for address in ["anna@example.org", "", "%", "a&b=c?d#e/@x", "äpfel@例え.jp", "\0\r\n", "a~b_c-d.e+f"]
        {
            let link = link(address);
            let shown = link.shown();
            assert_eq!(PairingLink::parse(&shown), Ok(link));
            let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b":@?=&%-._~".contains(&octet);
            assert!(shown.bytes().all(allowed), "{}", *shown);
        }
        assert_eq!(format!("{:?}", link("anna@example.org")), "PairingLink(…)");
    }

    #[test]
    fn what_was_pasted_does_not_show_in_debug() {
        let shown = link("anna@example.org").shown().to_string();
        let command = crate::Command::EnterCode { code: shown.into(), from: None, key: None };
        let event = crate::Event::ShowLink {
            session: SessionId([0x5e; 16]),
            link: link("anna@example.org"),
            expires: crate::Timestamp(0),
        };
        for debug in [format!("{command:?}"), format!("{event:?}")] {
            assert!(!debug.contains("b0b1") && !debug.contains("176"), "{debug}");
        }
    }

    #[test]
    fn the_longest_address_fits() {
        let longest = "ä".repeat(127);
        assert!(PairingLink::parse(&link(&longest).shown()).is_ok());
        let too_long = "ä".repeat(200);
        assert_eq!(PairingLink::parse(&link(&too_long).shown()), Err(Mistyped));
    }

    /// Every octet of it replaced, removed, or doubled: it is refused, or it is the one form of another link.
    #[test]
    fn a_link_has_one_form_and_nothing_else_is_read() {
        let shown = link("anna+x@example.org").shown();
        let right = shown.as_bytes();
        let mut others = 0;
        for at in 0..right.len() {
            let replaced = (0..=255).map(|octet| [&right[..at], &[octet], &right[at + 1..]].concat());
            let removed = [&right[..at], &right[at + 1..]].concat();
            let doubled = [&right[..=at], &right[at..]].concat();
            for wrong in replaced.chain([removed, doubled]).filter(|wrong| wrong != right) {
                let Ok(wrong) = String::from_utf8(wrong) else { continue };
                if let Ok(read) = PairingLink::parse(&wrong) {
                    assert_eq!(*read.shown(), wrong);
                    others += 1;
                }
            }
        }
        assert!(others > 100, "other digits and letters make other links");
        for end in 0..shown.len() {
            assert_eq!(PairingLink::parse(&shown[..end]), Err(Mistyped));
        }
        let texts = [shown.to_uppercase(), shown.replace("%2B", "%2b"), shown.replace("anna", "%61nna")];
        for text in texts.iter().chain([&format!("{} ", *shown), &format!("{}&x=1", *shown)]) {
            assert_eq!(PairingLink::parse(text), Err(Mistyped), "{text}");
        }
    }
}
