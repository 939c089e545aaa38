//! A mail with an Autocrypt header, and the octets of a table of peers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sma_autocrypt::{Date, Peers, Table, read, read_gossip};

fuzz_target!(|octets: &[u8]| {
    let received = Date(1_800_000_000);
    let mut table = Table::new(100);
    if let Ok(mail) = read(octets, received, 1) {
        table.observe(&mail);
    }
    if let Ok(facts) = read_gossip(octets, octets, received, 1) {
        table.gossip(&facts);
    }
    if let Ok(peers) = Peers::from_bytes(octets, 100) {
        table.join(&peers);
    }
});
