//! A byte stream from a server that may lie: what would make the parser take too much memory or stack ends the connection
//! before the parser sees it.
//!
//! The parser reserves a literal's announced size at once and recurses into parentheses, so both are bounded here, and so is
//! everything that a server may send for one command.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A body structure nests as deep as its message; nothing that is asked for here nests deeper than two.
const DEPTH_MAX: u32 = 32;

/// What a connection runs over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Wire for T {}

/// A [`Wire`] that stops reading where a limit is passed.
#[derive(Debug)]
pub(crate) struct Guarded {
    wire: Box<dyn Wire>,
    /// How many octets may still arrive.
    left: u64,
    scan: Scan,
}

/// Where in a response the stream is (RFC 3501 section 4).
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// Octets of a literal that are still to come.
    literal: u64,
    /// The size that `{123` has announced so far.
    announced: Option<u64>,
    /// `{123}` stood there; a line break makes it a literal.
    closed: bool,
    depth: u32,
    quoted: bool,
    escaped: bool,
}

impl Guarded {
    pub(crate) fn new(wire: Box<dyn Wire>, octets_max: u64) -> Self {
        Self { wire, left: octets_max, scan: Scan::default() }
    }

    /// From here on so many octets may arrive.
    pub(crate) fn allow(&mut self, octets: u64) {
        self.left = octets;
    }

    fn admit(&mut self, octets: &[u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(octets.len() as u64).ok_or_else(|| refused("too much"))?;
        let mut rest = octets;
        while let Some((&first, tail)) = rest.split_first() {
            if self.scan.literal > 0 {
                let skip = usize::try_from(self.scan.literal).unwrap_or(usize::MAX).min(rest.len());
                self.scan.literal -= skip as u64;
                rest = &rest[skip..];
                continue;
            }
            self.scan.take(first);
            if self.scan.literal > self.left.saturating_add(tail.len() as u64) {
                return Err(refused("a literal that is too large"));
            }
            if self.scan.depth > DEPTH_MAX {
                return Err(refused("a list that is too deep"));
            }
            rest = tail;
        }
        Ok(())
    }
}

impl Scan {
    fn take(&mut self, octet: u8) {
        if octet == b'\n' {
            // A literal goes on with the response that announced it.
            let literal = self.announced.filter(|_| self.closed);
            let depth = if literal.is_some() { self.depth } else { 0 };
            *self = Self { literal: literal.unwrap_or(0), depth, ..Self::default() };
            return;
        }
        if self.quoted {
            let ends = octet == b'"' && !self.escaped;
            self.escaped = octet == b'\\' && !self.escaped;
            self.quoted = !ends;
            return;
        }
        match (octet, self.announced) {
            (b'{', _) => (self.announced, self.closed) = (Some(0), false),
            (b'0'..=b'9', Some(size)) if !self.closed => {
                self.announced = Some(size.saturating_mul(10).saturating_add(u64::from(octet - b'0')));
            }
            (b'+', Some(_)) if !self.closed => {}
            (b'}', Some(_)) if !self.closed => self.closed = true,
            (b'\r', Some(_)) if self.closed => {}
            _ => (self.announced, self.closed) = (None, false),
        }
        match octet {
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            b'"' => self.quoted = true,
            _ => {}
        }
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server sent {what}"))
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.wire).poll_read(cx, buf))?;
        Poll::Ready(this.admit(&buf.filled()[before..]))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `octets` in pieces of `size`.
    fn feed(octets: &[u8], size: usize, octets_max: u64) -> io::Result<()> {
        let mut guarded = Guarded::new(Box::new(tokio::io::empty()), octets_max);
        octets.chunks(size).try_for_each(|piece| guarded.admit(piece))
    }

    #[test]
    fn a_literal_above_the_limit_is_refused_before_it_arrives() {
        for size in [1, 7, 1000] {
            assert!(feed(b"* 1 FETCH (UID 1 BODY[] {5000}\r\n", size, 1000).is_err());
            assert!(feed(b"* 1 FETCH (UID 1 BODY[] {99999999999999999999999}\r\n", size, 1000).is_err());
            assert!(feed(b"* 1 FETCH (UID 1 BODY[] {5}\r\nabcde)\r\n", size, 1000).is_ok());
        }
    }

    #[test]
    fn a_list_that_nests_too_deep_is_refused() {
        let deep = [b"* 1 FETCH (BODYSTRUCTURE ", &[b'('; 100][..]].concat();
        for size in [1, 7, 1000] {
            assert!(feed(&deep, size, 1000).is_err());
        }
    }

    #[test]
    fn what_a_message_or_a_quoted_string_holds_is_not_looked_at() {
        let body = [&[b'('; 100][..], b"{9999}\r\n"].concat();
        let head = format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n", body.len());
        let literal = [head.as_bytes(), &body, b")\r\n"].concat();
        let quoted = [b"* LIST () \"/\" \"\\\"", &[b'('; 100][..], b"\"\r\n"].concat();
        for octets in [literal, quoted] {
            for size in [1, 7, 1000] {
                assert!(feed(&octets, size, 1000).is_ok());
            }
        }
    }

    #[test]
    fn more_than_the_command_may_bring_is_refused() {
        assert!(feed(&b"* OK still here\r\n".repeat(10), 16, 100).is_err());
    }
}
