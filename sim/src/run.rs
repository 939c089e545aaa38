//! One world or many, as reports.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    choices::{Choices, Seeded},
    world::{Outcome, Setup, World},
};

/// Runs the world of a seed.
#[must_use]
pub fn run_seed(seed: u64, setup: Setup, traced: bool) -> Outcome {
    run(Seeded::new(seed), setup, traced)
}

/// Runs a world. A panic is a broken invariant like any other.
#[must_use]
pub fn run(choices: impl Choices, setup: Setup, traced: bool) -> Outcome {
    let mut world = World::new(setup, choices, traced);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.lab.break_invariant("10 totality", format!("panic: {}", said.unwrap_or_default()));
    }
    world.outcome()
}
