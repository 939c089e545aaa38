//! Another OpenPGP implementation reads what this crate writes, and the other way round.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{
    io::{Read, Write},
    time::{Duration, SystemTime},
};

use common::{NOW, OPENPGP, device, secret};
use sequoia_autocrypt::{AutocryptHeaders, AutocryptSetupMessage};
use sequoia_openpgp::{
    Cert, KeyHandle, Result,
    cert::Preferences,
    crypto::SessionKey,
    packet::{PKESK, SKESK, UserID},
    parse::{
        Parse,
        stream::{
            DecryptionHelper, DecryptorBuilder, DetachedVerifierBuilder, MessageLayer, MessageStructure,
            VerificationHelper,
        },
    },
    policy::StandardPolicy,
    serialize::{
        SerializeInto,
        stream::{Encryptor, LiteralWriter, Message, Recipient},
    },
    types::{AEADAlgorithm, DataFormat, Features, PublicKeyAlgorithm, SymmetricAlgorithm},
};
use sma_autocrypt::{Address, Header, Preference, Source};
use sma_core::Crypto;
use sma_openpgp::setup_message::{self, Setup};

const POLICY: &StandardPolicy<'_> = &StandardPolicy::new();

/// A day after the keys were made.
fn later() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.as_secs() + 86_400)
}

/// Opens with one secret key; knows one signer.
struct Reader<'a> {
    secret: Option<&'a Cert>,
    signer: Option<Cert>,
    good: usize,
}

impl VerificationHelper for &mut Reader<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> Result<Vec<Cert>> {
        Ok(self.signer.iter().cloned().collect())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> Result<()> {
        for layer in structure {
            if let MessageLayer::SignatureGroup { results } = layer {
                self.good += results.into_iter().filter(std::result::Result::is_ok).count();
            }
        }
        Ok(())
    }
}

impl DecryptionHelper for &mut Reader<'_> {
    fn decrypt(
        &mut self,
        keys: &[PKESK],
        _: &[SKESK],
        cipher: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> Result<Option<Cert>> {
        let [PKESK::V6(key)] = keys else { panic!("one session key packet of version 6") };
        assert!(key.recipient().is_none(), "the recipient is not named");
        for subkey in self.secret.unwrap().keys().secret().subkeys() {
            let mut pair = subkey.key().clone().into_keypair()?;
            if keys[0].decrypt(&mut pair, cipher).is_some_and(|(cipher, key)| decrypt(cipher, &key)) {
                return Ok(None);
            }
        }
        Err(std::io::Error::other("not for this key").into())
    }
}

#[test]
fn a_device_certificate_is_one_to_sequoia() {
    let key = device(1);
    let cert = Cert::from_bytes(&key.certificate).unwrap();
    assert_eq!(cert.fingerprint().as_bytes(), key.fingerprint.as_bytes());
    assert_eq!(cert.bad_signatures().count() + cert.unknowns().count(), 0);
    assert_eq!(cert.to_vec().unwrap(), key.certificate, "written again it has the same octets");

    let valid = cert.with_policy(POLICY, later()).unwrap();
    assert!(valid.primary_key().for_signing() && valid.primary_key().for_certification());
    assert_eq!(valid.primary_key().key().pk_algo(), PublicKeyAlgorithm::Ed25519);
    assert_eq!(valid.primary_key().key().version(), 6);
    assert_eq!(valid.features(), Some(Features::empty().set_seipdv2()));
    let subkeys: Vec<_> = valid.keys().subkeys().for_transport_encryption().collect();
    let [subkey] = &subkeys[..] else { panic!("one subkey that encrypts") };
    assert_eq!(subkey.key().pk_algo(), PublicKeyAlgorithm::X25519);
    assert!(valid.keys().for_signing().count() == 1);
}

#[test]
fn sequoia_opens_a_sealed_message_and_only_its_recipient_does() {
    let key = device(1);
    let plain = b"an update of some length";
    let sealed = OPENPGP.seal(&key.certificate, plain, &[3; 32]).unwrap();
    let open = |secret: &[u8]| {
        let cert = Cert::from_bytes(secret).unwrap();
        let mut reader = Reader { secret: Some(&cert), signer: None, good: 0 };
        let mut decryptor =
            DecryptorBuilder::from_bytes(&sealed)?.with_policy(POLICY, later(), &mut reader)?;
        let mut opened = Vec::new();
        decryptor.read_to_end(&mut opened)?;
        Result::Ok(opened)
    };
    let opened = open(key.secret.expose()).unwrap();
    assert_eq!(opened[..4], (plain.len() as u32).to_be_bytes(), "padded");
    assert_eq!(&opened[4..4 + plain.len()], plain);
    assert!(opened[4 + plain.len()..].iter().all(|octet| *octet == 0));
    assert!(open(device(2).secret.expose()).is_err());
}

#[test]
fn sequoia_checks_a_signature_over_the_label_and_the_message() {
    let key = device(1);
    let signature = OPENPGP.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap();
    let good = |signed: &[u8], by: &[u8]| {
        let mut reader = Reader { secret: None, signer: Some(Cert::from_bytes(by).unwrap()), good: 0 };
        let builder = DetachedVerifierBuilder::from_bytes(&signature).unwrap();
        builder.with_policy(POLICY, later(), &mut reader).unwrap().verify_bytes(signed).unwrap();
        reader.good
    };
    let signed = [&5_u64.to_be_bytes()[..], b"label", b"message"].concat();
    assert_eq!(good(&signed, &key.certificate), 1);
    assert_eq!(good(&signed[1..], &key.certificate), 0);
    assert_eq!(good(&signed, &device(2).certificate), 0);
}

#[test]
fn what_sequoia_sealed_to_a_device_certificate_is_opened() {
    let key = device(1);
    let cert = Cert::from_bytes(&key.certificate).unwrap();
    let valid = cert.with_policy(POLICY, later()).unwrap();
    // 100 octets with the length in front; Padmé makes 104 of 104.
    let content = [&100_u32.to_be_bytes()[..], &[7; 100]].concat();
    let seal = |content: &[u8]| {
        let mut sealed = Vec::new();
        let subkey = valid.keys().subkeys().for_transport_encryption().next().unwrap();
        let recipient = Recipient::new(valid.features(), None::<KeyHandle>, subkey.key());
        let encryptor = Encryptor::for_recipients(Message::new(&mut sealed), [recipient])
            .symmetric_algo(SymmetricAlgorithm::AES256)
            .aead_algo(AEADAlgorithm::OCB);
        let literal = LiteralWriter::new(encryptor.build().unwrap()).format(DataFormat::Binary);
        let mut literal = literal.build().unwrap();
        literal.write_all(content).unwrap();
        literal.finalize().unwrap();
        sealed
    };
    assert_eq!(OPENPGP.open(&key.secret, &seal(&content)).unwrap().expose(), [7; 100]);
    assert!(OPENPGP.open(&device(2).secret, &seal(&content)).is_err());
    assert!(OPENPGP.open(&key.secret, &seal(&[7; 100])).is_err(), "without its padding");
}

#[test]
fn an_account_key_is_one_to_sequoia() {
    let key = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    for octets in [&key.public[..], key.secret.expose()] {
        let cert = Cert::from_bytes(octets).unwrap();
        assert_eq!(cert.fingerprint().as_bytes(), key.fingerprint.as_bytes());
        assert_eq!(cert.bad_signatures().count() + cert.unknowns().count(), 0);
        let valid = cert.with_policy(POLICY, later()).unwrap();
        assert_eq!(valid.primary_key().key().version(), 4);
        assert_eq!(valid.primary_userid().unwrap().userid(), &UserID::from("<alice@example.org>"));
        assert!(valid.primary_key().for_signing());
        assert_eq!(valid.keys().for_transport_encryption().count(), 1);
        assert_eq!(valid.features(), Some(Features::empty().set_seipdv1()));
    }
}

#[test]
fn the_autocrypt_header_of_an_account_key_is_one_to_sequoia() {
    let key = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    let header = Header {
        addr: Address::parse("alice@example.org").unwrap(),
        preference: Preference::Mutual,
        key: key.public.clone(),
    };
    let header = header.render(Source::Header).unwrap();
    let mail = format!("From: Alice <alice@example.org>\r\nSubject: hello\r\n{header}\r\nHello\r\n");
    let headers = AutocryptHeaders::from_bytes(mail.as_bytes()).unwrap().headers;
    let [found] = &headers[..] else { panic!("one header: {headers:?}") };
    assert_eq!(found.get("addr").unwrap().value, "alice@example.org");
    assert_eq!(found.get("prefer-encrypt").unwrap().value, "mutual");
    let cert = found.key.as_ref().unwrap();
    assert_eq!(cert.to_vec().unwrap(), key.public);
}

#[test]
fn sequoia_opens_a_setup_message_and_writes_one_that_is_opened() {
    let key = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    let setup = Setup { secret: key.secret.clone(), mutual: true };
    let locked =
        setup_message::lock(&setup, &Address::parse("alice@example.org").unwrap(), &[7; 32]).unwrap();
    let mut parser = AutocryptSetupMessage::from_bytes(locked.armored.as_bytes()).unwrap();
    assert_eq!(parser.passcode_format(), Some("numeric9x4"));
    assert_eq!(parser.passcode_begin(), Some(&locked.code[..2]));
    parser.decrypt(&locked.code.as_str().into()).unwrap();
    let message = parser.parse().unwrap();
    assert_eq!(message.prefer_encrypt(), Some("mutual"));
    let cert = message.into_cert();
    assert!(cert.is_tsk());
    assert_eq!(cert.as_tsk().to_vec().unwrap(), key.secret.expose());

    let mut message = AutocryptSetupMessage::new(cert).set_prefer_encrypt("mutual");
    let mut armored = Vec::new();
    message.serialize(&mut armored).unwrap();
    let code = message.passcode().unwrap().map(|code| secret(code));
    assert_eq!(setup_message::unlock(&armored, &code, None), Ok(setup));
}
