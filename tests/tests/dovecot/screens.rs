//! Screens of devices on a real server, as a person reads them. IDs, codes, keys and times are masked. `SNAPSHOTS=overwrite` writes
//! them anew; read what changed.

use sma_tests::{
    program::Device,
    server::{self, Dovecot},
};

use super::{LOGIN, done, set_up_whole, text};

/// What differs from run to run: digits in groups, fingerprints, the port.
fn masked(screen: &str) -> String {
    let mut masked = String::new();
    for word in screen.split_inclusive([' ', '\n', '(', ')', '"']) {
        let plain = word.trim_end_matches([' ', '\n', '(', ')', '"', '.', ',', ':', ';']);
        let is = |allowed: fn(char) -> bool| plain.chars().all(allowed);
        let mask = match plain.len() {
            40.. if is(|c| c.is_ascii_hexdigit()) => "KEY",
            11 if is(|c| c.is_ascii_digit() || c == '-') => "CODE",
            10 if is(|c| c.is_ascii_digit() || c == '-') => "DATE",
            6 if is(|c| c.is_ascii_digit()) => "NUMBER",
            4 if is(|c| c.is_ascii_hexdigit()) && !is(|c| c.is_ascii_alphabetic()) => "ID",
            4 if is(|c| c.is_ascii_hexdigit()) && plain.bytes().all(|octet| octet.is_ascii_lowercase()) => {
                "ID"
            }
            _ => plain,
        };
        masked += &word.replacen(plain, mask, usize::from(!plain.is_empty()));
    }
    masked
}

/// A command, and what came of it.
fn screen(device: &Device, words: &[&str]) -> String {
    let ran = device.start_saying(words).end();
    let shown = [ran.output, ran.errors].concat().replace(&device.directory.display().to_string(), "DIR");
    format!("$ sma {}\n{}[{}]\n\n", words.join(" "), shown, ran.code)
}

#[test]
fn the_screens_of_a_pairing_and_of_a_lost_device_are_as_they_were_read() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let url = server.url(LOGIN);
    let [laptop, phone] = ["laptop", "phone"].map(|name| Device::new(name, server::PASSWORD));
    let mut screens = String::new();
    let setup = |name| ["setup", "--address", LOGIN, "--imap", &*url, "--name", name].map(str::to_owned);
    for (device, name) in [(&laptop, "laptop"), (&phone, "phone")] {
        let words = setup(name);
        screens += &screen(device, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    screens += &screen(&phone, &["status"]);
    screens += &screen(&phone, &["pair"]);
    screens += &screen(&phone, &["sync"]);

    let mut showing = laptop.start_saying(&["pair"]);
    let line = showing.line_with("    sma pair ");
    let code = line.trim().trim_start_matches("sma pair ").to_owned();
    screens += &screen(&laptop, &["pair", &code]);
    screens += &screen(&phone, &["pair", &code]);
    let ended = showing.end();
    screens += &format!("$ sma pair\n…\n{}{}[{}]\n\n", line, ended.output, ended.code);
    for device in [&laptop, &phone] {
        screens += &screen(device, &["status"]);
        screens += &screen(device, &["devices"]);
    }
    let tablet = set_up_whole(&server, "tablet");
    super::pair_by_link(&phone, &tablet);
    done(&laptop, &["sync"]);
    screens += &screen(&laptop, &["devices"]);
    screens += &screen(&laptop, &["devices", "acknowledge", "tablet"]);
    screens += &screen(&laptop, &["devices", "remove", "phone"]);
    screens += &screen(&laptop, &["devices", "remove", "phone", "--yes"]);
    screens += &screen(&laptop, &["status"]);
    screens += &screen(&phone, &["sync"]);
    screens += &screen(&phone, &["status"]);
    screens += &screen(&phone, &["doctor"]);
    assert!(!text(&done(&laptop, &["status"]), "id").is_empty());
    let screens = masked(&screens.replace(&server.port.to_string(), "PORT"));
    snapbox::assert_data_eq!(screens, snapbox::file!["../../screens/pairing.txt"].raw());
}
