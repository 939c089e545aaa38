//! What is written to a client: strings in the form that they need (RFC 3501 section 4.3).

/// Longer strings are literals.
const QUOTED_BYTES_MAX: usize = 1000;

/// A string: quoted if it can be, else a literal.
pub(crate) fn string(out: &mut Vec<u8>, octets: &[u8]) {
    let plain = |octet: &u8| (b' '..=b'~').contains(octet) || *octet == b'\t';
    if octets.len() > QUOTED_BYTES_MAX || !octets.iter().all(plain) {
        return literal(out, octets);
    }
    out.push(b'"');
    for octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

/// A literal.
pub(crate) fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
    // A CHAR8 is no NUL (RFC 3501 section 9).
    out.extend(octets.iter().map(|octet| if *octet == 0 { 0x80 } else { *octet }));
}

/// A string, or NIL.
pub(crate) fn nstring(out: &mut Vec<u8>, octets: Option<&[u8]>) {
    match octets {
        Some(octets) => string(out, octets),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An atom if it can be, else a string. `quoted` for a server that never writes atoms.
pub(crate) fn astring(out: &mut Vec<u8>, text: &str, quoted: bool) {
    let special = |octet: u8| !(b'!'..=b'~').contains(&octet) || b"(){%*\"\\".contains(&octet);
    if quoted || text.is_empty() || text.eq_ignore_ascii_case("NIL") || text.bytes().any(special) {
        string(out, text.as_bytes());
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Numbers in ascending order as a set: `1:3,5`.
pub(crate) fn set(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            Some(_) | None => ranges.push((number, number)),
        }
    }
    let shown = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}:{last}"),
    };
    ranges.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_string_has_the_form_that_can_hold_it() {
        assert_eq!(written(|out| string(out, b"a\"b")), "\"a\\\"b\"");
        assert_eq!(written(|out| string(out, b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(written(|out| string(out, "é".as_bytes())), "{2}\r\né");
        assert_eq!(written(|out| astring(out, "a.b", false)), "a.b");
        assert_eq!(written(|out| astring(out, "a b", false)), "\"a b\"");
        assert_eq!(written(|out| astring(out, "nil", false)), "\"nil\"");
        assert_eq!(written(|out| nstring(out, None)), "NIL");
    }

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(set([1, 2, 3, 5, 7, 8]), "1:3,5,7:8");
        assert_eq!(set([u32::MAX]), "4294967295");
        assert_eq!(set([]), "");
    }
}
