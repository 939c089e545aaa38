//! What travels: signed operations, their bodies, and the protection each kind demands (`docs/protocol.md` sections 5 and 6).
//!
//! Everything is CBOR (RFC 8949) in one canonical form, that of `docs/protocol.md` section 5.3: integers, lengths and tags in
//! their shortest form, definite lengths, records as maps in ascending order of their field numbers. It differs from RFC 8949
//! section 4.2.1 in one point: a table whose keys are strings is in ascending order of the strings, `"aa"` before `"b"`, and
//! not of their encodings. What does not encode to the octets it was decoded from is refused.

mod body;
mod kind;
mod op;
mod update;

pub use body::{Abort, Accept, Announcement, Join, Offer, Reject, Replaced, Request};
pub use kind::{Kind, Protection};
pub use op::{Content, Seen, SignedOp};
pub use update::{KeyMaterial, Update};

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::Secret;

/// Room for most of what is encoded, so that it is not moved while it grows.
const USUAL_SIZE: usize = 512;

/// Encodes a value. Writing into memory does not fail.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut octets = Vec::with_capacity(USUAL_SIZE);
    let written = minicbor::encode(value, &mut octets);
    if written.is_ok() { octets } else { Vec::new() }
}

/// Encodes a value that holds secrets: no copy of them stays behind while the buffer grows.
pub(crate) fn encode_secret<T: Encode<()>>(value: &T) -> Secret {
    let mut octets = Growing(Zeroizing::new(Vec::with_capacity(USUAL_SIZE)));
    let written = minicbor::encode(value, &mut octets);
    if written.is_ok() { Secret::new(std::mem::take(&mut *octets.0)) } else { Secret::default() }
}

/// A buffer that is wiped when another one takes its place.
struct Growing(Zeroizing<Vec<u8>>);

impl Growing {
    /// Makes room for so many octets; gives the former buffer if there was none, to be wiped.
    fn make_room(&mut self, octets: usize) -> Option<Zeroizing<Vec<u8>>> {
        let needed = self.0.len().saturating_add(octets);
        (needed > self.0.capacity()).then(|| {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2)));
            larger.extend_from_slice(&self.0);
            std::mem::replace(&mut self.0, larger)
        })
    }
}

impl minicbor::encode::Write for Growing {
    type Error = std::convert::Infallible;

    fn write_all(&mut self, octets: &[u8]) -> Result<(), Self::Error> {
        drop(self.make_room(octets.len()));
        self.0.extend_from_slice(octets);
        Ok(())
    }
}

/// Decodes a value that fills `octets` and stands there in its canonical form.
pub fn decode<T: Encode<()> + for<'b> Decode<'b, ()>>(octets: &[u8]) -> Option<T> {
    let mut decoder = minicbor::Decoder::new(octets);
    let value: T = decoder.decode().ok()?;
    (decoder.position() == octets.len() && encodes_to(&value, octets)).then_some(value)
}

/// Whether a value encodes to just these octets.
fn encodes_to<T: Encode<()>>(value: &T, octets: &[u8]) -> bool {
    let mut expected = Expected(octets);
    minicbor::encode(value, &mut expected).is_ok() && expected.0.is_empty()
}

/// Takes only what is expected, octet by octet.
struct Expected<'a>(&'a [u8]);

impl minicbor::encode::Write for Expected<'_> {
    type Error = Unexpected;

    fn write_all(&mut self, octets: &[u8]) -> Result<(), Unexpected> {
        self.0 = self.0.strip_prefix(octets).ok_or(Unexpected)?;
        Ok(())
    }
}

/// Other octets than expected.
#[derive(Debug)]
struct Unexpected;

/// `Bytes` as a CBOR byte string.
pub(crate) mod octets {
    use bytes::Bytes;
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: minicbor::encode::Write>(
        octets: &Bytes,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(octets)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, minicbor::decode::Error> {
        Ok(Bytes::copy_from_slice(d.bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn invariant_10_no_octets_panic_and_what_decodes_is_canonical(octets: Vec<u8>) {
            if let Some(op) = decode::<SignedOp>(&octets) {
                prop_assert_eq!(encode(&op), octets.clone());
            }
            if let Some(content) = decode::<Content>(&octets) {
                prop_assert_eq!(encode(&content), octets.clone());
            }
            if let Some(update) = decode::<Update>(&octets) {
                prop_assert_eq!(encode(&update), octets);
            }
        }
    }

    /// Where it would have to move, another one takes its place, and what is replaced is of a type that wipes itself.
    #[test]
    fn a_buffer_of_secrets_does_not_move_while_it_grows() {
        let mut buffer = Growing(Zeroizing::new(Vec::with_capacity(4)));
        let mut replaced = 0;
        for octets in [&[7; 3][..], &[7; 1], &[7; 1], &[7; 100], &[7; 7]] {
            let former = buffer.make_room(octets.len());
            replaced += usize::from(former.is_some());
            let place = (buffer.0.as_ptr(), buffer.0.capacity());
            minicbor::encode::Write::write_all(&mut buffer, octets).unwrap();
            assert_eq!(place, (buffer.0.as_ptr(), buffer.0.capacity()));
        }
        assert_eq!((buffer.0.as_slice(), replaced), (&[7; 112][..], 2));
        for length in [0, 505, 512, 5000] {
            let value = (1_u32, "x".repeat(length));
            assert_eq!(encode_secret(&value).expose(), encode(&value));
        }
    }

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Small {
        #[n(0)]
        number: u8,
    }

    #[test]
    fn another_encoding_of_the_same_value_is_refused() {
        assert_eq!(decode::<Small>(&[0xa1, 0x00, 0x01]), Some(Small { number: 1 }));
        assert_eq!(decode::<Small>(&[0xa1, 0x00, 0x18, 0x01]), None, "an integer longer than needed");
        assert_eq!(decode::<Small>(&[0xbf, 0x00, 0x01, 0xff]), None, "a map of indefinite length");
        assert_eq!(decode::<Small>(&[0xa1, 0x00, 0x01, 0x00]), None, "octets behind the value");
    }
}
