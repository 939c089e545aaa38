//! Mail addresses in the one form under which a peer is kept.

use std::{fmt, sync::Arc};

use idna::{AsciiDenyList, domain_to_ascii_cow};

use crate::ADDRESS_BYTES_MAX;

/// A canonical mail address (Level 1, "E-mail Address Canonicalization"): the domain in lower-case ASCII, by IDNA if it
/// was not ASCII; the local part in lower case without regard to any locale. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// Canonicalises a bare address, without a name or angle brackets. `None` if it is none that an Autocrypt header
    /// can carry: no `@`, an empty side, blanks, control characters, `;`, `<`, `>`, a domain that IDNA refuses, or more
    /// than [`ADDRESS_BYTES_MAX`] octets.
    ///
    /// ```
    /// use sma_autocrypt::Address;
    /// let address = Address::parse("Zoë@Bücher.EXAMPLE").unwrap();
    /// assert_eq!(address.as_str(), "zoë@xn--bcher-kva.example");
    /// assert_eq!(Address::parse("zoë@xn--bcher-kva.example"), Some(address));
    /// assert_eq!(Address::parse("Zoë <zoe@example.org>"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > ADDRESS_BYTES_MAX {
            return None;
        }
        let (local, domain) = text.rsplit_once('@')?;
        let domain = if domain.is_ascii() {
            domain.to_ascii_lowercase()
        } else {
            domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL).ok()?.into_owned()
        };
        let canonical = format!("{}@{domain}", local.to_lowercase());
        // Asked of the result: IDNA maps some letters to blanks and semicolons.
        let carried = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ';' | '<' | '>');
        let whole = !local.is_empty() && !domain.is_empty() && canonical.chars().all(carried);
        (whole && canonical.len() <= ADDRESS_BYTES_MAX).then(|| Self(canonical.into()))
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_peer_has_one_address_however_it_is_written() {
        let canonical = Address::parse("bob@example.org");
        for text in ["Bob@Example.ORG", " bob@example.org ", "BOB@EXAMPLE.ORG"] {
            assert_eq!(Address::parse(text), canonical);
        }
        assert_eq!(Address::parse("ΑΒΓ@example.org"), Address::parse("αβγ@example.org"));
        assert_eq!(Address::parse("bob@XN--BCHER-KVA.example"), Address::parse("bob@bücher.example"));
        assert_eq!(Address::parse("İ@example.org").unwrap().as_str(), "i\u{307}@example.org");
    }

    #[test]
    fn what_a_header_cannot_carry_is_no_address() {
        for text in
            ["", "bob", "@", "bob@", "@example.org", "a b@c", "a;b@c", "<a@b>", "a@b\r\nX: y", "a\0@b"]
        {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@b", "a".repeat(ADDRESS_BYTES_MAX))), None);
    }

    proptest! {
        #[test]
        fn canonicalising_twice_changes_nothing(text in "\\PC{1,12}@\\PC{1,12}") {
            if let Some(once) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(once.as_str()), Some(once));
            }
        }
    }
}
