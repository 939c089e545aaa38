//! Whether mail can be encrypted to the keys of `tests/data`, as GnuPG, Sequoia and this project see it on one day. They agree, but where
//! `docs/keys.md` says why they do not. Sequoia's program `sq` is asked besides its library where it is installed. Fails without `gpg`, unless
//! `SMA_WITHOUT_SERVERS=1` is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use common::{OPENPGP, gpg::Gpg};
use sequoia_openpgp::{
    Cert, cert::CertParser, parse::Parse, policy::StandardPolicy, serialize::SerializeInto,
};
use sma_autocrypt::Address;
use sma_core::{Crypto, Timestamp};
use sma_openpgp::keys;

/// 2026-02-11: after all keys were changed.
const NOW: u64 = 1_770_768_000;
const NOW_BY_GPG: &str = "20260211T000000!";
const NOW_BY_SQ: &str = "2026-02-11T00:00:00Z";

/// Names without their end, and what GnuPG, Sequoia and this project say.
const DIFFERENT: [(&str, [bool; 3]); 6] = [
    // rPGP has neither these curves nor ElGamal; Sequoia's pure Rust backend has not, either, and its policy ended DSA and ElGamal.
    ("brainpool", [true, false, false]),
    ("elgamal", [true, false, false]),
    // Bindings signed over SHA-1: Sequoia's policy has ended that, in 2023.
    ("sha1", [true, false, true]),
    // Post-quantum keys, which only Sequoia uses as it is built here.
    ("mldsa.sec", [false, true, false]),
    ("pq4.sec", [false, true, false]),
    ("pq6.sec", [false, true, false]),
];

fn files() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let all = [data.clone(), data.join("met")];
    let all = all.iter().flat_map(|directory| fs::read_dir(directory).unwrap());
    let mut all: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| {
        let name = path.to_str().unwrap();
        (name.ends_with(".asc") || name.ends_with(".gpg")) && !name.ends_with(".pub.asc")
    });
    all.sort();
    all
}

/// The certificate in a file, without secret parts.
fn certificate(octets: &[u8]) -> Option<(Cert, Vec<u8>)> {
    let mut all = CertParser::from_bytes(octets).ok()?.filter_map(Result::ok);
    let first = all.next()?.strip_secret_key_material();
    let same = all.filter(|other| other.fingerprint() == first.fingerprint()).collect::<Vec<_>>();
    let cert = same.into_iter().try_fold(first, Cert::merge_public).ok()?;
    let octets = cert.to_vec().ok()?;
    Some((cert, octets))
}

fn gpg_says(gpg: &Gpg, public: &[u8]) -> bool {
    let file = gpg.home.join("recipient");
    fs::write(&file, public).unwrap();
    // gpg deletes the file that it is told to write if it fails: that must not be the system's.
    let mut command = Command::new("gpg");
    command
        .env("GNUPGHOME", &gpg.home)
        .args(["--batch", "--yes", "--quiet", "--no-auto-key-locate", "--trust-model", "always"])
        .args(["--faked-system-time", NOW_BY_GPG, "--encrypt", "--recipient-file"])
        .arg(&file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

fn sequoia_says(cert: &Cert) -> bool {
    let policy = StandardPolicy::new();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let Ok(valid) = cert.with_policy(&policy, now) else { return false };
    let mut keys = valid.keys().supported().alive().revoked(false);
    let revoked = matches!(valid.revocation_status(), sequoia_openpgp::types::RevocationStatus::Revoked(_));
    !revoked
        && valid.alive().is_ok()
        && keys.any(|key| key.for_transport_encryption() || key.for_storage_encryption())
}

/// What the program says, if it is there in the version that Debian 12 has; others have other arguments.
fn sq_says(gpg: &Gpg, public: &[u8]) -> Option<bool> {
    let version = Command::new("sq").arg("--version").output().ok()?;
    if !version.stdout.starts_with(b"sq 0.27.") {
        return None;
    }
    let file = gpg.home.join("recipient");
    fs::write(&file, public).unwrap();
    let mut command = Command::new("sq");
    command.args(["encrypt", "--time", NOW_BY_SQ, "--recipient-cert"]).arg(&file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok().map(|status| status.success())
}

#[test]
fn gpg_sequoia_and_this_project_agree_on_what_can_be_encrypted_to() {
    let Some(gpg) = Gpg::new("judges") else { return };
    let mut judged = 0;
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let octets = fs::read(&path).unwrap();
        // Sequoia does not read all forms of armor; of those it is the same key as in plain.asc.
        let Some((cert, mut public)) = certificate(&octets) else { continue };
        let stem = name.rsplit_once('.').unwrap().0;
        let expected = DIFFERENT.iter().find(|(of, _)| *of == stem);
        let taken = keys::unprotect(&octets, None).ok();
        if let Some(secret) = taken.as_ref().filter(|_| expected.is_some()) {
            // Sequoia leaves out what it cannot check.
            public = OPENPGP.read_account_key(secret).unwrap().public.to_vec();
        }
        let ours = keys::is_usable(&public, Timestamp::from_secs(NOW));
        let found = [gpg_says(&gpg, &public), sequoia_says(&cert), ours];
        match expected {
            Some((_, expected)) => assert_eq!(found, *expected, "{name}"),
            None => {
                assert!(found.iter().all(|says| *says == ours), "{name}: gpg, Sequoia, ours: {found:?}");
                if let Some(sq) = sq_says(&gpg, &public) {
                    // sq 0.27 asks whether the subkey is revoked, and not whether the key is.
                    assert_eq!(sq, ours || stem == "revoked.sec", "{name}: sq");
                }
            }
        }
        judged += 1;
        // What others get of a key can be encrypted to exactly if the key can.
        let Some(secret) = &taken else { continue };
        let new = Address::parse("third@example.net").unwrap();
        for address in keys::addresses(secret).into_iter().chain([new]) {
            match keys::published(secret, &address, Timestamp::from_secs(NOW)) {
                Ok(header) => {
                    let cert = Cert::from_bytes(&header).unwrap();
                    let again = [
                        gpg_says(&gpg, &header),
                        sequoia_says(&cert),
                        keys::is_usable(&header, Timestamp::from_secs(NOW)),
                    ];
                    assert_eq!(again, found, "{name}: {address}");
                }
                Err(why) => assert!(!ours || why == keys::Unusable::NothingEncrypts, "{name}: {why}"),
            }
        }
    }
    assert!(judged > 30, "{judged}");
}
