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

/// Pads `plain`.
pub(crate) fn pad(plain: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let length = u32::try_from(plain.len()).map_err(|_| CryptoError)?;
    let whole = padded(PREFIX + plain.len());
    let mut padding = Zeroizing::new(Vec::with_capacity(whole));
    padding.extend_from_slice(&length.to_be_bytes());
    padding.extend_from_slice(plain);
    padding.resize(whole, 0);
    Ok(padding)
}

/// Takes the padding off again; one content has one padded form.
pub(crate) fn unpad(padding: &[u8]) -> Result<Secret, CryptoError> {
    let (length, rest) = padding.split_first_chunk::<PREFIX>().ok_or(CryptoError)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CryptoError)?;
    let (plain, zeros) = rest.split_at_checked(length).ok_or(CryptoError)?;
    let right = padded(PREFIX + length) == padding.len() && zeros.iter().all(|zero| *zero == 0);
    if right { Ok(Secret::new(plain.to_vec())) } else { Err(CryptoError) }
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
            assert_eq!(unpad(&padding).unwrap().expose(), plain);
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
        for wrong in [&right[..right.len() - 1], &longer, &dirty, &long, &[], &[0; 3]] {
            assert!(unpad(wrong).is_err());
        }
    }
}
