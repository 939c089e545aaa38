//! One client's connection: from octets to commands to answers.

mod append;
mod fetch;
mod listing;
mod login;
mod mailboxes;
mod search;
mod selected;
mod store;
mod transfer;
mod trouble;
mod unsolicited;

use std::{collections::BTreeMap, time::Duration};

use imap_codec::imap_types::command::CommandBody;
use rand_chacha::ChaCha8Rng;

use crate::{
    Config, Extension, Line,
    account::{Account, MailboxId, Refusal},
    command::{self, Request, Wrong},
    compression::Compression,
    faults::Planned,
    framing::{Frame, Framer, Part},
    mailbox::Mailbox,
    sasl::Exchange,
    wire::Wire,
};

use selected::Selected;

/// A literal that is no message.
const STRING_BYTES_MAX: u64 = 64 << 10;
/// After so many refused logins or commands that make no sense the connection ends.
const ERRORS_MAX: u32 = 20;
/// A client that is silent for so long is disconnected (RFC 3501 section 5.4).
const SILENCE_MAX: Duration = Duration::from_secs(30 * 60);

/// What a command finds around its session.
pub(crate) struct World<'a> {
    pub(crate) config: &'a Config,
    pub(crate) accounts: &'a mut BTreeMap<String, Account>,
    /// How many sessions each user has.
    pub(crate) sessions: &'a BTreeMap<String, usize>,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) planned: &'a mut Vec<Planned>,
    pub(crate) now: Duration,
}

/// What the next line is.
#[derive(Debug, Default)]
enum Mode {
    #[default]
    Commands,
    /// The end of an IDLE with this tag.
    Idle(String),
    /// An answer of a client that authenticates itself.
    Authenticate(String, Exchange),
}

/// What was switched on by the client.
#[derive(Clone, Copy, Default, Debug)]
struct Enabled {
    condstore: bool,
    qresync: bool,
    rev2: bool,
}

/// How a command ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    status: &'static str,
    code: Option<String>,
    text: String,
}

impl Answer {
    fn ok(text: &str) -> Self {
        Self { status: "OK", code: None, text: text.to_owned() }
    }

    fn no(text: &str) -> Self {
        Self { status: "NO", code: None, text: text.to_owned() }
    }

    fn bad(text: &str) -> Self {
        Self { status: "BAD", code: None, text: text.to_owned() }
    }

    fn with(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// A refusal, with its code where the server tells codes.
    fn refused(refusal: Refusal, config: &Config) -> Self {
        let answer = Self::no(refusal.text());
        if config.personality.codes { answer.with(refusal.code()) } else { answer }
    }
}

/// What a handler gives: an `Err` is as good an answer as an `Ok`, and ends it early.
type Outcome = Result<Answer, Answer>;

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    framer: Framer,
    /// What was said and is not on its way.
    out: Vec<u8>,
    /// What waits to be sent.
    wire: Wire,
    /// What was said to the last command, where somebody may want to say it again.
    before: Vec<u8>,
    mode: Mode,
    user: Option<String>,
    selected: Option<Selected>,
    enabled: Enabled,
    identified: bool,
    errors: u32,
    /// After the next answer the connection ends.
    parting: bool,
    /// The server has said its last word.
    closed: bool,
    /// Both directions are compressed, or are from the next command on.
    compressing: bool,
    compression: Option<Compression>,
    active: Duration,
    /// When a client in IDLE is told what has happened.
    notice: Option<Duration>,
}

impl Session {
    pub(crate) fn new(line: Line, now: Duration) -> Self {
        Self {
            framer: Framer::default(),
            out: Vec::new(),
            wire: Wire::new(line),
            before: Vec::new(),
            mode: Mode::Commands,
            user: None,
            selected: None,
            enabled: Enabled::default(),
            identified: false,
            errors: 0,
            parting: false,
            closed: false,
            compressing: false,
            compression: None,
            active: now,
            notice: None,
        }
    }

    pub(crate) fn greet(&mut self, world: &World<'_>) {
        let capabilities = self.capabilities(world.config);
        self.line(&format!("* OK [CAPABILITY {capabilities}] IMAP server ready"));
    }

    /// Too many are connected.
    pub(crate) fn turn_away(&mut self) {
        self.bye("Too many connections");
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.mode, Mode::Idle(_))
    }

    /// Takes octets of the client.
    pub(crate) fn receive(&mut self, mut octets: &[u8], world: &mut World<'_>) {
        self.active = world.now;
        let (arrived, cut) = self.wire.arrived(octets);
        octets = arrived;
        while !octets.is_empty() && !self.closed {
            let Some(compression) = &mut self.compression else {
                octets = self.take(octets, world);
                if self.compressing {
                    self.flush();
                    self.compression = Some(Compression::new());
                }
                continue;
            };
            match compression.inflate(octets) {
                Some((taken, piece)) => {
                    octets = &octets[taken..];
                    self.take(&piece, world);
                }
                None => self.closed = true,
            }
        }
        self.inflate_rest(world);
        self.flush();
        if cut || self.wire.len() > world.config.personality.limits.waiting_bytes {
            self.wire.clear();
            self.closed = true;
        }
    }

    /// What is inflated may be more than one piece of the last octets.
    fn inflate_rest(&mut self, world: &mut World<'_>) {
        while let Some(compression) = self.compression.as_mut().filter(|_| !self.closed) {
            match compression.inflate(&[]) {
                Some((_, piece)) if !piece.is_empty() => _ = self.take(&piece, world),
                Some(_) | None => return,
            }
        }
    }

    /// Runs the commands in plain octets; gives back those that follow the one that began to compress.
    fn take<'o>(&mut self, octets: &'o [u8], world: &mut World<'_>) -> &'o [u8] {
        let mut left = octets;
        let compressing = self.compressing;
        while !left.is_empty() && !self.closed && self.compressing == compressing {
            let (taken, frame) = self.framer.take(left, matches!(self.mode, Mode::Commands));
            left = &left[taken..];
            match frame {
                None => {}
                Some(Frame::Command(parts)) => self.command(parts, world),
                Some(Frame::Literal(_)) => self.announced(world),
                Some(Frame::TooLong(line)) => self.too_long(&line),
            }
        }
        left
    }

    /// What was said goes on its way.
    fn flush(&mut self) {
        match &mut self.compression {
            None => self.wire.put(&mut self.out),
            Some(_) if self.out.is_empty() => {}
            Some(compression) => {
                let mut deflated = Vec::new();
                compression.deflate(&self.out, &mut deflated);
                self.out.clear();
                self.wire.put(&mut deflated);
            }
        }
    }

    /// What is to be sent now.
    pub(crate) fn take_output(&mut self, now: Duration) -> Vec<u8> {
        self.flush();
        self.wire.take(now)
    }

    /// Whether nothing more will be said, and all was taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.is_cut() || (self.closed && self.out.is_empty() && self.wire.is_over())
    }

    /// Whatever the client is to be told while it is in IDLE, if it is time.
    pub(crate) fn notify(&mut self, world: &mut World<'_>) {
        if !self.is_idle() {
            return;
        }
        if !self.has_news(world) {
            self.notice = self.next_visible(world);
            return;
        }
        let Some(delay) = world.config.personality.idle_after else { return };
        let at = *self.notice.get_or_insert(world.now + delay);
        if at <= world.now {
            self.notice = None;
            self.sync(true, world);
        }
    }

    /// When something happens by itself.
    pub(crate) fn timeout(&self) -> Duration {
        let piece = self.wire.timeout().unwrap_or(Duration::MAX);
        self.notice.unwrap_or(Duration::MAX).min(self.active + SILENCE_MAX).min(piece)
    }

    pub(crate) fn handle_timeout(&mut self, world: &mut World<'_>) {
        if self.active + SILENCE_MAX <= world.now && !self.closed {
            self.bye("Autologout: silent for too long");
        }
        self.notify(world);
    }

    fn line(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn bye(&mut self, text: &str) {
        self.line(&format!("* BYE {text}"));
        self.closed = true;
    }

    fn answer(&mut self, tag: &str, answer: &Answer) {
        let code = answer.code.as_ref().map(|code| format!("[{code}] ")).unwrap_or_default();
        self.line(&format!("{tag} {} {code}{}", answer.status, answer.text));
    }

    fn too_long(&mut self, line: &[u8]) {
        self.mode = Mode::Commands;
        let tag = command::tag(line).map_or("*", |(tag, _)| tag).to_owned();
        self.wrong(&tag, "Command is too long");
    }

    fn wrong(&mut self, tag: &str, why: &str) {
        self.answer(tag, &Answer::bad(why));
        self.errors += 1;
        if self.errors >= ERRORS_MAX {
            self.bye("Too many errors");
        }
    }

    /// A literal is announced: it is asked for, or the command is refused before it comes.
    fn announced(&mut self, world: &mut World<'_>) {
        let parts = self.framer.begun();
        let parts = if self.enabled.rev2 { command::without_utf8(parts) } else { parts };
        let line = parts.first().map_or(&[][..], |part| &part.text);
        let tag = command::tag(line).map_or("*", |(tag, _)| tag).to_owned();
        let Some(announced) = self.framer.announced() else { return };
        let message = command::is_message(&parts);
        let unasked = !announced.synchronising;
        let small = announced.size <= 4096;
        let has = |extension| world.config.has(extension);
        let refusal = if unasked && !has(Extension::LiteralPlus) && !has(Extension::LiteralMinus) {
            // What comes is read as commands: the client was not told that it may send it.
            self.framer.forget();
            return self.wrong(&tag, "Literals have to be asked for here");
        } else if unasked && !has(Extension::LiteralPlus) && !small {
            Some(Answer::bad("Literal is too big to come unasked").with("TOOBIG"))
        } else if !message && announced.size > STRING_BYTES_MAX {
            Some(Answer::bad("Literal is too big").with("TOOBIG"))
        } else if message {
            self.refuse_append(&parts, announced.size, world)
        } else {
            None
        };
        match refusal {
            Some(answer) => {
                self.framer.refuse();
                self.answer(&tag, &answer);
            }
            None => {
                self.framer.accept();
                if announced.synchronising {
                    self.line("+ OK");
                }
            }
        }
    }

    fn command(&mut self, parts: Vec<Part>, world: &mut World<'_>) {
        let line = parts.first().map_or(&[][..], |part| &part.text);
        match std::mem::take(&mut self.mode) {
            Mode::Commands => {}
            Mode::Idle(tag) => {
                self.notice = None;
                if line.eq_ignore_ascii_case(b"DONE") {
                    self.sync(true, world);
                    return self.answer(&tag, &Answer::ok("Idle completed"));
                }
                return self.wrong(&tag, "Expected DONE");
            }
            Mode::Authenticate(tag, exchange) => return self.authenticate(&tag, exchange, line, world),
        }
        let name = command::name(line);
        let parts = if self.enabled.rev2 { command::without_utf8(parts) } else { parts };
        match command::parse(parts) {
            Err(Wrong { tag, why }) => self.wrong(tag.as_deref().unwrap_or("*"), why),
            Ok((tag, request)) => self.run(&tag, &name, request, world),
        }
    }

    fn perform(&mut self, tag: &str, name: &str, request: Request, world: &mut World<'_>) {
        let Some(answer) = self.dispatch(tag, request, world) else { return };
        self.chatter(world);
        // The numbers of messages that a command goes by may not change under it (RFC 3501 section 7.4.1).
        let fixed = matches!(name, "FETCH" | "STORE" | "SEARCH");
        if self.parting {
            self.answer(tag, &answer);
            return self.bye("The selected mailbox was deleted");
        }
        if !self.closed && answer.status != "BAD" {
            self.sync(!fixed, world);
        }
        if !self.closed || answer.text.starts_with("Logout") {
            self.answer(tag, &answer);
        }
    }

    /// `None` if the answer comes later.
    fn dispatch(&mut self, tag: &str, request: Request, world: &mut World<'_>) -> Option<Answer> {
        let outcome = match request {
            Request::Append { mailbox, messages } => self.append(&mailbox, messages, world),
            Request::List(list) => self.list(&list, world),
            Request::Search { returns, search } => self.search(tag, *search, Some(&returns), world),
            Request::Plain(body) => match *body {
                CommandBody::Authenticate { mechanism, initial_response } => {
                    let response = initial_response.map(|response| response.declassify().to_vec());
                    return self.begin_authentication(tag, &mechanism, response, world);
                }
                CommandBody::Idle => match self.begin_idle(tag, world) {
                    Ok(()) => return None,
                    Err(answer) => Err(answer),
                },
                body @ CommandBody::Search { .. } => self.search(tag, body, None, world),
                body @ (CommandBody::Capability
                | CommandBody::Noop
                | CommandBody::Logout
                | CommandBody::StartTLS
                | CommandBody::Login { .. }
                | CommandBody::Id { .. }
                | CommandBody::Enable { .. }
                | CommandBody::Compress { .. }) => self.any_state(body, world),
                body => self.logged_in(body, world),
            },
        };
        Some(outcome.unwrap_or_else(|refused| refused))
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "what is not listed is no command here")]
    fn logged_in(&mut self, body: CommandBody<'static>, world: &mut World<'_>) -> Outcome {
        self.account(world)?;
        match body {
            CommandBody::Select { mailbox, parameters } => self.select(&mailbox, &parameters, false, world),
            CommandBody::Examine { mailbox, parameters } => self.select(&mailbox, &parameters, true, world),
            CommandBody::Create { mailbox } => self.create(&mailbox, world),
            CommandBody::Delete { mailbox } => self.delete(&mailbox, world),
            CommandBody::Rename { from, to } => self.rename(&from, &to, world),
            CommandBody::Subscribe { mailbox } => self.subscribe(&mailbox, world),
            CommandBody::Unsubscribe { mailbox } => self.unsubscribe(&mailbox, world),
            CommandBody::Lsub { reference, mailbox_wildcard } => {
                self.lsub(&reference, &mailbox_wildcard, world)
            }
            CommandBody::Status { mailbox, item_names } => self.status(&mailbox, &item_names, world),
            CommandBody::Namespace => self.namespace(world),
            CommandBody::GetQuota { root } => self.quota(&root, world),
            CommandBody::GetQuotaRoot { mailbox } => self.quota_root(&mailbox, world),
            CommandBody::SetQuota { .. } => Err(Answer::no("Quotas cannot be set").with("NOPERM")),
            CommandBody::Check => self.mailbox(world).map(|_| Answer::ok("Check completed")),
            CommandBody::Close => self.close(world),
            CommandBody::Unselect => self.unselect(world),
            CommandBody::Expunge => self.expunge(None, world),
            CommandBody::ExpungeUid { sequence_set } => self.expunge(Some(&sequence_set), world),
            CommandBody::Fetch { sequence_set, macro_or_item_names, uid, modifiers } => {
                self.fetch(&sequence_set, macro_or_item_names, uid, &modifiers, world)
            }
            CommandBody::Store { sequence_set, kind, response, flags, uid, modifiers } => {
                self.store(&sequence_set, &(kind, response), &flags, uid, &modifiers, world)
            }
            CommandBody::Copy { sequence_set, mailbox, uid } => {
                self.transfer(&sequence_set, &mailbox, uid, false, world)
            }
            CommandBody::Move { sequence_set, mailbox, uid } => {
                Self::needs(Extension::Move, world)?;
                self.transfer(&sequence_set, &mailbox, uid, true, world)
            }
            _ => Err(Answer::bad("Unknown command")),
        }
    }

    fn begin_idle(&mut self, tag: &str, world: &mut World<'_>) -> Result<(), Answer> {
        self.account(world)?;
        Self::needs(Extension::Idle, world)?;
        self.line("+ idling");
        self.mode = Mode::Idle(tag.to_owned());
        self.notify(world);
        Ok(())
    }

    /// A command of an extension that the server does not have is unknown.
    fn needs(extension: Extension, world: &World<'_>) -> Result<(), Answer> {
        match world.config.has(extension) {
            true => Ok(()),
            false => Err(Answer::bad("Unknown command")),
        }
    }

    /// The user's mail; BAD before the login.
    fn account<'w>(&self, world: &'w mut World<'_>) -> Result<&'w mut Account, Answer> {
        let account = self.user.as_ref().and_then(|user| world.accounts.get_mut(user));
        account.ok_or_else(|| Answer::bad("Please log in first"))
    }

    /// The selected mailbox; BAD if there is none, NO if it was deleted.
    fn mailbox<'w>(&self, world: &'w mut World<'_>) -> Result<&'w mut Mailbox, Answer> {
        let id = self.selected_id()?;
        let mailbox = self.account(world)?.mailbox_mut(id);
        mailbox.ok_or_else(|| Answer::no("The selected mailbox was deleted").with("NONEXISTENT"))
    }

    fn selected_id(&self) -> Result<MailboxId, Answer> {
        let selected = self.selected.as_ref().ok_or_else(|| Answer::bad("No mailbox selected"))?;
        Ok(selected.id)
    }
}
