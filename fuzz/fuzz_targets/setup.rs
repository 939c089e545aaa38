//! Autocrypt Setup Messages: the mail, the armored message in it, and what somebody who knows the code puts inside.
//!
//! Ten minutes: 750,000 executions, 1,250 a second, no crash. The seeds hash the code seldom; a message that has it hashed as often as can
//! be (65 MB) takes a third of a second. Planted: what is armored ends at the first end of armor, also if that stands before its beginning
//! (`armored` in `crates/mime/src/setup.rs`). Found after 380,000 executions, 4 minutes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pgp::{
    composed::RawSessionKey,
    crypto::{hash::HashAlgorithm, sym::SymmetricKeyAlgorithm},
    packet::{PacketTrait, SymEncryptedProtectedData, SymKeyEncryptedSessionKey},
    ser::Serialize,
    types::{Password, StringToKey},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sma_core::Secret;
use sma_mime::{SetupMail, parse_setup_message};
use sma_openpgp::{keys, setup_message};

/// Of `tests/data/setup-curve.eml`.
const CODE: &str = "1742-0185-6197-1303-7016-8412-3581-4441-0597";
const CIPHER: SymmetricKeyAlgorithm = SymmetricKeyAlgorithm::AES128;

/// The octets, whatever they are, as what is encrypted; the code is hashed as seldom as it can be.
fn message_around(inside: &[u8]) -> pgp::errors::Result<Vec<u8>> {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let session = RawSessionKey::from(vec![7; 16]);
    let s2k = StringToKey::IteratedAndSalted { hash_alg: HashAlgorithm::Sha256, salt: [7; 8], count: 0 };
    let key = SymKeyEncryptedSessionKey::encrypt_v4(&Password::from(CODE), &session, s2k, CIPHER)?;
    let data = SymEncryptedProtectedData::encrypt_seipdv1(&mut rng, CIPHER, session.as_ref(), inside)?;
    let mut message = Vec::new();
    key.to_writer_with_header(&mut message)?;
    data.to_writer_with_header(&mut message)?;
    let mut armored = Vec::new();
    pgp::armor::write(&Octets(message), pgp::armor::BlockType::Message, &mut armored, None, true)?;
    Ok(armored)
}

struct Octets(Vec<u8>);

impl Serialize for Octets {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(&self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}

fn unlock(armored: &[u8]) {
    if let Ok(hint) = setup_message::hint(armored) {
        assert!(hint.begins.len() <= 2, "it is shown to people");
    }
    if let Ok(setup) = setup_message::unlock(armored, &Secret::new(CODE.into()), None) {
        let again = keys::unprotect(setup.secret.expose(), None);
        assert_eq!(again, Ok(setup.secret), "what comes out can be adopted");
    }
}

fuzz_target!(|octets: &[u8]| {
    if let Ok(SetupMail { armored, .. }) = parse_setup_message(octets) {
        unlock(&armored);
    }
    unlock(octets);
    unlock(&message_around(octets).expect("any octets can be encrypted"));
});
