//! The names that travel: device ids, tokens, hashes, fingerprints. All are plain values without authority of
//! their own; what a name means is decided by signatures (see [`crate::wire`]).

use std::{cmp::Ordering, fmt};

use minicbor::{Decode, Encode};

/// The number of a MUAA, written in decimal in its folder's name: the last 64 bits of its device key's [`Fingerprint`]
/// (docs/protocol.md 4.1). So nobody takes the id of another device without finding a key that ends alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MuaaId(#[n(0)] pub u64);

impl MuaaId {
    /// The id of the device with this key.
    ///
    /// ```
    /// use sma_core::{Fingerprint, MuaaId};
    /// let key = Fingerprint::new(&[[0; 24].as_slice(), &27_u64.to_be_bytes()].concat()).unwrap();
    /// assert_eq!(MuaaId::of(&key), MuaaId(27));
    /// ```
    #[must_use]
    pub fn of(key: &Fingerprint) -> Self {
        Self(key.as_bytes().last_chunk().map_or(0, |last| u64::from_be_bytes(*last)))
    }

    /// Reads the decimal form. Leading zeros, signs and anything above 2^64−1 are refused, so that one id has one
    /// folder name.
    ///
    /// ```
    /// use sma_core::MuaaId;
    /// assert_eq!(MuaaId::parse("27"), Some(MuaaId(27)));
    /// assert_eq!(MuaaId::parse("027"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text == "0" || !text.starts_with('0');
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        (canonical && digits).then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for MuaaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MuaaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

macro_rules! octets {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                in_order(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// The octets.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the lower-case hexadecimal form that `Display` writes.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0[..4])?;
                f.write_str("…")
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                <[u8; $len]>::try_from(d.bytes()?)
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message(concat!("not ", $len, " octets")).at(at))
            }
        }
    };
}

octets!(
    /// Names one message in the store, 128 random bits. A message that is appended again because its outcome was
    /// unknown keeps its token, and a token is processed once.
    Token,
    16
);
octets!(
    /// Names one pairing session, 128 random bits.
    SessionId,
    16
);
octets!(
    /// A 256-bit hash of labelled parts, see [`crate::Crypto::hash`].
    Hash,
    32
);

/// The fingerprint of an OpenPGP certificate: 20 octets (version 4) or 32 (version 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    octets: [u8; 32],
    length: u8,
}

impl Ord for Fingerprint {
    fn cmp(&self, other: &Self) -> Ordering {
        in_order(&self.octets, &other.octets).then(self.length.cmp(&other.length))
    }
}

impl PartialOrd for Fingerprint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Fingerprint {
    /// Takes 1 to 32 octets; `None` for any other length.
    #[must_use]
    pub fn new(from: &[u8]) -> Option<Self> {
        let mut octets = [0; 32];
        octets.get_mut(..from.len())?.copy_from_slice(from);
        (!from.is_empty()).then_some(Self { octets, length: from.len() as u8 })
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.as_bytes())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.as_bytes()[..self.as_bytes().len().min(4)])?;
        f.write_str("…")
    }
}

impl<C> Encode<C> for Fingerprint {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Fingerprint {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        Self::new(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message("not a fingerprint").at(at))
    }
}

/// The order of octets, compared as numbers, which is faster: maps ask for it all the time. The first and the last sixteen are all.
fn in_order<const N: usize>(one: &[u8; N], other: &[u8; N]) -> Ordering {
    const { assert!(N == 16 || N == 32) };
    let first = |octets: &[u8; N]| octets.first_chunk().map(|half| u128::from_be_bytes(*half));
    let last = |octets: &[u8; N]| octets.last_chunk().map(|half| u128::from_be_bytes(*half));
    first(one).cmp(&first(other)).then_with(|| last(one).cmp(&last(other)))
}

pub(crate) fn write_hex(f: &mut impl fmt::Write, octets: &[u8]) -> fmt::Result {
    octets.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(text.chunks(2)) {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_octets() {
        let mut names = vec![[0_u8; 32]];
        for at in [0, 1, 7, 8, 15, 16, 31] {
            for octet in [1, 0x7f, 0x80, 0xff] {
                let mut name = [0; 32];
                name[at] = octet;
                name[31 - at] |= 2;
                names.push(name);
            }
        }
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (one, other))) {
            assert_eq!(Hash(*one).cmp(&Hash(*other)), one.cmp(other));
            let fingerprint = |octets: &[u8]| Fingerprint::new(octets).unwrap();
            assert_eq!(fingerprint(one).cmp(&fingerprint(other)), one.cmp(other));
            let (short, length) = (&one[..20], &other[..21]);
            let padded = |octets: &[u8]| ([octets, &[0; 32][octets.len()..]].concat(), octets.len());
            assert_eq!(fingerprint(short).cmp(&fingerprint(length)), padded(short).cmp(&padded(length)));
        }
    }

    #[test]
    fn one_id_has_one_folder_name() {
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "18446744073709551616", "١"] {
            assert_eq!(MuaaId::parse(text), None, "{text:?}");
        }
        assert_eq!(MuaaId::parse("18446744073709551615"), Some(MuaaId(u64::MAX)));
        assert_eq!(MuaaId::parse("0"), Some(MuaaId(0)));
    }

    #[test]
    fn hexadecimal_reads_what_it_wrote() {
        let token = Token([0xa7; 16]);
        assert_eq!(Token::parse(&token.to_string()), Some(token));
        assert_eq!(Token::parse("A7"), None);
        assert_eq!(Fingerprint::new(&[]), None);
        assert_eq!(Fingerprint::new(&[1; 33]), None);
    }
}
