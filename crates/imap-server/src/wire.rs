//! What waits to be sent to a client, and what the line does to it.

use std::time::Duration;

use crate::Line;

/// One connection's way out.
#[derive(Debug)]
pub(crate) struct Wire {
    line: Line,
    waiting: Vec<u8>,
    sent: u64,
    received: u64,
    /// Before this time nothing more is sent.
    paused_until: Duration,
    cut: bool,
}

impl Wire {
    pub(crate) fn new(line: Line) -> Self {
        Self { line, waiting: Vec::new(), sent: 0, received: 0, paused_until: Duration::ZERO, cut: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What waits is never sent.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Has octets sent.
    pub(crate) fn put(&mut self, octets: &mut Vec<u8>) {
        self.waiting.append(octets);
    }

    /// What of a client's octets arrives, and whether the connection ends with it.
    pub(crate) fn arrived<'o>(&mut self, octets: &'o [u8]) -> (&'o [u8], bool) {
        let room = self.line.cut_after_received.map(|cut| cut.saturating_sub(self.received));
        self.received += octets.len() as u64;
        match room.filter(|room| *room < octets.len() as u64) {
            Some(room) => {
                self.cut = true;
                (&octets[..usize::try_from(room).unwrap_or(octets.len())], true)
            }
            None => (octets, false),
        }
    }

    /// What is sent now.
    pub(crate) fn take(&mut self, now: Duration) -> Vec<u8> {
        if self.cut || now < self.paused_until || self.waiting.is_empty() {
            return Vec::new();
        }
        let left = |end: Option<u64>| end.map_or(u64::MAX, |end| end.saturating_sub(self.sent));
        let size = (self.waiting.len() as u64)
            .min(self.line.piece.map_or(u64::MAX, |piece| piece.max(1) as u64))
            .min(left(self.line.cut_after_sent))
            .min(left(self.line.stall_after_sent));
        let octets: Vec<u8> = self.waiting.drain(..usize::try_from(size).unwrap_or(0)).collect();
        self.sent += size;
        if !self.line.pause.is_zero() && !self.waiting.is_empty() {
            self.paused_until = now + self.line.pause;
        }
        if self.line.cut_after_sent.is_some_and(|cut| self.sent >= cut) {
            self.cut = true;
        }
        if self.line.stall_after_sent.is_some_and(|stall| self.sent >= stall) {
            self.waiting.clear();
        }
        octets
    }

    /// When more is sent.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        (!self.waiting.is_empty() && !self.cut && self.paused_until > Duration::ZERO)
            .then_some(self.paused_until)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether all was sent. A line that stalls is never over.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.line.stall_after_sent.is_none_or(|stall| self.sent < stall)
    }
}
