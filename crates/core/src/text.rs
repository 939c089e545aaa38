//! Text that people see beside other people's text.

use crate::InputError;

/// The characters that are not seen, or that move what stands beside them: Unicode's format characters (Cf) and the separators of
/// lines and paragraphs. Control characters (Cc) are asked of `char`.
const HIDDEN: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

/// Whether a character is not seen, or changes how what stands beside it is seen: control characters, those that turn the
/// direction of a text around, those without width, line and paragraph separators. A program shows such a character of
/// others as an escape; names are refused with one ([`check_name`]).
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// Whether a device may be called this.
///
/// # Errors
/// [`InputError::BadName`] with the first character for which [`is_hidden`] holds.
pub fn check_name(name: &str) -> Result<(), InputError> {
    name.chars()
        .find(|character| is_hidden(*character))
        .map_or(Ok(()), |hidden| Err(InputError::BadName(hidden)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_as_it_is_may_be_a_name() {
        for name in ["laptop", "Annas Händy", "телефон", "電話", "هاتف", "a\u{301}", "\u{1f4f1}", ""]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_is_not_seen_or_moves_its_neighbours_may_not_and_is_named() {
        let ranges =
            [0..=0x1f, 0x7f..=0x9f, 0x200b..=0x200f, 0x2028..=0x202e, 0x2066..=0x2069, 0xfeff..=0xfeff];
        for hidden in ranges.into_iter().flatten().map(|number| char::from_u32(number).unwrap()) {
            let refused = check_name(&format!("x{hidden}y")).unwrap_err();
            assert_eq!(refused, InputError::BadName(hidden));
            assert!(refused.to_string().contains(&format!("U+{:04X}", u32::from(hidden))), "{refused}");
        }
    }

    #[test]
    fn the_ranges_are_in_order_and_apart() {
        assert!(HIDDEN.windows(2).all(|two| two[0].1 < two[1].0));
        assert!(HIDDEN.iter().all(|(first, last)| first <= last));
    }
}
