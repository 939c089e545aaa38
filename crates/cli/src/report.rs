//! What a command found, gathered until it ends.

use serde_json::{Map, Value, json};
use sma_core::{Crypto, Event, Muaa, Phase};

use crate::{qr, shown::Line, words};

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
        let sentence = Line::text(sentence);
        self.lines.retain(|said| *said != sentence);
        self.lines.push(sentence);
    }

    /// What happened, on a device that was in this phase before.
    pub(crate) fn events(&mut self, mut phase: Phase, events: &[Event]) {
        let mut values = Vec::new();
        for event in events {
            if let Event::PhaseChanged(next) = event {
                phase = *next;
            }
            let (value, lines) = words::event(event, words::has_group(phase), sma_imap::now());
            values.push(value);
            if let Event::ShowLink { link, .. } = event {
                self.lines.extend(qr::for_terminal(&link.shown()));
            }
            self.lines.extend(lines);
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

    pub(crate) fn into_parts(self) -> (Value, Vec<Line>) {
        (Value::Object(self.value), self.lines)
    }
}

#[cfg(test)]
mod tests {
    use sma_core::{Form, MuaaId, SessionId};

    use super::*;

    #[test]
    fn a_paired_device_that_syncs_is_not_told_to_take_the_code_of_a_stranger() {
        let offer = Event::OfferSeen { from: MuaaId(666), session: SessionId([1; 16]), form: Form::Code };
        let said = |phase, events: &[Event]| {
            let mut report = Report::default();
            report.events(phase, events);
            let (_, lines) = report.into_parts();
            lines.iter().map(Line::as_str).collect::<Vec<_>>().join("\n")
        };
        let paired = Event::PhaseChanged(Phase::Paired);
        for text in [
            said(Phase::Paired, std::slice::from_ref(&offer)),
            said(Phase::Requesting, &[paired, offer.clone()]),
        ] {
            assert!(
                text.contains("offers to take it into another group") && !text.contains("--code"),
                "{text}"
            );
        }
        assert!(said(Phase::Requesting, &[offer]).contains("sma pair --code"));
    }
}
