//! The one place that reads the system's clock and its randomness.

use std::time::{Duration, SystemTime};

use sma_core::Timestamp;

use crate::Error;

/// The system's time. A clock before 1970 gives 0.
#[allow(clippy::disallowed_methods, reason = "this adapter is where time comes in")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(0) + since.unwrap_or(Duration::ZERO)
}

/// Fresh randomness of the system.
pub(crate) fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(Error::Randomness)?;
    Ok(seed)
}
