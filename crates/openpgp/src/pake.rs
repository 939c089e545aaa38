//! The pairing's PAKE, SPAKE2 over edwards25519, and the keys derived from it.
//!
//! The member is side A, the newcomer side B; the identities carry the session, so that a share is good for one session.
//! The crate confirms nothing by itself: the confirmation is the protocol's, with the keys of [`session_keys`].

use bytes::Bytes;
use curve25519_dalek::{edwards::CompressedEdwardsY, traits::IsIdentity};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sma_core::{CryptoError, Hash, PakeRun, Secret, SessionKeys, Side};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use crate::{packets::refused, seeded};

/// The size of a share: one octet that names the side, and a point.
const SHARE: usize = 33;

fn start(run: PakeRun<'_>) -> (Spake2<Ed25519Group>, Vec<u8>) {
    let identity = |role: &[u8]| Identity::new(&[role, run.session.as_bytes()].concat());
    let (member, newcomer) = (identity(b"sma-member"), identity(b"sma-newcomer"));
    let password = Password::new(run.password.expose());
    let rng = seeded::rng(run.seed);
    match run.side {
        Side::Member => Spake2::start_a_with_rng(&password, &member, &newcomer, rng),
        Side::Newcomer => Spake2::start_b_with_rng(&password, &member, &newcomer, rng),
    }
}

/// This side's share.
pub(crate) fn share(run: PakeRun<'_>) -> Bytes {
    start(run).1.into()
}

/// Refuses what is not the canonical form of a point of the prime-order group, and the identity.
fn check_point(octets: &[u8; 32]) -> Result<(), CryptoError> {
    let compressed = CompressedEdwardsY(*octets);
    let point = compressed.decompress().ok_or(CryptoError)?;
    let good = !point.is_identity() && point.is_torsion_free() && point.compress() == compressed;
    if good { Ok(()) } else { Err(CryptoError) }
}

/// The shared secret. A reflected share, a share of the wrong side, and a weak point are refused.
pub(crate) fn finish(run: PakeRun<'_>, theirs: &[u8]) -> Result<Secret, CryptoError> {
    let share: &[u8; SHARE] = theirs.try_into().map_err(refused)?;
    let [_, point @ ..] = share;
    check_point(point)?;
    let (state, ours) = start(run);
    if ours.get(1..) == Some(point) {
        return Err(CryptoError);
    }
    state.finish(theirs).map(Secret::new).map_err(refused)
}

/// Kn, Km and Kw, 32 octets each, by HKDF-SHA256 (RFC 5869) with the transcript's hash as salt.
pub(crate) fn session_keys(shared: &Secret, transcript: &Hash) -> SessionKeys {
    let hkdf = Hkdf::<Sha256>::new(Some(transcript.as_bytes()), shared.expose());
    let key = |label: &str| {
        let mut octets = Zeroizing::new(vec![0; 32]);
        // Only a length above 255 hashes fails.
        hkdf.expand(label.as_bytes(), &mut octets).expect("32 octets are not too many");
        Secret::new(std::mem::take(&mut *octets))
    };
    SessionKeys {
        newcomer: key("autocrypt-sma-newcomer-v1"),
        member: key("autocrypt-sma-member-v1"),
        bundle: key("autocrypt-sma-bundle-v1"),
    }
}

/// HMAC-SHA256 (RFC 2104).
pub(crate) fn mac(key: &Secret, message: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.expose()).expect("a key of any length is good");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
