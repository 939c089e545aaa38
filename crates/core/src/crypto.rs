//! The cryptography the core needs, behind one trait: rPGP in `sma-openpgp`, symbolic terms in the simulator.
//!
//! All methods are pure: randomness comes in as a seed of 32 octets that is used for one call only, time as a
//! [`Timestamp`]. The same arguments give the same result, so everything the core does can be repeated octet by octet.

use bytes::Bytes;

use crate::{Fingerprint, Hash, Secret, SessionId, Timestamp};

/// A failed cryptographic operation. It says nothing about why, so that it cannot serve as an oracle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a cryptographic check failed")]
pub struct CryptoError;

/// A device's own key pair.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DeviceKey {
    /// The secret key, in the form the implementation likes.
    pub secret: Secret,
    /// The public certificate as other devices get it.
    pub certificate: Bytes,
    /// The certificate's fingerprint.
    pub fingerprint: Fingerprint,
}

/// An account key as far as the core looks into it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AccountKey {
    /// The secret key, an unarmored transferable secret key; opaque to the core.
    pub secret: Secret,
    /// The public certificate that goes into `Autocrypt` headers; empty of a key that is held without being read.
    pub public: Bytes,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// When the key was made.
    pub created: Timestamp,
}

/// Which side of the PAKE is computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The member who shows the code.
    Member,
    /// The newcomer who types it.
    Newcomer,
}

/// One side's input of a PAKE run. The ephemeral scalar is drawn from `seed`, so a run can be kept in a snapshot and
/// taken up after a restart.
#[derive(Clone, Copy, Debug)]
pub struct PakeRun<'a> {
    /// Which side this is.
    pub side: Side,
    /// The digits of the code, or the link's secret.
    pub password: &'a Secret,
    /// The pairing session: part of the PAKE's identities.
    pub session: SessionId,
    /// Draws the ephemeral scalar.
    pub seed: &'a [u8; 32],
}

/// The three keys of a pairing session, each good for one purpose.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SessionKeys {
    /// Kn: the newcomer's confirmation.
    pub newcomer: Secret,
    /// Km: the member's confirmation.
    pub member: Secret,
    /// Kw: seals the bundle in the accept.
    pub bundle: Secret,
}

/// What signs, seals and hashes for a MUAA.
pub trait Crypto: Clone {
    /// The 256-bit hash of `parts` under a domain label; each part is prefixed by its length, so that no two lists of
    /// parts have the same input.
    fn hash(&self, label: &str, parts: &[&[u8]]) -> Hash;

    /// Makes a device key.
    ///
    /// # Errors
    /// Only if the implementation cannot make keys at all.
    fn new_device_key(&self, seed: &[u8; 32], now: Timestamp) -> Result<DeviceKey, CryptoError>;

    /// The same device key, with its fingerprint, under another certificate that has a fresh encryption subkey in the place of
    /// the former one: what is sealed to the one certificate is not opened by the other one's secret key.
    ///
    /// # Errors
    /// `key` is not a device key.
    fn renew_device_key(
        &self,
        key: &Secret,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<DeviceKey, CryptoError>;

    /// Checks a device certificate (bindings, key flags, algorithms, size) and gives its fingerprint.
    ///
    /// # Errors
    /// Anything that is not a certificate of the device profile.
    fn device_fingerprint(&self, certificate: &[u8]) -> Result<Fingerprint, CryptoError>;

    /// Signs `message` under a domain label.
    ///
    /// # Errors
    /// `key` is not a device key.
    fn sign(
        &self,
        key: &Secret,
        label: &str,
        message: &[u8],
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<Bytes, CryptoError>;

    /// Checks a signature that [`Crypto::sign`] made.
    ///
    /// # Errors
    /// The signature is not by this certificate over this label and message.
    fn verify(
        &self,
        certificate: &[u8],
        label: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError>;

    /// Encrypts for one device, authenticated and padded; the recipient's key id does not show.
    ///
    /// # Errors
    /// `certificate` is not a device certificate.
    fn seal(&self, certificate: &[u8], plain: &[u8], seed: &[u8; 32]) -> Result<Bytes, CryptoError>;

    /// Opens what [`Crypto::seal`] made for this key.
    ///
    /// # Errors
    /// Everything else, without a reason.
    fn open(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError>;

    /// This device key, whole or with one of its subkeys, was destroyed: an implementation that remembers keys between calls wipes
    /// what it remembers of it. One that remembers nothing has nothing to do. No result of another method depends on it.
    fn forget(&self, key: &Secret) {
        let _ = key;
    }

    /// This side's share of a PAKE run.
    fn pake_share(&self, run: PakeRun<'_>) -> Bytes;

    /// The secret of a PAKE run, equal on both sides if, and only if, both used the same password and session.
    ///
    /// # Errors
    /// The other share is not a valid one, is the identity, or equals ours.
    fn pake_finish(&self, run: PakeRun<'_>, theirs: &[u8]) -> Result<Secret, CryptoError>;

    /// Derives the session's three keys from the PAKE's secret, bound to the transcript.
    fn session_keys(&self, shared: &Secret, transcript: &Hash) -> SessionKeys;

    /// A message authentication code.
    fn mac(&self, key: &Secret, message: &[u8]) -> [u8; 32];

    /// Encrypts under a session's bundle key, authenticated.
    fn seal_bundle(&self, key: &Secret, plain: &[u8], seed: &[u8; 32]) -> Bytes;

    /// Opens what [`Crypto::seal_bundle`] made.
    ///
    /// # Errors
    /// Everything else, without a reason.
    fn open_bundle(&self, key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError>;

    /// Makes an account key for an address.
    ///
    /// # Errors
    /// The address cannot stand in a user id.
    fn new_account_key(
        &self,
        address: &str,
        seed: &[u8; 32],
        now: Timestamp,
    ) -> Result<AccountKey, CryptoError>;

    /// Reads an account's secret key: an implementation accepts every OpenPGP transferable secret key up to 64 KiB whose
    /// secret parts are not protected by a password, also of algorithms that it cannot use itself, as long as it can tell the
    /// public part from the secret one. What it gives has the octets that were given. What it refuses is held if a member names it in
    /// the log, and never taken from a person.
    ///
    /// # Errors
    /// Anything else.
    fn read_account_key(&self, secret: &Secret) -> Result<AccountKey, CryptoError>;
}
