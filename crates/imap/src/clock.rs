//! The one place that reads the system's clock and its randomness.

#[cfg(not(test))]
use std::time::{Duration, SystemTime};

use sma_core::Timestamp;

use crate::Error;

/// The system's time. A clock before 1970 gives 0.
#[cfg(not(test))]
#[allow(clippy::disallowed_methods, reason = "this adapter is where time comes in")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(0) + since.unwrap_or(Duration::ZERO)
}

/// The time of tokio's clock, which tests stop, in the year 2023.
#[cfg(test)]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(1_700_000_000) + BEGUN.with(|begun| begun.get().elapsed())
}

#[cfg(test)]
thread_local! {
    static BEGUN: std::cell::Cell<tokio::time::Instant> = std::cell::Cell::new(tokio::time::Instant::now());
    static DRAWN: std::cell::Cell<u8> = const { std::cell::Cell::new(0) };
}

/// Time and randomness begin again, as at the start of a test.
#[cfg(test)]
pub(crate) fn begin() {
    BEGUN.with(|begun| begun.set(tokio::time::Instant::now()));
    DRAWN.with(|drawn| drawn.set(0));
}

/// Another number each time, the same in each run of a test.
#[cfg(test)]
pub(crate) fn seed() -> Result<[u8; 32], Error> {
    DRAWN.with(|drawn| drawn.set(drawn.get().wrapping_add(1)));
    Ok([DRAWN.with(std::cell::Cell::get); 32])
}

/// Fresh randomness of the system.
#[cfg(not(test))]
pub(crate) fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(Error::Randomness)?;
    Ok(seed)
}
