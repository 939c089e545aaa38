//! A device that one process has serves the others.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use sma_tests::{
    program::{Device, Running},
    server::{self, Dovecot},
};

use super::{data, done, event, paired, set_up_whole, text};

fn watch(device: &Device) -> Running {
    let running = device.start(&["watch"]);
    // It serves from when its socket is there.
    while !device.directory.join("control").exists() {
        std::thread::yield_now();
    }
    running
}

fn done_last(running: Running) -> Value {
    let ran = running.end();
    assert_eq!(ran.code, 0, "{}{}", ran.output, ran.errors);
    for line in ran.output.lines() {
        super::schema::check(&serde_json::from_str(line).expect("one JSON object a line"));
    }
    serde_json::from_str(ran.output.lines().last().expect("an answer")).expect("JSON")
}

#[test]
fn every_command_works_while_a_watch_runs_and_its_socket_is_its_owners_alone() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let (laptop, phone) = (set_up_whole(&server, "laptop"), set_up_whole(&server, "phone"));
    let (first, second) = (watch(&laptop), watch(&phone));
    let mode = fs::metadata(laptop.directory.join("control")).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut pair = laptop.start(&["pair"]);
    let code: Value = serde_json::from_str(&pair.line_with("\"event\":\"code\"")).expect("JSON");
    let code = text(&code, "code").to_owned();
    assert_eq!(done_last(phone.start(&["pair", &code]))["paired_with"][0]["name"], "laptop");
    assert_eq!(done_last(pair)["paired"]["name"], "phone");

    assert_eq!(done(&laptop, &["sync"])["phase"], "paired");
    done(&laptop, &["devices", "rename", "tower"]);
    done(&laptop, &["mail", "observe", &data("autocrypt-rsa.eml"), "--received", "1769904000"]);
    done(&laptop, &["keys", "import", &data("curve.sec.asc"), "--yes"]);
    let name = |device: &Device| done(device, &["status"])["siblings"][0]["name"].clone();
    done(&phone, &["sync"]);
    assert_eq!((name(&phone), name(&laptop)), ("tower".into(), "phone".into()));
    assert_eq!(done(&phone, &["mail", "recommend", "rsa@example.org"])["recommendation"], "available");
    let [one, other] = [&laptop, &phone].map(|device| done(device, &["status"])["account_key"].clone());
    assert_eq!(one, other);
    let url = server.url("anna@example.org");
    done(&laptop, &["setup", "--address", "anna@example.org", "--imap", &url]);
    done(&laptop, &["devices", "remove", "phone", "--yes"]);
    for running in [first, second] {
        running.interrupt();
        let ran = running.end();
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert!(ran.output.contains("\"event\":\"added\"") || ran.output.contains("\"event\":\"joined\""));
        assert!(!ran.output.contains(&code), "the code stays between who shows it and who types it");
    }
    assert!(!laptop.directory.join("control").exists());
}

/// What a watch that looks by itself once an hour takes in, up to the first line with this in it.
fn inputs_of_a_watch(device: &Device, until: &str) -> (Child, impl FnOnce() -> Vec<String>) {
    let mut command = Command::new(sma_tests::program::sma());
    command.arg("--state").arg(&device.directory).args(["watch", "--poll", "3600"]);
    command.env("SMA_PASSWORD", server::PASSWORD).env("SMA_LOG", "sma=trace");
    let mut watch = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sma runs");
    let log = BufReader::new(watch.stderr.take().expect("a pipe"));
    let until = until.to_owned();
    let inputs = move || {
        let lines = log.lines().map(|line| line.expect("text")).take_while(|line| !line.contains(&until));
        lines.filter_map(|line| Some(line.split_once("in input=")?.1.to_owned())).collect()
    };
    (watch, inputs)
}

#[test]
fn a_key_change_is_told_by_the_watch_of_the_other_device_because_the_server_tells_it() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let [laptop, phone] = paired(&server);
    let (mut second, inputs) = inputs_of_a_watch(&phone, "AccountKeyChanged");
    while !phone.directory.join("control").exists() {
        std::thread::yield_now();
    }
    done(&phone, &["sync"]);
    let first = watch(&laptop);
    done(&laptop, &["keys", "import", &data("curve.sec.asc"), "--yes"]);
    let inputs = inputs();
    // What is no answer to a command of its own is the word of the server, in IDLE, that the inbox has news.
    let cause = inputs.iter().rfind(|input| !input.starts_with("done") && !input.starts_with("failed"));
    let phone_id = text(&done(&phone, &["status"]), "id").to_owned();
    assert_eq!(cause, Some(&format!("changed _Autocrypt_SMA_{phone_id}")), "{inputs:?}");
    let _ = second.kill();
    let _ = second.wait();
    let [one, other] = [&laptop, &phone].map(|device| done(device, &["status"])["account_key"].clone());
    assert_eq!(one, other);
    drop(first);
}

#[test]
fn many_mails_observed_at_once_are_all_kept_with_and_without_a_watch() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up_whole(&server, "laptop");
    let observe = |number: usize| {
        let mail = fs::read_to_string(data("autocrypt-rsa.eml")).expect("a mail");
        let file = laptop.directory.join(format!("{number}.eml"));
        let mail = mail.replace("rsa@example.org", &format!("rsa{number}@example.org"));
        fs::write(&file, mail).expect("a file");
        let file = file.to_str().expect("a path").to_owned();
        laptop.start(&["mail", "observe", &file, "--received", "1769904000"])
    };
    let is_known = |number: usize| {
        let address = format!("rsa{number}@example.org");
        done(&laptop, &["mail", "recommend", &address])["recommendation"] == "available"
    };
    // Without a watch one of them serves the others, or they follow one another.
    let running: Vec<_> = (0..12).map(observe).collect();
    running.into_iter().for_each(|each| drop(done_last(each)));
    assert!((0..12).all(is_known));
    let watch = watch(&laptop);
    let running: Vec<_> = (12..24).map(observe).collect();
    running.into_iter().for_each(|each| drop(done_last(each)));
    assert!((0..24).all(is_known));
    drop(watch);
    // A watch that was killed leaves its socket; the next command takes the device all the same.
    assert!(laptop.directory.join("control").exists());
    assert!(event(&done(&laptop, &["sync"]), "phase").is_none());
}

#[test]
fn a_second_watch_is_told_that_there_is_one() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let laptop = set_up_whole(&server, "laptop");
    let first = watch(&laptop);
    super::fails(&laptop, &["watch"], &[], 1, "watches over");
    drop(first);
}

/// Stands between a device and its server, and can be cut.
struct Cable {
    port: u16,
    is_cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cable = Self { port, is_cut: Arc::default(), streams: Arc::default() };
        let (is_cut, streams) = (cable.is_cut.clone(), cable.streams.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(("127.0.0.1", server)).expect("the server");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) =
                        (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                streams.lock().expect("nobody panicked").extend([near, far]);
            }
        });
        cable
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.streams.lock().expect("nobody panicked").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

#[test]
fn a_watch_says_when_the_connection_goes_and_when_it_is_back() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let server = Dovecot::start();
    let cable = Cable::to(server.port);
    let laptop = Device::new("laptop", server::PASSWORD);
    let url = format!("imap://anna@127.0.0.1:{}", cable.port);
    done(&laptop, &["setup", "--address", "anna@example.org", "--imap", &url]);
    let mut watch = laptop.start_saying(&["watch", "--poll", "1"]);
    while !laptop.directory.join("control").exists() {
        std::thread::yield_now();
    }
    done(&laptop, &["sync"]);
    cable.cut();
    let line = watch.line_with("There is no connection");
    assert!(line.contains("It is tried again and again.") && line.contains(" UTC  "), "{line}");
    cable.mend();
    let _ = watch.line_with("The connection is back.");
    done(&laptop, &["sync"]);
}
