//! A link as a QR code in a terminal.

use std::io::IsTerminal;

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use crate::shown::Line;

/// Black on white, whatever the terminal's colours are; and back to these.
const COLOURS: &str = "\x1b[30;107m";
const RESET: &str = "\x1b[0m";

/// How many rows of the terminal other text needs.
const ROWS: usize = 9;

/// The lines of the code, if a person looks at a terminal that has room for it: elsewhere the text alone is of use.
pub(crate) fn for_terminal(text: &str) -> Vec<Line> {
    if !std::io::stdout().is_terminal() {
        return Vec::new();
    }
    let size = terminal_size::terminal_size();
    let (columns, rows) = size.map_or((80, 24), |(width, height)| (width.0.into(), height.0.into()));
    fitting(text, columns, rows)
}

/// A code that is cut or wrapped is none: then a line says what it needs.
fn fitting(text: &str, columns: usize, rows: usize) -> Vec<Line> {
    let Some(lines) = lines(text) else { return Vec::new() };
    let width = lines.first().map_or(0, |line| line.chars().count() - COLOURS.len() - RESET.len());
    let height = lines.len() + ROWS;
    if width <= columns && height <= rows {
        return lines.into_iter().map(Line::drawn).collect();
    }
    vec![Line::text(&format!(
        "(A QR code is drawn in a terminal of at least {width} columns and {height} rows.)"
    ))]
}

/// `None` if the text is too long for a QR code. Two modules stand in one character, one above the other.
fn lines(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    Some(drawn.lines().map(|line| format!("{COLOURS}{line}{RESET}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The link of an address of 20 octets.
    fn link() -> String {
        let (hash, session) = ("0123456789abcdef".repeat(4), "0123456789abcdef".repeat(2));
        let query = format!("?v=1&g={hash}&m={}&f={hash}&s={session}&k={session}", u64::MAX);
        format!("autocrypt-sma:anna.abc@example.org{query}")
    }

    #[test]
    fn a_code_fits_into_a_terminal_of_eighty_columns_and_24_rows_and_is_drawn_whole_or_not_at_all() {
        let code = |columns, rows| fitting("123-456-789", columns, rows);
        assert!(code(80, 24).len() > 9);
        for (columns, rows) in [(20, 24), (80, 15)] {
            let [line] = &code(columns, rows)[..] else { panic!("one line") };
            assert!(line.as_str().contains("columns and"), "{}", line.as_str());
        }
        assert_eq!(fitting(&link(), 80, 24).len(), 1);
        assert!(fitting(&link(), 80, 50).len() > 20);
    }

    #[test]
    fn a_link_fits_into_a_terminal_of_eighty_columns() {
        let lines = lines(&link()).unwrap();
        let widths = lines.iter().map(|line| line.chars().count() - COLOURS.len() - RESET.len());
        assert!(widths.max().unwrap() <= 80);
        assert!(lines.len() <= 40, "{} lines", lines.len());
    }

    /// The corner: seven dark modules, under four light ones of the margin and left of one that is light.
    #[test]
    fn dark_modules_are_drawn_and_the_margin_is_not() {
        let lines = lines(&link()).unwrap();
        let plain: Vec<_> = lines.iter().map(|line| line.trim_start_matches(COLOURS)).collect();
        assert!(plain[0].trim_end_matches(RESET).chars().all(|c| c == ' '), "{:?}", plain[0]);
        assert!(plain[2].starts_with("    █▀▀▀▀▀█ "), "{:?}", plain[2]);
    }

    #[test]
    fn what_is_too_long_is_not_drawn() {
        assert_eq!(lines(&"x".repeat(5000)), None);
    }
}
