//! Malice: what somebody does on purpose, beside the faults. Each run draws its own mixture, of the families that it may draw.
//!
//! Nobody here breaks cryptography (Dolev–Yao): a signature is made with a key that its maker holds, and what is sealed is opened with
//! one. *Safety* is judged all the time; *convergence* and *quiescence* are once malice has stopped, as for faults.

mod server;
mod stranger;
mod thief;

use std::collections::BTreeMap;

use sma_core::{Envelope, Folder, Op};

use crate::{
    choices::Choices,
    daily,
    lab::Fate,
    store::{Mailbox, Stored},
    world::{HOUR, MINUTE, World},
};

/// Which malice a run may draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MaliceSet {
    /// Nobody means harm.
    #[default]
    None,
    /// The server chooses what it does and shows. It opens nothing that is sealed.
    Server,
    /// Somebody who has the account's password, and no device of the group.
    Stranger,
    /// Somebody who has a device of the group, or a copy of what it had saved.
    Thief,
    /// All of them, who share what they know.
    All,
}

impl MaliceSet {
    /// Whether the server is one of them.
    #[must_use]
    pub const fn has_server(self) -> bool {
        matches!(self, Self::Server | Self::All)
    }

    /// Whether a stranger is one of them.
    #[must_use]
    pub const fn has_stranger(self) -> bool {
        matches!(self, Self::Stranger | Self::All)
    }

    /// As it is written on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Stranger => "stranger",
            Self::Thief => "thief",
            Self::All => "all",
        }
    }
}

/// How often each thing is done whenever there is an occasion, in a million.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    refile: u32,
    hide: u32,
    keep: u32,
    roll_back: u32,
    besiege: u32,
    lie: u32,
    misdate: u32,
    announce: u32,
    ask: u32,
    copy: u32,
    offer: u32,
    guess: u32,
    end: u32,
    flood: u32,
    whisper: u32,
    write: u32,
    pretend: u32,
    steal: u32,
    sign: u32,
    fork: u32,
    withhold: u32,
}

impl Rates {
    fn draw(set: MaliceSet, choices: &mut impl Choices) -> Self {
        let (server, stranger, thief) = match set {
            MaliceSet::None => return Self::default(),
            MaliceSet::Server => (true, false, false),
            MaliceSet::Stranger => (false, true, false),
            MaliceSet::Thief => (false, false, true),
            MaliceSet::All => (true, true, true),
        };
        let mut rate = |may: bool, often: u32| match choices.below(4) {
            2 if may => often / 10,
            3 if may => often,
            _ => 0,
        };
        Self {
            refile: rate(server, 500_000),
            hide: rate(server, 200_000),
            keep: rate(server, 200_000),
            roll_back: rate(server, 50_000),
            besiege: rate(server, 20_000),
            lie: rate(server, 50_000),
            misdate: rate(server, 20_000),
            announce: rate(stranger, 200_000),
            ask: rate(stranger, 200_000),
            copy: rate(stranger, 300_000),
            offer: rate(stranger, 100_000),
            guess: rate(stranger, 200_000),
            end: rate(stranger, 200_000),
            flood: rate(stranger, 20_000),
            whisper: rate(stranger, 200_000),
            write: rate(stranger, 50_000),
            steal: if thief { 1_000_000 } else { 0 },
            sign: if thief { 500_000 } else { 0 },
            pretend: rate(stranger, 300_000),
            fork: rate(thief, 200_000),
            withhold: rate(thief, 200_000),
        }
    }
}

/// Whoever means harm: what they may do, and what they have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Malice {
    rates: Rates,
    /// What the server took out of sight, to show it later.
    hidden: Vec<(Folder, Stored)>,
    /// Folders as they were once.
    kept: BTreeMap<Folder, Mailbox>,
    siege: Option<server::Siege>,
    strangers: Vec<crate::insider::Insider>,
    thief: Option<thief::Thief>,
}

impl Malice {
    pub(crate) fn draw(set: MaliceSet, choices: &mut impl Choices) -> Self {
        Self { rates: Rates::draw(set, choices), ..Self::default() }
    }

    /// What a hostile server does to an operation, if anything.
    pub(crate) fn fate(
        &self,
        op: &Op,
        at: usize,
        now: sma_core::Timestamp,
        choices: &mut impl Choices,
    ) -> Option<Fate> {
        let besieged = self.siege.as_ref().filter(|siege| siege.covers(op, at, now)).map(|siege| siege.fate);
        let writes =
            matches!(op, Op::CreateFolder(_) | Op::DeleteFolder(_) | Op::Append { .. } | Op::Remove { .. });
        besieged.or_else(|| (writes && choices.chance(self.rates.lie)).then_some(Fate::Claimed))
    }
}

/// An occasion: whoever means harm does something, or not. How long until the next.
pub(crate) fn act<C: Choices>(world: &mut World<C>) -> u64 {
    let rates = world.malice.rates;
    let all = [
        (rates.refile, server::refile as fn(&mut World<C>)),
        (rates.hide, server::hide_or_show),
        (rates.keep, server::keep),
        (rates.roll_back, server::roll_back),
        (rates.besiege, server::besiege),
        (rates.misdate, daily::jump),
        (rates.announce, stranger::announce),
        (rates.ask, stranger::ask),
        (rates.copy, stranger::copy),
        (rates.offer, stranger::offer),
        (rates.guess, stranger::guess),
        (rates.end, stranger::end),
        (rates.flood, stranger::flood),
        (rates.whisper, stranger::whisper),
        (rates.write, stranger::write),
        (rates.pretend, stranger::pretend),
        (rates.steal, thief::steal),
        (rates.sign, thief::sign),
        (rates.fork, thief::fork),
        (rates.withhold, thief::withhold),
    ];
    for (rate, acts) in all {
        if world.choices.chance(rate) {
            acts(world);
        }
    }
    world.choices.between(10 * MINUTE, 24 * HOUR)
}

/// Nobody means harm any more: the server shows what it has, and people throw out whom they did not let in.
pub(crate) fn stop<C: Choices>(world: &mut World<C>) {
    server::stop(world);
    thief::is_noticed(world);
    world.malice = Malice::default();
    world.lab.truth.server_is_hostile = false;
}

/// Puts a message into a folder, as nobody's program did.
fn put<C: Choices>(world: &mut World<C>, folder: Folder, envelope: Envelope, what: &str) {
    world.put(folder, crate::store::Kept::Envelope(envelope), what);
}
