//! The one place that writes to the standard output and error. Nobody listening is no failure.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::{failure::Failure, shown::Line, words};

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

/// What a person who waits should know, beside the answer.
pub(crate) fn note(sentence: &str) {
    complain(sentence);
}

/// Why it did not go well.
pub(crate) fn failure(failure: &Failure) {
    complain(&words::plain(failure.sentence()));
}

fn complain(sentence: &str) {
    let mut errors = std::io::stderr();
    let size = terminal_size::terminal_size_of(&errors).filter(|_| errors.is_terminal());
    let columns = size.map_or(usize::MAX, |(width, _)| width.0.into());
    let line = Line::text(&format!("sma: {sentence}"));
    let _ = line.wrapped(columns).try_for_each(|part| writeln!(errors, "{part}"));
}

/// What this is about to do, for a person who would think that it hangs.
pub(crate) fn progress(sentence: &str) {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(std::io::stderr(), "{}", Line::text(sentence).as_str());
    }
}

fn print(line: &Line) {
    let mut output = std::io::stdout();
    let size = terminal_size::terminal_size_of(&output).filter(|_| output.is_terminal());
    let columns = size.map_or(usize::MAX, |(width, _)| width.0.into());
    let _ = line.wrapped(columns).try_for_each(|part| writeln!(output, "{part}"));
}

/// Exact, for programs.
fn print_json(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{value}");
}
