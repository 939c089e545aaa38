//! The same seed and time give the same octets in every process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::process::Command;

use common::{NOW, OPENPGP, device, secret, world::World};
use sha2::{Digest, Sha256};
use sma_core::{Crypto, Hash};
use sma_openpgp::{OpenPgp, keys, setup_message};

/// Set in the processes that only print.
const PRINT: &str = "SMA_PRINT_DIGESTS";

/// Everything that is made from seeds, one line each.
fn digests() -> String {
    let mut lines = String::new();
    let mut line = |name: &str, octets: &[u8]| {
        let digest: [u8; 32] = Sha256::digest(octets).into();
        lines += &format!("DIGEST {name} {}\n", Hash(digest));
    };
    let key = device(1);
    line("device key", key.secret.expose());
    line("signature", &OPENPGP.sign(&key.secret, "label", b"message", &[2; 32], NOW).unwrap());
    line("sealed", &OPENPGP.seal(&key.certificate, b"plain", &[3; 32]).unwrap());
    let account = OPENPGP.new_account_key("alice@example.org", &[4; 32], NOW).unwrap();
    line("account key", account.secret.expose());
    let exported = keys::export_protected(&account.secret, &secret("password"), &[5; 32]).unwrap();
    line("exported", exported.as_bytes());
    let setup = setup_message::Setup { secret: account.secret, mutual: true };
    let address = sma_autocrypt::Address::parse("alice@example.org").unwrap();
    line("setup message", setup_message::lock(&setup, &address, &[6; 32]).unwrap().armored.as_bytes());

    let mut world = World::new();
    let (laptop, phone) = (world.add(OpenPgp::new(), 1), world.add(OpenPgp::new(), 2));
    world.pair(laptop, phone);
    for (number, envelope) in world.appended.iter().enumerate() {
        line(&format!("message {number}"), format!("{envelope:?}").as_bytes());
        line(&format!("body {number}"), &envelope.body);
    }
    for at in [laptop, phone] {
        line(&format!("snapshot {at}"), world.programs[at].saved.as_ref().unwrap().encode().expose());
    }
    lines
}

#[test]
fn the_same_seed_and_time_give_the_same_keys_messages_and_snapshots_in_every_process() {
    if std::env::var_os(PRINT).is_some() {
        return print!("\n{}", digests());
    }
    let other_process = || {
        let itself = std::env::current_exe().unwrap();
        let output = Command::new(itself).arg("--nocapture").env(PRINT, "1").output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter(|line| line.starts_with("DIGEST"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let one = other_process();
    assert!(one.lines().count() > 15, "{one}");
    assert_eq!(one, other_process());
    assert_eq!(one, digests());
}
