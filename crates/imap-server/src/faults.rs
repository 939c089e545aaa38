//! What goes wrong: with the octets of a connection, and with single commands. By chance, or as a test wants it.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::{chance::Chance, malice::Malice};

/// What happens to the octets of one connection. The default is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// After so many octets of the server the connection ends.
    pub cut_after_sent: Option<u64>,
    /// After so many octets of the client the connection ends; the last of them still arrives.
    pub cut_after_received: Option<u64>,
    /// After so many octets of the server nothing more comes, and the connection stays.
    pub stall_after_sent: Option<u64>,
    /// At most so many octets arrive at the client at a time.
    pub piece: Option<usize>,
    /// So much time is between two pieces.
    pub pause: Duration,
}

/// What happens to one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It is refused with NO and this response code, and has no effect.
    Refused(&'static str),
    /// The connection ends, and it has no effect.
    CutBefore,
    /// It has its effect, and the connection ends before its answer.
    CutAfter,
    /// It is answered as no honest server does.
    Dishonest(Malice),
}

/// What goes wrong by chance. Each number says how often in a million.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Connections with a [`Line`] on which something happens.
    pub lines: u32,
    /// Commands that are refused or cut off.
    pub commands: u32,
    /// Commands that are answered dishonestly.
    pub malice: u32,
}

impl Faults {
    /// What [`Faults::named`] knows.
    pub const NAMES: [&str; 5] = ["none", "lines", "commands", "malice", "all"];

    /// Faults by the name of their kind.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let none = Self::default();
        Some(match name {
            "none" => none,
            "lines" => Self { lines: 300_000, ..none },
            "commands" => Self { commands: 50_000, ..none },
            "malice" => Self { malice: 50_000, ..none },
            "all" => Self { lines: 200_000, commands: 30_000, malice: 20_000 },
            _ => return None,
        })
    }

    /// What happens on the next connection.
    pub(crate) fn line(&self, rng: &mut ChaCha8Rng) -> Line {
        if !rng.chance(self.lines) {
            return Line::default();
        }
        let none = Line::default();
        match rng.below(6) {
            0 => Line { cut_after_sent: Some(u64::from(rng.below(20_000))), ..none },
            1 => Line { cut_after_received: Some(u64::from(rng.below(10_000))), ..none },
            2 => Line { stall_after_sent: Some(u64::from(rng.below(10_000))), ..none },
            3 => Line { piece: Some(1 + rng.below(40) as usize), ..none },
            4 => Line { piece: Some(1), ..none },
            _ => {
                let pause = Duration::from_millis(u64::from(rng.below(500)));
                Line { piece: Some(50 + rng.below(500) as usize), pause, ..none }
            }
        }
    }

    /// What happens to the next command.
    pub(crate) fn trouble(&self, rng: &mut ChaCha8Rng) -> Option<Trouble> {
        /// RFC 5530, and none.
        const CODES: [&str; 8] =
            ["UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT", "NOPERM", "OVERQUOTA", "CONTACTADMIN", ""];
        if rng.chance(self.malice) {
            return Some(Trouble::Dishonest(Malice::drawn(rng)));
        }
        if !rng.chance(self.commands) {
            return None;
        }
        Some(match rng.below(3) {
            0 => Trouble::Refused(CODES[rng.below(CODES.len() as u32) as usize]),
            1 => Trouble::CutBefore,
            _ => Trouble::CutAfter,
        })
    }
}

/// A trouble that a test wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Planned {
    /// The command, as `UID STORE`.
    pub(crate) command: String,
    /// How many of them are left alone before.
    pub(crate) after: u32,
    pub(crate) trouble: Trouble,
}

/// Takes the trouble that is planned for a command, if it is its turn.
pub(crate) fn take(planned: &mut Vec<Planned>, command: &str) -> Option<Trouble> {
    let at = planned.iter().position(|one| one.command == command)?;
    match planned[at].after.checked_sub(1) {
        Some(left) => {
            planned[at].after = left;
            None
        }
        None => Some(planned.remove(at).trouble),
    }
}
