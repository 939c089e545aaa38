//! What a device may be called: a name that a person tells from others, and that is taken for nothing else.

use sma_core::{MuaaId, check_name};

use crate::{failure::Failure, names::Names};

/// So many characters of a name are sent to the other devices.
pub(crate) const NAME_MAX: usize = 64;

/// The name that was typed, without blanks around it.
///
/// # Errors
/// Nobody could call a device so, whatever others are called.
pub(crate) fn name(typed: &str) -> Result<String, Failure> {
    let wrong = |why: String| Failure::known("bad-name", 2, why);
    let name = typed.trim();
    check_name(name).map_err(|error| wrong(error.to_string()))?;
    let length = name.chars().count();
    if name.is_empty() {
        return Err(wrong(
            "a device's name has at least one letter or digit: write one, as laptop".to_owned(),
        ));
    }
    if length > NAME_MAX {
        return Err(wrong(format!(
            "a device's name has {NAME_MAX} characters at most, and this one has {length}: write a shorter one"
        )));
    }
    if name.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(wrong(format!(
            "{name} would be taken for a device's ID: write a name with a letter in it"
        )));
    }
    Ok(name.to_owned())
}

/// Refuses a name that another device has, in whatever capitals.
///
/// # Errors
/// It is taken.
pub(crate) fn refuse_taken(name: &str, own: Option<MuaaId>, names: &Names) -> Result<(), Failure> {
    let same = |other: &str| other.to_lowercase() == name.to_lowercase();
    let Some((id, _)) = names.others(own).find(|(_, other)| same(other)) else { return Ok(()) };
    let why = format!(
        "{} is called so already: write another name, so that you can tell them apart",
        names.of_id(id)
    );
    Err(Failure::known("name-taken", 3, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_seen_and_no_number() {
        assert_eq!(name("  Annas Händy "), Ok("Annas Händy".to_owned()));
        assert_eq!(name(&"ä".repeat(NAME_MAX)), Ok("ä".repeat(NAME_MAX)));
        for (typed, says) in [
            ("", "at least one"),
            (" \u{a0}\u{3000} ", "at least one"),
            (&*"x".repeat(300), "and this one has 300"),
            ("1262", "taken for a device's ID"),
            ("a\u{200b}b", "U+200B"),
        ] {
            let failure = name(typed).unwrap_err();
            assert!(failure.sentence().contains(says), "{typed}: {}", failure.sentence());
            assert_eq!((failure.word(), failure.code()), ("bad-name", 2));
        }
    }

    #[test]
    fn a_name_that_another_device_has_is_taken_and_the_own_one_is_not() {
        let names = Names::from(&[(1, "laptop"), (2, "Phone")]);
        let taken = |name| refuse_taken(name, Some(MuaaId(1)), &names);
        assert!(taken("pHoNe").unwrap_err().sentence().contains("\"Phone\" (2)"));
        assert_eq!((taken("laptop"), taken("tablet")), (Ok(()), Ok(())));
    }
}
