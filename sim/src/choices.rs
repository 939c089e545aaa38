//! "What happens now?": every decision of a run is asked of one trait.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Answers every question of a run. Zero is the calm choice: nothing goes wrong, and all comes as soon as possible.
pub trait Choices {
    /// The next 32 bits.
    fn word(&mut self) -> u32;

    /// A number below `end`; 0 if `end` is 0.
    fn below(&mut self, end: u64) -> u64 {
        if end < 2 { 0 } else { ((u128::from(self.word()) * u128::from(end)) >> 32) as u64 }
    }

    /// A number from `low` up to, but without, `high`.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// Whether something happens that does so `per_million` times in a million. Nothing is drawn for what never happens.
    fn chance(&mut self, per_million: u32) -> bool {
        per_million > 0 && u64::from(self.word()) >= (1 << 32) - (u64::from(per_million) << 32) / 1_000_000
    }

    /// 32 octets for a machine's own randomness.
    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes());
        }
        seed
    }
}

impl<C: Choices> Choices for &mut C {
    fn word(&mut self) -> u32 {
        (**self).word()
    }
}

/// Choices from a seed.
#[derive(Clone, Debug)]
pub struct Seeded(ChaCha8Rng);

impl Seeded {
    /// The choices of this number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl Choices for Seeded {
    fn word(&mut self) -> u32 {
        self.0.next_u32()
    }
}

/// Choices from octets: a fuzzer's input, or a recorded run to be shrunk. When the tape ends it goes on from a seed that is
/// the tape's hash: one that went on in zeros would be blind for everything behind its end.
#[derive(Clone, Debug)]
pub struct Tape {
    octets: Vec<u8>,
    at: usize,
    rest: Seeded,
}

impl Tape {
    /// The choices of this tape.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        let hash = blake3::hash(octets);
        let seed = hash.as_bytes()[..8].iter().fold(0, |seed, octet| seed << 8 | u64::from(*octet));
        Self { octets: octets.to_vec(), at: 0, rest: Seeded::new(seed) }
    }
}

impl Choices for Tape {
    fn word(&mut self) -> u32 {
        match self.octets.get(self.at..self.at + 4) {
            Some(chunk) => {
                self.at += 4;
                chunk.iter().fold(0, |word, octet| word << 8 | u32::from(*octet))
            }
            None => self.rest.word(),
        }
    }
}

/// Writes down what another one chooses, as a [`Tape`] that chooses the same.
#[derive(Clone, Debug)]
pub struct Recorder<C> {
    inner: C,
    tape: Vec<u8>,
}

impl<C: Choices> Recorder<C> {
    /// Begins a recording.
    #[must_use]
    pub fn new(inner: C) -> Self {
        Self { inner, tape: Vec::new() }
    }

    /// What was chosen.
    #[must_use]
    pub fn tape(&self) -> &[u8] {
        &self.tape
    }
}

impl<C: Choices> Choices for Recorder<C> {
    fn word(&mut self) -> u32 {
        let word = self.inner.word();
        self.tape.extend(word.to_be_bytes());
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_calm_choice() {
        let mut calm = Tape::new(&[0; 64]);
        assert_eq!(calm.below(10), 0);
        assert_eq!(calm.between(3, 9), 3);
        assert!(!calm.chance(999_999));
        assert!(Tape::new(&[0xff; 64]).chance(1));
    }

    #[test]
    fn the_same_seed_and_the_same_tape_choose_the_same() {
        let draw = |choices: &mut dyn Choices| (0..100).map(|_| choices.word()).collect::<Vec<_>>();
        assert_eq!(draw(&mut Seeded::new(7)), draw(&mut Seeded::new(7)));
        assert_ne!(draw(&mut Seeded::new(7)), draw(&mut Seeded::new(8)));
        assert_eq!(draw(&mut Tape::new(b"abc")), draw(&mut Tape::new(b"abc")));
    }

    #[test]
    fn a_recorded_tape_chooses_what_was_chosen() {
        let mut recorder = Recorder::new(Seeded::new(7));
        let drawn: Vec<_> = (0..100).map(|_| recorder.below(1000)).collect();
        let mut tape = Tape::new(recorder.tape());
        assert_eq!(drawn, (0..100).map(|_| tape.below(1000)).collect::<Vec<_>>());
    }

    #[test]
    fn a_tape_that_ends_does_not_go_on_in_zeros() {
        let mut tape = Tape::new(&[0; 4]);
        assert_eq!(tape.word(), 0);
        assert!((0..10).any(|_| tape.word() != 0));
    }
}
