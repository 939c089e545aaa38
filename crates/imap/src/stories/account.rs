//! An account on the IMAP server in memory: streams to it on one thread, with the time that tokio's stopped clock says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sma_core::Timestamp;
use sma_imap_server::{Config, Line, Personality, Server, SessionId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::Notify,
    time::sleep,
};

use crate::{clock, dial::Dialer, stream::Wire};

pub(super) const LOGIN: &str = "anna";
pub(super) const PASSWORD: &str = "pass";

/// Which octets of a device's connections are counted, all connections together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// One octet of a device, after which its connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) device: usize,
    pub(super) direction: Direction,
    pub(super) octet: u64,
}

/// All octets of each device's connections.
pub(super) type Octets = BTreeMap<(usize, Direction), Vec<u8>>;

/// The server, and what the tests know of its connections.
pub(super) struct Hub {
    server: Mutex<Server>,
    said: Notify,
    octets: Mutex<Octets>,
    cut: Option<Cut>,
}

impl Hub {
    pub(super) fn new(personality: Personality, seed: u64, cut: Option<Cut>) -> Arc<Self> {
        let config = Config::new(LOGIN, PASSWORD).with_personality(personality);
        let server = Mutex::new(Server::new(config, seed, now()));
        Arc::new(Self { server, said: Notify::new(), octets: Mutex::default(), cut })
    }

    pub(super) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many octets went in a direction.
    pub(super) fn octets(&self, device: usize, direction: Direction) -> u64 {
        self.all_octets().get(&(device, direction)).map_or(0, |octets| octets.len() as u64)
    }

    /// All octets that went anywhere.
    pub(super) fn all_octets(&self) -> MutexGuard<'_, Octets> {
        self.octets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a device connects.
    pub(super) fn dialer(self: &Arc<Self>, device: usize) -> Dialer {
        let hub = self.clone();
        Dialer::within(move || {
            let (near, far) = tokio::io::duplex(1 << 20);
            let session = hub.connect(device);
            tokio::spawn(serve(hub.clone(), device, session, far));
            let wire: Box<dyn Wire> = Box::new(near);
            wire
        })
    }

    /// The line is cut where the device's octet is that the test cuts after, if it has not come.
    fn connect(&self, device: usize) -> SessionId {
        let left = |direction| {
            let cut = self.cut.filter(|cut| cut.device == device && cut.direction == direction)?;
            cut.octet.checked_sub(self.octets(device, direction)).filter(|left| *left > 0)
        };
        let (sent, received) = (left(Direction::ToClient), left(Direction::ToServer));
        match sent.is_none() && received.is_none() {
            true => self.server().connect(now()),
            false => {
                let line = Line { cut_after_sent: sent, cut_after_received: received, ..Line::default() };
                self.server().connect_over(line, now())
            }
        }
    }

    fn record(&self, device: usize, direction: Direction, octets: &[u8]) {
        self.all_octets().entry((device, direction)).or_default().extend_from_slice(octets);
    }

    /// Runs commands of a person with another mail program, each answered by OK.
    pub(super) fn by_hand(&self, commands: &[String]) {
        let mut server = self.server();
        let session = server.connect_over(Line::default(), now());
        let login = format!("LOGIN {LOGIN} {PASSWORD}");
        for (at, command) in [&login].into_iter().chain(commands).enumerate() {
            server.receive(session, format!("h{at} {command}\r\n").as_bytes(), now());
            let mut said = Vec::new();
            loop {
                let piece = server.take_output(session, now());
                if piece.is_empty() {
                    break;
                }
                said.extend(piece);
            }
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(said.contains(&format!("h{at} OK")), "{command}: {said}");
        }
        server.disconnect(session);
        drop(server);
        self.said.notify_waiters();
    }
}

pub(super) fn now() -> Duration {
    clock::now().since(Timestamp(0))
}

/// Brings octets from a stream to the server and back until one of them ends it.
async fn serve(hub: Arc<Hub>, device: usize, session: SessionId, mut stream: DuplexStream) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let said = hub.said.notified();
        tokio::pin!(said);
        // From here on no word is missed.
        said.as_mut().enable();
        if !send(&hub, device, session, &mut stream).await {
            break;
        }
        let due =
            hub.server().poll_timeout().map_or(Duration::from_secs(3600), |at| at.saturating_sub(now()));
        tokio::select! {
            biased;
            read = stream.read(&mut buffer) => match read {
                Ok(size @ 1..) => {
                    hub.record(device, Direction::ToServer, &buffer[..size]);
                    hub.server().receive(session, &buffer[..size], now());
                    hub.said.notify_waiters();
                }
                Ok(0) | Err(_) => break,
            },
            () = said => {}
            () = sleep(due.max(Duration::from_millis(1))) => {
                hub.server().handle_timeout(now());
                hub.said.notify_waiters();
            }
        }
    }
    hub.server().disconnect(session);
}

/// Sends what there is; `false` if the connection is over.
async fn send(hub: &Hub, device: usize, session: SessionId, stream: &mut DuplexStream) -> bool {
    loop {
        let octets = hub.server().take_output(session, now());
        if octets.is_empty() {
            return !hub.server().is_closed(session);
        }
        hub.record(device, Direction::ToClient, &octets);
        if stream.write_all(&octets).await.is_err() {
            return false;
        }
    }
}
