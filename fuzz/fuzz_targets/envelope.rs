//! A message of the store: whatever its octets, it is an envelope or foreign, and an envelope is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sma_mime::{Parsed, Text, parse, render};

fuzz_target!(|octets: &[u8]| {
    if let Parsed::Envelope(envelope) = parse(octets) {
        assert_eq!(parse(&render(&envelope, &Text::default())), Parsed::Envelope(envelope));
    }
});
