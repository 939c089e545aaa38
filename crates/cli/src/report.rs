//! What a command found, gathered until it ends.

use serde_json::{Map, Value, json};
use sma_core::{Crypto, Event, Muaa};

use crate::{qr, words};

/// The answer of a command.
#[derive(Debug, Default)]
pub(crate) struct Report {
    value: Map<String, Value>,
    sentences: Vec<String>,
}

impl Report {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.value.insert(name.to_owned(), value.into());
    }

    pub(crate) fn say(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    /// Adds a sentence, in place of where it was said before.
    pub(crate) fn say_last(&mut self, sentence: String) {
        self.sentences.retain(|said| *said != sentence);
        self.sentences.push(sentence);
    }

    pub(crate) fn events(&mut self, events: &[Event]) {
        let mut values = Vec::new();
        for event in events {
            let (value, sentence) = words::event(event, sma_imap::now());
            values.push(value);
            if let Event::ShowLink { link, .. } = event {
                self.sentences.extend(qr::for_terminal(&link.shown()));
            }
            self.say(sentence);
        }
        if let Value::Array(list) = self.value.entry("events").or_insert_with(|| json!([])) {
            list.append(&mut values);
        }
    }

    /// Who this device is and where it stands.
    pub(crate) fn standing<C: Crypto>(&mut self, muaa: &Muaa<C>) {
        self.set("id", muaa.id().map(|id| id.to_string()));
        self.set("phase", muaa.phase().name());
        self.set("account_key", muaa.account().current.map(|key| key.to_string()));
    }

    pub(crate) fn into_parts(self) -> (Value, Vec<String>) {
        (Value::Object(self.value), self.sentences)
    }
}
