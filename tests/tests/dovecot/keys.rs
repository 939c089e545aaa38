//! The account's keys and other people's, as a person looks after them.

use std::fs;

use serde_json::Value;
use sma_tests::{
    program::Device,
    server::{self, Dovecot},
};

use super::{Gpg, LOGIN, data, done, done_with, fails, paired, set_up_whole, text};

const KEY_PASSWORD: (&str, &str) = ("SMA_KEY_PASSWORD", "an even better donkey");

fn said(device: &Device, words: &[&str]) -> String {
    let ran = device.start_saying(words).end();
    assert_eq!(ran.code, 0, "{words:?}: {}", ran.errors);
    ran.output
}

fn current(device: &Device) -> String {
    text(&done(device, &["status"]), "account_key").to_owned()
}

#[test]
fn a_key_that_was_imported_by_mistake_is_undone_by_using_the_former_one_on_all_devices() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let former = current(&laptop);
    let screen = said(&laptop, &["keys", "import", "--yes", &data("curve.sec.asc")]);
    assert!(screen.contains(&format!("sma keys use {former}")), "{screen}");
    let imported = current(&laptop);
    assert_ne!(imported, former);
    let list = done(&laptop, &["keys"])["keys"].clone();
    assert_eq!((&list[0]["fingerprint"], &list[0]["state"]), (&imported.into(), &"current".into()));
    assert_eq!((&list[1]["fingerprint"], &list[1]["state"]), (&former.clone().into(), &"old".into()));
    assert!(list[1]["created"].is_u64() && list[1]["usable"] == true, "{list}");
    assert_eq!(list[1]["addresses"][0], LOGIN);
    let screen = said(&laptop, &["keys"]);
    assert!(screen.contains("mail uses it") && screen.contains("it opens old mail"), "{screen}");

    fails(&laptop, &["keys", "use", &former[..8]], &[], 3, "add --yes");
    fails(&laptop, &["keys", "use", "ffff0000", "--yes"], &[], 1, "no key of the account begins with");
    fails(&laptop, &["keys", "use", "", "--yes"], &[], 1, "type 4 digits or more");
    done(&laptop, &["keys", "use", &former[..8], "--yes"]);
    done(&phone, &["sync"]);
    assert_eq!([current(&laptop), current(&phone)], [former.clone(), former]);
}

#[test]
fn a_secret_key_goes_out_under_a_password_alone_and_gpg_takes_it() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let servers = [(); 2].map(|()| Dovecot::start());
    let laptop = set_up_whole(&servers[0], "laptop");
    let file = laptop.directory.join("secret.asc");
    let out = file.to_str().expect("a path");
    fails(&laptop, &["keys", "export", "--secret"], &[KEY_PASSWORD], 2, "--out FILE");
    fails(
        &laptop,
        &["keys", "export", "--secret", "--out", out],
        &[("SMA_KEY_PASSWORD", "")],
        2,
        "an empty password",
    );
    assert_eq!(laptop.run(&["keys", "export"]).code, 2);
    assert!(!file.exists());
    let told = done_with(&laptop, &["keys", "export", "--secret", "--out", out], &[KEY_PASSWORD], "");
    assert_eq!(text(&told, "fingerprint"), current(&laptop));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What is there is not written over.
    fails(&laptop, &["keys", "export", "--secret", "--out", out], &[KEY_PASSWORD], 1, "name another file");
    let gpg = Gpg::new(laptop.directory.join("gpg"));
    gpg.run(&["--import", out], b"");
    let sealed = gpg.run(&["--trust-model", "always", "-r", LOGIN, "--encrypt"], b"hello");
    assert_eq!(gpg.run(&["--passphrase", KEY_PASSWORD.1, "--decrypt"], &sealed), b"hello");
    let wrong = std::process::Command::new("gpg")
        .env("GNUPGHOME", laptop.directory.join("gpg2"))
        .args(["--batch", "--list-packets", out])
        .output()
        .expect("gpg runs");
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("iter+salt S2K"), "it is locked");
    // It comes back in by the same password.
    let other = set_up_whole(&servers[1], "other");
    fails(&other, &["keys", "import", out], &[("SMA_KEY_PASSWORD", "wrong")], 1, "the password is wrong");
    done_with(&other, &["keys", "import", out], &[KEY_PASSWORD], "");
    assert_eq!(current(&other), current(&laptop));
}

#[test]
fn keys_go_to_gpg_and_come_from_it_by_one_command() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let servers = [(); 2].map(|()| Dovecot::start());
    let (laptop, other) = (set_up_whole(&servers[0], "laptop"), set_up_whole(&servers[1], "other"));
    let directory = laptop.directory.join("gpg");
    let gpg = Gpg::new(directory.clone());
    let home = ("GNUPGHOME", directory.to_str().expect("a path"));
    fails(&laptop, &["keys", "gpg", "import"], &[home, KEY_PASSWORD], 1, "gpg has no secret key of");
    done_with(&laptop, &["keys", "gpg", "export"], &[home, KEY_PASSWORD], "");
    // It is trusted as its owner's own: no question, no complaint.
    let sealed = gpg.run(&["-r", LOGIN, "--encrypt"], b"hello");
    assert_eq!(gpg.run(&["--passphrase", KEY_PASSWORD.1, "--decrypt"], &sealed), b"hello");

    done_with(&other, &["keys", "gpg", "import"], &[home, KEY_PASSWORD], "");
    assert_eq!(current(&other), current(&laptop));
    fails(&other, &["keys", "gpg", "import"], &[home, ("SMA_KEY_PASSWORD", "wrong")], 1, "gpg refused");
    fails(
        &other,
        &["keys", "gpg", "import"],
        &[home, KEY_PASSWORD, ("PATH", "/nowhere")],
        1,
        "install GnuPG",
    );
    gpg.run(&["--passphrase", "", "--quick-gen-key", &format!("Anna <{LOGIN}>"), "future-default"], b"");
    fails(&other, &["keys", "gpg", "import"], &[home, KEY_PASSWORD], 3, "several secret keys");
}

#[test]
fn other_peoples_keys_are_listed_with_the_reason_and_forgotten() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let peers = |device: &Device| done(device, &["peers"])["peers"].clone();
    assert_eq!(peers(&laptop), Value::Array(Vec::new()));
    assert!(said(&laptop, &["peers"]).contains("sma mail observe"));
    done(&laptop, &["mail", "observe", &data("autocrypt-rsa.eml"), "--received", "1769904000"]);
    done(&phone, &["sync"]);
    for device in [&laptop, &phone] {
        let list = peers(device);
        assert_eq!(
            (&list[0]["address"], &list[0]["recommendation"]),
            (&"rsa@example.org".into(), &"available".into())
        );
        assert!(list[0]["peer"]["header"]["fingerprint"].is_string(), "{list}");
    }
    let why = said(&phone, &["peers", "why", "rsa@example.org"]);
    for part in ["can be encrypted", "A mail of theirs of", "by default"] {
        assert!(why.contains(part), "{part} in {why}");
    }
    let nobody = said(&phone, &["peers", "why", "nobody@example.org"]);
    assert!(nobody.contains("cannot be encrypted") && nobody.contains("No mail brought a key"), "{nobody}");
    assert!(said(&phone, &["peers", "why", LOGIN]).contains("of this account"));
    fails(&phone, &["peers", "forget", "rsa@example.org"], &[], 3, "add --yes");
    fails(&phone, &["peers", "forget", "nobody@example.org", "--yes"], &[], 1, "sma peers lists");
    fails(&phone, &["peers", "why", "rsa"], &[], 2, "write anna@example.org");
    done(&phone, &["peers", "forget", "rsa@example.org", "--yes"]);
    done(&laptop, &["sync"]);
    assert_eq!([peers(&laptop), peers(&phone)], [Value::Array(Vec::new()), Value::Array(Vec::new())]);
}

#[test]
fn files_are_not_written_over_and_a_hyphen_is_the_standard_input_or_no_file() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up_whole(&server, "laptop");
    let file = laptop.directory.join("setup.eml");
    let out = file.to_str().expect("a path");
    done(&laptop, &["keys", "setup-message", "--out", out]);
    let before = fs::read(&file).expect("a mail");
    fails(&laptop, &["keys", "setup-message", "--out", out], &[], 1, "name another file");
    assert_eq!(fs::read(&file).expect("a mail"), before);
    fails(&laptop, &["keys", "setup-message", "--out", "-"], &[], 2, "name a file");
    assert!(!std::path::Path::new("-").exists());
    let key = fs::read_to_string(data("curve.sec.asc")).expect("a key");
    let refused = laptop.run_with(&["keys", "import", "-"], &[], &key);
    assert!(
        refused.code == 3
            && refused.errors.contains("Take it all the same") | refused.errors.contains("--yes"),
        "{}",
        refused.errors
    );
    done_with(&laptop, &["keys", "import", "-", "--yes"], &[], &key);
    let public = said(&laptop, &["keys", "export", "--public"]);
    assert!(public.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "{public}");
}
