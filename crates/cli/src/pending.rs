//! What a person waits for: the code that this device shows, or the one that was typed at it. `pairing.json` in the state directory,
//! so that whoever was interrupted goes on, and `sma status` says it.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use sma_core::{Form, MuaaId, SessionId, Timestamp};
use sma_imap::replace_file;

use crate::{control::News, failure::Failure, link};

const FILE: &str = "pairing.json";
/// No code is good for longer (protocol 7.2); who typed one that long ago waits in vain.
pub(crate) const CODE_LIFE: Duration = Duration::from_secs(600);

/// So long, and so many, codes of other devices are remembered.
const CODES_KEPT: Duration = Duration::from_secs(86_400);
const SEEN_MAX: usize = 64;

/// What is waited for. Written by who has the device's lock, read by anybody.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// What this device shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown: Option<Shown>,
    /// When a code was typed here that nobody answered yet, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typed: Option<u64>,
    /// Why the code that was typed last came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// When each code that other devices show was seen first, by session.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    seen: BTreeMap<String, u64>,
    /// Whom what a person waited for let in while nobody waited, until a person has seen that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    let_in: Option<LetIn>,
    /// Whether a key was imported here before this device was in a group.
    #[serde(default)]
    brings_key: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct LetIn {
    id: String,
    /// Seconds since 1970.
    at: u64,
}

/// A code or a link that is good.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Names the offer.
    pub(crate) session: String,
    /// The code, or the link in its form for shells.
    pub(crate) text: String,
    /// Seconds since 1970, on this device's clock.
    pub(crate) expires: u64,
    /// Whether it is a link.
    pub(crate) is_link: bool,
    /// Whether a person waited for who comes by it.
    #[serde(default)]
    pub(crate) is_awaited: bool,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(…)")
    }
}

impl Shown {
    /// What was made, if that is what happened.
    pub(crate) fn of(news: News) -> Option<Self> {
        if let News::Code { session, code, expires } = news {
            return Some(Self { session, text: code, expires, is_link: false, is_awaited: false });
        }
        if let News::Link { session, link, expires } = news {
            let text = link::for_shells(&link);
            return Some(Self { session, text, expires, is_link: true, is_awaited: false });
        }
        None
    }

    pub(crate) fn form(&self) -> Form {
        if self.is_link { Form::Link } else { Form::Code }
    }
}

impl Pending {
    /// What is waited for now. A file that cannot be read says nothing: no key hangs on it.
    ///
    /// # Errors
    /// The file is there and the system does not give it.
    pub(crate) fn load(directory: &Path, now: Timestamp) -> Result<Self, Failure> {
        let path = directory.join(FILE);
        let octets = match fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => b"{}".to_vec(),
            Err(error) => return Err(Failure::Failed(format!("cannot read {}: {error}", path.display()))),
        };
        let mut pending: Self = serde_json::from_slice(&octets).unwrap_or_default();
        pending.shown.take_if(|shown| shown.expires <= now.as_secs());
        Ok(pending)
    }

    /// What this device shows and is good.
    pub(crate) fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }

    /// When a code was typed here that was not answered.
    pub(crate) fn typed_at(&self) -> Option<Timestamp> {
        self.typed.map(Timestamp::from_secs)
    }

    /// Why the code that was typed last came to nothing, in words.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// Whether a code that another device shows was seen here so long ago that it is not good any more.
    pub(crate) fn is_over(&self, session: SessionId, now: Timestamp) -> bool {
        let seen = self.seen.get(&session.to_string());
        seen.is_some_and(|seen| now.since(Timestamp::from_secs(*seen)) > CODE_LIFE)
    }

    /// Whom the code that a person waited for let in, and when, if nobody was there to see it.
    pub(crate) fn let_in(&self) -> Option<(MuaaId, Timestamp)> {
        let let_in = self.let_in.as_ref()?;
        Some((MuaaId::parse(&let_in.id)?, Timestamp::from_secs(let_in.at)))
    }

    /// Whether this device was given a key before it was let in: it is asked before it goes to a group with that.
    pub(crate) fn brings_key(&self) -> bool {
        self.brings_key
    }

    /// A key was imported, before this device was in a group.
    pub(crate) fn bring_key(&mut self) {
        self.brings_key = true;
    }

    /// Changes what is waited for.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn change(directory: &Path, change: impl FnOnce(&mut Self)) -> Result<(), Failure> {
        let before = Self::load(directory, Timestamp(0))?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(());
        }
        let octets = serde_json::to_vec_pretty(&after).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(replace_file(directory, FILE, &octets)?)
    }

    /// A code was typed.
    pub(crate) fn type_in(&mut self, now: Timestamp) {
        (self.typed, self.ended) = (Some(now.as_secs()), None);
    }

    /// A person has seen who was let in.
    pub(crate) fn see(&mut self) {
        self.let_in = None;
    }

    /// Something happened that may end a wait, or begin one; whether a person sees it who waits for it.
    pub(crate) fn happened(&mut self, news: &News, own: Option<MuaaId>, is_seen: bool, now: Timestamp) {
        self.shown.take_if(|shown| shown.expires <= now.as_secs());
        if let Some(shown) = Shown::of(news.clone()) {
            (self.shown, self.let_in) = (Some(Shown { is_awaited: is_seen, ..shown }), None);
        }
        if let News::Offer { session } = news {
            self.seen.retain(|_, at| now.since(Timestamp::from_secs(*at)) < CODES_KEPT);
            if self.seen.len() < SEEN_MAX {
                self.seen.entry(session.clone()).or_insert(now.as_secs());
            }
        }
        if let News::CodeBurnt { session } | News::OfferExpired { session } = news {
            self.shown.take_if(|shown| shown.session == *session);
        }
        if let News::Added { id, by } = news
            && own.is_some_and(|own| *by == own.to_string())
        {
            let used = self.shown.take().filter(|shown| shown.is_awaited && !is_seen);
            self.let_in = used.map(|_| LetIn { id: id.clone(), at: now.as_secs() }).or(self.let_in.take());
        }
        if matches!(news, News::Joined { .. } | News::JoinAsks {}) {
            (self.typed, self.ended) = (None, None);
            self.brings_key &= !matches!(news, News::Joined { .. });
        }
        if let News::PairingEnded { why } = news
            && self.typed.take().is_some()
        {
            self.ended = Some(why.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(session: &str) -> News {
        News::Code { session: session.into(), code: "123-456-789".into(), expires: 1000 }
    }

    #[test]
    fn a_code_is_waited_for_until_it_is_over_or_somebody_got_in_by_it() {
        let directory = tempfile::tempdir().unwrap();
        let load = |secs| Pending::load(directory.path(), Timestamp::from_secs(secs)).unwrap();
        let (own, now) = (Some(MuaaId(7)), Timestamp::from_secs(400));
        let change = |change: &dyn Fn(&mut Pending)| Pending::change(directory.path(), change).unwrap();
        let happened = |news: News| change(&|pending| pending.happened(&news, own, false, now));
        let awaited = |news: News| change(&|pending| pending.happened(&news, own, true, now));
        assert_eq!(load(400).shown(), None);
        awaited(code("a"));
        assert_eq!(load(999).shown().map(|shown| shown.text.as_str()), Some("123-456-789"));
        assert_eq!(load(1000).shown(), None);
        happened(News::CodeBurnt { session: "b".into() });
        assert!(load(400).shown().is_some(), "another one is over");
        happened(News::Added { id: "27".into(), by: "9".into() });
        assert!(load(400).shown().is_some(), "another device let somebody in");
        happened(News::Added { id: "27".into(), by: "7".into() });
        assert_eq!((load(400).shown(), load(400).let_in()), (None, Some((MuaaId(27), now))));
        change(&Pending::see);
        assert_eq!(load(400).let_in(), None);
        happened(code("b"));
        happened(News::Added { id: "27".into(), by: "7".into() });
        assert_eq!(load(400).let_in(), None, "nobody waited for that one");
        happened(code("c"));
        happened(News::OfferExpired { session: "c".into() });
        assert_eq!((load(400).shown(), load(400).let_in()), (None, None));
        awaited(code("d"));
        awaited(News::Added { id: "27".into(), by: "7".into() });
        assert_eq!((load(400).shown(), load(400).let_in()), (None, None), "a person saw it");
    }

    #[test]
    fn a_code_that_was_typed_is_waited_for_until_an_answer_comes() {
        let directory = tempfile::tempdir().unwrap();
        let load = || Pending::load(directory.path(), Timestamp::from_secs(400)).unwrap();
        let change = |change: &dyn Fn(&mut Pending)| Pending::change(directory.path(), change).unwrap();
        change(&|pending| pending.type_in(Timestamp::from_secs(300)));
        assert_eq!(load().typed_at(), Some(Timestamp::from_secs(300)));
        let joined = News::Joined { by: "7".into() };
        change(&|pending| pending.happened(&joined, None, true, Timestamp::from_secs(400)));
        assert_eq!(load().typed_at(), None);
        change(&|pending| pending.type_in(Timestamp::from_secs(300)));
        let ended = News::PairingEnded { why: "the code was wrong".into() };
        change(&|pending| pending.happened(&ended, None, true, Timestamp::from_secs(400)));
        assert_eq!((load().typed_at(), load().ended()), (None, Some("the code was wrong")));
    }

    #[test]
    fn a_code_that_another_device_showed_is_over_ten_minutes_after_it_was_seen() {
        let (mut pending, session) = (Pending::default(), SessionId([7; 16]));
        let offer = News::Offer { session: session.to_string() };
        for secs in [100, 600] {
            pending.happened(&offer, None, false, Timestamp::from_secs(secs));
        }
        let is_over = |secs| pending.is_over(session, Timestamp::from_secs(secs));
        assert_eq!([700, 701].map(is_over), [false, true]);
        assert!(!pending.is_over(SessionId([8; 16]), Timestamp::from_secs(9999)));
    }

    #[test]
    fn a_damaged_file_is_as_none() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{").unwrap();
        let pending = Pending::load(directory.path(), Timestamp(0)).unwrap();
        assert_eq!((pending.shown(), pending.typed_at()), (None, None));
    }
}
