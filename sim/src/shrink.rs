//! Makes a failing run calmer: the tape of its choices is overwritten with zeros, block by block, as long as the same
//! invariant breaks.

use crate::{
    choices::{Recorder, Seeded, Tape},
    run,
    world::{Outcome, Setup},
};

/// How many runs a shrinking may take.
const RUNS_MAX: usize = 400;
/// Octets of one choice.
const CHOICE: usize = 4;

/// The tape of a seed's run, calmed down as far as it still breaks the same invariant, and its traced outcome. `None` if the
/// seed's run breaks none.
#[must_use]
pub fn shrink(seed: u64, setup: Setup) -> Option<(Vec<u8>, Outcome)> {
    let mut recorder = Recorder::new(Seeded::new(seed));
    let broken = run::run(&mut recorder, setup, false).violation?.invariant;
    let fails = |tape: &[u8]| {
        let violation = run::run(&mut Tape::new(tape), setup, false).violation;
        violation.is_some_and(|violation| violation.invariant == broken)
    };
    let mut tape = recorder.tape().to_vec();
    let mut runs = 0;
    let mut block = (tape.len() / 2).next_multiple_of(CHOICE).max(CHOICE);
    while block >= CHOICE && runs < RUNS_MAX {
        for start in (0..tape.len()).step_by(block) {
            let end = (start + block).min(tape.len());
            if tape[start..end].iter().all(|octet| *octet == 0) || runs >= RUNS_MAX {
                continue;
            }
            let mut calmer = tape.clone();
            calmer[start..end].fill(0);
            runs += 1;
            if fails(&calmer) {
                tape = calmer;
            }
        }
        block = (block / 2) / CHOICE * CHOICE;
    }
    let outcome = run::run(&mut Tape::new(&tape), setup, true);
    Some((tape, outcome))
}
