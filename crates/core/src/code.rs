//! The pairing code: eight random digits and a check digit, `123 456 789`.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Secret;

const DIGITS: usize = 8;

/// A code that a member shows and a person types on the newcomer. Wiped when dropped; `Debug` does not show it,
/// [`Code::shown`] does.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct Code([u8; DIGITS + 1]);

impl Code {
    /// Makes a code from random octets. The bias is below 10⁻¹¹.
    pub(crate) fn from_random(random: u64) -> Self {
        let mut code = Self([0; DIGITS + 1]);
        let mut rest = random;
        for digit in &mut code.0[..DIGITS] {
            *digit = (rest % 10) as u8;
            rest /= 10;
        }
        code.0[DIGITS] = check_digit(&code.0[..DIGITS]);
        code
    }

    /// Reads what was typed; blanks and hyphens do not count.
    ///
    /// # Errors
    /// [`Mistyped`] if it is not nine digits with a fitting check digit: every wrong digit and every swap of two
    /// neighbours is noticed, so that no guess is spent on it.
    pub fn parse(typed: &str) -> Result<Self, Mistyped> {
        let mut code = Self([0; DIGITS + 1]);
        let mut count = 0;
        for character in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let digit = character.to_digit(10).ok_or(Mistyped)?;
            *code.0.get_mut(count).ok_or(Mistyped)? = digit as u8;
            count += 1;
        }
        let fits = count == DIGITS + 1 && check_digit(&code.0[..DIGITS]) == code.0[DIGITS];
        fits.then_some(code).ok_or(Mistyped)
    }

    /// The code as a person reads it, `123 456 789`.
    #[must_use]
    pub fn shown(&self) -> String {
        let digits: Vec<_> = self.0.iter().map(|d| char::from(b'0' + d)).collect();
        digits.chunks(3).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    /// The eight digits as ASCII: the PAKE's password.
    pub(crate) fn password(&self) -> Secret {
        Secret::new(self.0[..DIGITS].iter().map(|d| b'0' + d).collect())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// What was typed is neither a code nor a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("neither a pairing code, nine digits of which the last checks the others, nor a pairing link")]
pub struct Mistyped;

/// Damm's check digit: it notices every single wrong digit and every swap of neighbours (H. M. Damm, "Total
/// anti-symmetrische Quasigruppen", 2004).
fn check_digit(digits: &[u8]) -> u8 {
    const TABLE: [[u8; 10]; 10] = [
        [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
        [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
        [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
        [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
        [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
        [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
        [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
        [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
        [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
        [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
    ];
    digits.iter().fold(0, |row, &digit| TABLE[usize::from(row)][usize::from(digit)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_spaced() {
        let code = Code::from_random(0x0123_4567_89ab_cdef);
        let shown = code.shown();
        assert_eq!(shown.len(), 11);
        assert_eq!(Code::parse(&shown), Ok(code.clone()));
        assert_eq!(Code::parse(&shown.replace(' ', "-")), Ok(code.clone()));
        assert_eq!(Code::parse(&shown.replace(' ', "")), Ok(code.clone()));
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn every_wrong_digit_and_every_swap_of_neighbours_is_noticed() {
        for random in (0..200).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let right: Vec<u8> =
                Code::from_random(random).shown().bytes().filter(u8::is_ascii_digit).collect();
            for at in 0..right.len() {
                for digit in b'0'..=b'9' {
                    let mut wrong = right.clone();
                    wrong[at] = digit;
                    let typed = String::from_utf8(wrong.clone()).unwrap();
                    assert_eq!(Code::parse(&typed).is_ok(), wrong == right, "{typed}");
                }
                let mut swapped = right.clone();
                swapped.swap(at, (at + 1) % right.len());
                let neighbours = at + 1 < right.len();
                if neighbours && swapped != right {
                    assert!(Code::parse(&String::from_utf8(swapped).unwrap()).is_err());
                }
            }
        }
    }

    #[test]
    fn what_is_not_nine_digits_is_no_code() {
        for typed in ["", "12345678", "1234567890", "12345678x", "١٢٣٤٥٦٧٨٩"] {
            assert_eq!(Code::parse(typed), Err(Mistyped), "{typed}");
        }
    }
}
