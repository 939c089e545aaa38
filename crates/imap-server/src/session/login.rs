//! Who the client is, and what the server can do: the commands of any state, and of the state before the login.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use imap_codec::imap_types::{
    auth::AuthMechanism, command::CommandBody, extensions::enable::CapabilityEnable, secret::Secret,
};

use super::{Answer, Mode, Outcome, Session, World};
use crate::{
    Config, Extension,
    sasl::{self, Exchange, Step},
};

impl Session {
    pub(super) fn any_state(&mut self, body: CommandBody<'static>, world: &mut World<'_>) -> Outcome {
        match body {
            CommandBody::Capability => {
                let capabilities = self.capabilities(world.config);
                self.line(&format!("* CAPABILITY {capabilities}"));
                Ok(Answer::ok("Capability completed"))
            }
            CommandBody::Noop => Ok(Answer::ok("NOOP completed")),
            CommandBody::Logout => {
                self.bye("Logging out");
                Ok(Answer::ok("Logout completed"))
            }
            CommandBody::Login { username, password } => {
                let user = String::from_utf8_lossy(username.as_ref()).into_owned();
                self.log_in(&user, password.declassify().as_ref(), world)
            }
            CommandBody::Id { .. } => {
                Self::needs(Extension::Id, world)?;
                self.identified = true;
                self.line("* ID (\"name\" \"sma-imap-server\")");
                Ok(Answer::ok("ID completed"))
            }
            CommandBody::Enable { capabilities } => self.enable(capabilities.as_ref(), world),
            CommandBody::Compress { .. } => {
                self.account(world)?;
                Self::needs(Extension::Compress, world)?;
                if self.compressing {
                    return Err(Answer::no("Compression is active already").with("COMPRESSIONACTIVE"));
                }
                self.compressing = true;
                Ok(Answer::ok("DEFLATE active"))
            }
            // STARTTLS: there is no TLS here.
            _ => Err(Answer::bad("Unknown command")),
        }
    }

    /// What CAPABILITY tells in this state.
    pub(super) fn capabilities(&self, config: &Config) -> String {
        let known = self.user.is_some();
        let mut words = vec![Cow::Borrowed("IMAP4rev1")];
        for extension in &config.personality.extensions {
            if *extension == Extension::Compress && self.compressing {
                continue;
            }
            match extension {
                Extension::AppendLimit if known => {
                    words
                        .push(Cow::Owned(format!("APPENDLIMIT={}", config.personality.limits.message_bytes)));
                }
                Extension::Quota if known => {
                    words.extend([Cow::Borrowed("QUOTA"), Cow::Borrowed("QUOTA=RES-STORAGE")]);
                }
                _ if known || extension.is_told_before_login() => words.push(Cow::Borrowed(extension.name())),
                _ => {}
            }
        }
        if !known {
            let mechanisms = config.mechanisms().iter();
            words.extend(mechanisms.map(|mechanism| Cow::Owned(format!("AUTH={}", mechanism.name()))));
            if !config.has_login() {
                words.push(Cow::Borrowed("LOGINDISABLED"));
            }
        }
        words.join(" ")
    }

    fn log_in(&mut self, user: &str, password: &[u8], world: &mut World<'_>) -> Outcome {
        if self.user.is_some() {
            return Err(Answer::bad("Already logged in"));
        }
        if !world.config.has_login() {
            return Err(Answer::no("LOGIN is disabled").with("PRIVACYREQUIRED"));
        }
        if !sasl::is_password(user, password, world.config) {
            return Err(self.refuse_login());
        }
        self.enter(user, world)
    }

    fn refuse_login(&mut self) -> Answer {
        self.errors += 4;
        if self.errors >= super::ERRORS_MAX {
            self.bye("Too many refused logins");
        }
        Answer::no("Authentication failed").with("AUTHENTICATIONFAILED")
    }

    fn enter(&mut self, user: &str, world: &mut World<'_>) -> Outcome {
        let sessions = world.sessions.get(user).copied().unwrap_or(0);
        if sessions >= world.config.personality.limits.sessions_of_user {
            return Err(Answer::no("Too many connections of this user").with("LIMIT"));
        }
        self.user = Some(user.to_owned());
        let answer = Answer::ok("Logged in");
        Ok(match world.config.personality.tells_capabilities {
            true => answer.with(format!("CAPABILITY {}", self.capabilities(world.config))),
            false => answer,
        })
    }

    pub(super) fn begin_authentication(
        &mut self,
        tag: &str,
        mechanism: &AuthMechanism<'_>,
        response: Option<Vec<u8>>,
        world: &mut World<'_>,
    ) -> Option<Answer> {
        if self.user.is_some() {
            return Some(Answer::bad("Already logged in"));
        }
        if response.is_some() && !world.config.has(Extension::SaslIr) {
            return Some(Answer::bad("An initial response is not expected here"));
        }
        let name = mechanism.to_string();
        let known = world.config.mechanisms().iter().find(|known| known.name().eq_ignore_ascii_case(&name));
        let Some(mechanism) = known.copied() else {
            return Some(Answer::no("No such mechanism").with("CANNOT"));
        };
        let exchange = Exchange::new(mechanism);
        match response {
            Some(response) => self.step(tag, exchange, &response, world),
            None => {
                self.line("+ ");
                self.mode = Mode::Authenticate(tag.to_owned(), exchange);
                None
            }
        }
    }

    /// A line of an exchange.
    pub(super) fn authenticate(&mut self, tag: &str, exchange: Exchange, line: &[u8], world: &mut World<'_>) {
        let answer = if line == b"*" {
            Some(Answer::bad("Authentication cancelled"))
        } else {
            match STANDARD.decode(line).map(Secret::new) {
                Ok(response) => self.step(tag, exchange, response.declassify(), world),
                Err(_) => Some(Answer::bad("Invalid base64")),
            }
        };
        if let Some(answer) = answer {
            self.answer(tag, &answer);
        }
    }

    /// `None` if the client has to go on.
    fn step(
        &mut self,
        tag: &str,
        exchange: Exchange,
        response: &[u8],
        world: &mut World<'_>,
    ) -> Option<Answer> {
        match sasl::step(exchange, response, world.config, world.rng) {
            Step::Continue(challenge, exchange) => {
                self.line(&format!("+ {}", STANDARD.encode(challenge)));
                self.mode = Mode::Authenticate(tag.to_owned(), exchange);
                None
            }
            Step::Done(user) => Some(self.enter(&user, world).unwrap_or_else(|refused| refused)),
            Step::Refused => Some(self.refuse_login()),
            // Nobody may act for somebody else.
            Step::Unauthorized => Some(Answer::no("Authorization failed").with("AUTHORIZATIONFAILED")),
            Step::Malformed => Some(Answer::bad("Invalid response of the mechanism")),
        }
    }

    fn enable(&mut self, capabilities: &[CapabilityEnable<'_>], world: &mut World<'_>) -> Outcome {
        self.account(world)?;
        Self::needs(Extension::Enable, world)?;
        let mut enabled = Vec::new();
        for capability in capabilities {
            let name = capability.to_string().to_ascii_uppercase();
            match name.as_str() {
                "CONDSTORE" if world.config.has(Extension::CondStore) => self.enabled.condstore = true,
                "QRESYNC" if world.config.has(Extension::QResync) => {
                    (self.enabled.condstore, self.enabled.qresync) = (true, true);
                }
                "IMAP4REV2" if world.config.has(Extension::Imap4Rev2) => self.enabled.rev2 = true,
                _ => continue,
            }
            enabled.push(if name == "IMAP4REV2" { "IMAP4rev2".to_owned() } else { name });
        }
        let names: String = enabled.iter().map(|name| format!(" {name}")).collect();
        self.line(&format!("* ENABLED{names}"));
        Ok(Answer::ok("Enabled"))
    }
}
