//! What an update costs, beside the same cryptographic operations with the bare crates in the same run.
//!
//! *Sending* signs and seals one message for each of N siblings; *receiving* checks and opens one of them. The bare side draws
//! the same randomness and does with the crates that rPGP uses what `docs/protocol.md` 5.6 and 5.7 ask for: SHA-256 and
//! Ed25519; X25519, HKDF, AES key wrap; HKDF, and AES-256 in OCB over chunks of 4 KiB of the padded content. It knows no packets,
//! no certificates and no checks of form.
//!
//! Time is the processor's for this thread, and both sides take turns, so that what else the machine does counts little and meets
//! both alike. A run's figures are the medians of its samples; the table has the medians of the runs. An argument picks the lines that
//! it occurs in, with their size: `cargo bench -p sma-openpgp --bench seal -- 'receive 4096'`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::{hint::black_box, time::Duration};

use aes::Aes256;
use aes_kw::KekAes128;
use bytes::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use hkdf::Hkdf;
use ocb3::{
    AeadInPlace, KeyInit, Nonce, Ocb3, Tag,
    consts::{U15, U16},
};
use rand_chacha_03::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use sha2::{Digest, Sha256};
use sma_core::{Crypto, DeviceKey, Timestamp};
use sma_openpgp::OpenPgp;
use x25519_dalek::{PublicKey, StaticSecret};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const SIBLINGS: [u8; 3] = [1, 4, 19];
const SIZES: [usize; 3] = [256, 4096, 65_536];
const RUNS: usize = 7;
/// What is sampled in a run for one line of the table takes about so long.
const RUN_TIME: Duration = Duration::from_millis(150);

/// One side of the comparison.
trait Side {
    type Message;
    fn send(&self, plain: &[u8]) -> Vec<Self::Message>;
    fn receive(&self, message: &Self::Message, plain: &[u8]);
}

/// This crate.
struct Ours {
    crypto: OpenPgp,
    sender: DeviceKey,
    recipients: Vec<DeviceKey>,
}

impl Ours {
    fn new(siblings: u8) -> Self {
        let crypto = OpenPgp::new();
        let key = |seed| crypto.new_device_key(&[seed; 32], NOW).unwrap();
        let (sender, recipients) = (key(0), (1..=siblings).map(key).collect());
        Self { crypto, sender, recipients }
    }
}

impl Side for Ours {
    type Message = (Bytes, Bytes);

    fn send(&self, plain: &[u8]) -> Vec<Self::Message> {
        let send = |recipient: &DeviceKey| {
            let signature = self.crypto.sign(&self.sender.secret, "bench", plain, &[9; 32], NOW).unwrap();
            (signature, self.crypto.seal(&recipient.certificate, plain, &[8; 32]).unwrap())
        };
        self.recipients.iter().map(send).collect()
    }

    fn receive(&self, (signature, sealed): &Self::Message, plain: &[u8]) {
        let opened = self.crypto.open(&self.recipients[0].secret, sealed).unwrap();
        self.crypto.verify(&self.sender.certificate, "bench", opened.expose(), signature).unwrap();
        assert_eq!(opened.expose().len(), plain.len());
    }
}

/// The primitives.
struct Bare {
    sender: SigningKey,
    recipients: Vec<(StaticSecret, PublicKey)>,
}

/// What the bare side sends.
struct Sent {
    signature: Signature,
    signature_salt: [u8; 16],
    ephemeral: PublicKey,
    wrapped: [u8; 40],
    salt: [u8; 32],
    text: Vec<u8>,
    tags: Vec<Tag<U16>>,
}

const CHUNK: usize = 4096;

impl Bare {
    fn new(siblings: u8) -> Self {
        let key = |seed| {
            let secret = StaticSecret::from([seed; 32]);
            let public = PublicKey::from(&secret);
            (secret, public)
        };
        Self { sender: SigningKey::from_bytes(&[99; 32]), recipients: (1..=siblings).map(key).collect() }
    }
}

fn digest(salt: &[u8; 16], plain: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(plain).finalize().into()
}

/// The key that wraps the session key (RFC 9580 section 5.1.6).
fn wrapping(shared: &x25519_dalek::SharedSecret, ephemeral: &PublicKey, recipient: &PublicKey) -> KekAes128 {
    let input = [*ephemeral.as_bytes(), *recipient.as_bytes(), *shared.as_bytes()].concat();
    let mut key = [0; 16];
    Hkdf::<Sha256>::new(None, &input).expand(b"OpenPGP X25519", &mut key).unwrap();
    KekAes128::from(key)
}

/// The cipher of one message, and the beginning of its nonces (RFC 9580 section 5.13.2).
fn cipher(session: &[u8; 32], salt: &[u8; 32]) -> (Ocb3<Aes256, U15, U16>, [u8; 7]) {
    let mut octets = [0; 39];
    Hkdf::<Sha256>::new(Some(salt), session).expand(&INFO, &mut octets).unwrap();
    let (key, start) = octets.split_first_chunk::<32>().unwrap();
    (Ocb3::new(key.into()), start.try_into().unwrap())
}

const INFO: [u8; 5] = [0xd2, 2, 9, 2, 6];

fn nonce(start: [u8; 7], chunk: usize) -> Nonce<U15> {
    let mut nonce = Nonce::<U15>::default();
    nonce[..7].copy_from_slice(&start);
    nonce[7..].copy_from_slice(&(chunk as u64).to_be_bytes());
    nonce
}

/// What authenticates the end: the head and the length.
fn end(length: usize) -> Vec<u8> {
    [&INFO[..], &(length as u64).to_be_bytes()].concat()
}

/// As long as this crate pads it (Padmé), and with the octets of a literal packet's head.
fn padded(plain: &[u8]) -> Vec<u8> {
    let length: usize = 4 + plain.len();
    let exponent = length.ilog2();
    let mask = (1 << (exponent - (exponent.ilog2() + 1))) - 1;
    let mut octets = vec![0; 9 + ((length + mask) & !mask)];
    octets[13..13 + plain.len()].copy_from_slice(plain);
    octets
}

impl Side for Bare {
    type Message = Sent;

    fn send(&self, plain: &[u8]) -> Vec<Self::Message> {
        let send = |(_, recipient): &(StaticSecret, PublicKey)| {
            let mut signature_salt = [0; 16];
            ChaCha20Rng::from_seed([9; 32]).fill_bytes(&mut signature_salt);
            let signature = self.sender.sign(&digest(&signature_salt, plain));

            let (mut session, mut ephemeral, mut salt) = ([0; 32], [0; 32], [0; 32]);
            let mut rng = ChaCha20Rng::from_seed([8; 32]);
            for octets in [&mut session, &mut ephemeral, &mut salt] {
                rng.fill_bytes(octets);
            }
            let secret = StaticSecret::from(ephemeral);
            let ephemeral = PublicKey::from(&secret);
            let mut wrapped = [0; 40];
            let kek = wrapping(&secret.diffie_hellman(recipient), &ephemeral, recipient);
            kek.wrap(&session, &mut wrapped).unwrap();

            let (cipher, start) = cipher(&session, &salt);
            let mut text = padded(plain);
            let mut tags = Vec::new();
            for (number, chunk) in text.chunks_mut(CHUNK).enumerate() {
                tags.push(cipher.encrypt_in_place_detached(&nonce(start, number), &INFO, chunk).unwrap());
            }
            let last = nonce(start, tags.len());
            tags.push(cipher.encrypt_in_place_detached(&last, &end(text.len()), &mut []).unwrap());
            Sent { signature, signature_salt, ephemeral, wrapped, salt, text, tags }
        };
        self.recipients.iter().map(send).collect()
    }

    fn receive(&self, sent: &Self::Message, plain: &[u8]) {
        let (secret, public) = &self.recipients[0];
        let mut session = [0; 32];
        let kek = wrapping(&secret.diffie_hellman(&sent.ephemeral), &sent.ephemeral, public);
        kek.unwrap(&sent.wrapped, &mut session).unwrap();

        let (cipher, start) = cipher(&session, &sent.salt);
        let mut text = sent.text.clone();
        for (number, (chunk, tag)) in text.chunks_mut(CHUNK).zip(&sent.tags).enumerate() {
            cipher.decrypt_in_place_detached(&nonce(start, number), &INFO, chunk, tag).unwrap();
        }
        let last = nonce(start, sent.tags.len() - 1);
        let tag = sent.tags.last().unwrap();
        cipher.decrypt_in_place_detached(&last, &end(text.len()), &mut [], tag).unwrap();

        let digest = digest(&sent.signature_salt, &text[13..13 + plain.len()]);
        self.sender.verifying_key().verify(&digest, &sent.signature).unwrap();
    }
}

/// How long the processor has worked for this thread.
fn clock() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn time<T>(work: impl FnOnce() -> T) -> f64 {
    let start = clock();
    black_box(work());
    (clock() - start).as_secs_f64() * 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One run: the median times of both, in microseconds.
fn run<T, U>(mut ours: impl FnMut() -> T, mut bare: impl FnMut() -> U) -> [f64; 2] {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let begin = clock();
    while one.len() < 5 || clock() - begin < RUN_TIME {
        one.push(time(&mut ours));
        other.push(time(&mut bare));
    }
    [one, other].map(median)
}

fn line<T, U>(what: &str, size: usize, mut ours: impl FnMut() -> T, mut bare: impl FnMut() -> U) {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    if wanted.is_some_and(|word| !format!("{what} {size}").contains(&word)) {
        return;
    }
    // The first call reads the certificates.
    black_box((ours(), bare()));
    let runs: Vec<_> = (0..RUNS).map(|_| run(&mut ours, &mut bare)).collect();
    let mut ratios: Vec<_> = runs.iter().map(|[ours, bare]| ours / bare).collect();
    ratios.sort_by(f64::total_cmp);
    let [ours, bare] = [0, 1].map(|side| median(runs.iter().map(|run| run[side]).collect()));
    let (least, middle, most) = (ratios[0], ratios[RUNS / 2], ratios[RUNS - 1]);
    println!("| {what} | {size} | {ours:.0} | {bare:.0} | {middle:.2} | {least:.2}–{most:.2} |");
}

fn main() {
    println!("| what | octets | ours, µs | bare, µs | ratio | of {RUNS} runs |");
    println!("|---|---|---|---|---|---|");
    for siblings in SIBLINGS {
        for size in SIZES {
            let (ours, bare, plain) = (Ours::new(siblings), Bare::new(siblings), vec![7; size]);
            line(&format!("send to {siblings}"), size, || ours.send(&plain), || bare.send(&plain));
        }
    }
    for size in SIZES {
        let (ours, bare, plain) = (Ours::new(1), Bare::new(1), vec![7; size]);
        let (sealed, sent) = (ours.send(&plain).remove(0), bare.send(&plain).remove(0));
        line("receive", size, || ours.receive(&sealed, &plain), || bare.receive(&sent, &plain));
    }
    for size in SIZES {
        let (ours, bare, plain) = (Ours::new(1), Bare::new(1), vec![7; size]);
        let ours = || ours.send(&plain).iter().for_each(|sealed| ours.receive(sealed, &plain));
        let bare = || bare.send(&plain).iter().for_each(|sent| bare.receive(sent, &plain));
        line("send to 1 and receive", size, ours, bare);
    }
}
