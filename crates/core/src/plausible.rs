//! What a number from outside can be at the most. One table, checked on entry, so that nothing behind it has to think of numbers
//! that nobody reaches honestly, and no arithmetic on them overflows.

use crate::wire::Content;

/// The greatest sequence and the greatest logical time of an operation. A device that signs a thousand operations a second for a
/// thousand years, and moves (2^20 at a time) once a minute, stays below it.
pub(crate) const NUMBER_MAX: u64 = 1 << 48;

/// Whether an operation's numbers are such that its author can have reached them.
pub(crate) fn numbers(content: &Content) -> bool {
    content.sequence <= NUMBER_MAX && content.time <= NUMBER_MAX
}

/// Of numbers that rise by one, the greatest that a row from `first` on reaches without a gap.
pub(crate) fn reached(first: u64, numbers: impl IntoIterator<Item = u64>) -> u64 {
    let mut sorted: Vec<_> = numbers.into_iter().collect();
    sorted.sort_unstable();
    sorted.into_iter().fold(first, |top, number| if number.checked_sub(1) == Some(top) { number } else { top })
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
}
