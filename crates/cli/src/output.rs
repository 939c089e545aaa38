//! The one place that writes to the standard output and error. Nobody listening is no failure.

use std::io::Write;

use serde_json::Value;

use crate::{failure::Failure, shown::Line};

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// The answer: one JSON object, or lines.
    pub(crate) fn answer(self, value: &Value, lines: &[Line]) {
        if self.json { print_json(value) } else { lines.iter().for_each(print) }
    }

    /// One thing of many that happen while the program stays; JSON objects one a line.
    pub(crate) fn event(self, value: &Value, lines: &[Line]) {
        self.answer(value, lines);
    }
}

/// Why it did not go well.
pub(crate) fn failure(failure: &Failure) {
    let line = Line::text(failure.sentence());
    let _ = writeln!(std::io::stderr(), "sma: {}", line.as_str());
}

fn print(line: &Line) {
    let _ = writeln!(std::io::stdout(), "{}", line.as_str());
}

/// Exact, for programs.
fn print_json(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{value}");
}
