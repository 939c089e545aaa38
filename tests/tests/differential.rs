//! Random command scripts of two clients, played on a real Dovecot and on sma-imap-server: each difference is explained, or the test fails.
//! `SMA_SCRIPTS=0..500` plays these; a few are played otherwise.

#[path = "differential/allowed.rs"]
mod allowed;
#[path = "differential/response.rs"]
mod response;
#[path = "differential/script.rs"]
mod script;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    ops::Range,
    time::Duration,
};

use response::{Answer, Names};
use script::Step;
use sma_imap_server::{Config, Personality, Server, SessionId};
use sma_tests::server::{self, Dovecot, PASSWORD};

const NOW: Duration = Duration::from_secs(1_700_000_000);
const STEPS: usize = 40;
/// Which scripts are played if nothing else is said.
const SCRIPTS: Range<u64> = 0..40;

/// Two clients of one user.
trait Clients {
    /// All that is said up to the answer of this tag; nothing more if the connection ends before.
    fn ask(&mut self, client: usize, tag: &str, command: &[u8]) -> Vec<u8>;
}

struct OnDovecot([TcpStream; 2]);

impl OnDovecot {
    fn new(port: u16, user: &str) -> Self {
        let connect = || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("Dovecot takes connections");
            read_line(&mut stream);
            stream
        };
        let mut clients = Self([connect(), connect()]);
        for client in [0, 1] {
            let answer = clients.ask(client, "L", format!("LOGIN {user} {PASSWORD}\r\n").as_bytes());
            assert!(String::from_utf8_lossy(&answer).contains("L OK"), "{answer:?}");
        }
        clients
    }
}

fn read_line(stream: &mut TcpStream) -> Vec<u8> {
    let (mut line, mut octet) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") && stream.read(&mut octet).is_ok_and(|size| size > 0) {
        line.push(octet[0]);
    }
    line
}

impl Clients for OnDovecot {
    fn ask(&mut self, client: usize, tag: &str, command: &[u8]) -> Vec<u8> {
        let stream = &mut self.0[client];
        let sent = stream.write_all(&[tag.as_bytes(), b" ", command].concat());
        let (mut said, mut done) = (Vec::new(), 0);
        let mut buffer = [0; 16 << 10];
        while sent.is_ok() {
            while let Some(end) = response::end(&said[done..]) {
                let last = said[done..].starts_with(format!("{tag} ").as_bytes());
                done += end;
                if last {
                    return said;
                }
            }
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(size) => said.extend_from_slice(&buffer[..size]),
            }
        }
        said
    }
}

struct OnOurs {
    server: Server,
    clients: [SessionId; 2],
}

impl OnOurs {
    fn new(user: &str) -> Self {
        let personality = Personality { delimiter: '.', ..Personality::dovecot() };
        let config = Config::new(user, PASSWORD).with_personality(personality);
        let mut server = Server::new(config, 1, NOW);
        let clients = [server.connect(NOW), server.connect(NOW)];
        let mut ours = Self { server, clients };
        for client in [0, 1] {
            ours.server.take_output(ours.clients[client], NOW);
            ours.ask(client, "L", format!("LOGIN {user} {PASSWORD}\r\n").as_bytes());
        }
        ours
    }
}

impl Clients for OnOurs {
    fn ask(&mut self, client: usize, tag: &str, command: &[u8]) -> Vec<u8> {
        let client = self.clients[client];
        self.server.receive(client, &[tag.as_bytes(), b" ", command].concat(), NOW);
        self.server.take_output(client, NOW)
    }
}

/// Every answer to a script, in order.
fn play(script: &[Step], clients: &mut impl Clients) -> Vec<(Answer, Vec<u8>)> {
    // What differs between servers by right is equal where it was equal before.
    let mut names = Names::default();
    let mut answers = Vec::new();
    for (at, Step { client, command }) in script.iter().enumerate() {
        let octets = clients.ask(*client, &format!("T{at}"), format!("{command}\r\n").as_bytes());
        answers.push((response::answer(&octets, &mut names), octets));
    }
    answers
}

/// A difference in words: what only one of the two said, then everything.
fn described(
    seed: u64,
    played: &[Step],
    (theirs, their_octets): (&Answer, &[u8]),
    (ours, our_octets): (&Answer, &[u8]),
) -> String {
    let only = |one: &Answer, other: &Answer| {
        let lines = one.told.iter().filter(|line| !other.told.contains(line));
        lines.chain([&one.status]).map(|line| format!("    {line}\n")).collect::<String>()
    };
    let shown = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let steps: String =
        played.iter().map(|step| format!("  {} {:.200?}\n", step.client, step.command)).collect();
    let last = played.last().map(|step| step.command.as_str()).unwrap_or_default();
    format!(
        "script {seed}: {last:?}\n  Dovecot only:\n{}  here only:\n{}\n|Dovecot:\n{}here:\n{}played:\n{steps}",
        only(theirs, ours),
        only(ours, theirs),
        shown(their_octets),
        shown(our_octets),
    )
}

/// Which explanations a script needed; `Err` tells the first difference that has none.
fn compare(seed: u64, port: u16) -> Result<BTreeMap<&'static str, usize>, String> {
    let user = format!("user{seed}");
    let script = script::script(seed, STEPS);
    let theirs = play(&script, &mut OnDovecot::new(port, &user));
    let ours = play(&script, &mut OnOurs::new(&user));
    let mut explained = BTreeMap::new();
    for (at, (step, ((their, their_octets), (our, our_octets)))) in
        script.iter().zip(theirs.iter().zip(&ours)).enumerate()
    {
        if their == our {
            continue;
        }
        let reasons = allowed::reasons(&step.command, their.clone(), our.clone());
        let Some(reasons) = reasons else {
            return Err(described(seed, &script[..=at], (their, their_octets), (our, our_octets)));
        };
        for reason in &reasons {
            *explained.entry(reason.name).or_insert(0) += 1;
        }
        if reasons.iter().any(|reason| reason.ends) {
            break;
        }
    }
    Ok(explained)
}

#[test]
fn random_scripts_have_the_answers_that_dovecot_gives_or_a_reason_for_others() {
    if !server::is_there() {
        return println!("left out: Dovecot is not installed");
    }
    let scripts = std::env::var("SMA_SCRIPTS").map_or(SCRIPTS, |range| {
        let (first, end) = range.split_once("..").expect("SMA_SCRIPTS is A..B");
        first.parse().expect("a number")..end.parse().expect("a number")
    });
    let server = Dovecot::start();
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for seed in scripts {
        match compare(seed, server.port) {
            Ok(reasons) => {
                reasons.into_iter().for_each(|(name, times)| *explained.entry(name).or_insert(0) += times)
            }
            Err(difference) => unexplained.push(difference),
        }
    }
    for (name, times) in &explained {
        println!("{times:5} {name}: {}", allowed::why(name));
    }
    let short: String = unexplained.iter().filter_map(|text| text.split('|').next()).collect();
    assert!(
        unexplained.is_empty(),
        "{} scripts differ:\n{short}\nthe first in full:\n{}",
        unexplained.len(),
        unexplained[0]
    );
}
