//! The one place that writes to the standard output and error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tells people by these")]

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
            println!("{value}");
        } else {
            sentences.iter().for_each(|sentence| println!("{sentence}"));
        }
    }

    /// One thing of many that happen while the program stays; JSON objects one a line.
    pub(crate) fn event(self, value: &Value, sentence: &str) {
        if self.json { println!("{value}") } else { println!("{sentence}") }
    }

    /// Why it did not go well.
    pub(crate) fn failure(self, failure: &Failure) {
        eprintln!("sma: {}", failure.sentence());
    }
}
