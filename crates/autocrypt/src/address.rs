//! Mail addresses in the one form under which a peer is kept.

use std::{fmt, sync::Arc};

use idna::{AsciiDenyList, domain_to_ascii_cow};

use crate::ADDRESS_BYTES_MAX;

/// A canonical mail address (Level 1, "E-mail Address Canonicalization"): the domain in lower-case ASCII, by IDNA if it
/// was not ASCII; the local part in lower case without regard to any locale. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// Canonicalises a bare address, without a name or angle brackets. A local part stands in quotation marks if, and only if, it would not
    /// be a `dot-atom` without them (RFC 5322 section 3.4.1). `None` if it is none that an Autocrypt header
    /// can carry: no `@`, an empty side, control characters, blanks or special characters but between quotation marks, a domain that IDNA
    /// refuses, or more than [`ADDRESS_BYTES_MAX`] octets.
    ///
    /// ```
    /// use sma_autocrypt::Address;
    /// let address = Address::parse("Zoë@Bücher.EXAMPLE").unwrap();
    /// assert_eq!(address.as_str(), "zoë@xn--bcher-kva.example");
    /// assert_eq!(Address::parse("zoë@xn--bcher-kva.example"), Some(address));
    /// assert_eq!(Address::parse("\"zoe\"@example.org"), Address::parse("zoe@example.org"));
    /// assert_eq!(Address::parse("Zoë <zoe@example.org>"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 2 * ADDRESS_BYTES_MAX {
            return None;
        }
        let (local, domain) = text.rsplit_once('@')?;
        match local.strip_prefix('"').and_then(|local| local.strip_suffix('"')) {
            Some(quoted) => Self::from_parts(&unquoted(quoted)?, true, domain),
            None => Self::from_parts(local, false, domain),
        }
    }

    /// From the local part, without quotation marks and backslashes, and the domain. `quoted`: the local part stood in quotation marks.
    pub(crate) fn from_parts(local: &str, quoted: bool, domain: &str) -> Option<Self> {
        let domain = if domain.is_ascii() {
            domain.to_ascii_lowercase()
        } else {
            domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL).ok()?.into_owned()
        };
        let local = local.to_lowercase();
        // As mobile providers once gave them out: dots where no dot-atom has them.
        let odd = local.chars().all(|c| c == '.' || is_of_an_atom(c));
        let is_quoted = !is_dot_atom(&local);
        let may_be = |c: char| c == ' ' || !c.is_whitespace() && !c.is_control();
        let whole = !local.is_empty() && local.chars().all(may_be) && (!is_quoted || quoted || odd);
        // Asked of the result: IDNA maps some letters to blanks and semicolons.
        let whole = whole && is_domain(&domain);
        let canonical =
            if is_quoted { format!("\"{}\"@{domain}", escaped(&local)) } else { format!("{local}@{domain}") };
        (whole && canonical.len() <= ADDRESS_BYTES_MAX).then(|| Self(canonical.into()))
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A character of an `atom` (RFC 5322 section 3.2.3, RFC 6532 section 3.2).
fn is_of_an_atom(character: char) -> bool {
    !character.is_whitespace() && !character.is_control() && !"()<>[]:;@\\,.\"".contains(character)
}

/// What may stand behind the `@`: letters, or an address of a machine in brackets.
fn is_domain(text: &str) -> bool {
    let name =
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(|inside| inside.replace(':', ""));
    let name = name.as_deref().unwrap_or(text);
    !name.is_empty() && name.chars().all(|c| c == '.' || is_of_an_atom(c))
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_of_an_atom))
}

/// What stands between quotation marks, without its backslashes; nothing if another mark stands there.
fn unquoted(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '"' => return None,
            '\\' => characters.next()?,
            other => other,
        });
    }
    Some(plain)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
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
        for text in [
            "",
            "bob",
            "@",
            "bob@",
            "@example.org",
            "a b@c",
            "a;b@c",
            "<a@b>",
            "a@b\r\nX: y",
            "a\0@b",
            "a@b@c",
            "a,b@c",
            "a@b,c",
        ] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@b", "a".repeat(ADDRESS_BYTES_MAX))), None);
    }

    #[test]
    fn quotation_marks_stand_where_they_must_and_nowhere_else() {
        let parse = |text| Address::parse(text).map(|address| address.to_string());
        for (text, canonical) in [
            (r#""a..b."@docomo.example"#, r#""a..b."@docomo.example"#),
            ("a..b.@docomo.example", r#""a..b."@docomo.example"#),
            (r#""Bob"@Example.org"#, "bob@example.org"),
            (r#""b\ob"@example.org"#, "bob@example.org"),
            (r#""John Doe"@example.org"#, r#""john doe"@example.org"#),
            (r#""a@b;c<d>"@example.org"#, r#""a@b;c<d>"@example.org"#),
            (r#""a\"b\\"@example.org"#, r#""a\"b\\"@example.org"#),
            (r#""zoë"@example.org"#, "zoë@example.org"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(canonical), "{text}");
        }
        for text in
            [r#"""@example.org"#, r#""a"b"@example.org"#, r#""a\"@example.org"#, "\"a\tb\"@c", "\"a\nb\"@c"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn canonicalising_twice_changes_nothing_quoted(local in "[a-zß.\\\\ ;@<,\"]{1,8}", domain in "[a-zä.]{1,6}") {
            if let Some(once) = Address::parse(&format!("\"{local}\"@{domain}")) {
                prop_assert_eq!(Address::parse(once.as_str()), Some(once));
            }
        }

        #[test]
        fn canonicalising_twice_changes_nothing(text in "\\PC{1,12}@\\PC{1,12}") {
            if let Some(once) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(once.as_str()), Some(once));
            }
        }
    }
}
