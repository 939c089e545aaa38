//! A pairing link in a form that any shell leaves as it is: unquoted, `?` and `&` of the URI mean something there.
//!
//! `/` stands in place of both, which no part of a link has; `%7E` in place of `~`, which a link never encodes and some shells expand.

/// The link as it is shown.
pub(crate) fn for_shells(link: &str) -> String {
    link.replace(['?', '&'], "/").replace('~', "%7E")
}

/// The link as the core reads it, of what was typed or pasted; a code stays as it is.
pub(crate) fn from_typed(typed: &str) -> String {
    let typed = typed.trim();
    if !sma_core::PairingLink::is_meant(typed) || typed.contains('?') {
        return typed.to_owned();
    }
    typed.replace("%7E", "~").replacen('/', "?", 1).replace('/', "&")
}

#[cfg(test)]
mod tests {
    use sma_core::PairingLink;

    use super::*;

    fn link(address: &str) -> String {
        let (hash, session) = ("0123456789abcdef".repeat(4), "0123456789abcdef".repeat(2));
        format!("autocrypt-sma:{address}?v=1&g={hash}&m={}&f={hash}&s={session}&k={session}", u64::MAX)
    }

    #[test]
    fn a_link_is_of_characters_that_no_shell_takes_for_its_own_and_reads_back() {
        for address in ["anna@example.org", "a~b%2Fc@example.org", "%C3%A4@example.org"] {
            let link = link(address);
            let shown = for_shells(&link);
            let is_plain =
                |character: char| character.is_ascii_alphanumeric() || "@:/=%.-_".contains(character);
            assert!(shown.chars().all(is_plain), "{shown}");
            assert_eq!(from_typed(&format!(" {shown}\n")), link);
            assert_eq!(from_typed(&link), link, "the URI is taken as well");
            assert!(PairingLink::parse(&from_typed(&shown)).is_ok());
        }
        assert_eq!(from_typed("123-456-789"), "123-456-789");
    }
}
