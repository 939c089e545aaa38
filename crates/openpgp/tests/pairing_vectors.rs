//! `vectors/pairing.json` is what two programs compute while they pair. `REWRITE=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{cell::RefCell, collections::BTreeMap, path::Path, process::Command, rc::Rc};

use bytes::Bytes;
use common::world::World;
use curve25519_dalek::scalar::Scalar;
use rand_chacha_03::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde_json::{Value, json};
use sma_core::{
    AccountKey, Crypto, CryptoError, DeviceKey, Fingerprint, Hash, PakeRun, Secret, SessionKeys, Side,
    Timestamp,
};
use sma_openpgp::OpenPgp;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/pairing.json");

/// The names of T's parts, in order (`docs/protocol.md` 7.3).
const PARTS: [&str; 14] = [
    "address",
    "group",
    "session",
    "member fingerprint",
    "member id",
    "member incarnation",
    "newcomer fingerprint",
    "newcomer id",
    "newcomer incarnation",
    "Ya",
    "Yn",
    "expires",
    "replaced fingerprint",
    "replaced id",
];

fn hex(octets: impl AsRef<[u8]>) -> String {
    octets.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The cryptography, and what it was asked in the pairing.
#[derive(Clone, Default)]
struct Recording {
    inner: OpenPgp,
    notes: Rc<RefCell<BTreeMap<String, Value>>>,
}

impl Recording {
    /// Both sides note the same, or their own.
    fn note(&self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let before = self.notes.borrow_mut().insert(name.to_owned(), value.clone());
        assert!(before.is_none_or(|before| before == value), "{name} differs between the sides");
    }
}

impl Crypto for Recording {
    fn hash(&self, label: &str, parts: &[&[u8]]) -> Hash {
        let hash = self.inner.hash(label, parts);
        if label == "autocrypt-sma-pair-v1" {
            assert_eq!(parts.len(), PARTS.len());
            let named = PARTS.iter().zip(parts).map(|(name, part)| json!([name, hex(part)]));
            self.note("parts of T", named.collect::<Vec<_>>());
            let mut encoding = Vec::new();
            for part in std::iter::once(&label.as_bytes()).chain(parts) {
                encoding.extend_from_slice(&(part.len() as u64).to_be_bytes());
                encoding.extend_from_slice(part);
            }
            self.note("octets that T hashes", hex(encoding));
            self.note("T", hex(hash.as_bytes()));
        }
        hash
    }

    fn pake_share(&self, run: PakeRun<'_>) -> Bytes {
        let share = self.inner.pake_share(run);
        let mut wide = [0; 64];
        ChaCha20Rng::from_seed(*run.seed).fill_bytes(&mut wide);
        let scalar = Scalar::from_bytes_mod_order_wide(&wide);
        let (side, letter) = match run.side {
            Side::Member => ("member", "a"),
            Side::Newcomer => ("newcomer", "n"),
        };
        self.note("password", hex(run.password.expose()));
        self.note(
            &format!("identity of the {side}"),
            hex([format!("sma-{side}").as_bytes(), run.session.as_bytes()].concat()),
        );
        self.note(&format!("scalar {letter}"), hex(scalar.to_bytes()));
        self.note(&format!("Y{letter}"), hex(&share));
        share
    }

    fn pake_finish(&self, run: PakeRun<'_>, theirs: &[u8]) -> Result<Secret, CryptoError> {
        let shared = self.inner.pake_finish(run, theirs)?;
        self.note("K", hex(shared.expose()));
        Ok(shared)
    }

    fn session_keys(&self, shared: &Secret, transcript: &Hash) -> SessionKeys {
        let keys = self.inner.session_keys(shared, transcript);
        self.note("Kn", hex(keys.newcomer.expose()));
        self.note("Km", hex(keys.member.expose()));
        self.note("Kw", hex(keys.bundle.expose()));
        self.note("MAC(Kn, T)", hex(self.inner.mac(&keys.newcomer, transcript.as_bytes())));
        self.note("MAC(Km, T)", hex(self.inner.mac(&keys.member, transcript.as_bytes())));
        // The accept's own bundle is long; this one shows its form.
        let (plain, seed) = (b"the plain text of a bundle", [10; 32]);
        self.note("plain text", hex(plain));
        self.note("bundle", hex(self.inner.seal_bundle(&keys.bundle, plain, &seed)));
        keys
    }

    fn renew_device_key(
        &self,
        key: &Secret,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<DeviceKey, CryptoError> {
        self.inner.renew_device_key(key, seed, now)
    }

    fn new_device_key(&self, seed: &[u8; 32], now: Timestamp) -> Result<DeviceKey, CryptoError> {
        self.inner.new_device_key(seed, now)
    }

    fn device_fingerprint(&self, certificate: &[u8]) -> Result<Fingerprint, CryptoError> {
        self.inner.device_fingerprint(certificate)
    }

    fn sign(
        &self,
        key: &Secret,
        label: &str,
        message: &[u8],
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<Bytes, CryptoError> {
        self.inner.sign(key, label, message, seed, now)
    }

    fn verify(
        &self,
        certificate: &[u8],
        label: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.verify(certificate, label, message, signature)
    }

    fn seal(&self, certificate: &[u8], plain: &[u8], seed: &[u8; 32]) -> Result<Bytes, CryptoError> {
        self.inner.seal(certificate, plain, seed)
    }

    fn open(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
        self.inner.open(key, sealed)
    }

    fn mac(&self, key: &Secret, message: &[u8]) -> [u8; 32] {
        self.inner.mac(key, message)
    }

    fn seal_bundle(&self, key: &Secret, plain: &[u8], seed: &[u8; 32]) -> Bytes {
        self.inner.seal_bundle(key, plain, seed)
    }

    fn open_bundle(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
        self.inner.open_bundle(key, sealed)
    }

    fn new_account_key(
        &self,
        address: &str,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<AccountKey, CryptoError> {
        self.inner.new_account_key(address, seed, now)
    }

    fn read_account_key(&self, secret: &Secret) -> Result<AccountKey, CryptoError> {
        self.inner.read_account_key(secret)
    }
}

#[test]
fn the_pairing_vectors_are_what_two_programs_compute() {
    let crypto = Recording::default();
    let mut world = World::new();
    let (member, newcomer) = (world.add(crypto.clone(), 1), world.add(crypto.clone(), 2));
    let code = world.pair(member, newcomer);
    crypto.note("code", code);
    let found = serde_json::to_string_pretty(&*crypto.notes.borrow()).unwrap() + "\n";
    if std::env::var_os("REWRITE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(Path::new(FILE).parent().unwrap()).unwrap();
        std::fs::write(FILE, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(FILE).unwrap(), "REWRITE=1 takes this one");
}

#[test]
fn the_pairing_vectors_hold_for_an_independent_implementation() {
    if std::env::var_os("SMA_WITHOUT_SERVERS").is_some_and(|value| value == "1") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/pairing.py");
    let output = Command::new("python3").args([script, FILE]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
