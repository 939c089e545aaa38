//! What a number from outside can be: for each field how far its author can have come, in one place.
//!
//! A number that is not plausible is refused where it enters, or kept and not believed where devices whose clocks differ must keep the
//! same. What is plausible is counted with as it is: no arithmetic on it saturates or wraps.

use sma_autocrypt::Date;

use crate::Timestamp;

/// A sequence is below this. No device gets there: it signs a few things a day, and a move goes 2^20 further.
const SEQUENCE_END: u64 = 1 << 48;

/// By how much an acknowledgement may be above what this device has said: so much may be missing from a state that was put back, and not
/// more.
const RECEIVED_STEP: u64 = 1 << 20;

/// By how much a number that the own key has signed elsewhere may be above the own one, for this device to go behind it: the key may have
/// moved there several times.
pub(crate) const AHEAD_STEP: u64 = 1 << 32;

/// How far a device goes past what others say that it has said. They may say so as often as they like.
pub(crate) const SKIP_END: u64 = 1 << 47;

/// The logical time of a setting stays below this. A device that signs a thousand times a second needs nine thousand years to get
/// there. The bound is the same for all: one that went by what a device has seen would let devices differ for ever.
const SETTING_TIME_END: u64 = 1 << 48;

/// How far ahead of the own clock a date of a mail is believed, in seconds: clocks and time zones are wrong by that much.
const DATE_AHEAD: u64 = 86_400;

/// Whether a device can have come to this sequence.
pub(crate) const fn sequence(said: u64) -> bool {
    said < SEQUENCE_END
}

/// Whether a member can have taken in this much of what a device has said whose own sequence is this.
pub(crate) const fn received(received: u64, own: u64) -> bool {
    received <= own.saturating_add(RECEIVED_STEP)
}

/// Of numbers that rise by one, as epochs and generations do, the greatest that a row from `first` on reaches without a gap.
pub(crate) fn reached(first: u64, numbers: impl IntoIterator<Item = u64>) -> u64 {
    let mut sorted: Vec<_> = numbers.into_iter().collect();
    sorted.sort_unstable();
    sorted
        .into_iter()
        .fold(first, |top, number| if number.checked_sub(1) == Some(top) { number } else { top })
}

/// Whether a setting can have been written at this logical time.
pub(crate) const fn is_setting_time(time: u64) -> bool {
    time < SETTING_TIME_END
}

/// The logical time of a setting that comes after these two, if there is one.
pub(crate) fn setting_time_after(own: u64, known: u64) -> Option<u64> {
    own.max(known).checked_add(1).filter(|time| is_setting_time(*time))
}

/// Whether the author of a setting can have known of so many removals, where so many are known here.
pub(crate) const fn is_removals(said: u64, known: u64) -> bool {
    said <= known
}

/// What is dated later than this is kept and does not count yet.
pub(crate) const fn dates_until(now: Timestamp) -> Date {
    // A time in milliseconds has room for a day in seconds.
    Date(now.as_secs() + DATE_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_numbers_ends_at_its_first_gap() {
        assert_eq!(reached(0, []), 0);
        assert_eq!(reached(0, [2, 1, 1, 3, 5, u64::MAX]), 3);
        assert_eq!(reached(0, [0, u64::MAX, 1 << 63, 1 << 20]), 0);
        assert_eq!(reached(1, [2, 0, 4]), 2);
    }

    const OWN: u64 = 1000;
    const ODD: [u64; 8] = [0, 1, OWN - 1, OWN, OWN + 1, 1 << 20, 1 << 63, u64::MAX];

    #[test]
    fn a_time_after_others_is_greater_than_both_or_there_is_none() {
        for (own, known) in ODD.iter().flat_map(|own| ODD.map(|known| (*own, known))) {
            let after = setting_time_after(own, known);
            assert!(after.is_none_or(|time| time > own && time > known && is_setting_time(time)));
            assert_eq!(after.is_some(), own.max(known) < SETTING_TIME_END - 1);
        }
    }

    #[test]
    fn a_day_ahead_of_any_clock_is_a_date() {
        for now in ODD {
            assert!(dates_until(Timestamp(now)) > Date(Timestamp(now).as_secs()));
        }
    }
}
