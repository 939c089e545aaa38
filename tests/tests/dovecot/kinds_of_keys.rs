//! Kinds of keys that are no everyday ones, as a person brings them and as the status tells of them.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;
use sma_tests::{
    program::Device,
    server::{self, Dovecot},
};

use super::{autocrypt::alone, data, done, done_with, fails, text};

/// More often than the status can be asked while the key lives.
const ASKED_MAX: usize = 20_000;

fn kind(name: &str) -> String {
    data(&format!("kinds/{name}"))
}

#[test]
fn what_is_not_taken_is_called_what_it_is_and_what_can_be_used_is_taken() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, "offline@example.org");
    for (name, says) in [
        ("librepgp.asc", "of version 5, as LibrePGP has it"),
        ("key-then-revocation.asc", "the key is revoked"),
        ("revocation-then-key.asc", "the key is revoked"),
        ("sq-then-revocation.asc", "the key is revoked"),
        ("subkey-revoked.asc", "the subkey that encrypts is revoked; give it a subkey"),
        ("signs-alone.asc", "nothing that encrypts; give it a subkey"),
        (
            "offline-decrypting.asc",
            "what decrypts was left out: it is kept offline; write it where all of it is",
        ),
        ("secp256k1-ended.asc", "subkey that encrypts ended on 2026-01-02"),
        ("shortened.asc", "the key ended on 2026-02-02"),
        ("tomorrow.asc", "begins on 2037-01-01"),
    ] {
        fails(&laptop, &["keys", "import", "--yes", &kind(name)], &[], 1, says);
    }
    // Its primary key is offline: taken, with the user id that it has.
    done(&laptop, &["keys", "import", &kind("offline.asc")]);
    assert!(
        text(&done(&laptop, &["mail", "header"]), "header")
            .starts_with("Autocrypt: addr=offline@example.org;")
    );
    assert_eq!(done(&laptop, &["status"])["key_problem"], Value::Null);
    // Only others can use it: taken with a word of it.
    let carried = done(&laptop, &["keys", "import", "--yes", &kind("secp256k1-subkey.asc")]);
    assert_eq!(carried["usable"], false);
    done_with(
        &laptop,
        &["keys", "import", "--yes", &kind("secp256k1-locked.asc")],
        &[("SMA_KEY_PASSWORD", "correct horse")],
        "",
    );
}

#[test]
fn the_status_warns_when_nobody_can_encrypt_to_the_accounts_key_any_more() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = alone(&server, "ending@example.org");
    assert_eq!(done(&laptop, &["status"])["key_problem"], Value::Null);
    let Some(key) = ending_key(&laptop) else { return println!("left out: GnuPG is not installed") };
    done(&laptop, &["keys", "import", &key]);
    let problem =
        (0..ASKED_MAX).find_map(|_| done(&laptop, &["status"])["key_problem"].as_str().map(str::to_owned));
    let problem = problem.expect("the status tells of it");
    assert!(problem.contains("ended on") && problem.contains("gpg --quick-"), "{problem}");
    fails(&laptop, &["mail", "header"], &[], 1, "ended on");
}

/// A secret key that ends soon, made by GnuPG.
fn ending_key(device: &Device) -> Option<String> {
    let home = device.directory.join("gnupg");
    fs::create_dir(&home).expect("a directory");
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", &home).args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    let made =
        ["--quick-generate-key", "Anna <ending@example.org>", "future-default", "default", "seconds=20"];
    let made = gpg(&made).ok()?;
    assert!(made.status.success(), "gpg makes a key");
    let key = gpg(&["--armor", "--export-secret-keys"]).expect("gpg runs").stdout;
    let _ = Command::new("gpgconf").env("GNUPGHOME", &home).args(["--kill", "all"]).status();
    let file = device.directory.join("ending.asc");
    fs::write(&file, key).expect("a file");
    Some(file.to_str().expect("a path").to_owned())
}
