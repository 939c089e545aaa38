//! The list of attributes that Autocrypt's headers are (Level 1, "The Autocrypt Header").

/// `name=value`, without blanks around either; a value may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a str>,
}

/// The attributes of a header's value, those between semicolons with nothing in them left out. A quoted local part may hold semicolons.
pub(crate) fn attributes(value: &str) -> impl Iterator<Item = Attribute<'_>> {
    let mut rest = Some(value);
    let mut next = move || {
        let here = rest?;
        let from = quoted_local_part(here);
        let (attribute, after) = match here.get(from..)?.find(';') {
            Some(at) => (here.get(..from + at)?, here.get(from + at + 1..)),
            None => (here, None),
        };
        rest = after;
        Some(attribute.trim())
    };
    std::iter::from_fn(move || {
        loop {
            let attribute = next()?;
            if !attribute.is_empty() {
                return Some(attribute);
            }
        }
    })
    .map(|attribute| match attribute.split_once('=') {
        Some((name, value)) => Attribute { name: name.trim(), value: Some(value.trim()) },
        None => Attribute { name: attribute, value: None },
    })
}

/// Where the local part ends with which a list begins that begins with `addr="`; 0 for any other.
fn quoted_local_part(text: &str) -> usize {
    let quoted = text.trim_start().strip_prefix("addr").and_then(|text| text.trim_start().strip_prefix('='));
    let Some(quoted) = quoted.and_then(|text| text.trim_start().strip_prefix('"')) else {
        return 0;
    };
    let mut escaped = false;
    let end = quoted.bytes().position(|octet| {
        let ends = octet == b'"' && !escaped;
        escaped = octet == b'\\' && !escaped;
        ends
    });
    end.map_or(0, |end| text.len() - quoted.len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_split_at_semicolons_but_in_a_quoted_local_part() {
        let read = |value| attributes(value).map(|a| (a.name, a.value)).collect::<Vec<_>>();
        assert_eq!(
            read(" a = 1;;\r\n _b; c=;d"),
            [("a", Some("1")), ("_b", None), ("c", Some("")), ("d", None)]
        );
        assert_eq!(read(r#"addr="a;b\";"@c; x"#), [("addr", Some(r#""a;b\";"@c"#)), ("x", None)]);
        assert_eq!(read(r#"_x="; addr="a"#), [("_x", Some("\"")), ("addr", Some("\"a"))]);
        assert_eq!(read(""), []);
        assert_eq!(read(";; ;"), []);
    }
}
