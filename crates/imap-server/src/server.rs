//! The server: users' mail, and sessions that share it.

use std::{collections::BTreeMap, time::Duration};

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{
    Config, Faults, Line, Trouble,
    account::Account,
    faults::Planned,
    mailbox::Message,
    session::{Session, World},
};

/// A connection of a client. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SessionId(u64);

/// A message as the server has it, for whoever looks without being a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its UID.
    pub uid: u32,
    /// Its flags, as `\\Deleted`; keywords in lower case.
    pub flags: Vec<String>,
    /// The whole message.
    pub octets: Vec<u8>,
}

/// An IMAP server without I/O. Time is the time since 1970, and never read from a clock; what is left to chance comes from the
/// seed. Equal inputs in equal order give equal outputs, octet by octet.
///
/// ```
/// use std::time::Duration;
/// use sma_imap_server::{Config, Server};
///
/// let now = Duration::from_secs(1_700_000_000);
/// let mut server = Server::new(Config::new("anna", "secret"), 1, now);
/// let session = server.connect(now);
/// assert!(server.take_output(session, now).starts_with(b"* OK [CAPABILITY IMAP4rev1 "));
/// server.receive(session, b"a LOGIN anna secret\r\nb STATUS INBOX (MESSAGES)\r\n", now);
/// let answer = String::from_utf8(server.take_output(session, now)).unwrap();
/// assert!(answer.ends_with("* STATUS INBOX (MESSAGES 0)\r\nb OK Status completed\r\n"));
/// ```
#[derive(Debug)]
pub struct Server {
    config: Config,
    accounts: BTreeMap<String, Account>,
    sessions: BTreeMap<SessionId, Session>,
    last_session: u64,
    rng: ChaCha8Rng,
    planned: Vec<Planned>,
}

impl Server {
    /// A server whose users have an empty INBOX each.
    #[must_use]
    pub fn new(config: Config, seed: u64, now: Duration) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let account = |user: &String| (user.clone(), Account::new(&config, now, &mut rng));
        let accounts = config.users().map(account).collect();
        Self { config, accounts, sessions: BTreeMap::new(), last_session: 0, rng, planned: Vec::new() }
    }

    /// A client connects; the greeting is its first output.
    pub fn connect(&mut self, now: Duration) -> SessionId {
        let line = self.config.faults().line(&mut self.rng);
        self.connect_over(line, now)
    }

    /// A client connects over a line on which something happens.
    pub fn connect_over(&mut self, line: Line, now: Duration) -> SessionId {
        self.last_session += 1;
        let id = SessionId(self.last_session);
        let mut session = Session::new(line, now);
        if self.sessions.len() >= self.config.personality.limits.sessions {
            session.turn_away();
        } else {
            self.with_world(now, |world| session.greet(world));
        }
        self.sessions.insert(id, session);
        id
    }

    /// Takes octets of a client. What they lead to is the output of this session and of those that are in IDLE.
    pub fn receive(&mut self, id: SessionId, octets: &[u8], now: Duration) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.with_world(now, |world| session.receive(octets, world));
        self.sessions.insert(id, session);
        self.notify(now);
    }

    /// What is to be sent to a client now. It is to be asked again until there is nothing: a [`Line`] may have it sent in pieces.
    pub fn take_output(&mut self, id: SessionId, now: Duration) -> Vec<u8> {
        self.sessions.get_mut(&id).map(|session| session.take_output(now)).unwrap_or_default()
    }

    /// Whether the server has closed the connection. Its output was taken then.
    #[must_use]
    pub fn is_closed(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_none_or(Session::is_closed)
    }

    /// Lets something go wrong with a command, named as `UID STORE`, of whichever client: the next one, after so many that are left
    /// alone. What is planned first happens first.
    pub fn plan(&mut self, command: &str, after: u32, trouble: Trouble) {
        self.planned.push(Planned { command: command.to_owned(), after, trouble });
    }

    /// From here on other things go wrong by chance, or none.
    pub fn set_faults(&mut self, faults: Faults) {
        self.config.set_faults(faults);
    }

    /// How many things were planned that have not happened.
    #[must_use]
    pub fn planned(&self) -> usize {
        self.planned.len()
    }

    /// A connection has ended, whoever ended it.
    pub fn disconnect(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    /// When [`Server::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.sessions.values().map(Session::timeout).min()
    }

    /// Does what happens by itself; too early is no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        let mut sessions = std::mem::take(&mut self.sessions);
        self.with_world(now, |world| sessions.values_mut().for_each(|session| session.handle_timeout(world)));
        self.sessions = sessions;
    }

    /// The names of a user's mailboxes, in ascending order; none if there is no such user.
    #[must_use]
    pub fn mailboxes(&self, user: &str) -> Vec<String> {
        self.accounts.get(user).map(|account| account.names().cloned().collect()).unwrap_or_default()
    }

    /// What is in a mailbox, also what clients do not see yet; `None` if there is no such mailbox.
    #[must_use]
    pub fn messages(&self, user: &str, mailbox: &str) -> Option<Vec<Stored>> {
        let account = self.accounts.get(user)?;
        let mailbox = account.mailbox(account.find(mailbox, &self.config.personality)?)?;
        let stored = |(uid, message): (u32, &Message)| {
            let mut flags: Vec<String> = message.flags.system().map(str::to_owned).collect();
            flags.extend(message.flags.keywords().map(str::to_owned));
            Stored { uid, flags, octets: message.body.octets.clone() }
        };
        Some(mailbox.messages(Duration::MAX).map(stored).collect())
    }

    fn notify(&mut self, now: Duration) {
        if !self.sessions.values().any(Session::is_idle) {
            return;
        }
        let mut sessions = std::mem::take(&mut self.sessions);
        self.with_world(now, |world| sessions.values_mut().for_each(|session| session.notify(world)));
        self.sessions = sessions;
    }

    fn with_world<T>(&mut self, now: Duration, work: impl FnOnce(&mut World<'_>) -> T) -> T {
        let mut counts = BTreeMap::new();
        for user in self.sessions.values().filter_map(Session::user) {
            *counts.entry(user.to_owned()).or_insert(0) += 1;
        }
        work(&mut World {
            config: &self.config,
            accounts: &mut self.accounts,
            sessions: &counts,
            rng: &mut self.rng,
            planned: &mut self.planned,
            now,
        })
    }
}
