//! What is said when something is wrong: in words that help, once, with the exit code that fits.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::Value;
use sma_tests::{
    program::Device,
    server::{self, Dovecot, PASSWORD},
};

use super::{LOGIN, done, fails, paired, set_up_whole, text};

fn said(device: &Device, words: &[&str]) -> String {
    let ran = device.start_saying(words).end();
    ran.output + &ran.errors
}

#[test]
fn a_device_gets_no_name_that_is_empty_too_long_a_number_or_another_ones() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let (long, id) = ("x".repeat(300), text(&done(&laptop, &["status"]), "id").to_owned());
    for (name, code, says) in [
        ("", 2, "at least one"),
        ("   ", 2, "at least one"),
        (&*long, 2, "this one has 300"),
        (&*id, 2, "taken for a device's ID"),
        (&id[..5], 2, "taken for a device's ID"),
        ("x\u{1b}[2K", 2, "U+001B"),
        ("laptop", 3, "is called so already"),
        ("LapTop", 3, "is called so already"),
    ] {
        fails(&phone, &["devices", "rename", name], &[], code, says);
        let url = server.url(LOGIN);
        fails(&phone, &["setup", "--address", LOGIN, "--imap", &url, "--name", name], &[], code, says);
        assert_eq!(done(&phone, &["status"])["name"], "phone");
    }
    done(&phone, &["devices", "rename", " tablet "]);
    assert_eq!(done(&phone, &["status"])["name"], "tablet");
}

/// A server that takes logins and has no folders; a command that begins so is refused.
struct Refusing {
    url: String,
    asked: Arc<AtomicU32>,
}

impl Refusing {
    fn new(command: &'static str, text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("imap://anna@127.0.0.1:{}", listener.local_addr().expect("an address").port());
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = counted.clone();
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().expect("a stream"));
                    let mut stream = stream;
                    let _ = stream.write_all(b"* OK hello\r\n");
                    let mut line = String::new();
                    while lines.read_line(&mut line).is_ok_and(|octets| octets > 0) {
                        let (tag, said) = line.split_once(' ').unwrap_or_default();
                        let answer = if said.starts_with(command) {
                            asked.fetch_add(1, Ordering::SeqCst);
                            format!("{tag} NO {text}\r\n")
                        } else if said.starts_with("CAPABILITY") {
                            format!("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n")
                        } else {
                            format!("{tag} OK\r\n")
                        };
                        let _ = stream.write_all(answer.as_bytes());
                        line.clear();
                    }
                });
            }
        });
        Self { url, asked }
    }
}

#[test]
fn a_server_that_makes_no_folders_is_told_soon_with_what_it_says_and_what_helps() {
    for (text, says) in [
        ("[LIMIT] Maximum number of mailboxes reached", "delete folders that are not needed"),
        ("[OVERQUOTA] Mailbox is full", "delete mail"),
        ("[NOPERM] Not allowed", "whether IMAP is turned on"),
        ("[CANNOT] Never", "whether programs may make folders"),
        ("[CONTACTADMIN] Call us", "only the provider can help"),
        ("[UNAVAILABLE] Backend is down", "try again later"),
        ("Operation not allowed", "whether programs may make folders"),
    ] {
        let server = Refusing::new("CREATE", text);
        let device = Device::new("refused", PASSWORD);
        let words = ["setup", "--address", LOGIN, "--imap", &server.url];
        let ran = device.start_saying(&words).end();
        assert_eq!(ran.code, 1, "{}", ran.errors);
        assert!(ran.errors.contains(says), "{text}: {}", ran.errors);
        assert!(ran.errors.contains(text.split("] ").last().unwrap_or(text)), "{text}: {}", ran.errors);
        assert!(!ran.errors.contains("run it again later"), "{}", ran.errors);
        // Not for minutes.
        assert!(server.asked.load(Ordering::SeqCst) <= 6, "{text}");
    }
}

#[test]
fn a_refused_login_is_told_with_what_its_code_asks_for() {
    for (text, says, never) in [
        ("[AUTHENTICATIONFAILED] no", "check the login name and the password", "later"),
        ("no", "check the login name and the password", "later"),
        ("[UNAVAILABLE] no", "nothing of this computer is in the way", "password"),
        ("[LIMIT] no", "close a program", "password"),
        ("[INUSE] no", "another program has the account open", "password"),
        ("[OVERQUOTA] no", "delete mail", "check the"),
        ("[NOPERM] no", "whether IMAP is turned on", "check the"),
        ("[EXPIRED] no", "the password has ended", "check the"),
        ("[PRIVACYREQUIRED] no", "imaps://", "check the"),
        ("[CONTACTADMIN] no", "only the provider can help", "check the"),
        ("[AUTHORIZATIONFAILED] no", "the password is right", "check the login name and the password"),
    ] {
        let server = Refusing::new("LOGIN", text);
        let device = Device::new("refused", PASSWORD);
        for command in ["setup", "doctor"] {
            let screen = said(&device, &[command, "--address", LOGIN, "--imap", &server.url]);
            let advised =
                screen.contains(says) || (command == "doctor" && says.starts_with("check the login"));
            assert!(advised, "{command} {text}: {screen}");
            assert!(!screen.contains(never), "{command} {text}: {screen}");
        }
        assert!(!device.directory.join("account.json").exists());
    }
}

#[test]
fn the_doctor_looks_at_a_server_before_anything_is_set_up() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let device = Device::new("none", PASSWORD);
    let causes = |words: &[&str], variables: &[(&str, &str)]| {
        let ran = device.run_with(&[&["doctor"], words].concat(), variables, "");
        let answer: Value = serde_json::from_str(&ran.output).expect("one JSON object");
        let findings = answer["findings"].as_array().cloned().unwrap_or_default();
        let faults = findings.iter().filter(|finding| finding["is_fault"] == true);
        faults.map(|finding| finding["cause"].as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    let url = server.url(LOGIN);
    let given = ["--address", LOGIN, "--imap", &url];
    assert_eq!(causes(&given, &[]), [""; 0]);
    assert_eq!(causes(&given, &[("SMA_PASSWORD", "wrong")]), ["login-refused"]);
    assert_eq!(
        causes(&["--address", LOGIN, "--imap", "imaps://anna@no-such-host.invalid"], &[]),
        ["no-host"]
    );
    assert_eq!(causes(&[], &[]), ["not-set-up"]);
    assert!(said(&device, &["doctor"]).contains("sma doctor --address"));
    fails(&device, &["doctor", "--address", "anna", "--imap", &url], &[], 2, "write anna@example.org");
    assert!(!device.directory.exists(), "nothing is set up by looking");
    // A device that is set up may look at where it is to move.
    let laptop = set_up_whole(&server, "laptop");
    let ran = laptop.run(&["doctor", "--imap", "imaps://anna@no-such-host.invalid"]);
    assert!(ran.output.contains("no-host"), "{}", ran.output);
}

#[test]
fn who_is_out_is_told_so_once_and_begins_anew_with_one_command() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    for (out, word) in [("removed", "removed from the group"), ("left", "it left")] {
        let server = Dovecot::start();
        let url = server.url(LOGIN);
        let setup = ["setup", "--address", LOGIN, "--imap", &url];
        let [laptop, phone] = paired(&server);
        if out == "left" {
            done(&phone, &["devices", "leave", "--yes"]);
        } else {
            done(&laptop, &["devices", "remove", "phone", "--yes"]);
            assert_eq!(phone.run(&["sync"]).code, 3);
        }
        let old = done(&phone, &["status"])["fingerprint"].clone();
        for words in [&["status"][..], &["devices"], &["sync"]] {
            let screen = said(&phone, words);
            assert!(screen.contains(word) && screen.contains("sma setup --anew"), "{words:?}: {screen}");
            assert!(!screen.contains("laptop"), "{words:?}: {screen}");
            assert_eq!(screen.matches(word).count(), 1, "{words:?}: {screen}");
        }
        fails(&phone, &setup, &[], 3, "sma setup --anew");
        let told = done(&phone, &[&setup[..], &["--anew"]].concat());
        let former = text(&told, "former").to_owned();
        assert!(fs::metadata(&former).is_ok(), "its keys are kept in {former}");
        let status = done(&phone, &["status"]);
        assert_eq!((&status["phase"], &status["name"]), (&"requesting".into(), &"phone".into()));
        assert_ne!(status["fingerprint"], old, "it is another device");
        super::pair_by_link(&laptop, &phone);
        fails(&phone, &[&setup[..], &["--anew"]].concat(), &[], 3, "this one takes part");
    }
}

#[test]
fn an_address_in_capitals_is_one_address_and_it_is_said() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let device = Device::new("capitals", PASSWORD);
    let url = server.url(LOGIN);
    let screen =
        said(&device, &["setup", "--address", "Anna@Example.ORG", "--imap", &url, "--name", "laptop"]);
    assert!(screen.contains("write the address as anna@example.org"), "{screen}");
    assert!(screen.contains("anna@example.org is set up"), "{screen}");
    let screen = said(&device, &["setup", "--address", LOGIN, "--imap", &url]);
    assert!(!screen.contains("write the address as"), "{screen}");
    assert_eq!(done(&device, &["status"])["address"], LOGIN);
}

#[test]
fn a_mail_address_that_is_none_is_a_usage_mistake_wherever_it_is_typed() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let device = set_up_whole(&Dovecot::start(), "laptop");
    for words in [
        &["mail", "recommend", "anna"][..],
        &["mail", "gossip", "anna"],
        &["mail", "sent", "anna"],
        &["mail", "alias", "anna"],
        &["mail", "header", "--from", "anna"],
        &["doctor", "--address", "anna"],
        &["setup", "--address", "anna", "--imap", "imaps://anna@mail.example.org"],
    ] {
        fails(&device, words, &[], 2, "write anna@example.org");
    }
}

#[test]
fn no_number_of_the_system_is_shown_and_a_file_of_authorities_is_named() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let device = set_up_whole(&Dovecot::start(), "laptop");
    let tls = Device::new("tls", PASSWORD);
    for words in [
        &["keys", "import", "/nowhere/key.asc"][..],
        &["keys", "setup-message", "--out", "/nowhere/out.eml"],
        &["mail", "observe", "/nowhere/mail.eml", "--received", "1"],
        &["manual", "/dev/null/x"],
        &["sync"],
        &["doctor"],
        &["watch", "--poll", "99999"],
    ] {
        let ran = device.run(words);
        assert_ne!(ran.code, 0, "{words:?}");
        assert!(
            !(ran.output + ran.errors.lines().last().unwrap_or_default()).contains("os error"),
            "{words:?}"
        );
    }
    let setup = ["setup", "--address", LOGIN, "--imap", "imaps://anna@127.0.0.1:1"];
    fails(
        &tls,
        &setup,
        &[("SSL_CERT_FILE", "/nowhere/ca.pem")],
        1,
        "SSL_CERT_FILE names /nowhere/ca.pem, which cannot be read",
    );
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    fails(&tls, &setup, &[("SSL_CERT_FILE", readme)], 1, "which holds no certificate");
}
