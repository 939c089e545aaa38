//! APPEND (RFC 3501 section 6.3.11), of one message or of many (RFC 3502).

use std::{sync::Arc, time::Duration};

use super::{Answer, Outcome, Session, World};
use crate::{
    Config, Extension,
    account::{ALL_MAIL, Account, MailboxId, Refusal},
    chance::Chance,
    command::{self, Appended},
    flags::Flags,
    framing::Part,
    mailbox::Body,
    mime, output,
    personality::{Headers, Newlines},
};

impl World<'_> {
    /// From when on others see what is there now.
    pub(super) fn visible_at(&mut self) -> Duration {
        let most = u32::try_from(self.config.personality.visible_after.as_millis()).unwrap_or(u32::MAX);
        self.now + Duration::from_millis(u64::from(self.rng.below(most.saturating_add(1))))
    }
}

/// A message with the flags that it gets, and its keywords as the client spelt them.
struct Ready {
    body: Arc<Body>,
    flags: Flags,
    spelt: Vec<String>,
}

impl Session {
    /// Why a message need not be sent at all: it is told before the client sends it.
    pub(super) fn refuse_append(&self, parts: &[Part], size: u64, world: &mut World<'_>) -> Option<Answer> {
        let config = world.config;
        if let Err(answer) = self.account(world) {
            return Some(answer);
        }
        let target = self.kept(&command::append_target(parts)?);
        let id = match self.target(&target, world) {
            Ok(id) => id,
            Err(answer) => return Some(answer),
        };
        if size > config.personality.limits.message_bytes {
            return Some(Answer::refused(Refusal::TooBig, config));
        }
        // Those that came before it in the same command count as well.
        let before =
            parts.iter().filter_map(|part| part.literal.as_ref()).map(|literal| literal.len() as u64);
        let sizes: Vec<u64> = before.chain([size]).collect();
        let room = self.account(world).ok()?.room(id, &sizes, &config.personality.limits);
        room.err().map(|refusal| Answer::refused(refusal, config))
    }

    /// A mailbox that messages go to.
    pub(super) fn target(&self, name: &str, world: &mut World<'_>) -> Result<MailboxId, Answer> {
        // TRYCREATE is no matter of taste (RFC 3501 section 6.3.11).
        self.find(name, world).map_err(|_| Answer::no(Refusal::NonExistent.text()).with("TRYCREATE"))
    }

    pub(super) fn append(&mut self, name: &str, messages: Vec<Appended>, world: &mut World<'_>) -> Outcome {
        let config = world.config;
        self.account(world)?;
        let id = self.target(&self.kept(name), world)?;
        if messages.len() > 1 {
            Self::needs(Extension::MultiAppend, world)?;
        }
        let now = i64::try_from(world.now.as_secs()).unwrap_or(i64::MAX);
        let ready: Result<Vec<_>, _> = messages.into_iter().map(|one| ready(one, now, config)).collect();
        let ready = ready?;
        // All or nothing.
        let sizes: Vec<u64> = ready.iter().map(|one| one.body.octets.len() as u64).collect();
        let room = self.account(world)?.room(id, &sizes, &config.personality.limits);
        room.map_err(|refusal| Answer::refused(refusal, config))?;
        let mut uids = Vec::new();
        for one in ready {
            let visible_at = world.visible_at();
            let account = self.account(world)?;
            let added = match config.personality.labels {
                true => add_label(account, id, &one, visible_at, config),
                false => account.add(id, &one.body, &one.flags, &one.spelt, visible_at),
            };
            uids.push(added.map_err(|refusal| Answer::refused(refusal, config))?);
        }
        let validity = self.account(world)?.mailbox(id).map_or(0, |mailbox| mailbox.validity);
        let answer = Answer::ok("Append completed");
        Ok(match Self::tells_uids(world) {
            true => answer.with(format!("APPENDUID {validity} {}", output::set(uids))),
            false => answer,
        })
    }

    pub(super) fn tells_uids(world: &World<'_>) -> bool {
        world.config.has(Extension::UidPlus) && world.config.personality.tells_append_uid
    }
}

fn ready(message: Appended, now: i64, config: &Config) -> Result<Ready, Answer> {
    let personality = &config.personality;
    let flags = Flags::named(&message.flags).ok_or_else(|| Answer::bad("Invalid system flag"))?;
    let flags = if personality.keywords { flags } else { flags.without_keywords() };
    if message.octets.is_empty() {
        return Err(Answer::no("A message cannot be empty"));
    }
    let octets = match personality.newlines {
        Newlines::Kept => message.octets,
        Newlines::Converted => converted(&message.octets),
        Newlines::Refused if converted(&message.octets) != message.octets || message.octets.contains(&0) => {
            return Err(Answer::no("Message contains bare newlines or NUL"));
        }
        Newlines::Refused => message.octets,
    };
    let octets = with_header(octets, personality.headers);
    let date = message.date.map_or(now, |date| date.as_ref().timestamp());
    let spelt = message.flags.iter().map(ToString::to_string).filter(|flag| !flag.starts_with('\\'));
    let spelt = if personality.keywords { spelt.collect() } else { Vec::new() };
    Ok(Ready { body: Arc::new(Body { octets, date }), flags, spelt })
}

/// With CRLF at the end of each line.
fn converted(octets: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(octets.len());
    for (at, octet) in octets.iter().enumerate() {
        if *octet == b'\n' && (at == 0 || octets[at - 1] != b'\r') {
            converted.push(b'\r');
        }
        converted.push(*octet);
    }
    converted
}

fn with_header(mut octets: Vec<u8>, ways: Headers) -> Vec<u8> {
    const KNOWN: [&[u8]; 13] = [
        b"Date",
        b"From",
        b"Sender",
        b"Reply-To",
        b"To",
        b"Cc",
        b"Bcc",
        b"Message-ID",
        b"In-Reply-To",
        b"References",
        b"Subject",
        b"MIME-Version",
        b"Comments",
    ];
    let node = mime::parts(&octets);
    let mut fields = mime::fields(mime::header(&octets, &node));
    match ways {
        Headers::Kept => return octets,
        Headers::Munged => {
            let end = node.header.end;
            octets[..end].iter_mut().filter(|octet| **octet > 127).for_each(|octet| *octet = b'X');
            return octets;
        }
        Headers::Stripped => fields.retain(|(name, _)| {
            let mime = name.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"Content-"));
            mime || KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
        }),
        Headers::Rewritten => fields.reverse(),
    }
    let mut rewritten = Vec::with_capacity(octets.len());
    for (name, field) in fields {
        match ways {
            Headers::Rewritten => {
                rewritten.extend_from_slice(name);
                rewritten.extend_from_slice(b":\r\n ");
                rewritten.extend_from_slice(&mime::unfolded(field));
                rewritten.extend_from_slice(b"\r\n");
            }
            Headers::Kept | Headers::Munged | Headers::Stripped => rewritten.extend_from_slice(field),
        }
    }
    if ways == Headers::Rewritten {
        rewritten.extend_from_slice(b"X-Scanned: yes\r\n");
    }
    rewritten.extend_from_slice(b"\r\n");
    rewritten.extend_from_slice(mime::text(&octets, &node));
    rewritten
}

/// A message with a Message-ID that is there already is that one, with its date; in a mailbox it is once.
fn add_label(
    account: &mut Account,
    id: MailboxId,
    one: &Ready,
    visible_at: Duration,
    config: &Config,
) -> Result<u32, Refusal> {
    let Some(all) = account.find(ALL_MAIL, &config.personality) else {
        return account.add(id, &one.body, &one.flags, &one.spelt, visible_at);
    };
    let known =
        message_id(&one.body).and_then(|name| same(account, all, &name).map(|(_, body)| (name, body)));
    let body = match known {
        Some((name, body)) => {
            if let Some((uid, _)) = same(account, id, &name) {
                return Ok(uid);
            }
            body
        }
        None => {
            let uid = account.add(all, &one.body, &one.flags, &one.spelt, visible_at)?;
            if id == all {
                return Ok(uid);
            }
            one.body.clone()
        }
    };
    account.add(id, &body, &one.flags, &one.spelt, visible_at)
}

fn same(account: &Account, id: MailboxId, name: &[u8]) -> Option<(u32, Arc<Body>)> {
    let mut messages = account.mailbox(id)?.messages(Duration::MAX);
    let found = messages.find(|(_, message)| message_id(&message.body).as_deref() == Some(name));
    found.map(|(uid, message)| (uid, message.body.clone()))
}

fn message_id(body: &Body) -> Option<Vec<u8>> {
    mime::first(&body.octets, "Message-ID").filter(|name| !name.is_empty())
}
