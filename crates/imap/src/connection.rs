//! One logged-in connection, and the executor: a command goes out, everything untagged is handed on, the tagged answer ends
//! it.

use std::time::Duration;

use sma_core::Secret;
use tokio::time::timeout;

use crate::{
    Account, Error, Unreachable,
    frame::Limits,
    response::{Capabilities, Heard, Refusal, Untagged},
    stream::{Stream, Tag, Wire},
};

/// For the TCP connection, the TLS handshake, the greeting and the login, each.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(30);
/// For one command, its data included.
const COMMAND_TIME: Duration = Duration::from_secs(120);
/// What a server may send for one command if nothing else is said.
pub(crate) const ANSWER_MAX: Limits = Limits { octets: 1 << 20, literal: 64 << 10 };

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
    stream: Stream,
    capabilities: Capabilities,
    broken: bool,
}

impl Connection {
    /// Reads the greeting, logs in and asks for the capabilities.
    pub(crate) async fn log_in(wire: Box<dyn Wire>, account: &Account) -> Result<Self, Error> {
        let server = account.server.shown();
        let stream = Stream::new(wire, ANSWER_MAX);
        let mut connection = Self { stream, capabilities: Capabilities::default(), broken: false };
        let greeting = timeout(CONNECT_TIME, connection.greeting()).await;
        let silent = |_| Error::Unreachable { server: server.clone(), why: Unreachable::NoGreeting };
        let greeting = greeting.map_err(silent)?;
        greeting.map_err(|why| unusable(&server, &why))?;
        let login = &account.server.login;
        let command = login_command(login, &account.password)?;
        let logged_in = timeout(CONNECT_TIME, connection.run(command.expose())).await;
        let logged_in = logged_in.map_err(|_| unusable(&server, "it does not answer the login"))?;
        logged_in.map_err(|failure| match failure {
            Failure::Refused(refusal) if refusal.is_for_now() => {
                Error::Busy { server: server.clone(), text: refusal.text }
            }
            Failure::Refused(refusal) => {
                Error::Login { server: server.clone(), login: login.clone(), text: refusal.text }
            }
            Failure::Lost { why } => unusable(&server, &why),
        })?;
        connection.ask_capabilities().await.map_err(|failure| unusable(&server, failure.why()))?;
        Ok(connection)
    }

    async fn greeting(&mut self) -> Result<(), String> {
        match self.stream.next().await? {
            Heard::Untagged(Untagged::Bye(text)) => Err(format!("it takes no connections: {text}")),
            Heard::Untagged(_) | Heard::Other => Ok(()),
            Heard::Continue | Heard::Done { .. } => Err("it does not greet as a mail server does".to_owned()),
        }
    }

    async fn ask_capabilities(&mut self) -> Result<(), Failure> {
        let mut capabilities = Capabilities::default();
        self.run_each("CAPABILITY", ANSWER_MAX, |untagged| {
            if let Untagged::Capabilities(said) = untagged {
                capabilities = said;
            }
            Ok(())
        })
        .await?;
        self.capabilities = capabilities;
        Ok(())
    }

    /// Whether the server has an extension, named in upper case.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.capabilities.has(capability)
    }

    /// A capability's value, as in `APPENDLIMIT=35651584`.
    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        self.capabilities.value(name)
    }

    /// Nothing more can be done with it.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Runs a command up to its tagged OK; what is said meanwhile does not matter.
    pub(crate) async fn run(&mut self, command: impl AsRef<[u8]>) -> Result<(), Failure> {
        self.run_each(command, ANSWER_MAX, |_| Ok(())).await
    }

    /// Runs a command up to its tagged OK and hands on each untagged response, also those before a tagged NO. An `Err` of `take`
    /// says why no more can be taken, and ends the connection.
    pub(crate) async fn run_each(
        &mut self,
        command: impl AsRef<[u8]>,
        limits: Limits,
        mut take: impl FnMut(Untagged<'_>) -> Result<(), String>,
    ) -> Result<(), Failure> {
        self.begin(limits);
        let work = async {
            let tag = self.stream.command(command.as_ref()).await?;
            loop {
                match self.stream.next().await? {
                    Heard::Untagged(Untagged::Bye(text)) => return Err(goodbye(&text)),
                    Heard::Untagged(untagged) => take(untagged)?,
                    Heard::Done { tag: of, result } if tag.is(of) => return Ok(result),
                    Heard::Done { .. } | Heard::Continue => return Err(unasked()),
                    Heard::Other => {}
                }
            }
        };
        let outcome = timeout(COMMAND_TIME, work).await;
        self.conclude(outcome.unwrap_or_else(|_| Err(silent())))
    }

    /// Appends a message of ASCII text to a folder, marked as seen.
    pub(crate) async fn append(&mut self, folder: &str, message: &str) -> Result<(), Failure> {
        let size = message.len();
        let at_once = self.has("LITERAL+") || (self.has("LITERAL-") && size <= 4096);
        let head = format!("APPEND {folder} (\\Seen) ");
        if at_once {
            return self.run(&format!("{head}{{{size}+}}\r\n{message}")).await;
        }
        self.begin(ANSWER_MAX);
        let work = async {
            let tag = self.stream.command(format!("{head}{{{size}}}").as_bytes()).await?;
            let mut waiting = true;
            loop {
                match self.stream.next().await? {
                    Heard::Continue if waiting => {
                        waiting = false;
                        self.stream.continuation(message).await?;
                    }
                    Heard::Untagged(Untagged::Bye(text)) => return Err(goodbye(&text)),
                    // OK without having taken the message is no success.
                    Heard::Done { tag: of, result } if tag.is(of) && !(waiting && result.is_ok()) => {
                        return Ok(result);
                    }
                    Heard::Done { .. } | Heard::Continue => return Err(unasked()),
                    Heard::Untagged(_) | Heard::Other => {}
                }
            }
        };
        let outcome = timeout(COMMAND_TIME, work).await;
        self.conclude(outcome.unwrap_or_else(|_| Err(silent())))
    }

    /// Waits with IDLE (RFC 2177) until the selected folder has another number of messages; `false` if the time was up
    /// before, or `wake` was ready. Dropped half-way it leaves the connection unusable.
    pub(crate) async fn idle(
        &mut self,
        time: Duration,
        wake: impl Future<Output = ()>,
    ) -> Result<bool, Failure> {
        self.begin(ANSWER_MAX);
        let work = async {
            let tag = self.stream.command(b"IDLE").await?;
            let news = tokio::select! {
                biased;
                news = timeout(time, self.await_news(&tag)) => news.ok(),
                () = wake => None,
            };
            let news = match news {
                None => false,
                Some(Err(why)) => return Err(why),
                Some(Ok(Err(refusal))) => return Ok(Err(refusal)),
                Some(Ok(Ok(()))) => true,
            };
            let done = async {
                self.stream.continuation("DONE").await?;
                loop {
                    match self.stream.next().await? {
                        Heard::Done { tag: of, result } if tag.is(of) => return Ok(result.map(|()| news)),
                        Heard::Untagged(Untagged::Bye(text)) => return Err(goodbye(&text)),
                        Heard::Untagged(_) | Heard::Other | Heard::Continue | Heard::Done { .. } => {}
                    }
                }
            };
            timeout(CONNECT_TIME, done).await.unwrap_or_else(|_| Err(silent()))
        };
        let outcome = work.await;
        self.conclude(outcome)
    }

    async fn await_news(&mut self, tag: &Tag) -> Result<Result<(), Refusal>, String> {
        loop {
            match self.stream.next().await? {
                Heard::Untagged(Untagged::Exists(_)) => return Ok(Ok(())),
                Heard::Untagged(Untagged::Bye(text)) => return Err(goodbye(&text)),
                Heard::Done { tag: of, result: Err(refusal) } if tag.is(of) => return Ok(Err(refusal)),
                Heard::Done { .. } => return Err("IDLE ended by itself".to_owned()),
                Heard::Untagged(_) | Heard::Other | Heard::Continue => {}
            }
        }
    }

    /// From here until [`Connection::conclude`] the connection counts as broken: a caller that is dropped in between leaves it
    /// out of step.
    fn begin(&mut self, limits: Limits) {
        self.stream.allow(limits);
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

fn goodbye(text: &str) -> String {
    format!("the server says goodbye: {text}")
}

fn unasked() -> String {
    "the server answers what was not asked".to_owned()
}

fn silent() -> String {
    "the server does not answer".to_owned()
}

fn login_command(login: &str, password: &Secret) -> Result<Secret, Error> {
    let refused = |why: &str| Error::Connection(why.to_owned());
    let password =
        std::str::from_utf8(password.expose()).map_err(|_| refused("the password is not UTF-8"))?;
    if [login, password].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
        return Err(refused("the login name or the password holds a line break"));
    }
    // Room for all, so that no copy of the password is left behind.
    let mut line = Vec::with_capacity(2 * (login.len() + password.len()) + 16);
    line.extend_from_slice(b"LOGIN");
    for text in [login, password] {
        line.extend_from_slice(b" \"");
        for octet in text.bytes() {
            if matches!(octet, b'"' | b'\\') {
                line.push(b'\\');
            }
            line.push(octet);
        }
        line.push(b'"');
    }
    Ok(Secret::new(line))
}

fn unusable(server: &str, why: &str) -> Error {
    Error::Connection(format!(
        "cannot use the mail server {server}: {why}; check its address and the network"
    ))
}
