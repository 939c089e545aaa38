//! What the tests share.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod gpg;
pub(crate) mod world;

use std::sync::LazyLock;

use sma_core::{Crypto, DeviceKey, Secret, Timestamp};
use sma_openpgp::OpenPgp;

/// What is tested. All tests of a program share it, so what it remembers is tested with it.
pub(crate) static OPENPGP: LazyLock<OpenPgp> = LazyLock::new(OpenPgp::new);

/// When the keys of the tests are made.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A device's key.
pub(crate) fn device(seed: u8) -> DeviceKey {
    OPENPGP.new_device_key(&[seed; 32], NOW).unwrap()
}

pub(crate) fn secret(octets: impl AsRef<[u8]>) -> Secret {
    Secret::new(octets.as_ref().to_vec())
}

/// Every form of `octets` with one bit flipped.
pub(crate) fn flips(octets: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..octets.len() * 8).map(|bit| {
        let mut flipped = octets.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}
