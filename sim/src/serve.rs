//! `sma-sim serve`: the IMAP server in memory on TCP, for any client.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    thread,
    time::{Duration, SystemTime},
};

use clap::{Args, builder::PossibleValuesParser};
use sma_imap_server::{Config, Faults, Personality, Server, SessionId};

/// What is read of a client at a time.
const READ_BYTES: usize = 16 << 10;
/// How many answers may wait for one client to read them.
const WAITING_MAX: usize = 256;
/// The server looks at its clock at least so often.
const TICK: Duration = Duration::from_secs(60);

/// Where and as what it serves.
#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The address and port, as `127.0.0.1:1143`. Port 0 is any free one. There is no TLS.
    #[arg(long, default_value = "127.0.0.1:1143")]
    listen: String,
    /// The login name.
    #[arg(long)]
    user: String,
    /// The password. Others on this computer can see it: use one that protects nothing.
    #[arg(long)]
    password: String,
    /// The ways of a server.
    #[arg(long, default_value = "honest", value_parser = PossibleValuesParser::new(Personality::NAMES))]
    personality: String,
    /// What goes wrong.
    #[arg(long, default_value = "none", value_parser = PossibleValuesParser::new(Faults::NAMES))]
    faults: String,
    /// Decides all that is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

enum Event {
    Connected(TcpStream),
    Octets(SessionId, Vec<u8>),
    Ended(SessionId),
}

/// Serves until the process ends. Tells on the standard output where.
///
/// # Errors
/// If it cannot listen there.
pub(crate) fn serve(args: &ServeArgs) -> io::Result<()> {
    let listener = TcpListener::bind(&args.listen)?;
    println!(
        "IMAP at {} for {}, personality {}, faults {}",
        listener.local_addr()?,
        args.user,
        args.personality,
        args.faults
    );
    io::stdout().flush()?;
    let config = Config::new(&args.user, &args.password)
        .with_personality(Personality::named(&args.personality).unwrap_or_default())
        .with_faults(Faults::named(&args.faults).unwrap_or_default());
    let (events, received) = channel();
    let accepted = events.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if accepted.send(Event::Connected(stream)).is_err() {
                return;
            }
        }
    });
    Serving { server: Server::new(config, args.seed, now()), clients: BTreeMap::new(), events }
        .run(&received);
    Ok(())
}

struct Serving {
    server: Server,
    /// Where each client's answers go.
    clients: BTreeMap<SessionId, SyncSender<Vec<u8>>>,
    events: Sender<Event>,
}

impl Serving {
    fn run(&mut self, received: &Receiver<Event>) {
        loop {
            let wait = self.server.poll_timeout().map_or(TICK, |at| at.saturating_sub(now())).min(TICK);
            match received.recv_timeout(wait) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => self.server.handle_timeout(now()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.send();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected(stream) => {
                let session = self.server.connect(now());
                match attach(stream, session, self.events.clone()) {
                    Ok(answers) => _ = self.clients.insert(session, answers),
                    // The client has gone already.
                    Err(_) => self.server.disconnect(session),
                }
            }
            Event::Octets(session, octets) => self.server.receive(session, &octets, now()),
            Event::Ended(session) => self.forget(session),
        }
    }

    /// Hands on what there is for each client.
    fn send(&mut self) {
        let mut over = Vec::new();
        for (session, answers) in &self.clients {
            let mut reads = true;
            loop {
                let octets = self.server.take_output(*session, now());
                if octets.is_empty() || !reads {
                    break;
                }
                reads = answers.try_send(octets).is_ok();
            }
            if !reads || self.server.is_closed(*session) {
                over.push(*session);
            }
        }
        over.into_iter().for_each(|session| self.forget(session));
    }

    /// The connection ends when the last answers are sent.
    fn forget(&mut self, session: SessionId) {
        self.clients.remove(&session);
        self.server.disconnect(session);
    }
}

/// One thread reads, one writes; each ends with the connection.
fn attach(stream: TcpStream, session: SessionId, events: Sender<Event>) -> io::Result<SyncSender<Vec<u8>>> {
    stream.set_nodelay(true)?;
    let mut reading = stream.try_clone()?;
    let (answers, written) = sync_channel::<Vec<u8>>(WAITING_MAX);
    thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(size @ 1..) = reading.read(&mut buffer) {
            if events.send(Event::Octets(session, buffer[..size].to_vec())).is_err() {
                return;
            }
        }
        // Nobody listens any more if this fails.
        let _ = events.send(Event::Ended(session));
    });
    thread::spawn(move || {
        let mut writing = stream;
        for octets in written {
            if writing.write_all(&octets).is_err() {
                break;
            }
        }
        // It may have ended from the other side.
        let _ = writing.shutdown(Shutdown::Both);
    });
    Ok(answers)
}

#[allow(clippy::disallowed_methods, reason = "a server on a real network goes by the real time")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}
