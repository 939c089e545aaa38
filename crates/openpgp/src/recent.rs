//! Keys that were read and checked before. Reading a certificate costs several curve operations, and a device seals for the
//! same few others again and again.
//!
//! What is kept depends on the octets alone, so it changes nothing but the time that a call takes.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pgp::composed::{SignedPublicKey, SignedSecretKey};
use sma_core::{CryptoError, Secret};

use crate::device;

/// So many certificates are kept; a group has at most 64 members.
const CERTIFICATES_MAX: usize = 128;

/// So many secret keys are kept: a device has one, and for a while the one before it, which it has forgotten when it is destroyed.
const SECRETS_MAX: usize = 2;

/// The values that were asked for last, by what they were made of; the oldest makes room.
struct Recent<K, V> {
    entries: Vec<(K, Arc<V>)>,
    max: usize,
}

impl<K, V> Recent<K, V> {
    fn new(max: usize) -> Mutex<Self> {
        Mutex::new(Self { entries: Vec::new(), max })
    }

    fn find(&mut self, is_key: impl Fn(&K) -> bool) -> Option<Arc<V>> {
        let at = self.entries.iter().rposition(|(key, _)| is_key(key))?;
        let entry = self.entries.remove(at);
        let value = Arc::clone(&entry.1);
        self.entries.push(entry);
        Some(value)
    }

    fn insert(&mut self, key: K, value: Arc<V>) {
        if self.entries.len() >= self.max {
            self.entries.remove(0);
        }
        self.entries.push((key, value));
    }

    fn remove(&mut self, is_key: impl Fn(&K) -> bool) {
        self.entries.retain(|(key, _)| !is_key(key));
    }
}

/// Looks among the recent values, or makes one. What cannot be made is not remembered.
fn find_or_make<K, V>(
    recent: &Mutex<Recent<K, V>>,
    is_key: impl Fn(&K) -> bool,
    make: impl FnOnce() -> Result<(K, V), CryptoError>,
) -> Result<Arc<V>, CryptoError> {
    let lock = || recent.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = lock().find(is_key) {
        return Ok(value);
    }
    let (key, value) = make()?;
    let value = Arc::new(value);
    lock().insert(key, Arc::clone(&value));
    Ok(value)
}

/// Recent certificates, and the device's own key. Secret parts are wiped when this is dropped.
pub(crate) struct Keys {
    certificates: Mutex<Recent<Bytes, SignedPublicKey>>,
    secrets: Mutex<Recent<Secret, SignedSecretKey>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { certificates: Recent::new(CERTIFICATES_MAX), secrets: Recent::new(SECRETS_MAX) }
    }
}

impl Keys {
    /// A device's certificate; its form and its signatures are checked.
    pub(crate) fn certificate(&self, octets: &[u8]) -> Result<Arc<SignedPublicKey>, CryptoError> {
        let make = || Ok((Bytes::copy_from_slice(octets), device::certificate(octets)?));
        find_or_make(&self.certificates, |key| *key == octets, make)
    }

    /// The device's own secret key.
    pub(crate) fn secret(&self, secret: &Secret) -> Result<Arc<SignedSecretKey>, CryptoError> {
        let make = || Ok((secret.clone(), device::secret(secret)?));
        find_or_make(&self.secrets, |key| key == secret, make)
    }

    /// Drops a secret key, which wipes it.
    pub(crate) fn forget(&self, secret: &Secret) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).remove(|key| key == secret);
    }

    /// How many certificates and how many secret keys are kept.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner).entries.len();
        (certificates, self.secrets.lock().unwrap_or_else(PoisonError::into_inner).entries.len())
    }
}

#[cfg(test)]
mod tests {
    use sma_core::Timestamp;

    use super::*;

    #[test]
    fn the_one_asked_for_longest_ago_makes_room() {
        let recent = Recent::new(2);
        let made = std::cell::Cell::new(0);
        let ask = |number: u8| {
            let make = || {
                made.set(made.get() + 1);
                if number == 9 { Err(CryptoError) } else { Ok((number, u16::from(number))) }
            };
            find_or_make(&recent, |key| *key == number, make).map(|value| *value)
        };
        assert_eq!([ask(1), ask(2), ask(1)], [Ok(1), Ok(2), Ok(1)]);
        assert_eq!(made.get(), 2, "1 was kept");
        assert_eq!([ask(9), ask(9)], [Err(CryptoError); 2]);
        assert_eq!(made.get(), 4, "a failure is not kept");
        assert_eq!([ask(3), ask(1), ask(2)], [Ok(3), Ok(1), Ok(2)]);
        assert_eq!(made.get(), 6, "2 made room for 3, 1 did not");
    }

    #[test]
    fn a_certificate_is_read_once_and_a_changed_one_is_refused() {
        let keys = Keys::default();
        let key = device::generate_key(&[1; 32], Timestamp::default()).unwrap();
        let first = keys.certificate(&key.certificate).unwrap();
        assert!(Arc::ptr_eq(&first, &keys.certificate(&key.certificate).unwrap()));
        let own = keys.secret(&key.secret).unwrap();
        assert!(Arc::ptr_eq(&own, &keys.secret(&key.secret).unwrap()));
        let mut changed = key.certificate.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(keys.certificate(&changed).is_err());
        assert!(keys.certificate(&key.certificate[1..]).is_err());
    }

    #[test]
    fn a_forgotten_key_is_not_kept_and_its_renewal_is() {
        let keys = Keys::default();
        let former = device::generate_key(&[1; 32], Timestamp::default()).unwrap();
        let renewed = device::renew(&former.secret, &[2; 32], Timestamp::default()).unwrap();
        let weak = Arc::downgrade(&keys.secret(&former.secret).unwrap());
        keys.secret(&renewed.secret).unwrap();
        keys.forget(&former.secret);
        assert!(weak.upgrade().is_none(), "nobody holds it, so it was dropped");
        let kept: Vec<_> = keys.secrets.lock().unwrap().entries.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(kept, [renewed.secret]);
        keys.forget(&former.secret);
        assert_eq!(keys.counts().1, 1, "what is not there is forgotten without harm");
    }

    /// What is dropped is wiped: the parts of rPGP's type that hold secrets, and the octets they were read from.
    #[test]
    fn a_dropped_secret_key_is_wiped() {
        fn is_wiped_on_drop<T: zeroize::ZeroizeOnDrop>() {}
        is_wiped_on_drop::<pgp::packet::SecretKey>();
        is_wiped_on_drop::<pgp::packet::SecretSubkey>();
        is_wiped_on_drop::<pgp::types::SecretParams>();
        is_wiped_on_drop::<Secret>();
    }

    #[test]
    fn strangers_certificates_do_not_fill_the_memory() {
        let keys = Keys::default();
        for seed in 0..=255 {
            let key = device::generate_key(&[seed; 32], Timestamp::default()).unwrap();
            keys.certificate(&key.certificate).unwrap();
            keys.secret(&key.secret).unwrap();
        }
        assert_eq!(keys.certificates.lock().unwrap().entries.len(), CERTIFICATES_MAX);
        assert_eq!(keys.secrets.lock().unwrap().entries.len(), SECRETS_MAX);
    }
}
