//! The cryptography of Autocrypt Setup Messages (Level 1, "Autocrypt Setup Message"): an account key under a setup code, for
//! programs of the account that know no SMA.
//!
//! Outside an armored message: a session key packet of version 4 (AES-128, the code iterated and salted) and SEIPD version 1
//! over one literal packet. In it the armored secret key, without a password, with the header `Autocrypt-Prefer-Encrypt`. The
//! mail around it is made by `sma-autocrypt`.

use std::{
    fmt,
    io::{self, Read},
};

use pgp::{
    armor::{BlockType, Headers},
    composed::{Esk, Message, RawSessionKey},
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    packet::{PacketTrait, SymEncryptedProtectedData, SymKeyEncryptedSessionKey},
    types::{Password, StringToKey},
};
use rand_chacha_03::{ChaCha20Rng, rand_core::RngCore};
use sma_autocrypt::Address;
use sma_core::{CryptoError, Secret};
use zeroize::Zeroizing;

use crate::{
    account,
    armor::{self, Block, Label},
    import::together,
    keys::{self, ImportError},
    minimal,
    packets::{Octets, refused},
    seal, seeded,
    transferable::SECRET_MAX,
};

/// The largest armored text that is read, in octets: armor costs a third, and two times are put around the key.
pub const ARMORED_MAX: usize = 3 * SECRET_MAX;

/// How often the code is hashed, coded (RFC 9580 section 3.7.1.3): 65,011,712 octets, the most there is.
const ITERATIONS: u8 = 0xff;

const CIPHER: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES128;
const GROUPS: usize = 9;
const DIGITS: usize = 4 * GROUPS;
const FORMAT: &str = "numeric9x4";
const PREFER_ENCRYPT: &str = "Autocrypt-Prefer-Encrypt";
const PASSPHRASE_FORMAT: &str = "Passphrase-Format";
const PASSPHRASE_BEGIN: &str = "Passphrase-Begin";

/// What an account takes along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The secret key, unarmored and without a password, ready to be adopted.
    pub secret: Secret,
    /// Whether mails ask for encryption (`prefer-encrypt=mutual`).
    pub mutual: bool,
}

/// A setup message and the code that opens it.
pub struct Locked {
    /// The armored message, lines ended by LF.
    pub armored: String,
    /// The code, nine groups of four digits, as it is shown: the dashes belong to it. Whoever has both has the key.
    pub code: Zeroizing<String>,
}

impl fmt::Debug for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked(…)")
    }
}

/// What a setup message tells of its code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// Whether the code has nine groups of four digits; otherwise it is to be typed exactly as it is shown.
    pub numeric: bool,
    /// The code's first two characters; empty if the message does not say. Not authenticated.
    pub begins: String,
}

/// Why a setup message was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnlockError {
    /// The code is wrong, or the message is damaged or has another form: which of them is not told, or whoever tries codes would learn it.
    #[error("the code is wrong, or the message is damaged")]
    WrongCode,
    /// The code is right, and the key inside cannot be taken.
    #[error("the code is right, but the key in the message: {0}")]
    Key(#[from] ImportError),
}

impl From<CryptoError> for UnlockError {
    fn from(_: CryptoError) -> Self {
        Self::WrongCode
    }
}

/// Makes a setup message of the key for this address, without what other programs do not need: other user ids, photographs, others'
/// signatures, subkeys that neither decrypt nor are needed to sign. `seed` draws the code and everything else.
///
/// # Errors
/// `setup.secret` is not an account key without a password.
pub fn lock(setup: &Setup, address: &Address, seed: &[u8; 32]) -> Result<Locked, CryptoError> {
    account::read(&setup.secret)?;
    let secret = minimal::handed_over(&setup.secret, address);
    let prefer = if setup.mutual { "mutual" } else { "nopreference" };
    let headers = Headers::from([(PREFER_ENCRYPT.to_owned(), vec![prefer.to_owned()])]);
    // With room for all of it, so that no copy stays behind.
    let mut inner = Zeroizing::new(Vec::with_capacity(ARMORED_MAX));
    pgp::armor::write(&Octets(secret.expose()), BlockType::PrivateKey, &mut *inner, Some(&headers), true)
        .map_err(refused)?;
    let mut rng = seeded::rng(seed);
    let code = new_code(&mut rng);
    let message = encrypt(&mut rng, &inner, &code).map_err(refused)?;
    let begin = code.get(..2).unwrap_or_default().to_owned();
    let headers = Headers::from([
        (PASSPHRASE_FORMAT.to_owned(), vec![FORMAT.to_owned()]),
        (PASSPHRASE_BEGIN.to_owned(), vec![begin]),
    ]);
    let mut armored = Vec::new();
    pgp::armor::write(&Octets(&message), BlockType::Message, &mut armored, Some(&headers), true)
        .map_err(refused)?;
    Ok(Locked { armored: String::from_utf8(armored).map_err(refused)?, code })
}

/// Nine groups of four decimal digits, each equally likely.
fn new_code(rng: &mut ChaCha20Rng) -> Zeroizing<String> {
    let mut code = Zeroizing::new(String::with_capacity(DIGITS + GROUPS));
    while code.len() < DIGITS + GROUPS - 1 {
        if code.len() % 5 == 4 {
            code.push('-');
        }
        // Of 256 octets 250 are taken, so that each digit has 25.
        let octet = loop {
            let mut octet = [0];
            rng.fill_bytes(&mut octet);
            if octet[0] < 250 {
                break octet[0];
            }
        };
        code.push(char::from(b'0' + octet % 10));
    }
    code
}

fn encrypt(rng: &mut ChaCha20Rng, inner: &[u8], code: &str) -> pgp::errors::Result<Vec<u8>> {
    let session: RawSessionKey = CIPHER.new_session_key(&mut *rng);
    let mut salt = [0; 8];
    rng.fill_bytes(&mut salt);
    let s2k = StringToKey::IteratedAndSalted { hash_alg: HashAlgorithm::Sha256, salt, count: ITERATIONS };
    let key = SymKeyEncryptedSessionKey::encrypt_v4(&Password::from(code), &session, s2k, CIPHER)?;
    let literal = seal::literal_of(inner).map_err(|_| io::Error::other("too large"))?;
    let data = SymEncryptedProtectedData::encrypt_seipdv1(rng, CIPHER, session.as_ref(), &literal)?;
    let mut message = Vec::new();
    key.to_writer_with_header(&mut message)?;
    data.to_writer_with_header(&mut message)?;
    Ok(message)
}

/// Takes the armor off the first block, which must be of this sort; what follows it does not count.
fn dearmored(armored: &[u8], label: Label) -> Result<Block, CryptoError> {
    if armored.len() > ARMORED_MAX {
        return Err(CryptoError);
    }
    let block = armor::first(armored).map_err(refused)?;
    if block.label == label { Ok(block) } else { Err(CryptoError) }
}

/// What an armored setup message tells of its code, before it is typed. Total.
///
/// # Errors
/// It is no armored message.
pub fn hint(armored: &[u8]) -> Result<Hint, CryptoError> {
    let message = dearmored(armored, Label::Message)?;
    let begins = message.header(PASSPHRASE_BEGIN).unwrap_or_default();
    let begins = begins.chars().filter(char::is_ascii_alphanumeric).take(2).collect();
    Ok(Hint { numeric: is_numeric(&message), begins })
}

fn is_numeric(message: &Block) -> bool {
    message.header(PASSPHRASE_FORMAT) == Some(FORMAT)
}

/// The code as it stands under the encryption. Of nine groups of four digits, blanks, line ends and dashes may be typed in
/// any way.
fn canonical_code(numeric: bool, typed: &str) -> Zeroizing<String> {
    let digits = || typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '–' | '‐' | '‑'));
    if !numeric || digits().count() != DIGITS {
        return Zeroizing::new(typed.trim().to_owned());
    }
    let mut code = Zeroizing::new(String::with_capacity(4 * (DIGITS + GROUPS)));
    for (at, digit) in digits().enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(digit);
    }
    code
}

/// Opens an armored setup message with the code that a person typed. A key that is under a password of its own wants that as well. Level 1
/// asks for AES; older messages with another cipher are read all the same. Total.
///
/// # Errors
/// [`UnlockError::WrongCode`] until the code is right; then what [`keys::unprotect`] says of the key, as
/// [`ImportError::PasswordNeeded`].
pub fn unlock(armored: &[u8], typed: &Secret, password: Option<&Secret>) -> Result<Setup, UnlockError> {
    let message = dearmored(armored, Label::Message)?;
    let typed = std::str::from_utf8(typed.expose()).map_err(refused)?;
    let code = canonical_code(is_numeric(&message), typed);
    let inner = decrypt(&message.octets, &code)?;
    // Its public form may stand before the secret key; what follows that does not count.
    let is_secret = |block: &Block| block.label == Label::SecretKey;
    let blocks = armor::up_to(&inner, is_secret).map_err(|_| ImportError::NotAKey)?;
    let mutual = blocks.iter().any(|block| block.header(PREFER_ENCRYPT) == Some("mutual"));
    Ok(Setup { secret: keys::unprotect(&together(&blocks), password)?, mutual })
}

/// Opens the message, which must be a session key under one code and integrity-protected data, nothing that costs much memory.
fn decrypt(message: &[u8], code: &str) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let message = Message::from_bytes(message).map_err(refused)?;
    let Message::Encrypted { esk, .. } = &message else {
        return Err(CryptoError);
    };
    let [Esk::SymKeyEncryptedSessionKey(key @ SymKeyEncryptedSessionKey::V4 { .. })] = &esk[..] else {
        return Err(CryptoError);
    };
    if !matches!(key.s2k(), Some(StringToKey::IteratedAndSalted { .. })) {
        return Err(CryptoError);
    }
    // The integrity of all is checked before anything of it comes out.
    let mut opened = message.decrypt_with_password(&Password::from(code)).map_err(refused)?;
    if opened.is_compressed() {
        opened = opened.decompress().map_err(refused)?;
    }
    if !opened.is_literal() {
        return Err(CryptoError);
    }
    let mut content = Zeroizing::new(Vec::with_capacity(ARMORED_MAX + 1));
    opened.take(ARMORED_MAX as u64 + 1).read_to_end(&mut content).map_err(refused)?;
    if content.len() > ARMORED_MAX { Err(CryptoError) } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let mut rng = seeded::rng(&[1; 32]);
        let code = new_code(&mut rng);
        assert_eq!((code.len(), code.split('-').count()), (44, 9));
        assert!(code.split('-').all(|group| group.len() == 4 && group.bytes().all(|b| b.is_ascii_digit())));
        assert_ne!(*code, *new_code(&mut rng));
        for typed in [
            code.replace('-', " "),
            code.replace('-', ""),
            code.replace('-', "\r\n"),
            code.replace('-', " – "),
            format!(" {}\n", *code),
        ] {
            assert_eq!(*canonical_code(true, &typed), *code, "{typed}");
        }
        assert_eq!(*canonical_code(true, "1234 5678 "), "1234 5678", "too short: as it was typed");
        assert_eq!(*canonical_code(false, "correct horse"), "correct horse");
    }

    #[test]
    fn each_digit_is_as_likely() {
        let mut rng = seeded::rng(&[2; 32]);
        let mut counts = [0_u32; 10];
        for _ in 0..1000 {
            for digit in new_code(&mut rng).chars().filter_map(|c| c.to_digit(10)) {
                counts[digit as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| (3300..3900).contains(count)), "{counts:?}");
    }
}
