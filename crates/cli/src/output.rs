//! The one place that writes to the standard output and error. Nobody listening is no failure.

use std::io::Write;

use serde_json::Value;

use crate::failure::Failure;

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// The answer: one JSON object, or sentences, one a line.
    pub(crate) fn answer(self, value: &Value, sentences: &[String]) {
        if self.json {
            print(&value.to_string());
        } else {
            sentences.iter().for_each(|sentence| print(sentence));
        }
    }

    /// One thing of many that happen while the program stays; JSON objects one a line.
    pub(crate) fn event(self, value: &Value, sentence: &str) {
        if self.json { print(&value.to_string()) } else { print(sentence) }
    }
}

/// Why it did not go well.
pub(crate) fn failure(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "sma: {}", failure.sentence());
}

fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
