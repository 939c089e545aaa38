//! The words of a response (RFC 3501 section 9): read from the front, one after another, without recursion and without
//! copies. Whatever cannot be read is [`Malformed`], and nothing panics.

use std::borrow::Cow;

/// A response, or a part of it, is not as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// What of a response is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(crate) fn new(response: &'a [u8]) -> Self {
        Self { rest: response }
    }

    /// Blanks, any number of them: several servers write two, or one at the end.
    pub(crate) fn blanks(&mut self) {
        while self.take(b' ') {}
    }

    /// Takes an octet if it is the next one.
    pub(crate) fn take(&mut self, octet: u8) -> bool {
        let rest = self.rest.strip_prefix(&[octet]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The octet that must come next.
    pub(crate) fn expect(&mut self, octet: u8) -> Result<(), Malformed> {
        if self.take(octet) { Ok(()) } else { Err(Malformed) }
    }

    /// Everything up to the end of the line, without it.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let line = self.until(|octet| octet == b'\r' || octet == b'\n');
        self.rest = &[];
        line
    }

    /// Everything up to an octet, which is taken too.
    pub(crate) fn up_to(&mut self, end: u8) -> Result<&'a [u8], Malformed> {
        let found = self.until(|octet| octet == end || octet == b'\n');
        self.expect(end)?;
        Ok(found)
    }

    /// An atom, or what several servers take for one: everything up to a blank, a bracket or a quote. It is not empty.
    pub(crate) fn atom(&mut self) -> Result<&'a [u8], Malformed> {
        let atom = self.until(|octet| octet <= b' ' || matches!(octet, b'(' | b')' | b'{' | b'"' | b'['));
        if atom.is_empty() { Err(Malformed) } else { Ok(atom) }
    }

    /// A number that fits.
    pub(crate) fn number<T: std::str::FromStr>(&mut self) -> Result<T, Malformed> {
        let digits = self.until(|octet| !octet.is_ascii_digit());
        let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
        digits.parse().map_err(|_| Malformed)
    }

    /// A string, quoted or literal; `None` for NIL.
    pub(crate) fn nstring(&mut self) -> Result<Option<Cow<'a, [u8]>>, Malformed> {
        if let Some(string) = self.string()? {
            return Ok(Some(string));
        }
        if self.atom()?.eq_ignore_ascii_case(b"NIL") { Ok(None) } else { Err(Malformed) }
    }

    /// A string or an atom.
    pub(crate) fn astring(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        if let Some(string) = self.string()? {
            return Ok(string);
        }
        let atom = self.until(|octet| octet <= b' ' || matches!(octet, b'(' | b')' | b'{' | b'"'));
        if atom.is_empty() { Err(Malformed) } else { Ok(Cow::Borrowed(atom)) }
    }

    /// Passes over one value of any kind, however deep it nests.
    pub(crate) fn skip(&mut self) -> Result<(), Malformed> {
        let mut depth = 0_usize;
        loop {
            if self.take(b'(') {
                depth += 1;
            } else if self.take(b')') {
                depth = depth.checked_sub(1).ok_or(Malformed)?;
            } else if depth > 0 && self.take(b' ') {
                continue;
            } else if self.string()?.is_none() && !self.take(b'[') {
                self.atom()?;
            }
            if depth == 0 && !self.is_within_value() {
                return Ok(());
            }
        }
    }

    /// A value goes on where no blank, no closing bracket and no line end follows: `BODY[1]`, `[a]b`.
    fn is_within_value(&self) -> bool {
        self.rest.first().is_some_and(|octet| *octet > b' ' && *octet != b')')
    }

    /// A quoted string or a literal, if one comes next.
    fn string(&mut self) -> Result<Option<Cow<'a, [u8]>>, Malformed> {
        match self.rest {
            [b'"', ..] => self.quoted().map(Some),
            [b'{', ..] | [b'~', b'{', ..] => self.literal().map(|octets| Some(Cow::Borrowed(octets))),
            _ => Ok(None),
        }
    }

    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        self.expect(b'"')?;
        let start = self.rest;
        let (mut size, mut escapes) = (0, false);
        loop {
            match start.get(size) {
                Some(b'"') => break,
                Some(b'\\') if matches!(start.get(size + 1), Some(b'"' | b'\\')) => {
                    (size, escapes) = (size + 2, true)
                }
                // Some servers do not escape it.
                Some(octet) if *octet != b'\r' && *octet != b'\n' => size += 1,
                Some(_) | None => return Err(Malformed),
            }
        }
        self.rest = &start[size + 1..];
        let octets = &start[..size];
        Ok(if escapes { Cow::Owned(unescaped(octets)) } else { Cow::Borrowed(octets) })
    }

    fn literal(&mut self) -> Result<&'a [u8], Malformed> {
        self.take(b'~');
        self.expect(b'{')?;
        let size: usize = self.number()?;
        self.take(b'+');
        self.expect(b'}')?;
        self.take(b'\r');
        self.expect(b'\n')?;
        let (octets, rest) = self.rest.split_at_checked(size).ok_or(Malformed)?;
        self.rest = rest;
        Ok(octets)
    }

    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let size = self.rest.iter().position(|octet| ends(*octet)).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(size);
        self.rest = rest;
        found
    }
}

fn unescaped(octets: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&first, tail)) = rest.split_first() {
        let (octet, tail) = match tail.split_first() {
            Some((&second @ (b'"' | b'\\'), tail)) if first == b'\\' => (second, tail),
            Some(_) | None => (first, tail),
        };
        plain.push(octet);
        rest = tail;
    }
    plain
}
