//! Padmé padding (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019): a length shows only the
//! order of magnitude, for at most 12 % more octets.
//!
//! Form: the length of the content, four octets big-endian; the content; zeros up to the padded length.

use sma_core::{CryptoError, Secret};
use zeroize::Zeroizing;

const PREFIX: usize = 4;

/// The least padded length that is not below `length`: its lower bits are zero, fewer the smaller it is.
fn padded(length: usize) -> usize {
    let Some(exponent) = length.checked_ilog2() else {
        return length;
    };
    let Some(digits) = exponent.checked_ilog2() else {
        return length;
    };
    let mask = (1 << (exponent - (digits + 1))) - 1;
    length.checked_add(mask).map_or(length, |sum| sum & !mask)
}

/// The length of `plain` when it is padded.
pub(crate) fn padded_len(plain: &[u8]) -> usize {
    padded(PREFIX + plain.len())
}

/// Pads `plain` behind what stands in `octets`; with room for it there, no copy of it stays behind.
pub(crate) fn pad_onto(octets: &mut Vec<u8>, plain: &[u8]) -> Result<(), CryptoError> {
    let length = u32::try_from(plain.len()).map_err(|_| CryptoError)?;
    let whole = octets.len() + padded_len(plain);
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(plain);
    octets.resize(whole, 0);
    Ok(())
}

/// Pads `plain`.
pub(crate) fn pad(plain: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut padding = Zeroizing::new(Vec::with_capacity(padded_len(plain)));
    pad_onto(&mut padding, plain)?;
    Ok(padding)
}

/// Takes the padding off again, which begins at `start`; one content has one padded form.
pub(crate) fn unpad(mut octets: Zeroizing<Vec<u8>>, start: usize) -> Result<Secret, CryptoError> {
    let padding = octets.get(start..).ok_or(CryptoError)?;
    let (length, rest) = padding.split_first_chunk::<PREFIX>().ok_or(CryptoError)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CryptoError)?;
    let (_, zeros) = rest.split_at_checked(length).ok_or(CryptoError)?;
    if padded(PREFIX + length) != padding.len() || zeros.iter().any(|zero| *zero != 0) {
        return Err(CryptoError);
    }
    let begin = start + PREFIX;
    octets.copy_within(begin..begin + length, 0);
    // What stays behind the content is wiped with it.
    octets.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *octets)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_comes_off_again_and_costs_little() {
        for length in (0..2000).chain([65_535, 65_536, 65_537, 1 << 20]) {
            let plain = vec![7; length];
            let padding = pad(&plain).unwrap();
            assert!(padding.len() * 100 <= (length + PREFIX) * 112, "{length} became {}", padding.len());
            assert_eq!(unpad(padding, 0).unwrap().expose(), plain);
        }
    }

    #[test]
    fn few_lengths_show() {
        let shown: std::collections::BTreeSet<_> = (0..10_000).map(|n| padded(n + PREFIX)).collect();
        assert!(shown.len() < 150, "{} lengths", shown.len());
    }

    #[test]
    fn another_padding_is_refused() {
        let right = pad(&[1; 101]).unwrap();
        let longer = [&right[..], &[0]].concat();
        let mut dirty = right.to_vec();
        *dirty.last_mut().unwrap() = 1;
        let mut long = right.to_vec();
        long[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        let unpadded = |octets: &[u8], start| unpad(Zeroizing::new(octets.to_vec()), start);
        for wrong in [&right[..right.len() - 1], &longer, &dirty, &long, &[], &[0; 3]] {
            assert!(unpadded(wrong, 0).is_err());
        }
        let behind = [b"head", &right[..]].concat();
        assert_eq!(unpadded(&behind, 4).unwrap().expose(), [1; 101]);
        assert!(unpadded(&behind, 3).is_err() && unpadded(&behind, behind.len() + 1).is_err());
    }
}
