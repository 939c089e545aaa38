//! Armor as people have it (RFC 9580 section 6): text that mail programs, editors and web pages changed on its way.
//!
//! What counts is the octets inside. A checksum protects nothing that the packets themselves do not, and RFC 9580 says that a wrong
//! one refuses nothing (section 6.1); so it is not looked at. Blanks, blank lines and what stands around a block do not count either.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// What a block says that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Label {
    PublicKey,
    SecretKey,
    Message,
    Signature,
    /// Anything else.
    Other,
}

/// One block without its armor.
pub(crate) struct Block {
    pub(crate) label: Label,
    /// Name and value of each line before the data that is a header.
    headers: Vec<(String, String)>,
    pub(crate) octets: Zeroizing<Vec<u8>>,
}

impl Block {
    /// The value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Data that is not base64, or no data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Damaged;

/// With or without padding; what follows the padding is another block's affair.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const DASHES: &[u8] = b"-----";

/// So many letters without a blank are data; fewer may be a word of a text.
const LONGER_THAN_WORDS: usize = 24;

/// All blocks in `text`, in their order; none if there is no armor. What stands before, between and behind them is passed over, and a
/// block without an end goes up to the next one. Total.
///
/// # Errors
/// [`Damaged`] if the data of a block is not base64.
pub(crate) fn blocks(text: &[u8]) -> Result<Vec<Block>, Damaged> {
    up_to(text, |_| false)
}

/// The first block in `text`, whatever follows it. Total.
///
/// # Errors
/// [`Damaged`] if there is none, or its data is not base64.
pub(crate) fn first(text: &[u8]) -> Result<Block, Damaged> {
    up_to(text, |_| true)?.pop().ok_or(Damaged)
}

/// The blocks in `text` up to the first one that is the last, whatever follows it; all of them if none is. Total.
///
/// # Errors
/// [`Damaged`] if the data of one of these is not base64.
pub(crate) fn up_to(text: &[u8], is_last: impl Fn(&Block) -> bool) -> Result<Vec<Block>, Damaged> {
    let text = as_octets(text);
    let mut blocks = Vec::new();
    let mut open: Option<Open> = None;
    // Both ends of a line end one; the empty line between the two of CRLF is a blank line, and those do not count.
    let lines = text.split(|octet| matches!(octet, b'\n' | b'\r')).map(trimmed);
    for line in lines.flat_map(apart) {
        if blocks.last().is_some_and(&is_last) {
            return Ok(blocks);
        }
        match (marked(line), &mut open) {
            (Some((b"BEGIN ", name)), _) => {
                close(&mut open, &mut blocks)?;
                open = Some(Open::new(name, text.len()));
            }
            (Some(_), Some(_)) => close(&mut open, &mut blocks)?,
            (None, Some(open)) => open.take(line),
            (_, None) => {}
        }
    }
    close(&mut open, &mut blocks)?;
    Ok(blocks)
}

/// Text in UTF-16, as a redirection of PowerShell writes it, as the octets of its characters; anything else as it is.
fn as_octets(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let unit: fn([u8; 2]) -> u16 = match text {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Zeroizing::new(text.to_vec()),
    };
    // Armor is ASCII: what is not can only stand in a header.
    let ascii =
        |pair: &[u8]| pair.try_into().ok().and_then(|pair| u8::try_from(unit(pair)).ok()).unwrap_or(b'?');
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    octets.extend(text[2..].chunks_exact(2).map(ascii));
    octets
}

/// Without blanks at its ends, those included that editors and web pages put there: a byte order mark, no-break spaces; and without the
/// marks of a quotation.
fn trimmed(mut line: &[u8]) -> &[u8] {
    const ODD: [&[u8]; 4] = ["\u{feff}".as_bytes(), "\u{a0}".as_bytes(), "\u{200b}".as_bytes(), b"\0"];
    loop {
        let before = line.len();
        line = line.trim_ascii();
        for odd in ODD {
            line = line.strip_prefix(odd).unwrap_or(line);
            line = line.strip_suffix(odd).unwrap_or(line);
        }
        line = line.strip_prefix(b">").unwrap_or(line);
        if line.len() == before {
            return line;
        }
    }
}

/// Where one block ends and the next one begins on a line, as in files that were put together without a line end, two lines.
fn apart(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BOTH: &[u8] = b"----------BEGIN ";
    let ends = line.starts_with(b"-----END ");
    let at = line.windows(BOTH.len()).position(|part| part == BOTH).filter(|_| ends);
    let (first, second) = line.split_at(at.map_or(line.len(), |at| at + DASHES.len()));
    std::iter::once(first).chain(at.map(|_| second))
}

/// Of a line that begins or ends a block the word for it and what follows, dashes not included.
fn marked(line: &[u8]) -> Option<(&'static [u8], &[u8])> {
    let inside = line.strip_prefix(DASHES)?;
    let word = [&b"BEGIN "[..], b"END "].into_iter().find(|word| inside.starts_with(word))?;
    let name = inside.get(word.len()..)?;
    Some((word, name.strip_suffix(DASHES)?))
}

fn close(open: &mut Option<Open>, blocks: &mut Vec<Block>) -> Result<(), Damaged> {
    if let Some(open) = open.take() {
        blocks.push(open.closed()?);
    }
    Ok(())
}

/// A block that is being read.
struct Open {
    label: Label,
    headers: Vec<(String, String)>,
    characters: Zeroizing<Vec<u8>>,
    /// The data has begun, or has ended.
    in_data: bool,
    ended: bool,
}

impl Open {
    fn new(name: &[u8], room: usize) -> Self {
        let label = match trimmed(name) {
            b"PGP PUBLIC KEY BLOCK" => Label::PublicKey,
            b"PGP PRIVATE KEY BLOCK" | b"PGP SECRET KEY BLOCK" => Label::SecretKey,
            b"PGP MESSAGE" => Label::Message,
            b"PGP SIGNATURE" => Label::Signature,
            _ => Label::Other,
        };
        // With room for all of it, so that no copy stays behind.
        let characters = Zeroizing::new(Vec::with_capacity(room));
        Self { label, headers: Vec::new(), characters, in_data: false, ended: false }
    }

    fn take(&mut self, line: &[u8]) {
        if line.is_empty() || self.ended {
            return;
        }
        if !self.in_data {
            // Of a header nothing is asked but that it is none of the data, in which blanks may stand as well.
            let first = line.iter().take_while(|octet| is_of_data(**octet)).count();
            let is_no_word = first >= LONGER_THAN_WORDS;
            self.in_data = line.iter().all(|octet| is_of_data(*octet) || is_no_word && *octet == b' ');
            if !self.in_data {
                self.headers.extend(header(line));
                return;
            }
        }
        if let [b'=', checksum @ ..] = line
            && checksum.len() == 4
        {
            self.ended = true;
            return;
        }
        self.characters.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
    }

    fn closed(self) -> Result<Block, Damaged> {
        let mut octets = Zeroizing::new(Vec::with_capacity(self.characters.len()));
        LENIENT.decode_vec(&*self.characters, &mut octets).map_err(|_| Damaged)?;
        Ok(Block { label: self.label, headers: self.headers, octets })
    }
}

fn is_of_data(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=')
}

/// A line `name: value`, in whatever letters; nothing if it is of another form.
fn header(line: &[u8]) -> Option<(String, String)> {
    let line = String::from_utf8_lossy(line);
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &str = "-----BEGIN PGP MESSAGE-----\nVersion: 1\n\naGVsbG8gd29ybGQsIGhlbGxv\nIGFnYWlu\n=abcd\n-----END PGP MESSAGE-----\n";

    fn read(text: &[u8]) -> Vec<(Label, String)> {
        let inside = |block: &Block| (block.label, String::from_utf8_lossy(&block.octets).into_owned());
        blocks(text).unwrap().iter().map(inside).collect()
    }

    #[test]
    fn what_stands_around_data_does_not_count() {
        let expected = blocks(PLAIN.as_bytes()).unwrap().remove(0);
        assert_eq!(&*expected.octets, b"hello world, hello again");
        assert_eq!((expected.label, expected.header("version")), (Label::Message, Some("1")));
        for changed in [
            PLAIN.replace('\n', "\r\n"),
            PLAIN.replace('\n', "\r"),
            PLAIN.replace('\n', "\n\n"),
            PLAIN.replace('\n', " \t\r\r\n"),
            PLAIN.replace('\n', "\u{a0}\n\u{a0}  "),
            PLAIN.replace('\n', "\n> > "),
            PLAIN.replace("Version: 1\n\n", ""),
            PLAIN.replace("Version: 1\n\n", "Version: 1\n"),
            PLAIN.replace("Version: 1", "Комментарий: ключ\nComment:\nnot a header\nHash: SHA256"),
            PLAIN.replace("=abcd\n", ""),
            PLAIN.replace("=abcd", "=AAAA"),
            PLAIN.replace("=abcd\n-----END PGP MESSAGE-----\n", ""),
            PLAIN.replace("bGxv\nIGF", "bGxvIGF"),
            format!("Hello -----\n-----\n\u{feff}{PLAIN}=abcd\n-- \nAnna"),
            PLAIN.replace("bGxv\nIGFn", "bGxv IG Fn"),
            PLAIN.replace("Version: 1", "Version: 1\nsome words that are no data and stand in one line"),
        ] {
            let [block] = &blocks(changed.as_bytes()).unwrap()[..] else { panic!("one block: {changed:?}") };
            assert_eq!((block.label, &block.octets), (expected.label, &expected.octets), "{changed:?}");
        }
        let latin_1 = PLAIN.replace("Version: 1", "Comment: Schl?ssel").replace('?', "\u{fc}");
        let latin_1: Vec<u8> = latin_1.chars().map(|character| character as u8).collect();
        assert_eq!(read(&latin_1), read(PLAIN.as_bytes()));
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let utf_16: Vec<u8> = format!("\u{feff}{PLAIN}").encode_utf16().flat_map(order).collect();
            assert_eq!(read(&utf_16), read(PLAIN.as_bytes()));
        }
    }

    #[test]
    fn blocks_come_in_their_order_and_damaged_ones_are_told() {
        let both = format!("{PLAIN}{}", PLAIN.replace("MESSAGE", "PRIVATE KEY BLOCK"));
        let labels: Vec<_> = read(both.as_bytes()).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, [Label::Message, Label::SecretKey]);
        let on_one_line = both.replace("-----\n-----BEGIN PGP PRIVATE", "----------BEGIN PGP PRIVATE");
        assert!(on_one_line.len() < both.len());
        assert_eq!(read(on_one_line.as_bytes()), read(both.as_bytes()));
        assert!(read(b"no armor").is_empty() && read(b"").is_empty());
        assert!(blocks(PLAIN.replace("IGFn", "IG!n").as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(text: Vec<u8>) {
            let _ = blocks(&text);
        }

        #[test]
        fn any_lines_are_read_without_a_panic(text in "(-----BEGIN PGP (MESSAGE|PRIVATE KEY BLOCK)-----|-----END |=|[a-z]{4}|\n|\r|:| |-|\\PC){0,30}") {
            let _ = blocks(text.as_bytes());
        }
    }
}
