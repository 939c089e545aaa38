//! Choices out of a stream of random numbers.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

pub(crate) trait Chance {
    /// A number below `end`, or 0. Nothing is drawn if there is no choice.
    fn below(&mut self, end: u32) -> u32;

    /// Whether something happens that does so `per_million` times in a million.
    fn chance(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.below(1_000_000) < per_million
    }
}

impl Chance for ChaCha8Rng {
    fn below(&mut self, end: u32) -> u32 {
        if end < 2 { 0 } else { ((u64::from(self.next_u32()) * u64::from(end)) >> 32) as u32 }
    }
}
