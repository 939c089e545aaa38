#![doc = include_str!("../README.md")]

mod account;
mod armor;
mod bundle;
mod certificate;
mod components;
mod device;
mod import;
pub mod keys;
mod layout;
mod minimal;
mod packets;
mod padding;
mod pake;
mod read;
mod recent;
mod seal;
mod seeded;
pub mod setup_message;
mod sign;
mod transferable;
mod usable;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use pgp::types::KeyDetails;
use recent::Keys;
use sha2::{Digest, Sha256};
use sma_core::{
    AccountKey, Crypto, CryptoError, DeviceKey, Fingerprint, Hash, PakeRun, Secret, SessionKeys, Timestamp,
};

/// The cryptography of [`sma_core`] with rPGP, SPAKE2, HKDF, HMAC and ChaCha20-Poly1305.
///
/// It remembers at most 128 certificates that it checked and the device's own secret key, which is wiped when it is forgotten
/// ([`Crypto::forget`]) or the last clone is dropped; clones share them. `Debug` counts them. Results depend on the arguments alone. Make one for a program, and clone it.
#[derive(Clone, Default)]
pub struct OpenPgp {
    keys: Arc<Keys>,
}

impl OpenPgp {
    /// Cryptography that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for OpenPgp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (certificates, secret_keys) = self.keys.counts();
        f.debug_struct("OpenPgp")
            .field("certificates", &certificates)
            .field("secret_keys", &secret_keys)
            .finish()
    }
}

impl Crypto for OpenPgp {
    fn hash(&self, label: &str, parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        for part in std::iter::once(&label.as_bytes()).chain(parts) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    fn new_device_key(&self, seed: &[u8; 32], now: Timestamp) -> Result<DeviceKey, CryptoError> {
        device::generate_key(seed, now)
    }

    fn renew_device_key(
        &self,
        key: &Secret,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<DeviceKey, CryptoError> {
        device::renew(key, seed, now)
    }

    fn device_fingerprint(&self, certificate: &[u8]) -> Result<Fingerprint, CryptoError> {
        let key = self.keys.certificate(certificate)?;
        Fingerprint::new(key.fingerprint().as_bytes()).ok_or(CryptoError)
    }

    fn sign(
        &self,
        key: &Secret,
        label: &str,
        message: &[u8],
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<Bytes, CryptoError> {
        sign::sign(&*self.keys.secret(key)?, label, message, seed, now)
    }

    fn verify(
        &self,
        certificate: &[u8],
        label: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        sign::verify(&self.keys.certificate(certificate)?.primary_key, label, message, signature)
    }

    fn seal(&self, certificate: &[u8], plain: &[u8], seed: &[u8; 32]) -> Result<Bytes, CryptoError> {
        seal::seal(&*self.keys.certificate(certificate)?, plain, seed)
    }

    fn open(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
        seal::open(&*self.keys.secret(key)?, sealed)
    }

    fn forget(&self, key: &Secret) {
        self.keys.forget(key);
    }

    fn pake_share(&self, run: PakeRun<'_>) -> Bytes {
        pake::share(run)
    }

    fn pake_finish(&self, run: PakeRun<'_>, theirs: &[u8]) -> Result<Secret, CryptoError> {
        pake::finish(run, theirs)
    }

    fn session_keys(&self, shared: &Secret, transcript: &Hash) -> SessionKeys {
        pake::session_keys(shared, transcript)
    }

    fn mac(&self, key: &Secret, message: &[u8]) -> [u8; 32] {
        pake::mac(key, message)
    }

    /// Of more than 1 MiB, or under a key that is not of 32 octets, nothing is sealed: the result is empty, and nobody opens it.
    fn seal_bundle(&self, key: &Secret, plain: &[u8], seed: &[u8; 32]) -> Bytes {
        bundle::seal(key, plain, seed).unwrap_or_default()
    }

    fn open_bundle(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
        bundle::open(key, sealed)
    }

    fn new_account_key(
        &self,
        address: &str,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<AccountKey, CryptoError> {
        account::generate_key(address, seed, now)
    }

    fn read_account_key(&self, secret: &Secret) -> Result<AccountKey, CryptoError> {
        Ok(account::read(secret)?)
    }
}
