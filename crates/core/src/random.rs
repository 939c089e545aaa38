//! Randomness drawn from one injected seed.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A stream of random values. The n-th draw is the n-th ChaCha20 stream under the seed, so the state is the seed
/// and a number, and two machines with equal states draw equal values.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(crate) fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut stream = ChaCha20Rng::from_seed(self.seed);
        stream.set_stream(self.drawn);
        self.drawn += 1;
        let mut octets = [0; N];
        stream.fill_bytes(&mut octets);
        octets
    }

    pub(crate) fn seed(&mut self) -> [u8; 32] {
        self.octets()
    }

    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.octets())
    }

    /// A number below `end`, which is not zero. The bias is below 2⁻³² for the small ranges asked for here.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Random(drawn {})", self.drawn)
    }
}
