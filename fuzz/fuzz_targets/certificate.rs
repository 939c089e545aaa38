//! Certificates and keys from strangers and from people's other programs.
//!
//! Ten minutes: 4,000,000 executions, 6,700 a second, no crash. Planted: a packet's length is not held against what is left
//! (`split` in `crates/openpgp/src/packets.rs`). Found after 35 executions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sma_core::{Crypto, Secret};
use sma_openpgp::{OpenPgp, keys};

fuzz_target!(|octets: &[u8]| {
    let _ = OpenPgp::new().device_fingerprint(octets);
    let _ = OpenPgp::new().read_account_key(&Secret::new(octets.to_vec()));
    let _ = keys::unprotect(octets, None);
});
