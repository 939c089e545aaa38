//! One world or many, as reports.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;

use crate::{
    choices::{Choices, Seeded},
    world::{Outcome, Setup, World},
};

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
}
