//! Names of mailboxes (RFC 3501 section 5.1): INBOX, modified UTF-7, hierarchy, patterns.

use base64::{
    Engine,
    alphabet::IMAP_MUTF7,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// What a name may have, in octets.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// How many levels a name may have.
const LEVELS_MAX: usize = 16;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// INBOX in any case is INBOX, also as the first level of a name.
pub(crate) fn canonical(name: &str, delimiter: char) -> String {
    match name.get(..5) {
        Some(head) if head.eq_ignore_ascii_case("INBOX") => match name[5..].chars().next() {
            None => "INBOX".to_owned(),
            Some(next) if next == delimiter => format!("INBOX{}", &name[5..]),
            Some(_) => name.to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// Why a name cannot be one of a mailbox; `None` if it can.
pub(crate) fn fault(name: &str, delimiter: char) -> Option<&'static str> {
    if name.is_empty() {
        return Some("Mailbox name is empty");
    }
    if name.len() > NAME_BYTES_MAX || name.split(delimiter).count() > LEVELS_MAX {
        return Some("Mailbox name is too long");
    }
    if name.split(delimiter).any(str::is_empty) {
        return Some("Mailbox name has an empty level");
    }
    if name.bytes().any(|octet| !(b' '..=b'~').contains(&octet) || matches!(octet, b'%' | b'*')) {
        return Some("Mailbox name has forbidden characters");
    }
    decode(name).is_none().then_some("Mailbox name is not valid modified UTF-7")
}

/// The names above this one, nearest last.
pub(crate) fn parents(name: &str, delimiter: char) -> impl Iterator<Item = &str> {
    name.match_indices(delimiter).map(|(at, _)| &name[..at])
}

/// Whether a name is below another.
pub(crate) fn is_below(name: &str, parent: &str, delimiter: char) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with(delimiter))
}

/// Whether a pattern of LIST matches: `*` is anything, `%` anything within a level.
pub(crate) fn matches(pattern: &str, name: &str, delimiter: char) -> bool {
    let name: Vec<char> = name.chars().collect();
    // reached[n]: what was read of the pattern can match the first n characters.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for wanted in pattern.chars() {
        match wanted {
            '*' | '%' => {
                for n in 0..name.len() {
                    reached[n + 1] |= reached[n] && (wanted == '*' || name[n] != delimiter);
                }
            }
            _ => {
                for n in (0..name.len()).rev() {
                    reached[n + 1] = reached[n] && name[n] == wanted;
                }
                reached[0] = false;
            }
        }
    }
    reached[name.len()]
}

/// Modified UTF-7 as text; `None` if it is not valid.
pub(crate) fn decode(name: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = name;
    while let Some((plain, shifted)) = rest.split_once('&') {
        text.push_str(plain);
        let (encoded, after) = shifted.split_once('-')?;
        rest = after;
        if encoded.is_empty() {
            text.push('&');
            continue;
        }
        let octets = BASE64.decode(encoded).ok()?;
        let (units, odd) = octets.as_chunks::<2>();
        let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
        if !odd.is_empty() {
            return None;
        }
        for character in char::decode_utf16(units) {
            // What can stand for itself is not encoded.
            text.push(character.ok().filter(|character| !matches!(character, ' '..='~'))?);
        }
    }
    text.push_str(rest);
    Some(text)
}

/// Text as modified UTF-7.
pub(crate) fn encode(text: &str) -> String {
    let mut name = String::new();
    let mut units = Vec::new();
    for character in text.chars() {
        if matches!(character, ' '..='~') {
            shift(&mut name, &mut units);
            name.push(character);
            if character == '&' {
                name.push('-');
            }
        } else {
            let mut pair = [0; 2];
            units.extend(character.encode_utf16(&mut pair).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    shift(&mut name, &mut units);
    name
}

fn shift(name: &mut String, units: &mut Vec<u8>) {
    if !units.is_empty() {
        name.push('&');
        name.push_str(&BASE64.encode(&*units));
        name.push('-');
        units.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_rfc_3501_section_6_3_8_says() {
        for (pattern, name, wanted) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a*c", "a/b/c", true),
            ("%/%", "a/b", true),
            ("", "", true),
            ("", "a", false),
            ("*b", "a/b", true),
            ("ab", "a", false),
        ] {
            assert_eq!(matches(pattern, name, '/'), wanted, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99), '/'));
    }

    #[test]
    fn inbox_is_inbox_in_any_case() {
        assert_eq!(canonical("inBox", '.'), "INBOX");
        assert_eq!(canonical("inBox.a", '.'), "INBOX.a");
        assert_eq!(canonical("inboxes", '.'), "inboxes");
        assert_eq!(canonical("inbox/a", '.'), "inbox/a");
    }

    #[test]
    fn modified_utf7_is_read_as_rfc_3501_section_5_1_3_writes_it() {
        let name = "~peter/mail/&U,BTFw-/&ZeVnLIqe-";
        assert_eq!(decode(name).as_deref(), Some("~peter/mail/台北/日本語"));
        assert_eq!(encode("~peter/mail/台北/日本語"), name);
        for wrong in ["&", "&abc", "&Jjo!-", "&AGE-", "&2D0-", "&QQ-"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn names_survive_modified_utf7(text in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }
    }
}
