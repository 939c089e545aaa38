//! A client's octets, cut into commands: lines, and the literals within them (RFC 3501 section 4.3, RFC 7888).

use std::mem;

/// What one line of a command may have, in octets. A client is told BAD for more, and the line is passed over.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;
/// How many literals one command may have.
const LITERALS_MAX: usize = 256;

/// A line, and the literal that stands at its end. The last part of a command has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Part {
    /// Without the line's end, and without the announcement of the literal.
    pub(crate) text: Vec<u8>,
    pub(crate) literal: Option<Vec<u8>>,
}

/// The announcement of a literal at the end of a line: `{12}`, `{12+}`, `~{12}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Announced {
    pub(crate) size: u64,
    /// Whether the client waits to be asked for it.
    pub(crate) synchronising: bool,
    /// How many octets of the line the announcement has.
    width: usize,
}

/// What has come whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    /// A command with all its literals.
    Command(Vec<Part>),
    /// A literal is announced. [`Framer::accept`] or [`Framer::refuse`] has to follow.
    Literal(Announced),
    /// A line was too long, or a command had too many literals. What there is of it was passed over.
    TooLong(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Reading {
    #[default]
    Line,
    /// So many octets of a literal are to come.
    Literal(u64),
    /// So many octets of a refused literal are to come, then the rest of its command.
    Refused(u64),
    /// The rest of a line of a command that was answered already.
    Rest,
    /// The rest of a line that is too long.
    Overlong,
}

/// Cuts octets into commands.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    reading: Reading,
    line: Vec<u8>,
    parts: Vec<Part>,
    announced: Option<Announced>,
}

impl Framer {
    /// Takes octets up to the end of the next frame; gives how many it took. `literals` says whether a line may announce one.
    pub(crate) fn take(&mut self, octets: &[u8], literals: bool) -> (usize, Option<Frame>) {
        let mut taken = 0;
        while taken < octets.len() {
            let rest = &octets[taken..];
            match self.reading {
                Reading::Literal(left) => {
                    let size = within(left, rest.len());
                    if let Some(literal) = self.parts.last_mut().and_then(|part| part.literal.as_mut()) {
                        literal.extend_from_slice(&rest[..size]);
                    }
                    taken += size;
                    let left = left - size as u64;
                    self.reading = if left == 0 { Reading::Line } else { Reading::Literal(left) };
                }
                Reading::Refused(left) => {
                    let size = within(left, rest.len());
                    taken += size;
                    let left = left - size as u64;
                    self.reading = if left == 0 { Reading::Rest } else { Reading::Refused(left) };
                }
                Reading::Line | Reading::Rest | Reading::Overlong => {
                    let end = rest.iter().position(|octet| *octet == b'\n');
                    let size = end.map_or(rest.len(), |end| end + 1);
                    self.extend_line(&rest[..size]);
                    taken += size;
                    if end.is_some()
                        && let Some(frame) = self.end_line(literals)
                    {
                        return (taken, Some(frame));
                    }
                }
            }
        }
        (taken, None)
    }

    /// The literal that was announced last, until it is accepted or refused.
    pub(crate) fn announced(&self) -> Option<Announced> {
        self.announced
    }

    /// The command is over, and no literal is awaited.
    pub(crate) fn forget(&mut self) {
        self.announced = None;
        self.line.clear();
        self.parts.clear();
        self.reading = Reading::Line;
    }

    /// The literal that was announced is read.
    pub(crate) fn accept(&mut self) {
        let Some(announced) = self.announced.take() else { return };
        let mut text = mem::take(&mut self.line);
        text.truncate(text.len() - announced.width);
        self.parts.push(Part { text, literal: Some(Vec::new()) });
        self.reading = if announced.size == 0 { Reading::Line } else { Reading::Literal(announced.size) };
    }

    /// The command was answered instead: a literal that comes all the same is passed over, with the rest of its command.
    pub(crate) fn refuse(&mut self) {
        let Some(announced) = self.announced.take() else { return };
        self.line.clear();
        self.parts.clear();
        self.reading = match (announced.synchronising, announced.size) {
            (true, _) => Reading::Line,
            (false, 0) => Reading::Rest,
            (false, size) => Reading::Refused(size),
        };
    }

    /// What has come of the command so far, with the line that announces a literal as its last part.
    pub(crate) fn begun(&self) -> Vec<Part> {
        let width = self.announced.map_or(0, |announced| announced.width);
        let text = self.line[..self.line.len() - width].to_vec();
        let mut parts = self.parts.clone();
        parts.push(Part { text, literal: None });
        parts
    }

    /// Of the rest of an answered command only the end matters, where a literal may be announced.
    fn extend_line(&mut self, octets: &[u8]) {
        const END: usize = 32;
        if self.line.len() + octets.len() > LINE_BYTES_MAX && self.reading == Reading::Line {
            self.reading = Reading::Overlong;
        }
        match self.reading {
            Reading::Rest => {
                self.line.extend_from_slice(&octets[octets.len().saturating_sub(END)..]);
                let excess = self.line.len().saturating_sub(END);
                self.line.drain(..excess);
            }
            Reading::Overlong => {
                // The beginning is kept: the tag is there.
                let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
                self.line.extend_from_slice(&octets[..room.min(octets.len())]);
            }
            Reading::Line | Reading::Literal(_) | Reading::Refused(_) => self.line.extend_from_slice(octets),
        }
    }

    fn end_line(&mut self, literals: bool) -> Option<Frame> {
        while self.line.last().is_some_and(|octet| matches!(octet, b'\r' | b'\n')) {
            self.line.pop();
        }
        let announced = announced(&self.line).filter(|_| literals);
        match self.reading {
            Reading::Rest => {
                self.line.clear();
                self.reading = match announced {
                    Some(Announced { size, synchronising: false, .. }) if size > 0 => Reading::Refused(size),
                    Some(Announced { synchronising: false, .. }) => Reading::Rest,
                    Some(_) | None => Reading::Line,
                };
                None
            }
            Reading::Overlong => Some(self.too_long()),
            Reading::Line | Reading::Literal(_) | Reading::Refused(_) => match announced {
                Some(_) if self.parts.len() >= LITERALS_MAX => Some(self.too_long()),
                Some(announced) => {
                    self.announced = Some(announced);
                    Some(Frame::Literal(announced))
                }
                None => {
                    self.parts.push(Part { text: mem::take(&mut self.line), literal: None });
                    Some(Frame::Command(mem::take(&mut self.parts)))
                }
            },
        }
    }

    fn too_long(&mut self) -> Frame {
        self.reading = Reading::Line;
        let line = mem::take(&mut self.line);
        let parts = mem::take(&mut self.parts);
        Frame::TooLong(parts.into_iter().next().map_or(line, |part| part.text))
    }
}

fn within(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

/// A literal's announcement at the end of a line. Quoted strings cannot hold a line's end, so there is only one reading.
fn announced(line: &[u8]) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let start = inner.iter().rposition(|octet| *octet == b'{')?;
    let (digits, synchronising) = match inner[start + 1..].split_last()? {
        (b'+' | b'-', digits) => (digits, false),
        _ => (&inner[start + 1..], true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits
        .iter()
        .fold(0_u64, |size, digit| size.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    let binary = usize::from(start > 0 && line[start - 1] == b'~');
    Some(Announced { size, synchronising, width: line.len() - start + binary })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that comes whole, if each literal is accepted.
    fn frames(octets: &[u8], size: usize) -> Vec<Frame> {
        let (mut framer, mut frames) = (Framer::default(), Vec::new());
        for mut piece in octets.chunks(size) {
            while !piece.is_empty() {
                let (taken, frame) = framer.take(piece, true);
                piece = &piece[taken..];
                if matches!(frame, Some(Frame::Literal(_))) {
                    framer.accept();
                }
                frames.extend(frame);
            }
        }
        frames
    }

    fn part(text: &str, literal: Option<&str>) -> Part {
        Part { text: text.into(), literal: literal.map(Into::into) }
    }

    #[test]
    fn a_command_is_whole_with_its_literals_wherever_it_was_split() {
        let octets = b"a LOGIN {4}\r\nanna {2+}\r\n\r\n\r\nb NOOP\n";
        let wanted = frames(octets, octets.len());
        let login = vec![part("a LOGIN ", Some("anna")), part(" ", Some("\r\n")), part("", None)];
        assert_eq!(wanted[2], Frame::Command(login));
        assert_eq!(wanted[3], Frame::Command(vec![part("b NOOP", None)]));
        for size in 1..octets.len() {
            assert_eq!(frames(octets, size), wanted);
        }
    }

    #[test]
    fn a_literal_that_was_refused_is_passed_over_with_the_rest_of_its_command() {
        let mut framer = Framer::default();
        let octets = b"a APPEND x {5+}\r\nb NO\n {3+}\r\n\r\n \r\nc NOOP\r\n";
        let (taken, frame) = framer.take(octets, true);
        assert!(matches!(frame, Some(Frame::Literal(Announced { size: 5, synchronising: false, .. }))));
        framer.refuse();
        let (_, frame) = framer.take(&octets[taken..], true);
        assert_eq!(frame, Some(Frame::Command(vec![part("c NOOP", None)])));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_its_beginning_told() {
        let octets = [b"a NOOP ", vec![b'x'; 3 * LINE_BYTES_MAX].as_slice(), b"\r\nb NOOP\r\n"].concat();
        let frames = frames(&octets, 1000);
        let Frame::TooLong(line) = &frames[0] else { panic!("{frames:?}") };
        assert!(line.starts_with(b"a NOOP ") && line.len() <= LINE_BYTES_MAX);
        assert_eq!(frames[1], Frame::Command(vec![part("b NOOP", None)]));
    }

    #[test]
    fn a_literal_of_any_announced_size_takes_no_room_before_it_comes() {
        let mut framer = Framer::default();
        let (_, frame) = framer.take(b"a X {99999999999999999999999}\r\n", true);
        assert!(matches!(frame, Some(Frame::Literal(Announced { size: u64::MAX, .. }))));
        framer.accept();
        assert_eq!(framer.take(b"abc", true), (3, None));
    }
}
