//! Clients of one server, for tests. Whatever the server says is held against imap-proto.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::{cell::RefCell, rc::Rc, time::Duration};

use imap_proto::Response;
use sma_imap_server::{Config, Extension, Personality, Server, SessionId};

/// What the clock says when a test begins: 14 November 2023.
pub(crate) const BEGIN: Duration = Duration::from_secs(1_700_000_000);

/// A server and its clock.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) server: Rc<RefCell<Server>>,
    pub(crate) now: Rc<RefCell<Duration>>,
}

/// A connection.
pub(crate) struct Client {
    pub(crate) world: World,
    pub(crate) session: SessionId,
    tag: u32,
    answers_are_known: bool,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let server = Server::new(config, 1, BEGIN);
        Self { server: Rc::new(RefCell::new(server)), now: Rc::new(RefCell::new(BEGIN)) }
    }

    pub(crate) fn of(personality: Personality) -> Self {
        Self::new(Config::new("anna", "secret").with_personality(personality))
    }

    /// With these extensions and no others.
    pub(crate) fn with(extensions: &[Extension]) -> Self {
        Self::new(Config::new("anna", "secret").with_extensions(extensions.iter().copied()))
    }

    /// Connected, with the greeting read.
    pub(crate) fn connect(&self) -> Client {
        let session = self.server.borrow_mut().connect(*self.now.borrow());
        let mut client = Client { world: self.clone(), session, tag: 0, answers_are_known: true };
        client.read();
        client
    }

    /// Connected and logged in.
    pub(crate) fn client(&self) -> Client {
        let mut client = self.connect();
        assert!(client.ask("LOGIN anna secret").contains("OK"));
        client
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.now.borrow_mut() += time;
        let now = *self.now.borrow();
        self.server.borrow_mut().handle_timeout(now);
    }
}

impl Client {
    /// Sends octets and gives what the server says to them.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) -> String {
        let now = *self.world.now.borrow();
        self.world.server.borrow_mut().receive(self.session, octets.as_ref(), now);
        self.read()
    }

    /// What the server has said by itself.
    pub(crate) fn read(&mut self) -> String {
        let octets = self.world.server.borrow_mut().take_output(self.session, *self.world.now.borrow());
        if self.answers_are_known {
            parses(&octets);
        }
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Answers that are none, on purpose, are not held against the witness any more.
    pub(crate) fn anything_goes(&mut self) {
        self.answers_are_known = false;
    }

    /// Runs a command and gives its answer, with `T` for the tag.
    pub(crate) fn ask(&mut self, command: impl AsRef<[u8]>) -> String {
        self.tag += 1;
        let tag = format!("T{}", self.tag);
        let octets = [tag.as_bytes(), b" ", command.as_ref(), b"\r\n"].concat();
        self.send(octets).replace(&tag, "T")
    }

    /// Appends a message, as soon as it is asked for.
    pub(crate) fn append(&mut self, mailbox: &str, flags: &str, message: &str) -> String {
        let answer = self.send(format!("T APPEND {mailbox} ({flags}) {{{}}}\r\n", message.len()));
        if answer.starts_with("+ ") { self.send(format!("{message}\r\n")) } else { answer }
    }

    /// Several commands after one another; the answer of the last.
    pub(crate) fn ask_all(&mut self, commands: &[&str]) -> String {
        commands.iter().fold(String::new(), |_, command| self.ask(command))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.world.server.borrow().is_closed(self.session)
    }
}

/// A small message whose Subject says which it is.
pub(crate) fn message(subject: &str) -> String {
    format!(
        "From: anna@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n\r\nhello\r\n"
    )
}

/// A mailbox `box` with messages of these subjects, selected.
pub(crate) fn filled(world: &World, subjects: &[&str]) -> Client {
    let mut client = world.client();
    client.ask("CREATE box");
    for subject in subjects {
        assert!(client.append("box", "", &message(subject)).contains("OK"));
    }
    client.ask("SELECT box");
    client
}

/// Responses that imap-proto 0.17 does not know, though the standards do.
fn is_unknown_to_the_witness(response: &[u8]) -> bool {
    let text = String::from_utf8_lossy(response);
    ["* NAMESPACE ", "* ESEARCH", "* FLAGS ()", "* ENABLED\r\n"].iter().any(|head| text.starts_with(head))
        || (text.starts_with("* STATUS ") && ["SIZE", "DELETED"].iter().any(|item| text.contains(item)))
        || text.contains("CHILDINFO")
        || text.starts_with("* SEARCH") && text.contains("MODSEQ")
        || text.starts_with("+ \r\n")
        || text.contains(" BODY (")
}

/// Holds octets of a server against imap-proto.
pub(crate) fn parses(octets: &[u8]) {
    let mut rest = octets;
    while !rest.is_empty() {
        match Response::parse(rest) {
            Ok((after, _)) => rest = after,
            Err(error) => {
                let end = rest.windows(2).position(|pair| pair == b"\r\n").map_or(rest.len(), |end| end + 2);
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                assert!(is_unknown_to_the_witness(&rest[..end]), "{line:?}: {error:?}");
                rest = &rest[end..];
            }
        }
    }
}
