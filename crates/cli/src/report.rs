//! What a command found, gathered until it ends.

use serde_json::{Map, Value, json};
use sma_core::{Crypto, Muaa};

use crate::{
    control::{News, Told},
    shown::Line,
};

/// The answer of a command.
#[derive(Debug, Default)]
pub(crate) struct Report {
    value: Map<String, Value>,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.value.insert(name.to_owned(), value.into());
    }

    /// A sentence, which is one line.
    pub(crate) fn say(&mut self, sentence: impl AsRef<str>) {
        self.lines.push(Line::text(sentence.as_ref()));
    }

    /// A text of several lines that this program made.
    pub(crate) fn write(&mut self, text: &str) {
        self.lines.extend(Line::block(text));
    }

    /// Adds a sentence, in place of where it was said before.
    pub(crate) fn say_last(&mut self, sentence: &str) {
        self.unsay(sentence);
        self.lines.push(Line::text(sentence));
    }

    /// Takes a sentence back that is said in other words.
    pub(crate) fn unsay(&mut self, sentence: &str) {
        let sentence = Line::text(sentence);
        self.lines.retain(|said| *said != sentence);
    }

    /// What happened.
    pub(crate) fn events(&mut self, events: &[Told]) {
        self.lines.extend(events.iter().flat_map(|told| told.lines.clone()));
        if let Value::Array(list) = self.value.entry("events").or_insert_with(|| json!([])) {
            list.extend(events.iter().map(|told| told.value.clone()));
        }
    }

    /// What happened as another report has it, for programs alone.
    pub(crate) fn take_events(&mut self, mut other: Self) {
        if let Some(events) = other.value.remove("events") {
            self.value.insert("events".to_owned(), events);
        }
    }

    /// What a person is not shown, because it is said in other words.
    pub(crate) fn hush(&mut self) {
        self.lines.clear();
    }

    /// The first event that is meant.
    pub(crate) fn news<T>(&self, meant: impl Fn(News) -> Option<T>) -> Option<T> {
        let events = self.value.get("events").and_then(Value::as_array);
        let told = events.into_iter().flatten().map(|value| Told { value: value.clone(), lines: Vec::new() });
        told.map(|told| told.news()).find_map(meant)
    }

    /// Who this device is and where it stands.
    pub(crate) fn standing<C: Crypto>(&mut self, muaa: &Muaa<C>) {
        self.set("id", muaa.id().map(|id| id.to_string()));
        self.set("phase", muaa.phase().name());
        self.set("account_key", muaa.account().current.map(|key| key.to_string()));
    }

    pub(crate) fn into_parts(self) -> (Value, Vec<Line>) {
        (Value::Object(self.value), self.lines)
    }
}
