//! Text as a terminal gets it. What others wrote, a device's name or a server's answer, may hold characters that wipe a line or turn it
//! around; here they become escapes. Nothing is printed that is not a [`Line`], so no caller has to think of it.

use std::fmt::Write;

use sma_core::is_hidden;

/// A line for people, without its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    text: String,
    is_drawn: bool,
}

impl Line {
    /// Whatever the text is, it stays one line: what is not seen, or moves what stands beside it, becomes an escape.
    pub(crate) fn text(text: &str) -> Self {
        let mut line = String::with_capacity(text.len());
        for character in text.chars() {
            if is_hidden(character) {
                // A string takes everything.
                let _ = write!(line, "{}", character.escape_default());
            } else {
                line.push(character);
            }
        }
        Self { text: line, is_drawn: false }
    }

    /// The lines of a text that this program made, as an armored key.
    pub(crate) fn block(text: &str) -> impl Iterator<Item = Self> {
        text.lines().map(Self::text)
    }

    /// A line of a drawing, with the terminal's own escapes: nothing that anybody wrote.
    pub(crate) fn drawn(line: String) -> Self {
        Self { text: line, is_drawn: true }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The line in parts that fit into so many columns, broken at blanks. A longer word, as a key's name, stays whole.
    pub(crate) fn wrapped(&self, columns: usize) -> impl Iterator<Item = &str> {
        let columns = if self.is_drawn { usize::MAX } else { columns };
        let mut rest = Some(self.text.as_str());
        std::iter::from_fn(move || {
            let text = rest?;
            let end = text.char_indices().nth(columns).map(|(at, _)| at);
            let indented = text.len() - text.trim_start().len();
            let at = end.and_then(|end| {
                let before = if text[end..].starts_with(' ') { Some(end) } else { text[..end].rfind(' ') };
                before.filter(|at| *at > indented).or_else(|| text[end..].find(' ').map(|at| at + end))
            });
            let Some(at) = at else { return rest.take() };
            rest = Some(text[at..].trim_start());
            Some(&text[..at])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wipes_a_line_or_turns_it_around_is_an_escape() {
        for (text, shown) in [
            ("x\u{1b}[2K\u{1b}[1Agone\u{7}", r"x\u{1b}[2K\u{1b}[1Agone\u{7}"),
            ("one\r\ntwo\tthree", r"one\r\ntwo\tthree"),
            (
                "\u{202e}txt.exe\u{2069}\u{200b}\u{2028}\u{feff}",
                r"\u{202e}txt.exe\u{2069}\u{200b}\u{2028}\u{feff}",
            ),
            ("\u{9b}31m", r"\u{9b}31m"),
        ] {
            assert_eq!(Line::text(text).as_str(), shown);
        }
    }

    #[test]
    fn what_people_write_is_shown_as_it_is() {
        for text in ["Annas Händy", "телефон", "電話", "هاتف", r"C:\sma", "\u{1f4f1}"] {
            assert_eq!(Line::text(text).as_str(), text);
        }
    }

    #[test]
    fn a_line_is_broken_at_blanks_and_nowhere_else() {
        for (text, parts) in [
            ("one two three", &["one two", "three"][..]),
            ("one two 3", &["one two", "3"]),
            ("onetwothree four", &["onetwothree", "four"]),
            ("äöü äöü ä", &["äöü äöü", "ä"]),
            ("short", &["short"]),
            ("", &[""]),
            ("  onetwothree", &["  onetwothree"]),
        ] {
            assert_eq!(Line::text(text).wrapped(8).collect::<Vec<_>>(), parts, "{text}");
        }
        assert_eq!(Line::drawn("one two three".to_owned()).wrapped(8).count(), 1, "a drawing is whole");
        let long = "a b ".repeat(1000);
        assert!(Line::text(&long).wrapped(80).all(|part| part.len() <= 80));
        assert_eq!(Line::text(&long).wrapped(usize::MAX).count(), 1);
    }

    #[test]
    fn a_block_keeps_its_lines() {
        let lines: Vec<_> = Line::block("one\r\n two\n\u{1b}three").collect();
        assert_eq!(lines.iter().map(Line::as_str).collect::<Vec<_>>(), ["one", " two", r"\u{1b}three"]);
    }
}
