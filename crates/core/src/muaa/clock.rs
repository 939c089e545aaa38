//! The own clock, which people and time servers put right while the program runs.

use std::time::Duration;

use super::Muaa;
use crate::{Crypto, Timestamp, config::DAY};

/// A time that is earlier by less than this is one that was read before the latest one, and says nothing about the clock.
const DISORDER: Duration = Duration::from_secs(60);

impl<C: Crypto> Muaa<C> {
    /// The present is `now`, also if it is earlier than before: then the clock ran ahead, and nothing waits for a time that it
    /// only showed by mistake.
    pub(super) fn tell_time(&mut self, now: Timestamp) {
        if now + DISORDER >= self.now {
            self.now = self.now.max(now);
            return;
        }
        self.now = now;
        self.state.forget_the_future(now);
        let at_most = |at: &mut Timestamp, wait: Duration| *at = (*at).min(now + wait);
        at_most(&mut self.io.next_poll, self.config.poll_interval);
        at_most(&mut self.io.next_full, DAY);
        self.io.gathering.values_mut().for_each(|at| at_most(at, self.config.gather));
        self.io.trouble.values_mut().for_each(|(_, until)| at_most(until, self.config.retry_max));
        self.changed();
    }
}
