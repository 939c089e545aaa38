//! What this device and others said of themselves.

use std::time::Duration;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::Waiting;
use crate::{Hash, Timestamp, Token, config::DAY};

/// The own announcement as it was last written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Announced {
    #[n(0)]
    pub(crate) token: Token,
    #[n(1)]
    pub(crate) at: Timestamp,
    #[n(2)]
    pub(crate) done: bool,
    /// The hash of its octets: it stands where these lie, whatever they are called.
    #[n(3)]
    pub(crate) said: Hash,
}

/// How long nothing is heard of a member that never announced itself here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Unheard {
    /// The latest date of the server when it was missed first.
    #[n(0)]
    pub(crate) since: Timestamp,
    /// How often the own announcement was renewed since it last said something.
    #[n(1)]
    pub(crate) beats: u32,
    /// The program was told of its silence.
    #[n(2)]
    pub(crate) warned: bool,
}

/// What another MUAA said of itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Known {
    #[n(1)]
    pub(crate) incarnation: u64,
    /// The sequence of its latest announcement.
    #[n(2)]
    pub(crate) sequence: u64,
    /// The hash of the latest announcement's octets.
    #[n(3)]
    pub(crate) said: Hash,
    /// The server's date of it when it was first read.
    #[n(4)]
    pub(crate) date: Timestamp,
    /// How often the own announcement was renewed since.
    #[n(5)]
    pub(crate) beats: u32,
    /// Its waiting request.
    #[n(6)]
    pub(crate) request: Option<Waiting>,
    /// A person said no to this key.
    #[n(7)]
    pub(crate) rejected: bool,
    /// The digest it announced.
    #[n(8)]
    pub(crate) digest: Option<Hash>,
    /// When, on the own clock, that was read.
    #[n(9)]
    pub(crate) heard: Timestamp,
    /// The program was told of its silence.
    #[n(10)]
    pub(crate) warned: bool,
    /// The certificate of its latest announcement, which what is sealed to it goes by.
    #[cbor(n(11), with = "crate::wire::octets")]
    pub(crate) certificate: Bytes,
    /// When it was last told where it stands because of what it announced.
    #[n(12)]
    pub(crate) told: Option<Timestamp>,
    /// When, on the own clock, it was heard after it had been silent for so long that its folder may have been deleted.
    #[n(13)]
    pub(crate) back: Option<Timestamp>,
    /// The sequence that was known of it when an older announcement of another certificate stood, if it was told so and nothing newer
    /// was heard of it: it may be unable to read what is sealed to the newest certificate.
    #[n(14)]
    pub(crate) behind: Option<u64>,
    /// How often it was told that it is out because of what it announced.
    #[cbor(n(15), default)]
    pub(crate) tellings: u32,
    /// Since when it has told this device, which lists it, that this device is out.
    #[n(16)]
    pub(crate) apart: Option<Timestamp>,
}

impl Known {
    /// The own clock was set back.
    pub(crate) fn forget_the_future(&mut self, now: Timestamp) {
        self.heard = self.heard.min(now);
        self.told.iter_mut().chain(&mut self.back).chain(&mut self.apart).for_each(|at| *at = (*at).min(now));
    }
}

/// How often a pause is doubled at most: to 32 days.
const DOUBLINGS: u32 = 5;

/// How often a device may take another key because its own has signed what it does not know: at once the first time, then a day later,
/// and each time twice as long after, up to 32 days.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Pace {
    /// How often it did.
    #[n(0)]
    pub(crate) times: u32,
    /// When it last did.
    #[n(1)]
    pub(crate) at: Timestamp,
}

impl Pace {
    /// Whether it may do so now.
    pub(crate) fn allows(&self, now: Timestamp) -> bool {
        let pause: Duration = DAY.saturating_mul(1 << self.times.saturating_sub(1).min(DOUBLINGS));
        self.times == 0 || now.since(self.at) >= pause
    }

    /// It does so now.
    pub(crate) fn step(&mut self, now: Timestamp) {
        *self = Self { times: self.times.saturating_add(1), at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_takes_another_key_at_once_then_after_a_day_and_ever_more_seldom() {
        let (mut pace, mut now, mut times) = (Pace::default(), Timestamp(0), Vec::new());
        for day in 0..200_u64 {
            if pace.allows(now) {
                pace.step(now);
                times.push(day);
            }
            now = now + DAY;
        }
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 95, 127, 159, 191]);
    }
}
