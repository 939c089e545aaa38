//! The fields of a header (RFC 5322 section 2.2), as they stand.

/// Name and whole octets of each field, with its line ends; a line without a name belongs to the field before.
pub(crate) fn fields(header: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut fields: Vec<(&[u8], usize, usize)> = Vec::new();
    let mut start = 0;
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        let end = start + line.len();
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        let continued = matches!(line.first(), Some(b' ' | b'\t'));
        match (fields.last_mut(), line.iter().position(|octet| *octet == b':')) {
            (Some((_, _, of)), None) => *of = end,
            (Some((_, _, of)), Some(_)) if continued => *of = end,
            (None, None) => {}
            (_, Some(colon)) => fields.push((line[..colon].trim_ascii_end(), start, end)),
        }
        start = end;
    }
    fields.into_iter().map(|(name, start, end)| (name, &header[start..end])).collect()
}

/// The value of the first field of a name, unfolded.
pub(crate) fn first(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut fields = fields(header).into_iter();
    let (_, field) = fields.find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))?;
    Some(unfolded(field))
}

/// A field's value without line ends and without blanks around it.
pub(crate) fn unfolded(field: &[u8]) -> Vec<u8> {
    let colon = field.iter().position(|octet| *octet == b':').map_or(0, |colon| colon + 1);
    let octets = field[colon..].iter().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0));
    octets.copied().collect::<Vec<u8>>().trim_ascii().to_vec()
}
