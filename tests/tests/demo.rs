//! `sma demo` is what a person sees first: it runs to its end on any computer, and leaves nothing behind.

use std::process::{Command, Stdio};

use sma_tests::program::sma;

/// Runs it in an empty home.
fn played(words: &[&str]) -> String {
    let mut command = Command::new(sma());
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let output = command.output().expect("sma runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_demonstration_pairs_changes_a_key_loses_a_device_and_says_what_to_try_next() {
    let screen = played(&["demo"]);
    let mut rest = screen.as_str();
    for part in [
        "laptop$ sma setup --address anna@example.org",
        "It is the first device of the account.",
        "phone$ sma setup",
        "Other devices use this account already.",
        "laptop$ sma pair",
        "phone$ sma pair ",
        "phone │ This device, \"phone\", is paired with \"laptop\"",
        "laptop │ \"phone\" (",
        "phone$ sma watch",
        "laptop$ sma keys import",
        "phone │ ",
        "Mail uses the key",
        "tablet$ sma pair ",
        "\"tablet\" (",
        "is new. Was it you?",
        "laptop$ sma devices remove phone --yes",
        "tablet$ sma sync",
        "phone │ sma: this device is removed from the group",
        "What to try next",
        "sma doctor --address",
        "sma setup --address",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} comes after what is before it: {screen}"));
        rest = &rest[at..];
    }
    let left: Vec<_> = std::fs::read_dir(std::env::temp_dir())
        .expect("a directory")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("sma-demo-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
