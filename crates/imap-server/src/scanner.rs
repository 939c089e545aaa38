//! The little that has to be read of a command before imap-codec reads it: words, strings and lists, one after another.

/// What of a command is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One blank, which has to be there.
    pub(crate) fn blank(&mut self) -> Option<()> {
        self.rest = self.rest.strip_prefix(b" ")?;
        Some(())
    }

    /// Takes a word, in any case, if it comes next and ends there.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let mut after = *self;
        let found = after.atom().is_some_and(|atom| atom.eq_ignore_ascii_case(word.as_bytes()));
        if found {
            *self = after;
        }
        found
    }

    /// Everything up to a blank, a bracket, a quote or the end.
    pub(crate) fn atom(&mut self) -> Option<&'a [u8]> {
        let ends = |octet: &u8| matches!(octet, b' ' | b'(' | b')' | b'"' | b'\r' | b'\n');
        let size = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        self.split(size).filter(|atom| !atom.is_empty())
    }

    /// An atom, a quoted string or a literal, as it stands.
    pub(crate) fn astring(&mut self) -> Option<&'a [u8]> {
        match self.rest.first()? {
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => self.atom(),
        }
    }

    /// A list in brackets, with them, whatever stands in it.
    pub(crate) fn list(&mut self) -> Option<&'a [u8]> {
        let whole = self.rest;
        let mut depth = 0_usize;
        loop {
            match self.rest.first()? {
                b'(' => (depth, self.rest) = (depth + 1, &self.rest[1..]),
                b')' => (depth, self.rest) = (depth.checked_sub(1)?, &self.rest[1..]),
                b' ' => self.rest = &self.rest[1..],
                _ => _ = self.astring()?,
            }
            if depth == 0 {
                return Some(&whole[..whole.len() - self.rest.len()]);
            }
        }
    }

    /// The items of a list that holds strings only.
    pub(crate) fn items(list: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let mut scanner = Self::new(list.strip_prefix(b"(")?.strip_suffix(b")")?);
        let mut items = Vec::new();
        while !scanner.rest.is_empty() {
            items.push(scanner.astring()?);
            if !scanner.rest.is_empty() {
                scanner.blank()?;
            }
        }
        Some(items)
    }

    fn quoted(&mut self) -> Option<&'a [u8]> {
        let mut size = 1;
        loop {
            match self.rest.get(size)? {
                b'\\' => size += 2,
                b'"' => return self.split(size + 1),
                _ => size += 1,
            }
        }
    }

    fn literal(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|octet| *octet == b'\n')?;
        let digits = self.rest[1..end].strip_suffix(b"\r")?.strip_suffix(b"}")?;
        let digits = digits.strip_suffix(b"+").unwrap_or(digits);
        let size: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        self.split(end.checked_add(1)?.checked_add(size)?)
    }

    fn split(&mut self, size: usize) -> Option<&'a [u8]> {
        let (found, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_every_form_are_taken_as_they_stand() {
        let mut scanner = Scanner::new(b"a \"b\\\" c\" {3+}\r\nd e (f \")\" (g)) h");
        let blank = |scanner: &mut Scanner<'_>| scanner.blank().unwrap();
        assert_eq!(scanner.astring(), Some(&b"a"[..]));
        blank(&mut scanner);
        assert_eq!(scanner.astring(), Some(&b"\"b\\\" c\""[..]));
        blank(&mut scanner);
        assert_eq!(scanner.astring(), Some(&b"{3+}\r\nd e"[..]));
        blank(&mut scanner);
        assert_eq!(scanner.list(), Some(&b"(f \")\" (g))"[..]));
        blank(&mut scanner);
        assert!(scanner.word("H") && scanner.rest().is_empty());
    }

    #[test]
    fn what_does_not_end_is_nothing() {
        for octets in ["\"a", "\"a\\", "{9}\r\nabc", "{x}\r\nabc", "{9"] {
            assert_eq!(Scanner::new(octets.as_bytes()).astring(), None, "{octets}");
        }
        for octets in ["(a", ")", "(a))"] {
            let mut scanner = Scanner::new(octets.as_bytes());
            assert!(scanner.list().is_none() || !scanner.rest().is_empty(), "{octets}");
        }
        assert_eq!(Scanner::items(b"(a (b))"), None);
    }
}
