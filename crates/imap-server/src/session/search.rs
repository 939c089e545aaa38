//! SEARCH (RFC 3501 section 6.4.4), and its answer in the form of RFC 4731.

use chrono::{DateTime, NaiveDate};
use imap_codec::imap_types::{
    command::CommandBody,
    core::{AString, Charset},
    search::SearchKey,
    sequence::SequenceSet,
};
use mail_parser::MessageParser;

use super::{
    Answer, Outcome, Session, World,
    selected::{Entry, Selected},
};
use crate::{
    Extension,
    command::Return,
    flags::{ANSWERED, DELETED, DRAFT, FLAGGED, SEEN},
    mime, output,
};

impl Session {
    pub(super) fn search(
        &mut self,
        tag: &str,
        search: CommandBody<'static>,
        returns: Option<&[Return]>,
        world: &mut World<'_>,
    ) -> Outcome {
        let CommandBody::Search { charset, criteria, uid } = search else {
            return Err(Answer::bad("Unknown command"));
        };
        if returns.is_some() && !self.enabled.rev2 {
            Self::needs(Extension::ESearch, world)?;
        }
        if let Some(charset) = charset.as_ref().filter(|charset| !is_known(charset)) {
            let _ = charset;
            return Err(Answer::no("Charset is not known").with("BADCHARSET (US-ASCII UTF-8)"));
        }
        let by_modseq = criteria.as_ref().iter().any(asks_modseq);
        if by_modseq {
            Self::needs(Extension::CondStore, world)?;
            self.enabled.condstore = true;
        }
        let star_is_last = world.config.personality.star_is_last;
        let selected = self.selected.take().ok_or_else(|| Answer::bad("No mailbox selected"))?;
        let found =
            found(&selected, criteria.as_ref(), star_is_last, self.modseqs(&selected, world).as_slice());
        self.selected = Some(selected);
        let found = found?;
        let highest = found.iter().map(|(_, _, modseq)| *modseq).max().filter(|_| by_modseq);
        let numbers: Vec<u32> = found.iter().map(|(at, of, _)| if uid { *of } else { *at }).collect();
        match returns {
            None if self.enabled.rev2 => self.esearch(tag, uid, &[Return::All], &numbers, highest),
            Some(returns) => self.esearch(tag, uid, returns, &numbers, highest),
            None => {
                let words: String = numbers.iter().map(|number| format!(" {number}")).collect();
                let modseq = highest.map(|modseq| format!(" (MODSEQ {modseq})")).unwrap_or_default();
                self.line(&format!("* SEARCH{words}{modseq}"));
            }
        }
        Ok(Answer::ok("Search completed"))
    }

    fn esearch(&mut self, tag: &str, uid: bool, returns: &[Return], numbers: &[u32], modseq: Option<u64>) {
        let mut line = format!("* ESEARCH (TAG \"{tag}\")");
        if uid {
            line.push_str(" UID");
        }
        for wanted in returns {
            let value = match wanted {
                Return::Min => numbers.first().map(|number| format!(" MIN {number}")),
                Return::Max => numbers.last().map(|number| format!(" MAX {number}")),
                Return::All => {
                    (!numbers.is_empty()).then(|| format!(" ALL {}", output::set(numbers.iter().copied())))
                }
                Return::Count => Some(format!(" COUNT {}", numbers.len())),
            };
            line.push_str(&value.unwrap_or_default());
        }
        if let Some(modseq) = modseq {
            line.push_str(&format!(" MODSEQ {modseq}"));
        }
        self.line(&line);
    }

    /// The modification sequence of each message as it is now.
    fn modseqs(&self, selected: &Selected, world: &mut World<'_>) -> Vec<u64> {
        let mailbox = self.account(world).ok().and_then(|account| account.mailbox(selected.id));
        let now = |entry: &Entry| {
            mailbox.and_then(|mailbox| mailbox.message(entry.uid)).map(|message| message.modseq)
        };
        selected.entries.iter().map(|entry| now(entry).unwrap_or(entry.modseq)).collect()
    }
}

fn is_known(charset: &Charset<'_>) -> bool {
    let name = charset.as_ref();
    name.eq_ignore_ascii_case("US-ASCII") || name.eq_ignore_ascii_case("UTF-8")
}

/// imap-codec bounds the depth of keys, so this ends.
fn asks_modseq(key: &SearchKey<'_>) -> bool {
    match key {
        SearchKey::ModSequence { .. } => true,
        SearchKey::And(keys) => keys.as_ref().iter().any(asks_modseq),
        SearchKey::Not(key) => asks_modseq(key),
        SearchKey::Or(one, other) => asks_modseq(one) || asks_modseq(other),
        _ => false,
    }
}

/// Number, UID and modification sequence of what is found.
fn found(
    selected: &Selected,
    keys: &[SearchKey<'_>],
    star_is_last: bool,
    modseqs: &[u64],
) -> Result<Vec<(u32, u32, u64)>, Answer> {
    let mut found = Vec::new();
    for (at, entry) in selected.entries.iter().enumerate() {
        let one = One { selected, at, entry, modseq: modseqs.get(at).copied().unwrap_or(0), star_is_last };
        let mut all = true;
        for key in keys {
            all = all && one.matches(key)?;
        }
        if all {
            found.push((u32::try_from(at + 1).unwrap_or(u32::MAX), entry.uid, one.modseq));
        }
    }
    Ok(found)
}

/// A message that is looked at.
struct One<'a> {
    selected: &'a Selected,
    at: usize,
    entry: &'a Entry,
    modseq: u64,
    star_is_last: bool,
}

impl One<'_> {
    /// imap-codec bounds the depth of keys, so this ends.
    fn matches(&self, key: &SearchKey<'_>) -> Result<bool, Answer> {
        let flags = &self.entry.flags;
        let recent = || self.selected.recent.contains(&self.entry.uid);
        let octets = &self.entry.body.octets;
        let size = octets.len() as u64;
        Ok(match key {
            SearchKey::And(keys) => {
                for key in keys.as_ref() {
                    if !self.matches(key)? {
                        return Ok(false);
                    }
                }
                true
            }
            SearchKey::Not(key) => !self.matches(key)?,
            SearchKey::Or(one, other) => self.matches(one)? || self.matches(other)?,
            SearchKey::SequenceSet(set) => self.is_in(set, false)?,
            SearchKey::Uid(set) => self.is_in(set, true)?,
            SearchKey::All => true,
            SearchKey::Answered => flags.has(&ANSWERED),
            SearchKey::Unanswered => !flags.has(&ANSWERED),
            SearchKey::Deleted => flags.has(&DELETED),
            SearchKey::Undeleted => !flags.has(&DELETED),
            SearchKey::Draft => flags.has(&DRAFT),
            SearchKey::Undraft => !flags.has(&DRAFT),
            SearchKey::Flagged => flags.has(&FLAGGED),
            SearchKey::Unflagged => !flags.has(&FLAGGED),
            SearchKey::Seen => flags.has(&SEEN),
            SearchKey::Unseen => !flags.has(&SEEN),
            SearchKey::Keyword(keyword) => flags.has_keyword(keyword.as_ref()),
            SearchKey::Unkeyword(keyword) => !flags.has_keyword(keyword.as_ref()),
            SearchKey::Recent => recent(),
            SearchKey::Old => !recent(),
            SearchKey::New => recent() && !flags.has(&SEEN),
            SearchKey::Larger(bound) => size > u64::from(*bound),
            SearchKey::Smaller(bound) => size < u64::from(*bound),
            SearchKey::Before(date) => self.arrived() < *date.as_ref(),
            SearchKey::On(date) => self.arrived() == *date.as_ref(),
            SearchKey::Since(date) => self.arrived() >= *date.as_ref(),
            SearchKey::SentBefore(date) => self.sent().is_some_and(|sent| sent < *date.as_ref()),
            SearchKey::SentOn(date) => self.sent().is_some_and(|sent| sent == *date.as_ref()),
            SearchKey::SentSince(date) => self.sent().is_some_and(|sent| sent >= *date.as_ref()),
            SearchKey::Bcc(text) => self.field_has("Bcc", text),
            SearchKey::Cc(text) => self.field_has("Cc", text),
            SearchKey::From(text) => self.field_has("From", text),
            SearchKey::To(text) => self.field_has("To", text),
            SearchKey::Subject(text) => self.field_has("Subject", text),
            SearchKey::Header(name, text) => self.field_has(&String::from_utf8_lossy(name.as_ref()), text),
            SearchKey::Body(text) => self.body_has(text),
            SearchKey::Text(text) => {
                let node = mime::parts(octets);
                contains(mime::header(octets, &node), text.as_ref()) || self.body_has(text)
            }
            SearchKey::ModSequence { modseq, .. } => self.modseq >= *modseq,
        })
    }

    fn is_in(&self, set: &SequenceSet, uid: bool) -> Result<bool, Answer> {
        Ok(self.selected.resolve(set, uid, self.star_is_last)?.binary_search(&self.at).is_ok())
    }

    /// The day of INTERNALDATE, without regard to time and zone.
    fn arrived(&self) -> NaiveDate {
        DateTime::from_timestamp(self.entry.body.date, 0).unwrap_or_default().date_naive()
    }

    /// The day that the Date field says, without regard to time and zone.
    fn sent(&self) -> Option<NaiveDate> {
        let value = mime::first(&self.entry.body.octets, "Date")?;
        let date = mail_parser::DateTime::parse_rfc822(&String::from_utf8_lossy(&value))?;
        NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
    }

    /// Whether a field of the name has the text, encoded or not. No text is in every field that is there.
    fn field_has(&self, name: &str, text: &AString<'_>) -> bool {
        let octets = &self.entry.body.octets;
        let node = mime::parts(octets);
        mime::fields(mime::header(octets, &node)).into_iter().any(|(known, field)| {
            known.eq_ignore_ascii_case(name.as_bytes()) && {
                let value = mime::unfolded(field);
                contains(&value, text.as_ref()) || contains(decoded(&value).as_bytes(), text.as_ref())
            }
        })
    }

    fn body_has(&self, text: &AString<'_>) -> bool {
        let octets = &self.entry.body.octets;
        let node = mime::parts(octets);
        if contains(mime::text(octets, &node), text.as_ref()) {
            return true;
        }
        let Some(message) = mime::is_modest(octets).then(|| MessageParser::default().parse(octets)).flatten()
        else {
            return false;
        };
        message.parts.iter().any(|part| match &part.body {
            mail_parser::PartType::Text(found) | mail_parser::PartType::Html(found) => {
                contains(found.as_bytes(), text.as_ref())
            }
            _ => false,
        })
    }
}

/// A field's value with its encoded words as text.
fn decoded(value: &[u8]) -> String {
    let line = [value, b"\r\n"].concat();
    match mail_parser::parsers::MessageStream::new(&line).parse_unstructured() {
        mail_parser::HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

/// Whether a text has another in it, in any case of ASCII letters.
fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}
