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
const DIFFERENT: [(&str, [bool; 3]); 19] = [
    // rPGP has neither these curves nor ElGamal; Sequoia's pure Rust backend has not, either, and its policy ended DSA and ElGamal.
    ("brainpool", [true, false, false]),
    ("elgamal", [true, false, false]),
    ("secp256k1", [true, false, false]),
    ("secp256k1-primary", [true, false, false]),
    ("secp256k1-subkey", [true, false, false]),
    // Bindings signed over SHA-1: Sequoia's policy has ended that, in 2023; DSA and 1024 bits before.
    ("sha1", [true, false, true]),
    ("dsa1024", [true, false, true]),
    ("rsa1024", [true, false, true]),
    // Post-quantum keys, which only Sequoia uses as it is built here.
    ("mldsa.sec", [false, true, false]),
    ("pq4.sec", [false, true, false]),
    ("pq6.sec", [false, true, false]),
    // GnuPG 2.2 knows neither version 6 nor what RFC 9580 added: X25519 and Ed25519 with numbers of their own, Curve448.
    ("openpgpjs", [false, true, true]),
    ("openpgpjs-argon2", [false, true, true]),
    ("openpgpjs-448", [false, true, true]),
    ("openpgpjs-v6", [false, true, true]),
    ("openpgpjs-v6-448", [false, true, true]),
    ("openpgpjs-v6-locked", [false, true, true]),
    // GnuPG takes no key with a packet of version 5, and none without a user id. Of both the header has what it takes.
    ("librepgp-beside", [false, true, true]),
    ("sq-nobody", [false, true, true]),
];

/// Whose header is judged otherwise than the key.
const BETTER_IN_A_HEADER: [&str; 2] = ["librepgp-beside", "sq-nobody"];

/// Files that Sequoia does not read: a key of version 5, a signature alone, forms of armor. Setup messages are no keys.
const NOT_READ: [&str; 6] = [
    "librepgp.asc",
    "revocation.asc",
    "byte-order-mark.asc",
    "no-blank-line.asc",
    "odd-headers.asc",
    "utf-16.asc",
];

fn files() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let all = [data.clone(), data.join("met"), data.join("kinds")];
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

/// Nothing if it is not there in the version that Debian 12 has.
fn sq_version() -> Option<Vec<u8>> {
    let version = Command::new("sq").arg("--version").output().ok()?.stdout;
    version.starts_with(b"sq 0.27.").then_some(version)
}

/// What the program says, if it is there in the version that Debian 12 has; others have other arguments.
fn sq_says(gpg: &Gpg, public: &[u8]) -> Option<bool> {
    sq_version()?;
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
    if sq_version().is_none() {
        println!("left out: sq 0.27 is not installed, so its library is asked alone");
    }
    let (mut judged, mut not_read) = (0, Vec::new());
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let octets = fs::read(&path).unwrap();
        let Some((cert, mut public)) = certificate(&octets) else {
            not_read.push(name.to_owned());
            continue;
        };
        let stem = name.rsplit_once('.').unwrap().0;
        let expected = DIFFERENT.iter().find(|(of, _)| *of == stem);
        let taken = keys::unprotect(&octets, None).ok();
        if let Some(secret) =
            taken.as_ref().filter(|_| expected.is_some() && !BETTER_IN_A_HEADER.contains(&stem))
        {
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
                    let now = Timestamp::from_secs(NOW);
                    let is_revoked = keys::unusable(&public, now) == Some(keys::Unusable::Revoked);
                    assert_eq!(sq, ours || is_revoked, "{name}: sq");
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
                    let wanted = if BETTER_IN_A_HEADER.contains(&stem) { [true; 3] } else { found };
                    assert_eq!(again, wanted, "{name}: {address}");
                }
                Err(why) => assert!(!ours || why == keys::Unusable::NothingEncrypts, "{name}: {why}"),
            }
        }
    }
    assert!(judged > 75, "{judged}");
    println!("{judged} keys were judged");
    let rest: Vec<_> =
        not_read.iter().map(|name| name.as_str()).filter(|name| !name.starts_with("setup")).collect();
    assert_eq!(rest, NOT_READ);
}
