//! Randomness from a seed: the one place that meets the random traits of rPGP and of the PAKE.

use rand_chacha_03::{ChaCha20Rng, rand_core::SeedableRng};

/// The random octets of one call, drawn from its seed.
pub(crate) fn rng(seed: &[u8; 32]) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(*seed)
}
