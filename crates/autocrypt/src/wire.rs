//! The octets of a state or delta, for a snapshot or a message between devices.
//!
//! CBOR (RFC 8949) in deterministic form. Of [`Peers`] `[headers, gossip, seen, headers, gossip, seen, written, mutual]`: the first three
//! of others, the next of correspondents. Headers and gossip are arrays of `[addr, date, reporter]` (a deletion) or
//! `[addr, date, key, mutual, message, reporter]`, mutual of `[since, header]`, written of `[addr, date, reporter]`, seen of `[addr, date]`; each is in the strict order of
//! the addresses' octets. Dates are seconds since 1970. [`Layers`] are `[newest, counting]`, two of the above.

use bytes::Bytes;
use minicbor::{Decoder, Encoder, decode, encode};

use crate::{
    Address, Date, Deletion, Entry, KEY_BYTES_MAX, Known, Layers, Peers, Preference,
    fact::Written,
    greatest::{Dated, Early, Greatest},
    tables::Tables,
};

/// The octets are not what [`Peers::to_bytes`] or [`Layers::to_bytes`] writes, or there are more addresses than are
/// allowed. No effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("not the state of peers in its deterministic form and within its bounds")]
pub struct Malformed;

type Decoded<T> = Result<T, decode::Error>;
type Encoded = Result<(), encode::Error<std::convert::Infallible>>;
type Writer<'a> = Encoder<&'a mut Vec<u8>>;

impl Peers {
    /// The octets. The same state has the same octets.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        written(|e| write_peers(e, self))
    }

    /// Reads the octets. Total, in memory proportional to their number.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(octets: &[u8], peers_max: usize) -> Result<Self, Malformed> {
        let peers = read_peers(&mut Decoder::new(octets), peers_max).map_err(|_| Malformed)?;
        // One state has one form: what is written from it must be what was read.
        if peers.to_bytes() == octets { Ok(peers) } else { Err(Malformed) }
    }
}

impl Layers {
    /// The octets. The same state has the same octets.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        written(|e| {
            e.array(2)?;
            write_peers(e, &self.newest)?;
            write_peers(e, &self.counting)
        })
    }

    /// Reads the octets. Total, in memory proportional to their number.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(octets: &[u8], peers_max: usize) -> Result<Self, Malformed> {
        let mut d = Decoder::new(octets);
        let mut read = || {
            expect_array(&mut d, 2)?;
            let newest = read_peers(&mut d, peers_max)?;
            Decoded::Ok(Self { newest, counting: read_peers(&mut d, peers_max)? })
        };
        let layers = read().map_err(|_| Malformed)?;
        if layers.to_bytes() == octets { Ok(layers) } else { Err(Malformed) }
    }
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> Encoded) -> Vec<u8> {
    let mut octets = Vec::with_capacity(256);
    // Writing to memory cannot fail: its error type has no value.
    let _ = write(&mut Encoder::new(&mut octets));
    octets
}

fn write_peers(e: &mut Writer<'_>, peers: &Peers) -> Encoded {
    e.array(8)?;
    for tables in [&peers.others, &peers.correspondents] {
        write_table(e, &tables.headers, write_entry)?;
        write_table(e, &tables.gossip, write_entry)?;
        write_table(e, &tables.seen, write_date)?;
    }
    write_table(e, &peers.written, |e, addr, written| write_told(e, addr, written.date, written.reporter))?;
    write_table(e, &peers.mutual, write_early)
}

fn write_table<V: Dated>(
    e: &mut Writer<'_>,
    table: &Greatest<V>,
    write: impl Fn(&mut Writer<'_>, &Address, &V) -> Encoded,
) -> Encoded {
    e.array(table.entries().len() as u64)?;
    table.entries().iter().try_for_each(|(addr, value)| write(e, addr, value))
}

fn write_entry(e: &mut Writer<'_>, addr: &Address, entry: &Entry) -> Encoded {
    match entry {
        Entry::Deleted(deletion) | Entry::Void(deletion) => {
            write_told(e, addr, deletion.date, deletion.reporter)
        }
        Entry::Known(known) | Entry::Orphan(known) => {
            e.array(6)?.str(addr.as_str())?.u64(known.date.0)?.bytes(&known.key)?;
            e.bool(known.preference == Preference::Mutual)?.bytes(&known.message)?.u64(known.reporter)?.ok()
        }
    }
}

fn write_early(e: &mut Writer<'_>, addr: &Address, early: &Early) -> Encoded {
    e.array(2)?.u64(early.since.0)?;
    write_entry(e, addr, &early.entry)
}

fn write_told(e: &mut Writer<'_>, addr: &Address, date: Date, reporter: u64) -> Encoded {
    e.array(3)?.str(addr.as_str())?.u64(date.0)?.u64(reporter)?.ok()
}

fn write_date(e: &mut Writer<'_>, addr: &Address, date: &Date) -> Encoded {
    e.array(2)?.str(addr.as_str())?.u64(date.0)?.ok()
}

fn read_peers(d: &mut Decoder<'_>, peers_max: usize) -> Decoded<Peers> {
    expect_array(d, 8)?;
    let mut tables = || {
        let headers = read_table(d, peers_max, read_entry)?;
        let gossip = read_table(d, peers_max, read_entry)?;
        Decoded::Ok(Tables { headers, gossip, seen: read_table(d, peers_max, read_date)? })
    };
    let (others, correspondents) = (tables()?, tables()?);
    let written = read_table(d, peers_max, read_written)?;
    Ok(Peers { others, correspondents, written, mutual: read_table(d, peers_max, read_early)? })
}

fn read_table<V: Dated>(
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
        Some(3) => Ok((addr, Entry::Deleted(Deletion { date, reporter: d.u64()? }))),
        Some(6) => Ok((addr, Entry::Known(read_known(d, date)?))),
        Some(_) | None => Err(decode::Error::message("entry")),
    }
}

fn read_written(d: &mut Decoder<'_>) -> Decoded<(Address, Written)> {
    expect_array(d, 3)?;
    let (addr, date) = (read_address(d)?, Date(d.u64()?));
    Ok((addr, Written { stands: true, date, reporter: d.u64()? }))
}

fn read_early(d: &mut Decoder<'_>) -> Decoded<(Address, Early)> {
    expect_array(d, 2)?;
    let since = Date(d.u64()?);
    let (addr, entry) = read_entry(d)?;
    Ok((addr, Early { since, entry }))
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
