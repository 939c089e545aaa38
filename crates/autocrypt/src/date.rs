//! Dates of mails (Level 1, "effective date").

use std::fmt;

/// Seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Date(pub u64);

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Date {
    /// The last one: nothing is dated after it.
    pub const LAST: Self = Self(u64::MAX);

    /// The effective date of a mail: its `Date`, capped by when the store received it. `None` if it claims to be from
    /// more than a day after it was received: such a mail is ignored, or one forged mail from the year 3000 would
    /// outweigh every later header of a peer on every device.
    ///
    /// A mail without a readable `Date` (`None`) is as old as its receipt; a date before 1970 counts as 1970. The clock
    /// of the device has no part in it, so two devices that read one mail agree.
    #[must_use]
    pub fn effective(claimed: Option<i64>, received: Self) -> Option<Self> {
        let Some(claimed) = claimed else {
            return Some(received);
        };
        let claimed = Self(u64::try_from(claimed).unwrap_or(0));
        let soon = claimed.0.checked_sub(received.0).is_none_or(|ahead| ahead <= DAY);
        soon.then(|| claimed.min(received))
    }

    /// Whether `header`, the date of a peer's newest header, is more than 35 days older than this date of the peer's
    /// newest mail.
    #[must_use]
    pub fn outdates(self, header: Self) -> bool {
        self.0.checked_sub(header.0).is_some_and(|later| later > 35 * DAY)
    }

    /// The day it is in, counted since 1970.
    pub(crate) const fn day(self) -> u64 {
        self.0 / DAY
    }

    /// The beginning of the thirty days it is in.
    pub(crate) const fn month(self) -> Self {
        Self(self.0 - self.0 % (30 * DAY))
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: Date = Date(1_700_000_000);

    #[test]
    fn a_mail_is_as_old_as_it_says_but_never_younger_than_its_receipt() {
        let received = RECEIVED.0 as i64;
        assert_eq!(Date::effective(Some(received - 7), RECEIVED), Some(Date(RECEIVED.0 - 7)));
        assert_eq!(Date::effective(Some(received + 7), RECEIVED), Some(RECEIVED));
        assert_eq!(Date::effective(None, RECEIVED), Some(RECEIVED));
        assert_eq!(Date::effective(Some(-5), RECEIVED), Some(Date(0)));
    }

    #[test]
    fn a7_a_mail_from_more_than_a_day_after_its_receipt_is_refused() {
        let received = RECEIVED.0 as i64;
        assert_eq!(Date::effective(Some(received + 86_400), RECEIVED), Some(RECEIVED));
        assert_eq!(Date::effective(Some(received + 86_401), RECEIVED), None);
        assert_eq!(Date::effective(Some(i64::MAX), RECEIVED), None);
    }

    #[test]
    fn dates_that_nobody_can_have_known_are_counted_with_as_they_are() {
        let odd = [0, 1, RECEIVED.0 - 1, RECEIVED.0, RECEIVED.0 + 1, 1 << 20, 1 << 63, u64::MAX];
        for (one, two) in odd.iter().flat_map(|one| odd.map(|two| (*one, two))) {
            let later = i128::from(one) - i128::from(two);
            assert_eq!(Date(one).outdates(Date(two)), later > 35 * i128::from(DAY));
            let claimed = i64::try_from(one).unwrap_or(i64::MAX);
            let ahead = i128::from(claimed) - i128::from(two);
            let expected = (ahead <= i128::from(DAY)).then(|| Date(two.min(claimed as u64)));
            assert_eq!(Date::effective(Some(claimed), Date(two)), expected);
        }
    }

    #[test]
    fn thirty_five_days_are_not_yet_too_old() {
        assert!(!Date(35 * DAY).outdates(Date(0)));
        assert!(Date(35 * DAY + 1).outdates(Date(0)));
        assert!(!Date(0).outdates(Date::LAST));
    }
}
