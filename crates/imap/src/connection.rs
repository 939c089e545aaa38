//! One logged-in connection, and the executor: a command goes out, everything untagged is collected, the tagged answer ends
//! it. The typed calls of the IMAP library are not used beyond the login: they hide refusals and partial answers.

use std::{panic::AssertUnwindSafe, time::Duration};

use async_imap::{Client, Session};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::{
    Account, Error,
    guard::{Guarded, Wire},
    response::{self, Heard, Refusal, Untagged},
};

/// For the TCP connection, the TLS handshake, the greeting and the login, each.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(30);
/// For one command, its data included.
const COMMAND_TIME: Duration = Duration::from_secs(120);
/// What a server may send for one command, in octets, if nothing else is said.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Why a command brought nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The server said NO or BAD; the connection stays.
    Refused(Refusal),
    /// The connection cannot be used any more: it was closed, it timed out, or what came made no sense.
    Lost {
        /// For people.
        why: String,
    },
}

/// A connection after the login.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Session<Guarded>,
    /// Upper-case words.
    capabilities: Vec<String>,
    broken: bool,
}

impl Connection {
    /// Reads the greeting, logs in and asks for the capabilities.
    pub(crate) async fn log_in(wire: Box<dyn Wire>, account: &Account) -> Result<Self, Error> {
        let server = account.server.shown();
        let mut client = Client::new(Guarded::new(wire, ANSWER_BYTES_MAX));
        let greeting = timeout(CONNECT_TIME, next(&mut client)).await;
        let greeting = greeting.map_err(|_| unusable(&server, "it does not greet"))?;
        let greeting = greeting.map_err(|why| unusable(&server, &why))?;
        if let Heard::Untagged(Untagged::Bye(text)) = greeting {
            return Err(unusable(&server, &format!("it takes no connections: {text}")));
        }
        let login = &account.server.login;
        let password = std::str::from_utf8(account.password.expose())
            .map_err(|_| Error::Connection("the password is not UTF-8".to_owned()))?;
        let logged_in = timeout(CONNECT_TIME, AssertUnwindSafe(client.login(login, password)).catch_unwind());
        let logged_in = logged_in.await.map_err(|_| unusable(&server, "it does not answer the login"))?;
        let logged_in = logged_in.map_err(|_| unusable(&server, "its answer makes no sense"))?;
        let session = logged_in.map_err(|(error, _)| login_error(&error, &server, login))?;
        let mut connection = Self { session, capabilities: Vec::new(), broken: false };
        let answer =
            connection.run("CAPABILITY").await.map_err(|failure| unusable(&server, failure.why()))?;
        for untagged in answer {
            if let Untagged::Capabilities(words) = untagged {
                connection.capabilities = words;
            }
        }
        Ok(connection)
    }

    /// Whether the server has an extension, named in upper case.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|word| word == capability)
    }

    /// A capability's value, as in `APPENDLIMIT=35651584`.
    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        let value = |word: &String| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        self.capabilities.iter().find_map(value)
    }

    /// Nothing more can be done with it.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Runs a command and gives all untagged responses up to its tagged OK.
    pub(crate) async fn run(&mut self, command: &str) -> Result<Vec<Untagged>, Failure> {
        self.run_within(command, ANSWER_BYTES_MAX).await
    }

    /// As [`Connection::run`], with a limit for the answer in octets.
    pub(crate) async fn run_within(
        &mut self,
        command: &str,
        octets_max: u64,
    ) -> Result<Vec<Untagged>, Failure> {
        self.begin(octets_max);
        let work = async {
            let tag = self.session.run_command(command).await.map_err(|error| error.to_string())?.0;
            let mut answer = Vec::new();
            loop {
                match next(&mut self.session).await? {
                    Heard::Untagged(Untagged::Bye(text)) => {
                        return Err(format!("the server says goodbye: {text}"));
                    }
                    Heard::Untagged(untagged) => answer.push(untagged),
                    Heard::Done { tag: of, result } if of == tag => return Ok(result.map(|()| answer)),
                    Heard::Done { .. } | Heard::Continue => {
                        return Err("an answer to nothing that was asked".to_owned());
                    }
                    Heard::Other => {}
                }
            }
        };
        let outcome = timeout(COMMAND_TIME, work).await;
        self.conclude(outcome.unwrap_or_else(|_| Err("the server does not answer".to_owned())))
    }

    /// Appends a message of ASCII text to a folder, marked as seen.
    pub(crate) async fn append(&mut self, folder: &str, message: &str) -> Result<(), Failure> {
        let size = message.len();
        let at_once = self.has("LITERAL+") || (self.has("LITERAL-") && size <= 4096);
        let head = format!("APPEND {folder} (\\Seen) ");
        if at_once {
            return self.run(&format!("{head}{{{size}+}}\r\n{message}")).await.map(|_| ());
        }
        self.begin(ANSWER_BYTES_MAX);
        let work = async {
            let command = self.session.run_command(format!("{head}{{{size}}}")).await;
            let tag = command.map_err(|error| error.to_string())?.0;
            let mut waiting = true;
            loop {
                match next(&mut self.session).await? {
                    Heard::Continue if waiting => {
                        waiting = false;
                        let sent = self.session.run_command_untagged(message).await;
                        sent.map_err(|error| error.to_string())?;
                    }
                    Heard::Untagged(Untagged::Bye(text)) => {
                        return Err(format!("the server says goodbye: {text}"));
                    }
                    // OK without having taken the message is no success.
                    Heard::Done { tag: of, result } if of == tag && !(waiting && result.is_ok()) => {
                        return Ok(result);
                    }
                    Heard::Done { .. } | Heard::Continue => {
                        return Err("an answer to nothing that was asked".to_owned());
                    }
                    Heard::Untagged(_) | Heard::Other => {}
                }
            }
        };
        let outcome = timeout(COMMAND_TIME, work).await;
        self.conclude(outcome.unwrap_or_else(|_| Err("the server does not answer".to_owned())))
    }

    /// Waits with IDLE (RFC 2177) until the selected folder has another number of messages; `false` if the time was up
    /// before. Dropped half-way it leaves the connection unusable.
    pub(crate) async fn idle(&mut self, time: Duration) -> Result<bool, Failure> {
        self.begin(ANSWER_BYTES_MAX);
        let work = async {
            let tag = self.session.run_command("IDLE").await.map_err(|error| error.to_string())?.0;
            let news = timeout(time, self.await_news(&tag)).await;
            let news = match news {
                Err(_) => false,
                Ok(Err(why)) => return Err(why),
                Ok(Ok(Err(refusal))) => return Ok(Err(refusal)),
                Ok(Ok(Ok(()))) => true,
            };
            let done = async {
                let sent = self.session.run_command_untagged("DONE").await;
                sent.map_err(|error| error.to_string())?;
                loop {
                    match next(&mut self.session).await? {
                        Heard::Done { tag: of, result } if of == tag => return Ok(result.map(|()| news)),
                        Heard::Untagged(Untagged::Bye(text)) => {
                            return Err(format!("the server says goodbye: {text}"));
                        }
                        Heard::Untagged(_) | Heard::Other | Heard::Continue | Heard::Done { .. } => {}
                    }
                }
            };
            timeout(CONNECT_TIME, done).await.unwrap_or_else(|_| Err("the server does not answer".to_owned()))
        };
        let outcome = work.await;
        self.conclude(outcome)
    }

    async fn await_news(&mut self, tag: &str) -> Result<Result<(), Refusal>, String> {
        loop {
            let heard = next(&mut self.session).await?;
            self.session.get_mut().allow(ANSWER_BYTES_MAX);
            match heard {
                Heard::Untagged(Untagged::Exists(_)) => return Ok(Ok(())),
                Heard::Untagged(Untagged::Bye(text)) => {
                    return Err(format!("the server says goodbye: {text}"));
                }
                Heard::Done { tag: of, result: Err(refusal) } if of == tag => return Ok(Err(refusal)),
                Heard::Done { .. } => return Err("IDLE ended by itself".to_owned()),
                Heard::Untagged(_) | Heard::Other | Heard::Continue => {}
            }
        }
    }

    /// From here until [`Connection::conclude`] the connection counts as broken: a caller that is dropped in between leaves it
    /// out of step.
    fn begin(&mut self, octets_max: u64) {
        self.session.get_mut().allow(octets_max);
        self.broken = true;
    }

    fn conclude<T>(&mut self, outcome: Result<Result<T, Refusal>, String>) -> Result<T, Failure> {
        self.broken = outcome.is_err();
        match outcome {
            Ok(result) => result.map_err(Failure::Refused),
            Err(why) => Err(Failure::Lost { why }),
        }
    }
}

impl Failure {
    /// For people.
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.text,
            Self::Lost { why } => why,
        }
    }
}

/// One response, or why there is none. The parser panics on some answers that no honest server gives; that must not end the
/// program.
async fn next(connection: &mut async_imap::Connection<Guarded>) -> Result<Heard, String> {
    match AssertUnwindSafe(connection.read_response()).catch_unwind().await {
        Ok(Ok(Some(data))) => Ok(response::read(data.parsed())),
        Ok(Ok(None)) => Err("the server closed the connection".to_owned()),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err("the server's answer makes no sense".to_owned()),
    }
}

/// The parser's own errors quote what was received, which may be anything.
fn reason(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::Other {
        return "the server's answer makes no sense".to_owned();
    }
    error.to_string()
}

fn unusable(server: &str, why: &str) -> Error {
    Error::Connection(format!(
        "cannot use the mail server {server}: {why}; check its address and the network"
    ))
}

fn login_error(error: &async_imap::error::Error, server: &str, login: &str) -> Error {
    use async_imap::error::Error as Imap;
    if let Imap::No(text) | Imap::Bad(text) = error {
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        return Error::Login { server: server.to_owned(), login: login.to_owned(), text };
    }
    if let Imap::Validate(_) = error {
        return Error::Connection("the login name or the password holds a line break".to_owned());
    }
    unusable(server, "the connection was lost during the login")
}
