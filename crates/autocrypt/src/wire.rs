//! The octets of a state or delta, for a snapshot or a message between devices.
//!
//! CBOR (RFC 8949) in deterministic form: `[headers, gossip, seen]`. Each of the first two is an array of
//! `[addr, date]` (a deletion) or `[addr, date, key, mutual, message, reporter]`, `seen` one of `[addr, date]`; each is in
//! the strict order of the addresses' octets. Dates are seconds since 1970.

use bytes::Bytes;
use minicbor::{Decoder, Encoder, decode, encode};

use crate::{Address, Date, Entry, KEY_BYTES_MAX, Known, Peers, Preference, greatest::Greatest};

/// The octets are not what [`Peers::to_bytes`] writes, or there are more addresses than are
/// allowed. No effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("not the state of peers in its deterministic form and within its bounds")]
pub struct Malformed;

type Decoded<T> = Result<T, decode::Error>;
type Encoded = Result<(), encode::Error<std::convert::Infallible>>;

impl Peers {
    /// The octets. The same state has the same octets.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        written(|e| {
            e.array(3)?;
            write_table(e, &self.headers, write_entry)?;
            write_table(e, &self.gossip, write_entry)?;
            write_table(e, &self.seen, write_date)
        })
    }

    /// Reads the octets. Total, in memory proportional to their number.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(octets: &[u8], peers_max: usize) -> Result<Self, Malformed> {
        let mut d = Decoder::new(octets);
        let mut read = || {
            expect_array(&mut d, 3)?;
            let headers = read_table(&mut d, peers_max, read_entry)?;
            let gossip = read_table(&mut d, peers_max, read_entry)?;
            Decoded::Ok(Self { headers, gossip, seen: read_table(&mut d, peers_max, read_date)? })
        };
        let peers = read().map_err(|_| Malformed)?;
        // One state has one form: what is written from it must be what was read.
        if peers.to_bytes() == octets { Ok(peers) } else { Err(Malformed) }
    }
}

fn written(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Encoded) -> Vec<u8> {
    let mut octets = Vec::with_capacity(256);
    // Writing to memory cannot fail: its error type has no value.
    let _ = write(&mut Encoder::new(&mut octets));
    octets
}

fn write_table<V: Ord + Clone>(
    e: &mut Encoder<&mut Vec<u8>>,
    table: &Greatest<V>,
    write: impl Fn(&mut Encoder<&mut Vec<u8>>, &Address, &V) -> Encoded,
) -> Encoded {
    e.array(table.entries().len() as u64)?;
    table.entries().iter().try_for_each(|(addr, value)| write(e, addr, value))
}

fn write_entry(e: &mut Encoder<&mut Vec<u8>>, addr: &Address, entry: &Entry) -> Encoded {
    match entry {
        Entry::Deleted(date) => write_date(e, addr, date),
        Entry::Known(known) => {
            e.array(6)?.str(addr.as_str())?.u64(known.date.0)?.bytes(&known.key)?;
            e.bool(known.preference == Preference::Mutual)?.bytes(&known.message)?.u64(known.reporter)?.ok()
        }
    }
}

fn write_date(e: &mut Encoder<&mut Vec<u8>>, addr: &Address, date: &Date) -> Encoded {
    e.array(2)?.str(addr.as_str())?.u64(date.0)?.ok()
}

fn read_table<V: Ord + Clone>(
    d: &mut Decoder<'_>,
    peers_max: usize,
    read: impl Fn(&mut Decoder<'_>) -> Decoded<(Address, V)>,
) -> Decoded<Greatest<V>> {
    let length = d.array()?.and_then(|length| usize::try_from(length).ok()).filter(|n| *n <= peers_max);
    let length = length.ok_or_else(|| decode::Error::message("length"))?;
    let mut table = Greatest::new(peers_max);
    for _ in 0..length {
        let (addr, value) = read(d)?;
        table.raise(&addr, value);
    }
    Ok(table)
}

fn read_entry(d: &mut Decoder<'_>) -> Decoded<(Address, Entry)> {
    let fields = d.array()?;
    let addr = read_address(d)?;
    let date = Date(d.u64()?);
    match fields {
        Some(2) => Ok((addr, Entry::Deleted(date))),
        Some(6) => Ok((addr, Entry::Known(read_known(d, date)?))),
        Some(_) | None => Err(decode::Error::message("entry")),
    }
}

fn read_known(d: &mut Decoder<'_>, date: Date) -> Decoded<Known> {
    let key = Bytes::copy_from_slice(d.bytes()?);
    if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Err(decode::Error::message("key"));
    }
    let preference = if d.bool()? { Preference::Mutual } else { Preference::NoPreference };
    let message = d.bytes()?.try_into().map_err(|_| decode::Error::message("hash"))?;
    Ok(Known { date, key, preference, message, reporter: d.u64()? })
}

fn read_date(d: &mut Decoder<'_>) -> Decoded<(Address, Date)> {
    expect_array(d, 2)?;
    Ok((read_address(d)?, Date(d.u64()?)))
}

fn read_address(d: &mut Decoder<'_>) -> Decoded<Address> {
    let text = d.str()?;
    Address::parse(text).ok_or_else(|| decode::Error::message("address"))
}

fn expect_array(d: &mut Decoder<'_>, length: u64) -> Decoded<()> {
    if d.array()? == Some(length) { Ok(()) } else { Err(decode::Error::message("array")) }
}
