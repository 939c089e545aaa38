//! A server on loopback that behaves, but for one answer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use sma_core::{Config, Secret};
use sma_imap::{Account, Address, Driver, Error, StateFile, check_login};
use sma_sim::symbolic::Symbolic;

/// Octets, and how often in succession they are sent.
pub(crate) type Pieces = Vec<(Vec<u8>, usize)>;

/// What one server says.
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// Instead of the greeting; the connection is closed after it.
    pub(crate) greeting: Option<Pieces>,
    /// After a greeting of its own.
    pub(crate) after_greeting: Pieces,
    /// What a command begins with, and what comes instead of its answer; then the connection is closed.
    pub(crate) instead: Option<(&'static str, Pieces)>,
    /// What a command begins with, and what comes before its answer; of several the first.
    pub(crate) before: Vec<(&'static str, Pieces)>,
}

/// Octets that are sent once.
pub(crate) fn once(octets: impl AsRef<[u8]>) -> Pieces {
    vec![(octets.as_ref().to_vec(), 1)]
}

/// Logs in and does nothing else.
pub(crate) fn log_in(script: Script) -> Result<(), String> {
    let account = account(start(script));
    run(check_login(&account)).map_err(|error| error.to_string())
}

/// Starts a device anew on the account and lets it do what it does, for some seconds.
pub(crate) fn synchronise(script: Script) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    run(settle(directory.path(), account(start(script)))).map_err(|error| error.to_string())
}

async fn settle(directory: &Path, account: Account) -> Result<(), Error> {
    let config = Config::new("anna@example.org", "laptop");
    let mut driver = Driver::open(StateFile::open(directory)?, account, config, Symbolic)?;
    let settled = driver.settle(Duration::from_secs(3)).await.map(|_| ());
    driver.close().await;
    settled
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn account(port: u16) -> Account {
    let server = Address { host: "127.0.0.1".into(), port, tls: false, login: "anna".into() };
    Account { server, password: Secret::new(b"pass".to_vec()) }
}

fn start(script: Script) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let script = Arc::new(script);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let script = script.clone();
            // What goes wrong here is a client that has gone.
            thread::spawn(move || serve(stream, &script).ok());
        }
    });
    port
}

fn serve(mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
    if let Some(greeting) = &script.greeting {
        return send(&mut stream, greeting);
    }
    stream.write_all(b"* OK ready\r\n")?;
    send(&mut stream, &script.after_greeting)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut uid = 1;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or_default();
        if let Some(size) = announced(command) {
            reader.read_exact(&mut vec![0; size + 2])?;
        }
        if let Some((_, pieces)) = script.instead.as_ref().filter(|(head, _)| command.starts_with(head)) {
            return send(&mut stream, pieces);
        }
        if let Some((_, pieces)) = script.before.iter().find(|(head, _)| command.starts_with(head)) {
            send(&mut stream, pieces)?;
        }
        let untagged = match command.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS\r\n",
            "LIST" => "* LIST () \"/\" _Autocrypt_SMA\r\n",
            "SELECT" => "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 10] ok\r\n",
            _ => "",
        };
        uid += 1;
        stream.write_all(format!("{untagged}{tag} OK [APPENDUID 7 {uid}] done\r\n").as_bytes())?;
    }
}

fn send(stream: &mut TcpStream, pieces: &Pieces) -> std::io::Result<()> {
    for (octets, times) in pieces {
        if *times == 1 {
            stream.write_all(octets)?;
            continue;
        }
        let at_once = (64 << 10) / octets.len().max(1) + 1;
        let block = octets.repeat(at_once.min(*times));
        for _ in 0..times / at_once {
            stream.write_all(&block)?;
        }
        stream.write_all(&octets.repeat(times % at_once))?;
    }
    Ok(())
}

fn announced(command: &str) -> Option<usize> {
    command.strip_suffix("+}")?.rsplit_once('{')?.1.parse().ok()
}
