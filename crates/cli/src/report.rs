//! What a command found, gathered until it ends.

use serde_json::{Map, Value, json};
use sma_core::{Crypto, Event, Muaa};

use crate::words;

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

    pub(crate) fn events(&mut self, events: &[Event]) {
        let list = self.value.entry("events").or_insert_with(|| json!([]));
        for event in events {
            let (value, sentence) = words::event(event, sma_imap::now());
            if let Value::Array(list) = list {
                list.push(value);
            }
            self.sentences.push(sentence);
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
