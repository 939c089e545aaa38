//! Lists of addresses as they stand in `From`, `To`, `Cc` and `Reply-To` (RFC 5322 section 3.4, RFC 6532): names, groups, comments,
//! quoted local parts, domain literals, source routes, and what mail programs write instead.

use crate::Address;

/// What a list is made of. Blanks and comments only part.
#[derive(PartialEq, Eq, Debug)]
enum Token {
    /// Letters, digits, dots and whatever is none of the below.
    Atom(String),
    /// What stood in quotation marks, without its backslashes.
    Quoted(String),
    /// `[192.0.2.1]`, with its brackets.
    Literal(String),
    /// One of `<`, `>`, `,`, `:`, `;`, `@`.
    Mark(char),
}

/// The addresses of a list, in their order, `None` for an entry that is none. Names of groups are left out, and so is an entry without
/// `@` before one in angle brackets, as in `Doe, John <john@example.org>`. An encoded word is never decoded: none may stand in an
/// address (RFC 2047 section 5). Total.
///
/// ```
/// use sma_autocrypt::{Address, addresses};
/// let list = "Zoe (at home) <zoe@example.org>, Team: \"a..b.\"@docomo.example;";
/// assert_eq!(addresses(list), ["zoe@example.org", "a..b.@docomo.example"].map(Address::parse));
/// ```
#[must_use]
pub fn addresses(list: &str) -> Vec<Option<Address>> {
    let mut entries = Vec::new();
    let mut entry = Vec::new();
    let mut in_brackets = false;
    for token in tokens(list) {
        if let Token::Mark(mark @ ('<' | '>')) = token {
            in_brackets = mark == '<';
        }
        if !in_brackets && matches!(token, Token::Mark(',' | ';')) {
            entries.push(std::mem::take(&mut entry));
        } else if !in_brackets && token == Token::Mark(':') {
            // The name of a group.
            entry.clear();
        } else {
            entry.push(token);
        }
    }
    entries.push(entry);
    entries.retain(|entry| !entry.is_empty());
    let is_half_a_name = |entry: &[Token], next: Option<&Vec<Token>>| {
        let has = |tokens: &[Token], mark| tokens.contains(&Token::Mark(mark));
        !has(entry, '@') && !has(entry, '<') && next.is_some_and(|next| has(next, '<'))
    };
    let whole = entries.iter().enumerate().filter(|(at, entry)| !is_half_a_name(entry, entries.get(at + 1)));
    whole.map(|(_, entry)| address(entry)).collect()
}

/// The address of one entry: what stands in its only angle brackets, else all of it.
fn address(entry: &[Token]) -> Option<Address> {
    let opens = entry.iter().position(|token| *token == Token::Mark('<'));
    let spec = match opens {
        None => entry,
        Some(at) => {
            let inside = entry.get(at + 1..)?;
            let end = inside.iter().position(|token| *token == Token::Mark('>')).unwrap_or(inside.len());
            let (inside, after) = inside.split_at_checked(end)?;
            if after.contains(&Token::Mark('<')) {
                return None;
            }
            // A source route, which is obsolete and says nothing (RFC 5322 section 4.4).
            let route = inside.iter().position(|token| *token == Token::Mark(':')).map_or(0, |at| at + 1);
            inside.get(route..)?
        }
    };
    let at = spec.iter().position(|token| *token == Token::Mark('@'))?;
    let (local, domain) = spec.split_at_checked(at)?;
    let [Token::Mark('@'), Token::Atom(domain) | Token::Literal(domain)] = domain else {
        return None;
    };
    match local {
        [Token::Atom(local)] => Address::from_parts(local, false, domain),
        [Token::Quoted(local)] => Address::from_parts(local, true, domain),
        _ => None,
    }
}

fn tokens(list: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => tokens.push(Token::Quoted(until(&mut characters, '"'))),
            '[' => {
                let inside = until(&mut characters, ']');
                tokens.push(Token::Literal(format!("[{inside}]")));
            }
            '(' => pass_comment(&mut characters),
            '<' | '>' | ',' | ':' | ';' | '@' => tokens.push(Token::Mark(character)),
            _ if character.is_whitespace() || character.is_control() => {}
            _ => {
                let mut atom = String::from(character);
                let goes_on =
                    |c: &char| !c.is_whitespace() && !c.is_control() && !"()<>[]:;@,\"".contains(*c);
                while let Some(more) = characters.next_if(goes_on) {
                    atom.push(more);
                }
                tokens.push(Token::Atom(atom));
            }
        }
    }
    tokens
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Up to the character that ends it, or the end of all; line ends of folding left out.
fn until(characters: &mut Characters<'_>, end: char) -> String {
    let mut inside = String::new();
    while let Some(character) = characters.next() {
        match character {
            '\\' => inside.extend(characters.next()),
            '\r' | '\n' => {}
            _ if character == end => break,
            _ => inside.push(character),
        }
    }
    inside
}

/// Comments stand in comments.
fn pass_comment(characters: &mut Characters<'_>) {
    let mut depth = 1_usize;
    while depth > 0
        && let Some(character) = characters.next()
    {
        match character {
            '\\' => {
                characters.next();
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(list: &str) -> Vec<String> {
        let text = |address: Option<Address>| address.map_or_else(|| "-".to_owned(), |a| a.to_string());
        addresses(list).into_iter().map(text).collect()
    }

    #[test]
    fn addresses_are_found_however_they_are_written() {
        for (list, expected) in [
            ("bob@example.org", &["bob@example.org"][..]),
            ("Bob <Bob@Example.org>", &["bob@example.org"]),
            ("<bob@example.org>", &["bob@example.org"]),
            ("bob@example.org (Bob, of the (big) house)", &["bob@example.org"]),
            (r#""Doe, Bob" <bob@example.org>"#, &["bob@example.org"]),
            ("Doe, Bob <bob@example.org>", &["bob@example.org"]),
            ("bob@example.org <bob@example.org>", &["bob@example.org"]),
            (r#""eve@example.org" <bob@example.org>"#, &["bob@example.org"]),
            (r#""a..b."@docomo.example"#, &[r#""a..b."@docomo.example"#]),
            (r#"<"a..b."@docomo.example>"#, &[r#""a..b."@docomo.example"#]),
            ("a..b.@docomo.example", &[r#""a..b."@docomo.example"#]),
            (
                r#""John Doe"@example.org, "a@b"@example.org"#,
                &[r#""john doe"@example.org"#, r#""a@b"@example.org"#],
            ),
            ("=?utf-8?B?Qm9i?= <bob@example.org>", &["bob@example.org"]),
            ("=?utf-8?Q?eve=40example.org?= <bob@example.org>", &["bob@example.org"]),
            ("Zoë <zoë@bücher.example>", &["zoë@xn--bcher-kva.example"]),
            ("Team: a@b, c@d;", &["a@b", "c@d"]),
            ("Team: a@b, Bob <c@d>; , e@f", &["a@b", "c@d", "e@f"]),
            (r#""hidden-recipients": ;"#, &[]),
            ("undisclosed-recipients:;", &[]),
            ("<@relay.example,@other.example:bob@example.org>", &["bob@example.org"]),
            ("bob@[192.0.2.1]", &["bob@[192.0.2.1]"]),
            ("Bob\r\n\t<bob@example.org>,\r\n carol@example.org", &["bob@example.org", "carol@example.org"]),
            ("a@b, , c@d,", &["a@b", "c@d"]),
            ("<bob@example.org", &["bob@example.org"]),
            ("bob @ example.org", &["bob@example.org"]),
            ("", &[]),
        ] {
            assert_eq!(read(list), expected, "{list}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for list in [
            "nobody",
            "=?utf-8?Q?bob=40example.org?=",
            "<a@b> <c@d>",
            "bob@example.org@example.net",
            "bob@",
            "@example.org",
            "bob jones@example.org",
            "\"bob@example.org",
            "<>",
        ] {
            assert_eq!(read(list), ["-"], "{list}");
        }
    }

    #[test]
    fn a_list_is_read_in_time_that_grows_with_it() {
        for piece in ["(", "\"", "<", "[", "\\", ",", "a@b,", "x:", "<@"] {
            let _ = addresses(&piece.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_a_panic(list in "([()<>,:;@\"\\\\\\[\\]. \r\n]|[a-z]{1,3}|\\PC){0,40}") {
            let _ = addresses(&list);
        }
    }
}
