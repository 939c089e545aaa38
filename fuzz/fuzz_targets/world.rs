//! A whole simulated world: the octets are every decision that is made in it, the invariants are the oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sma_sim::{choices::Tape, faults::FaultSet, run::run, world::Setup};

fuzz_target!(|octets: &[u8]| {
    let setup = Setup { muaas: 3, days: 10, faults: FaultSet::All };
    if let Some(violation) = run(&mut Tape::new(octets), setup, false).violation {
        panic!("{}: {}", violation.invariant, violation.sentence);
    }
});
