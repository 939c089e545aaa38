//! Sealing under a session's bundle key: ChaCha20-Poly1305 (RFC 8439), the nonce in front, the content padded.

use bytes::Bytes;
use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit, Nonce, Tag};
use rand_chacha_03::rand_core::RngCore;
use sma_core::{CryptoError, Secret};
use zeroize::Zeroizing;

use crate::{
    packets::refused,
    padding::{pad, unpad},
    seal::{PLAIN_MAX, SEALED_MAX},
    seeded,
};

const NONCE: usize = 12;
const TAG: usize = 16;

fn cipher(key: &Secret) -> Result<ChaCha20Poly1305, CryptoError> {
    ChaCha20Poly1305::new_from_slice(key.expose()).map_err(refused)
}

/// Seals `plain`, of at most [`PLAIN_MAX`] octets. Layout: nonce, ciphertext, tag.
pub(crate) fn seal(key: &Secret, plain: &[u8], seed: &[u8; 32]) -> Result<Bytes, CryptoError> {
    if plain.len() > PLAIN_MAX {
        return Err(CryptoError);
    }
    let mut nonce = [0; NONCE];
    seeded::rng(seed).fill_bytes(&mut nonce);
    let mut text = pad(plain)?;
    let tag = cipher(key)?.encrypt_in_place_detached(&Nonce::from(nonce), b"", &mut text).map_err(refused)?;
    Ok([&nonce[..], &text, &tag].concat().into())
}

/// Opens what [`seal`] made.
pub(crate) fn open(key: &Secret, sealed: &[u8]) -> Result<Secret, CryptoError> {
    if sealed.len() > SEALED_MAX {
        return Err(CryptoError);
    }
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(CryptoError)?;
    let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(CryptoError)?;
    let mut text = Zeroizing::new(text.to_vec());
    cipher(key)?
        .decrypt_in_place_detached(&Nonce::from(*nonce), b"", &mut text, &Tag::from(*tag))
        .map_err(refused)?;
    unpad(&text)
}
