//! What happened, as it is told to commands: the JSON that programs get, and the lines that people get.

use serde::Deserialize;
use serde_json::Value;

use crate::shown::Line;

/// An event with its words.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Told {
    /// As docs/json.md has it.
    pub(crate) value: Value,
    /// For people.
    pub(crate) lines: Vec<Line>,
}

/// The events that a pairing goes by.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum News {
    /// A code was made.
    Code { session: String, code: String, expires: u64 },
    /// A link was made.
    Link { session: String, link: String, expires: u64 },
    /// A code was void after a wrong guess.
    CodeBurnt { session: String },
    /// No code is made for a while.
    CodesLocked {},
    /// An offer ended.
    OfferExpired { session: String },
    /// A device was let in.
    Added { id: String, by: String },
    /// A newcomer was let in beside the device whose place it wanted.
    NotReplaced {},
    /// This device was let in.
    Joined { by: String },
    /// This device is asked whether it goes over.
    JoinAsks {},
    /// The other side ended the pairing.
    PairingEnded { why: String },
    /// A device shows a code.
    Offer { session: String },
    /// The server cannot be used.
    Offline {},
    /// It can again.
    Online {},
    /// Anything else.
    #[serde(other)]
    Other,
}

impl Told {
    /// The event, if a pairing goes by it.
    pub(crate) fn news(&self) -> News {
        News::deserialize(&self.value).unwrap_or(News::Other)
    }

    /// Whether it holds a code or a link, which only who made it is shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.news(), News::Code { .. } | News::Link { .. })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: Value) -> Told {
        Told { value, lines: Vec::new() }
    }

    #[test]
    fn an_event_is_known_by_its_word_and_others_are_others() {
        let code = told(json!({ "event": "code", "session": "a7", "code": "123-456-789", "expires": 7 }));
        assert!(code.is_secret());
        let gone = told(json!({ "event": "gone", "id": "27", "how": "left" }));
        assert_eq!(gone.news(), News::Other);
        let added = told(json!({ "event": "added", "id": "27", "by": "7" }));
        assert_eq!(added.news(), News::Added { id: "27".into(), by: "7".into() });
        assert_eq!(told(json!({ "event": "join-asks", "by": "7" })).news(), News::JoinAsks {});
    }
}
