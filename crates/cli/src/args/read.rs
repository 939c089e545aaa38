//! Values that are typed, as what they mean.

use sma_core::{Fingerprint, Hash};

pub(super) fn preference(text: &str) -> Result<bool, String> {
    match text {
        "mutual" => Ok(true),
        "nopreference" => Ok(false),
        _ => Err("neither mutual nor nopreference".to_owned()),
    }
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("neither yes nor no".to_owned()),
    }
}

pub(super) fn date(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().or_else(|| {
        let date = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        u64::try_from(date.timestamp()).ok()
    });
    seconds.ok_or_else(|| "neither seconds since 1970 nor a date as 2026-01-31T12:00:00Z".to_owned())
}

pub(super) fn merge(text: &str) -> Result<Hash, String> {
    let octets = hex(text).and_then(|octets| octets.try_into().ok());
    octets
        .map(Hash)
        .ok_or_else(|| "not the name of a merge: 64 hexadecimal digits, as it was announced".to_owned())
}

/// Of version 4 or 6, also in blocks and capitals, as GnuPG writes it.
pub(super) fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let octets = hex(text).filter(|octets| [20, 32].contains(&octets.len()));
    octets.and_then(|octets| Fingerprint::new(&octets)).ok_or_else(|| {
        "not a whole fingerprint: 40 or 64 hexadecimal digits, as sma status shows it".to_owned()
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|character| *character != ' ');
    let digits = digits.map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let octets = pairs.map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok());
    octets.collect::<Option<Vec<_>>>().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_merge_or_no_fingerprint_is_told_as_such() {
        assert_eq!(merge(&Hash([0xa7; 32]).to_string()), Ok(Hash([0xa7; 32])));
        assert!(merge(&"a7".repeat(31)).unwrap_err().contains("64 hexadecimal digits"));
        for length in [20, 32] {
            let octets = vec![0xa7; length];
            let read = Fingerprint::new(&octets).unwrap();
            assert_eq!(fingerprint(&read.to_string()), Ok(read));
            assert_eq!(fingerprint(&"A7A7 ".repeat(length / 2)), Ok(read));
        }
        for text in ["", "a7", &"a".repeat(41), &"+a".repeat(20), &"é7".repeat(20)] {
            assert!(fingerprint(text).unwrap_err().contains("40 or 64"), "{text}");
        }
    }

    #[test]
    fn a_date_is_seconds_or_rfc_3339() {
        assert_eq!(date("1700000000"), Ok(1_700_000_000));
        assert_eq!(date("2023-11-14T23:13:20+01:00"), Ok(1_700_000_000));
        for text in ["", "yesterday", "-5", "1969-12-31T23:59:59Z", "2023-11-14"] {
            assert!(date(text).is_err(), "{text}");
        }
    }
}
