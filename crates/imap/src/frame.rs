//! Cuts what a server sends into whole responses, within limits that hold before anything is kept or read (RFC 3501 section 2.2.2).
//!
//! Nothing here looks further ahead than the octet at hand, so it makes no difference how the octets were split on their way.

use std::fmt;

/// What all lines of one response may take, its literals left out, in octets.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 10;
/// What stays reserved between two responses, in octets.
const KEPT_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// What a server may send for one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// All responses together, in octets.
    pub(crate) octets: u64,
    /// One literal, in octets.
    pub(crate) literal: u64,
}

/// What a server sent too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Excess {
    /// The whole answer is larger than what was asked for can be.
    Answer,
    /// One response is longer than any that makes sense.
    Text,
    /// A literal was announced that is larger than what was asked for can be.
    Literal,
    /// A line ends in a quoted string as if a literal were to follow: two readers would find two different ends.
    Quoted,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer => "the server sent more than was asked for",
            Self::Text => "the server sent a line that is too long",
            Self::Literal => "the server announced more than was asked for",
            Self::Quoted => "the server sent a line whose end is not clear",
        })
    }
}

/// What the beginning of a response says about the rest of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// `+`: the server waits.
    Continue,
    /// Behind a command's tag.
    Tagged,
    /// `* OK`, `* NO`, `* BAD`, `* BYE`, `* PREAUTH`.
    Status,
    /// `*` and anything else.
    Data,
}

impl Head {
    /// Looks at a response's first line.
    pub(crate) fn of(line: &[u8]) -> Self {
        match line.split_first() {
            Some((b'+', _)) => Self::Continue,
            Some((b'*', rest)) => {
                let rest = rest.trim_ascii_start();
                // No status is longer, however long the line is.
                let word =
                    rest[..rest.len().min(8)].split(u8::is_ascii_whitespace).next().unwrap_or_default();
                let status = |status: &[u8]| word.eq_ignore_ascii_case(status);
                let words: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
                if words.into_iter().any(status) { Self::Status } else { Self::Data }
            }
            Some(_) | None => Self::Tagged,
        }
    }

    /// Whether literals may stand in it. The text of a status is for people, whatever it looks like.
    fn has_literals(self) -> bool {
        self == Self::Data
    }
}

/// The response that is arriving.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    response: Vec<u8>,
    /// Where its last line begins.
    line: usize,
    /// Octets of a literal that are still to come.
    literal: u64,
    /// Octets of its lines.
    text: usize,
    /// Nothing more belongs to it.
    whole: bool,
}

impl Framer {
    /// The response, once it is whole.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.whole.then_some(&self.response)
    }

    /// Forgets the response; the next one begins.
    pub(crate) fn clear(&mut self) {
        let mut response = std::mem::take(&mut self.response);
        response.clear();
        response.shrink_to(KEPT_BYTES_MAX);
        *self = Self { response, ..Self::default() };
    }

    /// Takes octets up to the end of the response, tells how many, and lowers what may still come.
    ///
    /// # Errors
    /// [`Excess`]; nothing that comes after it makes sense.
    pub(crate) fn take(&mut self, octets: &[u8], limits: &mut Limits) -> Result<usize, Excess> {
        let mut taken = 0;
        while !self.whole && taken < octets.len() {
            let rest = &octets[taken..];
            let piece =
                if self.literal > 0 { self.literal_piece(rest) } else { self.line_piece(rest, *limits)? };
            let size = piece.len();
            limits.octets = limits.octets.checked_sub(size as u64).ok_or(Excess::Answer)?;
            self.response.extend_from_slice(piece);
            taken += size;
            if self.literal > 0 {
                self.literal -= size as u64;
            } else {
                self.text += size;
                if piece.ends_with(b"\n") {
                    self.end_line(*limits)?;
                }
            }
        }
        Ok(taken)
    }

    fn literal_piece<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        &octets[..usize::try_from(self.literal).unwrap_or(usize::MAX).min(octets.len())]
    }

    fn line_piece<'a>(&self, octets: &'a [u8], limits: Limits) -> Result<&'a [u8], Excess> {
        let end = octets.iter().position(|octet| *octet == b'\n').map_or(octets.len(), |end| end + 1);
        let room = TEXT_BYTES_MAX - self.text;
        // Of two limits the one that is met first, however much came at once.
        if end > room && limits.octets >= room as u64 {
            return Err(Excess::Text);
        }
        Ok(&octets[..end])
    }

    fn end_line(&mut self, limits: Limits) -> Result<(), Excess> {
        let line = &self.response[self.line..];
        let announced = if Head::of(&self.response).has_literals() { announced(line) } else { None };
        let Some(size) = announced else {
            self.whole = true;
            return Ok(());
        };
        if ends_quoted(line) {
            return Err(Excess::Quoted);
        }
        if size > limits.literal || size > limits.octets {
            return Err(Excess::Literal);
        }
        self.literal = size;
        let room = usize::try_from(size).map_err(|_| Excess::Literal)?;
        self.line = self.response.len() + room;
        Ok(())
    }
}

/// The size of the literal that a line announces at its end: `{12}`, or `{12+}` from a server that takes itself for a client. What is
/// above all numbers counts as the largest.
fn announced(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let line = line.strip_suffix(b"+").unwrap_or(line);
    let digits = line.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let (head, digits) = line.split_at(line.len() - digits);
    if digits.is_empty() || !head.ends_with(b"{") {
        return None;
    }
    let add = |size: u64, digit: &u8| size.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}

/// Whether a line ends within a quoted string.
fn ends_quoted(line: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for octet in line {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { octets: 100_000, literal: 1000 };

    /// All whole responses in `octets`, which come in pieces that end at `cuts`, and what was wrong at last.
    fn frames(octets: &[u8], cuts: &[usize], limits: Limits) -> (Vec<Vec<u8>>, Option<Excess>) {
        let (mut framer, mut limits, mut frames, mut start) = (Framer::default(), limits, Vec::new(), 0);
        for end in cuts.iter().copied().chain([octets.len()]) {
            let mut piece = &octets[start.min(end)..end];
            start = start.max(end);
            while !piece.is_empty() {
                match framer.take(piece, &mut limits) {
                    Ok(taken) => piece = &piece[taken..],
                    Err(excess) => return (frames, Some(excess)),
                }
                if let Some(whole) = framer.whole() {
                    frames.push(whole.to_vec());
                    framer.clear();
                }
            }
        }
        (frames, None)
    }

    fn whole(octets: &str) -> Vec<String> {
        let (frames, excess) = frames(octets.as_bytes(), &[], LIMITS);
        assert_eq!(excess, None, "{octets}");
        frames.into_iter().map(|frame| String::from_utf8(frame).unwrap()).collect()
    }

    #[test]
    fn a_number_in_braces_at_the_end_of_a_text_for_people_is_no_literal() {
        for line in
            ["* OK over {9}\r\n", "* bye {9}\r\n", "+ {9}\r\n", "A1 NO {9}\r\n", "* PREAUTH [X {9}\r\n"]
        {
            assert_eq!(whole(&format!("{line}* 1 EXISTS\r\n")), [line, "* 1 EXISTS\r\n"]);
        }
    }

    #[test]
    fn literals_belong_to_the_response_that_announces_them() {
        for response in [
            "* 1 FETCH (BODY[] {10}\r\n* 1 X {9}\n X {0}\r\n)\r\n",
            "* LIST () \"/\" {2}\r\nab\r\n",
            "* OKAY {2}\r\nab\r\n",
            "* X \"{2}\" ~{2}\r\nab {2+}\nab\n",
        ] {
            assert_eq!(whole(&format!("{response}* 1 EXISTS\r\n")), [response, "* 1 EXISTS\r\n"]);
        }
        for line in
            ["* X {2}a\r\n", "* X {}\r\n", "* X {+}\r\n", "* X 2}\r\n", "* X \"{2}\"\r\n", "* X {-2}\r\n"]
        {
            assert_eq!(whole(line), [line]);
        }
    }

    #[test]
    fn what_is_announced_is_refused_before_it_arrives_if_it_is_too_large() {
        for size in ["1001", "1001+", "18446744073709551616", "99999999999999999999999999"] {
            let line = format!("* 1 FETCH (BODY[] {{{size}}}\r\n");
            assert_eq!(frames(line.as_bytes(), &[], LIMITS), (vec![], Some(Excess::Literal)));
        }
        let few = Limits { octets: 40, ..LIMITS };
        assert_eq!(frames(b"* 1 FETCH (BODY[] {30}\r\n", &[], few).1, Some(Excess::Literal));
    }

    #[test]
    fn a_response_is_limited_in_the_sum_of_its_lines() {
        let long = [b"* X ", &[b'a'; TEXT_BYTES_MAX][..]].concat();
        assert_eq!(frames(&long, &[], LIMITS), (vec![], Some(Excess::Text)));
        let lines = [b"* X", &b" {0}\r\n".repeat(TEXT_BYTES_MAX / 6 + 1)[..]].concat();
        assert_eq!(frames(&lines, &[], LIMITS), (vec![], Some(Excess::Text)));
    }

    #[test]
    fn a_line_that_ends_in_a_quoted_string_announces_nothing() {
        assert_eq!(frames(b"* X \"a{5}\r\n", &[], LIMITS), (vec![], Some(Excess::Quoted)));
        assert_eq!(whole("* X \"\\\"\" {1}\r\na\r\n").len(), 1);
    }

    #[test]
    fn a_large_response_leaves_no_large_reserve() {
        let mut framer = Framer::default();
        let mut limits = Limits { octets: 1 << 20, literal: 1 << 20 };
        let octets = [b"* X {900000}\r\n", &[b'a'; 900_000][..], b"\r\n"].concat();
        assert_eq!(framer.take(&octets, &mut limits), Ok(octets.len()));
        framer.clear();
        assert!(framer.response.capacity() <= KEPT_BYTES_MAX);
    }

    /// Octets that are often nearly a response.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let words = [
            "* ",
            "+ ",
            "A1 ",
            "OK ",
            "NO",
            "FETCH (",
            "BODY[] ",
            "{3}\r\n",
            "{3+}\n",
            "~{1}\r\n",
            "{999}\r\n",
            "{12345}\r\n",
            "\"",
            "\\",
            "abc",
            ")",
            "\r\n",
            "\n",
            "{",
            "}",
            "1 ",
            "[",
        ];
        let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
        let pieces = prop_oneof![20 => word, 1 => prop::collection::vec(any::<u8>(), 0..9), 1 => Just(vec![b'a'; 30_000])];
        prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_where_the_octets_are_split(
            octets in stream(),
            mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            octets_max in 0_u64..100_000,
        ) {
            let limits = Limits { octets: octets_max, ..LIMITS };
            let mut cuts: Vec<_> = cuts.drain(..).map(|cut| cut.index(octets.len() + 1)).collect();
            cuts.sort_unstable();
            let at_once = frames(&octets, &[], limits);
            prop_assert_eq!(&frames(&octets, &cuts, limits), &at_once);
            let each: Vec<_> = (0..octets.len().min(3000)).collect();
            prop_assert_eq!(&frames(&octets, &each, limits), &at_once);
        }

        #[test]
        fn what_is_kept_is_never_more_than_the_limits(octets in stream()) {
            for frame in frames(&octets, &[], LIMITS).0 {
                prop_assert!(frame.len() <= LIMITS.octets as usize);
            }
        }
    }
}
