//! What is wrong is planted, and `sma doctor` names it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use sma_tests::{
    program::Device,
    server::{self, Dovecot, PASSWORD, free_port},
};

use super::{LOGIN, done, set_up, set_up_whole};

/// The causes that are found, those that keep the device from its work and those that are good to know.
fn found(device: &Device, variables: &[(&str, &str)]) -> [Vec<String>; 2] {
    let ran = device.run_with(&["doctor"], variables, "");
    let answer: Value = serde_json::from_str(&ran.output).expect("one JSON object");
    let findings = answer["findings"].as_array().expect("a list");
    let of = |is_fault: bool| {
        let wanted = findings.iter().filter(|finding| finding["is_fault"] == is_fault);
        wanted.map(|finding| finding["cause"].as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    let (faults, notes) = (of(true), of(false));
    assert_eq!(ran.code, i32::from(!faults.is_empty()), "{}", ran.errors);
    assert_eq!(answer["healthy"], faults.is_empty());
    assert!(!ran.output.contains(PASSWORD));
    [faults, notes]
}

fn faults(device: &Device) -> Vec<String> {
    found(device, &[])[0].clone()
}

/// Changes the server of a device that was set up.
fn move_to(device: &Device, url: &str) {
    let file = device.directory.join("account.json");
    let text = fs::read_to_string(&file).expect("settings");
    let mut settings: Value = serde_json::from_str(&text).expect("JSON");
    settings["imap"] = url.into();
    fs::write(&file, settings.to_string()).expect("settings");
}

#[test]
fn a_device_where_all_is_well_is_healthy_and_nothing_is_left_on_the_server() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up_whole(&server, "laptop");
    let folders = || {
        let all = fs::read_dir(server.mail_of(LOGIN)).expect("mail").flatten();
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with("._Autocrypt")).count()
    };
    let before = folders();
    assert_eq!(found(&laptop, &[]), [[""; 0], [""; 0]]);
    assert_eq!(folders(), before);
    let watch = laptop.start(&["watch"]);
    while !laptop.directory.join("control").exists() {
        std::thread::yield_now();
    }
    assert_eq!(found(&laptop, &[]), [vec![], vec!["served".to_owned()]]);
    drop(watch);
    let plain = Dovecot::plain();
    let other = set_up_whole(&plain, "other");
    assert_eq!(found(&other, &[]), [vec![], vec!["no-idle".to_owned(), "no-uidplus".to_owned()]]);
}

#[test]
fn a_wrong_password_host_port_and_tls_are_told_apart() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up(&server, "laptop");
    assert_eq!(faults(&laptop), [""; 0]);
    assert_eq!(found(&laptop, &[("SMA_PASSWORD", "wrong")])[0], ["login-refused"]);
    let port = server.port;
    for (url, cause) in [
        ("imaps://anna@no-such-host.invalid".to_owned(), "no-host"),
        (format!("imap://anna@127.0.0.1:{}", free_port()), "wrong-port"),
        (format!("imaps://anna@127.0.0.1:{port}"), "wrong-tls"),
        (busy_server(), "login-not-now"),
    ] {
        move_to(&laptop, &url);
        assert_eq!(faults(&laptop), [cause], "{url}");
    }
}

/// A server that lets nobody in at this time.
fn busy_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("a stream"));
            let mut stream = stream;
            let _ = stream.write_all(b"* OK hello\r\n");
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|octets| octets > 0) {
                let tag = line.split(' ').next().unwrap_or_default().to_owned();
                let no = format!("{tag} NO [UNAVAILABLE] Temporary authentication failure\r\n");
                let _ = stream.write_all(no.as_bytes());
                line.clear();
            }
        }
    });
    format!("imap://anna@127.0.0.1:{port}")
}

/// A certificate for `localhost` that an authority of the test's own signed.
struct Authority(PathBuf);

impl Authority {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("sma-authority-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let authority = Self(directory);
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        authority.openssl(
            &[
                &["req", "-x509", "-subj", "/CN=Test authority"][..],
                &key,
                &["-keyout", "ca.key", "-out", "ca.pem"],
            ]
            .concat(),
        );
        authority.openssl(
            &[&["req", "-subj", "/CN=localhost"][..], &key[..5], &["-keyout", "key.pem", "-out", "csr.pem"]]
                .concat(),
        );
        fs::write(authority.file("ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
            .expect("a file");
        authority.openssl(&[
            "x509",
            "-req",
            "-in",
            "csr.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "ext",
            "-out",
            "cert.pem",
        ]);
        // The server runs as somebody else.
        fs::set_permissions(authority.file("key.pem"), fs::Permissions::from_mode(0o644))
            .expect("it is ours");
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let output =
            Command::new("openssl").args(arguments).current_dir(&self.0).output().expect("openssl runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_private_authority_and_another_name_are_told_and_the_remedy_works() {
    if !server::is_there() || !Path::new("/usr/bin/openssl").exists() {
        return println!("left out: Dovecot or openssl is not installed");
    }
    let authority = Authority::new();
    let port = free_port();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| authority.file(name).display().to_string());
    let server = Dovecot::configured(&format!(
        "ssl = yes\nssl_cert = <{cert}\nssl_key = <{key}\n\
         service imap-login {{\n  inet_listener imaps {{\n    port = {port}\n    ssl = yes\n  }}\n}}\n"
    ));
    let laptop = set_up(&server, "laptop");
    move_to(&laptop, &format!("imaps://{LOGIN}@localhost:{port}"));
    assert_eq!(faults(&laptop), ["unknown-authority"]);
    let ca = authority.file("ca.pem").display().to_string();
    assert_eq!(found(&laptop, &[("SSL_CERT_FILE", &ca)])[0], [""; 0]);
    // The file may be kept as well.
    let url = format!("imaps://{LOGIN}@localhost:{port}");
    let tls = Device::new("tls", PASSWORD);
    done(&tls, &["setup", "--address", LOGIN, "--imap", &url, "--ca-file", &ca]);
    assert_eq!(faults(&tls), [""; 0]);
    done(&tls, &["sync"]);
    move_to(&laptop, &format!("imaps://{LOGIN}@127.0.0.1:{port}"));
    assert_eq!(found(&laptop, &[("SSL_CERT_FILE", &ca)])[0], ["other-name"]);
}

#[test]
fn a_full_account_and_a_server_that_makes_no_folders_are_told_apart() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let quota = "mail_plugins = quota\nprotocol imap {\n  mail_plugins = quota imap_quota\n}\n\
                 plugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_rule = *:bytes=100\n}\n";
    let full = Dovecot::configured(quota);
    assert_eq!(faults(&set_up(&full, "laptop")), ["quota"]);

    let server = Dovecot::start();
    let laptop = set_up(&server, "laptop");
    assert_eq!(faults(&laptop), [""; 0]);
    let mode = |mode: &str| {
        let status = Command::new("chmod").arg(mode).arg(server.mail_of(LOGIN)).status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    mode("a-w");
    let found = faults(&laptop);
    mode("u+w");
    assert_eq!(found, ["folder-limit"]);
}

#[test]
fn a_deleted_folder_and_a_removed_device_are_named() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    super::pair_by_link(&laptop, &phone);
    let phone_id = done(&phone, &["status"])["id"].as_str().expect("an id").to_owned();
    fs::remove_dir_all(server.mail_of(LOGIN).join(format!("._Autocrypt_SMA_{phone_id}"))).expect("a folder");
    assert_eq!(faults(&phone), ["folder-deleted"]);
    assert_eq!(phone.run(&["sync"]).code, 3);
    assert_eq!(faults(&phone), ["folder-deleted"]);
    done(&phone, &["devices", "return"]);
    assert_eq!(faults(&phone), [""; 0]);
    done(&laptop, &["sync"]);
    done(&laptop, &["devices", "remove", "phone", "--yes"]);
    assert_eq!(phone.run(&["sync"]).code, 3);
    assert_eq!(faults(&phone), ["removed"]);
}

#[test]
fn damaged_and_open_files_and_a_process_that_has_the_device_are_named() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up_whole(&server, "laptop");
    let file = |name: &str| laptop.directory.join(name);
    let mut holder = Command::new("flock")
        .arg(file("lock"))
        .args(["sh", "-c", "echo held; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("flock runs");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("a pipe")).read_line(&mut line).expect("it holds the lock");
    assert_eq!(faults(&laptop), ["second-process"]);
    drop(holder.stdin.take());
    let _ = holder.wait();
    assert_eq!(faults(&laptop), [""; 0]);

    let status = Command::new("chmod").arg("a+r").arg(file("state")).status();
    assert!(status.is_ok_and(|status| status.success()));
    assert_eq!(faults(&laptop), ["open-files"]);
    let status = Command::new("chmod").arg("go=").arg(file("state")).status();
    assert!(status.is_ok_and(|status| status.success()));
    fs::write(file("state"), "damaged").expect("a file");
    assert_eq!(faults(&laptop), ["damaged-state"]);
    fs::write(file("account.json"), "{").expect("a file");
    assert_eq!(faults(&laptop), ["damaged-settings"]);
    fs::remove_file(file("account.json")).expect("it is there");
    assert_eq!(faults(&laptop), ["not-set-up"]);
}
