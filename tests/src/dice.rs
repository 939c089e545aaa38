//! Dice with a seed: what a random program of a test does, the same each time.

/// SplitMix64 from this seed on.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    /// Whether one of `n` equal sides comes up.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of these devices.
    pub fn one_of(&mut self, devices: &[usize]) -> usize {
        devices[self.below(devices.len() as u64) as usize]
    }

    /// These in some order.
    pub fn shuffle(&mut self, devices: &[usize]) -> Vec<usize> {
        let mut left = devices.to_vec();
        (0..devices.len()).map(|_| left.remove(self.below(left.len() as u64) as usize)).collect()
    }
}
