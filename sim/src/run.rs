//! One world or many, as reports.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;

use crate::{
    choices::{Choices, Seeded},
    world::{Outcome, Setup, World},
};

/// Of a sweep that stops where something broke, so many worlds for each thread are begun at once.
const WINDOW: u64 = 8;

/// Runs the world of a seed.
#[must_use]
pub fn run_seed(seed: u64, setup: Setup, traced: bool) -> Outcome {
    run(&mut Seeded::new(seed), setup, traced)
}

/// Runs a world. A panic is a broken invariant like any other.
#[must_use]
pub fn run(choices: &mut impl Choices, setup: Setup, traced: bool) -> Outcome {
    let mut world = World::new(setup, choices, traced);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.lab.break_invariant("10 totality", format!("panic: {}", said.unwrap_or_default()));
    }
    world.outcome()
}

/// Many worlds at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// The first seed, and the one behind the last.
    pub seeds: (u64, u64),
    /// The smallest and the largest number of machines; a seed decides between them.
    pub muaas: (usize, usize),
    /// What all worlds have in common.
    pub setup: Setup,
}

impl Sweep {
    /// What the world of a seed is made of.
    #[must_use]
    pub fn setup(&self, seed: u64) -> Setup {
        let (fewest, most) = self.muaas;
        let choices = (most - fewest) as u64 + 1;
        Setup { muaas: fewest + (seed % choices) as usize, ..self.setup }
    }

    /// Runs all, on as many threads as rayon was given; `each` is called as each ends. The results come in the order of the
    /// seeds.
    pub fn run(&self, each: impl Fn(&Outcome) + Sync) -> Vec<(u64, Outcome)> {
        let one = |seed| {
            let outcome = run_seed(seed, self.setup(seed), false);
            each(&outcome);
            (seed, outcome)
        };
        (self.seeds.0..self.seeds.1).into_par_iter().map(one).collect()
    }

    /// Runs those up to the first, in the order of the seeds, in which something broke. What comes is the same on any number of threads.
    pub fn run_until_broken(&self, each: impl Fn(&Outcome) + Sync) -> Vec<(u64, Outcome)> {
        let window = WINDOW * rayon::current_num_threads() as u64;
        let part = |seeds| Self { seeds, ..*self }.run(&each);
        until(self.seeds, window, part, |(_, outcome)| outcome.violation.is_some())
    }
}

/// What comes of these seeds, of so many at a time, up to the first that is the last.
fn until<T>(
    (first, end): (u64, u64),
    window: u64,
    part: impl Fn((u64, u64)) -> Vec<T>,
    is_last: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut all = Vec::new();
    let mut first = first;
    while first < end {
        let next = end.min(first.saturating_add(window));
        for one in part((first, next)) {
            let last = is_last(&one);
            all.push(one);
            if last {
                return all;
            }
        }
        first = next;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_that_stops_ends_with_the_first_broken_world_however_many_run_at_once() {
        let run = |window, broken: &[u64]| {
            until((3, 40), window, |(first, end)| (first..end).collect(), |seed| broken.contains(seed))
        };
        for window in [1, 2, 7, 37, 100] {
            assert_eq!(run(window, &[30, 9, 10, 50]), (3..=9).collect::<Vec<_>>());
            assert_eq!(run(window, &[3]), [3]);
            assert_eq!(run(window, &[2, 40]), (3..40).collect::<Vec<_>>());
        }
    }
}
