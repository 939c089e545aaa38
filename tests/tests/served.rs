//! Other programs on `sma-sim serve`: Python's imaplib as a mail client does, and `sma` pairing two devices, on servers of many ways.

use std::process::Command;

use serde_json::Value;
use sma_tests::{program::Device, served::Served, server::PASSWORD};

const LOGIN: &str = "anna@example.org";
/// More rounds than any pairing needs.
const ROUNDS_MAX: usize = 12;

/// Whether there is a Python; where there must be one, a test without it must not pass.
fn has_python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    let left_out = std::env::var("SMA_WITHOUT_SERVERS").is_ok_and(|value| value == "1");
    assert!(there || left_out, "python3 is missing: run tests/run, or set SMA_WITHOUT_SERVERS=1");
    there
}

fn mail_client(personality: &str, prefix: &str) {
    let server = Served::start(LOGIN, PASSWORD, personality, "none");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mail_client.py");
    let port = server.port.to_string();
    let output =
        Command::new("python3").args([script, &port, LOGIN, PASSWORD, prefix]).output().expect("python3");
    assert!(output.status.success(), "{personality}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_python_client_does_what_a_mail_client_does() {
    if !has_python() {
        return println!("left out: there is no python3");
    }
    for (personality, prefix) in [
        ("honest", ""),
        ("plain", ""),
        ("dovecot", ""),
        ("cyrus-inbox", "INBOX."),
        ("mail-prefix", "Mail/"),
        ("courier", "INBOX."),
    ] {
        mail_client(personality, prefix);
    }
}

fn done(device: &Device, words: &[&str]) -> Value {
    let ran = device.run(words);
    assert_eq!(ran.code, 0, "{words:?}: {}\n{}", ran.output, ran.errors);
    serde_json::from_str(&ran.output).expect("one JSON object")
}

fn event<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    answer["events"].as_array().into_iter().flatten().find(|event| event["event"] == name)
}

/// Two devices pair; in the end they have the same key.
fn pair(personality: &str) {
    let server = Served::start(LOGIN, PASSWORD, personality, "none");
    let url = format!("imap://{LOGIN}@127.0.0.1:{}", server.port);
    let devices = ["laptop", "phone"].map(|name| {
        let device = Device::new(name, PASSWORD);
        done(&device, &["setup", "--address", LOGIN, "--imap", &url, "--name", name]);
        device
    });
    let [laptop, phone] = &devices;
    let shown = done(laptop, &["pair", "--no-wait"]);
    let code = event(&shown, "code").unwrap_or_else(|| panic!("{personality}: no code in {shown}"));
    done(phone, &["pair", "--no-wait", code["code"].as_str().expect("a code")]);
    let phase = |device: &Device| done(device, &["sync"])["phase"].clone();
    let paired = (0..ROUNDS_MAX).any(|_| [laptop, phone].map(phase).iter().all(|phase| phase == "paired"));
    assert!(paired, "{personality}: not paired after {ROUNDS_MAX} rounds");
    let key = |device| done(device, &["keys", "export", "--public"])["public_key"].clone();
    assert_eq!(key(laptop), key(phone), "{personality}");
}

/// Other ways, with time that does not pass, are tried beside the adapter.
#[test]
fn two_devices_pair_under_a_prefix_without_extensions_and_with_a_talkative_server() {
    for personality in ["cyrus-inbox", "courier", "talkative"] {
        pair(personality);
    }
}
