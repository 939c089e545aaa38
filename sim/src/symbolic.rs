//! `Crypto` in symbols: terms instead of curves, so that a world of many MUAAs costs microseconds.
//!
//! Each term is a BLAKE3 hash over labelled, length-prefixed parts, so terms collide no more than the hash does. Three rules
//! make it as strong as the real thing *inside the simulator*, and in no other place:
//!
//! - A signature is a hash of the signer's public term, the label and the message; [`Symbolic::sign`] alone makes one, and
//!   takes the secret to do so. Nobody in the simulator, the hostile store above all, writes that hash any other way.
//! - Sealing needs the recipient's public term, and so would opening; [`Symbolic::open`] alone opens, and takes the secret.
//! - A PAKE's share is a hash of its seed; the shared secret hashes the session, the password and both shares, so it is equal
//!   on both sides exactly when all of these are. A share carries a checksum, so that one nobody made is refused.
//!
//! The hostile store moves, repeats, cuts and flips octets, and calls none of these with a key that it does not hold
//! (Dolev–Yao). Sealed terms are masked, so that a secret which leaks unsealed is found by looking for its octets.

use std::cell::RefCell;

use bytes::Bytes;
use sma_core::{
    AccountKey, Crypto, CryptoError, DeviceKey, Fingerprint, Hash, MuaaId, PakeRun, Secret, SessionKeys,
    Side, Timestamp,
};

/// The symbolic instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Symbolic;

/// Another version of an account's secret key, with the same fingerprint: as if its owner had given it a later expiry.
#[must_use]
pub fn renewed(secret: &Secret, renewal: u64) -> Secret {
    let octets = secret.expose();
    let itself = &octets[..octets.len().min(ACCOUNT_SECRET.len() + 40)];
    Secret::new([itself, &renewal.to_be_bytes()].concat())
}

/// The number that [`renewed`] was given, if this is such a version.
#[must_use]
pub fn renewal(secret: &Secret) -> Option<u64> {
    let octets = secret.expose().get(ACCOUNT_SECRET.len() + 40..)?;
    octets.try_into().ok().map(u64::from_be_bytes)
}

/// How every account's secret key begins, so that one in the open is found.
pub const ACCOUNT_SECRET: &[u8] = b"account-secret:";

fn term(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    LATEST.with_borrow_mut(|latest| {
        // Hashed at once, which is faster than part by part.
        latest.octets.clear();
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            latest.octets.extend_from_slice(&(part.len() as u64).to_be_bytes());
            latest.octets.extend_from_slice(part);
        }
        latest.hash()
    })
}

/// How many terms a thread keeps.
const KEPT: usize = 1024;
/// Of so many octets at most; what has more is hashed each time.
const KEPT_BYTES_MAX: usize = 4096;

/// The latest terms, each with what it is the hash of: who reads a message makes the terms anew that its author made.
#[derive(Default)]
struct Latest {
    terms: Vec<(Vec<u8>, [u8; 32])>,
    /// What is hashed now.
    octets: Vec<u8>,
}

thread_local! {
    static LATEST: RefCell<Latest> = RefCell::default();
}

impl Latest {
    /// The hash, kept from when these very octets were hashed lately.
    fn hash(&mut self) -> [u8; 32] {
        if self.octets.len() > KEPT_BYTES_MAX {
            return *blake3::hash(&self.octets).as_bytes();
        }
        self.terms.resize_with(KEPT, Default::default);
        let (known, hash) = &mut self.terms[place_of(&self.octets)];
        if *known != self.octets {
            *hash = *blake3::hash(&self.octets).as_bytes();
            known.clone_from(&self.octets);
        }
        *hash
    }
}

/// Where the hash of these octets is kept. Their ends tell them apart.
fn place_of(octets: &[u8]) -> usize {
    let (words, rest) = octets[octets.len().saturating_sub(64)..].as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let all = words.chain(rest.iter().map(|octet| u64::from(*octet)));
    let mixed = all.fold(octets.len() as u64, |mixed: u64, word| {
        (mixed.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (mixed >> 32) as usize % KEPT
}

/// The public terms of a device: of its primary key, which signs, and of its subkey, which encrypts.
struct Public {
    primary: [u8; 32],
    subkey: [u8; 32],
}

/// A device's secret key is the secret terms of its primary key and of its subkey.
fn secret_terms(key: &Secret) -> Result<(&[u8], &[u8]), CryptoError> {
    key.expose().split_at_checked(32).ok_or(CryptoError)
}

/// It ends as the secret does, so that a world can choose what a device's id is.
fn public(secret: &[u8]) -> [u8; 32] {
    ending_as(secret, term("public", &[secret]))
}

fn ending_as(with: &[u8], mut term: [u8; 32]) -> [u8; 32] {
    if let Some(end) = with.last_chunk::<8>() {
        term[24..].copy_from_slice(end);
    }
    term
}

impl Public {
    /// A certificate is both and a digest of them, so that a flipped bit shows. Who holds the secret key alone makes one.
    fn read(certificate: &[u8]) -> Result<Self, CryptoError> {
        let (primary, rest) = certificate.split_first_chunk().ok_or(CryptoError)?;
        let (subkey, check) = rest.split_first_chunk().ok_or(CryptoError)?;
        let right = term("certificate", &[primary, subkey])[..16] == *check;
        if right { Ok(Self { primary: *primary, subkey: *subkey }) } else { Err(CryptoError) }
    }

    fn certificate(&self) -> Bytes {
        let check = term("certificate", &[&self.primary, &self.subkey]);
        [&self.primary[..], &self.subkey, &check[..16]].concat().into()
    }
}

/// A device key that gives a certain id.
///
/// # Errors
/// None that anybody has met.
pub fn device_key_of(id: MuaaId, seed: &[u8; 32]) -> Result<DeviceKey, CryptoError> {
    let mut primary = term("device", &[seed]);
    primary[24..].copy_from_slice(&id.0.to_be_bytes());
    device_key(&primary, &term("subkey", &[seed]))
}

fn device_key(primary: &[u8], subkey: &[u8]) -> Result<DeviceKey, CryptoError> {
    let secret = Secret::new([primary, subkey].concat());
    let public = Public { primary: public(primary), subkey: public(subkey) };
    let fingerprint = fingerprint_of(&public)?;
    Ok(DeviceKey { secret, certificate: public.certificate(), fingerprint })
}

fn fingerprint_of(public: &Public) -> Result<Fingerprint, CryptoError> {
    let fingerprint = ending_as(&public.primary, term("fingerprint", &[&public.primary]));
    Fingerprint::new(&fingerprint).ok_or(CryptoError)
}

/// The pad repeats, which hides words from those who look for them, and nothing from those who reckon.
fn mask(key: &[u8; 32], nonce: &[u8], octets: &mut [u8]) {
    let pad = term("mask", &[key, nonce]);
    let (whole, rest) = octets.as_chunks_mut::<32>();
    for chunk in whole {
        *chunk = std::array::from_fn(|at| chunk[at] ^ pad[at]);
    }
    for (octet, pad) in rest.iter_mut().zip(pad) {
        *octet ^= pad;
    }
}

fn seal_under(key: &[u8; 32], plain: &[u8], seed: &[u8; 32]) -> Bytes {
    let nonce = &term("nonce", &[seed])[..16];
    let mut sealed = plain.to_vec();
    mask(key, nonce, &mut sealed);
    let tag = term("seal", &[key, nonce, plain]);
    [nonce, &tag[..16], &sealed].concat().into()
}

fn open_under(key: &[u8; 32], sealed: &[u8]) -> Result<Secret, CryptoError> {
    let (nonce, rest) = sealed.split_at_checked(16).ok_or(CryptoError)?;
    let (tag, masked) = rest.split_at_checked(16).ok_or(CryptoError)?;
    let mut plain = masked.to_vec();
    mask(key, nonce, &mut plain);
    let right = term("seal", &[key, nonce, &plain])[..16] == *tag;
    if right { Ok(Secret::new(plain)) } else { Err(CryptoError) }
}

fn key_of(secret: &Secret) -> Result<[u8; 32], CryptoError> {
    secret.expose().try_into().map_err(|_| CryptoError)
}

impl Crypto for Symbolic {
    fn hash(&self, label: &str, parts: &[&[u8]]) -> Hash {
        Hash(term(label, parts))
    }

    fn new_device_key(&self, seed: &[u8; 32], _now: Timestamp) -> Result<DeviceKey, CryptoError> {
        device_key(&term("device", &[seed]), &term("subkey", &[seed]))
    }

    fn renew_device_key(
        &self,
        key: &Secret,
        seed: &[u8; 32],
        _now: Timestamp,
    ) -> Result<DeviceKey, CryptoError> {
        let (primary, _) = secret_terms(key)?;
        device_key(primary, &term("subkey", &[seed]))
    }

    fn device_fingerprint(&self, certificate: &[u8]) -> Result<Fingerprint, CryptoError> {
        fingerprint_of(&Public::read(certificate)?)
    }

    fn sign(
        &self,
        key: &Secret,
        label: &str,
        message: &[u8],
        _seed: &[u8; 32],
        _now: Timestamp,
    ) -> Result<Bytes, CryptoError> {
        let public = public(secret_terms(key)?.0);
        Ok(Bytes::copy_from_slice(&term("signature", &[&public, label.as_bytes(), message])))
    }

    fn verify(
        &self,
        certificate: &[u8],
        label: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let public = Public::read(certificate)?.primary;
        let right = term("signature", &[&public, label.as_bytes(), message]) == *signature;
        right.then_some(()).ok_or(CryptoError)
    }

    fn seal(&self, certificate: &[u8], plain: &[u8], seed: &[u8; 32]) -> Result<Bytes, CryptoError> {
        let public = Public::read(certificate)?.subkey;
        Ok(seal_under(&term("sealing", &[&public]), plain, seed))
    }

    fn open(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
        open_under(&term("sealing", &[&public(secret_terms(key)?.1)]), sealed)
    }

    fn pake_share(&self, run: PakeRun<'_>) -> Bytes {
        let side: &[u8] = match run.side {
            Side::Member => b"member",
            Side::Newcomer => b"newcomer",
        };
        let share = term("share", &[run.session.as_bytes(), side, run.seed]);
        [&share[..], &term("share-check", &[&share])[..16]].concat().into()
    }

    fn pake_finish(&self, run: PakeRun<'_>, theirs: &[u8]) -> Result<Secret, CryptoError> {
        let ours = self.pake_share(run);
        let (share, check) = theirs.split_at_checked(32).ok_or(CryptoError)?;
        if term("share-check", &[share])[..16] != *check || *theirs == *ours {
            return Err(CryptoError);
        }
        let (member, newcomer) = match run.side {
            Side::Member => (&*ours, theirs),
            Side::Newcomer => (theirs, &*ours),
        };
        let secret = term("pake", &[run.session.as_bytes(), run.password.expose(), member, newcomer]);
        Ok(Secret::new(secret.to_vec()))
    }

    fn session_keys(&self, shared: &Secret, transcript: &Hash) -> SessionKeys {
        let key = |label| Secret::new(term(label, &[shared.expose(), transcript.as_bytes()]).to_vec());
        SessionKeys { newcomer: key("newcomer"), member: key("member"), bundle: key("bundle") }
    }

    fn mac(&self, key: &Secret, message: &[u8]) -> [u8; 32] {
        term("mac", &[key.expose(), message])
    }

    fn seal_bundle(&self, key: &Secret, plain: &[u8], seed: &[u8; 32]) -> Bytes {
        seal_under(&term("bundling", &[key.expose()]), plain, seed)
    }

    fn open_bundle(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
        let _ = key_of(key)?;
        open_under(&term("bundling", &[key.expose()]), sealed)
    }

    fn new_account_key(
        &self,
        address: &str,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<AccountKey, CryptoError> {
        let unique = term("account", &[seed, address.as_bytes()]);
        let secret = [ACCOUNT_SECRET, &now.0.to_be_bytes(), &unique].concat();
        self.read_account_key(&Secret::new(secret))
    }

    fn read_account_key(&self, secret: &Secret) -> Result<AccountKey, CryptoError> {
        let rest = secret.expose().strip_prefix(ACCOUNT_SECRET).ok_or(CryptoError)?;
        let (itself, renewal) = rest.split_at_checked(40).ok_or(CryptoError)?;
        let (created, _) = itself.split_at(8);
        if !matches!(renewal.len(), 0 | 8) {
            return Err(CryptoError);
        }
        let created = Timestamp(u64::from_be_bytes(created.try_into().map_err(|_| CryptoError)?));
        let public = term("account-public", &[secret.expose()]);
        let fingerprint =
            Fingerprint::new(&term("account-fingerprint", &[itself])[..20]).ok_or(CryptoError)?;
        Ok(AccountKey {
            secret: secret.clone(),
            public: Bytes::copy_from_slice(&public),
            fingerprint,
            created,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRYPTO: Symbolic = Symbolic;
    const NOW: Timestamp = Timestamp(0);

    #[test]
    fn every_flipped_bit_of_a_term_is_noticed() {
        let key = CRYPTO.new_device_key(&[1; 32], NOW).unwrap();
        let signature = CRYPTO.sign(&key.secret, "l", b"m", &[2; 32], NOW).unwrap();
        let sealed = CRYPTO.seal(&key.certificate, b"plain", &[3; 32]).unwrap();
        assert_eq!(CRYPTO.open(&key.secret, &sealed).unwrap().expose(), b"plain");
        let flips = |octets: &[u8], refused: &dyn Fn(&[u8]) -> bool| {
            for bit in 0..octets.len() * 8 {
                let mut flipped = octets.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(refused(&flipped), "bit {bit}");
            }
        };
        flips(&key.certificate, &|c| CRYPTO.device_fingerprint(c).is_err());
        flips(&signature, &|s| CRYPTO.verify(&key.certificate, "l", b"m", s).is_err());
        flips(&sealed, &|s| CRYPTO.open(&key.secret, s).is_err());
        assert!(CRYPTO.verify(&key.certificate, "k", b"m", &signature).is_err());
    }

    #[test]
    fn a_renewed_key_signs_as_before_and_opens_only_what_is_sealed_to_it() {
        let first = CRYPTO.new_device_key(&[1; 32], NOW).unwrap();
        let second = CRYPTO.renew_device_key(&first.secret, &[2; 32], NOW).unwrap();
        assert_eq!(first.fingerprint, second.fingerprint);
        assert_eq!(CRYPTO.device_fingerprint(&second.certificate), Ok(first.fingerprint));
        let signature = CRYPTO.sign(&second.secret, "l", b"m", &[3; 32], NOW).unwrap();
        assert_eq!(CRYPTO.verify(&first.certificate, "l", b"m", &signature), Ok(()));
        for (one, other) in [(&first, &second), (&second, &first)] {
            let sealed = CRYPTO.seal(&one.certificate, b"plain", &[3; 32]).unwrap();
            assert!(CRYPTO.open(&one.secret, &sealed).is_ok());
            assert!(CRYPTO.open(&other.secret, &sealed).is_err());
        }
    }

    #[test]
    fn a_pake_agrees_only_on_the_same_password() {
        let password = |text: &[u8]| Secret::new(text.to_vec());
        let (right, wrong) = (password(b"12345678"), password(b"12345679"));
        let session = sma_core::SessionId([7; 16]);
        let run = |side, password, seed| PakeRun { side, password, session, seed };
        let member = run(Side::Member, &right, &[1; 32]);
        let newcomer = run(Side::Newcomer, &right, &[2; 32]);
        let guess = run(Side::Newcomer, &wrong, &[2; 32]);
        let share = CRYPTO.pake_share(newcomer);
        let secret = CRYPTO.pake_finish(member, &share).unwrap();
        assert_eq!(secret, CRYPTO.pake_finish(newcomer, &CRYPTO.pake_share(member)).unwrap());
        assert_ne!(secret, CRYPTO.pake_finish(guess, &CRYPTO.pake_share(member)).unwrap());
        assert!(CRYPTO.pake_finish(member, &CRYPTO.pake_share(member)).is_err());
    }
}
