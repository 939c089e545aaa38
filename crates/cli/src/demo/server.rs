//! The mail server of the demonstration: in memory, on this computer alone, gone with it.

use std::{collections::BTreeMap, time::Duration};

use sma_core::Timestamp;
use sma_imap_server::{Config, Server, SessionId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
};

use super::{LOGIN, PASSWORD};
use crate::failure::Failure;

/// What is read of a client at a time, in octets.
const READ_MAX: usize = 16 << 10;
/// How many answers may wait for one client to read them.
const WAITING_MAX: usize = 256;
/// How many things that happened may wait for the server.
const HAPPENED_MAX: usize = 256;
/// The server looks at its clock at least so often.
const TICK: Duration = Duration::from_secs(60);

/// A server that runs; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts it on a free port.
///
/// # Errors
/// The system gives none.
pub(super) async fn start() -> Result<Running, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Failed(format!("this computer lets nothing listen on 127.0.0.1: {error}"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let (happened, happens) = mpsc::channel(HAPPENED_MAX);
    let server = Server::new(Config::new(LOGIN, PASSWORD), 1, now());
    let account = Account { server, clients: BTreeMap::new(), happened };
    Ok(Running { port, task: tokio::spawn(account.serve(listener, happens)) })
}

fn now() -> Duration {
    sma_imap::now().since(Timestamp(0))
}

enum Happened {
    Octets(SessionId, Vec<u8>),
    Ended(SessionId),
}

struct Account {
    server: Server,
    /// Where each client's answers go.
    clients: BTreeMap<SessionId, mpsc::Sender<Vec<u8>>>,
    happened: mpsc::Sender<Happened>,
}

impl Account {
    async fn serve(mut self, listener: TcpListener, mut happens: mpsc::Receiver<Happened>) {
        loop {
            let wait = self.server.poll_timeout().map_or(TICK, |at| at.saturating_sub(now())).min(TICK);
            tokio::select! {
                taken = listener.accept() => {
                    // One that has gone already is no client.
                    if let Ok((stream, _)) = taken {
                        self.connect(stream);
                    }
                }
                happened = happens.recv() => match happened {
                    Some(Happened::Octets(session, octets)) => self.server.receive(session, &octets, now()),
                    Some(Happened::Ended(session)) => self.forget(session),
                    None => return,
                },
                () = tokio::time::sleep(wait) => self.server.handle_timeout(now()),
            }
            self.answer();
        }
    }

    fn connect(&mut self, stream: TcpStream) {
        let session = self.server.connect(now());
        let (answers, answered) = mpsc::channel(WAITING_MAX);
        let (from, to) = stream.into_split();
        tokio::spawn(read(from, session, self.happened.clone()));
        tokio::spawn(write(to, answered));
        self.clients.insert(session, answers);
    }

    /// Hands on what there is for each client. One that reads nothing is let go.
    fn answer(&mut self) {
        let mut over = Vec::new();
        for (session, answers) in &self.clients {
            let octets = self.server.take_output(*session, now());
            let reads = octets.is_empty() || answers.try_send(octets).is_ok();
            if !reads || self.server.is_closed(*session) {
                over.push(*session);
            }
        }
        over.into_iter().for_each(|session| self.forget(session));
    }

    fn forget(&mut self, session: SessionId) {
        self.clients.remove(&session);
        self.server.disconnect(session);
    }
}

async fn read(mut from: OwnedReadHalf, session: SessionId, happened: mpsc::Sender<Happened>) {
    let mut buffer = vec![0; READ_MAX];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if happened.send(Happened::Octets(session, buffer[..size].to_vec())).await.is_err() {
            return;
        }
    }
    // The server may have ended before.
    let _ = happened.send(Happened::Ended(session)).await;
}

/// Ends, and the connection with it, when no more answers come.
async fn write(mut to: OwnedWriteHalf, mut answered: mpsc::Receiver<Vec<u8>>) {
    while let Some(octets) = answered.recv().await {
        if to.write_all(&octets).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
