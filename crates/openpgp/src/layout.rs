//! What a key packet says of itself without its algorithm being implemented here: where its public part ends, whether rPGP reads it, whether
//! its secret part is under a password or elsewhere (RFC 9580 sections 5.5 and 9.2, draft-koch-librepgp).

/// What stands before an algorithm's public part: version, time, algorithm; from version 5 on also the octets of that part.
const HEAD: usize = 6;
const HEAD_WITH_COUNT: usize = 10;

/// The names of the curves that rPGP reads, by the algorithm that they are for.
const ED25519: &[u8] = &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1];
const CURVE25519: &[u8] = &[0x2b, 6, 1, 4, 1, 0x97, 0x55, 1, 5, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];

const ECDH: u8 = 18;
const ECDSA: u8 = 19;
const EDDSA: u8 = 22;
const ML_KEM_768_X25519: u8 = 35;

/// Whether a secret part is there, as the packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protection {
    None,
    Password,
    /// Kept offline: it was left out when the key was written.
    Offline,
    /// On a smart card.
    Card,
}

/// Who reads a key packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// rPGP does, or nobody.
    Known,
    /// Of a version that rPGP knows, with an algorithm or a curve that it does not.
    Opaque,
    /// Of version 5, which is LibrePGP's.
    LibrePgp,
    /// Of another version.
    Unknown,
}

/// What sort of key packet this is.
pub(crate) fn kind(body: &[u8]) -> Kind {
    match body {
        [2 | 3, ..] => Kind::Known,
        [5, ..] => Kind::LibrePgp,
        [4 | 6, ..] => {
            let Some(algorithm) = body.get(5) else { return Kind::Known };
            let curve = material(body).and_then(counted).map(|(curve, _)| curve);
            let is_known = match (*algorithm, curve) {
                (ECDH, Some(curve)) => has_known_kdf(body) && [CURVE25519, P256, P384, P521].contains(&curve),
                (ECDSA, Some(curve)) => [P256, P384, P521].contains(&curve),
                (EDDSA, Some(curve)) => curve == ED25519,
                (ECDH | ECDSA | EDDSA, None) => true,
                (algorithm, _) => matches!(algorithm, 1..=3 | 16 | 17 | 20 | 25..=28),
            };
            if is_known { Kind::Known } else { Kind::Opaque }
        }
        _ => Kind::Unknown,
    }
}

/// What stands behind the head of a key packet.
fn material(body: &[u8]) -> Option<&[u8]> {
    let head = if matches!(body.first(), Some(5 | 6)) { HEAD_WITH_COUNT } else { HEAD };
    body.get(head..)
}

/// The octets that a length of one octet counts, and what follows.
fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// What follows a number of the length that it says, in bits.
fn after_number(octets: &[u8]) -> Option<&[u8]> {
    let (bits, rest) = octets.split_first_chunk()?;
    rest.get(usize::from(u16::from_be_bytes(*bits)).div_ceil(8)..)
}

/// How a shared secret is hashed: three octets, the first of which is 1.
fn has_known_kdf(body: &[u8]) -> bool {
    let kdf = material(body).and_then(counted).and_then(|(_, rest)| after_number(rest));
    kdf.is_none_or(|kdf| matches!(kdf, [3, 1, _, _, ..]))
}

/// The octets of the public part of a key packet, public or secret; nothing if it does not show.
pub(crate) fn public_length(body: &[u8]) -> Option<usize> {
    let [version, _, _, _, _, algorithm, ..] = body else { return None };
    let material = material(body)?;
    let length = match (version, *algorithm) {
        (5 | 6, _) => {
            let count = body.get(HEAD..HEAD_WITH_COUNT)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(count)).ok()?
        }
        (4, algorithm) => {
            let mut rest = material;
            let numbers = match algorithm {
                1..=3 => 2,
                16 | 20 => 3,
                17 => 4,
                ECDH | ECDSA | EDDSA => {
                    rest = counted(rest)?.1;
                    1
                }
                25 | 27 => return within(body, HEAD + 32),
                26 => return within(body, HEAD + 56),
                28 => return within(body, HEAD + 57),
                ML_KEM_768_X25519 => return within(body, HEAD + 32 + 1184),
                _ => return None,
            };
            for _ in 0..numbers {
                rest = after_number(rest)?;
            }
            if algorithm == ECDH {
                rest = counted(rest)?.1;
            }
            material.len().checked_sub(rest.len())?
        }
        _ => return None,
    };
    within(body, body.len() - material.len() + length)
}

/// Whether this is a secret key packet of version 4 without a password, and the sum of its secret part is right.
pub(crate) fn checksum_holds(body: &[u8]) -> bool {
    let secret =
        public_length(body).filter(|_| body.first() == Some(&4)).and_then(|length| body.get(length..));
    let Some([0, plain @ .., high, low]) = secret else { return false };
    let sum = plain.iter().fold(0_u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
    sum == u16::from_be_bytes([*high, *low])
}

fn within(body: &[u8], length: usize) -> Option<usize> {
    (length <= body.len()).then_some(length)
}

/// What a secret part, which stands behind the public one, is under. S2K 101 is GnuPG's: "GNU" behind the octet of a hash algorithm, and 1 for
/// nowhere, 2 for a card.
pub(crate) fn protection(version: u8, secret: &[u8]) -> Protection {
    let specifier = match (version, secret) {
        (_, [0, ..]) => return Protection::None,
        // The octets of what follows are counted, from version 6 on those of the specifier as well.
        (5, [253..=255, _, _, rest @ ..]) => rest,
        (6, [253..=255, _, _, _, rest @ ..]) => rest,
        (_, [253..=255, _, rest @ ..]) => rest,
        _ => return Protection::Password,
    };
    match specifier {
        [101, _, b'G', b'N', b'U', 2, ..] => Protection::Card,
        [101, ..] => Protection::Offline,
        _ => Protection::Password,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn curves_decide_who_reads_a_key() {
        let key = |algorithm, curve: &[u8], rest: &[u8]| {
            let length = u8::try_from(curve.len()).unwrap();
            [&[4, 0, 0, 0, 1, algorithm, length][..], curve, &[0, 7, 0x40], rest].concat()
        };
        let secp256k1: &[u8] = &[0x2b, 0x81, 4, 0, 10];
        for (body, expected) in [
            (key(ECDH, CURVE25519, &[3, 1, 8, 7]), Kind::Known),
            (key(ECDH, CURVE25519, &[3, 2, 8, 7]), Kind::Opaque),
            (key(ECDH, secp256k1, &[3, 1, 8, 7]), Kind::Opaque),
            (key(ECDSA, P256, &[]), Kind::Known),
            (key(ECDSA, secp256k1, &[]), Kind::Opaque),
            (key(EDDSA, ED25519, &[]), Kind::Known),
            (key(EDDSA, secp256k1, &[]), Kind::Opaque),
            (vec![4, 0, 0, 0, 1, 99], Kind::Opaque),
            (vec![3, 0, 0, 0, 1, 0, 0, 1], Kind::Known),
            (vec![5, 0, 0, 0, 1, 1], Kind::LibrePgp),
            (vec![7, 0, 0, 0, 1, 1], Kind::Unknown),
        ] {
            assert_eq!(kind(&body), expected, "{body:?}");
            if body.get(5) == Some(&ECDH) {
                assert_eq!(public_length(&[&body[..], &[0; 9]].concat()), Some(body.len()));
                assert_eq!(public_length(&body[..body.len() - 1]), None);
            }
        }
    }

    #[test]
    fn a_secret_part_tells_where_it_is() {
        for (version, secret, expected) in [
            (4, &[0, 1, 2][..], Protection::None),
            (4, &[254, 9, 3, 8], Protection::Password),
            (4, &[7, 1], Protection::Password),
            (4, b"\xff\x00\x65\x00GNU\x01", Protection::Offline),
            (4, b"\xff\x00\x65\x00GNU\x02\x10", Protection::Card),
            (5, b"\xff\x07\x00\x65\x00GNU\x01", Protection::Offline),
            (6, b"\xff\x08\x00\x06\x65\x00GNU\x02", Protection::Card),
            (4, &[], Protection::Password),
        ] {
            assert_eq!(protection(version, secret), expected, "{secret:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_looked_at_without_a_panic(body: Vec<u8>, version in 2_u8..8, algorithm in 0_u8..40) {
            let whole = [&[version, 0, 0, 0, 1, algorithm][..], &body].concat();
            for body in [&body, &whole] {
                let _ = kind(body);
                let length = public_length(body);
                prop_assert!(length.is_none_or(|length| length <= body.len()));
                let _ = protection(version, body);
            }
        }
    }
}
