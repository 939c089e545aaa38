//! Sealed messages and signatures by whoever knows the certificates.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sma_core::{Crypto, DeviceKey, Secret, Timestamp};
use sma_openpgp::OpenPgp;

static KEY: LazyLock<DeviceKey> = LazyLock::new(|| {
    OpenPgp.new_device_key(&[7; 32], Timestamp::from_secs(1_800_000_000)).expect("a device key can be made")
});

fuzz_target!(|octets: &[u8]| {
    let _ = OpenPgp.open(&KEY.secret, octets);
    let _ = OpenPgp.open_bundle(&Secret::new(vec![7; 32]), octets);
    assert!(OpenPgp.verify(&KEY.certificate, "label", b"never signed", octets).is_err());
});
